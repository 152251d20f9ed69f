//! The ids of a version vector, with a note of which vectors have the same ids.
//!
//! If the ids of two vectors are the same, merging and comparing are loops over counters alone. But comparing the ids
//! reads as much memory as the counters. So it is done once: the operation that finds the ids of two vectors to be the
//! same gives both the same *shape*, a number that stands for exactly these ids in this process. A shape lasts until a
//! vector's ids change; a copy starts with it. It spreads among several vectors: of two shapes for the same ids the
//! older one stays.
//!
//! Shapes only affect speed. They are never compared as values, hashed, shown or sent. Vectors of few entries have none,
//! since reading their ids costs no more.
//!
//! # Invariants
//!
//! - ID1: ids with the same shape, other than [`Shape::UNKNOWN`], are the same.
//!
//! A shape is written through a shared reference only to ids that are the same as those from which it was read, or for
//! which it was made. Ids change only through an exclusive reference, which comes after all such writes. So any shape
//! that a thread reads of some ids stands for them, whatever the order in which threads see each other's writes.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::ops::Deref;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use crate::compat::Vec;

/// The number of entries ahead that are looked at one by one, before the steps get larger.
const NEAR: usize = 4;

/// Sorted ids. Only [`change`](Self::change) can change them, and it forgets the shape.
pub(super) struct SortedIds<I> {
    sorted: Vec<I>,
    shape: Shape,
}

impl<I> SortedIds<I> {
    pub(super) fn new(sorted: Vec<I>) -> Self {
        Self { sorted, shape: Shape::unknown() }
    }

    pub(super) fn change(&mut self) -> &mut Vec<I> {
        self.shape = Shape::unknown();
        &mut self.sorted
    }

    pub(super) fn into_vec(self) -> Vec<I> {
        self.sorted
    }

    /// Frees memory that is not needed.
    pub(super) fn shrink_to_fit(&mut self) {
        self.sorted.shrink_to_fit();
    }

    /// Returns whether both are known to be the same. If `false`, they may still be the same.
    #[inline]
    pub(super) fn known_same(&self, other: &Self) -> bool {
        self.shape.is(&other.shape)
    }

    /// Records that both have been found to be the same.
    #[inline]
    pub(super) fn found_same(&self, other: &Self) {
        self.shape.unite(&other.shape);
    }
}

impl<I: Ord> SortedIds<I> {
    /// Finds the place of a node, or the place where it would be. O(log n).
    #[inline]
    pub(super) fn search<Q: Ord + ?Sized>(&self, node: &Q) -> Result<usize, usize>
    where
        I: Borrow<Q>,
    {
        self.sorted.binary_search_by(|id| id.borrow().cmp(node))
    }

    /// Finds `node` among the ids; those before `from` are known to be less. O(log d) for an id that is d places ahead.
    pub(super) fn search_from(&self, from: usize, node: &I) -> Result<usize, usize> {
        let ahead = &self.sorted[from..];
        // Most ids are close.
        for (steps, id) in ahead.iter().take(NEAR).enumerate() {
            match id.cmp(node) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(from + steps),
                Ordering::Greater => return Err(from + steps),
            }
        }
        // All ids before `low` are less.
        let (mut low, mut high) = (NEAR.min(ahead.len()), 2 * NEAR);
        while ahead.get(high).is_some_and(|id| id <= node) {
            (low, high) = (high, 2 * high);
        }
        let found = ahead[low..high.min(ahead.len())].binary_search(node);
        found.map(|at| from + low + at).map_err(|at| from + low + at)
    }
}

impl<I> Deref for SortedIds<I> {
    type Target = [I];

    #[inline]
    fn deref(&self) -> &[I] {
        &self.sorted
    }
}

impl<I: Clone> Clone for SortedIds<I> {
    #[inline]
    fn clone(&self) -> Self {
        let copy = Self::new(self.sorted.clone());
        self.found_same(&copy);
        copy
    }
}

/// A number that stands for some ids. It changes no result, so threads may write it in any order.
struct Shape(AtomicUsize);

impl Shape {
    const UNKNOWN: usize = 0;

    fn unknown() -> Self {
        Self(AtomicUsize::new(Self::UNKNOWN))
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        let shape = self.get();
        shape != Self::UNKNOWN && shape == other.get()
    }

    fn unite(&self, other: &Self) {
        let shapes = [self.get(), other.get()].into_iter().filter(|&shape| shape != Self::UNKNOWN);
        let shape = shapes.min().unwrap_or_else(Self::fresh);
        for each in [self, other] {
            // A write takes the cache line from the other threads, even a write of the same value.
            if each.get() != shape {
                each.0.store(shape, Relaxed);
            }
        }
    }

    #[inline]
    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Returns an unused shape; [`UNKNOWN`](Self::UNKNOWN) if none is left, or if the target cannot count atomically.
    fn fresh() -> usize {
        #[cfg(target_has_atomic = "ptr")]
        {
            static LAST: AtomicUsize = AtomicUsize::new(Shape::UNKNOWN);
            let next = |last: usize| last.checked_add(1);
            LAST.fetch_update(Relaxed, Relaxed, next).ok().and_then(next).unwrap_or(Self::UNKNOWN)
        }
        #[cfg(not(target_has_atomic = "ptr"))]
        Self::UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::vec::Vec;

    use super::*;

    fn ids(n: u32) -> SortedIds<u32> {
        SortedIds::new((0..n).collect())
    }

    #[test]
    fn what_is_known_spreads_until_ids_change() {
        let [mut a, b, c, d] = [ids(9), ids(9), ids(9), ids(9)];
        assert!(!a.known_same(&a) && !a.known_same(&b));
        a.found_same(&b);
        c.found_same(&d);
        assert!(a.known_same(&b) && c.known_same(&d) && !b.known_same(&c));
        // The older shape stays, on either side.
        d.found_same(&a);
        assert!(a.known_same(&b) && b.known_same(&d) && !c.known_same(&d));
        b.found_same(&c);
        assert!(c.known_same(&d));

        let copy = a.clone();
        assert!(copy.known_same(&d));
        a.change().push(9);
        assert!(!a.known_same(&d) && !a.known_same(&copy) && !a.known_same(&a));
        let longer = a.clone();
        assert!(a.known_same(&longer) && !longer.known_same(&copy));
        a.shrink_to_fit();
        assert!(a.known_same(&longer));
    }

    #[test]
    fn threads_find_out_at_the_same_time() {
        for _ in 0..200 {
            let groups: [Vec<SortedIds<u32>>; 2] =
                [9, 10].map(|n| core::iter::repeat_with(|| ids(n)).take(4).collect());
            thread::scope(|scope| {
                for start in 0..4 {
                    let groups = &groups;
                    scope.spawn(move || {
                        for at in start..start + 4 {
                            let each =
                                |group: &Vec<SortedIds<u32>>| group[at % 4].found_same(&group[(at + 1) % 4]);
                            groups.iter().for_each(each);
                        }
                    });
                }
            });
            let [nine, ten] = groups;
            assert!(nine.iter().all(|a| ten.iter().all(|b| !a.known_same(b))));
        }
    }
}
