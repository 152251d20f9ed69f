//! Numbers for operations: unique, compact, increasing per allocator, and *not* consistent with causality.
//!
//! # The problem
//!
//! Rows need keys and log entries need numbers. With one counter for all nodes, every operation costs a round trip. The
//! allocators here avoid that round trip. The price: none of them can promise that an operation gets a higher number
//! than those that happened before it.
//!
//! ```text
//!   node A holds 1 to 1,000      node B holds 1,001 to 2,000
//!   B: x gets 1,001  ──────────▶  A: reads x, then y gets 2        x happened before y, and 1,001 > 2
//! ```
//!
//! # Which one do I need?
//!
//! | | [`Interleaved`] | [`Blocks`] | [`ReserveAhead`] | [`Snowflake`] |
//! |---|---|---|---|---|
//! | needs | nothing, once the classes are dealt | a counter, once a block | one durable `u64` | a clock, a node number |
//! | unique | among all classes of one deal | among all users of the counter | for one store | among distinct node numbers |
//! | increasing per allocator | yes | yes | yes, across restarts too | yes |
//! | increasing in real time, across allocators | no | no | (one allocator only) | within the difference of the clocks |
//! | consistent with causality | **no** | **no** | **no** | **no** |
//! | gaps | if nodes progress unevenly | after a crash | after a restart | nearly everywhere |
//! | survives a restart by | [saving](Interleaved::save) the class | [keeping](Blocks::stop) the rest | its [`Store`] | [skipping](Snowflake::skip_past) used milliseconds |
//! | told of numbers from elsewhere by | [`skip_past`](Interleaved::skip_past) | [`observe`](Blocks::observe) | [`observe`](ReserveAhead::observe) | [`skip_past`](Snowflake::skip_past) |
//!
//! If numbers must agree with causality, use a [`LamportClock`](crate::LamportClock), which costs one maximum a
//! message. If a reader must also know that no number is missing, use total order [`broadcast`](crate::broadcast) over
//! a [`Counter`](crate::counter::Counter).
//!
//! # No trait for all four
//!
//! Each allocator needs something else to make a number: nothing, a block, a store that may fail, the time. A trait for
//! all would either hide the possible errors or need three type parameters. Code that should accept any of them takes a
//! closure, `impl FnMut() -> Result<u64, E>`, which wraps each of the four in one line. All four share plain data:
//! [`Limit`], [`NumberRange`] and [`TooFewNumbers`](crate::counter::TooFewNumbers). They also share the names `issue`,
//! `issue_range` and `remaining`.
//!
//! # Sources
//!
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Sequence number ordering", which lists
//! interleaved numbers, time-of-day numbers and preallocated blocks, and shows why each contradicts causality.

mod blocks;
mod error;
mod interleaved;
mod limit;
mod number_range;
mod reserve_ahead;
mod snowflake;

pub use blocks::{Blocks, BlocksConfig};
pub use error::{
    AboveLimit, BlockRefused, BlockRefusedKind, NotSiblings, RefillError, ReserveError, SnowflakeError,
};
pub use interleaved::Interleaved;
pub use limit::Limit;
pub use number_range::NumberRange;
pub use reserve_ahead::{ReserveAhead, Store};
pub use snowflake::{Snowflake, SnowflakeConfig, SnowflakeLayout};
