//! The slots from the next one on, by their known state.
//!
//! ```text
//!   next         covered            unread              claimed
//!   ───┼────────────┼──────────────────┼───────────────────┼──────────────────────────
//!      │   holes    │    to be read    │  to be announced  │  nothing is known of them
//! ```
//!
//! The picture is for slots that are not in the window. The marks may coincide, or be below the next slot.

/// Three marks: the highest slots that are known to be claimed, possibly unread, and known to be empty.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The highest slot that is known to be claimed.
    claimed: u64,
    /// The highest slot that may hold an entry that nobody announces again.
    unread: u64,
    /// The slot up to which reads have shown all slots outside the window to be empty. It is not above `claimed`,
    /// unless it is below the next slot.
    covered: u64,
}

impl Claims {
    /// Returns the highest slot that is known to be claimed.
    pub(super) fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Returns whether `slot` is claimed, and a read has left it out.
    pub(super) fn is_hole(&self, slot: u64) -> bool {
        slot <= self.covered
    }

    /// Returns whether `slot` may hold an entry that nobody announces again.
    pub(super) fn is_unread(&self, slot: u64) -> bool {
        self.covered < slot && slot <= self.unread
    }

    /// Notes that the entry in `slot` is in the window.
    #[inline]
    pub(super) fn note_kept(&mut self, slot: u64) {
        self.claimed = self.claimed.max(slot);
    }

    /// Notes that the entry in `slot` was dropped, and must be read.
    pub(super) fn note_dropped(&mut self, slot: u64) {
        self.note_current(slot);
        self.covered = self.covered.min(slot - 1); // not below the next slot
    }

    /// Notes that all slots up to `current` are claimed.
    pub(super) fn note_current(&mut self, current: u64) {
        self.claimed = self.claimed.max(current);
        self.unread = self.unread.max(current);
    }

    /// Notes that everything from `next` on was dropped, and must be read.
    pub(super) fn drop_all(&mut self, next: u64) {
        self.unread = self.unread.max(self.claimed);
        self.uncover(next);
    }

    /// Notes that a read has shown everything up to `slot`.
    pub(super) fn cover(&mut self, slot: u64) {
        self.covered = self.covered.max(slot);
    }

    /// Notes that `next` and the slots after it must be read before they are filled.
    pub(super) fn uncover(&mut self, next: u64) {
        self.covered = next - 1; // slots begin at 1
    }

    pub(super) fn internal_validate(&self, next: u64) -> Result<(), &'static str> {
        if self.covered > self.claimed && self.covered >= next {
            return Err("SB2: only claimed slots are covered");
        }
        Ok(())
    }
}
