//! Endpoints over a network that may lose, repeat and overtake every packet, with time-outs at any moment and crashes.
//!
//! # The model
//!
//! Every packet that was ever sent stays on the network, and may be delivered at any later moment, again and again or
//! never. That covers loss, duplication and reordering. A time-out may fire whenever one is set: its length is not
//! modelled. A node that crashes comes back from its last snapshot. After every step a node takes its deliveries, saves
//! a snapshot, and only then sends, as the documentation of the endpoint demands.
//!
//! ```text
//!   broadcast(n)     while messages are left
//!   receive(packet)  any packet ever sent, any number of times
//!   time-out(n)      while time-outs are left
//!   crash(n)         while crashes are left
//! ```
//!
//! # Properties
//!
//! In every state these must hold:
//!
//! - *causal*: every node has delivered in causal order, and no message twice, as `check::CausalRun` judges;
//! - *valid*: the invariants of the endpoint hold;
//! - *recoverable*: if all packets on the network are lost now, and none after that, all nodes deliver everything and
//!   then fall silent.
//!
//! Each property is about the nodes alone. So a state with the same nodes and more packets, after fewer time-outs and
//! crashes, *covers* the other state: all that can still happen in the other can happen in it, with the same
//! properties. [`covering`](crate::covering) uses that.
//!
//! # Results
//!
//! | messages of each node | time-outs of each node | crashes | states of the nodes | states explored | steps |
//! |---|---:|---:|---:|---:|---:|
//! | 2, 2 | 1 | 0 | 16,045 | 47,102 | 341,796 |
//! | 2, 2 | 1 | 1 | 130,109 | 769,881 | 6,569,274 |
//! | 1, 1, 0 | 1 | 0 | 113,759 | 136,941 | 1,458,745 |
//! | 2, 1, 1 | 0 | 1 | 228,890 | 260,186 | 2,428,548 |
//!
//! All properties hold in all states. Nodes that behave equally from now on are one state. For example, it does not count
//! when a node last spoke, once nothing depends on that.
//!
//! `cargo test --release -p happens-before-models --test endpoint -- --nocapture --include-ignored` counts again, in some
//! minutes.
//!
//! # The states in memory
//!
//! Endpoints that behave equally from now on are equal, so they are states as they are. One node has far fewer states
//! than all nodes together, and there are even fewer packets. So both are numbered, and a state of the model is a few numbers.
//! The effect of an event on a node is computed once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use happens_before::check::CausalRun;
use happens_before::endpoint::EndpointConfig;
use happens_before::{Dot, Endpoint};
use stateright::{Model, Property};

use crate::covering::Covering;

/// The names of nodes.
pub type Node = u8;

/// The bounds of the model.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The number of messages that each node sends. There is a node for each entry.
    pub messages: Vec<u8>,
    /// The number of time-outs that fire at each node.
    pub timeouts: u8,
    /// The number of crashes in all.
    pub crashes: u8,
}

/// An input of a node.
#[derive(Clone, Debug)]
enum Event {
    Broadcast,
    Receive(Packet),
    TimeOut,
    Crash,
}

/// A packet on the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Packet {
    from: Node,
    to: Node,
    bytes: Vec<u8>,
}

/// A node: its endpoint, and the knowledge of its application.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Site {
    endpoint: Endpoint<Node>,
    delivered: Vec<Dot<Node>>,
    /// The messages that the node has sent, each with its dependencies.
    sent: Vec<(Dot<Node>, Vec<Dot<Node>>)>,
    /// The broken invariant, if one is.
    broken: Option<&'static str>,
}

impl Clone for Site {
    fn clone(&self) -> Self {
        let Self { endpoint, delivered, sent, broken } = self;
        Self {
            endpoint: endpoint.duplicate(),
            delivered: delivered.clone(),
            sent: sent.clone(),
            broken: *broken,
        }
    }
}

fn config() -> EndpointConfig {
    EndpointConfig { delay_ms: 1, retry_ms: 1, retry_max_ms: 1, answer_bytes: 1, ..EndpointConfig::default() }
}

impl Site {
    fn new(node: Node, members: Node) -> Self {
        let endpoint = Endpoint::new(node, 0..members, config()).expect("few members");
        Self { endpoint, delivered: Vec::new(), sent: Vec::new(), broken: None }
    }

