//! Tests of the byte format: writing and reading against the letter of its description, and against all input that is
//! not canonical.

#![cfg(feature = "alloc")]

#[allow(unreachable_pub, reason = "a module of this program alone")]
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use happens_before::broadcast::{FencingToken, Passed, Position, Snapshot};
use happens_before::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, Reader, Writer};
use happens_before::delivery::{BufferLimits, decode_snapshot, encode_snapshot};
use happens_before::endpoint::EndpointConfig;
use happens_before::node::{DotRange, TextId};
use happens_before::scalar::{HybridTime, HybridTimestamp, LamportTimestamp};
use happens_before::version::FixedVector;
use happens_before::{
    CausalBuffer, CausalContext, CausalOrder, CausalSender, Dot, Endpoint, Message, VersionVector, codec,
};
use quickcheck::{Arbitrary, Gen};
use testkit::{below, check};

fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes);
    bytes
}

/// A message without its payload.
#[derive(Clone, Debug, PartialEq)]
struct Header<I>(Message<I, ()>);

impl<I: DecodeId> Encode for Header<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.0.encode_header(out);
    }
}

impl<I: DecodeId> Decode for Header<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Message::decode_header(reader).map(Self)
    }
}

/// Decodes any bytes, and checks that the result is an error within them, or the one value that has these bytes.
/// Returns whether it is a value.
fn is_value<T: Encode + Decode>(bytes: &[u8]) -> bool {
    match codec::decode::<T>(bytes) {
        Ok(value) => {
            assert_eq!(encoded(&value), bytes, "a second form");
            true
        }
        Err(error) => {
            assert!(error.at <= bytes.len(), "{error} in {bytes:?}");
            false
        }
    }
}

// --------------------------------------------------------------------------------------------------------- Random
// vectors of all shapes that matter to the format.

/// An id type, with its conversion to the model.
trait AnyId: DecodeId + Debug + 'static {
    fn make(random: u128) -> Self;
    fn model(&self) -> model::Id;
}

macro_rules! any_id {
    ($($id:ty, $random:ident => $make:expr, $self:ident => $model:expr;)+) => { $(
        impl AnyId for $id {
            fn make($random: u128) -> Self {
                $make
            }

            fn model(&$self) -> model::Id {
                $model
            }
        }
    )+ };
}

any_id! {
    u8, random => random as u8, self => model::Id::Number((*self).into());
    u16, random => random as u16, self => model::Id::Number((*self).into());
    u32, random => random as u32, self => model::Id::Number((*self).into());
    u64, random => random as u64, self => model::Id::Number(*self);
    u128, random => random, self => model::Id::Wide(*self);
    usize, random => random as usize, self => model::Id::Number(*self as u64);
    i8, random => random as i8, self => model::Id::Signed((*self).into());
    i64, random => random as i64, self => model::Id::Signed(*self);
    i128, random => random as i128, self => model::Id::WideSigned(*self);
    [u8; 4], random => (random as u32).to_be_bytes(), self => model::Id::Fixed(self.to_vec());
    Vec<u8>, random => random.to_be_bytes()[16 - (random % 5) as usize..].to_vec(), self => model::Id::Bytes(self.clone());
    String, random => format!("{:x}", random as u16), self => model::Id::Bytes(self.clone().into_bytes());
    Arc<str>, random => String::make(random).into(), self => model::Id::Bytes(self.to_string().into_bytes());
    (String, u32), random => (String::make(random % 3), u32::make(random)), self => pair(&self.0, &self.1);
    (i32, [u8; 4]), random => (i32::make(random % 3), <[u8; 4]>::make(random)), self => pair(&self.0, &self.1);
    i32, random => random as i32, self => model::Id::Signed((*self).into());
    (u64, (u8, u8)), random => (u64::make(random), (u8::make(random), 3)), self => pair(&self.0, &self.1);
    (u8, u8), random => (u8::make(random), 3), self => pair(&self.0, &self.1);
}

fn pair(first: &impl AnyId, second: &impl AnyId) -> model::Id {
    model::Id::Pair(first.model().into(), second.model().into())
}

/// Entries for ids of any type; each type keeps the lower bits of each number that it has room for.
#[derive(Clone, Debug)]
struct Entries(Vec<(u128, u64)>);

impl Entries {
    fn map<I: AnyId>(&self) -> BTreeMap<I, u64> {
        self.0.iter().map(|&(id, counter)| (I::make(id), counter)).collect()
    }

    fn vector<I: AnyId>(&self) -> VersionVector<I> {
        self.map().into_iter().collect()
    }
}

/// A random number of a random number of bits.
fn bits(random: &mut Gen, most: u64) -> u128 {
    let bits = below(random, most + 1) as u32;
    u128::arbitrary(random) & u128::MAX.checked_shr(128 - bits).unwrap_or(0)
}

