//! The writer and the reader of bytes, and the encoding of a number.

#[cfg(feature = "alloc")]
use core::mem;

use super::error::{DecodeError, DecodeErrorKind};
#[cfg(feature = "alloc")]
use crate::compat::Vec;

/// The length of the longest number.
pub(super) const LONGEST: usize = 9;

/// Returns the number of bytes that a number takes: one for every 7 bits, and 9 above 56 bits.
#[cfg(feature = "alloc")]
pub(super) const fn number_len(number: u64) -> usize {
    LENGTHS[number.leading_zeros() as usize].0
}

/// For each number of leading zeros: the length in bytes, and the mark of that length as bits above those of the
/// number, len - 1 ones and a zero. The mark is 0 for 9 bytes, where a separate byte has it.
const LENGTHS: [(usize, u64); 65] = {
    let mut lengths = [(1, 0); 65];
    let mut bits = 1;
    while bits <= 64 {
        lengths[64 - bits] = match bits.div_ceil(7) {
            len @ ..LONGEST => (len, !(u64::MAX >> (len - 1)) >> (64 - 8 * len)),
            _ => (LONGEST, 0),
        };
        bits += 1;
    }
    lengths
};

/// Writes a number by `put`, which gets a word and the number of its bytes to write, the lowest first.
#[inline]
fn put_number(number: u64, mut put: impl FnMut(u64, usize)) {
    let (len, mark) = LENGTHS[number.leading_zeros() as usize];
    if len < LONGEST {
        put(((mark | number) << (64 - 8 * len)).swap_bytes(), len);
    } else {
        put(0xFF, 1);
        put(number.swap_bytes(), 8);
    }
}

/// A short buffer for numbers end to end, faster than a [`Writer`], which checks for room each time.
#[cfg(feature = "alloc")]
pub(super) struct Draft {
    /// Room for everything that 8 entries can take: the head, an id of 128 bits, gaps and counters.
    bytes: [u8; 2 + 2 * LONGEST + 7 * 16 + 8 * LONGEST + 8],
    len: usize,
}

#[cfg(feature = "alloc")]
impl Draft {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; _], len: 0 }
    }

    /// Writes a number as [`Writer::put_number`] does.
    #[inline]
    pub(super) fn put_number(&mut self, number: u64) {
        put_number(number, |word, len| self.put_lowest(word, len));
    }

    /// Writes the lowest `len` bytes of a word, the lowest first.
    #[inline]
    pub(super) fn put_lowest(&mut self, word: u64, len: usize) {
        // A copy of a fixed length is an instruction; a copy of unknown length is a call.
        if let Some(room) = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *room = word.to_le_bytes();
        }
        self.len += len;
    }

    /// Returns the bytes written, and starts again.
    pub(super) fn take(&mut self) -> &[u8] {
        self.bytes.get(..mem::take(&mut self.len)).unwrap_or_default()
    }
}

/// A writer of bytes, for encoders: to the end of a `Vec`, or into a slice of fixed length.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::codec::{Encode, Writer};
///
/// let mut packet = [0; 16];
/// let mut writer = Writer::fixed(&mut packet);
/// writer.put(b"HB"); // a protocol's own bytes
/// Dot::new(7_u32, 3).unwrap().encode(&mut writer);
/// assert_eq!(writer.len(), 4);
/// assert_eq!(packet[..4], [b'H', b'B', 7, 2]);
/// ```
#[derive(Debug)]
pub struct Writer<'a>(Target<'a>);

#[derive(Debug)]
enum Target<'a> {
    #[cfg(feature = "alloc")]
    Growing {
        bytes: &'a mut Vec<u8>,
        start: usize,
    },
    Fixed {
        buffer: &'a mut [u8],
        len: usize,
    },
}

impl<'a> Writer<'a> {
    /// Writes to the end of `bytes`.
    #[cfg(feature = "alloc")]
    pub fn growing(bytes: &'a mut Vec<u8>) -> Self {
        Self(Target::Growing { start: bytes.len(), bytes })
    }

    /// Writes to the start of `buffer`. Bytes beyond its end are dropped, but counted by [`len`](Self::len).
    pub fn fixed(buffer: &'a mut [u8]) -> Self {
        Self(Target::Fixed { buffer, len: 0 })
    }

