//! The properties that must hold in a state.

use happens_before::Dot;
use happens_before::broadcast::{Content, LogKind, Position, ReadAnswer, ReadLimit};
use happens_before::check::{OrderRun, OrderViolation};

use super::machines::{Entry, Message, Node, Told};
use super::state::{ROUNDS, deliver_all};
use super::{Bounds, State, Who};
use crate::replay::Resting;

impl State {
    /// Returns whether subscribers have delivered one order.
    pub(super) fn order(
        &self,
        bounds: &Bounds,
    ) -> Result<OrderRun<Node, Position>, OrderViolation<Node, Position>> {
        self.judge(bounds, self.receivers.iter().map(|receiver| &receiver.view().delivered[..]))
    }

    fn judge<'a>(
        &self,
        bounds: &Bounds,
        delivered: impl Iterator<Item = &'a [(Position, Message)]>,
    ) -> Result<OrderRun<Node, Position>, OrderViolation<Node, Position>> {
        let mut run = OrderRun::new(bounds.subscribers);
        for message in self.published.keys() {
            run.sent(*message)?;
        }
        for (message, told) in &self.told {
            if told.slot().is_some() {
                run.acknowledged(message)?;
            }
        }
        for (site, delivered) in delivered.enumerate() {
            for (position, message) in delivered {
                run.delivered(site, *position, message)?;
            }
        }
        Ok(run)
    }

    /// Returns the entries of the log.
    fn entries(&self) -> Vec<(u64, Message)> {
        let ReadAnswer::Entries(entries) = self.engines.log.read(1, ReadLimit::entries(usize::MAX)) else {
            return Vec::new();
        };
        let messages = |(slot, entry): (u64, Entry)| {
            let (node, numbers) = match entry.into_content() {
                Content::Messages { first, payloads } => (*first.node(), payloads.into_vec()),
                _ => (0, Vec::new()),
            };
            let message = move |number| Some((slot, Dot::new(node, u64::from(number))?));
            numbers.into_iter().filter_map(message)
        };
        entries.into_iter().flat_map(messages).collect()
    }

    /// Returns whether each message is where its publisher was told.
    ///
    /// Over appends a message may be in the log twice: then it is delivered from the lower slot.
    pub(super) fn is_true(&self, bounds: &Bounds) -> bool {
        let entries = self.entries();
        self.told.iter().all(|(message, told)| match told {
            Told::Stored { slot } => {
                entries.contains(&(*slot, *message))
                    && self.receivers.iter().map(Resting::view).all(|receiver| {
                        let mut delivered = receiver.delivered.iter();
                        let is_delivered = delivered.any(|(position, other)| {
                            let is_there = position.sequence == *slot
                                || bounds.log == LogKind::Appends && position.sequence < *slot;
                            is_there && other == message
                        });
                        receiver.next <= *slot || is_delivered
                    })
            }
            Told::NotStored | Told::FilledAway => entries.iter().all(|(_, stored)| stored != message),
            Told::Unknown => true,
        })
    }

    /// Returns whether every message is above those that were acknowledged before it was published.
    pub(super) fn is_in_real_time(&self) -> bool {
        self.entries().iter().all(|(slot, message)| *slot > self.published.get(message).copied().unwrap_or(0))
    }

    /// Returns whether each node's messages are in its order, including those without an answer.
    pub(super) fn is_in_node_order(&self) -> bool {
        let mut messages: Vec<_> = self.entries().into_iter().map(|(_, message)| message).collect();
        messages.sort_by_key(|message| *message.node()); // stable
        messages.is_sorted()
    }

    /// Returns the invariant that a machine breaks, if one does.
    pub(super) fn broken(&self) -> Option<&str> {
        let senders = self.senders.iter().filter_map(|sender| sender.view().broken);
        let receivers = self.receivers.iter().filter_map(|receiver| receiver.view().broken.as_deref());
        senders.chain(receivers).next()
    }

    /// Returns whether a publisher has given up.
    pub(super) fn is_starving(&self) -> bool {
        self.told.values().any(|told| *told == Told::FilledAway)
    }

    /// Returns whether everything is published, acknowledged, and delivered everywhere.
    pub(super) fn is_complete(&self, bounds: &Bounds) -> bool {
        let messages: usize = bounds.messages.iter().map(|&messages| usize::from(messages)).sum();
        self.told.values().filter_map(Told::slot).count() == messages
            && self.receivers.iter().all(|receiver| receiver.view().delivered.len() == messages)
    }

    /// Returns whether publishers and subscribers finish if no fault happens from here on.
    pub(super) fn recovers(&self, bounds: &Bounds) -> bool {
        let mut state = self.clone();
        state.flights.clear();
        for index in 0..state.senders.len() {
            let is_outstanding = |state: &Self| state.senders[index].view().outstanding.is_some();
            for _ in 0..ROUNDS {
                if is_outstanding(&state) {
                    state.ask(Who::Sender(index), true, &mut |_| ());
                }
            }
            if is_outstanding(&state) {
                return false;
            }
        }
        let tail = state.engines.log.tail();
        let mut delivered = Vec::new();
        for receiver in &state.receivers {
            match deliver_all(&mut state.engines, receiver.machine(), tail) {
                Some(receiver) => delivered.push(receiver.save().delivered),
                None => return false,
            }
        }
        let run = state.judge(bounds, delivered.iter().map(Vec::as_slice));
        run.is_ok_and(|run| run.complete().is_ok()) && state.is_true(bounds)
    }
}
