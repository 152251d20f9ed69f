//! One run: virtual time goes from event to event until the run is quiescent, has failed, or is out of time.
//!
//! At one moment the schedule comes first, then arrivals, then due nodes. There is no other choice, so the same
//! schedule gives the same run everywhere.

use std::fmt;

use crate::clock::{Clock, TRUE_RATE};
use crate::network::{Arrival, Conditions, Network, PacketFate, PacketId, Partition, Sent, Traffic};
use crate::node::{Node, Scenario, Step};
use crate::panics;
use crate::schedule::{Decision, Schedule};

/// The calls at one moment, beyond one for each node, that nodes may ask for by saying that something is due.
const SPINS: usize = 1000;

/// A failure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The true time, in milliseconds.
    pub at: u64,
    /// The kind of the failure.
    pub kind: FailureKind,
    /// The description of the failure.
    pub words: String,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// [`Scenario::check`] returned an error.
    Violation,
    /// [`Scenario::quiescent`] still returned an error when the time to become quiescent was over.
    NotQuiescent,
    /// A node or the scenario panicked.
    Panic,
    /// A node says repeatedly that something is due, and time does not pass.
    Spinning,
    /// The run took more steps than it may.
    Endless,
    /// A node sent a packet to a node that does not exist.
    NoSuchNode,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FailureKind::Violation => "violation",
            FailureKind::NotQuiescent => "not quiescent",
            FailureKind::Panic => "panic",
            FailureKind::Spinning => "spinning",
            FailureKind::Endless => "endless",
            FailureKind::NoSuchNode => "no such node",
        };
        write!(f, "{kind} at {} ms: {}", self.at, self.words)
    }
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Inputs to nodes, and packets sent.
    pub steps: u64,
    /// Commands given to nodes.
    pub commands: u64,
    /// Crashes, including those with loss of state.
    pub crashes: u64,
    /// Crashes with loss of state.
    pub losses_of_state: u64,
    /// The counts of the network.
    pub traffic: Traffic,
    /// The true time at the end, in milliseconds.
    pub ended_at: u64,
}

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The true time, in milliseconds.
    pub at: u64,
    /// The event, in words.
    pub words: String,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The failure, if there was one.
    pub failure: Option<Failure>,
    /// The counts.
    pub tally: Tally,
    /// The trace, if requested.
    pub trace: Vec<Line>,
}

type CommandOf<S> = <<S as Scenario>::Node as Node>::Command;
type PacketOf<S> = <<S as Scenario>::Node as Node>::Packet;

/// The source of the fates of packets.
pub(crate) enum Fates {
    /// Drawn; all except the usual fate are returned.
    Drawn(Conditions),
    /// Given by the schedule.
    Given,
}

/// Runs a schedule.
pub fn run<S: Scenario>(
    scenario: &mut S,
    schedule: &Schedule<CommandOf<S>>,
    steps: u64,
    trace: bool,
) -> RunResult {
    run_with(scenario, schedule, Fates::Given, steps, trace).0
}

pub(crate) fn run_with<S: Scenario>(
    scenario: &mut S,
    schedule: &Schedule<CommandOf<S>>,
    fates: Fates,
    steps: u64,
    trace: bool,
) -> (RunResult, Vec<(PacketId, PacketFate)>) {
    let mut run = Run::new(scenario, schedule, fates, steps, trace);
    let failure = match panics::catch(|| run.run()) {
        Ok(result) => result.err(),
        Err(words) => Some(Failure { at: run.now, kind: FailureKind::Panic, words }),
    };
    run.tally.traffic = run.network.traffic();
    run.tally.ended_at = run.now;
    let record = run.network.take_record();
    (RunResult { failure, tally: run.tally, trace: run.trace.unwrap_or_default() }, record)
}

