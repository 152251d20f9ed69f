//! Tests of the bytes of siblings and interval tree clocks: golden bytes, both ways, and input that is refused.
#![cfg(feature = "alloc")]

use std::fmt::Debug;

use happens_before::codec::{self, Decode, DecodeErrorKind, Encode, Reader};
use happens_before::version::{IntervalTreeClock, Siblings};
use happens_before::{Dot, VersionVector};

/// Checks that the value has these bytes, and that every other input near them is refused or another value's one form.
#[track_caller]
fn has_bytes<T: Encode + Decode + Debug + PartialEq>(value: &T, expected: &[u8]) {
    let encoded = |value: &T| {
        let mut bytes = Vec::new();
        codec::encode(value, &mut bytes);
        bytes
    };
    assert_eq!(encoded(value), expected);
    assert_eq!(codec::decode::<T>(expected).as_ref(), Ok(value));
    for len in 0..expected.len() {
        let error = codec::decode::<T>(&expected[..len]).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated, "{len} bytes");
    }
    let mut others = 0;
    for at in 0..expected.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = expected.to_vec();
            bytes[at] = byte;
            if let Ok(other) = codec::decode::<T>(&bytes) {
                assert_eq!(encoded(&other), bytes);
                others += usize::from(other != *value);
            }
        }
    }
    assert!(others > 0, "some bytes belong to other values");
}

fn dot(node: u8, counter: u64) -> Dot<u8> {
    Dot::new(node, counter).unwrap()
}

#[test]
fn siblings_have_one_form() {
    let mut cart = Siblings::<u8, u8>::new();
    cart.update(&VersionVector::new(), 70, 1).unwrap();
    cart.update(&VersionVector::new(), 71, 2).unwrap();
    let mut bytes = Vec::new();
    codec::encode(cart.context(), &mut bytes);
    bytes.extend([2, 1, 0, 70, 2, 0, 71]); // counters less 1
    has_bytes(&cart, &bytes);
}

#[test]
fn siblings_that_contradict_themselves_are_refused() {
    let refused = |context: &VersionVector<u8>, versions: &[(Dot<u8>, u8)], kind| {
        let mut bytes = Vec::new();
        codec::encode(context, &mut bytes);
        let at = bytes.len();
        bytes.push(u8::try_from(versions.len()).unwrap());
        for (dot, value) in versions {
            codec::encode(dot, &mut bytes);
            codec::encode(value, &mut bytes);
        }
        let error = codec::decode::<Siblings<u8, u8>>(&bytes).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.at > at);
    };
    let context = VersionVector::from([(1, 2), (2, 1)]);
    refused(&context, &[(dot(1, 3), 7)], DecodeErrorKind::OutOfRange);
    refused(&context, &[(dot(3, 1), 7)], DecodeErrorKind::OutOfRange);
    refused(&context, &[(dot(2, 1), 7), (dot(1, 1), 7)], DecodeErrorKind::Unsorted);
    refused(&context, &[(dot(1, 1), 7), (dot(1, 1), 8)], DecodeErrorKind::Unsorted);
}

#[test]
fn an_interval_tree_clock_has_one_form() {
    let mut clock = IntervalTreeClock::seed();
    let mut other = clock.fork();
    clock.event().unwrap();
    other.event().unwrap();
    other.event().unwrap();
    for clock in [&clock, &other] {
        let compact = clock.to_bytes();
        let mut bytes = vec![u8::try_from(compact.len()).unwrap()];
        bytes.extend(compact);
        has_bytes(clock, &bytes);
    }
}

#[test]
fn the_budget_of_a_reader_counts_tree_nodes_and_values() {
    let mut clock = IntervalTreeClock::seed();
    let _other = clock.fork();
    let mut bytes = Vec::new();
    codec::encode(&clock, &mut bytes);
    let mut reader = Reader::with_limit(&bytes, clock.size());
    assert_eq!(IntervalTreeClock::decode(&mut reader).as_ref(), Ok(&clock));
    assert_eq!(reader.entries_left(), 0);
    let limit = clock.size() - 1;
    let error = codec::decode::<IntervalTreeClock>(Reader::with_limit(&bytes, limit)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TooManyEntries { limit });

    let claim = [0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let error = codec::decode::<Siblings<u8, u8>>(&claim).unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::TooManyEntries { .. }), "{error}");
}
