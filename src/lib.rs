//! Logical clocks, version vectors, causal delivery and total order, for anyone who replicates data.
//!
//! Whoever keeps copies of data on several machines runs into three questions that no wall clock answers: *which
//! change came first*, *may I apply this one yet*, and *have I seen everything that it builds on*. This crate
//! answers them with the structures of the field, under their usual names, for servers, browsers and
//! microcontrollers alike.
//!
//! # Which one do I need?
//!
//! | I want to ... | take | costs |
//! |---|---|---|
//! | order events so that no effect comes before its cause, and need not know what is concurrent | [`LamportClock`]; shared by threads [`AtomicLamportClock`] | one number a message |
//! | the same, with timestamps close to the time of day | [`HybridClock`]; shared by threads [`AtomicHybridClock`] | 64 bits a message |
//! | know whether one state is older than another, newer, or concurrent | [`VersionVector`] | one number a node |
//! | the same, with all nodes known beforehand, on a small device | [`FixedVector`] | 8 bytes a node |
//! | know exactly which events have been seen, although they come in any order: delta CRDTs, retransmission | [`CausalContext`] | one number a node, and a range a gap |
//! | apply messages in causal order, although the network reorders, repeats and loses them | [`CausalBuffer`], with an [`CausalSender`] to send | the names of a message's direct dependencies: one or two |
//! | have every message delivered everywhere, over any transport | [`Endpoint`] | a packet a message and member, and acknowledgements |
//! | know what everyone has, and when a deletion mark may be forgotten | [`delivery::Stability`] | 8 bytes for an author and a member |
//! | the same for events that name their parents by hash: commits, content-addressed changes | [`DagBuffer`] | an id a parent |
//! | keep a hostile neighbour from taking the room of the others | [`CausalBuffer::accept_from`], [`CausalBuffer::remove_source`] | up to 37 bytes a held message |
//! | go on without a node that has gone for good | [`CausalBuffer::close`] | a look at all that is held |
//! | save all this together with its effects, and go on after a crash as if there had been none | [`delivery::encode_snapshot`], [`delivery::decode_snapshot`] | some bytes a node, and what is held |
//! | know what to ask others for | [`CausalBuffer::missing`], [`DagBuffer::missing`], [`VersionVector::difference`], [`CausalContext::missing`] | |
//! | one sequence of numbers for all, linearizable | [`Counter`]: in a process [`AtomicCounter`], over a network [`Coalescing`](counter::Coalescing) | a round trip, shared by those who wait |
//! | deliver the same messages in the same order everywhere, over storage that is linearizable | [`Publisher`] and [`Subscriber`], see [`broadcast`] | a number and a write a message, or one append |
//! | one register, one owner of a name, one lock holder, linearizable and replicated; or a state machine of my own | [`Replica`] of a [`StateMachine`], see [`replicated`] | an entry of the log a command |
//! | keep out a lock holder that does not know that it has lost the lock | [`Fence`], with [`FencingToken`](broadcast::FencingToken)s | one comparison a write |
//! | store or send any of these in few bytes, and read them from anyone | [`codec`]; or serde, with the feature | |
//! | number operations uniquely without a round trip a number, where the order does not matter | [`sequence`] | a class, a block, a durable number or a clock |
//! | run a log for years: restarts, restores, damaged slots, upgrades, limits | [`guide::operations`] | ten minutes of reading |
//! | check that my own protocol delivers what depends on each other in order, once, and everywhere | [`check::CausalRun`] | |
//! | check that my own protocol delivers one order everywhere, without gaps, and loses nothing | [`check::OrderRun`] | |
//!
//! # A replicated chat
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use happens_before::{CausalBuffer, CausalSender, Message};
//! use happens_before::delivery::BufferLimits;
//!
//! struct Replica {
//!     outbox: CausalSender<&'static str>,
//!     buffer: CausalBuffer<&'static str, String>,
//!     lines: Vec<String>,
//! }
//!
//! impl Replica {
//!     fn new(node: &'static str) -> Self {
//!         Self { outbox: CausalSender::new(node), buffer: CausalBuffer::new(BufferLimits::default()), lines: Vec::new() }
//!     }
//!
//!     /// Takes in a message, from the network or of one's own, and applies what may be applied.
//!     fn receive(&mut self, message: Message<&'static str, String>) {
//!         self.buffer.accept(message).expect("this example stays within its limits");
//!         while let Some(message) = self.buffer.pop() {
//!             self.outbox.observe(&message);
//!             self.lines.push(message.into_payload());
//!         }
//!     }
//!
//!     /// Says something, and returns what to send to all others.
//!     fn say(&mut self, line: &str) -> Message<&'static str, String> {
//!         let message = self.outbox.stamp(line.to_string()).expect("2^64 lines will not be reached");
//!         self.receive(message.clone());
//!         message
//!     }
//! }
//!
//! let (mut alice, mut bob, mut carol) = (Replica::new("alice"), Replica::new("bob"), Replica::new("carol"));
//! let question = alice.say("tea?");
//! bob.receive(question.clone());
//! let answer = bob.say("yes");
//!
//! carol.receive(answer); // overtakes the question
//! assert!(carol.lines.is_empty());
//! carol.receive(question);
//! assert_eq!(carol.lines, ["tea?", "yes"]);
//! # }
//! ```
//!
//! # What it does not do
//!
//! - It opens no socket, starts no thread and reads no clock, but [`SystemTime`](scalar::SystemTime) if you hand it
//!   in: bytes and time come in and go out as values.
//! - It does not decide who wins among concurrent changes; it tells you that they are concurrent.
//! - It does not verify who wrote a message; do that before you hand it in. Against what a verified but hostile
//!   node can still do, everything is bounded by limits that you set.
//! - It reaches no consensus. A total order that survives failures takes one, from an engine that has it.
//!
//! # Features
//!
//! | feature | default | what you lose without it |
//! |---|---|---|
//! | `std` | on | [`SystemTime`](scalar::SystemTime) as a source of time, a [log in memory](broadcast::MemoryLog) that threads share; it turns on `alloc` |
//! | `alloc` | on, by `std` | all that grows: version vectors, causal delivery, total order, oracles. Clocks, counters, [`Fence`] and [`FixedVector`] remain |
//! | `simd` | on | vectors of many entries take 2 to 4 times as long to merge and compare; the results are the same |
//! | `portable-atomic` | off | what threads share, on targets without 64-bit atomics |
//! | `serde` | off | `Serialize` and `Deserialize`, which refuse what the constructors refuse |
//! | `arbitrary`, `quickcheck` | off | random values for your own fuzzing and property tests |
//!
//! Without any, the crate has no dependencies. There is no `unsafe` in it.
//!
//! `alloc` asks of a target an allocator, and loads and stores of a word that are atomic, but no more: a Cortex-M0,
//! without compare-and-swap and so without `Arc`, is enough for causal delivery and total order. What threads share,
//! [`AtomicLamportClock`] and others, is left out where there are no 64-bit atomics, unless `portable-atomic` is on;
//! without compare-and-swap the binary also has to choose how that crate gets it (its feature `critical-section`, for
//! one).

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// In tests a panic is how a test fails.
#![cfg_attr(
    not(test),
    warn(
        // What could panic, in code that no input may make panic.
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
        // What could lose a part of a counter.
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        // What is the caller's business: see clippy.toml.
        clippy::dbg_macro,
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::exit,
        clippy::print_stderr,
        clippy::print_stdout,
        // What could differ from run to run, or let std in.
        clippy::alloc_instead_of_core,
        clippy::iter_over_hash_type,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        // What hides something.
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::let_underscore_must_use,
        clippy::mem_forget,
        clippy::wildcard_enum_match_arm,
        // What a reader of the docs misses.
        clippy::doc_markdown,
        clippy::missing_errors_doc,
        clippy::missing_panics_doc,
        clippy::return_self_not_must_use,
    )
)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[macro_use]
mod atomic;
pub mod broadcast;
#[cfg(feature = "alloc")]
pub mod check;
pub mod codec;
#[cfg(feature = "alloc")]
mod compat;
pub mod counter;
#[cfg(feature = "alloc")]
pub mod delivery;
#[cfg(feature = "alloc")]
pub mod endpoint;
#[cfg(any(feature = "arbitrary", feature = "quickcheck"))]
mod generators;
#[cfg(feature = "std")]
pub mod guide;
#[cfg(all(loom, test))]
mod loom;
pub mod node;
mod order;
pub mod scalar;
pub mod sequence;
#[cfg(feature = "serde")]
mod serialize;
pub mod version;

#[cfg(feature = "alloc")]
pub use broadcast::{publisher::Publisher, subscriber::Subscriber};
#[cfg(feature = "alloc")]
pub use delivery::{buffer::CausalBuffer, dag::DagBuffer, message::Message, sender::CausalSender};
#[cfg(feature = "alloc")]
pub use endpoint::machine::Endpoint;
pub use node::dot::{Dot, NodeId};
pub use order::CausalOrder;
pub use scalar::{hybrid::HybridClock, lamport::LamportClock};
#[cfg(feature = "alloc")]
pub use version::{context::CausalContext, vector::VersionVector};

/// Runs the examples of the README as tests.
#[cfg(all(doctest, feature = "alloc"))]
#[doc = include_str!("../README.md")]
struct Readme;
