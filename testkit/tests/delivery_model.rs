//! The buffer against the naive model: random messages, valid and invalid, in random order.

use testkit::buffer_model;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use buffer_model::{BufferModel, Msg, Node, OUTCOMES, accept_in_both};
use happens_before::delivery::BufferLimits;
use happens_before::{CausalSender, Dot, Message, VersionVector};
use quickcheck::Gen;
use testkit::below;

/// Makes a message with a few causes. Often it can never be delivered.
fn message(random: &mut Gen, nodes: u64, counters: u64) -> Msg {
    let dot = |random: &mut Gen| Dot::new(below(random, nodes) as Node, 1 + below(random, counters)).unwrap();
    let own = dot(random);
    let mut named = VersionVector::new();
    for _ in 0..below(random, 4) {
        named.observe(&dot(random));
    }
    named.remove(own.node());
    let dependencies = named.iter().filter_map(|(&node, counter)| Dot::new(node, counter));
    Message::new(own, dependencies, below(random, 2) as u8).unwrap()
}

/// Counts of the events in random runs.
#[derive(Default)]
struct Seen {
    outcomes: HashSet<Discriminant<buffer_model::Outcome>>,
    delivered: usize,
    evicted: usize,
    dropped: usize,
    doomed: usize,
    closings_refused: usize,
}

/// Runs the buffer beside the model at random. Half of the runs have sources.
fn run(random: &mut Gen, limits: BufferLimits, steps: usize, seen: &mut Seen) {
    let (nodes, counters, sources) = (1 + below(random, 5), 1 + below(random, 9), below(random, 4));
    let mut buffer = buffer_model::buffer(limits);
    let mut model = BufferModel::new(limits);
    for _ in 0..steps {
        match below(random, 60) {
            0..3 => {
                let vector: VersionVector<Node> =
                    (0..nodes).map(|n| (n as Node, below(random, counters))).collect();
                assert_eq!(buffer.advance_to(&vector).is_ok(), model.advance_to(&vector));
            }
            3..6 => {
                let source = below(random, 5) as Node;
                let dropped = buffer.remove_source(&source);
                assert_eq!(dropped, model.remove_source(source));
                seen.dropped += dropped;
            }
            6 => {
                let (node, last) = (below(random, nodes) as Node, below(random, counters));
                let doomed = buffer.close(&node, last);
                seen.doomed += doomed.as_ref().map_or(0, Vec::len);
                seen.closings_refused += usize::from(doomed.is_err());
                assert_eq!(doomed.ok(), model.close(node, last));
            }
            7..22 => {
                let popped = buffer.pop();
                model.pop(popped.as_ref());
                seen.delivered += usize::from(popped.is_some());
            }
            _ => {
                let message = message(random, nodes, counters);
                let source =
                    Some(below(random, sources + 1) as Node).filter(|&source| u64::from(source) < sources);
                let (outcome, evicted) = accept_in_both(&mut buffer, &mut model, source, message);
                seen.outcomes.insert(discriminant(&outcome));
                seen.evicted += evicted;
            }
        }
        model.assert_like(&buffer);
    }
}

fn tight_limits(random: &mut Gen) -> BufferLimits {
    BufferLimits {
        messages: below(random, 8) as usize,
        bytes: if below(random, 2) == 0 { 10 + below(random, 400) as usize } else { usize::MAX },
        horizon: 2 + below(random, 8),
        nodes: 1 + below(random, 5) as usize,
        dependencies: 1 + below(random, 3) as usize,
        sources: below(random, 4) as usize,
    }
}

/// Makes limits with room for a few messages, and otherwise wide.
fn crowded(random: &mut Gen) -> BufferLimits {
    let bytes = if below(random, 2) == 0 { 100 + below(random, 300) as usize } else { usize::MAX };
    BufferLimits { messages: 1 + below(random, 6) as usize, bytes, sources: 3, ..BufferLimits::default() }
}

