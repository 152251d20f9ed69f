//! Drives a publisher.

use core::convert::Infallible;
use core::fmt;

use super::super::{
    AppendLog, AppendRequest, Appender, PublishError, PublishRequest, Published, Publisher, SlotLog,
};
use crate::counter::Counter;
use crate::node::NodeId;

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

/// The reason why an entry is not settled. `C` and `L` are the errors of the counter and of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleError<I, P, C, L> {
    /// The counter failed; the entry is **not stored**, and still outstanding.
    Counter(C),
    /// The log failed; **unknown** whether the entry is stored. It is still outstanding.
    Log(L),
    /// The epoch is over; the entry is **not stored** over a counter, and unknown over an appending engine if an earlier
    /// request failed. It is still outstanding. Enter the epoch with the tail that [`Log::seal`](super::super::Log::seal) returns for epoch 0, which
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
