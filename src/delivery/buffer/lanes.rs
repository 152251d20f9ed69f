//! What is known of each node: how far it is delivered, what is known to exist, and where its messages are.
//!
//! The one message of a node that can be delivered next, if it could be when it came, waits in the lane itself.
//! Of the others the lane has the cells (see `hold_back`): those of the next counters in a row, and what lies far
//! ahead of them in a tree.
//!
//! ```text
//!   node a   delivered 3, highest 900    row: 4 ·  5 ■  6 ·  7 ■    far: 900 ■
//!   node b   delivered 0, highest 1      row: 1 ■                   far: nothing
//! ```
//!
//! The messages that are held at one time lie close together, so nearly every cell is found by its number alone. The
//! row is a ring, in which the low bits of a counter are its place: what is delivered leaves room for what comes behind
//! the end, and no cell moves unless the row grows or shrinks. How far it may reach follows from how many cells are in
//! use: so it is never much longer than what is held, and a counter far ahead costs one entry of the tree. When the row
//! grows it takes over what it reaches. Cells come out in order, so that [`missing`](crate::CausalBuffer::missing)
//! walks what is held and not all numbers. Nothing depends on a hash, so no sender can make it slow.
//!
//! # Cost
//!
//! O(1) in the row, O(log f) for f cells far ahead. A cell moves from the tree to the row when as many cells have come
//! as the row grows by, up to a factor; and back when half of them have gone: O(log f) for each, amortised.
//!
//! # Invariants
//!
//! - L1: every node has a lane of its own, and every lane a node.
//! - L2: no cell has a counter above `highest`, and `delivered` is at most `highest`.
//! - L3: the row has the cells from `delivered + 1` to `end`, and nothing else; all in `far` lie behind, and none is
//!   empty.
//! - L4: at most [`Lanes::MAX`] nodes are known.
//! - L5: `highest` is at most `last`, where the node was closed.
//! - L6: `used` cells are not empty, and the row is at most twice [`reach`]`(used)` cells long.

use core::iter;
use core::mem;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use crate::compat::{BTreeMap, Box, Vec};
use crate::delivery::buffer::hold_back::Cell;
use crate::delivery::buffer::lane_index::{LaneId, LaneIndex};
use crate::node::NodeId;

/// How many cells the row may have when it grows, if so many are in use. There are at most two for each held message,
/// which is larger by far: so there is no overflow.
const fn reach(used: usize) -> usize {
    16 * used + 32
}

/// A lane for every node known.
#[derive(Clone, Debug)]
pub(super) struct Lanes<I, M> {
    index: LaneIndex<I>,
    lanes: Vec<Lane<M>>,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub(super) struct Lane<M> {
    /// The counter of its last message delivered.
    pub(super) delivered: u64,
    /// The highest counter that an accepted message has or depends on.
    pub(super) highest: u64,
    /// The counter of the last message that it will ever send; `u64::MAX` unless it was closed.
    pub(super) last: u64,
    /// Its next message, if it could be delivered when it came.
    pub(super) ready: Option<M>,
    /// Those that come later: none before the first one comes, so that a lane is small where all come in order.
    cells: Option<Box<Cells>>,
}

/// The cells of a node, of counters that are not delivered.
#[derive(Clone, Debug, Default)]
struct Cells {
    delivered: u64,
    /// The last counter whose cell is in the row.
    end: u64,
    /// The cells of the counters from `delivered + 1` to `end`, as a ring: each lies where the low bits of its counter
    /// say. Its length is a power of two, or 0 at first; the cells of other counters are empty.
    row: Vec<Cell>,
    /// Those behind the row that are not empty.
    far: BTreeMap<u64, Cell>,
    /// How many cells are not empty.
    used: usize,
}

impl<I: NodeId, M> Lanes<I, M> {
    /// The most nodes that can be known, so that lanes can be numbered in 32 bits.
    pub(super) const MAX: usize = 1 << 30;

    pub(super) const fn new() -> Self {
        Self { index: LaneIndex::new(), lanes: Vec::new() }
    }

    /// Returns how many nodes are known.
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Finds the lane of `node`. O(log n) for n nodes.
    #[inline]
    pub(super) fn find(&self, node: &I) -> Option<LaneId> {
        self.index.get(node)
    }

