//! Who may fill how much: every source has a share in reserve, and what is beyond it goes when others need the room.
//!
//! # The problem
//!
//! A neighbour sends messages that wait for ever, until the buffer is full. From then on nothing that an honest
//! neighbour brings out of order has room.
//!
//! # The rule
//!
//! A *source* is the neighbour that brought a message, whoever wrote it: the one whom we can blame. What a source
//! brings is charged to it. As long as there is room, everyone may use it. When there is none, the source that holds
//! most, with the new message counted to its own, gives way: its message that is furthest ahead of what is delivered
//! is evicted, or the new message refused, if that is the one. So
//!
//! - whoever has brought no more than a share, `limit / (sources + 1)`, loses nothing, and is never refused;
//! - what is evicted is what would have been needed last, and is [missing](CausalBuffer::missing) again;
//! - what can be delivered now is never evicted: it is looked for first, and waits outside of the held messages.
//!
//! Two sources at most are remembered for a message, the one that is charged and one other. When the first is removed
//! or has to give way, the other takes over: else a neighbour that hurries could bring what others will bring, and then
//! have it evicted.
//!
//! # Cost
//!
//! Nothing until a source is named. Then a tree with an entry for every held message, sorted by source and
//! distance. The distance is the one at which the message came; it can only have become shorter, so the search for
//! the furthest corrects what it meets on top. An entry that was j below the top when it was corrected is not met again
//! before the top has come down by j; so each delivery or eviction makes it correct O(log h) entries for h held,
//! amortised, which are two where 64,000 are held, at O(log h) each.
//!
//! # Invariants
//!
//! - Q1: what is charged to the sources is what is held, in messages and in bytes.
//! - Q2: the tree has one entry for every held message, under the source that is charged, at its noted distance.
//! - Q3: no noted distance is shorter than the true one.
//! - Q4: a second tree has one entry for every held message that two have brought, under the one that is not charged.
//!
//! A refusal leaves all that is held where it is, and makes no source known. Only who is charged for a message that two
//! have brought may have changed.
//!
//! # Sources
//!
//! Shares by peer with eviction from the worst offender are those of Bitcoin Core's orphan transactions. Deviation: the
//! furthest ahead is evicted, not the oldest.

use core::mem;

use crate::compat::{BTreeMap, BTreeSet, Box, Vec};
use crate::delivery::buffer::CausalBuffer;
use crate::delivery::buffer::hold_back::SlotId;
use crate::delivery::buffer::lane_index::LaneId;
use crate::delivery::error::AcceptErrorKind;
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};

/// The number of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(u16);

impl SourceId {
    /// All that comes by [`accept`](CausalBuffer::accept).
    pub(super) const UNNAMED: Self = Self(0);
}

/// For what a held message is charged, and to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charged {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    pub(super) announced: [SourceId; 2],
    /// How many bytes of the limit it takes up.
    pub(super) size: usize,
}

/// A held message that is about to be taken out: what calls the caller's code to find it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    slot: SlotId,
    /// The cause that it waits for.
    on: (LaneId, u64),
    size: usize,
}

/// What is noted of a held message.
#[derive(Clone, Copy, Debug, Default)]
struct Charge {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    announced: [SourceId; 2],
    /// How far ahead of the delivered messages of its node it is, or was when this was last noted.
    distance: u32,
}

/// What is charged to a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    messages: usize,
    bytes: usize,
}

/// The place of a held message in the order of eviction: the last of a source goes first.
type Rank = (SourceId, u32, SlotId);

/// The sources, and what is charged to each.
#[derive(Clone, Debug)]
pub(super) struct Shares<I> {
    ids: BTreeMap<I, SourceId>,
    /// By number; of what is not in use, the numbers are in `free`.
    used: Vec<Used>,
    free: Vec<SourceId>,
    /// By slot; of slots that hold nothing, without meaning.
    charges: Vec<Charge>,
    order: BTreeSet<Rank>,
    /// The messages that two have brought, by the one that is not charged.
    seconds: BTreeSet<(SourceId, SlotId)>,
}

impl<I: NodeId> Shares<I> {
    fn new() -> Self {
        Self {
            ids: BTreeMap::new(),
            used: [Used::default()].into(),
            free: Vec::new(),
            charges: Vec::new(),
            order: BTreeSet::new(),
            seconds: BTreeSet::new(),
        }
    }

