//! The result of an accepted message, and the errors of this module.
//!
//! An `Err` means that nothing has changed. The refused value comes back in the error.

use core::fmt;

use crate::node::{CounterExhausted, Dot};

/// The result of accepting a message or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// All its causes are delivered, so `pop` will return it.
    Ready,
    /// It waits for a cause. `missing` may name more than before.
    Held,
    /// It was already delivered or held, and is dropped.
    Duplicate,
}

/// A message or an event that a buffer has refused. The buffer is unchanged.
///
/// `T` is the refused [`Message`](crate::Message) or [`DagEvent`](crate::delivery::DagEvent). `K` is
/// [`AcceptErrorKind`] or [`EventErrorKind`]. Its variants say whose fault it is and what to do.
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Message};
/// use happens_before::delivery::{AcceptErrorKind, BufferLimits};
///
/// let mut buffer = CausalBuffer::new(BufferLimits::default());
/// let forged = Message::new(Dot::new("a", u64::MAX).unwrap(), [], "from the far end")?;
/// let error = buffer.accept(forged).unwrap_err();
/// assert!(matches!(error.kind, AcceptErrorKind::TooFarAhead { .. }));
/// assert_eq!(*error.refused.payload(), "from the far end");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptError<T, K> {
    /// The message or the event.
    pub refused: T,
    /// The reason.
    pub kind: K,
}

/// A value that arrives, and can be named in an error.
pub(in crate::delivery) trait Arrival {
    /// Writes its type and its name.
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Arrival, K: fmt::Display> fmt::Display for AcceptError<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refused.write_name(f)?;
        write!(f, ": {}", self.kind)
    }
}

impl<T: Arrival + fmt::Debug, K: fmt::Debug + fmt::Display> core::error::Error for AcceptError<T, K> {}

/// The reason why a [`CausalBuffer`](crate::CausalBuffer) has refused a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptErrorKind<I> {
    /// A message with this dot and different content is held. Its node has used a number twice, or a neighbour forges.
    /// The first message is kept. Distrust both, and keep this one as proof.
    Equivocation,
    /// The dot of the message, or of a dependency, is beyond the horizon. The sender is broken or hostile, or this node
    /// lags far behind and should catch up from a snapshot.
    TooFarAhead {
        /// The dot.
        dot: Dot<I>,
        /// The highest counter of that node that would have been accepted.
        limit: u64,
    },
    /// The dot of the message, or of a dependency, is beyond the number at which its node was
    /// [closed](crate::CausalBuffer::close). The message can never be delivered anywhere: drop it. If the dot is that
    /// of a dependency, no later message of its sender can be delivered either: close the sender just before this
    /// message.
    Closed {
        /// The dot.
        dot: Dot<I>,
        /// The counter of the last message of its node.
        last: u64,
    },
    /// With the nodes that the message names, more would be known than the limit. Distrust its sender, or raise the
    /// limit.
    TooManyNodes {
        /// [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes).
        limit: usize,
    },
    /// The message has more dependencies than the limit. Distrust its sender, or raise the limit.
    TooManyDependencies {
        /// [`BufferLimits::dependencies`](crate::delivery::BufferLimits::dependencies).
        limit: usize,
    },
    /// The message has to wait, and its source would be one more than the limit.
    /// [Remove](crate::CausalBuffer::remove_source) a source that is gone, or have fewer neighbours.
    TooManySources {
        /// [`BufferLimits::sources`](crate::delivery::BufferLimits::sources).
        limit: usize,
    },
    /// The message has to wait, and there is no room. It is nobody's fault, or that of its source. Pop what is ready,
    /// request what is missing, and accept this message again later. Nothing remembers it, and `missing` names it only
    /// if a held message does. [`CausalBuffer::undelivered_causes`](crate::CausalBuffer::undelivered_causes) returns
    /// what must come before it.
    BufferFull {
        /// [`BufferLimits::messages`](crate::delivery::BufferLimits::messages).
        limit: usize,
    },
    /// Like [`BufferFull`](Self::BufferFull), for the limit on bytes.
    BytesFull {
        /// [`BufferLimits::bytes`](crate::delivery::BufferLimits::bytes).
        limit: usize,
    },
}

impl<I: fmt::Debug> fmt::Display for AcceptErrorKind<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation => f.write_str(
                "different content is held under this dot; distrust the node, which has used the number twice",
            ),
            Self::TooFarAhead { dot, limit } => write!(
                f,
                "it names {dot:?}, beyond the horizon, which now ends at {limit}; \
                 distrust the sender, or catch up from a snapshot"
            ),
            Self::Closed { dot, last } => write!(
                f,
                "it names {dot:?}, whose node was closed at {last}, and can never be delivered; \
                 drop it, and close its node just before it"
            ),
            Self::TooManyNodes { limit } => TooManyNodes { limit: *limit }.fmt(f),
            Self::TooManyDependencies { limit } => {
                write!(f, "more than {limit} dependencies; distrust the sender, or raise the limit")
            }
            Self::TooManySources { limit } => write!(
                f,
                "it has to wait, and its source is one more than the limit of {limit}; \
                 remove a source that is gone, or raise the limit"
            ),
            Self::BufferFull { limit } => write!(
                f,
                "it has to wait, and {limit} messages are already held; \
                 pop what is ready, request what is missing, and accept it again later"
            ),
            Self::BytesFull { limit } => write!(
                f,
                "it has to wait, and exceeds the limit of {limit} bytes held; \
                 pop what is ready, request what is missing, and accept it again later"
            ),
        }
    }
}

