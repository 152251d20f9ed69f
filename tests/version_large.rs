//! Tests of large version vectors. Entries that are added one by one wait outside the arrays, which must not show
//! except in the time.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use happens_before::node::DotRange;
use happens_before::{CausalOrder, Dot, VersionVector};
use quickcheck::Gen;
use testkit::{below, random};

type Vector = VersionVector<u32>;
type Model = BTreeMap<u32, u64>;

fn observe(vector: &mut Vector, model: &mut Model, node: u32, counter: u64) {
    vector.observe(&Dot::new(node, counter).unwrap());
    let ours = model.entry(node).or_insert(0);
    *ours = counter.max(*ours);
}

fn assert_same(vector: &Vector, model: &Model) {
    assert_eq!(vector.internal_validate(), Ok(()));
    assert_eq!(vector.len(), model.len());
    assert!(vector.iter().eq(model.iter().map(|(node, &counter)| (node, counter))));
    assert!(vector.iter().rev().eq(model.iter().rev().map(|(node, &counter)| (node, counter))));
    let built: Vector = model.iter().map(|(&node, &counter)| (node, counter)).collect();
    assert_eq!(*vector, built);
    assert_eq!(built, *vector);
    assert_eq!((vector.compare(&built), built.compare(vector)), (CausalOrder::Equal, CausalOrder::Equal));
}

/// A vector of `n` entries in the arrays and about 50 outside, with its model.
fn large(random: &mut Gen, n: u32) -> (Vector, Model) {
    let mut model: Model = (0..n).map(|node| (node * 4, 1 + below(random, 3))).collect();
    let mut vector: Vector = model.iter().map(|(&node, &counter)| (node, counter)).collect();
    for _ in 0..50 {
        let (node, counter) = (below(random, u64::from(n) * 4) as u32, 1 + below(random, 3));
        observe(&mut vector, &mut model, node, counter);
    }
    (vector, model)
}

fn merge(x: &Model, y: &Model) -> Model {
    let mut both = x.clone();
    for (&node, &counter) in y {
        let ours = both.entry(node).or_insert(0);
        *ours = counter.max(*ours);
    }
    both
}

#[test]
fn every_operation_sees_recent_entries() {
    let random = &mut random();
    for round in 0..30 {
        let sizes = [1_100, 2_000, 40, 1];
        let (x, model_x) = large(random, sizes[round % 2]);
        let (y, model_y) = large(random, sizes[round % 4]);
        assert_same(&x, &model_x);
        assert_same(&y, &model_y);
        let get_x = |node: &u32| model_x.get(node).copied().unwrap_or(0);
        let get_y = |node: &u32| model_y.get(node).copied().unwrap_or(0);
        for node in 0..9_000 {
            assert_eq!(x.get(&node), get_x(&node));
        }

        // These vectors share nearly everything, so that they are not always concurrent.
        let mut z = x.clone();
        let mut model_z = model_x.clone();
        for _ in 0..1 + round % 3 {
            let node = below(random, 5_000) as u32;
            assert_eq!(z.compare(&x), if z == x { CausalOrder::Equal } else { CausalOrder::After });
            let dot = z.increment(node).unwrap();
            assert_eq!((*dot.node(), dot.counter()), (node, model_z.get(&node).copied().unwrap_or(0) + 1));
            model_z.insert(node, dot.counter());
        }
        assert_same(&z, &model_z);
        assert_eq!((x.compare(&z), z.compare(&x)), (CausalOrder::Before, CausalOrder::After));
        assert!(x != z);

        let at_most = model_x.iter().all(|(node, &counter)| counter <= get_y(node));
        let at_least = model_y.iter().all(|(node, &counter)| counter <= get_x(node));
        assert_eq!(x.compare(&y), CausalOrder::from_bounds(at_most, at_least));
        let missing = model_x.iter().filter(|&(node, &counter)| counter > get_y(node));
        assert!(x.difference(&y).eq(missing.map(|(n, &c)| DotRange::new(*n, get_y(n) + 1..=c).unwrap())));

        for (theirs, model) in [(&y, &model_y), (&z, &model_z)] {
            let mut merged = x.clone();
            merged.merge(theirs);
            assert_same(&merged, &merge(&model_x, model));
            let mut met = x.clone();
            met.meet(theirs);
            let lower = |(&node, &counter): (&u32, &u64)| Some((node, counter.min(*model.get(&node)?)));
            assert_same(&met, &model_x.iter().filter_map(lower).collect());
        }

        let (mut shrunk, mut retained, mut removed) = (x.clone(), x.clone(), x.clone());
        shrunk.shrink_to_fit();
        assert_same(&shrunk, &model_x);
        retained.retain(|node, counter| node % 3 != 0 && counter != 2);
        let keeps =
            |(&node, &counter): (&u32, &u64)| (node % 3 != 0 && counter != 2).then_some((node, counter));
        assert_same(&retained, &model_x.iter().filter_map(keeps).collect());
        let mut model_removed = model_x.clone();
        for node in 0..200 {
            assert_eq!(removed.remove(&node), model_removed.remove(&node).unwrap_or(0));
        }
        assert_same(&removed, &model_removed);
        removed.clear();
        assert_same(&removed, &Model::new());
    }
}

