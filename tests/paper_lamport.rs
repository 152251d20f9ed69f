//! Tests of Lamport clocks, one for each claim of the sources.
//!
//! Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System* (1978); Kleppmann, *Designing
//! Data-Intensive Applications* (2017), chapter 9, "Lamport timestamps".

use happens_before::LamportClock;
use happens_before::scalar::LamportTimestamp;
use testkit::below;

const MAX: u64 = LamportClock::<u8>::MAX;

/// A client that writes to nodes. Its clock never ticks; it only passes on the highest counter seen.
struct Client(LamportClock<&'static str>);

impl Client {
    /// Writes to a node: the request carries the client's counter, the answer the write's timestamp.
    fn write(&mut self, node: &mut LamportClock<u8>) -> (u64, u8) {
        node.observe(self.0.counter()).unwrap();
        let timestamp = node.tick().unwrap();
        self.0.observe(timestamp.counter()).unwrap();
        (timestamp.counter(), *timestamp.node())
    }
}

/// Kleppmann: clients A and B write to nodes 1 and 2, and carry the highest counter that they have seen.
#[test]
fn two_clients_and_two_nodes_give_a_total_order_that_respects_what_the_clients_saw() {
    let (mut one, mut two) = (LamportClock::new(1), LamportClock::new(2));
    let (mut a, mut b) = (Client(LamportClock::new("A")), Client(LamportClock::new("B")));

    assert_eq!(a.write(&mut one), (1, 1));
    assert_eq!(a.write(&mut two), (2, 2));
    assert_eq!(a.write(&mut one), (3, 1));
    // B has seen nothing, but node 2 has: its write is concurrent with A's third and comes after it.
    assert_eq!(b.write(&mut two), (3, 2));

    let mut log = [(3, 2), (3, 1), (1, 1), (2, 2)].map(|(c, node)| LamportTimestamp::new(c, node).unwrap());
    log.sort();
    let log = log.map(|timestamp| timestamp.to_string());
    assert_eq!(log, ["(1, 1)", "(2, 2)", "(3, 1)", "(3, 2)"], "by counter, then by node");
}

/// Kleppmann: client A has seen 5 from node 2 and takes it to node 1, whose counter is only 1. Node 1 moves to 5
/// at once, and its next operation has 6.
#[test]
fn a_client_takes_the_maximum_from_one_node_to_another() {
    let (mut one, mut two) = (LamportClock::new(1), LamportClock::new(2));
    let mut a = Client(LamportClock::new("A"));
    one.tick().unwrap();
    two.observe(4).unwrap();

    assert_eq!(a.write(&mut two), (5, 2));
    assert_eq!(one.counter(), 1);
    one.observe(a.0.counter()).unwrap();
    assert_eq!(one.counter(), 5, "immediately moved forward");
    assert_eq!(a.write(&mut one), (6, 1));
}

/// Lamport: the clock condition (if x happened before y then C(x) < C(y)), and the total order made from it.
#[test]
fn clock_condition_on_random_runs() {
    const NODES: u64 = 4;
    let mut random = testkit::random();
    let (mut before, mut concurrent, mut lower_yet_concurrent) = (0_u64, 0_u64, 0_u64);

    // Short runs first, so that a failure is a small one.
    for run in 0..300_usize {
        let mut clocks: Vec<_> = (0..NODES).map(LamportClock::new).collect();
        let mut last: Vec<Option<usize>> = vec![None; NODES as usize];
        let mut timestamps: Vec<LamportTimestamp<u64>> = Vec::new();
        // causes[y][x]: event x happened before event y, by the definition: the transitive closure of "earlier
        // at the same node" and "sent, received".
        let mut causes: Vec<Vec<bool>> = Vec::new();

        for event in 0..1 + run / 10 {
            let node = below(&mut random, NODES) as usize;
            // Half of the events receive a message that some earlier event sent.
            let received = below(&mut random, 2 * event.max(1) as u64) as usize;
            let received = (received < event).then_some(received);
            if let Some(sent) = received {
                clocks[node].observe(timestamps[sent].counter()).unwrap();
            }
            timestamps.push(clocks[node].tick().unwrap());

            let mut known = vec![false; event];
            for cause in [last[node], received].into_iter().flatten() {
                known[cause] = true;
                for (earlier, &is_cause) in causes[cause].iter().enumerate() {
                    known[earlier] |= is_cause;
                }
            }
            causes.push(known);
            last[node] = Some(event);
        }

        for (y, known) in causes.iter().enumerate() {
            for (x, &is_before) in known.iter().enumerate() {
                let (tx, ty) = (timestamps[x], timestamps[y]);
                assert_ne!(tx, ty, "the order is total: no two events have one timestamp");
                if is_before {
                    assert!(tx.counter() < ty.counter() && tx < ty, "{tx} -> {ty}, run {run}");
                    before += 1;
                } else {
                    concurrent += 1;
                    lower_yet_concurrent += u64::from(tx.counter() < ty.counter());
                }
            }
        }
    }

    // Both cases are frequent enough, and the converse does not hold.
    let pairs = before + concurrent;
    assert_eq!(pairs, 44_950);
    assert!(before > pairs / 10 && concurrent > pairs / 10, "{before} before, {concurrent} concurrent");
    assert!(lower_yet_concurrent > pairs / 20, "{lower_yet_concurrent} of {pairs}");
}

/// The order of timestamps is by counter, then by node, and by nothing else.
#[test]
fn every_small_pair_of_timestamps_is_ordered_as_the_paper_says() {
    let mut pairs = 0;
    for (c, n, d, m) in (0..256).map(|i| (1 + i / 64, i / 16 % 4, 1 + i / 4 % 4, i % 4)) {
        let (x, y) = (LamportTimestamp::new(c, n).unwrap(), LamportTimestamp::new(d, m).unwrap());
        assert_eq!(x.cmp(&y), (c, n).cmp(&(d, m)));
        assert_eq!(x == y, (c, n) == (d, m));
        pairs += 1;
    }
    assert_eq!(pairs, 256);
    assert_eq!(LamportTimestamp::new(0, 1), None);
}

#[test]
fn observing_never_lowers_the_clock() {
    let mut clock = LamportClock::new(1);
    clock.observe(9).unwrap();
    for lower in [0, 1, 8, 9] {
        clock.observe(lower).unwrap();
        assert_eq!(clock.counter(), 9);
    }
    assert_eq!(clock.tick().unwrap().counter(), 10);
}

#[test]
fn the_last_counter_is_used_once_and_then_is_an_error_that_changes_nothing() {
    assert_eq!(MAX, (1 << 63) - 1);
    let mut clock = LamportClock::new(1);
    clock.observe(MAX - 1).unwrap();
    assert_eq!(clock.tick().unwrap().counter(), MAX);
    for _ in 0..3 {
        let error = clock.tick().unwrap_err();
        assert_eq!((error.limit, clock.counter()), (MAX, MAX));
    }
    clock.observe(MAX).unwrap();
    let error = clock.observe(MAX + 1).unwrap_err();
    assert_eq!((error.claimed, error.limit, clock.counter()), (MAX + 1, MAX, MAX));
}

#[test]
fn a_counter_beyond_the_horizon_is_refused_and_changes_nothing() {
    let mut clock = LamportClock::with_horizon(1, 10);
    for claimed in [11, 12, MAX, MAX + 1, u64::MAX] {
        let error = clock.observe(claimed).unwrap_err();
        assert_eq!((error.claimed, error.limit, clock.counter()), (claimed, 10, 0));
    }
    // The horizon moves with the clock.
    clock.observe(10).unwrap();
    assert_eq!(clock.observe(21).unwrap_err().limit, 20);
    clock.observe(20).unwrap();
    assert_eq!(clock.tick().unwrap().counter(), 21);
    assert_eq!(
        clock.observe(99).unwrap_err().to_string(),
        "counter 99 is beyond the horizon, which now ends at 31; distrust the sender, or widen the horizon"
    );
}

#[test]
fn a_horizon_wider_than_the_range_ends_where_the_range_ends() {
    let mut clock = LamportClock::with_horizon(1, u64::MAX);
    clock.observe(7).unwrap();
    assert_eq!(clock.observe(MAX + 1).unwrap_err().limit, MAX);
    assert_eq!((*clock.node(), clock.counter()), (1, 7));
}

#[test]
fn a_horizon_of_0_believes_nobody() {
    let mut clock = LamportClock::with_horizon(1, 0);
    assert_eq!(clock.observe(1).unwrap_err().limit, 0);
    clock.tick().unwrap();
    clock.observe(1).unwrap();
    assert_eq!(clock.observe(2).unwrap_err().limit, 1);
}
