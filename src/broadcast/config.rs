//! The limits and waits of a subscriber.

/// Configuration of a [`Subscriber`](super::Subscriber): its waits, and limits to what others can make it remember.
///
/// Times are in milliseconds. Others can make a subscriber keep `bytes` and one entry more, `nodes` ids with a number
/// each, and `skips` numbers of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberConfig {
    /// The slots from the next one on that are kept; the default is 1,024, the least 1.
    pub window: usize,
    /// The most bytes that the entries in the window may have together; the default is 64 MiB.
    ///
    /// Counted are, for each entry, its size in memory, and what [`measured`](super::Subscriber::measured) says of its
    /// payloads. An entry beyond the limit is dropped, and read again when it is its turn. The entry in the next slot is
    /// always kept. A read asks the log for no more bytes than there is room for.
    pub bytes: usize,
    /// The pause before the log is read again where nothing is new, or where a hole is waited for; the default is 50.
    pub poll_ms: u64,
    /// The longest time that a publisher's write, or an answer to this subscriber, may take; the default is 1,000.
    ///
    /// A hole is waited for twice as long at first. A sender that takes longer finds its slot filled, and takes a new
    /// number.
    pub write_timeout_ms: u64,
    /// The longest wait for a hole, up to which it grows as slots are filled; the default is 60,000.
    pub max_fill_timeout_ms: u64,
    /// The most holes in a row that are believed; the default is 2^20.
    pub jump: u64,
    /// The most nodes that may have delivered messages; the default is 4,096.
    ///
    /// A node that comes back under a new id counts once more, until an entry [retires](super::Content::Retire) the old
    /// id.
    pub nodes: usize,
    /// The skipped slots that are remembered; the default is 1,024, the least 1.
    ///
    /// When there are more, the lowest is forgotten. A [`Skip`](super::Content::Skip) of a forgotten slot stops this
    /// subscriber, so allow more than can be skipped between a slot and the last `Skip` of it.
    pub skips: usize,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            window: 1024,
            bytes: 1 << 26,
            poll_ms: 50,
            write_timeout_ms: 1_000,
            max_fill_timeout_ms: 60_000,
            jump: 1 << 20,
            nodes: 1 << 12,
            skips: 1 << 10,
        }
    }
}
