//! Errors of an endpoint. After each of them the endpoint is as it was before the call.

use core::fmt;

use crate::codec::DecodeError;
use crate::compat::Vec;

/// A payload that was not broadcast; hands it back. The endpoint is unchanged.
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
    /// Not all members have the earlier messages of this node, and no more may be on their way: the group is slower than
    /// the caller. Deliver what there is and try again later; [`held_back_by`](crate::Endpoint::held_back_by) names the
    /// members that it waits for, to be removed if they are gone for good.
    WindowFull,
    /// With this payload the message would be longer than a whole window, which is the caller's mistake. Send it in parts.
    /// Where no payload is short enough, the window has no room for the names of the nodes.
    TooLong {
        /// [`EndpointConfig::window_bytes`](super::EndpointConfig::window_bytes).
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

/// A packet that was refused. The endpoint is unchanged, and the packet may be dropped: a member that is honest sends what
/// was in it again.
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
    /// It comes from a node that is not a member, or from this one. It was removed, or is not admitted here yet: that is
    /// nobody's fault; or the transport has let a stranger in.
    NotAMember,
    /// The bytes are not a packet: the sender or the transport is at fault, or its format is a later one.
    Decode(DecodeError),
    /// The sender says that it has messages of this node that this node has not sent: the sender lies, or this node has
    /// lost a part of its state. If others say so too, it must come back under a new id.
    NeverSent,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PacketErrorKind::NotAMember => {
                f.write_str("the sender is not a member here: it was not admitted yet, or is removed")
            }
            PacketErrorKind::Decode(error) => write!(f, "not a packet: {error}"),
            PacketErrorKind::NeverSent => f.write_str(
                "the sender has messages of this node that it has not sent; distrust it, \
                 or come back under a new id if this node has lost its state",
            ),
        }
    }
}

impl core::error::Error for PacketError {}

/// A node that was not started, or not admitted to the group. There is no endpoint, or it is unchanged.
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
    /// The group has, or would have, more nodes than the configuration allows, with those that have left. Start all nodes
    /// again with a larger [`EndpointConfig::nodes`](super::EndpointConfig::nodes). Where one vector of a snapshot alone
    /// names too many, it is `Decode` that says so.
    TooManyNodes {
        /// [`EndpointConfig::nodes`](super::EndpointConfig::nodes).
        limit: usize,
    },
    /// The id was used in this group before, and what the node had acknowledged under it would not be said again. It must
    /// [`join`](crate::Endpoint::join) under a new one. To `admit`, the node has left the group; to `join`, it has sent or
    /// acknowledged something, by what the snapshot knows, or a member lies about it.
    IdUsed,
    /// The node that joins is no member by the snapshot: the caller must admit it *before* the snapshot is taken.
    NotAdmitted,
    /// More messages are on their way than the configuration allows: the caller has made the windows smaller. Use those
    /// with which the snapshot was made.
    WindowTooSmall,
    /// The bytes are not a snapshot, or one that contradicts itself: the storage, or the member that has given it, is at
    /// fault. Use another snapshot, and one that is as new.
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
                write!(f, "more than {limit} nodes, with those that have left; start all with a larger limit")
            }
            GroupErrorKind::IdUsed => f.write_str("the id has been used in this group; join under a new one"),
            GroupErrorKind::NotAdmitted => {
                f.write_str("the snapshot's group does not know the node; admit it, then take a new snapshot")
            }
            GroupErrorKind::WindowTooSmall => {
                f.write_str("the snapshot was made with a larger window; use the same")
            }
            GroupErrorKind::Decode(error) => write!(f, "not a snapshot: {error}"),
        }
    }
}

impl core::error::Error for GroupError {}
