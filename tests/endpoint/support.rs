//! Endpoints in virtual time, over a network that loses, repeats, delays and partitions. They are judged as they run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use happens_before::check::CausalRun;
use happens_before::endpoint::{BroadcastErrorKind, EndpointConfig, PacketErrorKind};
use happens_before::{Dot, Endpoint, Message};

pub(crate) type Node = u8;

/// A configuration with small windows, so that they fill.
pub(crate) const CONFIG: EndpointConfig = EndpointConfig {
    window: 8,
    window_bytes: 400,
    nodes: 6,
    packet: 200,
    answer_bytes: 300,
    delay_ms: 10,
    retry_ms: 100,
    retry_max_ms: 2_000,
};

/// Random numbers that are the same for a seed in every run.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// Faults of a network, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) delay_ms: u64,
}

pub(crate) const NONE: Faults = Faults { loss: 0, duplicate: 0, delay_ms: 1 };

/// A node, and the state on its disk.
pub(crate) struct Site {
    pub(crate) endpoint: Endpoint<Node>,
    pub(crate) saved: Vec<u8>,
    sent: Vec<Message<Node, ()>>,
    delivered: Vec<Dot<Node>>,
    pub(crate) is_down: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at_ms: u64,
    number: u64,
    from: Node,
    to: Node,
    packet: Vec<u8>,
}

pub(crate) struct Network {
    pub(crate) config: EndpointConfig,
    pub(crate) random: Random,
    pub(crate) faults: Faults,
    pub(crate) sites: Vec<Site>,
    pub(crate) run: CausalRun<Node>,
    pub(crate) now_ms: u64,
    /// The side of a partition that each node is on.
    pub(crate) side: Vec<u8>,
    flights: BinaryHeap<Reverse<Flight>>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) crashes: u64,
    pub(crate) refused: u64,
    /// The number of a packet that is lost in any case.
    pub(crate) lost: Option<u64>,
    /// The error of each node's clock, which is added to the time that it is told.
    pub(crate) skew_ms: Vec<u64>,
}

impl Network {
    /// Makes a group of `nodes`. `sites` is the limit on all nodes that ever join.
    pub(crate) fn new(nodes: u8, sites: usize, config: EndpointConfig, seed: u64) -> Self {
        let mut network = Self {
            config,
            random: Random(seed),
            faults: NONE,
            sites: Vec::new(),
            run: CausalRun::new(sites),
            now_ms: 0,
            side: vec![0; sites],
            flights: BinaryHeap::new(),
            packets: 0,
            bytes: 0,
            crashes: 0,
            refused: 0,
            lost: None,
            skew_ms: vec![1_000; sites],
        };
        for node in 0..nodes {
            network.add(Endpoint::new(node, 0..nodes, config).unwrap());
        }
        network
    }

    pub(crate) fn add(&mut self, endpoint: Endpoint<Node>) {
        let saved = endpoint.snapshot();
        self.sites.push(Site { endpoint, saved, sent: Vec::new(), delivered: Vec::new(), is_down: false });
    }