impl Arbitrary for Entries {
    fn arbitrary(random: &mut Gen) -> Self {
        let len = *random.choose(&[0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 8, 8, 9, 20, 63, 64, 65, 130]).unwrap();
        let start = bits(random, 128);
        let step = 1 + bits(random, 4);
        let (ids, counters) = (below(random, 4), below(random, 5));
        let width = below(random, 65);
        let entry = |at: u128| {
            let id = match ids {
                0 => start.wrapping_add(at), // adjacent
                1 => start.wrapping_add(at * step),
                2 => bits(random, 128),
                _ => u128::arbitrary(random),
            };
            let counter = match counters {
                0 => 1,
                1 => bits(random, width),
                2 if at % 50 == 49 => u64::MAX.into(), // outliers
                2 => bits(random, 6),
                3 => bits(random, 64),
                _ => u128::from(u64::MAX) - bits(random, 2),
            };
            (id, (counter as u64).max(1))
        };
        Self((0..len).map(entry).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let halves = self.0.split_at(self.0.len() / 2);
        let shorter = [halves.0, halves.1].map(<[_]>::to_vec).into_iter();
        Box::new(shorter.filter(|_| self.0.len() > 1).map(Self).collect::<Vec<_>>().into_iter())
    }
}

/// Checks the bytes of a vector against the description. The vector must be read from these bytes, and from neither
/// fewer nor more.
fn check_vector<I: AnyId>(entries: &Entries) {
    let map = entries.map::<I>();
    let model: Vec<_> = map.iter().map(|(id, &counter)| (id.model(), counter)).collect();
    let vector: VersionVector<I> = map.into_iter().collect();
    let bytes = encoded(&vector);
    assert_eq!(bytes, model::entries(&model));
    assert_eq!(codec::decode(&bytes), Ok(vector.clone()));

    let mut buffer = vec![0xAA; bytes.len()];
    assert_eq!(codec::encode_to_slice(&vector, &mut buffer), Ok(bytes.len()));
    assert_eq!(buffer, bytes);
    let short = bytes.len() - 1;
    assert_eq!(codec::encode_to_slice(&vector, &mut buffer[..short]).unwrap_err().needed, bytes.len());

    let reader = |limit| Reader::with_limit(&bytes, limit);
    assert_eq!(codec::decode(reader(vector.len())), Ok(vector.clone()));
    if let Some(limit) = vector.len().checked_sub(1) {
        let error = codec::decode::<VersionVector<I>>(reader(limit)).unwrap_err();
        assert_eq!((error.at, error.kind), (0, DecodeErrorKind::TooManyEntries { limit }));
    }

    for cut in [0, short / 2, short] {
        let error = codec::decode::<VersionVector<I>>(&bytes[..cut]).unwrap_err();
        assert_eq!((error.at, error.kind), (cut, DecodeErrorKind::Truncated));
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = codec::decode::<VersionVector<I>>(&longer).unwrap_err();
    assert_eq!((error.at, error.kind), (bytes.len(), DecodeErrorKind::TrailingBytes));
}

#[test]
fn vectors_have_the_bytes_of_the_description() {
    fn property(entries: Entries) {
        check_vector::<u8>(&entries);
        check_vector::<u16>(&entries);
        check_vector::<u32>(&entries);
        check_vector::<u64>(&entries);
        check_vector::<u128>(&entries);
        check_vector::<usize>(&entries);
        check_vector::<i8>(&entries);
        check_vector::<i64>(&entries);
        check_vector::<i128>(&entries);
        check_vector::<[u8; 4]>(&entries);
        check_vector::<Arc<str>>(&entries);
        check_vector::<(String, u32)>(&entries);
        check_vector::<(i32, [u8; 4])>(&entries);
        check_vector::<(u64, (u8, u8))>(&entries);
        check_vector::<Vec<u8>>(&entries);
        check_vector::<String>(&entries);
    }
    check(property as fn(_));
}

#[test]
fn columns_of_every_width_are_packed_as_described() {
    let mut state = 1;
    for bits in 1..=64 {
        for len in [9_u128, 10, 16, 17, 20, 63, 64, 65, 66] {
            // All numbers of full width, in the gaps or in the counters.
            let mut wide = || (mixed(&mut state) | 1 << 63) >> (64 - bits);
            let counters = (0..len).map(|id| (id, wide().saturating_add(1))).collect();
            check_vector::<u64>(&Entries(counters));
            let mut id = 0;
            let gaps = (0..len).map(|_| {
                id += u128::from(wide()) + 1;
                (id, 1)
            });
            check_vector::<u128>(&Entries(gaps.collect()));
        }
    }
}

#[test]
fn columns_are_written_in_the_shorter_way_at_every_boundary() {
    // Some copies of the longest or the shortest number of one length, the rest of another length.
    for large in (0..=8).flat_map(|k| [(1_u64 << (7 * k)) - 1, 1 << (7 * k)]) {
        for small in [0, 1, 127, 128, (1 << 14) - 1, 1 << 14] {
            for len in 9..=24 {
                for larges in 0..=len {
                    let entry = |at| (at, if at < larges { large } else { small } + 1);
                    check_bytes(&(0..len).map(|at| entry(u64::from(at as u8))).collect::<Vec<_>>());
                }
            }
        }
    }
}

/// Checks the bytes of a vector against the description, and that the vector is read from them.
fn check_bytes(entries: &[(u64, u64)]) {
    let vector: VersionVector<u64> = entries.iter().copied().collect();
    let model: Vec<_> = entries.iter().map(|&(id, counter)| (model::Id::Number(id), counter)).collect();
    let bytes = encoded(&vector);
    assert_eq!(bytes, model::entries(&model), "{vector}");
    assert_eq!(codec::decode(&bytes), Ok(vector));
}

#[test]
fn a_writer_appends_and_keeps_the_memory_that_is_there() {
    let vector = VersionVector::from_iter([(1_u64, 5), (2, 9), (3, 2)]);
    let mut bytes = b"before".to_vec();
    let mut writer = Writer::growing(&mut bytes);
    assert!(writer.is_empty());
    vector.encode(&mut writer);
    assert_eq!(writer.len(), 5);
    assert_eq!(bytes, [b"before", &encoded(&vector)[..]].concat());
    // A cleared buffer is used again.
    let mut bytes = Vec::with_capacity(1_000);
    codec::encode(&vector, &mut bytes);
    assert_eq!(bytes.capacity(), 1_000);
}

#[test]
fn a_context_survives_and_costs_its_holes() {
    fn property(entries: Entries, holes: Vec<(u8, u64, u64)>) {
        let mut context = CausalContext::from(entries.vector::<u16>());
        let mut count = 0;
        for (node, first, last) in holes {
            let (first, last) = (first % 1_000 + 1, last % 1_000 + 1);
            if let Some(range) = DotRange::new(u16::from(node % 8), first..=last) {
                context.insert_range(&range);
                count += 1;
            }
        }
        let bytes = encoded(&context);
        assert_eq!(codec::decode(&bytes), Ok(context.clone()));
        let highest: VersionVector<u16> =
            context.iter().map(|range| (**range.node(), *range.counters().end())).collect();
        // Each range has at most a hole, of two numbers below 2^14, and the entry of a node.
        assert!(bytes.len() <= encoded(&highest).len() + 1 + 6 * count);
        // Prefixes alone cost one byte more than the vector.
        assert_eq!(encoded(&CausalContext::from(highest.clone())), [encoded(&highest), vec![0]].concat());
        // It takes from the budget an entry for each node, each node with gaps, and each gap.
        let gaps: Vec<_> = context.missing().collect();
        let nodes: BTreeSet<_> = gaps.iter().map(DotRange::node).collect();
        let cost = highest.len() + nodes.len() + gaps.len();
        let mut reader = Reader::with_limit(&bytes, cost + 3);
        assert_eq!(CausalContext::decode(&mut reader), Ok(context.clone()));
        assert_eq!((reader.limit(), reader.entries_left()), (cost + 3, 3));
        if let Some(limit) = cost.checked_sub(1) {
            let error = codec::decode::<CausalContext<u16>>(Reader::with_limit(&bytes, limit)).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::TooManyEntries { limit });
        }
    }
    check(property as fn(_, _));
}

fn check_delta<I: AnyId>(parts: [&Entries; 3]) {
    let [mut vector, mut base, shared] = parts.map(Entries::vector::<I>);
    vector.merge(&shared);
    base.merge(&shared);
    let mut both = vector.clone();
    both.merge(&base);
    for (vector, merged) in [(&vector, &both), (&both, &both), (&base, &base)] {
        let mut delta = Vec::new();
        codec::encode_delta(vector, &base, &mut delta);
        assert_eq!(codec::decode_delta(&delta, &base).as_ref(), Ok(merged));
        let longer = [&delta[..], &[0]].concat();
        let error = codec::decode_delta(&longer, &base).unwrap_err();
        assert_eq!((error.at, error.kind), (delta.len(), DecodeErrorKind::TrailingBytes));
        let cut = delta.len() - 1;
        assert_eq!(codec::decode_delta(&delta[..cut], &base).unwrap_err().kind, DecodeErrorKind::Truncated);
    }
    let mut nothing = Vec::new();
    codec::encode_delta(&base, &base, &mut nothing);
    assert_eq!(nothing.len(), 10);
}

#[test]
fn a_delta_to_a_base_is_merged_into_it() {
    fn property(vector: Entries, base: Entries, shared: Entries) {
        check_delta::<u8>([&vector, &base, &shared]);
        check_delta::<u64>([&vector, &base, &shared]);
        check_delta::<String>([&vector, &base, &shared]);
        check_delta::<i64>([&vector, &base, &shared]);
        check_delta::<(String, u32)>([&vector, &base, &shared]);
    }
    check(property as fn(_, _, _));
}

#[test]
fn a_delta_to_an_older_or_a_newer_base_is_refused() {
    let base = VersionVector::from_iter([(1_u64, 5), (2, 9), (3, 1)]);
    let mut vector = base.clone();
    vector.increment(2).unwrap();
    let mut delta = Vec::new();
    codec::encode_delta(&vector, &base, &mut delta);
    for node in [1, 2, 3, 4] {
        let mut other = base.clone();
        other.increment(node).unwrap();
        assert_eq!(codec::decode_delta(&delta, &other).unwrap_err().kind, DecodeErrorKind::WrongBase);
        other.remove(&node);
        let decoded = codec::decode_delta(&delta, &other).map_err(|error| error.kind);
        assert_eq!(decoded, if node == 4 { Ok(vector.clone()) } else { Err(DecodeErrorKind::WrongBase) });
    }
}

#[test]
fn a_delta_that_names_what_the_base_has_is_refused() {
    let base = VersionVector::from_iter([(7_u64, 3)]);
    let mut nothing = Vec::new();
    codec::encode_delta(&base, &base, &mut nothing);
    let digest = &nothing[2..];
    let refused = |delta: &[u8]| {
        let error = codec::decode_delta(&[delta, digest].concat(), &base).unwrap_err();
        (error.at, error.kind)
    };
    // No entry has grown; node 7 is new, with counter 5.
    assert_eq!(refused(&[0, 1, 7, 4]), (0, DecodeErrorKind::NotCanonical));
    assert_eq!(codec::decode_delta(&[0, 1, 7, 4], &base).unwrap_err().kind, DecodeErrorKind::Truncated);
    // The entry has grown beyond the range; then a second entry has grown, which the base does not have.
    let most = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFC];
    assert_eq!(refused(&[&[1, 0], &most[..], &[0]].concat()), (0, DecodeErrorKind::OutOfRange));
    assert_eq!(refused(&[1, 1, 0, 0]), (0, DecodeErrorKind::OutOfRange));
}

