//! The snapshot of an endpoint, in bytes: see `FORMAT.md`.
//!
//! A snapshot is outside input, and is checked as if a stranger had sent it. Two things cannot be checked: that it is
//! the last one, and that the messages it counts as delivered have taken effect.

use crate::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, Reader, Writer};
use crate::compat::{BTreeMap, Vec};
use crate::delivery::Stability;
use crate::delivery::sender::CausalSender;
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::author::Author;
use super::config::EndpointConfig;
use super::error::{GroupError, GroupErrorKind};
use super::frame::Frame;
use super::machine::{Endpoint, too_many_nodes};
use super::packet::{Messages, put_message};
use super::retransmission_log::RetransmissionLog;

const VERSION: u8 = 1;

/// Limit on the events in a snapshot: half of what can be counted, so that no count ever overflows.
const MAX_EVENTS: u64 = u64::MAX / 2;

/// The content of a snapshot.
struct SavedState<'a, I> {
    node: I,
    sent: u64,
    delivered: VersionVector<I>,
    frontier: VersionVector<I>,
    stability: Stability<I>,
    /// The known revision of each member's vector.
    known: Vec<(I, u64)>,
    /// Nodes that have left.
    left: Vec<I>,
    messages: Messages<'a, I>,
}

impl<I: DecodeId> Endpoint<I> {
    /// Returns the state that this node must save, as bytes. O(n²), and a copy of the logged messages.
    ///
    /// It serves two purposes. This node goes on from it with [`resume`](Self::resume). A new member that was admitted
    /// before starts from it with [`join`](Self::join). Held messages are not in it, because others have them.
    ///
    /// Store it together with the state of the application that has seen exactly what was delivered. Send both to a new
    /// member only after that. Otherwise a crash makes this node forget what the new member has.
    ///
    /// ```
    /// use happens_before::Endpoint;
    /// use happens_before::endpoint::EndpointConfig;
    ///
    /// let mut node = Endpoint::new(1_u32, [1, 2], EndpointConfig::default())?;
    /// node.broadcast(b"tea?".to_vec())?;
    /// let saved = node.snapshot(); // contains the message, which is neither sent nor delivered yet
    ///
    /// let mut back = Endpoint::<u32>::resume(&saved, EndpointConfig::default())?;
    /// assert_eq!(back.snapshot(), saved);
    /// assert_eq!(back.poll_delivery().unwrap().payload(), b"tea?");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::growing(&mut bytes);
        out.put(&[VERSION]);
        self.node().encode(&mut out);
        out.put_number(self.sender.counter());
        self.delivered().encode(&mut out);
        self.sender.frontier().encode(&mut out);
        out.put_number(self.stability.members().count() as u64);
        for member in self.stability.members() {
            member.encode(&mut out);
            let row = self.authors.keys();
            let row = row.map(|author| (author.clone(), self.stability.acknowledged(member, author)));
            row.collect::<VersionVector<I>>().encode(&mut out);
            out.put_number(self.members.get(member).map_or(0, |member| member.known));
        }
        let left = || self.authors.keys().filter(|&author| !self.stability.is_member(author));
        out.put_number(left().count() as u64);
        for author in left() {
            author.encode(&mut out);
        }
        for frame in self.authors.values().flat_map(|author| author.log.iter()) {
            put_message(frame, &mut out);
        }
        bytes
    }

    /// Resumes a node from the snapshot that it has stored last.
    ///
    /// From an older one, the node would use numbers twice, and members would hold different messages under one dot.
    /// This may go unnoticed: see [what must survive a restart](Endpoint#state-that-must-survive-a-restart).
    ///
    /// # Errors
    ///
    /// [`Decode`](GroupErrorKind::Decode) if the bytes were not written by [`snapshot`](Self::snapshot).
    /// [`TooManyNodes`](GroupErrorKind::TooManyNodes) or [`WindowTooSmall`](GroupErrorKind::WindowTooSmall) if the
    /// snapshot does not fit the configuration.
    pub fn resume(snapshot: &[u8], config: EndpointConfig) -> Result<Self, GroupError> {
        let snapshot = SavedState::<I>::decode(snapshot, config.nodes)?;
        let sender = CausalSender::resume(snapshot.node.clone(), snapshot.sent, snapshot.frontier.clone());
        snapshot.start(sender, config)
    }

    /// Starts `node` as a new member from the snapshot of another member, which has [admitted](Self::admit) it before.
    ///
    /// Save a snapshot of the new endpoint before it sends anything. Never join from the same bytes again: that would
    /// be a second node under the same id.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`](GroupErrorKind::NotAdmitted) if the node was not admitted before.
    /// [`IdUsed`](GroupErrorKind::IdUsed) if messages of the id exist. Also the errors of [`resume`](Self::resume).
    ///
    /// ```
    /// use happens_before::Endpoint;
    /// use happens_before::endpoint::{EndpointConfig, GroupErrorKind};
    ///
    /// let config = EndpointConfig::default();
    /// let mut first = Endpoint::new(1_u32, [1], config)?;
    /// first.broadcast(b"long ago".to_vec())?;
    /// while first.poll_delivery().is_some() {}
    ///
    /// let too_early = first.snapshot();
    /// first.admit(2)?;
    /// assert_eq!(Endpoint::join(2_u32, &too_early, config).unwrap_err().kind, GroupErrorKind::NotAdmitted);
    /// let second = Endpoint::join(2_u32, &first.snapshot(), config)?;
    /// assert_eq!(second.delivered(), first.delivered());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(node: I, snapshot: &[u8], config: EndpointConfig) -> Result<Self, GroupError> {
        let snapshot = SavedState::<I>::decode(snapshot, config.nodes)?;
        if !snapshot.stability.is_member(&node) {
            return Err(GroupError { kind: GroupErrorKind::NotAdmitted });
        }
        let has_more = |author| snapshot.stability.acknowledged(&node, author) > snapshot.delivered.get(author);
        let has_spoken = snapshot.stability.highest(&node) > 0 || snapshot.stability.authors().any(has_more);
        if node == snapshot.node || has_spoken {
            return Err(GroupError { kind: GroupErrorKind::IdUsed });
        }
        // The sender follows everything delivered, and not the giver's frontier. The giver may have sent messages that
        // follow the frontier and are not delivered yet.
        let mut sender = CausalSender::new(node);
        sender.advance_to(&snapshot.delivered);
        snapshot.start(sender, config)
    }
}

