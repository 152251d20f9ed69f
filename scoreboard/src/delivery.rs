//! Causal delivery: beside minerva, both buffers of tcb, and a list that is scanned again at every step.
//!
//! All contestants get the same history in the same order of arrival, each in its own form. That is direct dependencies
//! for this crate, the list, and the graph of tcb; it is full vectors for minerva and tcb's other buffer, which accept
//! nothing else. Messages are made and copied before the clock runs; taking them apart is part of the work. Every
//! contestant returns the order of its deliveries, and the history judges it: every message, once, and after its
//! causes.
//!
//! - tcb's buffer with vectors counts the arrivals of a node instead of reading their numbers. It delivers everything
//!   only where each node's messages arrive in order, and takes part only there.
//! - A million messages come with direct dependencies. Contestants that need vectors take part where these fit into
//!   memory and the run is short: in order and in windows, up to 8 nodes.
//! - A contestant that has not finished after a minute is stopped. So is one that, after a part of the work, would need
//!   longer for the whole at its pace.
//! - The list is scanned from its oldest message on, which is the obvious way to write it. Scanned from the newest on,
//!   exactly reversed order is its best case, and nothing is faster there.

use std::hint::black_box;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use happens_before::delivery::BufferLimits;
use happens_before::{CausalBuffer, Dot, Message, VersionVector};
use minerva::kairos::Kairos;
use minerva::metis::{CausalIdeal, Event};
use tcb::configuration::middleware_configuration::{Batching, Configuration};
use tcb::graph::middleware::graph::GRAPH;
use tcb::graph::middleware::message_types::ClientMessage;
use tcb::vv::middleware::version_vector::VV;
use tcb::vv::structs::messages::MiddlewareClient;

use crate::{Case, Contestant, Goal, Pick, Role};

/// The most time that a contestant may take for all messages.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The time for which a contestant is measured in a process, in seconds; at least one round.
const SECONDS: f64 = 0.1;

/// A message by the number of its node and its counter.
type Name = (usize, u64);

/// The messages of a history, and the deliveries of each sender before it sent. These are a prefix of the order of
/// sending that lacks at most the last two messages, and the sender's own messages. Such prefixes are causally closed.
struct History {
    nodes: usize,
    names: Vec<Name>,
    /// The length of the prefix that each sender had delivered.
    prefixes: Vec<usize>,
    /// The direct dependencies, as indices in the order of sending, without the sender's own.
    dependencies: Vec<Vec<usize>>,
}

fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % bound
}

fn shuffle<T>(items: &mut [T]) {
    let mut state = 2;
    for at in (1..items.len()).rev() {
        items.swap(at, random(&mut state, at + 1));
    }
}

impl History {
    fn new(nodes: usize, count: usize) -> Self {
        let mut state = 1;
        let (mut counters, mut seen) = (vec![0; nodes], vec![0; nodes]);
        // The messages that nothing follows, among the first 0, 1, 2, ... messages; the last few of these lists.
        let mut frontiers: Vec<Vec<usize>> = vec![vec![]];
        let mut history = Self { nodes, names: vec![], prefixes: vec![], dependencies: vec![] };
        for number in 0..count {
            let node = random(&mut state, nodes);
            let prefix = number.saturating_sub(random(&mut state, 3)).max(seen[node]);
            let others = |&&at: &&usize| history.names[at].0 != node;
            // The sender's previous message, and all that it follows, are implied.
            let direct = frontiers[frontiers.len() - 1 - (number - prefix)].iter();
            let direct = direct.filter(others).filter(|at| **at >= seen[node]).copied().collect();
            let last = frontiers.last().expect("one a prefix").iter();
            let frontier = last.filter(others).filter(|at| **at >= prefix).copied().chain([number]).collect();
            frontiers.push(frontier);
            frontiers.drain(..frontiers.len().saturating_sub(3));
            counters[node] += 1;
            seen[node] = prefix;
            history.names.push((node, counters[node]));
            history.prefixes.push(prefix);
            history.dependencies.push(direct);
        }
        history
    }

    /// Returns the indices of the messages in an order of arrival.
    fn arrivals(&self, order: Arrival) -> Vec<usize> {
        let mut arriving: Vec<usize> = (0..self.names.len()).collect();
        match order {
            Arrival::InOrder => {}
            Arrival::Reversed => arriving.reverse(),
            Arrival::Shuffled => shuffle(&mut arriving),
            Arrival::Window => arriving.chunks_mut(64).for_each(shuffle),
            Arrival::FifoRandom => {
                // Any order of the nodes' turns; each turn is the node's next message.
                let mut of_node = vec![vec![]; self.nodes];
                arriving.iter().rev().for_each(|&at| of_node[self.names[at].0].push(at));
                let mut turns: Vec<usize> = self.names.iter().map(|name| name.0).collect();
                shuffle(&mut turns);
                arriving = turns.into_iter().filter_map(|node| of_node[node].pop()).collect();
            }
        }
        arriving
    }