    /// Finds the number of a source, which is known from now on; `None` if it is one beyond the limit.
    fn find_or_add(&mut self, source: &I, limit: usize) -> Option<SourceId> {
        if let Some(&id) = self.ids.get(source) {
            return Some(id);
        }
        if self.ids.len() >= limit {
            return None;
        }
        let free = self.free.last().copied();
        let new = || u16::try_from(self.used.len()).ok().map(SourceId);
        let id = free.or_else(new)?;
        // First, because it calls the id's `clone` and `cmp`, which may panic.
        self.ids.insert(source.clone(), id);
        if self.free.pop().is_none() {
            self.used.push(Used::default());
        }
        Some(id)
    }

    /// Forgets a source that is charged for nothing and has brought nothing that is held.
    fn remove(&mut self, source: &I) {
        // The id goes at the end: its `drop` may panic.
        if let Some((_id, number)) = self.ids.remove_entry(source) {
            self.free.push(number);
        }
    }

    /// Notes who has brought a held message, in place of what was noted.
    fn announce(&mut self, slot: SlotId, announced: [SourceId; 2]) {
        let [charged, other] = self.charges[slot.index()].announced;
        if charged != other {
            self.seconds.remove(&(other, slot));
        }
        let [charged, other] = announced;
        if charged != other {
            self.seconds.insert((other, slot));
        }
        self.charges[slot.index()].announced = announced;
    }

    fn add(&mut self, slot: SlotId, charge: Charge, bytes: usize) {
        if self.charges.len() <= slot.index() {
            let more = slot.index() + 1 - self.charges.len();
            self.charges.reserve_exact(more.max(self.charges.len() / 4));
            self.charges.resize(slot.index() + 1, Charge::default());
        }
        let Charge { announced, distance } = charge;
        self.charges[slot.index()] = Charge { announced: [announced[0]; 2], distance };
        self.announce(slot, announced);
        let used = &mut self.used[usize::from(charge.announced[0].0)];
        *used = Used { messages: used.messages + 1, bytes: used.bytes.saturating_add(bytes) };
        self.order.insert((charge.announced[0], charge.distance, slot));
    }

    fn subtract(&mut self, slot: SlotId, bytes: usize) {
        let charge = self.charges[slot.index()];
        let used = &mut self.used[usize::from(charge.announced[0].0)];
        *used = Used { messages: used.messages - 1, bytes: used.bytes.saturating_sub(bytes) };
        self.order.remove(&(charge.announced[0], charge.distance, slot));
        self.announce(slot, [charge.announced[0]; 2]);
    }

    /// Returns the source that holds most, if `newcomer` held `more` than it does; in doubt the newcomer.
    fn most(&self, newcomer: SourceId, more: usize, amount: impl Fn(&Used) -> usize) -> SourceId {
        let sources = (0..).map(SourceId).zip(&self.used);
        let amounts = sources.map(|(source, used)| {
            let is_newcomer = source == newcomer;
            let more = if is_newcomer { more } else { 0 };
            (amount(used).saturating_add(more), is_newcomer, source)
        });
        amounts.max().map_or(newcomer, |(.., source)| source)
    }
}

impl<I: NodeId, P> CausalBuffer<I, P> {
    /// Returns the most sources that can be known, so that they can be numbered in 16 bits.
    pub(super) const MAX_SOURCES: usize = u16::MAX as usize;

