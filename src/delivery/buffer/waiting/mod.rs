//! The messages in the buffer, each with the cause that it waits for.
//!
//! [`Waiting`] combines two parts: [`lanes`] have the state of each node, and [`links`] have the held messages and
//! their lists. Its methods are whole steps: all invariants hold after each of them, and after a panic in one that was
//! caught.
//!
//! | step | what it does |
//! |---|---|
//! | [`insert_ready`](Waiting::insert_ready) | a new message that can be delivered is queued |
//! | [`park`](Waiting::park) | a new message is held, and waits for its first cause that is not delivered |
//! | [`deliver`](Waiting::deliver) | the first message in the queue goes, and releases those that waited for it |
//! | [`wake`](Waiting::wake) | released messages check their next causes, and are queued or parked again |
//! | [`withdraw`](Waiting::withdraw) | a held message is removed, as if it had not come |
//! | [`close`](Waiting::close) | lanes end early, and doomed messages are removed |
//! | [`drain`](Waiting::drain) | all messages are removed |
//! | [`advance_to`](Waiting::advance_to) | a snapshot counts as delivered, and all messages check their causes again |
//!
//! It knows no limits and no sources, and refuses nothing: that is the work of [`CausalBuffer`](crate::CausalBuffer).
//!
//! # Invariants
//!
//! - WT1: no message that is here is delivered, and none is here twice. A message that stands in its lane is the next of its node.
//! - WT2: a parked message waits under its first cause that is not delivered.
//! - WT3: the slot of an event has the message of that name.
//! - WT4: each lane with a ready message is queued once, and no other lane is.
//! - WT5: no message that is here is closed or names a closed one.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, and the function that is called for a message that
//! becomes ready. Each step runs that code first, and makes its changes afterwards.

mod lane_index;
mod lanes;
mod links;

use core::mem;

use smallvec::SmallVec;

use crate::compat::{BTreeMap, Vec, VecDeque};
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

pub(super) use lane_index::LaneId;
pub(super) use lanes::Lane;
use lanes::Lanes;
use links::Links;
pub(super) use links::{Cause, Held, HeldId};

/// The messages in the buffer.
#[derive(Clone, Debug)]
pub(super) struct Waiting<I, P> {
    lanes: Lanes<I, Message<I, P>>,
    links: Links<Message<I, P>>,
    /// The lanes with a ready message, in the lane itself or among the held ones, in the order in which they became
    /// ready.
    ready: VecDeque<LaneId>,
    /// Number of look-ups of the delivered counter of a node.
    #[cfg(test)]
    checks: core::cell::Cell<u64>,
}

/// The cause that a new message waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// The first cause of the message that is not delivered.
    first: Cause,
    /// Index of the first cause after `first` whose counter is higher than the highest known one of its node;
    /// `usize::MAX` if there is none.
    news: usize,
}

impl Wait {
    /// Notes the next cause of a message, whose node is delivered up to the first counter and known up to the second.
    #[inline]
    pub(super) fn look(wait: &mut Option<Self>, cause: Cause, (delivered, highest): (u64, u64)) {
        match wait {
            None if cause.counter() > delivered => *wait = Some(Self { first: cause, news: usize::MAX }),
            Some(wait) if cause.counter() > highest => wait.news = wait.news.min(cause.index()),
            _ => {}
        }
    }
}

/// A held message that is about to be removed, with the event that it waits for. The caller's code was called to find
/// them, and is not needed again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Withdrawal {
    id: HeldId,
    on: (LaneId, u64),
}

impl Withdrawal {
    pub(super) fn id(&self) -> HeldId {
        self.id
    }
}

/// A message that will never be delivered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doomed {
    /// The ready message of a lane.
    Ready(LaneId),
    /// A message that waits.
    Held(Withdrawal),
}

/// The messages that [`Waiting::advance_to`] has removed or renumbered.
#[derive(Debug)]
pub(super) struct Advanced<I, P> {
    /// The messages that count as delivered.
    pub(super) covered: Vec<Message<I, P>>,
    /// The old and the new numbers of the messages that still wait, by dot.
    pub(super) moved: Vec<(HeldId, HeldId)>,
}

