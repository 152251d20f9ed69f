//! Tests of dots, ranges of dots and causal orders, with the ends of their ranges.

use std::cmp::Ordering;

use happens_before::node::{CounterExhausted, DotRange};
use happens_before::{CausalOrder, Dot};

fn dot(node: char, counter: u64) -> Dot<char> {
    Dot::new(node, counter).unwrap()
}

#[test]
fn a_dot_has_no_counter_0() {
    assert_eq!(Dot::new('a', 0), None);
    assert_eq!(dot('a', 1).previous(), None);
    assert_eq!(dot('a', u64::MAX).previous(), Some(dot('a', u64::MAX - 1)));
    assert_eq!(dot('a', 7).into_node(), 'a');
}

#[test]
fn dots_are_sorted_by_node_then_counter() {
    let sorted = [dot('a', 1), dot('a', 2), dot('b', 1), dot('b', u64::MAX), dot('c', 1)];
    for (i, x) in sorted.iter().enumerate() {
        for (j, y) in sorted.iter().enumerate() {
            assert_eq!(x.cmp(y), i.cmp(&j));
        }
    }
}

#[test]
fn every_small_range_names_what_its_counters_say() {
    let mut ranges = 0;
    for first in 0..=4 {
        for last in 0..=4 {
            let range = DotRange::new('a', first..=last);
            assert_eq!(range.is_some(), first >= 1 && first <= last);
            let Some(range) = range else { continue };
            ranges += 1;
            assert_eq!((range.node(), range.counters()), (&'a', first..=last));
            assert_eq!(range.len(), range.dots().count() as u64);
            assert!(range.dots().eq((first..=last).map(|counter| dot('a', counter))));
            for counter in 1..=5 {
                assert_eq!(range.contains(&dot('a', counter)), (first..=last).contains(&counter));
                assert!(!range.contains(&dot('b', counter)));
            }
        }
    }
    assert_eq!(ranges, 10);
}

#[test]
fn a_range_may_reach_the_last_counter() {
    let all = DotRange::new('a', 1..=u64::MAX).unwrap();
    assert_eq!(all.len(), u64::MAX);
    assert!(all.contains(&dot('a', u64::MAX)));
    assert_eq!(all.dots().next(), Some(dot('a', 1)));

    let last = DotRange::new('a', u64::MAX..=u64::MAX).unwrap();
    assert_eq!(last.len(), 1);
    assert!(last.dots().eq([dot('a', u64::MAX)]), "counting up ends at the last counter");
}

#[test]
fn causal_orders_are_two_questions_answered() {
    let orders = [
        (CausalOrder::Equal, true, true, Some(Ordering::Equal)),
        (CausalOrder::Before, true, false, Some(Ordering::Less)),
        (CausalOrder::After, false, true, Some(Ordering::Greater)),
        (CausalOrder::Concurrent, false, false, None),
    ];
    for (order, at_most, at_least, ordering) in orders {
        assert_eq!(CausalOrder::from_bounds(at_most, at_least), order);
        assert_eq!(order.reverse(), CausalOrder::from_bounds(at_least, at_most));
        assert_eq!(order.to_ordering(), ordering);
    }
}

#[test]
fn a_range_that_was_iterated_to_its_end_is_empty_although_it_keeps_its_ends() {
    let mut counters = 5..=5;
    counters.next();
    assert_eq!(DotRange::new('a', counters), None);
}

#[test]
fn text_forms() {
    assert_eq!((dot('a', 3).to_string(), format!("{:?}", dot('a', 3))), ("(a, 3)".into(), "('a', 3)".into()));
    let range = DotRange::new('a', 2..=4).unwrap();
    assert_eq!((range.to_string(), format!("{range:?}")), ("(a, 2..=4)".into(), "('a', 2..=4)".into()));
}

#[test]
fn an_exhausted_counter_says_what_to_do() {
    #[cfg(feature = "alloc")]
    {
        let mut seen = happens_before::VersionVector::from_iter([('a', u64::MAX)]);
        let error: CounterExhausted = seen.increment('a').unwrap_err();
        assert_eq!(
            error.to_string(),
            "the last counter, 18446744073709551615, is used; continue under a new node id"
        );
    }
    fn is_error<E: core::error::Error + Send + Sync + 'static>() {}
    is_error::<CounterExhausted>();
}
