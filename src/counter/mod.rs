//! A linearizable counter: every number is taken once, and a number taken later in real time is higher.
//!
//! # The problem
//!
//! Numbers that are only unique contradict causality. Node A holds the block 1 to 1,000 and has used 1; node B holds
//! 1,001 to 2,000, numbers a message 1,001 and sends it to A; A answers with 2. The answer now comes before what it
//! answers. An order of messages by such numbers is wrong, and so is a fence against old lock holders.
//!
//! # The algorithm
//!
//! One counter, shared by all, on which taking a number is one indivisible step:
//! [`increment_and_get`](Counter::increment_and_get). Within a process that is [`AtomicCounter`]. Between nodes it
//! is a request to the keeper of the counter; [`Coalescing`] turns those of many callers into one, without
//! giving up anything of the above. A block fetched ahead of its callers does give it up, as the run shows:
//! blocks are for unique ids only.
//!
//! | numbers from | unique | later in real time is higher | calls to the counter |
//! |---|---|---|---|
//! | [`AtomicCounter`], or any [`Counter`] itself | yes | yes | one each |
//! | [`Coalescing`] over a [`Counter`] | yes | yes | one for all that wait |
//! | a block fetched ahead from a [`Counter`] | yes | **no** | one a block |
//!
//! # What it tells you
//!
//! If taking x ended before taking y began, by whatever clock, then x < y: the order of the numbers extends
//! causality. The converse does not hold: calls that overlap may be numbered either way round. And a number is
//! not yet an order of messages: the taker of 7 may crash and never send anything, and nobody can tell from the
//! counter. A total order broadcast takes care of such holes.
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
/// # What an implementation promises
///
/// - **Linearizable**: each call takes effect at one instant between its begin and its end, also where the calls
///   come from different nodes. So a call that begins after another has ended gets higher numbers, and
///   [`current`](Self::current) includes every number whose taking ended before it was called.
/// - **Never twice**: a number that was handed out is not handed out again, whatever crashes.
/// - Not promised: that every number is handed out. Numbers may be spent without reaching anyone.
///
/// A counter that can go back after a failover (Redis), or repeat numbers after a crash (sequences of `PostgreSQL`),
/// is not a `Counter`; nor is one that serves from a block fetched ahead.
///
/// # What an error tells the caller
///
/// Either nothing happened or the numbers are spent: after a time-out the request may have been carried out,
/// with the answer lost, or may still be carried out later. In no case will another call get these numbers
/// *and* this caller too. So it is always safe to call again and use what the new call returns; it is never safe
/// to guess the number that the failed call "must have" taken. An implementation may say more about its own
/// error type, as [`AtomicCounter`] does: its errors change nothing.
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
    /// Those of the implementation. Unless it says more, the numbers may be spent, but are never repeated.
    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error>;

    /// Returns the last number taken; 0 if none was.
    ///
    /// # Errors
    ///
    /// Those of the implementation; nothing was taken.
    fn current(&self) -> Result<u64, Self::Error>;
}

impl<C: Counter + ?Sized> Counter for &C {
    type Error = C::Error;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, Self::Error> {
        (**self).increment_and_get(n)
    }

    fn current(&self) -> Result<u64, Self::Error> {
        (**self).current()
    }
}
