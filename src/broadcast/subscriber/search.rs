//! The search for the `Skip` of a slot that cannot be passed, and the memory of skipped slots.
//!
//! ```text
//!   slot      6    7    8    9   10   11   12   13
//!             ✗  (a,3) (c,1)  ─  (b,2) (b,3) skip 6
//!             │                ▲
//!             next             a later write may put the skip here: the next pass begins at this hole
//! ```

use crate::compat::BTreeSet;

/// The state of the search for a `Skip` of one slot.
///
/// ```text
///                         the log ends here
///   Idle ──► Ahead(from) ───────────────────► Again
///                 │ ▲ ◄──── the slot is read ───┘
///                 ▼
///               Found          another slot that cannot be passed: begins anew
/// ```
#[derive(Debug)]
pub(super) enum Search {
    /// No search has begun.
    Idle,
    /// The log is read from `from` on.
    Ahead {
        slot: u64,
        from: u64,
        /// The first hole of this pass: a `Skip` may still be written there.
        hole: Option<u64>,
    },
    /// A pass is over. The slot itself is read, since it may be restored by now. Then the next pass begins at `from`.
    Again { slot: u64, from: u64 },
    /// A `Skip` of the slot was found.
    Found { slot: u64 },
}

impl Search {
    /// The slot that cannot be passed.
    fn slot(&self) -> Option<u64> {
        match *self {
            Self::Idle => None,
            Self::Ahead { slot, .. } | Self::Again { slot, .. } | Self::Found { slot } => Some(slot),
        }
    }

    /// Returns the slot to read from in search of a `Skip` of `slot`, or `None` if `slot` itself must be read first. A
    /// search for another slot begins anew.
    pub(super) fn begin(&mut self, slot: u64) -> Option<u64> {
        if !self.is_for(slot) {
            *self = Self::Ahead { slot, from: slot + 1, hole: None }; // slots end at `MAX_SLOT`
        }
        match *self {
            Self::Ahead { from, .. } => Some(from),
            Self::Idle | Self::Again { .. } | Self::Found { .. } => None,
        }
    }

    /// Returns whether the search is for `slot`.
    pub(super) fn is_for(&self, slot: u64) -> bool {
        self.slot() == Some(slot)
    }

    /// Returns whether a `Skip` of `slot` was found.
    pub(super) fn has_found(&self, slot: u64) -> bool {
        matches!(*self, Self::Found { slot: found } if found == slot)
    }

    /// Notes a `Skip` of `skipped` that stands in `slot`.
    pub(super) fn note_skip(&mut self, slot: u64, skipped: u64) {
        if self.is_for(skipped) && skipped < slot {
            *self = Self::Found { slot: skipped };
        }
    }

    /// Notes the slots that a read from `first` on has found, in order. `is_all` tells that no more follow, and `next`
    /// is the next slot. Returns whether to read on at once, or `None` if the read was not for this search.
    pub(super) fn note_read(
        &mut self,
        next: u64,
        first: u64,
        slots: impl Iterator<Item = u64>,
        is_all: bool,
    ) -> Option<bool> {
        match *self {
            Self::Again { slot, from } if slot == next && first == slot => {
                *self = Self::Ahead { slot, from, hole: None };
                Some(true)
            }
            Self::Ahead { slot, mut from, mut hole } if slot == next && first == from => {
                for found in slots {
                    if found > from && hole.is_none() {
                        hole = Some(from);
                    }
                    from = found + 1; // slots end at `MAX_SLOT`
                }
                *self = if is_all {
                    Self::Again { slot, from: hole.unwrap_or(from) }
                } else {
                    Self::Ahead { slot, from, hole }
                };
                Some(!is_all)
            }
            Self::Idle | Self::Ahead { .. } | Self::Again { .. } | Self::Found { .. } => None,
        }
    }
}

/// The slots that were skipped, up to a limit.
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
