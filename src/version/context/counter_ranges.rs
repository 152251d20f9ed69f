//! The counters of one node that have been seen above its prefix, as ranges of consecutive counters.
//!
//! There are only numbers here: nothing calls the caller's code, so nothing can interrupt a change.

use core::iter;

use crate::compat::{BTreeMap, btree_map};

/// Ranges of consecutive counters, each as its first and its last counter; at least one range.
///
/// The lowest range has its own field, so that the usual node with one range takes no further memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CounterRanges {
    lowest: (u64, u64),
    /// The last counter of each other range, by its first counter.
    higher: BTreeMap<u64, u64>,
}

impl CounterRanges {
    pub(crate) const fn new(first: u64, last: u64) -> Self {
        Self { lowest: (first, last), higher: BTreeMap::new() }
    }

    /// Makes the set from sorted ranges; between any two of them a counter is missing. `None` if there are none.
    pub(crate) fn from_sorted(ranges: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let mut ranges = ranges.into_iter();
        Some(Self { lowest: ranges.next()?, higher: ranges.collect() })
    }

    pub(crate) fn len(&self) -> usize {
        1 + self.higher.len()
    }

    /// Returns the highest counter.
    pub(crate) fn highest(&self) -> u64 {
        self.higher.last_key_value().map_or(self.lowest.1, |(_, &last)| last)
    }

    /// Visits the ranges in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        let range: fn((&u64, &u64)) -> (u64, u64) = |(&first, &last)| (first, last);
        iter::once(self.lowest).chain(self.higher.iter().map(range))
    }

    pub(crate) fn contains(&self, counter: u64) -> bool {
        self.last_from(counter).is_some_and(|last| counter <= last)
    }

    /// Returns the last counter of the range that starts at `counter`, or else of the range before. O(log r).
    fn last_from(&self, counter: u64) -> Option<u64> {
        let higher = self.higher.range(..=counter).next_back().map(|(_, &last)| last);
        higher.or_else(|| (self.lowest.0 <= counter).then_some(self.lowest.1))
    }

    /// Returns the number of ranges that have a counter from `first` to `last`, or one next to these. O(log r) and O(1)
    /// for each.
    pub(crate) fn touching(&self, first: u64, last: u64) -> usize {
        let before = self.higher.range(..=last.saturating_add(1)).rev();
        let higher = before.take_while(|&(_, &end)| end >= first - 1).count();
        let (start, end) = self.lowest;
        higher + usize::from(start - 1 <= last && end >= first - 1)
    }

    /// Adds the counters from `first` to `last`; returns whether any of them is new. O(log r), and O(log r) for each
    /// existing range that becomes a part of this one.
    pub(crate) fn insert(&mut self, first: u64, last: u64) -> bool {
        // No underflow, here and below: counters are at least 1.
        let before = self.last_from(first);
        if before.is_some_and(|end| last <= end) {
            return false;
        }
        let mut end = last;
        let starts_lowest = first < self.lowest.0;
        let touches_lowest = starts_lowest && self.lowest.0 - 1 <= end;
        if touches_lowest {
            end = end.max(self.lowest.1);
        }
        while let Some((&next, &next_end)) = self.higher.range(first.saturating_add(1)..).next()
            && next - 1 <= end
        {
            end = end.max(next_end);
            self.higher.remove(&next);
        }
        if starts_lowest {
            let (start, lowest_end) = core::mem::replace(&mut self.lowest, (first, end));
            if !touches_lowest {
                self.higher.insert(start, lowest_end);
            }
        } else if before.is_none_or(|last| last < first - 1) {
            self.higher.insert(first, end);
        } else if let Some((_, last)) = self.higher.range_mut(..=first).next_back() {
            *last = end;
        } else {
            self.lowest.1 = end;
        }
        true
    }

    /// Returns the counter up to which everything has been seen once everything up to `prefix` has: `prefix`, or the
    /// end of the range that it reaches. O(log r).
    pub(crate) fn reached_by(&self, prefix: u64) -> u64 {
        self.last_from(prefix.saturating_add(1)).map_or(prefix, |last| last.max(prefix))
    }

    /// Removes the ranges up to `prefix`, which lies within none of them. Returns whether others are left; if none is,
    /// the last range stays in place. O(log r) for each.
    pub(crate) fn remove_up_to(&mut self, prefix: u64) -> bool {
        while self.lowest.0 <= prefix {
            match self.higher.pop_first() {
                Some(next) => self.lowest = next,
                None => return false,
            }
        }
        true
    }

    /// Returns the counters of these ranges and of other sorted ones. O(r + s).
    pub(crate) fn union(&self, others: impl Iterator<Item = (u64, u64)>) -> Self {
        let (mut ours, mut theirs) = (self.iter().peekable(), others.peekable());
        let mut sorted = iter::from_fn(|| match (ours.peek(), theirs.peek()) {
            (Some(our), Some(their)) if their < our => theirs.next(),
            (Some(_), _) => ours.next(),
            (None, _) => theirs.next(),
        })
        .peekable();
        let ranges = iter::from_fn(|| {
            let (first, mut last) = sorted.next()?;
            while let Some((_, end)) = sorted.next_if(|next| next.0 - 1 <= last) {
                last = last.max(end);
            }
            Some((first, last))
        });
        Self::from_sorted(ranges).unwrap_or_else(|| self.clone())
    }

    /// Returns whether all counters of other sorted ranges are here. O(r + s).
    pub(crate) fn includes(&self, mut others: impl Iterator<Item = (u64, u64)>) -> bool {
        let mut ours = self.iter();
        let mut our = ours.next();
        others.all(|(first, last)| {
            while our.is_some_and(|(_, end)| end < last) {
                our = ours.next();
            }
            // The first of our ranges that does not end too early includes the range if it also starts early enough.
            our.is_some_and(|(start, _)| start <= first)
        })
    }

    /// Checks that no range is empty, and that a counter is missing between any two.
    pub(crate) fn are_apart(&self) -> bool {
        let ranges = iter::zip(self.iter(), self.iter().skip(1));
        self.iter().all(|(first, last)| first <= last) && { ranges }.all(|(range, next)| range.1 < next.0 - 1)
    }
}

