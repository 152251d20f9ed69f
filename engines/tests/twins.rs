//! The blocking and the asynchronous drivers over one script of answers: honest ones, engine errors, conflicts,
//! unreadable slots, lost entries and broken rules. Both make the same requests and return the same results, in every
//! call.

use core::cell::{Cell, RefCell};
use core::fmt::Debug;
use core::future::{poll_fn, ready};
use core::num::NonZeroU64;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use fastrand::Rng;
use happens_before::broadcast::{
    Entry, Log, MemoryLog, Position, Published, PublisherConfig, ReadAnswer, ReadLimit, SealAnswer, SlotLog,
    SubscriberConfig, Unreadable, WriteAnswer, blocking,
};
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher, Subscriber};
use happens_before_engines::asynchronous::{self, AsyncCounter, AsyncLog, AsyncSlotLog};
use happens_before_replicated::{Replica, ReplicaSnapshot, StateMachine, blocking as replicated};

type Failure = &'static str;

const NODES: u64 = 5;
const CALLS: usize = 60;

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 8,
    bytes: 1 << 20,
    poll_ms: 5,
    write_timeout_ms: 10,
    max_fill_timeout_ms: 80,
    jump: 6,
    nodes: 3,
    skips: 4,
};

#[derive(Clone, Debug, Default)]
struct Sum(u64);

impl StateMachine for Sum {
    type Command = u64;
    type Output = u64;

    fn apply(&mut self, _: Position, command: u64) -> u64 {
        self.0 += command;
        self.0
    }
}

// --------------------------------------------------------------------------------------------------------- The script:
// each answer follows from the seed and the earlier requests.

struct Engine {
    log: MemoryLog<u64, u64>,
    random: Rng,
    /// The number of each node's last message.
    numbers: [u64; NODES as usize],
    last: Published<u64>,
    taken: u64,
    told: Vec<String>,
}

struct Script(Mutex<Engine>);

impl Script {
    fn new(seed: u64) -> Self {
        let last = Published { id: Dot::new(0, 1).unwrap(), slot: 1 };
        let (log, random) = (MemoryLog::new(1_000_000), Rng::with_seed(seed));
        Self(Mutex::new(Engine { log, random, numbers: [0; NODES as usize], last, taken: 0, told: Vec::new() }))
    }

    fn tell(&self, what: impl Debug) {
        self.0.lock().unwrap().told.push(format!("{what:?}"));
    }

    fn last(&self) -> Published<u64> {
        self.0.lock().unwrap().last
    }

    /// Lets another node write a message, sometimes with a hole below it.
    fn grow(&self) {
        self.0.lock().unwrap().grow();
    }

    fn answer<T: Debug>(&self, request: String, answer: impl FnOnce(&mut Engine) -> T) -> T {
        let engine = &mut *self.0.lock().unwrap();
        let answer = answer(engine);
        engine.told.push(format!("{request}: {answer:?}"));
        answer
    }
}

/// Makes content that no node has written.
fn foreign(slot: u64) -> Entry<u64, u64> {
    Entry::message(0, Dot::new(NODES, slot + 1).unwrap(), slot)
}

impl Engine {
    fn grow(&mut self) {
        let node = self.random.u64(..NODES);
        let (slot, number) = (self.log.tail() + self.random.u64(1..=2), self.numbers[node as usize] + 1);
        let id = Dot::new(node, number).unwrap();
        let entry = match self.random.u32(..8) {
            0 => Entry::skip(0, id, self.random.u64(slot.saturating_sub(4)..=slot)),
            1 => Entry::marker(0, id),
            _ => Entry::message(0, id, slot),
        };
        if self.log.write(slot, &entry) == Ok(WriteAnswer::Written) {
            self.numbers[node as usize] = number;
            self.last = Published { id, slot };
        }
    }