    /// Returns what is known of `node`. O(log n).
    pub(super) fn get(&self, node: &I) -> Option<&Lane<M>> {
        self.find(node).map(|id| &self[id])
    }

    /// Finds the lane of `node`, which is known from now on. O(log n), amortised for a new node.
    pub(super) fn find_or_add(&mut self, node: &I) -> LaneId {
        if let Some(id) = self.find(node) {
            return id;
        }
        let number = u32::try_from(self.lanes.len() + 1).ok().and_then(NonZeroU32::new);
        #[expect(clippy::expect_used, reason = "L4: at most MAX nodes are known, so their numbers fit")]
        let id = LaneId::new(number.expect("L4"));
        // First, because it calls the id's `clone` and `cmp`, which may panic.
        self.index.insert(node, id);
        self.lanes.push(Lane::new());
        id
    }

    /// Visits the nodes in their order, with what is known of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, &Lane<M>)> {
        self.index.iter().map(|(node, id)| (node, &self[id]))
    }

    /// Visits the lanes in the order of their nodes.
    pub(super) fn ids(&self) -> impl Iterator<Item = LaneId> {
        self.index.iter().map(|(_, id)| id)
    }

    /// Checks L1 to L3, L5 and L6. O(everything).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        self.index.validate()?;
        let mut numbers: Vec<_> = self.index.iter().map(|(_, id)| id.index()).collect();
        numbers.sort_unstable();
        if !numbers.into_iter().eq(0..self.lanes.len()) {
            return Err("L1: every node has a lane of its own");
        }
        for (_, lane) in self.iter() {
            let last = lane.cells().last().map_or(0, |(counter, _)| counter);
            if last > lane.highest || lane.delivered > lane.highest {
                return Err("L2: nothing lies above `highest`");
            }
            if lane.highest > lane.last {
                return Err("L5: nothing is known to exist above where the node was closed");
            }
            if let Some(cells) = &lane.cells {
                if cells.delivered != lane.delivered {
                    return Err("L3: the row begins behind what is delivered");
                }
                cells.validate()?;
            }
        }
        Ok(())
    }

    /// Visits the lanes, in the order of their numbers.
    pub(super) fn by_number(&self) -> impl Iterator<Item = &Lane<M>> {
        self.lanes.iter()
    }

    /// The same, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane<M>> {
        self.lanes.iter_mut()
    }
}

impl<I, M> Index<LaneId> for Lanes<I, M> {
    type Output = Lane<M>;

    fn index(&self, id: LaneId) -> &Lane<M> {
        &self.lanes[id.index()] // lanes are never taken out
    }
}

impl<I, M> IndexMut<LaneId> for Lanes<I, M> {
    fn index_mut(&mut self, id: LaneId) -> &mut Lane<M> {
        &mut self.lanes[id.index()]
    }
}

impl<M> Lane<M> {
    const fn new() -> Self {
        Self { delivered: 0, highest: 0, last: u64::MAX, ready: None, cells: None }
    }

    /// Returns the cell of a counter that is not delivered.
    #[inline]
    pub(super) fn cell(&self, counter: u64) -> Cell {
        self.cells.as_ref().map_or(Cell::default(), |cells| cells.get(counter))
    }

    /// Returns the cell of a counter that is not delivered, which thereby is known to exist. The caller puts something
    /// into it (L6).
    #[inline]
    pub(super) fn cell_mut(&mut self, counter: u64) -> &mut Cell {
        self.learn(counter);
        let delivered = self.delivered;
        self.cells.get_or_insert_with(|| Cells::behind(delivered)).get_mut(counter)
    }

    /// Changes the cell of a counter, which is not empty, and forgets it if it is empty then.
    pub(super) fn change(&mut self, counter: u64, change: impl FnOnce(&mut Cell)) {
        if let Some(cells) = &mut self.cells {
            cells.change(counter, change);
        }
    }

    /// Delivers the next message, which is here, and takes out its cell. No overflow: `delivered` is below its counter.
    #[inline]
    pub(super) fn deliver(&mut self) -> Cell {
        self.delivered += 1;
        self.cells.as_mut().map_or(Cell::default(), |cells| cells.deliver(self.delivered))
    }

