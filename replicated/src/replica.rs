//! A copy of a state machine that follows the log.
//!
//! ```text
//!   log, announcements ──► Subscriber ── in order, each once ──► StateMachine ──► outputs
//!                              └───────────── snapshot ───────────────┘
//! ```
//!
//! # Invariants
//!
//! - R1: what the subscriber has delivered is applied, and nothing else is: one step does both.
//! - R2: so a snapshot of both is of one moment.

use core::fmt;

use happens_before::broadcast::{
    Delivery, Entry, Position, ReadAnswer, ReadLimit, Snapshot, SubscribeError, SubscribeRequest,
    SubscriberConfig, TooManyNodes, WriteAnswer,
};
use happens_before::{Dot, NodeId, Subscriber};

use super::StateMachine;

/// Applies the commands of a log to a state machine, in order, each once; does no input or output.
///
/// # Use
///
/// As a [`Subscriber`]: hand in announcements and the answers to requests; after each input, and when the time of
/// [`poll_timeout`](Self::poll_timeout) has come, take out all of [`poll_applied`](Self::poll_applied), then do what
/// [`poll_request`](Self::poll_request) says. Commands are sent by a [`Publisher`](happens_before::Publisher) or an
/// [`Appender`](happens_before::broadcast::Appender) beside it. The outcome of a command of the node's own is the one that is
/// applied under its id.
///
/// A read by position hands in the counter's current number ([`observe_current`](Self::observe_current)) and waits until
/// [`next`](Self::next) is above it; a read by marker waits until its own marker comes out as applied. Which of them is
/// linearizable when: [see the module](super). [`blocking`](super::blocking) has the loops.
///
/// # Examples
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::broadcast::{AppendAnswer, AppendLog, AppendRequest, Appender, MemoryLog, SubscriberConfig};
/// use happens_before_replicated::{blocking, Register, Replica};
/// use happens_before_replicated::register::{Command, Outcome};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let mut appender = Appender::new("a");
/// for command in [Command::Write(5), Command::CompareAndSet { expected: 4, new: 6 }] {
///     appender.publish(command)?;
///     happens_before::broadcast::blocking::settle_append(&mut appender, &log)?;
/// }
///
/// let mut replica = Replica::new(Register::new(0), SubscriberConfig::default());
/// blocking::follow_appends(&mut replica, &log, 0)?;
/// assert_eq!(replica.poll_applied()?.unwrap().output, Some(Outcome::Set));
/// assert_eq!(replica.poll_applied()?.unwrap().output, Some(Outcome::Refused { current: 5 }));
/// assert_eq!(replica.poll_applied()?, None);
/// assert_eq!(replica.machine().value(), &5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Replica<I, M: StateMachine> {
    pub(super) subscriber: Subscriber<I, M::Command>,
    machine: M,
    /// The command that is being applied. Between two calls there is one only if the state machine has panicked.
    applying: Option<ApplyPanicked<I>>,
}

/// A command, or a marker, that is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<I, O> {
    /// Its place in the order.
    pub position: Position,
    /// Its id: what its sender knows it by.
    pub id: Dot<I>,
    /// The output of the state machine; `None` for a marker.
    pub output: Option<O>,
}

/// The state of a replica, and the place in the order that it is the state of: for restarts, and for those who join late.
///
/// The parts are public, so that the state machine is stored in whatever form its author chooses. Stored apart they are
/// worth nothing: a command would be applied twice, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSnapshot<I, M> {
    /// The place of the next command, with the commands that are applied already.
    pub place: Snapshot<I>,
    /// The state there.
    pub machine: M,
}

impl<I: NodeId, M: StateMachine> Replica<I, M> {
    /// Makes a replica that applies everything from the first slot on; `machine` must be the same everywhere.
    #[must_use]
    pub fn new(machine: M, config: SubscriberConfig) -> Self {
        Self::resume(ReplicaSnapshot { place: Snapshot::default(), machine }, config)
    }

