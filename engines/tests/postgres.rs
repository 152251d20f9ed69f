//! Faults that only PostgreSQL can have: sequences, snapshots, lost connections.
//!
//! Run by `engines/with-postgres.sh`; without a server each test says that it skips.
#![cfg(feature = "postgres")]

mod common;

use core::num::NonZeroU64;
use core::time::Duration;
use std::sync::Mutex;
use std::thread;

use ::postgres::{Client, NoTls};
use common::{alone, connect, crash, message, server, until_waiting};
use happens_before::broadcast::{AppendAnswer, AppendLog, Log, ReadAnswer, ReadLimit, SlotLog, WriteAnswer};
use happens_before::counter::Counter;
use happens_before_engines::EngineError;
use happens_before_engines::postgres::{Postgres, PostgresConfig};

const ONE: NonZeroU64 = NonZeroU64::MIN;

/// The counter is a row because a sequence repeats numbers. A sequence writes its state for 32 numbers at once, in the
/// transaction that happens to need the next 32. If that one is still open at a crash, numbers that other callers were
/// *answered* are given again.
#[test]
fn a_sequence_repeats_numbers_after_a_crash_and_a_row_does_not() {
    let Some(url) = server() else { return };
    let _alone = alone();
    connect(&url).batch_execute("DROP SEQUENCE IF EXISTS numbers; CREATE SEQUENCE numbers").unwrap();
    let counter = |url: &str| Postgres::open(url).unwrap().counter("beside a sequence").unwrap();
    let before = counter(&url).increment_and_get(NonZeroU64::new(5).unwrap()).unwrap() + 4;

    let next =
        |client: &mut Client| -> i64 { client.query_one("SELECT nextval('numbers')", &[]).unwrap().get(0) };
    let (mut open, mut other) = (connect(&url), connect(&url));
    open.batch_execute("BEGIN").unwrap();
    assert_eq!(next(&mut open), 1); // logged, but not committed
    let answered = [next(&mut other), next(&mut other)];
    assert_eq!(answered, [2, 3]); // committed and answered
    crash();
    let again = next(&mut connect(&url));
    assert!(answered.contains(&again) || again == 1, "the sequence went on at {again}");

    assert_eq!(counter(&url).increment_and_get(ONE).unwrap(), before + 1);
}

/// The run in the module's essay: the same write with the mark from the statement's snapshot, and with a lock.
///
/// Another transaction holds slot 3 open, so the write waits in its middle. Meanwhile the log is trimmed.
#[test]
fn a_late_write_does_not_land_in_a_trimmed_slot() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let mut client = connect(&url);
    let hold = "BEGIN; INSERT INTO happens_before_slots VALUES ('NAME', 3, 'x')";

    // With the snapshot, the trim is answered, and the write lands after it.
    database.slots::<u64, Vec<u8>>("snapshot").unwrap();
    let mut holder = connect(&url);
    holder.batch_execute(&hold.replace("NAME", "snapshot")).unwrap();
    let landed = thread::scope(|scope| {
        let late = scope.spawn(|| {
            connect(&url)
                .execute(
                    "INSERT INTO happens_before_slots SELECT 'snapshot', 3, 'late'
                     FROM happens_before_logs WHERE name = 'snapshot' AND first <= 3 ON CONFLICT DO NOTHING",
                    &[],
                )
                .unwrap()
        });
        until_waiting(&mut client, "'late'", 1);
        let log = database.slots::<u64, Vec<u8>>("snapshot").unwrap();
        assert_eq!(log.trim(10).unwrap(), 10); // it does not wait
        holder.batch_execute("ROLLBACK").unwrap();
        late.join().unwrap()
    });
    assert_eq!(landed, 1, "PostgreSQL has got better; then the lock may go");

    // With the lock, the trim waits for the write, which lands before it.
    let log = database.slots::<u64, Vec<u8>>("lock").unwrap();
    let mut holder = connect(&url);
    holder.batch_execute(&hold.replace("NAME", "lock")).unwrap();
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(log.write(3, &message(1)).unwrap(), WriteAnswer::Written);
            order.lock().unwrap().push("written");
        });
        until_waiting(&mut client, "FOR SHARE", 1);
        scope.spawn(|| {
            assert_eq!(log.trim(10).unwrap(), 10);
            order.lock().unwrap().push("trimmed");
        });
        until_waiting(&mut client, "UPDATE happens_before_logs", 1);
        assert!(order.lock().unwrap().is_empty());
        holder.batch_execute("ROLLBACK").unwrap();
    });
    assert_eq!(order.lock().unwrap().len(), 2);
    let left = "SELECT count(*) FROM happens_before_slots WHERE log = 'lock'";
    assert_eq!(client.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
    assert_eq!(log.write(3, &message(1)).unwrap(), WriteAnswer::Trimmed { first: 10 });
}

