//! Auto traits and sizes, which no change may lose unnoticed: threads may send and share every type, and the small ones
//! stay small.

use std::panic::{RefUnwindSafe, UnwindSafe};

use happens_before::broadcast::Follow;
use happens_before::broadcast::blocking::FollowError;
use happens_before_replicated::{
    Applied, Encoded, Replica, ReplicaError, ReplicaSnapshot, SyncError, claims, lock, register,
};

type Register = register::Register<u64>;
type Claims = claims::Claims<u64, u64>;
type Lock = lock::Lock<u64>;

fn assert_auto_traits<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

/// Asserts the auto traits and the size, in bytes, of each type.
macro_rules! assert_types {
    ($($type:ty => $size:expr),+ $(,)?) => {$(
        assert_auto_traits::<$type>();
        assert_eq!(size_of::<$type>(), $size, "the size of {} has changed", stringify!($type));
    )+};
}

#[test]
fn commands_outcomes_and_states_are_small() {
    assert_types! {
        register::Command<u64> => 24,
        register::Outcome<u64> => 16,
        Register => 8,
        claims::Command<u64, u64> => 24,
        claims::Outcome<u64> => 16,
        Claims => 32,
        lock::Command<u64> => 40,
        lock::Outcome<u64> => 40,
        Lock => 40,
        Encoded<Register> => 8,
        Applied<u64, u64> => 56,
        ReplicaError<u64> => 48,
        SyncError<(), ReplicaError<u64>> => 48,
    }
}

#[test]
fn threads_send_and_share_replicas_and_what_they_return() {
    fn assert_reader<F: Follow<Output: Send, Error: Send>>() {}
    assert_auto_traits::<Replica<u64, Register>>();
    assert_auto_traits::<Replica<String, Claims>>();
    assert_auto_traits::<Replica<u64, Lock>>();
    assert_auto_traits::<ReplicaSnapshot<u64, Register>>();
    assert_auto_traits::<FollowError<u64, register::Command<u64>, (), ReplicaError<u64>>>();
    assert_reader::<Replica<u64, Register>>();
}

/// Two copies under the name of one node would both acknowledge its commands.
#[test]
fn a_replica_cannot_be_cloned() {
    /// A trait with one implementation for a type that is not `Clone`. For a `Clone` type there are two, which is an
    /// error.
    trait NotClone<A> {
        fn check() {}
    }
    impl<T: ?Sized> NotClone<()> for T {}
    impl<T: Clone> NotClone<u8> for T {}

    <Replica<u64, Register> as NotClone<_>>::check();
}
