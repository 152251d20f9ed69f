//! A context as a sequence of ranges: read, made, extended and written as one.

use core::iter::{self, Peekable};
use core::{fmt, mem};

use super::{Above, CausalContext};
use crate::node::{Dot, DotRange, NodeId};
use crate::version::VersionVector;

impl<I: NodeId> CausalContext<I> {
    /// Visits what has been seen, in order: one range for each run of consecutive counters.
    ///
    /// The ranges borrow their nodes; [`DotRange::cloned`] gives them one of their own.
    ///
    /// ```
    /// use happens_before::{CausalContext, DotRange};
    ///
    /// let seen = CausalContext::from_iter([DotRange::new("a", 1..=4).unwrap()]);
    /// for range in &seen {
    ///     assert_eq!((**range.node(), range.counters()), ("a", 1..=4));
    /// }
    /// ```
    pub fn iter(&self) -> Ranges<'_, I> {
        Ranges { prefix: self.prefix.into_iter().peekable(), above: self.above.iter().peekable() }
    }
}

/// Visits the ranges of a [`CausalContext`], in order.
pub struct Ranges<'a, I> {
    prefix: Peekable<<&'a VersionVector<I> as IntoIterator>::IntoIter>,
    above: Peekable<<&'a Above<I> as IntoIterator>::IntoIter>,
}

impl<'a, I: Ord> Iterator for Ranges<'a, I> {
    type Item = DotRange<&'a I>;

    fn next(&mut self) -> Option<Self::Item> {
        let prefix_first = match (self.prefix.peek(), self.above.peek()) {
            (Some((node, _)), Some((first, _))) => *node <= first.node(),
            (prefix, _) => prefix.is_some(),
        };
        // Every range is one: prefixes are not 0, by V2, and ranges above not empty, by C1.
        if prefix_first {
            self.prefix.next().and_then(|(node, counter)| DotRange::new(node, 1..=counter))
        } else {
            self.above.next().and_then(|(first, &last)| DotRange::new(first.node(), first.counter()..=last))
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.prefix.len() + self.above.len();
        (count, Some(count))
    }
}

impl<I: Ord> ExactSizeIterator for Ranges<'_, I> {}

impl<I: Ord> iter::FusedIterator for Ranges<'_, I> {}

impl<I> Clone for Ranges<'_, I> {
    fn clone(&self) -> Self {
        Self { prefix: self.prefix.clone(), above: self.above.clone() }
    }
}

impl<I: NodeId + fmt::Debug> fmt::Debug for Ranges<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a, I: NodeId> IntoIterator for &'a CausalContext<I> {
    type Item = DotRange<&'a I>;
    type IntoIter = Ranges<'a, I>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The ranges may overlap and come in any order. O(k log k) for k ranges.
impl<I: NodeId> FromIterator<DotRange<I>> for CausalContext<I> {
    fn from_iter<T: IntoIterator<Item = DotRange<I>>>(ranges: T) -> Self {
        let ranges = ranges.into_iter().filter_map(|range| {
            let (first, last) = range.counters().into_inner();
            Some((Dot::new(range.into_node(), first)?, last))
        });
        let mut context = Self::new();
        context.insert_above(ranges.collect());
        context.debug_validate();
        context
    }
}

/// The dots may repeat and come in any order. O(k log k) for k dots.
impl<I: NodeId> FromIterator<Dot<I>> for CausalContext<I> {
    fn from_iter<T: IntoIterator<Item = Dot<I>>>(dots: T) -> Self {
        dots.into_iter().map(DotRange::from).collect()
    }
}

/// Merges the ranges in, as [`merge`](CausalContext::merge) does; sorting k ranges first costs O(k log k).
impl<I: NodeId> Extend<DotRange<I>> for CausalContext<I> {
    fn extend<T: IntoIterator<Item = DotRange<I>>>(&mut self, ranges: T) {
        self.merge(&ranges.into_iter().collect());
    }
}

/// Merges the dots in, as [`merge`](CausalContext::merge) does; sorting k dots first costs O(k log k).
impl<I: NodeId> Extend<Dot<I>> for CausalContext<I> {
    fn extend<T: IntoIterator<Item = Dot<I>>>(&mut self, dots: T) {
        self.merge(&dots.into_iter().collect());
    }
}

impl<I: NodeId + fmt::Display> fmt::Display for CausalContext<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut separator = "";
        for range in self {
            write!(f, "{}{range}", mem::replace(&mut separator, ", "))?;
        }
        f.write_str("}")
    }
}

impl<I: NodeId + fmt::Debug> fmt::Debug for CausalContext<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
