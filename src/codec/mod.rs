//! A compact binary format with exactly one form for each value.
//!
//! # The problem
//!
//! Every message carries a clock, so a byte more in the clock is a byte more in every message. The bytes also come from
//! outside, where three things go wrong. Two encodings of one value break hashes, signatures and deduplication. A
//! length that is believed before the bytes have arrived fills the memory. An unsorted entry, or one with counter 0,
//! makes comparisons contradict each other.
//!
//! # Use
//!
//! - [`encode`] and [`decode`] are for whole values.
//! - [`Encode`] and [`Decode`], with a [`Writer`] and a [`Reader`], are for values inside a packet.
//! - [`encode_delta`] is for a vector, sent to a receiver that has an older state of it.
//!
//! [`Dot`], [`DotRange`], [`LamportTimestamp`], [`HybridTimestamp`], [`CausalOrder`], [`VersionVector`],
//! [`FixedVector`] and [`CausalContext`](crate::CausalContext) have a form, and so have [ids](EncodeId) themselves.
//! [`delivery`](crate::delivery) adds those of a message's header and of a node's snapshot.
//! [`broadcast`](crate::broadcast) adds positions, fencing tokens, and snapshots of subscribers.
//! [Your own values](Encode) can be written in the same way.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use happens_before::{codec, VersionVector};
//! use happens_before::codec::DecodeErrorKind;
//!
//! let vector = VersionVector::from_iter([(1_u64, 5), (2, 9), (3, 2)]);
//! let mut bytes = Vec::new();
//! codec::encode(&vector, &mut bytes);
//! assert_eq!(bytes.len(), 5); // less than two bytes an entry
//! assert_eq!(codec::decode(&bytes), Ok(vector));
//!
//! let error = codec::decode::<VersionVector<u64>>(&bytes[..4]).unwrap_err();
//! assert_eq!((error.at, error.kind), (4, DecodeErrorKind::Truncated));
//! # }
//! ```
//!
//! # Guarantees
//!
//! - CD1: equal values have equal bytes, and every other string of bytes is refused: `encode(decode(b)) == b`.
//! - CD2: memory is in proportion to the bytes present and to the entries that the reader accepts; none is reserved for
//!   a claimed length.
//! - CD3: an error names the byte and the fault.
//! - CD4: every later version reads the bytes of this one, except deltas, which nobody keeps. `tests/golden/codec.txt`
//!   checks that.
//!
//! The bytes do not name their type: the reader must know it, and the type of the ids as well.
//!
//! # Limits
//!
//! A [`Reader`] has one budget of entries for everything that it reads, nested values included. A reader with a limit
//! of n accepts a value of n entries. One with a lower limit refuses it with
//! [`TooManyEntries`](DecodeErrorKind::TooManyEntries), before memory is allocated for it. [`Reader::new`], which
//! [`decode`] uses for bytes, accepts one entry for each byte and [`Reader::DEFAULT_ENTRIES`] more.
//! [`Reader::with_limit`] sets another limit.
//!
//! Each entry counted and each byte read takes at most this many bytes of memory, with ids of type `u64` on a 64-bit
//! machine:
//!
//! | value | entries | held | at the peak |
//! |---|---|---|---|
//! | dot, range, timestamp, position, token, order | none | 1, for the id | 1 |
//! | fixed vector | none | 8 for each of its nodes, on the stack | 8 |
//! | version vector | one a node | 16 | 24 |
//! | causal context | one a node, one a node with gaps, one a gap | 40 | 40 |
//! | message header | one a dependency | 32 | 64 |
//! | delta | one for each entry that has grown or is new | 16, and a copy of the base | 56, also for the base |
//! | snapshot of a node | up to [`BufferLimits::nodes`](crate::delivery::BufferLimits::nodes) for each vector and each header | what its limits allow | one header more |
//! | snapshot of a subscriber | one a node, one a skipped slot | 16 | 24 |
//! | packet of an [`Endpoint`](crate::Endpoint) | up to [`EndpointConfig::nodes`](crate::endpoint::EndpointConfig::nodes) for each vector and each header | what the endpoint keeps | two vectors and one header more |
//! | snapshot of an endpoint | the same | what the endpoint keeps | a vector for each member, and one header, more |
//!
//! Other types of ids take their own size: a `String` takes 24 bytes, and the bytes of the text. Serde's forms have no
//! budget: each of their entries takes at least a byte of input. `tests/memory.rs` measures all of this with hostile
//! inputs.
//!
#![doc = include_str!("FORMAT.md")]

