//! A hostile neighbour, which forges under ids of its own, replays, repeats numbers, names messages that never come,
//! and floods. Nothing panics, every bound holds, and the messages of an honest neighbour get through as if the hostile
//! one were not there.
#![cfg(feature = "alloc")]

use happens_before::check::CausalRun;
use happens_before::delivery::{AcceptErrorKind, Accepted, BufferLimits};
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, CausalSender, Dot, Message};
use quickcheck::Gen;
use testkit::below;

/// A node. Ids below 100 are honest nodes, all others are Mallory's.
type Node = u64;
type Msg = Message<Node, u32>;

const HONEST: Node = 4;
const MALLORY: Node = 100;
const LIMITS: BufferLimits =
    BufferLimits { messages: 60, bytes: 6_000, horizon: 1_000, nodes: 40, dependencies: 8, sources: 5 };

fn measure(payload: &u32) -> usize {
    *payload as usize
}

/// Makes the messages of honest nodes. Each has delivered all but the last few messages.
fn honest_messages(random: &mut Gen, count: usize) -> Vec<Msg> {
    let mut senders: Vec<_> = (0..HONEST).map(|node| (CausalSender::new(node), 0)).collect();
    let mut sent: Vec<Msg> = Vec::new();
    for number in 0..count {
        let (sender, seen) = &mut senders[number % HONEST as usize];
        let up_to = number.saturating_sub(below(random, 6) as usize).max(*seen);
        sent[*seen..up_to].iter().for_each(|message| sender.observe(message));
        *seen = up_to;
        sent.push(sender.stamp(below(random, 20) as u32).unwrap());
    }
    sent
}

/// Makes a message by one of Mallory's tricks.
fn forged(random: &mut Gen, seen: &[Msg]) -> Msg {
    let own = MALLORY + below(random, 200);
    let counter = 1 + below(random, 50);
    let dot = |node, counter| Dot::new(node, counter).unwrap();
    let forged =
        |own, dependencies: &[Dot<Node>], payload| Message::new(own, dependencies.to_vec(), payload).unwrap();
    match below(random, 8) {
        // It waits for its own past, which never comes.
        0 => forged(dot(own, 2 + counter), &[], 7),
        // It waits for an honest node's future.
        1 => forged(dot(own, counter), &[dot(below(random, HONEST), 900 + counter)], 7),
        // It waits in a cycle.
        2 => forged(dot(MALLORY, 1), &[dot(MALLORY + 1, 1)], 7),
        3 => forged(dot(MALLORY + 1, 1), &[dot(MALLORY, 1)], 7),
        // Its number is from the end of the range.
        4 => forged(dot(own, u64::MAX - counter), &[dot(below(random, HONEST), u64::MAX)], 7),
        // There are two contents for one number, some as large as everything else.
        5 => forged(dot(MALLORY, 9), &[], below(random, 7_000) as u32),
        // It has more dependencies than allowed.
        6 => forged(dot(own, counter), &(0..12).map(|n| dot(own + 1 + n, 1)).collect::<Vec<_>>(), 7),
        // It is a replay.
        _ => match seen.len() {
            0 => forged(dot(own, 1), &[], 7),
            len => seen[below(random, len as u64) as usize].clone(),
        },
    }
}

