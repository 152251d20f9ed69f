//! The scenario `buffer`: `CausalSender` and `CausalBuffer` with the simplest retransmission that suffices.
//!
//! Every node announces its deliveries to its neighbours in turn. A node that lacks one of them asks for it, and the
//! other answers from its log. A disk keeps the log, the sender, and in some runs the held messages. A node that has
//! lost its disk comes back under a new name.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use happens_before::delivery::{AcceptErrorKind, BufferLimits};
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, CausalSender, Dot, Message, VersionVector};
use happens_before_simulation::{Node, Random, Scenario, Setup, Step};

use super::judge::{Id, Judge, Told, after};

/// A message that carries a number.
pub(crate) type Msg = Message<Id, u64>;

/// A packet.
#[derive(Clone)]
pub(crate) enum Packet {
    Message(Msg),
    Announcement(VersionVector<Id>),
    Question(Vec<DotRange<Id>>),
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "message {}{}", message.dot(), after(message.dependencies())),
            Self::Announcement(vector) => write!(f, "what it has, {vector},"),
            Self::Question(wanted) => {
                let ranges: Vec<_> = wanted.iter().map(ToString::to_string).collect();
                write!(f, "a question for {}", ranges.join(" and "))
            }
        }
    }
}

/// A command to send numbers to all, one after the other, before the first is delivered here.
#[derive(Clone, Debug)]
pub(crate) struct Say(pub(crate) Vec<u64>);

/// The settings of a run, the same for all its nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    nodes: usize,
    limits: BufferLimits,
    announce_ms: u64,
    /// Most messages in the answer to a question.
    answer: usize,
    saves_held: bool,
    saves_frontier: bool,
}

impl Settings {
    /// Draws settings; half of them have little room.
    fn draw(Setup { nodes, seed }: Setup) -> Self {
        let random = &mut Random::new(seed, 1);
        let mut limits = BufferLimits { nodes: nodes + CRASHES as usize, ..BufferLimits::default() };
        if random.chance(0.5) {
            limits.messages = random.index(8);
        }
        if random.chance(0.5) {
            limits.horizon = random.within(1..=16);
        }
        Self {
            nodes,
            limits,
            announce_ms: random.within(10..=200),
            answer: 1 + random.index(16),
            saves_held: random.chance(0.5),
            saves_frontier: random.chance(0.8),
        }
    }
}

/// Most crashes of a run, each of which may lose the state of a node.
pub(crate) const CRASHES: u64 = 4;

#[derive(Debug)]
pub(crate) struct Replica {
    node: usize,
    settings: Settings,
    sender: CausalSender<Id>,
    buffer: CausalBuffer<Id, u64>,
    log: Vec<Msg>,
    neighbour: usize,
    announce_at: u64,
    out: VecDeque<(usize, Packet)>,
    told: Vec<Told>,
    refused: Result<(), String>,
}

impl Replica {
    fn new(node: usize, id: Id, settings: Settings, now: u64) -> Self {
        Self {
            node,
            settings,
            sender: CausalSender::new(id),
            buffer: CausalBuffer::new(settings.limits),
            log: Vec::new(),
            neighbour: node,
            announce_at: now + settings.announce_ms,
            out: VecDeque::new(),
            told: Vec::new(),
            refused: Ok(()),
        }
    }

    /// Restarts from the disk.
    fn restored(self, now: u64) -> Self {
        let delivered: VersionVector<Id> =
            self.log.iter().map(|message| message.dot()).fold(VersionVector::new(), |mut vector, dot| {
                vector.observe(dot);
                vector
            });
        let frontier = if self.settings.saves_frontier { self.sender.frontier() } else { delivered.clone() };
        let mut restored = Self::new(self.node, *self.sender.node(), self.settings, now);
        restored.sender = CausalSender::resume(*self.sender.node(), self.sender.counter(), frontier);
        if let Err(error) = restored.buffer.advance_to(&delivered) {
            restored.refused = Err(error.to_string());
        }
        restored.log = self.log;
        if self.settings.saves_held {
            self.buffer.undelivered().for_each(|message| restored.accept(message.clone()));
        }
        restored
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let node = self.node;
        (0..self.settings.nodes).filter(move |&other| other != node)
    }

    fn accept(&mut self, message: Msg) {
        if let Err(error) = self.buffer.accept(message) {
            let expected =
                matches!(error.kind, AcceptErrorKind::BufferFull { .. } | AcceptErrorKind::TooFarAhead { .. });
            if !expected {
                self.refused = Err(error.to_string());
            }
        }
        while let Some(message) = self.buffer.pop() {
            self.sender.observe(&message);
            self.told.push(Told::Delivered { dot: *message.dot(), payload: *message.payload() });
            self.log.push(message);
        }
    }
}

impl Node for Replica {
    type Packet = Packet;
    type Command = Say;

    fn handle_command(&mut self, Say(payloads): Say, _now: u64) {
        let messages: Vec<_> =
            payloads.into_iter().filter_map(|payload| self.sender.stamp(payload).ok()).collect();
        for message in &messages {
            let (dot, dependencies) = (*message.dot(), message.dependencies().to_vec());
            self.told.push(Told::Sent { dot, dependencies, payload: *message.payload() });
        }
        for message in messages {
            self.accept(message.clone());
            self.out.extend(self.others().map(|other| (other, Packet::Message(message.clone()))));
        }
    }

