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

/// A hybrid clock has no time left above its last one, or the wall clock shows a time above the highest.
///
/// The clock is unchanged. The highest milliseconds, [`HybridTime::MAX_MS`], are in the year 6429: the wall clock is
/// wrong, or was wrong once. Set it right. If it is right, continue under a new node id with a new clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeExhausted {
    /// The last time of the clock.
    pub clock: HybridTime,
    /// The milliseconds that the wall clock shows.
    pub now_ms: u64,
}

impl fmt::Display for TimeExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no time is left above {} at a wall clock of {} ms, where {} ms are the most; set the wall clock right or, \
             if it is right, continue under a new node id with a new clock",
            self.clock,
            self.now_ms,
            HybridTime::MAX_MS
        )
    }
}

impl core::error::Error for TimeExhausted {}

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
            TimeExhausted { clock: time(9, 1), now_ms: 1 << 50 }.to_string(),
            "no time is left above 9+1 at a wall clock of 1125899906842624 ms, where 140737488355327 ms are the most; \
             set the wall clock right or, if it is right, continue under a new node id with a new clock"
        );
    }
}
