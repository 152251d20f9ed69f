//! Counters and logs in one file, with [redb](https://docs.rs/redb): durable, for the threads of one process.
//!
//! | table | key | value |
//! |---|---|---|
//! | `counters` | name | the last number taken |
//! | `logs` | name | the lowest epoch that may write, the first slot kept, the highest occupied or trimmed |
//! | `slots` | name and slot | an [`entry`] |
//! | `publishers` | name and node | the highest stored number of the node, and its slot |
//!
//! Their names in the file begin with `checked`. Numbers take 8 bytes, the lowest byte first.
//!
//! A request that changes something is one transaction, which is on the disk when it is answered. Writing transactions
//! run one after another, so the counter is linearizable and slots are written once. Reading transactions see the last
//! committed state, and do not wait.
//!
//! # Space
//!
//! A trim does not make the file shorter: later entries use its room. [`Redb::compact`] gives that room back to the
//! file system.
//!
//! # Earlier versions
//!
//! A file of a version whose rows had no checksums is refused and left unchanged. Read it with that version, and write
//! its content to a new file.
//!
//! # Damage
//!
//! Every row begins with a checksum of its table, key and value, so only what was written is ever delivered. A panic of
//! redb over a damaged file becomes an error.
//!
//! Only rows that are read are checked. A row whose *key* was changed is not found, and its slot looks like a hole.
//! [`redb::Database::check_integrity`](::redb::Database::check_integrity) reads the whole file and finds that too. It
//! repairs what it can, so give it a copy.
//!
//! # Errors
//!
//! A request that fails before its commit is [`NotDone`](crate::EngineError::NotDone). One whose commit fails is
//! [`Unknown`](crate::EngineError::Unknown). After an error of the disk, or a panic in redb, every request is refused
//! until the file is opened again. Then repeat the unknown requests.

mod counter;
mod error;
mod guarded;
mod log;
mod rows;

use core::fmt;
use core::marker::PhantomData;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::redb::{Database, TableHandle};

use self::error::corrupted;
use self::guarded::{Done, Guarded, guarded};
use self::rows::{COUNTERS, LOGS, PUBLISHERS, SLOTS, UNCHECKED};
#[cfg(doc)]
use crate::entry;
use crate::error::NameError;
use crate::file::sync_directory_of;

pub use self::counter::RedbCounter;
pub use self::error::RedbError;
pub use self::log::RedbLog;

/// A file of counters and logs. Clones share it.
///
/// # Examples
///
/// A number, and an entry in its slot. Drop everything and open the file again: the entry is still there, and the next
/// number is 2.
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, SlotLog, WriteAnswer};
/// use happens_before::counter::Counter;
/// use happens_before_engines::redb::Redb;
///
/// # let directory = tempfile::tempdir()?;
/// let database = Redb::open(directory.path().join("orders.redb"))?;
/// let (counter, log) = (database.counter("orders")?, database.log("orders")?);
/// let slot = counter.increment_and_get(NonZeroU64::MIN)?;
/// let order = Entry::message(0, Dot::new("a".to_string(), 1).unwrap(), b"tea".to_vec());
/// assert_eq!(log.write(slot, &order)?, WriteAnswer::Written);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Redb {
    database: Arc<Guarded>,
}

