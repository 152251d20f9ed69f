//! An allocator of numbers that survives restarts with one durable number.

use core::iter;
use core::num::NonZeroU64;

use super::{Limit, NumberRange, ReserveError};
use crate::counter::TooFewNumbers;

/// One durable number.
///
/// # Duties of an implementation
///
/// After [`write`](Self::write) has returned `Ok`, every later [`read`](Self::read) returns that number, even after a
/// crash at any moment. After a failed or interrupted write, a later read returns the old number or the new one, never
/// a mixture. Once a read has returned the new one, no later read returns the old. The store has one owner at a time.
///
/// For a file, this takes two slots or a rename, with `fsync` on file and directory. The first read needs that `fsync`
/// too. A plain overwrite is not enough.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::Store;
/// use std::convert::Infallible;
///
/// /// A store for tests, which lives as long as the process.
/// #[derive(Default)]
/// struct InMemory(u64);
///
/// impl Store for InMemory {
///     type Error = Infallible;
///
///     fn read(&mut self) -> Result<u64, Infallible> {
///         Ok(self.0)
///     }
///
///     fn write(&mut self, number: u64) -> Result<(), Infallible> {
///         self.0 = number;
///         Ok(())
///     }
/// }
/// ```
pub trait Store {
    /// The reason that the store could not be read or written.
    type Error;

    /// Returns the number last written; 0 if there never was one.
    ///
    /// # Errors
    ///
    /// Those of the implementation. Damaged content is an error, never 0.
    fn read(&mut self) -> Result<u64, Self::Error>;

    /// Replaces the number, durably.
    ///
    /// # Errors
    ///
    /// Those of the implementation. The store then has the old number or the new one.
    fn write(&mut self, number: u64) -> Result<(), Self::Error>;
}

impl<S: Store + ?Sized> Store for &mut S {
    type Error = S::Error;

    fn read(&mut self) -> Result<u64, Self::Error> {
        (**self).read()
    }

    fn write(&mut self, number: u64) -> Result<(), Self::Error> {
        (**self).write(number)
    }
}

/// Numbers 1, 2, 3, ... that never repeat, across any crashes, with one durable number.
///
/// # The problem
///
/// A counter in memory starts again at 1 after a crash. A counter that writes each number to disk survives, at the cost
/// of a synchronous write a number. A counter that writes each number *after* its use repeats the last one:
///
/// ```text
///   issue 7, use 7, crash before 7 is written ... restart: the disk says 6, issue 7
/// ```
///
/// # The algorithm
///
/// The store holds one number, the *bound*: everything up to it may have been issued.
///
/// 1. Start above the bound in the store: [`ReserveAhead::resume`].
/// 2. Issue up to the bound without touching the store: [`ReserveAhead::issue`].
/// 3. At the bound, write a bound that is `ahead` numbers higher, and only then issue. If the write fails or its
///    outcome is unknown, nothing above the old bound is issued. If the write turns out to have arrived after all,
///    continue above it.
/// 4. Read before each write. If the store has a bound that this owner never wrote, the store went back (an old
///    backup), or another owner uses it too: refuse. A bound is never replaced by a lower one, not even on a clean
///    stop.
/// 5. A number that was issued elsewhere raises the next number, and durably the bound: [`ReserveAhead::observe`].
///
/// # Guarantees
///
/// | promise | |
/// |---|---|
/// | unique | yes, for one store with one owner, across any number of crashes |
/// | increasing per allocator | yes, across restarts too |
/// | increasing in real time | yes, but only for one store: numbers of two stores are unrelated |
/// | consistent with causality | **no**: after seeing number 3 of another store, this one still issues 1 |
///
/// A number that was observed is never issued afterwards. If every message carried a number and every receiver observed
/// it, the result would be a Lamport clock; then use [`LamportClock`](crate::LamportClock).
///
/// Every restart leaves a gap of up to `ahead` numbers, or more if an observed number raised the bound. So does a write
/// that arrived although it failed.
///
/// # Examples
///
/// ```
/// # struct InMemory(u64);
/// # impl happens_before::sequence::Store for InMemory {
/// #     type Error = std::convert::Infallible;
/// #     fn read(&mut self) -> Result<u64, Self::Error> { Ok(self.0) }
/// #     fn write(&mut self, number: u64) -> Result<(), Self::Error> { self.0 = number; Ok(()) }
/// # }
/// use core::num::NonZeroU64;
/// use happens_before::sequence::ReserveAhead;
///
/// let hundred = NonZeroU64::new(100).unwrap();
/// let mut store = InMemory(0);
///
/// let mut numbers = ReserveAhead::resume(&mut store, hundred)?;
/// assert_eq!((numbers.issue()?, numbers.issue()?), (1, 2)); // one write
/// drop(numbers); // a crash
///
/// let mut numbers = ReserveAhead::resume(&mut store, hundred)?;
/// assert_eq!(numbers.issue()?, 101);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The next example guards numbers from another source, here an [`Interleaved`](super::Interleaved) class. Each number
/// is observed before its use, and after a restart everything up to the bound is skipped.
///
/// ```
/// # struct InMemory(u64);
/// # impl happens_before::sequence::Store for InMemory {
/// #     type Error = std::convert::Infallible;
/// #     fn read(&mut self) -> Result<u64, Self::Error> { Ok(self.0) }
/// #     fn write(&mut self, number: u64) -> Result<(), Self::Error> { self.0 = number; Ok(()) }
/// # }
/// use core::num::NonZeroU64;
/// use happens_before::sequence::{Interleaved, ReserveAhead};
///
/// let saved = Interleaved::new(2, 3).unwrap().save();
/// let mut store = InMemory(0);
///
/// for expected in [[2, 5], [1_004, 1_007]] { // the second time is after a crash
///     let mut guard = ReserveAhead::resume(&mut store, NonZeroU64::new(1_000).unwrap())?;
///     let mut class = Interleaved::resume(saved).unwrap();
///     class.skip_past(guard.bound());
///     for expected in expected {
///         let number = class.issue()?;
///         guard.observe(number)?; // a write at every thousandth or so
///         assert_eq!(number, expected); // now it may be used
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - RA1: `next - 1 <= bound <= attempted <= limit`.
/// - RA2: the store holds at least `bound`; at most `attempted`, if its owner is the only one.
///
/// # Sources
///
/// The rule is that of write-ahead logging, for one number: Mohan et al., *ARIES* (1992). Databases use it for
/// sequences and transaction ids.
#[derive(Debug)]
pub struct ReserveAhead<S> {
    store: S,
    next: u64,
    bound: u64,
    /// The highest bound that this owner ever tried to write.
    attempted: u64,
    ahead: NonZeroU64,
    limit: Limit,
}

