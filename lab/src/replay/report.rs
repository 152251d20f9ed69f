//! The report of a replay.

use serde::Serialize;

use super::{ReplayFailure, ReplayResult, ReplaySettings};
use crate::history::History;
use crate::report::{Details, Report, Rows, VerdictReport, a_second, all_delivered};
use crate::words::{counted, thousands};

/// The details of the report of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The history.
    pub history: HistoryReport,
    /// The settings of the replay.
    pub settings: ReplayOptions,
    /// The counts.
    pub run: ReplayCounts,
    /// The costs of messages.
    pub per_message: MessageReport,
    /// Real time, the only part that differs between two runs with the same settings.
    pub elapsed: ReplayTime,
}

/// A history that was replayed.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryReport {
    /// The source of the history.
    pub source: String,
    /// The number of events.
    pub events: usize,
    /// The number of nodes.
    pub nodes: usize,
    /// The number of authors.
    pub authors: usize,
    /// The number of authors who worked concurrently with themselves, so that each is several nodes.
    pub authors_split: usize,
    /// Parents an event, including the author's own previous event.
    pub parents_per_event: f64,
}

/// The settings of a replay.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options")]
pub struct ReplayOptions {
    pub sites: usize,
    pub loss: f64,
    pub duplicate: f64,
    pub reorder: u64,
    pub delay: u64,
    pub partitions: usize,
    pub seed: u64,
    pub hold: usize,
    pub horizon: u64,
    pub node_limit: usize,
    pub dependency_limit: usize,
}

/// The counts of a run.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the tally")]
pub struct ReplayCounts {
    pub sent: u64,
    pub deliveries: u64,
    pub held_at_most: u64,
    pub retransmissions: u64,
    pub questions: u64,
    pub announcements: u64,
    pub duplicates_dropped: u64,
    pub refused_full: u64,
    pub refused_horizon: u64,
    pub refused_size: u64,
    pub packets: u64,
    pub copies_lost: u64,
    pub copies_cut_by_partitions: u64,
    pub packets_duplicated: u64,
    pub virtual_ticks: u64,
}

/// The costs of messages, on average.
#[derive(Clone, Debug, Serialize)]
pub struct MessageReport {
    /// Dependencies named; the sender's own previous message is implied, and not counted.
    pub dependencies: f64,
    /// The number of messages whose bytes were measured.
    pub measured: u64,
    /// Bytes of metadata: author, counter, direct dependencies. These and the following are the bytes that
    /// [`happens_before::codec`] writes.
    pub metadata_bytes: f64,
    /// Bytes with a full version vector of the deliveries at the sender's site.
    pub full_vector_bytes: f64,
    /// Bytes with a delta of that vector to the one of the site's previous message.
    pub vector_delta_bytes: f64,
}

/// Real time.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayTime {
    /// The time of the run, without the reading of the history.
    pub seconds: f64,
    /// Events of the history in a second.
    pub events_per_second: f64,
}

impl ReplayReport {
    /// Makes the report of a run.
    pub fn new(history: &History, settings: &ReplaySettings, outcome: &ReplayResult) -> Report<Self> {
        let tally = outcome.tally;
        let a_measured = |total: u64| total as f64 / tally.measured.max(1) as f64;
        let seconds = outcome.elapsed.as_secs_f64();
        let details = Self {
            history: HistoryReport {
                source: history.source().to_owned(),
                events: history.len(),
                nodes: history.nodes(),
                authors: history.authors(),
                authors_split: history.split_authors(),
                parents_per_event: history.parents_in_all() as f64 / history.len() as f64,
            },
            settings: ReplayOptions {
                sites: settings.sites,
                loss: settings.loss,
                duplicate: settings.duplicate,
                reorder: settings.reorder,
                delay: settings.delay,
                partitions: outcome.partitions.len(),
                seed: settings.seed,
                hold: settings.limits.messages,
                horizon: settings.limits.horizon,
                node_limit: settings.limits.nodes,
                dependency_limit: settings.limits.dependencies,
            },
            run: ReplayCounts {
                sent: tally.sent,
                deliveries: tally.deliveries,
                held_at_most: tally.held_at_most,
                retransmissions: tally.retransmissions,
                questions: tally.questions,
                announcements: tally.announcements,
                duplicates_dropped: tally.duplicates,
                refused_full: tally.refused_full,
                refused_horizon: tally.refused_horizon,
                refused_size: tally.refused_size,
                packets: tally.traffic.packets,
                copies_lost: tally.traffic.lost,
                copies_cut_by_partitions: tally.traffic.cut,
                packets_duplicated: tally.traffic.duplicated,
                virtual_ticks: tally.ticks,
            },
            per_message: MessageReport {
                dependencies: tally.dependencies as f64 / tally.sent.max(1) as f64,
                measured: tally.measured,
                metadata_bytes: a_measured(tally.metadata_bytes),
                full_vector_bytes: a_measured(tally.vector_bytes),
                vector_delta_bytes: a_measured(tally.delta_bytes),
            },
            elapsed: ReplayTime { seconds, events_per_second: a_second(tally.sent, seconds) },
        };
        let all = all_delivered((settings.sites as u64, "site"), (history.len() as u64, "event"));
        let verdict = VerdictReport::new(
            &outcome.verdict,
            |failure| matches!(failure, ReplayFailure::GaveUp(_)),
            format!("causal, exactly once and complete: {all}"),
        );
        Report { details, verdict }
    }
}

