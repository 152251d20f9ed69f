//! Counters and logs in one file, by [redb](https://docs.rs/redb): durable, for the threads of one process.
//!
//! | table | key | value |
//! |---|---|---|
//! | `counters` | name | the last number taken |
//! | `logs` | name | the lowest epoch that may write, the first slot kept, the highest occupied or trimmed |
//! | `slots` | name and slot | an [`entry`] |
//!
//! A request that changes something is one transaction, on disk when it is answered. Transactions that write run one
//! after another, which is what makes the counter linearizable and the slots written once; those that read see the last
//! that was committed, and wait for nobody.
//!
//! # Errors
//!
//! What fails before the commit is [`NotDone`](EngineError::NotDone), a commit that fails
//! [`Unknown`](EngineError::Unknown). After an error of the disk redb refuses everything until the file is opened
//! again; then repeat what is unknown.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use ::redb::{
    Database, DatabaseError, Error, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition,
    TableError, TransactionError, WriteTransaction,
};
use happens_before::Counter;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::codec::DecodeId;

use crate::entry;
use crate::error::{EngineError, MAX};
use crate::file::sync_directory_of;

const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const LOGS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("logs");
const SLOTS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("slots");

/// Why a request has no answer; the source is redb's own error.
pub type RedbError = EngineError<Error>;

/// A file of counters and logs; clones share it.
///
/// # Examples
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::{Counter, Dot};
/// use happens_before::broadcast::{Entry, SlotLog, WriteAnswer};
/// use happens_before_engines::redb::Redb;
///
/// # let directory = tempfile::tempdir()?;
/// let database = Redb::open(directory.path().join("orders.redb"))?;
/// let (counter, log) = (database.counter("orders"), database.log("orders"));
/// let slot = counter.increment_and_get(NonZeroU64::MIN)?;
/// let order = Entry::message(0, Dot::new("a".to_string(), 1).unwrap(), b"tea".to_vec());
/// assert_eq!(log.write(slot, &order)?, WriteAnswer::Written);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Redb {
    database: Arc<Database>,
}

/// A transaction's answer, and whether it changed anything.
enum Done<T> {
    Changed(T),
    Nothing(T),
}

impl Redb {
    /// Opens the file, or makes it. After a crash that takes time in proportion to its length.
    ///
    /// A new file is made under another name, beside, and gets its own when it is whole: redb cannot open what is only
    /// half made. A crash meanwhile may leave that other file, whose name ends in `.new`; it is of no use.
    ///
    /// # Errors
    ///
    /// [`NotDone`](EngineError::NotDone): the file is open already, in this process or in another, or is not a
    /// database, or cannot be read or written. [`Unknown`](EngineError::Unknown): the disk failed while the tables were
    /// made; open it again.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RedbError> {
        let path = path.as_ref();
        if !path.try_exists()? {
            make(path)?;
        }
        Self::with(Database::open(path)?)
    }

    /// Uses a database that is open already: with a cache of another size, on other storage, or with tables of your own.
    ///
    /// # Errors
    ///
    /// [`RedbError`] if the tables cannot be made.
    pub fn with(database: Database) -> Result<Self, RedbError> {
        let this = Self { database: Arc::new(database) };
        // What is opened for the first time is made, so that readers find it.
        this.transact(|transaction| {
            transaction.open_table(COUNTERS)?;
            transaction.open_table(LOGS)?;
            transaction.open_table(SLOTS)?;
            Ok(Done::Changed(()))
        })?;
        Ok(this)
    }

    /// Returns the counter of that name; a new one starts at 1.
    #[must_use]
    pub fn counter(&self, name: &str) -> RedbCounter {
        RedbCounter { redb: self.clone(), name: name.into() }
    }

    /// Returns the log of that name; a new one is empty, in epoch 0.
    #[must_use]
    pub fn log<I, P>(&self, name: &str) -> RedbLog<I, P> {
        RedbLog { redb: self.clone(), name: name.into(), types: PhantomData }
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<Done<T>, RedbError>,
    ) -> Result<T, RedbError> {
        // Durable at the commit, which is the default.
        let transaction = self.database.begin_write()?;
        match work(&transaction)? {
            Done::Changed(answer) => {
                transaction.commit().map_err(|error| RedbError::Unknown(error.into()))?;
                Ok(answer)
            }
            Done::Nothing(answer) => Ok(answer),
        }
    }
}