    /// Visits the cells that are not empty, with their counters, in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = (u64, Cell)> {
        self.cells.iter().flat_map(|cells| cells.iter())
    }

    /// Forgets all cells.
    pub(super) fn clear_cells(&mut self) {
        self.cells = None;
    }

    /// Notes that a counter exists.
    pub(super) fn learn(&mut self, counter: u64) {
        self.highest = self.highest.max(counter);
    }

    /// Takes everything up to `counter` as delivered. There must be no cells.
    pub(super) fn advance_to(&mut self, counter: u64) {
        self.delivered = self.delivered.max(counter);
        self.last = self.last.max(counter);
        self.learn(counter);
    }

    /// Notes that nothing above `last`, at least `delivered`, will ever come. The caller takes out the cells above.
    pub(super) fn close(&mut self, last: u64) {
        self.last = self.last.min(last);
        self.highest = self.highest.min(last);
    }
}

impl Cells {
    /// Makes no cells yet, of a node of which so much is delivered.
    #[cold]
    fn behind(delivered: u64) -> Box<Self> {
        Box::new(Self { delivered, end: delivered, ..Self::default() })
    }

    /// Returns the cell of a counter that is not delivered.
    #[inline]
    fn get(&self, counter: u64) -> Cell {
        if counter <= self.end {
            self.row[place(counter, self.row.len())]
        } else {
            self.far.get(&counter).copied().unwrap_or_default()
        }
    }

    /// Returns the cell of a counter that is not delivered, into which the caller puts something.
    #[inline]
    fn get_mut(&mut self, counter: u64) -> &mut Cell {
        if counter > self.end {
            return self.get_beyond(counter);
        }
        let len = self.row.len();
        let cell = &mut self.row[place(counter, len)];
        self.used += usize::from(cell.is_empty());
        cell
    }

    /// The same for a counter behind the row, which reaches it from now on, unless it is too far ahead.
    #[inline(never)]
    fn get_beyond(&mut self, counter: u64) -> &mut Cell {
        let ahead = usize::try_from(counter - self.delivered).unwrap_or(usize::MAX);
        if ahead <= self.row.len() {
            self.take_over();
        } else if ahead <= 1 << reach(self.used).ilog2() {
            self.resize(ahead.next_power_of_two().max(8));
        } else {
            let cell = self.far.entry(counter).or_default();
            self.used += usize::from(cell.is_empty());
            return cell;
        }
        self.get_mut(counter)
    }

    /// Makes the row reach as far as it is long, and take over from `far` what it reaches then.
    fn take_over(&mut self) {
        self.end = self.delivered.saturating_add(self.row.len() as u64);
        while let Some(first) = self.far.first_entry().filter(|first| *first.key() <= self.end) {
            let (counter, cell) = first.remove_entry();
            let len = self.row.len();
            self.row[place(counter, len)] = cell;
        }
    }

    /// Makes the row `len` cells long, a power of two, and puts into `far` what it reaches no more.
    fn resize(&mut self, len: usize) {
        let (row, end) = (mem::take(&mut self.row), self.end);
        self.row = iter::repeat_n(Cell::default(), len).collect();
        self.take_over();
        for counter in (self.delivered..end).map(|before| before + 1) {
            let cell = row[place(counter, row.len())];
            if counter <= self.end {
                self.row[place(counter, len)] = cell;
            } else if !cell.is_empty() {
                self.far.insert(counter, cell);
            }
        }
    }

    /// Makes the row shorter, if it is too long after cells have gone.
    #[inline]
    fn shrink(&mut self) {
        let reach = reach(self.used);
        if self.row.len() / 2 > reach {
            self.resize(1 << reach.ilog2());
        }
    }

    /// Delivers the next message, whose counter is `counter`, and takes out its cell.
    #[inline]
    fn deliver(&mut self, counter: u64) -> Cell {
        let cell = if counter <= self.end {
            let len = self.row.len();
            mem::take(&mut self.row[place(counter, len)])
        } else {
            self.end = counter;
            self.far.remove(&counter).unwrap_or_default()
        };
        self.delivered = counter;
        self.used -= usize::from(!cell.is_empty());
        self.shrink();
        cell
    }

