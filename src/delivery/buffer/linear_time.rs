//! A count of the buffer's checks, each of which looks up the delivered counter of a node. There are at most 2(d + 1)
//! checks for a message with d dependencies, in every order of arrival and for every size.

use std::vec::Vec;

use crate::delivery::sender::CausalSender;
use crate::delivery::{Accepted, BufferLimits, CausalBuffer, Message};
use crate::node::Dot;

type Msg = Message<u64, ()>;

fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 33) as usize) % bound
}

fn shuffle(messages: &mut [Msg]) {
    let mut state = 3;
    for last in (1..messages.len()).rev() {
        messages.swap(last, random(&mut state, last + 1));
    }
}

/// A history in which every message may depend on several nodes: each sender has delivered all but the last few.
fn history(nodes: usize, count: usize) -> Vec<Msg> {
    let mut state = 1;
    let mut senders: Vec<_> = (0..nodes as u64).map(|node| (CausalSender::new(node), 0)).collect();
    let mut sent: Vec<Msg> = Vec::new();
    for number in 0..count {
        let (sender, seen) = &mut senders[random(&mut state, nodes)];
        let up_to = number.saturating_sub(random(&mut state, 6)).max(*seen);
        sent[*seen..up_to].iter().for_each(|message| sender.observe(message));
        *seen = up_to;
        sent.push(sender.stamp(()).unwrap());
    }
    sent
}

/// Accepts the messages, delivers them all, and returns the number of checks and the number allowed.
fn checks(messages: &[Msg]) -> (u64, u64) {
    let limits = BufferLimits { nodes: 1 << 20, ..BufferLimits::default() };
    let mut buffer = CausalBuffer::new(limits);
    let mut delivered = 0;
    for message in messages {
        assert_ne!(buffer.accept(message.clone()).unwrap(), Accepted::Duplicate);
        while buffer.pop().is_some() {
            delivered += 1;
        }
    }
    assert_eq!((delivered, buffer.len()), (messages.len(), 0));
    let allowed = messages.iter().map(|message| 2 * (message.dependencies().len() as u64 + 1)).sum();
    (buffer.waiting.checks(), allowed)
}

#[test]
fn checks_are_bounded_by_the_dependencies_in_every_order_of_arrival() {
    for order in ["in order", "reversed", "shuffled", "window of 64", "one node held back"] {
        for nodes in [2, 8, 64] {
            let mut checks_a_message = Vec::new();
            for count in [2_000, 16_000] {
                let mut messages = history(nodes, count);
                match order {
                    "reversed" => messages.reverse(),
                    "shuffled" => shuffle(&mut messages),
                    "window of 64" => messages.chunks_mut(64).for_each(shuffle),
                    "one node held back" => messages.sort_by_key(|message| *message.dot().node() == 0),
                    _ => {}
                }
                let (checks, allowed) = checks(&messages);
                assert!(checks <= allowed, "{order}, {nodes} nodes, {count} messages: {checks} > {allowed}");
                checks_a_message.push(checks as f64 / count as f64);
            }
            let [small, large] = checks_a_message[..] else { unreachable!() };
            assert!(large < 1.1 * small, "{order}, {nodes} nodes: {small} grows to {large} checks a message");
        }
    }
}

#[test]
fn thousands_that_wait_for_one_are_looked_at_once_each() {
    let cause = Message::new(Dot::new(0, 1).unwrap(), [], ()).unwrap();
    let mut messages: Vec<_> =
        (1..=5_000).map(|node| Message::new(Dot::new(node, 1).unwrap(), [*cause.dot()], ()).unwrap()).collect();
    messages.push(cause);
    let (checks, allowed) = checks(&messages);
    // Each has two checks when it arrives, and one of its previous message when it is released. The cause has one.
    assert_eq!((checks, allowed), (15_001, 20_002));
}

#[test]
fn a_message_goes_on_after_the_dependency_that_it_waited_for() {
    // The message waits for each of its thousand dependencies in turn, because they arrive in its order.
    let dependencies: Vec<_> = (1..=1_000).map(|node| Dot::new(node, 1).unwrap()).collect();
    let last = Message::new(Dot::new(0, 1).unwrap(), dependencies.clone(), ()).unwrap();
    let mut messages = [last].to_vec();
    messages.extend(dependencies.into_iter().map(|dot| Message::new(dot, [], ()).unwrap()));
    let (checks, allowed) = checks(&messages);
    // The message has 1,001 checks when it arrives, then one for each cause but the first. Each dependency has one.
    assert_eq!((checks, allowed), (1_001 + 1_000 + 1_000, 2 * 1_001 + 2 * 1_000));
}
