//! The loops over counters, as wide as the machine's instructions.
//!
//! Two vectors of one group have the same ids in the same places. As long as that holds, merging is an elementwise
//! maximum and comparing is one pass over both. This module has the loops for that. They check ids and counters
//! together, in blocks: nothing is read twice, and a comparison that is decided early stops early. There is no branch
//! within a block.
//!
//! The loops are written once, over [`BlockOps`], the operations on the counters of a block. [`Plain`] does them with
//! ordinary code. With the feature `simd`, [`Wide`] serves vectors of at least a block: it is compiled for every level
//! of instructions that the library knows, and the best level of the machine is chosen at run time. Both give the same
//! results; the tests below compare them on every level that the machine has. Short vectors use plain code, because
//! choosing costs more than it saves.
//!
//! If the length is not a multiple of a block, the last block overlaps the one before. All three operations are
//! idempotent, so processing an entry twice changes nothing.
//!
//! Ids that are known to be the same need not be read. Then the loops get [`NO_IDS`], which take no memory and no time.

use core::{array, iter};

#[cfg(feature = "simd")]
use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch};

use crate::order::CausalOrder;

/// Stand-ins for ids that need not be compared, enough for any number of counters.
pub(super) const NO_IDS: &[()] = &[(); usize::MAX];

/// Entries a block, in long vectors.
const BLOCK: usize = 32;

/// Ids and counters of a vector, with mutable counters.
pub(super) type Ours<'a, I> = (&'a [I], &'a mut [u64]);

/// Ids and counters of a vector.
pub(super) type Theirs<'a, I> = (&'a [I], &'a [u64]);

/// Runs a loop over this number of entries: many with the machine's widest instructions, few in small blocks.
macro_rules! in_blocks {
    ($entries:expr, $loop:ident($($argument:expr),*)) => {{
        match $entries {
            #[cfg(feature = "simd")]
            BLOCK.. => {
                dispatch!(Level::new(), simd => $loop::<_, _, BLOCK>(Wide(simd), $($argument),*))
            }
            #[cfg(not(feature = "simd"))]
            BLOCK.. => $loop::<_, _, BLOCK>(Plain, $($argument),*),
            8.. => $loop::<_, _, 8>(Plain, $($argument),*),
            _ => $loop::<_, _, 1>(Plain, $($argument),*),
        }
    }};
}

/// Sets each of our counters to the larger of the two, block by block, up to the first block in which the ids differ.
/// Returns the number of entries before that block; the caller handles the rest one by one.
#[inline]
pub(super) fn merge<I: PartialEq>(ours: Ours<'_, I>, theirs: Theirs<'_, I>) -> usize {
    in_blocks!(ours.1.len().min(theirs.1.len()), merge_loop(ours, theirs))
}

/// Sets each of our counters to the smaller of the two, otherwise as [`merge`] does.
#[inline]
pub(super) fn meet<I: PartialEq>(ours: Ours<'_, I>, theirs: Theirs<'_, I>) -> usize {
    in_blocks!(ours.1.len().min(theirs.1.len()), meet_loop(ours, theirs))
}

/// Compares two vectors with equally many entries, all above 0. So if the ids differ, each vector has an entry that the
/// other lacks, and they are concurrent.
#[inline]
pub(super) fn compare<I: PartialEq>(ours: Theirs<'_, I>, theirs: Theirs<'_, I>) -> CausalOrder {
    // The first two entries decide many comparisons, before the cost of choosing a level of instructions.
    if let (Some((our_ids, ours)), Some((their_ids, theirs))) = (first(ours), first(theirs)) {
        let (above, below) = Plain.bounds(ours, theirs);
        if (above & below) | differ(our_ids, their_ids) {
            return CausalOrder::Concurrent;
        }
    }
    in_blocks!(ours.1.len(), compare_loop(ours, theirs))
}

/// The first two entries of a vector with at least two.
#[inline(always)]
fn first<'a, I>((ids, counters): Theirs<'a, I>) -> Option<(&'a [I; 2], &'a [u64; 2])> {
    if counters.len() < BLOCK { None } else { ids.first_chunk().zip(counters.first_chunk()) }
}

// --------------------------------------------------------------------------------------------------------- The loops.
// Everything that they call is `inline(always)`: a function that is not inlined would be compiled for the narrow
// instructions.

