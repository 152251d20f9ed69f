//! A binary tree in one array, in normal form: a function that is constant on each of the intervals into which its
//! leaves cut \[0, 1).
//!
//! The array has the nodes in preorder: an inner node, its left subtree, its right subtree. A leaf holds the value of
//! the function on its interval. The paper writes the numbers of an event tree relative to the node above; here they
//! are absolute, and [`relative`] computes the others for the forms in bytes and in text.
//!
//! # Invariants
//!
//! - IT1: the array is one complete tree.
//! - IT2: no inner node has two leaves with the same value below it. So equal functions have equal arrays.
//!
//! Every function visits a tree from its first node to its last one. None recurses, so the depth of a tree is bounded by its size alone.

use core::ops::Range;

use smallvec::SmallVec;

use crate::compat::Vec;

/// A node in the array: the value of a leaf, or the mark of an inner node.
pub(super) trait Node: Copy + Eq {
    /// The mark of an inner node; no leaf has this value.
    const INNER: Self;
}

/// Leaves of an id: [`FREE`] or [`OWNED`].
impl Node for u8 {
    const INNER: Self = Self::MAX;
}

/// Leaves of an event tree: the number of events.
impl Node for u64 {
    const INNER: Self = Self::MAX;
}

/// The highest number of a leaf.
pub(super) const HIGHEST: u64 = u64::MAX - 1;

/// A part of the interval that belongs to another clock.
pub(super) const FREE: u8 = 0;

/// A part of the interval that belongs to this clock.
pub(super) const OWNED: u8 = 1;

/// A tree, or the beginning of one while it is built from left to right.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Tree<N> {
    nodes: Vec<N>,
}

impl<N: Node> Tree<N> {
    /// Makes the tree that is one leaf.
    pub(super) fn leaf(value: N) -> Self {
        let mut tree = Self::with_capacity(1);
        tree.push(value);
        tree
    }

    /// Makes the beginning of a tree, without any node.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        Self { nodes: Vec::with_capacity(nodes) }
    }

    pub(super) fn nodes(&self) -> &[N] {
        &self.nodes
    }

    /// Begins an inner node. Its left and its right subtree follow.
    pub(super) fn inner(&mut self) {
        self.nodes.push(N::INNER);
    }

    /// Adds a leaf. If it is the right one of two with the same value, both and the node above become one leaf.
    #[inline]
    pub(super) fn push(&mut self, value: N) {
        // A leaf just after an inner node is its left subtree, so this one is the right subtree.
        while let [.., above, left] = self.nodes[..]
            && above == N::INNER
            && left == value
        {
            self.nodes.truncate(self.nodes.len() - 2);
        }
        self.nodes.push(value);
    }

    /// Adds a node as it stands in another tree.
    #[inline]
    pub(super) fn copy(&mut self, node: N) {
        if node == N::INNER { self.inner() } else { self.push(node) }
    }

    /// The nodes, to be changed into those of another tree in normal form.
    pub(super) fn nodes_mut(&mut self) -> &mut [N] {
        &mut self.nodes
    }

    /// Drops the nodes from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// Replaces a subtree by another one.
    pub(super) fn replace(&mut self, subtree: Range<usize>, other: &[N]) {
        self.nodes.splice(subtree, other.iter().copied());
    }

    /// Makes a copy in which another subtree stands in the place of one.
    pub(super) fn with(&self, subtree: Range<usize>, other: &[N]) -> Self {
        Self { nodes: [&self.nodes[..subtree.start], other, &self.nodes[subtree.end..]].concat() }
    }

    /// Returns whether the array is one whole tree (IT1).
    pub(super) fn is_complete(&self) -> bool {
        let mut open = 1_usize;
        for &node in &self.nodes {
            open = match open {
                0 => return false,
                _ if node == N::INNER => open + 1,
                _ => open - 1,
            };
        }
        open == 0
    }

    /// Returns whether no two sibling leaves have the same value (IT2).
    pub(super) fn is_normal(&self) -> bool {
        !self.nodes.windows(3).any(|nodes| nodes[0] == N::INNER && nodes[1] != N::INNER && nodes[1] == nodes[2])
    }
}

