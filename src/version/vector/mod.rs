//! The version vector.

mod algebra;
mod arrays;
mod entries;
mod pairs;
mod recent;

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};
use core::{iter, mem};

use smallvec::SmallVec;

use crate::compat::Box;
use crate::node::{CounterExhausted, Dot, NodeId};
use arrays::Arrays;
use pairs::{MANY, Pairs};

pub use entries::{Entries, IntoEntries};

/// The number of entries that a decoder collects without an allocation.
pub(crate) const INLINE: usize = 8;

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
/// Up to three entries live in the vector itself, without an allocation: with ids of 8 bytes it is 56 bytes in all. Up
/// to 31 entries are one array of pairs, sorted by id. More are two parallel arrays, ids and counters. Vectors of one
/// group nearly always hold the same ids. Then merging is an elementwise maximum and comparing is one pass over both,
/// without a branch on ids. Once many ids were found to be the same, this is remembered, and later operations read the
/// counters alone.
///
/// A large vector puts new entries into a tree beside the arrays first: a million of them, in any order, cost O(log n)
/// each instead of O(n).
///
/// # Ids
///
/// Any `I: Ord` will do. Only operations that copy ids also need `Clone`: [`merge`](VersionVector::merge),
/// [`increment`](VersionVector::increment), [`observe`](VersionVector::observe) and
/// [`difference`](VersionVector::difference). Without it, [`extend`](Extend) merges another vector by value, and
/// [`raise`](VersionVector::raise) takes an id by value.
///
/// An id is looked up by any borrowed form of it, as in a `BTreeMap`: strings by `&str`.
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
/// - VV6: pairs are few: at most 31.
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
#[derive(Clone)]
pub struct VersionVector<I> {
    entries: Storage<I>,
}

/// The entries, in one of two forms. A vector that grows changes to the second form; one that shrinks stays in it until
/// [`shrink_to_fit`](VersionVector::shrink_to_fit).
#[derive(Clone)]
enum Storage<I> {
    Few(Pairs<I>),
    Many(Box<Arrays<I>>),
}

impl<I> Storage<I> {
    const EMPTY: Self = Self::Few(Pairs::EMPTY);

    /// Sorts the pairs, keeps the highest counter of each node, and chooses the form.
    fn from_unsorted(mut pairs: Pairs<I>) -> Self
    where
        I: Ord,
    {
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            // The highest counter of a node first, so that it is the one that stays.
            pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            pairs.dedup();
        }
        if let Pairs::Heap(_) = pairs { Self::from_pairs(pairs) } else { Self::Few(pairs) }
    }

    /// Chooses the form for pairs that are sorted.
    fn from_pairs(mut pairs: Pairs<I>) -> Self {
        if pairs.len() < MANY {
            pairs.shrink_to_fit();
            return Self::Few(pairs);
        }
        let (ids, counters) = pairs.into_vec(0).into_iter().unzip();
        Self::Many(Box::new(Arrays::new(ids, counters)))
    }
}

impl<I> VersionVector<I> {
    /// Makes the empty vector, which has seen nothing. Does not allocate.
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// static NOTHING: VersionVector<u64> = VersionVector::new();
    /// assert!(NOTHING.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Storage::EMPTY }
    }

    /// Returns the number of nodes that have an entry.
    pub fn len(&self) -> usize {
        match &self.entries {
            Storage::Few(pairs) => pairs.len(),
            Storage::Many(arrays) => arrays.len(),
        }
    }

    /// Returns whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        match &mut self.entries {
            Storage::Few(pairs) => pairs.clear(),
            Storage::Many(arrays) => arrays.clear(),
        }
    }

    /// Frees memory that is not needed. Moves up to three entries into the vector itself. O(n).
    pub fn shrink_to_fit(&mut self) {
        match &mut self.entries {
            Storage::Few(pairs) => pairs.shrink_to_fit(),
            Storage::Many(arrays) if arrays.len() < MANY => {
                let (few, arrays) = (arrays.len(), mem::take(&mut **arrays));
                self.entries = Storage::from_pairs(Pairs::collect(arrays.into_entries(), few));
            }
            Storage::Many(arrays) => arrays.shrink_to_fit(),
        }
    }

    /// Changes to the form for many entries.
    fn widen(&mut self) {
        if let Storage::Few(pairs) = &mut self.entries {
            let (ids, counters) = pairs.take().into_vec(0).into_iter().unzip();
            self.entries = Storage::Many(Box::new(Arrays::new(ids, counters)));
        }
    }

    /// Changes to the form for many entries if there are many.
    fn grow(&mut self) {
        if self.len() >= MANY {
            self.widen();
        }
    }
}

