//! The causal context, a set of events.

mod algebra;
mod counter_ranges;
mod ranges;

use core::borrow::Borrow;
use core::mem;

use crate::compat::{BTreeMap, Vec, btree_map};
use crate::node::{CounterExhausted, Dot, DotRange};
use crate::version::{TooManyRanges, VersionVector};

pub(crate) use counter_ranges::CounterRanges;
pub use ranges::Ranges;

/// The ranges above the prefixes, of each node that has any.
pub(crate) type Above<I> = BTreeMap<I, CounterRanges>;

/// An exact set of dots, in any order; it costs memory for each range of consecutive counters.
///
/// `PartialOrd` is causality: `a < b` if `b` has seen everything that `a` has, and more; of two concurrent contexts
/// neither is less.
///
/// In the costs below, n is the number of nodes that have a prefix, and r the number of ranges above the prefixes; m
/// and s are those of the other context. r is 0 if all dots came in order.
///
/// # The problem
///
/// A replica receives the first and the third event of a node, but not the second. A version vector cannot express
/// that. With counter 3 the second event would count as seen, and be dropped as old when it arrives. With counter 1 the
/// third would be applied again. A set of single dots can, but it takes memory for every event that ever was.
///
/// # The structure
///
/// A context is a set of dots. For each node it is stored as ranges of consecutive counters: the *prefix*, which starts
/// at 1, and the ranges above it.
///
/// ```text
///             1 2 3 4 5 6 7 8 9     prefix   above    missing
///    node a   ■ ■ ■ ■ · · ■ ■ ·     4        7..=8    5..=6
///    node b   · · ■ · · · · · ·     0        3..=3    1..=2
///    node c   ■ ■ ■ ■ ■ · · · ·     5
/// ```
///
/// The prefixes are a [`VersionVector`], with its speed. The ranges above them are in an ordered map, by node. The map
/// is empty and costs nothing while all dots come in order. When a gap is filled, its neighbours become one range. So
/// the cost depends on the ranges, never on the dots: a dot far ahead is one range. An id is stored once for the
/// prefix, and once for all ranges above.
///
/// | operation | of the sets |
/// |---|---|
/// | [`insert`](CausalContext::insert), [`insert_range`](CausalContext::insert_range) | adds one dot, or consecutive ones |
/// | [`merge`](CausalContext::merge), [`meet`](CausalContext::meet) | union, intersection |
/// | [`difference`](CausalContext::difference) | set difference |
/// | [`missing`](CausalContext::missing) | the gaps below the highest dots |
/// | [`compare`](CausalContext::compare) | inclusion: before = proper subset |
///
/// # Guarantees
///
/// It tells exactly whether an event has been seen, even if earlier ones of its node have not. It does not tell whether
/// the *causes* of an event have been seen: [`CausalBuffer`](crate::CausalBuffer) waits for these.
///
/// # Bounds
///
/// An inserted dot adds at most one range, and [`merge`](CausalContext::merge) at most the ranges of the other side. So
/// the context grows with the data received, never with a number that was claimed. Still, a remote that sends every
/// second dot makes it grow without end.
///
/// The limit is therefore an argument of the two operations for input from outside:
/// [`insert_within`](CausalContext::insert_within) and [`merge_within`](CausalContext::merge_within). They accept
/// everything that fills a gap, so that a full context can become smaller again. A limit inside the value would not do:
/// two contexts with the same dots could differ, and a union could fail.
///
/// # Example: a set with additions and removals
///
/// This is the use of a causal context in a CRDT: it tells "removed here" from "not yet received", without a tombstone.
/// Adding an element makes a new dot for it. Removing it deletes the dot and keeps the context. In a merge, a dot that
/// only one side has is new if the other side has not seen it, and removed if the other side has.
///
/// A state and a change to a state (a *delta*) are the same type and merge the same way. The context of a delta names
/// dots from the middle of a node's events, which a version vector could not.
///
/// A removal makes no dot. So two contexts may be equal while the elements differ, and comparing them does not find a
/// lost removal. Either send the change until it has arrived, or send the dots that are here along with the context.
/// The other side answers with those dots that it has seen and no longer has; the example `grow_and_remove_set` does
/// so.
///
/// ```
/// use happens_before::{CausalContext, Dot};
/// use happens_before::node::CounterExhausted;
/// use std::collections::BTreeMap;
///
/// type Node = &'static str;
///
/// #[derive(Clone, Default)]
/// struct AddRemoveSet {
///     elements: BTreeMap<Dot<Node>, &'static str>,
///     seen: CausalContext<Node>,
/// }
///
/// impl AddRemoveSet {
///     /// Adds an element at a node, and returns the change for the others.
///     fn add(&mut self, node: Node, element: &'static str) -> Result<Self, CounterExhausted> {
///         let dot = self.seen.increment(node)?;
///         self.elements.insert(dot, element);
///         Ok(Self { elements: BTreeMap::from([(dot, element)]), seen: CausalContext::from_iter([dot]) })
///     }
///
///     /// Removes the dots seen of an element, and returns the change for the others.
///     fn remove(&mut self, element: &str) -> Self {
///         let dots = self.elements.iter().filter(|(_, added)| **added == element).map(|(dot, _)| *dot);
///         let seen = CausalContext::from_iter(dots);
///         self.elements.retain(|dot, _| !seen.contains(dot));
///         Self { seen, ..Self::default() }
///     }
///
///     /// Merges another state, or a change.
///     fn merge(&mut self, other: &Self) {
///         // Ours stays if the other side has it too, or has not seen it.
///         self.elements.retain(|dot, _| other.elements.contains_key(dot) || !other.seen.contains(dot));
///         // Theirs is added if we have not seen it. Otherwise it is here already, or removed.
///         let new = other.elements.iter().filter(|(dot, _)| !self.seen.contains(dot));
///         self.elements.extend(new);
///         self.seen.merge(&other.seen);
///     }
///
///     fn elements(&self) -> Vec<&str> {
///         self.elements.values().copied().collect()
///     }
/// }
///
/// let (mut alice, mut bob) = (AddRemoveSet::default(), AddRemoveSet::default());
/// alice.add("alice", "milk")?;
/// let tea = alice.add("alice", "tea")?;
/// let old = alice.clone();
///
/// // Changes may come in any order, and more than once.
/// bob.merge(&tea);
/// assert_eq!(bob.seen.missing().next().map(|gap| gap.to_string()), Some("(alice, 1..=1)".into()));
/// bob.merge(&alice);
/// bob.merge(&tea);
/// assert_eq!(bob.elements(), ["milk", "tea"]);
///
/// // A removed element does not return, although an old state still has it.
/// let removal = alice.remove("tea");
/// alice.merge(&old);
/// assert_eq!(alice.elements(), ["milk"]);
///
/// // A concurrent addition survives: the removal has not seen its dot.
/// bob.add("bob", "tea")?;
/// bob.merge(&removal);
/// alice.merge(&bob);
/// assert_eq!(alice.elements(), ["milk", "tea"]);
/// assert_eq!((alice.elements, alice.seen), (bob.elements, bob.seen));
/// # Ok::<(), CounterExhausted>(())
/// ```
///
/// # Examples
///
/// ```
/// use happens_before::{CausalContext, Dot};
/// use happens_before::node::DotRange;
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
///
/// # Invariants
///
/// - CC1: ranges above are not empty, and a node without such ranges is not in the map.
/// - CC2: between the prefix of a node and its first range above at least one counter is missing.
/// - CC3: between two ranges above of one node at least one counter is missing.
/// - CC4: the stored number of ranges above is correct.
///
/// The invariants of the [`VersionVector`] of prefixes hold as well. So equal sets of dots have one representation, and
/// `==` and `Hash` are those of the sets. All invariants hold even after a panic of the caller's code, as [those of a
/// vector](crate::VersionVector#panics) do.
///
/// # Sources
///
/// Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted Version Vectors* (2010); Almeida, Baquero, Gonçalves,
/// Preguiça, Fonte, *Scalable and Accurate Causality Tracking for Eventually Consistent Stores* (2014);
/// Bieniusa et al., *An Optimized Conflict-free Replicated Set* (2012), for the set without tombstones; Almeida,
/// Shoker, Baquero, *Delta State Replicated Data Types* (2018), for the causal context. There the dots above
/// the prefix are a set of single dots; here they are ranges.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CausalContext<I> {
    prefix: VersionVector<I>,
    above: Above<I>,
    /// The number of ranges above the prefixes.
    count: usize,
}

