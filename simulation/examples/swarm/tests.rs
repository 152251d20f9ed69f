//! Tests of the swarm over causal delivery with some hundreds of runs. The program itself makes more.

use happens_before_simulation::Found;

use super::{buffer, endpoint, swarms};

#[test]
fn buffers_deliver_in_order_once_and_everywhere() {
    let found = swarms::buffer().check(500, buffer::Buffers::new);
    assert_bad(&found, 500);
    assert!(found.runs < 500 || found.total.losses_of_state > 100, "{found:?}");
}

#[test]
fn endpoints_deliver_in_order_once_and_everywhere_and_fall_silent() {
    assert_bad(&swarms::endpoint().check(200, endpoint::Endpoints::new), 200);
}

#[test]
fn endpoints_without_state_join_again() {
    let found = swarms::joining().check(200, endpoint::Endpoints::new);
    assert_bad(&found, 200);
    assert!(found.runs < 200 || found.total.losses_of_state > 50, "{found:?}");
}

/// Checks that enough faults happened, unless only one seed was requested.
fn assert_bad(found: &Found, runs: u64) {
    let total = &found.total;
    let (traffic, each) = (&total.traffic, |count: u64| count / runs);
    let bad = total.crashes > runs / 2 && each(traffic.lost) > 20 && each(traffic.cut) > 3;
    assert!(found.runs < runs || bad, "{found:?}");
}
