//! The process or the power ends between any two operations of redb on its file.
//!
//! This is exhaustive, not random. A simulated disk counts the operations. The work is repeated, and cut off before the
//! first operation, then before the second, and so on. Each time a new process opens the remaining file.
#![cfg(feature = "redb")]

use core::num::NonZeroU64;
use std::io;
use std::sync::{Arc, Mutex};

use ::redb::{Database, StorageBackend, TableDefinition};
use happens_before::Dot;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;
use happens_before_engines::redb::{Redb, RedbError, RedbLog};

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The content as a process sees it.
    content: Vec<u8>,
    /// The content after a power failure, if no unsynced write arrives.
    durable: Vec<u8>,
    /// The number of operations left; `None` for no limit.
    left: Option<u64>,
    done: u64,
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        self.done += 1;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        }
        Ok(())
    }
}

impl Disk {
    fn holding(content: &[u8], left: Option<u64>) -> Self {
        let (content, durable) = (content.to_vec(), content.to_vec());
        Self(Arc::new(Mutex::new(State { content, durable, left, done: 0 })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = &self.0.lock().unwrap().content;
        let bytes = content.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operate()?;
        state.content.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operate()?;
        state.durable = state.content.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.operate()?;
        state.content[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn open(disk: Disk) -> Result<Redb, RedbError> {
    Redb::with(Database::builder().set_cache_size(1 << 20).create_with_backend(disk)?)
}

fn entry(number: u64) -> Entry<u8, Vec<u8>> {
    Entry::message(0, Dot::new(1, number).unwrap(), vec![number as u8; 50])
}

/// The answers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answered {
    last: u64,
    slots: Vec<u64>,
    appends: u64,
    first: u64,
    epoch: u64,
}

/// Takes numbers, writes, appends, trims, seals and compacts, until the first error ends the process.
fn work(redb: &Redb, answered: &mut Answered) -> Result<(), RedbError> {
    let (counter, slots, appends) = (redb.counter("c")?, redb.log("slots")?, redb.log("appends")?);
    for number in 1..=6 {
        answered.last = counter.increment_and_get(NonZeroU64::new(2).unwrap())? + 1;
        let slot = answered.last;
        assert_eq!(slots.write(slot, &entry(number))?, WriteAnswer::Written);
        answered.slots.push(slot);
        assert_eq!(appends.append(&entry(number))?, AppendAnswer::Appended { slot: number });
        answered.appends = number;
        if number == 4 {
            answered.first = slots.trim(3)?;
            answered.epoch = slots.seal(0)?.epoch;
            redb.compact()?;
        }
    }
    answered.epoch = slots.seal(1)?.epoch;
    Ok(())
}

/// Judges a file: it must hold everything answered, and at most the next request in addition.
fn judge(content: &[u8], answered: &Answered) -> Result<(), String> {
    let redb = open(Disk::holding(content, None)).map_err(|error| format!("it does not open: {error}"))?;
    let check = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("{what}; answered: {answered:?}")) };
    let last = redb.counter("c").unwrap().current().unwrap();
    check(last == answered.last || last == answered.last + 2, &format!("the counter is at {last}"))?;

    let read = |log: &RedbLog<u8, Vec<u8>>, from| match log.read(from, ReadLimit::entries(100)).unwrap() {
        ReadAnswer::Entries(entries) => entries,
        ReadAnswer::Trimmed { first } => panic!("trimmed below {first}"),
    };
    let (slots, appends) = (redb.log("slots").unwrap(), redb.log("appends").unwrap());
    let first = slots.trim(0).unwrap();
    check(first >= answered.first, &format!("the mark is at {first}"))?;
    let found = read(&slots, first);
    for (slot, content) in &found {
        check(*content == entry(slot / 2), &format!("slot {slot} has {content:?}"))?;
    }
    let kept: Vec<u64> = answered.slots.iter().copied().filter(|&slot| slot >= first).collect();
    let found: Vec<u64> = found.iter().map(|(slot, _)| *slot).collect();
    check(found.starts_with(&kept) && found.len() <= kept.len() + 1, &format!("slots {found:?}"))?;

    let found: Vec<u64> = read(&appends, 1).iter().map(|(slot, _)| *slot).collect();
    check(found.iter().copied().eq(1..=found.len() as u64), &format!("a hole in {found:?}"))?;
    let more = (found.len() as u64).checked_sub(answered.appends);
    check(more.is_some_and(|more| more <= 1), &format!("appends {found:?}"))?;
    check(slots.seal(0).unwrap().epoch >= answered.epoch, "the epoch went back")
}

#[test]
fn nothing_answered_is_lost_between_any_two_operations() {
    // `a_new_file_is_whole_or_not_there` tests how a new file is made.
    let new = Disk::default();
    drop(Database::builder().create_with_backend(new.clone()).unwrap());
    let new = new.0.lock().unwrap().durable.clone();
    let whole = Disk::holding(&new, None);
    let redb = open(whole.clone()).unwrap();
    work(&redb, &mut Answered::default()).unwrap();
    let operations = whole.0.lock().unwrap().done;
    let (mut unknown, mut not_done) = (0, 0);
    for left in 0..=operations {
        let disk = Disk::holding(&new, Some(left));
        let mut answered = Answered { first: 1, ..Answered::default() };
        match open(disk.clone()).and_then(|redb| {
            let ended = work(&redb, &mut answered);
            // The process is killed, so nothing is closed.
            core::mem::forget(redb);
            ended
        }) {
            Ok(()) => assert_eq!(left, operations),
            Err(error) if error.is_unknown() => unknown += 1,
            Err(_) => not_done += 1,
        }
        let State { content, durable, .. } = &*disk.0.lock().unwrap();
        for (what, content) in [("process", content), ("power", durable)] {
            if let Err(wrong) = judge(content, &answered) {
                panic!("the {what} ended before operation {left} of {operations}: {wrong}");
            }
        }
    }
    println!("cut off before each of {operations} operations: {unknown} unknown, {not_done} not done");
    assert!(operations > 50 && unknown > 20, "{operations} {unknown}");
}

/// A disk that panics from some operation on.
#[derive(Clone, Debug, Default)]
struct Panics {
    disk: Disk,
    /// The operation that panics.
    at: Arc<Mutex<&'static str>>,
}

impl Panics {
    fn pass(&self, operation: &str) {
        let panics = *self.at.lock().unwrap() == operation;
        assert!(!panics, "on purpose");
    }
}

impl StorageBackend for Panics {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.pass("read");
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.pass("sync");
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(offset, data)
    }
}

/// A panic in redb, as over a damaged file, becomes an error. The handle ends for all threads, and the file is as it
/// was.
#[test]
fn a_panic_in_redb_is_an_error_and_ends_the_handle() {
    for (at, unknown) in [("sync", true), ("read", false)] {
        let disk = Panics::default();
        let database = Database::builder().set_cache_size(0).create_with_backend(disk.clone()).unwrap();
        let redb = Redb::with(database).unwrap();
        let counter = redb.counter("c").unwrap();
        assert_eq!(counter.increment_and_get(NonZeroU64::MIN).unwrap(), 1);
        *disk.at.lock().unwrap() = at;
        let errors: Vec<RedbError> = std::thread::scope(|scope| {
            let take = || counter.increment_and_get(NonZeroU64::MIN).unwrap_err();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (first, others): (Vec<_>, Vec<_>) =
            errors.iter().partition(|error| error.to_string().contains("(on purpose)"));
        assert_eq!(first.len(), 1, "{errors:?}");
        assert_eq!(first[0].is_unknown(), unknown, "{}", first[0]);
        for error in others {
            assert!(!error.is_unknown(), "{error}");
            assert!(error.to_string().contains("open the file again"), "{error}");
        }
        *disk.at.lock().unwrap() = "";
        assert!(counter.current().is_err(), "it is over");
        drop((redb, counter));
        let content = disk.disk.0.lock().unwrap().content.clone();
        let last = open(Disk::holding(&content, None)).unwrap().counter("c").unwrap().current().unwrap();
        assert!(last == 1 || (unknown && last == 2), "{last}");
    }
}

#[test]
fn a_new_file_is_whole_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.redb");
    // Many threads open at once: one makes the file, one has it open, and the others are told so.
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Redb::open(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "{opened:?}");
    for error in opened.iter().filter_map(|opened| opened.as_ref().err()) {
        assert!(matches!(error, RedbError::NotDone(::redb::Error::DatabaseAlreadyOpen)), "{error:?}");
    }
    let names: Vec<_> = directory.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["new.redb"], "nothing else is left");

    // A file that is not a database is not overwritten.
    std::fs::write(directory.path().join("text"), "hello").unwrap();
    assert!(!Redb::open(directory.path().join("text")).unwrap_err().is_unknown());
    assert_eq!(std::fs::read(directory.path().join("text")).unwrap(), b"hello");
    assert!(!Redb::open(directory.path().join("no/such")).unwrap_err().is_unknown());
}

/// A payload of the caller's panics while it is written, in the middle of a transaction. Nothing is done, and no other
/// caller is affected.
#[test]
fn a_payload_that_panics_poisons_nothing() {
    struct Panics(Vec<u8>);

    impl AsRef<[u8]> for Panics {
        fn as_ref(&self) -> &[u8] {
            assert!(self.0 != b"panic", "on purpose");
            &self.0
        }
    }

    impl From<Vec<u8>> for Panics {
        fn from(bytes: Vec<u8>) -> Self {
            Self(bytes)
        }
    }

    let redb = open(Disk::default()).unwrap();
    let log = redb.log::<u8, Panics>("log").unwrap();
    let entry =
        |number, payload: &[u8]| Entry::message(0, Dot::new(1, number).unwrap(), Panics(payload.into()));
    for _ in 0..2 {
        let attempts: [&dyn Fn(); 2] =
            [&|| drop(log.write(1, &entry(1, b"panic"))), &|| drop(log.append(&entry(1, b"panic")))];
        for attempt in attempts {
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).is_err());
        }
    }
    assert!(matches!(log.append(&entry(1, b"fine")), Ok(AppendAnswer::Appended { slot: 1 })));
    assert!(matches!(log.write(2, &entry(2, b"fine")), Ok(WriteAnswer::Written)));
    assert_eq!(redb.counter("c").unwrap().increment_and_get(NonZeroU64::MIN).unwrap(), 1);
}

