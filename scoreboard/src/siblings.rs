//! Sets of siblings: beside a version vector that does the same work without dots, and the moves of the values.
//!
//! A server has taken k writes after the same read, so it has k siblings. The values are strings. The limit keeps them
//! in an array, each without its dot, and knows without a look which of them are overwritten.

use std::hint::black_box;
use std::time::Instant;

use happens_before::VersionVector;
use happens_before::version::Siblings;

use crate::{Case, Contestant, Goal, Pick, Role};

/// Keys in a round: few, so that the allocator does not fetch memory from the system while the work is measured.
const KEYS: usize = 64;

type Set = Siblings<u64, String>;

/// A vector and the values, without dots.
type Plain = (VersionVector<u64>, Vec<String>);

/// The state of `node` after a read of a value of node 1, and `count` writes after it.
fn written(node: u64, count: u64) -> Set {
    let mut set = Set::new();
    set.update(&VersionVector::new(), "first".into(), 1).unwrap();
    let read = set.context().clone();
    for value in 0..count {
        set.update(&read, format!("value {value} of node {node}"), node).unwrap();
    }
    set
}

fn plain(set: &Set) -> Plain {
    (set.context().clone(), set.values().cloned().collect())
}

/// Measures `work` on fresh copies of a state.
fn each<S: Clone + 'static, T: 'static>(
    role: Role,
    name: &'static str,
    state: S,
    mut work: impl FnMut(S) -> T + 'static,
) -> Contestant {
    let (mut copies, mut results) = (Vec::with_capacity(KEYS), Vec::with_capacity(KEYS));
    Contestant::new(role, name, move || {
        copies.resize(KEYS, state.clone());
        let start = Instant::now();
        for copy in copies.drain(..) {
            results.push(work(black_box(copy)));
        }
        let taken = start.elapsed();
        results.clear();
        taken.as_nanos() as f64 / KEYS as f64
    })
}

fn put(siblings: u64) -> Vec<Contestant> {
    let set = written(2, siblings);
    let read = set.context().clone();
    vec![
        each(Role::Ours, "Siblings", set.clone(), {
            let read = read.clone();
            move |mut set: Set| {
                set.update(&read, String::new(), 2).unwrap();
                assert_eq!(set.len(), 1);
                set
            }
        }),
        each(Role::Limit, "vector and moves", plain(&set), move |(mut vector, mut values): Plain| {
            vector.merge(&read);
            vector.increment(2).unwrap();
            values.clear();
            values.push(String::new());
            (vector, values)
        }),
    ]
}

fn get(siblings: u64) -> Vec<Contestant> {
    /// Measures a copy of the context and of the values.
    fn read<S: 'static>(role: Role, name: &'static str, state: S, copy: fn(&S) -> Plain) -> Contestant {
        let mut results = Vec::with_capacity(KEYS);
        Contestant::new(role, name, move || {
            let start = Instant::now();
            for _ in 0..KEYS {
                results.push(copy(black_box(&state)));
            }
            let taken = start.elapsed();
            results.clear();
            taken.as_nanos() as f64 / KEYS as f64
        })
    }

    let set = written(2, siblings);
    vec![
        read(Role::Limit, "vector and moves", plain(&set), Plain::clone),
        read(Role::Ours, "Siblings", set, plain),
    ]
}

fn merge(siblings: u64) -> Vec<Contestant> {
    let (ours, theirs) = (written(2, siblings), written(3, siblings));
    let both = usize::try_from(2 * siblings).unwrap();
    vec![
        each(Role::Ours, "Siblings", (ours.clone(), theirs.clone()), move |(mut ours, theirs)| {
            ours.sync(theirs);
            assert_eq!(ours.len(), both);
            ours
        }),
        each(Role::Limit, "vector and moves", (plain(&ours), plain(&theirs)), move |(mut ours, theirs)| {
            ours.0.merge(&theirs.0);
            ours.1.extend(theirs.1);
            assert_eq!(ours.1.len(), both);
            ours
        }),
    ]
}

pub fn cases() -> Vec<Case> {
    let case = |name, contestants| Case {
        name,
        unit: "ns",
        pick: Pick::Fastest,
        goal: Goal::WithinLimit(1.0),
        contestants,
    };
    vec![
        case("siblings, put, 1 value", put(1)),
        case("siblings, put, 3 values", put(3)),
        case("siblings, put, 10 values", put(10)),
        case("siblings, get, 1 value", get(1)),
        case("siblings, get, 3 values", get(3)),
        case("siblings, get, 10 values", get(10)),
        case("siblings, merge, 1 value", merge(1)),
        case("siblings, merge, 3 values", merge(3)),
        case("siblings, merge, 10 values", merge(10)),
    ]
}
