//! Every state that publishers and subscribers of a total order can reach at small bounds. For wrong drivers, the
//! shortest way into a forbidden state.
//!
//! `cargo test --release -p happens-before-models --test broadcast -- --nocapture` prints the bounds, the numbers of
//! states and the ways. With `--include-ignored` it also explores wider bounds, which takes minutes.

#![allow(clippy::disallowed_macros, reason = "how much was explored is what a reader wants to see")]

use happens_before::broadcast::LogKind;
use happens_before_models::broadcast::{Bounds, Conduct, Faults};
use stateright::{Checker, HasDiscoveries, Model};

const NONE: Faults = Faults {
    lost: 0,
    crashed: 0,
    resumed: 0,
    relearned: 0,
    abandoned: 0,
    restarted: 0,
    repeated: 0,
    jumped: 0,
    sealed: 0,
    entered: 0,
};

/// Explores all states within the bounds and prints their number. Fails with a way into a forbidden state if there is
/// one.
///
/// Expects about `states` states. The number is not exact, since it depends on what the machines remember.
#[track_caller]
fn explore(bounds: Bounds, states: usize) {
    let tell = bounds.clone();
    let checker = bounds.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let explored = checker.unique_state_count();
    println!("{tell:?}: {explored} states, {} steps, {} deep", checker.state_count(), checker.max_depth());
    for property in checker.model().properties() {
        let way = checker.discovery(property.name).filter(|_| property.expectation.discovery_is_failure());
        assert!(way.is_none(), "not {}:\n{}", property.name, tell.tell(way.unwrap().into_actions()).join("\n"));
    }
    checker.assert_properties();
    assert!(explored >= states / 10 * 9, "only {explored} states, not {states}");
}

/// Returns the shortest way into a state in which the property does not hold, a line for each step.
///
/// The checker returns the last way that it has found. So it is asked for ways of one step, then of two, and so on.
#[track_caller]
fn shortest(bounds: &Bounds, property: &'static str) -> Vec<String> {
    let find = |states| {
        let checker = bounds.clone().checker().threads(1).target_max_depth(states).spawn_bfs().join();
        checker.discovery(property)
    };
    let way = (2..20).find_map(find).expect("a way of less than 20 steps");
    let lines = bounds.tell(way.into_actions());
    println!("{:?}, not {property}:", bounds.conduct);
    (1..).zip(&lines).for_each(|(step, line)| println!("{step:4}. {line}"));
    lines
}

#[test]
fn nothing_goes_wrong() {
    explore(Bounds { messages: vec![2, 2], subscribers: 2, ..Bounds::default() }, 221_820);
    explore(Bounds { messages: vec![1, 1, 1], subscribers: 2, ..Bounds::default() }, 99_944);
}

#[test]
fn an_answer_is_lost_or_late() {
    let faults = Faults { lost: 1, ..NONE };
    explore(Bounds { messages: vec![2, 2], faults, ..Bounds::default() }, 397_308);
    explore(Bounds { subscribers: 2, faults, ..Bounds::default() }, 40_300);
}

#[test]
fn two_answers_are_lost_or_late() {
    let faults = Faults { lost: 2, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 56_222);
}

#[test]
fn publishers_die_and_give_up() {
    let faults = Faults { lost: 1, crashed: 1, resumed: 1, relearned: 1, abandoned: 1, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 267_207);
}

#[test]
fn a_publisher_with_two_messages_dies_or_gives_up() {
    for (faults, states) in [
        (Faults { crashed: 1, ..NONE }, 135_686),
        (Faults { relearned: 1, ..NONE }, 132_467),
        (Faults { abandoned: 1, ..NONE }, 63_731),
    ] {
        let faults = Faults { lost: 1, ..faults };
        explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, states);
    }
}

#[test]
fn subscribers_restart_and_hear_announcements() {
    let faults = Faults { crashed: 1, restarted: 1, ..NONE };
    explore(Bounds { subscribers: 2, announced: true, faults, ..Bounds::default() }, 48_340);
    let faults = Faults { lost: 1, restarted: 1, ..NONE };
    explore(Bounds { announced: true, faults, ..Bounds::default() }, 15_648);
}

#[test]
fn subscribers_fill_up_to_the_counter() {
    let bounds = Bounds { observed: true, attempts: 1, ..Bounds::default() };
    explore(Bounds { faults: Faults { crashed: 1, ..NONE }, ..bounds.clone() }, 10_490);
    explore(Bounds { faults: Faults { lost: 1, ..NONE }, ..bounds }, 232_588);
}

#[test]
fn the_counter_repeats_and_leaves_out() {
    let faults = Faults { repeated: 2, jumped: 2, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 123_682);
    let faults = Faults { lost: 1, repeated: 2, jumped: 1, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 102_678);
}

