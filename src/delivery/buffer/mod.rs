//! The receiving side: holds messages back until all their causes are delivered.
//!
//! This file has the protocol of `accept`, `pop` and `advance_to`. The other files are:
//!
//! - [`waiting`]: the messages, each with the cause that it waits for;
//! - `missing`: the messages to request;
//! - `limits`, and `shares`, a ledger of the messages of each source;
//! - `eviction`: the messages that go when there is no room;
//! - `closing`: the messages that a node that is gone will never send;
//! - `snapshot`: the state that is saved;
//! - `equality`: the comparison of two buffers.
//!
//! # Invariants
//!
//! - CB1: at most [`BufferLimits::messages`] messages and [`BufferLimits::bytes`] bytes are held back. In addition, at
//!   most one message of each known node is ready.
//! - CB2: at most [`BufferLimits::nodes`] nodes are known.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, `==` and `drop` of payloads, and the measure of
//! payloads. Every call runs that code first, and changes the buffer afterwards, step by step. So all invariants hold
//! after a panic that was caught, and the call may be repeated.
//!
//! The module [`delivery`](crate::delivery) describes the algorithm and its sources.

pub mod closing;
mod equality;
pub mod eviction;
mod limits;
#[cfg(test)]
mod linear_time;
mod missing;
pub mod shares;
mod snapshot;
mod waiting;

use crate::compat::Vec;
use crate::delivery::buffer::shares::{Charge, Shares, SourceId};
use crate::delivery::buffer::waiting::{Advanced, Cause, Lane, LaneId, Wait, Waiting};
use crate::delivery::error::{AcceptError, AcceptErrorKind, Accepted, TooManyNodes};
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

pub use limits::BufferLimits;
pub use snapshot::{decode_snapshot, encode_snapshot};

