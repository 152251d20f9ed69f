//! Models of the shared clocks and the counter: every interleaving, within small bounds, under the rules of the memory
//! model.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p happens-before --target-dir target/loom --lib loom
//! ```
//!
//! This file is in `src/`, so that only our own tests are built with loom's atomics and no user's lock file names loom.

use std::num::NonZeroU64;
use std::println;
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};
use std::vec::Vec;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::LamportClock;
use crate::counter::{AtomicCounter, Counter};
use crate::scalar::{AtomicHybridClock, AtomicLamportClock, HybridTime};

const MAX: u64 = LamportClock::<u8>::MAX;

/// Runs the model in every interleaving and asserts that there was more than one.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    loom::model(move || {
        counted.fetch_add(1, StdOrdering::Relaxed);
        model();
    });
    let runs = runs.load(StdOrdering::Relaxed);
    println!("{runs} interleavings");
    assert!(runs > 1, "a model that has one interleaving shows nothing");
}

fn distinct(mut numbers: Vec<u64>) -> bool {
    numbers.sort_unstable();
    numbers.is_sorted_by(|x, y| x < y)
}

#[test]
fn lamport_ticks_are_unique_and_increase_in_each_thread() {
    explore(|| {
        let clock = Arc::new(AtomicLamportClock::new(1_u8));
        let other = {
            let clock = clock.clone();
            thread::spawn(move || [clock.tick().unwrap().counter(), clock.tick().unwrap().counter()])
        };
        let mine = [clock.tick().unwrap().counter(), clock.tick().unwrap().counter()];
        let theirs = other.join().unwrap();
        assert!(mine[0] < mine[1] && theirs[0] < theirs[1]);
        assert!(distinct([mine, theirs].concat()));
        assert_eq!(clock.counter(), 4);
    });
}

#[test]
fn an_observed_lamport_counter_is_never_lost() {
    explore(|| {
        let clock = Arc::new(AtomicLamportClock::new(1_u8));
        let threads = [5, 7].map(|counter| {
            let clock = clock.clone();
            thread::spawn(move || {
                clock.observe(counter).unwrap();
                let after = clock.tick().unwrap().counter();
                assert!(after > counter, "the observer's next tick is above what it observed");
                after
            })
        });
        let [x, y] = threads.map(|thread| thread.join().unwrap());
        assert_ne!(x, y);
        assert!(clock.counter() >= 8 && clock.counter() >= x.max(y));
    });
}

#[test]
fn the_last_lamport_counter_is_issued_once_and_readers_never_see_more() {
    explore(|| {
        let clock = Arc::new(AtomicLamportClock::resume(1_u8, MAX - 1, MAX).unwrap());
        let try_twice = |clock: &AtomicLamportClock<u8>| {
            let issued = usize::from(clock.tick().is_ok());
            assert!(clock.counter() <= MAX);
            assert!(clock.observe(MAX + 1).is_err());
            issued + usize::from(clock.tick().is_ok())
        };
        let other = {
            let clock = clock.clone();
            thread::spawn(move || try_twice(&clock))
        };
        let mine = try_twice(&clock);
        assert_eq!(mine + other.join().unwrap(), 1);
        assert_eq!(clock.counter(), MAX);
    });
}

#[test]
fn a_later_lamport_tick_sees_what_was_done_before_an_earlier_one() {
    explore(|| {
        let clock = Arc::new(AtomicLamportClock::new(1_u8));
        let done = Arc::new(AtomicBool::new(false));
        let other = {
            let (clock, done) = (clock.clone(), done.clone());
            thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                clock.tick().unwrap().counter()
            })
        };
        let mine = clock.tick().unwrap().counter();
        let seen = done.load(Ordering::Relaxed);
        assert!(other.join().unwrap() > mine || seen, "the cause is lower and visible");
    });
}

#[test]
fn hybrid_ticks_are_unique_and_an_observed_time_is_never_lost() {
    explore(|| {
        let clock = Arc::new(AtomicHybridClock::new(1_u8, 10));
        let far = HybridTime::new(12, 3).unwrap();
        let threads = [9_u64, 10].map(|now| {
            let clock = clock.clone();
            thread::spawn(move || {
                let first = clock.tick(now).unwrap().time();
                assert!(first.ms() >= now);
                if now == 10 {
                    clock.observe(far, now).unwrap();
                }
                let second = clock.tick(now).unwrap().time();
                assert!(second > first && (now != 10 || second > far));
                [first.to_bits(), second.to_bits()]
            })
        });
        let times = threads.map(|thread| thread.join().unwrap()).concat();
        assert!(clock.time().to_bits() >= *times.iter().max().unwrap());
        assert!(distinct(times));
    });
}

#[test]
fn a_later_hybrid_tick_sees_what_was_done_before_an_earlier_one() {
    explore(|| {
        let clock = Arc::new(AtomicHybridClock::new(1_u8, 0));
        let done = Arc::new(AtomicBool::new(false));
        let other = {
            let (clock, done) = (clock.clone(), done.clone());
            thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                clock.tick(5).unwrap()
            })
        };
        let mine = clock.tick(5).unwrap();
        let seen = done.load(Ordering::Relaxed);
        assert!(other.join().unwrap() > mine || seen, "the cause is lower and visible");
    });
}

#[test]
fn the_counter_hands_out_each_number_once_and_none_above_its_limit() {
    explore(|| {
        let counter = Arc::new(AtomicCounter::resume(0, 4).unwrap());
        let threads = [1, 2].map(|n| {
            let counter = counter.clone();
            thread::spawn(move || {
                let n = NonZeroU64::new(n).unwrap();
                let mut taken = Vec::new();
                for _ in 0..2 {
                    match counter.increment_and_get(n) {
                        Ok(first) => taken.extend(first..first + n.get()),
                        Err(error) => assert!(error.available < n.get()),
                    }
                    assert!(counter.current().unwrap() <= 4);
                }
                taken
            })
        });
        let taken: Vec<u64> = threads.map(|thread| thread.join().unwrap()).concat();
        assert_eq!(counter.current(), Ok(taken.len() as u64), "a refusal takes nothing");
        assert!(taken.iter().all(|number| (1..=4).contains(number)));
        assert!(taken.len() >= 3, "it is refused only for want of numbers");
        assert!(distinct(taken));
    });
}

#[test]
fn the_taker_of_a_later_number_sees_what_was_done_before_an_earlier_one() {
    explore(|| {
        let counter = Arc::new(AtomicCounter::new());
        let done = Arc::new(AtomicBool::new(false));
        let other = {
            let (counter, done) = (counter.clone(), done.clone());
            thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                counter.increment_and_get(NonZeroU64::MIN).unwrap()
            })
        };
        let mine = counter.increment_and_get(NonZeroU64::MIN).unwrap();
        let seen = done.load(Ordering::Relaxed);
        assert!(other.join().unwrap() > mine || seen, "the cause is lower and visible");
    });
}
