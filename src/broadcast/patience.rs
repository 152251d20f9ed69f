//! How long holes are waited for.
//!
//! ```text
//!   slot      6    7    8    9   10   11   12
//!             ─  (a,3)  ─    ─  (c,1)  ─  (b,2)
//!             └─ the wait begins: up to 12 all is claimed ─┘
//!                when it is over, 6, 8, 9 and 11 have been waited for
//! ```
//!
//! The time grows with every wait that ends in a fill, whoever filled: who fills most eagerly decides how long a slow sender
//! has. It falls when there was no fill for long.

/// After so many slots without a fill, the time is halved.
const CALM: u64 = 1024;

#[derive(Debug)]
pub(super) struct Patience {
    /// Longer than a write may take.
    least_ms: u64,
    most_ms: u64,
    /// How long a hole is waited for, just after `fill`.
    timeout_ms: u64,
    /// The last slot that was passed as a fill, or where all began.
    fill: u64,
    wait: Option<Wait>,
}

/// The wait for a range of holes.
#[derive(Clone, Copy, Debug)]
struct Wait {
    first: u64,
    /// Claimed when the wait began.
    up_to: u64,
    left_ms: u64,
}

impl Patience {
    /// At least twice as long as a write may take.
    pub(super) fn new(first: u64, write_timeout_ms: u64, most_ms: u64) -> Self {
        let least_ms = write_timeout_ms.saturating_mul(2).max(1);
        Self { least_ms, most_ms: most_ms.max(least_ms), timeout_ms: least_ms, fill: first - 1, wait: None }
    }

    /// How long this slot is waited for, if it is the next one.
    fn timeout_ms(&self, slot: u64) -> u64 {
        // No underflow: what comes next is above what was passed.
        let halved = u32::try_from((slot - 1 - self.fill) / CALM).unwrap_or(u32::MAX);
        self.timeout_ms.checked_shr(halved).unwrap_or(0).max(self.least_ms)
    }

    /// The slot is a hole, and all up to `claimed` are claimed: begins to wait, unless it was waited for with an earlier
    /// one.
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

    /// How long this hole is still waited for, if that has begun.
    pub(super) fn left_ms(&self, slot: u64) -> Option<u64> {
        self.wait.filter(|wait| slot <= wait.up_to).map(|wait| wait.left_ms)
    }

    /// Begins anew, at another place, ahead.
    pub(super) fn skip_to(&mut self, slot: u64) {
        (self.timeout_ms, self.fill, self.wait) = (self.timeout_ms(slot), slot - 1, None);
    }

    /// A fill was passed. A range that was waited for once counts once, and so does one that came as fills already.
    pub(super) fn note_fill(&mut self, slot: u64) {
        self.timeout_ms = self.timeout_ms(slot);
        if slot - 1 > self.fill || self.wait.is_some_and(|wait| wait.first == slot) {
            self.timeout_ms = self.timeout_ms.saturating_mul(2).min(self.most_ms);
        }
        self.fill = slot;
    }

    pub(super) fn internal_validate(&self, claimed: u64) -> Result<(), &'static str> {
        if self.timeout_ms < self.least_ms {
            Err("SB3: a fill waits longer than a write may take")
        } else if self.wait.is_some_and(|wait| wait.up_to > claimed) {
            Err("SB2: only claimed slots are waited for")
        } else {
            Ok(())
        }
    }
}
