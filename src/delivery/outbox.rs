//! The sending side: numbers messages, and names their direct dependencies.
//!
//! # The algorithm
//!
//! The outbox keeps the *frontier*: the delivered messages that no other delivered or sent one follows.
//!
//! 1. A message m is delivered here ([`Outbox::observe`]): what m names leaves the frontier, and so does the
//!    previous message of m's sender; m enters.
//! 2. A message is sent ([`Outbox::stamp`]): it names the whole frontier. It now follows all of that, so the
//!    frontier is empty; the message itself is implied in the node's next one.
//!
//! Delivery is causal, so whatever m follows was delivered before m, and the frontier is exact: no name that a
//! message carries follows from another one.
//!
//! # Invariants
//!
//! - O1: the frontier holds no dot of the own node.
//!
//! # Sources
//!
//! Prakash, Raynal, Singhal (1997), sections 4 and 5.

use core::fmt;

use crate::delivery::message::Message;
use crate::node::{CounterExhausted, Dot, NodeId};
use crate::version::VersionVector;

/// Numbers a node's messages and names what each depends on.
///
/// Hand every message that the node's [`CausalBuffer`](crate::CausalBuffer) delivers to
/// [`observe`](Self::observe), the node's own messages too. They go through the node's own buffer like all
/// others.
///
/// There is no `Clone`: two copies would give the same dot to different messages.
///
/// # What must survive a restart
///
/// Every message stamped, **stored as a whole before it leaves the node**, until someone else has it: its number
/// is used, so if it were lost, all later messages of this node would be held back everywhere, waiting for it. With it
/// the [`counter`](Self::counter) and the [`frontier`](Self::frontier). After a restart, accept the stored messages
/// that the node's own buffer has not delivered, and send them again; that does no harm.
///
/// A node that has lost its counter comes back under a new id: a number used twice is taken for a duplicate
/// elsewhere, and lost. The old id is [closed](crate::CausalBuffer::close).
///
/// # Examples
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Limits, Outbox};
///
/// let mut alice = Outbox::new("alice");
/// let question = alice.stamp("tea?")?;
///
/// let mut bob = (Outbox::new("bob"), CausalBuffer::new(Limits::default()));
/// bob.1.accept(question)?;
/// while let Some(delivered) = bob.1.pop() {
///     bob.0.observe(&delivered);
/// }
/// let answer = bob.0.stamp("yes")?;
/// assert_eq!(answer.dependencies(), [Dot::new("alice", 1).unwrap()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Outbox<I> {
    node: I,
    counter: u64,
    frontier: VersionVector<I>,
}

impl<I: NodeId> Outbox<I> {
    /// Makes the outbox of a node that has neither sent nor delivered anything.
    #[must_use]
    pub fn new(node: I) -> Self {
        Self { node, counter: 0, frontier: VersionVector::new() }
    }

    /// Takes up the work of an earlier outbox of `node` from what it has saved.
    ///
    /// Where the frontier was not saved, the vector of all that is delivered serves as well: it names more than
    /// is needed, once.
    #[must_use]
    pub fn restore(node: I, counter: u64, frontier: VersionVector<I>) -> Self {
        let mut outbox = Self { node, counter, frontier: VersionVector::new() };
        outbox.advance_to(&frontier);
        outbox
    }

    /// Returns the node that sends.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the counter of the last message stamped, 0 for none.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns the dependencies of the next message.
    pub fn frontier(&self) -> &VersionVector<I> {
        &self.frontier
    }

    /// Makes the node's next message, which depends on everything delivered here so far. O(d) for d concurrent
    /// heads.
    ///
    /// The number is used from now on, whether the message is sent or not: a message that is dropped holds back
    /// everything later from this node, everywhere.
    ///
    /// # Errors
    ///
    /// [`StampError`], with the payload in it, once the counter has reached `u64::MAX`. The outbox is unchanged.
    pub fn stamp<P>(&mut self, payload: P) -> Result<Message<I, P>, StampError<P>> {
        let dot = self.counter.checked_add(1).and_then(|next| Dot::new(self.node.clone(), next));
        let Some(dot) = dot else {
            return Err(StampError { payload, reason: CounterExhausted { limit: u64::MAX } });
        };
        self.counter = dot.counter();
        let message = Message::after(dot, &self.frontier, payload);
        self.frontier.clear();
        Ok(message)
    }

    /// Notes that the node has delivered `message`. O(n log d) for d dependencies and n concurrent heads.
    pub fn observe<P>(&mut self, message: &Message<I, P>) {
        let named = message.dependencies();
        self.frontier.retain(|node, counter| {
            let same_node = named.binary_search_by(|dependency| dependency.node().cmp(node));
            same_node.map_or(true, |at| named[at].counter() < counter)
        });
        let dot = message.dot();
        if *dot.node() == self.node {
            // Counted when it was stamped; or now, after a restart with an old counter.
            self.counter = self.counter.max(dot.counter());
        } else {
            self.frontier.observe(dot);
        }
    }

    /// Notes that the node has everything that `vector` names, from a snapshot: the next message depends on it.
    ///
    /// Call it together with [`CausalBuffer::advance_to`](crate::CausalBuffer::advance_to).
    pub fn advance_to(&mut self, vector: &VersionVector<I>) {
        self.frontier.merge(vector);
        self.counter = self.counter.max(self.frontier.remove(&self.node));
    }
}

/// The node's last counter is used; hands the payload back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StampError<P> {
    /// What the message would have carried.
    pub payload: P,
    /// Why it cannot be numbered.
    pub reason: CounterExhausted,
}

impl<P> fmt::Display for StampError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<P: fmt::Debug> core::error::Error for StampError<P> {}
