//! What the owner of an endpoint chooses, and what it is told when something cannot be done.

use core::fmt;

use crate::codec::DecodeError;
use crate::compat::Vec;
use crate::delivery::TooManyNodes;

/// Sizes and times of an [`Endpoint`](super::Endpoint).
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

/// A payload that was not broadcast; hands it back. The endpoint is as before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastError {
    /// What the message would have carried.
    pub payload: Vec<u8>,
    /// Why it was not sent.
    pub kind: BroadcastErrorKind,
}

/// Why a payload was not broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BroadcastErrorKind {
    /// Not all members have the earlier messages of this node, and no more may be on their way. Deliver what there is
    /// and try again later; [`held_back_by`](super::Endpoint::held_back_by) names whom it waits for, to be removed if
    /// they are gone for good.
    WindowFull,
    /// With this payload the message would be longer than a whole window; send it in parts. Where no payload is short
    /// enough, the window has no room for the names of the nodes.
    TooLong {
        /// [`EndpointConfig::window_bytes`].
        limit: usize,
    },
    /// The node has used its last counter; continue under a new id.
    CounterExhausted,
}

impl fmt::Display for BroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BroadcastErrorKind::WindowFull => f.write_str(
                "earlier messages are not acknowledged by all; deliver what there is, try again later, or remove the member \
                 that holds them back",
            ),
            BroadcastErrorKind::TooLong { limit } => {
                write!(f, "the message is longer than the {limit} bytes of a window; send it in parts")
            }
            BroadcastErrorKind::CounterExhausted => {
                f.write_str("the last counter is used; continue under a new node id")
            }
        }
    }
}

impl core::error::Error for BroadcastError {}

/// A node that was not taken into the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmitError {
    /// There would be more than [`EndpointConfig::nodes`], with those that have left.
    TooManyNodes(TooManyNodes),
    /// It was a member and was removed. What it has acknowledged was forgotten then, and it would not say it again: it must
    /// [`join`](super::Endpoint::join) under a new id.
    HasLeft,
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyNodes(error) => error.fmt(f),
            Self::HasLeft => f.write_str("the node was removed from this group; admit it under a new id"),
        }
    }
}

impl core::error::Error for AdmitError {}

/// A packet that was not taken in. The endpoint is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// It comes from a node that is not a member, or from this one.
    NotAMember,
    /// The bytes are not a packet.
    Decode(DecodeError),
    /// The sender says that it has messages of this node that this node has not sent: the sender lies, or this node has
    /// lost a part of its state. If others say so too, it must come back under a new id.
    NeverSent,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMember => {
                f.write_str("the sender is not a member here: it was not admitted yet, or is removed")
            }
            Self::Decode(error) => write!(f, "not a packet: {error}"),
            Self::NeverSent => f.write_str(
                "the sender has messages of this node that it has not sent; distrust it, \
                 or come back under a new id if this node has lost its state",
            ),
        }
    }
}

impl core::error::Error for PacketError {}

/// An endpoint that cannot be made from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are not a snapshot, or one that contradicts itself.
    Decode(DecodeError),
    /// The group has more nodes, with those that have left, than the configuration allows. Where one vector alone names
    /// too many, it is `Decode` that says so.
    TooManyNodes(TooManyNodes),
    /// More messages are on their way than the window of the configuration allows.
    WindowTooSmall,
    /// The node that joins is not in the snapshot's roster: it must be admitted *before* the snapshot is taken.
    NotAMember,
    /// The node that joins has sent or acknowledged something under this id before, as far as the snapshot knows; or a
    /// member lies about it. It needs a new one.
    KnownAuthor,
}

impl From<DecodeError> for RestoreError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<TooManyNodes> for RestoreError {
    fn from(error: TooManyNodes) -> Self {
        Self::TooManyNodes(error)
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "not a snapshot: {error}"),
            Self::TooManyNodes(error) => error.fmt(f),
            Self::WindowTooSmall => f.write_str("the snapshot was made with a larger window; use the same"),
            Self::NotAMember => {
                f.write_str("the snapshot's group does not know the node; admit it, then take a new snapshot")
            }
            Self::KnownAuthor => f.write_str("the id has been used in this group; join under a new one"),
        }
    }
}

impl core::error::Error for RestoreError {}
