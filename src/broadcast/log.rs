//! The traits of a log, and the answers of one. The rules L1 to L7 that every engine keeps are on [`Log`].

use super::Entry;
use crate::compat::Vec;

/// A log that can be read, sealed and trimmed: the part that [`SlotLog`] and [`AppendLog`] share.
///
/// `I` names the nodes, `P` is what messages carry. All calls block, and take `&self`, so that threads may share a log;
/// all can be made on `dyn Log<I, P, Error = E>`.
///
/// # The problem
///
/// A [counter](crate::counter::Counter) gives everyone the same order of *numbers*. It cannot say which message a number
/// stands for, nor that it stands for none because its taker has crashed. Deciding that is consensus, which
/// increment-and-get does not solve for three. So the engine of a log gives one thing more: a slot that is written
/// **once**, by the first writer, and shows every later writer its content.
///
/// | trait | who picks the slot | holes | engines |
/// |---|---|---|---|
/// | [`SlotLog`] | the writer, with a number from a counter | yes; a reader that has waited fills them | all that have create-if-absent |
/// | [`AppendLog`] | the engine, in the step that stores | never | all that order their transactions |
///
/// A reader sees one thing: entries in slots 1, 2, 3, ..., numbered on across epochs.
///
/// # What an engine promises
///
/// - **L1, write-once**: the content of a slot never changes. An entry that was answered as written is there for every
///   read that begins afterwards, through every crash.
/// - **L2, a late write is a write**: a request whose answer was lost may take effect at any later time. It then takes
///   effect by the same rules: not in an occupied, a sealed or a trimmed slot. Each request is carried out at most once.
///   Where a layer below may repeat it, such as a proxy that tries again, `Trimmed` must become an error. Otherwise an
///   entry that is stored may be reported as not stored.
/// - **L3, the order of refusals**: [`Trimmed`](WriteAnswer::Trimmed) goes before
///   [`Occupied`](WriteAnswer::Occupied), that before [`Sealed`](WriteAnswer::Sealed), and that before
///   [`NumberUsed`](WriteAnswer::NumberUsed). So `Sealed` says more than that this write was refused: the slot is empty,
///   and no write of that epoch will ever get into it. Over appends [`AlreadyAppended`](AppendAnswer::AlreadyAppended)
///   goes before `Sealed` and `NumberUsed`.
/// - **L4, sealed is sealed**: when `seal` has answered, no entry of an earlier epoch is stored any more, in any slot.
///   In a database, writers share a lock on the row of the epoch, and `seal` takes it alone.
/// - **L5, trimmed is trimmed**: the transaction that writes reads the mark of trimming, under a lock. Otherwise
///   create-if-absent succeeds again in a trimmed slot, and a reader that has passed it never sees the entry.
/// - **L6, the numbers of a node go up**: for each node the log keeps the highest number that it has stored, also when
///   that is trimmed. An entry whose first number is not above it is not stored: subscribers would drop it as a duplicate.
///   So a publisher that was started a second time under one name gets an error, and no acknowledgement for a message
///   that is never delivered. Over slots, an entry is not stored below the slot of its node's highest number either:
///   subscribers would deliver it first, and drop the one that is stored already. An entry that
///   [retires](super::Content::Retire) a node removes the number of that node, so that the table does not grow with every
///   restart.
/// - **L7, the unreadable is answered as such**: a slot whose stored bytes are damaged, or of a later version, is
///   read as [`Content::Unreadable`](super::Content::Unreadable). The slots beyond it are read as usual.
///
/// The tests of these rules, for every engine, are in `conformance` of the crate `happens-before-engines`.
///
/// # What an error tells the caller
///
/// After an error it is *unknown* whether the request was carried out, unless the engine's own error type says more. To
/// find out, **repeat the request unchanged**:
///
/// - A write is repeated with the same entry to the same slot, and is answered with the content of the slot.
/// - An append is repeated with the same entry, and is answered with the slot of the first.
/// - `seal` and `trim` only go forward, so that a second one does no harm.
/// - A read changes nothing. It finds nothing out either: a delayed write may land after its slot was read as empty.
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
pub trait Log<I, P> {
    /// The error of a request that was not carried out, or not answered.
    type Error;

