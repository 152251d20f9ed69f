//! What an endpoint is made of again, in bytes: see `FORMAT.md`.
//!
//! A snapshot is outside input. Everything in it is checked as if a stranger had sent it: what it leaves to trust is
//! only that it is the last one, and that what it takes as delivered has taken effect.

use crate::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, Reader, Writer, put_id, take_id};
use crate::compat::{BTreeMap, Vec};
use crate::delivery::Stability;
use crate::delivery::TooManyNodes;
use crate::delivery::sender::CausalSender;
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::packet::{Messages, put_message};
use super::retransmission_log::RetransmissionLog;
use super::{Author, Endpoint, EndpointConfig, RestoreError};

const VERSION: u8 = 1;

/// The most events that a snapshot may have seen: half of what can be counted, so that nothing ever counts to the end.
const MAX_EVENTS: u64 = u64::MAX / 2;

/// The content of a snapshot.
struct Snapshot<'a, I> {
    node: I,
    sent: u64,
    delivered: VersionVector<I>,
    frontier: VersionVector<I>,
    stability: Stability<I>,
    /// The revision of each member's vector that is known.
    known: Vec<(I, u64)>,
    /// Nodes that have left.
    left: Vec<I>,
    messages: Messages<'a, I>,
}

impl<I: DecodeId> Endpoint<I> {
    /// Returns everything that this node must remember, as bytes. O(n²), and a copy of the logged messages.
    ///
    /// Messages that are held back are not in it: others have them. It serves two purposes: this node comes back from
    /// it with [`restore`](Self::restore), and a new member, admitted before, starts from it with [`join`](Self::join).
    /// Store it together with the state of the application that has seen exactly what was delivered; send both to a new
    /// member only then, or a crash makes this node forget what the other one has.
    ///
    /// ```
    /// use happens_before::Endpoint;
    /// use happens_before::endpoint::EndpointConfig;
    ///
    /// let mut node = Endpoint::new(1_u32, [1, 2], EndpointConfig::default())?;
    /// node.broadcast(b"tea?".to_vec())?;
    /// let saved = node.snapshot(); // not delivered yet, not sent yet, and not lost
    ///
    /// let mut back = Endpoint::<u32>::restore(&saved, EndpointConfig::default())?;
    /// assert_eq!(back.snapshot(), saved);
    /// assert_eq!(back.poll_delivery().unwrap().payload(), b"tea?");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::growing(&mut bytes);
        out.put(&[VERSION]);
        put_id(self.node(), &mut out);
        out.put_number(self.outbox.counter());
        self.delivered().encode(&mut out);
        self.outbox.frontier().encode(&mut out);
        out.put_number(self.stability.members().count() as u64);
        for member in self.stability.members() {
            put_id(member, &mut out);
            let row = self.authors.keys();
            let row = row.map(|author| (author.clone(), self.stability.acknowledged(member, author)));
            row.collect::<VersionVector<I>>().encode(&mut out);
            out.put_number(self.peers.get(member).map_or(0, |peer| peer.known));
        }
        let left = || self.authors.keys().filter(|&author| !self.stability.is_member(author));
        out.put_number(left().count() as u64);
        for author in left() {
            put_id(author, &mut out);
        }
        for message in self.authors.values().flat_map(|author| author.log.iter()) {
            put_message(message, &mut out);
        }
        bytes
    }

    /// Comes back from the snapshot that this node has stored last. If that was not the last one, the node gives numbers out
    /// again, and members hold different messages under one name, silently: see [what must survive a
    /// restart](Endpoint#what-must-survive-a-restart).
    ///
    /// # Errors
    ///
    /// [`RestoreError`] if the bytes are not what [`snapshot`](Self::snapshot) writes, or do not fit the configuration.
    pub fn restore(snapshot: &[u8], config: EndpointConfig) -> Result<Self, RestoreError> {
        let snapshot = Snapshot::<I>::decode(snapshot, config.nodes)?;
        let outbox = CausalSender::resume(snapshot.node.clone(), snapshot.sent, snapshot.frontier.clone());
        snapshot.open(outbox, config)
    }

    /// Starts `node` as a new member from the snapshot of another one, which has [admitted](Self::admit) it before. Save a
    /// snapshot of its own before it sends anything, and never join from the same bytes again: that would be a second node
    /// under the same id.
    ///
    /// # Errors
    ///
    /// [`NotAMember`](RestoreError::NotAMember) if it was not admitted before;
    /// [`KnownAuthor`](RestoreError::KnownAuthor) if messages of that id exist; and as [`restore`](Self::restore).
    ///
    /// ```
    /// use happens_before::Endpoint;
    /// use happens_before::endpoint::{EndpointConfig, RestoreError};
    ///
    /// let config = EndpointConfig::default();
    /// let mut first = Endpoint::new(1_u32, [1], config)?;
    /// first.broadcast(b"long ago".to_vec())?;
    /// while first.poll_delivery().is_some() {}
    ///
    /// let too_early = first.snapshot();
    /// first.admit(2)?;
    /// assert_eq!(Endpoint::join(2_u32, &too_early, config).unwrap_err(), RestoreError::NotAMember);
    /// let second = Endpoint::join(2_u32, &first.snapshot(), config)?;
    /// assert_eq!(second.delivered(), first.delivered());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(node: I, snapshot: &[u8], config: EndpointConfig) -> Result<Self, RestoreError> {
        let snapshot = Snapshot::<I>::decode(snapshot, config.nodes)?;
        if !snapshot.stability.is_member(&node) {
            return Err(RestoreError::NotAMember);
        }
        let has_more = |author| snapshot.stability.acknowledged(&node, author) > snapshot.delivered.get(author);
        let has_spoken = snapshot.stability.highest(&node) > 0 || snapshot.stability.authors().any(has_more);
        if node == snapshot.node || has_spoken {
            return Err(RestoreError::KnownAuthor);
        }
        // Everything delivered, and not the frontier: the giver may have sent what follows it and is not delivered yet.
        let mut outbox = CausalSender::new(node);
        outbox.advance_to(&snapshot.delivered);
        snapshot.open(outbox, config)
    }
}

