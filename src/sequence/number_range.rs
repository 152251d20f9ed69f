//! Consecutive numbers as one value.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;

use super::Limit;

/// Consecutive numbers, first and last included; never empty, never 0, never above 2^63 - 1.
///
/// It is plain data, which may be copied and stored: the value does not tell whether its numbers were issued.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::NumberRange;
///
/// let range = NumberRange::new(7..=9).unwrap();
/// assert_eq!(range.len(), 3);
/// assert!(range.into_iter().eq([7, 8, 9]));
/// assert_eq!(range.to_string(), "7..=9");
///
/// // A stored range is outside input, so it is checked:
/// assert_eq!(NumberRange::new(9..=7), None);
/// assert_eq!(NumberRange::new(0..=7), None);
/// assert_eq!(NumberRange::new(7..=u64::MAX), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberRange {
    first: NonZeroU64,
    last: u64,
}

const _: () = assert!(size_of::<Option<NumberRange>>() == 16);

impl NumberRange {
    /// Makes the range of these numbers; `None` if it is empty, starts at 0 or ends above 2^63 - 1.
    #[must_use]
    pub const fn new(numbers: RangeInclusive<u64>) -> Option<Self> {
        let (first, last) = (*numbers.start(), *numbers.end());
        match NonZeroU64::new(first) {
            Some(first_number) if first <= last && last <= Limit::MAX.get() => {
                Some(Self { first: first_number, last })
            }
            _ => None,
        }
    }

    /// Makes the range of the `len` numbers from `first` on; `None` if it starts at 0 or ends above 2^63 - 1.
    ///
    /// Use it for the answer of [`Counter::increment_and_get`](crate::counter::Counter::increment_and_get).
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::NumberRange;
    ///
    /// let ten = NonZeroU64::new(10).unwrap();
    /// assert_eq!(NumberRange::starting_at(21, ten), NumberRange::new(21..=30));
    /// assert_eq!(NumberRange::starting_at(i64::MAX as u64, ten), None);
    /// ```
    #[must_use]
    pub const fn starting_at(first: u64, len: NonZeroU64) -> Option<Self> {
        match first.checked_add(len.get() - 1) {
            Some(last) => Self::new(first..=last),
            None => None,
        }
    }

    /// Returns the lowest number, at least 1.
    pub const fn first(&self) -> u64 {
        self.first.get()
    }

    /// Returns the highest number, at most 2^63 - 1.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Returns the count of numbers, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(&self) -> u64 {
        // No overflow: `first` is at least 1 and at most `last`.
        self.last - self.first.get() + 1
    }

    /// Returns the range of the first `n` numbers; `None` if there are fewer.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::NumberRange;
    ///
    /// let range = NumberRange::new(7..=9).unwrap();
    /// assert_eq!(range.prefix(NonZeroU64::new(2).unwrap()), NumberRange::new(7..=8));
    /// assert_eq!(range.prefix(NonZeroU64::new(4).unwrap()), None);
    /// ```
    #[must_use]
    pub const fn prefix(&self, n: NonZeroU64) -> Option<Self> {
        match Self::starting_at(self.first.get(), n) {
            Some(prefix) if prefix.last <= self.last => Some(prefix),
            _ => None,
        }
    }

    /// Returns the numbers as a range.
    pub const fn numbers(&self) -> RangeInclusive<u64> {
        self.first.get()..=self.last
    }
}

/// The numbers, in increasing order.
impl IntoIterator for NumberRange {
    type Item = u64;
    type IntoIter = RangeInclusive<u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.numbers()
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

impl fmt::Debug for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
