//! Reliable causal broadcast, as one machine without input and output of its own.
//!
//! # The problem
//!
//! A [`CausalBuffer`] delivers in causal order what arrives. Someone must see to it that everything arrives: keep what
//! others may still lack and no longer, find out what is lost, ask for it, and survive members that are silent, new,
//! gone or hostile, with bounded memory.
//!
//! # The algorithm
//!
//! 1. [`broadcast`](Endpoint::broadcast) stamps a message, logs it and sends it once to every other member.
//! 2. Every delivered message is logged until it is [stable](super::Stability), so that whoever has delivered a message
//!    can answer for it.
//! 3. A node's *vector* says how far its log goes at each author. On every packet travels what has changed in it since
//!    the receiver has confirmed one. A change is told, with growing pauses, until all have confirmed it; then the group
//!    falls silent.
//! 4. Where another's vector is ahead of one's own, messages are missing, be they in the middle or at the end. They are
//!    asked for by range after a moment: first from the author, after a time-out from the next member whose vector has
//!    them, with growing pauses.
//! 5. Of each author, at most a *window* of messages are on their way: logged or held and not known to be stable. An
//!    author that has filled its own window has its next broadcast refused; a receiver leaves what is beyond lying, and
//!    asks for it when stability has moved. So a silent member stops the group after a window, and nothing else does:
//!    acknowledgements, requests and answers need no room. Windows are per author, so no author takes another's, and two
//!    full nodes never wait for each other.
//!
//! # What it tells you
//!
//! Messages are delivered in causal order and once. If packets between live members get through again and again, every
//! message that a live member has delivered is delivered by all of them. A message is lost only if its author is gone and
//! no live member has delivered it.
//!
//! # Use
//!
//! Hand in packets and time with [`handle_packet`](Endpoint::handle_packet) and
//! [`handle_timeout`](Endpoint::handle_timeout), and payloads with `broadcast`. After each of these:
//!
//! 1. take deliveries from [`poll_delivery`](Endpoint::poll_delivery) until there is none,
//! 2. save what must [survive a restart](Endpoint#what-must-survive-a-restart), if the node shall,
//! 3. send what [`poll_packet`](Endpoint::poll_packet) gives, until there is nothing,
//! 4. and call `handle_timeout` at the time that [`poll_timeout`](Endpoint::poll_timeout) names, if nothing comes before.
//!
//! # Who is trusted
//!
//! | who | with what | if it lies |
//! |---|---|---|
//! | the caller | `from` of a packet is the member that has sent it, to this node, in this group | everything below is meant of the wrong member |
//! | a member | its own acknowledgements | it may lack for ever what it has acknowledged; others do not |
//! | a member | what it claims to have of others | it is asked for it, once in `retry_max_ms` for each author when it does not answer; nothing is forgotten because of it |
//! | a member | requests | it gets up to `answer_bytes` in `retry_ms` of what there is |
//! | a member | messages under its own id | its own window is full; what it has sent differently to different members stays different, and what builds on it may wait until it is removed |
//! | a member | messages under another's id | nothing, if you check authorship with [`handle_packet_verified`](Endpoint::handle_packet_verified); otherwise it can forge them |
//! | anyone else | nothing | refused |
//!
//! A member that withholds, or falls silent, stops stability, and with it new messages after a window. Who it is shows in
//! [`held_back_by`](Endpoint::held_back_by); whether to [`remove`](Endpoint::remove) it is the owner's decision.
//!
//! # Invariants
//!
//! - E1: an author's log begins after what is stable, and holds no more than a window.
//! - E2: the revision is the number of events in the own vector.
//! - E3: bytes, in logs and held back, are counted, and within a window and one message for each author.
//! - E4: the peers are the members but this one, and all are known as authors.
//! - E5: requests and answers that wait are few.
//! - E6: what is claimed of an author is the highest counter that a member has acknowledged.
//!
#![doc = include_str!("FORMAT.md")]

mod asking;
mod config;
mod packet;
mod peer;
mod receiving;
mod retransmission_log;
mod snapshot;

use core::mem;

use crate::codec::DecodeId;
use crate::compat::{BTreeMap, Vec};
use crate::delivery::Stability;
use crate::delivery::message::Message;
use crate::delivery::sender::CausalSender;
use crate::delivery::{BufferLimits, CausalBuffer, TooManyNodes};
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