/// Makes a new file, whole or not at all; if there is one by then, it stays.
fn make(path: &Path) -> Result<(), RedbError> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}-{}.new", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    let named = Redb::with(Database::create(&new)?).and_then(|whole| {
        drop(whole);
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => Ok(linked?),
        }
    });
    fs::remove_file(&new)?;
    named?;
    Ok(sync_directory_of(path)?)
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").finish_non_exhaustive()
    }
}

/// A linearizable counter in a [`Redb`]; clones are the same counter.
///
/// Taking numbers costs a synchronous write, after those of all others in the file; [`Coalesced`](crate::Coalesced) shares
/// it among threads. `current` waits for nobody. Both O(log n) for n counters.
///
/// # Errors
///
/// [`RedbError`]; where the outcome of a take is [`Unknown`](crate::Outcome::Unknown), its numbers are spent or not.
#[derive(Clone, Debug)]
pub struct RedbCounter {
    redb: Redb,
    name: Arc<str>,
}

impl RedbCounter {
    /// Changes the last number taken to what `change` makes of it, and returns the one before.
    fn change(&self, change: impl FnOnce(u64) -> Result<u64, RedbError>) -> Result<u64, RedbError> {
        self.redb.transact(|transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let last = counters.get(&*self.name)?.map_or(0, |last| last.value());
            let next = change(last)?;
            if next == last {
                return Ok(Done::Nothing(last));
            }
            counters.insert(&*self.name, next)?;
            Ok(Done::Changed(last))
        })
    }

    /// Sees to it that only numbers above `last` are taken from now on: what a new epoch does with the tail that
    /// [`seal`](Log::seal) returned. A second time changes nothing.
    ///
    /// # Errors
    ///
    /// [`RedbError`] says whether it is done.
    pub fn raise(&self, last: u64) -> Result<(), RedbError> {
        RedbError::in_range(last)?;
        self.change(|before| Ok(before.max(last))).map(drop)
    }
}

impl Counter for RedbCounter {
    type Error = RedbError;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, RedbError> {
        let next = |last: u64| last.checked_add(n.get()).filter(|&next| next <= MAX);
        let last = self.change(|last| next(last).ok_or(RedbError::Exhausted { last }))?;
        // No overflow: the next one was in range.
        Ok(last + 1)
    }

    fn current(&self) -> Result<u64, RedbError> {
        let transaction = self.redb.database.begin_read()?;
        let counters = transaction.open_table(COUNTERS)?;
        Ok(counters.get(&*self.name)?.map_or(0, |last| last.value()))
    }
}

/// A log in a [`Redb`]: of slots and of appends, both of which may be used on one log. Clones are the same log.
///
/// A write, an append and a seal cost a synchronous write, after those of all others in the file, and O(log n) for n
/// entries; a trim O(entries that it forgets) as well. A read waits for nobody, and costs O(log n + entries).
///
/// # Errors
///
/// [`RedbError`], which says whether it is done.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit};
/// use happens_before_engines::redb::{Redb, RedbLog};
///
/// # let directory = tempfile::tempdir()?;
/// let log: RedbLog<u32, Vec<u8>> = Redb::open(directory.path().join("log.redb"))?.log("log");
/// let said = Entry::message(0, Dot::new(7, 1).unwrap(), b"tea?".to_vec());
/// assert_eq!(log.append(&said)?, AppendAnswer::Appended { slot: 1 });
/// assert_eq!(log.read(1, ReadLimit::entries(10))?, ReadAnswer::Entries(vec![(1, said)]));
/// assert_eq!(log.trim(2)?, 2); // when all have delivered it
/// assert_eq!(log.read(1, ReadLimit::entries(10))?, ReadAnswer::Trimmed { first: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RedbLog<I, P> {
    redb: Redb,
    name: Arc<str>,
    types: PhantomData<fn() -> (I, P)>,
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

/// What is known of a log, besides its entries.
struct State {
    epoch: u64,
    first: u64,
    tail: u64,
}

