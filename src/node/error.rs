//! The error of a node that has no counter left.

use core::fmt;

/// A node has used its last counter.
///
/// The state is unchanged. A counter never wraps, saturates or repeats, so no number is left for the next event. The
/// usual cause is a forged counter that was believed; otherwise it is nobody's fault. Continue under a new node id (a
/// new incarnation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterExhausted {
    /// The highest possible counter, which is already used.
    pub limit: u64,
}

impl fmt::Display for CounterExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last counter, {}, is used; continue under a new node id", self.limit)
    }
}

impl core::error::Error for CounterExhausted {}
