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
//! A reach is a tree. Its parts are shared until one side writes, and exist only where an entry is not 0. An event with
//! one parent that has no other child takes over its parent's reach: O(1). An event with several children costs each
//! child a path, O(log nodes). A merge visits only parts that differ, and makes new ones only where neither side has
//! the maximum. A reach is given back once the last child has been visited.
//!
//! Many open branches with different pasts still need memory in proportion to branches times nodes. So every part is
//! counted in the [`Budget`], which is checked after each merge.
//!
//! # Sources
//!
//! Decomposition of a partial order into chains: Dilworth (1950). Here it is greedy and online, so not minimal.

use std::rc::Rc;

use super::{HistoryError, Lists, NodeNumber, Told};
use crate::budget::{Budget, OverBudget};
use crate::words::shortened;

/// Most nodes of an author that are tried before she gets a new one.
const LOOKED_AT: usize = 64;

/// Entries in a leaf of a reach; a leaf is as large as a branch.
const LEAF: usize = 64;

/// Children of a branch of a reach.
const BRANCH: usize = 32;

/// The node of each event, and the author of each node.
pub(super) struct Assigned {
    pub(super) nodes: Vec<NodeNumber>,
    pub(super) author_of: Vec<u32>,
}

/// Assigns one node to each author.
///
/// # Errors
///
/// [`HistoryError::Concurrent`] if an author's events are not totally ordered; [`HistoryError::OverBudget`].
pub(super) fn whole(
    authors: &[String],
    told: &[Told],
    parents: &Lists,
    budget: &Budget,
) -> Result<Assigned, HistoryError> {
    let mut walk = Walk::new(authors.len(), authors.len(), parents, budget)?;
    for (event, Told { author, .. }) in told.iter().enumerate() {
        let reach = walk.reach(event as u32)?;
        let node = match walk.nodes_of[*author as usize].first() {
            None => walk.begin(*author)?,
            Some(&node) if walk.may_extend(node, &reach) => node,
            Some(&node) => {
                let latest = walk.latest[node as usize] as usize;
                let author = shortened(&authors[*author as usize]).to_owned();
                return Err(HistoryError::Concurrent { author, events: [latest, event] });
            }
        };
        walk.extend(node, event as u32, reach)?;
    }
    Ok(walk.done())
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
    let mut walk = Walk::new(authors, told.len(), parents, budget)?;
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
    /// The latest event of each node.
    latest: Vec<u32>,
    /// The nodes of each author; the most recently used is last.
    nodes_of: Vec<Vec<NodeNumber>>,
}

