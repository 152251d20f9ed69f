//! The place in the order from which a subscriber goes on.

use crate::compat::Vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A place in the order from which a subscriber can go on: for restarts, and for those who join late.
///
/// Store it together with the state that the deliveries up to here have made. It is taken between two deliveries, also
/// of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<I> {
    /// The slot to deliver next; slots below it may be trimmed.
    pub next: u64,
    /// The highest epoch of an entry so far.
    pub epoch: u64,
    /// The highest number delivered of every node: what makes a second copy of a message known as one.
    pub delivered: VersionVector<I>,
    /// The slots that were skipped because of a [`Skip`](super::Content::Skip), in increasing order: what makes the
    /// `Skip` known as one that was obeyed when its own slot comes.
    pub skipped: Vec<u64>,
    /// The last entry passed: in the slot below the next one, or in the next one if a part of it is still to be delivered.
    /// By it a subscriber notices that the log was [rolled back](super::SubscribeError::RolledBack). `None` if nothing
    /// was passed, or if that need not be noticed before something more is.
    pub passed: Option<Passed<I>>,
}

impl<I: NodeId> Default for Snapshot<I> {
    /// Before the first slot.
    fn default() -> Self {
        Self { next: 1, epoch: 0, delivered: VersionVector::new(), skipped: Vec::new(), passed: None }
    }
}

/// The last entry that a subscriber has passed, without what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<I> {
    /// Its slot.
    pub slot: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The id of its first message; `None` for what has no id.
    pub id: Option<Dot<I>>,
}
