//! The interval tree clock.

mod bits;
mod error;
mod event;
mod text;
mod tree;

use core::fmt::{self, Write};
use core::iter;
use core::str::FromStr;

use crate::compat::{String, Vec};
use crate::node::CounterExhausted;
use crate::order::CausalOrder;
pub use error::{EventError, InvalidClock, InvalidClockKind, OverlappingIds};
use tree::{FREE, HIGHEST, Node, OWNED, Tree, align, end_of, relative, right_children};

/// A clock for nodes that come and go without names: it knows exactly which events happened before which. The paper
/// calls its value a *stamp*.
///
/// In the costs below, n is the number of nodes of the trees ([`size`](Self::size)) of the clock, and m that of the other one.
///
/// # The problem
///
/// A [`VersionVector`](crate::VersionVector) needs an id for each node that ever changed anything, and keeps its entry
/// for ever. Where nodes are short-lived, such as tabs of a browser or tasks of a batch, vectors only grow. Somebody
/// must also give out ids, and must know when an entry can be removed.
///
/// # The algorithm
///
/// A clock has two parts. Its *id* is a part of the interval from 0 to 1, which no other clock shares. Its *events* are
/// a function on that interval: how many events are known at each point.
///
/// 1. The first clock is the [`seed`](Self::seed), which owns the whole interval.
/// 2. A new node gets its clock from any other one: [`fork`](Self::fork) splits the owned part in two.
/// 3. Each event raises the function somewhere in the owned part, where nobody else can: [`event`](Self::event).
/// 4. A message carries the events without an id: [`peek`](Self::peek).
/// 5. [`join`](Self::join) adds what another clock knows: the higher number at each point. It also adds its id, so a
///    node that leaves hands its part of the interval to another one.
/// 6. One state is before another if its function is nowhere higher and somewhere lower: [`compare`](Self::compare).
///
/// ```text
///                     event   peek                            join
///   seed ──┬── fork ────●───────┬─────────────────────────────┬──── ...
///          │                    │                             │
///          └──────────────────(join)────●── event ── leaves ──┘
/// ```
///
/// Both parts are binary trees that halve the interval as often as necessary. Where neighbouring points have equal
/// values, the tree is cut short. An event is placed where the tree becomes simpler, if there is such a place. So the
/// trees grow with the number of nodes that take part at present, and shrink again when nodes leave.
///
/// # Guarantees
///
/// - Comparison is causality, both ways, among clocks that all come from one seed, if each id is used by one node only.
/// - Clocks are always in normal form: equal clocks have equal bytes and equal texts.
/// - Nothing recurses, so no input can overflow the stack. Each operation takes time in proportion to the size of the
///   trees.
///
/// # What you must do
///
/// Never use one id twice. [`Clone`] is for saving a clock and for tests: a clone counts the same events as the
/// original. A node that lost its latest state must not continue with an older one. Its part of the interval is lost
/// until that state is found: it cannot be given out again.
///
/// A forged clock can claim any number of events. Authenticate clocks before you join them. [`height`](Self::height)
/// and nodes of the trees ([`size`](Self::size)) tell what a join can cost at most.
///
/// # Examples
///
/// ```
/// use happens_before::CausalOrder;
/// use happens_before::version::IntervalTreeClock;
///
/// let mut laptop = IntervalTreeClock::seed();
/// let mut phone = laptop.fork();
/// laptop.event()?;
/// phone.event()?;
/// assert_eq!(laptop.compare(&phone), CausalOrder::Concurrent);
/// assert_eq!(laptop.to_string(), "((1, 0), (0, 1, 0))");
///
/// let message = laptop.peek().to_bytes(); // no id travels
/// assert_eq!(message.len(), 2);
/// phone.join(IntervalTreeClock::from_bytes(&message, 1_000)?)?;
/// phone.event()?;
/// assert_eq!(laptop.compare(&phone), CausalOrder::Before);
///
/// laptop.join(phone)?; // the phone leaves
/// assert_eq!(laptop.to_string(), "(1, (1, 0, 1))");
/// laptop.event()?;
/// assert_eq!(laptop.to_string(), "(1, 2)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Text and bytes
///
/// The text is the notation of the paper. An id is `0` or `1` where the whole interval is free or owned, else `(left,
/// right)`. Events are a number, or `(number, left, right)`, where the numbers on the left and on the right are added to
/// the first one. A clock is `(id, events)`. [`FromStr`] reads it, and refuses every other text. It takes memory in
/// proportion to the length of the text. Serde uses the text too.
///
/// The bytes are those of the paper's appendix, described at [`to_bytes`](Self::to_bytes).
///
/// # Source
///
/// Almeida, Baquero, Fonte, *Interval Tree Clocks: A Logical Clock for Dynamic Systems* (2008). Deviations:
///
/// 1. An event of a clock without an id is an error; in the paper it is undefined. So is a join of ids that overlap.
/// 2. `==` compares ids too. It is not `compare(...) == Equal`, so there is no `PartialOrd`.
/// 3. Trees are arrays of absolute numbers. Only the text and the bytes have the relative numbers of the paper.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IntervalTreeClock {
    id: Tree<u8>,
    events: Tree<u64>,
}

