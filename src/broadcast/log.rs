//! The traits of a log, and the answers of one. The rules L1 to L7 that every engine keeps are on [`Log`].

use super::Entry;
#[cfg(target_has_atomic = "ptr")]
use crate::compat::Arc;
use crate::compat::{Box, Vec};

/// A log that can be read, sealed and trimmed: the part that [`SlotLog`] and [`AppendLog`] share.
///
/// All calls block. They take `&self`, so that threads can share a log, and can be made on
/// `dyn Log<Node = I, Payload = P, Error = E>`. `&L`, `Box<L>` and `Arc<L>` are logs like `L` itself, so a
/// driver takes a shared log, or one that is chosen at run time, as it is.
///
/// # The problem
///
/// A [counter](crate::counter::Counter) gives everyone the same order of *numbers*. It cannot say which message a
/// number stands for, nor that it stands for none because the node that took it has crashed. Deciding that is
/// consensus, which increment-and-get does not solve for three. So the engine of a log offers one thing more: a slot
/// that is written **once**, by the first writer, and whose content every later writer is shown.
///
/// | trait | picks the slot | holes | engines |
/// |---|---|---|---|
/// | [`SlotLog`] | the writer, with a number from a counter | yes; a reader that has waited fills them | all that have create-if-absent |
/// | [`AppendLog`] | the engine, in the step that stores | never | all that order their transactions |
///
/// A reader sees the same either way: entries in slots 1, 2, 3, ..., whose numbers continue across epochs.
///
/// # The promises of an engine
///
/// - **L1, write-once**: the content of a slot never changes. After an entry was answered as written, every later read
///   returns it, whatever crashes in between.
/// - **L2, a late write is a write**: a request whose answer was lost may take effect at any later time. The same rules
///   hold for it then: it does not land in an occupied, a sealed or a trimmed slot. Each request is carried out at most
///   once. If a layer below may repeat requests, such as a proxy that retries, the engine must return an error instead
///   of `Trimmed`. Otherwise an entry that is stored may be reported as not stored.
/// - **L3, the order of refusals**: [`Trimmed`](WriteAnswer::Trimmed) is checked first, then
///   [`Occupied`](WriteAnswer::Occupied), then [`Sealed`](WriteAnswer::Sealed), then
///   [`NumberUsed`](WriteAnswer::NumberUsed). So `Sealed` says more than that this write was refused: the slot is
///   empty, and no write of that epoch will ever land in it. Over appends
///   [`AlreadyAppended`](AppendAnswer::AlreadyAppended) is checked before `Sealed` and `NumberUsed`.
/// - **L4, sealed is sealed**: once `seal` has answered, no entry of an earlier epoch is ever stored again, in any
///   slot. In a database, writers hold a shared lock on the row of the epoch, and `seal` an exclusive one.
/// - **L5, trimmed is trimmed**: no entry is stored in a trimmed slot. In a database, the writing transaction reads the
///   trim mark under a lock. Otherwise create-if-absent would succeed again in a trimmed slot, and a reader that has
///   passed the slot would never see the entry.
/// - **L6, the numbers of a node go up**: for each node the log keeps the highest number that it has stored, even after
///   its entry is trimmed. An entry whose first number is not above it is not stored, because subscribers would drop it
///   as a duplicate. So a publisher that is started twice under one name gets an error, not an acknowledgement for a
///   message that is never delivered. Over slots, an entry is not stored below the slot of its node's highest number
///   either: subscribers would deliver it first, and drop the one already stored. An entry that
///   [retires](super::Content::Retire) a node removes the number of that node, so that the table does not grow with
///   every restart.
/// - **L7, unreadable content is reported**: a slot whose stored bytes are damaged, or of a later version, is read as
///   [`Content::Unreadable`](super::Content::Unreadable). Later slots are read as usual.
///
/// The module `conformance` of the crate `happens-before-engines` tests these rules on every engine.
///
/// # Errors and unknown outcomes
///
/// After an error it is *unknown* whether the request was carried out, unless the engine's own error type says more. To
/// find out, **repeat the request unchanged**:
///
/// - A write is repeated with the same entry to the same slot, and is answered with the content of the slot.
/// - An append is repeated with the same entry, and is answered with the slot of the first.
/// - `seal` and `trim` only go forward, so a second request does no harm.
/// - A read changes nothing. It does not settle the question either: a delayed write may land after its slot was read
///   as empty.
///
/// | answer | the entry |
/// |---|---|
/// | [`Written`](WriteAnswer::Written) | stored in this slot |
/// | [`Occupied`](WriteAnswer::Occupied) by an entry of the same content | stored in this slot, by an earlier request |
/// | [`Occupied`](WriteAnswer::Occupied) by another | not stored, and never will be in this slot |
/// | [`Sealed`](WriteAnswer::Sealed) | not stored, and never will be with this epoch |
/// | [`Trimmed`](WriteAnswer::Trimmed) | not stored by this request; an earlier one may have stored it before the slot was trimmed |
/// | [`NumberUsed`](WriteAnswer::NumberUsed) | not stored by this request; the number may be that of an earlier one |
/// | an error | unknown; repeat the request |
///
/// # Sources
///
/// Balakrishnan, Malkhi, Prabhakaran, Wobber, Wei, Davis, *CORFU: A Shared Log Design for Flash Clusters* (2012):
/// write-once slots, fill, seal, trim. Herlihy, *Wait-Free Synchronization* (1991): what increment-and-get cannot do.
/// Deviation: one log here is one unit, not a mapping onto many; epochs seal the log as a whole.
pub trait Log {
    /// The type of node ids.
    type Node;

