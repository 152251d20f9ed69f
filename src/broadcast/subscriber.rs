//! The receiving side: delivers slots 1, 2, 3, ... without a gap, and repairs the holes.
//!
//! ```text
//!    delivered   next                 window                      beyond: dropped, read again
//!   ─────────────┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬─────────────────────────────
//!    ... 4   5   │ 6 │ 7 │ 8 │ 9 │   │   │ 12│   │   │   │   │   │  40
//!   ─────────────┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴─────────────────────────────
//!                  ▲ hole: waited for                 10, 11: holes of the same range, not waited for again
//! ```
//!
//! # Use
//!
//! Hand in what is announced ([`handle_entry`](Subscriber::handle_entry)), and the answers to requests. After each input,
//! and when the time of [`poll_timeout`](Subscriber::poll_timeout) has come: take out all of
//! [`poll_delivery`](Subscriber::poll_delivery), then do what [`poll_request`](Subscriber::poll_request) says. Without
//! any announcement, all is read from the log. Every answer is a fact about the log that stays true, so that answers
//! may come late, twice and in any order.
//!
//! # Invariants
//!
//! - S1: a slot is passed when its entry is taken from the log or the announcements, and only then.
//! - S2: a fill goes only to a slot that a read has left out, and that is claimed: below an occupied slot, or not above
//!   the counter's current number.
//! - S3: a fill waits longer than a write may take, once for all holes that were claimed when the wait began.
//! - S4: a message is delivered if its number is above the highest delivered of its node, and only then.
//! - S5: the window holds no more slots than its limit; its last one is occupied.
//! - S6: positions increase.
//!
//! The algorithm and its sources are described where the module [`broadcast`](crate::broadcast) begins.

use core::fmt;
use core::iter::Enumerate;

use super::delivered::Delivered;
use super::patience::Patience;
use super::window::{Inserted, Window};
use super::{Content, Entry, MAX_SLOT, Position, ReadAnswer, ReadLimit, SubscribeError, WriteAnswer};
use crate::compat::vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// What a [`Subscriber`] waits for, and what it lets others make it remember. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberConfig {
    /// How many slots from the next one on are kept; the default is 1,024, the least 1.
    pub window: usize,
    /// How long until the log is read again where nothing is new, or where a hole is waited for; the default is 50.
    pub poll_ms: u64,
    /// How long a publisher's write, or an answer to this subscriber, may take; the default is 1,000.
    ///
    /// A hole is waited for twice as long at first. A sender that takes longer finds its slot filled, and takes a new
    /// number.
    pub write_timeout_ms: u64,
    /// Up to where the wait for a hole grows as slots are filled; the default is 60,000.
    pub max_fill_timeout_ms: u64,
    /// How many holes in a row are believed; the default is 2^20.
    pub jump: u64,
    /// How many nodes may have delivered messages; the default is 4,096.
    pub nodes: usize,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            window: 1024,
            poll_ms: 50,
            write_timeout_ms: 1_000,
            max_fill_timeout_ms: 60_000,
            jump: 1 << 20,
            nodes: 1 << 12,
        }
    }
}

/// A place in the order from which a subscriber can go on: for restarts, and for those who join late.
///
/// Store it together with the state that the deliveries up to here have made. It is taken between two deliveries, also
/// of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<I> {
    /// The slot to deliver next; slots below it may be trimmed.
    pub next: u64,
    /// The highest epoch of an entry so far.
    pub epoch: u64,
    /// The highest number delivered of every node: what makes a second copy of a message known as one.
    pub delivered: VersionVector<I>,
}

impl<I: NodeId> Default for Snapshot<I> {
    /// Before the first slot.
    fn default() -> Self {
        Self { next: 1, epoch: 0, delivered: VersionVector::new() }
    }
}

/// A message at its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<I, P> {
    /// Its place, the same at every subscriber, and higher than those delivered before.
    pub position: Position,
    /// Its id.
    pub id: Dot<I>,
    /// What it carries; `None` for a marker.
    pub payload: Option<P>,
}

