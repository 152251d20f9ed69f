//! Appends: number and row in one statement, so that there are no holes, nor the look of any.

use ::postgres::Client;
use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer};
use happens_before::codec::DecodeId;
use tokio_postgres::Client as AsyncClient;

use super::blocking::block_on;
use super::error::{PostgresError, Result, after_done, number};
use super::log::{Shared, a_log};
use super::pool::Connection;
use crate::asynchronous::{AsyncAppendLog, AsyncLog};
use crate::entry;

/// A log that numbers and stores in one step, in a [`Postgres`](super::Postgres), or with the other client in an
/// [`AsyncPostgres`](super::AsyncPostgres); clones are the same log.
///
/// An append costs a round trip and a synchronous write, one after another: who appends holds the log's row until the
/// write is done. The rest costs what it does in [`PostgresSlots`](super::PostgresSlots).
///
/// # Errors
///
/// [`PostgresError`], which says whether it is done. Where that is [`Unknown`](crate::Outcome::Unknown), append the same
/// entry again: readers deliver it once.
pub struct PostgresAppends<I, P, C = Client>(pub(super) Shared<I, P, C>);

a_log!(PostgresAppends);

impl<I, P, C: Connection> PostgresAppends<I, P, C> {
    async fn put(&self, epoch: u64, bytes: Vec<u8>) -> Result<AppendAnswer> {
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
        let of = PostgresError::in_range(epoch)?;
        let rows = pool.query(APPEND, &[&&**name, &of, &bytes, &pool.config.notify]).await?;
        if let Some(row) = rows.first() {
            return Ok(AppendAnswer::Appended { slot: after_done(number(row, 0))? });
        }
        let rows = pool.look(STANDS, &[&&**name]).await?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (lowest, last) = (number(row, 0)?, number(row, 1)?);
        if epoch < lowest {
            return Ok(AppendAnswer::Sealed { epoch: lowest });
        }
        Err(PostgresError::Exhausted { last })
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AppendLog<I, P> for PostgresAppends<I, P> {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer> {
        block_on(self.put(entry.epoch(), entry::encode(entry)))
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncAppendLog<I, P> for PostgresAppends<I, P, AsyncClient> {
    fn append(&self, entry: &Entry<I, P>) -> impl Future<Output = Result<AppendAnswer>> + Send {
        self.put(entry.epoch(), entry::encode(entry))
    }
}
