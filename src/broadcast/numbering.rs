//! Numbers the messages of one node.

use core::fmt;

use super::{BatchErrorKind, Entry};
use crate::compat::Vec;
use crate::node::{CounterExhausted, Dot, NodeId};

/// A node, and the last number that it has used.
#[derive(Debug)]
pub(super) struct Ids<I> {
    node: I,
    last: u64,
}

/// An entry with the id of its first message, or why there is none.
type Numbered<I, P, T> = Result<(Dot<I>, Entry<I, P>), PublishRefused<T>>;

impl<I: NodeId> Ids<I> {
    pub(super) const fn new(node: I) -> Self {
        Self { node, last: 0 }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn observe(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// Takes note of the numbers of an entry; whether it is this node's.
    pub(super) fn observe_own<P>(&mut self, entry: &Entry<I, P>) -> bool {
        let own = self.owns(entry);
        if own {
            self.observe(entry.last_number().unwrap_or(0));
        }
        own
    }

    /// Whether an entry is this node's, with numbers that are used.
    pub(super) fn used<P>(&self, entry: &Entry<I, P>) -> bool {
        self.owns(entry) && entry.last_number().is_some_and(|last| last <= self.last)
    }

    fn owns<P>(&self, entry: &Entry<I, P>) -> bool {
        entry.id().is_some_and(|id| *id.node() == self.node)
    }

    fn next(&self, busy: bool) -> Result<Dot<I>, PublishRefusedKind> {
        if busy {
            return Err(PublishRefusedKind::Busy);
        }
        let next = self.last.checked_add(1).and_then(|next| Dot::new(self.node.clone(), next));
        next.ok_or(PublishRefusedKind::CounterExhausted(CounterExhausted { limit: u64::MAX }))
    }

    /// Makes an entry with one number out of `payload`, which a refusal hands back.
    pub(super) fn single<P, T>(
        &mut self,
        busy: bool,
        payload: T,
        make: impl FnOnce(Dot<I>, T) -> Entry<I, P>,
    ) -> Numbered<I, P, T> {
        match self.next(busy) {
            Ok(id) => {
                self.last = id.counter();
                Ok((id.clone(), make(id, payload)))
            }
            Err(kind) => Err(PublishRefused { payload, kind }),
        }
    }

    pub(super) fn batch<P>(
        &mut self,
        epoch: u64,
        busy: bool,
        payloads: impl IntoIterator<Item = P>,
    ) -> Numbered<I, P, Vec<P>> {
        let id = match self.next(busy) {
            Ok(id) => id,
            Err(kind) => return Err(PublishRefused { payload: payloads.into_iter().collect(), kind }),
        };
        match Entry::batch(epoch, id.clone(), payloads) {
            Ok(entry) => {
                self.observe_own(&entry);
                Ok((id, entry))
            }
            Err(error) => {
                let kind = match error.kind {
                    BatchErrorKind::Empty => PublishRefusedKind::Empty,
                    BatchErrorKind::CounterExhausted => {
                        PublishRefusedKind::CounterExhausted(CounterExhausted { limit: u64::MAX })
                    }
                };
                Err(PublishRefused { payload: error.payloads, kind })
            }
        }
    }
}

/// A message cannot be published now; hands the payload back, and nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishRefused<T> {
    /// The value to be published: a payload, a `Vec` of them, the slot to skip or the node to retire.
    pub payload: T,
    /// The reason.
    pub kind: PublishRefusedKind,
}

/// The reason why a message cannot be published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishRefusedKind {
    /// Another entry is outstanding. Drive it to its end, and collect what comes meanwhile into the next batch.
    Busy,
    /// The batch has no message.
    Empty,
    /// The node has no number left. Continue under a new node id.
    CounterExhausted(CounterExhausted),
}

impl<T> fmt::Display for PublishRefused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PublishRefusedKind::Busy => write!(f, "another entry is outstanding; publish when it is settled"),
            PublishRefusedKind::Empty => write!(f, "the batch has no message; publish none"),
            PublishRefusedKind::CounterExhausted(error) => error.fmt(f),
        }
    }
}

impl<T: fmt::Debug> core::error::Error for PublishRefused<T> {}