use asking::Ask;
pub use config::{AdmitError, BroadcastError, BroadcastErrorKind, EndpointConfig, PacketError, RestoreError};
use packet::{MAX_RANGES, encode_message, message_len, put_head, put_message};
use peer::{Clock, Peer};
pub use receiving::Received;
use retransmission_log::RetransmissionLog;

/// Reliable causal broadcast to the members of a group, over any transport.
///
/// See the [module](self) for what it promises, how it works and whom it trusts. Payloads are bytes. Times are
/// milliseconds of any clock of the owner's; one that goes back does no harm.
///
/// In the costs below n is the number of nodes, d that of the dependencies of a message.
///
/// There is no `Clone`: two copies would give the same dot to different messages.
///
/// # What must survive a restart
///
/// [`snapshot`](Self::snapshot), stored **before the packets leave** that are polled after it, and together with the
/// effects of what was delivered. Others forget what this node has acknowledged, depend on what it has sent, and no
/// longer say what it has confirmed to know of them: so every packet that leaves needs a snapshot that is as new, also
/// where nothing was delivered or broadcast. Packets may wait, so that one snapshot serves many of them; and polling
/// them changes nothing in it, so that one which is as the last need not be stored again. It has all logged messages in
/// it: a window of each author at most, and hardly any in a group that keeps up.
///
/// The example `durable_endpoint` stores effects and snapshots in one transaction, and crashes at every step.
///
/// A node that has lost its snapshot, or comes back from an older one, must [`join`](Self::join) under a new id; and of
/// two that come back from the same one, one must. If they go on under their id:
///
/// | what happens | what is noticed |
/// |---|---|
/// | it uses numbers twice, and nodes hold different messages under one name | nothing where the first was delivered, it drops the second as a duplicate; [`equivocation`](Received::equivocation) where it is held; [`PacketError::NeverSent`] at the node itself, if it hears of what it has sent before it has sent as much again |
/// | it lacks what it has acknowledged, and others have forgotten | [`lost`](Self::lost), once it hears of later messages |
///
/// Neither snapshots nor packets have a checksum: storage and transport must notice damage, as files with checksums, TCP
/// or authenticated datagrams do.
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
/// // All know that all have it: nothing is kept, and nobody has anything to say.
/// assert!(nodes.iter().all(|node| node.log_len() == 0 && node.poll_timeout().is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint<I> {
    config: EndpointConfig,
    clock: Clock,
    outbox: CausalSender<I>,
    buffer: CausalBuffer<I, Vec<u8>>,
    stability: Stability<I>,
    /// All nodes that are or were members.
    authors: BTreeMap<I, Author<I>>,
    /// The members but this one.
    peers: BTreeMap<I, Peer<I>>,
    /// The sum of the own vector.
    revision: u64,
}

/// What is known of the messages of one node.
#[derive(Debug)]
struct Author<I> {
    /// What others may still need. Its end is the node's entry in the own vector.
    log: RetransmissionLog,
    /// How many bytes of its messages are in the buffer.
    held_bytes: usize,
    /// The revision of the own vector with which the node's entry has last changed.
    changed_at: u64,
    /// The highest counter that a member claims to have.
    claimed: u64,
    /// When to ask for what is missing, if anything may be.
    ask: Option<Ask<I>>,
}

impl<I> Author<I> {
    fn new(log: RetransmissionLog, changed_at: u64) -> Self {
        Self { log, held_bytes: 0, changed_at, claimed: 0, ask: None }
    }
}

impl<I: DecodeId> Endpoint<I> {
    /// Starts a node of a new group, in which nothing has been sent, or of a group none of whose messages is stable yet.
    ///
    /// `members` are all nodes of the group; whether `node` is among them makes no difference. All start with the same
    /// ones.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if they are more than [`EndpointConfig::nodes`].
    pub fn new(
        node: I,
        members: impl IntoIterator<Item = I>,
        config: EndpointConfig,
    ) -> Result<Self, TooManyNodes> {
        let stability = Stability::new(members.into_iter().chain([node.clone()]), config.nodes)?;
        let authors =
            stability.members().cloned().map(|author| (author, Author::new(RetransmissionLog::default(), 0)));
        let authors = authors.collect();
        Ok(Self::from_parts(config, CausalSender::new(node), stability, authors))
    }

