//! The sending side: takes a number, writes the slot, and does not rest before the outcome is known; or appends.
//!
//! The picture of the stages is on [`Publisher`]. The beginning of an entry is in this file, and what happens to it
//! afterwards in `settling`.
//!
//! # Invariants
//!
//! - PB1: one entry is outstanding at a time, so that a node's messages are ordered as it published them.
//! - PB2: an entry keeps its id, whichever slot it is written to and however often it is appended.
//! - PB3: another slot is tried only when it is known that the last one does not hold the entry and never will.
//! - PB4: a number is used for a slot above the highest occupied one known, not beyond the jump above it, and only for
//!   the entry that it was taken for, in the epoch whose counter gave it.
//! - PB5: what is tried again is counted, and given up after a number of attempts, also when the answers make no sense.
//!   With `a` attempts an entry is settled, or an error hands it back, within (a + 1) (a + 2) answers, not counting
//!   those that name a later epoch: each of these is for the caller to act on.
//! - PB6: it waits only for a later epoch than its own.
//! - PB7: numbers are asked for and slots are written only over slots, and entries are appended only over appends.
//!
//! The algorithm and its sources are described where the module [`broadcast`](crate::broadcast) begins.

mod config;
mod numbering;
mod outstanding;
mod request;
mod settling;

use crate::broadcast::{Entry, PublishError};
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

pub use config::{LogKind, PublisherConfig};
pub use request::{Abandoned, NumberRequest, PublishRequest, Published};

use numbering::Numbering;
use outstanding::Outstanding;

/// Publishes the messages of one node, one entry after another; does no input or output.
///
/// Every method is O(1), but for the payloads of a batch.
///
/// # Stages
///
/// [`PublisherConfig::log`] says which half of the picture applies. Over [`LogKind::Slots`]:
///
/// ```text
///              ┌───────── occupied by another, trimmed ───────┐
///              ▼                                              │
///   publish ─► Numbers ── number ─► Write(slot) ──────────────┼─ written, or occupied by this very entry ─► Published
///              ▲ ▲   │              ▲    │                    │
///              │ └───┘              └────┘                    └─ sealed, or occupied by a later epoch ─► EnterEpoch
///              │ behind the tail    unknown                                                                  │
///              └──────────────────────────────────── enter ──────────────────────────────────────────────────┘
/// ```
///
/// Over [`LogKind::Appends`], where no slot can be lost:
///
/// ```text
///   publish ─► Append ─┬─ appended, by this request or an earlier one ─► Published
///              ▲ ▲  │  │
///              │ └──┘  └─ sealed ─► EnterEpoch
///              │ unknown                │
///              └──────── enter ─────────┘
/// ```
///
/// In each stage too many answers that settle nothing end in a [`PublishError`].
///
/// # Use
///
/// Begin with [`publish`](Self::publish). Then do what [`poll_request`](Self::poll_request) says and hand in the
/// answers, until one of them says [`Published`] or returns an error with the entry in it. Every answer is a fact
/// that stays true, so that answers may come late, twice and in any order. No answer, or an error of the
/// engine, is nothing to hand in: poll again, and send the same request again.
/// [`blocking::settle`](crate::broadcast::blocking::settle) has the loop.
///
/// It may be told the epoch and the tail before the first message ([`enter`](Self::enter)). Over slots, a log that is
/// written already needs that, or the jump looks absurd.
///
/// # What must survive a restart
///
/// Nothing. Each message that was acknowledged is delivered, in each of these ways:
///
/// - The node comes back under a new id (a new incarnation). [Retire](Self::publish_retirement) the old one later.
/// - It keeps its id, and what is [`outstanding`](Self::outstanding) is saved before each write is sent.
///   [`resume`](Self::resume) settles that before anything else, so that it is published once.
/// - It keeps its id and remembers nothing. The log refuses its first message, with
///   [`NumberUsed`](crate::broadcast::PublishErrorKind::NumberUsed), unless the number is above all that it has stored of
///   the node. Publish the payload again: the publisher goes on above. It stays unknown whether what was outstanding
///   before is stored.
///
/// Have one publisher of an id at a time. If there are two, each is refused now and then, as if it had been restarted.
///
/// # Examples
///
/// Over slots:
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{MemoryLog, PublishRequest, PublisherConfig, SlotLog};
/// use happens_before::counter::{AtomicCounter, Counter};
///
/// let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
/// let mut publisher = Publisher::new("a", PublisherConfig::default());
/// let id = publisher.publish("hello")?;
/// let published = loop {
///     match publisher.poll_request() {
///         Some(PublishRequest::Numbers(request)) => {
///             let first = counter.increment_and_get(request.n)?;
///             publisher.handle_numbers(&request, first)?;
///         }
///         Some(PublishRequest::Write { slot, entry }) => {
///             let answer = log.write(slot, entry)?;
///             if let Some(published) = publisher.handle_write(&id, slot, answer)? {
///                 break published;
///             }
///         }
///         other => unreachable!("{other:?}"),
///     }
/// };
/// assert_eq!(published.slot, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Over an engine that numbers by itself:
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{AppendLog, MemoryLog, PublishRequest, PublisherConfig};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let mut publisher = Publisher::new("a", PublisherConfig::over_appends());
/// let id = publisher.publish("hello")?;
/// let Some(PublishRequest::Append { entry }) = publisher.poll_request() else { unreachable!() };
/// let answer = log.append(entry)?;
/// assert_eq!(publisher.handle_append(&id, answer)?.map(|published| published.slot), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Publisher<I, P> {
    numbering: Numbering<I>,
    config: PublisherConfig,
    epoch: u64,
    /// The highest slot known to be occupied, or in which something abandoned may be.
    tail: u64,
    outstanding: Option<Outstanding<I, P>>,
}

