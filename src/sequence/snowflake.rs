//! An allocator of ids that contain the time of day.

use core::num::NonZeroU64;

use super::{NumberRange, SnowflakeError};
use crate::counter::TooFewNumbers;
use crate::scalar::TimeSource;

/// The widths in bits of the parts of an id: milliseconds, node and sequence; together at most 63.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::SnowflakeLayout;
///
/// // 2 bits of node, 10 of sequence, and 2^41 ms: about 69 years. Together 53 bits, which JSON can carry.
/// let layout = SnowflakeLayout::new(41, 2, 10).unwrap();
/// assert_eq!(layout.highest_id(), (1 << 53) - 1);
/// assert_eq!(layout.decode(0b101_11_0000000001), (0b101, 0b11, 1));
/// assert_eq!(SnowflakeLayout::new(42, 10, 12), None); // 64 bits
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnowflakeLayout {
    ms_bits: u8,
    node_bits: u8,
    sequence_bits: u8,
}

impl SnowflakeLayout {
    /// 41, 10, 12: 69 years, 1,024 nodes, 4,096 ids a millisecond. This is the layout of Twitter's Snowflake.
    pub const SNOWFLAKE: Self = Self { ms_bits: 41, node_bits: 10, sequence_bits: 12 };

    /// 41, 4, 8: 69 years, 16 nodes, 256 ids a millisecond, at most 2^53 - 1.
    pub const JSON: Self = Self { ms_bits: 41, node_bits: 4, sequence_bits: 8 };

    /// Makes a layout; `None` if it has no bit for milliseconds or more than 63 bits in all.
    #[must_use]
    pub const fn new(ms_bits: u8, node_bits: u8, sequence_bits: u8) -> Option<Self> {
        // No overflow: in 16 bits.
        let total = ms_bits as u16 + node_bits as u16 + sequence_bits as u16;
        if ms_bits >= 1 && total <= 63 { Some(Self { ms_bits, node_bits, sequence_bits }) } else { None }
    }

    /// Returns the widths in bits: of the milliseconds, of the node and of the sequence.
    pub const fn bits(self) -> (u8, u8, u8) {
        (self.ms_bits, self.node_bits, self.sequence_bits)
    }

    /// Returns the highest millisecond since the origin.
    pub const fn highest_ms(self) -> u64 {
        ones(self.ms_bits)
    }

    /// Returns the highest node number.
    pub const fn highest_node(self) -> u64 {
        ones(self.node_bits)
    }

    /// Returns the highest sequence within a millisecond.
    pub const fn highest_sequence(self) -> u64 {
        ones(self.sequence_bits)
    }

    /// Returns the highest id, at most 2^63 - 1.
    pub const fn highest_id(self) -> u64 {
        ones(self.ms_bits + self.node_bits + self.sequence_bits)
    }

    /// Splits an id into milliseconds since the origin, node and sequence.
    ///
    /// Bits above the layout are returned with the milliseconds.
    pub const fn decode(self, id: u64) -> (u64, u64, u64) {
        let ms = id >> self.ms_shift();
        (ms, (id >> self.sequence_bits) & self.highest_node(), id & self.highest_sequence())
    }

    const fn ms_shift(self) -> u8 {
        self.node_bits + self.sequence_bits
    }
}

/// [`SNOWFLAKE`](SnowflakeLayout::SNOWFLAKE).
impl Default for SnowflakeLayout {
    fn default() -> Self {
        Self::SNOWFLAKE
    }
}

/// The highest number of this many bits, at most 63.
const fn ones(bits: u8) -> u64 {
    (1 << bits) - 1
}

