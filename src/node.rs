//! What names a node, and what names an event.
//!
//! A *node* is whatever numbers its own events one after another: a process, a device, an author, one
//! incarnation of a database replica. A *dot* is the name of one event: the node, and the event's *counter*
//! at that node. Counters start at 1; 0 stands for "no event yet" and never appears in a dot.
//!
//! ```text
//!   node a   (a,1)──(a,2)──(a,3)
//!   node b        (b,1)──(b,2)
//! ```
//!
//! Two nodes must never use the same id, and a node must never use the same counter twice. A node that lost
//! its state therefore comes back under a new id (a new *incarnation*), for instance the old id with a
//! restart number beside it.
//!
//! # Sources
//!
//! Dots: Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted version vectors* (2010).

use core::fmt;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;

/// An id of a node: any type that can be cloned and has a total order.
///
/// Implemented for every such type, so there is nothing to implement: `u16` to `u128`, `[u8; 16]` for UUIDs,
/// strings, tuples of those. Ids are cloned often, so prefer ids that are cheap to clone.
///
/// # Examples
///
/// ```
/// fn takes_any_id<I: happens_before::NodeId>(_: I) {}
/// takes_any_id(7_u32);
/// takes_any_id("replica-b");
/// takes_any_id((0xCAFE_u64, 2_u8)); // id and incarnation
/// ```
pub trait NodeId: Clone + Ord {}

impl<I: Clone + Ord> NodeId for I {}

/// The name of one event: the `counter`-th event of `node`.
///
/// The order of dots is by node, then by counter: a *total* order for sorted storage, which says nothing
/// about causality. What happened before what is the business of [`VersionVector`](crate::VersionVector) and
/// of dependencies.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
///
/// let dot = Dot::new("a", 3).unwrap();
/// assert_eq!((dot.node(), dot.counter()), (&"a", 3));
/// assert_eq!(dot.to_string(), "(a, 3)");
/// assert_eq!(Dot::new("a", 0), None); // 0 means "no event"
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot<I> {
    node: I,
    counter: NonZeroU64,
}

impl<I> Dot<I> {
    /// Names the `counter`-th event of `node`; `None` if `counter` is 0.
    #[must_use]
    pub fn new(node: I, counter: u64) -> Option<Self> {
        NonZeroU64::new(counter).map(|counter| Self { node, counter })
    }

    /// Returns the node whose event this is.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the event's number at its node, at least 1.
    pub fn counter(&self) -> u64 {
        self.counter.get()
    }

    /// Returns the node, by value.
    pub fn into_node(self) -> I {
        self.node
    }

    /// Names the event just before this one at the same node; `None` for a node's first.
    ///
    /// ```
    /// use happens_before::Dot;
    ///
    /// let second = Dot::new("a", 2).unwrap();
    /// let first = second.previous().unwrap();
    /// assert_eq!(first, Dot::new("a", 1).unwrap());
    /// assert_eq!(first.previous(), None);
    /// ```
    #[must_use]
    pub fn previous(&self) -> Option<Self>
    where
        I: Clone,
    {
        Self::new(self.node.clone(), self.counter() - 1)
    }
}

impl<I: fmt::Display> fmt::Display for Dot<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.node, self.counter)
    }
}

impl<I: fmt::Debug> fmt::Debug for Dot<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}, {})", self.node, self.counter)
    }
}

/// Consecutive events of one node, from a first to a last counter, both included; never empty.
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
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
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
        // Not `first <= last`: a range that was iterated to its end keeps its ends.
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

impl<I: fmt::Debug> fmt::Debug for DotRange<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}, {}..={})", self.node, self.first, self.last)
    }
}

/// A node has used its last counter.
///
/// A counter never wraps, saturates or repeats, so there is nothing left to number the next event with. The
/// state is unchanged. What to do: continue under a new node id (a new incarnation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterExhausted {
    /// The highest counter there is, already used.
    pub limit: u64,
}

impl fmt::Display for CounterExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last counter, {}, is used; continue under a new node id", self.limit)
    }
}

impl core::error::Error for CounterExhausted {}