#[test]
fn a_delta_to_any_other_base_is_refused() {
    // All vectors of up to four nodes with counters up to 3, many of which have seen equally many events.
    let bases: Vec<VersionVector<u8>> = (0..256)
        .map(|digits| (0..4).map(|node| (node, u64::from(digits >> (2 * node) & 3_u32))).collect())
        .collect();
    let (mut refused, mut as_many) = (0, 0);
    let events = |vector: &VersionVector<u8>| vector.iter().map(|(_, counter)| counter).sum::<u64>();
    for base in &bases {
        let mut vector = base.clone();
        vector.increment(2).unwrap();
        let mut delta = Vec::new();
        codec::encode_delta(&vector, base, &mut delta);
        for other in &bases {
            match codec::decode_delta(&delta, other) {
                Ok(read) => assert!(other == base && read == vector),
                Err(error) => {
                    assert_eq!((error.kind, error.at), (DecodeErrorKind::WrongBase, delta.len() - 8));
                    refused += 1;
                    as_many += u32::from(events(base) == events(other));
                }
            }
        }
    }
    assert_eq!(refused, 256 * 255);
    assert!(as_many > 4_000, "{as_many} pairs with as many events");

    // Ids of other forms; some are parts of others, or are 0.
    fn other_ids<I: AnyId>(ids: &[I]) {
        let vectors: Vec<VersionVector<I>> =
            ids.iter().map(|id| VersionVector::from_iter([(id.clone(), 5)])).collect();
        for (at, base) in vectors.iter().enumerate() {
            let mut delta = Vec::new();
            codec::encode_delta(base, base, &mut delta);
            let read = vectors.iter().map(|other| codec::decode_delta(&delta, other).is_ok());
            assert!(read.eq((0..vectors.len()).map(|other| other == at)), "{base:?}");
        }
    }
    other_ids(&[0_u128, 1, 5, 1 << 64, 5 << 64, u128::MAX]);
    other_ids(&[[0; 4], [1, 0, 0, 0], [0, 0, 0, 1], [5; 4]]);
    other_ids(&[0_i64, -1, 1, -5, i64::MIN, i64::MAX]);
    other_ids(&[0_i128, -1, 1, 1 << 64, i128::MIN, i128::MAX]);
    other_ids(&[("", 0), ("", 1), ("\0", 0), ("\0", 1), ("a", 0)].map(|(id, n)| (String::from(id), n)));
    other_ids(&["", "\0", "\0\0", "a", "a\0", "eight888", "eight888\0", "eight8889"].map(String::from));
}

#[test]
fn small_values_survive_and_sort_as_their_bytes() {
    type Values = (u64, u64, u64, u64);
    fn property(x: Values, y: Values, shifts: (u8, u8)) {
        let shift = |values: Values| {
            let by = |value: u64, shift: u8| value >> (shift % 64);
            (by(values.0, shifts.0), by(values.1, shifts.1), by(values.2, shifts.0), by(values.3, shifts.1))
        };
        let (x, y) = (shift(x), shift(y));
        let [x_dot, y_dot] = [x, y].map(|v| Dot::new(v.0, v.1.max(1)).unwrap());
        let [x_time, y_time] = [x, y].map(|v| LamportTimestamp::new(v.1.max(1), v.0).unwrap());
        let hybrid = |v: Values| HybridTimestamp::new(HybridTime::from_bits(v.1 >> 1).unwrap(), (v.2, v.3).0);
        let [x_hybrid, y_hybrid] = [x, y].map(hybrid);
        assert_eq!(x_dot.cmp(&y_dot), encoded(&x_dot).cmp(&encoded(&y_dot)));
        assert_eq!(x_time.cmp(&y_time), encoded(&x_time).cmp(&encoded(&y_time)));
        assert_eq!(x_hybrid.cmp(&y_hybrid), encoded(&x_hybrid).cmp(&encoded(&y_hybrid)));
        let (first, last) = (x.1.min(x.2).max(1), x.1.max(x.2).max(1));
        let range = DotRange::new(x.0, first..=last).unwrap();
        assert_eq!(codec::decode(&encoded(&x_dot)), Ok(x_dot));
        assert_eq!(codec::decode(&encoded(&x_time)), Ok(x_time));
        assert_eq!(codec::decode(&encoded(&x_hybrid)), Ok(x_hybrid));
        assert_eq!(codec::decode(&encoded(&range)), Ok(range));
        let position = |v: Values| Position { epoch: v.0, sequence: v.1, index: v.2 };
        let [x_position, y_position] = [x, y].map(position);
        assert_eq!(x_position.cmp(&y_position), encoded(&x_position).cmp(&encoded(&y_position)));
        let token = FencingToken::new(x_position);
        assert_eq!(encoded(&token), encoded(&x_position));
        assert_eq!(codec::decode(&encoded(&token)), Ok(token));
        assert_eq!(encoded(&x_dot), [model::number(x.0), model::number(x.1.max(1) - 1)].concat());
    }
    check(property as fn(_, _, _));
}

