//! The last entry that a subscriber has passed: a log that does not hold it any more was rolled back.
//!
//! ```text
//!   before    1: (a,1)   2: (a,2)   3: (b,1)            a subscriber has passed 3
//!   restored  1: (a,1)                                   from a backup
//!   since     1: (a,1)   2: (b,2)   3: (a,3)   4: (b,3)
//!                                   └─ a read from 3 on does not begin with (b,1): the log was rolled back
//! ```
//!
//! Every read begins with the slot that was passed last, so that each answer can be compared with what was passed there.
//!
//! That is enough where the backup has no hole below its last slot. If it has one, a subscriber may have passed that hole
//! when it held a message, and have passed last what the backup holds too. So before the first entry of a later epoch is
//! accepted, the slots that were passed before are read once more, as many as the window has: none may be empty, and
//! none of a later epoch than what was passed.

use super::{Content, Entry};
use crate::node::{Dot, NodeId};

/// The last entry that a subscriber has passed, without what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<I> {
    /// Its slot.
    pub slot: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The id of its first message; `None` for what has no id.
    pub id: Option<Dot<I>>,
}

/// The comparison of an answer with what was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The log holds what was passed, or there is nothing to compare.
    Same,
    /// The answer leaves out what was passed, and may be of a read that began before it was written. It is dropped.
    /// Too many of them in a row are a [rollback](Self::RolledBack).
    Unknown,
    /// The slots that were passed are being read once more; there is more to read of them, or what follows.
    ReadOn,
    /// The log does not hold any more what was passed in this slot.
    RolledBack { slot: u64 },
}

/// So many answers in a row that leave out a slot which was passed are not all late.
const GAPS: u32 = 8;

/// So many answers in a row that leave out the slot which was passed last did not all begin before it was written.
const LATE: u32 = 64;

#[derive(Debug)]
pub(super) struct History<I> {
    /// The slot passed last; 0 if nothing is known of it.
    slot: u64,
    epoch: u64,
    /// The node of its first message. Kept when a fill is passed, so that its memory is used again.
    node: Option<I>,
    /// The number of its first message; 0 for a fill.
    number: u64,
    /// A read from here on, or from below, may have begun before that slot was written.
    unchecked: u64,
    /// The log has trimmed that slot, so that the next read begins above it.
    trimmed: bool,
    /// Where to read on of the slots that were passed; 0 if they need not be read.
    back: u64,
    /// Up to this epoch, what was passed was read once more.
    checked: u64,
    /// How often in a row a read has left out a slot that was passed, and may have begun before it was.
    gaps: u32,
    /// A slot that the log does not hold any more as it was passed.
    rolled_back: Option<u64>,
}

impl<I: NodeId> History<I> {
    /// Goes on after `passed`, if `next` is the slot after it, or is the same slot with messages left to deliver.
    pub(super) fn new(passed: Option<Passed<I>>, next: u64) -> Self {
        let Passed { slot, epoch, id } = passed
            .filter(|passed| (next.saturating_sub(1)..=next).contains(&passed.slot))
            .unwrap_or(Passed { slot: 0, epoch: 0, id: None });
        let number = id.as_ref().map_or(0, Dot::counter);
        let node = id.map(|id| id.node().clone());
        Self {
            slot,
            epoch,
            node,
            number,
            unchecked: 0,
            trimmed: false,
            back: 0,
            checked: 0,
            gaps: 0,
            rolled_back: None,
        }
    }

    /// Goes on elsewhere. Answers to reads from up to `asked` may still come, unless the log was rolled back.
    pub(super) fn install(&mut self, passed: Option<Passed<I>>, next: u64, asked: u64) {
        let unchecked = if self.rolled_back.is_some() { 0 } else { self.unchecked.max(asked) };
        *self = Self { unchecked, ..Self::new(passed, next) };
    }

    /// Notes that the entry in `slot` is passed. O(1); nothing is allocated while messages are of one node.
    #[inline]
    pub(super) fn note(&mut self, slot: u64, entry: &Entry<I, impl Sized>) {
        // Whatever panics below leaves nothing to compare, and nothing wrong.
        (self.slot, self.trimmed) = (0, false);
        self.epoch = entry.epoch();
        self.number = 0;
        if let Some(id) = entry.id() {
            match &mut self.node {
                Some(node) if node == id.node() => {}
                Some(node) => node.clone_from(id.node()),
                None => self.node = Some(id.node().clone()),
            }
            self.number = id.counter();
        }
        self.slot = slot;
    }