/// Returns the end of the subtree that begins at `at`.
pub(super) fn end_of<N: Node>(nodes: &[N], mut at: usize) -> usize {
    let mut open = 1_usize;
    while open > 0 {
        open = if nodes[at] == N::INNER { open + 1 } else { open - 1 };
        at += 1;
    }
    at
}

/// Visits two trees together, in preorder, until `visit` returns `false`: each inner node of either, and each interval
/// on which both are constant, with the two values. At an inner node both values are the mark. Returns whether all was
/// visited.
#[inline]
pub(super) fn align<N: Node>(ours: &[N], theirs: &[N], mut visit: impl FnMut(N, N) -> bool) -> bool {
    let (mut i, mut j) = (0, 0);
    while i < ours.len() {
        let (x, y) = (ours[i], theirs[j]);
        let go_on = if (x == N::INNER) == (y == N::INNER) {
            (i, j) = (i + 1, j + 1);
            visit(x, y)
        } else if x == N::INNER {
            let from = i;
            (i, j) = (end_of(ours, from), j + 1);
            ours[from..i].iter().all(|&x| visit(x, if x == N::INNER { x } else { y }))
        } else {
            let from = j;
            (i, j) = (i + 1, end_of(theirs, from));
            theirs[from..j].iter().all(|&y| visit(if y == N::INNER { y } else { x }, y))
        };
        if !go_on {
            return false;
        }
    }
    true
}

/// Returns for each inner node the place of its right child, 0 for leaves. The left child is the next node.
pub(super) fn right_children<N: Node>(nodes: &[N]) -> Vec<usize> {
    let mut right: Vec<usize> = nodes.iter().map(|_| 0).collect();
    // The subtrees that begin after this node and have no node above them yet, the nearest last.
    let mut roots = SmallVec::<[usize; 16]>::new();
    for (at, &node) in nodes.iter().enumerate().rev() {
        if node == N::INNER {
            roots.pop();
            right[at] = roots.pop().unwrap_or_default();
        }
        roots.push(at);
    }
    right
}

/// Returns the numbers of an event tree as the paper writes them: each less the lowest number below the node above it.
pub(super) fn relative(nodes: &[u64], right: &[usize]) -> Vec<u64> {
    // From the last node on: each holds the lowest number below it until the node above is reached.
    let mut numbers = nodes.to_vec();
    for at in (0..nodes.len()).rev() {
        if nodes[at] == u64::INNER {
            let lowest = numbers[at + 1].min(numbers[right[at]]);
            numbers[at + 1] -= lowest;
            numbers[right[at]] -= lowest;
            numbers[at] = lowest;
        }
    }
    numbers
}

/// The way from the root to a node.
#[derive(Default)]
pub(super) struct Path {
    depth: usize,
    /// The turns since the depth was a multiple of 64, the latest one lowest: 1 for the right.
    latest: u64,
    /// The turns before, 64 in each word.
    before: Vec<u64>,
}

impl Path {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Goes on from an inner node to its left child.
    pub(super) fn down(&mut self) {
        if self.depth.is_multiple_of(64) && self.depth > 0 {
            self.before.push(self.latest);
        }
        self.latest <<= 1;
        self.depth += 1;
    }

    /// Goes on from a leaf to the next node in preorder. Returns the number of inner nodes that end here.
    pub(super) fn next(&mut self) -> usize {
        let depth = self.depth;
        while self.latest & 1 == 1 {
            self.up();
        }
        if self.depth > 0 {
            self.latest |= 1;
        }
        depth - self.depth
    }

    /// Goes up to the node above, and returns whether it was left to the right.
    pub(super) fn up(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let right = self.latest & 1 == 1;
        self.latest >>= 1;
        if self.depth.is_multiple_of(64) {
            self.latest = self.before.pop().unwrap_or_default();
        }
        Some(right)
    }
}
