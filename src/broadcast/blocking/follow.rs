//! Drives a subscriber.

use core::fmt;

use super::super::{Entry, Log, ReadLimit, SlotLog, SubscribeError, SubscribeRequest, Subscriber};
use crate::node::NodeId;

/// Does what the subscriber asks for at `now_ms`, until there is something to deliver, or nothing to do before
/// [`poll_timeout`](Subscriber::poll_timeout).
///
/// A call makes at most 100 requests, whatever the log answers; a search for a [`Skip`](super::Content::Skip) goes on in
/// the next call.
///
/// # Errors
///
/// [`FollowError`]; the subscriber goes on when this is called again. Once everything below an
/// [obstacle](Subscriber::obstacle) is delivered, each call returns the obstacle.
pub fn follow<I, P, L>(
    subscriber: &mut Subscriber<I, P>,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<I, P, L::Error>>
where
    I: NodeId,
    P: PartialEq + Clone,
    L: SlotLog<I, P> + ?Sized,
{
    while let Some(request) = subscriber.poll_request(now_ms) {
        match request {
            SubscribeRequest::Read { from, limit } => read(subscriber, log, now_ms, from, limit)?,
            SubscribeRequest::Fill { slot, epoch } => match log.write(slot, &Entry::fill(epoch)) {
                Ok(answer) => {
                    subscriber.handle_fill(now_ms, slot, epoch, answer).map_err(FollowError::Subscribe)?;
                }
                Err(error) => {
                    subscriber.handle_failure(now_ms);
                    return Err(FollowError::Log(error));
                }
            },
        }
    }
    subscriber.obstacle().map_or(Ok(()), |obstacle| Err(FollowError::Subscribe(obstacle)))
}

/// As [`follow`], over an engine that numbers by itself: a hole is reported, and never skipped.
///
/// # Errors
///
/// [`FollowError`]; after [`Hole`](FollowError::Hole) the subscriber reads again, and delivers nothing above the hole.
pub fn follow_appends<I, P, L>(
    subscriber: &mut Subscriber<I, P>,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<I, P, L::Error>>
where
    I: NodeId,
    P: PartialEq + Clone,
    L: Log<I, P> + ?Sized,
{
    while let Some(request) = subscriber.poll_request(now_ms) {
        match request {
            SubscribeRequest::Read { from, limit } => read(subscriber, log, now_ms, from, limit)?,
            SubscribeRequest::Fill { slot, .. } => {
                subscriber.handle_failure(now_ms);
                return Err(FollowError::Hole { slot });
            }
        }
    }
    subscriber.obstacle().map_or(Ok(()), |obstacle| Err(FollowError::Subscribe(obstacle)))
}

fn read<I, P, L>(
    subscriber: &mut Subscriber<I, P>,
    log: &L,
    now_ms: u64,
    from: u64,
    limit: ReadLimit,
) -> Result<(), FollowError<I, P, L::Error>>
where
    I: NodeId,
    P: PartialEq + Clone,
    L: Log<I, P> + ?Sized,
{
    match log.read(from, limit) {
        Ok(answer) => subscriber.handle_read(now_ms, from, limit, answer).map_err(FollowError::Subscribe),
        Err(error) => {
            subscriber.handle_failure(now_ms);
            Err(FollowError::Log(error))
        }
    }
}

/// The reason why a subscriber cannot follow the log now. `L` is the error of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowError<I, P, L> {
    /// The log failed; try again.
    Log(L),
    /// The subscriber cannot go on.
    Subscribe(SubscribeError<I, P>),
    /// An appending engine shows a hole, which it must not: a later slot is occupied. Nothing is delivered beyond it.
    Hole {
        /// The slot.
        slot: u64,
    },
}

impl<I: fmt::Debug, P: fmt::Debug, L: fmt::Display> fmt::Display for FollowError<I, P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => write!(f, "the log failed: {error}; try again"),
            Self::Subscribe(error) => error.fmt(f),
            Self::Hole { slot } => {
                write!(f, "slot {slot} is a hole, in a log that has none; nothing beyond it is delivered")
            }
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug, L: fmt::Debug + fmt::Display> core::error::Error for FollowError<I, P, L> {}
