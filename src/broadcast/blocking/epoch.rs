//! Begins a new epoch of a log.

use core::convert::Infallible;
use core::fmt;
use core::num::NonZeroU64;

use crate::broadcast::{AppendLog, EpochBegun, EpochError, EpochRequest, Log, NewEpoch, SlotLog};
use crate::counter::Counter;

/// Begins a new epoch over a counter and slots: after a restore, after the loss of the counter, and whenever nothing that
/// was begun before may be written any more.
///
/// `epoch` must be above every epoch that was ever used with the log, also above those that a restored log has
/// forgotten. The time of day in milliseconds is, if every epoch was a time of day. The [module](super::super::epoch) says
/// why. Publishers then [enter](super::super::Publisher::enter) the epoch with the tail that is returned. Nothing may be
/// written between the restore and this call.
///
/// # Errors
///
/// [`BeginEpochError`]. After one of the counter or of the log the epoch may have begun: begin a higher one.
///
/// # Examples
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
pub fn begin_epoch<I, P, C, L>(log: &L, counter: &C, epoch: u64) -> Begun<C::Error, L::Error>
where
    C: Counter + ?Sized,
    L: SlotLog<I, P> + ?Sized,
{
    begin(log, counter, NewEpoch::new(epoch))
}

/// Begins a new epoch over an engine that numbers by itself; as [`begin_epoch`]. Publishers
/// [enter](super::super::Appender::enter) it.
///
/// # Errors
///
/// As [`begin_epoch`], but for the counter, which there is none of.
pub fn begin_epoch_append<I, P, L>(log: &L, epoch: u64) -> Begun<Infallible, L::Error>
where
    L: AppendLog<I, P> + ?Sized,
{
    begin(log, &NoCounter, NewEpoch::over_appends(epoch))
}

/// The result of beginning an epoch. `C` and `L` are the errors of the counter and of the log.
pub type Begun<C, L> = Result<EpochBegun, BeginEpochError<C, L>>;

fn begin<I, P, C, L>(log: &L, counter: &C, mut machine: NewEpoch) -> Begun<C::Error, L::Error>
where
    C: Counter + ?Sized,
    L: Log<I, P> + ?Sized,
{
    loop {
        let begun = match machine.poll_request() {
            EpochRequest::Seal { epoch } => {
                let answer = log.seal(epoch).map_err(BeginEpochError::Log)?;
                machine.handle_seal(answer).map_err(BeginEpochError::Epoch)?
            }
            EpochRequest::Current => {
                machine.handle_current(counter.current().map_err(BeginEpochError::Counter)?)
            }
            EpochRequest::Numbers { n } => {
                let first = counter.increment_and_get(n).map_err(BeginEpochError::Counter)?;
                machine.handle_numbers(n, first).map_err(BeginEpochError::Epoch)?
            }
        };
        if let Some(begun) = begun {
            return Ok(begun);
        }
    }
}

/// Stands for the counter that an engine which numbers by itself does without. It is never asked.
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

/// The reason why an epoch did not begin. `C` and `L` are the errors of the counter and of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginEpochError<C, L> {
    /// The counter failed; the log is sealed for the epoch. Begin a higher one.
    Counter(C),
    /// The log failed; **unknown** whether it is sealed. Begin a higher epoch.
    Log(L),
    /// The epoch cannot begin.
    Epoch(EpochError),
}

impl<C: fmt::Display, L: fmt::Display> fmt::Display for BeginEpochError<C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => write!(f, "the counter failed: {error}; begin a higher epoch"),
            Self::Log(error) => write!(f, "unknown whether the epoch has begun: {error}; begin a higher one"),
            Self::Epoch(error) => error.fmt(f),
        }
    }
}

impl<C, L> core::error::Error for BeginEpochError<C, L>
where
    C: fmt::Debug + fmt::Display,
    L: fmt::Debug + fmt::Display,
{
}
