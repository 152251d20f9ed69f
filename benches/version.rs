//! Version vectors, sparse and fixed, beside loops over plain slices, which know that the ids are the same.
//!
//! `cargo bench --bench version` measures every cell, `cargo bench --bench version -- merge` only one operation. Every
//! body asserts its answer. For other crates see `scoreboard/`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use happens_before::version::FixedVector;
use happens_before::{CausalOrder, Dot, VersionVector};

/// Returns a pseudo-random number, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state ^ (*state >> 29)
}

/// Returns `n` entries with random ids and counters.
fn entries(n: usize) -> Vec<(u64, u64)> {
    let mut state = 1;
    (0..n).map(|_| (random(&mut state), 1 + random(&mut state) % 1_000_000)).collect()
}

/// The limit of a merge: an elementwise maximum.
fn merge_slices(ours: &mut [u64], theirs: &[u64]) {
    for (ours, &theirs) in ours.iter_mut().zip(theirs) {
        if theirs > *ours {
            *ours = theirs;
        }
    }
}

/// The limit of a comparison: one pass over both.
fn compare_slices(ours: &[u64], theirs: &[u64]) -> CausalOrder {
    let (mut at_most, mut at_least) = (true, true);
    for (ours, theirs) in ours.iter().zip(theirs) {
        at_most &= ours <= theirs;
        at_least &= ours >= theirs;
    }
    CausalOrder::from_bounds(at_most, at_least)
}

fn same_ids<const N: usize>(criterion: &mut Criterion) {
    let old: VersionVector<u64> = entries(N).into_iter().collect();
    assert_eq!(old.len(), N);
    let counters: [u64; N] = std::array::from_fn(|at| old.iter().nth(at).unwrap().1);
    let mut newer = counters;
    newer[N - 1] += 1;
    let new: VersionVector<u64> = old.iter().map(|entry| *entry.0).zip(newer).collect();
    let (old_fixed, new_fixed) = (FixedVector::from_counters(counters), FixedVector::from_counters(newer));

    let mut group = criterion.benchmark_group("merge, one newer");
    group.bench_function(BenchmarkId::new("VersionVector", N), |bencher| {
        let mut ours = old.clone();
        bencher.iter(|| ours.merge(black_box(&new)));
        assert_eq!(ours, new);
    });
    group.bench_function(BenchmarkId::new("FixedVector", N), |bencher| {
        let mut ours = old_fixed.clone();
        bencher.iter(|| ours.merge(black_box(&new_fixed)));
        assert_eq!(ours, new_fixed);
    });
    group.bench_function(BenchmarkId::new("slices", N), |bencher| {
        let mut ours = counters;
        bencher.iter(|| merge_slices(&mut ours, black_box(&newer)));
        assert_eq!(ours, newer);
    });
    group.finish();

    let mut group = criterion.benchmark_group("compare, before");
    group.bench_function(BenchmarkId::new("VersionVector", N), |bencher| {
        bencher.iter(|| assert_eq!(black_box(&old).compare(black_box(&new)), CausalOrder::Before));
    });
    group.bench_function(BenchmarkId::new("FixedVector", N), |bencher| {
        bencher.iter(|| assert_eq!(black_box(&old_fixed).compare(black_box(&new_fixed)), CausalOrder::Before));
    });
    group.bench_function(BenchmarkId::new("slices", N), |bencher| {
        bencher
            .iter(|| assert_eq!(compare_slices(black_box(&counters), black_box(&newer)), CausalOrder::Before));
    });
    group.finish();
}

/// Adds entries to an empty vector, in the worst order and at random.
fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a million entries");
    group.sample_size(10);
    let at_random = entries(1_000_000);
    let mut descending = at_random.clone();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    for (order, entries) in [("at random", at_random), ("descending", descending)] {
        group.bench_function(BenchmarkId::new("observe", order), |bencher| {
            bencher.iter_batched(
                VersionVector::new,
                |mut vector| {
                    for &(node, counter) in &entries {
                        vector.observe(&Dot::new(node, counter).unwrap());
                    }
                    assert_eq!(vector.len(), entries.len());
                    vector
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("from_iter", order), |bencher| {
            bencher.iter(|| {
                let vector: VersionVector<u64> = entries.iter().copied().collect();
                assert_eq!(vector.len(), entries.len());
                vector
            });
        });
    }
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    same_ids::<3>(criterion);
    same_ids::<8>(criterion);
    same_ids::<16>(criterion);
    same_ids::<64>(criterion);
    same_ids::<256>(criterion);
    same_ids::<1024>(criterion);
    growth(criterion);
}

criterion_group! {
    name = version;
    config = Criterion::default().without_plots().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
    targets = benches
}
criterion_main!(version);
