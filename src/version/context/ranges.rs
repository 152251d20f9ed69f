//! Conversions between a context and a sequence of ranges, and its text form.

use core::iter::{self, Peekable};
use core::{fmt, mem};

use smallvec::SmallVec;

use super::{Above, CausalContext, CounterRanges, counter_ranges};
use crate::compat::{Vec, btree_map};
use crate::node::{Dot, DotRange, NodeId};
use crate::version::{Entries, VersionVector};

impl<I: Ord> CausalContext<I> {
    /// Visits the dots that have been seen, in order, with consecutive counters of a node as one range.
    ///
    /// The ranges borrow their nodes; [`DotRange::cloned`] makes owned ones.
    ///
    /// ```
    /// use happens_before::CausalContext;
    /// use happens_before::node::DotRange;
    ///
    /// let seen = CausalContext::from_iter([DotRange::new("a", 1..=4).unwrap()]);
    /// for range in &seen {
    ///     assert_eq!((**range.node(), range.counters()), ("a", 1..=4));
    /// }
    /// ```
    pub fn iter(&self) -> Ranges<'_, I> {
        Ranges {
            prefix: self.prefix.iter().peekable(),
            above: self.above.iter().peekable(),
            ranges: None,
            left: self.len(),
        }
    }
}

/// Visits the ranges of a [`CausalContext`], in order.
pub struct Ranges<'a, I> {
    prefix: Peekable<Entries<'a, I>>,
    above: Peekable<btree_map::Iter<'a, I, CounterRanges>>,
    /// The rest of the ranges above the prefix of the node that was visited last.
    ranges: Option<(&'a I, counter_ranges::Iter<'a>)>,
    /// The number of ranges that are left.
    left: usize,
}

impl<'a, I: Ord> Iterator for Ranges<'a, I> {
    type Item = DotRange<&'a I>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        loop {
            // No range is empty: prefixes are not 0 by VV2, and ranges above are not empty by CC1.
            if let Some((node, ranges)) = &mut self.ranges {
                if let Some((first, last)) = ranges.next() {
                    return DotRange::new(*node, first..=last);
                }
                self.ranges = None;
            }
            let prefix_first = match (self.prefix.peek(), self.above.peek()) {
                (Some((node, _)), Some((above, _))) => *node <= *above,
                (prefix, _) => prefix.is_some(),
            };
            if prefix_first {
                return self.prefix.next().and_then(|(node, counter)| DotRange::new(node, 1..=counter));
            }
            let (node, ranges) = self.above.next()?;
            self.ranges = Some((node, ranges.iter()));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Ord> ExactSizeIterator for Ranges<'_, I> {}

impl<I: Ord> iter::FusedIterator for Ranges<'_, I> {}

impl<I> Clone for Ranges<'_, I> {
    fn clone(&self) -> Self {
        Self {
            prefix: self.prefix.clone(),
            above: self.above.clone(),
            ranges: self.ranges.clone(),
            left: self.left,
        }
    }
}

impl<I: Ord + fmt::Debug> fmt::Debug for Ranges<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a, I: Ord> IntoIterator for &'a CausalContext<I> {
    type Item = DotRange<&'a I>;
    type IntoIter = Ranges<'a, I>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The ranges may overlap and come in any order. O(k log k) for k ranges.
impl<I: NodeId> FromIterator<DotRange<I>> for CausalContext<I> {
    fn from_iter<T: IntoIterator<Item = DotRange<I>>>(ranges: T) -> Self {
        let ranges = ranges.into_iter().map(|range| {
            let (first, last) = range.counters().into_inner();
            (range.into_node(), first, last)
        });
        let mut ranges: Vec<_> = ranges.collect();
        ranges.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut ranges = ranges.into_iter().peekable();

        let (mut ids, mut counters, mut all_above) = (SmallVec::new(), SmallVec::new(), Above::new());
        while let Some((node, first, last)) = ranges.next() {
            let mut next = Some((first, last));
            let joined = iter::from_fn(|| {
                let (first, mut last) = next.take()?;
                while let Some((_, start, end)) = ranges.next_if(|other| other.0 == node) {
                    // No underflow: counters are at least 1.
                    if last < start - 1 {
                        next = Some((start, end));
                        break;
                    }
                    last = last.max(end);
                }
                Some((first, last))
            });
            let mut joined = joined.peekable();
            let prefix = joined.next_if(|range| range.0 == 1);
            let above = CounterRanges::from_sorted(joined);
            if let Some((_, last)) = prefix {
                counters.push(last);
                let Some(above) = above else {
                    ids.push(node);
                    continue;
                };
                ids.push(node.clone());
                all_above.insert(node, above);
            } else if let Some(above) = above {
                all_above.insert(node, above);
            }
        }
        Self::from_parts(VersionVector::from_sorted(ids, counters), all_above)
    }
}

/// The dots may repeat and come in any order. O(k log k) for k dots.
impl<I: NodeId> FromIterator<Dot<I>> for CausalContext<I> {
    fn from_iter<T: IntoIterator<Item = Dot<I>>>(dots: T) -> Self {
        dots.into_iter().map(DotRange::from).collect()
    }
}

/// Merges the ranges, as [`merge`](CausalContext::merge) does; sorting k ranges first costs O(k log k).
impl<I: NodeId> Extend<DotRange<I>> for CausalContext<I> {
    fn extend<T: IntoIterator<Item = DotRange<I>>>(&mut self, ranges: T) {
        self.merge(&ranges.into_iter().collect());
    }
}

/// Merges the dots, as [`merge`](CausalContext::merge) does; sorting k dots first costs O(k log k).
impl<I: NodeId> Extend<Dot<I>> for CausalContext<I> {
    fn extend<T: IntoIterator<Item = Dot<I>>>(&mut self, dots: T) {
        self.merge(&dots.into_iter().collect());
    }
}

impl<I: Ord + fmt::Display> fmt::Display for CausalContext<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut separator = "";
        for range in self {
            write!(f, "{}{range}", mem::replace(&mut separator, ", "))?;
        }
        f.write_str("}")
    }
}

impl<I: Ord + fmt::Debug> fmt::Debug for CausalContext<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
