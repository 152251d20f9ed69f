//! Machines are equal if they behave equally from now on: equal states are given the same inputs, at random, and must
//! give the same answers. States that only came about differently must be equal, and states that behave differently must
//! not be.

#![cfg(feature = "alloc")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use happens_before::delivery::{BufferLimits, DagEvent, DagLimits, Stability};
use happens_before::endpoint::EndpointConfig;
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, CausalSender, DagBuffer, Dot, Endpoint, Message, VersionVector};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    fn counter(&mut self) -> u64 {
        1 + self.below(3) as u64
    }
}

/// A machine under test.
trait Machine: Eq + Hash + Debug {
    type Input: Debug;

    fn copy(&self) -> Self;
    /// Returns the answer to an input.
    fn handle(&mut self, input: &Self::Input) -> String;
    /// Returns all that a caller can see of the state.
    fn look(&self) -> String;
}

fn hash(value: &impl Hash) -> u64 {
    let mut state = DefaultHasher::new();
    value.hash(&mut state);
    state.finish()
}

#[track_caller]
fn assert_equal<T: Eq + Hash + Debug>(x: &T, y: &T) {
    assert_eq!(x, y);
    assert_eq!(hash(x), hash(y));
}

/// The pairs of states that were compared.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    /// Pairs of equal states that are stored differently.
    equal: usize,
    /// Pairs of unequal states that give the same answer now, and of those, the pairs that no input told apart.
    unequal: usize,
    not_told_apart: usize,
}

/// Runs machines from `start` with random inputs, and judges the states on the way.
fn judge<M: Machine>(
    seed: u64,
    runs: usize,
    start: impl Fn() -> M,
    input: impl Fn(&mut Random) -> M::Input,
) -> Seen {
    let mut random = Random(seed);
    let mut seen = Seen::default();
    let mut states: HashMap<M, Vec<M>> = HashMap::new();
    for _ in 0..runs {
        let mut machine = start();
        for _ in 0..random.below(9) {
            machine.handle(&input(&mut random));
        }
        seen.states += 1;
        states.entry(machine.copy()).or_default().push(machine);
    }
    let mut classes: Vec<Vec<M>> = states.into_values().collect();
    classes.sort_by_cached_key(|class| format!("{class:?}")); // not in the order of a hash map
    for class in &classes {
        for other in &class[1..] {
            if format!("{other:?}") == format!("{:?}", class[0]) {
                continue;
            }
            seen.equal += 1;
            for _ in 0..2 {
                let (mut x, mut y) = (class[0].copy(), other.copy());
                for _ in 0..12 {
                    let input = input(&mut random);
                    assert_eq!(
                        x.handle(&input),
                        y.handle(&input),
                        "{input:?} for\n{:?}\nand\n{other:?}",
                        class[0]
                    );
                    assert_equal(&x, &y);
                }
            }
        }
    }
    // Which of the unequal states look the same now?
    let mut looks: HashMap<String, Vec<&M>> = HashMap::new();
    for class in &classes {
        looks.entry(class[0].look()).or_default().push(&class[0]);
    }
    let mut looks: Vec<_> = looks.into_iter().collect();
    looks.sort_by(|(x, _), (y, _)| x.cmp(y));
    for (_, alike) in looks {
        for pair in alike.windows(2) {
            seen.unequal += 1;
            let told_apart = (0..100).any(|_| {
                let (mut x, mut y) = (pair[0].copy(), pair[1].copy());
                (0..12).any(|_| {
                    let input = input(&mut random);
                    x.handle(&input) != y.handle(&input) || x.look() != y.look()
                })
            });
            seen.not_told_apart += usize::from(!told_apart);
        }
    }
    println!("{seen:?}");
    seen
}

type Buffer = CausalBuffer<u8, u8>;

#[derive(Debug)]
enum BufferInput {
    Accept(Message<u8, u8>),
    AcceptFrom(u8, Message<u8, u8>),
    Pop,
    Close(u8, u64),
    AdvanceTo(VersionVector<u8>),
    RemoveSource(u8),
    Drain,
}

impl Machine for Buffer {
    type Input = BufferInput;

    fn copy(&self) -> Self {
        self.clone()
    }