impl<'a, I: DecodeId> SavedState<'a, I> {
    fn decode(bytes: &'a [u8], limit: usize) -> Result<Self, GroupError> {
        let mut reader = Reader::with_limit(bytes, limit);
        if reader.take(1)? != [VERSION] {
            return Err(refuse(0, DecodeErrorKind::UnknownVersion));
        }
        let node = I::decode(&mut reader)?;
        let sent = reader.take_number()?;
        let at = reader.at();
        let delivered = reader.part(limit, VersionVector::<I>::decode)?;
        let events = delivered.iter().try_fold(sent, |events, (_, counter)| events.checked_add(counter));
        if events.is_none_or(|events| events > MAX_EVENTS) {
            return Err(refuse(at, DecodeErrorKind::OutOfRange));
        }
        if delivered.get(&node) > sent {
            return Err(refuse(at, DecodeErrorKind::Contradiction));
        }
        let at = reader.at();
        let frontier = reader.part(limit, VersionVector::<I>::decode)?;
        if frontier.get(&node) > 0 {
            return Err(refuse(at, DecodeErrorKind::OwnDependency));
        }
        if frontier.difference(&delivered).next().is_some() {
            return Err(refuse(at, DecodeErrorKind::Contradiction));
        }

        let (stability, known, left) = take_group(&mut reader, &node, &delivered)?;
        let messages = Messages::decode(&mut reader)?;
        let snapshot = Self { node, sent, delivered, frontier, stability, known, left, messages };
        snapshot.check_messages(reader.at())?;
        Ok(snapshot)
    }

    /// Makes, for each node that is or was a member, a log that begins after what is stable.
    fn empty_logs(&self) -> BTreeMap<&I, RetransmissionLog> {
        let authors = self.stability.members().chain(&self.left);
        authors.map(|author| (author, RetransmissionLog::after(self.stability.stable_up_to(author)))).collect()
    }

    /// Checks three things: the messages are exactly those that are not stable, in order; they build on what is
    /// delivered; and no member has more of the node's messages than it has sent.
    fn check_messages(&self, at: usize) -> Result<(), GroupError> {
        let is_delivered = |cause: &Dot<I>| self.delivered.contains(cause);
        let mut count = 0;
        for (message, _) in self.messages.clone() {
            if !message.dependencies().iter().all(is_delivered) {
                return Err(refuse(at, DecodeErrorKind::Contradiction));
            }
            count += 1;
        }
        let mut messages = self.messages.clone().map(|(message, _)| message.dot().clone());
        for author in self.empty_logs().into_keys() {
            let is_own = *author == self.node;
            let last = if is_own { self.sent } else { self.delivered.get(author) };
            let stable = self.stability.stable_up_to(author);
            // The node's own row was checked before, so what is stable is at most what is delivered.
            let expected = usize::try_from(last - stable.min(last)).unwrap_or(usize::MAX);
            if expected > count || (is_own && self.stability.highest(author) > last) {
                return Err(refuse(at, DecodeErrorKind::Contradiction));
            }
            let expected = DotRange::new(author.clone(), stable.saturating_add(1)..=last);
            if !expected.iter().flat_map(DotRange::dots).all(|dot| messages.next() == Some(dot)) {
                return Err(refuse(at, DecodeErrorKind::Contradiction));
            }
        }
        if messages.next().is_some() { Err(refuse(at, DecodeErrorKind::TrailingBytes)) } else { Ok(()) }
    }

