//! Shared code of the tests: properties with a seed that is printed and can be set, small vectors, and the naive model
//! of a version vector.

#[cfg(feature = "models")]
pub mod broadcast_world;
#[cfg(feature = "models")]
pub mod buffer_model;
#[cfg(feature = "models")]
pub mod context_model;
#[cfg(feature = "models")]
pub mod dag_model;
pub mod interval_tree_model;
pub mod linearizable;
pub mod siblings_model;
#[cfg(feature = "models")]
pub mod subjects;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use quickcheck::{Arbitrary, Gen, QuickCheck, Testable};

/// The variable that sets the seed, to repeat a failure.
const SEED: &str = "HAPPENS_BEFORE_SEED";

/// The number of random cases of a property.
const CASES: u64 = 1_000;

/// Returns the seed of this run, and prints it; the test runner shows it if the test fails.
///
/// # Panics
///
/// If the variable is set but is not a number: a typing error must not look like a repeated run.
pub fn seed() -> u64 {
    let seed = match std::env::var(SEED) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text:?} is not a number")),
        // The keys of a new `RandomState` are the standard library's only source of randomness.
        Err(_) => RandomState::new().hash_one(()),
    };
    eprintln!("to repeat this run: {SEED}={seed}");
    seed
}

/// Returns a source of random values with a seed that is printed and can be set.
pub fn random() -> Gen {
    Gen::from_size_and_seed(50, seed())
}

/// Tries a property on random values; shrinks and shows a value on which it fails.
pub fn check<P: Testable>(property: P) {
    QuickCheck::new().rng(random()).tests(CASES).quickcheck(property);
}

/// Returns a random value of `0..limit`.
pub fn below(random: &mut Gen, limit: u64) -> u64 {
    u64::arbitrary(random) % limit
}

/// The naive version vector: a node that is not in the map has counter 0, and no counter in the map is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model(pub BTreeMap<u8, u64>);

impl Model {
    pub fn get(&self, node: u8) -> u64 {
        self.0.get(&node).copied().unwrap_or(0)
    }

    pub fn set(&mut self, node: u8, counter: u64) {
        self.0.insert(node, counter);
        self.0.retain(|_, counter| *counter > 0);
    }

    /// For every node of either side, the two counters combined.
    fn pointwise(&self, other: &Self, new_counter: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = Self::default();
        for &node in self.0.keys().chain(other.0.keys()) {
            result.set(node, new_counter(self.get(node), other.get(node)));
        }
        result
    }

    pub fn merge(&self, other: &Self) -> Self {
        self.pointwise(other, u64::max)
    }

    pub fn meet(&self, other: &Self) -> Self {
        self.pointwise(other, u64::min)
    }

    fn at_most(&self, other: &Self) -> bool {
        self.0.iter().all(|(&node, &counter)| counter <= other.get(node))
    }

    pub fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.at_most(other), other.at_most(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }
}

/// Few nodes, so that two vectors share some, but more than fit inline; and the counters at the ends of the range.
impl Arbitrary for Model {
    fn arbitrary(random: &mut Gen) -> Self {
        const COUNTERS: [u64; 8] = [0, 0, 1, 1, 2, 3, u64::MAX - 1, u64::MAX];
        let nodes = *random.choose(&[2, 3, 9]).unwrap();
        let mut model = Self::default();
        for node in 0..nodes {
            model.set(node, *random.choose(&COUNTERS).unwrap());
        }
        model
    }

    /// Drops a node, or lowers its counter.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let model = self.clone();
        Box::new(self.0.clone().into_iter().flat_map(move |(node, counter)| {
            let model = model.clone();
            let lower = [0, counter / 2, counter - 1].into_iter().filter(move |&lower| lower < counter);
            lower.map(move |lower| {
                let mut smaller = model.clone();
                smaller.set(node, lower);
                smaller
            })
        }))
    }
}