/// What a [`Subscriber`] wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeRequest {
    /// Read the log; the answer goes to [`Subscriber::handle_read`].
    Read {
        /// The first slot.
        from: u64,
        /// The most that the answer may hold.
        limit: ReadLimit,
    },
    /// Write [`Entry::fill`] of this epoch into the slot; the answer goes to [`Subscriber::handle_fill`].
    ///
    /// There are no holes over an [`AppendLog`](super::AppendLog). If one shows, read the slot once more: what stands
    /// above it may have been announced after the read that has left it out, and before its answer. If it is still
    /// empty, the engine has broken its promise: report it. The subscriber does not go on without an answer.
    Fill {
        /// The slot.
        slot: u64,
        /// The epoch of the fill.
        epoch: u64,
    },
}

/// Delivers the messages of a log in the order of its slots, each once; does no input or output.
///
/// In the costs below, n is the number of nodes that have delivered messages.
///
/// # Examples
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Dot;
/// use happens_before::broadcast::{
///     Entry, Log, MemoryLog, SlotLog, SubscribeRequest, Subscriber, SubscriberConfig,
/// };
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// // Whoever took number 1 has crashed.
/// log.write(2, &Entry::message(0, Dot::new("a", 1).unwrap(), "hello"))?;
///
/// let mut subscriber = Subscriber::new(SubscriberConfig::default());
/// let mut now_ms = 0;
/// let delivery = loop {
///     if let Some(delivery) = subscriber.poll_delivery()? {
///         break delivery;
///     }
///     match subscriber.poll_request(now_ms) {
///         Some(SubscribeRequest::Read { from, limit }) => {
///             subscriber.handle_read(now_ms, from, limit, log.read(from, limit)?)?;
///         }
///         Some(SubscribeRequest::Fill { slot, epoch }) => {
///             subscriber.handle_fill(now_ms, slot, epoch, log.write(slot, &Entry::fill(epoch))?)?;
///         }
///         None => now_ms = subscriber.poll_timeout().unwrap(), // in life: wait
///     }
/// };
/// assert_eq!((delivery.position.sequence, delivery.payload), (2, Some("hello")));
/// assert_eq!(now_ms, 2_000); // waited for the hole, and filled it
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subscriber<I, P> {
    config: SubscriberConfig,
    epoch: u64,
    delivered: Delivered<I>,
    window: Window<I, P>,
    /// What is left of the entry in the slot that was passed last.
    begun: Option<Begun<I, P>>,

    /// The highest slot that is known to be claimed.
    claimed: u64,
    /// Up to here there may be entries that nobody will announce.
    unread: u64,
    /// Up to here, what is not in the window was empty when it was read; not above `claimed`.
    covered: u64,
    patience: Patience,
    /// The lowest epoch that may write, as far as known.
    sealed: u64,

    /// Whether an answer is waited for.
    pending: bool,
    /// No request before: an answer is waited for until then, or a failure was just now.
    quiet_until: u64,
    next_read: u64,
}

#[derive(Debug)]
struct Begun<I, P> {
    /// The id of the first message.
    first: Dot<I>,
    payloads: Enumerate<vec::IntoIter<P>>,
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Makes a subscriber that delivers from the first slot on.
    #[must_use]
    pub fn new(config: SubscriberConfig) -> Self {
        Self::resume(Snapshot::default(), config)
    }

    /// Makes a subscriber that goes on from a snapshot.
    #[must_use]
    pub fn resume(snapshot: Snapshot<I>, config: SubscriberConfig) -> Self {
        let window = Window::new(snapshot.next, config.window);
        Self {
            epoch: snapshot.epoch,
            delivered: Delivered::new(&snapshot.delivered),
            begun: None,
            claimed: 0,
            unread: 0,
            covered: 0,
            patience: Patience::new(window.next(), config.write_timeout_ms, config.max_fill_timeout_ms),
            window,
            config,
            sealed: 0,
            pending: false,
            quiet_until: 0,
            next_read: 0,
        }
    }

    /// Returns from where, and with what, another subscriber can go on. O(n): the table is copied.
    pub fn snapshot(&self) -> Snapshot<I> {
        Snapshot { next: self.next(), epoch: self.epoch, delivered: self.delivered() }
    }

