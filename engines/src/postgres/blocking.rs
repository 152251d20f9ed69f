//! The blocking client, under the same code as the asynchronous one. Over it the code awaits only a place among the
//! connections.

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::postgres::Client;
use ::postgres::fallible_iterator::FallibleIterator;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement};

use super::block_on::block_on;
use super::connection_string::ConnectionString;
use super::error::{PostgresError, Result, ServerError, not_done};
use super::log::Shared;
use super::pool::{Connection, Parameter, Pool, Ready};
use super::{PostgresAppends, PostgresConfig, PostgresCounter, PostgresSlots};
use crate::error::NameError;

impl Connection for Client {
    async fn query(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> core::result::Result<Vec<Row>, Error> {
        Client::query_typed(self, sql, parameters)
    }

    async fn prepare(&mut self, sql: &str, types: &[Type]) -> core::result::Result<Statement, Error> {
        Client::prepare_typed(self, sql, types)
    }

    async fn query_prepared(
        &mut self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> core::result::Result<Vec<Row>, Error> {
        Client::query(self, statement, parameters)
    }

    async fn batch_execute(&mut self, sql: &str) -> core::result::Result<(), Error> {
        Client::batch_execute(self, sql)
    }

    fn is_closed(&self) -> bool {
        Client::is_closed(self)
    }
}

/// A database of counters and logs. Clones share it and its connections.
///
/// # Examples
///
/// A number, and an entry in its slot. Write the slot again: the answer is `Occupied` with the same order.
///
/// ```no_run
/// use core::num::NonZeroU64;
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, SlotLog, WriteAnswer};
/// use happens_before::counter::Counter;
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
    pool: Arc<Pool<Client>>,
}

impl Postgres {
    /// Connects, and makes the tables if there are none.
    ///
    /// `url` is the text of a [`ConnectionString`]: a URL of libpq, or its options. Its `sslmode` decides about TLS,
    /// which needs the feature `tls`: without it, connections are not encrypted, and a mode that demands TLS is
    /// refused.
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with). An error in connecting says why, and at which host and port. No error shows the
    /// password.
    pub fn open(url: &str) -> Result<Self> {
        let server: ConnectionString =
            url.parse().map_err(|error| PostgresError::NotDone(ServerError::ConnectionString(error)))?;
        Self::at(PostgresConfig::default(), server.place(), move || server.connect())
    }

    /// Connects with a function of the caller, and makes the tables if there are none, in the first schema of the
    /// search path. A [`ConnectionString`] has such a function.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone) if the server cannot be reached ([`ServerError::Connect`] says why), is
    /// set to lose data in a crash, or refuses to make the tables; [`Unknown`](crate::EngineError::Unknown) if the connection ended meanwhile. Open
    /// again in any case.
    pub fn open_with(
        config: PostgresConfig,
        connect: impl Fn() -> core::result::Result<Client, Error> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::at(config, String::new(), connect)
    }

    fn at(
        config: PostgresConfig,
        place: String,
        connect: impl Fn() -> core::result::Result<Client, Error> + Send + Sync + 'static,
    ) -> Result<Self> {
        let connect = Arc::new(connect);
        let pool = Pool::new(config, place, move || {
            let connect = connect.clone();
            Box::pin(async move { connect() })
        });
        block_on(pool.open())?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Returns the counter of that name; a new one starts at 1. Costs a round trip.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again.
    pub fn counter(&self, name: &str) -> Result<PostgresCounter> {
        block_on(PostgresCounter::make(&self.pool, name))
    }

    /// Returns the log of that name, whose slots are written by number; a new one is empty, in epoch 0. Costs two round
    /// trips.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again, unless the log exists as one of
    /// [`appends`](Self::appends).
    pub fn slots<I, P>(&self, name: &str) -> Result<PostgresSlots<I, P>> {
        block_on(Shared::make(&self.pool, name, "slots")).map(PostgresSlots)
    }

    /// Returns the log of that name, which numbers and stores in one step; a new one is empty, in epoch 0. Costs two
    /// round trips.
    ///
    /// # Errors
    ///
    /// [`Name`](crate::EngineError::Name) if the name is empty, has more than 63 bytes, or has a control character.
    /// Another [`PostgresError`](super::PostgresError): try again, unless the log exists as one of
    /// [`slots`](Self::slots).
    pub fn appends<I, P>(&self, name: &str) -> Result<PostgresAppends<I, P>> {
        block_on(Shared::make(&self.pool, name, "appends")).map(PostgresAppends)
    }

    /// Listens for writes and appends to the log of that name, if the writers [`notify`](PostgresConfig::notify).
    ///
    /// It uses a connection of its own.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone).
    pub fn listen(&self, name: &str) -> Result<Listener> {
        NameError::check(name)?;
        let Ready { mut client, .. } = block_on(self.pool.connect())?;
        client.batch_execute("LISTEN happens_before").map_err(not_done)?;
        Ok(Listener { client, name: name.into() })
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("config", &self.pool.config).finish_non_exhaustive()
    }
}

/// A listener that waits until a log may have something new. It only wakes up a reader, which must still poll.
///
/// Notifications are lost with a connection, and only writers that are configured to notify send them. So read after
/// every wait, whatever it returned. The time-out bounds the delay of a message.
pub struct Listener {
    client: Client,
    name: Box<str>,
}

impl Listener {
    /// Waits for a write or an append, for at most `timeout`; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`NotDone`](crate::EngineError::NotDone) if the connection ended: listen again, and read.
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
        // All notifications that came meanwhile are one wake-up.
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
