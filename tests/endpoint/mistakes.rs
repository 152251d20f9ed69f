//! Mistakes of an owner: the effects of each, those that are noticed and those that are not. Nothing panics.

use happens_before::endpoint::{GroupErrorKind, PacketErrorKind};
use happens_before::node::DotRange;
use happens_before::{Endpoint, Message};

use crate::forged::{Forged, message};
use crate::support::{CONFIG, Random, deliveries, dot, packets};
use testkit::seed;

fn resume(snapshot: &[u8]) -> Endpoint<u8> {
    Endpoint::resume(snapshot, CONFIG).unwrap()
}

/// The reason why a packet is refused.
fn refused(endpoint: &mut Endpoint<u8>, from: u8, packet: &[u8]) -> PacketErrorKind {
    endpoint.handle_packet(0, &from, packet).unwrap_err().kind
}

fn group<const N: usize>() -> [Endpoint<u8>; N] {
    std::array::from_fn(|node| Endpoint::new(node as u8, 0..N as u8, CONFIG).unwrap())
}

/// Lets 5 s pass from `from_ms` on, without losses. Returns the delivered messages, by node.
fn exchange<const N: usize>(nodes: &mut [Endpoint<u8>; N], from_ms: u64) -> [Vec<Message<u8, Vec<u8>>>; N] {
    let mut delivered = std::array::from_fn(|_| vec![]);
    for now in (from_ms..from_ms + 5_000).step_by(10) {
        for from in 0..N {
            nodes[from].handle_timeout(now);
            delivered[from].extend(std::iter::from_fn(|| nodes[from].poll_delivery()));
            for (to, packet) in packets(&mut nodes[from]) {
                if let Some(node) = nodes.get_mut(usize::from(to)) {
                    // A refused packet counts as lost.
                    let _ = node.handle_packet(now, &(from as u8), &packet);
                }
            }
        }
    }
    for node in nodes {
        assert_eq!(node.internal_validate(), Ok(()));
    }
    delivered
}

#[test]
fn one_that_comes_back_from_an_older_snapshot_is_told_if_it_hears_of_its_own_first() {
    let mut nodes = group::<2>();
    let old = nodes[0].snapshot();
    nodes[0].broadcast(b"tea?".to_vec()).unwrap();
    for (_, packet) in packets(&mut nodes[0]) {
        nodes[1].handle_packet(0, &0, &packet).unwrap();
    }
    deliveries(&mut nodes[1]);
    nodes[0] = resume(&old);
    nodes[1].handle_timeout(CONFIG.delay_ms);
    let (to, packet) = packets(&mut nodes[1]).pop().unwrap();
    assert_eq!((to, refused(&mut nodes[0], 1, &packet)), (0, PacketErrorKind::NeverSent));
}

/// A node that goes back to an older snapshot has confirmed vectors that it no longer knows, and others do not repeat
/// them.
#[test]
fn one_that_comes_back_from_an_older_snapshot_and_speaks_uses_a_number_twice_and_nobody_notices() {
    let mut nodes = group::<2>();
    let old = nodes[0].snapshot();
    nodes[0].broadcast(b"tea?".to_vec()).unwrap();
    let [_, at_other] = exchange(&mut nodes, 0);
    assert_eq!(at_other[0].payload(), b"tea?");

    nodes[0] = resume(&old);
    assert_eq!(nodes[0].broadcast(b"no!".to_vec()), Ok(dot(0, 1)));
    let [at_own, at_other] = exchange(&mut nodes, 5_000);
    assert_eq!((at_own[0].payload(), at_other.len()), (&b"no!".to_vec(), 0), "lost, and nobody knows");
    assert_eq!(nodes[0].delivered(), nodes[1].delivered());
}

#[test]
fn one_that_comes_back_from_an_older_snapshot_learns_what_it_has_lost_of_others() {
    let mut nodes = group::<2>();
    let old = nodes[1].snapshot();
    nodes[0].broadcast(b"tea?".to_vec()).unwrap();
    exchange(&mut nodes, 0);
    assert_eq!(nodes[0].log_len(), 0, "it is everywhere, and forgotten");
    nodes[1] = resume(&old);
    exchange(&mut nodes, 5_000);
    assert_eq!(nodes[1].lost().count(), 0, "nobody speaks of it");
    nodes[0].broadcast(b"milk?".to_vec()).unwrap();
    assert_eq!(exchange(&mut nodes, 10_000)[1], [], "it waits for the first");
    assert!(nodes[1].lost().eq([DotRange::new(0, 1..=1).unwrap()]));
}

