//! A protocol of thirty lines with a mistake, and the run that shows it.
//!
//! Start it with `cargo run -p happens-before-simulation --example ping`. It runs the protocol until the mistake shows,
//! and prints the shortened run. Watch the acknowledgement that arrives twice: the node counts the second one for its
//! next ping. Then the corrected protocol runs, and holds.
//!
//! Next, set `SIMULATION_SEED=7` to try that seed alone, or change the faults in `swarm`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use happens_before_simulation::{Node, Random, SEED, Scenario, Setup, Step, Swarm};

/// A node that sends numbered pings to its neighbour, one at a time, and repeats each until it is acknowledged.
#[derive(Debug, Default)]
struct Pinger {
    neighbour: usize,
    /// True if it compares the number of an acknowledgement. The mistake is to omit this.
    careful: bool,
    asked: u32,
    acknowledged: u32,
    heard: BTreeSet<u32>,
    resend_at: Option<u64>,
    out: VecDeque<(usize, Packet)>,
}

/// A packet.
#[derive(Clone, Debug)]
enum Packet {
    Ping(u32),
    Ack(u32),
}

/// The command of the application: one more ping.
#[derive(Clone, Debug)]
struct SendPing;

impl Pinger {
    fn send_next(&mut self, now: u64) {
        let outstanding = self.acknowledged < self.asked;
        self.resend_at = outstanding.then_some(now + 100);
        if outstanding {
            self.out.push_back((self.neighbour, Packet::Ping(self.acknowledged + 1)));
        }
    }
}

impl Node for Pinger {
    type Packet = Packet;
    type Command = SendPing;

    fn handle_command(&mut self, SendPing: SendPing, now: u64) {
        self.asked += 1;
        self.send_next(now);
    }

    fn handle_packet(&mut self, from: usize, packet: Packet, now: u64) {
        match packet {
            Packet::Ping(number) => {
                self.heard.insert(number);
                self.out.push_back((from, Packet::Ack(number)));
            }
            Packet::Ack(number) => {
                let next = self.acknowledged + 1;
                if next <= self.asked && (number == next || !self.careful) {
                    self.acknowledged = next;
                    self.send_next(now);
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: u64) {
        self.send_next(now);
    }

    fn poll_packet(&mut self) -> Option<(usize, Packet)> {
        self.out.pop_front()
    }

    fn poll_timeout(&mut self) -> Option<u64> {
        self.resend_at
    }
}

/// Two nodes that ping each other. A ping that one counts as acknowledged was heard by the other; in the end, all are.
#[derive(Debug)]
struct Pings {
    careful: bool,
}

impl Scenario for Pings {
    type Node = Pinger;

    fn start(&mut self, node: usize, _now: u64) -> Pinger {
        Pinger { neighbour: 1 - node, careful: self.careful, ..Pinger::default() }
    }

    fn restart(&mut self, _node: usize, crashed: Pinger, now: u64) -> Pinger {
        Pinger { resend_at: Some(now), ..crashed } // all of it is on its disk
    }

    fn command(&mut self, _random: &mut Random) -> SendPing {
        SendPing
    }

    fn check(&mut self, step: &mut Step<'_, Pinger>) -> Result<(), String> {
        let node = step.node;
        let (acknowledged, neighbour) = (step.machine().acknowledged, step.machine().neighbour);
        let Some(neighbour) = &step.nodes[neighbour] else { return Ok(()) };
        match (1..=acknowledged).find(|number| !neighbour.heard.contains(number)) {
            Some(number) => Err(format!("node {node} takes ping {number} for heard, and it is not")),
            None => Ok(()),
        }
    }

    fn quiescent(&mut self, nodes: &[Option<Pinger>]) -> Result<(), String> {
        match nodes.iter().flatten().find(|node| node.acknowledged < node.asked) {
            Some(node) => Err(format!("{} of {} pings are acknowledged", node.acknowledged, node.asked)),
            None => Ok(()),
        }
    }
}

fn swarm() -> Swarm {
    Swarm { nodes: 2..=2, ..Swarm::default() }
}

fn main() {
    let seeds = match std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 1..10_000,
    };
    for careful in [false, true] {
        println!("\nWith acknowledgements {}:", if careful { "compared" } else { "not compared" });
        let make = |_: Setup| Pings { careful };
        let found = swarm().search(seeds.clone(), 1, &make, &|_| {});
        match found.failing.and_then(|seed| swarm().explain(seed, &make)) {
            Some(failing) => {
                println!("{failing}");
                let example = "cargo run -p happens-before-simulation --example ping";
                println!("again: {SEED}={} {example}", failing.seed);
            }
            None => println!("all {} runs hold", found.runs),
        }
    }
}
