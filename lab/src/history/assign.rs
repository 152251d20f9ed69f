//! Who is a node: gives every event to a node whose events follow one another.
//!
//! # The problem
//!
//! A dot says "the third event of node a", which means something only if a's events are totally ordered by
//! causality. A person in front of two machines, or a commit under her name on two branches, is not.
//!
//! # The algorithm
//!
//! Events are visited in topological order. With each goes its *reach*: for every node, how many of the node's
//! events are in the event's past. Then
//!
//! 1. the reach of an event is the maximum of its parents' reaches, entry by entry, plus the event itself;
//! 2. an event may extend a node of its author if **the node's latest event is in the event's past**, that is
//!    if the node's entry in the reach is the number of events that the node has. This is exact, so what is
//!    built is sound: each event of a node has the previous one in its past;
//! 3. which node is extended is a greedy choice: the one of a parent if possible, else the one used most
//!    recently. At most [`LOOKED_AT`] of the author's nodes are looked at, so that an author with thousands of
//!    branches costs no more than others; if none of them will do, the event begins a new node. More nodes
//!    than necessary are a loss of compactness, never of truth.
//!
//! # Complexity
//!
//! Reaches are cut into blocks that are shared until one side writes, and merging skips blocks that both sides
//! share. An event with one parent that has no other child takes over its parent's reach: O(1). Every other
//! event costs O(nodes / 32) for the pointers and O(32) for every block that really differs. A reach is given
//! back once the last child has been visited.
//!
//! # Sources
//!
//! Decomposition of a partial order into chains: Dilworth (1950); greedy and online, so not minimal.

use std::rc::Rc;

use super::{HistoryError, Lists, Node, Told};

/// How many nodes of an author are tried before she gets a new one.
const LOOKED_AT: usize = 64;

/// Entries a block of a reach.
const BLOCK: usize = 32;

/// Which node each event belongs to, and which author each node belongs to.
pub(super) struct Assigned {
    pub(super) nodes: Vec<Node>,
    pub(super) author_of: Vec<u32>,
}

/// One node an author.
///
/// # Errors
///
/// [`HistoryError::Concurrent`] if an author's events are not totally ordered.
pub(super) fn whole(authors: &[String], told: &[Told], parents: &Lists) -> Result<Assigned, HistoryError> {
    let mut walk = Walk::new(authors.len(), parents);
    for (event, Told { author, .. }) in told.iter().enumerate() {
        let reach = walk.reach(event as u32);
        let node = match walk.nodes_of[*author as usize].first() {
            None => walk.begin(*author),
            Some(&node) if walk.may_extend(node, &reach) => node,
            Some(&node) => {
                let latest = walk.latest[node as usize] as usize;
                let author = authors[*author as usize].clone();
                return Err(HistoryError::Concurrent { author, events: [latest, event] });
            }
        };
        walk.extend(node, event as u32, reach);
    }
    Ok(walk.done())
}

/// As many nodes an author as it takes.
pub(super) fn split(authors: usize, told: &[Told], parents: &Lists) -> Assigned {
    let mut walk = Walk::new(authors, parents);
    for (event, Told { author, .. }) in told.iter().enumerate() {
        let reach = walk.reach(event as u32);
        let of_parent = parents.get(event as u32).iter().map(|&parent| walk.nodes[parent as usize]);
        let mut of_parent = of_parent.filter(|&node| u64::from(walk.author_of[node as usize]) == *author);
        let node = of_parent.find(|&node| walk.may_extend(node, &reach));
        let node = node.or_else(|| {
            let recent = walk.nodes_of[*author as usize].iter().rev().take(LOOKED_AT);
            recent.copied().find(|&node| walk.may_extend(node, &reach))
        });
        let node = node.unwrap_or_else(|| walk.begin(*author));
        walk.extend(node, event as u32, reach);
    }
    walk.done()
}

