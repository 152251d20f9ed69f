//! The outstanding entry, and its stage.

use core::num::NonZeroU64;

use super::config::{LogKind, PublisherConfig};
use super::request::Abandoned;
use crate::broadcast::Entry;

/// The entry that is being published.
#[derive(Debug)]
pub(super) struct Outstanding<I, P> {
    pub(super) entry: Entry<I, P>,
    pub(super) stage: Stage,
    /// The number of answers to a write or an append that have settled nothing.
    pub(super) lost: u32,
    /// The number of times in a row that the counter was below the tail.
    pub(super) behind: u32,
}

/// The stage of an entry; the picture is on [`Publisher`].
///
/// `sent` counts how often the entry was sent to this place. From the second time on, an earlier request may have been
/// carried out. At the first time the log cannot hold the entry yet; if it does, another publisher of the name has
/// written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The entry is in no slot, and needs a new number.
    Numbers { n: NonZeroU64 },
    /// The entry is in this slot, or in none.
    Write { slot: u64, sent: u32 },
    /// The entry may be appended, or not.
    Append { sent: u32 },
    /// The epoch of the entry is over. Over slots, it is in no slot, and no request for it is open.
    Sealed { epoch: u64, sent: u32 },
}

pub(super) const ONE: Stage = Stage::Numbers { n: NonZeroU64::MIN };

impl<I, P> Outstanding<I, P> {
    pub(super) const fn new(entry: Entry<I, P>, log: LogKind) -> Self {
        let stage = match log {
            LogKind::Slots => ONE,
            LogKind::Appends => Stage::Append { sent: 0 },
        };
        Self { entry, stage, lost: 0, behind: 0 }
    }

    /// Makes an entry that may have been sent, and answered, in an earlier life.
    pub(super) fn resume(entry: Entry<I, P>, slot: Option<u64>, log: LogKind) -> Self {
        let stage = match log {
            LogKind::Slots => slot.map_or(ONE, |slot| Stage::Write { slot, sent: 2 }),
            LogKind::Appends => Stage::Append { sent: 2 },
        };
        Self { entry, stage, lost: 0, behind: 0 }
    }

    /// The slot that may hold it, over slots.
    pub(super) fn slot(&self) -> Option<u64> {
        if let Stage::Write { slot, .. } = self.stage { Some(slot) } else { None }
    }

    pub(super) fn abandon(self) -> Abandoned<I, P> {
        let (slot, Self { entry, stage, .. }) = (self.slot(), self);
        match stage {
            Stage::Write { sent: 1.., .. } | Stage::Append { sent: 1.. } | Stage::Sealed { sent: 1.., .. } => {
                Abandoned::Unknown { entry, slot }
            }
            Stage::Numbers { .. } | Stage::Write { .. } | Stage::Append { .. } | Stage::Sealed { .. } => {
                Abandoned::NotStored { entry }
            }
        }
    }

    /// Counts an answer that has settled nothing; returns their number once it exceeds `attempts`.
    pub(super) fn lose(&mut self, attempts: u32) -> Option<u32> {
        if self.lost >= attempts {
            return Some(self.lost.saturating_add(1));
        }
        self.lost += 1;
        None
    }

    pub(super) fn internal_validate(&self, entered: u64, config: PublisherConfig) -> Result<(), &'static str> {
        let &Self { stage, lost, behind, .. } = self;
        if lost.max(behind) > config.attempts {
            return Err("PB5: attempts are bounded");
        }
        match (config.log, stage) {
            (LogKind::Slots, Stage::Append { .. }) => Err("PB7: nothing is appended over slots"),
            (LogKind::Appends, Stage::Numbers { .. } | Stage::Write { .. }) => {
                Err("PB7: no number is taken and no slot is written over appends")
            }
            (LogKind::Slots, Stage::Sealed { sent: 1.., .. }) => Err("PB3: the last slot is left for good"),
            (_, Stage::Write { slot: 0, .. }) => Err("PB4: slots begin at 1"),
            (_, Stage::Sealed { epoch, .. }) if epoch <= entered => Err("PB6: it waits only for a later epoch"),
            (_, Stage::Numbers { .. } | Stage::Write { .. } | Stage::Append { .. } | Stage::Sealed { .. }) => {
                Ok(())
            }
        }
    }
}
