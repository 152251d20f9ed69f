//! The highest number that an allocator may issue.

use core::fmt;

/// The highest number that an allocator may issue: at least 1, at most 2^63 - 1.
///
/// A number ends up in a column, a message or a JSON document, and the narrowest of them decides. A limit at the
/// allocator turns silent damage at the reader into an error at the writer.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::Limit;
///
/// // A JavaScript reader rounds the first number above the limit:
/// assert_eq!((Limit::JSON.get() + 2) as f64 as u64, Limit::JSON.get() + 1);
///
/// assert_eq!(Limit::new(999).unwrap().get(), 999);
/// assert_eq!(Limit::new(0), None);
/// assert_eq!(Limit::new(u64::MAX), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(u64);

impl Limit {
    /// 2^31 - 1: a signed 32-bit column, `int` in most databases and languages.
    pub const I32: Self = Self(i32::MAX as u64);

    /// 2^53 - 1: the highest integer that a 64-bit float, and so a number in JSON, can tell from its neighbours.
    pub const JSON: Self = Self((1 << 53) - 1);

    /// 2^63 - 1: a signed 64-bit column. There is no higher limit.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// Makes a limit; `None` unless it is at least 1 and at most 2^63 - 1.
    #[must_use]
    pub const fn new(limit: u64) -> Option<Self> {
        if limit >= 1 && limit <= Self::MAX.0 { Some(Self(limit)) } else { None }
    }

    /// Returns the highest number that may be issued.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// [`MAX`](Limit::MAX).
impl Default for Limit {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