    fn handle(&mut self, input: &BufferInput) -> String {
        match input {
            BufferInput::Accept(message) => format!("{:?}", self.accept(message.clone())),
            BufferInput::AcceptFrom(source, message) => {
                format!("{:?}", self.accept_from(source, message.clone()))
            }
            BufferInput::Pop => format!("{:?}", self.pop()),
            BufferInput::Close(node, last) => format!("{:?}", self.close(node, *last)),
            BufferInput::AdvanceTo(vector) => format!("{:?}", self.advance_to(vector)),
            BufferInput::RemoveSource(source) => format!("{:?}", self.remove_source(source)),
            BufferInput::Drain => format!("{:?}", self.drain_undelivered()),
        }
    }

    fn look(&self) -> String {
        self.internal_validate().unwrap();
        let missing: Vec<DotRange<u8>> = self.missing().collect();
        let undelivered: Vec<_> = self.undelivered().collect();
        let waiting: Vec<_> = self.waiting().map(Message::dot).collect();
        let closed: Vec<_> = self.closed().collect();
        format!("{} {missing:?} {undelivered:?} {waiting:?} {closed:?}", self.delivered())
    }
}

/// A message of a small universe, so that equal states are met often.
fn message(random: &mut Random) -> Message<u8, u8> {
    loop {
        let dot = Dot::new(random.below(3) as u8, random.counter()).unwrap();
        let causes: Vec<_> =
            (0..random.below(3)).map(|_| Dot::new(random.below(3) as u8, random.counter()).unwrap()).collect();
        if let Ok(message) = Message::new(dot, causes, 0) {
            return message;
        }
    }
}

fn vector(random: &mut Random) -> VersionVector<u8> {
    (0..random.below(3)).map(|_| (random.below(4) as u8, random.counter())).collect()
}

fn limits() -> BufferLimits {
    BufferLimits { messages: 2, nodes: 3, horizon: 6, ..BufferLimits::default() }
}

#[test]
fn equal_causal_buffers_behave_equally() {
    let input = |random: &mut Random| match random.below(24) {
        0..15 => BufferInput::Accept(message(random)),
        15..21 => BufferInput::Pop,
        21 => BufferInput::Close(random.below(4) as u8, random.counter()),
        22 => BufferInput::AdvanceTo(vector(random)),
        _ => BufferInput::Drain,
    };
    let seen = judge(1, 6_000, || CausalBuffer::new(limits()), input);
    assert!(seen.equal > 300, "{seen:?}");
    assert_eq!(seen.not_told_apart, 0, "{seen:?}");
}

#[test]
fn equal_causal_buffers_with_sources_behave_equally() {
    // Each source brings the messages of one author, so no two of them are equally far ahead.
    let input = |random: &mut Random| match random.below(24) {
        0..16 => {
            let message = message(random);
            BufferInput::AcceptFrom(*message.dot().node(), message)
        }
        16..20 => BufferInput::Pop,
        20..22 => BufferInput::RemoveSource(random.below(4) as u8),
        22 => BufferInput::AdvanceTo(vector(random)),
        _ => BufferInput::Drain,
    };
    let start = || CausalBuffer::new(BufferLimits { sources: 2, ..limits() });
    let seen = judge(2, 6_000, start, input);
    assert!(seen.equal > 100 && seen.unequal > 50, "{seen:?}");
    assert!(seen.not_told_apart * 20 <= seen.unequal, "{seen:?}");
}

fn held(node: u8, counter: u64, causes: &[(u8, u64)]) -> Message<u8, u8> {
    let causes = causes.iter().map(|&(node, counter)| Dot::new(node, counter).unwrap());
    Message::new(Dot::new(node, counter).unwrap(), causes, 0).unwrap()
}

fn buffer(messages: impl IntoIterator<Item = Message<u8, u8>>) -> Buffer {
    let mut buffer = CausalBuffer::new(BufferLimits::default());
    for message in messages {
        buffer.accept(message).unwrap();
    }
    buffer
}

#[test]
fn the_order_of_arrival_does_not_count_where_no_answer_depends_on_it() {
    let messages = || [held(0, 3, &[]), held(0, 5, &[(1, 2)]), held(1, 4, &[(2, 1)]), held(3, 2, &[(0, 3)])];
    let first = buffer(messages());
    let mut orders = 0;
    for at in 0..24 {
        let mut rest: Vec<_> = messages().into();
        let order = [at / 6, at / 2 % 3, at % 2, 0].map(|at| rest.remove(at));
        assert_equal(&first, &buffer(order));
        orders += 1;
    }
    assert_eq!(orders, 24);
}

