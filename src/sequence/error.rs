//! Errors of the allocators.

use core::fmt;
use core::num::NonZeroU64;

use super::{Interleaved, Limit, NumberRange};
use crate::counter::TooFewNumbers;

/// A block that [`Blocks`](super::Blocks) did not accept, with the rule that it breaks.
///
/// The block is returned, and the allocator is unchanged. The [`kind`](Self::kind) names the fault and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockRefused {
    /// The refused block.
    pub block: NumberRange,
    /// The rule that it breaks.
    pub kind: BlockRefusedKind,
}

/// A rule that a block breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockRefusedKind {
    /// The block was taken under another lease. Usually it is a late answer to a request from before a failover.
    ///
    /// Drop a block of an older epoch. Before feeding one of a newer epoch, call
    /// [`start_epoch`](super::Blocks::start_epoch).
    OtherEpoch {
        /// The epoch of the block.
        epoch: u64,
        /// The epoch whose blocks are accepted.
        current: u64,
    },
    /// The block starts at or below a number that was fed before, or ends at or below one that was observed.
    ///
    /// If the number was [observed](super::Blocks::observe), raise the counter above it. Otherwise the counter went back,
    /// does not increment by the number asked for, or the block was fed twice: stop using the counter until its operator
    /// has examined it.
    NotAbove {
        /// The highest number known to be taken.
        highest: u64,
    },
    /// The block begins above the limit: the counter has no numbers left for this allocator.
    ///
    /// Stop asking, which spends numbers of others. If every reader can handle higher numbers, feed the block to a
    /// `Blocks` with a higher limit.
    AboveLimit {
        /// The limit.
        limit: Limit,
    },
    /// Two blocks that do not join are held already.
    ///
    /// Keep it and feed it once [`is_low`](super::Blocks::is_low) returns `true`. Ask for one block at a time.
    Full,
}

impl fmt::Display for BlockRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = self.block;
        match self.kind {
            BlockRefusedKind::OtherEpoch { epoch, current } => {
                write!(f, "block {block} is of epoch {epoch}, not {current}; drop it, or start its epoch first")
            }
            BlockRefusedKind::NotAbove { highest } => write!(
                f,
                "block {block} is not above {highest}, which is taken; if that number was observed, raise the counter, \
                 otherwise stop using it: it went back or counts differently"
            ),
            BlockRefusedKind::AboveLimit { limit } => {
                write!(f, "block {block} begins above the limit of {limit}; stop asking, or raise the limit")
            }
            BlockRefusedKind::Full => {
                write!(f, "two blocks are held already; keep {block} and feed it when they are low")
            }
        }
    }
}

impl core::error::Error for BlockRefused {}

/// A number from elsewhere is above the limit of a [`Blocks`](super::Blocks), so it is not recorded.
///
/// Nothing is changed. Raise the limit if every reader can handle higher numbers, or distrust the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AboveLimit {
    /// The number.
    pub number: u64,
    /// The limit.
    pub limit: Limit,
}

impl fmt::Display for AboveLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, limit } = self;
        write!(f, "number {number} is above the limit of {limit}; raise the limit, or distrust the number")
    }
}

impl core::error::Error for AboveLimit {}

/// The counter gave no usable block.
///
/// The allocator is unchanged, and the numbers that it holds can still be issued. Numbers of the counter may be spent.
/// `E` is the counter's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefillError<E> {
    /// The counter failed. Its error tells whether a later call can succeed.
    Counter(E),
    /// The counter did not move by the count asked for, or gave an impossible number, 0 or above 2^63 - 1. It and its
    /// callers disagree about the size of a block, and would issue the same numbers: a mistake in the configuration.
    ///
    /// If others use the counter at the same time, this check may miss the mistake.
    WrongSize {
        /// The first number that the counter gave.
        first: u64,
        /// The count asked for.
        asked: NonZeroU64,
        /// The counter's last number taken, read afterwards.
        current: u64,
    },
    /// The block was refused: it is at or below numbers taken before, or above the limit.
    Refused(BlockRefused),
}

impl<E: fmt::Display> fmt::Display for RefillError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(_) => f.write_str("the counter gave no block; the numbers held can still be issued"),
            Self::WrongSize { first, asked, current } => write!(
                f,
                "the counter gave {first} as the first of {asked} but stands at {current}; make both sides agree on \
                 the size of a block"
            ),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for RefillError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Counter(error) => Some(error),
            Self::WrongSize { .. } | Self::Refused(_) => None,
        }
    }
}

/// Two classes that do not make one class together.
///
/// Both are returned unchanged. They have different steps or an odd step, do not lie half a step apart, or end at
/// different limits. The caller chose the wrong classes: merge each with its own sibling, or keep both.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotSiblings {
    /// The class on which `merge` was called.
    pub left: Interleaved,
    /// The class that was to be merged into it.
    pub right: Interleaved,
}

impl fmt::Display for NotSiblings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left_next, left_step, left_last] = self.left.save();
        let [right_next, right_step, right_last] = self.right.save();
        write!(
            f,
            "the classes {left_next} by {left_step} up to {left_last} and {right_next} by {right_step} up to \
             {right_last} are not siblings; merge each with its own sibling, or keep both"
        )
    }
}

impl core::error::Error for NotSiblings {}

