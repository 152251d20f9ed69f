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
//! message that a live member has delivered is delivered by all of them. A message is lost only if it never left a node
//! that is gone.
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
//! | the caller | `from` of a packet is the member that has sent it | everything below is meant of the wrong member |
//! | a member | its own acknowledgements | it may lack for ever what it has acknowledged; others do not |
//! | a member | what it claims to have of others | it is asked for it, once in `retry_max_ms` for each author when it does not answer; nothing is forgotten because of it |
//! | a member | requests | it gets up to `answer_bytes` in `retry_ms` of what there is |
//! | a member | messages under its own id | its own window is full, and what it has sent differently to different members stays different |
//! | a member | messages under another's id | nothing, if you check authorship with [`handle_packet_verified`](Endpoint::handle_packet_verified); otherwise it can forge them |
//! | anyone else | nothing | refused |
//!
//! A member that withholds, or falls silent, stops stability, and with it new messages after a window. Who it is shows in
//! [`held_back_by`](Endpoint::held_back_by); whether to [`remove`](Endpoint::remove) it is the owner's decision.
//!
//! # Invariants
//!
//! - E1: an author's log begins behind what is stable, and holds no more than a window.
//! - E2: the revision is the number of events in the own vector.
//! - E3: bytes, in logs and held back, are counted, and within a window and one message for each author.
//! - E4: the peers are the members but this one, and all are known as authors.
//! - E5: requests and answers that wait are few.
//!
#![doc = include_str!("FORMAT.md")]

mod config;
mod log;
mod packet;
mod peer;
mod snapshot;

use crate::codec::DecodeId;
use crate::compat::{BTreeMap, Vec};
use crate::delivery::buffer::{AcceptErrorKind, Accepted, CausalBuffer, Limits, TooManyNodes};
use crate::delivery::message::Message;
use crate::delivery::outbox::Outbox;
use crate::delivery::stability::Stability;
use crate::node::{Dot, DotRange};
use crate::version::VersionVector;

pub use config::{BroadcastError, BroadcastErrorKind, EndpointConfig, PacketError, RestoreError};
use log::Log;
use packet::{Packet, encode_message, message_len, put_head, put_message};
use peer::{BackOff, Clock, MAX_RANGES, Peer};

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
/// effects of what was delivered. Others forget what this node has acknowledged, and depend on what it has sent. A node
/// that has lost its snapshot, or comes back from an older one, must [`join`](Self::join) under a new id.
///
/// # Examples
///
/// ```
/// use happens_before::delivery::{Endpoint, EndpointConfig};
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
    outbox: Outbox<I>,
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
    log: Log,
    /// How many bytes of its messages are in the buffer.
    held_bytes: usize,
    /// The revision of the own vector with which the node's entry has last changed.
    changed_at: u64,
    /// The highest counter that a member claims to have.
    claimed: u64,
    /// When to ask for what is missing, if anything may be.
    ask: Option<Ask<I>>,
}

#[derive(Debug)]
struct Ask<I> {
    at: u64,
    back_off: BackOff,
    /// Who was asked last.
    peer: Option<I>,
}

