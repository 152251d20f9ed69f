//! Sizes and times that the owner of an endpoint chooses.

use crate::delivery::BufferLimits;

/// Sizes and times of an [`Endpoint`](crate::Endpoint).
///
/// All nodes of a group use the same `window`, `window_bytes` and `nodes`. The rest may differ. The smaller windows of
/// others slow a node down. A message longer than the `window_bytes` of a receiver is refused there for ever, and so is
/// a vector that names more than its `nodes`. The sender is not told.
///
/// # Memory
///
/// For each node, an endpoint keeps:
///
/// - at most `window` messages, delivered or held back, each once; in the bytes of packets they take at most
///   `window_bytes` and one longest message;
/// - a few hundred bytes;
/// - 8 bytes for each pair of an author and a member.
///
/// # Examples
///
/// ```
/// use happens_before::endpoint::EndpointConfig;
///
/// let local_network = EndpointConfig { delay_ms: 2, retry_ms: 20, ..EndpointConfig::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointConfig {
    /// Limit on the messages of one author that are on their way: not yet known to be delivered everywhere. 0 counts as
    /// 1; the default is 1,024.
    pub window: u64,
    /// Limit on the bytes of the messages of one author that are on their way, and thereby on the length of one
    /// message; the default is 1 MiB. In addition to its payload, a message may name all other nodes, each with a
    /// counter.
    pub window_bytes: usize,
    /// Limit on the nodes that are or were in the group; the default is 256. A node that comes back under a new id
    /// counts again. A group that needs a higher limit restarts all its nodes with it, before it admits the next one.
    pub nodes: usize,
    /// The length that a packet should not exceed, in bytes; the default is 1,200. A longer message, or a longer
    /// vector, goes alone.
    pub packet: usize,
    /// Limit on the bytes of answers to one member in `retry_ms`; the default is 64 KiB.
    pub answer_bytes: usize,
    /// The wait before an acknowledgement is sent, and before a missing message is requested, in milliseconds; the
    /// default is 20. It lets acknowledgements go together, and messages overtake each other. With 0 each delivery is
    /// acknowledged at once, in a packet of its own.
    pub delay_ms: u64,
    /// The time to wait for an answer before a packet is repeated, in milliseconds; the default is 200. It doubles each
    /// time that no answer comes.
    pub retry_ms: u64,
    /// Limit on the wait for an answer, in milliseconds; the default is 10,000. On a network that loses many packets, a
    /// message may be late by several such waits. A lower limit there costs more packets while members are silent.
    pub retry_max_ms: u64,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            window: 1 << 10,
            window_bytes: 1 << 20,
            nodes: 1 << 8,
            packet: 1_200,
            answer_bytes: 1 << 16,
            delay_ms: 20,
            retry_ms: 200,
            retry_max_ms: 10_000,
        }
    }
}

impl EndpointConfig {
    /// Returns the limits of the buffer. The windows are narrower than these.
    pub(super) fn buffer_limits(&self) -> BufferLimits {
        let window = usize::try_from(self.window).unwrap_or(usize::MAX);
        BufferLimits {
            messages: window.saturating_mul(self.nodes),
            horizon: self.window,
            nodes: self.nodes,
            dependencies: self.nodes,
            ..BufferLimits::default()
        }
    }
}
