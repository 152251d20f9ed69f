//! The entries of a vector of many nodes: two parallel arrays, ids and counters, and recent entries beside them.

use core::borrow::Borrow;
use core::{iter, mem};

use super::pairs::NewEntries;
use super::recent::Recent;
use crate::compat::{Vec, vec};
use crate::version::ids::SortedIds;

/// The number of entries from which on a vector puts new ones into a tree first. In shorter ones, moving the entries
/// after them is as fast.
const LARGE: usize = 1024;

/// The arrays hold at least this many times as many entries as the tree.
const RECENT: usize = 16;

/// The highest number of new entries that are inserted into the arrays one by one; more are worth a pass over all.
const ONE_BY_ONE: usize = 4;

/// For a merge of this many times fewer entries, each of them is searched for among all ids.
const MUCH_FEWER: usize = 16;

/// The entries by value.
pub(super) type IntoPairs<I> = iter::Zip<vec::IntoIter<I>, vec::IntoIter<u64>>;

/// Ids in increasing order and as many counters, and the entries that are not in these arrays yet.
#[derive(Clone)]
pub(super) struct Arrays<I> {
    pub(super) ids: SortedIds<I>,
    pub(super) counters: Vec<u64>,
    pub(super) recent: Recent<I>,
}

impl<I> Arrays<I> {
    pub(super) fn new(ids: Vec<I>, counters: Vec<u64>) -> Self {
        Self { ids: SortedIds::new(ids), counters, recent: Recent::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len() + self.recent.len()
    }

    /// Removes all entries; keeps the memory.
    pub(super) fn clear(&mut self) {
        // Ids are dropped last: if a drop panics, there are as many counters as ids.
        self.counters.clear();
        let _recent = self.recent.take();
        self.ids.change().drain(..);
    }

    /// Frees memory that is not needed.
    pub(super) fn shrink_to_fit(&mut self) {
        self.merge_recent();
        self.ids.shrink_to_fit();
        self.counters.shrink_to_fit();
    }

    /// Moves the entries out, in the order of their ids.
    pub(super) fn into_entries(mut self) -> IntoPairs<I> {
        self.merge_recent();
        iter::zip(self.ids.into_vec(), self.counters)
    }

    /// Moves the recent entries into the arrays.
    pub(super) fn merge_recent(&mut self) {
        if !self.recent.is_empty() {
            let recent = self.recent.take();
            self.insert_all(recent.len(), recent.into_iter());
        }
    }

    /// Inserts entries into the arrays. They come in order, each with the number of old entries before it.
    fn insert_all(&mut self, count: usize, new: impl Iterator<Item = (usize, (I, u64))>) {
        let ids = self.ids.change();
        if count <= ONE_BY_ONE {
            for (nth, (before, (node, counter))) in new.enumerate() {
                ids.insert(before + nth, node);
                self.counters.insert(before + nth, counter);
            }
            return;
        }
        let total = ids.len() + count;
        let mut old_ids = mem::replace(ids, Vec::with_capacity(total)).into_iter();
        let old_counters = mem::replace(&mut self.counters, Vec::with_capacity(total));
        let mut done = 0;
        for (before, (node, counter)) in new {
            ids.extend(old_ids.by_ref().take(before - done));
            self.counters.extend_from_slice(&old_counters[done..before]);
            done = before;
            ids.push(node);
            self.counters.push(counter);
        }
        ids.extend(old_ids);
        self.counters.extend_from_slice(&old_counters[done..]);
    }

    /// Gives a new counter to every entry of the arrays, starting at `from`; 0 removes the entry. If the closure
    /// panics, the remaining entries stay.
    pub(super) fn filter_map(&mut self, from: usize, mut new_counter: impl FnMut(&I, u64) -> u64) {
        let mut at = from;
        // As long as no entry goes, the ids are the same.
        let first_gone = loop {
            let Some(node) = self.ids.get(at) else { return };
            let counter = new_counter(node, self.counters[at]);
            if counter == 0 {
                break at;
            }
            self.counters[at] = counter;
            at += 1;
        };
        let ids = self.ids.change();
        let mut kept = Kept { ids, counters: &mut self.counters, kept: first_gone, seen: first_gone + 1 };
        while kept.seen < kept.counters.len() {
            let counter = new_counter(&kept.ids[kept.seen], kept.counters[kept.seen]);
            kept.next(counter);
        }
    }
}

impl<I> Default for Arrays<I> {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

impl<I: Ord> Arrays<I> {
    /// Returns the counter of `node`, 0 if it has none.
    #[inline]
    pub(super) fn get<Q: Ord + ?Sized>(&self, node: &Q) -> u64
    where
        I: Borrow<Q>,
    {
        // Loaded before the search, since it does not depend on it.
        let counters = self.counters.as_slice();
        match self.ids.search(node) {
            // VV3: each id has a counter.
            Ok(at) => counters.get(at).copied().unwrap_or(0),
            Err(_) => self.recent.get(node),
        }
    }

