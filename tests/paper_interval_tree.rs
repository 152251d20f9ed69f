//! Tests of interval tree clocks, one for each claim of the source, and every operation against its definitions.
//!
//! Almeida, Baquero, Fonte, *Interval Tree Clocks: A Logical Clock for Dynamic Systems* (2008).
#![cfg(feature = "alloc")]

use happens_before::CausalOrder;
use happens_before::version::IntervalTreeClock;
use quickcheck::Gen;
use testkit::interval_tree_model::Stamp;
use testkit::{below, random};

fn clock(text: &str) -> IntervalTreeClock {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn event(clock: &mut IntervalTreeClock) {
    clock.event().unwrap();
}

/// The run of section 5.1: forks, events, a join of two of three clocks, and an event that makes the tree simpler.
#[test]
fn the_run_of_the_paper_gives_its_stamps() {
    let mut a = IntervalTreeClock::seed();
    assert_eq!(a.to_string(), "(1, 0)");
    let mut b = a.fork();
    assert_eq!([a.to_string(), b.to_string()], ["((1, 0), 0)", "((0, 1), 0)"]);
    event(&mut a);
    event(&mut b);
    assert_eq!([a.to_string(), b.to_string()], ["((1, 0), (0, 1, 0))", "((0, 1), (0, 0, 1))"]);
    let c = a.fork();
    event(&mut b);
    assert_eq!(a.to_string(), "(((1, 0), 0), (0, 1, 0))");
    assert_eq!(c.to_string(), "(((0, 1), 0), (0, 1, 0))");
    assert_eq!(b.to_string(), "((0, 1), (0, 0, 2))");
    event(&mut a);
    b.join(c).unwrap();
    assert_eq!(a.to_string(), "(((1, 0), 0), (0, (1, 1, 0), 0))");
    assert_eq!(b.to_string(), "(((0, 1), 1), (1, 0, 1))");
    let c = b.fork();
    assert_eq!(b.to_string(), "(((0, 1), 0), (1, 0, 1))");
    assert_eq!(c.to_string(), "((0, 1), (1, 0, 1))");
    a.join(b).unwrap();
    assert_eq!(a.to_string(), "((1, 0), (1, (0, 1, 0), 1))");
    event(&mut a);
    assert_eq!(a.to_string(), "((1, 0), 2)");
    assert_eq!(c.compare(&a), CausalOrder::Before);
}

/// Section 5.3: forking a half and joining the halves, in any order, gives the id back.
#[test]
fn a_join_undoes_a_fork() {
    let mut rest = IntervalTreeClock::seed();
    let mut parts: Vec<_> = (0..100).map(|_| rest.fork()).collect();
    let mut random = random();
    while !parts.is_empty() {
        let part = parts.swap_remove(below(&mut random, parts.len() as u64) as usize);
        rest.join(part).unwrap();
    }
    assert_eq!(rest, IntervalTreeClock::seed());
}

/// Section 5.3.4: fill raises an owned leaf to its neighbour, so that both become one; grow prefers a leaf that stands
/// already, and among those the shallowest.
#[test]
fn an_event_makes_the_tree_simpler_if_it_can() {
    for (before, after) in [
        ("((0, 1), (1, 2, 0))", "((0, 1), 3)"),
        ("((1, (0, 1)), (0, (1, 1, 0), (0, 1, 0)))", "((1, (0, 1)), (1, 1, 0))"),
        ("(((0, 1), (1, 0)), (1, (0, 1, 0), (0, 0, 1)))", "(((0, 1), (1, 0)), 2)"),
        ("((1, 0), 3)", "((1, 0), (3, 1, 0))"),
        ("(((1, 0), (0, 1)), (0, 0, (1, 1, 0)))", "(((1, 0), (0, 1)), (0, 0, 2))"),
        // The right one of two that cost the same.
        ("(((1, 0), (1, 0)), 0)", "(((1, 0), (1, 0)), (0, 0, (0, 1, 0)))"),
        // The shallower one costs less.
        (
            "(((1, 0), (0, (0, 1))), (0, (0, 1, 0), (0, 0, (0, 0, 1))))",
            "(((1, 0), (0, (0, 1))), (0, (0, 2, 0), (0, 0, (0, 0, 1))))",
        ),
        ("((0, ((1, 0), 1)), 1)", "((0, ((1, 0), 1)), (1, 0, (0, 0, 1)))"),
    ] {
        let mut changed = clock(before);
        event(&mut changed);
        assert_eq!(changed.to_string(), after, "after an event at {before}");
    }
}

/// Section 3: event is a strict step forward, and a join is the least upper bound.
#[test]
fn comparison_is_a_partial_order_with_least_upper_bounds() {
    let mut random = random();
    let mut orders = [0; 4];
    for _ in 0..300 {
        let world = World::of(&mut random, 6, 40);
        let past = |at: usize| world.clocks[at].peek();
        for x in 0..world.clocks.len() {
            for y in 0..world.clocks.len() {
                let (mut both, order) = (past(x), past(x).compare(&past(y)));
                orders[order as usize] += 1;
                assert_eq!(order.reverse(), past(y).compare(&past(x)));
                both.join(past(y)).unwrap();
                for part in [x, y] {
                    assert!(matches!(past(part).compare(&both), CausalOrder::Before | CausalOrder::Equal));
                }
                for (z, _) in world.clocks.iter().enumerate() {
                    let above = |part| {
                        !matches!(past(z).compare(&past(part)), CausalOrder::Before | CausalOrder::Concurrent)
                    };
                    let above_both =
                        !matches!(past(z).compare(&both), CausalOrder::Before | CausalOrder::Concurrent);
                    assert_eq!(above(x) && above(y), above_both, "the least one above both");
                }
            }
        }
    }
    assert!(orders.iter().all(|&seen| seen > 300), "before, after, equal, concurrent: {orders:?}");
}

/// Clocks of one group, each beside the paper's definitions and its causal history.
struct World {
    clocks: Vec<IntervalTreeClock>,
    models: Vec<Stamp>,
    events: u32,
}

impl World {
    fn new() -> Self {
        Self { clocks: vec![IntervalTreeClock::seed()], models: vec![Stamp::seed()], events: 0 }
    }

    fn of(random: &mut Gen, nodes: usize, steps: usize) -> Self {
        let mut world = Self::new();
        for _ in 0..steps {
            world.step(random, nodes);
        }
        world
    }

    /// One random operation: a fork, an event, a message, or a departure.
    fn step(&mut self, random: &mut Gen, nodes: usize) {
        let mut some = || below(random, self.clocks.len() as u64) as usize;
        let (x, y) = (some(), some());
        match below(random, 8) {
            0 | 1 if self.clocks.len() < nodes => {
                let clock = self.clocks[x].fork();
                self.clocks.push(clock);
                let model = self.models[x].fork();
                self.models.push(model);
            }
            2 if x != y => {
                let (clock, model) = (self.clocks[y].clone(), self.models[y].clone());
                self.clocks[x].join(clock).unwrap();
                assert!(self.models[x].join(&model));
                self.clocks.swap_remove(y);
                self.models.swap_remove(y);
            }
            3 | 4 => {
                let (clock, model) = (self.clocks[y].peek(), self.models[y].peek());
                self.clocks[x].join(clock).unwrap();
                assert!(self.models[x].join(&model));
            }
            _ => {
                self.clocks[x].event().unwrap();
                self.models[x].event(self.events);
                self.events += 1;
            }
        }
    }

    fn check(&self) {
        for (clock, model) in std::iter::zip(&self.clocks, &self.models) {
            assert_eq!(clock.internal_validate(), Ok(()));
            assert_eq!(clock.to_string(), model.to_string());
            assert_eq!(clock.to_bytes(), model.to_bytes());
            assert_eq!(IntervalTreeClock::from_bytes(&clock.to_bytes(), clock.size()).as_ref(), Ok(clock));
            assert_eq!(clock.to_string().parse().as_ref(), Ok(clock));
        }
        for (ours, our_model) in std::iter::zip(&self.clocks, &self.models) {
            for (theirs, their_model) in std::iter::zip(&self.clocks, &self.models) {
                let order = ours.compare(theirs);
                let bounds = (our_model.leq(their_model), their_model.leq(our_model));
                assert_eq!(order, CausalOrder::from_bounds(bounds.0, bounds.1), "the definitions");
                let (a, b) = (&our_model.history, &their_model.history);
                assert_eq!(order, CausalOrder::from_bounds(a.is_subset(b), b.is_subset(a)), "the histories");
                assert_eq!(ours.clone().join(theirs.clone()).is_ok(), our_model.clone().join(their_model));
            }
        }
    }
}

/// Theorem of section 4: comparison of clocks is inclusion of causal histories. Beside that, each result is that of the
/// paper's definitions, to the letter and to the bit.
#[test]
fn random_runs_agree_with_the_definitions_and_with_causal_histories() {
    let mut random = random();
    let (mut steps, mut largest) = (0, 0);
    for run in 0..60 {
        let nodes = 2 + run % 12;
        let mut world = World::new();
        for _ in 0..80 {
            world.step(&mut random, nodes);
            world.check();
            steps += 1;
            largest = largest.max(world.clocks.iter().map(IntervalTreeClock::size).max().unwrap());
        }
    }
    assert_eq!(steps, 4_800);
    assert!(largest > 40, "{largest} nodes at most");
}

/// Every run of five operations on up to three clocks.
#[test]
fn every_small_run_agrees_with_the_definitions_and_with_causal_histories() {
    fn go_on(world: &World, left: usize, runs: &mut usize) {
        world.check();
        if left == 0 {
            *runs += 1;
            return;
        }
        let clocks = world.clocks.len();
        for x in 0..clocks {
            for kind in 0..2 + 2 * clocks {
                let mut next =
                    World { clocks: world.clocks.clone(), models: world.models.clone(), events: world.events };
                let y = (kind.max(2) - 2) / 2;
                match kind {
                    0 => {
                        event(&mut next.clocks[x]);
                        next.models[x].event(next.events);
                        next.events += 1;
                    }
                    1 if clocks < 3 => {
                        let (clock, model) = (next.clocks[x].fork(), next.models[x].fork());
                        next.clocks.push(clock);
                        next.models.push(model);
                    }
                    _ if kind > 1 && x != y => {
                        let leaves = kind % 2 == 0;
                        let clock = if leaves { world.clocks[y].clone() } else { world.clocks[y].peek() };
                        let model = if leaves { world.models[y].clone() } else { world.models[y].peek() };
                        next.clocks[x].join(clock).unwrap();
                        assert!(next.models[x].join(&model));
                        if leaves {
                            next.clocks.remove(y);
                            next.models.remove(y);
                        }
                    }
                    _ => continue,
                }
                go_on(&next, left - 1, runs);
            }
        }
    }
    let mut runs = 0;
    go_on(&World::new(), 5, &mut runs);
    assert!(runs > 1_000, "{runs} runs");
}

/// Appendix A: the example of each code, written out.
#[test]
fn the_encoding_is_that_of_the_appendix() {
    for (text, bits) in [
        ("(0, 0)", "000 1000"),
        ("(1, 3)", "001 1011"),
        ("(1, 4)", "001 110000"),
        ("(1, 11)", "001 110111"),
        ("(1, 12)", "001 11100000"),
        ("((1, 0), (0, 1, 0))", "10001 001 1001"),
        ("((0, 1), (0, 0, 1))", "01001 000 1001"),
        ("(((1, 0), (0, 1)), (0, (0, 1, 0), (0, 0, 2)))", "11 10001 01001 010 0011001 0001010"),
        ("(1, (2, 0, 1))", "001 01100 1010 1001"),
        ("(1, (2, 1, 0))", "001 01101 1010 1001"),
        ("(1, (2, (0, 1, 0), (0, 0, 1)))", "001 0111 1010 0011001 0001001"),
    ] {
        let bits: Vec<u8> = bits.bytes().filter(|&bit| bit != b' ').map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit) << (8 - bits.len());
        assert_eq!(clock(text).to_bytes(), bits.chunks(8).map(byte).collect::<Vec<u8>>(), "{text}");
    }
}
