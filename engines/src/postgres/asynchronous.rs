//! The asynchronous client. The caller who makes a connection also drives it, so any runtime will do.

use core::fmt;
use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::error::Result;
use super::log::Shared;
use super::pool::{Connection, Parameter, Pool};
use super::{PostgresAppends, PostgresConfig, PostgresCounter, PostgresSlots};

impl Connection for Client {
    async fn query(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> core::result::Result<Vec<Row>, Error> {
        Client::query_typed(self, sql, parameters).await
    }

    async fn prepare(&mut self, sql: &str, types: &[Type]) -> core::result::Result<Statement, Error> {
        Client::prepare_typed(self, sql, types).await
    }

    async fn query_prepared(
        &mut self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> core::result::Result<Vec<Row>, Error> {
        Client::query(self, statement, parameters).await
    }

    async fn batch_execute(&mut self, sql: &str) -> core::result::Result<(), Error> {
        Client::batch_execute(self, sql).await
    }

    fn is_closed(&self) -> bool {
        Client::is_closed(self)
    }
}

/// A database of counters and logs whose requests are awaited. Clones share it and its connections.
///
/// Its counters and logs are of the same types as those of [`Postgres`](super::Postgres), but over the asynchronous
/// client. They implement [`AsyncCounter`](crate::asynchronous::AsyncCounter),
/// [`AsyncSlotLog`](crate::asynchronous::AsyncSlotLog) and [`AsyncAppendLog`](crate::asynchronous::AsyncAppendLog).
/// Both databases may be open on the same tables.
///
/// If a future is dropped before its answer, the outcome of the request is *unknown*, and its connection is closed.
///
/// There is no listener: notifications come out of the connection, which the caller drives. `LISTEN happens_before` on
/// your own connection; the payload is the name of the log. A notification is only a wake-up, so keep polling.
///
/// # Examples
///
/// On tokio, with a connection that is spawned and ends with its client. Write the slot again: the answer is `Occupied`
/// with the same order.
///
/// ```no_run
/// use core::num::NonZeroU64;
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, WriteAnswer};
/// use happens_before_engines::asynchronous::{AsyncCounter, AsyncSlotLog};
/// use happens_before_engines::postgres::{AsyncPostgres, ConnectionString, PostgresConfig};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server: ConnectionString = "host=localhost user=postgres".parse()?;
/// let database = AsyncPostgres::open_with(PostgresConfig::default(), move || {
///     let server = server.clone();
///     async move {
///         let (client, connection) = server.connect_async().await?;
///         tokio::spawn(connection); // ends with its client
///         Ok(client)
///     }
/// });
/// let database = database.await?;
/// let (counter, log) = (database.counter("orders").await?, database.slots("orders").await?);
/// let slot = counter.increment_and_get(NonZeroU64::MIN).await?;
/// let order = Entry::message(0, Dot::new("a".to_string(), 1).unwrap(), b"tea".to_vec());
/// assert_eq!(log.write(slot, &order).await?, WriteAnswer::Written);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AsyncPostgres {
    pool: Arc<Pool<Client>>,
}

impl AsyncPostgres {
    /// Connects with a function of the caller, and makes the tables if there are none, in the first schema of the
    /// search path.
    ///
    /// `connect` must also drive the connection, for example by spawning it on the runtime.
    ///
    /// # Errors
    ///
    /// As [`Postgres::open_with`](super::Postgres::open_with).
    pub async fn open_with<F>(
        config: PostgresConfig,
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<Self>
    where
        F: Future<Output = core::result::Result<Client, Error>> + Send + 'static,
    {
        let pool = Pool::new(config, String::new(), move || Box::pin(connect()));
        pool.open().await?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Returns the counter of that name; a new one starts at 1. Costs a round trip.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again.
    pub async fn counter(&self, name: &str) -> Result<PostgresCounter<Client>> {
        PostgresCounter::make(&self.pool, name).await
    }

    /// Returns the log of that name, whose slots are written by number; a new one is empty, in epoch 0. Costs two round
    /// trips.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again, unless the log exists as one of
    /// [`appends`](Self::appends).
    pub async fn slots<I, P>(&self, name: &str) -> Result<PostgresSlots<I, P, Client>> {
        Shared::make(&self.pool, name, "slots").await.map(PostgresSlots)
    }

    /// Returns the log of that name, which numbers and stores in one step; a new one is empty, in epoch 0. Costs two
    /// round trips.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again, unless the log exists as one of
    /// [`slots`](Self::slots).
    pub async fn appends<I, P>(&self, name: &str) -> Result<PostgresAppends<I, P, Client>> {
        Shared::make(&self.pool, name, "appends").await.map(PostgresAppends)
    }
}

impl fmt::Debug for AsyncPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncPostgres").field("config", &self.pool.config).finish_non_exhaustive()
    }
}
