//! The sending side: numbers messages, and names their direct dependencies.
//!
//! # Invariants
//!
//! - CS1: the frontier holds no dot of the sender's node.
//!
//! The `clone`, `cmp` and `drop` of an id may panic. Even then no later message lacks a dependency: names enter the
//! frontier before others leave it, and a number is used only when its message is complete.

use crate::delivery::BufferLimits;
use crate::delivery::error::{MessageError, MessageErrorKind};
use crate::delivery::frontier::Frontier;
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// The sender of a node: numbers its messages, and names the dependencies of each.
///
/// Hand every message that the node's [`CausalBuffer`](crate::CausalBuffer) delivers to [`observe`](Self::observe), the
/// node's own messages too: they go through its buffer like all others.
///
/// There is no `Clone`: two copies would give the same dot to different messages. Model checkers, which try out several
/// futures of one state, use [`duplicate`](Self::duplicate). Two senders are equal if they send the same from now on.
///
/// # The algorithm
///
/// The sender keeps the *frontier*: the delivered messages that no other delivered or sent message follows.
///
/// 1. When a message m is delivered ([`observe`](Self::observe)), all that m names leaves the frontier, and so does the
///    previous message of m's sender. Then m enters.
/// 2. A message that is sent ([`stamp`](Self::stamp)) names the whole frontier. It follows all of it, so the frontier
///    is empty then. The message itself is implied by the node's next one.
///
/// Delivery is causal, so everything that m follows was delivered before m. Therefore the frontier is exact: no name in
/// a message is implied by another one (Prakash, Raynal, Singhal 1997, sections 4 and 5).
///
/// The frontier is as wide as the number of nodes that have written concurrently. Receivers refuse a message with more
/// names than [`BufferLimits::dependencies`], so the sender has the same limit and makes no such message. No name can
/// be left out, but names can be spread over messages: a node's previous message is implied. So a message without
/// content can name a part of the frontier first ([`stamp_part`](Self::stamp_part)).
///
/// # State that must survive a restart
///
/// - Every message stamped, **stored whole before it leaves the node**, until another node has it. Its number is used:
///   if it were lost, all later messages of this node would be held back everywhere.
/// - With it the [`counter`](Self::counter) and the [`frontier`](Self::frontier).
///
/// After a restart, accept the stored messages that the node's buffer has not delivered, and send them again. Sending
/// twice does no harm.
///
/// A node that has lost its counter comes back under a new id. If it used a number twice, others would drop the second
/// message as a duplicate. The old id is [closed](crate::CausalBuffer::close).
///
/// # Examples
///
/// ```
/// use happens_before::{CausalBuffer, CausalSender, Dot};
/// use happens_before::delivery::BufferLimits;
///
/// let mut alice = CausalSender::new("alice");
/// let question = alice.stamp("tea?")?;
///
/// let mut bob = (CausalSender::new("bob"), CausalBuffer::new(BufferLimits::default()));
/// bob.1.accept(question)?;
/// while let Some(delivered) = bob.1.pop() {
///     bob.0.observe(&delivered);
/// }
/// let answer = bob.0.stamp("yes")?;
/// assert_eq!(answer.dependencies(), [Dot::new("alice", 1).unwrap()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CausalSender<I> {
    node: I,
    counter: u64,
    frontier: Frontier<I>,
    /// Limit on the dependencies of a message.
    dependencies: usize,
}

impl<I: NodeId> CausalSender<I> {
    /// Makes the sender of a node that has neither sent nor delivered anything.
    #[must_use]
    pub fn new(node: I) -> Self {
        Self { node, counter: 0, frontier: Frontier::new(), dependencies: BufferLimits::DEPENDENCIES }
    }

    /// Continues the work of an earlier sender of `node` from what it has saved.
    ///
    /// If the frontier was not saved, pass the vector of all delivered messages: the next message then names more than
    /// it needs to, once.
    #[must_use]
    pub fn resume(node: I, counter: u64, frontier: VersionVector<I>) -> Self {
        let mut sender = Self::new(node);
        sender.counter = counter;
        sender.advance_to(&frontier);
        sender
    }

    /// Sets the limit on the dependencies of a message; 0 counts as 1. The default is that of
    /// [`BufferLimits::dependencies`].
    ///
    /// It must not be larger than the limit of any buffer in the group. A message with more dependencies is refused
    /// there for ever, and every later message of this node waits for it.
    #[must_use]
    pub fn with_dependencies(mut self, limit: usize) -> Self {
        self.dependencies = limit.max(1);
        self
    }

    /// Returns the node that sends.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the counter of the last message stamped, 0 for none.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns a copy of the dependencies of the next message. O(f) for f concurrent heads.
    pub fn frontier(&self) -> VersionVector<I> {
        self.frontier.iter().map(|(node, counter)| (node.clone(), counter)).collect()
    }

