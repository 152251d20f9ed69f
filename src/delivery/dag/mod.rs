//! Causal delivery of events that name their parents by id.
//!
//! [`names`] gives numbers to the ids that are here or waited for, and links join numbers. So all calls of an id's
//! `clone` and `cmp` come before the first change.
//!
//! # Invariants
//!
//! - DB1: every event that is here has an id of its own, which has a number of its own.
//! - DB2: a link leads from an undelivered parent to an event that is here and names it. Every event counts its links.
//! - DB3: exactly the events without links are ready.
//! - DB4: at most `events` events are here when an event arrives that has to wait. At most that many are ready when a
//!   ready one arrives. There are at most `links` links.
//!
//! The caller's code may panic: `clone`, `cmp` and `drop` of ids, the question to the store, `==` and `drop` of
//! payloads. After a panic that was caught, all invariants hold and no event is lost. The interrupted call has changed
//! nothing. Only `advance_to` may have done its work for some of its ids. This is why unused ids stay for a while: the
//! caller's code is not called after the first change.

mod event;
mod limits;
mod names;

use core::hash::{Hash, Hasher};
use core::mem;

use crate::compat::{BTreeMap, BTreeSet, Vec};
use crate::delivery::dag::names::{Names, Number};
use crate::delivery::error::{AcceptError, Accepted, EventErrorKind};

pub use event::DagEvent;
pub use limits::DagLimits;

/// A buffer that holds events back until their parents are delivered, then releases them: commits, content-addressed
/// changes, the events of a room.
///
/// Ids are of any type that can be cloned and has a total order: hashes, UUIDs, strings. The buffer clones each id
/// once.
///
/// # The problem
///
/// The dot (a, 10) says that nine earlier events of node a exist. The hash of a commit says nothing about other
/// commits. Only the caller's store can tell whether a parent is there, and a look into it may cost an access to the
/// disk. Missing events form no ranges. An event may turn out to be invalid, and with it all events that build on it.
///
/// So the buffer asks the store once for each parent, and remembers the answer as a link from the parent to the event
/// that waits for it.
///
/// ```text
///   store: a b        here: d (parents b, c)      waits:  c ◄── d        missing: c
///                           e (parents d)                 d ◄── e
/// ```
///
/// # The algorithm
///
/// 1. [`accept`](Self::accept) asks the store once for the event, and once for each parent. For each undelivered parent
///    it keeps a link from the parent to the event. It counts the links of each event.
/// 2. [`pop`](Self::pop) delivers an event without links, and removes the links that lead from it. An event that loses
///    its last link is ready.
/// 3. [`forget`](Self::forget) follows the links from an event, and removes every event that it reaches.
///
/// Every link is made once and removed once, in every order of arrival. The buffer for dots
/// ([`CausalBuffer`](crate::CausalBuffer)) needs only one link for each message, because it can look up at no cost how
/// far a node is delivered. Here the links remember the answers of the store. They also give the missing parents, and
/// the events that depend on an event, without a search.
///
/// Everything is kept in the order of ids or of arrival, and nothing under a hash. So a sender that chooses the ids
/// cannot make the buffer slow. The same calls give the same answers in the same order everywhere.
///
/// # Guarantees
///
/// Every event is delivered after its parents, and no event twice, as long as the store has every delivered event. If
/// ids are not hashes, events can form a cycle. The events of a cycle are never delivered, nor is any event that
/// depends on them.
///
/// # The set of delivered events
///
/// The caller keeps this set: it grows for ever, and a program that replicates a graph keeps the events anyway.
/// [`accept`](Self::accept) gets a function that looks into it. There are two rules:
///
/// - a popped event is in the store before the next event is accepted;
/// - an event that enters the store in another way is reported by [`advance_to`](Self::advance_to).
///
/// A program without a store keeps a `HashSet` of ids.
///
/// # Trust
///
/// Before `accept`, the caller checks that an id belongs to its event, by a hash of the content or by a signature.
/// Without this check, others can occupy ids. Some checks need the parents, such as the author's right to write. Make
/// them between [`peek`](Self::peek) and `pop`. [`forget`](Self::forget) removes an event that fails, and all that
/// builds on it.
///
/// Others can always send events that wait for ever, until the buffer accepts no more of these. It still accepts events
/// that are ready. The caller bounds the events of each neighbour, or drops the oldest: [`waiting`](Self::waiting)
/// begins with it.
///
/// # Equality
///
/// Two buffers are equal if the same calls give the same answers from now on. They have the same limits, and the same
/// events in the same order of arrival, each waiting for the same parents. The order counts, because
/// [`pop`](Self::pop) follows it. Events that have come and gone do not count.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
///
/// use happens_before::DagBuffer;
/// use happens_before::delivery::{Accepted, DagEvent, DagLimits};
///
/// let first = DagEvent { id: "c0ffee", parents: vec![], payload: "Boil water" };
/// let second = DagEvent { id: "7ea", parents: vec!["c0ffee"], payload: "Brew tea" };
///
/// let mut store = HashMap::new();
/// let mut buffer = DagBuffer::new(DagLimits::default());
/// assert_eq!(buffer.accept(second, |id| store.contains_key(id))?, Accepted::Held);
/// assert!(buffer.missing().eq(&["c0ffee"]));
///
/// assert_eq!(buffer.accept(first, |id| store.contains_key(id))?, Accepted::Ready);
/// while let Some(event) = buffer.pop() {
///     store.insert(event.id, event);
/// }
/// assert_eq!(store.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// In the costs below, h is the number of events and links in the buffer, and p is the number of an event's parents.
#[derive(Clone, Debug)]
pub struct DagBuffer<I, P> {
    limits: DagLimits,
    /// Number of events accepted, which is the arrival of the next one.
    arrivals: u64,
    names: Names<I>,
    /// The events by arrival.
    events: BTreeMap<u64, Held<I, P>>,
    /// From an undelivered parent to the arrival of an event that names it.
    links: BTreeSet<(Number, u64)>,
    ready: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
struct Held<I, P> {
    event: DagEvent<I, P>,
    number: Number,
    /// The parents that were undelivered when the event arrived, each once.
    parents: Vec<Number>,
    /// Number of links that lead to the event.
    links: usize,
}

impl<I: Clone + Ord, P> DagBuffer<I, P> {
    /// Makes an empty buffer. Does not allocate.
    #[must_use]
    pub const fn new(limits: DagLimits) -> Self {
        Self {
            limits,
            arrivals: 0,
            names: Names::new(),
            events: BTreeMap::new(),
            links: BTreeSet::new(),
            ready: BTreeSet::new(),
        }
    }