    fn read(&mut self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u64, u64>, Failure> {
        if self.random.u32(..3) == 0 {
            self.grow();
        }
        let answer = self.log.read(from, limit);
        let ReadAnswer::Entries(mut entries) = answer else { return Ok(answer) };
        let at = self.random.usize(..entries.len().max(1));
        match self.random.u32(..100) {
            0..8 => return Err("read"),
            8..10 => return Ok(ReadAnswer::Trimmed { first: from + self.random.u64(..3) }),
            10..14 if !entries.is_empty() => entries[at].1 = foreign(entries[at].0),
            14..20 if !entries.is_empty() => entries[at].1 = Entry::unreadable(Unreadable::Damaged),
            20..23 => entries.reverse(),
            23..26 => entries.truncate(at),
            26..27 => entries.extend([(from + 100, foreign(from + 100))]),
            _ => {}
        }
        Ok(ReadAnswer::Entries(entries))
    }

    fn write(&mut self, slot: u64, entry: &Entry<u64, u64>) -> Result<WriteAnswer<u64, u64>, Failure> {
        let drawn = self.random.u32(..100);
        match drawn {
            0..10 => return Err("not written"),
            10..13 => return Ok(WriteAnswer::Occupied(foreign(slot))),
            13..16 => return Ok(WriteAnswer::Sealed { epoch: entry.epoch() + self.random.u64(..2) }),
            16..18 => return Ok(WriteAnswer::Trimmed { first: slot + self.random.u64(..2) }),
            18..20 => return Ok(WriteAnswer::NumberUsed { highest: 1 }),
            _ => {}
        }
        let answer = self.log.write(slot, entry).map_err(|_| "full");
        if drawn < 30 { Err("unknown") } else { answer }
    }
}

impl Counter for &Script {
    type Error = Failure;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Failure> {
        self.answer(format!("{n} numbers"), |engine| {
            let first = engine.taken.max(engine.log.tail()) + 1;
            engine.taken = first + n.get() - 1;
            if engine.random.u32(..10) == 0 { Err("no numbers") } else { Ok(first) }
        })
    }

