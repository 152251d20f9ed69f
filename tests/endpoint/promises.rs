//! The promises of an endpoint, case by case: full windows, joining, leaving, coming back, and hostile members.

use happens_before::Endpoint;
use happens_before::codec::DecodeErrorKind;
use happens_before::endpoint::{BroadcastErrorKind, GroupErrorKind, PacketErrorKind};
use happens_before::node::DotRange;

use crate::forged::{Forged, message};
use crate::support::{CONFIG, Faults, Network, Random, deliveries, dot, packets};

#[test]
fn a_silent_member_fills_the_window_and_a_removal_empties_it() {
    let mut network = Network::new(3, 3, CONFIG, 1);
    network.sites[2].is_down = true;
    for round in 0..12 {
        let (own, other) = (network.broadcast(0, 3), network.broadcast(1, 3));
        assert_eq!((own, other), (round < 8, round < 8));
        network.run_until(network.now_ms + 300, 0);
    }
    // The others have all messages, acknowledge them, and wait only for the silent member.
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
        network.flush(node, false);
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
    // Two nodes speak to one, each once in 2 s.
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
    // The message is longer than a packet should be, so it goes alone.
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
            assert_eq!(Endpoint::join(5_u8, &snapshot, CONFIG).unwrap_err().kind, GroupErrorKind::NotAdmitted);
            assert_eq!(Endpoint::join(1_u8, &snapshot, CONFIG).unwrap_err().kind, GroupErrorKind::IdUsed);
            assert_eq!(Endpoint::join(0_u8, &snapshot, CONFIG).unwrap_err().kind, GroupErrorKind::IdUsed);
            Endpoint::join(2, &snapshot, CONFIG).unwrap()
        } else {
            Endpoint::new(2, [0, 1, 2], CONFIG).unwrap()
        };
        if is_trimmed {
            let delivered = endpoint.delivered();
            let dots: Vec<_> =
                delivered.iter().flat_map(|(&node, last)| (1..=last).map(move |c| dot(node, c))).collect();
            let mut left = dots;
            // Messages come in an order that the oracle accepts.
            while !left.is_empty() {
                let before = left.len();
                left.retain(|dot| network.run.delivered(2, dot).is_err());
                assert!(left.len() < before);
            }
        }
        network.add(endpoint);
        for node in [0, 1] {
            network.flush(node, false);
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
        network.flush(node, false);
    }
    network.add(Endpoint::new(2, [0, 1, 2], CONFIG).unwrap());
    network.flush(2, false);
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
        network.flush(node, false);
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
    network.flush(1, false);
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
        assert_eq!(endpoint.handle_packet(5, &from, &honest).unwrap_err().kind, PacketErrorKind::NotAMember);
    }
    let never_sent = Forged { news: vec![(0, 2)], ..Forged::new() };
    let refused = endpoint.handle_packet(5, &1, &never_sent.bytes()).unwrap_err();
    assert_eq!(refused.kind, PacketErrorKind::NeverSent);
    // Without the message of 9 bytes at its end, it is a packet too.
    for cut in (0..honest.len()).filter(|&cut| cut != honest.len() - 9) {
        let error = endpoint.handle_packet(5, &1, &honest[..cut]).unwrap_err();
        assert!(
            matches!(error.kind, PacketErrorKind::Decode(error) if error.kind == DecodeErrorKind::Truncated),
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
        assert!(endpoint.undelivered_len() <= 8);
        assert_eq!(endpoint.internal_validate(), Ok(()));
    }
    assert!(endpoint.undelivered_len() > 0);
    assert_eq!(deliveries(&mut endpoint), []);
    // The next message of the author is accepted, and so are those of others.
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
fn a_group_of_one_keeps_nothing() {
    let mut endpoint = Endpoint::new(0_u8, [], CONFIG).unwrap();
    for counter in 1..100 {
        assert_eq!(endpoint.broadcast(vec![]), Ok(dot(0, counter)));
        assert_eq!(deliveries(&mut endpoint), [dot(0, counter)]);
        assert_eq!((endpoint.log_len(), endpoint.poll_packet(), endpoint.poll_timeout()), (0, None, None));
    }
    assert!(endpoint.held_back_by().next().is_none());
}

#[test]
fn held_messages_do_not_keep_out_the_one_that_they_wait_for() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let mut take = |counter, len| {
        let packet = Forged { messages: vec![message(dot(1, counter), &[], len)], ..Forged::new() };
        endpoint.handle_packet(0, &1, &packet.bytes()).unwrap().new
    };
    assert_eq!((take(2, 390), take(3, 390), take(1, 390)), (1, 0, 1));
    assert_eq!(deliveries(&mut endpoint), [dot(1, 1), dot(1, 2)]);
}

