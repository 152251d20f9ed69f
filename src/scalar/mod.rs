//! Clocks whose state fits in a register, and whose timestamps are totally ordered.
//!
//! A scalar timestamp respects causality in one direction only: what happened before has the lower timestamp.
//! The converse does not hold, so it cannot tell concurrent events from ordered ones; for that, see
//! [`VersionVector`](crate::VersionVector).

mod lamport;

pub use lamport::{LamportClock, LamportTimestamp, TooFarAhead};
