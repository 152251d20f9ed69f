//! A network in virtual time that loses, repeats, delays, reorders and partitions, all from one seed.
//!
//! A packet is any value, and a node is a number. Time is counted in milliseconds, and only the owner moves it; nothing
//! here reads a clock.
//!
//! A *link* leads from one node to another. A packet on it meets these fates:
//!
//! 1. It is lost with probability `loss`.
//! 2. Otherwise it arrives as one copy, or with probability `duplicate` as two.
//! 3. Each copy has its own [`Delay`], at least 1 ms. So later packets overtake it, unless the delay is fixed.
//! 4. A copy is lost if a [`Partition`] cuts the link when it leaves or when it arrives.
//!
//! Copies that arrive in the same millisecond arrive in the order of sending.
//!
//! Every link draws from its own random stream, so the [`PacketFate`] of the n-th packet of a link depends only on the
//! seed. Fates can be recorded, and a network can follow a list of fates instead of drawing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::random::Random;

/// The delay of copies, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The same for all, so that packets of a link keep their order.
    Fixed(u64),
    /// Evenly spread from `least` to `most`.
    Uniform {
        /// The shortest delay.
        least: u64,
        /// The longest delay.
        most: u64,
    },
    /// Mostly close to `least`. The part above it may be up to `most`; each doubling of it is half as likely.
    LongTailed {
        /// The shortest delay.
        least: u64,
        /// The longest delay.
        most: u64,
    },
}

impl Delay {
    fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Fixed(delay) => delay,
            Self::Uniform { least, most } => random.within(least..=most),
            Self::LongTailed { least, most } => random.long_tailed(least..=most),
        }
        .max(1)
    }

    /// Returns the shortest delay, at least 1.
    #[must_use]
    pub fn least(self) -> u64 {
        let (Self::Fixed(least) | Self::Uniform { least, .. } | Self::LongTailed { least, .. }) = self;
        least.max(1)
    }

    /// Returns the longest delay, at least 1.
    #[must_use]
    pub fn most(self) -> u64 {
        let (Self::Fixed(most) | Self::Uniform { most, .. } | Self::LongTailed { most, .. }) = self;
        most.max(self.least())
    }
}

/// The conditions of a network: its faults and its delays.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The probability that a packet is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The probability that a packet arrives twice, if it is not lost, 0.0 to 1.0.
    pub duplicate: f64,
    /// The delay of copies.
    pub delay: Delay,
    /// The partitions, each of which cuts links for a time.
    pub partitions: Vec<Partition>,
    /// The time from which every packet arrives once, after the least delay.
    pub heals_at: u64,
}

impl Default for Conditions {
    /// Returns a perfect network with a delay of 1 ms.
    fn default() -> Self {
        Self { loss: 0.0, duplicate: 0.0, delay: Delay::Fixed(1), partitions: Vec::new(), heals_at: u64::MAX }
    }
}

/// A time in which the nodes are split into two groups: one group does not hear the other, or neither does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The beginning.
    pub from: u64,
    /// The end.
    pub until: u64,
    /// The group of every node; a node that is not in the list belongs to the group `false`.
    pub group: Vec<bool>,
    /// True if the group `true` still hears the group `false`.
    pub one_way: bool,
}

impl Partition {
    /// Draws two groups of `nodes` nodes. Both have a member, unless there is only one node.
    #[must_use]
    pub fn draw_group(random: &mut Random, nodes: usize) -> Vec<bool> {
        let mut group: Vec<bool> = (0..nodes).map(|_| random.chance(0.5)).collect();
        if nodes > 0 && group.iter().all(|&side| side == group[0]) {
            let alone = random.index(nodes);
            group[alone] = !group[alone];
        }
        group
    }

