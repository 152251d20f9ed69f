//! The swarm over causal delivery. `HAPPENS_BEFORE_RUNS` sets how many runs; for many, the example `causal` is faster.

#[path = "../examples/causal/buffer.rs"]
mod buffer;
#[path = "../examples/causal/judge.rs"]
mod judge;
#[path = "../examples/causal/swarms.rs"]
mod swarms;

#[test]
fn buffers_deliver_in_order_once_and_everywhere() {
    let found = swarms::buffer().check(300, buffer::Buffers::new);
    let total = found.total;
    assert!(found.runs < 300 || (total.crashes > 200 && total.losses_of_state > 80), "{found:?}");
    assert!(found.runs < 300 || (total.traffic.lost > 5000 && total.traffic.cut > 1000), "{found:?}");
}
