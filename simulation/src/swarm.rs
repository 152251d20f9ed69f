//! The drawing of schedules that differ in kind.
//!
//! A run with every fault at once hides mistakes that need only one: a network that loses a third of its packets never
//! fills a buffer. So each run draws *which* faults it has, each with probability one half, and their strength (Groce
//! et al., *Swarm Testing*, 2012).

use std::ops::RangeInclusive;

use crate::network::{Conditions, Delay, Partition};
use crate::node::{Node, Scenario};
use crate::random::Random;
use crate::schedule::{Decision, Schedule};

/// The sizes of runs, and their worst faults.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// The number of nodes.
    pub nodes: RangeInclusive<usize>,
    /// The number of commands of the application, over all nodes.
    pub commands: RangeInclusive<usize>,
    /// The time in which commands and faults happen, in milliseconds.
    pub span_ms: RangeInclusive<u64>,
    /// The time that a run may then take to become quiescent, in milliseconds.
    pub quiesces_within_ms: u64,
    /// The worst faults of a run.
    pub worst: Faults,
    /// The most steps of a run; a run with more has failed.
    pub steps: u64,
}

/// The upper limits of the faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The probability that a packet is lost.
    pub loss: f64,
    /// The probability that a packet arrives twice.
    pub duplicate: f64,
    /// The delay of a packet, in milliseconds.
    pub delay_ms: u64,
    /// The number of partitions, one way or both ways.
    pub partitions: u64,
    /// The number of crashes.
    pub crashes: u64,
    /// True if a crash may lose all state.
    pub lose_state: bool,
    /// The drift of clocks, in per mille.
    pub drift: u64,
    /// The jump of clocks forwards, in milliseconds.
    pub jump_ms: u64,
    /// The jump of clocks backwards, in milliseconds.
    pub jump_back_ms: u64,
}

impl Faults {
    /// No faults.
    pub const NONE: Self = Self {
        loss: 0.0,
        duplicate: 0.0,
        delay_ms: 1,
        partitions: 0,
        crashes: 0,
        lose_state: false,
        drift: 0,
        jump_ms: 0,
        jump_back_ms: 0,
    };
}

impl Default for Swarm {
    /// Returns a swarm of two to five nodes, with up to twenty commands in two seconds. It has every fault except loss
    /// of state and clocks that jump backwards.
    fn default() -> Self {
        let worst = Faults {
            loss: 0.5,
            duplicate: 0.5,
            delay_ms: 1000,
            partitions: 3,
            crashes: 3,
            drift: 300,
            jump_ms: 10_000,
            ..Faults::NONE
        };
        Self {
            nodes: 2..=5,
            commands: 1..=20,
            span_ms: 100..=2000,
            quiesces_within_ms: 60_000,
            worst,
            steps: 1_000_000,
        }
    }
}

impl Swarm {
    /// Draws the number of nodes of a run.
    pub(crate) fn nodes(&self, seed: u64) -> usize {
        let range = *self.nodes.start() as u64..=*self.nodes.end() as u64;
        Random::new(seed, stream::SIZE).within(range) as usize
    }

    /// Draws a run: its decisions, and the network conditions from which packets draw.
    pub(crate) fn draw<S: Scenario>(
        &self,
        seed: u64,
        scenario: &mut S,
    ) -> (Schedule<<S::Node as Node>::Command>, Conditions) {
        let nodes = self.nodes(seed);
        let heals_at = Random::new(seed, stream::SPAN).within(self.span_ms.clone()).max(1);
        let mut decisions = self.commands(seed, scenario, nodes, heals_at);

        let random = &mut Random::new(seed, stream::FAULTS);
        let worst = &self.worst;
        let on =
            |random: &mut Random, worst: u64| if random.chance(0.5) { random.within(0..=worst) } else { 0 };
        let share = |random: &mut Random, worst: f64| {
            if random.chance(0.5) { random.below(1001) as f64 / 1000.0 * worst } else { 0.0 }
        };
        let least = 1 + random.long_tailed(0..=(worst.delay_ms / 10));
        let most = least.max(random.long_tailed(least..=worst.delay_ms.max(least)));
        let delay = match random.below(3) {
            0 => Delay::Fixed(least),
            1 => Delay::Uniform { least, most },
            _ => Delay::LongTailed { least, most: worst.delay_ms.max(least) },
        };
        let (loss, duplicate) = (share(random, worst.loss), share(random, worst.duplicate));
        let conditions = Conditions { loss, duplicate, delay, partitions: Vec::new(), heals_at };

        if nodes > 1 {
            for _ in 0..on(random, worst.partitions) {
                let (from, until) = interval(random, heals_at);
                let (group, one_way) = (Partition::draw_group(random, nodes), random.chance(0.5));
                decisions.push(Decision::Partition(Partition { from, until, group, one_way }));
            }
        }
        for _ in 0..on(random, worst.crashes) {
            let (at, until) = interval(random, heals_at);
            let loses_state = worst.lose_state && random.chance(0.5);
            decisions.push(Decision::Crash { at, until, node: random.index(nodes), loses_state });
        }
        let (drift, jump, back) =
            (on(random, worst.drift), on(random, worst.jump_ms), on(random, worst.jump_back_ms));
        if drift + jump + back > 0 && random.chance(0.5) {
            for _ in 0..random.within(1..=nodes as u64) {
                let rate = (1000 - drift.min(999)) + random.within(0..=2 * drift);
                let jump = random.within(0..=jump) as i64 - random.within(0..=back) as i64;
                let (at, node) = (random.below(heals_at), random.index(nodes));
                decisions.push(Decision::Clock { at, node, rate, jump });
            }
        }
        let quiesces_within = self.quiesces_within_ms;
        (Schedule { seed, nodes, heals_at, quiesces_within, least_delay: delay.least(), decisions }, conditions)
    }

    /// Draws the commands: evenly spread or in bursts, for all nodes alike or mostly for one.
    fn commands<S: Scenario>(
        &self,
        seed: u64,
        scenario: &mut S,
        nodes: usize,
        span: u64,
    ) -> Vec<Decision<<S::Node as Node>::Command>> {
        let random = &mut Random::new(seed, stream::COMMANDS);
        let (least, most) = (*self.commands.start() as u64, *self.commands.end() as u64);
        // The allowed number of commands, or down to an eighth of it.
        let count = (random.within(least..=most) >> random.below(4)).max(least);
        let bursts: Vec<u64> = (0..random.within(1..=4)).map(|_| random.below(span)).collect();
        let (in_bursts, favourite) = (random.chance(0.5), random.chance(0.25).then(|| random.index(nodes)));
        let draw = |_| {
            let at = if in_bursts {
                (bursts[random.index(bursts.len())] + random.below(4)).min(span - 1)
            } else {
                random.below(span)
            };
            let node = favourite.filter(|_| random.chance(0.8)).unwrap_or_else(|| random.index(nodes));
            Decision::Command { at, node, command: scenario.command(random) }
        };
        (0..count).map(draw).collect()
    }
}

/// Draws an interval of the time: up to all that remains, or an eighth of it.
fn interval(random: &mut Random, span: u64) -> (u64, u64) {
    let from = random.below(span);
    (from, from + 1 + (random.below(span - from) >> random.below(4)))
}

/// The random streams of the drawing; links have the streams from 2^63 on.
mod stream {
    pub(super) const SIZE: u64 = (1 << 62) + 1;
    pub(super) const SPAN: u64 = (1 << 62) + 2;
    pub(super) const COMMANDS: u64 = (1 << 62) + 3;
    pub(super) const FAULTS: u64 = (1 << 62) + 4;
}