    /// Makes a replica that goes on from a snapshot.
    #[must_use]
    pub fn resume(snapshot: ReplicaSnapshot<I, M>, config: SubscriberConfig) -> Self {
        Self::measured(snapshot, config, |_| 0)
    }

    /// Makes a replica that goes on from a snapshot, and counts the bytes of the commands that wait; as
    /// [`Subscriber::measured`].
    #[must_use]
    pub fn measured(
        snapshot: ReplicaSnapshot<I, M>,
        config: SubscriberConfig,
        measure: fn(&M::Command) -> usize,
    ) -> Self {
        let ReplicaSnapshot { place, machine } = snapshot;
        Self { subscriber: Subscriber::measured(place, config, measure), machine, applying: None }
    }

    /// Returns from where another replica can go on, and with what. O(n) for n nodes, and what cloning the state costs.
    ///
    /// # Errors
    ///
    /// [`ApplyPanicked`]: the state is that of no place in the order.
    pub fn snapshot(&self) -> Result<ReplicaSnapshot<I, M>, ApplyPanicked<I>>
    where
        M: Clone,
    {
        self.whole()?;
        Ok(ReplicaSnapshot { place: self.subscriber.snapshot(), machine: self.machine.clone() })
    }

    /// Goes on from a snapshot of another replica, ahead of this one: what to do when the log is
    /// [trimmed](SubscribeError::Trimmed) below what this one needs next.
    ///
    /// The outputs of the commands in between are not known here; whether one's own are among them,
    /// [`has_passed`](Self::has_passed) says.
    ///
    /// # Errors
    ///
    /// The snapshot is handed back if it is not ahead.
    #[expect(clippy::result_large_err, reason = "what was moved in is moved out")]
    pub fn install(&mut self, snapshot: ReplicaSnapshot<I, M>) -> Result<(), ReplicaSnapshot<I, M>> {
        let ReplicaSnapshot { place, machine } = snapshot;
        match self.subscriber.install(place) {
            Ok(()) => {
                (self.machine, self.applying) = (machine, None);
                Ok(())
            }
            Err(place) => Err(ReplicaSnapshot { place, machine }),
        }
    }

    /// Returns the state: that of all commands taken out by [`poll_applied`](Self::poll_applied), and of no other.
    ///
    /// A read of it is local: never older than what this replica has shown before, but older than what others show. After
    /// the state machine [panicked](ApplyPanicked) it is whatever that left of it.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Applies the next command, if it is here, and says what came of it. Costs what
    /// [`Subscriber::poll_delivery`] and the state machine cost.
    ///
    /// # Errors
    ///
    /// [`ApplyError::TooManyNodes`]; nothing is changed. [`ApplyError::Panicked`] at every call after the state machine
    /// panicked and the caller caught it: nothing is applied any more. [Resume](Self::resume) from a snapshot, or
    /// [install](Self::install) one that is ahead.
    pub fn poll_applied(&mut self) -> Result<Option<Applied<I, M::Output>>, ApplyError<I>> {
        self.whole()?;
        let Some(Delivery { position, id, payload }) = self.subscriber.poll_delivery()? else {
            return Ok(None);
        };
        let Some(command) = payload else { return Ok(Some(Applied { position, id, output: None })) };
        let ApplyPanicked { id, .. } = self.applying.insert(ApplyPanicked { position, id });
        let applied = Applied { position, id: id.clone(), output: Some(self.machine.apply(position, command)) };
        self.applying = None;
        Ok(Some(applied))
    }

    /// Returns an error if the state machine has panicked.
    fn whole(&self) -> Result<(), ApplyPanicked<I>> {
        self.applying.clone().map_or(Ok(()), Err)
    }

    /// Returns the slot to apply next: everything below is applied, or was a fill.
    pub fn next(&self) -> u64 {
        self.subscriber.next()
    }

    /// Returns whether the turn of a command is over: it is applied, or never will be. O(log n) for n nodes.
    ///
    /// It is applied, unless its sender gave it up and a later one of the same node was applied first.
    pub fn has_passed(&self, id: &Dot<I>) -> bool {
        self.subscriber.delivered_up_to(id.node()) >= id.counter()
    }

