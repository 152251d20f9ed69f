//! The boundary to redb: a panic in redb becomes an error, and ends the handle.
//!
//! On a damaged file redb may panic instead of returning an error, wherever it meets the damage: when it opens the
//! file, in a request, or when it closes. The open transaction is not committed then, and the file is as it was, but
//! the memory of redb can no longer be trusted. So after the first panic every request is refused, until the file is
//! opened again.
//!
//! The panic hook of the program is not changed. It reports that one panic like any other.

use core::any::Any;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, RwLock};

use ::redb::{CompactionError, Database, Error, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::{RedbError, corrupted};

/// Calls redb, and turns a panic into an error.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Error> {
    // The half-changed state after a panic is never used again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        Error::Corrupted(format!("redb has panicked ({}); the file may be damaged", message(&*panic)))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// The answer of a transaction, which tells whether it changed anything.
pub(super) enum Done<T> {
    Changed(T),
    Nothing(T),
}

/// A database whose panics are caught.
pub(super) struct Guarded {
    /// The database; `None` only while it is dropped. Transactions share the lock, and compaction has it alone.
    database: RwLock<Option<Database>>,
    /// The lock of the writer, so that no write begins between a panic and the end of the handle.
    writing: Mutex<()>,
    /// True if redb has panicked.
    over: AtomicBool,
}

impl Guarded {
    pub(super) fn new(database: Database) -> Self {
        let database = RwLock::new(Some(database));
        Self { database, writing: Mutex::new(()), over: AtomicBool::new(false) }
    }

    /// Returns the database, unless redb has panicked.
    fn intact<D>(&self, database: Option<D>) -> Result<D, RedbError> {
        let database = database.filter(|_| !self.over.load(Ordering::SeqCst));
        database.ok_or_else(|| corrupted("redb has panicked before; open the file again"))
    }

    /// Reads at one instant.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, RedbError>,
    ) -> Result<T, RedbError> {
        let shared = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = self.intact(shared.as_ref())?;
        guarded(|| work(&database.begin_read()?)).unwrap_or_else(|panic| {
            self.over.store(true, Ordering::SeqCst);
            Err(RedbError::NotDone(panic))
        })
    }

    /// Makes one change, which is on the disk once this returns.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<Done<T>, RedbError>,
    ) -> Result<T, RedbError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let (database, committing) = (self.intact(shared.as_ref())?, Cell::new(false));
        let transact = || {
            // The commit makes it durable, which is the default.
            let transaction = database.begin_write()?;
            match work(&transaction)? {
                Done::Changed(answer) => {
                    committing.set(true);
                    transaction.commit().map_err(|error| RedbError::Unknown(error.into()))?;
                    Ok(answer)
                }
                Done::Nothing(answer) => Ok(answer),
            }
        };
        guarded(transact).unwrap_or_else(|panic| {
            self.over.store(true, Ordering::SeqCst);
            Err(if committing.get() { RedbError::Unknown(panic) } else { RedbError::NotDone(panic) })
        })
    }

    /// Makes the file as short as possible, while no transaction of this handle runs.
    pub(super) fn compact(&self) -> Result<(), RedbError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut owned = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = self.intact(owned.as_mut())?;
        let compacted = guarded(|| database.compact()).map_err(|panic| {
            self.over.store(true, Ordering::SeqCst);
            RedbError::Unknown(panic)
        })?;
        compacted.map(drop).map_err(|error| match error {
            CompactionError::Storage(error) => RedbError::Unknown(error.into()),
            refused => RedbError::NotDone(refused.into()),
        })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // redb writes when it closes. If that fails, the next opening takes longer, and nothing is lost.
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        drop(guarded(|| drop(database)));
    }
}
