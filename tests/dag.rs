//! The buffer for a graph in hard cases: forged and oversized input, stores with events that were not reported, deep
//! and wide graphs, and the cost of all this.
#![cfg(feature = "alloc")]

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashSet;

use happens_before::DagBuffer;
use happens_before::delivery::{Accepted, DagEvent, DagLimits, EventErrorKind};

type Event = DagEvent<&'static str, &'static str>;
type Buffer = DagBuffer<&'static str, &'static str>;

fn event<const N: usize>(id: &'static str, parents: [&'static str; N]) -> Event {
    DagEvent { id, parents: parents.to_vec(), payload: "" }
}

fn nothing_delivered<I>(_: &I) -> bool {
    false
}

/// Everything that can be seen of a buffer.
fn state(buffer: &Buffer) -> impl PartialEq + std::fmt::Debug + use<> {
    let held: Vec<_> = buffer.undelivered().cloned().collect();
    let missing: Vec<_> = buffer.missing().copied().collect();
    (held, missing, buffer.peek().cloned(), buffer.internal_validate())
}

/// Accepts an event that must be refused, and returns the reason, as a kind and in words.
fn refused(buffer: &mut Buffer, event: Event) -> (EventErrorKind, String) {
    let before = state(buffer);
    let error = buffer.accept(event.clone(), nothing_delivered).unwrap_err();
    assert_eq!(state(buffer), before, "an error changes nothing");
    assert_eq!(error.refused, event, "an error hands the event back");
    (error.kind, error.to_string())
}

#[test]
fn a_duplicate_is_an_outcome_and_costs_nothing() {
    let mut buffer = Buffer::new(DagLimits::default());
    let (ready, held) = (event("a", []), event("c", ["b"]));
    assert_eq!(buffer.accept(ready.clone(), nothing_delivered), Ok(Accepted::Ready));
    assert_eq!(buffer.accept(held.clone(), nothing_delivered), Ok(Accepted::Held));
    let before = state(&buffer);
    for _ in 0..1_000 {
        assert_eq!(buffer.accept(ready.clone(), nothing_delivered), Ok(Accepted::Duplicate));
        assert_eq!(buffer.accept(held.clone(), nothing_delivered), Ok(Accepted::Duplicate));
    }
    assert_eq!(state(&buffer), before);
    assert_eq!(buffer.pop(), Some(ready));
    let another = DagEvent { payload: "another", ..event("a", ["z"]) };
    assert_eq!(buffer.accept(another, |&id| id == "a"), Ok(Accepted::Duplicate), "delivered is delivered");
    assert_eq!(buffer.pop(), None);
}

#[test]
fn of_two_contents_for_one_id_the_first_stays() {
    let mut buffer = Buffer::new(DagLimits::default());
    buffer.accept(event("a", ["b", "c"]), nothing_delivered).unwrap();
    for other in
        [event("a", []), event("a", ["c", "b"]), DagEvent { payload: "other", ..event("a", ["b", "c"]) }]
    {
        let (kind, words) = refused(&mut buffer, other);
        assert_eq!(kind, EventErrorKind::Equivocation);
        assert!(words.ends_with("which has used the id twice"), "{words}");
    }
}

#[test]
fn an_event_that_names_itself_is_refused() {
    let mut buffer = Buffer::new(DagLimits::default());
    let (kind, words) = refused(&mut buffer, event("a", ["b", "a"]));
    assert_eq!(kind, EventErrorKind::OwnParent);
    assert!(words.contains("names itself"), "{words}");
}

#[test]
fn more_parents_than_the_limit_are_refused_before_the_store_is_asked_for_them() {
    let mut buffer = Buffer::new(DagLimits { parents: 2, ..DagLimits::default() });
    let mut asked = Vec::new();
    let too_many = buffer.accept(event("a", ["b", "c", "d"]), |&id| {
        asked.push(id);
        false
    });
    assert_eq!((too_many.is_err(), asked), (true, vec!["a"]));
    let (kind, words) = refused(&mut buffer, event("a", ["b", "c", "d"]));
    assert_eq!(kind, EventErrorKind::TooManyParents { limit: 2 });
    assert!(words.contains("more than 2 parents"), "{words}");
    assert_eq!(buffer.accept(event("a", ["b", "c"]), nothing_delivered), Ok(Accepted::Held));
}

