//! Interval tree clocks: beside treeclocks and itc, and the sizes of stamps beside those of the paper.
//!
//! All contestants get the same group of clocks, made by the same operations: it has grown by forks, and has then lived
//! for a thousand iterations of the paper's first experiment. Their texts are asserted equal.
//!
//! The sizes are those of the two experiments in section 6 of the paper (Almeida, Baquero, Fonte 2008):
//!
//! - *Data causality*: the group begins with n clocks. In each of 100,000 iterations, one clock forks, one counts an
//!   event, and one joins another and is gone. All are drawn at random.
//! - *Process causality*: in each of 25,000 iterations, one of n clocks counts an event, and one receives the events of
//!   another.
//!
//! The figure is the mean size of all clocks of the group at the end. The paper has curves of means of 100 runs, and
//! names two figures, for 128 clocks: less than 2,900 bytes, and slightly more than 170. Here it is one run, or ten with
//! up to 16 clocks.

use std::hint::black_box;
use std::time::Instant;

use happens_before::CausalOrder;
use happens_before::version::IntervalTreeClock;
use treeclocks::ItcPair;

use crate::{Case, Contestant, Goal, Pick, Role};

/// Clocks that a round works on, at least; those of a group are copied until they are as many.
const CLOCKS: usize = 64;

trait Clock: Clone + 'static {
    const ROLE: Role;
    const NAME: &'static str;

    fn seed() -> Self;
    fn fork(&mut self) -> Self;
    fn event(&mut self);
    fn join(&mut self, other: Self);
    fn at_most(&self, other: &Self) -> bool;
    fn text(&self) -> String;
}

impl Clock for IntervalTreeClock {
    const ROLE: Role = Role::Ours;
    const NAME: &'static str = "IntervalTreeClock";

    fn seed() -> Self {
        IntervalTreeClock::seed()
    }

    fn fork(&mut self) -> Self {
        IntervalTreeClock::fork(self)
    }

    fn event(&mut self) {
        IntervalTreeClock::event(self).unwrap();
    }

    fn join(&mut self, other: Self) {
        IntervalTreeClock::join(self, other).unwrap();
    }

    fn at_most(&self, other: &Self) -> bool {
        matches!(self.compare(other), CausalOrder::Before | CausalOrder::Equal)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Clock for ItcPair {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "treeclocks";

    fn seed() -> Self {
        Self::new()
    }

    fn fork(&mut self) -> Self {
        ItcPair::fork(self)
    }

    fn event(&mut self) {
        ItcPair::event(self);
    }

    fn join(&mut self, other: Self) {
        ItcPair::join(self, other);
    }

    fn at_most(&self, other: &Self) -> bool {
        self.timestamp <= other.timestamp
    }

    fn text(&self) -> String {
        format!("({}, {})", self.id, self.timestamp)
    }
}

impl Clock for itc::Stamp {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "itc";

    fn seed() -> Self {
        itc::Stamp::seed()
    }

    fn fork(&mut self) -> Self {
        let (ours, theirs) = itc::IntervalTreeClock::fork(self);
        *self = ours;
        theirs
    }

    fn event(&mut self) {
        *self = itc::IntervalTreeClock::event(self);
    }

    fn join(&mut self, other: Self) {
        *self = itc::IntervalTreeClock::join(self, &other);
    }

    fn at_most(&self, other: &Self) -> bool {
        itc::LessThanOrEqual::leq(self, other)
    }

    fn text(&self) -> String {
        // Its own text is L and R codes; the trees are private, but can be printed.
        paper_notation(&format!("{self:?}"))
    }
}

/// Turns the debug form of itc's trees into the notation of the paper.
fn paper_notation(debug: &str) -> String {
    let mut text = debug.to_string();
    for (from, to) in [
        ("Stamp { i: ", "("),
        (", e: ", ", "),
        ("Leaf { i: true }", "1"),
        ("Leaf { i: false }", "0"),
        ("Leaf { n: ", "<"),
        ("Node { left: ", "("),
        ("Node { n: ", "("),
        ("left: ", ""),
        ("right: ", ""),
    ] {
        text = text.replace(from, to);
    }
    // The end of a number is dropped, and the end of a node is a parenthesis.
    let (mut plain, mut in_number) = (String::new(), false);
    for character in text.replace(" }", "}").chars() {
        match character {
            '<' => in_number = true,
            '}' if in_number => in_number = false,
            '}' => plain.push(')'),
            other => plain.push(other),
        }
    }
    plain
}

/// Numbers drawn at random (splitmix64), the same for all contestants.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ word >> 31) % limit as u64) as usize
    }
}

