//! Tests of a run with each kind of fault, and with nodes that misbehave.

use happens_before_simulation::network::Partition;
use happens_before_simulation::{
    Decision, FailureKind, Faults, Node, Random, RunResult, Scenario, Schedule, Step, Swarm, run,
};

/// A node that records its inputs and follows its orders.
#[derive(Clone, Debug, Default)]
struct Scribe {
    id: usize,
    /// The part that survives a crash.
    disk: Vec<String>,
    memory: Vec<String>,
    out: Vec<(usize, u64)>,
    due: Option<u64>,
    never_satisfied: bool,
}

#[derive(Clone, Debug)]
enum Order {
    Send(usize, u64),
    WakeAfter(u64),
    Spin,
    Chatter,
    Panic,
}

const CHATTER: u64 = 99;

impl Node for Scribe {
    type Packet = u64;
    type Command = Order;

    fn handle_command(&mut self, order: Order, now: u64) {
        match order {
            Order::Send(to, packet) => self.out.push((to, packet)),
            Order::WakeAfter(delay) => self.due = Some(now + delay),
            Order::Spin => (self.due, self.never_satisfied) = (Some(now), true),
            Order::Chatter => self.out.push((1 - self.id, CHATTER)),
            Order::Panic => panic!("as ordered"),
        }
    }

    fn handle_packet(&mut self, from: usize, packet: u64, now: u64) {
        self.disk.push(format!("{packet} from {from} at {now}"));
        self.memory.push(format!("{packet}"));
        if packet == CHATTER {
            self.out.push((from, packet));
        }
    }

    fn handle_timeout(&mut self, now: u64) {
        self.disk.push(format!("woken at {now}"));
        self.due = self.due.filter(|_| self.never_satisfied);
    }

    fn poll_packet(&mut self) -> Option<(usize, u64)> {
        self.out.pop()
    }

    fn poll_timeout(&mut self) -> Option<u64> {
        self.due
    }
}

/// A scenario that allows everything, and keeps the last state of each node.
#[derive(Debug, Default)]
struct Desk {
    last: Vec<Scribe>,
    never_quiescent: bool,
}

impl Scenario for Desk {
    type Node = Scribe;

    fn start(&mut self, node: usize, now: u64) -> Scribe {
        Scribe { id: node, disk: vec![format!("starts at {now}")], ..Scribe::default() }
    }

    fn restart(&mut self, node: usize, crashed: Scribe, _now: u64) -> Scribe {
        Scribe { id: node, disk: crashed.disk, ..Scribe::default() }
    }

    fn command(&mut self, _random: &mut Random) -> Order {
        Order::Send(0, 13)
    }

    fn check(&mut self, step: &mut Step<'_, Scribe>) -> Result<(), String> {
        step.note(|| "noted".to_owned());
        let told_to_fail = step.machine().memory.iter().any(|packet| packet == "13");
        self.last = step.nodes.iter().flatten().cloned().collect();
        if told_to_fail { Err("thirteen".to_owned()) } else { Ok(()) }
    }

    fn quiescent(&mut self, _nodes: &[Option<Scribe>]) -> Result<(), String> {
        if self.never_quiescent { Err("never".to_owned()) } else { Ok(()) }
    }
}

fn play(nodes: usize, decisions: Vec<Decision<Order>>) -> (Desk, RunResult) {
    let schedule = Schedule { seed: 0, nodes, heals_at: 1000, quiesces_within: 500, least_delay: 2, decisions };
    let mut desk = Desk::default();
    let outcome = run(&mut desk, &schedule, 10_000, true);
    (desk, outcome)
}

fn order(at: u64, node: usize, command: Order) -> Decision<Order> {
    Decision::Command { at, node, command }
}

