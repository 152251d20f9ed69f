//! Auto traits and sizes, which a change must not lose unseen: threads may send and share every public type, and the
//! small types stay small.

use std::panic::{RefUnwindSafe, UnwindSafe};

#[cfg(feature = "alloc")]
use happens_before::{
    CausalBuffer, CausalContext, CausalSender, DagBuffer, Endpoint, Message, Publisher, Subscriber,
    VersionVector,
};
use happens_before::{CausalOrder, Dot, HybridClock, LamportClock};
use happens_before::{broadcast, codec, counter, node, scalar, sequence, version};
#[cfg(feature = "alloc")]
use happens_before::{check, delivery, endpoint};

fn assert_auto_traits<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

/// A panic may leave exclusively borrowed data half changed, so the compiler calls such types not unwind-safe.
fn assert_auto_traits_but_unwinding<T: Send + Sync + Unpin + 'static>() {}

/// Asserts the auto traits of each type, and its size in bytes if given.
macro_rules! assert_types {
    (exclusive: $($type:ty),+ $(,)?) => {$(
        assert_auto_traits_but_unwinding::<$type>();
    )+};
    ($($type:ty $(=> $size:expr)?),+ $(,)?) => {$(
        assert_auto_traits::<$type>();
        $(assert_eq!(size_of::<$type>(), $size, "the size of {} has changed", stringify!($type));)?
    )+};
}

// A line a type, sorted.

#[test]
fn types_that_need_no_allocator() {
    assert_types! {
        CausalOrder => 1,
        Dot<u64> => 16,
        HybridClock<u64> => 32,
        LamportClock<u64> => 24,
        broadcast::Fence => 32,
        broadcast::FencingToken => 24,
        broadcast::Position => 24,
        broadcast::StaleToken => 48,
        codec::BufferTooSmall,
        codec::DecodeError,
        codec::DecodeErrorKind,
        codec::Reader<'static>,
        counter::BatchRequest => 16,
        counter::Coalescing => 176,
        counter::NotAboveLast => 16,
        counter::Redeemed => 24,
        counter::Ticket => 16,
        counter::TooFewNumbers => 16,
        node::CounterExhausted => 8,
        node::DotRange<u64> => 24,
        node::InvalidText => 16,
        node::TextId<u64> => 8,
        scalar::HybridTime => 8,
        scalar::HybridTimestamp<u64> => 16,
        scalar::LamportTimestamp<u64> => 16,
        scalar::TickError => 32,
        scalar::TooFarAhead<u64> => 16,
        sequence::AboveLimit => 16,
        sequence::BlockRefused => 40,
        sequence::BlockRefusedKind,
        sequence::Blocks => 96,
        sequence::BlocksConfig => 32,
        sequence::Interleaved => 24,
        sequence::Limit => 8,
        sequence::NotSiblings => 48,
        sequence::NumberRange => 16,
        sequence::RefillError<()> => 40,
        sequence::ReserveAhead<()> => 40,
        sequence::ReserveError<()> => 24,
        sequence::Snowflake => 56,
        sequence::SnowflakeConfig => 32,
        sequence::SnowflakeError => 24,
        sequence::SnowflakeLayout => 3,
        version::FixedVector<3> => 24,
        version::FixedVectorError,
    }
}

#[cfg(any(all(target_has_atomic = "64", not(happens_before_without_atomics)), feature = "portable-atomic"))]
#[test]
fn types_that_threads_share() {
    assert_types! {
        counter::AtomicCounter => 16,
        scalar::AtomicHybridClock<u64> => 32,
        scalar::AtomicLamportClock<u64> => 24,
    }
}

