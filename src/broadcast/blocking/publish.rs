//! Drives a publisher.

use core::convert::Infallible;

use super::DriveError;
use crate::broadcast::{AppendLog, Entry, LogKind, PublishRequest, Published, Publisher, SlotLog};
use crate::counter::Counter;
use crate::node::NodeId;

/// The result of driving an entry; `None` if none was outstanding. `C` and `L` are the errors of the counter and of the log.
pub type Settled<I, P, C, L> = Result<Option<Published<I>>, DriveError<Entry<I, P>, C, L>>;

/// Drives what is outstanding to its end, over slots; `None` if nothing is.
///
/// The counter must be that of the epoch which the publisher has [entered](Publisher::enter): its numbers are taken for
/// that epoch's.
///
/// # Errors
///
/// [`DriveError`]. Unless it is [`Publish`](DriveError::Publish), the entry is still outstanding: call again, after
/// [`EnterEpoch`](DriveError::EnterEpoch) once the epoch is [entered](Publisher::enter), or
/// [`abandon`](Publisher::abandon) it.
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
    // Before a request is polled, which counts as sent.
    if publisher.log_kind() == LogKind::Appends && publisher.outstanding().is_some() {
        return Err(DriveError::OtherLog { log: LogKind::Appends });
    }
    loop {
        match publisher.poll_request() {
            None => return Ok(None),
            Some(PublishRequest::Numbers(request)) => {
                let first = counter.increment_and_get(request.n).map_err(DriveError::Counter)?;
                publisher.handle_numbers(&request, first).map_err(DriveError::Publish)?;
            }
            Some(PublishRequest::Write { slot, entry }) => {
                let id = entry.id().cloned();
                let answer = log.write(slot, entry).map_err(DriveError::Log)?;
                if let Some(id) = id {
                    let published = publisher.handle_write(&id, slot, answer).map_err(DriveError::Publish)?;
                    if published.is_some() {
                        return Ok(published);
                    }
                }
            }
            Some(PublishRequest::EnterEpoch { epoch }) => return Err(DriveError::EnterEpoch { epoch }),
            Some(PublishRequest::Append { .. }) => {
                return Err(DriveError::OtherLog { log: LogKind::Appends });
            }
        }
    }
}

/// Drives what is outstanding to its end, over an engine that numbers by itself; `None` if nothing is.
///
/// # Errors
///
/// As [`settle`], but for the counter, which there is none of.
pub fn settle_append<I, P, L>(publisher: &mut Publisher<I, P>, log: &L) -> Settled<I, P, Infallible, L::Error>
where
    I: NodeId,
    L: AppendLog<I, P> + ?Sized,
{
    // Before a request is polled, which counts as sent.
    if publisher.log_kind() == LogKind::Slots && publisher.outstanding().is_some() {
        return Err(DriveError::OtherLog { log: LogKind::Slots });
    }
    loop {
        match publisher.poll_request() {
            None => return Ok(None),
            Some(PublishRequest::Append { entry }) => {
                let id = entry.id().cloned();
                let answer = log.append(entry).map_err(DriveError::Log)?;
                if let Some(id) = id {
                    let published = publisher.handle_append(&id, answer).map_err(DriveError::Publish)?;
                    if published.is_some() {
                        return Ok(published);
                    }
                }
            }
            Some(PublishRequest::EnterEpoch { epoch }) => return Err(DriveError::EnterEpoch { epoch }),
            Some(PublishRequest::Numbers(_) | PublishRequest::Write { .. }) => {
                return Err(DriveError::OtherLog { log: LogKind::Slots });
            }
        }
    }
}