    /// Reads occupied slots from `from` on, in order, leaving out holes, within `limit`.
    ///
    /// An answer of fewer than two entries, and fewer than `limit.entries`, says that nothing more stands at or above
    /// `from`; a longer one says nothing of what follows its last entry. The slots need not be read at one instant: what
    /// is left out was empty at some instant between begin and end.
    ///
    /// # Errors
    ///
    /// The error of the engine; nothing is changed.
    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>, Self::Error>;

    /// Refuses entries of epochs below `epoch` from now on, and returns the highest occupied slot.
    ///
    /// The highest occupied slot may be one that was trimmed; it is 0 where nothing was ever written or trimmed. It
    /// does not change any more through earlier epochs: a counter for the new epoch starts above it. Sealing an epoch a
    /// second time changes nothing.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether it is sealed. Repeat it.
    fn seal(&self, epoch: u64) -> Result<SealAnswer, Self::Error>;

    /// Forgets the slots below `below`, and returns the first that is kept, which is higher if more was trimmed before.
    ///
    /// Only what every subscriber has delivered, or has in a snapshot, may be trimmed. Keep the last such slot if you can:
    /// by it a subscriber notices that the log was restored from a backup.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether it is trimmed. Repeat it.
    fn trim(&self, below: u64) -> Result<u64, Self::Error>;
}

/// A log whose slots are written once, by the first writer. Its promises are on [`Log`].
///
/// # Examples
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
pub trait SlotLog<I, P>: Log<I, P> {
    /// Writes `entry` into `slot`, if nothing is there.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether it is written. Repeat the same write to the same slot.
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, Self::Error>;
}

/// A log that numbers and stores in one step: it has no holes, and needs no counter. Its promises are on [`Log`].
pub trait AppendLog<I, P>: Log<I, P> {
    /// Stores `entry` in the slot after the highest occupied one.
    ///
    /// # Errors
    ///
    /// The error of the engine; unknown whether it is stored. Append the same entry, with the same id, again: readers
    /// deliver it once, at the first place at which it is stored.
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer, Self::Error>;
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer<I, P> {
    /// It is stored.
    Written,
    /// The slot holds this entry already. It may be the one that was to be written, from an earlier request.
    Occupied(Entry<I, P>),
    /// The slot is empty, and its epoch is over. Nothing of that epoch will be written any more.
    Sealed {
        /// The lowest epoch that may write.
        epoch: u64,
    },
    /// The slot was trimmed; what was in it, if anything, is forgotten.
    Trimmed {
        /// The first slot that is not.
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
    /// An earlier request has stored this very entry, as the last one of its node, in this slot.
    AlreadyAppended {
        /// The slot.
        slot: u64,
    },
    /// Its epoch is over.
    Sealed {
        /// The lowest epoch that may append.
        epoch: u64,
    },
    /// The log holds another entry of the same node whose number is not lower, or has trimmed what it held.
    NumberUsed {
        /// The highest number of the node.
        highest: u64,
    },
}

/// The most that one read returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadLimit {
    /// The most entries.
    pub entries: usize,
    /// The most bytes that all entries may take together, as the engine stores them.
    ///
    /// The first two entries are returned whatever they take. The first may be one that the reader knows, and with the
    /// second every read makes progress.
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
    /// Occupied slots with what they hold, in increasing order, from the one asked for on.
    Entries(Vec<(u64, Entry<I, P>)>),
    /// The slot asked for was trimmed.
    Trimmed {
        /// The first slot that is not.
        first: u64,
    },
}

/// The state of a log that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealAnswer {
    /// The lowest epoch that may write; higher than asked for if another caller has gone further.
    pub epoch: u64,
    /// The highest occupied slot, 0 if there is none.
    pub tail: u64,
}

impl<I, P, L: Log<I, P> + ?Sized> Log<I, P> for &L {
    type Error = L::Error;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<I, P>, L::Error> {
        (**self).read(from, limit)
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, L::Error> {
        (**self).seal(epoch)
    }

    fn trim(&self, below: u64) -> Result<u64, L::Error> {
        (**self).trim(below)
    }
}

impl<I, P, L: SlotLog<I, P> + ?Sized> SlotLog<I, P> for &L {
    fn write(&self, slot: u64, entry: &Entry<I, P>) -> Result<WriteAnswer<I, P>, L::Error> {
        (**self).write(slot, entry)
    }
}

impl<I, P, L: AppendLog<I, P> + ?Sized> AppendLog<I, P> for &L {
    fn append(&self, entry: &Entry<I, P>) -> Result<AppendAnswer, L::Error> {
        (**self).append(entry)
    }
}
