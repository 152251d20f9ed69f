//! Appends: number and row in one statement, so that no reader ever sees a hole.

use ::postgres::Client;
use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer};
use happens_before::codec::DecodeId;
use tokio_postgres::Client as AsyncClient;
use tokio_postgres::types::Type;

use super::block_on::block_on;
use super::error::{PostgresError, Result, after_done, foreign, known, number, overtaken};
use super::log::{Sent, Shared, a_log, numbered};
use super::pool::{Connection, Parameter};
use crate::asynchronous::{AsyncAppendLog, AsyncLog};
use crate::error::MAX;

/// A log that numbers and stores in one step, in a [`Postgres`](super::Postgres) or an
/// [`AsyncPostgres`](super::AsyncPostgres). Clones are the same log.
///
/// An append costs a round trip and a synchronous write. Appends run one after another, since each locks the log's row
/// until its write is done. All other requests cost the same as in [`PostgresSlots`](super::PostgresSlots).
///
/// # Errors
///
/// [`PostgresError`], which says whether the request is done. If that is [`Unknown`](PostgresError::Unknown), append
/// the same entry again: the answer names the slot of the first one.
pub struct PostgresAppends<I, P, C = Client>(pub(super) Shared<I, P, C>);

a_log!(PostgresAppends);

impl<I, P, C: Connection> PostgresAppends<I, P, C> {
    async fn put(&self, entry: Sent) -> Result<AppendAnswer> {
        const APPEND: &str = numbered!(
            "place AS (
                UPDATE happens_before_logs SET tail = tail + 1
                FROM durable WHERE durable.how IS NOT NULL AND name = $1 AND epoch <= $2 AND tail < 9223372036854775807
                RETURNING tail
            )",
            "INSERT INTO happens_before_slots (log, slot, entry) SELECT $1, tail, $3 FROM place"
        );
        const STANDS: &str = "
            SELECT log.epoch, log.tail, known.highest::text, known.slot, found.entry = $3
            FROM happens_before_logs AS log
            LEFT JOIN happens_before_publishers AS known ON known.log = log.name AND known.node = $2
            LEFT JOIN happens_before_slots AS found
            ON found.log = log.name AND found.slot = known.slot AND found.slot >= log.first
            WHERE log.name = $1";
        if let Some(row) = self.0.store(APPEND, &entry, None).await? {
            return Ok(AppendAnswer::Appended { slot: after_done(number(&row, 0))? });
        }
        let parameters: [Parameter<'_>; 3] =
            [(&&*self.0.name, Type::TEXT), (&entry.node(), Type::BYTEA), (&entry.bytes, Type::BYTEA)];
        let rows = self.0.pool.look(STANDS, &parameters).await?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (lowest, last, used) = (number(row, 0)?, number(row, 1)?, entry.used(known(row, 2)?, u64::MAX));
        if used.is_some() && row.try_get::<_, Option<bool>>(4).map_err(foreign)? == Some(true) {
            return Ok(AppendAnswer::AlreadyAppended { slot: number(row, 3)? });
        }
        if entry.epoch < lowest {
            return Ok(AppendAnswer::Sealed { epoch: lowest });
        }
        match used {
            Some(highest) => Ok(AppendAnswer::NumberUsed { highest }),
            None if last >= MAX => Err(PostgresError::Exhausted { last }),
            // The row that refused is gone: its node was retired meanwhile.
            None => Err(overtaken()),
        }
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AppendLog for PostgresAppends<I, P> {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer> {
        block_on(self.put(Sent::new(&self.0.name, entry)?))
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncAppendLog for PostgresAppends<I, P, AsyncClient> {
    fn append(&self, entry: &Entry<I, P>) -> impl Future<Output = Result<AppendAnswer>> + Send {
        let sent = Sent::new(&self.0.name, entry);
        async move { self.put(sent?).await }
    }
}
