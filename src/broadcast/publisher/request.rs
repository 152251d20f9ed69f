//! The requests of a publisher, and the results that it reports.

use core::num::NonZeroU64;

use crate::broadcast::Entry;
use crate::node::Dot;

/// A request of a [`Publisher`](crate::Publisher).
#[derive(Debug, PartialEq, Eq)]
pub enum PublishRequest<'a, I, P> {
    /// Call `increment_and_get(n)` on the counter of the epoch; the answer goes, together with the request, to
    /// [`handle_numbers`](crate::Publisher::handle_numbers). Over slots only.
    Numbers(NumberRequest<I>),
    /// Write the entry into the slot; the answer goes to [`handle_write`](crate::Publisher::handle_write). Over slots only.
    Write {
        /// The slot.
        slot: u64,
        /// The entry; a repeated write has the same one.
        entry: &'a Entry<I, P>,
    },
    /// Append the entry; the answer goes to [`handle_append`](crate::Publisher::handle_append). Over appends only.
    Append {
        /// The entry; a repeated append has the same one.
        entry: &'a Entry<I, P>,
    },
    /// The epoch is over. Make sure that this publisher may go on, find out the counter of the new epoch if there is
    /// one, and call [`enter`](crate::Publisher::enter).
    EnterEpoch {
        /// The lowest epoch that may write.
        epoch: u64,
    },
}

/// A request for numbers, which are valid for one entry in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberRequest<I> {
    /// The entry that the numbers are for.
    pub id: Dot<I>,
    /// The epoch whose counter must be asked: the one that the publisher has [entered](crate::Publisher::enter).
    pub epoch: u64,
    /// The number of numbers.
    pub n: NonZeroU64,
}

/// The result of publishing: the entry is in the log, and will be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Published<I> {
    /// The id of its first message.
    pub id: Dot<I>,
    /// The slot. Over an [`AppendLog`](crate::broadcast::AppendLog) an earlier request whose answer was lost may have
    /// stored the entry in a lower slot too. The position of a message is the one at which it is delivered.
    pub slot: u64,
}

/// An entry that its publisher has given up. Its numbers are used up: its messages get new ones when they are published
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abandoned<I, P> {
    /// An entry that is not in the log and never will be.
    NotStored {
        /// The entry.
        entry: Entry<I, P>,
    },
    /// An entry that may be in the log, or land there later.
    ///
    /// To find out, repeat the write with [`resume`](crate::Publisher::resume). Or watch the deliveries: once a later
    /// message of its node is delivered, this entry never will be.
    Unknown {
        /// The entry.
        entry: Entry<I, P>,
        /// The slot that may hold it; `None` over appends.
        slot: Option<u64>,
    },
}