    fn handle_packet(&mut self, from: usize, packet: Packet, _now: u64) {
        match packet {
            Packet::Message(message) => self.accept(message),
            Packet::Announcement(theirs) => {
                // The missing messages, and those that no message here has named: such a message was refused for lack
                // of room.
                let mut wanted: Vec<_> = self.buffer.missing().collect();
                wanted.extend(theirs.difference(&self.buffer.delivered()));
                if !wanted.is_empty() {
                    self.out.push_back((from, Packet::Question(wanted)));
                }
            }
            Packet::Question(wanted) => {
                let asked = |message: &&Msg| {
                    let dot = message.dot();
                    wanted
                        .iter()
                        .any(|range| range.node() == dot.node() && range.counters().contains(&dot.counter()))
                };
                let answer = self.log.iter().filter(asked).take(self.settings.answer);
                self.out.extend(answer.map(|message| (from, Packet::Message(message.clone()))));
            }
        }
    }

    fn handle_timeout(&mut self, now: u64) {
        self.announce_at = now + self.settings.announce_ms;
        self.neighbour = (self.neighbour + 1) % self.settings.nodes;
        if self.neighbour != self.node {
            self.out.push_back((self.neighbour, Packet::Announcement(self.buffer.delivered())));
        }
    }

    fn poll_packet(&mut self) -> Option<(usize, Packet)> {
        self.out.pop_front()
    }

    fn poll_timeout(&mut self) -> Option<u64> {
        Some(self.announce_at)
    }
}

/// The replicas and their judge.
#[derive(Debug)]
pub(crate) struct Buffers {
    settings: Settings,
    judge: Judge,
    said: u64,
}

impl Buffers {
    pub(crate) fn new(setup: Setup) -> Self {
        let settings = Settings::draw(setup);
        Self { settings, judge: Judge::new(setup.nodes, settings.saves_frontier), said: 0 }
    }
}

impl Scenario for Buffers {
    type Node = Replica;

    fn start(&mut self, node: usize, now: u64) -> Replica {
        Replica::new(node, self.judge.starts(node), self.settings, now)
    }

    fn restart(&mut self, _node: usize, crashed: Replica, now: u64) -> Replica {
        crashed.restored(now)
    }

    fn command(&mut self, random: &mut Random) -> Say {
        let count = if random.chance(0.1) { 2 } else { 1 };
        let first = self.said + 1;
        self.said += count;
        Say((first..=self.said).collect())
    }

    fn check(&mut self, step: &mut Step<'_, Replica>) -> Result<(), String> {
        let node = step.node;
        for told in std::mem::take(&mut step.machine().told) {
            step.note(|| format!("      {told}"));
            self.judge.hear(node, told)?;
        }
        let replica = step.machine();
        std::mem::replace(&mut replica.refused, Ok(()))?;
        replica.buffer.internal_validate()?;
        let BufferLimits { messages, nodes, .. } = self.settings.limits;
        if replica.buffer.len() > messages + nodes {
            return Err(format!("{} messages are here, beyond the limit", replica.buffer.len()));
        }
        let past = self.judge.past(node);
        if !replica.buffer.delivered().iter().eq(past.iter().map(|(id, &counter)| (id, counter))) {
            return Err(format!("delivered are {past:?}, and the buffer says {}", replica.buffer.delivered()));
        }
        check_questions(&replica.buffer)
    }

    fn quiescent(&mut self, _nodes: &[Option<Replica>]) -> Result<(), String> {
        self.judge.complete()
    }
}

/// Compares the missing messages that the buffer reports with those that its messages name.
fn check_questions(buffer: &CausalBuffer<Id, u64>) -> Result<(), String> {
    let delivered = |dot: &Dot<Id>| dot.counter() <= buffer.delivered_up_to(dot.node());
    let held: BTreeSet<_> = buffer.undelivered().map(|message| *message.dot()).collect();
    let missing: BTreeSet<_> = buffer.missing().flat_map(|range| range.dots().collect::<Vec<_>>()).collect();
    if let Some(here) = missing.iter().find(|dot| delivered(dot) || held.contains(dot)) {
        return Err(format!("{here} is here, and called missing"));
    }
    for message in buffer.undelivered() {
        let causes = message.dot().previous().into_iter().chain(message.dependencies().iter().copied());
        let lacking: BTreeSet<_> = causes.filter(|dot| !delivered(dot)).collect();
        if lacking.is_empty() {
            return Err(format!("{} could be delivered and is not", message.dot()));
        }
        if let Some(unnamed) = lacking.iter().find(|dot| !missing.contains(dot) && !held.contains(dot)) {
            return Err(format!("{} waits for {unnamed}, which is not called missing", message.dot()));
        }
        if !buffer.blocked_on(message.dot()).collect::<BTreeSet<_>>().eq(&lacking) {
            return Err(format!("{} is blocked on {lacking:?}, and the buffer says otherwise", message.dot()));
        }
    }
    Ok(())
}
