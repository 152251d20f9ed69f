//! Shares: the part of a [`CausalBuffer`](crate::CausalBuffer) that is reserved for each source.
//!
//! # The problem
//!
//! A hostile neighbour sends messages that wait for ever, until the buffer is full. From then on, there is no room for
//! a message that an honest neighbour brings out of order. Dropping the oldest message does not help: the hostile
//! neighbour sends faster. A fixed part for each neighbour would waste the room of silent ones. So all may use free
//! room, and when there is none, the neighbour that uses most gives way.
//!
//! # The rule
//!
//! A *source* is the neighbour that brought a message, not its author: only the neighbour can be blamed. Messages that
//! a source brings by [`accept_from`](crate::CausalBuffer::accept_from) are charged to it. As long as there is room,
//! every source may use it. When there is none, the source that holds most gives way: one of its messages is
//! [evicted](crate::delivery::eviction), or the new message is refused. So:
//!
//! - A source that holds no more than a share, `limit / (sources + 1)`, loses nothing and is never refused.
//! - Messages that come by [`accept`](crate::CausalBuffer::accept) are charged to one more source, without a name.
//!
//! A message that two sources have brought is charged to the first, and the second is noted. When the first is
//! [removed](crate::CausalBuffer::remove_source) or has to give way, the second takes over. Otherwise a fast neighbour
//! could bring the messages of others first, and then have them evicted. No third source is noted.
//!
//! # Cost
//!
//! Nothing until a source is named. Then up to 37 bytes for each held message. Each of h held messages costs O(log h)
//! when it comes and when it goes.
//!
//! # Invariants
//!
//! The shares are a ledger. It knows the numbers of held messages, but neither their content nor the buffer.
//!
//! - SH1: the charges of all sources add up to what is held, in messages and in bytes.
//! - SH2: a tree has one entry for every held message, under the source that is charged, at its noted distance.
//! - SH3: no noted distance is shorter than the true one.
//! - SH4: a second tree has one entry for every held message that two sources have brought, under the one that is not
//!   charged.
//!
//! # Sources
//!
//! Bitcoin Core: a share of the orphan transactions for each peer, and eviction from the worst offender.

use core::iter;

use crate::compat::{BTreeMap, BTreeSet, Box, Vec};
use crate::delivery::buffer::waiting::HeldId;
use crate::node::NodeId;

/// The number of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(u16);

impl SourceId {
    /// The source of all messages that come without one.
    pub(super) const UNNAMED: Self = Self(0);
    /// The largest number of sources, so that they can be numbered in 16 bits.
    pub(super) const MAX: usize = u16::MAX as usize;
}

/// The charge for a held message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    pub(super) announced: [SourceId; 2],
    /// The bytes that the message counts for.
    pub(super) size: usize,
}

/// A note about a held message.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// The source that is charged, and another one that has brought the message too; twice the same if none has.
    announced: [SourceId; 2],
    /// The distance from the last delivered counter of its node, when it was last noted.
    distance: u32,
}

/// The sum of the charges to a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The content of the ledger, without its numbers.
#[derive(PartialEq, Hash)]
pub(super) struct SharesContent<'a, I> {
    announced: Vec<[Option<&'a I>; 2]>,
    sources: Vec<&'a I>,
}

/// The rank of a held message in the order of eviction: the highest rank of a source goes first.
type Rank = (SourceId, u32, HeldId);

/// The charges for all held messages.
#[derive(Clone, Debug)]
pub(super) struct Shares<I> {
    /// True if held messages are charged. If not, their bytes are not counted.
    is_charging: bool,
    /// Number of bytes held, if held messages are charged.
    bytes: usize,
    /// The sources; `None` until the first one is named.
    sources: Option<Box<Sources<I>>>,
}

/// The sources, and what is charged to each.
#[derive(Clone, Debug)]
struct Sources<I> {
    ids: BTreeMap<I, SourceId>,
    /// The charges of each source, by number. Numbers that are not in use are in `free`.
    used: Vec<Used>,
    free: Vec<SourceId>,
    /// The notes, by number of the message. Notes of numbers that are not in use have no meaning.
    notes: Vec<Note>,
    order: BTreeSet<Rank>,
    /// The messages that two sources have brought, by the source that is not charged.
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

    /// Replaces the note of the sources that have brought a held message.
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
    /// Finds the number of a source, or makes the source known. `None` if it would be one more than the limit.
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
    /// Starts without sources. The bytes of held messages are counted if `counts_bytes`, or once there are sources.
    pub(super) const fn new(counts_bytes: bool) -> Self {
        Self { is_charging: counts_bytes, bytes: 0, sources: None }
    }

    /// Returns whether held messages are charged.
    #[inline]
    pub(super) fn is_charging(&self) -> bool {
        self.is_charging
    }

    /// Returns the number of bytes held, if held messages are charged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether a source was ever named.
    pub(super) fn has_sources(&self) -> bool {
        self.sources.is_some()
    }

