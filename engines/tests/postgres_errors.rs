//! Every way in which a request to PostgreSQL can fail. The tests check what the caller is told, and that it is true.
//!
//! Run by `engines/with-postgres.sh`; without a server each test says that it skips.
#![cfg(feature = "postgres")]

mod common;

use core::future::poll_fn;
use core::num::NonZeroU64;
use core::pin::pin;
use core::task::Poll;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ::postgres::{Client, NoTls};
use common::{alone, awaited, connect, crash, message, name, server, until_waiting};
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SlotLog, Unreadable, WriteAnswer,
};
use happens_before::counter::Counter;
use happens_before_engines::EngineError;
use happens_before_engines::asynchronous::AsyncSlotLog;
use happens_before_engines::postgres::{AsyncPostgres, Postgres, PostgresConfig, PostgresError, ServerError};

const ONE: NonZeroU64 = NonZeroU64::MIN;

/// Every error says whether the request is done.
#[test]
fn an_error_says_whether_it_is_done() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let counter = database.counter("errors").unwrap();
    let log = database.slots::<u64, Vec<u8>>("errors").unwrap();
    let mut client = connect(&url);

    // The server refuses in the middle of a statement: not done.
    let impatient = format!("{url} options='-c lock_timeout=1ms'");
    let other = Postgres::open(&impatient).unwrap().counter("errors").unwrap();
    client.batch_execute("BEGIN; SELECT * FROM happens_before_counters FOR UPDATE").unwrap();
    let error = other.increment_and_get(ONE).unwrap_err();
    assert!(!error.is_unknown(), "{error}");
    assert!(error.to_string().starts_with("not done: the server says 55P03: "), "{error}");
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        other.increment_and_get(ONE).unwrap(),
        1,
        "the refused one took nothing, and the connection is good"
    );

    // The connection is cut while the statement waits: unknown. The repeated request tells.
    client.batch_execute("BEGIN; INSERT INTO happens_before_slots VALUES ('errors', 1, 'x')").unwrap();
    thread::scope(|scope| {
        let write = scope.spawn(|| log.write(1, &message(1)).unwrap_err());
        let mut watch = connect(&url);
        until_waiting(&mut watch, "FOR SHARE", 1);
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%FOR SHARE%'
                   AND pid <> pg_backend_pid()";
        watch.execute(cut, &[]).unwrap();
        let error = write.join().unwrap();
        assert!(error.is_unknown(), "{error}");
        assert!(error.to_string().contains("repeat it unchanged"), "{error}");
    });
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(log.write(1, &message(1)).unwrap(), WriteAnswer::Written);

    // Numbers out of range.
    let error = log.write(1 << 63, &message(1)).unwrap_err();
    assert!(matches!(error, EngineError::OutOfRange { number } if number == 1 << 63), "{error}");
    assert!(matches!(log.seal(u64::MAX), Err(EngineError::OutOfRange { .. })));
    let error = counter.increment_and_get(NonZeroU64::new(i64::MAX as u64).unwrap()).unwrap_err();
    assert!(matches!(error, EngineError::Exhausted { last: 1 }), "{error}");

    // A row written by another program.
    client.batch_execute("INSERT INTO happens_before_slots VALUES ('errors', 2, 'no entry')").unwrap();
    let damaged = Entry::unreadable(Unreadable::Damaged);
    let both = vec![(1, message(1)), (2, damaged.clone())];
    assert_eq!(log.read(1, ReadLimit::entries(9)).unwrap(), ReadAnswer::Entries(both));
    assert_eq!(log.write(2, &message(1)).unwrap(), WriteAnswer::Occupied(damaged));
    let error = database.appends::<u64, Vec<u8>>("errors").unwrap_err();
    assert!(matches!(error, PostgresError::NotDone(ServerError::OtherKind)), "{error}");
    client.batch_execute("DELETE FROM happens_before_logs WHERE name = 'errors'").unwrap();
    client.batch_execute("DELETE FROM happens_before_counters WHERE name = 'errors'").unwrap();
    for missing in [log.write(9, &message(1)).map(drop), log.seal(1).map(drop), log.trim(1).map(drop)] {
        assert!(matches!(missing, Err(EngineError::Missing)), "{missing:?}");
    }
    assert!(matches!(counter.increment_and_get(ONE), Err(EngineError::Missing)));
    assert!(matches!(counter.current(), Err(EngineError::Missing)));

    // No server.
    let error = Postgres::open("host=127.0.0.1 port=1 user=postgres").unwrap_err();
    assert!(!error.is_unknown(), "{error}");
    assert!(!Postgres::open("no such thing").unwrap_err().is_unknown());
}

