//! Lamport timestamps, and the clock of one owner.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use super::TooFarAhead;
use crate::node::{CounterExhausted, InvalidText, NodeId, text};

/// A moment of logical time: a counter, and the node that ticked, which breaks ties.
///
/// The order is total: by counter, then by node. It extends causality but is not causality: an event that happened
/// before is lower, yet a lower one may be concurrent.
///
/// # Examples
///
/// ```
/// use happens_before::scalar::LamportTimestamp;
///
/// let x = LamportTimestamp::new(3, 1).unwrap();
/// let y = LamportTimestamp::new(3, 2).unwrap();
/// let z = LamportTimestamp::new(4, 1).unwrap();
/// assert!(x < y && y < z);
/// assert_eq!(LamportTimestamp::new(0, 1), None); // no event has counter 0
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportTimestamp<I> {
    counter: NonZeroU64,
    node: I,
}

impl<I> LamportTimestamp<I> {
    /// Makes the timestamp (`counter`, `node`); `None` if `counter` is 0.
    #[must_use]
    pub fn new(counter: u64, node: I) -> Option<Self> {
        NonZeroU64::new(counter).map(|counter| Self { counter, node })
    }

    /// Returns the counter, at least 1.
    pub fn counter(&self) -> u64 {
        self.counter.get()
    }

    /// Returns the node that ticked.
    pub fn node(&self) -> &I {
        &self.node
    }

    fn scalar(&self) -> u64 {
        self.counter.get()
    }

    fn from_scalar(counter: u64, node: I) -> Option<Self> {
        Self::new(counter, node)
    }
}

key_bytes!(LamportTimestamp);

// Compact on the wire and in tables: 8 bytes of counter beside the id, and `Option` costs nothing.
const _: () = assert!(size_of::<LamportTimestamp<u64>>() == 16);
const _: () = assert!(size_of::<Option<LamportTimestamp<u64>>>() == 16);
const _: () = assert!(size_of::<LamportClock<u64>>() == 24);

impl<I: fmt::Display> fmt::Display for LamportTimestamp<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.counter, self.node)
    }
}

/// The inverse of `Display`; every other text is refused.
impl<I: FromStr + fmt::Display> FromStr for LamportTimestamp<I> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "(counter, node)", |text| {
            let (counter, node) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(", ")?;
            Self::new(counter.parse().ok()?, node.parse().ok()?)
        })
    }
}

/// One node's Lamport clock, for one owner at a time.
///
/// For a clock that threads share, see [`AtomicLamportClock`](crate::scalar::AtomicLamportClock). There is no `Clone`:
/// two copies would issue the same timestamps.
///
/// # The problem
///
/// Two nodes that each number their own events 1, 2, 3, ... contradict causality. Node 2 has written once so far. It
/// reads node 1's hundredth write, then answers it with a write that gets the number 2.
///
/// # The algorithm
///
/// 1. Before a local event, add one to the counter: [`LamportClock::tick`]. The event's timestamp is
///    (counter, node).
/// 2. Send the counter with every message and every answer. The receiver, **clients included**, raises
///    its own counter to it: [`LamportClock::observe`].
/// 3. Order events by counter, then by node: the order of [`LamportTimestamp`].
///
/// # Guarantees
///
/// If x happened before y, then x's timestamp is lower. The converse does not hold: an event with a lower timestamp may
/// be concurrent.
///
/// The order is known only afterwards: a node that holds timestamp 7 cannot exclude that a 5 still arrives. So Lamport
/// timestamps alone cannot decide who was first to claim a user name. That takes total order
/// [`broadcast`](crate::broadcast).
///
/// # State that must survive a restart
///
/// The [`counter`](Self::counter). Save it before a timestamp leaves the node, in one step with the data received, and
/// pass it to [`resume`](Self::resume). Otherwise return under a new node id.
///
/// # Examples
///
/// ```
/// use happens_before::LamportClock;
///
/// let mut clock = LamportClock::new("node 1");
/// assert_eq!(clock.tick()?.counter(), 1);
/// clock.observe(5)?; // a client says that it has seen 5 elsewhere
/// assert_eq!(clock.tick()?.counter(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// - LC1: the counter never falls, and no counter is issued twice.
/// - LC2: a reader never sees more than [`LamportClock::MAX`].
///
/// # Sources
///
/// Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System* (1978). Kleppmann, *Designing
/// Data-Intensive Applications* (2017), chapter 9, "Lamport timestamps". Deviation: the counter observed from a
/// remote is checked against a horizon, so that one forged message cannot use up the range.
#[derive(Debug)]
pub struct LamportClock<I> {
    node: I,
    counter: u64,
    horizon: u64,
}

