//! Version vectors: for every node, how many of its events have been seen.
//!
//! # The problem
//!
//! Two replicas hold different states of one value. Is one of them simply older, or did both change while
//! neither knew of the other? A timestamp orders them either way and so silently drops one change.
//!
//! # The structure
//!
//! A version vector maps a node to the counter of its latest event seen; a node that is absent has counter 0.
//! It stands for the set of all dots (n, 1), ..., (n, counter of n). The set view explains every operation:
//!
//! | operation | of the sets | result at a node |
//! |---|---|---|
//! | [`merge`](VersionVector::merge) | union | the higher counter |
//! | [`meet`](VersionVector::meet) | intersection | the lower counter |
//! | [`difference`](VersionVector::difference) | what one has and the other lacks | a range |
//! | [`compare`](VersionVector::compare) | inclusion | before = proper subset |
//!
//! Stored as two parallel arrays, ids and counters, sorted by id. Vectors of one group nearly always hold the
//! same ids; then merging is an elementwise maximum, and comparing one pass over both, without a branch on ids.
//! Small vectors live inline, without an allocation.
//!
//! # What it tells you
//!
//! With one entry a node and every event counted, comparison *is* causality, both ways: x is before y exactly
//! if x's state was known where y was made.
//!
//! # Invariants
//!
//! - V1: ids are strictly increasing.
//! - V2: no counter is 0.
//! - V3: as many counters as ids.
//!
//! So equal vectors have one representation, and `==` and `Hash` mean what they should.
//!
//! # Sources
//!
//! Parker et al., *Detection of Mutual Inconsistency in Distributed Systems* (1983); Fidge, *Timestamps in
//! Message-Passing Systems That Preserve the Partial Ordering* (1988); Mattern, *Virtual Time and Global States
//! of Distributed Systems* (1989).

use core::cmp::Ordering;
use core::{fmt, iter, mem, slice};

use smallvec::SmallVec;

use crate::compat::Vec;
use crate::node::{CounterExhausted, Dot, DotRange, NodeId};
use crate::order::CausalOrder;

/// How many entries live inside the vector itself.
pub(crate) const INLINE: usize = 4;

/// The entries of a vector, node and counter, in the order of the ids.
type Entries<'a, I> = iter::Zip<slice::Iter<'a, I>, iter::Copied<slice::Iter<'a, u64>>>;

/// For every node, the counter of its latest event seen; a partial order, and a lattice.
///
/// `PartialOrd` is causality: `a < b` if `a` happens before `b`; of concurrent vectors neither is less.
///
/// In the costs below n and m are the numbers of entries of `self` and of the other vector.
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
/// # Ok::<(), happens_before::CounterExhausted>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionVector<I> {
    ids: SmallVec<[I; INLINE]>,
    counters: SmallVec<[u64; INLINE]>,
}

impl<I> VersionVector<I> {
    /// Makes the empty vector, which has seen nothing. Does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self { ids: SmallVec::new(), counters: SmallVec::new() }
    }

    /// Returns how many nodes have an entry.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Visits the entries, node and counter, in the order of the ids.
    pub fn iter(&self) -> Entries<'_, I> {
        iter::zip(self.ids.iter(), self.counters.iter().copied())
    }

    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.counters.clear();
    }

    /// Gives back memory that is not needed. Moves the entries inline if they fit.
    pub fn shrink_to_fit(&mut self) {
        self.ids.shrink_to_fit();
        self.counters.shrink_to_fit();
    }
}

impl<I: NodeId> VersionVector<I> {
    /// Returns the counter of `node`'s latest event seen, 0 for none. O(log n).
    pub fn get(&self, node: &I) -> u64 {
        self.ids.binary_search(node).map_or(0, |at| self.counters[at])
    }

    /// Returns whether the event `dot` has been seen. O(log n).
    pub fn contains(&self, dot: &Dot<I>) -> bool {
        dot.counter() <= self.get(dot.node())
    }

