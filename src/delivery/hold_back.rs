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
//! Cells and slots lie in two arrays: a cell takes 8 bytes, so that an event that is only waited for costs no room
//! for a message. Both arrays grow by half at a time, not by doubling: what is held is bounded, and so should be
//! what is set aside for it. An element is moved twice on average while the array grows.
//!
//! The engine does not know what an event is called, or when it counts as delivered: its callers keep the map
//! from names to cells, and ask for the next cause. That is [`CausalBuffer`](crate::CausalBuffer).
//!
//! # Invariants
//!
//! - H1: a held message is in exactly one list: the waiters of one cell, or `released`; linked the same both ways.
//! - H2: a cell that is not free holds a message or has waiters.
//! - H3: every cell is free or reachable by a name that the caller keeps.
//! - H4: at most [`HoldBack::MAX`] messages are held, so there are at most twice as many cells.
//! - H5: every slot is free or that of one cell.

use core::iter;
use core::mem;
use core::num::NonZeroU32;

use crate::compat::{Vec, VecDeque};
use crate::delivery::lanes::LaneId;

/// The place of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellId(NonZeroU32);

impl CellId {
    pub(super) const MIN: Self = Self(NonZeroU32::MIN);
    pub(super) const MAX: Self = Self(NonZeroU32::MAX);

    /// Returns the number of the cell, from 0 on.
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The place of one held message, for as long as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId(NonZeroU32);

impl SlotId {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    held: Option<SlotId>,
    /// The first of those that wait for this event.
    waiters: Option<SlotId>,
}

/// A held message.
#[derive(Clone, Debug)]
pub(super) struct Held<M> {
    pub(super) message: M,
    /// The lane of its node.
    pub(super) lane: LaneId,
    cause: u32,
    /// The next of those that wait for the same event, and the one before; of what is released, without meaning.
    next: Option<SlotId>,
    previous: Option<SlotId>,
}

impl<M> Held<M> {
    /// The causes before this one are delivered; the message waits for this one, unless it is released. Cause 0
    /// is the sender's previous message.
    pub(super) fn cause(&self) -> usize {
        self.cause as usize
    }
}

/// Cells, slots and their links. Every operation is O(1), amortised over the lists that it moves.
#[derive(Clone, Debug)]
pub(super) struct HoldBack<M> {
    cells: Vec<Cell>,
    free_cells: Vec<CellId>,
    slots: Vec<Option<Held<M>>>,
    free_slots: Vec<SlotId>,
    /// Messages whose cause was delivered, in that order. They search on: not yet ready, and parked no more.
    released: VecDeque<SlotId>,
}

impl<M> HoldBack<M> {
    /// The most messages that can be held, so that cells, at most two a message, can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    /// The most causes of a message, so that they too can be numbered in 32 bits.
    pub(super) const MAX_CAUSES: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self {
            cells: Vec::new(),
            free_cells: Vec::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            released: VecDeque::new(),
        }
    }

