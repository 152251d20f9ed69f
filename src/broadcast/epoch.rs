//! The machine that begins a new epoch; its essay is on [`NewEpoch`].

use core::num::NonZeroU64;

use super::{LogKind, PublishError, PublishErrorKind, SealAnswer};

/// The number of times that a counter may be below the tail.
const ATTEMPTS: u32 = 16;

/// The machine that begins a new epoch of a log; it does no input or output. Every method is O(1).
///
/// A new epoch separates everything written before it from everything written after it. No earlier write can land any
/// more, and every later [`Position`](super::Position) is higher.
///
/// # The problem
///
/// A log is restored from last night's backup. Slots 34 to 40 are empty again, and are written a second time, with
/// other messages. A node that was granted a lock with token `0:34:0` still holds that token, and the next holder is
/// granted the same one. A subscriber that had delivered the old slot 40 goes on with the new slot 41, as if one
/// followed the other.
///
/// # The algorithm
///
/// 1. Ask the log for its epoch, by sealing epoch 0, which changes nothing. The new epoch must be above it.
/// 2. Seal the log for the new epoch. From then on no entry of an earlier one is stored, and the tail stands still.
/// 3. Over slots, take numbers from the counter until the next one is above the tail.
/// 4. Publishers [enter](crate::Publisher::enter) the epoch with the tail. A publisher that starts later learns both by
///    sealing epoch 0.
///
/// # Guarantees
///
/// If the epoch is above *every* epoch that was ever used with the log, everything written from now on has a higher
/// [`Position`](super::Position) than anything delivered before. So no [token](super::FencingToken) is granted twice,
/// and a subscriber that is ahead of the restored log [notices it](super::SubscribeError::RolledBack).
///
/// The log alone cannot know which epochs were used: entries that it lost in the restore may have been of a later epoch
/// than those it holds. So the epoch is an argument. Take the time of day in milliseconds, or a number that is kept
/// outside the log and only goes up. The backup's epoch plus one is right only if no epoch has begun since the backup.
///
/// # Use
///
/// Carry out what [`poll_request`](Self::poll_request) returns and hand in the answers, until the call that takes an
/// answer returns [`EpochBegun`]. If an answer is lost, poll again: it is the same request.
/// [`blocking::begin_epoch`](super::blocking::begin_epoch) has the loop.
///
/// # Examples
///
/// The loop over a log whose slot 7 is occupied. Watch the counter, which starts at 0 and is raised to 7. Write slot 9
/// as well, and the tail is 9.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, EpochRequest, Log, LogKind, MemoryLog, NewEpoch, SlotLog};
/// use happens_before::counter::{AtomicCounter, Counter};
///
/// let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
/// log.write(7, &Entry::message(0, Dot::new("a", 1).unwrap(), "hello"))?;
///
/// let mut epoch = NewEpoch::new(1_700_000_000_000, LogKind::Slots);
/// let begun = loop {
///     let begun = match epoch.poll_request() {
///         EpochRequest::Seal { epoch: sealed } => epoch.handle_seal(Log::seal(&log, sealed)?)?,
///         EpochRequest::Current => epoch.handle_current(counter.current()?),
///         EpochRequest::Numbers { n } => epoch.handle_numbers(n, counter.increment_and_get(n)?)?,
///     };
///     if let Some(begun) = begun {
///         break begun;
///     }
/// };
/// assert_eq!((begun.epoch, begun.tail), (1_700_000_000_000, 7));
/// assert_eq!(counter.current()?, 7); // the next number names slot 8
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEpoch {
    epoch: u64,
    /// Over slots the counter must be brought above the tail.
    log: LogKind,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The epoch of the log is not known yet.
    Ask,
    Seal,
    Current {
        tail: u64,
    },
    Numbers {
        tail: u64,
        n: NonZeroU64,
        /// The number of times that the counter was below the tail.
        behind: u32,
    },
}

/// A request of a [`NewEpoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochRequest {
    /// Call [`Log::seal`](super::Log::seal) with this epoch; the answer goes to [`NewEpoch::handle_seal`].
    Seal {
        /// The epoch; 0 asks for the current one.
        epoch: u64,
    },
    /// Call `current` on the counter; the answer goes to [`NewEpoch::handle_current`].
    Current,
    /// Call `increment_and_get(n)` on the counter; the answer goes to [`NewEpoch::handle_numbers`].
    Numbers {
        /// The number of numbers.
        n: NonZeroU64,
    },
}

