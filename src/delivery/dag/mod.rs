//! Causal delivery of events that name their parents by id.
//!
//! [`names`] numbers the ids that are here or waited for, and links join numbers: so what an id's `clone` and `cmp` do
//! is done before anything changes.
//!
//! # Invariants
//!
//! - DB1: every event that is here has an id of its own, which has a number of its own.
//! - DB2: a link leads from a parent that is not delivered to an event that is here and names it; every event
//!   counts its links.
//! - DB3: ready are exactly the events without links.
//! - DB4: at most `events` events are here when one comes that has to wait, at most that many are ready when one
//!   comes that is ready, and there are at most `links` links.
//!
//! The caller's code, `clone`, `cmp` and `drop` of ids, the question to the store, `==` and `drop` of payloads, may
//! panic. All invariants hold after a panic that was caught, no event is lost, and a call that was cut short has
//! changed nothing. Only `advance_to` may have done its work for some of its ids. That is why unused ids stay for a
//! while: nothing of the caller's is called after the first change.

mod event;
mod limits;
mod names;

use core::mem;

use crate::compat::{BTreeMap, BTreeSet, Vec};
use crate::delivery::dag::names::{Names, Number};
use crate::delivery::error::{AcceptError, Accepted, EventErrorKind};

pub use event::DagEvent;
pub use limits::DagLimits;

/// A buffer that holds events back until their parents are delivered, then releases them: commits, content-addressed
/// changes, the events of a room.
///
/// Ids are of any type that can be cloned and has a total order: hashes, UUIDs, strings. One that is here or waited for
/// is cloned once.
///
/// # The problem
///
/// A dot says that the nine events before it exist as well; the hash of a commit says nothing about any other.
/// Only the caller's store can tell if a parent is there, and to ask it may cost an access to the disk.
/// Missing events form no ranges, and an event may turn out to be invalid, and with it all that build on it.
///
/// ```text
///   store: a b        here: d (parents b, c)      waits:  c ◄── d        missing: c
///                           e (parents d)                 d ◄── e
/// ```
///
/// # The algorithm
///
/// 1. [`accept`](Self::accept) asks the store once for the event, and once for each parent. For each parent
///    that is not delivered it keeps a link, from the parent to the event, and counts the event's links.
/// 2. [`pop`](Self::pop) delivers an event without links, and takes away the links that lead from it. An
///    event that loses its last one is ready.
/// 3. [`forget`](Self::forget) follows the links from an event, and takes out all that it reaches.
///
/// Every link is made once and removed once, whatever the order of arrival. The buffer for dots
/// ([`CausalBuffer`](crate::CausalBuffer)) does with one link a message, because it can look up at no cost how far
/// a node is delivered. Here the links are the memory of what the store has answered; and they say what is missing,
/// and what depends on an event, without a search.
///
/// Everything is kept in the order of ids or of arrival, nothing under a hash: a sender that chooses the ids cannot
/// make it slow, and the same calls give the same answers in the same order everywhere.
///
/// # Guarantees
///
/// Every event is delivered after its parents, and none twice, as long as the store has all that was delivered.
/// An event whose id is no hash may be its own ancestor; it is never delivered, and nor is what depends on it.
///
/// # The set of delivered events
///
/// It is the caller's: it grows for ever, and a program that replicates a graph keeps its events anyway.
/// [`accept`](Self::accept) is told how to look into it. Two rules:
///
/// - what was popped is in the store when the next event is accepted;
/// - an event that comes into the store on another way is reported with [`advance_to`](Self::advance_to).
///
/// A program without a store keeps a `HashSet` of ids.
///
/// # Who is trusted
///
/// The caller checks before `accept` that an id belongs to its event, by hashing the content or verifying the
/// signature. Without that, others can occupy ids. What can be judged only once the parents are there, such as
/// whether the author had the right to write, has its place between [`peek`](Self::peek) and `pop`; an event that
/// fails goes with [`forget`](Self::forget), and with it all that builds on it.
///
/// Others can always send events that wait for ever, until no more of those are accepted. Those that are ready still
/// are. The caller bounds what each neighbour may bring, or drops the oldest: [`waiting`](Self::waiting) begins with
/// it.
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
/// In the costs below h is the number of events that are here and of links, p that of an event's parents.
#[derive(Clone, Debug)]
pub struct DagBuffer<I, P> {
    limits: DagLimits,
    /// Number of events accepted; the arrival of the next one.
    arrivals: u64,
    names: Names<I>,
    /// The events by arrival.
    events: BTreeMap<u64, Held<I, P>>,
    /// From a parent that is not delivered, to the arrivals of the events that name it.
    links: BTreeSet<(Number, u64)>,
    ready: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
struct Held<I, P> {
    event: DagEvent<I, P>,
    number: Number,
    /// The parents for which it had to wait when it came, each once.
    parents: Vec<Number>,
    /// Number of links that lead to it.
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

    /// Returns how many events are here: held back, or ready and not popped.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether no event is here.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Visits all events that are here, ready ones too, those that came first first. O(1) an event.
    pub fn undelivered(&self) -> impl Iterator<Item = &DagEvent<I, P>> {
        self.events.values().map(|held| &held.event)
    }

