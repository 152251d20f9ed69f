//! The receiving side: delivers slots 1, 2, 3, ... without a gap, and repairs the holes.
//!
//! ```text
//!   announcements ──┐                                ┌──► poll_delivery
//!                   ├─► window ─► next slot ─────────┤
//!   reads, fills ───┘     ▲       (NextSlot)         └──► poll_request ─► reads, fills
//!                         │
//!                   Standing: is the log still the one that was passed?
//! ```
//!
//! | part | its state |
//! |---|---|
//! | `standing` | the state of the log: sound, halted, rolled back |
//! | `next_slot` | the state of the next slot, and the event that it waits for |
//! | `begun` | the entry that is delivered in part |
//! | `turn` | the request that is out, and the time of the next read |
//! | `claims` | the marks up to which slots are known to be empty, unread, claimed |
//! | `history` | the entry passed last, and the first slot of a read |
//! | `search` | the progress of the search for a `Skip` |
//! | `window` | the entries that have come |
//! | `delivered` | the highest number delivered of every node |
//!
//! An entry goes through `announcements` or `answers` into the window, and through `delivering` out of it. `requests`
//! has the requests to the log.
//!
//! # Invariants
//!
//! - SB1: a slot is passed when its entry is taken from the log or the announcements, and only then.
//! - SB2: a fill goes only to a slot that is claimed, and that a read has left out. Claimed slots are below an occupied
//!   slot, or not above the counter's current number.
//! - SB3: a fill waits longer than a write may take. One wait is for all holes that were claimed when it began.
//! - SB4: a message is delivered if its number is above the highest delivered of its node, and only then.
//! - SB5: positions increase.
//! - SB6: an unreadable entry, or a `Skip` that was not obeyed, is passed only if a `Skip` of its slot was found.
//! - SB7: once the log was rolled back, nothing is accepted.
//!
//! The window has invariants of its own.

mod announcements;
mod answers;
mod begun;
mod claims;
mod delivered;
mod delivering;
mod history;
mod next_slot;
mod requests;
mod search;
mod standing;
mod turn;
mod window;

use begun::Begun;
use claims::Claims;
use delivered::Delivered;

use history::History;
use search::{Search, Skipped};
use standing::Standing;
use turn::Turns;
use window::Window;

use super::patience::Patience;
#[cfg(doc)]
use super::{Content, SubscribeError};
use super::{Snapshot, SubscriberConfig};
use crate::node::NodeId;
use crate::version::VersionVector;

pub use delivering::Delivery;
pub use requests::SubscribeRequest;

