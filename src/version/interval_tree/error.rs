//! Errors of interval tree clocks.

use core::fmt;

use crate::node::CounterExhausted;

/// An interval tree clock cannot count an event. The clock is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The clock owns no part of the interval, like every clock from `peek`. Use one that was forked from a clock that
    /// owns a part.
    Anonymous,
    /// The event would be the first one beyond the highest number. The usual cause is a forged clock that was believed.
    CounterExhausted(CounterExhausted),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("a clock without an id counts no events; use one that was forked"),
            Self::CounterExhausted(CounterExhausted { limit }) => {
                write!(f, "the last number, {limit}, is used; begin again from a new seed")
            }
        }
    }
}

impl core::error::Error for EventError {}

/// Two clocks own the same part of the interval. The clock is unchanged.
///
/// A clock was used twice, such as a copy and the original, or one of them is forged. Find out which, before one of
/// them counts another event. To learn the events of the other clock all the same, join with its `peek`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverlappingIds<C> {
    /// The clock that was to be joined.
    pub other: C,
}

impl<C> fmt::Display for OverlappingIds<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("both clocks own the same part of the interval; join without the id of the other one")
    }
}

impl<C: fmt::Debug> core::error::Error for OverlappingIds<C> {}

/// The input is not the form of an interval tree clock, in bytes or in text; the error names the byte and the fault.
///
/// There is no clock, not even a part of one. The fault is that of the sender or of the network, unless the
/// [`kind`](Self::kind) says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidClock {
    /// The number of bytes of the input that were read when the fault was found, or that are valid.
    pub at: usize,
    /// The fault found there.
    pub kind: InvalidClockKind,
}

/// A fault of an input that is not the form of an interval tree clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidClockKind {
    /// The input ends within the clock.
    Truncated,
    /// The input continues after the clock.
    TrailingBytes,
    /// The text has a character that may not stand there.
    UnexpectedCharacter,
    /// A tree is not in normal form, or is not written in its one form.
    NotNormal,
    /// A number is above the highest one, or a leaf of an id is neither 0 nor 1.
    OutOfRange,
    /// The trees have more nodes than the caller accepts.
    TooLarge {
        /// The limit of the caller.
        limit: usize,
    },
}

impl fmt::Display for InvalidClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.at)?;
        match self.kind {
            InvalidClockKind::Truncated => f.write_str("the input ends within the clock; pass all of it"),
            InvalidClockKind::TrailingBytes => f.write_str("the input continues after the clock; cut it"),
            InvalidClockKind::UnexpectedCharacter => {
                f.write_str("expected a number, a comma or a parenthesis; pass the text as `Display` writes it")
            }
            InvalidClockKind::NotNormal => {
                f.write_str("not in normal form; distrust the sender or mend its encoder")
            }
            InvalidClockKind::OutOfRange => {
                f.write_str("a number is beyond the range; distrust the sender or mend its encoder")
            }
            InvalidClockKind::TooLarge { limit } => {
                write!(f, "more than {limit} nodes of the trees; distrust the sender, or raise the limit")
            }
        }
    }
}

impl core::error::Error for InvalidClock {}