/// Forks a seed until there are `nodes` clocks of equal parts.
fn forked<C: Clock>(nodes: usize) -> Vec<C> {
    let mut clocks = vec![C::seed()];
    while clocks.len() < nodes {
        for at in 0..clocks.len().min(nodes - clocks.len()) {
            let other = clocks[at].fork();
            clocks.push(other);
        }
    }
    clocks
}

fn data_causality<C: Clock>(nodes: usize, iterations: usize, seed: u64) -> Vec<C> {
    let mut random = Random(seed);
    let mut clocks = forked::<C>(nodes);
    for _ in 0..iterations {
        let at = random.below(clocks.len());
        let other = clocks[at].fork();
        clocks.push(other);
        let at = random.below(clocks.len());
        clocks[at].event();
        let other = clocks.swap_remove(random.below(clocks.len()));
        let at = random.below(clocks.len());
        clocks[at].join(other);
    }
    clocks
}

fn process_causality(nodes: usize, iterations: usize, seed: u64) -> Vec<IntervalTreeClock> {
    let mut random = Random(seed);
    let mut clocks = forked::<IntervalTreeClock>(nodes);
    for _ in 0..iterations {
        let at = random.below(nodes);
        clocks[at].event().unwrap();
        let from = random.below(nodes);
        let to = (from + 1 + random.below(nodes - 1)) % nodes;
        let message = clocks[from].peek();
        clocks[to].join(message).unwrap();
    }
    clocks
}

fn group<C: Clock>(nodes: usize) -> Vec<C> {
    let clocks = data_causality::<C>(nodes, 1_000, 1);
    let ours = data_causality::<IntervalTreeClock>(nodes, 1_000, 1);
    for (clock, ours) in std::iter::zip(&clocks, &ours) {
        assert_eq!(clock.text(), ours.text(), "{}", C::NAME);
    }
    clocks
}

/// Measures `work` on fresh copies of all clocks of a group.
fn each<C: Clock, T: 'static>(nodes: usize, work: fn(&mut C) -> T) -> Contestant {
    let clocks = group::<C>(nodes);
    Contestant::new(C::ROLE, C::NAME, move || {
        let mut copies: Vec<C> = (0..CLOCKS.div_ceil(nodes)).flat_map(|_| clocks.clone()).collect();
        let mut results = Vec::with_capacity(copies.len());
        let start = Instant::now();
        for clock in &mut copies {
            results.push(black_box(work(black_box(clock))));
        }
        start.elapsed().as_nanos() as f64 / copies.len() as f64
    })
}

fn event<C: Clock>(nodes: usize) -> Contestant {
    each(nodes, C::event)
}

fn fork<C: Clock>(nodes: usize) -> Contestant {
    each(nodes, C::fork)
}

/// Measures the join of each clock of a group with the next one.
fn join<C: Clock>(nodes: usize) -> Contestant {
    let clocks = group::<C>(nodes);
    Contestant::new(C::ROLE, C::NAME, move || {
        let pairs = clocks.iter().zip(clocks.iter().cycle().skip(1));
        let mut pairs: Vec<(C, C)> = (0..CLOCKS.div_ceil(nodes))
            .flat_map(|_| pairs.clone().map(|(x, y)| (x.clone(), y.clone())))
            .collect();
        let mut joined = Vec::with_capacity(pairs.len());
        let start = Instant::now();
        for (mut ours, theirs) in pairs.drain(..) {
            ours.join(black_box(theirs));
            joined.push(ours);
        }
        start.elapsed().as_nanos() as f64 / joined.len() as f64
    })
}