#[test]
fn a_full_buffer_refuses_what_would_wait_and_never_what_is_ready() {
    let mut buffer = Buffer::new(DagLimits { events: 2, ..DagLimits::default() });
    buffer.accept(event("b", ["a"]), nothing_delivered).unwrap();
    buffer.accept(event("c", ["b"]), nothing_delivered).unwrap();
    let (kind, words) = refused(&mut buffer, event("d", ["c"]));
    assert_eq!(kind, EventErrorKind::BufferFull { limit: 2 });
    assert!(words.contains("event \"d\": no room within the limit of 2 events"), "{words}");
    for id in ["x", "y", "z"] {
        assert_eq!(buffer.accept(event(id, []), nothing_delivered), Ok(Accepted::Ready));
        assert!(buffer.pop().is_some());
    }
    // Ready events that are not popped are refused at the limit, so the buffer cannot grow between two pops.
    buffer.accept(event("v", []), nothing_delivered).unwrap();
    buffer.accept(event("w", []), nothing_delivered).unwrap();
    assert_eq!(refused(&mut buffer, event("a", [])).0, EventErrorKind::BufferFull { limit: 2 });
    assert_eq!(buffer.len(), 4);
    assert!(buffer.pop().is_some());
    assert_eq!(buffer.accept(event("a", []), nothing_delivered), Ok(Accepted::Ready));
    let delivered: Vec<_> = std::iter::from_fn(|| buffer.pop()).map(|event| event.id).collect();
    assert_eq!(delivered, ["w", "a", "b", "c"]);
}

#[test]
fn with_no_room_at_all_events_in_order_are_still_delivered() {
    let limits = DagLimits { events: 0, links: 0, ..DagLimits::default() };
    let mut buffer = DagBuffer::new(limits);
    for id in 1..=100 {
        let parents = vec![id - 1];
        buffer.accept(DagEvent { id, parents, payload: () }, |parent| *parent < id).unwrap();
        assert_eq!(buffer.pop().map(|event| event.id), Some(id));
    }
}

#[test]
fn parents_that_are_waited_for_have_a_limit_in_all() {
    let mut buffer = Buffer::new(DagLimits { links: 3, ..DagLimits::default() });
    buffer.accept(event("b", ["a", "x"]), nothing_delivered).unwrap();
    let (kind, words) = refused(&mut buffer, event("c", ["a", "b"]));
    assert_eq!(kind, EventErrorKind::TooManyLinks { limit: 3 });
    assert!(words.contains("the limit of 3"), "{words}");
    assert_eq!(buffer.accept(event("c", ["a", "b"]), |&id| id == "b"), Ok(Accepted::Held), "one link was free");
    assert_eq!(buffer.accept(event("d", []), nothing_delivered), Ok(Accepted::Ready), "needs none");
}

#[test]
fn a_parent_that_is_named_twice_is_waited_for_once() {
    let mut buffer = Buffer::new(DagLimits::default());
    buffer.accept(event("b", ["a", "a"]), nothing_delivered).unwrap();
    assert!(buffer.missing().eq(&["a"]));
    assert_eq!(buffer.internal_validate(), Ok(()));
    buffer.accept(event("a", []), nothing_delivered).unwrap();
    assert_eq!(std::iter::from_fn(|| buffer.pop()).count(), 2);
}

#[test]
fn an_event_that_came_into_the_store_unseen_releases_what_waited_for_it_when_it_comes_again() {
    let mut buffer = Buffer::new(DagLimits::default());
    buffer.accept(event("c", ["b"]), nothing_delivered).unwrap();
    buffer.accept(event("b", ["a"]), nothing_delivered).unwrap();
    // The store gets a and b in another way, which is not reported.
    let store = ["a", "b"];
    assert_eq!(buffer.accept(event("b", ["a"]), |id| store.contains(id)), Ok(Accepted::Duplicate));
    assert_eq!(buffer.internal_validate(), Ok(()));
    assert_eq!(buffer.pop().map(|event| event.id), Some("c"), "b is not delivered twice");
    assert!(buffer.is_empty());
}

#[test]
fn what_depends_on_a_rejected_event_goes_and_what_is_concurrent_stays() {
    let mut buffer = Buffer::new(DagLimits::default());
    for event in [event("e", ["d", "x"]), event("d", ["b", "c"]), event("c", ["a"]), event("b", ["a"])] {
        buffer.accept(event, nothing_delivered).unwrap();
    }
    buffer.accept(event("a", []), nothing_delivered).unwrap();
    buffer.pop();
    assert_eq!(buffer.peek().map(|event| event.id), Some("c"), "the first to arrive of those that are ready");
    let forgotten = buffer.forget(&"c");
    assert!(forgotten.iter().map(|event| event.id).eq(["c", "d", "e"]), "{forgotten:?}");
    assert_eq!(buffer.missing().next(), None, "nobody asks for x any longer");
    assert_eq!(buffer.internal_validate(), Ok(()));
    assert_eq!(buffer.pop().map(|event| event.id), Some("b"));
    assert!(buffer.is_empty());
    assert!(buffer.forget(&"b").is_empty(), "delivered is delivered");
}

