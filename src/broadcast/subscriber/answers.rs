//! Answers of the log: to reads, and to fills.

use super::Subscriber;
use super::announcements::Accepted;
use super::history::Verdict;
use super::next_slot::NextSlot;
use super::standing::Standing;
use crate::broadcast::{Entry, InvalidAnswer, MAX_SLOT, ReadAnswer, ReadLimit, SubscribeError, WriteAnswer};
use crate::compat::Vec;
use crate::node::NodeId;

impl<I: NodeId, P> Subscriber<I, P> {
    /// Hands in the answer to a read from `from` on within `limit`. O(entries).
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Trimmed`], [`Jump`](SubscribeError::Jump), [`Conflict`](SubscribeError::Conflict) or
    /// [`Halted`](SubscribeError::Halted); the entries before that slot are kept.
    /// [`RolledBack`](SubscribeError::RolledBack): nothing is kept, and nothing is accepted any more.
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
        self.advance(now_ms);
        self.turns.end();
        self.turns.read_later(self.config.poll_ms);
        match answer {
            ReadAnswer::Trimmed { first } => {
                self.handle_trimmed(from, first)?;
                if self.history.note_trimmed(from, first) {
                    self.turns.read_now();
                }
                Ok(())
            }
            ReadAnswer::Entries(entries) => {
                self.check_answer(from, limit, &entries)?;
                if self.compare(from, &entries)? { self.accept_all(from, limit, entries) } else { Ok(()) }
            }
        }
    }

    /// Refuses an answer whose slots do not go up, or with too many entries.
    fn check_answer(
        &mut self,
        from: u64,
        limit: ReadLimit,
        entries: &[(u64, Entry<I, P>)],
    ) -> Result<(), SubscribeError<I, P>> {
        let mut least = from;
        for &(slot, _) in entries {
            if slot < least || slot > MAX_SLOT {
                return self.refuse(from, InvalidAnswer::Order);
            }
            least = slot + 1;
        }
        if entries.len() > limit.entries {
            return self.refuse(from, InvalidAnswer::TooManyEntries);
        }
        Ok(())
    }

    /// Compares an answer with the passed entries; returns whether its entries can be accepted.
    fn compare(&mut self, from: u64, entries: &[(u64, Entry<I, P>)]) -> Result<bool, SubscribeError<I, P>> {
        if let Standing::RolledBack { slot } = self.standing {
            return Err(SubscribeError::RolledBack { slot });
        }
        match self.history.compare(from, self.epoch, entries) {
            Verdict::Same => {}
            Verdict::Unknown => {
                self.fail(); // so that there is a pause
                return Ok(false);
            }
            Verdict::ReadOn => {
                self.turns.read_now();
                return Ok(false);
            }
            Verdict::RolledBack { slot } => {
                self.standing = Standing::RolledBack { slot };
                self.window.clear();
                return Err(SubscribeError::RolledBack { slot });
            }
        }
        let next = self.window.next();
        let ahead = entries.iter().filter(|&&(slot, _)| slot >= next);
        let (epoch, depth) = (ahead.map(|(_, entry)| entry.epoch()).max(), self.window.limit() as u64);
        if epoch.is_some_and(|epoch| self.history.begin_check(epoch, self.epoch, depth)) {
            self.drop_kept();
            return Ok(false);
        }
        Ok(true)
    }

    /// Accepts the entries of an answer, notes the slots that it leaves out, and begins the next step for the next
    /// slot.
    fn accept_all(
        &mut self,
        from: u64,
        limit: ReadLimit,
        entries: Vec<(u64, Entry<I, P>)>,
    ) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        let next = self.window.next();
        let from = from.max(next); // passed slots are known
        // A longer answer may have been cut off by the limit in bytes.
        let is_all = entries.len() < limit.entries.min(2);
        let searched = self.search.note_read(next, from, entries.iter().map(|&(slot, _)| slot), is_all);
        let mut read_up_to = if is_all { self.claims.claimed() } else { 0 };
        let (mut nearest, mut kept_up_to) = (None, self.window.last());
        for (slot, entry) in entries {
            read_up_to = read_up_to.max(slot);
            if slot < next {
                continue; // passed
            }
            nearest = nearest.or((slot > next).then_some(slot));
            if self.accept(slot, entry)? == Accepted::Dropped {
                kept_up_to = kept_up_to.min(slot - 1); // not below the next slot
            }
        }
        if from <= next {
            self.claims.cover(read_up_to.min(kept_up_to));
        }
        match self.next_slot() {
            NextSlot::Stuck => {
                if searched.unwrap_or_else(|| !self.search.is_for(next)) {
                    self.turns.read_now();
                }
            }
            NextSlot::Ready => {
                self.turns.read_now(); // there may be more after it
                self.turns.note_progress();
            }
            NextSlot::Unread | NextSlot::Unknown | NextSlot::Hole { .. } => {
                if from <= next && self.claims.is_hole(next) {
                    return self.begin_wait(next, nearest);
                }
            }
            NextSlot::Over => {}
        }
        Ok(())
    }

    /// Begins to wait for the next slot, which is a hole below `nearest`, unless there are too many holes.
    fn begin_wait(&mut self, next: u64, nearest: Option<u64>) -> Result<(), SubscribeError<I, P>> {
        let claimed = self.claims.claimed();
        let nearest = nearest.or_else(|| self.window.nearest()).unwrap_or(claimed + 1);
        if nearest - next > self.config.jump {
            self.claims.uncover(next); // not to be filled
            return Err(SubscribeError::Jump { next, slot: nearest });
        }
        self.patience.begin(next, claimed);
        Ok(())
    }

    /// Hands in the answer to a fill of `slot` in `epoch`. O(1).
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
        self.advance(now_ms);
        self.turns.end();
        self.turns.read_now();
        match answer {
            WriteAnswer::Written => self.handle_filled(slot, Entry::fill(epoch)),
            WriteAnswer::Occupied(entry) => self.handle_occupied(slot, entry),
            WriteAnswer::Sealed { epoch: lowest } => self.handle_sealed(slot, epoch, lowest),
            WriteAnswer::Trimmed { first } => self.handle_trimmed(slot, first),
            WriteAnswer::NumberUsed { .. } => self.refuse(slot, InvalidAnswer::NumberUsed),
        }
    }

    /// Accepts what stands in a slot that was to be filled.
    fn handle_filled(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        self.turns.note_progress();
        self.accept(slot, entry).map(drop)
    }

    /// Accepts the entry that a fill has found. If it is of another epoch, it is read again, like an announced one.
    fn handle_occupied(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if entry.epoch() == self.epoch || slot != self.window.next() {
            return self.handle_filled(slot, entry);
        }
        if self.turns.refuse() {
            return self.refuse(slot, InvalidAnswer::Missing);
        }
        self.handle_entry(slot, entry)
    }

    /// Notes that a fill of `epoch` is refused, and `lowest` is the lowest epoch that may write.
    fn handle_sealed(&mut self, slot: u64, epoch: u64, lowest: u64) -> Result<(), SubscribeError<I, P>> {
        if lowest <= epoch {
            return self.refuse(slot, InvalidAnswer::Sealed);
        }
        if lowest > self.sealed {
            self.sealed = lowest;
            if self.turns.refuse() {
                return self.refuse(slot, InvalidAnswer::Sealed);
            }
        }
        // The epoch may have begun because the log was restored: the next fill comes after another read.
        self.claims.uncover(self.window.next());
        Ok(())
    }

    /// Notes that `slot` is trimmed, and the log begins at `first`.
    fn handle_trimmed(&mut self, slot: u64, first: u64) -> Result<(), SubscribeError<I, P>> {
        let next = self.window.next();
        if first <= slot {
            return self.refuse(slot, InvalidAnswer::Trimmed);
        }
        if first > next { Err(SubscribeError::Trimmed { next, first }) } else { Ok(()) }
    }

    /// Refuses an answer about `slot` as a whole, and asks again after a pause.
    fn refuse(&mut self, slot: u64, kind: InvalidAnswer) -> Result<(), SubscribeError<I, P>> {
        self.fail();
        Err(SubscribeError::InvalidAnswer { slot, kind })
    }
}
