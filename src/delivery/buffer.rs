//! The receiving side: holds messages back until all their causes are delivered.
//!
//! # Invariants
//!
//! - B1: no message that is here is delivered, and none is here twice.
//! - B2: a parked message waits under its first cause that is not delivered.
//! - B3: at most `Limits::messages` messages are held back, and besides them one a known node is ready.
//! - B4: at most `Limits::nodes` nodes are known.
//!
//! The algorithm and its sources are described where the module [`delivery`](crate::delivery) begins.

use core::{fmt, iter, mem};

use crate::compat::{Vec, VecDeque};
use crate::delivery::hold_back::{CellId, HoldBack};
use crate::delivery::lanes::{Lane, LaneId, Lanes};
use crate::delivery::message::Message;
use crate::node::{Dot, DotRange, NodeId};
use crate::version::VersionVector;

/// What a [`CausalBuffer`] lets others make it remember.
///
/// Others can make the buffer hold at most `messages + nodes` messages, each with at most `dependencies`
/// dependencies; for every held message two cells as large as a message and, if their counters lie far apart, two
/// pages of 256 bytes; and for every node its id and a lane as large as a message.
///
/// # Examples
///
/// ```
/// use happens_before::Limits;
///
/// let small_device = Limits { messages: 500, nodes: 64, ..Limits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many messages may be held back; the default is 65,536, and no more than 2^30 are.
    ///
    /// More tolerates longer gaps; fewer saves memory, and what was refused must come again.
    pub messages: usize,
    /// How far beyond what is delivered the counter of a message, or of a dependency, may be; the default is 2^20.
    ///
    /// A node that is further behind must catch up from a snapshot. A small horizon bounds what a forged counter
    /// makes [`missing`](CausalBuffer::missing) ask for.
    pub horizon: u64,
    /// How many nodes may be known, delivered or only named; the default is 4,096, and no more than 2^30 are.
    pub nodes: usize,
    /// How many dependencies a message may have; the default is 1,024.
    pub dependencies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 1 << 16, horizon: 1 << 20, nodes: 1 << 12, dependencies: 1 << 10 }
    }
}

/// Holds messages back until all their causes are delivered, then releases them.
///
/// Hand in what arrives with [`accept`](Self::accept), in any order, however often; then take out what can be
/// delivered with [`pop`](Self::pop) until it says `None`. The node's own messages go the same way.
///
/// [`missing`](Self::missing) and [`blocked_on`](Self::blocked_on) change only when `accept` says
/// [`Ready`](Accepted::Ready) or [`Held`](Accepted::Held), when `pop` returns a message, and in `advance_to`: there
/// is no need to poll them.
///
/// In the costs below d is the number of dependencies of a message, n that of known nodes.
///
/// # Who is trusted
///
/// The caller verifies who wrote a message before it is accepted. Someone who can forge only under ids of his own
/// can then never make a message come too early, twice, or with another content. But he can use up what is shared:
/// with messages that wait for ever all room for messages of others that have to wait, though not for those that
/// are ready; and with invented nodes the room for nodes, after which no message of a new node is accepted. Where
/// that is a danger, bound what each neighbour may bring before you accept it.
///
/// # What must survive a restart
///
/// For effects that happen exactly once: [`delivered`](Self::delivered), stored in the same transaction as the
/// effects of the messages delivered, so that after a crash both are there or neither. The
/// [`held`](Self::held) messages may be stored, to save asking for them again; and the
/// [`Outbox`](crate::Outbox) says what it needs. To restore, advance an empty buffer to what was delivered, and
/// accept what was held; all of it is checked as if it came from outside:
///
/// ```
/// use happens_before::{CausalBuffer, Dot, Limits, Message, VersionVector};
///
/// let delivered = VersionVector::from_iter([("a", 7)]);
/// let held = [Message::new(Dot::new("a", 9).unwrap(), [], "ninth")?];
///
/// let mut buffer = CausalBuffer::new(Limits::default());
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
/// use happens_before::delivery::Accepted;
/// use happens_before::{CausalBuffer, Dot, DotRange, Limits, Message};
///
/// let ask = Message::new(Dot::new("alice", 1).unwrap(), [], "tea?")?;
/// let answer = Message::new(Dot::new("bob", 1).unwrap(), [*ask.dot()], "yes")?;
///
/// let mut carol = CausalBuffer::new(Limits::default());
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
    limits: Limits,
    lanes: Lanes<I, Message<I, P>>,
    /// The lanes with a ready message, in the order of arrival.
    ready: VecDeque<LaneId>,
    held: HoldBack<Message<I, P>>,
    /// How often it was looked up how far a node is delivered.
    #[cfg(test)]
    pub(super) checks: core::cell::Cell<u64>,
}

