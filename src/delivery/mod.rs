//! Causal delivery: messages are held back until everything they depend on has been delivered.
//!
//! | I want to ... | take |
//! |---|---|
//! | apply messages in causal order | [`CausalBuffer`], with a [`CausalSender`](crate::CausalSender) to send |
//! | the same for events that name their parents by hash | [`DagBuffer`](crate::DagBuffer) |
//! | know what to ask others for | [`CausalBuffer::missing`], [`DagBuffer::missing`](crate::DagBuffer::missing) |
//! | keep a hostile neighbour from taking the room of the others | [`CausalBuffer::accept_from`], [`CausalBuffer::remove_source`] |
//! | go on without a node that has gone for good | [`CausalBuffer::close`] |
//! | know what everyone has, and when a deletion mark may be forgotten | [`Stability`] |
//! | save all this together with its effects, and go on after a crash | [`encode_snapshot`], [`decode_snapshot`] |
//!
//! # The problem
//!
//! Alice asks, Bob answers, and Carol's network brings her the answer first. If she applies it at once she sees
//! an answer to nothing; a replica in her place would edit text that is not there yet.
//!
//! ```text
//!   Alice ──ask──────────────────────────
//!             ╲        ╲
//!   Bob        ask─answer╲────────────────
//!                     ╲   ╲
//!   Carol              answer ask          held back:  ask, then answer
//! ```
//!
//! # How it works, in five steps
//!
//! 1. A [`CausalSender`](crate::CausalSender) names in every [`Message`] its *direct dependencies*: the latest messages
//!    that the sender had delivered and that no other one of them already follows. Usually that is one, for any number
//!    of nodes. The sender's own previous message is implied.
//! 2. The *causes* of a message are its dependencies, in their order, and then the sender's previous one. The
//!    receiver's [`CausalBuffer`] checks them all when the message comes. It parks the message under the first one
//!    that is not delivered, and under no other; if there is none, the message is ready. (The previous message comes
//!    last because it is the oldest: mostly it is delivered by the time the dependencies are.)
//! 3. [`pop`](CausalBuffer::pop) delivers a message, and releases all that were parked under it.
//! 4. A released message resumes its search *after* the cause it waited for, until it is parked again or can be
//!    delivered. Delivered messages stay delivered, so the search never goes back: it looks at each cause at most once.
//!    With the first look that makes at most 2(d + 1) checks for a message with d dependencies in its whole life, and
//!    the whole run is linear in its input, whatever the order of arrival.
//! 5. The receiver hands every delivered message to its own sender ([`observe`](crate::CausalSender::observe)), whose
//!    next message then depends on it.
//!
//! The rest of what a program needs, each with its essay: what others can make a buffer remember ([`BufferLimits`]), a
//! neighbour's part of it ([`shares`]) and what goes when it is used up ([`eviction`]), nodes that have gone for good
//! ([`closing`]), what must survive a restart ([`encode_snapshot`]), and what all members have ([`Stability`]).
//! [`Endpoint`](crate::Endpoint) is all of it in one machine, with retransmission. For events that are named by hashes
//! and not by dots there is [`DagBuffer`](crate::DagBuffer), which stands on its own.
//!
//! # Guarantees
//!
//! At every node, if message x happened before message y, x is delivered before y; and none is delivered twice.
//! Concurrent messages may be delivered in different orders at different nodes. Nothing is promised about
//! messages that never arrive.
//!
//! # What you must do
//!
//! With an [`Endpoint`](crate::Endpoint), provide sockets and a clock. With a buffer and a sender alone:
//!
//! - Keep the messages that others may still lack, and answer with them. Any node that has delivered a message can.
//! - Ask for what is [`missing`](CausalBuffer::missing) when something has been held for too long. It names what is
//!   known to exist: what a held message is, follows or depends on.
//! - Now and then tell others what you have [`delivered`](CausalBuffer::delivered); they answer with the
//!   [`difference`](crate::VersionVector::difference). Nothing else shows a message that nothing here has named, such
//!   as the last one before a silence.
//!
//! The example `lossy_network` does all three, and the oracle judges it.
//!
//! # Sources
//!
//! Direct dependencies: Prakash, Raynal, Singhal, *An Adaptive Causal Ordering Algorithm Suited to Mobile
//! Computing Environments* (1997). Causal broadcast: Birman, Schiper, Stephenson, *Lightweight Causal and Atomic
//! Group Multicast* (1991). Deviation: one watched cause a message and a resumed search, instead of comparing
//! the vectors of all held messages at each delivery.

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