#[test]
fn messages_that_wait_for_the_same_cause_are_delivered_in_one_order_whatever_the_order_of_arrival() {
    let messages =
        || [held(0, 2, &[]), held(1, 1, &[(0, 1)]), held(2, 1, &[(0, 1), (3, 1)]), held(3, 1, &[(0, 1)])];
    let first = buffer(messages());
    for at in 0..24 {
        let mut rest: Vec<_> = messages().into();
        let mut buffer = buffer([at / 6, at / 2 % 3, at % 2, 0].map(|at| rest.remove(at)));
        assert_equal(&first, &buffer);
        buffer.accept(held(0, 1, &[])).unwrap();
        let delivered = std::iter::from_fn(|| buffer.pop()).map(|message| *message.dot().node());
        assert!(delivered.eq([0, 0, 1, 3, 2]), "by dot, and the last once its other cause is delivered");
    }
}

#[test]
fn slots_that_were_in_use_and_room_set_aside_do_not_count() {
    let fresh = buffer([held(0, 2, &[])]);
    // Hundreds of messages wait, and are drained.
    let mut used = buffer((2..900).map(|counter| held(0, counter, &[])));
    used.drain_undelivered();
    let mut named = fresh.clone();
    named.accept(held(0, 899, &[])).unwrap();
    named.drain_undelivered(); // the counter stays known
    assert_equal(&named, &used);
    for buffer in [&mut named, &mut used] {
        buffer.accept(held(0, 2, &[])).unwrap();
    }
    assert_equal(&named, &used);
    assert_ne!(fresh, used, "nothing is known of 899");

    // A message gives way to another one, and comes again.
    let limits = BufferLimits { messages: 2, sources: 2, ..BufferLimits::default() };
    let accept = |counters: &[u64]| {
        let mut buffer = CausalBuffer::new(limits);
        for &counter in counters {
            buffer.accept_from(&9, held(0, counter, &[])).unwrap();
        }
        buffer
    };
    assert_equal(&accept(&[7, 4, 3]), &accept(&[4, 7, 3])); // 7 is evicted
    assert_ne!(accept(&[7, 4, 3]), accept(&[4, 3]), "7 is missing");
}

#[test]
fn released_messages_are_compared_as_the_next_call_finds_them() {
    let mut x = buffer([held(1, 1, &[(0, 1), (2, 1)]), held(3, 1, &[(0, 1)]), held(0, 1, &[])]);
    x.pop();
    let mut y = x.clone();
    // A duplicate changes nothing, but the released messages check their causes.
    y.accept(held(0, 1, &[])).unwrap();
    assert_ne!(format!("{x:?}"), format!("{y:?}"));
    assert_equal(&x, &y);
    assert_eq!(x.pop(), y.pop());
    assert_equal(&x, &y);
}

#[test]
fn where_a_causal_buffer_behaves_differently_it_is_not_equal() {
    let messages = [held(0, 1, &[]), held(1, 1, &[])];
    let [x, y] = messages.clone();
    assert_ne!(buffer([x.clone(), y.clone()]), buffer([y, x]), "ready ones are delivered in order");
    let x = held(1, 1, &[(0, 1)]);
    let mut closed = buffer([x.clone()]);
    closed.close(&2, 7).unwrap();
    assert_ne!(closed, buffer([x.clone()]));
    let mut from = CausalBuffer::new(BufferLimits::default());
    from.accept_from(&5, x.clone()).unwrap();
    assert_ne!(from, buffer([x.clone()]));
    let mut from_another = CausalBuffer::new(BufferLimits::default());
    from_another.accept_from(&6, x.clone()).unwrap();
    assert_ne!(from, from_another);
    let mut from_both = from.clone();
    from_both.accept_from(&6, x.clone()).unwrap();
    assert_ne!(from, from_both);
    let other_limits = BufferLimits { messages: 9, ..BufferLimits::default() };
    assert_ne!(CausalBuffer::<u8, u8>::new(other_limits), CausalBuffer::new(BufferLimits::default()));
    assert_ne!(buffer([x.clone()]), buffer([x.with_payload(1)]));
}

