//! Kulkarni, Demirbas, Madappa, Avva, Leone, *Logical Physical Clocks and Consistent Snapshots in Globally
//! Distributed Databases* (2014): its theorems as properties, in simulated time with drifting clocks.
//!
//! The paper counts a receipt as a separate event; here that is `observe` followed by `tick`. Time is in milliseconds,
//! as in the clocks. A failing run prints its seed.

use happens_before::HybridClock;
use happens_before::scalar::HybridTime;

/// A small generator (splitmix64), so that a seed gives the same run everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// One event of a run: its timestamp, its reading of the wall clock, and the events that happened before it.
struct Event {
    node: usize,
    time: HybridTime,
    wall_ms: u64,
    /// The events that happened before this one, as flags, by index.
    past: Vec<bool>,
}

struct Simulation {
    nodes: u64,
    /// The bound of the difference between the wall clocks of any two nodes, at any moment.
    epsilon_ms: u64,
    /// At most one event at a node in each of its milliseconds, as the paper assumes for its last bound.
    one_event_a_ms: bool,
    seed: u64,
}

impl Simulation {
    /// Runs 300 events at random nodes: each is local, or the receipt of a message sent earlier.
    fn run(&self) -> Vec<Event> {
        let random = &mut Random(self.seed);
        let mut clocks: Vec<_> = (0..self.nodes).map(|node| HybridClock::new(node, self.epsilon_ms)).collect();
        // Each wall clock is off by an offset that wanders within [0, epsilon].
        let mut offset: Vec<u64> = (0..self.nodes).map(|_| random.below(self.epsilon_ms + 1)).collect();
        let mut last_wall: Vec<u64> = vec![0; self.nodes as usize];
        let mut latest: Vec<Option<usize>> = vec![None; self.nodes as usize];
        let mut events: Vec<Event> = Vec::new();
        let mut true_ms = 1_000_000;
        while events.len() < 300 {
            // Every second run has bursts: about 30 events fall into a millisecond.
            let pause = if self.seed.is_multiple_of(2) { 2 } else { 30 };
            true_ms += u64::from(random.below(pause) == 0);
            let node = random.below(self.nodes) as usize;
            // Drift is a step in either direction: a wall clock runs fast, runs slow, stands still, or goes back.
            offset[node] = (offset[node] + random.below(3)).saturating_sub(1).min(self.epsilon_ms);
            let wall_ms = true_ms + offset[node];
            if self.one_event_a_ms && wall_ms <= last_wall[node] {
                continue;
            }
            last_wall[node] = wall_ms;
            let mut past = vec![false; events.len()];
            let mut learn = |source: usize| {
                past[source] = true;
                for (known, &earlier) in past.iter_mut().zip(&events[source].past) {
                    *known |= earlier;
                }
            };
            if let Some(previous) = latest[node] {
                learn(previous);
            }
            // Every second event receives a recent message, since only recent messages are ahead.
            if !events.is_empty() && random.below(2) == 0 {
                let back = 1 + random.below(events.len().min(20) as u64) as usize;
                let source = events.len() - back;
                learn(source);
                let received = clocks[node].observe(events[source].time, wall_ms);
                assert_eq!(received, Ok(()), "{self}: nobody is more than epsilon ahead");
            }
            let time = clocks[node].tick(wall_ms).unwrap().time();
            latest[node] = Some(events.len());
            events.push(Event { node, time, wall_ms, past });
        }
        events
    }

    fn all() -> impl Iterator<Item = (Self, Vec<Event>)> {
        let seeds = match std::env::var("HB_SEED") {
            Ok(seed) => vec![seed.parse().expect("HB_SEED is a number")],
            Err(_) => (0..40).collect::<Vec<u64>>(),
        };
        let sizes = [(2, 0), (2, 10), (3, 3), (8, 1), (8, 25)];
        let runs = seeds.into_iter().flat_map(move |seed| sizes.map(|size| (seed, size)));
        runs.flat_map(|(seed, (nodes, epsilon_ms))| {
            [false, true].map(|one_event_a_ms| {
                let simulation = Self { nodes, epsilon_ms, one_event_a_ms, seed };
                let events = simulation.run();
                (simulation, events)
            })
        })
    }
}

impl std::fmt::Display for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HB_SEED={} with {} nodes, epsilon {} ms", self.seed, self.nodes, self.epsilon_ms)
    }
}

