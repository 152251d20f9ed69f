//! What logs of both kinds share: read, seal, trim; and the macro that makes both twins of a kind from one code.

use core::marker::PhantomData;
use std::sync::Arc;

use happens_before::broadcast::{Entry, ReadAnswer, ReadLimit, SealAnswer};
use happens_before::codec::DecodeId;

use super::error::{PostgresError, Result, after_done, foreign, number};
use super::pool::{Connection, Pool};
use crate::entry;
use crate::error::MAX;

/// A log, of either kind, over connections of either kind.
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

    pub(super) async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>>
    where
        I: DecodeId,
        P: From<Vec<u8>>,
    {
        const READ: &str = "
            SELECT log.first, found.slot, found.entry
            FROM happens_before_logs AS log LEFT JOIN LATERAL (
                SELECT slot, entry FROM happens_before_slots
                WHERE log = log.name AND slot >= $2 AND log.first <= $2
                ORDER BY slot LIMIT $3
            ) AS found ON true
            WHERE log.name = $1 ORDER BY found.slot";
        // Nothing stands above the highest slot.
        let (from, beyond) = (i64::try_from(from).unwrap_or(i64::MAX), from > MAX);
        let limit = if beyond { 0 } else { i64::try_from(limit.entries).unwrap_or(i64::MAX) };
        let rows = self.pool.look(READ, &[&&*self.name, &from, &limit]).await?;
        let first = number(rows.first().ok_or(PostgresError::Missing)?, 0)?;
        if from.unsigned_abs() < first {
            return Ok(ReadAnswer::Trimmed { first });
        }
        let mut entries = Vec::new();
        for row in &rows {
            // One row without a slot if none is found.
            if row.try_get::<_, Option<i64>>(1).map_err(foreign)?.is_some() {
                let slot = number(row, 1)?;
                entries.push((slot, decode(slot, row.try_get(2).map_err(foreign)?)?));
            }
        }
        Ok(ReadAnswer::Entries(entries))
    }

    pub(super) async fn seal(&self, epoch: u64) -> Result<SealAnswer> {
        const SEAL: &str =
            "UPDATE happens_before_logs SET epoch = greatest(epoch, $2) WHERE name = $1 RETURNING epoch";
        // A statement later, so that it sees those for whom that one waited.
        const TAIL: &str = "
            SELECT greatest(tail, (SELECT max(slot) FROM happens_before_slots WHERE log = name))
            FROM happens_before_logs WHERE name = $1";
        let epoch = PostgresError::in_range(epoch)?;
        let rows = self.pool.query(SEAL, &[&&*self.name, &epoch]).await?;
        let epoch = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        let rows = after_done(self.pool.look(TAIL, &[&&*self.name]).await)?;
        let tail = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        Ok(SealAnswer { epoch, tail })
    }

    pub(super) async fn trim(&self, below: u64) -> Result<u64> {
        const MARK: &str = "
            UPDATE happens_before_logs SET first = greatest(first, $2), tail = greatest(tail, $2 - 1)
            WHERE name = $1 RETURNING first";
        const FORGET: &str = "DELETE FROM happens_before_slots WHERE log = $1 AND slot < $2";
        let below = PostgresError::in_range(below)?;
        let rows = self.pool.query(MARK, &[&&*self.name, &below]).await?;
        let first = after_done(number(rows.first().ok_or(PostgresError::Missing)?, 0))?;
        let below = PostgresError::in_range(first)?;
        after_done(self.pool.query(FORGET, &[&&*self.name, &below]).await)?;
        Ok(first)
    }
}

pub(super) fn decode<I: DecodeId, P: From<Vec<u8>>>(slot: u64, bytes: &[u8]) -> Result<Entry<I, P>> {
    entry::decode(bytes).map_err(|error| PostgresError::Damaged { slot, error })
}

/// Makes a newtype of `Shared` a log in both worlds.
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

        impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> Log<I, P> for $log<I, P> {
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

        impl<I: DecodeId, P: AsRef<[u8]> + From<Vec<u8>>> AsyncLog<I, P> for $log<I, P, AsyncClient> {
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
