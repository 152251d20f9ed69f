//! The entries that have come, from the next slot on: a ring that is as long as it must be, and no longer than its limit.

use core::fmt;

use super::{Entry, MAX_SLOT};
use crate::compat::VecDeque;

#[derive(Debug)]
pub(super) struct Window<I, P> {
    /// The first slot that is not taken.
    next: u64,
    /// From `next` on; the last one is occupied.
    slots: VecDeque<Option<Entry<I, P>>>,
    /// No entry is taken from here on: beyond the last slot there is, or where two contents were seen.
    end: u64,
    limit: usize,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// Its slot is passed.
    Passed,
    Kept,
    /// There is no room for it.
    Dropped,
}

impl<I, P> Window<I, P> {
    pub(super) fn new(next: u64, limit: usize) -> Self {
        Self {
            next: next.clamp(1, MAX_SLOT + 1),
            slots: VecDeque::new(),
            end: MAX_SLOT + 1,
            limit: limit.max(1),
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The last slot that there is room for.
    pub(super) fn last(&self) -> u64 {
        self.next.saturating_add(self.limit as u64 - 1)
    }

    /// Whether no entry is taken any more.
    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end
    }

    /// The entry in the next slot.
    #[inline]
    pub(super) fn front(&self) -> Option<&Entry<I, P>> {
        self.slots.front()?.as_ref()
    }

    /// Takes the entry in the next slot; that slot is passed then.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<I, P>> {
        self.front()?;
        // Below `end`, which is no higher than 2^63.
        self.next += 1;
        self.slots.pop_front()?
    }

    /// Passes all slots below `next`, which is ahead; `false` if it is beyond the end.
    pub(super) fn skip_to(&mut self, next: u64) -> bool {
        let Some(passed) = next.checked_sub(self.next).filter(|_| next <= self.end) else { return false };
        let passed = usize::try_from(passed).unwrap_or(usize::MAX).min(self.slots.len());
        self.slots.drain(..passed);
        self.next = next;
        true
    }

    /// The first slot that is occupied.
    pub(super) fn nearest(&self) -> Option<u64> {
        let occupied = self.slots.iter().zip(self.next..).find(|(entry, _)| entry.is_some());
        occupied.map(|(_, slot)| slot)
    }

    /// Takes in an entry, unless its slot is passed or too far ahead.
    #[inline]
    pub(super) fn insert(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
    where
        I: PartialEq + Clone,
        P: PartialEq + Clone,
    {
        let Some(offset) = slot.checked_sub(self.next) else { return Ok(Inserted::Passed) };
        if slot >= self.end {
            return Err(self.refuse(slot));
        }
        let offset = match usize::try_from(offset) {
            Ok(offset) if offset < self.limit => offset,
            _ => return Ok(Inserted::Dropped),
        };
        match self.slots.get_mut(offset) {
            Some(Some(_)) => return self.compare(offset, slot, entry),
            Some(hole) => *hole = Some(entry),
            None => {
                if offset > self.slots.len() {
                    self.slots.resize_with(offset, || None);
                }
                self.slots.push_back(Some(entry));
            }
        }
        Ok(Inserted::Kept)
    }

    #[cold]
    fn refuse(&self, slot: u64) -> SubscribeError<I, P> {
        if slot > MAX_SLOT {
            SubscribeError::Jump { next: self.next, slot }
        } else {
            SubscribeError::Halted { slot: self.end }
        }
    }

    /// The slot is occupied: the content must be the same. Otherwise this is the end.
    #[cold]
    fn compare(
        &mut self,
        offset: usize,
        slot: u64,
        second: Entry<I, P>,
    ) -> Result<Inserted, SubscribeError<I, P>>
    where
        I: PartialEq + Clone,
        P: PartialEq + Clone,
    {
        match self.slots.get(offset) {
            Some(Some(first)) if *first != second => {
                let first = first.clone();
                self.slots.truncate(offset);
                while let Some(None) = self.slots.back() {
                    self.slots.pop_back();
                }
                self.end = slot;
                Err(SubscribeError::Conflict { slot, first, second })
            }
            _ => Ok(Inserted::Kept),
        }
    }

    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        if self.next == 0 || self.next > self.end {
            Err("S1: the next slot exists")
        } else if self.slots.len() > self.limit {
            Err("S5: the window is bounded")
        } else if matches!(self.slots.back(), Some(None)) {
            Err("S5: the last slot of the window is occupied")
        } else {
            Ok(())
        }
    }
}

/// Why a subscriber cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError<I, P> {
    /// The log no longer has what comes next. [Install](super::Subscriber::install) a snapshot that is at least as far.
    Trimmed {
        /// The slot to deliver next.
        next: u64,
        /// The first slot that the log has.
        first: u64,
    },
    /// More holes in a row than are believed. Nothing is filled. Find out whether the counter or the log is right; if the
    /// holes are real, go on with a higher limit.
    Jump {
        /// The slot to deliver next.
        next: u64,
        /// The next one that is claimed.
        slot: u64,
    },
    /// Fatal: two contents in one slot, with both as proof. The log does not write once. What is below the slot can still
    /// be delivered; the slot and what follows will not be, since others may have delivered the other content.
    Conflict {
        /// The slot.
        slot: u64,
        /// What was seen first.
        first: Entry<I, P>,
        /// What was seen then.
        second: Entry<I, P>,
    },
    /// Two contents were seen in this slot before; nothing is taken from there on.
    Halted {
        /// The slot.
        slot: u64,
    },
}

impl<I: fmt::Debug, P: fmt::Debug> fmt::Display for SubscribeError<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscribeError::Trimmed { next, first } => {
                write!(f, "slot {next} comes next, but the log begins at {first}; install a snapshot")
            }
            SubscribeError::Jump { next, slot } => {
                write!(
                    f,
                    "slot {next} comes next, but {slot} is claimed and nothing between; check the counter"
                )
            }
            SubscribeError::Conflict { slot, first, second } => {
                write!(
                    f,
                    "slot {slot} held {first:?} and now holds {second:?}; the log does not write once, stop"
                )
            }
            SubscribeError::Halted { slot } => write!(f, "two contents were seen in slot {slot}; stop"),
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug> core::error::Error for SubscribeError<I, P> {}
