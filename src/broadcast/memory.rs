//! A log in memory, of slots and of appends.

use core::cell::RefCell;

use super::measure::size;
use super::ring::Ring;
use super::{
    AppendAnswer, AppendLog, Content, Entry, Log, LogFull, ReadAnswer, ReadLimit, SealAnswer, SlotLog,
    WriteAnswer,
};
use crate::compat::{BTreeMap, Vec};
use crate::node::NodeId;

/// A log in memory: for one process, for tests, and as the model of an engine.
///
/// By itself it has one owner. In a `RefCell`, or in a `Mutex` where threads share it, it is a [`SlotLog`] and an
/// [`AppendLog`]; both may be used on one log.
///
/// It keeps the slots from the first that is not trimmed up to the highest occupied one, holes included. It is full
/// when that would exceed its limit. Writing is O(1), amortised over the slots kept: a write far ahead makes room for
/// all slots below it. Reading and trimming are O(slots passed), holes included.
///
/// The bytes of a [`ReadLimit`] are those in memory: the size of the entries, plus what the function given to
/// [`measured`](Self::measured) returns for their payloads.
///
/// # Examples
///
/// Four threads append to one log in a mutex, and the fifth entry gets slot 5. Append the last entry again: the log
/// answers `AlreadyAppended` with the same slot.
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
    /// The slots from the first one that is not trimmed, at least 1.
    slots: Ring<Entry<I, P>>,
    tail: u64,
    /// The lowest epoch that may write.
    epoch: u64,
    /// The highest number stored of each node, and its slot.
    numbers: BTreeMap<I, (u64, u64)>,
    measure: fn(&P) -> usize,
}

