//! The entries of a vector of few nodes: pairs of an id and a counter, sorted by id.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::mem;
use core::ops::{Deref, DerefMut};

use smallvec::SmallVec;

use crate::compat::Vec;

/// New entries in order, each with the number of old entries before it.
pub(super) type NewEntries<I> = SmallVec<[(usize, (I, u64)); 8]>;

/// The number of entries from which on ids and counters have arrays of their own. For fewer, pairs are as fast.
pub(super) const MANY: usize = 32;

/// The number of pairs that need no allocation.
pub(super) const IN_PLACE: usize = 3;

/// The number of pairs, on either side of a merge, up to which it inserts new pairs one by one; more are worth a pass
/// over all.
const ONE_BY_ONE: usize = 4;

/// Pairs in the value itself, or in one allocation if there are more than three.
///
/// With a variant for each length, the pairs are a slice without `unsafe` code, and the type is covariant.
#[derive(Clone)]
pub(super) enum Pairs<I> {
    Zero([(I, u64); 0]),
    One([(I, u64); 1]),
    Two([(I, u64); 2]),
    Three([(I, u64); 3]),
    Heap(Vec<(I, u64)>),
}

impl<I> Pairs<I> {
    pub(super) const EMPTY: Self = Self::Zero([]);

    /// Collects pairs in the order in which they come; `likely` is how many they may be.
    #[inline]
    pub(super) fn collect(pairs: impl Iterator<Item = (I, u64)>, likely: usize) -> Self {
        let mut pairs = pairs.fuse();
        let Some(a) = pairs.next() else { return Self::EMPTY };
        let Some(b) = pairs.next() else { return Self::One([a]) };
        let Some(c) = pairs.next() else { return Self::Two([a, b]) };
        let Some(d) = pairs.next() else { return Self::Three([a, b, c]) };
        let mut all = Vec::with_capacity(likely.max(IN_PLACE + 1));
        all.extend([a, b, c, d]);
        all.extend(pairs);
        Self::Heap(all)
    }

    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::EMPTY)
    }

    /// Inserts a pair. If that takes an allocation, it has room for `more` than this pair.
    #[inline(never)]
    pub(super) fn insert(&mut self, at: usize, pair: (I, u64), more: usize) {
        if let Self::Heap(pairs) = self {
            pairs.insert(at, pair);
            return;
        }
        *self = match self.take() {
            Self::Zero([]) => Self::One([pair]),
            Self::One([a]) => Self::Two(if at == 0 { [pair, a] } else { [a, pair] }),
            Self::Two([a, b]) => Self::Three(match at {
                0 => [pair, a, b],
                1 => [a, pair, b],
                _ => [a, b, pair],
            }),
            few @ (Self::Three(_) | Self::Heap(_)) => {
                let mut pairs = few.into_vec(1 + more);
                pairs.insert(at, pair);
                Self::Heap(pairs)
            }
        };
    }

    /// Removes the pair at `at`; `None` if there is none.
    pub(super) fn remove(&mut self, at: usize) -> Option<(I, u64)> {
        if at >= self.len() {
            return None;
        }
        if let Self::Heap(pairs) = self {
            return Some(pairs.remove(at));
        }
        let (rest, removed) = match (self.take(), at) {
            (Self::One([a]), _) => (Self::EMPTY, a),
            (Self::Two([a, b]), 0) => (Self::One([b]), a),
            (Self::Two([a, b]), _) => (Self::One([a]), b),
            (Self::Three([a, b, c]), 0) => (Self::Two([b, c]), a),
            (Self::Three([a, b, c]), 1) => (Self::Two([a, c]), b),
            (Self::Three([a, b, c]), _) => (Self::Two([a, b]), c),
            (Self::Zero(_) | Self::Heap(_), _) => return None,
        };
        *self = rest;
        Some(removed)
    }

    /// Removes all pairs; keeps the memory.
    pub(super) fn clear(&mut self) {
        if let Self::Heap(pairs) = self {
            pairs.clear();
        } else {
            drop(self.take());
        }
    }

    /// Frees memory that is not needed. Three pairs or fewer move into the value itself.
    pub(super) fn shrink_to_fit(&mut self) {
        if let Self::Heap(pairs) = self {
            if pairs.len() > IN_PLACE {
                pairs.shrink_to_fit();
            } else {
                *self = Self::collect(mem::take(pairs).into_iter(), 0);
            }
        }
    }

    /// Removes each pair with the id of the one before.
    pub(super) fn dedup(&mut self)
    where
        I: PartialEq,
    {
        if let Self::Heap(pairs) = self {
            pairs.dedup_by(|later, kept| later.0 == kept.0);
            return;
        }
        let mut at = 1;
        while at < self.len() {
            if self[at].0 == self[at - 1].0 {
                self.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Gives a new counter to every pair; 0 removes the pair. If the closure panics, the remaining pairs stay.
    pub(super) fn filter_map(&mut self, mut new_counter: impl FnMut(&I, u64) -> u64) {
        if let Self::Heap(pairs) = self {
            pairs.retain_mut(|(node, counter)| {
                *counter = new_counter(node, *counter);
                *counter > 0
            });
            return;
        }
        let mut at = 0;
        while let Some((node, counter)) = self.get_mut(at) {
            *counter = new_counter(node, *counter);
            if *counter > 0 {
                at += 1;
            } else if let Self::One(_) = self {
                *self = Self::EMPTY;
            } else {
                self.remove(at);
            }
        }
    }

    /// Moves the pairs into an allocation, which then has room for `more`.
    pub(super) fn into_vec(self, more: usize) -> Vec<(I, u64)> {
        if let Self::Heap(mut pairs) = self {
            pairs.reserve(more);
            return pairs;
        }
        let mut pairs = Vec::with_capacity(self.len() + more);
        match self {
            Self::Zero(few) => pairs.extend(few),
            Self::One(few) => pairs.extend(few),
            Self::Two(few) => pairs.extend(few),
            Self::Three(few) => pairs.extend(few),
            Self::Heap(few) => pairs.extend(few),
        }
        pairs
    }

    /// Inserts many pairs that come in order, each with the number of old pairs before it.
    #[inline(never)]
    fn insert_all(&mut self, new: NewEntries<I>) {
        let mut pairs = Vec::with_capacity(self.len() + new.len());
        let mut left = self.take().into_vec(0).into_iter();
        let mut done = 0;
        for (before, pair) in new {
            pairs.extend(left.by_ref().take(before - done));
            done = before;
            pairs.push(pair);
        }
        pairs.extend(left);
        *self = Self::Heap(pairs);
    }
}

/// Finds the place of a node's pair, or the place where it would be.
#[inline]
pub(super) fn search<I: Borrow<Q>, Q: Ord + ?Sized>(pairs: &[(I, u64)], node: &Q) -> Result<usize, usize> {
    pairs.binary_search_by(|(id, _)| id.borrow().cmp(node))
}

impl<I: Ord> Pairs<I> {
    /// Raises the counters to those of entries in the order of their nodes, and adds entries for new nodes. If these may
    /// become too many for pairs, the caller's code runs before the first one is added.
    #[inline]
    pub(super) fn merge<K: Borrow<I>>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (K, u64)>,
        own: impl Fn(K) -> I,
    ) {
        if self.len().min(entries.len()) <= ONE_BY_ONE && self.len() + entries.len() < MANY {
            self.merge_few(entries, own);
        } else {
            self.merge_many(entries, own);
        }
    }

    /// Inserts new entries one by one.
    #[inline]
    fn merge_few<K: Borrow<I>>(
        &mut self,
        mut entries: impl ExactSizeIterator<Item = (K, u64)>,
        own: impl Fn(K) -> I,
    ) {
        let (mut at, mut pairs) = (0, &mut **self);
        while let Some((node, counter)) = entries.next() {
            match search_from(pairs, at, node.borrow()) {
                Ok(place) => {
                    pairs[place].1 = counter.max(pairs[place].1);
                    at = place + 1;
                }
                Err(place) => {
                    self.insert(place, (own(node), counter), entries.len());
                    (at, pairs) = (place + 1, &mut **self);
                }
            }
        }
    }

    /// Inserts new entries in one pass, after all others were raised.
    fn merge_many<K: Borrow<I>>(&mut self, entries: impl Iterator<Item = (K, u64)>, own: impl Fn(K) -> I) {
        let (mut at, mut new, pairs) = (0, NewEntries::new(), &mut **self);
        for (node, counter) in entries {
            match search_from(pairs, at, node.borrow()) {
                Ok(place) => {
                    pairs[place].1 = counter.max(pairs[place].1);
                    at = place + 1;
                }
                Err(place) => {
                    new.push((place, (own(node), counter)));
                    at = place;
                }
            }
        }
        if !new.is_empty() {
            self.insert_all(new);
        }
    }
}

/// Finds the place of a node's pair, or the place where it would be; the pairs before `from` are known to be less.
#[inline]
pub(super) fn search_from<I: Ord>(pairs: &[(I, u64)], from: usize, node: &I) -> Result<usize, usize> {
    let mut at = from;
    while let Some((id, _)) = pairs.get(at) {
        match id.cmp(node) {
            Ordering::Less => at += 1,
            Ordering::Equal => return Ok(at),
            Ordering::Greater => break,
        }
    }
    Err(at)
}

impl<I> Deref for Pairs<I> {
    type Target = [(I, u64)];

    #[inline]
    fn deref(&self) -> &[(I, u64)] {
        // First of all, since the others lie in one place.
        if let Self::Heap(pairs) = self {
            return pairs;
        }
        match self {
            Self::Zero(pairs) => pairs,
            Self::One(pairs) => pairs,
            Self::Two(pairs) => pairs,
            Self::Three(pairs) => pairs,
            Self::Heap(pairs) => pairs,
        }
    }
}

impl<I> DerefMut for Pairs<I> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [(I, u64)] {
        match self {
            Self::Zero(pairs) => pairs,
            Self::One(pairs) => pairs,
            Self::Two(pairs) => pairs,
            Self::Three(pairs) => pairs,
            Self::Heap(pairs) => pairs,
        }
    }
}