mod bytes;
#[cfg(feature = "alloc")]
mod column;
#[cfg(feature = "alloc")]
mod context;
#[cfg(feature = "alloc")]
mod delta;
#[cfg(feature = "alloc")]
mod entries;
mod error;
mod form;
mod id;
#[cfg(feature = "alloc")]
mod interval_tree;
#[cfg(feature = "alloc")]
mod siblings;

pub use bytes::{Reader, Writer};
#[cfg(feature = "alloc")]
pub use delta::{decode_delta, encode_delta};
pub use error::{BufferTooSmall, DecodeError, DecodeErrorKind};
pub use form::Form;
pub use id::{DecodeId, EncodeId};

#[cfg(feature = "alloc")]
use crate::compat::Vec;
use crate::node::{Dot, DotRange};
use crate::order::CausalOrder;
use crate::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use crate::version::FixedVector;
#[cfg(feature = "alloc")]
use crate::version::VersionVector;

/// A value that can be written as bytes.
///
/// Every id that has a [form](EncodeId) is such a value: numbers, text and byte strings among them. So is an `Option`
/// of a value.
///
/// # Examples
///
/// Your own values are written from those that have a form, part by part. Give each value one form only, and refuse
/// the others. Change the last byte: the color is unknown.
///
/// ```
/// use happens_before::Dot;
/// use happens_before::codec::{self, Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};
///
/// #[derive(Debug, PartialEq)]
/// enum Stroke {
///     Color(u32),
///     Erase { stroke: Dot<u64> },
/// }
///
/// impl Encode for Stroke {
///     fn encode(&self, out: &mut Writer<'_>) {
///         match self {
///             Self::Color(color) => {
///                 out.put_number(0);
///                 color.encode(out);
///             }
///             Self::Erase { stroke } => {
///                 out.put_number(1);
///                 stroke.encode(out);
///             }
///         }
///     }
/// }
///
/// impl Decode for Stroke {
///     fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
///         let start = reader.at();
///         match reader.take_number()? {
///             0 => Ok(Self::Color(u32::decode(reader)?)),
///             1 => Ok(Self::Erase { stroke: Dot::decode(reader)? }),
///             _ => reader.refuse(start, DecodeErrorKind::UnknownVersion),
///         }
///     }
/// }
///
/// let mut bytes = [0; 16];
/// let erase = Stroke::Erase { stroke: Dot::new(7, 3).unwrap() };
/// let len = codec::encode_to_slice(&erase, &mut bytes)?;
/// assert_eq!(bytes[..len], [1, 7, 2]);
/// assert_eq!(codec::decode(&bytes[..len]), Ok(erase));
/// assert_eq!(codec::decode::<Stroke>(&[2]).unwrap_err().kind, DecodeErrorKind::UnknownVersion);
/// # Ok::<(), codec::BufferTooSmall>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "the codec has no form for values of type `{Self}`",
    label = "not a value that the codec can write",
    note = "it can write dots, ranges, timestamps, vectors, contexts, positions, tokens, snapshots, ids, and each \
            `Option` of these, if their ids implement `EncodeId`",
    note = "these ids implement it: `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `[u8; N]`, `String`, \
            `Box<str>`, `Rc<str>`, `Arc<str>`, `Vec<u8>`, `&str`, `&[u8]`, `TextId` of these, and pairs of these",
    note = "for your own values, implement `Encode` and `Decode`; for your own ids, `EncodeId` and `DecodeId`"
)]
pub trait Encode {
    /// Writes the value.
    fn encode(&self, out: &mut Writer<'_>);
}

/// A value that can be read from bytes. [`Encode`] has an example.
#[diagnostic::on_unimplemented(
    message = "the codec cannot read values of type `{Self}`",
    label = "not a value that the codec can read",
    note = "it can read dots, ranges, timestamps, vectors, contexts, positions, tokens, snapshots, ids, and each \
            `Option` of these, if their ids implement `DecodeId`",
    note = "these ids implement it: `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `[u8; N]`, `String`, \
            `Box<str>`, `Rc<str>`, `Arc<str>`, `Vec<u8>`, `TextId` of these, and pairs of these; `&str` and `&[u8]` can only be written",
    note = "for your own values, implement `Encode` and `Decode`; for your own ids, `EncodeId` and `DecodeId`"
)]
pub trait Decode: Sized {
    /// Reads a value from the bytes that the reader has left.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes are not as [`Encode`] writes them. The reader then stands somewhere within the
    /// value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Writes a value to the end of `out`.
#[cfg(feature = "alloc")]
pub fn encode<T: Encode + ?Sized>(value: &T, out: &mut Vec<u8>) {
    value.encode(&mut Writer::growing(out));
}

/// Writes a value to the start of `buffer`, and returns its length in bytes. Does not allocate.
///
/// # Errors
///
/// [`BufferTooSmall`] names the length that the buffer must have; its content is unspecified.
pub fn encode_to_slice<T: Encode + ?Sized>(value: &T, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let room = buffer.len();
    let mut writer = Writer::fixed(buffer);
    value.encode(&mut writer);
    let needed = writer.len();
    if needed <= room { Ok(needed) } else { Err(BufferTooSmall { needed }) }
}

/// Reads a value that fills the whole input. The input is bytes or the rest of a reader. For bytes the limit is that of
/// [`Reader::new`].
///
/// # Errors
///
/// [`DecodeError`] names the byte at which the input is not what [`Encode`] writes, and the fault.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// use happens_before::{codec, VersionVector};
/// use happens_before::codec::{DecodeErrorKind, Reader};
///
/// let bytes = [2, 7, 0, 0]; // two adjacent nodes
/// let vector = VersionVector::from_iter([(7_u64, 1), (8, 1)]);
/// assert_eq!(codec::decode(&bytes), Ok(vector.clone()));
/// assert_eq!(codec::decode(Reader::with_limit(&bytes, 2)), Ok(vector));
/// let error = codec::decode::<VersionVector<u64>>(Reader::with_limit(&bytes, 1)).unwrap_err();
/// assert_eq!(error.kind, DecodeErrorKind::TooManyEntries { limit: 1 });
/// # }
/// ```
pub fn decode<'a, T: Decode>(input: impl Into<Reader<'a>>) -> Result<T, DecodeError> {
    let mut reader = input.into();
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Writes the entries of a vector without building it; they come in the order of the ids.
#[cfg(feature = "alloc")]
pub(crate) fn put_entries<'a, I: EncodeId + 'a>(
    len: usize,
    entries: impl Iterator<Item = (&'a I, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    entries::put_entries::<I::Form>(len, entries.map(|(node, counter)| (node.to_form(), counter)), out);
}

/// Writes an id in full.
impl<I: EncodeId> Encode for I {
    fn encode(&self, out: &mut Writer<'_>) {
        I::Form::put(self.to_form(), out);
    }
}

/// Reads an id that is written in full.
impl<I: DecodeId> Decode for I {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        match Self::from_form(I::Form::take(reader)?) {
            Some(id) => Ok(id),
            None => reader.refuse(start, DecodeErrorKind::InvalidId),
        }
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            None => out.put_number(0),
            Some(value) => {
                out.put_number(1);
                value.encode(out);
            }
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        match reader.take_number()? {
            0 => Ok(None),
            1 => T::decode(reader).map(Some),
            _ => reader.refuse(start, DecodeErrorKind::OutOfRange),
        }
    }
}

/// Reads a counter, which is written less 1.
fn take_counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let start = reader.at();
    match reader.take_number()?.checked_add(1) {
        Some(counter) => Ok(counter),
        None => reader.refuse(start, DecodeErrorKind::OutOfRange),
    }
}

