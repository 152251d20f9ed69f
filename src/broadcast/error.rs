//! The errors of total order broadcast: of publishers and new epochs, of the log in memory, of subscribers.

use core::fmt;

use super::{Entry, Unreadable};

/// A value that was not published, and the reason: the error of a [`Publisher`](crate::Publisher), of
/// [`Entry::batch`] and of [`NewEpoch`](super::NewEpoch).
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
    /// to publish; the [`Entry`] from one that accepts an answer; the epoch from [`NewEpoch`](super::NewEpoch).
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

/// A log in memory has no room for a slot; nothing is written. Trim what every subscriber has delivered, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFull {
    /// The slot that would have been written.
    pub slot: u64,
    /// The first slot that is kept.
    pub first: u64,
    /// The most slots that are kept.
    pub limit: usize,
}

impl fmt::Display for LogFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, first, limit } = self;
        write!(
            f,
            "no room for slot {slot} beside those from {first} on: {limit} are kept; trim what is delivered"
        )
    }
}

impl core::error::Error for LogFull {}

/// The reason why a [`Subscriber`](crate::Subscriber) does not go on.
///
/// In each case nothing is delivered that should not be. Everything below the slot that is named can still be delivered,
/// and what the subscriber has delivered stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError<I, P> {
    /// The log no longer has the next slot. Nothing is accepted. The subscriber lags, or the log was trimmed too early.
    ///
    /// [Install](crate::Subscriber::install) a snapshot that is at least as far.
    Trimmed {
        /// The slot to deliver next.
        next: u64,
        /// The first slot that the log has.
        first: u64,
    },
    /// More holes in a row than [`jump`](super::SubscriberConfig::jump) allows. The entries that were read are kept, and
    /// nothing is filled. The counter is at fault, or the log, or the limit is too low.
    ///
    /// Find out whether the counter or the log is right. If the holes are real, go on with a higher limit.
    Jump {
        /// The slot to deliver next.
        next: u64,
        /// The next one that is claimed.
        slot: u64,
    },
    /// Two contents of one slot, with both as proof. Fatal: the slot and what follows are not delivered any more, since
    /// others may have delivered the other content. The log is at fault, for it does not write once; or an announcement
    /// was forged.
    ///
    /// Stop, and find out which of them others have delivered.
    Conflict {
        /// The slot.
        slot: u64,
        /// The content that was seen first.
        first: Entry<I, P>,
        /// The content that was seen later.
        second: Entry<I, P>,
    },
    /// The log no longer holds what was passed in this slot. Its history is no longer the one that was delivered here, so
    /// nothing more is accepted. The log was restored from a backup, or fails to keep what it acknowledged.
    ///
    /// [Install](crate::Subscriber::install) a snapshot of a subscriber of the log as it is now, or start anew.
    RolledBack {
        /// The slot.
        slot: u64,
    },
    /// Two contents were seen in this slot before, as [`Conflict`](Self::Conflict) has said. Nothing is accepted from there
    /// on; the subscriber is unchanged.
    Halted {
        /// The slot.
        slot: u64,
    },
    /// The next slot cannot be read. The subscriber looks on in the log for a [`Skip`](super::Content::Skip) of the slot,
    /// and goes on once it finds one, or once the slot can be read.
    ///
    /// [`Damaged`](Unreadable::Damaged): the log is at fault. Restore the slot, or publish a `Skip` of it.
    /// [`LaterVersion`](Unreadable::LaterVersion): this reader is too old. Update it, and do not skip the slot.
    Unreadable {
        /// The slot.
        slot: u64,
        /// The reason why it cannot be read.
        kind: Unreadable,
    },
    /// The next slot holds a [`Skip`](super::Content::Skip) of a slot that this subscriber has passed without skipping it,
    /// so that others may have another history. The subscriber does not pass the `Skip`, and looks on for a `Skip` of it.
    /// The operator who published it is at fault, or the memory of skipped slots was too small.
    ///
    /// If a subscriber has skipped the slot, [install](crate::Subscriber::install) a snapshot of that one from after the
    /// `Skip`. If none has, the `Skip` was a mistake: publish a `Skip` of the slot `by`.
    NotSkipped {
        /// The slot that should have been skipped.
        slot: u64,
        /// The slot that holds the `Skip`.
        by: u64,
    },
    /// The log has given an answer that breaks the rules of [`Log`](super::Log). Nothing of the answer is used, and the log
    /// is asked again after a pause. The engine is at fault.
    ///
    /// Go on; if it comes again, check the engine.
    InvalidAnswer {
        /// The slot at which the read began, or that was to be filled.
        slot: u64,
        /// The rule that the answer breaks.
        kind: InvalidAnswer,
    },
}

