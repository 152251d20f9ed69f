//! The judge of the scenarios of causal delivery: order, exactly once, completeness, and the causes that senders name.
//!
//! It keeps the deliveries of every node, and computes from them the causes of each new message. The oracle,
//! [`CausalRun`], hears these causes, and not those that the message names. So a sender that omits a cause is noticed.

use std::collections::BTreeMap;
use std::fmt;

use happens_before::check::CausalRun;
use happens_before::{Dot, VersionVector};

/// The name of a node: its number, plus 100 for every state that it has lost.
pub(crate) type Id = u32;

/// A report of a node about a step, in the order of its events.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// It made a message.
    Sent { dot: Dot<Id>, dependencies: Vec<Dot<Id>>, payload: u64 },
    /// It made a message whose dependencies the application does not see.
    Broadcast { dot: Dot<Id>, payload: u64 },
    /// It joined with the state of a node that had these deliveries.
    Joined { log: Vec<Dot<Id>> },
    /// It delivered a message.
    Delivered { dot: Dot<Id>, payload: u64 },
    /// Everything that it delivers from now on follows these.
    CausallyStable { vector: VersionVector<Id> },
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { dot, dependencies, .. } => write!(f, "makes {dot}{}", after(dependencies)),
            Self::Broadcast { dot, .. } => write!(f, "makes {dot}"),
            Self::Joined { log } => write!(f, "joins with {} deliveries", log.len()),
            Self::Delivered { dot, .. } => write!(f, "delivers {dot}"),
            Self::CausallyStable { vector } => write!(f, "holds for causally stable {vector}"),
        }
    }
}

/// Lists the dependencies, if there are any.
pub(crate) fn after(dependencies: &[Dot<Id>]) -> String {
    let names: Vec<_> = dependencies.iter().map(ToString::to_string).collect();
    if names.is_empty() { String::new() } else { format!(" after {}", names.join(" and ")) }
}

/// Most states of nodes in a run, including lost ones.
const SITES: usize = 64;

/// The judge of one run.
#[derive(Debug)]
pub(crate) struct Judge {
    run: CausalRun<Id>,
    sites: usize,
    nodes: Vec<Judged>,
    sent: Vec<Sent>,
    numbers: BTreeMap<Dot<Id>, usize>,
    /// True if messages must name exactly their direct causes. Checked only where the dependencies are visible.
    pub(crate) exact: bool,
}

/// The deliveries of a node since it last lost its state.
#[derive(Debug, Default)]
struct Judged {
    id: Id,
    site: usize,
    past: BTreeMap<Id, u64>,
    log: Vec<Dot<Id>>,
    causally_stable: VersionVector<Id>,
    /// The number of its latest message.
    last_sent: Option<usize>,
}

#[derive(Debug)]
struct Sent {
    dot: Dot<Id>,
    payload: u64,
    /// The past of the message, including itself.
    past: BTreeMap<Id, u64>,
}

impl Judge {
    pub(crate) fn new(nodes: usize, exact: bool) -> Self {
        let nodes = (0..nodes).map(|_| Judged::default()).collect();
        let (sent, numbers) = (Vec::new(), BTreeMap::new());
        Self { run: CausalRun::new(SITES), sites: 0, nodes, sent, numbers, exact }
    }

    /// Notes that a node starts without state, and returns its name. A node that has lost its state gets a new name.
    pub(crate) fn starts(&mut self, node: usize) -> Id {
        // Site 0 is never used, so that a first start can be told from a later one.
        self.sites += 1;
        let Judged { id, site, .. } = self.nodes[node];
        let id = if site == 0 { node as Id } else { id + 100 };
        self.nodes[node] = Judged { id, site: self.sites, ..Judged::default() };
        id
    }

    /// Checks a report of a node.
    pub(crate) fn hear(&mut self, node: usize, told: Told) -> Result<(), String> {
        match told {
            Told::Sent { dot, dependencies, payload } => self.sent(node, dot, Some(&dependencies), payload),
            Told::Broadcast { dot, payload } => self.sent(node, dot, None, payload),
            Told::Joined { log } => log.iter().try_for_each(|dot| {
                let payload = self.numbers.get(dot).map_or(0, |&number| self.sent[number].payload);
                self.delivered(node, *dot, payload)
            }),
            Told::Delivered { dot, payload } => self.delivered(node, dot, payload),
            Told::CausallyStable { vector } => {
                self.nodes[node].causally_stable.merge(&vector);
                Ok(())
            }
        }
    }

