//! Errors of redb, as errors of an engine.

use std::io;

use ::redb::{DatabaseError, Error, StorageError, TableError, TransactionError};

use crate::error::EngineError;

/// The reason why a request has no answer; its source is redb's own error.
pub type RedbError = EngineError<Error>;

/// A file that is not as this engine leaves it; nothing is done.
pub(super) fn corrupted(what: impl Into<String>) -> RedbError {
    RedbError::NotDone(Error::Corrupted(what.into()))
}

/// A failure within a transaction, or before one, is not done; only that of its commit may be.
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
