//! Serde forms of the values that travel or are stored, and of configurations.
//!
//! Deserializing refuses every value that the constructors refuse, and each value has exactly one form:
//!
//! | value | form |
//! |---|---|
//! | `Dot` | (node, counter) |
//! | `DotRange` | (node, first, last) |
//! | `TextId` | its text, in every format |
//! | `CausalOrder` | `before`, `after`, `equal` or `concurrent` |
//! | `LamportTimestamp` | (counter, node) |
//! | `HybridTime` | (milliseconds, logical), readable as JSON with 53-bit numbers |
//! | `HybridTimestamp` | (time, node) |
//! | `Limit` | the number |
//! | `NumberRange` | (first, last) |
//! | `Interleaved` | (next, step, last), as saved |
//! | `VersionVector` | a sequence of (node, counter), sorted by node; [as a map](as_map), if you ask for it |
//! | `FixedVector` | a tuple of its counters, 0 for a node that was not seen |
//! | `CausalContext` | the shortest sequence of (node, first, last), sorted by node, then by counter |
//! | `IntervalTreeClock` | its text |
//! | `Siblings` | (context, values sorted by dot: (dot, value)) |
//! | `Message` | (dot, dependencies sorted by node, payload) |
//! | `DagEvent` | (id, parents, payload) |
//! | `Position`, `FencingToken` | (epoch, sequence, index) |
//! | `broadcast::Snapshot` | (next, epoch, delivered, skipped in increasing order, passed) |
//! | `broadcast::Passed` | (slot, epoch, id) |
//! | configurations: `BufferLimits`, `DagLimits`, `EndpointConfig`, `PublisherConfig`, `SubscriberConfig`, `BlocksConfig` | their fields by name; a field that is left out has its default, and an unknown one is an error |
//! | `SnowflakeConfig` | its fields by name, all of them |
//! | `SnowflakeLayout` | the widths in bits: (milliseconds, node, sequence) |
//! | `LogKind` | `slots` or `appends` |
//!
//! No memory is reserved for a length that the input claims: memory is in proportion to the elements present. Limit the
//! number of entries in the serde format, which sees the bytes.
//!
//! Ids are written as their own types are. `Arc<str>` and `Rc<str>` need serde's feature `rc`.
//!
//! Serde promises no order of the bytes, so no form is a sort key. Serialize an `Interleaved` only to save it or to
//! hand it over; using both the value and its serialized form issues numbers twice.
//!
//! # JSON and JavaScript
//!
//! JavaScript reads numbers exactly only up to 2^53 - 1 = 9,007,199,254,740,991, and rounds larger ones without an
//! error. Counters, milliseconds and slots stay below that, unless they are forged. Random ids of 64 bits do not: give
//! them to the clocks and vectors as [`TextId`], which JSON has as strings, or write vectors [as maps](as_map), since
//! the keys of an object are strings. [`Limit::JSON`] keeps allocators of numbers below 2^53.
//!
//! A limit of a configuration that means "no limit" is the highest number of its type, for example
//! `BufferLimits::bytes`. JavaScript rounds it, and a machine with shorter words refuses it: leave such a field out.

#[cfg(feature = "alloc")]
pub mod as_map;
mod configuration;

use core::fmt;
use core::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::broadcast::{FencingToken, Position};
use crate::node::{Dot, DotRange, TextId};
use crate::order::CausalOrder;
use crate::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use crate::sequence::{Interleaved, Limit, NumberRange};
use crate::version::FixedVector;

fn refuse<T, E: Error>(why: impl fmt::Display) -> Result<T, E> {
    Err(E::custom(why))
}

impl<I: Serialize> Serialize for Dot<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.node(), self.counter()).serialize(serializer)
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for Dot<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (node, counter) = Deserialize::deserialize(deserializer)?;
        Dot::new(node, counter).map_or_else(|| refuse("a dot with counter 0"), Ok)
    }
}

impl<I: Serialize> Serialize for DotRange<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = self.counters();
        (self.node(), counters.start(), counters.end()).serialize(serializer)
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for DotRange<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (node, first, last) = Deserialize::deserialize(deserializer)?;
        DotRange::new(node, first..=last).map_or_else(|| refuse("a range that is empty or starts at 0"), Ok)
    }
}