// --------------------------------------------------------------------------------------------------------- Bytes that
// are not canonical.

/// Tries all byte strings of up to `len` bytes; returns the number of values among them.
fn every_string<T: Encode + Decode>(len: u32) -> usize {
    let strings = (0..=len).flat_map(|len| (0..1_u32 << (8 * len)).map(move |string| (string, len)));
    strings.filter(|(string, len)| is_value::<T>(&string.to_be_bytes()[4 - *len as usize..])).count()
}

#[test]
fn every_string_of_two_bytes_is_the_form_of_one_value_or_refused() {
    // Two numbers below 2^7.
    assert_eq!(every_string::<Dot<u64>>(2), 1 << 14);
    assert_eq!(every_string::<LamportTimestamp<u64>>(2), 1 << 14);
    assert_eq!(every_string::<DotRange<u64>>(2), 0);
    // Text with less than a byte, then the counter.
    assert_eq!(every_string::<Dot<String>>(2), 1 << 7);
    assert_eq!(every_string::<HybridTimestamp<u64>>(2), 0);
    // Only the empty vector.
    assert_eq!(every_string::<VersionVector<u64>>(2), 1);
    assert_eq!(every_string::<VersionVector<u128>>(2), 1);
    // And one node without a name.
    assert_eq!(every_string::<VersionVector<[u8; 0]>>(2), 1 + (1 << 7));
    assert_eq!(every_string::<Header<u64>>(2), 0);
    assert_eq!(every_string::<CausalContext<u64>>(2), 1);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "17 million strings a type: for a release build")]
fn every_string_of_three_bytes_is_the_form_of_one_value_or_refused() {
    assert_eq!(every_string::<Dot<u64>>(3), (1 << 14) + 2 * (1 << 7) * ((1 << 14) - (1 << 7)));
    assert_eq!(every_string::<DotRange<u64>>(3), 1 << 21);
    // One node with an id below 2^7 and a counter up to 2^7; or 9 to 63 adjacent ones with counter 1.
    assert_eq!(every_string::<VersionVector<u64>>(3), 1 + (1 << 14) + 55 * (1 << 7));
    assert_eq!(every_string::<VersionVector<String>>(3), 1 + (1 << 7));
    assert_eq!(every_string::<Header<u64>>(3), 1 << 14);
    assert_eq!(every_string::<CausalContext<u64>>(3), 1);
}

/// Tries all inputs that differ from valid bytes by one byte. Returns the number of inputs, and of values among them.
fn neighbours<T: Encode + Decode>(bytes: &[u8]) -> (usize, usize) {
    assert!(is_value::<T>(bytes));
    let (mut tried, mut values) = (0, 0);
    let mut try_one = |bytes: &[u8]| {
        tried += 1;
        values += usize::from(is_value::<T>(bytes));
    };
    for at in 0..=bytes.len() {
        try_one(&bytes[..at]);
        let mut other = bytes.to_vec();
        for byte in 0..=u8::MAX {
            other.insert(at, byte);
            try_one(&other);
            other.remove(at);
        }
        if at < bytes.len() {
            other.remove(at);
            try_one(&other);
            other.insert(at, 0);
            for byte in 0..=u8::MAX {
                other[at] = byte;
                try_one(&other);
            }
        }
    }
    (tried, values)
}

#[test]
fn whatever_differs_by_a_byte_is_another_value_or_refused() {
    let (mut tried, mut values) = (0, 0);
    let mut count = |(more, valid): (usize, usize)| {
        tried += more;
        values += valid;
    };
    let mut random = testkit::random();
    for round in 0..if cfg!(debug_assertions) { 9 } else { 200 } {
        fn some<I: AnyId>(random: &mut Gen, most: usize) -> VersionVector<I> {
            Entries(Entries::arbitrary(random).0.into_iter().take(most).collect()).vector()
        }
        count(neighbours::<VersionVector<u64>>(&encoded(&some::<u64>(&mut random, round % 9))));
        count(neighbours::<VersionVector<u8>>(&encoded(&some::<u8>(&mut random, round % 70))));
        count(neighbours::<VersionVector<u128>>(&encoded(&some::<u128>(&mut random, round % 4))));
        count(neighbours::<VersionVector<String>>(&encoded(&some::<String>(&mut random, round % 5))));
        count(neighbours::<VersionVector<i8>>(&encoded(&some::<i8>(&mut random, round % 20))));
        count(neighbours::<VersionVector<i128>>(&encoded(&some::<i128>(&mut random, round % 3))));
        let pairs = some::<(String, u32)>(&mut random, round % 4);
        count(neighbours::<VersionVector<(String, u32)>>(&encoded(&pairs)));
        let passed = Passed { slot: 9, epoch: 1, id: Dot::new(7, 1) };
        let some_skipped = (1..round as u64 % 4).map(|slot| slot * slot).collect();
        let snapshot = Snapshot {
            next: 1 + round as u64,
            epoch: 1,
            delivered: some::<u16>(&mut random, round % 3),
            skipped: some_skipped,
            passed: (round % 2 == 0).then_some(passed),
        };
        count(neighbours::<Snapshot<u16>>(&encoded(&snapshot)));
        let mut context = CausalContext::from(some::<u8>(&mut random, round % 3));
        for _ in 0..round % 4 {
            let first = 1 + below(&mut random, 50);
            let range = DotRange::new(below(&mut random, 3) as u8, first..=first + below(&mut random, 9));
            context.insert_range(&range.unwrap());
        }
        count(neighbours::<CausalContext<u8>>(&encoded(&context)));
        let causes = some::<u16>(&mut random, round % 4);
        let causes = causes.iter().filter_map(|(&node, counter)| Dot::new(node, counter));
        let header =
            Message::new(Dot::new(1, 1 + round as u64).unwrap(), causes.filter(|dot| *dot.node() != 1), ());
        count(neighbours::<Header<u16>>(&encoded(&Header(header.unwrap()))));
    }
    assert!(tried > 200_000, "{tried} tried");
    assert!(values > tried / 20, "{values} of {tried} are values");
}

