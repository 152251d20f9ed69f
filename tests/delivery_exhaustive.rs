//! Every history of up to five messages over three nodes, in every order of arrival, against the graph.
#![cfg(feature = "alloc")]

use happens_before::check::CausalRun;
use happens_before::delivery::{AcceptErrorKind, BufferLimits};
use happens_before::{CausalBuffer, CausalSender, Dot, Message};

const NODES: usize = 3;

/// A set of messages, by number.
type Set = u32;

/// A history as a graph: for each message its node, and everything that happened before it.
#[derive(Clone, Debug, Default)]
struct History {
    nodes: Vec<usize>,
    past: Vec<Set>,
}

impl History {
    fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The messages made by `node`.
    fn of(&self, node: usize) -> Set {
        (0..self.len()).filter(|&at| self.nodes[at] == node).fold(0, |set, at| set | 1 << at)
    }

    fn closed(&self, set: Set) -> bool {
        (0..self.len()).all(|at| set >> at & 1 == 0 || self.past[at] & !set == 0)
    }

    /// Visits this history, and every history that begins with it and has up to `length` messages. Nodes appear in
    /// their order, so no two histories differ only in the names of the nodes.
    fn visit(&self, length: usize, visitor: &mut impl FnMut(&Self)) {
        visitor(self);
        if self.len() == length {
            return;
        }
        let used = self.nodes.iter().max().map_or(0, |last| last + 1);
        for node in 0..(used + 1).min(NODES) {
            for past in 0..1 << self.len() {
                // A node has delivered its own messages, and with each message its past.
                if self.of(node) & !past == 0 && self.closed(past) {
                    let mut longer = self.clone();
                    longer.nodes.push(node);
                    longer.past.push(past);
                    longer.visit(length, visitor);
                }
            }
        }
    }

    /// Stamps the messages: each node delivers its message's past in the order of sending, then sends.
    fn messages(&self) -> Vec<Message<usize, usize>> {
        let mut senders: Vec<_> = (0..NODES).map(CausalSender::new).collect();
        let mut seen = [0; NODES];
        let mut messages: Vec<Message<usize, usize>> = Vec::new();
        for at in 0..self.len() {
            let node = self.nodes[at];
            let newly_seen = self.past[at] & !seen[node];
            for (_, message) in messages.iter().enumerate().filter(|(other, _)| newly_seen >> other & 1 == 1) {
                senders[node].observe(message);
            }
            seen[node] |= self.past[at] | 1 << at;
            messages.push(senders[node].stamp(at).unwrap());
        }
        messages
    }

    /// The direct dependencies in the graph: the messages of the past that no other message of the past follows,
    /// without those of the node itself.
    fn direct_dependencies(&self, at: usize) -> Set {
        let past = self.past[at];
        let followed =
            (0..at).filter(|other| past >> other & 1 == 1).fold(0, |set, other| set | self.past[other]);
        past & !followed & !self.of(self.nodes[at])
    }
}

/// Calls `visitor` with every order of `items`.
fn permutations(items: &mut Vec<usize>, from: usize, visitor: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        return visitor(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permutations(items, from + 1, visitor);
        items.swap(from, at);
    }
}

/// Accepts the messages in the given order, and compares every step with the graph.
fn arrive(history: &History, messages: &[Message<usize, usize>], order: &[usize]) {
    let mut buffer = CausalBuffer::new(BufferLimits::default());
    let (mut arrived, mut delivered): (Set, Set) = (0, 0);
    for &at in order {
        buffer.accept(messages[at].clone()).unwrap();
        arrived |= 1 << at;
        while let Some(message) = buffer.pop() {
            let popped = *message.payload();
            assert_eq!(delivered >> popped & 1, 0, "twice");
            assert_eq!(history.past[popped] & !delivered, 0, "before its cause");
            delivered |= 1 << popped;
        }
        // Exactly the messages with all of their past here are delivered.
        let expected = (0..messages.len()).filter(|&m| (history.past[m] | 1 << m) & !arrived == 0);
        assert_eq!(delivered, expected.fold(0, |set, m| set | 1 << m));

        // Exactly the messages that held ones name, or imply by their numbers, are missing.
        let held = arrived & !delivered;
        let held_or_named = (0..messages.len()).filter(|m| held >> m & 1 == 1);
        let named = held_or_named.fold(held, |set, m| set | history.direct_dependencies(m));
        let implied = (0..messages.len()).filter(|&m| {
            let later = named & history.of(history.nodes[m]) & !((1 << m) - 1);
            later != 0 && arrived >> m & 1 == 0
        });
        let missing: Vec<Dot<usize>> =
            buffer.missing().flat_map(|gap| gap.dots().collect::<Vec<_>>()).collect();
        let mut implied: Vec<_> = implied.map(|m| *messages[m].dot()).collect();
        implied.sort_unstable();
        assert_eq!(missing, implied);
    }
    assert!(buffer.is_empty());
}

