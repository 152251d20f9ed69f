//! The tables, and the rows of counters and logs.

use tokio_postgres::types::Type;

use super::error::{PostgresError, Result, ServerError, durable, executed, foreign, text};
use super::pool::{Connection, Pool};
use crate::error::NameError;

/// The query for the table from before entries had checksums, and for the current one. They come in this order, so that
/// tables made meanwhile are not taken for earlier ones.
const FOUND: &str = "SELECT to_regclass('happens_before_slots') IS NOT NULL, to_regclass('happens_before_publishers') IS NOT NULL";

/// Two programs at once would both find no tables, so one waits. The lock ends with the transaction.
const MAKE: &str = "
    BEGIN;
    SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
        THEN set_config('synchronous_commit', 'on', true) END;
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
    CREATE TABLE IF NOT EXISTS happens_before_publishers (
        log text NOT NULL,
        node bytea NOT NULL,
        highest numeric(20) NOT NULL CHECK (highest >= 1),
        slot bigint NOT NULL CHECK (slot >= 1),
        PRIMARY KEY (log, node)
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
        let rows = connection.query(FOUND, &[]).await?;
        let row = rows.first().ok_or(PostgresError::NotDone(ServerError::Foreign))?;
        match (row.try_get(0).map_err(foreign)?, row.try_get(1).map_err(foreign)?) {
            (_, true) => {}
            (false, false) => connection.client.batch_execute(MAKE).await.map_err(executed)?,
            (true, false) => return Err(PostgresError::NotDone(ServerError::EarlierVersion)),
        }
        self.put(connection);
        Ok(())
    }

    /// Makes a counter, unless there is one.
    pub(super) async fn make_counter(&self, name: &str) -> Result<()> {
        NameError::check(name)?;
        const MAKE: &str = durable!(
            "INSERT INTO happens_before_counters (name, last)
            SELECT $1, 0 FROM durable WHERE durable.how IS NOT NULL ON CONFLICT DO NOTHING"
        );
        self.query(MAKE, &[(&name, Type::TEXT)]).await.map(drop)
    }

    /// Makes a log of that kind, unless there is one.
    pub(super) async fn make_log(&self, name: &str, kind: &str) -> Result<()> {
        NameError::check(name)?;
        const MAKE: &str = durable!(
            "INSERT INTO happens_before_logs (name, kind)
            SELECT $1, $2 FROM durable WHERE durable.how IS NOT NULL ON CONFLICT DO NOTHING"
        );
        const KIND: &str = "SELECT kind FROM happens_before_logs WHERE name = $1";
        self.query(MAKE, &[(&name, Type::TEXT), (&kind, Type::TEXT)]).await?;
        let rows = self.look(KIND, &[(&name, Type::TEXT)]).await?;
        if text(rows.first().ok_or(PostgresError::Missing)?, 0)? == kind {
            Ok(())
        } else {
            Err(PostgresError::NotDone(ServerError::OtherKind))
        }
    }
}