impl<'a> Walk<'a> {
    fn new(
        authors: usize,
        most_nodes: usize,
        parents: &'a Lists,
        budget: &'a Budget,
    ) -> Result<Self, OverBudget> {
        let an_event = 2 * size_of::<u32>() + size_of::<Reach<'_>>();
        budget.take(parents.len().saturating_mul(an_event))?;
        budget.take(authors.saturating_mul(size_of::<Vec<NodeNumber>>()))?;
        let mut children_left = vec![0; parents.len()];
        for event in 0..parents.len() as u32 {
            parents.get(event).iter().for_each(|&parent| children_left[parent as usize] += 1);
        }
        let mut room = LEAF as u64;
        while room < most_nodes as u64 {
            room *= BRANCH as u64;
        }
        Ok(Self {
            budget,
            parents,
            children_left,
            reaches: vec![None; parents.len()],
            room,
            nodes: Vec::with_capacity(parents.len()),
            author_of: Vec::new(),
            lengths: Vec::new(),
            latest: Vec::new(),
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
        self.budget.push(&mut self.latest, 0)?;
        self.budget.push(&mut self.nodes_of[author as usize], node)?;
        Ok(node)
    }

    fn extend(&mut self, node: NodeNumber, event: u32, mut reach: Reach<'a>) -> Result<(), OverBudget> {
        self.lengths[node as usize] += 1;
        self.latest[node as usize] = event;
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

/// For every node, the number of its events in the past: a tree. `None` stands for a subtree whose entries are all 0.
///
/// All reaches of a walk have room for the same number of nodes, so their leaves are equally deep.
type Reach<'b> = Option<Rc<Part<'b>>>;

/// A part of a reach. It is counted in the budget while it lives.
struct Part<'b> {
    entries: Entries<'b>,
    budget: &'b Budget,
}

#[derive(Clone)]
enum Entries<'b> {
    /// The number of events of each node.
    Leaf([u32; LEAF]),
    /// Each child covers `span` nodes.
    Branch { span: u64, children: [Reach<'b>; BRANCH] },
}

impl<'b> Part<'b> {
    fn new(entries: Entries<'b>, budget: &'b Budget) -> Self {
        budget.count(size_of::<Self>());
        Self { entries, budget }
    }

    /// Makes a part for `room` nodes without events.
    fn empty(room: u64, budget: &'b Budget) -> Self {
        let entries = match room / BRANCH as u64 {
            _ if room <= LEAF as u64 => Entries::Leaf([0; LEAF]),
            span => Entries::Branch { span, children: [const { None }; BRANCH] },
        };
        Self::new(entries, budget)
    }
}

impl Clone for Part<'_> {
    fn clone(&self) -> Self {
        Self::new(self.entries.clone(), self.budget)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.budget.give_back(size_of::<Self>());
    }
}

/// Returns the number of the node's events in the past.
fn length(mut reach: &Reach<'_>, node: NodeNumber) -> u32 {
    while let Some(part) = reach {
        match &part.entries {
            Entries::Leaf(lengths) => return lengths[node as usize % LEAF],
            Entries::Branch { span, children } => {
                reach = &children[(u64::from(node) / span) as usize % BRANCH];
            }
        }
    }
    0
}

/// Sets the number of the node's events in the past, in a reach with room for `room` nodes.
fn set_length<'b>(reach: &mut Reach<'b>, room: u64, node: u64, length: u32, budget: &'b Budget) {
    let part = reach.get_or_insert_with(|| Rc::new(Part::empty(room, budget)));
    match &mut Rc::make_mut(part).entries {
        Entries::Leaf(lengths) => lengths[node as usize % LEAF] = length,
        Entries::Branch { span, children } => {
            let child = &mut children[(node / *span) as usize % BRANCH];
            set_length(child, *span, node, length, budget);
        }
    }
}

/// Returns the maximum of two reaches, entry by entry. Where one side is the maximum of a part, that part is shared.
fn merged<'b>(a: Reach<'b>, b: Reach<'b>) -> Reach<'b> {
    let (Some(ours), Some(theirs)) = (&a, &b) else { return a.or(b) };
    if Rc::ptr_eq(ours, theirs) {
        return a;
    }
    let entries = match (&ours.entries, &theirs.entries) {
        (Entries::Leaf(x), Entries::Leaf(y)) => {
            let most = std::array::from_fn(|at| x[at].max(y[at]));
            if most == *x {
                return a;
            }
            if most == *y {
                return b;
            }
            Entries::Leaf(most)
        }
        (Entries::Branch { span, children: x }, Entries::Branch { children: y, .. }) => {
            let children = std::array::from_fn(|at| merged(x[at].clone(), y[at].clone()));
            if same(&children, x) {
                return a;
            }
            if same(&children, y) {
                return b;
            }
            Entries::Branch { span: *span, children }
        }
        _ => unreachable!("all reaches of a walk have room for the same number of nodes"),
    };
    Some(Rc::new(Part::new(entries, ours.budget)))
}

/// Returns whether the children are the same parts.
fn same(a: &[Reach<'_>], b: &[Reach<'_>]) -> bool {
    a.iter().zip(b).all(|pair| match pair {
        (Some(a), Some(b)) => Rc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    })
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
            let history = History::split(String::new(), names(7), &told, &Budget::default()).expect("a graph");
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
            // `new` accepts every history that `split` leaves whole. It refuses the others for a true reason.
            match History::new(String::new(), names(7), &told, &Budget::default()) {
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
        let history = History::split(String::new(), names(1), &events, &Budget::default()).expect("a graph");
        assert_eq!(history.nodes(), 200, "one a branch; the root is the beginning of the first");
        assert_eq!(history.name(199), "author 0#200");
    }

    /// Sets and merges reaches of one, two and three levels at random, and compares them with plain vectors.
    #[test]
    fn reaches_are_the_vectors_that_they_stand_for() {
        for (seed, nodes) in [(1, 1), (2, 64), (3, 65), (4, 2048), (5, 2049), (6, 5000)] {
            let budget = Budget::default();
            let levels = [LEAF, LEAF * BRANCH, LEAF * BRANCH * BRANCH];
            let room = levels.into_iter().find(|&room| room >= nodes).expect("enough levels") as u64;
            let mut random = Random::new(seed, stream::SESSION);
            let mut reaches: Vec<(Reach<'_>, Vec<u32>)> = vec![(None, vec![0; nodes]); 8];
            let mut shared = 0;
            for _ in 0..2000 {
                let (at, other) = (random.index(reaches.len()), random.index(reaches.len()));
                if random.chance(0.6) {
                    let (node, set) = (random.index(nodes), random.below(1000) as u32);
                    let (reach, plain) = &mut reaches[at];
                    set_length(reach, room, node as u64, set, &budget);
                    plain[node] = set;
                } else {
                    let (other, theirs) = reaches[other].clone();
                    let (reach, ours) = &mut reaches[at];
                    ours.iter_mut().zip(&theirs).for_each(|(ours, theirs)| *ours = (*ours).max(*theirs));
                    *reach = merged(reach.take(), other.clone());
                    shared += usize::from(same(std::slice::from_ref(reach), &[other]));
                }
                let (reach, plain) = &reaches[at];
                let differs = (0..nodes).find(|&node| length(reach, node as NodeNumber) != plain[node]);
                assert_eq!(differs, None, "seed {seed}, {nodes} nodes");
            }
            assert!(shared > 50, "only {shared} merges took over the other side");
            assert!(budget.used() > 0);
            drop(reaches);
            assert_eq!(budget.used(), 0, "every part is given back");
        }
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
    fn an_error_leaves_no_part_counted() {
        let budget = Budget::default();
        let graph = told(&[(0, &[]), (1, &[0]), (0, &[1]), (1, &[0])]);
        let before = || budget.used();
        assert!(whole(&names(2), &graph, &check(&graph), &budget).is_err());
        let once = before();
        assert!(whole(&names(2), &graph, &check(&graph), &budget).is_err());
        assert_eq!(before(), 2 * once, "the lists are counted again, the parts are gone");
    }

    fn check(told: &[Told]) -> Lists {
        let mut lists = Lists::new();
        told.iter().for_each(|event| lists.push(event.parents.iter().map(|&parent| parent as u32)));
        lists
    }

    #[test]
    fn authors_without_events_are_left_out() {
        let history = History::new(String::new(), names(3), &told(&[(2, &[]), (0, &[0])]), &Budget::default())
            .expect("a graph");
        assert_eq!(history.nodes(), 2);
        assert_eq!((history.name(0), history.name(1)), ("author 2", "author 0"));
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
        assert_eq!(
            wrong(&[(0, &[]), (1, &[0]), (0, &[1]), (1, &[0])]),
            "events 1 and 3 of author 1 are concurrent; the events of one author must follow one another"
        );
    }

    #[test]
    fn truncation_keeps_a_beginning() {
        let told = random_graph(3, 200, 5);
        let whole = History::split(String::new(), names(5), &told, &Budget::default()).expect("a graph");
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
