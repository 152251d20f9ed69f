//! Hostile members: one member of a group does as it likes. Nothing panics, all bounds hold at each step, and the
//! honest members deliver all that they have sent, in causal order. If the hostile one sends different messages under
//! one number, they may do so only after it is removed.

use std::collections::{BTreeMap, VecDeque};

use happens_before::check::CausalRun;
use happens_before::codec::{Encode, Writer};
use happens_before::endpoint::{BroadcastErrorKind, EndpointConfig, PacketErrorKind};
use happens_before::node::DotRange;
use happens_before::{Dot, Endpoint, Message, VersionVector};

use crate::forged::{Forged, message};
use crate::support::{Random, dot};
use testkit::seed;

const HONEST: usize = 3;
const HOSTILE: u8 = 3;
const CONFIG: EndpointConfig = EndpointConfig {
    window: 6,
    window_bytes: 300,
    nodes: 5,
    packet: 150,
    answer_bytes: 200,
    delay_ms: 5,
    retry_ms: 40,
    retry_max_ms: 400,
};

type Bytes = Vec<u8>;

/// The honest members, the packets on their way to them, and the messages they have sent.
struct Group {
    nodes: Vec<Endpoint<u8>>,
    links: VecDeque<(u8, usize, Bytes)>,
    sent: BTreeMap<Dot<u8>, Message<u8, Bytes>>,
    /// The messages that the hostile member has signed, if it signs only one for each number.
    signed: Option<BTreeMap<Dot<u8>, Message<u8, Bytes>>>,
    run: CausalRun<u8>,
    now: u64,
    /// Packets that the hostile member has seen, and can repeat and change.
    seen: Vec<Bytes>,
    equivocations: usize,
    refused: usize,
}

impl Group {
    fn new(equivocates: bool) -> Self {
        let nodes =
            (0..HONEST as u8).map(|node| Endpoint::new(node, [0, 1, 2, HOSTILE], CONFIG).unwrap()).collect();
        Self {
            nodes,
            links: VecDeque::new(),
            sent: BTreeMap::new(),
            signed: (!equivocates).then(BTreeMap::new),
            run: CausalRun::new(HONEST),
            now: 0,
            seen: vec![],
            equivocations: 0,
            refused: 0,
        }
    }

    /// Lets a node deliver and send, and checks its promises. Returns the number of packets that it has sent.
    fn flush(&mut self, at: usize) -> usize {
        let node = &mut self.nodes[at];
        assert_eq!(node.internal_validate(), Ok(()));
        while let Some(message) = node.poll_delivery() {
            if let Some(sent) = self.sent.get(message.dot()) {
                assert_eq!(&message, sent, "what its author has sent");
                self.run.delivered(at, message.dot()).unwrap_or_else(|violation| panic!("{violation}"));
            } else {
                assert_eq!(*message.dot().node(), HOSTILE);
            }
        }
        let mut packets = 0;
        while let Some((to, packet)) = node.poll_packet() {
            packets += 1;
            assert!(packet.len() < CONFIG.packet + CONFIG.window_bytes + 64 * 20, "{} bytes", packet.len());
            if self.seen.len() < 200 {
                self.seen.push(packet.clone());
            }
            if usize::from(to) < HONEST {
                self.links.push_back((at as u8, usize::from(to), packet));
            }
        }
        assert_eq!(node.internal_validate(), Ok(()));
        let window = CONFIG.window as usize;
        assert!(node.log_len() <= 4 * window && node.undelivered_len() <= 4 * window);
        assert!(node.log_bytes() <= 4 * (CONFIG.window_bytes + 300));
        packets
    }

    fn broadcast(&mut self, at: usize, len: u8) {
        let payload = vec![len; usize::from(len)];
        match self.nodes[at].broadcast(payload.clone()) {
            Ok(dot) => {
                // The node's own message is delivered at once, and shows its dependencies.
                let own = std::iter::from_fn(|| self.nodes[at].poll_delivery()).collect::<Vec<_>>();
                let message = own.iter().find(|message| *message.dot() == dot).unwrap().clone();
                assert_eq!(*message.payload(), payload);
                let honest = message.dependencies().iter().filter(|dot| *dot.node() != HOSTILE);
                self.run.sent(dot, honest.copied()).unwrap();
                self.sent.insert(dot, message);
                for message in own {
                    if self.sent.contains_key(message.dot()) {
                        self.run.delivered(at, message.dot()).unwrap_or_else(|violation| panic!("{violation}"));
                    }
                }
            }
            Err(error) => assert_eq!((error.payload, error.kind), (payload, BroadcastErrorKind::WindowFull)),
        }
        self.flush(at);
    }