    fn sent(
        &mut self,
        node: usize,
        dot: Dot<Id>,
        named: Option<&[Dot<Id>]>,
        payload: u64,
    ) -> Result<(), String> {
        let Judged { id, past, last_sent, .. } = &self.nodes[node];
        if dot.node() != id {
            return Err(format!("node {node}, which is {id}, sends {dot}"));
        }
        let heads = || past.iter().filter_map(|(&id, &counter)| Dot::new(id, counter));
        self.run.sent(dot, heads().filter(|head| head.node() != id)).map_err(|error| error.to_string())?;
        let knows = |later: usize, earlier: &Dot<Id>| {
            self.sent[later].past.get(earlier.node()).is_some_and(|&counter| counter >= earlier.counter())
        };
        let follows = |later: &Dot<Id>, earlier: &Dot<Id>| {
            later.node() != earlier.node() && knows(self.numbers[later], earlier)
        };
        let implied = |head: &Dot<Id>| last_sent.is_some_and(|last| knows(last, head));
        let is_direct =
            |head: &Dot<Id>| head.node() != id && !implied(head) && !heads().any(|later| follows(&later, head));
        let direct: Vec<_> = heads().filter(is_direct).collect();
        let named = named.unwrap_or(&direct);
        if let Some(left_out) = direct.iter().find(|direct| !named.contains(direct)) {
            return Err(format!("{dot} follows {left_out}, and names {named:?}"));
        }
        if self.exact && direct != named {
            return Err(format!("{dot} follows directly {direct:?}, and names {named:?}"));
        }
        let mut past = past.clone();
        past.insert(*id, dot.counter());
        self.numbers.insert(dot, self.sent.len());
        self.nodes[node].last_sent = Some(self.sent.len());
        self.sent.push(Sent { dot, payload, past });
        Ok(())
    }

    fn delivered(&mut self, node: usize, dot: Dot<Id>, payload: u64) -> Result<(), String> {
        let is_member = self.nodes.iter().any(|judged| judged.id == *dot.node());
        let judged = &mut self.nodes[node];
        self.run.delivered(judged.site, &dot).map_err(|error| format!("node {node}: {error}"))?;
        let sent = &self.sent[self.numbers[&dot]];
        if sent.payload != payload {
            return Err(format!("node {node} delivers {dot} with {payload} instead of {}", sent.payload));
        }
        let follows = |(id, counter): (&Id, u64)| sent.past.get(id).is_some_and(|&past| past >= counter);
        // Nothing is promised about a removed node until all have removed it.
        if is_member && !judged.causally_stable.iter().all(follows) {
            let vector = &judged.causally_stable;
            return Err(format!(
                "node {node} holds {vector} for causally stable, and {dot} does not follow it"
            ));
        }
        judged.past.insert(*dot.node(), dot.counter());
        judged.log.push(dot);
        Ok(())
    }

    /// Returns the deliveries of a node, as the highest counter of each other one.
    pub(crate) fn past(&self, node: usize) -> &BTreeMap<Id, u64> {
        &self.nodes[node].past
    }

    /// Checks that every node has delivered each message that any of them has, and every message if no state was lost.
    /// The oracle hears all of it again, only from nodes that still have their state.
    pub(crate) fn complete(&self) -> Result<(), String> {
        let lengths: Vec<_> = self.nodes.iter().map(|node| node.log.len()).collect();
        let lost = self.sites > self.nodes.len();
        if lengths.iter().any(|&length| length != lengths[0]) || (!lost && lengths[0] < self.sent.len()) {
            return Err(format!("of {} messages the nodes have delivered {lengths:?}", self.sent.len()));
        }
        let mut known = vec![false; self.sent.len()];
        for dot in self.nodes.iter().flat_map(|node| &node.log) {
            known[self.numbers[dot]] = true;
        }
        let mut again = CausalRun::new(self.nodes.len());
        for Sent { dot, past, .. } in
            self.sent.iter().zip(&known).filter(|(_, known)| **known).map(|(sent, _)| sent)
        {
            let causes = past.iter().filter(|&(id, _)| id != dot.node());
            let causes = causes.filter_map(|(&id, &counter)| Dot::new(id, counter));
            again.sent(*dot, causes).map_err(|error| error.to_string())?;
        }
        for (site, node) in self.nodes.iter().enumerate() {
            for dot in &node.log {
                again.delivered(site, dot).map_err(|error| error.to_string())?;
            }
        }
        again.complete().map_err(|error| error.to_string())
    }
}
