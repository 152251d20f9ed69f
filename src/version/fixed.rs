//! The version vector of members that are known at compile time.

use core::cmp::Ordering;
use core::{fmt, mem};

use super::FixedVectorError;
use super::simd::{self, NO_IDS};
use crate::node::{CounterExhausted, Dot, DotRange};
use crate::order::CausalOrder;

/// A version vector of `N` known nodes: the counter of the latest event seen of each, 0 for none.
///
/// `PartialOrd` is causality: `a < b` if `a` happens before `b`; of two concurrent vectors neither is less. The vectors
/// are also a lattice. A vector takes `8 * N` bytes. No operation allocates.
///
/// If all nodes are known when the program is compiled, a node is an index from 0 to N-1. No id is looked up. A vector
/// is N numbers on the stack, in a `static` or in a packet's buffer. The operations mean the same as those of
/// [`VersionVector`](crate::VersionVector).
///
/// | | `VersionVector<I>` | `FixedVector<N>` |
/// |---|---|---|
/// | members | any node, at any time | nodes 0 to N-1 |
/// | get | O(log n) | O(1) |
/// | memory, with ids of 8 bytes | 56 bytes in itself; from four entries on, 16 bytes an entry | 8 bytes a node |
/// | needs `alloc` | yes | no |
///
/// `From` and `TryFrom` convert between the two, for a `VersionVector` of `usize`.
///
/// # Examples
///
/// ```
/// use happens_before::version::FixedVector;
///
/// let mut ours = FixedVector::<3>::new();
/// ours.increment(0)?;
/// let theirs = FixedVector::from_counters([0, 2, 0]);
/// assert_eq!(ours.partial_cmp(&theirs), None); // concurrent
///
/// ours.merge(&theirs);
/// assert!(theirs < ours);
/// assert_eq!(ours.to_string(), "{0: 1, 1: 2}");
/// # Ok::<(), happens_before::version::FixedVectorError>(())
/// ```
///
/// # Sources
///
/// Fidge, *Timestamps in Message-Passing Systems That Preserve the Partial Ordering* (1988); Mattern, *Virtual Time
/// and Global States of Distributed Systems* (1989).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FixedVector<const N: usize> {
    counters: [u64; N],
}

