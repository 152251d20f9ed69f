//! Causal contexts: which events have been seen, in whatever order they came.
//!
//! # The problem
//!
//! A replica hears of the first and the third event of a node, and not of the second. A version vector cannot
//! say so: with counter 3 the second event would count as seen, and be dropped as old when it comes at last;
//! with counter 1 the third would be taken in once more. And to keep every dot one by one costs memory for
//! every event that there ever was.
//!
//! # The structure
//!
//! A set of dots, for each node as consecutive runs: the *prefix*, which starts at 1, and the ranges above it.
//!
//! ```text
//!             1 2 3 4 5 6 7 8 9     prefix   above    missing
//!    node a   ■ ■ ■ ■ · · ■ ■ ·     4        7..=8    5..=6
//!    node b   · · ■ · · · · · ·     0        3..=3    1..=2
//!    node c   ■ ■ ■ ■ ■ · · · ·     5
//! ```
//!
//! The prefixes are a [`VersionVector`], at its speed. The ranges above them, of all nodes, are in one ordered
//! map from first dot to last counter; it is empty, and costs nothing, while everything comes in order. When a
//! gap is filled, its neighbours become one range. So the cost is by ranges, never by dots: a dot far ahead is
//! one range, and what is missing below it another.
//!
//! | operation | of the sets |
//! |---|---|
//! | [`insert`](CausalContext::insert), [`insert_range`](CausalContext::insert_range) | adds one dot, or consecutive ones |
//! | [`merge`](CausalContext::merge), [`meet`](CausalContext::meet) | union, intersection |
//! | [`difference`](CausalContext::difference) | what one has and the other lacks |
//! | [`missing`](CausalContext::missing) | the gaps below what has been seen |
//! | [`compare`](CausalContext::compare) | inclusion: before = proper subset |
//!
//! # What it tells you
//!
//! Whether an event has been seen, exactly, even if earlier ones of its node have not. It does not tell whether
//! the *causes* of an event have been seen: that is what [`CausalBuffer`](crate::CausalBuffer) waits for.
//!
//! # Who bounds it
//!
//! Every dot taken in can add one range, and [`merge`](CausalContext::merge) at most the ranges of the other
//! side: growth is by what was really received, never by a number that was claimed. Still, a remote that sends
//! every second dot makes it grow for ever. A limit inside the value would make two contexts with the same dots
//! differ, and a union that may fail no union; so the limit is an argument, where what comes from outside is
//! taken in: [`insert_within`](CausalContext::insert_within), [`merge_within`](CausalContext::merge_within).
//! They refuse nothing that fills a gap, so that a full context can still get out of its state.
//!
//! # A set that elements can be added to and removed from
//!
//! What a causal context is for in a CRDT: it tells "removed here" from "not yet heard of", without a
//! tombstone. Adding an element makes a new dot for it; removing it forgets the dot and keeps the context. In
//! a merge, a dot that only one side has is new if the other has not seen it, and removed if it has.
//!
//! A state and a change to one (a *delta*) are the same type and merge the same way. The context of a delta
//! names dots from the middle of a node's events, which is where a version vector would not do.
//!
//! A removal makes no dot. So two contexts may be equal while the elements differ, and comparing them does not find a
//! removal that was lost: send the change until it has arrived, or tell the other side, beside the context, which dots
//! are here. The other side answers with the dots that it has seen and has no more; the example `grow_and_remove_set`
//! does so.
//!
//! ```
//! use happens_before::{CausalContext, CounterExhausted, Dot};
//! use std::collections::BTreeMap;
//!
//! type Node = &'static str;
//!
//! #[derive(Clone, Default)]
//! struct AddRemoveSet {
//!     elements: BTreeMap<Dot<Node>, &'static str>,
//!     seen: CausalContext<Node>,
//! }
//!
//! impl AddRemoveSet {
//!     /// Adds an element at a node, and returns the change for the others.
//!     fn add(&mut self, node: Node, element: &'static str) -> Result<Self, CounterExhausted> {
//!         let dot = self.seen.increment(node)?;
//!         self.elements.insert(dot, element);
//!         Ok(Self { elements: BTreeMap::from([(dot, element)]), seen: CausalContext::from_iter([dot]) })
//!     }
//!
//!     /// Removes what has been seen of an element, and returns the change for the others.
//!     fn remove(&mut self, element: &str) -> Self {
//!         let dots = self.elements.iter().filter(|(_, added)| **added == element).map(|(dot, _)| *dot);
//!         let seen = CausalContext::from_iter(dots);
//!         self.elements.retain(|dot, _| !seen.contains(dot));
//!         Self { seen, ..Self::default() }
//!     }
//!
//!     /// Takes in another state, or a change.
//!     fn merge(&mut self, other: &Self) {
//!         // Ours stays if the other side has it too, or has not seen it.
//!         self.elements.retain(|dot, _| other.elements.contains_key(dot) || !other.seen.contains(dot));
//!         // Theirs comes if we have not seen it. What we have seen is here already, or removed.
//!         let new = other.elements.iter().filter(|(dot, _)| !self.seen.contains(dot));
//!         self.elements.extend(new);
//!         self.seen.merge(&other.seen);
//!     }
//!
//!     fn elements(&self) -> Vec<&str> {
//!         self.elements.values().copied().collect()
//!     }
//! }
//!
//! let (mut alice, mut bob) = (AddRemoveSet::default(), AddRemoveSet::default());
//! alice.add("alice", "milk")?;
//! let tea = alice.add("alice", "tea")?;
//! let old = alice.clone();
//!
//! // Changes may come in any order, and more than once.
//! bob.merge(&tea);
//! assert_eq!(bob.seen.missing().next().map(|gap| gap.to_string()), Some("(alice, 1..=1)".into()));
//! bob.merge(&alice);
//! bob.merge(&tea);
//! assert_eq!(bob.elements(), ["milk", "tea"]);
//!
//! // What is removed does not come back, although an old state still has it.
//! let removal = alice.remove("tea");
//! alice.merge(&old);
//! assert_eq!(alice.elements(), ["milk"]);
//!
//! // What was added concurrently survives: the removal has not seen its dot.
//! bob.add("bob", "tea")?;
//! bob.merge(&removal);
//! alice.merge(&bob);
//! assert_eq!(alice.elements(), ["milk", "tea"]);
//! assert_eq!((alice.elements, alice.seen), (bob.elements, bob.seen));
//! # Ok::<(), CounterExhausted>(())
//! ```
//!
//! # Invariants
//!
//! - C1: ranges above are not empty.
//! - C2: between the prefix of a node and its first range above at least one counter is missing.
//! - C3: between two ranges above of one node at least one counter is missing.
//!
//! Together with those of the [`VersionVector`] of prefixes. So equal sets of dots have one representation, and
//! `==` and `Hash` mean what they should.
//!
//! # Sources
//!
//! Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted Version Vectors* (2010); Almeida, Baquero, Gonçalves,
//! Preguiça, Fonte, *Scalable and Accurate Causality Tracking for Eventually Consistent Stores* (2014);
//! Bieniusa et al., *An Optimized Conflict-free Replicated Set* (2012), for the set without tombstones; Almeida,
//! Shoker, Baquero, *Delta State Replicated Data Types* (2018), for the causal context. There the dots above
//! the prefix are a set of single dots; here they are ranges.

