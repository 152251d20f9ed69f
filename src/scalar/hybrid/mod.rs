//! Hybrid logical clocks: Lamport timestamps that read like the time of day.
//!
//! # The problem
//!
//! A time of day contradicts causality: node A, whose clock is 20 ms fast, writes at 12:00:00.020; node B reads
//! that, writes over it at 12:00:00.005 by its own clock, and "last writer wins" keeps A's older value. A
//! Lamport counter never does that, but it says nothing about *when*: one cannot ask it for the state as of noon.
//!
//! # The algorithm
//!
//! A time is the pair (milliseconds, logical): the highest time of day known so far, and a counter for what
//! happens while that stands still. Both sit in one `u64`, milliseconds above:
//!
//! ```text
//!   bit 63   62 ............................. 16   15 ........... 0
//!      0          milliseconds since 1970            logical
//!                 (until October 6429)               (65,536 a millisecond)
//! ```
//!
//! 1. A local event takes the higher of "the wall clock, logical 0" and "one more than the last":
//!    [`HybridClock::tick`].
//! 2. Send the time with every message. Whoever receives it raises its own clock to it, unless it is too far
//!    ahead of its wall clock to be believed: [`HybridClock::observe`].
//! 3. Order events by time, then by node: the order of [`HybridTimestamp`].
//!
//! "One more" carries from a full logical part into the milliseconds. So a clock never stops because more than
//! 65,536 events fall into a millisecond, and never waits for the wall clock: it runs ahead of it instead, by one
//! millisecond for each further 65,536 events, and falls back in step as soon as there are fewer.
//!
//! `tick` therefore bounds nothing: at a wall clock that stands still, or went back, ticks take the time as far ahead as
//! there are events. Who is thus ahead by more than the drift bound of others is refused by them until their wall
//! clocks have caught up: with a bound of 50 ms, after 51 * 65,536 events at one reading.
//!
//! # What it tells you
//!
//! If x happened before y then x's timestamp is lower. The converse does not hold: a lower timestamp may be
//! concurrent. Besides, with wall clocks that are at most e ms apart and with no carry:
//!
//! - an event's milliseconds are at least its node's wall clock, and at most e above it;
//! - they are the wall clock of some event that happened before it, or its own;
//! - logical = k only if k events of the same millisecond happened before it in a row; so it stays below
//!   n (e + 1) for n nodes with at most one event a millisecond each.
//!
//! It does not tell you that two events without a message between them are in the order of real time: they are
//! only if they lie more than e apart.
//!
//! A wall clock that stands still or goes back changes nothing of the order: the clock counts on from its last
//! time. A wall clock that once leapt *ahead* takes the clock along, for as long as it was ahead; a restart does
//! not help, since the timestamps are out. Guard against that where the wall clock is set.
//!
//! # Invariants
//!
//! - V1: a clock's time never falls, and no timestamp is issued twice.
//! - V2: a time is at most [`HybridTime::MAX`], 2^63 - 1.
//!
//! # Sources
//!
//! Kulkarni, Demirbas, Madappa, Avva, Leone, *Logical Physical Clocks and Consistent Snapshots in Globally
//! Distributed Databases* (2014). Deviations:
//!
//! 1. Receiving is split in two: `observe` raises the clock and issues nothing; a `tick` after it gives the
//!    paper's timestamp of the receive event.
//! 2. A time beyond the drift bound is refused; the paper leaves the reaction open.
//! 3. Milliseconds, not the 48 upper bits of an NTP time, as the physical part; [`HybridTime::to_ntp64`]
//!    converts.
//! 4. The carry. Without it, the times are exactly the paper's.

use core::fmt;

use crate::node::NodeId;

/// A moment of hybrid time: milliseconds and a logical counter, packed so that the order of the integers is the
/// order of the times.
///
/// The order is total. It extends causality (what happened before is lower) but is not causality.
///
/// # Examples
///
/// ```
/// use happens_before::scalar::HybridTime;
///
/// let x = HybridTime::new(1_700_000_000_000, 7).unwrap();
/// let y = HybridTime::new(1_700_000_000_001, 0).unwrap();
/// assert!(x < y && x.to_bits() < y.to_bits() && x.to_key_bytes() < y.to_key_bytes());
/// assert_eq!(x.to_string(), "1700000000000+7");
/// assert_eq!(HybridTime::new(1 << 47, 0), None); // October 6429
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(u64);