    fn from_parts(
        mut config: EndpointConfig,
        outbox: CausalSender<I>,
        stability: Stability<I>,
        authors: BTreeMap<I, Author<I>>,
    ) -> Self {
        config.window = config.window.max(1);
        let limits = limits(&config);
        // As many as there are nodes: so no message has too many.
        let outbox = outbox.with_dependencies(limits.dependencies);
        let buffer = CausalBuffer::new(limits);
        let (clock, node) = (Clock::default(), outbox.node());
        let peers = stability.members().filter(|&member| member != node);
        let peers = peers
            .map(|member| {
                (member.clone(), Peer::new(stability.acknowledged(member, node), clock.after(config.delay_ms)))
            })
            .collect();
        Self { config, clock, outbox, buffer, stability, authors, peers, revision: 0 }
    }

    /// Returns the node that this is.
    pub fn node(&self) -> &I {
        self.outbox.node()
    }

    /// Returns what is delivered: a copy. O(n).
    pub fn delivered(&self) -> VersionVector<I> {
        self.buffer.delivered()
    }

    /// Returns what all members are known to have, and who they are.
    ///
    /// What is stable is forgotten here, but the application may not forget as soon: something concurrent may still be
    /// delivered. See [`causally_stable`](Self::causally_stable).
    pub fn stability(&self) -> &Stability<I> {
        &self.stability
    }

    /// Returns up to where all that is still to be delivered here follows what was delivered: so far the application
    /// may forget the marks of what was deleted, and what it keeps to tell concurrent changes apart.
    ///
    /// It grows with the calls: see [`Stability::causally_stable`], also for what to mind when a member is removed.
    /// O(n), and O(n²) for those calls that find it grown.
    pub fn causally_stable(&mut self) -> &VersionVector<I> {
        self.stability.causally_stable(&self.buffer.delivered())
    }

    /// Names the members for which the oldest message of this node that is not stable is kept, in their order; none if
    /// all are stable. This node is among them until it has delivered the message itself. O(n).
    pub fn held_back_by(&self) -> impl Iterator<Item = &I> {
        let log = self.authors.get(self.node()).map(|author| &author.log);
        let oldest = log.filter(|log| log.len() > 0).and_then(|log| log.forgotten().checked_add(1));
        let oldest = oldest.and_then(|counter| Dot::new(self.node().clone(), counter));
        oldest.into_iter().flat_map(|dot| self.stability.held_back_by(&dot))
    }

    /// Returns how many messages are logged for others. O(n).
    pub fn log_len(&self) -> usize {
        self.authors.values().map(|author| author.log.len()).sum()
    }

    /// Returns how many bytes the logged messages take. O(n).
    pub fn log_bytes(&self) -> usize {
        self.authors.values().map(|author| author.log.bytes()).sum()
    }

    /// Returns how many messages are here and not delivered.
    pub fn held_len(&self) -> usize {
        self.buffer.len()
    }

    /// Names what members have and none of them can give any more: this node came too late, or back from an old
    /// snapshot, and must [`join`](Self::join) from a newer one. O(n²), nothing in a group that works. A member that
    /// lies can claim to have, and to have forgotten, what nobody has sent.
    pub fn lost(&self) -> impl Iterator<Item = DotRange<I>> {
        self.authors.iter().filter_map(|(node, author)| {
            let last = author.log.last();
            let claimants =
                self.peers.iter().filter(|(peer, _)| self.stability.acknowledged(peer, node) > last);
            let forgotten = claimants.map(|(_, peer)| peer.has_forgotten.get(node)).min()?;
            (forgotten > last).then(|| DotRange::new(node.clone(), last + 1..=forgotten)).flatten()
        })
    }

