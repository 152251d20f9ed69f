//! The state of the log, as its answers have shown it.

use crate::broadcast::{MAX_SLOT, SubscribeError};

/// The state of the log, as its answers have shown it.
///
/// ```text
///            ┌──────────── conflict ──────────► Halted(slot) ──┐
///            │                                   │      ▲      │ conflict in a lower slot
///   Sound ───┤                       roll-back   │      └──────┘
///     ▲      │                                   ▼
///     │      └──────────── roll-back ─────────► RolledBack(slot)
///     └─────────────────── install ──────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is wrong. Entries are accepted up to the last slot that there is.
    Sound,
    /// Two contents were seen in this slot. No entry is accepted from there on.
    Halted { slot: u64 },
    /// The log has lost what was passed in this slot. No entry is accepted.
    RolledBack { slot: u64 },
}

impl Standing {
    /// Returns the first slot whose entry is not accepted.
    pub(super) fn end(self) -> u64 {
        match self {
            Self::Sound => MAX_SLOT + 1,
            Self::Halted { slot } => slot,
            Self::RolledBack { .. } => 0,
        }
    }

    /// Returns the reason why no entry of `slot` is accepted, which is not below the end.
    pub(super) fn error<I, P>(self, slot: u64) -> SubscribeError<I, P> {
        match self {
            Self::Sound => SubscribeError::Halted { slot },
            Self::Halted { slot } => SubscribeError::Halted { slot },
            Self::RolledBack { slot } => SubscribeError::RolledBack { slot },
        }
    }
}
