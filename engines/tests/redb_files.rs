//! Files of redb: how a new one is made, how its room is given back, and what is refused.
#![cfg(feature = "redb")]

use core::num::NonZeroU64;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::{Database, ReadableDatabase, TableDefinition};
use happens_before::broadcast::{
    Abandoned, AppendAnswer, AppendLog, Content, Entry, Log, PublisherConfig, ReadAnswer, ReadLimit, SlotLog,
    blocking,
};
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher};
use happens_before_engines::redb::{Redb, RedbLog};
use happens_before_engines::{EngineError, NameError};

const ONE: NonZeroU64 = NonZeroU64::MIN;

fn entry(number: u64, len: usize) -> Entry<u32, Vec<u8>> {
    Entry::message(0, Dot::new(1, number).unwrap(), vec![7; len])
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_trimmed_log_gives_its_room_back_while_it_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let database = Redb::open(&path).unwrap();
    let empty = len(&path);
    let counter = database.counter("counter").unwrap();
    let log: RedbLog<u32, Vec<u8>> = database.log("log").unwrap();
    for number in 1..=300 {
        let slot = counter.increment_and_get(ONE).unwrap();
        log.write(slot, &entry(number, 10_000)).unwrap();
    }
    let full = len(&path);
    assert!(full > 3_000_000, "{full}");
    log.trim(300).unwrap();
    assert!(len(&path) >= full, "a trim does not make the file shorter");

    // Other threads read and write meanwhile.
    let ended = AtomicBool::new(false);
    let (reads, appended) = std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let mut reads = 0_u64;
            while !ended.load(Ordering::SeqCst) || reads == 0 {
                let ReadAnswer::Entries(found) = log.read(300, ReadLimit::entries(1)).unwrap() else {
                    panic!("it is not trimmed")
                };
                assert_eq!(found, [(300, entry(300, 10_000))]);
                reads += 1;
            }
            reads
        });
        let appends = scope.spawn(|| {
            let mut number = 300;
            while !ended.load(Ordering::SeqCst) || number == 300 {
                number += 1;
                let answer = log.append(&entry(number, 10)).unwrap();
                assert_eq!(answer, AppendAnswer::Appended { slot: number });
            }
            number
        });
        database.compact().unwrap();
        database.compact().unwrap();
        ended.store(true, Ordering::SeqCst);
        (reads.join().unwrap(), appends.join().unwrap())
    });
    database.compact().unwrap();
    let compact = len(&path);
    println!("empty {empty}, full {full}, compact {compact}; {reads} reads, appended up to {appended}");
    assert!(compact < full / 3, "{full} became {compact}");
    assert_eq!(counter.current().unwrap(), 300);
    drop((log, counter, database));

    let log: RedbLog<u32, Vec<u8>> = Redb::open(&path).unwrap().log("log").unwrap();
    assert_eq!(log.seal(0).unwrap().tail, appended);
}

/// A transaction of the caller's own, or a savepoint, forbids the compaction. The error says so, and nothing changes.
#[test]
fn a_file_in_other_use_is_not_compacted() {
    const OWN: TableDefinition<'_, u64, u64> = TableDefinition::new("own");
    let directory = tempfile::tempdir().unwrap();
    let database = Database::create(directory.path().join("own.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(OWN).unwrap().insert(1, 2).unwrap();
    write.commit().unwrap();
    let read = database.begin_read().unwrap();
    let redb = Redb::with(database).unwrap();
    let counter = redb.counter("c").unwrap();
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 1);

    let error = redb.compact().unwrap_err();
    assert!(!error.is_unknown() && error.to_string().contains("ransaction"), "{error}");
    assert_eq!(read.open_table(OWN).unwrap().get(1).unwrap().unwrap().value(), 2);
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 2);
    read.close().unwrap();
    redb.compact().unwrap();
    assert_eq!(counter.increment_and_get(ONE).unwrap(), 3);
}

const CHILD: &str = "HAPPENS_BEFORE_WITHOUT_LINKS";

#[test]
fn child_without_hard_links() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let refused = fs::hard_link(&path, format!("{path} linked")).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let database = Redb::open(format!("{path}.redb")).unwrap();
    assert_eq!(database.counter("c").unwrap().increment_and_get(ONE).unwrap(), 1);
    println!("\n+ opened");
}