const _: () = assert!(size_of::<ReserveAhead<()>>() == 40);

impl<S: Store> ReserveAhead<S> {
    /// Starts above the bound in the store; each write reserves `ahead` numbers. Reads the store, writes nothing.
    ///
    /// A higher `ahead` means fewer writes, and a larger gap at each restart.
    ///
    /// # Errors
    ///
    /// As [`resume_with_limit`](Self::resume_with_limit).
    pub fn resume(store: S, ahead: NonZeroU64) -> Result<Self, ReserveError<S::Error>> {
        Self::resume_with_limit(store, ahead, Limit::MAX)
    }

    /// Like [`resume`](Self::resume), but issues nothing above `limit`.
    ///
    /// # Errors
    ///
    /// [`ReserveError::Store`] if the store cannot be read; [`ReserveError::AboveLimit`] if its bound is above the
    /// limit. To keep the store for another try, pass it as `&mut`.
    pub fn resume_with_limit(
        mut store: S,
        ahead: NonZeroU64,
        limit: Limit,
    ) -> Result<Self, ReserveError<S::Error>> {
        let bound = store.read().map_err(ReserveError::Store)?;
        if bound > limit.get() {
            return Err(ReserveError::AboveLimit { number: bound, limit });
        }
        // No overflow: the bound is at most 2^63 - 1.
        Ok(Self { store, next: bound + 1, bound, attempted: bound, ahead, limit })
    }

    /// Issues the next number. O(1), and one read and one write of the store for every `ahead` numbers.
    ///
    /// # Errors
    ///
    /// [`ReserveError::TooFewNumbers`], [`ReserveError::Store`] or [`ReserveError::Moved`]. No number is issued, and
    /// the next call tries again. If a failed write has arrived after all, that call continues above it.
    #[inline]
    pub fn issue(&mut self) -> Result<u64, ReserveError<S::Error>> {
        let number = self.next;
        if number > self.bound {
            return Ok(self.issue_beyond(NonZeroU64::MIN)?.first());
        }
        // No overflow: a number is at most 2^63 - 1.
        self.next = number + 1;
        Ok(number)
    }

    /// Issues `n` consecutive numbers. O(1), and at most one read and one write of the store.
    ///
    /// # Errors
    ///
    /// Those of [`issue`](Self::issue). No number is issued.
    pub fn issue_range(&mut self, n: NonZeroU64) -> Result<NumberRange, ReserveError<S::Error>> {
        match NumberRange::starting_at(self.next, n).filter(|range| range.last() <= self.bound) {
            Some(range) => {
                // No overflow: a number is at most 2^63 - 1.
                self.next = range.last() + 1;
                Ok(range)
            }
            None => self.issue_beyond(n),
        }
    }

