//! The numbers of the messages of one node.

use crate::broadcast::{Entry, PublishError, PublishErrorKind};
use crate::compat::Vec;
use crate::node::{Dot, NodeId};

/// A node, and the last number that it has used.
#[derive(Debug)]
pub(super) struct Numbering<I> {
    node: I,
    last: u64,
}

/// An entry with the id of its first message, or the refusal.
type Numbered<I, P, T> = Result<(Dot<I>, Entry<I, P>), PublishError<T>>;

impl<I: NodeId> Numbering<I> {
    pub(super) const fn new(node: I) -> Self {
        Self { node, last: 0 }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn observe(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// Notes the numbers of an entry as used; returns whether it is this node's.
    pub(super) fn observe_own<P>(&mut self, entry: &Entry<I, P>) -> bool {
        let own = self.owns(entry);
        if own {
            self.observe(entry.last_number().unwrap_or(0));
        }
        own
    }

    /// Returns whether an entry is this node's, with numbers that are used.
    pub(super) fn used<P>(&self, entry: &Entry<I, P>) -> bool {
        self.owns(entry) && entry.last_number().is_some_and(|last| last <= self.last)
    }

    fn owns<P>(&self, entry: &Entry<I, P>) -> bool {
        entry.id().is_some_and(|id| *id.node() == self.node)
    }

    fn next<T>(&self, busy: bool) -> Result<Dot<I>, PublishErrorKind<T>> {
        if busy {
            return Err(PublishErrorKind::Busy);
        }
        let next = self.last.checked_add(1).and_then(|next| Dot::new(self.node.clone(), next));
        next.ok_or(PublishErrorKind::CounterExhausted)
    }

    /// Makes an entry with one number from `value`, which a refusal hands back.
    pub(super) fn single<P, T>(
        &mut self,
        busy: bool,
        value: T,
        make: impl FnOnce(Dot<I>, T) -> Entry<I, P>,
    ) -> Numbered<I, P, T> {
        match self.next(busy) {
            Ok(id) => {
                self.last = id.counter();
                Ok((id.clone(), make(id, value)))
            }
            Err(kind) => Err(PublishError { value, kind }),
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
            Err(kind) => return Err(PublishError { value: payloads.into_iter().collect(), kind }),
        };
        let entry = Entry::batch(epoch, id.clone(), payloads)?;
        self.observe_own(&entry);
        Ok((id, entry))
    }
}
