//! Taking in a packet: what its sender confirms, has, asks for and brings.
//!
//! The parts of a packet touch different things and are taken in one after another; nothing is touched before the whole
//! packet was read.

use crate::codec::DecodeId;
use crate::compat::Vec;
use crate::delivery::message::Message;
use crate::delivery::{AcceptErrorKind, Accepted};
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::packet::{Packet, message_len};
use super::peer::BackOff;
use super::{Endpoint, PacketError};

/// What a packet has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<I> {
    /// How many messages were new.
    pub new: usize,
    /// How many messages were here before.
    pub duplicates: usize,
    /// How many messages were left lying: of authors that are not known here, beyond the window, or not verified. Those
    /// that exist are asked for again when there is room.
    pub refused: usize,
    /// A message of which another content is held here: its author has used a number twice, or someone forges. The first
    /// is kept.
    pub equivocation: Option<Dot<I>>,
}

/// What has become of a message in a packet.
pub(super) enum Admission {
    New,
    Duplicate,
    Refused,
    Equivocation,
}

impl<I: DecodeId> Endpoint<I> {
    /// Takes in a packet that the member `from` has sent, as the transport has authenticated it, and says what it has
    /// brought. Messages in it may be of any author, and are taken to be what they say. A packet names neither its
    /// receiver nor its group: the transport brings it to the one that it was meant for.
    ///
    /// O(n) for the packet, and as [`CausalBuffer::accept`](crate::CausalBuffer::accept) for each message.
    ///
    /// # Errors
    ///
    /// [`PacketError`]; the endpoint is unchanged.
    pub fn handle_packet(&mut self, now_ms: u64, from: &I, packet: &[u8]) -> Result<Received<I>, PacketError> {
        self.handle_packet_verified(now_ms, from, packet, |_| true)
    }

    /// As [`handle_packet`](Self::handle_packet), and leaves every message lying of which `is_authentic` does not say
    /// that its author has written it: by a signature in the payload, say, over dot, dependencies and content.
    ///
    /// It is asked once for each message that is not delivered already.
    ///
    /// # Errors
    ///
    /// As `handle_packet`.
    pub fn handle_packet_verified(
        &mut self,
        now_ms: u64,
        from: &I,
        packet: &[u8],
        mut is_authentic: impl FnMut(&Message<I, &[u8]>) -> bool,
    ) -> Result<Received<I>, PacketError> {
        let Some(peer) = self.peers.get_mut(from) else { return Err(PacketError::NotAMember) };
        let packet = Packet::decode(packet, self.config.nodes).map_err(PacketError::Decode)?;
        if packet.news.get(self.outbox.node()) > self.outbox.counter() {
            return Err(PacketError::NeverSent);
        }

        self.clock.advance(now_ms);
        if packet.confirmed > peer.confirmed && packet.confirmed <= self.revision {
            peer.confirmed = packet.confirmed;
            peer.back_off = BackOff::default();
        }
        // What it says of nodes that are not known here is lost; it shall go on until they are.
        let is_understood = packet.news.iter().all(|(node, _)| self.authors.contains_key(node));
        if is_understood && packet.base <= peer.known && packet.revision > peer.known {
            peer.known = packet.revision;
            peer.back_off = BackOff::default();
        }
        let is_confirmed = packet.base == peer.known;
        if peer.told < self.revision || (!is_confirmed && peer.said < peer.known) {
            // We have not told it all.
            peer.speak_by(self.clock.after(self.config.delay_ms));
        } else if !is_confirmed {
            // It has not heard what we have told it.
            peer.speak_by(peer.again(&self.clock, &self.config));
        } else if peer.confirmed < self.revision {
            peer.speak_by(self.clock.after(peer.back_off.wait(&self.config)));
        } else if peer.we_have_forgotten.is_empty() {
            peer.speak_at = None;
        }
        self.acknowledge(from, &packet.news);
        self.take_requests(from, &packet.forgotten, &packet.requests);

        let mut received = Received { new: 0, duplicates: 0, refused: 0, equivocation: None };
        for message in packet.messages {
            let dot = message.dot().clone();
            match self.admit_message(message, &mut is_authentic) {
                Admission::New => received.new += 1,
                Admission::Duplicate => received.duplicates += 1,
                Admission::Refused => received.refused += 1,
                Admission::Equivocation => received.equivocation = Some(dot),
            }
        }
        self.ask_for_missing();
        Ok(received)
    }

