//! Logical clocks, version vectors and causal delivery for anyone who replicates data.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod check;
#[cfg(feature = "alloc")]
mod compat;
#[cfg(feature = "alloc")]
pub mod delivery;
#[cfg(any(feature = "arbitrary", feature = "quickcheck"))]
mod generators;
mod node;
mod order;
pub mod scalar;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(feature = "alloc")]
pub mod version;

#[cfg(feature = "alloc")]
pub use delivery::{CausalBuffer, Limits, Message, Outbox};
pub use node::{CounterExhausted, Dot, DotRange, NodeId};
pub use order::CausalOrder;
pub use scalar::{LamportClock, LamportTimestamp};
#[cfg(feature = "alloc")]
pub use version::VersionVector;