impl<'a, I: DecodeId> Snapshot<'a, I> {
    fn decode(bytes: &'a [u8], limit: usize) -> Result<Self, RestoreError> {
        let mut reader = Reader::with_limit(bytes, limit);
        if reader.take(1)? != [VERSION] {
            return Err(refuse(0, DecodeErrorKind::UnknownVersion));
        }
        let node: I = take_id(&mut reader)?;
        let sent = reader.take_number()?;
        let at = reader.at();
        let delivered = reader.part(limit, VersionVector::<I>::decode)?;
        let events = delivered.iter().try_fold(sent, |events, (_, counter)| events.checked_add(counter));
        if events.is_none_or(|events| events > MAX_EVENTS) || delivered.get(&node) > sent {
            return Err(refuse(at, DecodeErrorKind::OutOfRange));
        }
        let at = reader.at();
        let frontier = reader.part(limit, VersionVector::<I>::decode)?;
        if frontier.get(&node) > 0 || frontier.iter().any(|(node, counter)| counter > delivered.get(node)) {
            return Err(refuse(at, DecodeErrorKind::OutOfRange));
        }

        let rows = take_sorted(&mut reader, |reader| {
            let member: I = take_id(reader)?;
            let row = reader.part(limit, VersionVector::<I>::decode)?;
            Ok((member, (row, reader.take_number()?)))
        })?;
        let members = rows.iter().map(|(member, _)| member.clone());
        let mut stability = Stability::new(members, limit)?;
        let left = take_sorted(&mut reader, |reader| Ok((take_id(reader)?, ())))?;
        let left: Vec<I> = left.into_iter().map(|(author, ())| author).collect();
        if rows.len().saturating_add(left.len()) > limit {
            return Err(TooManyNodes { limit }.into());
        }
        let is_known = |author: &I| stability.is_member(author) || left.binary_search(author).is_ok();
        let named = rows.iter().flat_map(|(_, (row, _))| row).chain(&delivered).map(|(author, _)| author);
        let own = rows.iter().find(|(member, _)| *member == node).map(|(_, own)| own);
        if !{ named }.all(is_known)
            || left.iter().any(|author| stability.is_member(author))
            || own != Some(&(delivered.clone(), 0))
        {
            return Err(refuse(at, DecodeErrorKind::OutOfRange));
        }
        for (member, (row, _)) in &rows {
            // All authors are known, and few.
            let observed = stability.observe(member, row);
            observed.map_err(|_| TooManyNodes { limit })?;
        }

        let messages = Messages::decode(&mut reader)?;
        let known = rows.into_iter().map(|(member, (_, known))| (member, known)).collect();
        let snapshot = Self { node, sent, delivered, frontier, stability, known, left, messages };
        snapshot.check_messages(reader.at())?;
        Ok(snapshot)
    }

    /// Visits all nodes that are or were members, in their order.
    fn authors(&self) -> BTreeMap<&I, RetransmissionLog> {
        let authors = self.stability.members().chain(&self.left);
        authors.map(|author| (author, RetransmissionLog::after(self.stability.stable_up_to(author)))).collect()
    }

