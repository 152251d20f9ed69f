//! The assignment of events to nodes: the events of a node follow one another.
//!
//! # The problem
//!
//! A dot, such as "the third event of node a", has a meaning only if a's events are totally ordered by causality. The
//! events of a person are not, if she works on two machines or commits to two branches.
//!
//! # The algorithm
//!
//! Events are visited in topological order. Each event has a *reach*: for every node, the number of the node's events
//! in the event's past.
//!
//! 1. The reach of an event is the maximum of its parents' reaches, entry by entry, plus the event itself.
//! 2. An event may extend a node of its author if **the node's latest event is in the event's past**: the node's entry
//!    in the reach equals the number of its events. This test is exact, so the result is sound: each event of a node
//!    has the previous one in its past.
//! 3. The choice of the node is greedy: the node of a parent if possible, else the one used most recently. At most
//!    [`LOOKED_AT`] of the author's nodes are tried, so that an author with thousands of branches costs no more than
//!    others. If none fits, the event begins a new node. More nodes than necessary make the history less compact, but
//!    never wrong.
//!
//! # Complexity
//!
//! A [reach](Reach) shares its parts with others. An event with one parent that has no other child takes over its
//! parent's reach: O(1). An event with several children costs each child a path, O(log nodes). A reach is given back once
//! the last child has been visited.
//!
//! Many open branches with different pasts still need memory in proportion to branches times nodes. So every part is
//! counted in the [`Budget`], which is checked after each merge.
//!
//! # Sources
//!
//! Decomposition of a partial order into chains: Dilworth (1950). Here it is greedy and online, so not minimal.

mod reach;

use super::{Lists, NodeNumber, Told};
use crate::budget::{Budget, OverBudget};
use reach::{Reach, length, merged, room_for, set_length};

/// Most nodes of an author that are tried before she gets a new one.
const LOOKED_AT: usize = 64;

/// The node of each event, and the author of each node.
pub(super) struct Assigned {
    pub(super) nodes: Vec<NodeNumber>,
    pub(super) author_of: Vec<u32>,
}

/// Assigns to each author enough nodes to keep the events of each node ordered.
///
/// # Errors
///
/// [`OverBudget`].
pub(super) fn split(
    authors: usize,
    told: &[Told],
    parents: &Lists,
    budget: &Budget,
) -> Result<Assigned, OverBudget> {
    let mut walk = Walk::new(authors, parents, budget)?;
    for (event, Told { author, .. }) in told.iter().enumerate() {
        let reach = walk.reach(event as u32)?;
        let of_parent = parents.get(event as u32).iter().map(|&parent| walk.nodes[parent as usize]);
        let mut of_parent = of_parent.filter(|&node| u64::from(walk.author_of[node as usize]) == *author);
        let node = of_parent.find(|&node| walk.may_extend(node, &reach));
        let node = node.or_else(|| {
            let recent = walk.nodes_of[*author as usize].iter().rev().take(LOOKED_AT);
            recent.copied().find(|&node| walk.may_extend(node, &reach))
        });
        let node = match node {
            Some(node) => node,
            None => walk.begin(*author)?,
        };
        walk.extend(node, event as u32, reach)?;
    }
    Ok(walk.done())
}

/// Finds a cycle: events of which each depends on the next, and the last on the first. `None` if there is none.
///
/// # Errors
///
/// [`OverBudget`].
pub(super) fn find_cycle(parents: &Lists, budget: &Budget) -> Result<Option<Vec<usize>>, OverBudget> {
    const UNSEEN: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    // One state an event, a path of at most all events, and a cycle of at most the whole path.
    budget.take(parents.len().saturating_mul(1 + 2 * size_of::<(u32, usize)>() + 2 * size_of::<usize>()))?;
    let mut state = vec![UNSEEN; parents.len()];
    for root in 0..parents.len() as u32 {
        // Depth first without recursion: the open events, each with the number of its next parent to visit.
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
                return Ok(Some(circle.skip_while(|&event| event != parent as usize).collect()));
            }
            if state[parent as usize] == UNSEEN {
                state[parent as usize] = OPEN;
                path.push((parent, 0));
            }
        }
    }
    Ok(None)
}

/// A walk over the events in topological order.
struct Walk<'a> {
    budget: &'a Budget,
    parents: &'a Lists,
    /// The number of children of each event that are still to be visited.
    children_left: Vec<u32>,
    /// The reach of every visited event that has children left.
    reaches: Vec<Reach<'a>>,
    /// The number of nodes that a reach has room for.
    room: u64,
    nodes: Vec<NodeNumber>,
    author_of: Vec<u32>,
    /// The number of events of each node.
    lengths: Vec<u32>,
    /// The nodes of each author; the most recently used is last.
    nodes_of: Vec<Vec<NodeNumber>>,
}

