//! What an endpoint promises, case by case: full windows, joining, leaving, coming back, and hostile members.
#![cfg(feature = "alloc")]

mod endpoint_support;

use endpoint_support::{Faults, Network, Random};
use happens_before::codec::{DecodeErrorKind, Writer};
use happens_before::delivery::endpoint::{
    BroadcastErrorKind, Endpoint, EndpointConfig, PacketError, RestoreError,
};
use happens_before::{Dot, DotRange, Message};

const CONFIG: EndpointConfig = EndpointConfig {
    window: 8,
    window_bytes: 400,
    nodes: 6,
    packet: 200,
    answer_bytes: 300,
    delay_ms: 10,
    retry_ms: 100,
    retry_max_ms: 2_000,
};

fn dot(node: u8, counter: u64) -> Dot<u8> {
    Dot::new(node, counter).unwrap()
}

/// All packets that are ready, by receiver.
fn packets(endpoint: &mut Endpoint<u8>) -> Vec<(u8, Vec<u8>)> {
    std::iter::from_fn(|| endpoint.poll_packet()).collect()
}

fn deliveries(endpoint: &mut Endpoint<u8>) -> Vec<Dot<u8>> {
    std::iter::from_fn(|| endpoint.poll_delivery()).map(|message| *message.dot()).collect()
}

/// A packet, part by part.
struct Forged {
    confirmed: u64,
    base: u64,
    news: Vec<(u8, u64)>,
    requests: Vec<(u8, u64, u64)>,
    messages: Vec<Message<u8, Vec<u8>>>,
}

impl Forged {
    fn new() -> Self {
        Self { confirmed: 0, base: 0, news: vec![], requests: vec![], messages: vec![] }
    }

    fn bytes(&self) -> Vec<u8> {
        let entries = |entries: &[(u8, u64)], out: &mut Writer<'_>| {
            happens_before::codec::Encode::encode(
                &entries.iter().copied().collect::<happens_before::VersionVector<u8>>(),
                out,
            );
        };
        let mut bytes = vec![];
        let mut out = Writer::growing(&mut bytes);
        out.put(&[1]);
        out.put_number(self.confirmed);
        out.put_number(self.base);
        let events = self.news.iter().fold(0_u64, |events, (_, counter)| events.saturating_add(*counter));
        out.put_number(events);
        if events > 0 {
            entries(&self.news, &mut out);
        }
        entries(&[], &mut out);
        out.put_number(self.requests.len() as u64);
        for &(node, first, last) in &self.requests {
            happens_before::codec::Encode::encode(&DotRange::new(node, first..=last).unwrap(), &mut out);
        }
        for message in &self.messages {
            let mut header = vec![];
            message.encode_header(&mut Writer::growing(&mut header));
            out.put_number((header.len() + message.payload().len()) as u64);
            out.put(&header);
            out.put(message.payload());
        }
        bytes
    }
}

fn message(own: Dot<u8>, dependencies: &[Dot<u8>], len: usize) -> Message<u8, Vec<u8>> {
    Message::new(own, dependencies.iter().copied(), vec![7; len]).unwrap()
}

#[test]
fn a_silent_member_fills_the_window_and_a_removal_empties_it() {
    let mut network = Network::new(3, 3, CONFIG, 1);
    network.sites[2].is_down = true;
    for round in 0..12 {
        let (own, other) = (network.broadcast(0, 3), network.broadcast(1, 3));
        assert_eq!((own, other), (round < 8, round < 8));
        network.run_until(network.now_ms + 300, 0);
    }
    // The others have all of it, acknowledge it, and wait for the silent one alone.
    let expected = [(0, 8), (1, 8)].into_iter().collect();
    for node in [0, 1] {
        assert_eq!(network.endpoint(node).delivered(), expected);
        assert_eq!(network.endpoint(node).log_len(), 16);
        assert!(network.endpoint(node).held_back_by().eq(&[2]));
    }
    let error = network.endpoint(0).broadcast(vec![1]).unwrap_err();
    assert_eq!((error.payload, error.kind), (vec![1], BroadcastErrorKind::WindowFull));

    for node in [0, 1] {
        assert!(network.endpoint(node).remove(&2));
        assert!(!network.endpoint(node).remove(&2));
        assert!(!network.endpoint(node).remove(&node), "a node does not remove itself");
        network.settle(node, false);
        assert_eq!(network.endpoint(node).log_len(), 0);
    }
    assert!(network.broadcast(0, 3));
    network.heal();
}

