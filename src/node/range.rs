//! Consecutive events of one node.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;
use core::str::FromStr;

use super::{Dot, InvalidText, text};

/// Consecutive events of one node, from a first to a last counter, both included; never empty.
///
/// The order is by node, then by first and by last counter: a *total* order for sorted storage, like that of [`Dot`].
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::node::DotRange;
///
/// let range = DotRange::new("a", 2..=4).unwrap();
/// assert_eq!(range.len(), 3);
/// assert!(range.contains(&Dot::new("a", 4).unwrap()));
/// assert_eq!(range.to_string(), "(a, 2..=4)");
/// assert_eq!(DotRange::new("a", 4..=2), None);
/// assert!(range < DotRange::new("a", 3..=3).unwrap() && range < DotRange::new("b", 1..=1).unwrap());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DotRange<I> {
    node: I,
    first: NonZeroU64,
    last: NonZeroU64,
}

impl<I> DotRange<I> {
    /// Names the events of `node` with these counters; `None` if the range is empty or starts at 0.
    #[must_use]
    pub fn new(node: I, counters: RangeInclusive<u64>) -> Option<Self> {
        let first = NonZeroU64::new(*counters.start())?;
        let last = NonZeroU64::new(*counters.end())?;
        // `first <= last` would not do: a range that was iterated to its end keeps its ends.
        (!counters.is_empty()).then_some(Self { node, first, last })
    }

    /// Returns the node whose events these are.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the node, by value.
    pub fn into_node(self) -> I {
        self.node
    }

    /// Returns the counters, first and last included.
    pub fn counters(&self) -> RangeInclusive<u64> {
        self.first.get()..=self.last.get()
    }

    /// Returns how many events the range names, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        // No overflow: `first` is at least 1.
        self.last.get() - self.first.get() + 1
    }

    /// Returns whether `dot` is one of these events.
    pub fn contains(&self, dot: &Dot<I>) -> bool
    where
        I: PartialEq,
    {
        dot.node == self.node && self.counters().contains(&dot.counter())
    }

    /// Names the events one by one, in order.
    pub fn dots(&self) -> impl Iterator<Item = Dot<I>>
    where
        I: Clone,
    {
        self.counters().filter_map(|counter| Dot::new(self.node.clone(), counter))
    }
}

impl<I: Clone> DotRange<&I> {
    /// Clones the borrowed node, as [`Option::cloned`] does.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use happens_before::{CausalContext, Dot};
    /// use happens_before::node::DotRange;
    ///
    /// let seen = CausalContext::from_iter([Dot::new("a", 1).unwrap()]);
    /// let ranges: Vec<DotRange<&str>> = seen.iter().map(DotRange::cloned).collect();
    /// assert_eq!(ranges, [DotRange::new("a", 1..=1).unwrap()]);
    /// # }
    /// ```
    #[must_use]
    pub fn cloned(self) -> DotRange<I> {
        DotRange { node: self.node.clone(), first: self.first, last: self.last }
    }
}

/// The range of one event.
impl<I> From<Dot<I>> for DotRange<I> {
    fn from(dot: Dot<I>) -> Self {
        Self { node: dot.node, first: dot.counter, last: dot.counter }
    }
}

impl<I: fmt::Display> fmt::Display for DotRange<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}..={})", self.node, self.first, self.last)
    }
}

/// The inverse of `Display`; every other text is refused.
impl<I: FromStr + fmt::Display> FromStr for DotRange<I> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "(node, first..=last)", |text| {
            let (node, counters) = text.strip_prefix('(')?.strip_suffix(')')?.rsplit_once(", ")?;
            let (first, last) = counters.split_once("..=")?;
            Self::new(node.parse().ok()?, first.parse().ok()?..=last.parse().ok()?)
        })
    }
}

impl<I: fmt::Debug> fmt::Debug for DotRange<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}, {}..={})", self.node, self.first, self.last)
    }
}
