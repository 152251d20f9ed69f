//! The errors of subscribers.

use core::fmt;

use crate::broadcast::{Entry, Unreadable};

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
    /// More holes in a row than [`jump`](crate::broadcast::SubscriberConfig::jump) allows. The entries that were read are kept, and
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
    /// The next slot cannot be read. The subscriber looks on in the log for a [`Skip`](crate::broadcast::Content::Skip) of the slot,
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
    /// The next slot holds a [`Skip`](crate::broadcast::Content::Skip) of a slot that this subscriber has passed without skipping it,
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
    /// The log has given an answer that breaks the rules of [`Log`](crate::broadcast::Log). Nothing of the answer is used, and the log
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
/// [retirement](crate::broadcast::Content::Retire) of each node that is over.
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