#[inline(always)]
fn merge_loop<L: BlockOps, I: PartialEq, const B: usize>(
    lanes: L,
    ours: Ours<'_, I>,
    theirs: Theirs<'_, I>,
) -> usize {
    combine::<_, B>(
        ours,
        theirs,
        #[inline(always)]
        |ours, theirs| lanes.raise(ours, theirs),
    )
}

#[inline(always)]
fn meet_loop<L: BlockOps, I: PartialEq, const B: usize>(
    lanes: L,
    ours: Ours<'_, I>,
    theirs: Theirs<'_, I>,
) -> usize {
    combine::<_, B>(
        ours,
        theirs,
        #[inline(always)]
        |ours, theirs| lanes.lower(ours, theirs),
    )
}

/// Changes our counters block by block, up to the first block in which the ids differ.
#[inline(always)]
fn combine<I: PartialEq, const B: usize>(
    (our_ids, ours): Ours<'_, I>,
    (their_ids, theirs): Theirs<'_, I>,
    change: impl Fn(&mut [u64; B], &[u64; B]),
) -> usize {
    let common = our_ids.len().min(their_ids.len()).min(ours.len()).min(theirs.len());
    let (our_ids, ours) = (&our_ids[..common], &mut ours[..common]);
    let (their_ids, theirs) = (&their_ids[..common], &theirs[..common]);

    let mut done = 0;
    let blocks = iter::zip(our_ids.as_chunks::<B>().0, ours.as_chunks_mut::<B>().0)
        .zip(iter::zip(their_ids.as_chunks().0, theirs.as_chunks().0));
    for ((our_ids, ours), (their_ids, theirs)) in blocks {
        if differ(our_ids, their_ids) {
            return done;
        }
        change(ours, theirs);
        done += B;
    }
    if done < common
        && let (Some(our_ids), Some(their_ids)) = (our_ids.last_chunk::<B>(), their_ids.last_chunk())
        && let (Some(ours), Some(theirs)) = (ours.last_chunk_mut::<B>(), theirs.last_chunk())
        && !differ(our_ids, their_ids)
    {
        change(ours, theirs);
        done = common;
    }
    done
}

#[inline(always)]
fn compare_loop<L: BlockOps, I: PartialEq, const B: usize>(
    lanes: L,
    (our_ids, ours): Theirs<'_, I>,
    (their_ids, theirs): Theirs<'_, I>,
) -> CausalOrder {
    let common = our_ids.len().min(their_ids.len()).min(ours.len()).min(theirs.len());
    let (our_ids, ours) = (&our_ids[..common], &ours[..common]);
    let (their_ids, theirs) = (&their_ids[..common], &theirs[..common]);

    let (mut above, mut below) = (false, false);
    let blocks = iter::zip(our_ids.as_chunks::<B>().0, ours.as_chunks::<B>().0)
        .zip(iter::zip(their_ids.as_chunks().0, theirs.as_chunks().0));
    for ((our_ids, ours), (their_ids, theirs)) in blocks {
        let (more, less) = lanes.bounds(ours, theirs);
        (above, below) = (above | more, below | less);
        if (above & below) | differ(our_ids, their_ids) {
            return CausalOrder::Concurrent;
        }
    }
    if common % B != 0
        && let (Some(our_ids), Some(their_ids)) = (our_ids.last_chunk::<B>(), their_ids.last_chunk())
        && let (Some(ours), Some(theirs)) = (ours.last_chunk::<B>(), theirs.last_chunk())
    {
        let (more, less) = lanes.bounds(ours, theirs);
        (above, below) = (above | more, below | less);
        if differ(our_ids, their_ids) {
            return CausalOrder::Concurrent;
        }
    }
    CausalOrder::from_bounds(!above, !below)
}

#[inline(always)]
fn differ<I: PartialEq, const B: usize>(ours: &[I; B], theirs: &[I; B]) -> bool {
    // These numbers are as wide as most ids, so that each stays in its lane.
    iter::zip(ours, theirs).fold(0, |differ, (a, b)| differ | u64::from(a != b)) != 0
}

/// The operations on a block of counters.
trait BlockOps: Copy {
    /// Raises our counters to theirs.
    fn raise<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]);

    /// Lowers our counters to theirs.
    fn lower<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]);

    /// Returns whether some counter of ours is above theirs, and whether some is below.
    fn bounds<const B: usize>(self, ours: &[u64; B], theirs: &[u64; B]) -> (bool, bool);
}

/// Plain code over counters; the compiler may vectorize it.
#[derive(Clone, Copy)]
struct Plain;

