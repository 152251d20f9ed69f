//! The held messages, and who waits for what: links, and nothing else.
//!
//! Every event that is *held* here, or *waited for* by a held message, has one cell. A cell is the message, if it
//! is held, and the head of the list of those that wait for the event. A held message waits for one event at a
//! time, so the list runs through the cells themselves and costs one link a message.
//!
//! ```text
//!   cell of (b,2), not held          (b,2) is delivered: its list moves to `released`,
//!     waiters ──► cell of (a,4)      and each of the two searches on behind (b,2)
//!                   next ──► cell of (c,7)
//! ```
//!
//! The engine does not know what an event is called, or when it counts as delivered: its callers keep the map
//! from names to cells, and ask for the next cause. That is [`CausalBuffer`](crate::CausalBuffer).
//!
//! # Invariants
//!
//! - H1: a held message is in exactly one list: the waiters of one cell, or `released`.
//! - H2: a cell that is not free holds a message or has waiters.
//! - H3: every cell is free or reachable by a name that the caller keeps.
//! - H4: at most [`HoldBack::MAX`] messages are held, so there are at most twice as many cells.

use core::num::NonZeroU32;

use crate::compat::{Vec, VecDeque};

/// The place of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellId(NonZeroU32);

impl CellId {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[derive(Clone, Debug)]
struct Cell<M> {
    held: Option<Held<M>>,
    /// The first of those that wait for this event; in a free cell, the next free one.
    waiters: Option<CellId>,
}

#[derive(Clone, Debug)]
struct Held<M> {
    message: M,
    /// The causes before this one are delivered. The message waits for this one, unless it is released.
    cause: u32,
    /// The next of those that wait for the same event.
    next: Option<CellId>,
}

/// Cells and their links. Every operation is O(1), amortised over the lists that it moves.
#[derive(Clone, Debug)]
pub(super) struct HoldBack<M> {
    cells: Vec<Cell<M>>,
    free: Option<CellId>,
    /// Messages whose last known obstacle is gone, in the order in which it went.
    released: VecDeque<CellId>,
    len: usize,
}

impl<M> HoldBack<M> {
    /// The most messages that can be held, so that cells, at most two a message, can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { cells: Vec::new(), free: None, released: VecDeque::new(), len: 0 }
    }

    /// Returns how many messages are held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes the cell of an event; the caller holds a message in it, or parks one under it, at once (H2).
    pub(super) fn add_cell(&mut self) -> CellId {
        if let Some(cell) = self.free {
            self.free = self.cells[cell.index()].waiters.take();
            return cell;
        }
        self.cells.push(Cell { held: None, waiters: None });
        let number = u32::try_from(self.cells.len()).ok().and_then(NonZeroU32::new);
        CellId(number.expect("H4: at most 2 * MAX cells are in use"))
    }

    /// Returns the message held in `cell`, and which of its causes it looks at.
    pub(super) fn get(&self, cell: CellId) -> Option<(&M, usize)> {
        let held = self.cells[cell.index()].held.as_ref()?;
        Some((&held.message, held.cause as usize))
    }

    /// Holds `message` in `cell`, which is empty. It is in no list yet: the caller releases or parks it (H1).
    pub(super) fn hold(&mut self, cell: CellId, message: M) {
        self.cells[cell.index()].held = Some(Held { message, cause: 0, next: None });
        self.len += 1;
    }

    /// Lets the message in `cell` be looked at by the next [`next_released`](Self::next_released).
    pub(super) fn release(&mut self, cell: CellId) {
        self.released.push_back(cell);
    }

    /// Parks the message in `cell` until its `cause`-th cause, whose cell is `on`, is delivered.
    pub(super) fn park(&mut self, cell: CellId, cause: usize, on: CellId) {
        let next = self.cells[on.index()].waiters.replace(cell);
        if let Some(held) = &mut self.cells[cell.index()].held {
            held.cause = cause as u32; // at most the number of dependencies, which `Limits` keeps below 2^32
            held.next = next;
        }
    }

    /// Takes the next released cell out of the queue.
    pub(super) fn next_released(&mut self) -> Option<CellId> {
        self.released.pop_front()
    }

    /// Takes the message out of `cell` for delivery, releases all that waited for it, and frees the cell.
    pub(super) fn deliver(&mut self, cell: CellId) -> Option<M> {
        let mut waiter = self.cells[cell.index()].waiters.take();
        while let Some(released) = waiter {
            self.released.push_back(released);
            waiter = self.cells[released.index()].held.as_mut().and_then(|held| {
                held.cause += 1; // the cause it waited for is delivered: go on behind it
                held.next.take()
            });
        }
        let held = self.cells[cell.index()].held.take();
        self.cells[cell.index()].waiters = self.free.replace(cell);
        self.len -= usize::from(held.is_some());
        held.map(|held| held.message)
    }

    /// Takes all messages out, and forgets every cell.
    pub(super) fn drain(&mut self) -> Vec<M> {
        let cells = core::mem::replace(self, Self::new()).cells;
        cells.into_iter().filter_map(|cell| cell.held.map(|held| held.message)).collect()
    }
}
