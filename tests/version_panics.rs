//! Tests of panics: the caller's code panics in the middle of an operation, the panic is caught, and the value is still
//! sound. Every call of the caller's code panics in turn: comparisons, clones and drops of ids, and closures.

#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use happens_before::node::DotRange;
use happens_before::{CausalContext, CausalOrder, Dot, VersionVector};

thread_local! {
    /// The number of calls of the caller's code that succeed before one panics; with `None`, no call panics.
    static FUSE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The payload of a panic of the caller's code.
struct Blown;

/// Counts a call of the caller's code, and panics if its turn has come.
fn burn() {
    match FUSE.get() {
        Some(0) => {
            FUSE.set(None);
            // Not `panic!`, which would print a message for each of very many panics.
            resume_unwind(Box::new(Blown));
        }
        left => FUSE.set(left.map(|left| left - 1)),
    }
}

/// An id that panics when it is told to.
#[derive(Debug)]
struct Id(u32);

impl Clone for Id {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            burn();
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        burn();
        self.0.cmp(&other.0)
    }
}

/// A value with an order, as a set of dots.
trait Subject: Clone + PartialEq + Debug {
    fn dots(&self) -> BTreeSet<(u32, u64)>;
    fn check(&self);
}

impl Subject for VersionVector<Id> {
    fn dots(&self) -> BTreeSet<(u32, u64)> {
        self.iter().flat_map(|(node, counter)| (1..=counter).map(|counter| (node.0, counter))).collect()
    }

    fn check(&self) {
        assert_eq!(self.internal_validate(), Ok(()));
        assert_eq!(self.iter().count(), self.len());
        let model: BTreeMap<_, _> = self.iter().map(|(node, counter)| (node.0, counter)).collect();
        for node in (0..130).chain(2_180..2_210) {
            assert_eq!(self.get(&Id(node)), model.get(&node).copied().unwrap_or(0));
        }
        let built: Self = model.into_iter().map(|(node, counter)| (Id(node), counter)).collect();
        assert!(*self == built && self.compare(&built) == CausalOrder::Equal && self.clone() == built);
    }
}

impl Subject for CausalContext<Id> {
    fn dots(&self) -> BTreeSet<(u32, u64)> {
        self.iter().flat_map(|range| range.counters().map(move |counter| (range.node().0, counter))).collect()
    }

    fn check(&self) {
        assert_eq!(self.internal_validate(), Ok(()));
        assert_eq!((self.iter().count(), self.iter().len()), (self.len(), self.len()));
        let built: Self =
            self.dots().into_iter().map(|(node, counter)| Dot::new(Id(node), counter).unwrap()).collect();
        assert!(*self == built && self.compare(&built) == CausalOrder::Equal);
    }
}

/// The part of an operation that may have happened when it panics.
#[derive(Clone, Copy)]
enum Changes {
    /// All or nothing.
    AllOrNothing,
    /// Any part.
    Any,
}

/// Runs an operation with a panic at every `step`-th call of the caller's code, and checks the value each time. Returns
/// the number of panics.
fn run<S: Subject>(before: &S, step: usize, changes: Changes, operation: impl Fn(&mut S)) -> usize {
    let old = before.dots();
    let mut whole = before.clone();
    operation(&mut whole);
    let new = whole.dots();
    let either: BTreeSet<_> = old.union(&new).copied().collect();
    let both: BTreeSet<_> = old.intersection(&new).copied().collect();
    for (panics, calls) in (0_u64..).step_by(step).enumerate() {
        let mut subject = before.clone();
        FUSE.set(Some(calls));
        let caught = catch_unwind(AssertUnwindSafe(|| operation(&mut subject)));
        FUSE.set(None);
        subject.check();
        let now = subject.dots();
        match caught {
            Ok(()) => {
                assert!(now == new);
                return panics;
            }
            Err(panic) => assert!(panic.is::<Blown>(), "another panic after {calls} calls"),
        }
        match changes {
            Changes::AllOrNothing => assert!(now == old || now == new, "{subject:?} after {calls} calls"),
            Changes::Any => assert!(both.is_subset(&now) && now.is_subset(&either), "after {calls} calls"),
        }
        // The value works as if nothing had happened.
        operation(&mut subject);
        subject.check();
        assert!(subject.dots() == new, "{subject:?} after {calls} calls, and again");
    }
    unreachable!("it panics for ever");
}

fn vector(entries: impl IntoIterator<Item = (u32, u64)>) -> VersionVector<Id> {
    entries.into_iter().map(|(node, counter)| (Id(node), counter)).collect()
}

/// Vectors without an allocation, of pairs, of arrays, and with entries that wait outside the arrays; each with the
/// number of calls between two panics.
fn vectors() -> [(VersionVector<Id>, usize); 6] {
    let mut large = vector((0..1_100).map(|node| (2 * node, 2)));
    for node in (1..120).step_by(2) {
        large.observe(&Dot::new(Id(node), 1).unwrap());
    }
    let evens = |n| vector((0..n).map(|node| (2 * node, 2)));
    let small = vector([(2, 1), (4, 2), (6, 1)]);
    [(vector([(4, 2)]), 1), (small, 1), (evens(9), 1), (evens(31), 1), (evens(40), 1), (large, 1_501)]
}