    /// Goes on from a snapshot of another subscriber, ahead of this one; what is in between is not delivered here.
    ///
    /// What to do when the log is [trimmed](SubscribeError::Trimmed) below what this one would need next.
    ///
    /// # Errors
    ///
    /// The snapshot is handed back if it is not ahead.
    #[expect(clippy::result_large_err, reason = "what was moved in is moved out")]
    pub fn install(&mut self, snapshot: Snapshot<I>) -> Result<(), Snapshot<I>> {
        if snapshot.next <= self.next() || !self.window.skip_to(snapshot.next) {
            return Err(snapshot);
        }
        self.epoch = snapshot.epoch;
        self.delivered = Delivered::new(&snapshot.delivered);
        self.patience.skip_to(self.window.next());
        (self.begun, self.next_read) = (None, 0);
        Ok(())
    }

    /// Returns the slot to deliver next: everything below is delivered, or was a fill.
    pub fn next(&self) -> u64 {
        self.window.next() - u64::from(self.begun.is_some())
    }

    /// Returns the highest number delivered of every node: a copy. O(n).
    pub fn delivered(&self) -> VersionVector<I> {
        self.delivered.vector()
    }

    /// Returns the highest number delivered of one node, 0 for none. O(log n).
    pub fn delivered_up_to(&self, node: &I) -> u64 {
        self.delivered.get(node)
    }

    /// Returns the highest slot that is known to be claimed: occupied, or not above the counter's current number.
    pub fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Forgets a node that will never publish again, to make room for another: an incarnation that is over.
    ///
    /// All subscribers must do it at the same position, when a message of the application says so, and when nothing of
    /// the node can still be written. Returns its highest number delivered.
    pub fn retire(&mut self, node: &I) -> u64 {
        self.delivered.remove(node)
    }

    /// Takes out the next message, if there is one. O(log n) a message, and O(n) for the first of a node; O(1) a fill.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if the message is of a node that there is no room for. Nothing is changed; make the limit higher
    /// with [`set_nodes`](Self::set_nodes), or [retire](Self::retire) a node.
    #[inline]
    pub fn poll_delivery(&mut self) -> Result<Option<Delivery<I, P>>, TooManyNodes<I>> {
        loop {
            if self.begun.is_some() {
                match self.continue_begun() {
                    None => continue,
                    delivery => return Ok(delivery),
                }
            }
            let Some(entry) = self.window.front() else { return Ok(None) };
            let limit = self.config.nodes;
            if let Some(id) = entry.id()
                && self.delivered.highest(id.node(), limit).is_none()
            {
                return Err(TooManyNodes { node: id.node().clone(), limit });
            }
            let Some(entry) = self.window.pop() else { return Ok(None) };
            self.epoch = self.epoch.max(entry.epoch());
            let (id, payload) = match entry.into_content() {
                Content::Fill | Content::Unreadable(_) => {
                    self.patience.note_fill(self.window.next() - 1);
                    continue;
                }
                Content::Skip { id, .. } => {
                    self.delivered.note(&id);
                    continue;
                }
                Content::Retire { id, node } => {
                    if self.delivered.note(&id) {
                        self.delivered.remove(&node);
                    }
                    continue;
                }
                Content::Marker { id } => (id, None),
                Content::Messages { first: id, payloads } => match payloads.into_single() {
                    Ok(payload) => (id, Some(payload)),
                    Err(payloads) => {
                        self.begin(id, payloads);
                        continue;
                    }
                },
            };
            if self.delivered.note(&id) {
                return Ok(Some(Delivery { position: self.position(), id, payload }));
            }
        }
    }