    fn current(&self) -> Result<u64, Failure> {
        self.answer("current".into(), |engine| {
            let current = engine.log.tail() + engine.random.u64(..2);
            if engine.random.u32(..10) == 0 { Err("no number") } else { Ok(current) }
        })
    }
}

impl Log for &Script {
    type Node = u64;
    type Payload = u64;
    type Error = Failure;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u64, u64>, Failure> {
        self.answer(format!("read {from} {limit:?}"), |engine| engine.read(from, limit))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, Failure> {
        self.answer(format!("seal {epoch}"), |engine| {
            if engine.random.u32(..10) == 0 { Err("not sealed") } else { Ok(engine.log.seal(epoch)) }
        })
    }

    fn trim(&self, _: u64) -> Result<u64, Failure> {
        Err("nobody trims")
    }
}

impl SlotLog for &Script {
    fn write(&self, slot: u64, entry: &Entry<u64, u64>) -> Result<WriteAnswer<u64, u64>, Failure> {
        self.answer(format!("write {slot} {entry:?}"), |engine| engine.write(slot, entry))
    }
}

/// The same engine, but it keeps its callers waiting.
struct Awaited<'a>(&'a Script);

async fn pause() {
    let paused = &mut false;
    poll_fn(|_| if core::mem::replace(paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl AsyncCounter for Awaited<'_> {
    type Error = Failure;

    async fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Failure> {
        pause().await;
        self.0.increment_and_get(n)
    }

    async fn current(&self) -> Result<u64, Failure> {
        pause().await;
        self.0.current()
    }
}

impl AsyncLog for Awaited<'_> {
    type Node = u64;
    type Payload = u64;
    type Error = Failure;

    async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u64, u64>, Failure> {
        pause().await;
        let answer = self.0.read(from, limit);
        pause().await;
        answer
    }

    async fn seal(&self, epoch: u64) -> Result<SealAnswer, Failure> {
        pause().await;
        self.0.seal(epoch)
    }

    async fn trim(&self, below: u64) -> Result<u64, Failure> {
        self.0.trim(below)
    }
}

impl AsyncSlotLog for Awaited<'_> {
    async fn write(&self, slot: u64, entry: &Entry<u64, u64>) -> Result<WriteAnswer<u64, u64>, Failure> {
        pause().await;
        let answer = self.0.write(slot, entry);
        pause().await;
        answer
    }
}

/// Polls a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// The callers, written once for both twins.

/// Makes a function that calls every driver in an order from the seed, and returns all requests, answers and results.
/// `$drivers` and `$replicas` are the modules of the drivers. `$engine` makes the engine of a script, `$woken` the
/// value that `wait` returns at a time, and `$run` the result of a call.
macro_rules! callers {
    ($name:ident, $drivers:ident, $replicas:ident, $engine:expr, $woken:expr, $run:expr) => {
        fn $name(seed: u64) -> Vec<String> {
            let (script, random, now_ms, waits) =
                (&Script::new(seed), &RefCell::new(Rng::with_seed(!seed)), &Cell::new(0), &Cell::new(0));
            let engine = &$engine(script);
            let wait = |until_ms: u64| {
                script.tell(until_ms);
                waits.set(waits.get() + 1);
                assert!(waits.get() < 100_000, "seed {seed}: it waits for ever");
                now_ms.set(now_ms.get().max(until_ms) + random.borrow_mut().u64(..3));
                script.grow(); // so that every wait ends
                $woken(now_ms.get())
            };
            let mut subscriber = Subscriber::<u64, u64>::new(CONFIG);
            let mut replica = Replica::new(Sum::default(), CONFIG);
            let mut publisher = Publisher::new(NODES + 1, PublisherConfig::default());
            let mut epoch = 0;
            for _ in 0..CALLS {
                let (now, drawn) = (now_ms.get(), random.borrow_mut().u32(..15));
                let told = match drawn {
                    0 => format!("{:?}", $run($drivers::follow(&mut subscriber, engine, now))),
                    1 => format!("{:?}", $run($drivers::follow(&mut replica, engine, now))),
                    2 => format!("{:?}", $run($drivers::follow_appends(&mut subscriber, engine, now))),
                    3 => format!("{:?}", $run($drivers::follow_appends(&mut replica, engine, now))),
                    4 => format!("{:?}", $run($drivers::next(&mut subscriber, engine, wait))),
                    5 => format!("{:?}", $run($drivers::next(&mut replica, engine, wait))),
                    6 => format!("{:?}", $run($drivers::next_append(&mut subscriber, engine, wait))),
                    7 => {
                        // The sum of two messages, or of one if the second is a marker.
                        let mut sum = Vec::new();
                        let goal = |subscriber: &mut Subscriber<u64, u64>| {
                            while let Some(delivery) = subscriber.poll_delivery()? {
                                sum.push(delivery.payload);
                                if sum.len() == 2 || delivery.payload.is_none() {
                                    return Ok(Some(sum.clone()));
                                }
                            }
                            Ok::<_, happens_before::broadcast::NodeTableFull<u64>>(None)
                        };
                        format!("{:?}", $run($drivers::follow_until(&mut subscriber, engine, wait, goal)))
                    }
                    8 => {
                        let goal = Replica::poll_applied;
                        format!("{:?}", $run($drivers::follow_appends_until(&mut replica, engine, wait, goal)))
                    }
                    9 => {
                        let last = script.last();
                        format!("{:?}", $run($replicas::outcome(&mut replica, &last, engine, wait)))
                    }
                    10 => {
                        let last = script.last();
                        format!("{:?}", $run($replicas::outcome_append(&mut replica, &last, engine, wait)))
                    }
                    11 => format!("{:?}", $run($replicas::sync(&mut replica, engine, engine, wait))),
                    12 => {
                        let slot = script.last().slot;
                        format!("{:?}", $run($replicas::sync_append(&mut replica, slot, engine, wait)))
                    }
                    13 => {
                        publisher.publish(7).ok();
                        format!("{:?}", $run($drivers::settle(&mut publisher, engine, engine)))
                    }
                    _ => {
                        epoch += random.borrow_mut().u64(..2);
                        format!("{:?}", $run($drivers::begin_epoch(engine, engine, epoch)))
                    }
                };
                script.tell(format!("call {drawn}: {told}"));
                now_ms.set(now_ms.get() + random.borrow_mut().u64(..40));
                // Now and then more room, an announcement that may be wrong, or another life.
                match random.borrow_mut().u32(..8) {
                    0 => {
                        subscriber.set_nodes(20);
                        replica.set_nodes(20);
                    }
                    1 => script.tell(subscriber.handle_entry(subscriber.next(), foreign(subscriber.next()))),
                    2 => {
                        let slot = replica.subscriber().next() + 1;
                        script.tell(replica.handle_entry(slot, foreign(slot)));
                    }
                    3 | 4 if told.starts_with("Err") => {
                        let place = subscriber.snapshot();
                        let machine = Sum::default();
                        replica = Replica::resume(ReplicaSnapshot { place: place.clone(), machine }, CONFIG);
                        subscriber = Subscriber::resume(place, CONFIG);
                    }
                    5 if told.starts_with("Err") => {
                        subscriber = Subscriber::new(CONFIG);
                        replica = Replica::new(Sum::default(), CONFIG);
                    }
                    _ => {}
                }
            }
            core::mem::take(&mut script.0.lock().unwrap().told)
        }
    };
}

callers!(blocked, blocking, replicated, |script| script, Some, |result| result);
callers!(awaited, asynchronous, asynchronous, Awaited, ready, run);

#[test]
fn both_twins_make_the_same_requests_and_tell_the_same() {
    // The number of calls that returned each error.
    let mut seen = [
        ("Log(\"read\")", 0),
        ("Log(\"unknown\")", 0),
        ("Err(Hole", 0),
        ("Subscribe(Conflict", 0),
        ("Subscribe(Halted", 0),
        ("Subscribe(Unreadable", 0),
        ("Subscribe(NotSkipped", 0),
        ("Subscribe(RolledBack", 0),
        ("Subscribe(Trimmed", 0),
        ("Subscribe(Jump", 0),
        ("Subscribe(InvalidAnswer", 0),
        ("Goal(NodeTableFull", 0),
        ("Goal(Passed", 0),
        ("Counter(", 0),
        ("Ok(", 0),
    ];
    let mut calls = 0;
    for seed in 0..300 {
        let (one, two) = (blocked(seed), awaited(seed));
        let differs = one.iter().zip(&two).position(|(one, two)| one != two);
        assert_eq!(differs.map(|at| (&one[at], &two[at])), None, "seed {seed}");
        assert_eq!(one.len(), two.len(), "seed {seed}");
        for told in one.iter().filter(|told| told.starts_with("\"call ")) {
            calls += 1;
            let told = told.replace('\\', "");
            for (fault, count) in &mut seen {
                *count += u32::from(told.contains(*fault));
            }
        }
    }
    assert_eq!(calls, 300 * CALLS);
    println!("{calls} calls: {seen:?}");
    assert!(seen.iter().all(|&(_, count)| count >= 10), "{seen:?}");
}

/// A conflict ends a wait. When the twins were still written separately, only one of them noticed it.
#[test]
fn where_nothing_will_ever_come_both_twins_say_so_at_once() {
    let script = &Script::new(1);
    let halted = || {
        let mut subscriber = Subscriber::<u64, u64>::new(CONFIG);
        let entry = |number| Entry::message(0, Dot::new(1, number).unwrap(), number);
        subscriber.handle_entry(1, entry(1)).unwrap();
        subscriber.handle_entry(1, entry(2)).unwrap_err();
        subscriber
    };
    let one = blocking::next(&mut halted(), &script, |_| unreachable!("nothing will come"));
    let two = run(asynchronous::next(&mut halted(), &Awaited(script), |_| -> core::future::Ready<u64> {
        unreachable!("nothing will come")
    }));
    assert_eq!(one, two);
    assert!(format!("{one:?}").contains("Halted { slot: 1 }"), "{one:?}");
}
