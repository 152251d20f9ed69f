//! Programs that keep many small vectors: a set and a map that replicas merge, once over `VersionVector` and once over
//! the clock of crdts.
//!
//! Both are written here once, over the few operations of [`Clock`], so that nothing differs but the clock. They are
//! compared with the `Orswot` and the `Map` of crdts in a test, and the set is measured beside its `Orswot` too.
//!
//! Two replicas have a common past. Then each removes some elements, adds some again, and adds new ones. One merge of
//! the two is measured, without the copies that it needs.
//!
//! # Sources
//!
//! Bieniusa, Zawirski, Preguiça, Shapiro, Baquero, Balegas, Duarte, *An Optimized Conflict-free Replicated Set* (2012).
//! The map resets the value under a removed key, as that of Riak does.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

use crdts::{CmRDT, CvRDT, ResetRemove, VClock};
use happens_before::VersionVector;

use crate::allocations::counted;
use crate::{Case, Contestant, Goal, Pick, Role};

/// The operations of a clock that a set and a map need.
trait Clock: Clone + Default + PartialEq + 'static {
    type Id: Clone + Debug + Ord + 'static;

    fn is_empty(&self) -> bool;
    fn get(&self, id: &Self::Id) -> u64;
    /// Raises the counter of `id`.
    fn raise(&mut self, id: Self::Id, counter: u64);
    fn merge(&mut self, other: Self);
    /// Returns whether `self` has seen everything that `other` has.
    fn covers(&self, other: &Self) -> bool;
    /// Returns the entries that are the same in both.
    fn common(&self, other: &Self) -> Self;
    /// Removes the entries that `other` has seen.
    fn subtract(&mut self, other: &Self);
}

impl<I: Clone + Debug + Ord + 'static> Clock for VersionVector<I> {
    type Id = I;

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn get(&self, id: &I) -> u64 {
        self.get(id)
    }

    fn raise(&mut self, id: I, counter: u64) {
        self.raise(id, counter);
    }

    fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.extend(other);
        }
    }

    fn covers(&self, other: &Self) -> bool {
        self.contains_all(other)
    }

    fn common(&self, other: &Self) -> Self {
        let same = self.iter().filter(|&(id, counter)| other.get(id) == counter);
        same.map(|(id, counter)| (id.clone(), counter)).collect()
    }

    fn subtract(&mut self, other: &Self) {
        self.subtract(other);
    }
}

impl<I: Clone + Debug + Ord + Hash + 'static> Clock for VClock<I> {
    type Id = I;

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn get(&self, id: &I) -> u64 {
        self.get(id)
    }

    fn raise(&mut self, id: I, counter: u64) {
        self.apply(crdts::Dot::new(id, counter));
    }

    fn merge(&mut self, other: Self) {
        CvRDT::merge(self, other);
    }

    fn covers(&self, other: &Self) -> bool {
        self >= other
    }

    fn common(&self, other: &Self) -> Self {
        Self::intersection(self, other)
    }

    fn subtract(&mut self, other: &Self) {
        self.reset_remove(other);
    }
}

/// Returns the part of two clocks of one element that stays: the common entries, and those that the other replica has
/// not seen. `ours_seen` and `theirs_seen` are all that each replica has seen.
fn kept<C: Clock>(mut ours: C, mut theirs: C, ours_seen: &C, theirs_seen: &C) -> C {
    let mut kept = theirs.common(&ours);
    theirs.subtract(ours_seen);
    ours.subtract(theirs_seen);
    kept.merge(theirs);
    kept.merge(ours);
    kept
}

/// A set in which an addition wins against a concurrent removal. Each element has the additions that keep it.
#[derive(Clone, Debug)]
struct Set<C> {
    seen: C,
    elements: HashMap<u64, C>,
}

impl<C> PartialEq for Set<C>
where
    C: PartialEq,
{
    fn eq(&self, other: &Self) -> bool {
        self.elements == other.elements
    }
}

impl<C: Clock> Default for Set<C> {
    fn default() -> Self {
        Self { seen: C::default(), elements: HashMap::new() }
    }
}

impl<C: Clock> Set<C> {
    fn add(&mut self, id: &C::Id, element: u64) {
        let counter = self.seen.get(id) + 1;
        self.add_at(id, counter, element);
    }

    fn add_at(&mut self, id: &C::Id, counter: u64, element: u64) {
        self.seen.raise(id.clone(), counter);
        self.elements.entry(element).or_default().raise(id.clone(), counter);
    }

    fn remove(&mut self, element: u64) {
        self.elements.remove(&element);
    }