    /// Handles an event, takes deliveries, and then sends. Returns the packets.
    fn handle(&mut self, event: &Event) -> Vec<Packet> {
        self.happen(event);
        let packets = self.flush();
        self.broken = self.endpoint.internal_validate().err();
        packets
    }

    fn can_time_out(&self) -> bool {
        self.endpoint.poll_timeout().is_some()
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Broadcast => {
                self.endpoint.broadcast(vec![0]).expect("the window is wide");
            }
            Event::Receive(packet) => {
                self.endpoint.handle_packet(0, &packet.from, &packet.bytes).expect("a member's packet");
            }
            Event::TimeOut => {
                let at = self.endpoint.poll_timeout().unwrap_or(0);
                self.endpoint.handle_timeout(at);
            }
            Event::Crash => {
                // Nothing has changed since the last snapshot.
                self.endpoint =
                    Endpoint::resume(&self.endpoint.snapshot(), config()).expect("its own snapshot");
            }
        }
    }

    /// Takes deliveries, and then sends.
    fn flush(&mut self) -> Vec<Packet> {
        let Self { endpoint, delivered, sent, .. } = self;
        while let Some(message) = endpoint.poll_delivery() {
            let dot = *message.dot();
            if dot.node() == endpoint.node() && sent.len() < usize::try_from(dot.counter()).unwrap_or(0) {
                sent.push((dot, message.dependencies().to_vec()));
            }
            delivered.push(dot);
        }
        let mut packets = Vec::new();
        while let Some((to, bytes)) = endpoint.poll_packet() {
            packets.push(Packet { from: *endpoint.node(), to, bytes });
        }
        packets
    }
}

/// A number for each value. Equal values have the same number.
#[derive(Debug)]
struct Numbered<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.values.len()).expect("fewer values than that");
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            next
        })
    }

    fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}

/// The known sites and packets, and the result of each event.
#[derive(Debug, Default)]
struct Known {
    sites: Numbered<Arc<Site>>,
    packets: Numbered<Packet>,
    /// For a site and an action: the next site, and the packets sent.
    steps: HashMap<(u32, Action), (u32, Vec<u32>)>,
}

/// An event at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The node sends its next message.
    Broadcast,
    /// The packet with this number arrives.
    Receive(u32),
    /// A time-out fires.
    TimeOut,
    /// The node crashes, and comes back from its last snapshot.
    Crash,
}

/// All nodes, and all packets ever sent, each by its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The sites, each with the number of time-outs that have fired there.
    sites: Vec<(u32, u8)>,
    /// The packets, sorted.
    packets: Vec<u32>,
    crashes: u8,
}

/// Endpoints within bounds.
#[derive(Debug)]
pub struct Endpoints {
    bounds: Bounds,
    known: RwLock<Known>,
}

impl Endpoints {
    /// Makes the model.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, known: RwLock::default() }
    }

    fn members(&self) -> Node {
        Node::try_from(self.bounds.messages.len()).expect("a few nodes")
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().expect("no panic while it is written")
    }

    fn learn(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().expect("no panic while it is written")
    }

    fn sites(&self, state: &State) -> Vec<Arc<Site>> {
        let known = self.known();
        state.sites.iter().map(|&(site, _)| known.sites.value(site).clone()).collect()
    }

    fn event(&self, action: Action) -> Event {
        match action {
            Action::Broadcast => Event::Broadcast,
            Action::Receive(packet) => Event::Receive(self.known().packets.value(packet).clone()),
            Action::TimeOut => Event::TimeOut,
            Action::Crash => Event::Crash,
        }
    }

    /// Returns the site that an action leads to, and the packets that it sends.
    fn step(&self, site: u32, action: Action) -> (u32, Vec<u32>) {
        if let Some(step) = self.known().steps.get(&(site, action)) {
            return step.clone();
        }
        let mut after = Site::clone(self.known().sites.value(site));
        let packets = after.handle(&self.event(action));
        let mut known = self.learn();
        let packets = packets.into_iter().map(|packet| known.packets.number(packet)).collect();
        let step = (known.sites.number(Arc::new(after)), packets);
        known.steps.insert((site, action), step.clone());
        step
    }
}

