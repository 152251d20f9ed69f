//! The entries that have come, from the next slot on, as many as there is room for.

use super::measure::{owned, size};
use super::ring::Ring;
use super::{Content, Entry, MAX_SLOT, Payloads, SubscribeError};

#[derive(Debug)]
pub(super) struct Window<I, P> {
    /// From the next slot on, the first that is not taken.
    ring: Ring<Held<I, P>>,
    /// No entry is taken from here on: beyond the last slot there is, or where two contents were seen.
    end: u64,
    /// How many bytes the entries may have together.
    max_bytes: usize,
    /// How many they have.
    bytes: usize,
    measure: Option<fn(&P) -> usize>,
}

/// An entry, and how many bytes it counts for.
#[derive(Debug)]
pub(super) struct Held<I, P> {
    pub(super) entry: Entry<I, P>,
    pub(super) bytes: usize,
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
    pub(super) fn new(next: u64, limit: usize, max_bytes: usize, measure: Option<fn(&P) -> usize>) -> Self {
        let ring = Ring::new(next.clamp(1, MAX_SLOT + 1), limit.max(1));
        // So that the next entry and all others together do not overflow; no memory is larger.
        Self { ring, end: MAX_SLOT + 1, max_bytes: max_bytes.min(usize::MAX / 2), bytes: 0, measure }
    }

    /// Begins anew at `next`, with nothing kept.
    pub(super) fn restart(&mut self, next: u64) {
        *self = Self::new(next, self.limit(), self.max_bytes, self.measure);
    }

    /// Drops what is kept.
    pub(super) fn clear(&mut self) {
        (self.ring, self.bytes) = (Ring::new(self.next(), self.limit()), 0);
    }

    pub(super) fn next(&self) -> u64 {
        self.ring.first()
    }

    pub(super) fn limit(&self) -> usize {
        self.ring.limit()
    }

    /// How many bytes there is room for.
    pub(super) fn room(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes)
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
        self.ring.get(self.next()).map(|held| &held.entry)
    }

    /// Takes the entry in the next slot; that slot is passed then.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<I, P>> {
        let held = self.ring.pop()?;
        self.bytes -= held.bytes; // counted when it was kept
        Some(held.entry)
    }

    /// Passes all slots below `next`, which is ahead; `false` if it is beyond the end.
    pub(super) fn skip_to(&mut self, next: u64) -> bool {
        let ahead = (self.next()..=self.end).contains(&next);
        if ahead {
            self.ring.skip_to(next);
            self.count();
        }
        ahead
    }

    /// The first slot that is occupied.
    pub(super) fn nearest(&self) -> Option<u64> {
        self.ring.occupied().next()
    }

    /// Counts the bytes, after entries were dropped.
    fn count(&mut self) {
        self.bytes = self.ring.entries().map(|held| held.bytes).sum();
    }

    /// The place of an entry, if it is empty, and its bytes, which are counted then; `None` where there is more to do.
    #[inline]
    pub(super) fn place(
        &mut self,
        slot: u64,
        payloads: &Payloads<P>,
    ) -> Option<(&mut Option<Held<I, P>>, usize)> {
        if slot >= self.end {
            return None;
        }
        let place = self.ring.get_mut(slot).filter(|place| place.is_none())?;
        let bytes = size_of::<Entry<I, P>>().saturating_add(owned(payloads, self.measure));
        let sum = self.bytes.checked_add(bytes).filter(|&sum| sum <= self.max_bytes)?;
        self.bytes = sum;
        Some((place, bytes))
    }

    /// Keeps an entry in an empty place, if there is room for its bytes, or if it is the next one.
    fn keep(&mut self, slot: u64, entry: Entry<I, P>) -> Inserted {
        let bytes = size(&entry, self.measure);
        if bytes > self.room() && slot > self.next() {
            return Inserted::Dropped;
        }
        let Some(place) = self.ring.get_mut(slot) else { return Inserted::Dropped };
        let bytes = bytes.min(self.max_bytes);
        *place = Some(Held { entry, bytes });
        self.bytes += bytes; // at most twice the limit
        Inserted::Kept
    }

    /// Accepts an entry, unless its slot is passed or too far ahead, or there is no room for its bytes.
    ///
    /// Something that can be read takes the place of something that could not be.
    pub(super) fn insert(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Inserted, SubscribeError<I, P>>
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
        let Some(place) = self.ring.get_mut(slot) else { return Ok(Inserted::Dropped) };
        if let Some(held) = place {
            let was_readable = !is_unreadable(&held.entry);
            if held.entry == entry || was_readable && is_unreadable(&entry) {
                return Ok(Inserted::Kept);
            } else if was_readable {
                // This is the end.
                let first = held.entry.clone();
                self.ring.truncate(slot);
                self.end = slot;
                self.count();
                return Err(SubscribeError::Conflict { slot, first, second: entry });
            }
            *place = None;
            self.count();
        }
        Ok(self.keep(slot, entry))
    }

    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        if self.next() == 0 || self.next() > self.end {
            Err("S1: the next slot exists")
        } else if self.ring.occupied().any(|slot| slot > self.last().min(self.end - 1)) {
            Err("S5: the window is bounded, and nothing is taken from its end on")
        } else if self.bytes != self.ring.entries().map(|held| held.bytes).sum::<usize>() {
            Err("S5: the bytes of the window are counted")
        } else if self.bytes - self.ring.get(self.next()).map_or(0, |held| held.bytes) > self.max_bytes {
            Err("S5: the bytes of the window are bounded, but for the next entry")
        } else {
            Ok(())
        }
    }
}

fn is_unreadable<I, P>(entry: &Entry<I, P>) -> bool {
    matches!(entry.content(), Content::Unreadable(_))
}
