//! The sizes and times that the owner of an endpoint chooses.

use crate::delivery::BufferLimits;

/// Sizes and times of an [`Endpoint`](crate::Endpoint).
///
/// All nodes of a group take the same `window`, `window_bytes` and `nodes`. A node that has more on its way than others keep
/// for it is slowed down by that; a message longer than the `window_bytes` of another, and a vector that names more than
/// its `nodes`, are refused there for ever, and nothing tells the sender. The rest may differ.
///
/// # Memory
///
/// For each node, at most `window` messages, delivered or held back, that take `window_bytes` and one longest message
/// as they travel; a few hundred bytes; and 8 bytes for each pair of an author and a member.
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
    /// How many messages of one author may be on their way: not yet known to be delivered everywhere. 0 counts as
    /// 1; the default is 1,024.
    pub window: u64,
    /// How many bytes those may take, and so how long one may be; the default is 1 MiB. A message names up to all other
    /// nodes, each with a counter, beside its payload.
    pub window_bytes: usize,
    /// How many nodes may ever be in the group, with those that have left, also those that came back under a new id; the
    /// default is 256. A group that needs more restarts its nodes with a larger number, all of them before the next one
    /// is admitted.
    pub nodes: usize,
    /// How long a packet should be at most, in bytes; the default is 1,200. One message, or one vector, that is longer
    /// goes alone.
    pub packet: usize,
    /// How many bytes of answers one node is sent in `retry_ms`, whatever it asks for; the default is 64 KiB.
    pub answer_bytes: usize,
    /// How long an acknowledgement waits for company, and a message for those that it has overtaken, in milliseconds;
    /// the default is 20. With 0 nothing waits for company, and each delivery is acknowledged in a packet of its own.
    pub delay_ms: u64,
    /// How long to wait for an answer before asking or telling again, in milliseconds; the default is 200. It doubles
    /// with every time in vain.
    pub retry_ms: u64,
    /// The longest that this wait becomes, in milliseconds; the default is 10,000.
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
