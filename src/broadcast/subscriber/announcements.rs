//! Announcements: entries that publishers tell of, and the counter's current number.

use super::Subscriber;
use super::standing::Standing;
use super::window::{Held, Inserted};
use crate::broadcast::{Content, Entry, MAX_SLOT, SubscribeError};
use crate::node::NodeId;

/// The result of accepting an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It is in the window, or its slot is passed.
    Done,
    /// There is no room for it, and it has to be read again.
    Dropped,
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Hands in that the entry stands in `slot`, as its publisher has announced after it was written, or as a read of the
    /// owner's has shown. O(1); a slot whose entry is here already is compared, in O(payloads).
    ///
    /// Beyond the window, in slots or in bytes, the entry is dropped, to be read from the log when it is its turn. So is an
    /// entry of another epoch than what was delivered last: an epoch begins where a log was restored, and only a read can
    /// tell.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::Conflict`], [`Halted`](SubscribeError::Halted), [`RolledBack`](SubscribeError::RolledBack), or
    /// [`Jump`](SubscribeError::Jump) if there is no such slot. The entry is not accepted.
    #[inline]
    pub fn handle_entry(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if entry.epoch() == self.epoch {
            self.announced = true;
            if let Some((place, bytes)) = self.place(slot, &entry) {
                *place = Some(Held { entry, bytes });
                return Ok(());
            }
        }
        self.announce_elsewhere(slot, entry)
    }

    /// As `handle_entry`, where the entry is of another epoch, or there is no empty place for it.
    #[cold]
    fn announce_elsewhere(&mut self, slot: u64, entry: Entry<I, P>) -> Result<(), SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        let next = self.window.next();
        if entry.epoch() != self.epoch && (next..=MAX_SLOT).contains(&slot) && next < self.standing.end() {
            self.claims.note_dropped(slot);
            return Ok(());
        }
        self.accept_elsewhere(slot, entry).map(drop)
    }

    /// As `handle_entry`, whatever the epoch.
    pub(super) fn accept(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Accepted, SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        if let Some((place, bytes)) = self.place(slot, &entry) {
            *place = Some(Held { entry, bytes });
            return Ok(Accepted::Done);
        }
        self.accept_elsewhere(slot, entry)
    }

    /// The empty place of an entry with payloads, which is kept there, and its bytes; `None` where there is more to do.
    #[inline]
    fn place(&mut self, slot: u64, entry: &Entry<I, P>) -> Option<(&mut Option<Held<I, P>>, usize)> {
        let Content::Messages { payloads, .. } = entry.content() else { return None };
        if self.standing != Standing::Sound || slot > MAX_SLOT {
            return None;
        }
        let place = self.window.place(slot, payloads)?;
        self.claims.note_kept(slot);
        Some(place)
    }

    /// As `accept`, where there is no place for the entry yet, or none at all, or where the entry has no payload.
    #[cold]
    fn accept_elsewhere(&mut self, slot: u64, entry: Entry<I, P>) -> Result<Accepted, SubscribeError<I, P>>
    where
        P: PartialEq + Clone,
    {
        let next = self.window.next();
        match self.standing {
            Standing::RolledBack { .. } => return Err(self.standing.error(slot)),
            Standing::Sound | Standing::Halted { .. } if slot < next => return Ok(Accepted::Done),
            Standing::Sound | Standing::Halted { .. } if slot > MAX_SLOT => {
                return Err(SubscribeError::Jump { next, slot });
            }
            Standing::Halted { slot: end } if slot >= end => return Err(self.standing.error(slot)),
            Standing::Sound | Standing::Halted { .. } => {}
        }
        let skipped = if let Content::Skip { slot, .. } = entry.content() { Some(*slot) } else { None };
        let accepted = match self.window.insert(slot, entry) {
            Inserted::Kept => {
                self.claims.note_kept(slot);
                Accepted::Done
            }
            Inserted::Dropped => {
                self.claims.note_dropped(slot);
                Accepted::Dropped
            }
            Inserted::Conflict { first, second } => {
                self.standing = Standing::Halted { slot };
                return Err(SubscribeError::Conflict { slot, first, second });
            }
        };
        if let Some(skipped) = skipped {
            self.search.note_skip(slot, skipped);
        }
        Ok(accepted)
    }

    /// Hands in the counter's current number: every slot up to there is claimed, and waited for if it is empty. O(1).
    ///
    /// For reads that must see everything numbered before they began, and to repair holes that nothing follows. The number
    /// must come from the counter of this log.
    pub fn observe_current(&mut self, current: u64) {
        self.claims.note_current(current.min(MAX_SLOT));
    }
}
