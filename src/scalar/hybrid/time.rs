//! Hybrid time: milliseconds and a logical counter in one integer.

use core::fmt;

use crate::scalar::{TimeExhausted, TooFarAhead};

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
    pub(in crate::scalar) const fn next(self, now_ms: u64) -> Result<Self, TimeExhausted> {
        if now_ms > Self::MAX_MS || self.0 >= Self::MAX.0 {
            return Err(TimeExhausted { clock: self, now_ms });
        }
        // No overflow: both are at most 2^63 - 1 by the check above, which is HC2.
        let (one_more, wall_clock) = (self.0 + 1, now_ms << Self::LOGICAL_BITS);
        Ok(Self(if wall_clock > one_more { wall_clock } else { one_more }))
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

where_atomics! {
    impl HybridTime {
        /// The time that one of our own atomics holds: never above the maximum, since only times are stored there.
        #[inline]
        pub(in crate::scalar) const fn from_stored(bits: u64) -> Self {
            debug_assert!(bits <= Self::MAX.0, "HC2: a time is at most 2^63 - 1");
            Self(bits)
        }
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