/// Refuses `None`, the answer of a constructor that refuses the parts.
fn made<T>(value: Option<T>, at: usize, reader: &Reader<'_>) -> Result<T, DecodeError> {
    value.map_or_else(|| reader.refuse(at, DecodeErrorKind::OutOfRange), Ok)
}

impl<I: EncodeId> Encode for Dot<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.node().encode(out);
        out.put_number(self.counter() - 1);
    }
}

impl<I: DecodeId> Decode for Dot<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        let node = I::decode(reader)?;
        made(Self::new(node, take_counter(reader)?), start, reader)
    }
}

impl<I: EncodeId> Encode for DotRange<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.node().encode(out);
        out.put_number(self.counters().start() - 1);
        out.put_number(self.len() - 1);
    }
}

impl<I: DecodeId> Decode for DotRange<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let node = I::decode(reader)?;
        let first = take_counter(reader)?;
        let start = reader.at();
        let last = made(reader.take_number()?.checked_add(first), start, reader)?;
        made(Self::new(node, first..=last), start, reader)
    }
}

impl<I: EncodeId> Encode for LamportTimestamp<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        out.put_number(self.counter() - 1);
        self.node().encode(out);
    }
}

impl<I: DecodeId> Decode for LamportTimestamp<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        let counter = take_counter(reader)?;
        made(Self::new(counter, I::decode(reader)?), start, reader)
    }
}

