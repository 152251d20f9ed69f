//! The tasks of publishers and subscribers, and their notices: in a channel, or as one line of JSON each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::PublisherId;
use super::faults::Fault;

/// A notice from a publisher or a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// It begins its work, and has its engine.
    Begun,
    /// A publisher begins to publish its message with this number.
    Sent {
        /// The number.
        n: u64,
    },
    /// It is about to write the message into this slot. The notice comes before the write, so that a successor can
    /// settle it.
    Noted {
        /// The slot.
        slot: u64,
    },
    /// The counter was behind the log as the publisher knew it.
    Behind,
    /// The slot was occupied: by a fill, or by another message whose publisher got the same number.
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
    /// It has waited for a planted fault: for the slot of a stalled write, or for the fill of a hole.
    Waited {
        /// The time, in microseconds.
        micros: u64,
    },
    /// The counter was set back.
    CounterReset,
    /// It will die, now or at any moment.
    Dying {
        /// The way in which it dies.
        fault: Fault,
    },
    /// A subscriber has filled a hole.
    Filled,
    /// A subscriber has delivered a message.
    Delivered {
        /// The position: epoch, slot, index in the entry.
        position: (u64, u64, u64),
        /// The publisher of the message.
        node: PublisherId,
        /// The number of the message among its publisher's.
        n: u64,
    },
    /// A subscriber has saved the place at which it continues after a death, with its deliveries up to there.
    Saved {
        /// The next slot.
        next: u64,
        /// The epoch of the last delivered message.
        epoch: u64,
        /// The highest number delivered of each publisher.
        delivered: Vec<(PublisherId, u64)>,
    },
    /// It cannot go on.
    Failed {
        /// The reason.
        what: String,
        /// True if the reason lies in the log as it read it, and not in a failing engine.
        refused: bool,
    },
    /// It has ended, for any reason. The notice is sent on its behalf, after all its own.
    Gone,
}

/// The sender of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Who {
    /// A publisher, by its index.
    Publisher(usize),
    /// A subscriber, by its index.
    Subscriber(usize),
}

/// The task of a publisher or a subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Publish(Publish),
    Subscribe(Subscribe),
}

/// The task of a publisher, with the state that it, or its predecessor, had at the beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Publish {
    pub(super) node: PublisherId,
    pub(super) epoch: u64,
    /// The highest number that is in use.
    pub(super) last: u64,
    /// The number of the last message.
    pub(super) goal: u64,
    /// The message that the predecessor had begun, and the slot in which it may be.
    pub(super) outstanding: Option<(u64, Option<u64>)>,
    /// The messages that meet a fault, with the fault. An outstanding message has met its fault already.
    pub(super) faults: Vec<(u64, Fault)>,
}

/// The task of a subscriber: the place that it, or its predecessor, has saved, and the time for which it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subscribe {
    pub(super) next: u64,
    pub(super) epoch: u64,
    pub(super) delivered: Vec<(PublisherId, u64)>,
    /// The number of messages of this run that it had delivered by then.
    pub(super) count: u64,
    pub(super) timeout_ms: u64,
    /// The counts of deliveries after which it dies.
    pub(super) deaths: BTreeSet<u64>,
}
