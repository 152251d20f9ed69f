//! What is delivered: the highest number of every node.

use crate::compat::Vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A version vector in a form that is quick where one node has many messages in a row.
#[derive(Debug)]
pub(super) struct Delivered<I> {
    /// Sorted by node; no number is 0.
    numbers: Vec<(I, u64)>,
    /// Where the last one was.
    recent: usize,
}

impl<I: NodeId> Delivered<I> {
    pub(super) fn new(vector: &VersionVector<I>) -> Self {
        Self { numbers: vector.iter().map(|(node, number)| (node.clone(), number)).collect(), recent: 0 }
    }

    pub(super) fn vector(&self) -> VersionVector<I> {
        self.numbers.iter().cloned().collect()
    }

    /// Where a node is, or would be.
    fn find(&self, node: &I) -> Result<usize, usize> {
        self.numbers.binary_search_by(|(known, _)| known.cmp(node))
    }

    pub(super) fn get(&self, node: &I) -> u64 {
        self.find(node).ok().and_then(|at| self.numbers.get(at)).map_or(0, |&(_, number)| number)
    }

    pub(super) fn remove(&mut self, node: &I) -> u64 {
        self.find(node).map_or(0, |at| self.numbers.remove(at).1)
    }

    /// The highest number of a node, 0 if it is new; `None` if that would make more than `limit` nodes.
    #[inline]
    pub(super) fn highest(&mut self, node: &I, limit: usize) -> Option<&mut u64> {
        if self.numbers.get(self.recent).is_none_or(|(known, _)| known != node) {
            self.recent = self.place(node, limit)?;
        }
        self.numbers.get_mut(self.recent).map(|(_, number)| number)
    }

    #[cold]
    fn place(&mut self, node: &I, limit: usize) -> Option<usize> {
        match self.find(node) {
            Ok(at) => Some(at),
            Err(at) => (self.numbers.len() < limit).then(|| {
                self.numbers.insert(at, (node.clone(), 0));
                at
            }),
        }
    }

    /// Notes a message of a node that there is room for; whether its number is above the highest of its node.
    #[inline]
    pub(super) fn note(&mut self, id: &Dot<I>) -> bool {
        let Some(highest) = self.highest(id.node(), usize::MAX) else { return false }; // not reached
        let new = id.counter() > *highest;
        if new {
            *highest = id.counter();
        }
        new
    }

    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        let sorted = self.numbers.is_sorted_by(|a, b| a.0 < b.0);
        if sorted && self.numbers.iter().all(|&(_, number)| number > 0) {
            Ok(())
        } else {
            Err("S4: the table is sorted by node, and no number is 0")
        }
    }
}
