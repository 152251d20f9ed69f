//! The cost of a message's metadata in bytes, in three schemes, each as [`happens_before::codec`] writes it.
//!
//! | scheme | bytes of a message |
//! |---|---|
//! | direct dependencies | the header of the [`Message`] |
//! | full vector | the author's id, and the vector of all deliveries at its site, the message itself included |
//! | delta | the author's id, and the delta of that vector to the one of the site's previous message |
//!
//! A full vector names the site's previous message, so every receiver has delivered that one first, and has its vector.
//! A delta needs no other base, and no acknowledgements. Eight of its bytes are the digest of the base.
//!
//! # Complexity
//!
//! Measuring a vector takes O(nodes). A run measures every message of a site, or every k-th one if a history has so many
//! events and nodes that measuring would take longer than the run itself.

use happens_before::codec::{self, Encode, Writer};
use happens_before::{Message, VersionVector};

use crate::history::{Event, NodeNumber};

/// Most entries of vectors that are measured in a run, by both schemes with vectors.
const MOST_ENTRIES: u64 = 1 << 24;

/// The bytes of the metadata of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetadataSizes {
    /// With direct dependencies.
    pub(super) dependencies: u64,
    /// With a full vector.
    pub(super) vector: u64,
    /// With a delta of the vector.
    pub(super) delta: u64,
}

impl MetadataSizes {
    /// Measures a message; `vector` has all deliveries at its site, and `base` those at the site's previous message.
    fn of(
        message: &Message<NodeNumber, Event>,
        vector: &VersionVector<NodeNumber>,
        base: &VersionVector<NodeNumber>,
    ) -> Self {
        // A writer without room counts.
        let mut header = Writer::fixed(&mut []);
        message.encode_header(&mut header);
        let mut author = Writer::fixed(&mut []);
        author.put_number(u64::from(*message.dot().node()));
        let mut full = Writer::fixed(&mut []);
        vector.encode(&mut full);
        let mut delta = Vec::new();
        codec::encode_delta(vector, base, &mut delta);
        Self {
            dependencies: header.len() as u64,
            vector: (author.len() + full.len()) as u64,
            delta: (author.len() + delta.len()) as u64,
        }
    }
}

/// Measures the messages of one site.
#[derive(Debug)]
pub(super) struct Meter {
    /// The number of messages of which the last is measured.
    every: u64,
    /// The messages until the next that is measured.
    left: u64,
    /// The vector of the previous message, if the next one is measured.
    base: VersionVector<NodeNumber>,
}

impl Meter {
    /// Makes the meters for all sites of a run. Where not every message is measured, sites begin at different ones, so
    /// that early and late messages are measured alike.
    pub(super) fn of_sites(sites: usize, events: usize, nodes: usize) -> impl Iterator<Item = Self> {
        let entries = (events as u64).saturating_mul(nodes as u64);
        let every = entries.div_ceil(MOST_ENTRIES).max(1);
        (0..sites as u64).map(move |site| {
            let skipped = u128::from(every) * u128::from(site) / sites as u128;
            // Less than `every`, since the site's number is less than that of all sites.
            Self { every, left: every - skipped as u64 - 1, base: VersionVector::new() }
        })
    }

    /// Notes a message of the site, whose deliveries are `vector`, this message included. Returns its sizes if it is
    /// measured.
    pub(super) fn note(
        &mut self,
        message: &Message<NodeNumber, Event>,
        vector: &VersionVector<NodeNumber>,
    ) -> Option<MetadataSizes> {
        let sizes = (self.left == 0).then(|| MetadataSizes::of(message, vector, &self.base));
        self.left = self.left.checked_sub(1).unwrap_or(self.every - 1);
        if self.left == 0 {
            self.base = vector.clone();
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use happens_before::Dot;

    fn dot(node: NodeNumber, counter: u64) -> Dot<NodeNumber> {
        Dot::new(node, counter).expect("not 0")
    }

    fn message(of: Dot<NodeNumber>, after: &[Dot<NodeNumber>]) -> Message<NodeNumber, Event> {
        Message::new(of, after.to_vec(), 0).expect("no dependency on the own future")
    }

    /// By the format, counted by hand.
    #[test]
    fn the_sizes_are_those_of_the_format() {
        let of = |message, vector: &[(NodeNumber, u64)], base: &[(NodeNumber, u64)]| {
            let [vector, base] =
                [vector, base].map(|entries| VersionVector::from_iter(entries.iter().copied()));
            let MetadataSizes { dependencies, vector, delta } = MetadataSizes::of(&message, &vector, &base);
            [dependencies, vector, delta]
        };
        // Header: no entries, id, counter. Vector: author, head, id, counter. Delta: author, nothing has grown, one new
        // entry of three bytes, digest.
        assert_eq!(of(message(dot(1, 1), &[]), &[(1, 1)], &[]), [3, 4, 13]);
        // Ids from 128 on take two bytes, and so do counters from 129 on. A gap takes one byte, or none if all are 0.
        let grown = of(
            message(dot(200, 300), &[dot(3, 1)]),
            &[(3, 1), (5, 128), (200, 300)],
            &[(3, 1), (5, 120), (200, 299)],
        );
        assert_eq!(grown, [(1 + 1 + 1) + (2 + 2), 2 + (1 + 1 + 2) + (1 + 1 + 2), 2 + (1 + 1 + 2) + 1 + 8]);
    }

    #[test]
    fn every_message_is_measured_or_every_kth() {
        let measure = |site: usize, events: usize, nodes: usize, messages: u64| {
            let mut meter = Meter::of_sites(2, events, nodes).nth(site).expect("two sites");
            let mut vector = VersionVector::new();
            let sizes = (0..messages).map(|_| {
                let of = vector.increment(7).expect("far from the end");
                meter.note(&message(of, &[]), &vector)
            });
            sizes.collect::<Vec<_>>()
        };
        let all = measure(0, 100, 100, 100);
        assert!(all.iter().all(Option::is_some));
        // Each delta is to the message just before: one entry that has grown by 1, however far apart the measured ones.
        assert!(all[1..].iter().flatten().all(|sizes| sizes.delta == 13));
        for (site, first) in [(0, 3), (1, 1)] {
            let some = measure(site, 1 << 18, 1 << 8, 100);
            let kept: Vec<usize> = (0..100).filter(|&nth| some[nth].is_some()).collect();
            assert_eq!(kept, (first..100).step_by(4).collect::<Vec<_>>());
            assert!(kept.iter().all(|&nth| some[nth] == all[nth]));
        }
        assert_eq!(measure(1, usize::MAX, usize::MAX, 100), vec![None; 100]);
    }
}
