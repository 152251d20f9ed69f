//! The naive causal context: a set of dots, one by one. Shared with the fuzz target.
//!
//! To reach both ends of the range of counters, it groups consecutive counters into *cells*. Each of the first and the
//! last few counters is a cell, and all the rest are one cell, within which nothing starts or ends.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::ops::RangeInclusive;

use happens_before::node::DotRange;
use happens_before::version::TooManyRanges;
use happens_before::{CausalContext, Dot, VersionVector};
use quickcheck::{Arbitrary, Gen};

use crate::below;

pub type Node = u8;
pub type Context = CausalContext<Node>;

/// The first and last counter of each cell.
pub const CELLS: [(u64, u64); 11] = [
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 5),
    (6, 6),
    (7, u64::MAX - 4),
    (u64::MAX - 3, u64::MAX - 3),
    (u64::MAX - 2, u64::MAX - 2),
    (u64::MAX - 1, u64::MAX - 1),
    (u64::MAX, u64::MAX),
];

/// Every dot seen: node and cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DotSet(pub BTreeSet<(Node, usize)>);

/// Few nodes, so that two contexts share some, but more than fit inline; a few cells, many, or all.
impl Arbitrary for DotSet {
    fn arbitrary(random: &mut Gen) -> Self {
        let nodes = *random.choose(&[1, 2, 3, 7]).unwrap();
        let mut set = BTreeSet::new();
        for node in 0..nodes {
            let of_four = below(random, 5);
            set.extend((0..CELLS.len()).map(|cell| (node, cell)).filter(|_| below(random, 4) < of_four));
        }
        Self(set)
    }

    /// Drops a node, or a dot.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let nodes: BTreeSet<Node> = self.0.iter().map(|dot| dot.0).collect();
        let (set, dots) = (self.0.clone(), self.0.clone());
        let without_node = nodes.into_iter().map(move |node| {
            let kept = set.iter().filter(|dot| dot.0 != node);
            Self(kept.copied().collect())
        });
        let set = self.0.clone();
        let without_dot = dots.into_iter().map(move |dot| {
            let kept = set.iter().filter(|&&kept| kept != dot);
            Self(kept.copied().collect())
        });
        Box::new(without_node.chain(without_dot))
    }
}

pub fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

pub fn dot(node: Node, counter: u64) -> Dot<Node> {
    Dot::new(node, counter).expect("counters of cells are at least 1")
}

/// The dots of consecutive cells.
pub fn range(node: Node, cells: RangeInclusive<usize>) -> DotRange<Node> {
    DotRange::new(node, CELLS[*cells.start()].0..=CELLS[*cells.end()].1).expect("cells are in order")
}

impl DotSet {
    /// The dots in as few ranges as possible.
    pub fn ranges(&self) -> Vec<DotRange<Node>> {
        let mut runs: Vec<(Node, RangeInclusive<usize>)> = Vec::new();
        for &(node, cell) in &self.0 {
            match runs.last_mut() {
                Some((last, cells)) if *last == node && cells.end() + 1 == cell => {
                    *cells = *cells.start()..=cell
                }
                _ => runs.push((node, cell..=cell)),
            }
        }
        runs.into_iter().map(|(node, cells)| range(node, cells)).collect()
    }

    /// The context with these dots, inserted cell by cell.
    pub fn context(&self) -> Context {
        let mut context = Context::new();
        for &(node, cell) in &self.0 {
            assert!(context.insert_range(&range(node, cell..=cell)));
        }
        context
    }

