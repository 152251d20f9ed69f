//! Every state that endpoints can reach at small bounds.
//!
//! Prints the bounds and how many states there are: `cargo test --release -p happens-before-models -- --nocapture`, and
//! with `--include-ignored` wider bounds, which take many minutes.

#![allow(clippy::disallowed_macros, reason = "how much was explored is what a reader wants to see")]

use happens_before_models::endpoint::Bounds;
use stateright::{Checker, Model};

/// Explores everything within the bounds, prints how much that was, and fails with the shortest way into a state that
/// must not be.
#[track_caller]
fn explore(messages: &[u8], timeouts: u8, crashes: u8) {
    let bounds = Bounds { messages: messages.to_vec(), timeouts, crashes };
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    println!(
        "{messages:?} messages a node, {timeouts} time-outs each, {crashes} crashes: {} states, {} steps, {} deep",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
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
#[ignore = "takes minutes"]
fn three_endpoints_with_time_outs() {
    explore(&[1, 1, 0], 1, 0);
}

#[test]
#[ignore = "takes minutes"]
fn two_endpoints_four_messages_and_time_outs() {
    explore(&[2, 2], 1, 0);
}

#[test]
#[ignore = "takes minutes"]
fn three_endpoints_four_messages_and_a_crash() {
    explore(&[2, 1, 1], 0, 1);
}

#[test]
#[ignore = "takes very long"]
fn two_endpoints_four_messages_time_outs_and_a_crash() {
    explore(&[2, 2], 1, 1);
}
