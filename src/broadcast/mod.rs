//! Total order broadcast: every subscriber delivers the same messages in the same order, over a linearizable counter.
//!
//! # The problem
//!
//! Two users want the same name, or two nodes the same lock. In causal order the two requests are concurrent, and each
//! node would decide for the one that it happened to see first. All nodes need *one* order that is known to be final: a
//! log.
//!
//! A linearizable [`Counter`](crate::counter::Counter) gives everyone a number, and the numbers have an order. The
//! textbook algorithm is short. A sender takes a number, attaches it to the message and sends it. A receiver delivers
//! 1, 2, 3 and so on. If 5 arrives after 3, it waits for 4. A gap in Lamport timestamps means nothing, but here a
//! missing number shows that a message is missing.
//!
//! Then the publisher that has taken 4 dies:
//!
//! ```text
//!   counter    1 2 3 4 5
//!   a          1   3
//!   b            2   ✝        took 4, and nobody knows whether it wrote anything
//!   c                  5
//!   deliver    1 2 3 ?        5 has to wait. For how long?
//! ```
//!
//! A subscriber that waits for ever is stuck. One that skips 4 after a time-out may disagree with others: message 4 may
//! only be slow, and reach them in time. All must agree whether slot 4 holds *a message or nothing*. That is consensus,
//! and a counter does not solve it for three nodes. A log whose slots are **written once** does.
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
//! 4. A hole that stays is **filled**: the subscriber writes an entry that stands for nothing into the slot, by the
//!    same write-once operation. If fill and message compete, the first one wins, and every reader finds that one.
//! 5. A publisher that finds its slot occupied takes a new number.
//!
//! This is the argument of CORFU. *Agreement*: a slot is written once, so all readers read the same. *Total order*:
//! slots have numbers. *No gaps*: any subscriber can fill a hole below an occupied slot. *Nothing lost*: a publisher
//! tries until its message is in a slot. For all four the counter is only a hint: repeated numbers collide in a slot,
//! and skipped numbers are holes.
//!
//! # Faults, and the rule for each
//!
//! | fault | rule |
//! |---|---|
//! | the answer to a write is lost | write the same entry to the same slot again; a slot occupied by this entry is success ([`handle_write`](Publisher::handle_write)) |
//! | the slot is read as empty, and the delayed write lands later | a read settles nothing; the publisher takes a new number only if its write is refused: another entry has the slot, the epoch is over, or the slot was trimmed before the first try |
//! | a message is written twice all the same | it keeps its id (node, n), and is delivered only if n is above the highest number delivered of its node ([`Snapshot::delivered`]) |
//! | subscribers fill faster than a publisher writes | the wait is longer than a write may take, and grows with every fill; after too many attempts the message is returned in an error ([`FilledAway`](PublishErrorKind::FilledAway)) |
//! | a subscriber fills slots whose numbers no publisher has taken yet | a fill goes only below an occupied slot, or not above [the counter](Subscriber::observe_current) |
//! | ten publishers die at once | only the first hole of a range is waited for |
//! | the counter goes back | a publisher that knows a higher occupied slot takes all numbers up to it, and the next one, in one request ([`handle_numbers`](Publisher::handle_numbers)); this does not count as a lost slot |
//! | the counter leaps | it leaves holes; publishers and subscribers accept them up to a limit, then return an error |
//! | the counter is lost | begin a [new epoch](NewEpoch): no entry of an earlier epoch is stored any more; the new counter starts above the tail, and slot numbers continue; late numbers of the old counter are discarded ([`NumberRequest`]) |
//! | the log is restored from a backup | begin a new epoch before anything is written; subscribers that were ahead report that it was [rolled back](SubscribeError::RolledBack), and no token is granted twice |
//! | one publisher sends two messages | they are written one after the other, or both in one slot, so that their order is kept |
//! | a publisher restarts | it takes a new id (incarnation), or first [settles](Publisher::resume) the outstanding entry; if it does neither, its first message is [refused](PublishErrorKind::NumberUsed), and the next ones are delivered |
//! | each restart takes a new id | a [retirement](Publisher::publish_retirement) removes old ids from every table |
//! | a subscriber lags, or joins late | its window is bounded in slots and in bytes, and the rest is read later; a [`Snapshot`] holds the place and the table of ids; a trimmed log names its first slot |
//! | a slot cannot be read | subscribers deliver the slots below it and stop there, until it is restored, or a [`Skip`](Content::Skip) asks all of them to pass it; those that have delivered the slot [stop at the `Skip`](SubscribeError::NotSkipped) |
//! | the log breaks its promise to write once | two contents of one slot are fatal, with [both as proof](SubscribeError::Conflict) |
//! | the log's answer makes no sense | the answer is [refused](SubscribeError::InvalidAnswer), and the log is asked again after a pause; no driver repeats for ever |
//! | a clock is set back | waits count the time that passes, and go on from there |
//!
//! # Engines that number by themselves
//!
//! A database that increments and inserts in one transaction has no holes, and needs nothing of the above except ids.
//! It is an [`AppendLog`]. Make its publishers with [`PublisherConfig::over_appends`]; subscribers see no difference.
//!
//! # Guarantees
//!
//! All subscribers deliver the same messages, in the same order, at the same [`Position`]s. Every acknowledged message
//! is delivered. The messages of one node are delivered in its order, none of them twice. If the counter is
//! linearizable, a message published after another was acknowledged is ordered after it. If it is not, only this last
//! guarantee is lost: such a message may land in a hole below an acknowledged message that no subscriber has delivered
//! yet.
//!
//! The converse does not hold: a message that was *not* acknowledged may be delivered all the same, until it is known
//! to be [not stored](Abandoned::NotStored).
//!
//! # Use
//!
//! Publisher and subscriber do no input or output: requests come out, answers go in, time is an argument. [`blocking`]
//! has the loops for engines that block; the loop over an asynchronous engine is the same, with `.await`. Read in this
//! order:
//!
//! | page | about |
//! |---|---|
//! | [`Log`] | the promises of an engine, L1 to L7 |
//! | [`Entry`] | the content of a slot |
//! | [`Publisher`] | the way of a message into a slot |
//! | [`Subscriber`] | delivery in order, and the repair of holes |
//! | [`NewEpoch`] | a new beginning, after which no earlier write can land |
//! | [`Fence`] | tokens that keep an old lock holder out |
//!
//! # Sources
//!
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Implementing total order broadcast using
//! linearizable storage". Balakrishnan, Malkhi, Prabhakaran, Wobber, Wei, Davis, *CORFU: A Shared Log Design for Flash
//! Clusters* (2012). Herlihy, *Wait-Free Synchronization* (1991): a counter does not solve consensus for three.
//! Deviations from CORFU: messages have ids, so an unknown outcome needs no decision; publishers do not read the log,
//! so occupied slots reveal a sequencer that went back.

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

/// The last slot, 2^63 - 1, which is also the last number of a counter.
#[cfg(feature = "alloc")]
pub(crate) const MAX_SLOT: u64 = i64::MAX as u64;
