//! Thin drivers of a replica, for engines that block. They read no clock, and their argument `wait` is that of
//! [`broadcast::blocking`](happens_before::broadcast::blocking), whose drivers drive a replica too.
//!
//! # Examples
//!
//! A register over a counter and slots: a write, its outcome, and both kinds of reads at another node. Watch the local
//! value, which is old before the read and new after it. Leave out `sync`, and the assertion after it fails.
//!
//! ```
//! use core::cell::RefCell;
//! use happens_before::Publisher;
//! use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::broadcast::blocking::settle;
//! use happens_before::counter::AtomicCounter;
//! use happens_before_replicated::{blocking, Replica};
//! use happens_before_replicated::register::{Command, Outcome, Register};
//!
//! let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
//! let new = || Replica::new(Register::new("empty"), SubscriberConfig::default());
//! let wait = |until_ms| Some(until_ms); // in life: sleep
//!
//! let (mut alice, mut replica) = (Publisher::new("alice", PublisherConfig::default()), new());
//! alice.publish(Command::Write("tea"))?;
//! let published = settle(&mut alice, &counter, &log)?.unwrap();
//! assert_eq!(blocking::outcome(&mut replica, &published, &log, wait)?.output, Some(Outcome::Set));
//!
//! // Bob reads by position.
//! let (mut bob, mut replica) = (Publisher::new("bob", PublisherConfig::default()), new());
//! assert_eq!(replica.machine().value(), &"empty"); // locally, that is old
//! blocking::sync(&mut replica, &counter, &log, wait)?;
//! assert_eq!(replica.machine().value(), &"tea");
//!
//! // And by marker.
//! bob.publish_marker()?;
//! let published = settle(&mut bob, &counter, &log)?.unwrap();
//! assert_eq!(blocking::outcome(&mut replica, &published, &log, wait)?.output, None);
//! assert_eq!(replica.machine().value(), &"tea");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use happens_before::NodeId;
use happens_before::broadcast::{Log, Published, SlotLog, blocking as broadcast};
use happens_before::counter::Counter;

use super::{Applied, Replica, StateMachine, SyncError, Synced, Waited};

/// Applies commands up to the published one and returns its outcome, like [`Replica::poll_outcome`], over a log of
/// slots.
///
/// If `published` is a marker, returning means that the state contains every command acknowledged before the marker was
/// published: a linearizable read.
///
/// # Errors
///
/// [`FollowError`](broadcast::FollowError). The replica keeps what is applied: call again.
pub fn outcome<I, M, L>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Waited<Applied<I, M::Output>, I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: SlotLog<I, M::Command> + ?Sized,
{
    broadcast::follow_until(replica, log, wait, |replica| replica.poll_outcome(published))
}

/// Like [`outcome`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`outcome`]; after [`Hole`](broadcast::FollowError::Hole) nothing above the hole is applied.
pub fn outcome_append<I, M, L>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Waited<Applied<I, M::Output>, I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: Log<I, M::Command> + ?Sized,
{
    broadcast::follow_appends_until(replica, log, wait, |replica| replica.poll_outcome(published))
}

/// Asks the counter for its current number, and applies everything up to it: a read by position.
///
/// The state then contains everything that was acknowledged before the call, **if the counter is linearizable**. If the
/// counter can go back, use a read by marker ([`outcome`]). Commands applied on the way are not reported: look for the
/// outcomes of the node's own commands first.
///
/// # Errors
///
/// [`SyncError`]. The replica keeps what is applied: call again.
pub fn sync<I, M, C, L>(
    replica: &mut Replica<I, M>,
    counter: &C,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Synced<I, M, C::Error, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    C: Counter + ?Sized,
    L: SlotLog<I, M::Command> + ?Sized,
{
    let current = counter.current().map_err(SyncError::Counter)?;
    let synced = broadcast::follow_until(replica, log, wait, |replica| replica.poll_sync(current));
    synced.map_err(SyncError::Follow)
}
