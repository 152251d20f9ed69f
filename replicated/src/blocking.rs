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
//! let wait = |until_ms| Some(until_ms); // in practice: sleep
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
    L: SlotLog<Node = I, Payload = M::Command> + ?Sized,
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
    L: Log<Node = I, Payload = M::Command> + ?Sized,
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
    L: SlotLog<Node = I, Payload = M::Command> + ?Sized,
{
    let current = counter.current().map_err(SyncError::Counter)?;
    let synced = broadcast::follow_until(replica, log, wait, |replica| replica.poll_sync(current));
    synced.map_err(SyncError::Follow)
}

/// Applies everything up to `slot`, over an engine that numbers by itself: a read by position without a counter.
///
/// `slot` is that of an acknowledged command, as its publisher was told in
/// [`Published::slot`](happens_before::broadcast::Published::slot). The state then contains this command, and everything
/// acknowledged before it was published. So a node that is told the slot, for example with a request of the user who
/// caused the command, shows it at once: the log is read now, and not at the time of the next poll. A command without
/// its slot needs a read by marker ([`outcome_append`]).
///
/// Commands applied on the way are not reported, as in [`sync`].
///
/// # Errors
///
/// [`FollowError`](broadcast::FollowError). The replica keeps what is applied: call again.
///
/// # Examples
///
/// Alice writes at one node, and Bob reads at another that has just found nothing new. Leave out `sync_append`: Bob reads
/// 0.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
/// use happens_before::broadcast::blocking::{follow_appends, settle_append};
/// use happens_before_replicated::{blocking, Replica};
/// use happens_before_replicated::register::{Command, Register};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let mut bob = Replica::new(Register::new(0), SubscriberConfig::default());
/// follow_appends(&mut bob, &log, 1_000)?; // nothing there; the next poll is 50 ms later
///
/// let mut alice = Publisher::new("alice", PublisherConfig::over_appends());
/// alice.publish(Command::Write(5))?;
/// let slot = settle_append(&mut alice, &log)?.unwrap().slot; // Alice tells Bob
///
/// let now_ms = 1_001;
/// blocking::sync_append(&mut bob, slot, &log, |until_ms| Some(until_ms.max(now_ms)))?; // in practice: sleep
/// assert_eq!(bob.machine().value(), &5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sync_append<I, M, L>(
    replica: &mut Replica<I, M>,
    slot: u64,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Waited<(), I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: Log<Node = I, Payload = M::Command> + ?Sized,
{
    broadcast::follow_appends_until(replica, log, wait, |replica| replica.poll_sync(slot))
}
