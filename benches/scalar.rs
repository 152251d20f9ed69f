//! The clocks and the counter beside the bare instructions that bound them. Every body asserts its answers.
//!
//! ```text
//! cargo bench --bench scalar
//! ```
//!
//! Compare within a group: the first line of each is the limit.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::scalar::{AtomicHybridClock, AtomicLamportClock, HybridTime, SystemTime};
use happens_before::{HybridClock, LamportClock};

/// Events in a millisecond of given time.
const A_MS: u64 = 16;
const START_MS: u64 = 1_700_000_000_000;

/// Events of one iteration.
const BATCH: u64 = 1_024;

/// Times `event` on one thread. It gets the event's index and returns a number that must increase.
fn one_thread(c: &mut Criterion, group: &str, name: &str, mut event: impl FnMut(u64) -> u64) {
    let (mut index, mut last) = (0, 0);
    c.benchmark_group(group).bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let begin = Instant::now();
            for _ in 0..iterations {
                for _ in 0..BATCH {
                    let number = black_box(event(black_box(index)));
                    assert!(number > last);
                    last = number;
                    index += 1;
                }
            }
            // The time of one event.
            begin.elapsed() / BATCH as u32
        });
    });
}

/// Times `event` on two threads at once; the result is the time that each waits for an event.
fn two_threads(c: &mut Criterion, group: &str, name: &str, event: impl Fn() -> u64 + Sync) {
    c.benchmark_group(group).bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let barrier = Barrier::new(2);
            let run = || {
                let mut last = 0;
                barrier.wait();
                let begin = Instant::now();
                for _ in 0..iterations * BATCH {
                    let number = black_box(event());
                    assert!(number > last);
                    last = number;
                }
                begin.elapsed()
            };
            let elapsed: Duration = std::thread::scope(|scope| {
                let other = scope.spawn(run);
                run().max(other.join().unwrap())
            });
            elapsed / BATCH as u32
        });
    });
}

fn bare_compare_and_swap(word: &AtomicU64) -> u64 {
    let mut last = word.load(Ordering::Acquire);
    loop {
        match word.compare_exchange_weak(last, last + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return last + 1,
            Err(now) => last = now,
        }
    }
}

fn lamport(c: &mut Criterion) {
    let mut counter = 0_u64;
    one_thread(c, "owned tick", "limit: += 1", |_| {
        counter += 1;
        counter
    });
    let mut clock = LamportClock::new(1_u64);
    one_thread(c, "owned tick", "LamportClock", |_| clock.tick().unwrap().counter());
    let mut clock = HybridClock::new(1_u64, 500);
    one_thread(c, "owned tick", "HybridClock", |i| clock.tick(START_MS + i / A_MS).unwrap().time().to_bits());
    assert_eq!(u64::from(clock.time().logical()), A_MS - 1);

    let word = AtomicU64::new(0);
    one_thread(c, "shared tick", "limit: fetch_add", |_| word.fetch_add(1, Ordering::AcqRel) + 1);
    let clock = AtomicLamportClock::new(1_u64);
    one_thread(c, "shared tick", "AtomicLamportClock", |_| clock.tick().unwrap().counter());

    let word = AtomicU64::new(0);
    two_threads(c, "shared tick, 2 threads", "limit: fetch_add", || word.fetch_add(1, Ordering::AcqRel) + 1);
    let clock = AtomicLamportClock::new(1_u64);
    two_threads(c, "shared tick, 2 threads", "AtomicLamportClock", || clock.tick().unwrap().counter());
}

fn compare_and_swap(c: &mut Criterion) {
    let word = AtomicU64::new(0);
    one_thread(c, "shared swap", "limit: load + CAS", |_| bare_compare_and_swap(&word));
    let counter = AtomicCounter::new();
    one_thread(c, "shared swap", "AtomicCounter", |_| counter.increment_and_get(NonZeroU64::MIN).unwrap());
    let clock = AtomicHybridClock::new(1_u64, 500);
    one_thread(c, "shared swap", "AtomicHybridClock", |i| {
        clock.tick(START_MS + i / A_MS).unwrap().time().to_bits()
    });
    assert_eq!(u64::from(clock.time().logical()), A_MS - 1);

    let word = AtomicU64::new(0);
    two_threads(c, "shared swap, 2 threads", "limit: load + CAS", || bare_compare_and_swap(&word));
    let counter = AtomicCounter::new();
    two_threads(c, "shared swap, 2 threads", "AtomicCounter", || {
        counter.increment_and_get(NonZeroU64::MIN).unwrap()
    });
    let clock = AtomicHybridClock::new(1_u64, 500);
    two_threads(c, "shared swap, 2 threads", "AtomicHybridClock", || {
        clock.tick(START_MS).unwrap().time().to_bits()
    });
}

fn observe(c: &mut Criterion) {
    let word = AtomicU64::new(0);
    one_thread(c, "observe news", "limit: fetch_max", |i| {
        word.fetch_max(i + 1, Ordering::AcqRel);
        word.load(Ordering::Acquire)
    });
    let clock = AtomicLamportClock::new(1_u64);
    one_thread(c, "observe news", "AtomicLamportClock", |i| {
        clock.observe(i + 1).unwrap();
        clock.counter()
    });
    let clock = AtomicHybridClock::new(1_u64, 500);
    one_thread(c, "observe news", "AtomicHybridClock", |i| {
        clock.observe(HybridTime::new(START_MS + i, 0).unwrap(), START_MS + i).unwrap();
        clock.time().to_bits()
    });
}

fn system_time(c: &mut Criterion) {
    let mut count = 0;
    one_thread(c, "system time", "limit: std::time::SystemTime::now", |_| {
        black_box(std::time::SystemTime::now());
        count += 1;
        count
    });
    let mut clock = HybridClock::new(1_u64, 500);
    one_thread(c, "system time", "HybridClock", |_| clock.tick(SystemTime).unwrap().time().to_bits());
    let clock = AtomicHybridClock::new(1_u64, 500);
    one_thread(c, "system time", "AtomicHybridClock", |_| clock.tick(SystemTime).unwrap().time().to_bits());
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = lamport, compare_and_swap, observe, system_time
}
criterion_main!(benches);
