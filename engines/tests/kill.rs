//! Processes that are killed with signal 9 in the middle of their work: publishers, subscribers, and the server.
//!
//! A child is this binary again, running the test `child` alone. It publishes and takes numbers as fast as it can, and
//! prints a line before and after each request. The parent kills it at some line, and then judges the log by the lines
//! that it has read: nothing acknowledged may be lost, nothing may be stored twice, no number may repeat.
//!
//! The child also subscribes. It keeps its deliveries and its place in the order in a file of its own, in one
//! transaction, and its successor goes on from there. In the end the file must hold exactly the beginning of the log.
//!
//! HAPPENS_BEFORE_KILLS sets the number of kills; a few suffice for CI. For about a minute:
//!
//! ```text
//! HAPPENS_BEFORE_KILLS=300 cargo test -p happens-before-engines --release --test kill -- --nocapture
//! ```

#![cfg(all(unix, feature = "redb"))]

#[cfg(feature = "postgres")]
mod common;

use core::fmt::Debug;
use core::num::NonZeroU64;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use happens_before::broadcast::blocking::{
    DriveError, FollowError, follow, follow_appends, settle, settle_append,
};
use happens_before::broadcast::{
    AppendLog, Delivery, Entry, Log, Position, PublisherConfig, ReadAnswer, ReadLimit, SlotLog, Snapshot,
    SubscriberConfig,
};
use happens_before::check::OrderRun;
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher, Subscriber, codec};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

type Payload = Vec<u8>;

const ROUTES: [&str; 2] = ["slots", "appends"];

fn kills(default: u64) -> u64 {
    std::env::var("HAPPENS_BEFORE_KILLS").map_or(default, |kills| kills.parse().expect("a number"))
}

// ---------------------------------------------------------------------------------------------------------
// The child.

/// The variable with the engine of the child, its incarnation, and the file of its deliveries:
/// `redb|PATH|INCARNATION|FILE` or `postgres|NAME|INCARNATION|FILE`.
const CHILD: &str = "HAPPENS_BEFORE_KILL_CHILD";

#[test]
fn child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let [engine, place, incarnation, heard] =
        what.split('|').collect::<Vec<_>>().try_into().expect("four words");
    let heard = &Heard::open(Path::new(heard));
    let incarnation: u64 = incarnation.parse().expect("a number");
    match engine {
        "redb" => {
            let database = happens_before_engines::redb::Redb::open(place).expect("open");
            let (slots, appends) =
                (database.log(ROUTES[0]).expect("log"), database.log(ROUTES[1]).expect("log"));
            work(&database.counter("counter").expect("counter"), &slots, &appends, incarnation, heard);
        }
        #[cfg(feature = "postgres")]
        "postgres" => {
            let url = common::server().expect("the parent has it");
            let open = || {
                let database = happens_before_engines::postgres::Postgres::open(&url)?;
                let name = |what: &str| format!("{place} {what}");
                let (slots, appends) = (database.slots(&name(ROUTES[0]))?, database.appends(&name(ROUTES[1]))?);
                Ok((database.counter(&name("counter"))?, slots, appends))
            };
            // The server may be down just now.
            let (counter, slots, appends) =
                until(|| open().map_err(|_: happens_before_engines::postgres::PostgresError| ()));
            work(&counter, &slots, &appends, incarnation, heard);
        }
        other => panic!("no engine {other}"),
    }
}

/// Tries again until it succeeds, or the parent is gone.
fn until<T>(mut attempt: impl FnMut() -> Result<T, ()>) -> T {
    let parent = std::os::unix::process::parent_id();
    loop {
        if let Ok(done) = attempt() {
            return done;
        }
        if std::os::unix::process::parent_id() != parent {
            std::process::exit(1);
        }
        thread::yield_now();
    }
}

