//! Slots that are written by number: one row each, inserted by whoever comes first.

use ::postgres::Client;
use happens_before::broadcast::{Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer};
use happens_before::codec::{DecodeId, EncodeId};
use tokio_postgres::Client as AsyncClient;

use super::blocking::block_on;
use super::error::{PostgresError, Result, foreign, number};
use super::log::{Shared, a_log, decode};
use super::pool::Connection;
use crate::asynchronous::{AsyncLog, AsyncSlotLog};
use crate::entry;

/// A log whose slots are written by number, in a [`Postgres`](super::Postgres), or with the other client in an
/// [`AsyncPostgres`](super::AsyncPostgres); clones are the same log.
///
/// A write costs a round trip and a synchronous write, shared by all that write at the time; one that is refused, two
/// round trips. A read costs one, and O(entries) bytes; a seal and a trim two, and wait for the writes under way.
///
/// # Errors
///
/// [`PostgresError`], which says whether it is done.
pub struct PostgresSlots<I, P, C = Client>(pub(super) Shared<I, P, C>);

a_log!(PostgresSlots);

/// An entry as it is sent. Made before anything is awaited, so that nothing else of the entry is needed later.
struct Write {
    slot: u64,
    epoch: u64,
    bytes: Vec<u8>,
}

impl Write {
    fn new<I: EncodeId, P: AsRef<[u8]>>(slot: u64, entry: &Entry<I, P>) -> Self {
        Self { slot, epoch: entry.epoch(), bytes: entry::encode(entry) }
    }
}

impl<I: DecodeId, P: From<Vec<u8>>, C: Connection> PostgresSlots<I, P, C> {
    async fn put(&self, Write { slot, epoch, bytes }: Write) -> Result<WriteAnswer<I, P>> {
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
        let place = PostgresError::in_range(slot)?;
        let of = PostgresError::in_range(epoch)?;
        let written = pool.query(WRITE, &[&&**name, &place, &of, &bytes, &pool.config.notify]).await?;
        if !written.is_empty() {
            return Ok(WriteAnswer::Written);
        }
        let rows = pool.look(STANDS, &[&&**name, &place]).await?;
        let row = rows.first().ok_or(PostgresError::Missing)?;
        let (first, lowest) = (number(row, 0)?, number(row, 1)?);
        if slot < first {
            return Ok(WriteAnswer::Trimmed { first });
        }
        match row.try_get::<_, Option<&[u8]>>(2).map_err(foreign)? {
            Some(occupied) => Ok(WriteAnswer::Occupied(decode(slot, occupied)?)),
            None if epoch < lowest => Ok(WriteAnswer::Sealed { epoch: lowest }),
            // What refused has gone, though only a trim takes anything away.
            None => Err(foreign(())),
        }
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> SlotLog<I, P> for PostgresSlots<I, P> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>> {
        block_on(self.put(Write::new(slot, entry)))
    }
}

impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncSlotLog<I, P> for PostgresSlots<I, P, AsyncClient> {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> impl Future<Output = Result<WriteAnswer<I, P>>> + Send {
        self.put(Write::new(slot, entry))
    }
}
