//! Operations on two vectors: their merge and meet, what one has and the other lacks, their order.

use core::cmp::Ordering;
use core::iter;

use super::pairs::search_from;
use super::{MANY, Storage, VersionVector};
use crate::node::{DotRange, NodeId};
use crate::order::CausalOrder;
use crate::version::simd::{self, NO_IDS};

/// A vector with this many times fewer entries has each of them looked up from the start.
const MUCH_SMALLER: usize = 8;

impl<I: NodeId> VersionVector<I> {
    /// Adds everything that `other` has seen. The result is the least vector that is at least both. O(n + m), or
    /// O(m log n) for a few entries into a large vector.
    ///
    /// [`extend`](Extend) merges a vector by value.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.entries, &other.entries) {
            (Storage::Few(ours), Storage::Few(theirs)) => {
                ours.merge(theirs.iter().map(|(node, counter)| (node, *counter)), I::clone);
                self.grow();
            }
            (Storage::Few(_), Storage::Many(_)) => {
                self.widen();
                self.merge(other);
            }
            (Storage::Many(ours), Storage::Many(theirs)) if theirs.recent.is_empty() => {
                if ours.ids.known_same(&theirs.ids) {
                    simd::merge((NO_IDS, &mut ours.counters), (NO_IDS, &theirs.counters));
                } else {
                    let done = simd::merge((&ours.ids, &mut ours.counters), (&theirs.ids, &theirs.counters));
                    if done < theirs.ids.len() {
                        let rest = iter::zip(&theirs.ids[done..], theirs.counters[done..].iter().copied());
                        ours.merge(done, rest, I::clone);
                    } else if done == ours.ids.len() {
                        ours.ids.found_same(&theirs.ids);
                    }
                }
            }
            (Storage::Many(ours), _) => ours.merge(0, other.iter(), I::clone),
        }
        self.debug_validate();
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
    /// let ours = VersionVector::from([("a", 5), ("b", 1)]);
    /// let theirs = VersionVector::from([("a", 3), ("b", 4)]);
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
}

impl<I: Ord> VersionVector<I> {
    /// Merges entries in the order of their nodes, by value.
    pub(super) fn merge_owned(&mut self, other: Self) {
        if other.len() >= MANY {
            self.widen();
        }
        match &mut self.entries {
            Storage::Few(pairs) => {
                pairs.merge(other.into_iter(), |node| node);
                self.grow();
            }
            Storage::Many(arrays) => arrays.merge(0, other.into_iter(), |node| node),
        }
        self.debug_validate();
    }

    /// Keeps only the events that both have seen. The result is the greatest vector that is at most both. O(n + m).
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let mut x = VersionVector::from([("a", 3), ("b", 1)]);
    /// x.meet(&VersionVector::from([("a", 2), ("c", 9)]));
    /// assert_eq!(x, VersionVector::from([("a", 2)]));
    /// ```
    pub fn meet(&mut self, other: &Self) {
        let mut theirs = Forwards { vector: other, at: 0 };
        let (Storage::Many(ours), Storage::Many(others)) = (&mut self.entries, &other.entries) else {
            self.filter_map(|node, counter| counter.min(theirs.get(node)));
            return;
        };
        ours.merge_recent();
        if ours.ids.known_same(&others.ids) {
            simd::meet((NO_IDS, &mut ours.counters), (NO_IDS, &others.counters));
            return;
        }
        let done = simd::meet((&ours.ids, &mut ours.counters), (&others.ids, &others.counters));
        if done == ours.ids.len() && done == others.ids.len() {
            ours.ids.found_same(&others.ids);
        }
        theirs.at = done;
        ours.filter_map(done, |node, counter| counter.min(theirs.get(node)));
        self.debug_validate();
    }

    /// Removes each entry whose counter in `other` is at least as high. O(n + m).
    ///
    /// The result is the least vector whose merge with `other` is the merge of both. It is enough to send to a replica
    /// that reports `other`. Its entries keep their counters, since a vector cannot begin in the middle;
    /// [`difference`](Self::difference) names exactly the events that are missing there.
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let mut ours = VersionVector::from([("a", 5), ("b", 1), ("c", 2)]);
    /// ours.subtract(&VersionVector::from([("a", 3), ("b", 4)]));
    /// assert_eq!(ours, VersionVector::from([("a", 5), ("c", 2)]));
    /// ```
    pub fn subtract(&mut self, other: &Self) {
        if self.is_much_smaller_than(other) {
            self.retain(|node, counter| counter > other.get(node));
            return;
        }
        let mut theirs = Forwards { vector: other, at: 0 };
        self.filter_map(|node, counter| if counter > theirs.get(node) { counter } else { 0 });
    }