    /// Hands a packet to its receiver, with a check of authorship. Returns the number of packets that the receiver
    /// sends then.
    fn receive(&mut self, from: u8, at: usize, packet: &[u8]) -> usize {
        let (sent, signed) = (&self.sent, &mut self.signed);
        let before = (from == HOSTILE).then(|| self.nodes[at].snapshot());
        let is_authentic = |message: &Message<u8, &[u8]>| {
            let claimed = message.clone().with_payload(message.payload().to_vec());
            if *message.dot().node() != HOSTILE {
                return sent.get(message.dot()) == Some(&claimed);
            }
            signed.as_mut().is_none_or(|signed| {
                *signed.entry(*message.dot()).or_insert_with(|| claimed.clone()) == claimed
            })
        };
        match self.nodes[at].handle_packet_verified(self.now, &from, packet, is_authentic) {
            Ok(received) => self.equivocations += usize::from(received.equivocation.is_some()),
            Err(error) => {
                assert_eq!(from, HOSTILE, "an honest packet: {error}");
                assert_eq!(Some(self.nodes[at].snapshot()), before, "{error}");
                self.refused += 1;
            }
        }
        self.flush(at)
    }

    /// Lets time pass, and honest packets arrive or get lost.
    fn pass(&mut self, ms: u64, loss: u64, random: &mut Random) {
        for _ in 0..ms {
            self.now += 1;
            for at in 0..HONEST {
                self.nodes[at].handle_timeout(self.now);
                self.flush(at);
            }
            for _ in 0..self.links.len() {
                let (from, to, packet) = self.links.pop_front().unwrap();
                if !random.percent(loss) {
                    self.receive(from, to, &packet);
                }
            }
        }
    }
}

/// A hostile member.
struct Hostile {
    random: Random,
}

impl Hostile {
    fn counter(&mut self, group: &Group, node: u8) -> u64 {
        let last = group.nodes[0].delivered().get(&node);
        match self.random.below(8) {
            0 => self.random.below(u64::MAX),
            1 => u64::MAX,
            2 => 1 + self.random.below(40),
            _ => (last + self.random.below(9)).saturating_sub(2).max(1),
        }
        .max(1)
    }

    /// Makes a message: most often its own, otherwise one under the id of another member, or an invented one.
    fn message(&mut self, group: &Group) -> Bytes {
        let node = [HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, 1, 4, 77][self.random.below(8) as usize];
        let counter = self.counter(group, node);
        let random = &mut self.random;
        let mut dependencies = VersionVector::new();
        if random.percent(50) {
            let of = [0, 1, 2, 4, 9][random.below(5) as usize];
            dependencies.extend([(of as u8, 1 + random.below(20))]);
        }
        let len = random.below(80) as usize;
        let mut message = vec![];
        let mut out = Writer::growing(&mut message);
        dependencies.encode(&mut out);
        Dot::new(node, counter).unwrap().encode(&mut out);
        message.extend(vec![1; len]);
        message
    }

    fn packet(&mut self, group: &Group) -> Bytes {
        let mut bytes = vec![];
        let mut out = Writer::growing(&mut bytes);
        out.put(&[1]);
        let small_or_huge = |random: &mut Random| match random.below(4) {
            0 => random.below(u64::MAX),
            1 => 0,
            _ => random.below(30),
        };
        out.put_number(small_or_huge(&mut self.random));
        out.put_number(small_or_huge(&mut self.random) / 2);
        let mut news = VersionVector::new();
        for node in [0, 1, 2, HOSTILE, 4, 88] {
            if self.random.percent(30) {
                // It claims messages that it was sent, or messages that were never sent.
                let claim = match self.random.below(3) {
                    0 => group.nodes[0].delivered().get(&node),
                    _ => self.counter(group, node).min(u64::MAX / 4),
                };
                news.extend([(node, claim)]);
            }
        }
        out.put_number(if news.is_empty() { 0 } else { 1 + self.random.below(60) });
        if !news.is_empty() {
            news.encode(&mut out);
        }
        VersionVector::from_iter([(self.random.below(4) as u8, self.random.below(3))]).encode(&mut out);
        let mut requests = vec![];
        for node in 0..self.random.below(6) as u8 {
            let first = 1 + self.random.below(12);
            requests.extend(DotRange::new(node, first..=first.saturating_add(small_or_huge(&mut self.random))));
        }
        out.put_number(requests.len() as u64);
        requests.iter().for_each(|range| range.encode(&mut out));
        for _ in 0..self.random.below(4) {
            let message = self.message(group);
            out.put_number(message.len() as u64);
            out.put(&message);
        }
        bytes
    }

    fn attack(&mut self, group: &Group) -> Bytes {
        let seen = group.seen.get(self.random.below(200) as usize).cloned();
        match (self.random.below(10), seen) {
            (0, _) => (0..self.random.below(60)).map(|_| self.random.below(256) as u8).collect(),
            (1, Some(replay)) => replay,
            (2, Some(mut cut)) => {
                cut.truncate(self.random.below(cut.len() as u64) as usize);
                cut
            }
            (3, Some(mut changed)) => {
                let at = self.random.below(changed.len() as u64) as usize;
                changed[at] ^= 1 << self.random.below(8);
                changed
            }
            // It joins a packet that it has seen and bytes of its own.
            (4, _) => [self.packet(group), vec![0xFF; 3]].concat(),
            _ => self.packet(group),
        }
    }
}

