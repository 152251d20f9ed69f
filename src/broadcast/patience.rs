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
const CALM: u32 = 1024;

#[derive(Debug)]
pub(super) struct Patience {
    /// Longer than a write may take.
    least_ms: u64,
    most_ms: u64,
    /// How long the next hole is waited for.
    timeout_ms: u64,
    /// Slots since the last fill, or since the time was last halved.
    calm: u32,
    wait: Option<Wait>,
}

/// The wait for a range of holes.
#[derive(Clone, Copy, Debug)]
struct Wait {
    first: u64,
    /// Claimed when the wait began.
    up_to: u64,
    over_at: u64,
}

impl Patience {
    /// At least twice as long as a write may take.
    pub(super) fn new(write_timeout_ms: u64, most_ms: u64) -> Self {
        let least_ms = write_timeout_ms.saturating_mul(2).max(1);
        Self { least_ms, most_ms: most_ms.max(least_ms), timeout_ms: least_ms, calm: 0, wait: None }
    }

    /// The slot is a hole, and all up to `claimed` are claimed: begins to wait, unless it was waited for with an earlier
    /// one.
    pub(super) fn begin(&mut self, slot: u64, claimed: u64, now_ms: u64) {
        if self.over_at(slot).is_none() {
            let over_at = now_ms.saturating_add(self.timeout_ms);
            self.wait = Some(Wait { first: slot, up_to: claimed, over_at });
        }
    }

    /// When the wait for this hole is over, if it has begun.
    pub(super) fn over_at(&self, slot: u64) -> Option<u64> {
        self.wait.filter(|wait| slot <= wait.up_to).map(|wait| wait.over_at)
    }

    /// Begins anew, at another place.
    pub(super) fn forget(&mut self) {
        self.wait = None;
    }

    /// A slot was passed that holds more than a fill.
    #[inline]
    pub(super) fn note_entry(&mut self) {
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 0;
            self.timeout_ms = (self.timeout_ms / 2).max(self.least_ms);
        }
    }

    /// A fill was passed. A range that was waited for once counts once, and so does one that came as fills already.
    pub(super) fn note_fill(&mut self, slot: u64) {
        if self.calm > 0 || self.wait.is_some_and(|wait| wait.first == slot) {
            self.timeout_ms = self.timeout_ms.saturating_mul(2).min(self.most_ms);
        }
        self.calm = 0;
    }

    pub(super) fn internal_validate(&self, claimed: u64) -> Result<(), &'static str> {
        if self.timeout_ms < self.least_ms {
            Err("S3: a fill waits longer than a write may take")
        } else if self.wait.is_some_and(|wait| wait.up_to > claimed) {
            Err("S2: only claimed slots are waited for")
        } else {
            Ok(())
        }
    }
}
