//! Lanes: the delivered counter, the highest known counter and the messages of each node.
//!
//! If the next message of a node could be delivered when it arrived, it stands in the lane itself. Other messages have
//! slots: the lane has a *window* of slots for the next counters, and an *overflow* for counters far ahead.
//!
//! ```text
//!   node a   delivered 3, highest 900    window: 4 ·  5 ■  6 ·  7 ■    overflow: 900 ■
//!   node b   delivered 0, highest 1      window: 1 ■                   overflow: nothing
//! ```
//!
//! Messages that are held at the same time usually have counters close together, so nearly every slot is found by its
//! counter alone. The window is a ring, indexed by the low bits of a counter. The slot of a delivered counter becomes
//! that of the counter after the end. No slot moves unless the window grows or shrinks.
//!
//! The number of slots in use bounds the length of the window. So the window is never much longer than what is held,
//! and a counter far ahead costs one entry of a tree. A window that grows takes over from the overflow what it then
//! reaches.
//!
//! Slots can be visited in order, so [`missing`](crate::CausalBuffer::missing) visits held messages and not all
//! numbers. Nothing depends on a hash, so no sender can make a lane slow.
//!
//! # Cost
//!
//! O(1) in the window, O(log f) for f slots in the overflow. The window grows by a number of slots only after about as
//! many have come into use. It shrinks when half of them are gone. So moves between window and overflow cost O(log f)
//! for each slot, amortised.
//!
//! # Invariants
//!
//! - LN1: every node has a lane of its own, and every lane belongs to a node.
//! - LN2: no slot has a counter above `highest`, and `delivered` is at most `highest`.
//! - LN3: the window has exactly the slots from `delivered + 1` to `end`. All slots in the overflow come after it, and
//!   none is empty.
//! - LN4: at most [`Lanes::MAX`] nodes are known.
//! - LN5: `highest` is at most `last`, the counter at which the node was closed.
//! - LN6: `used` slots are not empty, and the window is at most twice [`reach`]`(used)` slots long.

use core::iter;
use core::mem;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use crate::compat::{BTreeMap, Box, Vec};
use crate::delivery::buffer::waiting::lane_index::{LaneId, LaneIndex};
use crate::delivery::buffer::waiting::links::Slot;
use crate::node::NodeId;

/// Limit on the length of a window that grows, with `used` slots in use. No overflow: at most two slots are in use for
/// each held message, which is much larger than they are.
const fn reach(used: usize) -> usize {
    16 * used + 32
}

/// The lanes of all known nodes.
#[derive(Clone, Debug)]
pub(super) struct Lanes<I, M> {
    index: LaneIndex<I>,
    lanes: Vec<Lane<M>>,
}

/// The state kept for one node.
#[derive(Clone, Debug)]
pub(crate) struct Lane<M> {
    delivered: u64,
    highest: u64,
    last: u64,
    /// The next message, if it could be delivered when it arrived.
    ready: Option<M>,
    /// The slots of later messages. They are allocated when the first is needed, so a lane is small while all messages
    /// come in order.
    slots: Option<Box<Slots>>,
}

/// The slots of a node, for counters that are not delivered.
#[derive(Clone, Debug, Default)]
struct Slots {
    delivered: u64,
    /// The last counter whose slot is in the window.
    end: u64,
    /// The slots of the counters from `delivered + 1` to `end`: a ring, indexed by the low bits of the counter. Its
    /// length is a power of two, or 0 at first. Slots in it that belong to no counter of the window are empty.
    window: Vec<Slot>,
    /// The slots after the window that are not empty.
    overflow: BTreeMap<u64, Slot>,
    /// Number of slots that are not empty.
    used: usize,
}

