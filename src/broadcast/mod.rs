//! Total order broadcast: every subscriber delivers the same messages in the same order, over a linearizable counter.
//!
//! # The problem
//!
//! Two users want the same name, two nodes the same lock. Causal order leaves both requests concurrent, and each node
//! would decide for the one that it happened to see first. What is needed is *one* order, known to be final: a log.
//!
//! A linearizable [`Counter`](crate::counter::Counter) gives everyone a number, and the numbers have an order. The textbook
//! algorithm is short: take a number, attach it to the message, send it; deliver 1, 2, 3, ..., and if 5 comes after 3,
//! wait for 4. Unlike Lamport timestamps, whose gaps mean nothing, a missing number shows that something is missing.
//!
//! And then the publisher that has taken 4 dies:
//!
//! ```text
//!   counter    1 2 3 4 5
//!   a          1   3
//!   b            2   ✝        took 4, and nobody knows whether it wrote anything
//!   c                  5
//!   deliver    1 2 3 ?        5 has to wait. For how long?
//! ```
//!
//! A subscriber that waits for ever is stuck. One that skips 4 after a time-out disagrees with those to whom message 4,
//! only slow, came in time. It must be decided *message or nothing* at 4, once and for all; that is consensus, and a counter does
//! not solve it for three. A log that is **written once** a slot does.
//!
//! # The algorithm
//!
//! ```text
//!   slot         1     2     3     4     5
//!              ┌─────┬─────┬─────┬─────┬─────┐
//!              │ a,1 │ b,1 │ a,2 │     │ c,1 │     4 is a hole: claimed, and empty
//!              └─────┴─────┴─────┴─────┴─────┘
//!              ┌─────┬─────┬─────┬─────┬─────┐
//!              │ a,1 │ b,1 │ a,2 │ ─── │ c,1 │     a subscriber gave up waiting, and filled it
//!              └─────┴─────┴─────┴─────┴─────┘
//!   b, not dead but slow: write(4) ─► occupied; takes number 6, and writes (b, 2) there
//! ```
//!
//! 1. A publisher takes a number from the counter. The number names a slot ([`Publisher`]).
//! 2. It writes its message into that slot, **if the slot is empty**. Only then is the message announced, and
//!    acknowledged.
//! 3. A subscriber delivers the slots in order, without a gap ([`Subscriber`]). It takes them from announcements, or reads
//!    the log.
//! 4. A hole that stays is **filled**: the subscriber writes nothing, in the form of an entry, into the slot, by the same
//!    write-once operation. Whichever of fill and message comes first is what everybody finds there.
//! 5. A publisher that finds its slot occupied takes a new number.
//!
//! This is the argument of CORFU. *Agreement*: a slot is written once, so that all who read it read the same. *Total
//! order*: slots have numbers. *No gaps*: every hole below an occupied slot can be filled, by anyone. *Nothing lost*: a
//! publisher does not rest before its message is in a slot. For all that the counter is only a hint: numbers that it
//! repeats collide in a slot, numbers that it leaves out are holes.
//!
//! # What goes wrong, and the rule against it
//!
//! | what happens | the rule |
//! |---|---|
//! | the answer to a write is lost | write the same entry to the same slot again; occupied by the same is success ([`handle_write`](Publisher::handle_write)) |
//! | the slot is read as empty, and the delayed write lands later | reading settles nothing; only occupied by another, sealed, or trimmed at the first try allows a new number |
//! | a message is written twice all the same | it keeps its id (node, n), and is delivered only if n is above the highest of its node ([`Snapshot::delivered`]) |
//! | subscribers are quicker to fill than a publisher to write | the wait is longer than a write may take, and grows with every fill; in the end the message comes back in an error ([`FilledAway`](PublishErrorKind::FilledAway)) |
//! | a subscriber fills slots whose numbers no publisher has taken yet | a fill goes only below an occupied slot, or not above [the counter](Subscriber::observe_current) |
//! | ten publishers die at once | only the first hole of a range is waited for |
//! | the counter goes back | a publisher that knows a higher occupied slot takes the difference at once ([`handle_numbers`](Publisher::handle_numbers)); that is not being filled away |
//! | the counter leaps | holes, up to a limit that publishers and subscribers keep; then an error |
//! | the counter is lost | begin a [new epoch](NewEpoch): no entry of an earlier epoch gets in any more; the new counter starts above the tail, and slots number on; a late number of the old one is spent ([`NumberRequest`]) |
//! | the log is restored from a backup | begin a new epoch before anything is written; subscribers that were ahead say that it was [rolled back](SubscribeError::RolledBack), and no token is granted twice |
//! | one publisher sends two messages | one after the other, or both in one slot, so that their order is kept |
//! | a publisher restarts | it takes a new id (incarnation), or first [settles](Publisher::resume) what was outstanding; under its old id without either, its first message is [refused](PublishErrorKind::NumberUsed), and the next ones are delivered |
//! | each restart takes a new id | a [retirement](Publisher::publish_retirement) removes those that are over from every table |
//! | a subscriber lags, or joins late | its window is bounded in slots and in bytes, the rest is read again; a [`Snapshot`] has the place and the table of ids; a trimmed log says where it begins |
//! | a slot cannot be read | subscribers deliver what is below it, and stop there until it is restored, or until a [`Skip`](Content::Skip) asks all of them to pass it; those that have delivered it [stop at the `Skip`](SubscribeError::NotSkipped) |
//! | the log does not write once after all | two contents of one slot are fatal, with [both as proof](SubscribeError::Conflict) |
//! | the log answers nonsense | the answer is [refused](SubscribeError::InvalidAnswer), and the log is asked again after a pause; no driver asks for ever |
//! | a clock is set back | waits are about time that passes, and go on from there |
//!
//! # Engines that number by themselves
//!
//! A database that increments and inserts in one transaction has no holes, and needs none of the above but ids. It is an
//! [`AppendLog`], its publishers are made with [`PublisherConfig::over_appends`], and subscribers see no difference.
//!
//! # What it tells you
//!
//! All subscribers deliver the same messages, in the same order, at the same [`Position`]s; what was acknowledged is
//! delivered; the messages of one node in its order, none twice. If the counter is linearizable, a message that was
//! published after another had been acknowledged comes after it. If it is not, that alone is lost: such a message may take
//! a hole below one that was acknowledged, as long as nobody has delivered that one.
//!
//! Not: that a message which was *not* acknowledged is not delivered. It may be, until it is known to be
//! [not stored](Abandoned::NotStored).
//!
//! # Use
//!
//! Publisher and subscriber do no input or output: requests come out, answers go in, time is an argument. [`blocking`] has
//! the loops for engines that block; for one that is asynchronous they are the same, with `.await`. Read in this order:
//!
//! | page | about |
//! |---|---|
//! | [`Log`] | the promises of an engine, L1 to L7 |
//! | [`Entry`] | the content of a slot |
//! | [`Publisher`] | the way of a message into a slot |
//! | [`Subscriber`] | delivery in order, and the repair of holes |
//! | [`NewEpoch`] | the end of all that was written before |
//! | [`Fence`] | tokens that keep an old lock holder out |
//!
//! # Sources
//!
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Implementing total order broadcast using
//! linearizable storage". Balakrishnan, Malkhi, Prabhakaran, Wobber, Wei, Davis, *CORFU: A Shared Log Design for Flash
//! Clusters* (2012). That a counter does not solve consensus for three: Herlihy, *Wait-Free Synchronization* (1991).
//! Deviations from CORFU: ids, so that an unknown outcome needs no decision; publishers do not read the log, so that a
//! sequencer that went back is noticed by the slots.