/// The ranges in order.
pub(super) type Iter<'a> = iter::Chain<
    iter::Once<(u64, u64)>,
    iter::Map<btree_map::Iter<'a, u64, u64>, fn((&u64, &u64)) -> (u64, u64)>,
>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::*;

    /// The ranges of a set of counters.
    fn ranges(counters: &BTreeSet<u64>) -> Option<CounterRanges> {
        let mut ranges = Vec::<(u64, u64)>::new();
        for &counter in counters {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == counter => *last = counter,
                _ => ranges.push((counter, counter)),
            }
        }
        CounterRanges::from_sorted(ranges)
    }

    fn set(bits: u32) -> BTreeSet<u64> {
        (1..=9).filter(|counter| bits >> counter & 1 == 1).collect()
    }

    #[test]
    fn runs_agree_with_sets_of_counters() {
        let mut checked = 0;
        for bits in (2..1 << 10).step_by(2) {
            let counters = set(bits);
            let ours = ranges(&counters).unwrap();
            assert!(ours.are_apart());
            for first in 1..=9 {
                assert_eq!(ours.contains(first), counters.contains(&first));
                for last in first..=9 {
                    let mut both = counters.clone();
                    both.extend(first..=last);
                    let mut grown = ours.clone();
                    assert_eq!(grown.insert(first, last), both != counters, "{ours:?} {first} {last}");
                    assert_eq!(Some(&grown), ranges(&both).as_ref(), "{ours:?} {first} {last}");
                    let touched =
                        ours.iter().filter(|range| range.0 <= last + 1 && range.1 + 1 >= first).count();
                    assert_eq!(ours.touching(first, last), touched);
                    checked += 1;
                }
                let reached = ours.reached_by(first);
                let mut seen = counters.clone();
                seen.extend(1..=first);
                assert!((1..=reached).all(|counter| seen.contains(&counter)) && !seen.contains(&(reached + 1)));
                let mut left = ours.clone();
                let above = ranges(&counters.iter().copied().filter(|counter| *counter > reached).collect());
                assert_eq!(left.remove_up_to(reached).then_some(left), above);
            }
            for other in (2..1 << 10).step_by(38) {
                let both: BTreeSet<u64> = counters.union(&set(other)).copied().collect();
                let others = ranges(&set(other)).unwrap();
                assert_eq!(Some(ours.union(others.iter())), ranges(&both));
                assert_eq!(ours.includes(others.iter()), both == counters);
            }
        }
        assert_eq!(checked, 511 * 45);
    }

    #[test]
    fn the_highest_counters_make_runs_like_all_others() {
        let mut ours = CounterRanges::new(u64::MAX, u64::MAX);
        assert!(ours.insert(u64::MAX - 2, u64::MAX - 2) && !ours.insert(u64::MAX, u64::MAX));
        assert_eq!((ours.len(), ours.highest(), ours.touching(u64::MAX, u64::MAX)), (2, u64::MAX, 1));
        assert_eq!(ours.reached_by(u64::MAX - 3), u64::MAX - 2);
        assert!(ours.insert(u64::MAX - 1, u64::MAX - 1));
        assert_eq!(ours, CounterRanges::new(u64::MAX - 2, u64::MAX));
        assert_eq!((ours.reached_by(u64::MAX), ours.remove_up_to(u64::MAX)), (u64::MAX, false));
    }
}