/// Configuration of a [`Snowflake`].
///
/// There is no `Default`: two nodes with the default node number would issue the same ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnowflakeConfig {
    /// The widths. They must be the same for all nodes, for ever.
    pub layout: SnowflakeLayout,
    /// This node's number, which no other allocator may have at the same time.
    pub node: u64,
    /// The time that counts as millisecond 0, on the caller's clock. It must be the same for all nodes, for ever.
    ///
    /// With Unix time and 41 bits, an origin of 0 lasts until 2039; `1_735_689_600_000`, the start of 2025,
    /// lasts until 2094.
    pub origin_ms: u64,
    /// The most milliseconds by which ids may be ahead of the clock.
    ///
    /// It is the largest step back of the clock that callers do not notice, and the most that a burst may run ahead. A
    /// higher value tolerates more, but ids sort less well by time. With 0, any step back and any full millisecond is
    /// an error.
    pub ahead_ms: u64,
    /// The number of lowest bits of an id that are spread evenly, at most the bits of the sequence; 0 for none.
    ///
    /// At a low rate every id has sequence 0, so a table that is divided by `id % 16` gets all rows in one part. With 4
    /// the sequence of a new millisecond begins where the last one stopped, modulo 16, so that all sixteen parts get
    /// their share. The cost: a millisecond that does not begin at 0 has fewer ids, by up to 15. Nodes may differ in it,
    /// and it may change at a restart: the layout stays the same.
    pub spread_bits: u8,
}

/// One node's allocator of time-of-day ids.
///
/// There is no `Clone`: two copies would issue the same ids. Unlike the other allocators it is no iterator: each id
/// needs the time of its call, and an error names the time of the next try. If neither matters, use
/// `iter::from_fn(|| clock.issue(&source).ok())`.
///
/// # The problem
///
/// Ids should need no coordination, and should sort roughly by time. Generators of such ids fail in five ways:
///
/// - The clock goes back: a repeated millisecond gives repeated ids, or the generator stops for the length of the step.
/// - A burst uses up a millisecond: some generators spin, others wrap around.
/// - After a restart, the clock may stand before the last id.
/// - At a low rate the sequence is always 0, and so is `id % 16`, by which tables are divided.
/// - JavaScript cannot read 63-bit numbers.
///
/// # The algorithm
///
/// ```text
///   | milliseconds since the origin | node | sequence |        SnowflakeLayout::SNOWFLAKE: 41, 10 and 12 bits
/// ```
///
/// 1. Each call gets the time, as a number or as a [`TimeSource`]: [`Snowflake::issue`].
/// 2. If its millisecond is later than that of the last id, the next id has sequence 0 of that millisecond. With
///    [`spread_bits`](SnowflakeConfig::spread_bits), the lowest bits of its sequence go on from the last id instead.
/// 3. If it is the same or earlier, the millisecond of the last id is held, and its sequence counts on.
/// 4. When a burst has used up a millisecond's sequence, the next millisecond begins early.
/// 5. So ids can be ahead of the clock, after a step back or a burst. More than `ahead_ms` ahead is an error, which
///    names the time of the next try.
/// 6. After a restart, skip everything up to the last millisecond that may have been used: [`Snowflake::skip_past`].
///
/// # Guarantees
///
/// | promise | |
/// |---|---|
/// | unique | yes, if no two allocators have the same node number at the same time, and restarts are guarded |
/// | increasing per allocator | yes, even if the clock goes back |
/// | increasing in real time | only up to the difference between the nodes' clocks plus `ahead_ms` |
/// | consistent with causality | **no**: a node whose clock lags answers with a lower id |
///
/// A clock that leaps ahead takes the ids with it. Once it is set right, issuing fails until it has caught up, or until
/// the node returns with another number. No allocator can tell a leap from time that has passed.
///
/// # State that must survive a restart
///
/// A millisecond that is not before that of any issued id. There are two ways to have one:
///
/// - with a store: after [`issue`](Snowflake::issue) and before the use of the id,
///   [`observe`](super::ReserveAhead::observe) its [`last_ms`](Snowflake::last_ms) with a
///   [`ReserveAhead`](super::ReserveAhead) of milliseconds. At the start, skip past its bound. The bound may be ahead
///   of the clock by the whole reserve. So after a quick restart calls return
///   [`ClockBehind`](SnowflakeError::ClockBehind) for up to the reserve less `ahead_ms`: 995 ms with a reserve of 1,000
///   ms and `ahead_ms` of 5;
/// - without a store, if the clock goes back by at most some d across a restart: at the start, skip past the clock's
///   reading plus `ahead_ms` plus d. The first ids then come that much later.
///
/// # Examples
///
/// ```
/// use happens_before::sequence::{SnowflakeLayout, Snowflake, SnowflakeConfig, SnowflakeError};
///
/// let layout = SnowflakeLayout::SNOWFLAKE;
/// let config = SnowflakeConfig { layout, node: 5, origin_ms: 1_000, ahead_ms: 10, spread_bits: 0 };
/// let mut clock = Snowflake::new(config)?;
///
/// assert_eq!(layout.decode(clock.issue(1_500)?), (500, 5, 0));
/// assert_eq!(layout.decode(clock.issue(1_500)?), (500, 5, 1));
/// assert_eq!(layout.decode(clock.issue(1_493)?), (500, 5, 2)); // the clock went back a little
/// assert_eq!(
///     clock.issue(1_200), // and a lot
///     Err(SnowflakeError::ClockBehind { now_ms: 1_200, retry_at_ms: 1_490 }),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One id a second, for a table in sixteen parts. Set `spread_bits` to 0: all rows go to part 0.
///
/// ```
/// use happens_before::sequence::{Snowflake, SnowflakeConfig, SnowflakeLayout};
///
/// let layout = SnowflakeLayout::SNOWFLAKE;
/// let mut clock =
///     Snowflake::new(SnowflakeConfig { layout, node: 5, origin_ms: 0, ahead_ms: 10, spread_bits: 4 })?;
/// let mut rows = [0; 16];
/// for second in 1..=160 {
///     rows[(clock.issue(1_000 * second)? % 16) as usize] += 1;
/// }
/// assert_eq!(rows, [10; 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - SF1: the last id has this node's number and a millisecond that the layout can hold.
/// - SF2: the held millisecond, and its end, are those of the last id.
///
/// # Sources
///
/// The layout is that of Twitter's Snowflake (2010). Deviations: rules 3 to 5, while Snowflake refuses as soon as the
/// clock lags, and waits in a loop when a millisecond is used up; widths can be chosen, and ids spread over parts of a table.
#[derive(Debug)]
pub struct Snowflake {
    /// The held millisecond, on the caller's clock: that of the last id issued or skipped.
    held_ms: u64,
    /// The last id issued or skipped; at the start sequence 0 of millisecond 0, so that no id is 0.
    last: u64,
    /// The last id of the held millisecond: the ids from `last + 1` to here are free.
    end: u64,
    /// The node's number, shifted to its place in an id.
    node: u64,
    origin_ms: u64,
    ahead_ms: u64,
    layout: SnowflakeLayout,
    spread_bits: u8,
}

