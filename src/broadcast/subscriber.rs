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
//! may come late, twice and in any order. Only those to requests of a former life of the subscriber, before it was resumed
//! from a snapshot, must not be handed in.
//!
//! Times are milliseconds of any clock of the owner's. One that goes back does no harm: waits go on from there, and end
//! when enough time has passed.
//!
//! # Slots that cannot be passed
//!
//! A slot may hold what this reader [cannot read](super::Content::Unreadable). An entry that is published later, a
//! [`Skip`](super::Content::Skip) of the slot, asks every subscriber to pass it.
//!
//! 1. A subscriber delivers what is below the slot, and stops there. [`obstacle`](Subscriber::obstacle) names the slot.
//! 2. A subscriber that cannot pass a slot looks on in the log for a `Skip` of it, also beyond the window, and keeps
//!    nothing of what it looks at. Once it has found one, it passes the slot as if it were empty, and remembers that it
//!    has skipped it.
//! 3. A `Skip` counts if its own slot is above the one that it names, whatever its id. Otherwise it has no effect.
//! 4. When the turn of the `Skip` itself comes, a subscriber that has skipped the slot passes the `Skip`. Any other could
//!    read the slot, or had it from an announcement, and has another history. It cannot pass the `Skip`, so rules 1 and 2
//!    hold for the slot of the `Skip`.
//!
//! So two histories never both go on after a `Skip`. Either those subscribers go on that have obeyed it; or, if it was a
//! mistake and a second `Skip` names the slot of the first, those that have not.
//!
//! # Logs that were rolled back
//!
//! A log that is restored from a backup writes slots a second time. A subscriber that has passed them must not go on.
//!
//! 1. A subscriber remembers the last entry that it has passed: slot, epoch and id. Each read from the next slot on begins
//!    with that slot.
//! 2. If the answer holds another entry there, or none, the log was [rolled back](SubscribeError::RolledBack). Nothing of
//!    the answer is delivered, and nothing ever after, up to [`install`](Subscriber::install). If the slot is trimmed,
//!    there is nothing to compare, and the next read begins at the next slot.
//! 3. An announcement is believed if it is of the epoch of what was delivered last, and until an entry of a later epoch
//!    is passed. Any other is read from the log.
//! 4. Before the first entry of a later epoch is accepted, the slots that were passed are read once more, as many as the
//!    window has. If one is of a later epoch than what was passed, or stays empty, the log was rolled back.
//! 5. A fill that was refused for its epoch is preceded by another read.
//!
//! If a [new epoch](super::NewEpoch) has begun before anything is written into the restored log, every entry of then on
//! is of a later epoch than all that was passed, and the comparison is certain. If none has, an entry in the passed slot
//! may have the same epoch and id by chance, and announcements of the same epoch are believed.
//!
//! # Nodes that are over
//!
//! A [`Retire`](super::Content::Retire) removes a node from the table of numbers, at one place in the order, so that
//! every subscriber removes it there. A message of the node that comes later is delivered as new, at every subscriber
//! alike. So publish a `Retire` only when nothing of the node can still be written.
//!
//! # Invariants
//!
//! - S1: a slot is passed when its entry is taken from the log or the announcements, and only then.
//! - S2: a fill goes only to a slot that a read has left out, and that is claimed: below an occupied slot, or not above
//!   the counter's current number.
//! - S3: a fill waits longer than a write may take, once for all holes that were claimed when the wait began.
//! - S4: a message is delivered if its number is above the highest delivered of its node, and only then.
//! - S5: the window holds no more slots than its limit, and no more bytes beside those of the next entry.
//! - S6: positions increase.
//! - S7: what cannot be read, and a `Skip` that was not obeyed, is passed if a `Skip` of its slot was found, and only then.
//! - S8: once the log was rolled back, nothing is accepted.
//!
//! The algorithm and its sources are described where the module [`broadcast`](crate::broadcast) begins.