impl<I: NodeId, M> Lanes<I, M> {
    /// The largest number of nodes, so that lanes can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { index: LaneIndex::new(), lanes: Vec::new() }
    }

    /// Returns the number of known nodes.
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Finds the lane of `node`. O(log n) for n nodes.
    #[inline]
    pub(super) fn find(&self, node: &I) -> Option<LaneId> {
        self.index.get(node)
    }

    /// Finds the lane of `node`, or makes the node known. O(log n), amortised for a new node.
    pub(super) fn find_or_add(&mut self, node: &I) -> LaneId {
        if let Some(id) = self.find(node) {
            return id;
        }
        let number = u32::try_from(self.lanes.len() + 1).ok().and_then(NonZeroU32::new);
        #[expect(clippy::expect_used, reason = "LN4: at most MAX nodes are known, so their numbers fit")]
        let id = LaneId::new(number.expect("LN4"));
        // First, because it calls the id's `clone` and `cmp`, which may panic.
        self.index.insert(node, id);
        self.lanes.push(Lane::new());
        id
    }

    /// Visits the nodes in their order, each with its lane.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, &Lane<M>)> {
        self.index.iter().map(|(node, id)| (node, &self[id]))
    }

    /// Visits the lanes in the order of their nodes.
    pub(super) fn ids(&self) -> impl Iterator<Item = LaneId> {
        self.index.iter().map(|(_, id)| id)
    }

    /// Visits the lanes, in the order of their numbers.
    pub(super) fn by_number(&self) -> impl Iterator<Item = &Lane<M>> {
        self.lanes.iter()
    }

    /// Marks everything up to these counters as delivered, and drops all slots.
    pub(super) fn advance_to(&mut self, counters: impl IntoIterator<Item = (LaneId, u64)>) {
        self.lanes.iter_mut().for_each(|lane| lane.slots = None);
        for (id, counter) in counters {
            self[id].advance_to(counter);
        }
    }

    /// Checks LN1 to LN3, LN5 and LN6. O(everything).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        self.index.validate()?;
        let mut numbers: Vec<_> = self.index.iter().map(|(_, id)| id.index()).collect();
        numbers.sort_unstable();
        if !numbers.into_iter().eq(0..self.lanes.len()) {
            return Err("LN1: every node has a lane of its own");
        }
        for (_, lane) in self.iter() {
            let last = lane.slots().last().map_or(0, |(counter, _)| counter);
            if last > lane.highest || lane.delivered > lane.highest {
                return Err("LN2: nothing lies above `highest`");
            }
            if lane.highest > lane.last {
                return Err("LN5: nothing is known to exist above where the node was closed");
            }
            if let Some(slots) = &lane.slots {
                if slots.delivered != lane.delivered {
                    return Err("LN3: the window begins after what is delivered");
                }
                slots.validate()?;
            }
        }
        Ok(())
    }
}

impl<I, M> Index<LaneId> for Lanes<I, M> {
    type Output = Lane<M>;

    #[inline]
    fn index(&self, id: LaneId) -> &Lane<M> {
        &self.lanes[id.index()] // lanes are never removed
    }
}

impl<I, M> IndexMut<LaneId> for Lanes<I, M> {
    #[inline]
    fn index_mut(&mut self, id: LaneId) -> &mut Lane<M> {
        &mut self.lanes[id.index()]
    }
}

impl<M> Lane<M> {
    const fn new() -> Self {
        Self { delivered: 0, highest: 0, last: u64::MAX, ready: None, slots: None }
    }

    /// Returns the counter of the last delivered message.
    #[inline]
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Returns the highest counter that an accepted message has or depends on.
    #[inline]
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Returns the counter of the last message that the node will ever send; `u64::MAX` unless it was closed.
    #[inline]
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the next message, if it could be delivered when it arrived.
    #[inline]
    pub(super) fn ready(&self) -> Option<&M> {
        self.ready.as_ref()
    }

    /// Stores the next message, which has the counter `counter` and can be delivered.
    #[inline]
    pub(super) fn set_ready(&mut self, counter: u64, message: M) {
        self.learn(counter);
        self.ready = Some(message);
    }

    /// Removes the next message, if it could be delivered when it arrived.
    #[inline]
    pub(super) fn take_ready(&mut self) -> Option<M> {
        self.ready.take()
    }

    /// Returns the slot of a counter that is not delivered.
    #[inline]
    pub(super) fn slot(&self, counter: u64) -> Slot {
        self.slots.as_ref().map_or(Slot::default(), |slots| slots.get(counter))
    }

    /// Fills the slot of a counter that is not delivered, which is known to exist from then on.
    #[inline]
    pub(super) fn fill<R>(&mut self, counter: u64, fill: impl FnOnce(&mut Slot) -> R) -> R {
        self.learn(counter);
        let delivered = self.delivered;
        let slot = self.slots.get_or_insert_with(|| Slots::after(delivered)).slot_to_fill(counter);
        let result = fill(slot);
        debug_assert!(!slot.is_empty(), "LN6: what was to be filled counts as used");
        result
    }

    /// Changes the slot of a counter, which is not empty, and forgets it if it is empty then.
    pub(super) fn change<R>(&mut self, counter: u64, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.slots.as_mut()?.change(counter, change)
    }

    /// Delivers the next message, which is here, and removes its slot. No overflow: `delivered` is below its counter.
    #[inline]
    pub(super) fn deliver(&mut self) -> Slot {
        self.delivered += 1;
        self.slots.as_mut().map_or(Slot::default(), |slots| slots.deliver(self.delivered))
    }

