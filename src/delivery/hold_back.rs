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

use core::iter;
use core::mem;
use core::num::NonZeroU32;

use crate::compat::{Vec, VecDeque};
use crate::delivery::lanes::LaneId;

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

/// A held message.
#[derive(Clone, Debug)]
pub(super) struct Held<M> {
    pub(super) message: M,
    /// The lane of its node.
    pub(super) lane: LaneId,
    /// The causes before this one are delivered; the message waits for this one, unless it is released. Cause 0
    /// is the sender's previous message.
    pub(super) cause: usize,
    /// The next of those that wait for the same event.
    next: Option<CellId>,
}

/// Cells and their links. Every operation is O(1), amortised over the lists that it moves.
#[derive(Clone, Debug)]
pub(super) struct HoldBack<M> {
    cells: Vec<Cell<M>>,
    free: Option<CellId>,
    /// Messages whose cause was delivered, in that order. They search on: not yet ready, and parked no more.
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
        #[expect(clippy::expect_used, reason = "H4: at most 2 * MAX cells are in use, so their numbers fit")]
        CellId(number.expect("H4"))
    }

    /// Returns what is held in `cell`.
    pub(super) fn get(&self, cell: CellId) -> Option<&Held<M>> {
        self.cells[cell.index()].held.as_ref()
    }

    /// Holds `message`, of the node of `lane`, in `cell`, which is empty. The caller parks it at once (H1).
    pub(super) fn hold(&mut self, cell: CellId, message: M, lane: LaneId) {
        self.cells[cell.index()].held = Some(Held { message, lane, cause: 0, next: None });
        self.len += 1;
    }

    /// Parks the message in `cell` until its `cause`-th cause, whose cell is `on`, is delivered.
    pub(super) fn park(&mut self, cell: CellId, cause: usize, on: CellId) {
        let next = self.cells[on.index()].waiters.replace(cell);
        if let Some(held) = &mut self.cells[cell.index()].held {
            held.cause = cause;
            held.next = next;
        }
    }

    /// Takes the next released message out of the queue. The caller parks or delivers it at once (H1).
    pub(super) fn next_released(&mut self) -> Option<CellId> {
        self.released.pop_front()
    }

    /// Frees the cell of an event that is delivered: takes out the message, if it was held, and releases all that
    /// waited for it.
    pub(super) fn deliver(&mut self, cell: CellId) -> Option<M> {
        let freed = &mut self.cells[cell.index()];
        let held = freed.held.take();
        let mut waiter = mem::replace(&mut freed.waiters, self.free.replace(cell));
        while let Some(released) = waiter {
            self.released.push_back(released);
            waiter = self.cells[released.index()].held.as_mut().and_then(|held| {
                // The key to linear time: what it waited for is delivered, so it goes on behind it.
                held.cause += 1;
                held.next.take()
            });
        }
        self.len -= usize::from(held.is_some());
        held.map(|held| held.message)
    }

    /// Takes all messages out, and forgets every cell.
    pub(super) fn drain(&mut self) -> Vec<M> {
        let cells = mem::replace(self, Self::new()).cells;
        cells.into_iter().filter_map(|cell| cell.held.map(|held| held.message)).collect()
    }

    /// Visits the cells of those that wait for the event of `cell`.
    pub(super) fn waiters(&self, cell: CellId) -> impl Iterator<Item = CellId> {
        let first = self.cells[cell.index()].waiters;
        iter::successors(first, |&waiter| self.get(waiter)?.next)
    }

    /// Checks H1 and H2. O(cells).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let mut free = flags(self.cells.len());
        let mut next = self.free;
        while let Some(cell) = next {
            free[cell.index()] = true;
            next = self.cells[cell.index()].waiters;
        }
        let mut listed = flags(self.cells.len());
        let ids = (1..).map_while(NonZeroU32::new).map(CellId).zip(&self.cells);
        let used = ids.filter(|(id, _)| !free[id.index()]);
        let mut held = 0;
        let waiting: Vec<CellId> = used.clone().flat_map(|(id, _)| self.waiters(id)).collect();
        for list_member in waiting.iter().chain(&self.released) {
            if mem::replace(&mut listed[list_member.index()], true) {
                return Err("H1: a held message is in one list only");
            }
        }
        for (id, cell) in used {
            held += usize::from(cell.held.is_some());
            if cell.held.is_some() != listed[id.index()] {
                return Err("H1: the held messages are those in the lists");
            }
            if cell.held.is_none() && cell.waiters.is_none() {
                return Err("H2: a cell that is not free holds a message or has waiters");
            }
        }
        if held == self.len { Ok(()) } else { Err("H1: as many held as counted") }
    }
}

fn flags(len: usize) -> Vec<bool> {
    iter::repeat_n(false, len).collect()
}
