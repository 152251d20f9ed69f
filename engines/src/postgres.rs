//! Counters and logs in PostgreSQL, by [postgres](https://docs.rs/postgres): for whoever reaches the server.
//!
//! | table | key | value |
//! |---|---|---|
//! | `happens_before_counters` | name | the last number taken |
//! | `happens_before_logs` | name | its kind, the lowest epoch that may write, the first slot kept, the highest appended or trimmed |
//! | `happens_before_slots` | log and slot | an [`entry`] |
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
//!    So the lock is what makes a writer see the mark and the epoch as they are, and whoever moves them wait for it.
//! 2. A write that was refused looks, with a second statement, at what stands: mark, entry and epoch in one snapshot, and
//!    says the first of them that refuses.
//! 3. Trimming moves the mark, commits, and only then deletes: nobody waits for the deletion. If that is cut off, the next
//!    trim does it; what lies below the mark is not read.
//!
//! Every statement is a transaction of its own, at `READ COMMITTED`, whatever the default of the database is.
//! `synchronous_commit` is raised to `on` where it is lower, and a server with `fsync = off` is refused.
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
//! # Sources
//!
//! PostgreSQL 15, *Transaction Isolation*, "Read Committed Isolation Level", and *Explicit Locking*, "Row-Level Locks".

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::postgres::error::{Severity, SqlState};
use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::ToSql;
use ::postgres::{Client, NoTls, Row, Statement};
use happens_before::Counter;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::codec::DecodeId;

use crate::entry;
use crate::error::{EngineError, MAX};

/// Why a request has no answer, and whether it was carried out.
pub type PostgresError = EngineError<ServerError>;

type Result<T> = core::result::Result<T, PostgresError>;

/// What was wrong at the server, or on the way there.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// What the client says: no connection, or what the server answered.
    Client(::postgres::Error),
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

/// Says whether a statement whose execution failed may have been committed.
fn executed(error: ::postgres::Error) -> PostgresError {
    let refused = error.as_db_error().is_some_and(|said| {
        let dies = matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let code = said.code();
        let unknown = code.code().starts_with("08") || *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        !dies && !unknown
    });
    let error = ServerError::Client(error);
    if refused { PostgresError::NotDone(error) } else { PostgresError::Unknown(error) }
}

/// Before anything was executed.
fn not_done(error: ::postgres::Error) -> PostgresError {
    PostgresError::NotDone(ServerError::Client(error))
}

/// How a [`Postgres`] uses its server.
#[derive(Clone, Copy, Debug)]
pub struct PostgresConfig {
    /// How many connections at most; the default is 16. Who finds all in use, waits.
    pub connections: usize,
    /// Whether writes and appends wake up those who [`listen`](Postgres::listen); off by default.
    ///
    /// It saves readers the wait for their next poll, and costs writers dearly: PostgreSQL commits transactions that
    /// notify one after another, so that they no longer share their writes to the disk.
    pub notify: bool,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self { connections: 16, notify: false }
    }
}

/// A database of counters and logs; clones share it and its connections.
///
/// # Examples
///
/// ```no_run
/// use core::num::NonZeroU64;
/// use happens_before::{Counter, Dot};
/// use happens_before::broadcast::{Entry, SlotLog, WriteAnswer};
/// use happens_before_engines::postgres::Postgres;
///
/// let database = Postgres::open("host=localhost user=postgres")?;
/// let (counter, log) = (database.counter("orders")?, database.slots("orders")?);
/// let slot = counter.increment_and_get(NonZeroU64::MIN)?;
/// let order = Entry::message(0, Dot::new("a".to_string(), 1).unwrap(), b"tea".to_vec());
/// assert_eq!(log.write(slot, &order)?, WriteAnswer::Written);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Postgres {
    pool: Arc<Pool>,
}

type Connect = dyn Fn() -> core::result::Result<Client, ::postgres::Error> + Send + Sync;

struct Pool {
    connect: Box<Connect>,
    config: PostgresConfig,
    state: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    /// Idle ones included.
    open: usize,
}

struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Connection {
    fn query(&mut self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(sql).map_err(not_done)?;
                self.statements.insert(sql, statement.clone());
                statement
            }
        };
        // Returns when the server is ready again: the answer to a statement comes before its commit.
        self.client.query(&statement, parameters).map_err(executed)
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Connection> {
        let mut client = (self.connect)().map_err(not_done)?;
        let settings = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
        let row = client.query_one(settings, &[]).map_err(not_done)?;
        if text(&row, 0)? == "off" {
            return Err(PostgresError::NotDone(ServerError::NotDurable));
        }
        if matches!(text(&row, 1)?, "off" | "local") {
            client.batch_execute("SET synchronous_commit = on").map_err(not_done)?;
        }
        let isolation = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
        client.batch_execute(isolation).map_err(not_done)?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    /// Executes one statement on a connection that nobody else uses.
    fn query(&self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let mut state = self.lock();
        let idle = loop {
            if let Some(connection) = state.idle.pop() {
                break Some(connection);
            }
            if state.open < self.config.connections.max(1) {
                state.open += 1;
                break None;
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let mut place = Place { pool: self, connection: None };
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = connection.query(sql, parameters);
        // A server that ends a connection says so first; the end itself may not have arrived yet.
        if connection.client.is_closed() || matches!(answer, Err(PostgresError::Unknown(_))) {
            // Most likely the others are too: the server went away.
            let mut state = self.lock();
            state.open -= state.idle.len();
            state.idle.clear();
        } else {
            place.connection = Some(connection);
        }
        answer
    }
}

impl Pool {
    /// Executes a statement that only reads: if there is no answer, nothing is done all the same.
    fn look(&self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.query(sql, parameters).map_err(|error| match error {
            PostgresError::Unknown(error) => PostgresError::NotDone(error),
            other => other,
        })
    }

    /// Executes a statement after another one of the same request, which is done: no answer leaves that half known.
    fn query_next(&self, sql: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.query(sql, parameters).map_err(|error| match error {
            PostgresError::NotDone(error) => PostgresError::Unknown(error),
            other => other,
        })
    }
}

/// A caller's place among the connections; given back in any case, with the connection if it is still good.
struct Place<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        match self.connection.take() {
            Some(connection) => state.idle.push(connection),
            None => state.open -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}

fn foreign<T>(_: T) -> PostgresError {
    PostgresError::NotDone(ServerError::Foreign)
}

fn text(row: &Row, column: usize) -> Result<&str> {
    row.try_get(column).map_err(foreign)
}

fn number(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.try_get::<_, i64>(column).map_err(foreign)?).map_err(foreign)
}

const MISSING: &str = "SELECT to_regclass('happens_before_slots') IS NULL";

/// Two at once would both find nothing, so one waits; the lock goes with the transaction.
const MAKE: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7521960452217341);
    CREATE TABLE IF NOT EXISTS happens_before_counters (
        name text PRIMARY KEY,
        last bigint NOT NULL CHECK (last >= 0)
    );
    CREATE TABLE IF NOT EXISTS happens_before_logs (
        name text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('slots', 'appends')),
        epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
        first bigint NOT NULL DEFAULT 1 CHECK (first >= 1),
        tail bigint NOT NULL DEFAULT 0 CHECK (tail >= first - 1)
    );
    CREATE TABLE IF NOT EXISTS happens_before_slots (
        log text NOT NULL,
        slot bigint NOT NULL CHECK (slot >= 1),
        entry bytea NOT NULL,
        PRIMARY KEY (log, slot)
    );
    COMMIT;";

