//! The asynchronous drivers without a runtime. Tasks are polled in an order from a seed, in virtual time, over a log
//! that keeps them waiting. Futures are dropped at every point where they wait.

use core::future::poll_fn;
use core::num::NonZeroU64;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use happens_before::broadcast::blocking::FollowError;
use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, LogFull, MemoryLog, Position, PublisherConfig, ReadAnswer, ReadLimit,
    SealAnswer, SlotLog, SubscribeError, SubscriberConfig, WriteAnswer,
};
use happens_before::check::OrderRun;
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::{Dot, Publisher, Subscriber};
use happens_before_engines::asynchronous::{
    AsyncAppendLog, AsyncCounter, AsyncLog, AsyncSlotLog, Blocking, begin_epoch, begin_epoch_append, follow,
    follow_appends, follow_appends_until, follow_until, next, next_append, outcome, outcome_append, settle,
    settle_append, sync, sync_append,
};
use happens_before_replicated::register::{Command, Outcome, Register};
use happens_before_replicated::{Replica, ReplicaError};

type Memory<P = u64> = Mutex<MemoryLog<u64, P>>;

fn memory<P: Clone + PartialEq>() -> Memory<P> {
    Mutex::new(MemoryLog::new(1_000_000))
}

// ---------------------------------------------------------------------------------------------------------
// A runtime in a few lines.

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A clock whose time passes when all tasks wait for it.
#[derive(Default)]
struct Time {
    now_ms: Cell<u64>,
    sleeping: RefCell<Vec<(u64, Waker)>>,
}

