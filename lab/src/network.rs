//! A network in virtual time that loses, repeats, delays, reorders and partitions, all from one seed.
//!
//! Knows nothing about what travels: a packet is any value, a place is a number. Time is counted in ticks and
//! moves only when the owner moves it; nothing here reads a clock.
//!
//! What happens to a packet on its way from one place to another:
//!
//! 1. With probability `duplicate` it becomes two copies, each with a fate of its own.
//! 2. A copy is lost with probability `loss`.
//! 3. A copy arrives `delay` ticks later, plus 0 to `reorder` ticks, evenly drawn. So a packet may be overtaken
//!    by everything that is sent within `reorder` ticks after it.
//! 4. A copy is lost if a partition separates the two places when it leaves or when it arrives.
//!
//! What arrives in one tick arrives in the order in which it was sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::random::{Random, Stream};

/// Virtual time, in ticks since the start of a run.
pub type Tick = u64;

/// How bad the network is.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The probability that a copy is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The probability that a packet is sent twice, 0.0 to 1.0.
    pub duplicate: f64,
    /// How many ticks every copy takes at least. A copy never arrives in the tick it is sent: 0 counts as 1.
    pub delay: u64,
    /// How many ticks a copy may take on top.
    pub reorder: u64,
    /// When places cannot reach each other.
    pub partitions: Vec<Partition>,
}

impl Conditions {
    /// Returns how long a copy takes at most.
    pub fn longest_way(&self) -> u64 {
        self.delay.max(1).saturating_add(self.reorder)
    }

    /// Returns the probability that a copy of a packet arrives, where no partition is in its way.
    pub fn arrives(&self) -> f64 {
        let lost = self.loss * (1.0 - self.duplicate + self.duplicate * self.loss);
        1.0 - lost.clamp(0.0, 1.0)
    }
}

/// A time in which the places are split into two groups that cannot reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The first tick of it.
    pub from: Tick,
    /// The first tick after it.
    pub until: Tick,
    /// For every place, which group it is in.
    pub group: Vec<bool>,
}

impl Partition {
    /// Draws `count` partitions of `places` places in the ticks 0 to `span`, in the order of time, without
    /// overlap. Both groups have a member; a single place is never partitioned.
    pub fn schedule(seed: u64, count: u64, span: Tick, places: usize) -> Vec<Self> {
        let mut random = Random::new(seed, Stream::Partitions);
        if places < 2 {
            return Vec::new();
        }
        // Each has a slice of the time to itself and lasts a quarter to a half of it.
        let slice = (span / count.max(1)).max(4);
        (0..count)
            .map(|nth| {
                let length = slice / 4 + random.below(slice / 4 + 1);
                let from = nth.saturating_mul(slice).saturating_add(random.below(slice - length + 1));
                let mut group: Vec<bool> = (0..places).map(|_| random.chance(0.5)).collect();
                if group.iter().all(|&side| side == group[0]) {
                    let alone = random.index(places);
                    group[alone] = !group[alone];
                }
                Self { from, until: from.saturating_add(length), group }
            })
            .collect()
    }

    /// Returns whether the two places cannot reach each other in tick `at`.
    pub fn separates(&self, at: Tick, a: usize, b: usize) -> bool {
        (self.from..self.until).contains(&at) && self.group.get(a) != self.group.get(b)
    }
}

/// What became of one packet at the moment it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How many copies are on their way.
    pub copies: u8,
    /// How many copies will never arrive.
    pub lost: u8,
}

/// A copy that has reached its place.
#[derive(Clone, Debug)]
pub struct Arrival<T> {
    /// When it arrives.
    pub at: Tick,
    /// When it was sent.
    pub sent: Tick,
    /// Where it comes from.
    pub from: usize,
    /// Where it arrives.
    pub to: usize,
    /// What travelled.
    pub packet: T,
}

/// How much the network has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets given to the network.
    pub packets: u64,
    /// Copies lost at random.
    pub lost: u64,
    /// Copies lost to a partition.
    pub cut: u64,
    /// Packets that became two copies.
    pub duplicated: u64,
}

/// Everything that is on its way.
#[derive(Debug)]
pub struct Network<T> {
    conditions: Conditions,
    random: Random,
    in_flight: BinaryHeap<Reverse<InFlight<T>>>,
    sequence: u64,
    traffic: Traffic,
}

/// A copy on its way; ordered by arrival, then by sending.
#[derive(Debug)]
struct InFlight<T> {
    sequence: u64,
    arrival: Arrival<T>,
}

