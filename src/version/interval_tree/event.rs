//! The event operation: a new event in the part of the interval that a clock owns (section 5.3.4 of the paper).
//!
//! An event must raise the function somewhere in the clock's own part. If it can do so and make the tree simpler, it
//! does ([`fill`]). Otherwise it raises one leaf ([`grow`]).

use smallvec::SmallVec;

use super::tree::{HIGHEST, Node, OWNED, Path, Tree, end_of};

/// An inner node that is being filled.
enum Open {
    /// The left subtree is being filled.
    Left,
    /// The right subtree is being filled. This is the lowest number on the left.
    Right(u64),
    /// The right subtree is being filled. The left one is a leaf at this place, and all of it is owned.
    OwnedLeft(usize),
}

/// Raises the owned parts of an event tree as far as that makes the tree simpler, and returns whether it does. An owned
/// subtree becomes a leaf. An owned leaf is raised to the lowest number in the subtree beside it.
pub(super) fn fill(id: &[u8], events: &mut Tree<u64>) -> bool {
    let mut filling = Filling { nodes: events.nodes_mut(), read: 0, written: 0, changed: false };
    filling.run(id);
    let Filling { written, changed, .. } = filling;
    events.truncate(written);
    changed
}

/// An event tree while it is filled, in place: the filled part is never longer than the part that was read.
struct Filling<'a> {
    nodes: &'a mut [u64],
    /// The number of nodes that were read.
    read: usize,
    /// The number of nodes that were written.
    written: usize,
    changed: bool,
}

impl Filling<'_> {
    fn run(&mut self, id: &[u8]) {
        let mut open = SmallVec::<[Open; 32]>::new();
        let mut i = 0;
        loop {
            // Fill a subtree, or go on with one below it.
            let both_inner = id[i] == u8::INNER && self.nodes[self.read] == u64::INNER;
            let mut lowest = match id[i] {
                OWNED => {
                    i += 1;
                    self.push_highest(0)
                }
                _ if both_inner => {
                    i += 1;
                    self.nodes[self.written] = u64::INNER;
                    (self.read, self.written) = (self.read + 1, self.written + 1);
                    if id[i] == OWNED {
                        i += 1;
                        open.push(Open::OwnedLeft(self.written));
                        self.push_highest(0);
                    } else {
                        open.push(Open::Left);
                    }
                    continue;
                }
                // Nothing is owned, or one leaf is owned in part.
                _ => {
                    i = end_of(id, i);
                    self.copy()
                }
            };
            // Go on with the next right subtree. The nodes above that end before it are filled.
            loop {
                match open.pop() {
                    None => return,
                    Some(Open::Left) if id[i] == OWNED => {
                        i += 1;
                        self.push_highest(lowest);
                    }
                    Some(Open::Left) => {
                        open.push(Open::Right(lowest));
                        break;
                    }
                    Some(Open::Right(left)) => lowest = left.min(lowest),
                    Some(Open::OwnedLeft(at)) => self.raise_left(at, lowest),
                }
            }
        }
    }

    /// Adds a leaf, as [`Tree::push`] does.
    fn push(&mut self, value: u64) {
        while let [.., above, left] = self.nodes[..self.written]
            && above == u64::INNER
            && left == value
        {
            self.written -= 2;
        }
        self.nodes[self.written] = value;
        self.written += 1;
    }

    /// Copies a subtree and returns its lowest number.
    fn copy(&mut self) -> u64 {
        let (from, end) = (self.read, end_of(self.nodes, self.read));
        let lowest = self.nodes[from..end].iter().copied().min().unwrap_or_default();
        if end == from + 1 {
            self.push(lowest);
        } else {
            if self.changed {
                self.nodes.copy_within(from..end, self.written);
            }
            self.written += end - from;
        }
        self.read = end;
        lowest
    }

    /// Adds a leaf in the place of a subtree, with its highest number or with `least`. Returns the number.
    fn push_highest(&mut self, least: u64) -> u64 {
        let (from, end) = (self.read, end_of(self.nodes, self.read));
        let leaves = self.nodes[from..end].iter().copied().filter(|&node| node != u64::INNER);
        let highest = leaves.fold(least, u64::max);
        self.changed |= highest != self.nodes[from];
        self.read = end;
        self.push(highest);
        highest
    }

    /// Raises the leaf at `at` to the lowest number in the subtree on its right, which was written last.
    fn raise_left(&mut self, at: usize, lowest: u64) {
        // If the leaf had the number of the whole subtree, both are one leaf already.
        if at + 1 >= self.written || self.nodes[at] >= lowest {
            return;
        }
        self.changed = true;
        self.nodes[at] = lowest;
        if self.written == at + 2 {
            let right = self.nodes[at + 1];
            self.written = at + 1;
            self.push(right);
        }
    }
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
/// parts owned by others. Returns whether it could: `false` if every owned leaf has the highest number already.
pub(super) fn grow(id: &[u8], events: &mut Tree<u64>) -> bool {
    let Some(Cheapest { leaf, top, owned, .. }) = cheapest(id, events.nodes()) else { return false };
    let number = events.nodes()[leaf];
    if owned == top {
        events.nodes_mut()[leaf] = number + 1;
        return true;
    }
    let mut path = Path::default();
    for &node in &id[top..owned] {
        if node == u8::INNER {
            path.down();
        } else {
            path.next();
        }
    }
    // From the leaf up, each inner node with the subtree built so far on one side, and a leaf of the old number on the
    // other. What is before that subtree is collected backwards.
    let (mut before, mut after) = (SmallVec::<[u64; 32]>::new(), SmallVec::<[u64; 32]>::new());
    after.push(number + 1);
    while let Some(right) = path.up() {
        if right {
            before.push(number);
        } else {
            after.push(number);
        }
        before.push(u64::INNER);
    }
    before.reverse();
    before.extend_from_slice(&after);
    events.replace(leaf..leaf + 1, &before);
    true
}

/// Finds the owned leaf that is cheapest to raise; the last one if several are. `None` if all have the highest number.
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
            // With an owned leaf, the events are a leaf too: if not, they can be filled.
            if node == OWNED && events[e] < HIGHEST {
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
