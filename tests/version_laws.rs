//! Tests of version vectors, sparse and fixed, short and long: the laws of a partial order and of a lattice, and every
//! operation against a naive model.

#![cfg(feature = "alloc")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use happens_before::node::{CounterExhausted, DotRange};
use happens_before::version::FixedVector;
use happens_before::{CausalOrder, Dot, VersionVector};
use testkit::{Model, below, check, random};

type Vector = VersionVector<u8>;

/// The vector with the model's entries.
fn vector(model: &Model) -> Vector {
    model.0.iter().map(|(&node, &counter)| (node, counter)).collect()
}

/// The model of a vector, made by iteration alone.
fn model(vector: &Vector) -> Model {
    assert_eq!(vector.internal_validate(), Ok(()));
    let entries: Vec<_> = vector.iter().map(|(&node, counter)| (node, counter)).collect();
    assert!(entries.is_sorted(), "the entries come in the order of the ids");
    let model = BTreeMap::from_iter(entries.iter().copied());
    assert_eq!((model.len(), model.is_empty()), (vector.len(), vector.is_empty()), "no id comes twice");
    Model(model)
}

/// Every model over nodes 0, 1, ... with counters from 0 to `highest`.
fn every_model(nodes: u8, highest: u64) -> Vec<Model> {
    let mut models = vec![Model::default()];
    for node in 0..nodes {
        models = models.iter().flat_map(|model| (0..=highest).map(|c| with(model, node, c))).collect();
    }
    models
}

fn with(model: &Model, node: u8, counter: u64) -> Model {
    let mut model = model.clone();
    model.set(node, counter);
    model
}

fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

// --------------------------------------------------------------------------------------------------------- The laws.
// Each is tried on every vector (or pair, or triple) of 3 nodes with counters up to 2, then on random ones.

/// Makes a nested loop over `$all` for each variable.
macro_rules! for_each {
    ($all:expr; $x:ident => $body:expr) => { for $x in $all { $body } };
    ($all:expr; $x:ident, $($rest:ident),+ => $body:expr) => {
        for $x in $all { for_each!($all; $($rest),+ => $body) }
    };
}

macro_rules! model_of {
    ($x:ident) => {
        testkit::Model
    };
}

macro_rules! law {
    ($name:ident, |$($x:ident),+| $holds:expr) => {
        #[test]
        fn $name() {
            let all: Vec<Vector> = crate::every_model(3, 2).iter().map(vector).collect();
            assert_eq!(all.len(), 27);
            for_each!(&all; $($x),+ => assert!($holds, "{:?}", ($($x),+,)));

            fn property($($x: testkit::Model),+) -> bool {
                $(let $x = &vector(&$x);)+
                $holds
            }
            testkit::check(property as fn($(model_of!($x)),+) -> bool);
        }
    };
}

/// "If `$a` then `$b`."
macro_rules! implies {
    ($a:expr, $b:expr) => {
        !$a || $b
    };
}

