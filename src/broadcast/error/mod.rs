//! The errors of total order broadcast: of publishers and new epochs, of the log in memory, of subscribers.

mod publish;
mod subscribe;

use core::fmt;

pub use publish::{PublishError, PublishErrorKind};
pub use subscribe::{InvalidAnswer, NodeTableFull, SubscribeError};

/// A log in memory has no room for a slot; nothing is written. Trim the slots that every subscriber has delivered, and
/// try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFull {
    /// The slot that would have been written.
    pub slot: u64,
    /// The first slot that is kept.
    pub first: u64,
    /// The most slots that are kept.
    pub limit: usize,
}

impl fmt::Display for LogFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, first, limit } = self;
        write!(
            f,
            "no room for slot {slot}: the log keeps {limit} slots from {first} on; trim those that are delivered"
        )
    }
}

impl core::error::Error for LogFull {}
