//! The byte form of an entry, in which engines store the content of a slot.
//!
//! | part | form |
//! |---|---|
//! | checksum | 4 bytes, the lowest first: the CRC-32 of the place and of all later bytes |
//! | version | a byte: 1 |
//! | form of the ids | a number: 1 for 64 bits, 2 for 128 bits, 3 for byte strings and text, 4 + N for N bytes; or 0 and 1 for 64 bits with a sign, 0 and 2 for 128 bits with a sign, 0 and 3 and both forms for a pair |
//! | epoch | a number |
//! | kind | 0 a fill, 1 a marker, 2 messages, 3 a skip, 4 a retirement |
//! | id, except for a fill | a dot: of the first message, the marker, the skip or the retirement |
//! | slot, of a skip | a number |
//! | node, of a retirement | its first dot |
//! | count of messages | a number, at least 1 |
//! | each payload | its length, a number; its bytes |
//!
//! Numbers and dots are those of [`codec`](happens_before::codec); so this form is canonical: equal entries at one
//! place have equal bytes, and every other string of bytes is refused. Memory grows with the bytes present, never with
//! a claimed length.
//!
//! # Place
//!
//! The place identifies where an entry is stored, for example by the name of its log. It is not stored itself. But it
//! is part of the checksum, so an entry cannot be read at a place where it was not written.
//!
//! # Damage and later versions
//!
//! Every version begins with the checksum and the version. So bytes with a wrong checksum are
//! [damaged](Unreadable::Damaged). Bytes with a right checksum and an unknown version or kind were [written by a later
//! version](Unreadable::LaterVersion).

use happens_before::Dot;
use happens_before::broadcast::{Content, Entry, Unreadable};
use happens_before::codec::{Decode, DecodeError, DecodeId, Encode, EncodeId, Form, Reader, Writer};

use crate::checksum;
#[cfg(any(feature = "postgres", feature = "redb"))]
use crate::error::EngineError;

/// The version of the form.
const VERSION: u8 = 1;

const FILL: u64 = 0;
const MARKER: u64 = 1;
const MESSAGES: u64 = 2;
const SKIP: u64 = 3;
const RETIRE: u64 = 4;
const UNREADABLE: u64 = 5;

/// Returns the bytes of an entry for a place. O(n) for n bytes.
///
/// ```
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, Unreadable};
/// use happens_before_engines::entry;
///
/// let said = Entry::message(0, Dot::new(7_u32, 3).unwrap(), b"yes".to_vec());
/// let mut bytes = entry::encode(b"log", &said);
/// assert_eq!(bytes[4..], *b"\x01\x01\0\x02\x07\x02\x01\x03yes");
/// assert_eq!(entry::decode(b"log", &bytes), Ok(said));
///
/// assert_eq!(entry::decode::<String, Vec<u8>>(b"log", &bytes), Err(Unreadable::Damaged));
/// bytes[12] ^= 1; // a disk's fault
/// assert_eq!(entry::decode::<u32, Vec<u8>>(b"log", &bytes), Err(Unreadable::Damaged));
/// ```
pub fn encode<I: EncodeId, P: AsRef<[u8]>>(place: &[u8], entry: &Entry<I, P>) -> Vec<u8> {
    checksum::end(place, begin(entry))
}

/// Returns the bytes of an entry whose place is not known yet; [`checksum::end`] completes them.
pub(crate) fn begin<I: EncodeId, P: AsRef<[u8]>>(entry: &Entry<I, P>) -> Vec<u8> {
    let mut bytes = checksum::begin();
    let mut out = Writer::growing(&mut bytes);
    out.put(&[VERSION]);
    I::Form::name(&mut |number| out.put_number(number));
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
            put_node(node, &mut out);
        }
        // No writer writes unreadable content; this form of it is unreadable again.
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

