//! Real histories through endpoints, with every author as a node: the recorded causes, and their cost in bytes.

use std::collections::{BTreeSet, VecDeque};

use happens_before::endpoint::EndpointConfig;
use happens_before::{Endpoint, codec};
use happens_before_lab::budget::Budget;
use happens_before_lab::history::{Event, History, NodeNumber, trace};

use super::helpers::data;

/// Nothing is acknowledged in between, so the windows must hold all messages.
const CONFIG: EndpointConfig = EndpointConfig {
    window: 1 << 20,
    window_bytes: 1 << 30,
    nodes: 256,
    packet: 1_200,
    answer_bytes: 1 << 16,
    delay_ms: 20,
    retry_ms: 200,
    retry_max_ms: 10_000,
};

struct Group<'a> {
    history: &'a History,
    nodes: Vec<Endpoint<NodeNumber>>,
    /// The packets on their way from one node to another, in order.
    links: Vec<VecDeque<Vec<u8>>>,
}

impl Group<'_> {
    fn send(&mut self, from: usize) {
        while let Some((to, packet)) = self.nodes[from].poll_packet() {
            self.links[from * self.history.nodes() + to as usize].push_back(packet);
        }
    }

    fn has(&self, node: usize, event: Event) -> bool {
        let dot = self.history.dot(event);
        self.nodes[node].stability().acknowledged(&(node as NodeNumber), dot.node()) >= dot.counter()
    }

    /// Delivers the next packet of a link.
    fn step(&mut self, from: usize, to: usize) -> bool {
        let Some(packet) = self.links[from * self.history.nodes() + to].pop_front() else { return false };
        self.nodes[to].handle_packet(0, &(from as NodeNumber), &packet).expect("honest");
        while self.nodes[to].poll_delivery().is_some() {}
        true
    }

    /// Delivers to `to` the events that `event` builds on, and no others.
    fn bring_causes(&mut self, event: Event, to: usize) {
        let mut lacking = BTreeSet::new();
        let mut open = self.history.parents(event).to_vec();
        while let Some(cause) = open.pop() {
            if !self.has(to, cause) && lacking.insert(cause) {
                open.extend(self.history.parents(cause));
            }
        }
        for cause in lacking {
            while !self.has(to, cause) {
                let from = *self.history.dot(cause).node() as usize;
                assert!(self.step(from, to), "what was sent is on its way");
            }
        }
    }
}

/// Replays a history. Returns the average bytes of metadata a message, and those of a full vector and a dot instead.
fn metadata(history: &History) -> (f64, f64) {
    let count = history.nodes();
    let nodes =
        (0..count as NodeNumber).map(|node| Endpoint::new(node, 0..count as NodeNumber, CONFIG).expect("few"));
    let links = vec![VecDeque::new(); count * count];
    let mut group = Group { history, nodes: nodes.collect(), links };
    let (mut ours, mut full) = (0, 0);
    for event in 0..history.len() as Event {
        let dot = history.dot(event);
        let author = *dot.node() as usize;
        group.bring_causes(event, author);
        let before = group.nodes[author].log_bytes();
        let sent = group.nodes[author].broadcast(Vec::new()).expect("a large window");
        assert_eq!(sent, *dot);
        // The header, and one byte for the length of the message.
        ours += group.nodes[author].log_bytes() - before + 1;
        let message = group.nodes[author].poll_delivery().expect("one's own");
        let mut named: Vec<_> = history.dependencies(event);
        named.retain(|cause| cause.node() != dot.node());
        assert_eq!(message.dependencies(), named, "the direct causes, as recorded");
        let mut bytes = Vec::new();
        codec::encode(&group.nodes[author].delivered(), &mut bytes);
        codec::encode(dot, &mut bytes);
        full += bytes.len();
        group.send(author);
    }
    // The remaining packets arrive too.
    for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
        while group.step(from, to) {}
    }
    let all = group.nodes[0].delivered();
    assert_eq!(all.iter().map(|(_, counter)| counter).sum::<u64>(), history.len() as u64);
    assert!(group.nodes.iter().all(|node| node.delivered() == all && node.undelivered_len() == 0));
    let average = |sum: usize| sum as f64 / history.len() as f64;
    println!(
        "{}: {:.2} bytes a message, {:.2} with full vectors",
        history.source(),
        average(ours),
        average(full)
    );
    (average(ours), average(full))
}

#[test]
fn an_editing_session_through_endpoints() {
    let Some(file) = data("friendsforever.json.gz") else { return };
    let events = if cfg!(debug_assertions) { 4_000 } else { 26_078 };
    let (ours, full) = metadata(&trace::read(&file, &Budget::default()).expect("a trace").truncated(events));
    assert!(ours <= 12.0 && ours < full, "{ours} of {full}");
}

#[test]
fn a_file_with_two_hundred_authors_through_endpoints() {
    let Some(file) = data("node_nodecc.dag.json.gz") else { return };
    let (ours, full) = metadata(&trace::read(&file, &Budget::default()).expect("a trace"));
    assert!(ours <= 12.0 && 10.0 * ours < full, "{ours} of {full}");
}
