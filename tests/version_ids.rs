//! Tests of vectors and contexts with ids of every kind: ids that are not `Clone`, owned, borrowed, short-lived. What
//! compiles here must go on compiling.

#![cfg(feature = "alloc")]
#![deny(clippy::declare_interior_mutable_const)]

use std::collections::{BTreeMap, HashMap};

use happens_before::node::DotRange;
use happens_before::version::{FixedVector, FixedVectorError};
use happens_before::{CausalContext, CausalOrder, Dot, VersionVector};

/// An id with an order and nothing else.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Actor(u64);

fn actors(nodes: impl IntoIterator<Item = u64>) -> VersionVector<Actor> {
    nodes.into_iter().map(|node| (Actor(node), node + 1)).collect()
}

#[test]
fn ids_need_an_order_and_no_more() {
    // Each form of a vector, and two forms at once.
    for n in [0, 1, 3, 4, 31, 32, 100, 1_100] {
        for m in [0, 2, 40] {
            let (mut x, y) = (actors(0..n), actors(2..2 + m));
            assert_eq!(x.get(&Actor(2)), if n > 2 { 3 } else { 0 });
            assert_eq!(x.contains(&Dot::new(Actor(0), 1).unwrap()), n > 0);
            let within = |few: u64, many: u64| many + 2 <= few || many == 0;
            assert_eq!(x.contains_all(&y), within(n, m));
            assert_eq!(x >= y, within(n, m));
            assert_eq!(x.partial_cmp(&y).is_some(), x <= y || x >= y);

            x.extend(actors(2..2 + m));
            assert_eq!((x.compare(&y), x.internal_validate()), (y.compare(&x).reverse(), Ok(())));
            assert!(x.contains_all(&y));
            x.meet(&y);
            assert_eq!((&x, x.compare(&y)), (&y, CausalOrder::Equal));
            x.raise(Actor(7), 9);
            assert_eq!(x.next(Actor(7)), Ok(Dot::new(Actor(7), 10).unwrap()));
            x.subtract(&y);
            assert_eq!(x, VersionVector::from([(Actor(7), 9)]));
            assert_eq!((x.remove(&Actor(7)), x.is_empty()), (9, true));
            x.retain(|_, _| false);
        }
    }
    let mut context = CausalContext::from(actors(0..5));
    assert_eq!((context.highest(&Actor(4)), context.contains(&Dot::new(Actor(9), 1).unwrap())), (5, false));
    assert_eq!(context.next(Actor(4)), Ok(Dot::new(Actor(4), 6).unwrap()));
    assert!(context.contains_all(&actors(1..3).into()) && context >= actors(1..3).into());
    context.retain(|node| node.0 < 2);
    assert!(context.remove(&Actor(0)) && context.iter().len() == 1);
}

#[test]
fn ids_are_looked_up_by_what_they_borrow() {
    for n in [1, 3, 4, 40, 1_200] {
        let mut seen: VersionVector<String> = (0..n).map(|n| (format!("{n:04}"), n + 1)).collect();
        // This one waits outside the arrays of a large vector.
        seen.raise("0000 and".into(), 7);
        assert_eq!((seen.get("0000"), seen.get("0000 and"), seen.get("other")), (1, 7, 0));
        assert_eq!((seen.remove("0000 and"), seen.remove("0000"), seen.remove("0000")), (7, 1, 0));
        let mut context = CausalContext::from(seen);
        assert_eq!(
            (context.highest("0001"), context.remove("0001")),
            if n > 1 { (2, true) } else { (0, false) }
        );
    }
    let bytes = VersionVector::from([(vec![1_u8, 2], 3)]);
    assert_eq!(bytes.get(&[1, 2][..]), 3);
    // Integer literals take the type of the ids.
    assert_eq!(VersionVector::<u64>::from([(1, 2)]).get(&1), 2);
}

/// A vector of ids that live for ever is a vector of ids that live for a while.
#[test]
fn vectors_are_covariant() {
    fn shorter<'a>(
        vector: VersionVector<&'static str>,
        context: CausalContext<&'static str>,
        _: &'a str,
    ) -> (VersionVector<&'a str>, CausalContext<&'a str>) {
        (vector, context)
    }
    fn get(vector: &VersionVector<&'static str>, name: &str) -> u64 {
        vector.get(&name)
    }
    let name = String::from("a");
    let vector = VersionVector::from([("a", 1)]);
    assert_eq!(get(&vector, &name), 1);
    let (vector, context) = shorter(vector, CausalContext::new(), &name);
    assert_eq!((vector.get(&name.as_str()), context.is_empty()), (1, true));
}

#[test]
fn empty_ones_are_constants() {
    static EMPTY: VersionVector<u64> = VersionVector::new();
    const NONE: VersionVector<String> = VersionVector::new();
    const CONTEXT: CausalContext<String> = CausalContext::new();
    assert!(EMPTY.is_empty() && NONE.is_empty() && CONTEXT.is_empty());
}