    /// Records that `number` was issued elsewhere: from now on, and after any restart, only higher numbers are issued.
    ///
    /// O(1), and one read and one write of the store if `number` is above the bound. `Ok` means that the record is
    /// durable. So this can also guard the use of numbers from another source; see the type's examples.
    ///
    /// # Errors
    ///
    /// [`ReserveError::AboveLimit`] if `number` is above the limit. A forged number just below the limit would use up
    /// everything, so check numbers from outside before this call. [`ReserveError::Store`] or [`ReserveError::Moved`]
    /// if the number could not be recorded, although it may have reached the store. The reserved numbers are unchanged.
    pub fn observe(&mut self, number: u64) -> Result<(), ReserveError<S::Error>> {
        if number > self.limit.get() {
            return Err(ReserveError::AboveLimit { number, limit: self.limit });
        }
        if number > self.bound {
            let next = self.next_by_store()?;
            self.write(number)?;
            self.next = next;
        }
        // No overflow: `number` is at most the limit.
        self.next = self.next.max(number + 1);
        self.debug_validate();
        Ok(())
    }

    /// Issues `n` numbers that do not all lie within the bound.
    #[cold]
    fn issue_beyond(&mut self, n: NonZeroU64) -> Result<NumberRange, ReserveError<S::Error>> {
        let next = self.next_by_store()?;
        // No underflow: `next` is at most the limit + 1.
        let available = self.limit.get() - (next - 1);
        let range = NumberRange::starting_at(next, n).filter(|range| range.len() <= available);
        let range = range.ok_or(ReserveError::TooFewNumbers(TooFewNumbers { wanted: n.get(), available }))?;
        self.write(range.last())?;
        self.next = range.last() + 1;
        self.debug_validate();
        Ok(range)
    }

    /// Reads the store, and returns the next number that is free according to it.
    ///
    /// A bound above ours, but not above our highest attempt, is a write of ours that arrived after all. It may also be
    /// the same number from another owner, which has issued the numbers below. Nothing tells these cases apart, so we
    /// continue above it, as a restart does.
    fn next_by_store(&mut self) -> Result<u64, ReserveError<S::Error>> {
        let found = self.store.read().map_err(ReserveError::Store)?;
        if !(self.bound..=self.attempted).contains(&found) {
            return Err(ReserveError::Moved { expected: self.bound, found });
        }
        // No overflow: RA1.
        Ok(if found > self.bound { found + 1 } else { self.next })
    }

    /// Writes a bound of at least `needed`; it reserves `ahead` numbers from there on if the limit allows.
    fn write(&mut self, needed: u64) -> Result<(), ReserveError<S::Error>> {
        let target = needed.saturating_add(self.ahead.get() - 1).min(self.limit.get()).max(self.attempted);
        self.attempted = target;
        self.store.write(target).map_err(ReserveError::Store)?;
        self.bound = target;
        Ok(())
    }

    /// Issues numbers one after another, each with a result; never ends by itself.
    ///
    /// ```
    /// # struct InMemory(u64);
    /// # impl happens_before::sequence::Store for InMemory {
    /// #     type Error = std::convert::Infallible;
    /// #     fn read(&mut self) -> Result<u64, Self::Error> { Ok(self.0) }
    /// #     fn write(&mut self, number: u64) -> Result<(), Self::Error> { self.0 = number; Ok(()) }
    /// # }
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::ReserveAhead;
    ///
    /// let mut numbers = ReserveAhead::resume(InMemory(6), NonZeroU64::MIN)?;
    /// let three: Vec<u64> = numbers.numbers().take(3).collect::<Result<_, _>>()?;
    /// assert_eq!(three, [7, 8, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn numbers(&mut self) -> impl Iterator<Item = Result<u64, ReserveError<S::Error>>> {
        iter::from_fn(|| Some(self.issue()))
    }
}

impl<S> ReserveAhead<S> {
    /// Returns the durable bound: after a restart, everything up to it counts as issued.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// Returns the count of numbers left up to the limit; there are fewer if a failed write has arrived.
    pub fn remaining(&self) -> u64 {
        // No underflow: RA1.
        self.limit.get() - (self.next - 1)
    }

    /// Returns the count of numbers that can be issued before the next write.
    pub fn reserved(&self) -> u64 {
        // No underflow: RA1.
        self.bound - (self.next - 1)
    }

    /// Returns the store. Its bound stays as it is, since lowering it could repeat numbers.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let ordered = self.next >= 1 && self.next - 1 <= self.bound && self.bound <= self.attempted;
        if ordered && self.attempted <= self.limit.get() {
            Ok(())
        } else {
            Err("RA1: next - 1 <= bound <= attempted <= limit")
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}
