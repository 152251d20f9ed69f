//! Servers with unsuitable settings, and a pooler in between. Everything answered is on the disk all the same.
//!
//! Run by `engines/with-postgres.sh`; without a server, or without a PgBouncer, a test says that it skips.
#![cfg(feature = "postgres")]

mod common;

use core::num::NonZeroU64;
use std::thread;

use common::{alone, connect, message, name, server};
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;
use happens_before_engines::postgres::{Postgres, PostgresConfig, PostgresError, ServerError};

const ONE: NonZeroU64 = NonZeroU64::MIN;
const THREADS: u64 = 8;
const EACH: u64 = 10;

/// The default of the server: commits wait for the disk, or do not.
struct Default<'a>(&'a str);

impl Default<'_> {
    fn set(&self, value: &str) {
        connect(self.0).batch_execute(&format!("ALTER SYSTEM SET synchronous_commit = {value}")).unwrap();
        connect(self.0).batch_execute("SELECT pg_reload_conf()").unwrap();
    }
}

impl Drop for Default<'_> {
    fn drop(&mut self) {
        self.set("on");
    }
}

/// Makes the four tables record the setting under which each row was changed.
fn watch(url: &str, schema: &str) {
    let mut client = connect(url);
    client
        .batch_execute(&format!(
            "CREATE TABLE {schema}.seen (relation text, setting text);
             CREATE FUNCTION {schema}.note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO {schema}.seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
                 RETURN NULL;
             END $$"
        ))
        .unwrap();
    for table in ["counters", "logs", "publishers", "slots"] {
        client
            .batch_execute(&format!(
                "CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON {schema}.happens_before_{table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.note()"
            ))
            .unwrap();
    }
}

/// Takes, writes, appends, seals, raises and trims from several threads, and checks all answers.
fn work(database: &Postgres) {
    let name = name();
    let counter = database.counter(&name).unwrap();
    let slots = database.slots::<u64, Vec<u8>>(&name).unwrap();
    let appends = database.appends::<u64, Vec<u8>>(&format!("{name} appends")).unwrap();
    thread::scope(|scope| {
        for node in 0..THREADS {
            let (counter, slots, appends) = (&counter, &slots, &appends);
            scope.spawn(move || {
                for number in 1..=EACH {
                    let slot = counter.increment_and_get(ONE).unwrap();
                    let id = happens_before::Dot::new(node, number).unwrap();
                    let entry = Entry::message(0, id, b"said".to_vec());
                    assert_eq!(slots.write(slot, &entry).unwrap(), WriteAnswer::Written);
                    let repeated = slots.write(slot, &entry).unwrap();
                    assert_eq!(repeated, WriteAnswer::Occupied(entry.clone()));
                    let again = slots.write(THREADS * EACH + slot, &entry).unwrap();
                    assert_eq!(again, WriteAnswer::NumberUsed { highest: number });
                    let AppendAnswer::Appended { slot } = appends.append(&entry).unwrap() else {
                        panic!("it is new");
                    };
                    assert_eq!(appends.append(&entry).unwrap(), AppendAnswer::AlreadyAppended { slot });
                }
            });
        }
    });
    assert_eq!(counter.current().unwrap(), THREADS * EACH);
    let ReadAnswer::Entries(found) = slots.read(1, ReadLimit::entries(1_000)).unwrap() else {
        panic!("not trimmed")
    };
    assert!(found.iter().map(|(slot, _)| *slot).eq(1..=THREADS * EACH));
    counter.raise(1_000).unwrap();
    assert_eq!(slots.seal(3).unwrap().tail, THREADS * EACH);
    assert_eq!(appends.trim(7).unwrap(), 7);
}

/// Every write waits for the disk, in every table, even if the default is not to wait.
#[test]
fn every_write_waits_for_the_disk_whatever_the_default_is() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let pooled = std::env::var("HAPPENS_BEFORE_PGBOUNCER").ok();
    if pooled.is_none() {
        eprintln!("SKIPPED: the half with a pooler, since HAPPENS_BEFORE_PGBOUNCER is not set");
    }
    let default = Default(&url);
    default.set("off");
    let mut client = connect(&url);
    drop(Postgres::open(&url).unwrap()); // makes the tables
    client.batch_execute("DROP TABLE IF EXISTS seen; DROP FUNCTION IF EXISTS note CASCADE").unwrap();
    watch(&url, "public");
    for url in [Some(&url), pooled.as_ref()].into_iter().flatten() {
        let config = PostgresConfig { connections: 16, ..PostgresConfig::default() };
        let connect: ::postgres::Config = url.parse().unwrap();
        let database = Postgres::open_with(config, move || connect.connect(::postgres::NoTls)).unwrap();
        work(&database);
        let seen =
            "SELECT relation, count(*), count(*) FILTER (WHERE setting = 'on') FROM seen GROUP BY 1 ORDER BY 1";
        let seen = client.query(seen, &[]).unwrap();
        let tables: Vec<(String, i64, i64)> =
            seen.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(tables.len(), 4, "{tables:?}");
        for (table, all, on) in tables {
            assert_eq!(on, all, "{table}: commits that did not wait");
        }
        client.batch_execute("TRUNCATE seen").unwrap();
    }
    client.batch_execute("DROP FUNCTION note CASCADE; DROP TABLE seen").unwrap();
}

