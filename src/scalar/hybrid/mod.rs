//! The hybrid logical clock of one owner.

mod ntp;
mod source;
mod step;
mod time;
mod timestamp;

use crate::node::NodeId;
use crate::scalar::{TickError, TooFarAhead};

#[cfg(feature = "std")]
pub use source::SystemTime;
pub use source::TimeSource;
pub use time::HybridTime;
pub use timestamp::HybridTimestamp;

/// One node's hybrid clock, for one owner at a time.
///
/// For a clock that threads share, see [`AtomicHybridClock`](crate::scalar::AtomicHybridClock). There is no `Clone`:
/// two copies would issue the same timestamps.
///
/// # The problem
///
/// A time of day contradicts causality. Node A, with a clock that is 20 ms fast, writes at 12:00:00.020. Node B reads
/// that and overwrites it at 12:00:00.005 by its own clock. "Last writer wins" then keeps A's older value. A Lamport
/// counter never contradicts causality, but it says nothing about the time of day: it cannot tell which state was the
/// latest at noon.
///
/// # The algorithm
///
/// A time is the pair (milliseconds, logical): the highest time of day known so far, and a counter of events while that
/// stands still. Both sit in one `u64`, with the milliseconds in the upper bits:
///
/// ```text
///   bit 63   62 ............................. 16   15 ........... 0
///      0          milliseconds since 1970            logical
///                 (until October 6429)               (65,536 a millisecond)
/// ```
///
/// 1. A local event takes the higher of "the wall clock, logical 0" and "one more than the last":
///    [`HybridClock::tick`].
/// 2. Send the time with every message. The receiver raises its own clock to it, unless it is too far
///    ahead of its wall clock to be believed: [`HybridClock::observe`].
/// 3. Order events by time, then by node: the order of [`HybridTimestamp`].
///
/// "One more" carries from a full logical part into the milliseconds. So a clock never stops or waits when more than
/// 65,536 events fall into a millisecond. It runs ahead of the wall clock instead, by one millisecond for each further
/// 65,536 events, and is back in step once there are fewer.
///
/// `tick` therefore has no bound: while the wall clock stands still, or has gone back, each 65,536 ticks take the time
/// one millisecond further ahead. Other nodes refuse a node that is ahead by more than their drift bound, until their
/// wall clocks have caught up. With a bound of 50 ms, this takes 51 * 65,536 events at one reading.
///
/// # Guarantees
///
/// If x happened before y, then x's timestamp is lower. The converse does not hold: an event with a lower timestamp may
/// be concurrent. If the wall clocks are at most e ms apart, and nothing carries, three bounds hold as well:
///
/// - an event's milliseconds are at least its node's wall clock, and at most e above it;
/// - they are its own wall clock, or that of some event that happened before it;
/// - logical = k only if k events of the same millisecond happened before it in a row. So it stays below n (e + 1) for
///   n nodes with at most one event a millisecond each.
///
/// Two events without a message between them need not be in the order of real time. That order is certain only if they
/// lie more than e ms apart.
///
/// A wall clock that stands still or goes back does not affect the order: the clock counts on from its last time. A
/// wall clock that once leapt *ahead* takes the clock along, which stays ahead until the time of the leap is reached. A
/// restart does not help, since the timestamps are already known elsewhere. Guard against leaps where the wall clock is
/// set, or give the clock a bound: [`with_max_leap_ms`](Self::with_max_leap_ms).
///
/// # State that must survive a restart
///
/// The [`time`](Self::time). Save it before a timestamp leaves the node, in one step with the data received, and pass
/// it to [`resume`](Self::resume). Nothing need be saved where the wall clock is certain to be ahead of the last time
/// after the restart. It is not certain if the wall clock may be set back in between, or if other nodes may have taken
/// this node ahead. Then save the time, or return under a new node id.
///
/// # Examples
///
/// ```
/// use happens_before::HybridClock;
///
/// let mut clock = HybridClock::new("node 1", 500); // believes others up to 500 ms ahead
/// assert_eq!(clock.tick(10_000)?.to_string(), "(10000+0, node 1)");
/// assert_eq!(clock.tick(9_000)?.to_string(), "(10000+1, node 1)"); // the wall clock went back
///
/// let mut other = HybridClock::new("node 2", 500);
/// other.observe(clock.time(), 9_900)?; // 100 ms ahead of its own wall clock
/// assert_eq!(other.tick(9_900)?.to_string(), "(10000+2, node 2)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - HC1: a clock's time never falls, and no timestamp is issued twice.
/// - HC2: a time is at most [`HybridTime::MAX`], 2^63 - 1.
///
/// # Sources
///
/// Kulkarni, Demirbas, Madappa, Avva, Leone, *Logical Physical Clocks and Consistent Snapshots in Globally
/// Distributed Databases* (2014). Deviations:
///
/// 1. Receiving is split in two: `observe` raises the clock and issues nothing; a `tick` after it gives the
///    paper's timestamp of the receive event.
/// 2. A time beyond the drift bound is refused; the paper leaves the reaction open.
/// 3. Milliseconds, not the 48 upper bits of an NTP time, as the physical part; [`HybridTime::to_ntp64`]
///    converts.
/// 4. The carry. Without it, the times are exactly the paper's.
#[derive(Debug)]
pub struct HybridClock<I> {
    node: I,
    last: HybridTime,
    max_drift_ms: u64,
    max_leap_ms: u64,
}

