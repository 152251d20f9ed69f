//! Configuration of a publisher.

/// Configuration of a [`Publisher`](crate::Publisher): the kind of its log, and the faults that it tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// The kind of the log; the default is [`LogKind::Slots`].
    pub log: LogKind,
    /// The number of answers to one entry that may settle nothing, and the number of times in a row that the counter
    /// may be below the tail of the log. The default is 16.
    ///
    /// An answer settles nothing if the slot is lost, to a fill or another entry, or if the answer makes no sense.
    pub attempts: u32,
    /// The largest distance of a number above the highest occupied slot known; the default is 2^20.
    ///
    /// Every number in between is a hole that subscribers wait for and fill. Subscribers should allow the same distance.
    /// It has no meaning over appends.
    pub jump: u64,
}

impl PublisherConfig {
    /// Returns the default configuration over [`LogKind::Appends`].
    #[must_use]
    pub const fn over_appends() -> Self {
        Self { log: LogKind::Appends, attempts: 16, jump: 1 << 20 }
    }
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self { log: LogKind::Slots, ..Self::over_appends() }
    }
}

/// The kind of a log: whether the writer or the engine picks the slot of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// The writer picks it, with a number from a [`Counter`](crate::counter::Counter), in a
    /// [`SlotLog`](crate::broadcast::SlotLog).
    #[default]
    Slots,
    /// The engine picks it, in the step that stores, in an [`AppendLog`](crate::broadcast::AppendLog).
    Appends,
}
