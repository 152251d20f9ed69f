//! A ring of slots from a first one on, which grows as needed up to its limit.
//!
//! ```text
//!   first is 9   ┌────┬────┬────┬────┐
//!                │ 12 │ 9  │    │ 11 │    slot s stands at s modulo the length, a power of two
//!                └────┴────┴────┴────┘
//! ```

use core::iter::Take;
use core::ops::RangeInclusive;

use crate::compat::Vec;

#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    first: u64,
    places: Vec<Option<T>>,
    /// The number of slots, from the first one on, that may be occupied.
    limit: usize,
}

impl<T> Ring<T> {
    pub(super) const fn new(first: u64, limit: usize) -> Self {
        Self { first, places: Vec::new(), limit }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the length is a power of two, so that it divides what is cut off"
    )]
    fn index(&self, slot: u64) -> usize {
        slot as usize & self.places.len().wrapping_sub(1)
    }

    /// Returns the distance of a slot from the first one, if the slot may be occupied.
    #[inline]
    fn offset(&self, slot: u64) -> Option<usize> {
        let offset = usize::try_from(slot.checked_sub(self.first)?).ok()?;
        (offset < self.limit).then_some(offset)
    }

    /// The entry in a slot.
    #[inline]
    pub(super) fn get(&self, slot: u64) -> Option<&T> {
        self.offset(slot).filter(|&offset| offset < self.places.len())?;
        self.places.get(self.index(slot))?.as_ref()
    }

    /// The entry in the first slot.
    pub(super) fn front(&self) -> Option<&T> {
        self.places.get(self.index(self.first))?.as_ref()
    }

    /// The place of the first slot, if there are any places.
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut Option<T>> {
        let index = self.index(self.first);
        self.places.get_mut(index)
    }

    /// Passes the first slot, after its entry was taken out.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.first += 1; // no overflow: occupied slots end at `MAX_SLOT`
    }

    /// Returns the place of a slot, if it may be occupied and the ring is long enough.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: u64) -> Option<&mut Option<T>> {
        self.offset(slot).filter(|&offset| offset < self.places.len())?;
        let index = self.index(slot);
        self.places.get_mut(index)
    }

    /// Makes the ring long enough for a slot, if the slot may be occupied. O(1), amortised over the slots.
    #[inline]
    pub(super) fn reach(&mut self, slot: u64) {
        if let Some(offset) = self.offset(slot).filter(|&offset| offset >= self.places.len()) {
            self.grow(offset);
        }
    }

    #[cold]
    fn grow(&mut self, offset: usize) {
        // In an empty ring there is nothing to move.
        let first = self.index(self.first).min(self.places.len());
        self.places.rotate_left(first);
        self.places.resize_with((offset + 1).next_power_of_two(), || None);
        let first = self.index(self.first);
        self.places.rotate_right(first);
    }

    /// Returns the slots that have places.
    fn slots(&self) -> Take<RangeInclusive<u64>> {
        (self.first..=u64::MAX).take(self.places.len())
    }

    /// Returns the occupied slots, in order.
    pub(super) fn occupied(&self) -> impl Iterator<Item = u64> {
        self.slots().filter(|&slot| self.get(slot).is_some())
    }

    /// Returns the entries, in any order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    fn clear(&mut self, slots: impl Iterator<Item = u64>) {
        for slot in slots {
            let index = self.index(slot);
            self.places[index] = None; // not empty, since it has a place for a slot
        }
    }

    /// Empties the slots from this one on.
    pub(super) fn truncate(&mut self, slot: u64) {
        self.clear(self.slots().skip_while(|&kept| kept < slot));
    }

    /// Passes all slots below this one, which is not below the first. O(passed).
    pub(super) fn skip_to(&mut self, slot: u64) {
        self.clear(self.slots().take_while(|&passed| passed < slot));
        self.first = slot;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        /// Any sequence of steps has the same effect as on a map of the occupied slots.
        fn does_what_a_map_does(first: u8, limit: u8, steps: Vec<(u8, u8)>) -> bool {
            let (mut first, limit) = (u64::from(first), usize::from(limit % 20));
            let (mut ring, mut map) = (Ring::new(first, limit), BTreeMap::new());
            steps.into_iter().enumerate().all(|(value, (kind, distance))| {
                let slot = (first + u64::from(distance % 24)).saturating_sub(2);
                match kind % 8 {
                    0 => {
                        let taken = map.remove(&first);
                        assert_eq!(ring.front_mut().and_then(Option::take), taken);
                        if taken.is_some() {
                            first += 1;
                            ring.pass();
                        }
                    }
                    1 => {
                        ring.truncate(slot);
                        map.split_off(&slot);
                    }
                    2 if slot >= first => {
                        ring.skip_to(slot);
                        map = map.split_off(&slot);
                        first = slot;
                    }
                    _ => {
                        ring.reach(slot);
                        let place = ring.get_mut(slot);
                        assert_eq!(place.is_some(), slot >= first && slot - first < limit as u64);
                        if let Some(place) = place {
                            assert_eq!(place.replace(value), map.insert(slot, value));
                        }
                    }
                }
                assert_eq!(ring.first(), first);
                assert!(ring.places.is_empty() || ring.places.len() < 2 * limit);
                (0..first + 30).all(|slot| ring.get(slot) == map.get(&slot)) && ring.occupied().eq(map.keys().copied())
            })
        }
    }
}
