//! What goes into a run and what comes out of it: settings, counts, verdict.

use std::time::Duration;

use happens_before::delivery::BufferLimits;
use happens_before_simulation::network::{Conditions, Delay, Partition, Traffic};

use super::{Recording, ReplayCanary, Tick};

/// How a history is replayed.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// How many sites, at least 1.
    pub sites: usize,
    /// The probability that a packet is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The probability that a packet that is not lost arrives twice, 0.0 to 1.0.
    pub duplicate: f64,
    /// How many ticks every copy takes at least; 0 counts as 1.
    pub delay: Tick,
    /// How many ticks a copy may take on top, evenly drawn.
    pub reorder: Tick,
    /// How many times the network is partitioned.
    pub partitions: u64,
    /// The seed of all chances.
    pub seed: u64,
    /// The limits of each buffer.
    pub limits: BufferLimits,
    /// After how many ticks a site asks for what is missing; `None` for the time that a question and its answer
    /// take at most.
    pub timeout: Option<Tick>,
    /// How often a site with nothing to send announces what it has; `None` for every fourth time-out.
    pub announce: Option<Tick>,
    /// A lie to the oracle.
    pub canary: Option<ReplayCanary>,
    /// True to record the run for a diagram.
    pub record: bool,
}

impl ReplaySettings {
    /// Returns how bad the network is, but for its partitions, which the run draws.
    pub(super) fn conditions(&self) -> Conditions {
        let least = self.delay.max(1);
        let delay = Delay::Uniform { least, most: least.saturating_add(self.reorder) };
        Conditions { loss: self.loss, duplicate: self.duplicate, delay, ..Conditions::default() }
    }
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayTally {
    /// Events sent, each once.
    pub sent: u64,
    /// Deliveries at all sites together, the senders' own included.
    pub deliveries: u64,
    /// The most messages that any site held back at one time.
    pub held_at_most: u64,
    /// Messages sent again because somebody asked.
    pub retransmissions: u64,
    /// Questions for missing messages.
    pub questions: u64,
    /// Announced vectors.
    pub announcements: u64,
    /// Messages that arrived and had been accepted before.
    pub duplicates: u64,
    /// Messages refused for want of room.
    pub refused_full: u64,
    /// Messages refused because a counter was too far ahead.
    pub refused_horizon: u64,
    /// Messages refused for too many nodes or dependencies.
    pub refused_size: u64,
    /// Dependencies named in messages; a sender's own previous message is implied, and not among them.
    pub dependencies: u64,
    /// Bytes of metadata in messages, each counted once.
    pub metadata_bytes: u64,
    /// The bytes of the same with a full vector of all that the sender's site had delivered.
    pub vector_bytes: u64,
    /// The virtual time of the last delivery.
    pub ticks: Tick,
    /// The counts of the network.
    pub traffic: Traffic,
}

/// The reason why a run did not come to its end, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayFailure {
    /// The oracle's first violation.
    Violation(String),
    /// A site's buffer refused an event of the site itself.
    Refused(String),
    /// Nothing was delivered any more, though the network let enough through.
    Stalled(String),
    /// Nothing was delivered any more, and the network let so little through that this is no wonder.
    GaveUp(String),
}

impl std::fmt::Display for ReplayFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Violation(what) | Self::Refused(what) | Self::Stalled(what) => f.write_str(what),
            Self::GaveUp(what) => write!(f, "gave up: {what}"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct ReplayResult {
    /// The counts up to the end.
    pub tally: ReplayTally,
    /// The verdict: `Ok` if every site delivered everything, causally and exactly once.
    pub verdict: Result<(), ReplayFailure>,
    /// The recording, if asked for.
    pub recording: Recording,
    /// When the network was partitioned.
    pub partitions: Vec<Partition>,
    /// How long it took in real time.
    pub elapsed: Duration,
}