    /// Sends `payload` to all members, this one too, and names the message. O(d + n).
    ///
    /// The message depends on everything delivered here. It is logged at once; here, too, it is delivered by
    /// [`poll_delivery`](Self::poll_delivery).
    ///
    /// # Errors
    ///
    /// [`BroadcastError`] hands the payload back and says what to do; the endpoint is unchanged.
    pub fn broadcast(&mut self, payload: Vec<u8>) -> Result<Dot<I>, BroadcastError> {
        let node = self.node().clone();
        let refuse = |payload, kind| Err(BroadcastError { payload, kind });
        let next = self.outbox.counter().checked_add(1).and_then(|next| Dot::new(node.clone(), next));
        let (Some(dot), Some(own)) = (next, self.authors.get_mut(&node)) else {
            return refuse(payload, BroadcastErrorKind::CounterExhausted);
        };
        let len = message_len(&self.outbox.preview(dot, ()), &payload);
        if len > self.config.window_bytes {
            return refuse(payload, BroadcastErrorKind::TooLong { limit: self.config.window_bytes });
        }
        if own.log.len() as u64 >= self.config.window
            || own.log.bytes().saturating_add(len) > self.config.window_bytes
        {
            return refuse(payload, BroadcastErrorKind::WindowFull);
        }
        let message = match self.outbox.stamp(payload) {
            Ok(message) => message,
            // Only for this: there are no more dependencies than nodes.
            Err(error) => return refuse(error.payload, BroadcastErrorKind::CounterExhausted),
        };
        own.log.push(encode_message(&message));
        let dot = message.dot().clone();
        let accepted = self.buffer.accept(message);
        debug_assert!(accepted.is_ok(), "a window of one's own messages has room in the buffer");
        self.vector_grew(&node);
        Ok(dot)
    }

    /// Delivers the next message all of whose causes are delivered; `None` if there is none now.
    ///
    /// From now on it counts as acknowledged, and the next broadcast depends on it. Call it after
    /// [`handle_packet`](Self::handle_packet), [`broadcast`](Self::broadcast) and the constructors, until it says `None`.
    /// O(d log n + n), and a copy of the payload, which is kept for others.
    pub fn poll_delivery(&mut self) -> Option<Message<I, Vec<u8>>> {
        let message = self.buffer.pop()?;
        self.outbox.observe(&message);
        let author = message.dot().node();
        if author != self.node() {
            let bytes = encode_message(&message);
            if let Some(author) = self.authors.get_mut(author) {
                author.held_bytes = author.held_bytes.saturating_sub(bytes.len());
                author.log.push(bytes);
            }
            self.vector_grew(author);
        }
        let delivered = VersionVector::from_iter([(author.clone(), message.dot().counter())]);
        let stable = self.stability.observe(self.outbox.node(), &delivered);
        self.forget(&stable.unwrap_or_default());
        if let Some(author) = self.authors.get_mut(author) {
            author.look_for(&self.clock, &self.config);
        }
        Some(message)
    }

