//! Every state that endpoints can reach at small bounds.
//!
//! `cargo test --release -p happens-before-models --test endpoint -- --nocapture` prints the bounds and the numbers of
//! states. With `--include-ignored` it also explores wider bounds, which takes some minutes.

use std::collections::HashSet;

use happens_before_models::covering::{self, Covering, Explored};
use happens_before_models::endpoint::{Bounds, Endpoints};
use stateright::{Checker, Model, StateRecorder};

fn endpoints(messages: &[u8], timeouts: u8, crashes: u8) -> Endpoints {
    Endpoints::new(Bounds { messages: messages.to_vec(), timeouts, crashes })
}

/// Explores all states within the bounds and prints their number. Fails with the shortest way into a forbidden state if
/// there is one.
#[track_caller]
fn explore(messages: &[u8], timeouts: u8, crashes: u8) {
    let checker = endpoints(messages, timeouts, crashes).checker().threads(2).spawn_bfs().join();
    println!(
        "{messages:?} messages a node, {timeouts} time-outs each, {crashes} crashes: {} states, {} steps, {} deep",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

/// Explores the same bounds, without the states that others cover.
#[track_caller]
fn explore_uncovered(messages: &[u8], timeouts: u8, crashes: u8) {
    match covering::explore(&endpoints(messages, timeouts, crashes)) {
        Ok(Explored { cores, states, steps }) => println!(
            "{messages:?} messages a node, {timeouts} time-outs each, {crashes} crashes: {cores} states of the nodes, from {states} \
             of the network, {steps} steps"
        ),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn two_endpoints_four_messages_and_a_crash() {
    explore(&[2, 2], 0, 1);
}

#[test]
fn two_endpoints_with_time_outs_and_a_crash() {
    explore(&[2, 1], 1, 1);
}

#[test]
fn three_endpoints_four_messages() {
    explore(&[2, 1, 1], 0, 0);
}

#[test]
fn three_endpoints_and_a_crash() {
    explore(&[1, 1, 1], 0, 1);
}

#[test]
fn without_the_states_that_others_cover_the_nodes_reach_the_same_states() {
    for (messages, timeouts, crashes) in [(&[2, 2][..], 0, 1), (&[1, 1], 1, 1), (&[2, 1], 1, 0)] {
        let (recorder, states) = StateRecorder::new_with_accessor();
        let checker = endpoints(messages, timeouts, crashes).checker().visitor(recorder).spawn_bfs().join();
        let all: HashSet<_> = states().iter().map(|state| checker.model().core(state)).collect();
        let explored = covering::explore(&endpoints(messages, timeouts, crashes)).unwrap();
        assert_eq!(explored.cores, all.len());
        assert!(explored.states < checker.unique_state_count());
    }
}

#[test]
fn two_endpoints_four_messages_and_time_outs() {
    explore_uncovered(&[2, 2], 1, 0);
}

#[test]
fn two_endpoints_four_messages_time_outs_and_a_crash() {
    explore_uncovered(&[2, 2], 1, 1);
}

#[test]
fn three_endpoints_with_time_outs() {
    explore_uncovered(&[1, 1, 0], 1, 0);
}

#[test]
#[ignore = "takes a minute"]
fn three_endpoints_four_messages_and_a_crash() {
    explore_uncovered(&[2, 1, 1], 0, 1);
}

#[test]
#[ignore = "takes minutes"]
fn two_endpoints_four_messages_time_outs_and_two_crashes() {
    explore_uncovered(&[2, 2], 1, 2);
}

#[test]
#[ignore = "takes minutes"]
fn three_endpoints_with_time_outs_and_a_crash() {
    explore_uncovered(&[1, 1, 0], 1, 1);
}
