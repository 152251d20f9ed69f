//! What the compiler derives, and what a change must not lose unseen: threads may send and share every type, and
//! the small ones stay small.

use std::panic::{RefUnwindSafe, UnwindSafe};

use happens_before::broadcast::{Fence, FencingToken, Position, StaleToken};
use happens_before::counter::{BatchFull, Coalescing, Redeemed, Request, ResponseRefused, Ticket};
use happens_before::node::{CounterExhausted, DotRange};
use happens_before::scalar::{
    ClockDrift, HybridTime, HybridTimestamp, LamportTimestamp, TimeExhausted, TooFarAhead,
};
use happens_before::sequence::{
    AfterEnd, BlockRefused, Blocks, BlocksConfig, Exhausted, Interleaved, InvalidClass, Layout, Limit,
    NotSiblings, NumberRange, OldEpoch, RefillError, ReserveAhead, ReserveError, Snowflake, SnowflakeConfig,
    SnowflakeConfigError, SnowflakeError,
};
use happens_before::version::FixedVector;
use happens_before::{CausalOrder, Dot, HybridClock, LamportClock};

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
        HybridTime => 8,
        HybridTimestamp<u64> => 16,
        TimeExhausted => 16,
        ClockDrift => 24,
        Ticket => 16,
        Request => 16,
        Option<Request> => 16,
        Redeemed => 24,
        BatchFull => 24,
        ResponseRefused => 24,
        Limit => 8,
        NumberRange => 16,
        Option<NumberRange> => 16,
        Exhausted => 16,
        BlockRefused => 40,
        OldEpoch => 16,
        RefillError<()> => 40,
        InvalidClass => 40,
        NotSiblings => 48,
        ReserveError<()> => 24,
        Layout => 3,
        SnowflakeConfig => 32,
        AfterEnd => 16,
        SnowflakeError => 24,
        SnowflakeConfigError => 24,
        Position => 24,
        FencingToken => 24,
        StaleToken => 48,
        Fence => 32,
    }
}

#[test]
fn states_are_as_small_as_documented() {
    assert_types! {
        LamportClock<u64> => 24,
        HybridClock<u64> => 24,
        Coalescing => 176,
        BlocksConfig => 32,
        FixedVector<3> => 24,
        FixedVector<1024> => 8192,
        Interleaved => 24,
        Blocks => 88,
        ReserveAhead<()> => 40,
        Snowflake => 56,
    }
    #[cfg(any(
        all(target_has_atomic = "64", not(happens_before_without_atomics)),
        feature = "portable-atomic"
    ))]
    assert_types! {
        happens_before::scalar::AtomicLamportClock<u64> => 24,
        happens_before::scalar::AtomicHybridClock<u64> => 24,
        happens_before::counter::AtomicCounter => 16,
        happens_before::counter::TooFewNumbers => 24,
    }
    #[cfg(feature = "alloc")]
    assert_types! {
        // Eight entries inline, whether or not they are used.
        happens_before::VersionVector<u64> => 160,
        // The vector, and an ordered map that holds nothing while everything comes in order.
        happens_before::CausalContext<u64> => size_of::<happens_before::VersionVector<u64>>() + 32,
        happens_before::version::TooManyRanges => 8,
        happens_before::broadcast::Entry<u64, u64> => 48,
        Option<happens_before::broadcast::Entry<u64, u64>> => 48,
        happens_before::broadcast::Delivery<u64, u64> => 56,
        happens_before::Publisher<u64, u64> => 120,
        happens_before::Subscriber<u64, u64> => 592,
    }
}

/// Two of these would issue the same timestamps or numbers.
#[test]
fn what_issues_cannot_be_cloned() {
    /// Has one implementation, which is found, for a type that is not `Clone`; two, which is an error, for one that is.
    trait NotClone<A> {
        fn check() {}
    }
    impl<T: ?Sized> NotClone<()> for T {}
    impl<T: Clone> NotClone<u8> for T {}

    <LamportClock<u8> as NotClone<_>>::check();
    <HybridClock<u8> as NotClone<_>>::check();
    <Coalescing as NotClone<_>>::check();
    <Ticket as NotClone<_>>::check();
    <Interleaved as NotClone<_>>::check();
    <Blocks as NotClone<_>>::check();
    <ReserveAhead<()> as NotClone<_>>::check();
    <Snowflake as NotClone<_>>::check();
    #[cfg(feature = "alloc")]
    {
        <happens_before::CausalSender<u8> as NotClone<_>>::check();
        <happens_before::Publisher<u8, u8> as NotClone<_>>::check();
    }
}
