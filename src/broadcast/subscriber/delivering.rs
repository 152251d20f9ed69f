//! Deliveries: the entry in the next slot is taken out, and the slot is passed.

use super::Subscriber;
use super::begun::Begun;
use super::delivered::raise;
use super::window::Held;
use crate::broadcast::{Content, NodeTableFull, Position};
use crate::compat::vec;
use crate::node::{Dot, NodeId};

/// A message at its place in the total order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<I, P> {
    /// Its place. It is the same at every subscriber, and higher than that of every earlier delivery.
    pub position: Position,
    /// Its id.
    pub id: Dot<I>,
    /// The payload; `None` for a marker.
    pub payload: Option<P>,
}

impl<I: NodeId, P> Subscriber<I, P> {
    /// Takes out the next message, if there is one. O(log n) for each message, O(1) for each fill.
    ///
    /// If there is none although the next entry is here, [`obstacle`](Self::obstacle) has the reason.
    ///
    /// # Errors
    ///
    /// [`NodeTableFull`] if the table has no room for the entry's node. Nothing is changed. Raise the limit with
    /// [`set_nodes`](Self::set_nodes), and publish a [`Retire`](Content::Retire) of each node that is gone.
    #[inline]
    pub fn poll_delivery(&mut self) -> Result<Option<Delivery<I, P>>, NodeTableFull<I>> {
        loop {
            if self.begun.is_some() {
                match self.continue_begun() {
                    None => continue,
                    delivery => return Ok(delivery),
                }
            }
            let slot = self.window.next();
            let Some(place) = self.window.front_mut() else { return Ok(None) };
            let Some(Held { entry, .. }) = place else { return Ok(None) };
            let (Content::Messages { first: id, .. } | Content::Marker { id }) = entry.content() else {
                if self.pass_note()? {
                    continue;
                }
                return Ok(None);
            };
            // The caller's code runs first: if it panics, the entry is still here.
            let Some(highest) = self.delivered.highest(id.node(), self.config.nodes) else {
                return Err(NodeTableFull { node: id.node().clone(), limit: self.config.nodes });
            };
            self.history.note(slot, entry.epoch(), Some(id));
            let Some(Held { entry, bytes }) = place.take() else { return Ok(None) };
            self.window.pass(bytes);
            let epoch = entry.epoch();
            let (id, payload) = match entry.into_content() {
                Content::Marker { id } => (id, None),
                Content::Messages { first: id, payloads } => match payloads.into_single() {
                    Ok(payload) => (id, Some(payload)),
                    Err(payloads) => {
                        self.begin(id, payloads);
                        self.pass_epoch(epoch);
                        continue;
                    }
                },
                // The front entry had none of these contents.
                Content::Fill | Content::Skip { .. } | Content::Retire { .. } | Content::Unreadable(_) => {
                    continue;
                }
            };
            let is_new = raise(highest, id.counter());
            self.pass_epoch(epoch);
            if is_new {
                return Ok(Some(Delivery { position: self.position(), id, payload }));
            }
        }
    }

    /// Passes the next entry, which delivers nothing, if that is possible; returns whether it was.
    #[cold]
    fn pass_note(&mut self) -> Result<bool, NodeTableFull<I>> {
        let (slot, limit) = (self.window.next(), self.config.nodes);
        let Some(entry) = self.window.front() else { return Ok(false) };
        if self.search.has_found(slot) && !matches!(entry.content(), Content::Fill) {
            self.history.forget(); // the slot may be restored
            self.window.pop();
            self.skipped.insert(slot);
            return Ok(true);
        } else if !self.is_passable(slot, entry) {
            return Ok(false);
        }
        let has_room = match entry.content() {
            Content::Retire { id, node } => self.delivered.has_room(id.node(), node, limit),
            Content::Skip { id, .. } => self.delivered.highest(id.node(), limit).is_some(),
            Content::Messages { .. } | Content::Marker { .. } | Content::Fill | Content::Unreadable(_) => true,
        };
        if let Some(id) = entry.id().filter(|_| !has_room) {
            return Err(NodeTableFull { node: id.node().clone(), limit });
        }
        // The caller's code runs first: if it panics, the entry is still here, and is passed at the next call.
        self.history.note(slot, entry.epoch(), entry.id());
        match entry.content() {
            Content::Fill => self.patience.note_fill(slot),
            Content::Skip { id, .. } => drop(self.delivered.note(id)),
            // A second copy may follow messages of a node that has come back.
            Content::Retire { id, node } if id.counter() > self.delivered.get(id.node()) => {
                self.delivered.remove(node);
                if id.node() != node {
                    self.delivered.note(id);
                }
            }
            Content::Messages { .. }
            | Content::Marker { .. }
            | Content::Retire { .. }
            | Content::Unreadable(_) => {}
        }
        if let Some(entry) = self.window.pop() {
            self.pass_epoch(entry.epoch());
        }
        Ok(true)
    }

    /// Notes that an entry of that epoch is passed.
    #[inline]
    fn pass_epoch(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            if self.announced {
                self.drop_kept();
            }
        }
    }

    /// Drops the entries in the window, to read them from the log: they may have been announced before the log was
    /// restored.
    #[cold]
    pub(super) fn drop_kept(&mut self) {
        self.window.clear();
        self.announced = false;
        self.claims.drop_all(self.window.next());
        self.turns.read_now();
    }

    /// Returns the position of the first message in the slot passed last.
    fn position(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.window.next() - 1, index: 0 }
    }

    /// Begins to deliver an entry of several messages.
    #[cold]
    fn begin(&mut self, first: Dot<I>, payloads: vec::IntoIter<P>) {
        self.begun = Some(Begun { first, payloads: payloads.enumerate() });
    }

    /// Delivers the next message of the begun entry that was not delivered before.
    #[cold]
    fn continue_begun(&mut self) -> Option<Delivery<I, P>> {
        let Begun { first, payloads } = self.begun.as_mut()?;
        let (node, number) = (first.node().clone(), first.counter());
        // The caller's code runs first, so that nothing is lost if it panics.
        self.delivered.highest(&node, usize::MAX)?;
        let next = payloads.next();
        if payloads.len() == 0 {
            self.begun = None;
        }
        let (index, payload) = next?;
        let position = Position { index: index as u64, ..self.position() };
        // No overflow: `Entry::batch` has checked it.
        let id = Dot::new(node, number + position.index)?;
        self.delivered.note_recent(id.counter()).then(|| Delivery { position, id, payload: Some(payload) })
    }
}