    /// Draws `count` partitions of `nodes` nodes, both ways, between the times 0 and `span`. They are in the order of
    /// time, and do not overlap. A single node is never partitioned.
    #[must_use]
    pub fn schedule(random: &mut Random, count: u64, span: u64, nodes: usize) -> Vec<Self> {
        if nodes < 2 {
            return Vec::new();
        }
        // Each partition has its own slice of the time, and lasts a quarter to a half of it.
        let slice = (span / count.max(1)).max(4);
        (0..count)
            .map(|nth| {
                let length = slice / 4 + random.below(slice / 4 + 1);
                let from = nth.saturating_mul(slice).saturating_add(random.below(slice - length + 1));
                let group = Self::draw_group(random, nodes);
                Self { from, until: from.saturating_add(length), group, one_way: false }
            })
            .collect()
    }

    /// Returns whether the partition cuts the link from `from` to `to` at the time `at`.
    #[must_use]
    pub fn cuts(&self, at: u64, from: usize, to: usize) -> bool {
        let group = |node: usize| self.group.get(node).copied().unwrap_or(false);
        let cut = group(from) != group(to) && (!self.one_way || group(from));
        cut && (self.from..self.until).contains(&at)
    }
}

/// The fate of a packet that no partition cuts off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It never arrives.
    Lost,
    /// It arrives after this delay.
    Once(u64),
    /// It arrives twice, with these delays.
    Twice(u64, u64),
}

/// The identity of a packet, by link and time of sending. So it stays the same when other packets are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketId {
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
    /// The time of sending.
    pub at: u64,
    /// The number of earlier packets of this link in the same millisecond.
    pub nth: u64,
}

/// The record of one packet at the moment it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The fate that was drawn for it.
    pub fate: PacketFate,
    /// The number of copies that will never arrive, lost or cut off.
    pub lost: u8,
}

/// A copy that has reached its node.
#[derive(Clone, Debug)]
pub struct Arrival<P> {
    /// The time of arrival.
    pub at: u64,
    /// The time of sending.
    pub sent: u64,
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
    /// The packet.
    pub packet: P,
}

/// The counts of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets given to the network.
    pub packets: u64,
    /// Packets lost at random.
    pub lost: u64,
    /// Copies lost to a partition.
    pub cut: u64,
    /// Packets that became two copies.
    pub duplicated: u64,
}

/// A network: the copies on their way, the links and the conditions.
#[derive(Debug)]
pub struct Network<P> {
    conditions: Conditions,
    seed: u64,
    fates: Fates,
    links: BTreeMap<(usize, usize), Link>,
    in_flight: BinaryHeap<Reverse<InFlight<P>>>,
    sequence: u64,
    last_at: u64,
    traffic: Traffic,
}

#[derive(Debug)]
enum Fates {
    /// Drawn from each link's stream.
    Drawn { record: Option<Vec<(PacketId, PacketFate)>> },
    /// Given beforehand; a packet that is not in the map has the usual fate.
    Given(BTreeMap<PacketId, PacketFate>),
}

/// A link from one node to another.
#[derive(Debug)]
struct Link {
    random: Random,
    /// The time at which its last packet was sent, and the number of earlier ones in the same millisecond.
    last: (u64, u64),
}

/// A copy on its way; ordered by arrival, then by sending.
#[derive(Debug)]
struct InFlight<P> {
    sequence: u64,
    arrival: Arrival<P>,
}

impl<P> InFlight<P> {
    fn key(&self) -> (u64, u64) {
        (self.arrival.at, self.sequence)
    }
}

impl<P> PartialEq for InFlight<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for InFlight<P> {}