/// A publisher that knows the log keeps its own messages in order, wherever the counter is.
#[test]
fn the_counter_goes_far_back_below_what_is_given_up() {
    let faults = Faults { lost: 1, abandoned: 1, repeated: 3, jumped: 2, ..NONE };
    explore(Bounds { messages: vec![2], faults, ..Bounds::default() }, 129_863);
}

#[test]
fn epochs_end() {
    let faults = Faults { sealed: 2, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 31_901);
    let faults = Faults { lost: 1, sealed: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 301_022);
    let faults = Faults { lost: 1, repeated: 1, sealed: 1, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 91_342);
}

#[test]
fn a_publisher_dies_and_counter_and_epoch_go_wrong() {
    let faults = Faults { crashed: 1, repeated: 1, jumped: 1, sealed: 1, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 39_884);
}

#[test]
fn several_messages_in_one_slot() {
    let bounds = Bounds { messages: vec![2, 2], batch: 2, ..Bounds::default() };
    let faults = Faults { lost: 1, crashed: 1, abandoned: 1, ..NONE };
    explore(Bounds { messages: vec![4, 2], faults: Faults { lost: 1, ..NONE }, ..bounds.clone() }, 30_739);
    explore(Bounds { faults, ..bounds.clone() }, 12_182);
    let faults = Faults { lost: 1, restarted: 1, ..NONE };
    explore(Bounds { announced: true, faults, ..bounds }, 15_648);
}

/// A request that comes late appends once more.
#[test]
fn a_log_that_appends() {
    let bounds = Bounds { log: LogKind::Appends, ..Bounds::default() };
    let faults = Faults { lost: 2, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..bounds.clone() }, 62_084);
    let faults = Faults { lost: 1, crashed: 1, resumed: 1, relearned: 1, abandoned: 1, ..NONE };
    explore(Bounds { faults, ..bounds.clone() }, 26_922);
    let faults = Faults { lost: 1, abandoned: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..bounds.clone() }, 9_590);
    let faults = Faults { lost: 1, sealed: 1, entered: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..bounds.clone() }, 76_734);
    let faults = Faults { lost: 1, restarted: 1, ..NONE };
    explore(Bounds { messages: vec![4, 2], batch: 2, announced: true, faults, ..bounds }, 50_412);
}

