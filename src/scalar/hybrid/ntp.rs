//! Conversion of hybrid times to forms with a fraction of a second, and back: NTP timestamps and durations.
//!
//! In all of them a logical step takes 65 units of 2^-32 s (15.1 ns), so that 65,536 steps fit into a millisecond.

use core::time::Duration;

use super::HybridTime;

/// Exchange with systems that use NTP timestamps.
impl HybridTime {
    /// From the epoch of NTP, 1900, to that of Unix, 1970.
    const NTP_OFFSET_S: u64 = 2_208_988_800;

    /// NTP units (2^-32 s) that one logical step takes: 65 * 65,536 of them fit into a millisecond.
    const NTP_UNITS_PER_STEP: u64 = 65;

    /// Converts to the 64-bit NTP timestamp: 32 bits of seconds since 1900, modulo 2^32, and 32 bits of fraction.
    ///
    /// Exact: [`from_ntp64`](Self::from_ntp64) gives the same time back. The logical part goes into the fraction, 65
    /// units of 2^-32 s (15.1 ns) a step. So the order is kept too, within an era of NTP (until February 2036, then 136
    /// years). Others read a time up to 1 ms later than the milliseconds.
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
    /// The part below the millisecond becomes the logical part, rounded down: by less than 15.2 ns, at the end of a
    /// millisecond by less than 8.2 us. A tick after observing the result is above `ntp` again when it is converted
    /// back, so the exchange keeps causality. `None` before 1970 and after [`MAX_MS`](Self::MAX_MS).
    ///
    /// Some libraries use the same layout with seconds since 1970: see [`from_unix_ntp64`](Self::from_unix_ntp64).
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

    /// Converts to the 64-bit NTP layout with seconds since 1970 instead of 1900, modulo 2^32: the timestamps of uhlc
    /// and of other libraries.
    ///
    /// Otherwise like [`to_ntp64`](Self::to_ntp64). The first era ends in February 2106.
    ///
    /// ```
    /// use happens_before::scalar::HybridTime;
    ///
    /// let time = HybridTime::new(1_500, 1).unwrap();
    /// assert_eq!(time.to_unix_ntp64(), (1 << 32) + (1 << 31) + 65);
    /// assert_eq!(HybridTime::from_unix_ntp64(time.to_unix_ntp64(), 0), Some(time));
    /// ```
    #[must_use]
    pub const fn to_unix_ntp64(self) -> u64 {
        self.to_ntp64().wrapping_sub(Self::NTP_OFFSET_S << 32)
    }

    /// Converts from the 64-bit NTP layout with seconds since 1970, in the era that brings it nearest to `near_ms`.
    ///
    /// Otherwise like [`from_ntp64`](Self::from_ntp64).
    #[must_use]
    pub const fn from_unix_ntp64(ntp: u64, near_ms: u64) -> Option<Self> {
        Self::from_ntp64(ntp.wrapping_add(Self::NTP_OFFSET_S << 32), near_ms)
    }

    /// The lowest NTP fraction that lies in millisecond `sub_ms` (below 1,000) of its second.
    const fn ntp_fraction(sub_ms: u64) -> u64 {
        (sub_ms << 32).div_ceil(1_000)
    }
}

/// Exchange with readings that are finer than a millisecond.
impl HybridTime {
    /// Nanoseconds that 2^32 logical steps take.
    const NANOS_PER_2_32_STEPS: u64 = Self::NTP_UNITS_PER_STEP * 1_000_000_000;

    /// Converts a reading of a wall clock, such as a `Duration` since 1970; `None` above [`MAX_MS`](Self::MAX_MS).
    ///
    /// The part below the millisecond becomes the logical part, rounded down: by less than 15.2 ns, at the end of a
    /// millisecond by less than 8.2 us. [`HybridClock::tick_at`](crate::HybridClock::tick_at) makes up for it: its
    /// timestamp is above the reading.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use happens_before::scalar::HybridTime;
    ///
    /// let reading = Duration::from_nanos(1_500_000_016);
    /// assert_eq!(HybridTime::from_duration(reading), HybridTime::new(1_500, 1));
    /// assert_eq!(HybridTime::from_duration(Duration::MAX), None);
    /// ```
    #[must_use]
    pub const fn from_duration(since_1970: Duration) -> Option<Self> {
        let Some(whole_ms) = since_1970.as_secs().checked_mul(1_000) else { return None };
        let Some(ms) = whole_ms.checked_add(since_1970.subsec_millis() as u64) else { return None };
        let sub_ms = (since_1970.subsec_nanos() % 1_000_000) as u64;
        // No overflow: less than 2^20 ns.
        let steps = (sub_ms << 32) / Self::NANOS_PER_2_32_STEPS;
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        let logical = if steps < u16::MAX as u64 { steps as u16 } else { u16::MAX };
        Self::new(ms, logical)
    }