#[test]
fn a_silent_member_that_speaks_again_gets_all_and_lets_all_go_on() {
    let mut network = Network::new(3, 3, CONFIG, 2);
    network.side[2] = 1;
    while network.broadcast(0, 20) {}
    while network.broadcast(1, 1) {}
    network.run_until(60_000, 0);
    assert_eq!(network.endpoint(2).delivered().len(), 0);
    let packets = network.packets;
    network.run_until(120_000, 0);
    // Two nodes tell one, each once in 2 s.
    assert!((10..=120).contains(&(network.packets - packets)), "{}", network.packets - packets);
    network.heal();
    network.run.complete().unwrap();
    assert!(network.broadcast(2, 1));
    network.heal();
    network.run.complete().unwrap();
}

#[test]
fn a_window_is_counted_in_bytes_too() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let error = endpoint.broadcast(vec![0; 398]).unwrap_err();
    assert_eq!((error.payload.len(), error.kind), (398, BroadcastErrorKind::TooLong { limit: 400 }));
    assert!(endpoint.broadcast(vec![0; 397]).is_ok());
    assert_eq!(endpoint.log_bytes(), 400);
    assert_eq!(endpoint.broadcast(vec![]).unwrap_err().kind, BroadcastErrorKind::WindowFull);
    // Longer than a packet should be, so it goes alone.
    let mut lengths = packets(&mut endpoint).into_iter().map(|(_, packet)| packet.len());
    assert!(lengths.next().unwrap() > 400);
}

#[test]
fn messages_share_packets_up_to_the_size() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    for _ in 0..8 {
        endpoint.broadcast(vec![0; 40]).unwrap();
    }
    let lengths: Vec<_> = packets(&mut endpoint).into_iter().map(|(_, packet)| packet.len()).collect();
    assert_eq!(lengths.len(), 2);
    assert!(lengths.iter().all(|len| (150..=200).contains(len)), "{lengths:?}");
}

#[test]
fn one_that_joins_starts_from_a_snapshot_or_from_the_beginning() {
    for is_trimmed in [false, true] {
        let mut network = Network::new(2, 3, CONFIG, 3);
        network.faults = Faults { loss: 20, duplicate: 20, delay_ms: 30 };
        network.side[1] = u8::from(!is_trimmed);
        for _ in 0..3 {
            network.broadcast(0, 5);
            network.broadcast(1, 5);
        }
        network.run_until(5_000, 0);
        assert_eq!(network.endpoint(0).stability().stable().is_empty(), !is_trimmed);

        let admitted: Vec<_> = [0, 1].map(|node| network.endpoint(node).admit(2)).into();
        assert_eq!(admitted, [Ok(()), Ok(())]);
        let endpoint = if is_trimmed {
            let snapshot = network.endpoint(0).snapshot();
            assert_eq!(Endpoint::join(5_u8, &snapshot, CONFIG).unwrap_err(), RestoreError::NotAMember);
            assert_eq!(Endpoint::join(1_u8, &snapshot, CONFIG).unwrap_err(), RestoreError::KnownAuthor);
            assert_eq!(Endpoint::join(0_u8, &snapshot, CONFIG).unwrap_err(), RestoreError::KnownAuthor);
            Endpoint::join(2, &snapshot, CONFIG).unwrap()
        } else {
            Endpoint::new(2, [0, 1, 2], CONFIG).unwrap()
        };
        if is_trimmed {
            let delivered = endpoint.delivered();
            let dots: Vec<_> =
                delivered.iter().flat_map(|(&node, last)| (1..=last).map(move |c| dot(node, c))).collect();
            let mut left = dots;
            // In an order that the oracle accepts.
            while !left.is_empty() {
                let before = left.len();
                left.retain(|dot| network.run.delivered(2, dot).is_err());
                assert!(left.len() < before);
            }
        }
        network.add(endpoint);
        for node in [0, 1] {
            network.settle(node, false);
        }
        network.broadcast(2, 9);
        network.broadcast(1, 9);
        network.heal();
        network.run.complete().unwrap();
        assert_eq!(network.endpoint(2).delivered().get(&2), 1);
    }
}

