//! The counter of one process.

use core::num::NonZeroU64;

use super::{Counter, TooFewNumbers};
use crate::atomic::{AtomicU64, Ordering};

/// A counter in memory, shared by the threads of one process.
///
/// It is linearizable because a single atomic is. Taking numbers is a compare-and-swap loop, not one `fetch_add`: so a
/// refusal changes nothing, and the limit holds exactly under any contention. Threads also see each other's memory in
/// the order of the numbers: the taker of a higher number sees everything that the taker of a lower one did before
/// taking it.
///
/// Targets without 64-bit atomics have this type only with the feature `portable-atomic`.
///
/// # State that must survive a restart
///
/// An upper bound of all numbers that left the process. Save it *before* a number leaves, never replace it by a lower
/// one, and pass it to [`resume`](Self::resume). With threads, saving the last number is not enough: the thread that
/// took 7 may save before the one that took 6, and the 6 must not replace it.
///
/// [`ReserveAhead::observe`](crate::sequence::ReserveAhead::observe), called under a lock before the use of each
/// number, does this with one write every few thousand numbers. After a restart, resume at its
/// [`bound`](crate::sequence::ReserveAhead::bound).
///
/// # Examples
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::counter::{AtomicCounter, Counter};
///
/// static NEXT_TICKET: AtomicCounter = AtomicCounter::new();
/// assert_eq!(NEXT_TICKET.increment_and_get(NonZeroU64::MIN)?, 1);
///
/// let resumed = AtomicCounter::resume(41, 1_000).unwrap();
/// assert_eq!(resumed.increment_and_get(NonZeroU64::MIN)?, 42);
///
/// let ten = NonZeroU64::new(10).unwrap();
/// let nearly_full = AtomicCounter::resume(995, 1_000).unwrap();
/// let error = nearly_full.increment_and_get(ten).unwrap_err();
/// assert_eq!((error.wanted, error.available), (10, 5));
/// assert_eq!(nearly_full.current()?, 995); // an error changes nothing
/// # Ok::<(), happens_before::counter::TooFewNumbers>(())
/// ```
#[derive(Debug)]
pub struct AtomicCounter {
    last: AtomicU64,
    limit: u64,
}

impl AtomicCounter {
    /// The highest possible number: 2^63 - 1, which also fits a signed column.
    pub const MAX: u64 = i64::MAX as u64;

    const_unless_loom! {
        /// Makes a counter that issues 1 to [`MAX`](Self::MAX).
        #[must_use]
        pub const fn new() -> Self {
            Self { last: AtomicU64::new(0), limit: Self::MAX }
        }
    }

    const_unless_loom! {
        /// Makes a counter that continues after `last` (0 for none) and ends with `limit`.
        ///
        /// `None` unless `last` <= `limit` <= [`MAX`](Self::MAX). A limit below the maximum suits a consumer
        /// with narrower numbers: `i32::MAX`, or 2^53 - 1 for JSON.
        #[must_use]
        pub const fn resume(last: u64, limit: u64) -> Option<Self> {
            if last <= limit && limit <= Self::MAX {
                Some(Self { last: AtomicU64::new(last), limit })
            } else {
                None
            }
        }
    }

    /// Returns the count of numbers that are left at this moment.
    pub fn remaining(&self) -> u64 {
        // No underflow: `last` starts at or below `limit` and never passes it.
        self.limit - self.last.load(Ordering::Acquire)
    }

    /// Returns the highest number that will be taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

impl Default for AtomicCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter for AtomicCounter {
    type Error = TooFewNumbers;

