//! Extremes: the ends of the range of each size and time in the configuration, of the clock, and of the number of
//! members; and members that come and go at the same time.

use happens_before::Endpoint;
use happens_before::endpoint::{BroadcastErrorKind, EndpointConfig, GroupErrorKind};

use crate::support::{CONFIG, Faults, Network, deliveries, packets};

/// Sends messages of all sizes over a bad network, and lets it heal.
fn converges(config: EndpointConfig, seed: u64) {
    let mut network = Network::new(3, 3, config, seed);
    network.faults = Faults { loss: 25, duplicate: 25, delay_ms: 15 };
    for round in 0..40_u8 {
        let node = round % 3;
        network.broadcast_or_crash(node, round % 4 * 20, round % 11 == 10);
        network.run_until(network.now_ms + 25, 5);
    }
    network.heal();
    network.run.complete().unwrap_or_else(|violation| panic!("{config:?}: {violation}"));
    assert!(network.run.messages() > 3, "{config:?}");
}

#[test]
fn every_end_of_every_size_and_time_converges() {
    let variants = [
        EndpointConfig { window: 0, ..CONFIG },
        EndpointConfig { window: 1, ..CONFIG },
        EndpointConfig { window: u64::MAX, window_bytes: usize::MAX, ..CONFIG },
        EndpointConfig { window_bytes: 80, ..CONFIG },
        EndpointConfig { nodes: 3, ..CONFIG },
        EndpointConfig { packet: 0, ..CONFIG },
        EndpointConfig { packet: 1, ..CONFIG },
        EndpointConfig { packet: usize::MAX, ..CONFIG },
        EndpointConfig { answer_bytes: 0, ..CONFIG },
        EndpointConfig { answer_bytes: 1, packet: usize::MAX, ..CONFIG },
        EndpointConfig { answer_bytes: usize::MAX, ..CONFIG },
        EndpointConfig { delay_ms: 0, ..CONFIG },
        EndpointConfig { delay_ms: 5_000, ..CONFIG },
        EndpointConfig { retry_ms: 0, retry_max_ms: 0, ..CONFIG },
        EndpointConfig { retry_ms: 0, retry_max_ms: 1, delay_ms: 0, ..CONFIG },
        EndpointConfig { retry_ms: 500, retry_max_ms: 0, ..CONFIG },
        EndpointConfig { retry_max_ms: u64::MAX, ..CONFIG },
    ];
    for (seed, config) in (1..).zip(variants) {
        converges(config, seed);
    }
}

#[test]
fn times_without_end_are_waited_for_and_nothing_else_happens() {
    let config = EndpointConfig { delay_ms: u64::MAX, retry_ms: u64::MAX, retry_max_ms: u64::MAX, ..CONFIG };
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], config).unwrap());
    for now in [0, 5, 1 << 50, u64::MAX, 3] {
        nodes[0].broadcast(vec![1]).unwrap();
        nodes[0].handle_timeout(now);
        deliveries(&mut nodes[0]);
        for (_, packet) in packets(&mut nodes[0]) {
            nodes[1].handle_packet(now, &0, &packet).unwrap();
        }
        deliveries(&mut nodes[1]);
        assert_eq!(packets(&mut nodes[1]), []);
        assert!(nodes[1].poll_timeout().unwrap() > u64::MAX / 2);
        assert!(nodes.iter().all(|node| node.internal_validate() == Ok(())));
    }
    assert_eq!(nodes[1].delivered().get(&0), 5);
}

#[test]
fn a_clock_at_its_end_stands_still_and_goes_on_when_it_is_set_back() {
    let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1], CONFIG).unwrap());
    nodes[0].broadcast(vec![1]).unwrap();
    let mut delivered = 0;
    for now in [u64::MAX; 9].into_iter().chain((0..900).step_by(10)) {
        if now == 10 {
            assert!(nodes[0].log_len() > 0, "nothing is due at the end of time");
        }
        for from in 0..2 {
            nodes[from].handle_timeout(now);
            delivered += deliveries(&mut nodes[from]).len();
            for (to, packet) in packets(&mut nodes[from]) {
                nodes[usize::from(to)].handle_packet(now, &(from as u8), &packet).unwrap();
            }
        }
    }
    assert_eq!((delivered, nodes[0].log_len(), nodes[0].poll_timeout()), (2, 0, None));
}

#[test]
fn a_group_without_room_for_anything_says_so() {
    let none = EndpointConfig { nodes: 0, ..CONFIG };
    assert_eq!(Endpoint::new(0_u8, [], none).unwrap_err().kind, GroupErrorKind::TooManyNodes { limit: 0 });
    let one = EndpointConfig { nodes: 1, ..CONFIG };
    assert_eq!(Endpoint::new(0_u8, [1], one).unwrap_err().kind, GroupErrorKind::TooManyNodes { limit: 1 });
    let refused = Endpoint::new(0_u8, [], one).unwrap().admit(1).unwrap_err();
    assert_eq!(refused.kind, GroupErrorKind::TooManyNodes { limit: 1 });
    let silent = EndpointConfig { window_bytes: 0, ..CONFIG };
    let error = Endpoint::new(0_u8, [1], silent).unwrap().broadcast(vec![]).unwrap_err();
    assert_eq!(error.kind, BroadcastErrorKind::TooLong { limit: 0 });
}

/// Makes a large group. Ids of one byte end at 256, so these have two.
fn large(members: u16) -> Vec<Endpoint<u16>> {
    let config = EndpointConfig::default();
    (0..members).map(|node| Endpoint::new(node, 0..members, config).unwrap()).collect()
}

