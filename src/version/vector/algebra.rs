//! Operations on two vectors: their meet, their difference, their order.

use core::cmp::Ordering;

use super::VersionVector;
use crate::node::{DotRange, NodeId};
use crate::order::CausalOrder;
use crate::version::simd::{self, NO_IDS};

impl<I: NodeId> VersionVector<I> {
    /// Keeps only the events that both have seen. The result is the greatest vector that is at most both. O(n + m).
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let mut x = VersionVector::from_iter([("a", 3), ("b", 1)]);
    /// x.meet(&VersionVector::from_iter([("a", 2), ("c", 9)]));
    /// assert_eq!(x, VersionVector::from_iter([("a", 2)]));
    /// ```
    pub fn meet(&mut self, other: &Self) {
        self.merge_recent();
        if self.ids.known_same(&other.ids) {
            simd::meet((NO_IDS, &mut self.counters), (NO_IDS, &other.counters));
            return;
        }
        let done = simd::meet((&self.ids, &mut self.counters), (&other.ids, &other.counters));
        if done == self.ids.len() && done == other.ids.len() {
            self.ids.found_same(&other.ids);
        }
        let mut theirs = Forwards { vector: other, at: done };
        self.filter_map(done, |node, counter| counter.min(theirs.get(node)));
    }

    /// Names the events that `self` has seen and `other` has not, as one range a node. O(n + m), or O(n log m) if n is
    /// much smaller.
    ///
    /// Send these events to a replica that reports `other`.
    ///
    /// ```
    /// use happens_before::VersionVector;
    /// use happens_before::node::DotRange;
    ///
    /// let ours = VersionVector::from_iter([("a", 5), ("b", 1)]);
    /// let theirs = VersionVector::from_iter([("a", 3), ("b", 4)]);
    /// assert!(ours.difference(&theirs).eq([DotRange::new("a", 4..=5).unwrap()]));
    /// ```
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = DotRange<I>> + 'a {
        let mut theirs = Forwards { vector: other, at: 0 };
        self.iter().filter_map(move |(node, counter)| {
            let seen = theirs.get(node);
            // No overflow: no counter is above `seen` if that is `u64::MAX`.
            (seen < counter).then(|| DotRange::new(node.clone(), seen + 1..=counter)).flatten()
        })
    }

    /// Compares two vectors by causality. O(n + m), or O(n log m) if n is much smaller; stops once the two turn out to
    /// be concurrent.
    pub fn compare(&self, other: &Self) -> CausalOrder {
        if self.ids.len() == other.ids.len() && self.recent.is_empty() && other.recent.is_empty() {
            if self.ids.known_same(&other.ids) {
                return simd::compare((NO_IDS, &self.counters), (NO_IDS, &other.counters));
            }
            let order = simd::compare((&self.ids, &self.counters), (&other.ids, &other.counters));
            if order != CausalOrder::Concurrent {
                // Otherwise the loop may have stopped before the last id.
                self.ids.found_same(&other.ids);
            }
            return order;
        }
        // No counter is 0, so a vector with fewer entries lacks an event that the other has.
        match self.len().cmp(&other.len()) {
            Ordering::Less if self.at_most(other) => CausalOrder::Before,
            Ordering::Greater if other.at_most(self) => CausalOrder::After,
            Ordering::Less | Ordering::Greater => CausalOrder::Concurrent,
            Ordering::Equal => CausalOrder::from_bounds(self.at_most(other), other.at_most(self)),
        }
    }

    /// Returns whether `other` has seen everything that `self` has.
    fn at_most(&self, other: &Self) -> bool {
        let mut theirs = Forwards { vector: other, at: 0 };
        self.iter().all(|(node, counter)| counter <= theirs.get(node))
    }
}

impl<I: NodeId> PartialOrd for VersionVector<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).to_ordering()
    }
}

/// Looks up nodes in increasing order.
struct Forwards<'a, I> {
    vector: &'a VersionVector<I>,
    /// The number of ids in the arrays that are less than every node still to come.
    at: usize,
}

impl<I: NodeId> Forwards<'_, I> {
    /// Like [`VersionVector::get`], for a node above those looked up before. O(log d) for an id that is d places ahead.
    fn get(&mut self, node: &I) -> u64 {
        match self.vector.ids.search_from(self.at, node) {
            Ok(at) => {
                self.at = at + 1;
                self.vector.counters[at]
            }
            Err(at) => {
                self.at = at;
                self.vector.recent.get(node)
            }
        }
    }
}
