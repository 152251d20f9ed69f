//! The sending side: takes a number, writes the slot, and does not rest before it knows what became of the message.
//!
//! ```text
//!            ┌──────────── occupied by another, trimmed ───────────┐
//!            ▼                                                     │
//!   publish ─► Take ── number ─► Write(slot) ─┬─ written, or occupied by this very message ─► Published
//!            ▲  │ ▲                  ▲  │     │
//!            │  └─┘ behind the tail  └──┘     └─ sealed, or occupied by a later epoch ─► EnterEpoch
//!            └──────────────────── enter ───── unknown ────────┘
//! ```
//!
//! # Invariants
//!
//! - P1: one entry is outstanding at a time, so that a node's messages are ordered as it published them.
//! - P2: an entry keeps its id whichever slot it is written to.
//! - P3: another slot is tried only when it is known that the last one does not hold the entry and never will.
//! - P4: a number is used for a slot above the highest occupied one known, not beyond the jump above it, and only for
//!   the entry that it was taken for, in the epoch whose counter gave it.
//! - P5: what is tried again is counted, and given up after a number of attempts, also when the answers make no sense.
//!   With `a` attempts an entry is settled, or an error hands it back, within (a + 1) (a + 2) answers, not counting
//!   those that name a later epoch: each of these is for the caller to act on.
//! - P6: it waits only for a later epoch than its own.
//!
//! The algorithm and its sources are described where the module [`broadcast`](crate::broadcast) begins.

use core::fmt;
use core::num::NonZeroU64;

use super::numbering::{Ids, PublishRefused};
use super::{Entry, WriteAnswer};
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// Configuration of a [`Publisher`]: the faults that it tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// The times that the slot of a message may be lost, to a fill or otherwise, and the times in a row that the counter
    /// may be behind the log; the default is 16.
    pub attempts: u32,
    /// The furthest that a number may be above the highest occupied slot known; the default is 2^20.
    ///
    /// Every number in between is a hole that subscribers wait for and fill. Subscribers should allow as much.
    pub jump: u64,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self { attempts: 16, jump: 1 << 20 }
    }
}

/// Publishes the messages of one node, one entry after another; does no input or output. Every method is O(1), but for the
/// payloads of a batch.
///
/// Begin with [`publish`](Self::publish). Then do what [`poll_request`](Self::poll_request) says and hand in the
/// answers, until one of them says [`Published`] or returns an error with the message in it. Every answer is a fact
/// that stays true, so that answers may come late, twice and in any order. No answer, or an error of the
/// engine, is nothing to hand in: poll again, and send the same request again.
///
/// It may be told the epoch and the tail before the first message ([`enter`](Self::enter)); a log that is written
/// already needs that, or the jump looks absurd.
///
/// # What must survive a restart
///
/// Nothing. Whatever is acknowledged is delivered, in each of these ways:
///
/// - The node comes back under a new id (a new incarnation). [Retire](Self::publish_retirement) the old one later.
/// - It keeps its id, and what is [`outstanding`](Self::outstanding) is saved before each write is sent.
///   [`resume`](Self::resume) settles that before anything else, so that it is published once.
/// - It keeps its id and remembers nothing. The log refuses its first message, with
///   [`NumberUsed`](PublishErrorKind::NumberUsed), unless the number is above all that it has stored of the node. Publish
///   the payload again: the publisher goes on above. It stays unknown whether what was outstanding before is stored.
///
/// Have one publisher of an id at a time. If there are two, each is refused now and then, as if it had been restarted.
///
/// # Examples
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{MemoryLog, PublishRequest, PublisherConfig, SlotLog};
/// use happens_before::counter::{AtomicCounter, Counter};
///
/// let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
/// let mut publisher = Publisher::new("a", PublisherConfig::default());
/// publisher.publish("hello")?;
/// let published = loop {
///     match publisher.poll_request() {
///         Some(PublishRequest::Numbers(take)) => {
///             let first = counter.increment_and_get(take.n)?;
///             publisher.handle_numbers(&take, first)?;
///         }
///         Some(PublishRequest::Write { slot, entry }) => {
///             let (id, answer) = (*entry.id().unwrap(), log.write(slot, entry)?);
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
#[derive(Debug)]
pub struct Publisher<I, P> {
    ids: Ids<I>,
    config: PublisherConfig,
    epoch: u64,
    /// The highest slot known to be occupied, or in which something abandoned may be.
    tail: u64,
    outstanding: Option<Outstanding<I, P>>,
}