// The size is smaller on targets that align 64-bit numbers to 4 bytes, such as i686.
const _: () = assert!(size_of::<Snowflake>() <= 56);

impl Snowflake {
    /// Makes the allocator of a node that has issued nothing yet. After a restart, call [`skip_past`](Self::skip_past)
    /// for the milliseconds that may have been used.
    ///
    /// # Errors
    ///
    /// [`SnowflakeError`] if the node's number or the spread is too wide for the layout, or if the layout ends after the
    /// last millisecond of a `u64`.
    pub const fn new(config: SnowflakeConfig) -> Result<Self, SnowflakeError> {
        let SnowflakeConfig { layout, node, origin_ms, ahead_ms, spread_bits } = config;
        if node > layout.highest_node() {
            return Err(SnowflakeError::NodeTooWide { node, highest: layout.highest_node() });
        }
        if spread_bits > layout.sequence_bits {
            return Err(SnowflakeError::SpreadTooWide { spread_bits, highest: layout.sequence_bits });
        }
        let highest_origin = u64::MAX - layout.highest_ms();
        if origin_ms > highest_origin {
            return Err(SnowflakeError::OriginTooLate { origin_ms, highest: highest_origin });
        }
        let node = node << layout.sequence_bits;
        let end = node | layout.highest_sequence();
        Ok(Self { held_ms: origin_ms, last: node, end, node, origin_ms, ahead_ms, layout, spread_bits })
    }