    /// Visits the counters of the messages that are here, in order.
    pub(crate) fn counters_here(&self) -> impl Iterator<Item = u64> {
        let ready = self.ready.iter().map(|_| self.delivered + 1); // WT1
        ready.chain(self.slots().filter(|(_, slot)| slot.held.is_some()).map(|(counter, _)| counter))
    }

    /// Visits the slots that are not empty, with their counters, in order.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u64, Slot)> {
        self.slots.iter().flat_map(|slots| slots.iter())
    }

    /// Drops all slots. Their messages must be removed before.
    pub(super) fn clear_slots(&mut self) {
        self.slots = None;
    }

    /// Notes that a counter exists.
    #[inline]
    pub(super) fn learn(&mut self, counter: u64) {
        self.highest = self.highest.max(counter);
    }

    /// Marks everything up to `counter` as delivered. There must be no slots.
    fn advance_to(&mut self, counter: u64) {
        self.delivered = self.delivered.max(counter);
        self.last = self.last.max(counter);
        self.learn(counter);
    }

    /// Notes that no counter above `last` will ever come. `last` is at least `delivered`.
    pub(super) fn close(&mut self, last: u64) {
        self.last = self.last.min(last);
        self.highest = self.highest.min(last);
    }
}

impl Slots {
    /// Makes an empty set of slots, for a node that is delivered up to this counter.
    #[cold]
    fn after(delivered: u64) -> Box<Self> {
        Box::new(Self { delivered, end: delivered, ..Self::default() })
    }

    /// Returns the slot of a counter that is not delivered.
    #[inline]
    fn get(&self, counter: u64) -> Slot {
        if counter <= self.end {
            self.window[index(counter, self.window.len())]
        } else {
            self.overflow.get(&counter).copied().unwrap_or_default()
        }
    }

    /// Returns the slot of a counter that is not delivered, and counts it as used.
    #[inline]
    fn slot_to_fill(&mut self, counter: u64) -> &mut Slot {
        if counter > self.end {
            return self.slot_after_the_end(counter);
        }
        let len = self.window.len();
        let slot = &mut self.window[index(counter, len)];
        self.used += usize::from(slot.is_empty());
        slot
    }

    /// Returns the slot of a counter after the window. The window grows to reach the counter, unless it is too far
    /// ahead.
    #[inline(never)]
    fn slot_after_the_end(&mut self, counter: u64) -> &mut Slot {
        let ahead = usize::try_from(counter - self.delivered).unwrap_or(usize::MAX);
        if ahead <= self.window.len() {
            self.take_over();
        } else if ahead <= 1 << reach(self.used).ilog2() {
            self.resize(ahead.next_power_of_two().max(8));
        } else {
            let slot = self.overflow.entry(counter).or_default();
            self.used += usize::from(slot.is_empty());
            return slot;
        }
        self.slot_to_fill(counter)
    }

    /// Extends the reach of the window to its length, and takes over the slots in the overflow that it then reaches.
    fn take_over(&mut self) {
        self.end = self.delivered.saturating_add(self.window.len() as u64);
        while let Some(first) = self.overflow.first_entry().filter(|first| *first.key() <= self.end) {
            let (counter, slot) = first.remove_entry();
            let len = self.window.len();
            self.window[index(counter, len)] = slot;
        }
    }

    /// Makes the window `len` slots long, a power of two. Slots that it no longer reaches move into the overflow.
    fn resize(&mut self, len: usize) {
        let (window, end) = (mem::take(&mut self.window), self.end);
        self.window = iter::repeat_n(Slot::default(), len).collect();
        self.take_over();
        for counter in (self.delivered..end).map(|before| before + 1) {
            let slot = window[index(counter, window.len())];
            if counter <= self.end {
                self.window[index(counter, len)] = slot;
            } else if !slot.is_empty() {
                self.overflow.insert(counter, slot);
            }
        }
    }

    /// Shortens the window if it is too long for the slots in use.
    #[inline]
    fn shrink(&mut self) {
        let reach = reach(self.used);
        if self.window.len() / 2 > reach {
            self.resize(1 << reach.ilog2());
        }
    }

    /// Delivers the next message, whose counter is `counter`, and removes its slot.
    #[inline]
    fn deliver(&mut self, counter: u64) -> Slot {
        let slot = if counter <= self.end {
            let len = self.window.len();
            mem::take(&mut self.window[index(counter, len)])
        } else {
            self.end = counter;
            self.overflow.remove(&counter).unwrap_or_default()
        };
        self.delivered = counter;
        self.used -= usize::from(!slot.is_empty());
        self.shrink();
        slot
    }