#[test]
fn a_blind_retry_is_delivered_twice_where_the_log_appends_too() {
    let faults = Faults { lost: 1, ..NONE };
    let bounds = Bounds {
        conduct: Conduct::BlindRetry,
        log: LogKind::Appends,
        messages: vec![1],
        faults,
        ..Bounds::default()
    };
    assert_eq!(
        shortest(&bounds, "one order"),
        [
            "a publishes a1",
            "a: append a1 → no answer, and it waits no more",
            "a's request comes late: append a1 → in slot 1",
            "a: append a1 → in slot 2; a1 is acknowledged",
            "subscriber 0: read from slot 1 on → a1 in slot 1, a1 in slot 2; delivers a1 at 0:1:0; delivers a1 at 0:2:0",
        ]
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_publisher_with_two_messages_resumes() {
    let faults = Faults { lost: 1, resumed: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 373_857);
}

#[test]
#[ignore = "takes minutes"]
fn two_answers_of_three_messages_are_lost_or_late() {
    let faults = Faults { lost: 2, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 665_695);
}

#[test]
#[ignore = "takes minutes"]
fn two_answers_are_lost_or_late_for_two_subscribers() {
    let faults = Faults { lost: 2, ..NONE };
    explore(Bounds { subscribers: 2, faults, ..Bounds::default() }, 1_106_094);
}

#[test]
#[ignore = "takes minutes"]
fn everything_goes_wrong_once() {
    let faults = Faults { lost: 1, crashed: 1, repeated: 1, jumped: 1, sealed: 1, ..NONE };
    explore(Bounds { faults, ..Bounds::default() }, 1_215_912);
}

#[test]
#[ignore = "takes minutes"]
fn two_subscribers_restart_and_an_answer_is_lost() {
    let faults = Faults { lost: 1, restarted: 1, ..NONE };
    explore(Bounds { subscribers: 2, announced: true, faults, ..Bounds::default() }, 421_158);
}

#[test]
#[ignore = "takes very long"]
fn publishers_with_two_messages_die_and_give_up() {
    let faults = Faults { lost: 1, crashed: 1, resumed: 1, relearned: 1, abandoned: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..Bounds::default() }, 1_085_055);
}

/// The counterpart of [`who_fills_above_the_counter_starves_a_publisher`]: no publisher finds a slot occupied even
/// once.
#[test]
fn who_waits_as_long_as_a_write_may_take_starves_nobody() {
    let faults = Faults { lost: 1, crashed: 1, jumped: 1, ..NONE };
    explore(Bounds { timely: true, attempts: 0, faults, ..Bounds::default() }, 25_848);
    let faults = Faults { crashed: 1, jumped: 1, ..NONE };
    explore(Bounds { timely: true, attempts: 0, observed: true, faults, ..Bounds::default() }, 11_122);
}

/// At the end of an epoch, numbers of both counters may be in hand, so a publisher may lose one slot. It loses no
/// second one, however long the new epoch is.
#[test]
fn who_was_idle_while_an_epoch_ended_does_not_starve() {
    let bounds = Bounds { timely: true, attempts: 1, ..Bounds::default() };
    let faults = Faults { crashed: 1, sealed: 1, ..NONE };
    explore(Bounds { messages: vec![2, 1], faults, ..bounds.clone() }, 21_313);
    let faults = Faults { sealed: 1, ..NONE };
    explore(Bounds { messages: vec![3, 1], faults, ..bounds }, 19_182);
}

#[test]
fn without_repair_a_number_in_the_hand_of_the_dead_stops_everyone() {
    let faults = Faults { crashed: 1, ..NONE };
    let bounds = Bounds { conduct: Conduct::NoRepair, faults, ..Bounds::default() };
    assert_eq!(
        shortest(&bounds, "recoverable"),
        [
            "a publishes a1",
            "b publishes b1",
            "b crashes and comes back as b'",
            "a request of the dead comes late: take a number → number 1",
        ]
    );
}

#[test]
fn skipping_after_a_time_out_makes_two_orders() {
    let bounds = Bounds { conduct: Conduct::Skip, subscribers: 2, ..Bounds::default() };
    assert_eq!(
        shortest(&bounds, "one order"),
        [
            "a publishes a1",
            "b publishes b1",
            "b: take a number → number 1",
            "a: take a number → number 2",
            "a: write a1 into slot 2 → done; a1 is acknowledged",
            "subscriber 1: read from slot 1 on → a1 in slot 2",
            "b: write b1 into slot 1 → done; b1 is acknowledged",
            "subscriber 0: read from slot 1 on → b1 in slot 1, a1 in slot 2; delivers b1 at 0:1:0; delivers a1 at 0:2:0",
            "subscriber 1 has waited long enough; delivers a1 at 0:2:0",
        ]
    );
    // One subscriber is enough to lose an acknowledged message.
    assert_eq!(shortest(&Bounds { subscribers: 1, ..bounds }, "what was told is true").len(), 8);
}

#[test]
fn a_blind_retry_delivers_twice() {
    let faults = Faults { lost: 1, ..NONE };
    let bounds = Bounds { conduct: Conduct::BlindRetry, messages: vec![1], faults, ..Bounds::default() };
    assert_eq!(
        shortest(&bounds, "one order"),
        [
            "a publishes a1",
            "a: take a number → number 1",
            "a: write a1 into slot 1 → no answer, and it waits no more",
            "a: take a number → number 2",
            "a's request comes late: write a1 into slot 1 → done",
            "a: write a1 into slot 2 → done; a1 is acknowledged",
            "subscriber 0: read from slot 1 on → a1 in slot 1, a1 in slot 2; delivers a1 at 0:1:0; delivers a1 at 0:2:0",
        ]
    );
}

/// Within its epoch a number is above everything acknowledged before it was requested. In a later epoch it may be far
/// above the tail, which leaves room below it for messages published later.
#[test]
fn a_number_of_an_epoch_that_is_over_breaks_real_time() {
    let faults = Faults { lost: 1, sealed: 1, ..NONE };
    let bounds = Bounds { conduct: Conduct::StaleNumber, faults, ..Bounds::default() };
    assert_eq!(shortest(&bounds, "real time").len(), 15);
    explore(Bounds { conduct: Conduct::Right, ..bounds.clone() }, 23_688);
    let faults = Faults { entered: 1, ..faults };
    explore(Bounds { conduct: Conduct::Right, faults, ..bounds }, 53_674);
}

/// No fault happens, and no one is late. The publisher loses a slot every four steps, and the same four repeat for
/// ever.
#[test]
fn who_fills_above_the_counter_starves_a_publisher() {
    for attempts in 0..3 {
        let bounds = Bounds {
            conduct: Conduct::FillAhead,
            messages: vec![1],
            timely: true,
            attempts,
            ..Bounds::default()
        };
        let lines = shortest(&bounds, "nobody starves");
        assert_eq!(lines.len(), 1 + 4 * (attempts as usize + 1));
        assert_eq!(
            lines.last().map(String::as_str),
            Some(match attempts {
                0 => "a: write a1 into slot 1 → occupied by a fill; a1 is not stored: its slots were occupied",
                1 => "a: write a1 into slot 2 → occupied by a fill; a1 is not stored: its slots were occupied",
                _ => "a: write a1 into slot 3 → occupied by a fill; a1 is not stored: its slots were occupied",
            })
        );
    }
}