/// Like [`begin`], for an engine that stores at most `max` bytes. A longer entry is refused before its payloads are
/// copied.
#[cfg(any(feature = "postgres", feature = "redb"))]
pub(crate) fn begin_within<I: EncodeId, P: AsRef<[u8]>, E>(
    entry: &Entry<I, P>,
    max: u64,
) -> Result<Vec<u8>, EngineError<E>> {
    let mut payloads = 0_u64;
    if let Content::Messages { payloads: each, .. } = entry.content() {
        for payload in each.as_slice() {
            payloads = payloads.saturating_add(payload.as_ref().len() as u64);
        }
    }
    if payloads > max {
        return Err(EngineError::EntryTooLong { len: payloads, max });
    }
    let bytes = begin(entry);
    let len = bytes.len() as u64;
    if len > max { Err(EngineError::EntryTooLong { len, max }) } else { Ok(bytes) }
}

/// Puts the checksum for a place before any bytes, for tests of the parts after it.
#[doc(hidden)]
pub fn seal(place: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut bytes = checksum::begin();
    bytes.extend(rest);
    checksum::end(place, bytes)
}

/// Reads bytes that [`encode`] wrote for this place. O(n) for n bytes.
///
/// # Errors
///
/// The reason why the slot cannot be read. The log returns it as the content of the slot.
pub fn decode<I: DecodeId, P: From<Vec<u8>>>(place: &[u8], bytes: &[u8]) -> Result<Entry<I, P>, Unreadable> {
    parse(place, bytes).map_err(|fault| match fault {
        Fault::LaterVersion => Unreadable::LaterVersion,
        Fault::Checksum | Fault::OtherIds | Fault::Part | Fault::Count => Unreadable::Damaged,
    })
}

fn parse<I: DecodeId, P: From<Vec<u8>>>(place: &[u8], bytes: &[u8]) -> Result<Entry<I, P>, Fault> {
    let (&version, rest) =
        checksum::verified(place, bytes).and_then(<[u8]>::split_first).ok_or(Fault::Checksum)?;
    if version != VERSION {
        return Err(Fault::LaterVersion);
    }
    let mut reader = Reader::new(rest);
    let mut ids = Ok(());
    I::Form::name(&mut |number| {
        if ids.is_ok() {
            ids = match reader.take_number() {
                Ok(stored) if stored == number => Ok(()),
                Ok(_) => Err(Fault::OtherIds),
                Err(_) => Err(Fault::Part),
            };
        }
    });
    ids?;
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
            let first: Dot<I> = Dot::decode(&mut reader)?;
            if first.counter() != 1 {
                return Err(Fault::LaterVersion);
            }
            Entry::retire(epoch, id, first.into_node())
        }
        MESSAGES => {
            let first = Dot::decode(&mut reader)?;
            let count = reader.take_number()?;
            let mut payloads = Vec::new();
            for _ in 0..count {
                // A length above the address space is above that of the input too.
                let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
                payloads.push(P::from(reader.take(len)?.to_vec()));
            }
            Entry::batch(epoch, first, payloads).map_err(|_| Fault::Count)?
        }
        _ => return Err(Fault::LaterVersion),
    };
    reader.finish()?;
    Ok(entry)
}

/// Writes a node as its first dot.
fn put_node<I: EncodeId>(node: &I, out: &mut Writer<'_>) {
    if let Some(dot) = Dot::new(node.clone(), 1) {
        dot.encode(out);
    }
}

/// Returns the content of a slot, also if it is unreadable.
#[cfg(any(feature = "postgres", feature = "redb"))]
pub(crate) fn stored<I: DecodeId, P: From<Vec<u8>>>(place: &[u8], bytes: &[u8]) -> Entry<I, P> {
    decode(place, bytes).unwrap_or_else(Entry::unreadable)
}

/// The change that storing an entry makes in the table of used numbers.
#[cfg(any(feature = "postgres", feature = "redb"))]
#[derive(Debug)]
pub(crate) struct Numbers {
    /// The entry's own node, in bytes.
    pub(crate) node: Vec<u8>,
    /// The number of the entry, that of the first message of several; and the last number.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The retired node, in bytes.
    pub(crate) retired: Option<Vec<u8>>,
}

