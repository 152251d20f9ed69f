//! The receiving side: holds messages back until all their causes are delivered.
//!
//! Here is the protocol of `accept`, `pop` and `advance_to`. Beside it stand `missing` (what to ask for), `limits` and
//! `shares` (who may fill how much), `closing` (what a node that has gone will never send), `snapshot` (what is saved)
//! and `refusal` (the errors).
//!
//! # Invariants
//!
//! - B1: no message that is here is delivered, and none is here twice.
//! - B2: a parked message waits under its first cause that is not delivered.
//! - B3: at most [`BufferLimits::messages`] messages and [`BufferLimits::bytes`] bytes are held back, and besides them one message
//!   a known node is ready.
//! - B4: at most [`BufferLimits::nodes`] nodes are known.
//! - B5: no message that is here is closed, nor names what is.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, `==` and `drop` of payloads, and their measure. Every
//! call does what needs that code first, and changes the buffer afterwards, step by step. So all invariants hold after a
//! panic that was caught, and the call may be made again.
//!
//! The algorithm and its sources are described where the module [`delivery`](crate::delivery) begins.

mod closing;
mod hold_back;
mod lane_index;
mod lanes;
mod limits;
#[cfg(test)]
mod linear_time;
mod missing;
mod shares;
mod snapshot;

use core::mem;

use crate::compat::{Box, Vec, VecDeque};
use crate::delivery::buffer::hold_back::{Cause, Held, HoldBack, SlotId};
use crate::delivery::buffer::lane_index::LaneId;
use crate::delivery::buffer::lanes::{Lane, Lanes};
use crate::delivery::buffer::shares::{Charged, Shares};
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
/// The caller verifies who wrote a message before it is accepted. Someone who can forge only under ids of his own
/// can then never make a message come too early, twice, or with another content. Nor can he take the room of others
/// with messages that wait for ever, if each neighbour's messages come by [`accept_from`](Self::accept_from). But with
/// invented nodes he can use up the room for nodes, after which no message of a new node is accepted: where that is a
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
/// Only when it is committed is a message acknowledged to the neighbour that brought it, and the node's own sent. A crash before the
/// commit leaves nothing behind, and the message comes again; a crash after it loses the acknowledgement at most, and
/// the message comes again as a duplicate. The [`held`](Self::held) messages may be stored, to save asking for them
/// again, and must be if they are acknowledged. The example `exactly_once` does this on an embedded database;
/// [`encode_snapshot`](crate::delivery::encode_snapshot) writes all but the effects and the node's own messages.
///
/// To restore, advance an empty buffer to what was delivered, close what was closed, and accept what was held: all of it
/// is checked as if it came from outside. [`decode_snapshot`](crate::delivery::decode_snapshot) does just that:
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
    lanes: Lanes<I, Message<I, P>>,
    /// The lanes with a ready message, there or among the held ones, in the order in which they became so.
    ready: VecDeque<LaneId>,
    held: HoldBack<Message<I, P>>,
    /// Whether held messages are charged at all: else it need not be known how many bytes they have.
    charges: bool,
    /// How many bytes are held, if they are charged.
    bytes: usize,
    measure: fn(&P) -> usize,
    /// Who is charged for what, from the first named source on.
    shares: Option<Box<Shares<I>>>,
    /// How often it was looked at how far a node is delivered.
    #[cfg(test)]
    checks: core::cell::Cell<u64>,
}

/// What a new message waits for.
struct Wait {
    /// The first of its causes that is not delivered.
    first: Cause,
    /// Which, behind the first, is the first to name something that nothing here is or names.
    news: usize,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Makes an empty buffer. Does not allocate.
    #[must_use]
    pub fn new(mut limits: BufferLimits) -> Self {
        limits.messages = limits.messages.min(HoldBack::<P>::MAX);
        limits.dependencies = limits.dependencies.min(HoldBack::<P>::MAX_CAUSES - 1);
        limits.nodes = limits.nodes.min(Lanes::<I, P>::MAX);
        limits.sources = limits.sources.min(Self::MAX_SOURCES);
        Self {
            limits,
            lanes: Lanes::new(),
            ready: VecDeque::new(),
            held: HoldBack::new(),
            charges: limits.bytes < usize::MAX,
            bytes: 0,
            measure: |_| 0,
            shares: None,
            #[cfg(test)]
            checks: core::cell::Cell::new(0),
        }
    }