impl<I> CausalContext<I> {
    /// Makes the empty context, which has seen nothing. Does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self { prefix: VersionVector::new(), above: Above::new(), count: 0 }
    }

    /// Returns the number of ranges, to which the memory is proportional. O(1).
    pub fn len(&self) -> usize {
        self.prefix.len() + self.count
    }

    /// Returns whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns, for each node, the highest counter up to which *every* event has been seen. O(1).
    ///
    /// This is the context as a vector, without the dots after a gap: the greatest vector that is at most this context.
    pub fn prefix(&self) -> &VersionVector<I> {
        &self.prefix
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        // Ids are dropped last, here and below: if a drop panics, no change is half done.
        let _above = mem::take(&mut self.above);
        self.count = 0;
        self.prefix.clear();
    }
}

impl<I: Ord> CausalContext<I> {
    /// Returns whether the event `dot` has been seen. O(log n + log r).
    pub fn contains(&self, dot: &Dot<I>) -> bool {
        self.prefix.contains(dot) || self.above(dot.node()).is_some_and(|ranges| ranges.contains(dot.counter()))
    }

    /// Returns the counter of `node`'s latest event seen, 0 for none. O(log n + log r).
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 1).unwrap(), Dot::new("a", 9).unwrap()]);
    /// assert_eq!((seen.highest(&"a"), seen.highest(&"b")), (9, 0));
    /// ```
    pub fn highest<Q: Ord + ?Sized>(&self, node: &Q) -> u64
    where
        I: Borrow<Q>,
    {
        self.above(node).map_or_else(|| self.prefix.get(node), CounterRanges::highest)
    }

    /// Returns the ranges of `node` above its prefix.
    fn above<Q: Ord + ?Sized>(&self, node: &Q) -> Option<&CounterRanges>
    where
        I: Borrow<Q>,
    {
        self.above.get(node)
    }

    /// Adds `dot`; returns whether it is new.
    ///
    /// For dots from outside use [`insert_within`](Self::insert_within): a sender might send dots with gaps without
    /// end.
    ///
    /// # Complexity
    ///
    /// O(log n + log r) in any order of the dots, plus the cost of [`VersionVector::observe`] for a node that is new
    /// there. At most one range is added, or up to two existing ranges are joined.
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
    pub fn insert(&mut self, dot: &Dot<I>) -> bool
    where
        I: Clone,
    {
        self.insert_from(dot.node(), dot.counter(), dot.counter())
    }

    /// Adds all dots of `range`; returns whether any of them is new.
    ///
    /// # Complexity
    ///
    /// As [`insert`](Self::insert), plus O(log r) for each existing range that becomes a part of this one. Earlier
    /// calls have added those ranges, so the amortised cost is that of `insert`.
    pub fn insert_range(&mut self, range: &DotRange<I>) -> bool
    where
        I: Clone,
    {
        let (first, last) = range.counters().into_inner();
        self.insert_from(range.node(), first, last)
    }

    /// Adds the dots of `node` from `first` to `last`, which is not lower; returns whether any of them is new.
    fn insert_from(&mut self, node: &I, first: u64, last: u64) -> bool
    where
        I: Clone,
    {
        let prefix = self.prefix.get(node);
        if last <= prefix {
            return false;
        }
        // No underflow: counters are at least 1.
        if first - 1 <= prefix {
            self.raise_prefix(node, last);
        } else if let Some(ranges) = self.above.get_mut(node) {
            let before = ranges.len();
            let is_new = ranges.insert(first, last);
            self.count = self.count - before + ranges.len();
            return is_new;
        } else {
            self.above.insert(node.clone(), CounterRanges::new(first, last));
            self.count += 1;
        }
        true
    }

    /// Raises the prefix of a node to `counter`, and further if a range above continues from there.
    ///
    /// The steps that call the caller's code come first, then the changes to the ranges above.
    fn raise_prefix(&mut self, node: &I, counter: u64)
    where
        I: Clone,
    {
        let Some(ranges) = self.above.get_mut(node) else {
            return self.prefix.raise_as(node, counter, I::clone);
        };
        let (before, end) = (ranges.len(), ranges.reached_by(counter));
        if end < ranges.highest() {
            self.prefix.raise_as(node, end, I::clone);
            ranges.remove_up_to(end);
            self.count = self.count - before + ranges.len();
        } else if let btree_map::Entry::Occupied(ranges) = self.above.entry(node.clone()) {
            self.prefix.raise_as(node, end, I::clone);
            let _gone = ranges.remove_entry();
            self.count -= before;
        }
    }

    /// Adds `dot`, as [`insert`](Self::insert) does, unless that takes more than `limit` ranges.
    ///
    /// A dot that adds no range is inserted even beyond the limit.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if the dot would add a range and there are `limit` already. The context is unchanged. Ask for
    /// the [`missing`](Self::missing) dots first.
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
    pub fn insert_within(&mut self, dot: &Dot<I>, limit: usize) -> Result<bool, TooManyRanges>
    where
        I: Clone,
    {
        if self.len() >= limit && !self.touches(dot) {
            return Err(TooManyRanges { limit });
        }
        Ok(self.insert(dot))
    }

    /// Returns whether `dot` or one of its neighbours has been seen, so that it adds no range.
    fn touches(&self, dot: &Dot<I>) -> bool {
        self.touching(dot.node(), dot.counter(), dot.counter()) > 0
    }

    /// Returns the number of ranges that have a dot of `node` from `first` to `last`, or one next to these.
    /// O(log n + log r), and O(1) for each.
    fn touching(&self, node: &I, first: u64, last: u64) -> usize {
        let prefix = self.prefix.get(node);
        let above = self.above(node).map_or(0, |ranges| ranges.touching(first, last));
        above + usize::from(prefix > 0 && first - 1 <= prefix)
    }

    /// Names the next event of `node`, after the latest seen, without counting it. O(log n + log r).
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] if the counter `u64::MAX` of the node has been seen.
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 3).unwrap()]);
    /// assert_eq!(seen.next("a"), Ok(Dot::new("a", 4).unwrap()));
    /// ```
    pub fn next(&self, node: I) -> Result<Dot<I>, CounterExhausted> {
        let next = self.highest(&node).checked_add(1).and_then(|next| Dot::new(node, next));
        next.ok_or(CounterExhausted { limit: u64::MAX })
    }

    /// Counts one more event of `node`, after the latest seen, and names it. O(log n + log r).
    ///
    /// It never fills a gap: this very node may have used a number below the highest seen, before it lost its state. So
    /// only the node itself may introduce dots with its id. Refuse dots with your own id from others, unless they are
    /// [contained](Self::contains).
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] if the counter `u64::MAX` of the node has been seen. The context is unchanged.
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
    pub fn increment(&mut self, node: I) -> Result<Dot<I>, CounterExhausted>
    where
        I: Clone,
    {
        let dot = self.next(node)?;
        self.insert(&dot);
        Ok(dot)
    }

    /// Makes a context from its prefixes and the ranges above them, for which CC1 to CC3 hold.
    pub(crate) fn from_parts(prefix: VersionVector<I>, above: Above<I>) -> Self {
        let count = above.values().map(CounterRanges::len).sum();
        let context = Self { prefix, above, count };
        context.debug_validate();
        context
    }

    /// Names the gaps in order: the dots of each node that are not seen, below the latest seen. O(r + g log n) for the
    /// g nodes that have gaps.
    ///
    /// Ask others for these dots.
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    /// use happens_before::node::DotRange;
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 1).unwrap(), Dot::new("a", u64::MAX).unwrap()]);
    /// assert!(seen.missing().eq([DotRange::new("a", 2..=u64::MAX - 1).unwrap()]));
    /// ```
    pub fn missing(&self) -> impl Iterator<Item = DotRange<I>>
    where
        I: Clone,
    {
        self.above.iter().flat_map(|(node, ranges)| {
            let mut seen = self.prefix.get(node);
            ranges.iter().filter_map(move |(first, last)| {
                // No overflow, and never empty: `seen + 1` is missing, by CC2 and CC3.
                let gap = mem::replace(&mut seen, last) + 1..=first - 1;
                DotRange::new(node.clone(), gap)
            })
        })
    }

    /// Forgets `node`, and returns whether anything had been seen of it. O(n + log r).
    ///
    /// Use it only if the node is gone for good and every replica forgets it: a forgotten node counts as never seen.
    pub fn remove<Q: Ord + ?Sized>(&mut self, node: &Q) -> bool
    where
        I: Borrow<Q>,
    {
        let above = self.above.remove_entry(node);
        self.count -= above.as_ref().map_or(0, |(_, ranges)| ranges.len());
        self.prefix.remove(node) > 0 || above.is_some()
    }

    /// Keeps the nodes for which `keep` returns `true`, and forgets the others. O(n + r).
    ///
    /// `keep` is called once for each node, in order, before anything changes.
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let mut seen = CausalContext::from_iter(["a", "b", "c"].map(|node| Dot::new(node, 2).unwrap()));
    /// let mut forgotten = Vec::new();
    /// seen.retain(|node| {
    ///     let keep = *node != "b";
    ///     if !keep {
    ///         forgotten.push(*node);
    ///     }
    ///     keep
    /// });
    /// assert_eq!((seen.to_string(), forgotten), ("{(a, 2..=2), (c, 2..=2)}".into(), vec!["b"]));
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&I) -> bool) {
        let (mut prefixes, mut above) = (Vec::new(), Vec::new());
        let mut nodes = self.above.keys().peekable();
        for (node, _) in &self.prefix {
            while let Some(node) = nodes.next_if(|above| *above < node) {
                above.push(keep(node));
            }
            let keeps = keep(node);
            prefixes.push(keeps);
            above.extend(nodes.next_if(|above| *above == node).map(|_| keeps));
        }
        above.extend(nodes.map(keep));

        let mut answers = above.into_iter();
        self.above.retain(|_, ranges| {
            let keeps = answers.next() == Some(true);
            if !keeps {
                self.count -= ranges.len();
            }
            keeps
        });
        let mut answers = prefixes.into_iter();
        self.prefix.retain(|_, _| answers.next() == Some(true));
        self.debug_validate();
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.prefix.internal_validate()?;
        for (node, ranges) in &self.above {
            if !ranges.are_apart() {
                return Err("CC1 and CC3: no range above is empty, and a gap between any two");
            }
            if ranges.iter().next().is_some_and(|(first, _)| first - 1 <= self.prefix.get(node)) {
                return Err("CC2: a gap between a prefix and what is above it");
            }
        }
        if self.above.values().map(CounterRanges::len).sum::<usize>() != self.count {
            return Err("CC4: the number of ranges above is known");
        }
        Ok(())
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

impl<I> Default for CausalContext<I> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes each entry of the vector the prefix of its node. O(1).
impl<I> From<VersionVector<I>> for CausalContext<I> {
    fn from(prefix: VersionVector<I>) -> Self {
        Self { prefix, above: Above::new(), count: 0 }
    }
}