    /// Compares two vectors by causality. O(n + m), or O(n log m) if n is much smaller; stops once the two turn out to
    /// be concurrent.
    pub fn compare(&self, other: &Self) -> CausalOrder {
        match (&self.entries, &other.entries) {
            (Storage::Few(ours), Storage::Few(theirs)) if ours.len() == theirs.len() => {
                return compare_pairs(ours, theirs);
            }
            (Storage::Many(ours), Storage::Many(theirs))
                if ours.ids.len() == theirs.ids.len() && ours.recent.is_empty() && theirs.recent.is_empty() =>
            {
                if ours.ids.known_same(&theirs.ids) {
                    return simd::compare((NO_IDS, &ours.counters), (NO_IDS, &theirs.counters));
                }
                let order = simd::compare((&ours.ids, &ours.counters), (&theirs.ids, &theirs.counters));
                if order != CausalOrder::Concurrent {
                    // Otherwise the loop may have stopped before the last id.
                    ours.ids.found_same(&theirs.ids);
                }
                return order;
            }
            _ => {}
        }
        // No counter is 0, so a vector with fewer entries lacks an event that the other has.
        match self.len().cmp(&other.len()) {
            Ordering::Less if self.at_most(other) => CausalOrder::Before,
            Ordering::Greater if other.at_most(self) => CausalOrder::After,
            Ordering::Less | Ordering::Greater => CausalOrder::Concurrent,
            Ordering::Equal => CausalOrder::from_bounds(self.at_most(other), other.at_most(self)),
        }
    }

    /// Returns whether everything that `other` has seen has been seen here. O(n + m), or O(m log n) if m is much
    /// smaller; stops at the first event that has not.
    ///
    /// The same as `self >= other`, which takes one pass, too.
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let seen = VersionVector::from([("a", 5), ("b", 1)]);
    /// assert!(seen.contains_all(&VersionVector::from([("a", 4)])));
    /// assert!(!seen.contains_all(&VersionVector::from([("c", 1)])));
    /// ```
    pub fn contains_all(&self, other: &Self) -> bool {
        other.at_most(self)
    }

    #[inline]
    fn is_much_smaller_than(&self, other: &Self) -> bool {
        self.len().saturating_mul(MUCH_SMALLER) <= other.len()
    }

    /// Returns whether `other` has seen everything that `self` has.
    fn at_most(&self, other: &Self) -> bool {
        if self.is_much_smaller_than(other) {
            return self.iter().all(|(node, counter)| counter <= other.get(node));
        }
        match (&self.entries, &other.entries) {
            (Storage::Few(ours), Storage::Few(theirs)) => at_most_pairs(ours, theirs),
            (Storage::Many(ours), Storage::Many(theirs))
                if ours.recent.is_empty() && ours.ids.known_same(&theirs.ids) =>
            {
                let order = simd::compare((NO_IDS, &ours.counters), (NO_IDS, &theirs.counters));
                matches!(order, CausalOrder::Before | CausalOrder::Equal)
            }
            _ => {
                let mut theirs = Forwards { vector: other, at: 0 };
                self.iter().all(|(node, counter)| counter <= theirs.get(node))
            }
        }
    }
}

/// Compares vectors of equally many entries.
#[inline]
fn compare_pairs<I: Ord>(ours: &[(I, u64)], theirs: &[(I, u64)]) -> CausalOrder {
    let (mut above, mut below) = (false, false);
    for ((node, ours), (other, theirs)) in iter::zip(ours, theirs) {
        above |= ours > theirs;
        below |= ours < theirs;
        if (above & below) || node != other {
            return CausalOrder::Concurrent;
        }
    }
    CausalOrder::from_bounds(!above, !below)
}

/// Returns whether every entry of ours is at most an entry of theirs.
#[inline]
fn at_most_pairs<I: Ord>(ours: &[(I, u64)], theirs: &[(I, u64)]) -> bool {
    let mut next = 0;
    ours.len() <= theirs.len()
        && ours.iter().all(|(node, counter)| {
            let found = search_from(theirs, next, node);
            found.is_ok_and(|at| {
                next = at + 1;
                *counter <= theirs[at].1
            })
        })
}

/// By causality. `<=` and `>=` take one pass.
impl<I: Ord> PartialOrd for VersionVector<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).to_ordering()
    }

    fn le(&self, other: &Self) -> bool {
        self.at_most(other)
    }

    fn ge(&self, other: &Self) -> bool {
        other.at_most(self)
    }
}

/// Looks up nodes in increasing order.
struct Forwards<'a, I> {
    vector: &'a VersionVector<I>,
    /// The number of ids in the pairs or arrays that are less than every node still to come.
    at: usize,
}

impl<I: Ord> Forwards<'_, I> {
    /// Like [`VersionVector::get`], for a node above those looked up before. O(log d) for an id that is d places ahead.
    fn get(&mut self, node: &I) -> u64 {
        match &self.vector.entries {
            Storage::Few(pairs) => {
                let pairs = &**pairs;
                match search_from(pairs, self.at, node) {
                    Ok(at) => {
                        self.at = at + 1;
                        pairs[at].1
                    }
                    Err(at) => {
                        self.at = at;
                        0
                    }
                }
            }
            Storage::Many(arrays) => match arrays.ids.search_from(self.at, node) {
                Ok(at) => {
                    self.at = at + 1;
                    arrays.counters[at]
                }
                Err(at) => {
                    self.at = at;
                    arrays.recent.get(node)
                }
            },
        }
    }
}