    /// Changes the slot of a counter, which is not empty, and forgets it if it is empty then.
    fn change<R>(&mut self, counter: u64, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let len = self.window.len();
        let slot = if counter <= self.end {
            self.window.get_mut(index(counter, len))
        } else {
            self.overflow.get_mut(&counter)
        };
        let slot = slot?;
        let result = change(slot);
        if slot.is_empty() {
            self.overflow.remove(&counter);
            self.used -= 1;
            self.shrink();
        }
        Some(result)
    }

    /// Visits the slots that are not empty, with their counters, in order.
    fn iter(&self) -> impl Iterator<Item = (u64, Slot)> {
        let window = (self.delivered..self.end).map(|before| before + 1);
        let window = window.map(|counter| (counter, self.window[index(counter, self.window.len())]));
        let window = window.filter(|(_, slot)| !slot.is_empty());
        window.chain(self.overflow.iter().map(|(&counter, &slot)| (counter, slot)))
    }

    /// Checks LN3 and LN6. O(slots).
    fn validate(&self) -> Result<(), &'static str> {
        let reached = self.end.checked_sub(self.delivered);
        if reached.is_none_or(|reached| reached > self.window.len() as u64) {
            return Err("LN3: the window reaches no more counters than it is long");
        }
        if self.overflow.iter().any(|(&counter, slot)| counter <= self.end || slot.is_empty()) {
            return Err("LN3: the overflow comes after the window, and has no empty slot");
        }
        if self.window.iter().filter(|slot| !slot.is_empty()).count() + self.overflow.len() != self.used {
            return Err("LN3: the window has nothing of what is delivered, or after its end");
        }
        if self.iter().count() != self.used || self.window.len() / 2 > reach(self.used) {
            return Err("LN6: the window is not much longer than what is in use");
        }
        Ok(())
    }
}

