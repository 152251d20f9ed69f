//! Drives a publisher.

use core::convert::Infallible;

use super::DriveError;
use crate::broadcast::{AppendLog, Entry, LogKind, PublishRequest, Published, Publisher, SlotLog};
use crate::counter::Counter;
use crate::node::NodeId;

/// The result of driving an entry; `None` if none was outstanding. `C` and `L` are the errors of the counter and of the log.
pub type Settled<I, P, C, L> = Result<Option<Published<I>>, DriveError<Entry<I, P>, C, L>>;

/// Drives the outstanding entry to its end, over slots; returns `None` if nothing is outstanding.
///
/// The counter must be the one of the epoch that the publisher has [entered](Publisher::enter). Nothing here can check
/// that.
///
/// # Errors
///
/// [`DriveError`]. Unless it is [`Publish`](DriveError::Publish), the entry is still outstanding: call again, or
/// [`abandon`](Publisher::abandon) it. After [`EnterEpoch`](DriveError::EnterEpoch) [enter](Publisher::enter) the epoch
/// first.
pub fn settle<I, P, C, L>(
    publisher: &mut Publisher<I, P>,
    counter: &C,
    log: &L,
) -> Settled<I, P, C::Error, L::Error>
where
    I: NodeId,
    P: PartialEq,
    C: Counter + ?Sized,
    L: SlotLog<Node = I, Payload = P> + ?Sized,
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

/// Drives the outstanding entry to its end, over an engine that numbers by itself; returns `None` if nothing is
/// outstanding.
///
/// # Errors
///
/// As [`settle`], except those of a counter: there is none.
pub fn settle_append<I, P, L>(publisher: &mut Publisher<I, P>, log: &L) -> Settled<I, P, Infallible, L::Error>
where
    I: NodeId,
    L: AppendLog<Node = I, Payload = P> + ?Sized,
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