impl Event {
    fn causes<'a>(&'a self, events: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        events.iter().zip(&self.past).filter(|(_, past)| **past).map(|(event, _)| event)
    }
}

#[test]
fn theorem_1_what_happened_before_has_the_lower_time() {
    let (mut pairs, mut concurrent) = (0_u64, 0_u64);
    for (simulation, events) in Simulation::all() {
        for (index, f) in events.iter().enumerate() {
            for e in f.causes(&events) {
                assert!(e.time < f.time, "{simulation}: {} then {}", e.time, f.time);
                pairs += 1;
            }
            concurrent += (index - f.causes(&events).count()) as u64;
        }
    }
    assert!(concurrent * 10 > pairs + concurrent, "at least 10% concurrent: {concurrent} beside {pairs}");
}

#[test]
fn theorem_2_the_time_is_at_least_the_wall_clock() {
    for (simulation, events) in Simulation::all() {
        for f in &events {
            assert!(f.time.ms() >= f.wall_ms, "{simulation}");
        }
    }
}

#[test]
fn theorem_3_the_time_is_the_highest_wall_clock_among_the_event_and_its_causes() {
    let mut led_by_another = 0;
    for (simulation, events) in Simulation::all() {
        for f in &events {
            let highest = f.causes(&events).map(|e| e.wall_ms).max().unwrap_or(0).max(f.wall_ms);
            assert_eq!(f.time.ms(), highest, "{simulation}");
            led_by_another += u64::from(highest > f.wall_ms);
        }
    }
    assert!(led_by_another > 10_000, "others' wall clocks led: {led_by_another} times");
}

#[test]
fn corollary_1_the_time_is_within_epsilon_of_the_wall_clock() {
    let mut at_the_bound = 0;
    for (simulation, events) in Simulation::all() {
        // A wall clock that went back is a second source of distance: the highest reading of the node itself counts.
        for (index, f) in events.iter().enumerate() {
            let own = events[..=index].iter().filter(|e| e.node == f.node).map(|e| e.wall_ms).max();
            let distance = f.time.ms() - own.unwrap();
            assert!(distance <= simulation.epsilon_ms, "{simulation}: {distance} ms");
            at_the_bound += u64::from(distance == simulation.epsilon_ms && distance > 0);
        }
    }
    assert!(at_the_bound > 0, "the bound is tight");
}

#[test]
fn theorem_4_a_logical_part_of_k_has_k_causes_of_the_same_millisecond_in_a_row() {
    let mut highest = 0;
    for (simulation, events) in Simulation::all() {
        // For each event, the longest chain of events of one millisecond that ends before it.
        let mut chain: Vec<u16> = Vec::new();
        for f in &events {
            let same_ms = events.iter().zip(&f.past).zip(&chain);
            let longest = same_ms
                .filter(|((e, past), _)| **past && e.time.ms() == f.time.ms())
                .map(|(_, chain)| chain + 1)
                .max()
                .unwrap_or(0);
            assert_eq!(f.time.logical(), longest, "{simulation}: {}", f.time);
            chain.push(longest);
            highest = highest.max(longest);
        }
    }
    assert!(highest > 20, "long chains were seen: {highest}");
}

#[test]
fn corollary_3_the_logical_part_is_below_n_times_epsilon_plus_one() {
    let mut seen = 0;
    for (simulation, events) in Simulation::all().filter(|(simulation, _)| simulation.one_event_a_ms) {
        for f in &events {
            let bound = simulation.nodes * (simulation.epsilon_ms + 1);
            assert!(u64::from(f.time.logical()) < bound, "{simulation}: {}", f.time);
            seen += 1;
        }
    }
    assert!(seen >= 5 * 300);
}

#[test]
fn a_node_beyond_epsilon_is_refused_and_takes_nobody_along() {
    // The paper's section on faults: a time that is too far ahead is refused.
    let mut honest = HybridClock::new(1, 25);
    let mut fast = HybridClock::new(2, 25);
    let mut refused = 0;
    for true_ms in 1_000_000_u64..1_001_000 {
        // One wall clock runs 5% fast.
        let message = fast.tick(true_ms + (true_ms - 1_000_000) / 20).unwrap();
        refused += u64::from(honest.observe(message.time(), true_ms).is_err());
        let distance = honest.tick(true_ms).unwrap().time().ms() - true_ms;
        assert!(distance <= 25);
    }
    assert_eq!(refused, 1_000 - 26 * 20, "from the moment when it is 26 ms ahead");
}