/// Publishes until it is killed. It repeats each failed request, as the contract demands.
fn work<C, S, A>(counter: &C, slots: &S, appends: &A, incarnation: u64, heard: &Heard)
where
    C: Counter + Sync,
    S: SlotLog<Node = u64, Payload = Payload> + Sync,
    A: AppendLog<Node = u64, Payload = Payload> + Sync,
    C::Error: Debug,
    S::Error: Debug,
    A::Error: Debug,
{
    // A tail far above 0 is no absurd jump here.
    let config = PublisherConfig { attempts: 10_000, jump: u64::MAX, ..PublisherConfig::default() };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = Publisher::new(incarnation * 2, config);
            loop {
                let id = publisher.publish(vec![7; 100]).expect("nothing is outstanding");
                println!("\n+ sent slots {} {}", id.node(), id.counter());
                until(|| match settle(&mut publisher, counter, slots) {
                    Ok(_) => Ok(()),
                    Err(DriveError::Counter(_) | DriveError::Log(_)) => Err(()),
                    Err(other) => panic!("{other:?}"),
                });
                println!("\n+ acknowledged slots {} {}", id.node(), id.counter());
            }
        });
        scope.spawn(|| {
            let mut appender = Publisher::new(incarnation * 2 + 1, PublisherConfig::over_appends());
            loop {
                let id = appender.publish(vec![8; 100]).expect("nothing is outstanding");
                println!("\n+ sent appends {} {}", id.node(), id.counter());
                until(|| match settle_append(&mut appender, appends) {
                    Ok(_) => Ok(()),
                    Err(DriveError::Log(_)) => Err(()),
                    Err(other) => panic!("{other:?}"),
                });
                println!("\n+ acknowledged appends {} {}", id.node(), id.counter());
            }
        });
        scope.spawn(|| {
            // This fills the holes of killed children, and the slots of slow ones too.
            let config = SubscriberConfig { write_timeout_ms: 20, ..JUDGE };
            let (mut subscriber, began) = (Subscriber::resume(heard.place(), config), Instant::now());
            loop {
                let now_ms = began.elapsed().as_millis() as u64;
                until(|| match follow(&mut subscriber, slots, now_ms) {
                    Ok(()) => Ok(()),
                    Err(FollowError::Log(_)) => Err(()),
                    Err(other) => panic!("{other:?}"),
                });
                heard.take_from(&mut subscriber);
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            loop {
                let number = until(|| counter.increment_and_get(NonZeroU64::MIN).map_err(drop));
                println!("\n+ took {number}");
            }
        });
    });
}

/// The deliveries of a subscriber, and its place, in a file of its own.
struct Heard(redb::Database);

/// The node and number of each message, by its slot and index.
const HEARD: TableDefinition<'_, (u64, u64), (u64, u64)> = TableDefinition::new("heard");
/// The next slot, the epoch, and the table of ids.
const PLACE: TableDefinition<'_, (), (u64, u64, &[u8])> = TableDefinition::new("place");

impl Heard {
    fn open(path: &Path) -> Self {
        // The file is made as in `Redb::open`: redb cannot open a file whose making was cut short.
        if !path.exists() {
            let new = path.with_extension(std::process::id().to_string());
            drop(redb::Database::create(&new).expect("a new file"));
            std::fs::rename(new, path).expect("a name");
        }
        let this = Self(redb::Database::open(path).expect("what was killed opens again"));
        let transaction = this.0.begin_write().expect("begin");
        transaction.open_table(HEARD).expect("a table");
        transaction.open_table(PLACE).expect("a table");
        transaction.commit().expect("commit");
        this
    }

    fn place(&self) -> Snapshot<u64> {
        let transaction = self.0.begin_read().expect("begin");
        let table = transaction.open_table(PLACE).expect("a table");
        let Some(place) = table.get(()).expect("read") else { return Snapshot::default() };
        let (next, epoch, delivered) = place.value();
        let delivered = codec::decode(delivered).expect("a vector");
        Snapshot { next, epoch, delivered, ..Snapshot::default() }
    }

