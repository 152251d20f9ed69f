//! Drives a publisher, as [`broadcast::blocking`](happens_before::broadcast::blocking) does.

use core::convert::Infallible;

use happens_before::broadcast::blocking::{DriveError, Settled};
use happens_before::broadcast::{LogKind, PublishRequest};
use happens_before::{NodeId, Publisher};

use super::{AsyncAppendLog, AsyncCounter, AsyncSlotLog};

/// Drives the outstanding entry to its end; returns `None` if nothing is outstanding. It makes one call of the counter
/// and one of the log, and more if the slot was filled.
///
/// The counter must be the one of the epoch that the publisher has [entered](Publisher::enter).
///
/// # Errors
///
/// As [`broadcast::blocking::settle`](happens_before::broadcast::blocking::settle). If the future is dropped, the entry
/// is still outstanding; call again.
pub async fn settle<I, P, C, L>(
    publisher: &mut Publisher<I, P>,
    counter: &C,
    log: &L,
) -> Settled<I, P, C::Error, L::Error>
where
    I: NodeId,
    P: PartialEq,
    C: AsyncCounter,
    L: AsyncSlotLog<Node = I, Payload = P>,
{
    // Before a request is polled, which counts as sent.
    if publisher.log_kind() == LogKind::Appends && publisher.outstanding().is_some() {
        return Err(DriveError::OtherLog { log: LogKind::Appends });
    }
    loop {
        match publisher.poll_request() {
            None => return Ok(None),
            Some(PublishRequest::Numbers(request)) => {
                let first = counter.increment_and_get(request.n).await.map_err(DriveError::Counter)?;
                publisher.handle_numbers(&request, first).map_err(DriveError::Publish)?;
            }
            Some(PublishRequest::Write { slot, entry }) => {
                let id = entry.id().cloned();
                let answer = log.write(slot, entry).await.map_err(DriveError::Log)?;
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
pub async fn settle_append<I, P, L>(
    publisher: &mut Publisher<I, P>,
    log: &L,
) -> Settled<I, P, Infallible, L::Error>
where
    I: NodeId,
    L: AsyncAppendLog<Node = I, Payload = P>,
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
                let answer = log.append(entry).await.map_err(DriveError::Log)?;
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
