//! The conformance suite on every engine.

#[cfg(feature = "postgres")]
mod common;

use std::sync::Mutex;

use happens_before::broadcast::MemoryLog;
use happens_before::counter::AtomicCounter;
use happens_before_engines::conformance;

mod memory {
    use super::*;

    #[test]
    fn is_a_counter() {
        conformance::counter(AtomicCounter::new, |counter| counter);
    }

    #[test]
    fn is_a_log() {
        conformance::slots(|| Mutex::new(MemoryLog::new(1_000_000)), |log| log);
        conformance::appends(|| Mutex::new(MemoryLog::new(1_000_000)), |log| log);
    }

    #[test]
    fn carries_a_broadcast() {
        for seed in 1..=20 {
            conformance::broadcast(&AtomicCounter::new(), &Mutex::new(MemoryLog::new(1_000_000)), seed);
            conformance::broadcast_appends(&Mutex::new(MemoryLog::new(1_000_000)), seed);
        }
    }
}

#[cfg(feature = "redb")]
mod redb {
    use std::sync::atomic::{AtomicU64, Ordering};

    use ::redb::{Database, ReadableTable, TableDefinition};
    use happens_before::broadcast::{SlotLog, WriteAnswer};
    use happens_before_engines::redb::{Redb, RedbCounter, RedbLog};

    use super::*;

    /// A source of one database for all counters and logs, which is closed once none of them is open.
    struct Databases {
        directory: tempfile::TempDir,
        made: AtomicU64,
    }

