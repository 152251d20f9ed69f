//! The report of an ordering.

use serde::Serialize;

use super::{OrderFailure, OrderResult, OrderSettings};
use crate::report::{Details, Report, Rows, VerdictReport, a_second, all_delivered};
use crate::words::{counted, thousands};

/// The details of the report of an ordering.
#[derive(Clone, Debug, Serialize)]
pub struct OrderReport {
    /// The options of the run.
    pub settings: OrderOptions,
    /// The faults that were made; a function of the settings.
    pub faults: FaultReport,
    /// The counts; they differ from run to run, because the timing of threads does.
    pub run: OrderCounts,
    /// Real time.
    pub elapsed: OrderTime,
}

/// The options of a run.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the options")]
pub struct OrderOptions {
    pub engine: &'static str,
    pub publishers: u32,
    pub subscribers: usize,
    pub messages: u64,
    pub kill: u64,
    pub kill_subscribers: u64,
    pub stall: u64,
    pub reset_counter: u64,
    pub seed: u64,
    pub timeout_ms: u64,
}

/// The faults that were made.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the tally")]
pub struct FaultReport {
    pub killed: u64,
    pub killed_with_number: u64,
    pub killed_after_write: u64,
    pub subscribers_killed: u64,
    pub stalled: u64,
    pub resets: u64,
}

/// The counts of a run.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the tally and the outcome")]
pub struct OrderCounts {
    pub epoch: u64,
    pub slots_before: u64,
    pub acknowledged: u64,
    pub delivered: u64,
    pub delivered_again: u64,
    pub fills: u64,
    pub filled_away: u64,
    pub collisions: u64,
    pub behind: u64,
    pub lag_at_most: u64,
}

/// Real time.
#[derive(Clone, Debug, Serialize)]
pub struct OrderTime {
    /// The time that publishers and subscribers took.
    pub seconds: f64,
    /// The part of it that waits for planted faults cost.
    pub waited_seconds: f64,
    /// Messages acknowledged in a second.
    pub messages_per_second: f64,
    /// Messages acknowledged in a second, if the waits are left out.
    pub messages_per_second_without_waits: f64,
}

impl OrderReport {
    /// Makes the report of a run.
    pub fn new(settings: &OrderSettings, outcome: &OrderResult) -> Report<Self> {
        let tally = outcome.tally;
        let [seconds, waited_seconds] = [outcome.elapsed, outcome.waited].map(|time| time.as_secs_f64());
        let details = Self {
            settings: OrderOptions {
                engine: settings.engine.name(),
                publishers: settings.publishers,
                subscribers: settings.subscribers,
                messages: settings.messages,
                kill: settings.kill,
                kill_subscribers: settings.kill_subscribers,
                stall: settings.stall,
                reset_counter: settings.reset_counter,
                seed: settings.seed,
                timeout_ms: settings.timeout_ms,
            },
            faults: FaultReport {
                killed: tally.killed,
                killed_with_number: tally.killed_with_number,
                killed_after_write: tally.killed_after_write,
                subscribers_killed: tally.subscribers_killed,
                stalled: tally.stalled,
                resets: tally.resets,
            },
            run: OrderCounts {
                epoch: outcome.epoch,
                slots_before: outcome.tail,
                acknowledged: tally.acknowledged,
                delivered: tally.delivered,
                delivered_again: tally.delivered_again,
                fills: tally.fills,
                filled_away: tally.filled_away,
                collisions: tally.collisions,
                behind: tally.behind,
                lag_at_most: tally.lag_at_most,
            },
            elapsed: OrderTime {
                seconds,
                waited_seconds,
                messages_per_second: a_second(tally.acknowledged, seconds),
                messages_per_second_without_waits: a_second(tally.acknowledged, seconds - waited_seconds),
            },
        };
        let all = all_delivered((settings.subscribers as u64, "subscriber"), (settings.in_all(), "message"));
        let verdict = VerdictReport::new(
            &outcome.verdict,
            |failure| matches!(failure, OrderFailure::GaveUp(_)),
            format!("one order, nothing lost, nothing twice, and every publisher's own order kept: {all}"),
        );
        Report { details, verdict }
    }
}

impl Details for OrderReport {
    fn add_rows(&self, rows: &mut Rows) {
        let Self { settings, faults, run, elapsed } = self;
        let mut row = |name: &str, value: u64, remark: String| {
            // A remark about a count of zero would mislead.
            rows.add(name, thousands(value), if value > 0 { remark } else { String::new() });
        };
        let mut by = format!("by {}", counted(u64::from(settings.publishers), "publisher"));
        by += &format!(" over {}", settings.engine);
        if run.slots_before > 0 {
            by += &format!("; {} were there before", counted(run.slots_before, "slot"));
        }
        row("acknowledged", run.acknowledged, by);
        row("delivered", run.delivered, format!("at {}", counted(settings.subscribers as u64, "subscriber")));
        let unknown = format!(
            "{} with a number, {} after a write that nobody else knew of, the others with a slot on record",
            thousands(faults.killed_with_number),
            thousands(faults.killed_after_write)
        );
        row("publishers killed", faults.killed, unknown);
        let again =
            format!("delivered {} again, after the place last saved", counted(run.delivered_again, "message"));
        row("subscribers killed", faults.subscribers_killed, again);
        row("writes stalled", faults.stalled, "until another write had occupied their slot".to_owned());
        row("counter set back", faults.resets, format!("found {} by publishers", counted(run.behind, "time")));
        row("holes filled", run.fills, format!("each after {} ms or more", thousands(settings.timeout_ms)));
        let taken = format!(
            "{} held a fill, {} another message",
            thousands(run.filled_away),
            thousands(run.collisions)
        );
        row("slots found occupied", run.filled_away + run.collisions, taken);
        row("lag at most", run.lag_at_most, "messages, of the slowest subscriber".to_owned());
        let real = format!("{:.2} s in real time", elapsed.seconds);
        row("messages a second", elapsed.messages_per_second as u64, real);
        if elapsed.waited_seconds > 0.0 {
            let waits = format!("{:.2} s were waits for these faults", elapsed.waited_seconds);
            row("without the waits", elapsed.messages_per_second_without_waits as u64, waits);
        }
        row("seed", settings.seed, "the same seed gives the same faults".to_owned());
    }
}