/// A reader that delivers each message of a log once, in the order of its slots; it does no input or output.
///
/// ```text
///    delivered   next                 window                      beyond: dropped, read again
///   ─────────────┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬─────────────────────────────
///    ... 4   5   │ 6 │ 7 │ 8 │ 9 │   │   │ 12│   │   │   │   │   │  40
///   ─────────────┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴─────────────────────────────
///                  ▲ hole: waited for                 10, 11: holes of the same range, not waited for again
/// ```
///
/// The module [`broadcast`](crate::broadcast) describes the algorithm and its sources. In the costs below, n is the
/// number of nodes that have delivered messages.
///
/// # Use
///
/// Hand in announcements ([`handle_entry`](Self::handle_entry)), and the answers to requests. After each input, and when
/// the time of [`poll_timeout`](Self::poll_timeout) has come:
///
/// 1. Take out everything from [`poll_delivery`](Self::poll_delivery).
/// 2. Carry out what [`poll_request`](Self::poll_request) returns.
///
/// Without any announcement, everything is read from the log. Every answer is a fact about the log that stays true, so
/// answers may come late, twice and in any order. There is one exception: a subscriber that was resumed from a snapshot
/// must not be given answers to requests of its former life.
///
/// Times are in milliseconds, of any clock of the owner. A clock that goes back does no harm: waits go on, and end when
/// enough time has passed.
///
/// # The next slot
///
/// ```text
///                 entry announced, or read
///      ┌──────────────────────────────────► ready ── delivered or passed ──► the state of the slot after it
///      │                                    ▲
///      │                        entry read, │ filled
///   unknown ─── left out by a read ──► hole ┘      stuck ◄── an entry that cannot be passed
///      │            and claimed
///      └─ entry dropped ──► unread                 over: two contents in this slot, or a log that was rolled back
/// ```
///
/// An unknown slot is read now and then, an unread one at once. A hole is filled after a wait that is longer than a
/// write may take. If a slot is stuck or over, [`obstacle`](Self::obstacle) has the reason.
///
/// # Slots that cannot be passed
///
/// A slot may hold content that this reader [cannot read](Content::Unreadable). Subscribers that gave up at different
/// places would have different histories. So an entry that is published later, a [`Skip`](Content::Skip) of the slot,
/// asks all of them to pass it.
///
/// 1. A subscriber delivers the slots below it, and stops there. [`obstacle`](Self::obstacle) names the slot.
/// 2. A subscriber that cannot pass a slot searches the log for a `Skip` of it, also beyond the window, and keeps none
///    of the entries that it searches. Once it has found one, it passes the slot as if it were empty, and remembers
///    that it has skipped it.
/// 3. A `Skip` counts if its own slot is above the one that it names, whatever its id. Otherwise it has no effect.
/// 4. When the `Skip` itself comes next, a subscriber that has skipped the slot passes the `Skip`. Any other has
///    delivered the slot, from a read or an announcement, and has another history. It cannot pass the `Skip`, so rules
///    1 and 2 hold for the slot of the `Skip`.
///
/// So two histories never both continue after a `Skip`. Normally the subscribers that have obeyed it go on. If it was a
/// mistake, a second `Skip` names the slot of the first one, and the others go on.
///
/// # Logs that were rolled back
///
/// After a log is restored from a backup, its last slots are written a second time. A subscriber that has passed them
/// must not go on, or it would mix two histories.
///
/// 1. A subscriber remembers the last entry that it has passed: slot, epoch and id. Each read from the next slot on begins
///    with that slot.
/// 2. If the answer holds another entry there, or none, the log was [rolled back](SubscribeError::RolledBack). Nothing
///    of the answer is delivered, and nothing else until [`install`](Self::install). If the slot is trimmed, there is
///    nothing to compare, and the next read begins at the next slot.
/// 3. An announcement is believed only if its epoch is that of the last delivery, and only until an entry of a later
///    epoch is passed. Any other entry is read from the log.
/// 4. Before the first entry of a later epoch is accepted, the last slots passed are read once more, as many as the
///    window holds. If one is of a later epoch than the passed ones, or stays empty, the log was rolled back.
/// 5. After a fill was refused for its epoch, the log is read again before the next fill.
///
/// If a [new epoch](super::NewEpoch) has begun before anything is written into the restored log, every later entry is
/// of a later epoch than all passed ones, and the comparison is certain. Without a new epoch, an entry in the passed
/// slot may have the same epoch and id by chance, and announcements of the same epoch are believed.
///
/// # Retired nodes
///
/// A [`Retire`](Content::Retire) removes a node from the table of numbers, at one place in the order, so that every
/// subscriber removes it there. If a message of the node comes later, every subscriber delivers it as new. So publish a
/// `Retire` only when nothing of the node can still be written.
///
/// # Examples
///
/// Slot 1 is a hole, since its publisher has crashed. Watch the clock at the end: the hole was waited for, and then
/// filled. Write a message of node b into slot 1 before the loop: it is delivered at once.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::{Dot, Subscriber};
/// use happens_before::broadcast::{Entry, Log, MemoryLog, SlotLog, SubscribeRequest, SubscriberConfig};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// // The publisher that took number 1 has crashed.
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
/// assert_eq!(now_ms, 2_000); // it has waited for the hole, and filled it
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subscriber<I, P> {
    config: SubscriberConfig,
    /// The highest epoch of an entry that was passed.
    epoch: u64,
    delivered: Delivered<I>,
    history: History<I>,
    window: Window<I, P>,
    /// True if an entry in the window may come from an announcement.
    announced: bool,
    /// The rest of the entry in the slot passed last.
    begun: Option<Begun<I, P>>,
    standing: Standing,
    claims: Claims,
    search: Search,
    skipped: Skipped,
    patience: Patience,
    /// The lowest epoch that may write, as a refused fill has shown.
    sealed: u64,
    turns: Turns,
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

    /// Makes a subscriber that goes on from a snapshot, and adds `measure(payload)` bytes for each payload when it
    /// counts [`SubscriberConfig::bytes`].
    ///
    /// Without it a payload counts only for its size in memory, and not for the memory that it owns elsewhere. In this
    /// example the window has room for one payload beside the next one:
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
    /// // There is room for slot 3, and for slot 1, which is always kept as the next one.
    /// assert_eq!(subscriber.poll_delivery()?.unwrap().position.sequence, 1);
    /// assert_eq!(subscriber.poll_delivery()?, None);
    /// // Slot 2 must be read. The read begins with the slot passed last.
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
            standing: Standing::Sound,
            claims: Claims::default(),
            search: Search::Idle,
            skipped: Skipped::new(snapshot.skipped, config.skips),
            patience: Patience::new(window.next(), config.write_timeout_ms, config.max_fill_timeout_ms),
            sealed: 0,
            turns: Turns::new(),
            window,
            config,
        }
    }

    /// Returns the place and the table with which another subscriber can go on. O(n): the table is copied.
    pub fn snapshot(&self) -> Snapshot<I> {
        Snapshot {
            next: self.next(),
            epoch: self.epoch,
            delivered: self.delivered(),
            skipped: self.skipped.iter().collect(),
            passed: self.history.passed(),
        }
    }

    /// Goes on from a snapshot of another subscriber that is ahead of this one. The messages in between are not
    /// delivered here.
    ///
    /// Call it when the log has [trimmed](SubscribeError::Trimmed) the next slot of this one, or was [rolled
    /// back](SubscribeError::RolledBack). After a rollback, and only then, the snapshot may be of a lower slot. Install
    /// the application state that belongs to the snapshot too: earlier deliveries may come again, or may no longer be
    /// in the log. Drop the answers to earlier requests.
    ///
    /// # Errors
    ///
    /// The snapshot is handed back if it is not ahead and the log was not rolled back. Nothing is changed.
    pub fn install(&mut self, snapshot: Snapshot<I>) -> Result<(), Snapshot<I>> {
        let asked = self.window.next();
        if let Standing::RolledBack { .. } = self.standing {
            self.standing = Standing::Sound;
            self.window.restart(snapshot.next);
            let (write_ms, most_ms) = (self.config.write_timeout_ms, self.config.max_fill_timeout_ms);
            self.patience = Patience::new(self.window.next(), write_ms, most_ms);
            self.history = History::new(snapshot.passed, self.window.next());
            (self.claims, self.search) = (Claims::default(), Search::Idle);
            self.turns.end();
        } else if snapshot.next > self.next() && (asked..=self.standing.end()).contains(&snapshot.next) {
            self.window.skip_to(snapshot.next);
            self.patience.skip_to(snapshot.next);
            self.history.install(snapshot.passed, snapshot.next, asked);
        } else {
            return Err(snapshot);
        }
        self.epoch = snapshot.epoch;
        self.delivered = Delivered::new(&snapshot.delivered);
        self.skipped = Skipped::new(snapshot.skipped, self.config.skips);
        self.begun = None;
        self.turns.read_now();
        Ok(())
    }

    /// Returns the slot to deliver next. Every message below it is delivered.
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
        self.claims.claimed()
    }

    /// Sets the highest number of nodes that may have delivered messages.
    pub fn set_nodes(&mut self, nodes: usize) {
        self.config.nodes = nodes;
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if matches!(self.standing, Standing::Halted { slot } if self.window.next() > slot) {
            return Err("SB1: no slot is passed at or above the one in which two contents were seen");
        }
        self.delivered.internal_validate()?;
        self.window.internal_validate(self.standing.end())?;
        self.claims.internal_validate(self.window.next())?;
        self.patience.internal_validate(self.claims.claimed())
    }
}
