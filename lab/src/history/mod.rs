//! Histories: the author of each event, and the events that the author had seen when writing it.
//!
//! A history is a graph of *events*. Each event has a *node* that wrote it, and *parents*: the events that it directly
//! builds on. In a replay an event becomes a message, and its parents become the message's dependencies.
//!
//! ```text
//!   events       0 ── 1 ── 2 ────── 4          parents(4) = [2, 3]
//!                 ╲           ╲____╱
//!   written by   a  ╲  a    a  ╱  a            node a: 0, 1, 2, 4 = dots (a, 1) .. (a, 4)
//!                     3 ──────                 node b: 3          = dot  (b, 1)
//!                     b
//! ```
//!
//! # Invariants
//!
//! - H1: events are in topological order: parents have smaller numbers.
//! - H2: the events of one node are totally ordered by causality, so numbering them gives dots.
//! - H3: there is at least one event, and every node has one.
//!
//! Three sources make histories: [`session`] (built in), [`trace`] (files) and [`git`] (repositories). All go through
//! [`History::new`], which establishes the invariants.
//!
//! # Authors and incarnations
//!
//! An author whose events follow one another is one node. An author who worked concurrently with herself, on two
//! machines or on two branches, breaks H2. Her events are split among as many nodes as are needed. These nodes are her
//! *incarnations*, and their names say so: `agent 1, incarnation 2`.

mod assign;
pub mod git;
pub mod session;
pub mod trace;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use happens_before::Dot;

use crate::budget::{Budget, OverBudget};
use crate::words::{counted, printable, shortened};

/// An event of a history, by its number in topological order, from 0.
pub type Event = u32;

/// A node of a history, by its number, from 0. It names the node in dots.
pub type NodeNumber = u32;

