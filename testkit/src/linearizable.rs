//! A checker of linearizable histories. It tries all orders of the calls (Wing and Gong 1993), but no state twice with
//! the same calls done (Lowe 2017).
//!
//! The tests of the core and of the engines include it. `engines/tests/linearizable.rs` tries it on real histories with
//! known verdicts, and `tests/replicated_linearizable.rs` compares it with all permutations of short ones.
//!
//! It is written here because Rust has no maintained library for it. That of `todc-utils` has rested since 2023, and
//! requires an answer to every call. The tester of `stateright` does not remember the orders that it has tried.

#![allow(unreachable_pub, reason = "included by test programs of two crates")]

use std::collections::HashSet;
use std::hash::Hash;

/// One call: when it began, when it ended, and what it returned; `None` if it never did.
#[derive(Clone, Debug)]
pub struct Call<O, R> {
    pub begin: u64,
    pub end: Option<(u64, R)>,
    pub op: O,
}

/// The most states that are tried.
const STATES: usize = 10_000_000;

/// Returns whether the calls are linearizable: some order of them agrees with time, and gives every call the result
/// that it had. A call that did not return may have happened at any time after its beginning, or not at all.
///
/// # Panics
///
/// If ten million states do not decide it, or there are more than 128 calls.
pub fn linearizable<S, O, R>(state: &S, calls: &[Call<O, R>], step: fn(&S, &O) -> (S, R)) -> bool
where
    S: Clone + Eq + Hash,
    O: PartialEq,
    R: PartialEq,
{
    assert!(calls.len() <= 128, "{} calls", calls.len());
    search((0, state.clone()), calls, step, &mut HashSet::new())
}

fn search<S, O, R>(
    (done, state): (u128, S),
    calls: &[Call<O, R>],
    step: fn(&S, &O) -> (S, R),
    seen: &mut HashSet<(u128, S)>,
) -> bool
where
    S: Clone + Eq + Hash,
    O: PartialEq,
    R: PartialEq,
{
    let open = |at: &usize| done & (1 << at) == 0;
    let ends = (0..calls.len()).filter(open).filter_map(|at| calls[at].end.as_ref());
    let Some(first_end) = ends.map(|end| end.0).min() else { return true };
    if !seen.insert((done, state.clone())) {
        return false;
    }
    assert!(seen.len() <= STATES, "not known after {STATES} states");
    (0..calls.len()).filter(open).filter(|&at| calls[at].begin < first_end).any(|at| {
        let call = &calls[at];
        let (after, told) = step(&state, &call.op);
        call.end.as_ref().is_none_or(|(_, ret)| *ret == told)
            && search((done | (1 << at), after), calls, step, seen)
    })
}