#[test]
fn one_that_comes_too_late_is_told_so() {
    let mut network = Network::new(2, 3, CONFIG, 4);
    network.broadcast(0, 5);
    network.heal();
    for node in [0, 1] {
        network.endpoint(node).admit(2).unwrap();
        network.settle(node, false);
    }
    network.add(Endpoint::new(2, [0, 1, 2], CONFIG).unwrap());
    network.settle(2, false);
    network.run_until(60_000, 0);
    assert!(network.endpoint(2).lost().eq([DotRange::new(0, 1..=1).unwrap()]));
    assert_eq!(network.endpoint(2).delivered().len(), 0);
    assert_eq!(network.endpoint(0).lost().count(), 0);
}

#[test]
fn what_a_node_that_is_gone_has_sent_to_one_reaches_all() {
    let mut network = Network::new(4, 4, CONFIG, 5);
    network.side = vec![0, 0, 1, 1];
    network.broadcast(0, 9);
    network.run_until(1_000, 0);
    network.sites[0].is_down = true;
    for node in [1, 2, 3] {
        network.endpoint(node).remove(&0);
        network.settle(node, false);
    }
    network.heal();
    assert_eq!(network.endpoint(3).delivered().get(&0), 1);
}

#[test]
fn a_member_that_others_admit_later_is_understood_then() {
    let mut network = Network::new(2, 3, CONFIG, 6);
    network.endpoint(0).admit(2).unwrap();
    let snapshot = network.endpoint(0).snapshot();
    network.add(Endpoint::join(2, &snapshot, CONFIG).unwrap());
    network.broadcast(2, 4);
    network.run_until(20_000, 0);
    assert_eq!(network.endpoint(0).delivered().get(&2), 1);
    assert_eq!(network.endpoint(1).delivered().get(&2), 0);
    network.endpoint(1).admit(2).unwrap();
    network.settle(1, false);
    network.heal();
    network.run.complete().unwrap();
}

#[test]
fn a_clock_that_goes_back_or_leaps_does_no_harm() {
    let mut network = Network::new(2, 2, CONFIG, 7);
    network.faults.loss = 50;
    for skew in [5_000, 0, u64::MAX / 2, 3, u64::MAX - 4_000_000_000] {
        network.skew_ms = vec![skew, 0];
        let told = network.now_ms + skew;
        network.endpoint(0).handle_timeout(told);
        network.broadcast(0, 2);
        network.run_until(network.now_ms + 3_000, 0);
    }
    network.heal();
    network.run.complete().unwrap();
}

