//! The log: a row for its marks, and one for each entry.

use core::fmt;
use core::marker::PhantomData;
use core::ops::RangeInclusive;
use std::sync::Arc;

use ::redb::{ReadableTable, Table, WriteTransaction};
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::codec::DecodeId;

use super::Redb;
use super::error::{RedbError, corrupted};
use super::guarded::Done;
use super::rows::{LOGS, PUBLISHERS, Place, Row, SLOTS};
use crate::entry::Numbers;
use crate::error::MAX;
use crate::{checksum, entry};

/// The highest length of a value in redb, in bytes.
const MAX_ROW: u64 = 3 << 30;

/// A log in a [`Redb`], with slots and appends, which may be mixed. Clones are the same log.
///
/// A write, an append or a seal costs O(log n) for n entries, and one synchronous write to the disk. It waits for all
/// earlier ones in the file. A trim costs O(forgotten entries) in addition. A read does not wait. It costs O(log n +
/// entries). Trimmed slots make room for later entries; [`Redb::compact`] gives their room back to the disk.
///
/// # Errors
///
/// [`RedbError`], which says whether the request is done. An entry of more than 3 GiB, the limit of redb, is
/// [`EntryTooLong`](RedbError::EntryTooLong).
///
/// # Examples
///
/// An entry is appended, read and trimmed. Append it again before the trim: the answer is `AlreadyAppended`.
///
/// ```
/// use happens_before::Dot;
/// use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit};
/// use happens_before_engines::redb::{Redb, RedbLog};
///
/// # let directory = tempfile::tempdir()?;
/// let log: RedbLog<u32, Vec<u8>> = Redb::open(directory.path().join("log.redb"))?.log("log")?;
/// let said = Entry::message(0, Dot::new(7, 1).unwrap(), b"tea?".to_vec());
/// assert_eq!(log.append(&said)?, AppendAnswer::Appended { slot: 1 });
/// assert_eq!(log.read(1, ReadLimit::entries(10))?, ReadAnswer::Entries(vec![(1, said)]));
/// assert_eq!(log.trim(2)?, 2); // once all have delivered it
/// assert_eq!(log.read(1, ReadLimit::entries(10))?, ReadAnswer::Trimmed { first: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RedbLog<I, P> {
    pub(super) redb: Redb,
    pub(super) name: Arc<str>,
    pub(super) types: PhantomData<fn() -> (I, P)>,
}

impl<I, P> Clone for RedbLog<I, P> {
    fn clone(&self) -> Self {
        Self { redb: self.redb.clone(), name: self.name.clone(), types: PhantomData }
    }
}

impl<I, P> fmt::Debug for RedbLog<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbLog").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The state of a log, besides its entries.
struct State {
    epoch: u64,
    first: u64,
    tail: u64,
}

impl State {
    fn of(logs: &impl ReadableTable<&'static str, Row>, name: &str) -> Result<Self, RedbError> {
        let Some(row) = logs.get(name)? else { return Ok(Self { epoch: 0, first: 1, tail: 0 }) };
        let [epoch, first, tail] = Place::log(name).decode(row.value())?;
        Ok(Self { epoch, first, tail })
    }

