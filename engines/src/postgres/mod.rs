//! Counters and logs in PostgreSQL, for all that reach the server.
//!
//! | | by | a request |
//! |---|---|---|
//! | [`Postgres`] | [postgres](https://docs.rs/postgres) | blocks its thread |
//! | [`AsyncPostgres`] | [tokio-postgres](https://docs.rs/tokio-postgres), which the former is built on | is awaited, on whatever drives the connections |
//!
//! Both take the same requests, from the same code. The tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `happens_before_counters` | name | the last number taken |
//! | `happens_before_logs` | name | its kind, the lowest epoch that may write, the first slot kept, the highest appended or trimmed |
//! | `happens_before_slots` | log and slot | an [`entry`] |
//! | `happens_before_publishers` | log and node | the highest number of the node that is stored, and its slot |
//!
//! # The problem
//!
//! A statement sees the database as it was when the statement began: its *snapshot*. Whatever it then waits for, a row
//! that another holds, a disk, its own process, that view stays. So a write that looks up the trim mark and inserts:
//!
//! ```text
//!   write(3)     looks: first kept is 1 ─── waits ─────────────────── inserts 3 ✗   nobody will ever read it
//!   trim(10)                                 first kept is 10 ✓
//! ```
//!
//! # The algorithm
//!
//! | request | statement | what it waits for |
//! |---|---|---|
//! | take n | one `UPDATE ... RETURNING`, never a sequence | other takers |
//! | write | `SELECT ... FOR SHARE` of the log's row and `INSERT ... ON CONFLICT DO NOTHING`, in one | who seals or trims; who writes the same slot |
//! | append | `UPDATE ... RETURNING` of the log's row and `INSERT`, in one | other appenders, until they have committed: so there are no holes, nor the look of any |
//! | seal, trim | `UPDATE` of the log's row | all who write |
//! | read | one `SELECT` | nobody |
//!
//! 1. A row that a statement *locks* is not taken from its snapshot: PostgreSQL gives the newest version, after the wait.
//!    So the lock is what makes a writer see the mark and the epoch as they are, and what makes those that move them wait.
//! 2. A write that was refused looks, with a second statement, at what stands: mark, entry and epoch in one snapshot, and
//!    says the first of them that refuses.
//! 3. Trimming moves the mark, commits, and only then deletes: nobody waits for the deletion. If that is cut off, the next
//!    trim does it; what lies below the mark is not read.
//! 4. The number of a node is noted after the slot, in the same statement, which locks the newest version of the node's
//!    row. If the number there is not lower, the statement divides by zero, and all of it is rolled back. The server's own
//!    log shows that error; the caller is told that the number is used.
//!
//! # Settings
//!
//! Every statement is a transaction of its own, at `READ COMMITTED`. Where that is not the default of the database, a
//! request takes two more round trips. A statement that changes something raises `synchronous_commit` to `on` where it is
//! lower. A server with `fsync = off` is refused. So are `UNLOGGED` tables, which a crash empties.
//!
//! # Poolers
//!
//! The connections may go through a pooler such as PgBouncer, in transaction mode too. Nothing is set or kept on a
//! connection, and what a write needs is part of its statement. Statements have no names, unless
//! [`prepare`](PostgresConfig::prepare) is on. Only a [`Listener`] needs a connection of its own, past the pooler.
//!
//! # What it tells you
//!
//! The counter is linearizable and never repeats as long as there is one server that writes, and what it has committed
//! is not lost: after a failover to a standby that lags, both may go wrong. Then seal the log with a new epoch and
//! [`raise`](PostgresCounter::raise) the counter above its tail; entries that were lost are lost. Synchronous replication
//! avoids it.
//!
//! # Errors
//!
//! What the server refused is [`NotDone`](EngineError::NotDone): a statement that fails is rolled back. A connection that
//! ends before the answer, for whatever reason, is [`Unknown`](EngineError::Unknown). There is no time-out here: set
//! `statement_timeout` in the `options` of the connection (not done), and `tcp_user_timeout` (unknown).
//!
//! One thing the server does not say as an error: under synchronous replication, a wait for the standby that an operator
//! cancels is answered as done, with a warning, while only the primary has it.
//!
//! # Reading the code
//!
//! Each request is written once, as an asynchronous function: `counter`, `log` (read, seal, trim), `slots`, `appends`,
//! `tables`. They stand on `pool`, which has the connections, and on `error`, which decides what is not done and what is
//! unknown. `blocking` and `asynchronous` are the two clients, and what their users see.
//!
//! # Sources
//!
//! PostgreSQL 15, *Transaction Isolation*, "Read Committed Isolation Level", and *Explicit Locking*, "Row-Level Locks".

mod appends;
mod asynchronous;
mod block_on;
mod blocking;
mod counter;
mod error;
mod log;
mod pool;
mod slots;
mod tables;

pub use appends::PostgresAppends;
pub use asynchronous::AsyncPostgres;
pub use blocking::{Listener, Postgres};
pub use counter::PostgresCounter;
pub use error::{PostgresError, ServerError};
pub use slots::PostgresSlots;

#[cfg(doc)]
use crate::{entry, error::EngineError};

/// Configuration of a [`Postgres`] or an [`AsyncPostgres`].
///
/// # Examples
///
/// ```
/// use happens_before_engines::postgres::PostgresConfig;
///
/// let config = PostgresConfig { connections: 64, ..PostgresConfig::default() };
/// assert!(!config.notify);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PostgresConfig {
    /// The highest number of connections, at least 1; the default is 16. A caller that finds all in use waits.
    pub connections: usize,
    /// True if writes and appends wake up those who [`listen`](Postgres::listen); off by default.
    ///
    /// It saves readers the wait for their next poll, and costs writers dearly: PostgreSQL commits transactions that
    /// notify one after another, so that they no longer share their writes to the disk.
    pub notify: bool,
    /// True if each connection keeps the statements that it has prepared; off by default.
    ///
    /// It saves the server the planning of each request, which is most of its work where many share a trip to the disk.
    ///
    /// Turn it on for direct connections only. A pooler that is not in session mode may execute a statement that another
    /// client has prepared under the same name.
    pub prepare: bool,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self { connections: 16, notify: false, prepare: false }
    }
}
