//! Begins a new epoch of a log.

use core::convert::Infallible;
use core::num::NonZeroU64;

use super::DriveError;
use crate::broadcast::{AppendLog, EpochBegun, EpochRequest, Log, LogKind, NewEpoch, SlotLog};
use crate::counter::Counter;

/// Begins a new epoch over a counter and slots. It is needed after a restore, after the loss of the counter, and
/// whenever earlier writes must not land any more.
///
/// `epoch` must be above every epoch that was ever used with the log, including those that a restored log has
/// forgotten. The time of day in milliseconds is a good epoch if all earlier ones were times of day too; see
/// [`NewEpoch`]. Publishers then [enter](crate::Publisher::enter) the epoch with the tail that is returned. Nothing may
/// be written between the restore and this call.
///
/// # Errors
///
/// [`DriveError`]: [`Seal`](DriveError::Seal), [`Raise`](DriveError::Raise), [`Publish`](DriveError::Publish). After the first
/// two the epoch may have begun: begin a higher one.
///
/// # Examples
///
/// The counter and the log go on, and the first message of the new epoch gets slot 2. Begin a second epoch with a lower
/// number: it is refused with `NotAbove`.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{blocking, MemoryLog, PublisherConfig};
/// use happens_before::counter::AtomicCounter;
///
/// let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
/// let mut publisher = Publisher::new("a", PublisherConfig::default());
/// publisher.publish("hello")?;
/// blocking::settle(&mut publisher, &counter, &log)?;
///
/// let begun = blocking::begin_epoch(&log, &counter, 1_700_000_000_000)?;
/// publisher.enter(begun.epoch, begun.tail);
/// publisher.publish("hello again")?;
/// assert_eq!(blocking::settle(&mut publisher, &counter, &log)?.map(|published| published.slot), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn begin_epoch<C, L>(log: &L, counter: &C, epoch: u64) -> Begun<C::Error, L::Error>
where
    C: Counter + ?Sized,
    L: SlotLog + ?Sized,
{
    begin(log, counter, NewEpoch::new(epoch, LogKind::Slots))
}

/// Like [`begin_epoch`], over an engine that numbers by itself. Publishers [enter](crate::Publisher::enter) the epoch.
///
/// # Errors
///
/// As [`begin_epoch`], except those of a counter: there is none.
pub fn begin_epoch_append<L>(log: &L, epoch: u64) -> Begun<Infallible, L::Error>
where
    L: AppendLog + ?Sized,
{
    begin(log, &NoCounter, NewEpoch::new(epoch, LogKind::Appends))
}

/// The result of beginning an epoch. `C` and `L` are the errors of the counter and of the log.
pub type Begun<C, L> = Result<EpochBegun, DriveError<u64, C, L>>;

fn begin<C, L>(log: &L, counter: &C, mut machine: NewEpoch) -> Begun<C::Error, L::Error>
where
    C: Counter + ?Sized,
    L: Log + ?Sized,
{
    loop {
        let begun = match machine.poll_request() {
            EpochRequest::Seal { epoch } => {
                let answer = log.seal(epoch).map_err(DriveError::Seal)?;
                machine.handle_seal(answer).map_err(DriveError::Publish)?
            }
            EpochRequest::Current => machine.handle_current(counter.current().map_err(DriveError::Raise)?),
            EpochRequest::Numbers { n } => {
                let first = counter.increment_and_get(n).map_err(DriveError::Raise)?;
                machine.handle_numbers(n, first).map_err(DriveError::Publish)?
            }
        };
        if let Some(begun) = begun {
            return Ok(begun);
        }
    }
}

/// A stand-in for the counter, which appends do not need. It is never asked.
struct NoCounter;

impl Counter for NoCounter {
    type Error = Infallible;

    fn increment_and_get(&self, _: NonZeroU64) -> Result<u64, Infallible> {
        Ok(u64::MAX)
    }

    fn current(&self) -> Result<u64, Infallible> {
        Ok(u64::MAX)
    }
}
