//! Requests for missing messages: the ranges, the member to ask, and the time of the next request.

use core::iter;

use crate::codec::DecodeId;
use crate::compat::{BTreeMap, Vec};
use crate::delivery::message::Message;
use crate::node::{Dot, DotRange};

use super::author::Author;
use super::machine::Endpoint;
use super::member::Member;

/// The messages of one author that are missing here.
struct Missing<'a, I> {
    author: &'a I,
    /// The counter of the last message in the log.
    last: u64,
    /// The highest counter for which there is room.
    room_up_to: u64,
    /// The counters of the messages that are held back, in order.
    held: &'a [u64],
}

impl<I: DecodeId> Endpoint<I> {
    /// Requests the missing messages of each author whose inquiry is due.
    ///
    /// One member at a time is asked for the messages of an author. An inquiry ends when no member can help. It begins
    /// again when a member claims more, or when there is room for more.
    pub(super) fn ask_for_missing(&mut self) {
        let stopwatch = self.stopwatch;
        let is_due =
            |author: &Author<I>| author.inquiry.as_ref().is_some_and(|inquiry| stopwatch.is_due(inquiry.at));
        if !self.authors.values().any(is_due) {
            return;
        }
        let mut held = self.buffer.undelivered().map(Message::dot).peekable();
        for (node, author) in self.authors.iter_mut() {
            while held.next_if(|dot| dot.node() < node).is_some() {}
            if !is_due(author) {
                continue;
            }
            let held: Vec<u64> =
                iter::from_fn(|| held.next_if(|dot| dot.node() == node)).map(Dot::counter).collect();
            let Some(mut inquiry) = author.inquiry.take() else { continue };
            let missing = Missing {
                author: node,
                last: author.log.last(),
                room_up_to: author.log.forgotten().saturating_add(self.config.window),
                held: &held,
            };
            let claimed = |member: &I| self.stability.acknowledged(member, node);
            let Some(next) = missing.member_to_ask(&self.members, inquiry.asked.as_ref(), claimed) else {
                continue;
            };
            let next = next.clone();
            let ranges = missing.ranges(claimed(&next));
            if let Some(member) = self.members.get_mut(&next) {
                inquiry.up_to = member.request(node, ranges);
            }
            inquiry.at = stopwatch.after(inquiry.back_off.wait(&self.config));
            inquiry.back_off.grow();
            inquiry.asked = Some(next);
            author.inquiry = Some(inquiry);
        }
    }
}

impl<I: DecodeId> Missing<'_, I> {
    /// Chooses the member to ask among those that can help. `claimed` returns the counter up to which a member claims
    /// to have messages.
    ///
    /// | asked last | asked next |
    /// |---|---|
    /// | none | the author, else the first member |
    /// | a member | the first after it in the order of ids, else the first of all |
    fn member_to_ask<'m>(
        &self,
        members: &'m BTreeMap<I, Member<I>>,
        asked: Option<&I>,
        claimed: impl Fn(&I) -> u64,
    ) -> Option<&'m I> {
        let can_help = |id: &I, member: &Member<I>| {
            member.has_forgotten.get(self.author) <= self.last && self.has_some(claimed(id))
        };
        let able = || members.iter().filter(|(id, member)| can_help(id, member)).map(|(id, _)| id);
        let preferred = match asked {
            None => able().find(|id| *id == self.author),
            Some(asked) => able().find(|id| *id > asked),
        };
        preferred.or_else(|| able().next())
    }

    /// Returns whether a member with the messages up to `claimed` has some that are missing here.
    fn has_some(&self, claimed: u64) -> bool {
        let end = claimed.min(self.room_up_to);
        let held = self.held.partition_point(|&counter| counter <= end);
        end.saturating_sub(self.last) > held as u64
    }

    /// Returns the missing ranges, in order, that a member with the messages up to `claimed` has.
    fn ranges(&self, claimed: u64) -> Vec<DotRange<I>> {
        let end = claimed.min(self.room_up_to);
        let mut before = self.last;
        let mut ranges = Vec::new();
        let held = self.held.iter().copied().take_while(|&counter| counter <= end);
        for counter in held.chain(end.checked_add(1)) {
            // No overflow: `counter` is above `before`.
            ranges.extend(DotRange::new(self.author.clone(), before + 1..=counter - 1));
            before = counter;
        }
        ranges
    }
}
