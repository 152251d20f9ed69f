//! Concurrent clients of a register and of claims, over counter and slots, with faults from seeds; every history is
//! checked by trying all orders. The same check must find the histories that are not linearizable.

use testkit::linearizable;
use testkit::subjects;

use std::cell::{Cell, RefCell};

use happens_before::broadcast::{
    Entry, Follow, Log, MemoryLog, PublishRequest, PublisherConfig, SlotLog, SubscribeRequest, SubscriberConfig,
};
use happens_before::{Dot, Publisher};
use happens_before_replicated::register::{self, Register};
use happens_before_replicated::{Replica, ReplicaSnapshot, StateMachine};
use linearizable::{Call, linearizable};
use subjects::{Names, OneRegister, Random, RegisterOp, Subject};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    ByMarker,
    ByPosition,
    Locally,
}

/// The moment at which a command that changes the state is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Acknowledge {
    Applied,
    /// Wrong on purpose: as soon as it is in the log, although not all slots below are settled.
    Published,
}

/// The rates of faults, per mille of the steps.
#[derive(Clone, Copy, Debug)]
struct Faults {
    reads: Reads,
    acknowledge: Acknowledge,
    lose: u64,
    delay: u64,
    crash: u64,
    abandon: u64,
    install: u64,
    counter_back: u64,
}

const NONE: Faults = Faults {
    reads: Reads::ByMarker,
    acknowledge: Acknowledge::Applied,
    lose: 0,
    delay: 0,
    crash: 0,
    abandon: 0,
    install: 0,
    counter_back: 0,
};
const ALL: Faults =
    Faults { lose: 150, delay: 100, crash: 10, abandon: 10, install: 30, counter_back: 20, ..NONE };

enum Stage {
    Idle,
    /// The call, and the id of its command or marker.
    Sent(usize, Dot<u64>),
    /// The call, and the position to read at.
    Reading(usize, u64),
}

type CommandOf<T> = <<T as Subject>::Machine as StateMachine>::Command;

struct Client<T: Subject> {
    publisher: Publisher<u64, CommandOf<T>>,
    replica: Replica<u64, T::Machine>,
    saved: ReplicaSnapshot<u64, T::Machine>,
    stage: Stage,
}

const CONFIG: SubscriberConfig = SubscriberConfig {
    window: 4,
    bytes: 1 << 20,
    poll_ms: 3,
    write_timeout_ms: 10,
    max_fill_timeout_ms: 100,
    jump: 1 << 20,
    nodes: 1 << 12,
    skips: 16,
};

impl<T: Subject> Client<T> {
    fn new(node: u64, saved: ReplicaSnapshot<u64, T::Machine>) -> Self {
        let publisher = Publisher::new(node, PublisherConfig::default());
        Self { publisher, replica: Replica::resume(saved.clone(), CONFIG), saved, stage: Stage::Idle }
    }
}

#[derive(Debug, Default)]
struct Seen {
    returned: usize,
    unknown: usize,
    not_linearizable: usize,
    crashes: usize,
    installed: usize,
    went_back: usize,
    late_writes: usize,
}

const CALLS: usize = 16;

