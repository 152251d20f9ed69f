//! The limits and waits of a subscriber.

/// Configuration of a [`Subscriber`](super::Subscriber): its waits, and the limits of its memory.
///
/// Times are in milliseconds. Others can make a subscriber keep at most `bytes` and one entry more, `nodes` ids with a
/// number each, and `skips` numbers of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberConfig {
    /// The number of slots kept, from the next one on; the default is 1,024, the least 1.
    pub window: usize,
    /// The most bytes of all entries in the window together; the default is 64 MiB.
    ///
    /// Each entry counts for its size in memory, and for what [`measured`](super::Subscriber::measured) returns for its
    /// payloads. An entry beyond the limit is dropped, and read again at its turn. The entry in the next slot is always
    /// kept. A read asks the log for no more bytes than there is room for.
    pub bytes: usize,
    /// The pause before the log is read again when nothing is new, and during the wait for a hole; the default is 50.
    pub poll_ms: u64,
    /// The longest time that a publisher's write, or an answer to this subscriber, may take; the default is 1,000.
    ///
    /// The first wait for a hole is twice as long. A publisher that takes longer finds its slot filled, and takes a new
    /// number.
    pub write_timeout_ms: u64,
    /// The longest wait for a hole; the default is 60,000. Waits grow up to it as slots are filled.
    pub max_fill_timeout_ms: u64,
    /// The most holes in a row that are believed; the default is 2^20. More are reported as
    /// [`Jump`](super::SubscribeError::Jump).
    pub jump: u64,
    /// The most nodes that may have delivered messages; the default is 4,096.
    ///
    /// A node that comes back under a new id counts once more, until an entry [retires](super::Content::Retire) the old
    /// id.
    pub nodes: usize,
    /// The number of skipped slots remembered; the default is 1,024, the least 1.
    ///
    /// If there are more, the lowest is forgotten. A [`Skip`](super::Content::Skip) of a forgotten slot stops this
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