/// An action of the schedule at a moment.
enum Action<'a, C> {
    Command(usize, &'a C),
    Crash { node: usize, nth: usize, loses_state: bool },
    Restart { node: usize, nth: usize },
    Clock { node: usize, rate: u64, jump: i64 },
    Cut(&'a Partition),
    Mend,
    Heal,
}

/// A node that is down.
struct Down<N> {
    /// The number of the decision that crashed it.
    nth: usize,
    /// The node as it was; `None` if its state is lost.
    left: Option<N>,
}

struct Run<'a, S: Scenario> {
    scenario: &'a mut S,
    timeline: std::iter::Peekable<std::vec::IntoIter<(u64, Action<'a, CommandOf<S>>)>>,
    network: Network<PacketOf<S>>,
    nodes: Vec<Option<S::Node>>,
    down: Vec<Option<Down<S::Node>>>,
    clocks: Vec<Clock>,
    /// The true time at which each node wants to be called.
    wakes: Vec<Option<u64>>,
    spins: usize,
    now: u64,
    heals_at: u64,
    over_at: u64,
    steps: u64,
    tally: Tally,
    trace: Option<Vec<Line>>,
    notes: Vec<String>,
}

impl<'a, S: Scenario> Run<'a, S> {
    fn new(
        scenario: &'a mut S,
        schedule: &'a Schedule<CommandOf<S>>,
        fates: Fates,
        steps: u64,
        trace: bool,
    ) -> Self {
        let Schedule { nodes, heals_at, .. } = *schedule;
        let cuts = schedule.decisions.iter().filter_map(|decision| match decision {
            Decision::Partition(partition) => {
                Some(Partition { until: partition.until.min(heals_at), ..partition.clone() })
            }
            _ => None,
        });
        let partitions = cuts.collect();
        let network = match fates {
            Fates::Drawn(conditions) => {
                Network::new(Conditions { partitions, heals_at, ..conditions }, schedule.seed).recording()
            }
            Fates::Given => {
                let delay = crate::network::Delay::Fixed(schedule.least_delay);
                let conditions = Conditions { delay, partitions, heals_at, ..Conditions::default() };
                Network::with_given_fates(conditions, schedule.fates())
            }
        };
        Self {
            scenario,
            timeline: timeline(schedule).into_iter().peekable(),
            network,
            nodes: (0..nodes).map(|_| None).collect(),
            down: (0..nodes).map(|_| None).collect(),
            clocks: vec![Clock::new(); nodes],
            wakes: vec![None; nodes],
            spins: 0,
            now: 0,
            heals_at,
            over_at: heals_at.saturating_add(schedule.quiesces_within),
            steps,
            tally: Tally::default(),
            trace: trace.then(Vec::new),
            notes: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        for node in 0..self.nodes.len() {
            self.nodes[node] = Some(self.scenario.start(node, self.clocks[node].at(0)));
            self.after(node)?;
        }
        // The time at which all packets in flight at the settling have arrived.
        let mut quiet_at = None;
        while let Some(at) = self.next_at().filter(|&at| at <= self.over_at) {
            if quiet_at.is_some_and(|quiet_at| at > quiet_at) {
                if self.quiescent().is_ok() {
                    return Ok(());
                }
                quiet_at = None;
            }
            if at > self.now {
                (self.now, self.spins) = (at, 0);
            }
            self.next()?;
            if self.now >= self.heals_at
                && quiet_at.is_none()
                && self.timeline.peek().is_none()
                && self.quiescent().is_ok()
            {
                quiet_at = Some(self.network.last_at());
            }
        }
        self.quiescent().map_err(|words| self.failure(FailureKind::NotQuiescent, words))
    }

    fn quiescent(&mut self) -> Result<(), String> {
        self.scenario.quiescent(&self.nodes)
    }

    fn failure(&self, kind: FailureKind, words: String) -> Failure {
        Failure { at: self.now, kind, words }
    }

    /// Returns the time of the next event.
    fn next_at(&mut self) -> Option<u64> {
        let planned = self.timeline.peek().map(|&(at, _)| at);
        let wake = self.wakes.iter().flatten().copied().min();
        [planned, self.network.next_at(), wake].into_iter().flatten().min()
    }

    /// Handles the first event of this moment.
    fn next(&mut self) -> Result<(), Failure> {
        if let Some((_, action)) = self.timeline.next_if(|&(at, _)| at <= self.now) {
            return self.act(action);
        }
        if self.network.next_at().is_some_and(|at| at <= self.now)
            && let Some(arrival) = self.network.receive()
        {
            return self.arrive(arrival);
        }
        let due = |wake: &Option<u64>| wake.is_some_and(|at| at <= self.now);
        let Some(node) = self.wakes.iter().position(due) else { return Ok(()) };
        self.spins += 1;
        if self.spins > SPINS + self.nodes.len() {
            let words = format!("node {node} says that something is due, {SPINS} times in this millisecond");
            return Err(self.failure(FailureKind::Spinning, words));
        }
        let local = self.clocks[node].at(self.now);
        self.tell(|| format!("node {node} is due, at {local} by its clock"));
        let told = self.trace.as_ref().map_or(0, Vec::len);
        self.step(node, |machine, now| machine.handle_timeout(now))?;
        // A line about a node that did nothing is noise.
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.len() == told) {
            trace.pop();
        }
        Ok(())
    }

    fn act(&mut self, action: Action<'a, CommandOf<S>>) -> Result<(), Failure> {
        match action {
            Action::Command(node, command) => {
                if self.nodes[node].is_some() {
                    self.tally.commands += 1;
                    self.tell(|| format!("node {node} is told {command:?}"));
                    return self.step(node, |machine, now| machine.handle_command(command.clone(), now));
                }
            }
            Action::Crash { node, nth, loses_state } => {
                if let Some(machine) = self.nodes[node].take() {
                    self.tally.crashes += 1;
                    self.tally.losses_of_state += u64::from(loses_state);
                    self.wakes[node] = None;
                    self.down[node] = Some(Down { nth, left: (!loses_state).then_some(machine) });
                    let what = if loses_state { "and loses its state" } else { "" };
                    self.tell(|| format!("node {node} crashes {what}").trim_end().to_owned());
                }
            }
            Action::Restart { node, nth } => {
                if let Some(Down { left, .. }) = self.down[node].take_if(|down| down.nth == nth) {
                    let now = self.clocks[node].at(self.now);
                    self.tell(|| format!("node {node} is back"));
                    self.nodes[node] = Some(match left {
                        Some(crashed) => self.scenario.restart(node, crashed, now),
                        None => self.scenario.start(node, now),
                    });
                    return self.after(node);
                }
            }
            Action::Clock { node, rate, jump } => {
                self.clocks[node].change(self.now, rate, jump);
                self.tell(|| {
                    format!("the clock of node {node} jumps by {jump} ms and goes at {rate} per mille")
                });
                self.wake(node);
            }
            Action::Cut(partition) => self.tell(|| cut(partition)),
            Action::Mend => self.tell(|| "a partition is over".to_owned()),
            Action::Heal => {
                for node in 0..self.nodes.len() {
                    self.clocks[node].change(self.now, TRUE_RATE, 0);
                    self.wake(node);
                }
                self.tell(|| "all faults are over".to_owned());
            }
        }
        Ok(())
    }

    fn arrive(&mut self, arrival: Arrival<PacketOf<S>>) -> Result<(), Failure> {
        let Arrival { from, to, packet, .. } = arrival;
        if self.nodes[to].is_none() {
            self.tell(|| format!("node {to} is down: lost is {packet:?} from {from}"));
            return Ok(());
        }
        self.tell(|| format!("node {to} receives {packet:?} from {from}"));
        self.step(to, |machine, now| machine.handle_packet(from, packet, now))
    }

    /// Gives an input to a node that is up.
    fn step(&mut self, node: usize, input: impl FnOnce(&mut S::Node, u64)) -> Result<(), Failure> {
        let now = self.clocks[node].at(self.now);
        if let Some(machine) = &mut self.nodes[node] {
            input(machine, now);
        }
        self.after(node)
    }

    /// Checks a node after a step, and sends its packets.
    fn after(&mut self, node: usize) -> Result<(), Failure> {
        self.count()?;
        let notes = self.trace.is_some().then_some(&mut self.notes);
        let checked = self.scenario.check(&mut Step { now: self.now, node, nodes: &mut self.nodes, notes });
        for words in std::mem::take(&mut self.notes) {
            self.tell(|| words);
        }
        checked.map_err(|words| self.failure(FailureKind::Violation, words))?;
        while let Some((to, packet)) = self.nodes[node].as_mut().and_then(Node::poll_packet) {
            self.count()?;
            if to >= self.nodes.len() {
                let words = format!("node {node} sends {packet:?} to node {to}, which does not exist");
                return Err(self.failure(FailureKind::NoSuchNode, words));
            }
            let shown = self.trace.is_some().then(|| format!("{packet:?}"));
            let sent = self.network.send(self.now, node, to, packet);
            let now = self.now;
            self.tell(|| {
                let packet = shown.unwrap_or_default();
                format!("node {node} sends {packet} to {to}, {}", becomes(now, sent))
            });
        }
        self.wake(node);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.tally.steps += 1;
        if self.tally.steps > self.steps {
            let words = format!("more than {} steps", self.steps);
            return Err(self.failure(FailureKind::Endless, words));
        }
        Ok(())
    }

    /// Asks a node when it wants to be called.
    fn wake(&mut self, node: usize) {
        let deadline = self.nodes[node].as_mut().and_then(Node::poll_timeout);
        self.wakes[node] = deadline.map(|deadline| self.clocks[node].when(deadline).max(self.now));
    }

    fn tell(&mut self, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(Line { at: self.now, words: words() });
        }
    }
}

