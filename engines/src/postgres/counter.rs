//! The counter: one row, which every take of numbers updates.
//!
//! It is never a sequence. A sequence writes its state to the server's log for 32 numbers at once, in the transaction
//! that happens to need the next 32. If the server crashes before that transaction commits, numbers that other callers
//! were answered are given again.

use core::fmt;
use core::num::NonZeroU64;
use std::sync::Arc;

use ::postgres::Client;
use happens_before::counter::Counter;
use tokio_postgres::Client as AsyncClient;
use tokio_postgres::types::Type;

use super::block_on::block_on;
use super::error::{PostgresError, Result, after_done, durable, number};
use super::pool::{Connection, Pool};
use crate::asynchronous::AsyncCounter;

/// A linearizable counter in a [`Postgres`](super::Postgres) or an [`AsyncPostgres`](super::AsyncPostgres). Clones are
/// the same counter.
///
/// Taking numbers costs a round trip and a synchronous write. Takes run one after another, since each locks the row
/// until its write is done. [`Coalesced`](crate::Coalesced) shares both costs among threads. `current` costs a round
/// trip.
///
/// # Errors
///
/// [`PostgresError`]. If the outcome of a take is [`Unknown`](PostgresError::Unknown), its numbers may be spent, and no
/// other caller gets them.
pub struct PostgresCounter<C = Client> {
    pool: Arc<Pool<C>>,
    name: Arc<str>,
}

impl<C> Clone for PostgresCounter<C> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), name: self.name.clone() }
    }
}

impl<C> fmt::Debug for PostgresCounter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCounter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<C: Connection> PostgresCounter<C> {
    pub(super) async fn make(pool: &Arc<Pool<C>>, name: &str) -> Result<Self> {
        pool.make_counter(name).await?;
        Ok(Self { pool: pool.clone(), name: name.into() })
    }

    async fn take(&self, n: NonZeroU64) -> Result<u64> {
        const TAKE: &str = durable!(
            "UPDATE happens_before_counters SET last = last + $2
            FROM durable WHERE durable.how IS NOT NULL
            AND name = $1 AND last <= 9223372036854775807 - $2
            RETURNING last - $2 + 1"
        );
        let n = PostgresError::in_range(n.get())?;
        match self.pool.query(TAKE, &[(&&*self.name, Type::TEXT), (&n, Type::INT8)]).await?.first() {
            Some(row) => after_done(number(row, 0)),
            None => Err(PostgresError::Exhausted { last: self.last().await? }),
        }
    }

    async fn last(&self) -> Result<u64> {
        const LAST: &str = "SELECT last FROM happens_before_counters WHERE name = $1";
        let rows = self.pool.look(LAST, &[(&&*self.name, Type::TEXT)]).await?;
        number(rows.first().ok_or(PostgresError::Missing)?, 0)
    }

    async fn raise_to(&self, last: u64) -> Result<()> {
        const RAISE: &str = durable!(
            "UPDATE happens_before_counters SET last = greatest(last, $2)
            FROM durable WHERE durable.how IS NOT NULL AND name = $1 RETURNING last"
        );
        let last = PostgresError::in_range(last)?;
        let rows = self.pool.query(RAISE, &[(&&*self.name, Type::TEXT), (&last, Type::INT8)]).await?;
        rows.first().map(drop).ok_or(PostgresError::Missing)
    }
}

impl PostgresCounter {
    /// Raises the counter, so that only numbers above `last` are taken from now on. A new epoch does so with the tail
    /// that [`seal`](happens_before::broadcast::Log::seal) returned. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`PostgresError`], which says whether it is done; repeat it if that is unknown.
    pub fn raise(&self, last: u64) -> Result<()> {
        block_on(self.raise_to(last))
    }
}

impl PostgresCounter<AsyncClient> {
    /// Raises the counter, so that only numbers above `last` are taken from now on. A new epoch does so with the tail
    /// that [`seal`](crate::asynchronous::AsyncLog::seal) returned. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`PostgresError`], which says whether it is done; repeat it if that is unknown, or if the future was dropped.
    pub async fn raise(&self, last: u64) -> Result<()> {
        self.raise_to(last).await
    }
}

impl Counter for PostgresCounter {
    type Error = PostgresError;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64> {
        block_on(self.take(n))
    }

    fn current(&self) -> Result<u64> {
        block_on(self.last())
    }
}

impl AsyncCounter for PostgresCounter<AsyncClient> {
    type Error = PostgresError;

    async fn increment_and_get(&self, n: NonZeroU64) -> Result<u64> {
        self.take(n).await
    }

    async fn current(&self) -> Result<u64> {
        self.last().await
    }
}