/// The hash of a vector never changes through a shared reference.
#[test]
#[expect(clippy::mutable_key_type, reason = "what can change is not hashed")]
fn vectors_are_keys() {
    let keys = [VersionVector::from([("a", 1)]), VersionVector::new(), (0..40).map(|_| ("b", 2)).collect()];
    let hashed: HashMap<VersionVector<&str>, usize> = keys.iter().cloned().zip(0..).collect();
    assert!(keys.iter().zip(0..).all(|(key, at)| hashed[key] == at));
    let many = |highest| (0..highest).map(|node| (node, 1)).collect::<VersionVector<u64>>();
    let mut large = many(40);
    let hashed = HashMap::from([(large.clone(), "forty")]);
    large.raise(40, 1);
    large.remove(&40);
    assert_eq!(hashed.get(&large), Some(&"forty"));
}

#[test]
fn entries_come_out_by_value() {
    for n in [0, 1, 2, 3, 4, 31, 32, 1_200] {
        let make = || {
            let mut vector: VersionVector<String> = (0..n).map(|n| (format!("{n:04}"), n + 1)).collect();
            if n > 1 {
                vector.raise("0000 and".into(), 7);
            }
            vector
        };
        let borrowed: Vec<(String, u64)> =
            make().iter().map(|(node, counter)| (node.clone(), counter)).collect();
        assert_eq!(make().into_iter().len(), borrowed.len());
        assert_eq!(make().into_iter().collect::<Vec<_>>(), borrowed);
        assert!(make().into_iter().rev().eq(borrowed.iter().rev().cloned()));
        let mut both = make().into_iter();
        let mut expected = borrowed.into_iter();
        while let Some(first) = expected.next() {
            assert_eq!((both.next(), both.next_back()), (Some(first), expected.next_back()));
            assert_eq!(both.len(), expected.len());
        }
        assert_eq!((both.next(), both.next_back(), both.size_hint()), (None, None, (0, Some(0))));
    }
}

#[test]
fn vectors_are_made_of_arrays_of_dots_and_of_fixed_vectors() {
    assert_eq!(VersionVector::from([("b", 2), ("a", 0), ("b", 1)]), VersionVector::from([("b", 2)]));
    let dot = Dot::new("a", 3).unwrap();
    assert_eq!(VersionVector::from(dot), VersionVector::from([("a", 3)]));
    assert!(VersionVector::from(dot).contains(&dot));

    let fixed = FixedVector::from([0, 4, 0, 1]);
    let sparse = VersionVector::from(&fixed);
    assert_eq!(sparse.to_string(), "{1: 4, 3: 1}");
    assert_eq!(FixedVector::<4>::try_from(&sparse), Ok(fixed));
    let refused = FixedVector::<3>::try_from(&sparse);
    assert_eq!(refused, Err(FixedVectorError::NotAMember { node: 3, members: 3 }));
}

#[test]
fn the_next_event_is_named_and_not_counted() {
    let mut seen = VersionVector::from([("a", u64::MAX), ("b", 1)]);
    assert_eq!(seen.next("a").unwrap_err().limit, u64::MAX);
    assert_eq!(
        (seen.next("b"), seen.next("b")),
        (Ok(Dot::new("b", 2).unwrap()), Ok(Dot::new("b", 2).unwrap()))
    );
    assert_eq!(seen.next("c"), Ok(Dot::new("c", 1).unwrap()));
    let next = seen.next("b").unwrap();
    assert_eq!(seen.increment("b"), Ok(next));

    let mut context = CausalContext::from_iter([DotRange::new("b", 2..=4).unwrap()]);
    let next = context.next("b").unwrap();
    assert_eq!((next, context.increment("b")), (Dot::new("b", 5).unwrap(), Ok(next)));
}

/// The rule of the docs: the least vector that, merged with the other one, is the merge of both.
#[test]
fn subtracting_leaves_the_least_that_is_needed() {
    let vectors: Vec<VersionVector<u8>> =
        (0..64_u64).map(|n| VersionVector::from([(0, n % 4), (1, n / 4 % 4), (2, n / 16)])).collect();
    let join = |x: &VersionVector<u8>, y: &VersionVector<u8>| {
        let mut both = x.clone();
        both.merge(y);
        both
    };
    for x in &vectors {
        for y in &vectors {
            let mut rest = x.clone();
            rest.subtract(y);
            let enough = |z: &VersionVector<u8>| join(z, y) == join(x, y);
            assert!(enough(&rest));
            assert!(vectors.iter().filter(|z| enough(z)).all(|z| rest <= *z));
            assert_eq!(rest.is_empty(), x <= y);
        }
    }
}

#[test]
fn a_map_of_clocks_holds_its_vectors_in_place() {
    assert_eq!(size_of::<VersionVector<u64>>(), 56);
    assert!(size_of::<VersionVector<u64>>() <= 64);
    assert_eq!(size_of::<Option<VersionVector<u64>>>(), 56);
    let _: BTreeMap<u64, VersionVector<u64>> = BTreeMap::from([(1, VersionVector::new())]);
}