impl<I: Serialize> Serialize for LamportTimestamp<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.counter(), self.node()).serialize(serializer)
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for LamportTimestamp<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (counter, node) = Deserialize::deserialize(deserializer)?;
        LamportTimestamp::new(counter, node).map_or_else(|| refuse("a timestamp with counter 0"), Ok)
    }
}

impl Serialize for HybridTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.ms(), self.logical()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HybridTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ms, logical) = Deserialize::deserialize(deserializer)?;
        HybridTime::new(ms, logical).map_or_else(|| refuse("a time above 2^47 - 1 milliseconds"), Ok)
    }
}

impl<I: Serialize> Serialize for HybridTimestamp<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.time(), self.node()).serialize(serializer)
    }
}

impl<'de, I: Deserialize<'de>> Deserialize<'de> for HybridTimestamp<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, node) = Deserialize::deserialize(deserializer)?;
        Ok(HybridTimestamp::new(time, node))
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = Deserialize::deserialize(deserializer)?;
        Limit::new(limit).map_or_else(|| refuse("a limit of 0 or above 2^63 - 1"), Ok)
    }
}

impl Serialize for NumberRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.first(), self.last()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NumberRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, last) = Deserialize::deserialize(deserializer)?;
        NumberRange::new(first..=last)
            .map_or_else(|| refuse("a range that is empty, starts at 0 or ends above 2^63 - 1"), Ok)
    }
}

impl Serialize for Interleaved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.save().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Interleaved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Interleaved::checked(Deserialize::deserialize(deserializer)?).or_else(refuse)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.epoch, self.sequence, self.index).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (epoch, sequence, index) = Deserialize::deserialize(deserializer)?;
        Ok(Position { epoch, sequence, index })
    }
}

impl Serialize for FencingToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.position().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FencingToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(FencingToken::new)
    }
}

impl<const N: usize> Serialize for FixedVector<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for counter in self.counters() {
            tuple.serialize_element(counter)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for FixedVector<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counters<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Counters<N> {
            type Value = FixedVector<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} counters")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<FixedVector<N>, A::Error> {
                let mut counters = [0; N];
                for (at, counter) in counters.iter_mut().enumerate() {
                    *counter = elements.next_element()?.ok_or_else(|| Error::invalid_length(at, &self))?;
                }
                Ok(FixedVector::from_counters(counters))
            }
        }

        deserializer.deserialize_tuple(N, Counters)
    }
}

/// Reads a text, and passes it on.
struct Text<F>(F);

impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.0)(text).or_else(refuse)
    }
}

impl<I> Serialize for TextId<I>
where
    Self: fmt::Display,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, I> Deserialize<'de> for TextId<I>
where
    Self: FromStr<Err: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(str::parse))
    }
}

impl Serialize for CausalOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CausalOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(str::parse))
    }
}

#[cfg(feature = "alloc")]
mod growing {
    use core::marker::PhantomData;

    use smallvec::SmallVec;

    use super::{
        Deserialize, Deserializer, Dot, DotRange, Error, SeqAccess, Serialize, Serializer, Visitor, fmt, refuse,
    };
    use crate::broadcast::{Passed, Snapshot};
    use crate::compat::Vec;
    use crate::delivery::DagEvent;
    use crate::version::{INLINE, IntervalTreeClock, Siblings};
    use crate::{CausalContext, Message, NodeId, VersionVector};

