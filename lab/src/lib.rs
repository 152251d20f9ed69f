//! The lab of `happens-before`: replays histories that real people made through the crate's causal delivery,
//! over a simulated network that does everything a network may do, and has an oracle judge the run.
//!
//! | part | what it is for |
//! |---|---|
//! | [`cli`] | the command line of the program `hb` |
//! | [`history`] | what is replayed: a built-in session, an editing trace, a git repository |
//! | [`network`] | virtual time: loss, duplication, delay, reordering, partitions |
//! | [`replay`] | the run: sites that send, deliver, ask for what is missing, and are judged |
//! | [`report`] | what a run showed, for people and for machines |
//! | [`diagram`] | the space-time diagram of a small run |
//! | [`progress`] | what is seen while a long run goes on |
//! | [`random`] | seeded numbers that stay the same for ever |
//! | [`words`] | how numbers and names become text |

#![forbid(unsafe_code)]

pub mod cli;
pub mod diagram;
pub mod history;
pub mod network;
mod output;
pub mod progress;
pub mod random;
pub mod replay;
pub mod report;
pub mod words;
