//! What has been seen: sets of events, compact because nodes number their events one after another.

mod vector;

pub(crate) use vector::INLINE;
pub use vector::VersionVector;
