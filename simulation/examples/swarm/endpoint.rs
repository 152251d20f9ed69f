//! The scenarios `endpoint` and `joining`: `Endpoint` with small windows, crashes, and members that come and go.
//!
//! A disk keeps the log of the application and the last snapshot, which is saved before the packets of a step leave. A
//! node that has lost its disk joins under a new name: it asks all others to admit it, and they remove its old name.
//! When all have agreed, it asks one of them for a snapshot.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;

use happens_before::endpoint::{BroadcastErrorKind, EndpointConfig, PacketErrorKind};
use happens_before::{Dot, Endpoint, VersionVector};
use happens_before_simulation::{Node, Random, Scenario, Setup, Step};

use super::judge::{Id, Judge, Told};

/// Most crashes of a run, each of which may lose the state of a node.
pub(crate) const CRASHES: u64 = 4;

/// The time after which a joining node repeats its requests, in milliseconds.
const ASK_AGAIN_MS: u64 = 100;

/// The step by which a name grows with every lost state.
const LIFE: Id = 100;

/// A packet.
#[derive(Clone)]
pub(crate) enum Packet {
    /// A packet of one endpoint to another.
    Endpoint { from: Id, to: Id, bytes: Vec<u8> },
    /// A request to be admitted.
    Admit(Id),
    /// The agreement: the name is a member.
    Admitted(Id),
    /// A request for a snapshot.
    AskForSnapshot(Id),
    /// A snapshot, with the deliveries of the application.
    Snapshot { to: Id, bytes: Vec<u8>, log: Rc<[Dot<Id>]> },
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { from, to, bytes } => write!(f, "{} bytes of {from} for {to}", bytes.len()),
            Self::Admit(id) => write!(f, "\"admit {id}\""),
            Self::Admitted(id) => write!(f, "\"{id} is in\""),
            Self::AskForSnapshot(id) => write!(f, "\"a snapshot for {id}, please\""),
            Self::Snapshot { to, log, .. } => write!(f, "a snapshot for {to}, of {} deliveries", log.len()),
        }
    }
}

/// A command to send a number, in a message of this length in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    payload: u64,
    length: usize,
}

impl Say {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.payload.to_le_bytes().to_vec();
        bytes.resize(self.length.max(8), 0);
        bytes
    }
}

