//! A search over many runs: finds a failing seed, shortens its run, and prints it.

use std::fmt;
use std::ops::{AddAssign, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::network::Traffic;
use crate::node::{Node, Scenario, Setup};
use crate::run::{self, Failure, FailureKind, Fates, Line, RunResult, Tally};
use crate::schedule::{Decision, Schedule};
use crate::shrink::Shrinking;
use crate::swarm::Swarm;

/// The name of the environment variable that sets the seed of [`Swarm::check`].
pub const SEED: &str = "SIMULATION_SEED";

/// The numbers of first and last lines of a trace that are shown.
const SHOWN: [usize; 2] = [200, 50];

/// The result of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The first failing seed, if there is one.
    pub failing: Option<u64>,
    /// The number of runs.
    pub runs: u64,
    /// The counts of all runs together.
    pub total: Tally,
}

/// A failing run, shortened.
#[derive(Clone, Debug)]
pub struct Failing<C> {
    /// The seed from which the run was drawn.
    pub seed: u64,
    /// The failure.
    pub failure: Failure,
    /// The decisions of the run as drawn.
    pub drawn: Schedule<C>,
    /// The decisions of the short run.
    pub schedule: Schedule<C>,
    /// The failure of the short run.
    pub short_failure: Failure,
    /// The trace of the short run.
    pub trace: Vec<Line>,
    /// The number of runs that the shortening took.
    pub runs: u64,
}

type CommandOf<S> = <<S as Scenario>::Node as Node>::Command;

impl Swarm {
    /// Runs one seed. Returns its schedule as well.
    pub fn run<S: Scenario>(
        &self,
        seed: u64,
        trace: bool,
        make: &impl Fn(Setup) -> S,
    ) -> (RunResult, Schedule<CommandOf<S>>) {
        let mut scenario = make(Setup { nodes: self.nodes(seed), seed });
        let (mut schedule, conditions) = self.draw(seed, &mut scenario);
        let (outcome, fates) =
            run::run_with(&mut scenario, &schedule, Fates::Drawn(conditions), self.steps, trace);
        schedule.decisions.extend(fates.into_iter().map(|(id, fate)| Decision::Packet(id, fate)));
        (outcome, schedule)
    }

    /// Runs many seeds on `threads` threads, up to the first failing one; `progress` is called after every run.
    ///
    /// The failing seed does not depend on the number of threads.
    pub fn search<S: Scenario>(
        &self,
        seeds: Range<u64>,
        threads: usize,
        make: &(impl Fn(Setup) -> S + Sync),
        progress: &(impl Fn(&Tally) + Sync),
    ) -> Found {
        let (next, failing) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
        let work = || {
            let mut found = Found::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end || seed > failing.load(Ordering::Relaxed) {
                    return found;
                }
                let (RunResult { tally, failure, .. }, _) = self.run(seed, false, make);
                found.runs += 1;
                found.total += tally;
                progress(&tally);
                if failure.is_some() {
                    failing.fetch_min(seed, Ordering::Relaxed);
                }
            }
        };
        let mut all = Found::default();
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut add = |found: Found| {
                all.runs += found.runs;
                all.total += found.total;
            };
            add(work());
            others.into_iter().for_each(|other| add(other.join().unwrap_or_default()));
        });
        all.failing = Some(failing.into_inner()).filter(|&seed| seed < u64::MAX);
        all
    }

    /// Shortens the run of a failing seed; `None` if the seed does not fail.
    pub fn explain<S: Scenario>(&self, seed: u64, make: &impl Fn(Setup) -> S) -> Option<Failing<CommandOf<S>>> {
        let (outcome, drawn) = self.run(seed, false, make);
        let failure = outcome.failure?;
        // A run without end need not take all its steps in each of a thousand attempts.
        let steps = if failure.kind == FailureKind::Endless { self.steps / 10 } else { self.steps };
        let mut shrinking = Shrinking {
            make,
            kind: failure.kind,
            steps,
            least_nodes: *self.nodes.start(),
            best: drawn.clone(),
            runs: 1,
            steps_taken: 0,
            changed: false,
        };
        shrinking.shrink();
        let (schedule, runs) = (shrinking.best, shrinking.runs);
        let mut scenario = make(Setup { nodes: schedule.nodes, seed });
        let short = run::run(&mut scenario, &schedule, steps, true);
        let short_failure = short.failure.unwrap_or_else(|| failure.clone());
        Some(Failing { seed, failure, drawn, schedule, short_failure, trace: short.trace, runs })
    }

    /// Runs the seeds 1 to `runs`, or only the seed in the environment variable [`SEED`], and returns the counts. For
    /// tests.
    ///
    /// # Panics
    ///
    /// If a run fails. The message shows the short run, and the command that repeats it.
    pub fn check<S: Scenario>(&self, runs: u64, make: impl Fn(Setup) -> S + Sync) -> Found {
        let seeds = match std::env::var(SEED) {
            Ok(seed) => {
                let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED} is a number, not {seed:?}"));
                seed..seed + 1
            }
            Err(_) => 1..runs + 1,
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let found = self.search(seeds, threads, &make, &|_| {});
        if let Some(failing) = found.failing.and_then(|seed| self.explain(seed, &make)) {
            // The test harness names the thread after the test.
            let test = thread::current().name().unwrap_or_default().to_owned();
            panic!("{failing}\nagain: {SEED}={} cargo test {test}\n", failing.seed);
        }
        found
    }
}

impl AddAssign for Tally {
    /// Adds the counts; the time at the end becomes the sum of the times.
    fn add_assign(&mut self, other: Self) {
        let Self { steps, commands, crashes, losses_of_state, traffic, ended_at } = other;
        self.steps += steps;
        self.commands += commands;
        self.crashes += crashes;
        self.losses_of_state += losses_of_state;
        self.ended_at += ended_at;
        let Traffic { packets, lost, cut, duplicated } = traffic;
        self.traffic.packets += packets;
        self.traffic.lost += lost;
        self.traffic.cut += cut;
        self.traffic.duplicated += duplicated;
    }
}

impl<C: Clone> fmt::Display for Failing<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |schedule: &Schedule<C>| {
            let (commands, faults) = schedule.counts();
            format!("{} nodes, commands: {commands}, faults: {faults}", schedule.nodes)
        };
        writeln!(f, "seed {} fails: {}", self.seed, self.failure)?;
        writeln!(f, "from {}", size(&self.drawn))?;
        writeln!(f, "  to {}, in {} runs:\n", size(&self.schedule), self.runs)?;
        let [first, last] = SHOWN;
        let hidden = self.trace.len().saturating_sub(first + last);
        for (number, Line { at, words }) in self.trace.iter().enumerate() {
            if number < first || number >= first + hidden {
                writeln!(f, "{:>5} {at:>7} ms  {words}", number + 1)?;
            } else if number == first {
                writeln!(f, "      ... {hidden} lines")?;
            }
        }
        writeln!(f, "\n{}", self.short_failure)
    }
}