    /// Notes that something is passed of which nothing is known.
    pub(super) fn forget(&mut self) {
        (self.slot, self.trimmed, self.back) = (0, false, 0);
    }

    pub(super) fn passed(&self) -> Option<Passed<I>> {
        let id = self.node.clone().and_then(|node| Dot::new(node, self.number));
        (self.slot > 0).then_some(Passed { slot: self.slot, epoch: self.epoch, id })
    }

    /// Where to read from if `next` is the next slot.
    pub(super) fn read_from(&mut self, next: u64) -> u64 {
        if self.slot == 0 || self.trimmed {
            self.unchecked = self.unchecked.max(next);
            return next;
        }
        if self.back > 0 { self.back } else { self.slot.min(next) }
    }

    /// Whether `epoch`, that of an entry to come, is later than all that was passed, of which the last is of `passed`.
    /// Begins to read the last `depth` slots once more then, unless that was done for this epoch.
    pub(super) fn begin_check(&mut self, epoch: u64, passed: u64, depth: u64) -> bool {
        let begins = self.slot > 0 && epoch > passed.max(self.checked);
        if begins {
            self.back = self.slot.saturating_sub(depth).max(1);
            self.checked = epoch;
        }
        begins
    }

    /// Compares the answer to a read from `from` on; `epoch` is the highest that was passed.
    pub(super) fn compare(
        &mut self,
        from: u64,
        epoch: u64,
        entries: &[(u64, Entry<I, impl Sized>)],
    ) -> Verdict {
        if self.back > 0 && from == self.back && from < self.slot {
            return self.check(epoch, entries);
        }
        if self.slot == 0 || from > self.slot {
            self.trimmed = false;
            return Verdict::Same;
        }
        let found = entries.iter().find(|(slot, _)| *slot == self.slot);
        match found {
            Some((_, entry)) if self.is_passed(entry) => {
                (self.back, self.gaps) = (0, 0);
                Verdict::Same
            }
            None if from < self.slot => Verdict::Unknown,
            None if from <= self.unchecked => self.note_gap(self.slot, LATE),
            _ => self.roll_back(self.slot),
        }
    }

    /// Compares slots below the one passed last, from `back` on: each is occupied, and of no later epoch than `epoch`.
    fn check(&mut self, epoch: u64, entries: &[(u64, Entry<I, impl Sized>)]) -> Verdict {
        let mut back = self.back;
        for (slot, entry) in entries.iter().take_while(|(slot, _)| *slot < self.slot) {
            if entry.epoch() > epoch {
                return self.roll_back(*slot);
            } else if *slot != back {
                return self.note_gap(back, GAPS);
            }
            back += 1;
        }
        let is_cut =
            back < self.slot && (entries.len() < 2 || entries.iter().any(|(slot, _)| *slot >= self.slot));
        if is_cut {
            return self.note_gap(back, GAPS);
        }
        (self.back, self.gaps) = (back, 0);
        Verdict::ReadOn
    }

    /// Notes that a slot was empty that was passed; or that the answer is an old one, if it does not come often.
    fn note_gap(&mut self, slot: u64, limit: u32) -> Verdict {
        self.gaps += 1; // up to a limit
        if self.gaps < limit {
            return Verdict::Unknown;
        }
        self.roll_back(slot)
    }

    fn roll_back(&mut self, slot: u64) -> Verdict {
        self.rolled_back = Some(slot);
        Verdict::RolledBack { slot }
    }

    /// Whether an entry in that slot is the one that was passed; what cannot be read may be.
    fn is_passed(&self, entry: &Entry<I, impl Sized>) -> bool {
        let same = entry.epoch() == self.epoch
            && match entry.id() {
                Some(id) => id.counter() == self.number && self.node.as_ref() == Some(id.node()),
                None => self.number == 0,
            };
        same || matches!(entry.content(), Content::Unreadable(_))
    }

    /// Notes that a read from `from` on has found that the log begins at `first`, which is not above the next slot;
    /// whether only what was passed is trimmed, so that another read will find what follows.
    pub(super) fn note_trimmed(&mut self, from: u64, first: u64) -> bool {
        let passed = (1..first).contains(&self.slot) && from <= self.slot;
        let back = self.back > 0 && from == self.back;
        self.trimmed |= passed;
        if back {
            self.back = if passed { 0 } else { first };
        }
        passed || back
    }

    /// A slot that the log does not hold any more as it was passed, once one was seen.
    pub(super) fn rolled_back(&self) -> Option<u64> {
        self.rolled_back
    }
}