use core::iter::Enumerate;

use super::delivered::Delivered;
use super::history::{History, Verdict};
use super::patience::Patience;
use super::search::{Search, Skipped};
use super::window::{Held, Inserted, Window};
use super::{
    Content, Entry, InvalidAnswer, MAX_SLOT, Position, ReadAnswer, ReadLimit, Snapshot, SubscribeError,
    SubscriberConfig, TooManyNodes, WriteAnswer,
};
use crate::compat::vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// So many requests are made without a pause, while no time and no slot passes.
const BURST: u32 = 64;

/// So many times in a row, while no time passes, a fill may be refused because an epoch has begun.
const REFUSALS: u32 = 8;

/// A message at its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<I, P> {
    /// Its place, the same at every subscriber, and higher than those delivered before.
    pub position: Position,
    /// Its id.
    pub id: Dot<I>,
    /// The payload; `None` for a marker.
    pub payload: Option<P>,
}

/// A request of a [`Subscriber`].
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

/// A reader that delivers the messages of a log in the order of its slots, each once; it does no input or output.
///
/// In the costs below, n is the number of nodes that have delivered messages.
///
/// # Examples
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::{Dot, Subscriber};
/// use happens_before::broadcast::{Entry, Log, MemoryLog, SlotLog, SubscribeRequest, SubscriberConfig};
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
    history: History<I>,
    window: Window<I, P>,
    /// Whether something in the window may have been announced, and not read.
    announced: bool,
    /// What is left of the entry in the slot that was passed last.
    begun: Option<Begun<I, P>>,
    search: Search,
    skipped: Skipped,

    /// The highest slot that is known to be claimed.
    claimed: u64,
    /// Up to here there may be entries that nobody will announce.
    unread: u64,
    /// Up to here, what is not in the window was empty when it was read; not above `claimed`.
    covered: u64,
    patience: Patience,
    /// The lowest epoch that may write, as far as known.
    sealed: u64,
    /// How often in a row, while no time has passed, a fill was refused for its epoch.
    refusals: u32,
    /// How many requests were made since time has passed, or the slot of the last one.
    requests: u32,
    /// The slot that was the next one at the last request.
    requested: u64,

    /// The last time that the owner has named; `None` before the first. All other times are what is left to wait, so that
    /// a clock that goes back only loses what would have been the next step.
    last_ms: Option<u64>,
    /// Whether an answer is waited for.
    pending: bool,
    /// No request for so long: an answer is waited for, or a failure was just now.
    quiet_ms: u64,
    /// No read for so long, unless something is known to be there.
    next_read_ms: u64,
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
        Self::with(snapshot, config, None)
    }

    /// Makes a subscriber that goes on from a snapshot, and counts, towards [`SubscriberConfig::bytes`], for each payload
    /// the bytes that `measure` says.
    ///
    /// Without it payloads count for their size in memory alone, without what they own elsewhere.
    ///
    /// ```
    /// use happens_before::{Dot, Subscriber};
    /// use happens_before::broadcast::{Entry, Snapshot, SubscribeRequest, SubscriberConfig};
    ///
    /// let config = SubscriberConfig { bytes: 1_000, ..SubscriberConfig::default() };
    /// let mut subscriber = Subscriber::measured(Snapshot::default(), config, |payload: &String| payload.len());
    /// for slot in (1..=3).rev() {
    ///     let id = Dot::new("a", slot).unwrap();
    ///     subscriber.handle_entry(slot, Entry::message(0, id, "x".repeat(600)))?;
    /// }
    /// // There is room for slot 3, and for slot 1, which is the next.
    /// assert_eq!(subscriber.poll_delivery()?.unwrap().position.sequence, 1);
    /// assert_eq!(subscriber.poll_delivery()?, None);
    /// // Slot 2 is to be read, after the slot that was passed last.
    /// assert!(matches!(subscriber.poll_request(0), Some(SubscribeRequest::Read { from: 1, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn measured(snapshot: Snapshot<I>, config: SubscriberConfig, measure: fn(&P) -> usize) -> Self {
        Self::with(snapshot, config, Some(measure))
    }

    fn with(snapshot: Snapshot<I>, config: SubscriberConfig, measure: Option<fn(&P) -> usize>) -> Self {
        let window = Window::new(snapshot.next, config.window, config.bytes, measure);
        Self {
            epoch: snapshot.epoch,
            delivered: Delivered::new(&snapshot.delivered),
            history: History::new(snapshot.passed, window.next()),
            announced: false,
            begun: None,
            search: Search::default(),
            skipped: Skipped::new(snapshot.skipped, config.skips),
            claimed: 0,
            unread: 0,
            covered: 0,
            patience: Patience::new(window.next(), config.write_timeout_ms, config.max_fill_timeout_ms),
            window,
            config,
            sealed: 0,
            refusals: 0,
            requests: 0,
            requested: 0,
            last_ms: None,
            pending: false,
            quiet_ms: 0,
            next_read_ms: 0,
        }
    }

    /// Returns from where, and with what, another subscriber can go on. O(n): the table is copied.
    pub fn snapshot(&self) -> Snapshot<I> {
        Snapshot {
            next: self.next(),
            epoch: self.epoch,
            delivered: self.delivered(),
            skipped: self.skipped.iter().collect(),
            passed: self.history.passed(),
        }
    }

    /// Goes on from a snapshot of another subscriber, ahead of this one; what is in between is not delivered here.
    ///
    /// Call it when the log is [trimmed](SubscribeError::Trimmed) above the slot that this one needs next, or when it was
    /// [rolled back](SubscribeError::RolledBack). After a rollback, and only then, the snapshot may be of a lower slot.
    /// Install the state that belongs to the snapshot, too: what was delivered here may be delivered again, or is not in
    /// the log. Drop the answers to earlier requests.
    ///
    /// # Errors
    ///
    /// The snapshot is handed back if it is not ahead, unless the log was rolled back. Nothing is changed.
    #[expect(clippy::result_large_err, reason = "what was moved in is moved out")]
    pub fn install(&mut self, snapshot: Snapshot<I>) -> Result<(), Snapshot<I>> {
        let asked = self.window.next();
        if self.history.rolled_back().is_some() {
            self.window.restart(snapshot.next);
            let (write_ms, most_ms) = (self.config.write_timeout_ms, self.config.max_fill_timeout_ms);
            self.patience = Patience::new(self.window.next(), write_ms, most_ms);
            (self.claimed, self.unread, self.covered) = (0, 0, 0);
            (self.pending, self.quiet_ms) = (false, 0);
        } else if snapshot.next <= self.next() || !self.window.skip_to(snapshot.next) {
            return Err(snapshot);
        }
        self.history.install(snapshot.passed, self.window.next(), asked);
        self.epoch = snapshot.epoch;
        self.delivered = Delivered::new(&snapshot.delivered);
        self.skipped = Skipped::new(snapshot.skipped, self.config.skips);
        self.patience.skip_to(self.window.next());
        (self.begun, self.next_read_ms) = (None, 0);
        Ok(())
    }

    /// Returns the slot to deliver next: everything below is delivered, or had nothing to deliver.
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

    /// Returns the reason why nothing is delivered from the next slot on, until something is done about it; `None` if
    /// there is something to deliver, or nothing is known of the next slot. O(log skips).
    ///
    /// It is [`Unreadable`](SubscribeError::Unreadable), [`NotSkipped`](SubscribeError::NotSkipped),
    /// [`RolledBack`](SubscribeError::RolledBack) or [`Halted`](SubscribeError::Halted). The first two go away once a
    /// [`Skip`](Content::Skip) of the slot is found, and the first one also once the slot can be read.
    pub fn obstacle(&self) -> Option<SubscribeError<I, P>> {
        let slot = self.window.next();
        if self.begun.is_some() {
            return None;
        } else if let Some(slot) = self.history.rolled_back() {
            return Some(SubscribeError::RolledBack { slot });
        } else if self.search.has_found(slot) {
            return None;
        }
        match self.window.front().map(Entry::content) {
            None if self.window.is_over() => Some(SubscribeError::Halted { slot }),
            Some(&Content::Unreadable(kind)) => Some(SubscribeError::Unreadable { slot, kind }),
            Some(&Content::Skip { slot: skipped, .. }) => {
                let is_obeyed = !(1..slot).contains(&skipped) || self.skipped.contains(skipped);
                (!is_obeyed).then_some(SubscribeError::NotSkipped { slot: skipped, by: slot })
            }
            _ => None,
        }
    }

    /// Takes out the next message, if there is one. O(log n) a message; O(1) a fill.
    ///
    /// If there is none although the next slot is here, [`obstacle`](Self::obstacle) has the reason.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if the entry is of a node that there is no room for. Nothing is changed; make the limit higher
    /// with [`set_nodes`](Self::set_nodes), and publish a [`Retire`](Content::Retire) of each node that is over.
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
            match entry.content() {
                Content::Messages { first: id, .. } | Content::Marker { id } => {
                    if self.delivered.highest(id.node(), limit).is_none() {
                        return Err(TooManyNodes { node: id.node().clone(), limit });
                    }
                }
                Content::Fill => {}
                Content::Skip { .. } | Content::Retire { .. } | Content::Unreadable(_) => {
                    if self.pass_note()? {
                        continue;
                    }
                    return Ok(None);
                }
            }
            self.history.note(self.window.next(), entry);
            let Some(entry) = self.window.pop() else { return Ok(None) };
            self.pass_epoch(entry.epoch());
            let (id, payload) = match entry.into_content() {
                Content::Marker { id } => (id, None),
                Content::Messages { first: id, payloads } => match payloads.into_single() {
                    Ok(payload) => (id, Some(payload)),
                    Err(payloads) => {
                        self.begin(id, payloads);
                        continue;
                    }
                },
                // No other: notes are passed above.
                Content::Fill | Content::Skip { .. } | Content::Retire { .. } | Content::Unreadable(_) => {
                    self.patience.note_fill(self.window.next() - 1);
                    continue;
                }
            };
            if self.delivered.note_recent(id.counter()) {
                return Ok(Some(Delivery { position: self.position(), id, payload }));
            }
        }
    }

    /// Passes the next entry, which delivers nothing, if it can be passed; whether it is.
    #[cold]
    fn pass_note(&mut self) -> Result<bool, TooManyNodes<I>> {
        let (slot, limit) = (self.window.next(), self.config.nodes);
        if self.search.has_found(slot) {
            self.history.forget(); // the slot may be restored
            self.window.pop();
            self.skipped.insert(slot);
            return Ok(true);
        } else if self.is_stuck() {
            return Ok(false);
        }
        let Some(entry) = self.window.front() else { return Ok(false) };
        let has_room = match entry.content() {
            Content::Retire { id, node } => self.delivered.has_room(id.node(), node, limit),
            Content::Skip { id, .. } => self.delivered.highest(id.node(), limit).is_some(),
            Content::Messages { .. } | Content::Marker { .. } | Content::Fill | Content::Unreadable(_) => true,
        };
        if let Some(id) = entry.id().filter(|_| !has_room) {
            return Err(TooManyNodes { node: id.node().clone(), limit });
        }
        self.history.note(slot, entry);
        // The caller's code first: if it panics, the entry is still here, and is passed the next time.
        match entry.content() {
            Content::Skip { id, .. } => drop(self.delivered.note(id)),
            // A second copy may stand after messages of a node that has come back.
            Content::Retire { id, node } if id.counter() > self.delivered.get(id.node()) => {
                self.delivered.remove(node);
                if id.node() != node {
                    self.delivered.note(id);
                }
            }
            Content::Messages { .. }
            | Content::Marker { .. }
            | Content::Fill
            | Content::Retire { .. }
            | Content::Unreadable(_) => {}
        }
        if let Some(entry) = self.window.pop() {
            self.pass_epoch(entry.epoch());
        }
        Ok(true)
    }

    /// Notes that an entry of that epoch is passed.
    #[inline]
    fn pass_epoch(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            if self.announced {
                self.drop_kept();
            }
        }
    }

    /// Drops what is kept, to be read from the log: it may have been announced before the log was restored.
    #[cold]
    fn drop_kept(&mut self) {
        self.window.clear();
        self.announced = false;
        self.unread = self.unread.max(self.claimed);
        self.covered = self.covered.min(self.window.next() - 1);
        self.next_read_ms = 0;
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
        // The caller's code first, so that nothing is lost if it panics.
        self.delivered.highest(&node, usize::MAX)?;
        let next = payloads.next();
        if payloads.len() == 0 {
            self.begun = None;
        }
        let (index, payload) = next?;
        let position = Position { index: index as u64, ..self.position() };
        // No overflow: `Entry::batch` has seen to it.
        let id = Dot::new(node, number + position.index)?;
        self.delivered.note_recent(id.counter()).then(|| Delivery { position, id, payload: Some(payload) })
    }

    /// Hands in that the entry stands in `slot`, as its publisher has announced after it was written, or as a read of one's
    /// own has shown. O(1); a slot whose entry is here already is compared, in O(payloads).
    ///
    /// Beyond the window, in slots or in bytes, the entry is dropped, to be read from the log when it is its turn. So is an
    /// entry of another epoch than what was delivered last: an epoch begins where a log was restored, and only a read can
    /// tell.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Conflict`], [`Halted`](SubscribeError::Halted), [`RolledBack`](SubscribeError::RolledBack), or
    /// [`Jump`](SubscribeError::Jump) if there is no such slot.
    #[inline]
    pub fn handle_entry(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if entry.epoch() == self.epoch {
            self.announced = true;
            self.accept(slot, entry).map(drop)
        } else {
            self.handle_later(slot, entry)
        }
    }

    /// As `handle_entry`, of an entry of another epoch.
    #[cold]
    fn handle_later(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if (self.window.next()..=MAX_SLOT).contains(&slot) && !self.is_over() {
            self.note_dropped(slot);
            return Ok(());
        }
        self.accept(slot, entry).map(drop)
    }

    /// Notes that an entry was dropped that has to be read.
    fn note_dropped(&mut self, slot: u64) {
        self.claimed = self.claimed.max(slot);
        self.unread = self.unread.max(slot);
        self.covered = self.covered.min(slot - 1); // not below the next slot
    }

    /// As `handle_entry`, whatever the epoch; says what became of the entry.
    #[inline]
    fn accept(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if let Content::Messages { payloads, .. } = entry.content()
            && self.history.rolled_back().is_none()
            && let Some((place, bytes)) = self.window.place(slot, payloads)
        {
            *place = Some(Held { entry, bytes });
            self.claimed = self.claimed.max(slot);
            return Ok(Inserted::Kept);
        }
        self.accept_elsewhere(slot, entry)
    }

    /// As `accept`, where there is no place for the entry yet, or none at all, or where the entry has no payload.
    #[cold]
    fn accept_elsewhere(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if let Some(slot) = self.history.rolled_back() {
            return Err(SubscribeError::RolledBack { slot });
        }
        let skipped = if let Content::Skip { slot, .. } = entry.content() { Some(*slot) } else { None };
        let inserted = self.window.insert(slot, entry)?;
        match inserted {
            Inserted::Passed => {}
            Inserted::Kept => self.claimed = self.claimed.max(slot),
            Inserted::Dropped => self.note_dropped(slot),
        }
        if let Some(skipped) = skipped {
            self.search.note_skip(slot, skipped);
        }
        Ok(inserted)
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
        self.advance(now_ms);
        if self.quiet_ms > 0 {
            return None;
        }
        if self.pending {
            self.fail();
            return None;
        }
        if self.requested != self.window.next() {
            (self.requested, self.requests) = (self.window.next(), 0);
        } else if self.requests >= BURST {
            (self.requests, self.quiet_ms) = (0, self.config.poll_ms.max(1));
            return None;
        }
        let (is_due, all) = (self.next_read_ms == 0, self.window.limit());
        let request = match self.wanted()? {
            Wanted::Fill { left_ms: 0, slot } => {
                SubscribeRequest::Fill { slot, epoch: self.epoch.max(self.sealed) }
            }
            Wanted::Now => self.read(all),
            // Only whether the hole is still one: what stands above it is read already, or will be.
            Wanted::Fill { .. } if is_due => self.read(1),
            Wanted::Poll if is_due => self.read(all),
            Wanted::Skip if is_due => match self.search.begin(self.window.next()) {
                Some(from) => {
                    SubscribeRequest::Read { from, limit: ReadLimit { entries: all, bytes: self.config.bytes } }
                }
                None => self.read(1),
            },
            Wanted::Fill { .. } | Wanted::Poll | Wanted::Skip => return None,
        };
        self.requests += 1; // up to a limit
        self.pending = true;
        self.quiet_ms = self.config.write_timeout_ms.max(1);
        Some(request)
    }

    /// A request for so many entries from the next slot on, and before them for the one that was passed last, and for no
    /// more bytes than there is room for.
    fn read(&mut self, entries: usize) -> SubscribeRequest {
        let next = self.window.next();
        let from = self.history.read_from(next);
        let before = usize::try_from(next.saturating_sub(from)).unwrap_or(usize::MAX);
        let entries = if before > 1 { before } else { entries.saturating_add(before) };
        SubscribeRequest::Read { from, limit: ReadLimit { entries, bytes: self.window.room() } }
    }

    /// Returns when to call [`poll_request`](Self::poll_request) again, by the clock of the last call with a time; `None` if
    /// there is something to deliver first, or if nothing will be delivered any more. O(1).
    ///
    /// Call `poll_request` also after the clock was set back, for this time may be far away then.
    pub fn poll_timeout(&self) -> Option<u64> {
        let left_ms = match self.wanted() {
            _ if self.pending => 0,
            None => return None,
            Some(Wanted::Now) => 0,
            Some(Wanted::Poll | Wanted::Skip) => self.next_read_ms,
            Some(Wanted::Fill { left_ms, .. }) => left_ms.min(self.next_read_ms),
        };
        Some(self.last_ms.unwrap_or(0).saturating_add(left_ms.max(self.quiet_ms)))
    }

    /// What the next slot needs.
    fn wanted(&self) -> Option<Wanted> {
        if self.is_stuck() {
            return Some(Wanted::Skip);
        } else if self.has_next() || self.is_over() {
            return None;
        }
        let slot = self.window.next();
        Some(match self.patience.left_ms(slot) {
            Some(left_ms) if slot <= self.covered => Wanted::Fill { left_ms, slot },
            _ if self.covered < slot && slot <= self.unread => Wanted::Now,
            _ => Wanted::Poll,
        })
    }

    /// Whether nothing is accepted any more.
    fn is_over(&self) -> bool {
        self.window.is_over() || self.history.rolled_back().is_some()
    }

    /// Whether there is something to deliver or to pass.
    fn has_next(&self) -> bool {
        self.begun.is_some() || self.window.front().is_some() && !self.is_stuck()
    }

    /// Whether the next slot is here and cannot be passed.
    fn is_stuck(&self) -> bool {
        self.window.front().is_some() && self.obstacle().is_some()
    }

    /// Hands in what a read from `from` on within `limit` has found. O(entries).
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Trimmed`], [`Jump`](SubscribeError::Jump),
    /// [`Conflict`](SubscribeError::Conflict) or [`Halted`](SubscribeError::Halted); what was read before that is
    /// kept. [`RolledBack`](SubscribeError::RolledBack): nothing is kept, and nothing is accepted any more.
    /// [`InvalidAnswer`](SubscribeError::InvalidAnswer): nothing is kept, and the log is read again after a pause.
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
        self.answered(now_ms);
        self.next_read_ms = self.config.poll_ms.max(1);
        let entries = match answer {
            ReadAnswer::Trimmed { first } => {
                self.handle_trimmed(from, first)?;
                if self.history.note_trimmed(from, first) {
                    self.next_read_ms = 0;
                }
                return Ok(());
            }
            ReadAnswer::Entries(entries) => entries,
        };
        let mut least = from;
        for &(slot, _) in &entries {
            if slot < least || slot > MAX_SLOT {
                return self.refuse(from, InvalidAnswer::Order);
            }
            least = slot + 1;
        }
        if entries.len() > limit.entries {
            return self.refuse(from, InvalidAnswer::TooManyEntries);
        }
        match self.history.compare(from, self.epoch, &entries) {
            Verdict::Same => {}
            Verdict::Unknown => {
                self.fail(); // so that there is a pause
                return Ok(());
            }
            Verdict::ReadOn => {
                self.next_read_ms = 0;
                return Ok(());
            }
            Verdict::RolledBack { slot } => {
                self.window.restart(self.window.next());
                return Err(SubscribeError::RolledBack { slot });
            }
        }
        let next = self.window.next();
        let from = from.max(next); // what was passed says no more
        let ahead = entries.iter().filter(|&&(slot, _)| slot >= next);
        let (epoch, depth) = (ahead.map(|(_, entry)| entry.epoch()).max(), self.window.limit() as u64);
        if epoch.is_some_and(|epoch| self.history.begin_check(epoch, self.epoch, depth)) {
            self.drop_kept();
            return Ok(());
        }
        // Otherwise there may be more than the limit in bytes lets through.
        let is_all = entries.len() < limit.entries.min(2);
        let searched = self.search.note_read(from, entries.iter().map(|&(slot, _)| slot), is_all);
        let mut read_up_to = if is_all { self.claimed } else { 0 };
        let (mut nearest, mut kept_up_to) = (None, u64::MAX);
        for (slot, entry) in entries {
            read_up_to = read_up_to.max(slot);
            nearest = nearest.or((slot > next).then_some(slot));
            if self.accept(slot, entry)? == Inserted::Dropped {
                kept_up_to = kept_up_to.min(slot - 1); // not below the next slot
            }
        }
        if from <= next {
            self.covered = self.covered.max(read_up_to.min(kept_up_to).min(self.window.last()));
        }
        if self.is_stuck() {
            if searched.unwrap_or_else(|| !self.search.is_for(next)) {
                self.next_read_ms = 0;
            }
        } else if self.has_next() {
            (self.next_read_ms, self.refusals) = (0, 0); // there may be more after it
        } else if from <= next && next <= self.covered {
            let nearest = nearest.or_else(|| self.window.nearest()).unwrap_or(self.claimed + 1);
            if nearest - next > self.config.jump {
                self.covered = next - 1; // not to be filled
                return Err(SubscribeError::Jump { next, slot: nearest });
            }
            self.patience.begin(next, self.claimed);
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
        self.answered(now_ms);
        self.next_read_ms = 0;
        match answer {
            WriteAnswer::Written => self.handle_filled(slot, Entry::fill(epoch)),
            WriteAnswer::Occupied(entry) => self.handle_occupied(slot, entry),
            WriteAnswer::Sealed { epoch: lowest } => self.handle_sealed(slot, epoch, lowest),
            WriteAnswer::Trimmed { first } => self.handle_trimmed(slot, first),
            WriteAnswer::NumberUsed { .. } => self.refuse(slot, InvalidAnswer::NumberUsed),
        }
    }

    fn handle_filled(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        self.refusals = 0;
        self.accept(slot, entry).map(drop)
    }

    /// A fill found another entry. It is read once more if it is of another epoch, as an announced one is.
    fn handle_occupied(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if entry.epoch() == self.epoch || slot != self.window.next() {
            return self.handle_filled(slot, entry);
        }
        self.refusals += 1; // up to a limit
        if self.refusals > REFUSALS {
            self.refusals = 0;
            return self.refuse(slot, InvalidAnswer::Missing);
        }
        self.handle_entry(slot, entry)
    }

    /// A fill of `epoch` is refused: `lowest` is the lowest epoch that may write.
    fn handle_sealed(&mut self, slot: u64, epoch: u64, lowest: u64) -> Result<(), SubscribeError<I, P>> {
        if lowest <= epoch {
            return self.refuse(slot, InvalidAnswer::Sealed);
        } else if lowest > self.sealed {
            self.sealed = lowest;
            self.refusals += 1; // up to a limit
        }
        if self.refusals > REFUSALS {
            self.refusals = 0;
            return self.refuse(slot, InvalidAnswer::Sealed);
        }
        // The epoch may have begun because the log was restored: reads before it fills.
        self.covered = self.covered.min(self.window.next() - 1);
        Ok(())
    }

    /// `slot` is trimmed, and the log begins at `first`.
    fn handle_trimmed(&mut self, slot: u64, first: u64) -> Result<(), SubscribeError<I, P>> {
        let next = self.window.next();
        if first <= slot {
            return self.refuse(slot, InvalidAnswer::Trimmed);
        }
        if first > next { Err(SubscribeError::Trimmed { next, first }) } else { Ok(()) }
    }

    /// Uses nothing of an answer about `slot`, and asks again after a pause.
    fn refuse(&mut self, slot: u64, kind: InvalidAnswer) -> Result<(), SubscribeError<I, P>> {
        self.fail();
        Err(SubscribeError::InvalidAnswer { slot, kind })
    }

    /// Hands in that the last request failed, or was not answered. O(1).
    ///
    /// It is not repeated as it was: the log is read again first, after a pause.
    pub fn handle_failure(&mut self, now_ms: u64) {
        self.advance(now_ms);
        self.fail();
    }

    fn fail(&mut self) {
        self.pending = false;
        self.quiet_ms = self.config.poll_ms.max(1);
        self.covered = self.window.next() - 1; // slots begin at 1
    }

    fn answered(&mut self, now_ms: u64) {
        self.advance(now_ms);
        (self.pending, self.quiet_ms) = (false, 0);
    }

    /// Lets the time pass that has passed by the owner's clock.
    fn advance(&mut self, now_ms: u64) {
        let passed_ms = self.last_ms.map_or(0, |last_ms| now_ms.saturating_sub(last_ms));
        self.last_ms = Some(now_ms);
        self.quiet_ms = self.quiet_ms.saturating_sub(passed_ms);
        self.next_read_ms = self.next_read_ms.saturating_sub(passed_ms);
        self.patience.advance(passed_ms);
        if passed_ms > 0 {
            (self.requests, self.refusals) = (0, 0);
        }
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
        if self.history.rolled_back().is_some() && self.window.front().is_some() {
            return Err("S8: once the log was rolled back, nothing is accepted");
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
    /// To be filled once no time is left to wait. Until then to be read now and then: its publisher may only be slow.
    Fill { left_ms: u64, slot: u64 },
    /// A `Skip` of it, to be looked for.
    Skip,
}