mod algebra;
mod ranges;

use core::{fmt, mem, ops};

use crate::compat::{BTreeMap, Vec};
use crate::node::{CounterExhausted, Dot, DotRange, NodeId};
use crate::version::VersionVector;

pub use ranges::Ranges;

/// The ranges above the prefixes: first dot, last counter.
type Above<I> = BTreeMap<Dot<I>, u64>;

/// One side of a merge is taken in range by range where the other has more than this many times as many ranges.
///
/// The other way, a rebuild, handles a range in about an eighth of the time of an insertion.
const MUCH_LONGER: usize = 8;

/// A set of dots: any of them, in any order, at the cost of its consecutive runs.
///
/// `PartialOrd` is causality: `a < b` if `b` has seen everything that `a` has, and more; of concurrent contexts
/// neither is less.
///
/// In the costs below n is the number of nodes that have a prefix, r that of ranges above the prefixes, m and s
/// are the same of the other context. r is 0 where everything comes in order.
///
/// # Examples
///
/// ```
/// use happens_before::{CausalContext, Dot, DotRange};
///
/// let mut seen = CausalContext::new();
/// seen.insert_range(&DotRange::new("a", 1..=4).unwrap());
/// seen.insert(&Dot::new("a", 6).unwrap());
/// assert_eq!(seen.to_string(), "{(a, 1..=4), (a, 6..=6)}");
/// assert!(seen.missing().eq([DotRange::new("a", 5..=5).unwrap()]));
///
/// assert!(seen.insert(&Dot::new("a", 5).unwrap())); // new
/// assert!(!seen.insert(&Dot::new("a", 5).unwrap())); // seen already
/// assert_eq!(seen.to_string(), "{(a, 1..=6)}");
/// assert_eq!(seen.prefix().get(&"a"), 6);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CausalContext<I> {
    prefix: VersionVector<I>,
    above: Above<I>,
}

