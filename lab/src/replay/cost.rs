//! The cost of a message's metadata in bytes, with direct dependencies and with a full version vector.
//!
//! Both use the same plain format, so that they can be compared: numbers are LEB128, seven bits a byte.
//!
//! | with direct dependencies | with a full vector |
//! |---|---|
//! | author, counter | author |
//! | number of dependencies | number of entries |
//! | node, counter of each | node, counter of each, the author's own among them |

use happens_before::Dot;

use crate::history::NodeNumber;

/// Returns the length of a number in LEB128, in bytes: 1 below 128, at most 10.
pub fn varint(number: u64) -> u64 {
    u64::from((64 - number.leading_zeros()).max(1).div_ceil(7))
}

/// Returns the bytes of a message's metadata.
pub fn metadata(dot: &Dot<NodeNumber>, dependencies: &[Dot<NodeNumber>]) -> u64 {
    let bytes_of = |dot: &Dot<NodeNumber>| varint(u64::from(*dot.node())) + varint(dot.counter());
    bytes_of(dot) + varint(dependencies.len() as u64) + dependencies.iter().map(bytes_of).sum::<u64>()
}

/// The size of a version vector that grows, kept up to date in O(1).
#[derive(Clone, Copy, Debug, Default)]
pub struct VectorCost {
    entries: u64,
    bytes_of_entries: u64,
}

impl VectorCost {
    /// Notes that the vector now has `dot`, and had the one before it.
    pub fn observe(&mut self, dot: &Dot<NodeNumber>) {
        if dot.counter() == 1 {
            self.entries += 1;
            self.bytes_of_entries += varint(u64::from(*dot.node())) + varint(1);
        } else {
            self.bytes_of_entries += varint(dot.counter()) - varint(dot.counter() - 1);
        }
    }

    /// Returns the bytes of the metadata of a message by `author` that carries the vector.
    pub fn metadata(&self, author: NodeNumber) -> u64 {
        varint(u64::from(author)) + varint(self.entries) + self.bytes_of_entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use happens_before::VersionVector;

    #[test]
    fn seven_bits_a_byte() {
        let sizes = [0, 1, 127, 128, 16_383, 16_384, u64::MAX].map(varint);
        assert_eq!(sizes, [1, 1, 1, 2, 2, 3, 10]);
    }

    #[test]
    fn the_cost_of_a_vector_is_that_of_its_entries() {
        let mut vector = VersionVector::new();
        let mut cost = VectorCost::default();
        for step in 0..40_000_u64 {
            let node = (step * step % 300) as NodeNumber;
            let dot = vector.increment(node).expect("far from the end");
            cost.observe(&dot);
        }
        let entries: u64 =
            vector.iter().map(|(&node, counter)| varint(u64::from(node)) + varint(counter)).sum();
        assert_eq!(cost.metadata(5), 1 + varint(vector.len() as u64) + entries);
    }

    #[test]
    fn a_message_costs_its_dot_and_its_dependencies() {
        let dot = |node, counter| Dot::new(node, counter).expect("not 0");
        assert_eq!(metadata(&dot(1, 1), &[]), 3);
        assert_eq!(metadata(&dot(200, 300), &[dot(1, 1), dot(2, 128)]), 4 + 1 + 2 + 3);
    }
}