thread_local! {
    /// The number of ids read.
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// An id that counts comparisons.
#[derive(Clone, Debug)]
struct Read(u32);

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Read {}

impl PartialOrd for Read {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Read {
    fn cmp(&self, other: &Self) -> Ordering {
        READ.with(|read| read.set(read.get() + 1));
        self.0.cmp(&other.0)
    }
}

/// Runs something; returns the number of ids that it read.
fn reads(run: impl FnOnce()) -> usize {
    let before = READ.get();
    run();
    READ.get() - before
}

#[test]
fn ids_that_were_found_to_be_the_same_are_not_read_again() {
    for n in [33, 64, 1_000] {
        let make = || (0..n).map(|node| (Read(node), 1)).collect::<VersionVector<Read>>();
        let (mut x, y, mut z) = (make(), make(), make());
        let all = n as usize;
        assert!(reads(|| assert_eq!(x.compare(&y), CausalOrder::Equal)) >= all);
        assert_eq!(reads(|| assert_eq!(x.compare(&y), CausalOrder::Equal)), 0);
        // Counters may change, and a copy has the same ids.
        x.increment(Read(3)).unwrap();
        let mut copy = x.clone();
        assert_eq!(reads(|| assert_eq!(x.compare(&y), CausalOrder::After)), 0);
        assert_eq!(reads(|| assert_eq!(y.compare(&copy), CausalOrder::Before)), 0);
        assert_eq!(reads(|| copy.meet(&y)), 0);
        assert_eq!(reads(|| assert_eq!(copy, y)), 0);

        // Ids that all stay are the same ids.
        copy.retain(|_, _| true);
        copy.subtract(&VersionVector::new());
        assert_eq!(reads(|| assert!(copy <= y && y.contains_all(&copy))), 0);

        // Once one vector knows that the ids are the same, the others do.
        assert!(reads(|| z.meet(&y)) >= all);
        // Fewer but not none, because debug builds check that ids are sorted.
        assert!(reads(|| z.merge(&x)) < all);
        assert_eq!(z.get(&Read(3)), 2);

        // Other ids, and the same once more.
        z.remove(&Read(5));
        assert!(reads(|| assert_eq!(z.compare(&x), CausalOrder::Before)) > 0);
        z.observe(&Dot::new(Read(5), 9).unwrap());
        assert!(reads(|| assert_eq!(z.compare(&x), CausalOrder::After)) >= all);
        assert_eq!(reads(|| assert_eq!(z.compare(&x), CausalOrder::After)), 0);
    }
}

/// A vector whose ids are a prefix of another's does not have the same ids.
#[test]
fn a_beginning_is_not_the_whole() {
    let make = |n: u32| (0..n).map(|node| (node, 1)).collect::<Vector>();
    for (few, many) in [(9, 10), (32, 33), (64, 128)] {
        let operations: [fn(&mut Vector, &Vector); 2] = [Vector::merge, Vector::meet];
        for operation in operations {
            let (short, long) = (make(few), make(many));
            operation(&mut short.clone(), &long);
            operation(&mut long.clone(), &short);
            assert_eq!((short.compare(&long), long.compare(&short)), (CausalOrder::Before, CausalOrder::After));
            let mut both = short.clone();
            operation(&mut both, &long);
            both.merge(&long);
            assert_eq!(both, long);
        }
    }
}

#[test]
fn vectors_grow_entry_by_entry_in_any_order() {
    let random = &mut random();
    let n = 6_000;
    let ascending: Vec<u32> = (0..n).collect();
    let descending: Vec<u32> = (0..n).rev().collect();
    let outside_in: Vec<u32> = (0..n / 2).flat_map(|node| [node, n - 1 - node]).collect();
    let at_random: Vec<u32> = (0..n).map(|_| below(random, 1 << 20) as u32).collect();
    for order in [ascending, descending, outside_in, at_random] {
        let (mut vector, mut model) = (Vector::new(), Model::new());
        for (step, node) in order.into_iter().enumerate() {
            observe(&mut vector, &mut model, node, 1 + below(random, 9));
            if step % 499 == 0 {
                assert_same(&vector, &model);
                let few: Vector = [(node, 3), (node + 1, 1), (u32::MAX, 1)].into_iter().collect();
                vector.merge(&few);
                model = merge(&model, &few.iter().map(|(&node, counter)| (node, counter)).collect());
                assert_same(&vector, &model);
            }
        }
        assert_same(&vector, &model);
    }
}

/// With time in the square of the entries, this would take minutes.
#[test]
fn a_million_entries_in_the_worst_order() {
    let n = 1_000_000_u64;
    let scattered = |at: u64| at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let built: VersionVector<u64> = (0..n).map(|at| (scattered(at), at + 1)).collect();
    let mut extended = VersionVector::new();
    extended.extend((0..n).map(|at| (scattered(at), at + 1)));
    assert!(built.len() == 1_000_000 && built == extended);

    let mut observed = VersionVector::new();
    for at in 0..n {
        observed.observe(&Dot::new(scattered(at), at + 1).unwrap());
    }
    assert_eq!(observed.len(), 1_000_000);
    assert!(observed == built && observed.internal_validate() == Ok(()));

    let mut descending = VersionVector::new();
    for node in (0..n).rev() {
        descending.increment(node).unwrap();
    }
    assert!(descending.iter().eq((0..n).collect::<Vec<_>>().iter().map(|node| (node, 1))));

    // Fewer in debug builds, which check the whole vector after every merge.
    let n = if cfg!(debug_assertions) { 3_000 } else { n };
    let mut merged = VersionVector::new();
    for node in (0..n).rev() {
        merged.merge(&VersionVector::from_iter([(node, 1)]));
    }
    descending.retain(|&node, _| node < n);
    assert!(merged == descending);
}