impl<const N: usize> FixedVector<N> {
    /// Makes the vector that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self::from_counters([0; N])
    }

    /// Makes the vector with these counters, from node 0 on.
    ///
    /// ```
    /// use happens_before::version::FixedVector;
    ///
    /// static FACTORY_STATE: FixedVector<2> = FixedVector::from_counters([1, 0]);
    /// assert_eq!(FACTORY_STATE.get(0), 1);
    /// ```
    #[must_use]
    pub const fn from_counters(counters: [u64; N]) -> Self {
        Self { counters }
    }

    /// Returns all counters, from node 0 on.
    pub const fn counters(&self) -> &[u64; N] {
        &self.counters
    }

    /// Returns whether nothing has been seen. O(N).
    pub fn is_empty(&self) -> bool {
        self.counters == [0; N]
    }

    /// Visits the nodes that have been seen, with their counters, in increasing order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> + Clone {
        self.counters.iter().copied().enumerate().filter(|&(_, counter)| counter > 0)
    }

    /// Returns the counter of `node`'s latest event seen; 0 if there is none, or if `node` is not a member. O(1).
    pub const fn get(&self, node: usize) -> u64 {
        if node < N { self.counters[node] } else { 0 }
    }

    /// Returns whether the event `dot` has been seen. O(1).
    pub fn contains(&self, dot: &Dot<usize>) -> bool {
        dot.counter() <= self.get(*dot.node())
    }

    /// Counts one more event of `node` and names it. O(1).
    ///
    /// # Errors
    ///
    /// [`FixedVectorError`] if `node` is not a member, or its counter is `u64::MAX`. The vector is unchanged.
    ///
    /// ```
    /// use happens_before::Dot;
    /// use happens_before::version::{FixedVector, FixedVectorError};
    ///
    /// let mut seen = FixedVector::from_counters([1, u64::MAX]);
    /// assert_eq!(seen.increment(0), Ok(Dot::new(0, 2).unwrap()));
    /// assert!(matches!(seen.increment(1), Err(FixedVectorError::CounterExhausted(_))));
    /// assert!(matches!(seen.increment(2), Err(FixedVectorError::NotAMember { members: 2, .. })));
    /// ```
    pub fn increment(&mut self, node: usize) -> Result<Dot<usize>, FixedVectorError> {
        let counter = self.counters.get_mut(node).ok_or(FixedVectorError::NotAMember { node, members: N })?;
        let next = counter.checked_add(1).and_then(|next| Dot::new(node, next));
        let exhausted = CounterExhausted { limit: u64::MAX };
        let dot = next.ok_or(FixedVectorError::CounterExhausted(exhausted))?;
        *counter = dot.counter();
        Ok(dot)
    }

    /// Marks `dot` and every earlier event of its node as seen; an older dot changes nothing. O(1).
    ///
    /// # Errors
    ///
    /// [`FixedVectorError::NotAMember`] if the dot's node is not a member. The vector is unchanged. The sender of the
    /// dot has another list of members.
    ///
    /// ```
    /// use happens_before::Dot;
    /// use happens_before::version::FixedVector;
    ///
    /// let mut seen = FixedVector::<2>::new();
    /// seen.observe(&Dot::new(1, 3).unwrap())?;
    /// seen.observe(&Dot::new(1, 2).unwrap())?;
    /// assert_eq!(seen.get(1), 3);
    /// assert!(seen.observe(&Dot::new(2, 1).unwrap()).is_err());
    /// # Ok::<(), happens_before::version::FixedVectorError>(())
    /// ```
    pub fn observe(&mut self, dot: &Dot<usize>) -> Result<(), FixedVectorError> {
        let node = *dot.node();
        let counter = self.counters.get_mut(node).ok_or(FixedVectorError::NotAMember { node, members: N })?;
        *counter = dot.counter().max(*counter);
        Ok(())
    }

    /// Adds everything that `other` has seen. The result is the least vector that is at least both. O(N).
    pub fn merge(&mut self, other: &Self) {
        simd::merge((NO_IDS, &mut self.counters), (NO_IDS, &other.counters));
    }

    /// Keeps only the events that both have seen. The result is the greatest vector that is at most both. O(N).
    ///
    /// ```
    /// use happens_before::version::FixedVector;
    ///
    /// let mut x = FixedVector::from_counters([3, 1, 0]);
    /// x.meet(&FixedVector::from_counters([2, 0, 9]));
    /// assert_eq!(x, FixedVector::from_counters([2, 0, 0]));
    /// ```
    pub fn meet(&mut self, other: &Self) {
        simd::meet((NO_IDS, &mut self.counters), (NO_IDS, &other.counters));
    }

    /// Names the events that `self` has seen and `other` has not, as one range a node. O(N).
    ///
    /// ```
    /// use happens_before::node::DotRange;
    /// use happens_before::version::FixedVector;
    ///
    /// let (ours, theirs) = (FixedVector::from_counters([5, 1]), FixedVector::from_counters([3, 4]));
    /// assert!(ours.difference(&theirs).eq([DotRange::new(0, 4..=5).unwrap()]));
    /// ```
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = DotRange<usize>> + 'a {
        self.iter().filter_map(|(node, counter)| {
            let seen = other.get(node);
            // No overflow: no counter is above `seen` if that is `u64::MAX`.
            (seen < counter).then(|| DotRange::new(node, seen + 1..=counter)).flatten()
        })
    }

    /// Compares two vectors by causality. O(N); stops once they turn out to be concurrent.
    pub fn compare(&self, other: &Self) -> CausalOrder {
        simd::compare((NO_IDS, &self.counters), (NO_IDS, &other.counters))
    }

    /// Forgets `node` and returns its counter, 0 if it had none. O(1).
    ///
    /// Use it only if the node is gone for good and every replica forgets it: a forgotten node counts as never seen.
    pub fn remove(&mut self, node: usize) -> u64 {
        self.counters.get_mut(node).map_or(0, mem::take)
    }

    /// Keeps the nodes for which `keep` returns `true`, and forgets the others. Asks only about nodes that have been
    /// seen. O(N).
    pub fn retain(&mut self, mut keep: impl FnMut(usize, u64) -> bool) {
        for (node, counter) in self.counters.iter_mut().enumerate() {
            if *counter > 0 && !keep(node, *counter) {
                *counter = 0;
            }
        }
    }

    /// Forgets everything. O(N).
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<const N: usize> Default for FixedVector<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> From<[u64; N]> for FixedVector<N> {
    fn from(counters: [u64; N]) -> Self {
        Self::from_counters(counters)
    }
}

impl<const N: usize> PartialOrd for FixedVector<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).to_ordering()
    }
}

/// The nodes that have been seen.
impl<const N: usize> fmt::Display for FixedVector<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut separator = "";
        for (node, counter) in self.iter() {
            write!(f, "{}{node}: {counter}", mem::replace(&mut separator, ", "))?;
        }
        f.write_str("}")
    }
}

/// The nodes that have been seen.
impl<const N: usize> fmt::Debug for FixedVector<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
