//! Slots that are written by number: one row each, inserted by the first writer.

use ::postgres::Client;
use happens_before::broadcast::{Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer};
use happens_before::codec::DecodeId;
use tokio_postgres::Client as AsyncClient;
use tokio_postgres::types::Type;

use super::block_on::block_on;
use super::error::{PostgresError, Result, foreign, known, number, overtaken};
use super::log::{Sent, Shared, a_log, numbered};
use super::pool::{Connection, Parameter};
use crate::asynchronous::{AsyncLog, AsyncSlotLog};

/// A log whose slots are written by number, in a [`Postgres`](super::Postgres) or an
/// [`AsyncPostgres`](super::AsyncPostgres). Clones are the same log.
///
/// A write costs a round trip and a synchronous write, which concurrent writes share; a refused write costs two round
/// trips. A read costs one round trip and O(entries) bytes. A seal or a trim costs two round trips, and waits for the
/// writes under way.
///
/// # Errors
///
/// [`PostgresError`], which says whether the request is done.
pub struct PostgresSlots<I, P, C = Client>(pub(super) Shared<I, P, C>);

a_log!(PostgresSlots);

impl<I: DecodeId, P: From<Vec<u8>>, C: Connection> PostgresSlots<I, P, C> {
    async fn put(&self, slot: u64, entry: Sent) -> Result<WriteAnswer<I, P>> {
        const WRITE: &str = numbered!(
            "log AS MATERIALIZED (
                SELECT epoch, first FROM happens_before_logs WHERE name = $1 FOR SHARE
            )",
            "INSERT INTO happens_before_slots (log, slot, entry)
            SELECT $1, $9, $3 FROM log, durable
            WHERE durable.how IS NOT NULL AND log.first <= $9 AND log.epoch <= $2
            ON CONFLICT DO NOTHING"
        );
        const STANDS: &str = "
            SELECT log.first, log.epoch, found.entry, known.highest::text, known.slot
            FROM happens_before_logs AS log
            LEFT JOIN happens_before_slots AS found ON found.log = log.name AND found.slot = $2
            LEFT JOIN happens_before_publishers AS known ON known.log = log.name AND known.node = $3
            WHERE log.name = $1";
        let name: &str = &self.0.name;
        let place = PostgresError::in_range(slot)?;
        if self.0.store(WRITE, &entry, Some(place)).await?.is_some() {
            return Ok(WriteAnswer::Written);
        }
        let parameters: [Parameter<'_>; 3] =
            [(&name, Type::TEXT), (&place, Type::INT8), (&entry.node(), Type::BYTEA)];
        let rows = self.0.pool.look(STANDS, &parameters).await?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (first, lowest, known) = (number(row, 0)?, number(row, 1)?, known(row, 3)?);
        if slot < first {
            return Ok(WriteAnswer::Trimmed { first });
        }
        match row.try_get::<_, Option<&[u8]>>(2).map_err(foreign)? {
            Some(occupied) => Ok(WriteAnswer::Occupied(self.0.stored(occupied))),
            None if entry.epoch < lowest => Ok(WriteAnswer::Sealed { epoch: lowest }),
            // The row that refused may be gone: its node may have been retired meanwhile.
            None => {
                entry.used(known, slot).map(|highest| WriteAnswer::NumberUsed { highest }).ok_or_else(overtaken)
            }
        }
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> SlotLog for PostgresSlots<I, P> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>> {
        block_on(self.put(slot, Sent::new(&self.0.name, entry)?))
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncSlotLog for PostgresSlots<I, P, AsyncClient> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> impl Future<Output = Result<WriteAnswer<I, P>>> + Send {
        let sent = Sent::new(&self.0.name, entry);
        async move { self.put(slot, sent?).await }
    }
}
