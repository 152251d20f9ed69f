//! Errors of counters and of allocators of numbers.

use core::fmt;

/// Fewer numbers are available at once than are wanted.
///
/// None is taken, and the state is unchanged. Numbers never wrap, saturate or repeat, so the end is nobody's fault. If
/// some are available, ask for at most that many. Otherwise:
///
/// - `AtomicCounter`: resume with a higher limit, if every reader can take it.
/// - [`Coalescing`](super::Coalescing): the batch is full. Wait until the next one gathers.
/// - [`Interleaved`](crate::sequence::Interleaved): continue with another class, or ask another owner to split. The end
///   of a class is never raised, since the numbers above it may belong to another owner.
/// - [`Blocks`](crate::sequence::Blocks): feed a block with at least as many numbers as are wanted.
/// - [`ReserveAhead`](crate::sequence::ReserveAhead): resume with a higher limit, if every reader can take it.
/// - [`Snowflake`](crate::sequence::Snowflake): choose a new layout or a later origin, both for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooFewNumbers {
    /// The count of numbers wanted.
    pub wanted: u64,
    /// The count of numbers available at once.
    pub available: u64,
}

impl fmt::Display for TooFewNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, available } = self;
        write!(
            f,
            "too few numbers: {wanted} wanted, {available} available at once; ask for fewer, or continue with another \
             class, block or batch"
        )
    }
}

impl core::error::Error for TooFewNumbers {}

/// A counter answered with numbers that do not all lie above its earlier ones and up to 2^63 - 1.
///
/// The state is unchanged, and the numbers are spent. The counter is broken: it has gone back, or starts at 0. Stop
/// using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAboveLast {
    /// The first number of the answer.
    pub first: u64,
    /// The last number of the answer before.
    pub last: u64,
}

impl fmt::Display for NotAboveLast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        write!(
            f,
            "the numbers from {first} on do not lie above {last} and up to 2^63 - 1; \
             the counter is not linearizable, stop using it"
        )
    }
}

impl core::error::Error for NotAboveLast {}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_errors_say_what_to_do() {
        assert_eq!(
            TooFewNumbers { wanted: 1, available: 0 }.to_string(),
            "too few numbers: 1 wanted, 0 available at once; ask for fewer, or continue with another class, block or \
             batch"
        );
        assert_eq!(
            NotAboveLast { first: 4, last: 5 }.to_string(),
            "the numbers from 4 on do not lie above 5 and up to 2^63 - 1; the counter is not linearizable, stop using it"
        );
    }
}