/// A [`ReserveAhead`](super::ReserveAhead) issued no number, or did not record an observed one.
///
/// Numbers issued before stay valid, and the reserved numbers are unchanged. A new bound may have reached the store.
/// `E` is the store's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReserveError<E> {
    /// The store failed. Nothing above the old bound is issued; the next call tries again.
    Store(E),
    /// The store holds a bound that this owner never wrote.
    ///
    /// A lower bound means that the store was replaced by an older copy, so a restart would repeat numbers. A higher
    /// bound means that another owner uses it. Nothing above the old bound is issued until the store has that again.
    /// Find the other writer of the store.
    Moved {
        /// The last certain bound: found at the start, or written since without an error.
        expected: u64,
        /// The bound that the store has.
        found: u64,
    },
    /// A number from outside is above the limit: the store's bound, or a number to observe.
    ///
    /// Raise the limit, or distrust the number.
    AboveLimit {
        /// The number.
        number: u64,
        /// The limit.
        limit: Limit,
    },
    /// The last number is issued, or fewer are left than a range needs.
    TooFewNumbers(TooFewNumbers),
}

impl<E: fmt::Display> fmt::Display for ReserveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(_) => f.write_str("the store failed, so no number was issued; call again later"),
            Self::Moved { expected, found } => write!(
                f,
                "the store has the bound {found} where {expected} was left; it is shared, or an old copy came back"
            ),
            &Self::AboveLimit { number, limit } => AboveLimit { number, limit }.fmt(f),
            Self::TooFewNumbers(TooFewNumbers { wanted, available }) => write!(
                f,
                "too few numbers are left up to the limit: {wanted} wanted, {available} left; raise it if every reader \
                 can handle higher numbers"
            ),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for ReserveError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Moved { .. } | Self::AboveLimit { .. } | Self::TooFewNumbers(_) => None,
        }
    }
}

/// A [`Snowflake`](super::Snowflake) could not be made, or issued no id.
///
/// Nothing is changed. Each variant names the calls that return it, the fault and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnowflakeError {
    /// From `new`: the node's number has more bits than the layout has for it. A mistake in the configuration.
    NodeTooWide {
        /// The node's number.
        node: u64,
        /// The highest that fits.
        highest: u64,
    },
    /// From `new`: the ids are to differ in more bits than the layout has for the sequence. A mistake in the
    /// configuration.
    SpreadTooWide {
        /// The bits.
        spread_bits: u8,
        /// The most that the layout has.
        highest: u8,
    },
    /// From `new`: the layout's last millisecond would be after 2^64 - 1. A mistake in the configuration.
    OriginTooLate {
        /// The origin.
        origin_ms: u64,
        /// The latest that fits.
        highest: u64,
    },
    /// From `issue` and `issue_range`: the clock lags further behind the next id than `ahead_ms` allows. The clock went
    /// back, or a burst used up the allowance. Try again when the clock reads `retry_at_ms`.
    ClockBehind {
        /// The reading of the clock.
        now_ms: u64,
        /// The reading from which on an id can be issued.
        retry_at_ms: u64,
    },
    /// From `issue`, `issue_range` and `skip_past`: a time is after the layout's last millisecond.
    ///
    /// Usually the clock is wrong, or a saved time is damaged. Otherwise choose a new layout or a later origin, both
    /// for all nodes.
    AfterEnd {
        /// The time, on the caller's clock.
        ms: u64,
        /// The layout's last millisecond, on the caller's clock.
        last_ms: u64,
    },
    /// From `issue` and `issue_range`: the layout's last millisecond has too few ids left. Choose a new layout or a
    /// later origin, both for all nodes; ids already issued keep the old one.
    TooFewNumbers(TooFewNumbers),
    /// From `issue_range`: a millisecond has fewer ids than the range needs. Ask for several ranges.
    RangeTooLong {
        /// The length of the longest possible range.
        longest: u64,
    },
}

impl fmt::Display for SnowflakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeTooWide { node, highest } => {
                write!(f, "node number {node} is above {highest}, the highest that the layout has bits for")
            }
            Self::SpreadTooWide { spread_bits, highest } => {
                write!(
                    f,
                    "ids cannot spread over {spread_bits} bits; the layout has {highest} for the sequence"
                )
            }
            Self::OriginTooLate { origin_ms, highest } => {
                write!(f, "origin {origin_ms} ms is after {highest} ms, the latest that the layout allows")
            }
            Self::ClockBehind { now_ms, retry_at_ms } => write!(
                f,
                "the clock reads {now_ms} ms, too far behind the last id; try again at {retry_at_ms} ms"
            ),
            Self::AfterEnd { ms, last_ms } => write!(
                f,
                "{ms} ms is after {last_ms} ms, the layout's last; set the clock right or, if it is right, choose a \
                 new layout or a later origin"
            ),
            Self::TooFewNumbers(TooFewNumbers { wanted, available }) => write!(
                f,
                "the layout's last millisecond has only {available} of the {wanted} ids wanted; choose a new layout or \
                 a later origin"
            ),
            Self::RangeTooLong { longest } => {
                write!(f, "a millisecond has only {longest} ids; ask for shorter ranges")
            }
        }
    }
}

impl core::error::Error for SnowflakeError {}