const _: () = assert!(size_of::<HybridTime>() == 8);

impl HybridTime {
    /// The lowest time: 0 ms, logical 0. No tick ever returns it.
    pub const ZERO: Self = Self(0);

    /// The highest time: 2^63 - 1 as an integer, which also fits a signed column.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The highest milliseconds: 2^47 - 1 after 1970, in October 6429.
    pub const MAX_MS: u64 = Self::MAX.ms();

    const LOGICAL_BITS: u32 = u16::BITS;

    /// Makes the time (`ms`, `logical`); `None` if `ms` is above [`MAX_MS`](Self::MAX_MS).
    #[must_use]
    pub const fn new(ms: u64, logical: u16) -> Option<Self> {
        if ms > Self::MAX_MS {
            return None;
        }
        Some(Self(ms << Self::LOGICAL_BITS | logical as u64))
    }

    /// Returns the milliseconds, since 1970 if the wall clocks count so.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 >> Self::LOGICAL_BITS
    }

    /// Returns the logical counter: the events of one millisecond that led here.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the upper bits are those of the milliseconds")]
    pub const fn logical(self) -> u16 {
        self.0 as u16
    }

    /// Returns the packed form, at most 2^63 - 1.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Reads the packed form back; `None` above 2^63 - 1.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// Returns the packed form, big-endian: as a byte string it sorts as the time does.
    #[must_use]
    pub const fn to_key_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads the big-endian packed form back; `None` if no time has it.
    #[must_use]
    pub const fn from_key_bytes(key: [u8; 8]) -> Option<Self> {
        Self::from_bits(u64::from_be_bytes(key))
    }

    /// The next time at a node whose wall clock shows `now_ms`.
    ///
    /// This is all there is to a tick. It is the paper's case distinction, because "one more" carries: where the
    /// wall clock is ahead, its time with logical 0 is at least one more than the last.
    #[inline]
    pub(super) const fn next(self, now_ms: u64) -> Result<Self, TimeExhausted> {
        if now_ms > Self::MAX_MS || self.0 >= Self::MAX.0 {
            return Err(TimeExhausted { clock: self, now_ms });
        }
        // No overflow: both are at most 2^63 - 1 by the check above, which is V2.
        let (one_more, wall_clock) = (self.0 + 1, now_ms << Self::LOGICAL_BITS);
        Ok(Self(if wall_clock > one_more { wall_clock } else { one_more }))
    }

    /// Checks a claimed time against a clock at `self` whose wall clock shows `now_ms`.
    #[inline]
    pub(super) const fn believe(self, claimed: Self, now_ms: u64, max_drift_ms: u64) -> Result<(), ClockDrift> {
        if claimed.0 > self.0 && claimed.ms() > now_ms.saturating_add(max_drift_ms) {
            return Err(ClockDrift { claimed, now_ms, max_drift_ms });
        }
        Ok(())
    }
}

where_atomics! {
    impl HybridTime {
        /// The time that one of our own atomics holds: never above the maximum, since only times are stored there.
        #[inline]
        pub(super) const fn from_stored(bits: u64) -> Self {
            debug_assert!(bits <= Self::MAX.0, "V2: a time is at most 2^63 - 1");
            Self(bits)
        }
    }
}

/// Exchange with those who speak NTP.
impl HybridTime {
    /// From the epoch of NTP, 1900, to that of Unix, 1970.
    const NTP_OFFSET_S: u64 = 2_208_988_800;

    /// NTP units (2^-32 s) that one logical step takes: 65 * 65,536 of them fit into a millisecond.
    const NTP_UNITS_PER_STEP: u64 = 65;

