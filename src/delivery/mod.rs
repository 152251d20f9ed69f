//! Causal delivery: messages are held back until everything they depend on has been delivered.
//!
//! | I want to ... | type or function |
//! |---|---|
//! | apply messages in causal order | [`CausalBuffer`], with a [`CausalSender`](crate::CausalSender) to send |
//! | the same for events that name their parents by hash | [`DagBuffer`](crate::DagBuffer) |
//! | know what to ask others for | [`CausalBuffer::missing`], [`DagBuffer::missing`](crate::DagBuffer::missing) |
//! | keep a hostile neighbour from filling the buffer | [`CausalBuffer::accept_from`], [`CausalBuffer::remove_source`] |
//! | go on without a node that is gone for good | [`CausalBuffer::close`] |
//! | know what every member has, and when a deletion mark may be dropped | [`Stability`] |
//! | save all this with its effects, and go on after a crash | [`encode_snapshot`], [`decode_snapshot`] |
//! | explore a protocol with a model checker | [equality](CausalBuffer#equality) of machines, [`CausalSender::duplicate`](crate::CausalSender::duplicate) |
//!
//! # The problem
//!
//! Alice asks, Bob answers, and Carol's network brings her the answer first. If she applies it at once, she sees an
//! answer to nothing. A replica in her place would edit text that is not there yet.
//!
//! Two simple remedies fail. A vector in every message, with an entry for each node, grows with the group. A list of
//! waiting messages, searched after every delivery, costs the square of its length. So a message names only its direct
//! causes, and waits for one of them at a time.
//!
//! ```text
//!   Alice ──ask──────────────────────────
//!             ╲        ╲
//!   Bob        ask─answer╲────────────────
//!                     ╲   ╲
//!   Carol              answer ask          held back:  ask, then answer
//! ```
//!
//! # The algorithm
//!
//! 1. A [`CausalSender`](crate::CausalSender) names in every [`Message`] its *direct dependencies*: the delivered
//!    messages that no other delivered message follows. Usually there is one, for any number of nodes. The sender's
//!    previous message is implied.
//! 2. The *causes* of a message are its dependencies, in their order, and then the sender's previous message. The
//!    receiver's [`CausalBuffer`] checks them all when the message arrives. It parks the message under the first cause
//!    that is not delivered, and under no other. If all are delivered, the message is ready. (The previous message
//!    comes last because it is the oldest: usually it is delivered before the dependencies are.)
//! 3. [`pop`](CausalBuffer::pop) delivers a message, and releases all messages that were parked under it.
//! 4. A released message resumes its search *after* the cause it waited for, until it is parked again or can be
//!    delivered. Delivered messages stay delivered, so the search never goes back: it checks each cause at most once.
//!    Together with the first check, a message with d dependencies costs at most 2(d + 1) checks in its whole life. So
//!    the checks of a whole run are linear in its input, in every order of arrival. Messages that one delivery releases
//!    are sorted by dot before they search, so that the order of delivery does not tell their order of arrival: k of
//!    them take O(k log k) comparisons of dots.
//! 5. The receiver hands every delivered message to its own sender ([`observe`](crate::CausalSender::observe)), whose
//!    next message then depends on it.
//!
//! Other needs have essays of their own:
//!
//! - [`BufferLimits`]: the memory that others can make a buffer use;
//! - [`shares`]: the part of it that each neighbour may use;
//! - [`eviction`]: the message that is dropped when that memory is full;
//! - [`closing`]: nodes that are gone for good;
//! - [`encode_snapshot`]: the state that must survive a restart;
//! - [`Stability`]: the messages that all members have.
//!
//! [`Endpoint`](crate::Endpoint) is all of it in one machine, with retransmission. [`DagBuffer`](crate::DagBuffer) is a
//! buffer of its own, for events that are named by hashes.
//!
//! # Guarantees
//!
//! At every node, if message x happened before message y, x is delivered before y. No message is delivered twice.
//! Concurrent messages may be delivered in different orders at different nodes. A message whose causes never arrive is
//! never delivered.
//!
//! # What you must do
//!
//! With an [`Endpoint`](crate::Endpoint), provide sockets and a clock. With only a buffer and a sender:
//!
//! - Keep the messages that others may still lack, and send them on request. Any node that has delivered a message can.
//! - Request what is [`missing`](CausalBuffer::missing) when a message has been held for too long. It returns every
//!   message that the held ones prove to exist: their dependencies, and everything before them at the same nodes.
//! - From time to time, tell others what you have [`delivered`](CausalBuffer::delivered). They answer with the
//!   [`difference`](crate::VersionVector::difference). Otherwise nobody notices the loss of a message that no held
//!   message names, such as the last one before a silence.
//!
//! The example `lossy_network` does all three, and the oracle judges it.
//!
//! # Sources
//!
//! Direct dependencies: Prakash, Raynal, Singhal, *An Adaptive Causal Ordering Algorithm Suited to Mobile Computing
//! Environments* (1997). Causal broadcast: Birman, Schiper, Stephenson, *Lightweight Causal and Atomic Group Multicast*
//! (1991). Deviation: each message watches one cause and resumes its search. The papers compare the vectors of all held
//! messages at each delivery.

pub(crate) mod buffer;
pub(crate) mod dag;
mod error;
mod frontier;
pub(crate) mod message;
pub(crate) mod sender;
mod stability;
mod wire;

pub(crate) use buffer::CausalBuffer;
pub use buffer::{BufferLimits, closing, decode_snapshot, encode_snapshot, eviction, shares};
pub use dag::{DagEvent, DagLimits};
pub use error::{
    AcceptError, AcceptErrorKind, Accepted, CloseError, EventErrorKind, MessageError, MessageErrorKind,
    ObserveError, TooManyNodes,
};
pub(crate) use message::Message;
pub use stability::Stability;
