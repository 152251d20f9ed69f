//! The error of publishers and of new epochs.

use core::fmt;

/// A value that was not published, and the reason: the error of a [`Publisher`](crate::Publisher), of
/// [`Entry::batch`](crate::broadcast::Entry::batch) and of [`NewEpoch`](crate::broadcast::NewEpoch).
///
/// Each method names the kinds that it returns.
///
/// | kind | fault of | stored | what to do |
/// |---|---|---|---|
/// | [`Busy`], [`Empty`] | the caller | no | publish later; publish nothing |
/// | [`CounterExhausted`] | nobody | no | continue under a new node id |
/// | [`FilledAway`] | the configuration | no | let subscribers wait longer, publish again |
/// | [`Jump`], [`CounterBehind`] | the counter | no | check the counter, begin a new epoch with another |
/// | [`Conflict`] | two publishers of one id | no | stop both |
/// | [`NumberUsed`] | two publishers of one id, or a restart | no, or unknown | publish again if the other has stopped |
/// | [`OutcomeTrimmed`] | the caller of `trim` | unknown | look in a snapshot |
/// | [`Sealed`], [`NoSuchSlot`], [`NotSealed`] | the log | unknown | check the engine |
/// | [`NotAbove`] | the caller | - | begin a higher epoch |
///
/// A method that begins to publish changes nothing when it returns an error. A method that accepts an answer has
/// nothing outstanding afterwards, so that the next entry may be published at once, and has changed nothing else.
///
/// [`Busy`]: PublishErrorKind::Busy
/// [`Empty`]: PublishErrorKind::Empty
/// [`CounterExhausted`]: PublishErrorKind::CounterExhausted
/// [`FilledAway`]: PublishErrorKind::FilledAway
/// [`Jump`]: PublishErrorKind::Jump
/// [`CounterBehind`]: PublishErrorKind::CounterBehind
/// [`Conflict`]: PublishErrorKind::Conflict
/// [`NumberUsed`]: PublishErrorKind::NumberUsed
/// [`OutcomeTrimmed`]: PublishErrorKind::OutcomeTrimmed
/// [`Sealed`]: PublishErrorKind::Sealed
/// [`NoSuchSlot`]: PublishErrorKind::NoSuchSlot
/// [`NotSealed`]: PublishErrorKind::NotSealed
/// [`NotAbove`]: PublishErrorKind::NotAbove
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishError<T> {
    /// The value handed back: a payload, a `Vec` of them, the slot to skip or the node to retire from a method that begins
    /// to publish; the [`Entry`](crate::broadcast::Entry) from one that accepts an answer; the epoch from [`NewEpoch`](crate::broadcast::NewEpoch).
    ///
    /// The numbers of an entry are used. Published again, its messages get new ones.
    pub value: T,
    /// The reason.
    pub kind: PublishErrorKind<T>,
}