    pub fn merge(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    pub fn meet(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }

    pub fn difference(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    pub fn missing(&self) -> Self {
        let below = self.0.iter().flat_map(|&(node, last)| (0..last).map(move |cell| (node, cell)));
        Self(below.filter(|dot| !self.0.contains(dot)).collect())
    }

    pub fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.0.is_subset(&other.0), other.0.is_subset(&self.0)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }

    pub fn highest(&self, node: Node) -> u64 {
        let mut cells = self.0.iter().filter(|dot| dot.0 == node);
        cells.next_back().map_or(0, |&(_, cell)| CELLS[cell].1)
    }

    /// Checks that a context has these dots, in its one representation. Returns the ranges.
    pub fn assert_same(&self, context: &Context) -> Vec<DotRange<Node>> {
        assert_eq!(context.internal_validate(), Ok(()));
        let ranges = self.ranges();
        assert!(context.iter().map(DotRange::cloned).eq(ranges.iter().copied()), "{context} is not {ranges:?}");
        ranges
    }

    /// Checks everything that can be seen of one context.
    pub fn assert_like(&self, context: &Context) {
        let ranges = self.assert_same(context);
        assert_eq!((context.len(), context.is_empty()), (ranges.len(), self.0.is_empty()));
        assert_eq!(context.iter().len(), ranges.len());
        assert!(context.missing().eq(self.missing().ranges()), "missing of {context}");

        let nodes = self.0.iter().map(|dot| dot.0 + 1).max().unwrap_or(0) + 1;
        for node in 0..nodes {
            assert_eq!(context.highest(&node), self.highest(node));
            for (cell, (first, last)) in CELLS.into_iter().enumerate() {
                let seen = self.0.contains(&(node, cell));
                assert_eq!(context.contains(&dot(node, first)), seen, "({node}, {first}) in {context}");
                assert_eq!(context.contains(&dot(node, last)), seen, "({node}, {last}) in {context}");
            }
        }
        let prefixes = ranges.iter().filter(|range| *range.counters().start() == 1);
        let prefixes = prefixes.map(|range| (*range.node(), *range.counters().end()));
        assert_eq!(*context.prefix(), prefixes.collect::<VersionVector<_>>());
    }

    /// Compares every operation on two contexts with the model's.
    pub fn assert_pair(&self, other: &Self, x: &Context, y: &Context) {
        assert_eq!(x.partial_cmp(y), self.partial_cmp(other), "{x} {y}");
        assert_eq!(x == y, self == other);
        let union = self.merge(other);
        let mut merged = x.clone();
        merged.merge(y);
        let ranges = union.assert_same(&merged).len();
        let mut met = x.clone();
        met.meet(y);
        self.meet(other).assert_same(&met);
        let difference = x.difference(y).collect::<Vec<_>>();
        assert_eq!(difference, self.difference(other).ranges(), "{x} without {y}");

        // Equal contexts are equal in every way, even if made differently.
        let both = x.iter().chain(y).map(DotRange::cloned);
        let mut backwards: Vec<_> = both.clone().collect();
        backwards.reverse();
        let made: Context = both.chain(backwards).collect();
        assert_eq!((&made, hash(&made)), (&merged, hash(&merged)));
        let mut extended = x.clone();
        extended.extend(y.iter().map(DotRange::cloned));
        assert_eq!(extended, merged);

        for limit in [ranges.saturating_sub(1), ranges] {
            let mut within = x.clone();
            let outcome = within.merge_within(y, limit);
            let allowed = ranges <= limit || ranges <= x.len();
            assert_eq!(outcome.is_ok(), allowed, "{x} with {y} within {limit}");
            assert_eq!(within, if allowed { merged.clone() } else { x.clone() });
            assert_eq!(outcome.err().map(|TooManyRanges { limit, .. }| limit), (!allowed).then_some(limit));
        }
    }
}

/// The number of contexts to combine.
pub const CONTEXTS: usize = 3;

/// The number of nodes: few, so that contexts share some; more than fit inline in a vector.
pub const NODES: u8 = 6;

/// One step on some contexts.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Insert(usize, Node, usize),
    InsertWithin(usize, Node, usize, usize),
    InsertRange(usize, Node, usize, usize),
    Increment(usize, Node),
    Merge(usize, usize),
    MergeWithin(usize, usize, usize),
    Meet(usize, usize),
    KeepDifference(usize, usize),
    Remove(usize, Node),
    Retain(usize, u8),
    Copy(usize, usize),
    Extend(usize, [(Node, usize); 2]),
    Clear(usize),
    Compare(usize, usize),
}

impl Operation {
    /// Makes an operation from any bytes.
    pub fn decode([kind, x, y, node, from, to]: [u8; 6]) -> Self {
        let which = |byte: u8| usize::from(byte) % CONTEXTS;
        let cell = |byte: u8| usize::from(byte) % CELLS.len();
        let (x, other, y) = (which(x), y % NODES, which(y));
        let (node, from, to, limit) = (node % NODES, cell(from), cell(to), usize::from(to % 16));
        match kind % 32 {
            0..=4 => Self::Insert(x, node, from),
            5..=8 => Self::InsertWithin(x, node, from, limit),
            9..=13 => Self::InsertRange(x, node, from.min(to), from.max(to)),
            14..=16 => Self::Increment(x, node),
            17..=19 => Self::Merge(x, y),
            20..=21 => Self::MergeWithin(x, y, limit),
            22 => Self::Meet(x, y),
            23 => Self::KeepDifference(x, y),
            24 => Self::Remove(x, node),
            25 => Self::Retain(x, node),
            26 => Self::Copy(x, y),
            27..=28 => Self::Extend(x, [(node, from), (other, to)]),
            29 if node == 0 => Self::Clear(x),
            _ => Self::Compare(x, y),
        }
    }