    /// Notes what a member says that it has.
    fn acknowledge(&mut self, from: &I, news: &VersionVector<I>) {
        let known = news.iter().filter(|(node, _)| self.authors.contains_key(node));
        let news: VersionVector<I> = known.map(|(node, counter)| (node.clone(), counter)).collect();
        if let Some(peer) = self.peers.get_mut(from) {
            peer.sent = peer.sent.max(news.get(self.outbox.node()));
        }
        let stable = self.stability.observe(from, &news);
        self.forget(&stable.unwrap_or_default());
        for (node, counter) in &news {
            if let Some(author) = self.authors.get_mut(node) {
                author.claimed = author.claimed.max(counter);
                author.look_for(&self.clock, &self.config);
            }
        }
    }

    /// Takes in what a member asks for, as far as it is here.
    fn take_requests(&mut self, from: &I, forgotten: &VersionVector<I>, requests: &[DotRange<I>]) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let known = forgotten.iter().filter(|(node, _)| self.authors.contains_key(node));
        peer.has_forgotten.extend(known.map(|(node, counter)| (node.clone(), counter)));
        let mut here = Vec::new();
        for request in requests {
            let Some(author) = self.authors.get(request.node()) else { continue };
            let (first, last) = request.counters().into_inner();
            if first <= author.log.forgotten() {
                peer.we_have_forgotten.extend([(request.node().clone(), author.log.forgotten())]);
                peer.speak_by(peer.again(&self.clock, &self.config));
            }
            let first = first.max(author.log.forgotten().saturating_add(1));
            here.extend(DotRange::new(request.node().clone(), first..=last.min(author.log.last())));
        }
        peer.queue_answers(&here);
    }

    /// Takes in a message, if there is room for it.
    pub(super) fn admit_message(
        &mut self,
        message: Message<I, &[u8]>,
        is_authentic: &mut impl FnMut(&Message<I, &[u8]>) -> bool,
    ) -> Admission {
        let (node, counter) = (message.dot().node(), message.dot().counter());
        let Some(author) = self.authors.get(node) else { return Admission::Refused };
        if counter <= author.log.last() {
            return Admission::Duplicate;
        }
        let stable = author.log.forgotten();
        let causes = message.dependencies().iter();
        if node == self.outbox.node()
            || counter - stable > self.config.window
            || !causes.map(Dot::node).all(|node| self.authors.contains_key(node))
            || !is_authentic(&message)
        {
            return Admission::Refused;
        }
        let (header, payload) = (message.clone().with_payload(()), *message.payload());
        let len = message_len(&header, payload);
        // The next one needs room among the delivered ones only: what is held waits for it.
        let is_next = counter - 1 == author.log.last();
        let used = author.log.bytes().saturating_add(if is_next { 0 } else { author.held_bytes });
        if used.saturating_add(len) > self.config.window_bytes {
            return Admission::Refused;
        }
        match self.buffer.accept(header.with_payload(payload.to_vec())) {
            Ok(Accepted::Ready | Accepted::Held) => {
                if let Some(author) = self.authors.get_mut(message.dot().node()) {
                    author.held_bytes = author.held_bytes.saturating_add(len);
                    author.found(message.dot().counter(), &self.clock, &self.config);
                }
                Admission::New
            }
            Ok(Accepted::Duplicate) => Admission::Duplicate,
            Err(error) if error.kind == AcceptErrorKind::Equivocation => Admission::Equivocation,
            Err(_) => Admission::Refused,
        }
    }
}
