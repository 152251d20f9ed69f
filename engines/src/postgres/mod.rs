//! Counters and logs in PostgreSQL, for all programs that reach the server.
//!
//! | type | client | a request |
//! |---|---|---|
//! | [`Postgres`] | [postgres](https://docs.rs/postgres) | blocks its thread |
//! | [`AsyncPostgres`] | [tokio-postgres](https://docs.rs/tokio-postgres), which the former is built on | is awaited, on the runtime that drives the connections |
//!
//! Both have the same requests, from the same code. The tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `happens_before_counters` | name | the last number taken |
//! | `happens_before_logs` | name | its kind, the lowest epoch that may write, the first slot kept, the highest appended or trimmed |
//! | `happens_before_slots` | log and slot | an [`entry`] |
//! | `happens_before_publishers` | log and node | the highest stored number of the node, and its slot |
//!
//! # The problem
//!
//! A statement sees the database as it was when the statement began: its *snapshot*. It keeps that view while it waits,
//! for a row lock, a disk or the processor. So a write that reads the trim mark and then inserts can go wrong:
//!
//! ```text
//!   write(3)     looks: first kept is 1 ─── waits ─────────────────── inserts 3 ✗   nobody will ever read it
//!   trim(10)                                 first kept is 10 ✓
//! ```
//!
//! # The algorithm
//!
//! | request | statement | waits for |
//! |---|---|---|
//! | take n | one `UPDATE ... RETURNING`, never a sequence | other takers |
//! | write | `SELECT ... FOR SHARE` of the log's row and `INSERT ... ON CONFLICT DO NOTHING`, in one | seals and trims, writes of the same slot |
//! | append | `UPDATE ... RETURNING` of the log's row and `INSERT`, in one | other appends, until they have committed: so no reader ever sees a hole |
//! | seal, trim | `UPDATE` of the log's row | all writes |
//! | read | one `SELECT` | nothing |
//!
//! 1. A row that a statement *locks* is not taken from its snapshot: after the wait, PostgreSQL returns the newest
//!    version. So the lock makes a writer see the current mark and epoch, and makes seals and trims wait.
//! 2. A refused write reads mark, entry and epoch with a second statement, in one snapshot. It answers the first of
//!    them that refuses.
//! 3. Trimming moves the mark and commits. Only then it deletes, so no request waits for the deletion. If the deletion
//!    is interrupted, the next trim does it; rows below the mark are never read.
//! 4. The number of a node is updated after the slot, in the same statement, which locks the newest version of the
//!    node's row. If the number there is not lower, the statement divides by zero, and is rolled back as a whole. The
//!    server's own log shows that error, and the caller is told that the number is used.
//!
//! # Connecting
//!
//! A [`ConnectionString`] is a URL of libpq, or its options. It decides about TLS by `sslmode`, with the feature `tls`.
//! If there is no connection, a [`ConnectError`] says why: nothing listens there, the host is unknown, the password is
//! wrong, there is no such database, TLS failed, the certificate is not trusted. No error shows a password.
//!
//! # Limits
//!
//! An entry of more than 1 GiB less 64 KiB is refused before it is sent
//! ([`EntryTooLong`](EngineError::EntryTooLong)), and the caller keeps it. That length includes the ids; a message to the
//! server and a value in it end at 1 GiB. A name of a counter or a log has 1 to 63 bytes, without control characters
//! ([`Name`](EngineError::Name)).
//!
//! # Space
//!
//! The rows of a trimmed log become free room when PostgreSQL vacuums the table, which it does by itself. Only
//! `VACUUM FULL happens_before_slots` gives the room back to the disk; it locks the table meanwhile.
//!
//! # Settings
//!
//! Every statement is a transaction of its own, at `READ COMMITTED`. If that is not the default of the database, a
//! request takes two more round trips. A statement that changes something raises `synchronous_commit` to `on` if it is
//! lower. A server with `fsync = off` is refused. So are `UNLOGGED` tables, which a crash empties.
//!
//! # Poolers
//!
//! The connections may go through a pooler such as PgBouncer, in transaction mode too. Nothing is set or kept on a
//! connection, and each statement carries its own settings. Statements have no names, unless
//! [`prepare`](PostgresConfig::prepare) is on. Only a [`Listener`] needs a connection of its own, past the pooler.
//!
//! # Guarantees
//!
//! The counter is linearizable and never repeats a number, on two conditions: one server writes, and it does not lose
//! committed data. A failover to a standby that lags may break both. After it, seal the log with a new epoch and
//! [`raise`](PostgresCounter::raise) the counter above its tail; lost entries stay lost. Synchronous replication avoids
//! this.
//!
//! # Errors
//!
//! A request that the server refused is [`NotDone`](EngineError::NotDone): a statement that fails is rolled back. If
//! the connection ends before the answer, for any reason, the outcome is [`Unknown`](EngineError::Unknown). This engine
//! has no time-outs. Set `statement_timeout` in the `options` of the connection: a request that exceeds it is not done.
//! Set `tcp_user_timeout` as well: the outcome of a request that exceeds it is unknown.
//!
//! One failure is not reported as an error. An operator can cancel the wait for the standby under synchronous
//! replication. The server then answers that the request is done, with a warning, although only the primary has the
//! data.
//!
//! # Reading the code
//!
//! Each request is written once, as an asynchronous function: `counter`, `log` (read, seal, trim), `slots`, `appends`,
//! `tables`. They use `pool` for the connections, and `error` to decide between not done and unknown. `blocking` and
//! `asynchronous` are the two clients, with the types that users see. `connection_string` reads the text, `connecting`
//! connects by it, and `tls` checks certificates.
//!
//! # Sources
//!
//! PostgreSQL 15, *Transaction Isolation*, "Read Committed Isolation Level", and *Explicit Locking*, "Row-Level Locks".

mod appends;
mod asynchronous;
mod block_on;
mod blocking;
mod connecting;
mod connection_string;
mod counter;
mod error;
mod log;
mod pool;
mod slots;
mod tables;
#[cfg(feature = "tls")]
mod tls;

pub use appends::PostgresAppends;
pub use asynchronous::AsyncPostgres;
pub use blocking::{Listener, Postgres};
pub use connection_string::ConnectionString;
pub use counter::PostgresCounter;
pub use error::{ConnectError, ConnectErrorKind, ConnectionStringError, PostgresError, ServerError};
pub use slots::PostgresSlots;

#[cfg(doc)]
use crate::{entry, error::EngineError};

/// Configuration of a [`Postgres`] or an [`AsyncPostgres`].
///
/// # Examples
///
/// More connections than by default. Turn on `notify` as well if listeners should be woken up.
///
/// ```
/// use happens_before_engines::postgres::PostgresConfig;
///
/// let config = PostgresConfig { connections: 64, ..PostgresConfig::default() };
/// assert!(!config.notify);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PostgresConfig {
    /// The highest number of connections, at least 1; the default is 16. A caller that finds all of them in use waits.
    pub connections: usize,
    /// True if writes and appends wake up the [listeners](Postgres::listen); off by default.
    ///
    /// It saves readers the wait for their next poll, but slows writers down: PostgreSQL commits transactions that
    /// notify one after another, so they no longer share writes to the disk.
    pub notify: bool,
    /// True if each connection keeps its prepared statements; off by default.
    ///
    /// It saves the server the planning of each request. That is most of its work if many requests share a trip to the
    /// disk.
    ///
    /// Turn it on for direct connections only. A pooler that is not in session mode may execute a statement that
    /// another client prepared under the same name.
    pub prepare: bool,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self { connections: 16, notify: false, prepare: false }
    }
}
