//! Arbitrary bytes for two endpoints that also talk to each other. Nothing panics, and all bounds hold. Once the
//! hostile member is removed, all messages of the two honest ones arrive at both, and both fall silent.

#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use happens_before::endpoint::EndpointConfig;
use happens_before::{Dot, Endpoint, Message};
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

/// A step of the hostile third member, the owners or the network.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Bytes that the hostile member makes.
    Bytes(bool, &'a [u8]),
    /// A packet that an honest member has sent, changed at one place.
    Changed(bool, u8, u8, u8),
    Broadcast(bool, u8),
    Time(u8),
    Restart(bool),
    Resume(&'a [u8]),
}

/// The messages that the two honest members have sent. They stand for signatures.
type Sent = BTreeMap<Dot<u8>, Message<u8, Vec<u8>>>;

struct Pair {
    nodes: [Endpoint<u8>; 2],
    now: u64,
    sent: Sent,
    /// Packets that the hostile member can change.
    material: Vec<Vec<u8>>,
}

impl Pair {
    fn receive(&mut self, from: u8, at: usize, packet: &[u8]) -> bool {
        let sent = &self.sent;
        let is_authentic = |message: &Message<u8, &[u8]>| {
            let claimed = message.clone().with_payload(message.payload().to_vec());
            *message.dot().node() == 2 || sent.get(message.dot()) == Some(&claimed)
        };
        let node = &mut self.nodes[at];
        let taken = node.handle_packet_verified(self.now, &from, packet, is_authentic).is_ok();
        assert_eq!(node.internal_validate(), Ok(()));
        taken
    }

    /// Lets one deliver.
    fn deliver(&mut self, at: usize) {
        while let Some(message) = self.nodes[at].poll_delivery() {
            let author = usize::from(*message.dot().node());
            if author == at {
                self.sent.insert(*message.dot(), message);
            } else if author < 2 {
                assert_eq!(self.sent.get(message.dot()), Some(&message));
            }
        }
    }

    /// Lets both deliver and send.
    fn exchange(&mut self) {
        loop {
            let mut in_flight = Vec::new();
            for at in 0..2 {
                self.deliver(at);
                while let Some((to, packet)) = self.nodes[at].poll_packet() {
                    assert!(packet.len() < 100 + 1_000 + 64 * 20);
                    self.material.push(packet.clone());
                    if to < 2 {
                        in_flight.push((at as u8, to, packet));
                    }
                }
                let node = &self.nodes[at];
                assert_eq!(node.internal_validate(), Ok(()));
                assert!(
                    node.log_len() <= 3 * 8 && node.undelivered_len() <= 3 * 8 && node.log_bytes() <= 3 * 1_000
                );
            }
            self.material.truncate(64);
            if in_flight.is_empty() {
                return;
            }
            for (from, to, packet) in in_flight {
                assert!(self.receive(from, usize::from(to), &packet), "honest");
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        let now = self.now;
        self.nodes.iter_mut().for_each(|node| node.handle_timeout(now));
    }
}

fuzz_target!(|steps: Vec<Step<'_>>| {
    let nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1, 2], CONFIG).expect("few"));
    let mut pair = Pair { nodes, now: 0, sent: Sent::new(), material: Vec::new() };
    for step in steps {
        match step {
            Step::Bytes(to, bytes) => {
                pair.receive(2, usize::from(to), bytes);
            }
            Step::Changed(to, which, at, by) => {
                let Some(mut packet) = pair.material.get(usize::from(which)).cloned() else { continue };
                let len = packet.len();
                packet[usize::from(at) % len] ^= by;
                pair.receive(2, usize::from(to), &packet);
            }
            Step::Broadcast(by, len) => {
                let _ = pair.nodes[usize::from(by)].broadcast(vec![len; usize::from(len)]);
            }
            Step::Time(by) => pair.pass(u64::from(by)),
            Step::Restart(which) => {
                let node = &mut pair.nodes[usize::from(which)];
                let saved = node.snapshot();
                *node = Endpoint::resume(&saved, CONFIG).expect("its own");
                assert_eq!(node.snapshot(), saved);
            }
            Step::Resume(bytes) => {
                if let Ok(node) = Endpoint::<u8>::resume(bytes, CONFIG) {
                    assert_eq!(node.internal_validate(), Ok(()));
                    assert_eq!(node.snapshot(), bytes);
                }
            }
        }
        pair.exchange();
    }
    // Forged messages may differ between members, and wait for ever, until the hostile member is removed.
    for node in &mut pair.nodes {
        assert!(node.remove(&2));
    }
    for _ in 0..1_000 {
        pair.exchange();
        let Some(next) = pair.nodes.iter().filter_map(Endpoint::poll_timeout).min() else { break };
        pair.pass(next.saturating_sub(pair.now));
    }
    let [one, other] = &pair.nodes;
    assert!(pair.sent.keys().all(|dot| [one, other].iter().all(|node| node.delivered().contains(dot))));
    for node in [one, other] {
        assert_eq!((node.log_len(), node.undelivered_len(), node.poll_timeout()), (0, 0, None));
        assert_eq!(node.delivered(), one.delivered());
    }
});