    /// Returns the number of events in the buffer: held back, or ready and not popped.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether the buffer contains no event.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Visits all events in the buffer, ready ones too, in the order of arrival. O(1) for each event.
    pub fn undelivered(&self) -> impl Iterator<Item = &DagEvent<I, P>> {
        self.events.values().map(|held| &held.event)
    }

    /// Visits the events that wait for a parent, in the order of arrival. O(h) for all.
    pub fn waiting(&self) -> impl Iterator<Item = &DagEvent<I, P>> {
        self.events.values().filter(|held| held.links > 0).map(|held| &held.event)
    }

    /// Accepts an event that has arrived. `delivered` returns whether an id is in the store. O(p log h), and at most p
    /// + 1 questions to the store.
    ///
    /// An event that is in the store is a [`Duplicate`](Accepted::Duplicate), whatever its content. An event that is
    /// already held is a duplicate if its content is equal. If the id is a hash of the content and was checked, give
    /// the payload an `==` that is always true.
    ///
    /// If a look into the store can fail, ask it for the id and the parents before this call, and pass on the answers.
    ///
    /// # Errors
    ///
    /// [`AcceptError`], with the event in it. The buffer is unchanged. The [`kind`](EventErrorKind) of the error says
    /// whose fault it is.
    pub fn accept(
        &mut self,
        event: DagEvent<I, P>,
        mut delivered: impl FnMut(&I) -> bool,
    ) -> Result<Accepted, AcceptError<DagEvent<I, P>, EventErrorKind>>
    where
        P: PartialEq,
    {
        if delivered(&event.id) {
            // It may have entered the store in another way, while an event here waited for it.
            self.advance_to([&event.id]);
            return Ok(Accepted::Duplicate);
        }
        match self.get(&event.id) {
            Some(first) if first.event == event => return Ok(Accepted::Duplicate),
            Some(_) => return Err(AcceptError { refused: event, kind: EventErrorKind::Equivocation }),
            None => {}
        }
        match self.check(&event, delivered) {
            Err(kind) => Err(AcceptError { refused: event, kind }),
            Ok(undelivered) => Ok(self.hold(event, undelivered)),
        }
    }