    /// Changes the cell of a counter, which is not empty, and forgets it if it is empty then.
    fn change(&mut self, counter: u64, change: impl FnOnce(&mut Cell)) {
        let len = self.row.len();
        let cell = if counter <= self.end {
            self.row.get_mut(place(counter, len))
        } else {
            self.far.get_mut(&counter)
        };
        let Some(cell) = cell else { return };
        change(cell);
        if cell.is_empty() {
            self.far.remove(&counter);
            self.used -= 1;
            self.shrink();
        }
    }

    /// Visits the cells that are not empty, with their counters, in order.
    fn iter(&self) -> impl Iterator<Item = (u64, Cell)> {
        let row = (self.delivered..self.end).map(|before| before + 1);
        let row = row.map(|counter| (counter, self.row[place(counter, self.row.len())]));
        let row = row.filter(|(_, cell)| !cell.is_empty());
        row.chain(self.far.iter().map(|(&counter, &cell)| (counter, cell)))
    }

    /// Checks L3 and L6. O(cells).
    fn validate(&self) -> Result<(), &'static str> {
        let reach_of_row = self.end.checked_sub(self.delivered);
        if reach_of_row.is_none_or(|reach| reach > self.row.len() as u64) {
            return Err("L3: the row reaches no further than it is long");
        }
        if self.far.iter().any(|(&counter, cell)| counter <= self.end || cell.is_empty()) {
            return Err("L3: what is far lies behind the row, and is not empty");
        }
        if self.row.iter().filter(|cell| !cell.is_empty()).count() + self.far.len() != self.used {
            return Err("L3: the row has nothing of what is delivered, or behind its end");
        }
        if self.iter().count() != self.used || self.row.len() / 2 > reach(self.used) {
            return Err("L6: the row is not much longer than what is in use");
        }
        Ok(())
    }
}

