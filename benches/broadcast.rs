//! Total order broadcast in memory, on one thread, beside the least possible cost. Every body asserts its answers.
//!
//! ```text
//! cargo bench --bench broadcast
//! ```
//!
//! All figures are for one message. Compare within a run: the first line of each group is the limit. The goals: number,
//! slot and delivery take at most 3 times as long as their limit, the window at most 2 times.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use happens_before::broadcast::{Entry, MemoryLog, PublisherConfig, SubscriberConfig, blocking};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::{Dot, Publisher, Subscriber};

/// Messages of one iteration.
const BATCH: u64 = 1_024;

/// Times `message`, which gets an index and returns the delivered payload; that must be the index.
fn messages(c: &mut Criterion, group: &str, name: &str, mut message: impl FnMut(u64) -> u64) {
    let mut index = 0;
    c.benchmark_group(group).bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let begin = Instant::now();
            for _ in 0..iterations {
                for _ in 0..BATCH {
                    assert_eq!(message(black_box(index)), index);
                    index += 1;
                }
            }
            // The time of one message.
            begin.elapsed() / BATCH as u32
        });
    });
}

fn in_order(c: &mut Criterion) {
    let (counter, mut ring) = (AtomicU64::new(0), VecDeque::with_capacity(1_024));
    messages(c, "broadcast", "limit: fetch_add, ring buffer push and pop", |index| {
        let number = counter.fetch_add(1, Ordering::AcqRel);
        ring.push_back((number, Dot::new(1_u64, index + 1).unwrap(), index));
        let (delivered, id, payload) = ring.pop_front().unwrap();
        assert_eq!((delivered, id.counter()), (number, payload + 1));
        payload
    });

    // Number, slot, announcement and delivery as plain calls, without the handling of faults for which the machines
    // exist.
    let counter = AtomicCounter::new();
    let mut log = MemoryLog::new(2 * BATCH as usize);
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    messages(c, "broadcast", "number, slot, delivery", |index| {
        let slot = counter.increment_and_get(NonZeroU64::MIN).unwrap();
        let entry = Entry::message(0, Dot::new(1_u64, index + 1).unwrap(), index);
        log.write(slot, &entry).unwrap();
        subscriber.handle_entry(slot, entry).unwrap();
        if slot % BATCH == 0 {
            log.trim(slot);
        }
        subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
    });

    let counter = AtomicCounter::new();
    let log = RefCell::new(MemoryLog::new(2 * BATCH as usize));
    let mut publisher = Publisher::new(1_u64, PublisherConfig::default());
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    messages(c, "broadcast", "Publisher, slot, delivery by announcement", |index| {
        let id = publisher.publish(index).unwrap();
        let slot = blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot;
        subscriber.handle_entry(slot, Entry::message(0, id, index)).unwrap();
        if slot % BATCH == 0 {
            log.borrow_mut().trim(slot);
        }
        subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
    });

    let counter = AtomicCounter::new();
    let log = RefCell::new(MemoryLog::new(2 * BATCH as usize));
    let mut publisher = Publisher::new(1_u64, PublisherConfig::default());
    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    messages(c, "broadcast", "Publisher, slot, delivery by reading", |index| {
        publisher.publish(index).unwrap();
        let slot = blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot;
        if slot % BATCH == 0 {
            log.borrow_mut().trim(slot);
        }
        // A read for every message is the worst case: in practice a read returns all new messages.
        blocking::follow(&mut subscriber, &log, slot * 1_000).unwrap();
        subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
    });
}

/// The window alone: slots come in groups of 8, the last one first.
fn reordered(c: &mut Criterion) {
    type E = Entry<u64, u64>;
    let entry = |index: u64| Entry::message(0, Dot::new(1_u64, index + 1).unwrap(), index);

    let (mut ring, mut next) = (VecDeque::<Option<E>>::with_capacity(1_024), 0);
    messages(c, "window", "limit: ring buffer of entries", |index| {
        if index % 8 == 0 {
            for slot in (index..index + 8).rev() {
                let offset = (slot - next) as usize;
                if offset >= ring.len() {
                    ring.resize_with(offset + 1, || None);
                }
                ring[offset] = Some(entry(slot));
            }
        }
        next += 1;
        let id = *ring.pop_front().unwrap().unwrap().id().unwrap();
        id.counter() - 1
    });

    let mut subscriber = Subscriber::new(SubscriberConfig::default());
    messages(c, "window", "Subscriber", |index| {
        if index % 8 == 0 {
            for slot in (index..index + 8).rev() {
                subscriber.handle_entry(slot + 1, entry(slot)).unwrap();
            }
        }
        subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
    });
}

criterion_group!(benches, in_order, reordered);
criterion_main!(benches);
