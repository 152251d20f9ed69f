//! The loop between a reader of a log and the log itself, without the calls. Every driver makes the calls, and does
//! nothing else.
//!
//! ```text
//!              ┌────────────── None: requests are done, no obstacle ──────────────┐
//!              ▼                                                                  │
//!          ┌──────┐  None: wait   ┌─────────┐  the time it is   ┌─────────────────┴───┐
//!   until ►│ goal ├──────────────►│ waiting ├──────────────────►│ requests at a time  │◄ at
//!          └──┬───┘               └─────────┘                   └──┬──────────────▲───┘
//!             ▼                                                    │ Read, Fill   │ the answer of the log
//!           Done                                                   └──────────────┘
//! ```

use core::convert::Infallible;

use super::blocking::FollowError;
use super::{
    Delivery, NodeTableFull, ReadAnswer, ReadLimit, SubscribeError, SubscribeRequest, Subscriber, WriteAnswer,
};
use crate::node::NodeId;

/// A reader that exchanges requests and answers with a log: a [`Subscriber`], or a type around one.
///
/// The drivers of [`blocking`](super::blocking) accept any reader, and so do the asynchronous ones of
/// `happens-before-engines`. The methods are those of [`Subscriber`].
///
/// # Examples
///
/// A reader that adds up the payloads. Its output is the sum, and all other methods pass the call on. Append a third
/// number, and ask once more.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::{Dot, Subscriber};
/// use happens_before::broadcast::{
///     AppendLog, Entry, Follow, MemoryLog, ReadAnswer, ReadLimit, SubscribeError, SubscribeRequest, SubscriberConfig,
///     NodeTableFull, WriteAnswer, blocking,
/// };
///
/// struct Sum(Subscriber<char, u64>, u64);
///
/// impl Follow for Sum {
///     type Node = char;
///     type Payload = u64;
///     type Output = u64;
///     type Error = NodeTableFull<char>;
///
///     fn poll_output(&mut self) -> Result<Option<u64>, NodeTableFull<char>> {
///         let Some(delivery) = self.0.poll_delivery()? else { return Ok(None) };
///         self.1 += delivery.payload.unwrap_or(0);
///         Ok(Some(self.1))
///     }
///
///     fn next(&self) -> u64 {
///         self.0.next()
///     }
///
///     fn obstacle(&self) -> Option<SubscribeError<char, u64>> {
///         self.0.obstacle()
///     }
///
///     fn poll_timeout(&self) -> Option<u64> {
///         self.0.poll_timeout()
///     }
///
///     fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
///         self.0.poll_request(now_ms)
///     }
///
///     fn handle_read(
///         &mut self,
///         now_ms: u64,
///         from: u64,
///         limit: ReadLimit,
///         answer: ReadAnswer<char, u64>,
///     ) -> Result<(), SubscribeError<char, u64>> {
///         self.0.handle_read(now_ms, from, limit, answer)
///     }
///
///     fn handle_fill(
///         &mut self,
///         now_ms: u64,
///         slot: u64,
///         epoch: u64,
///         answer: WriteAnswer<char, u64>,
///     ) -> Result<(), SubscribeError<char, u64>> {
///         self.0.handle_fill(now_ms, slot, epoch, answer)
///     }
///
///     fn handle_failure(&mut self, now_ms: u64) {
///         self.0.handle_failure(now_ms);
///     }
/// }
///
/// let log = RefCell::new(MemoryLog::new(100));
/// log.append(&Entry::message(0, Dot::new('a', 1).unwrap(), 40))?;
/// log.append(&Entry::message(0, Dot::new('b', 1).unwrap(), 2))?;
/// let mut sum = Sum(Subscriber::new(SubscriberConfig::default()), 0);
/// let wait = |until_ms| Some(until_ms); // in practice: sleep
/// assert_eq!(blocking::next(&mut sum, &log, wait)?, 40);
/// assert_eq!(blocking::next(&mut sum, &log, wait)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Follow {
    /// The ids of nodes.
    type Node;
    /// The payloads of messages.
    type Payload;
    /// The value that a message of the log becomes.
    type Output;
    /// The error of making an output from the next message.
    type Error;

    /// Takes out the next output, if there is one, like [`Subscriber::poll_delivery`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    fn poll_output(&mut self) -> Result<Option<Self::Output>, Self::Error>;

    /// Returns the slot to deliver next, like [`Subscriber::next`].
    fn next(&self) -> u64;

    /// Returns the reason why nothing is delivered from the next slot on, like [`Subscriber::obstacle`].
    fn obstacle(&self) -> Option<SubscribeError<Self::Node, Self::Payload>>;

    /// Returns when to call [`poll_request`](Self::poll_request) again, like [`Subscriber::poll_timeout`].
    fn poll_timeout(&self) -> Option<u64>;

    /// Returns the request to make at `now_ms`, like [`Subscriber::poll_request`].
    fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest>;

    /// Hands in the answer to a read, like [`Subscriber::handle_read`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<Self::Node, Self::Payload>,
    ) -> Result<(), SubscribeError<Self::Node, Self::Payload>>;

    /// Hands in the answer to a fill, like [`Subscriber::handle_fill`].
    ///
    /// # Errors
    ///
    /// Those of that method.
    fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<Self::Node, Self::Payload>,
    ) -> Result<(), SubscribeError<Self::Node, Self::Payload>>;

    /// Hands in that the last request failed, like [`Subscriber::handle_failure`].
    fn handle_failure(&mut self, now_ms: u64);
}

