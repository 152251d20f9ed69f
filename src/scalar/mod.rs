//! Clocks whose state fits in a register, and whose timestamps are totally ordered.
//!
//! A scalar timestamp respects causality in one direction only: if x happened before y, then x has the lower timestamp.
//! The converse does not hold: timestamps cannot tell concurrent events from ordered ones.
//! [`VersionVector`](crate::VersionVector) can.
//!
//! | | one owner | shared by threads |
//! |---|---|---|
//! | counts events | [`LamportClock`](crate::LamportClock) | [`AtomicLamportClock`] |
//! | stays close to the time of day | [`HybridClock`](crate::HybridClock) | [`AtomicHybridClock`] |
//!
//! A shared clock is one atomic word, without a lock. Threads also see each other's memory in the order of the clock:
//! the thread of a later tick sees everything that the thread of an earlier tick did before that tick. So the causes of
//! an event have lower timestamps *and* are visible.
//!
//! The shared clocks need 64-bit atomics. A target that has none gets them with the feature `portable-atomic`;
//! without it, the shared clocks are left out there.

/// Gives a timestamp its fixed-width, order-preserving bytes, for nodes that are integers or byte arrays.
macro_rules! key_bytes {
    ($timestamp:ident) => {
        key_bytes! {
            $timestamp, integers: u8 u16 u32 u64 u128 i8 i16 i32 i64 i128, arrays: 4 6 8 12 16 20 24 32 48 64
        }
    };
    ($timestamp:ident, integers: $($id:ident)+, arrays: $($len:literal)+) => {
        $(key_bytes! {
            $timestamp<$id>, size_of::<$id>(),
            // `MIN` is 0 or the sign bit.
            |node| (node ^ $id::MIN).to_be_bytes(),
            |bytes| $id::from_be_bytes(bytes) ^ $id::MIN,
            "The sign bit of a signed node is flipped, so that negative nodes sort first."
        })+
        $(key_bytes! {
            $timestamp<[u8; $len]>, $len, |node| node, |bytes| bytes,
            "A node that is a byte array goes in as it is, if it has the length of a common id: 4, 6, 8, 12, 16, 20, \
             24, 32, 48 or 64 bytes."
        })+
    };
    ($timestamp:ident<$id:ty>, $len:expr, |$node:ident| $to:expr, |$bytes:ident| $from:expr, $doc:literal) => {
        impl $timestamp<$id> {
            /// Returns the fixed-width sort key of the timestamp: the scalar, then the node, both big-endian.
            #[doc = $doc]
            ///
            /// As byte strings, keys sort as the timestamps do. So the bytes can be a key in an ordered store, or the
            /// end of one.
            #[must_use]
            pub fn to_key_bytes(&self) -> [u8; 8 + $len] {
                let mut key = [0; 8 + $len];
                // Cannot panic: 8 is at most the length, and each half has the length of its source.
                let (scalar, bytes) = key.split_at_mut(8);
                scalar.copy_from_slice(&self.scalar().to_be_bytes());
                let $node = *self.node();
                bytes.copy_from_slice(&$to);
                key
            }

            /// Reads a sort key back; `None` if no timestamp has it.
            #[must_use]
            pub fn from_key_bytes(key: [u8; 8 + $len]) -> Option<Self> {
                let (scalar, node) = key.split_first_chunk::<8>()?;
                let $bytes = node.try_into().ok()?;
                Self::from_scalar(u64::from_be_bytes(*scalar), $from)
            }
        }
    };
}

#[cfg(any(all(target_has_atomic = "64", not(happens_before_without_atomics)), feature = "portable-atomic"))]
mod atomic;
mod error;
pub(crate) mod hybrid;
pub(crate) mod lamport;

where_atomics! {
    pub use atomic::{AtomicHybridClock, AtomicLamportClock};
}
pub use error::{TickError, TooFarAhead};
#[cfg(feature = "std")]
pub use hybrid::SystemTime;
pub use hybrid::{HybridTime, HybridTimestamp, TimeSource};
pub use lamport::LamportTimestamp;
