//! Sets of events that have been seen, compact because nodes number their events one after another.

#[cfg(feature = "alloc")]
pub(crate) mod context;
#[cfg(feature = "alloc")]
mod entries;
mod fixed;
#[cfg(feature = "alloc")]
mod ids;
#[cfg(feature = "alloc")]
mod recent;
mod simd;
#[cfg(feature = "alloc")]
pub(crate) mod vector;

#[cfg(feature = "alloc")]
pub(crate) use context::CausalContext;
#[cfg(feature = "alloc")]
pub use context::{Ranges, TooManyRanges};
#[cfg(feature = "alloc")]
pub use entries::Entries;
pub use fixed::{FixedVector, IncrementError, NotAMember};
#[cfg(feature = "alloc")]
pub(crate) use ids::INLINE;
#[cfg(feature = "alloc")]
pub(crate) use vector::VersionVector;
