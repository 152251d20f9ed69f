//! Snapshots of endpoints in bytes: the format does not change, each snapshot has one form, and everything in it is
//! checked.

use happens_before::codec::DecodeErrorKind;
use happens_before::endpoint::{EndpointConfig, GroupErrorKind};
use happens_before::{Dot, Endpoint, VersionVector};

use crate::support::CONFIG;

const GOLDEN: &str = include_str!("../golden/endpoint.txt");

/// Exchanges all packets between nodes 0 and 1, until there are none.
fn exchange(nodes: &mut [Endpoint<u8>; 2]) {
    for now in (0..).step_by(10).take(5) {
        for from in [0, 1] {
            nodes[from].handle_timeout(now);
            while nodes[from].poll_delivery().is_some() {}
            while let Some((to, packet)) = nodes[from].poll_packet() {
                if to < 2 {
                    nodes[usize::from(to)].handle_packet(now, &(from as u8), &packet).unwrap();
                }
            }
        }
    }
}

/// Makes endpoints of different kinds. The first is alone. The second has sent messages that it has not delivered. The
/// third is in a group with a silent member. The fourth is in the same group, after that member was removed and another
/// has joined.
fn endpoints() -> Vec<Endpoint<u8>> {
    let alone = Endpoint::new(7, [], CONFIG).unwrap();
    let mut undelivered = Endpoint::new(7, [8], CONFIG).unwrap();
    undelivered.broadcast(b"tea?".to_vec()).unwrap();
    let busy = || {
        let mut nodes = [0, 1].map(|node| Endpoint::new(node, [0, 1, 2], CONFIG).unwrap());
        nodes[0].broadcast(b"tea?".to_vec()).unwrap();
        exchange(&mut nodes);
        nodes[1].broadcast(b"yes".to_vec()).unwrap();
        exchange(&mut nodes);
        nodes[0].broadcast(vec![]).unwrap();
        nodes
    };
    let [with_silent, _] = busy();
    let [_, mut without] = busy();
    assert!(without.remove(&2));
    assert_eq!(without.admit(200), Ok(()));
    vec![alone, undelivered, with_silent, without]
}

fn golden() -> Vec<Vec<u8>> {
    let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix("snapshot "));
    let byte = |hex| u8::from_str_radix(hex, 16).unwrap();
    lines.map(|line| (0..line.len()).step_by(2).map(|at| byte(&line[at..at + 2])).collect()).collect()
}

#[test]
fn snapshots_are_as_they_always_were() {
    let hex = |bytes: Vec<u8>| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let now: Vec<_> = endpoints().iter().map(|endpoint| hex(endpoint.snapshot())).collect();
    let golden: Vec<_> = golden().into_iter().map(hex).collect();
    assert_eq!(golden, now);
}

#[test]
fn what_was_saved_long_ago_goes_on() {
    let [alone, undelivered, with_silent, without] =
        <[_; 4]>::try_from(golden()).unwrap().map(|bytes| Endpoint::<u8>::resume(&bytes, CONFIG).unwrap());
    assert_eq!((alone.node(), alone.delivered().len(), alone.stability().members().count()), (&7, 0, 1));
    let mut undelivered = undelivered;
    let message = undelivered.poll_delivery().unwrap();
    assert_eq!((*message.dot(), &message.payload()[..]), (Dot::new(7, 1).unwrap(), &b"tea?"[..]));
    assert!(with_silent.held_back_by().eq(&[2]));
    assert_eq!(with_silent.log_len(), 3);
    assert!(without.stability().members().eq(&[0, 1, 200]));
    assert_eq!(without.stability().stable().iter().collect::<Vec<_>>(), [(&0, 1), (&1, 1)]);
    // Messages in one snapshot are there for the other node.
    let mut nodes = [with_silent, without];
    exchange(&mut nodes);
    assert_eq!(nodes[0].delivered(), nodes[1].delivered());
    assert_eq!(nodes[1].delivered().get(&0), 2);
}

#[test]
fn snapshots_have_one_form_each() {
    let (mut read, mut refused) = (0, 0);
    for endpoint in endpoints() {
        let bytes = endpoint.snapshot();
        let mut variants = vec![bytes.clone()];
        // Every change of one or two bits, every cut, every byte inserted and removed.
        let bits = bytes.len() * 8;
        for (first, second) in (0..bits).flat_map(|first| (first..bits).map(move |second| (first, second))) {
            let mut variant = bytes.clone();
            variant[first / 8] ^= 1 << (first % 8);
            if second > first {
                variant[second / 8] ^= 1 << (second % 8);
            }
            variants.push(variant);
        }
        variants.extend((0..bytes.len()).map(|cut| bytes[..cut].to_vec()));
        variants.extend((0..bytes.len()).map(|at| [&bytes[..at], &bytes[at + 1..]].concat()));
        for (at, byte) in (0..=bytes.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            variants.push([&bytes[..at], &[byte], &bytes[at..]].concat());
        }
        for variant in variants {
            match Endpoint::<u8>::resume(&variant, CONFIG) {
                Ok(other) => {
                    assert_eq!((other.internal_validate(), other.snapshot()), (Ok(()), variant));
                    read += 1;
                }
                Err(error) => {
                    if let GroupErrorKind::Decode(error) = error.kind {
                        assert!(error.at <= variant.len());
                    }
                    refused += 1;
                }
            }
        }
        for cut in 0..bytes.len() {
            assert!(Endpoint::<u8>::resume(&bytes[..cut], CONFIG).is_err(), "{cut} of {bytes:?}");
        }
    }
    assert!(read > 1_000 && refused > 20 * read, "{read} read, {refused} refused");
}

