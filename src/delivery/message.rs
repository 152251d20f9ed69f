//! Messages, which travel from a sender to buffers.
//!
//! # Invariants
//!
//! - MS1: dependencies are sorted by node, with at most one for each node.
//! - MS2: no dependency is on the node of the message.

use core::fmt;

use smallvec::SmallVec;

use crate::delivery::error::{Arrival, MessageError, MessageErrorKind};
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A payload, the dot that names it, and its direct dependencies.
///
/// ```text
///   dot (c, 4)   dependencies [(a, 7), (b, 2)]   payload
///                └ and (c, 3), which is implied
/// ```
///
/// Dependencies are sorted by node. There is at most one for each node, and none on the node of the message. So no
/// message can depend on itself, and equal messages have one representation.
///
/// The order is by dot, then by dependencies and payload: a *total* order for sorted storage, which says nothing about
/// causality.
///
/// # Examples
///
/// ```
/// use happens_before::{Dot, Message};
///
/// let question = Message::new(Dot::new("alice", 1).unwrap(), [], "tea?")?;
/// let answer = Message::new(Dot::new("bob", 1).unwrap(), [question.dot().clone()], "yes")?;
/// assert_eq!(answer.dependencies(), [Dot::new("alice", 1).unwrap()]);
/// assert!(question < answer); // by dot: "alice" comes before "bob"
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message<I, P> {
    dot: Dot<I>,
    dependencies: SmallVec<[Dot<I>; 2]>,
    payload: P,
}

impl<I: NodeId, P> Message<I, P> {
    /// Makes a message from its dependencies, given in any order. O(d log d) for d dependencies.
    ///
    /// Most programs let a [`CausalSender`](crate::CausalSender) do this. Call it where the dependencies are already
    /// known: the parents of a commit, the fields of a decoded packet.
    ///
    /// A dependency on an earlier event of the message's node is implied, and is left out.
    ///
    /// # Errors
    ///
    /// The error hands the payload back.
    ///
    /// - [`OwnFuture`](MessageErrorKind::OwnFuture): a dependency is the message itself or a later event of its node.
    /// - [`Repeated`](MessageErrorKind::Repeated): two dependencies are on one node. Only the later could be direct.
    ///
    /// ```
    /// use happens_before::{Dot, Message};
    /// use happens_before::delivery::MessageErrorKind;
    ///
    /// let own = Dot::new("a", 2).unwrap();
    /// let error = Message::new(own, [own], "loop").unwrap_err();
    /// assert_eq!((error.payload, error.kind), ("loop", MessageErrorKind::OwnFuture { dependency: own }));
    ///
    /// let message = Message::new(own, [Dot::new("a", 1).unwrap()], "implied").unwrap();
    /// assert!(message.dependencies().is_empty());
    /// ```
    pub fn new(
        dot: Dot<I>,
        dependencies: impl IntoIterator<Item = Dot<I>>,
        payload: P,
    ) -> Result<Self, MessageError<I, P>> {
        let mut direct = SmallVec::<[Dot<I>; 2]>::new();
        for dependency in dependencies {
            if dependency.node() != dot.node() {
                direct.push(dependency);
            } else if dependency.counter() >= dot.counter() {
                return Err(MessageError { payload, kind: MessageErrorKind::OwnFuture { dependency } });
            }
        }
        direct.sort_unstable();
        let repeated = direct.windows(2).find(|pair| pair[0].node() == pair[1].node());
        if let Some(pair) = repeated {
            let node = pair[0].node().clone();
            return Err(MessageError { payload, kind: MessageErrorKind::Repeated { node } });
        }
        Ok(Self { dot, dependencies: direct, payload })
    }

    /// Makes the message that follows everything in `frontier`, which has no entry for the message's own node.
    pub(crate) fn after(dot: Dot<I>, frontier: &VersionVector<I>, payload: P) -> Self {
        Self::naming(dot, frontier.iter().map(|(node, counter)| (node.clone(), counter)), payload)
    }

    /// Makes the message that depends on these entries, which come in increasing order of the nodes.
    pub(super) fn naming(dot: Dot<I>, names: impl Iterator<Item = (I, u64)>, payload: P) -> Self {
        let dependencies = names.filter_map(|(node, counter)| Dot::new(node, counter)).collect();
        Self { dot, dependencies, payload }
    }
}

impl<I, P> Message<I, P> {
    /// Returns the dot that names the message.
    pub fn dot(&self) -> &Dot<I> {
        &self.dot
    }

    /// Returns the direct dependencies, sorted by node, without the sender's own previous message.
    pub fn dependencies(&self) -> &[Dot<I>] {
        &self.dependencies
    }

    /// Returns the payload.
    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// Returns the payload, and drops the rest of the message.
    pub fn into_payload(self) -> P {
        self.payload
    }

    /// Returns the message with another payload.
    #[must_use]
    pub fn with_payload<Q>(self, payload: Q) -> Message<I, Q> {
        Message { dot: self.dot, dependencies: self.dependencies, payload }
    }

    /// Returns the message with a payload made from the payload it had.
    pub(crate) fn map_payload<Q>(self, make: impl FnOnce(P) -> Q) -> Message<I, Q> {
        Message { dot: self.dot, dependencies: self.dependencies, payload: make(self.payload) }
    }

    /// Returns the cause with this index, as node and counter. The dependencies come first, then the sender's previous
    /// message, with counter 0 if there is none.
    pub(super) fn cause(&self, index: usize) -> Option<(&I, u64)> {
        match self.dependencies.get(index) {
            Some(dependency) => Some((dependency.node(), dependency.counter())),
            None => (index == self.dependencies.len()).then(|| self.previous()),
        }
    }

    /// Returns the sender's previous message, with counter 0 if there is none.
    pub(super) fn previous(&self) -> (&I, u64) {
        (self.dot.node(), self.dot.counter() - 1)
    }
}

impl<I: fmt::Debug, P> Arrival for Message<I, P> {
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {:?}", self.dot)
    }
}
