//! Interleaved numbers.

mod merge;

use core::iter::FusedIterator;
use core::num::NonZeroU64;

use super::Limit;
use crate::counter::TooFewNumbers;

/// A class of numbers that one owner may still issue: `next`, `next + step`, ...
///
/// It is an iterator that issues its numbers: `for number in class.by_ref().take(3)`.
///
/// # The problem
///
/// Three nodes number their rows k, k + 3, k + 6, ... A fourth joins, and all are told to count by 4:
///
/// ```text
///   node 2, by 3:  2  5  8 11        node 4, by 4:  4  8 12        8 twice
/// ```
///
/// A change of the step needs all nodes to stop, to agree on the highest number ever issued, and to start above it. If
/// any of these steps is left out, numbers repeat. So no operation here changes a step that way.
///
/// # The algorithm
///
/// The numbers that one node may still issue are a *class*: `next`, `next + step`, ... up to `last`.
///
/// 1. The first n nodes are dealt the classes `(k, n)`: [`Interleaved::new`].
/// 2. A node joins by **splitting** one owner's class: the owner keeps every second number, `(next, 2 step)`, and gives
///    away those between, `(next + step, 2 step)`. No other node is involved: [`Interleaved::split`].
/// 3. A node leaves by handing its class to the owner of the *sibling*, which has the same step 2s and lies s apart. If
///    `a` and `b` are the next numbers of the two, together they make the class `(max(a, b) - s, s)`. If one lagged,
///    its numbers below that class become a second class, which ends there: [`Interleaved::merge`].
///
/// ```text
///   (1, 1)    1  2  3  4  5  6  7  8  9 ...        split
///   (1, 2)    1     3     5     7     9 ...        keeps
///   (2, 2)       2     4     6     8    ...        gives away; issues 2 and 4, comes back with (6, 2)
///   merged                5  6  7  8  9 ...        (5, 1), and the remainder 1, 3
/// ```
///
/// # Guarantees
///
/// | promise | |
/// |---|---|
/// | unique | yes, among all classes that come from one deal by `split`, `merge` and `issue_range` |
/// | increasing per allocator | yes, and a merged class is above everything that either part issued |
/// | increasing in real time | **no**: a busy node's numbers run ahead of an idle one's |
/// | consistent with causality | **no**: the idle node answers the busy one's 1,001 with 2 |
///
/// # State that must survive a restart
///
/// The class, in the form that [`save`](Interleaved::save) returns. Save it
///
/// - after a **split**, together with the half, before the half leaves. An owner that forgets its split issues the
///   other's numbers. An owner that forgets the half before its receiver has it loses those numbers. The next section
///   says when the owner may forget it;
/// - after a **merge**, before the acknowledgement of the class. The giver of a class forgets it, durably, before
///   sending it;
/// - after a number was **issued**, before it is used. To write less often, keep a durable bound ahead with
///   [`ReserveAhead::observe`](super::ReserveAhead::observe), and [`skip_past`](Interleaved::skip_past) it after a
///   restart.
///
/// One bound guards one class. The remainder of a merge lies below the bound, so after a restart `skip_past` would give
/// all of it up. Save the remainder separately and restore it without skipping, or give up its numbers.
///
/// A class has no `Clone`: two copies would issue the same numbers.
///
/// # Handing a half over
///
/// The sender cannot see whether the half has arrived. So the hand-over takes three steps:
///
/// 1. The sender numbers its hand-overs 1, 2, 3, ... It saves in one write: its own class, the half, *the receiver's
///    id*, and the number of this hand-over. Then it sends the half with the number, repeatedly if needed, **to that
///    node only**: a half that was sent once may have arrived, even if the node stays silent.
/// 2. The receiver saves in one write: the half, and the number as the highest accepted from this sender. Only then
///    does it acknowledge. If a half that it already has arrives again, it only acknowledges, since its own copy has
///    moved on.
/// 3. When the acknowledgement of this number arrives, the sender may forget the half and begin the next hand-over to
///    that node.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::Interleaved;
///
/// let mut a = Interleaved::new(1, 2).unwrap();
/// let mut b = Interleaved::new(2, 2).unwrap();
/// assert!(a.by_ref().take(3).eq([1, 3, 5]));
/// assert_eq!(b.issue()?, 2);
///
/// let mut c = b.split()?; // a third node joins; node a need not know
/// assert!(b.by_ref().take(2).eq([4, 8]));
/// assert!(c.by_ref().take(2).eq([6, 10]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - IL1: `next` and `last` are at least 1, and `last` is at most 2^63 - 1.
/// - IL2: `step` is at least 1 and at most 2^63 - 1.
/// - IL3: `last` is in the class: a multiple of `step` away from `next`.
/// - IL4: `next` is at most `last + step`; it equals that when the class is exhausted.
/// - IL5: split, merge and `issue_range` neither lose nor repeat a number: the live classes always partition the
///   numbers not yet issued.
///
/// # Sources
///
/// Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Noncausal sequence number generators". The
/// split among joining nodes follows the fork of Almeida, Baquero and Fonte, *Interval Tree Clocks* (2008), applied to
/// residue classes.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the numbers of a class that is dropped are lost"]
pub struct Interleaved {
    next: u64,
    step: u64,
    last: u64,
}