    /// Takes the next `n` numbers and returns the first.
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if fewer than `n` are left. None is taken; a smaller `n` may still succeed.
    ///
    /// # Complexity
    ///
    /// One compare-and-swap, and another for each thread that got in between. Some thread always succeeds.
    #[inline]
    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, TooFewNumbers> {
        let mut last = self.last.load(Ordering::Acquire);
        loop {
            // No underflow: `last` never passes `limit`. No overflow below: last + n <= limit <= 2^63 - 1.
            let remaining = self.limit - last;
            if n.get() > remaining {
                return Err(TooFewNumbers { wanted: n.get(), available: remaining });
            }
            match self.last.compare_exchange_weak(last, last + n.get(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(last + 1),
                Err(now) => last = now,
            }
        }
    }

    /// Returns the last number taken; 0 if none was. Never fails.
    fn current(&self) -> Result<u64, TooFewNumbers> {
        Ok(self.last.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ONE: NonZeroU64 = NonZeroU64::MIN;

    #[test]
    fn numbers_start_at_one_and_leave_no_gap() {
        let counter = AtomicCounter::new();
        assert_eq!(counter.current(), Ok(0));
        let mut expected = 1;
        for n in 1..=20 {
            assert_eq!(counter.increment_and_get(NonZeroU64::new(n).unwrap()), Ok(expected));
            expected += n;
            assert_eq!(counter.current(), Ok(expected - 1));
        }
    }

    #[test]
    fn a_refusal_takes_nothing_and_a_smaller_wish_can_still_be_had() {
        let counter = AtomicCounter::resume(AtomicCounter::MAX - 3, AtomicCounter::MAX).unwrap();
        for n in [4, u64::MAX] {
            let error = counter.increment_and_get(NonZeroU64::new(n).unwrap()).unwrap_err();
            assert_eq!(error, TooFewNumbers { wanted: n, available: 3 });
            assert_eq!(counter.remaining(), 3);
        }
        assert_eq!(counter.increment_and_get(NonZeroU64::new(3).unwrap()), Ok(AtomicCounter::MAX - 2));
        assert_eq!(counter.increment_and_get(ONE).unwrap_err().available, 0);
        assert_eq!(counter.current(), Ok(AtomicCounter::MAX));
    }

    #[test]
    fn a_start_above_the_limit_or_a_limit_above_the_maximum_is_refused() {
        assert!(AtomicCounter::resume(5, 4).is_none());
        assert!(AtomicCounter::resume(0, AtomicCounter::MAX + 1).is_none());
        assert!(AtomicCounter::resume(u64::MAX, u64::MAX).is_none());
        assert_eq!(AtomicCounter::resume(4, 4).unwrap().remaining(), 0);
    }

    #[test]
    fn restarted_after_every_number_none_is_taken_twice() {
        let mut saved = 0;
        for expected in 1..=1_000 {
            let counter = AtomicCounter::resume(saved, 1_000).unwrap();
            assert_eq!(counter.increment_and_get(ONE), Ok(expected));
            saved = counter.current().unwrap();
        }
        assert!(AtomicCounter::resume(saved, 1_000).unwrap().increment_and_get(ONE).is_err());
    }

    #[test]
    fn threads_take_every_number_up_to_the_limit_once_and_none_above_it() {
        const LIMIT: usize = 30_001; // not a multiple of the numbers taken at a time
        let counter = AtomicCounter::resume(0, LIMIT as u64).unwrap();
        let taken = std::sync::Mutex::new(std::vec![0_u8; LIMIT + 1]);
        std::thread::scope(|scope| {
            for n in 1..=4_u64 {
                let (counter, taken) = (&counter, &taken);
                scope.spawn(move || {
                    let mut before = 0;
                    while let Ok(first) = counter.increment_and_get(NonZeroU64::new(n).unwrap()) {
                        assert!(first > before, "one thread's numbers increase");
                        before = first;
                        for number in first..first + n {
                            taken.lock().unwrap()[number as usize] += 1;
                        }
                    }
                });
            }
        });
        let taken = taken.into_inner().unwrap();
        assert_eq!(taken[0], 0);
        assert!(taken[1..].iter().all(|&times| times == 1), "every number once: the 1s take what is left");
        assert_eq!(counter.current(), Ok(LIMIT as u64));
    }
}