/// Finds events that depend on each other in a circle, each on the next, if there are any.
pub(super) fn find_cycle(parents: &Lists) -> Option<Vec<usize>> {
    const UNSEEN: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut state = vec![UNSEEN; parents.len()];
    for root in 0..parents.len() as u32 {
        // Depth first without recursion: the open events, each with the number of the parent to look at next.
        let mut path: Vec<(u32, usize)> = vec![(root, 0)];
        if state[root as usize] != UNSEEN {
            continue;
        }
        state[root as usize] = OPEN;
        while let Some((event, next)) = path.last_mut() {
            let Some(&parent) = parents.get(*event).get(*next) else {
                state[*event as usize] = DONE;
                path.pop();
                continue;
            };
            *next += 1;
            if state[parent as usize] == OPEN {
                let circle = path.iter().map(|&(event, _)| event as usize);
                return Some(circle.skip_while(|&event| event != parent as usize).collect());
            }
            if state[parent as usize] == UNSEEN {
                state[parent as usize] = OPEN;
                path.push((parent, 0));
            }
        }
    }
    None
}

/// A walk over the events in topological order.
struct Walk<'a> {
    parents: &'a Lists,
    /// How many children of an event are still to be visited.
    children_left: Vec<u32>,
    /// The reach of every visited event that has children left.
    reaches: Vec<Option<Reach>>,
    nodes: Vec<Node>,
    author_of: Vec<u32>,
    /// How many events a node has.
    lengths: Vec<u32>,
    /// The latest event of a node.
    latest: Vec<u32>,
    /// The nodes of an author, the one that was used most recently last.
    nodes_of: Vec<Vec<Node>>,
}

impl<'a> Walk<'a> {
    fn new(authors: usize, parents: &'a Lists) -> Self {
        let mut children_left = vec![0; parents.len()];
        for event in 0..parents.len() as u32 {
            parents.get(event).iter().for_each(|&parent| children_left[parent as usize] += 1);
        }
        Self {
            parents,
            children_left,
            reaches: (0..parents.len()).map(|_| None).collect(),
            nodes: Vec::with_capacity(parents.len()),
            author_of: Vec::new(),
            lengths: Vec::new(),
            latest: Vec::new(),
            nodes_of: vec![Vec::new(); authors],
        }
    }

    /// Returns the maximum of the parents' reaches, and gives back those that nobody needs any more.
    fn reach(&mut self, event: u32) -> Reach {
        let mut reach: Option<Reach> = None;
        for &parent in self.parents.get(event) {
            let parent = parent as usize;
            self.children_left[parent] -= 1;
            let slot = &mut self.reaches[parent];
            let of_parent = if self.children_left[parent] == 0 { slot.take() } else { slot.clone() };
            let of_parent = of_parent.unwrap_or_default();
            match &mut reach {
                None => reach = Some(of_parent),
                Some(reach) => reach.merge(of_parent),
            }
        }
        reach.unwrap_or_default()
    }

    fn may_extend(&self, node: Node, reach: &Reach) -> bool {
        reach.get(node) == self.lengths[node as usize]
    }

    fn begin(&mut self, author: u64) -> Node {
        let node = self.author_of.len() as Node;
        self.author_of.push(author as u32);
        self.lengths.push(0);
        self.latest.push(0);
        self.nodes_of[author as usize].push(node);
        node
    }

    fn extend(&mut self, node: Node, event: u32, mut reach: Reach) {
        self.lengths[node as usize] += 1;
        self.latest[node as usize] = event;
        self.nodes.push(node);
        let nodes = &mut self.nodes_of[self.author_of[node as usize] as usize];
        // Nearly always among the last; where an author has thousands of nodes, an older one stays where it is.
        let recent = nodes.len().saturating_sub(LOOKED_AT);
        if let Some(at) = nodes[recent..].iter().rposition(|&other| other == node) {
            nodes[recent + at..].rotate_left(1);
        }
        if self.children_left[event as usize] > 0 {
            reach.set(node, self.lengths[node as usize]);
            self.reaches[event as usize] = Some(reach);
        }
    }

