//! The machine: the state of an endpoint, its inner steps and its invariants.
//!
//! The other files are `receiving` (packets that arrive), `sending` (packets that leave), `asking` (requests for
//! missing messages), `membership` (members that come and go), `snapshot` (the saved state) and `equality`.

use crate::codec::DecodeId;
use crate::compat::{BTreeMap, Vec};
use crate::delivery::CausalBuffer;
use crate::delivery::Stability;
use crate::delivery::message::Message;
use crate::delivery::sender::CausalSender;
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use super::author::Author;
use super::config::EndpointConfig;
use super::error::{BroadcastError, BroadcastErrorKind, GroupError, GroupErrorKind};
use super::frame::Frame;
use super::member::Member;
use super::packet::MAX_RANGES;
use super::retransmission_log::RetransmissionLog;
use super::timer::Stopwatch;

/// Reliable causal broadcast to the members of a group, over any transport.
///
/// The [module](crate::endpoint) describes the guarantees, the algorithm and the trust. Payloads are bytes. Times are
/// milliseconds of any clock of the owner. A clock that goes back does no harm.
///
/// In the costs below, n is the number of nodes, and d is the number of dependencies of a message.
///
/// There is no `Clone`: two copies would give the same dot to different messages. Model checkers, which try out several
/// futures of one state, use [`duplicate`](Self::duplicate).
///
/// # Equality
///
/// Two endpoints are equal if the same calls give the same answers from now on. Members, messages, counters and the last
/// time passed in are compared, and for each deadline the time that is left. It does not count how the endpoint came
/// there.
///
/// # State that must survive a restart
///
/// Save a [`snapshot`](Self::snapshot) durably **before sending any packet** polled after the last change, together
/// with the effects of what was delivered. Members rely on every packet: they discard what it acknowledges, build on
/// what it sends, and stop repeating what it confirms. This also holds for packets without a delivery or a broadcast
/// before them.
///
/// Packets may wait, so one snapshot can serve many of them. Polling packets does not change the snapshot, and a
/// snapshot that equals the last one need not be stored again. A snapshot contains all logged messages: at most a
/// window of each author, and few in a group that keeps up.
///
/// The example `durable_endpoint` stores effects and snapshots in one transaction, and crashes at every step.
///
/// A node that has lost its snapshot, or has only an older one, must [`join`](Self::join) under a new id. So must one
/// of two nodes that would resume from the same snapshot. If they go on under the old id:
///
/// | effect | noticed by |
/// |---|---|
/// | the node uses numbers twice, and nodes hold different messages under one dot | nodes that have delivered the first message: not noticed, since they drop the second as a duplicate; nodes that hold the first: [`equivocation`](crate::endpoint::Received::equivocation); the node itself: [`NeverSent`](crate::endpoint::PacketErrorKind::NeverSent), if it hears of its earlier messages before it has sent as many again |
/// | the node lacks messages that it has acknowledged and others have forgotten | the node itself: [`lost`](Self::lost), once it hears of later messages |
///
/// Neither snapshots nor packets have a checksum. Storage and transport must notice damage, as files with checksums,
/// TCP and authenticated datagrams do.
///
/// # Examples
///
/// ```
/// use happens_before::Endpoint;
/// use happens_before::endpoint::EndpointConfig;
///
/// let group = [1_u32, 2, 3];
/// let mut nodes = group.map(|node| Endpoint::new(node, group, EndpointConfig::default()).unwrap());
/// nodes[0].broadcast(b"tea?".to_vec())?;
///
/// // The network: the first packet is lost, all others arrive.
/// let mut lost = 0;
/// let mut heard = vec![Vec::new(); 3];
/// for now_ms in 0..1_000 {
///     for at in 0..3 {
///         nodes[at].handle_timeout(now_ms);
///         while let Some(message) = nodes[at].poll_delivery() {
///             heard[at].push(message.into_payload());
///         }
///         while let Some((to, packet)) = nodes[at].poll_packet() {
///             lost += 1;
///             if lost > 1 {
///                 let from = group[at];
///                 nodes[to as usize - 1].handle_packet(now_ms, &from, &packet)?;
///             }
///         }
///     }
/// }
/// assert_eq!(heard, [[b"tea?"]; 3]);
/// // All members know that all have it: no message is kept, and no packet is due.
/// assert!(nodes.iter().all(|node| node.log_len() == 0 && node.poll_timeout().is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint<I> {
    pub(super) config: EndpointConfig,
    pub(super) stopwatch: Stopwatch,
    pub(super) sender: CausalSender<I>,
    /// The messages that are not delivered. On delivery a frame moves from here into the log of its author. Frames of
    /// the node itself are in the log already, and `None` here.
    pub(super) buffer: CausalBuffer<I, Option<Frame>>,
    pub(super) stability: Stability<I>,
    /// All nodes that are or were members.
    pub(super) authors: BTreeMap<I, Author<I>>,
    /// All other members.
    pub(super) members: BTreeMap<I, Member<I>>,
    /// The sum of the counters in this node's vector.
    pub(super) revision: u64,
}

