//! Tests of causal contexts: the laws of a partial order and of a lattice, every operation against a set of dots, and
//! the costs that a hostile remote can cause.

use testkit::context_model;

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use context_model::{Context, DotSet, Node, Operation, dot, hash, range, run};
use happens_before::node::{CounterExhausted, DotRange};
use happens_before::version::TooManyRanges;
use happens_before::{CausalContext, CausalOrder, Dot, VersionVector};
use quickcheck::Arbitrary;
use testkit::{below, check, random};

/// Every set of these dots.
fn every_set(dots: &[(Node, usize)]) -> Vec<DotSet> {
    let mut sets = vec![DotSet::default()];
    for &dot in dots {
        let with = |set: &DotSet| DotSet(set.0.iter().copied().chain([dot]).collect());
        sets.extend(sets.iter().map(with).collect::<Vec<_>>());
    }
    sets
}

// --------------------------------------------------------------------------------------------------------- The laws.
// Each is tried on every context (or pair, or triple) with dots (0, 1), (0, 2), (0, 3), (1, 2), then on random ones.

/// The least context that is at least both.
fn join(x: &Context, y: &Context) -> Context {
    let mut both = x.clone();
    both.merge(y);
    both
}

/// The greatest context that is at most both.
fn meet(x: &Context, y: &Context) -> Context {
    let mut both = x.clone();
    both.meet(y);
    both
}

/// Returns the difference, the dots that `x` has seen and `y` has not, as a context.
fn minus(x: &Context, y: &Context) -> Context {
    x.difference(y).collect()
}

fn missing(x: &Context) -> Context {
    x.missing().collect()
}

/// Makes a nested loop over `$all` for each variable.
macro_rules! for_each {
    ($all:expr; $x:ident => $body:expr) => { for $x in $all { $body } };
    ($all:expr; $x:ident, $($rest:ident),+ => $body:expr) => {
        for $x in $all { for_each!($all; $($rest),+ => $body) }
    };
}

macro_rules! set_of {
    ($x:ident) => {
        DotSet
    };
}

macro_rules! law {
    ($name:ident, |$($x:ident),+| $holds:expr) => {
        #[test]
        fn $name() {
            let dots = [(0, 0), (0, 1), (0, 2), (1, 1)];
            let all: Vec<Context> = every_set(&dots).iter().map(DotSet::context).collect();
            assert_eq!(all.len(), 16);
            for_each!(&all; $($x),+ => assert!($holds, "{:?}", ($($x),+,)));

            fn property($($x: DotSet),+) -> bool {
                $(let $x = &$x.context();)+
                $holds
            }
            check(property as fn($(set_of!($x)),+) -> bool);
        }
    };
}

/// "If `$a` then `$b`."
macro_rules! implies {
    ($a:expr, $b:expr) => {
        !$a || $b
    };
}

// A partial order.
law!(order_is_reflexive, |x| x <= x && x.compare(x) == CausalOrder::Equal);
law!(order_is_antisymmetric, |x, y| (x <= y && y <= x) == (x == y));
law!(order_is_transitive, |x, y, z| implies!(x <= y && y <= z, x <= z));
law!(strict_order_is_transitive, |x, y, z| implies!(x < y && y < z, x < z));
law!(before_and_after_are_each_other_reversed, |x, y| x.compare(y) == y.compare(x).reverse());
law!(partial_ord_is_compare, |x, y| x.partial_cmp(y) == x.compare(y).to_ordering());
law!(nothing_is_before_the_empty_context, |x| Context::new() <= *x);

// A join-semilattice: merge.
law!(merge_is_commutative, |x, y| join(x, y) == join(y, x));
law!(merge_is_associative, |x, y, z| join(&join(x, y), z) == join(x, &join(y, z)));
law!(merge_is_idempotent, |x| join(x, x) == *x);
law!(merge_has_the_empty_context_as_identity, |x| join(x, &Context::new()) == *x);
law!(merge_is_an_upper_bound, |x, y| *x <= join(x, y) && *y <= join(x, y));
law!(merge_is_the_least_upper_bound, |x, y, z| (x <= z && y <= z) == (join(x, y) <= *z));