const _: () = assert!(size_of::<HybridClock<u64>>() == 32);

impl<I: NodeId> HybridClock<I> {
    /// Makes the clock of `node`, at [`ZERO`](HybridTime::ZERO). It refuses a time more than `max_drift_ms` ahead of
    /// its wall clock.
    ///
    /// The bound trades tolerance for safety. A bound below the real distance of the wall clocks refuses honest nodes.
    /// With a higher one, a node with a wrong wall clock can take everyone's timestamps that far into the future.
    ///
    /// The bound is on observed times, not on the ticks that follow. At 1,000 ms with a bound of 50, the time
    /// 1050+65535 is believed and the next tick is 1051+0. Another node at 1,000 ms refuses *that* tick. So the very
    /// last time that is believed takes its receiver 1 ms beyond the bound, for 1 ms.
    pub const fn new(node: I, max_drift_ms: u64) -> Self {
        Self::resume(node, HybridTime::ZERO, max_drift_ms)
    }

    /// Makes the clock of `node` from a saved time `last`, with the given drift bound.
    ///
    /// ```
    /// use happens_before::HybridClock;
    /// use happens_before::scalar::HybridTime;
    ///
    /// let saved: u64 = HybridTime::new(10_000, 3).unwrap().to_bits();
    /// let mut clock = HybridClock::resume("a", HybridTime::from_bits(saved).unwrap(), 500);
    /// assert_eq!(clock.tick(0)?.to_string(), "(10000+4, a)"); // whatever the wall clock says
    /// # Ok::<(), happens_before::scalar::TickError>(())
    /// ```
    pub const fn resume(node: I, last: HybridTime, max_drift_ms: u64) -> Self {
        Self { node, last, max_drift_ms, max_leap_ms: u64::MAX }
    }

    /// Sets a bound on leaps of the node's own wall clock: a tick refuses a reading more than `max_leap_ms` above the
    /// last time. There is no bound by default, because a leap cannot be told from a pause in which nothing happened.
    ///
    /// Choose a bound above the longest pause between two events of the node, its own or observed ones, restarts
    /// included: an hour or a day. A bound that is too low refuses the first tick after a pause. The first reading of a
    /// new clock is always believed.
    ///
    /// The bound is not on [`observe`](Self::observe), whose time confirms the reading: it comes from another node, or
    /// from an operator who has looked. So after a pause, a message or an observed reading lets the clock go on.
    ///
    /// ```
    /// use happens_before::HybridClock;
    /// use happens_before::scalar::{HybridTime, TickError};
    ///
    /// let mut clock = HybridClock::new("a", 500).with_max_leap_ms(60_000);
    /// clock.tick(10_000)?;
    /// let year_2099 = 4_070_908_800_000;
    /// let refused = clock.tick(year_2099).unwrap_err();
    /// assert!(matches!(refused, TickError::LeaptAhead { limit_ms: 70_000, .. }));
    /// assert_eq!(clock.time().ms(), 10_000); // an error changes nothing
    /// assert_eq!(clock.tick(10_001)?.time().ms(), 10_001); // the wall clock was set right
    ///
    /// // An hour later, nothing has happened in between, and the wall clock is right:
    /// assert!(clock.tick(3_610_000).is_err());
    /// clock.observe(HybridTime::new(3_610_000, 0).unwrap(), 3_610_000)?;
    /// assert_eq!(clock.tick(3_610_000)?.to_string(), "(3610000+1, a)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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