impl Details for ReplayReport {
    fn add_rows(&self, rows: &mut Rows) {
        self.add_deliveries(rows);
        self.add_costs(rows);
        self.add_network(rows);
        rows.add("seed", self.settings.seed.to_string(), "the same seed gives the same run");
    }
}

impl ReplayReport {
    /// Adds the rows of sendings, deliveries and questions.
    fn add_deliveries(&self, rows: &mut Rows) {
        let Self { history, settings, run, .. } = self;
        let count = |number: usize| thousands(number as u64);
        let source = format!("{}; {}", history.source, counted(history.nodes as u64, "node"));
        rows.add("events", count(history.events), source);
        if history.authors_split > 0 {
            let of = counted(history.authors as u64, "author");
            let of = format!("of {of}: concurrent work became nodes of its own");
            rows.add("authors split", count(history.authors_split), of);
        }
        let bad = format!(
            "loss {}, duplicate {}, reorder {}, delay {}",
            settings.loss, settings.duplicate, settings.reorder, settings.delay
        );
        rows.add("sites", count(settings.sites), bad);
        rows.add("deliveries", thousands(run.deliveries), "every event at every site, its own included");
        let room = format!("at one site; room for {}", count(settings.hold));
        rows.add("held at most", thousands(run.held_at_most), room);
        let asked = format!(
            "answers to {}; {}",
            counted(run.questions, "question"),
            counted(run.announcements, "announcement")
        );
        rows.add("retransmissions", thousands(run.retransmissions), asked);
        rows.add("duplicates dropped", thousands(run.duplicates_dropped), "");
        let refused = run.refused_full + run.refused_horizon + run.refused_size;
        if refused > 0 {
            let why = format!(
                "no room {}, beyond the horizon {}, too large {}",
                thousands(run.refused_full),
                thousands(run.refused_horizon),
                thousands(run.refused_size)
            );
            rows.add("refused at a limit", thousands(refused), why);
        }
    }

    /// Adds the rows of the costs of a message, and of its parents.
    fn add_costs(&self, rows: &mut Rows) {
        let MessageReport { dependencies, measured, .. } = self.per_message;
        rows.add(
            "dependencies a message",
            format!("{dependencies:.2}"),
            "without the sender's own previous message, which is implied",
        );
        rows.add(
            "parents an event",
            format!("{:.2}", self.history.parents_per_event),
            "as recorded, the author's own previous event included",
        );
        let MessageReport { metadata_bytes, full_vector_bytes, vector_delta_bytes, .. } = self.per_message;
        let times = |bytes: f64| match metadata_bytes {
            0.0 => String::new(),
            metadata => format!("{:.1} times as much", bytes / metadata),
        };
        let of = match self.run.sent {
            sent if sent == measured => String::new(),
            sent => format!("; measured for {} of {}", thousands(measured), thousands(sent)),
        };
        rows.add(
            "bytes of metadata a message",
            format!("{metadata_bytes:.1}"),
            format!("direct dependencies, as the crate's codec writes them{of}"),
        );
        rows.add("with a full version vector", format!("{full_vector_bytes:.1}"), times(full_vector_bytes));
        let delta = format!("{}; to the site's previous message", times(vector_delta_bytes));
        rows.add("with a delta of the vector", format!("{vector_delta_bytes:.1}"), delta);
    }

    /// Adds the rows of the time and of the network.
    fn add_network(&self, rows: &mut Rows) {
        let Self { settings, run, elapsed, .. } = self;
        let real = format!("{:.2} s in real time", elapsed.seconds);
        rows.add("events a second", thousands(elapsed.events_per_second as u64), real);
        rows.add("virtual ticks", thousands(run.virtual_ticks), "");
        let network = format!(
            "lost {}, cut by {} {}, doubled {}",
            thousands(run.copies_lost),
            counted(settings.partitions as u64, "partition"),
            thousands(run.copies_cut_by_partitions),
            thousands(run.packets_duplicated)
        );
        rows.add("packets", thousands(run.packets), network);
    }
}