impl<I: NodeId, P: Clone + PartialEq> MemoryLog<I, P> {
    /// Makes an empty log that keeps at most `limit` slots, in epoch 0. Does not allocate.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self::measured(limit, |_| 0)
    }

    /// Makes an empty log that adds `measure(payload)` bytes for each payload when it counts [`ReadLimit::bytes`].
    ///
    /// Without it a payload counts only for its size in memory, and not for the memory that it owns elsewhere.
    #[must_use]
    pub const fn measured(limit: usize, measure: fn(&P) -> usize) -> Self {
        Self { slots: Ring::new(1, limit), tail: 0, epoch: 0, numbers: BTreeMap::new(), measure }
    }

    /// Returns the highest occupied slot, or the highest trimmed one if all are trimmed. 0 if there is none.
    pub fn tail(&self) -> u64 {
        self.tail
    }

    fn full(&self, slot: u64) -> LogFull {
        LogFull { slot, first: self.slots.first(), limit: self.slots.limit() }
    }

    /// Returns the highest number of the entry's node, and its slot, if the entry's number is not above it.
    fn used(&self, entry: &Entry<I, P>) -> Option<(u64, u64)> {
        let id = entry.id()?;
        self.numbers.get(id.node()).copied().filter(|&(highest, _)| id.counter() <= highest)
    }

    /// Returns the highest number of the entry's node if that number is not below the entry's, or its slot is above
    /// `slot`.
    fn used_below(&self, slot: u64, entry: &Entry<I, P>) -> Option<u64> {
        let &(highest, last) = self.numbers.get(entry.id()?.node())?;
        (entry.id()?.counter() <= highest || slot < last).then_some(highest)
    }

    /// Stores an entry in an empty place. The caller's code runs first, so that nothing is stored if it panics.
    fn store(&mut self, slot: u64, entry: &Entry<I, P>) {
        let stored = entry.clone();
        let retired = if let Content::Retire { node, .. } = entry.content() { Some(node) } else { None };
        if let Some(node) = retired {
            self.numbers.remove(node);
        }
        if let (Some(id), Some(last)) = (entry.id(), entry.last_number())
            && retired != Some(id.node())
        {
            match self.numbers.get_mut(id.node()) {
                Some(number) => *number = (last, slot),
                None => drop(self.numbers.insert(id.node().clone(), (last, slot))),
            }
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(stored);
            self.tail = self.tail.max(slot);
        }
    }

    /// As [`SlotLog::write`].
    ///
    /// # Errors
    ///
    /// [`LogFull`]; nothing is written.
    #[inline]
    pub fn write(&mut self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, LogFull> {
        let first = self.slots.first();
        if slot < first {
            return Ok(WriteAnswer::Trimmed { first });
        }
        self.slots.reach(slot);
        let Some(place) = self.slots.get_mut(slot) else { return Err(self.full(slot)) };
        if let Some(occupied) = place {
            return Ok(WriteAnswer::Occupied(occupied.clone()));
        }
        if entry.epoch() < self.epoch {
            return Ok(WriteAnswer::Sealed { epoch: self.epoch });
        }
        if let Some(highest) = self.used_below(slot, entry) {
            return Ok(WriteAnswer::NumberUsed { highest });
        }
        self.store(slot, entry);
        Ok(WriteAnswer::Written)
    }

    /// As [`AppendLog::append`].
    ///
    /// # Errors
    ///
    /// [`LogFull`]; nothing is stored.
    pub fn append(&mut self, entry: &Entry<I, P>) -> Result<AppendAnswer, LogFull> {
        let used = self.used(entry);
        if let Some((_, slot)) = used
            && self.slots.get(slot).is_some_and(|stored| stored == entry)
        {
            return Ok(AppendAnswer::AlreadyAppended { slot });
        }
        if entry.epoch() < self.epoch {
            return Ok(AppendAnswer::Sealed { epoch: self.epoch });
        }
        if let Some((highest, _)) = used {
            return Ok(AppendAnswer::NumberUsed { highest });
        }
        // If the sum saturates, the slot is trimmed or occupied.
        let slot = self.tail.saturating_add(1);
        self.slots.reach(slot);
        if !matches!(self.slots.get_mut(slot), Some(None)) {
            return Err(self.full(slot));
        }
        self.store(slot, entry);
        Ok(AppendAnswer::Appended { slot })
    }

    /// As [`Log::read`].
    pub fn read(&self, from: u64, limit: ReadLimit) -> ReadAnswer<I, P> {
        let first = self.slots.first();
        if from < first {
            return ReadAnswer::Trimmed { first };
        }
        let slots = from..=self.tail;
        let (mut found, mut bytes) = (Vec::with_capacity(slots.size_hint().0.min(limit.entries)), 0_usize);
        for slot in slots {
            if found.len() >= limit.entries {
                break;
            }
            let Some(entry) = self.slots.get(slot) else { continue };
            bytes = bytes.saturating_add(size(entry, Some(self.measure)));
            if bytes > limit.bytes && found.len() >= 2 {
                break;
            }
            found.push((slot, entry.clone()));
        }
        ReadAnswer::Entries(found)
    }

    /// As [`Log::seal`].
    pub fn seal(&mut self, epoch: u64) -> SealAnswer {
        self.epoch = self.epoch.max(epoch);
        SealAnswer { epoch: self.epoch, tail: self.tail }
    }

    /// As [`Log::trim`].
    pub fn trim(&mut self, below: u64) -> u64 {
        if below > self.slots.first() {
            self.slots.skip_to(below);
            self.tail = self.tail.max(below - 1);
        }
        self.slots.first()
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let trimmed = self.slots.first().checked_sub(1).ok_or("ML1: slot 0 is never kept")?;
        if self.tail != self.slots.occupied().last().unwrap_or(trimmed) {
            Err("ML2: the tail is the highest slot that is occupied, or trimmed")
        } else if self.tail - trimmed > self.slots.limit() as u64 {
            Err("ML3: no more slots are kept than the limit says")
        } else {
            Ok(())
        }
    }
}

/// Implements the traits of a log for a memory log in a cell.
macro_rules! shared {
    ($cell:ident, $log:ident => $locked:expr) => {
        impl<I: NodeId, P: Clone + PartialEq> Log for $cell<MemoryLog<I, P>> {
            type Node = I;
            type Payload = P;
            type Error = LogFull;

            fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>, LogFull> {
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

        impl<I: NodeId, P: Clone + PartialEq> SlotLog for $cell<MemoryLog<I, P>> {
            #[inline]
            fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, LogFull> {
                let $log = self;
                $locked.write(slot, entry)
            }
        }

        impl<I: NodeId, P: Clone + PartialEq> AppendLog for $cell<MemoryLog<I, P>> {
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

    // A thread can panic here only in `clone`, where it has changed nothing yet. So a poisoned lock is sound.
    shared!(Mutex, log => log.lock().unwrap_or_else(PoisonError::into_inner));
}