#[derive(Debug)]
struct Outstanding<I, P> {
    entry: Entry<I, P>,
    stage: Stage,
    /// How often an answer to a write has settled nothing.
    lost: u32,
    /// How often in a row the counter was behind the tail.
    behind: u32,
}

impl<I, P> Outstanding<I, P> {
    /// Counts a write that has settled nothing; returns how many there were if that is more than `attempts`.
    fn lose(&mut self, attempts: u32) -> Option<u32> {
        if self.lost >= attempts {
            return Some(self.lost.saturating_add(1));
        }
        self.lost += 1;
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In no slot, and never will be without a new number.
    Numbers { n: NonZeroU64 },
    /// Asked for `sent` times: from the second time on, an earlier one may have been carried out. At the first time the
    /// slot cannot hold the entry; if it does, another publisher of the name has written it.
    Write { slot: u64, sent: u32 },
    /// In no slot; its epoch is over.
    Sealed { epoch: u64 },
}

const ONE: Stage = Stage::Numbers { n: NonZeroU64::MIN };

/// A request of a [`Publisher`].
#[derive(Debug, PartialEq, Eq)]
pub enum PublishRequest<'a, I, P> {
    /// Call `increment_and_get(n)` on the counter of the epoch; the answer goes, with the request, to
    /// [`Publisher::handle_numbers`].
    Numbers(NumberRequest<I>),
    /// Write the entry into the slot; the answer goes to [`Publisher::handle_write`].
    Write {
        /// The slot.
        slot: u64,
        /// The entry; the same whenever the write is repeated.
        entry: &'a Entry<I, P>,
    },
    /// The epoch is over: find out what counter the new one uses, and call [`Publisher::enter`].
    EnterEpoch {
        /// The lowest epoch that may write.
        epoch: u64,
    },
}

/// Numbers that a [`Publisher`] asks for. They are good for one entry, in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberRequest<I> {
    /// The entry that the numbers are for.
    pub id: Dot<I>,
    /// The epoch whose counter is to be asked: the one that the publisher has [entered](Publisher::enter).
    pub epoch: u64,
    /// The number of numbers.
    pub n: NonZeroU64,
}

/// An entry is in the log, where it will be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Published<I> {
    /// The id of its first message.
    pub id: Dot<I>,
    /// The slot. Over an [`AppendLog`](super::AppendLog) it may be stored a second time, earlier, by a request whose
    /// answer was lost; the position of a message is the one at which it is delivered.
    pub slot: u64,
}

/// An entry that its publisher has given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned<I, P> {
    /// The entry. Its numbers are used; published again, its messages get new ones.
    pub entry: Entry<I, P>,
    /// Its fate: whether it is in the log.
    pub fate: Fate,
}

/// The fate of an abandoned entry: whether it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not, and never will be.
    NotStored,
    /// Unknown. To find out, repeat the write with [`Publisher::resume`], or see whether it is delivered before a later
    /// message of its node is; if it is not by then, it never will be.
    Unknown {
        /// The slot in which it may be; `None` if an engine was to append it.
        slot: Option<u64>,
    },
}

impl<I: NodeId, P> Publisher<I, P> {
    /// Makes a publisher of a node that has never published, in epoch 0, which knows of no occupied slot.
    #[must_use]
    pub const fn new(node: I, config: PublisherConfig) -> Self {
        Self { ids: Ids::new(node), config, epoch: 0, tail: 0, outstanding: None }
    }

