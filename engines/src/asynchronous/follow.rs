//! Drives a reader of a log, such as a subscriber or a replica. The loops are those of
//! [`broadcast::blocking`](happens_before::broadcast::blocking) with `.await`: both carry out the steps of a
//! [`Follower`].

use happens_before::NodeId;
use happens_before::broadcast::{Entry, Follow, FollowStep, Followed, Follower, Published, SubscribeRequest};
use happens_before_replicated::{Applied, Replica, StateMachine, SyncError, Synced, Waited};

use super::{AsyncCounter, AsyncLog, AsyncSlotLog};

/// Carries out the requests of a reader at `now_ms`, until there is something to deliver, or nothing to do before its
/// [`poll_timeout`](Follow::poll_timeout). It is like
/// [`broadcast::blocking::follow`](happens_before::broadcast::blocking::follow).
///
/// # Errors
///
/// Those of that function; the reader goes on when this is called again. If the future is dropped, it goes on after the
/// time-out of an answer ([`write_timeout_ms`](happens_before::broadcast::SubscriberConfig::write_timeout_ms)).
pub async fn follow<F, L>(reader: &mut F, log: &L, now_ms: u64) -> Followed<F, (), L::Error>
where
    F: Follow,
    L: AsyncSlotLog<Node = F::Node, Payload = F::Payload>,
{
    drive(Follower::at(reader, now_ms), log, core::future::ready).await
}

/// Like [`follow`], over an engine that numbers by itself: a hole is reported, and never skipped.
///
/// # Errors
///
/// As [`broadcast::blocking::follow_appends`](happens_before::broadcast::blocking::follow_appends).
pub async fn follow_appends<F, L>(reader: &mut F, log: &L, now_ms: u64) -> Followed<F, (), L::Error>
where
    F: Follow,
    L: AsyncLog<Node = F::Node, Payload = F::Payload>,
{
    drive_appends(Follower::at(reader, now_ms), log, core::future::ready).await
}

/// Follows the log until `goal` returns a value, like
/// [`broadcast::blocking::follow_until`](happens_before::broadcast::blocking::follow_until). That page says when the
/// goal is called; [the module](super) describes `wait`.
///
/// # Errors
///
/// Those of that function, except `GivenUp`: to give up, drop the future. The reader goes on when this is called again.
pub async fn follow_until<F, L, W, T, R>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> W,
    goal: impl FnMut(&mut F) -> Result<Option<T>, R>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    L: AsyncSlotLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    drive(Follower::until(reader, goal), log, wait).await
}

/// Like [`follow_until`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`follow_until`]; after [`Hole`](happens_before::broadcast::blocking::FollowError::Hole) nothing above the hole is
/// delivered.
pub async fn follow_appends_until<F, L, W, T, R>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> W,
    goal: impl FnMut(&mut F) -> Result<Option<T>, R>,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    L: AsyncLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    drive_appends(Follower::until(reader, goal), log, wait).await
}

/// Waits for the next message. [The module](super) describes `wait`.
///
/// # Errors
///
/// As [`follow_until`]; nothing is lost, call again.
///
/// # Examples
///
/// [In the module](super).
pub async fn next<F, L, W>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Followed<F, F::Output, L::Error, F::Error>
where
    F: Follow,
    L: AsyncSlotLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    follow_until(reader, log, wait, F::poll_output).await
}

/// Like [`next`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`follow_appends_until`].
pub async fn next_append<F, L, W>(
    reader: &mut F,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Followed<F, F::Output, L::Error, F::Error>
where
    F: Follow,
    L: AsyncLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    follow_appends_until(reader, log, wait, F::poll_output).await
}