#[derive(Debug)]
enum DagInput {
    Accept(DagEvent<u8, u8>, [bool; 7]),
    Pop,
    AdvanceTo(u8),
    Forget(u8),
    Drain,
}

impl Machine for DagBuffer<u8, u8> {
    type Input = DagInput;

    fn copy(&self) -> Self {
        self.clone()
    }

    fn handle(&mut self, input: &DagInput) -> String {
        match input {
            DagInput::Accept(event, store) => {
                format!("{:?}", self.accept(event.clone(), |&id| store[usize::from(id)]))
            }
            DagInput::Pop => format!("{:?}", self.pop()),
            DagInput::AdvanceTo(id) => format!("{:?}", self.advance_to([id])),
            DagInput::Forget(id) => format!("{:?}", self.forget(id)),
            DagInput::Drain => format!("{:?}", self.drain_undelivered()),
        }
    }

    fn look(&self) -> String {
        self.internal_validate().unwrap();
        let missing: Vec<_> = self.missing().collect();
        let undelivered: Vec<_> = self.undelivered().collect();
        let waiting: Vec<_> = self.waiting().map(|event| event.id).collect();
        format!("{missing:?} {undelivered:?} {waiting:?}")
    }
}

#[test]
fn equal_dag_buffers_behave_equally() {
    let input = |random: &mut Random| match random.below(24) {
        0..14 => {
            let parents = (0..random.below(3)).map(|_| random.below(7) as u8).collect();
            let event = DagEvent { id: random.below(7) as u8, parents, payload: 0 };
            DagInput::Accept(event, std::array::from_fn(|_| random.below(3) == 0))
        }
        14..18 => DagInput::Pop,
        18..20 => DagInput::AdvanceTo(random.below(7) as u8),
        20..23 => DagInput::Forget(random.below(7) as u8),
        _ => DagInput::Drain,
    };
    let limits = DagLimits { events: 3, links: 4, ..DagLimits::default() };
    let seen = judge(3, 4_000, || DagBuffer::new(limits), input);
    assert!(seen.equal > 300, "{seen:?}");
    assert_eq!(seen.unequal, 0, "all of a buffer of events can be seen: {seen:?}");
    assert_ne!(DagBuffer::<u8, u8>::new(limits), DagBuffer::new(DagLimits::default()));
}

#[derive(Debug)]
enum StabilityInput {
    Observe(u8, VersionVector<u8>),
    Join(u8, VersionVector<u8>),
    Remove(u8),
    CausallyStable(VersionVector<u8>),
}

impl Machine for Stability<u8> {
    type Input = StabilityInput;

    fn copy(&self) -> Self {
        self.clone()
    }

    fn handle(&mut self, input: &StabilityInput) -> String {
        match input {
            StabilityInput::Observe(member, vector) => format!("{:?}", self.observe(member, vector)),
            StabilityInput::Join(member, vector) => format!("{:?}", self.join(*member, vector)),
            StabilityInput::Remove(member) => format!("{:?}", self.remove(member)),
            StabilityInput::CausallyStable(delivered) => format!("{:?}", self.causally_stable(delivered)),
        }
    }

    fn look(&self) -> String {
        self.internal_validate().unwrap();
        let members: Vec<_> = self.members().collect();
        let highest: Vec<_> = (0..4).map(|author| self.highest(&author)).collect();
        format!("{members:?} {} {highest:?}", self.stable())
    }
}

#[test]
fn equal_records_of_stability_behave_equally() {
    let input = |random: &mut Random| match random.below(16) {
        0..10 => StabilityInput::Observe(random.below(4) as u8, vector(random)),
        10..12 => StabilityInput::Join(random.below(4) as u8, vector(random)),
        12 => StabilityInput::Remove(random.below(4) as u8),
        _ => StabilityInput::CausallyStable(vector(random)),
    };
    let start = || Stability::new([0, 1], 3).unwrap();
    let seen = judge(4, 4_000, start, input);
    assert!(seen.unequal > 50, "{seen:?}");
    assert!(seen.not_told_apart * 20 <= seen.unequal, "{seen:?}");

    let (mut x, mut y) = (start(), start());
    let vectors = [(0, [(0, 4), (1, 2)]), (1, [(0, 3), (1, 3)]), (0, [(0, 1), (1, 1)])];
    for (member, vector) in vectors {
        x.observe(&member, &VersionVector::from_iter(vector)).unwrap();
    }
    for (member, vector) in vectors.into_iter().rev() {
        y.observe(&member, &VersionVector::from_iter(vector)).unwrap();
    }
    assert_equal(&x, &y);
    y.observe(&1, &VersionVector::from_iter([(0, 4)])).unwrap();
    assert_ne!(x, y);
}