    /// The type of payloads.
    type Payload;

    /// The error of a request that failed, or was not answered.
    type Error;

    /// Reads the occupied slots from `from` on, in order and without holes, within `limit`.
    ///
    /// An answer of fewer than two entries, and fewer than `limit.entries`, means that no other slot at or above `from`
    /// is occupied. A longer one says nothing about the slots after its last entry. The slots need not be read at one
    /// instant: a slot that is left out was empty at some instant during the read.
    ///
    /// # Errors
    ///
    /// The error of the engine; a read changes nothing.
    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<Self::Node, Self::Payload>, Self::Error>;

    /// Refuses entries of epochs below `epoch` from now on, and returns the highest occupied slot.
    ///
    /// The highest occupied slot may be a trimmed one. It is 0 if nothing was ever written or trimmed. Earlier epochs
    /// cannot change it any more, so a counter for the new epoch starts above it. Sealing an epoch a second time
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether the log is sealed. Repeat the request.
    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error>;

    /// Forgets the slots below `below`, and returns the first slot kept. That is higher than `below` if more was
    /// trimmed before.
    ///
    /// Trim only slots that every subscriber has delivered, or has in a snapshot. Keep the last of them if you can: it
    /// shows a subscriber whether the log was restored from a backup.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether the slots are trimmed. Repeat the request.
    fn trim(&self, below: u64) -> Result<u64, Self::Error>;
}

/// A log whose slots are written once, by the first writer. Its promises are on [`Log`].
///
/// # Examples
///
/// The first writer of slot 2 wins, and the fill is shown its entry. Fill slot 1 as well: a read returns both.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Dot;
/// use happens_before::broadcast::{Entry, Log, MemoryLog, ReadAnswer, ReadLimit, SlotLog, WriteAnswer};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let hello = Entry::message(0, Dot::new("a", 1).unwrap(), "hello");
/// assert_eq!(log.write(2, &hello)?, WriteAnswer::Written);
/// assert_eq!(log.write(2, &Entry::fill(0))?, WriteAnswer::Occupied(hello.clone()));
///
/// assert_eq!(log.read(1, ReadLimit::entries(10))?, ReadAnswer::Entries(vec![(2, hello)])); // slot 1 is a hole
/// # Ok::<(), happens_before::broadcast::LogFull>(())
/// ```
///
/// An engine that is chosen at run time, under one type. Return another engine of the same error from `open`: nothing else
/// changes.
///
/// ```
/// use std::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{LogFull, MemoryLog, PublisherConfig, SlotLog, blocking};
/// use happens_before::counter::AtomicCounter;
///
/// type AnyLog = Box<dyn SlotLog<Node = &'static str, Payload = &'static str, Error = LogFull>>;
///
/// fn open() -> AnyLog {
///     Box::new(RefCell::new(MemoryLog::new(1_000)))
/// }
///
/// let (counter, log) = (AtomicCounter::new(), open());
/// let mut alice = Publisher::new("alice", PublisherConfig::default());
/// alice.publish("tea?")?;
/// assert_eq!(blocking::settle(&mut alice, &counter, &log)?.unwrap().slot, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SlotLog: Log {
    /// Writes `entry` into `slot`, if the slot is empty.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether the entry is written. Repeat the same write to the same slot.
    fn write(
        &self,
        slot: u64,
        entry: &Entry<Self::Node, Self::Payload>,
    ) -> Result<WriteAnswer<Self::Node, Self::Payload>, Self::Error>;
}