/// An epoch that has begun, for publishers to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochBegun {
    /// The epoch.
    pub epoch: u64,
    /// The highest slot occupied when it began, 0 if there was none.
    pub tail: u64,
}

impl NewEpoch {
    /// Makes the machine that begins `epoch` over a log of this kind. Over slots it also brings a counter above the
    /// tail.
    ///
    /// The epoch must be above every epoch that was ever used with the log, including those that a restored log has
    /// forgotten: see [the guarantees](Self#guarantees).
    #[must_use]
    pub const fn new(epoch: u64, log: LogKind) -> Self {
        Self { epoch, log, stage: Stage::Ask }
    }

    /// Returns the request to make now. Poll again if there was no answer.
    pub fn poll_request(&self) -> EpochRequest {
        match self.stage {
            Stage::Ask => EpochRequest::Seal { epoch: 0 },
            Stage::Seal => EpochRequest::Seal { epoch: self.epoch },
            Stage::Current { .. } => EpochRequest::Current,
            Stage::Numbers { n, .. } => EpochRequest::Numbers { n },
        }
    }

    /// Hands in the answer to a request to seal.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the epoch: [`NotAbove`](PublishErrorKind::NotAbove),
    /// [`NotSealed`](PublishErrorKind::NotSealed). This machine is unchanged; make another one for a higher epoch.
    pub fn handle_seal(&mut self, answer: SealAnswer) -> Result<Option<EpochBegun>, PublishError<u64>> {
        let SealAnswer { epoch: sealed, tail } = answer;
        match (self.stage, self.log) {
            (Stage::Ask, _) if sealed < self.epoch => self.stage = Stage::Seal,
            (Stage::Seal, LogKind::Slots) if sealed == self.epoch => self.stage = Stage::Current { tail },
            (Stage::Seal, LogKind::Appends) if sealed == self.epoch => return Ok(self.begun(tail)),
            (Stage::Seal, _) if sealed < self.epoch => {
                return self.fail(PublishErrorKind::NotSealed { epoch: self.epoch, sealed });
            }
            (Stage::Ask | Stage::Seal, _) => {
                return self.fail(PublishErrorKind::NotAbove { epoch: self.epoch, sealed });
            }
            (Stage::Current { .. } | Stage::Numbers { .. }, _) => {}
        }
        Ok(None)
    }

    /// Hands in the counter's current number.
    pub fn handle_current(&mut self, current: u64) -> Option<EpochBegun> {
        let Stage::Current { tail } = self.stage else { return None };
        match tail.checked_sub(current).and_then(NonZeroU64::new) {
            None => self.begun(tail),
            Some(n) => {
                self.stage = Stage::Numbers { tail, n, behind: 0 };
                None
            }
        }
    }

    /// Hands in that the counter gave the numbers `first ..= first + n - 1`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the epoch: [`CounterBehind`](PublishErrorKind::CounterBehind). The log is sealed, and the
    /// machine is unchanged. Begin a higher epoch over a counter that counts up.
    pub fn handle_numbers(
        &mut self,
        n: NonZeroU64,
        first: u64,
    ) -> Result<Option<EpochBegun>, PublishError<u64>> {
        let Stage::Numbers { tail, behind, .. } = self.stage else { return Ok(None) };
        let last = first.saturating_add(n.get() - 1);
        match tail.checked_sub(last).and_then(NonZeroU64::new) {
            None => Ok(self.begun(tail)),
            Some(n) if behind < ATTEMPTS => {
                self.stage = Stage::Numbers { tail, n, behind: behind + 1 };
                Ok(None)
            }
            Some(_) => self.fail(PublishErrorKind::CounterBehind { number: last, tail }),
        }
    }

    fn fail<T>(&self, kind: PublishErrorKind<u64>) -> Result<T, PublishError<u64>> {
        Err(PublishError { value: self.epoch, kind })
    }

    fn begun(&self, tail: u64) -> Option<EpochBegun> {
        Some(EpochBegun { epoch: self.epoch, tail })
    }
}
