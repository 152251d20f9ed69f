//! What goes wrong at a server, and on the way there; and whether the request is done then.
//!
//! The whole decision is [`executed`], and [`after_done`] for requests of two statements: everything before the execution of
//! a statement is not done.

use core::fmt;

use tokio_postgres::Row;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::EngineError;

/// Why a request has no answer, and whether it was carried out.
pub type PostgresError = EngineError<ServerError>;

pub(super) type Result<T> = core::result::Result<T, PostgresError>;

/// What was wrong at the server, or on the way there.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// What the client says: no connection, or what the server answered.
    Client(tokio_postgres::Error),
    /// The server runs with `fsync = off`: what it answers does not survive a crash. Turn it on.
    NotDurable,
    /// There is a log of that name, of the other kind.
    OtherKind,
    /// A row is not as this engine leaves it: somebody else changed it.
    Foreign,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => match error.as_db_error() {
                Some(said) => write!(f, "the server says {}: {}", said.code().code(), said.message()),
                None => error.fmt(f),
            },
            Self::NotDurable => {
                f.write_str("the server has fsync = off, and would forget in a crash; turn it on")
            }
            Self::OtherKind => {
                f.write_str("the log exists, of the other kind; a log is of slots or of appends")
            }
            Self::Foreign => f.write_str("a row is not as this engine leaves it; find out who else writes it"),
        }
    }
}

impl core::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::NotDurable | Self::OtherKind | Self::Foreign => None,
        }
    }
}

/// Whether the server has refused, and lives on. What it refuses it rolls back; but for what says itself that it does not
/// know. A server, or a process of it, that dies (`FATAL`, `PANIC`), or says nothing, may have committed before.
pub(super) fn refused(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let dies = matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let code = said.code();
        let unknown = code.code().starts_with("08") || *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        !dies && !unknown
    })
}

/// Of a statement whose execution failed: it is not done if it was refused; else it may have been committed.
pub(super) fn executed(error: tokio_postgres::Error) -> PostgresError {
    let refused = refused(&error);
    let error = ServerError::Client(error);
    if refused { PostgresError::NotDone(error) } else { PostgresError::Unknown(error) }
}

/// Before anything was executed.
pub(super) fn not_done(error: tokio_postgres::Error) -> PostgresError {
    PostgresError::NotDone(ServerError::Client(error))
}

/// After a statement of the same request that is done: whatever fails then, half of the request, or all of it, is done.
pub(super) fn after_done<T>(answer: Result<T>) -> Result<T> {
    answer.map_err(|error| match error {
        PostgresError::NotDone(error) => PostgresError::Unknown(error),
        other => other,
    })
}

/// For a row that no request of ours leaves.
pub(super) fn foreign<T>(_: T) -> PostgresError {
    PostgresError::NotDone(ServerError::Foreign)
}

pub(super) fn text(row: &Row, column: usize) -> Result<&str> {
    row.try_get(column).map_err(foreign)
}

pub(super) fn number(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.try_get::<_, i64>(column).map_err(foreign)?).map_err(foreign)
}