impl Postgres {
    /// Connects without TLS, as one does to a server on the same machine, and makes the tables if there are none.
    ///
    /// `url` is a connection string or URL of `libpq`.
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with).
    pub fn open(url: &str) -> Result<Self> {
        let config: ::postgres::Config = url.parse().map_err(not_done)?;
        Self::open_with(PostgresConfig::default(), move || config.connect(NoTls))
    }

    /// Connects in your own way, and makes the tables if there are none, in the first schema of the search path.
    ///
    /// # Errors
    ///
    /// [`NotDone`](EngineError::NotDone) if the server cannot be reached, may lose what it has answered, or refuses to
    /// make the tables; [`Unknown`](EngineError::Unknown) if the connection ended meanwhile. Open again in any case.
    pub fn open_with(
        config: PostgresConfig,
        connect: impl Fn() -> core::result::Result<Client, ::postgres::Error> + Send + Sync + 'static,
    ) -> Result<Self> {
        let state = Mutex::new(Connections::default());
        let pool = Pool { connect: Box::new(connect), config, state, returned: Condvar::new() };
        let mut connection = pool.connect()?;
        let missing = connection.query(MISSING, &[])?.first().is_some_and(|row| row.get(0));
        if missing {
            connection.client.batch_execute(MAKE).map_err(executed)?;
        }
        *pool.lock() = Connections { idle: vec![connection], open: 1 };
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Returns the counter of that name; a new one starts at 1.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]; try again.
    pub fn counter(&self, name: &str) -> Result<PostgresCounter> {
        const MAKE: &str =
            "INSERT INTO happens_before_counters (name, last) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        self.pool.query(MAKE, &[&name])?;
        Ok(PostgresCounter { pool: self.pool.clone(), name: name.into() })
    }

    /// Returns the log of that name, whose slots are written by number; a new one is empty, in epoch 0.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]; try again, unless it is a log of [`appends`](Self::appends).
    pub fn slots<I, P>(&self, name: &str) -> Result<PostgresSlots<I, P>> {
        self.log(name, "slots").map(PostgresSlots)
    }

    /// Returns the log of that name, which numbers and stores in one step; a new one is empty, in epoch 0.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]; try again, unless it is a log of [`slots`](Self::slots).
    pub fn appends<I, P>(&self, name: &str) -> Result<PostgresAppends<I, P>> {
        self.log(name, "appends").map(PostgresAppends)
    }

    fn log<I, P>(&self, name: &str, kind: &str) -> Result<Shared<I, P>> {
        const MAKE: &str =
            "INSERT INTO happens_before_logs (name, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        const KIND: &str = "SELECT kind FROM happens_before_logs WHERE name = $1";
        self.pool.query(MAKE, &[&name, &kind])?;
        let rows = self.pool.look(KIND, &[&name])?;
        if text(rows.first().ok_or(PostgresError::Missing)?, 0)? != kind {
            return Err(PostgresError::NotDone(ServerError::OtherKind));
        }
        Ok(Shared { pool: self.pool.clone(), name: name.into(), types: PhantomData })
    }

    /// Listens for writes and appends to the log of that name, if those who write [`notify`](PostgresConfig::notify).
    ///
    /// It takes a connection of its own.
    ///
    /// # Errors
    ///
    /// [`NotDone`](EngineError::NotDone).
    pub fn listen(&self, name: &str) -> Result<Listener> {
        let Connection { mut client, .. } = self.pool.connect()?;
        client.batch_execute("LISTEN happens_before").map_err(not_done)?;
        Ok(Listener { client, name: name.into() })
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("config", &self.pool.config).finish_non_exhaustive()
    }
}

/// Waits until a log may have something new: a wake-up, never a reason not to poll.
///
/// Notifications get lost with a connection, and come only from those who were told to notify. So read after every wait,
/// whatever it returned; the time-out is the longest that a message is late.
pub struct Listener {
    client: Client,
    name: Box<str>,
}

impl Listener {
    /// Waits for a write or an append, at most for `timeout`; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`NotDone`](EngineError::NotDone) if the connection ended: listen again, and read.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let mut notifications = self.client.notifications();
        let mut woken = false;
        {
            let mut waiting = notifications.timeout_iter(timeout);
            while let Some(notification) = waiting.next().map_err(not_done)? {
                woken = notification.payload() == &*self.name;
                if woken {
                    break;
                }
            }
        }
        // All those that came meanwhile are one wake-up.
        let mut more = notifications.iter();
        while more.next().map_err(not_done)?.is_some() {}
        Ok(woken)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A linearizable counter in a [`Postgres`].
#[derive(Clone)]
pub struct PostgresCounter {
    pool: Arc<Pool>,
    name: Arc<str>,
}

impl fmt::Debug for PostgresCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCounter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PostgresCounter {
    /// Sees to it that only numbers above `last` are taken from now on: what a new epoch does with the tail that
    /// [`seal`](Log::seal) returned. A second time changes nothing.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] says whether it is done.
    pub fn raise(&self, last: u64) -> Result<()> {
        const RAISE: &str =
            "UPDATE happens_before_counters SET last = greatest(last, $2) WHERE name = $1 RETURNING last";
        let rows = self.pool.query(RAISE, &[&&*self.name, &PostgresError::in_range(last)?])?;
        rows.first().map(drop).ok_or(PostgresError::Missing)
    }
}

impl Counter for PostgresCounter {
    type Error = PostgresError;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64> {
        const TAKE: &str = "
            UPDATE happens_before_counters SET last = last + $2
            WHERE name = $1 AND last <= 9223372036854775807 - $2
            RETURNING last - $2 + 1";
        match self.pool.query(TAKE, &[&&*self.name, &PostgresError::in_range(n.get())?])?.first() {
            Some(row) => number(row, 0),
            None => Err(PostgresError::Exhausted { last: self.current()? }),
        }
    }

