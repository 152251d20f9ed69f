//! Random values for users' own tests: `arbitrary` for fuzzing, `quickcheck` for properties.
//!
//! Most counters and times are small, so that values collide; a few lie anywhere in the range. Use few ids for the same
//! reason: wrap a `u8` and take it modulo 3.

use crate::compat::Vec;
use crate::node::{Dot, NodeId};
use crate::version::{IntervalTreeClock, Siblings, VersionVector};

/// Runs a group of up to four clocks, one operation a byte, and returns the last one.
fn run_of_clocks(operations: &[u8]) -> Option<IntervalTreeClock> {
    let mut clocks = Vec::from([IntervalTreeClock::seed()]);
    for &operation in operations {
        let (kind, at) = (operation % 4, usize::from(operation / 4) % clocks.len());
        let mut clock = clocks.swap_remove(at);
        match kind {
            0 if clocks.len() < 3 => clocks.push(clock.fork()),
            // Clocks of one group do not overlap.
            1 if !clocks.is_empty() => clock.join(clocks.pop()?).ok()?,
            2 => clock.join(clocks.first().unwrap_or(&clock).peek()).ok()?,
            _ => clock.event().ok()?,
        }
        clocks.push(clock);
    }
    clocks.pop()
}

/// Makes a set of siblings that knows the writes of the context and of the values.
fn siblings_of<I: NodeId, V>(mut context: VersionVector<I>, mut versions: Vec<(Dot<I>, V)>) -> Siblings<I, V> {
    versions.sort_by(|(x, _), (y, _)| x.cmp(y));
    versions.dedup_by(|(x, _), (y, _)| x == y);
    versions.iter().for_each(|(dot, _)| context.observe(dot));
    Siblings::from_parts(context, versions).unwrap_or_default()
}

#[cfg(feature = "arbitrary")]
mod fuzzing {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use crate::compat::Vec;
    use crate::delivery::Message;
    use crate::node::{Dot, DotRange, NodeId};
    use crate::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
    use crate::version::{CausalContext, IntervalTreeClock, Siblings, VersionVector};

    fn counter(u: &mut Unstructured<'_>) -> Result<u64> {
        if u.ratio(15, 16)? { u.int_in_range(1..=16) } else { u.int_in_range(1..=u64::MAX) }
    }

    impl<'a, I: Arbitrary<'a>> Arbitrary<'a> for Dot<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Dot::new(u.arbitrary()?, counter(u)?).ok_or(arbitrary::Error::IncorrectFormat)
        }
    }

    impl<'a, I: Arbitrary<'a>> Arbitrary<'a> for DotRange<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (node, one, other) = (u.arbitrary()?, counter(u)?, counter(u)?);
            DotRange::new(node, one.min(other)..=one.max(other)).ok_or(arbitrary::Error::IncorrectFormat)
        }
    }

    impl<'a, I: Arbitrary<'a>> Arbitrary<'a> for LamportTimestamp<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            LamportTimestamp::new(counter(u)?, u.arbitrary()?).ok_or(arbitrary::Error::IncorrectFormat)
        }
    }

    impl<'a> Arbitrary<'a> for HybridTime {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let near = u.ratio(15, 16)?;
            let (ms, logical) = if near { (16, 4) } else { (HybridTime::MAX_MS, u16::MAX) };
            let time = HybridTime::new(u.int_in_range(0..=ms)?, u.int_in_range(0..=logical)?);
            time.ok_or(arbitrary::Error::IncorrectFormat)
        }
    }

    impl<'a, I: Arbitrary<'a>> Arbitrary<'a> for HybridTimestamp<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(HybridTimestamp::new(u.arbitrary()?, u.arbitrary()?))
        }
    }

    impl<'a, I: NodeId + Arbitrary<'a>> Arbitrary<'a> for VersionVector<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let dots: Vec<Dot<I>> = u.arbitrary()?;
            Ok(dots.into_iter().map(|dot| (dot.node().clone(), dot.counter())).collect())
        }
    }

    impl<'a, I: NodeId + Arbitrary<'a>> Arbitrary<'a> for CausalContext<I> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (prefix, dots): (VersionVector<I>, Vec<Dot<I>>) = u.arbitrary()?;
            let mut context = CausalContext::from(prefix);
            context.extend(dots);
            Ok(context)
        }
    }

    /// One clock of a group, after a run of events, forks and joins.
    impl<'a> Arbitrary<'a> for IntervalTreeClock {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            super::run_of_clocks(&u.arbitrary::<Vec<u8>>()?).ok_or(arbitrary::Error::IncorrectFormat)
        }
    }

    impl<'a, I: NodeId + Arbitrary<'a>, V: Arbitrary<'a>> Arbitrary<'a> for Siblings<I, V> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(super::siblings_of(u.arbitrary()?, u.arbitrary()?))
        }
    }

    impl<'a, I: NodeId + Arbitrary<'a>, P: Arbitrary<'a>> Arbitrary<'a> for Message<I, P> {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (dot, mut frontier): (Dot<I>, VersionVector<I>) = u.arbitrary()?;
            frontier.remove(dot.node());
            Ok(Message::after(dot, &frontier, u.arbitrary()?))
        }
    }
}

#[cfg(feature = "quickcheck")]
mod properties {
    use quickcheck::{Arbitrary, Gen};

