//! Tests of the oracle of order: it finds every kind of violation, says it in words, and does not record a refused
//! event.
#![cfg(feature = "alloc")]

use happens_before::Dot;
use happens_before::check::{OrderRun, OrderViolation};

type Run = OrderRun<char, u32>;

fn dot(name: &str) -> Dot<char> {
    Dot::new(name.as_bytes()[0].into(), name[1..].parse().unwrap()).unwrap()
}

/// Three sites; a1, a2, a5, b1 and c1 are sent, all but c1 acknowledged.
fn run() -> Run {
    let mut run = Run::new(3);
    for name in ["a1", "a2", "a5", "b1", "c1"] {
        run.sent(dot(name)).unwrap();
        if name != "c1" {
            run.acknowledged(&dot(name)).unwrap();
        }
    }
    run
}

/// Delivers at one site, at positions 10, 20, 30, ... from the site's place on.
fn deliver(run: &mut Run, site: usize, names: &str) -> Result<(), OrderViolation<char, u32>> {
    for name in names.split(' ') {
        let position = 10 + 10 * u32::try_from(run.delivered_at(site)).unwrap();
        run.delivered(site, position, &dot(name))?;
    }
    Ok(())
}

fn words(result: Result<(), OrderViolation<char, u32>>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn one_order_everywhere_is_accepted_with_what_was_not_acknowledged_left_out() {
    let mut run = run();
    for site in [1, 0, 2] {
        deliver(&mut run, site, "a1 b1 a2 a5").unwrap();
    }
    assert_eq!(run.complete(), Ok(()));
    assert_eq!((run.messages(), run.ordered()), (5, 4));
}

#[test]
fn sites_that_take_turns_at_being_first_are_accepted() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    deliver(&mut run, 1, "a1 b1 c1 a2").unwrap();
    deliver(&mut run, 2, "a1").unwrap();
    deliver(&mut run, 0, "c1 a2 a5").unwrap();
    deliver(&mut run, 1, "a5").unwrap();
    deliver(&mut run, 2, "b1 c1 a2 a5").unwrap();
    assert_eq!(run.complete(), Ok(()));
}

#[test]
fn another_order_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    let violation = words(deliver(&mut run, 1, "b1"));
    assert_eq!(violation, "site 1 delivers ('b', 1) at 10 where others deliver ('a', 1) at 10");
    assert_eq!(run.delivered_at(1), 0, "the refused delivery is not noted");
    deliver(&mut run, 1, "a1 b1").unwrap();
}

#[test]
fn a_gap_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1 a2").unwrap();
    run.delivered(1, 10, &dot("a1")).unwrap();
    let violation = words(run.delivered(1, 30, &dot("a2")));
    assert_eq!(violation, "site 1 delivers ('a', 2) at 30 where others deliver ('b', 1) at 20");
}

#[test]
fn a_gap_of_whoever_is_first_is_found_when_the_second_does_not_have_it() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2").unwrap();
    deliver(&mut run, 1, "a1").unwrap();
    assert!(deliver(&mut run, 1, "b1").is_err());
}

#[test]
fn the_same_message_at_another_position_is_found() {
    let mut run = run();
    run.delivered(0, 10, &dot("a1")).unwrap();
    let violation = words(run.delivered(1, 11, &dot("a1")));
    assert_eq!(violation, "site 1 delivers ('a', 1) at 11 where others deliver ('a', 1) at 10");
}

#[test]
fn a_second_delivery_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1").unwrap();
    assert_eq!(words(deliver(&mut run, 0, "a1")), "site 0 delivers ('a', 1) a second time");
    assert_eq!(run.ordered(), 2);
}

#[test]
fn a_nodes_own_order_reversed_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a2").unwrap();
    assert_eq!(words(deliver(&mut run, 0, "a1")), "site 0 delivers ('a', 1) after number 2 of its node");
}

#[test]
fn a_position_that_does_not_go_up_is_found() {
    let mut run = run();
    run.delivered(0, 10, &dot("a1")).unwrap();
    assert_eq!(words(run.delivered(0, 10, &dot("b1"))), "site 0 delivers at 10 after 10");
    assert_eq!(words(run.delivered(0, 9, &dot("b1"))), "site 0 delivers at 9 after 10");
    run.delivered(0, 11, &dot("b1")).unwrap();
}

#[test]
fn what_was_acknowledged_and_never_delivered_is_found_the_lowest_first() {
    let mut run = run();
    for site in 0..3 {
        deliver(&mut run, site, "b1 a2").unwrap();
    }
    assert_eq!(run.complete(), Err(OrderViolation::Lost { dot: dot("a1") }), "not a5");
    assert_eq!(words(run.complete()), "('a', 1) was acknowledged, and is never delivered");
}

#[test]
fn what_is_acknowledged_after_it_was_delivered_is_not_owed() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2 a5 b1 c1").unwrap();
    run.acknowledged(&dot("c1")).unwrap();
    run.acknowledged(&dot("c1")).unwrap();
    deliver(&mut run, 1, "a1 a2 a5 b1 c1").unwrap();
    deliver(&mut run, 2, "a1 a2 a5 b1 c1").unwrap();
    assert_eq!(run.complete(), Ok(()));
}

#[test]
fn a_site_that_lags_is_found() {
    let mut run = run();
    deliver(&mut run, 0, "a1 a2 a5 b1").unwrap();
    deliver(&mut run, 1, "a1 a2 a5").unwrap();
    deliver(&mut run, 2, "a1 a2 a5 b1").unwrap();
    assert_eq!(words(run.complete()), "site 1 has not delivered ('b', 1) at 40");
}

#[test]
fn what_nobody_sent_is_found() {
    let mut run = run();
    assert_eq!(words(deliver(&mut run, 0, "a3")), "('a', 3) was never sent");
    assert_eq!(words(run.acknowledged(&dot("z1"))), "('z', 1) was never sent");
}

#[test]
fn a_number_sent_again_or_backwards_is_found() {
    let mut run = run();
    for name in ["a5", "a4"] {
        assert_eq!(run.sent(dot(name)), Err(OrderViolation::SentOutOfOrder { dot: dot(name) }));
    }
    assert_eq!(words(run.sent(dot("a4"))), "('a', 4) is sent after that number or a higher one");
    assert_eq!(words(run.delivered(0, 1, &dot("a4"))), "('a', 4) was never sent");
}

#[test]
fn a_site_goes_on_from_a_snapshot_and_repeats_only_what_the_snapshot_does_not_have() {
    let mut run = run();
    deliver(&mut run, 0, "a1 b1 a2 a5").unwrap();
    deliver(&mut run, 1, "a1 b1 a2").unwrap();
    run.resumed(1, 2).unwrap(); // loses a2, and delivers it again
    assert_eq!(words(deliver(&mut run, 1, "b1")), "site 1 delivers ('b', 1) a second time");
    deliver(&mut run, 1, "a2 a5").unwrap();
    run.resumed(2, 4).unwrap(); // joins late
    assert_eq!(run.complete(), Ok(()));
    assert_eq!(words(run.resumed(2, 5)), "site 2 resumes after 5 deliveries, but no site has made that many");
    assert_eq!(words(run.resumed(3, 0)), "there is no site 3 in this run");
    assert_eq!(words(run.delivered(3, 1, &dot("a1"))), "there is no site 3 in this run");
}
