//! Sets of events that have been seen, compact because nodes number their events one after another.

#[cfg(feature = "alloc")]
pub(crate) mod context;
mod error;
mod fixed;
#[cfg(feature = "alloc")]
mod ids;
mod simd;
#[cfg(feature = "alloc")]
pub(crate) mod vector;

#[cfg(feature = "alloc")]
pub(crate) use context::CausalContext;
#[cfg(feature = "alloc")]
pub use context::Ranges;
pub use error::FixedVectorError;
#[cfg(feature = "alloc")]
pub use error::TooManyRanges;
pub use fixed::FixedVector;
#[cfg(feature = "alloc")]
pub(crate) use ids::INLINE;
#[cfg(feature = "alloc")]
pub use vector::Entries;
#[cfg(feature = "alloc")]
pub(crate) use vector::VersionVector;