#[test]
fn of_two_that_come_back_from_one_snapshot_each_is_told_when_it_hears_of_the_other() {
    let saved = group::<3>()[0].snapshot();
    let mut twins = [resume(&saved), resume(&saved)];
    let [_, mut one, mut two] = group::<3>();
    for (twin, text) in twins.iter_mut().zip(["tea?", "no!"]) {
        assert_eq!(twin.broadcast(text.into()), Ok(dot(0, 1)));
        twin.broadcast(vec![]).unwrap();
    }
    let said = twins.each_mut().map(|twin| packets(twin).pop().unwrap().1);
    assert_eq!(one.handle_packet(0, &0, &said[0]).unwrap().new, 2);
    assert_eq!(two.handle_packet(0, &0, &said[1]).unwrap().new, 2);
    // While the first content is held, the second is noticed. Once the first is delivered, the second is a duplicate.
    assert_eq!(one.handle_packet(0, &0, &said[1]).unwrap().equivocation, Some(dot(0, 1)));
    deliveries(&mut one);
    let again = one.handle_packet(0, &0, &said[1]).unwrap();
    assert_eq!((again.duplicates, again.equivocation), (2, None));
    // A twin notices when others have more of its messages than it has sent.
    one.handle_timeout(CONFIG.delay_ms);
    let to_zero = packets(&mut one).into_iter().find(|(to, _)| *to == 0).unwrap().1;
    let mut third = resume(&saved);
    assert_eq!(refused(&mut third, 1, &to_zero), PacketErrorKind::NeverSent);
    assert!(twins[1].handle_packet(0, &1, &to_zero).is_ok(), "one that has sent as much is not");
}

/// A giver that sends its snapshot before saving it forgets, in a crash, messages that the newcomer has.
#[test]
fn a_snapshot_that_was_given_away_and_not_saved_shows_when_its_giver_comes_back() {
    let mut nodes = group::<2>();
    nodes[1].admit(2).unwrap();
    let saved = nodes[0].snapshot();
    nodes[0].admit(2).unwrap();
    nodes[0].broadcast(b"tea?".to_vec()).unwrap();
    deliveries(&mut nodes[0]);
    let mut newcomer = Endpoint::<u8>::join(2, &nodes[0].snapshot(), CONFIG).unwrap();
    nodes[0] = resume(&saved);
    newcomer.handle_timeout(0);
    newcomer.handle_timeout(CONFIG.delay_ms);
    let (to, packet) = packets(&mut newcomer).remove(0);
    assert_eq!((to, refused(&mut nodes[0], 2, &packet)), (0, PacketErrorKind::NotAMember));
    nodes[0].admit(2).unwrap();
    assert_eq!(refused(&mut nodes[0], 2, &packet), PacketErrorKind::NeverSent);
}

#[test]
fn polling_packets_changes_nothing_that_is_saved() {
    let mut nodes = group::<3>();
    for now in (0..300).step_by(10) {
        for from in 0..3 {
            if now % 50 == 0 {
                nodes[from].broadcast(vec![from as u8]).unwrap();
            }
            nodes[from].handle_timeout(now);
            deliveries(&mut nodes[from]);
            let before = nodes[from].snapshot();
            for (to, packet) in packets(&mut nodes[from]) {
                assert_eq!(nodes[from].snapshot(), before);
                nodes[usize::from(to)].handle_packet(now, &(from as u8), &packet).unwrap();
            }
        }
    }
    assert!(nodes.iter().all(|node| node.delivered().iter().map(|(_, count)| count).sum::<u64>() >= 15));
}

#[test]
fn its_own_packet_is_refused_unless_the_transport_says_it_came_from_another() {
    let mut endpoint = Endpoint::new(0, [0, 1], CONFIG).unwrap();
    endpoint.broadcast(vec![1]).unwrap();
    deliveries(&mut endpoint);
    let (_, packet) = packets(&mut endpoint).pop().unwrap();
    let before = endpoint.snapshot();
    assert_eq!(refused(&mut endpoint, 0, &packet), PacketErrorKind::NotAMember);
    assert_eq!((endpoint.snapshot(), endpoint.log_len()), (before, 1));
    // If it does, the packet claims that the other member has the message.
    let reflected = endpoint.handle_packet(0, &1, &packet).unwrap();
    assert_eq!((reflected.new, reflected.duplicates, endpoint.log_len()), (0, 1, 0));
}

