//! Serde, checked: what cannot be made through the constructors cannot be deserialized either, and every value has
//! one form.
//!
//! | value | form |
//! |---|---|
//! | `Dot` | (node, counter) |
//! | `DotRange` | (node, first, last) |
//! | `LamportTimestamp` | (counter, node) |
//! | `HybridTime` | (milliseconds, logical), which a reader of JSON with 53-bit numbers can take |
//! | `HybridTimestamp` | (time, node) |
//! | `Limit` | the number |
//! | `Run` | (first, last) |
//! | `Interleaved` | (next, step, last), as saved |
//! | `VersionVector` | a sequence of (node, counter), sorted by node |
//! | `CausalContext` | a sequence of (node, first, last), sorted by node, then by counter; as few as there can be |
//! | `Message` | (dot, dependencies sorted by node, payload) |
//!
//! Serde promises no order of the bytes, so none of this is a sort key. A class is written to save it or to hand it
//! over; whoever then uses both the class and its form issues numbers twice.

use core::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sequence::{Interleaved, Limit, Run};
use crate::{Dot, DotRange, HybridTime, HybridTimestamp, LamportTimestamp};

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

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.first(), self.last()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, last) = Deserialize::deserialize(deserializer)?;
        Run::new(first..=last)
            .map_or_else(|| refuse("a run that is empty, starts at 0 or ends above 2^63 - 1"), Ok)
    }
}

impl Serialize for Interleaved {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.save().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Interleaved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Interleaved::restore(Deserialize::deserialize(deserializer)?).map_or_else(refuse, Ok)
    }
}

#[cfg(feature = "alloc")]
mod growing {
    use super::{Deserialize, Deserializer, Dot, DotRange, Serialize, Serializer, refuse};
    use crate::compat::Vec;
    use crate::{CausalContext, Message, NodeId, VersionVector};

    impl<I: Serialize> Serialize for VersionVector<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>> Deserialize<'de> for VersionVector<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // Serde's `Vec` reserves little, whatever length the input claims.
            let entries: Vec<(I, u64)> = Deserialize::deserialize(deserializer)?;
            if !entries.is_sorted_by(|a, b| a.0 < b.0) {
                return refuse("version vector entries that are not sorted by node, one a node");
            }
            if entries.iter().any(|entry| entry.1 == 0) {
                return refuse("a version vector entry with counter 0");
            }
            Ok(entries.into_iter().collect())
        }
    }

    impl<I: NodeId + Serialize> Serialize for CausalContext<I> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self)
        }
    }

    impl<'de, I: NodeId + Deserialize<'de>> Deserialize<'de> for CausalContext<I> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let ranges: Vec<DotRange<I>> = Deserialize::deserialize(deserializer)?;
            // What a context would say in other ranges, or in another order, is not its one form.
            let sorted = ranges.is_sorted_by(|a, b| {
                (a.node(), a.counters().into_inner()) < (b.node(), b.counters().into_inner())
            });
            let count = ranges.len();
            let context: Self = ranges.into_iter().collect();
            if !sorted {
                return refuse("causal context ranges that are not sorted");
            }
            if context.len() != count {
                return refuse("causal context ranges that touch or overlap");
            }
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
            let (dot, dependencies, payload): (Dot<I>, Vec<Dot<I>>, P) =
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
}