/// The laws for one kind of vector, made from a model.
macro_rules! laws {
    ($kind:ident, $vector:ty, $make:expr) => {
        mod $kind {
            type Vector = $vector;

            fn vector(model: &testkit::Model) -> Vector {
                $make(model)
            }

            /// The least vector that is at least both.
            fn join(x: &Vector, y: &Vector) -> Vector {
                let mut both = x.clone();
                both.merge(y);
                both
            }

            /// The greatest vector that is at most both.
            fn meet(x: &Vector, y: &Vector) -> Vector {
                let mut both = x.clone();
                both.meet(y);
                both
            }

            // A partial order.
            law!(order_is_reflexive, |x| x <= x && x.compare(x) == happens_before::CausalOrder::Equal);
            law!(order_is_antisymmetric, |x, y| (x <= y && y <= x) == (x == y));
            law!(order_is_transitive, |x, y, z| implies!(x <= y && y <= z, x <= z));
            law!(strict_order_is_transitive, |x, y, z| implies!(x < y && y < z, x < z));
            law!(before_and_after_are_each_other_reversed, |x, y| x.compare(y) == y.compare(x).reverse());
            law!(partial_ord_is_compare, |x, y| x.partial_cmp(y) == x.compare(y).to_ordering());
            law!(nothing_is_before_the_empty_vector, |x| Vector::new() <= *x);

            // A join-semilattice: merge.
            law!(merge_is_commutative, |x, y| join(x, y) == join(y, x));
            law!(merge_is_associative, |x, y, z| join(&join(x, y), z) == join(x, &join(y, z)));
            law!(merge_is_idempotent, |x| join(x, x) == *x);
            law!(merge_has_the_empty_vector_as_identity, |x| join(x, &Vector::new()) == *x);
            law!(merge_is_an_upper_bound, |x, y| *x <= join(x, y) && *y <= join(x, y));
            law!(merge_is_the_least_upper_bound, |x, y, z| (x <= z && y <= z) == (join(x, y) <= *z));

            // A meet-semilattice.
            law!(meet_is_commutative, |x, y| meet(x, y) == meet(y, x));
            law!(meet_is_associative, |x, y, z| meet(&meet(x, y), z) == meet(x, &meet(y, z)));
            law!(meet_is_idempotent, |x| meet(x, x) == *x);
            law!(meet_has_the_empty_vector_as_zero, |x| meet(x, &Vector::new()).is_empty());
            law!(meet_is_a_lower_bound, |x, y| meet(x, y) <= *x && meet(x, y) <= *y);
            law!(meet_is_the_greatest_lower_bound, |x, y, z| (z <= x && z <= y) == (*z <= meet(x, y)));

            // Together a distributive lattice.
            law!(merge_absorbs_meet, |x, y| join(x, &meet(x, y)) == *x);
            law!(meet_absorbs_merge, |x, y| meet(x, &join(x, y)) == *x);
            law!(meet_distributes_over_merge, |x, y, z| meet(x, &join(y, z)) == join(&meet(x, y), &meet(x, z)));

            // The meaning of equality and difference.
            law!(equal_vectors_have_equal_hashes, |x, y| implies!(x == y, crate::hash(x) == crate::hash(y)));
            law!(difference_is_empty_exactly_if_at_most, |x, y| (x.difference(y).count() == 0) == (x <= y));
        }
    };
}

laws!(sparse, happens_before::VersionVector<u8>, crate::vector);
laws!(sparse_and_long, happens_before::VersionVector<u8>, crate::long_vector);
laws!(fixed, happens_before::version::FixedVector<9>, crate::fixed);
laws!(fixed_and_long, happens_before::version::FixedVector<40>, |model: &testkit::Model| crate::spread(
    model, 4
));

/// The vector of the model's entries between further ones, the same in every such vector: longer than a block of the
/// wide loops.
fn long_vector(model: &Model) -> Vector {
    let padding = (0..2 * 40).map(|at| (if at % 2 == 0 { at + 100 } else { at / 2 + 20 }, 5));
    padding
        .chain(model.0.iter().map(|(&node, &counter)| (if node % 2 == 0 { node } else { 100 - node }, counter)))
        .collect()
}

/// The fixed vector of the model's entries; a node's number is its index.
fn fixed(model: &Model) -> FixedVector<9> {
    spread(model, 1)
}

/// The fixed vector of the model's entries, each at `step` times the node's number.
fn spread<const N: usize>(model: &Model, step: usize) -> FixedVector<N> {
    let mut counters = [0; N];
    for (&node, &counter) in &model.0 {
        counters[usize::from(node) * step] = counter;
    }
    FixedVector::from_counters(counters)
}

fn join(x: &Vector, y: &Vector) -> Vector {
    let mut both = x.clone();
    both.merge(y);
    both
}

fn meet(x: &Vector, y: &Vector) -> Vector {
    let mut both = x.clone();
    both.meet(y);
    both
}

// ---------------------------------------------------------------------------------------------------------
// Against the model.