impl<T> InFlight<T> {
    fn key(&self) -> (Tick, u64) {
        (self.arrival.at, self.sequence)
    }
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for InFlight<T> {}

impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T: Clone> Network<T> {
    /// Makes a network with nothing on its way.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: Random::new(seed, Stream::Network),
            in_flight: BinaryHeap::new(),
            sequence: 0,
            traffic: Traffic::default(),
        }
    }

    /// Sends a packet at tick `now` and says what becomes of it. O(log n) for n copies on their way.
    pub fn send(&mut self, now: Tick, from: usize, to: usize, packet: T) -> Fate {
        self.traffic.packets += 1;
        let mut fate = Fate { copies: 0, lost: 0 };
        if self.random.chance(self.conditions.duplicate) {
            self.traffic.duplicated += 1;
            self.send_copy(now, from, to, packet.clone(), &mut fate);
        }
        self.send_copy(now, from, to, packet, &mut fate);
        fate
    }

    fn send_copy(&mut self, now: Tick, from: usize, to: usize, packet: T, fate: &mut Fate) {
        // Drawn whether the copy is lost or not: a higher loss leaves the ways of the others as they are.
        let lost = self.random.chance(self.conditions.loss);
        let extra = self.random.below(self.conditions.reorder.saturating_add(1));
        let at = now.saturating_add(self.conditions.delay.max(1)).saturating_add(extra);
        if lost {
            self.traffic.lost += 1;
            fate.lost += 1;
        } else if self.separated(now, from, to) || self.separated(at, from, to) {
            self.traffic.cut += 1;
            fate.lost += 1;
        } else {
            fate.copies += 1;
            self.sequence += 1;
            let arrival = Arrival { at, sent: now, from, to, packet };
            self.in_flight.push(Reverse(InFlight { sequence: self.sequence, arrival }));
        }
    }

    fn separated(&self, at: Tick, a: usize, b: usize) -> bool {
        // In the order of time and without overlap, so the last that has begun is the only one to look at.
        let begun = self.conditions.partitions.partition_point(|partition| partition.from <= at);
        begun > 0 && self.conditions.partitions[begun - 1].separates(at, a, b)
    }

    /// Returns when the next copy arrives.
    pub fn next_at(&self) -> Option<Tick> {
        self.in_flight.peek().map(|Reverse(next)| next.arrival.at)
    }

    /// Takes the copy that arrives next. O(log n) for n copies on their way.
    pub fn receive(&mut self) -> Option<Arrival<T>> {
        self.in_flight.pop().map(|Reverse(next)| next.arrival)
    }

    /// Returns how much the network has carried so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns how bad the network is.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(conditions: Conditions, packets: u64) -> (Vec<Arrival<u64>>, Traffic) {
        let mut network = Network::new(conditions, 7);
        for packet in 0..packets {
            network.send(packet, 0, 1, packet);
        }
        let mut arrived = Vec::new();
        while let Some(next) = network.next_at() {
            let arrival = network.receive().expect("something is on its way");
            assert_eq!(arrival.at, next);
            arrived.push(arrival);
        }
        (arrived, network.traffic())
    }

    #[test]
    fn a_perfect_network_keeps_everything_and_the_order() {
        let (arrived, traffic) = run(Conditions::default(), 1000);
        assert!(arrived.iter().map(|arrival| arrival.packet).eq(0..1000));
        assert!(arrived.iter().all(|arrival| arrival.at == arrival.sent + 1));
        assert_eq!(traffic, Traffic { packets: 1000, ..Traffic::default() });
    }

    #[test]
    fn what_is_lost_and_repeated_adds_up() {
        let conditions = Conditions { loss: 0.2, duplicate: 0.3, ..Conditions::default() };
        let (arrived, traffic) = run(conditions, 10_000);
        assert_eq!(arrived.len() as u64, traffic.packets + traffic.duplicated - traffic.lost);
        assert!((2700..3300).contains(&traffic.duplicated), "{traffic:?}");
        assert!((2400..2800).contains(&traffic.lost), "{traffic:?}");
    }

    #[test]
    fn as_many_packets_arrive_as_are_said_to() {
        for (loss, duplicate) in [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.9, 0.3), (1.0, 1.0)] {
            let conditions = Conditions { loss, duplicate, ..Conditions::default() };
            let expected = conditions.arrives() * 10_000.0;
            let (mut arrived, _) = run(conditions, 10_000);
            arrived.dedup_by_key(|arrival| arrival.packet);
            assert!((arrived.len() as f64 - expected).abs() < 200.0, "{} of {expected}", arrived.len());
        }
    }

    #[test]
    fn reordering_overtakes_by_up_to_so_many_ticks_and_not_more() {
        let conditions = Conditions { delay: 3, reorder: 64, ..Conditions::default() };
        let (arrived, _) = run(conditions, 10_000);
        assert!(arrived.iter().all(|arrival| (3..=67).contains(&(arrival.at - arrival.sent))));
        let overtaken = arrived.windows(2).filter(|pair| pair[0].packet > pair[1].packet).count();
        assert!(overtaken > 4000, "only {overtaken} of 10,000 overtaken");
        let mut newest = 0;
        let mut furthest = 0;
        for arrival in &arrived {
            newest = newest.max(arrival.packet);
            furthest = furthest.max(newest - arrival.packet);
        }
        assert!((60..=64).contains(&furthest), "overtaken by {furthest} later packets");
    }

    #[test]
    fn partitions_cut_between_the_groups_and_only_then() {
        let partition = Partition { from: 10, until: 20, group: vec![true, false, true] };
        let conditions = Conditions { partitions: vec![partition], ..Conditions::default() };
        let mut network = Network::new(conditions, 7);
        let whole = Fate { copies: 1, lost: 0 };
        let cut = Fate { copies: 0, lost: 1 };
        assert_eq!(network.send(8, 0, 1, ()), whole);
        assert_eq!(network.send(9, 0, 1, ()), cut, "arrives in the partition");
        assert_eq!(network.send(19, 0, 1, ()), cut, "leaves in the partition");
        assert_eq!(network.send(15, 0, 2, ()), whole, "the same group");
        assert_eq!(network.send(20, 0, 1, ()), whole);
        assert_eq!(network.traffic().cut, 2);
    }

    #[test]
    fn scheduled_partitions_are_ordered_disjoint_and_real() {
        for places in 2..9 {
            let partitions = Partition::schedule(places as u64, 5, 10_000, places);
            assert_eq!(partitions.len(), 5);
            assert!(partitions.windows(2).all(|pair| pair[0].until <= pair[1].from));
            for partition in &partitions {
                assert!(partition.from < partition.until && partition.until <= 10_000, "{partition:?}");
                assert!(partition.group.contains(&true) && partition.group.contains(&false));
            }
        }
        assert!(Partition::schedule(1, 5, 10_000, 1).is_empty());
        assert_eq!(Partition::schedule(1, 3, 0, 2).len(), 3, "a span of nothing is no reason to fail");
    }
}
