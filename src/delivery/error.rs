//! The result of an accepted message, and the errors of the room.
//!
//! An `Err` means that nothing has changed. What was refused comes back in the error.

use core::fmt;

use crate::node::{CounterExhausted, Dot};

/// The result of accepting a message or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// All its causes are delivered: `pop` returns it.
    Ready,
    /// It waits for a cause; `missing` may name more than before.
    Held,
    /// It was delivered or held already, and is dropped.
    Duplicate,
}

/// A message or an event that a buffer has not accepted. The buffer is as before.
///
/// `T` is what was refused, a [`Message`](crate::Message) or a [`DagEvent`](crate::delivery::DagEvent); `K` is
/// [`AcceptErrorKind`] or [`EventErrorKind`], whose variants say whose fault it is and what to do.
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

/// A value that arrives, and is named in an error.
pub(in crate::delivery) trait Arrival {
    /// Writes what it is and how it is called.
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
    /// A message with this dot and another content is held: its node has used a number twice, or a neighbour forges.
    /// The first is kept. Distrust both, and keep this one as proof.
    Equivocation,
    /// The dot of the message, or one that it depends on, is beyond the horizon. Its sender is broken or hostile;
    /// or this node lags far behind, and should catch up from a snapshot.
    TooFarAhead {
        /// The dot.
        dot: Dot<I>,
        /// The highest counter of that node that would have been accepted.
        limit: u64,
    },
    /// The dot of the message, or one that it depends on, lies beyond the number at which its node was
    /// [closed](crate::CausalBuffer::close): the message can never be delivered anywhere. Drop it. If it is a
    /// dependency, nothing that follows the message can be delivered either: close the message's node just before it.
    Closed {
        /// The dot.
        dot: Dot<I>,
        /// The counter of the last message of its node.
        last: u64,
    },
    /// The message names nodes beyond the limit. Distrust its sender, or raise the limit.
    TooManyNodes {
        /// [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes).
        limit: usize,
    },
    /// The message has more dependencies than the limit. Distrust its sender, or raise the limit.
    TooManyDependencies {
        /// [`BufferLimits::dependencies`](crate::delivery::BufferLimits::dependencies).
        limit: usize,
    },
    /// The message has to wait, and came from a source beyond the limit.
    /// [Remove](crate::CausalBuffer::remove_source) one that has gone, or have fewer neighbours.
    TooManySources {
        /// [`BufferLimits::sources`](crate::delivery::BufferLimits::sources).
        limit: usize,
    },
    /// No room to hold the message back: it is nobody's fault, or that of its source. Pop what is ready, ask for what
    /// is missing, and accept this one again later: nothing remembers it, and `missing` names it only if a held message
    /// does. [`CausalBuffer::undelivered_causes`](crate::CausalBuffer::undelivered_causes) says what must come before
    /// it.
    BufferFull {
        /// [`BufferLimits::messages`](crate::delivery::BufferLimits::messages).
        limit: usize,
    },
    /// As [`BufferFull`](Self::BufferFull), but there is no room for the bytes.
    BytesFull {
        /// [`BufferLimits::bytes`](crate::delivery::BufferLimits::bytes).
        limit: usize,
    },
}

impl<I: fmt::Debug> fmt::Display for AcceptErrorKind<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation => f.write_str("another content is held; its node has used the number twice"),
            Self::TooFarAhead { dot, limit } => write!(
                f,
                "it names {dot:?}, beyond the horizon, which now ends at {limit}; \
                 distrust the sender, or catch up from a snapshot"
            ),
            Self::Closed { dot, last } => write!(
                f,
                "it names {dot:?}, whose node was closed at {last}, and can never be delivered; \
                 drop it, and close its own node before it"
            ),
            Self::TooManyNodes { limit } => TooManyNodes { limit: *limit }.fmt(f),
            Self::TooManyDependencies { limit } => {
                write!(f, "more than {limit} dependencies; distrust the sender, or raise the limit")
            }
            Self::TooManySources { limit } => write!(
                f,
                "it has to wait, and comes from one source more than {limit}; \
                 remove a source that has gone, or raise the limit"
            ),
            Self::BufferFull { limit } => write!(
                f,
                "it has to wait and {limit} messages are held; \
                 pop what is ready, ask for what is missing, and accept it again later"
            ),
            Self::BytesFull { limit } => write!(
                f,
                "it has to wait and does not fit into the {limit} bytes for those that do; \
                 pop what is ready, ask for what is missing, and accept it again later"
            ),
        }
    }
}

