//! The search for the `Skip` of a slot that cannot be passed, and the memory of what was skipped.
//!
//! ```text
//!   slot      6    7    8    9   10   11   12   13
//!             ✗  (a,3) (c,1)  ─  (b,2) (b,3) skip 6
//!             │                ▲
//!             next             a later write may put the skip here: the next pass begins at this hole
//! ```

use crate::compat::BTreeSet;

/// How far the log was searched for a `Skip` of one slot.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The slot that cannot be passed; 0 if there was none yet.
    slot: u64,
    /// Where to read next.
    from: u64,
    /// The first hole of this pass: a `Skip` may still be written there.
    hole: Option<u64>,
    /// Whether to look first if the slot can be read by now.
    again: bool,
    found: bool,
}

impl Search {
    /// Where to read for a `Skip` of `slot`; `None` if the slot itself is to be read first. Begins anew if it is another slot.
    pub(super) fn begin(&mut self, slot: u64) -> Option<u64> {
        if self.slot != slot {
            *self = Self { slot, from: slot + 1, ..Self::default() }; // slots end at `MAX_SLOT`
        }
        (!self.again).then_some(self.from)
    }

    /// Whether it has begun for `slot`.
    pub(super) fn is_for(&self, slot: u64) -> bool {
        self.slot == slot
    }

    /// Whether a `Skip` of `slot` was found.
    pub(super) fn has_found(&self, slot: u64) -> bool {
        self.found && self.slot == slot
    }

    /// Notes a `Skip` of `skipped` that stands in `slot`.
    pub(super) fn note_skip(&mut self, slot: u64, skipped: u64) {
        self.found |= skipped == self.slot && skipped < slot;
    }

    /// Notes what a read from `from` on has found, in order; `is_all` if nothing follows. Returns whether to read on at
    /// once, or `None` if it was not a read for this search.
    pub(super) fn note_read(
        &mut self,
        from: u64,
        slots: impl Iterator<Item = u64>,
        is_all: bool,
    ) -> Option<bool> {
        if self.again && from <= self.slot {
            self.again = false;
            return Some(true);
        } else if from != self.from {
            return None;
        }
        for slot in slots {
            if slot > self.from && self.hole.is_none() {
                self.hole = Some(self.from);
            }
            self.from = slot + 1; // slots end at `MAX_SLOT`
        }
        if is_all {
            self.from = self.hole.take().unwrap_or(self.from);
            self.again = true;
        }
        Some(!is_all)
    }
}

/// The slots that were skipped, as many as are remembered.
#[derive(Debug)]
pub(super) struct Skipped {
    slots: BTreeSet<u64>,
    limit: usize,
}

impl Skipped {
    pub(super) fn new(slots: impl IntoIterator<Item = u64>, limit: usize) -> Self {
        let mut skipped = Self { slots: slots.into_iter().collect(), limit: limit.max(1) };
        while skipped.slots.len() > skipped.limit {
            skipped.slots.pop_first();
        }
        skipped
    }

    pub(super) fn insert(&mut self, slot: u64) {
        self.slots.insert(slot);
        if self.slots.len() > self.limit {
            self.slots.pop_first();
        }
    }

    pub(super) fn contains(&self, slot: u64) -> bool {
        self.slots.contains(&slot)
    }

    /// The slots, in increasing order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().copied()
    }
}
