//! Engines whose answers make no sense, as after a restore or by a fault. Every driver returns, and the asynchronous
//! ones return the same as the blocking ones.

use core::fmt::Debug;
use core::num::NonZeroU64;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::atomic::{AtomicU64, Ordering};

use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, PublisherConfig, ReadAnswer, ReadLimit, SealAnswer, SlotLog,
    SubscriberConfig, Unreadable, WriteAnswer, blocking,
};
use happens_before::counter::Counter;
use happens_before::{Dot, Publisher, Subscriber};
use happens_before_engines::asynchronous::{self, Blocking};

/// The number of requests that no driver makes of an engine without progress.
const ENOUGH: u64 = 5_000;

/// An engine that answers each request by a rule, and counts the requests.
struct Nonsense {
    asked: AtomicU64,
    number: fn(u64) -> u64,
    write: fn(u64) -> WriteAnswer<u64, u64>,
    append: fn(u64) -> AppendAnswer,
    read: fn(u64) -> ReadAnswer<u64, u64>,
}

/// Makes another message of another node.
fn other(slot: u64) -> Entry<u64, u64> {
    Entry::message(0, Dot::new(1_000 + slot % 1_000, 1).unwrap(), slot)
}

impl Nonsense {
    fn new() -> Self {
        Self {
            asked: AtomicU64::new(0),
            number: |asked| asked,
            write: |slot| WriteAnswer::Occupied(other(slot)),
            append: |_| AppendAnswer::Sealed { epoch: 0 },
            read: |_| ReadAnswer::Entries(Vec::new()),
        }
    }

    fn ask(&self) -> u64 {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(asked < ENOUGH, "it asks for ever");
        asked
    }
}

impl Counter for Nonsense {
    type Error = &'static str;

    fn increment_and_get(&self, _: NonZeroU64) -> Result<u64, Self::Error> {
        Ok((self.number)(self.ask()))
    }

    fn current(&self) -> Result<u64, Self::Error> {
        Ok((self.number)(self.ask()))
    }
}

impl Log for Nonsense {
    type Node = u64;
    type Payload = u64;
    type Error = &'static str;