    /// Forgets a source, a neighbour that has gone, and drops what only it had brought; returns how many messages.
    ///
    /// What another source has brought too stays, and is charged to that one. What is dropped is
    /// [`missing`](Self::missing) again. What can be delivered now stays. O(log h) for each of the held messages that it
    /// has brought.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Message};
    /// use happens_before::delivery::BufferLimits;
    ///
    /// let mut buffer = CausalBuffer::new(BufferLimits::default());
    /// for counter in [2, 3] {
    ///     buffer.accept_from(&"mallory", Message::new(Dot::new("a", counter).unwrap(), [], ())?)?;
    /// }
    /// buffer.accept_from(&"bob", Message::new(Dot::new("a", 2).unwrap(), [], ())?)?;
    /// assert_eq!(buffer.remove_source(&"mallory"), 1);
    /// assert!(buffer.held().map(|message| message.dot().counter()).eq([2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove_source(&mut self, source: &I) -> usize {
        self.settle();
        let Some(shares) = &self.shares else { return 0 };
        let Some(&gone) = shares.ids.get(source) else { return 0 };
        let charged = shares.order.range((gone, 0, SlotId::MIN)..=(gone, u32::MAX, SlotId::MAX));
        let charged: Vec<SlotId> = charged.map(|&(.., slot)| slot).collect();
        let mut dropped = Vec::new();
        for slot in charged {
            let Some(found) = self.find_held(slot) else { continue };
            let [_, other] = self.announced(slot);
            if other == gone {
                dropped.extend(self.withdraw(found));
            } else {
                self.discharge(slot, found.size);
                self.charge(slot, Charged { announced: [other; 2], size: found.size });
            }
        }
        if let Some(shares) = &mut self.shares {
            let second = shares.seconds.range((gone, SlotId::MIN)..=(gone, SlotId::MAX));
            let second: Vec<SlotId> = second.map(|&(_, slot)| slot).collect();
            for slot in second {
                let [charged, _] = shares.charges[slot.index()].announced;
                shares.announce(slot, [charged; 2]);
            }
            shares.remove(source);
        }
        dropped.len()
    }

    /// Finds room for a new message that has to wait, and who is charged for it.
    #[inline]
    pub(super) fn admit(
        &mut self,
        message: &Message<I, P>,
        own: Option<LaneId>,
        source: Option<&I>,
    ) -> Result<Charged, AcceptErrorKind<I>> {
        if !self.charges && source.is_none() && self.held.waiting() < self.limits.messages {
            return Ok(Charged { announced: [SourceId::UNNAMED; 2], size: 0 });
        }
        self.admit_charged(message, own, source)
    }

    #[inline(never)]
    fn admit_charged(
        &mut self,
        message: &Message<I, P>,
        own: Option<LaneId>,
        source: Option<&I>,
    ) -> Result<Charged, AcceptErrorKind<I>> {
        let size = if self.charges || source.is_some() { self.size(message) } else { 0 };
        let (had_shares, sources) = (self.shares.is_some(), self.sources());
        let id = self.source(source)?;
        let too_large = self.charges && size > self.limits.bytes.saturating_sub(self.bytes);
        if self.held.waiting() >= self.limits.messages || too_large {
            let delivered = own.map_or(0, |own| self.lanes[own].delivered);
            let room = self.make_room(id, message.dot().counter() - delivered, size);
            if let Err(kind) = room {
                if !had_shares {
                    self.stop_sharing();
                } else if self.sources() > sources
                    && let Some((shares, source)) = self.shares.as_mut().zip(source)
                {
                    shares.remove(source);
                }
                return Err(kind);
            }
        }
        Ok(Charged { announced: [id; 2], size })
    }

    /// Returns how many sources are known.
    fn sources(&self) -> usize {
        self.shares.as_ref().map_or(0, |shares| shares.ids.len())
    }

    /// Finds the source of a message that has to wait; from the first one on, what is held is charged.
    fn source(&mut self, source: Option<&I>) -> Result<SourceId, AcceptErrorKind<I>> {
        let Some(source) = source else { return Ok(SourceId::UNNAMED) };
        let limit = self.limits.sources;
        if self.shares.is_none() && limit > 0 {
            self.start_sharing();
        }
        let id = self.shares.as_mut().and_then(|shares| shares.find_or_add(source, limit));
        id.ok_or(AcceptErrorKind::TooManySources { limit })
    }

    /// Charges all that is held to the source without a name. O(h log h).
    #[cold]
    fn start_sharing(&mut self) {
        let (mut shares, mut bytes) = (Shares::new(), 0_usize);
        for (slot, held) in self.parked() {
            let size = self.size(&held.message);
            let Some(distance) = self.distance(slot) else { continue };
            shares.add(slot, Charge { announced: [SourceId::UNNAMED; 2], distance }, size);
            bytes = bytes.saturating_add(size);
        }
        self.shares = Some(Box::new(shares));
        (self.charges, self.bytes) = (true, bytes);
    }

    /// Goes on as if no source had ever been named.
    #[cold]
    fn stop_sharing(&mut self) {
        self.charges = self.limits.bytes < usize::MAX;
        if !self.charges {
            self.bytes = 0;
        }
        self.shares = None;
    }

    /// Notes that a source has brought a message that is held already.
    pub(super) fn announce(&mut self, slot: SlotId, source: Option<&I>) {
        let waits = self.held.at(slot).is_some_and(|held| !held.is_ready());
        let Some(shares) = self.shares.as_mut().filter(|_| waits) else { return };
        let id =
            source.map_or(Some(SourceId::UNNAMED), |source| shares.find_or_add(source, self.limits.sources));
        let [charged, other] = shares.charges[slot.index()].announced;
        if other == charged {
            shares.announce(slot, [charged, id.unwrap_or(charged)]);
        }
    }

    /// Returns the source that is charged for a held message, for tests; `None` if it has no name.
    #[doc(hidden)]
    pub fn internal_charged(&self, dot: &Dot<I>) -> Option<&I> {
        let [charged, _] = self.slot(dot).map(|slot| self.announced(slot))?;
        let mut ids = self.shares.as_ref()?.ids.iter();
        ids.find(|&(_, &id)| id == charged).map(|(source, _)| source)
    }

    /// Returns who has brought a held message.
    pub(super) fn announced(&self, slot: SlotId) -> [SourceId; 2] {
        self.shares.as_ref().map_or([SourceId::UNNAMED; 2], |shares| shares.charges[slot.index()].announced)
    }

    /// Returns how many bytes of the limit a held message takes up.
    pub(super) fn size(&self, message: &Message<I, P>) -> usize {
        let names = (1 + message.dependencies().len()).saturating_mul(size_of::<Dot<I>>());
        names.saturating_add((self.measure)(message.payload()))
    }

    /// Charges a held message to the first of those who announced it.
    #[cold]
    pub(super) fn charge(&mut self, slot: SlotId, charged: Charged) {
        let Charged { announced, size } = charged;
        let Some(distance) = self.distance(slot) else { return };
        self.bytes = self.bytes.saturating_add(size);
        if let Some(shares) = &mut self.shares {
            shares.add(slot, Charge { announced, distance }, size);
        }
    }

    /// Takes a held message of this size off what its source is charged for.
    #[cold]
    pub(super) fn discharge(&mut self, slot: SlotId, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(shares) = &mut self.shares {
            shares.subtract(slot, size);
        }
    }

    /// Returns how far a held message is ahead of what is delivered of its node, up to 2^32 - 1.
    fn distance(&self, slot: SlotId) -> Option<u32> {
        let held = self.held.at(slot)?;
        let distance = held.message.dot().counter() - self.lanes[held.lane].delivered;
        Some(u32::try_from(distance).unwrap_or(u32::MAX))
    }

    /// Makes room for a message that has to wait, of this size and this far ahead; or drops nothing.
    #[cold]
    fn make_room(&mut self, source: SourceId, distance: u64, size: usize) -> Result<(), AcceptErrorKind<I>> {
        let limits = self.limits;
        let mut eviction = Eviction { buffer: self, evicted: Vec::new() };
        loop {
            let Eviction { buffer, evicted } = &mut eviction;
            let victim = if buffer.held.waiting() - evicted.len() >= limits.messages {
                let victim = buffer.victim(source, distance, 1, |used| used.messages);
                victim.ok_or(AcceptErrorKind::BufferFull { limit: limits.messages })
            } else if size > limits.bytes.saturating_sub(buffer.bytes) {
                let victim = buffer.victim(source, distance, size, |used| used.bytes);
                victim.ok_or(AcceptErrorKind::BytesFull { limit: limits.bytes })
            } else {
                break;
            };
            let slot = victim?;
            let Some(found) = buffer.find_held(slot) else { break };
            let [charged, other] = buffer.announced(slot);
            buffer.discharge(slot, found.size);
            if other == charged {
                evicted.push((found, charged));
            } else {
                // And stays so: each takes over once only.
                buffer.charge(slot, Charged { announced: [other; 2], size: found.size });
            }
        }
        eviction.carry_out();
        Ok(())
    }

    /// Finds what must give way to a new message: of the source that holds most, the one furthest ahead. `None` if
    /// that is the new message itself, or there are no sources.
    fn victim(
        &mut self,
        source: SourceId,
        distance: u64,
        more: usize,
        amount: impl Fn(&Used) -> usize,
    ) -> Option<SlotId> {
        let most = self.shares.as_ref()?.most(source, more, amount);
        loop {
            let order = &self.shares.as_ref()?.order;
            let &(.., noted, slot) =
                order.range((most, 0, SlotId::MIN)..=(most, u32::MAX, SlotId::MAX)).next_back()?;
            let truly = self.distance(slot)?;
            if truly == noted {
                return (most != source || u64::from(truly) > distance).then_some(slot);
            }
            let shares = self.shares.as_mut()?;
            shares.order.remove(&(most, noted, slot));
            shares.order.insert((most, truly, slot));
            shares.charges[slot.index()].distance = truly;
        }
    }

    /// Finds out what is needed to take out a held message.
    pub(super) fn find_held(&self, slot: SlotId) -> Option<Found> {
        let message = &self.held.at(slot)?.message;
        let (node, counter) = message.cause(self.held.at(slot)?.cause())?;
        let on = (self.lanes.find(node)?, counter);
        Some(Found { slot, on, size: if self.charges { self.size(message) } else { 0 } })
    }

    /// Takes out a held message as if it had not come. Calls nothing of the caller's. Nothing may be released:
    /// [`settle`](Self::settle) first.
    pub(super) fn withdraw(&mut self, found: Found) -> Option<Message<I, P>> {
        if self.charges {
            self.discharge(found.slot, found.size);
        }
        self.withdraw_discharged(found)
    }

    /// The same for a message that is charged to no one any more.
    fn withdraw_discharged(&mut self, found: Found) -> Option<Message<I, P>> {
        let (lane, counter) = found.on;
        self.lanes[lane].change(counter, |on| self.held.unpark(found.slot, on));
        self.take_out(found.slot)
    }

    /// Takes out a held message that is in no list.
    pub(super) fn take_out(&mut self, slot: SlotId) -> Option<Message<I, P>> {
        let lane = self.held.at(slot)?.lane;
        let message = self.held.take(slot)?;
        self.lanes[lane].change(message.dot().counter(), |cell| cell.held = None);
        Some(message)
    }

    /// Checks Q1 to Q4. O(everything).
    pub(super) fn validate_shares(&self) -> Result<(), &'static str> {
        let (mut bytes, mut ranks, mut seconds) = (0_usize, 0, 0);
        let mut used: Vec<Used> = Vec::new();
        for (slot, held) in self.parked() {
            let size = self.size(&held.message);
            bytes = bytes.saturating_add(size);
            let Some(shares) = &self.shares else { continue };
            used.resize(shares.used.len(), Used::default());
            let Charge { announced: [charged, other], distance } = shares.charges[slot.index()];
            if !shares.order.contains(&(charged, distance, slot)) {
                return Err("Q2: every held message has its place in the order of eviction");
            }
            if charged != other && !shares.seconds.contains(&(other, slot)) {
                return Err("Q4: every message that two have brought is noted under the second");
            }
            seconds += usize::from(charged != other);
            if self.distance(slot).is_none_or(|truly| truly > distance) {
                return Err("Q3: no distance grows");
            }
            if [charged, other].iter().any(|source| shares.free.contains(source)) {
                return Err("Q1: nothing is charged to a source that has gone");
            }
            let used = &mut used[usize::from(charged.0)];
            *used = Used { messages: used.messages + 1, bytes: used.bytes.saturating_add(size) };
            ranks += 1;
        }
        if self.charges && bytes != self.bytes {
            return Err("Q1: as many bytes as are held");
        }
        if let Some(shares) = &self.shares {
            used.resize(shares.used.len(), Used::default());
            if used != shares.used || shares.ids.len() + shares.free.len() + 1 != used.len() {
                return Err("Q1: what is charged is what is held");
            }
            if seconds != shares.seconds.len() {
                return Err("Q4: nothing else is noted");
            }
            if ranks != shares.order.len() {
                return Err("Q2: nothing else is in the order of eviction");
            }
        }
        Ok(())
    }

    /// Forgets what is charged, before all is charged anew.
    pub(super) fn discharge_all(&mut self) {
        self.bytes = 0;
        if let Some(shares) = &mut self.shares {
            shares.order.clear();
            shares.seconds.clear();
            shares.used.fill(Used::default());
            shares.charges.clear();
        }
    }
}

/// Messages that are to give way and are discharged already. Unless it is carried out, they are charged again: also if
/// the caller's code panics.
struct Eviction<'a, I: NodeId, P> {
    buffer: &'a mut CausalBuffer<I, P>,
    evicted: Vec<(Found, SourceId)>,
}

impl<I: NodeId, P> Eviction<'_, I, P> {
    /// Drops the messages.
    fn carry_out(mut self) {
        // All are taken out before the first is dropped.
        let evicted = mem::take(&mut self.evicted).into_iter();
        let _messages: Vec<_> = evicted.map(|(found, _)| self.buffer.withdraw_discharged(found)).collect();
    }
}

impl<I: NodeId, P> Drop for Eviction<'_, I, P> {
    fn drop(&mut self) {
        for (found, charged) in mem::take(&mut self.evicted) {
            self.buffer.charge(found.slot, Charged { announced: [charged; 2], size: found.size });
        }
    }
}
