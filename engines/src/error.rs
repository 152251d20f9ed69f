//! The errors of the engines, and of the coalesced counter.

use core::fmt;

use happens_before::counter::NotAboveLast;

/// The last number, slot or epoch that engines keep: 2^63 - 1.
#[cfg(any(feature = "postgres", feature = "redb"))]
pub(crate) const MAX: u64 = i64::MAX as u64;

/// The reason why a request has no answer, and whether it was carried out. `E` is the engine's own error.
///
/// Only an answer says that a request was carried out, and at which position. After an error there are two cases:
///
/// | [`is_unknown`](Self::is_unknown) | carried out | next step |
/// |---|---|---|
/// | `false` | no, and never will be | none is needed to find out |
/// | `true` | yes, or no, or later | repeat it unchanged: the answer to a write, an append, a seal or a trim then tells the state; numbers of a counter may be spent, and no other caller gets them |
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError<E> {
    /// **Not done.** The engine refused, or was not reached. Repeat it later, or act on the engine's own error.
    NotDone(E),
    /// **Unknown** whether it is done, or still will be. Repeat it unchanged.
    Unknown(E),
    /// **Not done.** A slot, an epoch, or a requested count of numbers is above 2^63 - 1. Do not trust the number.
    OutOfRange {
        /// The number.
        number: u64,
    },
    /// **Not done.** The counter has too few numbers left up to 2^63 - 1, or the log has no slot left.
    Exhausted {
        /// The last number taken, or the last slot occupied.
        last: u64,
    },
    /// **Not done.** The row of the counter, or of the log, is gone from the database.
    Missing,
}

impl<E> EngineError<E> {
    /// Returns whether the request may have been carried out, or may be later. If not, it was not carried out, and
    /// never will be.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Converts a number to `i64`; refuses one above 2^63 - 1.
    #[cfg(any(feature = "postgres", feature = "redb"))]
    pub(crate) fn in_range(number: u64) -> Result<i64, Self> {
        i64::try_from(number).map_err(|_| Self::OutOfRange { number })
    }
}

impl<E: fmt::Display> fmt::Display for EngineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDone(error) => write!(f, "not done: {error}"),
            Self::Unknown(error) => write!(f, "unknown whether it is done; repeat it unchanged: {error}"),
            Self::OutOfRange { number } => {
                write!(f, "not done: {number} is above 2^63 - 1; do not trust it")
            }
            Self::Exhausted { last } => write!(f, "not done: too few numbers are left above {last}"),
            Self::Missing => write!(f, "not done: the counter or the log was removed from the database"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EngineError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotDone(error) | Self::Unknown(error) => Some(error),
            Self::OutOfRange { .. } | Self::Exhausted { .. } | Self::Missing => None,
        }
    }
}

/// The reason why a shared counter gave no number. Numbers may be spent, but no other caller gets them: call again. `E`
/// is the error of the inner counter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoalescedError<E> {
    /// The counter failed at a request that this caller sent.
    Counter(E),
    /// The counter failed at a request that another caller had sent for this one too.
    Shared,
    /// The counter answered, but each time this thread woke up too late, and its numbers were given up. Give the thread
    /// more processor time.
    TooLate,
    /// The counter answered with numbers that are not above earlier ones: it has gone back. Stop using it.
    NotAboveLast(NotAboveLast),
}

impl<E: fmt::Display> fmt::Display for CoalescedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => error.fmt(f),
            Self::Shared => f.write_str("the counter failed for all waiting callers; call again"),
            Self::TooLate => f.write_str("the thread woke up too late for its numbers each time; call again"),
            Self::NotAboveLast(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for CoalescedError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Counter(error) => Some(error),
            Self::NotAboveLast(error) => Some(error),
            Self::Shared | Self::TooLate => None,
        }
    }
}