    fn store(&self, logs: &mut Table<'_, &'static str, Row>, name: &str) -> Result<(), RedbError> {
        logs.insert(name, &*Place::log(name).encode(&[self.epoch, self.first, self.tail]))?;
        Ok(())
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Log for RedbLog<I, P> {
    type Node = I;
    type Payload = P;
    type Error = RedbError;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>, RedbError> {
        let found = self.redb.database.read(|transaction| {
            let state = State::of(&transaction.open_table(LOGS)?, &self.name)?;
            if from < state.first {
                return Ok(Err(state.first));
            }
            let (mut rows, mut bytes, mut lowest) = (Vec::new(), 0_usize, from);
            for found in
                transaction.open_table(SLOTS)?.range(keys(&self.name, from, u64::MAX))?.take(limit.entries)
            {
                let (key, row) = found?;
                let ((name, slot), row) = (key.value(), row.value());
                // Damage may have swapped pages of the file.
                if name != &*self.name || slot < lowest {
                    return Err(corrupted("slots are out of order; restore the file from a copy"));
                }
                lowest = slot.saturating_add(1);
                bytes = bytes.saturating_add(row.len());
                if bytes > limit.bytes && rows.len() >= 2 {
                    break;
                }
                rows.push((slot, row.to_vec()));
            }
            Ok(Ok(rows))
        })?;
        Ok(match found {
            Err(first) => ReadAnswer::Trimmed { first },
            Ok(rows) => ReadAnswer::Entries(
                rows.into_iter().map(|(slot, row)| (slot, self.stored(slot, &row))).collect(),
            ),
        })
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, RedbError> {
        RedbError::in_range(epoch)?;
        self.redb.database.write(|transaction| {
            let mut logs = transaction.open_table(LOGS)?;
            let mut state = State::of(&logs, &self.name)?;
            let sealed = state.epoch >= epoch;
            state.epoch = state.epoch.max(epoch);
            let answer = SealAnswer { epoch: state.epoch, tail: state.tail };
            if sealed {
                return Ok(Done::Nothing(answer));
            }
            state.store(&mut logs, &self.name)?;
            Ok(Done::Changed(answer))
        })
    }

    fn trim(&self, below: u64) -> Result<u64, RedbError> {
        RedbError::in_range(below)?;
        self.redb.database.write(|transaction| {
            let mut logs = transaction.open_table(LOGS)?;
            let mut state = State::of(&logs, &self.name)?;
            if below <= state.first {
                return Ok(Done::Nothing(state.first));
            }
            transaction.open_table(SLOTS)?.retain_in(keys(&self.name, 0, below - 1), |_, _| false)?;
            state.first = below;
            state.tail = state.tail.max(below - 1);
            state.store(&mut logs, &self.name)?;
            Ok(Done::Changed(below))
        })
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> SlotLog for RedbLog<I, P> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, RedbError> {
        RedbError::in_range(slot.max(entry.epoch()))?;
        // The caller's code, such as that of payloads, runs outside the transaction.
        let row = entry::begin_within(entry, MAX_ROW)?;
        let (row, numbers) = (checksum::end(Place::slot(&self.name, slot).as_bytes(), row), Numbers::of(entry));
        let found = self.redb.database.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let mut state = State::of(&tables.logs, &self.name)?;
            let refused = |answer| Ok(Done::Nothing(Found::Answer(answer)));
            if slot < state.first {
                return refused(WriteAnswer::Trimmed { first: state.first });
            }
            if let Some(occupied) = tables.slots.get((&*self.name, slot))? {
                return Ok(Done::Nothing(Found::Row(occupied.value().to_vec())));
            }
            if entry.epoch() < state.epoch {
                return refused(WriteAnswer::Sealed { epoch: state.epoch });
            }
            if let Some(Used { highest, .. }) = tables.used(&self.name, numbers.as_ref(), slot)? {
                return refused(WriteAnswer::NumberUsed { highest });
            }
            state.tail = state.tail.max(slot);
            tables.store(&self.name, &state, slot, &row, numbers.as_ref())?;
            Ok(Done::Changed(Found::Answer(WriteAnswer::Written)))
        })?;
        Ok(match found {
            Found::Answer(answer) => answer,
            Found::Row(row) => WriteAnswer::Occupied(self.stored(slot, &row)),
        })
    }
}

/// The result of a write: an answer, or the row in the slot.
enum Found<A> {
    Answer(A),
    Row(Vec<u8>),
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AppendLog for RedbLog<I, P> {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer, RedbError> {
        RedbError::in_range(entry.epoch())?;
        let (row, numbers) = (entry::begin_within(entry, MAX_ROW)?, Numbers::of(entry));
        let row_at = |slot| checksum::end(Place::slot(&self.name, slot).as_bytes(), row.clone());
        self.redb.database.write(|transaction| {
            let mut tables = Tables::open(transaction)?;
            let mut state = State::of(&tables.logs, &self.name)?;
            let used = tables.used(&self.name, numbers.as_ref(), u64::MAX)?;
            if let Some(Used { slot, .. }) = used
                && tables.slots.get((&*self.name, slot))?.is_some_and(|stored| stored.value() == row_at(slot))
            {
                return Ok(Done::Nothing(AppendAnswer::AlreadyAppended { slot }));
            }
            if entry.epoch() < state.epoch {
                return Ok(Done::Nothing(AppendAnswer::Sealed { epoch: state.epoch }));
            }
            if let Some(Used { highest, .. }) = used {
                return Ok(Done::Nothing(AppendAnswer::NumberUsed { highest }));
            }
            if state.tail >= MAX {
                return Err(RedbError::Exhausted { last: state.tail });
            }
            state.tail += 1;
            let slot = state.tail;
            tables.store(&self.name, &state, slot, &row_at(slot), numbers.as_ref())?;
            Ok(Done::Changed(AppendAnswer::Appended { slot }))
        })
    }
}

/// The tables that storing an entry changes.
struct Tables<'a> {
    logs: Table<'a, &'static str, Row>,
    slots: Table<'a, (&'static str, u64), Row>,
    publishers: Table<'a, (&'static str, &'static [u8]), Row>,
}

/// A used number of a node.
#[derive(Clone, Copy)]
struct Used {
    highest: u64,
    /// The slot that holds it.
    slot: u64,
}

impl<'a> Tables<'a> {
    fn open(transaction: &'a WriteTransaction) -> Result<Self, RedbError> {
        Ok(Self {
            logs: transaction.open_table(LOGS)?,
            slots: transaction.open_table(SLOTS)?,
            publishers: transaction.open_table(PUBLISHERS)?,
        })
    }

    /// Returns the highest number of the node, if the first number is not above it, or `at` is below its slot.
    fn used(&self, name: &str, numbers: Option<&Numbers>, at: u64) -> Result<Option<Used>, RedbError> {
        let Some(Numbers { node, first, .. }) = numbers else { return Ok(None) };
        let Some(row) = self.publishers.get((name, &**node))? else { return Ok(None) };
        let [highest, slot] = Place::publisher(name, node).decode(row.value())?;
        Ok((*first <= highest || at < slot).then_some(Used { highest, slot }))
    }

    fn store(
        &mut self,
        name: &str,
        state: &State,
        slot: u64,
        row: &[u8],
        numbers: Option<&Numbers>,
    ) -> Result<(), RedbError> {
        self.slots.insert((name, slot), row)?;
        state.store(&mut self.logs, name)?;
        if let Some(Numbers { node, last, retired, .. }) = numbers {
            self.publishers.insert((name, &**node), &*Place::publisher(name, node).encode(&[*last, slot]))?;
            if let Some(retired) = retired {
                self.publishers.remove((name, &**retired))?;
            }
        }
        Ok(())
    }
}

/// Returns the keys of slots of one log, both ends included.
fn keys(name: &str, first: u64, last: u64) -> RangeInclusive<(&str, u64)> {
    (name, first)..=(name, last)
}

impl<I: DecodeId, P: From<Vec<u8>>> RedbLog<I, P> {
    fn stored(&self, slot: u64, row: &[u8]) -> Entry<I, P> {
        entry::stored(Place::slot(&self.name, slot).as_bytes(), row)
    }
}