// A meet-semilattice.
law!(meet_is_commutative, |x, y| meet(x, y) == meet(y, x));
law!(meet_is_associative, |x, y, z| meet(&meet(x, y), z) == meet(x, &meet(y, z)));
law!(meet_is_idempotent, |x| meet(x, x) == *x);
law!(meet_has_the_empty_context_as_zero, |x| meet(x, &Context::new()).is_empty());
law!(meet_is_a_lower_bound, |x, y| meet(x, y) <= *x && meet(x, y) <= *y);
law!(meet_is_the_greatest_lower_bound, |x, y, z| (z <= x && z <= y) == (*z <= meet(x, y)));

// Together a distributive lattice.
law!(merge_absorbs_meet, |x, y| join(x, &meet(x, y)) == *x);
law!(meet_absorbs_merge, |x, y| meet(x, &join(x, y)) == *x);
law!(meet_distributes_over_merge, |x, y, z| meet(x, &join(y, z)) == join(&meet(x, y), &meet(x, z)));

// With differences, which a version vector cannot hold: a set is its intersection with another, and the rest.
law!(difference_and_meet_make_the_whole, |x, y| join(&minus(x, y), &meet(x, y)) == *x);
law!(difference_has_nothing_in_common_with_the_other, |x, y| meet(&minus(x, y), y).is_empty());
law!(difference_is_empty_exactly_if_at_most, |x, y| minus(x, y).is_empty() == (x <= y));
law!(difference_is_all_that_the_other_lacks, |x, y| join(y, &minus(x, y)) == join(x, y));
law!(difference_twice_is_difference_from_the_union, |x, y, z| minus(&minus(x, y), z) == minus(x, &join(y, z)));
law!(difference_of_a_meet_is_the_merge_of_differences, |x, y, z| minus(x, &meet(y, z))
    == join(&minus(x, y), &minus(x, z)));

// The missing dots, and the prefix.
law!(what_is_missing_has_not_been_seen, |x| meet(&missing(x), x).is_empty());
law!(with_what_is_missing_nothing_is_missing, |x| missing(&join(x, &missing(x))).is_empty());
law!(with_what_is_missing_all_is_prefix, |x| {
    let full = join(x, &missing(x));
    full == Context::from(full.prefix().clone())
});
law!(prefix_is_the_greatest_vector_below, |x, y| {
    let vector = |x: &Context| Context::from(x.prefix().clone());
    vector(x) <= *x && (vector(y) <= *x) == (vector(y) <= vector(x))
});
law!(equal_contexts_have_equal_hashes, |x, y| implies!(x == y, hash(x) == hash(y)));
law!(a_context_is_the_sum_of_its_ranges, |x| x.iter().map(DotRange::cloned).collect::<Context>() == *x);

// ---------------------------------------------------------------------------------------------------------
// Against the model.

/// Tries every pair of these sets; returns the number of pairs, and of concurrent ones.
fn every_pair(sets: &[DotSet]) -> (usize, usize) {
    let contexts: Vec<Context> = sets.iter().map(DotSet::context).collect();
    let (mut pairs, mut concurrent) = (0, 0);
    for (x, cx) in sets.iter().zip(&contexts) {
        x.assert_like(cx);
        for (y, cy) in sets.iter().zip(&contexts) {
            x.assert_pair(y, cx, cy);
            pairs += 1;
            concurrent += usize::from(cx.compare(cy) == CausalOrder::Concurrent);
        }
    }
    (pairs, concurrent)
}

