//! Any bytes into two endpoints that also talk to each other: no panic, all bounds hold, and honest traffic gets through.

#![no_main]

use arbitrary::Arbitrary;
use happens_before::delivery::{Endpoint, EndpointConfig};
use libfuzzer_sys::fuzz_target;

const CONFIG: EndpointConfig = EndpointConfig {
    window: 8,
    window_bytes: 500,
    nodes: 5,
    packet: 100,
    answer_bytes: 300,
    delay_ms: 2,
    retry_ms: 10,
    retry_max_ms: 100,
};

/// What the hostile third member, the owners and the network do.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Bytes of its own.
    Bytes(bool, &'a [u8]),
    /// A packet that one has sent to the other or to it, changed at a place.
    Changed(bool, u8, u8, u8),
    Broadcast(bool, u8),
    Time(u8),
    Restart(bool),
    Restore(&'a [u8]),
}

/// Lets both deliver and send; packets for the third are kept as material.
fn settle(nodes: &mut [Endpoint<u8>; 2], now: u64, material: &mut Vec<Vec<u8>>) {
    loop {
        let mut in_flight = Vec::new();
        for (at, node) in nodes.iter_mut().enumerate() {
            while node.poll_delivery().is_some() {}
            while let Some((to, packet)) = node.poll_packet() {
                material.push(packet.clone());
                if to < 2 {
                    in_flight.push((at as u8, to, packet));
                }
            }
            assert_eq!(node.internal_validate(), Ok(()));
            assert!(node.log_len() <= 3 * 8 && node.held_len() <= 3 * 8);
        }
        if in_flight.is_empty() {
            material.truncate(64);
            return;
        }
        for (from, to, packet) in in_flight {
            nodes[usize::from(to)].handle_packet(now, &from, &packet).expect("honest");
        }
    }
}

fuzz_target!(|steps: Vec<Step<'_>>| {
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1, 2], CONFIG).expect("few"));
    let (mut now, mut material) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Bytes(to, bytes) => {
                let _ = nodes[usize::from(to)].handle_packet(now, &2, bytes);
            }
            Step::Changed(to, which, at, by) => {
                let Some(mut packet) = material.get(usize::from(which)).cloned() else { continue };
                let len = packet.len();
                packet[usize::from(at) % len] ^= by;
                let _ = nodes[usize::from(to)].handle_packet(now, &2, &packet);
            }
            Step::Broadcast(by, len) => {
                let _ = nodes[usize::from(by)].broadcast(vec![len; usize::from(len)]);
            }
            Step::Time(by) => {
                now += u64::from(by);
                nodes.iter_mut().for_each(|node| node.handle_timeout(now));
            }
            Step::Restart(which) => {
                let node = &mut nodes[usize::from(which)];
                let saved = node.snapshot();
                *node = Endpoint::restore(&saved, CONFIG).expect("its own");
                assert_eq!(node.snapshot(), saved);
            }
            Step::Restore(bytes) => {
                if let Ok(node) = Endpoint::<u8>::restore(bytes, CONFIG) {
                    assert_eq!(node.internal_validate(), Ok(()));
                    assert_eq!(node.snapshot(), bytes);
                }
            }
        }
        settle(&mut nodes, now, &mut material);
    }
    // What the hostile one has forged may differ, and wait for ever; once it is removed, honest messages get through.
    for node in &mut nodes {
        node.remove(&2);
    }
    for _ in 0..400 {
        now += 10;
        nodes.iter_mut().for_each(|node| node.handle_timeout(now));
        settle(&mut nodes, now, &mut material);
    }
    for node in &nodes {
        assert_eq!(node.internal_validate(), Ok(()));
    }
});
