//! Linearizable storage over total order broadcast: deterministic state machines on the log.
//!
//! # The problem
//!
//! Two users want the name `alice`, at two nodes, at the same time. Lamport timestamps give the two claims a total order,
//! and everyone who knows both agrees on the winner; but the node that has just received a claim cannot know whether a
//! lower timestamp is still under way somewhere, and has to answer its user *now*. To be sure it would have to ask every
//! other node, and one that does not answer stops everyone. Order is not enough; it must be known when it is **final**.
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
//! 2. A [`Replica`] applies the commands in the order of the log, each once, to a [`StateMachine`] that is
//!    deterministic. So all replicas go through the same states.
//! 3. The one who sent a command learns its outcome when the command is applied at its **own** replica
//!    ([`blocking::outcome`]), and acknowledges it then, not before. Everything below it in the log is final by then.
//! 4. A read that must see everything acknowledged before waits until its replica is far enough:
//!
//! | read | waits for | costs | linearizable |
//! |---|---|---|---|
//! | locally, [`Replica::machine`] | nothing | nothing | no: it may be old, but never goes back at one replica |
//! | by position, [`blocking::sync`] | all slots up to the counter's current number, asked for after the read began | a question to the counter | while the counter is |
//! | by marker: a marker is published, and its [`outcome`](blocking::outcome) awaited | its own marker | a write to the log | always |
//!
//! # What it tells you
//!
//! Commands and reads by marker are linearizable, **whatever the counter does**. What was acknowledged was applied by
//! someone, who had passed every slot below; a slot that is passed is occupied for ever; so whatever begins later stands
//! above. The counter matters for a read by position alone: if it goes back, as after a failover of an engine that is
//! less than it seems, slots above its number are not waited for, and the read is stale.
//!
//! A command that is not acknowledged, since its sender has crashed or has given up, may be applied later, or never, or
//! may have been applied: as with any storage. It is applied at most once.
//!
//! # What is built on it
//!
//! | | decides | at most one |
//! |---|---|---|
//! | [`register`] | whose write, or compare-and-set, comes first | value |
//! | [`claims`] | who has a name | owner a name |
//! | [`lock`] | who holds a lock, with a token for a [`Fence`](happens_before::broadcast::Fence) | holder, as far as the fence goes |
//!
//! Each is a state machine of a screen, to be used or to be read before writing one's own.
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
// In tests a panic is how a test fails.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::iter_over_hash_type,
        clippy::std_instead_of_alloc,
        clippy::std_instead_of_core,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::let_underscore_must_use,
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
pub mod claims;
pub mod lock;
pub mod register;
mod replica;

pub use claims::Claims;
pub use lock::Lock;
pub use register::Register;
pub use replica::{Applied, ApplyError, ApplyPanicked, Replica, ReplicaSnapshot};

use happens_before::broadcast::Position;

/// A state that changes by commands alone, and by the same ones in the same way everywhere.
///
/// # What an implementation promises
///
/// - **Deterministic**: state and output follow from the earlier state, the position and the command. No clock, no
///   random number, no iteration order of a hash map, no limit that differs between nodes, nothing that differs between
///   versions of the program that run side by side.
/// - **Total**: every command that can be sent has an outcome; a refusal is an output. A command that panics does so at
///   every replica.
/// - **Bounded**, where the commands of others could let it grow: by a limit that is part of the state.
///
/// # Examples
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
///     /// Pays in, or out; the new balance, or, if it does not suffice, the old one.
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
    /// What changes the state.
    type Command;
    /// What whoever sent the command is told.
    type Output;

    /// Carries out a command that stands at `position` in the order; positions increase from one command to the next.
    fn apply(&mut self, position: Position, command: Self::Command) -> Self::Output;
}
