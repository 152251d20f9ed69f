//! Hybrid time: milliseconds and a logical counter in one integer.

use core::fmt;
use core::str::FromStr;

use crate::node::{InvalidText, text};

/// A moment of hybrid time: milliseconds and a logical counter, packed so that the order of the integers is the
/// order of the times.
///
/// The order is total. It extends causality but is not causality: an event that happened before is lower, yet a lower
/// one may be concurrent.
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
/// assert_eq!("1700000000000+7".parse(), Ok(x));
/// assert_eq!(HybridTime::new(1 << 47, 0), None); // October 6429
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(pub(super) u64);

const _: () = assert!(size_of::<HybridTime>() == 8);

impl HybridTime {
    /// The lowest time: 0 ms, logical 0. No tick ever returns it.
    pub const ZERO: Self = Self(0);

    /// The highest time: 2^63 - 1 as an integer, which also fits a signed column.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The highest milliseconds: 2^47 - 1 after 1970, in October 6429.
    pub const MAX_MS: u64 = Self::MAX.ms();

    pub(super) const LOGICAL_BITS: u32 = u16::BITS;

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

    /// Returns the logical counter, which counts the events within one millisecond.
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
}

where_atomics! {
    impl HybridTime {
        /// Makes the time that one of our own atomics holds. It is never above the maximum, since only times are stored
        /// there.
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

/// The inverse of `Display`; every other text is refused.
impl FromStr for HybridTime {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "milliseconds+logical", |text| {
            let (ms, logical) = text.split_once('+')?;
            Self::new(ms.parse().ok()?, logical.parse().ok()?)
        })
    }
}

impl fmt::Debug for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