    /// Starts `node` from the snapshot that `giver` has saved.
    pub(crate) fn join(&mut self, node: Node, giver: Node) {
        let snapshot = &self.sites[usize::from(giver)].saved;
        let endpoint = Endpoint::join(node, snapshot, self.config).unwrap();
        // For the oracle the node has delivered everything in the snapshot, in an order that the oracle accepts.
        let delivered = endpoint.delivered();
        let mut left: Vec<_> = delivered
            .iter()
            .flat_map(|(&author, last)| (1..=last).map(move |counter| dot(author, counter)))
            .collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|dot| self.run.delivered(usize::from(node), dot).is_err());
            assert!(left.len() < before, "what is in a snapshot is causally closed");
        }
        self.add(endpoint);
        self.flush(node, false);
    }

    pub(crate) fn endpoint(&mut self, node: Node) -> &mut Endpoint<Node> {
        &mut self.sites[usize::from(node)].endpoint
    }

    /// Takes deliveries, then saves, then sends. With `crash`, the node crashes before it has saved.
    pub(crate) fn flush(&mut self, node: Node, crash: bool) {
        let site = &mut self.sites[usize::from(node)];
        while let Some(message) = site.endpoint.poll_delivery() {
            let bytes = message.payload();
            assert!(bytes.iter().all(|&byte| byte == bytes.len() as u8), "payloads arrive as they were sent");
            if *message.dot().node() == node {
                site.sent.retain(|sent| sent.dot() != message.dot());
                site.sent.push(message.clone().with_payload(()));
            }
            site.delivered.push(*message.dot());
        }
        assert_eq!(site.endpoint.internal_validate(), Ok(()));
        if crash {
            self.crash(node);
            return;
        }
        site.saved = site.endpoint.snapshot();
        for message in site.sent.drain(..) {
            self.run.sent(*message.dot(), message.dependencies().iter().copied()).unwrap();
        }
        for dot in site.delivered.drain(..) {
            self.run.delivered(usize::from(node), &dot).unwrap_or_else(|violation| panic!("{violation}"));
        }
        while let Some((to, packet)) = self.sites[usize::from(node)].endpoint.poll_packet() {
            self.packets += 1;
            self.bytes += packet.len() as u64;
            let copies = if self.random.percent(self.faults.loss) || self.lost == Some(self.packets) {
                0
            } else {
                1 + u64::from(self.random.percent(self.faults.duplicate))
            };
            for _ in 0..copies {
                let at_ms = self.now_ms + 1 + self.random.below(self.faults.delay_ms);
                let number = self.packets;
                self.flights.push(Reverse(Flight { at_ms, number, from: node, to, packet: packet.clone() }));
            }
        }
        assert_eq!(self.sites[usize::from(node)].endpoint.internal_validate(), Ok(()));
    }

    /// Crashes a node: all that was not saved is lost.
    pub(crate) fn crash(&mut self, node: Node) {
        self.crashes += 1;
        let site = &mut self.sites[usize::from(node)];
        site.sent.clear();
        site.delivered.clear();
        site.endpoint = Endpoint::resume(&site.saved, self.config).unwrap();
        assert_eq!(site.endpoint.snapshot(), site.saved, "what comes back is what was saved");
        assert_eq!(site.endpoint.internal_validate(), Ok(()));
    }

    pub(crate) fn broadcast(&mut self, node: Node, len: u8) -> bool {
        self.broadcast_or_crash(node, len, false)
    }

    pub(crate) fn broadcast_or_crash(&mut self, node: Node, len: u8, crash: bool) -> bool {
        let payload = vec![len; usize::from(len)];
        let done = match self.endpoint(node).broadcast(payload.clone()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!((error.payload, error.kind), (payload, BroadcastErrorKind::WindowFull));
                self.refused += 1;
                false
            }
        };
        self.flush(node, crash);
        done
    }

    fn told(&self, node: Node) -> u64 {
        self.now_ms + self.skew_ms[usize::from(node)]
    }

    /// Returns the time of the next event: a packet arrives, or a node's time-out is due.
    fn next(&self) -> Option<u64> {
        let flight = self.flights.peek().map(|Reverse(flight)| flight.at_ms);
        let sites = self.sites.iter().zip(&self.skew_ms).filter(|(site, _)| !site.is_down);
        let timeouts =
            sites.filter_map(|(site, skew)| Some(site.endpoint.poll_timeout()?.saturating_sub(*skew)));
        timeouts.chain(flight).min().map(|at| at.max(self.now_ms))
    }

    /// Runs all events up to a time, and returns false if there are no more. `crash` is the chance, in thousandths,
    /// that a node crashes after an input.
    pub(crate) fn run_until(&mut self, end_ms: u64, crash: u64) -> bool {
        while let Some(at) = self.next() {
            if at > end_ms {
                self.now_ms = end_ms;
                return true;
            }
            self.now_ms = at;
            while self.flights.peek().is_some_and(|Reverse(flight)| flight.at_ms <= at) {
                let Reverse(flight) = self.flights.pop().unwrap();
                let [from, to] = [flight.from, flight.to].map(usize::from);
                if self.side[from] != self.side[to] || self.sites.get(to).is_none_or(|site| site.is_down) {
                    continue;
                }
                let told = self.told(flight.to);
                let received = self.endpoint(flight.to).handle_packet(told, &flight.from, &flight.packet);
                // The sender was removed, or is not admitted yet.
                let refused = received.err().map(|error| error.kind);
                assert!(matches!(refused, None | Some(PacketErrorKind::NotAMember)), "{refused:?}");
                let crash = self.random.below(1_000) < crash;
                self.flush(flight.to, crash);
            }
            for node in 0..self.sites.len() {
                let node = node as Node;
                let told = self.told(node);
                let site = &mut self.sites[usize::from(node)];
                if !site.is_down && site.endpoint.poll_timeout().is_some_and(|due| due <= told) {
                    site.endpoint.handle_timeout(told);
                    let crash = self.random.below(1_000) < crash;
                    self.flush(node, crash);
                }
            }
        }
        self.now_ms = end_ms;
        false
    }

    /// Heals the network, and runs it until all is silent. Then every message must be everywhere, and all logs empty.
    pub(crate) fn heal(&mut self) {
        self.side.fill(0);
        let live: Vec<usize> = (0..self.sites.len()).filter(|&at| !self.sites[at].is_down).collect();
        let (end, packets) = (self.now_ms + 3_600_000, self.packets);
        while self.run_until(self.now_ms + 1_000, 0) {
            if self.now_ms > end || self.packets > packets + 50_000 {
                let sites: Vec<_> = self.sites.iter().map(|site| &site.endpoint).collect();
                panic!(
                    "an idle group falls silent, but {} packets after healing: {sites:?}",
                    self.packets - packets
                );
            }
        }
        for &at in &live {
            let endpoint = &self.sites[at].endpoint;
            assert_eq!(endpoint.delivered(), self.sites[live[0]].endpoint.delivered(), "node {at} has all");
            assert_eq!(
                (endpoint.log_len(), endpoint.log_bytes(), endpoint.undelivered_len()),
                (0, 0, 0),
                "node {at}"
            );
            assert_eq!(endpoint.lost().count(), 0);
        }
    }
}

pub(crate) fn dot(node: u8, counter: u64) -> Dot<u8> {
    Dot::new(node, counter).unwrap()
}

/// All packets that are ready, by receiver.
pub(crate) fn packets(endpoint: &mut Endpoint<u8>) -> Vec<(u8, Vec<u8>)> {
    std::iter::from_fn(|| endpoint.poll_packet()).collect()
}

pub(crate) fn deliveries(endpoint: &mut Endpoint<u8>) -> Vec<Dot<u8>> {
    std::iter::from_fn(|| endpoint.poll_delivery()).map(|message| *message.dot()).collect()
}
