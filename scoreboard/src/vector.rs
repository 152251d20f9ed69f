//! Version vectors: beside crdts, loro-internal, yrs, vclock and minerva, the dense ones of stateright and vec_clock,
//! and loops over plain slices.
//!
//! All contestants get the same vectors. Ids are spread over 53 bits, or over 32 where a peer allows no more, and
//! counters are below a million. If a peer's `merge` takes the other side by value, it gets each entry instead: its
//! `merge` does the same, and this saves a copy. The loops over slices do less than the others, because they know that
//! the ids are the same.
//!
//! Two vectors have been merged before they are measured, like those that a program keeps and compares. In the cases
//! "at first sight" they are new in every round.
//!
//! Heap bytes and allocations are counted, for one operation each.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use crdts::CmRDT;
use happens_before::{CausalOrder, VersionVector};
use stateright::util::VectorClock as Stateright;

use crate::allocations::{Counts, counted};
use crate::{Case, Contestant, Goal, Pick, Role};

const SIZES: [usize; 9] = [1, 2, 3, 8, 16, 64, 256, 1_024, 10_000];

/// Entries, id and counter, in the order of the ids.
type Entries = Vec<(u64, u64)>;

trait Vector: Sized + 'static {
    const ROLE: Role;
    const NAME: &'static str;

    fn make(entries: &Entries) -> Self;
    fn copy(&self) -> Self;
    fn get(&self, id: u64, place: usize) -> u64;
    fn increment(&mut self, id: u64, place: usize);
    fn merge(&mut self, other: &Self);
    fn compare(&self, other: &Self) -> Option<Ordering>;

    fn at_most(&self, other: &Self) -> bool {
        matches!(self.compare(other), Some(Ordering::Less | Ordering::Equal))
    }
}

impl Vector for VersionVector<u64> {
    const ROLE: Role = Role::Ours;
    const NAME: &'static str = "VersionVector";

    fn make(entries: &Entries) -> Self {
        entries.iter().copied().collect()
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        VersionVector::get(self, &id)
    }

    fn increment(&mut self, id: u64, _: usize) {
        VersionVector::increment(self, id).unwrap();
    }

    fn merge(&mut self, other: &Self) {
        VersionVector::merge(self, other);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match VersionVector::compare(self, other) {
            CausalOrder::Before => Some(Ordering::Less),
            CausalOrder::After => Some(Ordering::Greater),
            CausalOrder::Equal => Some(Ordering::Equal),
            CausalOrder::Concurrent => None,
        }
    }

    fn at_most(&self, other: &Self) -> bool {
        self <= other
    }
}

impl Vector for crdts::VClock<u64> {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "crdts";

    fn make(entries: &Entries) -> Self {
        entries.iter().map(|&(id, counter)| crdts::Dot::new(id, counter)).collect()
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        crdts::VClock::get(self, &id)
    }

    fn increment(&mut self, id: u64, _: usize) {
        self.apply(self.inc(id));
    }

