//! Forged, repeated and oversized input: each error hands the message back, says what to do, and changes nothing.
#![cfg(feature = "alloc")]

use happens_before::delivery::{
    AcceptErrorKind, Accepted, BufferLimits, CloseError, MessageErrorKind, decode_snapshot, encode_snapshot,
};
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, CausalSender, Dot, Message, VersionVector};

type Buffer = CausalBuffer<&'static str, &'static str>;

fn dot(node: &'static str, counter: u64) -> Dot<&'static str> {
    Dot::new(node, counter).unwrap()
}

fn message<const N: usize>(
    own: Dot<&'static str>,
    dependencies: [Dot<&'static str>; N],
    payload: &'static str,
) -> Message<&'static str, &'static str> {
    Message::new(own, dependencies, payload).unwrap()
}

fn limits(change: impl Fn(&mut BufferLimits)) -> BufferLimits {
    let mut limits = BufferLimits::default();
    change(&mut limits);
    limits
}

/// Everything that can be seen of a buffer.
fn state(buffer: &Buffer) -> impl PartialEq + std::fmt::Debug + use<> {
    let held: Vec<_> = buffer.undelivered().cloned().collect();
    (buffer.delivered(), held, buffer.missing().collect::<Vec<_>>(), buffer.internal_validate())
}

/// Accepts a message that must be refused, and returns the reason, as a kind and in words.
fn refused(
    buffer: &mut Buffer,
    message: Message<&'static str, &'static str>,
) -> (AcceptErrorKind<&'static str>, String) {
    let before = state(buffer);
    let error = buffer.accept(message.clone()).unwrap_err();
    assert_eq!(state(buffer), before, "an error changes nothing");
    assert_eq!(error.refused, message, "an error hands the message back");
    let words = error.to_string();
    (error.kind, words)
}

#[test]
fn a_duplicate_is_an_outcome_and_costs_nothing() {
    let mut buffer = Buffer::new(BufferLimits::default());
    let (ready, held) = (message(dot("a", 1), [], "1"), message(dot("a", 3), [], "3"));
    assert_eq!(buffer.accept(ready.clone()), Ok(Accepted::Ready));
    assert_eq!(buffer.accept(held.clone()), Ok(Accepted::Held));
    let before = state(&buffer);
    for _ in 0..1_000 {
        assert_eq!(buffer.accept(ready.clone()), Ok(Accepted::Duplicate));
        assert_eq!(buffer.accept(held.clone()), Ok(Accepted::Duplicate));
    }
    assert_eq!(state(&buffer), before);
    assert_eq!(buffer.pop(), Some(ready.clone()));
    assert_eq!(buffer.accept(ready), Ok(Accepted::Duplicate));
    assert_eq!(
        buffer.accept(message(dot("a", 1), [], "another")),
        Ok(Accepted::Duplicate),
        "delivered is delivered"
    );
    assert_eq!(buffer.pop(), None);
}

#[test]
fn of_two_contents_for_one_dot_the_first_stays() {
    let mut buffer = Buffer::new(BufferLimits::default());
    for first in [message(dot("a", 1), [], "ready"), message(dot("b", 2), [dot("a", 9)], "held")] {
        buffer.accept(first.clone()).unwrap();
        let (kind, words) = refused(
            &mut buffer,
            message(
                *first.dot(),
                [dot("a", 9)]
                    .into_iter()
                    .filter(|d| d.node() != first.dot().node())
                    .collect::<Vec<_>>()
                    .try_into()
                    .unwrap_or([dot("c", 1)]),
                "other payload",
            ),
        );
        assert_eq!(kind, AcceptErrorKind::Equivocation);
        assert!(words.ends_with("which has used the number twice"), "{words}");
        let (kind, _) = refused(&mut buffer, message(*first.dot(), [dot("z", 1)], first.payload()));
        assert_eq!(kind, AcceptErrorKind::Equivocation, "other dependencies are another content");
        assert_eq!(buffer.accept(first), Ok(Accepted::Duplicate));
    }
}

#[test]
fn a_counter_beyond_the_horizon_is_refused_wherever_it_stands() {
    let mut buffer = Buffer::new(limits(|limits| limits.horizon = 10));
    assert_eq!(buffer.accept(message(dot("a", 10), [dot("b", 10)], "just within")), Ok(Accepted::Held));
    for (forged, culprit) in [
        (message(dot("a", 11), [], ""), dot("a", 11)),
        (message(dot("a", u64::MAX), [], ""), dot("a", u64::MAX)),
        (message(dot("a", 1), [dot("b", 11)], ""), dot("b", 11)),
        (message(dot("a", 1), [dot("b", u64::MAX)], ""), dot("b", u64::MAX)),
        (message(dot("new", 11), [], ""), dot("new", 11)),
    ] {
        let (kind, words) = refused(&mut buffer, forged);
        assert_eq!(kind, AcceptErrorKind::TooFarAhead { dot: culprit, limit: 10 });
        assert!(
            words.contains("which now ends at 10; distrust the sender, or catch up from a snapshot"),
            "{words}"
        );
    }
    buffer.advance_to(&VersionVector::from_iter([("a", 5)])).unwrap();
    assert_eq!(buffer.accept(message(dot("a", 15), [], "within by now")), Ok(Accepted::Held));
}

#[test]
fn the_end_of_the_range_is_reached_without_a_wrap() {
    let mut buffer = Buffer::new(limits(|limits| limits.horizon = u64::MAX));
    buffer.accept(message(dot("a", u64::MAX), [dot("b", u64::MAX)], "last")).unwrap();
    assert_eq!(buffer.internal_validate(), Ok(()));
    let all_but_last = DotRange::new("a", 1..=u64::MAX - 1).unwrap();
    assert!(buffer.missing().eq([all_but_last, DotRange::new("b", 1..=u64::MAX).unwrap()]));
    buffer.advance_to(&VersionVector::from_iter([("a", u64::MAX - 1), ("b", u64::MAX)])).unwrap();
    assert_eq!(buffer.pop().map(Message::into_payload), Some("last"));
    assert_eq!(buffer.missing().count(), 0);
    assert_eq!(buffer.accept(message(dot("a", u64::MAX), [], "")), Ok(Accepted::Duplicate));
}

#[test]
fn nodes_beyond_the_limit_are_refused_wherever_they_stand() {
    let mut buffer = Buffer::new(limits(|limits| limits.nodes = 2));
    buffer.accept(message(dot("a", 1), [dot("b", 1)], "two nodes")).unwrap();
    for forged in [
        message(dot("c", 1), [], "would be ready"),
        message(dot("c", 2), [], "would be held"),
        message(dot("a", 2), [dot("c", 1)], "a dependency"),
    ] {
        let (kind, words) = refused(&mut buffer, forged);
        assert!(matches!(kind, AcceptErrorKind::TooManyNodes { limit: 2 }), "{kind:?}");
        assert!(words.ends_with("more than 2 nodes; distrust the sender, or raise the limit"), "{words}");
    }
    let before = state(&buffer);
    let error = buffer.advance_to(&VersionVector::from_iter([("a", 1), ("c", 1)])).unwrap_err();
    assert_eq!((error.limit, state(&buffer)), (2, before));
    buffer.accept(message(dot("b", 1), [], "known")).unwrap();
    assert_eq!(std::iter::from_fn(|| buffer.pop()).count(), 2);
}

#[test]
fn more_dependencies_than_the_limit_are_refused() {
    let mut buffer = Buffer::new(limits(|limits| limits.dependencies = 2));
    let (kind, words) = refused(&mut buffer, message(dot("a", 1), [dot("b", 1), dot("c", 1), dot("d", 1)], ""));
    assert_eq!(kind, AcceptErrorKind::TooManyDependencies { limit: 2 });
    assert!(words.contains("more than 2 dependencies"), "{words}");
    assert_eq!(buffer.accept(message(dot("a", 1), [dot("b", 1), dot("c", 1)], "")), Ok(Accepted::Held));
}

#[test]
fn a_full_buffer_refuses_what_would_wait_and_never_what_is_ready() {
    let mut buffer = Buffer::new(limits(|limits| limits.messages = 2));
    buffer.accept(message(dot("a", 2), [], "waits")).unwrap();
    buffer.accept(message(dot("b", 2), [], "waits")).unwrap();
    let (kind, words) = refused(&mut buffer, message(dot("c", 2), [], "would wait"));
    assert_eq!(kind, AcceptErrorKind::BufferFull { limit: 2 });
    assert!(words.contains("has to wait, and 2 messages are already held"), "{words}");
    for node in ["a", "b", "c", "d"] {
        assert_eq!(buffer.accept(message(dot(node, 1), [], "ready")), Ok(Accepted::Ready), "{node}");
    }
    let delivered: Vec<_> = std::iter::from_fn(|| buffer.pop()).map(|message| *message.dot()).collect();
    assert_eq!(delivered.len(), 6);
    assert_eq!(buffer.accept(message(dot("c", 2), [], "again")), Ok(Accepted::Ready));
}

#[test]
fn with_no_room_at_all_messages_in_order_are_still_delivered() {
    let mut buffer = Buffer::new(limits(|limits| limits.messages = 0));
    for counter in 1..=100 {
        buffer.accept(message(dot("a", counter), [], "")).unwrap();
        assert!(buffer.pop().is_some());
    }
}

#[test]
fn limits_above_their_most_are_taken_as_the_most() {
    let mut buffer = Buffer::new(limits(|limits| {
        (limits.messages, limits.nodes, limits.dependencies) = (usize::MAX, usize::MAX, usize::MAX);
    }));
    assert_eq!(buffer.accept(message(dot("a", 2), [dot("b", 1)], "")), Ok(Accepted::Held));
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn a_vector_that_is_not_causally_closed_confuses_the_application_but_not_the_buffer() {
    let mut buffer = Buffer::new(BufferLimits::default());
    buffer.accept(message(dot("a", 1), [dot("b", 1)], "waits for b")).unwrap();
    buffer.accept(message(dot("c", 1), [dot("a", 1)], "waits for a")).unwrap();
    // The vector covers (a, 1), but not its cause.
    buffer.advance_to(&VersionVector::from_iter([("a", 1)])).unwrap();
    assert_eq!(buffer.internal_validate(), Ok(()));
    assert_eq!(buffer.pop().map(Message::into_payload), Some("waits for a"));
    assert_eq!(buffer.accept(message(dot("b", 1), [], "late")), Ok(Accepted::Ready));
    assert_eq!(buffer.pop().map(Message::into_payload), Some("late"));
    assert_eq!(buffer.pop(), None);
}

#[test]
fn what_can_never_be_delivered_cannot_be_a_message() {
    for (dependency, own) in [(dot("a", 5), dot("a", 5)), (dot("a", 6), dot("a", 5))] {
        let error = Message::new(own, [dependency], "payload").unwrap_err();
        assert_eq!(error.kind, MessageErrorKind::OwnFuture { dependency });
        assert!(error.to_string().contains("is the message itself or comes after it"));
        assert_eq!(error.payload, "payload");
    }
    let error = Message::new(dot("a", 1), [dot("b", 1), dot("c", 1), dot("b", 2)], "payload").unwrap_err();
    assert_eq!(error.kind, MessageErrorKind::Repeated { node: "b" });
    assert!(error.to_string().contains("name only the later one"));
    assert_eq!(error.payload, "payload");
}

#[test]
fn two_messages_that_wait_for_each_other_wait_for_ever_and_harm_nobody() {
    let mut buffer = Buffer::new(BufferLimits::default());
    buffer.accept(message(dot("a", 1), [dot("b", 1)], "")).unwrap();
    buffer.accept(message(dot("b", 1), [dot("a", 1)], "")).unwrap();
    assert_eq!(buffer.pop(), None);
    assert_eq!(buffer.missing().count(), 0, "nothing would help");
    assert!(buffer.blocked_on(&dot("a", 1)).eq([dot("b", 1)]));
    buffer.accept(message(dot("c", 1), [], "honest")).unwrap();
    assert_eq!(buffer.pop().map(Message::into_payload), Some("honest"));
}

#[test]
fn a_sender_at_the_end_of_its_range_hands_the_payload_back() {
    let mut sender = CausalSender::resume("a", u64::MAX - 1, VersionVector::from_iter([("b", 1)]));
    assert_eq!(sender.stamp("last").unwrap().dot(), &dot("a", u64::MAX));
    sender.advance_to(&VersionVector::from_iter([("b", 2)]));
    for _ in 0..2 {
        let error = sender.stamp("one more").unwrap_err();
        assert!(error.to_string().contains("continue under a new node id"));
        assert_eq!((error.payload, error.kind), ("one more", MessageErrorKind::CounterExhausted));
        assert_eq!(sender.frontier(), VersionVector::from_iter([("b", 2)]), "an error changes nothing");
    }
}

#[test]
fn a_sender_makes_no_message_that_a_buffer_with_the_same_limit_refuses() {
    let limit = BufferLimits::default().dependencies;
    let heads = limit as u64 + 1;
    let hello = |node: u64| Message::new(Dot::new(node, 1).unwrap(), [], "hello").unwrap();
    let mut sender = CausalSender::new(0);
    let mut receiver = CausalBuffer::new(BufferLimits::default());
    for node in 1..=heads {
        sender.observe(&hello(node));
        receiver.accept(hello(node)).unwrap();
        receiver.pop().unwrap();
    }
    let refused = sender.stamp("welcome").unwrap_err();
    assert_eq!(refused.kind, MessageErrorKind::TooManyDependencies { limit });
    assert!(refused.to_string().contains("made by `stamp_part`, or raise the limit"), "{refused}");
    assert_eq!((sender.counter(), sender.frontier().len() as u64), (0, heads), "an error changes nothing");

    // A message without content names as much as it may. The next one implies that, and names the rest.
    let part = sender.stamp_part("").unwrap();
    let welcome = sender.stamp(refused.payload).unwrap();
    assert_eq!((part.dependencies().len(), welcome.dependencies().len()), (limit, 1));
    let mut late = CausalBuffer::new(BufferLimits::default());
    for message in [welcome.clone(), part.clone()] {
        assert_eq!(late.accept(message), Ok(Accepted::Held), "it follows what is not delivered");
    }
    for message in [welcome, part] {
        receiver.accept(message).unwrap();
    }
    assert_eq!(receiver.pop().map(Message::into_payload), Some(""));
    assert_eq!(receiver.pop().map(Message::into_payload), Some("welcome"));

    // With wider limits on both sides, one message is enough.
    let wide = limits(|limits| limits.dependencies = 2 * limit);
    let mut sender = CausalSender::new(0).with_dependencies(wide.dependencies);
    sender.advance_to(&receiver.delivered());
    let mut receiver_with_room = CausalBuffer::new(wide);
    receiver_with_room.advance_to(&receiver.delivered()).unwrap();
    assert_eq!(receiver_with_room.accept(sender.stamp("").unwrap()), Ok(Accepted::Ready));
}

#[test]
fn a_sender_of_a_saved_node_has_the_limit_of_its_buffer() {
    let wide = limits(|limits| limits.dependencies = 2_000);
    let delivered: VersionVector<u64> = (1..=1_500).map(|node| (node, 1)).collect();
    let mut sender = CausalSender::new(0).with_dependencies(wide.dependencies);
    let mut buffer = CausalBuffer::<u64, Vec<u8>>::new(wide);
    buffer.advance_to(&delivered).unwrap();
    sender.advance_to(&delivered);
    let mut bytes = Vec::new();
    encode_snapshot(&buffer, &sender, &mut bytes);
    let payload = |bytes: &[u8]| Some(bytes.to_vec());
    let empty = CausalBuffer::<u64, Vec<u8>>::new(wide);
    let (mut buffer, mut sender) = decode_snapshot(&bytes, empty, payload).unwrap();
    assert_eq!(buffer.accept(sender.stamp(vec![]).unwrap()), Ok(Accepted::Ready));
}

#[test]
fn a_number_is_never_used_twice_after_a_restart_with_an_old_counter() {
    let mut lost = CausalSender::new("a");
    let sent: Vec<_> = (0..3).map(|n| lost.stamp(n).unwrap()).collect();
    let mut restored = CausalSender::resume("a", 1, VersionVector::new());
    restored.observe(&sent[2]); // the message comes back from a neighbour
    assert_eq!(restored.stamp(3).unwrap().dot(), &dot("a", 4));
    let mut from_snapshot = CausalSender::new("a");
    from_snapshot.advance_to(&VersionVector::from_iter([("a", 3), ("b", 1)]));
    let next = from_snapshot.stamp(3).unwrap();
    assert_eq!((next.dot(), next.dependencies()), (&dot("a", 4), &[dot("b", 1)][..]));
}

#[test]
fn what_is_closed_is_refused_and_the_error_says_what_to_close_next() {
    let mut buffer = Buffer::new(BufferLimits::default());
    buffer.accept(message(dot("q", 2), [dot("a", 1)], "behind one that has not come")).unwrap();
    assert_eq!(buffer.close(&"p", 0), Ok(Vec::new()));
    let (kind, words) = refused(&mut buffer, message(dot("p", 1), [], "closed"));
    assert_eq!(kind, AcceptErrorKind::Closed { dot: dot("p", 1), last: 0 });
    assert!(words.contains("whose node was closed at 0, and can never be delivered"), "{words}");
    let (kind, words) = refused(&mut buffer, message(dot("q", 1), [dot("p", 1)], "doomed"));
    assert_eq!(kind, AcceptErrorKind::Closed { dot: dot("p", 1), last: 0 });
    assert!(words.contains("close its node just before it"), "{words}");
    // Following the advice shows that the later messages of the node are doomed too.
    let doomed = buffer.close(&"q", 0).unwrap();
    assert_eq!(
        doomed.into_iter().map(Message::into_payload).collect::<Vec<_>>(),
        ["behind one that has not come"]
    );
    assert!(
        buffer.missing().eq([DotRange::new("a", 1..=1).unwrap()]),
        "nothing closed; what it named may exist"
    );
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn a_closing_below_what_is_delivered_is_refused_and_a_second_one_only_lowers() {
    let mut buffer = Buffer::new(limits(|limits| limits.nodes = 2));
    for counter in 1..=3 {
        buffer.accept(message(dot("a", counter), [], "")).unwrap();
    }
    buffer.pop();
    let before = state(&buffer);
    let error = buffer.close(&"a", 0).unwrap_err();
    assert_eq!(error, CloseError::Delivered { last: 1 });
    assert_eq!(
        error.to_string(),
        "messages of the node are delivered up to 1; agree on that number or a higher one"
    );
    assert_eq!(state(&buffer), before);
    assert_eq!(buffer.close(&"a", u64::MAX), Ok(Vec::new()));
    assert_eq!(buffer.closed().count(), 0, "closed at the end of the range is not closed");
    assert_eq!(buffer.close(&"a", 2).unwrap().len(), 1);
    assert_eq!(buffer.close(&"a", 9), Ok(Vec::new()));
    assert!(buffer.closed().eq([(&"a", 2)]), "closed stays closed");
    // A ready message that is not popped goes too.
    assert_eq!(buffer.close(&"a", 1).unwrap().len(), 1);
    assert_eq!((buffer.pop(), buffer.len()), (None, 0));
    buffer.close(&"b", 0).unwrap();
    let error = buffer.close(&"c", 0).unwrap_err();
    assert!(matches!(error, CloseError::TooManyNodes { .. }));
    assert!(error.to_string().contains("more than 2 nodes"));
    // A snapshot outranks a closing: a delivered message stays delivered.
    buffer.advance_to(&VersionVector::from_iter([("a", 5)])).unwrap();
    assert!(buffer.closed().eq([(&"a", 5), (&"b", 0)]));
    assert_eq!(buffer.internal_validate(), Ok(()));
}

#[test]
fn a_long_chain_is_doomed_in_one_go() {
    // Each message depends on the one before, of another node. A search of all held messages for each would take hours.
    let count = 60_000_u64;
    let mut buffer = CausalBuffer::new(BufferLimits::default());
    for at in (1..=count).rev() {
        let before = Dot::new((at - 1) % 1_000, (at - 1) / 1_000 + 1).unwrap();
        let own = Dot::new(at % 1_000, at / 1_000 + 1).unwrap();
        buffer.accept(Message::new(own, [before], ()).unwrap()).unwrap();
    }
    assert_eq!(buffer.close(&0, 0).unwrap().len() as u64, count);
    assert_eq!((buffer.len(), buffer.missing().count(), buffer.closed().count()), (0, 0, 1_000));
    assert_eq!(buffer.internal_validate(), Ok(()));
}
