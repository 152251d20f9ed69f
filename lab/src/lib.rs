//! The lab of `happens-before`: replays histories that real people made through the crate's causal delivery,
//! over a simulated network that does everything a network may do, and has an oracle judge the run.
//!
//! | part | what it is for |
//! |---|---|
//! | [`history`] | what is replayed: a built-in session, an editing trace, a git repository |
//! | [`network`] | virtual time: loss, duplication, delay, reordering, partitions |
//! | [`random`] | seeded numbers that stay the same for ever |

#![forbid(unsafe_code)]

pub mod history;
pub mod network;
pub mod random;
pub mod replay;