/// The reason why a [`DagBuffer`](crate::DagBuffer) has refused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// An event with this id and different content is held. Its author has used the id twice, or a neighbour forges.
    /// The first event is kept. Distrust both, and keep this one as proof.
    Equivocation,
    /// The event names itself as a parent, so it could never be delivered. Distrust its sender.
    OwnParent,
    /// The event has more parents than the limit. Distrust its sender, or raise the limit.
    TooManyParents {
        /// [`DagLimits::parents`](crate::delivery::DagLimits::parents).
        limit: usize,
    },
    /// There is no room for the event, which is nobody's fault. Pop what is ready, get what is missing or forget it.
    /// Then accept this event again: nothing remembers it.
    BufferFull {
        /// [`DagLimits::events`](crate::delivery::DagLimits::events).
        limit: usize,
    },
    /// There is no room for links to the undelivered parents of the event, which is nobody's fault. Get what is missing
    /// or forget it. Then accept this event again: nothing remembers it.
    TooManyLinks {
        /// [`DagLimits::links`](crate::delivery::DagLimits::links).
        limit: usize,
    },
}

impl fmt::Display for EventErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation => f.write_str(
                "different content is held under this id; distrust the author, which has used the id twice",
            ),
            Self::OwnParent => f.write_str("it names itself as a parent; distrust the sender"),
            Self::TooManyParents { limit } => {
                write!(f, "more than {limit} parents; distrust the sender, or raise the limit")
            }
            Self::BufferFull { limit } => write!(
                f,
                "no room within the limit of {limit} events; \
                 pop what is ready, get what is missing or forget it, and accept it again later"
            ),
            Self::TooManyLinks { limit } => write!(
                f,
                "its undelivered parents exceed the limit of {limit} links; \
                 get what is missing or forget it, and accept it again later"
            ),
        }
    }
}

/// A message that was not made. The sender is unchanged, and the payload comes back.
///
/// From [`Message::new`](crate::Message::new) it is the caller's fault: the dependencies contradict each other. From a
/// [`CausalSender`](crate::CausalSender) it is nobody's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageError<I, P> {
    /// The payload.
    pub payload: P,
    /// The reason.
    pub kind: MessageErrorKind<I>,
}

/// The reason why a message was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageErrorKind<I> {
    /// A dependency is the message itself, or a later event of its node. Leave it out. Raised only by `Message::new`.
    OwnFuture {
        /// The dependency.
        dependency: Dot<I>,
    },
    /// Two dependencies are on one node. Name only the later one. Raised only by `Message::new`.
    Repeated {
        /// The node.
        node: I,
    },
    /// The node has used its last counter. Continue under a new id. Raised only by a sender.
    CounterExhausted,
    /// More nodes have written concurrently than a message may name. First send messages without content, made by
    /// [`CausalSender::stamp_part`](crate::CausalSender::stamp_part), or raise the limit here and in the buffers of all
    /// nodes. Raised only by a sender.
    TooManyDependencies {
        /// The limit, see [`CausalSender::with_dependencies`](crate::CausalSender::with_dependencies).
        limit: usize,
    },
}

impl<I: fmt::Debug, P> fmt::Display for MessageError<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            MessageErrorKind::OwnFuture { dependency } => {
                write!(f, "dependency {dependency:?} is the message itself or comes after it; leave it out")
            }
            MessageErrorKind::Repeated { node } => {
                write!(f, "two dependencies on node {node:?}; name only the later one")
            }
            MessageErrorKind::CounterExhausted => CounterExhausted { limit: u64::MAX }.fmt(f),
            MessageErrorKind::TooManyDependencies { limit } => write!(
                f,
                "the message would have more than {limit} dependencies, which receivers refuse; \
                 send messages without content first, made by `stamp_part`, or raise the limit everywhere"
            ),
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug> core::error::Error for MessageError<I, P> {}

/// An excess of nodes over the limit of a buffer or a roster, which is unchanged.
///
/// The limit is too low, or the sender that names them is broken or hostile. Raise the limit, or distrust the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyNodes {
    /// [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes), or the limit of a
    /// [`Stability`](crate::delivery::Stability).
    pub limit: usize,
}

impl fmt::Display for TooManyNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} nodes; distrust the sender, or raise the limit", self.limit)
    }
}

impl core::error::Error for TooManyNodes {}

/// The reason why a [`CausalBuffer`](crate::CausalBuffer) has not closed a node. The buffer is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// A later message of the node is delivered here, so the nodes have agreed on a number that is too low. Agree
    /// again, on `last` or a higher number.
    Delivered {
        /// The counter of its last delivered message.
        last: u64,
    },
    /// The node is not known, and would be one more than the limit. Raise the limit.
    TooManyNodes {
        /// [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes).
        limit: usize,
    },
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Delivered { last } => {
                write!(
                    f,
                    "messages of the node are delivered up to {last}; agree on that number or a higher one"
                )
            }
            Self::TooManyNodes { limit } => TooManyNodes { limit }.fmt(f),
        }
    }
}

impl core::error::Error for CloseError {}

/// The reason why a [`Stability`](crate::delivery::Stability) refused an acknowledgement. The record is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObserveError<I> {
    /// The node is not in the roster. Let it join first, or distrust it.
    NotAMember {
        /// The node.
        node: I,
    },
    /// The vector names more authors than the limit allows. Distrust the member, or raise the limit.
    TooManyNodes {
        /// The limit of the roster.
        limit: usize,
    },
}

impl<I: fmt::Debug> fmt::Display for ObserveError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMember { node } => {
                write!(f, "{node:?} is not a member; let it join first, or distrust it")
            }
            Self::TooManyNodes { limit } => TooManyNodes { limit: *limit }.fmt(f),
        }
    }
}

impl<I: fmt::Debug> core::error::Error for ObserveError<I> {}