    /// Checks a new event against the limits, and finds its undelivered parents.
    fn check(
        &self,
        event: &DagEvent<I, P>,
        mut delivered: impl FnMut(&I) -> bool,
    ) -> Result<Vec<usize>, EventErrorKind> {
        let limits = &self.limits;
        if event.parents.len() > limits.parents {
            return Err(EventErrorKind::TooManyParents { limit: limits.parents });
        }
        if event.parents.contains(&event.id) {
            return Err(EventErrorKind::OwnParent);
        }
        let undelivered = event.parents.iter().enumerate().filter(|(_, parent)| !delivered(parent));
        let undelivered: Vec<usize> = undelivered.map(|(index, _)| index).collect();
        let full = if undelivered.is_empty() {
            self.ready.len() >= limits.events.max(1)
        } else {
            self.events.len() >= limits.events
        };
        if full {
            Err(EventErrorKind::BufferFull { limit: limits.events })
        } else if undelivered.len() > limits.links.saturating_sub(self.links.len()) {
            Err(EventErrorKind::TooManyLinks { limit: limits.links })
        } else {
            Ok(undelivered)
        }
    }

    /// Holds an event that has passed every check, and whose parents with the indices `undelivered` are not delivered.
    fn hold(&mut self, event: DagEvent<I, P>, undelivered: Vec<usize>) -> Accepted {
        self.names.tidy();
        let number = self.names.find_or_add(&event.id);
        let parents = undelivered.into_iter().filter_map(|index| event.parents.get(index));
        let mut parents: Vec<Number> = parents.map(|parent| self.names.find_or_add(parent)).collect();
        // A parent that is named twice has one link.
        parents.sort_unstable();
        parents.dedup();
        // From here on the caller's code is not called.
        let arrival = self.arrivals;
        self.arrivals += 1; // at one a nanosecond, it lasts for five centuries
        for &parent in &parents {
            self.links.insert((parent, arrival));
            self.names.add_link(parent);
        }
        let links = parents.len();
        self.names.arrive(number, arrival);
        self.events.insert(arrival, Held { event, number, parents, links });
        if links > 0 {
            return Accepted::Held;
        }
        self.ready.insert(arrival);
        Accepted::Ready
    }

    /// Removes and returns all events, ready ones too, in the order of arrival. O(h).
    ///
    /// The buffer forgets them: nothing is [`missing`](Self::missing) then, and each of them may be accepted again.
    ///
    /// ```
    /// use happens_before::DagBuffer;
    /// use happens_before::delivery::{DagEvent, DagLimits};
    ///
    /// let mut buffer = DagBuffer::new(DagLimits::default());
    /// buffer.accept(DagEvent { id: 3, parents: vec![2], payload: () }, |_| false)?;
    /// buffer.accept(DagEvent { id: 1, parents: vec![], payload: () }, |_| false)?;
    /// let drained = buffer.drain_undelivered();
    /// assert!(drained.iter().map(|event| event.id).eq([3, 1]));
    /// assert!(buffer.is_empty() && buffer.missing().next().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_undelivered(&mut self) -> Vec<DagEvent<I, P>> {
        self.names.clear_uses();
        self.links.clear();
        self.ready.clear();
        mem::take(&mut self.events).into_values().map(|held| held.event).collect()
    }

