//! For every node, the number of its events in the past of an event: a tree whose parts are shared.
//!
//! Parts are shared until one side writes, and exist only where an entry is not 0. A merge visits only parts that differ,
//! and makes new ones only where neither side has the maximum. Every part is counted in a [`Budget`] while it lives.

use std::rc::Rc;

use crate::budget::Budget;
use crate::history::NodeNumber;

/// Entries in a leaf of a reach; a leaf is as large as a branch.
const LEAF: usize = 64;

/// Children of a branch of a reach.
const BRANCH: usize = 32;

/// For every node, the number of its events in the past: a tree. `None` stands for a subtree whose entries are all 0.
///
/// All reaches of a walk have room for the same number of nodes, so their leaves are equally deep.
pub(super) type Reach<'b> = Option<Rc<Part<'b>>>;

/// A part of a reach. It is counted in the budget while it lives.
pub(super) struct Part<'b> {
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

/// Returns the room of a reach for at least `nodes` nodes.
pub(super) fn room_for(nodes: usize) -> u64 {
    let mut room = LEAF as u64;
    while room < nodes as u64 {
        room *= BRANCH as u64;
    }
    room
}

/// Returns the number of the node's events in the past.
pub(super) fn length(mut reach: &Reach<'_>, node: NodeNumber) -> u32 {
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
pub(super) fn set_length<'b>(reach: &mut Reach<'b>, room: u64, node: u64, length: u32, budget: &'b Budget) {
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
pub(super) fn merged<'b>(a: Reach<'b>, b: Reach<'b>) -> Reach<'b> {
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
    use super::*;
    use crate::stream;
    use happens_before_simulation::Random;

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
}