#[cfg(feature = "alloc")]
#[test]
fn types_that_allocate() {
    assert_types! {
        CausalBuffer<u64, u64>,
        CausalContext<u64> => 88,
        CausalSender<u64>,
        DagBuffer<u64, u64>,
        Endpoint<u64>,
        Message<u64, u64>,
        Publisher<u64, u64> => 120,
        Subscriber<u64, u64> => 592,
        VersionVector<u64> => 56,
        broadcast::Abandoned<u64, u64>,
        broadcast::AppendAnswer,
        broadcast::Content<u64, u64>,
        broadcast::Delivery<u64, u64> => 56,
        broadcast::Entry<u64, u64> => 48,
        broadcast::EpochBegun,
        broadcast::EpochRequest,
        broadcast::FollowStep<u64>,
        broadcast::InvalidAnswer,
        broadcast::LogKind,
        broadcast::LogFull,
        broadcast::MemoryLog<u64, u64>,
        broadcast::NewEpoch,
        broadcast::NodeTableFull<u64>,
        broadcast::NumberRequest<u64>,
        broadcast::Passed<u64>,
        broadcast::Payloads<u64>,
        broadcast::PublishError<u64>,
        broadcast::PublishErrorKind<u64>,
        broadcast::PublishRequest<'static, u64, u64>,
        broadcast::Published<u64>,
        broadcast::PublisherConfig,
        broadcast::ReadAnswer<u64, u64>,
        broadcast::ReadLimit,
        broadcast::SealAnswer,
        broadcast::Snapshot<u64>,
        broadcast::SubscribeError<u64, u64>,
        broadcast::SubscribeRequest,
        broadcast::SubscriberConfig,
        broadcast::Unreadable,
        broadcast::WriteAnswer<u64, u64>,
        broadcast::blocking::DriveError<u64, (), ()>,
        broadcast::blocking::FollowError<u64, u64, ()>,
        check::CausalRun<u64>,
        check::CausalViolation<u64>,
        check::OrderRun<u64, u64>,
        check::OrderViolation<u64, u64>,
        delivery::AcceptError<u64, u64>,
        delivery::AcceptErrorKind<u64>,
        delivery::Accepted,
        delivery::BufferLimits,
        delivery::CloseError,
        delivery::DagEvent<u64, u64>,
        delivery::DagLimits,
        delivery::EventErrorKind,
        delivery::MessageError<u64, u64>,
        delivery::MessageErrorKind<u64>,
        delivery::ObserveError<u64>,
        delivery::Stability<u64>,
        delivery::TooManyNodes,
        endpoint::BroadcastError,
        endpoint::BroadcastErrorKind,
        endpoint::EndpointConfig,
        endpoint::GroupError,
        endpoint::GroupErrorKind,
        endpoint::PacketError,
        endpoint::PacketErrorKind,
        endpoint::Received<u64>,
        version::Entries<'static, u64>,
        version::IntoEntries<u64>,
        version::EventError,
        version::IntervalTreeClock => 48,
        version::InvalidClock,
        version::InvalidClockKind,
        version::InvalidSiblings<u64> => 8,
        version::OverlappingIds<version::IntervalTreeClock> => 48,
        version::Ranges<'static, u64>,
        version::Siblings<u64, u64>,
        version::TooManyRanges => 8,
        version::ValueRefused<u64> => 16,
    }
}

#[cfg(feature = "std")]
#[test]
fn types_that_ask_the_operating_system() {
    assert_types! {
        scalar::SystemTime,
    }
}

#[test]
fn types_that_borrow_exclusively() {
    assert_types! {
        exclusive:
        codec::Writer<'static>,
    }
    #[cfg(feature = "alloc")]
    assert_types! {
        exclusive:
        broadcast::Follower<'static, Subscriber<u64, u64>, ()>,
    }
}

#[test]
fn options_cost_nothing_where_there_is_a_value_to_spare() {
    assert_types! {
        Option<CausalOrder> => 1,
        Option<Dot<u64>> => 16,
        Option<counter::BatchRequest> => 16,
        Option<node::DotRange<u64>> => 24,
        Option<scalar::LamportTimestamp<u32>> => 16,
        Option<scalar::LamportTimestamp<u64>> => 16,
        Option<sequence::NumberRange> => 16,
        version::FixedVector<1024> => 8192,
    }
    #[cfg(feature = "alloc")]
    assert_types! {
        Option<broadcast::Entry<u64, u64>> => 48,
    }
}

#[test]
fn no_public_type_is_left_out() {
    let lines: Vec<&str> = include_str!("autotraits.rs").lines().map(str::trim_start).collect();
    let mut missing = Vec::new();
    let mut types = 0;
    for item in include_str!("../api/happens-before.txt").lines() {
        let item = item.trim_start_matches("#[non_exhaustive] ");
        let Some(path) = item.strip_prefix("pub struct ").or_else(|| item.strip_prefix("pub enum ")) else {
            continue;
        };
        let path = path.split(['<', '(', ' ']).next().unwrap_or(path).trim_start_matches("happens_before::");
        let is_path =
            |line: &str| line.strip_prefix(path).is_some_and(|rest| rest.starts_with(['<', ',', ' ']));
        types += 1;
        if !lines.iter().any(|line| is_path(line)) {
            missing.push(path);
        }
    }
    assert!(types > 100, "{types} types");
    assert!(missing.is_empty(), "add a line for each of {missing:#?}");
}

/// Two copies of such a value would issue the same timestamps or numbers.
#[test]
fn what_issues_cannot_be_cloned() {
    /// A type that is not `Clone` has one implementation, which is found. A type that is has two, which is an error.
    trait NotClone<A> {
        fn check() {}
    }
    impl<T: ?Sized> NotClone<()> for T {}
    impl<T: Clone> NotClone<u8> for T {}

    <LamportClock<u8> as NotClone<_>>::check();
    <HybridClock<u8> as NotClone<_>>::check();
    <counter::Coalescing as NotClone<_>>::check();
    <counter::Ticket as NotClone<_>>::check();
    <sequence::Interleaved as NotClone<_>>::check();
    <sequence::Blocks as NotClone<_>>::check();
    <sequence::ReserveAhead<()> as NotClone<_>>::check();
    <sequence::Snowflake as NotClone<_>>::check();
    #[cfg(feature = "alloc")]
    {
        <CausalSender<u8> as NotClone<_>>::check();
        <Publisher<u8, u8> as NotClone<_>>::check();
    }
}