    /// Returns the event that [`pop`](Self::pop) would deliver. All its parents are delivered, so now its validity can
    /// be checked. O(log h).
    ///
    /// ```
    /// use happens_before::DagBuffer;
    /// use happens_before::delivery::{DagEvent, DagLimits};
    ///
    /// let mut buffer = DagBuffer::new(DagLimits::default());
    /// buffer.accept(DagEvent { id: 1, parents: vec![], payload: "forged" }, |_| false)?;
    /// buffer.accept(DagEvent { id: 2, parents: vec![1], payload: "builds on it" }, |_| false)?;
    /// while let Some(event) = buffer.peek() {
    ///     if event.payload == "forged" {
    ///         let id = event.id;
    ///         assert_eq!(buffer.forget(&id).len(), 2);
    ///     } else {
    ///         buffer.pop();
    ///     }
    /// }
    /// assert!(buffer.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(&self) -> Option<&DagEvent<I, P>> {
        let arrival = self.ready.first()?;
        self.events.get(arrival).map(|held| &held.event)
    }

    /// Delivers the event that came first among those whose parents are all delivered; `None` if there is none now.
    /// O(log h) for the event, and O(log h) for each event that names it.
    ///
    /// Put the event into the store before the next [`accept`](Self::accept).
    pub fn pop(&mut self) -> Option<DagEvent<I, P>> {
        self.names.tidy();
        let arrival = *self.ready.first()?;
        let number = self.events.get(&arrival)?.number;
        let event = self.remove(arrival)?;
        self.release(number);
        Some(event)
    }

    /// Visits the ids to request, in order: parents that an event here waits for and that are not here themselves. O(h
    /// log h) for all.
    ///
    /// They change only in `accept`, `advance_to` and `forget`, not in `pop`.
    pub fn missing(&self) -> impl Iterator<Item = &I> {
        self.names.missing()
    }

    /// Visits the parents for which the event `id` still waits, in the event's order. O(p log h).
    ///
    /// There are none if the event is not here, or is ready. To learn why an event is not delivered, follow these
    /// parents. A parent that is here waits in its turn. A parent that is not here is [`missing`](Self::missing). A
    /// path that returns to its start is a cycle.
    pub fn blocked_on(&self, id: &I) -> impl Iterator<Item = &I> {
        let arrival = self.names.arrival_of(id);
        let held = arrival.and_then(|arrival| Some((arrival, self.events.get(&arrival)?)));
        held.into_iter().flat_map(move |(arrival, held)| {
            let waits = move |parent| {
                self.names.find(parent).is_some_and(|number| self.links.contains(&(number, arrival)))
            };
            held.event.parents.iter().filter(move |&parent| waits(parent))
        })
    }

    /// Marks as delivered the events that have entered the store in another way: by a snapshot or a bulk transfer.
    ///
    /// Held events among them are dropped, and events that waited for them are released. It is enough to pass the ids
    /// that are [`missing`](Self::missing) or [`undelivered`](Self::undelivered). The store must have the ancestors of
    /// each of its events. O(p log h) for each held event, O(log h) for each other id and for each event that names it.
    ///
    /// ```
    /// use happens_before::DagBuffer;
    /// use happens_before::delivery::{DagEvent, DagLimits};
    ///
    /// let mut buffer = DagBuffer::new(DagLimits::default());
    /// buffer.accept(DagEvent { id: 8, parents: vec![6, 7], payload: () }, |_| false)?;
    /// let store = [1, 2, 3, 4, 5, 6, 7]; // has been filled since
    ///
    /// let found: Vec<_> = buffer.missing().filter(|id| store.contains(id)).copied().collect();
    /// buffer.advance_to(&found);
    /// assert_eq!(buffer.pop().map(|event| event.id), Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance_to<'a>(&mut self, ids: impl IntoIterator<Item = &'a I>)
    where
        I: 'a,
    {
        for id in ids {
            self.names.tidy();
            let Some(number) = self.names.find(id) else { continue };
            let event = self.names.arrival(number).and_then(|arrival| self.remove(arrival));
            self.release(number);
            drop(event);
        }
    }

    /// Removes the event `id`, if it is here, and every event here that descends from it through events that are here.
    ///
    /// Use it for an event that is invalid or cannot be had, for any event of a cycle, or to make room. A parent that
    /// only removed events have named is no longer missing. The buffer does not remember them. To keep an event out,
    /// the caller refuses it before `accept`, and forgets its id again whenever `missing` names it.
    ///
    /// Returns the event first, then the others in the order in which they are found. O(p log h) for each.
    ///
    /// ```
    /// use happens_before::DagBuffer;
    /// use happens_before::delivery::{DagEvent, DagLimits};
    ///
    /// let mut buffer = DagBuffer::new(DagLimits::default());
    /// buffer.accept(DagEvent { id: "child", parents: vec!["banned", "other"], payload: () }, |_| false)?;
    /// buffer.accept(DagEvent { id: "grandchild", parents: vec!["child"], payload: () }, |_| false)?;
    /// let dropped = buffer.forget(&"banned");
    /// assert!(dropped.iter().map(|event| event.id).eq(["child", "grandchild"]));
    /// assert_eq!(buffer.missing().next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(&mut self, id: &I) -> Vec<DagEvent<I, P>> {
        self.names.tidy();
        let Some(number) = self.names.find(id) else { return Vec::new() };
        // From here on the caller's code is not called.
        let itself = self.names.arrival(number).and_then(|arrival| self.remove(arrival));
        let mut forgotten: Vec<_> = itself.into_iter().collect();
        let mut numbers: Vec<_> = [number].into();
        let mut followed = 0;
        while let Some(&parent) = numbers.get(followed) {
            while let Some(child) = self.first_child(parent) {
                numbers.extend(self.events.get(&child).map(|held| held.number));
                forgotten.extend(self.remove(child)); // and the link that led to it
            }
            followed += 1;
        }
        forgotten
    }

    fn get(&self, id: &I) -> Option<&Held<I, P>> {
        self.events.get(&self.names.arrival_of(id)?)
    }

    /// Finds the first to arrive of the events that wait for `parent`.
    fn first_child(&self, parent: Number) -> Option<u64> {
        if self.names.links(parent) == 0 {
            return None;
        }
        self.links.range((parent, 0)..=(parent, u64::MAX)).next().map(|&(_, child)| child)
    }

    /// Removes an event, and the links that lead to it. Does not call the caller's code.
    fn remove(&mut self, arrival: u64) -> Option<DagEvent<I, P>> {
        let Held { event, number, parents, links } = self.events.remove(&arrival)?;
        self.names.leave(number);
        if links == 0 {
            self.ready.remove(&arrival);
            return Some(event);
        }
        for parent in parents {
            self.remove_link(parent, arrival);
        }
        Some(event)
    }

    /// Removes the link from a parent to an event, if there is one.
    fn remove_link(&mut self, parent: Number, child: u64) {
        if self.links.remove(&(parent, child)) {
            self.names.remove_link(parent);
        }
    }

    /// Removes the links that lead from an id, which is delivered and not here. Does not call the caller's code.
    fn release(&mut self, parent: Number) {
        while let Some(child) = self.first_child(parent) {
            self.remove_link(parent, child);
            let Some(held) = self.events.get_mut(&child) else { continue };
            held.links -= 1; // DB2
            if held.links == 0 {
                self.ready.insert(child);
            }
        }
    }

    /// Visits the events in the order of arrival, each with the parents that it waits for, sorted. All else follows
    /// from these and the limits.
    fn content(&self) -> impl Iterator<Item = (&DagEvent<I, P>, BTreeSet<&I>)> {
        self.events.iter().map(|(&arrival, held)| {
            let waits = |parent: &&I| {
                self.names.find(parent).is_some_and(|number| self.links.contains(&(number, arrival)))
            };
            (&held.event, held.event.parents.iter().filter(waits).collect())
        })
    }

    /// Checks the invariants, and names a broken one. O(everything).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.names.validate()?;
        let is_named = |(&arrival, held): (&u64, &Held<I, P>)| {
            let named = self.names.find(&held.event.id);
            named == Some(held.number) && self.names.arrival(held.number) == Some(arrival)
        };
        if self.names.here() != self.events.len() || !self.events.iter().all(is_named) {
            return Err("DB1: every event that is here has an id of its own");
        }
        let from = |parent| self.links.range((parent, 0)..=(parent, u64::MAX)).count();
        if !self.names.numbers().all(|number| self.names.links(number) == from(number)) {
            return Err("DB2: every id counts the links that lead from it");
        }
        let mut links = 0;
        for (&arrival, held) in &self.events {
            let named: BTreeSet<_> = held.event.parents.iter().filter_map(|id| self.names.find(id)).collect();
            let here = named.into_iter().filter(|&parent| self.links.contains(&(parent, arrival))).count();
            if here != held.links {
                return Err("DB2: every event counts its links");
            }
            links += here;
            if self.ready.contains(&arrival) != (here == 0) {
                return Err("DB3: ready are exactly the events without links");
            }
        }
        if links != self.links.len() {
            return Err("DB2: a link leads to an event that names its parent");
        }
        if !self.ready.iter().all(|arrival| self.events.contains_key(arrival)) {
            return Err("DB3: what is ready is here");
        }
        if links > self.limits.links || self.events.len() > self.limits.events.max(1).saturating_mul(2) {
            return Err("DB4: no more than the limits");
        }
        Ok(())
    }
}

impl<I: Clone + Ord, P: PartialEq> PartialEq for DagBuffer<I, P> {
    fn eq(&self, other: &Self) -> bool {
        self.limits == other.limits && self.content().eq(other.content())
    }
}

impl<I: Clone + Ord, P: Eq> Eq for DagBuffer<I, P> {}

impl<I: Clone + Ord + Hash, P: Hash> Hash for DagBuffer<I, P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.limits.hash(state);
        state.write_usize(self.len());
        self.content().for_each(|part| part.hash(state));
    }
}