#[test]
fn vectors_are_sound_after_a_panic_in_any_operation() {
    let mut panics = 0;
    for (x, step) in vectors() {
        for node in [0, 3, 4, 2_999] {
            let dot = |counter| Dot::new(Id(node), counter).unwrap();
            panics += run(&x, step, Changes::AllOrNothing, |x| x.observe(&dot(3)));
            panics += run(&x, step, Changes::AllOrNothing, |x| x.raise(Id(node), 4));
            panics += run(&x, step, Changes::AllOrNothing, |x| {
                x.remove(&Id(node));
            });
            // A further increment adds one; any other operation changes nothing when repeated.
            let next = dot(x.get(&Id(node)) + 1);
            panics += run(&x, step, Changes::AllOrNothing, |x| {
                if !x.contains(&next) {
                    let _ = x.increment(Id(node)).unwrap();
                }
            });
        }
        for y in [
            vector([]),
            vector([(4, 1)]),
            vector([(1, 1), (4, 3), (5, 1)]),
            vector((0..8).map(|node| (3 * node, 3))),
            vector((0..40).map(|node| (2 * node, 3 - u64::from(node) % 3))),
            vector((0..40).map(|node| (2 * node + 1, 1))),
            vector((0..400).map(|node| (2 * node + 1, 1))),
        ] {
            panics += run(&x, step, Changes::Any, |x| x.merge(&y));
            panics += run(&x, step, Changes::Any, |x| x.meet(&y));
            panics += run(&x, step, Changes::Any, |x| x.subtract(&y));
            panics += run(&x, step, Changes::Any, |x| {
                x.extend(y.iter().map(|(node, counter)| (Id(node.0), counter)));
            });
            panics += run(&x, step, Changes::AllOrNothing, |x| {
                x.compare(&y);
                x.difference(&y).for_each(drop);
                let _ = (x.clone(), *x == y, x.contains_all(&y));
                x.clone().into_iter().rev().take(2).for_each(drop);
            });
        }
        for every in [1, 2, 3] {
            panics += run(&x, step, Changes::Any, |x| {
                x.retain(|node, _| {
                    burn();
                    node.0 % every == 0
                });
            });
        }
        panics += run(&x, step, Changes::AllOrNothing, VersionVector::clear);
        panics += run(&x, step, Changes::AllOrNothing, VersionVector::shrink_to_fit);
    }
    assert!(panics > 2_000, "{panics} panics");
}

#[test]
fn retain_that_panics_has_done_what_it_was_told_before() {
    let mut vector = vector([(1, 1), (2, 2), (3, 3), (4, 4)]);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        vector.retain(|node, _| match node.0 {
            1 => false,
            2 => true,
            _ => resume_unwind(Box::new(Blown)),
        });
    }));
    assert!(caught.is_err());
    assert_eq!(vector.to_string(), "{2: 2, 3: 3, 4: 4}");
    assert_eq!((vector.get(&Id(1)), vector.get(&Id(2)), vector.internal_validate()), (0, 2, Ok(())));
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

fn range(node: u32, first: u64, last: u64) -> DotRange<Id> {
    DotRange::new(Id(node), first..=last).unwrap()
}

fn context(ranges: impl IntoIterator<Item = (u32, u64, u64)>) -> CausalContext<Id> {
    ranges.into_iter().map(|(node, first, last)| range(node, first, last)).collect()
}

#[test]
fn contexts_are_sound_after_a_panic_in_any_operation() {
    let holes = |node, count: u64| (1..=count).map(move |n| (node, 3 * n, 3 * n + 1));
    let contexts = [
        context([(1, 1, 4), (2, 1, 1)]),
        context([(1, 1, 2), (1, 4, 4), (1, 6, 7), (2, 3, 3), (3, 1, 1), (5, 2, 9)]),
        context((0..12).flat_map(|node| holes(node, u64::from(node % 4)))),
        context(holes(3, 40).chain(holes(4, 2))),
    ];
    let mut panics = 0;
    for x in &contexts {
        for node in [0, 1, 3, 20] {
            for (first, last) in [(1, 1), (3, 3), (5, 5), (1, 5), (2, 8), (9, 200), (1, 200)] {
                let range = range(node, first, last);
                panics += run(x, 1, Changes::AllOrNothing, |x| {
                    x.insert_range(&range);
                });
                panics += run(x, 1, Changes::AllOrNothing, |x| {
                    let _ = x.insert_within(&Dot::new(Id(node), first).unwrap(), 20);
                });
            }
            panics += run(x, 1, Changes::Any, |x| {
                x.remove(&Id(node));
            });
        }
        for y in &contexts {
            panics += run(x, 1, Changes::Any, |x| x.merge(y));
            let limit = x.len() + 1;
            panics += run(x, 1, Changes::Any, |x| {
                let _ = x.merge_within(y, limit);
            });
            panics += run(x, 1, Changes::AllOrNothing, |x| x.meet(y));
            panics += run(x, 1, Changes::AllOrNothing, |x| {
                x.compare(y);
                x.difference(y).chain(x.missing()).for_each(drop);
                let _ = (x.clone(), x == y);
            });
        }
        for every in [1, 2, 3] {
            panics += run(x, 1, Changes::Any, |x| {
                x.retain(|node| {
                    burn();
                    node.0 % every == 0
                });
            });
        }
        panics += run(x, 1, Changes::AllOrNothing, CausalContext::clear);
    }
    assert!(panics > 2_000, "{panics} panics");
}