    use crate::compat::{Box, Vec};
    use crate::delivery::Message;
    use crate::node::{Dot, DotRange, NodeId};
    use crate::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
    use crate::version::{CausalContext, IntervalTreeClock, Siblings, VersionVector};

    fn counter(random: &mut Gen) -> u64 {
        match u8::arbitrary(random) {
            few @ 0..240 => u64::from(few % 16) + 1,
            _ => u64::arbitrary(random).max(1),
        }
    }

    impl<I: Arbitrary> Arbitrary for Dot<I> {
        #[expect(clippy::expect_used, reason = "`counter` is at least 1")]
        fn arbitrary(random: &mut Gen) -> Self {
            let node = I::arbitrary(random);
            Dot::new(node, counter(random)).expect("at least 1")
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let smaller = (self.node().clone(), self.counter()).shrink();
            Box::new(smaller.filter_map(|(node, counter)| Dot::new(node, counter)))
        }
    }

    impl<I: Arbitrary> Arbitrary for DotRange<I> {
        #[expect(clippy::expect_used, reason = "`counter` is at least 1")]
        fn arbitrary(random: &mut Gen) -> Self {
            let (node, one, other) = (I::arbitrary(random), counter(random), counter(random));
            DotRange::new(node, one.min(other)..=one.max(other)).expect("from at least 1, in order")
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let (first, last) = self.counters().into_inner();
            let smaller = (self.node().clone(), first, last).shrink();
            Box::new(smaller.filter_map(|(node, first, last)| DotRange::new(node, first..=last)))
        }
    }

    impl<I: Arbitrary> Arbitrary for LamportTimestamp<I> {
        #[expect(clippy::expect_used, reason = "`counter` is at least 1")]
        fn arbitrary(random: &mut Gen) -> Self {
            let node = I::arbitrary(random);
            LamportTimestamp::new(counter(random), node).expect("at least 1")
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let smaller = (self.counter(), self.node().clone()).shrink();
            Box::new(smaller.filter_map(|(counter, node)| LamportTimestamp::new(counter, node)))
        }
    }

    impl Arbitrary for HybridTime {
        #[expect(clippy::expect_used, reason = "the milliseconds are taken modulo one more than the most")]
        fn arbitrary(random: &mut Gen) -> Self {
            let (ms, logical) = match u8::arbitrary(random) {
                few @ 0..240 => (u64::from(few % 16), u16::arbitrary(random) % 4),
                _ => (u64::arbitrary(random) % (Self::MAX_MS + 1), u16::arbitrary(random)),
            };
            Self::new(ms, logical).expect("at most the most")
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            Box::new((self.ms(), self.logical()).shrink().filter_map(|(ms, logical)| Self::new(ms, logical)))
        }
    }

    impl<I: Arbitrary> Arbitrary for HybridTimestamp<I> {
        fn arbitrary(random: &mut Gen) -> Self {
            Self::new(HybridTime::arbitrary(random), I::arbitrary(random))
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let smaller = (self.time(), self.node().clone()).shrink();
            Box::new(smaller.map(|(time, node)| Self::new(time, node)))
        }
    }

    impl<I: NodeId + Arbitrary> Arbitrary for VersionVector<I> {
        fn arbitrary(random: &mut Gen) -> Self {
            let dots = Vec::<Dot<I>>::arbitrary(random);
            dots.into_iter().map(|dot| (dot.node().clone(), dot.counter())).collect()
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let entries: Vec<(I, u64)> = self.iter().map(|(node, counter)| (node.clone(), counter)).collect();
            Box::new(entries.shrink().map(|entries| entries.into_iter().collect()))
        }
    }

    impl<I: NodeId + Arbitrary> Arbitrary for CausalContext<I> {
        fn arbitrary(random: &mut Gen) -> Self {
            let mut context = CausalContext::from(VersionVector::arbitrary(random));
            context.extend(Vec::<Dot<I>>::arbitrary(random));
            context
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let ranges: Vec<DotRange<I>> = self.iter().map(DotRange::cloned).collect();
            Box::new(ranges.shrink().map(|ranges| ranges.into_iter().collect()))
        }
    }

    /// One clock of a group, after a run of events, forks and joins.
    impl Arbitrary for IntervalTreeClock {
        fn arbitrary(random: &mut Gen) -> Self {
            super::run_of_clocks(&Vec::arbitrary(random)).unwrap_or_default()
        }
    }

    impl<I: NodeId + Arbitrary, V: Arbitrary> Arbitrary for Siblings<I, V> {
        fn arbitrary(random: &mut Gen) -> Self {
            super::siblings_of(VersionVector::arbitrary(random), Vec::arbitrary(random))
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let (context, versions) = self.clone().into_parts();
            Box::new(
                (context, versions).shrink().map(|(context, versions)| super::siblings_of(context, versions)),
            )
        }
    }

    impl<I: NodeId + Arbitrary, P: Arbitrary> Arbitrary for Message<I, P> {
        fn arbitrary(random: &mut Gen) -> Self {
            let (dot, mut frontier): (Dot<I>, VersionVector<I>) = Arbitrary::arbitrary(random);
            frontier.remove(dot.node());
            Message::after(dot, &frontier, P::arbitrary(random))
        }

        fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
            let parts = (self.dot().clone(), self.dependencies().to_vec(), self.payload().clone());
            let smaller = parts.shrink();
            Box::new(
                smaller
                    .filter_map(|(dot, dependencies, payload)| Message::new(dot, dependencies, payload).ok()),
            )
        }
    }
}
