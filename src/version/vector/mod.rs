//! The version vector.

mod algebra;
mod entries;
mod recent;

use core::hash::{Hash, Hasher};
use core::mem;

use smallvec::SmallVec;

use super::ids::{INLINE, SortedIds};
use super::simd::{self, NO_IDS};
use crate::compat::Vec;
use crate::node::{CounterExhausted, Dot, NodeId};
use recent::Recent;

pub use entries::Entries;

/// The number of entries from which on a vector puts new ones into a tree first. In shorter ones, moving the entries
/// after them is as fast.
const LARGE: usize = 1024;

/// The arrays hold at least this many times as many entries as the tree.
const RECENT: usize = 16;

/// The highest number of new entries that are inserted into the arrays one by one; more are worth a pass over all.
const FEW: usize = 4;

/// A version vector: the counter of the latest event seen, for every node. Vectors are a partial order, and a lattice.
///
/// `PartialOrd` is causality: `a < b` if `a` happens before `b`; of two concurrent vectors neither is less.
///
/// In the costs below, n and m are the numbers of entries of `self` and of the other vector.
///
/// # The problem
///
/// Two replicas hold different states of one value. Either one state is simply older, or both changed while neither
/// replica knew of the other. A timestamp orders the states in both cases, and so silently drops a change in the
/// second.
///
/// # The structure
///
/// A version vector maps a node to the counter of its latest event seen; a node that is absent has counter 0.
/// It stands for the set of all dots (n, 1), ..., (n, counter of n). The set view explains every operation:
///
/// | operation | of the sets | result at a node |
/// |---|---|---|
/// | [`merge`](VersionVector::merge) | union | the higher counter |
/// | [`meet`](VersionVector::meet) | intersection | the lower counter |
/// | [`difference`](VersionVector::difference) | set difference | a range |
/// | [`compare`](VersionVector::compare) | inclusion | before = proper subset |
///
/// It is stored as two parallel arrays, ids and counters, sorted by id. Vectors of one group nearly always hold the
/// same ids. Then merging is an elementwise maximum and comparing is one pass over both, without a branch on ids. Once
/// the ids were found to be the same, this is remembered, and later operations read the counters alone.
///
/// Up to eight entries live inline, without an allocation. A large vector puts new entries into a tree beside the
/// arrays first: a million of them, in any order, cost O(log n) each instead of O(n).
///
/// # Guarantees
///
/// If each node counts all of its events in its own entry, comparison *is* causality, both ways: x is before y exactly
/// if x's state was known where y was made.
///
/// # Examples
///
/// ```
/// use happens_before::VersionVector;
///
/// let mut ours = VersionVector::new();
/// ours.increment("a")?;
/// let theirs = VersionVector::from_iter([("b", 2)]);
/// assert_eq!(ours.partial_cmp(&theirs), None); // concurrent
///
/// ours.merge(&theirs);
/// assert!(theirs < ours);
/// assert_eq!(ours.to_string(), "{a: 1, b: 2}");
/// # Ok::<(), happens_before::node::CounterExhausted>(())
/// ```
///
/// # Invariants
///
/// - VV1: ids are strictly increasing, and none is in two places.
/// - VV2: no counter is 0.
/// - VV3: as many counters as ids.
/// - VV4: no recent entry lies after the arrays.
/// - VV5: recent entries are few: at most one for 16 in the arrays.
///
/// `==` and `Hash` see all entries, in the arrays or not. Only a vector of more than a thousand entries can have recent
/// ones, after new nodes were added one by one. Then comparing takes a step for each entry, until an operation that
/// visits all of them moves them into the arrays. [`shrink_to_fit`](VersionVector::shrink_to_fit) is such an operation.
///
/// # Panics
///
/// Nothing here panics by itself. The caller's code may: the closure of [`retain`](VersionVector::retain), and the
/// order, the clones and the drops of ids. If such a panic is caught, the invariants hold, and each entry has its old
/// value or the new one. An operation on a single entry has changed all or nothing. A merge may have raised only some
/// counters: merge again, or drop the vector.
///
/// # Sources
///
/// Parker et al., *Detection of Mutual Inconsistency in Distributed Systems* (1983); Fidge, *Timestamps in
/// Message-Passing Systems That Preserve the Partial Ordering* (1988); Mattern, *Virtual Time and Global States
/// of Distributed Systems* (1989).
pub struct VersionVector<I> {
    ids: SortedIds<I>,
    counters: SmallVec<[u64; INLINE]>,
    recent: Recent<I>,
}

