//! The content of a slot: messages of one node, a note to the subscribers, or nothing.

use core::{fmt, slice};

use crate::broadcast::{PublishError, PublishErrorKind};
use crate::compat::{Vec, vec};
use crate::node::Dot;

/// The content of a slot, written once, and the writer's epoch.
///
/// A message's id is a [`Dot`]: the publisher's node and the message's number there. It stays the same whichever slot
/// the message is written to in the end, so a message that was written twice is delivered once.
///
/// A single message needs no allocation, a batch needs one. Everything is O(1), except making a batch, which is
/// O(messages).
///
/// # Examples
///
/// A batch is one entry with consecutive ids, and a fill has no id. Make the batch empty: it is refused.
///
/// ```
/// use happens_before::Dot;
/// use happens_before::broadcast::{Content, Entry};
///
/// let first = Dot::new("a", 5).unwrap();
/// let entry = Entry::batch(0, first, ["x", "y"])?;
/// assert_eq!(entry.id(), Some(&first));
/// let Content::Messages { payloads, .. } = entry.content() else { unreachable!() };
/// assert_eq!(payloads.as_slice(), ["x", "y"]); // (a, 5) and (a, 6)
///
/// assert_eq!(Entry::<&str, ()>::fill(0).id(), None);
/// # Ok::<(), happens_before::broadcast::PublishError<Vec<&str>>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Entry<I, P> {
    epoch: u64,
    content: Content<I, P>,
}

/// The content of an [`Entry`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Content<I, P> {
    /// Messages with consecutive numbers, at least one.
    Messages {
        /// The id of the first; the last number does not overflow.
        first: Dot<I>,
        /// The payloads of the messages.
        payloads: Payloads<P>,
    },
    /// A message without a payload. A reader that delivers it has seen everything written before it.
    Marker {
        /// Its id, numbered like that of a message.
        id: Dot<I>,
    },
    /// Nothing: a subscriber gave up waiting for the publisher that took the number of this slot.
    Fill,
    /// A request to every subscriber to pass a slot that cannot be read, as if it were empty.
    Skip {
        /// Its id, numbered like that of a message.
        id: Dot<I>,
        /// The slot to pass.
        slot: u64,
    },
    /// A request to every subscriber to forget a node that will never publish again, such as an incarnation that is over.
    Retire {
        /// Its id, numbered like that of a message.
        id: Dot<I>,
        /// The node to forget.
        node: I,
    },
    /// Content that the engine cannot read. No publisher writes it; a read of such a slot returns it.
    Unreadable(Unreadable),
}

/// The reason why an engine cannot read what is stored in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreadable {
    /// The stored bytes are damaged, or are not those of an entry with these ids.
    ///
    /// Every reader finds the same damage. If the bytes cannot be restored, publish a [`Content::Skip`].
    Damaged,
    /// The stored bytes are whole, but of a kind that only a later version knows.
    ///
    /// Update this reader. Do not skip the slot: other readers may have delivered it.
    LaterVersion,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => write!(f, "damaged"),
            Self::LaterVersion => write!(f, "of a later version"),
        }
    }
}

/// The payloads of one entry, at least one; a single one needs no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Payloads<P>(Repr<P>);

/// A single payload is always `One`.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr<P> {
    One(P),
    Many(Vec<P>),
}

impl<P> Payloads<P> {
    /// Returns the payloads in order.
    pub fn as_slice(&self) -> &[P] {
        match &self.0 {
            Repr::One(payload) => slice::from_ref(payload),
            Repr::Many(payloads) => payloads,
        }
    }

    /// Takes out the only payload, or all of several.
    #[inline]
    pub(super) fn into_single(self) -> Result<P, vec::IntoIter<P>> {
        match self.0 {
            Repr::One(payload) => Ok(payload),
            Repr::Many(payloads) => Err(payloads.into_iter()),
        }
    }

    /// Takes out the payloads.
    pub fn into_vec(self) -> Vec<P> {
        match self.0 {
            Repr::One(payload) => Vec::from([payload]),
            Repr::Many(payloads) => payloads,
        }
    }
}

impl<I, P> Entry<I, P> {
    /// Makes an entry of one message. Does not allocate.
    #[must_use]
    pub fn message(epoch: u64, id: Dot<I>, payload: P) -> Self {
        Self { epoch, content: Content::Messages { first: id, payloads: Payloads(Repr::One(payload)) } }
    }

