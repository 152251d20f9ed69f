//! The timestamp of a hybrid clock.

use core::fmt;
use core::str::FromStr;

use super::HybridTime;
use crate::node::{InvalidText, text};

/// A hybrid time, and the node that ticked, which breaks ties.
///
/// The order is total: by time, then by node. It extends causality but is not causality: an event that happened before
/// is lower, yet a lower one may be concurrent.
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

key_bytes!(HybridTimestamp);

impl<I: fmt::Display> fmt::Display for HybridTimestamp<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.time, self.node)
    }
}

/// The inverse of `Display`; every other text is refused.
impl<I: FromStr + fmt::Display> FromStr for HybridTimestamp<I> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "(milliseconds+logical, node)", |text| {
            let (time, node) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(", ")?;
            Some(Self { time: time.parse().ok()?, node: node.parse().ok()? })
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn time(ms: u64, logical: u16) -> HybridTime {
        HybridTime::new(ms, logical).unwrap()
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
    fn the_key_of_a_byte_array_node_is_the_scalar_and_the_array() {
        let uuid = |last| {
            let mut uuid = [7; 16];
            uuid[15] = last;
            uuid
        };
        let x = HybridTimestamp::new(time(1, 2), uuid(3));
        let key: [u8; 24] = x.to_key_bytes();
        assert_eq!(key[..8], x.time().to_key_bytes());
        assert_eq!(key[8..], uuid(3));
        assert_eq!(HybridTimestamp::<[u8; 16]>::from_key_bytes(key), Some(x));
        for y in [(0, 2, 255), (1, 1, 255), (1, 2, 2), (1, 2, 3), (1, 2, 4), (1, 3, 0), (2, 0, 0)] {
            let y = HybridTimestamp::new(time(y.0, y.1), uuid(y.2));
            assert_eq!(x.to_key_bytes().cmp(&y.to_key_bytes()), x.cmp(&y), "{y:?}");
        }
        assert_eq!(HybridTimestamp::<[u8; 4]>::from_key_bytes([0x80; 12]), None, "no time has it");
        assert_eq!(HybridTimestamp::new(time(1, 2), [9; 32]).to_key_bytes().len(), 40);
    }
}
