//! The scalar clocks for many threads: `&self` instead of `&mut self`, no lock.
//!
//! Each is one atomic word.

use super::lamport::believe;
use super::{HybridTime, HybridTimestamp, LamportTimestamp, TickError, TimeSource, TooFarAhead};
use crate::atomic::{AtomicU64, Ordering};
use crate::node::{CounterExhausted, NodeId};

/// One node's Lamport clock, shared by its threads.
///
/// It is [`LamportClock`](crate::LamportClock) with `&self`: the same limits, the same errors.
/// Targets without 64-bit atomics have this type only with the feature `portable-atomic`.
///
/// # At the end of the range
///
/// A tick is one `fetch_add`, even a tick that fails. So the word can exceed [`MAX`](Self::MAX) for a moment, by one
/// for each thread that is failing, until those threads put it back. Readers never see this. The word never wraps: that
/// would take 2^63 failing threads at once.
///
/// # State that must survive a restart
///
/// The [`counter`](Self::counter). Save it after a tick and before that tick's timestamp leaves the node, and pass it
/// to [`resume`](Self::resume). Otherwise return under a new node id.
///
/// # Examples
///
/// ```
/// use happens_before::scalar::AtomicLamportClock;
///
/// static CLOCK: AtomicLamportClock<u16> = AtomicLamportClock::new(7);
///
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| CLOCK.tick());
///     }
/// });
/// CLOCK.observe(2)?; // nothing new
/// assert_eq!(CLOCK.counter(), 4);
/// # Ok::<(), happens_before::scalar::TooFarAhead<u64>>(())
/// ```
#[derive(Debug)]
pub struct AtomicLamportClock<I> {
    counter: AtomicU64,
    horizon: u64,
    node: I,
}

#[cfg(not(all(loom, test)))]
const _: () = assert!(size_of::<AtomicLamportClock<u64>>() == 24);

impl<I: NodeId> AtomicLamportClock<I> {
    /// The highest counter that a clock uses: 2^63 - 1, which also fits a signed column.
    pub const MAX: u64 = i64::MAX as u64;

    const_unless_loom! {
        /// Makes the clock of `node`, at 0, which believes any counter up to [`MAX`](Self::MAX).
        ///
        /// Use this among nodes that trust each other, [`with_horizon`](Self::with_horizon) elsewhere.
        pub const fn new(node: I) -> Self {
            Self::with_horizon(node, Self::MAX)
        }
    }

    const_unless_loom! {
        /// Makes the clock of `node`, at 0, which refuses a counter more than `horizon` ahead of its own.
        ///
        /// The horizon trades safety for tolerance, as in
        /// [`LamportClock::with_horizon`](crate::LamportClock::with_horizon).
        pub const fn with_horizon(node: I, horizon: u64) -> Self {
            Self { counter: AtomicU64::new(0), horizon, node }
        }
    }

    /// Makes the clock of `node` from a saved `counter`, with the given horizon.
    ///
    /// `None` if `counter` is above [`MAX`](Self::MAX): no clock has ever been there.
    #[must_use]
    pub fn resume(node: I, counter: u64, horizon: u64) -> Option<Self> {
        (counter <= Self::MAX).then(|| Self { counter: AtomicU64::new(counter), horizon, node })
    }

    /// Returns the node whose clock this is.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the highest counter used or observed, 0 at the start. Messages carry this counter.
    pub fn counter(&self) -> u64 {
        self.counter.load(Ordering::Acquire).min(Self::MAX)
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before, by any thread.
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] once the counter has reached [`MAX`](Self::MAX); the clock is unchanged.
    ///
    /// # Complexity
    ///
    /// One `fetch_add`.
    #[inline]
    pub fn tick(&self) -> Result<LamportTimestamp<I>, CounterExhausted> {
        let last = self.counter.fetch_add(1, Ordering::AcqRel);
        if last >= Self::MAX {
            return Err(self.exhausted());
        }
        // Never `None`, and never wraps: `last` is below MAX.
        LamportTimestamp::new(last.wrapping_add(1), self.node.clone())
            .ok_or(CounterExhausted { limit: Self::MAX })
    }

    /// Puts an overshot counter back. Everything up to `MAX` is used by then, so nothing is lost or repeated.
    #[cold]
    fn exhausted(&self) -> CounterExhausted {
        self.counter.fetch_min(Self::MAX, Ordering::AcqRel);
        CounterExhausted { limit: Self::MAX }
    }