#[test]
fn a_chain_of_a_million_that_comes_last_first_is_delivered_and_can_be_forgotten() {
    const LENGTH: u32 = 1_000_000;
    let limits = DagLimits { events: LENGTH as usize, links: LENGTH as usize, ..DagLimits::default() };
    let mut buffer = DagBuffer::new(limits);
    for id in (1..LENGTH).rev() {
        let parents = vec![id - 1];
        assert_eq!(buffer.accept(DagEvent { id, parents, payload: () }, nothing_delivered), Ok(Accepted::Held));
    }
    assert!(buffer.missing().eq(&[0]));
    let mut rejected = buffer.clone();
    assert_eq!(rejected.forget(&0).len(), LENGTH as usize - 1);
    assert_eq!((rejected.len(), rejected.missing().count()), (0, 0));
    buffer.accept(DagEvent { id: 0, parents: vec![], payload: () }, nothing_delivered).unwrap();
    assert!(std::iter::from_fn(|| buffer.pop()).map(|event| event.id).eq(0..LENGTH));
}

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

/// An id that counts how often it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counting(u64);

impl Ord for Counting {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Delivers events, and returns the number of comparisons for each event and each parent that it names.
fn comparisons(events: Vec<DagEvent<Counting, ()>>) -> f64 {
    let names: usize = events.iter().map(|event| 1 + event.parents.len()).sum();
    let (count, mut questions) = (events.len(), 0);
    let limits = DagLimits { events: count, links: names, parents: count };
    let mut buffer = DagBuffer::new(limits);
    let mut store = HashSet::new();
    COMPARISONS.set(0);
    for event in events {
        buffer
            .accept(event, |id| {
                questions += 1;
                store.contains(&id.0)
            })
            .unwrap();
        while let Some(event) = buffer.pop() {
            store.insert(event.id.0);
        }
    }
    assert_eq!((store.len(), buffer.len()), (count, 0));
    assert_eq!(questions, names, "the store is asked once for each name");
    COMPARISONS.get() as f64 / names as f64
}

fn random(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

/// A graph in which every event builds on one to three of the ten before it.
fn graph(count: u64) -> Vec<DagEvent<Counting, ()>> {
    let mut state = 5;
    // The ids are as unordered as hashes.
    let id = |number: u64| Counting(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let event = |number: u64| {
        let parents = (0..1 + random(&mut state, 3).min(number)).map(|_| random(&mut state, 10) + 1);
        let parents: HashSet<u64> = parents.filter(|back| *back <= number).collect();
        let parents = parents.into_iter().map(|back| id(number - back)).collect();
        DagEvent { id: id(number), parents, payload: () }
    };
    (0..count).map(event).collect()
}

#[test]
fn work_is_linear_but_for_the_depth_of_the_trees_in_every_order_of_arrival() {
    for order in ["in order", "reversed", "shuffled", "window of 64"] {
        let mut cost = Vec::new();
        for count in [1_000, 4_000, 16_000, 64_000] {
            let mut events = graph(count);
            let mut state = 6;
            let mut shuffle = |events: &mut [_]| {
                for at in (1..events.len()).rev() {
                    events.swap(at, random(&mut state, at as u64 + 1) as usize);
                }
            };
            match order {
                "reversed" => events.reverse(),
                "shuffled" => shuffle(&mut events),
                "window of 64" => events.chunks_mut(64).for_each(shuffle),
                _ => {}
            }
            cost.push(comparisons(events));
        }
        // For each doubling, a search makes a constant number of comparisons more. There are a few searches for each name.
        assert!(cost.windows(2).all(|pair| pair[1] - pair[0] < 2.0 * 7.0), "{order}: {cost:?}");
        let most = if order == "in order" { 1.0 } else { 100.0 };
        assert!(cost[3] < most, "{order}: {cost:?}");
        println!("{order}: {cost:?}");
    }
}

#[test]
fn thousands_that_wait_for_one_are_released_or_forgotten_one_by_one_at_the_cost_of_a_search_each() {
    const CHILDREN: u64 = 20_000;
    let limits = DagLimits { links: 1 << 20, ..DagLimits::default() };
    let mut full = DagBuffer::new(limits);
    for child in 1..=CHILDREN {
        // All wait for 0, and each waits for one more event.
        let parents = vec![Counting(0), Counting(CHILDREN + child)];
        full.accept(DagEvent { id: Counting(child), parents, payload: () }, nothing_delivered).unwrap();
    }
    COMPARISONS.set(0);
    let mut buffer = full.clone();
    for child in 1..=CHILDREN {
        assert_eq!(buffer.forget(&Counting(CHILDREN + child)).len(), 1);
    }
    assert!(buffer.is_empty());
    let forgotten = COMPARISONS.replace(0);
    full.advance_to(&[Counting(0)]);
    for child in 1..=CHILDREN {
        full.advance_to(&[Counting(CHILDREN + child)]);
    }
    assert_eq!(std::iter::from_fn(|| full.pop()).count() as u64, CHILDREN);
    let released = COMPARISONS.get();
    let per_child = (forgotten / CHILDREN, released / CHILDREN);
    println!("comparisons a child: {per_child:?}");
    assert!(per_child.0 < 200 && per_child.1 < 200, "{per_child:?}");
}
