//! Thin drivers: they carry out what the machines ask for, on engines that block. They read no clock and never wait.
//!
//! An error of an engine is handed to the caller, and the machine knows how to go on: wait a little, and call again. For
//! engines that are asynchronous there are the same drivers, on any runtime, in the crate `happens-before-engines`.
//!
//! # Examples
//!
//! ```
//! use core::cell::RefCell;
//! use happens_before::{Publisher, Subscriber};
//! use happens_before::broadcast::{blocking, MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::counter::AtomicCounter;
//!
//! let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
//! let mut alice = Publisher::new("alice", PublisherConfig::default());
//! let mut bob = Publisher::new("bob", PublisherConfig::default());
//! alice.publish("tea?")?;
//! blocking::settle(&mut alice, &counter, &log)?;
//! bob.publish_batch(["yes", "with milk"])?;
//! blocking::settle(&mut bob, &counter, &log)?;
//!
//! let mut carol = Subscriber::new(SubscriberConfig::default());
//! blocking::follow(&mut carol, &log, 0)?;
//! let mut lines = Vec::new();
//! while let Some(delivery) = carol.poll_delivery()? {
//!     lines.push((delivery.position.to_string(), delivery.payload.unwrap()));
//! }
//! let said = [("0:1:0", "tea?"), ("0:2:0", "yes"), ("0:2:1", "with milk")];
//! assert_eq!(lines, said.map(|(position, line)| (position.to_string(), line)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod epoch;

use core::convert::Infallible;
use core::fmt;

use super::{
    AppendLog, AppendRequest, Appender, Entry, Log, PublishError, PublishRequest, Published, Publisher,
    ReadLimit, SlotLog, SubscribeError, SubscribeRequest, Subscriber,
};
use crate::counter::Counter;
use crate::node::NodeId;

pub use epoch::{BeginEpochError, Begun, begin_epoch, begin_epoch_append};

/// The result of driving an entry; `None` if none was outstanding. `C` and `L` are the errors of the counter and of the log.
pub type Settled<I, P, C, L> = Result<Option<Published<I>>, SettleError<I, P, C, L>>;

/// Drives what is outstanding to its end; `None` if nothing is.
///
/// The counter must be that of the epoch which the publisher has [entered](Publisher::enter): its numbers are taken for
/// that epoch's.
///
/// # Errors
///
/// [`SettleError`]. After [`Counter`](SettleError::Counter), [`Log`](SettleError::Log) and
/// [`EnterEpoch`](SettleError::EnterEpoch) the entry is still outstanding, and it may be unknown whether it is stored:
/// call again, in the last case after [`Publisher::enter`], or [`abandon`](Publisher::abandon) it.
pub fn settle<I, P, C, L>(
    publisher: &mut Publisher<I, P>,
    counter: &C,
    log: &L,
) -> Settled<I, P, C::Error, L::Error>
where
    I: NodeId,
    P: PartialEq,
    C: Counter + ?Sized,
    L: SlotLog<I, P> + ?Sized,
{
    loop {
        match publisher.poll_request() {
            None => return Ok(None),
            Some(PublishRequest::Numbers(take)) => {
                let first = counter.increment_and_get(take.n).map_err(SettleError::Counter)?;
                publisher.handle_numbers(&take, first).map_err(SettleError::Publish)?;
            }
            Some(PublishRequest::Write { slot, entry }) => {
                let id = entry.id().cloned();
                let answer = log.write(slot, entry).map_err(SettleError::Log)?;
                if let Some(id) = id {
                    let published = publisher.handle_write(&id, slot, answer).map_err(SettleError::Publish)?;
                    if published.is_some() {
                        return Ok(published);
                    }
                }
            }
            Some(PublishRequest::EnterEpoch { epoch }) => return Err(SettleError::EnterEpoch { epoch }),
        }
    }
}

/// Drives what is outstanding to its end, over an engine that numbers by itself; `None` if nothing is.
///
/// # Errors
///
/// As [`settle`], but for the counter, which there is none of.
pub fn settle_append<I, P, L>(appender: &mut Appender<I, P>, log: &L) -> Settled<I, P, Infallible, L::Error>
where
    I: NodeId,
    L: AppendLog<I, P> + ?Sized,
{
    loop {
        match appender.poll_request() {
            None => return Ok(None),
            Some(AppendRequest::Append { entry }) => {
                let id = entry.id().cloned();
                let answer = log.append(entry).map_err(SettleError::Log)?;
                if let Some(id) = id
                    && let published @ Some(_) =
                        appender.handle_append(&id, answer).map_err(SettleError::Publish)?
                {
                    return Ok(published);
                }
            }
            Some(AppendRequest::EnterEpoch { epoch }) => return Err(SettleError::EnterEpoch { epoch }),
        }
    }
}

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

/// The reason why an entry is not settled. `C` and `L` are the errors of the counter and of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleError<I, P, C, L> {
    /// The counter failed; the entry is **not stored**, and still outstanding.
    Counter(C),
    /// The log failed; **unknown** whether the entry is stored. It is still outstanding.
    Log(L),
    /// The epoch is over; the entry is **not stored** over a counter, and unknown over an appending engine if an earlier
    /// request failed. It is still outstanding. Enter the epoch with the tail that [`Log::seal`] returns for epoch 0, which
    /// changes nothing.
    EnterEpoch {
        /// The lowest epoch that may write.
        epoch: u64,
    },
    /// The publisher gave up, and says what became of the entry, which is in the error.
    Publish(PublishError<I, P>),
}

impl<I: fmt::Debug, P: fmt::Debug, C: fmt::Display, L: fmt::Display> fmt::Display for SettleError<I, P, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => write!(f, "the counter failed: {error}; try again"),
            Self::Log(error) => write!(f, "unknown whether the entry is written: {error}; try again"),
            Self::EnterEpoch { epoch } => {
                write!(f, "epoch {epoch} has begun; find out its counter, enter it, and try again")
            }
            Self::Publish(error) => error.fmt(f),
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug, C, L> core::error::Error for SettleError<I, P, C, L>
where
    C: fmt::Debug + fmt::Display,
    L: fmt::Debug + fmt::Display,
{
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