    /// Raises the clock to a counter that came with a message; a lower one changes nothing.
    ///
    /// # Errors
    ///
    /// [`TooFarAhead`] if `counter` is above [`MAX`](Self::MAX), or more than the horizon ahead of this clock at the
    /// beginning of the call. The sender is broken or hostile, or this node was away for long. The clock is unchanged.
    ///
    /// # Complexity
    ///
    /// One load, and one `fetch_max` if the counter raises the clock.
    #[inline]
    pub fn observe(&self, counter: u64) -> Result<(), TooFarAhead<u64>> {
        let now = self.counter();
        if counter <= now {
            return Ok(());
        }
        // The clock only rises, so a counter that the horizon allows now is still allowed below.
        believe(counter, now, self.horizon)?;
        self.counter.fetch_max(counter, Ordering::AcqRel);
        Ok(())
    }
}

/// One node's hybrid clock, shared by its threads.
///
/// It is [`HybridClock`](crate::HybridClock) with `&self`: the same limits, the same errors.
/// Targets without 64-bit atomics have this type only with the feature `portable-atomic`.
///
/// # State that must survive a restart
///
/// The [`time`](Self::time), as for [`HybridClock`](crate::HybridClock).
///
/// # Examples
///
/// ```
/// use happens_before::scalar::AtomicHybridClock;
///
/// static CLOCK: AtomicHybridClock<u16> = AtomicHybridClock::new(7, 500);
///
/// let x = CLOCK.tick(10_000)?;
/// CLOCK.observe(x.time(), 10_000)?; // nothing new
/// assert_eq!(CLOCK.tick(10_000)?.to_string(), "(10000+1, 7)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AtomicHybridClock<I> {
    /// Always a valid `HybridTime`: only believed times and results of `next` are stored.
    last: AtomicU64,
    max_drift_ms: u64,
    max_leap_ms: u64,
    node: I,
}

#[cfg(not(all(loom, test)))]
const _: () = assert!(size_of::<AtomicHybridClock<u64>>() == 32);

impl<I: NodeId> AtomicHybridClock<I> {
    const_unless_loom! {
        /// Makes the clock of `node`, at [`ZERO`](HybridTime::ZERO), which refuses a time more than `max_drift_ms`
        /// ahead of its wall clock.
        ///
        /// [`HybridClock::new`](crate::HybridClock::new) explains how to choose the bound.
        pub const fn new(node: I, max_drift_ms: u64) -> Self {
            Self::resume(node, HybridTime::ZERO, max_drift_ms)
        }
    }

    const_unless_loom! {
        /// Makes the clock of `node` from a saved time `last`, with the given drift bound.
        pub const fn resume(node: I, last: HybridTime, max_drift_ms: u64) -> Self {
            Self { last: AtomicU64::new(last.to_bits()), max_drift_ms, max_leap_ms: u64::MAX, node }
        }
    }

    /// Sets a bound on leaps of the node's own wall clock, as
    /// [`HybridClock::with_max_leap_ms`](crate::HybridClock::with_max_leap_ms) does; there is none by default.
    ///
    /// ```
    /// use happens_before::scalar::{AtomicHybridClock, TickError};
    ///
    /// static CLOCK: AtomicHybridClock<u16> = AtomicHybridClock::new(7, 500).with_max_leap_ms(60_000);
    ///
    /// CLOCK.tick(10_000)?;
    /// assert!(matches!(CLOCK.tick(4_070_908_800_000), Err(TickError::LeaptAhead { .. })));
    /// assert_eq!(CLOCK.time().ms(), 10_000);
    /// # Ok::<(), TickError>(())
    /// ```
    #[must_use]
    pub const fn with_max_leap_ms(mut self, max_leap_ms: u64) -> Self {
        self.max_leap_ms = max_leap_ms;
        self
    }

    /// Returns the node whose clock this is.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the drift bound in milliseconds: how far a time may be ahead of the wall clock to be believed.
    pub const fn max_drift_ms(&self) -> u64 {
        self.max_drift_ms
    }

    /// Returns the bound on leaps of the node's own wall clock in milliseconds; `u64::MAX` if there is none.
    pub const fn max_leap_ms(&self) -> u64 {
        self.max_leap_ms
    }

