//! The place in the total order from which a subscriber goes on.

use crate::compat::Vec;
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A place in the total order from which a subscriber can go on, after a restart or when it joins late.
///
/// Store it together with the state that results from the deliveries up to here. It may be taken between any two
/// deliveries, also within one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<I> {
    /// The slot to deliver next; slots below it may be trimmed.
    pub next: u64,
    /// The highest epoch of an entry so far.
    pub epoch: u64,
    /// The highest number delivered of every node, by which a second copy of a message is recognised.
    pub delivered: VersionVector<I>,
    /// The slots that were skipped because of a [`Skip`](super::Content::Skip), in increasing order. They show, when
    /// the slot of the `Skip` itself comes, that the `Skip` was obeyed.
    pub skipped: Vec<u64>,
    /// The last entry passed. It is in the slot below the next one, or in the next one if a part of it is still to be
    /// delivered. It lets a subscriber notice that the log was [rolled back](super::SubscribeError::RolledBack). `None`
    /// if nothing was passed, or to leave out that check until another entry is passed.
    pub passed: Option<Passed<I>>,
}

impl<I: NodeId> Default for Snapshot<I> {
    /// Before the first slot.
    fn default() -> Self {
        Self { next: 1, epoch: 0, delivered: VersionVector::new(), skipped: Vec::new(), passed: None }
    }
}

/// The last entry that a subscriber has passed, without its payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<I> {
    /// Its slot.
    pub slot: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The id of its first message; `None` if it has none.
    pub id: Option<Dot<I>>,
}
