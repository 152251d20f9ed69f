//! Begins a new epoch of a log, as [`broadcast::blocking`](happens_before::broadcast::blocking) does.

use core::convert::Infallible;

use happens_before::broadcast::blocking::{Begun, DriveError};
use happens_before::broadcast::{EpochRequest, LogKind, NewEpoch};

use super::{AsyncAppendLog, AsyncCounter, AsyncSlotLog};

/// Begins a new epoch over a counter and slots, like
/// [`broadcast::blocking::begin_epoch`](happens_before::broadcast::blocking::begin_epoch). That page says when to call
/// it, and which epoch to choose.
///
/// # Errors
///
/// Those of that function. If the future is dropped, the epoch may have begun: begin a higher one.
pub async fn begin_epoch<C, L>(log: &L, counter: &C, epoch: u64) -> Begun<C::Error, L::Error>
where
    C: AsyncCounter,
    L: AsyncSlotLog,
{
    let mut machine = NewEpoch::new(epoch, LogKind::Slots);
    loop {
        let begun = match machine.poll_request() {
            EpochRequest::Seal { epoch } => {
                let answer = log.seal(epoch).await.map_err(DriveError::Seal)?;
                machine.handle_seal(answer).map_err(DriveError::Publish)?
            }
            EpochRequest::Current => {
                machine.handle_current(counter.current().await.map_err(DriveError::Raise)?)
            }
            EpochRequest::Numbers { n } => {
                let first = counter.increment_and_get(n).await.map_err(DriveError::Raise)?;
                machine.handle_numbers(n, first).map_err(DriveError::Publish)?
            }
        };
        if let Some(begun) = begun {
            return Ok(begun);
        }
    }
}

/// Like [`begin_epoch`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`begin_epoch`], except those of a counter: there is none.
pub async fn begin_epoch_append<L>(log: &L, epoch: u64) -> Begun<Infallible, L::Error>
where
    L: AsyncAppendLog,
{
    let mut machine = NewEpoch::new(epoch, LogKind::Appends);
    loop {
        // Over appends its only request is to seal.
        let epoch = if let EpochRequest::Seal { epoch } = machine.poll_request() { epoch } else { 0 };
        let answer = log.seal(epoch).await.map_err(DriveError::Seal)?;
        if let Some(begun) = machine.handle_seal(answer).map_err(DriveError::Publish)? {
            return Ok(begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    use std::sync::Mutex;

    use happens_before::Dot;
    use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, EpochBegun, MemoryLog, PublishErrorKind};
    use happens_before::counter::{AtomicCounter, Counter};

    use super::super::Blocking;
    use super::*;

    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing is waited for in memory"),
        }
    }

    #[test]
    fn an_epoch_begins_above_the_last_one_with_the_counter_above_the_tail() {
        let (counter, log) = (Blocking(AtomicCounter::new()), Blocking(Mutex::new(MemoryLog::new(100))));
        let say = |epoch, number| log.0.append(&Entry::message(epoch, Dot::new("a", number).unwrap(), "x"));
        for number in 1..=3 {
            say(0, number).unwrap();
        }
        assert_eq!(ready(begin_epoch(&log, &counter, 7)), Ok(EpochBegun { epoch: 7, tail: 3 }));
        assert_eq!(counter.0.current(), Ok(3));
        let Err(DriveError::Publish(refused)) = ready(begin_epoch(&log, &counter, 7)) else { panic!("begun") };
        assert_eq!((refused.value, refused.kind), (7, PublishErrorKind::NotAbove { epoch: 7, sealed: 7 }));

        assert_eq!(ready(begin_epoch_append(&log, 9)), Ok(EpochBegun { epoch: 9, tail: 3 }));
        assert_eq!(say(8, 4), Ok(AppendAnswer::Sealed { epoch: 9 }));
        assert_eq!(say(9, 4), Ok(AppendAnswer::Appended { slot: 4 }));
        assert!(ready(begin_epoch_append(&log, 8)).is_err());
    }
}