    /// Makes an empty buffer that counts, towards [`BufferLimits::bytes`], for each payload the bytes that `measure` says.
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
        self.lanes.iter().map(|(node, lane)| (node.clone(), lane.delivered)).collect()
    }

    /// Returns the counter of the last message of `node` that is delivered, 0 for none. O(log n).
    pub fn delivered_up_to(&self, node: &I) -> u64 {
        self.lanes.get(node).map_or(0, |lane| lane.delivered)
    }

    /// Returns how many messages are here: held back, or ready and not popped.
    pub fn len(&self) -> usize {
        self.held.waiting() + self.ready.len()
    }

    /// Returns whether no message is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the messages that are here, sorted by dot. O(n) for all, and O(1) a message.
    pub fn held(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.lanes.iter().flat_map(|(_, lane)| {
            let parked = lane.cells().filter_map(|(_, cell)| Some(&self.held.at(cell.held?)?.message));
            lane.ready.iter().chain(parked)
        })
    }

    /// Visits what is held, parked or released but not ready, by dot.
    fn parked(&self) -> impl Iterator<Item = (SlotId, &Held<Message<I, P>>)> {
        let slots = self.lanes.iter().flat_map(|(_, lane)| lane.cells()).filter_map(|(_, cell)| cell.held);
        slots.filter_map(|slot| Some((slot, self.held.at(slot).filter(|held| !held.is_ready())?)))
    }

    /// Finds the slot of the ready message of a node, if it was held.
    fn ready_slot(&self, lane: &Lane<Message<I, P>>) -> Option<SlotId> {
        let slot = lane.cell(lane.delivered.checked_add(1)?).held?;
        self.held.at(slot)?.is_ready().then_some(slot)
    }

    /// Returns the ready message of a node.
    fn ready(&self, id: LaneId) -> Option<&Message<I, P>> {
        let lane = &self.lanes[id];
        let held = || Some(&self.held.at(self.ready_slot(lane)?)?.message);
        lane.ready.as_ref().or_else(held)
    }

    /// Takes out the ready message of a node as if it had not come. The caller takes the lane out of the queue.
    fn take_ready(&mut self, id: LaneId) -> Option<Message<I, P>> {
        let lane = &mut self.lanes[id];
        lane.ready.take().or_else(|| self.take_out(self.ready_slot(&self.lanes[id])?))
    }

    /// Finds the slot of a held message.
    fn slot(&self, dot: &Dot<I>) -> Option<SlotId> {
        let lane = self.lanes.get(dot.node()).filter(|lane| dot.counter() > lane.delivered)?;
        lane.cell(dot.counter()).held
    }

    /// Takes in a message that has arrived. O(d log n), amortised over the nodes that were not known.
    ///
    /// A message that is delivered already is a [`Duplicate`](Accepted::Duplicate) whatever its content; one that
    /// is held already is one if its content is equal. Give the payload an `==` that compares a fingerprint, if
    /// the whole is too long to compare; a payload that is not equal to itself never is a duplicate.
    ///
    /// # Errors
    ///
    /// [`AcceptError`], with the message in it and the buffer unchanged; its [`kind`](AcceptErrorKind) says whose
    /// fault it is. A message that can be delivered at once is never refused because too many are held.
    pub fn accept(&mut self, message: Message<I, P>) -> Result<Accepted, AcceptError<I, P>>
    where
        P: PartialEq,
    {
        self.take_in(message, None)
    }

    /// Takes in a message that the neighbour `source` has brought, whoever wrote it. O(d log n), and, when there is no
    /// room, O(s + log² h) for s sources and h held messages, for each message evicted.
    ///
    /// What has to wait is charged to its source. When there is no room, the source that holds most gives way. Its
    /// message that is furthest ahead is charged to another source that has brought it too. If there is none, it is
    /// dropped and [`missing`](Self::missing) again; or, if it is `message` itself, refused. So no neighbour can take from
    /// another what that one has in reserve, see [`BufferLimits::sources`]. What comes by [`accept`](Self::accept) is charged to one more source, without a name.
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
    /// assert!(buffer.held().map(Message::dot).eq([later("a", 2), later("x", 2), later("x", 3)].iter().map(Message::dot)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept_from(&mut self, source: &I, message: Message<I, P>) -> Result<Accepted, AcceptError<I, P>>
    where
        P: PartialEq,
    {
        self.take_in(message, Some(source))
    }

    fn take_in(&mut self, message: Message<I, P>, source: Option<&I>) -> Result<Accepted, AcceptError<I, P>>
    where
        P: PartialEq,
    {
        self.settle();
        let dot = message.dot();
        let own = self.find(dot.node());
        if let Some(lane) = own.map(|own| &self.lanes[own]) {
            if dot.counter() <= lane.delivered {
                return Ok(Accepted::Duplicate);
            }
            let ready = lane.ready.as_ref().filter(|ready| ready.dot().counter() == dot.counter());
            // Nothing is held above the highest counter known, where a message that comes in order lies.
            let slot = (dot.counter() <= lane.highest).then(|| lane.cell(dot.counter()).held).flatten();
            let held = || slot.and_then(|slot| self.held.at(slot)).map(|held| &held.message);
            match ready.or_else(held) {
                Some(first) if *first == message => {
                    slot.into_iter().for_each(|slot| self.announce(slot, source));
                    return Ok(Accepted::Duplicate);
                }
                Some(_) => return Err(AcceptError { message, kind: AcceptErrorKind::Equivocation }),
                None => {}
            }
        }
        match self.check(&message, own) {
            Err(kind) => Err(AcceptError { message, kind }),
            Ok(None) => {
                let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
                self.make_ready(message, own);
                Ok(Accepted::Ready)
            }
            Ok(Some(wait)) => match self.admit(&message, own, source) {
                Err(kind) => Err(AcceptError { message, kind }),
                Ok(charge) => {
                    let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
                    self.hold(message, own, wait, charge);
                    Ok(Accepted::Held)
                }
            },
        }
    }

    /// Checks what a new message claims against the limits, and finds what it waits for.
    fn check(&self, message: &Message<I, P>, own: Option<LaneId>) -> Result<Option<Wait>, AcceptErrorKind<I>> {
        let limits = &self.limits;
        if message.dependencies().len() > limits.dependencies {
            return Err(AcceptErrorKind::TooManyDependencies { limit: limits.dependencies });
        }
        let mut nodes = self.lanes.len();
        // Returns how far the node is delivered, and the highest counter of it that is known to exist.
        let mut claim = |claimed: &Dot<I>, lane: Option<LaneId>| {
            let (delivered, highest, last) = lane.map_or((0, 0, u64::MAX), |lane| {
                let known = &self.lanes[lane];
                (known.delivered, known.highest, known.last)
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
        let mut wait: Option<Wait> = None;
        let mut look = |cause: Cause, (delivered, highest): (u64, u64)| match &mut wait {
            None if cause.counter > delivered => wait = Some(Wait { first: cause, news: usize::MAX }),
            Some(wait) if cause.counter > highest => wait.news = wait.news.min(cause.at()),
            _ => {}
        };
        let known = claim(message.dot(), own)?;
        for (at, named) in message.dependencies().iter().enumerate() {
            let lane = self.find(named.node());
            look(Cause::new(at, lane, named.counter()), claim(named, lane)?);
        }
        look(Cause::new(message.dependencies().len(), own, message.dot().counter() - 1), known);
        if nodes > limits.nodes {
            return Err(AcceptErrorKind::TooManyNodes(TooManyNodes { limit: limits.nodes }));
        }
        Ok(wait)
    }

    /// Takes in a message that can be delivered.
    fn make_ready(&mut self, message: Message<I, P>, own: LaneId) {
        let lane = &mut self.lanes[own];
        lane.learn(message.dot().counter());
        lane.ready = Some(message);
        self.ready.push_back(own);
    }

    /// Takes in a message that has to wait, and for which there is room.
    fn hold(&mut self, message: Message<I, P>, own: LaneId, wait: Wait, charge: Charged) {
        let Wait { first, news } = wait;
        // The dependencies from there on; the cause that it waits for is learnt where it is parked.
        for named in message.dependencies().get(news..).unwrap_or_default() {
            let lane = self.lanes.find_or_add(named.node());
            self.lanes[lane].learn(named.counter());
        }
        let node = || message.cause(first.at()).map_or(message.dot().node(), |(node, _)| node);
        let on = first.lane.unwrap_or_else(|| self.lanes.find_or_add(node()));
        self.hold_on(message, own, (first, on), charge);
    }

    /// Takes in a message that has to wait for one of its causes, of the lane `on`. Calls nothing of the caller's.
    fn hold_on(&mut self, message: Message<I, P>, own: LaneId, (first, on): (Cause, LaneId), charge: Charged) {
        let slot = self.held.add_slot();
        self.lanes[own].cell_mut(message.dot().counter()).held = Some(slot);
        self.held.hold(slot, message, own, first, self.lanes[on].cell_mut(first.counter));
        if self.charges {
            self.charge(slot, charge);
        }
    }

    /// Delivers the next message all of whose causes are delivered; `None` if there is none now.
    ///
    /// They come in the order in which they became so; those that became so at once, in the order in which they came.
    /// The same calls give the same order everywhere, and a call that returns an error changes nothing in it. O(d log n)
    /// for each message, counted over its whole life.
    pub fn pop(&mut self) -> Option<Message<I, P>> {
        let mut alone = None;
        while let Some(slot) = self.held.first_released() {
            alone = self.settle_first(slot, true);
        }
        // Calls nothing of the caller's from here on: what counts as delivered is returned.
        let id = match alone {
            Some(id) => id,
            None => self.ready.pop_front()?,
        };
        let cell = self.lanes[id].deliver();
        self.held.release(cell);
        match cell.held {
            Some(slot) => self.held.take(slot),
            None => self.lanes[id].ready.take(),
        }
    }

    /// Looks at everything that was released: what can be delivered gets ready, the rest is parked again.
    ///
    /// Every call that changes the buffer begins with it. So the order of delivery is that of the releases, whatever
    /// is called in between.
    #[inline]
    fn settle(&mut self) {
        if self.held.first_released().is_some() {
            self.settle_released();
        }
    }

    #[inline(never)]
    fn settle_released(&mut self) {
        while let Some(slot) = self.held.first_released() {
            self.settle_first(slot, false);
        }
    }

    /// Looks at the first that was released. All that calls the caller's code comes first, and changes nothing.
    ///
    /// If `takes` says so and nothing else is ready or released, a message that can be delivered does not go through the
    /// queue: returns its lane, and the caller delivers it at once.
    #[inline(always)]
    fn settle_first(&mut self, slot: SlotId, takes: bool) -> Option<LaneId> {
        let Some(held) = self.held.at(slot) else {
            self.held.take_released();
            return None;
        };
        let own = held.lane;
        // The key to linear time: what it waited for is delivered, so it goes on after it.
        match self.first_undelivered(&held.message, own, held.cause() + 1) {
            Some(cause) => {
                // Its lane is known: what it names was learnt when it came.
                let on = &mut self.lanes[cause.lane.unwrap_or(own)];
                self.held.take_released();
                self.held.park(slot, cause, on.cell_mut(cause.counter));
                None
            }
            None => {
                if self.charges {
                    let size = self.size(&held.message);
                    self.discharge(slot, size);
                }
                if takes && self.ready.is_empty() && self.held.take_last_released(slot) {
                    return Some(own);
                }
                // It stays where it is, and counts as held no more.
                self.held.ready_released();
                self.ready.push_back(own);
                None
            }
        }
    }

    /// Takes out every message that is here, ready ones too, sorted by dot. O(n + h) for h messages.
    ///
    /// The buffer goes on as if none of them had come: they are [`missing`](Self::missing) and may be accepted again.
    /// What they named stays known, and so do [sources](Self::accept_from), which are charged for nothing then.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::{Accepted, BufferLimits};
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// for counter in [2, 3, 5] {
    ///     buffer.accept(Message::new(Dot::new("a", counter).unwrap(), [], counter)?)?;
    /// }
    /// let held = buffer.drain_held();
    /// assert!(held.iter().map(Message::payload).eq(&[2, 3, 5]));
    /// assert!(buffer.is_empty());
    /// assert_eq!(buffer.missing().next().map(|gap| gap.to_string()), Some("(a, 1..=5)".into()));
    ///
    /// for message in held {
    ///     assert_eq!(buffer.accept(message)?, Accepted::Held);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_held(&mut self) -> Vec<Message<I, P>> {
        let ids: Vec<LaneId> = self.lanes.ids().collect();
        // Calls nothing of the caller's from here on.
        let mut drained = Vec::with_capacity(self.len());
        for id in ids {
            let lane = &mut self.lanes[id];
            drained.extend(lane.ready.take());
            drained.extend(lane.cells().filter_map(|(_, cell)| self.held.take(cell.held?)));
            lane.clear_cells();
        }
        self.ready.clear();
        self.held = HoldBack::new();
        self.discharge_all();
        drained
    }

    /// Finds the first of the causes of a message that is not delivered, from the cause with number `from` on; `own` is
    /// the lane of its node.
    #[inline]
    fn first_undelivered(&self, message: &Message<I, P>, own: LaneId, from: usize) -> Option<Cause> {
        self.first_beyond(message, own, from, |lane| self.lanes[lane].delivered)
    }

    /// The same if `delivered` says how far the node of a lane is delivered.
    #[inline(always)]
    fn first_beyond(
        &self,
        message: &Message<I, P>,
        own: LaneId,
        from: usize,
        delivered: impl Fn(LaneId) -> u64,
    ) -> Option<Cause> {
        let dependencies = message.dependencies();
        for (at, named) in (from..).zip(dependencies.get(from..)?) {
            let lane = self.find(named.node());
            if named.counter() > lane.map_or(0, &delivered) {
                return Some(Cause::new(at, lane, named.counter()));
            }
        }
        self.note_check();
        let previous = message.dot().counter() - 1;
        (previous > delivered(own)).then(|| Cause::new(dependencies.len(), Some(own), previous))
    }

    /// Looks up the lane of a node, to see how far it is delivered.
    fn find(&self, node: &I) -> Option<LaneId> {
        self.note_check();
        self.lanes.find(node)
    }

    /// Notes, for tests, that it is looked at how far a node is delivered.
    fn note_check(&self) {
        #[cfg(test)]
        self.checks.set(self.checks.get() + 1);
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
        let new_nodes = vector.iter().filter(|(node, _)| self.lanes.get(node).is_none()).count();
        if self.lanes.len() + new_nodes > self.limits.nodes {
            return Err(TooManyNodes { limit: self.limits.nodes });
        }
        self.settle();
        // All that calls the caller's code comes first. At most it makes nodes known.
        let news = vector.iter().map(|(node, counter)| (self.lanes.find_or_add(node), counter));
        let news: Vec<(LaneId, u64)> = news.collect();
        let mut delivered: Vec<u64> = self.lanes.by_number().map(|lane| lane.delivered).collect();
        for &(lane, counter) in &news {
            delivered[lane.index()] = counter.max(delivered[lane.index()]);
        }
        let delivered = |lane: LaneId| delivered[lane.index()];
        let parked = self.parked().map(|(slot, held)| {
            let own = held.lane;
            let first = self.first_beyond(&held.message, own, 0, delivered);
            let size = if self.charges { self.size(&held.message) } else { 0 };
            (slot, own, first, Charged { announced: self.announced(slot), size })
        });
        let parked: Vec<_> = parked.collect();

        // Calls nothing of the caller's from here on, until what is covered is dropped.
        let mut covered = Vec::new();
        // What is ready stays ready, and is charged to no one.
        let ready: Vec<_> =
            mem::take(&mut self.ready).into_iter().map(|own| (own, self.take_ready(own))).collect();
        let mut held = mem::replace(&mut self.held, HoldBack::new());
        self.lanes.iter_mut().for_each(Lane::clear_cells);
        self.discharge_all();
        for (lane, counter) in news {
            self.lanes[lane].advance_to(counter);
        }
        for (own, ready) in ready {
            match ready {
                Some(ready) if ready.dot().counter() > self.lanes[own].delivered => self.make_ready(ready, own),
                ready => covered.extend(ready),
            }
        }
        for (slot, own, first, charge) in parked {
            let Some(message) = held.take(slot) else { continue };
            if message.dot().counter() <= self.lanes[own].delivered {
                covered.push(message);
            } else if let Some(first) = first {
                // What it names was learnt when it came.
                self.hold_on(message, own, (first, first.lane.unwrap_or(own)), charge);
            } else {
                self.make_ready(message, own);
            }
        }
        Ok(())
    }

    /// Checks the invariants of this module and of those below it, and says which one is broken. O(everything).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.lanes.validate()?;
        self.held.validate(self.lanes.iter().flat_map(|(_, lane)| lane.cells()).map(|(_, cell)| cell))?;
        self.validate_shares()?;
        let ready = self.lanes.iter().filter(|(_, lane)| lane.ready.is_some()).count() + self.held.ready();
        let queued = self.ready.iter().filter(|&&lane| self.ready(lane).is_some()).count();
        if self.held.waiting() > self.limits.messages || ready != queued || ready != self.ready.len() {
            return Err("B3: no more messages than the limit, and every ready one is queued");
        }
        if self.bytes > self.limits.bytes {
            return Err("B3: no more bytes than the limit");
        }
        if self.lanes.len() > self.limits.nodes {
            return Err("B4: no more nodes than the limit");
        }
        for (node, lane) in self.lanes.iter() {
            if lane.ready.as_ref().is_some_and(|ready| ready.dot().counter() != lane.delivered + 1) {
                return Err("B1: a ready message is its node's next");
            }
            for (counter, cell) in lane.cells() {
                let held = cell.held.and_then(|slot| self.held.at(slot)).map(|held| &held.message);
                if held.is_some_and(|held| held.dot().node() != node || held.dot().counter() != counter) {
                    return Err("H3: a cell is reached by the dot of its message");
                }
                if counter <= lane.delivered
                    || (held.is_some() && lane.ready.is_some() && counter == lane.delivered + 1)
                {
                    return Err("B1: nothing that is here is delivered, or here twice");
                }
                // That no cell lies above where its node was closed is L2 with L5.
                let closed = |named: &Dot<I>| {
                    self.lanes.get(named.node()).is_some_and(|lane| lane.last < named.counter())
                };
                if held.is_some_and(|held| held.dependencies().iter().any(closed)) {
                    return Err("B5: nothing that is here names what is closed");
                }
                for waiter in self.held.waiters(cell) {
                    let parked_here = self.held.at(waiter).is_some_and(|held| {
                        let first = self.first_undelivered(&held.message, held.lane, 0);
                        held.message.cause(held.cause()) == Some((node, counter))
                            && first.is_some_and(|first| first.at() == held.cause())
                    });
                    if !parked_here {
                        return Err("B2: a parked message waits under its first cause that is not delivered");
                    }
                }
            }
        }
        Ok(())
    }
}