#[test]
fn every_pair_of_small_contexts_agrees_with_the_model() {
    let dots: Vec<_> = (0..2).flat_map(|node| (0..4).map(move |cell| (node, cell))).collect();
    // By hand: 256 squared; of the 4 pairs of a dot, 3 are at most each way, 2 both ways.
    assert_eq!(every_pair(&every_set(&dots)), (65_536, 65_536 - 2 * 6_561 + 256));
}

#[test]
fn every_pair_of_contexts_at_the_end_of_the_range_agrees_with_the_model() {
    // Counters 1, 6, all between 6 and the last four, and the last, the third, ...
    let dots = [0, 5, 6, 7, 8, 10].map(|cell| (0, cell));
    assert_eq!(every_pair(&every_set(&dots)), (4_096, 4_096 - 2 * 729 + 64));
}

#[test]
fn every_pair_of_contexts_over_seven_nodes_agrees_with_the_model() {
    // Each node at one counter: fewer nodes than fit inline, just as many, and more. Ids interleave in every way;
    // prefixes and ranges above alternate.
    let dots: Vec<_> = (0..7).map(|node| (node, usize::from(node % 3))).collect();
    assert_eq!(every_pair(&every_set(&dots)), (16_384, 16_384 - 2 * 2_187 + 128));
}