impl IntervalTreeClock {
    /// The highest number of events at one point: 2^64 - 2.
    pub const MAX: u64 = HIGHEST;

    /// Makes the first clock. It owns the whole interval and knows no event.
    ///
    /// Call it once for each group of nodes. Every other clock of the group comes from this one by
    /// [`fork`](Self::fork).
    #[must_use]
    pub fn seed() -> Self {
        Self { id: Tree::leaf(OWNED), events: Tree::leaf(0) }
    }

    /// Splits off a clock for a new node. Both know the same events, and each owns a part of what this clock owned.
    ///
    /// If this clock owns nothing, neither does the new one. Save this clock before you hand out the new one: after a
    /// crash it must not own the same part again. O(n).
    ///
    /// ```
    /// use happens_before::version::IntervalTreeClock;
    ///
    /// let mut first = IntervalTreeClock::seed();
    /// let mut second = first.fork();
    /// let third = second.fork();
    /// assert_eq!(first.to_string(), "((1, 0), 0)");
    /// assert_eq!(second.to_string(), "((0, (1, 0)), 0)");
    /// assert_eq!(third.to_string(), "((0, (0, 1)), 0)");
    /// ```
    #[must_use = "the new clock owns a part of the interval, which is lost with it"]
    pub fn fork(&mut self) -> Self {
        let other = self.split();
        Self { id: other, events: self.events.clone() }
    }

    /// Takes away and returns the right half of the id.
    fn split(&mut self) -> Tree<u8> {
        let id = self.id.nodes();
        let Some(first) = id.iter().position(|&node| node == OWNED) else { return self.id.clone() };
        // The inner nodes above the first owned leaf whose right subtrees come after it, from the root on.
        let above = || (0..first).filter(|&at| id[at] == u8::INNER && id[at + 1] != FREE);
        let mut open = above().count();
        // The topmost of them that owns something on the right too, and its right subtree.
        let mut split = None;
        let mut at = first + 1;
        while at < id.len() {
            let right = at;
            at = end_of(id, right);
            open -= 1;
            if id[right] != FREE {
                split = Some((open, right..at));
            }
        }
        let split = split.and_then(|(nth, right)| Some((above().nth(nth)? + 1..right.start, right)));
        if let Some((left, right)) = split {
            let theirs = self.id.with(left, &[FREE]);
            self.id.replace(right, &[FREE]);
            return theirs;
        }
        let leaf = first..first + 1;
        let theirs = self.id.with(leaf.clone(), &[u8::INNER, FREE, OWNED]);
        self.id.replace(leaf, &[u8::INNER, OWNED, FREE]);
        theirs
    }

    /// Adds everything that `other` knows, and its id.
    ///
    /// Join with the [`peek`](Self::peek) of another clock to receive a message, and with the clock itself if its node
    /// leaves. O(n + m).
    ///
    /// # Errors
    ///
    /// [`OverlappingIds`] if both own a point. It hands `other` back, and this clock is unchanged. An id was used twice,
    /// or the clock is forged. To learn its events all the same, join with its `peek`.
    ///
    /// ```
    /// use happens_before::version::IntervalTreeClock;
    ///
    /// let mut clock = IntervalTreeClock::seed();
    /// let copy = clock.clone();
    /// let error = clock.join(copy).unwrap_err();
    /// assert_eq!(error.other, clock);
    /// clock.join(error.other.peek())?;
    /// # Ok::<(), happens_before::version::OverlappingIds<IntervalTreeClock>>(())
    /// ```
    pub fn join(&mut self, other: Self) -> Result<(), OverlappingIds<Self>> {
        if !other.is_anonymous() {
            let Some(id) = join_ids(&self.id, &other.id) else { return Err(OverlappingIds { other }) };
            self.id = id;
        }
        self.events = join_events(&self.events, &other.events);
        Ok(())
    }

    /// Counts a new event, which is after all events known here, and before no other one. O(n).
    ///
    /// # Errors
    ///
    /// [`EventError`] if the clock owns nothing, or if the event would be the first one beyond [`MAX`](Self::MAX). The
    /// clock is unchanged.
    ///
    /// ```
    /// use happens_before::version::{EventError, IntervalTreeClock};
    ///
    /// let clock = IntervalTreeClock::seed();
    /// assert_eq!(clock.peek().event(), Err(EventError::Anonymous));
    ///
    /// let mut full: IntervalTreeClock = "(1, 18446744073709551614)".parse()?;
    /// assert!(matches!(full.event(), Err(EventError::CounterExhausted(_))));
    /// # Ok::<(), happens_before::version::InvalidClock>(())
    /// ```
    pub fn event(&mut self) -> Result<(), EventError> {
        if self.is_anonymous() {
            return Err(EventError::Anonymous);
        }
        let id = self.id.nodes();
        if event::fill(id, &mut self.events) || event::grow(id, &mut self.events) {
            Ok(())
        } else {
            Err(EventError::CounterExhausted(CounterExhausted { limit: HIGHEST }))
        }
    }

