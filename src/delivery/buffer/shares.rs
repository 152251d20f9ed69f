//! Shares: the part of a [`CausalBuffer`](crate::CausalBuffer) that each source can fill, whatever the others do.
//!
//! # The problem
//!
//! A neighbour sends messages that wait for ever, until the buffer is full. From then on nothing that an honest
//! neighbour brings out of order has room.
//!
//! # The rule
//!
//! A *source* is the neighbour that brought a message, not its author. It is the one that can be blamed. What a source
//! brings, by [`accept_from`](crate::CausalBuffer::accept_from), is charged to it. As long as there is room, every
//! source may use it. When there is none, the source that holds most gives way: one of its messages is
//! [evicted](crate::delivery::eviction), or the new message is refused. So
//!
//! - a source that has brought no more than a share, `limit / (sources + 1)`, loses nothing, and is never refused;
//! - what comes by [`accept`](crate::CausalBuffer::accept) is charged to one more source, without a name.
//!
//! A message that two have brought is charged to the first, and the second is noted. When the first is
//! [removed](crate::CausalBuffer::remove_source) or has to give way, the other takes over. Without that, a neighbour
//! that hurries could bring what others will bring, and then have it evicted. No third one is noted.
//!
//! # Cost
//!
//! Nothing until a source is named. Then up to 37 bytes for each held message, and O(log h) for each of h held messages
//! when it comes and when it goes.
//!
//! # Invariants
//!
//! The shares are a ledger. It knows the numbers of held messages, and neither their content nor the buffer.
//!
//! - SH1: what is charged to the sources is what is held, in messages and in bytes.
//! - SH2: a tree has one entry for every held message, under the source that is charged, at its noted distance.
//! - SH3: no noted distance is shorter than the true one.
//! - SH4: a second tree has one entry for every held message that two have brought, under the one that is not charged.
//!
//! # Sources
//!
//! Shares by peer with eviction from the worst offender are those of Bitcoin Core's orphan transactions.

use crate::compat::{BTreeMap, BTreeSet, Box, Vec};
use crate::delivery::buffer::waiting::HeldId;
use crate::node::NodeId;

/// The number of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(u16);

impl SourceId {
    /// All that comes without a source.
    pub(super) const UNNAMED: Self = Self(0);
    /// The most sources that can be known, so that they can be numbered in 16 bits.
    pub(super) const MAX: usize = u16::MAX as usize;
}

/// The charge for a held message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    pub(super) announced: [SourceId; 2],
    /// Bytes of the limit that it takes up.
    pub(super) size: usize,
}

/// A note about a held message.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    announced: [SourceId; 2],
    /// Its distance from what is delivered of its node, now or when it was last noted.
    distance: u32,
}

/// The sum of the charges to a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The rank of a held message in the order of eviction: the last of a source goes first.
type Rank = (SourceId, u32, HeldId);

/// The charges for all held messages.
#[derive(Clone, Debug)]
pub(super) struct Shares<I> {
    /// True if held messages are charged: else the number of their bytes need not be known.
    is_charging: bool,
    /// Number of bytes held, if they are charged.
    bytes: usize,
    /// From the first named source on.
    sources: Option<Box<Sources<I>>>,
}

/// The sources, and what is charged to each.
#[derive(Clone, Debug)]
struct Sources<I> {
    ids: BTreeMap<I, SourceId>,
    /// By number; of what is not in use, the numbers are in `free`.
    used: Vec<Used>,
    free: Vec<SourceId>,
    /// By the number of the message; without meaning for numbers that are not in use.
    notes: Vec<Note>,
    order: BTreeSet<Rank>,
    /// The messages that two have brought, by the one that is not charged.
    seconds: BTreeSet<(SourceId, HeldId)>,
}

impl<I> Sources<I> {
    fn new() -> Self {
        Self {
            ids: BTreeMap::new(),
            used: [Used::default()].into(),
            free: Vec::new(),
            notes: Vec::new(),
            order: BTreeSet::new(),
            seconds: BTreeSet::new(),
        }
    }

    /// Notes who has brought a held message, instead of what was noted.
    fn announce(&mut self, id: HeldId, announced: [SourceId; 2]) {
        let [charged, other] = self.notes[id.index()].announced;
        if charged != other {
            self.seconds.remove(&(other, id));
        }
        let [charged, other] = announced;
        if charged != other {
            self.seconds.insert((other, id));
        }
        self.notes[id.index()].announced = announced;
    }

    fn add(&mut self, id: HeldId, Charge { announced, size }: Charge, distance: u32) {
        if self.notes.len() <= id.index() {
            let more = id.index() + 1 - self.notes.len();
            self.notes.reserve_exact(more.max(self.notes.len() / 4));
            self.notes.resize(id.index() + 1, Note::default());
        }
        let [charged, _] = announced;
        self.notes[id.index()] = Note { announced: [charged; 2], distance };
        self.announce(id, announced);
        let used = &mut self.used[usize::from(charged.0)];
        *used = Used { messages: used.messages + 1, bytes: used.bytes.saturating_add(size) };
        self.order.insert((charged, distance, id));
    }

