//! Numbers for operations: unique, compact, increasing per allocator, and *not* consistent with causality.
//!
//! # The problem
//!
//! Rows want keys, log entries want numbers, and one counter that every node asks for every number is a round
//! trip an operation. The allocators here need no round trip a number. The price: none of them can promise that
//! an operation that happened after another has the higher number.
//!
//! ```text
//!   node A holds 1 to 1,000      node B holds 1,001 to 2,000
//!   B: x gets 1,001  ──────────▶  A: reads x, then y gets 2        x happened before y, and 1,001 > 2
//! ```
//!
//! # Sources
//!
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Sequence number ordering", which lists
//! interleaved numbers, time-of-day numbers and preallocated blocks, and shows why each contradicts causality.

mod blocks;
mod interleaved;
mod limit;
mod reserve_ahead;
mod run;
mod wall_clock;

pub use blocks::{BlockRefused, Blocks, BlocksConfig, OldEpoch, RefillError, TooFewHeld};
pub use interleaved::{Interleaved, InvalidClass, NotSiblings, TooFewLeft};
pub use limit::{Exhausted, Limit};
pub use reserve_ahead::{ReserveAhead, ReserveError, Store};
pub use run::Run;
pub use wall_clock::{Layout, WallClock, WallClockConfig, WallClockConfigError, WallClockError};