    fn merge(&mut self, other: &Self) {
        for dot in other.iter() {
            self.apply(crdts::Dot::new(*dot.actor, dot.counter));
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

impl Vector for loro_internal::VersionVector {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "loro";

    fn make(entries: &Entries) -> Self {
        let mut vector = Self::new();
        for &(id, counter) in entries {
            vector.set_end(loro_internal::id::ID::new(id, counter as i32));
        }
        vector
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        std::ops::Deref::deref(self).get(&id).copied().unwrap_or(0) as u64
    }

    fn increment(&mut self, id: u64, _: usize) {
        *self.entry(id).or_insert(0) += 1;
    }

    fn merge(&mut self, other: &Self) {
        loro_internal::VersionVector::merge(self, other);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

impl Vector for yrs::StateVector {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "yrs";

    fn make(entries: &Entries) -> Self {
        entries.iter().map(|&(id, counter)| (yrs::ClientID::new(id), counter as u32)).collect()
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        yrs::StateVector::get(self, &yrs::ClientID::new(id)).into()
    }

    fn increment(&mut self, id: u64, _: usize) {
        self.inc_by(yrs::ClientID::new(id), 1);
    }

    fn merge(&mut self, other: &Self) {
        for (&id, &counter) in other.iter() {
            self.set_max(id, counter);
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

impl Vector for vclock::VClock<u64, u64> {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "vclock";

    fn make(entries: &Entries) -> Self {
        entries.iter().copied().collect::<HashMap<_, _>>().into()
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        vclock::VClock::get(self, &id).unwrap_or(0)
    }

    fn increment(&mut self, id: u64, _: usize) {
        self.incr(&id);
    }

    fn merge(&mut self, other: &Self) {
        vclock::VClock::merge(self, other);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

/// Returns an id in 32 bits.
fn station(id: u64) -> u32 {
    (id >> 21) as u32
}

impl Vector for minerva::metis::VersionVector {
    const ROLE: Role = Role::Peer;
    const NAME: &'static str = "minerva";

    fn make(entries: &Entries) -> Self {
        let mut vector = Self::default();
        for &(id, counter) in entries {
            vector.observe(station(id), counter);
        }
        vector
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        minerva::metis::VersionVector::get(self, station(id))
    }

    fn increment(&mut self, id: u64, _: usize) {
        minerva::metis::VersionVector::increment(self, station(id));
    }

    fn merge(&mut self, other: &Self) {
        *self = minerva::metis::VersionVector::merge(self, other);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

impl Vector for Stateright {
    const ROLE: Role = Role::Lesser;
    const NAME: &'static str = "stateright (dense)";

    fn make(entries: &Entries) -> Self {
        entries.iter().map(|&(_, counter)| counter as u32).collect::<Vec<_>>().into()
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    /// It has no look-up, so it is left out there.
    fn get(&self, _: u64, _: usize) -> u64 {
        unreachable!("not a contestant")
    }

    fn increment(&mut self, _: u64, place: usize) {
        *self = std::mem::replace(self, Stateright::new()).incremented(place);
    }

    fn merge(&mut self, other: &Self) {
        *self = Stateright::merge_max(self, other);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        self.partial_cmp(other)
    }
}

/// The dense clock of vec_clock. Its first place counts merges; the other places are the entries.
struct VecClock(vec_clock::VecClock<u64>);

impl Vector for VecClock {
    const ROLE: Role = Role::Lesser;
    const NAME: &'static str = "vec_clock (dense)";

    fn make(entries: &Entries) -> Self {
        let counters = std::iter::once(0).chain(entries.iter().map(|entry| entry.1));
        Self(vec_clock::new(counters.collect(), 0).unwrap())
    }

    fn copy(&self) -> Self {
        Self(vec_clock::new(self.0.as_slice().to_vec(), 0).unwrap())
    }

    fn get(&self, _: u64, place: usize) -> u64 {
        self.0.as_slice()[place + 1]
    }

    fn increment(&mut self, _: u64, _: usize) {
        self.0.time();
    }

    fn merge(&mut self, other: &Self) {
        self.0.nocheck_time_by(other.0.as_slice());
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        use vec_clock::CompareState::{After, Before, Concurrent, Same};
        match self.0.compare(other.0.as_slice()).unwrap() {
            Before => Some(Ordering::Less),
            After => Some(Ordering::Greater),
            Same => Some(Ordering::Equal),
            Concurrent => None,
        }
    }
}

/// Ids and counters in plain sorted slices, with binary search.
struct Sorted(Vec<u64>, Vec<u64>);

impl Vector for Sorted {
    const ROLE: Role = Role::Limit;
    const NAME: &'static str = "binary search in a sorted slice";

    fn make(entries: &Entries) -> Self {
        let (ids, counters) = entries.iter().copied().unzip();
        Self(ids, counters)
    }

    fn copy(&self) -> Self {
        Self(self.0.clone(), self.1.clone())
    }

    fn get(&self, id: u64, _: usize) -> u64 {
        self.0.binary_search(&id).map_or(0, |at| self.1[at])
    }

    fn increment(&mut self, id: u64, _: usize) {
        if let Ok(at) = self.0.binary_search(&id) {
            self.1[at] += 1;
        }
    }

    fn merge(&mut self, _: &Self) {
        unreachable!("not a contestant")
    }

    fn compare(&self, _: &Self) -> Option<Ordering> {
        unreachable!("not a contestant")
    }
}

/// Counters alone, in a slice, with the obvious loop.
#[derive(Clone)]
struct Plain(Vec<u64>);

impl Vector for Plain {
    const ROLE: Role = Role::Limit;
    const NAME: &'static str = "slices, plain loop";

    fn make(entries: &Entries) -> Self {
        Self(entries.iter().map(|entry| entry.1).collect())
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, _: u64, place: usize) -> u64 {
        self.0[place]
    }

    fn increment(&mut self, _: u64, place: usize) {
        self.0[place] += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (ours, &theirs) in self.0.iter_mut().zip(&other.0) {
            if theirs > *ours {
                *ours = theirs;
            }
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        let (mut above, mut below) = (false, false);
        for (ours, theirs) in self.0.iter().zip(&other.0) {
            above |= ours > theirs;
            below |= ours < theirs;
            if above && below {
                return None;
            }
        }
        Some(if above { Ordering::Greater } else { Ordering::Less })
            .filter(|_| above || below)
            .or(Some(Ordering::Equal))
    }
}

/// Counters alone, in a slice, with a hand-written loop of AVX2 instructions; the plain loop on a machine without AVX2.
#[derive(Clone)]
struct Avx2(Plain);

impl Vector for Avx2 {
    const ROLE: Role = Role::Limit;
    const NAME: &'static str = "slices, AVX2 by hand";

    fn make(entries: &Entries) -> Self {
        Self(Plain::make(entries))
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn get(&self, id: u64, place: usize) -> u64 {
        self.0.get(id, place)
    }

    fn increment(&mut self, id: u64, place: usize) {
        self.0.increment(id, place);
    }

    fn merge(&mut self, other: &Self) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // Safe: the machine has AVX2.
            return unsafe { avx2::merge(&mut self.0.0, &other.0.0) };
        }
        self.0.merge(&other.0);
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // Safe: the machine has AVX2.
            return unsafe { avx2::compare(&self.0.0, &other.0.0) };
        }
        self.0.compare(&other.0)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::cmp::Ordering;

    /// Returns `a > b` for unsigned numbers; the instruction compares signed ones.
    #[target_feature(enable = "avx2")]
    fn above(a: __m256i, b: __m256i) -> __m256i {
        let sign = _mm256_set1_epi64x(i64::MIN);
        _mm256_cmpgt_epi64(_mm256_xor_si256(a, sign), _mm256_xor_si256(b, sign))
    }

    #[target_feature(enable = "avx2")]
    pub unsafe fn merge(ours: &mut [u64], theirs: &[u64]) {
        assert_eq!(ours.len(), theirs.len());
        let whole = ours.len() / 4 * 4;
        for at in (0..whole).step_by(4) {
            // Safe: both have four counters from `at` on.
            unsafe {
                let to = ours.as_mut_ptr().add(at).cast();
                let (a, b) = (_mm256_loadu_si256(to), _mm256_loadu_si256(theirs.as_ptr().add(at).cast()));
                _mm256_storeu_si256(to, _mm256_blendv_epi8(a, b, above(b, a)));
            }
        }
        for at in whole..ours.len() {
            ours[at] = ours[at].max(theirs[at]);
        }
    }

    #[target_feature(enable = "avx2")]
    pub unsafe fn compare(ours: &[u64], theirs: &[u64]) -> Option<Ordering> {
        assert_eq!(ours.len(), theirs.len());
        let whole = ours.len() / 16 * 16;
        let (mut over, mut under) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for start in (0..whole).step_by(16) {
            for at in (start..start + 16).step_by(4) {
                // Safe: both have four counters from `at` on.
                let (a, b) = unsafe {
                    let load = |from: &[u64]| _mm256_loadu_si256(from.as_ptr().add(at).cast());
                    (load(ours), load(theirs))
                };
                over = _mm256_or_si256(over, above(a, b));
                under = _mm256_or_si256(under, above(b, a));
            }
            if _mm256_testz_si256(over, over) == 0 && _mm256_testz_si256(under, under) == 0 {
                return None;
            }
        }
        let (mut above, mut below) =
            (_mm256_testz_si256(over, over) == 0, _mm256_testz_si256(under, under) == 0);
        for at in whole..ours.len() {
            above |= ours[at] > theirs[at];
            below |= ours[at] < theirs[at];
        }
        match (above, below) {
            (false, false) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (true, true) => None,
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// The vectors.

/// Returns a pseudo-random number, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 29)
}

/// Returns `n` entries whose ids are spread over 53 bits and differ in the upper 32.
fn entries(n: usize) -> Entries {
    let mut state = n as u64;
    let spread = (1_u64 << 53) / n as u64;
    let gap = spread - (1 << 22);
    (0..n as u64)
        .map(|at| (at * spread + random(&mut state) % gap, 1 + random(&mut state) % 1_000_000))
        .collect()
}

fn with(mut entries: Entries, change: impl Fn(usize, &mut (u64, u64))) -> Entries {
    entries.iter_mut().enumerate().for_each(|(at, entry)| change(at, entry));
    entries
}

fn keep(entries: &Entries, keeps: impl Fn(usize) -> bool) -> Entries {
    entries.iter().enumerate().filter(|(at, _)| keeps(*at)).map(|(_, &entry)| entry).collect()
}

/// Returns the merged entries.
fn merged(x: &Entries, y: &Entries) -> Entries {
    let mut both: std::collections::BTreeMap<u64, u64> = x.iter().copied().collect();
    for &(id, counter) in y {
        both.entry(id).and_modify(|ours| *ours = (*ours).max(counter)).or_insert(counter);
    }
    both.into_iter().collect()
}

// ---------------------------------------------------------------------------------------------------------
// The rounds. Each returns nanoseconds an operation.

/// Times `operation` on `reps` values in a row, several times, and returns the fastest.
fn fastest<T>(mut prepare: impl FnMut() -> T, reps: usize, mut operation: impl FnMut(&mut T)) -> f64 {
    let empty = |_: ()| {
        let start = Instant::now();
        black_box(());
        start.elapsed().as_nanos()
    };
    let overhead = (0..16).map(|_| empty(())).min().unwrap_or(0);
    let once = || {
        let mut things = prepare();
        let start = Instant::now();
        operation(black_box(&mut things));
        start.elapsed().as_nanos().saturating_sub(overhead) as f64 / reps as f64
    };
    std::iter::repeat_with(once).take(6).reduce(f64::min).unwrap_or(f64::NAN)
}

fn contestant<V: Vector>(round: impl FnMut() -> f64 + 'static) -> Contestant {
    Contestant::new(V::ROLE, V::NAME, round)
}

fn merge_round<V: Vector>(x: &Entries, y: &Entries) -> Contestant {
    let (start, other) = (V::make(x), V::make(y));
    let expected = merged(x, y);
    let result = {
        let mut result = start.copy();
        result.merge(&other);
        result
    };
    for (place, &(id, counter)) in expected.iter().enumerate() {
        if V::NAME != Stateright::NAME {
            assert_eq!(result.get(id, place), counter, "{}", V::NAME);
        }
    }
    let reps = states(x);
    contestant::<V>(move || {
        let prepare = || -> Vec<V> { std::iter::repeat_with(|| start.copy()).take(reps).collect() };
        let nanoseconds = fastest(prepare, reps, |states| {
            for state in states {
                state.merge(black_box(&other));
            }
        });
        assert_ne!(other.compare(&result), Some(Ordering::Greater), "{}", V::NAME);
        nanoseconds
    })
}

/// Returns the number of states to work on in turn: those that fit into the first-level cache together.
fn states(x: &Entries) -> usize {
    (1_024 / x.len()).clamp(1, 64)
}

fn merge_at_first_sight_round<V: Vector>(x: &Entries, y: &Entries) -> Contestant {
    let (x, other, reps) = (x.clone(), V::make(y), states(x));
    contestant::<V>(move || {
        let prepare = || -> Vec<V> { std::iter::repeat_with(|| V::make(&x)).take(reps).collect() };
        fastest(prepare, reps, |states| {
            for state in states {
                state.merge(black_box(&other));
            }
        })
    })
}

fn compare_at_first_sight_round<V: Vector>(x: &Entries, y: &Entries, expected: Option<Ordering>) -> Contestant {
    let (x, other, reps) = (x.clone(), V::make(y), states(x));
    contestant::<V>(move || {
        let prepare = || -> Vec<V> { std::iter::repeat_with(|| V::make(&x)).take(reps).collect() };
        fastest(prepare, reps, |states| {
            for state in states {
                assert_eq!(black_box(state).compare(black_box(&other)), expected, "{}", V::NAME);
            }
        })
    })
}

fn compare_round<V: Vector>(x: &Entries, y: &Entries, expected: Option<Ordering>) -> Contestant {
    let (mut x, y) = (V::make(x), V::make(y));
    x = {
        let before = x.copy();
        x.merge(&y);
        before
    };
    // Repeated until it takes some microseconds.
    let start = Instant::now();
    assert_eq!(x.compare(&y), expected, "{}", V::NAME);
    let reps = (20_000 / start.elapsed().as_nanos().max(1) as usize).clamp(2, 512);
    contestant::<V>(move || {
        fastest(
            || (),
            reps,
            |()| {
                for _ in 0..reps {
                    assert_eq!(black_box(&x).compare(black_box(&y)), expected, "{}", V::NAME);
                }
            },
        )
    })
}

fn at_most_round<V: Vector>(x: &Entries, y: &Entries) -> Contestant {
    let (x, y, reps) = (V::make(x), V::make(y), 512);
    contestant::<V>(move || {
        fastest(
            || (),
            reps,
            |()| {
                for _ in 0..reps {
                    assert!(black_box(&x).at_most(black_box(&y)), "{}", V::NAME);
                }
            },
        )
    })
}

/// Returns the nodes to look up, in an unpredictable order.
fn look_ups(x: &Entries) -> Vec<(u64, usize, u64)> {
    let mut state = 7;
    let any = || {
        let place = random(&mut state) as usize % x.len();
        (x[place].0, place, x[place].1)
    };
    std::iter::repeat_with(any).take(512).collect()
}

fn get_round<V: Vector>(x: &Entries) -> Contestant {
    let nodes = look_ups(x);
    let sum: u64 = nodes.iter().map(|node| node.2).sum();
    let x = V::make(x);
    contestant::<V>(move || {
        fastest(
            || (),
            nodes.len(),
            |()| {
                // Each look-up by itself: the compiler must not carry its knowledge of a vector from one to the next.
                let get = |&(id, place, _): &(u64, usize, u64)| black_box(&x).get(id, place);
                assert_eq!(nodes.iter().map(get).sum::<u64>(), sum);
            },
        )
    })
}

fn increment_round<V: Vector>(x: &Entries) -> Contestant {
    let nodes = look_ups(x);
    let mut x = V::make(x);
    let before: u64 = if V::NAME == VecClock::NAME { 0 } else { x.get(nodes[0].0, nodes[0].1) };
    contestant::<V>(move || {
        let nanoseconds = fastest(
            || (),
            nodes.len(),
            |()| {
                nodes.iter().for_each(|&(id, place, _)| black_box(&mut x).increment(id, place));
            },
        );
        assert!(V::NAME == VecClock::NAME || x.get(nodes[0].0, nodes[0].1) > before);
        nanoseconds
    })
}

fn clone_round<V: Vector>(x: &Entries) -> Contestant {
    let x = V::make(x);
    let reps = 16;
    contestant::<V>(move || {
        let mut copies = Vec::with_capacity(reps);
        fastest(
            || (),
            reps,
            |()| {
                copies.clear();
                copies.extend(std::iter::repeat_with(|| black_box(&x).copy()).take(reps));
            },
        )
    })
}

fn build_round<V: Vector>(x: &Entries) -> Contestant {
    let x = x.clone();
    let reps = 16;
    contestant::<V>(move || {
        let mut made = Vec::with_capacity(reps);
        fastest(
            || (),
            reps,
            |()| {
                made.clear();
                made.extend(std::iter::repeat_with(|| V::make(black_box(&x))).take(reps));
            },
        )
    })
}

fn drop_round<V: Vector>(x: &Entries) -> Contestant {
    let x = V::make(x);
    let reps = 16;
    contestant::<V>(move || {
        let prepare = || -> Vec<V> { std::iter::repeat_with(|| x.copy()).take(reps).collect() };
        fastest(prepare, reps, |copies| copies.clear())
    })
}

/// Makes a round that returns the heap bytes of a vector that is made of all its entries at once.
fn heap_round<V: Vector>(x: &Entries) -> Contestant {
    let x = x.clone();
    contestant::<V>(move || counted(|| V::make(&x)).bytes)
}

/// Makes a round that counts the allocations of one operation on a vector and another one with the same ids.
fn allocations_round<V: Vector>(x: &Entries, y: &Entries, operation: fn(&mut V, &V) -> Counts) -> Contestant {
    let (start, other) = (V::make(x), V::make(y));
    contestant::<V>(move || operation(&mut start.copy(), &other).allocations)
}

fn increment_allocations<V: Vector>(x: &Entries) -> Contestant {
    let (mut vector, place) = (V::make(x), x.len() / 2);
    let id = x[place].0;
    contestant::<V>(move || counted(|| vector.increment(id, place)).allocations)
}

fn merge_allocations<V: Vector>(x: &Entries, y: &Entries) -> Contestant {
    allocations_round::<V>(x, y, |vector, other| counted(|| vector.merge(other)))
}

fn compare_allocations<V: Vector>(x: &Entries, y: &Entries) -> Contestant {
    allocations_round::<V>(x, y, |vector, other| counted(|| vector.compare(other)))
}

fn clone_allocations<V: Vector>(x: &Entries) -> Contestant {
    allocations_round::<V>(x, x, |vector, _| counted(|| vector.copy()))
}

/// Makes a round for each contestant. Contestants that know places only take part where all have the same ids.
macro_rules! contestants {
    ([$($limit:ty),*], $same_ids:expr, $round:ident $arguments:tt) => {{
        let mut all = vec![
            $($round::<$limit> $arguments,)*
            $round::<VersionVector<u64>> $arguments,
            $round::<crdts::VClock<u64>> $arguments,
            $round::<loro_internal::VersionVector> $arguments,
            $round::<yrs::StateVector> $arguments,
            $round::<vclock::VClock<u64, u64>> $arguments,
            $round::<minerva::metis::VersionVector> $arguments,
        ];
        if $same_ids {
            all.push($round::<Stateright> $arguments);
            all.push($round::<VecClock> $arguments);
        }
        all
    }};
}

pub fn cases() -> Vec<Case> {
    SIZES.into_iter().flat_map(cases_of).collect()
}

fn cases_of(n: usize) -> Vec<Case> {
    let case_in = |unit, name: &str, goal, contestants| Case {
        name: Box::leak(format!("{name}, n = {n}").into_boxed_str()),
        unit,
        pick: Pick::Fastest,
        goal,
        contestants,
    };
    let case = |name: &str, goal, contestants| case_in("ns", name, goal, contestants);
    let counts = |name: &str, goal, contestants| case_in("allocations", name, goal, contestants);
    let none = Goal::AtMost(0.0);
    let fast = if n >= 64 { Goal::WithinLimitAndTimesAsFast(2.0, 5.0) } else { Goal::BeatPeers };
    // A contestant that does not know that the ids are the same must read twice as much as the limit does.
    let fast_at_first_sight = if n >= 64 { Goal::TimesAsFast(5.0) } else { Goal::BeatPeers };
    let x = entries(n);
    let newer = with(x.clone(), |at, entry| entry.1 += u64::from(at + 1 == n));
    let newer_at_start = with(x.clone(), |at, entry| entry.1 += u64::from(at == 0));
    let half_newer = with(x.clone(), |at, entry| entry.1 += at as u64 % 2);
    let concurrent_early = with(newer_at_start.clone(), |at, entry| entry.1 += 5 - 5 * u64::from(at == 1));
    let x_early = with(x.clone(), |at, entry| entry.1 += 5 + u64::from(at == 1));
    let beside = with(x.clone(), |_, entry| entry.0 += 1 << 21);
    let half = keep(&x, |at| at % 2 == 0);
    let few = keep(&newer, |at| at % 64 == 1);

    let one = keep(&x, |at| at == n / 2);

    let mut cases = vec![
        case("merge, same", fast, contestants!([Avx2, Plain], true, merge_round(&x, &x))),
        case("merge, one newer", fast, contestants!([Avx2, Plain], true, merge_round(&x, &newer))),
        case(
            "merge, one newer, at first sight",
            fast_at_first_sight,
            contestants!([Avx2, Plain], true, merge_at_first_sight_round(&x, &newer)),
        ),
        case("merge, half newer", fast, contestants!([Avx2, Plain], true, merge_round(&x, &half_newer))),
        case("merge, disjoint", Goal::BeatPeers, contestants!([], false, merge_round(&x, &beside))),
        case("merge, every second id", Goal::BeatPeers, contestants!([], false, merge_round(&x, &half))),
        case("merge, into every second id", Goal::BeatPeers, contestants!([], false, merge_round(&half, &x))),
        case(
            "compare, equal",
            fast,
            contestants!([Avx2, Plain], true, compare_round(&x, &x, Some(Ordering::Equal))),
        ),
        case(
            "compare, before, decided at the end",
            fast,
            contestants!([Avx2, Plain], true, compare_round(&x, &newer, Some(Ordering::Less))),
        ),
        case(
            "compare, before, at first sight",
            fast_at_first_sight,
            contestants!([Avx2, Plain], true, compare_at_first_sight_round(&x, &newer, Some(Ordering::Less))),
        ),
        case(
            "compare, every second id",
            Goal::BeatPeers,
            contestants!(
                [],
                false,
                compare_round(&half, &x, Some(if n > 1 { Ordering::Less } else { Ordering::Equal }))
            ),
        ),
        case(
            "compare, after, every second id",
            Goal::BeatPeers,
            contestants!(
                [],
                false,
                compare_round(&x, &half, Some(if n > 1 { Ordering::Greater } else { Ordering::Equal }))
            ),
        ),
        case("at most, one entry", Goal::BeatPeers, contestants!([], false, at_most_round(&one, &x))),
        case("get", Goal::WithinLimit(1.1), {
            let mut all = contestants!([Sorted], false, get_round(&x));
            all.push(get_round::<VecClock>(&x));
            all
        }),
        case("increment", Goal::WithinLimit(1.1), {
            let mut all = contestants!([Sorted], false, increment_round(&x));
            all.push(increment_round::<VecClock>(&x));
            all
        }),
        case("clone", Goal::BeatPeers, contestants!([Sorted], true, clone_round(&x))),
        case("build", Goal::BeatPeers, contestants!([Sorted], true, build_round(&x))),
        case("drop", Goal::BeatPeers, contestants!([Sorted], true, drop_round(&x))),
        case_in(
            "bytes",
            "bytes on the heap",
            // 64 bytes more for many entries.
            Goal::WithinLimit(1.1),
            contestants!([Sorted], true, heap_round(&x)),
        ),
        counts("allocations, increment", none, contestants!([], true, increment_allocations(&x))),
        counts("allocations, merge", none, contestants!([], true, merge_allocations(&x, &newer))),
        counts("allocations, compare", none, contestants!([], true, compare_allocations(&x, &newer))),
        counts(
            "allocations, clone",
            if n <= 3 { none } else { Goal::None },
            contestants!([], true, clone_allocations(&x)),
        ),
    ];
    if n > 1 {
        cases.extend([
            case("merge, every 64th id", Goal::BeatPeers, contestants!([], false, merge_round(&x, &few))),
            case(
                "compare, concurrent, found early",
                Goal::WithinLimit(4.0),
                contestants!([Plain, Avx2], true, compare_round(&x_early, &concurrent_early, None)),
            ),
            case(
                "compare, concurrent, found late",
                fast,
                contestants!(
                    [Avx2, Plain],
                    true,
                    compare_round(
                        &with(x.clone(), |at, entry| entry.1 += u64::from(at + 2 == n)),
                        &newer,
                        None
                    )
                ),
            ),
        ]);
    }
    cases
}