#[test]
fn every_small_history_is_delivered_in_every_order_of_arrival() {
    let (mut histories, mut runs) = (0, 0);
    History::default().visit(5, &mut |history| {
        histories += 1;
        let messages = history.messages();
        for (at, message) in messages.iter().enumerate() {
            let named = message
                .dependencies()
                .iter()
                .map(|dependency| messages.iter().position(|other| other.dot() == dependency).unwrap());
            let named = named.fold(0, |set, other| set | 1 << other);
            assert_eq!(named, history.direct_dependencies(at), "the sender names the direct dependencies");
        }
        let mut order: Vec<_> = (0..messages.len()).collect();
        permutations(&mut order, 0, &mut |order| {
            arrive(history, &messages, order);
            runs += 1;
        });
    });
    assert_eq!((histories, runs), (1_835, 202_580));
}

#[test]
fn the_oracle_accepts_exactly_the_orders_that_extend_the_graph() {
    let (mut accepted, mut refused) = (0, 0);
    History::default().visit(4, &mut |history| {
        let messages = history.messages();
        let mut sent = CausalRun::new(1);
        for message in &messages {
            sent.sent(*message.dot(), message.dependencies().iter().copied()).unwrap();
        }
        permutations(&mut (0..messages.len()).collect(), 0, &mut |order| {
            let mut run = sent.clone();
            let judged = order.iter().try_for_each(|&at| run.delivered(0, messages[at].dot()));
            let extends = (0..order.len()).all(|step| {
                let before = order[..step].iter().fold(0, |set, at| set | 1 << at);
                history.past[order[step]] & !before == 0
            });
            assert_eq!(judged.is_ok(), extends);
            if extends {
                assert_eq!(run.complete(), Ok(()));
                accepted += 1;
            } else {
                refused += 1;
            }
        });
    });
    assert_eq!((accepted, refused), (701, 3_159));
}

#[test]
fn closing_a_node_before_a_lost_message_dooms_exactly_what_came_after_it() {
    let (mut losses, mut doomed_in_all, mut closed_in_all) = (0, 0, 0);
    History::default().visit(5, &mut |history| {
        let messages = history.messages();
        for lost in 0..messages.len() {
            let after = |at: usize| history.past[at] >> lost & 1 == 1;
            for reversed in [false, true] {
                let mut buffer = CausalBuffer::new(BufferLimits::default());
                let mut arriving: Vec<_> = (0..messages.len()).filter(|&at| at != lost).collect();
                if reversed {
                    arriving.reverse();
                }
                for at in arriving {
                    buffer.accept(messages[at].clone()).unwrap();
                    // In one of the orders, messages are popped only at the end.
                    if reversed {
                        buffer.pop();
                    }
                }
                let (node, last) = (messages[lost].dot().node(), messages[lost].dot().counter() - 1);
                let doomed: Vec<_> =
                    buffer.close(node, last).unwrap().into_iter().map(Message::into_payload).collect();
                let delivered: Vec<_> =
                    std::iter::from_fn(|| buffer.pop()).map(Message::into_payload).collect();
                assert!(doomed.iter().all(|&at| after(at)), "{doomed:?} of {history:?} without {lost}");
                assert!(delivered.iter().all(|&at| !after(at)));
                assert_eq!(doomed.len(), (0..messages.len()).filter(|&at| after(at)).count());
                assert!(buffer.is_empty());
                assert_eq!(buffer.missing().next(), None, "nothing is asked for any more");
                // Each node is closed just before its first doomed message.
                for (&closed, last) in buffer.closed() {
                    let first = (0..messages.len())
                        .find(|&at| (at == lost || after(at)) && history.nodes[at] == closed);
                    assert_eq!(messages[first.unwrap()].dot().counter(), last + 1);
                    closed_in_all += 1;
                }
                for &at in &doomed {
                    let refused = buffer.accept(messages[at].clone()).unwrap_err();
                    assert!(matches!(refused.kind, AcceptErrorKind::Closed { .. }));
                }
                assert_eq!(buffer.internal_validate(), Ok(()));
                doomed_in_all += doomed.len();
                losses += 1;
            }
        }
    });
    assert_eq!((losses, doomed_in_all, closed_in_all), (17_930, 21_556, 28_588));
}