/// Measures the comparison of each clock of a group with each other one, at most 64 by 64.
fn compare<C: Clock>(nodes: usize) -> Contestant {
    let clocks = group::<C>(nodes);
    let ours = group::<IntervalTreeClock>(nodes);
    let pairs = |len: usize| (0..len.min(64)).flat_map(move |x| (0..len.min(64)).map(move |y| (x, y)));
    let expected = pairs(nodes).filter(|&(x, y)| ours[x].at_most(&ours[y])).count();
    Contestant::new(C::ROLE, C::NAME, move || {
        let start = Instant::now();
        let at_most = pairs(nodes).filter(|&(x, y)| black_box(&clocks[x]).at_most(&clocks[y])).count();
        let taken = start.elapsed().as_nanos() as f64 / pairs(nodes).count() as f64;
        assert_eq!(at_most, expected);
        taken
    })
}

/// All contestants of a case.
macro_rules! all {
    ($measure:ident($nodes:expr)) => {
        vec![$measure::<IntervalTreeClock>($nodes), $measure::<ItcPair>($nodes), $measure::<itc::Stamp>($nodes)]
    };
}

/// The mean size of a stamp after an experiment of the paper, as the mean of some runs.
fn size(
    name: &'static str,
    paper: Option<f64>,
    runs: u64,
    experiment: fn(u64) -> Vec<IntervalTreeClock>,
) -> Case {
    let mean = move |seed: u64| {
        let clocks = experiment(seed);
        clocks.iter().map(|clock| clock.to_bytes().len()).sum::<usize>() as f64 / clocks.len() as f64
    };
    let ours = Contestant::new(Role::Ours, "IntervalTreeClock", move || {
        (1..=runs).map(mean).sum::<f64>() / runs as f64
    });
    let paper = paper.map(|bytes| Contestant::new(Role::Limit, "the paper", move || bytes));
    Case {
        name,
        unit: "bytes",
        pick: Pick::FastestWithin(0.0),
        goal: if paper.is_some() { Goal::WithinLimit(1.25) } else { Goal::None },
        contestants: [ours].into_iter().chain(paper).collect(),
    }
}

pub fn cases() -> Vec<Case> {
    let time = |name, contestants| Case {
        name,
        unit: "ns",
        pick: Pick::FastestWithin(1.0),
        goal: Goal::TimesAsFast(3.0),
        contestants,
    };
    vec![
        time("interval tree clock, event, 4 nodes", all!(event(4))),
        time("interval tree clock, event, 32 nodes", all!(event(32))),
        time("interval tree clock, event, 128 nodes", all!(event(128))),
        time("interval tree clock, fork, 4 nodes", all!(fork(4))),
        time("interval tree clock, fork, 32 nodes", all!(fork(32))),
        time("interval tree clock, fork, 128 nodes", all!(fork(128))),
        time("interval tree clock, join, 4 nodes", all!(join(4))),
        time("interval tree clock, join, 32 nodes", all!(join(32))),
        time("interval tree clock, join, 128 nodes", all!(join(128))),
        time("interval tree clock, compare, 4 nodes", all!(compare(4))),
        time("interval tree clock, compare, 32 nodes", all!(compare(32))),
        time("interval tree clock, compare, 128 nodes", all!(compare(128))),
        size("stamp, data causality, 4 clocks", None, 10, |seed| data_causality(4, 100_000, seed)),
        size("stamp, data causality, 16 clocks", None, 10, |seed| data_causality(16, 100_000, seed)),
        size("stamp, data causality, 128 clocks", Some(2_900.0), 1, |seed| data_causality(128, 100_000, seed)),
        size("stamp, process causality, 4 clocks", None, 10, |seed| process_causality(4, 25_000, seed)),
        size("stamp, process causality, 16 clocks", None, 10, |seed| process_causality(16, 25_000, seed)),
        size("stamp, process causality, 128 clocks", Some(170.0), 1, |seed| {
            process_causality(128, 25_000, seed)
        }),
    ]
}
