//! The entries of a vector of few nodes: pairs of an id and a counter, sorted by id.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::mem;
use core::ops::{Deref, DerefMut};

use super::NewEntries;
use crate::compat::Vec;

/// The number of pairs that need no allocation.
pub(super) const IN_PLACE: usize = 3;

/// The highest number of new pairs that are inserted one by one; more are worth a pass over all.
const ONE_BY_ONE: usize = 4;

/// Pairs in the value itself, or in one allocation if there are more than three.
///
/// With a variant for each length, the pairs are a slice without `unsafe` code, and the type is covariant.
#[derive(Clone, Default)]
pub(super) enum Pairs<I> {
    #[default]
    Zero,
    One([(I, u64); 1]),
    Two([(I, u64); 2]),
    Three([(I, u64); 3]),
    Heap(Vec<(I, u64)>),
}

impl<I> Pairs<I> {
    pub(super) fn push(&mut self, pair: (I, u64)) {
        *self = match mem::take(self) {
            Self::Zero => Self::One([pair]),
            Self::One([a]) => Self::Two([a, pair]),
            Self::Two([a, b]) => Self::Three([a, b, pair]),
            Self::Three([a, b, c]) => Self::Heap(Vec::from([a, b, c, pair])),
            Self::Heap(mut pairs) => {
                pairs.push(pair);
                Self::Heap(pairs)
            }
        };
    }

    pub(super) fn pop(&mut self) -> Option<(I, u64)> {
        let (rest, last) = match mem::take(self) {
            Self::Zero => (Self::Zero, None),
            Self::One([a]) => (Self::Zero, Some(a)),
            Self::Two([a, b]) => (Self::One([a]), Some(b)),
            Self::Three([a, b, c]) => (Self::Two([a, b]), Some(c)),
            Self::Heap(mut pairs) => {
                let last = pairs.pop();
                (Self::Heap(pairs), last)
            }
        };
        *self = rest;
        last
    }

    pub(super) fn insert(&mut self, at: usize, pair: (I, u64)) {
        self.push(pair);
        self[at..].rotate_right(1);
    }

    /// Removes the pair at `at`; `None` if there is none.
    pub(super) fn remove(&mut self, at: usize) -> Option<(I, u64)> {
        if at >= self.len() {
            return None;
        }
        self[at..].rotate_left(1);
        self.pop()
    }

    /// Removes all pairs; keeps the memory.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Heap(pairs) => pairs.clear(),
            _ => drop(mem::take(self)),
        }
    }

    /// Frees memory that is not needed.
    pub(super) fn shrink_to_fit(&mut self) {
        if let Self::Heap(pairs) = self {
            let mut pairs = mem::take(pairs);
            pairs.shrink_to_fit();
            *self = Self::from(pairs);
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
            } else {
                self.remove(at);
            }
        }
    }

    /// Moves the pairs into an allocation with room for `more`.
    pub(super) fn into_vec(self, more: usize) -> Vec<(I, u64)> {
        let mut pairs = match self {
            Self::Heap(mut pairs) => {
                pairs.reserve_exact(more);
                return pairs;
            }
            _ => Vec::with_capacity(self.len() + more),
        };
        match self {
            Self::Zero | Self::Heap(_) => {}
            Self::One(few) => pairs.extend(few),
            Self::Two(few) => pairs.extend(few),
            Self::Three(few) => pairs.extend(few),
        }
        pairs
    }

    /// Inserts pairs that come in order, each with the number of old pairs before it.
    #[inline(never)]
    fn insert_all(&mut self, new: NewEntries<I>) {
        let (old, count) = (self.len(), new.len());
        if old + count <= IN_PLACE {
            for (nth, (before, pair)) in new.into_iter().enumerate() {
                self.insert(before + nth, pair);
            }
            return;
        }
        let mut pairs = mem::take(self).into_vec(count);
        if old.min(count) <= ONE_BY_ONE {
            for (nth, (before, pair)) in new.into_iter().enumerate() {
                pairs.insert(before + nth, pair);
            }
        } else {
            let mut left = mem::replace(&mut pairs, Vec::with_capacity(old + count)).into_iter();
            let mut done = 0;
            for (before, pair) in new {
                pairs.extend(left.by_ref().take(before - done));
                done = before;
                pairs.push(pair);
            }
            pairs.extend(left);
        }
        *self = Self::Heap(pairs);
    }
}

impl<I: Ord> Pairs<I> {
    /// Finds the place of a node's pair, or the place where it would be.
    #[inline]
    pub(super) fn search<Q: Ord + ?Sized>(&self, node: &Q) -> Result<usize, usize>
    where
        I: Borrow<Q>,
    {
        self.binary_search_by(|(id, _)| id.borrow().cmp(node))
    }

    /// Raises the counters to those of entries in the order of their nodes, and adds entries for new nodes.
    #[inline]
    pub(super) fn merge<K: Borrow<I>>(
        &mut self,
        entries: impl Iterator<Item = (K, u64)>,
        own: impl Fn(K) -> I,
    ) {
        let pairs = &mut **self;
        let (mut at, mut new) = (0, NewEntries::new());
        for (node, counter) in entries {
            let order = loop {
                let Some((id, _)) = pairs.get(at) else { break Ordering::Greater };
                match Ord::cmp(id, node.borrow()) {
                    Ordering::Less => at += 1,
                    order => break order,
                }
            };
            if order == Ordering::Equal {
                pairs[at].1 = counter.max(pairs[at].1);
                at += 1;
            } else {
                new.push((at, (own(node), counter)));
            }
        }
        if !new.is_empty() {
            self.insert_all(new);
        }
    }
}

impl<I> Deref for Pairs<I> {
    type Target = [(I, u64)];

    #[inline]
    fn deref(&self) -> &[(I, u64)] {
        match self {
            Self::Zero => &[],
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
            Self::Zero => &mut [],
            Self::One(pairs) => pairs,
            Self::Two(pairs) => pairs,
            Self::Three(pairs) => pairs,
            Self::Heap(pairs) => pairs,
        }
    }
}

/// Three pairs or fewer move into the value itself.
impl<I> From<Vec<(I, u64)>> for Pairs<I> {
    fn from(pairs: Vec<(I, u64)>) -> Self {
        if pairs.len() > IN_PLACE { Self::Heap(pairs) } else { pairs.into_iter().collect() }
    }
}

impl<I> FromIterator<(I, u64)> for Pairs<I> {
    fn from_iter<T: IntoIterator<Item = (I, u64)>>(pairs: T) -> Self {
        let pairs = pairs.into_iter();
        if pairs.size_hint().0 > IN_PLACE {
            return Self::Heap(pairs.collect());
        }
        let mut few = Self::Zero;
        pairs.for_each(|pair| few.push(pair));
        few
    }
}