    /// Returns how many messages are held.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free_slots.len()
    }

    /// Makes the cell of an event; the caller holds a message in it, or parks one under it, at once (H2).
    #[inline]
    pub(super) fn add_cell(&mut self) -> CellId {
        self.free_cells.pop().unwrap_or_else(|| CellId(push(&mut self.cells, Cell::default())))
    }

    /// Returns the slot of what is held in `cell`.
    #[inline]
    fn slot(&self, cell: CellId) -> Option<SlotId> {
        self.cells[cell.index()].held
    }

    /// Returns what is held in `slot`.
    #[inline]
    pub(super) fn at(&self, slot: SlotId) -> Option<&Held<M>> {
        self.slots[slot.index()].as_ref()
    }

    /// Returns what is held in `cell`.
    #[inline]
    pub(super) fn get(&self, cell: CellId) -> Option<&Held<M>> {
        self.at(self.slot(cell)?)
    }

    /// Holds `message`, of the node of `lane`, in `cell`, which is empty. The caller parks it at once (H1).
    #[inline]
    pub(super) fn hold(&mut self, cell: CellId, message: M, lane: LaneId) -> SlotId {
        let held = Some(Held { message, lane, cause: 0, next: None, previous: None });
        let slot = match self.free_slots.pop() {
            Some(slot) => {
                self.slots[slot.index()] = held;
                slot
            }
            None => SlotId(push(&mut self.slots, held)),
        };
        self.cells[cell.index()].held = Some(slot);
        slot
    }

    /// Parks the message in `slot` until its `cause`-th cause, whose cell is `on`, is delivered.
    #[inline]
    pub(super) fn park(&mut self, slot: SlotId, cause: usize, on: CellId) {
        let next = self.cells[on.index()].waiters.replace(slot);
        if let Some(next) = next.and_then(|next| self.slots[next.index()].as_mut()) {
            next.previous = Some(slot);
        }
        if let Some(held) = &mut self.slots[slot.index()] {
            #[expect(clippy::cast_possible_truncation, reason = "at most MAX_CAUSES")]
            let cause = cause as u32;
            (held.cause, held.next, held.previous) = (cause, next, None);
        }
    }

    /// Takes out the message in `cell`, which is parked under `on`. Either cell may be of no use now: see
    /// [`free_unused`](Self::free_unused).
    pub(super) fn take_parked(&mut self, cell: CellId, on: CellId) -> Option<M> {
        let &Held { next, previous, .. } = self.get(cell)?;
        match previous {
            None => self.cells[on.index()].waiters = next,
            Some(previous) => {
                if let Some(previous) = &mut self.slots[previous.index()] {
                    previous.next = next;
                }
            }
        }
        if let Some(next) = next.and_then(|next| self.slots[next.index()].as_mut()) {
            next.previous = previous;
        }
        self.take(cell)
    }

    /// Takes out the message in `cell`, which is in no list: it was the [`next_released`](Self::next_released), or all
    /// is taken out.
    #[inline]
    pub(super) fn take(&mut self, cell: CellId) -> Option<M> {
        let slot = self.cells[cell.index()].held.take()?;
        self.free_slots.push(slot);
        self.slots[slot.index()].take().map(|held| held.message)
    }

    /// Frees `cell` if it holds nothing and nothing waits for it, and returns whether it did: then the caller forgets
    /// it (H2).
    pub(super) fn free_unused(&mut self, cell: CellId) -> bool {
        let Cell { held, waiters } = self.cells[cell.index()];
        let unused = held.is_none() && waiters.is_none();
        if unused {
            self.free_cells.push(cell);
        }
        unused
    }

    /// Takes the next released message out of the queue. The caller parks or delivers it at once (H1).
    pub(super) fn next_released(&mut self) -> Option<SlotId> {
        self.released.pop_front()
    }

    /// Frees the cell of an event that is delivered: takes out the message, if it was held, and releases all that
    /// waited for it.
    #[inline]
    pub(super) fn deliver(&mut self, cell: CellId) -> Option<M> {
        let delivered = self.take(cell);
        let mut waiter = self.cells[cell.index()].waiters.take();
        self.free_cells.push(cell);
        while let Some(released) = waiter {
            self.released.push_back(released);
            waiter = self.slots[released.index()].as_mut().and_then(|held| {
                // The key to linear time: what it waited for is delivered, so it goes on behind it.
                held.cause += 1;
                held.next
            });
        }
        delivered
    }

    /// Visits those that wait for the event of `cell`.
    pub(super) fn waiters(&self, cell: CellId) -> impl Iterator<Item = SlotId> {
        let first = self.cells[cell.index()].waiters;
        iter::successors(first, |&waiter| self.at(waiter)?.next)
    }

    /// Checks H1, H2, H4 and H5. O(cells).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let mut free = flags(self.cells.len());
        self.free_cells.iter().for_each(|cell| free[cell.index()] = true);
        let mut listed = flags(self.slots.len());
        let mut owned = flags(self.slots.len());
        let ids = (1..).map_while(NonZeroU32::new).map(CellId).zip(&self.cells);
        for (id, cell) in ids.filter(|(id, _)| !free[id.index()]) {
            if cell.held.is_none() && cell.waiters.is_none() {
                return Err("H2: a cell that is not free holds a message or has waiters");
            }
            if cell.held.is_some_and(|slot| mem::replace(&mut owned[slot.index()], true)) {
                return Err("H5: a slot belongs to one cell");
            }
            let mut before = None;
            for waiter in self.waiters(id) {
                if mem::replace(&mut listed[waiter.index()], true) {
                    return Err("H1: a held message is in one list only");
                }
                if self.at(waiter).is_none_or(|held| held.previous != before) {
                    return Err("H1: lists are linked the same both ways");
                }
                before = Some(waiter);
            }
        }
        if self.released.iter().any(|slot| mem::replace(&mut listed[slot.index()], true)) {
            return Err("H1: what is released is not parked");
        }
        let held: Vec<bool> = self.slots.iter().map(Option::is_some).collect();
        if held != listed {
            return Err("H1: the held messages are those in the lists");
        }
        if held != owned || held.iter().filter(|&&held| held).count() != self.len() {
            return Err("H5: every slot is free or that of a held message");
        }
        if self.len() > Self::MAX || self.cells.len() > 2 * Self::MAX {
            return Err("H4: no more than can be numbered");
        }
        Ok(())
    }
}

/// Adds to an array that grows by half, and returns the number of the new element, from 1 on.
#[inline]
fn push<T>(elements: &mut Vec<T>, element: T) -> NonZeroU32 {
    if elements.len() == elements.capacity() {
        elements.reserve_exact(elements.len() / 2 + 4);
    }
    elements.push(element);
    #[expect(clippy::cast_possible_truncation, reason = "H4: at most 2 * MAX cells, so their numbers fit")]
    NonZeroU32::new(elements.len() as u32).unwrap_or(NonZeroU32::MAX)
}

fn flags(len: usize) -> Vec<bool> {
    iter::repeat_n(false, len).collect()
}