#[test]
fn honest_traffic_gets_through_a_flood() {
    let mut random = testkit::random();
    let (mut evicted, mut refused, mut held_for_mallory, mut waited) = (0, 0, 0, 0);
    for _ in 0..60 {
        let messages = honest_messages(&mut random, 300);
        let mut run = CausalRun::new(1);
        for message in &messages {
            run.sent(*message.dot(), message.dependencies().iter().copied()).unwrap();
        }
        // The honest neighbour brings messages out of order, but not by more than its share.
        let mut arriving = messages.clone();
        for window in arriving[HONEST as usize..].chunks_mut(8) {
            for at in (1..window.len()).rev() {
                window.swap(at, below(&mut random, at as u64 + 1) as usize);
            }
        }
        let mut buffer = CausalBuffer::measured(LIMITS, measure);
        let mut deliver = |buffer: &mut CausalBuffer<Node, u32>| {
            while let Some(message) = buffer.pop() {
                if *message.dot().node() < HONEST {
                    run.delivered(0, message.dot()).unwrap();
                }
            }
        };
        for (at, message) in arriving.iter().enumerate() {
            let accepted = buffer.accept_from(&0, message.clone());
            assert!(matches!(accepted, Ok(Accepted::Ready | Accepted::Held)), "{accepted:?}");
            waited += usize::from(accepted == Ok(Accepted::Held));
            // The first messages make the honest nodes known. Messages of unknown nodes have no reserved room.
            for _ in 0..if at < HONEST as usize { 0 } else { below(&mut random, 40) } {
                let before = buffer.len();
                match buffer.accept_from(&MALLORY, forged(&mut random, &arriving[..at])) {
                    Ok(Accepted::Held) if buffer.len() <= before => evicted += 1,
                    Ok(Accepted::Held) => held_for_mallory += 1,
                    Ok(_) => {}
                    Err(error) => {
                        refused += 1;
                        assert!(!error.to_string().is_empty());
                    }
                }
                assert!(buffer.len() <= LIMITS.messages + LIMITS.nodes);
            }
            assert_eq!(buffer.internal_validate(), Ok(()));
            deliver(&mut buffer);
        }
        assert_eq!(run.complete(), Ok(()));
        // When Mallory is cut off, the messages that only Mallory has brought go.
        buffer.remove_source(&MALLORY);
        assert!(buffer.is_empty());
    }
    let seen =
        format!("{evicted} evicted, {refused} refused, {held_for_mallory} held, {waited} honest ones waited");
    assert!(evicted > 300 && refused > 10_000 && held_for_mallory > 2_000 && waited > 3_000, "{seen}");
}

#[test]
fn a_source_within_its_share_is_neither_evicted_nor_refused() {
    let limits = BufferLimits { messages: 30, sources: 2, ..BufferLimits::default() };
    let share = 10;
    let later = |node: Node, counter| Message::new(Dot::new(node, counter).unwrap(), [], 0_u32).unwrap();
    let mut buffer = CausalBuffer::new(limits);
    // Mallory fills the buffer.
    for counter in 0..30 {
        assert_eq!(buffer.accept_from(&MALLORY, later(MALLORY, 2 + counter)), Ok(Accepted::Held));
    }
    let refused = buffer.accept_from(&MALLORY, later(MALLORY, 99)).unwrap_err();
    assert_eq!(refused.kind, AcceptErrorKind::BufferFull { limit: 30 });
    // A nearer message takes the place of the furthest one.
    assert_eq!(buffer.accept_from(&MALLORY, later(MALLORY + 1, 2)), Ok(Accepted::Held));
    assert!(buffer.undelivered().all(|message| message.dot().counter() < 31));
    // An honest neighbour gets its share, and so do messages without a source.
    for counter in 0..share {
        assert_eq!(buffer.accept_from(&0, later(0, 500 + counter)), Ok(Accepted::Held));
        assert_eq!(buffer.accept(later(1, 500 + counter)), Ok(Accepted::Held));
    }
    for at in 0..100 {
        assert!(
            buffer.accept_from(&MALLORY, later(MALLORY, 200 + at)).is_err(),
            "not at the cost of the others"
        );
    }
    assert_eq!(buffer.undelivered().filter(|message| *message.dot().node() < HONEST).count(), 20);
    assert_eq!(buffer.undelivered().filter(|message| *message.dot().node() >= MALLORY).count(), 10);
    // A third source has no place until one is removed.
    let refused = buffer.accept_from(&2, later(2, 9)).unwrap_err();
    assert_eq!(refused.kind, AcceptErrorKind::TooManySources { limit: 2 });
    assert!(refused.to_string().contains("remove a source that is gone, or raise the limit"));
    assert_eq!(buffer.accept_from(&2, later(2, 1)), Ok(Accepted::Ready), "what is ready needs no place");
    assert_eq!(buffer.remove_source(&MALLORY), 10);
    assert_eq!(buffer.accept_from(&2, refused.refused), Ok(Accepted::Held));
    // Evicted messages are missing, and are accepted again.
    assert_eq!(
        buffer.missing().filter(|gap| *gap.node() == MALLORY).map(|gap| *gap.counters().end()).max(),
        Some(31)
    );
    assert_eq!(buffer.accept_from(&0, later(MALLORY, 31)), Ok(Accepted::Held));
}