impl<I: NodeId, P> Publisher<I, P> {
    /// Makes a publisher of a node that has never published, in epoch 0, which knows of no occupied slot.
    #[must_use]
    pub const fn new(node: I, config: PublisherConfig) -> Self {
        Self { numbering: Numbering::new(node), config, epoch: 0, tail: 0, outstanding: None }
    }

    /// Makes the publisher of a node that has used the numbers up to `last`, and has this entry outstanding: the answer of
    /// [`outstanding`](Self::outstanding), or of [`abandon`](Self::abandon).
    ///
    /// It settles the entry before anything else is published. The slot is `None` if none was tried, and has no meaning
    /// over appends.
    ///
    /// # Errors
    ///
    /// The entry is handed back if it is a fill or another node's.
    pub fn resume(
        node: I,
        last: u64,
        outstanding: Option<(Entry<I, P>, Option<u64>)>,
        config: PublisherConfig,
    ) -> Result<Self, Entry<I, P>> {
        let mut publisher = Self::new(node, config);
        publisher.numbering.observe(last);
        if let Some((entry, slot)) = outstanding {
            if !publisher.numbering.observe_own(&entry) {
                return Err(entry);
            }
            publisher.epoch = entry.epoch();
            publisher.outstanding = Some(Outstanding::resume(entry, slot, config.log));
        }
        Ok(publisher)
    }

    /// Begins to publish one message, and returns its id.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the payload: an entry is outstanding, or the numbers are used up. Nothing is changed.
    pub fn publish(&mut self, payload: P) -> Result<Dot<I>, PublishError<P>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.numbering.single(busy, payload, |id, payload| Entry::message(epoch, id, payload))?;
        Ok(self.begin(entry))
    }

    /// Begins to publish several messages in one slot, and returns the id of the first; the others follow it.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); also if there is no payload.
    pub fn publish_batch(
        &mut self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<Dot<I>, PublishError<Vec<P>>> {
        let entry = self.numbering.batch(self.epoch, self.outstanding.is_some(), payloads)?;
        Ok(self.begin(entry))
    }

    /// Begins to publish a marker, and returns its id.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_marker(&mut self) -> Result<Dot<I>, PublishError<()>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.numbering.single(busy, (), |id, ()| Entry::marker(epoch, id))?;
        Ok(self.begin(entry))
    }

    /// Begins to ask every subscriber to pass a slot that cannot be read, and returns the id of that request.
    ///
    /// Publish it when the slot is [damaged](super::Unreadable::Damaged) and cannot be restored. It is the decision of an
    /// operator: what the slot held is lost, and a subscriber that has delivered it stops when it meets the request.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), with the slot.
    pub fn publish_skip(&mut self, slot: u64) -> Result<Dot<I>, PublishError<u64>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.numbering.single(busy, slot, |id, slot| Entry::skip(epoch, id, slot))?;
        Ok(self.begin(entry))
    }

    /// Begins to ask every subscriber, and the log, to forget `node`, and returns the id of that request.
    ///
    /// A publisher that takes a new incarnation at each start leaves an entry in every table of nodes; this removes it.
    /// Publish it when nothing of the node can be written any more: its last entry is settled and its writer is gone, or
    /// a new [epoch](super::NewEpoch) has begun since its writer was last seen. A publisher may retire its own node with
    /// its last entry. If the node publishes later all the same, all its numbers count as new, at every subscriber
    /// alike: a message that was written twice may be delivered twice.
    ///
    /// If the counter can go back, no publisher may use the name again; the page on operations says why.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), with the node.
    pub fn publish_retirement(&mut self, node: I) -> Result<Dot<I>, PublishError<I>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.numbering.single(busy, node, |id, node| Entry::retire(epoch, id, node))?;
        Ok(self.begin(entry))
    }

    fn begin(&mut self, (id, entry): (Dot<I>, Entry<I, P>)) -> Dot<I> {
        self.outstanding = Some(Outstanding::new(entry, self.config.log));
        id
    }

    /// Notes that `slot` is occupied, as a subscriber beside this publisher has seen. Over slots this saves numbers that
    /// would turn out to be behind.
    pub fn observe_tail(&mut self, slot: u64) {
        self.tail = self.tail.max(slot);
    }

    /// Returns what is outstanding, and the slot that it may be in; to be saved before a write or an append is sent, by
    /// those who [resume](Self::resume).
    pub fn outstanding(&self) -> Option<(&Entry<I, P>, Option<u64>)> {
        self.outstanding.as_ref().map(|outstanding| (&outstanding.entry, outstanding.slot()))
    }

    /// Gives up what is outstanding, and says what is known of it. The next message may be published at once.
    ///
    /// That is safe: if the entry is in the log after all, or gets there before its slot is filled, it is delivered once, in
    /// its place, which is below that of the next message.
    pub fn abandon(&mut self) -> Option<Abandoned<I, P>> {
        let outstanding = self.outstanding.take()?;
        self.observe_tail(outstanding.slot().unwrap_or(0));
        Some(outstanding.abandon())
    }

    /// Returns the kind of log that this publisher is made for. Drivers ask first: a request that is polled counts as sent.
    pub fn log_kind(&self) -> LogKind {
        self.config.log
    }

    /// Returns the highest number of this node that is used.
    pub fn last(&self) -> u64 {
        self.numbering.last()
    }

    /// Returns the highest occupied slot known. Over appends, which do not need it, none is kept.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let Some(outstanding) = &self.outstanding else { return Ok(()) };
        if !self.numbering.used(&outstanding.entry) {
            return Err("PB2: the outstanding entry has numbers of its node that are used");
        }
        outstanding.internal_validate(self.epoch, self.config)
    }
}