/// Compares every operation on two vectors with the model's.
fn assert_pair(x: &Model, y: &Model) {
    let (vx, vy) = (vector(x), vector(y));
    assert_eq!((&model(&vx), &model(&vy)), (x, y));

    assert_eq!(vx.partial_cmp(&vy), x.partial_cmp(y), "{x:?} {y:?}");
    assert_eq!(vx == vy, x == y);
    assert_eq!(model(&join(&vx, &vy)), x.merge(y));
    assert_eq!(model(&meet(&vx, &vy)), x.meet(y));

    let missing = x.0.iter().filter(|&(&node, &counter)| counter > y.get(node));
    let missing: Vec<_> = missing.map(|(&n, &c)| DotRange::new(n, y.get(n) + 1..=c).unwrap()).collect();
    assert!(vx.difference(&vy).eq(missing));

    let mut extended = vx.clone();
    extended.extend(y.0.iter().map(|(&node, &counter)| (node, counter)));
    assert_eq!(extended, join(&vx, &vy));

    let keeps = |node: u8, counter: u64| counter > y.get(node);
    let mut retained = vx.clone();
    retained.retain(|&node, counter| keeps(node, counter));
    let mut kept = x.clone();
    kept.0.retain(|&node, &mut counter| keeps(node, counter));
    assert_eq!(model(&retained), kept);

    // Equal vectors are equal in every way, even if made from the back, with repetitions or with zeroes.
    let entries = x.0.iter().chain(&y.0).map(|(&node, &counter)| (node, counter));
    let zeroes = (0..9).map(|node| (node, 0));
    let made: Vector = entries.clone().rev().chain(zeroes).chain(entries).collect();
    assert_eq!(made, join(&vx, &vy));
    assert_eq!(hash(&made), hash(&join(&vx, &vy)));
    assert_eq!(format!("{made:?}"), format!("{:?}", x.merge(y).0));
}

/// Compares every operation on one vector and one node with the model's.
fn assert_node(x: &Model, node: u8) {
    let vx = vector(x);
    let seen = x.get(node);
    assert_eq!(vx.get(&node), seen);

    for counter in [1, 2, 3, seen, seen.saturating_add(1), u64::MAX] {
        let Some(dot) = Dot::new(node, counter) else { continue };
        assert_eq!(vx.contains(&dot), counter <= seen);
        let mut observed = vx.clone();
        observed.observe(&dot);
        assert_eq!(model(&observed), with(x, node, seen.max(counter)));
    }

    let mut incremented = vx.clone();
    match incremented.increment(node) {
        Ok(dot) => {
            assert_eq!(Some(dot), seen.checked_add(1).and_then(|next| Dot::new(node, next)));
            assert_eq!(model(&incremented), with(x, node, seen + 1));
            assert_eq!(vx.compare(&incremented), CausalOrder::Before);
        }
        Err(CounterExhausted { limit, .. }) => {
            assert_eq!((seen, limit), (u64::MAX, u64::MAX));
            assert_eq!(incremented, vx, "an error changes nothing");
        }
    }

    let mut removed = vx.clone();
    assert_eq!(removed.remove(&node), seen);
    assert_eq!(model(&removed), with(x, node, 0));
    removed.shrink_to_fit();
    assert_eq!(model(&removed), with(x, node, 0));
    removed.clear();
    assert_eq!(removed, Vector::new());
}

