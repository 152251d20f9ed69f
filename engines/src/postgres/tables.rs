//! The tables, and the rows by which counters and logs are known.

use super::error::{PostgresError, Result, ServerError, executed, text};
use super::pool::{Connection, Pool};

const MISSING: &str = "SELECT to_regclass('happens_before_slots') IS NULL";

/// Two at once would both find nothing, so one waits; the lock goes with the transaction.
const MAKE: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7521960452217341);
    CREATE TABLE IF NOT EXISTS happens_before_counters (
        name text PRIMARY KEY,
        last bigint NOT NULL CHECK (last >= 0)
    );
    CREATE TABLE IF NOT EXISTS happens_before_logs (
        name text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('slots', 'appends')),
        epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
        first bigint NOT NULL DEFAULT 1 CHECK (first >= 1),
        tail bigint NOT NULL DEFAULT 0 CHECK (tail >= first - 1)
    );
    CREATE TABLE IF NOT EXISTS happens_before_slots (
        log text NOT NULL,
        slot bigint NOT NULL CHECK (slot >= 1),
        entry bytea NOT NULL,
        PRIMARY KEY (log, slot)
    );
    COMMIT;";

impl<C: Connection> Pool<C> {
    /// Connects for the first time, and makes the tables if there are none.
    pub(super) async fn open(&self) -> Result<()> {
        let mut connection = self.connect().await?;
        let missing = connection.query(MISSING, &[]).await?.first().is_some_and(|row| row.get(0));
        if missing {
            connection.client.batch_execute(MAKE).await.map_err(executed)?;
        }
        self.put(connection);
        Ok(())
    }

    /// Makes a counter, unless there is one.
    pub(super) async fn make_counter(&self, name: &str) -> Result<()> {
        const MAKE: &str =
            "INSERT INTO happens_before_counters (name, last) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        self.query(MAKE, &[&name]).await.map(drop)
    }

    /// Makes a log of that kind, unless there is one.
    pub(super) async fn make_log(&self, name: &str, kind: &str) -> Result<()> {
        const MAKE: &str =
            "INSERT INTO happens_before_logs (name, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        const KIND: &str = "SELECT kind FROM happens_before_logs WHERE name = $1";
        self.query(MAKE, &[&name, &kind]).await?;
        let rows = self.look(KIND, &[&name]).await?;
        if text(rows.first().ok_or(PostgresError::Missing)?, 0)? == kind {
            Ok(())
        } else {
            Err(PostgresError::NotDone(ServerError::OtherKind))
        }
    }
}
