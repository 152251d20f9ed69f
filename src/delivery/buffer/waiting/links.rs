//! The held messages, linked to the events that they wait for.
//!
//! Every event that is *held*, or *waited for* by a held message, has one slot. A slot has the message of the event, if
//! it is held, and the first message that waits for the event. A held message waits for one event at a time, so the
//! list of waiting messages runs through the messages themselves. It is linked both ways, so that a message can be
//! removed from the middle.
//!
//! ```text
//!   slot of (b,2), not held          (b,2) is delivered: its list moves to `released`,
//!     waiters ──► (a,4)              and each of the two resumes its search after (b,2)
//!                   next ──► (c,7)
//! ```
//!
//! A slot takes 8 bytes: an event that is only waited for needs no room for a message. Held messages are stored in
//! blocks. A message does not move while it is held, and less than one block is set aside for messages to come.
//!
//! This file knows neither the names of events nor which are delivered. The slots belong to [`lanes`](super::lanes),
//! and [`Waiting`](super::Waiting) finds the next cause.
//!
//! # Invariants
//!
//! - LK1: a held message that is not ready is in exactly one list: the waiters of one slot, or `released`. Lists are
//!   linked the same both ways. A ready message is in no list, and ready messages are counted.
//! - LK2: a slot that is kept holds a message or has waiters.
//! - LK3: at most [`Links::MAX`] messages wait, and at most that many are ready.
//! - LK4: every number is free or belongs to one slot.

use core::iter;
use core::mem;
use core::num::NonZeroU32;

use crate::compat::{Box, Vec};
use crate::delivery::buffer::waiting::lane_index::LaneId;

/// The number of a held message, for as long as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeldId(NonZeroU32);

impl HeldId {
    pub(crate) const MIN: Self = Self(NonZeroU32::MIN);
    pub(crate) const MAX: Self = Self(NonZeroU32::MAX);

    /// Returns the number, counted from 0.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The slot of one event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// The message of the event, if it is held.
    pub(super) held: Option<HeldId>,
    /// The first message that waits for this event.
    waiters: Option<HeldId>,
}

impl Slot {
    /// Returns whether the event is neither held nor waited for.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.held.is_none() & self.waiters.is_none()
    }
}

/// Number of messages in a block.
const BLOCK: usize = 32;

/// A cause that was not delivered when it was checked. It has its index among the causes of the message, its counter,
/// and the lane of its node if that was known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    index: u32,
    lane: Option<LaneId>,
    counter: u64,
}

impl Cause {
    #[inline]
    pub(crate) fn new(index: usize, lane: Option<LaneId>, counter: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_CAUSES")]
        let index = index as u32;
        Self { index, lane, counter }
    }

    /// Returns the index among the causes of the message.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index as usize
    }

    #[inline]
    pub(crate) fn counter(&self) -> u64 {
        self.counter
    }

    #[inline]
    pub(super) fn lane(&self) -> Option<LaneId> {
        self.lane
    }
}

/// The mark of a ready message, in place of the index of a cause.
const READY: u32 = u32::MAX;

/// A held message.
#[derive(Clone, Debug)]
pub(crate) struct Held<M> {
    message: M,
    lane: LaneId,
    cause: u32,
    /// The next message in the same list; `previous` is the one before, in a list of waiters.
    next: Option<HeldId>,
    previous: Option<HeldId>,
}

impl<M> Held<M> {
    #[inline]
    pub(crate) fn message(&self) -> &M {
        &self.message
    }

    /// Returns the lane of the message's node.
    #[inline]
    pub(crate) fn lane(&self) -> LaneId {
        self.lane
    }

    /// Returns the index of the cause that the message waits for; if it is released, of the cause that it waited for.
    /// All earlier causes are delivered.
    #[inline]
    pub(super) fn cause(&self) -> usize {
        self.cause as usize
    }

    /// Returns whether the message is ready: all its causes are delivered.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.cause == READY
    }
}

/// The held messages and their links. Every operation is O(1), amortised over the lists that move.
#[derive(Clone, Debug)]
pub(super) struct Links<M> {
    blocks: Vec<Box<[Option<Held<M>>; BLOCK]>>,
    /// Numbers that were used before and are free now. Numbers above all of these and those in use were never used.
    free: Vec<HeldId>,
    len: usize,
    /// Number of held messages that are ready.
    ready: usize,
    /// The first and the last of the released messages: their cause was delivered. They are no longer parked and not
    /// yet ready.
    released: Option<(HeldId, HeldId)>,
}

