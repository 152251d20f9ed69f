//! Packets that arrive: the sender's confirmations, claims, requests and messages.
//!
//! The parts of a packet are handled one after another. Nothing changes before the whole packet was read.

use crate::codec::DecodeId;
use crate::compat::Vec;
use crate::delivery::message::Message;
use crate::delivery::{AcceptErrorKind, Accepted};
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::error::{PacketError, PacketErrorKind};
use super::frame::Frame;
use super::machine::Endpoint;
use super::packet::{Packet, Taken};

/// The result of handling a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<I> {
    /// The number of messages that were new.
    pub new: usize,
    /// The number of messages that were here before.
    pub duplicates: usize,
    /// The number of messages that were dropped: from authors that are not known here, beyond the window, or not
    /// verified. Messages that exist are requested again when there is room.
    pub refused: usize,
    /// The dot of a message that is held here with different content. Its author has used a number twice, or a member
    /// forges. The first message is kept.
    pub equivocation: Option<Dot<I>>,
}

/// The result of admitting one message of a packet.
pub(super) enum Admission<I> {
    New,
    Duplicate,
    Refused,
    Equivocation(Dot<I>),
}

impl<I: DecodeId> Endpoint<I> {
    /// Handles a packet from the member `from`, and counts the messages in it.
    ///
    /// The transport must authenticate `from`, and bring the packet to the receiver and the group that it was meant
    /// for: a packet names neither. Messages in the packet may be of any author, and their authors are not verified.
    ///
    /// O(n) for the packet, and the cost of [`CausalBuffer::accept`](crate::CausalBuffer::accept) for each message. The
    /// bytes of a message are copied once.
    ///
    /// # Errors
    ///
    /// [`PacketError`]. The endpoint is unchanged.
    pub fn handle_packet(&mut self, now_ms: u64, from: &I, packet: &[u8]) -> Result<Received<I>, PacketError> {
        self.handle_packet_verified(now_ms, from, packet, |_| true)
    }

    /// Like [`handle_packet`](Self::handle_packet), but drops every message for which `is_authentic` returns `false`.
    ///
    /// `is_authentic` checks that the author has written the message: for example by a signature in the payload, over
    /// dot, dependencies and content.
    ///
    /// It is called at most once for each message in the packet, and not for messages that are already delivered.
    ///
    /// # Errors
    ///
    /// Those of `handle_packet`.
    pub fn handle_packet_verified(
        &mut self,
        now_ms: u64,
        from: &I,
        packet: &[u8],
        mut is_authentic: impl FnMut(&Message<I, &[u8]>) -> bool,
    ) -> Result<Received<I>, PacketError> {
        let Some(member) = self.members.get_mut(from) else {
            return Err(PacketError { kind: PacketErrorKind::NotAMember });
        };
        let packet = Packet::decode(packet, self.config.nodes)
            .map_err(|error| PacketError { kind: PacketErrorKind::Decode(error) })?;
        if packet.news.get(self.sender.node()) > self.sender.counter() {
            return Err(PacketError { kind: PacketErrorKind::NeverSent });
        }

        self.stopwatch.advance(now_ms);
        member.confirm(packet.confirmed, self.revision);
        // Claims about nodes that are not known here are lost, so the member must repeat them until the nodes are known.
        let is_understood = packet.news.iter().all(|(node, _)| self.authors.contains_key(node));
        if is_understood {
            member.learn(packet.base, packet.revision);
        }
        member.plan(packet.base, self.revision, &self.stopwatch, &self.config);
        if is_understood {
            self.acknowledge(from, &packet.news);
        } else {
            let known = packet.news.iter().filter(|(node, _)| self.authors.contains_key(node));
            let known = known.map(|(node, counter)| (node.clone(), counter)).collect();
            self.acknowledge(from, &known);
        }
        self.handle_requests(from, &packet.forgotten, &packet.requests);

        let mut received = Received { new: 0, duplicates: 0, refused: 0, equivocation: None };
        for message in packet.messages {
            match self.admit_message(message, &mut is_authentic) {
                Admission::New => received.new += 1,
                Admission::Duplicate => received.duplicates += 1,
                Admission::Refused => received.refused += 1,
                Admission::Equivocation(dot) => received.equivocation = Some(dot),
            }
        }
        self.ask_for_missing();
        Ok(received)
    }