    /// Returns the number of bytes written through this writer, with those that were dropped for lack of room.
    pub fn len(&self) -> usize {
        match &self.0 {
            #[cfg(feature = "alloc")]
            Target::Growing { bytes, start } => bytes.len() - start,
            Target::Fixed { len, .. } => *len,
        }
    }

    /// Returns whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for `len` more bytes, if the target can grow.
    #[cfg(feature = "alloc")]
    pub(super) fn reserve(&mut self, len: usize) {
        if let Target::Growing { bytes, .. } = &mut self.0 {
            if bytes.capacity() == 0 {
                // This takes less time than growing.
                **bytes = Vec::with_capacity(len);
            } else {
                bytes.reserve(len);
            }
        }
    }

    /// Writes these bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            #[cfg(feature = "alloc")]
            Target::Growing { bytes: all, .. } => all.extend_from_slice(bytes),
            Target::Fixed { buffer, len } => {
                if let Some(room) = buffer.get_mut(*len..).and_then(|room| room.get_mut(..bytes.len())) {
                    room.copy_from_slice(bytes);
                }
                *len = len.saturating_add(bytes.len());
            }
        }
    }

    /// Writes a number, in 1 to 9 bytes; 1 below 128.
    pub fn put_number(&mut self, number: u64) {
        put_number(number, |word, len| match &mut self.0 {
            #[cfg(feature = "alloc")]
            Target::Growing { bytes: all, .. } => {
                // A copy of a fixed length is an instruction; a copy of unknown length is a call.
                let end = all.len() + len;
                all.extend_from_slice(&word.to_le_bytes());
                all.truncate(end);
            }
            Target::Fixed { .. } => self.put(word.to_le_bytes().get(..len).unwrap_or_default()),
        });
    }
}

/// A reader of values, one after another, from the front of some bytes.
///
/// It has one budget of entries for everything that it reads, which bounds the memory. The bytes alone would not bound
/// it: entries of adjacent nodes with equal counters take next to no bytes, so a short input can name many. Entries
/// beyond the budget are refused before memory is allocated for them. [A table](crate::codec#limits) shows the entries
/// that each value takes from the budget.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::codec::{Decode, Reader};
///
/// let mut reader = Reader::new(&[7, 2, 8, 0, b'!']);
/// assert_eq!(Dot::decode(&mut reader)?, Dot::new(7_u32, 3).unwrap());
/// assert_eq!(Dot::decode(&mut reader)?, Dot::new(8_u32, 1).unwrap());
/// assert_eq!(reader.rest(), b"!");
/// # Ok::<(), happens_before::codec::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    limit: usize,
    /// The number of entries left of the limit.
    entries: usize,
}

impl<'a> Reader<'a> {
    /// The entries that a reader made by [`new`](Self::new) accepts in addition to one for each byte of its input:
    /// 4,096.
    pub const DEFAULT_ENTRIES: usize = 1 << 12;

    /// Makes a reader that accepts one entry for each byte of `input`, and
    /// [`DEFAULT_ENTRIES`](Self::DEFAULT_ENTRIES) more, so that memory is in proportion to the bytes.
    ///
    /// A vector of up to 4,096 nodes is always within this limit. A larger one is within it if its entries take at
    /// least a byte each on average, as they do unless ids are adjacent and counters nearly equal. For larger vectors,
    /// set the limit with [`with_limit`](Self::with_limit).
    pub const fn new(input: &'a [u8]) -> Self {
        // No overflow: a slice has at most `isize::MAX` bytes.
        Self::with_limit(input, Self::DEFAULT_ENTRIES + input.len())
    }

    /// Makes a reader that accepts at most `limit` entries in all.
    ///
    /// ```
    /// # #[cfg(feature = "alloc")] {
    /// use happens_before::{codec, VersionVector};
    /// use happens_before::codec::Reader;
    ///
    /// let vector: VersionVector<u32> = (0..100_000).map(|node| (node, 1)).collect();
    /// let mut bytes = Vec::new();
    /// codec::encode(&vector, &mut bytes);
    /// assert_eq!(bytes.len(), 1_567);
    /// assert!(codec::decode::<VersionVector<u32>>(&bytes).is_err());
    /// assert_eq!(codec::decode(Reader::with_limit(&bytes, 100_000)), Ok(vector));
    /// # }
    /// ```
    pub const fn with_limit(input: &'a [u8], limit: usize) -> Self {
        Self { input, at: 0, limit, entries: limit }
    }

