//! The errors of subscribers.

use core::fmt;

use crate::broadcast::{Entry, Unreadable};

/// The reason why a [`Subscriber`](crate::Subscriber) does not go on.
///
/// Nothing wrong is ever delivered. Everything below the named slot can still be delivered, and earlier deliveries stay
/// valid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError<I, P> {
    /// The log no longer has the next slot. Nothing is accepted. The subscriber lags, or the log was trimmed too early.
    ///
    /// [Install](crate::Subscriber::install) a snapshot that goes on at the log's first slot or later.
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
        /// The next slot that is claimed.
        slot: u64,
    },
    /// Two contents of one slot, both returned as proof. This is fatal: the slot and all later ones are not delivered,
    /// since other subscribers may have delivered the other content. The log is at fault because it does not write
    /// once, or an announcement was forged.
    ///
    /// Stop, and find out which of the two others have delivered.
    Conflict {
        /// The slot.
        slot: u64,
        /// The content that was seen first.
        first: Entry<I, P>,
        /// The content that was seen later.
        second: Entry<I, P>,
    },
    /// The log no longer holds the entry that this subscriber passed in this slot. Its history differs from the one
    /// delivered here, so nothing more is accepted. The log was restored from a backup, or loses what it has
    /// acknowledged.
    ///
    /// [Install](crate::Subscriber::install) a snapshot of a subscriber of the log as it is now, or start anew.
    RolledBack {
        /// The slot.
        slot: u64,
    },
    /// Two contents were seen in this slot earlier, and reported as [`Conflict`](Self::Conflict). Nothing is accepted
    /// from there on; the subscriber is unchanged.
    Halted {
        /// The slot.
        slot: u64,
    },
    /// The next slot cannot be read. The subscriber searches the log for a [`Skip`](crate::broadcast::Content::Skip) of
    /// the slot. It goes on once it finds one, or once the slot can be read.
    ///
    /// [`Damaged`](Unreadable::Damaged): the log is at fault. Restore the slot, or publish a `Skip` of it.
    /// [`LaterVersion`](Unreadable::LaterVersion): this reader is too old. Update it, and do not skip the slot.
    Unreadable {
        /// The slot.
        slot: u64,
        /// The reason why it cannot be read.
        kind: Unreadable,
    },
    /// The next slot holds a [`Skip`](crate::broadcast::Content::Skip) of a slot that this subscriber did not skip when
    /// it passed it. Subscribers that did skip it have another history. So this one does not pass the `Skip`, and
    /// searches for a `Skip` of that. The operator who published it is at fault, or the memory of skipped slots is too
    /// small.
    ///
    /// If another subscriber has skipped the slot, [install](crate::Subscriber::install) a snapshot of it, taken after
    /// the `Skip`. If none has, the `Skip` was a mistake: publish a `Skip` of the slot `by`.
    NotSkipped {
        /// The slot that should have been skipped.
        slot: u64,
        /// The slot that holds the `Skip`.
        by: u64,
    },
    /// The log has given an answer that breaks the rules of [`Log`](crate::broadcast::Log). Nothing of the answer is used, and the log
    /// is asked again after a pause. The engine is at fault.
    ///
    /// Go on; if the error comes again, check the engine.
    InvalidAnswer {
        /// The first slot of the read, or the slot of the fill.
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
    /// A slot is said to be trimmed, although the log is said to begin at or below it.
    Trimmed,
    /// An epoch is said to be over, although the lowest one that may write is not above it. Or a fill was refused again
    /// and again for its epoch, each time with a higher one.
    Sealed,
    /// A slot is said to be occupied, although one read after another leaves it out.
    Missing,
    /// The number of a fill is said to be used, although a fill has none.
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
                    "every slot from {next} up to {slot} is a hole, more than are believed; check the counter"
                )
            }
            SubscribeError::Conflict { slot, first, second } => {
                write!(
                    f,
                    "slot {slot} held {first:?} and now holds {second:?}; stop, the log does not write once"
                )
            }
            SubscribeError::RolledBack { slot } => {
                write!(f, "the log has lost what was delivered from slot {slot}, as after a restore; ")?;
                write!(f, "install a snapshot of a subscriber of the log as it is now")
            }
            SubscribeError::Halted { slot } => write!(f, "two contents were seen in slot {slot}; stop"),
            SubscribeError::Unreadable { slot, kind: Unreadable::LaterVersion } => {
                write!(f, "slot {slot} cannot be read: it is of a later version; ")?;
                write!(f, "update this reader, and do not skip the slot")
            }
            SubscribeError::Unreadable { slot, kind } => {
                write!(f, "slot {slot} cannot be read: it is {kind}; restore it, or publish a skip of it")
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

/// The next message is of a node for which the table of delivered numbers has no room.
///
/// The message is not delivered, and nothing is changed. The limit is too low, or nodes that are gone for good were not
/// retired. Allow more nodes with [`set_nodes`](crate::Subscriber::set_nodes), poll again, and publish the
/// [retirement](crate::broadcast::Content::Retire) of each node that is gone.
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
        write!(f, "no room for node {node:?}: the limit is {limit} nodes; ")?;
        write!(f, "allow more, and publish the retirement of those that are gone")
    }
}

impl<I: fmt::Debug> core::error::Error for NodeTableFull<I> {}