    /// Converts to a duration since 1970, rounded up to a nanosecond.
    ///
    /// Exact: [`from_duration`](Self::from_duration) gives the same time back. The order is kept.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        // No overflow: less than 2^16 steps, and less than 10^6 ns in all.
        let sub_ms = (self.logical() as u64 * Self::NANOS_PER_2_32_STEPS).div_ceil(1 << 32);
        Duration::from_millis(self.ms()).saturating_add(Duration::from_nanos(sub_ms))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::HybridClock;

    const YEAR_MS: u64 = 31_556_952_000;

    fn time(ms: u64, logical: u16) -> HybridTime {
        HybridTime::new(ms, logical).unwrap()
    }

    #[test]
    fn ntp_known_moments() {
        // 1970-01-01T00:00:00Z and 2036-02-07T06:28:16Z, the beginning of era 1.
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

    #[test]
    fn the_layout_with_seconds_since_1970_differs_by_seventy_years() {
        assert_eq!(time(0, 0).to_unix_ntp64(), 0);
        assert_eq!(time(1_700_000_000_000, 0).to_unix_ntp64(), 1_700_000_000 << 32);
        for ms in [0, 1, 999, 1_700_000_000_123, 4_294_967_295_999, 4_294_967_296_000, HybridTime::MAX_MS] {
            for logical in [0, 1, 65_535] {
                let x = time(ms, logical);
                assert_eq!(x.to_unix_ntp64().wrapping_add(2_208_988_800 << 32), x.to_ntp64());
                assert_eq!(HybridTime::from_unix_ntp64(x.to_unix_ntp64(), ms), Some(x));
            }
        }
        assert_eq!(HybridTime::from_unix_ntp64(u64::MAX, 0), None, "1969 is before 1970");
        assert_eq!(HybridTime::from_unix_ntp64(0, 4_294_967_296_000), Some(time(4_294_967_296_000, 0)), "2106");
    }

    #[test]
    fn durations_and_back_are_exact_and_keep_the_order() {
        let mut last: Option<(HybridTime, Duration)> = None;
        for ms in [0, 1, 999, 1_000, 1_700_000_000_123, HybridTime::MAX_MS] {
            for logical in (0..=u16::MAX).step_by(7).chain([u16::MAX]) {
                let x = time(ms, logical);
                let duration = x.to_duration();
                assert_eq!(HybridTime::from_duration(duration), Some(x));
                assert_eq!(u64::try_from(duration.as_millis()).unwrap(), ms, "the milliseconds stay");
                assert!(last.is_none_or(|(y, before)| y.cmp(&x) == before.cmp(&duration)));
                last = Some((x, duration));
            }
        }
        assert_eq!(HybridTime::from_duration(Duration::from_millis(HybridTime::MAX_MS + 1)), None);
        assert_eq!(HybridTime::from_duration(Duration::MAX), None);
    }

    #[test]
    fn a_tick_at_a_reading_is_above_it_in_every_form() {
        for nanos in (0..2_000_000_u32).step_by(13).chain(999_000..1_000_100) {
            let before = Duration::new(1_700_000_000, nanos);
            let reading = HybridTime::from_duration(before).unwrap();
            assert!(before - reading.to_duration().min(before) < Duration::from_nanos(8_200));
            let mut clock = HybridClock::new(1_u8, 0);
            assert!(clock.tick_at(reading).unwrap().time().to_duration() > before, "{nanos}");

            let ntp = (1_700_000_000 << 32) + u64::from(nanos) * 2_147;
            let reading = HybridTime::from_unix_ntp64(ntp, 1_700_000_000_000).unwrap();
            let mut clock = HybridClock::new(1_u8, 0);
            assert!(clock.tick_at(reading).unwrap().time().to_unix_ntp64() > ntp, "{ntp}");
        }
    }
}
