//! The buffer for a graph against the naive model: random events, valid and invalid, and every small graph in every
//! order of arrival.

use testkit::dag_model;

use std::collections::BTreeMap;

use dag_model::{Both, Event, Id};
use happens_before::delivery::{Accepted, DagEvent, DagLimits, EventErrorKind};
use quickcheck::Gen;
use testkit::below;

fn random_event(random: &mut Gen, ids: u64) -> Event {
    let id = below(random, ids) as Id;
    // Most parents are earlier ids, which make no cycle. Some are any id, also that of the event itself.
    let bound = if below(random, 8) == 0 { ids } else { u64::from(id).max(1) };
    let parents = (0..below(random, 4)).map(|_| below(random, bound) as Id).collect();
    DagEvent { id, parents, payload: u8::from(below(random, 8) == 0) }
}

fn outcome(result: Result<Accepted, EventErrorKind>) -> &'static str {
    match result {
        Ok(Accepted::Ready) => "ready",
        Ok(Accepted::Held) => "held",
        Ok(Accepted::Duplicate) => "duplicate",
        Err(EventErrorKind::Equivocation) => "equivocation",
        Err(EventErrorKind::OwnParent) => "own parent",
        Err(EventErrorKind::TooManyParents { .. }) => "too many parents",
        Err(EventErrorKind::BufferFull { .. }) => "full",
        Err(EventErrorKind::TooManyLinks { .. }) => "too many links",
        Err(other) => panic!("a refusal that is not known: {other:?}"),
    }
}

#[test]
fn the_buffer_does_what_the_naive_one_does() {
    let mut random = testkit::random();
    let mut seen = BTreeMap::<&str, u32>::new();
    for _ in 0..3_000 {
        let limits = if below(&mut random, 3) == 0 {
            DagLimits::default()
        } else {
            DagLimits {
                events: below(&mut random, 8) as usize,
                parents: 1 + below(&mut random, 3) as usize,
                links: below(&mut random, 12) as usize,
            }
        };
        let ids = 2 + below(&mut random, 14);
        let mut both = Both::new(limits);
        for _ in 0..60 {
            match below(&mut random, 16) {
                0 => {
                    let id = below(&mut random, ids) as Id;
                    let forgotten = both.forget(id);
                    *seen.entry("forgotten with others").or_default() += u32::from(forgotten > 1);
                }
                1 => {
                    let ids: Vec<_> =
                        (0..below(&mut random, 3)).map(|_| below(&mut random, ids) as Id).collect();
                    both.advance_to(&ids);
                }
                2..=5 => *seen.entry("delivered").or_default() += u32::from(both.pop().is_some()),
                _ => *seen.entry(outcome(both.accept(random_event(&mut random, ids)))).or_default() += 1,
            }
        }
    }
    let rarest = seen.values().min();
    assert!(seen.len() == 10 && rarest > Some(&300), "{seen:?}");
}

/// Calls `visitor` with every order of `items`.
fn permutations(items: &mut Vec<Id>, from: usize, visitor: &mut impl FnMut(&[Id])) {
    if from == items.len() {
        return visitor(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permutations(items, from + 1, visitor);
        items.swap(from, at);
    }
}

/// Makes a graph. `edges` has a bit for each pair (parent, child) in `possible`.
fn graph(nodes: Id, possible: &[(Id, Id)], edges: usize) -> Vec<Event> {
    let chosen = |child| {
        let edges =
            possible.iter().enumerate().filter(move |&(at, edge)| edges >> at & 1 == 1 && edge.1 == child);
        edges.map(|(_, edge)| edge.0).collect()
    };
    (0..nodes).map(|id| DagEvent { id, parents: chosen(id), payload: 0 }).collect()
}

/// Accepts the events, and delivers those that can be, either as they come or at the end.
fn arrive(graph: &[Event], order: &[Id], as_they_come: bool) -> Both {
    let mut both = Both::new(DagLimits::default());
    for &id in order {
        both.accept(graph[usize::from(id)].clone()).unwrap();
        while as_they_come && both.pop().is_some() {}
    }
    while both.pop().is_some() {}
    both
}

#[test]
fn every_graph_of_five_events_is_delivered_in_every_order_of_arrival() {
    let possible: Vec<_> = (0..5).flat_map(|child| (0..child).map(move |parent| (parent, child))).collect();
    let mut runs = 0;
    for edges in 0..1 << possible.len() {
        let graph = graph(5, &possible, edges);
        permutations(&mut (0..5).collect(), 0, &mut |order| {
            for as_they_come in [true, false] {
                assert!(arrive(&graph, order, as_they_come).buffer.is_empty());
                runs += 1;
            }
        });
    }
    assert_eq!(runs, 1_024 * 120 * 2);
}

/// Returns the events that are in a cycle or descend from one: those that remain when all others are removed.
fn never_delivered(graph: &[Event]) -> Vec<Id> {
    let mut left: Vec<_> = graph.iter().collect();
    loop {
        let ids: Vec<_> = left.iter().map(|event| event.id).collect();
        left.retain(|event| event.parents.iter().any(|parent| ids.contains(parent)));
        if left.len() == ids.len() {
            return ids;
        }
    }
}

#[test]
fn of_every_graph_of_four_events_all_but_the_cycles_is_delivered_and_those_can_be_forgotten() {
    let possible = (0..4).flat_map(|child| (0..4).map(move |parent| (parent, child)));
    let possible: Vec<_> = possible.filter(|(parent, child)| parent != child).collect();
    let (mut runs, mut held) = (0, 0);
    for edges in 0..1 << possible.len() {
        let graph = graph(4, &possible, edges);
        let never = never_delivered(&graph);
        permutations(&mut (0..4).collect(), 0, &mut |order| {
            let left = arrive(&graph, order, true);
            assert_eq!(left.buffer.len(), never.len());
            assert_eq!(left.buffer.missing().next(), None, "nothing would help");
            for id in 0..4 {
                assert_eq!(left.clone().forget(id) > 0, never.contains(&id));
            }
            runs += 1;
            held += never.len();
        });
    }
    assert_eq!((runs, held), (98_304, 306_528));
}

#[test]
fn whatever_is_forgotten_at_whatever_moment_all_else_is_delivered() {
    let possible: Vec<_> = (0..4).flat_map(|child| (0..child).map(move |parent| (parent, child))).collect();
    let mut runs = 0;
    for edges in 0..1 << possible.len() {
        let graph = graph(4, &possible, edges);
        permutations(&mut (0..4).collect(), 0, &mut |order| {
            for (moment, victim) in (0..=4).flat_map(|moment| (0..4).map(move |victim| (moment, victim))) {
                let mut both = Both::new(DagLimits::default());
                for (at, &id) in order.iter().enumerate() {
                    if at == moment {
                        both.forget(victim);
                    }
                    both.accept(graph[usize::from(id)].clone()).unwrap();
                }
                if moment == 4 {
                    both.forget(victim);
                }
                while both.pop().is_some() {}
                // The forgotten events come again, and the others are duplicates.
                for event in &graph {
                    both.accept(event.clone()).unwrap();
                }
                while both.pop().is_some() {}
                assert_eq!(both.model.store.len(), 4);
                runs += 1;
            }
        });
    }
    assert_eq!(runs, 64 * 24 * 5 * 4);
}