#[test]
fn one_that_was_removed_comes_back_under_a_new_id_alone() {
    let mut network = Network::new(3, 4, CONFIG, 11);
    network.broadcast(0, 3);
    network.broadcast(1, 3);
    network.heal();
    network.sites[1].is_down = true;
    for node in [0, 2] {
        network.endpoint(node).remove(&1);
        let before = network.endpoint(node).snapshot();
        assert_eq!(network.endpoint(node).admit(1).unwrap_err().kind, GroupErrorKind::IdUsed);
        assert_eq!(network.endpoint(node).snapshot(), before);
        assert_eq!(network.endpoint(node).admit(3), Ok(()));
        network.flush(node, false);
    }
    let snapshot = network.endpoint(2).snapshot();
    let mut back = Endpoint::<u8>::resume(&snapshot, CONFIG).unwrap();
    assert_eq!(back.admit(1).unwrap_err().kind, GroupErrorKind::IdUsed, "a snapshot knows who has left");
    assert_eq!(Endpoint::join(1_u8, &snapshot, CONFIG).unwrap_err().kind, GroupErrorKind::NotAdmitted);
    network.add(Endpoint::join(3, &snapshot, CONFIG).unwrap());
    for (author, node) in [(0, 3), (1, 3)] {
        network.run.delivered(node, &dot(author, 1)).unwrap();
    }
    network.broadcast(3, 1);
    network.heal();
    let all = [(0, 1), (1, 1), (3, 1)].into_iter().collect();
    assert!([0, 2, 3].iter().all(|&node| network.endpoint(node).delivered() == all));
}

#[test]
fn a_group_is_full_with_those_that_have_left() {
    let mut endpoint = Endpoint::new(0_u8, [1, 2, 3, 4, 5], CONFIG).unwrap();
    assert!(endpoint.remove(&5));
    let before = endpoint.snapshot();
    assert_eq!(endpoint.admit(6).unwrap_err().kind, GroupErrorKind::TooManyNodes { limit: 6 });
    assert_eq!((endpoint.admit(4), endpoint.snapshot()), (Ok(()), before));
}

#[test]
fn what_a_member_alone_has_claimed_is_forgotten_with_it() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let lie = Forged { news: vec![(2, 5)], ..Forged::new() };
    endpoint.handle_packet(0, &1, &lie.bytes()).unwrap();
    let asks = |endpoint: &mut Endpoint<u8>| {
        let now = endpoint.poll_timeout().unwrap();
        endpoint.handle_timeout(now);
        packets(endpoint).iter().any(|(_, packet)| packet.ends_with(&[1, 2, 0, 4]))
    };
    assert!(asks(&mut endpoint), "1..=5 of 2");
    assert!(endpoint.remove(&1));
    assert_eq!(endpoint.internal_validate(), Ok(()));
    for _ in 0..3 {
        assert!(endpoint.poll_timeout().is_none() || !asks(&mut endpoint));
    }
    assert_eq!(endpoint.poll_timeout(), None);
}

#[test]
fn what_is_held_of_one_that_is_removed_is_dropped_and_asked_for_again() {
    let mut endpoint = Endpoint::new(0, [0, 1, 2], CONFIG).unwrap();
    let take = |endpoint: &mut Endpoint<u8>, now, from: u8, messages, news| {
        let packet = Forged { news, messages, ..Forged::new() };
        endpoint.handle_packet(now, &from, &packet.bytes()).unwrap().new
    };
    // Each member has a different first message of 1. The message of 2 builds on the one that 2 has.
    let own = vec![message(dot(1, 1), &[dot(2, 7)], 9), message(dot(2, 1), &[dot(1, 1)], 3)];
    assert_eq!(take(&mut endpoint, 0, 1, own, vec![]), 2);
    let other = message(dot(1, 1), &[], 4);
    let packet = Forged { messages: vec![other.clone()], ..Forged::new() };
    assert_eq!(endpoint.handle_packet(0, &2, &packet.bytes()).unwrap().equivocation, Some(dot(1, 1)));
    endpoint.broadcast(vec![]).unwrap(); // not delivered yet

    endpoint.remove(&1);
    assert_eq!((endpoint.undelivered_len(), endpoint.internal_validate()), (2, Ok(())));
    assert_eq!(take(&mut endpoint, 1, 2, vec![], vec![(1, 1), (2, 1)]), 0);
    endpoint.handle_timeout(11);
    let (to, packet) = packets(&mut endpoint).pop().unwrap();
    assert_eq!((to, packet.ends_with(&[1, 1, 0, 0, 3, 0, 0, 0])), (2, true), "{packet:?}: 1..=1 of 1");
    assert_eq!(take(&mut endpoint, 12, 2, vec![other], vec![]), 1);
    let mut all = deliveries(&mut endpoint);
    all.sort();
    assert_eq!(all, [dot(0, 1), dot(1, 1), dot(2, 1)]);
    assert_eq!(endpoint.internal_validate(), Ok(()));
}

