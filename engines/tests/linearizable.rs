//! A register and claims over every engine, with clients in threads that lose requests and answers, and die in the
//! middle of a call. Every history is checked for linearizability. `checker.rs` shows that the check finds faults, and
//! so does one kind of read here that is wrong on purpose.
//!
//! Then the counter is set back, unnoticed: reads by position lose their promise, and nothing else does.

#[cfg(feature = "postgres")]
mod common;
use testkit::linearizable;
use testkit::subjects;

use core::fmt::Debug;
#[cfg(feature = "redb")]
use core::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use happens_before::broadcast::blocking::{
    DriveError, FollowError, follow, follow_appends, settle, settle_append,
};
use happens_before::broadcast::{
    AppendLog, Entry, MemoryLog, Position, Published, PublisherConfig, SlotLog, SubscriberConfig,
};
use happens_before::check::OrderRun;
use happens_before::codec::{Decode, Encode};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::{Dot, Publisher};
use happens_before_engines::conformance::{Lost, Unreliable};
use happens_before_replicated::blocking::{outcome, sync};
use happens_before_replicated::register::Register;
use happens_before_replicated::{Encoded, Replica, StateMachine, register};
use linearizable::{Call, linearizable};
use subjects::{Names, OneRegister, Random, Subject};

type Node = u64;
type Bytes = Vec<u8>;

// ---------------------------------------------------------------------------------------------------------
// Commands in bytes, as engines store them.

trait Coded: Subject<Machine: StateMachine<Command: Encode + Decode>> {}

impl<T: Subject<Machine: StateMachine<Command: Encode + Decode>>> Coded for T {}

type Copy<T> = Replica<Node, Encoded<<T as Subject>::Machine>>;

// ---------------------------------------------------------------------------------------------------------
// Two ways into a log, and out of it.

/// A way into a log and out of it, one attempt at a call: `None` if there was no answer.
trait Route: Sync {
    type Sender;

    fn sender(&self, node: Node) -> Self::Sender;
    /// Publishes a command, or a marker.
    fn publish(&self, sender: &mut Self::Sender, command: Option<Bytes>) -> Dot<Node>;
    fn settle(&self, sender: &mut Self::Sender) -> Option<Published<Node>>;
    fn follow<T: Coded>(&self, replica: &mut Copy<T>, now_ms: u64);
    /// Asks for the counter's current number. A route without a counter reads by marker.
    fn current(&self) -> Option<Option<u64>>;
}

fn on_purpose<E: Debug>(lost: Lost<E>) {
    if let Lost::Engine(error) = lost {
        panic!("the engine failed: {error:?}");
    }
}

struct Slots<'a, C, L> {
    counter: Unreliable<'a, C>,
    log: Unreliable<'a, L, (u64, Entry<Node, Bytes>)>,
}

