//! The common part of both kinds of logs: the requests to read, seal and trim, and the macro that makes both clients of
//! a kind from one code.

use core::marker::PhantomData;
use std::sync::Arc;

use happens_before::broadcast::{Entry, ReadAnswer, ReadLimit, SealAnswer};
use happens_before::codec::{DecodeId, EncodeId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::error::{PostgresError, Result, after_done, durable, foreign, number, number_used};
use super::pool::{Connection, Parameter, Pool};
use crate::checksum;
use crate::entry::{self, Numbers};
use crate::error::MAX;

/// A log of either kind, over connections of either kind.
pub(super) struct Shared<I, P, C> {
    pub(super) pool: Arc<Pool<C>>,
    pub(super) name: Arc<str>,
    types: PhantomData<fn() -> (I, P)>,
}

impl<I, P, C> Clone for Shared<I, P, C> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), name: self.name.clone(), types: PhantomData }
    }
}

impl<I, P, C: Connection> Shared<I, P, C> {
    pub(super) async fn make(pool: &Arc<Pool<C>>, name: &str, kind: &str) -> Result<Self> {
        pool.make_log(name, kind).await?;
        Ok(Self { pool: pool.clone(), name: name.into(), types: PhantomData })
    }

    pub(super) fn stored(&self, bytes: &[u8]) -> Entry<I, P>
    where
        I: DecodeId,
        P: From<Vec<u8>>,
    {
        entry::stored(self.name.as_bytes(), bytes)
    }

    /// Executes a [`numbered`] statement, and returns its row, or none if it was refused.
    pub(super) async fn store(
        &self,
        sql: &'static str,
        entry: &Sent,
        slot: Option<i64>,
    ) -> Result<Option<Row>> {
        let of = PostgresError::in_range(entry.epoch)?;
        let numbers = entry.numbers.as_ref();
        let last = numbers.map(|numbers| numbers.last.to_string());
        let first = numbers.map(|numbers| numbers.first.to_string());
        let retired = numbers.and_then(|numbers| numbers.retired.as_deref());
        let parameters: [Parameter<'_>; 9] = [
            (&&*self.name, Type::TEXT),
            (&of, Type::INT8),
            (&entry.bytes, Type::BYTEA),
            (&entry.node(), Type::BYTEA),
            (&last, Type::TEXT),
            (&first, Type::TEXT),
            (&retired, Type::BYTEA),
            (&self.pool.config.notify, Type::BOOL),
            (&slot, Type::INT8),
        ];
        // The slot, if there is one, is the last parameter.
        let parameters = if slot.is_some() { &parameters[..] } else { &parameters[..8] };
        match self.pool.query(sql, parameters).await {
            Ok(rows) => Ok(rows.into_iter().next()),
            Err(error) if number_used(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>>
    where
        I: DecodeId,
        P: From<Vec<u8>>,
    {
        // The length of an entry is known without reading it.
        const READ: &str = "
            SELECT log.first, found.slot, found.entry
            FROM happens_before_logs AS log LEFT JOIN LATERAL (
                SELECT slot, entry FROM (
                    SELECT slot, entry, row_number() OVER up_to_here AS rows,
                        sum(octet_length(entry)) OVER up_to_here AS bytes
                    FROM (
                        SELECT slot, entry FROM happens_before_slots
                        WHERE log = log.name AND slot >= $2 AND log.first <= $2
                        ORDER BY slot LIMIT $3
                    ) AS page WINDOW up_to_here AS (ORDER BY slot)
                ) AS counted WHERE rows <= 2 OR bytes <= $4
            ) AS found ON true
            WHERE log.name = $1 ORDER BY found.slot";
        let at_most = |limit| i64::try_from(limit).unwrap_or(i64::MAX);
        // No slot is above the highest one.
        let (from, beyond) = (i64::try_from(from).unwrap_or(i64::MAX), from > MAX);
        let rows = if beyond { 0 } else { at_most(limit.entries) };
        let parameters: [Parameter<'_>; 4] = [
            (&&*self.name, Type::TEXT),
            (&from, Type::INT8),
            (&rows, Type::INT8),
            (&at_most(limit.bytes), Type::INT8),
        ];
        let rows = self.pool.look(READ, &parameters).await?;
        let first = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        if from.unsigned_abs() < first {
            return Ok(ReadAnswer::Trimmed { first });
        }
        let mut entries = Vec::new();
        for row in &rows {
            // If none is found, there is one row without a slot.
            if row.try_get::<_, Option<i64>>(1).map_err(foreign)?.is_some() {
                entries.push((number(row, 1)?, self.stored(row.try_get(2).map_err(foreign)?)));
            }
        }
        Ok(ReadAnswer::Entries(entries))
    }

    pub(super) async fn seal(&self, epoch: u64) -> Result<SealAnswer> {
        const SEAL: &str = durable!(
            "UPDATE happens_before_logs SET epoch = greatest(epoch, $2)
            FROM durable WHERE durable.how IS NOT NULL AND name = $1 RETURNING epoch"
        );
        // A second statement, so that it sees the writes for which the first one waited.
        const TAIL: &str = "
            SELECT greatest(tail, (SELECT max(slot) FROM happens_before_slots WHERE log = name))
            FROM happens_before_logs WHERE name = $1";
        let epoch = PostgresError::in_range(epoch)?;
        let rows = self.pool.query(SEAL, &[(&&*self.name, Type::TEXT), (&epoch, Type::INT8)]).await?;
        let epoch = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        let rows = after_done(self.pool.look(TAIL, &[(&&*self.name, Type::TEXT)]).await)?;
        let tail = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        Ok(SealAnswer { epoch, tail })
    }

    pub(super) async fn trim(&self, below: u64) -> Result<u64> {
        const MARK: &str = durable!(
            "UPDATE happens_before_logs SET first = greatest(first, $2), tail = greatest(tail, $2 - 1)
            FROM durable WHERE durable.how IS NOT NULL AND name = $1 RETURNING first"
        );
        const FORGET: &str = "DELETE FROM happens_before_slots WHERE log = $1 AND slot < $2";
        let below = PostgresError::in_range(below)?;
        let rows = self.pool.query(MARK, &[(&&*self.name, Type::TEXT), (&below, Type::INT8)]).await?;
        let first = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        let below = PostgresError::in_range(first)?;
        after_done(self.pool.query(FORGET, &[(&&*self.name, Type::TEXT), (&below, Type::INT8)]).await)?;
        Ok(first)
    }
}

/// Makes one statement of an `INSERT` into the slots, with the numbers of the nodes: `$4` is the entry's node, `$5` its last
/// number, `$6` its first one, `$7` the node that it retires; `NULL` where there is none.
///
/// The node's row is changed, and its newest version locked, only after the slot is inserted. If the number there is
/// not below the first one, or the slot there is higher, the statement divides by 0 and is rolled back as a whole. If a
/// node retires itself, its row is only removed, by the same rule.
macro_rules! numbered {
    ($with:literal, $insert:literal) => {
        concat!(
            $crate::postgres::error::durable!(", "),
            $with,
            ", inserted AS (",
            $insert,
            " RETURNING slot
            ), noted AS (
                INSERT INTO happens_before_publishers AS known (log, node, highest, slot)
                SELECT $1, $4, $5::numeric, slot FROM inserted
                WHERE $4 IS NOT NULL AND $4 IS DISTINCT FROM $7
                ON CONFLICT (log, node) DO UPDATE SET slot = excluded.slot,
                    highest = excluded.highest / (known.highest < $6::numeric AND known.slot <= excluded.slot)::int
            ), retired AS (
                DELETE FROM happens_before_publishers AS known USING inserted
                WHERE known.log = $1 AND known.node = $7
                RETURNING 1 / (known.node <> $4 OR known.highest < $6::numeric AND known.slot <= inserted.slot)::int
            )
            SELECT slot, (SELECT count(*) FROM retired),
                CASE WHEN $8 THEN pg_notify('happens_before', $1)::text END FROM inserted"
        )
    };
}

pub(super) use numbered;

/// An entry as it is sent. It is made before anything is awaited, so that the entry itself is not needed later.
pub(super) struct Sent {
    pub(super) epoch: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) numbers: Option<Numbers>,
}

/// The highest length of an entry with its ids: 1 GiB less 64 KiB. A message to the server and a value in it end at 1
/// GiB, and the other parameters of a statement take less than 64 KiB.
const MAX_SENT: u64 = (1 << 30) - (1 << 16);

impl Sent {
    pub(super) fn new<I: EncodeId, P: AsRef<[u8]>>(name: &str, entry: &Entry<I, P>) -> Result<Self> {
        let bytes = checksum::end(name.as_bytes(), entry::begin_within(entry, MAX_SENT)?);
        let numbers = Numbers::of(entry);
        let ids = numbers.as_ref().map_or(0, |n| n.node.len() + n.retired.as_ref().map_or(0, Vec::len));
        let len = (bytes.len() as u64).saturating_add(ids as u64);
        if len > MAX_SENT {
            return Err(PostgresError::EntryTooLong { len, max: MAX_SENT });
        }
        Ok(Self { epoch: entry.epoch(), bytes, numbers })
    }

