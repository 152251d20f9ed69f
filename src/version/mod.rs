//! Sets of events that have been seen, compact because nodes number their events one after another.

#[cfg(feature = "alloc")]
pub mod context;
#[cfg(feature = "alloc")]
mod entries;
pub mod fixed;
#[cfg(feature = "alloc")]
mod ids;
#[cfg(feature = "alloc")]
mod recent;
#[cfg(feature = "alloc")]
pub mod vector;
mod wide;

#[cfg(feature = "alloc")]
pub use context::{CausalContext, Ranges, TooManyRanges};
#[cfg(feature = "alloc")]
pub use entries::Entries;
pub use fixed::{FixedVector, IncrementError, NotAMember};
#[cfg(feature = "alloc")]
pub(crate) use ids::INLINE;
#[cfg(feature = "alloc")]
pub use vector::VersionVector;
