//! The entries that have come, from the next slot on, as many as there is room for.

use core::fmt;

use super::ring::Ring;
use super::{Entry, MAX_SLOT};

#[derive(Debug)]
pub(super) struct Window<I, P> {
    /// From the next slot on, the first that is not taken.
    ring: Ring<Entry<I, P>>,
    /// No entry is taken from here on: beyond the last slot there is, or where two contents were seen.
    end: u64,
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
        Self { ring: Ring::new(next.clamp(1, MAX_SLOT + 1), limit.max(1)), end: MAX_SLOT + 1 }
    }

    pub(super) fn next(&self) -> u64 {
        self.ring.first()
    }

    pub(super) fn limit(&self) -> usize {
        self.ring.limit()
    }

    /// The last slot that there is room for.
    pub(super) fn last(&self) -> u64 {
        self.next().saturating_add(self.limit() as u64 - 1)
    }

    /// Whether no entry is taken any more.
    pub(super) fn is_over(&self) -> bool {
        self.next() >= self.end
    }

    /// The entry in the next slot.
    #[inline]
    pub(super) fn front(&self) -> Option<&Entry<I, P>> {
        self.ring.get(self.next())
    }

    /// Takes the entry in the next slot; that slot is passed then.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<I, P>> {
        self.ring.pop()
    }

    /// Passes all slots below `next`, which is ahead; `false` if it is beyond the end.
    pub(super) fn skip_to(&mut self, next: u64) -> bool {
        let ahead = (self.next()..=self.end).contains(&next);
        if ahead {
            self.ring.skip_to(next);
        }
        ahead
    }

    /// The first slot that is occupied.
    pub(super) fn nearest(&self) -> Option<u64> {
        self.ring.occupied().next()
    }

    /// Takes in an entry, unless its slot is passed or too far ahead.
    #[inline]
    pub(super) fn insert(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
    where
        I: PartialEq + Clone,
        P: PartialEq + Clone,
    {
        if slot < self.end
            && let Some(place @ None) = self.ring.get_mut(slot)
        {
            *place = Some(entry);
            return Ok(Inserted::Kept);
        }
        self.insert_elsewhere(slot, entry)
    }

    /// As `insert`, where there is no empty place yet, or none at all.
    #[cold]
    fn insert_elsewhere(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
    where
        I: PartialEq + Clone,
        P: PartialEq + Clone,
    {
        if slot < self.next() {
            return Ok(Inserted::Passed);
        } else if slot > MAX_SLOT {
            return Err(SubscribeError::Jump { next: self.next(), slot });
        } else if slot >= self.end {
            return Err(SubscribeError::Halted { slot: self.end });
        }
        self.ring.reach(slot);
        match self.ring.get_mut(slot) {
            None => return Ok(Inserted::Dropped),
            Some(Some(first)) if *first != entry => {
                // This is the end.
                let first = first.clone();
                self.ring.truncate(slot);
                self.end = slot;
                return Err(SubscribeError::Conflict { slot, first, second: entry });
            }
            Some(place) => *place = Some(entry),
        }
        Ok(Inserted::Kept)
    }

    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        if self.next() == 0 || self.next() > self.end {
            Err("S1: the next slot exists")
        } else if self.ring.occupied().any(|slot| slot > self.last().min(self.end - 1)) {
            Err("S5: the window is bounded, and nothing is taken from its end on")
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
