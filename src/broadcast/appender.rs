//! The sending side over an engine that numbers and stores in one step.

use super::numbering::{Ids, PublishRefused};
use super::{Abandoned, AppendAnswer, Entry, Fate, MAX_SLOT, PublishError, PublishErrorKind, Published};
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// Publishes the messages of one node over an [`AppendLog`](super::AppendLog); does no input or output.
///
/// As a [`Publisher`](super::Publisher), without numbers to take and without slots to lose: an append that was not
/// answered is repeated with the same id, and subscribers deliver it once. Every method is O(1), but for the
/// payloads of a batch.
///
/// # Examples
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::broadcast::{AppendLog, AppendRequest, Appender, MemoryLog};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let mut appender = Appender::new("a");
/// let id = appender.publish("hello")?;
/// let Some(AppendRequest::Append { entry }) = appender.poll_request() else { unreachable!() };
/// let answer = log.append(entry)?;
/// assert_eq!(appender.handle_append(&id, answer)?.map(|published| published.slot), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Appender<I, P> {
    ids: Ids<I>,
    epoch: u64,
    outstanding: Option<Outstanding<I, P>>,
}

#[derive(Debug)]
struct Outstanding<I, P> {
    entry: Entry<I, P>,
    /// How often it was asked for, also before a restart: from the second time on, an earlier one may have been carried
    /// out.
    sent: u32,
    /// How often an answer has settled nothing, and named no later epoch.
    lost: u32,
    /// The lowest epoch that may append, if that is not its own any more.
    sealed: Option<u64>,
}

/// How often an answer may settle nothing: as often as for a publisher that is not told otherwise.
const ATTEMPTS: u32 = 16;

/// A request of an [`Appender`].
#[derive(Debug, PartialEq, Eq)]
pub enum AppendRequest<'a, I, P> {
    /// Append the entry; the answer goes to [`Appender::handle_append`].
    Append {
        /// The entry.
        entry: &'a Entry<I, P>,
    },
    /// The epoch is over: make sure that this publisher may go on, and call [`Appender::enter`].
    EnterEpoch {
        /// The lowest epoch that may append.
        epoch: u64,
    },
}

impl<I: NodeId, P> Appender<I, P> {
    /// Makes a publisher of a node that has never published, in epoch 0.
    #[must_use]
    pub const fn new(node: I) -> Self {
        Self { ids: Ids::new(node), epoch: 0, outstanding: None }
    }

    /// Makes the publisher of a node that has used the numbers up to `last`, and has this entry outstanding, as
    /// [`Publisher::resume`](super::Publisher::resume) does.
    ///
    /// # Errors
    ///
    /// The entry is handed back if it is a fill or another node's.
    pub fn resume(node: I, last: u64, outstanding: Option<Entry<I, P>>) -> Result<Self, Entry<I, P>> {
        let mut appender = Self::new(node);
        appender.ids.observe(last);
        if let Some(entry) = outstanding {
            if !appender.ids.observe_own(&entry) {
                return Err(entry);
            }
            appender.epoch = entry.epoch();
            // It may have been sent before, and answered by now.
            appender.outstanding = Some(Outstanding { entry, sent: 2, lost: 0, sealed: None });
        }
        Ok(appender)
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
    /// # Errors
    ///
    /// As [`publish`](Self::publish), with the node.
    pub fn publish_retirement(&mut self, node: I) -> Result<Dot<I>, PublishRefused<I>> {
        let (epoch, busy) = (self.epoch, self.outstanding.is_some());
        let entry = self.ids.single(busy, node, |id, node| Entry::retire(epoch, id, node))?;
        Ok(self.begin(entry))
    }

    fn begin(&mut self, (id, entry): (Dot<I>, Entry<I, P>)) -> Dot<I> {
        self.outstanding = Some(Outstanding { entry, sent: 0, lost: 0, sealed: None });
        id
    }

    /// Returns what is to be done now; `None` if nothing is outstanding. O(1).
    ///
    /// Poll when the last request was answered, or when its answer is no longer waited for: then it is the same request
    /// again.
    pub fn poll_request(&mut self) -> Option<AppendRequest<'_, I, P>> {
        let Outstanding { entry, sent, sealed, .. } = self.outstanding.as_mut()?;
        Some(match *sealed {
            Some(epoch) => AppendRequest::EnterEpoch { epoch },
            None => {
                *sent = sent.saturating_add(1);
                AppendRequest::Append { entry }
            }
        })
    }

