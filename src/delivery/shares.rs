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
//! Nothing until a second source comes. Then a tree with an entry for every held message, sorted by source and
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
//!
//! # Sources
//!
//! Shares by peer with eviction from the worst offender are those of Bitcoin Core's orphan transactions. Deviation: the
//! furthest ahead is evicted, not the oldest.

use crate::compat::{BTreeMap, BTreeSet, Box, Vec};
use crate::delivery::buffer::CausalBuffer;
use crate::delivery::hold_back::SlotId;
use crate::delivery::message::Message;
use crate::delivery::refusal::AcceptErrorKind;
use crate::node::{Dot, NodeId};

/// The number of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(u16);

impl SourceId {
    /// All that comes by [`accept`](CausalBuffer::accept).
    pub(super) const UNNAMED: Self = Self(0);
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
}

impl<I: NodeId> Shares<I> {
    fn new() -> Self {
        Self {
            ids: BTreeMap::new(),
            used: [Used::default()].into(),
            free: Vec::new(),
            charges: Vec::new(),
            order: BTreeSet::new(),
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
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let id = SourceId(u16::try_from(self.used.len()).ok()?);
                self.used.push(Used::default());
                id
            }
        };
        self.ids.insert(source.clone(), id);
        Some(id)
    }

    fn add(&mut self, slot: SlotId, charge: Charge, bytes: usize) {
        if self.charges.len() <= slot.index() {
            let more = slot.index() + 1 - self.charges.len();
            self.charges.reserve_exact(more.max(self.charges.len() / 4));
            self.charges.resize(slot.index() + 1, Charge::default());
        }
        self.charges[slot.index()] = charge;
        let used = &mut self.used[usize::from(charge.announced[0].0)];
        *used = Used { messages: used.messages + 1, bytes: used.bytes.saturating_add(bytes) };
        self.order.insert((charge.announced[0], charge.distance, slot));
    }

    fn subtract(&mut self, slot: SlotId, bytes: usize) {
        let charge = self.charges[slot.index()];
        let used = &mut self.used[usize::from(charge.announced[0].0)];
        *used = Used { messages: used.messages - 1, bytes: used.bytes.saturating_sub(bytes) };
        self.order.remove(&(charge.announced[0], charge.distance, slot));
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
    /// [`missing`](Self::missing) again. What can be delivered now stays. O(h log h) for h held messages.
    ///
    /// ```
    /// use happens_before::{CausalBuffer, Dot, Limits, Message};
    ///
    /// let mut buffer = CausalBuffer::new(Limits::default());
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
        let Some(shares) = &mut self.shares else { return 0 };
        let Some(gone) = shares.ids.remove(source) else { return 0 };
        shares.free.push(gone);
        let slots: Vec<_> = shares.order.iter().map(|&(.., slot)| slot).collect();
        let mut dropped = 0;
        for slot in slots {
            let [charged, other] = self.announced(slot);
            if charged == gone {
                self.discharge(slot);
                if other == gone {
                    self.withdraw(slot);
                    dropped += 1;
                } else {
                    self.charge(slot, [other; 2]);
                }
            } else if let Some(shares) = self.shares.as_mut().filter(|_| other == gone) {
                shares.charges[slot.index()].announced = [charged; 2];
            }
        }
        dropped
    }

    /// Finds the source of a message that has to wait; from the first one on, what is held is charged.
    pub(super) fn source(&mut self, source: Option<&I>) -> Result<SourceId, AcceptErrorKind<I>> {
        let Some(source) = source else { return Ok(SourceId::UNNAMED) };
        let limit = self.limits.sources;
        if self.shares.is_none() && limit > 0 {
            self.shares = Some(Box::new(Shares::new()));
            (self.charges, self.bytes) = (true, 0);
            let parked: Vec<_> = self.parked().map(|(slot, _)| slot).collect();
            parked.into_iter().for_each(|slot| self.charge(slot, [SourceId::UNNAMED; 2]));
        }
        let id = self.shares.as_mut().and_then(|shares| shares.find_or_add(source, limit));
        id.ok_or(AcceptErrorKind::TooManySources { limit })
    }

    /// Notes that a source has brought a message that is held already.
    pub(super) fn announce(&mut self, slot: SlotId, source: Option<&I>) {
        let Some(shares) = self.shares.as_mut().filter(|_| self.held.at(slot).is_some()) else { return };
        let id =
            source.map_or(Some(SourceId::UNNAMED), |source| shares.find_or_add(source, self.limits.sources));
        let [charged, other] = &mut shares.charges[slot.index()].announced;
        if other == charged {
            *other = id.unwrap_or(*charged);
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
    pub(super) fn charge(&mut self, slot: SlotId, announced: [SourceId; 2]) {
        let Some((held, distance)) = self.held.at(slot).zip(self.distance(slot)) else { return };
        let size = self.size(&held.message);
        self.bytes = self.bytes.saturating_add(size);
        if let Some(shares) = &mut self.shares {
            shares.add(slot, Charge { announced, distance }, size);
        }
    }

    /// Takes a held message off what its source is charged for.
    #[cold]
    pub(super) fn discharge(&mut self, slot: SlotId) {
        let Some(held) = self.held.at(slot) else { return };
        let size = self.size(&held.message);
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

    /// Makes room for a message that has to wait, of this size and this far ahead; or changes nothing.
    #[cold]
    pub(super) fn make_room(
        &mut self,
        source: SourceId,
        distance: u64,
        size: usize,
    ) -> Result<(), AcceptErrorKind<I>> {
        // What waits for nothing any more needs no room.
        self.settle();
        let limits = self.limits;
        let mut evicted = Vec::new();
        let refused = loop {
            let victim = if self.held.len() - evicted.len() >= limits.messages {
                let victim = self.victim(source, distance, 1, |used| used.messages);
                victim.ok_or(AcceptErrorKind::BufferFull { limit: limits.messages })
            } else if size > limits.bytes.saturating_sub(self.bytes) {
                let victim = self.victim(source, distance, size, |used| used.bytes);
                victim.ok_or(AcceptErrorKind::BytesFull { limit: limits.bytes })
            } else {
                break None;
            };
            match victim {
                Ok(slot) => {
                    let [charged, other] = self.announced(slot);
                    self.discharge(slot);
                    if other == charged {
                        evicted.push(slot);
                    } else {
                        self.charge(slot, [other; 2]); // and stays so: each takes over once only
                    }
                }
                Err(refused) => break Some(refused),
            }
        };
        for slot in evicted {
            if refused.is_none() {
                self.withdraw(slot);
            } else {
                self.charge(slot, self.announced(slot));
            }
        }
        refused.map_or(Ok(()), Err)
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

    /// Looks at everything that was released: what can be delivered gets ready, the rest is parked again.
    pub(super) fn settle(&mut self) {
        while let Some((slot, lane)) = self.next_deliverable() {
            if self.charges {
                self.discharge(slot);
            }
            if let Some(message) = self.take_out(slot) {
                self.make_ready(message, lane);
            }
        }
    }

    /// Takes out a held message, which is discharged, as if it had not come. Nothing may be released:
    /// [`settle`](Self::settle) first.
    pub(super) fn withdraw(&mut self, slot: SlotId) -> Option<Message<I, P>> {
        let held = self.held.at(slot)?;
        let (node, counter) = held.message.cause(held.cause())?;
        let lane = self.lanes.find(node)?;
        self.lanes[lane].change(counter, |on| self.held.unpark(slot, on));
        self.take_out(slot)
    }

    /// Takes out a held message that is in no list.
    fn take_out(&mut self, slot: SlotId) -> Option<Message<I, P>> {
        let lane = self.held.at(slot)?.lane;
        let message = self.held.take(slot)?;
        self.lanes[lane].change(message.dot().counter(), |cell| cell.held = None);
        Some(message)
    }

    /// Checks Q1 to Q3. O(everything).
    pub(super) fn validate_shares(&self) -> Result<(), &'static str> {
        let (mut bytes, mut ranks) = (0_usize, 0);
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
            shares.used.fill(Used::default());
            shares.charges.clear();
        }
    }
}
