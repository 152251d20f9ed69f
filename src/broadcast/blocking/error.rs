//! The reasons why a driver returns before its end.

use core::convert::Infallible;
use core::fmt;

use super::super::SubscribeError;

/// The reason why a reader cannot follow the log now. `L` is the error of the log, `R` that of the goal.
///
/// The reader has kept what was read before, and has lost nothing: call the driver again. A driver without a goal of its
/// own, such as [`follow`](super::follow), never returns [`GivenUp`](Self::GivenUp) or [`Goal`](Self::Goal).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowError<I, P, L, R = Infallible> {
    /// The log failed at a read or at a fill. The engine is at fault, or what lies between. Wait for the time of
    /// `poll_timeout`, and call again; an unknown fill is settled by the next read.
    Log(L),
    /// The subscriber cannot go on; [`SubscribeError`] says for each reason whose fault it is, and what to do.
    Subscribe(SubscribeError<I, P>),
    /// An appending engine shows a hole, which it must not: a later slot is occupied. The engine is at fault. Nothing is
    /// delivered beyond the hole. Called again, the driver reads the slot again.
    Hole {
        /// The slot.
        slot: u64,
    },
    /// The caller's `wait` returned `None`. Call again to go on.
    GivenUp,
    /// The goal is out of reach: what comes next cannot be delivered, or applied. The error within says what to do.
    Goal(R),
}

impl<I, P, L, R> fmt::Display for FollowError<I, P, L, R>
where
    I: fmt::Debug,
    P: fmt::Debug,
    L: fmt::Display,
    R: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => write!(f, "the log failed: {error}; try again"),
            Self::Subscribe(error) => error.fmt(f),
            Self::Hole { slot } => {
                write!(f, "slot {slot} is a hole, in a log that has none; nothing beyond it is delivered")
            }
            Self::GivenUp => f.write_str("the wait was given up; call again to go on"),
            Self::Goal(error) => error.fmt(f),
        }
    }
}

impl<I, P, L, R> core::error::Error for FollowError<I, P, L, R>
where
    I: fmt::Debug,
    P: fmt::Debug,
    L: fmt::Debug + fmt::Display,
    R: fmt::Debug + fmt::Display,
{
}