impl<C, L> Route for Slots<'_, C, L>
where
    C: Counter<Error: Debug> + Sync,
    L: SlotLog<Node = Node, Payload = Bytes, Error: Debug> + Sync,
{
    type Sender = Publisher<Node, Bytes>;

    fn sender(&self, node: Node) -> Self::Sender {
        // Holes are filled at once, and so are slots that a publisher is about to write.
        Publisher::new(node, PublisherConfig { attempts: 10_000, ..PublisherConfig::default() })
    }

    fn publish(&self, sender: &mut Self::Sender, command: Option<Bytes>) -> Dot<Node> {
        match command {
            Some(command) => sender.publish(command).unwrap(),
            None => sender.publish_marker().unwrap(),
        }
    }

    fn settle(&self, sender: &mut Self::Sender) -> Option<Published<Node>> {
        match settle(sender, &self.counter, &self.log) {
            Ok(published) => return published,
            Err(DriveError::Counter(lost)) => on_purpose(lost),
            Err(DriveError::Log(lost)) => on_purpose(lost),
            Err(other) => panic!("{other:?}"),
        }
        None
    }

    fn follow<T: Coded>(&self, replica: &mut Copy<T>, now_ms: u64) {
        match follow(replica, &self.log, now_ms) {
            Ok(()) => {}
            Err(FollowError::Log(lost)) => on_purpose(lost),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn current(&self) -> Option<Option<u64>> {
        Some(self.counter.current().map_err(on_purpose).ok())
    }
}

struct Appends<'a, L> {
    log: Unreliable<'a, L, (u64, Entry<Node, Bytes>)>,
}

impl<L: AppendLog<Node = Node, Payload = Bytes, Error: Debug> + Sync> Route for Appends<'_, L> {
    type Sender = Publisher<Node, Bytes>;

    fn sender(&self, node: Node) -> Self::Sender {
        Publisher::new(node, PublisherConfig::over_appends())
    }

    fn publish(&self, sender: &mut Self::Sender, command: Option<Bytes>) -> Dot<Node> {
        match command {
            Some(command) => sender.publish(command).unwrap(),
            None => sender.publish_marker().unwrap(),
        }
    }

    fn settle(&self, sender: &mut Self::Sender) -> Option<Published<Node>> {
        match settle_append(sender, &self.log) {
            Ok(published) => return published,
            Err(DriveError::Log(lost)) => on_purpose(lost),
            Err(other) => panic!("{other:?}"),
        }
        None
    }

    fn follow<T: Coded>(&self, replica: &mut Copy<T>, now_ms: u64) {
        match follow_appends(replica, &self.log, now_ms) {
            Ok(()) => {}
            Err(FollowError::Log(lost)) => on_purpose(lost),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn current(&self) -> Option<Option<u64>> {
        None
    }
}

// ---------------------------------------------------------------------------------------------------------
// Histories.

const CLIENTS: u64 = 4;
const CALLS: u64 = 8;

/// A look takes a millisecond, so a hole is filled after a few looks.
const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 16,
    bytes: 1 << 20,
    poll_ms: 1,
    write_timeout_ms: 2,
    max_fill_timeout_ms: 8,
    jump: 1 << 20,
    nodes: 1 << 12,
    skips: 16,
};

#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Right,
    /// Wrong on purpose.
    Local,
}

/// Runs the clients, and returns the outcome of each call.
fn record<T: Coded, R: Route>(route: &R, seed: u64, reads: Reads) -> Vec<Call<T::Op, T::Ret>>
where
    T::Op: Send,
    T::Ret: Send,
{
    let clock = &AtomicU64::new(0);
    let now = move || clock.fetch_add(1, Ordering::SeqCst);
    let client = |client: u64| {
        let random = &mut Random(seed * CLIENTS + client);
        let new = |died| (route.sender(client + CLIENTS * died), Replica::new(Encoded(T::machine()), CONFIG));
        let ((mut sender, mut replica), mut died, mut now_ms) = (new(0), 0, 0);
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            let op = T::choose(random, client);
            let command = T::command(&op).map(|command| Encoded::<T::Machine>::encode(&command));
            let mut call = Call { begin: now(), end: None, op };
            let by_position = command.is_none() && random.below(2) == 0;
            let output = if reads == Reads::Local && command.is_none() {
                None
            } else if let (true, Some(mut current)) = (by_position, route.current()) {
                while current.is_none() {
                    current = route.current().expect("there is a counter");
                }
                let current = current.unwrap_or(0);
                while replica.poll_sync(current).unwrap().is_none() {
                    now_ms += 1;
                    route.follow::<T>(&mut replica, now_ms);
                }
                None
            } else {
                let id = route.publish(&mut sender, command);
                // It may die with the number, with the entry written, or later.
                if random.per_mille(100) {
                    route.settle(&mut sender);
                    died += 1;
                    (sender, replica) = new(died);
                    calls.push(call);
                    continue;
                }
                let published = loop {
                    if let Some(published) = route.settle(&mut sender) {
                        break published;
                    }
                };
                assert_eq!(published.id, id);
                loop {
                    match replica.poll_outcome(&published).unwrap() {
                        Some(applied) => break applied.output.map(|output| output.expect("a command")),
                        None => {
                            now_ms += 1;
                            route.follow::<T>(&mut replica, now_ms);
                        }
                    }
                }
            };
            let told = T::ret(output, &call.op, &replica.machine().0);
            call.end = Some((now(), told));
            calls.push(call);
        }
        calls
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("no client panics")).collect()
    })
}