    /// Makes the publisher of a node that has used the numbers up to `last`, and has this entry outstanding: what
    /// [`outstanding`](Self::outstanding) said, or [`abandon`](Self::abandon).
    ///
    /// It settles the entry before anything else is published. The slot is `None` if none was tried.
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
        publisher.ids.observe(last);
        if let Some((entry, slot)) = outstanding {
            if !publisher.ids.observe_own(&entry) {
                return Err(entry);
            }
            publisher.epoch = entry.epoch();
            // It may have been sent before, and answered by now.
            let stage = slot.map_or(ONE, |slot| Stage::Write { slot, sent: 2 });
            publisher.outstanding = Some(Outstanding { entry, stage, lost: 0, behind: 0 });
        }
        Ok(publisher)
    }

    /// Begins to publish one message, and returns its id.
    ///
    /// # Errors
    ///
    /// [`PublishRefused`] with the payload: an entry is outstanding, or the numbers are used up. Nothing is changed.
    pub fn publish(&mut self, payload: P) -> Result<Dot<I>, PublishRefused<P>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.ids.single(busy, payload, |id, payload| Entry::message(epoch, id, payload))?;
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
    ) -> Result<Dot<I>, PublishRefused<Vec<P>>> {
        let entry = self.ids.batch(self.epoch, self.outstanding.is_some(), payloads)?;
        Ok(self.begin(entry))
    }

    /// Begins to publish a marker, and returns its id.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_marker(&mut self) -> Result<Dot<I>, PublishRefused<()>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.ids.single(busy, (), |id, ()| Entry::marker(epoch, id))?;
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
    pub fn publish_skip(&mut self, slot: u64) -> Result<Dot<I>, PublishRefused<u64>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.ids.single(busy, slot, |id, slot| Entry::skip(epoch, id, slot))?;
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
    /// Where the counter can go back, no publisher may use the name again; the page on operations says why.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), with the node.
    pub fn publish_retirement(&mut self, node: I) -> Result<Dot<I>, PublishRefused<I>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.ids.single(busy, node, |id, node| Entry::retire(epoch, id, node))?;
        Ok(self.begin(entry))
    }

    fn begin(&mut self, (id, entry): (Dot<I>, Entry<I, P>)) -> Dot<I> {
        self.outstanding = Some(Outstanding { entry, stage: ONE, lost: 0, behind: 0 });
        id
    }

    /// Returns what is to be done now; `None` if nothing is outstanding. O(1).
    ///
    /// Poll when the last request was answered, or when its answer is no longer waited for: then it is the same request
    /// again.
    #[inline]
    pub fn poll_request(&mut self) -> Option<PublishRequest<'_, I, P>> {
        let Outstanding { entry, stage, .. } = self.outstanding.as_mut()?;
        Some(match stage {
            Stage::Numbers { n } => {
                PublishRequest::Numbers(NumberRequest { id: entry.id()?.clone(), epoch: self.epoch, n: *n })
            }
            Stage::Write { slot, sent } => {
                *sent = sent.saturating_add(1);
                PublishRequest::Write { slot: *slot, entry }
            }
            Stage::Sealed { epoch } => PublishRequest::EnterEpoch { epoch: *epoch },
        })
    }

    /// Hands in that the counter gave the numbers `first ..= first + n - 1` in answer to a request. O(1).
    ///
    /// Numbers for an earlier entry are spent: they were taken before this one was published, so that it might come
    /// before what had been acknowledged by then. So are numbers of a counter whose epoch is over, once another was
    /// [entered](Self::enter): they may lie far above what the new counter gives, so that what is published next would
    /// come before what is acknowledged here.
    ///
    /// The lowest of them that is above the tail names the slot. If none is, the counter has been behind the log; the
    /// next request takes the difference at once.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry, which is not stored: [`Jump`](PublishErrorKind::Jump),
    /// [`CounterBehind`](PublishErrorKind::CounterBehind). Nothing is outstanding then.
    #[inline]
    pub fn handle_numbers(&mut self, request: &NumberRequest<I>, first: u64) -> Result<(), PublishError<I, P>> {
        let (tail, PublisherConfig { attempts, jump }) = (self.tail, self.config);
        let &NumberRequest { ref id, epoch, n } = request;
        let Some(outstanding @ Outstanding { stage: Stage::Numbers { .. }, .. }) = &mut self.outstanding else {
            return Ok(());
        };
        if outstanding.entry.id() != Some(id) || epoch != self.epoch {
            return Ok(());
        }
        let last = first.saturating_add(n.get() - 1);
        if last > tail {
            // `tail` is below `last`, so that there is a number above it.
            let slot = first.max(tail + 1);
            if slot - tail > jump || slot > super::MAX_SLOT {
                return self.fail(PublishErrorKind::Jump { number: slot, tail });
            }
            outstanding.behind = 0;
            outstanding.entry.set_epoch(epoch);
            outstanding.stage = Stage::Write { slot, sent: 0 };
            return Ok(());
        }
        match (tail - last).checked_add(1).and_then(NonZeroU64::new) {
            Some(n) if outstanding.behind < attempts => {
                outstanding.behind += 1;
                outstanding.stage = Stage::Numbers { n };
                Ok(())
            }
            _ => self.fail(PublishErrorKind::CounterBehind { number: last, tail }),
        }
    }

    /// Hands in what became of writing the entry with this id into `slot`; says if it is published. O(1), and O(payloads)
    /// if the slot was occupied.
    ///
    /// What became of an earlier entry says nothing about the outstanding one, even in the same slot: a counter may give
    /// the number of what was abandoned once more.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry, which is not stored: [`FilledAway`](PublishErrorKind::FilledAway),
    /// [`Conflict`](PublishErrorKind::Conflict), [`NumberUsed`](PublishErrorKind::NumberUsed); or of which it is unknown:
    /// [`OutcomeTrimmed`](PublishErrorKind::OutcomeTrimmed), [`Sealed`](PublishErrorKind::Sealed). Nothing is outstanding
    /// then.
    pub fn handle_write(
        &mut self,
        id: &Dot<I>,
        slot: u64,
        answer: WriteAnswer<I, P>,
    ) -> Result<Option<Published<I>>, PublishError<I, P>>
    where
        P: PartialEq,
    {
        match &answer {
            WriteAnswer::Written | WriteAnswer::Occupied(_) => self.tail = self.tail.max(slot),
            WriteAnswer::Trimmed { first } => self.tail = self.tail.max(first.saturating_sub(1)),
            WriteAnswer::Sealed { .. } | WriteAnswer::NumberUsed { .. } => {}
        }
        let (epoch, attempts) = (self.epoch, self.config.attempts);
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        let Stage::Write { slot: awaited, sent } = outstanding.stage else { return Ok(None) };
        if slot != awaited || outstanding.entry.id() != Some(id) {
            return Ok(None);
        }
        match answer {
            WriteAnswer::Written => Ok(self.succeed(slot)),
            WriteAnswer::Occupied(other) if other.id() == outstanding.entry.id() => {
                if other.content() != outstanding.entry.content() {
                    return self.fail(PublishErrorKind::Conflict { slot, other });
                } else if sent > 1 {
                    return Ok(self.succeed(slot));
                }
                // At the first try: another publisher of this name has written it.
                let highest = outstanding.entry.last_number().unwrap_or(u64::MAX);
                self.fail(PublishErrorKind::NumberUsed { highest })
            }
            // Its own epoch is over, and its counter may be far behind: going on by one slot after another, it would starve.
            WriteAnswer::Occupied(other) if other.epoch() > epoch => {
                outstanding.stage = Stage::Sealed { epoch: other.epoch() };
                Ok(None)
            }
            WriteAnswer::Occupied(_) => self.lose_slot(),
            // The slot is empty, and will not be written to in that epoch: nothing is open any more.
            WriteAnswer::Sealed { epoch: lowest } if lowest > outstanding.entry.epoch() => {
                outstanding.stage = if lowest > epoch { Stage::Sealed { epoch: lowest } } else { ONE };
                Ok(None)
            }
            // Of before this epoch was entered; again and again, it makes no sense.
            WriteAnswer::Sealed { epoch } => match outstanding.lose(attempts) {
                None => Ok(None),
                Some(times) => self.fail(PublishErrorKind::Sealed { epoch, times }),
            },
            WriteAnswer::NumberUsed { highest } if highest >= id.counter() => {
                self.ids.observe(highest);
                self.fail(PublishErrorKind::NumberUsed { highest })
            }
            // The slot is below that of an earlier message of this node, and is not written to.
            WriteAnswer::NumberUsed { .. } => self.lose_slot(),
            WriteAnswer::Trimmed { first } if sent > 1 => {
                self.fail(PublishErrorKind::OutcomeTrimmed { slot, first })
            }
            WriteAnswer::Trimmed { .. } => self.lose_slot(),
        }
    }

    /// The slot does not hold the entry and never will: takes a new number, unless that was tried too often.
    fn lose_slot(&mut self) -> Result<Option<Published<I>>, PublishError<I, P>> {
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        match outstanding.lose(self.config.attempts) {
            None => {
                outstanding.stage = ONE;
                Ok(None)
            }
            Some(times) => self.fail(PublishErrorKind::FilledAway { times }),
        }
    }

    /// Notes that `slot` is occupied: what a subscriber beside this publisher has seen. Saves numbers that would turn out
    /// to be behind.
    pub fn observe_tail(&mut self, slot: u64) {
        self.tail = self.tail.max(slot);
    }

    /// Enters an epoch whose counter starts above `tail`, the highest occupied slot: what sealing answered.
    ///
    /// A publisher that starts later, when the epoch has begun or the log is long, learns both from
    /// [`Log::seal`](super::Log::seal) with epoch 0, which changes nothing.
    ///
    /// Epochs and tails only go up; lower ones are left out of account. A write that is outstanding is settled in its
    /// own epoch first; numbers are asked for in the new one.
    pub fn enter(&mut self, epoch: u64, tail: u64) {
        self.observe_tail(tail);
        if epoch <= self.epoch {
            return;
        }
        self.epoch = epoch;
        if let Some(Outstanding { stage, behind, .. }) = &mut self.outstanding {
            match *stage {
                // However far behind the old counter was, the new one is not.
                Stage::Numbers { .. } => (*stage, *behind) = (ONE, 0),
                Stage::Sealed { epoch: lowest } if lowest <= epoch => *stage = ONE,
                Stage::Write { .. } | Stage::Sealed { .. } => {}
            }
        }
    }

    /// Returns what is outstanding, and the slot that it may be in; to be saved before a write is sent, by those who
    /// [resume](Self::resume).
    pub fn outstanding(&self) -> Option<(&Entry<I, P>, Option<u64>)> {
        self.outstanding.as_ref().map(|Outstanding { entry, stage, .. }| match stage {
            Stage::Write { slot, .. } => (entry, Some(*slot)),
            Stage::Numbers { .. } | Stage::Sealed { .. } => (entry, None),
        })
    }

    /// Gives up what is outstanding, and says what is known of it. The next message may be published at once.
    ///
    /// That is safe: if the entry is in the log after all, or gets there before its slot is filled, it is delivered once, in
    /// its place, which is below that of the next message.
    pub fn abandon(&mut self) -> Option<Abandoned<I, P>> {
        if let Some((_, Some(slot))) = self.outstanding() {
            self.observe_tail(slot);
        }
        self.outstanding.take().map(|Outstanding { entry, stage, .. }| match stage {
            Stage::Write { slot, sent: 1.. } => Abandoned { entry, fate: Fate::Unknown { slot: Some(slot) } },
            Stage::Numbers { .. } | Stage::Write { .. } | Stage::Sealed { .. } => {
                Abandoned { entry, fate: Fate::NotStored }
            }
        })
    }

    /// Returns the highest number of this node that is used.
    pub fn last(&self) -> u64 {
        self.ids.last()
    }

    /// Returns the highest occupied slot known.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    fn succeed(&mut self, slot: u64) -> Option<Published<I>> {
        let id = self.outstanding.take()?.entry.id()?.clone();
        Some(Published { id, slot })
    }

    fn fail<T>(&mut self, kind: PublishErrorKind<I, P>) -> Result<T, PublishError<I, P>>
    where
        T: Default,
    {
        match self.outstanding.take() {
            Some(Outstanding { entry, .. }) => Err(PublishError { entry, kind }),
            None => Ok(T::default()), // not reached: only what is outstanding fails
        }
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let Some(Outstanding { entry, stage, lost, behind }) = &self.outstanding else { return Ok(()) };
        match *stage {
            _ if !self.ids.used(entry) => {
                Err("P2: the outstanding entry has numbers of its node that are used")
            }
            _ if (*lost).max(*behind) > self.config.attempts => Err("P5: attempts are bounded"),
            Stage::Write { slot: 0, .. } => Err("P4: slots begin at 1"),
            Stage::Sealed { epoch } if epoch <= self.epoch => Err("P6: it waits only for a later epoch"),
            Stage::Numbers { .. } | Stage::Write { .. } | Stage::Sealed { .. } => Ok(()),
        }
    }
}

