//! Packets that leave: the receiver and the content of the next one.

use crate::codec::{DecodeId, Writer};
use crate::compat::Vec;

use super::frame::Frame;
use super::machine::Endpoint;
use super::packet::put_message;

impl<I: DecodeId> Endpoint<I> {
    /// Notes the time, by which packets become due. Call it at the time from [`poll_timeout`](Self::poll_timeout). At
    /// any other time it does no harm. O(n + h) for h held messages.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.stopwatch.advance(now_ms);
        self.ask_for_missing();
    }

    /// Returns the time, by the owner's clock, to call [`handle_timeout`](Self::handle_timeout); `None` while nothing
    /// is due. Ask again after every other call. After the clock was set back, call `handle_timeout` too, because the
    /// returned time counts from the last time passed in. O(n).
    pub fn poll_timeout(&self) -> Option<u64> {
        let speak = self.members.values().filter_map(|member| member.speak_at);
        let answer = self.members.values().filter(|member| !member.answers.is_empty());
        let answer = answer.map(|member| member.refill_at);
        let ask = self.authors.values().filter_map(|author| author.inquiry.as_ref()).map(|inquiry| inquiry.at);
        speak.chain(answer).chain(ask).min().map(|deadline| self.stopwatch.owners_time(deadline))
    }

    /// Returns the next packet and the member to send it to; `None` if there is none now.
    ///
    /// Call it after every other call that changes the endpoint, until it returns `None`. Before that, save the state
    /// that must survive. Packets may get lost, be repeated and overtake each other. A packet must not be brought to a
    /// different member: it says how far these two know each other, and the other member would keep a wrong value for
    /// good. O(n), and a copy of the messages in the packet.
    #[must_use = "a packet that is polled counts as sent"]
    pub fn poll_packet(&mut self) -> Option<(I, Vec<u8>)> {
        let own_last = self.sender.counter();
        let mut members = self.members.iter_mut();
        let (to, member) = members.find(|(_, member)| member.wants_packet(own_last, &self.stopwatch))?;
        let mut packet = Vec::with_capacity(64); // most heads are shorter
        let mut out = Writer::growing(&mut packet);
        member.put_head(&self.authors, self.revision, &mut out);
        let mut body = PacketBody { out, limit: self.config.packet, is_empty: true };
        member.answer(&self.authors, &self.stopwatch, &self.config, |frame| body.put(frame));
        if let Some(own) = self.authors.get(self.sender.node()) {
            member.send(&own.log, |frame| body.put(frame));
        }
        member.spoke(self.revision, &self.stopwatch, &self.config);
        Some((to.clone(), packet))
    }
}

/// The messages of one packet: the first may have any length, further ones go in while there is room.
struct PacketBody<'a> {
    out: Writer<'a>,
    limit: usize,
    is_empty: bool,
}

impl PacketBody<'_> {
    /// Writes a message if there is room, and returns whether there was.
    fn put(&mut self, frame: &Frame) -> bool {
        let fits = self.is_empty || self.out.len().saturating_add(frame.bytes().len()) < self.limit;
        if fits {
            put_message(frame, &mut self.out);
            self.is_empty = false;
        }
        fits
    }
}
