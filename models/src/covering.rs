//! A search of the states of a model that skips states covered by others.
//!
//! # The problem
//!
//! In a model of a network where every packet that was ever sent may still arrive, most states differ only in the
//! packets. To explore them all takes too long. But a state with more packets can do all that the same state with fewer
//! packets can:
//!
//! ```text
//!   nodes a b, packets p q r      covers   nodes a b, packets p r
//!        │ something happens                    │ the same
//!        v                                      v
//!   nodes c b, packets p q r s    covers   nodes c b, packets p r s
//! ```
//!
//! So the search skips a state if another one covers it, which was met before it or while it waited for its turn. This
//! is exact if the properties look only at the nodes: the search meets every reachable combination of nodes, and no
//! other. The reason is that of all states that were met, those that no other covers are explored. If an explored state
//! covers the first state of a path, then step by step an explored state covers each later one.
//!
//! # Requirements on a model
//!
//! 1. The properties are the same for states with the same [`core`](Covering::core).
//! 2. If a state covers another, it has all actions of the other. Each of these leads to a state that covers the one to
//!    which it leads from the other. So both have the same core.
//! 3. Covering is reflexive and transitive.
//!
//! # Cost
//!
//! O(steps × states of one core that do not cover each other). In memory is every state that was not covered when it
//! was met.
//!
//! # Sources
//!
//! Finkel and Schnoebelen, *Well-structured transition systems everywhere!* (2001), for an order of states that actions
//! keep; Doyen and Raskin, *Antichain Algorithms for Finite Automata* (2010), for keeping only the greatest.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Expectation, Model};

/// A model in which some states cover others.
pub trait Covering: Model {
    /// The part of a state that the properties look at.
    type Core: Eq + Hash;

    /// Returns the core of a state.
    fn core(&self, state: &Self::State) -> Self::Core;

    /// Returns whether all that can happen from `less` can happen from `more`. Both have the same core.
    fn covers(&self, more: &Self::State, less: &Self::State) -> bool;
}

/// The size of what was explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// The number of reachable cores.
    pub cores: usize,
    /// The number of states whose actions were tried.
    pub states: usize,
    /// The number of actions that were tried.
    pub steps: usize,
}

/// Explores all reachable states, nearest first.
///
/// # Errors
///
/// The property that does not hold, and the actions that lead there. They are few, but perhaps not the fewest: a state
/// is also skipped for one that is a step further.
pub fn explore<M: Covering>(model: &M) -> Result<Explored, String>
where
    M::State: PartialEq,
    M::Action: Clone + Debug,
{
    let (always, mut sometimes): (Vec<_>, Vec<_>) =
        model.properties().into_iter().partition(|property| property.expectation == Expectation::Always);
    assert!(
        sometimes.iter().all(|property| property.expectation == Expectation::Sometimes),
        "nothing about whole runs"
    );
    let (mut states, mut steps) = (0, 0);
    let mut met = Met { states: Vec::new() };
    // For each core, the states that no other covers.
    let mut greatest: HashMap<M::Core, Vec<usize>> = HashMap::new();
    let mut waiting = VecDeque::new();
    let mut next: Vec<_> = model.init_states().into_iter().map(|state| (None, state)).collect();
    loop {
        for (from, state) in next.drain(..) {
            let greatest = greatest.entry(model.core(&state)).or_default();
            if greatest.is_empty() {
                if let Some(property) = always.iter().find(|property| !(property.condition)(model, &state)) {
                    return Err(format!("not {}: {}", property.name, met.way(model, from, &state)));
                }
                sometimes.retain(|property| !(property.condition)(model, &state));
            } else if greatest.iter().any(|&other| model.covers(met.state(other), &state)) {
                continue;
            }
            greatest.retain(|&other| !model.covers(&state, met.state(other)));
            greatest.push(met.states.len());
            waiting.push_back(met.states.len());
            met.states.push((from, state));
        }
        let Some(at) = waiting.pop_front() else { break };
        let state = met.state(at);
        if !greatest[&model.core(state)].contains(&at) {
            continue; // it was covered after it was met
        }
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        states += 1;
        steps += actions.len();
        next.extend(
            actions.into_iter().filter_map(|action| Some((Some(at), model.next_state(state, action)?))),
        );
    }
    match sometimes.first() {
        Some(property) => Err(format!("never {}", property.name)),
        None => Ok(Explored { cores: greatest.len(), states, steps }),
    }
}

