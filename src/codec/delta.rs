//! The encoding of a vector relative to one that the receiver has.

use smallvec::SmallVec;

use super::bytes::{Reader, Writer};
use super::entries::{put_entries, take_entries};
use super::error::{DecodeError, DecodeErrorKind};
use super::form::Form;
use super::id::{DecodeId, EncodeId};
use crate::compat::Vec;
use crate::version::VersionVector;

/// Writes the difference from `base` to `vector`: the events that `vector` has seen and `base` has not. O(n + m).
///
/// From these bytes and `base`, [`decode_delta`] makes the merge of both vectors. That is `vector` itself if it has
/// seen everything that `base` has. An entry that has grown takes its place in `base` and the difference, usually two
/// bytes, and no id. Eight more bytes identify the base.
///
/// The receiver must be *known* to have `base`: use, for example, the last vector that it acknowledged.
///
/// # Examples
///
/// ```
/// use happens_before::{codec, VersionVector};
///
/// let known = VersionVector::from_iter([(0xA11CE_u64, 41), (0xB0B, 7), (0xCA201, 100)]);
/// let mut now = known.clone();
/// now.increment(0xB0B)?;
///
/// let mut delta = Vec::new();
/// codec::encode_delta(&now, &known, &mut delta);
/// assert_eq!(delta.len(), 12);
/// assert_eq!(codec::decode_delta(&delta, &known), Ok(now));
/// # Ok::<(), happens_before::node::CounterExhausted>(())
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
    writer.put(&digest(base).to_be_bytes());
}

/// Merges `base` with a delta that [`encode_delta`] has written relative to it. O(n + m).
///
/// The input is bytes or a reader, as for [`decode`](super::decode). The entries of the delta count against its budget;
/// those of `base`, which exist already, do not. So the returned vector may have as many entries as `base` and the
/// budget together. Check its length before it becomes the base of the next delta.
///
/// # Errors
///
/// [`DecodeError`] if the bytes are not a delta, or are a delta to another vector
/// ([`WrongBase`](DecodeErrorKind::WrongBase)). Then ask the sender for the whole vector. A wrong base stays unnoticed
/// with a chance of one in 2^64. This guards against mistakes, not against malice: a sender can claim anything about
/// itself in any case.
pub fn decode_delta<'a, I: DecodeId>(
    input: impl Into<Reader<'a>>,
    base: &VersionVector<I>,
) -> Result<VersionVector<I>, DecodeError> {
    let mut reader = input.into();
    let (places, grown) = take_entries::<u64>(&mut reader)?;
    let (nodes, counters) = take_entries::<I>(&mut reader)?;
    let digest_at = reader.at();
    if reader.take(8)? != digest(base).to_be_bytes() {
        return reader.refuse(digest_at, DecodeErrorKind::WrongBase);
    }
    reader.clone().finish()?;
    if nodes.iter().any(|node| base.get(node) > 0) {
        return reader.refuse(0, DecodeErrorKind::NotCanonical);
    }

    let mut entries = base.iter().zip(0_u64..);
    let (mut ids, mut raised) = (SmallVec::new(), SmallVec::new());
    for (place, by) in places.into_iter().zip(grown) {
        // The base is right, so the bytes are wrong.
        let Some(((node, seen), _)) = entries.find(|entry| entry.1 == place) else {
            return reader.refuse(0, DecodeErrorKind::OutOfRange);
        };
        let Some(counter) = seen.checked_add(by) else {
            return reader.refuse(0, DecodeErrorKind::OutOfRange);
        };
        ids.push(node.clone());
        raised.push(counter);
    }
    let mut vector = base.clone();
    vector.merge(&VersionVector::from_sorted(ids, raised));
    vector.merge(&VersionVector::from_sorted(nodes, counters));
    Ok(vector)
}

/// Returns a number that identifies a vector, except for a chance of one in 2^64. O(n).
///
/// It is a sum over the entries, so that the processor can mix several of them at once.
fn digest<I: EncodeId>(vector: &VersionVector<I>) -> u64 {
    vector.iter().fold(0, |sum: u64, (node, counter)| {
        sum.wrapping_add(mix(id_digest::<I::Form>(node.to_form()), counter))
    })
}

fn id_digest<F: Form>(id: F::Ref<'_>) -> u64 {
    let mut digest = 0;
    F::words(id, &mut |word| digest = mix(digest, word));
    digest
}

/// Mixes a number into a digest: a step of `SplitMix64` (Steele, Lea, Flood, 2014).
const fn mix(digest: u64, number: u64) -> u64 {
    let sum = digest.wrapping_add(number).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (sum ^ sum >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}
