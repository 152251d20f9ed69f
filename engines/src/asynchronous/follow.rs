//! Drives a subscriber or a replica, as [`broadcast::blocking`](happens_before::broadcast::blocking) and
//! [`replicated::blocking`](happens_before_replicated::blocking) do.

use core::convert::Infallible;

use happens_before::broadcast::blocking::FollowError;
use happens_before::broadcast::{
    Delivery, Entry, Published, ReadAnswer, ReadLimit, SubscribeError, SubscribeRequest, WriteAnswer,
};
use happens_before::{NodeId, Subscriber};
use happens_before_replicated::blocking::WaitError;
use happens_before_replicated::{Applied, Replica, StateMachine};

use super::{AsyncCounter, AsyncLog, AsyncSlotLog};

/// A reader of a log by requests and answers: a [`Subscriber`], a [`Replica`], or a type of your own around one.
///
/// The methods are those of [`Subscriber`].
pub trait Follower {
    /// The ids of nodes.
    type Node;
    /// The payloads of messages.
    type Payload;

    /// As [`Subscriber::poll_request`].
    fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest>;

    /// As [`Subscriber::handle_read`].
    ///
    /// # Errors
    ///
    /// As there.
    fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<Self::Node, Self::Payload>,
    ) -> Result<(), SubscribeError<Self::Node, Self::Payload>>;

    /// As [`Subscriber::handle_fill`].
    ///
    /// # Errors
    ///
    /// As there.
    fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<Self::Node, Self::Payload>,
    ) -> Result<(), SubscribeError<Self::Node, Self::Payload>>;

    /// As [`Subscriber::handle_failure`].
    fn handle_failure(&mut self, now_ms: u64);

    /// As [`Subscriber::obstacle`].
    fn obstacle(&self) -> Option<SubscribeError<Self::Node, Self::Payload>>;
}

/// By the methods of the same names that the types have themselves.
macro_rules! follower {
    ([$($parameters:tt)*] $machine:ty, $payload:ty) => {
        impl<$($parameters)*> Follower for $machine {
            type Node = I;
            type Payload = $payload;

            fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
                <$machine>::poll_request(self, now_ms)
            }

            fn handle_read(
                &mut self,
                now_ms: u64,
                from: u64,
                limit: ReadLimit,
                answer: ReadAnswer<I, $payload>,
            ) -> Result<(), SubscribeError<I, $payload>> {
                <$machine>::handle_read(self, now_ms, from, limit, answer)
            }

            fn handle_fill(
                &mut self,
                now_ms: u64,
                slot: u64,
                epoch: u64,
                answer: WriteAnswer<I, $payload>,
            ) -> Result<(), SubscribeError<I, $payload>> {
                <$machine>::handle_fill(self, now_ms, slot, epoch, answer)
            }

            fn handle_failure(&mut self, now_ms: u64) {
                <$machine>::handle_failure(self, now_ms);
            }

            fn obstacle(&self) -> Option<SubscribeError<I, $payload>> {
                <$machine>::obstacle(self)
            }
        }
    };
}

follower!([I: NodeId, P: PartialEq + Clone] Subscriber<I, P>, P);
follower!([I: NodeId, M: StateMachine<Command: PartialEq + Clone>] Replica<I, M>, M::Command);

