//! Contradictions of causality: for each allocator, a run in which x happened before y and yet x has the higher number.
//!
//! Version vectors judge causality: they see only events and messages, never the numbers. The oracle judges a site that
//! applies the operations in the order of their numbers.
#![cfg(feature = "alloc")]

use std::convert::Infallible;
use std::num::NonZeroU64;

use happens_before::check::{CausalRun, CausalViolation};
use happens_before::sequence::{
    Blocks, BlocksConfig, Interleaved, NumberRange, ReserveAhead, Snowflake, SnowflakeConfig, SnowflakeLayout,
    Store,
};
use happens_before::{CausalOrder, Dot, LamportClock, VersionVector};

/// A node that numbers its operations with a given allocator, and passes on the events that it has seen.
struct Node<F> {
    name: &'static str,
    seen: VersionVector<&'static str>,
    issue: F,
}

/// An operation: its number, and the events known to its node, itself included.
struct Operation {
    number: u64,
    past: VersionVector<&'static str>,
}

impl<F: FnMut() -> u64> Node<F> {
    fn new(name: &'static str, issue: F) -> Self {
        Self { name, seen: VersionVector::new(), issue }
    }

    fn operate(&mut self) -> Operation {
        self.seen.increment(self.name).expect("few events");
        Operation { number: (self.issue)(), past: self.seen.clone() }
    }

    fn receive(&mut self, operation: &Operation) {
        self.seen.merge(&operation.past);
    }
}

/// Lets `busy` make some operations and `idle` answer the last one. Returns the last operation and the answer.
fn answer(busy: impl FnMut() -> u64, idle: impl FnMut() -> u64) -> (Operation, Operation) {
    let (mut busy, mut idle) = (Node::new("busy", busy), Node::new("idle", idle));
    for _ in 0..999 {
        busy.operate();
    }
    let x = busy.operate();
    idle.receive(&x);
    let y = idle.operate();
    (x, y)
}

/// Applies the two operations in the order of their numbers; the oracle judges.
fn apply_by_number(x: &Operation, y: &Operation) -> Result<(), CausalViolation<&'static str>> {
    let [x_dot, y_dot] = ["busy", "idle"].map(|node| Dot::new(node, 1).expect("not 0"));
    let mut run = CausalRun::new(1);
    run.sent(x_dot, [])?;
    run.sent(y_dot, [x_dot])?;
    let mut applied = [(x.number, x_dot), (y.number, y_dot)];
    applied.sort_unstable();
    applied.iter().try_for_each(|(_, dot)| run.delivered(0, dot))
}

/// The point of this file: x happened before y, but the numbers say the contrary.
fn assert_contradiction((x, y): (Operation, Operation)) {
    assert_eq!(x.past.compare(&y.past), CausalOrder::Before, "y was made by who had seen x");
    assert!(x.number > y.number, "x has {}, y has {}", x.number, y.number);
    let violation = apply_by_number(&x, &y).expect_err("the oracle sees it");
    assert_eq!(violation.to_string(), r#"site 0 delivers ("idle", 1) before its cause ("busy", 1)"#);
}

#[derive(Default)]
struct InMemory(u64);

impl Store for InMemory {
    type Error = Infallible;

    fn read(&mut self) -> Result<u64, Infallible> {
        Ok(self.0)
    }

    fn write(&mut self, number: u64) -> Result<(), Infallible> {
        self.0 = number;
        Ok(())
    }
}

#[test]
fn interleaved_numbers_contradict_causality_where_one_node_is_busier() {
    let mut odd = Interleaved::new(1, 2).expect("1 of 2");
    let mut even = Interleaved::new(2, 2).expect("2 of 2");
    let (x, y) = answer(|| odd.issue().expect("far from the end"), || even.issue().expect("far from the end"));
    assert_eq!((x.number, y.number), (1_999, 2));
    assert_contradiction((x, y));
}

#[test]
fn numbers_from_blocks_contradict_causality_where_one_block_is_older() {
    let [mut old, mut new] = [1..=1_000, 1_001..=2_000].map(|block| {
        let mut blocks = Blocks::new(BlocksConfig::default());
        blocks.feed(0, NumberRange::new(block).expect("a range")).expect("empty");
        blocks
    });
    let (x, y) = answer(|| new.issue().expect("1,000 numbers"), || old.issue().expect("1,000 numbers"));
    assert_eq!((x.number, y.number), (2_000, 1));
    assert_contradiction((x, y));
}

#[test]
fn numbers_reserved_ahead_contradict_causality_between_two_stores() {
    let [mut busy, mut idle] = [(), ()]
        .map(|()| ReserveAhead::resume(InMemory::default(), NonZeroU64::MIN).expect("memory does not fail"));
    let (x, y) = answer(|| busy.issue().expect("far from the end"), || idle.issue().expect("far from the end"));
    assert_eq!((x.number, y.number), (1_000, 1));
    assert_contradiction((x, y));
}

#[test]
fn even_one_store_contradicts_causality_where_a_number_is_taken_before_it_is_used() {
    let mut one = ReserveAhead::resume(InMemory::default(), NonZeroU64::MIN).expect("memory does not fail");
    let taken_early = one.issue().expect("far from the end");
    assert_contradiction(answer(|| one.issue().expect("far from the end"), || taken_early));
}

#[test]
fn time_of_day_ids_contradict_causality_where_one_clock_is_behind() {
    let [mut busy, mut idle] = [1, 2].map(|node| {
        let config = SnowflakeConfig {
            layout: SnowflakeLayout::SNOWFLAKE,
            node,
            origin_ms: 0,
            ahead_ms: 0,
            spread_bits: 0,
        };
        Snowflake::new(config).expect("a valid configuration")
    });
    // The message takes 4 ms, and the answering node's clock is 5 ms slow.
    let (x, y) =
        answer(|| busy.issue(1_000).expect("the clock stands"), || idle.issue(999).expect("the first"));
    assert_contradiction((x, y));
}

#[test]
fn a_lamport_clock_in_the_same_run_does_not() {
    let (mut busy, mut idle) = (LamportClock::new(1), LamportClock::new(2));
    let (x, y) = answer(
        || busy.tick().expect("far from the end").counter(),
        || {
            idle.observe(1_000).expect("no horizon"); // what came with the message
            idle.tick().expect("far from the end").counter()
        },
    );
    assert_eq!(x.past.compare(&y.past), CausalOrder::Before);
    assert!(x.number < y.number);
    assert_eq!(apply_by_number(&x, &y), Ok(()));
}