#[derive(Debug)]
enum SenderInput {
    Stamp,
    StampPart,
    Observe(Message<u8, u8>),
    AdvanceTo(VersionVector<u8>),
}

impl Machine for CausalSender<u8> {
    type Input = SenderInput;

    fn copy(&self) -> Self {
        self.duplicate()
    }

    fn handle(&mut self, input: &SenderInput) -> String {
        match input {
            SenderInput::Stamp => format!("{:?}", self.stamp(())),
            SenderInput::StampPart => format!("{:?}", self.stamp_part(())),
            SenderInput::Observe(message) => format!("{:?}", self.observe(message)),
            SenderInput::AdvanceTo(vector) => format!("{:?}", self.advance_to(vector)),
        }
    }

    fn look(&self) -> String {
        format!("{} {}", self.counter(), self.frontier())
    }
}

#[test]
fn equal_senders_behave_equally() {
    let input = |random: &mut Random| match random.below(16) {
        0..2 => SenderInput::Stamp,
        2..4 => SenderInput::StampPart,
        4..14 => SenderInput::Observe(message(random)),
        _ => SenderInput::AdvanceTo(vector(random)),
    };
    let seen = judge(5, 4_000, || CausalSender::new(0).with_dependencies(2), input);
    assert_eq!((seen.unequal, seen.not_told_apart), (0, 0), "all of a sender can be seen");
    assert_ne!(CausalSender::new(0).with_dependencies(2), CausalSender::new(0));
    let wide = |nodes: std::ops::Range<u8>| {
        let mut sender = CausalSender::new(0);
        nodes.rev().for_each(|node| sender.observe(&held(node, 1, &[])));
        sender
    };
    // More entries than the array has, of which a few are left.
    let mut was_wide = wide(1..99);
    let all: Vec<_> = (3..99).map(|node| (node, 1)).collect();
    was_wide.observe(&held(100, 1, &all));
    let mut narrow = wide(1..3);
    narrow.observe(&held(100, 1, &[]));
    assert_equal(&was_wide, &narrow);
}

#[derive(Clone, Debug)]
enum EndpointInput {
    Broadcast,
    Poll,
    Packet { after_ms: u64, from: u8, packet: Vec<u8> },
    TimeOut { after_ms: u64 },
    Admit(u8),
    Remove(u8),
}

/// An endpoint of node 0, and its clock.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Node {
    endpoint: Endpoint<u8>,
    now_ms: u64,
}

impl Machine for Node {
    type Input = EndpointInput;

    fn copy(&self) -> Self {
        Self { endpoint: self.endpoint.duplicate(), now_ms: self.now_ms }
    }

    fn handle(&mut self, input: &EndpointInput) -> String {
        let Self { endpoint, now_ms } = self;
        match input {
            EndpointInput::Broadcast => format!("{:?}", endpoint.broadcast(vec![7])),
            EndpointInput::Poll => {
                let delivered: Vec<_> = std::iter::from_fn(|| endpoint.poll_delivery()).collect();
                let packets: Vec<_> = std::iter::from_fn(|| endpoint.poll_packet()).collect();
                format!("{delivered:?} {packets:?}")
            }
            EndpointInput::Packet { after_ms, from, packet } => {
                *now_ms += after_ms;
                format!("{:?}", endpoint.handle_packet(*now_ms, from, packet))
            }
            EndpointInput::TimeOut { after_ms } => {
                *now_ms += after_ms;
                endpoint.handle_timeout(*now_ms);
                String::new()
            }
            EndpointInput::Admit(node) => format!("{:?}", endpoint.admit(*node)),
            EndpointInput::Remove(node) => format!("{:?}", endpoint.remove(node)),
        }
    }