#[test]
fn the_buffer_does_what_the_naive_one_does() {
    let mut random = testkit::random();
    let mut seen = Seen::default();
    for _ in 0..2_000 {
        run(&mut random, BufferLimits::default(), 60, &mut seen);
        let tight = tight_limits(&mut random);
        run(&mut random, tight, 60, &mut seen);
        let crowded = crowded(&mut random);
        run(&mut random, crowded, 60, &mut seen);
    }
    assert_eq!(seen.outcomes.len(), OUTCOMES, "every outcome and every refusal occurs");
    let Seen { delivered, evicted, dropped, doomed, closings_refused, .. } = seen;
    println!(
        "{delivered} delivered, {evicted} evicted, {dropped} dropped, {doomed} doomed, {closings_refused} refused"
    );
    assert!(delivered > 5_000, "only {delivered} deliveries");
    assert!(evicted > 500, "only {evicted} evictions");
    assert!(dropped > 500, "only {dropped} messages dropped with their source");
    assert!(doomed > 500, "only {doomed} doomed messages");
    assert!(closings_refused > 100, "only {closings_refused} closings refused");
}

/// Counters so far apart that some lie beyond the window of slots, at the start and at the end of their range.
#[test]
fn what_lies_far_apart_is_held_as_the_naive_one_holds_it() {
    let mut random = testkit::random();
    let (mut delivered, mut doomed, mut dropped, mut last_of_all) = (0, 0, 0, 0);
    for round in 0..400 {
        let width = [12, 300][round % 2];
        let first = [0, u64::MAX - width][below(&mut random, 2) as usize];
        let messages = 10 + below(&mut random, 60) as usize;
        let limits = BufferLimits { messages, horizon: u64::MAX, sources: 2, ..BufferLimits::default() };
        let (mut buffer, mut model) = (buffer_model::buffer(limits), BufferModel::starting_at(limits, first));
        let start: VersionVector<Node> = (0..3).map(|node| (node, first)).collect();
        assert!(buffer.advance_to(&start).is_ok() && model.advance_to(&start));
        for _ in 0..240 {
            let node = below(&mut random, 3) as Node;
            // Most counters are the next few, the others are anywhere.
            let counter = |random: &mut Gen, node: Node| {
                let delivered = buffer.delivered_up_to(&node);
                let spread = [3, 3, 40, 300][below(random, 4) as usize];
                delivered.saturating_add(1 + below(random, spread)).min(first + width)
            };
            match below(&mut random, 1_000) {
                0 => {
                    let last = counter(&mut random, node);
                    let closed = buffer.close(&node, last);
                    doomed += closed.as_ref().map_or(0, Vec::len);
                    assert_eq!(closed.ok(), model.close(node, last));
                }
                1..8 => {
                    let source = below(&mut random, 2) as Node;
                    let gone = buffer.remove_source(&source);
                    assert_eq!(gone, model.remove_source(source));
                    dropped += gone;
                }
                8..14 => {
                    let ahead = VersionVector::from_iter([(node, counter(&mut random, node))]);
                    assert!(buffer.advance_to(&ahead).is_ok() && model.advance_to(&ahead));
                }
                14..400 => {
                    let popped = buffer.pop();
                    model.pop(popped.as_ref());
                    delivered += usize::from(popped.is_some());
                    last_of_all += usize::from(popped.is_some_and(|popped| popped.dot().counter() == u64::MAX));
                }
                _ => {
                    let own = Dot::new(node, counter(&mut random, node)).unwrap();
                    let other = (node + 1) % 3;
                    // Most names are delivered or come soon, so that messages get through.
                    let named = match below(&mut random, 8) {
                        0 => counter(&mut random, other),
                        1..4 => buffer.delivered_up_to(&other).saturating_add(below(&mut random, 2)),
                        _ => 0,
                    };
                    let named = Dot::new(other, named);
                    let source = [None, Some(0), Some(1)][below(&mut random, 3) as usize];
                    accept_in_both(&mut buffer, &mut model, source, Message::new(own, named, 0).unwrap());
                }
            }
            model.assert_like(&buffer);
        }
    }
    println!(
        "{delivered} delivered, {doomed} doomed, {dropped} dropped, {last_of_all} at the end of the range"
    );
    assert!(delivered > 1_500 && doomed > 100 && dropped > 100 && last_of_all > 4);
}