    /// Converts to the 64-bit NTP timestamp: 32 bits of seconds since 1900, modulo 2^32, and 32 bits of fraction.
    ///
    /// Exact: [`from_ntp64`](Self::from_ntp64) gives the same time back. The logical part goes into the fraction,
    /// 65 units of 2^-32 s (15.1 ns) a step, so that within an era of NTP (until February 2036, then 136 years)
    /// the order is kept too. What others read is up to 1 ms later than the milliseconds.
    ///
    /// ```
    /// use happens_before::scalar::HybridTime;
    ///
    /// let time = HybridTime::new(1_500, 1).unwrap();
    /// assert_eq!(time.to_ntp64(), (2_208_988_801 << 32) + (1 << 31) + 65);
    /// assert_eq!(HybridTime::from_ntp64(time.to_ntp64(), 0), Some(time));
    /// ```
    #[must_use]
    pub const fn to_ntp64(self) -> u64 {
        // No overflow: ms < 2^47. The fraction stays below 2^32: ceil(999 * 2^32 / 1000) + 65 * 65,535 does.
        let seconds = self.ms() / 1_000 + Self::NTP_OFFSET_S;
        let fraction = Self::ntp_fraction(self.ms() % 1_000) + self.logical() as u64 * Self::NTP_UNITS_PER_STEP;
        // The shift drops the era.
        seconds << 32 | fraction
    }

    /// Converts from the 64-bit NTP timestamp, in the era that brings it nearest to `near_ms`, within 68 years.
    ///
    /// Rounded down, by less than 15.2 ns (and at the end of a millisecond by less than 8.2 us): what is below the
    /// millisecond becomes the logical part. A tick after observing the outcome is above `ntp` again when it is
    /// converted back, so that causality is kept through the exchange. `None` before 1970 and after
    /// [`MAX_MS`](Self::MAX_MS).
    ///
    /// Some, such as uhlc, use the same layout with seconds since 1970: add `2_208_988_800 << 32` to theirs first
    /// and take it away from ours, wrapping.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the seconds are modulo 2^32; the steps are checked")]
    pub const fn from_ntp64(ntp: u64, near_ms: u64) -> Option<Self> {
        let near_s = near_ms / 1_000 + Self::NTP_OFFSET_S;
        // The difference modulo 2^32, read as signed, leads to the nearest era.
        let ahead_s = ((ntp >> 32) as u32).wrapping_sub(near_s as u32).cast_signed();
        let Some(ntp_s) = near_s.checked_add_signed(ahead_s as i64) else { return None };
        let Some(unix_s) = ntp_s.checked_sub(Self::NTP_OFFSET_S) else { return None };
        // No overflow: unix_s is at most u64::MAX / 1000 + 2^31, which `new` would refuse anyway.
        let fraction = ntp & u32::MAX as u64;
        let sub_ms = (fraction * 1_000) >> 32;
        let steps = (fraction - Self::ntp_fraction(sub_ms)) / Self::NTP_UNITS_PER_STEP;
        let logical = if steps < u16::MAX as u64 { steps as u16 } else { u16::MAX };
        match unix_s.checked_mul(1_000) {
            // No overflow: `near_ms` is a whole number of seconds below, and 68 years of ms are far below 2^63.
            Some(ms) if ms <= Self::MAX_MS => Self::new(ms + sub_ms, logical),
            _ => None,
        }
    }

    /// The lowest NTP fraction that lies in millisecond `sub_ms` (below 1,000) of its second.
    const fn ntp_fraction(sub_ms: u64) -> u64 {
        (sub_ms << 32).div_ceil(1_000)
    }
}

impl fmt::Display for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.ms(), self.logical())
    }
}

impl fmt::Debug for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A hybrid time, and the node that ticked, which breaks ties.
///
/// The order is total: by time, then by node. It extends causality (what happened before is lower) but is not
/// causality (what is lower may be concurrent).
///
/// # Examples
///
/// ```
/// use happens_before::scalar::{HybridTime, HybridTimestamp};
///
/// let noon = HybridTime::new(43_200_000, 0).unwrap();
/// let x = HybridTimestamp::new(noon, 1_u16);
/// let y = HybridTimestamp::new(noon, 2_u16);
/// assert!(x < y && x.to_key_bytes() < y.to_key_bytes());
/// assert_eq!(x.to_string(), "(43200000+0, 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTimestamp<I> {
    time: HybridTime,
    node: I,
}