    fn current(&self) -> Result<u64> {
        const LAST: &str = "SELECT last FROM happens_before_counters WHERE name = $1";
        let rows = self.pool.look(LAST, &[&&*self.name])?;
        number(rows.first().ok_or(PostgresError::Missing)?, 0)
    }
}

/// What logs of both kinds share.
struct Shared<I, P> {
    pool: Arc<Pool>,
    name: Arc<str>,
    types: PhantomData<fn() -> (I, P)>,
}

impl<I, P> Clone for Shared<I, P> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), name: self.name.clone(), types: PhantomData }
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Shared<I, P> {
    fn read(&self, from: u64, limit: usize) -> Result<ReadAnswer<I, P>> {
        const READ: &str = "
            SELECT log.first, found.slot, found.entry
            FROM happens_before_logs AS log LEFT JOIN LATERAL (
                SELECT slot, entry FROM happens_before_slots
                WHERE log = log.name AND slot >= $2 AND log.first <= $2
                ORDER BY slot LIMIT $3
            ) AS found ON true
            WHERE log.name = $1 ORDER BY found.slot";
        // Nothing stands above the highest slot.
        let (from, beyond) = (i64::try_from(from).unwrap_or(i64::MAX), from > MAX);
        let limit = if beyond { 0 } else { i64::try_from(limit).unwrap_or(i64::MAX) };
        let rows = self.pool.look(READ, &[&&*self.name, &from, &limit])?;
        let first = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        if from.unsigned_abs() < first {
            return Ok(ReadAnswer::Trimmed { first });
        }
        let mut entries = Vec::new();
        for row in &rows {
            // One row without a slot if none is found.
            if row.try_get::<_, Option<i64>>(1).map_err(foreign)?.is_some() {
                let slot = number(row, 1)?;
                entries.push((slot, decode(slot, row.try_get(2).map_err(foreign)?)?));
            }
        }
        Ok(ReadAnswer::Entries(entries))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer> {
        const SEAL: &str =
            "UPDATE happens_before_logs SET epoch = greatest(epoch, $2) WHERE name = $1 RETURNING epoch";
        // A statement later, so that it sees those for whom that one waited.
        const TAIL: &str = "
            SELECT greatest(tail, (SELECT max(slot) FROM happens_before_slots WHERE log = name))
            FROM happens_before_logs WHERE name = $1";
        let rows = self.pool.query(SEAL, &[&&*self.name, &PostgresError::in_range(epoch)?])?;
        let epoch = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        let rows = self.pool.query_next(TAIL, &[&&*self.name])?;
        let tail = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        Ok(SealAnswer { epoch, tail })
    }

    fn trim(&self, below: u64) -> Result<u64> {
        const MARK: &str = "
            UPDATE happens_before_logs SET first = greatest(first, $2), tail = greatest(tail, $2 - 1)
            WHERE name = $1 RETURNING first";
        const FORGET: &str = "DELETE FROM happens_before_slots WHERE log = $1 AND slot < $2";
        let rows = self.pool.query(MARK, &[&&*self.name, &PostgresError::in_range(below)?])?;
        let first = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        self.pool.query_next(FORGET, &[&&*self.name, &PostgresError::in_range(first)?])?;
        Ok(first)
    }
}

fn decode<I: DecodeId, P: From<Vec<u8>>>(slot: u64, bytes: &[u8]) -> Result<Entry<I, P>> {
    entry::decode(bytes).map_err(|error| PostgresError::Damaged { slot, error })
}

/// A log in a [`Postgres`] whose slots are written by number.
pub struct PostgresSlots<I, P>(Shared<I, P>);

/// A log in a [`Postgres`] that numbers and stores in one step.
pub struct PostgresAppends<I, P>(Shared<I, P>);

macro_rules! a_log {
    ($log:ident) => {
        impl<I, P> Clone for $log<I, P> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<I, P> fmt::Debug for $log<I, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($log)).field("name", &self.0.name).finish_non_exhaustive()
            }
        }

        impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Log<I, P> for $log<I, P> {
            type Error = PostgresError;

            fn read(&self, from: u64, limit: usize) -> Result<ReadAnswer<I, P>> {
                self.0.read(from, limit)
            }

            fn seal(&self, epoch: u64) -> Result<SealAnswer> {
                self.0.seal(epoch)
            }

            fn trim(&self, below: u64) -> Result<u64> {
                self.0.trim(below)
            }
        }
    };
}