    pub(super) fn node(&self) -> Option<&[u8]> {
        self.numbers.as_ref().map(|numbers| &*numbers.node)
    }

    /// Returns the highest number of its node, if the entry's number is not above it, or `at` is below its slot.
    pub(super) fn used(&self, known: Option<(u64, u64)>, at: u64) -> Option<u64> {
        let first = self.numbers.as_ref()?.first;
        known.filter(|&(highest, slot)| first <= highest || at < slot).map(|(highest, _)| highest)
    }
}

/// Makes a newtype of `Shared` a blocking and an asynchronous log.
macro_rules! a_log {
    ($log:ident) => {
        impl<I, P, C> Clone for $log<I, P, C> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<I, P, C> core::fmt::Debug for $log<I, P, C> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($log)).field("name", &self.0.name).finish_non_exhaustive()
            }
        }

        impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Log for $log<I, P> {
            type Node = I;
            type Payload = P;
            type Error = PostgresError;

            fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>> {
                block_on(self.0.read(from, limit))
            }

            fn seal(&self, epoch: u64) -> Result<SealAnswer> {
                block_on(self.0.seal(epoch))
            }

            fn trim(&self, below: u64) -> Result<u64> {
                block_on(self.0.trim(below))
            }
        }

        impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncLog for $log<I, P, AsyncClient> {
            type Node = I;
            type Payload = P;
            type Error = PostgresError;

            async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>> {
                self.0.read(from, limit).await
            }

            async fn seal(&self, epoch: u64) -> Result<SealAnswer> {
                self.0.seal(epoch).await
            }

            async fn trim(&self, below: u64) -> Result<u64> {
                self.0.trim(below).await
            }
        }
    };
}

pub(super) use a_log;