    /// Returns for each message the counters that its sender had delivered from all nodes, with the message itself.
    fn vectors(&self) -> Vec<Vec<u64>> {
        let mut sent = vec![0; self.nodes];
        let vector = |number: usize| {
            let (node, counter) = self.names[number];
            let mut vector = sent.clone();
            self.names[self.prefixes[number]..number].iter().for_each(|later| vector[later.0] -= 1);
            (vector[node], sent[node]) = (counter, counter);
            vector
        };
        (0..self.names.len()).map(vector).collect()
    }

    /// Asserts that every message is delivered once, and after its causes.
    fn judge(&self, delivered: &[Name]) {
        assert_eq!(delivered.len(), self.names.len(), "everything is delivered");
        let mut place = vec![vec![usize::MAX]; self.nodes];
        for (at, &(node, counter)) in delivered.iter().enumerate() {
            assert_eq!(place[node].len() as u64, counter, "each node's messages come in their order");
            place[node].push(at);
        }
        let place = |number: usize| {
            let (node, counter) = self.names[number];
            place[node][counter as usize]
        };
        for (number, dependencies) in self.dependencies.iter().enumerate() {
            assert!(
                dependencies.iter().all(|&cause| place(cause) < place(number)),
                "an effect before its cause"
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Arrival {
    InOrder,
    FifoRandom,
    Window,
    Shuffled,
    Reversed,
}

impl Arrival {
    const ALL: [Self; 5] = [Self::InOrder, Self::FifoRandom, Self::Window, Self::Shuffled, Self::Reversed];

    fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::FifoRandom => "FIFO-random",
            Self::Window => "window of 64",
            Self::Shuffled => "shuffled",
            Self::Reversed => "reversed",
        }
    }
}

/// A contestant: it holds messages back until their causes are delivered.
trait Buffer: Sized {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;
    type Message: Clone;

    fn messages(history: &History) -> Vec<Self::Message>;
    fn new(nodes: usize, count: usize) -> Self;
    fn accept(&mut self, message: Self::Message);
    /// Removes a message that can be delivered, and returns its name.
    fn pop(&mut self) -> Option<Name>;
}

fn dot((node, counter): Name) -> Dot<u64> {
    Dot::new(node as u64, counter).expect("counters begin with 1")
}

fn name(dot: &Dot<u64>) -> Name {
    (*dot.node() as usize, dot.counter())
}

fn direct(history: &History) -> Vec<Message<u64, ()>> {
    let message = |(&own, dependencies): (&Name, &Vec<usize>)| {
        Message::new(dot(own), dependencies.iter().map(|&at| dot(history.names[at])), ()).expect("no cycle")
    };
    history.names.iter().zip(&history.dependencies).map(message).collect()
}

impl Buffer for CausalBuffer<u64, ()> {
    const NAME: &'static str = "CausalBuffer";
    const ROLE: Role = Role::Ours;
    type Message = Message<u64, ()>;

    fn messages(history: &History) -> Vec<Self::Message> {
        direct(history)
    }

    fn new(nodes: usize, count: usize) -> Self {
        Self::new(BufferLimits { messages: count, horizon: count as u64, nodes, ..BufferLimits::default() })
    }

    fn accept(&mut self, message: Self::Message) {
        CausalBuffer::accept(self, message).expect("the limits are wide enough");
    }

    fn pop(&mut self) -> Option<Name> {
        CausalBuffer::pop(self).map(|message| name(message.dot()))
    }
}

/// The obvious first implementation: a list of waiting messages, scanned from the start for one that can be delivered.
struct Rescan {
    delivered: VersionVector<u64>,
    held: Vec<Message<u64, ()>>,
    /// True if a message has come or was delivered since the last scan that found nothing.
    changed: bool,
}

impl Rescan {
    fn deliverable(&self, message: &Message<u64, ()>) -> bool {
        let own = message.dot();
        self.delivered.get(own.node()) + 1 == own.counter()
            && message.dependencies().iter().all(|cause| self.delivered.contains(cause))
    }
}

impl Buffer for Rescan {
    const NAME: &'static str = "naive rescan";
    type Message = Message<u64, ()>;

    fn messages(history: &History) -> Vec<Self::Message> {
        direct(history)
    }

    fn new(_: usize, _: usize) -> Self {
        Self { delivered: VersionVector::new(), held: vec![], changed: false }
    }

    fn accept(&mut self, message: Self::Message) {
        if !self.delivered.contains(message.dot()) {
            // The arrival of a message makes no other one deliverable.
            self.changed |= self.deliverable(&message);
            self.held.push(message);
        }
    }

    fn pop(&mut self) -> Option<Name> {
        if !self.changed {
            return None;
        }
        let Some(at) = self.held.iter().position(|message| self.deliverable(message)) else {
            self.changed = false;
            return None;
        };
        let message = self.held.swap_remove(at);
        self.delivered.observe(message.dot());
        Some(name(message.dot()))
    }
}

impl Buffer for CausalIdeal<()> {
    const NAME: &'static str = "minerva";
    type Message = Event<()>;

    fn messages(history: &History) -> Vec<Self::Message> {
        let event = |(number, vector): (usize, Vec<u64>)| {
            let mut deps = minerva::metis::VersionVector::new();
            let known = vector.iter().enumerate().filter(|(_, counter)| **counter > 0);
            known.for_each(|(node, &counter)| deps.observe(node as u32, counter));
            let sender = history.names[number].0 as u32;
            Event { stamp: Kairos::new(number as u64, 0, sender, 0_u16), deps, payload: () }
        };
        history.vectors().into_iter().enumerate().map(event).collect()
    }

    fn new(_: usize, _: usize) -> Self {
        Self::new()
    }

    fn accept(&mut self, message: Self::Message) {
        self.insert(message);
    }

    fn pop(&mut self) -> Option<Name> {
        let event = self.pop_ready_event()?.into_event();
        let sender = event.stamp.station_id();
        Some((sender as usize, event.deps.get(sender)))
    }
}

/// Returns the configuration: without stability, batches and threads.
fn configuration() -> Arc<Configuration> {
    let batching = Batching { size: 0, message_number: 0, lower_timeout: 0, upper_timeout: 0 };
    Arc::new(Configuration {
        thread_stack_size: 0,
        middleware_thread_stack_size: 0,
        stream_sender_timeout: 0,
        track_causal_stability: false,
        batching,
    })
}

struct TcbVectors {
    buffer: VV,
    delivered: crossbeam::Receiver<MiddlewareClient>,
}

impl Buffer for TcbVectors {
    const NAME: &'static str = "tcb, vectors";
    type Message = (usize, tcb::vv::structs::messages::Message);

    fn messages(history: &History) -> Vec<Self::Message> {
        let message = |(&(sender, _), vector): (&Name, Vec<u64>)| {
            let vector = vector.into_iter().map(|counter| counter as usize).collect();
            let vector = tcb::vv::structs::version_vector::VersionVector(vector);
            (sender, tcb::vv::structs::messages::Message::new(sender, vec![], vector))
        };
        history.names.iter().zip(history.vectors()).map(message).collect()
    }

    fn new(nodes: usize, _: usize) -> Self {
        // One more node for the receiver: it sends nothing, but would be mistaken for one of the senders.
        let (client, delivered) = crossbeam::unbounded();
        Self { buffer: VV::new(nodes, nodes, client, configuration()), delivered }
    }

    fn accept(&mut self, (sender, message): Self::Message) {
        self.buffer.receive(sender, message);
    }

    fn pop(&mut self) -> Option<Name> {
        match self.delivered.try_recv().ok()? {
            MiddlewareClient::DELIVER { sender_id, version_vector, .. } => {
                Some((sender_id, version_vector[sender_id] as u64))
            }
            _ => None,
        }
    }
}

struct TcbGraph {
    buffer: GRAPH,
    delivered: crossbeam::Receiver<ClientMessage>,
}

impl Buffer for TcbGraph {
    const NAME: &'static str = "tcb, graph";
    type Message = tcb::graph::structs::message::Message;

    fn messages(history: &History) -> Vec<Self::Message> {
        let dot = |(node, counter): Name| tcb::graph::middleware::dot::Dot::new(node, counter as usize);
        let message = |(&(node, counter), dependencies): (&Name, &Vec<usize>)| {
            let own_previous = (counter > 1).then(|| dot((node, counter - 1)));
            let causes = own_previous.into_iter().chain(dependencies.iter().map(|&at| dot(history.names[at])));
            Self::Message::new(vec![], dot((node, counter)), causes.collect())
        };
        history.names.iter().zip(&history.dependencies).map(message).collect()
    }

    fn new(nodes: usize, _: usize) -> Self {
        let (client, delivered) = crossbeam::unbounded();
        Self { buffer: GRAPH::new(nodes, nodes, client, configuration()), delivered }
    }

    fn accept(&mut self, message: Self::Message) {
        self.buffer.receive(message);
    }

    fn pop(&mut self) -> Option<Name> {
        match self.delivered.try_recv().ok()? {
            ClientMessage::Delivery { dot, .. } => Some((dot.id, dot.counter as u64)),
            _ => None,
        }
    }
}

/// Hands the messages over in order of arrival, and delivers as it goes; `None` if that takes too long.
fn deliver<B: Buffer>(nodes: usize, messages: Vec<B::Message>, delivered: &mut Vec<Name>) -> Option<Duration> {
    let count = messages.len();
    let start = Instant::now();
    let mut buffer = B::new(nodes, count);
    let too_long = |taken: Duration, done: f64| {
        taken > TIME_LIMIT || (done > 1.0 / 64.0 && taken > TIME_LIMIT.mul_f64(done))
    };
    for (at, message) in messages.into_iter().enumerate() {
        buffer.accept(message);
        let before = delivered.len();
        let mut first = None;
        for name in iter::from_fn(|| buffer.pop()) {
            delivered.push(black_box(name));
            let since = delivered.len() - before;
            if since.is_multiple_of(64) {
                // A scan becomes shorter as the list shrinks: the mean is half the time of the first scans.
                let part = 2.0 * since as f64 / (at + 1 - before) as f64;
                if start.elapsed() > TIME_LIMIT
                    || too_long(first.get_or_insert_with(Instant::now).elapsed(), part)
                {
                    return None;
                }
            }
        }
        if at % 64 == 63 && too_long(start.elapsed(), (at + 1) as f64 / count as f64) {
            return None;
        }
    }
    Some(start.elapsed())
}

/// Makes a contestant that delivers histories of `count` messages, `times` of them in a round. The figure is for one
/// message.
fn contestant<B: Buffer + 'static>(
    role: Role,
    name: &'static str,
    (nodes, count, times): (usize, usize, usize),
    order: Arrival,
) -> Contestant {
    // Made when it is needed: all cells together would not fit into memory.
    let mut made: Option<(History, Vec<B::Message>)> = None;
    Contestant::new(role, name, move || {
        let (history, arriving) = made.get_or_insert_with(|| {
            let history = History::new(nodes, count);
            let messages = B::messages(&history);
            let arriving = history.arrivals(order).into_iter().map(|at| messages[at].clone()).collect();
            (history, arriving)
        });
        let copies: Vec<_> = (0..times).map(|_| arriving.clone()).collect();
        let mut taken = Duration::ZERO;
        for messages in copies {
            let mut delivered = Vec::with_capacity(count);
            match deliver::<B>(nodes, messages, &mut delivered) {
                Some(duration) => taken += duration,
                None => return f64::INFINITY,
            }
            history.judge(&delivered);
        }
        taken.as_nanos() as f64 / (count * times) as f64
    })
}

fn peer<B: Buffer + 'static>(size: (usize, usize, usize), order: Arrival) -> Contestant {
    contestant::<B>(B::ROLE, B::NAME, size, order)
}

