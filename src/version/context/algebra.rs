//! Operations on two contexts, each in one pass over both: union, intersection, difference, comparison.

use core::cmp::Ordering;
use core::{iter, mem};

use super::{Above, CausalContext, CounterRanges};
use crate::compat::Vec;
use crate::node::DotRange;
use crate::order::CausalOrder;
use crate::version::TooManyRanges;

/// A merge inserts the ranges of one side one by one if the other side has more than this many times as many.
///
/// Otherwise it rebuilds both, which handles a range in about an eighth of the time of an insertion.
const MUCH_LONGER: usize = 8;

impl<I: Ord> CausalContext<I> {
    /// Adds everything that `other` has seen: the union.
    ///
    /// The union has at most the ranges of both. For contexts from outside use [`merge_within`](Self::merge_within).
    ///
    /// # Complexity
    ///
    /// That of [`VersionVector::merge`](crate::VersionVector::merge) if r = s = 0. Otherwise O(n + m + (r + s) log n),
    /// or O((m + s)(log n + log r)) if the other has far fewer ranges than there are above the prefixes here.
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
    pub fn merge(&mut self, other: &Self)
    where
        I: Clone,
    {
        if other.len().saturating_mul(MUCH_LONGER) < self.count {
            for range in other {
                let (first, last) = range.counters().into_inner();
                self.insert_from(range.node(), first, last);
            }
        } else {
            if !(self.above.is_empty() && other.above.is_empty()) {
                self.merge_above(other);
            }
            self.prefix.merge(&other.prefix);
        }
        self.debug_validate();
    }

    /// Merges everything that `other` has seen of nodes with ranges above, on either side.
    fn merge_above(&mut self, other: &Self)
    where
        I: Clone,
    {
        let raised = self.above.keys().filter(|node| other.prefix.get(node) > self.prefix.get(node));
        for node in raised.cloned().collect::<Vec<_>>() {
            self.raise_prefix(&node, other.prefix.get(&node));
        }
        for (node, theirs) in &other.above {
            let mut left = theirs.iter().peekable();
            while let Some((first, last)) = left.next_if(|range| range.0 - 1 <= self.prefix.get(node)) {
                self.insert_from(node, first, last);
            }
            match self.above.get_mut(node) {
                Some(ours) if theirs.len().saturating_mul(MUCH_LONGER) < ours.len() => {
                    left.for_each(|(first, last)| {
                        self.insert_from(node, first, last);
                    });
                }
                Some(ours) => {
                    let union = ours.union(left);
                    self.count = self.count - ours.len() + union.len();
                    *ours = union;
                }
                None => {
                    let Some(theirs) = CounterRanges::from_sorted(left) else { continue };
                    let count = theirs.len();
                    self.above.insert(node.clone(), theirs);
                    self.count += count;
                }
            }
        }
    }

    /// Merges `other`, as [`merge`](Self::merge) does, unless that takes more than `limit` ranges.
    ///
    /// A context that adds no range is merged even beyond the limit.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if the union has more than `limit` ranges, and more than there are now. The context is
    /// unchanged. Ask for the [`missing`](Self::missing) dots first, or for a newer state.
    ///
    /// # Complexity
    ///
    /// As [`merge`](Self::merge). If both together have more ranges than the limit, counting those of the union first
    /// costs O((m + s)(log n + log r)).
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
    pub fn merge_within(&mut self, other: &Self, limit: usize) -> Result<(), TooManyRanges>
    where
        I: Clone,
    {
        if self.len().saturating_add(other.len()) <= limit {
            self.merge(other);
            return Ok(());
        }
        if self.union_len(other) > limit.max(self.len()) {
            return Err(TooManyRanges { limit });
        }
        self.merge(other);
        Ok(())
    }

    /// Returns the number of ranges of the union with `other`.
    ///
    /// Draw a line from each range of ours to each range of theirs that it touches. The connected pieces are the ranges
    /// of the union, and no piece has a cycle. So each line reduces the number of ranges by one. If the union is longer
    /// than `self`, there are fewer lines than ranges of theirs.
    fn union_len(&self, other: &Self) -> usize {
        let touching = |range: DotRange<&I>| {
            let (first, last) = range.counters().into_inner();
            self.touching(range.node(), first, last)
        };
        self.len() + other.len() - other.iter().map(touching).sum::<usize>()
    }

    /// Keeps only the dots that both have seen: the intersection. O((n + m + r + s) log n), or that of
    /// [`VersionVector::meet`](crate::VersionVector::meet) if r = s = 0.
    ///
    /// ```
    /// use happens_before::CausalContext;
    /// use happens_before::node::DotRange;
    ///
    /// let mut x = CausalContext::from_iter([DotRange::new("a", 1..=5).unwrap()]);
    /// x.meet(&CausalContext::from_iter([DotRange::new("a", 3..=9).unwrap()]));
    /// assert_eq!(x.to_string(), "{(a, 3..=5)}");
    /// ```
    pub fn meet(&mut self, other: &Self)
    where
        I: Clone,
    {
        if !(self.above.is_empty() && other.above.is_empty()) {
            let mut above = Above::<I>::new();
            for range in self.common(other) {
                let (first, last) = range.counters().into_inner();
                if first == 1 {
                    // Common prefix.
                } else if let Some(ranges) = above.get_mut(range.node()) {
                    ranges.insert(first, last);
                } else {
                    above.insert(range.into_node().clone(), CounterRanges::new(first, last));
                }
            }
            let mut prefix = self.prefix.clone();
            prefix.meet(&other.prefix);
            // Both are replaced at once, since the old prefixes and the new ranges do not fit together.
            let _before = mem::replace(self, Self::from_parts(prefix, above));
            return;
        }
        self.prefix.meet(&other.prefix);
        self.debug_validate();
    }

