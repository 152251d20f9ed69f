//! The lab of `happens-before`, as a library and the program `hb`.
//!
//! It replays histories that real people made through the crate's causal delivery, over a simulated network that loses,
//! repeats, delays and reorders. It orders messages over real engines, with faults on purpose. Oracles judge every run.
//!
//! | part | contents |
//! |---|---|
//! | [`cli`] | the command line of the program `hb` |
//! | [`history`] | the histories to replay: a built-in session, an editing trace, a git repository |
//! | [`replay`] | a replay: sites that send, deliver, ask for missing messages, and are judged |
//! | [`order`] | total order over memory, redb or PostgreSQL: publishers, subscribers, faults, the verdict |
//! | [`report`] | the report of a run, for people and for machines |
//! | [`diagram`] | the space-time diagram of a small run |
//! | [`progress`] | the progress of a long run |
//! | [`stream`] | the streams of random numbers, one for each part of a run |
//! | [`budget`] | a limit on memory, counted while a history is read |
//! | [`words`] | numbers and names as text |
//!
//! The network comes from `happens-before-simulation`: virtual time, loss, duplication, delay, reordering, partitions.

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
    //! The streams of random numbers. Each part of a run draws from its own stream, so that a change in one part leaves
    //! the numbers of the others alone. The links of the network have streams too.

    /// The times and the groups of network partitions.
    pub const PARTITIONS: u64 = 2;
    /// The choice of the site that is asked for missing messages.
    pub const QUESTIONS: u64 = 3;
    /// The built-in session.
    pub const SESSION: u64 = 4;
    /// The faults that messages meet in an `hb order` run.
    pub const FAULTS: u64 = 5;
}
