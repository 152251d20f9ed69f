//! The progress of work: a bar on a terminal, a line now and then elsewhere, nothing for quick work. All of it goes to
//! the standard error, so that the standard output holds only the result.
//!
//! A thread of its own shows the progress, so that also a step that cannot say how far it is shows that it is running.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::words::thousands;

/// Work that takes less than this shows nothing.
const QUICK: Duration = Duration::from_secs(1);

/// The time between lines where there is no terminal.
const LINES: Duration = Duration::from_secs(2);

/// The time between changes of a bar, and of the text beside the amount, so that they can be read.
const CHANGES: Duration = Duration::from_millis(200);

/// The progress of one piece of work. It is shown until this is dropped.
#[derive(Debug)]
pub struct Progress {
    amount: Arc<Amount>,
    last_text: Option<Instant>,
    /// The thread that shows the progress, until the sender is dropped.
    shower: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct Amount {
    step: &'static str,
    /// The unit in which it is counted, if it is.
    unit: Option<&'static str>,
    /// The amount of work, if it is known.
    total: Option<u64>,
    done: AtomicU64,
    more: Mutex<String>,
}

impl Progress {
    /// Begins a piece of work that cannot be counted.
    pub fn new(step: &'static str, shown: bool) -> Self {
        Self::begin(step, None, None, shown)
    }

    /// Begins a piece of work that is counted in `unit`, with the amount of work if that is known.
    pub fn counted(step: &'static str, unit: &'static str, total: Option<u64>, shown: bool) -> Self {
        Self::begin(step, Some(unit), total, shown)
    }

    fn begin(step: &'static str, unit: Option<&'static str>, total: Option<u64>, shown: bool) -> Self {
        let (done, more) = (AtomicU64::new(0), Mutex::default());
        let amount = Arc::new(Amount { step, unit, total, done, more });
        let (sender, ended) = channel();
        let show = {
            let amount = Arc::clone(&amount);
            move || if stderr().is_terminal() { amount.draw(&ended) } else { amount.print(&ended) }
        };
        // Work can be done without a thread to show it.
        let thread = shown.then(|| thread::Builder::new().name("progress".to_owned()).spawn(show));
        let shower = thread.and_then(Result::ok).map(|thread| (sender, thread));
        Self { amount, last_text: None, shower }
    }

    /// Notes the amount done.
    pub fn update(&mut self, done: u64) {
        self.amount.done.store(done, Ordering::Relaxed);
    }

    /// Notes the amount done. `more` returns further text, and is called now and then.
    pub fn update_with(&mut self, done: u64, more: impl FnOnce() -> String) {
        self.update(done);
        if self.shower.is_some() && self.last_text.is_none_or(|last| last.elapsed() >= CHANGES) {
            self.last_text = Some(Instant::now());
            *self.amount.more.lock().unwrap_or_else(PoisonError::into_inner) = more();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.shower.take() {
            drop(sender);
            let _a_panic_has_been_printed = thread.join();
        }
    }
}

/// Waits. Returns false at the end of the work.
fn continues(ended: &Receiver<()>, time: Duration) -> bool {
    ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}

impl Amount {
    /// Prints a line now and then until the work has ended.
    fn print(&self, ended: &Receiver<()>) {
        let mut time = QUICK;
        while continues(ended, time) {
            time = LINES;
            // Progress that cannot be written is no reason to stop.
            let _ = writeln!(stderr(), "{}", self.line());
        }
    }

    /// Draws a bar until the work has ended. Text that does not fit the terminal is cut off.
    fn draw(&self, ended: &Receiver<()>) {
        if !continues(ended, QUICK) {
            return;
        }
        let template = match self.total {
            Some(_) => "[{bar:20}] {wide_msg}",
            None => "{spinner} {wide_msg}",
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
        let bar = ProgressBar::with_draw_target(self.total, ProgressDrawTarget::stderr()).with_style(style);
        loop {
            bar.set_message(self.line());
            bar.set_position(self.done.load(Ordering::Relaxed));
            if !continues(ended, CHANGES) {
                break;
            }
        }
        bar.finish_and_clear();
    }

    /// Returns the progress in words.
    fn line(&self) -> String {
        let Self { step, unit, total, done, more } = self;
        let Some(unit) = unit else { return (*step).to_owned() };
        let done = done.load(Ordering::Relaxed);
        let of_all = match *total {
            Some(total) if total > 0 => {
                let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
                format!("{} of {} {unit}, {percent} %", thousands(done), thousands(total))
            }
            _ => format!("{} {unit}", thousands(done)),
        };
        format!("{step}: {of_all}{}", more.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let line = |mut progress: Progress, done, more: &str| {
            progress.update_with(done, || more.to_owned());
            // Nothing is noted of a hidden progress but the amount.
            assert_eq!(progress.amount.more.lock().expect("no panic").as_str(), "");
            *progress.amount.more.lock().expect("no panic") = more.to_owned();
            progress.amount.line()
        };
        let replaying = Progress::counted("replaying", "deliveries", Some(5000), false);
        assert_eq!(line(replaying, 1250, ""), "replaying: 1,250 of 5,000 deliveries, 25 %");
        let ordering = Progress::counted("ordering", "deliveries", Some(2), false);
        assert_eq!(line(ordering, 1, ", lag 7"), "ordering: 1 of 2 deliveries, 50 %, lag 7");
        assert_eq!(line(Progress::counted("reading", "commits", None, false), 7, ""), "reading: 7 commits");
        assert_eq!(line(Progress::new("reading the trace", false), 0, ""), "reading the trace");
    }
}