const _: () = assert!(size_of::<Interleaved>() == 24);

impl Interleaved {
    /// Makes the class of node `k` of `n`: k, k + n, k + 2n, ... up to 2^63 - 1; `None` unless 1 <= k <= n.
    ///
    /// `new(1, 1)` has all numbers, for an owner that deals by splitting.
    pub const fn new(k: u64, n: u64) -> Option<Self> {
        Self::with_limit(k, n, Limit::MAX)
    }

    /// Makes the class of node `k` of `n` up to `limit`; `None` unless 1 <= k <= n <= limit.
    ///
    /// All nodes of one deal must use the same `n` and the same limit.
    ///
    /// ```
    /// use happens_before::sequence::{Interleaved, Limit};
    ///
    /// let limit = Limit::new(10).unwrap();
    /// assert!(Interleaved::with_limit(2, 3, limit).unwrap().eq([2, 5, 8]));
    /// assert_eq!(Interleaved::with_limit(0, 3, limit), None);
    /// assert_eq!(Interleaved::with_limit(4, 3, limit), None);
    /// assert_eq!(Interleaved::with_limit(1, 11, limit), None);
    /// ```
    pub const fn with_limit(k: u64, n: u64, limit: Limit) -> Option<Self> {
        if k == 0 || k > n || n > limit.get() {
            return None;
        }
        // No overflow: k <= n <= limit, and rounding down to the class stays at or below the limit.
        let last = k + (limit.get() - k) / n * n;
        Some(Self { next: k, step: n, last })
    }

