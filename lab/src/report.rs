//! What a run showed: a table for people, an object for machines.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::history::History;
use crate::replay::{ReplayFailure, ReplayResult, ReplaySettings};
use crate::verdict::VerdictReport;
use crate::words::{counted, thousands};

/// Everything that is reported about a run. Its fields are the fields of the JSON object.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was replayed.
    pub history: HistoryReport,
    /// How it was replayed.
    pub settings: SettingsReport,
    /// What happened.
    pub run: RunReport,
    /// What messages cost.
    pub per_message: MessageReport,
    /// Real time, the only part that differs between two runs with the same settings.
    pub elapsed: ElapsedReport,
    /// Whether all is well.
    pub verdict: VerdictReport,
}

/// What was replayed.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryReport {
    /// Where the history comes from.
    pub source: String,
    /// How many events it has.
    pub events: usize,
    /// How many nodes wrote them.
    pub nodes: usize,
    /// Parents an event, its author's own previous event among them.
    pub parents_per_event: f64,
}

/// How it was replayed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options")]
pub struct SettingsReport {
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

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the tally")]
pub struct RunReport {
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

/// What messages cost, on average.
#[derive(Clone, Debug, Serialize)]
pub struct MessageReport {
    /// Dependencies named; the sender's own previous message is implied and not counted.
    pub dependencies: f64,
    /// Bytes of metadata: author, counter, dependencies.
    pub metadata_bytes: f64,
    /// The same with a full version vector of what the sender's site had delivered.
    pub full_vector_bytes: f64,
}

/// Real time.
#[derive(Clone, Debug, Serialize)]
pub struct ElapsedReport {
    /// How long the run took, without reading the history.
    pub seconds: f64,
    /// Events of the history in a second.
    pub events_per_second: f64,
}

impl Report {
    /// Puts together what there is to say about a run.
    pub fn new(history: &History, settings: &ReplaySettings, outcome: &ReplayResult) -> Self {
        let tally = outcome.tally;
        let a_message = |total: u64| total as f64 / tally.sent.max(1) as f64;
        let seconds = outcome.elapsed.as_secs_f64();
        Self {
            history: HistoryReport {
                source: history.source().to_owned(),
                events: history.len(),
                nodes: history.nodes(),
                parents_per_event: history.parents_in_all() as f64 / history.len() as f64,
            },
            settings: SettingsReport {
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
            run: RunReport {
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
                dependencies: a_message(tally.dependencies),
                metadata_bytes: a_message(tally.metadata_bytes),
                full_vector_bytes: a_message(tally.vector_bytes),
            },
            elapsed: ElapsedReport {
                seconds,
                events_per_second: if seconds > 0.0 { tally.sent as f64 / seconds } else { 0.0 },
            },
            verdict: VerdictReport::new(
                &outcome.verdict,
                |failure| matches!(failure, ReplayFailure::GaveUp(_)),
                complete(settings.sites, history.len()),
            ),
        }
    }

    /// Returns the report as a table, with the verdict below.
    pub fn table(&self) -> String {
        let Self { history, settings, run, per_message, elapsed, verdict } = self;
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        let mut row = |name: &str, value: String, remark: String| {
            table.add_row([name.to_owned(), value, remark]);
        };
        let count = |number: usize| thousands(number as u64);
        row(
            "events",
            count(history.events),
            format!("{}; {}", history.source, counted(history.nodes as u64, "node")),
        );
        let bad = format!(
            "loss {}, duplicate {}, reorder {}, delay {}",
            settings.loss, settings.duplicate, settings.reorder, settings.delay
        );
        row("sites", count(settings.sites), bad);
        row("deliveries", thousands(run.deliveries), "every event at every site, its own included".to_owned());
        row(
            "held at most",
            thousands(run.held_at_most),
            format!("at one site; room for {}", count(settings.hold)),
        );
        let asked = format!(
            "answers to {}; {}",
            counted(run.questions, "question"),
            counted(run.announcements, "announcement")
        );
        row("retransmissions", thousands(run.retransmissions), asked);
        row("duplicates dropped", thousands(run.duplicates_dropped), String::new());
        let refused = run.refused_full + run.refused_horizon + run.refused_size;
        if refused > 0 {
            let why = format!(
                "no room {}, beyond the horizon {}, too large {}",
                thousands(run.refused_full),
                thousands(run.refused_horizon),
                thousands(run.refused_size)
            );
            row("refused at a limit", thousands(refused), why);
        }
        row(
            "dependencies a message",
            format!("{:.2}", per_message.dependencies),
            "without the sender's own previous message, which is implied".to_owned(),
        );
        row(
            "parents an event",
            format!("{:.2}", history.parents_per_event),
            "as recorded, the author's own previous event included".to_owned(),
        );
        let times = match per_message.metadata_bytes {
            0.0 => String::new(),
            bytes => format!(", {:.1} times as much", per_message.full_vector_bytes / bytes),
        };
        row(
            "bytes of metadata a message",
            format!("{:.1}", per_message.metadata_bytes),
            format!("a full version vector: {:.1}{times}", per_message.full_vector_bytes),
        );
        row(
            "events a second",
            thousands(elapsed.events_per_second as u64),
            format!("{:.2} s in real time", elapsed.seconds),
        );
        row("virtual ticks", thousands(run.virtual_ticks), String::new());
        let network = format!(
            "lost {}, cut by {} {}, doubled {}",
            thousands(run.copies_lost),
            counted(settings.partitions as u64, "partition"),
            thousands(run.copies_cut_by_partitions),
            thousands(run.packets_duplicated)
        );
        row("packets", thousands(run.packets), network);
        row("seed", settings.seed.to_string(), "the same seed gives the same run".to_owned());
        verdict.below(table)
    }
}

/// Says that a run went well.
fn complete(sites: usize, events: usize) -> String {
    let who = if sites == 1 {
        "the only site".to_owned()
    } else {
        format!("each of {} sites", thousands(sites as u64))
    };
    let what = if events == 1 {
        "the only event".to_owned()
    } else {
        format!("all {} events", thousands(events as u64))
    };
    format!("causal, exactly once and complete: {who} delivered {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_site_and_one_event_are_singular() {
        let told = [(5, 10_000), (1, 2), (2, 1), (1, 1)].map(|(sites, events)| complete(sites, events));
        assert_eq!(
            told.map(|told| told.replace("causal, exactly once and complete: ", "")),
            [
                "each of 5 sites delivered all 10,000 events",
                "the only site delivered all 2 events",
                "each of 2 sites delivered the only event",
                "the only site delivered the only event",
            ]
        );
    }
}
