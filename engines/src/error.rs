//! The errors of the engines, and of the counter that threads share.

use core::fmt;

use happens_before::counter::NotAboveLast;

/// The last number, slot or epoch that engines keep: 2^63 - 1.
#[cfg(any(feature = "postgres", feature = "redb"))]
pub(crate) const MAX: u64 = i64::MAX as u64;

/// The reason why a request has no answer, and whether it was carried out. `E` is the engine's own error.
///
/// What was done, and where, is said by answers, never by errors. So an error leaves one of two:
///
/// | [`is_unknown`](Self::is_unknown) | was it carried out? | how to find out |
/// |---|---|---|
/// | `false` | no, and it will not be | nothing to find out |
/// | `true` | it was, or was not, or still will be | repeat it unchanged: a write, an append, a seal, a trim then says what stands; the numbers of a counter are spent or not, and nobody else gets them |
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError<E> {
    /// **Not done.** The engine refused, or was not reached. Repeat it later, or see to what the engine says.
    NotDone(E),
    /// **Unknown** whether it is done, or still will be. Repeat it unchanged.
    Unknown(E),
    /// **Not done.** A slot, an epoch, or how many numbers were asked for, is above 2^63 - 1. Distrust the number.
    OutOfRange {
        /// The number.
        number: u64,
    },
    /// **Not done.** The counter has too few numbers left up to 2^63 - 1, or the log no slot.
    Exhausted {
        /// The last number taken, or the last slot occupied.
        last: u64,
    },
    /// **Not done.** The row of the counter, or of the log, is gone from the database.
    Missing,
}

impl<E> EngineError<E> {
    /// Returns whether the request may have been carried out, or still may be; otherwise it was not, and will not be.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Refuses what is above 2^63 - 1, in a type of which that is the maximum.
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
                write!(f, "not done: {number} is above 2^63 - 1; distrust the number")
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

/// The reason why a shared counter gave no number. Numbers may be spent, but nobody else gets them: call again. `E` is the
/// error of the counter within.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoalescedError<E> {
    /// The counter failed, at a request that this caller sent.
    Counter(E),
    /// The counter failed, at a request that another caller sent for this one too.
    Shared,
    /// The counter answered, and each time the numbers were given up before this thread had woken up. Give it more time
    /// of the processor.
    TooLate,
    /// The counter answered with numbers that it cannot have: it has gone back. Stop using it.
    NotAboveLast(NotAboveLast),
}

impl<E: fmt::Display> fmt::Display for CoalescedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => error.fmt(f),
            Self::Shared => f.write_str("the counter failed for all who waited; call again"),
            Self::TooLate => f.write_str("the thread wakes up too late for its numbers, each time; call again"),
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
