//! Errors change nothing: neither the held, missing and closed messages, nor the order of delivery.
#![cfg(feature = "alloc")]

use happens_before::delivery::{AcceptErrorKind, Accepted, BufferLimits};
use happens_before::{CausalBuffer, Dot, Message, VersionVector};
use quickcheck::Gen;
use testkit::below;

type Buffer = CausalBuffer<u8, u32>;

fn message(node: u8, counter: u64, dependencies: &[(u8, u64)], payload: u32) -> Message<u8, u32> {
    let dependencies = dependencies.iter().map(|&(node, counter)| Dot::new(node, counter).unwrap());
    Message::new(Dot::new(node, counter).unwrap(), dependencies, payload).unwrap()
}

fn buffer(limits: BufferLimits) -> Buffer {
    CausalBuffer::measured(limits, |payload| *payload as usize)
}

/// Everything that can be seen of a buffer, and the order of delivery. The source that is charged for a message of two
/// sources is left out: a refusal may change it.
fn state(buffer: &Buffer) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut copy = buffer.clone();
    let order: Vec<_> = std::iter::from_fn(|| copy.pop()).collect();
    let held: Vec<_> = buffer.undelivered().cloned().collect();
    let missing: Vec<_> = buffer.missing().collect();
    let closed: Vec<_> = buffer.closed().map(|(node, last)| (*node, last)).collect();
    (order, held, missing, closed, buffer.delivered(), buffer.len())
}

#[test]
fn a_refused_message_does_not_put_what_is_ready_before_what_was_released() {
    let build = || {
        let mut buffer = buffer(BufferLimits { bytes: 1_000, ..BufferLimits::default() });
        buffer.accept(message(2, 1, &[(1, 1)], 0)).unwrap();
        buffer.accept(message(4, 1, &[(1, 1), (2, 1)], 0)).unwrap();
        buffer.accept(message(1, 1, &[], 0)).unwrap();
        assert_eq!(buffer.pop(), Some(message(1, 1, &[], 0)));
        assert_eq!(buffer.accept(message(3, 1, &[], 0)), Ok(Accepted::Ready));
        buffer
    };
    let order = |mut buffer: Buffer| {
        std::iter::from_fn(|| buffer.pop()).map(|message| *message.dot().node()).collect::<Vec<_>>()
    };
    let expected = order(build());
    assert_eq!(expected, [2, 3, 4], "as they became ready");
    for source in [None, Some(7)] {
        let mut buffer = build();
        let too_large = message(9, 5, &[], 2_000);
        let refused = match source {
            None => buffer.accept(too_large),
            Some(source) => buffer.accept_from(&source, too_large),
        };
        assert_eq!(refused.unwrap_err().kind, AcceptErrorKind::BytesFull { limit: 1_000 });
        assert_eq!(order(buffer), expected);
    }
}

fn random_message(random: &mut Gen) -> Message<u8, u32> {
    let node = below(random, 5) as u8;
    let dependencies: Vec<_> = (0..below(random, 3))
        .map(|_| ((node + 1 + below(random, 3) as u8) % 5, 1 + below(random, 5)))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_iter()
        .collect();
    let payload = if below(random, 6) == 0 { 400 } else { below(random, 3) as u32 };
    message(node, 1 + below(random, 7), &dependencies, payload)
}

#[test]
fn an_error_changes_nothing_that_can_be_seen_and_no_order() {
    let mut random = testkit::random();
    let (mut errors, mut ready) = (0, 0);
    for _ in 0..1_000 {
        let limits = BufferLimits {
            messages: below(&mut random, 6) as usize,
            bytes: [usize::MAX, 500][below(&mut random, 2) as usize],
            horizon: 3 + below(&mut random, 4),
            nodes: 3 + below(&mut random, 4) as usize,
            dependencies: 2,
            sources: below(&mut random, 3) as usize,
        };
        let mut buffer = buffer(limits);
        for _ in 0..40 {
            let before = state(&buffer);
            let is_error = match below(&mut random, 12) {
                0..4 => buffer.accept(random_message(&mut random)).is_err(),
                4..9 => {
                    let source = 5 + below(&mut random, 3) as u8;
                    buffer.accept_from(&source, random_message(&mut random)).is_err()
                }
                9 => buffer.close(&(below(&mut random, 6) as u8), below(&mut random, 4)).is_err(),
                10 => {
                    let vector =
                        VersionVector::from_iter([(below(&mut random, 6) as u8, 1 + below(&mut random, 2))]);
                    buffer.advance_to(&vector).is_err()
                }
                _ => {
                    ready += u32::from(buffer.pop().is_some());
                    false
                }
            };
            if is_error {
                errors += 1;
                assert_eq!(state(&buffer), before);
            }
        }
    }
    assert!(errors > 5_000 && ready > 300, "{errors} errors, {ready} delivered");
}

#[test]
fn what_is_drained_is_missing_and_comes_again() {
    let mut random = testkit::random();
    let mut drained = 0;
    for _ in 0..500 {
        let mut buffer = buffer(BufferLimits { messages: 20, sources: 2, ..BufferLimits::default() });
        for _ in 0..30 {
            let source = 5 + below(&mut random, 2) as u8;
            let _ = buffer.accept_from(&source, random_message(&mut random));
            if below(&mut random, 4) == 0 {
                buffer.pop();
            }
        }
        let delivered = buffer.delivered();
        let held: Vec<_> = buffer.undelivered().cloned().collect();
        let missing: Vec<_> = buffer.missing().flat_map(|range| range.dots().collect::<Vec<_>>()).collect();
        assert_eq!(buffer.drain_undelivered(), held);
        assert_eq!((buffer.len(), buffer.internal_validate()), (0, Ok(())));
        assert_eq!(buffer.delivered(), delivered);
        let mut expected: Vec<_> = held.iter().map(|message| *message.dot()).chain(missing).collect();
        expected.sort();
        assert!(buffer.missing().flat_map(|range| range.dots().collect::<Vec<_>>()).eq(expected));
        for message in held.iter().rev() {
            assert_ne!(buffer.accept(message.clone()), Ok(Accepted::Duplicate));
        }
        assert!(buffer.undelivered().eq(&held));
        assert_eq!(buffer.internal_validate(), Ok(()));
        drained += held.len();
    }
    assert!(drained > 2_000, "{drained}");
}
