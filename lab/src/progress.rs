//! The progress of work: a bar on a terminal, a line now and then elsewhere, nothing for quick work. All of it goes to
//! the standard error, so that the standard output holds only the result.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::words::thousands;

/// Work that takes less than this shows nothing.
const QUICK: Duration = Duration::from_secs(1);

/// The least time between lines where there is no terminal.
const LINES: Duration = Duration::from_secs(2);

/// The least time between changes of the text beside a bar's numbers, so that it can be read.
const MESSAGES: Duration = Duration::from_millis(200);

/// The progress of one piece of work.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    unit: &'static str,
    /// The amount of work, if it is known.
    total: Option<u64>,
    terminal: bool,
    started: Instant,
    last_line: Option<Instant>,
    last_message: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a piece of work: `what` is done to `total` of `unit`.
    pub fn new(what: &'static str, unit: &'static str, total: Option<u64>) -> Self {
        let terminal = stderr().is_terminal();
        Self {
            what,
            unit,
            total,
            terminal,
            started: Instant::now(),
            last_line: None,
            last_message: None,
            bar: None,
        }
    }

    /// Notes the amount done.
    pub fn update(&mut self, done: u64) {
        self.update_with(done, String::new);
    }

    /// Notes the amount done. `more` returns further text, and is called only if it is shown.
    pub fn update_with(&mut self, done: u64, more: impl FnOnce() -> String) {
        if self.started.elapsed() < QUICK {
            return;
        }
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| bar(self.what, self.unit, self.total));
            bar.set_position(done);
            if self.last_message.is_none_or(|last| last.elapsed() >= MESSAGES) {
                self.last_message = Some(Instant::now());
                bar.set_message(format!("{}{}", self.unit, more()));
            }
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINES) {
            self.last_line = Some(Instant::now());
            // Progress that cannot be written is no reason to stop.
            let _ = writeln!(stderr(), "{}{}", line(self.what, self.unit, self.total, done), more());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, unit: &'static str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{prefix} [{bar:40}] {percent:>3} %  {human_pos} of {human_len} {msg}, {eta} left",
        None => "{prefix} {spinner} {human_pos} {msg}",
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    bar.with_style(style).with_prefix(what).with_message(unit)
}

fn line(what: &str, unit: &str, total: Option<u64>, done: u64) -> String {
    let done_words = thousands(done);
    match total {
        Some(total) if total > 0 => {
            let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
            format!("{what}: {done_words} of {} {unit}, {percent} %", thousands(total))
        }
        _ => format!("{what}: {done_words} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(
            line("replaying", "deliveries", Some(5000), 1250),
            "replaying: 1,250 of 5,000 deliveries, 25 %"
        );
        assert_eq!(line("reading", "commits", None, 7), "reading: 7 commits");
    }
}
