//! The way of an outstanding entry into the log: requests out, answers in.

use core::num::NonZeroU64;

use super::outstanding::{ONE, Outstanding, Stage};
use super::{LogKind, NumberRequest, PublishRequest, Published, Publisher, PublisherConfig};
use crate::broadcast::{AppendAnswer, Entry, MAX_SLOT, PublishError, PublishErrorKind, WriteAnswer};
use crate::node::{Dot, NodeId};

impl<I: NodeId, P> Publisher<I, P> {
    /// Returns the request to make now; `None` if nothing is outstanding. O(1).
    ///
    /// Poll when the last request was answered, or when you no longer wait for its answer: then it is the same request
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
            Stage::Append { sent } => {
                *sent = sent.saturating_add(1);
                PublishRequest::Append { entry }
            }
            Stage::Sealed { epoch, .. } => PublishRequest::EnterEpoch { epoch: *epoch },
        })
    }

    /// Hands in that the counter gave the numbers `first ..= first + n - 1` in answer to a request. O(1).
    ///
    /// Numbers for an earlier entry are discarded: they were taken before this entry was published, so it could land
    /// before a message that was acknowledged in the meantime. Numbers of an earlier epoch are discarded too once a
    /// later one was [entered](Self::enter). They may be far above those of the new counter, and messages published
    /// later would come before this one.
    ///
    /// The lowest number above the tail names the slot. If all are at or below the tail, the counter lags, and the next
    /// request takes the difference at once.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry, which is not stored: [`Jump`](PublishErrorKind::Jump),
    /// [`CounterBehind`](PublishErrorKind::CounterBehind). Nothing is outstanding then.
    #[inline]
    pub fn handle_numbers(
        &mut self,
        request: &NumberRequest<I>,
        first: u64,
    ) -> Result<(), PublishError<Entry<I, P>>> {
        let (tail, PublisherConfig { attempts, jump, .. }) = (self.tail, self.config);
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
            if slot - tail > jump || slot > MAX_SLOT {
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

    /// Hands in the answer to a write of the entry with this id into `slot`; returns [`Published`] once it is in the
    /// log. O(1), and O(payloads) if the slot was occupied.
    ///
    /// An answer for an earlier entry says nothing about the outstanding one, even in the same slot: a counter may give
    /// the number of an abandoned entry again.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry, which is not stored: [`FilledAway`](PublishErrorKind::FilledAway),
    /// [`Conflict`](PublishErrorKind::Conflict), [`NumberUsed`](PublishErrorKind::NumberUsed). Or it is unknown
    /// whether the entry is stored: [`OutcomeTrimmed`](PublishErrorKind::OutcomeTrimmed),
    /// [`Sealed`](PublishErrorKind::Sealed). Nothing is outstanding then.
    pub fn handle_write(
        &mut self,
        id: &Dot<I>,
        slot: u64,
        answer: WriteAnswer<I, P>,
    ) -> Result<Option<Published<I>>, PublishError<Entry<I, P>>>
    where
        P: PartialEq,
    {
        match &answer {
            WriteAnswer::Written | WriteAnswer::Occupied(_) => self.observe_tail(slot),
            WriteAnswer::Trimmed { first } => self.observe_tail(first.saturating_sub(1)),
            WriteAnswer::Sealed { .. } | WriteAnswer::NumberUsed { .. } => {}
        }
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        let Stage::Write { slot: awaited, sent } = outstanding.stage else { return Ok(None) };
        if slot != awaited || outstanding.entry.id() != Some(id) {
            return Ok(None);
        }
        match answer {
            WriteAnswer::Written => Ok(self.succeed(slot)),
            WriteAnswer::Occupied(other) if other.id() == outstanding.entry.id() => {
                if other.content() == outstanding.entry.content() {
                    self.found(slot, sent)
                } else {
                    self.fail(PublishErrorKind::Conflict { slot, other })
                }
            }
            // The entry's epoch is over, and its counter may be far behind the tail: one slot after another, it would
            // starve.
            WriteAnswer::Occupied(other) if other.epoch() > self.epoch => {
                outstanding.stage = Stage::Sealed { epoch: other.epoch(), sent: 0 };
                Ok(None)
            }
            WriteAnswer::Occupied(_) => self.lose_slot(),
            // The slot is empty, and no write of that epoch will land in it: no request is open any more.
            WriteAnswer::Sealed { epoch } if epoch > outstanding.entry.epoch() => {
                outstanding.stage = Stage::Sealed { epoch, sent: 0 };
                self.reopen();
                Ok(None)
            }
            WriteAnswer::Sealed { epoch } => self.sealed_in_vain(epoch),
            WriteAnswer::NumberUsed { highest } if highest >= id.counter() => {
                self.fail(PublishErrorKind::NumberUsed { highest })
            }
            // The slot is below that of an earlier message of this node, so the log does not write it.
            WriteAnswer::NumberUsed { .. } => self.lose_slot(),
            WriteAnswer::Trimmed { first } if sent > 1 => {
                self.fail(PublishErrorKind::OutcomeTrimmed { slot, first })
            }
            WriteAnswer::Trimmed { .. } => self.lose_slot(),
        }
    }

    /// Hands in the answer to an append of the entry with this id; returns [`Published`] once it is in the log. O(1).
    ///
    /// An answer for any other entry is ignored. Announce the entry that you appended: when a late answer arrives, the
    /// outstanding one may have moved to a later epoch.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the entry: [`NumberUsed`](PublishErrorKind::NumberUsed), or, from a log that breaks its
    /// promises, [`NoSuchSlot`](PublishErrorKind::NoSuchSlot) or [`Sealed`](PublishErrorKind::Sealed). Nothing is
    /// outstanding then.
    pub fn handle_append(
        &mut self,
        id: &Dot<I>,
        answer: AppendAnswer,
    ) -> Result<Option<Published<I>>, PublishError<Entry<I, P>>> {
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        if self.config.log != LogKind::Appends || outstanding.entry.id() != Some(id) {
            return Ok(None);
        }
        let (Stage::Append { sent } | Stage::Sealed { sent, .. }) = outstanding.stage else { return Ok(None) };
        match answer {
            AppendAnswer::Appended { slot } | AppendAnswer::AlreadyAppended { slot }
                if !(1..=MAX_SLOT).contains(&slot) =>
            {
                self.fail(PublishErrorKind::NoSuchSlot { slot })
            }
            AppendAnswer::Appended { slot } => Ok(self.succeed(slot)),
            AppendAnswer::AlreadyAppended { slot } => self.found(slot, sent),
            AppendAnswer::NumberUsed { highest } => self.fail(PublishErrorKind::NumberUsed { highest }),
            AppendAnswer::Sealed { epoch } if epoch > outstanding.entry.epoch() => {
                outstanding.stage = Stage::Sealed { epoch, sent };
                self.reopen();
                Ok(None)
            }
            AppendAnswer::Sealed { epoch } => self.sealed_in_vain(epoch),
        }
    }

    /// Enters an epoch, with the highest occupied slot: both are the answer to sealing. The counter of the epoch, if
    /// there is one, starts above `tail`.
    ///
    /// A publisher that starts later learns both from [`Log::seal`](crate::broadcast::Log::seal) with epoch 0, which
    /// changes nothing. Over appends the tail is ignored.
    ///
    /// Epochs and tails only go up; lower ones are ignored. An outstanding write is first settled in its own epoch;
    /// later requests for numbers are of the new one. An append is repeated in its own epoch until the log answers that
    /// this epoch is over.
    pub fn enter(&mut self, epoch: u64, tail: u64) {
        if self.config.log == LogKind::Slots {
            self.observe_tail(tail);
        }
        if epoch <= self.epoch {
            return;
        }
        self.epoch = epoch;
        if let Some(Outstanding { stage: stage @ Stage::Numbers { .. }, behind, .. }) = &mut self.outstanding {
            // The new counter is not behind, even if the old one was.
            (*stage, *behind) = (ONE, 0);
        }
        self.reopen();
    }

    /// Goes on with an entry whose epoch is over, once an epoch that may write is entered.
    fn reopen(&mut self) {
        let Some(Outstanding { entry, stage, .. }) = &mut self.outstanding else { return };
        let Stage::Sealed { epoch, sent } = *stage else { return };
        if epoch > self.epoch {
            return;
        }
        *stage = match self.config.log {
            LogKind::Slots => ONE,
            LogKind::Appends => {
                entry.set_epoch(self.epoch);
                Stage::Append { sent }
            }
        };
    }

    /// Gives up the slot, which does not hold the entry and never will. Takes a new number, unless that was tried too
    /// often.
    #[cold]
    fn lose_slot(&mut self) -> Result<Option<Published<I>>, PublishError<Entry<I, P>>> {
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        match outstanding.lose(self.config.attempts) {
            None => {
                outstanding.stage = ONE;
                Ok(None)
            }
            Some(times) => self.fail(PublishErrorKind::FilledAway { times }),
        }
    }

    /// Counts an answer that names no later epoch than the entry's. One such answer may date from before this epoch was
    /// entered; many in a row make no sense.
    #[cold]
    fn sealed_in_vain(&mut self, epoch: u64) -> Result<Option<Published<I>>, PublishError<Entry<I, P>>> {
        let Some(outstanding) = &mut self.outstanding else { return Ok(None) };
        match outstanding.lose(self.config.attempts) {
            None => Ok(None),
            Some(times) => self.fail(PublishErrorKind::Sealed { epoch, times }),
        }
    }

    /// The log already holds this very entry: from an earlier request or, at the first try, from another publisher of
    /// this name.
    #[cold]
    fn found(&mut self, slot: u64, sent: u32) -> Result<Option<Published<I>>, PublishError<Entry<I, P>>> {
        if sent > 1 {
            return Ok(self.succeed(slot));
        }
        let number = self.outstanding.as_ref().and_then(|outstanding| outstanding.entry.last_number());
        let highest = number.unwrap_or(u64::MAX);
        self.fail(PublishErrorKind::NumberUsed { highest })
    }

    #[inline]
    fn succeed(&mut self, slot: u64) -> Option<Published<I>> {
        let id = self.outstanding.as_ref()?.entry.id()?.clone();
        self.outstanding = None;
        Some(Published { id, slot })
    }

    #[cold]
    fn fail<T: Default>(
        &mut self,
        kind: PublishErrorKind<Entry<I, P>>,
    ) -> Result<T, PublishError<Entry<I, P>>> {
        if let PublishErrorKind::NumberUsed { highest } = kind {
            self.numbering.observe(highest);
        }
        match self.outstanding.take() {
            Some(Outstanding { entry, .. }) => Err(PublishError { value: entry, kind }),
            None => Ok(T::default()), // not reached: only an outstanding entry fails
        }
    }
}
