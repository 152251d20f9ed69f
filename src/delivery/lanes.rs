//! What is known of each node: how far it is delivered, what is known to exist, and where its messages are.
//!
//! The one message of a node that can be delivered next, if it could be when it came, waits in the lane itself.
//! Of the others the lane knows the cells (see `hold_back`), in pages of 64 consecutive counters:
//!
//! ```text
//!   node a   delivered 1, highest 580   next: counters 1..=64      [ · · c₇ · c₂ ... ]
//!                                       later, 9: counters 577..=640 [ c₄ · · ... ]
//!   node b   delivered 0, highest 1     next: counters 1..=64      ...
//! ```
//!
//! The messages that are held at one time lie close together, so most look-ups are in the page of the next delivery,
//! which needs no search. Cells come out in order, so that [`missing`](crate::CausalBuffer::missing) walks what is
//! held and not all numbers. A counter far ahead costs one page. Nothing depends on a hash, so no sender
//! can make it slow.
//!
//! # Invariants
//!
//! - L1: nodes are strictly increasing; there are as many ids, all different, and as many lanes.
//! - L2: no cell has a counter above `highest`, and `delivered` is at most `highest`.
//! - L3: the page of `delivered + 1` is `next`, all of `later` lie above it.
//! - L4: at most [`Lanes::MAX`] nodes are known.
//! - L5: `highest` is at most `last`, where the node was closed.

use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use crate::compat::{BTreeMap, Box, Vec};
use crate::delivery::hold_back::CellId;
use crate::node::NodeId;

/// Counters a page; a page is 256 bytes.
const PAGE: usize = 64;

type Page = [Option<CellId>; PAGE];

/// The place of a node's lane, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(NonZeroU32);

impl LaneId {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A lane for every node known.
#[derive(Clone, Debug)]
pub(super) struct Lanes<I, M> {
    nodes: Vec<I>,
    ids: Vec<LaneId>,
    lanes: Vec<Lane<M>>,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub(super) struct Lane<M> {
    /// The counter of its last message delivered.
    pub(super) delivered: u64,
    /// The highest counter that an accepted message has or depends on.
    pub(super) highest: u64,
    /// The counter of the last message that it will ever send; `u64::MAX` unless it was closed.
    pub(super) last: u64,
    /// Its next message, if it could be delivered when it came.
    pub(super) ready: Option<M>,
    /// The page of the counter that is delivered next.
    next: Option<Box<Page>>,
    /// Those above it.
    later: BTreeMap<u64, Box<Page>>,
}

impl<I: NodeId, M> Lanes<I, M> {
    /// The most nodes that can be known, so that lanes can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), ids: Vec::new(), lanes: Vec::new() }
    }

    /// Returns how many nodes are known.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Finds the lane of `node`. O(log n) for n nodes.
    pub(super) fn find(&self, node: &I) -> Option<LaneId> {
        self.nodes.binary_search(node).ok().map(|at| self.ids[at])
    }

    /// Returns what is known of `node`. O(log n).
    pub(super) fn get(&self, node: &I) -> Option<&Lane<M>> {
        self.find(node).map(|id| &self[id])
    }

    /// Finds the lane of `node`, which is known from now on. O(log n), and O(n) for a new node.
    pub(super) fn find_or_add(&mut self, node: &I) -> LaneId {
        match self.nodes.binary_search(node) {
            Ok(at) => self.ids[at],
            Err(at) => {
                self.lanes.push(Lane::new());
                let number = u32::try_from(self.lanes.len()).ok().and_then(NonZeroU32::new);
                #[expect(clippy::expect_used, reason = "L4: at most MAX nodes are known, so their numbers fit")]
                let id = LaneId(number.expect("L4"));
                self.nodes.insert(at, node.clone());
                self.ids.insert(at, id);
                id
            }
        }
    }

    /// Visits the nodes in their order, with what is known of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, &Lane<M>)> {
        self.nodes.iter().zip(&self.ids).map(|(node, &id)| (node, &self[id]))
    }

    /// Checks L1 to L3 and L5. O(everything).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        if !self.nodes.is_sorted_by(|a, b| a < b) || self.nodes.len() != self.lanes.len() {
            return Err("L1: nodes are strictly increasing, one lane each");
        }
        for (_, lane) in self.iter() {
            let last = lane.cells().last().map_or(0, |(counter, _)| counter);
            if last > lane.highest || lane.delivered > lane.highest {
                return Err("L2: nothing lies above `highest`");
            }
            if lane.highest > lane.last {
                return Err("L5: nothing is known to exist above where the node was closed");
            }
            if lane.later.keys().next().is_some_and(|&first| first <= lane.next_page()) {
                return Err("L3: the later pages lie above the one of the next delivery");
            }
        }
        Ok(())
    }

    /// Visits the lanes, in no particular order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane<M>> {
        self.lanes.iter_mut()
    }
}