    /// Counts one more event of `node` and names it. O(log n), plus O(n) for a new node.
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
    pub fn increment(&mut self, node: I) -> Result<Dot<I>, CounterExhausted> {
        let next = self.get(&node).checked_add(1).and_then(|next| Dot::new(node, next));
        let dot = next.ok_or(CounterExhausted { limit: u64::MAX })?;
        self.raise(dot.node(), dot.counter());
        Ok(dot)
    }

    /// Sees `dot` and every earlier event of its node; an older dot changes nothing. O(log n), plus O(n) for a
    /// new node.
    ///
    /// A vector cannot say "the third but not the second"; where events of one node may arrive out of order,
    /// deliver them through a [`CausalBuffer`](crate::CausalBuffer) first.
    ///
    /// ```
    /// use happens_before::{Dot, VersionVector};
    ///
    /// let mut seen = VersionVector::new();
    /// seen.observe(&Dot::new("a", 3).unwrap());
    /// seen.observe(&Dot::new("a", 2).unwrap());
    /// assert_eq!(seen.get(&"a"), 3);
    /// ```
    pub fn observe(&mut self, dot: &Dot<I>) {
        self.raise(dot.node(), dot.counter());
    }

    /// Sees everything that `other` has seen: the least vector that is at least both. O(n + m).
    pub fn merge(&mut self, other: &Self) {
        if self.ids == other.ids {
            for (ours, &theirs) in iter::zip(&mut self.counters, &other.counters) {
                // Not `max`: twice as fast in baseline x86-64 code where few entries differ.
                if theirs > *ours {
                    *ours = theirs;
                }
            }
        } else {
            self.merge_other_ids(other);
        }
        self.debug_validate();
    }

    /// Merges a vector with other ids, in place and from the back, so that every entry moves at most once.
    fn merge_other_ids(&mut self, other: &Self) {
        let Some(filler) = other.ids.first() else { return };
        let mut from = self.len();
        let mut to = from + other.ids.iter().filter(|node| self.ids.binary_search(node).is_err()).count();
        self.ids.resize(to, filler.clone());
        self.counters.resize(to, 0);

        // Entries below `from` are ours and still to be placed; places from `to` on are final. `to - from` is
        // how many of the other's entries still to come are new, so neither index ever goes below 0.
        for (node, counter) in other.iter().rev() {
            while from > 0 && self.ids[from - 1] > *node {
                (from, to) = (from - 1, to - 1);
                self.ids.swap(from, to);
                self.counters.swap(from, to);
            }
            to -= 1;
            if from > 0 && self.ids[from - 1] == *node {
                from -= 1;
                self.ids.swap(from, to);
                self.counters[to] = self.counters[from].max(counter);
            } else {
                self.ids[to] = node.clone();
                self.counters[to] = counter;
            }
        }
    }

    /// Keeps only what both have seen: the greatest vector that is at most both. O(n log m).
    ///
    /// ```
    /// use happens_before::VersionVector;
    ///
    /// let mut x = VersionVector::from_iter([("a", 3), ("b", 1)]);
    /// x.meet(&VersionVector::from_iter([("a", 2), ("c", 9)]));
    /// assert_eq!(x, VersionVector::from_iter([("a", 2)]));
    /// ```
    pub fn meet(&mut self, other: &Self) {
        self.filter_map(|node, counter| counter.min(other.get(node)));
    }

