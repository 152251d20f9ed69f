//! Causal contexts: the cost of a dot in every order of dots, beside a plain set of dots. Then the cost of merges and
//! comparisons with few exceptions or none, beside the vector.
//!
//! `cargo bench --bench context`. Every body asserts its answer.

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use happens_before::{CausalContext, CausalOrder, Dot, VersionVector};

/// Returns dots of one node, `step` apart from 2 on, in the named order.
fn dots(order: &str, step: u64, count: u64) -> Vec<Dot<u64>> {
    let mut dots: Vec<_> = (0..count).map(|n| Dot::new(1, 2 + step * n).expect("at least 2")).collect();
    match order {
        "ascending" => {}
        "descending" => dots.reverse(),
        _ => {
            let mut state = 1_u64;
            for at in (1..dots.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                dots.swap(at, (state >> 33) as usize % (at + 1));
            }
        }
    }
    dots
}

fn insert(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert");
    group.sample_size(10);
    for count in [1_000, 100_000] {
        group.throughput(Throughput::Elements(count));
        // Consecutive dots become one range together; isolated dots become a range each.
        for (shape, step) in [("consecutive", 1), ("isolated", 2)] {
            for order in ["ascending", "descending", "shuffled"] {
                let dots = dots(order, step, count);
                let ranges = if step == 1 { 1 } else { count as usize };
                let id = |what: &str| BenchmarkId::new(format!("{what}/{shape}/{order}"), count);
                group.bench_function(id("context"), |b| {
                    b.iter(|| {
                        let mut context = CausalContext::new();
                        black_box(&dots).iter().for_each(|dot| assert!(context.insert(dot)));
                        assert_eq!(context.len(), ranges);
                    });
                });
                group.bench_function(id("set"), |b| {
                    b.iter(|| {
                        let mut set = BTreeSet::new();
                        black_box(&dots).iter().for_each(|dot| assert!(set.insert(*dot)));
                        assert_eq!(set.len(), dots.len());
                    });
                });
            }
        }
    }
}

fn combine(c: &mut Criterion) {
    let mut group = c.benchmark_group("combine");
    for nodes in [8, 1_024] {
        let old: VersionVector<u64> = (0..nodes).map(|node| (node, 5)).collect();
        let new: VersionVector<u64> = (0..nodes).map(|node| (node, 5 + u64::from(node == 3))).collect();
        for exceptions in [0, 1, 64] {
            let dots = |step: u64| (0..exceptions).filter_map(move |n| Dot::new(1, 10 + step * n));
            let (mut x, mut y) = (CausalContext::from(old.clone()), CausalContext::from(new.clone()));
            x.extend(dots(4));
            y.extend(dots(4));
            let mut union = x.clone();
            union.merge(&y);
            let id = |what: &str| BenchmarkId::new(format!("{what}/{exceptions} exceptions"), nodes);
            group.bench_function(id("merge"), |b| {
                b.iter_batched_ref(|| x.clone(), |x| x.merge(black_box(&y)), BatchSize::SmallInput);
            });
            group.bench_function(id("compare"), |b| {
                b.iter(|| assert_eq!(black_box(&x).compare(&y), CausalOrder::Before));
            });
            assert_eq!(union, y);
        }
        group.bench_function(BenchmarkId::new("merge/vector", nodes), |b| {
            b.iter_batched_ref(|| old.clone(), |x| x.merge(black_box(&new)), BatchSize::SmallInput);
        });
        group.bench_function(BenchmarkId::new("compare/vector", nodes), |b| {
            b.iter(|| assert_eq!(black_box(&old).compare(&new), CausalOrder::Before));
        });
    }
    group.finish();
}

/// A small change to a long context, and a rebuild, to show which costs less at each size.
fn delta(c: &mut Criterion) {
    let mut group = c.benchmark_group("delta");
    let long: CausalContext<u64> = dots("ascending", 4, 16_384).into_iter().collect();
    for ranges in [1, 64, 1_024, 2_047, 2_049, 4_096] {
        let delta: CausalContext<u64> =
            (0..ranges).filter_map(|n| Dot::new(1, 4 + 4 * (16_384 / ranges) * n)).collect();
        group.bench_function(BenchmarkId::new("merge", ranges), |b| {
            b.iter_batched_ref(|| long.clone(), |long| long.merge(black_box(&delta)), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, insert, combine, delta);
criterion_main!(benches);
