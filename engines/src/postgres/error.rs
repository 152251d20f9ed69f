//! Failures of a server and of the connections to it, and whether the request is done then.
//!
//! [`executed`] makes the whole decision, and [`after_done`] for requests of two statements. A failure before the
//! execution of a statement is not done.

use core::fmt;
use std::io;

use tokio_postgres::Row;
use tokio_postgres::error::{Severity, SqlState};

#[cfg(feature = "tls")]
use super::tls::TlsFailure;
use crate::error::EngineError;

/// The reason why a request has no answer, and whether it was carried out.
pub type PostgresError = EngineError<ServerError>;

pub(super) type Result<T> = core::result::Result<T, PostgresError>;

/// A fault of the server, or of the connection to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The connection string cannot be used.
    ConnectionString(ConnectionStringError),
    /// There is no connection.
    Connect(ConnectError),
    /// An error that the server answered, or the end of the connection before an answer.
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
            Self::ConnectionString(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Client(error) => write_reason(error, f),
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
            Self::ConnectionString(error) => Some(error),
            Self::Connect(error) => Some(error),
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

/// Writes an error of the client with its causes, which its own `Display` leaves out.
fn write_reason(error: &tokio_postgres::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(said) = error.as_db_error() {
        return write!(f, "the server says {}: {}", said.code().code(), said.message());
    }
    write!(f, "{error}")?;
    let mut cause = core::error::Error::source(error);
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

/// The reason why a connection string cannot be used. It contains no part of the text, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionStringError {
    /// The text is not of the form of a connection string.
    Syntax {
        /// The fault, and what to write instead.
        what: &'static str,
    },
    /// The keyword of an option is unknown.
    Unknown {
        /// The position of the option among the options of the text, from 1.
        position: usize,
    },
    /// An option has no `=` and value.
    NoValue {
        /// The position of the option among the options of the text, from 1.
        position: usize,
    },
    /// The option does not accept this value.
    Value {
        /// The keyword of the option.
        option: &'static str,
    },
    /// libpq has this option, but this client does not support it.
    Unsupported {
        /// The keyword of the option.
        option: &'static str,
    },
    /// There is neither a `host` nor a `hostaddr`.
    NoHost,
    /// `sslmode` demands TLS, and the crate was built without the feature `tls`.
    NoTls,
    /// `sslmode` demands a check of the certificate, and there is no `sslrootcert`.
    NoRoots,
    /// `sslrootcert` is `system`, which is not supported.
    SystemRoots,
}

impl fmt::Display for ConnectionStringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection string cannot be used: ")?;
        match self {
            Self::Syntax { what } => f.write_str(what),
            Self::Unknown { position } => {
                write!(f, "option {position} is unknown; correct its name, or quote the value before it")
            }
            Self::NoValue { position } => {
                write!(f, "option {position} has no `=` and value; add them, or quote the value before it")
            }
            Self::Value { option: "sslmode" } => {
                write!(f, "sslmode is disable, allow, prefer, require, verify-ca or verify-full")
            }
            Self::Value { option } => write!(f, "the value of {option} is invalid; correct it"),
            Self::Unsupported { option } => write!(f, "the option {option} is not supported; leave it out"),
            Self::NoHost => f.write_str("it names no host; add one, such as localhost"),
            Self::NoTls => f.write_str(
                "sslmode demands TLS, and this program was built without it; \
                 build it with the feature `tls`, or set sslmode=disable",
            ),
            Self::NoRoots => f.write_str(
                "sslmode demands a check of the certificate; \
                 add sslrootcert, the path of a file with the certificates of authorities",
            ),
            Self::SystemRoots => f.write_str(
                "sslrootcert=system is not supported; \
                 give the path of the system's file, such as /etc/ssl/certs/ca-certificates.crt",
            ),
        }
    }
}

impl core::error::Error for ConnectionStringError {}