#[cfg(any(feature = "postgres", feature = "redb"))]
impl Numbers {
    /// Returns the change; `None` for an entry without an id.
    pub(crate) fn of<I: EncodeId, P>(entry: &Entry<I, P>) -> Option<Self> {
        let id = entry.id()?;
        let bytes = |node: &I| {
            let mut bytes = Vec::new();
            let mut out = Writer::growing(&mut bytes);
            I::Form::name(&mut |number| out.put_number(number));
            put_node(node, &mut out);
            bytes
        };
        let retired = match entry.content() {
            Content::Retire { node, .. } => Some(bytes(node)),
            _ => None,
        };
        Some(Self { node: bytes(id.node()), first: id.counter(), last: entry.last_number()?, retired })
    }
}

/// The reason why bytes are not those of an entry with these ids at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The checksum is wrong: the bytes were changed, or belong to another place.
    Checksum,
    /// The checksum is right, but the version or the kind is unknown.
    LaterVersion,
    /// The ids are of another form, although a log has one type of ids.
    OtherIds,
    /// The checksum is right, but a part is not as the codec writes it. Either the type of the ids is narrower than the
    /// writer's, or the writer is wrong.
    Part,
    /// The entry has no message, or more than its node has numbers.
    Count,
}

impl From<DecodeError> for Fault {
    fn from(_: DecodeError) -> Self {
        Self::Part
    }
}

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
                entries.push(Entry::skip(epoch, dot(counter), 300));
                entries.push(Entry::retire(epoch, dot(counter), 300));
                for payload in [vec![], vec![0], vec![7; 200]] {
                    entries.push(Entry::message(epoch, dot(counter), payload));
                }
            }
            entries.push(Entry::batch(epoch, dot(5), [vec![1], vec![], vec![2, 3]]).unwrap());
        }
        entries
    }

    const HERE: &[u8] = b"here";

    fn read(bytes: &[u8]) -> Result<Said, Fault> {
        parse(HERE, bytes)
    }

    /// Returns bytes with the right checksum.
    fn sealed(rest: &[u8]) -> Vec<u8> {
        seal(HERE, rest)
    }

    #[cfg(any(feature = "postgres", feature = "redb"))]
    #[test]
    fn an_entry_that_is_too_long_is_refused_before_it_is_copied() {
        let within = |entry: &Said, max| begin_within::<_, _, core::fmt::Error>(entry, max);
        let entry = Entry::message(0, dot(3), vec![7; 100]);
        let len = begin(&entry).len() as u64;
        assert_eq!(within(&entry, len).unwrap(), begin(&entry));
        for max in [0, 50, 99, 100, len - 1] {
            // Below the length of the payload, nothing is encoded.
            let said = if max < 100 { 100 } else { len };
            let error = within(&entry, max).unwrap_err();
            assert!(
                matches!(error, EngineError::EntryTooLong { len, max: of } if (len, of) == (said, max)),
                "{error}"
            );
            assert!(!error.is_unknown());
        }
        // A batch counts as a whole. The memory of zeros is never touched.
        let half = || vec![0; 1 << 31];
        let batch = Entry::batch(0, dot(1), vec![half(), half()]).unwrap();
        assert!(
            matches!(within(&batch, 3 << 30), Err(EngineError::EntryTooLong { len, .. }) if len == 1 << 32)
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let entries = some();
        assert_eq!(entries.len(), 4 * 20);
        for entry in entries {
            let bytes = encode(HERE, &entry);
            assert_eq!(read(&bytes), Ok(entry));
            assert_eq!(parse::<u16, Vec<u8>>(b"there", &bytes), Err(Fault::Checksum));
        }
    }

    #[test]
    fn a_changed_bit_is_damage() {
        for entry in some() {
            let bytes = encode(HERE, &entry);
            for len in 0..bytes.len() {
                assert_eq!(read(&bytes[..len]), Err(Fault::Checksum), "{bytes:?} cut at {len}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&bytes), Err(Fault::Checksum), "{bytes:?} at bit {bit}");
            }
        }
    }

    /// Tries every string of three bytes after a right head, and every changed byte: an error, or the one form of an
    /// entry.
    #[test]
    fn nothing_has_two_forms() {
        let canonical = |rest: &[u8]| {
            if let Ok(entry) = read(&sealed(rest)) {
                assert_eq!(encode(HERE, &entry), sealed(rest));
            }
        };
        for word in 0..1_u32 << 24 {
            let [a, b, c, _] = word.to_le_bytes();
            if !(3..=250).contains(&a) {
                canonical(&[VERSION, 1, a, b, c]);
            }
        }
        for entry in some() {
            let bytes = encode(HERE, &entry)[4..].to_vec();
            for len in 0..bytes.len() {
                assert!(read(&sealed(&bytes[..len])).is_err(), "{bytes:?} cut at {len}");
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

    /// An unknown version or kind is told apart from damage.
    #[test]
    fn a_later_version_is_not_damage() {
        for rest in [&[VERSION + 1][..], &[0], &[VERSION, 1, 0, 9], &[VERSION, 1, 0, 9, 7, 7, 7]] {
            assert_eq!(read(&sealed(rest)), Err(Fault::LaterVersion), "{rest:?}");
        }
        assert_eq!(read(&sealed(&[])), Err(Fault::Checksum), "no version has no byte");
    }

    fn written<I: EncodeId>(id: I) -> Vec<u8> {
        encode(HERE, &Entry::message(0, Dot::new(id, 5).unwrap(), b"said".to_vec()))
    }

    fn reading<I: DecodeId>(bytes: &[u8]) -> Result<(), Fault> {
        parse::<I, Vec<u8>>(HERE, bytes).map(drop)
    }

    /// The bytes of an id in one form are often those of an id in another; the stored form decides.
    #[test]
    fn ids_of_another_form_are_refused() {
        type Reading = fn(&[u8]) -> Result<(), Fault>;
        let ids: [(&str, Vec<u8>, Reading); 18] = [
            ("number", written(1_u8), reading::<u8>),
            ("number", written(1_u16), reading::<u16>),
            ("number", written(1_u32), reading::<u32>),
            ("number", written(1_u64), reading::<u64>),
            ("number", written(1_usize), reading::<usize>),
            ("wide", written(1_u128), reading::<u128>),
            ("signed", written(-1_i64), reading::<i64>),
            ("signed", written(-1_i8), reading::<i8>),
            ("wide signed", written(1_i128), reading::<i128>),
            ("text and number", written(("\u{1}".to_string(), 1_u32)), reading::<(String, u32)>),
            ("number and text", written((1_u8, "\u{1}".to_string())), reading::<(u8, String)>),
            ("pair and number", written(((1_u8, 1_u8), 1_u8)), reading::<((u64, u64), u64)>),
            ("text", written("\u{1}".to_string()), reading::<String>),
            ("text", written(vec![1_u8]), reading::<Vec<u8>>),
            ("1 byte", written([1_u8; 1]), reading::<[u8; 1]>),
            ("2 bytes", written([1_u8; 2]), reading::<[u8; 2]>),
            ("8 bytes", written([1_u8; 8]), reading::<[u8; 8]>),
            ("24 bytes", written([1_u8; 24]), reading::<[u8; 24]>),
        ];
        for (form, bytes, _) in &ids {
            for (other, _, reading) in &ids {
                let expected = if form == other { Ok(()) } else { Err(Fault::OtherIds) };
                assert_eq!(reading(bytes), expected, "{form} as {other}");
            }
        }
        // Within a form, an id that the type cannot hold is refused.
        assert!(matches!(parse::<u8, Vec<u8>>(HERE, &written(300_u16)), Err(Fault::Part)));
    }

    #[test]
    fn lengths_are_claims() {
        let mut bytes = encode(HERE, &Said::marker(0, dot(1)))[4..].to_vec();
        bytes[3] = 2;
        for count in [0, 1, u64::MAX] {
            let mut bytes = bytes.clone();
            Writer::growing(&mut bytes).put_number(count);
            assert!(read(&sealed(&bytes)).is_err());
            Writer::growing(&mut bytes).put_number(u64::MAX);
            assert!(read(&sealed(&bytes)).is_err());
        }
        // Two messages, the first with the highest possible number.
        let mut bytes = encode(HERE, &Said::message(0, dot(u64::MAX), vec![]))[4..].to_vec();
        let at = bytes.len() - 2;
        bytes[at] = 2;
        bytes.push(0);
        assert_eq!(read(&sealed(&bytes)), Err(Fault::Count));
    }
}
