//! A vector, relative to one that the receiver has.

use super::bytes::{Reader, Writer};
use super::entries::{put_entries, take_entries};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, EncodeId};
use crate::compat::Vec;
use crate::version::VersionVector;

/// Writes what `vector` has seen and `base` has not. O(n + m).
///
/// [`decode_delta`] makes of it and of `base` the merge of both: `vector` itself, if it has seen all that `base`
/// has. An entry that has grown takes its place in `base` and by how much, two bytes as a rule, and no id.
///
/// `base` is something that the receiver is *known* to have, such as the last vector that it has acknowledged.
///
/// # Examples
///
/// ```
/// use happens_before::VersionVector;
/// use happens_before::codec;
///
/// let known = VersionVector::from_iter([(0xA11CE_u64, 41), (0xB0B, 7), (0xCA201, 100)]);
/// let mut now = known.clone();
/// now.increment(0xB0B)?;
///
/// let mut delta = Vec::new();
/// codec::encode_delta(&now, &known, &mut delta);
/// assert_eq!(delta.len(), 6);
/// assert_eq!(codec::decode_delta(&delta, &known), Ok(now));
/// # Ok::<(), happens_before::CounterExhausted>(())
/// ```
pub fn encode_delta<I: EncodeId>(vector: &VersionVector<I>, base: &VersionVector<I>, out: &mut Vec<u8>) {
    let (mut grown, mut new) = (Vec::new(), Vec::new());
    let mut known = base.iter().zip(0_u64..).peekable();
    for (node, counter) in vector {
        while known.next_if(|((known, _), _)| *known < node).is_some() {}
        match known.next_if(|((known, _), _)| *known == node) {
            Some(((_, seen), place)) if counter > seen => grown.push((place, counter - seen)),
            Some(_) => {}
            None => new.push((node, counter)),
        }
    }
    let mut writer = Writer::growing(out);
    put_entries::<u64>(grown.len(), grown.iter().copied(), &mut writer);
    super::put_entries(new.len(), new.iter().copied(), &mut writer);
    writer.put(&check(base));
}

/// Merges into `base` what [`encode_delta`] has written relative to it. O(n + m).
///
/// # Errors
///
/// [`DecodeError`] if the bytes are not a delta, or are one to another vector
/// ([`WrongBase`](DecodeErrorKind::WrongBase)). Of two vectors of which one is before the other, the wrong one
/// is always noticed if they are less than 65,536 events apart, and otherwise as a rule: this guards against
/// mistakes, not against malice.
pub fn decode_delta<I: DecodeId>(
    bytes: &[u8],
    base: &VersionVector<I>,
) -> Result<VersionVector<I>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let (places, grown) = take_entries::<u64>(&mut reader)?;
    let (nodes, counters) = take_entries::<I>(&mut reader)?;
    let check_at = reader.at();
    if reader.take(2)? != check(base) {
        return reader.refuse(check_at, DecodeErrorKind::WrongBase);
    }
    reader.clone().finish()?;
    if nodes.iter().any(|node| base.get(node) > 0) {
        return reader.refuse(0, DecodeErrorKind::NotCanonical);
    }

    let mut grown = places.into_iter().zip(grown).peekable();
    let mut entries = Vec::new();
    for ((node, seen), place) in base.iter().zip(0_u64..) {
        if let Some((_, by)) = grown.next_if(|entry| entry.0 == place) {
            let Some(counter) = seen.checked_add(by) else {
                return reader.refuse(0, DecodeErrorKind::OutOfRange);
            };
            entries.push((node.clone(), counter));
        }
    }
    if grown.next().is_some() {
        return reader.refuse(0, DecodeErrorKind::WrongBase);
    }
    let mut vector = base.clone();
    vector.merge(&entries.into_iter().chain(nodes.into_iter().zip(counters)).collect());
    Ok(vector)
}

/// The number of events that a vector has seen, modulo 65,536: it grows with every event.
fn check<I>(vector: &VersionVector<I>) -> [u8; 2] {
    let events = vector.iter().fold(0_u64, |events, (_, counter)| events.wrapping_add(counter));
    let [.., high, low] = events.to_be_bytes();
    [high, low]
}
