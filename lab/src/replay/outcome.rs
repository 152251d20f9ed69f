//! The input and the result of a run: settings, counts, verdict.

use std::time::Duration;

use happens_before::delivery::BufferLimits;
use happens_before_simulation::network::{Conditions, Delay, Partition, Traffic};

use super::{Recording, ReplayCanary, Tick};

/// The settings of a replay.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// The number of sites, at least 1.
    pub sites: usize,
    /// The probability that a packet is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The probability that a packet arrives twice, if it is not lost, 0.0 to 1.0.
    pub duplicate: f64,
    /// The fewest ticks that a copy takes; 0 counts as 1.
    pub delay: Tick,
    /// The most ticks that a copy may take on top, evenly drawn.
    pub reorder: Tick,
    /// The number of times that the network is partitioned.
    pub partitions: u64,
    /// The seed of all random choices.
    pub seed: u64,
    /// The limits of each buffer.
    pub limits: BufferLimits,
    /// The ticks after which a site asks for missing messages; `None` for the longest time that a question and its
    /// answer take.
    pub timeout: Option<Tick>,
    /// The ticks after which a site with nothing to send announces its messages; `None` for four time-outs.
    pub announce: Option<Tick>,
    /// A lie to the oracle.
    pub canary: Option<ReplayCanary>,
    /// True to record the run for a diagram.
    pub record: bool,
}

impl ReplaySettings {
    /// Returns the conditions of the network, without its partitions, which the run draws.
    pub(super) fn conditions(&self) -> Conditions {
        let least = self.delay.max(1);
        let delay = Delay::Uniform { least, most: least.saturating_add(self.reorder) };
        Conditions { loss: self.loss, duplicate: self.duplicate, delay, ..Conditions::default() }
    }
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayTally {
    /// Events sent, each counted once.
    pub sent: u64,
    /// Deliveries at all sites together, the senders' own included.
    pub deliveries: u64,
    /// The most messages that any site held back at one time.
    pub held_at_most: u64,
    /// Messages sent again in answer to a question.
    pub retransmissions: u64,
    /// Questions for missing messages.
    pub questions: u64,
    /// Vectors announced.
    pub announcements: u64,
    /// Messages that arrived after they had been accepted already.
    pub duplicates: u64,
    /// Messages refused for lack of room.
    pub refused_full: u64,
    /// Messages refused because a counter was too far ahead.
    pub refused_horizon: u64,
    /// Messages refused for too many nodes or dependencies.
    pub refused_size: u64,
    /// Dependencies named in messages; a sender's own previous message is implied, and not counted.
    pub dependencies: u64,
    /// Messages whose metadata was measured: all of them, unless the history has very many events and nodes.
    pub measured: u64,
    /// Bytes of metadata in the measured messages, each counted once.
    pub metadata_bytes: u64,
    /// Bytes of metadata if each measured message carried a full vector of the deliveries at the sender's site.
    pub vector_bytes: u64,
    /// Bytes of metadata if each measured message carried a delta of that vector to the one of the site's previous
    /// message.
    pub delta_bytes: u64,
    /// The virtual time of the last delivery.
    pub ticks: Tick,
    /// The counts of the network.
    pub traffic: Traffic,
}

/// The reason why a run did not end well, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayFailure {
    /// The oracle's first violation.
    Violation(String),
    /// A site's buffer refused an event of the site itself.
    Refused(String),
    /// Nothing was delivered any more, although the network let enough packets through.
    Stalled(String),
    /// Nothing was delivered any more, and the network let too few packets through to blame the library.
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

/// The result of a run.
#[derive(Clone, Debug)]
pub struct ReplayResult {
    /// The counts up to the end.
    pub tally: ReplayTally,
    /// The verdict: `Ok` if every site delivered everything, causally and exactly once.
    pub verdict: Result<(), ReplayFailure>,
    /// The recording, if requested.
    pub recording: Recording,
    /// The partitions of the network.
    pub partitions: Vec<Partition>,
    /// The real time of the run.
    pub elapsed: Duration,
}
