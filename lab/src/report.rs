//! The report of a run: a table for people, an object for machines, and a verdict at its end.

use std::fmt;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle, presets};
use serde::Serialize;

use crate::words::thousands;

/// Everything that is reported about a run. Its fields, and those of the details, are the fields of the JSON object.
#[derive(Clone, Debug, Serialize)]
pub struct Report<D> {
    /// The run: what it was given, and what was counted.
    #[serde(flatten)]
    pub details: D,
    /// The verdict.
    pub verdict: VerdictReport,
}

/// The end of every report: whether all is well.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictReport {
    /// True if the oracle found nothing wrong.
    pub ok: bool,
    /// True if the run was given up, for a reason that is no failure of the library.
    pub gave_up: bool,
    /// The verdict in words.
    pub words: String,
}

/// The details of a report, which differ from command to command.
pub trait Details: Serialize {
    /// Adds the rows of the table.
    fn add_rows(&self, rows: &mut Rows);
}

/// The rows of a table, each with a name, a value and a remark.
#[derive(Debug)]
pub struct Rows(Table);

impl Rows {
    pub(crate) fn add(&mut self, name: &str, value: String, remark: impl Into<String>) {
        self.0.add_row([name.to_owned(), value, remark.into()]);
    }
}

impl<D: Details> Report<D> {
    /// Returns the report as a table of at most `width` columns, with the verdict below. Text that is too long
    /// continues on the next line.
    pub(crate) fn table(&self, width: u16) -> String {
        let mut rows = Rows(table(presets::UTF8_BORDERS_ONLY, width));
        self.details.add_rows(&mut rows);
        let Rows(mut table) = rows;
        if let Some(values) = table.column_mut(1) {
            values.set_cell_alignment(CellAlignment::Right);
            values.set_constraint(ColumnConstraint::ContentWidth); // a number is not broken
        }
        let VerdictReport { ok, gave_up, words } = &self.verdict;
        let mark = if *ok || *gave_up { "verdict" } else { "verdict: FAILED" };
        format!("{table}\n{}", wrapped(&format!("{mark}: {words}"), width))
    }

    /// Returns the report as one JSON object, on several lines.
    pub(crate) fn json(&self) -> String {
        // Plain structures of numbers and strings: writing them cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Returns an empty table of at most `width` columns.
fn table(style: TableStyle, width: u16) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

/// Breaks a text into lines of at most `width` columns, between words where that is possible.
fn wrapped(text: &str, width: u16) -> String {
    let mut lines = table(presets::NOTHING, width);
    lines.add_row([text]);
    if let Some(column) = lines.column_mut(0) {
        column.set_padding((0, 0));
    }
    lines.trim_fmt()
}

impl VerdictReport {
    /// Puts a verdict in words: those of the failure, or that everything is `right`.
    pub(crate) fn new<F: fmt::Display>(
        verdict: &Result<(), F>,
        gave_up: impl FnOnce(&F) -> bool,
        right: String,
    ) -> Self {
        match verdict {
            Ok(()) => Self { ok: true, gave_up: false, words: right },
            Err(failure) => Self { ok: false, gave_up: gave_up(failure), words: failure.to_string() },
        }
    }
}

/// Says that all of `receivers` delivered all of `items`; both are a number and a noun.
pub(crate) fn all_delivered((receivers, receiver): (u64, &str), (items, item): (u64, &str)) -> String {
    let who = match receivers {
        1 => format!("the only {receiver}"),
        several => format!("each of {} {receiver}s", thousands(several)),
    };
    let what = match items {
        1 => format!("the only {item}"),
        all => format!("all {} {item}s", thousands(all)),
    };
    format!("{who} delivered {what}")
}

/// Returns the rate of `count` a second, or 0 if no time passed.
pub(crate) fn a_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receiver_and_one_item_are_singular() {
        let told = [(5, 10_000), (1, 2), (2, 1), (1, 1)]
            .map(|(sites, events)| all_delivered((sites, "site"), (events, "event")));
        assert_eq!(
            told,
            [
                "each of 5 sites delivered all 10,000 events",
                "the only site delivered all 2 events",
                "each of 2 sites delivered the only event",
                "the only site delivered the only event",
            ]
        );
    }
}