    /// Returns the highest time used or observed, [`ZERO`](HybridTime::ZERO) at the start. Messages carry this time.
    pub fn time(&self) -> HybridTime {
        self.last
    }

    /// Returns the drift bound in milliseconds: how far a time may be ahead of the wall clock to be believed.
    pub const fn max_drift_ms(&self) -> u64 {
        self.max_drift_ms
    }

    /// Returns the bound on leaps of the node's own wall clock in milliseconds; `u64::MAX` if there is none.
    pub const fn max_leap_ms(&self) -> u64 {
        self.max_leap_ms
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before.
    ///
    /// `now` is the wall clock, or its reading in milliseconds. A reading finer than that may be above the timestamp,
    /// by less than a millisecond: see [`tick_at`](Self::tick_at).
    ///
    /// # Errors
    ///
    /// [`TickError`]. The clock is unchanged. Either no time is left above the last one, or the wall clock is above
    /// [`MAX_MS`](HybridTime::MAX_MS) or has [leapt ahead](Self::with_max_leap_ms).
    #[inline]
    pub fn tick(&mut self, now: impl TimeSource) -> Result<HybridTimestamp<I>, TickError> {
        self.last = self.last.next(now.now_ms(), self.max_leap_ms)?;
        Ok(HybridTimestamp::new(self.last, self.node.clone()))
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before and above `reading`, a
    /// reading of the wall clock that is finer than a millisecond.
    ///
    /// Use it where timestamps are compared with readings, for example those of a log. The part of the reading below a
    /// millisecond becomes the logical part, in steps of 15.1 ns; [`HybridTime::from_duration`] and
    /// [`HybridTime::from_unix_ntp64`] convert it. So the logical part no longer counts events, and fewer of them fit
    /// into the rest of a millisecond.
    ///
    /// # Errors
    ///
    /// Those of [`tick`](Self::tick).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime, UNIX_EPOCH};
    ///
    /// use happens_before::HybridClock;
    /// use happens_before::scalar::HybridTime;
    ///
    /// let mut clock = HybridClock::new("a", 500);
    /// let before = Duration::new(1_700_000_000, 123_456_789);
    /// let timestamp = clock.tick_at(HybridTime::from_duration(before).unwrap())?;
    /// assert!(timestamp.time().to_duration() > before);
    ///
    /// let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    /// assert!(clock.tick_at(HybridTime::from_duration(now).unwrap())?.time().to_duration() > now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn tick_at(&mut self, reading: HybridTime) -> Result<HybridTimestamp<I>, TickError> {
        self.last = self.last.next_above(reading, self.max_leap_ms)?;
        Ok(HybridTimestamp::new(self.last, self.node.clone()))
    }

    /// Raises the clock to a time that came with a message; a lower one changes nothing.
    ///
    /// `now` is the wall clock, or its reading in milliseconds.
    ///
    /// # Errors
    ///
    /// [`TooFarAhead`] if `time` would raise the clock and is further ahead of the wall clock than the drift bound. The
    /// clock is unchanged. One of the two wall clocks is wrong, or the sender is hostile. Refuse the message too,
    /// before it takes effect. Otherwise a later write here gets a lower time, and loses against the write that it
    /// overwrote. Where messages can no longer be refused, use a [`LamportClock`](crate::LamportClock).
    #[inline]
    pub fn observe(&mut self, time: HybridTime, now: impl TimeSource) -> Result<(), TooFarAhead<HybridTime>> {
        self.last.believe(time, now.now_ms(), self.max_drift_ms)?;
        self.last = self.last.max(time);
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn time(ms: u64, logical: u16) -> HybridTime {
        HybridTime::new(ms, logical).unwrap()
    }

    #[test]
    fn the_wall_clock_leads_while_it_advances_and_the_logical_part_counts_while_it_does_not() {
        let mut clock = HybridClock::new(1_u8, 0);
        let walls = [5, 5, 5, 6, 4, 0, 6, 9];
        let want = [(5, 0), (5, 1), (5, 2), (6, 0), (6, 1), (6, 2), (6, 3), (9, 0)];
        for (wall, (ms, logical)) in walls.into_iter().zip(want) {
            assert_eq!(clock.tick(wall).unwrap().time(), time(ms, logical));
        }
    }

    #[test]
    fn the_first_tick_at_time_zero_is_above_zero() {
        assert_eq!(HybridClock::new(1_u8, 0).tick(0).unwrap().time(), time(0, 1));
    }

    #[test]
    fn receiving_gives_the_papers_timestamp_in_all_four_cases() {
        // (own, message, wall clock) and what the receive event gets.
        let cases = [
            ((9, 3), (8, 7), 10, (10, 0)), // the wall clock is ahead of both
            ((9, 3), (9, 7), 9, (9, 8)),   // both the same: the higher logical part counts on
            ((9, 7), (9, 3), 2, (9, 8)),
            ((9, 3), (8, 7), 9, (9, 4)), // own ahead
            ((8, 7), (9, 3), 9, (9, 4)), // message ahead
        ];
        for ((ms, logical), (message_ms, message_logical), wall, (want_ms, want_logical)) in cases {
            let mut clock = HybridClock::resume(1_u8, time(ms, logical), 100);
            clock.observe(time(message_ms, message_logical), wall).unwrap();
            assert_eq!(clock.tick(wall).unwrap().time(), time(want_ms, want_logical));
        }
    }

    #[test]
    fn a_full_logical_part_carries_into_the_milliseconds_and_falls_back_in_step() {
        let mut clock = HybridClock::new(1_u8, 0);
        let mut last = HybridTime::ZERO;
        for event in 0..3 * 65_536 + 10_u64 {
            let now = clock.tick(1_000).unwrap().time();
            assert!(now > last);
            assert_eq!(now.ms(), 1_000 + event / 65_536, "one ms ahead for each further 65,536 events");
            last = now;
        }
        assert_eq!(clock.tick(1_004).unwrap().time(), time(1_004, 0));
    }

    #[test]
    fn a_time_beyond_the_drift_bound_is_refused_with_both_times_and_changes_nothing() {
        let mut clock = HybridClock::resume(1_u8, time(900, 4), 50);
        for claimed in [time(1_051, 0), HybridTime::MAX] {
            let error = clock.observe(claimed, 1_000).unwrap_err();
            assert_eq!(error, TooFarAhead { claimed, limit: time(1_050, u16::MAX) });
            assert_eq!(clock.time(), time(900, 4));
        }
        clock.observe(time(1_050, u16::MAX), 1_000).unwrap();
        assert_eq!(clock.time(), time(1_050, u16::MAX));
    }

    #[test]
    fn the_last_time_that_is_believed_takes_the_next_tick_one_millisecond_beyond_the_bound() {
        let mut receiver = HybridClock::new(1_u8, 50);
        receiver.observe(time(1_050, u16::MAX), 1_000).unwrap();
        let tick = receiver.tick(1_000).unwrap().time();
        assert_eq!(tick, time(1_051, 0));
        let mut other = HybridClock::new(2_u8, 50);
        assert!(other.observe(tick, 1_000).is_err());
        other.observe(tick, 1_001).unwrap();
    }

    #[test]
    fn ticks_at_one_reading_leave_the_drift_bound_of_others_behind() {
        let (mut busy, mut other) = (HybridClock::new(1_u8, 50), HybridClock::new(2_u8, 50));
        for _ in 0..51 * 65_536 {
            busy.tick(1_000).unwrap();
        }
        assert_eq!(busy.time(), time(1_050, u16::MAX));
        other.observe(busy.time(), 1_000).unwrap();
        let beyond = busy.tick(1_000).unwrap().time();
        assert!(other.observe(beyond, 1_000).is_err());
        other.observe(beyond, 1_001).unwrap();
    }

    #[test]
    fn what_the_clock_has_passed_is_never_refused() {
        // The wall clock went far back. The other nodes are right, so they must not all be refused.
        let mut clock = HybridClock::resume(1_u8, time(10_000, 4), 50);
        clock.observe(time(10_000, 4), 3).unwrap();
        clock.observe(time(9_000, 4), 3).unwrap();
        assert_eq!(clock.time(), time(10_000, 4));
        let error = clock.observe(time(10_000, 5), 3).unwrap_err();
        assert_eq!(error.limit, time(10_000, 4), "the clock itself is ahead of the bound");
    }

    #[test]
    fn the_last_time_is_issued_once_and_then_the_clock_stays_exhausted() {
        let before_last = HybridTime::from_bits(HybridTime::MAX.to_bits() - 1).unwrap();
        let mut clock = HybridClock::resume(1_u8, before_last, u64::MAX);
        assert_eq!(clock.tick(0).unwrap().time(), HybridTime::MAX);
        for now_ms in [0, HybridTime::MAX_MS, u64::MAX] {
            assert_eq!(clock.tick(now_ms), Err(TickError::Exhausted { clock: HybridTime::MAX, now_ms }));
            assert_eq!(clock.time(), HybridTime::MAX);
        }
    }

    #[test]
    fn a_wall_clock_beyond_the_range_is_refused_and_does_not_use_up_the_clock() {
        let mut clock = HybridClock::resume(1_u8, time(7, 7), 0);
        for now_ms in [HybridTime::MAX_MS + 1, u64::MAX] {
            assert_eq!(clock.tick(now_ms), Err(TickError::Exhausted { clock: time(7, 7), now_ms }));
            assert_eq!(clock.time(), time(7, 7));
        }
        assert_eq!(clock.tick(HybridTime::MAX_MS).unwrap().time(), time(HybridTime::MAX_MS, 0));
    }

    #[test]
    fn restarted_at_every_step_with_any_wall_clock_no_timestamp_is_issued_twice() {
        let (mut saved, mut last) = (0, HybridTime::ZERO);
        for step in 0..1_000_u64 {
            let mut clock = HybridClock::resume(1_u8, HybridTime::from_bits(saved).unwrap(), 1_000);
            let now = [500, 0, 499, 2, step][step as usize % 5];
            if step % 7 == 0 {
                clock.observe(time(now + step % 3, 3), now).unwrap();
            } else {
                let issued = clock.tick(now).unwrap().time();
                assert!(issued > last, "{issued} after {last}");
                last = issued;
            }
            saved = clock.time().to_bits();
        }
    }

    #[test]
    fn a_wall_clock_that_leaps_ahead_is_refused_and_changes_nothing() {
        let mut clock = HybridClock::new(1_u8, 50).with_max_leap_ms(1_000);
        assert_eq!((clock.max_drift_ms(), clock.max_leap_ms()), (50, 1_000));
        assert_eq!(
            clock.tick(u64::from(u32::MAX)).unwrap().time().ms(),
            u64::from(u32::MAX),
            "the first reading"
        );

        let mut clock = HybridClock::resume(1_u8, time(900, 4), 50).with_max_leap_ms(1_000);
        for now_ms in [1_901, 5_000, HybridTime::MAX_MS] {
            let leapt = TickError::LeaptAhead { clock: time(900, 4), now_ms, limit_ms: 1_900 };
            assert_eq!(clock.tick(now_ms), Err(leapt));
            assert_eq!(clock.tick_at(time(now_ms, 7)), Err(leapt));
            assert_eq!(clock.time(), time(900, 4));
        }
        assert_eq!(
            clock.tick(HybridTime::MAX_MS + 1).unwrap_err(),
            TickError::Exhausted { clock: time(900, 4), now_ms: HybridTime::MAX_MS + 1 }
        );
        assert_eq!(clock.tick(1_900).unwrap().time(), time(1_900, 0));
        assert_eq!(clock.tick(3).unwrap().time(), time(1_900, 1), "a clock that goes back is no leap");

        // Another node's time confirms the reading.
        clock.observe(time(9_000, 0), 9_000).unwrap();
        assert_eq!(clock.tick(9_001).unwrap().time(), time(9_001, 0));
    }

    #[test]
    fn without_a_bound_no_reading_in_range_is_refused() {
        let mut clock = HybridClock::new(1_u8, 0);
        assert_eq!(clock.max_leap_ms(), u64::MAX);
        clock.tick(1).unwrap();
        assert_eq!(clock.tick(HybridTime::MAX_MS).unwrap().time(), time(HybridTime::MAX_MS, 0));
    }

    #[test]
    fn a_tick_at_a_fine_reading_is_above_it_and_above_the_last_time() {
        let mut clock = HybridClock::new(1_u8, 0);
        let readings = [(5, 100), (5, 90), (5, 101), (5, 65_535), (4, 0), (7, 0), (7, 0)];
        let want = [(5, 101), (5, 102), (5, 103), (6, 0), (6, 1), (7, 1), (7, 2)];
        for ((ms, sub_ms), (want_ms, want_logical)) in readings.into_iter().zip(want) {
            assert_eq!(clock.tick_at(time(ms, sub_ms)).unwrap().time(), time(want_ms, want_logical));
        }
        let mut clock = HybridClock::resume(1_u8, time(7, 7), 0);
        for _ in 0..2 {
            let exhausted = TickError::Exhausted { clock: time(7, 7), now_ms: HybridTime::MAX_MS };
            assert_eq!(clock.tick_at(HybridTime::MAX), Err(exhausted));
            assert_eq!(clock.time(), time(7, 7));
        }
    }
}
