//! What becomes of a message that arrives, and why an operation of the buffer is refused.

use core::fmt;

use crate::delivery::message::Message;
use crate::node::Dot;

/// What has become of a message that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// All its causes are delivered: [`CausalBuffer::pop`](crate::CausalBuffer::pop) returns it.
    Ready,
    /// It waits for a cause; [`CausalBuffer::missing`](crate::CausalBuffer::missing) may name more than before.
    Held,
    /// It was delivered or held already, and is dropped.
    Duplicate,
}

/// A message that was not accepted, and why. The buffer is as before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptError<I, P> {
    /// The message.
    pub message: Message<I, P>,
    /// Why it was refused.
    pub kind: AcceptErrorKind<I>,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptErrorKind<I> {
    /// A message with this dot and another content is held: its node has used a number twice, or someone forges.
    /// The first is kept.
    Equivocation,
    /// The dot of the message, or one that it depends on, is beyond the horizon. Its sender is broken or hostile;
    /// or this node is far behind, and should catch up from a snapshot.
    TooFarAhead {
        /// The dot.
        dot: Dot<I>,
        /// The highest counter of that node that would have been accepted.
        limit: u64,
    },
    /// The dot of the message, or one that it depends on, lies beyond the number at which its node was
    /// [closed](crate::CausalBuffer::close): the message can never be delivered anywhere. If it is a dependency,
    /// nothing that follows the message can be either: close the message's node just before it.
    Closed {
        /// The dot.
        dot: Dot<I>,
        /// The counter of the last message of its node.
        last: u64,
    },
    /// The message names nodes beyond the limit.
    TooManyNodes(TooManyNodes),
    /// The message has more dependencies than the limit.
    TooManyDependencies {
        /// [`BufferLimits::dependencies`](crate::BufferLimits::dependencies).
        limit: usize,
    },
    /// The message has to wait, and came from a source beyond the limit.
    /// [Remove](crate::CausalBuffer::remove_source) one that has gone, or take no more neighbours.
    TooManySources {
        /// [`BufferLimits::sources`](crate::BufferLimits::sources).
        limit: usize,
    },
    /// No room to hold the message back. Pop what is ready, ask for what is missing, and accept this one again
    /// later: nothing remembers it, and `missing` names it only if a held message does.
    /// [`CausalBuffer::undelivered_causes`](crate::CausalBuffer::undelivered_causes) says what must come before it.
    BufferFull {
        /// How many messages may be held.
        limit: usize,
    },
    /// As [`BufferFull`](Self::BufferFull), but it is the bytes that there is no room for.
    BytesFull {
        /// [`BufferLimits::bytes`](crate::BufferLimits::bytes).
        limit: usize,
    },
}

impl<I: fmt::Debug, P> fmt::Display for AcceptError<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.message.dot();
        match &self.kind {
            AcceptErrorKind::Equivocation => {
                write!(f, "another content of message {of:?} is held; its node has used the number twice")
            }
            AcceptErrorKind::TooFarAhead { dot, limit } => write!(
                f,
                "message {of:?} names {dot:?}, beyond the horizon, which now ends at {limit}; \
                 distrust the sender, or catch up from a snapshot"
            ),
            AcceptErrorKind::Closed { dot, last } => write!(
                f,
                "message {of:?} names {dot:?}, whose node was closed at {last}, and can never be delivered; \
                 drop it, and close its own node before it"
            ),
            AcceptErrorKind::TooManyNodes(error) => write!(f, "message {of:?}: {error}"),
            AcceptErrorKind::TooManyDependencies { limit } => {
                write!(
                    f,
                    "message {of:?} has more than {limit} dependencies; distrust the sender, or raise the limit"
                )
            }
            AcceptErrorKind::TooManySources { limit } => write!(
                f,
                "message {of:?} has to wait, and comes from one source more than {limit}; \
                 remove a source that has gone, or raise the limit"
            ),
            AcceptErrorKind::BufferFull { limit } => write!(
                f,
                "message {of:?} has to wait and {limit} messages are held; \
                 pop what is ready, ask for what is missing, and accept it again later"
            ),
            AcceptErrorKind::BytesFull { limit } => write!(
                f,
                "message {of:?} has to wait and does not fit into the {limit} bytes for those that do; \
                 pop what is ready, ask for what is missing, and accept it again later"
            ),
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug> core::error::Error for AcceptError<I, P> {}

/// More nodes than a buffer may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyNodes {
    /// [`BufferLimits::nodes`](crate::BufferLimits::nodes).
    pub limit: usize,
}

impl fmt::Display for TooManyNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} nodes; distrust the sender, or raise the limit", self.limit)
    }
}

impl core::error::Error for TooManyNodes {}

/// A node could not be closed. The buffer is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// More of the node is delivered here, so the number is not one that all could have agreed on. Agree again: on
    /// at least this one.
    Delivered {
        /// The counter of its last message that is delivered.
        last: u64,
    },
    /// The node is not known, and would be one beyond the limit.
    TooManyNodes(TooManyNodes),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { last } => {
                write!(f, "the messages of the node are delivered up to {last}; agree on at least that number")
            }
            Self::TooManyNodes(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CloseError {}
