//! The two steps of the algorithm: the next time, and the check of a claimed time.

use super::time::HybridTime;
use crate::scalar::{TickError, TooFarAhead};

impl HybridTime {
    /// Returns the next time at a node whose wall clock shows `now_ms`.
    ///
    /// This is the whole of a tick. A maximum replaces the paper's case distinction because "one more" carries: if the
    /// wall clock is ahead, its time with logical 0 is at least one more than the last.
    #[inline]
    pub(in crate::scalar) const fn next(self, now_ms: u64, max_leap_ms: u64) -> Result<Self, TickError> {
        if now_ms > Self::MAX_MS || self.0 >= Self::MAX.0 {
            return Err(TickError::Exhausted { clock: self, now_ms });
        }
        // No overflow: both are at most 2^63 - 1 by the check above, which is HC2.
        let (one_more, wall_clock) = (self.0 + 1, now_ms << Self::LOGICAL_BITS);
        if wall_clock <= one_more {
            return Ok(Self(one_more));
        }
        match self.check_leap(now_ms, max_leap_ms) {
            Ok(()) => Ok(Self(wall_clock)),
            Err(error) => Err(error),
        }
    }

    /// Returns the next time at a node whose wall clock shows `reading`: one more than the higher of the two.
    #[inline]
    pub(in crate::scalar) const fn next_above(
        self,
        reading: Self,
        max_leap_ms: u64,
    ) -> Result<Self, TickError> {
        let highest = if reading.0 > self.0 { reading } else { self };
        if highest.0 >= Self::MAX.0 {
            return Err(TickError::Exhausted { clock: self, now_ms: reading.ms() });
        }
        match self.check_leap(reading.ms(), max_leap_ms) {
            Ok(()) => Ok(Self(highest.0 + 1)),
            Err(error) => Err(error),
        }
    }

    /// Checks a reading of the wall clock of a node whose last time is `self`. The first reading is always believed:
    /// there is nothing to compare it with.
    #[inline]
    const fn check_leap(self, now_ms: u64, max_leap_ms: u64) -> Result<(), TickError> {
        let limit_ms = self.ms().saturating_add(max_leap_ms);
        if now_ms > limit_ms && self.0 > 0 {
            return Err(TickError::LeaptAhead { clock: self, now_ms, limit_ms });
        }
        Ok(())
    }

    /// Checks a claimed time against a clock at `self` whose wall clock shows `now_ms`.
    #[inline]
    pub(in crate::scalar) const fn believe(
        self,
        claimed: Self,
        now_ms: u64,
        max_drift_ms: u64,
    ) -> Result<(), TooFarAhead<Self>> {
        if claimed.0 > self.0 && claimed.ms() > now_ms.saturating_add(max_drift_ms) {
            return Err(self.too_far_ahead(claimed, now_ms.saturating_add(max_drift_ms)));
        }
        Ok(())
    }

    /// Makes the error for a time after `bound_ms`.
    #[cold]
    const fn too_far_ahead(self, claimed: Self, bound_ms: u64) -> TooFarAhead<Self> {
        // No overflow: the bound is below the milliseconds of a time.
        let bound = Self(bound_ms << Self::LOGICAL_BITS | u16::MAX as u64);
        TooFarAhead { claimed, limit: if self.0 > bound.0 { self } else { bound } }
    }
}
