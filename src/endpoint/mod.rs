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
//! 1. [`broadcast`](crate::Endpoint::broadcast) stamps a message, logs it and sends it once to every other member.
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
//! Hand in packets and time with [`handle_packet`](crate::Endpoint::handle_packet) and
//! [`handle_timeout`](crate::Endpoint::handle_timeout), and payloads with `broadcast`. After each of these:
//!
//! 1. take deliveries from [`poll_delivery`](crate::Endpoint::poll_delivery) until there is none,
//! 2. save what must [survive a restart](crate::Endpoint#what-must-survive-a-restart), if the node shall,
//! 3. send what [`poll_packet`](crate::Endpoint::poll_packet) gives, until there is nothing,
//! 4. and call `handle_timeout` at the time that [`poll_timeout`](crate::Endpoint::poll_timeout) names, if nothing comes before.
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
//! | a member | messages under another's id | nothing, if you check authorship with [`handle_packet_verified`](crate::Endpoint::handle_packet_verified); otherwise it can forge them |
//! | anyone else | nothing | refused |
//!
//! A member that withholds, or falls silent, stops stability, and with it new messages after a window. Who it is shows in
//! [`held_back_by`](crate::Endpoint::held_back_by); whether to [`remove`](crate::Endpoint::remove) it is the owner's decision.
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
mod author;
mod config;
mod error;
mod frame;
pub(crate) mod machine;
mod member;
mod membership;
mod packet;
mod receiving;
mod retransmission_log;
mod sending;
mod snapshot;
mod timer;

pub use config::EndpointConfig;
pub use error::{BroadcastError, BroadcastErrorKind, GroupError, GroupErrorKind, PacketError, PacketErrorKind};
pub use receiving::Received;
