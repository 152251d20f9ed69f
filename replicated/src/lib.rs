//! Replicated state machines on a total order: registers, unique claims and locks, linearizable.
//!
//! # The problem
//!
//! Two users want the name `alice`, at two nodes, at the same time. Lamport timestamps give the two claims a total
//! order, and every node that knows both agrees on the winner. But a node that has just received a claim must answer
//! its user *now*, and cannot know whether a claim with a lower timestamp is still under way. To be sure, it would have
//! to ask every other node, and a single one that does not answer would stop them all. An order is not enough: a node
//! must know when the order is **final**.
//!
//! A log that all nodes append to, and read in the same order, is final; see [`happens_before::broadcast`]. This crate
//! applies the messages of such a log to a state machine.
//!
//! # Which one do I need?
//!
//! | I want | take |
//! |---|---|
//! | one value that all nodes write, or replace if it is the expected one | [`register::Register`] |
//! | at most one owner for each name, until the owner releases it | [`claims::Claims`] |
//! | at most one holder of a lock, and a token for a [`Fence`](happens_before::broadcast::Fence) that keeps the previous holder out | [`lock::Lock`] |
//! | a state of my own, the same at every node | [`StateMachine`] |
//! | any of these over an engine that stores bytes | [`Encoded`] |
//! | a copy of any of these at my node | [`Replica`] |
//! | the outcome of my command, or a linearizable read | [`blocking::outcome`], [`blocking::sync`]; for asynchronous engines, `happens-before-engines` |
//!
//! # Examples
//!
//! Two nodes claim one name. Watch the second outcome, which names the owner. Swap the two nodes: the other one wins.
//!
//! ```
//! use core::cell::RefCell;
//! use happens_before::Publisher;
//! use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::broadcast::blocking::settle;
//! use happens_before::counter::AtomicCounter;
//! use happens_before_replicated::{blocking::outcome, Replica};
//! use happens_before_replicated::claims::{Claims, Command, Outcome};
//!
//! // A real program uses an engine that several machines reach.
//! let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
//! let wait = |until_ms| Some(until_ms); // in practice: sleep
//!
//! let mut outcomes = Vec::new();
//! for node in [51, 80] {
//!     let mut publisher = Publisher::new(node, PublisherConfig::default());
//!     let mut replica = Replica::new(Claims::new(1_000), SubscriberConfig::default());
//!     publisher.publish(Command::Claim { name: "alice", claimant: node })?;
//!     let published = settle(&mut publisher, &counter, &log)?.unwrap();
//!     outcomes.push(outcome(&mut replica, &published, &log, wait)?.output.unwrap());
//! }
//! assert_eq!(outcomes, [Outcome::Won, Outcome::Lost { owner: 51 }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The algorithm
//!
//! ```text
//!             ┌───────────────┬───────────────┬──────┬───────────────┐
//!   log       │ b claims name │ a claims name │ fill │ a: marker     │
//!             └───────┬───────┴───────┬───────┴──────┴───────┬───────┘
//!   replica a     b: won          a: lost, to b         a may read: all that was acknowledged before is here
//!   replica b     b: won          a: lost, to b
//! ```
//!
//! 1. Every change is a command, published as a message.
//! 2. A [`Replica`] applies each command once, in the order of the log, to a deterministic [`StateMachine`]. So all
//!    replicas go through the same states.
//! 3. The sender of a command learns its outcome when its **own** replica applies it ([`Replica::poll_outcome`]). Only
//!    then does it acknowledge the command: everything below it in the log is final.
//! 4. A read that must see everything acknowledged before it waits until its replica has applied enough:
//!
//! | read | waits for | costs | linearizable |
//! |---|---|---|---|
//! | local, [`Replica::machine`] | nothing | nothing | no: the state may be old, but never goes back at one replica |
//! | by position, [`blocking::sync`] | all slots up to the counter's current number, requested after the read began | a request to the counter | if the counter is |
//! | by position over appends, [`blocking::sync_append`] | all slots up to one that the reader was told: that of an acknowledged command | a read of the log | for that command, and for all that was acknowledged before it was published |
//! | by marker, published and then awaited with [`outcome`](blocking::outcome) | its own marker | a write to the log | always |
//!
//! # Guarantees
//!
//! Commands and reads by marker are linearizable, **whatever the counter does**. An acknowledged command was applied at
//! a replica that had passed every slot below it. A passed slot stays occupied for ever, so every later command is
//! above it. Only a read by position needs the counter. Its number goes back if an engine breaks its promise, for
//! example at a failover. Then the read does not wait for the slots above, and is stale.
//!
//! A command stays without acknowledgement if its sender has crashed or given up. As with any storage, it is applied
//! earlier, later or never, and at most once.
//!
//! # Forms
//!
//! Commands, outcomes and states have one form in bytes each, that of [`happens_before::codec`]: a number that names the
//! variant, then its fields in their order. Values, names and owners are written as the codec writes them. The feature
//! `serde` gives the same types the usual form of serde, by the names of variants and fields.
//!
//! | type | 0 | 1 | 2 | 3 | 4 |
//! |---|---|---|---|---|---|
//! | [`register::Command`] | `Write` | `CompareAndSet` | | | |
//! | [`register::Outcome`] | `Set` | `Refused` | | | |
//! | [`claims::Command`] | `Claim` | `Release` | | | |
//! | [`claims::Outcome`] | `Won` | `Lost` | `Full` | `Released` | `NotHeld` |
//! | [`lock::Command`] | `Acquire` | `Release` | | | |
//! | [`lock::Outcome`] | `Granted` | `Held` | `Released` | `NotHeld` | |
//! | [`lock::Lock`] | free | held: owner, token | | | |
//! | [`register::Register`] | (no number) the value | | | | |
//! | [`claims::Claims`] | (no number) the limit, the number of names, then each name and its owner, sorted by name | | | | |
//!
//! Bytes that are no form are refused, and so is every second form of one value. Later versions read the bytes of this
//! one.
//!
//! # What it does not do
//!
//! It does not reach consensus: the engine of the log does. It reads no clock, so nothing expires by itself: a [lock]
//! changes its holder by a command. It does not store states: see [`ReplicaSnapshot`].
//!
//! # Features
//!
//! | feature | default | what you lose without it |
//! |---|---|---|
//! | `std` | on | the core's own `std`: a [log in memory](happens_before::broadcast::MemoryLog) that threads share |
//! | `serde` | off | `Serialize` and `Deserialize` for commands, outcomes, states and snapshots |
//!
//! The crate is `no_std`, and needs an allocator. There is no `unsafe` in it.
//!
//! # Sources
//!
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Timestamp ordering is not sufficient" and
//! "Implementing linearizable storage using total order broadcast". Schneider, *Implementing Fault-Tolerant Services Using
//! the State Machine Approach* (1990). Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*
//! (1990).

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// A test fails by a panic.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::dbg_macro,
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::exit,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::alloc_instead_of_core,
        clippy::iter_over_hash_type,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::let_underscore_must_use,
        clippy::mem_forget,
        clippy::wildcard_enum_match_arm,
        clippy::doc_markdown,
        clippy::missing_errors_doc,
        clippy::missing_panics_doc,
        clippy::return_self_not_must_use,
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod blocking;
mod encoded;
mod error;
mod machines;
mod replica;

