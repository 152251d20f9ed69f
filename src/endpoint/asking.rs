//! Asking for what is missing: of whom, for what, and when again.
//!
//! Of each author, what is between one's own log and the highest counter that a member claims to have is missing, apart
//! from what is held back:
//!
//! ```text
//!   the log        5 6 7
//!   held back              9     12
//!   claimed                             ... 14
//!   asked for            8   10-11  13-14
//! ```
//!
//! One member is asked at a time: the author first, which has it, and after a time-out the next one that claims to have
//! some of it, in a circle. A member that claims what it has not, or keeps silent, costs a time-out.

use crate::codec::DecodeId;
use crate::compat::Vec;
use crate::delivery::message::Message;
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::packet::MAX_RANGES;
use super::peer::{BackOff, Clock, Peer};
use super::{Author, Endpoint, EndpointConfig};

/// What is looked for of one author.
#[derive(Debug)]
pub(super) struct Ask<I> {
    /// When to ask next.
    pub(super) at: u64,
    back_off: BackOff,
    /// Who was asked last.
    peer: Option<I>,
    /// Up to which counter.
    up_to: u64,
}

impl<I> Author<I> {
    /// Starts to look for the author's messages, if others have some for which there is room here.
    pub(super) fn look_for(&mut self, clock: &Clock, config: &EndpointConfig) {
        let has_room = (self.log.len() as u64) < config.window;
        if self.ask.is_none() && self.claimed > self.log.last() && has_room {
            let at = clock.after(config.delay_ms);
            self.ask = Some(Ask { at, back_off: BackOff::default(), peer: None, up_to: 0 });
        }
    }

    /// Takes note that the message with this counter has come. If it was asked for, the rest may be on its way.
    pub(super) fn found(&mut self, counter: u64, clock: &Clock, config: &EndpointConfig) {
        if let Some(ask) = self.ask.as_mut().filter(|ask| counter <= ask.up_to) {
            ask.back_off = BackOff::default();
            ask.at = clock.after(ask.back_off.wait(config));
        }
    }
}

impl<I: DecodeId> Endpoint<I> {
    /// Asks for what is missing where the time for that has come.
    pub(super) fn ask_for_missing(&mut self) {
        let clock = self.clock;
        let is_due = |author: &Author<I>| author.ask.as_ref().is_some_and(|ask| clock.is_due(ask.at));
        if !self.authors.values().any(is_due) {
            return;
        }
        let mut held = self.buffer.undelivered().map(Message::dot).peekable();
        for (node, author) in self.authors.iter_mut() {
            while held.next_if(|dot| dot.node() < node).is_some() {}
            if !is_due(author) {
                continue;
            }
            let here: Vec<u64> =
                core::iter::from_fn(|| held.next_if(|dot| dot.node() == node)).map(Dot::counter).collect();
            let Some(mut ask) = author.ask.take() else { continue };
            let last = author.log.last();
            let room_up_to = author.log.forgotten().saturating_add(self.config.window);
            // What a peer has and we lack.
            let missing = |peer: &I, has_forgotten: &VersionVector<I>| {
                let claimed = self.stability.acknowledged(peer, node).min(room_up_to);
                let can_help = claimed > last && has_forgotten.get(node) <= last;
                if can_help { gaps(node, last, &here, claimed) } else { Vec::new() }
            };
            let can_help = |peer: &I, known: &Peer<I>| !missing(peer, &known.has_forgotten).is_empty();
            // The author first, then the members behind the one that was asked last, in a circle.
            let first = ask.peer.is_none().then_some(node);
            let first = first.filter(|&node| self.peers.get(node).is_some_and(|peer| can_help(node, peer)));
            let behind = |peer: &I| ask.peer.as_ref().is_some_and(|asked| peer > asked);
            let next = first.cloned().or_else(|| {
                let able = || self.peers.iter().filter(|(id, peer)| can_help(id, peer)).map(|(id, _)| id);
                able().find(|id| behind(id)).or_else(|| able().next()).cloned()
            });
            let Some(next) = next else { continue };
            if let Some(peer) = self.peers.get_mut(&next) {
                let ranges = missing(&next, &peer.has_forgotten);
                peer.requests.retain(|range| range.node() != node);
                let room = MAX_RANGES.saturating_sub(peer.requests.len());
                let ranges = ranges.get(..room).unwrap_or(&ranges);
                ask.up_to = ranges.last().map_or(0, |range| *range.counters().end());
                peer.requests.extend_from_slice(ranges);
            }
            ask.at = clock.after(ask.back_off.wait(&self.config));
            ask.back_off.grow();
            ask.peer = Some(next);
            author.ask = Some(ask);
        }
    }
}

/// Names the counters of `node` above `last`, up to `end`, that are not `here`; as ranges, in order.
fn gaps<I: Clone>(node: &I, last: u64, here: &[u64], end: u64) -> Vec<DotRange<I>> {
    let mut before = last;
    let mut gaps = Vec::new();
    let here = here.iter().copied().take_while(|&counter| counter <= end);
    for counter in here.chain(end.checked_add(1)) {
        // No overflow: `counter` is above `before`.
        gaps.extend(DotRange::new(node.clone(), before + 1..=counter - 1));
        before = counter;
    }
    gaps
}