impl<I: NodeId, P: PartialEq + Clone> Follow for Subscriber<I, P> {
    type Node = I;
    type Payload = P;
    type Output = Delivery<I, P>;
    type Error = NodeTableFull<I>;

    fn poll_output(&mut self) -> Result<Option<Delivery<I, P>>, NodeTableFull<I>> {
        self.poll_delivery()
    }

    fn next(&self) -> u64 {
        Subscriber::next(self)
    }

    fn obstacle(&self) -> Option<SubscribeError<I, P>> {
        Subscriber::obstacle(self)
    }

    fn poll_timeout(&self) -> Option<u64> {
        Subscriber::poll_timeout(self)
    }

    fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
        Subscriber::poll_request(self, now_ms)
    }

    fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<I, P>,
    ) -> Result<(), SubscribeError<I, P>> {
        Subscriber::handle_read(self, now_ms, from, limit, answer)
    }

    fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<I, P>,
    ) -> Result<(), SubscribeError<I, P>> {
        Subscriber::handle_fill(self, now_ms, slot, epoch, answer)
    }

    fn handle_failure(&mut self, now_ms: u64) {
        Subscriber::handle_failure(self, now_ms);
    }
}

/// The result of driving a reader `F`. `E` is the error of the log, `R` that of the goal.
pub type Followed<F, T, E, R = Infallible> =
    Result<T, FollowError<<F as Follow>::Node, <F as Follow>::Payload, E, R>>;

/// A step of a [`Follower`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowStep<D> {
    /// The last step, with the result.
    Done(D),
    /// Wait until this time of the caller's clock, or until something may be new. Then hand the current time to
    /// [`Follower::handle_time`].
    Wait {
        /// The time. It may be past already.
        until_ms: u64,
    },
    /// Make the request. The answer goes to [`Follower::handle_read`], and for a fill to [`Follower::handle_fill`].
    Request(SubscribeRequest),
}

/// The steps of one call of a driver, for the author of a driver for another kind of engine. It makes no calls itself:
/// steps come out, answers go in.
///
/// [`blocking`](super::blocking) has the drivers for engines that block.
///
/// # Examples
///
/// A whole driver for engines that block. For an asynchronous engine, add `.await` to the two calls of the log and to
/// `wait`.
///
/// ```
/// use happens_before::broadcast::{Entry, Follow, FollowStep, Followed, Follower, SlotLog, SubscribeRequest};
///
/// fn next<F, L>(
///     reader: &mut F,
///     log: &L,
///     mut wait: impl FnMut(u64) -> u64,
/// ) -> Followed<F, F::Output, L::Error, F::Error>
/// where
///     F: Follow,
///     L: SlotLog<Node = F::Node, Payload = F::Payload>,
/// {
///     let mut follower = Follower::until(reader, F::poll_output);
///     loop {
///         match follower.step() {
///             FollowStep::Done(result) => return result,
///             FollowStep::Wait { until_ms } => follower.handle_time(wait(until_ms)),
///             FollowStep::Request(SubscribeRequest::Read { from, limit }) => {
///                 follower.handle_read(from, limit, log.read(from, limit))?;
///             }
///             FollowStep::Request(SubscribeRequest::Fill { slot, epoch }) => {
///                 follower.handle_fill(slot, epoch, log.write(slot, &Entry::fill(epoch)))?;
///             }
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Follower<'a, F, G> {
    reader: &'a mut F,
    goal: G,
    /// The time of the requests now being made; `None` if it is the goal's turn.
    now_ms: Option<u64>,
}

