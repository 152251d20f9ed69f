//! The naive set of siblings: causal histories. A write is known by all writes that were known to its client. A value is
//! current if no known write has it in its history.

use std::collections::{BTreeMap, BTreeSet};

/// The number of a write, unique among all servers.
pub type Write = u32;

/// All writes that a server knows, each with the writes that its client had read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histories(pub BTreeMap<Write, BTreeSet<Write>>);

impl Histories {
    /// Writes after a read of `read`. The writes that were read become known here, but not their histories: those are
    /// part of `read`.
    pub fn update(&mut self, read: &BTreeSet<Write>, write: Write) {
        self.0.insert(write, read.clone());
    }

    pub fn sync(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(&write, history)| (write, history.clone())));
    }

    /// The writes known here, those that clients had read elsewhere included.
    pub fn known(&self) -> BTreeSet<Write> {
        self.0.keys().chain(self.0.values().flatten()).copied().collect()
    }

    /// The writes whose values are current.
    pub fn current(&self) -> BTreeSet<Write> {
        self.0.keys().filter(|write| !self.0.values().any(|history| history.contains(write))).copied().collect()
    }
}
