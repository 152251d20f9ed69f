//! Recent entries: those added one by one to a large vector and not yet moved into its arrays.
//!
//! Inserting an entry into sorted arrays moves all entries after it. For short arrays nothing is faster; a million
//! entries in a bad order would take minutes. So a large vector puts new entries into a tree, and moves them into the
//! arrays once there are enough: the entries added since the last move pay for it. Each entry stores its place in the
//! arrays, so that visiting both in order compares no ids.

use core::borrow::Borrow;
use core::iter::Peekable;

use crate::compat::{BTreeMap, Box, btree_map};

/// A recent entry, without its id.
#[derive(Clone, Copy, Debug)]
struct Added {
    counter: u64,
    /// The number of entries in the arrays before it.
    before: usize,
}

/// Entries that are not in the arrays. It is a word in size; nearly always there are none.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "nearly always absent, and then a word is less than three")]
pub(super) struct Recent<I>(Option<Box<BTreeMap<I, Added>>>);

impl<I> Recent<I> {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |added| added.len())
    }

    /// Removes and returns all entries.
    pub(super) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// Visits the entries in the order of their ids.
    pub(super) fn iter(&self) -> Option<Peekable<Iter<'_, I>>> {
        self.0.as_ref().map(|added| Iter(added.iter()).peekable())
    }
}

impl<I: Ord> Recent<I> {
    /// Returns the counter of `node`, 0 if it has none here. O(log n).
    #[inline]
    pub(super) fn get<Q: Ord + ?Sized>(&self, node: &Q) -> u64
    where
        I: Borrow<Q>,
    {
        // Not inlined: this code nearly never runs, and should not be in the way.
        #[inline(never)]
        fn search<I: Ord + Borrow<Q>, Q: Ord + ?Sized>(added: &BTreeMap<I, Added>, node: &Q) -> u64 {
            added.get(node).map_or(0, |added| added.counter)
        }
        self.0.as_ref().map_or(0, |added| search(added, node))
    }

    /// Returns the counter of `node` for raising it. O(log n).
    pub(super) fn get_mut(&mut self, node: &I) -> Option<&mut u64> {
        self.0.as_mut().and_then(|added| added.get_mut(node)).map(|added| &mut added.counter)
    }

    /// Adds an entry for a node that has none, or replaces it. O(log n).
    pub(super) fn insert(&mut self, node: I, counter: u64, before: usize) {
        self.0.get_or_insert_default().insert(node, Added { counter, before });
    }
}

/// The entries, each with its place in the arrays.
#[derive(Debug)]
pub(super) struct Iter<'a, I>(btree_map::Iter<'a, I, Added>);

impl<I> Clone for Iter<'_, I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, I> Iterator for Iter<'a, I> {
    type Item = (usize, (&'a I, u64));

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(node, added)| (added.before, (node, added.counter)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<I> DoubleEndedIterator for Iter<'_, I> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(node, added)| (added.before, (node, added.counter)))
    }
}

impl<I> ExactSizeIterator for Iter<'_, I> {}

impl<I> IntoIterator for Recent<I> {
    type Item = (usize, (I, u64));
    type IntoIter = IntoIter<I>;

    fn into_iter(self) -> IntoIter<I> {
        IntoIter(self.0.map(|added| *added).unwrap_or_default().into_iter())
    }
}

/// The entries by value, each with its place in the arrays.
#[derive(Debug)]
pub(super) struct IntoIter<I>(btree_map::IntoIter<I, Added>);

impl<I> Iterator for IntoIter<I> {
    type Item = (usize, (I, u64));

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(node, added)| (added.before, (node, added.counter)))
    }
}