#[test]
fn what_can_be_delivered_is_not_evicted_although_nobody_has_popped_it() {
    let limits = BufferLimits { messages: 2, sources: 1, ..BufferLimits::default() };
    let message = |node: Node, counter| Message::new(Dot::new(node, counter).unwrap(), [], 0_u32).unwrap();
    let mut buffer = CausalBuffer::new(limits);
    buffer.accept_from(&MALLORY, message(1, 2)).unwrap();
    buffer.accept_from(&MALLORY, message(2, 9)).unwrap();
    buffer.accept(message(1, 1)).unwrap();
    assert_eq!(buffer.pop(), Some(message(1, 1)));
    // (1, 2) is released now, and no longer counts: there is room without an eviction.
    assert_eq!(buffer.accept(message(3, 2)), Ok(Accepted::Held));
    assert_eq!(buffer.len(), 3);
    assert_eq!(buffer.remove_source(&MALLORY), 1);
    assert_eq!(buffer.pop(), Some(message(1, 2)));
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn bytes_are_shared_too_and_a_refusal_evicts_nothing() {
    let size = size_of::<Dot<Node>>();
    let limits = BufferLimits { bytes: 1_000, sources: 1, ..BufferLimits::default() };
    let message =
        |node: Node, counter, payload| Message::new(Dot::new(node, counter).unwrap(), [], payload).unwrap();
    let mut buffer = CausalBuffer::measured(limits, measure);
    for counter in 0..10 {
        buffer.accept_from(&MALLORY, message(MALLORY, 50 + counter, 100 - size as u32)).unwrap();
    }
    // The sizes are one byte too much, five times as much, and the largest of all. The message itself is furthest ahead.
    for payload in [1, 500, 1_000, u32::MAX] {
        let refused = buffer.accept_from(&MALLORY, message(MALLORY + 1, 70, payload)).unwrap_err();
        assert_eq!(refused.kind, AcceptErrorKind::BytesFull { limit: 1_000 });
        assert!(refused.to_string().contains("exceeds the limit of 1000 bytes held"), "{refused}");
    }
    assert_eq!(buffer.len(), 10);
    // The message is nearer than some, but too large even without them. So they stay.
    buffer.accept_from(&MALLORY, message(MALLORY, 55, 1_000)).unwrap_err();
    buffer.accept_from(&MALLORY, message(MALLORY + 1, 56, 900 - size as u32)).unwrap_err();
    assert_eq!((buffer.len(), buffer.internal_validate()), (10, Ok(())));
    // The message is within the share of another source. The five furthest of the ten messages go.
    assert_eq!(buffer.accept(message(0, 99, 500 - size as u32)), Ok(Accepted::Held));
    assert!(buffer.undelivered().map(|message| message.dot().counter()).eq([99, 50, 51, 52, 53, 54]));
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn a_message_that_two_have_brought_survives_either_of_them() {
    let message = |counter| Message::new(Dot::new(0, counter).unwrap(), [], 0_u32).unwrap();
    for (first, second) in [(1, 2), (2, 1)] {
        let mut buffer = CausalBuffer::new(LIMITS);
        for source in [1, 2, 3] {
            buffer.accept_from(&source, message(5)).unwrap();
        }
        assert_eq!(buffer.remove_source(&first), 0);
        assert_eq!(buffer.internal_validate(), Ok(()));
        // The third source was not noted.
        assert_eq!(buffer.remove_source(&second), 1);
        assert!(buffer.is_empty());
        assert!(buffer.missing().eq([DotRange::new(0, 1..=5).unwrap()]));
        assert_eq!(buffer.remove_source(&first), 0, "gone already");
        assert_eq!(buffer.accept_from(&3, message(5)), Ok(Accepted::Held));
        assert_eq!(buffer.internal_validate(), Ok(()));
    }
}

#[test]
fn who_brings_first_what_another_brings_too_cannot_have_it_evicted() {
    let message = |node: Node, counter| Message::new(Dot::new(node, counter).unwrap(), [], 0_u32).unwrap();
    let mut buffer = CausalBuffer::new(BufferLimits { messages: 6, sources: 2, ..BufferLimits::default() });
    // This is the furthest of Mallory's messages, and the only one of the honest neighbour.
    assert_eq!(buffer.accept_from(&MALLORY, message(0, 90)), Ok(Accepted::Held));
    assert_eq!(buffer.accept_from(&0, message(0, 90)), Ok(Accepted::Duplicate));
    for counter in 0..5 {
        assert_eq!(buffer.accept_from(&MALLORY, message(MALLORY, 60 - counter)), Ok(Accepted::Held));
    }
    for counter in 5..20 {
        assert_eq!(buffer.accept_from(&MALLORY, message(MALLORY, 60 - counter)), Ok(Accepted::Held));
        assert!(buffer.undelivered().any(|held| *held == message(0, 90)));
        assert_eq!((buffer.len(), buffer.internal_validate()), (6, Ok(())));
    }
    // It is charged to the honest neighbour now.
    assert_eq!(buffer.internal_charged(message(0, 90).dot()), Some(&0));
    assert_eq!(buffer.remove_source(&MALLORY), 5);
    assert_eq!(buffer.remove_source(&0), 1);
}

#[test]
fn nobody_is_charged_for_a_message_that_is_ready() {
    let message = |node: Node, counter| Message::new(Dot::new(node, counter).unwrap(), [], 0_u32).unwrap();
    let mut buffer = CausalBuffer::new(BufferLimits { sources: 2, ..BufferLimits::default() });
    for held in [message(0, 2), message(1, 2)] {
        assert_eq!(buffer.accept(held), Ok(Accepted::Held));
    }
    for (first, pops) in [(message(0, 1), 2), (message(1, 1), 1)] {
        assert_eq!(buffer.accept(first), Ok(Accepted::Ready));
        assert!((0..pops).all(|_| buffer.pop().is_some()));
    }
    // The second is ready where it was held, and the ledger of the sources begins after that.
    assert_eq!(buffer.accept_from(&0, message(2, 2)), Ok(Accepted::Held));
    assert_eq!(buffer.internal_charged(message(2, 2).dot()), Some(&0));
    assert_eq!(buffer.internal_charged(message(1, 2).dot()), None);
    assert_eq!((buffer.pop(), buffer.internal_validate()), (Some(message(1, 2)), Ok(())));
}

#[test]
fn neighbours_that_come_and_go_leave_nothing_behind() {
    let message = |counter| Message::new(Dot::new(0, counter).unwrap(), [], 0_u32).unwrap();
    let mut buffer = CausalBuffer::new(LIMITS);
    for source in 0..10_000 {
        buffer.accept_from(&source, message(2 + source % 900)).unwrap();
        buffer.accept_from(&(source + 1), message(2 + source % 900)).unwrap();
        assert_eq!(buffer.remove_source(&source), 0);
        assert_eq!(buffer.remove_source(&(source + 1)), 1);
    }
    assert!(buffer.is_empty());
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn a_measure_that_lies_makes_the_bytes_wrong_and_nothing_else() {
    thread_local! {
        static SAYS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    let mut random = testkit::random();
    for bytes in [500, usize::MAX - 1, usize::MAX] {
        for _ in 0..200 {
            let limits = BufferLimits { messages: 6, bytes, sources: 2, ..BufferLimits::default() };
            let mut buffer = CausalBuffer::measured(limits, |_: &u32| {
                // The measure may return a different number each time, too.
                let says = SAYS.get();
                SAYS.set(says.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
                match says >> 61 {
                    0 => usize::MAX,
                    1 => usize::MAX / 2,
                    2..5 => 0,
                    _ => (says >> 54) as usize,
                }
            });
            for _ in 0..60 {
                let dot = Dot::new(below(&mut random, 4), 1 + below(&mut random, 8)).unwrap();
                let message = Message::new(dot, [], 0).unwrap();
                let held = buffer.len();
                match below(&mut random, 8) {
                    0..3 => drop(buffer.accept(message)),
                    3..6 => drop(buffer.accept_from(&below(&mut random, 2), message)),
                    6 => drop(buffer.pop()),
                    _ => assert!(buffer.remove_source(&below(&mut random, 2)) <= held),
                }
                assert!(buffer.len() <= limits.messages + 4);
            }
        }
    }
}