impl<I: DecodeId> Endpoint<I> {
    /// Starts a node of a new group, or of a group in which no message is stable yet.
    ///
    /// `members` are all nodes of the group, with or without `node`. All nodes start with the same members.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`](GroupErrorKind::TooManyNodes) if there are more members than [`EndpointConfig::nodes`]: the
    /// caller's configuration is too small.
    pub fn new(
        node: I,
        members: impl IntoIterator<Item = I>,
        config: EndpointConfig,
    ) -> Result<Self, GroupError> {
        let stability = Stability::new(members.into_iter().chain([node.clone()]), config.nodes);
        let stability = stability.map_err(|_| too_many_nodes(config.nodes))?;
        let authors =
            stability.members().cloned().map(|author| (author, Author::new(RetransmissionLog::default(), 0)));
        let authors = authors.collect();
        Ok(Self::from_parts(config, CausalSender::new(node), stability, authors))
    }

    pub(super) fn from_parts(
        mut config: EndpointConfig,
        sender: CausalSender<I>,
        stability: Stability<I>,
        authors: BTreeMap<I, Author<I>>,
    ) -> Self {
        config.window = config.window.max(1);
        let limits = config.buffer_limits();
        // The limit is the number of nodes, so no message has too many dependencies.
        let sender = sender.with_dependencies(limits.dependencies);
        let buffer = CausalBuffer::new(limits);
        let (stopwatch, node) = (Stopwatch::default(), sender.node());
        let soon = stopwatch.after(config.delay_ms);
        let others = stability.members().filter(|&member| member != node);
        let members = others
            .map(|member| (member.clone(), Member::new(stability.acknowledged(member, node), &stopwatch, soon)))
            .collect();
        Self { config, stopwatch, sender, buffer, stability, authors, members, revision: 0 }
    }

    /// Returns the id of this node.
    pub fn node(&self) -> &I {
        self.sender.node()
    }

    /// Returns a copy of the vector of what is delivered here. O(n).
    pub fn delivered(&self) -> VersionVector<I> {
        self.buffer.delivered()
    }

    /// Returns the record of the members and of what each is known to have.
    ///
    /// The endpoint forgets stable messages. The application must keep their marks, because a concurrent message may
    /// still be delivered: see [`causally_stable`](Self::causally_stable).
    pub fn stability(&self) -> &Stability<I> {
        &self.stability
    }

    /// Returns a vector. Every message delivered here from now on was written by a node that had already delivered all
    /// of it. So the application may forget deletion marks at or below it, and metadata that only tells which changes
    /// are concurrent.
    ///
    /// The vector grows only with calls: see [`Stability::causally_stable`], also for the caution after a member is
    /// removed. O(n), and O(n²) for calls that find it grown.
    pub fn causally_stable(&mut self) -> &VersionVector<I> {
        self.stability.causally_stable(&self.buffer.delivered())
    }