/// Compares every operation on two fixed vectors with the model's.
fn assert_fixed_pair(x: &Model, y: &Model) {
    let (vx, vy) = (fixed(x), fixed(y));
    let entries = |model: &Model| -> Vec<_> { model.0.iter().map(|(&n, &c)| (usize::from(n), c)).collect() };
    assert!(vx.iter().eq(entries(x)) && vx.is_empty() == x.0.is_empty());
    assert_eq!((format!("{vx:?}"), vx.to_string()), (format!("{:?}", x.0), format!("{:?}", x.0)));
    assert_eq!(vx.partial_cmp(&vy), x.partial_cmp(y), "{x:?} {y:?}");
    assert_eq!(vx == vy, x == y);

    let (mut merged, mut met, mut retained) = (vx.clone(), vx.clone(), vx.clone());
    merged.merge(&vy);
    assert_eq!(merged, fixed(&x.merge(y)));
    met.meet(&vy);
    assert_eq!(met, fixed(&x.meet(y)));
    retained.retain(|node, counter| counter > vy.get(node));
    let missing: Vec<_> = entries(x).into_iter().filter(|&(node, counter)| counter > vy.get(node)).collect();
    assert!(retained.iter().eq(missing.iter().copied()));
    assert!(vx.difference(&vy).eq(missing.iter().map(|&(n, c)| DotRange::new(n, vy.get(n) + 1..=c).unwrap())));

    for node in 0..11 {
        let seen = if node < 9 { x.get(node as u8) } else { 0 };
        assert_eq!(vx.get(node), seen);
        let (mut incremented, mut removed) = (vx.clone(), vx.clone());
        match incremented.increment(node) {
            Ok(dot) => {
                assert_eq!(dot, Dot::new(node, seen + 1).unwrap());
                assert_eq!(incremented, fixed(&with(x, node as u8, seen + 1)));
            }
            Err(_) => {
                assert!(node >= 9 || seen == u64::MAX);
                assert_eq!(incremented, vx, "an error changes nothing");
            }
        }
        assert_eq!(removed.remove(node), seen);
        assert!(node >= 9 || removed == fixed(&with(x, node as u8, 0)));
        for counter in [1, 2, u64::MAX] {
            let dot = Dot::new(node, counter).unwrap();
            assert_eq!(vx.contains(&dot), counter <= seen);
            let mut observed = vx.clone();
            assert_eq!(observed.observe(&dot).is_ok(), node < 9);
            let expected = if node < 9 { fixed(&with(x, node as u8, seen.max(counter))) } else { vx.clone() };
            assert_eq!(observed, expected);
        }
    }
    let mut cleared = vx;
    cleared.clear();
    assert_eq!(cleared, FixedVector::default());
}

#[test]
fn every_pair_of_small_vectors_agrees_with_the_model() {
    let models = every_model(3, 3);
    let (mut pairs, mut concurrent) = (0, 0);
    for x in &models {
        for y in &models {
            assert_pair(x, y);
            assert_fixed_pair(x, y);
            pairs += 1;
            concurrent += u32::from(x.partial_cmp(y).is_none());
        }
    }
    // By hand: 64 squared; 10 of 16 pairs of counters are at most each way, 4 both ways.
    assert_eq!((pairs, concurrent), (4_096, 4_096 - 2 * 1_000 + 64));
}

#[test]
fn every_pair_of_id_sets_agrees_with_the_model() {
    // Seven ids, with every way in which ids interleave: the results are below, at and above the length
    // that needs no allocation.
    let models = every_model(7, 1);
    let mut pairs = 0;
    for x in &models {
        for y in &models {
            // A different counter if both have the node, so that a mix-up shows.
            let y = Model(y.0.keys().map(|&node| (node, 1 + u64::from(node) % 3)).collect());
            let x = Model(x.0.keys().map(|&node| (node, 2 + u64::from(node) / 3)).collect());
            assert_pair(&x, &y);
            pairs += 1;
        }
    }
    assert_eq!(pairs, 16_384);
}

#[test]
fn every_small_vector_and_node_agrees_with_the_model() {
    let mut cases = 0;
    for x in every_model(3, 3) {
        for node in 0..4 {
            assert_node(&x, node);
            cases += 1;
        }
    }
    assert_eq!(cases, 256);
}

#[test]
fn random_pairs_agree_with_the_model() {
    fn property(x: Model, y: Model) {
        assert_pair(&x, &y);
        assert_fixed_pair(&x, &y);
        for node in 0..10 {
            assert_node(&x, node);
        }
    }
    check(property as fn(Model, Model));
}

