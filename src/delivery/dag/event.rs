//! Events that name their parents by id.

use core::fmt;

use crate::compat::Vec;
use crate::delivery::error::Arrival;

/// An event, with the ids of the events that it directly builds on.
///
/// The order is by id, then by parents and payload: a *total* order for sorted storage, which says nothing about
/// causality.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::DagEvent;
///
/// let merge = DagEvent { id: "f00d", parents: vec!["beef", "cafe"], payload: "Merge branch 'tea'" };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DagEvent<I, P> {
    /// The name by which other events depend on this one.
    pub id: I,
    /// The ids of the direct causes, in the order that the application chooses.
    pub parents: Vec<I>,
    /// The payload.
    pub payload: P,
}

impl<I: fmt::Debug, P> Arrival for DagEvent<I, P> {
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {:?}", self.id)
    }
}