/// A file whose rows have no checksums is neither read nor written. The same holds for a file that has lost a table.
#[test]
fn a_file_of_an_earlier_version_is_refused() {
    let refused = |database: Database| Redb::with(database).map(drop).unwrap_err().to_string();
    let new = || Database::builder().create_with_backend(Disk::default()).unwrap();
    let make = |database: &Database, names: &[&'static str]| {
        let transaction = database.begin_write().unwrap();
        for name in names {
            transaction.open_table(TableDefinition::<&str, u64>::new(name)).unwrap();
        }
        transaction.commit().unwrap();
    };
    let earlier = new();
    make(&earlier, &["counters", "logs", "slots"]);
    let error = refused(earlier);
    assert!(error.contains("earlier version") && error.contains("write what it holds to a new one"), "{error}");

    let database = new();
    make(&database, &["checked counters", "checked logs"]);
    let error = refused(database);
    assert!(error.contains("a table is gone"), "{error}");

    // A table of the caller's own is ignored.
    let database = new();
    make(&database, &["logs"]);
    assert_eq!(Redb::with(database).unwrap().counter("c").unwrap().current().unwrap(), 0);
}

#[test]
fn a_read_takes_no_more_bytes_than_its_limit() {
    let log: RedbLog<u8, Vec<u8>> = open(Disk::default()).unwrap().log("log").unwrap();
    let entry = |number| Entry::message(0, Dot::new(1, number).unwrap(), vec![7; 1_000]);
    for number in 1..=9 {
        assert_eq!(log.append(&entry(number)).unwrap(), AppendAnswer::Appended { slot: number });
    }
    for (bytes, count) in [(0, 2), (2_999, 2), (3_200, 3), (5_500, 5), (usize::MAX, 8)] {
        let read = log.read(1, ReadLimit { entries: 8, bytes }).unwrap();
        assert_eq!(read, ReadAnswer::Entries((1..=count).map(|number| (number, entry(number))).collect()));
    }
}
