//! The table of deliveries: the highest number delivered of every node.

use crate::compat::{BTreeMap, Vec};
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A version vector in another form. It is fast when one node has many messages in a row, and no order of new nodes
/// makes it slow.
#[derive(Debug)]
pub(super) struct Delivered<I> {
    /// The numbers, in any order; none is 0. The place of a removed node is empty.
    numbers: Vec<Option<(I, u64)>>,
    /// The place of each node in `numbers`.
    places: BTreeMap<I, usize>,
    /// The empty places.
    free: Vec<usize>,
    /// The place of the node that was looked for last.
    recent: usize,
}

impl<I: NodeId> Delivered<I> {
    pub(super) fn new(vector: &VersionVector<I>) -> Self {
        let numbers = vector.iter().map(|(node, number)| Some((node.clone(), number))).collect();
        let places = vector.iter().zip(0..).map(|((node, _), place)| (node.clone(), place)).collect();
        Self { numbers, places, free: Vec::new(), recent: 0 }
    }

    pub(super) fn vector(&self) -> VersionVector<I> {
        self.places.iter().map(|(node, &place)| (node.clone(), self.at(place))).collect()
    }

    pub(super) fn get(&self, node: &I) -> u64 {
        self.places.get(node).map_or(0, |&place| self.at(place))
    }

    fn at(&self, place: usize) -> u64 {
        self.numbers.get(place).and_then(Option::as_ref).map_or(0, |&(_, number)| number)
    }

    /// Forgets a node. O(log n).
    pub(super) fn remove(&mut self, node: &I) {
        if let Some(place) = self.places.remove(node) {
            self.free.push(place);
            self.numbers[place] = None; // a place of the table
        }
    }

    /// Returns whether there is room for a node, once another one is removed.
    pub(super) fn has_room(&self, node: &I, without: &I, limit: usize) -> bool {
        let removed = usize::from(self.places.contains_key(without));
        node == without || self.places.len() - removed < limit || self.places.contains_key(node)
    }

    /// Returns the highest number of a node, 0 if it is new; `None` if there would be more than `limit` nodes.
    #[inline]
    pub(super) fn highest(&mut self, node: &I, limit: usize) -> Option<&mut u64> {
        if !matches!(self.numbers.get(self.recent), Some(Some((known, _))) if known == node) {
            self.recent = self.place(node, limit)?;
        }
        self.numbers.get_mut(self.recent)?.as_mut().map(|(_, number)| number)
    }

    #[cold]
    fn place(&mut self, node: &I, limit: usize) -> Option<usize> {
        if let Some(&place) = self.places.get(node) {
            return Some(place);
        } else if self.places.len() >= limit {
            return None;
        }
        // The caller's code runs first, so that nothing is changed if it panics.
        let (key, new) = (node.clone(), Some((node.clone(), 0)));
        let place = self.free.last().copied().unwrap_or(self.numbers.len());
        self.places.insert(key, place);
        match self.free.pop() {
            Some(free) => self.numbers[free] = new, // a place of the table
            None => self.numbers.push(new),
        }
        Some(place)
    }

    /// Notes a message of the node that was looked for last, like [`raise`]. It calls none of the caller's code, so a
    /// message that was taken out before cannot be lost.
    pub(super) fn note_recent(&mut self, number: u64) -> bool {
        let highest = self.numbers.get_mut(self.recent).and_then(Option::as_mut);
        highest.is_some_and(|(_, highest)| raise(highest, number))
    }

    /// Notes a message of a node that has room, like [`raise`].
    pub(super) fn note(&mut self, id: &Dot<I>) -> bool {
        self.highest(id.node(), usize::MAX).is_some() && self.note_recent(id.counter())
    }

    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        let is_at =
            |(node, &place): (&I, &usize)| matches!(self.numbers.get(place), Some(Some((at, _))) if at == node);
        if !self.places.iter().all(is_at) || self.places.len() + self.free.len() != self.numbers.len() {
            Err("SB4: every node is in the table once")
        } else if self.numbers.iter().flatten().any(|&(_, number)| number == 0) {
            Err("SB4: no number is 0")
        } else {
            Ok(())
        }
    }
}

/// Raises the highest number of a node to that of a message; returns whether it was lower.
#[inline]
pub(super) fn raise(highest: &mut u64, number: u64) -> bool {
    let is_new = number > *highest;
    if is_new {
        *highest = number;
    }
    is_new
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Model;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        /// Any sequence of steps has the same effect as on a map.
        fn does_what_a_map_does(steps: Vec<(u8, u8, u8)>, limit: u8) -> bool {
            let limit = usize::from(limit % 8);
            let (mut table, mut model) = (Delivered::new(&VersionVector::new()), Model::new());
            for (kind, node, number) in steps {
                let (node, number) = (node % 10, u64::from(number % 8) + 1);
                if kind % 4 == 0 {
                    table.remove(&node);
                    model.remove(&node);
                } else if model.contains_key(&node) || model.len() < limit {
                    let highest = model.entry(node).or_insert(0);
                    assert_eq!(*table.highest(&node, limit).unwrap(), *highest);
                    assert_eq!(table.note(&Dot::new(node, number).unwrap()), number > *highest);
                    *highest = number.max(*highest);
                } else {
                    assert_eq!(table.highest(&node, limit), None);
                    assert!(model.keys().all(|other| table.has_room(&node, other, limit)));
                    assert!(!table.has_room(&node, &99, limit));
                }
                assert_eq!(table.internal_validate(), Ok(()));
                assert!((0..10).all(|node| table.get(&node) == model.get(&node).copied().unwrap_or(0)));
            }
            let vector = table.vector();
            assert_eq!(Delivered::new(&vector).internal_validate(), Ok(()));
            vector == model.into_iter().collect()
        }
    }
}
