//! The sending side. It takes a number and writes the slot, or appends, and repeats that until the outcome is known.
//!
//! The picture of the stages is on [`Publisher`]. An entry begins in this file, and is brought into the log in
//! `settling`.
//!
//! # Invariants
//!
//! - PB1: one entry is outstanding at a time, so that a node's messages are ordered as it published them.
//! - PB2: an entry keeps its id, whichever slot it is written to and however often it is appended.
//! - PB3: another slot is tried only when it is known that the last one does not hold the entry and never will.
//! - PB4: a number is used only for a slot above the highest occupied one known, and within the jump above it. It is
//!   used only for the entry that it was taken for, in the epoch whose counter gave it.
//! - PB5: repeated attempts are counted and bounded, also when the answers make no sense. With `a` attempts an entry is
//!   settled, or handed back in an error, within (a + 1) (a + 2) answers. Answers that name a later epoch do not count:
//!   each of them asks the caller to act.
//! - PB6: an entry waits only for an epoch later than its own.
//! - PB7: numbers are asked for and slots are written only over slots, and entries are appended only over appends.
//!
//! The module [`broadcast`](crate::broadcast) describes the algorithm and its sources.

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

/// A writer that publishes the messages of one node, one entry after another; it does no input or output.
///
/// Every method is O(1), apart from the payloads of a batch.
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
/// In each stage, too many answers that settle nothing end in a [`PublishError`].
///
/// # Use
///
/// Begin with [`publish`](Self::publish). Then carry out what [`poll_request`](Self::poll_request) returns and hand in
/// the answers, until the call that takes an answer returns [`Published`], or an error with the entry in it. Every
/// answer is a fact that stays true, so answers may come late, twice and in any order. If there was no answer, or an
/// error of the engine, hand in nothing: poll again, and send the same request again.
/// [`blocking::settle`](crate::broadcast::blocking::settle) has the loop.
///
/// Before the first message, a publisher may be told the epoch and the tail with [`enter`](Self::enter). Over slots, do
/// so if the log is long already: otherwise its first number looks like an absurd jump.
///
/// # State that must survive a restart
///
/// None is needed. A node may come back in each of these ways, and every acknowledged message is delivered:
///
/// - The node comes back under a new id (a new incarnation). [Retire](Self::publish_retirement) the old one later.
/// - It keeps its id, and saves what is [`outstanding`](Self::outstanding) before it sends each write.
///   [`resume`](Self::resume) settles that entry before anything else, so that it is published once.
/// - It keeps its id and remembers nothing. The log refuses its first message, with
///   [`NumberUsed`](crate::broadcast::PublishErrorKind::NumberUsed), unless its number is above all those stored of the
///   node. Publish the payload again: the publisher continues with higher numbers. It stays unknown whether the entry
///   that was outstanding before is stored.
///
/// Run one publisher of an id at a time. If there are two, each is refused now and then, as if it had been restarted.
///
/// # Examples
///
/// Over slots, an entry takes two requests: a number, then a write. Watch the answer that ends the loop. Publish again:
/// the message gets slot 2.
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
/// Over an engine that numbers by itself, one request does both. Hand in the answer a second time: it is ignored, since
/// nothing is outstanding.
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
    /// The highest slot that is known to be occupied, or that may hold an abandoned entry.
    tail: u64,
    outstanding: Option<Outstanding<I, P>>,
}

impl<I: NodeId, P> Publisher<I, P> {
    /// Makes a publisher, in epoch 0, of a node that has never published. It knows of no occupied slot.
    #[must_use]
    pub const fn new(node: I, config: PublisherConfig) -> Self {
        Self { numbering: Numbering::new(node), config, epoch: 0, tail: 0, outstanding: None }
    }

    /// Makes the publisher of a node that has used the numbers up to `last`. The outstanding entry is one returned by
    /// [`outstanding`](Self::outstanding) or [`abandon`](Self::abandon).
    ///
    /// The entry is settled before anything else is published. The slot is `None` if none was tried, and has no meaning
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

    /// Begins to publish a request to every subscriber: to pass a slot that cannot be read. Returns the id of the
    /// request.
    ///
    /// Publish it when the slot is [damaged](super::Unreadable::Damaged) and cannot be restored. This is the decision
    /// of an operator: the content of the slot is lost, and a subscriber that has delivered it stops at the request.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), with the slot in place of the payload.
    pub fn publish_skip(&mut self, slot: u64) -> Result<Dot<I>, PublishError<u64>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.numbering.single(busy, slot, |id, slot| Entry::skip(epoch, id, slot))?;
        Ok(self.begin(entry))
    }

    /// Begins to ask the log and every subscriber to forget `node`, and returns the id of that request.
    ///
    /// A publisher that takes a new incarnation at each start leaves an entry in every table of nodes; a retirement
    /// removes it. Publish it when nothing of the node can be written any more: either its last entry is settled and
    /// its writer is gone, or a new [epoch](super::NewEpoch) has begun since its writer was last seen. A publisher may
    /// retire its own node with its last entry. If the node publishes later all the same, every subscriber takes its
    /// numbers as new, so a message that was written twice may be delivered twice.
    ///
    /// If the counter can go back, no publisher may use the name again; the page on operations has the reason.
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

    /// Notes that `slot` is occupied, for example because a subscriber beside this publisher has read it. Over slots
    /// this saves numbers that would turn out to be too low.
    pub fn observe_tail(&mut self, slot: u64) {
        self.tail = self.tail.max(slot);
    }

    /// Returns the outstanding entry, and the slot that may hold it. To [resume](Self::resume) later, save both before
    /// each write or append is sent.
    pub fn outstanding(&self) -> Option<(&Entry<I, P>, Option<u64>)> {
        self.outstanding.as_ref().map(|outstanding| (&outstanding.entry, outstanding.slot()))
    }

    /// Gives up the outstanding entry, and returns what is known of it. The next message may be published at once.
    ///
    /// This is safe. The entry may be in the log after all, or land there before its slot is filled. Then it is
    /// delivered once, before the next message.
    pub fn abandon(&mut self) -> Option<Abandoned<I, P>> {
        let outstanding = self.outstanding.take()?;
        self.observe_tail(outstanding.slot().unwrap_or(0));
        Some(outstanding.abandon())
    }

    /// Returns the kind of log that this publisher is made for. Drivers ask first: a request that is polled counts as sent.
    pub fn log_kind(&self) -> LogKind {
        self.config.log
    }

    /// Returns the highest used number of this node.
    pub fn last(&self) -> u64 {
        self.numbering.last()
    }

    /// Returns the highest occupied slot known. Over appends it is not tracked.
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
