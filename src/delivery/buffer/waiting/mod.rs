//! The messages that are here, each with the cause that it waits for.
//!
//! One type over what is known of each node, in [`lanes`], and what waits for what, in [`links`]. Its methods are whole
//! steps: after each of them, and after a panic in one that was caught, all invariants hold.
//!
//! | step | what it does |
//! |---|---|
//! | [`insert_ready`](Waiting::insert_ready) | a new message that can be delivered is queued |
//! | [`park`](Waiting::park) | a new message is held, and waits for its first cause that is not delivered |
//! | [`deliver`](Waiting::deliver) | the first in the queue goes, and releases those that waited for it |
//! | [`wake`](Waiting::wake) | what was released looks at its next causes: it is queued, or parked again |
//! | [`withdraw`](Waiting::withdraw) | a held message is taken out, as if it had not come |
//! | [`close`](Waiting::close) | lanes end early, and doomed messages are taken out |
//! | [`drain`](Waiting::drain) | all messages are taken out |
//! | [`advance_to`](Waiting::advance_to) | a snapshot counts as delivered, and all look at their causes again |
//!
//! It knows no limits and no sources, and refuses nothing: [`CausalBuffer`](crate::CausalBuffer) does that.
//!
//! # Invariants
//!
//! - WT1: no message that is here is delivered, and none is here twice. One that stands in its lane is its node's next.
//! - WT2: a parked message waits under its first cause that is not delivered.
//! - WT3: the slot of an event has the message of that name.
//! - WT4: each lane with a ready message is queued once, and no other.
//! - WT5: no message that is here is closed, nor names what is.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, and what is called for a message that gets ready.
//! Each step does what needs that code first, and changes something afterwards.

mod lane_index;
mod lanes;
mod links;

use core::mem;

use crate::compat::{BTreeMap, Vec, VecDeque};
use crate::delivery::message::Message;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

pub(super) use lane_index::LaneId;
pub(super) use lanes::Lane;
use lanes::Lanes;
use links::Links;
pub(super) use links::{Cause, Held, HeldId};

/// The messages that are here.
#[derive(Clone, Debug)]
pub(super) struct Waiting<I, P> {
    lanes: Lanes<I, Message<I, P>>,
    links: Links<Message<I, P>>,
    /// The lanes with a ready message, standing there or among the held ones, in the order in which they became so.
    ready: VecDeque<LaneId>,
    /// Number of look-ups of the counter up to which a node is delivered.
    #[cfg(test)]
    checks: core::cell::Cell<u64>,
}

/// The cause that a new message waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// The first of its causes that is not delivered.
    first: Cause,
    /// Index of the first cause after `first` whose counter is higher than any that is known of its node; `usize::MAX`
    /// if there is none.
    news: usize,
}

impl Wait {
    /// Looks at the next cause of a message: its node is delivered up to the first counter, and known up to the second.
    #[inline]
    pub(super) fn look(wait: &mut Option<Self>, cause: Cause, (delivered, highest): (u64, u64)) {
        match wait {
            None if cause.counter() > delivered => *wait = Some(Self { first: cause, news: usize::MAX }),
            Some(wait) if cause.counter() > highest => wait.news = wait.news.min(cause.index()),
            _ => {}
        }
    }
}

/// A held message that is about to be taken out, with the event that it waits for: all that calls the caller's code.
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

/// The changes made by [`Waiting::advance_to`].
#[derive(Debug)]
pub(super) struct Advanced<I, P> {
    /// The messages that count as delivered.
    pub(super) covered: Vec<Message<I, P>>,
    /// The messages that still wait, by dot: their numbers before and now.
    pub(super) moved: Vec<(HeldId, HeldId)>,
}

impl<I: NodeId, P> Waiting<I, P> {
    /// The most nodes that can be known.
    pub(super) const MAX_NODES: usize = Lanes::<I, P>::MAX;
    /// The most messages that can wait.
    pub(super) const MAX: usize = Links::<P>::MAX;
    /// The most causes that a message can have.
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

    /// Returns how many nodes are known.
    #[inline]
    pub(super) fn nodes(&self) -> usize {
        self.lanes.len()
    }

    /// Returns how many messages are here.
    pub(super) fn len(&self) -> usize {
        self.links.waiting() + self.ready.len()
    }

    /// Returns how many messages wait, those included that were released and have not been looked at.
    #[inline]
    pub(super) fn parked_len(&self) -> usize {
        self.links.waiting()
    }