impl<'a, F: Follow> Follower<'a, F, ()> {
    /// Makes the steps that carry out the reader's requests at `now_ms`, and nothing beyond that. None of them is a
    /// [`Wait`](FollowStep::Wait).
    #[must_use]
    pub fn at(
        reader: &'a mut F,
        now_ms: u64,
    ) -> Follower<'a, F, impl FnMut(&mut F) -> Result<Option<()>, Infallible> + use<F>> {
        Follower { reader, goal: |_: &mut F| Ok(Some(())), now_ms: Some(now_ms) }
    }
}

impl<'a, F: Follow, G, T, R> Follower<'a, F, G>
where
    G: FnMut(&mut F) -> Result<Option<T>, R>,
{
    /// Makes the steps that follow the log until `goal` returns a value, or an error.
    ///
    /// The goal is called first, and again each time that there is nothing more to read. It must take out every output
    /// that is ready, or stop at the one it looks for, before it returns `None`: see [`Follow::poll_output`].
    #[must_use]
    pub fn until(reader: &'a mut F, goal: G) -> Self {
        Self { reader, goal, now_ms: None }
    }

    /// Returns the next step. It costs as much as the reader and the goal do.
    ///
    /// After [`Done`](FollowStep::Done), and after an error of another method, make a new follower.
    #[inline]
    pub fn step<E>(&mut self) -> FollowStep<Followed<F, T, E, R>> {
        if let Some(now_ms) = self.now_ms {
            if let Some(request) = self.reader.poll_request(now_ms) {
                return FollowStep::Request(request);
            }
            self.now_ms = None;
            if let Some(obstacle) = self.reader.obstacle() {
                return FollowStep::Done(Err(FollowError::Subscribe(obstacle)));
            }
        }
        match (self.goal)(self.reader) {
            Ok(Some(reached)) => return FollowStep::Done(Ok(reached)),
            Ok(None) => {}
            Err(error) => return FollowStep::Done(Err(FollowError::Goal(error))),
        }
        if let Some(until_ms) = self.reader.poll_timeout() {
            return FollowStep::Wait { until_ms };
        }
        // The goal has found nothing, and nothing will ever come.
        let halted = || SubscribeError::Halted { slot: self.reader.next() };
        FollowStep::Done(Err(FollowError::Subscribe(self.reader.obstacle().unwrap_or_else(halted))))
    }

    /// Hands in the current time after a [`Wait`](FollowStep::Wait). The next steps are the reader's requests at that
    /// time; then the goal is called again.
    pub fn handle_time(&mut self, now_ms: u64) {
        self.now_ms = Some(now_ms);
    }

    /// Hands in the result of reading the log from `from` on within `limit`.
    ///
    /// # Errors
    ///
    /// [`FollowError::Log`] with an error of the log, and [`FollowError::Subscribe`].
    #[inline]
    pub fn handle_read<E>(
        &mut self,
        from: u64,
        limit: ReadLimit,
        answer: Result<ReadAnswer<F::Node, F::Payload>, E>,
    ) -> Followed<F, (), E, R> {
        let Some(now_ms) = self.now_ms else { return Ok(()) }; // nothing was asked for
        match answer {
            Ok(answer) => self.reader.handle_read(now_ms, from, limit, answer).map_err(FollowError::Subscribe),
            Err(error) => self.fail(now_ms, FollowError::Log(error)),
        }
    }

    /// Hands in the result of filling `slot` in `epoch`.
    ///
    /// # Errors
    ///
    /// As [`handle_read`](Self::handle_read).
    pub fn handle_fill<E>(
        &mut self,
        slot: u64,
        epoch: u64,
        answer: Result<WriteAnswer<F::Node, F::Payload>, E>,
    ) -> Followed<F, (), E, R> {
        let Some(now_ms) = self.now_ms else { return Ok(()) }; // nothing was asked for
        match answer {
            Ok(answer) => self.reader.handle_fill(now_ms, slot, epoch, answer).map_err(FollowError::Subscribe),
            Err(error) => self.fail(now_ms, FollowError::Log(error)),
        }
    }

    /// Rejects a fill of `slot`: the engine numbers by itself, so it must not have a hole there. Call it instead of
    /// [`handle_fill`](Self::handle_fill).
    ///
    /// # Errors
    ///
    /// [`FollowError::Hole`].
    pub fn handle_hole<E>(&mut self, slot: u64) -> Followed<F, (), E, R> {
        let Some(now_ms) = self.now_ms else { return Ok(()) }; // nothing was asked for
        self.fail(now_ms, FollowError::Hole { slot })
    }

    /// Notes that the request under way has failed.
    #[cold]
    fn fail<E>(
        &mut self,
        now_ms: u64,
        failure: FollowError<F::Node, F::Payload, E, R>,
    ) -> Followed<F, (), E, R> {
        self.reader.handle_failure(now_ms);
        Err(failure)
    }
}
