//! Errors of version vectors and causal contexts.

use core::fmt;

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
