//! The held messages, and who waits for what: links, and nothing else.
//!
//! Every event that is *held* here, or *waited for* by a held message, has one cell. A cell knows the slot of the
//! message, if it is held, and the head of the list of those that wait for the event. A held message waits for one
//! event at a time, so the list runs through the slots themselves. It is linked both ways, so that a message can be
//! taken out of the middle.
//!
//! ```text
//!   cell of (b,2), not held          (b,2) is delivered: its list moves to `released`,
//!     waiters ──► slot of (a,4)      and each of the two searches on behind (b,2)
//!                   next ──► slot of (c,7)
//! ```
//!
//! A cell takes 8 bytes, so that an event that is only waited for costs no room for a message. Slots lie in blocks: a
//! message stays where it is while it is held, and what is set aside for those to come is less than a block.
//!
//! The engine does not know what an event is called, or when it counts as delivered: its callers keep the cells by
//! name, and ask for the next cause. That is [`CausalBuffer`](crate::CausalBuffer), which keeps them in `lanes`.
//!
//! # Invariants
//!
//! - H1: a held message that is not ready is in exactly one list: the waiters of one cell, or `released`; linked the same
//!   both ways. One that is ready is in none, and it is counted how many are.
//! - H2: a cell that the caller keeps holds a message or has waiters.
//! - H3: a cell is kept by the name of its message.
//! - H4: at most [`HoldBack::MAX`] messages wait, and as many are ready.
//! - H5: every slot is free or that of one cell.

use core::iter;
use core::mem;
use core::num::NonZeroU32;

use crate::compat::{Box, Vec};
use crate::delivery::buffer::lane_index::LaneId;

/// The place of one held message, for as long as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId(NonZeroU32);

impl SlotId {
    pub(super) const MIN: Self = Self(NonZeroU32::MIN);
    pub(super) const MAX: Self = Self(NonZeroU32::MAX);

    /// Returns the number of the slot, from 0 on.
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What is known here of one event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    /// The slot of the message, if it is held.
    pub(super) held: Option<SlotId>,
    /// The first of those that wait for this event.
    waiters: Option<SlotId>,
}

impl Cell {
    /// Returns whether the event is neither held nor waited for.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.held.is_none() & self.waiters.is_none()
    }
}

/// Slots a block.
const BLOCK: usize = 32;

/// A cause of a message that was not delivered when it was looked at: which one, its counter, and the lane of its node,
/// if that was known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    at: u32,
    pub(super) lane: Option<LaneId>,
    pub(super) counter: u64,
}

impl Cause {
    #[inline]
    pub(super) fn new(at: usize, lane: Option<LaneId>, counter: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_CAUSES")]
        let at = at as u32;
        Self { at, lane, counter }
    }

    /// Returns which of the message's causes it is.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }
}

/// In place of the number of a cause: the message waits for none.
const READY: u32 = u32::MAX;

/// A held message.
#[derive(Clone, Debug)]
pub(super) struct Held<M> {
    pub(super) message: M,
    /// The lane of its node.
    pub(super) lane: LaneId,
    cause: u32,
    /// The next of those that wait for the same event, or are released; and the one before, if it waits.
    next: Option<SlotId>,
    previous: Option<SlotId>,
}

impl<M> Held<M> {
    /// The causes before this one are delivered, and this one too if the message is released: else it waits for it.
    pub(super) fn cause(&self) -> usize {
        self.cause as usize
    }

    /// Returns whether it has become ready: all its causes are delivered.
    pub(super) fn is_ready(&self) -> bool {
        self.cause == READY
    }
}

/// The slots and their links. Every operation is O(1), amortised over the lists that it moves.
#[derive(Clone, Debug)]
pub(super) struct HoldBack<M> {
    slots: Vec<Box<[Option<Held<M>>; BLOCK]>>,
    /// Those that held a message and are free again. Behind these and those that hold one, none was ever used.
    free_slots: Vec<SlotId>,
    len: usize,
    /// How many of the held messages are ready.
    ready: usize,
    /// The list of the messages whose cause was delivered, in that order: its first, and its last. They search on: not
    /// yet ready, and parked no more.
    released: Option<(SlotId, SlotId)>,
}