/// Returns the place of a counter in a row of `len` cells, a power of two. The row reaches the counter, so it is not
/// empty.
#[inline]
fn place(counter: u64, len: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    let low = counter as usize;
    low & (len - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::buffer::hold_back::SlotId;

    fn random(state: &mut u64, bound: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % bound
    }

    /// Puts something into cells near and far, empties some, delivers; a plain tree does the same.
    #[test]
    fn a_lane_has_the_cells_that_a_tree_has() {
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
                    lane.cells.as_ref().map_or((0, 0), |cells| (cells.row.len(), cells.far.len()))
                };
                let (capacity, far) = sizes(lane);
                if lane.delivered == u64::MAX {
                    break;
                }
                match random(&mut state, 8) {
                    0..5 => {
                        let spread = [3, 40, 400, 1 << 40][random(&mut state, 4) as usize];
                        let counter = lane.delivered.saturating_add(1 + random(&mut state, spread));
                        let slot = if counter.is_multiple_of(2) { SlotId::MIN } else { SlotId::MAX };
                        lane.cell_mut(counter).held = Some(slot);
                        tree.insert(counter, slot);
                    }
                    5 => {
                        let end = tree.len() as u64;
                        if let Some(&counter) = tree.keys().nth(random(&mut state, end.max(1)) as usize) {
                            lane.change(counter, |cell| cell.held = None);
                            tree.remove(&counter);
                        }
                    }
                    6 => {
                        let next = lane.delivered + 1;
                        assert_eq!(lane.deliver().held, tree.remove(&next));
                        lane.learn(next);
                    }
                    _ if random(&mut state, 20) == 0 => {
                        // All but the last go: the row must not stay as long as it was.
                        while tree.len() > 1 {
                            let (counter, _) = tree.pop_first().unwrap();
                            lane.change(counter, |cell| cell.held = None);
                        }
                    }
                    _ => {}
                }
                let now = sizes(lane);
                grown += u32::from(now.0 > capacity);
                shrunk += u32::from(now.0 < capacity);
                taken_over += u32::from(now.1 + 1 < far);
                let held = lane.cells().map(|(counter, cell)| (counter, cell.held.unwrap()));
                assert!(held.eq(tree.iter().map(|(&counter, &slot)| (counter, slot))), "seed {seed}");
                let near = lane.delivered.saturating_add(1)..lane.delivered.saturating_add(500);
                assert!(near.clone().all(|counter| lane.cell(counter).held == tree.get(&counter).copied()));
                assert_eq!(lanes.validate(), Ok(()), "seed {seed}");
            }
        }
        assert!(grown > 100 && shrunk > 20 && taken_over > 20, "{grown} {shrunk} {taken_over}");
    }

    #[test]
    fn a_row_that_gets_shorter_keeps_what_it_reaches_and_loses_nothing() {
        for delivered in [0, 1, 31, 100, u64::MAX - 128] {
            for kept in delivered..delivered + 128 {
                let mut lanes: Lanes<u8, ()> = Lanes::new();
                let id = lanes.find_or_add(&0);
                let lane = &mut lanes[id];
                lane.advance_to(delivered);
                let counters = (delivered..delivered + 128).map(|before| before + 1);
                counters.clone().for_each(|counter| lane.cell_mut(counter).held = Some(SlotId::MIN));
                assert_eq!(lane.cells.as_ref().map(|cells| cells.row.len()), Some(128));
                for (used, counter) in (1..128).rev().zip(counters.filter(|&counter| counter != kept + 1)) {
                    lane.change(counter, |cell| cell.held = None);
                    let len = lane.cells.as_ref().map(|cells| cells.row.len());
                    assert_eq!(len, Some(if used > 1 { 128 } else { 32 }), "{used} are left");
                }
                let cells = lane.cells.as_ref().unwrap();
                assert_eq!((cells.row.len(), cells.far.len()), (32, usize::from(kept >= delivered + 32)));
                assert!(lane.cells().map(|(counter, _)| counter).eq([kept + 1]));
                assert_eq!(lane.cell(kept + 1).held, Some(SlotId::MIN));
                assert_eq!(lanes.validate(), Ok(()), "{kept} of those behind {delivered}");
            }
        }
    }

    #[test]
    fn a_row_reaches_no_further_than_what_is_in_use_allows() {
        for used in 0..64 {
            let furthest = 1 << reach(used as usize).ilog2();
            for (counter, in_row) in [(furthest, true), (furthest + 1, false), (used + 1, true)] {
                let mut lane: Lane<()> = Lane::new();
                (1..=used).chain([counter]).for_each(|counter| lane.cell_mut(counter).held = Some(SlotId::MIN));
                let cells = lane.cells.as_ref().unwrap();
                let near = if in_row { counter } else { used };
                let len = if near == 0 { 0 } else { near.next_power_of_two().max(8) };
                assert_eq!(
                    (cells.row.len() as u64, cells.far.is_empty()),
                    (len, in_row),
                    "{counter} after {used}"
                );
            }
        }
    }

    #[test]
    fn a_row_stays_where_it_is_while_the_counters_pass() {
        for ahead in [1, 7, 8, 64] {
            let mut lane: Lane<()> = Lane::new();
            (1..=ahead).for_each(|counter| lane.cell_mut(counter).held = Some(SlotId::MIN));
            let row = |lane: &Lane<()>| lane.cells.as_ref().map(|cells| (cells.row.as_ptr(), cells.row.len()));
            let before = row(&lane);
            for counter in ahead + 1..ahead + 1_000 {
                assert_eq!(lane.deliver().held, Some(SlotId::MIN));
                lane.cell_mut(counter).held = Some(SlotId::MIN);
                assert_eq!(row(&lane), before, "{counter}, at most {ahead} ahead");
                assert_eq!(lane.cells().count() as u64, ahead);
            }
        }
    }

    #[test]
    fn the_last_counter_of_all_has_a_cell() {
        let mut lane: Lane<()> = Lane::new();
        lane.advance_to(u64::MAX - 2);
        lane.cell_mut(u64::MAX).held = Some(SlotId::MIN);
        assert!(lane.cells().map(|(counter, _)| counter).eq([u64::MAX]));
        assert!(lane.deliver().is_empty());
        assert_eq!(lane.deliver().held, Some(SlotId::MIN));
        assert_eq!(lane.cells().count(), 0);
    }
}