#[test]
fn a_crash_takes_what_is_not_durable_or_everything() {
    for loses_state in [false, true] {
        let (desk, outcome) = play(
            2,
            vec![
                order(10, 0, Order::Send(1, 7)),
                Decision::Crash { at: 20, until: 30, node: 1, loses_state },
                order(21, 0, Order::Send(1, 8)), // arrives while node 1 is down
                order(22, 1, Order::Panic),      // is not given while node 1 is down
                order(29, 0, Order::Send(1, 9)), // arrives after the crash
            ],
        );
        assert_eq!(outcome.failure, None);
        let first = if loses_state { vec!["starts at 30"] } else { vec!["starts at 0", "7 from 0 at 12"] };
        assert_eq!(desk.last[1].disk, [first, vec!["9 from 0 at 31"]].concat());
        assert_eq!(desk.last[1].memory, ["9"]);
        let tally = outcome.tally;
        assert_eq!((tally.crashes, tally.losses_of_state), (1, u64::from(loses_state)));
        assert_eq!((tally.commands, tally.traffic.packets), (3, 3));
    }
}

#[test]
fn all_nodes_are_back_when_the_faults_end() {
    let crash = Decision::Crash { at: 20, until: 5000, node: 1, loses_state: true };
    let again = Decision::Crash { at: 30, until: 40, node: 1, loses_state: false };
    let late = Decision::Crash { at: 1000, until: 5000, node: 0, loses_state: true };
    let (desk, outcome) = play(2, vec![crash, again, late, order(1200, 0, Order::Send(1, 7))]);
    assert_eq!(outcome.failure, None);
    assert_eq!(desk.last[1].disk, ["starts at 1000", "7 from 0 at 1202"]);
    assert_eq!(outcome.tally.crashes, 1, "a node that is down does not crash, and none does after the faults");
}

/// Sets a deadline 50 ms ahead at 100 ms of true time. Returns when it came, by the clock and by true time.
fn deadline(clock: Decision<Order>) -> (String, u64) {
    let (desk, outcome) = play(1, vec![order(100, 0, Order::WakeAfter(50)), clock]);
    let woken = desk.last[0].disk.last().cloned().unwrap_or_default();
    let due = outcome.trace.iter().find(|line| line.words.contains("is due"));
    (woken, due.map_or(0, |line| line.at))
}

#[test]
fn clocks_drift_and_jump_and_deadlines_follow() {
    let clock = |at, rate, jump| Decision::Clock { at, node: 0, rate, jump };
    for (clock, woken, truth) in [
        (clock(0, 1000, 0), "woken at 150", 150),
        (clock(0, 2000, 0), "woken at 250", 125), // set at 200 by this clock
        (clock(0, 500, 0), "woken at 100", 200),
        (clock(0, 1000, 400), "woken at 550", 150),
        (clock(120, 1000, 400), "woken at 520", 120), // jumps over the deadline: due at once
        (clock(120, 1000, -100), "woken at 150", 250),
        (clock(140, 100, 0), "woken at 150", 240),
        (clock(0, 100, 0), "woken at 60", 600),
    ] {
        assert_eq!(deadline(clock.clone()), (woken.to_owned(), truth), "{clock:?}");
    }
}

#[test]
fn a_one_way_partition_cuts_one_way() {
    let group = vec![true, false];
    let sends = || vec![order(10, 0, Order::Send(1, 7)), order(10, 1, Order::Send(0, 8))];
    for (one_way, received) in [(false, [1, 1]), (true, [2, 1])] {
        let partition = Partition { from: 5, until: 50, group: group.clone(), one_way };
        let (desk, outcome) = play(2, [vec![Decision::Partition(partition)], sends()].concat());
        assert_eq!([desk.last[0].disk.len(), desk.last[1].disk.len()], received, "{:?}", outcome.trace);
    }
}