/// Attacks a group for a while. Returns the numbers of refused packets, noticed equivocations and honest messages.
fn attack(seed: u64, equivocates: bool) -> (usize, usize, usize) {
    let mut random = Random(seed);
    let mut hostile = Hostile { random: Random(!seed) };
    let mut group = Group::new(equivocates);
    let mut rate = 0;
    for _ in 0..150 {
        let at = random.below(HONEST as u64) as usize;
        match random.below(5) {
            0 => group.broadcast(at, random.below(60) as u8),
            1 => {
                let (ms, loss) = (random.below(60), [0, 20, 60][random.below(3) as usize]);
                group.pass(ms, loss, &mut random);
            }
            // This is a flood, in which the clock stands still or creeps.
            _ => {
                let (before, start) = (group.now, group.links.len());
                let flood = 1 + random.below(20);
                for _ in 0..flood {
                    let packet = hostile.attack(&group);
                    rate += group.receive(HOSTILE, at, &packet);
                    group.now += u64::from(random.percent(10));
                }
                let most = flood as usize + 12 + 12 * (group.now - before) as usize;
                assert!(group.links.len() - start <= most, "one packet calls forth many");
            }
        }
    }
    // The others heal. A hostile member that does not equivocate goes on, and stops no one.
    if equivocates {
        for at in 0..HONEST {
            assert!(group.nodes[at].remove(&HOSTILE));
            let refused = group.nodes[at].handle_packet(group.now, &HOSTILE, &[1]).unwrap_err();
            assert_eq!(refused.kind, PacketErrorKind::NotAMember);
        }
    }
    for round in 0..60 {
        if !equivocates && round % 4 == 0 {
            let packet = hostile.attack(&group);
            group.receive(HOSTILE, round % HONEST, &packet);
        }
        group.pass(200, 0, &mut random);
        if group.run.complete().is_ok()
            && (!equivocates || group.nodes.iter().all(|n| n.poll_timeout().is_none()))
        {
            break;
        }
    }
    group.run.complete().unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    if equivocates {
        // Its messages are the same everywhere, or nowhere. All logs are empty, and all members are silent.
        for node in &group.nodes {
            assert_eq!((node.log_len(), node.poll_timeout()), (0, None), "seed {seed}: {node:?}");
            assert_eq!(node.delivered(), group.nodes[0].delivered());
        }
    }
    assert!(rate > 10);
    (group.refused, group.equivocations, group.sent.len())
}

#[test]
fn one_that_forges_floods_and_lies_keeps_nobody_from_delivering() {
    let first = seed();
    let (mut refused, mut sent) = (0, 0);
    for run in 0..40_u64 {
        let (bad, _, good) = attack(first.wrapping_add(run), false);
        refused += bad;
        sent += good;
    }
    println!("{refused} packets refused, {sent} messages");
    assert!(refused > 5_000 && sent > 400);
}

#[test]
fn one_that_equivocates_keeps_nobody_from_delivering_once_it_is_removed() {
    let first = seed();
    let (mut refused, mut sent, mut equivocations) = (0, 0, 0);
    for run in 0..40_u64 {
        let (bad, twice, good) = attack(first.wrapping_add(run), true);
        refused += bad;
        sent += good;
        equivocations += twice;
    }
    println!("{refused} packets refused, {equivocations} equivocations seen, {sent} messages");
    assert!(refused > 5_000 && sent > 400 && equivocations > 50);
}

/// Only delivered and held messages take room. A message with an invented cause would wait for ever, and is refused.
#[test]
fn messages_that_build_on_invented_nodes_are_left_lying_and_take_no_place() {
    let mut endpoint = Endpoint::new(0, [0, 1, HOSTILE], CONFIG).unwrap();
    for invented in 50..90 {
        let forged = message(dot(HOSTILE, 1 + u64::from(invented) % 3), &[dot(invented, 1)], 3);
        let packet = Forged { messages: vec![forged], ..Forged::new() };
        let received = endpoint.handle_packet(0, &HOSTILE, &packet.bytes()).unwrap();
        assert_eq!((received.new, received.refused, endpoint.undelivered_len()), (0, 1, 0));
    }
    // There is a place for each newcomer.
    for newcomer in [2, 4] {
        endpoint.admit(newcomer).unwrap();
        let first = message(dot(newcomer, 1), &[], 3);
        let packet = Forged { messages: vec![first], ..Forged::new() };
        assert_eq!(endpoint.handle_packet(0, &newcomer, &packet.bytes()).unwrap().new, 1);
    }
    assert_eq!(std::iter::from_fn(|| endpoint.poll_delivery()).count(), 2);
}