/// The second life of a node, with an id that is the pair of its old id and a number.
#[test]
fn an_incarnation_takes_part_in_a_group_and_is_saved() {
    let id = |life| (Arc::<str>::from("web"), life);
    let endpoint = |life| Endpoint::<(Arc<str>, u32)>::new(id(life), [id(1), id(2)], EndpointConfig::default());
    let (mut one, mut two) = (endpoint(1).unwrap(), endpoint(2).unwrap());
    two.broadcast(b"again".to_vec()).unwrap();
    while let Some((to, packet)) = two.poll_packet() {
        assert_eq!(to, id(1));
        one.handle_packet(0, &id(2), &packet).unwrap();
    }
    let message = one.poll_delivery().unwrap();
    assert_eq!((message.dot().clone(), &message.payload()[..]), (Dot::new(id(2), 1).unwrap(), &b"again"[..]));
    // The bytes do not name the type, so another type of text reads them.
    let saved = Endpoint::<(String, u64)>::resume(&one.snapshot(), EndpointConfig::default()).unwrap();
    assert_eq!(saved.node(), &("web".to_string(), 1));
    assert_eq!(saved.snapshot(), one.snapshot());
}

#[test]
fn an_id_is_a_value() {
    assert_eq!(encoded(&-7_i64), [13]);
    assert_eq!(encoded(&7_i8), [14]);
    assert_eq!(encoded(&("p".to_string(), 2_u32)), *b"\x01p\x02");
    assert_eq!(encoded(&Some("p")), *b"\x01\x01p");
    assert_eq!(encoded(&None::<&str>), [0]);
    for text in [&b"\x02hi"[..], b"\x00", b"\x01\xFF", b"\x03hi", b"\x02hi\x00"] {
        let string = codec::decode::<String>(text);
        assert_eq!(codec::decode(text), string.clone().map(Arc::<str>::from));
        assert_eq!(codec::decode(text), string.clone().map(Rc::<str>::from));
        assert_eq!(codec::decode(text), string.map(Box::<str>::from));
    }
    assert_eq!(codec::decode::<Option<u8>>(&[2, 1]).unwrap_err().kind, DecodeErrorKind::OutOfRange);
    assert_eq!(encoded(&TextId([7_u8; 2])), [7, 7]);
    assert_eq!(codec::decode(&[7, 7]), Ok(TextId([7_u8; 2])));
    // Types of one form read each other's ids, if they fit.
    assert_eq!(codec::decode::<u8>(&encoded(&200_usize)), Ok(200));
    assert_eq!(codec::decode::<u8>(&encoded(&256_usize)).unwrap_err().kind, DecodeErrorKind::InvalidId);
    assert_eq!(codec::decode::<i16>(&encoded(&-32_768_isize)), Ok(i16::MIN));
    assert_eq!(codec::decode::<i16>(&encoded(&-32_769_isize)).unwrap_err().kind, DecodeErrorKind::InvalidId);
    for id in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        assert_eq!(codec::decode(&encoded(&id)), Ok(id));
        assert_eq!(codec::decode(&encoded(&i128::from(id))), Ok(i128::from(id)));
    }
    // All numbers of one and two bytes, and no others.
    assert_eq!(every_string::<i64>(2), (1 << 14));
    assert_eq!(every_string::<(u8, i8)>(2), 1 << 14);
    assert_eq!(every_string::<Option<String>>(2), 2);
    assert_eq!(every_string::<CausalOrder>(2), 4);
    assert_eq!(every_string::<FixedVector<2>>(2), 1 << 14);
    assert_eq!(every_string::<FixedVector<0>>(2), 1);
    assert_eq!(every_string::<Position>(2), 0);
}

fn refusal<T: Decode + Debug>(bytes: &[u8]) -> (usize, DecodeErrorKind) {
    let error = codec::decode::<T>(bytes).unwrap_err();
    (error.at, error.kind)
}

#[test]
fn an_error_names_the_byte_and_blocks_have_one_form() {
    type Bytes = VersionVector<u8>;
    type Words = VersionVector<u64>;
    // The only id is beyond a byte; then an id after a gap, in few entries and in a block.
    assert_eq!(refusal::<Bytes>(&[1, 0x81, 0, 0]), (1, DecodeErrorKind::InvalidId));
    assert_eq!(refusal::<Bytes>(&[2 + 8, 0x80, 250, 5, 0, 0]), (3, DecodeErrorKind::InvalidId));
    assert_eq!(refusal::<Bytes>(&[9 + 64, 0x80, 250, 0]), (3, DecodeErrorKind::InvalidId));

    // 9 counters of 64 bits, packed with the lowest byte first, or one of them and 8 of 1 byte.
    for (others, code, lowest) in [(u64::MAX, 64, 8), (1, 65, 1)] {
        let ids = (1..9).map(|id| (id, others)).chain([(9, u64::MAX)]);
        let mut bytes = encoded(&ids.collect::<Words>());
        let lowest = bytes.len() - lowest;
        assert_eq!((bytes[2], bytes[lowest]), (code, 0xFE));
        bytes[lowest] = 0xFF;
        assert_eq!(refusal::<Words>(&bytes), (2, DecodeErrorKind::OutOfRange));
    }

    // 9 counters of 1 bit leave 7 bits of the last byte.
    let bytes = encoded(&(1_u64..10).map(|id| (id, 2)).collect::<Words>());
    assert_eq!(bytes, [9 + 64, 1, 1, 0xFF, 1]);
    for bit in 1..8 {
        let unused = [9 + 64, 1, 1, 0xFF, 1 | 1 << bit];
        assert_eq!(refusal::<Words>(&unused), (4, DecodeErrorKind::NotCanonical));
    }

    // More holes than the limit of entries: two of one node are refused before the bytes of the first.
    let dot = |counter| Dot::new(1_u64, counter).unwrap();
    let bytes = encoded(&CausalContext::from_iter([dot(2), dot(4)]));
    let error = codec::decode::<CausalContext<u64>>(Reader::with_limit(&bytes, 3)).unwrap_err();
    assert_eq!((error.at, error.kind), (bytes.len() - 4, DecodeErrorKind::TooManyEntries { limit: 3 }));
}

#[test]
fn a_claimed_length_reserves_nothing() {
    for exponent in 12..55 {
        for flag in [0, 1] {
            let mut bytes = Vec::new();
            Writer::growing(&mut bytes).put_number((1_u64 << exponent) + flag);
            bytes.extend([0; 9]);
            let mut reader = Reader::with_limit(&bytes, usize::MAX);
            // If it reserved memory, it would run out.
            let error = VersionVector::<u64>::decode(&mut reader).unwrap_err();
            assert!(error.at <= bytes.len());
        }
    }
    let claims = [0xFE, 16, 0, 0, 0, 0, 0, 0];
    let error = codec::decode::<VersionVector<u64>>(&claims).unwrap_err();
    let limit = Reader::DEFAULT_ENTRIES + claims.len();
    assert_eq!((error.at, error.kind), (0, DecodeErrorKind::TooManyEntries { limit }));
    let text = [0xFE, 16, 0, 0, 0, 0, 0, 0, b'a'];
    assert_eq!(codec::decode::<Dot<String>>(&text).unwrap_err().kind, DecodeErrorKind::Truncated);
}