    /// Merges entries in the order of their ids. None of them belongs before the `from`-th entry of the arrays.
    #[inline(never)]
    pub(super) fn merge<K: Borrow<I>>(
        &mut self,
        mut from: usize,
        entries: impl ExactSizeIterator<Item = (K, u64)>,
        own: impl Fn(K) -> I,
    ) {
        if !self.recent.is_empty() && self.recent.len() + entries.len() > self.ids.len() / RECENT {
            // More than VV5 allows, if all are new.
            self.merge_recent();
            from = 0;
        }
        let mut new = NewEntries::new();
        if entries.len().saturating_mul(MUCH_FEWER) <= self.ids.len() {
            for (node, counter) in entries {
                let place = self.ids.search(node.borrow());
                self.raise(place, node, counter, &mut new, &own);
            }
        } else {
            for (node, counter) in entries {
                let place = self.ids.search_from(from, node.borrow());
                from = place.map_or_else(|before| before, |at| at + 1);
                self.raise(place, node, counter, &mut new, &own);
            }
        }
        let count = new.len();
        if count == 0 {
            return;
        }
        if self.recent.is_empty() && (self.len() < LARGE || count > self.len() / RECENT) {
            self.insert_all(count, new.into_iter());
            return;
        }
        let end = self.ids.len();
        for (before, (node, counter)) in new {
            if before == end {
                self.ids.change().push(node);
                self.counters.push(counter);
            } else {
                self.recent.insert(node, counter, before);
            }
        }
    }

    /// Raises the counter of a node whose place in the arrays is known, or notes a new one.
    #[inline(always)]
    fn raise<K: Borrow<I>>(
        &mut self,
        place: Result<usize, usize>,
        node: K,
        counter: u64,
        new: &mut NewEntries<I>,
        own: impl Fn(K) -> I,
    ) {
        match place {
            Ok(at) => self.counters[at] = self.counters[at].max(counter),
            Err(before) => match self.recent.get_mut(node.borrow()) {
                Some(ours) => *ours = counter.max(*ours),
                None => new.push((before, (own(node), counter))),
            },
        }
    }

    /// Raises the counter of a node that is not in the arrays; there it would stand after `before` others.
    pub(super) fn raise_recent<K: Borrow<I>>(
        &mut self,
        before: usize,
        node: K,
        counter: u64,
        own: impl FnOnce(K) -> I,
    ) {
        if let Some(ours) = self.recent.get_mut(node.borrow()) {
            *ours = counter.max(*ours);
        } else if before == self.ids.len() || self.ids.len() < LARGE {
            let node = own(node);
            self.ids.change().insert(before, node);
            self.counters.insert(before, counter);
        } else {
            self.recent.insert(own(node), counter, before);
            if self.recent.len() > self.ids.len() / RECENT {
                self.merge_recent();
            }
        }
    }

    /// Checks the invariants that only such a vector has.
    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        let mut recent = self.recent.iter().into_iter().flatten();
        if self.ids.len() != self.counters.len() {
            Err("VV3: as many counters as ids")
        } else if recent.any(|(before, _)| before >= self.ids.len()) {
            Err("VV4: no recent entry lies after the arrays")
        } else if self.recent.len() > self.ids.len() / RECENT {
            Err("VV5: recent entries are few")
        } else {
            Ok(())
        }
    }
}

/// Entries of the arrays while some are removed: first those that stay, then a gap, then those still to be visited.
///
/// The gap is closed at the end, even after the caller's code has panicked.
struct Kept<'a, I> {
    ids: &'a mut Vec<I>,
    counters: &'a mut Vec<u64>,
    kept: usize,
    seen: usize,
}

impl<I> Kept<'_, I> {
    /// Gives the next entry a new counter, or removes it if that is 0.
    fn next(&mut self, counter: u64) {
        if counter > 0 {
            self.ids.swap(self.kept, self.seen);
            self.counters[self.kept] = counter;
            self.kept += 1;
        }
        self.seen += 1;
    }
}

impl<I> Drop for Kept<'_, I> {
    fn drop(&mut self) {
        self.counters.drain(self.kept..self.seen);
        self.ids.drain(self.kept..self.seen);
    }
}