    /// Visits the events that wait for a parent, those that came first first. O(h) for all.
    pub fn waiting(&self) -> impl Iterator<Item = &DagEvent<I, P>> {
        self.events.values().filter(|held| held.links > 0).map(|held| &held.event)
    }

    /// Accepts an event that has arrived; `delivered` says whether an id is in the store. O(p log h), and p + 1
    /// questions to the store at most.
    ///
    /// An event that the store has is a [`Duplicate`](Accepted::Duplicate) whatever its content; one that is held
    /// already is one if its content is equal. Give the payload an `==` that always says yes, if the id is a hash
    /// of the content and has been checked.
    ///
    /// To look into a store that can fail, ask it for the id and the parents beforehand, and pass on the answers.
    ///
    /// # Errors
    ///
    /// [`AcceptError`], with the event in it and the buffer unchanged; its [`kind`](EventErrorKind) says whose
    /// fault it is.
    pub fn accept(
        &mut self,
        event: DagEvent<I, P>,
        mut delivered: impl FnMut(&I) -> bool,
    ) -> Result<Accepted, AcceptError<DagEvent<I, P>, EventErrorKind>>
    where
        P: PartialEq,
    {
        if delivered(&event.id) {
            // By another way, perhaps, while something waited for it.
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

    /// Checks a new event against the limits, and finds which of its parents are not delivered.
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

    /// Holds an event that has passed every check, and of whose parents these are not delivered.
    fn hold(&mut self, event: DagEvent<I, P>, undelivered: Vec<usize>) -> Accepted {
        self.names.tidy();
        let number = self.names.find_or_add(&event.id);
        let parents = undelivered.into_iter().filter_map(|index| event.parents.get(index));
        let mut parents: Vec<Number> = parents.map(|parent| self.names.find_or_add(parent)).collect();
        // A parent that is named twice has one link.
        parents.sort_unstable();
        parents.dedup();
        // Calls nothing of the caller's from here on.
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

    /// Takes out every event that is here, ready ones too, in the order in which they came. O(h).
    ///
    /// Nothing remembers them: nothing is [`missing`](Self::missing) then, and any of them may be accepted again.
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

    /// Returns the event that [`pop`](Self::pop) would deliver, all of whose parents are delivered: the moment to
    /// judge whether it is valid. O(log h).
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

    /// Delivers an event all of whose parents are delivered, of those the one that came first; `None` if there is
    /// none now. O(log h) for itself, and O(log h) for each event that names it.
    ///
    /// Put it into the store before the next [`accept`](Self::accept).
    pub fn pop(&mut self) -> Option<DagEvent<I, P>> {
        self.names.tidy();
        let arrival = *self.ready.first()?;
        let number = self.events.get(&arrival)?.number;
        let event = self.remove(arrival)?;
        self.release(number);
        Some(event)
    }

    /// Visits everything to ask for: the parents that an event here waits for and that are not here themselves,
    /// in order. O(h log h) for all.
    ///
    /// It changes only with `accept`, `advance_to` and `forget`, not with `pop`.
    pub fn missing(&self) -> impl Iterator<Item = &I> {
        self.names.missing()
    }

    /// Visits the parents for which the event `id` still waits, in its order. O(p log h).
    ///
    /// Nothing if it is not here, or ready. To learn why an event does not come, follow these: what is here waits
    /// in its turn, what is not is [`missing`](Self::missing), and who comes back to where she was has found a cycle.
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

    /// Takes events as delivered that have come into the store on another way: a snapshot, a bulk transfer.
    ///
    /// Those that are held are dropped, and what waited for them is released. It is enough to name those that are
    /// [`missing`](Self::missing) or [`undelivered`](Self::undelivered); the store must have the ancestors of all that
    /// it has. O(p log h) for each that is held, O(log h) for each other id and for each event that names it.
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

    /// Takes out the event `id`, if it is here, and every event here that descends from it through events that are
    /// here.
    ///
    /// For an event that is invalid, or cannot be had; for a cycle, of which any id will do; for room. No parent is
    /// asked for any longer that only these have named. Nothing remembers them: the caller refuses what must not
    /// come again before it is accepted, and where `missing` names such an id, forgets it again.
    ///
    /// The event itself comes first, then the others in the order in which they are found. O(p log h) for each.
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
        // Calls nothing of the caller's from here on.
        let itself = self.names.arrival(number).and_then(|arrival| self.remove(arrival));
        let mut forgotten: Vec<_> = itself.into_iter().collect();
        let mut numbers: Vec<_> = [number].into();
        let mut followed = 0;
        while let Some(&parent) = numbers.get(followed) {
            while let Some(child) = self.first_child(parent) {
                numbers.extend(self.events.get(&child).map(|held| held.number));
                forgotten.extend(self.remove(child)); // with the link that led to it
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

    /// Takes an event out, and the links that lead to it. Calls nothing of the caller's.
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

    /// Takes away the link from a parent to an event, if there is one.
    fn remove_link(&mut self, parent: Number, child: u64) {
        if self.links.remove(&(parent, child)) {
            self.names.remove_link(parent);
        }
    }

    /// Takes away the links that lead from an id, which is delivered and not here. Calls nothing of the caller's.
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

    /// Checks the invariants, and says which one is broken. O(everything).
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
