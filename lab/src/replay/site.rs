//! A site: a simulated place where several nodes live, with one buffer for all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use happens_before::delivery::BufferLimits;
use happens_before::node::DotRange;
use happens_before::{CausalBuffer, Message, VersionVector};

use super::Tick;
use super::cost::Meter;
use crate::history::{Event, NodeNumber};

/// The state of a site.
#[derive(Debug)]
pub(super) struct Site {
    /// The buffer of its messages.
    pub(super) buffer: CausalBuffer<NodeNumber, Event>,
    /// The vector of all that it has delivered, equal to the buffer's; here it is looked up node by node.
    pub(super) delivered: VersionVector<NodeNumber>,
    /// Events of its nodes whose parents are delivered here, the earliest in the history first.
    pub(super) ready: BinaryHeap<Reverse<Event>>,
    /// True if a timer is set to send the next one.
    pub(super) will_send: bool,
    /// The time at which it last sent an event.
    pub(super) last_sent: Option<Tick>,
    /// The events that were missing or held when the timer to ask for them was set; `None` while there is no timer.
    pub(super) noticed: Option<Vec<DotRange<NodeNumber>>>,
    /// The highest counter of each node in any accepted message or its dependencies. Events between it and the
    /// delivered ones are held or missing, and the buffer knows them. Events above it are known only to others.
    pub(super) known: VersionVector<NodeNumber>,
    /// The earliest time at which it may ask again for messages that another site has announced.
    pub(super) may_ask_from: Tick,
    /// True if it has sent an event since its last announcement.
    pub(super) busy: bool,
    /// The measure of its messages.
    pub(super) meter: Meter,
    /// The vector of all deliveries here, ready to be sent; `None` if it has changed since.
    announcement: Option<Rc<VersionVector<NodeNumber>>>,
}

impl Site {
    pub(super) fn new(limits: BufferLimits, meter: Meter) -> Self {
        Self {
            buffer: CausalBuffer::new(limits),
            delivered: VersionVector::new(),
            ready: BinaryHeap::new(),
            will_send: false,
            last_sent: None,
            noticed: None,
            known: VersionVector::new(),
            may_ask_from: 0,
            busy: false,
            meter,
            announcement: None,
        }
    }

    /// Removes the next message that can be delivered, and returns it.
    pub(super) fn pop(&mut self) -> Option<Message<NodeNumber, Event>> {
        let message = self.buffer.pop()?;
        self.announcement = None;
        self.delivered.observe(message.dot());
        Some(message)
    }

    /// Notes the counters in a message that was just held back. Returns whether a timer must be set to ask for its
    /// causes.
    pub(super) fn note_held(&mut self, message: &Message<NodeNumber, Event>) -> bool {
        self.known.observe(message.dot());
        message.dependencies().iter().for_each(|dependency| self.known.observe(dependency));
        let sets = self.noticed.is_none();
        if sets {
            self.noticed = Some(self.buffer.missing().collect());
        }
        sets
    }

    /// Returns the events that were missing when the timer was set and still are. Sets the timer again if any event is
    /// missing.
    pub(super) fn still_missing(&mut self) -> Vec<DotRange<NodeNumber>> {
        let before = self.noticed.take().unwrap_or_default();
        // If nothing is held, nothing is missing: a quick check, however many nodes there are.
        if self.buffer.is_empty() {
            return Vec::new();
        }
        let now: Vec<_> = self.buffer.missing().collect();
        let still = intersection(&before, &now);
        if !now.is_empty() {
            self.noticed = Some(now);
        }
        still
    }

    /// Returns the events that another site has delivered and of which this one has not heard. O(n) for n nodes.
    pub(super) fn unheard_of(&self, theirs: &VersionVector<NodeNumber>) -> Vec<DotRange<NodeNumber>> {
        let (mut delivered, mut known) = (forwards(&self.delivered), forwards(&self.known));
        let unheard_of = theirs.iter().filter_map(|(node, last)| {
            let heard_of = delivered(*node).max(known(*node));
            (heard_of < last).then(|| DotRange::new(*node, heard_of + 1..=last)).flatten()
        });
        unheard_of.collect()
    }

    /// Returns the vector of all deliveries here, shared.
    pub(super) fn announce(&mut self) -> Rc<VersionVector<NodeNumber>> {
        Rc::clone(self.announcement.get_or_insert_with(|| Rc::new(self.delivered.clone())))
    }
}

/// Returns a look-up of a vector's counters for nodes in ascending order: O(n) for all of them.
fn forwards(vector: &VersionVector<NodeNumber>) -> impl FnMut(NodeNumber) -> u64 {
    let mut entries = vector.iter().peekable();
    move |node| {
        while entries.next_if(|&(&before, _)| before < node).is_some() {}
        entries.peek().filter(|&&(&at, _)| at == node).map_or(0, |&(_, counter)| counter)
    }
}

/// Returns the dots that are in both lists. Each list is in order, and its ranges do not overlap.
fn intersection(a: &[DotRange<NodeNumber>], b: &[DotRange<NodeNumber>]) -> Vec<DotRange<NodeNumber>> {
    let mut common = Vec::new();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        if x.node() == y.node() {
            let first = *x.counters().start().max(y.counters().start());
            let last = *x.counters().end().min(y.counters().end());
            common.extend(DotRange::new(*x.node(), first..=last));
        }
        // The range that ends first cannot meet any other.
        if (x.node(), x.counters().end()) <= (y.node(), y.counters().end()) {
            a.next();
        } else {
            b.next();
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_up_forwards_finds_what_looking_up_finds() {
        let vector = VersionVector::from_iter([(2, 7), (3, 1), (9, 4)]);
        let mut counter = forwards(&vector);
        assert!((0..12).all(|node| counter(node) == vector.get(&node)));
    }

    #[test]
    fn an_intersection_has_exactly_the_common_dots() {
        let list = |ranges: &[(NodeNumber, u64, u64)]| -> Vec<DotRange<NodeNumber>> {
            ranges.iter().filter_map(|&(node, first, last)| DotRange::new(node, first..=last)).collect()
        };
        let dots =
            |ranges: &[DotRange<NodeNumber>]| -> Vec<_> { ranges.iter().flat_map(DotRange::dots).collect() };
        let a = list(&[(0, 1, 4), (0, 6, 9), (1, 5, 5), (3, 1, 100), (4, 1, 1)]);
        let b = list(&[(0, 3, 7), (0, 9, 12), (2, 5, 5), (3, 2, 3), (3, 50, 60), (3, 99, 200)]);
        let expected: Vec<_> = dots(&a).into_iter().filter(|dot| dots(&b).contains(dot)).collect();
        assert_eq!(dots(&intersection(&a, &b)), expected);
        assert_eq!(dots(&intersection(&b, &a)), expected);
        assert!(intersection(&a, &[]).is_empty());
    }
}