const _: () = assert!(size_of::<HybridTimestamp<u64>>() == 16);

impl<I> HybridTimestamp<I> {
    /// Makes the timestamp (`time`, `node`).
    pub const fn new(time: HybridTime, node: I) -> Self {
        Self { time, node }
    }

    /// Returns the time.
    pub fn time(&self) -> HybridTime {
        self.time
    }

    /// Returns the node that ticked.
    pub fn node(&self) -> &I {
        &self.node
    }

    fn scalar(&self) -> u64 {
        self.time.to_bits()
    }

    fn from_scalar(bits: u64, node: I) -> Option<Self> {
        HybridTime::from_bits(bits).map(|time| Self { time, node })
    }
}

key_bytes!(HybridTimestamp: u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

impl<I: fmt::Display> fmt::Display for HybridTimestamp<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.time, self.node)
    }
}

/// A source of the time of day.
///
/// A `u64` is the simplest source: the milliseconds that it says. That is how a simulation, a test or a caller who
/// has just read the time passes it on. Under `std`, [`SystemTime`] asks the operating system.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
/// use happens_before::HybridClock;
/// use happens_before::scalar::TimeSource;
///
/// /// A real-time clock chip that counts seconds.
/// struct Chip(Cell<u32>);
///
/// impl TimeSource for Chip {
///     fn now_ms(&self) -> u64 {
///         u64::from(self.0.get()) * 1_000
///     }
/// }
///
/// let mut clock = HybridClock::new("sensor 4", 5_000);
/// assert_eq!(clock.tick(&Chip(Cell::new(60)))?.time().ms(), 60_000);
/// assert_eq!(clock.tick(61_000)?.time().ms(), 61_000);
/// # Ok::<(), happens_before::scalar::TimeExhausted>(())
/// ```
pub trait TimeSource {
    /// Returns the milliseconds since 1970, or since another moment that all nodes agree on.
    ///
    /// It may stand still and go back: the clocks that use it do not.
    fn now_ms(&self) -> u64;
}

impl TimeSource for u64 {
    #[inline]
    fn now_ms(&self) -> u64 {
        *self
    }
}

impl<T: TimeSource + ?Sized> TimeSource for &T {
    #[inline]
    fn now_ms(&self) -> u64 {
        (**self).now_ms()
    }
}

/// The time of day as the operating system tells it.
///
/// A time before 1970 reads as 0.
///
/// # Examples
///
/// ```
/// use happens_before::HybridClock;
/// use happens_before::scalar::SystemTime;
///
/// let mut clock = HybridClock::new("node 1", 500);
/// let x = clock.tick(SystemTime)?;
/// let y = clock.tick(SystemTime)?;
/// assert!(x < y);
/// # Ok::<(), happens_before::scalar::TimeExhausted>(())
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTime;

#[cfg(feature = "std")]
impl TimeSource for SystemTime {
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the one place in the crate that reads a clock, for whoever passes this source"
    )]
    #[inline]
    fn now_ms(&self) -> u64 {
        // Beyond u64 it is a time that every clock refuses.
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            // Not `as_millis`, which multiplies and converts in 128 bits.
            Ok(since_1970) => {
                let seconds = since_1970.as_secs().saturating_mul(1_000);
                seconds.saturating_add(u64::from(since_1970.subsec_millis()))
            }
            Err(_before_1970) => 0,
        }
    }
}

/// One node's hybrid clock, for one owner at a time.
///
/// For one that threads share, see [`AtomicHybridClock`](crate::AtomicHybridClock). There is no `Clone`: two copies
/// would issue the same timestamps.
///
/// # What must survive a restart
///
/// The [`time`](Self::time), saved before a timestamp leaves the node and together with what was received, and
/// given to [`resume`](Self::resume). Where the wall clock is certain to be ahead of the last time by then, the
/// wall clock is enough; it is not certain if the wall clock was set back in between, or if the node had been
/// taken ahead by others. Then save it, or return under a new node id.
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
#[derive(Debug)]
pub struct HybridClock<I> {
    node: I,
    last: HybridTime,
    max_drift_ms: u64,
}

const _: () = assert!(size_of::<HybridClock<u64>>() == 24);

