//! The entries that have come, from the next slot on, up to a limit in slots and in bytes.
//!
//! # Invariants
//!
//! - WD1: a slot is passed when its entry is taken out, or when the window begins at another slot, and only then.
//! - WD2: the window holds no more slots than its limit, and none at or above the end that the subscriber sets.
//! - WD3: the window holds no more bytes than its limit, apart from those of the next entry.

use crate::broadcast::measure::{owned, size};
use crate::broadcast::ring::Ring;
use crate::broadcast::{Content, Entry, MAX_SLOT, Payloads};

#[derive(Debug)]
pub(super) struct Window<I, P> {
    /// The entries from the next slot on, which is the first that is not passed.
    ring: Ring<Held<I, P>>,
    /// The most bytes of all entries together.
    max_bytes: usize,
    /// The bytes of all entries together.
    bytes: usize,
    measure: Option<fn(&P) -> usize>,
}

/// An entry, and the bytes that it counts for.
#[derive(Debug)]
pub(super) struct Held<I, P> {
    pub(super) entry: Entry<I, P>,
    pub(super) bytes: usize,
}

/// The result of handing in an entry.
pub(super) enum Inserted<I, P> {
    /// The entry is in the window.
    Kept,
    /// There is no room for the entry.
    Dropped,
    /// The slot held another entry. That and all later entries are taken out.
    Conflict { first: Entry<I, P>, second: Entry<I, P> },
}

impl<I, P> Window<I, P> {
    pub(super) fn new(next: u64, limit: usize, max_bytes: usize, measure: Option<fn(&P) -> usize>) -> Self {
        let ring = Ring::new(next.clamp(1, MAX_SLOT + 1), limit.max(1));
        // Half, so that the next entry and all others together do not overflow. No memory is larger.
        Self { ring, max_bytes: max_bytes.min(usize::MAX / 2), bytes: 0, measure }
    }

    /// Begins anew at `next`, without any entry.
    pub(super) fn restart(&mut self, next: u64) {
        *self = Self::new(next, self.limit(), self.max_bytes, self.measure);
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        (self.ring, self.bytes) = (Ring::new(self.next(), self.limit()), 0);
    }

    pub(super) fn next(&self) -> u64 {
        self.ring.first()
    }

    pub(super) fn limit(&self) -> usize {
        self.ring.limit()
    }

    /// Returns the bytes of free room.
    pub(super) fn room(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes)
    }

    /// Returns the last slot that fits.
    pub(super) fn last(&self) -> u64 {
        self.next().saturating_add(self.limit() as u64 - 1)
    }

    /// The entry in the next slot.
    pub(super) fn front(&self) -> Option<&Entry<I, P>> {
        self.ring.front().map(|held| &held.entry)
    }

    /// The place of the next slot. After the entry is taken out of it, call [`pass`](Self::pass).
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut Option<Held<I, P>>> {
        self.ring.front_mut()
    }

    /// Passes the next slot, after its entry of `bytes` was taken out.
    #[inline]
    pub(super) fn pass(&mut self, bytes: usize) {
        self.bytes -= bytes; // counted when it was kept
        self.ring.pass();
    }

    /// Takes out the entry in the next slot, and passes the slot.
    pub(super) fn pop(&mut self) -> Option<Entry<I, P>> {
        let Held { entry, bytes } = self.ring.front_mut()?.take()?;
        self.pass(bytes);
        Some(entry)
    }

    /// Passes all slots below `next`, which is not below the next one. O(passed).
    pub(super) fn skip_to(&mut self, next: u64) {
        self.ring.skip_to(next);
        self.count();
    }

    /// The first slot that is occupied.
    pub(super) fn nearest(&self) -> Option<u64> {
        self.ring.occupied().next()
    }

    /// Counts the bytes, after entries were dropped.
    fn count(&mut self) {
        self.bytes = self.ring.entries().map(|held| held.bytes).sum();
    }

    /// Returns the place of an entry and the entry's bytes, which are counted already. `None` if the place is not
    /// empty, or there is more to do.
    #[inline]
    pub(super) fn place(
        &mut self,
        slot: u64,
        payloads: &Payloads<P>,
    ) -> Option<(&mut Option<Held<I, P>>, usize)> {
        let bytes = size_of::<Entry<I, P>>().saturating_add(owned(payloads, self.measure));
        let sum = self.bytes.checked_add(bytes).filter(|&sum| sum <= self.max_bytes)?;
        let place = self.ring.get_mut(slot).filter(|place| place.is_none())?;
        self.bytes = sum;
        Some((place, bytes))
    }

    /// Accepts an entry of a slot that is not below the next one, if there is room for it.
    ///
    /// A readable entry replaces an unreadable one.
    pub(super) fn insert(&mut self, slot: u64, entry: Entry<I, P>) -> Inserted<I, P>
    where
        I: PartialEq + Clone,
        P: PartialEq + Clone,
    {
        self.ring.reach(slot);
        let Some(place) = self.ring.get_mut(slot) else { return Inserted::Dropped };
        if let Some(held) = place {
            let was_readable = !is_unreadable(&held.entry);
            if held.entry == entry || was_readable && is_unreadable(&entry) {
                return Inserted::Kept;
            } else if was_readable {
                let first = held.entry.clone();
                self.ring.truncate(slot);
                self.count();
                return Inserted::Conflict { first, second: entry };
            }
            *place = None;
            self.count();
        }
        self.keep(slot, entry)
    }

    /// Keeps an entry in an empty place, if there is room for its bytes, or if it is the next one.
    fn keep(&mut self, slot: u64, entry: Entry<I, P>) -> Inserted<I, P> {
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

    /// Checks the invariants; no entry may be at or above `end`.
    pub(super) fn internal_validate(&self, end: u64) -> Result<(), &'static str> {
        if self.next() == 0 || self.next() > MAX_SLOT + 1 {
            Err("WD1: the next slot exists, or is the one after the last")
        } else if self.ring.occupied().any(|slot| slot > self.last() || slot >= end) {
            Err("WD2: the window is bounded, and nothing is kept at or above its end")
        } else if self.bytes != self.ring.entries().map(|held| held.bytes).sum::<usize>() {
            Err("WD3: the bytes of the window are counted")
        } else if self.bytes - self.ring.front().map_or(0, |held| held.bytes) > self.max_bytes {
            Err("WD3: the bytes of the window are bounded, but for the next entry")
        } else {
            Ok(())
        }
    }
}

fn is_unreadable<I, P>(entry: &Entry<I, P>) -> bool {
    matches!(entry.content(), Content::Unreadable(_))
}
