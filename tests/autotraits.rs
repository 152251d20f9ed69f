//! What the compiler derives, and what a change must not lose unseen: threads may send and share every type, and
//! the small ones stay small.

use std::panic::{RefUnwindSafe, UnwindSafe};

use happens_before::scalar::TooFarAhead;
use happens_before::sequence::{
    BlockRefused, Blocks, Interleaved, Limit, ReserveAhead, ReserveError, Run, WallClock, WallClockError,
};
use happens_before::{
    CausalOrder, CounterExhausted, Dot, DotRange, FixedVector, LamportClock, LamportTimestamp,
};

fn assert_auto_traits<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

/// Asserts the auto traits and the size, in bytes, of each type.
macro_rules! assert_types {
    ($($type:ty => $size:expr),+ $(,)?) => {$(
        assert_auto_traits::<$type>();
        assert_eq!(size_of::<$type>(), $size, "the size of {} has changed", stringify!($type));
    )+};
}

#[test]
fn values_that_travel_are_small() {
    assert_types! {
        CausalOrder => 1,
        Option<CausalOrder> => 1,
        Dot<u64> => 16,
        Option<Dot<u64>> => 16,
        DotRange<u64> => 24,
        Option<DotRange<u64>> => 24,
        LamportTimestamp<u64> => 16,
        Option<LamportTimestamp<u64>> => 16,
        Option<LamportTimestamp<u32>> => 16,
        CounterExhausted => 8,
        TooFarAhead => 16,
        Limit => 8,
        Run => 16,
        Option<Run> => 16,
        BlockRefused => 40,
        ReserveError<()> => 24,
        WallClockError => 24,
    }
}

#[test]
fn states_are_as_small_as_documented() {
    assert_types! {
        LamportClock<u64> => 24,
        FixedVector<3> => 24,
        FixedVector<1024> => 8192,
        Interleaved => 24,
        Blocks => 88,
        ReserveAhead<()> => 40,
        WallClock => 56,
    }
    #[cfg(feature = "alloc")]
    assert_types! {
        // Eight entries inline, whether or not they are used.
        happens_before::VersionVector<u64> => 152,
        // The vector, and an ordered map that holds nothing while everything comes in order.
        happens_before::CausalContext<u64> => size_of::<happens_before::VersionVector<u64>>() + 24,
        happens_before::version::TooManyRanges => 8,
    }
}