/// The reason why a [`DagBuffer`](crate::DagBuffer) has refused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// An event with this id and another content is held: its author has used the id twice, or a neighbour forges. The
    /// first is kept. Distrust both, and keep this one as proof.
    Equivocation,
    /// The event names itself as a parent, and could never be delivered. Distrust its sender.
    OwnParent,
    /// The event has more parents than the limit. Distrust its sender, or raise the limit.
    TooManyParents {
        /// [`DagLimits::parents`](crate::delivery::DagLimits::parents).
        limit: usize,
    },
    /// No room for the event, which is nobody's fault. Pop what is ready, get what is missing or forget it, and accept
    /// this one again later: nothing remembers it.
    BufferFull {
        /// [`DagLimits::events`](crate::delivery::DagLimits::events).
        limit: usize,
    },
    /// No room for the parents of the event that are not delivered, which is nobody's fault. Get what is missing or
    /// forget it, and accept this one again later: nothing remembers it.
    TooManyLinks {
        /// [`DagLimits::links`](crate::delivery::DagLimits::links).
        limit: usize,
    },
}

impl fmt::Display for EventErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation => f.write_str("another content is held; its author has used the id twice"),
            Self::OwnParent => f.write_str("it names itself as a parent; distrust the sender"),
            Self::TooManyParents { limit } => {
                write!(f, "more than {limit} parents; distrust the sender, or raise the limit")
            }
            Self::BufferFull { limit } => write!(
                f,
                "no room, with a limit of {limit}; \
                 pop what is ready, get what is missing or forget it, and accept it again later"
            ),
            Self::TooManyLinks { limit } => write!(
                f,
                "it waits for more parents than the limit of {limit} leaves room for; \
                 get what is missing or forget it, and accept it again later"
            ),
        }
    }
}

/// A message that was not made. A sender is as before; the payload comes back.
///
/// It is the caller's fault if [`Message::new`](crate::Message::new) says it: the causes that were given contradict
/// each other. It is nobody's if a [`CausalSender`](crate::CausalSender) does.
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
    /// A dependency is the message itself, or a later event of its node. Leave it out. Only from `Message::new`.
    OwnFuture {
        /// The dependency.
        dependency: Dot<I>,
    },
    /// Two dependencies are on one node. Name the later one alone. Only from `Message::new`.
    Repeated {
        /// The node.
        node: I,
    },
    /// The node has used its last counter. Continue under a new id. Only from a sender.
    CounterExhausted,
    /// More nodes than a message may name have written concurrently. First send messages without content, made by
    /// [`CausalSender::stamp_part`](crate::CausalSender::stamp_part); or raise the limit here and in the buffers of all
    /// nodes. Only from a sender.
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

/// More nodes than a buffer or a roster may know. It is as before.
///
/// The limit is too low, or the node that names them is broken or hostile: raise the limit, or distrust that node.
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

/// The reason why a [`CausalBuffer`](crate::CausalBuffer) has not closed a node. The buffer is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// More of the node is delivered here, so the number is not one that all could have agreed on. It is the fault of
    /// those that agreed. Agree again: on at least this one.
    Delivered {
        /// The counter of its last message that is delivered.
        last: u64,
    },
    /// The node is not known, and would be one beyond the limit. Raise the limit.
    TooManyNodes {
        /// [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes).
        limit: usize,
    },
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Delivered { last } => {
                write!(f, "the messages of the node are delivered up to {last}; agree on at least that number")
            }
            Self::TooManyNodes { limit } => TooManyNodes { limit }.fmt(f),
        }
    }
}

impl core::error::Error for CloseError {}

/// The reason why an acknowledgement was not noted by a [`Stability`](crate::delivery::Stability), which is as before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObserveError<I> {
    /// It is from a node that is not in the roster. Let it join first, or distrust it.
    NotAMember {
        /// The node.
        node: I,
    },
    /// It names more authors than the limit allows. Distrust the member, or raise the limit.
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