/// The rule that an answer of a log breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidAnswer {
    /// A read returned slots that do not go up from the one asked for, or that do not exist.
    Order,
    /// A read returned more entries than asked for.
    TooManyEntries,
    /// A slot is said to be trimmed, and the first slot of the log is not above it.
    Trimmed,
    /// An epoch is said to be over, and the lowest one that may write is not above it; or a fill was refused for its
    /// epoch again and again, each time for a higher one.
    Sealed,
    /// A slot is said to be occupied, and one read after another leaves it out.
    Missing,
    /// The number of a fill is said to be used; a fill has none.
    NumberUsed,
}

impl fmt::Display for InvalidAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "slots that do not go up from there, or do not exist",
            Self::TooManyEntries => "more entries than asked for",
            Self::Trimmed => "trimmed, although the log begins at or below the slot",
            Self::Sealed => "sealed, although the epoch is the lowest that may write, or too often in a row",
            Self::Missing => "an entry that reads leave out",
            Self::NumberUsed => "a used number, although a fill has none",
        })
    }
}

impl<I: fmt::Debug, P: fmt::Debug> fmt::Display for SubscribeError<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscribeError::Trimmed { next, first } => {
                write!(f, "slot {next} comes next, but the log begins at {first}; install a snapshot")
            }
            SubscribeError::Jump { next, slot } => {
                write!(
                    f,
                    "slot {next} comes next, but {slot} is claimed and nothing between; check the counter"
                )
            }
            SubscribeError::Conflict { slot, first, second } => {
                write!(
                    f,
                    "slot {slot} held {first:?} and now holds {second:?}; the log does not write once, stop"
                )
            }
            SubscribeError::RolledBack { slot } => {
                write!(f, "the log has lost what was delivered from slot {slot}, as after a restore; ")?;
                write!(f, "install a snapshot of a subscriber of the log as it is now")
            }
            SubscribeError::Halted { slot } => write!(f, "two contents were seen in slot {slot}; stop"),
            SubscribeError::Unreadable { slot, kind: Unreadable::LaterVersion } => {
                write!(f, "slot {slot} cannot be read, it is of a later version; ")?;
                write!(f, "update this reader, and do not skip the slot")
            }
            SubscribeError::Unreadable { slot, kind } => {
                write!(f, "slot {slot} cannot be read, it is {kind}; restore it, or publish a skip of it")
            }
            SubscribeError::NotSkipped { slot, by } => {
                write!(f, "slot {by} asks to skip slot {slot}, which was passed here without skipping it; ")?;
                write!(f, "install a snapshot of a subscriber that has skipped it, or, if there is none, ")?;
                write!(f, "publish a skip of slot {by}")
            }
            SubscribeError::InvalidAnswer { slot, kind } => {
                write!(f, "the log answered for slot {slot} with {kind}; check the engine")
            }
        }
    }
}

impl<I: fmt::Debug, P: fmt::Debug> core::error::Error for SubscribeError<I, P> {}

/// The next message is of a node that there is no room for in the table of what is delivered.
///
/// It is not delivered; nothing is changed. The owner's limit is too low, or nodes that are over were not retired. Allow
/// more nodes with [`set_nodes`](crate::Subscriber::set_nodes), poll again, and publish the
/// [retirement](super::Content::Retire) of each node that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeTableFull<I> {
    /// The node of the message.
    pub node: I,
    /// The highest number of nodes.
    pub limit: usize,
}

impl<I: fmt::Debug> fmt::Display for NodeTableFull<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, limit } = self;
        write!(f, "{node:?} is one node more than {limit}; ")?;
        write!(f, "allow more, and publish the retirement of those that are over")
    }
}

impl<I: fmt::Debug> core::error::Error for NodeTableFull<I> {}