/// The connections from before a crash are broken. The pool notices, and connects anew.
#[test]
fn a_pool_survives_its_server() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let database = Postgres::open(&url).unwrap();
    let counter = database.counter("survives").unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| counter.increment_and_get(ONE).unwrap());
        }
    });
    crash();
    let mut failed = 0;
    let number = loop {
        match counter.increment_and_get(ONE) {
            Ok(number) => break number,
            Err(error) => {
                assert!(error.is_unknown(), "{error}");
                failed += 1;
            }
        }
    };
    assert_eq!(number, 9);
    assert_eq!(failed, 1, "one request finds out for all connections");

    // A read without an answer has changed nothing, so its outcome is known.
    assert_eq!(counter.current().unwrap(), 9);
    crash();
    let error = counter.current().unwrap_err();
    assert!(!error.is_unknown(), "{error}");
    assert_eq!(counter.current().unwrap(), 9);
}

/// The server is killed while a request waits in it. The outcome is unknown, and the repeated request tells, for each
/// kind of request.
#[test]
fn a_server_killed_between_request_and_answer_leaves_unknown() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let (database, name) = (Postgres::open(&url).unwrap(), name());
    let counter = database.counter(&name).unwrap();
    let slots = database.slots::<u64, Vec<u8>>(&name).unwrap();
    let appends = database.appends::<u64, Vec<u8>>(&format!("{name} appends")).unwrap();
    let awaited = awaited::open(&url);
    let slots_awaited = awaited.then(async |database: &AsyncPostgres| database.slots(&name).await);
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 1);

    // Another transaction holds all rows, so all requests wait.
    let mut holder = connect(&url);
    holder.batch_execute("BEGIN; SELECT * FROM happens_before_counters FOR UPDATE").unwrap();
    holder.batch_execute("SELECT * FROM happens_before_logs FOR UPDATE").unwrap();
    let unknown = thread::scope(|scope| {
        let requests = [
            scope.spawn(|| counter.increment_and_get(ONE).map(drop).unwrap_err()),
            scope.spawn(|| counter.raise(7).unwrap_err()),
            scope.spawn(|| slots.write(1, &message(1)).map(drop).unwrap_err()),
            scope.spawn(|| SlotLog::write(&slots_awaited, 2, &message(2)).map(drop).unwrap_err()),
            scope.spawn(|| appends.append(&message(1)).map(drop).unwrap_err()),
            scope.spawn(|| slots.seal(1).map(drop).unwrap_err()),
            scope.spawn(|| appends.trim(1).map(drop).unwrap_err()),
        ];
        until_waiting(&mut connect(&url), "happens_before", 7);
        crash();
        requests.map(|request| request.join().unwrap().is_unknown())
    });
    assert_eq!(unknown, [true; 7]);

    // A read is never unknown, since it changes nothing.
    assert_eq!(counter.current().unwrap(), 1, "none of them was committed, as it happens");
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 2);
    assert_eq!(slots.write(1, &message(1)).unwrap(), WriteAnswer::Written);
    let again = awaited::open(&url).then(async |database: &AsyncPostgres| database.slots(&name).await);
    assert_eq!(SlotLog::write(&again, 2, &message(2)).unwrap(), WriteAnswer::Written);
    assert_eq!(appends.append(&message(1)).unwrap(), AppendAnswer::Appended { slot: 1 });
    assert_eq!(slots.seal(1).unwrap().epoch, 1);
}

#[test]
fn a_statement_that_takes_too_long_is_not_done() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let name = name();
    let impatient = Postgres::open(&format!("{url} options='-c statement_timeout=20ms'")).unwrap();
    let slots = impatient.slots::<u64, Vec<u8>>(&name).unwrap();
    let mut holder = connect(&url);
    holder
        .batch_execute(&format!("BEGIN; SELECT * FROM happens_before_logs WHERE name = '{name}' FOR UPDATE"))
        .unwrap();
    for error in [slots.write(1, &message(1)).map(drop), slots.seal(1).map(drop), slots.trim(2).map(drop)] {
        let error = error.unwrap_err();
        assert!(!error.is_unknown(), "{error}");
        assert!(error.to_string().contains("57014"), "{error}");
    }
    assert_eq!(
        slots.read(1, ReadLimit::entries(9)).unwrap(),
        ReadAnswer::Entries(vec![]),
        "reading waits for nobody"
    );
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(slots.write(1, &message(1)).unwrap(), WriteAnswer::Written);
    let sealed = slots.seal(0).unwrap();
    assert_eq!((sealed.epoch, sealed.tail), (0, 1), "neither sealed nor trimmed");
}

