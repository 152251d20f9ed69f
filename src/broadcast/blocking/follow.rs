//! Drives a subscriber, or any other reader of a log.

use super::FollowError;
use crate::broadcast::{Entry, Follow, FollowStep, Followed, Follower, Log, SlotLog, SubscribeRequest};

/// Carries out the requests of a reader at `now_ms`, until there is something to deliver, or nothing to do before its
/// [`poll_timeout`](Follow::poll_timeout).
///
/// A call makes at most 100 requests of a [`Subscriber`](crate::Subscriber), whatever the log answers; a search for a
/// [`Skip`](crate::broadcast::Content::Skip) goes on in the next call.
///
/// # Errors
///
/// [`FollowError`]; the reader goes on when this is called again. Once everything below an
/// [obstacle](Follow::obstacle) is delivered, each call returns the obstacle.
pub fn follow<F, L>(reader: &mut F, log: &L, now_ms: u64) -> Followed<F, (), L::Error>
where
    F: Follow,
    L: SlotLog<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    drive(Follower::at(reader, now_ms), log, |_| None)
}

/// Like [`follow`], over an engine that numbers by itself: a hole is reported, and never skipped.
///
/// # Errors
///
/// [`FollowError`]; after [`Hole`](FollowError::Hole) the reader reads again, and delivers nothing above the hole.
pub fn follow_appends<F, L>(reader: &mut F, log: &L, now_ms: u64) -> Followed<F, (), L::Error>
where
    F: Follow,
    L: Log<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    drive_appends(Follower::at(reader, now_ms), log, |_| None)
}

/// Follows the log until `goal` returns a value. [The module](super) describes `wait`.
///
/// The goal is called first, and again each time that there is nothing more to read. It must take out every output that
/// is ready, or stop at the one it looks for, before it returns `None`.
///
/// # Errors
///
/// [`FollowError`], also [`GivenUp`](FollowError::GivenUp), and [`Goal`](FollowError::Goal) with an error of `goal`. The
/// reader goes on when this is called again.
pub fn follow_until<F, L, T, R>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
    goal: impl FnMut(&mut F) -> Result<Option<T>, R>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    L: SlotLog<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    drive(Follower::until(reader, goal), log, wait)
}

/// Like [`follow_until`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`follow_until`]; after [`Hole`](FollowError::Hole) nothing above the hole is delivered.
pub fn follow_appends_until<F, L, T, R>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
    goal: impl FnMut(&mut F) -> Result<Option<T>, R>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    L: Log<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    drive_appends(Follower::until(reader, goal), log, wait)
}

/// Waits for the next message. [The module](super) describes `wait`.
///
/// # Errors
///
/// As [`follow_until`]; nothing is lost, call again.
pub fn next<F, L>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Followed<F, F::Output, L::Error, F::Error>
where
    F: Follow,
    L: SlotLog<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    follow_until(reader, log, wait, F::poll_output)
}

/// Like [`next`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`follow_appends_until`].
pub fn next_append<F, L>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> Option<u64>,
) -> Followed<F, F::Output, L::Error, F::Error>
where
    F: Follow,
    L: Log<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    follow_appends_until(reader, log, wait, F::poll_output)
}

/// Carries out the steps over slots.
fn drive<F, G, L, T, R>(
    mut follower: Follower<'_, F, G>,
    log: &L,
    mut wait: impl FnMut(u64) -> Option<u64>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    G: FnMut(&mut F) -> Result<Option<T>, R>,
    L: SlotLog<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    loop {
        match follower.step() {
            FollowStep::Done(result) => return result,
            FollowStep::Wait { until_ms } => {
                follower.handle_time(wait(until_ms).ok_or(FollowError::GivenUp)?);
            }
            FollowStep::Request(SubscribeRequest::Read { from, limit }) => {
                follower.handle_read(from, limit, log.read(from, limit))?;
            }
            FollowStep::Request(SubscribeRequest::Fill { slot, epoch }) => {
                follower.handle_fill(slot, epoch, log.write(slot, &Entry::fill(epoch)))?;
            }
        }
    }
}

/// Carries out the steps over an engine that numbers by itself.
fn drive_appends<F, G, L, T, R>(
    mut follower: Follower<'_, F, G>,
    log: &L,
    mut wait: impl FnMut(u64) -> Option<u64>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    G: FnMut(&mut F) -> Result<Option<T>, R>,
    L: Log<Node = F::Node, Payload = F::Payload> + ?Sized,
{
    loop {
        match follower.step() {
            FollowStep::Done(result) => return result,
            FollowStep::Wait { until_ms } => {
                follower.handle_time(wait(until_ms).ok_or(FollowError::GivenUp)?);
            }
            FollowStep::Request(SubscribeRequest::Read { from, limit }) => {
                follower.handle_read(from, limit, log.read(from, limit))?;
            }
            FollowStep::Request(SubscribeRequest::Fill { slot, .. }) => follower.handle_hole(slot)?,
        }
    }
}