    /// Hands in that the entry stands in `slot`; as [`Subscriber::handle_entry`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_entry(
        &mut self,
        slot: u64,
        entry: Entry<I, M::Command>,
    ) -> Result<(), SubscribeError<I, M::Command>>
    where
        M::Command: PartialEq + Clone,
    {
        self.subscriber.handle_entry(slot, entry)
    }

    /// Hands in the counter's current number; as [`Subscriber::observe_current`].
    pub fn observe_current(&mut self, current: u64) {
        self.subscriber.observe_current(current);
    }

    /// Returns what is to be done at `now_ms`; as [`Subscriber::poll_request`].
    pub fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
        self.subscriber.poll_request(now_ms)
    }

    /// Returns when to call [`poll_request`](Self::poll_request) again; as [`Subscriber::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<u64> {
        self.subscriber.poll_timeout()
    }

    /// Hands in what a read has found; as [`Subscriber::handle_read`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<I, M::Command>,
    ) -> Result<(), SubscribeError<I, M::Command>>
    where
        M::Command: PartialEq + Clone,
    {
        self.subscriber.handle_read(now_ms, from, limit, answer)
    }

    /// Hands in what became of a fill; as [`Subscriber::handle_fill`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<I, M::Command>,
    ) -> Result<(), SubscribeError<I, M::Command>>
    where
        M::Command: PartialEq + Clone,
    {
        self.subscriber.handle_fill(now_ms, slot, epoch, answer)
    }

    /// Returns the reason why nothing is applied from the next slot on; as [`Subscriber::obstacle`].
    pub fn obstacle(&self) -> Option<SubscribeError<I, M::Command>> {
        self.subscriber.obstacle()
    }

    /// Hands in that the last request failed; as [`Subscriber::handle_failure`].
    pub fn handle_failure(&mut self, now_ms: u64) {
        self.subscriber.handle_failure(now_ms);
    }

    /// Sets how many nodes may have sent commands; as [`Subscriber::set_nodes`].
    pub fn set_nodes(&mut self, nodes: usize) {
        self.subscriber.set_nodes(nodes);
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.subscriber.internal_validate()
    }
}

/// The reason why the next command is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplyError<I> {
    /// There is no room for the node of the next command.
    TooManyNodes(TooManyNodes<I>),
    /// The state machine has panicked.
    Panicked(ApplyPanicked<I>),
}

impl<I> From<TooManyNodes<I>> for ApplyError<I> {
    fn from(error: TooManyNodes<I>) -> Self {
        Self::TooManyNodes(error)
    }
}

impl<I> From<ApplyPanicked<I>> for ApplyError<I> {
    fn from(error: ApplyPanicked<I>) -> Self {
        Self::Panicked(error)
    }
}

impl<I: fmt::Debug> fmt::Display for ApplyError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyNodes(error) => error.fmt(f),
            Self::Panicked(error) => error.fmt(f),
        }
    }
}

impl<I: fmt::Debug> core::error::Error for ApplyError<I> {}

/// The state machine panicked at a command, so that the replica's state may be half changed. Nothing is applied any more.
///
/// Go on from a snapshot of before the command, or of another replica that has applied it. If every replica panics there,
/// the state machine is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyPanicked<I> {
    /// The place of the command.
    pub position: Position,
    /// Its id.
    pub id: Dot<I>,
}

impl<I: fmt::Debug> fmt::Display for ApplyPanicked<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, id } = self;
        write!(f, "the state machine panicked at command {id:?} at {position}; go on from a snapshot")
    }
}

impl<I: fmt::Debug> core::error::Error for ApplyPanicked<I> {}

impl<I: fmt::Debug, M: StateMachine + fmt::Debug> fmt::Debug for Replica<I, M>
where
    M::Command: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("subscriber", &self.subscriber).field("machine", &self.machine).finish()
    }
}