    /// Takes note of the time. Call it when [`poll_timeout`](Self::poll_timeout) says so; at any other time it does no
    /// harm. O(n + h) for h messages that are held.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        self.clock.advance(now_ms);
        self.ask_for_missing();
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), by the owner's clock; `None` while there is nothing
    /// to wait for. It changes with every other call; call `handle_timeout` also after the clock was set back, for this
    /// goes by what it showed last. O(n).
    pub fn poll_timeout(&self) -> Option<u64> {
        let speak = self.peers.values().filter_map(|peer| peer.speak_at);
        let answer = self.peers.values().filter(|peer| !peer.answers.is_empty()).map(|peer| peer.refill_at);
        let ask = self.authors.values().filter_map(|author| author.ask.as_ref()).map(|ask| ask.at);
        speak.chain(answer).chain(ask).min().map(|deadline| self.clock.owners_time(deadline))
    }

    /// Returns the next packet, and the member to send it to; `None` if there is none now.
    ///
    /// Call it after every other call that changes the endpoint, until it says `None`; before that, save what must
    /// survive. Packets may get lost, be repeated and overtake each other. None may be brought to another member: what
    /// it says of how far the two know each other would be wrong there, and stay so. O(n), and a copy of the messages
    /// in it.
    #[must_use = "a packet that is polled counts as sent"]
    pub fn poll_packet(&mut self) -> Option<(I, Vec<u8>)> {
        let clock = self.clock;
        let own_last = self.outbox.counter();
        let is_wanted = |peer: &Peer<I>| {
            peer.sent < own_last || peer.may_answer(&clock) || peer.has_something_to_say(&clock)
        };
        let (to, peer) = self.peers.iter_mut().find(|(_, peer)| is_wanted(peer))?;

        let is_due = peer.speak_at.is_some_and(|at| clock.is_due(at));
        let base = peer.confirmed;
        let changed = self.authors.iter().filter(|(_, author)| author.changed_at > base);
        let news = changed.map(|(node, author)| (node, author.log.last()));
        let news: Vec<_> = news.filter(|&(_, last)| last > 0).collect();
        peer.requests.sort_unstable_by(|a, b| {
            a.node().cmp(b.node()).then_with(|| a.counters().start().cmp(b.counters().start()))
        });

        let mut bytes = Vec::new();
        let mut out = crate::codec::Writer::growing(&mut bytes);
        let revisions = [peer.known, base, self.revision];
        put_head(revisions, &news, &peer.we_have_forgotten, &peer.requests, &mut out);
        peer.requests.clear();
        peer.we_have_forgotten.clear();

        let mut is_first = true;
        let mut put_if_it_fits = |message: &[u8], out: &mut crate::codec::Writer<'_>| {
            let fits = is_first || out.len().saturating_add(message.len()) < self.config.packet;
            if fits {
                put_message(message, out);
                is_first = false;
            }
            fits
        };
        if peer.may_answer(&clock) {
            if clock.is_due(peer.refill_at) {
                peer.budget = self.config.answer_bytes.max(1);
                peer.refill_at = clock.after(self.config.retry_ms.max(1));
            }
            peer.answer(&self.authors, |message| put_if_it_fits(message, &mut out));
        }
        if let Some(own) = self.authors.get(self.outbox.node()) {
            peer.sent = peer.sent.max(own.log.forgotten());
            while let Some(message) = peer.sent.checked_add(1).and_then(|next| own.log.get(next)) {
                if !put_if_it_fits(message, &mut out) {
                    break;
                }
                peer.sent += 1;
            }
        }

        peer.told = self.revision;
        peer.said = peer.known;
        peer.spoke_at = clock.after(0);
        peer.speak_at = None;
        if peer.confirmed < self.revision {
            let wait = peer.back_off.wait(&self.config);
            peer.speak_at = Some(clock.after(wait));
            if is_due {
                peer.back_off.grow();
            }
        }
        Some((to.clone(), bytes))
    }

    /// Takes a new node into the group. O(n²).
    ///
    /// From now on what it does not have is kept for it. It starts either with [`Endpoint::join`] from a snapshot that was
    /// taken by a member **after this**, or, as long as nothing is stable, with [`Endpoint::new`]. Admit it at all members
    /// before the snapshot is taken: one that admits it later may have forgotten what the newcomer lacks, and then only
    /// the member that has given the snapshot can help it. And until a member has admitted it, that one takes in none of
    /// its messages, nor what builds on them.
    ///
    /// A node that is a member already is left as it is.
    ///
    /// # Errors
    ///
    /// [`AdmitError`]; the endpoint is as before.
    pub fn admit(&mut self, node: I) -> Result<(), AdmitError> {
        if self.stability.is_member(&node) {
            return Ok(());
        }
        if self.authors.contains_key(&node) {
            return Err(AdmitError::HasLeft);
        }
        let full = TooManyNodes { limit: self.config.nodes };
        if self.authors.len() >= self.config.nodes {
            return Err(AdmitError::TooManyNodes(full));
        }
        self.stability.join(node.clone(), &VersionVector::new()).map_err(AdmitError::TooManyNodes)?;
        self.authors.insert(node.clone(), Author::new(RetransmissionLog::default(), 0));
        let soon = self.clock.after(self.config.delay_ms);
        let sent = self.stability.acknowledged(&node, self.node());
        self.peers.insert(node, Peer::new(sent, soon));
        Ok(())
    }

    /// Takes a member out of the group, for good; says whether it was one. O(n²).
    ///
    /// Nothing waits for it any longer, and packets from it are refused. What it has sent stays: what one live member has
    /// delivered of it, all will. A node does not remove itself: it waits until [`held_back_by`](Self::held_back_by) is
    /// empty, so that nothing it has sent is lost, falls silent, and the others remove it, each when it learns of that;
    /// nobody tells the one that is removed. If it is to take part again, it [joins](Self::join) under a new id.
    ///
    /// What is held back of it is dropped, and asked for again if a member has delivered it: it may build on what only nodes
    /// that are gone have delivered, and so wait for ever; or differ from what others hold, if the node was hostile. What
    /// is held back of a member builds on what that member has delivered. So once all that are gone are removed, nothing
    /// waits for ever.
    pub fn remove(&mut self, node: &I) -> bool {
        if self.peers.remove(node).is_none() {
            return false;
        }
        let stable = self.stability.remove(node);
        self.drop_held(node);
        self.note_claims();
        self.forget(&stable);
        true
    }

    /// Drops what is held back of one author. O(n + h), and a copy of what is held of others.
    fn drop_held(&mut self, node: &I) {
        let before = mem::replace(&mut self.buffer, CausalBuffer::new(limits(&self.config)));
        let mut taken = self.buffer.advance_to(&before.delivered()).is_ok();
        for message in before.undelivered().filter(|message| message.dot().node() != node) {
            taken &= self.buffer.accept(message.clone()).is_ok();
        }
        debug_assert!(taken, "what was held has room");
        if let Some(author) = self.authors.get_mut(node) {
            author.held_bytes = 0;
        }
    }

    /// Notes anew what members claim to have, and looks for it. O(n²).
    fn note_claims(&mut self) {
        for (node, author) in &mut self.authors {
            author.claimed = self.stability.highest(node);
            author.look_for(&self.clock, &self.config);
        }
    }

    /// Notes that an entry of the own vector has grown by one, and that others are to be told.
    fn vector_grew(&mut self, node: &I) {
        self.revision = self.revision.saturating_add(1);
        if let Some(author) = self.authors.get_mut(node) {
            author.changed_at = self.revision;
        }
        for peer in self.peers.values_mut() {
            // Whoever does not answer is told when its time comes.
            let is_silent = peer.back_off.is_backing_off();
            let wait = if is_silent { peer.back_off.wait(&self.config) } else { self.config.delay_ms };
            peer.speak_by(self.clock.after(wait));
        }
    }

    /// Forgets what has become stable.
    fn forget(&mut self, stable: &VersionVector<I>) {
        for (node, counter) in stable {
            if let Some(author) = self.authors.get_mut(node) {
                author.log.forget(counter);
                author.look_for(&self.clock, &self.config);
            }
        }
    }

    /// Checks the invariants of this module and of those below it, and says which one is broken. O(everything).
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
                return Err("E1: a log begins behind what is stable, and holds no more than a window");
            }
            let held = self.buffer.undelivered().filter(|held| held.dot().node() == node);
            let held = held.map(|held| message_len(&held.clone().with_payload(()), held.payload()));
            let longest = self.config.window_bytes;
            if node == self.node() {
                if author.log.last() != self.outbox.counter() || author.held_bytes != 0 {
                    return Err("E3: the own log holds all that was sent, and counts it once");
                }
            } else if author.held_bytes != held.sum::<usize>()
                || author.log.bytes().saturating_add(author.held_bytes) > longest.saturating_mul(2)
            {
                return Err("E3: bytes are counted, and within a window and one message");
            }
        }
        let claimed = |node: &I, author: &Author<I>| {
            // Apart from what is here: nobody looks for that.
            author.claimed.max(author.log.last()) == self.stability.highest(node).max(author.log.last())
        };
        if !self.authors.iter().all(|(node, author)| claimed(node, author)) {
            return Err("E6: what is claimed is the highest counter that a member has acknowledged");
        }
        if revision != self.revision {
            return Err("E2: the revision is the number of events in the own vector");
        }
        let members = self.stability.members().filter(|&member| member != self.node());
        if !members.eq(self.peers.keys()) || !self.peers.keys().all(|node| self.authors.contains_key(node)) {
            return Err("E4: the peers are the members but this one, and known as authors");
        }
        let few = |peer: &Peer<I>| peer.requests.len() <= MAX_RANGES && peer.answers.len() <= MAX_RANGES;
        if !self.peers.values().all(few) || self.authors.len() > self.config.nodes {
            return Err("E5: requests and answers that wait are few");
        }
        Ok(())
    }
}

/// The limits of the buffer. Windows are narrower.
fn limits(config: &EndpointConfig) -> BufferLimits {
    let window = usize::try_from(config.window).unwrap_or(usize::MAX);
    BufferLimits {
        messages: window.saturating_mul(config.nodes),
        horizon: config.window,
        nodes: config.nodes,
        dependencies: config.nodes,
        ..BufferLimits::default()
    }
}
