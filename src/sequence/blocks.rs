//! An allocator of numbers from preallocated blocks.

use core::num::NonZeroU64;

use super::{AboveLimit, BlockRefused, BlockRefusedKind, Limit, NumberRange, RefillError};
use crate::counter::{Counter, TooFewNumbers};

/// Configuration of a [`Blocks`].
///
/// ```
/// use happens_before::sequence::{BlocksConfig, Limit};
///
/// let config = BlocksConfig { low_water: 100, limit: Limit::JSON, ..BlocksConfig::default() };
/// assert_eq!((config.epoch, config.highest), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BlocksConfig {
    /// Ask for the next block when no more than this many numbers are left; 0 asks when dry.
    ///
    /// Choose the count of numbers issued during one request to the counter, at the highest rate. A higher value leaves
    /// larger gaps after a crash; a lower one makes callers wait. At or above the size of a block, a block is always in
    /// reserve.
    pub low_water: u64,
    /// The highest number to issue. If a block crosses it, the part above is not issued; a block that begins above it is
    /// refused.
    pub limit: Limit,
    /// The epoch of the lease under which blocks are taken; leave it at 0 where there are no leases.
    pub epoch: u64,
    /// The highest number known to be issued already, by any allocator; 0 for none. Blocks at or below it are refused.
    /// If it is at or above the limit, nothing is left to issue.
    pub highest: u64,
}