    /// Returns the highest time used or observed, [`ZERO`](HybridTime::ZERO) at the start. Messages carry this time.
    pub fn time(&self) -> HybridTime {
        HybridTime::from_stored(self.last.load(Ordering::Acquire))
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before, by any thread.
    ///
    /// `now` is the wall clock, or its reading in milliseconds. It is read once.
    ///
    /// # Errors
    ///
    /// [`TickError`]. The clock is unchanged. Either no time is left above the last one, or the wall clock is above
    /// [`MAX_MS`](HybridTime::MAX_MS) or has [leapt ahead](Self::with_max_leap_ms).
    ///
    /// # Complexity
    ///
    /// One compare-and-swap, and another for each thread that got in between. Some thread always succeeds.
    #[inline]
    pub fn tick(&self, now: impl TimeSource) -> Result<HybridTimestamp<I>, TickError> {
        let now_ms = now.now_ms();
        self.raise(|last| last.next(now_ms, self.max_leap_ms))
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before, by any thread, and
    /// above `reading`: see [`HybridClock::tick_at`](crate::HybridClock::tick_at).
    ///
    /// # Errors
    ///
    /// Those of [`tick`](Self::tick).
    ///
    /// # Complexity
    ///
    /// That of [`tick`](Self::tick).
    #[inline]
    pub fn tick_at(&self, reading: HybridTime) -> Result<HybridTimestamp<I>, TickError> {
        self.raise(|last| last.next_above(reading, self.max_leap_ms))
    }

    /// Raises the clock to the time that `next` makes from the last one.
    #[inline]
    fn raise(
        &self,
        next: impl Fn(HybridTime) -> Result<HybridTime, TickError>,
    ) -> Result<HybridTimestamp<I>, TickError> {
        let mut last = self.last.load(Ordering::Acquire);
        loop {
            let next = next(HybridTime::from_stored(last))?;
            match self.last.compare_exchange_weak(last, next.to_bits(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(HybridTimestamp::new(next, self.node.clone())),
                Err(changed) => last = changed,
            }
        }
    }

    /// Raises the clock to a time that came with a message; a lower one changes nothing.
    ///
    /// `now` is the wall clock, or its reading in milliseconds.
    ///
    /// # Errors
    ///
    /// [`TooFarAhead`] if `time` is above the clock at the beginning of the call, and further ahead of the wall clock
    /// than the drift bound. The clock is unchanged. One of the two wall clocks is wrong, or the sender is hostile.
    ///
    /// # Complexity
    ///
    /// One load, and one `fetch_max` if the time raises the clock.
    #[inline]
    pub fn observe(&self, time: HybridTime, now: impl TimeSource) -> Result<(), TooFarAhead<HybridTime>> {
        let last = self.time();
        if time <= last {
            return Ok(());
        }
        last.believe(time, now.now_ms(), self.max_drift_ms)?;
        self.last.fetch_max(time.to_bits(), Ordering::AcqRel);
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    const MAX: u64 = AtomicLamportClock::<u8>::MAX;

    #[test]
    fn the_last_counter_is_issued_once_and_readers_never_see_more() {
        let clock = AtomicLamportClock::resume(1_u8, MAX - 1_000, MAX).unwrap();
        let issued: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut issued = Vec::new();
                        for _ in 0..1_000 {
                            assert!(clock.counter() <= MAX);
                            match clock.tick() {
                                Ok(timestamp) => issued.push(timestamp.counter()),
                                Err(error) => assert_eq!(error, CounterExhausted { limit: MAX }),
                            }
                        }
                        issued
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for one_thread in &issued {
            assert!(one_thread.is_sorted_by(|x, y| x < y), "one thread's counters increase");
        }
        let mut all: Vec<u64> = issued.concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(MAX - 999..=MAX), "each of the last thousand once");
        assert_eq!(clock.counter.load(Ordering::Relaxed), MAX, "the overshoot is put back");
        assert_eq!(clock.tick(), Err(CounterExhausted { limit: MAX }));
        assert_eq!(clock.counter(), MAX);
    }

    #[test]
    fn what_is_beyond_the_horizon_is_refused_and_changes_nothing() {
        let clock = AtomicLamportClock::resume(1_u8, 100, 10).unwrap();
        for claimed in [111, MAX, MAX + 1, u64::MAX] {
            assert_eq!(clock.observe(claimed), Err(TooFarAhead { claimed, limit: 110 }));
            assert_eq!(clock.counter(), 100);
        }
        clock.observe(110).unwrap();
        clock.observe(7).unwrap();
        assert_eq!(clock.counter(), 110);
        assert!(AtomicLamportClock::resume(1_u8, MAX + 1, 1).is_none());
        assert_eq!(AtomicLamportClock::new(1_u8).observe(MAX + 1).unwrap_err().limit, MAX);
    }

    #[test]
    fn an_overshoot_is_not_observed_as_a_counter() {
        // Simulates another thread in the middle of a failing tick.
        let clock = AtomicLamportClock::resume(1_u8, MAX, MAX).unwrap();
        clock.counter.store(MAX + 1, Ordering::Relaxed);
        assert_eq!(clock.counter(), MAX);
        assert_eq!(clock.observe(MAX + 1), Err(TooFarAhead { claimed: MAX + 1, limit: MAX }));
        assert!(clock.tick().is_err());
    }

    #[test]
    fn restarted_at_every_step_no_counter_is_issued_twice() {
        let (mut saved, mut last) = (0, 0);
        for step in 0..1_000_u64 {
            let clock = AtomicLamportClock::resume(1_u8, saved, 50).unwrap();
            if step % 3 == 0 {
                clock.observe(saved + step % 50).unwrap();
            } else {
                let issued = clock.tick().unwrap().counter();
                assert!(issued > last, "{issued} after {last}");
                last = issued;
            }
            saved = clock.counter();
        }
    }

    #[test]
    fn one_thread_cannot_tell_the_shared_clocks_from_the_owned_ones() {
        let mut lamport = crate::LamportClock::with_horizon(1_u8, 9);
        let shared_lamport = AtomicLamportClock::with_horizon(1_u8, 9);
        let mut hybrid = crate::HybridClock::new(1_u8, 9).with_max_leap_ms(40);
        let shared_hybrid = AtomicHybridClock::new(1_u8, 9).with_max_leap_ms(40);
        assert_eq!((shared_hybrid.max_drift_ms(), shared_hybrid.max_leap_ms()), (9, 40));
        let (mut random, mut refused, mut leapt) = (1_u64, 0, 0);
        for _ in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (coin, jump, now) = (random >> 63, random >> 32 & 15, 100 + (random >> 40 & 63));
            if coin == 0 {
                assert_eq!(lamport.tick(), shared_lamport.tick());
                let wall_clock = if random >> 20 & 31 == 0 { 1_000 } else { now };
                let outcome = hybrid.tick(wall_clock);
                assert_eq!(outcome, shared_hybrid.tick(wall_clock));
                leapt += usize::from(outcome.is_err());
                let reading = HybridTime::new(now, 9).unwrap();
                assert_eq!(hybrid.tick_at(reading), shared_hybrid.tick_at(reading));
            } else {
                let counter = lamport.counter() + jump;
                assert_eq!(lamport.observe(counter), shared_lamport.observe(counter));
                let time = HybridTime::new(hybrid.time().ms() + jump, 3).unwrap();
                let outcome = hybrid.observe(time, now);
                assert_eq!(outcome, shared_hybrid.observe(time, now));
                refused += usize::from(outcome.is_err());
            }
            assert_eq!(lamport.counter(), shared_lamport.counter());
            assert_eq!(hybrid.time(), shared_hybrid.time());
        }
        assert!(refused > 500, "refusals were compared too: {refused}");
        assert!(leapt > 50, "leaps were compared too: {leapt}");
    }

    #[test]
    fn threads_on_a_wall_clock_that_jumps_get_each_time_once_and_in_order() {
        let clock = AtomicHybridClock::new(1_u8, u64::MAX);
        let issued: Vec<Vec<HybridTime>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|thread| {
                    let clock = &clock;
                    scope.spawn(move || {
                        (0..5_000_u64)
                            .map(|step| {
                                let now = 1_000 + step / 500 + (step * 7 + thread) % 3;
                                if step % 10 == 0 {
                                    let far = HybridTime::new(now + 1, 7).unwrap();
                                    clock.observe(far, now).unwrap();
                                    let time = clock.tick(now).unwrap().time();
                                    assert!(time > far, "what was observed is below");
                                    return time;
                                }
                                let time = clock.tick(now).unwrap().time();
                                assert!(time.ms() >= now);
                                time
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for one_thread in &issued {
            assert!(one_thread.is_sorted_by(|x, y| x < y), "one thread's times increase");
        }
        let mut all: Vec<HybridTime> = issued.concat();
        all.sort_unstable();
        assert!(all.is_sorted_by(|x, y| x < y), "no time twice");
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn the_last_time_is_issued_once_and_a_broken_wall_clock_changes_nothing() {
        let before_last = HybridTime::from_bits(HybridTime::MAX.to_bits() - 1).unwrap();
        let clock = AtomicHybridClock::resume(1_u8, before_last, 5);
        let now_ms = u64::MAX;
        assert_eq!(clock.tick(now_ms), Err(TickError::Exhausted { clock: before_last, now_ms }));
        assert_eq!(clock.time(), before_last);
        assert_eq!(clock.observe(HybridTime::MAX, 9).unwrap_err().limit, before_last);
        assert_eq!(clock.time(), before_last);
        assert_eq!(clock.tick(0).unwrap().time(), HybridTime::MAX);
        assert!(clock.tick(0).is_err());
        assert_eq!(clock.time(), HybridTime::MAX);
    }

    #[test]
    fn the_shared_clocks_can_be_statics_and_cross_threads() {
        static LAMPORT: AtomicLamportClock<u16> = AtomicLamportClock::with_horizon(1, 10);
        static HYBRID: AtomicHybridClock<u16> = AtomicHybridClock::resume(1, HybridTime::ZERO, 10);
        assert!(LAMPORT.tick().is_ok() && HYBRID.tick(1).is_ok());
    }
}