#[test]
fn a_short_input_names_no_more_entries_than_the_reader_allows() {
    let adjacent = |nodes| (0..nodes).map(|node| (node, 1)).collect::<VersionVector<u64>>();
    let bytes = encoded(&adjacent(10_000));
    assert_eq!(bytes.len(), 2 + 1 + 10_000_usize.div_ceil(64));
    assert_eq!(VersionVector::decode(&mut Reader::with_limit(&bytes, 10_000)), Ok(adjacent(10_000)));
    let error = VersionVector::<u64>::decode(&mut Reader::with_limit(&bytes, 9_999)).unwrap_err();
    assert_eq!((error.at, error.kind), (0, DecodeErrorKind::TooManyEntries { limit: 9_999 }));
    assert_eq!(
        error.to_string(),
        "byte 0: more than 9999 entries; distrust the sender, or raise the reader's limit"
    );
}

#[test]
fn a_vector_of_any_length_is_read_back() {
    for count in [4_096, 4_097, (1 << 20) + 1] {
        // Adjacent nodes with equal counters take a byte for 64 entries, so a larger limit must be given unless they
        // are few.
        let regular: VersionVector<u64> = (0..count).map(|node| (node, 1)).collect();
        let bytes = encoded(&regular);
        let n = regular.len();
        assert!(codec::decode(Reader::with_limit(&bytes, n)) == Ok(regular));
        assert_eq!(codec::decode::<VersionVector<u64>>(&bytes).is_ok(), n <= 4_096 + bytes.len());
        // Other entries take at least a byte each.
        let others: VersionVector<u64> = (0..count).map(|node| (node, node % 300 + 1)).collect();
        assert!(codec::decode(&encoded(&others)) == Ok(others));
    }
}

#[test]
fn all_that_a_reader_reads_counts() {
    let vector: VersionVector<u64> = (0..10).map(|node| (node, 2)).collect();
    let dot = Dot::new(77_u64, 1).unwrap();
    let message = Message::new(dot, (0..3).map(|node| Dot::new(node, 2).unwrap()), ()).unwrap();
    let mut bytes = encoded(&vector).repeat(2);
    message.encode_header(&mut Writer::growing(&mut bytes));
    bytes.extend(encoded(&dot));
    // Two vectors and a header: 23 entries.
    let read = |limit| {
        let mut reader = Reader::with_limit(&bytes, limit);
        assert_eq!(VersionVector::decode(&mut reader)?, vector);
        assert_eq!(VersionVector::decode(&mut reader)?, vector);
        assert_eq!(Message::decode_header(&mut reader)?, message);
        assert_eq!(Dot::decode(&mut reader)?, dot);
        Ok::<_, DecodeError>(reader.entries_left())
    };
    assert_eq!((read(23), read(30)), (Ok(0), Ok(7)));
    for (limit, at) in [(22, 10), (19, 5), (10, 5), (9, 0)] {
        let error = read(limit).unwrap_err();
        assert_eq!((error.at, error.kind), (at, DecodeErrorKind::TooManyEntries { limit }));
    }
}

#[test]
fn a_delta_counts_what_it_names() {
    let base: VersionVector<u64> = (0..1_000).map(|node| (node, 1)).collect();
    let now: VersionVector<u64> = (500..1_100).map(|node| (node, 2)).collect();
    let mut delta = Vec::new();
    codec::encode_delta(&now, &base, &mut delta);
    let read = |limit| codec::decode_delta(Reader::with_limit(&delta, limit), &base);
    assert_eq!(read(600).map(|vector| vector.len()), Ok(1_100));
    assert_eq!(read(599).unwrap_err().kind, DecodeErrorKind::TooManyEntries { limit: 599 });
    assert_eq!(read(499).unwrap_err().at, 0);
}

// ---------------------------------------------------------------------------------------------------------
// Sizes.

fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// The bytes an entry of `nodes` entries, on average over ten vectors.
fn bytes_an_entry(nodes: u64, entry: impl Fn(u64, u64, u64) -> (u64, u64)) -> f64 {
    let mut state = 1;
    let total: usize = (0..10)
        .map(|_| {
            let entries = (0..nodes).map(|node| entry(node, mixed(&mut state), mixed(&mut state)));
            encoded(&entries.collect::<VersionVector<_>>()).len()
        })
        .sum();
    total as f64 / (10 * nodes) as f64
}

/// The size in a general serializer: the number of entries, then id and counter in groups of 7 bits.
fn pairs_an_entry(nodes: u64, id_bits: f64, counter_bits: f64) -> f64 {
    let len = |bits: f64| (bits / 7.0).ceil();
    len(id_bits) + len(counter_bits) + 1.0 / nodes as f64
}

#[test]
fn vectors_are_smaller_than_pairs_of_variable_length() {
    let million = |_, id, counter| (id, counter % 1_000_000 + 1);
    let at_1024 = bytes_an_entry(1_024, million);
    // The entropy is 9.42.
    assert!(at_1024 <= 9.65, "{at_1024} bytes");
    for nodes in [3, 8, 16, 64, 256, 1_024, 10_000] {
        let random = bytes_an_entry(nodes, million);
        assert!(random < pairs_an_entry(nodes, 64.0, 19.9) - 1.0, "{random} bytes with {nodes} nodes");
        let small = bytes_an_entry(nodes, |node, _, counter| (node + 1, counter % 100 + 1));
        assert!(small < pairs_an_entry(nodes, 7.0, 7.0), "{small} bytes with {nodes} nodes");
        let large = bytes_an_entry(nodes, |node, _, counter| (node + 1, counter));
        assert!(large < pairs_an_entry(nodes, 7.0, 64.0), "{large} bytes with {nodes} nodes");
    }
    // One huge counter costs its own bytes, not those of its block.
    let outlier = |node: u64, _, counter| (node, if node == 30 { u64::MAX } else { counter % 100 + 1 });
    assert!(bytes_an_entry(64, outlier) < 1.2);
}

#[test]
fn headers_are_small() {
    let size = |message: Message<u64, ()>| encoded(&Header(message)).len();
    let dot = |node, counter| Dot::new(node, counter).unwrap();
    // An author that types on alone, and one that has just received another's last change.
    assert_eq!(size(Message::new(dot(1, 20_000), [], ()).unwrap()), 5);
    assert_eq!(size(Message::new(dot(1, 10_000), [dot(0, 10_000)], ()).unwrap()), 7);
    // Random ids.
    assert_eq!(size(Message::new(dot(u64::MAX, 10_000), [dot(u64::MAX / 3, 10_000)], ()).unwrap()), 23);
}