impl<'a> Walk<'a> {
    fn new(authors: usize, parents: &'a Lists, budget: &'a Budget) -> Result<Self, OverBudget> {
        let an_event = 2 * size_of::<u32>() + size_of::<Reach<'_>>();
        budget.take(parents.len().saturating_mul(an_event))?;
        budget.take(authors.saturating_mul(size_of::<Vec<NodeNumber>>()))?;
        let mut children_left = vec![0; parents.len()];
        for event in 0..parents.len() as u32 {
            parents.get(event).iter().for_each(|&parent| children_left[parent as usize] += 1);
        }
        Ok(Self {
            budget,
            parents,
            children_left,
            reaches: vec![None; parents.len()],
            room: room_for(parents.len()),
            nodes: Vec::with_capacity(parents.len()),
            author_of: Vec::new(),
            lengths: Vec::new(),
            nodes_of: vec![Vec::new(); authors],
        })
    }

    /// Returns the maximum of the parents' reaches, and gives back reaches that are not needed any more.
    fn reach(&mut self, event: u32) -> Result<Reach<'a>, OverBudget> {
        let mut reach = None;
        for &parent in self.parents.get(event) {
            let parent = parent as usize;
            self.children_left[parent] -= 1;
            let slot = &mut self.reaches[parent];
            let of_parent = if self.children_left[parent] == 0 { slot.take() } else { slot.clone() };
            reach = merged(reach, of_parent);
            self.budget.check()?;
        }
        Ok(reach)
    }

    fn may_extend(&self, node: NodeNumber, reach: &Reach<'_>) -> bool {
        length(reach, node) == self.lengths[node as usize]
    }

    fn begin(&mut self, author: u64) -> Result<NodeNumber, OverBudget> {
        let node = self.author_of.len() as NodeNumber;
        self.budget.push(&mut self.author_of, author as u32)?;
        self.budget.push(&mut self.lengths, 0)?;
        self.budget.push(&mut self.nodes_of[author as usize], node)?;
        Ok(node)
    }

    fn extend(&mut self, node: NodeNumber, event: u32, mut reach: Reach<'a>) -> Result<(), OverBudget> {
        self.lengths[node as usize] += 1;
        self.nodes.push(node);
        let nodes = &mut self.nodes_of[self.author_of[node as usize] as usize];
        // The node is nearly always among the last ones. An older node of an author with thousands keeps its place.
        let recent = nodes.len().saturating_sub(LOOKED_AT);
        if let Some(at) = nodes[recent..].iter().rposition(|&other| other == node) {
            nodes[recent + at..].rotate_left(1);
        }
        if self.children_left[event as usize] > 0 {
            set_length(&mut reach, self.room, u64::from(node), self.lengths[node as usize], self.budget);
            self.reaches[event as usize] = reach;
        }
        self.budget.check()
    }

    fn done(self) -> Assigned {
        Assigned { nodes: self.nodes, author_of: self.author_of }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{History, HistoryError};
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

    /// The past of every event, by plain search: an independent check of the code above.
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
            let history = History::new(String::new(), names(7), &told, &Budget::default()).expect("a graph");
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
            // An author is one node exactly if her events follow one another.
            let at_once = |author: u64| {
                let own: Vec<_> = (0..told.len()).filter(|&event| told[event].author == author).collect();
                own.windows(2).any(|pair| !pasts[pair[1]][pair[0]])
            };
            let with_events: BTreeSet<_> = told.iter().map(|event| event.author).collect();
            let concurrent = with_events.iter().filter(|&&author| at_once(author)).count();
            assert_eq!(
                (history.authors(), history.split_authors()),
                (with_events.len(), concurrent),
                "seed {seed}"
            );
        }
        assert!(split > 40, "only {split} of 60 graphs had an author who was concurrent with herself");
    }

    #[test]
    fn an_author_with_more_branches_than_are_looked_at_costs_nodes_and_not_truth() {
        // 200 branches from one root, then one more event on each.
        let mut events = vec![Told { author: 0, parents: vec![] }];
        events.extend((0..200).map(|_| Told { author: 0, parents: vec![0] }));
        events.extend((1..=200).map(|branch| Told { author: 0, parents: vec![branch] }));
        let history = History::new(String::new(), names(1), &events, &Budget::default()).expect("a graph");
        assert_eq!(history.nodes(), 200, "one a branch; the root is the beginning of the first");
        assert_eq!(history.name(0), "author 0, incarnation 1");
        assert_eq!(history.name(199), "author 0, incarnation 200");
    }

    /// Many beginnings, and one event that follows them all: each beginning takes a path, not an entry for every other one.
    #[test]
    fn many_beginnings_take_linear_memory() {
        let taken = |events: u64| {
            let mut told: Vec<_> = (0..events).map(|author| Told { author, parents: vec![] }).collect();
            told.push(Told { author: 0, parents: (0..events).collect() });
            let budget = Budget::default();
            let history = History::new(String::new(), names(events as usize), &told, &budget).expect("a graph");
            assert_eq!(history.nodes() as u64, events);
            budget.used()
        };
        // The bytes still counted at the end are linear, and so are those counted on the way.
        let (small, large) = (taken(2_000), taken(20_000));
        assert!(large < 12 * small, "{small} and {large} bytes");
        let mut told: Vec<_> = (0..20_000).map(|author| Told { author, parents: vec![] }).collect();
        told.push(Told { author: 0, parents: (0..20_000).collect() });
        let budget = Budget::new(40 << 20);
        assert!(History::new(String::new(), names(20_000), &told, &budget).is_ok());
    }

    /// Branches that differ in most entries cannot share memory. If they do not fit, they are refused before all of them
    /// are made.
    #[test]
    fn pasts_that_truly_differ_are_refused_where_they_do_not_fit() {
        // In every round, each of 2000 authors follows herself and a random other one.
        let (authors, rounds) = (2000, 14);
        let mut random = Random::new(7, stream::SESSION);
        let mut graph: Vec<_> = (0..authors).map(|author| Told { author, parents: vec![] }).collect();
        for round in 1..rounds {
            for author in 0..authors {
                let (own, other) =
                    ((round - 1) * authors + author, (round - 1) * authors + random.below(authors));
                let parents = if own == other { vec![own] } else { vec![own, other] };
                graph.push(Told { author, parents });
            }
        }
        let names = || names(authors as usize);
        let little = Budget::new(8 << 20);
        let refused = History::new(String::new(), names(), &graph, &little).err();
        assert_eq!(refused, Some(HistoryError::OverBudget(OverBudget { limit: 8 << 20 })));
        // The count exceeds the limit by at most one merge of a tree with all authors.
        assert!(little.used() < (8 << 20) + 20_000, "{}", little.used());
        let enough = History::new(String::new(), names(), &graph, &Budget::new(64 << 20));
        assert_eq!(enough.map(|history| history.nodes()).ok(), Some(2000));
    }

    #[test]
    fn a_walk_leaves_no_part_counted_also_when_it_fails() {
        let graph = random_graph(5, 400, 3);
        let mut parents = Lists::new();
        graph.iter().for_each(|event| parents.push(event.parents.iter().map(|&parent| parent as u32)));
        let enough = Budget::default();
        let taken = |budget: &Budget| split(3, &graph, &parents, budget).map(|assigned| assigned.nodes.len());
        assert_eq!(taken(&enough), Ok(400));
        let lists = enough.used();
        assert_eq!(
            (taken(&enough), enough.used()),
            (Ok(400), 2 * lists),
            "the lists count again, parts do not"
        );
        let little = Budget::new(lists);
        assert_eq!(taken(&little), Err(OverBudget { limit: lists }));
        assert!(little.used() <= lists, "{} of {lists}", little.used());
    }

    #[test]
    fn authors_without_events_are_left_out() {
        let history = History::new(String::new(), names(3), &told(&[(2, &[]), (0, &[0])]), &Budget::default())
            .expect("a graph");
        assert_eq!(history.nodes(), 2);
        assert_eq!([history.name(0), history.name(1)], ["author 2", "author 0"]);
    }

    #[test]
    fn of_two_parents_by_one_node_the_later_is_the_dependency() {
        let graph = told(&[(0, &[]), (1, &[0]), (1, &[1]), (0, &[2, 1, 0])]);
        let history = History::new(String::new(), names(2), &graph, &Budget::default()).expect("a graph");
        let dependencies: Vec<String> = history.dependencies(3).iter().map(ToString::to_string).collect();
        assert_eq!(dependencies, ["(0, 1)", "(1, 2)"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |events: &[(u64, &[u64])]| {
            History::new(String::new(), names(2), &told(events), &Budget::default())
                .expect_err("wrong")
                .to_string()
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
    }

    #[test]
    fn truncation_keeps_a_beginning() {
        let told = random_graph(3, 200, 5);
        let whole = History::new(String::new(), names(5), &told, &Budget::default()).expect("a graph");
        for events in [1, 2, 50, 199, 200, 900] {
            let short = whole.clone().truncated(events);
            assert_eq!(short.len(), events.min(200));
            let names: BTreeSet<_> = (0..short.nodes() as u32).map(|node| short.name(node)).collect();
            assert_eq!(names.len(), short.nodes(), "each node has its own name");
            let numbered = names.iter().filter(|name| name.contains(", incarnation ")).count();
            assert_eq!(short.nodes() - numbered, short.authors() - short.split_authors());
            for event in 0..short.len() as u32 {
                assert_eq!(short.dot(event), whole.dot(event));
                assert_eq!(short.event(short.dot(event)), Some(event));
                assert_eq!(short.parents(event), whole.parents(event));
            }
            assert!((0..short.nodes() as u32).all(|node| !short.events_of(node).is_empty()));
        }
    }
}
