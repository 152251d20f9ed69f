//! Publishers and subscribers over an engine that does not always answer, judged from the outside.

use core::fmt::Debug;
use core::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use happens_before::broadcast::blocking::{
    FollowError, SettleError, follow, follow_appends, settle, settle_append,
};
use happens_before::broadcast::{
    AppendLog, Appender, Entry, Log, Position, PublisherConfig, SlotLog, SubscriberConfig,
};
use happens_before::check::OrderRun;
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher, Subscriber};

use super::{Lost, Unreliable};

type Node = u64;
type Payload = Vec<u8>;

const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 20;
const SUBSCRIBERS: usize = 2;

/// How messages get into the log, and out of it.
trait Route: Sync {
    type Publisher;

    fn publisher(&self, node: Node) -> Self::Publisher;
    fn publish(&self, publisher: &mut Self::Publisher, payload: Payload) -> Dot<Node>;
    /// Tries to settle what is outstanding; whether it is.
    fn settle(&self, publisher: &mut Self::Publisher) -> bool;
    fn follow(&self, subscriber: &mut Subscriber<Node, Payload>, now_ms: u64);
    /// Begins an epoch; whether that is certain.
    fn seal(&self, epoch: u64) -> bool;
}

struct Slots<'a, C, L> {
    counter: Unreliable<'a, C>,
    log: Unreliable<'a, L, (u64, Entry<Node, Payload>)>,
    calls: AtomicU64,
}

struct Appends<'a, L> {
    log: Unreliable<'a, L, (u64, Entry<Node, Payload>)>,
}

/// The engine may lose an answer on purpose, but not fail.
fn on_purpose<E: Debug>(lost: &Lost<E>) {
    if let Lost::Engine(error) = lost {
        panic!("the engine failed: {error:?}");
    }
}