impl<I: NodeId, P> Waiting<I, P> {
    /// The largest number of nodes.
    pub(super) const MAX_NODES: usize = Lanes::<I, P>::MAX;
    /// The largest number of waiting messages.
    pub(super) const MAX: usize = Links::<P>::MAX;
    /// The largest number of causes of a message.
    pub(super) const MAX_CAUSES: usize = Links::<P>::MAX_CAUSES;

    pub(super) const fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            links: Links::new(),
            ready: VecDeque::new(),
            #[cfg(test)]
            checks: core::cell::Cell::new(0),
        }
    }

    /// Returns the number of known nodes.
    #[inline]
    pub(super) fn nodes(&self) -> usize {
        self.lanes.len()
    }

    /// Returns the number of messages in the buffer.
    pub(super) fn len(&self) -> usize {
        self.links.waiting() + self.ready.len()
    }

    /// Returns the number of waiting messages, with those that were released and not yet checked.
    #[inline]
    pub(super) fn parked_len(&self) -> usize {
        self.links.waiting()
    }

    /// Looks up the lane of a node in a check of its delivered counter. O(log n).
    #[inline]
    pub(super) fn find(&self, node: &I) -> Option<LaneId> {
        self.note_check();
        self.lanes.find(node)
    }

    /// Looks up the lane of a node for another purpose. O(log n).
    pub(super) fn lane_id(&self, node: &I) -> Option<LaneId> {
        self.lanes.find(node)
    }

    /// Counts, for tests, a look-up of the delivered counter of a node.
    #[inline]
    fn note_check(&self) {
        #[cfg(test)]
        self.checks.set(self.checks.get() + 1);
    }

    #[cfg(test)]
    pub(super) fn checks(&self) -> u64 {
        self.checks.get()
    }

    /// Finds the lane of a node, or makes the node known. O(log n), amortised for a new node.
    pub(super) fn find_or_add(&mut self, node: &I) -> LaneId {
        self.lanes.find_or_add(node)
    }

    /// Returns a lane.
    #[inline]
    pub(super) fn lane(&self, id: LaneId) -> &Lane<Message<I, P>> {
        &self.lanes[id]
    }

    /// Returns the lane of a node, if it is known. O(log n).
    pub(super) fn lane_of(&self, node: &I) -> Option<&Lane<Message<I, P>>> {
        self.lanes.find(node).map(|id| &self.lanes[id])
    }

    /// Visits the nodes in their order, each with its lane.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&I, &Lane<Message<I, P>>)> {
        self.lanes.iter()
    }

    /// Returns a held message.
    #[inline]
    pub(super) fn held(&self, id: HeldId) -> Option<&Held<Message<I, P>>> {
        self.links.get(id)
    }

    /// Returns a held message that is not ready.
    pub(super) fn parked(&self, id: HeldId) -> Option<&Held<Message<I, P>>> {
        self.held(id).filter(|held| !held.is_ready())
    }

    /// Finds the number of a held message. O(log n).
    pub(super) fn find_held(&self, dot: &Dot<I>) -> Option<HeldId> {
        let lane = self.lane_of(dot.node()).filter(|lane| dot.counter() > lane.delivered())?;
        lane.slot(dot.counter()).held
    }

    /// Returns the message with a counter that is not delivered, if it is here, and its number if it is held.
    #[inline]
    pub(super) fn here(&self, lane: LaneId, counter: u64) -> Option<(&Message<I, P>, Option<HeldId>)> {
        let lane = &self.lanes[lane];
        if let Some(ready) = lane.ready().filter(|ready| ready.dot().counter() == counter) {
            return Some((ready, None));
        }
        // Nothing is held above the highest known counter. A message that comes in order is above it.
        let id = (counter <= lane.highest()).then(|| lane.slot(counter).held).flatten()?;
        Some((self.links.get(id)?.message(), Some(id)))
    }

    /// Visits all messages, sorted by dot. O(n) for all, and O(1) for each message.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.lanes.iter().flat_map(|(_, lane)| {
            let held = lane.slots().filter_map(|(_, slot)| Some(self.links.get(slot.held?)?.message()));
            lane.ready().into_iter().chain(held)
        })
    }

    /// Visits the held messages that are not ready, sorted by dot.
    pub(super) fn iter_parked(&self) -> impl Iterator<Item = (HeldId, &Held<Message<I, P>>)> {
        let ids = self.lanes.iter().flat_map(|(_, lane)| lane.slots()).filter_map(|(_, slot)| slot.held);
        ids.filter_map(|id| Some((id, self.parked(id)?)))
    }

    /// Visits the messages that wait for a cause, sorted by dot. Held messages that are ready are left out, and so are
    /// released ones with all causes delivered. O(log n) for each message, and O(d log n) for one that was released.
    pub(super) fn iter_waiting(&self) -> impl Iterator<Item = (HeldId, &Message<I, P>)> {
        let parked = self.iter_parked().filter(|(_, held)| self.waits(held));
        parked.map(|(id, held)| (id, held.message()))
    }

    /// Visits the messages that can be delivered, in the order of delivery.
    pub(super) fn iter_ready(&self) -> impl Iterator<Item = &Message<I, P>> {
        let queued = self.ready.iter().filter_map(|&lane| self.ready(lane));
        let released = self.iter_parked().filter(|(_, held)| !self.waits(held));
        queued.chain(released.map(|(_, held)| held.message()))
    }

    /// Returns whether a held message that is not ready waits for a cause. If not, it was released.
    fn waits(&self, held: &Held<Message<I, P>>) -> bool {
        self.first_undelivered(held.message(), held.lane(), held.cause()).is_some()
    }

    /// Returns the distance of a held message from the last delivered counter of its node.
    pub(super) fn distance(&self, id: HeldId) -> Option<u64> {
        let held = self.links.get(id)?;
        Some(held.message().dot().counter() - self.lanes[held.lane()].delivered())
    }

    /// Finds the number of the ready message of a node, if it was held.
    fn ready_id(&self, lane: &Lane<Message<I, P>>) -> Option<HeldId> {
        let id = lane.slot(lane.delivered().checked_add(1)?).held?;
        self.links.get(id)?.is_ready().then_some(id)
    }

    /// Returns the ready message of a node.
    pub(super) fn ready(&self, id: LaneId) -> Option<&Message<I, P>> {
        let lane = &self.lanes[id];
        let held = || Some(self.links.get(self.ready_id(lane)?)?.message());
        lane.ready().or_else(held)
    }

    /// Removes the ready message of a node. The caller removes the lane from the queue.
    fn take_ready(&mut self, id: LaneId) -> Option<Message<I, P>> {
        if let Some(ready) = self.lanes[id].take_ready() {
            return Some(ready);
        }
        let held = self.ready_id(&self.lanes[id])?;
        let message = self.links.take(held)?;
        self.lanes[id].change(message.dot().counter(), |slot| slot.held = None);
        Some(message)
    }

    /// Finds the first undelivered cause of a message, starting at index `from`. `own` is the lane of the message's
    /// node.
    #[inline]
    fn first_undelivered(&self, message: &Message<I, P>, own: LaneId, from: usize) -> Option<Cause> {
        self.first_beyond(message, own, from, |lane| self.lanes[lane].delivered())
    }

    /// Finds the first cause of a message beyond the counters that `delivered` returns for lanes, starting at index
    /// `from`.
    #[inline(always)]
    fn first_beyond(
        &self,
        message: &Message<I, P>,
        own: LaneId,
        from: usize,
        delivered: impl Fn(LaneId) -> u64,
    ) -> Option<Cause> {
        let dependencies = message.dependencies();
        for (index, named) in (from..).zip(dependencies.get(from..)?) {
            let lane = self.find(named.node());
            if named.counter() > lane.map_or(0, &delivered) {
                return Some(Cause::new(index, lane, named.counter()));
            }
        }
        self.note_check();
        let previous = message.dot().counter() - 1;
        (previous > delivered(own)).then(|| Cause::new(dependencies.len(), Some(own), previous))
    }

    /// Queues a new message that can be delivered. `own` is the lane of its node, if the node is known.
    #[inline]
    pub(super) fn insert_ready(&mut self, message: Message<I, P>, own: Option<LaneId>) {
        let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
        self.lanes[own].set_ready(message.dot().counter(), message);
        self.ready.push_back(own);
    }

    /// Holds a new message that has to wait. `own` is the lane of its node, if the node is known.
    #[inline]
    pub(super) fn park(&mut self, message: Message<I, P>, own: Option<LaneId>, wait: Wait) -> HeldId {
        let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
        let Wait { first, news } = wait;
        // Earlier dependencies are known already. The cause that it waits for becomes known when it is parked.
        for named in message.dependencies().get(news..).unwrap_or_default() {
            let lane = self.lanes.find_or_add(named.node());
            self.lanes[lane].learn(named.counter());
        }
        let node = || message.cause(first.index()).map_or(message.dot().node(), |(node, _)| node);
        let on = first.lane().unwrap_or_else(|| self.lanes.find_or_add(node()));
        self.park_on(message, own, first, on)
    }

    /// Holds a message that has to wait for a cause in the lane `on`. Does not call the caller's code.
    #[inline]
    fn park_on(&mut self, message: Message<I, P>, own: LaneId, first: Cause, on: LaneId) -> HeldId {
        let counter = message.dot().counter();
        let links = &mut self.links;
        let id = self.lanes[on].fill(first.counter(), |slot| links.park(message, own, first, slot));
        self.lanes[own].fill(counter, |slot| slot.held = Some(id));
        id
    }

    /// Delivers the next message whose causes are all delivered; `None` if there is none now. Before that, calls
    /// `on_ready` for each held message that becomes ready.
    ///
    /// Released messages check their causes first. After that the caller's code is not called: a message that counts as
    /// delivered is always returned.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        mut on_ready: impl FnMut(HeldId, &Message<I, P>),
    ) -> Option<Message<I, P>> {
        let mut alone = None;
        self.sort_released();
        while let Some(id) = self.links.first_released() {
            alone = self.wake_first(id, true, &mut on_ready);
        }
        let id = match alone {
            Some(id) => id,
            None => self.ready.pop_front()?,
        };
        let slot = self.lanes[id].deliver();
        self.links.release(slot);
        match slot.held {
            Some(held) => self.links.take(held),
            None => self.lanes[id].take_ready(),
        }
    }

    /// Lets every released message check its next causes. A message that can be delivered is queued, after a call of
    /// `on_ready`. The others are parked again.
    ///
    /// Every call that changes the buffer begins with this. So the order of delivery is the order of release, whatever
    /// is called in between.
    #[inline]
    pub(super) fn wake(&mut self, on_ready: impl FnMut(HeldId, &Message<I, P>)) {
        if self.links.first_released().is_some() {
            self.wake_all(on_ready);
        }
    }

    #[inline(never)]
    fn wake_all(&mut self, mut on_ready: impl FnMut(HeldId, &Message<I, P>)) {
        self.sort_released();
        while let Some(id) = self.links.first_released() {
            self.wake_first(id, false, &mut on_ready);
        }
    }

    /// Sorts the released messages by dot. So the order of delivery does not tell the order in which they came.
    #[inline]
    fn sort_released(&mut self) {
        if self.links.has_many_released() {
            self.sort_many_released();
        }
    }

    #[inline(never)]
    fn sort_many_released(&mut self) {
        let dot = |id: &HeldId| self.links.get(*id).map(|held| held.message().dot());
        let mut sorted: SmallVec<[HeldId; 8]> = self.links.released().collect();
        sorted.sort_unstable_by(|x, y| dot(x).cmp(&dot(y)));
        self.links.order_released(&sorted);
    }

    /// Lets the first released message check its next causes. All calls of the caller's code come before the first
    /// change.
    ///
    /// If `takes` is true and nothing else is ready or released, a message that can be delivered skips the queue. Then
    /// its lane is returned, and [`deliver`](Self::deliver) delivers it at once.
    #[inline(always)]
    fn wake_first(
        &mut self,
        id: HeldId,
        takes: bool,
        on_ready: &mut impl FnMut(HeldId, &Message<I, P>),
    ) -> Option<LaneId> {
        let Some(held) = self.links.get(id) else {
            self.links.pop_released();
            return None;
        };
        let own = held.lane();
        // The key to linear time: the cause that it waited for is delivered, so the search goes on after that.
        match self.first_undelivered(held.message(), own, held.cause() + 1) {
            Some(cause) => {
                // The lane is known: all names in a message became known when it arrived.
                let links = &mut self.links;
                self.lanes[cause.lane().unwrap_or(own)]
                    .fill(cause.counter(), |slot| links.park_released(cause, slot));
                None
            }
            None => {
                on_ready(id, held.message());
                if takes && self.ready.is_empty() && self.links.pop_last_released(id) {
                    return Some(own);
                }
                // The message stays where it is, and no longer counts as waiting.
                self.links.make_released_ready();
                self.ready.push_back(own);
                None
            }
        }
    }

    /// Finds all that is needed to remove a held message that waits. Call [`wake`](Self::wake) before: no message may
    /// be released.
    pub(super) fn withdrawal(&self, id: HeldId) -> Option<Withdrawal> {
        let held = self.parked(id)?;
        let (node, counter) = held.message().cause(held.cause())?;
        Some(Withdrawal { id, on: (self.lanes.find(node)?, counter) })
    }

    /// Removes a held message as if it had not come. Does not call the caller's code.
    pub(super) fn withdraw(&mut self, withdrawal: Withdrawal) -> Option<Message<I, P>> {
        debug_assert!(self.links.first_released().is_none(), "WT2: what is withdrawn is parked");
        let Withdrawal { id, on: (on, counter) } = withdrawal;
        let own = self.links.get(id)?.lane();
        let links = &mut self.links;
        let message = self.lanes[on].change(counter, |slot| links.take_parked(id, slot)).flatten()?;
        self.lanes[own].change(message.dot().counter(), |slot| slot.held = None);
        Some(message)
    }

    /// Ends lanes at these counters, and removes the doomed messages, in the given order. Does not call the caller's
    /// code.
    pub(super) fn close(
        &mut self,
        lasts: BTreeMap<LaneId, u64>,
        doomed: impl IntoIterator<Item = Doomed>,
    ) -> Vec<Message<I, P>> {
        for (lane, last) in lasts {
            self.lanes[lane].close(last);
        }
        let take = |doomed| match doomed {
            Doomed::Ready(lane) => self.take_ready(lane),
            Doomed::Held(withdrawal) => self.withdraw(withdrawal),
        };
        let doomed = doomed.into_iter().filter_map(take).collect();
        let ready = mem::take(&mut self.ready);
        self.ready = ready.into_iter().filter(|&lane| self.ready(lane).is_some()).collect();
        doomed
    }

    /// Removes and returns all messages, sorted by dot. O(n + h).
    pub(super) fn drain(&mut self) -> Vec<Message<I, P>> {
        let ids: Vec<LaneId> = self.lanes.ids().collect();
        // From here on the caller's code is not called.
        let mut drained = Vec::with_capacity(self.len());
        for id in ids {
            let lane = &mut self.lanes[id];
            drained.extend(lane.take_ready());
            drained.extend(lane.slots().filter_map(|(_, slot)| self.links.take(slot.held?)));
            lane.clear_slots();
        }
        self.ready.clear();
        self.links = Links::new();
        drained
    }

    /// Marks everything up to `vector` as delivered. Call [`wake`](Self::wake) before: no message may be released.
    ///
    /// Covered messages are removed. The others check all their causes again. Ready messages stay ready.
    pub(super) fn advance_to(&mut self, vector: &VersionVector<I>) -> Advanced<I, P> {
        // All calls of the caller's code come first. Their only effect may be that nodes are known.
        let news = vector.iter().map(|(node, counter)| (self.lanes.find_or_add(node), counter));
        let news: Vec<(LaneId, u64)> = news.collect();
        let mut delivered: Vec<u64> = self.lanes.by_number().map(Lane::delivered).collect();
        for &(lane, counter) in &news {
            delivered[lane.index()] = counter.max(delivered[lane.index()]);
        }
        let delivered = |lane: LaneId| delivered[lane.index()];
        let parked = self.iter_parked().map(|(id, held)| {
            let own = held.lane();
            (id, own, self.first_beyond(held.message(), own, 0, delivered))
        });
        let parked: Vec<_> = parked.collect();

        // From here on the caller's code is not called.
        let ready: Vec<_> =
            mem::take(&mut self.ready).into_iter().map(|own| (own, self.take_ready(own))).collect();
        let mut links = mem::replace(&mut self.links, Links::new());
        self.lanes.advance_to(news);
        let (mut covered, mut moved) = (Vec::new(), Vec::new());
        for (own, ready) in ready {
            match ready {
                Some(ready) if ready.dot().counter() > delivered(own) => self.insert_ready(ready, Some(own)),
                ready => covered.extend(ready),
            }
        }
        for (id, own, first) in parked {
            let Some(message) = links.take(id) else { continue };
            if message.dot().counter() <= delivered(own) {
                covered.push(message);
            } else if let Some(first) = first {
                // All names in a message became known when it arrived.
                moved.push((id, self.park_on(message, own, first, first.lane().unwrap_or(own))));
            } else {
                self.insert_ready(message, Some(own));
            }
        }
        Advanced { covered, moved }
    }

    /// Checks the invariants of this module and of those below it. O(everything).
    pub(super) fn internal_validate(&self) -> Result<(), &'static str> {
        self.lanes.validate()?;
        self.links.validate(self.lanes.iter().flat_map(|(_, lane)| lane.slots()).map(|(_, slot)| slot))?;
        let ready = self.lanes.iter().filter(|(_, lane)| lane.ready().is_some()).count() + self.links.ready();
        let queued = self.ready.iter().filter(|&&lane| self.ready(lane).is_some()).count();
        if ready != queued || ready != self.ready.len() {
            return Err("WT4: every ready message is queued");
        }
        for (node, lane) in self.lanes.iter() {
            let delivered = lane.delivered();
            if lane.ready().is_some_and(|ready| ready.dot().counter() != delivered + 1) {
                return Err("WT1: a message that stands in its lane is its node's next");
            }
            for (counter, slot) in lane.slots() {
                let held = slot.held.and_then(|id| self.links.get(id)).map(Held::message);
                if held.is_some_and(|held| held.dot().node() != node || held.dot().counter() != counter) {
                    return Err("WT3: the slot of an event has the message of that name");
                }
                if counter <= delivered
                    || (held.is_some() && lane.ready().is_some() && counter == delivered + 1)
                {
                    return Err("WT1: nothing that is here is delivered, or here twice");
                }
                // LN2 and LN5 imply that no slot lies above the counter at which its node was closed.
                let closed = |named: &Dot<I>| {
                    self.lane_of(named.node()).is_some_and(|lane| lane.last() < named.counter())
                };
                if held.is_some_and(|held| held.dependencies().iter().any(closed)) {
                    return Err("WT5: nothing that is here names what is closed");
                }
                for waiter in self.links.waiters(slot) {
                    let is_parked_here = self.links.get(waiter).is_some_and(|held| {
                        let first = self.first_undelivered(held.message(), held.lane(), 0);
                        held.message().cause(held.cause()) == Some((node, counter))
                            && first.is_some_and(|first| first.index() == held.cause())
                    });
                    if !is_parked_here {
                        return Err("WT2: a parked message waits under its first cause that is not delivered");
                    }
                }
            }
        }
        Ok(())
    }
}