/// A packet confirms the vector of its receiver. At a different receiver it would confirm news that it was never told.
#[test]
fn a_packet_that_is_brought_to_another_member_misleads_it() {
    let mut nodes = group::<3>();
    nodes[1].broadcast(b"tea?".to_vec()).unwrap();
    let said = packets(&mut nodes[1]);
    deliveries(&mut nodes[1]);
    for (to, packet) in said {
        nodes[usize::from(to)].handle_packet(0, &1, &packet).unwrap();
        deliveries(&mut nodes[usize::from(to)]);
    }
    nodes[0].handle_timeout(CONFIG.delay_ms);
    let (to, packet) = packets(&mut nodes[0]).remove(0);
    assert_eq!(to, 1);
    nodes[2].handle_packet(0, &0, &packet).unwrap();
    let log_lens = |nodes: &[Endpoint<u8>; 3]| [0, 1, 2].map(|node: usize| nodes[node].log_len());
    exchange(&mut nodes, 100);
    assert_eq!(log_lens(&nodes), [1, 0, 0], "2 does not tell 0 that it has the message");
    // Later changes are told, without the earlier ones.
    nodes[0].broadcast(vec![]).unwrap();
    exchange(&mut nodes, 6_000);
    assert_eq!(log_lens(&nodes), [1, 0, 0]);
    nodes[1].broadcast(vec![]).unwrap();
    exchange(&mut nodes, 12_000);
    assert_eq!(log_lens(&nodes), [0, 0, 0], "and the same entry with all before it");
}

/// Groups with the same ids, whose packets are brought to members of other groups and to wrong receivers.
#[test]
fn packets_that_are_brought_to_the_wrong_one_break_no_bound() {
    let mut random = Random(seed());
    // The number of refusals before all windows are full differs between groups, so there are several.
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..3 {
        let mut nodes: [_; 6] =
            std::array::from_fn(|node| Endpoint::new(node as u8 % 3, 0..3, CONFIG).unwrap());
        for now in (0..60_000).step_by(10) {
            let from = random.below(6) as usize;
            let _ = nodes[from].broadcast(vec![from as u8; random.below(9) as usize]);
            nodes[from].handle_timeout(now);
            deliveries(&mut nodes[from]);
            for (_, packet) in packets(&mut nodes[from]) {
                let node = &mut nodes[random.below(6) as usize];
                match node.handle_packet(now, &(from as u8 % 3), &packet) {
                    Ok(_) => taken += 1,
                    Err(error) => {
                        let noticed = [PacketErrorKind::NotAMember, PacketErrorKind::NeverSent];
                        assert!(noticed.contains(&error.kind), "{error}");
                        refused += 1;
                    }
                }
                assert_eq!(node.internal_validate(), Ok(()));
                assert!(node.log_len() <= 24 && node.undelivered_len() <= 24);
                let saved = node.snapshot();
                assert_eq!(resume(&saved).snapshot(), saved);
            }
        }
    }
    assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused");
}

/// A member that claims messages of a node that has not joined yet keeps that id from joining, because the id looks
/// used.
#[test]
fn a_lie_about_an_id_keeps_it_from_joining_and_no_other() {
    let [mut zero, _] = group::<2>();
    zero.admit(2).unwrap();
    let lie = Forged { news: vec![(2, 1)], ..Forged::new() };
    zero.handle_packet(0, &1, &lie.bytes()).unwrap();
    zero.admit(3).unwrap();
    let snapshot = zero.snapshot();
    assert_eq!(Endpoint::<u8>::join(2, &snapshot, CONFIG).unwrap_err().kind, GroupErrorKind::IdUsed);
    assert!(Endpoint::<u8>::join(3, &snapshot, CONFIG).is_ok());
    zero.remove(&1);
    assert!(Endpoint::<u8>::join(2, &zero.snapshot(), CONFIG).is_ok(), "the lie has gone with the liar");
}

#[test]
fn a_lie_about_what_is_forgotten_is_believed_until_the_liar_is_removed_and_delays_nothing() {
    let [mut zero, ..] = group::<3>();
    let lie = Forged { news: vec![(2, 9)], forgotten: vec![(2, 9)], ..Forged::new() };
    zero.handle_packet(0, &1, &lie.bytes()).unwrap();
    assert!(zero.lost().eq([DotRange::new(2, 1..=9).unwrap()]));
    let honest = Forged { messages: vec![message(dot(2, 1), &[], 3)], news: vec![(2, 1)], ..Forged::new() };
    zero.handle_packet(0, &2, &honest.bytes()).unwrap();
    assert_eq!(deliveries(&mut zero), [dot(2, 1)]);
    zero.remove(&1);
    assert_eq!(zero.lost().count(), 0);
}