impl<I> VersionVector<I> {
    /// Makes the empty vector, which has seen nothing. Does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self { ids: SortedIds::new(SmallVec::new()), counters: SmallVec::new(), recent: Recent::new() }
    }

    /// Returns the number of nodes that have an entry.
    pub fn len(&self) -> usize {
        self.ids.len() + self.recent.len()
    }

    /// Returns whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        // VV5: if the arrays are empty, there are no recent entries either.
        self.ids.is_empty()
    }

    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        // Ids are dropped last, here and below: if a drop panics, there are as many counters as ids.
        self.counters.clear();
        let _recent = self.recent.take();
        self.ids.change().drain(..);
    }

    /// Frees memory that is not needed. Moves the entries inline if they fit. O(n).
    pub fn shrink_to_fit(&mut self) {
        self.merge_recent();
        self.ids.shrink_to_fit();
        self.counters.shrink_to_fit();
    }

    /// Moves the recent entries into the arrays.
    fn merge_recent(&mut self) {
        if !self.recent.is_empty() {
            let recent = self.recent.take();
            self.insert_all(recent.len(), recent.into_iter());
        }
    }

    /// Inserts entries into the arrays. They come in order, each with the number of old entries before it.
    fn insert_all(&mut self, count: usize, new: impl Iterator<Item = (usize, (I, u64))>) {
        let total = self.ids.len() + count;
        if count <= FEW || total <= INLINE {
            for (nth, (before, (node, counter))) in new.enumerate() {
                self.ids.change().insert(before + nth, node);
                self.counters.insert(before + nth, counter);
            }
            return;
        }
        let mut old_ids = mem::take(self.ids.change()).into_iter();
        let old_counters = mem::take(&mut self.counters);
        let (mut ids, mut counters) = (Vec::with_capacity(total), Vec::with_capacity(total));
        let mut done = 0;
        for (before, (node, counter)) in new {
            ids.extend(old_ids.by_ref().take(before - done));
            counters.extend_from_slice(&old_counters[done..before]);
            done = before;
            ids.push(node);
            counters.push(counter);
        }
        ids.extend(old_ids);
        counters.extend_from_slice(&old_counters[done..]);
        (self.ids, self.counters) = (SortedIds::new(SmallVec::from_vec(ids)), SmallVec::from_vec(counters));
    }
}

impl<I: NodeId> VersionVector<I> {
    /// Returns the counter of `node`'s latest event seen, 0 for none. O(log n).
    #[inline]
    pub fn get(&self, node: &I) -> u64 {
        // Loaded before the search, since it does not depend on it.
        let counters = self.counters.as_slice();
        match self.ids.binary_search(node) {
            // VV3: each id has a counter.
            Ok(at) => counters.get(at).copied().unwrap_or(0),
            Err(_) => self.recent.get(node),
        }
    }

    /// Returns whether the event `dot` has been seen. O(log n).
    #[inline]
    pub fn contains(&self, dot: &Dot<I>) -> bool {
        dot.counter() <= self.get(dot.node())
    }