impl Time {
    async fn sleep_until(&self, until_ms: u64) -> u64 {
        poll_fn(|context| {
            if self.now_ms.get() >= until_ms {
                return Poll::Ready(self.now_ms.get());
            }
            self.sleeping.borrow_mut().push((until_ms, context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    fn pass(&self) {
        let mut sleeping = self.sleeping.borrow_mut();
        let first = sleeping.iter().map(|(until, _)| *until).min().expect("all tasks wait, and for nothing");
        self.now_ms.set(first);
        sleeping.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

/// Runs all tasks to their ends, and draws which of the awake ones is polled next.
fn run(mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>, time: &Time, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut woken: Vec<_> = tasks.iter().map(|_| Arc::new(Woken(AtomicBool::new(true)))).collect();
    while !tasks.is_empty() {
        let awake: Vec<usize> = (0..tasks.len()).filter(|&at| woken[at].0.load(Ordering::SeqCst)).collect();
        if awake.is_empty() {
            time.pass();
            continue;
        }
        let at = awake[random.usize(..awake.len())];
        woken[at].0.store(false, Ordering::SeqCst);
        let waker = Waker::from(woken[at].clone());
        if tasks[at].as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            drop(tasks.swap_remove(at));
            woken.swap_remove(at);
        }
    }
}

/// Lets other tasks go first.
async fn pause(times: u64) {
    for _ in 0..times {
        let mut paused = false;
        poll_fn(|context| {
            if paused {
                return Poll::Ready(());
            }
            paused = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// An engine whose requests and answers take some time.
struct Far<T> {
    engine: T,
    turns: AtomicU64,
}

impl<T> Far<T> {
    fn new(engine: T) -> Self {
        Self { engine, turns: AtomicU64::new(0) }
    }

    async fn call<A>(&self, request: impl FnOnce(&T) -> A) -> A {
        let turns = self.turns.fetch_add(1, Ordering::SeqCst);
        pause(1 + turns % 3).await;
        let answer = request(&self.engine);
        pause(1 + turns / 3 % 2).await;
        answer
    }
}

impl<C: Counter<Error: Send> + Sync> AsyncCounter for Far<C> {
    type Error = C::Error;

    async fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, C::Error> {
        self.call(|counter| counter.increment_and_get(n)).await
    }

    async fn current(&self) -> Result<u64, C::Error> {
        self.call(C::current).await
    }
}

impl<P: Clone + PartialEq + Send + Sync> AsyncLog for Far<Memory<P>> {
    type Node = u64;
    type Payload = P;
    type Error = LogFull;

    async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u64, P>, LogFull> {
        self.call(|log| log.read(from, limit)).await
    }

    async fn seal(&self, epoch: u64) -> Result<SealAnswer, LogFull> {
        self.call(|log| log.seal(epoch)).await
    }

    async fn trim(&self, below: u64) -> Result<u64, LogFull> {
        self.call(|log| log.trim(below)).await
    }
}

impl<P: Clone + PartialEq + Send + Sync> AsyncSlotLog for Far<Memory<P>> {
    async fn write(&self, slot: u64, entry: &Entry<u64, P>) -> Result<WriteAnswer<u64, P>, LogFull> {
        self.call(|log| log.write(slot, entry)).await
    }
}

impl<P: Clone + PartialEq + Send + Sync> AsyncAppendLog for Far<Memory<P>> {
    async fn append(&self, entry: &Entry<u64, P>) -> Result<AppendAnswer, LogFull> {
        self.call(|log| log.append(entry)).await
    }
}

// ---------------------------------------------------------------------------------------------------------
// The tests.

const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 10;

/// Runs publishers and subscribers as tasks of one thread. Now and then a number is taken and not used, so that holes
/// are waited for and filled in virtual time.
fn broadcast(seed: u64, appends: bool) -> u64 {
    let (counter, log, time) = (&Far::new(AtomicCounter::new()), &Far::new(memory()), &Time::default());
    let judge = &RefCell::new(OrderRun::<u64, Position>::new(2));
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    for node in 0..PUBLISHERS {
        tasks.push(Box::pin(async move {
            let config = PublisherConfig { attempts: 1_000, ..PublisherConfig::default() };
            let (mut publisher, mut appender) =
                (Publisher::new(node, config), Publisher::new(node, PublisherConfig::over_appends()));
            for number in 1..=MESSAGES {
                let id = Dot::new(node, number).unwrap();
                judge.borrow_mut().sent(id).unwrap();
                let published = if appends {
                    assert_eq!(appender.publish(number).unwrap(), id);
                    settle_append(&mut appender, log).await.unwrap()
                } else {
                    if number % 4 == node {
                        counter.increment_and_get(NonZeroU64::MIN).await.unwrap();
                    }
                    assert_eq!(publisher.publish(number).unwrap(), id);
                    settle(&mut publisher, counter, log).await.unwrap()
                };
                assert_eq!(published.unwrap().id, id);
                judge.borrow_mut().acknowledged(&id).unwrap();
            }
        }));
    }
    for site in 0..2 {
        tasks.push(Box::pin(async move {
            let mut subscriber = Subscriber::new(SubscriberConfig::default());
            for _ in 0..PUBLISHERS * MESSAGES {
                let wait = |until_ms| time.sleep_until(until_ms);
                let delivery = if appends {
                    next_append(&mut subscriber, log, wait).await.unwrap()
                } else {
                    next(&mut subscriber, log, wait).await.unwrap()
                };
                assert_eq!(delivery.payload, Some(delivery.id.counter()));
                judge.borrow_mut().delivered(site, delivery.position, &delivery.id).unwrap();
            }
        }));
    }
    run(tasks, time, seed);
    judge.borrow().complete().unwrap();
    judge.borrow().real_time().unwrap();
    assert_eq!(judge.borrow().ordered() as u64, PUBLISHERS * MESSAGES);
    time.now_ms.get()
}

#[test]
fn tasks_of_one_thread_deliver_one_order() {
    let mut waited = 0;
    for seed in 0..200 {
        waited += u64::from(broadcast(seed, false) >= 2_000); // until a hole was filled
        assert!(broadcast(seed, true) < 2_000, "there are no holes to wait for");
    }
    assert!(waited > 50, "{waited} runs waited for a hole");
}

/// Polls a future at most `times` times, and drops it. Returns its output if it has ended by then.
fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
    }
    None
}

/// The futures of a publisher, an appender and their subscribers are dropped after every possible number of polls, and
/// begun again. Nothing is lost, and nothing is in the log twice.
#[test]
fn a_future_may_be_dropped_wherever_it_waits() {
    let mut dropped = 0;
    for polls in 1..=9 {
        let counter = Far::new(AtomicCounter::new());
        let (slots, appends) = (Far::new(memory()), Far::new(memory()));
        let mut publisher = Publisher::new(1, PublisherConfig::default());
        let mut appender = Publisher::new(1, PublisherConfig::over_appends());
        for number in 1..=7 {
            publisher.publish(number).unwrap();
            if poll_times(settle(&mut publisher, &counter, &slots), polls).is_none() {
                dropped += 1;
                let published = poll_times(settle(&mut publisher, &counter, &slots), usize::MAX);
                assert_eq!(published.unwrap().unwrap().unwrap().id.counter(), number);
            }
            appender.publish(number).unwrap();
            if poll_times(settle_append(&mut appender, &appends), polls).is_none() {
                dropped += 1;
                let published = poll_times(settle_append(&mut appender, &appends), usize::MAX);
                assert_eq!(published.unwrap().unwrap().unwrap().id.counter(), number);
            }
        }
        for log in [&slots, &appends] {
            let (mut subscriber, mut now_ms, mut heard) =
                (Subscriber::new(SubscriberConfig::default()), 0, vec![]);
            while heard.len() < 7 {
                for polls in [polls, usize::MAX] {
                    // The request of a dropped future counts as under way until its answer is given up.
                    let heard_next = next(&mut subscriber, log, |until_ms| {
                        now_ms = until_ms.max(now_ms);
                        core::future::ready(now_ms)
                    });
                    match poll_times(heard_next, polls) {
                        Some(delivery) => heard.push(delivery.unwrap().payload.unwrap()),
                        None => dropped += 1,
                    }
                    if heard.len() == 7 {
                        break;
                    }
                }
            }
            assert_eq!(heard, [1, 2, 3, 4, 5, 6, 7]);
        }
    }
    assert!(dropped > 60, "{dropped}");
}

/// Commands, and both kinds of reads, at two replicas.
#[test]
fn a_register_is_read_by_position_and_by_marker() {
    let (counter, log, time) = (&Far::new(AtomicCounter::new()), &Far::new(memory()), &Time::default());
    let run_alone = |task: Pin<Box<dyn Future<Output = ()> + '_>>| run(vec![task], time, 1);
    run_alone(Box::pin(async {
        let wait = |until_ms| time.sleep_until(until_ms);
        let new = || Replica::new(Register::new(0), SubscriberConfig::default());
        let (mut alice, mut replica) = (Publisher::new(1, PublisherConfig::default()), new());
        for (command, expected) in [
            (Command::Write(5), Outcome::Set),
            (Command::CompareAndSet { expected: 4, new: 6 }, Outcome::Refused { current: 5 }),
            (Command::CompareAndSet { expected: 5, new: 6 }, Outcome::Set),
        ] {
            alice.publish(command).unwrap();
            let published = settle(&mut alice, counter, log).await.unwrap().unwrap();
            assert_eq!(outcome(&mut replica, &published, log, wait).await.unwrap().output, Some(expected));
        }

        // A command of another is not reported as the outcome.
        let mut bob = Publisher::new(2, PublisherConfig::default());
        bob.publish(Command::Write(7)).unwrap();
        settle(&mut bob, counter, log).await.unwrap();
        alice.publish(Command::CompareAndSet { expected: 7, new: 6 }).unwrap();
        let published = settle(&mut alice, counter, log).await.unwrap().unwrap();
        let applied = outcome(&mut replica, &published, log, wait).await.unwrap();
        assert_eq!((applied.id, applied.output), (published.id, Some(Outcome::Set)));

        let mut replica = new();
        counter.increment_and_get(NonZeroU64::MIN).await.unwrap(); // a hole, for which the read must wait
        sync(&mut replica, counter, log, wait).await.unwrap();
        assert_eq!((replica.machine().value(), replica.subscriber().next()), (&6, 7));

        let mut replica = new();
        bob.publish_marker().unwrap();
        let published = settle(&mut bob, counter, log).await.unwrap().unwrap();
        assert_eq!(outcome(&mut replica, &published, log, wait).await.unwrap().output, None);
        assert_eq!(replica.machine().value(), &6);

        // Over an engine that numbers by itself.
        let (appends, mut appender, mut replica) =
            (Far::new(memory()), Publisher::new(3, PublisherConfig::over_appends()), new());
        appender.publish(Command::Write(8)).unwrap();
        let published = settle_append(&mut appender, &appends).await.unwrap().unwrap();
        let applied = outcome_append(&mut replica, &published, &appends, wait).await.unwrap();
        assert_eq!((applied.output, replica.machine().value()), (Some(Outcome::Set), &8));
        let again = outcome_append(&mut replica, &published, &appends, wait).await.unwrap_err();
        assert!(matches!(again, FollowError::Goal(ReplicaError::Passed { .. })), "{again}");
    }));
    assert!(time.now_ms.get() >= 2_000, "the hole was waited for");
}

/// The errors are those of the blocking drivers.
#[test]
fn what_fails_is_said_and_can_be_tried_again() {
    let counter = Blocking(AtomicCounter::new());
    let log: Blocking<Memory> = Blocking(Mutex::new(MemoryLog::new(1)));
    let mut publisher = Publisher::new(1, PublisherConfig::default());
    publisher.publish(1).unwrap();
    assert!(poll_times(settle(&mut publisher, &counter, &log), 1).unwrap().unwrap().is_some());
    publisher.publish(2).unwrap();
    let full = poll_times(settle(&mut publisher, &counter, &log), 1).unwrap().unwrap_err();
    assert!(full.to_string().contains("no room for slot 2"), "{full}");
    assert_eq!(poll_times(AsyncLog::trim(&log, 2), 1), Some(Ok(2)));
    assert!(poll_times(settle(&mut publisher, &counter, &log), 1).unwrap().unwrap().is_some());

    // The slot was filled, so another number is taken.
    let log: Blocking<Memory> = Blocking(memory());
    let fill = Entry::fill(0);
    assert_eq!(poll_times(AsyncSlotLog::write(&log, 3, &fill), 1), Some(Ok(WriteAnswer::Written)));
    publisher.publish(3).unwrap();
    let published = poll_times(settle(&mut publisher, &counter, &log), 1).unwrap().unwrap();
    assert_eq!(published.map(|published| published.slot), Some(4));

    // A log that numbers by itself has a hole, which it must not have.
    let log: Blocking<Memory> = Blocking(memory());
    let late = Entry::message(0, Dot::new(1, 1).unwrap(), 1);
    assert_eq!(poll_times(AsyncSlotLog::write(&log, 2, &late), 1), Some(Ok(WriteAnswer::Written)));
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    let hole = loop {
        let now_ms = subscriber.poll_timeout().unwrap();
        if let Err(error) = poll_times(follow_appends(&mut subscriber, &log, now_ms), 1).unwrap() {
            break error;
        }
    };
    assert!(matches!(hole, FollowError::Hole { slot: 1 }), "{hole}");
}

/// A log that fails at its first request, and at its third.
struct Moody(Memory, AtomicU64);

impl Moody {
    fn call<A>(&self, request: impl FnOnce(&Memory) -> A) -> Result<A, &'static str> {
        if [0, 2].contains(&self.1.fetch_add(1, Ordering::SeqCst)) {
            Err("moody")
        } else {
            Ok(request(&self.0))
        }
    }
}

impl AsyncLog for Moody {
    type Node = u64;
    type Payload = u64;
    type Error = &'static str;

    async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<u64, u64>, &'static str> {
        self.call(|log| log.read(from, limit).unwrap())
    }

    async fn seal(&self, _: u64) -> Result<SealAnswer, &'static str> {
        Err("moody")
    }

    async fn trim(&self, _: u64) -> Result<u64, &'static str> {
        Err("moody")
    }
}

impl AsyncSlotLog for Moody {
    async fn write(&self, slot: u64, entry: &Entry<u64, u64>) -> Result<WriteAnswer<u64, u64>, &'static str> {
        self.call(|log| log.write(slot, entry).unwrap())
    }
}

/// A failed request is not awaited like one that is under way. A subscriber does not wait where nothing will ever come.
#[test]
fn a_subscriber_goes_on_after_a_failure_and_not_after_a_conflict() {
    let log = Moody(memory(), AtomicU64::new(0));
    let entry = |number| Entry::message(0, Dot::new(1, number).unwrap(), number);
    assert_eq!(log.0.write(2, &entry(1)), Ok(WriteAnswer::Written));
    let config = SubscriberConfig::default();
    let (mut subscriber, mut now_ms, mut failures) = (Subscriber::new(config), 0, 0);
    let delivery = loop {
        let wait = |until_ms: u64| {
            now_ms = until_ms.max(now_ms);
            core::future::ready(now_ms)
        };
        match poll_times(next(&mut subscriber, &log, wait), 1).unwrap() {
            Ok(delivery) => break delivery,
            Err(FollowError::Log("moody")) => failures += 1,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(delivery.position.sequence, 2);
    let waited = 2 * config.write_timeout_ms + 3 * config.poll_ms;
    assert!(failures == 2 && now_ms <= waited, "{failures} failures, {now_ms} ms");

    // Two contents of slot 3 are handed in, and the subscriber stops.
    subscriber.handle_entry(3, entry(2)).unwrap();
    assert!(subscriber.handle_entry(3, entry(3)).is_err());
    let wait = |until_ms| core::future::ready(until_ms);
    let end = loop {
        match poll_times(next(&mut subscriber, &log, wait), 1).unwrap() {
            Err(FollowError::Log(_)) => {}
            Ok(delivery) => assert_eq!(delivery.position.sequence, 3),
            Err(other) => break other,
        }
    };
    assert!(matches!(end, FollowError::Subscribe(SubscribeError::Halted { slot: 3 })), "{end:?}");
}

/// A runtime with several threads moves the futures between them.
#[test]
fn the_futures_can_be_spawned() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (counter, log) = (Arc::new(Far::new(AtomicCounter::new())), Arc::new(Far::new(memory())));
    let began = tokio::time::Instant::now();
    let wait = move |until_ms| async move {
        tokio::time::sleep_until(began + core::time::Duration::from_millis(until_ms)).await;
        u64::try_from(began.elapsed().as_millis()).unwrap()
    };
    let publisher = runtime.spawn({
        let (counter, log) = (counter.clone(), log.clone());
        async move {
            let mut publisher = Publisher::new(1, PublisherConfig::default());
            for value in 1..=9_u8 {
                publisher.publish(Command::Write(value)).unwrap();
                settle(&mut publisher, &*counter, &*log).await.unwrap();
            }
        }
    });
    let subscriber = runtime.spawn({
        let log = log.clone();
        async move {
            let mut subscriber = Subscriber::new(SubscriberConfig::default());
            let mut heard = Vec::new();
            while heard.len() < 9 {
                heard.push(next(&mut subscriber, &*log, wait).await.unwrap().position.sequence);
            }
            heard
        }
    });
    let replica = runtime.spawn(async move {
        let mut replica = Replica::new(Register::new(0), SubscriberConfig::default());
        while *replica.machine().value() < 9 {
            sync(&mut replica, &*counter, &*log, wait).await.unwrap();
        }
    });
    runtime.block_on(async {
        publisher.await.unwrap();
        assert_eq!(subscriber.await.unwrap(), Vec::from_iter(1..=9));
        replica.await.unwrap();
    });
}

/// Runs a future as a task. A runtime of several threads demands that it is `Send` and borrows nothing.
async fn spawned<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future).await.unwrap()
}

#[test]
fn every_driver_can_be_spawned_with_ids_and_payloads_that_are_static_texts() {
    type Text = &'static str;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let new_log = || Arc::new(Blocking(Mutex::new(MemoryLog::<Text, Command<Text>>::new(10))));
    let (counter, slots, appends) = (Arc::new(Blocking(AtomicCounter::new())), new_log(), new_log());
    let numbered = || (Arc::clone(&counter), Arc::clone(&slots));
    let appended = || Arc::clone(&appends);
    let wait = |until_ms| core::future::ready(until_ms);
    let reader = || Subscriber::<Text, Command<Text>>::new(SubscriberConfig::default());
    let replica = || Replica::<Text, _>::new(Register::new("empty"), SubscriberConfig::default());
    let tea = || Command::Write("tea");

    runtime.block_on(async {
        let mut alice = Publisher::new("alice", PublisherConfig::default());
        alice.publish(tea()).unwrap();
        let (counter, log) = numbered();
        let begun = spawned(async move { begin_epoch(&log, &counter, 1).await.unwrap() }).await;
        alice.enter(begun.epoch, begun.tail);
        let (counter, log) = numbered();
        let published =
            spawned(async move { settle(&mut alice, &counter, &log).await.unwrap().unwrap() }).await;
        assert_eq!((published.id.node(), published.slot), (&"alice", 1));

        let ((_, log), mut bob) = (numbered(), reader());
        let heard = spawned(async move { next(&mut bob, &log, wait).await.unwrap().payload }).await;
        assert_eq!(heard, Some(tea()));
        let ((_, log), mut bob) = (numbered(), reader());
        spawned(async move { follow(&mut bob, &log, 0).await.unwrap() }).await;
        let ((_, log), mut bob) = (numbered(), reader());
        let heard = spawned(async move {
            follow_until(&mut bob, &log, wait, Subscriber::poll_delivery).await.unwrap().payload
        });
        assert_eq!(heard.await, Some(tea()));

        let ((_, log), mut bob) = (numbered(), replica());
        let applied = spawned(async move { outcome(&mut bob, &published, &log, wait).await.unwrap() }).await;
        assert_eq!(applied.output, Some(Outcome::Set));
        let ((counter, log), mut bob) = (numbered(), replica());
        let value = spawned(async move {
            sync(&mut bob, &counter, &log, wait).await.unwrap();
            *bob.machine().value()
        });
        assert_eq!(value.await, "tea");
    });

    runtime.block_on(async {
        let mut alice = Publisher::new("alice", PublisherConfig::over_appends());
        alice.publish(tea()).unwrap();
        let log = appended();
        let begun = spawned(async move { begin_epoch_append(&log, 1).await.unwrap() }).await;
        alice.enter(begun.epoch, begun.tail);
        let log = appended();
        let published = spawned(async move { settle_append(&mut alice, &log).await.unwrap().unwrap() }).await;
        assert_eq!((published.id.node(), published.slot), (&"alice", 1));

        let (log, mut bob) = (appended(), reader());
        let heard = spawned(async move { next_append(&mut bob, &log, wait).await.unwrap().payload }).await;
        assert_eq!(heard, Some(tea()));
        let (log, mut bob) = (appended(), reader());
        spawned(async move { follow_appends(&mut bob, &log, 0).await.unwrap() }).await;
        let (log, mut bob) = (appended(), reader());
        let heard = spawned(async move {
            follow_appends_until(&mut bob, &log, wait, Subscriber::poll_delivery).await.unwrap().payload
        });
        assert_eq!(heard.await, Some(tea()));

        let (log, mut bob) = (appended(), replica());
        let applied =
            spawned(async move { outcome_append(&mut bob, &published, &log, wait).await.unwrap() }).await;
        assert_eq!(applied.output, Some(Outcome::Set));
        let (log, mut bob) = (appended(), replica());
        let value = spawned(async move {
            sync_append(&mut bob, 1, &log, wait).await.unwrap();
            *bob.machine().value()
        });
        assert_eq!(value.await, "tea");
    });
}

/// Settles and reads through pointers to an asynchronous counter and log.
async fn round_trip<C, L>(counter: C, log: L)
where
    C: AsyncCounter<Error: std::fmt::Debug>,
    L: AsyncSlotLog<Node = u64, Payload = u64, Error: std::fmt::Debug> + AsyncAppendLog,
{
    let mut publisher = Publisher::new(1, PublisherConfig::default());
    publisher.publish(7).unwrap();
    assert_eq!(settle(&mut publisher, &counter, &log).await.unwrap().unwrap().slot, 1);
    assert_eq!(counter.current().await.unwrap(), 1);
    let mut appender = Publisher::new(2, PublisherConfig::over_appends());
    appender.publish(8).unwrap();
    assert_eq!(settle_append(&mut appender, &log).await.unwrap().unwrap().slot, 2);
    let mut subscriber = Subscriber::<u64, u64>::new(SubscriberConfig::default());
    for payload in [7, 8] {
        let delivery = next(&mut subscriber, &log, async |until_ms| until_ms).await.unwrap();
        assert_eq!(delivery.payload, Some(payload));
    }
    assert_eq!(log.seal(3).await.unwrap(), SealAnswer { epoch: 3, tail: 2 });
    assert_eq!(log.trim(2).await.unwrap(), 2);
}

#[test]
fn a_pointer_to_an_asynchronous_counter_or_log_is_one() {
    fn ready(future: impl Future<Output = ()>) {
        assert_eq!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    }
    let counter = || Blocking(AtomicCounter::new());
    let log = || Blocking(memory::<u64>());
    ready(round_trip(&counter(), &log()));
    ready(round_trip(Box::new(counter()), Box::new(log())));
    ready(round_trip(Arc::new(counter()), Arc::new(log())));
    ready(round_trip(Blocking(Arc::new(AtomicCounter::new())), Blocking(Arc::new(memory::<u64>()))));
}