/// A list of lists in one piece of memory.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    /// The beginning of each list, then the end of the last one.
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    pub(crate) fn new() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }

    /// Makes room for `lists` lists with `items` items in all, and takes the memory for them from `budget`.
    fn within(budget: &Budget, lists: usize, items: usize) -> Result<Self, OverBudget> {
        budget.take((lists + 1 + items).saturating_mul(size_of::<u32>()))?;
        let mut starts = Vec::with_capacity(lists + 1);
        starts.push(0);
        Ok(Self { starts, items: Vec::with_capacity(items) })
    }

    pub(crate) fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.items.extend(list);
        self.starts.push(self.items.len() as u32);
    }

    pub(crate) fn get(&self, list: u32) -> &[u32] {
        let list = list as usize;
        &self.items[self.starts[list] as usize..self.starts[list + 1] as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// A checked graph of events, with a dot for every event.
#[derive(Clone, Debug)]
pub struct History {
    source: String,
    /// The printable names of the authors.
    authors: Vec<String>,
    /// The number of nodes of each author; 0 for an author without events.
    incarnations: Vec<u32>,
    /// For each node, its author's number, and the number of its incarnation, from 1.
    authorship: Vec<(u32, u32)>,
    parents: Lists,
    dots: Vec<Dot<NodeNumber>>,
    events: Vec<Vec<Event>>,
}

/// The reason why a list of events is not a history.
///
/// Events are named by their number in the list. The files from which lists come use the same numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryError {
    /// There are no events.
    Empty,
    /// There are more events, or more parents in all, than fit into 32 bits.
    TooLarge,
    /// An event's author is not one of the authors.
    NoSuchAuthor { event: usize, author: u64, authors: usize },
    /// An event names a parent that is not in the list.
    NoSuchParent { event: usize, parent: u64, events: usize },
    /// An event names the same parent twice.
    ParentTwice { event: usize, parent: u64 },
    /// Events depend on each other in a cycle; each names the next as a parent, and the last names the first.
    Cycle(Vec<usize>),
    /// An event names a parent that comes later in the list; there is no cycle.
    ParentLater { event: usize, parent: u64 },
    /// The history, or the check of it, needs more memory than the budget allows.
    OverBudget(OverBudget),
}

impl From<OverBudget> for HistoryError {
    fn from(error: OverBudget) -> Self {
        Self::OverBudget(error)
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no events in it"),
            Self::TooLarge => write!(f, "more events or parents than fit into 32 bits"),
            Self::NoSuchAuthor { event, author, authors } => {
                write!(f, "event {event} is by author {author}, but there are only {authors}, from 0")
            }
            Self::NoSuchParent { event, parent, events } => {
                let (verb, events) =
                    (if *events == 1 { "is" } else { "are" }, counted(*events as u64, "event"));
                write!(f, "event {event} names the parent {parent}, but there {verb} only {events}, from 0")
            }
            Self::ParentTwice { event, parent } => write!(f, "event {event} names the parent {parent} twice"),
            Self::Cycle(events) => {
                write!(f, "events depend on each other in a circle: ")?;
                for event in events.iter().take(8) {
                    write!(f, "{event} on ")?;
                }
                let more = if events.len() > 8 { "... on " } else { "" };
                write!(f, "{more}{}", events.first().copied().unwrap_or(0))
            }
            Self::ParentLater { event, parent } => {
                write!(f, "event {event} names the parent {parent}, which comes later; parents come first")
            }
            Self::OverBudget(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HistoryError {}

/// A fault of the input, and its place: one line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file, folder or option.
    pub place: String,
    /// The fault.
    pub what: String,
}

impl InputError {
    pub(crate) fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self { place: path.display().to_string(), what: what.to_string() }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One printable line, whatever the names of files and the messages of other programs hold.
        f.write_str(&printable(&format!("{}: {}", self.place, self.what)))
    }
}

impl std::error::Error for InputError {}

/// An event as a source describes it: its author and its parents, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The number of its author, from 0.
    pub author: u64,
    /// The events that it directly builds on.
    pub parents: Vec<u64>,
}

impl History {
    /// Makes a history. An author is one node if her events follow one another. An author who worked concurrently with
    /// herself becomes several nodes, her incarnations.
    ///
    /// Nodes are numbered by their first events; authors without events have no node. Names that are too long to be
    /// shown are cut. All memory is taken from `budget`.
    ///
    /// # Errors
    ///
    /// Any of [`HistoryError`].
    ///
    /// # Complexity
    ///
    /// O(events + parents) time and memory. A merge adds at most O(nodes) time, and an event with several children
    /// O(log events); both add as much memory, until the last child has been visited.
    pub fn new(
        source: String,
        authors: Vec<String>,
        told: &[Told],
        budget: &Budget,
    ) -> Result<Self, HistoryError> {
        let parents = check(authors.len(), told, budget)?;
        let assigned = assign::split(authors.len(), told, &parents, budget)?;
        Ok(Self::from_assigned(source, &authors, parents, assigned, budget)?)
    }

    fn from_assigned(
        source: String,
        authors: &[String],
        parents: Lists,
        assign::Assigned { nodes, author_of }: assign::Assigned,
        budget: &Budget,
    ) -> Result<Self, OverBudget> {
        budget.take(author_of.len().saturating_mul(size_of::<Vec<Event>>()))?;
        budget.take(nodes.len().saturating_mul(size_of::<Dot<NodeNumber>>()))?;
        let mut events = vec![Vec::new(); author_of.len()];
        let mut dots = Vec::with_capacity(nodes.len());
        for (event, &node) in nodes.iter().enumerate() {
            let of_node: &mut Vec<Event> = &mut events[node as usize];
            budget.push(of_node, event as Event)?;
            dots.extend(Dot::new(node, of_node.len() as u64));
        }
        // From here on every name is printable.
        let source = printable(&source).into_owned();
        let mut names = Vec::new();
        for author in authors {
            let name = printable(shortened(author)).into_owned();
            budget.take(name.capacity())?;
            budget.push(&mut names, name)?;
        }
        budget.take(authors.len().saturating_mul(size_of::<u32>()))?;
        budget.take(author_of.len().saturating_mul(size_of::<(u32, u32)>()))?;
        let mut incarnations = vec![0; authors.len()];
        let authorship = author_of.into_iter().map(|author| {
            incarnations[author as usize] += 1;
            (author, incarnations[author as usize])
        });
        let authorship = authorship.collect();
        Ok(Self { source, authors: names, incarnations, authorship, parents, dots, events })
    }

    /// Returns the source of the history, in printable words.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the number of events, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a history is never empty")]
    pub fn len(&self) -> usize {
        self.dots.len()
    }

    /// Returns the number of nodes.
    pub fn nodes(&self) -> usize {
        self.authorship.len()
    }

    /// Returns the number of authors with events.
    pub fn authors(&self) -> usize {
        self.incarnations.iter().filter(|&&nodes| nodes > 0).count()
    }

    /// Returns the number of authors who worked concurrently with themselves, so that each is several nodes.
    pub fn split_authors(&self) -> usize {
        self.incarnations.iter().filter(|&&nodes| nodes > 1).count()
    }

    /// Returns the printable name of a node, for people: that of its author, with the number of the incarnation if the
    /// author is several nodes.
    pub fn name(&self, node: NodeNumber) -> Cow<'_, str> {
        let (author, incarnation) = self.authorship[node as usize];
        let name = &self.authors[author as usize];
        match self.incarnations[author as usize] {
            1 => Cow::Borrowed(name),
            _ => Cow::Owned(format!("{name}, incarnation {incarnation}")),
        }
    }

    /// Returns the events that `event` directly builds on; their numbers are smaller.
    pub fn parents(&self, event: Event) -> &[Event] {
        self.parents.get(event)
    }

    /// Returns the event's dot.
    pub fn dot(&self, event: Event) -> &Dot<NodeNumber> {
        &self.dots[event as usize]
    }

    /// Returns the event with this dot.
    pub fn event(&self, dot: &Dot<NodeNumber>) -> Option<Event> {
        let nth = usize::try_from(dot.counter() - 1).ok()?;
        self.events.get(*dot.node() as usize)?.get(nth).copied()
    }

    /// Returns the events of a node, in order.
    pub fn events_of(&self, node: NodeNumber) -> &[Event] {
        &self.events[node as usize]
    }

    /// Returns the dots of the event's parents, sorted, at most one a node. The event's own node is included.
    ///
    /// Of two parents by one node, the earlier is in the past of the later (H2), so the later suffices. Git records
    /// such parents where a branch is merged that could have been fast-forwarded.
    pub fn dependencies(&self, event: Event) -> Vec<Dot<NodeNumber>> {
        let mut dots: Vec<_> = self.parents(event).iter().map(|&parent| *self.dot(parent)).collect();
        // Latest first within a node, so that the latest is kept.
        dots.sort_unstable_by(|a, b| a.node().cmp(b.node()).then(b.counter().cmp(&a.counter())));
        dots.dedup_by_key(|dot| *dot.node());
        dots
    }

    /// Returns the total number of parents.
    pub fn parents_in_all(&self) -> usize {
        self.parents.items.len()
    }

    /// Returns the highest number of dependencies of any message.
    pub fn most_dependencies(&self) -> usize {
        let named = |event| {
            let own = self.dot(event).node();
            self.dependencies(event).iter().filter(|dot| dot.node() != own).count()
        };
        (0..self.len() as Event).map(named).max().unwrap_or(0)
    }

    /// Keeps the first `events` events. Does nothing if there are no more than that.
    #[must_use]
    pub fn truncated(mut self, events: usize) -> Self {
        let events = events.max(1);
        if events < self.len() {
            self.dots.truncate(events);
            let mut parents = Lists::new();
            (0..events as Event).for_each(|event| parents.push(self.parents.get(event).iter().copied()));
            self.parents = parents;
            for of_node in &mut self.events {
                of_node.retain(|&event| (event as usize) < events);
            }
            // H3: nodes are numbered by their first event, so nodes without events are the last.
            let nodes = self.events.iter().take_while(|of_node| !of_node.is_empty()).count();
            self.events.truncate(nodes);
            for (author, _) in self.authorship.drain(nodes..) {
                self.incarnations[author as usize] -= 1;
            }
        }
        self
    }
}