/// If the answered row cannot be read, the statement is done all the same.
#[test]
fn an_answer_that_cannot_be_read_is_unknown() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let mut client = connect(&url);
    client.batch_execute("DROP SCHEMA IF EXISTS changed CASCADE; CREATE SCHEMA changed").unwrap();
    let changed = format!("{url} options='-c search_path=changed'");
    drop(Postgres::open(&changed).unwrap()); // makes the tables
    client
        .batch_execute(
            "ALTER TABLE changed.happens_before_slots ALTER COLUMN slot TYPE numeric;
             ALTER TABLE changed.happens_before_counters ALTER COLUMN last TYPE numeric",
        )
        .unwrap();
    let database = Postgres::open(&changed).unwrap();
    let appends = database.appends::<u64, Vec<u8>>("log").unwrap();
    let append = appends.append(&message(1)).map(drop).unwrap_err();
    let take = database.counter("counter").unwrap().increment_and_get(ONE).map(drop).unwrap_err();
    for error in [append, take] {
        assert!(matches!(error, PostgresError::Unknown(ServerError::Foreign)), "{error}");
    }
    let done = "SELECT (SELECT count(*) FROM changed.happens_before_slots), last::bigint
                FROM changed.happens_before_counters";
    let row = client.query_one(done, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1), "both are done");
    client.batch_execute("DROP SCHEMA changed CASCADE").unwrap();
}

/// A future is dropped while its request waits. The outcome is unknown, the repeated request tells it, and the place is
/// free again.
#[test]
fn a_future_that_is_dropped_leaves_unknown_and_gives_back_its_place() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let name = name();
    let awaited = awaited::open_with(&url, PostgresConfig { connections: 1, ..PostgresConfig::default() });
    let log = awaited.then(async |database: &AsyncPostgres| database.slots::<u64, Vec<u8>>(&name).await);
    let mut holder = connect(&url);
    let hold = format!("BEGIN; INSERT INTO happens_before_slots VALUES ('{name}', 1, 'x')");
    holder.batch_execute(&hold).unwrap();
    let entry = message(1);
    awaited.runtime.block_on(async {
        let mut write = pin!(AsyncSlotLog::write(&log.engine, 1, &entry));
        poll_fn(|context| {
            assert!(write.as_mut().poll(context).is_pending(), "it waits for the holder");
            let mut watch = tokio::task::block_in_place(|| connect(&url));
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            let waits = tokio::task::block_in_place(|| watch.query_one(waiting, &[]).unwrap().get::<_, i64>(0));
            tokio::task::block_in_place(|| drop(watch));
            if waits > 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref(); // look again
            Poll::Pending
        })
        .await;
    });
    holder.batch_execute("ROLLBACK").unwrap();
    // This uses the only place.
    match SlotLog::write(&log, 1, &entry).unwrap() {
        WriteAnswer::Written => {}
        WriteAnswer::Occupied(occupied) => assert_eq!(occupied, entry, "it was written after all"),
        other => panic!("{other:?}"),
    }
}

/// The caller's function to connect may fail or panic: nothing is done, and no place is lost.
#[test]
fn a_connection_that_cannot_be_made_is_not_done() {
    let Some(url) = server() else { return };
    let _alone = alone();
    let (attempts, name) = (Arc::new(AtomicU64::new(0)), name());
    let config = PostgresConfig { connections: 1, ..PostgresConfig::default() };
    let connect = {
        let attempts = attempts.clone();
        move || match attempts.fetch_add(1, Ordering::SeqCst) {
            1 => Client::connect("host=127.0.0.1 port=1 user=postgres", NoTls),
            2 => panic!("on purpose"),
            _ => Client::connect(&url, NoTls),
        }
    };
    let database = Postgres::open_with(config, connect).unwrap();
    let counter = database.counter(&name).unwrap();
    crash(); // so a new connection is needed
    let error = loop {
        let error = counter.increment_and_get(ONE).unwrap_err();
        if attempts.load(Ordering::SeqCst) == 2 {
            break error;
        }
    };
    assert!(!error.is_unknown(), "{error}");
    assert!(error.to_string().contains("connect"), "{error}");
    assert!(catch_unwind(AssertUnwindSafe(|| counter.increment_and_get(ONE))).is_err());
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 1);
    assert_eq!(attempts.load(Ordering::SeqCst), 4);
}
