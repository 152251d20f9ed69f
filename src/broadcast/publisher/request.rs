//! The requests of a publisher, and the results that it reports.

use core::num::NonZeroU64;

use crate::broadcast::Entry;
use crate::node::Dot;

/// A request of a [`Publisher`](crate::Publisher).
#[derive(Debug, PartialEq, Eq)]
pub enum PublishRequest<'a, I, P> {
    /// Call `increment_and_get(n)` on the counter of the epoch; the answer goes, with the request, to
    /// [`handle_numbers`](crate::Publisher::handle_numbers). Over slots only.
    Numbers(NumberRequest<I>),
    /// Write the entry into the slot; the answer goes to [`handle_write`](crate::Publisher::handle_write). Over slots only.
    Write {
        /// The slot.
        slot: u64,
        /// The entry; the same whenever the write is repeated.
        entry: &'a Entry<I, P>,
    },
    /// Append the entry; the answer goes to [`handle_append`](crate::Publisher::handle_append). Over appends only.
    Append {
        /// The entry; the same whenever the append is repeated.
        entry: &'a Entry<I, P>,
    },
    /// The epoch is over: make sure that this publisher may go on, find out the counter of the new epoch if there is one,
    /// and call [`enter`](crate::Publisher::enter).
    EnterEpoch {
        /// The lowest epoch that may write.
        epoch: u64,
    },
}

/// A request for numbers, which are good for one entry, in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberRequest<I> {
    /// The entry that the numbers are for.
    pub id: Dot<I>,
    /// The epoch whose counter is to be asked: the one that the publisher has [entered](crate::Publisher::enter).
    pub epoch: u64,
    /// The number of numbers.
    pub n: NonZeroU64,
}

/// An entry that is in the log, where it will be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Published<I> {
    /// The id of its first message.
    pub id: Dot<I>,
    /// The slot. Over an [`AppendLog`](crate::broadcast::AppendLog) it may be stored a second time, earlier, by a request
    /// whose answer was lost; the position of a message is the one at which it is delivered.
    pub slot: u64,
}

/// An entry that its publisher has given up. Its numbers are used: published again, its messages get new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abandoned<I, P> {
    /// An entry that is not in the log and never will be.
    NotStored {
        /// The entry.
        entry: Entry<I, P>,
    },
    /// An entry that may be in the log, or get there later.
    ///
    /// To find out, repeat the write with [`resume`](crate::Publisher::resume). Or see which is delivered first, it or a
    /// later message of its node: if the later one is, it never will be.
    Unknown {
        /// The entry.
        entry: Entry<I, P>,
        /// The slot in which it may be; `None` over appends.
        slot: Option<u64>,
    },
}
