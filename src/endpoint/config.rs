//! The sizes and times that the owner of an endpoint chooses.

use crate::delivery::BufferLimits;

/// Sizes and times of an [`Endpoint`](crate::Endpoint).
///
/// All nodes of a group take the same `window`, `window_bytes` and `nodes`; the rest may differ. A node with a larger window
/// than others is slowed down by theirs. A message longer than the `window_bytes` of another node, and a vector that names
/// more than its `nodes`, are refused there for ever, and nothing tells the sender.
///
/// # Memory
///
/// For each node, at most `window` messages, delivered or held back, that take `window_bytes` and one longest message
/// as they travel, each kept once; a few hundred bytes; and 8 bytes for each pair of an author and a member.
///
/// # Examples
///
/// ```
/// use happens_before::endpoint::EndpointConfig;
///
/// let local_network = EndpointConfig { delay_ms: 2, retry_ms: 20, ..EndpointConfig::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// The number of messages of one author that may be on their way: not yet known to be delivered everywhere. 0 counts
    /// as 1; the default is 1,024.
    pub window: u64,
    /// The bytes that those may take, and so the greatest length of one; the default is 1 MiB. A message names up to all
    /// other nodes, each with a counter, beside its payload.
    pub window_bytes: usize,
    /// The number of nodes that may ever be in the group, with those that have left; one that comes back under a new id
    /// counts again. The default is 256. A group that needs more restarts all its nodes with a larger number before the
    /// next one is admitted.
    pub nodes: usize,
    /// The length that a packet should not exceed, in bytes; the default is 1,200. One message, or one vector, that is
    /// longer goes alone.
    pub packet: usize,
    /// The bytes of answers that one node is sent in `retry_ms`, whatever it asks for; the default is 64 KiB.
    pub answer_bytes: usize,
    /// The time that an acknowledgement waits for others to go with it, and a message for those that it has overtaken, in
    /// milliseconds; the default is 20. With 0 each delivery is acknowledged at once, in a packet of its own.
    pub delay_ms: u64,
    /// The time to wait for an answer before asking or telling again, in milliseconds; the default is 200. It doubles
    /// each time that no answer comes.
    pub retry_ms: u64,
    /// The longest that this wait becomes, in milliseconds; the default is 10,000. On a network that loses much, a message
    /// may be late by several such waits: choose less there, at the price of more packets while members are silent.
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
    /// Returns the limits of the buffer. Windows are narrower.
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
