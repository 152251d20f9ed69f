//! Compact sets of the events that a node has seen.
//!
//! They are compact because each node numbers its events one after another.
//!
//! | I want to ... | take | it costs |
//! |---|---|---|
//! | know whether a state is older than another, newer, or concurrent with it | [`VersionVector`] | one number a node |
//! | the same, with all nodes known beforehand, on a small device | [`FixedVector`] | 8 bytes a node |
//! | know exactly which events were seen, even out of order | [`CausalContext`] | one number a node, and one range a gap |
//! | keep all values of a key that were written concurrently, and no others | [`Siblings`] | a vector, and one dot a value |
//! | the same as a vector, for nodes that come and go without ids | [`IntervalTreeClock`] | two trees that grow with the number of nodes that take part now |
//! | know which events another replica lacks | [`VersionVector::difference`](crate::VersionVector::difference), [`CausalContext::missing`](crate::CausalContext::missing) | |

#[cfg(feature = "alloc")]
pub(crate) mod context;
mod error;
mod fixed;
#[cfg(feature = "alloc")]
mod ids;
#[cfg(feature = "alloc")]
mod interval_tree;
#[cfg(feature = "alloc")]
mod siblings;
mod simd;
#[cfg(feature = "alloc")]
pub(crate) mod vector;

#[cfg(feature = "alloc")]
pub(crate) use context::CausalContext;
#[cfg(feature = "alloc")]
pub use context::Ranges;
pub use error::FixedVectorError;
#[cfg(feature = "alloc")]
pub use error::{InvalidSiblings, TooManyRanges, ValueRefused};
pub use fixed::FixedVector;
#[cfg(feature = "alloc")]
pub use interval_tree::{EventError, IntervalTreeClock, InvalidClock, InvalidClockKind, OverlappingIds};
#[cfg(feature = "alloc")]
pub use siblings::Siblings;
#[cfg(feature = "alloc")]
pub use vector::{Entries, IntoEntries};
#[cfg(feature = "alloc")]
pub(crate) use vector::{INLINE, VersionVector};
