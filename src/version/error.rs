//! Errors of version vectors and causal contexts.

use core::fmt;

#[cfg(feature = "alloc")]
use crate::compat::Box;
use crate::node::CounterExhausted;

/// An event of a [`FixedVector`](super::FixedVector) cannot be counted or seen.
///
/// The vector is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedVectorError {
    /// The node is not a member. The author of its name has another list of members: agree on one.
    NotAMember {
        /// The node that was named.
        node: usize,
        /// The number of members: nodes 0 to `members - 1`.
        members: usize,
    },
    /// The node has used its last counter. Only `increment` returns this error. Continue under a new node.
    CounterExhausted(CounterExhausted),
}

impl fmt::Display for FixedVectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMember { node, members } => {
                write!(f, "node {node} is not among the {members} members, which are counted from 0")
            }
            Self::CounterExhausted(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FixedVectorError {}

/// A context would have more ranges than its owner allows.
///
/// The context is unchanged. The sender of dots with many gaps is hostile, or its messages were lost on the way. Ask
/// for the missing dots before accepting more, or ask for a whole state.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyRanges {
    /// The highest number of ranges allowed.
    pub limit: usize,
}

#[cfg(feature = "alloc")]
impl fmt::Display for TooManyRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} ranges; ask for the missing dots before accepting more", self.limit)
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for TooManyRanges {}

/// A value cannot be written, because the node has used its last counter. The set of siblings is unchanged.
///
/// The usual cause is a forged context that was believed. Write under a new node id.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueRefused<V> {
    /// The value.
    pub value: V,
    /// The reason.
    pub error: CounterExhausted,
}

#[cfg(feature = "alloc")]
impl<V> fmt::Display for ValueRefused<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(feature = "alloc")]
impl<V: fmt::Debug> core::error::Error for ValueRefused<V> {}

/// The parts of a set of siblings do not fit together: a dot is not in the context, or stands twice.
///
/// The parts were mixed up, or come from outside and are forged.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSiblings<P> {
    /// The context, and the values with their dots, in the order of the dots.
    pub parts: Box<P>,
}

#[cfg(feature = "alloc")]
impl<P> fmt::Display for InvalidSiblings<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the dot of a value is not in the context or stands twice; pass parts that were saved together",
        )
    }
}

#[cfg(feature = "alloc")]
impl<P: fmt::Debug> core::error::Error for InvalidSiblings<P> {}