    /// Issues the next id. O(1).
    ///
    /// `now` is the caller's clock, or its reading in milliseconds.
    ///
    /// # Errors
    ///
    /// [`SnowflakeError::ClockBehind`] if the id would be more than `ahead_ms` ahead of the clock;
    /// [`SnowflakeError::AfterEnd`] if the clock is after the layout's last millisecond;
    /// [`SnowflakeError::TooFewNumbers`] if that millisecond is used up. No id is issued.
    #[inline]
    pub fn issue(&mut self, now: impl TimeSource) -> Result<u64, SnowflakeError> {
        let now_ms = now.now_ms();
        // The common case apart, only for speed.
        if now_ms == self.held_ms && self.last < self.end {
            // No overflow: `last` is below `end`.
            self.last += 1;
        } else {
            self.last = self.first_of_range(now_ms, NonZeroU64::MIN)?;
        }
        Ok(self.last)
    }

    /// Issues `n` consecutive ids of one millisecond. O(1).
    ///
    /// `now` is the caller's clock, or its reading in milliseconds. If the held millisecond has too few ids left, the
    /// next one begins early.
    ///
    /// # Errors
    ///
    /// Those of [`issue`](Self::issue), and [`SnowflakeError::RangeTooLong`] if a millisecond does not have `n` ids. No
    /// id is issued.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use happens_before::sequence::{SnowflakeLayout, Snowflake, SnowflakeConfig};
    ///
    /// let layout = SnowflakeLayout::new(41, 10, 2).unwrap(); // 4 ids a millisecond
    /// let mut clock = Snowflake::new(SnowflakeConfig { layout, node: 0, origin_ms: 0, ahead_ms: 1, spread_bits: 0 })?;
    ///
    /// let three = NonZeroU64::new(3).unwrap();
    /// let ranges = [clock.issue_range(7, three)?, clock.issue_range(7, three)?];
    /// assert_eq!(ranges.map(|range| layout.decode(range.first())), [(7, 0, 0), (8, 0, 0)]);
    /// assert!(clock.issue_range(8, NonZeroU64::new(5).unwrap()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn issue_range(&mut self, now: impl TimeSource, n: NonZeroU64) -> Result<NumberRange, SnowflakeError> {
        let longest = self.layout.highest_sequence() + 1;
        if n.get() > longest {
            return Err(SnowflakeError::RangeTooLong { longest });
        }
        let first = self.first_of_range(now.now_ms(), n)?;
        // No overflow: the range ends with the millisecond held or before.
        self.last = first + (n.get() - 1);
        self.debug_validate();
        Ok(range_of_ids(first, self.last))
    }

    /// Skips all ids up to the millisecond `ms` of the caller's clock, included. O(1).
    ///
    /// Use it after a restart, and if a node takes over another's number. A millisecond that is already past changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`SnowflakeError::AfterEnd`] if `ms` is after the layout's last millisecond: the saved value is damaged, or has
    /// another origin. Nothing is changed.
    pub fn skip_past(&mut self, ms: u64) -> Result<(), SnowflakeError> {
        let Some(since_origin) = ms.checked_sub(self.origin_ms) else { return Ok(()) };
        if since_origin > self.layout.highest_ms() {
            return Err(self.after_end(ms));
        }
        if ms >= self.held_ms {
            self.hold(since_origin);
            self.last = self.end;
        }
        self.debug_validate();
        Ok(())
    }

    /// Returns the latest millisecond that was used or skipped, on the caller's clock.
    pub fn last_ms(&self) -> u64 {
        self.held_ms
    }

    /// Returns the count of ids that this node can still issue before the layout ends, if the clock allows it. With
    /// [`spread_bits`](SnowflakeConfig::spread_bits) it is the most: later milliseconds may have fewer.
    pub fn remaining(&self) -> u64 {
        // No overflow or underflow: there are at most 2^63 ids, and the held millisecond is one of the layout.
        let later_ms = self.layout.highest_ms() - (self.held_ms - self.origin_ms);
        (later_ms << self.layout.sequence_bits) + (self.end - self.last)
    }

    /// Returns the widths.
    pub fn layout(&self) -> SnowflakeLayout {
        self.layout
    }

    /// Returns the first of the next `n` ids, at most as many as a millisecond has, and holds their millisecond.
    #[inline]
    fn first_of_range(&mut self, now_ms: u64, n: NonZeroU64) -> Result<u64, SnowflakeError> {
        let passed = now_ms > self.held_ms;
        if !passed && self.end - self.last >= n.get() {
            self.admit(self.held_ms, now_ms)?;
            // No overflow: `last` is below `end`.
            return Ok(self.last + 1);
        }
        // No overflow or underflow: the held millisecond is at or after the origin, and one of the layout.
        let since_origin = if passed { now_ms - self.origin_ms } else { self.held_ms - self.origin_ms + 1 };
        if since_origin > self.layout.highest_ms() {
            return Err(if passed {
                self.after_end(now_ms)
            } else {
                SnowflakeError::TooFewNumbers(TooFewNumbers {
                    wanted: n.get(),
                    available: self.end - self.last,
                })
            });
        }
        // No overflow: checked when the allocator was made.
        self.admit(self.origin_ms + since_origin, now_ms)?;
        let start = self.start(n);
        // No overflow: the start is a sequence.
        Ok(self.hold(since_origin) + start)
    }

    /// Returns the sequence at which the next millisecond begins, so that `n` ids have room.
    #[inline]
    fn start(&self, n: NonZeroU64) -> u64 {
        // No overflow: the last id is at most 2^63 - 1. No underflow: a millisecond has `n` ids.
        let spread = (self.last + 1) & ones(self.spread_bits);
        spread.min(self.layout.highest_sequence() - (n.get() - 1))
    }

    #[cold]
    fn after_end(&self, ms: u64) -> SnowflakeError {
        // No overflow: checked when the allocator was made.
        SnowflakeError::AfterEnd { ms, last_ms: self.origin_ms + self.layout.highest_ms() }
    }

    /// Refuses the millisecond `ms` for an id if it is too far ahead of the clock's reading `now_ms`.
    #[inline]
    fn admit(&self, ms: u64, now_ms: u64) -> Result<(), SnowflakeError> {
        if ms.saturating_sub(now_ms) <= self.ahead_ms {
            Ok(())
        } else {
            // No underflow: `ms` is above `ahead_ms` here.
            Err(SnowflakeError::ClockBehind { now_ms, retry_at_ms: ms - self.ahead_ms })
        }
    }

    /// Holds another millisecond of the layout, and returns its first id.
    #[inline]
    fn hold(&mut self, since_origin: u64) -> u64 {
        let first = since_origin << self.layout.ms_shift() | self.node;
        self.held_ms = self.origin_ms + since_origin;
        self.end = first | self.layout.highest_sequence();
        first
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        let (ms, node, _) = self.layout.decode(self.last);
        if ms > self.layout.highest_ms() || node << self.layout.sequence_bits != self.node {
            Err("SF1: the last id has this node's number and a millisecond of the layout")
        } else if self.held_ms != self.origin_ms + ms || self.end != self.last | self.layout.highest_sequence()
        {
            Err("SF2: what is held is the last id's millisecond")
        } else {
            Ok(())
        }
    }

    fn debug_validate(&self) {
        debug_assert_eq!(self.internal_validate(), Ok(()));
    }
}

#[expect(clippy::expect_used, reason = "SF1: no id is 0, and none is above 2^63 - 1")]
fn range_of_ids(first: u64, last: u64) -> NumberRange {
    NumberRange::new(first..=last).expect("ids are valid numbers")
}
