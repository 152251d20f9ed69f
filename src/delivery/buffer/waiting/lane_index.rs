//! The index of nodes: for each, the number of its lane.
//!
//! # The problem
//!
//! Every message looks up each node that it names, so a look-up must be fast. A binary search in a sorted array is
//! fast. But a sender that names new nodes chooses their order: in descending order, each new node moves all entries of
//! the array.
//!
//! # The structure
//!
//! A sorted array, and a tree beside it. A small index has all nodes in the array. A large index adds new nodes to the
//! tree, and moves them all into the array when the tree has one node for every [`RECENT`] in the array. So each new
//! node pays for at most [`RECENT`] moves, amortised. A look-up of a known node rarely goes beyond the array.
//!
//! # Invariants
//!
//! - LI1: nodes are strictly increasing, in the array and the tree together.
//! - LI2: the array has one lane for each of its nodes.
//! - LI3: the tree has at most one node for every [`RECENT`] in the array, and none while the array is small.
//!
//! A panic of a caller's `clone` or `cmp` leaves the index as it was: both are called before anything changes.

use core::num::NonZeroU32;
use core::{iter, mem};

use crate::compat::{BTreeMap, Vec};
use crate::node::NodeId;

/// The number of a node's lane, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneId(NonZeroU32);

impl LaneId {
    /// Makes the id of the lane `number`, counted from 1.
    pub(super) const fn new(number: NonZeroU32) -> Self {
        Self(number)
    }

    /// Returns the number of the lane, counted from 0.
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The number of nodes from which on an index adds new nodes to the tree. Below it, moving the entries after a new one
/// is as fast.
const LARGE: usize = 1024;

/// The least ratio of the lengths of the array and the tree.
const RECENT: usize = 16;

/// The lane of every known node.
#[derive(Clone, Debug)]
pub(super) struct LaneIndex<I> {
    nodes: Vec<I>,
    /// The lane of each of the `nodes`.
    lanes: Vec<LaneId>,
    /// New nodes of a large index.
    recent: BTreeMap<I, LaneId>,
}

impl<I> LaneIndex<I> {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), lanes: Vec::new(), recent: BTreeMap::new() }
    }
}

impl<I: NodeId> LaneIndex<I> {
    /// Finds the lane of `node`. O(log n) for n nodes.
    #[inline]
    pub(super) fn get(&self, node: &I) -> Option<LaneId> {
        match self.nodes.binary_search(node) {
            Ok(index) => Some(self.lanes[index]), // LI2
            Err(_) => self.get_recent(node),
        }
    }

    #[inline]
    fn get_recent(&self, node: &I) -> Option<LaneId> {
        // Not inlined, because it is nearly always skipped.
        #[inline(never)]
        fn search<I: Ord>(recent: &BTreeMap<I, LaneId>, node: &I) -> Option<LaneId> {
            recent.get(node).copied()
        }
        if self.recent.is_empty() { None } else { search(&self.recent, node) }
    }

    /// Adds a node that is not known. O(log n) for n nodes, amortised.
    #[cold]
    pub(super) fn insert(&mut self, node: &I, lane: LaneId) {
        let node = node.clone();
        let before = self.nodes.partition_point(|known| *known < node);
        if before == self.nodes.len() || self.nodes.len() < LARGE {
            self.nodes.insert(before, node);
            self.lanes.insert(before, lane);
            return;
        }
        if (self.recent.len() + 1) * RECENT > self.nodes.len() {
            self.move_recent();
        }
        self.recent.insert(node, lane);
    }

    /// Moves the nodes of the tree into the array. O(n + r log n) for r nodes in the tree.
    fn move_recent(&mut self) {
        let indices = self.recent.keys().map(|node| self.nodes.partition_point(|known| known < node));
        let indices: Vec<usize> = indices.collect();
        let total = self.nodes.len() + indices.len();
        let mut old_nodes = mem::replace(&mut self.nodes, Vec::with_capacity(total)).into_iter();
        let mut old_lanes = mem::replace(&mut self.lanes, Vec::with_capacity(total)).into_iter();
        let mut moved = 0;
        for (index, (node, lane)) in iter::zip(indices, mem::take(&mut self.recent)) {
            self.nodes.extend(old_nodes.by_ref().take(index - moved));
            self.lanes.extend(old_lanes.by_ref().take(index - moved));
            moved = index;
            self.nodes.push(node);
            self.lanes.push(lane);
        }
        self.nodes.extend(old_nodes);
        self.lanes.extend(old_lanes);
    }

    /// Visits the nodes in their order, each with its lane.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, LaneId)> {
        let mut array = iter::zip(&self.nodes, self.lanes.iter().copied()).peekable();
        let mut tree = self.recent.iter().map(|(node, &lane)| (node, lane)).peekable();
        iter::from_fn(move || match (array.peek(), tree.peek()) {
            (Some(known), Some(new)) if known.0 > new.0 => tree.next(),
            (None, _) => tree.next(),
            _ => array.next(),
        })
    }

    /// Checks LI1 to LI3. O(n).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        if !self.iter().is_sorted_by(|a, b| a.0 < b.0) {
            return Err("LI1: nodes are strictly increasing");
        }
        if self.nodes.len() != self.lanes.len() {
            return Err("LI2: as many lanes as nodes");
        }
        if self.recent.len() * RECENT > self.nodes.len()
            || (self.nodes.len() < LARGE && !self.recent.is_empty())
        {
            return Err("LI3: few nodes are in the tree");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::buffer::waiting::lanes::Lanes;

    /// Numbers below a prime, in scattered order.
    fn scattered(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|number| number * 7_919 % 104_729)
    }

    #[test]
    fn an_index_has_the_lanes_that_a_tree_has_whatever_the_order() {
        let count = 3 * LARGE as u64;
        let orders: [Vec<u64>; 4] = [
            (0..count).collect(),
            (0..count).rev().collect(),
            scattered(count).collect(),
            scattered(9).collect(),
        ];
        for order in orders {
            let mut lanes: Lanes<u64, ()> = Lanes::new();
            let (mut index, mut tree, mut most) = (LaneIndex::new(), BTreeMap::new(), 0);
            for node in order {
                // This gives a number that is not used yet.
                let lane = lanes.find_or_add(&node);
                assert_eq!(index.get(&node), None);
                index.insert(&node, lane);
                tree.insert(node, lane);
                most = most.max(index.recent.len());
                if node % 64 == 0 {
                    assert!(index.iter().eq(tree.iter().map(|(node, &lane)| (node, lane))));
                    assert_eq!(index.validate(), Ok(()));
                }
            }
            assert!(tree.iter().all(|(node, &lane)| index.get(node) == Some(lane)));
            assert_eq!(lanes.validate(), Ok(()));
            let is_ascending = tree.values().is_sorted();
            assert_eq!(most > 0, tree.len() > LARGE && !is_ascending, "{most} at most in the tree");
        }
    }
}