impl<C, L> Route for Slots<'_, C, L>
where
    C: Counter + Sync,
    C::Error: Debug,
    L: SlotLog<Node, Payload> + Sync,
    L::Error: Debug,
{
    type Publisher = Publisher<Node, Payload>;

    fn publisher(&self, node: Node) -> Self::Publisher {
        // Subscribers here fill what they see as a hole at once, and again and again.
        Publisher::new(node, PublisherConfig { attempts: 10_000, ..PublisherConfig::default() })
    }

    fn publish(&self, publisher: &mut Self::Publisher, payload: Payload) -> Dot<Node> {
        // Now and then somebody dies with a number.
        if self.calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            drop(self.counter.increment_and_get(NonZeroU64::MIN));
        }
        publisher.publish(payload).expect("nothing is outstanding")
    }

    fn settle(&self, publisher: &mut Self::Publisher) -> bool {
        match settle(publisher, &self.counter, &self.log) {
            Ok(published) => return published.is_some(),
            Err(SettleError::Counter(lost)) => on_purpose(&lost),
            Err(SettleError::Log(lost)) => on_purpose(&lost),
            Err(SettleError::EnterEpoch { epoch }) => match self.log.seal(epoch) {
                Ok(sealed) => publisher.enter(sealed.epoch, sealed.tail),
                Err(lost) => on_purpose(&lost),
            },
            Err(other) => panic!("{other:?}"),
        }
        false
    }

    fn follow(&self, subscriber: &mut Subscriber<Node, Payload>, now_ms: u64) {
        match follow(subscriber, &self.log, now_ms) {
            Ok(()) => {}
            Err(FollowError::Log(lost)) => on_purpose(&lost),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn seal(&self, epoch: u64) -> bool {
        self.log.seal(epoch).map_err(|lost| on_purpose(&lost)).is_ok()
    }
}

impl<L> Route for Appends<'_, L>
where
    L: AppendLog<Node, Payload> + Sync,
    L::Error: Debug,
{
    type Publisher = Appender<Node, Payload>;

    fn publisher(&self, node: Node) -> Self::Publisher {
        Appender::new(node)
    }

    fn publish(&self, publisher: &mut Self::Publisher, payload: Payload) -> Dot<Node> {
        publisher.publish(payload).expect("nothing is outstanding")
    }

    fn settle(&self, publisher: &mut Self::Publisher) -> bool {
        match settle_append(publisher, &self.log) {
            Ok(published) => return published.is_some(),
            Err(SettleError::Log(lost)) => on_purpose(&lost),
            Err(SettleError::EnterEpoch { epoch }) => publisher.enter(epoch),
            Err(other) => panic!("{other:?}"),
        }
        false
    }

    fn follow(&self, subscriber: &mut Subscriber<Node, Payload>, now_ms: u64) {
        match follow_appends(subscriber, &self.log, now_ms) {
            Ok(()) => {}
            Err(FollowError::Log(lost)) => on_purpose(&lost),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn seal(&self, epoch: u64) -> bool {
        self.log.seal(epoch).map_err(|lost| on_purpose(&lost)).is_ok()
    }
}

/// Publishes and subscribes over a counter and a log that are both new: see [the table](super).
///
/// # Panics
///
/// If the subscribers do not deliver one order, with everything that was acknowledged, and nothing twice.
pub fn broadcast<C, L>(counter: &C, log: &L, seed: u64)
where
    C: Counter + Sync,
    C::Error: Debug,
    L: SlotLog<Node, Payload> + Sync,
    L::Error: Debug,
{
    let seed = super::seed(seed);
    let (counter, unreliable) = (Unreliable::new(counter, seed), Unreliable::new(log, !seed));
    run(&Slots { counter, log: unreliable, calls: AtomicU64::new(0) }, log, seed);
}

/// Publishes and subscribes over a new log that numbers by itself: see [the table](super).
///
/// # Panics
///
/// If the subscribers do not deliver one order, with everything that was acknowledged, and nothing twice.
pub fn broadcast_appends<L>(log: &L, seed: u64)
where
    L: AppendLog<Node, Payload> + Sync,
    L::Error: Debug,
{
    let seed = super::seed(seed);
    run(&Appends { log: Unreliable::new(log, seed) }, log, seed);
}

/// Lets nobody wait for a thread that has panicked.
struct TellOthers<'a>(&'a AtomicBool);

impl Drop for TellOthers<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

fn run<R: Route, L: Log<Node, Payload>>(route: &R, log: &L, seed: u64)
where
    L::Error: Debug,
{
    println!("HAPPENS_BEFORE_SEED={seed}");
    let judge = &Mutex::new(OrderRun::<Node, Position>::new(SUBSCRIBERS + 1));
    let total = PUBLISHERS * MESSAGES;
    let failed = &AtomicBool::new(false);
    thread::scope(|scope| {
        for node in 0..PUBLISHERS {
            scope.spawn(move || {
                let _guard = TellOthers(failed);
                let mut publisher = route.publisher(node);
                for number in 1..=MESSAGES {
                    let id = {
                        let mut judge = judge.lock().expect("the judge has not panicked");
                        let id = route.publish(&mut publisher, number.to_be_bytes().to_vec());
                        judge.sent(id).expect("sent");
                        id
                    };
                    while !route.settle(&mut publisher) {
                        assert!(!failed.load(Ordering::SeqCst), "another thread failed");
                    }
                    judge.lock().expect("the judge has not panicked").acknowledged(&id).expect("acknowledged");
                    if node == 0 && number == MESSAGES / 2 {
                        while !route.seal(1) {}
                    }
                }
            });
        }
        for site in 0..SUBSCRIBERS {
            scope.spawn(move || {
                let _guard = TellOthers(failed);
                // A millisecond a look: every hole is filled long before it would be in life.
                let config =
                    SubscriberConfig { poll_ms: 1, write_timeout_ms: 2, ..SubscriberConfig::default() };
                let (mut subscriber, mut now_ms, mut delivered) = (Subscriber::new(config), 0, 0);
                while delivered < total {
                    assert!(!failed.load(Ordering::SeqCst), "another thread failed");
                    now_ms += 1;
                    route.follow(&mut subscriber, now_ms);
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
    // Whoever comes late reads the same.
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
    assert_eq!(judge.ordered() as u64, total);
}