    /// The position of the first message in the slot that was passed last.
    fn position(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.window.next() - 1, index: 0 }
    }

    #[cold]
    fn begin(&mut self, first: Dot<I>, payloads: vec::IntoIter<P>) {
        self.begun = Some(Begun { first, payloads: payloads.enumerate() });
    }

    /// Delivers the next message of the entry that is begun, unless it was delivered before.
    #[cold]
    fn continue_begun(&mut self) -> Option<Delivery<I, P>> {
        let Begun { first, payloads } = self.begun.as_mut()?;
        let (node, number) = (first.node().clone(), first.counter());
        let next = payloads.next();
        if payloads.len() == 0 {
            self.begun = None;
        }
        let (index, payload) = next?;
        let position = Position { index: index as u64, ..self.position() };
        // No overflow: `Entry::batch` has seen to it.
        let id = Dot::new(node, number + position.index)?;
        self.delivered.note(&id).then(|| Delivery { position, id, payload: Some(payload) })
    }

    /// Hands in that the entry stands in `slot`, as its publisher has announced after it was written, or as a read of one's
    /// own has shown. O(1); a slot whose entry is here already is compared, in O(payloads).
    ///
    /// Beyond the window the entry is dropped, to be read from the log when it is its turn.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Conflict`], [`Halted`](SubscribeError::Halted), or
    /// [`Jump`](SubscribeError::Jump) if there is no such slot.
    #[inline]
    pub fn handle_entry(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        let inserted = self.window.insert(slot, entry)?;
        if inserted != Inserted::Passed {
            self.claimed = self.claimed.max(slot);
        }
        if inserted == Inserted::Dropped {
            self.unread = self.unread.max(slot);
        }
        Ok(())
    }

    /// Hands in the counter's current number: every slot up to there is claimed, and waited for if it is empty. O(1).
    ///
    /// For reads that must see everything numbered before they began, and to repair holes that nothing follows. The number
    /// must come from the counter of this log.
    pub fn observe_current(&mut self, current: u64) {
        let current = current.min(MAX_SLOT);
        self.claimed = self.claimed.max(current);
        self.unread = self.unread.max(current);
    }

    /// Returns what is to be done at `now_ms`. O(1).
    ///
    /// One request at a time: until it is answered, or the write time-out has passed, there is no other.
    pub fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
        if now_ms < self.quiet_until {
            return None;
        }
        if self.pending {
            self.handle_failure(now_ms);
            return None;
        }
        let request = match self.wanted()? {
            Wanted::Fill { at, slot } if at <= now_ms => {
                SubscribeRequest::Fill { slot, epoch: self.epoch.max(self.sealed) }
            }
            Wanted::Now => SubscribeRequest::Read { from: self.window.next(), limit: self.limit() },
            // Only whether the hole is still one: what stands above it is read already, or will be.
            Wanted::Fill { .. } if self.next_read <= now_ms => SubscribeRequest::Read {
                from: self.window.next(),
                limit: ReadLimit { entries: 1, ..self.limit() },
            },
            Wanted::Poll if self.next_read <= now_ms => {
                SubscribeRequest::Read { from: self.window.next(), limit: self.limit() }
            }
            Wanted::Fill { .. } | Wanted::Poll => return None,
        };
        self.pending = true;
        self.quiet_until = now_ms.saturating_add(self.config.write_timeout_ms.max(1));
        Some(request)
    }

    fn limit(&self) -> ReadLimit {
        ReadLimit { entries: self.window.limit(), bytes: usize::MAX }
    }

    /// Returns when to call [`poll_request`](Self::poll_request) again; `None` if there is something to deliver first, or
    /// after two contents were seen in the next slot. O(1).
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.pending {
            return Some(self.quiet_until);
        }
        let due = match self.wanted()? {
            Wanted::Now => 0,
            Wanted::Poll => self.next_read,
            Wanted::Fill { at, .. } => at.min(self.next_read),
        };
        Some(due.max(self.quiet_until))
    }

    /// Says so if nothing will ever be delivered again.
    pub(super) fn go_on(&self) -> Result<(), SubscribeError<I, P>> {
        if self.window.is_over() && !self.has_next() {
            return Err(SubscribeError::Halted { slot: self.window.next() });
        }
        Ok(())
    }

    /// What the next slot needs.
    fn wanted(&self) -> Option<Wanted> {
        if self.has_next() || self.window.is_over() {
            return None;
        }
        let slot = self.window.next();
        Some(match self.patience.over_at(slot) {
            Some(at) if slot <= self.covered => Wanted::Fill { at, slot },
            _ if self.covered < slot && slot <= self.unread => Wanted::Now,
            _ => Wanted::Poll,
        })
    }

    /// Whether there is something to deliver, or a fill to pass.
    fn has_next(&self) -> bool {
        self.begun.is_some() || self.window.front().is_some()
    }

    /// Hands in what a read of `limit` entries from `from` on has found. O(entries).
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Trimmed`], [`Jump`](SubscribeError::Jump),
    /// [`Conflict`](SubscribeError::Conflict) or [`Halted`](SubscribeError::Halted); what was read before that is
    /// kept.
    pub fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<I, P>,
    ) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        self.answered();
        self.next_read = now_ms.saturating_add(self.config.poll_ms.max(1));
        let entries = match answer {
            ReadAnswer::Trimmed { first } => return self.handle_trimmed(first),
            ReadAnswer::Entries(entries) => entries,
        };
        let next = self.window.next();
        let mut read_up_to = if entries.len() < limit.entries { self.claimed } else { 0 };
        let mut nearest = None;
        for (slot, entry) in entries {
            read_up_to = read_up_to.max(slot);
            nearest = nearest.or((slot > next).then_some(slot));
            self.handle_entry(slot, entry)?;
        }
        if from > next {
            return Ok(()); // says nothing about the next slot
        }
        // Beyond the window, entries were dropped.
        self.covered = self.covered.max(read_up_to.min(self.window.last()));
        if self.has_next() {
            self.next_read = 0; // there may be more behind it
        } else if next <= self.covered {
            let nearest = nearest.or_else(|| self.window.nearest()).unwrap_or(self.claimed + 1);
            if nearest - next > self.config.jump {
                self.covered = next - 1; // not to be filled
                return Err(SubscribeError::Jump { next, slot: nearest });
            }
            self.patience.begin(next, self.claimed, now_ms);
        }
        Ok(())
    }

    /// Hands in what became of filling `slot` in `epoch`. O(1).
    ///
    /// # Errors
    ///
    /// As [`handle_read`](Self::handle_read).
    pub fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<I, P>,
    ) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        self.answered();
        self.next_read = now_ms;
        match answer {
            WriteAnswer::Written => self.handle_entry(slot, Entry::fill(epoch)),
            WriteAnswer::Occupied(entry) => self.handle_entry(slot, entry),
            WriteAnswer::Sealed { epoch } => {
                self.sealed = self.sealed.max(epoch);
                Ok(())
            }
            WriteAnswer::Trimmed { first } => self.handle_trimmed(first),
            WriteAnswer::NumberUsed { .. } => Ok(()), // a fill has no number
        }
    }

    fn handle_trimmed(&mut self, first: u64) -> Result<(), SubscribeError<I, P>> {
        let next = self.window.next();
        if first > next { Err(SubscribeError::Trimmed { next, first }) } else { Ok(()) }
    }

    /// Hands in that the last request failed, or was not answered. O(1).
    ///
    /// It is not repeated as it was: the log is read again first, after a pause.
    pub fn handle_failure(&mut self, now_ms: u64) {
        self.pending = false;
        self.quiet_until = now_ms.saturating_add(self.config.poll_ms.max(1));
        self.covered = self.window.next() - 1; // slots begin at 1
    }

    fn answered(&mut self) {
        (self.pending, self.quiet_until) = (false, 0);
    }

    /// Sets how many nodes may have delivered messages.
    pub fn set_nodes(&mut self, nodes: usize) {
        self.config.nodes = nodes;
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.delivered.internal_validate()?;
        self.window.internal_validate()?;
        self.patience.internal_validate(self.claimed)?;
        if self.covered > self.claimed && self.covered >= self.window.next() {
            return Err("S2: only claimed slots are covered");
        }
        Ok(())
    }
}

/// What the next slot needs.
enum Wanted {
    /// To be read: an entry was dropped that nobody announces again.
    Now,
    /// To be read now and then: nothing is known of it.
    Poll,
    /// To be filled, then; until then to be read now and then.
    Fill { at: u64, slot: u64 },
}

/// A message is of a node that there is no room for in the table of what is delivered; it is not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyNodes<I> {
    /// The node.
    pub node: I,
    /// How many there may be.
    pub limit: usize,
}

impl<I: fmt::Debug> fmt::Display for TooManyNodes<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is one node more than {}; allow more, or retire those that are over",
            self.node, self.limit
        )
    }
}

impl<I: fmt::Debug> core::error::Error for TooManyNodes<I> {}
