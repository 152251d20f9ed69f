//! Times: the turn to make a request, and the time of the next read.
//!
//! ```text
//!       ┌───────────────── answer ────────────────┐
//!       ▼                                         │
//!     Free ───────────── request ───────────────► Out ───┐
//!       ▲                                                │ failure, refused answer,
//!       └── time, answer ── Paused ◄─────────────────────┘ no answer in time
//! ```
//!
//! All times are remaining waits, so setting the clock back loses only its next step.

/// The number of requests without a pause, while no time and no slot passes.
const BURST: u32 = 64;

/// The number of refused fills in a row, while no time passes.
const REFUSALS: u32 = 8;

/// The state of the exchange with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// A request may be made.
    Free,
    /// A request was made, and its answer is awaited. When no time is left, the answer is taken as lost.
    Out { left_ms: u64 },
    /// No request is made during this time: one has failed, or there were many.
    Paused { left_ms: u64 },
}

/// The times of a subscriber, and the limits to its requests while no time passes.
#[derive(Debug)]
pub(super) struct Turns {
    turn: Turn,
    /// The time until the log is read again while nothing is known of the next slot.
    read_ms: u64,
    /// The last time of the owner's clock; `None` before the first.
    last_ms: Option<u64>,
    /// The number of requests since time has passed, or since the next slot has changed.
    requests: u32,
    /// The next slot at the time of the last request.
    requested: u64,
    /// The number of fills in a row that were refused for their epoch while no time has passed.
    refusals: u32,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { turn: Turn::Free, read_ms: 0, last_ms: None, requests: 0, requested: 0, refusals: 0 }
    }

    /// Advances the waits by the time that has passed on the owner's clock, and returns that time.
    pub(super) fn advance(&mut self, now_ms: u64) -> u64 {
        let passed_ms = self.last_ms.map_or(0, |last_ms| now_ms.saturating_sub(last_ms));
        self.last_ms = Some(now_ms);
        if passed_ms > 0 {
            self.read_ms = self.read_ms.saturating_sub(passed_ms);
            self.turn = match self.turn {
                Turn::Out { left_ms } => Turn::Out { left_ms: left_ms.saturating_sub(passed_ms) },
                Turn::Paused { left_ms } if left_ms > passed_ms => {
                    Turn::Paused { left_ms: left_ms - passed_ms }
                }
                Turn::Free | Turn::Paused { .. } => Turn::Free,
            };
            (self.requests, self.refusals) = (0, 0);
        }
        passed_ms
    }

    /// Returns whether an answer is overdue.
    pub(super) fn is_overdue(&self) -> bool {
        self.turn == Turn::Out { left_ms: 0 }
    }

    /// Returns whether a request may be made while `next` is the next slot. Begins a pause of `pause_ms` if there were
    /// too many requests.
    pub(super) fn is_free(&mut self, next: u64, pause_ms: u64) -> bool {
        if self.turn != Turn::Free {
            return false;
        }
        if self.requested != next {
            (self.requested, self.requests) = (next, 0);
        } else if self.requests >= BURST {
            self.requests = 0;
            self.pause(pause_ms);
            return false;
        }
        true
    }

    /// Notes that a request is made. Its answer may take up to `answer_ms`, at least 1.
    pub(super) fn begin(&mut self, answer_ms: u64) {
        self.requests += 1; // up to a limit
        self.turn = Turn::Out { left_ms: answer_ms.max(1) };
    }

    /// Notes that an answer has come.
    pub(super) fn end(&mut self) {
        self.turn = Turn::Free;
    }

    /// Begins a pause of `pause_ms`, at least 1, even if a request is out.
    pub(super) fn pause(&mut self, pause_ms: u64) {
        self.turn = Turn::Paused { left_ms: pause_ms.max(1) };
    }

    /// Lets the log be read at once, even if nothing is known of the next slot.
    pub(super) fn read_now(&mut self) {
        self.read_ms = 0;
    }

    /// Lets the log be read after `pause_ms`, at least 1, if nothing is known of the next slot.
    pub(super) fn read_later(&mut self, pause_ms: u64) {
        self.read_ms = pause_ms.max(1);
    }

    /// Counts a fill that was refused for its epoch; returns whether there were too many in a row.
    pub(super) fn refuse(&mut self) -> bool {
        self.refusals += 1; // up to a limit
        let is_over = self.refusals > REFUSALS;
        if is_over {
            self.refusals = 0;
        }
        is_over
    }

    /// Notes that a slot is filled or passed.
    pub(super) fn note_progress(&mut self) {
        self.refusals = 0;
    }

    /// Returns whether an answer is awaited.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.turn, Turn::Out { .. })
    }

    /// Returns the time until the log is read if nothing is known of the next slot.
    pub(super) fn read_ms(&self) -> u64 {
        self.read_ms
    }

    /// Returns the time, by the owner's clock, when `left_ms` have passed and no request is out or paused.
    pub(super) fn at(&self, left_ms: u64) -> u64 {
        let turn_ms = match self.turn {
            Turn::Free => 0,
            Turn::Out { left_ms } | Turn::Paused { left_ms } => left_ms,
        };
        self.last_ms.unwrap_or(0).saturating_add(left_ms.max(turn_ms))
    }
}