/// Makes a history of three clients, each with one call at a time.
fn history<T: Subject>(seed: u64, faults: Faults, seen: &mut Seen) -> Vec<Call<T::Op, T::Ret>> {
    let random = &mut Random(seed);
    let (counter, log) = (Cell::new(0_u64), RefCell::new(MemoryLog::new(10_000)));
    let mut late: Vec<(u64, Entry<u64, CommandOf<T>>)> = Vec::new();
    let mut calls: Vec<Call<T::Op, T::Ret>> = Vec::new();
    let saved = Replica::new(T::machine(), CONFIG).snapshot().unwrap();
    let mut clients: Vec<Client<T>> = (0..3).map(|node| Client::new(node, saved.clone())).collect();
    let mut nodes = 3;
    for now in 0..4_000_u64 {
        if calls.len() == CALLS && clients.iter().all(|client| matches!(client.stage, Stage::Idle)) {
            break;
        }
        if !late.is_empty() && random.per_mille(100) {
            let (slot, entry) = late.swap_remove(random.below(late.len() as u64) as usize);
            log.write(slot, &entry).unwrap();
            seen.late_writes += 1;
        }
        if random.per_mille(faults.counter_back) && counter.get() > 0 {
            counter.set(random.below(counter.get()));
            seen.went_back += 1;
        }
        let (at, from) = (random.below(3) as usize, random.below(3) as usize);
        if random.per_mille(faults.install) {
            let snapshot = clients[from].replica.snapshot().unwrap();
            seen.installed += usize::from(clients[at].replica.install(snapshot).is_ok());
        }
        let client = &mut clients[at];
        if random.per_mille(faults.crash) {
            // The outcome of its call stays unknown. It comes back under a new id, with its saved state.
            *client = Client::new(nodes, client.saved.clone());
            (nodes, seen.crashes) = (nodes + 1, seen.crashes + 1);
        }
        if random.per_mille(20) {
            client.saved = client.replica.snapshot().unwrap();
        }
        if random.per_mille(faults.abandon) && client.publisher.abandon().is_some() {
            client.stage = Stage::Idle;
        }

        if matches!(client.stage, Stage::Idle) && calls.len() < CALLS && random.below(4) == 0 {
            let (op, call) = (T::choose(random, at as u64), calls.len());
            calls.push(Call { begin: 2 * now, end: None, op: op.clone() });
            client.stage = match (T::command(&op), faults.reads) {
                (Some(command), _) => Stage::Sent(call, client.publisher.publish(command).unwrap()),
                (None, Reads::ByMarker) => Stage::Sent(call, client.publisher.publish_marker().unwrap()),
                (None, Reads::ByPosition) => {
                    client.replica.observe_current(counter.get());
                    Stage::Reading(call, counter.get())
                }
                (None, Reads::Locally) => Stage::Reading(call, 0),
            };
        }

        let (lose_request, lose_answer) = (random.per_mille(faults.lose), random.per_mille(faults.lose));
        match client.publisher.poll_request() {
            _ if lose_request || random.below(2) == 0 => {}
            Some(PublishRequest::Numbers(request)) => {
                let first = counter.get() + 1;
                counter.set(counter.get() + request.n.get());
                if !lose_answer && client.publisher.handle_numbers(&request, first).is_err() {
                    client.stage = Stage::Idle;
                }
            }
            Some(PublishRequest::Write { slot, entry }) if random.per_mille(faults.delay) => {
                late.push((slot, entry.clone()));
            }
            Some(PublishRequest::Write { slot, entry }) => {
                let (id, answer) = (*entry.id().unwrap(), log.write(slot, entry).unwrap());
                match client.publisher.handle_write(&id, slot, answer) {
                    _ if lose_answer => {}
                    Ok(None) => {}
                    Ok(Some(published)) => {
                        client.replica.observe_current(published.slot);
                        if let Stage::Sent(call, _) = client.stage
                            && faults.acknowledge == Acknowledge::Published
                            && T::command(&calls[call].op).is_some()
                        {
                            let told = T::step(&T::state(), &calls[call].op).1;
                            calls[call].end = Some((2 * now + 1, told));
                            client.stage = Stage::Idle;
                        }
                    }
                    Err(_) => client.stage = Stage::Idle,
                }
            }
            Some(PublishRequest::Append { .. } | PublishRequest::EnterEpoch { .. }) => {
                unreachable!("nobody appends or seals")
            }
            None => {}
        }

        match client.replica.poll_request(now) {
            None => {}
            Some(_) if lose_request => client.replica.handle_failure(now),
            Some(SubscribeRequest::Read { from, limit }) => {
                let answer = log.read(from, limit).unwrap();
                client.replica.handle_read(now, from, limit, answer).unwrap();
            }
            Some(SubscribeRequest::Fill { slot, epoch }) => {
                let answer = log.write(slot, &Entry::fill(epoch)).unwrap();
                client.replica.handle_fill(now, slot, epoch, answer).unwrap();
            }
        }

        if random.below(2) == 0
            && let Some(applied) = client.replica.poll_applied().unwrap()
            && let Stage::Sent(call, id) = client.stage
            && id == applied.id
        {
            let told = T::ret(applied.output, &calls[call].op, client.replica.machine());
            calls[call].end = Some((2 * now + 1, told));
            client.stage = Stage::Idle;
            client.publisher.abandon(); // if there was no answer yet
        }
        match client.stage {
            // A snapshot was installed over it: unknown.
            Stage::Sent(_, id) if client.replica.has_passed(&id) => {
                client.publisher.abandon();
                client.stage = Stage::Idle;
            }
            Stage::Reading(call, current) if client.replica.next() > current => {
                calls[call].end = Some((2 * now + 1, T::ret(None, &calls[call].op, client.replica.machine())));
                client.stage = Stage::Idle;
            }
            _ => {}
        }
        client.replica.internal_validate().unwrap();
    }
    calls
}

fn runs() -> u64 {
    std::env::var("HAPPENS_BEFORE_RUNS").map_or(300, |runs| runs.parse().expect("a number"))
}

fn try_seeds<T: Subject>(faults: Faults, must_hold: bool) -> Seen {
    let first = if must_hold { testkit::seed() % (u64::MAX / 2) } else { 0 };
    let mut seen = Seen::default();
    for seed in first..first + runs() {
        let calls = history::<T>(seed, faults, &mut seen);
        assert!(calls.len() > 2, "HAPPENS_BEFORE_SEED={seed}: only {calls:?}");
        let returned = calls.iter().filter(|call| call.end.is_some()).count();
        seen.returned += returned;
        seen.unknown += calls.len() - returned;
        let holds = linearizable(&T::state(), &calls, T::step);
        assert!(holds || !must_hold, "HAPPENS_BEFORE_SEED={seed}: not linearizable: {calls:#?}");
        seen.not_linearizable += usize::from(!holds);
    }
    eprintln!("{seen:?}");
    seen
}

