//! Time that has passed, and pauses that grow.

use super::config::EndpointConfig;

/// The time that has passed, by what the owner has told.
///
/// A clock that goes back only loses what would have been the next step: deadlines are reached by time that passes,
/// not by a time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stopwatch {
    /// The last time that the owner has named, by its own clock.
    last_ms: u64,
    elapsed_ms: u64,
    started: bool,
}

/// The longest step, 34 years, so that no clock brings the time that has passed to its end.
const MAX_STEP_MS: u64 = 1 << 40;

impl Stopwatch {
    pub(super) fn advance(&mut self, now_ms: u64) {
        if self.started {
            let step = now_ms.saturating_sub(self.last_ms).min(MAX_STEP_MS);
            self.elapsed_ms = self.elapsed_ms.saturating_add(step);
        }
        self.last_ms = now_ms;
        self.started = true;
    }

    /// Returns the deadline that is reached when `after_ms` more milliseconds have passed.
    pub(super) fn after(&self, after_ms: u64) -> u64 {
        self.elapsed_ms.saturating_add(after_ms)
    }

    pub(super) fn is_due(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.elapsed_ms
    }

    /// Returns a deadline by the owner's clock.
    pub(super) fn owners_time(&self, deadline_ms: u64) -> u64 {
        self.last_ms.saturating_add(deadline_ms.saturating_sub(self.elapsed_ms))
    }
}

/// A pause that doubles each time it ends without an answer, from the configured first one to the longest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    /// Returns how long to wait for an answer, at least 1 ms.
    pub(super) fn wait(self, config: &EndpointConfig) -> u64 {
        let doubled = config.retry_ms.max(1).saturating_mul(1 << self.0.min(32));
        doubled.min(config.retry_max_ms.max(config.retry_ms).max(1))
    }

    /// Notes that another wait has begun.
    pub(super) fn grow(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// Returns whether more than one wait has begun since there was an answer.
    pub(super) fn is_backing_off(self) -> bool {
        self.0 > 1
    }
}
