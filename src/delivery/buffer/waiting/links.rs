//! The held messages, and what each waits for: links, and nothing else.
//!
//! Every event that is *held* here, or *waited for* by a held message, has one slot. A slot knows the message, if it is
//! held, and the first of those that wait for the event. A held message waits for one event at a time, so the list runs
//! through the messages themselves. It is linked both ways, so that a message can be taken out of the middle.
//!
//! ```text
//!   slot of (b,2), not held          (b,2) is delivered: its list moves to `released`,
//!     waiters ──► (a,4)              and each of the two searches on after (b,2)
//!                   next ──► (c,7)
//! ```
//!
//! A slot takes 8 bytes, so that an event that is only waited for costs no room for a message. Held messages lie in
//! blocks: one stays where it is while it is held, and what is set aside for those to come is less than a block.
//!
//! Nothing here knows how an event is called, or when it counts as delivered: the slots are those of
//! [`lanes`](super::lanes), and the next cause is found by [`Waiting`](super::Waiting).
//!
//! # Invariants
//!
//! - LK1: a held message that is not ready is in exactly one list: the waiters of one slot, or `released`; linked the
//!   same both ways. One that is ready is in none, and it is counted how many are.
//! - LK2: a slot that is kept holds a message or has waiters.
//! - LK3: at most [`Links::MAX`] messages wait, and as many are ready.
//! - LK4: every number is free or that of one slot.

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

    /// Returns the number, from 0 on.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The entry of one event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// The message, if it is held.
    pub(super) held: Option<HeldId>,
    /// The first of those that wait for this event.
    waiters: Option<HeldId>,
}

impl Slot {
    /// Returns whether the event is neither held nor waited for.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.held.is_none() & self.waiters.is_none()
    }
}

/// Messages a block.
const BLOCK: usize = 32;

/// A cause of a message that was not delivered when it was looked at: its index among the causes, its counter, and the
/// lane of its node, if that was known.
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

    /// Returns its index among the message's causes.
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

/// Instead of the index of a cause: the message waits for none.
const READY: u32 = u32::MAX;

/// A held message.
#[derive(Clone, Debug)]
pub(crate) struct Held<M> {
    message: M,
    lane: LaneId,
    cause: u32,
    /// The next of those that wait for the same event, or are released; and the one before, if it waits.
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

    /// Returns the index of the cause that it waits for, or has waited for if it is released. The causes before are
    /// delivered.
    #[inline]
    pub(super) fn cause(&self) -> usize {
        self.cause as usize
    }

    /// Returns whether it has become ready: all its causes are delivered.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.cause == READY
    }
}

/// The held messages and their links. Every operation is O(1), amortised over the lists that it moves.
#[derive(Clone, Debug)]
pub(super) struct Links<M> {
    blocks: Vec<Box<[Option<Held<M>>; BLOCK]>>,
    /// Numbers that were used before and are free now. Higher ones than these and those in use were never used.
    free: Vec<HeldId>,
    len: usize,
    /// Number of held messages that are ready.
    ready: usize,
    /// The list of the messages whose cause was delivered, in that order: its first, and its last. They search on: not
    /// yet ready, and parked no more.
    released: Option<(HeldId, HeldId)>,
}

impl<M> Links<M> {
    /// The most messages that can be held, so that they can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    /// The most causes of a message, so that they too can be numbered in 32 bits.
    pub(super) const MAX_CAUSES: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), len: 0, ready: 0, released: None }
    }

    /// Returns how many held messages are not ready.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.len - self.ready
    }

    /// Returns how many held messages are ready.
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

    /// Holds `message`, of the node of `lane`, until its cause `first` is delivered, whose slot is `on`. Returns its
    /// number, for its own slot.
    #[inline]
    pub(super) fn park(&mut self, message: M, lane: LaneId, first: Cause, on: &mut Slot) -> HeldId {
        let id = self.free.pop().unwrap_or_else(|| self.new_number());
        self.len += 1;
        let next = self.link(id, on);
        *self.get_mut(id) = Some(Held { message, lane, cause: first.index, next, previous: None });
        id
    }

    /// Makes another number, if none is free: there are as many as messages are held.
    fn new_number(&mut self) -> HeldId {
        if self.len == self.blocks.len() * BLOCK {
            let block: Vec<_> = iter::repeat_with(|| None).take(BLOCK).collect();
            self.blocks.extend(block.try_into().ok());
        }
        #[expect(clippy::cast_possible_truncation, reason = "LK3: at most MAX messages, so their numbers fit")]
        let before = self.len as u32;
        HeldId(NonZeroU32::MIN.saturating_add(before))
    }

    /// Parks the next released message again, until `cause`, whose slot is `on`, is delivered.
    #[inline]
    pub(super) fn park_released(&mut self, cause: Cause, on: &mut Slot) {
        let Some(id) = self.pop_released() else { return };
        let next = self.link(id, on);
        if let Some(held) = self.get_mut(id) {
            (held.cause, held.next, held.previous) = (cause.index, next, None);
        }
    }

    /// Puts a message before those that wait for `on`, and returns the first of these.
    #[inline]
    fn link(&mut self, id: HeldId, on: &mut Slot) -> Option<HeldId> {
        let next = on.waiters.replace(id)?;
        if let Some(held) = self.get_mut(next) {
            held.previous = Some(id);
        }
        Some(next)
    }

    /// Takes out a message that waits for `on`.
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

    /// Takes out a message that is in no list: it is ready, or all is taken out.
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

    /// Takes a released message out of its list if no other is released; says whether it did. It is to be delivered
    /// then.
    #[inline]
    pub(super) fn pop_last_released(&mut self, id: HeldId) -> bool {
        let is_last = self.released == Some((id, id));
        if is_last {
            self.released = None;
        }
        is_last
    }

    /// Takes the next released message out of its list.
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

    /// Releases all that waited for the event of `slot`, which is delivered.
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

    /// Visits those that wait for the event of `slot`.
    pub(super) fn waiters(&self, slot: Slot) -> impl Iterator<Item = HeldId> {
        self.list(slot.waiters)
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
        let released = self.list(self.released.map(|(first, _)| first));
        if released.into_iter().any(|id| mem::replace(&mut listed[id.index()], true)) {
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