    impl Databases {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap(), made: AtomicU64::new(0) }
        }

        fn next(&self) -> Redb {
            self.made.fetch_add(1, Ordering::SeqCst);
            self.open()
        }

        fn open(&self) -> Redb {
            let made = self.made.load(Ordering::SeqCst);
            Redb::open(self.directory.path().join(format!("{made}.redb"))).unwrap()
        }

        fn log(&self) -> RedbLog<u64, Vec<u8>> {
            self.next().log("log").unwrap()
        }
    }

    #[test]
    fn is_a_counter() {
        let databases = Databases::new();
        conformance::counter(
            || databases.next().counter("counter").unwrap(),
            |counter: RedbCounter| {
                drop(counter);
                databases.open().counter("counter").unwrap()
            },
        );
    }

    #[test]
    fn is_a_log_of_slots() {
        let databases = Databases::new();
        let restart = |log| {
            drop(log);
            databases.open().log("log").unwrap()
        };
        conformance::slots(|| databases.log(), restart);
    }

    #[test]
    fn is_a_log_of_appends() {
        let databases = Databases::new();
        let restart = |log| {
            drop(log);
            databases.open().log("log").unwrap()
        };
        conformance::appends(|| databases.log(), restart);
    }

    #[test]
    fn a_damaged_slot_is_said_to_be_so() {
        let databases = Databases::new();
        let damage = |log: RedbLog<u64, Vec<u8>>, slot: u64| {
            drop(log);
            let slots: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("checked slots");
            let path = databases.directory.path().join("1.redb");
            let database = Database::open(path).unwrap();
            let transaction = database.begin_write().unwrap();
            {
                let mut slots = transaction.open_table(slots).unwrap();
                let mut row = slots.get(("log", slot)).unwrap().unwrap().value().to_vec();
                *row.last_mut().unwrap() ^= 0x10;
                slots.insert(("log", slot), &*row).unwrap();
            }
            transaction.commit().unwrap();
            drop(database);
            databases.open().log("log").unwrap()
        };
        let put = |log: &RedbLog<u64, Vec<u8>>, slot, entry: &_| {
            assert_eq!(log.write(slot, entry).unwrap(), WriteAnswer::Written);
        };
        conformance::unreadable(databases.log(), put, damage);
    }

    #[test]
    fn carries_a_broadcast() {
        let databases = Databases::new();
        let database = databases.next();
        for seed in 1..=3 {
            let name = format!("log {seed}");
            conformance::broadcast(
                &database.counter(&name).unwrap(),
                &database.log::<u64, Vec<u8>>(&name).unwrap(),
                seed,
            );
            conformance::broadcast_appends(
                &database.log::<u64, Vec<u8>>(&format!("appends {seed}")).unwrap(),
                seed,
            );
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use happens_before::broadcast::{AppendAnswer, AppendLog, SlotLog, WriteAnswer};
    use happens_before_engines::postgres::{Postgres, PostgresAppends, PostgresSlots};

    use super::*;
    use crate::common::{connect, name, server};

    #[test]
    fn is_a_counter() {
        let Some(url) = server() else { return };
        let name = name();
        let open = || Postgres::open(&url).unwrap().counter(&name).unwrap();
        conformance::counter(open, |_| open());
    }

    #[test]
    fn is_a_log_of_slots() {
        let Some(url) = server() else { return };
        let last = Mutex::new(String::new());
        let open = |name: &str| Postgres::open(&url).unwrap().slots(name).unwrap();
        let new = || {
            let mut last = last.lock().unwrap();
            *last = name();
            open(&last)
        };
        conformance::slots(new, |_| open(&last.lock().unwrap()));
    }

    #[test]
    fn is_a_log_of_appends() {
        let Some(url) = server() else { return };
        let last = Mutex::new(String::new());
        let open = |name: &str| Postgres::open(&url).unwrap().appends(name).unwrap();
        let new = || {
            let mut last = last.lock().unwrap();
            *last = name();
            open(&last)
        };
        conformance::appends(new, |_| open(&last.lock().unwrap()));
    }

    #[test]
    fn a_damaged_slot_is_said_to_be_so() {
        let Some(url) = server() else { return };
        let (database, slots, appends) = (Postgres::open(&url).unwrap(), name(), name());
        let flip = |name: &str, slot: u64| {
            let flip = "UPDATE happens_before_slots SET entry = set_bit(entry, 100, 1 - get_bit(entry, 100))
                        WHERE log = $1 AND slot = $2";
            let changed = connect(&url).execute(flip, &[&name, &i64::try_from(slot).unwrap()]).unwrap();
            assert_eq!(changed, 1);
        };
        let log = database.slots::<u64, Vec<u8>>(&slots).unwrap();
        let put = |log: &PostgresSlots<u64, Vec<u8>>, slot, entry: &_| {
            assert_eq!(log.write(slot, entry).unwrap(), WriteAnswer::Written);
        };
        conformance::unreadable(log, put, |log, slot| {
            flip(&slots, slot);
            log
        });
        let log = database.appends::<u64, Vec<u8>>(&appends).unwrap();
        let put = |log: &PostgresAppends<u64, Vec<u8>>, slot, entry: &_| {
            assert_eq!(log.append(entry).unwrap(), AppendAnswer::Appended { slot });
        };
        conformance::unreadable(log, put, |log, slot| {
            flip(&appends, slot);
            log
        });
    }

    #[test]
    fn carries_a_broadcast() {
        let Some(url) = server() else { return };
        let database = Postgres::open(&url).unwrap();
        for seed in 1..=3 {
            let log = database.slots::<u64, Vec<u8>>(&name()).unwrap();
            conformance::broadcast(&database.counter(&name()).unwrap(), &log, seed);
            conformance::broadcast_appends(&database.appends::<u64, Vec<u8>>(&name()).unwrap(), seed);
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres_awaited {
    use happens_before_engines::postgres::AsyncPostgres;

    use super::*;
    use crate::common::awaited::open;
    use crate::common::{name, server};

    #[test]
    fn is_a_counter() {
        let Some(url) = server() else { return };
        let name = &name();
        let make = || open(&url).then(async |database: &AsyncPostgres| database.counter(name).await);
        conformance::counter(make, |_| make());
    }

    #[test]
    fn is_a_log_of_slots() {
        let Some(url) = server() else { return };
        let last = Mutex::new(String::new());
        let make = |name: &str| open(&url).then(async |database: &AsyncPostgres| database.slots(name).await);
        let new = || {
            let mut last = last.lock().unwrap();
            *last = name();
            make(&last)
        };
        conformance::slots(new, |_| make(&last.lock().unwrap()));
    }

    #[test]
    fn is_a_log_of_appends() {
        let Some(url) = server() else { return };
        let last = Mutex::new(String::new());
        let make = |name: &str| open(&url).then(async |database: &AsyncPostgres| database.appends(name).await);
        let new = || {
            let mut last = last.lock().unwrap();
            *last = name();
            make(&last)
        };
        conformance::appends(new, |_| make(&last.lock().unwrap()));
    }

    #[test]
    fn carries_a_broadcast() {
        let Some(url) = server() else { return };
        let (name, appends) = (&name(), &name());
        let database = open(&url);
        let counter = database.then(async |database: &AsyncPostgres| database.counter(name).await);
        let log = database.then(async |database: &AsyncPostgres| database.slots(name).await);
        conformance::broadcast(&counter, &log, 1);
        let log = database.then(async |database: &AsyncPostgres| database.appends(appends).await);
        conformance::broadcast_appends(&log, 1);
    }
}