    /// Names the dots that both have seen, in order.
    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = DotRange<&'a I>> {
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        iter::from_fn(move || {
            loop {
                let (&our, &their) = (ours.peek()?, theirs.peek()?);
                let (our_first, our_last) = our.counters().into_inner();
                let (their_first, their_last) = their.counters().into_inner();
                // The range that ends first has nothing in common with later ranges of the other side.
                if (our.node(), our_last) < (their.node(), their_last) {
                    ours.next();
                } else {
                    theirs.next();
                }
                if our.node() == their.node() {
                    let both = our_first.max(their_first)..=our_last.min(their_last);
                    if let Some(range) = DotRange::new(our.into_node(), both) {
                        return Some(range);
                    }
                }
            }
        })
    }

    /// Names the dots that `self` has seen and `other` has not, in order, in as few ranges as possible.
    /// O(n + m + r + s) for all of them.
    ///
    /// Send these dots to a replica that reports `other`. If the replica reports a vector, make that a context with
    /// [`From`].
    ///
    /// ```
    /// use happens_before::{CausalContext, VersionVector};
    /// use happens_before::node::DotRange;
    ///
    /// let range = |counters| DotRange::new("a", counters).unwrap();
    /// let ours = CausalContext::from_iter([range(1..=9)]);
    /// let theirs = CausalContext::from_iter([range(3..=4), range(6..=6)]);
    /// assert!(ours.difference(&theirs).eq([range(1..=2), range(5..=5), range(7..=9)]));
    ///
    /// let theirs = VersionVector::from_iter([("a", 7)]).into();
    /// assert!(ours.difference(&theirs).eq([range(8..=9)]));
    /// ```
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = DotRange<I>> + 'a
    where
        I: Clone,
    {
        let (mut ours, mut theirs) = (self.iter(), other.iter().peekable());
        // The rest of one of our ranges, after the part that they have seen.
        let mut rest = None;
        iter::from_fn(move || {
            loop {
                let our = rest.take().or_else(|| ours.next())?;
                let node = our.into_node();
                let (first, last) = our.counters().into_inner();
                while theirs.next_if(|their| (*their.node(), *their.counters().end()) < (node, first)).is_some()
                {
                }
                // The first of their ranges that ends at or after our first counter.
                let (their_first, their_last) = match theirs.peek() {
                    Some(their) if *their.node() == node => their.counters().into_inner(),
                    _ => return Some(our.cloned()),
                };
                if last < their_first {
                    return Some(our.cloned());
                }
                rest = their_last.checked_add(1).and_then(|next| DotRange::new(node, next..=last));
                // Counters are at least 1; the range is empty if theirs starts no later than ours.
                if let Some(unseen) = DotRange::new(node, first..=their_first - 1) {
                    return Some(unseen.cloned());
                }
            }
        })
    }

    /// Compares two contexts by causality, which is inclusion. It costs
    /// [`VersionVector::compare`](crate::VersionVector::compare) of the prefixes. Unless these are concurrent, it also
    /// costs O(r + s + k log n) for k nodes that have ranges above.
    ///
    /// ```
    /// use happens_before::{CausalContext, CausalOrder, Dot};
    ///
    /// let second = CausalContext::from_iter([Dot::new("a", 2).unwrap()]);
    /// let mut first = CausalContext::from_iter([Dot::new("a", 1).unwrap()]);
    /// assert_eq!(first.compare(&second), CausalOrder::Concurrent); // neither has the other's event
    /// first.merge(&second);
    /// assert_eq!(second.compare(&first), CausalOrder::Before);
    /// ```
    pub fn compare(&self, other: &Self) -> CausalOrder {
        // A gap follows each prefix, so only a prefix can include a prefix.
        let prefixes = self.prefix.compare(&other.prefix);
        let (at_most, at_least) = match prefixes {
            CausalOrder::Before => (true, false),
            CausalOrder::After => (false, true),
            CausalOrder::Equal => (true, true),
            CausalOrder::Concurrent => (false, false),
        };
        CausalOrder::from_bounds(
            at_most && self.above_is_within(other),
            at_least && other.above_is_within(self),
        )
    }

    /// Returns whether everything that `other` has seen has been seen here. The cost is that of
    /// [`compare`](Self::compare), but it stops at the first event that has not.
    ///
    /// The same as `self >= other`.
    ///
    /// ```
    /// use happens_before::{CausalContext, Dot};
    ///
    /// let seen = CausalContext::from_iter([1, 2, 4].map(|counter| Dot::new("a", counter).unwrap()));
    /// assert!(seen.contains_all(&CausalContext::from_iter([Dot::new("a", 1).unwrap()])));
    /// assert!(!seen.contains_all(&CausalContext::from_iter([Dot::new("a", 3).unwrap()])));
    /// ```
    pub fn contains_all(&self, other: &Self) -> bool {
        // A gap follows each prefix, so only a prefix can include a prefix.
        self.prefix.contains_all(&other.prefix) && other.above_is_within(self)
    }

    /// Returns whether `other` has seen every dot above the prefixes of `self`.
    fn above_is_within(&self, other: &Self) -> bool {
        self.above.iter().all(|(node, ranges)| {
            let prefix = other.prefix.get(node);
            match other.above(node) {
                Some(theirs) => theirs.includes(ranges.iter().skip_while(|&(_, last)| last <= prefix)),
                None => ranges.highest() <= prefix,
            }
        })
    }
}

impl<I: Ord> PartialOrd for CausalContext<I> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).to_ordering()
    }

    fn le(&self, other: &Self) -> bool {
        other.contains_all(self)
    }

    fn ge(&self, other: &Self) -> bool {
        self.contains_all(other)
    }
}
