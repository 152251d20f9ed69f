//! The errors of a node that has no counter left, and of a text that cannot be read.

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

/// A text is not the text of a value of this type.
///
/// Nothing is changed, and the caller still has the text. Each value has one text, the one that `Display` writes: check
/// where the text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidText {
    /// The form that the text must have.
    pub form: &'static str,
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the text of such a value; pass {}, as `Display` writes it", self.form)
    }
}

impl core::error::Error for InvalidText {}