#[test]
fn what_was_saved_can_be_restored_at_every_step() {
    let mut random = testkit::random();
    let limits = BufferLimits { messages: 10, ..BufferLimits::default() };
    let mut restored_messages = 0;
    for _ in 0..500 {
        let mut buffer = buffer_model::buffer(limits);
        let mut model = BufferModel::new(limits);
        for _ in 0..30 {
            accept_in_both(&mut buffer, &mut model, None, message(&mut random, 3, 5));
            if below(&mut random, 2) == 0 {
                model.pop(buffer.pop().as_ref());
            }
            // The crash: everything is lost but the state that must be stored, by the docs.
            let (delivered, held): (_, Vec<_>) = (buffer.delivered(), buffer.undelivered().cloned().collect());
            let mut restored = buffer_model::buffer(limits);
            restored.advance_to(&delivered).unwrap();
            restored_messages += held.len();
            for message in held.into_iter().rev() {
                restored.accept(message).unwrap();
            }
            assert!(restored.undelivered().eq(buffer.undelivered()));
            assert_eq!(restored.delivered(), buffer.delivered());
            assert_eq!(restored.internal_validate(), Ok(()));
            // Messages that are no longer named are not missing. All others are.
            let missing: Vec<_> = buffer.missing().flat_map(|range| range.dots().collect::<Vec<_>>()).collect();
            assert!(
                restored
                    .missing()
                    .flat_map(|range| range.dots().collect::<Vec<_>>())
                    .all(|dot| missing.contains(&dot))
            );
            if below(&mut random, 4) == 0 {
                let popped: Vec<_> = std::iter::from_fn(|| buffer.pop()).collect();
                let again: HashSet<_> = std::iter::from_fn(|| restored.pop()).collect();
                assert_eq!(popped.into_iter().collect::<HashSet<_>>(), again);
                break;
            }
        }
    }
    assert!(restored_messages > 2_500, "only {restored_messages} messages restored");
}

#[test]
fn long_runs_are_delivered_and_leave_nothing_behind() {
    let mut random = testkit::random();
    for nodes in [1, 2, 5] {
        // Every node has delivered all but the last few messages, so messages depend on each other.
        let mut senders: Vec<_> = (0..nodes).map(|node| (CausalSender::new(node), 0)).collect();
        let mut sent: Vec<Msg> = Vec::new();
        for number in 0..500_usize {
            let (sender, seen) = &mut senders[below(&mut random, nodes.into()) as usize];
            let up_to = number.saturating_sub(below(&mut random, 4) as usize).max(*seen);
            sent[*seen..up_to].iter().for_each(|message| sender.observe(message));
            *seen = up_to;
            sent.push(sender.stamp(0).unwrap());
        }
        for at in (1..sent.len()).rev() {
            sent.swap(at, at.saturating_sub(below(&mut random, 200) as usize));
        }
        let mut buffer = buffer_model::buffer(BufferLimits::default());
        let mut model = BufferModel::new(BufferLimits::default());
        for message in sent {
            accept_in_both(&mut buffer, &mut model, None, message);
            while let Some(message) = buffer.pop() {
                model.pop(Some(&message));
            }
            model.pop(None);
            model.assert_like(&buffer);
        }
        assert!(buffer.is_empty());
        assert_eq!(buffer.delivered().iter().map(|(_, counter)| counter).sum::<u64>(), 500);
    }
}
