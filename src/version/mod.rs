//! What has been seen: sets of events, compact because nodes number their events one after another.

mod vector;

pub use vector::VersionVector;