impl<M> Links<M> {
    /// The largest number of held messages, so that they can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    /// The largest number of causes of a message, so that they too can be numbered in 32 bits.
    pub(super) const MAX_CAUSES: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), len: 0, ready: 0, released: None }
    }

    /// Returns the number of held messages that are not ready.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.len - self.ready
    }

    /// Returns the number of held messages that are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Returns a held message.
    #[inline]
    pub(super) fn get(&self, id: HeldId) -> Option<&Held<M>> {
        self.blocks[id.index() / BLOCK][id.index() % BLOCK].as_ref()
    }

    #[inline]
    fn get_mut(&mut self, id: HeldId) -> &mut Option<Held<M>> {
        &mut self.blocks[id.index() / BLOCK][id.index() % BLOCK]
    }

    /// Holds `message`, from the node of `lane`, until its cause `first` is delivered. `on` is the slot of the cause.
    /// Returns the number of the message, for its own slot.
    #[inline]
    pub(super) fn park(&mut self, message: M, lane: LaneId, first: Cause, on: &mut Slot) -> HeldId {
        let id = self.free.pop().unwrap_or_else(|| self.new_number());
        self.len += 1;
        let next = self.link(id, on);
        *self.get_mut(id) = Some(Held { message, lane, cause: first.index, next, previous: None });
        id
    }

    /// Makes a new number. None is free, so there are as many numbers as held messages.
    fn new_number(&mut self) -> HeldId {
        if self.len == self.blocks.len() * BLOCK {
            let block: Vec<_> = iter::repeat_with(|| None).take(BLOCK).collect();
            self.blocks.extend(block.try_into().ok());
        }
        #[expect(clippy::cast_possible_truncation, reason = "LK3: at most MAX messages, so their numbers fit")]
        let before = self.len as u32;
        HeldId(NonZeroU32::MIN.saturating_add(before))
    }

    /// Parks the next released message again, until `cause` is delivered. `on` is the slot of the cause.
    #[inline]
    pub(super) fn park_released(&mut self, cause: Cause, on: &mut Slot) {
        let Some(id) = self.pop_released() else { return };
        let next = self.link(id, on);
        if let Some(held) = self.get_mut(id) {
            (held.cause, held.next, held.previous) = (cause.index, next, None);
        }
    }

    /// Puts a message at the front of the list of waiters of `on`, and returns the old front.
    #[inline]
    fn link(&mut self, id: HeldId, on: &mut Slot) -> Option<HeldId> {
        let next = on.waiters.replace(id)?;
        if let Some(held) = self.get_mut(next) {
            held.previous = Some(id);
        }
        Some(next)
    }

    /// Removes a message that waits for `on`.
    pub(super) fn take_parked(&mut self, id: HeldId, on: &mut Slot) -> Option<M> {
        let &Held { next, previous, .. } = self.get(id)?;
        match previous {
            None => on.waiters = next,
            Some(previous) => {
                if let Some(previous) = self.get_mut(previous) {
                    previous.next = next;
                }
            }
        }
        if let Some(next) = next.and_then(|next| self.get_mut(next).as_mut()) {
            next.previous = previous;
        }
        self.take(id)
    }

    /// Removes a message that is in no list, because it is ready, or because all messages are being removed.
    #[inline]
    pub(super) fn take(&mut self, id: HeldId) -> Option<M> {
        let held = self.get_mut(id).take()?;
        self.free.push(id);
        self.len -= 1;
        self.ready -= usize::from(held.is_ready());
        Some(held.message)
    }

    /// Returns the next released message.
    #[inline]
    pub(super) fn first_released(&self) -> Option<HeldId> {
        self.released.map(|(first, _)| first)
    }

    /// Returns whether more than one message is released.
    #[inline]
    pub(super) fn has_many_released(&self) -> bool {
        self.released.is_some_and(|(first, last)| first != last)
    }

    /// Puts the released messages into this order.
    pub(super) fn order_released(&mut self, ids: &[HeldId]) {
        let next = ids.iter().skip(1).copied().map(Some).chain([None]);
        for (&id, next) in iter::zip(ids, next) {
            if let Some(held) = self.get_mut(id) {
                held.next = next;
            }
        }
        self.released = ids.first().copied().zip(ids.last().copied());
    }

    /// Removes a released message from its list if no other is released, and returns whether it did. Then the caller
    /// must deliver the message.
    #[inline]
    pub(super) fn pop_last_released(&mut self, id: HeldId) -> bool {
        let is_last = self.released == Some((id, id));
        if is_last {
            self.released = None;
        }
        is_last
    }

    /// Removes the next released message from its list.
    #[inline]
    pub(super) fn pop_released(&mut self) -> Option<HeldId> {
        let (first, last) = self.released?;
        let next = self.get(first).and_then(|held| held.next);
        self.released = next.map(|next| (next, last));
        Some(first)
    }

    /// Makes the next released message ready. It stays held.
    #[inline]
    pub(super) fn make_released_ready(&mut self) {
        let Some((first, last)) = self.released else { return };
        let next = self.get_mut(first).as_mut().and_then(|held| {
            held.cause = READY;
            held.next
        });
        self.ready += 1;
        self.released = next.map(|next| (next, last));
    }

    /// Releases all messages that waited for the event of `slot`, which is delivered.
    #[inline]
    pub(super) fn release(&mut self, slot: Slot) {
        let Some(first) = slot.waiters else { return };
        let mut last = first;
        while let Some(next) = self.get(last).and_then(|held| held.next) {
            last = next;
        }
        let before = self.released.map(|(before, end)| {
            if let Some(end) = self.get_mut(end) {
                end.next = Some(first);
            }
            before
        });
        self.released = Some((before.unwrap_or(first), last));
    }

    /// Visits the messages that wait for the event of `slot`.
    pub(super) fn waiters(&self, slot: Slot) -> impl Iterator<Item = HeldId> {
        self.list(slot.waiters)
    }

    /// Visits the released messages, in order.
    pub(super) fn released(&self) -> impl Iterator<Item = HeldId> {
        self.list(self.first_released())
    }

    /// Visits the list that begins with `first`.
    fn list(&self, first: Option<HeldId>) -> impl Iterator<Item = HeldId> {
        iter::successors(first, |&id| self.get(id)?.next)
    }

    /// Checks LK1 to LK4, given all slots. O(slots).
    pub(super) fn validate(&self, slots: impl Iterator<Item = Slot>) -> Result<(), &'static str> {
        let used: Vec<bool> = self.blocks.iter().flat_map(|block| block.iter()).map(Option::is_some).collect();
        let mut listed: Vec<bool> = iter::repeat_n(false, used.len()).collect();
        let mut owned = listed.clone();
        for slot in slots {
            if slot.is_empty() {
                return Err("LK2: a slot holds a message or has waiters");
            }
            if slot.held.is_some_and(|id| mem::replace(&mut owned[id.index()], true)) {
                return Err("LK4: a held message belongs to one slot");
            }
            let mut before = None;
            for waiter in self.waiters(slot) {
                if mem::replace(&mut listed[waiter.index()], true) {
                    return Err("LK1: a held message is in one list only");
                }
                if self.get(waiter).is_none_or(|held| held.previous != before) {
                    return Err("LK1: lists are linked the same both ways");
                }
                before = Some(waiter);
            }
        }
        if self.released().any(|id| mem::replace(&mut listed[id.index()], true)) {
            return Err("LK1: what is released is not parked");
        }
        let mut ready = 0;
        for (held, listed) in self.blocks.iter().flat_map(|block| block.iter()).zip(&mut listed) {
            if held.as_ref().is_some_and(Held::is_ready) {
                ready += 1;
                if mem::replace(listed, true) {
                    return Err("LK1: what is ready waits for nothing");
                }
            }
        }
        if used != listed || ready != self.ready {
            return Err("LK1: the held messages are those in the lists, and those that are ready");
        }
        let held = used.iter().filter(|&&used| used).count();
        let numbers = held + self.free.len();
        if used != owned || held != self.len || used.get(numbers..).is_none_or(|rest| rest.contains(&true)) {
            return Err("LK4: every number is free or that of a held message");
        }
        if self.waiting() > Self::MAX || self.ready > Self::MAX {
            return Err("LK3: no more than can be numbered");
        }
        Ok(())
    }
}