    fn done(self) -> Assigned {
        Assigned { nodes: self.nodes, author_of: self.author_of }
    }
}

/// For every node, how many of its events are in the past; in blocks that are shared until one side writes.
#[derive(Clone, Default)]
struct Reach {
    blocks: Vec<Rc<[u32; BLOCK]>>,
}

impl Reach {
    fn get(&self, node: Node) -> u32 {
        let node = node as usize;
        self.blocks.get(node / BLOCK).map_or(0, |block| block[node % BLOCK])
    }

    fn set(&mut self, node: Node, length: u32) {
        let node = node as usize;
        while self.blocks.len() <= node / BLOCK {
            self.blocks.push(Rc::new([0; BLOCK]));
        }
        Rc::make_mut(&mut self.blocks[node / BLOCK])[node % BLOCK] = length;
    }

    fn merge(&mut self, other: Self) {
        for (at, theirs) in other.blocks.into_iter().enumerate() {
            let Some(ours) = self.blocks.get_mut(at) else {
                self.blocks.push(theirs);
                continue;
            };
            if Rc::ptr_eq(ours, &theirs) || theirs.iter().zip(ours.iter()).all(|(theirs, ours)| theirs <= ours)
            {
                continue;
            }
            if theirs.iter().zip(ours.iter()).all(|(theirs, ours)| theirs >= ours) {
                *ours = theirs; // shared again
                continue;
            }
            for (ours, &theirs) in Rc::make_mut(ours).iter_mut().zip(theirs.iter()) {
                *ours = (*ours).max(theirs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::History;
    use super::*;
    use crate::stream;
    use happens_before_simulation::Random;

    fn told(events: &[(u64, &[u64])]) -> Vec<Told> {
        events.iter().map(|&(author, parents)| Told { author, parents: parents.to_vec() }).collect()
    }

    fn names(authors: usize) -> Vec<String> {
        (0..authors).map(|author| format!("author {author}")).collect()
    }

    /// Makes a random graph with many branches and merges, in topological order.
    fn random_graph(seed: u64, events: u64, authors: u64) -> Vec<Told> {
        let mut random = Random::new(seed, stream::SESSION);
        (0..events)
            .map(|event| {
                let wanted = if event == 0 { 0 } else { random.below(4).min(event) };
                let mut parents: Vec<u64> = Vec::new();
                for _ in 0..wanted {
                    let parent = event - 1 - random.below(event.min(12));
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
                Told { author: random.below(authors), parents }
            })
            .collect()
    }

    /// The past of every event, by plain search: the check that shares nothing with the code above.
    fn pasts(history: &History) -> Vec<Vec<bool>> {
        let mut pasts: Vec<Vec<bool>> = Vec::new();
        for event in 0..history.len() as u32 {
            let mut past = vec![false; history.len()];
            for &parent in history.parents(event) {
                past[parent as usize] = true;
                past.iter_mut().zip(&pasts[parent as usize]).for_each(|(mine, &theirs)| *mine |= theirs);
            }
            pasts.push(past);
        }
        pasts
    }

    #[test]
    fn every_event_of_a_node_has_the_previous_one_in_its_past() {
        let mut split = 0;
        for seed in 0..60 {
            let told = random_graph(seed, 300, 1 + seed % 7);
            let history = History::split(String::new(), names(7), &told).expect("a graph");
            let pasts = pasts(&history);
            let mut seen = 0;
            for node in 0..history.nodes() as u32 {
                let events = history.events_of(node);
                assert!(!events.is_empty(), "seed {seed}: node {node} wrote nothing");
                for pair in events.windows(2) {
                    assert!(pasts[pair[1] as usize][pair[0] as usize], "seed {seed}: node {node}: {pair:?}");
                    assert_eq!(told[pair[0] as usize].author, told[pair[1] as usize].author);
                }
                seen += events.len();
            }
            assert_eq!(seen, told.len());
            split += usize::from(history.nodes() > 7);
            // What `split` leaves whole, `new` accepts; what it splits, `new` refuses with a true reason.
            match History::new(String::new(), names(7), &told) {
                Ok(whole) => assert_eq!(whole.nodes(), history.nodes()),
                Err(HistoryError::Concurrent { author, events: [first, second] }) => {
                    assert!(!pasts[second][first], "seed {seed}");
                    let of = |event: usize| format!("author {}", told[event].author);
                    assert_eq!([of(first), of(second)], [author.clone(), author]);
                }
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        assert!(split > 40, "only {split} of 60 graphs had an author who was concurrent with herself");
    }

    #[test]
    fn an_author_with_more_branches_than_are_looked_at_costs_nodes_and_not_truth() {
        // 200 branches from one root, then one more event on each.
        let mut events = vec![Told { author: 0, parents: vec![] }];
        events.extend((0..200).map(|_| Told { author: 0, parents: vec![0] }));
        events.extend((1..=200).map(|branch| Told { author: 0, parents: vec![branch] }));
        let history = History::split(String::new(), names(1), &events).expect("a graph");
        assert_eq!(history.nodes(), 200, "one a branch; the root is the beginning of the first");
        assert_eq!(history.name(199), "author 0#200");
    }

    #[test]
    fn authors_without_events_are_left_out() {
        let history = History::new(String::new(), names(3), &told(&[(2, &[]), (0, &[0])])).expect("a graph");
        assert_eq!(history.nodes(), 2);
        assert_eq!((history.name(0), history.name(1)), ("author 2", "author 0"));
    }

    #[test]
    fn of_two_parents_by_one_node_the_later_is_the_dependency() {
        let graph = told(&[(0, &[]), (1, &[0]), (1, &[1]), (0, &[2, 1, 0])]);
        let history = History::new(String::new(), names(2), &graph).expect("a graph");
        let dependencies: Vec<String> = history.dependencies(3).iter().map(ToString::to_string).collect();
        assert_eq!(dependencies, ["(0, 1)", "(1, 2)"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |events: &[(u64, &[u64])]| {
            History::new(String::new(), names(2), &told(events)).expect_err("wrong").to_string()
        };
        assert_eq!(wrong(&[]), "there are no events in it");
        assert_eq!(wrong(&[(2, &[])]), "event 0 is by author 2, but there are only 2, from 0");
        assert_eq!(wrong(&[(0, &[5])]), "event 0 names the parent 5, but there is only 1 event, from 0");
        assert_eq!(wrong(&[(0, &[]), (0, &[0, 0])]), "event 1 names the parent 0 twice");
        assert_eq!(wrong(&[(0, &[0])]), "events depend on each other in a circle: 0 on 0");
        assert_eq!(
            wrong(&[(0, &[2]), (0, &[0]), (1, &[1])]),
            "events depend on each other in a circle: 0 on 2 on 1 on 0"
        );
        assert_eq!(
            wrong(&[(0, &[1]), (1, &[])]),
            "event 0 names the parent 1, which comes later; parents come first"
        );
        assert_eq!(
            wrong(&[(0, &[]), (1, &[0]), (0, &[1]), (1, &[0])]),
            "events 1 and 3 of author 1 are concurrent; the events of one author must follow one another"
        );
    }

    #[test]
    fn truncation_keeps_a_beginning() {
        let told = random_graph(3, 200, 5);
        let whole = History::split(String::new(), names(5), &told).expect("a graph");
        for events in [1, 2, 50, 199, 200, 900] {
            let short = whole.clone().truncated(events);
            assert_eq!(short.len(), events.min(200));
            for event in 0..short.len() as u32 {
                assert_eq!(short.dot(event), whole.dot(event));
                assert_eq!(short.event(short.dot(event)), Some(event));
                assert_eq!(short.parents(event), whole.parents(event));
            }
            assert!((0..short.nodes() as u32).all(|node| !short.events_of(node).is_empty()));
        }
    }
}