    /// Hands in what became of appending the entry with this id; says if it is published. O(1).
    ///
    /// An answer for another entry than the outstanding one is ignored. Who announces the entry announces the one that
    /// was appended: the outstanding one may be of a later epoch when a late answer says where it is.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry: [`NumberUsed`](PublishErrorKind::NumberUsed), or, from a log that does not do what
    /// it promises, [`NoSuchSlot`](PublishErrorKind::NoSuchSlot), or [`Sealed`](PublishErrorKind::Sealed) after 17
    /// answers that settle nothing and name no later epoch. Nothing is outstanding then.
    pub fn handle_append(
        &mut self,
        id: &Dot<I>,
        answer: AppendAnswer,
    ) -> Result<Option<Published<I>>, PublishError<I, P>> {
        let Some(outstanding) = self.outstanding.as_mut() else { return Ok(None) };
        if outstanding.entry.id() != Some(id) {
            return Ok(None);
        }
        match answer {
            AppendAnswer::Appended { slot } | AppendAnswer::AlreadyAppended { slot }
                if !(1..=MAX_SLOT).contains(&slot) =>
            {
                return self.fail(PublishErrorKind::NoSuchSlot { slot });
            }
            AppendAnswer::Appended { slot } => {
                self.outstanding = None;
                return Ok(Some(Published { id: id.clone(), slot }));
            }
            AppendAnswer::AlreadyAppended { slot } if outstanding.sent > 1 => {
                self.outstanding = None;
                return Ok(Some(Published { id: id.clone(), slot }));
            }
            // At the first try: another publisher of this name has appended it.
            AppendAnswer::AlreadyAppended { .. } => {
                let highest = outstanding.entry.last_number().unwrap_or(u64::MAX);
                return self.fail(PublishErrorKind::NumberUsed { highest });
            }
            AppendAnswer::NumberUsed { highest } => {
                return self.fail(PublishErrorKind::NumberUsed { highest });
            }
            AppendAnswer::Sealed { epoch } if epoch > outstanding.entry.epoch() => {
                outstanding.sealed = Some(epoch);
                self.enter(self.epoch);
            }
            // Of before this epoch was entered; again and again, it makes no sense.
            AppendAnswer::Sealed { epoch } if outstanding.lost >= ATTEMPTS => {
                let times = outstanding.lost.saturating_add(1);
                return self.fail(PublishErrorKind::Sealed { epoch, times });
            }
            AppendAnswer::Sealed { .. } => outstanding.lost += 1,
        }
        Ok(None)
    }

    fn fail<T: Default>(&mut self, kind: PublishErrorKind<I, P>) -> Result<T, PublishError<I, P>> {
        if let PublishErrorKind::NumberUsed { highest } = kind {
            self.ids.observe(highest);
        }
        match self.outstanding.take() {
            Some(Outstanding { entry, .. }) => Err(PublishError { entry, kind }),
            None => Ok(T::default()), // not reached: only what is outstanding fails
        }
    }

    /// Enters an epoch. Epochs only go up; a lower one changes nothing.
    pub fn enter(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
        if let Some(outstanding) = &mut self.outstanding
            && outstanding.sealed.is_some_and(|lowest| lowest <= self.epoch)
        {
            outstanding.sealed = None;
            outstanding.entry.set_epoch(self.epoch);
        }
    }

    /// Returns what is outstanding; to be saved before an append is sent, by those who [resume](Self::resume).
    pub fn outstanding(&self) -> Option<&Entry<I, P>> {
        self.outstanding.as_ref().map(|outstanding| &outstanding.entry)
    }

    /// Gives up what is outstanding, and says what is known of it, as [`Publisher::abandon`](super::Publisher::abandon).
    pub fn abandon(&mut self) -> Option<Abandoned<I, P>> {
        self.outstanding.take().map(|Outstanding { entry, sent, .. }| {
            let fate = if sent > 0 { Fate::Unknown { slot: None } } else { Fate::NotStored };
            Abandoned { entry, fate }
        })
    }

    /// Returns the highest number of this node that is used.
    pub fn last(&self) -> u64 {
        self.ids.last()
    }
}