    /// Applies the operation to contexts and models alike, and compares the results.
    pub fn apply(self, contexts: &mut [Context; CONTEXTS], models: &mut [DotSet; CONTEXTS]) {
        match self {
            Self::Insert(x, node, cell) => {
                // The whole middle cell, as one range.
                let range = range(node, cell..=cell);
                let new = match range.len() {
                    1 => contexts[x].insert(&dot(node, CELLS[cell].0)),
                    _ => contexts[x].insert_range(&range),
                };
                assert_eq!(new, models[x].0.insert((node, cell)));
            }
            Self::InsertWithin(x, node, cell, limit) => {
                if CELLS[cell].0 != CELLS[cell].1 {
                    return;
                }
                let before = models[x].ranges().len();
                let mut model = models[x].clone();
                let new = model.0.insert((node, cell));
                let allowed = model.ranges().len() <= limit.max(before);
                match contexts[x].insert_within(&dot(node, CELLS[cell].0), limit) {
                    Ok(is_new) => assert_eq!((allowed, is_new), (true, new)),
                    Err(TooManyRanges { limit: told, .. }) => assert_eq!((allowed, told), (false, limit)),
                }
                // The comparison with the unchanged model shows that a refusal changes nothing.
                if allowed {
                    models[x] = model;
                }
            }
            Self::InsertRange(x, node, from, to) => {
                let new = contexts[x].insert_range(&range(node, from..=to));
                let before = models[x].0.len();
                models[x].0.extend((from..=to).map(|cell| (node, cell)));
                assert_eq!(new, models[x].0.len() > before);
            }
            Self::Increment(x, node) => {
                let next = models[x].highest(node).checked_add(1);
                let Some(cell) = next.and_then(|next| CELLS.iter().position(|&cell| cell == (next, next)))
                else {
                    // The node is exhausted, or the next counter is within the middle cell, which the model cannot add.
                    let before = contexts[x].clone();
                    let dot = contexts[x].increment(node);
                    assert_eq!(dot.as_ref().ok().map(|dot| dot.counter()), next);
                    assert_eq!(dot.is_err(), contexts[x] == before);
                    contexts[x] = before;
                    return;
                };
                assert_eq!(contexts[x].increment(node).ok(), next.and_then(|next| Dot::new(node, next)));
                models[x].0.insert((node, cell));
            }
            Self::Merge(x, y) => {
                let (theirs, their_model) = (contexts[y].clone(), &models[y]);
                contexts[x].merge(&theirs);
                models[x] = models[x].merge(their_model);
            }
            Self::MergeWithin(x, y, limit) => {
                let union = models[x].merge(&models[y]);
                let allowed = union.ranges().len() <= limit.max(models[x].ranges().len());
                let theirs = contexts[y].clone();
                assert_eq!(contexts[x].merge_within(&theirs, limit).is_ok(), allowed);
                if allowed {
                    models[x] = union;
                }
            }
            Self::Meet(x, y) => {
                let theirs = contexts[y].clone();
                contexts[x].meet(&theirs);
                models[x] = models[x].meet(&models[y]);
            }
            Self::KeepDifference(x, y) => {
                contexts[x] = contexts[x].difference(&contexts[y]).collect();
                models[x] = models[x].difference(&models[y]);
            }
            Self::Remove(x, node) => {
                let had = models[x].highest(node) > 0;
                assert_eq!(contexts[x].remove(&node), had);
                models[x].0.retain(|dot| dot.0 != node);
            }
            Self::Retain(x, nodes) => {
                contexts[x].retain(|&node| node <= nodes);
                models[x].0.retain(|dot| dot.0 <= nodes);
            }
            Self::Copy(x, y) => {
                contexts[x] = contexts[y].clone();
                models[x] = models[y].clone();
            }
            Self::Extend(x, dots) => {
                contexts[x].extend(dots.map(|(node, cell)| range(node, cell..=cell)));
                models[x].0.extend(dots);
            }
            Self::Clear(x) => {
                contexts[x].clear();
                models[x].0.clear();
            }
            Self::Compare(x, y) => models[x].assert_pair(&models[y], &contexts[x], &contexts[y]),
        }
    }
}

/// Applies operations one after another, and checks every context after each.
pub fn run(operations: impl IntoIterator<Item = Operation>) -> [DotSet; CONTEXTS] {
    let mut contexts: [Context; CONTEXTS] = Default::default();
    let mut models: [DotSet; CONTEXTS] = Default::default();
    for operation in operations {
        operation.apply(&mut contexts, &mut models);
        for (context, model) in contexts.iter().zip(&models) {
            model.assert_like(context);
        }
    }
    models
}
