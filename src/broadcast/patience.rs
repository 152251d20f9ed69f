//! The time that a subscriber waits for holes.
//!
//! ```text
//!   slot      6    7    8    9   10   11   12
//!             ─  (a,3)  ─    ─  (c,1)  ─  (b,2)
//!             └─ the wait begins: up to 12 all is claimed ─┘
//!                when it is over, 6, 8, 9 and 11 have been waited for
//! ```
//!
//! The time grows with every wait that ends in a fill, by this subscriber or another: the most impatient one decides
//! how much time a slow publisher has. It is halved after every 1,024 slots without a fill.
//!
//! # Invariants
//!
//! - PT1: a fill waits longer than a write may take.
//! - PT2: only claimed slots are waited for.

/// The number of slots without a fill after which the time is halved.
const CALM: u64 = 1024;

#[derive(Debug)]
pub(super) struct Patience {
    /// Longer than a write may take.
    least_ms: u64,
    most_ms: u64,
    /// The wait for a hole just after `fill`.
    timeout_ms: u64,
    /// The last slot that was passed as a fill, or the slot before the first.
    fill: u64,
    wait: Option<Wait>,
}

/// The wait for a range of holes.
#[derive(Clone, Copy, Debug)]
struct Wait {
    first: u64,
    /// The highest slot that was claimed when the wait began.
    up_to: u64,
    left_ms: u64,
}

impl Patience {
    /// Makes the times; the shortest is at least twice as long as a write may take.
    pub(super) fn new(first: u64, write_timeout_ms: u64, most_ms: u64) -> Self {
        let least_ms = write_timeout_ms.saturating_mul(2).max(1);
        Self { least_ms, most_ms: most_ms.max(least_ms), timeout_ms: least_ms, fill: first - 1, wait: None }
    }

    /// Returns how long to wait for `slot`, which must be the next one.
    fn timeout_ms(&self, slot: u64) -> u64 {
        // No underflow: the next slot is above every passed one.
        let halved = u32::try_from((slot - 1 - self.fill) / CALM).unwrap_or(u32::MAX);
        self.timeout_ms.checked_shr(halved).unwrap_or(0).max(self.least_ms)
    }

    /// Begins the wait for `slot`, which is a hole, and for all holes up to `claimed`. Does nothing if an earlier wait
    /// includes it.
    pub(super) fn begin(&mut self, slot: u64, claimed: u64) {
        if self.left_ms(slot).is_none() {
            self.wait = Some(Wait { first: slot, up_to: claimed, left_ms: self.timeout_ms(slot) });
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, passed_ms: u64) {
        if let Some(wait) = &mut self.wait {
            wait.left_ms = wait.left_ms.saturating_sub(passed_ms);
        }
    }

    /// Returns the time left of the wait for this hole, if it has begun.
    pub(super) fn left_ms(&self, slot: u64) -> Option<u64> {
        self.wait.filter(|wait| slot <= wait.up_to).map(|wait| wait.left_ms)
    }

    /// Begins anew at a later slot.
    pub(super) fn skip_to(&mut self, slot: u64) {
        (self.timeout_ms, self.fill, self.wait) = (self.timeout_ms(slot), slot - 1, None);
    }

    /// Notes that a fill was passed. A range of holes that shared one wait counts once, and so does a range that others
    /// had filled before.
    pub(super) fn note_fill(&mut self, slot: u64) {
        self.timeout_ms = self.timeout_ms(slot);
        if slot - 1 > self.fill || self.wait.is_some_and(|wait| wait.first == slot) {
            self.timeout_ms = self.timeout_ms.saturating_mul(2).min(self.most_ms);
        }
        self.fill = slot;
    }

    pub(super) fn internal_validate(&self, claimed: u64) -> Result<(), &'static str> {
        if self.timeout_ms < self.least_ms {
            Err("PT1: a fill waits longer than a write may take")
        } else if self.wait.is_some_and(|wait| wait.up_to > claimed) {
            Err("PT2: only claimed slots are waited for")
        } else {
            Ok(())
        }
    }
}