impl BlockOps for Plain {
    #[inline(always)]
    fn raise<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]) {
        // A copy first, so that the compiler need not assume an overlap.
        *ours = array::from_fn(|at| ours[at].max(theirs[at]));
    }

    #[inline(always)]
    fn lower<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]) {
        *ours = array::from_fn(|at| ours[at].min(theirs[at]));
    }

    #[inline(always)]
    fn bounds<const B: usize>(self, ours: &[u64; B], theirs: &[u64; B]) -> (bool, bool) {
        let (above, below) = iter::zip(ours, theirs).fold((0, 0), |(above, below), (ours, theirs)| {
            (above | u64::from(ours > theirs), below | u64::from(ours < theirs))
        });
        (above != 0, below != 0)
    }
}

/// Vector code: each instruction handles as many counters as it can.
#[cfg(feature = "simd")]
#[derive(Clone, Copy)]
struct Wide<S>(S);

#[cfg(feature = "simd")]
impl<S: Simd> Wide<S> {
    /// Counters for each instruction; a block is a multiple of it.
    const LANES: usize = S::u64s::LEN;

    #[inline(always)]
    fn change<const B: usize>(
        self,
        ours: &mut [u64; B],
        theirs: &[u64; B],
        choose: impl Fn(S::u64s, S::u64s) -> S::u64s,
    ) {
        const { assert!(B.is_multiple_of(Self::LANES)) }
        for (ours, theirs) in iter::zip(ours.chunks_exact_mut(Self::LANES), theirs.chunks_exact(Self::LANES)) {
            choose(S::u64s::from_slice(self.0, ours), S::u64s::from_slice(self.0, theirs)).store_slice(ours);
        }
    }
}