    fn subtract(&mut self, id: HeldId, size: usize) {
        let Note { announced: [charged, _], distance } = self.notes[id.index()];
        let used = &mut self.used[usize::from(charged.0)];
        *used = Used { messages: used.messages - 1, bytes: used.bytes.saturating_sub(size) };
        self.order.remove(&(charged, distance, id));
        self.announce(id, [charged; 2]);
    }
}

impl<I: NodeId> Sources<I> {
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
}

impl<I: NodeId> Shares<I> {
    /// Starts without sources. The bytes of what is held are counted if `counts_bytes` says so, or once there are
    /// sources.
    pub(super) const fn new(counts_bytes: bool) -> Self {
        Self { is_charging: counts_bytes, bytes: 0, sources: None }
    }

    /// Returns whether held messages are charged.
    #[inline]
    pub(super) fn is_charging(&self) -> bool {
        self.is_charging
    }

    /// Returns how many bytes are held, if held messages are charged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether a source was ever named.
    pub(super) fn has_sources(&self) -> bool {
        self.sources.is_some()
    }

    /// Returns how many sources are known.
    pub(super) fn sources(&self) -> usize {
        self.sources.as_ref().map_or(0, |sources| sources.ids.len())
    }

    /// Charges all that is held to the source without a name. O(h log h).
    #[cold]
    pub(super) fn start(&mut self, held: impl Iterator<Item = (HeldId, u64, usize)>) {
        let (mut sources, mut bytes) = (Sources::new(), 0_usize);
        for (id, distance, size) in held {
            sources.add(id, Charge { announced: [SourceId::UNNAMED; 2], size }, saturated(distance));
            bytes = bytes.saturating_add(size);
        }
        *self = Self { is_charging: true, bytes, sources: Some(Box::new(sources)) };
    }

    /// Goes on as if no source had ever been named.
    #[cold]
    pub(super) fn stop(&mut self, counts_bytes: bool) {
        self.is_charging = counts_bytes;
        if !counts_bytes {
            self.bytes = 0;
        }
        self.sources = None;
    }

    /// Finds the number of a source. It is known from now on, if there are any and it is not one beyond the limit.
    pub(super) fn find_or_add(&mut self, source: &I, limit: usize) -> Option<SourceId> {
        self.sources.as_mut()?.find_or_add(source, limit)
    }

    /// Finds the number of a source that is known.
    pub(super) fn find(&self, source: &I) -> Option<SourceId> {
        self.sources.as_ref()?.ids.get(source).copied()
    }

    /// Forgets a source that is charged for nothing.
    pub(super) fn remove(&mut self, source: &I) {
        let Some(sources) = &mut self.sources else { return };
        let Some(&gone) = sources.ids.get(source) else { return };
        let second = sources.seconds.range((gone, HeldId::MIN)..=(gone, HeldId::MAX));
        let second: Vec<HeldId> = second.map(|&(_, id)| id).collect();
        for id in second {
            let [charged, _] = sources.notes[id.index()].announced;
            sources.announce(id, [charged; 2]);
        }
        // The id goes at the end: its `drop` may panic.
        if let Some((_id, number)) = sources.ids.remove_entry(source) {
            sources.free.push(number);
        }
    }

    /// Notes that a source has brought a message that is held already.
    pub(super) fn announce(&mut self, id: HeldId, source: Option<&I>, limit: usize) {
        let Some(sources) = &mut self.sources else { return };
        let new = source.map_or(Some(SourceId::UNNAMED), |source| sources.find_or_add(source, limit));
        let [charged, other] = sources.notes[id.index()].announced;
        if other == charged {
            sources.announce(id, [charged, new.unwrap_or(charged)]);
        }
    }

    /// Returns who has brought a held message.
    pub(super) fn announced(&self, id: HeldId) -> [SourceId; 2] {
        self.sources.as_ref().map_or([SourceId::UNNAMED; 2], |sources| sources.notes[id.index()].announced)
    }

    /// Returns the source that is charged for a held message; `None` if it has no name.
    pub(super) fn charged(&self, id: HeldId) -> Option<&I> {
        let [charged, _] = self.announced(id);
        let mut ids = self.sources.as_ref()?.ids.iter();
        ids.find(|&(_, &source)| source == charged).map(|(source, _)| source)
    }

    /// Returns the held messages that are charged to a source.
    pub(super) fn charged_to(&self, source: SourceId) -> Vec<HeldId> {
        let all = (source, 0, HeldId::MIN)..=(source, u32::MAX, HeldId::MAX);
        let sources = self.sources.iter();
        sources.flat_map(|sources| sources.order.range(all.clone())).map(|&(.., id)| id).collect()
    }

