//! The slot to deliver next: its state, and the obstacle to its delivery.

use super::Subscriber;
use crate::broadcast::{Content, Entry, SubscribeError};
use crate::node::NodeId;

/// The state of the slot to deliver next.
///
/// ```text
///                   entry
///      ┌──────────────────────────────────► Ready ── delivered or passed ──► the state of the slot after it
///      │                                    ▲    ▲
///      │              entry read, or filled │    │ Skip found, or the slot can be read
///   Unknown ── left out by a read ──► Hole ─┘    │
///    │  ▲        and claimed            │      Stuck ◄── entry that cannot be passed
///    │  └────── failure, seal ──────────┤
///    │                                  │
///    └─ entry dropped ──► Unread ◄──────┘          Over: the log is halted here, or was rolled back
/// ```
///
/// | state | action |
/// |---|---|
/// | `Ready` | nothing: the owner takes the delivery |
/// | `Stuck` | searches the log for a `Skip` of the slot |
/// | `Over` | nothing, until an `install` |
/// | `Unread` | reads at once |
/// | `Unknown` | reads now and then |
/// | `Hole` | fills it when no time is left; reads it now and then, because its publisher may only be slow |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextSlot {
    /// A part of the last entry is still to be delivered, or the next entry is here and can be passed.
    Ready,
    /// The entry is here, and cannot be passed.
    Stuck,
    /// No entry of the slot is accepted.
    Over,
    /// The slot may hold an entry that nobody announces again.
    Unread,
    /// Nothing is known of the slot, or its wait has not begun.
    Unknown,
    /// The slot is claimed, and a read has left it out. It is filled once no time is left.
    Hole { left_ms: u64 },
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Returns the state of the next slot. O(log skips) if the slot holds a `Skip`, otherwise O(1).
    pub(super) fn next_slot(&self) -> NextSlot {
        let slot = self.window.next();
        if self.begun.is_some() {
            return NextSlot::Ready;
        }
        match self.window.front() {
            Some(entry) if self.is_passable(slot, entry) => return NextSlot::Ready,
            Some(_) => return NextSlot::Stuck,
            None if slot >= self.standing.end() => return NextSlot::Over,
            None => {}
        }
        match self.patience.left_ms(slot) {
            Some(left_ms) if self.claims.is_hole(slot) => NextSlot::Hole { left_ms },
            _ if self.claims.is_unread(slot) => NextSlot::Unread,
            _ => NextSlot::Unknown,
        }
    }

    /// Returns whether `entry`, in the next slot, can be passed.
    pub(super) fn is_passable(&self, slot: u64, entry: &Entry<I, P>) -> bool {
        match entry.content() {
            Content::Unreadable(_) => self.search.has_found(slot),
            &Content::Skip { slot: skipped, .. } => {
                !(1..slot).contains(&skipped) || self.skipped.contains(skipped) || self.search.has_found(slot)
            }
            Content::Messages { .. } | Content::Marker { .. } | Content::Fill | Content::Retire { .. } => true,
        }
    }

    /// Returns the reason why nothing is delivered from the next slot on until the caller acts. `None` if there is a
    /// message to deliver, or nothing is known of the next slot. O(log skips).
    ///
    /// It is [`Unreadable`](SubscribeError::Unreadable), [`NotSkipped`](SubscribeError::NotSkipped),
    /// [`RolledBack`](SubscribeError::RolledBack) or [`Halted`](SubscribeError::Halted). The first two go away once a
    /// [`Skip`](Content::Skip) of the slot is found, and the first one also once the slot can be read.
    pub fn obstacle(&self) -> Option<SubscribeError<I, P>> {
        let slot = self.window.next();
        match self.next_slot() {
            NextSlot::Over => Some(self.standing.error(slot)),
            NextSlot::Stuck => match self.window.front()?.content() {
                &Content::Unreadable(kind) => Some(SubscribeError::Unreadable { slot, kind }),
                &Content::Skip { slot: skipped, .. } => {
                    Some(SubscribeError::NotSkipped { slot: skipped, by: slot })
                }
                Content::Messages { .. } | Content::Marker { .. } | Content::Fill | Content::Retire { .. } => {
                    None
                }
            },
            NextSlot::Ready | NextSlot::Unread | NextSlot::Unknown | NextSlot::Hole { .. } => None,
        }
    }
}