    fn merge(&mut self, other: Self) {
        self.elements.retain(|element, clock| {
            if other.elements.contains_key(element) {
                return true;
            }
            if other.seen.covers(clock) {
                return false; // the other has removed it
            }
            clock.subtract(&other.seen);
            true
        });
        for (element, mut clock) in other.elements {
            if let Some(ours) = self.elements.get_mut(&element) {
                let kept = kept(std::mem::take(ours), clock, &self.seen, &other.seen);
                if kept.is_empty() {
                    self.elements.remove(&element);
                } else {
                    *ours = kept;
                }
            } else if !self.seen.covers(&clock) {
                clock.subtract(&self.seen);
                self.elements.insert(element, clock);
            }
        }
        self.seen.merge(other.seen);
    }

    /// Removes all that `clock` has seen.
    fn reset(&mut self, clock: &C) {
        self.seen.subtract(clock);
        self.elements.retain(|_, additions| {
            additions.subtract(clock);
            !additions.is_empty()
        });
    }
}

/// A map of sets. Each key has the updates that keep it.
#[derive(Clone, Debug)]
struct Map<C> {
    seen: C,
    entries: BTreeMap<u64, (C, Set<C>)>,
}

impl<C: Clock> Default for Map<C> {
    fn default() -> Self {
        Self { seen: C::default(), entries: BTreeMap::new() }
    }
}

impl<C: Clock> Map<C> {
    fn add(&mut self, id: &C::Id, key: u64, element: u64) {
        let counter = self.seen.get(id) + 1;
        self.seen.raise(id.clone(), counter);
        let (clock, set) = self.entries.entry(key).or_default();
        clock.raise(id.clone(), counter);
        set.add_at(id, counter, element);
    }

    fn remove(&mut self, key: u64) {
        self.entries.remove(&key);
    }

    /// Removes from an entry that only one replica has all that the other has seen. Returns whether anything stays.
    fn keep_unseen((clock, set): &mut (C, Set<C>), seen: &C) -> bool {
        if seen.covers(clock) {
            return false;
        }
        clock.subtract(seen);
        let mut removed = seen.clone();
        removed.subtract(clock);
        set.reset(&removed);
        true
    }

    fn merge(&mut self, other: Self) {
        self.entries
            .retain(|key, entry| other.entries.contains_key(key) || Self::keep_unseen(entry, &other.seen));
        for (key, mut entry) in other.entries {
            if let Some((ours, set)) = self.entries.get_mut(&key) {
                let mut removed = entry.0.clone();
                removed.merge(ours.clone());
                let kept = kept(std::mem::take(ours), entry.0, &self.seen, &other.seen);
                if kept.is_empty() {
                    self.entries.remove(&key);
                } else {
                    set.merge(entry.1);
                    removed.subtract(&kept);
                    set.reset(&removed);
                    *ours = kept;
                }
            } else if Self::keep_unseen(&mut entry, &self.seen) {
                self.entries.insert(key, entry);
            }
        }
        self.seen.merge(other.seen);
    }
}

/// An id of an actor, made from its number.
trait Actor: Clone + Debug + Ord + Hash + 'static {
    const NAME: &'static str;
    fn number(number: u64) -> Self;
}

impl Actor for u8 {
    const NAME: &'static str = "u8";
    fn number(number: u64) -> Self {
        number as u8
    }
}

impl Actor for u64 {
    const NAME: &'static str = "u64";
    fn number(number: u64) -> Self {
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11
    }
}

impl Actor for String {
    const NAME: &'static str = "String";
    fn number(number: u64) -> Self {
        format!("replica-{number:04}.example.org")
    }
}

/// The work of the contestants.
trait Replica<A>: Clone + Default + 'static {
    fn add(&mut self, actor: &A, element: u64);
    fn remove(&mut self, element: u64);
    fn merge_with(&mut self, other: Self);
    fn len(&self) -> usize;
}

impl<A: Actor, C: Clock<Id = A>> Replica<A> for Set<C> {
    fn add(&mut self, actor: &A, element: u64) {
        Set::add(self, actor, element);
    }

    fn remove(&mut self, element: u64) {
        Set::remove(self, element);
    }

    fn merge_with(&mut self, other: Self) {
        self.merge(other);
    }

    fn len(&self) -> usize {
        self.elements.len()
    }
}

impl<A: Actor, C: Clock<Id = A>> Replica<A> for Map<C> {
    fn add(&mut self, actor: &A, element: u64) {
        Map::add(self, actor, element, element % 7);
    }

    fn remove(&mut self, element: u64) {
        Map::remove(self, element);
    }