    /// Passes the elements of a sequence on one by one, ignoring the length that it claims. An error names the reason
    /// for a refusal.
    fn for_each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
        take: impl FnMut(T) -> Result<(), &'static str>,
    ) -> Result<(), D::Error> {
        struct Each<T, F>(F, PhantomData<T>);

        impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), &'static str>> Visitor<'de> for Each<T, F> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
                while let Some(element) = elements.next_element()? {
                    (self.0)(element).or_else(refuse)?;
                }
                Ok(())
            }
        }

        deserializer.deserialize_seq(Each(take, PhantomData))
    }

    /// A sequence that reserves no memory before its elements arrive.
    struct Unreserved<T>(Vec<T>);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unreserved<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut elements = Vec::new();
            for_each(deserializer, |element| {
                elements.push(element);
                Ok(())
            })?;
            Ok(Self(elements))
        }
    }

    impl<I: Serialize> Serialize for VersionVector<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self)
        }
    }

    impl<'de, I: Ord + Deserialize<'de>> Deserialize<'de> for VersionVector<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (mut ids, mut counters) = (SmallVec::<[I; INLINE]>::new(), SmallVec::new());
            for_each(deserializer, |(node, counter): (I, u64)| {
                if ids.last().is_some_and(|last| *last >= node) {
                    return Err("version vector entries that are not sorted by node, one a node");
                }
                if counter == 0 {
                    return Err("a version vector entry with counter 0");
                }
                ids.push(node);
                counters.push(counter);
                Ok(())
            })?;
            Ok(Self::from_sorted(ids, counters))
        }
    }

    impl<I: NodeId + Serialize> Serialize for CausalContext<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>> Deserialize<'de> for CausalContext<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut context = Self::new();
            let mut before: Option<DotRange<I>> = None;
            for_each(deserializer, |range: DotRange<I>| {
                if let Some(before) = &before
                    && before.node() >= range.node()
                {
                    let (first, last) = before.counters().into_inner();
                    let (next, next_last) = range.counters().into_inner();
                    // Ranges that could be joined, or stand in another order, are not the one form of a context.
                    if before.node() > range.node() || (first, last) >= (next, next_last) {
                        return Err("causal context ranges that are not sorted");
                    }
                    if next - 1 <= last {
                        return Err("causal context ranges that touch or overlap");
                    }
                }
                context.insert_range(&range);
                before = Some(range);
                Ok(())
            })?;
            Ok(context)
        }
    }

    impl<I: Serialize, P: Serialize> Serialize for Message<I, P> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.dot(), self.dependencies(), self.payload()).serialize(serializer)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>, P: Deserialize<'de>> Deserialize<'de> for Message<I, P> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (dot, Unreserved(dependencies), payload): (Dot<I>, Unreserved<Dot<I>>, P) =
                Deserialize::deserialize(deserializer)?;
            if dependencies.iter().any(|dependency| dependency.node() == dot.node()) {
                return refuse("a message that names a dependency on its own node");
            }
            if !dependencies.is_sorted_by(|a, b| a.node() < b.node()) {
                return refuse("message dependencies that are not sorted by node, one a node");
            }
            match Message::new(dot, dependencies, payload) {
                Ok(message) => Ok(message),
                Err(_) => refuse("message dependencies that contradict each other"),
            }
        }
    }

    impl<I: Serialize, P: Serialize> Serialize for DagEvent<I, P> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (&self.id, &self.parents, &self.payload).serialize(serializer)
        }
    }

    impl<'de, I: Deserialize<'de>, P: Deserialize<'de>> Deserialize<'de> for DagEvent<I, P> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (id, Unreserved(parents), payload) = Deserialize::deserialize(deserializer)?;
            Ok(DagEvent { id, parents, payload })
        }
    }

    impl<I: Serialize> Serialize for Snapshot<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.next, self.epoch, &self.delivered, &self.skipped, &self.passed).serialize(serializer)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>> Deserialize<'de> for Snapshot<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (next, epoch, delivered, Unreserved(skipped), passed) = Deserialize::deserialize(deserializer)?;
            if !skipped.is_sorted_by(|a, b| a < b) {
                return refuse("skipped slots that are not in increasing order");
            }
            Ok(Snapshot { next, epoch, delivered, skipped, passed })
        }
    }

    impl<I: Serialize> Serialize for Passed<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.slot, self.epoch, &self.id).serialize(serializer)
        }
    }

    impl<'de, I: Deserialize<'de>> Deserialize<'de> for Passed<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (slot, epoch, id) = Deserialize::deserialize(deserializer)?;
            Ok(Passed { slot, epoch, id })
        }
    }

    impl Serialize for IntervalTreeClock {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for IntervalTreeClock {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;

            impl Visitor<'_> for Text {
                type Value = IntervalTreeClock;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("the text of an interval tree clock")
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<IntervalTreeClock, E> {
                    text.parse().or_else(refuse)
                }
            }

            deserializer.deserialize_str(Text)
        }
    }

    impl<I: Serialize, V: Serialize> Serialize for Siblings<I, V> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.context(), self.versions()).serialize(serializer)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Siblings<I, V> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (context, Unreserved(versions)): (VersionVector<I>, Unreserved<(Dot<I>, V)>) =
                Deserialize::deserialize(deserializer)?;
            if !versions.is_sorted_by(|(x, _), (y, _)| x < y) {
                return refuse("sibling values that are not sorted by dot, one a dot");
            }
            Self::from_parts(context, versions).or_else(refuse)
        }
    }
}
