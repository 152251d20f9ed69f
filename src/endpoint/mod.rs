//! Reliable causal broadcast: one machine that does no input or output itself.
//!
//! # The problem
//!
//! A [`CausalBuffer`](crate::CausalBuffer) delivers in causal order the messages that arrive. It does not make them
//! arrive. For that a node must
//!
//! - keep each message while a member may lack it, and no longer;
//! - notice lost messages, and request them;
//! - go on when members are silent, new, gone or hostile;
//! - do all this in bounded memory.
//!
//! Simple remedies fail. A reliable connection to each member loses messages when a node crashes between two sends. A
//! log that keeps everything grows for ever. So every node keeps every message until all members are known to have it,
//! and any node can send it again.
//!
//! # The algorithm
//!
//! 1. [`broadcast`](crate::Endpoint::broadcast) stamps a message, logs it and sends it once to every other member.
//! 2. Each node logs every message that it delivers, until the message is [stable](crate::delivery::Stability). So each
//!    node that has delivered a message can send it again.
//! 3. The *vector* of a node gives, for each author, the counter of the last message in its log. Every packet carries
//!    the entries that have changed since the last vector that the receiver has confirmed. A node repeats a change,
//!    with growing pauses, until all members have confirmed it. Then the group is silent.
//! 4. If the vector of another member is ahead, messages are missing here. After a moment the node requests their
//!    ranges: first from the author, and after each time-out from the next member whose vector has them.
//! 5. Each author has at most a *window* of messages on their way: logged or held back, and not known to be stable.
//!    While the window is full, the author's broadcasts are refused. A receiver drops messages beyond the window, and
//!    requests them again once earlier messages are stable.
//!
//! Only a silent member stops the group, after one window. Acknowledgements, requests and answers need no room. Each
//! author has a window of its own: no author uses the room of another, and two full nodes never wait for each other.
//!
//! # Requests
//!
//! A node requests the messages of an author that others claim to have and that it has neither logged nor held back:
//!
//! ```text
//!   the log        5 6 7
//!   held back              9     12
//!   claimed                             ... 14
//!   requested            8   10-11  13-14
//! ```
//!
//! One member is asked at a time. A member costs a time-out if it keeps silent, or claims messages that it does not
//! have.
//!
//! # Guarantees
//!
//! Messages are delivered in causal order, and at most once. If packets between live members get through again and
//! again, every message that one live member has delivered is delivered by all of them. A message is lost only if its
//! author is gone and no live member has delivered it.
//!
//! # Use
//!
//! Pass packets and the time to [`handle_packet`](crate::Endpoint::handle_packet) and
//! [`handle_timeout`](crate::Endpoint::handle_timeout), and payloads to `broadcast`. After each of these calls:
//!
//! 1. take deliveries from [`poll_delivery`](crate::Endpoint::poll_delivery) until there is none;
//! 2. if the node is to survive a restart, save [the state for it](crate::Endpoint#state-that-must-survive-a-restart);
//! 3. send the packets from [`poll_packet`](crate::Endpoint::poll_packet) until there is none;
//! 4. call `handle_timeout` at the time from [`poll_timeout`](crate::Endpoint::poll_timeout), if no other call comes
//!    before.
//!
//! # Trust
//!
//! | party | trusted with | if it lies |
//! |---|---|---|
//! | the caller | that `from` has sent the packet, to this node, in this group | the content of the packet is noted for the wrong member |
//! | a member | its acknowledgements | it may never get the messages that it has acknowledged; others get them |
//! | a member | its claims to have messages of others | it is asked for them, once in `retry_max_ms` for each author when it does not answer; no message is forgotten because of the claim |
//! | a member | its requests | it gets up to `answer_bytes` of existing messages in each `retry_ms` |
//! | a member | messages under its own id | its own window is full; if it sends different messages under one number, members keep different ones, and messages that build on them may wait until it is removed |
//! | a member | messages under the ids of others | no harm, if you check authorship with [`handle_packet_verified`](crate::Endpoint::handle_packet_verified); otherwise it can forge them |
//! | anyone else | nothing | refused |
//!
//! A member that withholds messages, or falls silent, stops stability. After one window that stops new messages too.
//! [`held_back_by`](crate::Endpoint::held_back_by) names the member. The owner decides whether to
//! [`remove`](crate::Endpoint::remove) it.
//!
//! # Invariants
//!
//! - EP1: the log of an author begins after what is stable, and holds at most a window. Everything stable is delivered
//!   here.
//! - EP2: the revision is the sum of the counters in this node's vector.
//! - EP3: the bytes of each author, logged and held back, are counted. They are at most a window and one message.
//! - EP4: the node speaks to all members but itself, and all members are known as authors.
//! - EP5: at most 64 requests and 64 answers wait for each member, and at most `nodes` authors are known.
//! - EP6: the claimed counter of an author is the highest that a member has acknowledged.
//!
#![doc = include_str!("FORMAT.md")]

mod asking;
mod author;
mod config;
mod equality;
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
