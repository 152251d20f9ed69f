//! Limits on the memory that others can make a buffer use.

/// Limits on the memory that others can make a [`CausalBuffer`](crate::CausalBuffer) use.
///
/// Others can make the buffer hold at most `messages + nodes` messages, each with at most `dependencies` dependencies.
/// In addition to the messages it then keeps, on a 64-bit machine:
///
/// | for | bytes |
/// |---|---|
/// | a held message | 28, and 8 if the cause that it waits for is not held; room for fewer than 32 more messages is set aside |
/// | a message that was held and is gone | as much as a held message, with the message itself |
/// | a node with messages held or waited for | up to 600; for each of these messages up to 256 if their counters are as far apart as one window allows, up to 16 if they are close together |
/// | a held message, once there are sources | up to 37 more |
/// | a node | its id, and a lane as large as a message and 40 bytes; up to twice that, because arrays grow in steps |
///
/// The arrays keep their largest size until the buffer is dropped or [advanced](crate::CausalBuffer::advance_to). The
/// window of a node shrinks when messages leave it.
///
/// With ids of 8 bytes this makes at most 96 bytes in addition to each of 10,000 messages with three dependencies. With
/// 8 and with 64 nodes it is 33 to 50 bytes, whether the messages come in order, reversed, shuffled or with every
/// second one missing. With several sources it is 69 to 87 bytes. `tests/allocations.rs` measures it at every fill.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::BufferLimits;
///
/// let small_device = BufferLimits { messages: 500, nodes: 64, ..BufferLimits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferLimits {
    /// Limit on the messages held back; the default is 65,536, and the maximum is 2^30.
    ///
    /// A higher limit tolerates longer gaps. A lower one saves memory, but refused messages must come again. With 0 the
    /// buffer is *strict*: it holds nothing back, and refuses every message that has to wait.
    pub messages: usize,
    /// Limit on the bytes of the messages held back; there is no limit by default.
    ///
    /// Each message counts with the size of its dot and its dependencies in memory, and with the
    /// [measure](crate::CausalBuffer::measured) of its payload.
    pub bytes: usize,
    /// Limit on the distance of a counter, of a message or a dependency, from the last delivered counter of its node;
    /// the default is 2^20.
    ///
    /// A node that lags further behind must catch up from a snapshot. With a small horizon, a forged counter adds only
    /// a short range to [`missing`](crate::CausalBuffer::missing).
    pub horizon: u64,
    /// Limit on the known nodes, delivered or only named; the default is 4,096, and the maximum is 2^30.
    pub nodes: usize,
    /// Limit on the dependencies of a message; the default is 1,024, in a [`CausalSender`](crate::CausalSender) too. No
    /// buffer of a group may have a smaller limit than a sender: see
    /// [`with_dependencies`](crate::CausalSender::with_dependencies).
    pub dependencies: usize,
    /// Limit on the sources known at a time; the default is 64, and the maximum is 65,535.
    ///
    /// A source is a neighbour that brings messages: see [`accept_from`](crate::CausalBuffer::accept_from). For each
    /// source a share is reserved: `messages / (sources + 1)` and `bytes / (sources + 1)`. The extra source is that of
    /// messages that come by `accept`. More sources mean smaller shares.
    pub sources: usize,
}

impl BufferLimits {
    /// The default limit on the dependencies of a message, in a sender and in a buffer.
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
