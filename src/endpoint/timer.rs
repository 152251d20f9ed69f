//! Elapsed time, and pauses that grow.

use super::config::EndpointConfig;

/// A stopwatch that advances by the times that the owner passes in.
///
/// Deadlines are reached by elapsed time, not by a time of day. So a clock that goes back only loses one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stopwatch {
    /// The last time that the owner passed in, by the owner's clock.
    last_ms: u64,
    elapsed_ms: u64,
    started: bool,
}

/// The longest step, 34 years, so that no clock makes the elapsed time overflow.
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

    /// Returns the deadline `after_ms` milliseconds from now.
    pub(super) fn after(&self, after_ms: u64) -> u64 {
        self.elapsed_ms.saturating_add(after_ms)
    }

    /// Returns the time left to a deadline, 0 if it is due.
    pub(super) fn left(&self, deadline_ms: u64) -> u64 {
        deadline_ms.saturating_sub(self.elapsed_ms)
    }

    /// Returns the last time that the owner passed in; `None` if there was none.
    pub(super) fn last(&self) -> Option<u64> {
        self.started.then_some(self.last_ms)
    }

    pub(super) fn is_due(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.elapsed_ms
    }

    /// Converts a deadline to the owner's clock.
    pub(super) fn owners_time(&self, deadline_ms: u64) -> u64 {
        self.last_ms.saturating_add(self.left(deadline_ms))
    }
}

/// A pause that doubles each time it ends without an answer, from the configured first one to the longest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff(u32);

impl BackOff {
    /// Returns the time to wait for an answer, at least 1 ms.
    pub(super) fn wait(self, config: &EndpointConfig) -> u64 {
        let doubled = config.retry_ms.max(1).saturating_mul(1 << self.0.min(32));
        doubled.min(config.retry_max_ms.max(config.retry_ms).max(1))
    }

    /// Notes that another wait has begun.
    pub(super) fn grow(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// Returns whether more than one wait has begun since the last answer.
    pub(super) fn is_backing_off(self) -> bool {
        self.0 > 1
    }

    /// Returns all that later waits depend on. Once a pause is the longest, its number does not count.
    pub(super) fn content(self, config: &EndpointConfig) -> (u32, u64) {
        (self.0.min(2), self.wait(config))
    }
}
