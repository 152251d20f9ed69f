//! The receiving side: holds messages back until all their causes are delivered.
//!
//! Here is the protocol of `accept`, `pop` and `advance_to`, over [`waiting`], which has the messages and what each
//! waits for. Beside it stand `missing` (what to ask for), `limits`, `shares` (a ledger of what each source has
//! brought), `eviction` (what goes when there is no room), `closing` (what a node that has gone will never send) and
//! `snapshot` (what is saved).
//!
//! # Invariants
//!
//! - CB1: at most [`BufferLimits::messages`] messages and [`BufferLimits::bytes`] bytes are held back, and besides them
//!   one message a known node is ready.
//! - CB2: at most [`BufferLimits::nodes`] nodes are known.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, `==` and `drop` of payloads, and their measure. Every
//! call does what needs that code first, and changes the buffer afterwards, step by step. So all invariants hold after
//! a panic that was caught, and the call may be made again.
//!
//! The algorithm and its sources are described where the module [`delivery`](crate::delivery) begins.

pub mod closing;
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
/// Hand in what arrives with [`accept`](Self::accept), in any order, however often; then take out what can be
/// delivered with [`pop`](Self::pop) until it says `None`. The node's own messages go the same way.
///
/// [`missing`](Self::missing) and [`blocked_on`](Self::blocked_on) change only when `accept` says
/// [`Ready`](Accepted::Ready) or [`Held`](Accepted::Held), when `pop` returns a message, and in `advance_to`,
/// `close` and `remove_source`: there is no need to poll them.
///
/// In the costs below d is the number of dependencies of a message, n that of known nodes.
///
/// # Who is trusted
///
/// The caller verifies who wrote a message before it is accepted. A neighbour that can forge only under its own ids
/// can then never make a message come too early, twice, or with another content. Nor can it take the room of others
/// with messages that wait for ever, if each neighbour's messages come by [`accept_from`](Self::accept_from). But with
/// invented nodes it can use up the room for nodes, after which no message of a new node is accepted: where that is a
/// danger, accept messages of known members only.
///
/// # What must survive a restart
///
/// For effects that happen exactly once, **one transaction** of a database stores together
///
/// 1. the effects of the messages that were delivered,
/// 2. [`delivered`](Self::delivered), and what is [`closed`](Self::closed),
/// 3. counter and frontier of the [`CausalSender`](crate::CausalSender), and every message of the node's own, whole.
///
/// Only when it is committed is a message acknowledged to the neighbour that brought it, and the node's own sent. A
/// crash before the commit leaves nothing, and the message comes again; a crash after it loses the acknowledgement at
/// most, and the message comes again as a duplicate. The [`undelivered`](Self::undelivered) messages may be stored, to
/// save asking for them again, and must be if they are acknowledged. The example `exactly_once` does this on an
/// embedded database; [`encode_snapshot`](crate::delivery::encode_snapshot) writes all but the effects and the node's
/// own messages.
///
/// To restore, advance an empty buffer to what was delivered, close what was closed, and accept what was held: all of
/// it is checked as if it came from outside. [`decode_snapshot`](crate::delivery::decode_snapshot) does just that:
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

    /// Makes an empty buffer that counts, towards [`BufferLimits::bytes`], for each payload the bytes that `measure`
    /// says.
    ///
    /// `measure` must always say the same of a payload; it is asked when a message is held and when it goes. One that
    /// does not makes the bytes count for too much or too little, and no more than that. Without it payloads count for
    /// nothing.
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

    /// Returns what is delivered, that is, popped: a copy. O(n).
    pub fn delivered(&self) -> VersionVector<I> {
        self.waiting.lanes().map(|(node, lane)| (node.clone(), lane.delivered())).collect()
    }

    /// Returns the counter of the last message of `node` that is delivered, 0 for none. O(log n).
    pub fn delivered_up_to(&self, node: &I) -> u64 {
        self.waiting.lane_of(node).map_or(0, Lane::delivered)
    }

    /// Returns how many messages are here: held back, or ready and not popped.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether no message is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits all messages that are here, ready ones too, sorted by dot. O(n) for all, and O(1) a message.
    pub fn undelivered(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.waiting.iter()
    }

    /// Visits the messages that wait for a cause, sorted by dot: all that are here but the
    /// ready ones. O(n) for all, and O(log n) a message, or O(d log n) for one whose cause was the last delivered.
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
        self.waiting.iter_waiting()
    }

    /// Accepts a message that has arrived. O(d log n), amortised over the nodes that were not known.
    ///
    /// A message that is delivered already is a [`Duplicate`](Accepted::Duplicate) whatever its content; one that
    /// is held already is one if its content is equal. Give the payload an `==` that compares a fingerprint, if
    /// the whole is too long to compare; a payload that is not equal to itself never is a duplicate.
    ///
    /// # Errors
    ///
    /// [`AcceptError`], with the message in it and the buffer unchanged; its [`kind`](AcceptErrorKind) says whose
    /// fault it is. A message that can be delivered at once is never refused because too many are held.
    pub fn accept(
        &mut self,
        message: Message<I, P>,
    ) -> Result<Accepted, AcceptError<Message<I, P>, AcceptErrorKind<I>>>
    where
        P: PartialEq,
    {
        self.accept_by(message, None)
    }

    /// Accepts a message that the neighbour `source` has brought, who need not be its author. O(d log n), and, when
    /// there is no room, O(s + log² h) for s sources and h held messages, for each message evicted.
    ///
    /// A message that has to wait is charged to its source. When there is no room, the source that holds most gives
    /// way. Its message that is furthest ahead is charged to another source that has brought it too. If there is none,
    /// it is dropped and [`missing`](Self::missing) again; or, if it is `message` itself, refused. So no neighbour can
    /// take from another what that one has in reserve, see [`BufferLimits::sources`]. What comes by
    /// [`accept`](Self::accept) is charged to one more source, without a name.
    ///
    /// A source is known from its first message that has to wait, held or refused, until it is
    /// [removed](Self::remove_source).
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); and [`TooManySources`](AcceptErrorKind::TooManySources).
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

    /// Checks what a new message claims against the limits, and finds what it waits for.
    fn check(&self, message: &Message<I, P>, own: Option<LaneId>) -> Result<Option<Wait>, AcceptErrorKind<I>> {
        let limits = &self.limits;
        let dependencies = message.dependencies();
        if dependencies.len() > limits.dependencies {
            return Err(AcceptErrorKind::TooManyDependencies { limit: limits.dependencies });
        }
        let mut nodes = self.waiting.nodes();
        // Returns the counter up to which the node is delivered, and the highest one of it that is known to exist.
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

    /// Delivers the next message all of whose causes are delivered; `None` if there is none now.
    ///
    /// They come in the order in which they became so; those that became so at once, in the order in which they came.
    /// The same calls give the same order everywhere, and a call that returns an error changes nothing in it. O(d log
    /// n) for each message, counted over its whole life.
    pub fn pop(&mut self) -> Option<Message<I, P>> {
        let Self { waiting, shares, measure, .. } = self;
        waiting.deliver(|id, message| shares.discharge_with(id, || size_of_message(message, *measure)))
    }

    /// Lets everything that was released look at its next causes. Every call that changes the buffer begins with it.
    #[inline]
    fn wake(&mut self) {
        let Self { waiting, shares, measure, .. } = self;
        waiting.wake(|id, message| shares.discharge_with(id, || size_of_message(message, *measure)));
    }

    /// Takes out every message that is here, ready ones too, sorted by dot. O(n + h) for h messages.
    ///
    /// The buffer goes on as if none of them had come: they are [`missing`](Self::missing) and may be accepted again.
    /// The counters that they named stay known, and so do [sources](Self::accept_from), which are charged for nothing
    /// then.
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

    /// Takes everything that `vector` names as delivered: a late joiner installs a snapshot, or a node catches up
    /// beyond the horizon.
    ///
    /// Held messages that the vector covers are dropped, the others look at their causes again.
    /// O((n + h d) log n) for h held messages. Call
    /// [`CausalSender::advance_to`](crate::CausalSender::advance_to) with the same vector.
    ///
    /// The vector must be causally closed, as every [`delivered`](Self::delivered) is: with an event it names all
    /// that happened before it. One that is not makes the application see an effect without its cause, and
    /// `missing` ask for what only dropped messages had named.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if more nodes would be known than the limit; the buffer is unchanged.
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
        // Calls nothing of the caller's from here on, until what is covered is dropped.
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

    /// Checks the invariants of this module and of those below it, and says which one is broken. O(everything).
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

/// Returns how many bytes of the limit a held message takes up: its dot and its dependencies, and what `measure` says.
fn size_of_message<I, P>(message: &Message<I, P>, measure: fn(&P) -> usize) -> usize {
    let names = (1 + message.dependencies().len()).saturating_mul(size_of::<Dot<I>>());
    names.saturating_add(measure(message.payload()))
}
