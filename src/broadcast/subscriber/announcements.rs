//! Announcements: entries that publishers announce, and the counter's current number.

use super::Subscriber;
use super::standing::Standing;
use super::window::{Held, Inserted};
use crate::broadcast::{Content, Entry, MAX_SLOT, SubscribeError};
use crate::node::NodeId;

/// The result of accepting an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The entry is in the window, or its slot is passed.
    Done,
    /// There is no room for the entry, and it must be read again.
    Dropped,
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Hands in an entry that is in `slot`: announced by its publisher after it was written, or read by the owner.
    /// O(1); if the slot's entry is here already, the two are compared, in O(payloads).
    ///
    /// An entry beyond the window, in slots or in bytes, is dropped and read from the log at its turn. So is an entry
    /// of another epoch than the last delivery: the log may have been restored before that epoch began, and only a read
    /// can tell.
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

    /// Does the same as `handle_entry` for an entry of another epoch, or without an empty place.
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

    /// Does the same as `handle_entry`, whatever the epoch.
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

    /// Returns the empty place for an entry with payloads, and its bytes, which are counted already. `None` if there is
    /// more to do.
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

    /// Does the same as `accept` for an entry without a place yet, without any place, or without a payload.
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

    /// Hands in the counter's current number: every slot up to it counts as claimed, and an empty one is waited for.
    /// O(1).
    ///
    /// Use it for reads that must see every message numbered before they began, and to repair holes at the end of the
    /// log. The number must come from the counter of this log.
    pub fn observe_current(&mut self, current: u64) {
        self.claims.note_current(current.min(MAX_SLOT));
    }
}