a_log!(PostgresSlots);
a_log!(PostgresAppends);

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> SlotLog<I, P> for PostgresSlots<I, P> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>> {
        const WRITE: &str = "
            WITH log AS MATERIALIZED (
                SELECT epoch, first FROM happens_before_logs WHERE name = $1 FOR SHARE
            )
            INSERT INTO happens_before_slots (log, slot, entry)
            SELECT $1, $2, $4 FROM log WHERE log.first <= $2 AND log.epoch <= $3
            ON CONFLICT DO NOTHING
            RETURNING CASE WHEN $5 THEN pg_notify('happens_before', $1)::text END";
        const STANDS: &str = "
            SELECT log.first, log.epoch, found.entry
            FROM happens_before_logs AS log LEFT JOIN happens_before_slots AS found
            ON found.log = log.name AND found.slot = $2
            WHERE log.name = $1";
        let Shared { pool, name, .. } = &self.0;
        let (number_of_slot, epoch) = (PostgresError::in_range(slot)?, PostgresError::in_range(entry.epoch())?);
        let bytes = entry::encode(entry);
        let written = pool.query(WRITE, &[&&**name, &number_of_slot, &epoch, &bytes, &pool.config.notify])?;
        if !written.is_empty() {
            return Ok(WriteAnswer::Written);
        }
        let rows = pool.look(STANDS, &[&&**name, &number_of_slot])?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (first, epoch) = (number(row, 0)?, number(row, 1)?);
        if slot < first {
            return Ok(WriteAnswer::Trimmed { first });
        }
        match row.try_get::<_, Option<&[u8]>>(2).map_err(foreign)? {
            Some(occupied) => Ok(WriteAnswer::Occupied(decode(slot, occupied)?)),
            None if entry.epoch() < epoch => Ok(WriteAnswer::Sealed { epoch }),
            // What refused has gone, though only a trim takes anything away.
            None => Err(foreign(())),
        }
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AppendLog<I, P> for PostgresAppends<I, P> {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer> {
        const APPEND: &str = "
            WITH place AS (
                UPDATE happens_before_logs SET tail = tail + 1
                WHERE name = $1 AND epoch <= $2 AND tail < 9223372036854775807
                RETURNING tail
            )
            INSERT INTO happens_before_slots (log, slot, entry) SELECT $1, tail, $3 FROM place
            RETURNING slot, CASE WHEN $4 THEN pg_notify('happens_before', $1)::text END";
        const STANDS: &str = "SELECT epoch, tail FROM happens_before_logs WHERE name = $1";
        let Shared { pool, name, .. } = &self.0;
        let epoch = PostgresError::in_range(entry.epoch())?;
        let bytes = entry::encode(entry);
        if let Some(row) = pool.query(APPEND, &[&&**name, &epoch, &bytes, &pool.config.notify])?.first() {
            return Ok(AppendAnswer::Appended { slot: number(row, 0)? });
        }
        let rows = pool.look(STANDS, &[&&**name])?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (epoch, last) = (number(row, 0)?, number(row, 1)?);
        if entry.epoch() < epoch {
            return Ok(AppendAnswer::Sealed { epoch });
        }
        Err(PostgresError::Exhausted { last })
    }
}
