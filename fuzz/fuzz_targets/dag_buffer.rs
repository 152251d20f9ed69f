//! A buffer for a graph under arbitrary operations, compared with the naive one, refusals included.
#![no_main]

use testkit::dag_model;

use arbitrary::Arbitrary;
use dag_model::{Both, Id};
use happens_before::delivery::{DagEvent, DagLimits};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    events: u8,
    parents: u8,
    links: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Accept { id: Id, parents: Vec<Id>, payload: bool },
    Pop,
    AdvanceTo(Vec<Id>),
    Forget(Id),
}

/// Few ids, so that events meet.
const IDS: Id = 24;

fuzz_target!(|input: Input| {
    let mut both = Both::new(DagLimits {
        events: usize::from(input.events % 24),
        parents: usize::from(input.parents % 6),
        links: usize::from(input.links % 48),
    });
    for operation in input.operations {
        match operation {
            Operation::Accept { id, parents, payload } => {
                let parents = parents.into_iter().map(|parent| parent % IDS).collect();
                _ = both.accept(DagEvent { id: id % IDS, parents, payload: payload.into() });
            }
            Operation::Pop => _ = both.pop(),
            Operation::AdvanceTo(ids) => {
                both.advance_to(&ids.into_iter().map(|id| id % IDS).collect::<Vec<_>>());
            }
            Operation::Forget(id) => _ = both.forget(id % IDS),
        }
    }
});