    /// Looks up the lane of a node, to see up to where it is delivered. O(log n).
    #[inline]
    pub(super) fn find(&self, node: &I) -> Option<LaneId> {
        self.note_check();
        self.lanes.find(node)
    }

    /// The same for another purpose. O(log n).
    pub(super) fn lane_id(&self, node: &I) -> Option<LaneId> {
        self.lanes.find(node)
    }

    /// Counts, for tests, a look-up of the counter up to which a node is delivered.
    #[inline]
    fn note_check(&self) {
        #[cfg(test)]
        self.checks.set(self.checks.get() + 1);
    }

    #[cfg(test)]
    pub(super) fn checks(&self) -> u64 {
        self.checks.get()
    }

    /// Finds the lane of a node, which is known from now on. O(log n), amortised for a new node.
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

    /// Returns the message of a counter that is not delivered, if it is here, and its number if it is held.
    #[inline]
    pub(super) fn here(&self, lane: LaneId, counter: u64) -> Option<(&Message<I, P>, Option<HeldId>)> {
        let lane = &self.lanes[lane];
        if let Some(ready) = lane.ready().filter(|ready| ready.dot().counter() == counter) {
            return Some((ready, None));
        }
        // Nothing is held above the highest counter known, where a message that comes in order lies.
        let id = (counter <= lane.highest()).then(|| lane.slot(counter).held).flatten()?;
        Some((self.links.get(id)?.message(), Some(id)))
    }