/// For each packet that is lost while a node joins: every member learns what every other has, and all fall silent.
#[test]
fn any_one_packet_may_be_lost_while_one_joins() {
    let mut lost = 0;
    while let Some(packets) = joins_without(lost) {
        lost += 1;
        assert!(lost <= packets);
    }
    assert!(lost > 15, "{lost} packets");
}

/// Lets a node join while the packet with this number is lost. `None` if there were fewer packets.
fn joins_without(lost: u64) -> Option<u64> {
    let mut network = Network::new(3, 4, CONFIG, 12);
    for node in [0, 1, 2] {
        network.broadcast(node, 3);
    }
    network.heal();
    let before = network.packets;
    network.lost = Some(before + 1 + lost);
    network.broadcast(2, 3);
    for node in [0, 1, 2] {
        network.endpoint(node).admit(3).unwrap();
        network.flush(node, false);
    }
    let snapshot = network.endpoint(0).snapshot();
    network.add(Endpoint::join(3, &snapshot, CONFIG).unwrap());
    for author in [0, 1, 2] {
        network.run.delivered(3, &dot(author, 1)).unwrap();
    }
    network.flush(3, false);
    network.broadcast(3, 3);
    network.heal();
    network.run.complete().unwrap();
    (network.packets > before + lost).then_some(network.packets)
}

/// One node sends a message, and the packet is lost. Meanwhile the other sends a deletion. Both have the deletion
/// before both have the concurrent message.
#[test]
fn something_concurrent_may_come_after_a_message_is_stable_and_not_after_it_is_causally_stable() {
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], CONFIG).unwrap());
    nodes[1].broadcast(vec![1]).unwrap();
    deliveries(&mut nodes[1]);
    packets(&mut nodes[1]); // lost
    nodes[0].broadcast(vec![0]).unwrap();
    deliveries(&mut nodes[0]);

    let mut exchange = |now| {
        for from in [0, 1] {
            nodes[from].handle_timeout(now);
            for (to, packet) in packets(&mut nodes[from]) {
                nodes[usize::from(to)].handle_packet(now, &(from as u8), &packet).unwrap();
            }
        }
        let stable = nodes[0].stability().stable_up_to(&0);
        let delivered = (deliveries(&mut nodes[0]).len(), deliveries(&mut nodes[1]).len());
        (delivered, stable, nodes[0].causally_stable().get(&0))
    };
    assert_eq!(exchange(10), ((0, 1), 0, 0));
    assert_eq!(exchange(30), ((0, 0), 1, 0), "stable, and something concurrent is still to come");
    let mut last = (0, 0);
    for now in (40..400).step_by(10) {
        let (delivered, stable, causally_stable) = exchange(now);
        assert_eq!(delivered.1, 0);
        last = (last.0 + delivered.0, causally_stable);
        assert!(stable == 1 && (causally_stable == 0 || last.0 == 1));
    }
    assert_eq!(last, (1, 1));
}

/// The giver has sent a message that follows everything, and has not delivered it. Its next message would depend on
/// that one alone.
#[test]
fn the_first_message_of_one_that_joins_follows_all_that_is_delivered_there() {
    let mut giver = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    let packet = Forged { messages: vec![message(dot(1, 1), &[], 3)], ..Forged::new() };
    giver.handle_packet(0, &1, &packet.bytes()).unwrap();
    assert_eq!(deliveries(&mut giver), [dot(1, 1)]);
    giver.admit(2).unwrap();
    giver.broadcast(vec![]).unwrap();
    let mut joined = Endpoint::<u8>::join(2, &giver.snapshot(), CONFIG).unwrap();
    joined.broadcast(vec![]).unwrap();
    let own = std::iter::from_fn(|| joined.poll_delivery()).find(|message| *message.dot() == dot(2, 1));
    assert_eq!(own.unwrap().dependencies(), [dot(1, 1)]);
}