impl<I: EncodeId> Encode for HybridTimestamp<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        out.put(&self.time().to_key_bytes());
        self.node().encode(out);
    }
}

impl<I: DecodeId> Decode for HybridTimestamp<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        let key = <[u8; 8]>::try_from(reader.take(8)?).ok();
        let time = made(key.and_then(HybridTime::from_key_bytes), start, reader)?;
        Ok(Self::new(time, I::decode(reader)?))
    }
}

impl Encode for CausalOrder {
    fn encode(&self, out: &mut Writer<'_>) {
        out.put_number(Self::ALL.iter().position(|order| order == self).unwrap_or(0) as u64);
    }
}

impl Decode for CausalOrder {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        let place = usize::try_from(reader.take_number()?).ok();
        made(place.and_then(|place| Self::ALL.get(place).copied()), start, reader)
    }
}

impl<const N: usize> Encode for FixedVector<N> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.counters().iter().for_each(|&counter| out.put_number(counter));
    }
}

impl<const N: usize> Decode for FixedVector<N> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut counters = [0; N];
        for counter in &mut counters {
            *counter = reader.take_number()?;
        }
        Ok(Self::from_counters(counters))
    }
}

#[cfg(feature = "alloc")]
impl<I: EncodeId> Encode for VersionVector<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        // The entries are visited several times, and slices are much faster.
        if let Some(pairs) = self.as_pairs() {
            put_entries(pairs.len(), pairs.iter().map(|(node, counter)| (node, *counter)), out);
        } else if let Some((ids, counters)) = self.as_slices() {
            put_entries(self.len(), core::iter::zip(ids, counters.iter().copied()), out);
        } else {
            put_entries(self.len(), self.iter(), out);
        }
    }
}

#[cfg(feature = "alloc")]
impl<I: DecodeId> Decode for VersionVector<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (ids, counters) = entries::take_entries(reader)?;
        Ok(Self::from_sorted(ids, counters))
    }
}