#[test]
fn bad_packets_are_refused_and_change_nothing() {
    let mut network = Network::new(3, 3, CONFIG, 8);
    network.broadcast(0, 3);
    let honest =
        Forged { news: vec![(1, 1)], messages: vec![message(dot(1, 1), &[dot(0, 1)], 3)], ..Forged::new() };
    let honest = honest.bytes();
    let endpoint = network.endpoint(0);
    let before = endpoint.snapshot();
    for from in [0, 7] {
        assert_eq!(endpoint.handle_packet(5, &from, &honest), Err(PacketError::NotAMember));
    }
    let never_sent = Forged { news: vec![(0, 2)], ..Forged::new() };
    assert_eq!(endpoint.handle_packet(5, &1, &never_sent.bytes()), Err(PacketError::NeverSent));
    // Without its message, of 9 bytes, it is a packet too.
    for cut in (0..honest.len()).filter(|&cut| cut != honest.len() - 9) {
        let error = endpoint.handle_packet(5, &1, &honest[..cut]).unwrap_err();
        assert!(
            matches!(error, PacketError::Decode(error) if error.kind == DecodeErrorKind::Truncated),
            "{cut}"
        );
    }
    let other_version = [&[2], &honest[1..]].concat();
    let error = endpoint.handle_packet(5, &1, &other_version).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a packet: byte 0: written by a later version of the format; update this side"
    );
    assert_eq!((endpoint.snapshot(), endpoint.internal_validate()), (before, Ok(())));
    assert_eq!(endpoint.handle_packet(5, &1, &honest).unwrap().new, 1);
}

#[test]
fn a_claim_to_have_what_nobody_sent_costs_little_and_forgets_nothing() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    endpoint.broadcast(vec![1]).unwrap();
    deliveries(&mut endpoint);
    let lie = Forged { news: vec![(0, 1), (1, u64::MAX / 4), (2, u64::MAX / 4), (77, 5)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &lie.bytes()).unwrap();
    assert_eq!(endpoint.log_len(), 1, "2 has acknowledged nothing");
    assert_eq!(endpoint.stability().stable().len(), 0);
    let mut asked = 0;
    let mut now = 0;
    while now < 100_000 {
        now = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(now);
        asked += packets(&mut endpoint).iter().map(|(_, packet)| packet.len()).sum::<usize>();
        assert_eq!(endpoint.internal_validate(), Ok(()));
    }
    assert!(asked < 100 * 2 * 3 * 15, "{asked} bytes in 100 s");
    // Honest traffic gets through.
    let honest =
        Forged { news: vec![(2, 1)], messages: vec![message(dot(2, 1), &[dot(0, 1)], 3)], ..Forged::new() };
    assert_eq!(endpoint.handle_packet(now, &2, &honest.bytes()).unwrap().new, 1);
    assert_eq!(deliveries(&mut endpoint), [dot(2, 1)]);
}

#[test]
fn a_flood_fills_the_share_of_its_author_alone() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let mut random = Random(9);
    for _ in 0..2_000 {
        let own = dot(
            [1, 1, 1, 9][random.below(4) as usize],
            [2, 3, 9, 10, u64::MAX][random.below(5) as usize].min(2 + random.below(u64::MAX)),
        );
        let causes = [dot(2, 1 + random.below(20)), dot(8, 1)];
        let forged = message(own, &causes[..1 + random.below(2) as usize], random.below(300) as usize);
        let flood = Forged { messages: vec![forged], ..Forged::new() };
        let received = endpoint.handle_packet(0, &1, &flood.bytes()).unwrap();
        assert!(received.new + received.duplicates + received.refused == 1 || received.equivocation.is_some());
        assert!(endpoint.held_len() <= 8);
        assert_eq!(endpoint.internal_validate(), Ok(()));
    }
    assert!(endpoint.held_len() > 0);
    assert_eq!(deliveries(&mut endpoint), []);
    // The author's own next message, and others', get in.
    for honest in [message(dot(1, 1), &[], 20), message(dot(2, 1), &[], 20)] {
        let packet = Forged { messages: vec![honest], ..Forged::new() };
        assert_eq!(endpoint.handle_packet(0, &2, &packet.bytes()).unwrap().new, 1);
    }
    assert!(deliveries(&mut endpoint).starts_with(&[dot(1, 1), dot(2, 1)]));
}

#[test]
fn the_same_dot_with_another_content_is_named() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let packet = |len| Forged { messages: vec![message(dot(1, 2), &[], len)], ..Forged::new() }.bytes();
    assert_eq!(endpoint.handle_packet(0, &1, &packet(1)).unwrap().new, 1);
    assert_eq!(endpoint.handle_packet(0, &1, &packet(1)).unwrap().duplicates, 1);
    assert_eq!(endpoint.handle_packet(0, &1, &packet(2)).unwrap().equivocation, Some(dot(1, 2)));
}

