//! Time-outs of machines that are told the time by their owner.

/// The time that has passed, as far as the owner has told it.
///
/// A clock that goes back only loses what would have been the next step: deadlines are reached by time that passes,
/// not by a time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The last time that the owner has named, by its own clock.
    last_ms: u64,
    elapsed_ms: u64,
    started: bool,
}

/// The longest step, 34 years, so that no clock brings the time that has passed to its end.
const MAX_STEP_MS: u64 = 1 << 40;

impl Clock {
    pub(crate) fn advance(&mut self, now_ms: u64) {
        if self.started {
            let step = now_ms.saturating_sub(self.last_ms).min(MAX_STEP_MS);
            self.elapsed_ms = self.elapsed_ms.saturating_add(step);
        }
        self.last_ms = now_ms;
        self.started = true;
    }

    /// When `after_ms` milliseconds have passed from now.
    pub(crate) fn after(&self, after_ms: u64) -> u64 {
        self.elapsed_ms.saturating_add(after_ms)
    }

    pub(crate) fn is_due(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.elapsed_ms
    }

    /// Returns a deadline by the owner's clock.
    pub(crate) fn owners_time(&self, deadline_ms: u64) -> u64 {
        self.last_ms.saturating_add(deadline_ms.saturating_sub(self.elapsed_ms))
    }
}
