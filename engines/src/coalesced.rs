//! The driver of [`Coalescing`] for threads, for a slow counter: one request for all waiting callers.

use core::num::NonZeroU64;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use happens_before::counter::{BatchRequest, Coalescing, Counter, Redeemed};

use crate::error::CoalescedError;

/// The number of times that a call asks for numbers. A call that wakes up too late loses them, and asks again.
const TRIES: usize = 100;

/// A counter shared by threads. While the inner counter is busy, new calls are collected into one request.
///
/// It is linearizable if the inner counter is: see [`Coalescing`]. A call waits for at most two requests, the one under
/// way and its own. There is no background thread: the first caller that finds no request under way sends the next one.
///
/// # Examples
///
/// Four threads take a number each, with between one and four requests to the inner counter.
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::counter::{AtomicCounter, Counter};
/// use happens_before_engines::Coalesced;
///
/// let counter = Coalesced::new(AtomicCounter::new(), NonZeroU64::new(1_000).unwrap());
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| counter.increment_and_get(NonZeroU64::MIN).unwrap());
///     }
/// });
/// assert_eq!(counter.current(), Ok(4));
/// ```
#[derive(Debug)]
pub struct Coalesced<C> {
    counter: C,
    max: NonZeroU64,
    front: Mutex<Coalescing>,
    /// Signals that a request was answered: tickets may be redeemed, and the next batch may begin.
    answered: Condvar,
}

impl<C: Counter> Coalesced<C> {
    /// Wraps a counter. One request for several callers asks for at most `max` numbers.
    pub const fn new(counter: C, max: NonZeroU64) -> Self {
        Self { counter, max, front: Mutex::new(Coalescing::new(max)), answered: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Coalescing> {
        // No method of the front panics half way.
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the request of a batch that includes the caller's own.
    fn send(&self, request: BatchRequest) -> Result<(), CoalescedError<C::Error>> {
        let unanswered = Unanswered(self, request);
        let first = self.counter.increment_and_get(request.n()).map_err(CoalescedError::Counter)?;
        self.lock().handle_response(request, first).map_err(CoalescedError::NotAboveLast)?;
        drop(unanswered);
        Ok(())
    }
}

/// A guard that ends a request in any case. Without an answer, also after a panic of the counter, it ends as a failure.
struct Unanswered<'a, C: Counter>(&'a Coalesced<C>, BatchRequest);

impl<C: Counter> Drop for Unanswered<'_, C> {
    fn drop(&mut self) {
        // If the request was answered, it is no longer awaited, and this does nothing.
        self.0.lock().handle_failure(self.1);
        self.0.answered.notify_all();
    }
}

impl<C: Counter> Counter for Coalesced<C> {
    type Error = CoalescedError<C::Error>;

    /// Takes numbers. More numbers than the maximum are a request of their own.
    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
        if n > self.max {
            return self.counter.increment_and_get(n).map_err(CoalescedError::Counter);
        }
        let mut front = self.lock();
        for _ in 0..TRIES {
            let mut ticket = loop {
                match front.join(n) {
                    Ok(ticket) => break ticket,
                    Err(_) => front = self.answered.wait(front).unwrap_or_else(PoisonError::into_inner),
                }
            };
            loop {
                ticket = match front.redeem(ticket) {
                    Redeemed::Numbers(first) => return Ok(first),
                    Redeemed::Failed => return Err(CoalescedError::Shared),
                    Redeemed::TooLate => break, // slow to wake; join again
                    Redeemed::Waiting(ticket) => ticket,
                };
                if let Some(request) = front.poll_request() {
                    drop(front);
                    self.send(request)?;
                    front = self.lock();
                } else {
                    front = self.answered.wait(front).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        Err(CoalescedError::TooLate)
    }

    fn current(&self) -> Result<u64, Self::Error> {
        self.counter.current().map_err(CoalescedError::Counter)
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};
    use std::sync::Barrier;

    use happens_before::counter::AtomicCounter;

    use super::*;

    const ONE: NonZeroU64 = NonZeroU64::MIN;

    /// A counter that counts calls, and makes the first one wait twice.
    struct Gated {
        counter: AtomicCounter,
        calls: AtomicU64,
        gate: Barrier,
    }

    impl Counter for Gated {
        type Error = <AtomicCounter as Counter>::Error;

        fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
            if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
                self.gate.wait();
                self.gate.wait();
            }
            self.counter.increment_and_get(n)
        }

        fn current(&self) -> Result<u64, Self::Error> {
            self.counter.current()
        }
    }

    #[test]
    fn callers_that_wait_share_one_request() {
        let gated = Gated { counter: AtomicCounter::new(), calls: AtomicU64::new(0), gate: Barrier::new(2) };
        let counter = Coalesced::new(gated, NonZeroU64::new(7).unwrap());
        std::thread::scope(|scope| {
            let first = scope.spawn(|| counter.increment_and_get(ONE));
            counter.counter.gate.wait(); // the first request is under way
            let others: Vec<_> = (0..7).map(|_| scope.spawn(|| counter.increment_and_get(ONE))).collect();
            // Eight never fit, and the refusal names the free room.
            while counter.lock().join(NonZeroU64::new(8).unwrap()).unwrap_err().available > 0 {
                std::thread::yield_now();
            }
            counter.counter.gate.wait();
            assert_eq!(first.join().unwrap(), Ok(1));
            let mut numbers: Vec<_> = others.into_iter().map(|other| other.join().unwrap().unwrap()).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8]);
        });
        assert_eq!(counter.counter.calls.load(Ordering::SeqCst), 2);
    }

    /// A counter that returns an error, then panics, then answers with a number from the past.
    struct Broken(AtomicU64);

    impl Counter for Broken {
        type Error = &'static str;

        fn increment_and_get(&self, _: NonZeroU64) -> Result<u64, &'static str> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err("away"),
                1 => panic!("on purpose"),
                2 => Ok(7),
                3 => Ok(7),
                _ => Ok(8),
            }
        }

        fn current(&self) -> Result<u64, &'static str> {
            Err("away")
        }
    }

    #[test]
    fn failures_end_a_request_and_the_next_one_begins() {
        let counter = Coalesced::new(Broken(AtomicU64::new(0)), ONE);
        assert_eq!(counter.increment_and_get(ONE), Err(CoalescedError::Counter("away")));
        std::thread::scope(|scope| assert!(scope.spawn(|| counter.increment_and_get(ONE)).join().is_err()));
        assert_eq!(counter.increment_and_get(ONE), Ok(7));
        let back = counter.increment_and_get(ONE).unwrap_err();
        assert!(matches!(back, CoalescedError::NotAboveLast(_)), "{back:?}");
        assert_eq!(counter.increment_and_get(ONE), Ok(8));
        assert_eq!(counter.current(), Err(CoalescedError::Counter("away")));
    }
}