impl<I: NodeId> HybridClock<I> {
    /// Makes the clock of `node`, at [`ZERO`](HybridTime::ZERO), which refuses a time more than `max_drift_ms` ahead
    /// of its wall clock.
    ///
    /// The bound trades tolerance for safety: below the real distance of the wall clocks, honest nodes are refused;
    /// above it, one node with a wrong wall clock takes everyone's timestamps that far into the future.
    ///
    /// The bound is on what is observed, not on what comes of it: at 1,000 ms with a bound of 50, the time 1050+65535 is
    /// believed, the next tick is 1051+0, and a node whose wall clock reads 1,000 ms as well refuses *that*. So whoever
    /// sends the very last time that is believed takes its receiver 1 ms beyond the bound, for 1 ms.
    pub const fn new(node: I, max_drift_ms: u64) -> Self {
        Self { node, last: HybridTime::ZERO, max_drift_ms }
    }

    /// Makes the clock of `node` as it was saved: at `last`, with the given drift bound.
    ///
    /// ```
    /// use happens_before::HybridClock;
    /// use happens_before::scalar::HybridTime;
    ///
    /// let saved: u64 = HybridTime::new(10_000, 3).unwrap().to_bits();
    /// let mut clock = HybridClock::resume("a", HybridTime::from_bits(saved).unwrap(), 500);
    /// assert_eq!(clock.tick(0)?.to_string(), "(10000+4, a)"); // whatever the wall clock says
    /// # Ok::<(), happens_before::scalar::TimeExhausted>(())
    /// ```
    pub const fn resume(node: I, last: HybridTime, max_drift_ms: u64) -> Self {
        Self { node, last, max_drift_ms }
    }

    /// Returns the node whose clock this is.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the highest time used or observed so far; [`ZERO`](HybridTime::ZERO) at the start. This is what
    /// messages carry.
    pub fn time(&self) -> HybridTime {
        self.last
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before.
    ///
    /// `now` is the wall clock, or its reading in milliseconds.
    ///
    /// # Errors
    ///
    /// [`TimeExhausted`] if no time is left above the last one, or if the wall clock shows one that there is not;
    /// the clock is unchanged.
    #[inline]
    pub fn tick(&mut self, now: impl TimeSource) -> Result<HybridTimestamp<I>, TimeExhausted> {
        self.last = self.last.next(now.now_ms())?;
        Ok(HybridTimestamp { time: self.last, node: self.node.clone() })
    }

    /// Raises the clock to a time that came with a message; a lower one changes nothing.
    ///
    /// `now` is the wall clock, or its reading in milliseconds.
    ///
    /// # Errors
    ///
    /// [`ClockDrift`] if `time` would raise the clock and is further ahead of the wall clock than the drift bound;
    /// the clock is unchanged. One of the two wall clocks is wrong, or the sender is hostile. Then refuse the message too,
    /// before it takes effect: where it does, what is written here afterwards gets a lower time, and loses against what it
    /// has overwritten. Where a message can no longer be refused, take a [`LamportClock`](crate::LamportClock).
    #[inline]
    pub fn observe(&mut self, time: HybridTime, now: impl TimeSource) -> Result<(), ClockDrift> {
        self.last.believe(time, now.now_ms(), self.max_drift_ms)?;
        self.last = self.last.max(time);
        Ok(())
    }
}

/// There is no time left above a clock's last one, or the wall clock shows one that there is not.
///
/// The last milliseconds are [`HybridTime::MAX_MS`], in the year 6429: the wall clock is, or once was, wrong. The
/// clock is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeExhausted {
    /// The last timestamp of the clock.
    pub clock: HybridTime,
    /// The milliseconds that the wall clock shows.
    pub now_ms: u64,
}

impl fmt::Display for TimeExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no time above {} with a wall clock at {} ms, since {} ms are the most; set the wall clock right, \
             and if it is, continue under a new node id with a new clock",
            self.clock,
            self.now_ms,
            HybridTime::MAX_MS
        )
    }
}

impl core::error::Error for TimeExhausted {}

