//! The lab of `happens-before`: replays histories that real people made through the crate's causal delivery,
//! over a simulated network that does everything a network may do; orders messages over real engines, with faults on
//! purpose; and has oracles judge the runs.
//!
//! | part | what it is for |
//! |---|---|
//! | [`cli`] | the command line of the program `hb` |
//! | [`history`] | what is replayed: a built-in session, an editing trace, a git repository |
//! | [`replay`] | the run: sites that send, deliver, ask for what is missing, and are judged |
//! | [`order`] | total order over memory, redb or PostgreSQL: publishers, subscribers, faults, the verdict |
//! | [`report`] | the report of a run, for people and for machines |
//! | [`diagram`] | the space-time diagram of a small run |
//! | [`progress`] | what is seen while a long run goes on |
//! | [`stream`] | which part of a run draws from which stream of random numbers |
//! | [`budget`] | a limit on memory, counted while a history is read |
//! | [`words`] | how numbers and names become text |
//!
//! The network is that of `happens-before-simulation`: virtual time, loss, duplication, delay, reordering, partitions.

#![forbid(unsafe_code)]

pub mod budget;
mod child;
pub mod cli;
pub mod diagram;
pub mod history;
mod interrupt;
pub mod order;
mod output;
pub mod progress;
pub mod replay;
pub mod report;
pub mod words;

pub mod stream {
    //! Each part of a run draws its random numbers from a stream of its own, so that a change in one part leaves the numbers
    //! of the others alone. The links of the network have theirs.

    /// When the network is partitioned, and how.
    pub const PARTITIONS: u64 = 2;
    /// Which site is asked for what is missing.
    pub const QUESTIONS: u64 = 3;
    /// The built-in session.
    pub const SESSION: u64 = 4;
    /// The faults that messages meet, where an order is tried out.
    pub const FAULTS: u64 = 5;
}
