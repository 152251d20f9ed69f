//! The error of publishers and of new epochs.

use core::fmt;

/// A value that was not published, and the reason: the error of a [`Publisher`](crate::Publisher), of
/// [`Entry::batch`](crate::broadcast::Entry::batch) and of [`NewEpoch`](crate::broadcast::NewEpoch).
///
/// Each method names the kinds that it returns.
///
/// | kind | fault of | stored | what to do |
/// |---|---|---|---|
/// | [`Busy`], [`Empty`] | the caller | no | publish later; send no empty batch |
/// | [`CounterExhausted`] | nobody | no | continue under a new node id |
/// | [`FilledAway`] | the configuration | no | let subscribers wait longer, publish again |
/// | [`Jump`], [`CounterBehind`] | the counter | no | check the counter, begin a new epoch with another |
/// | [`Conflict`] | two publishers of one id | no | stop both |
/// | [`NumberUsed`] | two publishers of one id, or a restart | no, or unknown | publish again if the other has stopped |
/// | [`OutcomeTrimmed`] | the caller of `trim` | unknown | look in a snapshot |
/// | [`Sealed`], [`NoSuchSlot`], [`NotSealed`] | the log | unknown | check the engine |
/// | [`NotAbove`] | the caller | - | begin a higher epoch |
///
/// A method that begins to publish changes nothing when it returns an error. After an error from a method that accepts
/// an answer, nothing is outstanding, and the next entry may be published at once; nothing else has changed.
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
    /// The value handed back. A method that begins to publish returns its argument: the payload, the `Vec` of payloads,
    /// the slot to skip, or the node to retire. A method that accepts an answer returns the
    /// [`Entry`](crate::broadcast::Entry), and [`NewEpoch`](crate::broadcast::NewEpoch) returns the epoch.
    ///
    /// The numbers of a returned entry are used up: its messages get new ones when they are published again.
    pub value: T,
    /// The reason.
    pub kind: PublishErrorKind<T>,
}

/// The reason why a value was not published. `T` is that value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishErrorKind<T> {
    /// Another entry is outstanding. Drive it to its end, and collect the messages that come meanwhile into the next
    /// batch.
    Busy,
    /// The batch has no message. Publish none.
    Empty,
    /// The node has too few numbers left. Continue under a new node id.
    CounterExhausted,
    /// Each slot that the publisher tried was already occupied or trimmed; the entry is **not stored**. Either writes
    /// take longer than subscribers wait, or the counter repeats numbers faster than this publisher learns of them.
    FilledAway {
        /// The number of slots that were lost.
        times: u32,
    },
    /// The counter gave a number absurdly far above the log; the entry is **not stored**. If the counter is right, tell
    /// the publisher the tail with [`observe_tail`](crate::Publisher::observe_tail). Otherwise start a new counter in a
    /// new epoch.
    Jump {
        /// The number.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// The counter stays behind the log although the publisher took enough numbers to catch up. It is not a
    /// linearizable counter; start a new one in a new epoch.
    ///
    /// From a publisher: the entry is **not stored**. From a [`NewEpoch`](crate::broadcast::NewEpoch): the log is
    /// sealed for the epoch; begin a higher one.
    CounterBehind {
        /// The highest number in its last answer.
        number: u64,
        /// The highest occupied slot known.
        tail: u64,
    },
    /// A slot holds another content under the id of this entry, which is **not stored**. Two publishers use one node
    /// id, or one lost its state and came back under its old id. Stop both; the two entries are the proof.
    Conflict {
        /// The slot.
        slot: u64,
        /// The entry that it holds.
        other: T,
    },
    /// The log already holds this number of the node, or a later one, and so does not store the entry. Two publishers
    /// use one node id, or one lost its state and came back under its old id. If the other has stopped for good,
    /// publish the payload again: the next number is above those of the other.
    ///
    /// If the request was repeated and the log was trimmed, the stored number may be that of this very entry: it is
    /// **unknown** whether it is stored. See what is delivered under its id.
    NumberUsed {
        /// The highest number of the node in the log.
        highest: u64,
    },
    /// The slot was trimmed while it was **unknown** whether the entry is in it. Look up the highest number of the node
    /// in a snapshot: the entry is stored if that is not lower than its own, otherwise not.
    OutcomeTrimmed {
        /// The slot.
        slot: u64,
        /// The first slot that is not trimmed.
        first: u64,
    },
    /// The log answered again and again that the epoch of the entry is over, and named no later one; **unknown**
    /// whether it is stored. The log breaks its promises; find out what is wrong with it.
    Sealed {
        /// The lowest epoch that may write, as the log says.
        epoch: u64,
        /// The number of answers that settled nothing.
        times: u32,
    },
    /// The log says that the entry is stored in a slot that does not exist; **unknown** whether it is stored. The log
    /// breaks its promises; find out what is wrong with it.
    NoSuchSlot {
        /// The slot.
        slot: u64,
    },
    /// The log was sealed for the epoch, and still says that entries of an earlier one may be written. It breaks its
    /// promises, or this is a late answer: hand in one answer for each request.
    NotSealed {
        /// The epoch that was to begin.
        epoch: u64,
        /// The lowest epoch that may write, as the log says.
        sealed: u64,
    },
    /// The epoch is not above the one that the log is in. This epoch has not begun; another caller may have begun a
    /// higher one meanwhile. Begin one above that.
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
                write!(
                    f,
                    "the slot was lost {times} times before the entry was written; let subscribers wait longer"
                )
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
                    "the log already holds number {highest} of the node, from another publisher of that name; "
                )?;
                write!(f, "if that one has stopped, publish again")
            }
            PublishErrorKind::OutcomeTrimmed { slot, first } => {
                write!(f, "unknown whether the entry was stored in slot {slot}: the log begins at {first}; ")?;
                write!(f, "look in a snapshot whether it is delivered")
            }
            PublishErrorKind::Sealed { epoch, times } => {
                write!(
                    f,
                    "unknown whether the entry is stored: {times} requests settled nothing, and the log says "
                )?;
                write!(f, "that only epochs below {epoch} are over; check the engine")
            }
            PublishErrorKind::NoSuchSlot { slot } => {
                write!(
                    f,
                    "unknown whether the entry is stored: the log names slot {slot}, which does not exist; check the engine"
                )
            }
            PublishErrorKind::NotSealed { epoch, sealed } => {
                write!(
                    f,
                    "the log was sealed for epoch {epoch} and still accepts epoch {sealed}; check the engine"
                )
            }
            PublishErrorKind::NotAbove { epoch, sealed } => {
                write!(f, "epoch {epoch} is not above epoch {sealed} of the log; begin a higher one")
            }
        }
    }
}

impl<T: fmt::Debug> core::error::Error for PublishError<T> {}
