//! Logical clocks, version vectors, causal delivery and total order, for anyone who replicates data.
//!
//! Data that is copied to several machines raises three questions that no wall clock can answer: *which change came
//! first*, *may I apply this one yet*, and *have I seen everything that it builds on*. This crate answers them with the
//! standard structures under their usual names. It runs on servers, in browsers and on microcontrollers.
//!
//! # Which one do I need?
//!
//! | I want to ... | take | it costs | more in |
//! |---|---|---|---|
//! | order events so that no effect sorts before its cause | [`LamportClock`] | one number a message | [`scalar`] |
//! | the same, with timestamps close to the time of day | [`HybridClock`] | 64 bits a message | [`scalar`] |
//! | know whether one state is older than another, newer, or concurrent | [`VersionVector`] | one number a node | [`version`] |
//! | know exactly which events were seen, even out of order | [`CausalContext`] | one number a node, and a range a gap | [`version`] |
//! | apply messages in causal order, although the network reorders, repeats and loses them | [`CausalBuffer`], with a [`CausalSender`] to send | the names of a message's direct dependencies: one or two | [`delivery`] |
//! | the same for commits, and anything else that names its parents by hash | [`DagBuffer`] | an id a parent | [`delivery`] |
//! | have every message delivered everywhere, over any transport, through crashes, joins and departures | [`Endpoint`] | a packet a message and member, and acknowledgements | [`endpoint`](mod@endpoint) |
//! | deliver the same messages in the same order everywhere, over storage that is linearizable | [`Publisher`] and [`Subscriber`] | a number and a write a message | [`broadcast`] |
//! | number operations uniquely | [`Counter`](counter::Counter); without a round trip each, the allocators of [`sequence`] | a round trip, or a block, a class, a clock | [`counter`], [`sequence`] |
//! | check that my own protocol delivers in order, once, and everywhere | [`CausalRun`](check::CausalRun), [`OrderRun`](check::OrderRun) | a look at each delivery | [`check`] |
//!
//! The modules have more. [`version`] has [`Siblings`](version::Siblings) for values that were written concurrently,
//! and [`IntervalTreeClock`](version::IntervalTreeClock) for nodes that come and go without ids. [`scalar`] has clocks
//! that threads share, and [`delivery`] knows what every member [has](delivery::Stability).
//!
//! Each module begins with its problem, its algorithm and its costs. [`codec`] stores and sends all of these in few
//! bytes, and reads untrusted bytes safely. [`node`](mod@node) defines ids. The [`guide`] has a page for each task,
//! with a program that runs.
//!
//! Three more crates go with this one:
//!
//! - [`happens-before-replicated`](https://docs.rs/happens-before-replicated): a register, claims, a lock, or your own
//!   state machine, replicated by one total order.
//! - [`happens-before-engines`](https://docs.rs/happens-before-engines): durable counters and logs.
//! - [`happens-before-simulation`](https://docs.rs/happens-before-simulation): a bad network on which to test your own
//!   protocol.
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
//! - It opens no socket and starts no thread. It reads no clock, except [`SystemTime`](scalar::SystemTime) if you pass
//!   that. Bytes and time go in and out as values.
//! - It does not decide who wins among concurrent changes; it tells you that they are concurrent.
//! - It does not verify the author of a message; do that before you pass it in. A verified node may still be hostile:
//!   limits that you set bound everything that it can use up.
//! - It reaches no consensus. A total order that survives failures needs consensus, which comes from a storage engine
//!   that has it.
//!
//! # Features
//!
//! | feature | default | what you lose without it |
//! |---|---|---|
//! | `std` | on | [`SystemTime`](scalar::SystemTime) as a source of time, a [log in memory](broadcast::MemoryLog) that threads share; it turns on `alloc` |
//! | `alloc` | on, by `std` | everything that grows: version vectors, causal delivery, total order, oracles. Clocks, counters, [`Fence`](broadcast::Fence) and [`FixedVector`](version::FixedVector) remain |
//! | `simd` | on | vectors of many entries take 2 to 4 times as long to merge and compare; the results are the same |
//! | `portable-atomic` | off | the types that threads share, on targets without 64-bit atomics |
//! | `serde` | off | `Serialize` and `Deserialize`, as the module `serialize` describes; reading refuses the values that the constructors refuse |
//! | `arbitrary`, `quickcheck` | off | random values for your own fuzzing and property tests |
//!
//! Without any feature, the crate has no dependencies. It contains no `unsafe`.
//!
//! `alloc` needs an allocator, and atomic loads and stores of a word. It needs no compare-and-swap and no `Arc`: a
//! Cortex-M0 is enough for causal delivery and total order.
//!
//! Targets without 64-bit atomics lack the types that threads share, such as
//! [`AtomicLamportClock`](scalar::AtomicLamportClock), unless `portable-atomic` is on. On a target without
//! compare-and-swap the binary must also choose an implementation for that crate, for example with its feature
//! `critical-section`.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// In tests a panic is the way to fail.
#![cfg_attr(
    not(test),
    warn(
        // Possible panics: no input may cause one.
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
        // Conversions that could lose a part of a counter.
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        // Actions that belong to the caller: see clippy.toml.
        clippy::dbg_macro,
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::exit,
        clippy::print_stderr,
        clippy::print_stdout,
        // Results that could differ from run to run, and uses of std.
        clippy::alloc_instead_of_core,
        clippy::iter_over_hash_type,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        // Code that hides something.
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::let_underscore_must_use,
        clippy::mem_forget,
        clippy::wildcard_enum_match_arm,
        // Gaps in the docs.
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
pub mod serialize;
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