impl<M> HoldBack<M> {
    /// The most messages that can be held, so that their slots can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    /// The most causes of a message, so that they too can be numbered in 32 bits.
    pub(super) const MAX_CAUSES: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free_slots: Vec::new(), len: 0, ready: 0, released: None }
    }

    /// Returns how many held messages are not ready.
    pub(super) fn waiting(&self) -> usize {
        self.len - self.ready
    }

    /// Returns how many held messages are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Returns what is held in `slot`.
    #[inline]
    pub(super) fn at(&self, slot: SlotId) -> Option<&Held<M>> {
        self.slots[slot.index() / BLOCK][slot.index() % BLOCK].as_ref()
    }

    #[inline]
    fn at_mut(&mut self, slot: SlotId) -> &mut Option<Held<M>> {
        &mut self.slots[slot.index() / BLOCK][slot.index() % BLOCK]
    }

    /// Finds a slot for a new message. The caller makes it that of the message's cell, and holds it there at once.
    #[inline]
    pub(super) fn add_slot(&mut self) -> SlotId {
        let slot = self.free_slots.pop().unwrap_or_else(|| self.new_slot());
        self.len += 1;
        slot
    }

    /// Makes another slot: there are as many as messages are held, for none is free.
    fn new_slot(&mut self) -> SlotId {
        if self.len == self.slots.len() * BLOCK {
            let slots: Vec<_> = iter::repeat_with(|| None).take(BLOCK).collect();
            self.slots.extend(slots.try_into().ok());
        }
        #[expect(clippy::cast_possible_truncation, reason = "H4: at most MAX slots, so their numbers fit")]
        let before = self.len as u32;
        SlotId(NonZeroU32::MIN.saturating_add(before))
    }

    /// Holds `message`, of the node of `lane`, in `slot`, until its cause `first`, whose cell is `on`, is delivered.
    #[inline]
    pub(super) fn hold(&mut self, slot: SlotId, message: M, lane: LaneId, first: Cause, on: &mut Cell) {
        let next = self.link(slot, on);
        *self.at_mut(slot) = Some(Held { message, lane, cause: first.at, next, previous: None });
    }

    /// Parks the message in `slot` again, until `cause`, whose cell is `on`, is delivered.
    #[inline]
    pub(super) fn park(&mut self, slot: SlotId, cause: Cause, on: &mut Cell) {
        let next = self.link(slot, on);
        if let Some(held) = self.at_mut(slot) {
            (held.cause, held.next, held.previous) = (cause.at, next, None);
        }
    }

    /// Puts `slot` before those that wait for `on`, and returns the first of these.
    #[inline]
    fn link(&mut self, slot: SlotId, on: &mut Cell) -> Option<SlotId> {
        let next = on.waiters.replace(slot)?;
        if let Some(held) = self.at_mut(next) {
            held.previous = Some(slot);
        }
        Some(next)
    }

    /// Takes the message in `slot` out of the list of those that wait for `on`. The caller takes it out at once (H1).
    pub(super) fn unpark(&mut self, slot: SlotId, on: &mut Cell) {
        let Some(&Held { next, previous, .. }) = self.at(slot) else { return };
        match previous {
            None => on.waiters = next,
            Some(previous) => {
                if let Some(previous) = self.at_mut(previous) {
                    previous.next = next;
                }
            }
        }
        if let Some(next) = next.and_then(|next| self.at_mut(next).as_mut()) {
            next.previous = previous;
        }
    }

    /// Takes out the message in `slot`, which is in no list: it is ready, or
    /// [unparked](Self::unpark), or all is taken out. The caller takes the slot out of its cell.
    #[inline]
    pub(super) fn take(&mut self, slot: SlotId) -> Option<M> {
        let held = self.at_mut(slot).take()?;
        self.free_slots.push(slot);
        self.len -= 1;
        self.ready -= usize::from(held.is_ready());
        Some(held.message)
    }

    /// Returns the next released message.
    #[inline]
    pub(super) fn first_released(&self) -> Option<SlotId> {
        self.released.map(|(first, _)| first)
    }

    /// Takes the released message in `slot` out of its list if it is the last one; says whether it was.
    #[inline]
    pub(super) fn take_last_released(&mut self, slot: SlotId) -> bool {
        let is_last = self.released == Some((slot, slot));
        if is_last {
            self.released = None;
        }
        is_last
    }

    /// Takes the next released message out of its list. The caller parks or delivers it at once (H1).
    #[inline]
    pub(super) fn take_released(&mut self) {
        let Some((first, last)) = self.released else { return };
        let next = self.at(first).and_then(|held| held.next);
        self.released = next.map(|next| (next, last));
    }

    /// Makes the next released message ready.
    #[inline]
    pub(super) fn ready_released(&mut self) {
        let Some((first, last)) = self.released else { return };
        let next = self.at_mut(first).as_mut().and_then(|held| {
            held.cause = READY;
            held.next
        });
        self.ready += 1;
        self.released = next.map(|next| (next, last));
    }

    /// Releases all that waited for the event of `cell`, which is delivered.
    #[inline]
    pub(super) fn release(&mut self, cell: Cell) {
        let Some(first) = cell.waiters else { return };
        let mut last = first;
        while let Some(next) = self.at(last).and_then(|held| held.next) {
            last = next;
        }
        let before = self.released.map(|(before, end)| {
            if let Some(end) = self.at_mut(end) {
                end.next = Some(first);
            }
            before
        });
        self.released = Some((before.unwrap_or(first), last));
    }

    /// Visits those that wait for the event of `cell`.
    pub(super) fn waiters(&self, cell: Cell) -> impl Iterator<Item = SlotId> {
        self.list(cell.waiters)
    }

    /// Visits the list that begins with `first`.
    fn list(&self, first: Option<SlotId>) -> impl Iterator<Item = SlotId> {
        iter::successors(first, |&slot| self.at(slot)?.next)
    }

    /// Checks H1, H2, H4 and H5, given all cells. O(cells).
    pub(super) fn validate(&self, cells: impl Iterator<Item = Cell>) -> Result<(), &'static str> {
        let slots: Vec<bool> = self.slots.iter().flat_map(|block| block.iter()).map(Option::is_some).collect();
        let mut listed: Vec<bool> = iter::repeat_n(false, slots.len()).collect();
        let mut owned = listed.clone();
        for cell in cells {
            if cell.is_empty() {
                return Err("H2: a cell holds a message or has waiters");
            }
            if cell.held.is_some_and(|slot| mem::replace(&mut owned[slot.index()], true)) {
                return Err("H5: a slot belongs to one cell");
            }
            let mut before = None;
            for waiter in self.waiters(cell) {
                if mem::replace(&mut listed[waiter.index()], true) {
                    return Err("H1: a held message is in one list only");
                }
                if self.at(waiter).is_none_or(|held| held.previous != before) {
                    return Err("H1: lists are linked the same both ways");
                }
                before = Some(waiter);
            }
        }
        let released = self.list(self.released.map(|(first, _)| first));
        if released.into_iter().any(|slot| mem::replace(&mut listed[slot.index()], true)) {
            return Err("H1: what is released is not parked");
        }
        let mut ready = 0;
        for (slot, listed) in self.slots.iter().flat_map(|block| block.iter()).zip(&mut listed) {
            if slot.as_ref().is_some_and(Held::is_ready) {
                ready += 1;
                if mem::replace(listed, true) {
                    return Err("H1: what is ready waits for nothing");
                }
            }
        }
        if slots != listed || ready != self.ready {
            return Err("H1: the held messages are those in the lists, and those that are ready");
        }
        let held = slots.iter().filter(|&&held| held).count();
        let used = held + self.free_slots.len();
        if slots != owned || held != self.len || slots.get(used..).is_none_or(|rest| rest.contains(&true)) {
            return Err("H5: every slot is free or that of a held message");
        }
        if self.waiting() > Self::MAX || self.ready > Self::MAX {
            return Err("H4: no more than can be numbered");
        }
        Ok(())
    }
}