#[test]
fn groups_of_255_to_257_members_are_as_large_as_the_configuration_says() {
    let config = EndpointConfig::default();
    assert_eq!(
        Endpoint::new(0_u16, 0..257, config).unwrap_err().kind,
        GroupErrorKind::TooManyNodes { limit: 256 }
    );
    for members in [255, 256] {
        let mut nodes = large(members);
        // All speak at once, and one hears them all. Its next message follows all of theirs.
        for from in 0..members {
            let packet = {
                let node = &mut nodes[usize::from(from)];
                node.broadcast(vec![]).unwrap();
                let mut to_seven = std::iter::from_fn(|| node.poll_packet()).filter(|(to, _)| *to == 7);
                to_seven.next().map(|(_, packet)| packet)
            };
            packet.map(|packet| nodes[7].handle_packet(0, &from, &packet).unwrap());
        }
        let seven = &mut nodes[7];
        assert_eq!(std::iter::from_fn(|| seven.poll_delivery()).count(), usize::from(members));
        seven.broadcast(b"tea?".to_vec()).unwrap();
        let follows = seven.poll_delivery().unwrap();
        assert_eq!(follows.dependencies().len(), usize::from(members) - 1);
        let (to, packet) = std::iter::from_fn(|| seven.poll_packet()).find(|(to, _)| *to == 9).unwrap();
        let saved = seven.snapshot();
        assert_eq!(Endpoint::<u16>::resume(&saved, config).unwrap().snapshot(), saved);
        assert!(
            Endpoint::<u16>::resume(&saved, EndpointConfig { nodes: usize::from(members) - 1, ..config })
                .is_err()
        );
        assert_eq!(nodes[usize::from(to)].handle_packet(0, &7, &packet).unwrap().new, 1);
        // It lacks the messages of all others, in more ranges than one packet can request. Only seven can send them.
        let mut asked = 0;
        for now in (0..2_000).step_by(20) {
            for (from, to) in [(9, 7), (7, 9)] {
                nodes[from].handle_timeout(now);
                while nodes[from].poll_delivery().is_some() {}
                while let Some((receiver, packet)) = nodes[from].poll_packet() {
                    if usize::from(receiver) == to {
                        asked += usize::from(from == 9 && nodes[9].delivered().len() < 200);
                        nodes[to].handle_packet(now, &(from as u16), &packet).unwrap();
                    }
                }
                assert_eq!(nodes[from].internal_validate(), Ok(()));
            }
        }
        assert_eq!((nodes[9].delivered(), nodes[9].undelivered_len()), (nodes[7].delivered(), 0));
        assert!(asked >= 3, "{asked} packets");
        // One more may be too many.
        assert_eq!(nodes[7].admit(900).is_ok(), members == 255);
        assert_eq!(Endpoint::<u16>::join(900, &nodes[7].snapshot(), config).is_ok(), members == 255);
    }
}

#[test]
fn a_group_of_256_falls_silent() {
    let mut nodes = large(256);
    nodes[3].broadcast(b"tea?".to_vec()).unwrap();
    let (mut delivered, mut sent) = (0, 0);
    for now in (0..500).step_by(20) {
        for from in 0..nodes.len() {
            nodes[from].handle_timeout(now);
            delivered += std::iter::from_fn(|| nodes[from].poll_delivery()).count();
            while let Some((to, packet)) = nodes[from].poll_packet() {
                sent += 1;
                nodes[usize::from(to)].handle_packet(now, &(from as u16), &packet).unwrap();
            }
        }
    }
    assert!(nodes.iter().all(|node| node.log_len() == 0 && node.poll_timeout().is_none()));
    // Each member tells each other one, and hears the confirmation.
    assert!(delivered == 256 && sent <= 3 * 256 * 256, "{sent} packets");
}

/// Over many seeds: two nodes join by snapshots of different members, one of which lags. Meanwhile a third leaves, with
/// messages of its own still on their way.
#[test]
fn two_joins_and_a_leave_at_once() {
    let mut lost = 0;
    for seed in 0..60 {
        let mut network = Network::new(4, 6, CONFIG, seed);
        network.faults = Faults { loss: 30, duplicate: 20, delay_ms: 40 };
        network.side[3] = 1; // it lags
        for round in 0..4 {
            for node in [0, 1, 2] {
                network.broadcast(node, round);
            }
            network.run_until(network.now_ms + 60, 0);
        }
        assert_eq!(network.endpoint(3).delivered().len(), 0);
        network.side[3] = 0;
        network.broadcast(1, 9);
        for node in 0..4 {
            network.endpoint(node).admit(4).unwrap();
            network.endpoint(node).admit(5).unwrap();
            network.flush(node, false);
        }
        network.join(4, 3);
        network.run_until(network.now_ms + network.random.0 % 100, 0);
        // Some have the last messages of node 1, some do not. It is gone, and each member notices at another time.
        network.sites[1].is_down = true;
        for node in [0, 2, 3] {
            network.broadcast(node, 7);
            network.endpoint(node).remove(&1);
            network.flush(node, false);
            network.run_until(network.now_ms + 50, 0);
        }
        network.join(5, 2);
        network.broadcast(5, 3);
        network.run_until(network.now_ms + 30, 10);
        network.endpoint(4).remove(&1);
        network.flush(4, false);
        network.heal();
        // All remaining members have the same messages, and all messages of each other.
        let delivered = network.endpoint(0).delivered();
        let sent: Vec<u64> = [0, 2, 3, 5].iter().map(|node| delivered.get(node)).collect();
        assert_eq!(sent, [5, 5, 1, 1], "seed {seed}");
        lost += 5 - delivered.get(&1);
    }
    assert!((1..60).contains(&lost), "{lost} of 60 messages went with their author");
}