#[test]
fn snapshots_that_contradict_themselves_or_the_configuration_are_refused() {
    let kind = |bytes: &[u8]| match Endpoint::<u8>::resume(bytes, CONFIG).unwrap_err().kind {
        GroupErrorKind::Decode(error) => error.kind,
        other => panic!("{other:?}"),
    };
    let vector = |entries: &[(u8, u64)]| {
        let mut bytes = vec![];
        happens_before::codec::encode(&entries.iter().copied().collect::<VersionVector<u8>>(), &mut bytes);
        bytes
    };
    let none = vector(&[]);
    // Node 7 has sent one message of 4 bytes, and delivered none. 7 and 8 are members, and no node has left.
    let message = |causes: &[(u8, u64)]| {
        let message = [&vector(causes)[..], &[7, 0, b'!', b'!']].concat();
        [&[message.len() as u8][..], &message].concat()
    };
    let with = |changes: &[(usize, &[u8])]| {
        let mut parts: [&[u8]; 14] = [
            &[1], // 0: version
            &[7],
            &[1], // 2: sent
            &none,
            &none, // 4: the frontier
            &[2],
            &[7], // 6: the first member, what it has, and its revision
            &none,
            &[0],
            &[8], // 9: the second one
            &none,
            &[0],
            &[0], // 12: nodes that have left
            &message(&[]),
        ];
        changes.iter().for_each(|&(at, part)| parts[at] = part);
        parts.concat()
    };
    let resumed = Endpoint::<u8>::resume(&with(&[]), CONFIG).unwrap();
    assert_eq!((resumed.snapshot(), resumed.undelivered_len()), (with(&[]), 1));
    let contradictions: &[&[(usize, &[u8])]] = &[
        &[(2, &[2])],               // two sent, one there
        &[(1, &[9])],               // not a member of its own group
        &[(8, &[1])],               // a revision of its own
        &[(3, &vector(&[(8, 1)]))], // delivered, and not acknowledged
        &[(3, &vector(&[(7, 1)]))],
        &[(4, &vector(&[(8, 1)]))],  // would depend on what is not delivered
        &[(10, &vector(&[(7, 2)]))], // another has more than was sent
        &[(10, &vector(&[(7, u64::MAX)]))],
        &[(10, &vector(&[(9, 1)]))],  // of a node that is not known
        &[(12, &[1, 8])],             // a member that has left
        &[(13, &message(&[(8, 1)]))], // builds on what is not delivered, and would wait for ever
    ];
    for &changes in contradictions {
        assert_eq!(kind(&with(changes)), DecodeErrorKind::Contradiction, "{changes:?}");
    }
    assert_eq!(kind(&with(&[(4, &vector(&[(7, 1)]))])), DecodeErrorKind::OwnDependency);
    assert_eq!(kind(&with(&[(0, &[2])])), DecodeErrorKind::UnknownVersion);
    assert_eq!(kind(&with(&[(2, &[0])])), DecodeErrorKind::TrailingBytes); // none sent, one there
    assert_eq!(kind(&with(&[(9, &[6])])), DecodeErrorKind::Unsorted);
    assert_eq!(kind(&with(&[(12, &[2, 4, 4])])), DecodeErrorKind::Unsorted);
    assert_eq!(kind(&with(&[(5, &[7])])), DecodeErrorKind::TooManyEntries { limit: 6 });
    assert_eq!(kind(&with(&[(13, &[9, 0])])), DecodeErrorKind::Truncated);
    // Acknowledgements of another member, and their revision, are not contradictions.
    assert!(Endpoint::<u8>::resume(&with(&[(10, &vector(&[(7, 1)])), (11, &[5])]), CONFIG).is_ok());

    let busy = endpoints().remove(2).snapshot();
    let small = EndpointConfig { window: 1, ..CONFIG };
    assert_eq!(Endpoint::<u8>::resume(&busy, small).unwrap_err().kind, GroupErrorKind::WindowTooSmall);
    let short = EndpointConfig { window_bytes: 4, ..CONFIG };
    assert_eq!(Endpoint::<u8>::resume(&busy, short).unwrap_err().kind, GroupErrorKind::WindowTooSmall);
    let few = EndpointConfig { nodes: 2, ..CONFIG };
    assert!(Endpoint::<u8>::resume(&busy, few).is_err());
}

/// A node that has acknowledged more than the snapshot holds was in the group before.
#[test]
fn an_id_that_has_acknowledged_something_cannot_join_again() {
    let [mut zero, mut one] = [0_u8, 1].map(|node| Endpoint::new(node, [0, 1], CONFIG).unwrap());
    zero.admit(200).unwrap();
    one.admit(200).unwrap();
    let mut joined = Endpoint::<u8>::join(200, &zero.snapshot(), CONFIG).unwrap();
    assert!(Endpoint::<u8>::join(200, &one.snapshot(), CONFIG).is_ok());
    // 200 has a message that 1 lacks, and tells 1.
    zero.broadcast(b"tea?".to_vec()).unwrap();
    while let Some((to, packet)) = zero.poll_packet() {
        if to == 200 {
            joined.handle_packet(0, &0, &packet).unwrap();
        }
    }
    assert!(joined.poll_delivery().is_some());
    joined.handle_timeout(1_000);
    let to_one: Vec<_> = std::iter::from_fn(|| joined.poll_packet()).filter(|(to, _)| *to == 1).collect();
    assert!(!to_one.is_empty());
    for (_, packet) in to_one {
        one.handle_packet(0, &200, &packet).unwrap();
    }
    assert_eq!(Endpoint::<u8>::join(200, &one.snapshot(), CONFIG).unwrap_err().kind, GroupErrorKind::IdUsed);
}
