//! Conversions between a vector and a sequence of entries, and its text form.

use core::iter::{FusedIterator, Peekable};
use core::{array, fmt, iter, mem, slice};

use super::arrays::IntoPairs;
use super::pairs::{IN_PLACE, Pairs};
use super::recent;
use super::{Storage, VersionVector};
use crate::compat::vec;
use crate::node::Dot;
use crate::version::{FixedVector, FixedVectorError};

impl<I> VersionVector<I> {
    /// Visits the entries, node and counter, in the order of the ids.
    pub fn iter(&self) -> Entries<'_, I> {
        Entries(match &self.entries {
            Storage::Few(pairs) => Form::Pairs(pairs.iter()),
            Storage::Many(arrays) => Form::Arrays {
                arrays: iter::zip(&*arrays.ids, &arrays.counters),
                before: 0,
                recent: arrays.recent.iter(),
            },
        })
    }
}

/// The entries of a [`VersionVector`](crate::VersionVector), node and counter, in the order of the ids.
///
/// Returned by [`VersionVector::iter`](crate::VersionVector::iter).
pub struct Entries<'a, I>(Form<'a, I>);

enum Form<'a, I> {
    Pairs(slice::Iter<'a, (I, u64)>),
    Arrays {
        arrays: iter::Zip<slice::Iter<'a, I>, slice::Iter<'a, u64>>,
        /// The number of entries of the arrays already returned at the front.
        before: usize,
        recent: Option<Peekable<recent::Iter<'a, I>>>,
    },
}

impl<'a, I> Iterator for Entries<'a, I> {
    type Item = (&'a I, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Form::Pairs(pairs) => pairs.next().map(|(node, counter)| (node, *counter)),
            Form::Arrays { arrays, before, recent } => {
                if let Some(recent) = recent {
                    if let Some((_, entry)) = recent.next_if(|added| added.0 <= *before) {
                        return Some(entry);
                    }
                    *before += 1;
                }
                arrays.next().map(|(node, &counter)| (node, counter))
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match &self.0 {
            Form::Pairs(pairs) => pairs.len(),
            Form::Arrays { arrays, recent, .. } => {
                arrays.len() + recent.as_ref().map_or(0, |recent| recent.len())
            }
        };
        (len, Some(len))
    }

    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while let Form::Arrays { recent: Some(_), .. } = self.0 {
            match self.next() {
                Some(entry) => folded = f(folded, entry),
                None => return folded,
            }
        }
        match self.0 {
            Form::Pairs(pairs) => pairs.fold(folded, |folded, (node, counter)| f(folded, (node, *counter))),
            Form::Arrays { arrays, .. } => {
                arrays.fold(folded, |folded, (node, &counter)| f(folded, (node, counter)))
            }
        }
    }
}

impl<I> DoubleEndedIterator for Entries<'_, I> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Form::Pairs(pairs) => pairs.next_back().map(|(node, counter)| (node, *counter)),
            Form::Arrays { arrays, before, recent } => {
                if let Some(recent) = recent
                    && recent.clone().next_back().is_some_and(|added| added.0 >= *before + arrays.len())
                {
                    return recent.next_back().map(|(_, entry)| entry);
                }
                arrays.next_back().map(|(node, &counter)| (node, counter))
            }
        }
    }
}

impl<I> ExactSizeIterator for Entries<'_, I> {}
impl<I> FusedIterator for Entries<'_, I> {}

impl<I> Clone for Entries<'_, I> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Form::Pairs(pairs) => Form::Pairs(pairs.clone()),
            Form::Arrays { arrays, before, recent } => {
                Form::Arrays { arrays: arrays.clone(), before: *before, recent: recent.clone() }
            }
        })
    }
}

impl<I: fmt::Debug> fmt::Debug for Entries<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<'a, I> IntoIterator for &'a VersionVector<I> {
    type Item = (&'a I, u64);
    type IntoIter = Entries<'a, I>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The entries of a [`VersionVector`](crate::VersionVector) by value, node and counter, in the order of the ids.
///
/// Returned by [`VersionVector::into_iter`](crate::VersionVector#impl-IntoIterator-for-VersionVector<I>).
pub struct IntoEntries<I>(IntoForm<I>);

enum IntoForm<I> {
    /// Pairs that have no allocation; `None` after the last.
    Few(array::IntoIter<Option<(I, u64)>, IN_PLACE>),
    Heap(vec::IntoIter<(I, u64)>),
    Arrays(IntoPairs<I>),
}

impl<I> Iterator for IntoEntries<I> {
    type Item = (I, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IntoForm::Few(pairs) => pairs.next().flatten(),
            IntoForm::Heap(pairs) => pairs.next(),
            IntoForm::Arrays(entries) => entries.next(),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IntoForm::Few(pairs) => {
                let len = pairs.as_slice().iter().flatten().count();
                (len, Some(len))
            }
            IntoForm::Heap(pairs) => pairs.size_hint(),
            IntoForm::Arrays(entries) => entries.size_hint(),
        }
    }
}

impl<I> DoubleEndedIterator for IntoEntries<I> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IntoForm::Few(pairs) => pairs.rev().flatten().next(),
            IntoForm::Heap(pairs) => pairs.next_back(),
            IntoForm::Arrays(entries) => entries.next_back(),
        }
    }
}

