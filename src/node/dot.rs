//! The id of a node, and the name of an event.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use super::{InvalidText, text};

/// An id of a node: any type that can be cloned and has a total order.
///
/// Every such type implements it already: integers, `[u8; 16]` for UUIDs, strings, tuples of those. Ids are cloned
/// often, so prefer ids that are cheap to clone, such as `Arc<str>`. The [codec](crate::codec) lists the
/// [types](crate::codec::EncodeId) that it can write; [`TextId`](crate::node::TextId) is for ids that people or
/// JavaScript read.
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
/// The order of dots is by node, then by counter: a *total* order for sorted storage, which says nothing about
/// causality. Causality is told by [`VersionVector`](crate::VersionVector) and by dependencies.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
///
/// let dot = Dot::new("a", 3).unwrap();
/// assert_eq!((dot.node(), dot.counter()), (&"a", 3));
/// assert_eq!(dot.to_string(), "(a, 3)");
/// assert_eq!("(a, 3)".parse::<Dot<String>>()?.counter(), 3);
/// assert_eq!(Dot::new("a", 0), None); // 0 means "no event"
/// # Ok::<(), happens_before::node::InvalidText>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot<I> {
    pub(super) node: I,
    pub(super) counter: NonZeroU64,
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

/// The inverse of `Display`; every other text is refused.
impl<I: FromStr + fmt::Display> FromStr for Dot<I> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "(node, counter)", |text| {
            let (node, counter) = text.strip_prefix('(')?.strip_suffix(')')?.rsplit_once(", ")?;
            Self::new(node.parse().ok()?, counter.parse().ok()?)
        })
    }
}

impl<I: fmt::Debug> fmt::Debug for Dot<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}, {})", self.node, self.counter)
    }
}
