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
//! # Which one do I need?
//!
//! | | [`Interleaved`] | [`Blocks`] | [`ReserveAhead`] | [`Snowflake`] |
//! |---|---|---|---|---|
//! | needs | nobody, once the classes are dealt | a counter, once a block | one durable `u64` | a clock, a node number |
//! | unique | among all classes of one deal | among all users of the counter | for one store | among distinct node numbers |
//! | increasing per allocator | yes | yes | yes, across restarts too | yes |
//! | increasing in real time, across allocators | no | no | (one allocator only) | as well as the clocks agree |
//! | consistent with causality | **no** | **no** | **no** | **no** |
//! | gaps | as nodes progress unevenly | what a crash leaves | what a restart leaves | nearly everything |
//! | survives a restart by | [saving](Interleaved::save) the class | [keeping](Blocks::stop) what is left | its [`Store`] | [skipping](Snowflake::skip_past) what was used |
//!
//! If numbers must agree with causality, use a [`LamportClock`](crate::LamportClock), which costs one maximum a
//! message; if they must also be known to be complete, a total order broadcast over a
//! [`Counter`](crate::counter::Counter).
//!
//! # Why there is no trait for all four
//!
//! Because each needs something else to make a number: nothing, a block, a store that may fail, the time. A
//! trait over that either hides what can go wrong or carries it in three type parameters. Code that should not
//! care takes a closure, `impl FnMut() -> Result<u64, E>`, which any of the four becomes in one line. What they
//! do share is plain data: [`Limit`], [`NumberRange`], [`TooFewNumbers`](crate::counter::TooFewNumbers), and the words `issue`, `issue_range`, `remaining`.
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
pub use error::{BlockRefused, BlockRefusedKind, NotSiblings, RefillError, ReserveError, SnowflakeError};
pub use interleaved::Interleaved;
pub use limit::Limit;
pub use number_range::NumberRange;
pub use reserve_ahead::{ReserveAhead, Store};
pub use snowflake::{Snowflake, SnowflakeConfig, SnowflakeLayout};