#[cfg(feature = "alloc")]
pub mod blocking;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod entry;
#[cfg(feature = "alloc")]
mod epoch;
#[cfg(feature = "alloc")]
mod error;
mod fence;
#[cfg(feature = "alloc")]
mod follow;
#[cfg(feature = "alloc")]
mod log;
#[cfg(feature = "alloc")]
mod measure;
#[cfg(feature = "alloc")]
mod memory;
#[cfg(feature = "alloc")]
mod patience;
mod position;
#[cfg(feature = "alloc")]
pub(crate) mod publisher;
#[cfg(feature = "alloc")]
mod ring;
#[cfg(feature = "alloc")]
mod snapshot;
#[cfg(feature = "alloc")]
pub(crate) mod subscriber;

#[cfg(feature = "alloc")]
pub use config::SubscriberConfig;
#[cfg(feature = "alloc")]
pub use entry::{Content, Entry, Payloads, Unreadable};
#[cfg(feature = "alloc")]
pub use epoch::{EpochBegun, EpochRequest, NewEpoch};
#[cfg(feature = "alloc")]
pub use error::{InvalidAnswer, LogFull, NodeTableFull, PublishError, PublishErrorKind, SubscribeError};
pub use fence::{Fence, FencingToken, StaleToken};
#[cfg(feature = "alloc")]
pub use follow::{Follow, FollowStep, Followed, Follower};
#[cfg(feature = "alloc")]
pub use log::{AppendAnswer, AppendLog, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer};
#[cfg(feature = "alloc")]
pub use memory::MemoryLog;
pub use position::Position;
#[cfg(feature = "alloc")]
pub(crate) use publisher::Publisher;
#[cfg(feature = "alloc")]
pub use publisher::{Abandoned, LogKind, NumberRequest, PublishRequest, Published, PublisherConfig};
#[cfg(feature = "alloc")]
pub use snapshot::{Passed, Snapshot};
#[cfg(feature = "alloc")]
pub(crate) use subscriber::Subscriber;
#[cfg(feature = "alloc")]
pub use subscriber::{Delivery, SubscribeRequest};

/// The last slot that there is: 2^63 - 1, as for numbers of a counter.
#[cfg(feature = "alloc")]
pub(crate) const MAX_SLOT: u64 = i64::MAX as u64;