/// A seal is not answered while an earlier write may still land.
#[test]
fn a_seal_waits_for_the_writes_under_way() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let log = database.slots::<u64, Vec<u8>>("seal waits").unwrap();
    let (mut client, mut holder) = (connect(&url), connect(&url));
    holder.batch_execute("BEGIN; INSERT INTO happens_before_slots VALUES ('seal waits', 3, 'x')").unwrap();
    thread::scope(|scope| {
        let write = scope.spawn(|| log.write(3, &message(1)).unwrap());
        until_waiting(&mut client, "FOR SHARE", 1);
        let seal = scope.spawn(|| log.seal(5).unwrap());
        until_waiting(&mut client, "SET epoch", 1);
        holder.batch_execute("ROLLBACK").unwrap();
        assert_eq!(write.join().unwrap(), WriteAnswer::Written);
        assert_eq!(seal.join().unwrap().tail, 3, "the tail leaves out the write that the seal waited for");
    });
    assert_eq!(log.write(4, &message(2)).unwrap(), WriteAnswer::Sealed { epoch: 5 });
}

/// A seal gets its turn although writers always hold the row.
#[test]
fn a_seal_is_not_starved_by_writers() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let log = database.slots::<u64, Vec<u8>>("busy").unwrap();
    let written: u64 = thread::scope(|scope| {
        let writer = |thread| {
            let log = log.clone();
            move || {
                let slots = (0_u64..).map(|n| n * 12 + thread + 1);
                slots
                    .take_while(|&slot| log.write(slot, &message(slot)).unwrap() == WriteAnswer::Written)
                    .count() as u64
            }
        };
        let writers: Vec<_> = (0..12).map(|thread| scope.spawn(writer(thread))).collect();
        while log.read(100, ReadLimit::entries(1)).unwrap() == ReadAnswer::Entries(vec![]) {
            thread::yield_now();
        }
        assert_eq!(log.seal(1).unwrap().epoch, 1);
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    println!("{written} writes before the seal");
}

#[test]
fn connections_are_bounded_and_waited_for() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let named = format!("{url} application_name=bounded");
    let config = PostgresConfig { connections: 2, ..PostgresConfig::default() };
    let database = Postgres::open_with(config, move || Client::connect(&named, NoTls)).unwrap();
    let counter = database.counter("bounded").unwrap();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..5).all(|_| counter.increment_and_get(ONE).unwrap() > 0));
        }
    });
    assert_eq!(counter.current().unwrap(), 80);
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'";
    assert_eq!(connect(&url).query_one(count, &[]).unwrap().get::<_, i64>(0), 2);
}

/// Settings of the database that would break promises are overridden or refused.
#[test]
fn the_settings_of_the_database_do_not_matter() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let lax =
        format!("{url} options='-c synchronous_commit=off -c default_transaction_isolation=serializable'");
    let database = Postgres::open(&lax).unwrap();
    let counter = database.counter("lax").unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            // Serializable transactions would fail here because of each other.
            scope.spawn(|| (0..10).all(|_| counter.increment_and_get(ONE).unwrap() > 0));
        }
    });
    assert_eq!(counter.current().unwrap(), 80);
    drop((database, counter));
    crash();
    assert_eq!(Postgres::open(&url).unwrap().counter("lax").unwrap().current().unwrap(), 80);
}

#[test]
fn who_listens_is_woken() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let config = PostgresConfig { notify: true, ..PostgresConfig::default() };
    let open = url.clone();
    let database = Postgres::open_with(config, move || Client::connect(&open, NoTls)).unwrap();
    let (slots, appends) = (database.slots("loud").unwrap(), database.appends("loud too").unwrap());
    let mut listener = database.listen("loud").unwrap();
    assert!(!listener.wait(Duration::ZERO).unwrap());
    let long = Duration::from_secs(60);
    assert_eq!(appends.append(&message(1)).unwrap(), AppendAnswer::Appended { slot: 1 }); // it is another log
    assert_eq!(slots.write(1, &message(1)).unwrap(), WriteAnswer::Written);
    assert!(listener.wait(long).unwrap());
    assert!(!listener.wait(Duration::ZERO).unwrap());
    assert_eq!(slots.write(1, &message(1)).unwrap(), WriteAnswer::Occupied(message(1))); // it stays as it was
    thread::scope(|scope| {
        let reader = scope.spawn(|| listener.wait(long).unwrap());
        assert_eq!(slots.write(2, &message(2)).unwrap(), WriteAnswer::Written);
        assert!(reader.join().unwrap());
    });
    let mut listener = database.listen("loud too").unwrap();
    appends.append(&message(2)).unwrap();
    assert!(listener.wait(long).unwrap());
}

/// The counter of a new epoch is raised above the tail, for good.
#[test]
fn a_counter_is_raised_above_the_tail() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let counter = database.counter("raised").unwrap();
    counter.raise(41).unwrap();
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 42);
    counter.raise(7).unwrap();
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 43);
    assert!(matches!(counter.raise(1 << 63), Err(EngineError::OutOfRange { .. })));
}
