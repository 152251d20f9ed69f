//! Publishers and subscribers over an engine that loses requests and answers, judged from the outside.

use core::fmt::Debug;
use core::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use happens_before::broadcast::blocking::{
    DriveError, FollowError, Settled, follow, follow_appends, settle, settle_append,
};
use happens_before::broadcast::{
    AppendLog, Entry, Log, LogKind, Position, PublisherConfig, SlotLog, SubscriberConfig,
};
use happens_before::check::OrderRun;
use happens_before::counter::Counter;
use happens_before::{Publisher, Subscriber};

use super::{Lost, Unreliable};

type Node = u64;
type Payload = Vec<u8>;
type UnreliableLog<'a, L> = Unreliable<'a, L, (u64, Entry<Node, Payload>)>;

const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 20;
const SUBSCRIBERS: usize = 2;

/// Panics unless the answer was lost on purpose: the engine itself must not fail.
fn on_purpose<E: Debug>(lost: &Lost<E>) {
    if let Lost::Engine(error) = lost {
        panic!("the engine failed: {error:?}");
    }
}

/// The result of trying to settle an entry once.
enum Tried {
    Settled,
    Again,
    Enter { epoch: u64 },
}

fn tried<C: Debug, L: Debug>(
    settled: Settled<Node, Payload, C, Lost<L>>,
    counter_failed: impl Fn(&C),
) -> Tried {
    match settled {
        Ok(Some(_)) => return Tried::Settled,
        Ok(None) => {}
        Err(DriveError::EnterEpoch { epoch }) => return Tried::Enter { epoch },
        Err(DriveError::Counter(error)) => counter_failed(&error),
        Err(DriveError::Log(lost)) => on_purpose(&lost),
        Err(other) => panic!("{other:?}"),
    }
    Tried::Again
}

fn followed<L: Debug>(followed: Result<(), FollowError<Node, Payload, Lost<L>>>) {
    match followed {
        Ok(()) => {}
        Err(FollowError::Log(lost)) => on_purpose(&lost),
        Err(other) => panic!("{other:?}"),
    }
}

/// Publishes and subscribes over a counter and a log that are both new: see [the table](super).
///
/// # Panics
///
/// If the subscribers do not all deliver one order, with everything acknowledged and nothing twice.
pub fn broadcast<C, L>(counter: &C, log: &L, seed: u64)
where
    C: Counter + Sync,
    C::Error: Debug,
    L: SlotLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let seed = super::seed(seed);
    let (counter, unreliable) = (Unreliable::new(counter, seed), Unreliable::new(log, !seed));
    let calls = AtomicU64::new(0);
    let settle = |publisher: &mut _| {
        // Now and then a number is taken by a publisher that dies.
        if calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            drop(counter.increment_and_get(NonZeroU64::MIN));
        }
        tried(settle(publisher, &counter, &unreliable), on_purpose)
    };
    let follow = |subscriber: &mut _, now_ms| followed(follow(subscriber, &unreliable, now_ms));
    run(LogKind::Slots, log, &unreliable, seed, settle, follow);
}

/// Publishes and subscribes over a new log that numbers by itself: see [the table](super).
///
/// # Panics
///
/// If the subscribers do not all deliver one order, with everything acknowledged and nothing twice.
pub fn broadcast_appends<L>(log: &L, seed: u64)
where
    L: AppendLog<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    let seed = super::seed(seed);
    let unreliable = Unreliable::new(log, seed);
    let settle = |publisher: &mut _| tried(settle_append(publisher, &unreliable), |never| match *never {});
    let follow = |subscriber: &mut _, now_ms| followed(follow_appends(subscriber, &unreliable, now_ms));
    run(LogKind::Appends, log, &unreliable, seed, settle, follow);
}

/// A guard that stops the other threads when its own panics.
struct TellOthers<'a>(&'a AtomicBool);

impl Drop for TellOthers<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