impl<P> PartialOrd for InFlight<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for InFlight<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<P: Clone> Network<P> {
    /// Makes an empty network that draws fates from `seed`.
    #[must_use]
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self::with_fates(conditions, seed, Fates::Drawn { record: None })
    }

    /// Records the drawn fates from now on, except the usual one: once, after the least delay.
    pub(crate) fn recording(mut self) -> Self {
        if let Fates::Drawn { record } = &mut self.fates {
            *record = Some(Vec::new());
        }
        self
    }

    /// Makes a network that draws nothing: a packet that is not in `fates` arrives once, after the least delay.
    pub(crate) fn with_given_fates(conditions: Conditions, fates: BTreeMap<PacketId, PacketFate>) -> Self {
        Self::with_fates(conditions, 0, Fates::Given(fates))
    }

    fn with_fates(conditions: Conditions, seed: u64, fates: Fates) -> Self {
        Self {
            conditions,
            seed,
            fates,
            links: BTreeMap::new(),
            in_flight: BinaryHeap::new(),
            sequence: 0,
            last_at: 0,
            traffic: Traffic::default(),
        }
    }

    /// Returns the recorded fates, and stops recording.
    pub(crate) fn take_record(&mut self) -> Vec<(PacketId, PacketFate)> {
        match &mut self.fates {
            Fates::Drawn { record } => record.take().unwrap_or_default(),
            Fates::Given(_) => Vec::new(),
        }
    }

    /// Sends a packet at the time `now`, and returns its fate. O(log n) for n copies on their way.
    pub fn send(&mut self, now: u64, from: usize, to: usize, packet: P) -> Sent {
        self.traffic.packets += 1;
        let fate = self.fate(now, from, to);
        let lost = match fate {
            PacketFate::Lost => {
                self.traffic.lost += 1;
                1
            }
            PacketFate::Once(delay) => self.send_copy(now, delay, from, to, packet),
            PacketFate::Twice(first, second) => {
                self.traffic.duplicated += 1;
                self.send_copy(now, first, from, to, packet.clone())
                    + self.send_copy(now, second, from, to, packet)
            }
        };
        Sent { fate, lost }
    }

    /// Returns the fate of the next packet of a link.
    fn fate(&mut self, now: u64, from: usize, to: usize) -> PacketFate {
        let Conditions { loss, duplicate, delay, heals_at, .. } = self.conditions;
        let usual = PacketFate::Once(delay.least());
        if now >= heals_at {
            return usual;
        }
        let link = self.links.entry((from, to)).or_insert_with(|| {
            let stream = 1 << 63 | (from as u64) << 31 | to as u64;
            Link { random: Random::new(self.seed, stream), last: (u64::MAX, 0) }
        });
        let nth = if link.last.0 == now { link.last.1 + 1 } else { 0 };
        link.last = (now, nth);
        let id = PacketId { from, to, at: now, nth };
        match &mut self.fates {
            Fates::Drawn { record } => {
                let random = &mut link.random;
                let fate = if random.chance(loss) {
                    PacketFate::Lost
                } else if random.chance(duplicate) {
                    PacketFate::Twice(delay.draw(random), delay.draw(random))
                } else {
                    PacketFate::Once(delay.draw(random))
                };
                if let Some(record) = record.as_mut().filter(|_| fate != usual) {
                    record.push((id, fate));
                }
                fate
            }
            Fates::Given(fates) => fates.get(&id).copied().unwrap_or(usual),
        }
    }

    /// Sends a copy. Returns 1 if a partition cuts it off, else 0.
    fn send_copy(&mut self, now: u64, delay: u64, from: usize, to: usize, packet: P) -> u8 {
        let at = now.saturating_add(delay);
        let mut partitions = self.conditions.partitions.iter();
        if partitions.any(|partition| partition.cuts(now, from, to) || partition.cuts(at, from, to)) {
            self.traffic.cut += 1;
            return 1;
        }
        self.sequence += 1;
        self.last_at = self.last_at.max(at);
        let arrival = Arrival { at, sent: now, from, to, packet };
        self.in_flight.push(Reverse(InFlight { sequence: self.sequence, arrival }));
        0
    }

    /// Returns the time at which the next copy arrives.
    pub fn next_at(&self) -> Option<u64> {
        self.in_flight.peek().map(|Reverse(next)| next.arrival.at)
    }

    /// Returns the latest arrival of any copy sent so far.
    pub fn last_at(&self) -> u64 {
        self.last_at
    }

    /// Removes the copy that arrives next, and returns it. O(log n) for n copies on their way.
    pub fn receive(&mut self) -> Option<Arrival<P>> {
        self.in_flight.pop().map(|Reverse(next)| next.arrival)
    }

    /// Returns the counts so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns the conditions of the network.
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
        assert!((2200..2600).contains(&traffic.duplicated), "{traffic:?}");
        assert!((1800..2200).contains(&traffic.lost), "{traffic:?}");
        for (loss, left) in [(0.0, 100), (1.0, 0)] {
            assert_eq!(run(Conditions { loss, ..Conditions::default() }, 100).0.len(), left);
        }
    }

    #[test]
    fn even_delays_overtake_by_as_much_as_they_vary_and_not_more() {
        let conditions = Conditions { delay: Delay::Uniform { least: 3, most: 67 }, ..Conditions::default() };
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
    fn delays_of_nothing_take_a_millisecond() {
        for delay in
            [Delay::Fixed(0), Delay::Uniform { least: 0, most: 0 }, Delay::LongTailed { least: 0, most: 0 }]
        {
            let (arrived, _) = run(Conditions { delay, ..Conditions::default() }, 10);
            assert!(arrived.iter().all(|arrival| arrival.at == arrival.sent + 1), "{delay:?}");
            assert_eq!((delay.least(), delay.most()), (1, 1));
        }
    }

    #[test]
    fn partitions_cut_between_the_groups_and_only_then() {
        let partition = Partition { from: 10, until: 20, group: vec![true, false, true], one_way: false };
        let conditions = Conditions { partitions: vec![partition.clone()], ..Conditions::default() };
        let mut network = Network::new(conditions, 7);
        let whole = Sent { fate: PacketFate::Once(1), lost: 0 };
        let cut = Sent { fate: PacketFate::Once(1), lost: 1 };
        assert_eq!(network.send(8, 0, 1, ()), whole);
        assert_eq!(network.send(9, 0, 1, ()), cut, "arrives in the partition");
        assert_eq!(network.send(19, 0, 1, ()), cut, "leaves in the partition");
        assert_eq!(network.send(15, 0, 2, ()), whole, "the same group");
        assert_eq!(network.send(20, 0, 1, ()), whole);
        assert_eq!(network.traffic().cut, 2);

        let one_way = Partition { one_way: true, ..partition };
        assert!(one_way.cuts(15, 0, 1) && !one_way.cuts(15, 1, 0));
    }

    #[test]
    fn scheduled_partitions_are_ordered_disjoint_and_real() {
        for nodes in 2..9 {
            let partitions = Partition::schedule(&mut Random::new(nodes as u64, 2), 5, 10_000, nodes);
            assert_eq!(partitions.len(), 5);
            assert!(partitions.windows(2).all(|pair| pair[0].until <= pair[1].from));
            for partition in &partitions {
                assert!(partition.from < partition.until && partition.until <= 10_000, "{partition:?}");
                assert!(partition.group.contains(&true) && partition.group.contains(&false));
            }
        }
        let random = &mut Random::new(1, 2);
        assert!(Partition::schedule(random, 5, 10_000, 1).is_empty());
        assert_eq!(Partition::schedule(random, 3, 0, 2).len(), 3, "a span of nothing is no reason to fail");
    }

    #[test]
    fn links_do_not_disturb_each_other_and_recorded_fates_repeat_the_run() {
        let conditions = Conditions {
            loss: 0.3,
            duplicate: 0.3,
            delay: Delay::LongTailed { least: 2, most: 500 },
            heals_at: 300,
            ..Conditions::default()
        };
        let send = |network: &mut Network<u64>, both: bool| {
            let mut fates = Vec::new();
            for nth in 0..800 {
                let now = nth / 2;
                fates.push(network.send(now, 0, 1, now).fate);
                if both {
                    network.send(now, 1, 0, now);
                }
            }
            fates
        };
        let mut drawn = Network::new(conditions.clone(), 5).recording();
        let fates = send(&mut drawn, true);
        assert_eq!(fates, send(&mut Network::new(conditions.clone(), 5), false));
        assert!(fates[600..].iter().all(|fate| *fate == PacketFate::Once(2)), "healed");
        let record: BTreeMap<_, _> = drawn.take_record().into_iter().collect();
        assert!(record.len() > 400 && record.values().all(|fate| *fate != PacketFate::Once(2)));
        assert_eq!(fates, send(&mut Network::with_given_fates(conditions, record), true));
    }
}
