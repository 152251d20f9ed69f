//! Endpoints over a network that may lose, repeat and overtake every packet, with time-outs at any moment and crashes.
//!
//! # The model
//!
//! Every packet that was ever sent stays on the network, and may be delivered at any later moment, again and again or
//! never: that is all that loss, duplication and reordering can do. A time-out may fire whenever one is set; how long it
//! takes is left out. A node that crashes comes back from what it had last saved. After every step a node takes its
//! deliveries, saves a snapshot, and only then sends, as its documentation demands.
//!
//! ```text
//!   broadcast(n)     while messages are left
//!   receive(packet)  any packet ever sent, any number of times
//!   time-out(n)      while time-outs are left
//!   crash(n)         while crashes are left
//! ```
//!
//! # What must hold in every state
//!
//! - *causal*: every node has delivered in causal order and nothing twice, as `check::CausalRun` judges;
//! - *valid*: the invariants of the endpoint hold;
//! - *recoverable*: if from here on nothing is lost any more, all nodes deliver everything and then fall silent. All
//!   packets that are on the network are lost first.
//!
//! # How a state is kept
//!
//! An endpoint cannot be copied, on purpose. A node is kept as what has happened to it since it was last restored, and
//! made anew from that; two nodes are the same if all that is in them is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use happens_before::Dot;
use happens_before::check::CausalRun;
use happens_before::delivery::endpoint::{Endpoint, EndpointConfig};
use stateright::{Model, Property};

/// The names of nodes.
pub type Node = u8;

/// How much may happen.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many messages each node sends. There is a node for each entry.
    pub messages: Vec<u8>,
    /// How many time-outs fire at each node.
    pub timeouts: u8,
    /// How many crashes there are in all.
    pub crashes: u8,
}

/// One thing that happens to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// It sends its next message.
    Broadcast,
    /// A packet arrives.
    Receive(Packet),
    /// A time-out fires.
    TimeOut,
    /// It crashes, and comes back from what it has saved.
    Crash,
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// Who has sent it.
    pub from: Node,
    /// Whom it is for.
    pub to: Node,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A node between two events.
#[derive(Clone, Debug)]
struct Site {
    /// What it was last restored from; `None` if it was never.
    snapshot: Option<Arc<Vec<u8>>>,
    /// What has happened since.
    events: Arc<Vec<Event>>,
    /// A fingerprint of all that is in the endpoint.
    digest: u64,
    delivered: Vec<Dot<Node>>,
    /// What it has sent: each message with its dependencies.
    sent: Vec<(Dot<Node>, Vec<Dot<Node>>)>,
    /// What it would be restored from.
    saved: Arc<Vec<u8>>,
    timeouts: u8,
    can_time_out: bool,
    broken: Option<&'static str>,
}

/// All nodes, and all packets ever sent.
#[derive(Clone, Debug)]
pub struct State {
    sites: Vec<Site>,
    packets: BTreeSet<Arc<Packet>>,
    crashes: u8,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let key = |site: &Site| (site.digest, site.timeouts, site.delivered.clone());
        self.crashes == other.crashes
            && self.packets == other.packets
            && self.sites.iter().map(key).eq(other.sites.iter().map(key))
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.crashes.hash(state);
        self.packets.hash(state);
        for site in &self.sites {
            (site.digest, site.timeouts, &site.delivered).hash(state);
        }
    }
}

impl Bounds {
    fn config() -> EndpointConfig {
        EndpointConfig {
            delay_ms: 1,
            retry_ms: 1,
            retry_max_ms: 1,
            answer_bytes: 1,
            ..EndpointConfig::default()
        }
    }

    fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        0..u8::try_from(self.messages.len()).expect("a few nodes")
    }

    fn new_endpoint(&self, node: Node, snapshot: Option<&[u8]>) -> Endpoint<Node> {
        match snapshot {
            None => Endpoint::new(node, self.nodes(), Self::config()).expect("few members"),
            Some(snapshot) => Endpoint::restore(snapshot, Self::config()).expect("its own snapshot"),
        }
    }

    /// Makes the endpoint of a node anew from what has happened to it.
    fn rebuild(&self, node: Node, site: &Site) -> Endpoint<Node> {
        let mut endpoint = self.new_endpoint(node, site.snapshot.as_ref().map(|bytes| bytes.as_slice()));
        settle(&mut endpoint);
        for event in site.events.iter() {
            happen(&mut endpoint, event);
            settle(&mut endpoint);
        }
        endpoint
    }

    /// Starts a node, and returns what it sends.
    fn start(&self, node: Node) -> (Site, Vec<Packet>) {
        let endpoint = self.new_endpoint(node, None);
        let site = Site {
            snapshot: None,
            events: Arc::default(),
            digest: 0,
            delivered: Vec::new(),
            sent: Vec::new(),
            saved: Arc::default(),
            timeouts: 0,
            can_time_out: false,
            broken: None,
        };
        self.after(node, site, endpoint)
    }

    /// Lets something happen to a node, and returns what it sends.
    fn step(&self, node: Node, before: &Site, event: Event) -> (Site, Vec<Packet>) {
        let mut site = before.clone();
        let endpoint = if event == Event::Crash {
            site.snapshot = Some(Arc::clone(&before.saved));
            site.events = Arc::default();
            self.new_endpoint(node, Some(&before.saved))
        } else {
            let mut endpoint = self.rebuild(node, before);
            happen(&mut endpoint, &event);
            site.timeouts += u8::from(event == Event::TimeOut);
            Arc::make_mut(&mut site.events).push(event);
            endpoint
        };
        self.after(node, site, endpoint)
    }

    /// Takes deliveries, saves, and sends.
    fn after(&self, node: Node, mut site: Site, mut endpoint: Endpoint<Node>) -> (Site, Vec<Packet>) {
        while let Some(message) = endpoint.poll_delivery() {
            let dot = *message.dot();
            if dot.node() == &node && site.sent.len() < usize::try_from(dot.counter()).unwrap_or(0) {
                site.sent.push((dot, message.dependencies().to_vec()));
            }
            site.delivered.push(dot);
        }
        site.saved = Arc::new(endpoint.snapshot());
        let mut packets = Vec::new();
        while let Some((to, bytes)) = endpoint.poll_packet() {
            packets.push(Packet { from: node, to, bytes });
        }
        site.can_time_out = endpoint.poll_timeout().is_some();
        site.broken = endpoint.internal_validate().err();
        let mut text = String::new();
        write!(text, "{endpoint:?}").expect("writing to a string");
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        site.digest = hasher.finish();
        (site, packets)
    }
}

