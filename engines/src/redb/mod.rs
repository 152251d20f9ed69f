//! Counters and logs in one file, by [redb](https://docs.rs/redb): durable, for the threads of one process.
//!
//! | table | key | value |
//! |---|---|---|
//! | `counters` | name | the last number taken |
//! | `logs` | name | the lowest epoch that may write, the first slot kept, the highest occupied or trimmed |
//! | `slots` | name and slot | an [`entry`] |
//! | `publishers` | name and node | the highest number of the node that is stored, and its slot |
//!
//! Their names in the file begin with `checked`, and numbers take 8 bytes, the lowest byte first.
//!
//! A request that changes something is one transaction, on disk when it is answered. Transactions that write run one
//! after another, which is what makes the counter linearizable and the slots written once; those that read see the last
//! that was committed, and wait for nobody.
//!
//! # Earlier versions
//!
//! A file of a version whose rows had no checksums is refused, and stays as it is: read it with that version, and write
//! what it holds to a new one.
//!
//! # Damage
//!
//! Every row begins with a checksum of its table, key and value, so that what is delivered is what was written. A panic of
//! redb over a damaged file becomes an error.
//!
//! Only what is read is checked. A row whose *key* was changed is no longer found, and its slot looks like a hole.
//! [`redb::Database::check_integrity`](::redb::Database::check_integrity) reads the whole file and finds that too. It
//! repairs what it can, so give it a copy.
//!
//! # Errors
//!
//! A request that fails before its commit is [`NotDone`](crate::EngineError::NotDone). One whose commit fails is
//! [`Unknown`](crate::EngineError::Unknown). After an error of the disk, or a panic in redb, every request is refused until
//! the file is opened again. Then repeat what is unknown.

mod counter;
mod error;
mod guarded;
mod log;
mod rows;

use core::fmt;
use core::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use ::redb::{Database, TableHandle};

use self::error::corrupted;
use self::guarded::{Done, Guarded, guarded};
use self::rows::{COUNTERS, LOGS, PUBLISHERS, SLOTS, UNCHECKED};
#[cfg(doc)]
use crate::entry;
use crate::file::sync_directory_of;

pub use self::counter::RedbCounter;
pub use self::error::RedbError;
pub use self::log::RedbLog;

/// A file of counters and logs; clones share it.
///
/// # Examples
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
/// let (counter, log) = (database.counter("orders"), database.log("orders"));
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
    /// Opens the file, or makes it. After a crash that takes time in proportion to its length.
    ///
    /// A new file is made under another name in the same folder, and gets its own name once it is whole: redb cannot open
    /// a file that is only half made. A crash meanwhile may leave the other file, whose name ends in `.new`. Delete it.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone): the file is open already, in this process or in another, or is not a
    /// database, or is damaged, or cannot be read or written. [`Unknown`](crate::EngineError::Unknown): the disk failed
    /// while the tables were made; open it again.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RedbError> {
        let path = path.as_ref();
        if !path.try_exists()? {
            make(path)?;
        }
        Self::with(guarded(|| Database::open(path)).map_err(RedbError::NotDone)??)
    }

    /// Uses a database that is open already: with a cache of another size, on other storage, or with tables of your own.
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
            // What is opened for the first time is made, so that readers find it.
            transaction.open_table(COUNTERS)?;
            transaction.open_table(LOGS)?;
            transaction.open_table(PUBLISHERS)?;
            transaction.open_table(SLOTS)?;
            Ok(if has(&ours) == 0 { Done::Changed(()) } else { Done::Nothing(()) })
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
}

/// Makes a new file, whole or not at all; if there is one by then, it stays.
fn make(path: &Path) -> Result<(), RedbError> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}-{}.new", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    let created = guarded(|| Database::create(&new)).map_err(RedbError::NotDone)?;
    let named = Redb::with(created?).and_then(|whole| {
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
