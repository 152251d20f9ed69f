//! Conversions between a vector and a sequence of entries, and its text form.

use core::iter::{FusedIterator, Peekable};
use core::{fmt, iter, mem, slice};

use smallvec::SmallVec;

use super::recent::{self, Recent};
use super::{INLINE, VersionVector};
use crate::node::NodeId;

impl<I> VersionVector<I> {
    /// Visits the entries, node and counter, in the order of the ids.
    pub fn iter(&self) -> Entries<'_, I> {
        Entries::new(&self.ids, &self.counters, &self.recent)
    }
}

/// The entries of a [`VersionVector`](crate::VersionVector), node and counter, in the order of the ids.
///
/// Returned by [`VersionVector::iter`](crate::VersionVector::iter).
pub struct Entries<'a, I> {
    arrays: iter::Zip<slice::Iter<'a, I>, slice::Iter<'a, u64>>,
    /// The number of entries of the arrays already returned at the front.
    before: usize,
    recent: Option<Peekable<recent::Iter<'a, I>>>,
}

impl<'a, I> Entries<'a, I> {
    pub(super) fn new(ids: &'a [I], counters: &'a [u64], recent: &'a Recent<I>) -> Self {
        Self { arrays: iter::zip(ids, counters), before: 0, recent: recent.iter() }
    }
}

impl<'a, I> Iterator for Entries<'a, I> {
    type Item = (&'a I, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(recent) = &mut self.recent {
            let before = self.before;
            if let Some((_, entry)) = recent.next_if(|added| added.0 <= before) {
                return Some(entry);
            }
            self.before += 1;
        }
        self.arrays.next().map(|(node, &counter)| (node, counter))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.arrays.len() + self.recent.as_ref().map_or(0, |recent| recent.len());
        (len, Some(len))
    }

    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while self.recent.is_some() {
            match self.next() {
                Some(entry) => folded = f(folded, entry),
                None => return folded,
            }
        }
        self.arrays.fold(folded, |folded, (node, &counter)| f(folded, (node, counter)))
    }
}

impl<I> DoubleEndedIterator for Entries<'_, I> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some(recent) = &mut self.recent {
            let end = self.before + self.arrays.len();
            if recent.clone().next_back().is_some_and(|added| added.0 >= end) {
                return recent.next_back().map(|(_, entry)| entry);
            }
        }
        self.arrays.next_back().map(|(node, &counter)| (node, counter))
    }
}

impl<I> ExactSizeIterator for Entries<'_, I> {}
impl<I> FusedIterator for Entries<'_, I> {}

impl<I> Clone for Entries<'_, I> {
    fn clone(&self) -> Self {
        Self { arrays: self.arrays.clone(), before: self.before, recent: self.recent.clone() }
    }
}

impl<I: fmt::Debug> fmt::Debug for Entries<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<'a, I> IntoIterator for &'a VersionVector<I> {
    type Item = (&'a I, u64);
    type IntoIter = Entries<'a, I>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Of several counters for one node the highest counts; a counter of 0 makes no entry. O(n log n).
impl<I: NodeId> FromIterator<(I, u64)> for VersionVector<I> {
    fn from_iter<T: IntoIterator<Item = (I, u64)>>(entries: T) -> Self {
        let entries = entries.into_iter().filter(|&(_, counter)| counter > 0);
        let mut entries: SmallVec<[(I, u64); INLINE]> = entries.collect();
        // The highest counter of a node first, so that it is the one that stays.
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        entries.dedup_by(|later, kept| later.0 == kept.0);
        let (mut ids, mut counters) = (SmallVec::new(), SmallVec::new());
        ids.reserve_exact(entries.len());
        counters.reserve_exact(entries.len());
        for (node, counter) in entries {
            ids.push(node);
            counters.push(counter);
        }
        Self::from_sorted(ids, counters)
    }
}

/// Merges the entries, as [`merge`](VersionVector::merge) does. O(n + k log k) for k entries.
impl<I: NodeId> Extend<(I, u64)> for VersionVector<I> {
    fn extend<T: IntoIterator<Item = (I, u64)>>(&mut self, entries: T) {
        self.merge(&entries.into_iter().collect());
    }
}

impl<I: fmt::Display> fmt::Display for VersionVector<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut separator = "";
        for (node, counter) in self {
            write!(f, "{}{node}: {counter}", mem::replace(&mut separator, ", "))?;
        }
        f.write_str("}")
    }
}

impl<I: fmt::Debug> fmt::Debug for VersionVector<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}