/// A cause that is not delivered: which one of the message's, its counter, and the lane of its node, if known.
#[derive(Clone, Copy)]
struct Cause {
    at: usize,
    counter: u64,
    lane: Option<LaneId>,
}

/// What a new message waits for, and which of its causes, all behind that one, is the first to name something
/// that nothing here is or names.
struct Wait {
    on: Cause,
    news: usize,
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Makes an empty buffer. Does not allocate.
    #[must_use]
    pub fn new(mut limits: Limits) -> Self {
        limits.messages = limits.messages.min(HoldBack::<P>::MAX);
        limits.nodes = limits.nodes.min(Lanes::<I, P>::MAX);
        Self {
            limits,
            lanes: Lanes::new(),
            ready: VecDeque::new(),
            held: HoldBack::new(),
            #[cfg(test)]
            checks: core::cell::Cell::new(0),
        }
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
        self.held.len() + self.ready.len()
    }

    /// Returns whether no message is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the messages that are here, sorted by dot. O(n) for all, and O(1) a message.
    pub fn held(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.lanes.iter().flat_map(|(_, lane)| {
            let parked = lane.cells().filter_map(|(_, cell)| Some(&self.held.get(cell)?.message));
            lane.ready.iter().chain(parked)
        })
    }

    /// Takes in a message that has arrived. O(d log n), and O(n) for each node that was not known.
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
        let dot = message.dot();
        let own = self.find(dot.node());
        if let Some(lane) = own.map(|own| &self.lanes[own]) {
            if dot.counter() <= lane.delivered {
                return Ok(Accepted::Duplicate);
            }
            let ready = lane.ready.as_ref().filter(|ready| ready.dot() == dot);
            // Nothing is held above the highest counter known, where a message that comes in order lies.
            let cell = || (dot.counter() <= lane.highest).then(|| lane.cell(dot.counter())).flatten();
            let held = || cell().and_then(|cell| self.held.get(cell)).map(|held| &held.message);
            match ready.or_else(held) {
                Some(first) if *first == message => return Ok(Accepted::Duplicate),
                Some(_) => return Err(AcceptError { message, kind: AcceptErrorKind::Equivocation }),
                None => {}
            }
        }
        match self.check(&message, own) {
            Err(kind) => Err(AcceptError { message, kind }),
            Ok(wait) => {
                let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
                Ok(self.hold(message, own, wait))
            }
        }
    }

    /// Checks what a new message claims against the limits, and finds what it waits for.
    fn check(&self, message: &Message<I, P>, own: Option<LaneId>) -> Result<Option<Wait>, AcceptErrorKind<I>> {
        let limits = &self.limits;
        if message.dependencies().len() > limits.dependencies {
            return Err(AcceptErrorKind::TooManyDependencies { limit: limits.dependencies });
        }
        let mut wait: Option<Wait> = None;
        let mut nodes = self.lanes.len();
        let dependencies = message.dependencies().iter().map(|named| (named, self.find(named.node())));
        for (at, (claimed, lane)) in iter::once((message.dot(), own)).chain(dependencies).enumerate() {
            let known = lane.map(|lane| &self.lanes[lane]);
            let (delivered, highest) = known.map_or((0, 0), |known| (known.delivered, known.highest));
            nodes += usize::from(known.is_none());
            if claimed.counter().saturating_sub(delivered) > limits.horizon {
                let limit = delivered.saturating_add(limits.horizon);
                return Err(AcceptErrorKind::TooFarAhead { dot: claimed.clone(), limit });
            }
            // The message's own dot stands for its cause, the one before it.
            let counter = claimed.counter() - u64::from(at == 0);
            if counter > delivered {
                match &mut wait {
                    None => wait = Some(Wait { on: Cause { at, counter, lane }, news: usize::MAX }),
                    Some(wait) if counter > highest => wait.news = wait.news.min(at),
                    Some(_) => {}
                }
            }
        }
        if nodes > limits.nodes {
            Err(AcceptErrorKind::TooManyNodes(TooManyNodes { limit: limits.nodes }))
        } else if wait.is_some() && self.held.len() >= limits.messages {
            Err(AcceptErrorKind::BufferFull { limit: limits.messages })
        } else {
            Ok(wait)
        }
    }

    /// Takes in a message that has passed every check.
    fn hold(&mut self, message: Message<I, P>, own: LaneId, wait: Option<Wait>) -> Accepted {
        let lane = &mut self.lanes[own];
        let counter = message.dot().counter();
        let Some(Wait { on, news }) = wait else {
            lane.learn(counter);
            lane.ready = Some(message);
            self.ready.push_back(own);
            return Accepted::Ready;
        };
        let cell = *lane.cell_mut(counter).get_or_insert_with(|| self.held.add_cell());
        // The dependencies from there on; the cause that it waits for is learnt where it is parked.
        for named in message.dependencies().iter().skip(news - 1) {
            let lane = self.lanes.find_or_add(named.node());
            self.lanes[lane].learn(named.counter());
        }
        self.held.hold(cell, message, own);
        self.park(cell, on);
        Accepted::Held
    }

    /// Delivers the next message all of whose causes are delivered; `None` if there is none now.
    ///
    /// Those that waited come first, then those that were ready when they came, each in the order in which they
    /// became so: the same calls give the same order everywhere. O(d log n) for each message, counted over its
    /// whole life.
    pub fn pop(&mut self) -> Option<Message<I, P>> {
        while let Some(cell) = self.held.next_released() {
            let held = self.held.get(cell)?;
            if let Some(cause) = self.first_undelivered(&held.message, held.cause) {
                self.park(cell, cause);
            } else {
                self.lanes[held.lane].deliver(held.message.dot().counter());
                return self.held.deliver(cell);
            }
        }
        let lane = &mut self.lanes[self.ready.pop_front()?];
        let message = lane.ready.take()?;
        if let Some(cell) = lane.deliver(message.dot().counter()) {
            self.held.deliver(cell); // nothing is held there: only waiters
        }
        Some(message)
    }

    /// Finds the first cause, from the `from`-th on, that is not delivered.
    fn first_undelivered(&self, message: &Message<I, P>, from: usize) -> Option<Cause> {
        (from..).map_while(|at| Some((at, message.cause(at)?))).find_map(|(at, (node, counter))| {
            let lane = self.find(node);
            let delivered = lane.map_or(0, |lane| self.lanes[lane].delivered);
            (counter > delivered).then_some(Cause { at, counter, lane })
        })
    }

    /// Parks the message in `cell` under one of its causes.
    fn park(&mut self, cell: CellId, Cause { at, counter, lane }: Cause) {
        let add = || self.held.get(cell)?.message.cause(at).map(|(node, _)| self.lanes.find_or_add(node));
        let Some(lane) = lane.or_else(add) else {
            return;
        };
        let on = *self.lanes[lane].cell_mut(counter).get_or_insert_with(|| self.held.add_cell());
        self.held.park(cell, at, on);
    }

    /// Looks up the lane of a node, to see how far it is delivered.
    fn find(&self, node: &I) -> Option<LaneId> {
        #[cfg(test)]
        self.checks.set(self.checks.get() + 1);
        self.lanes.find(node)
    }

    /// Names everything to ask for: what a held message is or depends on, and all before it at the same node,
    /// less what is delivered or held.
    ///
    /// In order, as ranges that do not touch. O(n + h) for h messages held or waited for; the length of the gaps
    /// does not matter.
    pub fn missing(&self) -> impl Iterator<Item = DotRange<I>> {
        let behind = self.lanes.iter().filter(|(_, lane)| lane.delivered < lane.highest);
        behind.flat_map(move |(node, lane)| {
            let parked = lane.cells().filter(|&(_, cell)| self.held.get(cell).is_some());
            let held =
                lane.ready.iter().map(|ready| ready.dot().counter()).chain(parked.map(|(counter, _)| counter));
            // Each gap ends just below a held counter, and the last one at the highest counter known to exist.
            let ends = held.map(|counter| (counter - 1, counter)).chain([(lane.highest, lane.highest)]);
            let gaps = ends.scan(lane.delivered, |before, (last, held)| {
                let gap = before.checked_add(1).map(|first| first..=last);
                *before = held;
                Some(gap)
            });
            gaps.flatten().filter_map(|gap| DotRange::new(node.clone(), gap))
        })
    }

    /// Names the causes for which the held message `dot` still waits: the sender's previous message, and
    /// dependencies.
    ///
    /// Nothing if it is not held, or ready. To learn why a message does not come, follow these: what is held
    /// waits in its turn, what is not is [`missing`](Self::missing). O(d log n).
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Limits, Message};
    ///
    /// let mut buffer = CausalBuffer::new(Limits::default());
    /// let b2 = Dot::new("b", 2).unwrap();
    /// let a7 = Dot::new("a", 7).unwrap();
    /// buffer.accept(Message::new(b2, [a7], ())?)?;
    /// assert!(buffer.blocked_on(&b2).eq([b2.previous().unwrap(), a7]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocked_on(&self, dot: &Dot<I>) -> impl Iterator<Item = Dot<I>> {
        let cell = self.lanes.get(dot.node()).and_then(|lane| lane.cell(dot.counter()));
        let held = cell.and_then(|cell| self.held.get(cell));
        held.into_iter().flat_map(move |held| {
            let causes = (held.cause..).map_while(|at| held.message.cause(at));
            causes
                .filter(|&(node, counter)| counter > self.delivered_up_to(node))
                .filter_map(|(node, counter)| Dot::new(node.clone(), counter))
        })
    }

    /// Takes everything that `vector` names as delivered: a late joiner installs a snapshot, or a node catches up
    /// beyond the horizon.
    ///
    /// Held messages that the vector covers are dropped, the others look at their causes again.
    /// O((n + h d) log n) for h held messages, and O(n) for each node that was not known. Call
    /// [`Outbox::advance_to`](crate::Outbox::advance_to) with the same vector.
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
    /// use happens_before::{CausalBuffer, Dot, Limits, Message, VersionVector};
    ///
    /// let mut buffer = CausalBuffer::new(Limits::default());
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
        let ready = mem::take(&mut self.ready);
        let ready = ready.into_iter().filter_map(|lane| self.lanes[lane].ready.take());
        let held: Vec<_> = ready.chain(self.held.drain()).collect();
        self.lanes.iter_mut().for_each(Lane::clear_cells);
        for (node, counter) in vector {
            let lane = self.lanes.find_or_add(node);
            self.lanes[lane].advance_to(counter);
        }
        for message in held {
            let own = self.lanes.find_or_add(message.dot().node());
            if message.dot().counter() > self.lanes[own].delivered {
                let on = self.first_undelivered(&message, 0);
                // What it names has been learnt when it came.
                self.hold(message, own, on.map(|on| Wait { on, news: usize::MAX }));
            }
        }
        Ok(())
    }

    /// Checks the invariants of this module and of those below it, and says which one is broken. O(everything).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.lanes.validate()?;
        self.held.validate()?;
        let ready = self.lanes.iter().filter(|(_, lane)| lane.ready.is_some()).count();
        if self.held.len() > self.limits.messages || ready != self.ready.len() {
            return Err("B3: no more messages than the limit, and every ready one is queued");
        }
        if self.lanes.len() > self.limits.nodes {
            return Err("B4: no more nodes than the limit");
        }
        for (node, lane) in self.lanes.iter() {
            if lane.ready.as_ref().is_some_and(|ready| ready.dot().counter() != lane.delivered + 1) {
                return Err("B1: a ready message is its node's next");
            }
            for (counter, cell) in lane.cells() {
                let held = self.held.get(cell);
                if held.is_some_and(|held| {
                    held.message.dot().node() != node || held.message.dot().counter() != counter
                }) {
                    return Err("H3: a cell is reached by the dot of its message");
                }
                if counter <= lane.delivered
                    || (held.is_some() && lane.ready.is_some() && counter == lane.delivered + 1)
                {
                    return Err("B1: nothing that is here is delivered, or here twice");
                }
                for waiter in self.held.waiters(cell) {
                    let parked_here = self.held.get(waiter).is_some_and(|held| {
                        held.message.cause(held.cause) == Some((node, counter))
                            && self
                                .first_undelivered(&held.message, 0)
                                .is_some_and(|cause| cause.at == held.cause)
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

/// What has become of a message that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// All its causes are delivered: [`CausalBuffer::pop`] returns it.
    Ready,
    /// It waits for a cause; [`CausalBuffer::missing`] may name more than before.
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
    /// The message names nodes beyond the limit.
    TooManyNodes(TooManyNodes),
    /// The message has more dependencies than the limit.
    TooManyDependencies {
        /// [`Limits::dependencies`].
        limit: usize,
    },
    /// No room to hold the message back. Pop what is ready, ask for what is missing, and accept this one again
    /// later: nothing remembers it, and `missing` names it only if a held message does.
    BufferFull {
        /// How many messages may be held.
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
            AcceptErrorKind::TooManyNodes(error) => write!(f, "message {of:?}: {error}"),
            AcceptErrorKind::TooManyDependencies { limit } => {
                write!(
                    f,
                    "message {of:?} has more than {limit} dependencies; distrust the sender, or raise the limit"
                )
            }
            AcceptErrorKind::BufferFull { limit } => write!(
                f,
                "message {of:?} has to wait and {limit} messages are held; \
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
    /// [`Limits::nodes`].
    pub limit: usize,
}

impl fmt::Display for TooManyNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} nodes; distrust the sender, or raise the limit", self.limit)
    }
}

impl core::error::Error for TooManyNodes {}