fn case(nodes: usize, count: usize, order: Arrival) -> Case {
    let size = (nodes, count, (2_000 / count).max(1));
    let vectors = count < 1_000_000 || (nodes <= 8 && matches!(order, Arrival::InOrder | Arrival::Window));
    let mut contestants = vec![
        peer::<CausalBuffer<u64, ()>>(size, order),
        peer::<Rescan>(size, order),
        peer::<TcbGraph>(size, order),
    ];
    if vectors {
        contestants.push(peer::<CausalIdeal<()>>(size, order));
        if matches!(order, Arrival::InOrder | Arrival::FifoRandom) {
            contestants.push(peer::<TcbVectors>(size, order));
        }
    }
    let mut goal = Goal::BeatPeers;
    if nodes == 8 && count >= 2_000 {
        goal = Goal::WithinLimitAndBeatPeers(0.5);
        contestants.push(contestant::<CausalIdeal<()>>(
            Role::Limit,
            "minerva, in order",
            size,
            Arrival::InOrder,
        ));
    }
    Case {
        name: format!("{}, {nodes} nodes, {count} messages", order.name()).leak(),
        unit: "ns",
        pick: Pick::FastestWithin(SECONDS),
        goal,
        contestants,
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // With 90 messages, fewer than 100 are held in every order.
    for count in [90, 2_000, 16_000, 1_000_000] {
        for nodes in [3, 8, 64, 256] {
            for order in Arrival::ALL {
                cases.push(case(nodes, count, order));
            }
        }
    }
    let size = (32, 16_000, 1);
    cases.push(Case {
        name: "shuffled, 32 nodes, 16000 messages",
        unit: "ns",
        pick: Pick::FastestWithin(SECONDS),
        goal: Goal::TimesAsFast(100.0),
        contestants: vec![
            peer::<CausalBuffer<u64, ()>>(size, Arrival::Shuffled),
            peer::<CausalIdeal<()>>(size, Arrival::Shuffled),
        ],
    });
    cases
}