fn run<L>(
    kind: LogKind,
    log: &L,
    unreliable: &UnreliableLog<'_, L>,
    seed: u64,
    settle: impl Fn(&mut Publisher<Node, Payload>) -> Tried + Sync,
    follow: impl Fn(&mut Subscriber<Node, Payload>, u64) + Sync,
) where
    L: Log<Node = Node, Payload = Payload> + Sync,
    L::Error: Debug,
{
    println!("HAPPENS_BEFORE_SEED={seed}");
    let judge = &Mutex::new(OrderRun::<Node, Position>::new(SUBSCRIBERS + 1));
    let total = PUBLISHERS * MESSAGES;
    let failed = &AtomicBool::new(false);
    // Subscribers here fill every hole at once, so a publisher loses many slots.
    let config = PublisherConfig { log: kind, attempts: 10_000, ..PublisherConfig::default() };
    let (settle, follow) = (&settle, &follow);
    thread::scope(|scope| {
        for node in 0..PUBLISHERS {
            scope.spawn(move || {
                let _guard = TellOthers(failed);
                let mut publisher = Publisher::new(node, config);
                for number in 1..=MESSAGES {
                    let id = {
                        let mut judge = judge.lock().expect("the judge has not panicked");
                        let payload = number.to_be_bytes().to_vec();
                        let id = publisher.publish(payload).expect("nothing is outstanding");
                        judge.sent(id).expect("sent");
                        id
                    };
                    loop {
                        assert!(!failed.load(Ordering::SeqCst), "another thread failed");
                        match settle(&mut publisher) {
                            Tried::Settled => break,
                            Tried::Again => {}
                            Tried::Enter { epoch } => match unreliable.seal(epoch) {
                                Ok(sealed) => publisher.enter(sealed.epoch, sealed.tail),
                                Err(lost) => on_purpose(&lost),
                            },
                        }
                    }
                    judge.lock().expect("the judge has not panicked").acknowledged(&id).expect("acknowledged");
                    if node == 0 && number == MESSAGES / 2 {
                        while unreliable.seal(1).inspect_err(on_purpose).is_err() {}
                    }
                }
            });
        }
        for site in 0..SUBSCRIBERS {
            scope.spawn(move || {
                let _guard = TellOthers(failed);
                // Each look advances the clock by a millisecond, so every hole is filled much earlier than in real use.
                let config =
                    SubscriberConfig { poll_ms: 1, write_timeout_ms: 2, ..SubscriberConfig::default() };
                let (mut subscriber, mut now_ms, mut delivered) = (Subscriber::new(config), 0, 0);
                while delivered < total {
                    assert!(!failed.load(Ordering::SeqCst), "another thread failed");
                    now_ms += 1;
                    follow(&mut subscriber, now_ms);
                    while let Some(delivery) = subscriber.poll_delivery().expect("few nodes") {
                        delivered += 1;
                        let number = delivery.id.counter().to_be_bytes().to_vec();
                        assert_eq!(delivery.payload, Some(number), "{:?} carries something else", delivery.id);
                        let mut judge = judge.lock().expect("the judge has not panicked");
                        judge.delivered(site, delivery.position, &delivery.id).expect("one order");
                    }
                    thread::yield_now();
                }
            });
        }
    });
    let mut judge = judge.lock().expect("the judge has not panicked");
    // A late subscriber reads the same.
    let (mut late, mut delivered) = (Subscriber::new(SubscriberConfig::default()), 0);
    for second in 0..1_000 {
        follow_appends(&mut late, log, 1_000 * second).expect("no holes are left below the last message");
        while let Some(delivery) = late.poll_delivery().expect("few nodes") {
            judge.delivered(SUBSCRIBERS, delivery.position, &delivery.id).expect("one order");
            delivered += 1;
        }
        if delivered == total {
            break;
        }
    }
    judge.complete().expect("complete");
    judge.real_time().expect("the counter is linearizable, and appends are");
    assert_eq!(judge.ordered() as u64, total);
}