/// Sorts the decisions by time.
fn timeline<C>(schedule: &Schedule<C>) -> Vec<(u64, Action<'_, C>)> {
    let mut timeline = Vec::new();
    let heals_at = schedule.heals_at;
    for (nth, decision) in schedule.decisions.iter().enumerate() {
        match *decision {
            Decision::Command { at, node, ref command } => timeline.push((at, Action::Command(node, command))),
            Decision::Crash { at, until, node, loses_state } if at < heals_at => {
                timeline.push((at, Action::Crash { node, nth, loses_state }));
                timeline.push((until.max(at).min(heals_at), Action::Restart { node, nth }));
            }
            Decision::Partition(ref partition) if partition.from < heals_at => {
                timeline.push((partition.from, Action::Cut(partition)));
                timeline.push((partition.until.min(heals_at), Action::Mend));
            }
            Decision::Clock { at, node, rate, jump } if at < heals_at => {
                timeline.push((at, Action::Clock { node, rate, jump }));
            }
            Decision::Crash { .. } | Decision::Partition(_) | Decision::Clock { .. } | Decision::Packet(..) => {
            }
        }
    }
    timeline.push((heals_at, Action::Heal));
    timeline.sort_by_key(|&(at, _)| at);
    timeline
}

fn cut(partition: &Partition) -> String {
    let members = |side: bool| {
        let nodes = partition.group.iter().enumerate().filter(|&(_, &group)| group == side);
        nodes.map(|(node, _)| node.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (left, right) = (members(true), members(false));
    if partition.one_way {
        format!("nothing from {left} reaches {right} until {} ms", partition.until)
    } else {
        format!("{left} and {right} do not reach each other until {} ms", partition.until)
    }
}

/// Describes the fate of a packet.
fn becomes(now: u64, Sent { fate, lost }: Sent) -> String {
    match (fate, lost) {
        (PacketFate::Lost, _) => "LOST".to_owned(),
        (PacketFate::Once(_), 1..) | (PacketFate::Twice(..), 2..) => "CUT OFF".to_owned(),
        (PacketFate::Once(delay), 0) => format!("arrives at {}", now.saturating_add(delay)),
        (PacketFate::Twice(a, b), 0) => {
            format!("arrives TWICE, at {} and {}", now.saturating_add(a), now.saturating_add(b))
        }
        (PacketFate::Twice(..), 1) => "one of TWO copies arrives".to_owned(),
    }
}