impl<I, M> Index<LaneId> for Lanes<I, M> {
    type Output = Lane<M>;

    fn index(&self, id: LaneId) -> &Lane<M> {
        &self.lanes[id.index()] // lanes are never taken out
    }
}

impl<I, M> IndexMut<LaneId> for Lanes<I, M> {
    fn index_mut(&mut self, id: LaneId) -> &mut Lane<M> {
        &mut self.lanes[id.index()]
    }
}

impl<M> Lane<M> {
    const fn new() -> Self {
        Self { delivered: 0, highest: 0, last: u64::MAX, ready: None, next: None, later: BTreeMap::new() }
    }

    /// Returns the number of the page of the next delivery.
    fn next_page(&self) -> u64 {
        self.delivered / PAGE as u64
    }

    /// Returns the cell of a counter that is not delivered. O(log p) for p later pages.
    pub(super) fn cell(&self, counter: u64) -> Option<CellId> {
        let (page, at) = position(counter);
        let page = if page == self.next_page() { self.next.as_ref() } else { self.later.get(&page) };
        page.and_then(|page| page[at])
    }

    /// Returns the place for the cell of a counter that is not delivered, which thereby is known to exist.
    pub(super) fn cell_mut(&mut self, counter: u64) -> &mut Option<CellId> {
        self.learn(counter);
        let (page, at) = position(counter);
        let empty = || Box::new([None; PAGE]);
        let page = if page == self.next_page() {
            self.next.get_or_insert_with(empty)
        } else {
            self.later.entry(page).or_insert_with(empty)
        };
        &mut page[at]
    }

    /// Notes that a counter exists.
    pub(super) fn learn(&mut self, counter: u64) {
        self.highest = self.highest.max(counter);
    }

    /// Delivers the next message, whose counter is `counter`, and takes out its cell.
    ///
    /// A page goes when its last counter goes: a node's messages that come one after another share it.
    pub(super) fn deliver(&mut self, counter: u64) -> Option<CellId> {
        let (_, at) = position(counter);
        let cell = self.next.as_mut().and_then(|page| page[at].take());
        self.delivered = counter;
        if at + 1 == PAGE {
            self.next = self.later.remove(&self.next_page());
        }
        cell
    }

    /// Takes out the cell of a counter, and its page if that has no other.
    pub(super) fn remove_cell(&mut self, counter: u64) {
        let (page, at) = position(counter);
        let is_next = page == self.next_page();
        let cells = if is_next { self.next.as_mut() } else { self.later.get_mut(&page) };
        let Some(cells) = cells else { return };
        cells[at] = None;
        if cells.iter().any(Option::is_some) {
            return;
        }
        if is_next {
            self.next = None;
        } else {
            self.later.remove(&page);
        }
    }

    /// Takes everything up to `counter` as delivered. There must be no cells.
    pub(super) fn advance_to(&mut self, counter: u64) {
        self.delivered = self.delivered.max(counter);
        self.last = self.last.max(counter);
        self.learn(counter);
    }

    /// Notes that nothing above `last`, at least `delivered`, will ever come. The caller takes out the cells above.
    pub(super) fn close(&mut self, last: u64) {
        self.last = self.last.min(last);
        self.highest = self.highest.min(last);
    }

    /// Forgets all cells.
    pub(super) fn clear_cells(&mut self) {
        self.next = None;
        self.later.clear();
    }

    /// Visits the counters that have a cell, in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = (u64, CellId)> {
        let next = self.next.iter().map(|cells| (self.next_page(), cells));
        let later = self.later.iter().map(|(&page, cells)| (page, cells));
        next.chain(later).flat_map(|(page, cells)| {
            // Computed for cells only: in the page of the last counter of all, the place behind it has none.
            let counter = move |at| page * PAGE as u64 + at as u64 + 1;
            cells.iter().enumerate().filter_map(move |(at, cell)| cell.map(|cell| (counter(at), cell)))
        })
    }
}

/// Splits a counter, at least 1, into the number of its page and the place there.
fn position(counter: u64) -> (u64, usize) {
    let (page, at) = ((counter - 1) / PAGE as u64, (counter - 1) % PAGE as u64);
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of PAGE, which is a usize")]
    (page, at as usize)
}