/// A remote claims a time further ahead of the wall clock than the drift bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockDrift {
    /// The time that the remote claims.
    pub claimed: HybridTime,
    /// The milliseconds that the wall clock here shows.
    pub now_ms: u64,
    /// How far ahead would have been believed.
    pub max_drift_ms: u64,
}

impl fmt::Display for ClockDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "time {} is more than {} ms ahead of the wall clock at {} ms; check both wall clocks, or widen the bound",
            self.claimed, self.max_drift_ms, self.now_ms
        )
    }
}

impl core::error::Error for ClockDrift {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 31_556_952_000;

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
            assert_eq!(error, ClockDrift { claimed, now_ms: 1_000, max_drift_ms: 50 });
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
        // The wall clock went back by far: others, who are right, must not all be turned away.
        let mut clock = HybridClock::resume(1_u8, time(10_000, 4), 50);
        clock.observe(time(10_000, 4), 3).unwrap();
        clock.observe(time(9_000, 4), 3).unwrap();
        assert_eq!(clock.time(), time(10_000, 4));
        assert!(clock.observe(time(10_000, 5), 3).is_err());
    }

    #[test]
    fn the_last_time_is_issued_once_and_then_the_clock_stays_exhausted() {
        let before_last = HybridTime::from_bits(HybridTime::MAX.to_bits() - 1).unwrap();
        let mut clock = HybridClock::resume(1_u8, before_last, u64::MAX);
        assert_eq!(clock.tick(0).unwrap().time(), HybridTime::MAX);
        for now_ms in [0, HybridTime::MAX_MS, u64::MAX] {
            assert_eq!(clock.tick(now_ms), Err(TimeExhausted { clock: HybridTime::MAX, now_ms }));
            assert_eq!(clock.time(), HybridTime::MAX);
        }
    }

    #[test]
    fn a_wall_clock_beyond_the_range_is_refused_and_does_not_use_up_the_clock() {
        let mut clock = HybridClock::resume(1_u8, time(7, 7), 0);
        for now_ms in [HybridTime::MAX_MS + 1, u64::MAX] {
            assert_eq!(clock.tick(now_ms), Err(TimeExhausted { clock: time(7, 7), now_ms }));
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
    fn the_packed_form_and_the_key_keep_the_order() {
        let ms = [0, 1, 255, 256, 1_700_000_000_000, HybridTime::MAX_MS];
        let logical = [0, 1, 255, 256, u16::MAX];
        let mut seen = 0;
        for (a, b) in ms.iter().flat_map(|&a| ms.map(|b| (a, b))) {
            for (c, d) in logical.iter().flat_map(|&c| logical.map(|d| (c, d))) {
                let (x, y) = (HybridTimestamp::new(time(a, c), 1_u16), HybridTimestamp::new(time(b, d), 2_u16));
                assert_eq!((x.time().ms(), x.time().logical()), (a, c));
                let order = (a, c, 1).cmp(&(b, d, 2));
                assert_eq!(x.cmp(&y), order);
                assert_eq!(x.to_key_bytes().cmp(&y.to_key_bytes()), order);
                assert_eq!(x.time().to_key_bytes().cmp(&y.time().to_key_bytes()), (a, c).cmp(&(b, d)));
                assert_eq!(HybridTimestamp::<u16>::from_key_bytes(x.to_key_bytes()), Some(x));
                assert_eq!(HybridTime::from_key_bytes(x.time().to_key_bytes()), Some(x.time()));
                seen += 1;
            }
        }
        assert_eq!(seen, 900);
        assert_eq!(HybridTime::from_bits(1 << 63), None);
        let signed =
            [i32::MIN, -1, 0, i32::MAX].map(|node| HybridTimestamp::new(HybridTime::MAX, node).to_key_bytes());
        assert!(signed.is_sorted_by(|x, y| x < y));
        assert_eq!(HybridTime::from_key_bytes([0xFF; 8]), None);
        assert_eq!(HybridTimestamp::<u8>::from_key_bytes([0x80, 0, 0, 0, 0, 0, 0, 0, 1]), None);
        assert_eq!(HybridTime::new(HybridTime::MAX_MS, u16::MAX), Some(HybridTime::MAX));
    }

    #[test]
    fn ntp_known_moments() {
        // 1970-01-01T00:00:00Z and 2036-02-07T06:28:16Z, the begin of era 1.
        assert_eq!(time(0, 0).to_ntp64(), 0x83AA_7E80_0000_0000);
        assert_eq!(time(2_085_978_496_000, 0).to_ntp64(), 0);
        assert_eq!(HybridTime::from_ntp64(0, 2_000_000_000_000), Some(time(2_085_978_496_000, 0)));
        assert_eq!(HybridTime::from_ntp64(1 << 63, 0), None, "1968 is before 1970");
        assert_eq!(
            HybridTime::from_ntp64(u64::MAX, 2_000_000_000_000),
            Some(time(2_085_978_495_999, u16::MAX))
        );
        assert_eq!(HybridTime::from_ntp64(5, u64::MAX), None, "beyond the year 6429");
        let end = HybridTime::MAX.to_ntp64();
        assert_eq!(HybridTime::from_ntp64(end, HybridTime::MAX_MS), Some(HybridTime::MAX));
        assert_eq!(HybridTime::from_ntp64(end + (1 << 24), HybridTime::MAX_MS), None);
    }

    #[test]
    fn ntp_and_back_is_exact_in_every_era_and_keeps_the_order() {
        let mut last: Option<HybridTime> = None;
        let mut seen = 0;
        for year in (0..4_400).step_by(37) {
            for sub_ms in (0..1_000).step_by(9).chain([1, 2, 998, 999]) {
                for logical in [0, 1, 2, 32_767, 65_534, 65_535] {
                    let x = time(year * YEAR_MS + sub_ms, logical);
                    let ntp = x.to_ntp64();
                    for near_ms in [x.ms(), x.ms() + 67 * YEAR_MS, x.ms().saturating_sub(67 * YEAR_MS)] {
                        assert_eq!(HybridTime::from_ntp64(ntp, near_ms), Some(x), "{x} near {near_ms}");
                    }
                    if let Some(last) = last.filter(|last| last.ms() / 1_000 == x.ms() / 1_000) {
                        assert_eq!(last.to_ntp64().cmp(&ntp), last.cmp(&x), "{last} {x}");
                    }
                    last = Some(x);
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 119 * 116 * 6);
    }

    #[test]
    fn a_tick_after_observing_an_ntp_time_is_above_it_when_converted_back() {
        let second = 0x83AA_7E80_u64 << 32;
        let mut clipped = 0;
        // Fractions all over the second, dense around the ends of milliseconds.
        for fraction in (0..1 << 32)
            .step_by(1_000_003)
            .chain((1..1_000_u64).flat_map(|ms| (0..200).map(move |i| (ms << 32) / 1_000 - 100 + i)))
        {
            let ntp = second + fraction;
            let observed = HybridTime::from_ntp64(ntp, 0).unwrap();
            let lost = ntp - observed.to_ntp64();
            assert!(lost < 35_200, "less than 8.2 us: {lost}");
            clipped += u64::from(lost >= 65);
            let mut clock = HybridClock::new(1_u8, u64::MAX);
            clock.observe(observed, 0).unwrap();
            assert!(clock.tick(0).unwrap().time().to_ntp64() > ntp, "{fraction}");
        }
        assert!(clipped > 10_000, "the case at the end of a millisecond was seen: {clipped}");
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_system_time_is_after_2020_and_before_the_end_of_the_range() {
        let now = SystemTime.now_ms();
        assert!(now > 50 * YEAR_MS && now < HybridTime::MAX_MS);
    }

    #[test]
    fn the_errors_say_what_to_do() {
        use std::string::ToString;
        assert_eq!(
            ClockDrift { claimed: time(9, 1), now_ms: 2, max_drift_ms: 5 }.to_string(),
            "time 9+1 is more than 5 ms ahead of the wall clock at 2 ms; check both wall clocks, or widen the bound"
        );
        assert_eq!(
            TimeExhausted { clock: time(9, 1), now_ms: 1 << 50 }.to_string(),
            "no time above 9+1 with a wall clock at 1125899906842624 ms, since 140737488355327 ms are the most; \
             set the wall clock right, and if it is, continue under a new node id with a new clock"
        );
    }
}