/// Vectors with a past: some were on the heap and are short again, some reached the highest counter, some are copies
/// that diverged. Their lengths are around those where the form of a vector changes, and
/// around a block of the wide loops.
#[test]
fn sequences_of_operations_agree_with_the_model() {
    const COUNTERS: [u64; 6] = [1, 1, 2, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let random = &mut random();
    let (mut emptied, mut moved_out, mut moved_in, mut exhausted) = (0, 0, 0, 0);
    for nodes in [5, 9, 33, 70] {
        let mut vectors = vec![(Vector::new(), Model::default()); 3];
        for _ in 0..4_000 {
            let node = below(random, nodes) as u8;
            let counter = *random.choose(&COUNTERS).unwrap();
            let (their, their_model) = random.choose(&vectors).unwrap().clone();
            let (ours, our_model) = &mut vectors[below(random, 3) as usize];
            let (before, len) = (our_model.get(node), our_model.0.len());
            match below(random, 26) {
                0 => (*ours, *our_model) = (their.clone(), their_model.clone()),
                1 => {
                    ours.merge(&their);
                    *our_model = our_model.merge(&their_model);
                }
                2 => {
                    ours.meet(&their);
                    *our_model = our_model.meet(&their_model);
                }
                3 => {
                    let keeps = |node: u8, counter: u64| node & 3 > 0 && counter < u64::MAX;
                    ours.retain(|&node, counter| keeps(node, counter));
                    our_model.0.retain(|&node, &mut counter| keeps(node, counter));
                }
                4 => ours.shrink_to_fit(),
                5 if node & 3 == 0 => {
                    ours.clear();
                    our_model.0.clear();
                }
                6 => {
                    let many: Model = Model((0..node).map(|node| (node, counter)).collect());
                    ours.extend(many.0.iter().map(|(&node, &counter)| (node, counter)));
                    *our_model = our_model.merge(&many);
                }
                24 => {
                    ours.subtract(&their);
                    our_model.0.retain(|&node, &mut counter| counter > their_model.get(node));
                }
                25 => {
                    ours.extend(their.clone());
                    *our_model = our_model.merge(&their_model);
                }
                7..=11 => {
                    assert_eq!(ours.remove(&node), before);
                    our_model.set(node, 0);
                }
                12..=17 => match ours.increment(node) {
                    Ok(dot) => {
                        assert_eq!((*dot.node(), dot.counter()), (node, before + 1));
                        our_model.set(node, before + 1);
                    }
                    Err(CounterExhausted { limit, .. }) => {
                        assert_eq!((limit, before), (u64::MAX, u64::MAX));
                        exhausted += 1;
                    }
                },
                18 => {
                    ours.raise(node, counter);
                    our_model.set(node, before.max(counter));
                }
                _ => {
                    ours.observe(&Dot::new(node, counter).unwrap());
                    our_model.set(node, before.max(counter));
                }
            }
            assert_eq!(model(ours), *our_model);
            let (now, fresh) = (our_model.0.len(), vector(our_model));
            assert!(*ours == fresh && hash(ours) == hash(&fresh) && ours.compare(&fresh) == CausalOrder::Equal);
            assert_eq!(ours.compare(&their).to_ordering(), our_model.partial_cmp(&their_model));
            assert_eq!(ours.contains_all(&their), our_model.merge(&their_model) == *our_model);
            assert_eq!(*ours <= their, our_model.merge(&their_model) == their_model);
            assert_eq!(ours.get(&node), our_model.get(node));
            emptied += usize::from(len > 0 && now == 0);
            moved_out += usize::from([3, 31].iter().any(|&most| len <= most && now > most));
            moved_in += usize::from([3, 31].iter().any(|&most| len > most && now <= most));
        }
    }
    assert!(emptied > 50 && moved_out > 100 && moved_in > 100 && exhausted > 100);
}

#[test]
fn ids_may_be_owned() {
    let name = |node: u8| format!("node {node}");
    let mut ours: VersionVector<String> = [1, 3, 5].into_iter().map(|n| (name(n), 1)).collect();
    let theirs: VersionVector<String> = [0, 2, 3, 4, 6].into_iter().map(|n| (name(n), 2)).collect();
    ours.merge(&theirs);
    assert_eq!(ours.internal_validate(), Ok(()));
    let expected = [2, 1, 2, 2, 2, 1, 2];
    assert!(ours.iter().eq((0..7).map(name).collect::<Vec<_>>().iter().zip(expected)));
    assert_eq!(ours.remove(&name(3)), 2);
    assert_eq!(ours.to_string(), "{node 0: 2, node 1: 1, node 2: 2, node 4: 2, node 5: 1, node 6: 2}");
}

#[test]
fn text_forms() {
    let vector = VersionVector::from_iter([("b", 1), ("a", 2)]);
    assert_eq!(vector.to_string(), "{a: 2, b: 1}");
    assert_eq!(format!("{vector:?}"), r#"{"a": 2, "b": 1}"#);
    assert_eq!(Vector::default().to_string(), "{}");
}