    /// Copies the events without the id, to be sent with a message or to be compared later. O(n).
    #[must_use]
    pub fn peek(&self) -> Self {
        Self { id: Tree::leaf(FREE), events: self.events.clone() }
    }

    /// Returns whether the clock owns nothing, so that it cannot count events. O(1).
    pub fn is_anonymous(&self) -> bool {
        self.id.nodes() == [FREE]
    }

    /// Compares the events of two clocks by causality, whatever their ids. O(n + m); stops once they turn out to be
    /// concurrent.
    ///
    /// ```
    /// use happens_before::CausalOrder;
    /// use happens_before::version::IntervalTreeClock;
    ///
    /// let mut clock = IntervalTreeClock::seed();
    /// let sent = clock.peek();
    /// assert_eq!(clock.compare(&sent), CausalOrder::Equal);
    /// clock.event()?;
    /// assert_eq!(sent.compare(&clock), CausalOrder::Before);
    /// # Ok::<(), happens_before::version::EventError>(())
    /// ```
    pub fn compare(&self, other: &Self) -> CausalOrder {
        let (mut at_most, mut at_least) = (true, true);
        align(self.events.nodes(), other.events.nodes(), |ours, theirs| {
            at_most &= ours <= theirs;
            at_least &= ours >= theirs;
            at_most || at_least
        });
        CausalOrder::from_bounds(at_most, at_least)
    }

    /// Returns the highest number of events known at one point, at most [`MAX`](Self::MAX). O(n).
    ///
    /// It is at most the number of all events that the clock knows, so a clock from outside that has more than all nodes
    /// can have counted is forged.
    pub fn height(&self) -> u64 {
        self.events.nodes().iter().copied().filter(|&node| node != u64::INNER).max().unwrap_or_default()
    }

    /// Returns the number of nodes of both trees, at least 2. These are nodes of trees, not those that take part. A node takes 1 byte of memory in the id, and 8 bytes in
    /// the events. O(1).
    ///
    /// A join has at most as many nodes as both clocks together.
    pub fn size(&self) -> usize {
        self.id.nodes().len() + self.events.nodes().len()
    }

    /// Returns the compact form of the paper. O(n).
    ///
    /// The bits stand from the highest to the lowest in each byte, and zeros fill the last byte. First comes the id, from
    /// the root on:
    ///
    /// | node of the id | bits |
    /// |---|---|
    /// | 0, 1 | `000`, `001` |
    /// | (0, right), (left, 0), (left, right) | `01`, `10`, `11`, then each subtree that is not 0 |
    ///
    /// | node of the events | bits |
    /// |---|---|
    /// | number | `1`, then the number |
    /// | (0, 0, right), (0, left, 0), (0, left, right) | `000`, `001`, `010`, then each subtree that is not 0 |
    /// | (number, 0, right), (number, left, 0) | `01100`, `01101`, then `1` and the number, then the subtree |
    /// | (number, left, right) | `0111`, then `1` and the number, then both subtrees |
    ///
    /// A number below 4 is `0` and 2 bits, one of the next 8 is `10` and 3 bits, one of the next 16 is `110` and 4 bits,
    /// and so on.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = bits::Writer::default();
        bits::put_id(self.id.nodes(), &mut out);
        bits::put_events(self.events.nodes(), &mut out);
        out.finish()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, at most `limit` nodes of the trees ([`size`](Self::size)) in all.
    ///
    /// A node is counted before there is memory for it. It takes at least one bit of input, so memory is also in
    /// proportion to the input. O(n).
    ///
    /// # Errors
    ///
    /// [`InvalidClock`] names the byte and the fault. Every string of bytes that `to_bytes` does not write is refused.
    ///
    /// ```
    /// use happens_before::version::{IntervalTreeClock, InvalidClockKind};
    ///
    /// let mut clock = IntervalTreeClock::seed();
    /// let _other = clock.fork();
    /// let bytes = clock.to_bytes();
    /// assert_eq!(IntervalTreeClock::from_bytes(&bytes, 1_000)?, clock);
    ///
    /// let error = IntervalTreeClock::from_bytes(&bytes, 3).unwrap_err();
    /// assert_eq!(error.kind, InvalidClockKind::TooLarge { limit: 3 });
    /// # Ok::<(), happens_before::version::InvalidClock>(())
    /// ```
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, InvalidClock> {
        let mut bits = bits::Reader::new(bytes, limit);
        let read =
            bits::take_id(&mut bits).and_then(|id| Ok(Self { id, events: bits::take_events(&mut bits)? }));
        let at = bits.at();
        let clock = read.map_err(|kind| InvalidClock { at, kind })?;
        if at < bytes.len() {
            return Err(InvalidClock { at, kind: InvalidClockKind::TrailingBytes });
        }
        // The clock is in normal form, so it has other bytes if those that were read are not.
        match same_until(&clock.to_bytes(), bytes) {
            None => Ok(clock),
            Some(at) => Err(InvalidClock { at, kind: InvalidClockKind::NotNormal }),
        }
    }