/// A log that numbers and stores an entry in one step. It has no holes, and needs no counter. Its promises are on
/// [`Log`].
pub trait AppendLog: Log {
    /// Stores `entry` in the slot after the highest occupied one.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether the entry is stored. Append the same entry, with the same id, again:
    /// readers deliver it once, from the first slot that holds it.
    fn append(&self, entry: &Entry<Self::Node, Self::Payload>) -> Result<AppendAnswer, Self::Error>;
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer<I, P> {
    /// It is stored.
    Written,
    /// The slot already holds this entry. An earlier request may have written the very same one.
    Occupied(Entry<I, P>),
    /// The slot is empty, and the epoch of the entry is over. No write of that epoch will ever succeed.
    Sealed {
        /// The lowest epoch that may write.
        epoch: u64,
    },
    /// The slot was trimmed, and its content is forgotten, if it had any.
    Trimmed {
        /// The first slot that is not trimmed.
        first: u64,
    },
    /// The slot is empty, and the log holds an entry of the same node whose number is not lower, or whose slot is higher.
    /// The entry will never be stored in this slot.
    NumberUsed {
        /// The highest number of the node.
        highest: u64,
    },
}

/// The answer to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// It is stored in this slot.
    Appended {
        /// The slot.
        slot: u64,
    },
    /// An earlier request has stored this very entry in this slot, and nothing later of its node is stored.
    AlreadyAppended {
        /// The slot.
        slot: u64,
    },
    /// The epoch of the entry is over.
    Sealed {
        /// The lowest epoch that may append.
        epoch: u64,
    },
    /// The log holds another entry of the same node whose number is not lower, or held one that is trimmed now.
    NumberUsed {
        /// The highest number of the node.
        highest: u64,
    },
}

/// The limits of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadLimit {
    /// The most entries.
    pub entries: usize,
    /// The most bytes of all entries together, as the engine stores them.
    ///
    /// The first two entries are returned whatever their size. The reader may know the first one already, so the second
    /// one guarantees that every read makes progress.
    pub bytes: usize,
}

impl ReadLimit {
    /// Returns a limit of this many entries, of any size.
    #[must_use]
    pub const fn entries(entries: usize) -> Self {
        Self { entries, bytes: usize::MAX }
    }
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadAnswer<I, P> {
    /// Occupied slots and their entries, in increasing order, from the requested slot on.
    Entries(Vec<(u64, Entry<I, P>)>),
    /// The requested slot was trimmed.
    Trimmed {
        /// The first slot that is not trimmed.
        first: u64,
    },
}

/// The state of a log that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealAnswer {
    /// The lowest epoch that may write. It is higher than requested if another caller has sealed a later one.
    pub epoch: u64,
    /// The highest occupied slot, 0 if there is none.
    pub tail: u64,
}

/// Implements the traits of a log for a pointer to one.
macro_rules! pointer {
    ($pointer:ty) => {
        impl<L: Log + ?Sized> Log for $pointer {
            type Node = L::Node;
            type Payload = L::Payload;
            type Error = L::Error;

            fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<L::Node, L::Payload>, L::Error> {
                (**self).read(from, limit)
            }

            fn seal(&self, epoch: u64) -> Result<SealAnswer, L::Error> {
                (**self).seal(epoch)
            }

            fn trim(&self, below: u64) -> Result<u64, L::Error> {
                (**self).trim(below)
            }
        }

        impl<L: SlotLog + ?Sized> SlotLog for $pointer {
            fn write(
                &self,
                slot: u64,
                entry: &Entry<L::Node, L::Payload>,
            ) -> Result<WriteAnswer<L::Node, L::Payload>, L::Error> {
                (**self).write(slot, entry)
            }
        }

        impl<L: AppendLog + ?Sized> AppendLog for $pointer {
            fn append(&self, entry: &Entry<L::Node, L::Payload>) -> Result<AppendAnswer, L::Error> {
                (**self).append(entry)
            }
        }
    };
}

pointer!(&L);
pointer!(Box<L>);
#[cfg(target_has_atomic = "ptr")]
pointer!(Arc<L>);
