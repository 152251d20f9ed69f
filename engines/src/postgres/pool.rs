//! A bounded number of connections. Each is used by one request at a time, and discarded if an answer is missing.
//!
//! The asynchronous functions here serve both kinds of connections. Over blocking ones they await only a place; see
//! [`block_on`](super::block_on::block_on).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement};

use super::PostgresConfig;
use super::error::{
    ConnectError, PostgresError, Result, ServerError, executed, foreign, forgotten, not_done, refused, text,
};

/// A parameter of a statement, with its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A client, blocking or not. It is public in a private module, so no other crate can implement it.
pub trait Connection: Send {
    /// Executes a statement without a name, in one round trip.
    ///
    /// It returns when the server is ready again, not at its answer: the server answers before it commits.
    fn query(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> impl Future<Output = core::result::Result<Vec<Row>, Error>> + Send;

    fn prepare(
        &mut self,
        sql: &str,
        types: &[Type],
    ) -> impl Future<Output = core::result::Result<Statement, Error>> + Send;

    /// Executes a statement that this connection has prepared, like [`query`](Self::query).
    fn query_prepared(
        &mut self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = core::result::Result<Vec<Row>, Error>> + Send;

    fn batch_execute(&mut self, sql: &str) -> impl Future<Output = core::result::Result<(), Error>> + Send;

    fn is_closed(&self) -> bool;
}

pub(super) type Connecting<C> = Pin<Box<dyn Future<Output = core::result::Result<C, Error>> + Send>>;

pub(super) struct Pool<C> {
    connect: Box<dyn Fn() -> Connecting<C> + Send + Sync>,
    /// Host and port, for errors; empty if the caller's function knows them.
    place: String,
    pub(super) config: PostgresConfig,
    /// One permit for each connection that may be used now.
    places: Semaphore,
    /// The idle connections. A holder of a place takes one of them or connects, so there are never more than places.
    idle: Mutex<Vec<Ready<C>>>,
}

/// A connection to a server whose settings keep the promises.
pub(super) struct Ready<C> {
    pub(super) client: C,
    /// True if the default level of isolation is another one than `READ COMMITTED`.
    isolated: bool,
    /// The prepared statements; `None` if none are prepared.
    prepared: Option<BTreeMap<&'static str, Statement>>,
}

impl<C: Connection> Ready<C> {
    /// Executes one statement, which is committed once this returns.
    pub(super) async fn query(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        let answer = self.transact(sql, parameters).await;
        if answer.as_ref().is_err_and(forgotten)
            && self.prepared.as_mut().is_some_and(|prepared| prepared.remove(sql).is_some())
        {
            // The statement was rolled back, so it is tried once more, prepared anew.
            return self.transact(sql, parameters).await;
        }
        answer
    }

    async fn transact(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        if !self.isolated {
            return self.execute(sql, parameters).await;
        }
        self.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(not_done)?;
        match self.execute(sql, parameters).await {
            Ok(rows) => {
                self.client.batch_execute("COMMIT").await.map_err(executed)?;
                Ok(rows)
            }
            Err(error) => {
                // Whatever the result, this commits nothing.
                drop(self.client.batch_execute("ROLLBACK").await);
                Err(error)
            }
        }
    }

    async fn execute(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        let Some(prepared) = &mut self.prepared else {
            return self.client.query(sql, parameters).await.map_err(executed);
        };
        let statement = match prepared.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let types: Vec<Type> = parameters.iter().map(|(_, of)| of.clone()).collect();
                let statement = self.client.prepare(sql, &types).await.map_err(not_done)?;
                prepared.insert(sql, statement.clone());
                statement
            }
        };
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|(value, _)| *value).collect();
        self.client.query_prepared(&statement, &parameters).await.map_err(executed)
    }
}

impl<C: Connection> Pool<C> {
    pub(super) fn new(
        config: PostgresConfig,
        place: String,
        connect: impl Fn() -> Connecting<C> + Send + Sync + 'static,
    ) -> Self {
        let places = Semaphore::new(config.connections.clamp(1, Semaphore::MAX_PERMITS));
        Self { connect: Box::new(connect), place, config, places, idle: Mutex::new(Vec::new()) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Ready<C>>> {
        // No code panics while the lock is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection to a server whose settings keep the promises.
    ///
    /// It sets nothing on the connection: a pooler may execute each statement on another one.
    pub(super) async fn connect(&self) -> Result<Ready<C>> {
        const SETTINGS: &str = "
            SELECT current_setting('fsync'),
                EXISTS (SELECT FROM pg_class WHERE relpersistence <> 'p' AND oid IN (
                    to_regclass('happens_before_counters'), to_regclass('happens_before_logs'),
                    to_regclass('happens_before_publishers'), to_regclass('happens_before_slots')
                )),
                current_setting('default_transaction_isolation') <> 'read committed'";
        let connected = (self.connect)().await.map_err(|error| ConnectError::at(self.place.clone(), error));
        let mut client = connected.map_err(|error| PostgresError::NotDone(ServerError::Connect(error)))?;
        let rows = client.query(SETTINGS, &[]).await.map_err(not_done)?;
        let row = rows.first().ok_or(PostgresError::NotDone(ServerError::Foreign))?;
        if text(row, 0)? == "off" {
            return Err(PostgresError::NotDone(ServerError::NotDurable));
        }
        if row.try_get(1).map_err(foreign)? {
            return Err(PostgresError::NotDone(ServerError::Unlogged));
        }
        let prepared = self.config.prepare.then(BTreeMap::new);
        Ok(Ready { client, isolated: row.try_get(2).map_err(foreign)?, prepared })
    }

    async fn place(&self) -> Place<'_, C> {
        // The only error would be a closed semaphore, and this one is never closed.
        let permit = self.places.acquire().await.ok();
        Place { pool: self, connection: self.idle().pop(), _permit: permit }
    }

    /// Keeps a new connection for later requests.
    pub(super) fn put(&self, connection: Ready<C>) {
        self.idle().push(connection);
    }

    /// Executes one statement on a connection that no other request uses.
    pub(super) async fn query(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        let mut place = self.place().await;
        // The connection is taken out of its place, so that it is closed if this future is dropped before the answer.
        let mut connection = match place.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.query(sql, parameters).await;
        // A server announces the end of a connection first; the end itself may not have arrived yet.
        let good = match &answer {
            Ok(_) => !connection.client.is_closed(),
            Err(PostgresError::NotDone(ServerError::Client(error))) => refused(error),
            Err(_) => false,
        };
        if good {
            place.connection = Some(connection);
        } else {
            // The other connections are probably broken too: the server went away.
            drop(core::mem::take(&mut *self.idle()));
        }
        answer
    }

    /// Executes a statement that only reads: without an answer it is still not done.
    pub(super) async fn look(&self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        self.query(sql, parameters).await.map_err(|error| match error {
            PostgresError::Unknown(error) => PostgresError::NotDone(error),
            other => other,
        })
    }
}

/// A caller's place among the connections. It is given back in any case, with the connection if that is still good.
struct Place<'a, C: Connection> {
    pool: &'a Pool<C>,
    connection: Option<Ready<C>>,
    /// Dropped last, so that the next holder finds the connection.
    _permit: Option<SemaphorePermit<'a>>,
}

impl<C: Connection> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
    }
}
