//! Errors of redb, as errors of an engine.

use std::io;

use ::redb::{DatabaseError, Error, StorageError, TableError, TransactionError};

use crate::error::EngineError;

/// The reason why a request has no answer; its source is redb's own error.
pub type RedbError = EngineError<Error>;

/// Makes the error for a file that is not as this engine writes it; nothing is done.
pub(super) fn corrupted(what: impl Into<String>) -> RedbError {
    RedbError::NotDone(Error::Corrupted(what.into()))
}

/// Converts a failure before or within a transaction, which is not done. Only a failed commit may be done.
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