fn number(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The settings of a run, the same for all its nodes.
#[derive(Clone, Copy, Debug)]
struct Settings {
    nodes: usize,
    config: EndpointConfig,
}

impl Settings {
    /// Draws settings; half of them have little room.
    fn draw(Setup { nodes, seed }: Setup) -> Self {
        let random = &mut Random::new(seed, 1);
        let mut config =
            EndpointConfig { nodes: nodes + CRASHES as usize, packet: 1200, ..EndpointConfig::default() };
        if random.chance(0.5) {
            config.window = random.within(1..=8);
        }
        if random.chance(0.5) {
            config.window_bytes = random.within(200..=1000) as usize;
        }
        if random.chance(0.5) {
            config.packet = random.within(1..=300) as usize;
        }
        if random.chance(0.5) {
            config.answer_bytes = random.within(1..=1000) as usize;
        }
        config.delay_ms = random.long_tailed(1..=200);
        config.retry_ms = random.within(1..=400);
        config.retry_max_ms = config.retry_ms * random.within(1..=20);
        Self { nodes, config }
    }
}

/// The state of a node.
enum Life {
    Member(Box<Endpoint<Id>>),
    /// It has no state yet; these nodes have admitted it.
    Joining(BTreeSet<usize>),
}

pub(crate) struct Member {
    node: usize,
    id: Id,
    settings: Settings,
    life: Life,
    /// The newest name of each node of which it has heard.
    newest: Vec<Id>,
    /// The last snapshot, if it is a member.
    disk: Vec<u8>,
    /// The deliveries of the application; they are on the disk too.
    log: Vec<Dot<Id>>,
    /// The last vector that was reported as causally stable.
    causally_stable: VersionVector<Id>,
    /// Messages that could not be sent yet.
    waiting: VecDeque<Say>,
    ask_at: u64,
    turn: usize,
    out: VecDeque<(usize, Packet)>,
    told: Vec<Told>,
    wrong: Result<(), String>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Member {
    fn new(node: usize, id: Id, settings: Settings, life: Life, now: u64) -> Self {
        let mut member = Self {
            node,
            id,
            settings,
            life,
            newest: (0..settings.nodes as Id).collect(),
            disk: Vec::new(),
            log: Vec::new(),
            causally_stable: VersionVector::new(),
            waiting: VecDeque::new(),
            ask_at: now,
            turn: 0,
            out: VecDeque::new(),
            told: Vec::new(),
            wrong: Ok(()),
        };
        member.newest[node] = id;
        member.after();
        member
    }

    /// Does what the owner of an endpoint must do after each call: deliver, save, send.
    fn after(&mut self) {
        let Life::Member(endpoint) = &mut self.life else { return };
        loop {
            while let Some(message) = endpoint.poll_delivery() {
                let (dot, payload) = (*message.dot(), number(message.payload()));
                self.told.push(Told::Delivered { dot, payload });
                self.log.push(dot);
            }
            let Some(say) = self.waiting.front() else { break };
            match endpoint.broadcast(say.bytes()) {
                Ok(dot) => {
                    self.told.push(Told::Broadcast { dot, payload: say.payload });
                    self.waiting.pop_front();
                }
                Err(error) if error.kind == BroadcastErrorKind::WindowFull => break,
                Err(error) => {
                    self.wrong = Err(error.to_string());
                    break;
                }
            }
        }
        if endpoint.causally_stable() != &self.causally_stable {
            self.causally_stable.clone_from(endpoint.causally_stable());
            self.told.push(Told::CausallyStable { vector: self.causally_stable.clone() });
        }
        self.disk = endpoint.snapshot();
        while let Some((to, bytes)) = endpoint.poll_packet() {
            self.out.push_back(((to % LIFE) as usize, Packet::Endpoint { from: self.id, to, bytes }));
        }
    }

    /// Updates the roster to the newest names that it has heard: these are members, and all others are removed.
    fn update_roster(&mut self) {
        let Life::Member(endpoint) = &mut self.life else { return };
        for id in endpoint.stability().members().copied().collect::<Vec<_>>() {
            let newest = &mut self.newest[(id % LIFE) as usize];
            *newest = (*newest).max(id);
        }
        for &id in &self.newest {
            if let Err(error) = endpoint.admit(id) {
                self.wrong = Err(error.to_string());
            }
        }
        for id in endpoint.stability().members().copied().collect::<Vec<_>>() {
            if self.newest[(id % LIFE) as usize] != id {
                endpoint.remove(&id);
            }
        }
    }

    /// Admits a node, under a name that may be new.
    fn admit(&mut self, from: usize, id: Id) {
        if id > self.newest[from] {
            self.newest[from] = id;
            if let Life::Joining(admitted) = &mut self.life {
                // A node that has lost its state does not know that it has admitted this one.
                admitted.remove(&from);
            }
            self.update_roster();
        }
        if id == self.newest[from] {
            self.out.push_back((from, Packet::Admitted(id)));
        }
    }

    fn join(&mut self, snapshot: &[u8], log: &[Dot<Id>]) {
        match Endpoint::join(self.id, snapshot, self.settings.config) {
            Ok(endpoint) => {
                self.life = Life::Member(Box::new(endpoint));
                self.log = log.to_vec();
                self.told.push(Told::Joined { log: log.to_vec() });
                self.update_roster();
            }
            Err(error) => self.wrong = Err(format!("cannot join: {error}")),
        }
    }
}

impl Node for Member {
    type Packet = Packet;
    type Command = Say;

    fn handle_command(&mut self, say: Say, _now: u64) {
        if matches!(self.life, Life::Member(_)) {
            self.waiting.push_back(say);
            self.after();
        }
    }

    fn handle_packet(&mut self, from: usize, packet: Packet, now: u64) {
        match (packet, &mut self.life) {
            (Packet::Endpoint { from, to, bytes }, Life::Member(endpoint)) if to == self.id => {
                match endpoint.handle_packet(now, &from, &bytes) {
                    Ok(received) => {
                        if let Some(dot) = received.equivocation {
                            self.wrong = Err(format!("{dot} is taken for an equivocation"));
                        }
                    }
                    Err(error)
                        if error.kind == PacketErrorKind::NotAMember
                            && self.newest[(from % LIFE) as usize] != from => {}
                    Err(error) => self.wrong = Err(format!("a packet of {from}: {error}")),
                }
            }
            (Packet::Admit(id), _) => self.admit(from, id),
            (Packet::Admitted(id), Life::Joining(admitted)) if id == self.id => {
                admitted.insert(from);
            }
            (Packet::AskForSnapshot(id), Life::Member(endpoint)) if endpoint.stability().is_member(&id) => {
                let (bytes, log) = (endpoint.snapshot(), self.log.as_slice().into());
                self.out.push_back((from, Packet::Snapshot { to: id, bytes, log }));
            }
            (Packet::Snapshot { to, bytes, log }, Life::Joining(admitted))
                if to == self.id && admitted.len() + 1 == self.settings.nodes =>
            {
                self.join(&bytes, &log);
            }
            _ => {}
        }
        self.after();
    }

    fn handle_timeout(&mut self, now: u64) {
        match &mut self.life {
            Life::Member(endpoint) => endpoint.handle_timeout(now),
            Life::Joining(admitted) => {
                self.ask_at = now + ASK_AGAIN_MS;
                self.turn = (self.turn + 1) % self.settings.nodes;
                if admitted.len() + 1 < self.settings.nodes {
                    let lacking: Vec<_> =
                        (0..self.settings.nodes).filter(|other| !admitted.contains(other)).collect();
                    let lacking = lacking.into_iter().filter(|&other| other != self.node);
                    self.out.extend(lacking.map(|other| (other, Packet::Admit(self.id))));
                } else if self.turn != self.node {
                    self.out.push_back((self.turn, Packet::AskForSnapshot(self.id)));
                }
            }
        }
        self.after();
    }

    fn poll_packet(&mut self) -> Option<(usize, Packet)> {
        self.out.pop_front()
    }

    fn poll_timeout(&mut self) -> Option<u64> {
        match &self.life {
            Life::Member(endpoint) => endpoint.poll_timeout(),
            Life::Joining(_) => Some(self.ask_at),
        }
    }
}

/// The endpoints and their judge.
#[derive(Debug)]
pub(crate) struct Endpoints {
    settings: Settings,
    judge: Judge,
    started: usize,
    said: u64,
}

impl Endpoints {
    pub(crate) fn new(setup: Setup) -> Self {
        let settings = Settings::draw(setup);
        Self { settings, judge: Judge::new(setup.nodes, true), started: 0, said: 0 }
    }
}

impl Scenario for Endpoints {
    type Node = Member;

    fn start(&mut self, node: usize, now: u64) -> Member {
        let id = self.judge.starts(node);
        self.started += 1;
        let life = if self.started <= self.settings.nodes {
            let endpoint = Endpoint::new(id, 0..self.settings.nodes as Id, self.settings.config);
            Life::Member(Box::new(endpoint.expect("the configuration has room for all")))
        } else {
            Life::Joining(BTreeSet::new())
        };
        Member::new(node, id, self.settings, life, now)
    }

    fn restart(&mut self, node: usize, crashed: Member, now: u64) -> Member {
        let Member { id, settings, life, newest, disk, log, .. } = crashed;
        let mut wrong = Ok(());
        let life = match life {
            Life::Joining(admitted) => Life::Joining(admitted),
            Life::Member(_) => match Endpoint::resume(&disk, settings.config) {
                Ok(endpoint) => Life::Member(Box::new(endpoint)),
                Err(error) => {
                    wrong = Err(format!("cannot resume: {error}"));
                    Life::Joining(BTreeSet::new())
                }
            },
        };
        let mut member = Member::new(node, id, settings, Life::Joining(BTreeSet::new()), now);
        (member.life, member.newest, member.disk, member.log, member.wrong) = (life, newest, disk, log, wrong);
        member.after();
        member
    }

    fn command(&mut self, random: &mut Random) -> Say {
        self.said += 1;
        let length = if random.chance(0.2) { random.index(120) } else { 8 };
        Say { payload: self.said, length }
    }

    fn check(&mut self, step: &mut Step<'_, Member>) -> Result<(), String> {
        let node = step.node;
        for told in std::mem::take(&mut step.machine().told) {
            step.note(|| format!("      {told}"));
            self.judge.hear(node, told)?;
        }
        let member = step.machine();
        std::mem::replace(&mut member.wrong, Ok(()))?;
        let Life::Member(endpoint) = &member.life else { return Ok(()) };
        endpoint.internal_validate()?;
        let past = self.judge.past(node);
        if !endpoint.delivered().iter().eq(past.iter().map(|(id, &counter)| (id, counter))) {
            return Err(format!("delivered are {past:?}, and the endpoint says {}", endpoint.delivered()));
        }
        let EndpointConfig { window, window_bytes, nodes, .. } = self.settings.config;
        let messages = window as usize * nodes;
        if endpoint.log_len() > messages || endpoint.undelivered_len() > messages {
            return Err(format!("{} logged and {} held", endpoint.log_len(), endpoint.undelivered_len()));
        }
        if endpoint.log_bytes() > 2 * window_bytes * nodes {
            return Err(format!("{} bytes are logged", endpoint.log_bytes()));
        }
        Ok(())
    }

    fn quiescent(&mut self, nodes: &[Option<Member>]) -> Result<(), String> {
        if nodes.iter().flatten().all(|node| matches!(node.life, Life::Joining(_))) {
            return Ok(()); // all have lost their state, so the group is gone
        }
        for member in nodes.iter().flatten() {
            let Life::Member(endpoint) = &member.life else {
                return Err(format!("{} has not joined", member.id));
            };
            if !member.waiting.is_empty() {
                let held_back_by: Vec<_> = endpoint.held_back_by().collect();
                return Err(format!("{} cannot send, because of {held_back_by:?}", member.id));
            }
            if let Some(range) = endpoint.lost().next() {
                return Err(format!("{} cannot get {range} any more", member.id));
            }
        }
        self.judge.complete()?;
        for member in nodes.iter().flatten() {
            let Life::Member(endpoint) = &member.life else { continue };
            // A message waits for ever if its causes are lost with all their holders.
            let held = if self.started == self.settings.nodes { endpoint.undelivered_len() } else { 0 };
            let due = endpoint.poll_timeout();
            if endpoint.log_len() + held > 0 || due.is_some() {
                let (id, kept) = (member.id, endpoint.log_len());
                let (delivered, stability) = (endpoint.delivered(), endpoint.stability());
                let unstable = delivered.iter().filter(|&(author, last)| stability.stable_up_to(author) < last);
                let dots = unstable.filter_map(|(&author, last)| Dot::new(author, last));
                let who: Vec<_> =
                    dots.map(|dot| (dot, stability.held_back_by(&dot).collect::<Vec<_>>())).collect();
                return Err(format!(
                    "{id} keeps {kept} messages for {who:?}, holds {held}, and is due at {due:?}"
                ));
            }
        }
        Ok(())
    }
}