impl Redb {
    /// Opens the file, or makes it, in a folder that exists. After a crash this takes time in proportion to its length.
    ///
    /// redb cannot open a file that is half made. So a new file is made beside its place, under its name with `.new`
    /// added, and renamed once it is whole. Meanwhile an empty file with `.lock` added keeps other processes from doing
    /// the same. No hard links are needed. A crash or an error may leave both files. The next opening removes them; if the
    /// database has its name by then, only the empty `.lock` can be left, and it is harmless. So these two names belong to
    /// the database: do not keep a file of your own there.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone): the file is already open, in this process or another; is not a
    /// database; is damaged; or cannot be read or written. [`Unknown`](crate::EngineError::Unknown): the disk failed
    /// while the tables were made; open it again.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RedbError> {
        let path = path.as_ref();
        if !path.try_exists()? {
            make(path)?;
        }
        Self::with(guarded(|| Database::open(path)).map_err(RedbError::NotDone)??)
    }

    /// Uses a database that the caller has opened, with its own cache size, storage or tables.
    ///
    /// # Errors
    ///
    /// [`RedbError`] if the tables cannot be made.
    pub fn with(database: Database) -> Result<Self, RedbError> {
        let this = Self { database: Arc::new(Guarded::new(database)) };
        this.database.write(|transaction| {
            let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_string()).collect();
            let has = |tables: &[&str]| {
                tables.iter().filter(|&&table| names.iter().any(|name| name == table)).count()
            };
            if has(&UNCHECKED) == UNCHECKED.len() {
                return Err(corrupted(
                    "the file is of an earlier version, whose rows have no checksums; \
                     read it with that version, and write what it holds to a new one",
                ));
            }
            let ours = [COUNTERS.name(), LOGS.name(), PUBLISHERS.name(), SLOTS.name()];
            if has(&ours) != 0 && has(&ours) != ours.len() {
                return Err(corrupted("a table is gone; restore the file from a copy"));
            }
            // Opening a table for the first time makes it, so that readers find it.
            transaction.open_table(COUNTERS)?;
            transaction.open_table(LOGS)?;
            transaction.open_table(PUBLISHERS)?;
            transaction.open_table(SLOTS)?;
            Ok(if has(&ours) == 0 { Done::Changed(()) } else { Done::Nothing(()) })
        })?;
        Ok(this)
    }

    /// Returns the counter of that name; a new one starts at 1. Reads and writes nothing.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    pub fn counter(&self, name: &str) -> Result<RedbCounter, RedbError> {
        NameError::check(name)?;
        Ok(RedbCounter { redb: self.clone(), name: name.into() })
    }

    /// Returns the log of that name; a new one is empty, in epoch 0. Reads and writes nothing.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    pub fn log<I, P>(&self, name: &str) -> Result<RedbLog<I, P>, RedbError> {
        NameError::check(name)?;
        Ok(RedbLog { redb: self.clone(), name: name.into(), types: PhantomData })
    }

    /// Makes the file as short as its content allows, for example after a [trim](happens_before::broadcast::Log::trim).
    ///
    /// Counters and logs may be in use meanwhile. The compaction waits for the requests that have begun, and later
    /// requests wait for it. It moves the rows at the end of the file to free places, in transactions. So a crash leaves
    /// everything that was answered, and part of the room given back. It takes time in proportion to the length of the
    /// file: compact seldom, at a quiet hour. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone) if a database handed to [`with`](Self::with) has a savepoint, or a read
    /// transaction that the caller still holds: end it, and repeat. [`Unknown`](crate::EngineError::Unknown) if the disk
    /// fails: no row is lost, and part of the room may be given back. Open the file again, and repeat.
    ///
    /// # Examples
    ///
    /// ```
    /// use happens_before::Dot;
    /// use happens_before::broadcast::{AppendLog, Entry, Log};
    /// use happens_before_engines::redb::{Redb, RedbLog};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log.redb");
    /// let database = Redb::open(&path)?;
    /// let log: RedbLog<u32, Vec<u8>> = database.log("log")?;
    /// for number in 1..=20 {
    ///     log.append(&Entry::message(0, Dot::new(7, number).unwrap(), vec![0; 100_000]))?;
    /// }
    /// log.trim(20)?;
    /// database.compact()?;
    /// assert!(path.metadata()?.len() < 1_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compact(&self) -> Result<(), RedbError> {
        self.database.compact()
    }
}

/// Makes a new file, whole or not at all. A file that another caller has made meanwhile is kept.
fn make(path: &Path) -> Result<(), RedbError> {
    let beside = |suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (new, lock) = (beside(".new"), beside(".lock"));
    // Only the holder of the lock makes the file. redb does without locks where the system has none, and so does this.
    let alone = OpenOptions::new().create(true).append(true).open(&lock)?;
    match alone.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error.into()),
        _ => {}
    }
    // A link to a file that is gone is a name in use too: its folder may only be away.
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            remove(&new)?; // of a crash
            let created = guarded(|| Database::create(&new)).map_err(RedbError::NotDone)?;
            if let Err(error) = Redb::with(created?).map(drop) {
                drop(remove(&new)); // the error says why the file was not made
                return Err(error);
            }
            fs::rename(&new, path)?;
            sync_directory_of(path)?;
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    // The file has its name now, so a caller that makes another lock makes nothing else. A lock that stays is harmless.
    drop(remove(&lock));
    Ok(())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").finish_non_exhaustive()
    }
}