/// The states that were not covered when they were met, each with the one from which it was reached.
struct Met<S> {
    states: Vec<(Option<usize>, S)>,
}

impl<S: PartialEq> Met<S> {
    fn state(&self, at: usize) -> &S {
        &self.states[at].1
    }

    /// The actions that lead to a state.
    fn way<'a, M: Model<State = S>>(&'a self, model: &M, mut from: Option<usize>, mut to: &'a S) -> String
    where
        M::Action: Clone + Debug,
    {
        let mut way = Vec::new();
        while let Some(at) = from {
            let (before, state) = &self.states[at];
            let mut steps = model.next_steps(state).into_iter();
            let (action, _) = steps.find(|(_, next)| next == to).expect("it was reached from there");
            way.push(model.format_action(&action));
            (from, to) = (*before, state);
        }
        way.reverse();
        way.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use stateright::Property;

    use super::*;

    /// A walk from a hall, 0, through three rooms. Each of the rooms 1 to `keys` has a key, which is never lost. The
    /// door of room 3 needs two keys.
    struct Rooms {
        keys: u8,
        forbidden: u8,
    }

    const ROOMS: Rooms = Rooms { keys: 2, forbidden: 4 };

    impl Model for Rooms {
        /// The current room, and the rooms whose keys were found.
        type State = (u8, Vec<u8>);
        type Action = u8;

        fn init_states(&self) -> Vec<Self::State> {
            vec![(0, Vec::new())]
        }

        fn actions(&self, (room, keys): &Self::State, rooms: &mut Vec<u8>) {
            rooms.extend(match room {
                0 if keys.len() == 2 => vec![1, 2, 3],
                0 => vec![1, 2],
                _ => vec![0],
            });
        }

        fn next_state(&self, (_, keys): &Self::State, room: u8) -> Option<Self::State> {
            let mut keys = keys.clone();
            if (1..=self.keys).contains(&room) && !keys.contains(&room) {
                keys.push(room);
                keys.sort_unstable();
            }
            Some((room, keys))
        }

        fn properties(&self) -> Vec<Property<Self>> {
            vec![
                Property::always("outside", |model: &Self, (room, _)| *room != model.forbidden),
                Property::sometimes("in room 3", |_, (room, _)| *room == 3),
            ]
        }
    }

    impl Covering for Rooms {
        type Core = u8;

        fn core(&self, (room, _): &Self::State) -> u8 {
            *room
        }

        fn covers(&self, (_, more): &Self::State, (_, less): &Self::State) -> bool {
            less.iter().all(|key| more.contains(key))
        }
    }

    #[test]
    fn all_rooms_are_found_with_the_keys_that_cover_others() {
        // Without keys: the hall, with two actions. With one key, for each of the two: its room with one action, and
        // the hall with two. With both keys: three rooms with one action each, and the hall with three.
        let explored = explore(&ROOMS).unwrap();
        assert_eq!(explored, Explored { cores: 4, states: 9, steps: 14 });
    }

    #[test]
    fn a_way_to_what_must_not_be_is_told() {
        assert_eq!(explore(&Rooms { forbidden: 3, ..ROOMS }).unwrap_err(), "not outside: 1, 0, 2, 0, 3");
    }

    #[test]
    fn what_never_happens_is_said() {
        assert_eq!(explore(&Rooms { keys: 1, ..ROOMS }).unwrap_err(), "never in room 3");
    }
}