/// By default, transactions of this server see one instant. A write must still see the changes it has waited for.
#[test]
fn transactions_are_read_committed_whatever_the_default_is() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let isolated = format!("{url} options='-c default_transaction_isolation=serializable'");
    for prepare in [false, true] {
        let config = PostgresConfig { prepare, ..PostgresConfig::default() };
        let settings: ::postgres::Config = isolated.parse().unwrap();
        work(&Postgres::open_with(config, move || settings.connect(::postgres::NoTls)).unwrap());
    }
}

/// The engine does not rely on prepared statements and plans: the server may forget them, or change the tables they
/// were made for.
#[test]
fn a_statement_may_be_forgotten() {
    let Some(url) = server() else { return };
    let _alone = alone();
    for prepare in [false, true] {
        let config = PostgresConfig { connections: 1, prepare, ..PostgresConfig::default() };
        forget_statements(&url, config);
    }
}

fn forget_statements(url: &str, config: PostgresConfig) {
    let settings: ::postgres::Config = url.parse().unwrap();
    let database = Postgres::open_with(config, move || settings.connect(::postgres::NoTls)).unwrap();
    let name = name();
    let log = database.slots::<u64, Vec<u8>>(&name).unwrap();
    assert_eq!(log.write(1, &message(1)).unwrap(), WriteAnswer::Written);
    let mut client = connect(url);
    client
        .batch_execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NULL; END $$;
             CREATE TRIGGER forget AFTER INSERT ON happens_before_slots
             FOR EACH STATEMENT EXECUTE FUNCTION forget()",
        )
        .unwrap();
    for number in 2..=4 {
        assert_eq!(log.write(number, &message(number)).unwrap(), WriteAnswer::Written);
        assert_eq!(log.trim(1).unwrap(), 1);
    }
    client
        .batch_execute(
            "DROP FUNCTION forget CASCADE;
             ALTER TABLE happens_before_slots ALTER COLUMN slot TYPE numeric;
             ALTER TABLE happens_before_slots ALTER COLUMN slot TYPE bigint",
        )
        .unwrap();
    assert_eq!(log.write(5, &message(5)).unwrap(), WriteAnswer::Written);
    let all = (1..=5).map(|number| (number, message(number))).collect();
    assert_eq!(log.read(1, ReadLimit::entries(9)).unwrap(), ReadAnswer::Entries(all));
}

/// A table that a crash would empty is refused before anything is answered. So are tables of an earlier version.
#[test]
fn tables_that_would_lose_what_was_answered_are_refused() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let mut client = connect(&url);
    client.batch_execute("DROP SCHEMA IF EXISTS lost CASCADE; CREATE SCHEMA lost").unwrap();
    let lost = format!("{url} options='-c search_path=lost'");
    drop(Postgres::open(&lost).unwrap()); // makes the tables
    for table in ["counters", "logs", "publishers", "slots"] {
        client.batch_execute(&format!("ALTER TABLE lost.happens_before_{table} SET UNLOGGED")).unwrap();
        let error = Postgres::open(&lost).unwrap_err();
        assert!(matches!(error, PostgresError::NotDone(ServerError::Unlogged)), "{table}: {error}");
        client.batch_execute(&format!("ALTER TABLE lost.happens_before_{table} SET LOGGED")).unwrap();
    }
    drop(Postgres::open(&lost).unwrap());
    client.batch_execute("DROP TABLE lost.happens_before_publishers").unwrap();
    let error = Postgres::open(&lost).unwrap_err();
    assert!(matches!(error, PostgresError::NotDone(ServerError::EarlierVersion)), "{error}");
    client.batch_execute("DROP SCHEMA lost CASCADE").unwrap();
}

/// The server does not send entries beyond the byte limit of a read.
#[test]
fn a_read_takes_no_more_bytes_than_its_limit() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let log = Postgres::open(&url).unwrap().slots::<u64, Vec<u8>>(&name()).unwrap();
    let entry = |number| Entry::message(0, happens_before::Dot::new(1, number).unwrap(), vec![7; 1_000]);
    for number in 1..=9 {
        assert_eq!(log.write(number, &entry(number)).unwrap(), WriteAnswer::Written);
    }
    for (bytes, count) in [(0, 2), (2_999, 2), (3_200, 3), (5_500, 5), (usize::MAX, 8)] {
        let read = log.read(1, ReadLimit { entries: 8, bytes }).unwrap();
        assert_eq!(read, ReadAnswer::Entries((1..=count).map(|number| (number, entry(number))).collect()));
    }
}