// --------------------------------------------------------------------------------------------------------- Bytes that
// every later version must read.

fn golden_id<I: AnyId + GoldenId>(text: &str) -> I {
    I::parse(text)
}

trait GoldenId {
    fn parse(text: &str) -> Self;
}

macro_rules! golden_number {
    ($($id:ty),+) => { $(
        impl GoldenId for $id {
            fn parse(text: &str) -> Self {
                text.parse().unwrap()
            }
        }
    )+ };
}

golden_number!(u8, u16, u32, u64, u128, i32, i64, i128, String);

/// Written as the id, a slash and its incarnation.
impl GoldenId for (String, u32) {
    fn parse(text: &str) -> Self {
        let (id, incarnation) = split(text, "/");
        (id.to_string(), incarnation.parse().unwrap())
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    assert_eq!(digits.len() % 2, 0);
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

impl GoldenId for Vec<u8> {
    fn parse(text: &str) -> Self {
        from_hex(text.strip_prefix('x').unwrap())
    }
}

impl GoldenId for [u8; 4] {
    fn parse(text: &str) -> Self {
        Vec::parse(text).try_into().unwrap()
    }
}

fn split<'a>(text: &'a str, separator: &str) -> (&'a str, &'a str) {
    text.split_once(separator).unwrap_or_else(|| panic!("{text} has no {separator}"))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|item| *item != "-")
}

fn dot<I: AnyId + GoldenId>(text: &str) -> Dot<I> {
    let (node, counter) = split(text, ":");
    Dot::new(golden_id(node), counter.parse().unwrap()).unwrap()
}

fn range<I: AnyId + GoldenId>(text: &str) -> DotRange<I> {
    let (node, counters) = split(text, ":");
    let (first, last) = split(counters, "..=");
    DotRange::new(golden_id(node), first.parse().unwrap()..=last.parse().unwrap()).unwrap()
}

fn vector<I: AnyId + GoldenId>(text: &str) -> VersionVector<I> {
    list(text).map(|text| dot(text)).map(|dot: Dot<I>| (dot.node().clone(), dot.counter())).collect()
}

fn both_ways<T: Encode + Decode + PartialEq + Debug>(value: T, bytes: &[u8]) {
    assert_eq!(encoded(&value), bytes, "{value:?}");
    assert_eq!(codec::decode(bytes), Ok(value));
}

type Restored<I> = (CausalBuffer<I, Vec<u8>>, CausalSender<I>);

fn snapshot<I: AnyId>(bytes: &[u8]) -> Result<Restored<I>, DecodeError> {
    let limits = BufferLimits { messages: 2, nodes: 4, ..BufferLimits::default() };
    let valid = |payload: &[u8]| (payload != b"bad").then(|| payload.to_vec());
    decode_snapshot(bytes, CausalBuffer::new(limits), valid)
}

fn subscriber<I: AnyId + GoldenId>(text: &str) -> Snapshot<I> {
    let parts: Vec<_> = text.split(';').collect();
    let passed = (parts[4] != "-").then(|| {
        let (slot, rest) = split(parts[4], "@");
        let (epoch, id) = split(rest, "=");
        let id = (id != "-").then(|| dot(id));
        Passed { slot: slot.parse().unwrap(), epoch: epoch.parse().unwrap(), id }
    });
    Snapshot {
        next: parts[1].parse().unwrap(),
        epoch: parts[2].parse().unwrap(),
        delivered: vector(parts[0]),
        skipped: list(parts[3]).map(|slot| slot.parse().unwrap()).collect(),
        passed,
    }
}

/// Checks a line of a value without ids.
fn golden_plain(kind: &str, text: &str, bytes: &[u8]) {
    match kind {
        "fixed" => {
            let counters: Vec<u64> = list(text).map(|counter| counter.parse().unwrap()).collect();
            both_ways(FixedVector::<3>::from_counters(counters.try_into().unwrap()), bytes);
        }
        "order" => both_ways(text.parse::<CausalOrder>().unwrap(), bytes),
        "position" => {
            both_ways(text.parse::<Position>().unwrap(), bytes);
            both_ways(text.parse::<FencingToken>().unwrap(), bytes);
        }
        _ => panic!("a kind that is not known without ids: {kind}"),
    }
}

/// Checks a line of the file: the kind of value, the value as text, its bytes.
fn golden_small<I: AnyId + GoldenId>(kind: &str, text: &str, bytes: &[u8]) {
    match kind {
        "dot" => both_ways(dot::<I>(text), bytes),
        "range" => both_ways(range::<I>(text), bytes),
        "lamport" => {
            let dot = dot::<I>(text);
            both_ways(LamportTimestamp::new(dot.counter(), dot.node().clone()).unwrap(), bytes);
        }
        "hybrid" => {
            let (node, time) = split(text, ":");
            let (ms, logical) = split(time, "+");
            let time = HybridTime::new(ms.parse().unwrap(), logical.parse().unwrap()).unwrap();
            both_ways(HybridTimestamp::new(time, golden_id::<I>(node)), bytes);
        }
        "vector" => both_ways(vector::<I>(text), bytes),
        "subscriber" => both_ways(subscriber::<I>(text), bytes),
        _ => panic!("a kind that is not known for these ids: {kind}"),
    }
}

/// The same for ids that are tested with every kind of value; large ids take long to compile.
fn golden<I: AnyId + GoldenId>(kind: &str, text: &str, bytes: &[u8]) {
    match kind {
        "context" => both_ways(list(text).map(|text| range::<I>(text)).collect::<CausalContext<I>>(), bytes),
        "header" => {
            let (own, dependencies) = split(text, "<");
            let dependencies = list(dependencies).map(|text| dot(text));
            both_ways(Header(Message::new(dot::<I>(own), dependencies, ()).unwrap()), bytes);
        }
        "delta" => {
            let (base, newer) = split(text, ">");
            let (base, newer) = (vector::<I>(base), vector::<I>(newer));
            let mut delta = Vec::new();
            codec::encode_delta(&newer, &base, &mut delta);
            assert_eq!(delta, bytes, "{text}");
            assert_eq!(codec::decode_delta(bytes, &base), Ok(newer));
        }
        "snapshot" => {
            let mut parts = text.split(';');
            let mut part = || parts.next().unwrap();
            let mut buffer = CausalBuffer::new(BufferLimits::default());
            buffer.advance_to(&vector::<I>(part())).unwrap();
            for closed in list(part()) {
                let (node, last) = split(closed, ":");
                buffer.close(&golden_id(node), last.parse().unwrap()).unwrap();
            }
            let (node, counter) = split(part(), ":");
            let sender = CausalSender::resume(golden_id::<I>(node), counter.parse().unwrap(), vector(part()));
            for message in list(part()) {
                let (own, rest) = split(message, "<");
                let (dependencies, payload) = split(rest, "=");
                let dependencies = dependencies.split('+').filter(|text| *text != "-").map(dot);
                let message = Message::new(dot::<I>(own), dependencies, payload.as_bytes().to_vec()).unwrap();
                buffer.accept(message).unwrap();
            }
            let mut written = Vec::new();
            encode_snapshot(&buffer, &sender, &mut written);
            assert_eq!(written, bytes, "{text}");
            let (again, sender) = snapshot::<I>(bytes).unwrap();
            let mut written = Vec::new();
            encode_snapshot(&again, &sender, &mut written);
            assert_eq!(written, bytes);
        }
        _ => golden_small::<I>(kind, text, bytes),
    }
}