#[test]
fn every_way_to_fail_is_told_apart() {
    let kind = |outcome: RunResult| outcome.failure.expect("it fails").kind;
    assert_eq!(kind(play(2, vec![order(10, 0, Order::Send(1, 13))]).1), FailureKind::Violation);
    assert_eq!(kind(play(2, vec![order(10, 0, Order::Spin)]).1), FailureKind::Spinning);
    assert_eq!(kind(play(2, vec![order(10, 0, Order::Send(2, 1))]).1), FailureKind::NoSuchNode);

    let panic = play(2, vec![order(10, 0, Order::Panic)]).1.failure.expect("it fails");
    assert!(panic.kind == FailureKind::Panic && panic.words.contains("as ordered"), "{panic}");

    let schedule = |decisions| Schedule {
        seed: 0,
        nodes: 2,
        heals_at: 10,
        quiesces_within: 100,
        least_delay: 2,
        decisions,
    };
    let mut desk = Desk { never_quiescent: true, ..Desk::default() };
    let quiet = run(&mut desk, &schedule(vec![]), 1000, false);
    assert_eq!((quiet.tally.ended_at, kind(quiet)), (10, FailureKind::NotQuiescent));
    let mut desk = Desk { never_quiescent: true, ..Desk::default() };
    let busy = run(&mut desk, &schedule(vec![order(5, 0, Order::Chatter)]), 1000, false);
    assert_eq!((busy.tally.ended_at, kind(busy)), (109, FailureKind::NotQuiescent));
    let mut desk = Desk { never_quiescent: true, ..Desk::default() };
    let endless = run(&mut desk, &schedule(vec![order(5, 0, Order::Chatter)]), 50, false);
    assert_eq!(kind(endless), FailureKind::Endless);
}

/// Of many commands only one is needed, and no fault.
#[test]
fn what_does_not_matter_is_left_out() {
    let swarm = Swarm { nodes: 2..=6, commands: 10..=20, ..Swarm::default() };
    let failing = swarm.explain(3, &|_| Desk::default()).expect("every command fails");
    assert_eq!((failing.schedule.nodes, failing.schedule.decisions.len()), (2, 1));
    assert_eq!(failing.short_failure.kind, FailureKind::Violation);
}

#[test]
fn runs_of_a_swarm_differ_in_kind() {
    let swarm = Swarm {
        worst: Faults { lose_state: true, jump_back_ms: 10, ..Swarm::default().worst },
        ..Swarm::default()
    };
    let (mut crashes, mut state, mut cuts, mut one_way, mut clocks, mut back) = (0, 0, 0, 0, 0, 0);
    let (mut perfect, mut nodes) = (0, std::collections::BTreeSet::new());
    for seed in 0..400 {
        let (_, schedule) = swarm.run(seed, false, &|_| Desk::default());
        nodes.insert(schedule.nodes);
        let any = |test: fn(&Decision<Order>) -> bool| u32::from(schedule.decisions.iter().any(test));
        crashes += any(|decision| matches!(decision, Decision::Crash { .. }));
        state += any(|decision| matches!(decision, Decision::Crash { loses_state: true, .. }));
        cuts += any(|decision| matches!(decision, Decision::Partition(_)));
        one_way += any(|decision| matches!(decision, Decision::Partition(partition) if partition.one_way));
        clocks += any(|decision| matches!(decision, Decision::Clock { .. }));
        back += any(|decision| matches!(decision, Decision::Clock { jump: ..0, .. }));
        perfect += 1 - any(|decision| !matches!(decision, Decision::Command { .. }));
    }
    let seen = [crashes, state, cuts, one_way, clocks, back, perfect];
    assert!(seen.iter().all(|seen| (10..380).contains(seen)), "{seen:?} of 400");
    assert!(nodes.into_iter().eq(2..=5));
}

#[test]
fn threads_find_the_same_seed() {
    let make = |setup: happens_before_simulation::Setup| {
        assert!(setup.seed != 40 && setup.seed < 60);
        Desk { never_quiescent: setup.seed == 50, ..Desk::default() }
    };
    let swarm = Swarm { commands: 0..=0, nodes: 1..=2, ..Swarm::default() };
    for threads in 1..=4 {
        let found = swarm.search(41..60, threads, &make, &|_| {});
        assert_eq!(found.failing, Some(50), "{threads} threads");
    }
    assert_eq!(swarm.search(41..50, 3, &make, &|_| {}).runs, 9);
}
