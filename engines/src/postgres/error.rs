//! Failures of a server and of the connection to it, and whether the request is done then.
//!
//! [`executed`] makes the whole decision, and [`after_done`] for requests of two statements. A failure before the
//! execution of a statement is not done.

use core::fmt;

use tokio_postgres::Row;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::EngineError;

/// The reason why a request has no answer, and whether it was carried out.
pub type PostgresError = EngineError<ServerError>;

pub(super) type Result<T> = core::result::Result<T, PostgresError>;

/// A fault of the server, or of the connection to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// An error of the client: no connection, or an error that the server answered.
    Client(tokio_postgres::Error),
    /// The server runs with `fsync = off`, so its answers do not survive a crash. Turn it on.
    NotDurable,
    /// A table is `UNLOGGED` or temporary: the server empties it in a crash. Make it `LOGGED`.
    Unlogged,
    /// The tables are of an earlier version, whose entries have no checksums. Read them with that version, and write
    /// their content to new tables.
    EarlierVersion,
    /// The log of that name exists, but is of the other kind.
    OtherKind,
    /// The row that refused the request was removed before it could be read. Repeat the request.
    Overtaken,
    /// A row is not as this engine writes it: another program has changed it.
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
                f.write_str("the server has fsync = off, and would lose data in a crash; turn it on")
            }
            Self::Unlogged => {
                f.write_str("a table is unlogged, and would be emptied in a crash; alter it to be logged")
            }
            Self::EarlierVersion => f.write_str(
                "the tables are of an earlier version, whose entries have no checksums; \
                 read them with that version, and write what they hold to other tables",
            ),
            Self::OtherKind => f.write_str(
                "the log exists as one of the other kind; open it as slots or as appends, as it was made",
            ),
            Self::Overtaken => f.write_str("the row that refused the request is gone; repeat the request"),
            Self::Foreign => {
                f.write_str("a row is not as this engine writes it; find out which other program writes it")
            }
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

/// Begins a statement that changes something, so that its commit waits for the disk even if the default is
/// `synchronous_commit = off`. The setting holds for this transaction. It is part of the statement, so it works over
/// any connection of a pooler. The change must select `FROM durable`.
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

/// Makes the error of a request whose reason for refusal was removed before it could be read.
pub(super) fn overtaken() -> PostgresError {
    PostgresError::NotDone(ServerError::Overtaken)
}

/// Returns whether the statement was rolled back because the entry's number is not above those of its node. It divides
/// by 0 then; see [`numbered`](super::log::numbered).
pub(super) fn number_used(error: &PostgresError) -> bool {
    let PostgresError::NotDone(ServerError::Client(error)) = error else { return false };
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
}

/// Returns whether the server has forgotten a prepared statement, or can no longer execute it because a table has
/// changed.
pub(super) fn forgotten(error: &PostgresError) -> bool {
    let PostgresError::NotDone(ServerError::Client(error)) = error else { return false };
    matches!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::FEATURE_NOT_SUPPORTED))
}

/// Returns whether the server has refused a statement and goes on. Then it has rolled back, except for errors that say
/// that the outcome is unknown. A server that ends its process (`FATAL` or `PANIC`) or does not answer may have
/// committed before.
pub(super) fn refused(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let dies = matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let code = said.code();
        let unknown = code.code().starts_with("08") || *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        !dies && !unknown
    })
}

/// Makes the error of a statement whose execution failed. It is not done if the server refused it; otherwise it may
/// have been committed.
pub(super) fn executed(error: tokio_postgres::Error) -> PostgresError {
    let refused = refused(&error);
    let error = ServerError::Client(error);
    if refused { PostgresError::NotDone(error) } else { PostgresError::Unknown(error) }
}

/// Makes the error of a request that failed before anything was executed.
pub(super) fn not_done(error: tokio_postgres::Error) -> PostgresError {
    PostgresError::NotDone(ServerError::Client(error))
}

/// Converts a failure after an earlier statement of the same request was done: then half or all of the request is done.
pub(super) fn after_done<T>(answer: Result<T>) -> Result<T> {
    answer.map_err(|error| match error {
        PostgresError::NotDone(error) => PostgresError::Unknown(error),
        other => other,
    })
}

/// Makes the error for a row that this engine does not write.
pub(super) fn foreign<T>(_: T) -> PostgresError {
    PostgresError::NotDone(ServerError::Foreign)
}

pub(super) fn text(row: &Row, column: usize) -> Result<&str> {
    row.try_get(column).map_err(foreign)
}

pub(super) fn number(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.try_get::<_, i64>(column).map_err(foreign)?).map_err(foreign)
}

/// Reads the highest number of a node and its slot; `None` if there is no row. The number has all 64 bits, and is read
/// as text, since the client has no type for it.
pub(super) fn known(row: &Row, column: usize) -> Result<Option<(u64, u64)>> {
    let Some(text) = row.try_get::<_, Option<&str>>(column).map_err(foreign)? else { return Ok(None) };
    Ok(Some((text.parse().map_err(foreign)?, number(row, column + 1)?)))
}