impl<I> Author<I> {
    fn new(log: Log, changed_at: u64) -> Self {
        Self { log, held_bytes: 0, changed_at, claimed: 0, ask: None }
    }
}

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
enum Admission {
    New,
    Duplicate,
    Refused,
    Equivocation,
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
        let authors = stability.members().cloned().map(|author| (author, Author::new(Log::default(), 0)));
        let authors = authors.collect();
        Ok(Self::from_parts(config, Outbox::new(node), stability, authors))
    }

    fn from_parts(
        mut config: EndpointConfig,
        outbox: Outbox<I>,
        stability: Stability<I>,
        authors: BTreeMap<I, Author<I>>,
    ) -> Self {
        config.window = config.window.max(1);
        let window = usize::try_from(config.window).unwrap_or(usize::MAX);
        let buffer = CausalBuffer::new(Limits {
            messages: window.saturating_mul(config.nodes),
            horizon: config.window,
            nodes: config.nodes,
            dependencies: config.nodes,
        });
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
    /// What is stable may be forgotten by the application too, such as the mark that something was deleted.
    pub fn stability(&self) -> &Stability<I> {
        &self.stability
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

    /// Names what members have and none of them can give any more: this node came too late, or back from an old snapshot,
    /// and must [`join`](Self::join) from a newer one. O(n²), nothing in a group that works.
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
        let len = message_len(&Message::after(dot, self.outbox.frontier(), ()), &payload);
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
            look_for(author, &self.clock, &self.config);
        }
        Some(message)
    }

    /// Takes in a packet that the member `from` has sent, as the transport has authenticated it, and says what it has
    /// brought. Messages in it may be of any author, and are taken to be what they say.
    ///
    /// O(n) for the packet, and as [`CausalBuffer::accept`] for each message.
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
        if packet.base != peer.known || peer.told < self.revision {
            // It does not know what we know of it, or we have not told it all.
            peer.speak_by(self.clock.after(self.config.delay_ms));
        } else if peer.confirmed < self.revision {
            peer.speak_by(self.clock.after(peer.back_off.wait(&self.config)));
        } else {
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
    /// survive. Packets may get lost, be repeated and overtake each other. O(n), and a copy of the messages in it.
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
    /// the member that has given the snapshot can help it.
    ///
    /// A node that is a member already is left as it is. One that was removed takes part again where it was; if it lacks
    /// what is stable by now, it finds that [`lost`](Self::lost).
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if there would be more than [`EndpointConfig::nodes`], with those that have left.
    pub fn admit(&mut self, node: I) -> Result<(), TooManyNodes> {
        if self.stability.is_member(&node) {
            return Ok(());
        }
        if !self.authors.contains_key(&node) && self.authors.len() >= self.config.nodes {
            return Err(TooManyNodes { limit: self.config.nodes });
        }
        self.stability.join(node.clone(), &VersionVector::new())?;
        self.authors.entry(node.clone()).or_insert_with(|| Author::new(Log::default(), 0));
        let soon = self.clock.after(self.config.delay_ms);
        let sent = self.stability.acknowledged(&node, self.node());
        self.peers.insert(node, Peer::new(sent, soon));
        Ok(())
    }

    /// Takes a member out of the group, for good or until it is admitted again; says whether it was one. O(n²).
    ///
    /// Nothing waits for it any longer, and packets from it are refused. What it has sent stays: what one live member has
    /// delivered of it, all will. A node does not remove itself: it falls silent, and the others remove it.
    pub fn remove(&mut self, node: &I) -> bool {
        if self.peers.remove(node).is_none() {
            return false;
        }
        let stable = self.stability.remove(node);
        self.note_claims();
        self.forget(&stable);
        true
    }

    /// Notes anew what members claim to have, and looks for it. O(n²).
    fn note_claims(&mut self) {
        for (node, author) in &mut self.authors {
            author.claimed = self.stability.highest(node);
            look_for(author, &self.clock, &self.config);
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
                look_for(author, &self.clock, &self.config);
            }
        }
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
                look_for(author, &self.clock, &self.config);
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
            }
            let first = first.max(author.log.forgotten().saturating_add(1));
            here.extend(DotRange::new(request.node().clone(), first..=last.min(author.log.last())));
        }
        peer.queue_answers(&here);
    }

    /// Takes in a message, if there is room for it.
    fn admit_message(
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
                    if let Some(ask) = &mut author.ask {
                        // What was asked for is coming.
                        ask.back_off = BackOff::default();
                        ask.at = self.clock.after(ask.back_off.wait(&self.config));
                    }
                }
                Admission::New
            }
            Ok(Accepted::Duplicate) => Admission::Duplicate,
            Err(error) if error.kind == AcceptErrorKind::Equivocation => Admission::Equivocation,
            Err(_) => Admission::Refused,
        }
    }

    /// Asks for what is missing where the time for that has come.
    fn ask_for_missing(&mut self) {
        let clock = self.clock;
        let is_due = |author: &Author<I>| author.ask.as_ref().is_some_and(|ask| clock.is_due(ask.at));
        if !self.authors.values().any(is_due) {
            return;
        }
        let mut held = self.buffer.held().map(Message::dot).peekable();
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
                peer.requests.extend(ranges.into_iter().take(room));
            }
            ask.at = clock.after(ask.back_off.wait(&self.config));
            ask.back_off.grow();
            ask.peer = Some(next);
            author.ask = Some(ask);
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
            let held = self.buffer.held().filter(|held| held.dot().node() == node);
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

/// Starts to look for an author's messages, if others have some for which there is room here.
fn look_for<I>(author: &mut Author<I>, clock: &Clock, config: &EndpointConfig) {
    let has_room = (author.log.len() as u64) < config.window;
    if author.ask.is_none() && author.claimed > author.log.last() && has_room {
        author.ask = Some(Ask { at: clock.after(config.delay_ms), back_off: BackOff::default(), peer: None });
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