/// An allocator of numbers from preallocated blocks, which its owner feeds to it.
///
/// There is no `Clone`: two copies would issue the same numbers.
///
/// # The problem
///
/// A counter in a database takes a round trip for each number. Taking a thousand at a time makes numbers nearly free,
/// and can fail in new ways:
///
/// - the fetcher and the counter disagree about the size of a block, so that blocks overlap (Hibernate's
///   `allocationSize` beside a sequence that increments by 1);
/// - a primary that lost its role returns and continues with an old block, below numbers issued since (Vitess's cached
///   sequences after a failover); or the answer to an old request arrives late;
/// - the block runs dry under load, and every caller waits for the round trip at once;
/// - a clean stop discards the rest of the block, a crash leaves a gap, and no record tells its size.
///
/// # The algorithm
///
/// [`Blocks`] does no input and no output. It holds at most two ranges; blocks that continue each other count as one.
/// Its owner *feeds* it:
///
/// 1. Take k numbers from a [`Counter`] in any way: blocking, async, by another thread. The answer is a [`NumberRange`]
///    with both its ends, so no caller needs to know k. Pass it to [`feed`](Blocks::feed).
/// 2. Issue from the block in use: [`issue`](Blocks::issue), [`issue_range`](Blocks::issue_range). When it is used up,
///    the one in reserve takes its place.
/// 3. When [`is_low`](Blocks::is_low) returns `true`, ask for the next block, *before* this one is dry.
/// 4. Accept only blocks above everything fed before, and only of the lease's *epoch*. All others are returned in the
///    error.
/// 5. When the lease changes hands, move to its epoch: [`start_epoch`](Blocks::start_epoch) discards the ranges held
///    and returns them.
/// 6. If numbers were issued without the counter, such as those of imported rows, [`observe`](Blocks::observe) them:
///    issuing goes on above.
/// 7. On a clean stop, [`stop`](Blocks::stop) returns the rest, to be fed to a later `Blocks`.
///
/// [`refill`](Blocks::refill) does steps 1 and 3 for callers that may block.
///
/// # Guarantees
///
/// | promise | |
/// |---|---|
/// | unique | yes, among all allocators fed from one linearizable counter; numbers from elsewhere must be observed by each of them before it issues |
/// | increasing per allocator | yes |
/// | increasing in real time | **no**: a node with an old block issues 2 after another issued 1,001 |
/// | consistent with causality | **no**: the same run, with a message between |
///
/// So blocks are for unique ids, and never for fencing or ordering. For these, take every number from the counter.
///
/// Every number fed is in exactly one of three places: `fed = issued + remaining + lost` ([`issued`](Blocks::issued),
/// [`remaining`](Blocks::remaining), [`lost`](Blocks::lost)). A crash turns `remaining` into a gap. If blocks of k are
/// requested only when [`is_low`](Blocks::is_low) returns `true`, the gap is at most `low_water + k`, including the
/// block that was being fetched.
///
/// # State that must survive a restart
///
/// Nothing, if gaps do not matter: a new `Blocks` takes new numbers. To continue with the rest from a clean stop, store
/// the epoch and the ranges. At the start **erase them durably before the first is fed**: if they were still stored
/// after a crash, their numbers would be issued again. Set [`highest`](BlocksConfig::highest) to the highest number
/// known to be issued: then the first block of a counter that went back is refused.
///
/// # Examples
///
/// A caller that may block:
///
/// ```
/// # #[cfg(any(target_has_atomic = "64", feature = "portable-atomic"))] {
/// use core::num::NonZeroU64;
/// use happens_before::counter::AtomicCounter;
/// use happens_before::sequence::{Blocks, BlocksConfig};
///
/// let counter = AtomicCounter::new(); // in practice, a counter that many nodes share
/// let thousand = NonZeroU64::new(1_000).unwrap();
///
/// let mut blocks = Blocks::new(BlocksConfig { low_water: 100, ..BlocksConfig::default() });
/// for number in 1..=5_000 {
///     if let Err(error) = blocks.refill(&counter, thousand) {
///         // No `?` here: the hundred numbers held last until the counter is back.
///         eprintln!("{error}");
///     }
///     assert_eq!(blocks.issue()?, number);
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A caller that may not block gets the block as a value, from a task or a thread:
///
/// ```
/// use happens_before::sequence::{Blocks, BlocksConfig, NumberRange};
///
/// let mut blocks = Blocks::new(BlocksConfig { low_water: 2, ..BlocksConfig::default() });
/// assert!(blocks.is_low()); // send the request for a block; meanwhile:
/// assert!(blocks.issue().is_err());
///
/// blocks.feed(0, NumberRange::new(41..=44).unwrap())?; // the answer
/// assert_eq!((blocks.issue()?, blocks.is_low()), (41, false));
/// assert_eq!((blocks.issue()?, blocks.is_low()), (42, true)); // send the next one; 43 and 44 are still held
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - BK1: the block in use lies below the one in reserve, and both at or below `highest` and within the limit.
/// - BK2: `remaining + lost` is at most `fed`.
/// - BK3: [`is_low`](Blocks::is_low) is `true` if the low-water mark is reached and a block would be accepted: there is
///   room, and [`highest`](Blocks::highest) is below the limit.
/// - BK4: every number held is above all observed ones.
///
/// # Sources
///
/// Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Noncausal sequence number generators".
/// The technique is known as Hi/Lo from Ambler, *Mapping Objects to Relational Databases* (2000). Deviation:
/// blocks carry their ends instead of a high half and an agreed size.
#[derive(Debug)]
#[must_use = "the numbers held by blocks that are dropped are lost"]
pub struct Blocks {
    /// In use: `next ..= last`, empty if `next > last`.
    next: u64,
    last: u64,
    /// From this `next` on, a block is wanted.
    low_from: u64,
    reserve: Option<NumberRange>,
    /// The highest number fed, or taken before the first block.
    highest: u64,
    /// The highest number observed.
    observed: u64,
    limit: Limit,
    low_water: u64,
    epoch: u64,
    fed: u64,
    lost: u64,
}

const _: () = assert!(size_of::<Blocks>() == 96);

impl Blocks {
    /// Makes an allocator that holds nothing yet.
    pub const fn new(config: BlocksConfig) -> Self {
        let BlocksConfig { low_water, limit, epoch, highest } = config;
        // If all numbers within the limit are taken, no block is ever wanted.
        let low_from = if highest < limit.get() { 0 } else { u64::MAX };
        Self {
            next: 1,
            last: 0,
            low_from,
            reserve: None,
            highest,
            observed: 0,
            limit,
            low_water,
            epoch,
            fed: 0,
            lost: 0,
        }
    }

    /// Issues the next number. O(1).
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if no number is held. Nothing is changed. [`feed`](Self::feed) a block and call again.
    #[inline]
    pub fn issue(&mut self) -> Result<u64, TooFewNumbers> {
        if self.next > self.last && !self.promote() {
            return Err(TooFewNumbers { wanted: 1, available: 0 });
        }
        let number = self.next;
        // No overflow: `next` is at most `last`, which is at most 2^63 - 1.
        self.next = number + 1;
        Ok(number)
    }