/// Checks the graph, except for the order of each author's events, and packs the parents.
fn check(authors: usize, told: &[Told], budget: &Budget) -> Result<Lists, HistoryError> {
    if told.is_empty() {
        return Err(HistoryError::Empty);
    }
    let parents_in_all: usize = told.iter().map(|event| event.parents.len()).sum();
    if told.len() > u32::MAX as usize || parents_in_all > u32::MAX as usize {
        return Err(HistoryError::TooLarge);
    }
    let mut parents = Lists::within(budget, told.len(), parents_in_all)?;
    // For each event, the latest event that names it as a parent. No event has the number u32::MAX.
    let bytes = told.len().saturating_mul(size_of::<u32>());
    budget.take(bytes)?;
    let mut named_by = vec![u32::MAX; told.len()];
    let mut later = None;
    for (event, Told { author, parents: named }) in told.iter().enumerate() {
        if *author >= authors as u64 {
            return Err(HistoryError::NoSuchAuthor { event, author: *author, authors });
        }
        for &parent in named {
            if parent >= told.len() as u64 {
                return Err(HistoryError::NoSuchParent { event, parent, events: told.len() });
            }
            if parent >= event as u64 && later.is_none() {
                later = Some(HistoryError::ParentLater { event, parent });
            }
            let before = std::mem::replace(&mut named_by[parent as usize], event as u32);
            if before == event as u32 {
                return Err(HistoryError::ParentTwice { event, parent });
            }
        }
        // In range: checked against the number of events just above.
        parents.push(named.iter().map(|&parent| parent as u32));
    }
    budget.give_back(bytes);
    match later {
        None => Ok(parents),
        Some(error) => Err(assign::find_cycle(&parents, budget)?.map_or(error, HistoryError::Cycle)),
    }
}
