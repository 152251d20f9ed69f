//! Any values, written and read back: the result is the same value, uses all bytes, and no shorter part of them is a
//! value.

#![no_main]

use std::fmt::Debug;

use arbitrary::Arbitrary;
use happens_before::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode};
use happens_before::node::DotRange;
use happens_before::scalar::LamportTimestamp;
use happens_before::{Dot, VersionVector, codec};
use libfuzzer_sys::fuzz_target;

/// Entries, each as two numbers to be shifted down: the distance of the id from the one before, and the counter.
#[derive(Arbitrary, Debug)]
struct Entries(Vec<(u64, u8, u64, u8)>);

impl Entries {
    fn vector(&self) -> VersionVector<u64> {
        let mut id = 0_u64;
        let entries = self.0.iter().map(|&(gap, gap_shift, counter, shift)| {
            id = id.wrapping_add(gap >> (gap_shift % 64)).wrapping_add(1);
            (id, counter >> (shift % 64))
        });
        entries.collect()
    }
}

fn there_and_back<T: Encode + Decode + PartialEq + Debug>(value: T) {
    let mut bytes = Vec::new();
    codec::encode(&value, &mut bytes);
    assert_eq!(codec::decode(&bytes), Ok(value));
    for cut in 0..bytes.len() {
        let Err(DecodeError { at, kind, .. }) = codec::decode::<T>(&bytes[..cut]) else {
            panic!("{cut} bytes of {} are a value", bytes.len());
        };
        assert_eq!((at, kind), (cut, DecodeErrorKind::Truncated));
    }
}

fn with_other_ids<I: DecodeId + Debug>(vector: &VersionVector<u64>, id: impl Fn(u64) -> I) {
    let other: VersionVector<I> = vector.iter().map(|(&node, counter)| (id(node), counter)).collect();
    there_and_back(other);
}

fuzz_target!(|values: (Entries, Entries)| {
    let [vector, mut base] = [values.0.vector(), values.1.vector()];
    with_other_ids(&vector, |id| id as u8);
    with_other_ids(&vector, |id| u128::from(id) << 32);
    with_other_ids(&vector, |id| id.to_be_bytes());
    with_other_ids(&vector, |id| id.to_string());
    for (&node, counter) in vector.iter().take(4) {
        there_and_back(Dot::new(node, counter).expect("not 0"));
        there_and_back(LamportTimestamp::new(counter, node).expect("not 0"));
        there_and_back(DotRange::new(node, counter.min(node.max(1))..=counter).expect("in order"));
    }

    let mut merged = vector.clone();
    merged.merge(&base);
    let mut delta = Vec::new();
    codec::encode_delta(&vector, &base, &mut delta);
    assert_eq!(codec::decode_delta(&delta, &base), Ok(merged.clone()));
    base.meet(&vector);
    delta.clear();
    codec::encode_delta(&vector, &base, &mut delta);
    assert_eq!(codec::decode_delta(&delta, &base), Ok(vector.clone()));
    there_and_back(vector);
});