    /// Returns the members that lack this node's oldest unstable message, in the order of their ids; none if all
    /// messages are stable. This node is among them until it has delivered the message itself. O(n).
    pub fn held_back_by(&self) -> impl Iterator<Item = &I> {
        let log = self.authors.get(self.node()).map(|author| &author.log);
        let oldest = log.filter(|log| log.len() > 0).and_then(|log| log.forgotten().checked_add(1));
        let oldest = oldest.and_then(|counter| Dot::new(self.node().clone(), counter));
        oldest.into_iter().flat_map(|dot| self.stability.held_back_by(&dot))
    }

    /// Returns the number of messages logged for others. O(n).
    pub fn log_len(&self) -> usize {
        self.authors.values().map(|author| author.log.len()).sum()
    }

    /// Returns the number of bytes that the logged messages take. O(n).
    pub fn log_bytes(&self) -> usize {
        self.authors.values().map(|author| author.log.bytes()).sum()
    }

    /// Returns the number of messages that have arrived and are not delivered, ready ones too.
    pub fn undelivered_len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the ranges of lost messages: this node lacks them, members had them, and no member can send them any
    /// more. There are none in a group that works. If there are any, this node came too late, or came back from an old
    /// snapshot. It must [`join`](Self::join) from a newer one. A member that lies can claim to have had, and to have
    /// forgotten, messages that were never sent. O(n²).
    pub fn lost(&self) -> impl Iterator<Item = DotRange<I>> {
        self.authors.iter().filter_map(|(node, author)| {
            let last = author.log.last();
            let claimants =
                self.members.iter().filter(|(member, _)| self.stability.acknowledged(member, node) > last);
            let forgotten = claimants.map(|(_, member)| member.has_forgotten.get(node)).min()?;
            (forgotten > last).then(|| DotRange::new(node.clone(), last + 1..=forgotten)).flatten()
        })
    }

    /// Sends `payload` to all members, this one too, and returns the dot of the message. O(d + n), and a copy of the
    /// payload, which is kept for others.
    ///
    /// The message depends on everything delivered here. It is logged at once. This node delivers it by
    /// [`poll_delivery`](Self::poll_delivery), like all others.
    ///
    /// # Errors
    ///
    /// [`BroadcastError`], with the payload in it. The endpoint is unchanged. The kind of the error says what to do.
    pub fn broadcast(&mut self, payload: Vec<u8>) -> Result<Dot<I>, BroadcastError> {
        let node = self.node().clone();
        let refuse = |payload, kind| Err(BroadcastError { payload, kind });
        let next = self.sender.counter().checked_add(1).and_then(|next| Dot::new(node.clone(), next));
        let (Some(dot), Some(own)) = (next, self.authors.get_mut(&node)) else {
            return refuse(payload, BroadcastErrorKind::CounterExhausted);
        };
        let header = Frame::encode_header(&self.sender.preview(dot, ()));
        let len = header.len().saturating_add(payload.len());
        if len > self.config.window_bytes {
            return refuse(payload, BroadcastErrorKind::TooLong { limit: self.config.window_bytes });
        }
        if own.log.len() as u64 >= self.config.window
            || own.log.bytes().saturating_add(len) > self.config.window_bytes
        {
            return refuse(payload, BroadcastErrorKind::WindowFull);
        }
        let Ok(message) = self.sender.stamp(None) else {
            // The only cause of this error: there are no more dependencies than nodes.
            return refuse(payload, BroadcastErrorKind::CounterExhausted);
        };
        own.log.push(Frame::new(&header, &payload));
        let dot = message.dot().clone();
        let accepted = self.buffer.accept(message);
        debug_assert!(accepted.is_ok(), "a window of own messages has room in the buffer");
        self.note_growth(&node);
        Ok(dot)
    }