    /// Takes out all deliveries, and stores them with the place after them, in one transaction.
    fn take_from(&self, subscriber: &mut Subscriber<u64, Payload>) {
        let mut next = || subscriber.poll_delivery().expect("few nodes");
        let Some(mut delivery) = next() else { return };
        let transaction = self.0.begin_write().expect("begin");
        {
            let mut heard = transaction.open_table(HEARD).expect("a table");
            loop {
                let Delivery { position, id, .. } = delivery;
                let before = heard.insert((position.sequence, position.index), (*id.node(), id.counter()));
                assert!(before.expect("insert").is_none(), "{position} is delivered twice");
                delivery = match next() {
                    Some(delivery) => delivery,
                    None => break,
                };
            }
            let Snapshot { next, epoch, delivered, .. } = subscriber.snapshot();
            let mut bytes = Vec::new();
            codec::encode(&delivered, &mut bytes);
            let place = (next, epoch, &*bytes);
            transaction.open_table(PLACE).expect("a table").insert((), place).expect("insert");
        }
        transaction.commit().expect("commit");
    }

    fn all(&self) -> Vec<(u64, u64)> {
        let transaction = self.0.begin_read().expect("begin");
        let table = transaction.open_table(HEARD).expect("a table");
        table.iter().expect("read").map(|row| row.expect("a row").1.value()).collect()
    }
}

/// Starts a child. `line` is called with each of its lines, and kills it by returning `false`.
fn run_child(what: &str, mut line: impl FnMut(&str) -> bool) {
    let mut child: Child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, what)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut killed = false;
    for said in output.lines() {
        let said = said.expect("text");
        // Lines printed before the kill count, even if they are read only after it.
        if let Some(said) = said.strip_prefix("+ ")
            && !line(said)
            && !killed
        {
            child.kill().expect("signal 9"); // it has no time to clean up
            killed = true;
        }
    }
    child.wait().expect("it ends");
    assert!(killed, "the child ended by itself");
}

// ---------------------------------------------------------------------------------------------------------
// The judge.

/// The reports of the children, from all lines read.
#[derive(Debug, Default)]
struct Said {
    sent: [BTreeSet<(u64, u64)>; 2],
    acknowledged: [BTreeSet<(u64, u64)>; 2],
    numbers: BTreeSet<u64>,
}

