//! The causal relation between two events, or between two states.

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use crate::node::{InvalidText, text};

/// The outcome of comparing two things that are only *partially* ordered by causality.
///
/// Unlike [`Ordering`] it has a fourth case, [`Concurrent`](CausalOrder::Concurrent): neither side knew of the
/// other.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use happens_before::{CausalOrder, VersionVector};
///
/// let old = VersionVector::from_iter([("a", 1)]);
/// let new = VersionVector::from_iter([("a", 1), ("b", 1)]);
/// let other = VersionVector::from_iter([("c", 1)]);
///
/// assert_eq!(old.compare(&new), CausalOrder::Before);
/// assert_eq!(new.compare(&old), CausalOrder::After);
/// assert_eq!(new.compare(&new), CausalOrder::Equal);
/// assert_eq!(new.compare(&other), CausalOrder::Concurrent);
/// assert_eq!(new.compare(&other).to_string(), "concurrent");
/// # }
/// ```
///
/// # Source
///
/// Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System* (1978): the happens-before
/// relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CausalOrder {
    /// The left side happens before the right side.
    Before,
    /// The right side happens before the left side.
    After,
    /// Both sides are the same.
    Equal,
    /// Neither happens before the other.
    Concurrent,
}

impl CausalOrder {
    /// All four, in the order of their forms in the [codec](crate::codec).
    pub(crate) const ALL: [Self; 4] = [Self::Before, Self::After, Self::Equal, Self::Concurrent];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Equal => "equal",
            Self::Concurrent => "concurrent",
        }
    }

    /// Combines "left is at most right" and "right is at most left".
    ///
    /// ```
    /// use happens_before::CausalOrder;
    ///
    /// assert_eq!(CausalOrder::from_bounds(true, false), CausalOrder::Before);
    /// assert_eq!(CausalOrder::from_bounds(false, false), CausalOrder::Concurrent);
    /// ```
    #[must_use]
    pub const fn from_bounds(at_most: bool, at_least: bool) -> Self {
        match (at_most, at_least) {
            (true, true) => Self::Equal,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (false, false) => Self::Concurrent,
        }
    }

    /// Exchanges the two sides.
    ///
    /// ```
    /// use happens_before::CausalOrder;
    ///
    /// assert_eq!(CausalOrder::Before.reverse(), CausalOrder::After);
    /// assert_eq!(CausalOrder::Concurrent.reverse(), CausalOrder::Concurrent);
    /// ```
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
            Self::Equal | Self::Concurrent => self,
        }
    }

    /// Returns the [`Ordering`] that [`PartialOrd`] gives: `None` for concurrent sides.
    ///
    /// ```
    /// use happens_before::CausalOrder;
    /// use std::cmp::Ordering;
    ///
    /// assert_eq!(CausalOrder::Before.to_ordering(), Some(Ordering::Less));
    /// assert_eq!(CausalOrder::Concurrent.to_ordering(), None);
    /// ```
    #[must_use]
    pub const fn to_ordering(self) -> Option<Ordering> {
        match self {
            Self::Before => Some(Ordering::Less),
            Self::After => Some(Ordering::Greater),
            Self::Equal => Some(Ordering::Equal),
            Self::Concurrent => None,
        }
    }
}

/// The relation of the left side to the right one, as a word: `before`, `after`, `equal` or `concurrent`.
impl fmt::Display for CausalOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The inverse of `Display`; every other text is refused.
impl FromStr for CausalOrder {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "before, after, equal or concurrent", |text| {
            Self::ALL.into_iter().find(|order| order.name() == text)
        })
    }
}