/// Applies commands up to the one that was published, and returns its outcome, like
/// [`replicated::blocking::outcome`](happens_before_replicated::blocking::outcome). [The module](super) describes
/// `wait`.
///
/// # Errors
///
/// Those of that function. The command is applied and its outcome returned without waiting in between, so a dropped
/// future has applied only earlier commands.
pub async fn outcome<I, M, L, W>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Waited<Applied<I, M::Output>, I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: AsyncSlotLog<Node = I, Payload = M::Command>,
    W: Future<Output = u64>,
{
    follow_until(replica, log, wait, |replica| replica.poll_outcome(published)).await
}

/// Like [`outcome`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`outcome`]; after [`Hole`](happens_before::broadcast::blocking::FollowError::Hole) nothing above the hole is applied.
pub async fn outcome_append<I, M, L, W>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Waited<Applied<I, M::Output>, I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: AsyncLog<Node = I, Payload = M::Command>,
    W: Future<Output = u64>,
{
    follow_appends_until(replica, log, wait, |replica| replica.poll_outcome(published)).await
}

/// Asks the counter for its current number, and applies everything up to it: a read by position, like
/// [`replicated::blocking::sync`](happens_before_replicated::blocking::sync). [The module](super) describes `wait`.
///
/// # Errors
///
/// Those of that function. The replica keeps what is applied.
pub async fn sync<I, M, C, L, W>(
    replica: &mut Replica<I, M>,
    counter: &C,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Synced<I, M, C::Error, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    C: AsyncCounter,
    L: AsyncSlotLog<Node = I, Payload = M::Command>,
    W: Future<Output = u64>,
{
    let current = counter.current().await.map_err(SyncError::Counter)?;
    let synced = follow_until(replica, log, wait, |replica| replica.poll_sync(current)).await;
    synced.map_err(SyncError::Follow)
}

/// Applies everything up to `slot`, over an engine that numbers by itself, like
/// [`replicated::blocking::sync_append`](happens_before_replicated::blocking::sync_append). [The module](super)
/// describes `wait`.
///
/// # Errors
///
/// Those of that function. The replica keeps what is applied.
pub async fn sync_append<I, M, L, W>(
    replica: &mut Replica<I, M>,
    slot: u64,
    log: &L,
    wait: impl FnMut(u64) -> W,
) -> Waited<(), I, M, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: AsyncLog<Node = I, Payload = M::Command>,
    W: Future<Output = u64>,
{
    follow_appends_until(replica, log, wait, |replica| replica.poll_sync(slot)).await
}

/// Carries out the steps over slots.
async fn drive<F, G, L, W, T, R>(
    mut follower: Follower<'_, F, G>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    G: FnMut(&mut F) -> Result<Option<T>, R>,
    L: AsyncSlotLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    loop {
        match follower.step() {
            FollowStep::Done(result) => return result,
            FollowStep::Wait { until_ms } => follower.handle_time(wait(until_ms).await),
            FollowStep::Request(SubscribeRequest::Read { from, limit }) => {
                follower.handle_read(from, limit, log.read(from, limit).await)?;
            }
            FollowStep::Request(SubscribeRequest::Fill { slot, epoch }) => {
                follower.handle_fill(slot, epoch, log.write(slot, &Entry::fill(epoch)).await)?;
            }
        }
    }
}

/// Carries out the steps over an engine that numbers by itself.
async fn drive_appends<F, G, L, W, T, R>(
    mut follower: Follower<'_, F, G>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Followed<F, T, L::Error, R>
where
    F: Follow,
    G: FnMut(&mut F) -> Result<Option<T>, R>,
    L: AsyncLog<Node = F::Node, Payload = F::Payload>,
    W: Future<Output = u64>,
{
    loop {
        match follower.step() {
            FollowStep::Done(result) => return result,
            FollowStep::Wait { until_ms } => follower.handle_time(wait(until_ms).await),
            FollowStep::Request(SubscribeRequest::Read { from, limit }) => {
                follower.handle_read(from, limit, log.read(from, limit).await)?;
            }
            FollowStep::Request(SubscribeRequest::Fill { slot, .. }) => follower.handle_hole(slot)?,
        }
    }
}