/// The child's C library refuses hard links, like that of a FAT file system does.
#[cfg(target_os = "linux")]
#[test]
fn a_new_file_needs_no_hard_links() {
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (directory.path().join("links.c"), directory.path().join("links.so"));
    let refuse = "
        #include <errno.h>
        int link(const char *a, const char *b) { errno = EPERM; return -1; }
        int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }";
    fs::write(&source, refuse).unwrap();
    let compiled =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(compiled.unwrap().success(), "cc, which links Rust programs too");
    let place = directory.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("x"), "").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_without_hard_links", "--nocapture"])
        .env(CHILD, place.join("x"))
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("+ opened"), "{said}{output:?}");
    assert_eq!(names(&place), ["x", "x.redb"]);
}

/// A crash has left a half-made file and its lock. The next opening uses and removes both.
#[test]
fn what_a_crash_left_is_cleaned_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    fs::write(directory.path().join("log.redb.new"), "half").unwrap();
    fs::write(directory.path().join("log.redb.lock"), "").unwrap();
    let database = Redb::open(&path).unwrap();
    assert_eq!(names(directory.path()), ["log.redb"]);
    assert_eq!(database.counter("c").unwrap().increment_and_get(ONE).unwrap(), 1);
    drop(database);

    // The crash came after the file had its name: the lock is harmless.
    fs::write(directory.path().join("log.redb.lock"), "").unwrap();
    assert_eq!(Redb::open(&path).unwrap().counter("c").unwrap().current().unwrap(), 1);
}

/// While another process makes the file, an opening waits, and does not make a second one.
#[test]
fn one_caller_makes_the_file_and_the_others_wait() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let lock = fs::File::create(directory.path().join("log.redb.lock")).unwrap();
    lock.lock().unwrap();
    std::thread::scope(|scope| {
        let waits =
            scope.spawn(|| Redb::open(&path).map(|database| database.counter("c").unwrap().current().unwrap()));
        // The other process has a file with a number by now.
        let made = directory.path().join("made");
        let database = Redb::open(&made).unwrap();
        assert_eq!(database.counter("c").unwrap().increment_and_get(ONE).unwrap(), 1);
        drop(database);
        assert!(!path.exists(), "it is not made without the lock");
        fs::rename(&made, &path).unwrap();
        lock.unlock().unwrap();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
    });
}

/// The folder behind a link may only be away, so the link is not replaced by a new and empty file.
#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_is_gone_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    std::os::unix::fs::symlink(directory.path().join("away/log.redb"), &path).unwrap();
    assert!(!Redb::open(&path).unwrap_err().is_unknown());
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn names_are_checked_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let database = Redb::open(directory.path().join("names.redb")).unwrap();
    for name in ["", "a\0b", &"x".repeat(64)] {
        let log = database.log::<u32, Vec<u8>>(name).map(drop).unwrap_err();
        let counter = database.counter(name).map(drop).unwrap_err();
        for error in [log, counter] {
            assert!(matches!(error, EngineError::Name(_)) && !error.is_unknown(), "{error}");
            assert!(error.to_string().contains("1 to 63 bytes"), "{error}");
        }
    }
    assert!(matches!(database.counter("").unwrap_err(), EngineError::Name(NameError::Empty)));
    assert!(database.counter(&"x".repeat(63)).is_ok());
}

/// The caller has the entry still; the publisher gives it back, and goes on.
#[test]
fn an_entry_that_is_too_long_is_refused_and_comes_back() {
    const LONG: usize = (3 << 30) + 1;
    let directory = tempfile::tempdir().unwrap();
    let database = Redb::open(directory.path().join("long.redb")).unwrap();
    let (counter, log) = (database.counter("c").unwrap(), database.log::<u32, Vec<u8>>("log").unwrap());
    let mut publisher = Publisher::new(1, PublisherConfig::default());
    // The memory of zeros is never touched.
    publisher.publish(vec![0; LONG]).unwrap();
    let error = blocking::settle(&mut publisher, &counter, &log).unwrap_err().to_string();
    assert!(
        error.contains("stores at most 3221225472") && error.contains("store its payload elsewhere"),
        "{error}"
    );
    let Some(Abandoned::Unknown { entry, .. }) = publisher.abandon() else {
        panic!("it was tried to write it")
    };
    let Content::Messages { payloads, .. } = entry.content() else { panic!("it was a message") };
    assert_eq!(payloads.as_slice()[0].len(), LONG);

    publisher.publish(b"short".to_vec()).unwrap();
    blocking::settle(&mut publisher, &counter, &log).unwrap();
    let long = Entry::message(0, Dot::new(2, 1).unwrap(), vec![0; LONG]);
    assert!(matches!(log.append(&long), Err(EngineError::EntryTooLong { len, .. }) if len == LONG as u64));
}
