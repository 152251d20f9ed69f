//! An entry in bytes: how engines store what stands in a slot.
//!
//! | part | form |
//! |---|---|
//! | epoch | a number |
//! | what it is | 0 a fill, 1 a marker, 2 messages |
//! | id, but for a fill | a dot: that of the marker, or of the first message |
//! | messages: how many | a number, at least 1 |
//! | each payload | its length, a number; its bytes |
//!
//! Numbers and dots are those of [`codec`](happens_before::codec); so this form is canonical too: equal entries have equal bytes, and every other
//! string of bytes is refused. Memory follows the bytes that are there, never a length that is claimed.

use core::fmt;

use happens_before::Dot;
use happens_before::broadcast::{Content, Entry};
use happens_before::codec::{Decode, DecodeError, DecodeId, Encode, EncodeId, Reader, Writer};

const FILL: u64 = 0;
const MARKER: u64 = 1;
const MESSAGES: u64 = 2;
const SKIP: u64 = 3;
const RETIRE: u64 = 4;
const UNREADABLE: u64 = 5;

/// Returns the bytes of an entry. O(n) for n bytes.
///
/// ```
/// use happens_before::Dot;
/// use happens_before::broadcast::Entry;
/// use happens_before_engines::entry;
///
/// let said = Entry::message(0, Dot::new(7_u32, 3).unwrap(), b"yes".to_vec());
/// let bytes = entry::encode(&said);
/// assert_eq!(bytes, *b"\0\x02\x07\x02\x01\x03yes");
/// assert_eq!(entry::decode(&bytes), Ok(said));
/// ```
pub fn encode<I: EncodeId, P: AsRef<[u8]>>(entry: &Entry<I, P>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Writer::growing(&mut bytes);
    out.put_number(entry.epoch());
    match entry.content() {
        Content::Fill => out.put_number(FILL),
        Content::Marker { id } => {
            out.put_number(MARKER);
            id.encode(&mut out);
        }
        Content::Skip { id, slot } => {
            out.put_number(SKIP);
            id.encode(&mut out);
            out.put_number(*slot);
        }
        Content::Retire { id, node } => {
            out.put_number(RETIRE);
            id.encode(&mut out);
            // An id has no form of its own: that of its first dot.
            if let Some(dot) = Dot::new(node.clone(), 1) {
                dot.encode(&mut out);
            }
        }
        Content::Unreadable(_) => out.put_number(UNREADABLE),
        Content::Messages { first, payloads } => {
            out.put_number(MESSAGES);
            first.encode(&mut out);
            out.put_number(payloads.as_slice().len() as u64);
            for payload in payloads.as_slice() {
                out.put_number(payload.as_ref().len() as u64);
                out.put(payload.as_ref());
            }
        }
    }
    bytes
}

/// Reads what [`encode`] writes. O(n) for n bytes.
///
/// # Errors
///
/// [`NotAnEntry`] says what is not as [`encode`] writes it.
pub fn decode<I: DecodeId, P: From<Vec<u8>>>(bytes: &[u8]) -> Result<Entry<I, P>, NotAnEntry> {
    let mut reader = Reader::new(bytes);
    let epoch = reader.take_number()?;
    let entry = match reader.take_number()? {
        FILL => Entry::fill(epoch),
        MARKER => Entry::marker(epoch, Dot::decode(&mut reader)?),
        SKIP => {
            let id = Dot::decode(&mut reader)?;
            Entry::skip(epoch, id, reader.take_number()?)
        }
        RETIRE => {
            let id = Dot::decode(&mut reader)?;
            Entry::retire(epoch, id, Dot::<I>::decode(&mut reader)?.node().clone())
        }
        MESSAGES => {
            let first = Dot::decode(&mut reader)?;
            let count = reader.take_number()?;
            let mut payloads = Vec::new();
            for _ in 0..count {
                // A length beyond the address space is beyond the input too.
                let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
                payloads.push(P::from(reader.take(len)?.to_vec()));
            }
            Entry::batch(epoch, first, payloads).map_err(|_| NotAnEntry::WrongCount { count })?
        }
        form => return Err(NotAnEntry::UnknownForm { form }),
    };
    reader.finish()?;
    Ok(entry)
}

