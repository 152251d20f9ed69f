//! The delivered messages that no other delivered or sent message follows: at most one for each node, sorted by node.
//!
//! # The problem
//!
//! Usually there are few entries, and then nothing is faster than a short sorted array. But others choose which names
//! enter and leave, and their number. In a long array each change would move all entries after it.
//!
//! # The structure
//!
//! A sorted array for up to [`FEW`] entries. When there are more, all are in a tree until the last one is removed.
//!
//! # Invariants
//!
//! - FR1: nodes are strictly increasing, and no counter is 0.
//! - FR2: the array has at most [`FEW`] entries, and none if the tree has any.
//!
//! A panic of a caller's `clone`, `cmp` or `drop` loses at most the entry that was being removed.

use core::hash::{Hash, Hasher};
use core::{iter, mem};

use smallvec::SmallVec;

use crate::compat::BTreeMap;
use crate::node::NodeId;

/// The largest number of entries in the array.
const FEW: usize = 32;

/// The frontier: for each node, the counter of its message.
#[derive(Clone, Debug)]
pub(super) struct Frontier<I> {
    few: SmallVec<[(I, u64); 4]>,
    many: BTreeMap<I, u64>,
}

impl<I> Frontier<I> {
    pub(super) fn new() -> Self {
        Self { few: SmallVec::new(), many: BTreeMap::new() }
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// Visits the entries in the order of the nodes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, u64)> {
        let few = self.few.iter().map(|(node, counter)| (node, *counter));
        few.chain(self.many.iter().map(|(node, &counter)| (node, counter)))
    }
}

/// Equal if the entries are, wherever they are stored.
impl<I: PartialEq> PartialEq for Frontier<I> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<I: Eq> Eq for Frontier<I> {}

impl<I: Hash> Hash for Frontier<I> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<I: NodeId> Frontier<I> {
    /// Removes the first entries, at most `count`, in the order of the nodes. Does not call the caller's code.
    pub(super) fn take_first(&mut self, count: usize) -> impl Iterator<Item = (I, u64)> {
        let few = self.few.drain(..count.min(self.few.len()));
        few.chain(iter::from_fn(|| self.many.pop_first()).take(count))
    }

    #[inline]
    fn search(&self, node: &I) -> Result<usize, usize> {
        self.few.binary_search_by(|(known, _)| known.cmp(node))
    }

    /// Adds an entry for `node`, or raises the counter of its entry. O(log f) for f entries.
    pub(super) fn raise(&mut self, node: &I, counter: u64) {
        if !self.many.is_empty() {
            return self.raise_in_tree(node, counter);
        }
        match self.search(node) {
            Ok(index) => self.few[index].1 = counter.max(self.few[index].1),
            Err(index) if self.few.len() < FEW => self.few.insert(index, (node.clone(), counter)),
            Err(_) => {
                // Copied, not moved: a comparison that panics would lose the entries being moved.
                let mut many: BTreeMap<I, u64> = self.few.iter().cloned().collect();
                many.insert(node.clone(), counter);
                self.many = many;
                drop(mem::take(&mut self.few));
            }
        }
    }

    #[cold]
    fn raise_in_tree(&mut self, node: &I, counter: u64) {
        match self.many.get_mut(node) {
            Some(before) => *before = counter.max(*before),
            None => drop(self.many.insert(node.clone(), counter)),
        }
    }

    /// Removes the entry of `node`, unless its counter is above `counter`. O(log f) for f entries.
    #[inline]
    pub(super) fn remove_up_to(&mut self, node: &I, counter: u64) {
        if !self.many.is_empty() {
            self.remove_from_tree(node, counter);
        } else if let Ok(index) = self.search(node)
            && self.few[index].1 <= counter
        {
            self.few.remove(index);
        }
    }

    #[cold]
    fn remove_from_tree(&mut self, node: &I, counter: u64) {
        if self.many.get(node).is_some_and(|&ours| ours <= counter) {
            self.many.remove(node);
        }
    }

    /// Checks FR1 and FR2. O(f).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        if !self.iter().is_sorted_by(|a, b| a.0 < b.0) || self.iter().any(|(_, counter)| counter == 0) {
            return Err("FR1: nodes are strictly increasing, and no counter is 0");
        }
        if self.few.len() > FEW || !(self.few.is_empty() || self.many.is_empty()) {
            return Err("FR2: the entries are in the array or in the tree");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn random(state: &mut u64, bound: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % bound
    }

    #[test]
    fn a_frontier_has_what_a_tree_has_whether_narrow_or_wide() {
        let (mut state, mut wide, mut narrow_again) = (1, 0, 0);
        for _ in 0..200 {
            let (mut frontier, mut tree) = (Frontier::new(), BTreeMap::<u64, u64>::new());
            let nodes = [3, FEW as u64, 3 * FEW as u64][random(&mut state, 3) as usize];
            for _ in 0..300 {
                let (node, counter) = (random(&mut state, nodes), 1 + random(&mut state, 9));
                match random(&mut state, 32) {
                    0..20 => {
                        frontier.raise(&node, counter);
                        let ours = tree.entry(node).or_default();
                        *ours = counter.max(*ours);
                    }
                    20..31 => {
                        frontier.remove_up_to(&node, counter);
                        tree.retain(|&known, &mut ours| known != node || ours > counter);
                    }
                    _ => {
                        let was_wide = !frontier.many.is_empty();
                        let count = random(&mut state, 2 * nodes) as usize;
                        let first: Vec<_> = frontier.take_first(count).collect();
                        assert!(first.into_iter().eq(iter::from_fn(|| tree.pop_first()).take(count)));
                        narrow_again += u32::from(was_wide && frontier.many.is_empty());
                    }
                }
                wide += u32::from(!frontier.many.is_empty());
                assert_eq!((frontier.len(), frontier.validate()), (tree.len(), Ok(())));
                assert!(frontier.iter().eq(tree.iter().map(|(node, &counter)| (node, counter))));
            }
        }
        assert!(wide > 1_000 && narrow_again > 20, "{wide} {narrow_again}");
    }

    #[test]
    fn equal_entries_are_equal_in_the_array_and_in_the_tree() {
        let hash = |frontier: &Frontier<u64>| {
            let mut state = std::hash::DefaultHasher::new();
            frontier.hash(&mut state);
            state.finish()
        };
        let (mut narrow, mut wide) = (Frontier::new(), Frontier::new());
        for node in 0..=FEW as u64 {
            wide.raise(&node, 1);
        }
        for node in 3..=FEW as u64 {
            wide.remove_up_to(&node, 1);
        }
        (0..3).for_each(|node| narrow.raise(&node, 1));
        assert!(!wide.many.is_empty() && narrow.many.is_empty());
        assert_eq!((&wide, hash(&wide)), (&narrow, hash(&narrow)));
        narrow.raise(&2, 2);
        assert_ne!((&wide, hash(&wide)), (&narrow, hash(&narrow)));
    }
}
