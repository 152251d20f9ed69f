//! Errors of the scalar clocks.

use core::fmt;

use super::HybridTime;

/// A remote claims a counter or a time that is too far ahead to be believed.
///
/// The clock is unchanged. The sender is broken or hostile, one of the two wall clocks is wrong, or this node was away
/// for long. Refuse the message too, before it takes effect. If the sender is right, widen the horizon or the drift
/// bound.
///
/// `T` is `u64` for the counter of a [`LamportClock`](crate::LamportClock), and [`HybridTime`] for the time of a
/// [`HybridClock`](crate::HybridClock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooFarAhead<T> {
    /// The counter or time that the remote claims.
    pub claimed: T,
    /// The highest counter or time that would have been believed.
    pub limit: T,
}

impl fmt::Display for TooFarAhead<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "counter {} is beyond the horizon, which now ends at {}; distrust the sender, or widen the horizon",
            self.claimed, self.limit
        )
    }
}

impl fmt::Display for TooFarAhead<HybridTime> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "time {} is beyond {}, the latest that the drift bound now allows; check both wall clocks, or widen the \
             bound",
            self.claimed, self.limit
        )
    }
}

impl<T: fmt::Debug> core::error::Error for TooFarAhead<T> where Self: fmt::Display {}

/// A tick of a hybrid clock that was refused because of its own wall clock, or at the end of its range.
///
/// The clock is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickError {
    /// No time is left above the last one, or the wall clock is above the highest time.
    ///
    /// The highest milliseconds, [`HybridTime::MAX_MS`], are in the year 6429: the wall clock is wrong, or was wrong
    /// once. Set it right. If it is right, continue under a new node id with a new clock.
    Exhausted {
        /// The last time of the clock.
        clock: HybridTime,
        /// The milliseconds that the wall clock shows.
        now_ms: u64,
    },
    /// The wall clock is further above the last time than [`max_leap_ms`](crate::HybridClock::max_leap_ms) allows.
    ///
    /// Its time was set wrong, or nothing has happened here for that long. Set the wall clock right. If it is right,
    /// pass its time to [`observe`](crate::HybridClock::observe) and tick again.
    LeaptAhead {
        /// The last time of the clock.
        clock: HybridTime,
        /// The milliseconds that the wall clock shows.
        now_ms: u64,
        /// The highest reading that would have been believed.
        limit_ms: u64,
    },
}

impl fmt::Display for TickError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { clock, now_ms } => write!(
                f,
                "no time is left above {clock} at a wall clock of {now_ms} ms, where {} ms are the most; set the wall \
                 clock right or, if it is right, continue under a new node id with a new clock",
                HybridTime::MAX_MS
            ),
            Self::LeaptAhead { clock, now_ms, limit_ms } => write!(
                f,
                "the wall clock shows {now_ms} ms, where the last time, {clock}, allows {limit_ms} ms; set the wall \
                 clock right or, if it is right, observe its time and tick again"
            ),
        }
    }
}

impl core::error::Error for TickError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_errors_say_what_to_do() {
        let time = |ms, logical| HybridTime::new(ms, logical).unwrap();
        assert_eq!(
            TooFarAhead { claimed: 9_u64, limit: 5 }.to_string(),
            "counter 9 is beyond the horizon, which now ends at 5; distrust the sender, or widen the horizon"
        );
        assert_eq!(
            TooFarAhead { claimed: time(9, 1), limit: time(7, u16::MAX) }.to_string(),
            "time 9+1 is beyond 7+65535, the latest that the drift bound now allows; check both wall clocks, or \
             widen the bound"
        );
        assert_eq!(
            TickError::Exhausted { clock: time(9, 1), now_ms: 1 << 50 }.to_string(),
            "no time is left above 9+1 at a wall clock of 1125899906842624 ms, where 140737488355327 ms are the most; \
             set the wall clock right or, if it is right, continue under a new node id with a new clock"
        );
        assert_eq!(
            TickError::LeaptAhead { clock: time(9, 1), now_ms: 90_000, limit_ms: 60_009 }.to_string(),
            "the wall clock shows 90000 ms, where the last time, 9+1, allows 60009 ms; set the wall clock right or, \
             if it is right, observe its time and tick again"
        );
    }
}
