//! How every report ends: whether all is well.

use std::fmt;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

/// Whether all is well.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictReport {
    /// Whether the oracle found nothing wrong.
    pub ok: bool,
    /// Whether the run was given up, because of what is no failure of the library.
    pub gave_up: bool,
    /// That in words, or what was wrong.
    pub words: String,
}

impl VerdictReport {
    /// Puts a verdict in words: those of the failure, or that all is `right`.
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

    /// Returns a table of names, values and remarks with the verdict below.
    pub(crate) fn below(&self, mut table: Table) -> String {
        if let Some(values) = table.column_mut(1) {
            values.set_cell_alignment(CellAlignment::Right);
        }
        let mark = if self.ok || self.gave_up { "verdict" } else { "verdict: FAILED" };
        format!("{table}\n{mark}: {}", self.words)
    }
}

/// Returns a report as one JSON object, on several lines.
pub(crate) fn json(report: &impl Serialize) -> String {
    // Plain structures of numbers and strings: nothing in them can fail to be written.
    serde_json::to_string_pretty(report).unwrap_or_default()
}