impl<I: NodeId> LamportClock<I> {
    /// The highest counter that a clock uses: 2^63 - 1, which also fits a signed column.
    pub const MAX: u64 = i64::MAX as u64;

    /// Makes the clock of `node`, at 0, which believes any counter up to [`MAX`](Self::MAX).
    ///
    /// Use this among nodes that trust each other, [`with_horizon`](Self::with_horizon) elsewhere.
    pub const fn new(node: I) -> Self {
        Self::with_horizon(node, Self::MAX)
    }

    /// Makes the clock of `node`, at 0, which refuses a counter more than `horizon` ahead of its own.
    ///
    /// The horizon trades safety for tolerance: a forged counter can use up at most `horizon` of the range, and
    /// a node that has been apart for more than `horizon` events is refused.
    ///
    /// ```
    /// use happens_before::LamportClock;
    ///
    /// let mut clock = LamportClock::with_horizon("a", 1_000);
    /// let error = clock.observe(u64::MAX).unwrap_err();
    /// assert_eq!((error.claimed, error.limit), (u64::MAX, 1_000));
    /// assert_eq!(clock.counter(), 0); // an error changes nothing
    /// ```
    pub const fn with_horizon(node: I, horizon: u64) -> Self {
        Self { node, counter: 0, horizon }
    }

    /// Makes the clock of `node` from a saved `counter`, with the given horizon.
    ///
    /// `None` if `counter` is above [`MAX`](Self::MAX): no clock has ever been there.
    ///
    /// ```
    /// use happens_before::LamportClock;
    ///
    /// let mut clock = LamportClock::with_horizon("a", 1_000);
    /// clock.tick()?;
    /// let saved = clock.counter();
    /// drop(clock);
    ///
    /// let mut clock = LamportClock::resume("a", saved, 1_000).unwrap();
    /// assert_eq!(clock.tick()?.counter(), 2);
    /// # Ok::<(), happens_before::node::CounterExhausted>(())
    /// ```
    #[must_use]
    pub fn resume(node: I, counter: u64, horizon: u64) -> Option<Self> {
        (counter <= Self::MAX).then_some(Self { node, counter, horizon })
    }

    /// Returns the node whose clock this is.
    pub fn node(&self) -> &I {
        &self.node
    }

    /// Returns the highest counter used or observed, 0 at the start. Messages carry this counter.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Counts a local event and returns its timestamp, above everything used or observed before.
    ///
    /// # Errors
    ///
    /// [`CounterExhausted`] once the counter has reached [`MAX`](Self::MAX); the clock is unchanged.
    pub fn tick(&mut self) -> Result<LamportTimestamp<I>, CounterExhausted> {
        let next = NonZeroU64::MIN.checked_add(self.counter).filter(|next| next.get() <= Self::MAX);
        let counter = next.ok_or(CounterExhausted { limit: Self::MAX })?;
        self.counter = counter.get();
        Ok(LamportTimestamp { counter, node: self.node.clone() })
    }

    /// Raises the clock to a counter that came with a message; a lower one changes nothing.
    ///
    /// # Errors
    ///
    /// [`TooFarAhead`] if `counter` is more than the horizon ahead of this clock, or above
    /// [`MAX`](Self::MAX): the sender is broken or hostile, or this node was away for long. The clock is
    /// unchanged.
    pub fn observe(&mut self, counter: u64) -> Result<(), TooFarAhead<u64>> {
        believe(counter, self.counter, self.horizon)?;
        self.counter = self.counter.max(counter);
        Ok(())
    }
}