/// Bytes are not those of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAnEntry {
    /// A part of it is not as the codec writes it.
    Part(DecodeError),
    /// It is of a kind that this version does not know.
    UnknownForm {
        /// The number of the kind.
        form: u64,
    },
    /// It has no message, or more than its node has numbers.
    WrongCount {
        /// How many it claims.
        count: u64,
    },
}

impl From<DecodeError> for NotAnEntry {
    fn from(error: DecodeError) -> Self {
        Self::Part(error)
    }
}

impl fmt::Display for NotAnEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(error) => error.fmt(f),
            Self::UnknownForm { form } => {
                write!(f, "entry of kind {form}, of a later version; update this side")
            }
            Self::WrongCount { count } => {
                write!(f, "an entry cannot hold {count} messages; distrust its writer")
            }
        }
    }
}

impl core::error::Error for NotAnEntry {}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = Entry<u16, Vec<u8>>;

    fn dot(counter: u64) -> Dot<u16> {
        Dot::new(9, counter).unwrap()
    }

    fn some() -> Vec<Said> {
        let mut entries = Vec::new();
        for epoch in [0, 1, 300, u64::MAX] {
            entries.push(Entry::fill(epoch));
            for counter in [1, 200, u64::MAX] {
                entries.push(Entry::marker(epoch, dot(counter)));
                for payload in [vec![], vec![0], vec![7; 200]] {
                    entries.push(Entry::message(epoch, dot(counter), payload));
                }
            }
            entries.push(Entry::batch(epoch, dot(5), [vec![1], vec![], vec![2, 3]]).unwrap());
        }
        entries
    }

    #[test]
    fn what_is_written_is_read() {
        let entries = some();
        assert_eq!(entries.len(), 4 * 14);
        for entry in entries {
            assert_eq!(decode(&encode(&entry)), Ok(entry));
        }
    }

    /// Every string of up to three bytes, every prefix, and every changed byte: an error, or the one form of something.
    #[test]
    fn nothing_has_two_forms() {
        let canonical = |bytes: &[u8]| match decode::<u16, Vec<u8>>(bytes) {
            Ok(entry) => assert_eq!(encode(&entry), bytes),
            Err(error) => assert!(!error.to_string().is_empty()),
        };
        for word in 0..1_u32 << 24 {
            let bytes = word.to_le_bytes();
            if bytes[0] < 3 || bytes[0] > 250 {
                canonical(&bytes[..3]);
            }
        }
        for entry in some() {
            let bytes = encode(&entry);
            for len in 0..bytes.len() {
                assert!(decode::<u16, Vec<u8>>(&bytes[..len]).is_err(), "{bytes:?} cut at {len}");
            }
            for at in 0..bytes.len() {
                for flip in [1, 0x40, 0x80, 0xFF] {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= flip;
                    canonical(&bytes);
                }
            }
        }
    }

    #[test]
    fn lengths_are_claims() {
        let mut bytes = encode(&Said::marker(0, dot(1)));
        bytes[1] = 2;
        for count in [0, 1, u64::MAX] {
            let mut bytes = bytes.clone();
            Writer::growing(&mut bytes).put_number(count);
            assert!(decode::<u16, Vec<u8>>(&bytes).is_err());
            Writer::growing(&mut bytes).put_number(u64::MAX);
            assert!(decode::<u16, Vec<u8>>(&bytes).is_err());
        }
        // Two messages, the first with the last number that there is.
        let mut bytes = encode(&Said::message(0, dot(u64::MAX), vec![]));
        let at = bytes.len() - 2;
        bytes[at] = 2;
        bytes.push(0);
        assert_eq!(decode::<u16, Vec<u8>>(&bytes), Err(NotAnEntry::WrongCount { count: 2 }));
    }
}