#[cfg(feature = "simd")]
impl<S: Simd> BlockOps for Wide<S> {
    #[inline(always)]
    fn raise<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]) {
        self.change(
            ours,
            theirs,
            #[inline(always)]
            |ours, theirs| theirs.max(ours),
        );
    }

    #[inline(always)]
    fn lower<const B: usize>(self, ours: &mut [u64; B], theirs: &[u64; B]) {
        self.change(
            ours,
            theirs,
            #[inline(always)]
            |ours, theirs| theirs.min(ours),
        );
    }

    #[inline(always)]
    fn bounds<const B: usize>(self, ours: &[u64; B], theirs: &[u64; B]) -> (bool, bool) {
        const { assert!(B.is_multiple_of(Self::LANES)) }
        let none = S::u64s::splat(self.0, 0);
        let (mut above, mut below) = (none.simd_gt(none), none.simd_gt(none));
        for (ours, theirs) in iter::zip(ours.chunks_exact(Self::LANES), theirs.chunks_exact(Self::LANES)) {
            let (ours, theirs) = (S::u64s::from_slice(self.0, ours), S::u64s::from_slice(self.0, theirs));
            above |= ours.simd_gt(theirs);
            below |= theirs.simd_gt(ours);
        }
        (above.any_true(), below.any_true())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;

    /// The counters around which a comparison goes wrong if it is signed, or too narrow.
    const EDGES: [u64; 8] = [0, 1, u32::MAX as u64, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

    /// Lengths around the boundaries of blocks.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..=70).chain(127..=130).chain(1023..=1025)
    }

    /// The results of one way of computing.
    type Results = (usize, Vec<u64>, usize, Vec<u64>, CausalOrder);

    #[inline(always)]
    fn run<L: BlockOps, const B: usize>(lanes: L, x: Theirs<'_, u64>, y: Theirs<'_, u64>) -> Results {
        let (mut merged, mut met) = (x.1.to_vec(), x.1.to_vec());
        let raised = merge_loop::<_, _, B>(lanes, (x.0, &mut merged), y);
        let lowered = meet_loop::<_, _, B>(lanes, (x.0, &mut met), y);
        (raised, merged, lowered, met, compare_loop::<_, _, B>(lanes, x, y))
    }

    /// Every way that this machine has, with its name.
    fn every_way(x: Theirs<'_, u64>, y: Theirs<'_, u64>) -> Vec<(&'static str, Results)> {
        let mut ways = vec![
            ("plain, one by one", run::<_, 1>(Plain, x, y)),
            ("plain, blocks of 8", run::<_, 8>(Plain, x, y)),
            ("plain, long blocks", run::<_, BLOCK>(Plain, x, y)),
        ];
        // A block must not be longer than the vector; the caller ensures that.
        ways.retain(|way| x.0.len() >= 8 || way.0 == "plain, one by one");
        ways.retain(|way| x.0.len() >= BLOCK || way.0 != "plain, long blocks");
        #[cfg(feature = "simd")]
        if x.0.len() >= BLOCK {
            let best = Level::new();
            let mut levels = vec![("the best", best)];
            #[cfg(target_arch = "x86_64")]
            {
                levels.extend(best.as_sse2().map(|token| ("SSE2", Level::Sse2(token))));
                levels.extend(best.as_sse4_2().map(|token| ("SSE4.2", Level::Sse4_2(token))));
                levels.extend(best.as_avx2().map(|token| ("AVX2", Level::Avx2(token))));
            }
            for (name, level) in levels {
                ways.push((name, dispatch!(level, simd => run::<_, BLOCK>(Wide(simd), x, y))));
            }
        }
        ways
    }

    /// Checks all ways on one pair of vectors; `same` is the number of leading entries with the same ids.
    fn check(ids: &[u64], x: &[u64], their_ids: &[u64], y: &[u64], same: usize) {
        let above = iter::zip(x, y).any(|(x, y)| x > y);
        let below = iter::zip(x, y).any(|(x, y)| x < y);
        let order =
            if same < x.len() { CausalOrder::Concurrent } else { CausalOrder::from_bounds(!above, !below) };
        for (way, (raised, merged, lowered, met, compared)) in every_way((ids, x), (their_ids, y)) {
            let case = || format!("{way}: {x:?} {y:?}");
            assert_eq!(compared, order, "{}", case());
            assert!(raised == lowered && raised <= same, "{}", case());
            // All whole blocks with the same ids were processed.
            assert!(same - raised < BLOCK && (same < x.len() || raised == same), "{}", case());
            for at in 0..x.len() {
                let (higher, lower) =
                    if at < raised { (x[at].max(y[at]), x[at].min(y[at])) } else { (x[at], x[at]) };
                assert_eq!((merged[at], met[at]), (higher, lower), "{}", case());
            }
        }
    }

    #[test]
    fn every_pair_of_small_vectors_in_every_place() {
        let small: Vec<[u64; 3]> =
            (0..27).map(|n| [n % 3, n / 3 % 3, n / 9].map(|digit| EDGES[4 + digit as usize])).collect();
        let ids: Vec<u64> = (0..40).collect();
        let mut pairs = 0;
        for n in [3, 8, 9, 32, 35] {
            for start in [0, 5, n - 3] {
                if start + 3 > n {
                    continue;
                }
                for x in &small {
                    for y in &small {
                        let (mut long_x, mut long_y) = (vec![7; n], vec![7; n]);
                        long_x[start..start + 3].copy_from_slice(x);
                        long_y[start..start + 3].copy_from_slice(y);
                        check(&ids[..n], &long_x, &ids[..n], &long_y, n);
                        pairs += 1;
                    }
                }
            }
        }
        // Three starts, except for 3 entries, where 5 is too far.
        assert_eq!(pairs, (5 * 3 - 1) * 27 * 27);
    }

    #[test]
    fn one_difference_in_every_place_of_every_length() {
        for n in lengths() {
            let ids: Vec<u64> = (0..n as u64).collect();
            let x: Vec<u64> = (0..n).map(|at| EDGES[at % EDGES.len()]).collect();
            check(&ids, &x, &ids, &x, n);
            // In long vectors only around the boundaries of blocks, otherwise everywhere.
            for at in (0..n).filter(|at| n <= 130 || at % 256 == 255 || at + 3 > n) {
                for counter in [EDGES[at * 5 % 8], EDGES[at * 3 % 7], x[at] ^ (1 << 63), x[at].wrapping_add(1)]
                {
                    let mut y = x.clone();
                    y[at] = counter;
                    check(&ids, &y, &ids, &x, n);
                }
                let mut other_ids = ids.clone();
                other_ids[at] ^= 1 << 63;
                let y: Vec<u64> = x.iter().map(|counter| counter.wrapping_add(1)).collect();
                check(&ids, &x, &other_ids, &y, at);
            }
        }
    }

    #[test]
    fn two_differences_in_every_pair_of_places() {
        for n in [2, 7, 8, 9, 33] {
            let ids: Vec<u64> = (0..n as u64).collect();
            let x = vec![1 << 63; n];
            for above in 0..n {
                for below in (0..n).filter(|&below| below != above) {
                    let mut y = x.clone();
                    (y[above], y[below]) = (i64::MAX as u64, (1 << 63) + 1);
                    check(&ids, &x, &ids, &y, n);
                }
            }
        }
    }
}
