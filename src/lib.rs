//! Logical clocks, version vectors and causal delivery for anyone who replicates data.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
mod atomic;
#[cfg(feature = "alloc")]
pub mod check;
#[cfg(feature = "alloc")]
mod compat;
pub mod counter;
#[cfg(feature = "alloc")]
pub mod delivery;
mod node;
mod order;
pub mod scalar;
#[cfg(feature = "alloc")]
pub mod version;

#[cfg(any(loom, target_has_atomic = "64", feature = "portable-atomic"))]
pub use counter::AtomicCounter;
pub use counter::Counter;
#[cfg(feature = "alloc")]
pub use delivery::{CausalBuffer, Limits, Message, Outbox};
pub use node::{CounterExhausted, Dot, DotRange, NodeId};
pub use order::CausalOrder;
#[cfg(any(loom, target_has_atomic = "64", feature = "portable-atomic"))]
pub use scalar::{AtomicHybridClock, AtomicLamportClock};
pub use scalar::{HybridClock, HybridTime, HybridTimestamp, LamportClock, LamportTimestamp};
#[cfg(feature = "alloc")]
pub use version::VersionVector;
