//! What has been seen: sets of events, compact because nodes number their events one after another.

mod context;
mod vector;

pub use context::{CausalContext, Ranges, TooManyRanges};
pub(crate) use vector::INLINE;
pub use vector::VersionVector;
