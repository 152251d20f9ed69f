//! The checks of a counter: linearizable, over threads and restarts.

use core::fmt::Debug;
use core::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use happens_before::counter::Counter;

const THREADS: u64 = 4;
const CALLS: u64 = 40;

/// A call, with the times of its begin and end on a clock that all threads share.
#[derive(Clone, Copy, Debug)]
struct Call {
    began: u64,
    ended: u64,
    /// The numbers taken; for `current`, the last one taken so far, twice.
    first: u64,
    last: u64,
    took: bool,
}

/// Checks a [`Counter`]: see [the table](super).
///
/// # Panics
///
/// If it breaks a promise of a counter.
pub fn counter<C>(new: impl Fn() -> C, restart: impl Fn(C) -> C)
where
    C: Counter + Sync,
    C::Error: Debug,
{
    let take = |counter: &C, n| counter.increment_and_get(NonZeroU64::new(n).expect("n is not 0"));
    let counter = new();
    assert_eq!(counter.current().expect("current"), 0, "a new counter has taken nothing");
    assert_eq!(take(&counter, 1).expect("take 1"), 1);
    assert_eq!(take(&counter, 5).expect("take 5"), 2);
    assert_eq!(counter.current().expect("current"), 6);

    for too_many in [u64::MAX, i64::MAX as u64, i64::MAX as u64 - 5] {
        assert!(take(&counter, too_many).is_err(), "{too_many} numbers above 6 do not exist");
    }
    assert_eq!(counter.current().expect("current"), 6, "a request too large changes nothing");

    let counter = restart(counter);
    assert_eq!(counter.current().expect("current"), 6, "what was taken stays taken over a restart");
    let last = linearizable(&record(&counter), 6);

    let counter = restart(counter);
    assert_eq!(counter.current().expect("current"), last, "what was taken stays taken over a restart");
    let rest = i64::MAX as u64 - last;
    assert_eq!(take(&counter, rest).expect("all numbers that are left"), last + 1);
    assert!(take(&counter, 1).is_err(), "2^63 - 1 is the last number");
    assert_eq!(counter.current().expect("current"), i64::MAX as u64);
}

/// Records calls from several threads that take 1, 2 or 3 numbers, or ask for the current one.
fn record<C>(counter: &C) -> Vec<Call>
where
    C: Counter + Sync,
    C::Error: Debug,
{
    let clock = &AtomicU64::new(0);
    let now = || clock.fetch_add(1, Ordering::SeqCst);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut calls = Vec::new();
                    for call in 0..CALLS {
                        let took = call % 2 == 0;
                        let n = NonZeroU64::new(1 + (thread + call) % 3).expect("n is not 0");
                        let began = now();
                        let (first, last) = if took {
                            let first = counter.increment_and_get(n).expect("take");
                            (first, first + n.get() - 1)
                        } else {
                            let current = counter.current().expect("current");
                            (current, current)
                        };
                        calls.push(Call { began, ended: now(), first, last, took });
                    }
                    calls
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

/// Asserts that some order of the calls, in which those that did not overlap keep their order, explains the answers.
///
/// Takes are ordered by their numbers, so it is enough to look at pairs. Returns the last number.
fn linearizable(calls: &[Call], before: u64) -> u64 {
    let mut numbers: Vec<u64> = Vec::new();
    for call in calls.iter().filter(|call| call.took) {
        numbers.extend(call.first..=call.last);
    }
    numbers.sort_unstable();
    let all: Vec<u64> = (before + 1..=before + numbers.len() as u64).collect();
    assert_eq!(numbers, all, "each number is taken once");
    for earlier in calls {
        for later in calls.iter().filter(|later| earlier.ended < later.began) {
            let in_order = if later.took { earlier.last < later.first } else { earlier.last <= later.last };
            assert!(in_order, "{later:?} began after {earlier:?} had ended");
        }
    }
    before + numbers.len() as u64
}
