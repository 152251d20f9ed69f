//! The errors of the drivers.

use core::convert::Infallible;
use core::fmt;

use crate::broadcast::{LogKind, PublishError, SubscribeError};

/// The reason why a driver has not settled an entry, or not begun an epoch.
///
/// `T` is the value that a [`PublishError`] hands back: the entry, or the epoch. `C` and `L` are the errors of the
/// counter and of the log. The engine is at fault in [`Counter`](Self::Counter), [`Log`](Self::Log),
/// [`Seal`](Self::Seal) and [`Raise`](Self::Raise).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriveError<T, C, L> {
    /// The counter failed; the entry is **not stored**, and still outstanding. Settle it again.
    Counter(C),
    /// The log failed to write or to append; **unknown** whether the entry is stored. It is still outstanding. Settle it
    /// again.
    Log(L),
    /// The epoch is over; the entry is still outstanding. It is **not stored** over slots, and unknown over appends if an
    /// earlier request failed. Enter the epoch with the tail that [`Log::seal`](crate::broadcast::Log::seal) returns for
    /// epoch 0, which changes nothing. Then settle the entry again.
    EnterEpoch {
        /// The lowest epoch that may write.
        epoch: u64,
    },
    /// The publisher is configured for the other kind of log; nothing was sent, and the entry is still outstanding. The
    /// caller is at fault: give the publisher the [configuration](crate::broadcast::PublisherConfig::log) of its log,
    /// or call the driver of the other kind.
    OtherLog {
        /// The kind of log that the publisher is made for.
        log: LogKind,
    },
    /// The log failed to seal; **unknown** whether the epoch has begun. Begin a higher one.
    Seal(L),
    /// The counter failed while it was being raised above the tail; the log is already sealed for the epoch. Begin a
    /// higher one.
    Raise(C),
    /// The publisher, or the new epoch, gave up. The error hands the value back, and its kind says whether the entry is
    /// stored.
    Publish(PublishError<T>),
}

impl<T, C: fmt::Display, L: fmt::Display> fmt::Display for DriveError<T, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => write!(f, "the counter failed: {error}; try again"),
            Self::Log(error) => write!(f, "unknown whether the entry is stored: {error}; try again"),
            Self::EnterEpoch { epoch } => {
                write!(f, "epoch {epoch} has begun; find out its counter, enter it, and try again")
            }
            Self::OtherLog { log: LogKind::Slots } => {
                write!(f, "the publisher writes slots, and the log appends; configure it for the log")
            }
            Self::OtherLog { log: LogKind::Appends } => {
                write!(f, "the publisher appends, and the log is written by slots; configure it for the log")
            }
            Self::Seal(error) => {
                write!(
                    f,
                    "unknown whether the epoch has begun: the log failed to seal: {error}; begin a higher one"
                )
            }
            Self::Raise(error) => {
                write!(f, "the log is sealed, and the counter failed: {error}; begin a higher epoch")
            }
            Self::Publish(error) => error.fmt(f),
        }
    }
}

impl<T, C, L> core::error::Error for DriveError<T, C, L>
where
    T: fmt::Debug,
    C: fmt::Debug + fmt::Display,
    L: fmt::Debug + fmt::Display,
{
}

/// The reason why a reader cannot follow the log now. `L` is the error of the log, `R` that of the goal.
///
/// The reader keeps what it has read, so nothing is lost: call the driver again. A driver without a goal of its own,
/// such as [`follow`](super::follow), never returns [`GivenUp`](Self::GivenUp) or [`Goal`](Self::Goal).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowError<I, P, L, R = Infallible> {
    /// The log failed at a read or at a fill. The engine is at fault, or the connection to it. Wait until
    /// `poll_timeout`, and call again; the next read settles a fill whose outcome is unknown.
    Log(L),
    /// The subscriber cannot go on; [`SubscribeError`] says for each reason whose fault it is, and what to do.
    Subscribe(SubscribeError<I, P>),
    /// An appending engine shows a hole, although a later slot is occupied; it must never have one. The engine is at
    /// fault. Nothing is delivered beyond the hole. Called again, the driver reads the slot again.
    Hole {
        /// The slot.
        slot: u64,
    },
    /// The caller's `wait` returned `None`. Call again to go on.
    GivenUp,
    /// The goal is out of reach: the next message cannot be delivered, or not applied. The error within says what to
    /// do.
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
                write!(f, "slot {slot} is a hole, and this log must have none; check the engine")
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
