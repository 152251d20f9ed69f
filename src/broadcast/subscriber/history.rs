//! The last entry that a subscriber has passed. A log that no longer holds it was rolled back.
//!
//! ```text
//!   before    1: (a,1)   2: (a,2)   3: (b,1)            a subscriber has passed 3
//!   restored  1: (a,1)                                   from a backup
//!   since     1: (a,1)   2: (b,2)   3: (a,3)   4: (b,3)
//!                                   └─ a read from 3 on does not begin with (b,1): the log was rolled back
//! ```
//!
//! Every read begins with the slot passed last, so each answer can be compared with the entry passed there.
//!
//! That is enough if the backup has no hole below its last slot. If it has one, a subscriber may have passed a message
//! in that slot, and may have passed last an entry that the backup holds too. So before the first entry of a later
//! epoch is accepted, the last slots passed are read once more, as many as the window holds. None may be empty, and
//! none may be of a later epoch than the passed ones.

use crate::broadcast::{Content, Entry, Passed};
use crate::node::{Dot, NodeId};

/// The result of comparing an answer with the passed entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The log holds the passed entry, or there is nothing to compare.
    Same,
    /// The answer leaves out the passed entry. Its read may have begun before that was written, so the answer is
    /// dropped. Too many of them in a row are a [rollback](Self::RolledBack).
    Unknown,
    /// The passed slots are being read once more, and the read goes on: with more of them, or with later slots.
    ReadOn,
    /// The log no longer holds the entry passed in this slot.
    RolledBack { slot: u64 },
}

/// The number of answers in a row without a passed slot that cannot all be late.
const GAPS: u32 = 8;

/// The number of answers in a row without the slot passed last whose reads cannot all have begun before it was written.
const LATE: u32 = 64;

/// The first slot of a read.
///
/// ```text
///            an entry of a later epoch is to come
///   Last ◄──────────────────────────────────────► Back(from) ─┐
///    ▲ │     compared up to the slot passed last    ▲         │ compared up to a slot below
///    │ │                                            └─────────┘
///    │ └── the log has trimmed the slot passed last ──► Next ◄── the same, while in Back
///    └─────────── a read from the next slot on, or another slot is passed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The slot passed last, if anything is known of it.
    Last,
    /// The next slot: the slot passed last, `trimmed`, is no longer in the log.
    Next { trimmed: u64 },
    /// A slot below the one passed last: the passed slots from here on are read once more.
    Back { from: u64 },
}

#[derive(Debug)]
pub(super) struct History<I> {
    /// The slot passed last; 0 if nothing is known of it.
    slot: u64,
    epoch: u64,
    /// The node of its first message. It is kept when a fill is passed, so that its memory is reused.
    node: Option<I>,
    /// The number of its first message; 0 for a fill.
    number: u64,
    start: Start,
    /// A read from this slot on, or from a lower one, may have begun before the slot passed last was written.
    unchecked: u64,
    /// The highest epoch before which the passed slots were read once more.
    checked: u64,
    /// The number of reads in a row that have left out a passed slot, and may have begun before it was written.
    gaps: u32,
}

impl<I: NodeId> History<I> {
    /// Makes the history that ends with `passed`, if `next` is the slot after it, or the same slot with messages left
    /// to deliver.
    pub(super) fn new(passed: Option<Passed<I>>, next: u64) -> Self {
        let Passed { slot, epoch, id } = passed
            .filter(|passed| (next.saturating_sub(1)..=next).contains(&passed.slot))
            .unwrap_or(Passed { slot: 0, epoch: 0, id: None });
        let number = id.as_ref().map_or(0, Dot::counter);
        let node = id.map(|id| id.node().clone());
        Self { slot, epoch, node, number, start: Start::Last, unchecked: 0, checked: 0, gaps: 0 }
    }

    /// Continues at another place in the same log. Answers to reads from slots up to `asked` may still come.
    pub(super) fn install(&mut self, passed: Option<Passed<I>>, next: u64, asked: u64) {
        *self = Self { unchecked: self.unchecked.max(asked), ..Self::new(passed, next) };
    }

    /// Notes that an entry is passed: its slot, its epoch, and its id if it has one. O(1); does not allocate while
    /// messages are of one node.
    #[inline]
    pub(super) fn note(&mut self, slot: u64, epoch: u64, id: Option<&Dot<I>>) {
        let mut number = 0;
        if let Some(id) = id {
            // The caller's code runs first: nothing is changed if it panics.
            if self.node.as_ref() != Some(id.node()) {
                self.note_node(id.node());
            }
            number = id.counter();
        }
        (self.slot, self.epoch, self.number) = (slot, epoch, number);
    }

    #[cold]
    fn note_node(&mut self, node: &I) {
        // If the caller's code panics, there is nothing to compare, which is safe.
        self.slot = 0;
        match &mut self.node {
            Some(kept) => kept.clone_from(node),
            None => self.node = Some(node.clone()),
        }
    }