/// Checks a claimed counter against a clock that stands at `counter`.
#[inline]
pub(super) fn believe(claimed: u64, counter: u64, horizon: u64) -> Result<(), TooFarAhead<u64>> {
    let limit = counter.saturating_add(horizon).min(LamportClock::<u64>::MAX);
    if claimed > limit {
        return Err(TooFarAhead { claimed, limit });
    }
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MAX: u64 = LamportClock::<u8>::MAX;

    #[test]
    fn the_last_counter_is_issued_once_and_then_the_clock_stays_exhausted() {
        let mut clock = LamportClock::resume(1_u8, MAX - 1, MAX).unwrap();
        assert_eq!(clock.tick().unwrap().counter(), MAX);
        for _ in 0..3 {
            assert_eq!(clock.tick(), Err(CounterExhausted { limit: MAX }));
            assert_eq!(clock.counter(), MAX);
        }
    }

    #[test]
    fn what_is_beyond_the_horizon_is_refused_and_changes_nothing() {
        let mut clock = LamportClock::resume(1_u8, 100, 10).unwrap();
        for claimed in [111, MAX, MAX + 1, u64::MAX] {
            assert_eq!(clock.observe(claimed), Err(TooFarAhead { claimed, limit: 110 }));
            assert_eq!(clock.counter(), 100);
        }
        clock.observe(110).unwrap();
        assert_eq!(clock.counter(), 110);
        clock.observe(7).unwrap();
        assert_eq!(clock.counter(), 110, "a lower counter changes nothing");
    }

    #[test]
    fn near_the_end_of_the_range_the_horizon_is_cut_off() {
        let mut clock = LamportClock::resume(1_u8, MAX - 5, u64::MAX).unwrap();
        assert_eq!(clock.observe(MAX + 1), Err(TooFarAhead { claimed: MAX + 1, limit: MAX }));
        clock.observe(MAX).unwrap();
        assert_eq!(clock.counter(), MAX);
    }

    #[test]
    fn a_saved_counter_that_no_clock_can_have_is_refused() {
        assert!(LamportClock::resume(1_u8, MAX, 1).is_some());
        assert!(LamportClock::resume(1_u8, MAX + 1, 1).is_none());
    }

    #[test]
    fn restarted_at_every_step_no_counter_is_issued_twice() {
        let (mut saved, mut last) = (0, 0);
        for step in 0..1_000_u64 {
            let mut clock = LamportClock::resume(1_u8, saved, 50).unwrap();
            if step % 3 == 0 {
                clock.observe(saved + step % 50).unwrap();
            } else {
                let issued = clock.tick().unwrap().counter();
                assert!(issued > last, "{issued} after {last}");
                last = issued;
            }
            saved = clock.counter();
        }
    }

    #[test]
    fn keys_sort_as_timestamps_do_and_are_read_back() {
        let counters = [1, 2, 255, 256, 65_535, MAX, u64::MAX];
        let nodes = [0_u32, 1, 255, 256, u32::MAX];
        let mut seen = 0;
        for x in counters.iter().flat_map(|&c| nodes.map(|n| LamportTimestamp::new(c, n).unwrap())) {
            assert_eq!(LamportTimestamp::<u32>::from_key_bytes(x.to_key_bytes()), Some(x));
            for y in counters.iter().flat_map(|&c| nodes.map(|n| LamportTimestamp::new(c, n).unwrap())) {
                assert_eq!(x.to_key_bytes().cmp(&y.to_key_bytes()), x.cmp(&y), "{x} {y}");
                seen += 1;
            }
        }
        assert_eq!(seen, 35 * 35);
        let key: [u8; 12] = LamportTimestamp::new(0x0102, 0x0304_u32).unwrap().to_key_bytes();
        assert_eq!(key, [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4]);
        assert_eq!(LamportTimestamp::<u8>::from_key_bytes([0; 9]), None, "no event has counter 0");
        let signed =
            [i64::MIN, -256, -1, 0, 1, 255, i64::MAX].map(|node| LamportTimestamp::new(7, node).unwrap());
        assert!(signed.is_sorted() && signed.map(|x| x.to_key_bytes()).is_sorted_by(|x, y| x < y));
        assert!(signed.iter().all(|x| LamportTimestamp::<i64>::from_key_bytes(x.to_key_bytes()) == Some(*x)));
    }

    #[test]
    fn the_key_of_a_byte_array_node_sorts_as_the_timestamp_does() {
        let timestamps = [(1, [9; 20]), (2, [0; 20]), (2, [1; 20]), (256, [0; 20])];
        let timestamps = timestamps.map(|(counter, node)| LamportTimestamp::new(counter, node).unwrap());
        assert!(timestamps.is_sorted() && timestamps.map(|x| x.to_key_bytes()).is_sorted_by(|x, y| x < y));
        assert!(
            timestamps
                .iter()
                .all(|x| LamportTimestamp::<[u8; 20]>::from_key_bytes(x.to_key_bytes()) == Some(*x))
        );
        assert_eq!(LamportTimestamp::<[u8; 6]>::from_key_bytes([0; 14]), None, "no event has counter 0");
    }
}