    /// Visits the messages that are here, sorted by dot. O(n) for all, and O(1) a message.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Message<I, P>> {
        self.lanes.iter().flat_map(|(_, lane)| {
            let held = lane.slots().filter_map(|(_, slot)| Some(self.links.get(slot.held?)?.message()));
            lane.ready().into_iter().chain(held)
        })
    }

    /// Visits what is held and not ready, by dot.
    pub(super) fn iter_parked(&self) -> impl Iterator<Item = (HeldId, &Held<Message<I, P>>)> {
        let ids = self.lanes.iter().flat_map(|(_, lane)| lane.slots()).filter_map(|(_, slot)| slot.held);
        ids.filter_map(|id| Some((id, self.parked(id)?)))
    }

    /// Visits what waits for a cause, by dot: all that is held and not ready, without what was released and will find
    /// all its causes delivered. O(log n) a message, and O(d log n) for one that was released.
    pub(super) fn iter_waiting(&self) -> impl Iterator<Item = &Message<I, P>> {
        let parked = self.iter_parked().map(|(_, held)| held);
        let waits =
            |held: &&Held<_>| self.first_undelivered(held.message(), held.lane(), held.cause()).is_some();
        parked.filter(waits).map(Held::message)
    }

    /// Returns the distance of a held message from what is delivered of its node.
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

    /// Takes out the ready message of a node. The caller takes the lane out of the queue.
    fn take_ready(&mut self, id: LaneId) -> Option<Message<I, P>> {
        if let Some(ready) = self.lanes[id].take_ready() {
            return Some(ready);
        }
        let held = self.ready_id(&self.lanes[id])?;
        let message = self.links.take(held)?;
        self.lanes[id].change(message.dot().counter(), |slot| slot.held = None);
        Some(message)
    }

    /// Finds the first of the causes of a message that is not delivered, from the cause with index `from` on; `own` is
    /// the lane of its node.
    #[inline]
    fn first_undelivered(&self, message: &Message<I, P>, own: LaneId, from: usize) -> Option<Cause> {
        self.first_beyond(message, own, from, |lane| self.lanes[lane].delivered())
    }

    /// The same if `delivered` says up to where the node of a lane is delivered.
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

    /// Queues a new message that can be delivered; `own` is the lane of its node, if that is known.
    #[inline]
    pub(super) fn insert_ready(&mut self, message: Message<I, P>, own: Option<LaneId>) {
        let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
        self.lanes[own].set_ready(message.dot().counter(), message);
        self.ready.push_back(own);
    }

    /// Holds a new message that has to wait; `own` is the lane of its node, if that is known.
    #[inline]
    pub(super) fn park(&mut self, message: Message<I, P>, own: Option<LaneId>, wait: Wait) -> HeldId {
        let own = own.unwrap_or_else(|| self.lanes.find_or_add(message.dot().node()));
        let Wait { first, news } = wait;
        // The dependencies from there on; the cause that it waits for is learnt where it is parked.
        for named in message.dependencies().get(news..).unwrap_or_default() {
            let lane = self.lanes.find_or_add(named.node());
            self.lanes[lane].learn(named.counter());
        }
        let node = || message.cause(first.index()).map_or(message.dot().node(), |(node, _)| node);
        let on = first.lane().unwrap_or_else(|| self.lanes.find_or_add(node()));
        self.park_on(message, own, first, on)
    }

    /// Holds a message that has to wait for a cause of the lane `on`. Calls nothing of the caller's.
    #[inline]
    fn park_on(&mut self, message: Message<I, P>, own: LaneId, first: Cause, on: LaneId) -> HeldId {
        let counter = message.dot().counter();
        let links = &mut self.links;
        let id = self.lanes[on].fill(first.counter(), |slot| links.park(message, own, first, slot));
        self.lanes[own].fill(counter, |slot| slot.held = Some(id));
        id
    }

    /// Delivers the next message all of whose causes are delivered; `None` if there is none now. Calls `on_ready` for
    /// each held message that gets ready, first.
    ///
    /// The released ones look at their causes first. Nothing of the caller's is called after that: what counts as
    /// delivered is returned.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        mut on_ready: impl FnMut(HeldId, &Message<I, P>),
    ) -> Option<Message<I, P>> {
        let mut alone = None;
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

    /// Lets everything that was released look at its next causes: what can be delivered is queued, after a call of
    /// `on_ready`, and the rest is parked again.
    ///
    /// Every call that changes the buffer begins with it. So the order of delivery is that of the releases, whatever
    /// is called in between.
    #[inline]
    pub(super) fn wake(&mut self, on_ready: impl FnMut(HeldId, &Message<I, P>)) {
        if self.links.first_released().is_some() {
            self.wake_all(on_ready);
        }
    }

    #[inline(never)]
    fn wake_all(&mut self, mut on_ready: impl FnMut(HeldId, &Message<I, P>)) {
        while let Some(id) = self.links.first_released() {
            self.wake_first(id, false, &mut on_ready);
        }
    }

    /// Lets the first that was released look at its next causes. All that calls the caller's code comes first, and
    /// changes nothing.
    ///
    /// If `takes` says so and nothing else is ready or released, a message that can be delivered does not go through
    /// the queue: returns its lane, and [`deliver`](Self::deliver) delivers it at once.
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
        // The key to linear time: what it waited for is delivered, so it goes on after it.
        match self.first_undelivered(held.message(), own, held.cause() + 1) {
            Some(cause) => {
                // Its lane is known: what it names was learnt when it came.
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
                // It stays where it is, and does not count as waiting.
                self.links.make_released_ready();
                self.ready.push_back(own);
                None
            }
        }
    }

    /// Finds out what is needed to take out a held message that waits. Nothing may be released: [`wake`](Self::wake)
    /// first.
    pub(super) fn withdrawal(&self, id: HeldId) -> Option<Withdrawal> {
        let held = self.parked(id)?;
        let (node, counter) = held.message().cause(held.cause())?;
        Some(Withdrawal { id, on: (self.lanes.find(node)?, counter) })
    }

    /// Takes out a held message as if it had not come. Calls nothing of the caller's.
    pub(super) fn withdraw(&mut self, withdrawal: Withdrawal) -> Option<Message<I, P>> {
        debug_assert!(self.links.first_released().is_none(), "WT2: what is withdrawn is parked");
        let Withdrawal { id, on: (on, counter) } = withdrawal;
        let own = self.links.get(id)?.lane();
        let links = &mut self.links;
        let message = self.lanes[on].change(counter, |slot| links.take_parked(id, slot)).flatten()?;
        self.lanes[own].change(message.dot().counter(), |slot| slot.held = None);
        Some(message)
    }

    /// Ends lanes at these counters, and takes out what is doomed by that, in the same order. Calls nothing of the
    /// caller's.
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

    /// Takes out every message that is here, sorted by dot. O(n + h).
    pub(super) fn drain(&mut self) -> Vec<Message<I, P>> {
        let ids: Vec<LaneId> = self.lanes.ids().collect();
        // Calls nothing of the caller's from here on.
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

    /// Takes everything that `vector` names as delivered. Nothing may be released: [`wake`](Self::wake) first.
    ///
    /// Covered messages are taken out, and the rest look at all their causes again. Those that were ready stay so.
    pub(super) fn advance_to(&mut self, vector: &VersionVector<I>) -> Advanced<I, P> {
        // All that calls the caller's code comes first. At most it makes nodes known.
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

        // Calls nothing of the caller's from here on.
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
                // What it names was learnt when it came.
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
                // That no slot lies above where its node was closed is LN2 with LN5.
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