    /// Returns the number of known sources.
    pub(super) fn sources(&self) -> usize {
        self.sources.as_ref().map_or(0, |sources| sources.ids.len())
    }

    /// Charges all held messages to the source without a name. O(h log h).
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

    /// Finds the number of a source, or makes the source known. `None` before [`start`](Self::start), and if it would
    /// be one more than the limit.
    pub(super) fn find_or_add(&mut self, source: &I, limit: usize) -> Option<SourceId> {
        self.sources.as_mut()?.find_or_add(source, limit)
    }

    /// Finds the number of a known source.
    pub(super) fn find(&self, source: &I) -> Option<SourceId> {
        self.sources.as_ref()?.ids.get(source).copied()
    }

    /// Removes a source that is charged for nothing.
    pub(super) fn remove(&mut self, source: &I) {
        let Some(sources) = &mut self.sources else { return };
        let Some(&gone) = sources.ids.get(source) else { return };
        let second = sources.seconds.range((gone, HeldId::MIN)..=(gone, HeldId::MAX));
        let second: Vec<HeldId> = second.map(|&(_, id)| id).collect();
        for id in second {
            let [charged, _] = sources.notes[id.index()].announced;
            sources.announce(id, [charged; 2]);
        }
        // The id is dropped at the end: its `drop` may panic.
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

    /// Returns the sources that have brought a held message.
    pub(super) fn announced(&self, id: HeldId) -> [SourceId; 2] {
        self.sources.as_ref().map_or([SourceId::UNNAMED; 2], |sources| sources.notes[id.index()].announced)
    }

    /// Returns the source that is charged for a held message; `None` if it has no name.
    pub(super) fn charged(&self, id: HeldId) -> Option<&I> {
        let [charged, _] = self.announced(id);
        let mut ids = self.sources.as_ref()?.ids.iter();
        ids.find(|&(_, &source)| source == charged).map(|(source, _)| source)
    }

    /// Returns, for each held message in `ids`, the two sources that have brought it, `None` for those without a name;
    /// and with them all known sources. `None` if no source was ever named.
    pub(super) fn content(&self, ids: impl Iterator<Item = HeldId>) -> Option<SharesContent<'_, I>> {
        let sources = self.sources.as_ref()?;
        let numbers: BTreeMap<SourceId, &I> = sources.ids.iter().map(|(source, &id)| (id, source)).collect();
        let announced = ids.map(|id| sources.notes[id.index()].announced.map(|id| numbers.get(&id).copied()));
        Some(SharesContent { announced: announced.collect(), sources: sources.ids.keys().collect() })
    }

    /// Returns the held messages that are charged to a source.
    pub(super) fn charged_to(&self, source: SourceId) -> Vec<HeldId> {
        let all = (source, 0, HeldId::MIN)..=(source, u32::MAX, HeldId::MAX);
        let sources = self.sources.iter();
        sources.flat_map(|sources| sources.order.range(all.clone())).map(|&(.., id)| id).collect()
    }

    /// Charges a held message at this distance to the first source that announced it.
    #[cold]
    pub(super) fn charge(&mut self, id: HeldId, charge: Charge, distance: u64) {
        self.bytes = self.bytes.saturating_add(charge.size);
        if let Some(sources) = &mut self.sources {
            sources.add(id, charge, saturated(distance));
        }
    }

    /// Ends the charge for a held message of this size.
    #[cold]
    pub(super) fn discharge(&mut self, id: HeldId, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(sources) = &mut self.sources {
            sources.subtract(id, size);
        }
    }

    /// Ends the charge for a held message. `size` is called only if held messages are charged.
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

    /// Returns the source that would hold most if `newcomer` held `more` than it does. Of equals, it is the newcomer,
    /// otherwise the one with the highest id. `None` if there are no sources.
    pub(super) fn most(
        &self,
        newcomer: SourceId,
        more: usize,
        amount: impl Fn(&Used) -> usize,
    ) -> Option<SourceId> {
        let sources = self.sources.as_ref()?;
        let named = sources.ids.values().copied();
        // By rank in the order of the ids, because numbers tell only the past.
        let ranked = iter::once(SourceId::UNNAMED).chain(named).enumerate();
        let amounts = ranked.map(|(rank, source)| {
            let is_newcomer = source == newcomer;
            let more = if is_newcomer { more } else { 0 };
            (amount(&sources.used[usize::from(source.0)]).saturating_add(more), is_newcomer, rank, source)
        });
        Some(amounts.max().map_or(newcomer, |(.., source)| source))
    }

    /// Finds the message of a source that is furthest ahead, and its distance. `distance` returns that of each message.
    ///
    /// A noted distance may be longer than the true one, but never shorter. So the first entry whose noted distance is
    /// true belongs to the furthest message. The entries before it are corrected.
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

/// Returns a distance, capped at 2^32 - 1.
fn saturated(distance: u64) -> u32 {
    u32::try_from(distance).unwrap_or(u32::MAX)
}