/// Does what a subscriber or a replica asks for at `now_ms`, until there is something to deliver, or nothing to do before
/// its `poll_timeout`.
///
/// # Errors
///
/// [`FollowError`]; it goes on when this is called again. If the future is dropped, it goes on after the time-out of an
/// answer ([`write_timeout_ms`](happens_before::broadcast::SubscriberConfig::write_timeout_ms)).
pub async fn follow<F, L>(
    follower: &mut F,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<F::Node, F::Payload, L::Error>>
where
    F: Follower,
    L: AsyncSlotLog<F::Node, F::Payload>,
{
    while let Some(request) = follower.poll_request(now_ms) {
        match request {
            SubscribeRequest::Read { from, limit } => read(follower, log, now_ms, from, limit).await?,
            SubscribeRequest::Fill { slot, epoch } => match log.write(slot, &Entry::fill(epoch)).await {
                Ok(answer) => {
                    follower.handle_fill(now_ms, slot, epoch, answer).map_err(FollowError::Subscribe)?;
                }
                Err(error) => {
                    follower.handle_failure(now_ms);
                    return Err(FollowError::Log(error));
                }
            },
        }
    }
    follower.obstacle().map_or(Ok(()), |obstacle| Err(FollowError::Subscribe(obstacle)))
}

/// As [`follow`], over an engine that numbers by itself: a hole is reported, and never skipped.
///
/// # Errors
///
/// [`FollowError`]; as
/// [`broadcast::blocking::follow_appends`](happens_before::broadcast::blocking::follow_appends).
pub async fn follow_appends<F, L>(
    follower: &mut F,
    log: &L,
    now_ms: u64,
) -> Result<(), FollowError<F::Node, F::Payload, L::Error>>
where
    F: Follower,
    L: AsyncLog<F::Node, F::Payload>,
{
    while let Some(request) = follower.poll_request(now_ms) {
        match request {
            SubscribeRequest::Read { from, limit } => read(follower, log, now_ms, from, limit).await?,
            SubscribeRequest::Fill { slot, .. } => {
                follower.handle_failure(now_ms);
                return Err(FollowError::Hole { slot });
            }
        }
    }
    follower.obstacle().map_or(Ok(()), |obstacle| Err(FollowError::Subscribe(obstacle)))
}

async fn read<F, L>(
    follower: &mut F,
    log: &L,
    now_ms: u64,
    from: u64,
    limit: ReadLimit,
) -> Result<(), FollowError<F::Node, F::Payload, L::Error>>
where
    F: Follower,
    L: AsyncLog<F::Node, F::Payload>,
{
    match log.read(from, limit).await {
        Ok(answer) => follower.handle_read(now_ms, from, limit, answer).map_err(FollowError::Subscribe),
        Err(error) => {
            follower.handle_failure(now_ms);
            Err(FollowError::Log(error))
        }
    }
}

/// Why what was waited for is not known; the step that failed is a [`follow`]. `C` and `L` are the errors of the counter
/// and of the log.
pub type Waited<T, I, P, C, L> = Result<T, WaitError<I, C, FollowError<I, P, L>>>;

/// Until when to wait. Nothing is here, as the caller has seen; so there is no time only where nothing will ever come.
fn due<I, P, C, L>(timeout: Option<u64>, next: u64) -> Waited<u64, I, P, C, L> {
    timeout.ok_or(WaitError::Step(FollowError::Subscribe(SubscribeError::Halted { slot: next })))
}

/// Waits for the next message of a subscriber. `wait`: [see the module](super).
///
/// # Errors
///
/// [`WaitError::Step`] and [`WaitError::TooManyNodes`]; nothing is lost, call again.
///
/// # Examples
///
/// [In the module](super).
pub async fn next<I, P, L, W>(
    subscriber: &mut Subscriber<I, P>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Waited<Delivery<I, P>, I, P, Infallible, L::Error>
where
    I: NodeId,
    P: PartialEq + Clone,
    L: AsyncSlotLog<I, P>,
    W: Future<Output = u64>,
{
    loop {
        if let Some(delivery) = subscriber.poll_delivery().map_err(WaitError::TooManyNodes)? {
            return Ok(delivery);
        }
        let now_ms = wait(due(subscriber.poll_timeout(), subscriber.next())?).await;
        follow(subscriber, log, now_ms).await.map_err(WaitError::Step)?;
    }
}

/// As [`next`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`next`]; after [`FollowError::Hole`] nothing above the hole is delivered.
pub async fn next_append<I, P, L, W>(
    subscriber: &mut Subscriber<I, P>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Waited<Delivery<I, P>, I, P, Infallible, L::Error>
where
    I: NodeId,
    P: PartialEq + Clone,
    L: AsyncLog<I, P>,
    W: Future<Output = u64>,
{
    loop {
        if let Some(delivery) = subscriber.poll_delivery().map_err(WaitError::TooManyNodes)? {
            return Ok(delivery);
        }
        let now_ms = wait(due(subscriber.poll_timeout(), subscriber.next())?).await;
        follow_appends(subscriber, log, now_ms).await.map_err(WaitError::Step)?;
    }
}

/// One's own command, if it is applied.
type Own<I, M> = Option<Applied<I, <M as StateMachine>::Output>>;

/// Applies what is here, up to the command that was published; `None` if it is not here yet.
fn apply_up_to<I, M, L>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
) -> Waited<Own<I, M>, I, M::Command, Infallible, L>
where
    I: NodeId,
    M: StateMachine,
{
    loop {
        if replica.has_passed(&published.id) {
            return Err(WaitError::Passed { id: published.id.clone() });
        }
        match replica.poll_applied()? {
            Some(applied) if applied.id != published.id => {}
            own_or_none => return Ok(own_or_none),
        }
    }
}

/// Applies commands until the one that was published is applied, and says what came of it; of a marker, that it is: a
/// read by marker. `wait`: [see the module](super).
///
/// # Errors
///
/// As [`replicated::blocking::outcome`](happens_before_replicated::blocking::outcome). The command is
/// applied and answered in one go, so that a future which is dropped has applied only what was before it.
pub async fn outcome<I, M, L, W>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Waited<Applied<I, M::Output>, I, M::Command, Infallible, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: AsyncSlotLog<I, M::Command>,
    W: Future<Output = u64>,
{
    replica.observe_current(published.slot);
    loop {
        if let Some(applied) = apply_up_to(replica, published)? {
            return Ok(applied);
        }
        let now_ms = wait(due(replica.poll_timeout(), replica.next())?).await;
        follow(replica, log, now_ms).await.map_err(WaitError::Step)?;
    }
}

/// As [`outcome`], over an engine that numbers by itself.
///
/// # Errors
///
/// As [`outcome`]; after [`FollowError::Hole`] nothing above the hole is applied.
pub async fn outcome_append<I, M, L, W>(
    replica: &mut Replica<I, M>,
    published: &Published<I>,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Waited<Applied<I, M::Output>, I, M::Command, Infallible, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    L: AsyncLog<I, M::Command>,
    W: Future<Output = u64>,
{
    replica.observe_current(published.slot);
    loop {
        if let Some(applied) = apply_up_to(replica, published)? {
            return Ok(applied);
        }
        let now_ms = wait(due(replica.poll_timeout(), replica.next())?).await;
        follow_appends(replica, log, now_ms).await.map_err(WaitError::Step)?;
    }
}

/// Asks the counter for its current number, and applies everything up to there: a read by position. `wait`:
/// [see the module](super).
///
/// # Errors
///
/// As [`replicated::blocking::sync`](happens_before_replicated::blocking::sync). The replica keeps what is applied.
pub async fn sync<I, M, C, L, W>(
    replica: &mut Replica<I, M>,
    counter: &C,
    log: &L,
    mut wait: impl FnMut(u64) -> W,
) -> Waited<(), I, M::Command, C::Error, L::Error>
where
    I: NodeId,
    M: StateMachine<Command: PartialEq + Clone>,
    C: AsyncCounter,
    L: AsyncSlotLog<I, M::Command>,
    W: Future<Output = u64>,
{
    let current = counter.current().await.map_err(WaitError::Counter)?;
    replica.observe_current(current);
    while replica.next() <= current {
        if replica.poll_applied()?.is_none() && replica.next() <= current {
            let now_ms = wait(due(replica.poll_timeout(), replica.next())?).await;
            follow(replica, log, now_ms).await.map_err(WaitError::Step)?;
        }
    }
    Ok(())
}