    /// Issues the next number of the class. O(1).
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] after the last number; the class is unchanged.
    #[inline]
    pub fn issue(&mut self) -> Result<u64, TooFewNumbers> {
        if self.next > self.last {
            return Err(TooFewNumbers { wanted: 1, available: 0 });
        }
        let number = self.next;
        // No overflow (IL1, IL2): the sum is at most 2^64 - 2.
        self.next = number + self.step;
        Ok(number)
    }

    /// Takes the next `n` numbers out of the class, and returns them as a separate class. O(1).
    ///
    /// With a step of 1 they are consecutive, otherwise `step` apart.
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if fewer than `n` are left; the class is unchanged.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::Interleaved;
    ///
    /// let mut class = Interleaved::new(2, 5).unwrap();
    /// let range = class.issue_range(NonZeroU64::new(3).unwrap())?;
    /// assert!(range.eq([2, 7, 12]));
    /// assert_eq!(class.issue()?, 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn issue_range(&mut self, n: NonZeroU64) -> Result<Self, TooFewNumbers> {
        let remaining = self.remaining();
        if n.get() > remaining {
            return Err(TooFewNumbers { wanted: n.get(), available: remaining });
        }
        // No overflow: the n-th number from `next` on is at most `last`, for n is at most what remains.
        let last = self.next + (n.get() - 1) * self.step;
        let range = Self { next: self.next, step: self.step, last };
        self.next = last + self.step;
        self.debug_validate();
        Ok(range)
    }

    /// Keeps every second number, from the next one on, and returns those between as a class. O(1).
    ///
    /// **Save `self` and the half before the half leaves**, and send it to one node only: see [handing a half
    /// over](Self#handing-a-half-over).
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if fewer than 3 numbers are left, so that a half would be empty or nearly so. The class is
    /// unchanged. Split another one.
    pub fn split(&mut self) -> Result<Self, TooFewNumbers> {
        let remaining = self.remaining();
        if remaining < 3 {
            return Err(TooFewNumbers { wanted: 3, available: remaining });
        }
        // No overflow and no underflow: with at least 3 numbers left, next + 2 step <= last.
        let (kept_last, given_last) = match remaining % 2 {
            0 => (self.last - self.step, self.last),
            _ => (self.last, self.last - self.step),
        };
        let step = 2 * self.step;
        let given = Self { next: self.next + self.step, step, last: given_last };
        *self = Self { next: self.next, step, last: kept_last };
        self.debug_validate();
        given.debug_validate();
        Ok(given)
    }

    /// Gives up every number up to and including `number`, and returns their count. O(1).
    ///
    /// Use it after a restart, if everything up to a durable bound may have been issued.
    ///
    /// ```
    /// use happens_before::sequence::Interleaved;
    ///
    /// let mut class = Interleaved::resume([2, 3, 3_002]).unwrap();
    /// assert_eq!(class.skip_past(1_000), 333); // 2, 5, ..., 998
    /// assert_eq!(class.issue()?, 1_001);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_past(&mut self, number: u64) -> u64 {
        let skipped = match number.checked_sub(self.next) {
            Some(distance) => self.remaining().min((distance / self.step).saturating_add(1)),
            None => 0,
        };
        // No overflow: skipping all remaining numbers makes `next` = last + step.
        self.next += skipped * self.step;
        self.debug_validate();
        skipped
    }

    /// Returns the count of numbers that are left.
    pub const fn remaining(&self) -> u64 {
        // No overflow: the quotient is below 2^63.
        if self.next > self.last { 0 } else { (self.last - self.next) / self.step + 1 }
    }

    /// Returns the next number to issue; `None` if none is left.
    pub const fn peek(&self) -> Option<u64> {
        if self.next > self.last { None } else { Some(self.next) }
    }

    /// Returns the distance between the numbers of the class.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// Returns the last number of the class, issued or not.
    ///
    /// At first it is the limit, rounded down to the class. It is never raised: the numbers above the end of a range,
    /// or of the remainder of a merge, belong to another class.
    pub const fn limit(&self) -> u64 {
        self.last
    }

    /// Returns the state to save: next number, step, last number.
    ///
    /// ```
    /// use happens_before::sequence::Interleaved;
    ///
    /// let class = Interleaved::new(2, 3).unwrap();
    /// assert_eq!(Interleaved::resume(class.save()).unwrap(), class);
    /// ```
    pub const fn save(&self) -> [u64; 3] {
        [self.next, self.step, self.last]
    }

    /// Resumes from a saved state, which is checked like any outside input; `None` if no class has it.
    ///
    /// A state that no class has is damaged: resume from an intact copy that is at least as recent, or use a new class.
    /// A state that is valid but not the latest issues numbers twice; no check can tell.
    ///
    /// ```
    /// use happens_before::sequence::Interleaved;
    ///
    /// assert_eq!(Interleaved::resume([2, 3, 8]).unwrap().issue(), Ok(2));
    /// assert_eq!(Interleaved::resume([2, 3, 9]), None); // 2, 5, 8 and 11, but not 9
    /// ```
    pub fn resume(saved: [u64; 3]) -> Option<Self> {
        Self::checked(saved).ok()
    }

    /// Makes a class from a saved state; an error names the invariant that the state breaks.
    pub(crate) fn checked([next, step, last]: [u64; 3]) -> Result<Self, &'static str> {
        let class = Self { next, step, last };
        class.internal_validate().map(|()| class)
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let max = Limit::MAX.get();
        if self.next == 0 || self.last == 0 || self.last > max {
            Err("IL1: next and last are at least 1, and last is at most 2^63 - 1")
        } else if self.step == 0 || self.step > max {
            Err("IL2: step is at least 1 and at most 2^63 - 1")
        } else if self.next % self.step != self.last % self.step {
            Err("IL3: last is in the class")
        } else if self.next > self.last + self.step {
            // No overflow: both are at most 2^63 - 1.
            Err("IL4: next is at most last + step")
        } else {
            Ok(())
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

/// Issues the numbers one after another; `None` once the class is exhausted.
impl Iterator for Interleaved {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.issue().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::try_from(self.remaining());
        (remaining.unwrap_or(usize::MAX), remaining.ok())
    }
}

impl FusedIterator for Interleaved {}
