//! Reliable causal broadcast: one machine that does no input or output itself.
//!
//! # The problem
//!
//! A [`CausalBuffer`](crate::CausalBuffer) puts the messages that arrive in causal order. It does not make them arrive.
//! That takes more: keep each message while a member may lack it, and no longer; notice what was lost, and ask for it; go
//! on when members are silent, new, gone or hostile; and do all this in bounded memory.
//!
//! # The algorithm
//!
//! 1. [`broadcast`](crate::Endpoint::broadcast) stamps a message, logs it, and sends it once to every other member.
//! 2. Each node logs every message that it delivers until the message is [stable](crate::delivery::Stability). So each
//!    node that has delivered a message can answer for it.
//! 3. The *vector* of a node gives, for each author, the counter of the last message in its log. Every packet carries the
//!    entries that have changed since the last vector that the receiver has confirmed. A node tells of a change, with
//!    growing pauses, until all members have confirmed it. Then the group falls silent.
//! 4. If the vector of another member is ahead, messages are missing here, in the middle or at the end. The node requests
//!    them by range after a moment: first from the author, and after each time-out from the next member whose vector has
//!    them.
//! 5. Of each author, at most a *window* of messages are on their way: logged or held back, and not known to be stable. An
//!    author with a full window has its next broadcast refused. A receiver drops messages beyond the window, and requests
//!    them again once earlier messages are stable.
//!
//! A silent member stops the group after one window, and nothing else does. Acknowledgements, requests and answers need no
//! room. Windows are per author: no author takes the room of another, and two full nodes never wait for each other.
//!
//! # Requests
//!
//! Of each author, these messages are requested:
//!
//! ```text
//!   the log        5 6 7
//!   held back              9     12
//!   claimed                             ... 14
//!   requested            8   10-11  13-14
//! ```
//!
//! One member is asked at a time. A member that claims what it does not have, or keeps silent, costs a time-out.
//!
//! # Guarantees
//!
//! Messages are delivered in causal order, and once. If packets between live members get through again and again, every
//! message that one live member has delivered is delivered by all of them. A message is lost only if its author is gone and
//! no live member has delivered it.
//!
//! # Use
//!
//! Hand in packets and time with [`handle_packet`](crate::Endpoint::handle_packet) and
//! [`handle_timeout`](crate::Endpoint::handle_timeout), and payloads with `broadcast`. After each of these:
//!
//! 1. take deliveries from [`poll_delivery`](crate::Endpoint::poll_delivery) until there is none;
//! 2. save what must [survive a restart](crate::Endpoint#what-must-survive-a-restart), if the node is to survive one;
//! 3. send what [`poll_packet`](crate::Endpoint::poll_packet) returns, until there is nothing;
//! 4. call `handle_timeout` at the time that [`poll_timeout`](crate::Endpoint::poll_timeout) returns, if no other call comes
//!    before.
//!
//! # Trust
//!
//! | who | with what | if it lies |
//! |---|---|---|
//! | the caller | `from` of a packet is the member that has sent it, to this node, in this group | all that follows is noted of the wrong member |
//! | a member | its own acknowledgements | it may lack for ever what it has acknowledged; others do not |
//! | a member | what it claims to have of others | it is asked for it, once in `retry_max_ms` for each author when it does not answer; nothing is forgotten because of it |
//! | a member | requests | it gets up to `answer_bytes` in `retry_ms` of what there is |
//! | a member | messages under its own id | its own window is full; what it has sent differently to different members stays different, and what builds on it may wait until it is removed |
//! | a member | messages under another's id | nothing, if you check authorship with [`handle_packet_verified`](crate::Endpoint::handle_packet_verified); otherwise it can forge them |
//! | anyone else | nothing | refused |
//!
//! A member that withholds messages, or falls silent, stops stability, and with it new messages after a window.
//! [`held_back_by`](crate::Endpoint::held_back_by) names it. The owner decides whether to
//! [`remove`](crate::Endpoint::remove) it.
//!
//! # Invariants
//!
//! - EP1: the log of an author begins after what is stable, and holds no more than a window; nothing is stable that is not
//!   delivered here.
//! - EP2: the revision is the number of events in the own vector.
//! - EP3: the bytes of an author, logged and held back, are counted, and within a window and one message.
//! - EP4: the members that the node speaks to are all but itself, and all are known as authors.
//! - EP5: at most 64 requests and 64 answers wait for each member, and at most `nodes` authors are known.
//! - EP6: the claimed counter of an author is the highest that a member has acknowledged.
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