    fn read(&self, from: u64, _: ReadLimit) -> Result<ReadAnswer<u64, u64>, Self::Error> {
        self.ask();
        Ok((self.read)(from))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error> {
        self.ask();
        Ok(SealAnswer { epoch, tail: 0 })
    }

    fn trim(&self, below: u64) -> Result<u64, Self::Error> {
        self.ask();
        Ok(below)
    }
}

impl SlotLog for Nonsense {
    fn write(&self, slot: u64, _: &Entry<u64, u64>) -> Result<WriteAnswer<u64, u64>, Self::Error> {
        self.ask();
        Ok((self.write)(slot))
    }
}

impl AppendLog for Nonsense {
    fn append(&self, _: &Entry<u64, u64>) -> Result<AppendAnswer, Self::Error> {
        Ok((self.append)(self.ask()))
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("this engine answers at once"),
    }
}

/// Runs both drivers, each over an engine that has not been asked yet.
fn same<T: Debug>(
    make: &dyn Fn() -> Nonsense,
    blocks: impl Fn(&Nonsense) -> T,
    awaits: impl Fn(&Blocking<Nonsense>) -> T,
) -> String {
    let (blocked, awaited) = (make(), Blocking(make()));
    let (one, two) = (format!("{:?}", blocks(&blocked)), format!("{:?}", awaits(&awaited)));
    assert_eq!(one, two);
    assert_eq!(blocked.asked.into_inner(), awaited.0.asked.into_inner());
    one
}

#[test]
fn a_publisher_gives_up() {
    let writes: [fn(u64) -> WriteAnswer<u64, u64>; 6] = [
        |slot| WriteAnswer::Occupied(other(slot)),
        |_| WriteAnswer::Occupied(Entry::unreadable(Unreadable::Damaged)),
        |_| WriteAnswer::Sealed { epoch: 0 },
        |slot| WriteAnswer::Trimmed { first: slot },
        |_| WriteAnswer::Trimmed { first: 0 },
        |_| WriteAnswer::NumberUsed { highest: 0 },
    ];
    let numbers: [fn(u64) -> u64; 4] = [|asked| asked, |_| 1, |_| 0, |_| u64::MAX];
    for write in writes {
        for number in numbers {
            let publisher = || {
                let mut publisher = Publisher::new(1, PublisherConfig::default());
                publisher.publish(7).unwrap();
                publisher
            };
            let told = same(
                &|| Nonsense { write, number, ..Nonsense::new() },
                |engine| blocking::settle(&mut publisher(), engine, engine),
                |engine| ready(asynchronous::settle(&mut publisher(), engine, engine)),
            );
            assert!(told.starts_with("Err("), "{told}");
        }
    }
}

#[test]
fn a_publisher_over_appends_gives_up() {
    let appends: [fn(u64) -> AppendAnswer; 4] = [
        |_| AppendAnswer::Sealed { epoch: 0 },
        |_| AppendAnswer::Sealed { epoch: 5 },
        |_| AppendAnswer::NumberUsed { highest: 0 },
        |_| AppendAnswer::AlreadyAppended { slot: 0 },
    ];
    for append in appends {
        let publisher = || {
            let mut publisher = Publisher::new(1, PublisherConfig::over_appends());
            publisher.publish(7).unwrap();
            publisher
        };
        let told = same(
            &|| Nonsense { append, ..Nonsense::new() },
            |engine| blocking::settle_append(&mut publisher(), engine),
            |engine| ready(asynchronous::settle_append(&mut publisher(), engine)),
        );
        assert!(told.starts_with("Err("), "{told}");
    }
}

/// A call of a driver at a time, which returns the result as text.
type Call<'a> = Box<dyn FnMut(&mut Subscriber<u64, u64>, u64) -> String + 'a>;

#[test]
fn a_subscriber_comes_to_an_end_of_each_call() {
    let reads: [fn(u64) -> ReadAnswer<u64, u64>; 6] = [
        |_| ReadAnswer::Entries(vec![(0, other(0)), (0, other(1))]),
        |from| ReadAnswer::Entries(vec![(from.saturating_sub(1), other(from)); 2]),
        |from| ReadAnswer::Trimmed { first: from },
        |_| ReadAnswer::Trimmed { first: 0 },
        |_| ReadAnswer::Trimmed { first: u64::MAX },
        |from| ReadAnswer::Entries(vec![(from, Entry::unreadable(Unreadable::Damaged)), (from, other(from))]),
    ];
    for read in reads {
        let make = || Nonsense { read, write: |_| WriteAnswer::Sealed { epoch: 0 }, ..Nonsense::new() };
        let subscriber = || {
            let mut subscriber = Subscriber::<u64, u64>::new(SubscriberConfig::default());
            subscriber.observe_current(40);
            subscriber
        };
        // Several calls, as by a caller that does not give up.
        let calls = |mut call: Call<'_>| {
            let (mut subscriber, mut told) = (subscriber(), Vec::new());
            for second in 1..=20 {
                told.push(call(&mut subscriber, 1_000 * second));
                while let Ok(Some(_)) = subscriber.poll_delivery() {}
            }
            told
        };
        same(
            &make,
            |engine| {
                calls(Box::new(|subscriber, now_ms| {
                    format!("{:?}", blocking::follow(subscriber, engine, now_ms))
                }))
            },
            |engine| {
                calls(Box::new(|subscriber, now_ms| {
                    format!("{:?}", ready(asynchronous::follow(subscriber, engine, now_ms)))
                }))
            },
        );
        same(
            &make,
            |engine| {
                calls(Box::new(|subscriber, now_ms| {
                    format!("{:?}", blocking::follow_appends(subscriber, engine, now_ms))
                }))
            },
            |engine| {
                calls(Box::new(|subscriber, now_ms| {
                    format!("{:?}", ready(asynchronous::follow_appends(subscriber, engine, now_ms)))
                }))
            },
        );
    }
}