impl<I> CausalContext<I> {
    /// Makes the empty context, which has seen nothing. Does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self::from(VersionVector::new())
    }

    /// Returns the number of ranges: what the context costs. O(1).
    pub fn len(&self) -> usize {
        self.prefix.len() + self.above.len()
    }

    /// Returns whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns, for each node, up to which counter *everything* has been seen. O(1).
    ///
    /// The context as a vector, without what came out of order: the greatest vector that is at most this
    /// context.
    pub fn prefix(&self) -> &VersionVector<I> {
        &self.prefix
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.prefix.clear();
        self.above.clear();
    }
}

impl<I: NodeId> CausalContext<I> {
    /// Returns whether the event `dot` has been seen. O(log n + log r).
    pub fn contains(&self, dot: &Dot<I>) -> bool {
        self.prefix.contains(dot) || self.above_at(dot).is_some_and(|last| dot.counter() <= last)
    }

    /// Returns the counter of `node`'s latest event seen, 0 for none. O(log n + log r).
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 1).unwrap(), Dot::new("a", 9).unwrap()]);
    /// assert_eq!((seen.highest(&"a"), seen.highest(&"b")), (9, 0));
    /// ```
    pub fn highest(&self, node: &I) -> u64 {
        // Without a range above there is no need to clone the node.
        if !self.above.is_empty()
            && let Some(end) = Dot::new(node.clone(), u64::MAX)
            && let Some(last) = self.above_at(&end)
        {
            return last;
        }
        self.prefix.get(node)
    }

    /// Returns the last counter of the range above, of `dot`'s node, that starts at `dot` or next before it.
    fn above_at(&self, dot: &Dot<I>) -> Option<u64> {
        let (first, &last) = self.above.range(..=dot).next_back()?;
        (first.node() == dot.node()).then_some(last)
    }

    /// Sees `dot`; returns whether it is new.
    ///
    /// From outside, where the sender might send dots with gaps for ever, take it in with
    /// [`insert_within`](Self::insert_within).
    ///
    /// # Complexity
    ///
    /// O(log n + log r), whatever the order of the dots, and what
    /// [`VersionVector::observe`] costs for a node that is new there. One range is at most added; up to two that
    /// are there become one.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let mut seen = CausalContext::new();
    /// assert!(seen.insert(&Dot::new("a", u64::MAX).unwrap())); // far ahead: one range
    /// assert_eq!(seen.len(), 1);
    /// ```
    pub fn insert(&mut self, dot: &Dot<I>) -> bool {
        self.insert_from(dot, dot.counter())
    }

    /// Sees all dots of `range`; returns whether any of them is new.
    ///
    /// # Complexity
    ///
    /// As [`insert`](Self::insert), and O(log r) for each range that becomes a part of this one; there are as
    /// many as earlier calls have added.
    pub fn insert_range(&mut self, range: &DotRange<I>) -> bool {
        let (first, last) = range.counters().into_inner();
        Dot::new(range.node().clone(), first).is_some_and(|first| self.insert_from(&first, last))
    }

    /// Sees the dots from `first` to counter `last`, which is not lower; returns whether any of them is new.
    fn insert_from(&mut self, first: &Dot<I>, last: u64) -> bool {
        // No underflow, here and below: counters are at least 1.
        let (node, before) = (first.node(), first.counter() - 1);
        let prefix = self.prefix.get(node);
        // Whichever it touches grows: the prefix, or the range above that starts at or before it.
        let grows = if before <= prefix { Some(prefix) } else { self.above_at(first) };
        let grows = grows.filter(|&end| before <= end);
        if grows.is_some_and(|end| last <= end) {
            return false;
        }

        let mut end = last;
        let behind = (ops::Bound::Excluded(first), ops::Bound::Unbounded);
        while let Some((next, &next_last)) = self.above.range(behind).next()
            && next.node() == node
            && next.counter() - 1 <= end
        {
            end = end.max(next_last);
            let next = next.clone();
            self.above.remove(&next);
        }

        if before <= prefix {
            self.raise_prefix(first, end);
        } else if grows.is_some()
            && let Some((_, last)) = self.above.range_mut(..=first).next_back()
        {
            *last = end;
        } else {
            self.above.insert(first.clone(), end);
        }
        true
    }

    /// Raises the prefix of `dot`'s node.
    fn raise_prefix(&mut self, dot: &Dot<I>, counter: u64) {
        if dot.counter() == counter {
            // In order, one by one: no need to clone the node.
            self.prefix.observe(dot);
        } else if let Some(dot) = Dot::new(dot.node().clone(), counter) {
            self.prefix.observe(&dot);
        }
    }

    /// Sees `dot`, as [`insert`](Self::insert) does, unless that takes more than `limit` ranges.
    ///
    /// A dot that adds no range is taken in even beyond the limit.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if the dot would add a range and there are `limit` already; the context is unchanged.
    /// Ask for what is [`missing`](Self::missing) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let dot = |counter| Dot::new("a", counter).unwrap();
    /// let mut seen = CausalContext::from_iter([dot(1), dot(3)]);
    /// assert_eq!(seen.insert_within(&dot(5), 2).unwrap_err().limit, 2);
    /// assert_eq!(seen.insert_within(&dot(2), 2), Ok(true)); // fills the gap
    /// assert_eq!(seen.insert_within(&dot(5), 2), Ok(true));
    /// ```
    pub fn insert_within(&mut self, dot: &Dot<I>, limit: usize) -> Result<bool, TooManyRanges> {
        if self.len() >= limit && !self.touches(dot) {
            return Err(TooManyRanges { limit });
        }
        Ok(self.insert(dot))
    }

    /// Returns whether `dot` or one of its neighbours has been seen, so that it adds no range.
    fn touches(&self, dot: &Dot<I>) -> bool {
        let next = dot.counter().checked_add(1).and_then(|next| Dot::new(dot.node().clone(), next));
        self.contains(dot) || [dot.previous(), next].iter().flatten().any(|dot| self.contains(dot))
    }

    /// Counts one more event of `node`, after the latest seen, and names it. O(log n + log r).
    ///
    /// Not in a gap: a number below the highest seen may have been used by this very node, before it lost its
    /// state. So nobody but the node itself may say what it has numbered: refuse dots with your own id from
    /// others, unless they are [contained](Self::contains).
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] if the highest counter of all has been seen; the context is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let mut seen = CausalContext::from_iter([Dot::new("a", 3).unwrap()]);
    /// assert_eq!(seen.increment("a"), Ok(Dot::new("a", 4).unwrap()));
    /// assert_eq!(seen.increment("b"), Ok(Dot::new("b", 1).unwrap()));
    ///
    /// seen.insert(&Dot::new("b", u64::MAX).unwrap());
    /// assert_eq!(seen.increment("b").unwrap_err().limit, u64::MAX);
    /// ```
    pub fn increment(&mut self, node: I) -> Result<Dot<I>, CounterExhausted> {
        let next = self.highest(&node).checked_add(1).and_then(|next| Dot::new(node, next));
        let dot = next.ok_or(CounterExhausted { limit: u64::MAX })?;
        self.insert(&dot);
        Ok(dot)
    }

    /// Sees everything that `other` has seen: the union.
    ///
    /// It has at most the ranges of both. From outside, take it in with [`merge_within`](Self::merge_within).
    ///
    /// # Complexity
    ///
    /// That of [`VersionVector::merge`] where r = s = 0. Otherwise O(n + m + (r + s) log n), or
    /// O((m + s)(log n + log r)) where the other has far fewer ranges than are above the prefixes here.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let dot = |counter| Dot::new("a", counter).unwrap();
    /// let mut odd = CausalContext::from_iter([dot(1), dot(3)]);
    /// odd.merge(&CausalContext::from_iter([dot(2), dot(4)]));
    /// assert_eq!(odd.to_string(), "{(a, 1..=4)}");
    /// ```
    pub fn merge(&mut self, other: &Self) {
        if other.len().saturating_mul(MUCH_LONGER) < self.above.len() {
            for range in other {
                self.insert_range(&range.cloned());
            }
        } else {
            self.prefix.merge(&other.prefix);
            if !(self.above.is_empty() && other.above.is_empty()) {
                let ours = mem::take(&mut self.above).into_iter();
                let theirs = other.above.iter().map(|(first, &last)| (first.clone(), last));
                self.insert_above(ours.chain(theirs).collect());
            }
        }
        self.debug_validate();
    }

    /// Merges ranges, in any order, into a context that has none above its prefixes. O(k log k + k log n) for k
    /// ranges, O(k log n) where they are two sorted runs.
    fn insert_above(&mut self, mut ranges: Vec<(Dot<I>, u64)>) {
        debug_assert!(self.above.is_empty());
        // Finds sorted runs, and merges two of them in one pass.
        ranges.sort_by(|a, b| a.0.cmp(&b.0));
        let mut above: Vec<(Dot<I>, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            let before = first.counter() - 1; // counters are at least 1
            // Where the node has a range above, what comes later does not touch its prefix.
            if let Some((start, end)) = above.last_mut()
                && start.node() == first.node()
            {
                if before <= *end {
                    *end = last.max(*end);
                } else {
                    above.push((first, last));
                }
            } else if before <= self.prefix.get(first.node()) {
                self.raise_prefix(&first, last);
            } else {
                above.push((first, last));
            }
        }
        self.above = above.into_iter().collect();
    }

    /// Merges `other`, as [`merge`](Self::merge) does, unless that takes more than `limit` ranges.
    ///
    /// What makes the context no longer than it is is merged even beyond the limit.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if the union has more than `limit` ranges, and more than there are now; the context is
    /// unchanged. Ask for what is [`missing`](Self::missing) first, or for a newer state.
    ///
    /// # Complexity
    ///
    /// As [`merge`](Self::merge). Where both together have more ranges than the limit, it works on a copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let dot = |counter| Dot::new("a", counter).unwrap();
    /// let mut seen = CausalContext::from_iter([dot(1), dot(3)]);
    /// assert!(seen.merge_within(&CausalContext::from_iter([dot(7), dot(9)]), 3).is_err());
    /// assert_eq!(seen.merge_within(&CausalContext::from_iter([dot(2), dot(5)]), 3), Ok(()));
    /// assert_eq!(seen.to_string(), "{(a, 1..=3), (a, 5..=5)}");
    /// ```
    pub fn merge_within(&mut self, other: &Self, limit: usize) -> Result<(), TooManyRanges> {
        if self.len().saturating_add(other.len()) <= limit {
            self.merge(other);
            return Ok(());
        }
        let mut union = self.clone();
        union.merge(other);
        if union.len() > limit.max(self.len()) {
            return Err(TooManyRanges { limit });
        }
        *self = union;
        Ok(())
    }

    /// Names the gaps: what is not seen of each node, below the latest seen, in order. O(r + g log n) for the
    /// g nodes that have gaps.
    ///
    /// This is what to ask others for.
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot, DotRange};
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 1).unwrap(), Dot::new("a", u64::MAX).unwrap()]);
    /// assert!(seen.missing().eq([DotRange::new("a", 2..=u64::MAX - 1).unwrap()]));
    /// ```
    pub fn missing(&self) -> impl Iterator<Item = DotRange<I>> {
        let mut before: Option<(&Dot<I>, u64)> = None;
        self.above.iter().filter_map(move |(first, &last)| {
            let seen = match before.replace((first, last)) {
                Some((before, last)) if before.node() == first.node() => last,
                _ => self.prefix.get(first.node()),
            };
            // No overflow, and never empty: `seen + 1` is missing, by C2 and C3.
            DotRange::new(first.node().clone(), seen + 1..=first.counter() - 1)
        })
    }

    /// Forgets `node`, and returns whether anything had been seen of it. O(n + r).
    ///
    /// Only where the node is known to be gone for good and forgotten by everyone: a forgotten node counts as
    /// never seen.
    pub fn remove(&mut self, node: &I) -> bool {
        let before = self.len();
        self.retain(|other| other != node);
        self.len() < before
    }

    /// Keeps the nodes for which `keep` says so, and forgets the others. O(n + r), and as many questions.
    pub fn retain(&mut self, keep: impl Fn(&I) -> bool) {
        self.prefix.retain(|node, _| keep(node));
        self.above.retain(|first, _| keep(first.node()));
        self.debug_validate();
    }

    /// Checks the invariants of the module's opening comment and says which one is broken.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.prefix.internal_validate()?;
        let mut before: Option<(&Dot<I>, u64)> = None;
        for (first, &last) in &self.above {
            if last < first.counter() {
                return Err("C1: ranges above are not empty");
            }
            if first.counter() - 1 <= self.prefix.get(first.node()) {
                return Err("C2: a gap between a prefix and what is above it");
            }
            if before.is_some_and(|(at, end)| at.node() == first.node() && first.counter() - 1 <= end) {
                return Err("C3: a gap between two ranges above");
            }
            before = Some((first, last));
        }
        Ok(())
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

/// A context would take more ranges than its owner allows.
///
/// The context is unchanged. Whoever sends dots with many gaps has lost messages on the way, or means harm. What
/// to do: ask for what is missing before taking in more, or for a whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyRanges {
    /// The highest number of ranges allowed.
    pub limit: usize,
}

impl fmt::Display for TooManyRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} ranges; ask for what is missing before taking in more", self.limit)
    }
}

impl core::error::Error for TooManyRanges {}

impl<I> Default for CausalContext<I> {
    fn default() -> Self {
        Self::new()
    }
}

/// What the vector has seen: a prefix for each node. O(1).
impl<I> From<VersionVector<I>> for CausalContext<I> {
    fn from(prefix: VersionVector<I>) -> Self {
        Self { prefix, above: Above::new() }
    }
}