/// An entry could not be published; hands it back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishError<I, P> {
    /// The entry. Its numbers are used; published again, its messages get new ones.
    pub entry: Entry<I, P>,
    /// The reason.
    pub kind: PublishErrorKind<I, P>,
}

/// The reason why an entry could not be published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind<I, P> {
    /// Each slot that it took a number for was occupied, or trimmed, when it was written; it is **not stored**. Either
    /// writes take longer than subscribers wait, or the counter repeats numbers faster than this publisher learns of them.
    FilledAway {
        /// The number of slots that were lost.
        times: u32,
    },
    /// The log answered again and again that its epoch is over, although the entry is of no earlier one; **unknown**
    /// whether it is stored. The log does not do what it promises; find out what is wrong with it.
    Sealed {
        /// The lowest epoch that may write, as the log says.
        epoch: u64,
        /// The number of answers that settled nothing.
        times: u32,
    },
    /// The log says that the entry is stored in a slot that does not exist; **unknown** whether it is stored. The log does
    /// not do what it promises; find out what is wrong with it.
    NoSuchSlot {
        /// The slot.
        slot: u64,
    },
    /// The counter gave a number absurdly far above the log; it is **not stored**. Find out whether the counter is
    /// right; if so, tell the tail to the publisher ([`Publisher::observe_tail`]), otherwise start a new counter in a
    /// new epoch.
    Jump {
        /// The number.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// The counter stays behind the log although the difference was taken; it is **not stored**. It is not a
    /// linearizable counter; start a new one in a new epoch.
    CounterBehind {
        /// The highest number that it gave last.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// A slot holds another content under the id of this one; this one is **not stored**. Two publishers use one node
    /// id, or one lost its state and came back under its old id. Stop; the entries are the proof.
    Conflict {
        /// The slot.
        slot: u64,
        /// The entry that it holds.
        other: Entry<I, P>,
    },
    /// The log holds this number of the node already, or a later one, and stores the entry in no other slot. Two publishers
    /// use one node id, or one lost its state and came back under its old id. If the other has stopped for good, publish
    /// the payload again: the next number is above those of the other.
    ///
    /// Where requests are repeated and the log is trimmed, it is **unknown** whether the number is that of this very entry;
    /// what is delivered under its id says so.
    NumberUsed {
        /// The highest number of the node in the log.
        highest: u64,
    },
    /// The slot was trimmed while it was **unknown** whether the entry is in it. It is delivered, or in a snapshot, if
    /// the node's number there is not lower than the entry's; otherwise it is not stored.
    OutcomeTrimmed {
        /// The slot.
        slot: u64,
        /// The first slot that is not trimmed.
        first: u64,
    },
}

impl<I: fmt::Debug, P: fmt::Debug> fmt::Display for PublishError<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.entry;
        match &self.kind {
            PublishErrorKind::FilledAway { times } => {
                write!(f, "{entry:?} found its slot occupied {times} times; let subscribers wait longer")
            }
            PublishErrorKind::Sealed { epoch, times } => {
                write!(
                    f,
                    "unknown whether {entry:?} is stored: {times} writes settled nothing, and the log says "
                )?;
                write!(f, "that only epochs below {epoch} are over; check the log")
            }
            PublishErrorKind::NoSuchSlot { slot } => {
                write!(f, "unknown whether {entry:?} is stored: the log says in slot {slot}; check the log")
            }
            PublishErrorKind::Jump { number, tail } => {
                write!(f, "the counter gave {number} although the last slot known is {tail}; check the counter")
            }
            PublishErrorKind::CounterBehind { number, tail } => {
                write!(
                    f,
                    "the counter gave {number} and stays behind slot {tail}; start a new one in a new epoch"
                )
            }
            PublishErrorKind::Conflict { slot, other } => {
                write!(f, "slot {slot} holds {other:?} instead of {entry:?}; one node id is used twice")
            }
            PublishErrorKind::NumberUsed { highest } => {
                write!(f, "{entry:?} is refused: the log holds number {highest} of its node already, from ")?;
                write!(f, "another publisher of that name; if that one has stopped, publish again")
            }
            PublishErrorKind::OutcomeTrimmed { slot, first } => {
                write!(
                    f,
                    "slot {slot} is trimmed up to {first}; see in a snapshot whether {entry:?} is delivered"
                )
            }
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug> core::error::Error for PublishError<I, P> {}