pub use encoded::Encoded;
pub use error::{ReplicaError, SyncError, Synced, Waited};
pub use machines::{claims, lock, register};
pub use replica::{Applied, Replica, ReplicaSnapshot};

use happens_before::broadcast::Position;

/// A state that only commands change, in the same way at every node.
///
/// # Promises of an implementation
///
/// - **Deterministic**: state and output follow from the earlier state, the position and the command. They depend on no
///   clock, no random number, no iteration order of a hash map, and no limit that differs between nodes. Versions of
///   the program that run side by side behave the same.
/// - **Total**: every command that can be sent has an outcome; a refusal is an output. A command that panics will panic
///   at every replica, and [stop](ReplicaError::Panicked) each of them.
/// - **Bounded**, if commands of others could make it grow: by a limit that is part of the state.
///
/// # Examples
///
/// An account that refuses to be overdrawn. A refusal is an output like any other. Apply the second command first: it
/// is refused at a balance of 0.
///
/// ```
/// use happens_before::broadcast::Position;
/// use happens_before_replicated::StateMachine;
///
/// #[derive(Clone)]
/// struct Account {
///     cents: u64,
/// }
///
/// impl StateMachine for Account {
///     type Command = i64;
///     type Output = Result<u64, u64>;
///
///     /// Pays in or out. Returns the new balance, or the old one if it does not suffice.
///     fn apply(&mut self, _: Position, cents: i64) -> Result<u64, u64> {
///         self.cents = self.cents.checked_add_signed(cents).ok_or(self.cents)?;
///         Ok(self.cents)
///     }
/// }
///
/// let position = |sequence| Position { epoch: 0, sequence, index: 0 };
/// let mut account = Account { cents: 0 };
/// assert_eq!(account.apply(position(1), 500), Ok(500));
/// assert_eq!(account.apply(position(2), -600), Err(500));
/// ```
pub trait StateMachine {
    /// A change of the state.
    type Command;
    /// The result of a command, for its sender.
    type Output;

    /// Applies a command at its `position` in the total order. Positions increase from one command to the next.
    fn apply(&mut self, position: Position, command: Self::Command) -> Self::Output;
}