    /// Notes that an unknown entry is passed.
    pub(super) fn forget(&mut self) {
        (self.slot, self.start) = (0, Start::Last);
    }

    pub(super) fn passed(&self) -> Option<Passed<I>> {
        let id = self.node.clone().and_then(|node| Dot::new(node, self.number));
        (self.slot > 0).then_some(Passed { slot: self.slot, epoch: self.epoch, id })
    }

    /// Returns the first slot to read if `next` is the next slot.
    pub(super) fn read_from(&mut self, next: u64) -> u64 {
        match self.start {
            _ if self.slot == 0 => {}
            Start::Next { trimmed } if trimmed == self.slot => {}
            Start::Back { from } => return from,
            Start::Last | Start::Next { .. } => return self.slot.min(next),
        }
        self.unchecked = self.unchecked.max(next);
        next
    }

    /// Begins to read the last `depth` slots once more if an entry of `epoch` is to come, and that is later than the
    /// last one passed, of epoch `passed`. Returns `false` if the epoch is not later, or was checked before.
    pub(super) fn begin_check(&mut self, epoch: u64, passed: u64, depth: u64) -> bool {
        let begins = self.slot > 0 && epoch > passed.max(self.checked);
        if begins {
            self.start = Start::Back { from: self.slot.saturating_sub(depth).max(1) };
            self.checked = epoch;
        }
        begins
    }

    /// Compares the answer to a read from `from` on; `epoch` is the highest one passed.
    pub(super) fn compare(
        &mut self,
        from: u64,
        epoch: u64,
        entries: &[(u64, Entry<I, impl Sized>)],
    ) -> Verdict {
        if self.start == (Start::Back { from }) && from < self.slot {
            return self.check(from, epoch, entries);
        }
        if self.slot == 0 || from > self.slot {
            if matches!(self.start, Start::Next { .. }) {
                self.start = Start::Last;
            }
            return Verdict::Same;
        }
        let found = entries.iter().find(|(slot, _)| *slot == self.slot);
        match found {
            Some((_, entry)) if self.is_passed(entry) => {
                self.gaps = 0;
                if matches!(self.start, Start::Back { .. }) {
                    self.start = Start::Last;
                }
                Verdict::Same
            }
            None if from < self.slot => Verdict::Unknown,
            None if from <= self.unchecked => self.note_gap(self.slot, LATE),
            _ => Verdict::RolledBack { slot: self.slot },
        }
    }

    /// Compares slots below the one passed last, from `from` on: each is occupied, and of no later epoch than `epoch`.
    fn check(&mut self, from: u64, epoch: u64, entries: &[(u64, Entry<I, impl Sized>)]) -> Verdict {
        let mut next = from;
        for (slot, entry) in entries.iter().take_while(|(slot, _)| *slot < self.slot) {
            if entry.epoch() > epoch {
                return Verdict::RolledBack { slot: *slot };
            } else if *slot != next {
                return self.note_gap(next, GAPS);
            }
            next += 1;
        }
        let is_cut =
            next < self.slot && (entries.len() < 2 || entries.iter().any(|(slot, _)| *slot >= self.slot));
        if is_cut {
            return self.note_gap(next, GAPS);
        }
        (self.start, self.gaps) = (Start::Back { from: next }, 0);
        Verdict::ReadOn
    }

    /// Notes that an answer shows a passed slot as empty. Up to `limit` of them in a row may be old answers.
    fn note_gap(&mut self, slot: u64, limit: u32) -> Verdict {
        self.gaps += 1; // up to a limit
        if self.gaps < limit { Verdict::Unknown } else { Verdict::RolledBack { slot } }
    }

    /// Returns whether the entry may be the one that was passed. Unreadable content may be.
    fn is_passed(&self, entry: &Entry<I, impl Sized>) -> bool {
        let same = entry.epoch() == self.epoch
            && match entry.id() {
                Some(id) => id.counter() == self.number && self.node.as_ref() == Some(id.node()),
                None => self.number == 0,
            };
        same || matches!(entry.content(), Content::Unreadable(_))
    }

    /// Notes that a read from `from` on was answered with the first slot of the log, `first`, which is not above the
    /// next slot. Returns whether only passed slots are trimmed, so that another read will find the next one.
    pub(super) fn note_trimmed(&mut self, from: u64, first: u64) -> bool {
        let is_passed = (1..first).contains(&self.slot) && from <= self.slot;
        match self.start {
            Start::Back { from: back } if from == back && !is_passed => {
                self.start = Start::Back { from: first }
            }
            // This is not the answer to the last read: that one will tell.
            Start::Back { from: back } if from != back => return is_passed,
            Start::Last | Start::Next { .. } if !is_passed => return false,
            Start::Last | Start::Next { .. } | Start::Back { .. } => {
                self.start = Start::Next { trimmed: self.slot };
            }
        }
        true
    }
}