/// Returns the index of a counter's slot in a window of `len` slots, a power of two. `len` is not 0, because the window
/// reaches the counter.
#[inline]
fn index(counter: u64, len: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    let low = counter as usize;
    low & (len - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::buffer::waiting::links::HeldId;

    fn random(state: &mut u64, bound: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % bound
    }

    /// Compares a lane with a plain tree: fills slots near and far, empties some, and delivers.
    #[test]
    fn a_lane_has_the_slots_that_a_tree_has() {
        let (mut grown, mut shrunk, mut taken_over) = (0, 0, 0);
        for seed in 0..60 {
            let mut state = seed;
            let mut lanes: Lanes<u8, ()> = Lanes::new();
            let id = lanes.find_or_add(&0);
            lanes[id].advance_to([0, u64::MAX - 40, u64::MAX - 2_000][seed as usize % 3]);
            let mut tree = BTreeMap::new();
            for _ in 0..600 {
                let lane = &mut lanes[id];
                let sizes = |lane: &Lane<()>| {
                    lane.slots.as_ref().map_or((0, 0), |slots| (slots.window.len(), slots.overflow.len()))
                };
                let (capacity, overflow) = sizes(lane);
                if lane.delivered == u64::MAX {
                    break;
                }
                match random(&mut state, 8) {
                    0..5 => {
                        let spread = [3, 40, 400, 1 << 40][random(&mut state, 4) as usize];
                        let counter = lane.delivered.saturating_add(1 + random(&mut state, spread));
                        let id = if counter.is_multiple_of(2) { HeldId::MIN } else { HeldId::MAX };
                        lane.fill(counter, |slot| slot.held = Some(id));
                        tree.insert(counter, id);
                    }
                    5 => {
                        let end = tree.len() as u64;
                        if let Some(&counter) = tree.keys().nth(random(&mut state, end.max(1)) as usize) {
                            lane.change(counter, |slot| slot.held = None);
                            tree.remove(&counter);
                        }
                    }
                    6 => {
                        let next = lane.delivered + 1;
                        assert_eq!(lane.deliver().held, tree.remove(&next));
                        lane.learn(next);
                    }
                    _ if random(&mut state, 20) == 0 => {
                        // All messages but the last go. The window must become shorter.
                        while tree.len() > 1 {
                            let (counter, _) = tree.pop_first().unwrap();
                            lane.change(counter, |slot| slot.held = None);
                        }
                    }
                    _ => {}
                }
                let now = sizes(lane);
                grown += u32::from(now.0 > capacity);
                shrunk += u32::from(now.0 < capacity);
                taken_over += u32::from(now.1 + 1 < overflow);
                let held = lane.slots().map(|(counter, slot)| (counter, slot.held.unwrap()));
                assert!(held.eq(tree.iter().map(|(&counter, &slot)| (counter, slot))), "seed {seed}");
                let near = lane.delivered.saturating_add(1)..lane.delivered.saturating_add(500);
                assert!(near.clone().all(|counter| lane.slot(counter).held == tree.get(&counter).copied()));
                assert_eq!(lanes.validate(), Ok(()), "seed {seed}");
            }
        }
        assert!(grown > 100 && shrunk > 20 && taken_over > 20, "{grown} {shrunk} {taken_over}");
    }

    #[test]
    fn a_window_that_gets_shorter_keeps_what_it_reaches_and_loses_nothing() {
        for delivered in [0, 1, 31, 100, u64::MAX - 128] {
            for kept in delivered..delivered + 128 {
                let mut lanes: Lanes<u8, ()> = Lanes::new();
                let id = lanes.find_or_add(&0);
                let lane = &mut lanes[id];
                lane.advance_to(delivered);
                let counters = (delivered..delivered + 128).map(|before| before + 1);
                counters.clone().for_each(|counter| lane.fill(counter, |slot| slot.held = Some(HeldId::MIN)));
                assert_eq!(lane.slots.as_ref().map(|slots| slots.window.len()), Some(128));
                for (used, counter) in (1..128).rev().zip(counters.filter(|&counter| counter != kept + 1)) {
                    lane.change(counter, |slot| slot.held = None);
                    let len = lane.slots.as_ref().map(|slots| slots.window.len());
                    assert_eq!(len, Some(if used > 1 { 128 } else { 32 }), "{used} are left");
                }
                let slots = lane.slots.as_ref().unwrap();
                assert_eq!(
                    (slots.window.len(), slots.overflow.len()),
                    (32, usize::from(kept >= delivered + 32))
                );
                assert!(lane.slots().map(|(counter, _)| counter).eq([kept + 1]));
                assert_eq!(lane.slot(kept + 1).held, Some(HeldId::MIN));
                assert_eq!(lanes.validate(), Ok(()), "{kept} of those after {delivered}");
            }
        }
    }

    #[test]
    fn a_window_reaches_no_further_than_what_is_in_use_allows() {
        for used in 0..64 {
            let furthest = 1 << reach(used as usize).ilog2();
            for (counter, in_window) in [(furthest, true), (furthest + 1, false), (used + 1, true)] {
                let mut lane: Lane<()> = Lane::new();
                (1..=used)
                    .chain([counter])
                    .for_each(|counter| lane.fill(counter, |slot| slot.held = Some(HeldId::MIN)));
                let slots = lane.slots.as_ref().unwrap();
                let near = if in_window { counter } else { used };
                let len = if near == 0 { 0 } else { near.next_power_of_two().max(8) };
                assert_eq!(
                    (slots.window.len() as u64, slots.overflow.is_empty()),
                    (len, in_window),
                    "{counter} after {used}"
                );
            }
        }
    }

    #[test]
    fn a_window_stays_where_it_is_while_the_counters_pass() {
        for ahead in [1, 7, 8, 64] {
            let mut lane: Lane<()> = Lane::new();
            (1..=ahead).for_each(|counter| lane.fill(counter, |slot| slot.held = Some(HeldId::MIN)));
            let window =
                |lane: &Lane<()>| lane.slots.as_ref().map(|slots| (slots.window.as_ptr(), slots.window.len()));
            let before = window(&lane);
            for counter in ahead + 1..ahead + 1_000 {
                assert_eq!(lane.deliver().held, Some(HeldId::MIN));
                lane.fill(counter, |slot| slot.held = Some(HeldId::MIN));
                assert_eq!(window(&lane), before, "{counter}, at most {ahead} ahead");
                assert_eq!(lane.slots().count() as u64, ahead);
            }
        }
    }

    #[test]
    fn the_last_counter_of_all_has_a_slot() {
        let mut lane: Lane<()> = Lane::new();
        lane.advance_to(u64::MAX - 2);
        lane.fill(u64::MAX, |slot| slot.held = Some(HeldId::MIN));
        assert!(lane.slots().map(|(counter, _)| counter).eq([u64::MAX]));
        assert!(lane.deliver().is_empty());
        assert_eq!(lane.deliver().held, Some(HeldId::MIN));
        assert_eq!(lane.slots().count(), 0);
    }
}
