//! Groups of endpoints over bad networks. The oracle judges order, exactly-once delivery and completeness. Bounds are
//! checked at every step.

use happens_before::endpoint::EndpointConfig;

use crate::support::{Faults, Network, Random};
use testkit::seed;

/// Makes a configuration so small that windows, packets and budgets fill.
fn small(random: &mut Random) -> EndpointConfig {
    EndpointConfig {
        window: 1 + random.below(12),
        window_bytes: 300 + random.below(600) as usize,
        nodes: 10,
        packet: 60 + random.below(300) as usize,
        answer_bytes: 50 + random.below(500) as usize,
        delay_ms: random.below(30),
        retry_ms: 20 + random.below(200),
        retry_max_ms: 1_000 + random.below(4_000),
    }
}

/// Runs a random group under random faults, one phase after another, and then heals everything.
fn one_run(seed: u64) -> Network {
    let mut random = Random(seed);
    let nodes = 2 + random.below(7) as u8;
    let config = small(&mut random);
    let mut network = Network::new(nodes, usize::from(nodes), config, seed ^ 0xFACE);
    let crash = [0, 0, 3, 10][random.below(4) as usize];
    for _ in 0..1 + random.below(6) {
        network.faults = Faults {
            loss: [0, 5, 30, 70][random.below(4) as usize],
            duplicate: [0, 20, 80][random.below(3) as usize],
            delay_ms: [1, 20, 300][random.below(3) as usize],
        };
        for side in &mut network.side {
            *side = if random.percent(50) { 0 } else { random.below(3) as u8 };
        }
        for skew in &mut network.skew_ms {
            *skew = random.below(2_000);
        }
        for _ in 0..random.below(40) {
            let node = random.below(u64::from(nodes)) as u8;
            let burst = 1 + random.below(3);
            for _ in 0..burst {
                let crashes = random.below(1_000) < crash;
                network.broadcast_or_crash(node, random.below(60) as u8, crashes);
            }
            let pause = random.below(60);
            network.run_until(network.now_ms + pause, crash);
        }
    }
    network.faults.loss = network.faults.loss.min(30);
    network.heal();
    network.run.complete().unwrap_or_else(|violation| panic!("{violation}"));
    network
}

#[test]
fn after_healing_every_node_has_delivered_everything_once_and_in_causal_order() {
    let first = seed();
    let (mut messages, mut crashes, mut refused) = (0, 0, 0);
    for run in 0..300_u64 {
        eprintln!("run {run}");
        let network = one_run(first.wrapping_add(run));
        messages += network.run.messages();
        crashes += network.crashes;
        refused += network.refused;
    }
    println!("{messages} messages, {crashes} crashes, {refused} broadcasts refused");
    assert!(messages > 3_000 && crashes > 100 && refused > 300);
}