impl<I: Ord> VersionVector<I> {
    /// Returns the counter of `node`'s latest event seen, 0 for none. O(log n).
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let seen = VersionVector::from([("a".to_string(), 3)]);
    /// assert_eq!((seen.get("a"), seen.get("b")), (3, 0));
    /// ```
    #[inline]
    pub fn get<Q: Ord + ?Sized>(&self, node: &Q) -> u64
    where
        I: Borrow<Q>,
    {
        match &self.entries {
            Storage::Few(pairs) => {
                let pairs = &**pairs;
                pairs::search(pairs, node).map_or(0, |at| pairs[at].1)
            }
            Storage::Many(arrays) => arrays.get(node),
        }
    }

    /// Returns whether the event `dot` has been seen. O(log n).
    #[inline]
    pub fn contains(&self, dot: &Dot<I>) -> bool {
        dot.counter() <= self.get(dot.node())
    }

    /// Names the next event of `node`, without counting it. O(log n).
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] if the node's counter is `u64::MAX`.
    ///
    /// ```
    /// use happens_before::{Dot, VersionVector};
    ///
    /// let seen = VersionVector::from([("a", 1)]);
    /// assert_eq!(seen.next("a"), Ok(Dot::new("a", 2).unwrap()));
    /// assert_eq!(seen.get("a"), 1);
    /// ```
    pub fn next(&self, node: I) -> Result<Dot<I>, CounterExhausted> {
        dot_after(self.get(&node), node)
    }

    /// Raises the counter of `node` to at least `counter`; 0 changes nothing. O(log n), for a new node on average.
    ///
    /// Like [`observe`](Self::observe), with the id by value.
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let mut seen = VersionVector::from([("a", 2)]);
    /// seen.raise("a", 1);
    /// seen.raise("b", 3);
    /// seen.raise("c", 0);
    /// assert_eq!(seen, VersionVector::from([("a", 2), ("b", 3)]));
    /// ```
    #[inline]
    pub fn raise(&mut self, node: I, counter: u64) {
        self.raise_as(node, counter, |node| node);
    }

    /// Raises the counter of `node`, and makes it an id of the vector if it is new. Changes all or nothing if an id
    /// panics.
    #[inline]
    pub(crate) fn raise_as<K: Borrow<I>>(&mut self, node: K, counter: u64, own: impl FnOnce(K) -> I) {
        match &mut self.entries {
            Storage::Few(few) => {
                let pairs = &mut **few;
                match pairs::search(pairs, node.borrow()) {
                    Ok(at) => pairs[at].1 = pairs[at].1.max(counter),
                    Err(before) => self.insert(before, node, counter, own),
                }
            }
            Storage::Many(arrays) => match arrays.ids.search(node.borrow()) {
                Ok(at) => arrays.counters[at] = arrays.counters[at].max(counter),
                Err(before) => self.insert(before, node, counter, own),
            },
        }
    }

    /// Raises the counter of a node that is not in the pairs or the arrays; there it would stand after `before` others.
    #[inline(never)]
    fn insert<K: Borrow<I>>(&mut self, before: usize, node: K, counter: u64, own: impl FnOnce(K) -> I) {
        if counter == 0 {
            return;
        }
        match &mut self.entries {
            Storage::Few(pairs) => {
                pairs.insert(before, (own(node), counter), 0);
                self.grow();
            }
            Storage::Many(arrays) => arrays.raise_recent(before, node, counter, own),
        }
    }

    /// Forgets `node` and returns its counter, 0 if it had none. O(n).
    ///
    /// Use it only if the node is gone for good and every replica forgets it: a forgotten node counts as never seen.
    pub fn remove<Q: Ord + ?Sized>(&mut self, node: &Q) -> u64
    where
        I: Borrow<Q>,
    {
        match &mut self.entries {
            Storage::Few(pairs) => {
                let removed = pairs::search(pairs, node).ok().and_then(|at| pairs.remove(at));
                removed.map_or(0, |(_, counter)| counter)
            }
            Storage::Many(arrays) => {
                arrays.merge_recent();
                arrays.ids.search(node).map_or(0, |at| {
                    let counter = arrays.counters.remove(at);
                    arrays.ids.change().remove(at);
                    counter
                })
            }
        }
    }

    /// Keeps the entries for which `keep` returns `true`, and forgets the others. O(n).
    ///
    /// `keep` is called once for each entry, in order. If it panics, the entries before are kept or forgotten as it
    /// returned, and the rest stays.
    pub fn retain(&mut self, mut keep: impl FnMut(&I, u64) -> bool) {
        self.filter_map(|node, counter| if keep(node, counter) { counter } else { 0 });
    }

    /// Gives a new counter to every entry; 0 removes the entry.
    fn filter_map(&mut self, new_counter: impl FnMut(&I, u64) -> u64) {
        match &mut self.entries {
            Storage::Few(pairs) => pairs.filter_map(new_counter),
            Storage::Many(arrays) => {
                arrays.merge_recent();
                arrays.filter_map(0, new_counter);
            }
        }
        self.debug_validate();
    }
}

