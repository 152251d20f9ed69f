//! Tests of the causal oracle: it finds every kind of violation, says it in words, and does not record a refused event.
#![cfg(feature = "alloc")]

use happens_before::Dot;
use happens_before::check::{CausalRun, CausalViolation};

fn dot(node: char, counter: u64) -> Dot<char> {
    Dot::new(node, counter).unwrap()
}

/// a1 ── a2
///   ╲     ╲
///    b1 ── b2      and c1, concurrent with all
fn run() -> CausalRun<char> {
    let mut run = CausalRun::new(2);
    run.sent(dot('a', 1), []).unwrap();
    run.sent(dot('b', 1), [dot('a', 1)]).unwrap();
    run.sent(dot('a', 2), []).unwrap();
    run.sent(dot('b', 2), [dot('a', 2)]).unwrap();
    run.sent(dot('c', 1), []).unwrap();
    run
}

#[test]
fn a_causal_and_complete_run_is_accepted() {
    let mut run = run();
    for (site, order) in [(0, "a1 a2 b1 b2 c1"), (1, "c1 a1 b1 a2 b2")] {
        for name in order.split(' ') {
            let (node, counter) = (name.as_bytes()[0], name.as_bytes()[1] - b'0');
            run.delivered(site, &dot(node.into(), counter.into())).unwrap();
        }
    }
    assert_eq!(run.complete(), Ok(()));
    assert_eq!((run.messages(), run.deliveries()), (5, 10));
}

#[test]
fn a_delivery_before_a_named_cause_is_found() {
    let violation = run().delivered(1, &dot('b', 1)).unwrap_err();
    assert_eq!(violation, CausalViolation::BeforeCause { site: 1, dot: dot('b', 1), cause: dot('a', 1) });
    assert_eq!(violation.to_string(), "site 1 delivers ('b', 1) before its cause ('a', 1)");
}

#[test]
fn a_delivery_before_the_senders_previous_message_is_found() {
    let violation = run().delivered(0, &dot('a', 2)).unwrap_err();
    assert_eq!(violation, CausalViolation::BeforeCause { site: 0, dot: dot('a', 2), cause: dot('a', 1) });
}

#[test]
fn a_cause_that_another_site_has_does_not_count() {
    let mut run = run();
    run.delivered(0, &dot('a', 1)).unwrap();
    assert!(run.delivered(1, &dot('b', 1)).is_err());
    run.delivered(0, &dot('b', 1)).unwrap();
}

#[test]
fn a_second_delivery_is_found() {
    let mut run = run();
    run.delivered(0, &dot('c', 1)).unwrap();
    let violation = run.delivered(0, &dot('c', 1)).unwrap_err();
    assert_eq!(violation.to_string(), "site 0 delivers ('c', 1) a second time");
    run.delivered(1, &dot('c', 1)).unwrap();
    assert_eq!(run.deliveries(), 2, "the refused delivery is not noted");
}

#[test]
fn an_invented_message_is_found() {
    let violation = run().delivered(0, &dot('z', 1)).unwrap_err();
    assert_eq!(violation.to_string(), "site 0 delivers ('z', 1), which was never sent");
}

#[test]
fn what_was_never_delivered_is_found_the_earliest_first() {
    let mut run = run();
    for name in [dot('a', 1), dot('b', 1), dot('c', 1)] {
        run.delivered(0, &name).unwrap();
    }
    let violation = run.complete().unwrap_err();
    assert_eq!(violation, CausalViolation::NotDelivered { site: 0, dot: dot('a', 2) });
    assert_eq!(violation.to_string(), "site 0 has not delivered ('a', 2)");
    run.delivered(0, &dot('a', 2)).unwrap();
    run.delivered(0, &dot('b', 2)).unwrap();
    assert_eq!(run.complete(), Err(CausalViolation::NotDelivered { site: 1, dot: dot('a', 1) }));
}

#[test]
fn a_single_delivery_that_lacks_is_found() {
    let mut run = run();
    for site in 0..2 {
        for name in [dot('a', 1), dot('a', 2), dot('b', 1), dot('b', 2)] {
            run.delivered(site, &name).unwrap();
        }
    }
    run.delivered(1, &dot('c', 1)).unwrap();
    assert_eq!(run.complete(), Err(CausalViolation::NotDelivered { site: 0, dot: dot('c', 1) }));
}

#[test]
fn a_number_used_twice_is_found() {
    let violation = run().sent(dot('a', 2), []).unwrap_err();
    assert_eq!(violation.to_string(), "('a', 2) is sent a second time");
}

#[test]
fn a_cause_that_was_never_sent_is_found_and_its_effect_not_noted() {
    let mut run = run();
    for (sent, named, cause) in [
        (dot('d', 1), Some(dot('z', 1)), dot('z', 1)), // invented
        (dot('d', 1), Some(dot('d', 1)), dot('d', 1)), // itself
        (dot('a', 4), None, dot('a', 3)),              // a number left out
    ] {
        let violation = run.sent(sent, named).unwrap_err();
        assert_eq!(violation, CausalViolation::UnknownCause { dot: sent, cause });
        assert!(run.delivered(0, &sent).is_err());
    }
    let violation = run.sent(dot('a', 4), []).unwrap_err();
    assert_eq!(violation.to_string(), "('a', 4) is sent, but its cause ('a', 3) never was");
}

#[test]
fn a_site_that_does_not_exist_is_found() {
    let violation = run().delivered(2, &dot('a', 1)).unwrap_err();
    assert_eq!(violation.to_string(), "there is no site 2 in this run");
}