    /// Makes the endpoint, for the node itself or for one that joins.
    fn start(self, sender: CausalSender<I>, config: EndpointConfig) -> Result<Endpoint<I>, GroupError> {
        let of_others = self.delivered.iter().filter(|(node, _)| *node != sender.node());
        let revision = of_others.fold(sender.counter(), |events, (_, counter)| events.saturating_add(counter));
        let logs = self.logs(sender.node());
        let fits = |log: &RetransmissionLog| {
            // See EP3: there may be one message more.
            log.len() as u64 <= config.window.max(1) && log.bytes() / 2 <= config.window_bytes
        };
        if !logs.values().all(fits) {
            return Err(GroupError { kind: GroupErrorKind::WindowTooSmall });
        }
        let authors = logs.into_iter().map(|(node, log)| (node.clone(), Author::new(log, revision)));
        let authors = authors.collect();
        let mut endpoint = Endpoint::from_parts(config, sender, self.stability, authors);
        endpoint.revision = revision;
        for (node, known) in self.known {
            if let Some(member) = endpoint.members.get_mut(&node) {
                member.known = known;
            }
        }
        endpoint.buffer.advance_to(&self.delivered).map_err(|_| too_many_nodes(config.nodes))?;
        for (message, bytes) in self.messages.filter(|(message, _)| !self.delivered.contains(message.dot())) {
            if message.dot().node() != endpoint.node() {
                endpoint.admit_message((message, bytes), &mut |_| true);
            } else if endpoint.buffer.accept(message.with_payload(None)).is_err() {
                return Err(GroupError { kind: GroupErrorKind::WindowTooSmall });
            }
        }
        // A node that joins has everything that the giver has delivered.
        let own = endpoint.node().clone();
        let stable = endpoint.stability.observe(&own, &self.delivered);
        endpoint.forget(&stable.unwrap_or_default());
        endpoint.note_claims();
        Ok(endpoint)
    }

    /// Makes the log of each author, for the node `own`: its own messages, and those of others that are delivered.
    fn logs(&self, own: &I) -> BTreeMap<&I, RetransmissionLog> {
        let mut logs = self.empty_logs();
        for (message, bytes) in self.messages.clone() {
            let dot = message.dot();
            if dot.node() != own && !self.delivered.contains(dot) {
                continue;
            }
            if let Some(log) = logs.get_mut(dot.node()) {
                log.push(Frame::copied(bytes, message.payload().len()));
            }
        }
        logs
    }
}

/// The members with their rows, the known revision of each member's vector, and the nodes that have left.
type Group<I> = (Stability<I>, Vec<(I, u64)>, Vec<I>);

/// Reads the members and the nodes that have left, from a snapshot of `node`, which has delivered `delivered`.
fn take_group<I: DecodeId>(
    reader: &mut Reader<'_>,
    node: &I,
    delivered: &VersionVector<I>,
) -> Result<Group<I>, GroupError> {
    let (at, limit) = (reader.at(), reader.limit());
    let rows = take_sorted(reader, |reader| {
        let member = I::decode(reader)?;
        let row = reader.part(limit, VersionVector::<I>::decode)?;
        Ok((member, (row, reader.take_number()?)))
    })?;
    let members = rows.iter().map(|(member, _)| member.clone());
    let mut stability = Stability::new(members, limit).map_err(|_| too_many_nodes(limit))?;
    let left = take_sorted(reader, |reader| Ok((I::decode(reader)?, ())))?;
    let left: Vec<I> = left.into_iter().map(|(author, ())| author).collect();
    if rows.len().saturating_add(left.len()) > limit {
        return Err(too_many_nodes(limit));
    }
    let is_known = |author: &I| stability.is_member(author) || left.binary_search(author).is_ok();
    let named = rows.iter().flat_map(|(_, (row, _))| row).chain(delivered).map(|(author, _)| author);
    let own = rows.iter().find(|(member, _)| member == node).map(|(_, own)| own);
    if !{ named }.all(is_known)
        || left.iter().any(|author| stability.is_member(author))
        || own != Some(&(delivered.clone(), 0))
    {
        return Err(refuse(at, DecodeErrorKind::Contradiction));
    }
    for (member, (row, _)) in &rows {
        // All authors are known, and within the limit.
        let observed = stability.observe(member, row);
        observed.map_err(|_| too_many_nodes(limit))?;
    }
    let known = rows.into_iter().map(|(member, (_, known))| (member, known)).collect();
    Ok((stability, known, left))
}

/// Reads a number, and that many entries, sorted by their ids.
fn take_sorted<I: DecodeId, T>(
    reader: &mut Reader<'_>,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<(I, T), DecodeError>,
) -> Result<Vec<(I, T)>, GroupError> {
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

fn refuse(at: usize, kind: DecodeErrorKind) -> GroupError {
    DecodeError { at, kind }.into()
}