    /// Makes an entry of several messages of one node, numbered from that of `first` on.
    ///
    /// # Errors
    ///
    /// [`PublishError`] with the payloads: [`Empty`](PublishErrorKind::Empty),
    /// [`CounterExhausted`](PublishErrorKind::CounterExhausted).
    pub fn batch(
        epoch: u64,
        first: Dot<I>,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<Self, PublishError<Vec<P>>> {
        let mut payloads: Vec<P> = payloads.into_iter().collect();
        let kind = match u64::try_from(payloads.len()) {
            Ok(0) => PublishErrorKind::Empty,
            // The last number is the first plus the length less 1.
            Ok(len) if len - 1 <= u64::MAX - first.counter() => {
                let single = if len == 1 { payloads.pop() } else { None };
                let payloads = Payloads(single.map_or(Repr::Many(payloads), Repr::One));
                return Ok(Self { epoch, content: Content::Messages { first, payloads } });
            }
            _ => PublishErrorKind::CounterExhausted,
        };
        Err(PublishError { value: payloads, kind })
    }

    /// Makes a marker: a message that carries nothing.
    #[must_use]
    pub fn marker(epoch: u64, id: Dot<I>) -> Self {
        Self { epoch, content: Content::Marker { id } }
    }

    /// Makes an entry that asks every subscriber to pass `slot`, which cannot be read. Does not allocate.
    #[must_use]
    pub fn skip(epoch: u64, id: Dot<I>, slot: u64) -> Self {
        Self { epoch, content: Content::Skip { id, slot } }
    }

    /// Makes an entry that asks every subscriber to forget `node`. Does not allocate.
    #[must_use]
    pub fn retire(epoch: u64, id: Dot<I>, node: I) -> Self {
        Self { epoch, content: Content::Retire { id, node } }
    }

    /// Makes the entry that a read returns for a slot that cannot be read, for the author of an engine. Its epoch is
    /// unknown, and 0 here.
    #[must_use]
    pub fn unreadable(why: Unreadable) -> Self {
        Self { epoch: 0, content: Content::Unreadable(why) }
    }

    /// Makes an entry that stands for nothing.
    #[must_use]
    pub fn fill(epoch: u64) -> Self {
        Self { epoch, content: Content::Fill }
    }

    /// Returns the epoch of its writer.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Returns the id of the entry, that of the first message of several; `None` for a fill and for unreadable content.
    pub fn id(&self) -> Option<&Dot<I>> {
        match &self.content {
            Content::Messages { first: id, .. }
            | Content::Marker { id }
            | Content::Skip { id, .. }
            | Content::Retire { id, .. } => Some(id),
            Content::Fill | Content::Unreadable(_) => None,
        }
    }

    /// Returns the number of the entry, that of the last message of several; `None` for a fill and for unreadable
    /// content.
    pub fn last_number(&self) -> Option<u64> {
        // No overflow: `batch` has checked it.
        self.id().map(|id| id.counter() + (self.numbers() - 1))
    }

    /// Returns how many numbers of its node the entry uses: one for each message, none without an id, otherwise one.
    pub fn numbers(&self) -> u64 {
        match &self.content {
            // As many as `batch` counted.
            Content::Messages { payloads, .. } => payloads.as_slice().len() as u64,
            Content::Marker { .. } | Content::Skip { .. } | Content::Retire { .. } => 1,
            Content::Fill | Content::Unreadable(_) => 0,
        }
    }

    /// Returns the content.
    pub fn content(&self) -> &Content<I, P> {
        &self.content
    }

    /// Takes out the content.
    pub fn into_content(self) -> Content<I, P> {
        self.content
    }
}

impl<I: fmt::Debug, P: fmt::Debug> fmt::Debug for Entry<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in epoch {}", self.content, self.epoch)
    }
}

impl<I: fmt::Debug, P: fmt::Debug> fmt::Debug for Content<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages { first, payloads } => write!(f, "{first:?} {:?}", payloads.as_slice()),
            Self::Marker { id } => write!(f, "marker {id:?}"),
            Self::Fill => write!(f, "fill"),
            Self::Skip { id, slot } => write!(f, "skip {id:?} of slot {slot}"),
            Self::Retire { id, node } => write!(f, "retire {id:?} of {node:?}"),
            Self::Unreadable(why) => write!(f, "unreadable, {why}"),
        }
    }
}

impl<P: fmt::Debug> fmt::Debug for Payloads<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}