    /// Checks the invariants of the trees; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if !self.id.is_complete() || !self.events.is_complete() {
            Err("IT1: each array is one complete tree")
        } else if !self.id.is_normal() || !self.events.is_normal() {
            Err("IT2: no inner node has two equal leaves")
        } else if self.id.nodes().iter().any(|&node| ![FREE, OWNED, u8::INNER].contains(&node)) {
            Err("IT3: an id has leaves 0 and 1")
        } else {
            Ok(())
        }
    }
}

/// The first clock.
impl Default for IntervalTreeClock {
    fn default() -> Self {
        Self::seed()
    }
}

/// Adds two ids; `None` if both own a point.
fn join_ids(ours: &Tree<u8>, theirs: &Tree<u8>) -> Option<Tree<u8>> {
    let mut both = Tree::with_capacity(ours.nodes().len().max(theirs.nodes().len()));
    let disjoint = align(ours.nodes(), theirs.nodes(), |ours, theirs| {
        // At an inner node both are the mark.
        both.copy(ours | theirs);
        ours == u8::INNER || ours == FREE || theirs == FREE
    });
    disjoint.then_some(both)
}

/// Returns the higher number at each point.
fn join_events(ours: &Tree<u64>, theirs: &Tree<u64>) -> Tree<u64> {
    let mut both = Tree::with_capacity(ours.nodes().len().max(theirs.nodes().len()));
    align(ours.nodes(), theirs.nodes(), |ours, theirs| {
        // At an inner node both are the mark.
        both.copy(ours.max(theirs));
        true
    });
    both
}

/// The notation of the paper: `((0, (1, 0)), (1, 2, (0, (1, 0, 2), 0)))`.
impl fmt::Display for IntervalTreeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, events) = (self.id.nodes(), self.events.nodes());
        let numbers = relative(events, &right_children(events));
        f.write_str("(")?;
        text::write_tree(id, f, |_, _| Ok(()), |at, f| write!(f, "{}", id[at]))?;
        f.write_str(", ")?;
        text::write_tree(
            events,
            f,
            |at, f| write!(f, "{}, ", numbers[at]),
            |at, f| write!(f, "{}", numbers[at]),
        )?;
        f.write_str(")")
    }
}

impl fmt::Debug for IntervalTreeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what [`Display`](fmt::Display) writes, and nothing else.
///
/// ```
/// use happens_before::version::{IntervalTreeClock, InvalidClockKind};
///
/// let clock: IntervalTreeClock = "((1, 0), (2, 0, 1))".parse()?;
/// assert_eq!(clock.to_string(), "((1, 0), (2, 0, 1))");
///
/// let error = "((1, 1), 0)".parse::<IntervalTreeClock>().unwrap_err();
/// assert_eq!(error.kind, InvalidClockKind::NotNormal);
/// # Ok::<(), happens_before::version::InvalidClock>(())
/// ```
impl FromStr for IntervalTreeClock {
    type Err = InvalidClock;

    fn from_str(text: &str) -> Result<Self, InvalidClock> {
        let mut scanner = text::Scanner::new(text);
        let read = text::parse(&mut scanner);
        let (id, events) = read.map_err(|kind| InvalidClock { at: scanner.at(), kind })?;
        let clock = Self { id, events };
        // The clock is in normal form, so it has another text if the one that was read is not.
        let mut normal = String::new();
        let written = write!(normal, "{clock}");
        match same_until(normal.as_bytes(), text.as_bytes()) {
            None if written.is_ok() => Ok(clock),
            fault => Err(InvalidClock { at: fault.unwrap_or_default(), kind: InvalidClockKind::NotNormal }),
        }
    }
}

/// Returns the place of the first difference, or `None` if there is none.
fn same_until(ours: &[u8], theirs: &[u8]) -> Option<usize> {
    let shorter = ours.len().min(theirs.len());
    let differs = iter::zip(ours, theirs).position(|(ours, theirs)| ours != theirs);
    differs.or((ours.len() != theirs.len()).then_some(shorter))
}
