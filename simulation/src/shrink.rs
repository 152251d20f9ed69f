//! Makes the schedule of a failing run shorter, as long as it fails in the same way.
//!
//! 1. Leave out a node, and the decisions about it.
//! 2. Leave out all decisions of one kind: drift, partitions, crashes, faults of packets, commands.
//! 3. Leave out decisions in chunks, from half of them down to single ones: delta debugging (Zeller and Hildebrandt,
//!    *Simplifying and Isolating Failure-Inducing Input*, 2002).
//! 4. Make the remaining decisions milder: a crash that keeps the state, a shorter partition, a packet with less delay.
//! 5. Let the faults end right after the last decision.
//!
//! All of this is repeated until nothing changes, or until the runs have taken [`STEPS`] steps. Only steps are counted,
//! never time, so the result is the same everywhere.

use crate::network::PacketFate;
use crate::node::{Node, Scenario, Setup};
use crate::run::{self, FailureKind};
use crate::schedule::{Decision, Kind, Schedule};

/// Most steps of all runs together.
const STEPS: u64 = 20_000_000;

type ScheduleOf<S> = Schedule<<<S as Scenario>::Node as Node>::Command>;

pub(crate) struct Shrinking<'a, S: Scenario, F: Fn(Setup) -> S> {
    pub(crate) make: &'a F,
    pub(crate) kind: FailureKind,
    /// Most steps of a run.
    pub(crate) steps: u64,
    /// Fewest nodes of a run.
    pub(crate) least_nodes: usize,
    pub(crate) best: ScheduleOf<S>,
    pub(crate) runs: u64,
    pub(crate) steps_taken: u64,
    pub(crate) changed: bool,
}

impl<S: Scenario, F: Fn(Setup) -> S> Shrinking<'_, S, F> {
    pub(crate) fn shrink(&mut self) {
        loop {
            self.changed = false;
            self.leave_out_nodes();
            self.leave_out_kinds();
            self.leave_out_chunks();
            self.make_milder();
            self.end_earlier();
            if !self.changed || self.steps_taken >= STEPS {
                return;
            }
        }
    }

    /// Replaces the best schedule by `candidate`, if that fails in the same way.
    fn attempt(&mut self, candidate: ScheduleOf<S>) -> bool {
        if self.steps_taken >= STEPS {
            return false;
        }
        let mut scenario = (self.make)(Setup { nodes: candidate.nodes, seed: candidate.seed });
        let outcome = run::run(&mut scenario, &candidate, self.steps, false);
        self.runs += 1;
        self.steps_taken += outcome.tally.steps.max(1);
        let fails = outcome.failure.is_some_and(|failure| failure.kind == self.kind);
        if fails {
            self.best = candidate;
            self.changed = true;
        }
        fails
    }

    fn leave_out_nodes(&mut self) {
        for gone in (0..self.best.nodes).rev() {
            if self.best.nodes > self.least_nodes {
                self.attempt(self.best.without(gone));
            }
        }
    }

    fn leave_out_kinds(&mut self) {
        for kind in Kind::ALL {
            let mut candidate = self.best.clone();
            candidate.decisions.retain(|decision| decision.kind() != kind);
            if candidate.decisions.len() < self.best.decisions.len() {
                self.attempt(candidate);
            }
        }
    }

    fn leave_out_chunks(&mut self) {
        let mut chunk = self.best.decisions.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            while at < self.best.decisions.len() {
                let end = (at + chunk).min(self.best.decisions.len());
                let mut candidate = self.best.clone();
                candidate.decisions.drain(at..end);
                if !self.attempt(candidate) {
                    at = end;
                }
            }
            chunk /= 2;
        }
    }

    fn make_milder(&mut self) {
        for at in 0..self.best.decisions.len() {
            for variant in 0..3 {
                // Each loop ends: a number is halved, or a fault is removed.
                while let Some(milder) = milder(&self.best.decisions[at], variant, self.best.least_delay) {
                    let mut candidate = self.best.clone();
                    candidate.decisions[at] = milder;
                    if !self.attempt(candidate) {
                        break;
                    }
                }
            }
        }
    }

    fn end_earlier(&mut self) {
        let ends = self.best.decisions.iter().map(|decision| match decision {
            Decision::Command { at, .. } | Decision::Clock { at, .. } => at + 1,
            Decision::Crash { until, .. } => *until,
            Decision::Partition(partition) => partition.until,
            Decision::Packet(..) => 0,
        });
        let heals_at = ends.max().unwrap_or(0).max(1);
        if heals_at < self.best.heals_at {
            self.attempt(Schedule { heals_at, ..self.best.clone() });
        }
    }
}

/// Returns a milder form of a decision; there are up to three variants.
fn milder<C: Clone>(decision: &Decision<C>, variant: u8, least_delay: u64) -> Option<Decision<C>> {
    let halfway = |from: u64, to: u64| from + to.saturating_sub(from) / 2;
    let mut milder = decision.clone();
    match (&mut milder, variant) {
        (Decision::Crash { loses_state: loses @ true, .. }, 0) => *loses = false,
        (Decision::Crash { at, until, .. }, 1) if *until > *at + 1 => {
            *until = halfway(*at, *until).max(*at + 1)
        }
        (Decision::Partition(partition), 0) if partition.until > partition.from + 1 => {
            partition.until = halfway(partition.from, partition.until);
        }
        (Decision::Partition(partition), 1) if partition.until > partition.from + 1 => {
            partition.from = halfway(partition.from, partition.until);
        }
        (Decision::Clock { jump, .. }, 0) if *jump != 0 => *jump /= 2,
        (Decision::Clock { rate, .. }, 1) if *rate != 1000 => *rate = 1000,
        (Decision::Packet(_, fate), variant) => match (*fate, variant) {
            (PacketFate::Twice(first, second), 0) => *fate = PacketFate::Once(first.max(second)),
            (PacketFate::Twice(first, second), 1) if first.max(second) > least_delay => {
                *fate = PacketFate::Twice(halfway(least_delay, first), halfway(least_delay, second));
            }
            (PacketFate::Once(delay), 2) if delay > least_delay => {
                *fate = PacketFate::Once(halfway(least_delay, delay))
            }
            _ => return None,
        },
        _ => return None,
    }
    Some(milder)
}