/// A buffer that holds messages back until all their causes are delivered, then releases them.
///
/// Pass every message that arrives to [`accept`](Self::accept), in any order and any number of times. Then call
/// [`pop`](Self::pop) until it returns `None`: it returns the messages that can be delivered. The node's own messages
/// go the same way.
///
/// There is no need to poll [`missing`](Self::missing) and [`blocked_on`](Self::blocked_on). They change only when
/// `accept` returns [`Ready`](Accepted::Ready) or [`Held`](Accepted::Held), and when `pop` returns a message. The only
/// other calls that change them are `advance_to`, `close`, `remove_source` and `drain_undelivered`.
///
/// In the costs below, d is the number of dependencies of a message, and n is the number of known nodes.
///
/// # Trust
///
/// The caller verifies the author of a message before it is accepted. Then a neighbour can forge only under its own
/// ids:
///
/// - It cannot make a message of another node come too early, twice, or with different content.
/// - It cannot fill the buffer with messages that wait for ever, if each neighbour's messages come by
///   [`accept_from`](Self::accept_from).
/// - It can use up the room for nodes with invented ones. After that, no message of a new node is accepted. Where that
///   is a danger, accept only messages of known members.
///
/// # State that must survive a restart
///
/// For effects that happen exactly once, store all of this in **one transaction** of a database:
///
/// 1. the effects of the delivered messages;
/// 2. [`delivered`](Self::delivered) and [`closed`](Self::closed);
/// 3. the counter and the frontier of the [`CausalSender`](crate::CausalSender), and every message of this node, whole.
///
/// Acknowledge a message to the neighbour that brought it, and send the node's own messages, only after the commit. A
/// crash before the commit leaves nothing, and the message comes again. A crash after it loses at most the
/// acknowledgement, and the message comes again as a duplicate.
///
/// The [`undelivered`](Self::undelivered) messages must be stored if they are acknowledged. Otherwise storing them only
/// saves requesting them again. The example `exactly_once` does this on an embedded database.
/// [`encode_snapshot`](crate::delivery::encode_snapshot) writes all but the effects and the node's own messages.
///
/// To restore, advance an empty buffer to the delivered vector, close the closed nodes, and accept the held messages.
/// All of it is checked like input from outside. [`decode_snapshot`](crate::delivery::decode_snapshot) does the same as
/// this:
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Message, VersionVector};
/// use happens_before::delivery::BufferLimits;
///
/// let delivered = VersionVector::from_iter([("a", 7)]);
/// let held = [Message::new(Dot::new("a", 9).unwrap(), [], "ninth")?];
///
/// let mut buffer = CausalBuffer::new(BufferLimits::default());
/// buffer.advance_to(&delivered)?;
/// for message in held {
///     buffer.accept(message)?;
/// }
/// assert_eq!(buffer.missing().next().map(|gap| gap.to_string()), Some("(a, 8..=8)".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Equality
///
/// Two buffers are equal if the same calls give the same answers from now on. So a model checker can take a buffer as a
/// state. These are compared:
///
/// - the limits;
/// - the known nodes, each with its counters: delivered, highest known, closed;
/// - the messages that can be delivered, in the order of delivery;
/// - the messages that wait, and the sources that have brought each;
/// - the known sources.
///
/// The order in which waiting messages arrived does not count, nor do messages that have come and gone, nor the room set
/// aside. The measure of payloads is not compared. It is also not compared which of two messages from one source would
/// be evicted first if they are equally far ahead.
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Message};
/// use happens_before::delivery::BufferLimits;
///
/// let message = |counter| Message::new(Dot::new("a", counter).unwrap(), [], ()).unwrap();
/// let buffer = |order: [u64; 3]| {
///     let mut buffer = CausalBuffer::new(BufferLimits::default());
///     order.map(|counter| buffer.accept(message(counter)).unwrap());
///     buffer
/// };
/// assert_eq!(buffer([2, 3, 4]), buffer([4, 3, 2]));
/// assert_ne!(buffer([2, 3, 4]), buffer([2, 3, 5]));
/// ```
///
/// # Examples
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Message};
/// use happens_before::delivery::{Accepted, BufferLimits};
/// use happens_before::node::DotRange;
///
/// let ask = Message::new(Dot::new("alice", 1).unwrap(), [], "tea?")?;
/// let answer = Message::new(Dot::new("bob", 1).unwrap(), [*ask.dot()], "yes")?;
///
/// let mut carol = CausalBuffer::new(BufferLimits::default());
/// assert_eq!(carol.accept(answer)?, Accepted::Held);
/// assert!(carol.pop().is_none());
/// assert!(carol.missing().eq([DotRange::new("alice", 1..=1).unwrap()]));
///
/// assert_eq!(carol.accept(ask)?, Accepted::Ready);
/// assert_eq!(carol.pop().map(Message::into_payload), Some("tea?"));
/// assert_eq!(carol.pop().map(Message::into_payload), Some("yes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CausalBuffer<I, P> {
    limits: BufferLimits,
    waiting: Waiting<I, P>,
    shares: Shares<I>,
    measure: fn(&P) -> usize,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Makes an empty buffer. Does not allocate.
    #[must_use]
    pub fn new(mut limits: BufferLimits) -> Self {
        limits.messages = limits.messages.min(Waiting::<I, P>::MAX);
        limits.dependencies = limits.dependencies.min(Waiting::<I, P>::MAX_CAUSES - 1);
        limits.nodes = limits.nodes.min(Waiting::<I, P>::MAX_NODES);
        limits.sources = limits.sources.min(SourceId::MAX);
        let shares = Shares::new(limits.bytes < usize::MAX);
        Self { limits, waiting: Waiting::new(), shares, measure: |_| 0 }
    }

    /// Makes an empty buffer that counts payloads towards [`BufferLimits::bytes`], with the number of bytes that
    /// `measure` returns.
    ///
    /// `measure` is called when a message is held and when it goes, and must return the same number for the same
    /// payload. Otherwise the count of bytes is too high or too low, with no other effect. In a buffer without a
    /// measure, payloads count as 0 bytes.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{AcceptErrorKind, BufferLimits};
    ///
    /// let limits = BufferLimits { bytes: 1_000, ..BufferLimits::default() };
    /// let mut buffer = CausalBuffer::measured(limits, |payload: &String| payload.len());
    /// let message = Message::new(Dot::new("a", 2).unwrap(), [], "x".repeat(1_000))?;
    /// let refused = buffer.accept(message).unwrap_err();
    /// assert_eq!(refused.kind, AcceptErrorKind::BytesFull { limit: 1_000 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn measured(limits: BufferLimits, measure: fn(&P) -> usize) -> Self {
        Self { measure, ..Self::new(limits) }
    }

    /// Returns a copy of the vector of what is delivered, that is, popped. O(n).
    pub fn delivered(&self) -> VersionVector<I> {
        self.waiting.lanes().map(|(node, lane)| (node.clone(), lane.delivered())).collect()
    }

    /// Returns the counter of the last delivered message of `node`, 0 for none. O(log n).
    pub fn delivered_up_to(&self, node: &I) -> u64 {
        self.waiting.lane_of(node).map_or(0, Lane::delivered)
    }

    /// Returns the number of messages in the buffer: held back, or ready and not popped.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether the buffer contains no message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits all messages in the buffer, ready ones too, sorted by dot. O(n) for all, and O(1) for each message.
    pub fn undelivered(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.waiting.iter()
    }

    /// Visits the messages that wait for a cause, sorted by dot: all but the ready ones. O(n) for all, and O(log n) for
    /// each message; O(d log n) for one whose cause was the last delivered.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::BufferLimits;
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// for counter in [1, 3] {
    ///     buffer.accept(Message::new(Dot::new("a", counter).unwrap(), [], ())?)?;
    /// }
    /// assert!(buffer.undelivered().map(|message| message.dot().counter()).eq([1, 3]));
    /// assert!(buffer.waiting().map(|message| message.dot().counter()).eq([3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waiting(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.waiting.iter_waiting().map(|(_, message)| message)
    }

    /// Accepts a message that has arrived. O(d log n), amortised over new nodes.
    ///
    /// A message that is already delivered is a [`Duplicate`](Accepted::Duplicate), whatever its content. A message
    /// that is already held is a duplicate if its content is equal. If payloads are too long to compare, give them an
    /// `==` that compares a fingerprint. A payload that is not equal to itself is never a duplicate.
    ///
    /// # Errors
    ///
    /// [`AcceptError`], with the message in it. The buffer is unchanged. The [`kind`](AcceptErrorKind) of the error
    /// says whose fault it is. A message that can be delivered at once is never refused because too many are held.
    pub fn accept(
        &mut self,
        message: Message<I, P>,
    ) -> Result<Accepted, AcceptError<Message<I, P>, AcceptErrorKind<I>>>
    where
        P: PartialEq,
    {
        self.accept_by(message, None)
    }

    /// Accepts a message that the neighbour `source` has brought, which need not be its author. O(d log n). When there
    /// is no room, each evicted message costs O(s + log² h) more, for s sources and h held messages.
    ///
    /// A message that has to wait is charged to its source. When there is no room, the source that holds most gives way
    /// with its message that is furthest ahead. If another source has brought that message too, it is charged to the
    /// other one. If not, it is dropped and is [`missing`](Self::missing) again, or refused if it is `message` itself.
    /// So no neighbour can use the share that is reserved for another: see [`BufferLimits::sources`]. Messages that
    /// come by [`accept`](Self::accept) are charged to one more source, without a name.
    ///
    /// A source is known from its first message that has to wait, whether held or refused, until it is
    /// [removed](Self::remove_source).
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept), and [`TooManySources`](AcceptErrorKind::TooManySources).
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{Accepted, BufferLimits};
    ///
    /// let later = |node, counter| Message::new(Dot::new(node, counter).unwrap(), [], "").unwrap();
    /// let mut buffer = CausalBuffer::new(BufferLimits { messages: 3, sources: 2, ..BufferLimits::default() });
    /// for counter in 2..5 {
    ///     buffer.accept_from(&"mallory", later("x", counter))?;
    /// }
    /// assert_eq!(buffer.accept_from(&"bob", later("a", 2))?, Accepted::Held);
    /// assert!(buffer.accept_from(&"mallory", later("x", 5)).is_err());
    /// assert!(buffer.undelivered().map(Message::dot).eq([later("a", 2), later("x", 2), later("x", 3)].iter().map(Message::dot)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept_from(
        &mut self,
        source: &I,
        message: Message<I, P>,
    ) -> Result<Accepted, AcceptError<Message<I, P>, AcceptErrorKind<I>>>
    where
        P: PartialEq,
    {
        self.accept_by(message, Some(source))
    }

    fn accept_by(
        &mut self,
        message: Message<I, P>,
        source: Option<&I>,
    ) -> Result<Accepted, AcceptError<Message<I, P>, AcceptErrorKind<I>>>
    where
        P: PartialEq,
    {
        self.wake();
        let dot = message.dot();
        let own = self.waiting.find(dot.node());
        if let Some(own) = own {
            if dot.counter() <= self.waiting.lane(own).delivered() {
                return Ok(Accepted::Duplicate);
            }
            match self.waiting.here(own, dot.counter()) {
                Some((first, held)) if *first == message => {
                    held.into_iter().for_each(|id| self.announce(id, source));
                    return Ok(Accepted::Duplicate);
                }
                Some(_) => {
                    return Err(AcceptError { refused: message, kind: AcceptErrorKind::Equivocation });
                }
                None => {}
            }
        }
        match self.check(&message, own) {
            Err(kind) => Err(AcceptError { refused: message, kind }),
            Ok(None) => {
                self.waiting.insert_ready(message, own);
                Ok(Accepted::Ready)
            }
            Ok(Some(wait)) => match self.admit(&message, own, source) {
                Err(kind) => Err(AcceptError { refused: message, kind }),
                Ok(charge) => {
                    let id = self.waiting.park(message, own, wait);
                    self.charge(id, charge);
                    Ok(Accepted::Held)
                }
            },
        }
    }

    /// Checks a new message against the limits, and finds the cause that it waits for.
    fn check(&self, message: &Message<I, P>, own: Option<LaneId>) -> Result<Option<Wait>, AcceptErrorKind<I>> {
        let limits = &self.limits;
        let dependencies = message.dependencies();
        if dependencies.len() > limits.dependencies {
            return Err(AcceptErrorKind::TooManyDependencies { limit: limits.dependencies });
        }
        let mut nodes = self.waiting.nodes();
        // Returns the counter up to which the node is delivered, and the node's highest counter that is known to exist.
        let mut claim = |claimed: &Dot<I>, lane: Option<LaneId>| {
            let (delivered, highest, last) = lane.map_or((0, 0, u64::MAX), |lane| {
                let known = self.waiting.lane(lane);
                (known.delivered(), known.highest(), known.last())
            });
            nodes += usize::from(lane.is_none());
            if claimed.counter().saturating_sub(delivered) > limits.horizon {
                let limit = delivered + limits.horizon;
                return Err(AcceptErrorKind::TooFarAhead { dot: claimed.clone(), limit });
            }
            if claimed.counter() > last {
                return Err(AcceptErrorKind::Closed { dot: claimed.clone(), last });
            }
            Ok((delivered, highest))
        };
        let mut wait = None;
        let previous = claim(message.dot(), own)?;
        for (index, named) in dependencies.iter().enumerate() {
            let lane = self.waiting.find(named.node());
            let known = claim(named, lane)?;
            Wait::look(&mut wait, Cause::new(index, lane, named.counter()), known);
        }
        Wait::look(&mut wait, Cause::new(dependencies.len(), own, message.dot().counter() - 1), previous);
        if nodes > limits.nodes {
            return Err(AcceptErrorKind::TooManyNodes { limit: limits.nodes });
        }
        Ok(wait)
    }

    /// Delivers the next message whose causes are all delivered; `None` if there is none now.
    ///
    /// Messages come in the order in which they became deliverable: those that were deliverable on arrival in the order
    /// of arrival, and those that became so by the same delivery sorted by dot. The same calls give the same order
    /// everywhere, and a call that returns an error does not change the order. O(d log n) for each message, counted over
    /// its whole life, and O(d log k) where k messages wait for the same cause.
    pub fn pop(&mut self) -> Option<Message<I, P>> {
        let Self { waiting, shares, measure, .. } = self;
        waiting.deliver(|id, message| shares.discharge_with(id, || size_of_message(message, *measure)))
    }

    /// Lets every released message check its next causes. Every call that changes the buffer begins with this.
    #[inline]
    fn wake(&mut self) {
        let Self { waiting, shares, measure, .. } = self;
        waiting.wake(|id, message| shares.discharge_with(id, || size_of_message(message, *measure)));
    }

    /// Removes and returns all messages, ready ones too, sorted by dot. O(n + h) for h messages.
    ///
    /// The buffer goes on as if none of them had come: they are [`missing`](Self::missing) and may be accepted again.
    /// The counters that they named stay known. [Sources](Self::accept_from) stay known too, and are charged for
    /// nothing.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{Accepted, BufferLimits};
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// for counter in [2, 3, 5] {
    ///     buffer.accept(Message::new(Dot::new("a", counter).unwrap(), [], counter)?)?;
    /// }
    /// let drained = buffer.drain_undelivered();
    /// assert!(drained.iter().map(Message::payload).eq(&[2, 3, 5]));
    /// assert!(buffer.is_empty());
    /// assert_eq!(buffer.missing().next().map(|gap| gap.to_string()), Some("(a, 1..=5)".into()));
    ///
    /// for message in drained {
    ///     assert_eq!(buffer.accept(message)?, Accepted::Held);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_undelivered(&mut self) -> Vec<Message<I, P>> {
        let drained = self.waiting.drain();
        self.shares.discharge_all();
        drained
    }

    /// Marks everything up to `vector` as delivered: when a late joiner installs a snapshot, or a node catches up
    /// beyond the horizon.
    ///
    /// Held messages that the vector covers are dropped. The others check their causes again. O((n + h d) log n) for h
    /// held messages. Call [`CausalSender::advance_to`](crate::CausalSender::advance_to) with the same vector.
    ///
    /// The vector must be causally closed, as every [`delivered`](Self::delivered) is: with each event it covers all
    /// that happened before it. Otherwise the application sees an effect without its cause, and `missing` names what
    /// only dropped messages had named.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if more nodes would be known than the limit. The buffer is unchanged.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message, VersionVector};
    /// use happens_before::delivery::BufferLimits;
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// buffer.accept(Message::new(Dot::new("a", 8).unwrap(), [], "eighth")?)?;
    /// buffer.advance_to(&VersionVector::from_iter([("a", 7)]))?;
    /// assert_eq!(buffer.pop().map(Message::into_payload), Some("eighth"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance_to(&mut self, vector: &VersionVector<I>) -> Result<(), TooManyNodes> {
        let new_nodes = vector.iter().filter(|(node, _)| self.waiting.lane_id(node).is_none()).count();
        if self.waiting.nodes() + new_nodes > self.limits.nodes {
            return Err(TooManyNodes { limit: self.limits.nodes });
        }
        self.wake();
        let mut charges = Vec::new();
        if self.shares.is_charging() {
            charges.extend(self.waiting.iter_parked().map(|(id, held)| {
                let announced = self.shares.announced(id);
                (id, Charge { announced, size: self.size(held.message()) })
            }));
        }
        let Advanced { covered, moved } = self.waiting.advance_to(vector);
        // From here on the caller's code is not called, until covered messages are dropped.
        self.shares.discharge_all();
        let mut moved = moved.into_iter().peekable();
        for (before, charge) in charges {
            if let Some((_, id)) = moved.next_if(|&(moved, _)| moved == before) {
                self.charge(id, charge);
            }
        }
        drop(covered);
        Ok(())
    }

    /// Checks the invariants of this module and of those below it, and names a broken one. O(everything).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.waiting.internal_validate()?;
        let held = self.waiting.iter_parked();
        let held =
            held.filter_map(|(id, held)| Some((id, self.waiting.distance(id)?, self.size(held.message()))));
        self.shares.validate(held)?;
        if self.waiting.parked_len() > self.limits.messages || self.shares.bytes() > self.limits.bytes {
            return Err("CB1: no more messages and bytes than the limits");
        }
        if self.waiting.nodes() > self.limits.nodes {
            return Err("CB2: no more nodes than the limit");
        }
        Ok(())
    }
}

/// Returns the bytes that a held message counts for: its dot, its dependencies, and the `measure` of its payload.
fn size_of_message<I, P>(message: &Message<I, P>, measure: fn(&P) -> usize) -> usize {
    let names = (1 + message.dependencies().len()).saturating_mul(size_of::<Dot<I>>());
    names.saturating_add(measure(message.payload()))
}