fn happen(endpoint: &mut Endpoint<Node>, event: &Event) {
    match event {
        Event::Broadcast => {
            endpoint.broadcast(vec![0]).expect("the window is wide");
        }
        Event::Receive(packet) => {
            endpoint.handle_packet(0, &packet.from, &packet.bytes).expect("a member's packet");
        }
        Event::TimeOut => {
            let at = endpoint.poll_timeout().unwrap_or(0);
            endpoint.handle_timeout(at);
        }
        Event::Crash => unreachable!("a crashed node begins anew"),
    }
}

/// Takes out what an endpoint gives after an event, as it was taken out when the event happened.
fn settle(endpoint: &mut Endpoint<Node>) {
    while endpoint.poll_delivery().is_some() {}
    while endpoint.poll_packet().is_some() {}
}

impl State {
    /// Whether every node has delivered causally, and nothing twice.
    fn is_causal(&self) -> bool {
        let mut run = CausalRun::new(self.sites.len());
        // A message was sent after those that it names: one round for each message that a chain can have.
        let mut unsent: Vec<_> = self.sites.iter().flat_map(|site| &site.sent).collect();
        while !unsent.is_empty() {
            let before = unsent.len();
            unsent.retain(|(dot, dependencies)| run.sent(*dot, dependencies.iter().copied()).is_err());
            assert!(unsent.len() < before, "a message names one that was never sent");
        }
        let mut deliveries =
            (0..).zip(&self.sites).flat_map(|(at, site)| site.delivered.iter().map(move |dot| (at, dot)));
        deliveries.all(|(at, dot)| run.delivered(at, dot).is_ok())
    }

    /// Whether all nodes deliver everything and fall silent, if nothing is lost from here on.
    fn recovers(&self, bounds: &Bounds) -> bool {
        let mut endpoints: Vec<_> =
            bounds.nodes().zip(&self.sites).map(|(node, site)| bounds.rebuild(node, site)).collect();
        for _ in 0..64 {
            let mut packets = Vec::new();
            for (node, endpoint) in (0..).zip(&mut endpoints) {
                if let Some(at) = endpoint.poll_timeout() {
                    endpoint.handle_timeout(at);
                }
                while endpoint.poll_delivery().is_some() {}
                while let Some((to, bytes)) = endpoint.poll_packet() {
                    packets.push(Packet { from: node, to, bytes });
                }
            }
            let is_silent =
                packets.is_empty() && endpoints.iter().all(|endpoint| endpoint.poll_timeout().is_none());
            if is_silent {
                let sent = self.sites.iter().map(|site| site.sent.len() as u64);
                let everything = bounds.nodes().zip(sent).collect();
                return endpoints
                    .iter()
                    .all(|endpoint| endpoint.delivered() == everything && endpoint.log_len() == 0);
            }
            for packet in packets {
                happen(&mut endpoints[usize::from(packet.to)], &Event::Receive(packet));
            }
        }
        false
    }
}

impl Model for Bounds {
    type State = State;
    type Action = (Node, Event);

    fn init_states(&self) -> Vec<State> {
        let (sites, packets): (Vec<_>, Vec<_>) = self.nodes().map(|node| self.start(node)).unzip();
        vec![State { sites, packets: packets.into_iter().flatten().map(Arc::new).collect(), crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<(Node, Event)>) {
        for ((node, site), &messages) in self.nodes().zip(&state.sites).zip(&self.messages) {
            if site.sent.len() < usize::from(messages) {
                actions.push((node, Event::Broadcast));
            }
            if site.can_time_out && site.timeouts < self.timeouts {
                actions.push((node, Event::TimeOut));
            }
            if state.crashes < self.crashes {
                actions.push((node, Event::Crash));
            }
        }
        actions.extend(state.packets.iter().map(|packet| (packet.to, Event::Receive(Packet::clone(packet)))));
    }

    fn next_state(&self, before: &State, (node, event): (Node, Event)) -> Option<State> {
        let mut state = before.clone();
        state.crashes += u8::from(event == Event::Crash);
        let site = &mut state.sites[usize::from(node)];
        let (after, packets) = self.step(node, site, event);
        *site = after;
        state.packets.extend(packets.into_iter().map(Arc::new));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("causal, and nothing twice", |_, state: &State| state.is_causal()),
            Property::always("the invariants hold", |_, state: &State| {
                state.sites.iter().all(|site| site.broken.is_none())
            }),
            Property::always("recoverable", |bounds: &Self, state: &State| state.recovers(bounds)),
            Property::sometimes("all have everything", |bounds: &Self, state: &State| {
                let all: usize = bounds.messages.iter().map(|&messages| usize::from(messages)).sum();
                state.sites.iter().all(|site| site.delivered.len() == all)
            }),
        ]
    }
}
