//! What goes wrong at a server, and on the way there; and whether the request is done then.
//!
//! The whole decision is [`executed`], and [`after_done`] for requests of two statements: everything before the execution of
//! a statement is not done.

use core::fmt;

use tokio_postgres::Row;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::EngineError;

/// The reason why a request has no answer, and whether it was carried out.
pub type PostgresError = EngineError<ServerError>;

pub(super) type Result<T> = core::result::Result<T, PostgresError>;

/// A fault at the server, or on the way there.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The error of the client: no connection, or what the server answered.
    Client(tokio_postgres::Error),
    /// The server runs with `fsync = off`: what it answers does not survive a crash. Turn it on.
    NotDurable,
    /// A table is `UNLOGGED` or temporary: the server empties it in a crash. Make it `LOGGED`.
    Unlogged,
    /// The tables are of an earlier version, whose entries have no checksums. Read them with that version, and write
    /// what they hold to other tables.
    EarlierVersion,
    /// There is a log of that name, of the other kind.
    OtherKind,
    /// The row that refused the request was removed before it could be read. Repeat the request.
    Overtaken,
    /// A row is not as this engine leaves it: another program changed it.
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
            Self::Unlogged => {
                f.write_str("a table is unlogged, and would be emptied in a crash; alter it to be logged")
            }
            Self::EarlierVersion => f.write_str(
                "the tables are of an earlier version, whose entries have no checksums; \
                 read them with that version, and write what they hold to other tables",
            ),
            Self::OtherKind => {
                f.write_str("the log exists, of the other kind; a log is of slots or of appends")
            }
            Self::Overtaken => f.write_str("what refused the request is gone meanwhile; repeat it"),
            Self::Foreign => f.write_str("a row is not as this engine leaves it; find out who else writes it"),
        }
    }
}

impl core::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::NotDurable
            | Self::Unlogged
            | Self::EarlierVersion
            | Self::OtherKind
            | Self::Overtaken
            | Self::Foreign => None,
        }
    }
}

/// Begins a statement that changes something: its commit then waits for the disk, also where the default is
/// `synchronous_commit = off`. It holds for this transaction, and is part of the statement, so that it arrives whichever
/// connection of a pooler the statement takes. What is changed comes `FROM durable`.
macro_rules! durable {
    ($sql:literal) => {
        concat!(
            "WITH durable AS MATERIALIZED (
                SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                    THEN set_config('synchronous_commit', 'on', true)
                    ELSE current_setting('synchronous_commit') END AS how
            )",
            $sql
        )
    };
}

pub(super) use durable;

/// Makes the error of a request whose reason for refusal was removed before it could be looked at.
pub(super) fn overtaken() -> PostgresError {
    PostgresError::NotDone(ServerError::Overtaken)
}

/// Tells whether the statement was rolled back because the entry's number is not above those of its node: it divides by 0
/// then, see [`numbered`](super::log::numbered).
pub(super) fn number_used(error: &PostgresError) -> bool {
    let PostgresError::NotDone(ServerError::Client(error)) = error else { return false };
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

/// True if the server has forgotten a prepared statement, or cannot execute it any more since a table has changed.
pub(super) fn forgotten(error: &PostgresError) -> bool {
    let PostgresError::NotDone(ServerError::Client(error)) = error else { return false };
    matches!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::FEATURE_NOT_SUPPORTED))
}

/// True if the server has refused, and lives on. What it refuses it rolls back; but for what says itself that it does not
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

/// The highest number of a node and its slot; `None` where there is no row. The number takes all 64 bits, and is read as
/// text, since the client has no type for it.
pub(super) fn known(row: &Row, column: usize) -> Result<Option<(u64, u64)>> {
    let Some(text) = row.try_get::<_, Option<&str>>(column).map_err(foreign)? else { return Ok(None) };
    Ok(Some((text.parse().map_err(foreign)?, number(row, column + 1)?)))
}