    /// Delivers the next message whose causes are all delivered; `None` if there is none now.
    ///
    /// From now on the message counts as acknowledged, and the next broadcast depends on it. Call this after
    /// [`handle_packet`](Self::handle_packet), [`broadcast`](Self::broadcast) and the constructors, until it returns
    /// `None`. O(d log n + n), and a copy of the payload, which is kept for others.
    pub fn poll_delivery(&mut self) -> Option<Message<I, Vec<u8>>> {
        let message = self.buffer.pop()?;
        self.sender.observe(&message);
        let (node, counter) = (message.dot().node().clone(), message.dot().counter());
        let author = self.authors.get_mut(&node);
        let deliver = |frame| author.map(|author| author.deliver(counter, frame)).unwrap_or_default();
        let message = message.map_payload(deliver);
        if node != *self.node() {
            self.note_growth(&node);
        }
        let delivered = VersionVector::from_iter([(node.clone(), counter)]);
        let stable = self.stability.observe(self.sender.node(), &delivered);
        self.forget(&stable.unwrap_or_default());
        if let Some(author) = self.authors.get_mut(&node) {
            author.look_for(&self.stopwatch, &self.config);
        }
        Some(message)
    }

    /// Notes that an entry of this node's vector has grown by one, and that others are to be told.
    fn note_growth(&mut self, node: &I) {
        self.revision = self.revision.saturating_add(1);
        if let Some(author) = self.authors.get_mut(node) {
            author.changed_at = self.revision;
        }
        for member in self.members.values_mut() {
            member.plan_to_tell(&self.stopwatch, &self.config);
        }
    }

    /// Finds again the highest counters that members claim to have, and looks for those messages. O(n²).
    pub(super) fn note_claims(&mut self) {
        for (node, author) in &mut self.authors {
            author.claimed = self.stability.highest(node);
            author.look_for(&self.stopwatch, &self.config);
        }
    }

    /// Forgets what has become stable.
    pub(super) fn forget(&mut self, stable: &VersionVector<I>) {
        for (node, counter) in stable {
            if let Some(author) = self.authors.get_mut(node) {
                author.log.forget(counter);
                author.look_for(&self.stopwatch, &self.config);
            }
        }
    }

    /// Checks the invariants of this module and of those below it, and names a broken one. O(everything).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.buffer.internal_validate()?;
        self.stability.internal_validate()?;
        let mut revision = 0_u64;
        for (node, author) in &self.authors {
            author.log.validate()?;
            revision = revision.saturating_add(author.log.last());
            if author.log.forgotten() != self.stability.stable_up_to(node)
                || author.log.len() as u64 > self.config.window
            {
                return Err("EP1: a log begins after what is stable, and holds no more than a window");
            }
            let held = self.buffer.undelivered().filter(|held| held.dot().node() == node);
            let frames = held.filter_map(|held| held.payload().as_ref());
            let held_bytes = frames.map(|frame| frame.bytes().len()).sum();
            if node == self.node() {
                if author.log.last() != self.sender.counter() || author.held_bytes != 0 {
                    return Err("EP3: the own log holds all that was sent, and counts it once");
                }
            } else if author.held_bytes != held_bytes
                || author.log.bytes().saturating_add(held_bytes) > self.config.window_bytes.saturating_mul(2)
            {
                return Err("EP3: bytes are counted, and within a window and one message");
            }
        }
        let claimed = |node: &I, author: &Author<I>| {
            // Messages that are here do not count: the endpoint does not look for them.
            author.claimed.max(author.log.last()) == self.stability.highest(node).max(author.log.last())
        };
        if !self.authors.iter().all(|(node, author)| claimed(node, author)) {
            return Err("EP6: the claimed counter is the highest that a member has acknowledged");
        }
        if revision != self.revision {
            return Err("EP2: the revision is the number of events in the own vector");
        }
        let members = self.stability.members().filter(|&member| member != self.node());
        if !members.eq(self.members.keys()) || !self.members.keys().all(|node| self.authors.contains_key(node))
        {
            return Err("EP4: the node speaks to all members but itself, and all are known as authors");
        }
        let few =
            |member: &Member<I>| member.requests.len() <= MAX_RANGES && member.answers.len() <= MAX_RANGES;
        if !self.members.values().all(few) || self.authors.len() > self.config.nodes {
            return Err("EP5: requests and answers that wait are few");
        }
        Ok(())
    }
}

/// The error for a group that is larger than the configuration allows.
pub(super) fn too_many_nodes(limit: usize) -> GroupError {
    GroupError { kind: GroupErrorKind::TooManyNodes { limit } }
}