impl<I> ExactSizeIterator for IntoEntries<I> {}
impl<I> FusedIterator for IntoEntries<I> {}

impl<I: fmt::Debug> fmt::Debug for IntoEntries<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoEntries").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Takes the entries out, in the order of the ids. O(1), or O(n) for a large vector after new nodes were added.
///
/// ```
/// use happens_before::VersionVector;
///
/// let seen = VersionVector::from([("b".to_string(), 2), ("a".to_string(), 1)]);
/// let entries: Vec<(String, u64)> = seen.into_iter().collect();
/// assert_eq!(entries, [("a".to_string(), 1), ("b".to_string(), 2)]);
/// ```
impl<I> IntoIterator for VersionVector<I> {
    type Item = (I, u64);
    type IntoIter = IntoEntries<I>;

    #[inline]
    fn into_iter(self) -> IntoEntries<I> {
        let few = |pairs: [_; IN_PLACE]| IntoForm::Few(pairs.into_iter());
        IntoEntries(match self.entries {
            Storage::Few(pairs) => match pairs {
                Pairs::Zero([]) => few([None, None, None]),
                Pairs::One([a]) => few([Some(a), None, None]),
                Pairs::Two([a, b]) => few([Some(a), Some(b), None]),
                Pairs::Three(all) => few(all.map(Some)),
                Pairs::Heap(pairs) => IntoForm::Heap(pairs.into_iter()),
            },
            Storage::Many(arrays) => IntoForm::Arrays(arrays.into_entries()),
        })
    }
}

/// Of several counters for one node the highest counts; a counter of 0 makes no entry. O(n log n).
impl<I: Ord> FromIterator<(I, u64)> for VersionVector<I> {
    fn from_iter<T: IntoIterator<Item = (I, u64)>>(entries: T) -> Self {
        let entries = entries.into_iter();
        let likely = entries.size_hint().0;
        let pairs = Pairs::collect(entries.filter(|&(_, counter)| counter > 0), likely);
        // A single pair is sorted.
        let entries =
            if let Pairs::One(_) = pairs { Storage::Few(pairs) } else { Storage::from_unsorted(pairs) };
        Self { entries }
    }
}

/// Of several counters for one node the highest counts; a counter of 0 makes no entry. O(N log N).
///
/// ```
/// use happens_before::VersionVector;
///
/// let seen = VersionVector::from([("a", 1), ("b", 2)]);
/// assert_eq!(seen.to_string(), "{a: 1, b: 2}");
/// ```
impl<I: Ord, const N: usize> From<[(I, u64); N]> for VersionVector<I> {
    fn from(entries: [(I, u64); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// The vector that has seen this event and all earlier ones of its node.
impl<I> From<Dot<I>> for VersionVector<I> {
    fn from(dot: Dot<I>) -> Self {
        let counter = dot.counter();
        Self { entries: Storage::Few(Pairs::One([(dot.into_node(), counter)])) }
    }
}

/// Merges the entries by value, as [`merge`](VersionVector::merge) does. O(n + k log k) for k entries.
///
/// ```
/// use happens_before::VersionVector;
///
/// let mut ours = VersionVector::from([("a", 1)]);
/// ours.extend(VersionVector::from([("a", 2), ("b", 1)]));
/// assert_eq!(ours, VersionVector::from([("a", 2), ("b", 1)]));
/// ```
impl<I: Ord> Extend<(I, u64)> for VersionVector<I> {
    fn extend<T: IntoIterator<Item = (I, u64)>>(&mut self, entries: T) {
        let entries = entries.into_iter();
        if entries.size_hint().1.is_some_and(|most| most <= IN_PLACE) {
            entries.for_each(|(node, counter)| self.raise(node, counter));
        } else {
            self.merge_owned(entries.collect());
        }
    }
}

/// Each node of the fixed vector that has been seen becomes an id.
///
/// ```
/// use happens_before::VersionVector;
/// use happens_before::version::FixedVector;
///
/// let fixed = FixedVector::from([3, 0, 1]);
/// let seen = VersionVector::from(&fixed);
/// assert_eq!(seen, VersionVector::from([(0, 3), (2, 1)]));
/// assert_eq!(FixedVector::try_from(&seen), Ok(fixed));
/// ```
impl<const N: usize> From<&FixedVector<N>> for VersionVector<usize> {
    fn from(fixed: &FixedVector<N>) -> Self {
        fixed.iter().collect()
    }
}

/// Refuses a vector with an id that is not a member, with [`FixedVectorError::NotAMember`].
impl<const N: usize> TryFrom<&VersionVector<usize>> for FixedVector<N> {
    type Error = FixedVectorError;

    fn try_from(vector: &VersionVector<usize>) -> Result<Self, FixedVectorError> {
        let mut counters = [0; N];
        for (&node, counter) in vector {
            *counters.get_mut(node).ok_or(FixedVectorError::NotAMember { node, members: N })? = counter;
        }
        Ok(Self::from_counters(counters))
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