    /// Notes the messages that a member claims to have. All authors are known.
    fn acknowledge(&mut self, from: &I, news: &VersionVector<I>) {
        if let Some(member) = self.members.get_mut(from) {
            member.sent = member.sent.max(news.get(self.sender.node()));
        }
        let stable = self.stability.observe(from, news);
        self.forget(&stable.unwrap_or_default());
        for (node, counter) in news {
            if let Some(author) = self.authors.get_mut(node) {
                author.claimed = author.claimed.max(counter);
                author.look_for(&self.stopwatch, &self.config);
            }
        }
    }

    /// Queues the requested messages that are here, and notes those that the member says it has forgotten.
    fn handle_requests(&mut self, from: &I, forgotten: &VersionVector<I>, requests: &[DotRange<I>]) {
        let Some(member) = self.members.get_mut(from) else { return };
        if !forgotten.is_empty() {
            let known = forgotten.iter().filter(|(node, _)| self.authors.contains_key(node));
            member.has_forgotten.extend(known.map(|(node, counter)| (node.clone(), counter)));
        }
        let mut here = Vec::new();
        for request in requests {
            let Some(author) = self.authors.get(request.node()) else { continue };
            let (first, last) = request.counters().into_inner();
            if first <= author.log.forgotten() {
                member.we_have_forgotten.extend([(request.node().clone(), author.log.forgotten())]);
                member.speak_by(member.again(&self.stopwatch, &self.config));
            }
            let first = first.max(author.log.forgotten().saturating_add(1));
            here.extend(DotRange::new(request.node().clone(), first..=last.min(author.log.last())));
        }
        member.queue_answers(&here);
    }

    /// Hands a message to the buffer, if there is room for it.
    pub(super) fn admit_message(
        &mut self,
        (message, bytes): Taken<'_, I>,
        is_authentic: &mut impl FnMut(&Message<I, &[u8]>) -> bool,
    ) -> Admission<I> {
        let (node, counter) = (message.dot().node(), message.dot().counter());
        let Some(author) = self.authors.get(node) else { return Admission::Refused };
        let last = author.log.last();
        if counter <= last {
            return Admission::Duplicate;
        }
        let mut causes = message.dependencies().iter().map(Dot::node);
        if node == self.sender.node()
            || counter - author.log.forgotten() > self.config.window
            || !causes.all(|node| self.authors.contains_key(node))
            || !is_authentic(&message)
        {
            return Admission::Refused;
        }
        // The next message needs room only among the delivered ones, because all held messages wait for it.
        let held_bytes = if counter - 1 == last { 0 } else { author.held_bytes };
        let used = author.log.bytes().saturating_add(held_bytes);
        if used.saturating_add(bytes.len()) > self.config.window_bytes {
            return Admission::Refused;
        }
        let Some(author) = self.authors.get_mut(node) else { return Admission::Refused };
        let frame = Frame::copied(bytes, message.payload().len());
        match self.buffer.accept(message.with_payload(Some(frame))) {
            Ok(Accepted::Ready | Accepted::Held) => {
                author.held_bytes = author.held_bytes.saturating_add(bytes.len());
                author.found(counter, &self.stopwatch, &self.config);
                Admission::New
            }
            Ok(Accepted::Duplicate) => Admission::Duplicate,
            Err(error) if error.kind == AcceptErrorKind::Equivocation => {
                Admission::Equivocation(error.refused.dot().clone())
            }
            Err(_) => Admission::Refused,
        }
    }
}
