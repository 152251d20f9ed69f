//! What publishers and subscribers are told to do, and what they say of it: in a channel, or as a line of JSON each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PublisherId;
use super::faults::Fault;

/// A notice of a publisher or a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A publisher begins to publish its message with this number.
    Sent {
        /// The number.
        n: u64,
    },
    /// It is about to write the message into this slot. Said before it does, so that a successor can settle it.
    Noted {
        /// The slot.
        slot: u64,
    },
    /// The counter was behind what the publisher knew of the log.
    Behind,
    /// The slot was occupied: by a fill, or by another message, whose publisher was given the same number.
    Occupied {
        /// True for a fill, false for another message.
        fill: bool,
    },
    /// The message is in the log.
    Acknowledged {
        /// Its number.
        n: u64,
    },
    /// A write stalls until its slot is occupied.
    Stalled,
    /// The counter was set back.
    CounterReset,
    /// It is to die, now or at any moment.
    Dying {
        /// In which way.
        fault: Fault,
    },
    /// A subscriber has filled a hole.
    Filled,
    /// A subscriber has delivered a message.
    Delivered {
        /// Its position: epoch, slot, index in the entry.
        position: (u64, u64, u64),
        /// Its publisher.
        node: PublisherId,
        /// Its number there.
        n: u64,
    },
    /// A subscriber has saved where it goes on if it dies, with all that it has delivered so far.
    Saved {
        /// The slot that comes next.
        next: u64,
        /// The epoch of the last one.
        epoch: u64,
        /// The highest number delivered of each publisher.
        delivered: Vec<(PublisherId, u64)>,
    },
    /// It cannot go on.
    Failed {
        /// The reason.
        what: String,
        /// True if the reason is what it has seen of the log, and not the want of an engine.
        refused: bool,
    },
    /// It has ended, for whatever reason. Said for it, after all that it has said itself.
    Gone,
}

/// The sender of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    /// A publisher, by its place among them.
    Publisher(usize),
    /// A subscriber.
    Subscriber(usize),
}

/// The task of one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Publish(Publish),
    Subscribe(Subscribe),
}

/// The task of a publisher: what it, or its predecessor, knew when it began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Publish {
    pub(super) node: PublisherId,
    pub(super) epoch: u64,
    /// The highest number that is used.
    pub(super) last: u64,
    /// The number of the last message.
    pub(super) goal: u64,
    /// The message that the predecessor had begun, and the slot in which it may be.
    pub(super) outstanding: Option<(u64, Option<u64>)>,
    /// Which messages meet which fault; one that is outstanding has met its own.
    pub(super) faults: Vec<(u64, Fault)>,
}

/// The task of a subscriber: where it begins, which is what it, or its predecessor, has saved; and how long it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subscribe {
    pub(super) next: u64,
    pub(super) epoch: u64,
    pub(super) delivered: Vec<(PublisherId, u64)>,
    /// How many messages of this run it had delivered then.
    pub(super) count: u64,
    pub(super) timeout_ms: u64,
    /// After how many messages it is to die.
    pub(super) deaths: BTreeSet<u64>,
}
