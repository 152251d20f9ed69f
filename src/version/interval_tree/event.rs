//! The event operation: a new event in the part of the interval that a clock owns (section 5.3.4 of the paper).
//!
//! An event must raise the function somewhere in the clock's own part. If it can do so and make the tree simpler, it
//! does ([`fill`]). Otherwise it raises one leaf ([`grow`]).

use smallvec::SmallVec;

use super::tree::{FREE, HIGHEST, Node, OWNED, Path, Tree, end_of};

/// A step of [`fill`] that is still to be done.
enum Step {
    /// Fill the subtree at which both readers stand.
    Subtree,
    /// The left subtree is filled: go on with the right one.
    Right,
    /// Both subtrees are filled.
    Both,
    /// The right subtree is filled. The left one is a leaf at this place, and all of it is owned: raise it.
    RaiseLeft(usize),
}

/// Raises the owned parts of an event tree as far as that makes the tree simpler. An owned subtree becomes a leaf. An
/// owned leaf is raised to the lowest number in the subtree beside it.
pub(super) fn fill(id: &[u8], events: &[u64]) -> Tree<u64> {
    let mut filled = Tree::with_capacity(events.len());
    let (mut i, mut e) = (0, 0);
    let mut steps = SmallVec::<[Step; 32]>::new();
    // The lowest number in each filled subtree that is not yet a part of a larger one.
    let mut lowest = SmallVec::<[u64; 32]>::new();
    steps.push(Step::Subtree);
    while let Some(step) = steps.pop() {
        match step {
            Step::Subtree => match (id[i], events[e]) {
                (FREE, _) => {
                    let end = end_of(events, e);
                    events[e..end].iter().for_each(|&node| filled.copy(node));
                    lowest.push(events[e..end].iter().copied().min().unwrap_or_default());
                    (i, e) = (i + 1, end);
                }
                (OWNED, _) => {
                    let highest = take_highest(events, &mut e);
                    filled.push(highest);
                    lowest.push(highest);
                    i += 1;
                }
                (_, u64::INNER) => {
                    filled.inner();
                    (i, e) = (i + 1, e + 1);
                    if id[i] == OWNED {
                        steps.push(Step::RaiseLeft(filled.nodes().len()));
                        filled.push(take_highest(events, &mut e));
                        i += 1;
                    } else {
                        steps.push(Step::Right);
                    }
                    steps.push(Step::Subtree);
                }
                (_, number) => {
                    filled.push(number);
                    lowest.push(number);
                    (i, e) = (end_of(id, i), e + 1);
                }
            },
            Step::Right if id[i] == OWNED => {
                let left = lowest.last().copied().unwrap_or_default();
                filled.push(left.max(take_highest(events, &mut e)));
                i += 1;
            }
            Step::Right => {
                steps.push(Step::Both);
                steps.push(Step::Subtree);
            }
            Step::Both => {
                let right = lowest.pop().unwrap_or_default();
                if let Some(left) = lowest.last_mut() {
                    *left = right.min(*left);
                }
            }
            Step::RaiseLeft(at) => {
                let right = lowest.last().copied().unwrap_or_default();
                // Otherwise the leaf was the highest of all, and has become one with the right subtree.
                if at + 1 < filled.nodes().len() {
                    filled.set(at, right.max(filled.nodes()[at]));
                }
            }
        }
    }
    filled
}

/// Passes over a subtree and returns its highest number.
fn take_highest(events: &[u64], at: &mut usize) -> u64 {
    let from = *at;
    *at = end_of(events, from);
    events[from..*at].iter().copied().filter(|&node| node != u64::INNER).max().unwrap_or_default()
}

/// The cheapest leaf to raise.
struct Cheapest {
    /// The number of inner nodes that must be added, then the depth: less is better.
    cost: (usize, usize),
    /// The leaf in the event tree.
    leaf: usize,
    /// The node of the id that has the interval of that leaf.
    top: usize,
    /// The owned leaf of the id, within the subtree of `top`.
    owned: usize,
}

/// Raises an owned leaf of an event tree that [`fill`] does not change, and adds the inner nodes that separate it from
/// parts owned by others. Returns whether it could: `false` if that leaf has the highest number already.
pub(super) fn grow(id: &[u8], events: &mut Tree<u64>) -> bool {
    let Some(Cheapest { leaf, top, owned, .. }) = cheapest(id, events.nodes()) else { return false };
    let number = events.nodes()[leaf];
    if number >= HIGHEST {
        return false;
    }
    let mut path = Path::default();
    for &node in &id[top..owned] {
        if node == u8::INNER {
            path.down();
        } else {
            path.next();
        }
    }
    // On the way down, each turn to the right leaves a leaf on the left; on the way up, the other way round.
    let turns = path.turns().iter();
    let down = turns.clone().flat_map(|&right| [Some(u64::INNER), right.then_some(number)]);
    let up = turns.rev().map(|&right| (!right).then_some(number));
    let subtree: SmallVec<[u64; 32]> = down.chain([Some(number + 1)]).chain(up).flatten().collect();
    events.replace(leaf..leaf + 1, subtree);
    true
}

/// Finds the owned leaf that is cheapest to raise; the last one if several are.
fn cheapest(id: &[u8], events: &[u64]) -> Option<Cheapest> {
    let mut best: Option<Cheapest> = None;
    let (mut i, mut e) = (0, 0);
    let mut path = Path::default();
    while i < id.len() {
        if id[i] == u8::INNER && events[e] == u64::INNER {
            path.down();
            (i, e) = (i + 1, e + 1);
            continue;
        }
        // Either the id is constant here, or the events are.
        let (top, depth) = (i, path.depth());
        i = end_of(id, i);
        for (owned, &node) in id.iter().enumerate().take(i).skip(top) {
            if node == u8::INNER {
                path.down();
                continue;
            }
            if node == OWNED {
                let cost = (path.depth() - depth, path.depth());
                if best.as_ref().is_none_or(|best| cost <= best.cost) {
                    best = Some(Cheapest { cost, leaf: e, top, owned });
                }
            }
            path.next();
        }
        e = end_of(events, e);
    }
    best
}