/// The reason why there is no connection to a server; its source is the client's error.
#[derive(Debug)]
pub struct ConnectError {
    kind: ConnectErrorKind,
    /// Host and port; empty if they are not known.
    place: String,
    error: tokio_postgres::Error,
}

/// The kinds of [`ConnectError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Nothing accepts connections at that host and port.
    Refused,
    /// The host has no address.
    UnknownHost,
    /// The server did not accept the connection in time.
    TimedOut,
    /// The password is wrong or missing, or there is no such user.
    WrongPassword,
    /// The server does not allow this user to connect from here, or not with or without TLS.
    NotAllowed,
    /// There is no database of that name.
    NoSuchDatabase,
    /// The server does not have TLS, or the handshake failed.
    Tls,
    /// The server's certificate is not trusted, or `sslrootcert` cannot be read.
    Certificate,
    /// Another reason, which the client's error names.
    Other,
}

impl ConnectErrorKind {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(code) = error.code() {
            return match *code {
                SqlState::INVALID_PASSWORD => Self::WrongPassword,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Self::NotAllowed,
                SqlState::INVALID_CATALOG_NAME => Self::NoSuchDatabase,
                _ => Self::Other,
            };
        }
        let Some(cause) = core::error::Error::source(error) else { return Self::Other };
        #[cfg(feature = "tls")]
        if let Some(failure) = cause.downcast_ref::<TlsFailure>() {
            return if failure.is_of_certificate() { Self::Certificate } else { Self::Tls };
        }
        // The client has no type for these kinds, only texts.
        match (&*error.to_string(), cause.downcast_ref::<io::Error>()) {
            ("error performing TLS handshake", _) => Self::Tls,
            ("invalid configuration", None) if cause.to_string() == "password missing" => Self::WrongPassword,
            ("error connecting to server", Some(error)) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::TimedOut => Self::TimedOut,
                io::ErrorKind::PermissionDenied => Self::Other,
                // Only the look-up of a name fails without an error of the operating system.
                _ if error.raw_os_error().is_none() => Self::UnknownHost,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Returns whether libpq would try again with TLS, or without, in the modes `allow` and `prefer`.
pub(super) fn may_succeed_otherwise(error: &tokio_postgres::Error) -> bool {
    #[cfg(feature = "tls")]
    if let Some(failure) =
        core::error::Error::source(error).and_then(|cause| cause.downcast_ref::<TlsFailure>())
    {
        return failure.is_of_handshake();
    }
    ConnectErrorKind::of(error) == ConnectErrorKind::NotAllowed
}

impl ConnectError {
    pub(super) fn at(place: String, error: tokio_postgres::Error) -> Self {
        Self { kind: ConnectErrorKind::of(&error), place, error }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }
}

/// Finds the kind of an error that a client returned when it connected.
impl From<tokio_postgres::Error> for ConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::at(String::new(), error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect")?;
        if !self.place.is_empty() {
            write!(f, " to {}", self.place)?;
        }
        f.write_str(match self.kind {
            ConnectErrorKind::Refused => {
                ": nothing accepts connections there; start the server, or correct host and port"
            }
            ConnectErrorKind::UnknownHost => ": the host has no address; correct its name",
            ConnectErrorKind::TimedOut => {
                ": there was no answer in time; see whether the host is up, and a firewall between"
            }
            ConnectErrorKind::WrongPassword => ": the user or the password is wrong or missing; correct them",
            ConnectErrorKind::NotAllowed => {
                ": the server does not allow it; see its pg_hba.conf, the user, and sslmode"
            }
            ConnectErrorKind::NoSuchDatabase => ": there is no such database; create it, or correct its name",
            ConnectErrorKind::Tls => ": TLS failed; see whether the server has it, and sslmode",
            ConnectErrorKind::Certificate => {
                ": the server's certificate is not trusted; see sslrootcert and the host"
            }
            ConnectErrorKind::Other => "",
        })?;
        f.write_str(": ")?;
        write_reason(&self.error, f)
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
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