/// Returns whether every node has delivered in causal order, and no message twice.
fn is_causal(sites: &[Arc<Site>]) -> bool {
    let mut run = CausalRun::new(sites.len());
    // A message was sent after those that it names, so one round for each message of a chain is enough.
    let mut unsent: Vec<_> = sites.iter().flat_map(|site| &site.sent).collect();
    while !unsent.is_empty() {
        let before = unsent.len();
        unsent.retain(|(dot, dependencies)| run.sent(*dot, dependencies.iter().copied()).is_err());
        assert!(unsent.len() < before, "a message names one that was never sent");
    }
    let mut deliveries =
        (0..).zip(sites).flat_map(|(at, site)| site.delivered.iter().map(move |dot| (at, dot)));
    deliveries.all(|(at, dot)| run.delivered(at, dot).is_ok())
}

/// Returns whether all nodes deliver everything and fall silent, if nothing is lost from here on.
fn recovers(sites: &[Arc<Site>]) -> bool {
    let sent: Vec<_> = sites.iter().map(|site| site.sent.len() as u64).collect();
    let mut sites: Vec<_> = sites.iter().map(|site| Site::clone(site)).collect();
    let mut under_way = Vec::new();
    for _ in 0..64 {
        let waiting = sites.iter_mut().filter(|site| site.can_time_out());
        under_way.extend(waiting.flat_map(|site| site.handle(&Event::TimeOut)));
        if under_way.is_empty() && !sites.iter().any(Site::can_time_out) {
            let everything = (0..).zip(sent).collect();
            return sites
                .iter()
                .all(|site| site.endpoint.delivered() == everything && site.endpoint.log_len() == 0);
        }
        let mut answer = |packet: Packet| sites[usize::from(packet.to)].handle(&Event::Receive(packet));
        under_way = under_way.into_iter().flat_map(&mut answer).collect();
    }
    false
}

impl Model for Endpoints {
    type State = State;
    type Action = (usize, Action);

    fn init_states(&self) -> Vec<State> {
        let members = self.members();
        let mut known = self.learn();
        let new = |node| (known.sites.number(Arc::new(Site::new(node, members))), 0);
        vec![State { sites: (0..members).map(new).collect(), packets: Vec::new(), crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<(usize, Action)>) {
        let known = self.known();
        for (node, (&(site, timeouts), &messages)) in state.sites.iter().zip(&self.bounds.messages).enumerate()
        {
            let site = known.sites.value(site);
            if site.sent.len() < usize::from(messages) {
                actions.push((node, Action::Broadcast));
            }
            if site.can_time_out() && timeouts < self.bounds.timeouts {
                actions.push((node, Action::TimeOut));
            }
            if state.crashes < self.bounds.crashes {
                actions.push((node, Action::Crash));
            }
        }
        let to = |packet: u32| usize::from(known.packets.value(packet).to);
        actions.extend(state.packets.iter().map(|&packet| (to(packet), Action::Receive(packet))));
    }

    fn next_state(&self, before: &State, (node, action): (usize, Action)) -> Option<State> {
        let mut state = before.clone();
        let (site, timeouts) = &mut state.sites[node];
        let packets;
        (*site, packets) = self.step(*site, action);
        *timeouts += u8::from(action == Action::TimeOut);
        state.crashes += u8::from(action == Action::Crash);
        for packet in packets {
            if let Err(at) = state.packets.binary_search(&packet) {
                state.packets.insert(at, packet);
            }
        }
        Some(state)
    }

    fn format_action(&self, &(node, action): &(usize, Action)) -> String {
        format!("{node}: {:?}", self.event(action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("causal, and nothing twice", |model: &Self, state| is_causal(&model.sites(state))),
            Property::always("the invariants hold", |model: &Self, state| {
                model.sites(state).iter().all(|site| site.broken.is_none())
            }),
            Property::always("recoverable", |model: &Self, state| recovers(&model.sites(state))),
            Property::sometimes("all have everything", |model: &Self, state| {
                let all: usize = model.bounds.messages.iter().map(|&messages| usize::from(messages)).sum();
                model.sites(state).iter().all(|site| site.delivered.len() == all)
            }),
        ]
    }
}

impl Covering for Endpoints {
    type Core = Vec<u32>;

    fn core(&self, state: &State) -> Vec<u32> {
        state.sites.iter().map(|&(site, _)| site).collect()
    }

    fn covers(&self, more: &State, less: &State) -> bool {
        let mut packets = more.packets.iter();
        more.crashes <= less.crashes
            && more.sites.iter().zip(&less.sites).all(|((_, more), (_, less))| more <= less)
            && more.packets.len() >= less.packets.len()
            && less.packets.iter().all(|packet| packets.any(|other| other == packet)) // both are sorted
    }
}
