//! Stored entries: any bytes are an error or the one form of an entry, and a changed bit is never another entry.
#![no_main]

use core::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use happens_before::Dot;
use happens_before::broadcast::{Content, Entry, Unreadable};
use happens_before::codec::DecodeId;
use happens_before_engines::entry;
use libfuzzer_sys::fuzz_target;

const PLACE: &[u8] = b"log";

/// An entry in parts.
#[derive(Arbitrary, Debug)]
struct Parts<I> {
    epoch: u64,
    node: I,
    counter: u64,
    kind: Kind<I>,
    bit: usize,
}

#[derive(Arbitrary, Debug)]
enum Kind<I> {
    Fill,
    Marker,
    Skip(u64),
    Retire(I),
    Messages(Vec<Vec<u8>>),
}

impl<I: DecodeId> Parts<I> {
    fn entry(self) -> Option<Entry<I, Vec<u8>>> {
        let (epoch, id) = (self.epoch, Dot::new(self.node, self.counter)?);
        Some(match self.kind {
            Kind::Fill => Entry::fill(epoch),
            Kind::Marker => Entry::marker(epoch, id),
            Kind::Skip(slot) => Entry::skip(epoch, id, slot),
            Kind::Retire(node) => Entry::retire(epoch, id, node),
            Kind::Messages(payloads) => return Entry::batch(epoch, id, payloads).ok(),
        })
    }
}

/// Bytes as they come, and bytes under a checksum that is right.
fn decode_any<I: DecodeId + Debug>(bytes: &[u8]) {
    let whole = entry::seal(PLACE, bytes);
    for bytes in [bytes, &whole] {
        if let Ok(entry) = entry::decode::<I, Vec<u8>>(PLACE, bytes) {
            assert_eq!(entry::encode(PLACE, &entry), bytes, "two forms of {entry:?}");
            assert!(!matches!(entry.content(), Content::Unreadable(_)));
        }
    }
}

fn round_trip<I: DecodeId + Debug + for<'a> Arbitrary<'a>>(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok(parts) = Parts::<I>::arbitrary(&mut data) else { return };
    let bit = parts.bit;
    let Some(said) = parts.entry() else { return };
    let mut bytes = entry::encode(PLACE, &said);
    assert_eq!(entry::decode(PLACE, &bytes).as_ref(), Ok(&said));
    assert_eq!(entry::decode::<I, Vec<u8>>(b"other", &bytes), Err(Unreadable::Damaged));
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    assert_eq!(entry::decode::<I, Vec<u8>>(PLACE, &bytes), Err(Unreadable::Damaged));
}

fuzz_target!(|data: &[u8]| {
    decode_any::<u32>(data);
    decode_any::<u128>(data);
    decode_any::<String>(data);
    decode_any::<[u8; 16]>(data);
    round_trip::<u32>(data);
    round_trip::<String>(data);
    round_trip::<[u8; 16]>(data);
});