    /// Checks that exactly those messages are there that are not stable, in order, that they build on what is delivered,
    /// and that nobody has more of the node's own than it has sent.
    fn check_messages(&self, at: usize) -> Result<(), RestoreError> {
        let is_delivered = |cause: &Dot<I>| self.delivered.contains(cause);
        let mut count = 0;
        for message in self.messages.clone() {
            if !message.dependencies().iter().all(is_delivered) {
                return Err(refuse(at, DecodeErrorKind::OutOfRange));
            }
            count += 1;
        }
        let mut messages = self.messages.clone().map(|message| message.dot().clone());
        for author in self.authors().into_keys() {
            let is_own = *author == self.node;
            let last = if is_own { self.sent } else { self.delivered.get(author) };
            let stable = self.stability.stable_up_to(author);
            // Own entries were checked before, so that what is stable is at most what is delivered.
            let expected = usize::try_from(last - stable.min(last)).unwrap_or(usize::MAX);
            if expected > count || (is_own && self.stability.highest(author) > last) {
                return Err(refuse(at, DecodeErrorKind::OutOfRange));
            }
            let expected = DotRange::new(author.clone(), stable.saturating_add(1)..=last);
            if !expected.iter().flat_map(DotRange::dots).all(|dot| messages.next() == Some(dot)) {
                return Err(refuse(at, DecodeErrorKind::OutOfRange));
            }
        }
        if messages.next().is_some() { Err(refuse(at, DecodeErrorKind::TrailingBytes)) } else { Ok(()) }
    }

    /// Makes the endpoint, for the node itself or for one that joins.
    fn open(self, outbox: CausalSender<I>, config: EndpointConfig) -> Result<Endpoint<I>, RestoreError> {
        let revision =
            self.delivered.iter().filter(|(node, _)| *node != outbox.node()).map(|(_, counter)| counter);
        let revision = revision.fold(outbox.counter(), u64::saturating_add);
        let mut authors = self.authors();
        for (message, bytes) in self.messages.clone().taken() {
            let dot = message.dot();
            let is_delivered = self.delivered.contains(dot);
            if let Some(log) =
                authors.get_mut(dot.node()).filter(|_| is_delivered || dot.node() == outbox.node())
            {
                log.push(bytes.to_vec());
            }
        }
        let fits = |log: &RetransmissionLog| {
            // See E3: the next message may come on top.
            log.len() as u64 <= config.window.max(1) && log.bytes() / 2 <= config.window_bytes
        };
        if !authors.values().all(fits) {
            return Err(RestoreError::WindowTooSmall);
        }
        let authors =
            authors.into_iter().map(|(node, log)| (node.clone(), Author::new(log, revision))).collect();
        let mut endpoint = Endpoint::from_parts(config, outbox, self.stability, authors);
        endpoint.revision = revision;
        for (member, known) in self.known {
            if let Some(peer) = endpoint.peers.get_mut(&member) {
                peer.known = known;
            }
        }
        endpoint.buffer.advance_to(&self.delivered)?;
        for message in self.messages.filter(|message| !self.delivered.contains(message.dot())) {
            if message.dot().node() == endpoint.node() {
                let (header, payload) = (message.clone().with_payload(()), message.payload().to_vec());
                if endpoint.buffer.accept(header.with_payload(payload)).is_err() {
                    return Err(RestoreError::WindowTooSmall);
                }
            } else {
                endpoint.admit_message(message, &mut |_| true);
            }
        }
        // One that joins has what was delivered where it comes from.
        let own = endpoint.node().clone();
        let stable = endpoint.stability.observe(&own, &self.delivered);
        endpoint.forget(&stable.unwrap_or_default());
        endpoint.note_claims();
        Ok(endpoint)
    }
}

/// Reads a number and so many entries, sorted by their ids.
fn take_sorted<I: DecodeId, T>(
    reader: &mut Reader<'_>,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<(I, T), DecodeError>,
) -> Result<Vec<(I, T)>, RestoreError> {
    let at = reader.at();
    let count = reader.take_number()?;
    if count > reader.limit() as u64 {
        return Err(refuse(at, DecodeErrorKind::TooManyEntries { limit: reader.limit() }));
    }
    let mut entries: Vec<(I, T)> = Vec::new();
    for _ in 0..count {
        let at = reader.at();
        let entry = take(reader)?;
        if entries.last().is_some_and(|before| before.0 >= entry.0) {
            return Err(refuse(at, DecodeErrorKind::Unsorted));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn refuse(at: usize, kind: DecodeErrorKind) -> RestoreError {
    RestoreError::Decode(DecodeError { at, kind })
}
