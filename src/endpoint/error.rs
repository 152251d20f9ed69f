//! Errors of an endpoint. After each of them the endpoint is as it was before the call.

use core::fmt;

use crate::codec::DecodeError;
use crate::compat::Vec;

/// A payload that was not broadcast, and is handed back. The endpoint is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastError {
    /// The payload.
    pub payload: Vec<u8>,
    /// The reason, and so what to do.
    pub kind: BroadcastErrorKind,
}

/// The reason why a payload was not broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BroadcastErrorKind {
    /// The window is full: some members lack earlier messages of this node. The group is slower than the caller.
    /// Deliver what there is, and try again later. [`held_back_by`](crate::Endpoint::held_back_by) names those members:
    /// remove them if they are gone for good.
    WindowFull,
    /// The message would be longer than a whole window, which is the caller's mistake. Send the payload in parts. If no
    /// payload is short enough, the window has no room for the names of the nodes.
    TooLong {
        /// [`EndpointConfig::window_bytes`](super::EndpointConfig::window_bytes).
        limit: usize,
    },
    /// The node has used its last counter. Continue under a new id.
    CounterExhausted,
}

impl fmt::Display for BroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BroadcastErrorKind::WindowFull => f.write_str(
                "the window is full of messages that some members lack; deliver what there is, try again later, \
                 or remove the member that holds them back",
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

/// A packet that was refused. The endpoint is unchanged. Drop the packet: an honest member sends its content again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketError {
    /// The reason, and so whose fault it is.
    pub kind: PacketErrorKind,
}

/// The reason why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketErrorKind {
    /// The sender is not a member, or is this node. It was removed or is not admitted here yet, which is nobody's
    /// fault. Or the transport has let a stranger in.
    NotAMember,
    /// The bytes are not a packet. The sender or the transport is at fault, or the packet has a later format.
    Decode(DecodeError),
    /// The sender claims messages of this node that this node has not sent. The sender lies, or this node has lost a
    /// part of its state. If others claim them too, this node must come back under a new id.
    NeverSent,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PacketErrorKind::NotAMember => f.write_str(
                "the sender is not a member here; admit it first, or drop the packet if it was removed",
            ),
            PacketErrorKind::Decode(error) => write!(f, "not a packet: {error}"),
            PacketErrorKind::NeverSent => f.write_str(
                "the sender claims messages that this node has not sent; distrust it, \
                 or come back under a new id if this node has lost its state",
            ),
        }
    }
}

impl core::error::Error for PacketError {}

/// A node that was not started, or not admitted to the group. There is no endpoint, or the endpoint is unchanged.
///
/// | kind | raised by |
/// |---|---|
/// | [`TooManyNodes`](GroupErrorKind::TooManyNodes) | [`new`](crate::Endpoint::new), [`admit`](crate::Endpoint::admit), [`resume`](crate::Endpoint::resume), [`join`](crate::Endpoint::join) |
/// | [`IdUsed`](GroupErrorKind::IdUsed) | `admit`, `join` |
/// | [`NotAdmitted`](GroupErrorKind::NotAdmitted) | `join` |
/// | [`Decode`](GroupErrorKind::Decode), [`WindowTooSmall`](GroupErrorKind::WindowTooSmall) | `resume`, `join` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupError {
    /// The reason, and so what to do.
    pub kind: GroupErrorKind,
}

/// The reason why a node was not started or not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupErrorKind {
    /// The group has or would have more nodes than the configuration allows, counting those that have left. Start all
    /// nodes again with a larger [`EndpointConfig::nodes`](super::EndpointConfig::nodes). If a single vector in a
    /// snapshot names too many, the kind is `Decode`.
    TooManyNodes {
        /// [`EndpointConfig::nodes`](super::EndpointConfig::nodes).
        limit: usize,
    },
    /// The id was used in this group before. Others would not repeat what was acknowledged under it. The node must
    /// [`join`](crate::Endpoint::join) under a new id. From `admit`: the node has left the group. From `join`: the
    /// snapshot says that the node has sent or acknowledged messages, or a member lies about it.
    IdUsed,
    /// The joining node is no member in the snapshot. The caller must admit it *before* the snapshot is taken.
    NotAdmitted,
    /// More messages are on their way than the configuration allows: the caller has made the windows smaller. Use the
    /// windows with which the snapshot was made.
    WindowTooSmall,
    /// The bytes are not a snapshot, or the snapshot contradicts itself. The storage, or the member that gave it, is at
    /// fault. Use another snapshot that is not older.
    Decode(DecodeError),
}

impl From<DecodeError> for GroupError {
    fn from(error: DecodeError) -> Self {
        Self { kind: GroupErrorKind::Decode(error) }
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            GroupErrorKind::TooManyNodes { limit } => {
                write!(
                    f,
                    "more than {limit} nodes, counting those that have left; start all nodes again with a larger limit"
                )
            }
            GroupErrorKind::IdUsed => f.write_str("the id has been used in this group; join under a new one"),
            GroupErrorKind::NotAdmitted => {
                f.write_str("the node is no member in the snapshot; admit it, then take a new snapshot")
            }
            GroupErrorKind::WindowTooSmall => {
                f.write_str("the snapshot was made with a larger window; use the same window")
            }
            GroupErrorKind::Decode(error) => write!(f, "not a snapshot: {error}"),
        }
    }
}

impl core::error::Error for GroupError {}
