//! A log in memory, of slots and of appends.

use core::cell::RefCell;
use core::fmt;

use super::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, SealAnswer, SlotLog, WriteAnswer};
use crate::compat::VecDeque;

/// A log in memory: for one process, for tests, and as the model of what an engine does.
///
/// By itself it has one owner. In a `RefCell`, or in a `Mutex` where threads share it, it is a [`SlotLog`] and an
/// [`AppendLog`]; both may be used on one log.
///
/// It keeps the slots from the first that is not trimmed up to the highest occupied one, holes included, and is full
/// when that would be more than its limit. Every operation is O(1), but for what it returns or forgets.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "std")] {
/// use std::sync::Mutex;
/// use happens_before::Dot;
/// use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, MemoryLog};
///
/// let log = Mutex::new(MemoryLog::new(1_000));
/// std::thread::scope(|scope| {
///     for node in 0..4_u8 {
///         let log = &log;
///         scope.spawn(move || log.append(&Entry::message(0, Dot::new(node, 1).unwrap(), "hi")));
///     }
/// });
/// let last = log.append(&Entry::message(0, Dot::new(9, 1).unwrap(), "bye"));
/// assert_eq!(last, Ok(AppendAnswer::Appended { slot: 5 }));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryLog<I, P> {
    /// The first slot that is not trimmed, at least 1.
    first: u64,
    /// From `first` on; the last one is occupied.
    slots: VecDeque<Option<Entry<I, P>>>,
    /// The lowest epoch that may write.
    epoch: u64,
    limit: usize,
}

impl<I: Clone, P: Clone> MemoryLog<I, P> {
    /// Makes an empty log that keeps at most `limit` slots, in epoch 0. Does not allocate.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { first: 1, slots: VecDeque::new(), epoch: 0, limit }
    }

    /// Returns the highest occupied slot, or the highest trimmed one if all are trimmed; 0 if there is none.
    pub fn tail(&self) -> u64 {
        // No overflow and no underflow: slots begin at 1 and end, by `index`, at or below `u64::MAX`.
        self.first - 1 + self.slots.len() as u64
    }

    /// Returns the place of a slot that may be kept.
    fn index(&self, slot: u64) -> Result<usize, LogFull> {
        let index = usize::try_from(slot - self.first).ok().filter(|&index| index < self.limit);
        index.ok_or(LogFull { slot, first: self.first, limit: self.limit })
    }

    /// As [`SlotLog::write`].
    ///
    /// # Errors
    ///
    /// [`LogFull`]; nothing is written.
    #[inline]
    pub fn write(&mut self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, LogFull> {
        if slot < self.first {
            return Ok(WriteAnswer::Trimmed { first: self.first });
        }
        let index = self.index(slot)?;
        match self.slots.get_mut(index) {
            Some(Some(occupied)) => return Ok(WriteAnswer::Occupied(occupied.clone())),
            _ if entry.epoch() < self.epoch => return Ok(WriteAnswer::Sealed { epoch: self.epoch }),
            Some(hole) => *hole = Some(entry.clone()),
            None => {
                if index > self.slots.len() {
                    self.slots.resize_with(index, || None);
                }
                self.slots.push_back(Some(entry.clone()));
            }
        }
        Ok(WriteAnswer::Written)
    }

    /// As [`AppendLog::append`].
    ///
    /// # Errors
    ///
    /// [`LogFull`]; nothing is stored.
    pub fn append(&mut self, entry: &Entry<I, P>) -> Result<AppendAnswer, LogFull> {
        if entry.epoch() < self.epoch {
            return Ok(AppendAnswer::Sealed { epoch: self.epoch });
        }
        // Saturated, it is occupied or trimmed, and so refused as full just below.
        let slot = self.tail().saturating_add(1);
        if self.slots.len() >= self.limit || slot == self.tail() {
            return Err(LogFull { slot, first: self.first, limit: self.limit });
        }
        self.slots.push_back(Some(entry.clone()));
        Ok(AppendAnswer::Appended { slot })
    }

    /// As [`Log::read`].
    pub fn read(&self, from: u64, limit: usize) -> ReadAnswer<I, P> {
        if from < self.first {
            return ReadAnswer::Trimmed { first: self.first };
        }
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let slots = self.slots.iter().skip(skipped).zip(from..=u64::MAX);
        let occupied = slots.filter_map(|(entry, slot)| Some((slot, entry.clone()?)));
        ReadAnswer::Entries(occupied.take(limit).collect())
    }

    /// As [`Log::seal`].
    pub fn seal(&mut self, epoch: u64) -> SealAnswer {
        self.epoch = self.epoch.max(epoch);
        SealAnswer { epoch: self.epoch, tail: self.tail() }
    }

    /// As [`Log::trim`].
    pub fn trim(&mut self, below: u64) -> u64 {
        if let Some(more) = below.checked_sub(self.first) {
            let forgotten = usize::try_from(more).unwrap_or(usize::MAX).min(self.slots.len());
            self.slots.drain(..forgotten);
            self.first = below;
            // The first that is kept may be a hole, the last one never.
        }
        self.first
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        match self.slots.back() {
            _ if self.first == 0 => Err("M1: slot 0 is never kept"),
            _ if self.slots.len() > self.limit => Err("M2: no more slots are kept than the limit says"),
            Some(None) => Err("M3: the last slot that is kept is occupied"),
            _ => Ok(()),
        }
    }
}

/// Makes a memory log in a cell a log that is used by `&self`.
macro_rules! shared {
    ($cell:ident, $log:ident => $locked:expr) => {
        impl<I: Clone, P: Clone> Log<I, P> for $cell<MemoryLog<I, P>> {
            type Error = LogFull;

            fn read(&self, from: u64, limit: usize) -> Result<ReadAnswer<I, P>, LogFull> {
                let $log = self;
                Ok($locked.read(from, limit))
            }

            fn seal(&self, epoch: u64) -> Result<SealAnswer, LogFull> {
                let $log = self;
                Ok($locked.seal(epoch))
            }

            fn trim(&self, below: u64) -> Result<u64, LogFull> {
                let $log = self;
                Ok($locked.trim(below))
            }
        }

        impl<I: Clone, P: Clone> SlotLog<I, P> for $cell<MemoryLog<I, P>> {
            fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, LogFull> {
                let $log = self;
                $locked.write(slot, entry)
            }
        }

        impl<I: Clone, P: Clone> AppendLog<I, P> for $cell<MemoryLog<I, P>> {
            fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer, LogFull> {
                let $log = self;
                $locked.append(entry)
            }
        }
    };
}

shared!(RefCell, log => log.borrow_mut());

#[cfg(feature = "std")]
#[expect(clippy::disallowed_types, reason = "the caller's lock, made a log; the core takes none of its own")]
mod threads {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    // A thread that panicked while it held the lock was in `clone`, and had changed nothing.
    shared!(Mutex, log => log.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A log in memory has no room for a slot; nothing is written.
///
/// Trim what every subscriber has delivered, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFull {
    /// The slot that would have been written.
    pub slot: u64,
    /// The first slot that is kept.
    pub first: u64,
    /// How many are kept at most.
    pub limit: usize,
}

impl fmt::Display for LogFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, first, limit } = self;
        write!(
            f,
            "no room for slot {slot} beside those from {first} on: {limit} are kept; trim what is delivered"
        )
    }
}

impl core::error::Error for LogFull {}