    /// Charges a held message, this far ahead, to the first of those that announced it.
    #[cold]
    pub(super) fn charge(&mut self, id: HeldId, charge: Charge, distance: u64) {
        self.bytes = self.bytes.saturating_add(charge.size);
        if let Some(sources) = &mut self.sources {
            sources.add(id, charge, saturated(distance));
        }
    }

    /// Takes a held message of this size off what its source is charged for.
    #[cold]
    pub(super) fn discharge(&mut self, id: HeldId, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(sources) = &mut self.sources {
            sources.subtract(id, size);
        }
    }

    /// The same for a message whose size has to be asked for, if held messages are charged.
    #[inline]
    pub(super) fn discharge_with(&mut self, id: HeldId, size: impl FnOnce() -> usize) {
        if self.is_charging {
            self.discharge(id, size());
        }
    }

    /// Forgets all charges. The sources stay known.
    pub(super) fn discharge_all(&mut self) {
        self.bytes = 0;
        if let Some(sources) = &mut self.sources {
            sources.order.clear();
            sources.seconds.clear();
            sources.used.fill(Used::default());
            sources.notes.clear();
        }
    }

    /// Returns the source that holds most, if `newcomer` held `more` than it does; in doubt the newcomer. `None` if
    /// there are no sources.
    pub(super) fn most(
        &self,
        newcomer: SourceId,
        more: usize,
        amount: impl Fn(&Used) -> usize,
    ) -> Option<SourceId> {
        let sources = (0..).map(SourceId).zip(&self.sources.as_ref()?.used);
        let amounts = sources.map(|(source, used)| {
            let is_newcomer = source == newcomer;
            let more = if is_newcomer { more } else { 0 };
            (amount(used).saturating_add(more), is_newcomer, source)
        });
        Some(amounts.max().map_or(newcomer, |(.., source)| source))
    }

    /// Finds the message of a source that is furthest ahead, and its distance; `distance` tells that of each.
    ///
    /// A noted distance may be longer than the true one, but never shorter. So the first entry whose distance is true
    /// is that of the furthest; those before it are corrected.
    pub(super) fn furthest(
        &mut self,
        source: SourceId,
        distance: impl Fn(HeldId) -> Option<u64>,
    ) -> Option<(HeldId, u64)> {
        let sources = self.sources.as_mut()?;
        loop {
            let all = (source, 0, HeldId::MIN)..=(source, u32::MAX, HeldId::MAX);
            let &(.., noted, id) = sources.order.range(all).next_back()?;
            let truly = saturated(distance(id)?);
            if truly == noted {
                return Some((id, u64::from(truly)));
            }
            sources.order.remove(&(source, noted, id));
            sources.order.insert((source, truly, id));
            sources.notes[id.index()].distance = truly;
        }
    }

    /// Checks SH1 to SH4, given the held messages, each with its distance and its size. O(everything).
    pub(super) fn validate(
        &self,
        held: impl Iterator<Item = (HeldId, u64, usize)>,
    ) -> Result<(), &'static str> {
        let (mut bytes, mut ranks, mut seconds) = (0_usize, 0, 0);
        let mut used: Vec<Used> = Vec::new();
        for (id, truly, size) in held {
            bytes = bytes.saturating_add(size);
            let Some(sources) = &self.sources else { continue };
            used.resize(sources.used.len(), Used::default());
            let Note { announced: [charged, other], distance } = sources.notes[id.index()];
            if !sources.order.contains(&(charged, distance, id)) {
                return Err("SH2: every held message has its rank in the order of eviction");
            }
            if charged != other && !sources.seconds.contains(&(other, id)) {
                return Err("SH4: every message that two have brought is noted under the second");
            }
            seconds += usize::from(charged != other);
            if saturated(truly) > distance {
                return Err("SH3: no distance grows");
            }
            if [charged, other].iter().any(|source| sources.free.contains(source)) {
                return Err("SH1: nothing is charged to a source that has gone");
            }
            let used = &mut used[usize::from(charged.0)];
            *used = Used { messages: used.messages + 1, bytes: used.bytes.saturating_add(size) };
            ranks += 1;
        }
        if self.is_charging && bytes != self.bytes {
            return Err("SH1: as many bytes as are held");
        }
        if let Some(sources) = &self.sources {
            used.resize(sources.used.len(), Used::default());
            if used != sources.used || sources.ids.len() + sources.free.len() + 1 != used.len() {
                return Err("SH1: what is charged is what is held");
            }
            if seconds != sources.seconds.len() {
                return Err("SH4: nothing else is noted");
            }
            if ranks != sources.order.len() {
                return Err("SH2: nothing else is in the order of eviction");
            }
        }
        Ok(())
    }
}

/// Returns a distance, up to 2^32 - 1.
fn saturated(distance: u64) -> u32 {
    u32::try_from(distance).unwrap_or(u32::MAX)
}
