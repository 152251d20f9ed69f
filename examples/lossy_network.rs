//! Three replicas over a network that loses, repeats and reorders messages.
//!
//! The example shows the work of the buffer, which delivers in causal order, and the work left to you: a log, and
//! requests for missing messages. Watch the last loop of `main`, which repairs all losses. Then leave
//! `theirs.difference(&ours)` out of it. The loop never ends, because no message names a lost one that was the last.
//!
//! `cargo run --example lossy_network`

use std::collections::BTreeMap;

use happens_before::check::CausalRun;
use happens_before::delivery::BufferLimits;
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, CausalSender, Dot, Message};

type Msg = Message<usize, &'static str>;

struct Replica {
    sender: CausalSender<usize>,
    buffer: CausalBuffer<usize, &'static str>,
    /// The delivered messages, kept for replicas that lack them. A real program stores them on disk, with their
    /// effects.
    log: BTreeMap<Dot<usize>, Msg>,
}

impl Replica {
    fn new(node: usize) -> Self {
        let (sender, buffer) = (CausalSender::new(node), CausalBuffer::new(BufferLimits::default()));
        Self { sender, buffer, log: BTreeMap::new() }
    }

    /// Accepts a message, also one of this replica, and delivers all that can be delivered.
    fn receive(&mut self, message: Msg, run: &mut CausalRun<usize>) -> Result<(), Box<dyn std::error::Error>> {
        self.buffer.accept(message)?;
        while let Some(message) = self.buffer.pop() {
            run.delivered(*self.sender.node(), message.dot())?;
            self.sender.observe(&message);
            self.log.insert(*message.dot(), message);
        }
        Ok(())
    }

    /// Returns the messages of a requested range that this replica has.
    fn answer(&self, asked: &DotRange<usize>) -> Vec<Msg> {
        asked.dots().filter_map(|dot| self.log.get(&dot).cloned()).collect()
    }
}

/// Returns a number below `bound`. The numbers are the same in every run.
fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % bound
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut state = 7;
    let mut replicas: Vec<_> = (0..3).map(Replica::new).collect();
    let mut network: Vec<(usize, Msg)> = Vec::new();
    let mut run = CausalRun::new(replicas.len());

    for line in ["tea?", "yes", "milk?", "no", "sugar?", "two", "here you are", "thanks", "bye"] {
        let speaker = random(&mut state, replicas.len());
        let message = replicas[speaker].sender.stamp(line)?;
        run.sent(*message.dot(), message.dependencies().iter().copied())?;
        replicas[speaker].receive(message.clone(), &mut run)?;
        for other in (0..replicas.len()).filter(|&other| other != speaker) {
            // The network carries no copy, one or two.
            for _ in 0..random(&mut state, 3) {
                network.push((other, message.clone()));
            }
        }
        // Some copies arrive, in any order.
        for _ in 0..random(&mut state, network.len() + 1) {
            let (to, message) = network.swap_remove(random(&mut state, network.len()));
            replicas[to].receive(message, &mut run)?;
        }
    }

    // Afterwards every replica asks its neighbour for the messages that it knows to be missing, and for those that only
    // the neighbour's vector shows. The answers may be lost too, so the replicas ask until nothing is missing.
    let mut asked = 0;
    while run.complete().is_err() {
        let asking = random(&mut state, replicas.len());
        let neighbour = (asking + 1) % replicas.len();
        let buffer = &replicas[asking].buffer;
        let (theirs, ours) = (replicas[neighbour].buffer.delivered(), buffer.delivered());
        let wanted: Vec<_> = buffer.missing().chain(theirs.difference(&ours)).collect();
        for message in wanted.iter().flat_map(|range| replicas[neighbour].answer(range)).collect::<Vec<_>>() {
            if random(&mut state, 2) == 0 {
                replicas[asking].receive(message, &mut run)?;
            }
        }
        asked += 1;
    }
    println!(
        "{} deliveries of {} messages, causal and complete after {asked} questions",
        run.deliveries(),
        run.messages()
    );
    for replica in &replicas {
        println!("replica {}: {}", replica.sender.node(), replica.buffer.delivered());
    }
    Ok(())
}