/// The numbers of calls, of calls without an answer, and of calls that overlap with others.
type Seen = [usize; 3];

fn check<T: Coded, R: Route>(route: &R, seed: u64) -> Seen
where
    T::Op: Send,
    T::Ret: Send,
{
    let calls = record::<T, R>(route, seed, Reads::Right);
    assert!(linearizable(&T::state(), &calls, T::step), "seed {seed}: not linearizable: {calls:#?}");
    let unknown = calls.iter().filter(|call| call.end.is_none()).count();
    let before =
        |a: &Call<_, _>, b: &Call<_, _>| a.end.as_ref().is_some_and(|end: &(u64, T::Ret)| end.0 < b.begin);
    let overlaps = |a: &Call<_, _>, b: &Call<_, _>| a.begin != b.begin && !before(a, b) && !before(b, a);
    let overlapping = calls.iter().filter(|a| calls.iter().any(|b| overlaps(a, b))).count();
    [calls.len(), unknown, overlapping]
}

/// Checks histories of both subjects over both routes. The functions make a new engine each time.
fn try_engine<C, L, A>(histories: u64, counter: impl Fn() -> C, slots: impl Fn() -> L, appends: impl Fn() -> A)
where
    C: Counter<Error: Debug> + Sync,
    L: SlotLog<Node = Node, Payload = Bytes, Error: Debug> + Sync,
    A: AppendLog<Node = Node, Payload = Bytes, Error: Debug> + Sync,
{
    let mut seen = [0; 3];
    for seed in 0..histories {
        let (counter, log) = (counter(), slots());
        let route = Slots { counter: Unreliable::new(&counter, seed), log: Unreliable::new(&log, !seed) };
        let of_slots =
            if seed % 2 == 0 { check::<OneRegister, _>(&route, seed) } else { check::<Names, _>(&route, seed) };
        let log = appends();
        let route = Appends { log: Unreliable::new(&log, seed) };
        let of_appends =
            if seed % 2 == 0 { check::<OneRegister, _>(&route, seed) } else { check::<Names, _>(&route, seed) };
        for (at, seen) in seen.iter_mut().enumerate() {
            *seen += of_slots[at] + of_appends[at];
        }
    }
    let [calls, unknown, overlapping] = seen;
    println!("{calls} calls, {unknown} without an answer, {overlapping} beside others");
    assert!(unknown > 0 && overlapping * 4 > calls, "{seen:?}");
}

fn memory() -> Mutex<MemoryLog<Node, Bytes>> {
    Mutex::new(MemoryLog::new(1_000_000))
}

#[test]
fn over_memory_every_history_is_linearizable() {
    try_engine(100, AtomicCounter::new, memory, memory);
}

/// The check above finds reads that are wrong on purpose.
#[test]
fn reads_that_do_not_wait_are_found_out() {
    let not_linearizable = (0..20)
        .filter(|&seed| {
            let (counter, log) = (AtomicCounter::new(), memory());
            let route = Slots { counter: Unreliable::new(&counter, seed), log: Unreliable::new(&log, !seed) };
            let calls = record::<OneRegister, _>(&route, seed, Reads::Local);
            !linearizable(&0, &calls, OneRegister::step)
        })
        .count();
    assert!(not_linearizable > 5, "{not_linearizable} of 20");
}

// ---------------------------------------------------------------------------------------------------------
// A counter that is set back.

