//! Thin drivers of a replica, on engines that block. They read no clock; who waits, and how long, is the caller's.
//!
//! [`outcome`] and [`sync`] bring a replica forward until something is known. How it is brought forward is a closure, the
//! `step`: [`follow`] over slots, or [`follow_appends`], at the time that it is; before that a wait until
//! [`poll_timeout`](Replica::poll_timeout). A step that returns an error, of an engine or since it has taken too
//! long, ends the call, and nothing is lost: call again.
//!
//! # Examples
//!
//! A register over a counter and slots: a write, the outcome of it, and both kinds of reads at another node.
//!
//! ```
//! use core::cell::RefCell;
//! use happens_before::Publisher;
//! use happens_before::broadcast::{MemoryLog, PublisherConfig, SubscriberConfig};
//! use happens_before::broadcast::blocking::settle;
//! use happens_before::counter::AtomicCounter;
//! use happens_before_replicated::{blocking, Register, Replica};
//! use happens_before_replicated::register::{Command, Outcome};
//!
//! let (counter, log) = (AtomicCounter::new(), RefCell::new(MemoryLog::new(1_000)));
//! let new = || Replica::new(Register::new("empty"), SubscriberConfig::default());
//! let mut step = |replica: &mut Replica<_, _>| {
//!     let now_ms = replica.poll_timeout().unwrap_or(0); // in life: wait until then
//!     blocking::follow(replica, &log, now_ms)
//! };
//!
//! let (mut alice, mut replica) = (Publisher::new("alice", PublisherConfig::default()), new());
//! alice.publish(Command::Write("tea"))?;
//! let published = settle(&mut alice, &counter, &log)?.unwrap();
//! assert_eq!(blocking::outcome(&mut replica, &published, &mut step)?.output, Some(Outcome::Set));
//!
//! // Bob reads by position.
//! let (mut bob, mut replica) = (Publisher::new("bob", PublisherConfig::default()), new());
//! assert_eq!(replica.machine().value(), &"empty"); // locally, that is old
//! blocking::sync(&mut replica, &counter, &mut step)?;
//! assert_eq!(replica.machine().value(), &"tea");
//!
//! // And by marker.
//! bob.publish_marker()?;
//! let published = settle(&mut bob, &counter, &log)?.unwrap();
//! assert_eq!(blocking::outcome(&mut replica, &published, &mut step)?.output, None);
//! assert_eq!(replica.machine().value(), &"tea");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::convert::Infallible;
use core::fmt;

use happens_before::broadcast::blocking::FollowError;
use happens_before::broadcast::{Log, Published, SlotLog, TooManyNodes, blocking};
use happens_before::counter::Counter;
use happens_before::{Dot, NodeId};

use super::{Applied, ApplyError, ApplyPanicked, Replica, StateMachine};

/// Does what the replica asks for at `now_ms`, until there is something to apply, or nothing to do before
/// [`poll_timeout`](Replica::poll_timeout); as [`broadcast::blocking::follow`](blocking::follow).
///
/// # Errors
///
/// [`FollowError`]; the replica goes on when this is called again.
pub fn follow<I, M, L>(
    replica: &mut Replica<I, M>,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<I, M::Command, L::Error>>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: SlotLog<I, M::Command> + ?Sized,
{
    blocking::follow(&mut replica.subscriber, log, now_ms)
}

/// As [`follow`], over an engine that numbers by itself.
///
/// # Errors
///
/// [`FollowError`]; as [`broadcast::blocking::follow_appends`](blocking::follow_appends).
pub fn follow_appends<I, M, L>(
    replica: &mut Replica<I, M>,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<I, M::Command, L::Error>>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: Log<I, M::Command> + ?Sized,
{
    blocking::follow_appends(&mut replica.subscriber, log, now_ms)
}

/// Applies commands until the one that was published is applied, and says what came of it. Of a marker: that the state now
/// has everything that was acknowledged before the marker was published, which is a read by marker.
///
/// Of a batch it is the outcome of the first command; the others are applied next, with the numbers that follow. What is
/// applied on the way, of others and of oneself, is not reported; call it for one's own commands in their order.
///
/// # Errors
///
/// [`WaitError`], but for the counter, which there is none of. The replica keeps what is applied.
pub fn outcome<I, M, E>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    mut step: impl FnMut(&mut Replica<I, M>) -> Result<(), E>,
) -> Result<Applied<I, M::Output>, WaitError<I, Infallible, E>>
where
    I: NodeId,
    M: StateMachine,
{
    replica.observe_current(published.slot);
    loop {
        if replica.has_passed(&published.id) {
            return Err(WaitError::Passed { id: published.id.clone() });
        }
        match replica.poll_applied()? {
            Some(applied) if applied.id == published.id => return Ok(applied),
            Some(_) => {}
            None => step(replica).map_err(WaitError::Step)?,
        }
    }
}

/// Asks the counter for its current number, and applies everything up to there: a read by position.
///
/// The state has everything then that was acknowledged before the call, **if the counter is linearizable**; one that can
/// go back needs a read by marker ([`outcome`]). What is applied on the way is not reported: take note of the outcomes of
/// one's own commands first.
///
/// # Errors
///
/// [`WaitError`], but never [`Passed`](WaitError::Passed). The replica keeps what is applied.
pub fn sync<I, M, C, E>(
    replica: &mut Replica<I, M>,
    counter: &C,
    mut step: impl FnMut(&mut Replica<I, M>) -> Result<(), E>,
) -> Result<(), WaitError<I, C::Error, E>>
where
    I: NodeId,
    M: StateMachine,
    C: Counter + ?Sized,
{
    let current = counter.current().map_err(WaitError::Counter)?;
    replica.observe_current(current);
    while replica.next() <= current {
        if replica.poll_applied()?.is_none() && replica.next() <= current {
            step(replica).map_err(WaitError::Step)?;
        }
    }
    Ok(())
}

/// The reason why a result is not known. `C` is the error of the counter, `E` that of the step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError<I, C, E> {
    /// The counter failed; try again.
    Counter(C),
    /// The step failed; try again.
    Step(E),
    /// There is no room for a node whose command comes next.
    TooManyNodes(TooManyNodes<I>),
    /// The state machine has panicked; nothing is applied any more.
    ApplyPanicked(ApplyPanicked<I>),
    /// The turn of the command is over, and what came of it was not seen: it was taken out before, or came with a snapshot.
    /// See in the state what came of it.
    Passed {
        /// Its id.
        id: Dot<I>,
    },
}

impl<I, C, E> From<ApplyError<I>> for WaitError<I, C, E> {
    fn from(error: ApplyError<I>) -> Self {
        match error {
            ApplyError::TooManyNodes(error) => Self::TooManyNodes(error),
            ApplyError::Panicked(error) => Self::ApplyPanicked(error),
        }
    }
}

impl<I: fmt::Debug, C: fmt::Display, E: fmt::Display> fmt::Display for WaitError<I, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => write!(f, "the counter failed: {error}; try again"),
            Self::Step(error) => error.fmt(f),
            Self::TooManyNodes(error) => error.fmt(f),
            Self::ApplyPanicked(error) => error.fmt(f),
            Self::Passed { id } => {
                write!(f, "what came of {id:?} was not seen, and its turn is over; see in the state")
            }
        }
    }
}

impl<I: fmt::Debug, C, E> core::error::Error for WaitError<I, C, E>
where
    C: fmt::Debug + fmt::Display,
    E: fmt::Debug + fmt::Display,
{
}