#[test]
fn a_snapshot_of_very_many_closed_nodes_is_read_in_linear_time() {
    // If each node looked at every other, this would take minutes.
    let nodes = 200_000_u64;
    let empty =
        || CausalBuffer::<u64, Vec<u8>>::new(BufferLimits { nodes: 1 << 20, ..BufferLimits::default() });
    let mut buffer = empty();
    for node in 0..nodes {
        buffer.close(&node, node % 3).unwrap();
    }
    let mut bytes = Vec::new();
    encode_snapshot(&buffer, &CausalSender::new(nodes), &mut bytes);
    let (again, _) = decode_snapshot(&bytes, empty(), |payload| Some(payload.to_vec())).unwrap();
    assert!(again.closed().eq(buffer.closed()));
    assert_eq!(again.closed().count() as u64, nodes);
}

#[test]
fn a_snapshot_may_name_its_nodes_in_any_order() {
    // The closed nodes lie below the delivered ones, and the messages name other nodes from the highest one down. If
    // each new node moved all others, this would take minutes.
    let nodes = 100_000_u64;
    let vector = |ids: std::ops::Range<u64>| ids.map(|node| (node, 1)).collect::<VersionVector<u64>>();
    let mut bytes = encoded(&vector(2 * nodes..3 * nodes));
    bytes.extend(encoded(&vector(nodes..2 * nodes)));
    let mut writer = Writer::growing(&mut bytes);
    writer.put(&[0, 0, 0]); // the node itself, what it has sent, and what it has last seen
    writer.put_number(nodes);
    for counter in 2..nodes + 2 {
        let named = Dot::new(nodes - (counter - 1), 1).unwrap();
        Message::new(Dot::new(u64::MAX, counter).unwrap(), [named], ()).unwrap().encode_header(&mut writer);
        writer.put_number(0);
    }
    let limits = BufferLimits { nodes: 1 << 20, messages: 1 << 20, ..BufferLimits::default() };
    let empty = CausalBuffer::<u64, Vec<u8>>::new(limits);
    let (buffer, _) = decode_snapshot(&bytes, empty, |payload| Some(payload.to_vec())).unwrap();
    assert_eq!((buffer.len() as u64, buffer.closed().count() as u64), (nodes, nodes));
    assert_eq!(buffer.delivered().len() as u64, nodes);
}

/// Returns the error for refused bytes.
fn refused_small<I: AnyId>(kind: &str, bytes: &[u8]) -> DecodeError {
    match kind {
        "dot" => codec::decode::<Dot<I>>(bytes).unwrap_err(),
        "vector" => codec::decode::<VersionVector<I>>(bytes).unwrap_err(),
        "subscriber" => codec::decode::<Snapshot<I>>(bytes).unwrap_err(),
        _ => panic!("a kind that is not known for these ids: {kind}"),
    }
}

/// The same for a value without ids.
fn refused_plain(kind: &str, bytes: &[u8]) -> DecodeError {
    match kind {
        "fixed" => codec::decode::<FixedVector<3>>(bytes).unwrap_err(),
        "order" => codec::decode::<CausalOrder>(bytes).unwrap_err(),
        "position" => {
            let error = codec::decode::<Position>(bytes).unwrap_err();
            assert_eq!(codec::decode::<FencingToken>(bytes), Err(error));
            error
        }
        _ => panic!("a kind that is not known without ids: {kind}"),
    }
}

/// The same for ids that are tested with every kind of value.
fn refused<I: AnyId>(kind: &str, bytes: &[u8]) -> DecodeError {
    match kind {
        "range" => codec::decode::<DotRange<I>>(bytes).unwrap_err(),
        "lamport" => codec::decode::<LamportTimestamp<I>>(bytes).unwrap_err(),
        "hybrid" => codec::decode::<HybridTimestamp<I>>(bytes).unwrap_err(),
        "context" => codec::decode::<CausalContext<I>>(bytes).unwrap_err(),
        "header" => codec::decode::<Header<I>>(bytes).unwrap_err(),
        "delta" => codec::decode_delta::<I>(bytes, &VersionVector::new()).unwrap_err(),
        "snapshot" => snapshot::<I>(bytes).unwrap_err(),
        _ => refused_small::<I>(kind, bytes),
    }
}

fn line(fields: &[&str], golden: fn(&str, &str, &[u8]), refused: fn(&str, &[u8]) -> DecodeError) {
    let bytes = |hex: &str| from_hex(hex.trim_matches('-'));
    match fields {
        ["refused", _, kind, at, why, hex] => {
            let error = refused(kind, &bytes(hex));
            let seen = format!("{} {:?}", error.at, error.kind);
            let seen = seen.split(" {").next().unwrap();
            assert_eq!(seen, format!("{at} {why}"), "{fields:?}");
        }
        [kind, _, text, hex] => golden(kind, text, &bytes(hex)),
        _ => panic!("not a line of the file: {fields:?}"),
    }
}

#[test]
fn golden_bytes_are_written_and_read_for_ever() {
    let file = include_str!("../golden/codec.txt");
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut seen = 0;
    for text in lines {
        let fields: Vec<_> = text.split(' ').collect();
        match fields[1] {
            "u8" => line(&fields, golden_small::<u8>, refused_small::<u8>),
            "u16" => line(&fields, golden_small::<u16>, refused_small::<u16>),
            "u32" => line(&fields, golden_small::<u32>, refused_small::<u32>),
            "u64" => line(&fields, golden::<u64>, refused::<u64>),
            "u128" => line(&fields, golden_small::<u128>, refused_small::<u128>),
            "i64" => line(&fields, golden_small::<i64>, refused_small::<i64>),
            "i128" => line(&fields, golden_small::<i128>, refused_small::<i128>),
            "pair" => line(&fields, golden::<(String, u32)>, refused::<(String, u32)>),
            "fixed4" => line(&fields, golden_small::<[u8; 4]>, refused_small::<[u8; 4]>),
            "bytes" => line(&fields, golden_small::<Vec<u8>>, refused_small::<Vec<u8>>),
            "text" => line(&fields, golden::<String>, refused::<String>),
            "-" => line(&fields, golden_plain, refused_plain),
            ids => panic!("ids that are not known: {ids}"),
        }
        seen += 1;
    }
    assert!(seen >= 164, "{seen} lines");
}