/// A node writes, and is acknowledged. The counter is set back. Then another node reads in both ways.
fn reads_after_a_reset<C, L>(counter: &C, log: &L, set_back: impl Fn(u64))
where
    C: Counter<Error: Debug>,
    L: SlotLog<Node = Node, Payload = Bytes, Error: Debug>,
{
    let new = || Replica::new(Encoded(Register::new(0_u8)), CONFIG);
    let wait = |until_ms| Some(until_ms);
    let write = |publisher: &mut Publisher<_, _>, replica: &mut _, value| {
        publisher.publish(Encoded::<Register<u8>>::encode(&register::Command::Write(value))).unwrap();
        let published = settle(publisher, counter, log).unwrap().unwrap();
        assert_eq!(outcome(replica, &published, log, wait).unwrap().output, Some(Ok(register::Outcome::Set)));
    };
    let (mut alice, mut replica) = (Publisher::new(1, PublisherConfig::default()), new());
    (1..=5).for_each(|value| write(&mut alice, &mut replica, value));

    set_back(2);
    assert_eq!(counter.current().unwrap(), 2, "it is set back");
    // By position: the counter's number is believed, so the read is stale, as its documentation warns.
    let mut stale = new();
    sync(&mut stale, counter, log, wait).unwrap();
    assert_eq!(stale.machine().0.value(), &2);
    // By marker: its slot is above everything that was acknowledged.
    let (mut bob, mut reader) = (Publisher::new(2, PublisherConfig::default()), new());
    bob.publish_marker().unwrap();
    let published = settle(&mut bob, counter, log).unwrap().unwrap();
    assert_eq!(outcome(&mut reader, &published, log, wait).unwrap().output, None);
    assert_eq!(reader.machine().0.value(), &5);

    // Writing goes on, above the marker.
    write(&mut alice, &mut replica, 6);
    bob.publish_marker().unwrap();
    let published = settle(&mut bob, counter, log).unwrap().unwrap();
    outcome(&mut reader, &published, log, wait).unwrap();
    assert_eq!((reader.machine().0.value(), replica.machine().0.value()), (&6, &6));
}

