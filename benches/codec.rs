//! Encoding and decoding of version vectors, beside a plain copy of fixed width, which is the limit. Beside them stand
//! naive pairs of variable-length integers, the output of a general serializer.
//!
//! `cargo bench --bench codec` measures every cell. Every body asserts that it has written or read the right entries.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use happens_before::scalar::LamportTimestamp;
use happens_before::{Dot, VersionVector, codec};

type Vector = VersionVector<u64>;

/// Returns a pseudo-random number, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

fn vector(ids: &str, nodes: u64) -> Vector {
    let mut state = nodes;
    let entries = (0..nodes).map(|node| match ids {
        "random" => (random(&mut state), random(&mut state) % 1_000_000 + 1),
        "small" => (node + 1, random(&mut state) % 100 + 1),
        _ => unreachable!("ids that are not known: {ids}"),
    });
    entries.collect()
}

/// The limit: 16 bytes an entry.
fn put_fixed(vector: &Vector, out: &mut Vec<u8>) {
    out.extend((vector.len() as u32).to_le_bytes());
    for (node, counter) in vector {
        out.extend(node.to_le_bytes());
        out.extend(counter.to_le_bytes());
    }
}

fn take_fixed(bytes: &[u8]) -> Vector {
    let (pairs, _) = bytes[4..].as_chunks::<16>();
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    pairs.iter().map(|pair| (word(&pair[..8]), word(&pair[8..]))).collect()
}

/// Writes like a general serializer: the length, then pairs, each number in groups of seven bits.
fn put_pairs(vector: &Vector, out: &mut Vec<u8>) {
    let mut put = |mut number: u64| {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    };
    put(vector.len() as u64);
    for (&node, counter) in vector {
        put(node);
        put(counter);
    }
}

fn take_pairs(bytes: &[u8]) -> Vector {
    let mut bytes = bytes.iter();
    let mut take = || {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *bytes.next().expect("a whole number");
            number |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    };
    let len = take();
    (0..len).map(|_| (take(), take())).collect()
}

type Format = (&'static str, fn(&Vector, &mut Vec<u8>), fn(&[u8]) -> Vector);

const FORMATS: [Format; 3] = [
    ("codec", |vector, out| codec::encode(vector, out), |bytes| codec::decode(bytes).expect("it was encoded")),
    ("fixed", put_fixed, take_fixed),
    ("pairs", put_pairs, take_pairs),
];

fn vectors(criterion: &mut Criterion) {
    for ids in ["random", "small"] {
        for nodes in [3, 16, 64, 1_024] {
            let vector = vector(ids, nodes);
            let mut group = criterion.benchmark_group(format!("{ids} ids/{nodes}"));
            group.throughput(Throughput::Elements(nodes));
            for (name, put, take) in FORMATS {
                let mut bytes = Vec::new();
                put(&vector, &mut bytes);
                assert_eq!(take(&bytes), vector);
                let mut out = Vec::with_capacity(bytes.len() + 16);
                group.bench_function(BenchmarkId::new("encode", name), |bencher| {
                    bencher.iter(|| {
                        out.clear();
                        put(black_box(&vector), &mut out);
                        assert_eq!(out.len(), bytes.len());
                    });
                });
                assert_eq!(out, bytes);
                group.bench_function(BenchmarkId::new("decode", name), |bencher| {
                    bencher.iter(|| {
                        let read = take(black_box(&bytes));
                        assert_eq!(read.len(), vector.len());
                        read
                    });
                });
            }
            group.finish();
        }
    }
}

fn deltas(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("delta, one entry newer");
    for nodes in [3, 64, 1_024] {
        let base = vector("random", nodes);
        let mut newer = base.clone();
        let node = *base.iter().next().expect("not empty").0;
        newer.increment(node).expect("the range is not used up");
        let mut bytes = Vec::new();
        group.bench_function(BenchmarkId::new("encode", nodes), |bencher| {
            bencher.iter(|| {
                bytes.clear();
                codec::encode_delta(black_box(&newer), &base, &mut bytes);
                assert_eq!(bytes.len(), 12);
            });
        });
        group.bench_function(BenchmarkId::new("decode", nodes), |bencher| {
            bencher.iter(|| {
                let read = codec::decode_delta(black_box(&bytes), &base).expect("it was encoded");
                assert_eq!(read.len(), newer.len());
                read
            });
        });
    }
    group.finish();
}

fn scalars(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scalars");
    let mut buffer = [0; 32];
    let dot = Dot::new(7_u64, 123_456).expect("not 0");
    group.bench_function("dot", |bencher| {
        bencher.iter(|| {
            let len = codec::encode_to_slice(black_box(&dot), &mut buffer).expect("room");
            assert_eq!(codec::decode(&buffer[..len]), Ok(dot));
        });
    });
    let timestamp = LamportTimestamp::new(123_456, 0xCAFE_F00D_u64).expect("not 0");
    group.bench_function("Lamport timestamp", |bencher| {
        bencher.iter(|| {
            let len = codec::encode_to_slice(black_box(&timestamp), &mut buffer).expect("room");
            assert_eq!(codec::decode(&buffer[..len]), Ok(timestamp));
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600));
    targets = vectors, deltas, scalars
}
criterion_main!(benches);