    /// Returns the number of entries that the reader accepts in all.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of entries that the reader still accepts, out of its [`limit`](Self::limit).
    pub const fn entries_left(&self) -> usize {
        self.entries
    }

    /// Returns the number of bytes read.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Returns the bytes still to be read.
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Truncated`](DecodeErrorKind::Truncated) if fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let bytes = self.rest().get(..len).ok_or_else(|| self.truncated())?;
        self.at += len;
        Ok(bytes)
    }

    /// Reads one byte.
    pub(super) fn take_byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.input.get(self.at).ok_or_else(|| self.truncated())?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a number, as [`Writer::put_number`] writes it.
    ///
    /// # Errors
    ///
    /// [`Truncated`](DecodeErrorKind::Truncated), or [`NotCanonical`](DecodeErrorKind::NotCanonical) if the number
    /// fits in fewer bytes.
    pub fn take_number(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let first = self.take_byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let more = first.leading_ones() as usize; // 1 to 8
        let low = self.take_lowest(more)?.swap_bytes() >> (64 - 8 * more);
        let high = if more < 7 { u64::from(first & (0x7F >> more)) << (8 * more) } else { 0 };
        let number = high | low;
        // One byte less would have room for 7 bits a byte.
        if number >> (7 * more) == 0 {
            return self.refuse(start, DecodeErrorKind::NotCanonical);
        }
        Ok(number)
    }

    /// Reads a number of `len` bytes, at most 8, the lowest byte first.
    pub(super) fn take_lowest(&mut self, len: usize) -> Result<u64, DecodeError> {
        let rest = self.rest();
        let number = match rest.first_chunk() {
            Some(word) => {
                // In two halves: a shift by 64 overflows.
                let half = 4 * (8 - len);
                u64::from_le_bytes(*word) & u64::MAX >> half >> half
            }
            None => {
                let bytes = rest.get(..len).ok_or_else(|| self.truncated())?;
                bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
            }
        };
        self.at += len;
        Ok(number)
    }

    /// Takes from the budget the entries that the bytes from `at` on claim.
    #[cfg(feature = "alloc")]
    pub(crate) fn draw(&mut self, at: usize, entries: u64) -> Result<(), DecodeError> {
        // A number that does not fit a `usize` is more than the budget.
        match self.entries.checked_sub(usize::try_from(entries).unwrap_or(usize::MAX)) {
            Some(left) => self.entries = left,
            None => return self.refuse(at, DecodeErrorKind::TooManyEntries { limit: self.limit }),
        }
        Ok(())
    }

    /// Reads a part with a separate budget of at most `limit` entries.
    #[cfg(feature = "alloc")]
    pub(crate) fn part<T, E>(
        &mut self,
        limit: usize,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let budget = (mem::replace(&mut self.limit, limit), mem::replace(&mut self.entries, limit));
        let part = read(self);
        (self.limit, self.entries) = budget;
        part
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// [`TrailingBytes`](DecodeErrorKind::TrailingBytes) if bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest().is_empty() { Ok(()) } else { self.refuse(self.at, DecodeErrorKind::TrailingBytes) }
    }

    fn truncated(&self) -> DecodeError {
        DecodeError { at: self.input.len(), kind: DecodeErrorKind::Truncated }
    }

    /// Returns the error of a fault at byte `at`, for values of your own: [`Encode`](super::Encode) has an example.
    ///
    /// # Errors
    ///
    /// Always: a [`DecodeError`] of this place and kind.
    pub fn refuse<T>(&self, at: usize, kind: DecodeErrorKind) -> Result<T, DecodeError> {
        Err(DecodeError { at, kind })
    }
}

/// Makes the reader with [`Reader::new`].
impl<'a, B: AsRef<[u8]> + ?Sized> From<&'a B> for Reader<'a> {
    fn from(input: &'a B) -> Self {
        Self::new(input.as_ref())
    }
}