/// Runs publishers and subscribers in threads, while the counter is set back again and again. The order stays one,
/// without loss or repetition, and commands with reads by marker stay linearizable.
fn order_under_resets<C, L>(counter: &C, log: &L, set_back: impl Fn(u64) + Sync)
where
    C: Counter<Error: Debug> + Sync,
    L: SlotLog<Node = Node, Payload = Bytes, Error: Debug> + Sync,
{
    const EACH: u64 = 30;
    let judge = &Mutex::new(OrderRun::<Node, Position>::new(2));
    let lock = || judge.lock().unwrap_or_else(PoisonError::into_inner);
    let (acknowledged, resets) = (&AtomicU64::new(0), &AtomicU64::new(0));
    thread::scope(|scope| {
        for node in 0..3 {
            scope.spawn(move || {
                let mut publisher =
                    Publisher::new(node, PublisherConfig { attempts: 10_000, ..PublisherConfig::default() });
                for _ in 0..EACH {
                    let id = {
                        let mut judge = lock();
                        let id = publisher.publish(vec![node as u8]).unwrap();
                        judge.sent(id).unwrap();
                        id
                    };
                    assert_eq!(settle(&mut publisher, counter, log).unwrap().unwrap().id, id);
                    lock().acknowledged(&id).unwrap();
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for reset in 1..6 {
                while acknowledged.load(Ordering::SeqCst) < reset * 3 * EACH / 7 {
                    thread::yield_now();
                }
                set_back(reset * 3);
                resets.fetch_add(1, Ordering::SeqCst);
            }
        });
        for site in 0..2 {
            scope.spawn(move || {
                let (mut subscriber, mut now_ms, mut delivered) =
                    (happens_before::Subscriber::new(CONFIG), 0, 0);
                while delivered < 3 * EACH {
                    now_ms += 1;
                    happens_before::broadcast::blocking::follow(&mut subscriber, log, now_ms).unwrap();
                    while let Some(delivery) = subscriber.poll_delivery().unwrap() {
                        delivered += 1;
                        lock().delivered(site, delivery.position, &delivery.id).unwrap();
                    }
                    thread::yield_now();
                }
            });
        }
    });
    lock().complete().unwrap();
    assert_eq!((lock().ordered() as u64, resets.load(Ordering::SeqCst)), (3 * EACH, 5));
}

/// Several counters of an engine, with one in use. Setting it back means using another one, as after a row was
/// restored.
#[cfg(feature = "redb")]
struct Replaced<C> {
    counters: Vec<C>,
    used: AtomicU64,
}

#[cfg(feature = "redb")]
impl<C: Counter> Replaced<C> {
    fn current(&self) -> &C {
        &self.counters[self.used.load(Ordering::SeqCst) as usize]
    }

    /// Uses the next counter from now on, which has given `to` numbers.
    fn set_back(&self, to: u64)
    where
        C::Error: Debug,
    {
        let next = &self.counters[self.used.load(Ordering::SeqCst) as usize + 1];
        next.increment_and_get(NonZeroU64::new(to).expect("not 0")).unwrap();
        self.used.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(feature = "redb")]
impl<C: Counter> Counter for Replaced<C> {
    type Error = C::Error;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, C::Error> {
        self.current().increment_and_get(n)
    }

    fn current(&self) -> Result<u64, C::Error> {
        Replaced::current(self).current()
    }
}

// ---------------------------------------------------------------------------------------------------------
// The engines.

#[cfg(feature = "redb")]
mod redb {
    use happens_before_engines::redb::Redb;

    use super::*;

    fn database() -> (tempfile::TempDir, Redb) {
        let directory = tempfile::tempdir().unwrap();
        let database = Redb::open(directory.path().join("log.redb")).unwrap();
        (directory, database)
    }

    #[test]
    fn every_history_is_linearizable() {
        let (_directory, database) = database();
        let made = AtomicU64::new(0);
        let name = || made.fetch_add(1, Ordering::SeqCst).to_string();
        let log = || database.log::<Node, Bytes>(&name()).unwrap();
        try_engine(10, || database.counter(&name()).unwrap(), log, log);
    }

    #[test]
    fn a_counter_that_is_set_back_makes_reads_by_position_stale_and_nothing_else() {
        let (_directory, database) = database();
        for run in 0..5 {
            let counters = (0..7).map(|n| database.counter(&format!("{run} {n}")).unwrap()).collect();
            let counter = Replaced { counters, used: AtomicU64::new(0) };
            let log = database.log::<Node, Bytes>(&format!("reads {run}")).unwrap();
            reads_after_a_reset(&counter, &log, |to| counter.set_back(to));
            let log = database.log::<Node, Bytes>(&format!("order {run}")).unwrap();
            order_under_resets(&counter, &log, |to| counter.set_back(to));
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use happens_before_engines::postgres::{AsyncPostgres, Postgres};

    use super::*;
    use crate::common::{awaited, name, server};

    #[test]
    fn every_history_is_linearizable() {
        let Some(url) = server() else { return };
        let database = Postgres::open(&url).unwrap();
        let slots = || database.slots::<Node, Bytes>(&name()).unwrap();
        let appends = || database.appends::<Node, Bytes>(&name()).unwrap();
        try_engine(6, || database.counter(&name()).unwrap(), slots, appends);
    }

    #[test]
    fn awaited_too() {
        let Some(url) = server() else { return };
        let database = awaited::open(&url);
        let counter = || database.then(async |database: &AsyncPostgres| database.counter(&name()).await);
        let slots = || database.then(async |database: &AsyncPostgres| database.slots(&name()).await);
        let appends = || database.then(async |database: &AsyncPostgres| database.appends(&name()).await);
        try_engine(4, counter, slots, appends);
    }

    #[test]
    fn a_counter_that_is_set_back_makes_reads_by_position_stale_and_nothing_else() {
        let Some(url) = server() else { return };
        let database = Postgres::open(&url).unwrap();
        let client = Mutex::new(::postgres::Client::connect(&url, ::postgres::NoTls).unwrap());
        for _ in 0..3 {
            let name = name();
            let set_back = |to: u64| {
                let set = "UPDATE happens_before_counters SET last = $2 WHERE name = $1";
                let rows = client.lock().unwrap().execute(set, &[&name, &(to as i64)]);
                assert_eq!(rows.unwrap(), 1);
            };
            let counter = database.counter(&name).unwrap();
            reads_after_a_reset(&counter, &database.slots(&name).unwrap(), set_back);
            set_back(0);
            let log = database.slots(&format!("{name} order")).unwrap();
            order_under_resets(&counter, &log, set_back);
        }
    }
}