    /// Counts one more event of `node` and names it. O(log n); for new nodes this is the average.
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] if the node's counter is `u64::MAX`; the vector is unchanged.
    ///
    /// ```
    /// use happens_before::{Dot, VersionVector};
    ///
    /// let mut seen = VersionVector::from_iter([("a", 1), ("b", u64::MAX)]);
    /// assert_eq!(seen.increment("a"), Ok(Dot::new("a", 2).unwrap()));
    /// assert_eq!(seen.increment("b").unwrap_err().limit, u64::MAX);
    /// ```
    #[inline]
    pub fn increment(&mut self, node: I) -> Result<Dot<I>, CounterExhausted> {
        let counters = self.counters.as_mut_slice();
        match self.ids.binary_search(&node) {
            Ok(at) => {
                let counter = &mut counters[at];
                let dot = dot_after(*counter, node)?;
                *counter = dot.counter();
                Ok(dot)
            }
            Err(before) => self.increment_recent(before, node),
        }
    }

    /// Marks `dot` and every earlier event of its node as seen; an older dot changes nothing. O(log n); for new nodes
    /// this is the average.
    ///
    /// A vector cannot say "the third but not the second". If events of one node may arrive out of order, deliver them
    /// through a [`CausalBuffer`](crate::CausalBuffer) first.
    ///
    /// ```
    /// use happens_before::{Dot, VersionVector};
    ///
    /// let mut seen = VersionVector::new();
    /// seen.observe(&Dot::new("a", 3).unwrap());
    /// seen.observe(&Dot::new("a", 2).unwrap());
    /// assert_eq!(seen.get(&"a"), 3);
    /// ```
    #[inline]
    pub fn observe(&mut self, dot: &Dot<I>) {
        self.raise(dot.node(), dot.counter());
    }

    /// Raises the counter of `node` to at least `counter`, which is not 0. Changes all or nothing if an id panics.
    #[inline]
    pub(crate) fn raise(&mut self, node: &I, counter: u64) {
        let counters = self.counters.as_mut_slice();
        match self.ids.binary_search(node) {
            Ok(at) => counters[at] = counters[at].max(counter),
            Err(before) => self.raise_recent(before, node, counter),
        }
    }

    /// Adds everything that `other` has seen. The result is the least vector that is at least both. O(n + m), or
    /// O(m log n) for a few entries into a large vector.
    pub fn merge(&mut self, other: &Self) {
        if !other.recent.is_empty() {
            self.merge_entries(0, other.iter());
        } else if self.ids.known_same(&other.ids) {
            simd::merge((NO_IDS, &mut self.counters), (NO_IDS, &other.counters));
        } else {
            let (ours, theirs): (&[I], &[I]) = (&self.ids, &other.ids);
            let done = simd::merge((ours, &mut self.counters), (theirs, &other.counters));
            if done < theirs.len() {
                let rest = Entries::new(&theirs[done..], &other.counters[done..], &other.recent);
                self.merge_entries(done, rest);
            } else if done == ours.len() {
                self.ids.found_same(&other.ids);
            }
        }
        self.debug_validate();
    }

    /// Merges entries in the order of their ids. None of them belongs before the `from`-th entry of the arrays.
    #[inline(never)]
    fn merge_entries<'a>(&mut self, mut from: usize, entries: Entries<'a, I>)
    where
        I: 'a,
    {
        let mut new = SmallVec::<[(usize, (I, u64)); INLINE]>::new();
        for (node, counter) in entries.clone() {
            match self.ids.search_from(from, node) {
                Ok(at) => {
                    self.counters[at] = self.counters[at].max(counter);
                    from = at + 1;
                }
                Err(before) => {
                    from = before;
                    match self.recent.get_mut(node) {
                        Some(ours) => *ours = counter.max(*ours),
                        None => new.push((before, (node.clone(), counter))),
                    }
                }
            }
        }
        let count = new.len();
        if count == 0 {
            return;
        }
        if self.recent.is_empty() && (self.len() < LARGE || count > self.len() / RECENT) {
            self.insert_all(count, new.into_iter());
        } else if self.recent.len() + count > self.ids.len() / RECENT {
            // More than VV5 allows. There are recent entries, or the first case would have matched.
            self.merge_recent();
            self.merge_entries(0, entries);
        } else {
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
    }

    /// Increments the counter of a node that is not in the arrays; there it would stand after `before` others.
    #[inline(never)]
    fn increment_recent(&mut self, before: usize, node: I) -> Result<Dot<I>, CounterExhausted> {
        let dot = dot_after(self.recent.get(&node), node)?;
        self.raise_recent(before, dot.node(), dot.counter());
        Ok(dot)
    }

    /// Raises the counter of a node that is not in the arrays; there it would stand after `before` others.
    #[inline(never)]
    fn raise_recent(&mut self, before: usize, node: &I, counter: u64) {
        if let Some(ours) = self.recent.get_mut(node) {
            *ours = counter.max(*ours);
        } else if before == self.ids.len() || self.ids.len() < LARGE {
            self.ids.change().insert(before, node.clone());
            self.counters.insert(before, counter);
        } else {
            self.recent.insert(node.clone(), counter, before);
            if self.recent.len() > self.ids.len() / RECENT {
                self.merge_recent();
            }
        }
    }

    /// Forgets `node` and returns its counter, 0 if it had none. O(n).
    ///
    /// Use it only if the node is gone for good and every replica forgets it: a forgotten node counts as never seen.
    pub fn remove(&mut self, node: &I) -> u64 {
        self.merge_recent();
        self.ids.binary_search(node).map_or(0, |at| {
            let counter = self.counters.remove(at);
            self.ids.change().remove(at);
            counter
        })
    }

    /// Keeps the entries for which `keep` returns `true`, and forgets the others. O(n).
    ///
    /// `keep` is called once for each entry, in order. If it panics, the entries before are kept or forgotten as it
    /// returned, and the rest stays.
    pub fn retain(&mut self, mut keep: impl FnMut(&I, u64) -> bool) {
        self.merge_recent();
        self.filter_map(0, |node, counter| if keep(node, counter) { counter } else { 0 });
    }

    /// Gives a new counter to every entry of the arrays, starting at `from`; 0 removes the entry.
    fn filter_map(&mut self, from: usize, mut new_counter: impl FnMut(&I, u64) -> u64) {
        if from < self.ids.len() {
            let ids = self.ids.change();
            let mut kept = Kept { ids, counters: &mut self.counters, kept: from, seen: from };
            while kept.seen < kept.counters.len() {
                let counter = new_counter(&kept.ids[kept.seen], kept.counters[kept.seen]);
                kept.next(counter);
            }
        }
        self.debug_validate();
    }

    /// Returns the ids and their counters, if all are in the arrays.
    pub(crate) fn as_slices(&self) -> Option<(&[I], &[u64])> {
        self.recent.is_empty().then_some((&self.ids, &self.counters))
    }

    /// Makes the vector from ids in increasing order and as many counters, none of them 0.
    pub(crate) fn from_sorted(ids: SmallVec<[I; INLINE]>, counters: SmallVec<[u64; INLINE]>) -> Self {
        // The fields are moved one by one: a struct literal would be built elsewhere first, then copied.
        let mut vector = Self::new();
        *vector.ids.change() = ids;
        vector.counters = counters;
        vector.debug_validate();
        vector
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let mut recent = self.recent.iter().into_iter().flatten();
        if self.ids.len() != self.counters.len() {
            Err("VV3: as many counters as ids")
        } else if !self.iter().is_sorted_by(|a, b| a.0 < b.0) {
            Err("VV1: ids are strictly increasing")
        } else if self.iter().any(|(_, counter)| counter == 0) {
            Err("VV2: no counter is 0")
        } else if recent.any(|(before, _)| before >= self.ids.len()) {
            Err("VV4: no recent entry lies after the arrays")
        } else if self.recent.len() > self.ids.len() / RECENT {
            Err("VV5: recent entries are few")
        } else {
            Ok(())
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

/// Names the next event of `node` after `seen` events.
fn dot_after<I>(seen: u64, node: I) -> Result<Dot<I>, CounterExhausted> {
    let next = seen.checked_add(1).and_then(|next| Dot::new(node, next));
    next.ok_or(CounterExhausted { limit: u64::MAX })
}

/// Entries of the arrays while some are removed: first those that stay, then a gap, then those still to be visited.
///
/// The gap is closed at the end, even after the caller's code has panicked.
struct Kept<'a, I> {
    ids: &'a mut SmallVec<[I; INLINE]>,
    counters: &'a mut SmallVec<[u64; INLINE]>,
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

/// Copies plain memory in one go, and does not allocate if the entries fit inline.
impl<I: Clone> Clone for VersionVector<I> {
    fn clone(&self) -> Self {
        let counters = if self.counters.len() > INLINE {
            SmallVec::from_vec(self.counters.to_vec())
        } else {
            SmallVec::from_slice(&self.counters)
        };
        Self { ids: self.ids.clone(), counters, recent: self.recent.clone() }
    }
}

impl<I: PartialEq> PartialEq for VersionVector<I> {
    fn eq(&self, other: &Self) -> bool {
        if self.recent.is_empty() && other.recent.is_empty() {
            self.counters == other.counters && (self.ids.known_same(&other.ids) || *self.ids == *other.ids)
        } else {
            self.len() == other.len() && self.iter().eq(other)
        }
    }
}

impl<I: Eq> Eq for VersionVector<I> {}

/// If a vector is the key of a map, clippy's `mutable_key_type` suspects that its hash can change through a shared
/// reference. It cannot. Only the note of which ids were found to be the same can change, and that is not hashed.
impl<I: Hash> Hash for VersionVector<I> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<I> Default for VersionVector<I> {
    fn default() -> Self {
        Self::new()
    }
}
