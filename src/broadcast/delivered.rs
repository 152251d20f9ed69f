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

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
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

    /// Notes a message; whether its number is above the highest of its node.
    #[inline]
    pub(super) fn note(&mut self, id: &Dot<I>) -> bool {
        if self.numbers.get(self.recent).is_none_or(|(node, _)| node != id.node()) {
            self.recent = self.find(id.node()).unwrap_or_else(|at| {
                self.numbers.insert(at, (id.node().clone(), 0));
                at
            });
        }
        let Some((_, highest)) = self.numbers.get_mut(self.recent) else { return false }; // not reached
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