    /// Names what `self` has seen and `other` has not, as one range a node. O(n log m).
    ///
    /// This is what to send to a replica that reports `other`.
    ///
    /// ```
    /// use happens_before::{DotRange, VersionVector};
    ///
    /// let ours = VersionVector::from_iter([("a", 5), ("b", 1)]);
    /// let theirs = VersionVector::from_iter([("a", 3), ("b", 4)]);
    /// assert!(ours.difference(&theirs).eq([DotRange::new("a", 4..=5).unwrap()]));
    /// ```
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = DotRange<I>> + 'a {
        self.iter().filter_map(|(node, counter)| {
            let seen = other.get(node);
            // No overflow: where `seen` is the highest counter there is, nothing is above it.
            (seen < counter).then(|| DotRange::new(node.clone(), seen + 1..=counter)).flatten()
        })
    }

    /// Compares two vectors by causality. O(n + m), and stops where they turn out to be concurrent.
    pub fn compare(&self, other: &Self) -> CausalOrder {
        let (mut at_most, mut at_least) = (true, true);
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        while at_most || at_least {
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((our_node, _)), Some((their_node, _))) => our_node.cmp(their_node),
            };
            // The entry that is missing on the other side counts as 0.
            let our_counter = if order.is_le() { ours.next().map_or(0, |entry| entry.1) } else { 0 };
            let their_counter = if order.is_ge() { theirs.next().map_or(0, |entry| entry.1) } else { 0 };
            at_most &= our_counter <= their_counter;
            at_least &= our_counter >= their_counter;
        }
        CausalOrder::from_bounds(at_most, at_least)
    }

    /// Forgets `node` and returns its counter, 0 if it had none. O(n).
    ///
    /// Only where the node is known to be gone for good and forgotten by everyone: a forgotten node counts as
    /// never seen.
    pub fn remove(&mut self, node: &I) -> u64 {
        self.ids.binary_search(node).map_or(0, |at| {
            self.ids.remove(at);
            self.counters.remove(at)
        })
    }

    /// Keeps the entries for which `keep` says so, and forgets the others. O(n).
    pub fn retain(&mut self, mut keep: impl FnMut(&I, u64) -> bool) {
        self.filter_map(|node, counter| if keep(node, counter) { counter } else { 0 });
    }

    /// Gives every entry a new counter; 0 takes it out.
    fn filter_map(&mut self, mut new_counter: impl FnMut(&I, u64) -> u64) {
        let mut kept = 0;
        for at in 0..self.len() {
            let counter = new_counter(&self.ids[at], self.counters[at]);
            if counter > 0 {
                self.ids.swap(kept, at);
                self.counters[kept] = counter;
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.counters.truncate(kept);
        self.debug_validate();
    }

    /// Raises the counter of `node`.
    fn raise(&mut self, node: &I, counter: u64) {
        match self.ids.binary_search(node) {
            Ok(at) => self.counters[at] = self.counters[at].max(counter),
            Err(_) if counter == 0 => {}
            Err(at) => {
                self.ids.insert(at, node.clone());
                self.counters.insert(at, counter);
            }
        }
    }

    /// Makes the vector of ids in increasing order and of as many counters, none of them 0.
    pub(crate) fn from_sorted(ids: SmallVec<[I; INLINE]>, counters: SmallVec<[u64; INLINE]>) -> Self {
        let mut vector = Self::new();
        (vector.ids, vector.counters) = (ids, counters);
        vector.debug_validate();
        vector
    }

    /// Checks the invariants of the module's opening comment and says which one is broken.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if self.ids.len() != self.counters.len() {
            Err("V3: as many counters as ids")
        } else if !self.ids.is_sorted_by(|a, b| a < b) {
            Err("V1: ids are strictly increasing")
        } else if self.counters.contains(&0) {
            Err("V2: no counter is 0")
        } else {
            Ok(())
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

impl<I> Default for VersionVector<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: NodeId> PartialOrd for VersionVector<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).to_ordering()
    }
}

/// Of several counters for one node the highest counts; 0 is no entry. O(n log n).
impl<I: NodeId> FromIterator<(I, u64)> for VersionVector<I> {
    fn from_iter<T: IntoIterator<Item = (I, u64)>>(entries: T) -> Self {
        let mut entries: Vec<(I, u64)> = entries.into_iter().filter(|&(_, counter)| counter > 0).collect();
        // Highest counter first among those of one node, so that it is the one that stays.
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        entries.dedup_by(|later, kept| later.0 == kept.0);
        let (ids, counters) = entries.into_iter().unzip();
        Self { ids, counters }
    }
}

/// Merges the entries in, as [`merge`](VersionVector::merge) does. O(n + k log k) for k entries.
impl<I: NodeId> Extend<(I, u64)> for VersionVector<I> {
    fn extend<T: IntoIterator<Item = (I, u64)>>(&mut self, entries: T) {
        self.merge(&entries.into_iter().collect());
    }
}

impl<'a, I> IntoIterator for &'a VersionVector<I> {
    type Item = (&'a I, u64);
    type IntoIter = Entries<'a, I>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