impl Said {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        // A line is written to the pipe in one piece, or not at all.
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words.as_slice() {
            ["took", _] => assert!(self.numbers.insert(number(1)), "{line} twice"),
            [verb, route, _, _] => {
                let route = ROUTES.iter().position(|known| known == route).expect("a route");
                let list = if *verb == "sent" { &mut self.sent } else { &mut self.acknowledged };
                list[route].insert((number(2), number(3)));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Judges a log by the reports, and by its earlier content: all of it must still be there.
    fn judge<L>(
        &self,
        route: usize,
        log: &L,
        before: &mut BTreeMap<u64, Entry<u64, Payload>>,
        fill: impl Fn(&mut Subscriber<u64, Payload>, u64),
    ) -> Vec<(u64, u64)>
    where
        L: Log<Node = u64, Payload = Payload>,
        L::Error: Debug,
    {
        let mut run = OrderRun::<u64, Position>::new(1);
        for &(node, counter) in &self.sent[route] {
            run.sent(Dot::new(node, counter).expect("not 0")).expect("sent");
        }
        for &(node, counter) in &self.acknowledged[route] {
            let sent = self.sent[route].contains(&(node, counter));
            assert!(sent, "{node} {counter} acknowledged, but not sent");
            run.acknowledged(&Dot::new(node, counter).expect("not 0")).expect("acknowledged");
        }
        let (mut subscriber, mut order) = (Subscriber::new(JUDGE), Vec::new());
        let stored = match log.read(1, ReadLimit::entries(usize::MAX)).expect("read") {
            ReadAnswer::Entries(entries) => BTreeMap::from_iter(entries),
            ReadAnswer::Trimmed { .. } => panic!("nobody trims"),
        };
        for (slot, entry) in &*before {
            assert_eq!(stored.get(slot), Some(entry), "slot {slot} is not as it was");
        }
        let tail = stored.last_key_value().map_or(0, |(slot, _)| *slot);
        let mut now_ms = 0;
        while subscriber.next() <= tail {
            now_ms += 1;
            fill(&mut subscriber, now_ms);
            while let Some(delivery) = subscriber.poll_delivery().expect("room for nodes") {
                run.delivered(0, delivery.position, &delivery.id).expect("one order");
                order.push((*delivery.id.node(), delivery.id.counter()));
            }
        }
        run.complete().expect("complete");
        let ReadAnswer::Entries(stored) = log.read(1, ReadLimit::entries(usize::MAX)).expect("read") else {
            panic!("nobody trims")
        };
        *before = BTreeMap::from_iter(stored);
        order
    }
}

/// Judges the deliveries of a killed subscriber in all its lives: the beginning of the log, nothing left out, nothing
/// twice.
fn judge_heard(heard: &[(u64, u64)], order: &[(u64, u64)]) {
    assert!(order.starts_with(heard), "heard {heard:?}, of {order:?}");
}

/// With looks a millisecond apart, every hole is filled at once.
const JUDGE: SubscriberConfig = SubscriberConfig {
    window: 1_024,
    bytes: 1 << 20,
    poll_ms: 1,
    write_timeout_ms: 1,
    max_fill_timeout_ms: 100,
    jump: 1 << 20,
    nodes: 1 << 20,
    skips: 16,
};

fn fill_slots<L: SlotLog<Node = u64, Payload = Payload>>(log: &L) -> impl Fn(&mut Subscriber<u64, Payload>, u64)
where
    L::Error: Debug,
{
    move |subscriber, now_ms| follow(subscriber, log, now_ms).expect("follow")
}

fn only_read<L: Log<Node = u64, Payload = Payload>>(log: &L) -> impl Fn(&mut Subscriber<u64, Payload>, u64)
where
    L::Error: Debug,
{
    move |subscriber, now_ms| match follow_appends(subscriber, log, now_ms) {
        Ok(()) => {}
        Err(FollowError::Hole { slot }) => panic!("slot {slot} is a hole"),
        Err(other) => panic!("{other:?}"),
    }
}

// ---------------------------------------------------------------------------------------------------------
// The tests.

#[test]
fn redb_keeps_what_it_has_answered() {
    use happens_before_engines::redb::Redb;

    let directory = tempfile::tempdir().expect("a directory");
    let (path, heard) = (directory.path().join("kill.redb"), directory.path().join("heard.redb"));
    let mut said = Said::default();
    let mut before = [BTreeMap::new(), BTreeMap::new()];
    let (mut lines, mut count, kills) = (0, 0, kills(12));
    for incarnation in 0..kills {
        // The kill comes at any line from the first on, and at any moment after it: a varying number of turns later.
        let (mut left, turns) = (incarnation * 7 % 60, incarnation * 7_919 % 20_000);
        run_child(&format!("redb|{}|{incarnation}|{}", path.display(), heard.display()), |line| {
            said.note(line);
            lines += 1;
            left = left.saturating_sub(1);
            if left == 0 {
                (0..turns).for_each(|_| core::hint::spin_loop());
            }
            left > 0
        });
        let database = Redb::open(&path).expect("a database that was killed opens again");
        let last = database.counter("counter").expect("counter").current().expect("current");
        assert!(said.numbers.last().is_none_or(|&number| number <= last), "the counter went back to {last}");
        let (slots, appends) = (database.log(ROUTES[0]).expect("log"), database.log(ROUTES[1]).expect("log"));
        let order = said.judge(0, &slots, &mut before[0], fill_slots(&slots));
        said.judge(1, &appends, &mut before[1], only_read(&appends));
        if heard.exists() {
            count = Heard::open(&heard).all().len();
            judge_heard(&Heard::open(&heard).all(), &order);
        }
    }
    let acknowledged = said.acknowledged.each_ref().map(BTreeSet::len);
    println!("{count} messages heard by a subscriber in {kills} lives");
    assert!(count as u64 >= kills, "the subscriber has heard {count} messages");
    println!("{kills} kills, {lines} lines, {acknowledged:?} acknowledged, {} numbers", said.numbers.len());
    assert!(acknowledged.iter().all(|&count| count as u64 >= kills) && said.numbers.len() as u64 >= kills);
}

/// redb cannot open a file that is half made, so no such file may exist.
#[test]
fn redb_opens_after_a_kill_while_the_file_was_made() {
    use happens_before_engines::redb::Redb;

    let directory = tempfile::tempdir().expect("a directory");
    let heard = directory.path().join("heard.redb");
    for attempt in 0..10_u64 {
        let inside = directory.path().join(attempt.to_string());
        std::fs::create_dir(&inside).expect("a directory");
        let path = inside.join("new.redb");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, format!("redb|{}|{attempt}|{}", path.display(), heard.display()))
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        while inside.read_dir().expect("readable").next().is_none() {
            thread::yield_now();
        }
        (0..attempt * 3_000).for_each(|_| core::hint::spin_loop());
        child.kill().expect("signal 9");
        child.wait().expect("it ends");
        Redb::open(&path).expect("a database");
    }
}

/// Publishers are killed one after another, three at a time. In the middle of that the server is killed, with all its
/// processes.
#[cfg(feature = "postgres")]
#[test]
fn postgres_keeps_what_it_has_answered() {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use happens_before_engines::postgres::Postgres;

    let Some(url) = common::server() else { return };
    let crash = std::env::var("HAPPENS_BEFORE_POSTGRES_CRASH").expect("with-postgres.sh sets both");
    let place = format!("kill {}", std::process::id());
    let kills = kills(9);
    let directory = tempfile::tempdir().expect("a directory");
    let heard = |runner: u64| directory.path().join(format!("heard {runner}.redb"));
    let (said, lines, incarnations) = (Mutex::new(Said::default()), AtomicU64::new(0), AtomicU64::new(0));
    let crashes = thread::scope(|scope| {
        let publishers: Vec<_> = (0..3)
            .map(|runner| {
                let (said, lines, incarnations, place) = (&said, &lines, &incarnations, &place);
                scope.spawn(move || {
                    loop {
                        let incarnation = incarnations.fetch_add(1, Ordering::SeqCst);
                        if incarnation >= kills {
                            break;
                        }
                        let mut left = 40 + incarnation * 37 % 200;
                        let heard = heard(runner);
                        run_child(&format!("postgres|{place}|{incarnation}|{}", heard.display()), |line| {
                            said.lock().expect("not poisoned").note(line);
                            lines.fetch_add(1, Ordering::SeqCst);
                            left = left.saturating_sub(1);
                            left > 0
                        });
                    }
                })
            })
            .collect();
        let mut crashes = 0;
        let mut next = 60;
        while !publishers.iter().all(thread::ScopedJoinHandle::is_finished) {
            if lines.load(Ordering::SeqCst) >= next {
                if !Command::new(&crash).status().is_ok_and(|status| status.success()) {
                    eprintln!("the server does not start again");
                    std::process::exit(1); // the publishers would try for ever
                }
                crashes += 1;
                next = lines.load(Ordering::SeqCst) + 250;
            }
            thread::yield_now();
        }
        crashes
    });
    let said = said.into_inner().expect("not poisoned");
    let database = Postgres::open(&url).expect("open");
    let name = |what: &str| format!("{place} {what}");
    let last = database.counter(&name("counter")).expect("counter").current().expect("current");
    assert!(said.numbers.last().is_none_or(|&number| number <= last), "the counter went back to {last}");
    let slots = database.slots(&name(ROUTES[0])).expect("slots");
    let appends = database.appends(&name(ROUTES[1])).expect("appends");
    let order = said.judge(0, &slots, &mut BTreeMap::new(), fill_slots(&slots));
    said.judge(1, &appends, &mut BTreeMap::new(), only_read(&appends));
    for runner in 0..3 {
        let heard = Heard::open(&heard(runner)).all();
        println!("{} messages heard by a subscriber that was killed", heard.len());
        assert!(!heard.is_empty());
        judge_heard(&heard, &order);
    }
    let acknowledged = said.acknowledged.each_ref().map(BTreeSet::len);
    println!(
        "{kills} publishers and {crashes} servers killed, {acknowledged:?} acknowledged, {} numbers",
        said.numbers.len()
    );
    assert!(crashes >= 2 && acknowledged.iter().all(|&count| count as u64 >= kills));
}