/// The reason why a value was not published. `T` is that value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind<T> {
    /// Another entry is outstanding. Drive it to its end, and collect what comes meanwhile into the next batch.
    Busy,
    /// The batch has no message. Publish none.
    Empty,
    /// The node has too few numbers left. Continue under a new node id.
    CounterExhausted,
    /// Each slot that the publisher took a number for was occupied, or trimmed, when it was written; the entry is **not
    /// stored**. Either writes take longer than subscribers wait, or the counter repeats numbers faster than this
    /// publisher learns of them.
    FilledAway {
        /// The number of slots that were lost.
        times: u32,
    },
    /// The counter gave a number absurdly far above the log; the entry is **not stored**. Find out whether the counter is
    /// right; if so, tell the tail to the publisher ([`observe_tail`](crate::Publisher::observe_tail)), otherwise start a
    /// new counter in a new epoch.
    Jump {
        /// The number.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// The counter stays behind the log although the difference was taken. It is not a linearizable counter; start a new
    /// one in a new epoch.
    ///
    /// An entry is **not stored**. If an epoch was to begin, the log is sealed for it; begin a higher one.
    CounterBehind {
        /// The highest number that it gave last.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// A slot holds another content under the id of this entry, which is **not stored**. Two publishers use one node
    /// id, or one lost its state and came back under its old id. Stop; the entries are the proof.
    Conflict {
        /// The slot.
        slot: u64,
        /// The entry that it holds.
        other: T,
    },
    /// The log holds this number of the node already, or a later one, and stores the entry in no other slot. Two publishers
    /// use one node id, or one lost its state and came back under its old id. If the other has stopped for good, publish
    /// the payload again: the next number is above those of the other.
    ///
    /// If requests are repeated and the log is trimmed, it is **unknown** whether the number is that of this very entry;
    /// what is delivered under its id says so.
    NumberUsed {
        /// The highest number of the node in the log.
        highest: u64,
    },
    /// The slot was trimmed while it was **unknown** whether the entry is in it. It is delivered, or in a snapshot, if
    /// the node's number there is not lower than the entry's; otherwise it is not stored.
    OutcomeTrimmed {
        /// The slot.
        slot: u64,
        /// The first slot that is not trimmed.
        first: u64,
    },
    /// The log answered again and again that its epoch is over, although the entry is of no earlier one; **unknown**
    /// whether it is stored. The log does not do what it promises; find out what is wrong with it.
    Sealed {
        /// The lowest epoch that may write, as the log says.
        epoch: u64,
        /// The number of answers that settled nothing.
        times: u32,
    },
    /// The log says that the entry is stored in a slot that does not exist; **unknown** whether it is stored. The log does
    /// not do what it promises; find out what is wrong with it.
    NoSuchSlot {
        /// The slot.
        slot: u64,
    },
    /// The log was sealed for the epoch, and still says that entries of an earlier one may be written. It does not do what
    /// it promises, or this is a late answer: hand in one answer for each request.
    NotSealed {
        /// The epoch that was to begin.
        epoch: u64,
        /// The lowest epoch that may write, as the log says.
        sealed: u64,
    },
    /// The epoch is not above the one that the log is in. Nothing has changed, or another epoch above this one has begun
    /// meanwhile. Begin a higher one.
    NotAbove {
        /// The epoch that was to begin.
        epoch: u64,
        /// The lowest epoch that may write.
        sealed: u64,
    },
}

impl<T> fmt::Display for PublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PublishErrorKind::Busy => write!(f, "another entry is outstanding; publish when it is settled"),
            PublishErrorKind::Empty => write!(f, "the batch has no message; publish none"),
            PublishErrorKind::CounterExhausted => {
                write!(f, "the node has too few numbers left; continue under a new node id")
            }
            PublishErrorKind::FilledAway { times } => {
                write!(f, "the entry found its slot occupied {times} times; let subscribers wait longer")
            }
            PublishErrorKind::Jump { number, tail } => {
                write!(f, "the counter gave {number} although the last slot known is {tail}; check the counter")
            }
            PublishErrorKind::CounterBehind { number, tail } => {
                write!(
                    f,
                    "the counter gave {number} and stays behind slot {tail}; start a new one in a new epoch"
                )
            }
            PublishErrorKind::Conflict { slot, .. } => {
                write!(
                    f,
                    "slot {slot} holds another content under the id of the entry; one node id is used twice"
                )
            }
            PublishErrorKind::NumberUsed { highest } => {
                write!(
                    f,
                    "the log holds number {highest} of the node already, from another publisher of that name; "
                )?;
                write!(f, "if that one has stopped, publish again")
            }
            PublishErrorKind::OutcomeTrimmed { slot, first } => {
                write!(f, "unknown whether the entry was stored in slot {slot}: the log begins at {first}; ")?;
                write!(f, "see in a snapshot whether it is delivered")
            }
            PublishErrorKind::Sealed { epoch, times } => {
                write!(
                    f,
                    "unknown whether the entry is stored: {times} requests settled nothing, and the log says "
                )?;
                write!(f, "that only epochs below {epoch} are over; check the log")
            }
            PublishErrorKind::NoSuchSlot { slot } => {
                write!(f, "unknown whether the entry is stored: the log says in slot {slot}; check the log")
            }
            PublishErrorKind::NotSealed { epoch, sealed } => {
                write!(f, "the log was sealed for epoch {epoch} and still takes epoch {sealed}; check the log")
            }
            PublishErrorKind::NotAbove { epoch, sealed } => {
                write!(f, "epoch {epoch} is not above epoch {sealed} of the log; begin a higher one")
            }
        }
    }
}

impl<T: fmt::Debug> core::error::Error for PublishError<T> {}