    fn merge_with(&mut self, other: Self) {
        self.merge(other);
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The set of crdts.
#[derive(Clone)]
struct Orswot<A: Actor>(crdts::Orswot<u64, A>);

impl<A: Actor> Default for Orswot<A> {
    fn default() -> Self {
        Self(crdts::Orswot::new())
    }
}

impl<A: Actor> Replica<A> for Orswot<A> {
    fn add(&mut self, actor: &A, element: u64) {
        let context = self.0.read_ctx().derive_add_ctx(actor.clone());
        self.0.apply(self.0.add(element, context));
    }

    fn remove(&mut self, element: u64) {
        let context = self.0.contains(&element).derive_rm_ctx();
        self.0.apply(self.0.rm(element, context));
    }

    fn merge_with(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    fn len(&self) -> usize {
        self.0.read().val.len()
    }
}

/// Makes two replicas with `elements` elements in common, which then go apart. Each third element has been added by two
/// actors at once.
fn replicas<A: Actor, R: Replica<A>>(elements: u64, actors: u64) -> [R; 2] {
    let actors: Vec<A> = (0..actors).map(A::number).collect();
    let mut halves = [0, 1].map(|_| R::default());
    for element in 0..elements {
        let actor = (element % (actors.len() as u64 - 1)) as usize;
        halves[0].add(&actors[actor + 1], element);
        if element % 3 == 0 {
            halves[1].add(&actors[0], element);
        }
    }
    let [mut both, other] = halves;
    both.merge_with(other);
    let mut apart = [both.clone(), both];
    for (at, replica) in (0..).zip(&mut apart) {
        let (actor, own) = (&actors[at as usize], at * elements);
        for element in 0..elements {
            match (element + 7 * at) % 20 {
                0 => replica.remove(element),
                1 | 2 => replica.add(actor, element),
                3 | 4 => replica.add(actor, elements + own + element),
                _ => {}
            }
        }
    }
    apart
}

fn merging<A: Actor, R: Replica<A>>(role: Role, name: &'static str, elements: u64, actors: u64) -> Contestant {
    let mut pair: Option<([R; 2], usize)> = None;
    Contestant::new(role, name, move || {
        let ([ours, theirs], want) = pair.get_or_insert_with(|| {
            let pair = replicas::<A, R>(elements, actors);
            let mut merged = pair[1].clone();
            merged.merge_with(pair[0].clone());
            (pair, merged.len())
        });
        let (mut ours, theirs) = (ours.clone(), theirs.clone());
        let start = Instant::now();
        ours.merge_with(theirs);
        let taken = start.elapsed();
        assert_eq!(ours.len(), *want);
        taken.as_secs_f64() * 1e9 / elements as f64
    })
}

fn heap<A: Actor, R: Replica<A>>(role: Role, name: &'static str) -> Contestant {
    Contestant::new(role, name, || {
        let mut len = 0;
        let held = counted(|| {
            let [mut ours, theirs] = replicas::<A, R>(10_000, 16);
            ours.merge_with(theirs);
            len = ours.len();
            ours
        });
        assert!(len > 10_000);
        held.bytes / len as f64
    })
}

fn name(name: String) -> &'static str {
    name.leak()
}

fn cases_of<A: Actor>() -> Vec<Case> {
    let mut cases = Vec::new();
    for (elements, actors) in [(1_000, 3), (1_000, 16), (20_000, 3), (20_000, 16)] {
        let what = format!("{elements} elements, {actors} actors, ids {}", A::NAME);
        let (unit, pick, goal) = ("ns/element", Pick::FastestWithin(2.0), Goal::WithinPeers(0.95));
        cases.push(Case {
            name: name(format!("a set merges, {what}")),
            unit,
            pick,
            goal,
            contestants: vec![
                merging::<A, Set<VersionVector<A>>>(Role::Ours, "over VersionVector", elements, actors),
                merging::<A, Set<VClock<A>>>(Role::Peer, "over the clock of crdts", elements, actors),
                merging::<A, Orswot<A>>(Role::Lesser, "the Orswot of crdts", elements, actors),
            ],
        });
        cases.push(Case {
            name: name(format!("a map of sets merges, {what}")),
            unit,
            pick,
            goal,
            contestants: vec![
                merging::<A, Map<VersionVector<A>>>(Role::Ours, "over VersionVector", elements, actors),
                merging::<A, Map<VClock<A>>>(Role::Peer, "over the clock of crdts", elements, actors),
            ],
        });
    }
    let goal = if size_of::<A>() < 8 { Goal::None } else { Goal::WithinPeers(0.6) };
    cases.push(Case {
        name: name(format!("heap of a set of 10000 elements, 16 actors, ids {}", A::NAME)),
        unit: "bytes/element",
        pick: Pick::FastestWithin(0.5),
        goal,
        contestants: vec![
            heap::<A, Set<VersionVector<A>>>(Role::Ours, "over VersionVector"),
            heap::<A, Set<VClock<A>>>(Role::Peer, "over the clock of crdts"),
            heap::<A, Orswot<A>>(Role::Lesser, "the Orswot of crdts"),
        ],
    });
    cases
}

pub fn cases() -> Vec<Case> {
    [cases_of::<u8>(), cases_of::<u64>(), cases_of::<String>()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Peer = crdts::Map<u64, crdts::Orswot<u64, u8>, u8>;

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    fn content<C: Clock<Id = u8>>(clock: &C) -> Vec<u64> {
        (0..3).map(|actor| clock.get(&actor)).collect()
    }

    fn same(set: &Set<impl Clock<Id = u8>>, peer: &crdts::Orswot<u64, u8>) {
        let ours: BTreeMap<u64, _> =
            set.elements.iter().map(|(&element, clock)| (element, content(clock))).collect();
        let theirs: BTreeMap<u64, _> = peer.iter().map(|read| (*read.val, content(&read.rm_clock))).collect();
        assert_eq!(ours, theirs);
    }

    /// Replicas of three actors add, remove and merge at random.
    fn a_set_agrees<C: Clock<Id = u8>>() {
        let (mut random, mut elements) = (Random(1), 0);
        for _ in 0..300 {
            let mut replicas = [0_u8, 1, 2].map(|actor| (actor, Set::<C>::default(), Orswot::<u8>::default()));
            for _ in 0..40 {
                let at = random.below(3) as usize;
                let (element, from) = (random.below(6), random.below(3) as usize);
                let other = (replicas[from].1.clone(), replicas[from].2.clone());
                let (actor, ours, theirs) = &mut replicas[at];
                match random.below(4) {
                    0 | 1 => {
                        ours.add(actor, element);
                        theirs.add(actor, element);
                    }
                    2 => {
                        ours.remove(element);
                        theirs.remove(element);
                    }
                    _ => {
                        ours.merge(other.0);
                        theirs.merge_with(other.1);
                    }
                }
                same(ours, &theirs.0);
                elements += ours.elements.len();
            }
        }
        assert!(elements > 10_000, "{elements} elements were compared");
    }

    fn a_map_agrees<C: Clock<Id = u8>>() {
        let (mut random, mut keys) = (Random(2), 0);
        for _ in 0..300 {
            let mut replicas = [0_u8, 1, 2].map(|actor| (actor, Map::<C>::default(), Peer::new()));
            for _ in 0..40 {
                let at = random.below(3) as usize;
                let (key, element, from) = (random.below(4), random.below(3), random.below(3) as usize);
                let other = (replicas[from].1.clone(), replicas[from].2.clone());
                let (actor, ours, theirs) = &mut replicas[at];
                match random.below(4) {
                    0 | 1 => {
                        ours.add(actor, key, element);
                        let context = theirs.read_ctx().derive_add_ctx(*actor);
                        theirs.apply(theirs.update(key, context, |set, context| set.add(element, context)));
                    }
                    2 => {
                        ours.remove(key);
                        let context = theirs.get(&key).derive_rm_ctx();
                        theirs.apply(theirs.rm(key, context));
                    }
                    _ => {
                        ours.merge(other.0);
                        theirs.merge(other.1);
                    }
                }
                let read: Vec<_> = theirs.iter().collect();
                assert!(ours.entries.keys().eq(read.iter().map(|read| read.val.0)));
                for ((clock, set), read) in ours.entries.values().zip(read) {
                    assert_eq!(content(clock), content(&read.rm_clock));
                    same(set, read.val.1);
                    keys += 1;
                }
            }
        }
        assert!(keys > 5_000, "{keys} keys were compared");
    }

    #[test]
    fn the_set_agrees_with_that_of_crdts_over_both_clocks() {
        a_set_agrees::<VersionVector<u8>>();
        a_set_agrees::<VClock<u8>>();
    }

    #[test]
    fn the_map_agrees_with_that_of_crdts_over_both_clocks() {
        a_map_agrees::<VersionVector<u8>>();
        a_map_agrees::<VClock<u8>>();
    }

    #[test]
    fn every_contestant_has_the_same_elements_after_a_merge() {
        for actors in [3, 16] {
            let merged = |[mut ours, theirs]: [Set<VersionVector<String>>; 2]| {
                ours.merge(theirs);
                ours.elements.len()
            };
            let ours = merged(replicas(1_000, actors));
            let [mut peer, other] = replicas::<String, Orswot<String>>(1_000, actors);
            peer.merge_with(other);
            assert_eq!(ours, peer.len());
        }
    }
}
