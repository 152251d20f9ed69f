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
//! An endpoint cannot be copied, on purpose; see [`replay`](crate::replay).

use std::collections::BTreeSet;
use std::sync::Arc;

use happens_before::Dot;
use happens_before::check::CausalRun;
use happens_before::delivery::endpoint::{Endpoint, EndpointConfig};
use stateright::{Model, Property};

use crate::replay::{Machine, Resting};

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

/// A node: its endpoint, and what its application knows of it.
#[derive(Debug)]
struct Site {
    endpoint: Endpoint<Node>,
    delivered: Vec<Dot<Node>>,
    /// What it has sent: each message with its dependencies.
    sent: Vec<(Dot<Node>, Vec<Dot<Node>>)>,
}

/// How a node begins.
#[derive(Clone, Debug)]
struct Start {
    node: Node,
    members: Node,
    /// What it is restored from; `None` at first.
    saved: Option<Arc<Saved>>,
}

/// What a node is restored from.
#[derive(Debug)]
struct Saved {
    snapshot: Vec<u8>,
    delivered: Vec<Dot<Node>>,
    sent: Vec<(Dot<Node>, Vec<Dot<Node>>)>,
}

/// A node as others see it.
#[derive(Clone, Debug)]
struct View {
    saved: Arc<Saved>,
    can_time_out: bool,
    broken: Option<&'static str>,
}

impl Machine for Site {
    type Start = Start;
    type Input = Event;
    /// What it sends.
    type Output = Vec<Packet>;
    type View = View;

    fn start(&Start { node, members, ref saved }: &Start) -> Self {
        let config = EndpointConfig {
            delay_ms: 1,
            retry_ms: 1,
            retry_max_ms: 1,
            answer_bytes: 1,
            ..EndpointConfig::default()
        };
        match saved {
            None => {
                let endpoint = Endpoint::new(node, 0..members, config).expect("few members");
                Self { endpoint, delivered: Vec::new(), sent: Vec::new() }
            }
            Some(saved) => {
                let endpoint = Endpoint::restore(&saved.snapshot, config).expect("its own snapshot");
                Self { endpoint, delivered: saved.delivered.clone(), sent: saved.sent.clone() }
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Vec<Packet> {
        self.happen(event);
        self.settle()
    }

    fn view(self) -> View {
        let Self { endpoint, delivered, sent } = self;
        View {
            saved: Arc::new(Saved { snapshot: endpoint.snapshot(), delivered, sent }),
            can_time_out: endpoint.poll_timeout().is_some(),
            broken: endpoint.internal_validate().err(),
        }
    }
}

impl Site {
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
            Event::Crash => {} // it is restored already
        }
    }

    /// Takes deliveries, and then sends.
    fn settle(&mut self) -> Vec<Packet> {
        let Self { endpoint, delivered, sent } = self;
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

/// All nodes, and all packets ever sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    sites: Vec<Resting<Site>>,
    /// How many have fired at each.
    timeouts: Vec<u8>,
    packets: BTreeSet<Arc<Packet>>,
    crashes: u8,
}

impl Bounds {
    fn members(&self) -> Node {
        Node::try_from(self.messages.len()).expect("a few nodes")
    }
}

impl State {
    /// Whether every node has delivered causally, and nothing twice.
    fn is_causal(&self) -> bool {
        let mut run = CausalRun::new(self.sites.len());
        // A message was sent after those that it names: one round for each message that a chain can have.
        let known = || self.sites.iter().map(|site| &site.view().saved);
        let mut unsent: Vec<_> = known().flat_map(|known| &known.sent).collect();
        while !unsent.is_empty() {
            let before = unsent.len();
            unsent.retain(|(dot, dependencies)| run.sent(*dot, dependencies.iter().copied()).is_err());
            assert!(unsent.len() < before, "a message names one that was never sent");
        }
        let mut deliveries =
            (0..).zip(known()).flat_map(|(at, known)| known.delivered.iter().map(move |dot| (at, dot)));
        deliveries.all(|(at, dot)| run.delivered(at, dot).is_ok())
    }

    /// Whether all nodes deliver everything and fall silent, if nothing is lost from here on.
    fn recovers(&self) -> bool {
        let mut sites: Vec<_> = self.sites.iter().map(Resting::machine).collect();
        let mut under_way = Vec::new();
        for _ in 0..64 {
            let waiting = sites.iter_mut().filter(|site| site.endpoint.poll_timeout().is_some());
            under_way.extend(waiting.flat_map(|site| site.handle(&Event::TimeOut)));
            if under_way.is_empty() && sites.iter().all(|site| site.endpoint.poll_timeout().is_none()) {
                let sent = self.sites.iter().map(|site| site.view().saved.sent.len() as u64);
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
}

impl Model for Bounds {
    type State = State;
    type Action = (Node, Event);

    fn init_states(&self) -> Vec<State> {
        let members = self.members();
        let sites = (0..members).map(|node| Resting::new(Start { node, members, saved: None })).collect();
        vec![State { sites, timeouts: vec![0; self.messages.len()], packets: BTreeSet::new(), crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<(Node, Event)>) {
        let sites = state.sites.iter().map(Resting::view).zip(&state.timeouts).zip(&self.messages);
        for (node, ((site, timeouts), messages)) in (0..).zip(sites) {
            if site.saved.sent.len() < usize::from(*messages) {
                actions.push((node, Event::Broadcast));
            }
            if site.can_time_out && *timeouts < self.timeouts {
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
        let index = usize::from(node);
        state.timeouts[index] += u8::from(event == Event::TimeOut);
        state.crashes += u8::from(event == Event::Crash);
        let site = &mut state.sites[index];
        let mut running = match event {
            Event::Crash => {
                let saved = Some(Arc::clone(&site.view().saved));
                Resting::new(Start { node, members: self.members(), saved }).run()
            }
            _ => site.run(),
        };
        let packets = running.handle(event);
        *site = running.rest();
        state.packets.extend(packets.into_iter().map(Arc::new));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("causal, and nothing twice", |_, state: &State| state.is_causal()),
            Property::always("the invariants hold", |_, state: &State| {
                state.sites.iter().all(|site| site.view().broken.is_none())
            }),
            Property::always("recoverable", |_, state: &State| state.recovers()),
            Property::sometimes("all have everything", |bounds: &Self, state: &State| {
                let all: usize = bounds.messages.iter().map(|&messages| usize::from(messages)).sum();
                state.sites.iter().all(|site| site.view().saved.delivered.len() == all)
            }),
        ]
    }
}