    /// Makes the node's next message, which depends on everything delivered here so far. O(f) for f concurrent
    /// heads.
    ///
    /// The number counts as used, whether the message is sent or not. A message that is dropped holds back every later
    /// message of this node, everywhere.
    ///
    /// # Errors
    ///
    /// [`MessageError`], with the payload in it. The sender is unchanged. The [`kind`](MessageErrorKind) of the error
    /// says what to do.
    pub fn stamp<P>(&mut self, payload: P) -> Result<Message<I, P>, MessageError<I, P>> {
        if self.frontier.len() > self.dependencies {
            let kind = MessageErrorKind::TooManyDependencies { limit: self.dependencies };
            return Err(MessageError { payload, kind });
        }
        self.stamp_part(payload)
    }

    /// Makes the node's next message, which names as much of the frontier as the limit of dependencies allows. The rest
    /// is left to later messages. O(d log f) for d dependencies and f concurrent heads.
    ///
    /// Use it for messages *without content*, when [`stamp`](Self::stamp) refuses because more nodes than the limit
    /// have written concurrently. The next message implies all that this one names, so repeat it until `stamp`
    /// succeeds:
    ///
    /// ```
    /// use happens_before::{CausalSender, Dot, Message};
    /// use happens_before::delivery::MessageErrorKind;
    ///
    /// let mut alice = CausalSender::new(0).with_dependencies(2);
    /// for node in 1..=5 {
    ///     alice.observe(&Message::new(Dot::new(node, 1).unwrap(), [], "hello").unwrap());
    /// }
    /// let refused = alice.stamp("welcome").unwrap_err();
    /// assert_eq!(refused.kind, MessageErrorKind::TooManyDependencies { limit: 2 });
    ///
    /// let names = |message: &Message<i32, _>| message.dependencies().iter().map(|dot| *dot.node()).collect::<Vec<_>>();
    /// assert_eq!(names(&alice.stamp_part("")?), [1, 2]);
    /// assert_eq!(names(&alice.stamp_part("")?), [3, 4]);
    /// assert_eq!(names(&alice.stamp(refused.payload)?), [5]); // and follows all five
    /// # Ok::<(), happens_before::delivery::MessageError<i32, &str>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MessageError`], with the payload in it, once the counter has reached `u64::MAX`. The sender is unchanged.
    pub fn stamp_part<P>(&mut self, payload: P) -> Result<Message<I, P>, MessageError<I, P>> {
        let dot = self.counter.checked_add(1).and_then(|next| Dot::new(self.node.clone(), next));
        let Some(dot) = dot else {
            return Err(MessageError { payload, kind: MessageErrorKind::CounterExhausted });
        };
        // From here on the caller's code is not called.
        self.counter = dot.counter();
        let names = self.frontier.take_first(self.dependencies);
        Ok(Message::naming(dot, names, payload))
    }

    /// Notes that the node has delivered `message`. O(d log f) for d dependencies and f concurrent heads.
    pub fn observe<P>(&mut self, message: &Message<I, P>) {
        let dot = message.dot();
        if *dot.node() == self.node {
            // It was counted when it was stamped. After a restart with an old counter it is counted now.
            self.counter = self.counter.max(dot.counter());
        } else {
            self.frontier.raise(dot.node(), dot.counter());
        }
        for named in message.dependencies() {
            self.frontier.remove_up_to(named.node(), named.counter());
        }
    }

    /// Notes that the node has received everything up to `vector` in a snapshot. The next message depends on it. O(n
    /// log f) for n entries.
    ///
    /// Call it together with [`CausalBuffer::advance_to`](crate::CausalBuffer::advance_to).
    pub fn advance_to(&mut self, vector: &VersionVector<I>) {
        for (node, counter) in vector {
            if *node == self.node {
                self.counter = self.counter.max(counter);
            } else {
                self.frontier.raise(node, counter);
            }
        }
    }

    /// Returns a copy, for a model checker or a simulation that tries out several futures of one state.
    ///
    /// Never let two copies send to the same receivers: they would give the same dot to different messages.
    ///
    /// ```
    /// use happens_before::CausalSender;
    ///
    /// let sender = CausalSender::new("alice");
    /// let (mut sends, mut does_not) = (sender.duplicate(), sender.duplicate());
    /// sends.stamp("tea?")?;
    /// assert_eq!(does_not, sender);
    /// assert_ne!(sends, does_not);
    /// # Ok::<(), happens_before::delivery::MessageError<&str, &str>>(())
    /// ```
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let Self { node, counter, frontier, dependencies } = self;
        Self { node: node.clone(), counter: *counter, frontier: frontier.clone(), dependencies: *dependencies }
    }

    /// Makes the message that [`stamp`](Self::stamp) would make, without using up a number.
    pub(crate) fn preview<P>(&self, dot: Dot<I>, payload: P) -> Message<I, P> {
        Message::naming(dot, self.frontier.iter().map(|(node, counter)| (node.clone(), counter)), payload)
    }

    /// Checks the invariant of the module's opening comment. O(f).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if self.frontier.iter().any(|(node, _)| *node == self.node) {
            return Err("CS1: the frontier holds no dot of the sender's node");
        }
        self.frontier.validate()
    }
}
