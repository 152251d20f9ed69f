//! From a dot to its cell: for every node, pages of 64 consecutive counters.
//!
//! ```text
//!   node a   page 0: counters 1..=64    [ · · c₇ · c₂ ... ]
//!            page 9: counters 577..=640 [ c₄ · · ... ]
//!   node b   page 0: ...
//! ```
//!
//! Counters of held messages lie close together, so most look-ups hit a page that was just used, as in a hash
//! map they never do; and they come out in order, so that [`missing`](crate::CausalBuffer::missing) walks what is
//! held and not all numbers. A counter far ahead costs one page. Nothing depends on a hash, so no sender can
//! make it slow.
//!
//! # Invariants
//!
//! - X1: nodes are strictly increasing.
//! - X2: a node's `named` is at least every counter in its pages.

use crate::compat::{BTreeMap, Box, Vec};
use crate::delivery::hold_back::CellId;
use crate::node::NodeId;

/// Counters a page; a page is 256 bytes.
const PAGE: u64 = 64;

type Page = [Option<CellId>; PAGE as usize];

#[derive(Clone, Debug)]
pub(super) struct DotIndex<I> {
    lanes: Vec<Lane<I>>,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub(super) struct Lane<I> {
    pub(super) node: I,
    /// The highest counter that any accepted message has or depends on.
    pub(super) named: u64,
    pages: BTreeMap<u64, Box<Page>>,
}

impl<I: NodeId> DotIndex<I> {
    pub(super) const fn new() -> Self {
        Self { lanes: Vec::new() }
    }

    /// Returns how many nodes are known.
    pub(super) fn nodes(&self) -> usize {
        self.lanes.len()
    }

    /// Returns whether any dot of `node` was ever named.
    pub(super) fn knows(&self, node: &I) -> bool {
        self.find(node).is_ok()
    }

    /// Visits what is known of each node, in order.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane<I>> {
        self.lanes.iter()
    }

    /// Returns the cell of a dot. O(log n + log p) for n nodes and p pages of this one.
    pub(super) fn get(&self, node: &I, counter: u64) -> Option<CellId> {
        let (page, at) = position(counter);
        let lane = &self.lanes[self.find(node).ok()?];
        lane.pages.get(&page).and_then(|page| page[at])
    }

    /// Returns the place for the cell of a dot, which thereby is known to exist.
    pub(super) fn entry(&mut self, node: &I, counter: u64) -> &mut Option<CellId> {
        let (page, at) = position(counter);
        let lane = self.lane(node);
        lane.named = lane.named.max(counter);
        &mut lane.pages.entry(page).or_insert_with(|| Box::new([None; PAGE as usize]))[at]
    }

    /// Notes that a dot exists.
    pub(super) fn name(&mut self, node: &I, counter: u64) {
        let lane = self.lane(node);
        lane.named = lane.named.max(counter);
    }

    /// Takes out the cell of the node's next delivery: every lower counter is delivered already.
    ///
    /// A page goes when its last counter goes, so that delivery in order allocates once in 64 messages.
    pub(super) fn remove(&mut self, node: &I, counter: u64) {
        let (page, at) = position(counter);
        let Ok(lane) = self.find(node) else { return };
        let pages = &mut self.lanes[lane].pages;
        if at + 1 == PAGE as usize {
            pages.remove(&page);
        } else if let Some(page) = pages.get_mut(&page) {
            page[at] = None;
        }
    }

    /// Forgets all cells; what is known to exist stays known.
    pub(super) fn clear_cells(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.pages.clear());
    }

    fn find(&self, node: &I) -> Result<usize, usize> {
        self.lanes.binary_search_by(|lane| lane.node.cmp(node))
    }

    fn lane(&mut self, node: &I) -> &mut Lane<I> {
        let at = self.find(node).unwrap_or_else(|at| {
            self.lanes.insert(at, Lane { node: node.clone(), named: 0, pages: BTreeMap::new() });
            at
        });
        &mut self.lanes[at]
    }
}

impl<I> Lane<I> {
    /// Visits the counters that have a cell, in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = (u64, CellId)> {
        self.pages.iter().flat_map(|(&page, cells)| {
            let counter = move |at: usize| page * PAGE + at as u64 + 1;
            cells.iter().enumerate().filter_map(move |(at, &cell)| Some((counter(at), cell?)))
        })
    }
}

/// Splits a counter, at least 1, into the number of its page and the place there.
fn position(counter: u64) -> (u64, usize) {
    ((counter - 1) / PAGE, ((counter - 1) % PAGE) as usize)
}
