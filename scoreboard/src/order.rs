//! Total order broadcast in memory, on one thread, beside the least that it could cost: a number from a `fetch_add`, a log
//! that keeps the message, and a ring buffer that it enters and leaves.
//!
//! Figures are for one message. Every contestant returns the payload that it delivers, which must be the index of the
//! message. No peer has an order over a counter.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use happens_before::broadcast::{Entry, MemoryLog, Position, PublisherConfig, SubscriberConfig, blocking};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::{Dot, Publisher, Subscriber};
use happens_before_replicated::register::{Command, Outcome, Register};
use happens_before_replicated::{Replica, StateMachine};

use crate::{Case, Contestant, Goal, Pick, Role};

/// Messages of a round.
const MESSAGES: u64 = 4_096;

/// A log is trimmed after each `TRIMMED` messages, and keeps the last half of them.
const TRIMMED: u64 = 1_024;

/// The messages of a group, in the case where slots arrive out of order.
const GROUP: u64 = 8;

type Log = RefCell<MemoryLog<u64, u64>>;

pub fn cases() -> Vec<Case> {
    let case = |name, goal, contestants| Case { name, unit: "ns", pick: Pick::Fastest, goal, contestants };
    vec![
        case("number, slot, delivery", Goal::WithinLimit(2.0), vec![ring(), by_hand()]),
        case("Publisher, slot, delivery by announcement", Goal::WithinLimit(3.0), vec![ring(), announced()]),
        // The worst case: a read for every message.
        case(
            "Publisher, slot, delivery by reading the log",
            Goal::WithinLimit(5.0),
            vec![ring(), read("Publisher, MemoryLog, a read each", 1)],
        ),
        // The usual one: a read brings all that is new.
        case(
            "Publisher, slot, delivery by reading the log, 64 messages at a time",
            Goal::WithinLimit(5.0),
            vec![ring(), read("Publisher, MemoryLog, a read of 64", 64)],
        ),
        case(
            "window, slots in groups of 8, last one first",
            Goal::WithinLimit(1.5),
            vec![ring_window(), window()],
        ),
        case("replica of a register, by announcement", Goal::None, vec![register(), replica()]),
    ]
}

/// Times `message`, which gets the index of a message and returns the delivered payload.
fn contestant(role: Role, name: &'static str, mut message: impl FnMut(u64) -> u64 + 'static) -> Contestant {
    let mut index = 0;
    Contestant::new(role, name, move || {
        let mut wrong = 0;
        let begin = Instant::now();
        for _ in 0..MESSAGES {
            wrong += u64::from(message(black_box(index)) != index);
            index += 1;
        }
        let elapsed = begin.elapsed();
        assert_eq!(wrong, 0, "each message is delivered in its turn");
        elapsed.as_secs_f64() * 1e9 / MESSAGES as f64
    })
}

fn entry(index: u64) -> Entry<u64, u64> {
    Entry::message(0, Dot::new(1, index + 1).unwrap(), index)
}

fn ring() -> Contestant {
    let counter = AtomicU64::new(0);
    let (mut log, mut ring) =
        (VecDeque::with_capacity(TRIMMED as usize), VecDeque::with_capacity(TRIMMED as usize));
    contestant(Role::Limit, "fetch_add, log, ring buffer", move |index| {
        let number = counter.fetch_add(1, Ordering::AcqRel);
        let entry = (number, Dot::new(1_u64, index + 1).unwrap(), index);
        log.push_back(entry);
        ring.push_back(entry);
        if (number + 1).is_multiple_of(TRIMMED) {
            log.drain(..log.len() - TRIMMED as usize / 2);
        }
        let (delivered, id, payload) = ring.pop_front().unwrap();
        assert_eq!((delivered, id.counter()), (number, payload + 1));
        payload
    })
}

fn by_hand() -> Contestant {
    let (counter, log) = (AtomicCounter::new(), new_log());
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    contestant(Role::Ours, "counter, MemoryLog, Subscriber", move |index| {
        let slot = counter.increment_and_get(NonZeroU64::MIN).unwrap();
        let entry = entry(index);
        log.borrow_mut().write(slot, &entry).unwrap();
        subscriber.handle_entry(slot, entry).unwrap();
        trim(&log, slot);
        deliver(&mut subscriber)
    })
}

fn announced() -> Contestant {
    let mut publish = publisher(Rc::new(new_log()));
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    contestant(Role::Ours, "Publisher, MemoryLog, Subscriber", move |index| {
        let slot = publish(index);
        subscriber.handle_entry(slot, entry(index)).unwrap();
        deliver(&mut subscriber)
    })
}

/// One read brings the messages of a group.
fn read(name: &'static str, group: u64) -> Contestant {
    let log = Rc::new(new_log());
    let mut publish = publisher(log.clone());
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    contestant(Role::Ours, name, move |index| {
        if index % group == 0 {
            for published in index..index + group {
                publish(published);
            }
            blocking::follow(&mut subscriber, &*log, (index + 1) * 1_000).unwrap();
        }
        deliver(&mut subscriber)
    })
}

fn ring_window() -> Contestant {
    let (mut ring, mut next) = (VecDeque::<Option<Entry<u64, u64>>>::with_capacity(TRIMMED as usize), 0);
    contestant(Role::Limit, "ring buffer of entries", move |index| {
        if index % GROUP == 0 {
            for slot in (index..index + GROUP).rev() {
                let offset = (slot - next) as usize;
                if offset >= ring.len() {
                    ring.resize_with(offset + 1, || None);
                }
                ring[offset] = Some(entry(slot));
            }
        }
        next += 1;
        ring.pop_front().unwrap().unwrap().id().unwrap().counter() - 1
    })
}

fn window() -> Contestant {
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    contestant(Role::Ours, "Subscriber", move |index| {
        if index % GROUP == 0 {
            for slot in (index..index + GROUP).rev() {
                subscriber.handle_entry(slot + 1, entry(slot)).unwrap();
            }
        }
        deliver(&mut subscriber)
    })
}

fn register() -> Contestant {
    let mut register = Register::new(0);
    contestant(Role::Limit, "Register alone", move |index| {
        let position = Position { epoch: 0, sequence: index + 1, index: 0 };
        assert_eq!(register.apply(position, Command::Write(index)), Outcome::Set);
        *register.value()
    })
}

fn replica() -> Contestant {
    let mut replica = Replica::new(Register::new(0), SubscriberConfig::default());
    contestant(Role::Ours, "Replica", move |index| {
        let id = Dot::new(1_u64, index + 1).unwrap();
        replica.handle_entry(index + 1, Entry::message(0, id, Command::Write(index))).unwrap();
        assert_eq!(replica.poll_applied().unwrap().unwrap().output, Some(Outcome::Set));
        *replica.machine().value()
    })
}

/// Returns a function that publishes the message of an index, and returns its slot.
fn publisher(log: Rc<Log>) -> impl FnMut(u64) -> u64 {
    let counter = AtomicCounter::new();
    let mut publisher = Publisher::new(1_u64, PublisherConfig::default());
    move |index| {
        publisher.publish(index).unwrap();
        let slot = blocking::settle(&mut publisher, &counter, &*log).unwrap().unwrap().slot;
        trim(&log, slot);
        slot
    }
}

fn new_log() -> Log {
    RefCell::new(MemoryLog::new(2 * TRIMMED as usize))
}

fn trim(log: &Log, slot: u64) {
    if slot.is_multiple_of(TRIMMED) {
        log.borrow_mut().trim(slot - TRIMMED / 2);
    }
}

fn deliver(subscriber: &mut Subscriber<u64, u64>) -> u64 {
    subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
}
