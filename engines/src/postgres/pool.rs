//! Connections: a bounded number of them, each used by one request at a time, thrown away where an answer is missing.
//!
//! Written once, for both kinds of connections, as asynchronous functions. Over blocking connections they never wait for
//! anything but a place; see [`block_on`](super::blocking::block_on).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::PostgresConfig;
use super::error::{PostgresError, Result, ServerError, executed, not_done, refused, text};

pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What a client does, blocking or not. Public in a module that is not: nobody else has one.
pub trait Connection: Send {
    fn prepare(&mut self, sql: &str) -> impl Future<Output = core::result::Result<Statement, Error>> + Send;

    /// Is over when the server is ready again, and not when it has answered: it answers before it commits.
    fn query(
        &mut self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> impl Future<Output = core::result::Result<Vec<Row>, Error>> + Send;

    fn batch_execute(&mut self, sql: &str) -> impl Future<Output = core::result::Result<(), Error>> + Send;

    fn is_closed(&self) -> bool;
}

pub(super) type Connecting<C> = Pin<Box<dyn Future<Output = core::result::Result<C, Error>> + Send>>;

pub(super) struct Pool<C> {
    connect: Box<dyn Fn() -> Connecting<C> + Send + Sync>,
    pub(super) config: PostgresConfig,
    /// One for each connection that may be used now.
    places: Semaphore,
    /// Whoever has a place takes one of these, or connects; so there are never more than places.
    idle: Mutex<Vec<Prepared<C>>>,
}

/// A connection with the statements that it knows already.
pub(super) struct Prepared<C> {
    pub(super) client: C,
    statements: HashMap<&'static str, Statement>,
}

impl<C: Connection> Prepared<C> {
    pub(super) async fn query(&mut self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(sql).await.map_err(not_done)?;
                self.statements.insert(sql, statement.clone());
                statement
            }
        };
        self.client.query(&statement, parameters).await.map_err(executed)
    }
}

impl<C: Connection> Pool<C> {
    pub(super) fn new(
        config: PostgresConfig,
        connect: impl Fn() -> Connecting<C> + Send + Sync + 'static,
    ) -> Self {
        let places = Semaphore::new(config.connections.clamp(1, Semaphore::MAX_PERMITS));
        Self { connect: Box::new(connect), config, places, idle: Mutex::new(Vec::new()) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Prepared<C>>> {
        // Nothing panics while it is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection, with settings that keep the promises.
    pub(super) async fn connect(&self) -> Result<Prepared<C>> {
        const SETTINGS: &str = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
        const ISOLATION: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
        let client = (self.connect)().await.map_err(not_done)?;
        let mut connection = Prepared { client, statements: HashMap::new() };
        let statement = connection.client.prepare(SETTINGS).await.map_err(not_done)?;
        let rows = connection.client.query(&statement, &[]).await.map_err(not_done)?;
        let row = rows.first().ok_or(PostgresError::NotDone(ServerError::Foreign))?;
        if text(row, 0)? == "off" {
            return Err(PostgresError::NotDone(ServerError::NotDurable));
        }
        if matches!(text(row, 1)?, "off" | "local") {
            connection.client.batch_execute("SET synchronous_commit = on").await.map_err(not_done)?;
        }
        connection.client.batch_execute(ISOLATION).await.map_err(not_done)?;
        Ok(connection)
    }

    async fn place(&self) -> Place<'_, C> {
        // Nobody closes it, which alone would be an error.
        let permit = self.places.acquire().await.ok();
        Place { pool: self, connection: self.idle().pop(), _permit: permit }
    }

    /// Keeps a new connection for those who come.
    pub(super) fn put(&self, connection: Prepared<C>) {
        self.idle().push(connection);
    }

    /// Executes one statement on a connection that nobody else uses.
    pub(super) async fn query(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let mut place = self.place().await;
        // Out of its place, so that it is closed if this future is dropped before the answer.
        let mut connection = match place.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.query(sql, parameters).await;
        // A server that ends a connection says so first; the end itself may not have arrived yet.
        let good = match &answer {
            Ok(_) => !connection.client.is_closed(),
            Err(PostgresError::NotDone(ServerError::Client(error))) => refused(error),
            Err(_) => false,
        };
        if good {
            place.connection = Some(connection);
        } else {
            // Most likely the others are no better: the server went away.
            drop(core::mem::take(&mut *self.idle()));
        }
        answer
    }

    /// Executes a statement that only reads: if there is no answer, nothing is done all the same.
    pub(super) async fn look(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        self.query(sql, parameters).await.map_err(|error| match error {
            PostgresError::Unknown(error) => PostgresError::NotDone(error),
            other => other,
        })
    }
}

/// A caller's place among the connections; given back in any case, with the connection if it is still good.
struct Place<'a, C: Connection> {
    pool: &'a Pool<C>,
    connection: Option<Prepared<C>>,
    /// Dropped last: whoever gets it finds the connection.
    _permit: Option<SemaphorePermit<'a>>,
}

impl<C: Connection> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
    }
}
