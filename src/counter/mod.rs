//! A linearizable counter: every number is taken once, and a number taken later in real time is higher.
//!
//! # The problem
//!
//! Numbers that are only unique contradict causality. Node A holds the block 1 to 1,000 and has used 1. Node B holds
//! 1,001 to 2,000, and sends A a message with the number 1,001. A answers with the number 2, so the answer sorts before
//! the question. An order of messages by such numbers is wrong, and so is a fence against old lock holders.
//!
//! # The algorithm
//!
//! All nodes share one counter, and taking a number is one indivisible step:
//! [`increment_and_get`](Counter::increment_and_get). Within a process the counter is [`AtomicCounter`]. Between nodes,
//! taking a number is a request to the node that keeps the counter. [`Coalescing`] turns the requests of many callers
//! into one, with the same guarantee. A block fetched ahead of its callers loses the guarantee, as the run above shows:
//! blocks are for unique ids only.
//!
//! | numbers from | unique | later in real time is higher | calls to the counter |
//! |---|---|---|---|
//! | [`AtomicCounter`], or any [`Counter`] itself | yes | yes | one each |
//! | [`Coalescing`] over a [`Counter`] | yes | yes | one for all that wait |
//! | a block fetched ahead from a [`Counter`] | yes | **no** | one a block |
//!
//! # Guarantees
//!
//! If taking x ended before taking y began, then x < y: the order of the numbers extends causality. The converse does
//! not hold: calls that overlap may be numbered either way round.
//!
//! Numbers alone are not yet an order of messages. The taker of 7 may crash and never send anything, and the counter
//! cannot tell. Total order [`broadcast`](crate::broadcast) handles such holes.
//!
//! # Sources
//!
//! Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects* (1990). Kleppmann,
//! *Designing Data-Intensive Applications* (2017), chapter 9, "Implementing total order broadcast using
//! linearizable storage".

#[cfg(any(all(target_has_atomic = "64", not(happens_before_without_atomics)), feature = "portable-atomic"))]
mod atomic;
mod coalescing;
mod error;

where_atomics! {
    pub use atomic::AtomicCounter;
}
pub use coalescing::{BatchRequest, Coalescing, Redeemed, Ticket};
pub use error::{NotAboveLast, TooFewNumbers};

use core::num::NonZeroU64;

/// A linearizable counter that hands out 1, 2, 3, ...
///
/// # Duties of an implementation
///
/// - **Linearizable**: each call takes effect at one instant between its beginning and its end, even if the calls come
///   from different nodes. So a call that begins after another has ended gets higher numbers.
///   [`current`](Self::current) includes every number that was taken before the call began.
/// - **Never twice**: a number that was handed out is not handed out again, not even after a crash.
/// - Gaps are allowed: numbers may be spent without reaching a caller.
///
/// A counter is not a `Counter` if it can go back after a failover (Redis), can repeat numbers after a crash (sequences
/// of `PostgreSQL`), or serves numbers from a block fetched ahead.
///
/// # Meaning of an error
///
/// Either nothing happened or the numbers are spent. After a time-out the request may have been executed with its
/// answer lost, or may still be executed later. In no case does another call get these numbers as well. So it is always
/// safe to call again and use the result of the new call. It is never safe to guess the number that the failed call
/// "must have" taken. An implementation may promise more about its error type, as [`AtomicCounter`] does: its errors
/// change nothing.
///
/// # Pointers
///
/// `&C` is a counter like `C` itself. With the feature `alloc`, so are `Box<C>` and `Arc<C>`.
///
/// # Examples
///
/// ```
/// use core::num::NonZeroU64;
/// use happens_before::counter::Counter;
///
/// fn take_three<C: Counter>(counter: &C) -> Result<[u64; 3], C::Error> {
///     let first = counter.increment_and_get(const { NonZeroU64::new(3).unwrap() })?;
///     Ok([first, first + 1, first + 2])
/// }
/// # #[cfg(any(target_has_atomic = "64", feature = "portable-atomic"))] {
/// let counter = happens_before::counter::AtomicCounter::new();
/// assert_eq!(take_three(&counter), Ok([1, 2, 3]));
/// assert_eq!(take_three(&counter), Ok([4, 5, 6]));
/// # }
/// ```
pub trait Counter {
    /// The reason that no number could be taken.
    type Error;

    /// Takes the next `n` numbers and returns the first: the caller owns `first ..= first + n - 1`.
    ///
    /// Numbers are at least 1 and at most 2^63 - 1, so `first + n - 1` does not overflow.
    ///
    /// # Errors
    ///
    /// Those of the implementation. Unless it promises more, the numbers may be spent, but are never repeated.
    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error>;

    /// Returns the last number taken; 0 if none was.
    ///
    /// # Errors
    ///
    /// Those of the implementation. No number was taken.
    fn current(&self) -> Result<u64, Self::Error>;
}

/// Implements the trait for a pointer to a counter.
macro_rules! pointer {
    ($pointer:ty) => {
        impl<C: Counter + ?Sized> Counter for $pointer {
            type Error = C::Error;

            fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
                (**self).increment_and_get(n)
            }

            fn current(&self) -> Result<u64, Self::Error> {
                (**self).current()
            }
        }
    };
}

pointer!(&C);
#[cfg(feature = "alloc")]
pointer!(crate::compat::Box<C>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pointer!(crate::compat::Arc<C>);
