//! Any bytes, passed to every decoder: the result is an error within them, or the one value that has these bytes.

#![no_main]

use happens_before::broadcast::{Position, Snapshot};
use happens_before::codec::{Decode, DecodeId, Encode, Reader, Writer};
use happens_before::node::DotRange;
use happens_before::scalar::{HybridTimestamp, LamportTimestamp};
use happens_before::version::FixedVector;
use happens_before::{CausalContext, CausalOrder, Dot, Message, VersionVector, codec};
use libfuzzer_sys::fuzz_target;

fn decode<T: Encode + Decode>(bytes: &[u8]) {
    match codec::decode::<T>(bytes) {
        Ok(value) => {
            let mut again = Vec::new();
            codec::encode(&value, &mut again);
            assert_eq!(again, bytes);
        }
        Err(error) => assert!(error.at <= bytes.len()),
    }
}

fn decode_all<I: DecodeId>(bytes: &[u8]) {
    decode::<Dot<I>>(bytes);
    decode::<DotRange<I>>(bytes);
    decode::<LamportTimestamp<I>>(bytes);
    decode::<HybridTimestamp<I>>(bytes);
    decode::<VersionVector<I>>(bytes);
    decode::<CausalContext<I>>(bytes);
    decode::<Snapshot<I>>(bytes);
    decode::<Option<I>>(bytes);

    let mut reader = Reader::new(bytes);
    match Message::<I, ()>::decode_header(&mut reader) {
        Ok(header) => {
            let mut again = Vec::new();
            header.encode_header(&mut Writer::growing(&mut again));
            assert_eq!(again, bytes[..reader.at()]);
        }
        Err(error) => assert!(error.at <= bytes.len()),
    }

    // The bytes begin with a vector; the rest is a delta to it.
    let mut reader = Reader::new(bytes);
    if let Ok(base) = VersionVector::<I>::decode(&mut reader) {
        assert_eq!(base.internal_validate(), Ok(()));
        let delta = reader.rest();
        if let Ok(vector) = codec::decode_delta(delta, &base) {
            assert_eq!(vector.internal_validate(), Ok(()));
            assert!(base <= vector);
            let mut again = Vec::new();
            codec::encode_delta(&vector, &base, &mut again);
            assert_eq!(again, delta);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    decode_all::<u8>(bytes);
    decode_all::<u64>(bytes);
    decode_all::<u128>(bytes);
    decode_all::<[u8; 2]>(bytes);
    decode_all::<String>(bytes);
    decode_all::<i64>(bytes);
    decode_all::<i128>(bytes);
    decode_all::<(String, u32)>(bytes);
    decode::<FixedVector<3>>(bytes);
    decode::<Position>(bytes);
    decode::<CausalOrder>(bytes);
});