    fn look(&self) -> String {
        let Self { endpoint, .. } = self;
        endpoint.internal_validate().unwrap();
        let lost: Vec<_> = endpoint.lost().collect();
        let stable = endpoint.stability().stable();
        let (at, snapshot) = (endpoint.poll_timeout(), endpoint.snapshot());
        format!("{at:?} {} {lost:?} {stable} {snapshot:?}", endpoint.undelivered_len())
    }
}

fn config() -> EndpointConfig {
    EndpointConfig {
        window: 3,
        nodes: 4,
        packet: 60,
        answer_bytes: 12,
        delay_ms: 1,
        retry_ms: 2,
        retry_max_ms: 8,
        ..EndpointConfig::default()
    }
}

/// Packets to node 0, from random runs of a group of three with losses.
fn packets() -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    let mut random = Random(7);
    for _ in 0..20 {
        let mut group = [0, 1, 2].map(|node| Endpoint::new(node, [0, 1, 2], config()).unwrap());
        for now_ms in 0..12 {
            for at in 0..3 {
                if random.below(4) == 0 {
                    _ = group[at].broadcast(vec![7]);
                }
                group[at].handle_timeout(now_ms);
                while group[at].poll_delivery().is_some() {}
                while let Some((to, packet)) = group[at].poll_packet() {
                    let from = at as u8;
                    if random.below(3) > 0 {
                        group[usize::from(to)].handle_packet(now_ms, &from, &packet).unwrap();
                    }
                    if to == 0 {
                        packets.push((from, packet));
                    }
                }
            }
        }
    }
    packets.sort();
    packets.dedup();
    packets
}

#[test]
fn equal_endpoints_behave_equally() {
    let packets = packets();
    assert!(packets.len() > 100);
    let input = |random: &mut Random| match random.below(32) {
        0..5 => EndpointInput::Broadcast,
        5..14 => EndpointInput::Poll,
        14..24 => {
            let (from, packet) = random.of(&packets).clone();
            EndpointInput::Packet { after_ms: random.below(2) as u64, from, packet }
        }
        24..30 => EndpointInput::TimeOut { after_ms: random.below(4) as u64 },
        30 => EndpointInput::Admit(3),
        _ => EndpointInput::Remove(1 + random.below(3) as u8),
    };
    let start = || Node { endpoint: Endpoint::new(0, [0, 1, 2], config()).unwrap(), now_ms: 0 };
    let seen = judge(6, 4_000, start, input);
    assert!(seen.equal > 100 && seen.unequal > 50, "{seen:?}");
    assert!(seen.not_told_apart * 20 <= seen.unequal, "{seen:?}");
}

#[test]
fn an_endpoint_that_waited_and_spoke_at_other_times_is_equal_once_nothing_depends_on_it() {
    let start = || Endpoint::new(0_u8, [0, 1], config()).unwrap();
    let (mut x, mut y) = (start(), start());
    for now_ms in 0..200 {
        x.handle_timeout(now_ms);
        while x.poll_packet().is_some() {}
    }
    for now_ms in (1..200).step_by(2) {
        y.handle_timeout(now_ms);
        while y.poll_packet().is_some() {}
    }
    assert_ne!(format!("{x:?}"), format!("{y:?}"));
    assert_equal(&x, &y);
    y.handle_timeout(200);
    assert_ne!(x, y, "the last time is passed on in deadlines");
    x.handle_timeout(200);
    assert_equal(&x, &y);
    x.broadcast(vec![]).unwrap();
    assert_ne!(x, y);
}

#[test]
fn messages_events_and_ranges_are_sorted_by_name_first() {
    let range = |node, counters| DotRange::new(node, counters).unwrap();
    assert!([range(0, 2..=9), range(0, 3..=3), range(0, 3..=4), range(1, 1..=1)].is_sorted_by(|x, y| x < y));
    let messages = [held(0, 1, &[]), held(0, 1, &[(1, 1)]), held(0, 2, &[]), held(1, 1, &[])];
    assert!(messages.is_sorted_by(|x, y| x < y));
    assert!(messages[0] < messages[0].clone().with_payload(1));
    let event = |id: u8, parents: &[u8], payload: u8| DagEvent { id, parents: parents.into(), payload };
    assert!(
        [event(0, &[], 9), event(0, &[1], 0), event(0, &[1], 1), event(1, &[], 0)].is_sorted_by(|x, y| x < y)
    );
}
