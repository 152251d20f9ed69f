//! Logical clocks, version vectors, causal delivery and total order, for anyone who replicates data.
//!
//! Data that has copies on several machines raises three questions that no wall clock answers: *which change came
//! first*, *may I apply this one yet*, and *have I seen everything that it builds on*. This crate answers them with the
//! structures of the field, under their usual names, for servers, browsers and microcontrollers alike.
//!
//! # Which one do I need?
//!
//! | I want to ... | take | it costs | more in |
//! |---|---|---|---|
//! | order events so that no effect comes before its cause | [`LamportClock`] | one number a message | [`scalar`] |
//! | the same, with timestamps close to the time of day | [`HybridClock`] | 64 bits a message | [`scalar`] |
//! | know whether one state is older than another, newer, or concurrent | [`VersionVector`] | one number a node | [`version`] |
//! | know exactly which events were seen, in whatever order they came | [`CausalContext`] | one number a node, and a range a gap | [`version`] |
//! | apply messages in causal order, although the network reorders, repeats and loses them | [`CausalBuffer`], with a [`CausalSender`] to send | the names of a message's direct dependencies: one or two | [`delivery`] |
//! | the same for commits, and whatever else names its parents by hash | [`DagBuffer`] | an id a parent | [`delivery`] |
//! | have every message delivered everywhere, over any transport, through crashes, joins and departures | [`Endpoint`] | a packet a message and member, and acknowledgements | [`endpoint`](mod@endpoint) |
//! | deliver the same messages in the same order everywhere, over storage that is linearizable | [`Publisher`] and [`Subscriber`] | a number and a write a message | [`broadcast`] |
//! | number operations uniquely | [`Counter`](counter::Counter); without a round trip each, the allocators of [`sequence`] | a round trip, or a block, a class, a clock | [`counter`], [`sequence`] |
//! | check that my own protocol delivers in order, once, and everywhere | [`CausalRun`](check::CausalRun), [`OrderRun`](check::OrderRun) | a look at each delivery | [`check`] |
//!
//! Each module begins with its problem, its algorithm and what it costs. [`codec`] stores and sends all of these in few
//! bytes, and reads them from anyone; [`node`](mod@node) says what an id is; the [`guide`] has a page for each task, with a program that runs. What
//! is built on one order is a crate of its own,
//! [`happens-before-replicated`](https://docs.rs/happens-before-replicated): a register, claims, a lock, a state machine of
//! your own. Durable counters and logs are in [`happens-before-engines`](https://docs.rs/happens-before-engines), a bad network
//! for your own protocol is in [`happens-before-simulation`](https://docs.rs/happens-before-simulation).
//!
//! # A replicated chat
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use happens_before::{CausalBuffer, CausalSender, Message};
//! use happens_before::delivery::BufferLimits;
//!
//! struct Replica {
//!     sender: CausalSender<&'static str>,
//!     buffer: CausalBuffer<&'static str, String>,
//!     lines: Vec<String>,
//! }
//!
//! impl Replica {
//!     fn new(node: &'static str) -> Self {
//!         Self { sender: CausalSender::new(node), buffer: CausalBuffer::new(BufferLimits::default()), lines: Vec::new() }
//!     }
//!
//!     /// Accepts a message, from the network or from this node, and applies what may be applied.
//!     fn receive(&mut self, message: Message<&'static str, String>) {
//!         self.buffer.accept(message).expect("this example stays within its limits");
//!         while let Some(message) = self.buffer.pop() {
//!             self.sender.observe(&message);
//!             self.lines.push(message.into_payload());
//!         }
//!     }
//!
//!     /// Says something, and returns what to send to all others.
//!     fn say(&mut self, line: &str) -> Message<&'static str, String> {
//!         let message = self.sender.stamp(line.to_string()).expect("2^64 lines will not be reached");
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
//! | `alloc` | on, by `std` | all that grows: version vectors, causal delivery, total order, oracles. Clocks, counters, [`Fence`](broadcast::Fence) and [`FixedVector`](version::FixedVector) remain |
//! | `simd` | on | vectors of many entries take 2 to 4 times as long to merge and compare; the results are the same |
//! | `portable-atomic` | off | what threads share, on targets without 64-bit atomics |
//! | `serde` | off | `Serialize` and `Deserialize`, which refuse what the constructors refuse |
//! | `arbitrary`, `quickcheck` | off | random values for your own fuzzing and property tests |
//!
//! Without any, the crate has no dependencies. There is no `unsafe` in it.
//!
//! `alloc` asks of a target an allocator, and loads and stores of a word that are atomic, but no more: a Cortex-M0,
//! without compare-and-swap and so without `Arc`, is enough for causal delivery and total order. What threads share,
//! [`AtomicLamportClock`](scalar::AtomicLamportClock) and others, is left out where there are no 64-bit atomics, unless `portable-atomic` is on;
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