impl State {
    fn of(logs: &impl ReadableTable<&'static str, (u64, u64, u64)>, name: &str) -> Result<Self, RedbError> {
        let stored = logs.get(name)?.map(|state| state.value());
        let (epoch, first, tail) = stored.unwrap_or((0, 1, 0));
        Ok(Self { epoch, first, tail })
    }

    fn store(&self, logs: &mut Table<'_, &'static str, (u64, u64, u64)>, name: &str) -> Result<(), RedbError> {
        logs.insert(name, (self.epoch, self.first, self.tail))?;
        Ok(())
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Log<I, P> for RedbLog<I, P> {
    type Error = RedbError;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>, RedbError> {
        let transaction = self.redb.database.begin_read()?;
        let state = State::of(&transaction.open_table(LOGS)?, &self.name)?;
        if from < state.first {
            return Ok(ReadAnswer::Trimmed { first: state.first });
        }
        let mut entries = Vec::new();
        for found in transaction.open_table(SLOTS)?.range(keys(&self.name, from, u64::MAX))?.take(limit.entries)
        {
            let (key, bytes) = found?;
            let (_, slot) = key.value();
            entries.push((slot, decode(slot, bytes.value())?));
        }
        Ok(ReadAnswer::Entries(entries))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, RedbError> {
        RedbError::in_range(epoch)?;
        self.redb.transact(|transaction| {
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
        self.redb.transact(|transaction| {
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

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> SlotLog<I, P> for RedbLog<I, P> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, RedbError> {
        RedbError::in_range(slot.max(entry.epoch()))?;
        self.redb.transact(|transaction| {
            let (mut logs, mut slots) = (transaction.open_table(LOGS)?, transaction.open_table(SLOTS)?);
            let mut state = State::of(&logs, &self.name)?;
            if slot < state.first {
                return Ok(Done::Nothing(WriteAnswer::Trimmed { first: state.first }));
            }
            if let Some(occupied) = slots.get((&*self.name, slot))? {
                return Ok(Done::Nothing(WriteAnswer::Occupied(decode(slot, occupied.value())?)));
            }
            if entry.epoch() < state.epoch {
                return Ok(Done::Nothing(WriteAnswer::Sealed { epoch: state.epoch }));
            }
            slots.insert((&*self.name, slot), &*entry::encode(entry))?;
            state.tail = state.tail.max(slot);
            state.store(&mut logs, &self.name)?;
            Ok(Done::Changed(WriteAnswer::Written))
        })
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AppendLog<I, P> for RedbLog<I, P> {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer, RedbError> {
        RedbError::in_range(entry.epoch())?;
        self.redb.transact(|transaction| {
            let (mut logs, mut slots) = (transaction.open_table(LOGS)?, transaction.open_table(SLOTS)?);
            let mut state = State::of(&logs, &self.name)?;
            if entry.epoch() < state.epoch {
                return Ok(Done::Nothing(AppendAnswer::Sealed { epoch: state.epoch }));
            }
            if state.tail >= MAX {
                return Err(RedbError::Exhausted { last: state.tail });
            }
            state.tail += 1;
            slots.insert((&*self.name, state.tail), &*entry::encode(entry))?;
            state.store(&mut logs, &self.name)?;
            Ok(Done::Changed(AppendAnswer::Appended { slot: state.tail }))
        })
    }
}

/// The slots of one log, both ends included.
fn keys(name: &str, first: u64, last: u64) -> RangeInclusive<(&str, u64)> {
    (name, first)..=(name, last)
}

fn decode<I: DecodeId, P: From<Vec<u8>>>(slot: u64, bytes: &[u8]) -> Result<Entry<I, P>, RedbError> {
    entry::decode(bytes).map_err(|error| RedbError::Damaged { slot, error })
}

/// What fails within a transaction, or before one, is not done; only its commit may be.
macro_rules! not_done {
    ($($error:ty),*) => {$(
        impl From<$error> for RedbError {
            fn from(error: $error) -> Self {
                Self::NotDone(error.into())
            }
        }
    )*};
}

not_done!(DatabaseError, TransactionError, TableError, StorageError, io::Error);