#[test]
fn what_is_not_authentic_is_left_lying() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let messages = vec![message(dot(2, 1), &[], 5), message(dot(1, 1), &[], 4)];
    let packet = Forged { messages, ..Forged::new() }.bytes();
    let received =
        endpoint.handle_packet_verified(0, &1, &packet, |message| message.payload().len() == 4).unwrap();
    assert_eq!((received.new, received.refused), (1, 1));
    assert_eq!(deliveries(&mut endpoint), [dot(1, 1)]);
}

#[test]
fn huge_requests_are_answered_at_a_pace() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    for _ in 0..8 {
        endpoint.broadcast(vec![0; 45]).unwrap();
    }
    deliveries(&mut endpoint);
    packets(&mut endpoint); // once to each
    let greedy = Forged { requests: vec![(0, 1, u64::MAX), (1, 1, u64::MAX), (99, 1, 5)], ..Forged::new() };
    let mut sent = 0;
    for now in 0..1_000 {
        endpoint.handle_packet(now, &1, &greedy.bytes()).unwrap();
        assert_eq!(endpoint.internal_validate(), Ok(()));
        let to_it = packets(&mut endpoint).into_iter().filter(|(to, _)| *to == 1);
        sent += to_it.map(|(_, packet)| packet.len()).sum::<usize>();
    }
    // 300 bytes and a message in 100 ms, and acknowledgements.
    assert!((3_000..8_000).contains(&sent), "{sent} bytes in 1 s");
}

#[test]
fn a_snapshot_is_checked_byte_by_byte() {
    let mut network = Network::new(3, 4, CONFIG, 10);
    network.side[2] = 1;
    for node in [0, 1, 2, 0] {
        network.broadcast(node, 2);
    }
    network.run_until(3_000, 0);
    network.endpoint(0).broadcast(vec![9]).unwrap(); // not delivered
    network.endpoint(0).remove(&1);
    let saved = network.endpoint(0).snapshot();
    let back = Endpoint::<u8>::restore(&saved, CONFIG).unwrap();
    assert_eq!((back.snapshot(), back.internal_validate()), (saved.clone(), Ok(())));
    for cut in 0..saved.len() {
        assert!(Endpoint::<u8>::restore(&saved[..cut], CONFIG).is_err(), "{cut}");
    }
    let mut read = 0;
    for at in 0..saved.len() {
        for bit in 0..8 {
            let mut bytes = saved.clone();
            bytes[at] ^= 1 << bit;
            // Another payload, an acknowledgement that is possible: then it is a snapshot, and the only one of that.
            if let Ok(other) = Endpoint::<u8>::restore(&bytes, CONFIG) {
                assert_eq!((other.snapshot(), other.internal_validate()), (bytes, Ok(())));
                read += 1;
            }
        }
    }
    assert!(read > 0 && read < saved.len() * 4, "{read} of {}", saved.len() * 8);
    let small = EndpointConfig { window: 2, ..CONFIG };
    assert_eq!(Endpoint::<u8>::restore(&saved, small).unwrap_err(), RestoreError::WindowTooSmall);
    let few = EndpointConfig { nodes: 2, ..CONFIG };
    assert!(Endpoint::<u8>::restore(&saved, few).is_err());
}

#[test]
fn a_group_of_one_keeps_nothing() {
    let mut endpoint = Endpoint::new(0_u8, [], CONFIG).unwrap();
    for counter in 1..100 {
        assert_eq!(endpoint.broadcast(vec![]), Ok(dot(0, counter)));
        assert_eq!(deliveries(&mut endpoint), [dot(0, counter)]);
        assert_eq!((endpoint.log_len(), endpoint.poll_packet(), endpoint.poll_timeout()), (0, None, None));
    }
    assert!(endpoint.held_back_by().next().is_none());
}