#[test]
fn without_faults_every_call_returns() {
    for reads in [Reads::ByMarker, Reads::ByPosition] {
        let seen = try_seeds::<OneRegister>(Faults { reads, ..NONE }, true);
        assert_eq!((seen.returned as u64, seen.unknown), (runs() * CALLS as u64, 0));
    }
}

#[test]
fn commands_and_reads_by_marker_are_linearizable_whatever_fails_and_whatever_the_counter_does() {
    for seen in [try_seeds::<OneRegister>(ALL, true), try_seeds::<Names>(ALL, true)] {
        let least = runs() as usize;
        assert!(seen.returned > 8 * least && seen.unknown > least / 2, "{seen:?}");
        assert!(seen.crashes > least && seen.installed > least / 4 && seen.went_back > least, "{seen:?}");
        assert!(seen.late_writes > least / 2, "{seen:?}");
    }
}

#[test]
fn reads_by_position_are_linearizable_while_the_counter_is() {
    let faults = Faults { reads: Reads::ByPosition, counter_back: 0, ..ALL };
    try_seeds::<OneRegister>(faults, true);
    try_seeds::<Names>(faults, true);
}

#[test]
fn reads_by_position_are_stale_where_the_counter_goes_back() {
    let faults = Faults { reads: Reads::ByPosition, ..ALL };
    assert!(try_seeds::<OneRegister>(faults, false).not_linearizable > 3);
}

#[test]
fn local_reads_are_stale() {
    let seen = try_seeds::<OneRegister>(Faults { reads: Reads::Locally, ..NONE }, false);
    assert!(seen.not_linearizable as u64 > runs() / 10, "{seen:?}");
}

/// Plain writes, whose outcomes do not depend on the order.
struct Writes;

impl Subject for Writes {
    type Machine = Register<u8>;
    type Op = RegisterOp;
    type Ret = Option<u8>;
    type State = u8;

    fn machine() -> Register<u8> {
        OneRegister::machine()
    }

    fn state() -> u8 {
        0
    }

    fn choose(random: &mut Random, _: u64) -> RegisterOp {
        let value = 1 + random.below(200) as u8;
        if random.below(2) == 0 { RegisterOp::Read } else { RegisterOp::Write(value) }
    }

    fn command(op: &RegisterOp) -> Option<register::Command<u8>> {
        OneRegister::command(op)
    }

    fn ret(output: Option<register::Outcome<u8>>, op: &RegisterOp, machine: &Register<u8>) -> Option<u8> {
        OneRegister::ret(output, op, machine)
    }

    fn step(state: &u8, op: &RegisterOp) -> (u8, Option<u8>) {
        OneRegister::step(state, op)
    }
}

#[test]
fn acknowledging_what_is_published_and_not_yet_applied_trusts_the_counter() {
    let faults = Faults { acknowledge: Acknowledge::Published, abandon: 0, ..ALL };
    try_seeds::<Writes>(Faults { counter_back: 0, ..faults }, true);
    assert!(try_seeds::<Writes>(faults, false).not_linearizable > 3);
    try_seeds::<Writes>(ALL, true);
}

/// The checker is compared with all permutations, on every history of a kind.
#[test]
fn the_checker_agrees_with_trying_all_permutations() {
    fn naive(calls: &[Call<RegisterOp, Option<u8>>], order: &mut Vec<usize>) -> bool {
        let is_left_out = |at: usize| !order.contains(&at);
        if (0..calls.len()).filter(|&at| is_left_out(at)).all(|at| calls[at].end.is_none()) {
            let mut state = 0;
            let told = order.iter().all(|&at| {
                let (after, told) = OneRegister::step(&state, &calls[at].op);
                state = after;
                calls[at].end.is_none_or(|(_, ret)| ret == told)
            });
            let in_time = order.iter().enumerate().all(|(place, &at)| {
                order[place..].iter().all(|&later| calls[later].end.is_none_or(|end| end.0 > calls[at].begin))
            });
            if told && in_time {
                return true;
            }
        }
        (0..calls.len()).any(|at| {
            let new = !order.contains(&at);
            if new {
                order.push(at);
            }
            let found = new && naive(calls, order);
            if new {
                order.pop();
            }
            found
        })
    }
    let random = &mut Random(7);
    let mut linear = 0;
    for _ in 0..5_000 {
        let calls: Vec<Call<RegisterOp, Option<u8>>> = (0..4)
            .map(|_| {
                let op =
                    [RegisterOp::Read, RegisterOp::Write(1), RegisterOp::Swap(0, 2)][random.below(3) as usize];
                let begin = 2 * random.below(8);
                let end = begin + 1 + 2 * random.below(6);
                let told = match op {
                    RegisterOp::Write(_) => None,
                    RegisterOp::Read => Some(random.below(3) as u8),
                    RegisterOp::Swap(..) => [None, Some(1), Some(2)][random.below(3) as usize],
                };
                Call { begin, end: (random.below(5) > 0).then_some((end, told)), op }
            })
            .collect();
        let holds = linearizable(&0, &calls, OneRegister::step);
        assert_eq!(holds, naive(&calls, &mut Vec::new()), "{calls:?}");
        linear += usize::from(holds);
    }
    assert!((1_000..4_000).contains(&linear), "{linear}");
}