impl<I: NodeId> VersionVector<I> {
    /// Counts one more event of `node` and names it. O(log n), for a new node on average.
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
        let (before, seen) = match &mut self.entries {
            Storage::Few(few) => {
                let pairs = &mut **few;
                match pairs::search(pairs, &node) {
                    Ok(at) => (at, Some(&mut pairs[at].1)),
                    Err(before) => (before, None),
                }
            }
            Storage::Many(arrays) => match arrays.ids.search(&node) {
                Ok(at) => (at, Some(&mut arrays.counters[at])),
                Err(before) => (before, arrays.recent.get_mut(&node)),
            },
        };
        if let Some(seen) = seen {
            let dot = dot_after(*seen, node)?;
            *seen = dot.counter();
            return Ok(dot);
        }
        let dot = dot_after(0, node)?;
        self.insert(before, dot.node(), 1, I::clone);
        Ok(dot)
    }

    /// Marks `dot` and every earlier event of its node as seen; an older dot changes nothing. O(log n), for a new node
    /// on average.
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
        self.raise_as(dot.node(), dot.counter(), I::clone);
    }
}

impl<I> VersionVector<I> {
    /// Returns the entries as a slice, if they are few.
    pub(crate) fn as_pairs(&self) -> Option<&[(I, u64)]> {
        match &self.entries {
            Storage::Few(pairs) => Some(pairs),
            Storage::Many(_) => None,
        }
    }

    /// Returns the ids and their counters, if these are arrays and no others.
    pub(crate) fn as_slices(&self) -> Option<(&[I], &[u64])> {
        match &self.entries {
            Storage::Many(arrays) if arrays.recent.is_empty() => Some((&arrays.ids, &arrays.counters)),
            Storage::Few(_) | Storage::Many(_) => None,
        }
    }
}

impl<I: Ord> VersionVector<I> {
    /// Makes the vector from ids in increasing order and as many counters, none of them 0.
    pub(crate) fn from_sorted(ids: SmallVec<[I; INLINE]>, counters: SmallVec<[u64; INLINE]>) -> Self {
        let entries = if ids.len() < MANY {
            let few = ids.len();
            Storage::Few(Pairs::collect(iter::zip(ids, counters), few))
        } else {
            Storage::Many(Box::new(Arrays::new(ids.into_vec(), counters.into_vec())))
        };
        let vector = Self { entries };
        vector.debug_validate();
        vector
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        match &self.entries {
            Storage::Few(pairs) if pairs.len() >= MANY => return Err("VV6: pairs are few"),
            Storage::Few(_) => {}
            Storage::Many(arrays) => arrays.internal_validate()?,
        }
        if !self.iter().is_sorted_by(|a, b| a.0 < b.0) {
            Err("VV1: ids are strictly increasing")
        } else if self.iter().any(|(_, counter)| counter == 0) {
            Err("VV2: no counter is 0")
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

impl<I: PartialEq> PartialEq for VersionVector<I> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.entries, &other.entries) {
            (Storage::Few(ours), Storage::Few(theirs)) => **ours == **theirs,
            (Storage::Many(ours), Storage::Many(theirs))
                if ours.recent.is_empty() && theirs.recent.is_empty() =>
            {
                ours.counters == theirs.counters
                    && (ours.ids.known_same(&theirs.ids) || *ours.ids == *theirs.ids)
            }
            _ => self.len() == other.len() && self.iter().eq(other),
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
