//! Limits on what others can make a buffer remember.

/// Limits on what others can make a [`CausalBuffer`](crate::CausalBuffer) remember.
///
/// Others can make the buffer hold at most `messages + nodes` messages, each with at most `dependencies`
/// dependencies. Beyond the messages themselves it then keeps, on a 64-bit machine:
///
/// | for | bytes |
/// |---|---|
/// | a held message | 28, and 8 if what it waits for is not held itself; room for less than 32 messages more is set aside |
/// | a message held before that has gone | as much as one that is held, itself included |
/// | a node of which any is held or waited for | up to 600, and for each such message up to 256, where they lie as far apart as one window allows; up to 16 where they lie close together |
/// | a held message, once there are sources | up to 37 more |
/// | a node | its id, and a lane as large as a message and 40 bytes; up to twice that, as arrays grow |
///
/// The arrays keep the size that they had at the fullest, until the buffer goes or is
/// [advanced](crate::CausalBuffer::advance_to); the window of a node shrinks with what is held in it.
///
/// With ids of 8 bytes that makes at most 96 bytes beyond each of 10,000 messages with three dependencies: 33 to 50
/// over 8 and over 64 nodes, in order, reversed, shuffled, or with every second one missing, and 69 to 87 from several
/// sources. `tests/allocations.rs` measures it at every fill.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::BufferLimits;
///
/// let small_device = BufferLimits { messages: 500, nodes: 64, ..BufferLimits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLimits {
    /// Limit on the messages held back; the default is 65,536, and no more than 2^30 are.
    ///
    /// More tolerates longer gaps; fewer saves memory, and what was refused must come again. With 0 the buffer is
    /// *strict*: it holds nothing back, and refuses every message that is not the next one.
    pub messages: usize,
    /// Limit on the bytes of the messages held back; there is no limit by default.
    ///
    /// Counted are, for each, its own dot and its dependencies, as large as they are in memory, and what
    /// [`measured`](crate::CausalBuffer::measured) says of its payload.
    pub bytes: usize,
    /// Limit on the distance of the counter of a message, or of a dependency, from what is delivered; the default is
    /// 2^20.
    ///
    /// A node that lags further behind must catch up from a snapshot. A small horizon bounds what a forged counter
    /// makes [`missing`](crate::CausalBuffer::missing) ask for.
    pub horizon: u64,
    /// Limit on the nodes known, delivered or only named; the default is 4,096, and no more than 2^30 are.
    pub nodes: usize,
    /// Limit on the dependencies of a message; the default is 1,024, in a [`CausalSender`](crate::CausalSender) too.
    /// No buffer of a group may have a smaller limit than a sender has, see
    /// [`with_dependencies`](crate::CausalSender::with_dependencies).
    pub dependencies: usize,
    /// Limit on the sources known at a time; the default is 64, and no more than 65,535 are.
    ///
    /// A source is a neighbour that brings messages, see
    /// [`accept_from`](crate::CausalBuffer::accept_from). Each has a share of `messages` and of `bytes` in reserve:
    /// these, divided by one more than `sources`, the one being what comes by `accept`. More sources make for
    /// smaller shares.
    pub sources: usize,
}

impl BufferLimits {
    /// Limit on the dependencies of a message by default, in a sender and in a buffer.
    pub(in crate::delivery) const DEPENDENCIES: usize = 1 << 10;
}

impl Default for BufferLimits {
    fn default() -> Self {
        Self {
            messages: 1 << 16,
            bytes: usize::MAX,
            horizon: 1 << 20,
            nodes: 1 << 12,
            dependencies: Self::DEPENDENCIES,
            sources: 1 << 6,
        }
    }
}