#[test]
fn every_range_inserted_into_every_small_context_agrees_with_the_model() {
    let mut cases = 0;
    for set in every_set(&[0, 1, 2, 3, 4, 5].map(|cell| (1, cell))) {
        for from in 0..6 {
            for to in from..6 {
                let mut context = set.context();
                let added = (from..=to).map(|cell| (1, cell));
                let union = DotSet(set.0.iter().copied().chain(added).collect());
                assert_eq!(context.insert_range(&range(1, from..=to)), union != set);
                union.assert_like(&context);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 64 * 21);
}

#[test]
fn every_order_of_six_dots_gives_the_same_context() {
    fn permute(left: &mut Vec<u64>, context: &Context, orders: &mut u32) {
        if left.is_empty() {
            *orders += 1;
            assert_eq!(context.to_string(), "{(0, 1..=2), (0, 4..=6), (0, 8..=8)}");
        }
        for at in 0..left.len() {
            let counter = left.remove(at);
            let mut context = context.clone();
            assert!(context.insert(&dot(0, counter)) && !context.insert(&dot(0, counter)));
            assert_eq!(context.internal_validate(), Ok(()));
            permute(left, &context, orders);
            left.insert(at, counter);
        }
    }
    let mut orders = 0;
    permute(&mut vec![1, 2, 4, 5, 6, 8], &Context::new(), &mut orders);
    assert_eq!(orders, 720);
}

#[test]
fn random_pairs_agree_with_the_model() {
    fn property(x: DotSet, y: DotSet) {
        let (cx, cy) = (x.context(), y.context());
        x.assert_like(&cx);
        x.assert_pair(&y, &cx, &cy);
    }
    check(property as fn(DotSet, DotSet));
}

#[test]
fn random_operations_agree_with_the_model() {
    let random = &mut random();
    let (mut ranges, mut most) = (0, 0);
    for _ in 0..100 {
        let steps = 1 + below(random, 100);
        let operations: Vec<_> =
            (0..steps).map(|_| Operation::decode(std::array::from_fn(|_| u8::arbitrary(random)))).collect();
        for model in run(operations) {
            ranges += model.ranges().len();
            most = most.max(model.ranges().len());
        }
    }
    assert!(ranges > 500 && most > 10, "{ranges} ranges at the end, {most} at most");
}

#[test]
fn a_merge_is_the_same_whichever_side_is_much_longer() {
    // A long side with every second counter of some nodes, a short one that fills gaps, extends and overlaps.
    fn property(short: Vec<(u8, u8, u8)>) {
        let long: Context = (0..4).flat_map(|node| (1..60).map(move |n| dot(node * 2, 2 * n))).collect();
        let short: Context = short
            .into_iter()
            .take(12)
            .filter_map(|(node, first, more)| {
                let first = u64::from(first % 128);
                DotRange::new(node % 8, first..=first + u64::from(more % 8))
            })
            .collect();
        let all: BTreeSet<_> =
            long.iter().chain(&short).flat_map(|range| range.cloned().dots().collect::<Vec<_>>()).collect();
        let union: Context = all.into_iter().collect();
        let longer = join(&long, &short);
        assert_eq!(longer.internal_validate(), Ok(()));
        assert_eq!((&longer, &join(&short, &long)), (&union, &union));
    }
    check(property as fn(Vec<(u8, u8, u8)>));
}

#[test]
fn a_vector_is_a_context_without_exceptions() {
    let vector = VersionVector::from_iter([("a", 3), ("b", u64::MAX)]);
    let context = CausalContext::from(vector.clone());
    assert_eq!(context.prefix(), &vector);
    assert_eq!(context.missing().count(), 0);
    let ranges = [DotRange::new("b", 1..=u64::MAX).unwrap(), DotRange::new("a", 1..=3).unwrap()];
    assert_eq!(context, CausalContext::from_iter(ranges));
}

#[test]
fn ids_may_be_owned() {
    let name = |node: u8| format!("node {node}");
    let dots = |counters: &[u64]| -> Vec<_> {
        counters.iter().flat_map(|&n| [Dot::new(name(1), n), Dot::new(name(2), n)]).flatten().collect()
    };
    let mut ours = CausalContext::from_iter(dots(&[1, 3, 7]));
    ours.extend(dots(&[2, 6]));
    assert_eq!(ours.increment(name(3)), Ok(Dot::new(name(3), 1).unwrap()));
    assert!(ours.remove(&name(2)) && !ours.remove(&name(2)));
    assert_eq!(ours.to_string(), "{(node 1, 1..=3), (node 1, 6..=7), (node 3, 1..=1)}");
    assert!(ours.missing().eq([DotRange::new(name(1), 4..=5).unwrap()]));
}

#[test]
fn text_forms() {
    let context = CausalContext::from_iter([Dot::new("b", 2).unwrap(), Dot::new("a", 1).unwrap()]);
    assert_eq!(context.to_string(), "{(a, 1..=1), (b, 2..=2)}");
    assert_eq!(format!("{context:?}"), r#"{("a", 1..=1), ("b", 2..=2)}"#);
    assert_eq!(format!("{:?}", context.iter()), r#"[("a", 1..=1), ("b", 2..=2)]"#);
    assert_eq!(Context::default().to_string(), "{}");
    assert_eq!(
        context.clone().insert_within(&Dot::new("c", 1).unwrap(), 2).unwrap_err().to_string(),
        "more than 2 ranges; ask for the missing dots before accepting more"
    );
}

// --------------------------------------------------------------------------------------------------------- Errors, and
// attacks by a hostile remote.

#[test]
fn every_error_leaves_the_context_as_it_was() {
    let before = Context::from_iter([dot(1, 1), dot(1, 3), dot(1, u64::MAX), dot(2, 9)]);
    let mut context = before.clone();

    assert!(matches!(context.increment(1), Err(CounterExhausted { limit: u64::MAX, .. })));
    assert_eq!(context, before);

    for hostile in [dot(1, 5), dot(1, u64::MAX - 2), dot(2, 1), dot(2, u64::MAX), dot(3, 1), dot(0, 7)] {
        for limit in [0, 3, 4] {
            assert!(
                matches!(context.insert_within(&hostile, limit), Err(TooManyRanges { limit: l, .. }) if l == limit)
            );
            let theirs = Context::from_iter([hostile, dot(1, 3)]);
            assert!(
                matches!(context.merge_within(&theirs, limit), Err(TooManyRanges { limit: l, .. }) if l == limit)
            );
            assert_eq!(context, before);
        }
    }
    // A dot that is present, or touches one that is, is never refused.
    for (at, harmless) in
        [dot(1, 3), dot(1, 2), dot(1, u64::MAX - 1), dot(2, 8), dot(2, 10)].into_iter().enumerate()
    {
        assert_eq!(context.insert_within(&harmless, 0), Ok(at > 0));
    }
    assert_eq!(
        context.to_string(),
        "{(1, 1..=3), (1, 18446744073709551614..=18446744073709551615), (2, 8..=10)}"
    );
}

#[test]
fn a_dot_far_ahead_costs_one_range_and_is_missing_one() {
    for far in [1 << 32, u64::MAX - 1, u64::MAX] {
        let mut context = Context::from_iter([dot(1, 1)]);
        context.insert(&dot(1, far));
        context.insert(&dot(2, far));
        assert_eq!(context.len(), 3);
        let gaps = [DotRange::new(1, 2..=far - 1).unwrap(), DotRange::new(2, 1..=far - 1).unwrap()];
        assert!(context.missing().eq(gaps));
        context.extend(gaps);
        assert_eq!(context, VersionVector::from_iter([(1, far), (2, far)]).into());
    }
    let mut context = Context::new();
    assert!(context.insert_range(&DotRange::new(1, 2..=u64::MAX).unwrap()));
    assert_eq!((context.len(), context.highest(&1)), (1, u64::MAX));
}

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

/// A node id that counts comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted(u32);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Returns the number of comparisons of node ids that some work takes.
fn comparisons(work: impl FnOnce()) -> u64 {
    let before = COMPARISONS.get();
    work();
    COMPARISONS.get() - before
}

/// The numbers from 1 to `count`, in an order.
fn numbers(order: &str, count: u32) -> Vec<u32> {
    let mut numbers: Vec<_> = (1..=count).collect();
    match order {
        "ascending" => {}
        "descending" => numbers.reverse(),
        _ => {
            let random = &mut random();
            (1..numbers.len()).rev().for_each(|at| numbers.swap(at, below(random, at as u64 + 1) as usize));
        }
    }
    numbers
}

#[test]
fn isolated_dots_take_logarithmic_time_each_in_every_order() {
    // The nodes are in a B-tree. An insertion there moves no more than it compares, plus one tree node of a fixed size
    // a level. So comparisons are the measure.
    let mut needs = BTreeMap::new();
    for order in ["ascending", "descending", "shuffled"] {
        for count in [1_000, 100_000] {
            let dots = numbers(order, count).into_iter().map(|node| Dot::new(Counted(node), 2).unwrap());
            let dots: Vec<_> = dots.collect();
            let mut context = CausalContext::new();
            let (mut most, mut sum) = (0, 0);
            for dot in &dots {
                let needed = comparisons(|| assert!(context.insert(dot)));
                (most, sum) = (needed.max(most), sum + needed);
            }
            assert_eq!((context.len(), context.missing().count()), (dots.len(), dots.len()));
            assert_eq!(context.internal_validate(), Ok(()));
            needs.insert((order, count), (most, sum / u64::from(count)));

            // And back: filling the gaps, in the same order, leaves only prefixes.
            let mut filled = 0;
            for dot in &dots {
                filled += comparisons(|| assert!(context.insert(&dot.previous().unwrap())));
            }
            assert!(context.prefix().len() == dots.len() && context.missing().next().is_none());
            assert!(filled / u64::from(count) < 400, "{filled} comparisons to fill {count} gaps, {order}");
        }
    }
    // A B-tree of 100,000 is at most 7 levels deep, with at most 11 dots a node; 3 searches an insertion.
    assert!(needs.values().all(|&(most, mean)| most <= 3 * 7 * 11 && mean <= 150), "{needs:?}");
    for order in ["ascending", "descending", "shuffled"] {
        let [small, large] = [1_000, 100_000].map(|count| needs[&(order, count)].1);
        assert!(large < 3 * small, "{order}: {small} comparisons a dot grow to {large}");
    }
}

#[test]
fn the_ranges_of_one_node_are_found_without_comparing_ids() {
    for order in ["ascending", "descending", "shuffled"] {
        let numbers = numbers(order, 100_000);
        let mut context = CausalContext::new();
        let dot = |counter: u32| Dot::new(Counted(1), counter.into()).unwrap();
        for &number in &numbers {
            // One for the map; there is no prefix yet.
            assert!(comparisons(|| assert!(context.insert(&dot(2 * number)))) <= 1);
        }
        assert_eq!((context.len(), context.missing().count()), (numbers.len(), numbers.len()));
        for &number in &numbers {
            assert!(comparisons(|| assert!(context.insert(&dot(2 * number - 1)))) <= 4);
        }
        assert_eq!(context.to_string(), "{(1, 1..=200000)}");
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[test]
fn passes_over_two_contexts_take_linear_time() {
    // A gap for every node; the other context has the same nodes, none of them, or every second one.
    let count = 50_000;
    let second = |node: u32| Dot::new(Counted(node), 2).unwrap();
    let ours: CausalContext<Counted> = (0..count).map(second).collect();
    let theirs: CausalContext<Counted> = (count..2 * count).map(second).collect();
    let interleaved: CausalContext<Counted> =
        (0..count).map(|node| Dot::new(Counted(2 * node), 4).unwrap()).collect();
    for other in [&theirs, &interleaved, &ours] {
        let ranges = (ours.len() + other.len()) as u64;
        let within = |what: &str, bound: u64, needed: u64| {
            assert!(needed <= bound * ranges, "{what}: {needed} comparisons for {ranges} ranges");
        };
        let linear = |what: &str, needed: u64| within(what, 8, needed);
        let searched = |what: &str, needed: u64| within(what, 120, needed);
        linear("difference", comparisons(|| ours.difference(other).for_each(drop)));
        searched("compare", comparisons(|| assert!(ours.compare(other) != CausalOrder::Before)));
        linear("missing", comparisons(|| other.missing().for_each(drop)));
        searched("meet", comparisons(|| ours.clone().meet(other)));
        let mut merged = ours.clone();
        merged.merge(other);
        searched("merge", comparisons(|| ours.clone().merge(other)));
        assert_eq!(merged.internal_validate(), Ok(()));
    }

    // A small change to a long context does not touch all of it.
    let mut ours = ours;
    let delta = CausalContext::from_iter([Dot::new(Counted(1), 3).unwrap(), Dot::new(Counted(2), 3).unwrap()]);
    // In release builds only: with debug assertions a merge validates the whole context.
    let needed = comparisons(|| ours.merge(&delta));
    assert!(needed < 1_000 || cfg!(debug_assertions), "{needed} comparisons for a change of two ranges");
}

#[test]
fn a_full_context_is_merged_at_the_cost_of_the_other() {
    let count = 50_000;
    let mut full: CausalContext<Counted> =
        (0..count).flat_map(|node| [2, 4].map(|counter| Dot::new(Counted(node), counter).unwrap())).collect();
    let limit = full.len();
    let before = full.clone();
    for node in (0..count).step_by(1_000) {
        let dot = |counter| Dot::new(Counted(node), counter).unwrap();
        // One range too many; then as many as there are, since a gap is closed.
        let more = CausalContext::from_iter([dot(7), dot(9)]);
        let as_many = CausalContext::from_iter([dot(3), dot(9)]);
        let needed = comparisons(|| assert_eq!(full.merge_within(&more, limit).unwrap_err().limit, limit));
        assert!(needed < 1_000, "{needed} comparisons for two ranges");
        let needed = comparisons(|| assert_eq!(full.merge_within(&as_many, limit), Ok(())));
        // With debug assertions a merge validates the whole context.
        assert!(needed < 1_000 || cfg!(debug_assertions), "{needed} comparisons for two ranges");
    }
    assert_eq!(full.len(), limit);
    assert_eq!(before.compare(&full), CausalOrder::Before);
}

#[test]
fn a_million_alternating_dots_stay_within_the_limit() {
    let limit = 1_000;
    let mut context = Context::new();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for counter in (1..=2_000_000).rev().step_by(2) {
        match context.insert_within(&dot(1, counter), limit) {
            Ok(new) => taken += u64::from(new),
            Err(error) => {
                assert_eq!(error.limit, limit);
                refused += 1;
            }
        }
    }
    assert_eq!((taken, refused, context.len()), (1_000, 999_000, limit));
    // Even a full context accepts the dots that it asks for, and gets shorter by them.
    let gaps: Vec<_> = context.missing().collect();
    for gap in gaps.iter().rev() {
        assert_eq!(context.merge_within(&Context::from_iter([*gap]), limit), Ok(()));
    }
    assert_eq!(context.to_string(), "{(1, 1..=2000000)}");
}

#[test]
fn a_merge_that_makes_nothing_longer_is_never_refused() {
    let one = |counters| DotRange::new(1, counters).unwrap();
    let full = Context::from_iter([one(1..=2), one(5..=5), one(u64::MAX..=u64::MAX)]);
    let harmless = [
        vec![],
        vec![one(1..=u64::MAX)],
        vec![one(3..=3), one(6..=9), one(u64::MAX - 5..=u64::MAX - 1)], // each touches one
        vec![one(3..=4), one(7..=7)],                                   // joins two, and adds one
        vec![one(4..=4)],
    ];
    for ranges in harmless {
        let other: Context = ranges.into_iter().collect();
        let mut union = full.clone();
        union.merge(&other);
        for limit in 0..=4 {
            let mut context = full.clone();
            assert_eq!(context.merge_within(&other, limit), Ok(()), "{other} within {limit}");
            assert_eq!(context, union);
        }
        assert!(union.len() <= full.len());
    }
    let longer = Context::from_iter([one(7..=7)]);
    for limit in 0..=3 {
        let mut context = full.clone();
        assert_eq!(context.merge_within(&longer, limit).unwrap_err().limit, limit);
        assert_eq!(context, full);
    }
    assert_eq!(full.clone().merge_within(&longer, 4), Ok(()));
}

#[test]
fn what_is_forgotten_can_be_seen_again() {
    let all = DotRange::new(1, 1..=u64::MAX).unwrap();
    let mut context =
        Context::from_iter([all, DotRange::new(2, 2..=3).unwrap(), DotRange::new(3, 1..=1).unwrap()]);
    let before = context.clone();
    assert!(context.remove(&1) && context.remove(&2));
    assert!(!context.remove(&1) && !context.contains(&dot(2, 2)));
    assert_eq!((context.to_string(), context.highest(&1)), ("{(3, 1..=1)}".into(), 0));
    assert_eq!(before.difference(&context).count(), 2);
    assert!(context.insert_range(&all) && !context.insert_range(&all));
    assert!(context.insert(&dot(2, 3)) && context.insert(&dot(2, 2)));
    assert_eq!((&context, hash(&context)), (&before, hash(&before)));
    assert_eq!(context.compare(&before), CausalOrder::Equal);
    assert_eq!(before.missing().collect::<Vec<_>>(), [DotRange::new(2, 1..=1).unwrap()]);
}

#[test]
fn bytes_bring_back_every_small_context() {
    let dots: Vec<_> =
        [1, 2, 3, 5, 7, 9, 10].map(|cell| (0, cell)).into_iter().chain([(1, 0), (1, 2)]).collect();
    let sets = every_set(&dots);
    for set in &sets {
        let (context, mut bytes) = (set.context(), Vec::new());
        happens_before::codec::encode(&context, &mut bytes);
        assert_eq!(happens_before::codec::decode(&bytes), Ok(context));
    }
    assert_eq!(sets.len(), 512);
}