    /// Issues `n` consecutive numbers. O(1).
    ///
    /// If the block in use is too short and the one in reserve is not, the rest of the one in use is given up and
    /// counted as [`lost`](Self::lost). Otherwise later numbers would be lower than these.
    ///
    /// # Errors
    ///
    /// [`TooFewNumbers`] if neither block has `n` numbers left. Nothing is changed. Feed a block of at least `n`, or
    /// take a long range from the counter directly.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::{Blocks, BlocksConfig, NumberRange};
    ///
    /// let mut blocks = Blocks::new(BlocksConfig::default());
    /// blocks.feed(0, NumberRange::new(1..=5).unwrap())?;
    /// blocks.feed(0, NumberRange::new(11..=15).unwrap())?;
    ///
    /// let three = NonZeroU64::new(3).unwrap();
    /// assert_eq!(blocks.issue_range(three)?, NumberRange::new(1..=3).unwrap());
    /// assert_eq!(blocks.issue_range(three)?, NumberRange::new(11..=13).unwrap());
    /// assert_eq!(blocks.lost(), 2); // 4 and 5
    /// assert_eq!(blocks.issue_range(three).unwrap_err().available, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn issue_range(&mut self, n: NonZeroU64) -> Result<NumberRange, TooFewNumbers> {
        let [in_use, in_reserve] = self.held();
        let len = |range: Option<NumberRange>| range.map_or(0, |range| range.len());
        let prefix = |range: Option<NumberRange>| range.and_then(|range| range.prefix(n));
        let range = match (prefix(in_use), prefix(in_reserve)) {
            (Some(range), _) => range,
            (None, Some(range)) => {
                self.lost += len(in_use);
                self.promote();
                range
            }
            (None, None) => {
                return Err(TooFewNumbers { wanted: n.get(), available: len(in_use).max(len(in_reserve)) });
            }
        };
        // No overflow: `range` is the first part of `next ..= last`.
        self.next = range.last() + 1;
        self.debug_validate();
        Ok(range)
    }

    /// Accepts a block that was taken from the counter under the lease of `epoch`. O(1).
    ///
    /// A block that continues the one in use is joined to it; any other goes in reserve. If a block crosses the limit,
    /// the part above counts as [`lost`](Self::lost). So does the part that is not above the numbers
    /// [observed](Self::observe).
    ///
    /// # Errors
    ///
    /// [`BlockRefused`] returns the block. Nothing is changed.
    pub fn feed(&mut self, epoch: u64, block: NumberRange) -> Result<(), BlockRefused> {
        let refused = |kind| Err(BlockRefused { block, kind });
        if epoch != self.epoch {
            return refused(BlockRefusedKind::OtherEpoch { epoch, current: self.epoch });
        }
        if block.first() <= self.highest || block.last() <= self.observed {
            return refused(BlockRefusedKind::NotAbove { highest: self.highest() });
        }
        let block_above = Self::above(self.observed, block);
        let within = |block: NumberRange| NumberRange::new(block.first()..=block.last().min(self.limit.get()));
        let Some(usable) = block_above.and_then(within) else {
            return refused(BlockRefusedKind::AboveLimit { limit: self.limit });
        };
        if self.next > self.last {
            self.promote(); // leaves room, so that nothing below refuses
        }
        match self.held() {
            [Some(_), Some(_)] => return refused(BlockRefusedKind::Full),
            // No overflow: `last` is below the block's first number.
            [Some(in_use), _] if in_use.last() + 1 != usable.first() => self.reserve = Some(usable),
            [Some(_), _] => self.last = usable.last(),
            [None, _] => (self.next, self.last) = (usable.first(), usable.last()),
        }
        self.highest = block.last();
        self.low_from = self.expected_low_from();
        // No overflow: blocks fed are disjoint and at most 2^63 - 1; the usable part is a part of the block.
        self.fed += block.len();
        self.lost += block.len() - usable.len();
        self.debug_validate();
        Ok(())
    }

    /// Returns whether to ask for a block now. Three conditions must hold: the low-water mark is reached, there is
    /// room, and not all numbers up to the limit are known to be taken.
    ///
    /// The result changes only with `issue`, `issue_range`, `feed`, `observe` and `start_epoch`. It ignores requests under way:
    /// the caller must send one at a time.
    #[inline]
    pub fn is_low(&self) -> bool {
        self.next >= self.low_from
    }

    /// Takes `k` numbers from `counter` if [`is_low`](Self::is_low), otherwise does nothing. Returns whether it took
    /// them.
    ///
    /// Then it asks the counter for its current number too, so a block takes two requests. The first block exposes a
    /// counter that ignores `k`, *unless others take numbers at that moment*. On a busy counter, they move the number
    /// past the block's end, and the block is trusted.
    ///
    /// If a number was [observed](Self::observe) that the counter has not reached, the counter is raised to it first,
    /// with two more requests.
    ///
    /// # Errors
    ///
    /// [`RefillError`] if the counter gave no usable block. Nothing is changed here, but numbers of the counter may be
    /// spent. Numbers that are held can still be issued; call again later.
    #[inline]
    pub fn refill<C: Counter + ?Sized>(
        &mut self,
        counter: &C,
        k: NonZeroU64,
    ) -> Result<bool, RefillError<C::Error>> {
        if self.is_low() {
            self.refill_now(counter, k)?;
            return Ok(true);
        }
        Ok(false)
    }

    #[cold]
    fn refill_now<C: Counter + ?Sized>(
        &mut self,
        counter: &C,
        k: NonZeroU64,
    ) -> Result<(), RefillError<C::Error>> {
        if self.observed > self.highest {
            let current = counter.current().map_err(RefillError::Counter)?;
            if let Some(lag) = NonZeroU64::new(self.observed.saturating_sub(current)) {
                counter.increment_and_get(lag).map_err(RefillError::Counter)?;
            }
        }
        let first = counter.increment_and_get(k).map_err(RefillError::Counter)?;
        let current = counter.current().map_err(RefillError::Counter)?;
        match NumberRange::starting_at(first, k) {
            Some(block) if block.last() <= current => {
                self.feed(self.epoch, block).map_err(RefillError::Refused)
            }
            _ => Err(RefillError::WrongSize { first, asked: k, current }),
        }
    }

    /// Moves to a newer epoch after the lease was lost or renewed; discards and returns what is held.
    ///
    /// From now on only blocks of this epoch are accepted, so a late answer to an earlier request is refused. They must
    /// still be above everything fed before. The discarded numbers count as [`lost`](Self::lost). They may be logged,
    /// but only the new lease holder can decide whether they may be issued.
    ///
    /// `None` if `epoch` is not above the current one: the lease has moved on. Nothing is changed.
    #[must_use = "`None` says that the epoch was not started"]
    pub fn start_epoch(&mut self, epoch: u64) -> Option<[Option<NumberRange>; 2]> {
        if epoch <= self.epoch {
            return None;
        }
        let discarded = self.held();
        self.lost += self.remaining();
        (self.next, self.last, self.reserve, self.epoch) = (1, 0, None, epoch);
        self.low_from = self.expected_low_from();
        self.debug_validate();
        Some(discarded)
    }

    /// Records that `number` was issued elsewhere, without the counter: from now on only higher numbers are issued. O(1).
    ///
    /// Numbers held that are not higher are given up, and count as [`lost`](Self::lost). Every allocator of the counter
    /// must be told, before it issues and again after a restart. Or raise the counter itself above the number while no
    /// allocator holds a block. [`refill`](Self::refill) raises it; a caller that feeds blocks must do so itself.
    ///
    /// # Errors
    ///
    /// [`AboveLimit`] if `number` is above the limit, so that this allocator never issues it. Nothing is changed. A
    /// forged number just below the limit would use up everything, so check numbers from outside before this call.
    ///
    /// # Examples
    ///
    /// Rows are imported with ids of their own, the highest of them 1,200, while a block of 1,000 is in use.
    ///
    /// ```
    /// # #[cfg(any(target_has_atomic = "64", feature = "portable-atomic"))] {
    /// use core::num::NonZeroU64;
    /// use happens_before::counter::AtomicCounter;
    /// use happens_before::sequence::{Blocks, BlocksConfig};
    ///
    /// let (counter, thousand) = (AtomicCounter::new(), NonZeroU64::new(1_000).unwrap());
    /// let mut blocks = Blocks::new(BlocksConfig::default());
    /// blocks.refill(&counter, thousand)?;
    /// assert_eq!(blocks.issue()?, 1);
    ///
    /// blocks.observe(1_200)?;
    /// blocks.refill(&counter, thousand)?; // raises the counter to 1,200
    /// assert_eq!(blocks.issue()?, 1_201);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observe(&mut self, number: u64) -> Result<(), AboveLimit> {
        if number > self.limit.get() {
            return Err(AboveLimit { number, limit: self.limit });
        }
        self.observed = self.observed.max(number);
        let before = self.remaining();
        let [in_use, reserve] = self.held().map(|range| Self::above(number, range?));
        (self.next, self.last) = in_use.map_or((1, 0), |range| (range.first(), range.last()));
        self.reserve = reserve;
        if in_use.is_none() {
            self.promote();
        }
        self.lost += before - self.remaining();
        self.low_from = self.expected_low_from();
        self.debug_validate();
        Ok(())
    }

    /// Returns the part of a range above `number`, which is at most 2^63 - 1.
    fn above(number: u64, range: NumberRange) -> Option<NumberRange> {
        // No overflow: `number` is at most 2^63 - 1.
        NumberRange::new(range.first().max(number + 1)..=range.last())
    }

    /// Ends this allocator cleanly and returns the numbers left, in order, for a later one of the same epoch.
    ///
    /// ```
    /// use happens_before::sequence::{Blocks, BlocksConfig, NumberRange};
    ///
    /// let mut blocks = Blocks::new(BlocksConfig::default());
    /// blocks.feed(0, NumberRange::new(1..=5).unwrap())?;
    /// assert_eq!(blocks.issue()?, 1);
    /// let left = blocks.stop(); // store the epoch and these
    ///
    /// let mut later = Blocks::new(BlocksConfig::default());
    /// for range in left.into_iter().flatten() { // erased from the store before
    ///     later.feed(0, range)?;
    /// }
    /// assert_eq!(later.issue()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the numbers are lost if no later allocator is fed them"]
    pub fn stop(self) -> [Option<NumberRange>; 2] {
        self.held()
    }

    /// Returns the ranges held: the rest of the block in use, and the block in reserve.
    pub fn held(&self) -> [Option<NumberRange>; 2] {
        [NumberRange::new(self.next..=self.last), self.reserve]
    }

    /// Returns the count of numbers that can be issued without another block.
    #[inline]
    pub fn remaining(&self) -> u64 {
        // No overflow: `next` is at most `last + 1`, and the two blocks are disjoint.
        self.last + 1 - self.next + self.reserve.map_or(0, |range| range.len())
    }

    /// Returns the count of numbers issued.
    pub fn issued(&self) -> u64 {
        // No underflow: BK2.
        self.fed - self.remaining() - self.lost
    }

    /// Returns the count of numbers given up: to make a range, at the end of an epoch, above the limit, or not above an
    /// observed number.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the epoch whose blocks are accepted.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the highest number known to be taken, fed or observed; blocks at or below it are refused.
    pub fn highest(&self) -> u64 {
        self.highest.max(self.observed)
    }

    /// Moves the block in reserve to the place of the one in use; returns whether there was one.
    #[cold]
    fn promote(&mut self) -> bool {
        match self.reserve.take() {
            Some(range) => {
                (self.next, self.last) = (range.first(), range.last());
                self.low_from = self.expected_low_from();
                true
            }
            None => false,
        }
    }

    /// Returns the `next` from which on no more than the low-water mark is left; `u64::MAX` if no further block would
    /// be accepted.
    fn expected_low_from(&self) -> u64 {
        // No overflow: `last` is at most 2^63 - 1.
        let dry_from = self.last + 1;
        match self.reserve {
            _ if self.highest() >= self.limit.get() => u64::MAX,
            None => dry_from.saturating_sub(self.low_water),
            Some(range) if range.len() <= self.low_water => dry_from,
            Some(_) => u64::MAX,
        }
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let top = self.reserve.map_or(self.last, |range| range.last());
        let ordered = self.reserve.is_none_or(|range| self.last < range.first());
        if !ordered || top > self.highest || top > self.limit.get() {
            Err("BK1: in use below in reserve, both at or below highest and within the limit")
        } else if self.remaining() + self.lost > self.fed {
            Err("BK2: remaining + lost is at most fed")
        } else if self.is_low() != (self.next >= self.expected_low_from()) {
            Err("BK3: is_low says that the low-water mark is reached and a block would be accepted")
        } else if self.held().into_iter().flatten().any(|range| range.first() <= self.observed) {
            Err("BK4: every number held is above all observed ones")
        } else {
            Ok(())
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

/// Issues the numbers held; `None` when dry, and again `Some` once fed.
impl Iterator for Blocks {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.issue().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::try_from(self.remaining());
        (remaining.unwrap_or(usize::MAX), remaining.ok())
    }
}
