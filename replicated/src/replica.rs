//! A copy of a state machine that follows the log.
//!
//! # Invariants
//!
//! - RP1: every command that the subscriber has delivered is applied, and no other: one step does both.
//! - RP2: a snapshot has subscriber and state of the same moment, which follows from RP1.
//! - RP3: after a panic of the state machine nothing is applied, and no snapshot is taken.

use core::fmt;

use happens_before::broadcast::{
    Delivery, Entry, Follow, Position, Published, ReadAnswer, ReadLimit, Snapshot, SubscribeError,
    SubscribeRequest, SubscriberConfig, WriteAnswer,
};
use happens_before::codec::{Decode, DecodeError, DecodeId, Encode, EncodeId, Reader, Writer};
use happens_before::{Dot, NodeId, Subscriber};

use super::{ReplicaError, StateMachine};

/// A copy of a state machine that applies each command of a log once, in order; it does no input or output.
///
/// ```text
///   publisher ──► log ──► Subscriber ── in order, each once ──► StateMachine ──► outcomes
///                             └───────────── snapshot ───────────────┘
/// ```
///
/// # Use
///
/// A replica is a reader of the log: its requests and answers are those of [`Follow`], and every driver of a
/// [`Subscriber`] drives a replica. [`blocking`](super::blocking) has drivers that wait for an outcome or a read.
/// Without a driver, do two things after each input, and at the time of [`poll_timeout`](Follow::poll_timeout). Take
/// out everything from [`poll_applied`](Self::poll_applied), then carry out what [`poll_request`](Follow::poll_request)
/// returns.
///
/// A [`Publisher`](happens_before::Publisher) beside the replica sends the commands.
/// [`poll_outcome`](Self::poll_outcome) finds the outcome of a command by its id. A marker is published in the same
/// way; once it is applied, a read by marker is done. A read by position is [`poll_sync`](Self::poll_sync). [The front
/// page](super) has the conditions under which each is linearizable.
///
/// # Examples
///
/// A write and a compare-and-set over a log that appends. Watch the second outcome: the expected value is wrong, so the
/// command is refused. Expect 5 instead, and the value becomes 6.
///
/// ```
/// use core::cell::RefCell;
/// use happens_before::Publisher;
/// use happens_before::broadcast::{AppendLog, MemoryLog, PublisherConfig, SubscriberConfig, blocking};
/// use happens_before_replicated::Replica;
/// use happens_before_replicated::register::{Command, Outcome, Register};
///
/// let log = RefCell::new(MemoryLog::new(1_000));
/// let mut publisher = Publisher::new("a", PublisherConfig::over_appends());
/// for command in [Command::Write(5), Command::CompareAndSet { expected: 4, new: 6 }] {
///     publisher.publish(command)?;
///     blocking::settle_append(&mut publisher, &log)?;
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
    subscriber: Subscriber<I, M::Command>,
    machine: M,
    /// The command that is being applied. Between two calls it is set only if the state machine has panicked.
    applying: Option<(Position, Dot<I>)>,
}

/// An applied command or marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<I, O> {
    /// Its place in the total order.
    pub position: Position,
    /// Its id, by which its sender recognises it.
    pub id: Dot<I>,
    /// The output of the state machine; `None` for a marker.
    pub output: Option<O>,
}

/// The state of a replica with its place in the total order, for restarts, and for replicas that join late.
///
/// It has a form in bytes ([`codec`](happens_before::codec)) and one of serde, if the state has. The parts are public, so
/// that the author of the state machine may choose another. Store both together: if they are of different moments, a
/// command is applied twice, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(
    feature = "serde",
    serde(bound(deserialize = "Snapshot<I>: serde::Deserialize<'de>, M: serde::Deserialize<'de>"))
)]
#[cfg_attr(feature = "serde", serde(bound(serialize = "Snapshot<I>: serde::Serialize, M: serde::Serialize")))]
pub struct ReplicaSnapshot<I, M> {
    /// The place of the next command, and the table of the applied ones.
    pub place: Snapshot<I>,
    /// The state there.
    pub machine: M,
}

/// The place, then the state.
impl<I: EncodeId, M: Encode> Encode for ReplicaSnapshot<I, M> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.place.encode(out);
        self.machine.encode(out);
    }
}

impl<I: DecodeId, M: Decode> Decode for ReplicaSnapshot<I, M> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { place: Snapshot::decode(reader)?, machine: M::decode(reader)? })
    }
}

impl<I: NodeId, M: StateMachine> Replica<I, M> {
    /// Makes a replica that applies everything from the first slot on; `machine` must be the same at every node.
    #[must_use]
    pub fn new(machine: M, config: SubscriberConfig) -> Self {
        Self::resume(ReplicaSnapshot { place: Snapshot::default(), machine }, config)
    }

    /// Makes a replica that goes on from a snapshot.
    #[must_use]
    pub fn resume(snapshot: ReplicaSnapshot<I, M>, config: SubscriberConfig) -> Self {
        Self::measured(snapshot, config, |_| 0)
    }

    /// Makes a replica that goes on from a snapshot, and counts the bytes of the waiting commands, like
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

    /// Returns the state and its place, from which another replica can go on. O(n) for n nodes, and the cost of cloning
    /// the state.
    ///
    /// # Errors
    ///
    /// [`ReplicaError::Panicked`]: the state belongs to no place in the order.
    pub fn snapshot(&self) -> Result<ReplicaSnapshot<I, M>, ReplicaError<I>>
    where
        M: Clone,
    {
        self.whole()?;
        Ok(ReplicaSnapshot { place: self.subscriber.snapshot(), machine: self.machine.clone() })
    }

    /// Goes on from a snapshot of another replica that is ahead of this one, like [`Subscriber::install`]. Call it when
    /// the log has [trimmed](SubscribeError::Trimmed) the next slot of this replica.
    ///
    /// The outputs of the commands in between are not known here. [`has_passed`](Self::has_passed) tells whether one of
    /// the node's own commands is among them.
    ///
    /// # Errors
    ///
    /// The snapshot is handed back if it is not ahead; nothing is changed.
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

    /// Returns the state after all commands taken out by [`poll_applied`](Self::poll_applied), and no others.
    ///
    /// This is a local read. It is never older than an earlier read of this replica, but may be older than one of
    /// another replica. After the state machine [panicked](ReplicaError::Panicked) the state may be half changed.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Returns the inner subscriber, which has the place and the known state of the log.
    pub fn subscriber(&self) -> &Subscriber<I, M::Command> {
        &self.subscriber
    }

    /// Applies the next command, if it is here, and returns its output. It costs as much as
    /// [`Subscriber::poll_delivery`] and the state machine do.
    ///
    /// # Errors
    ///
    /// [`ReplicaError::NodeTableFull`]; nothing is changed. [`ReplicaError::Panicked`] at every call after the state machine
    /// panicked and the caller caught it: nothing is applied any more. [Resume](Self::resume) from a snapshot, or
    /// [install](Self::install) one that is ahead.
    pub fn poll_applied(&mut self) -> Result<Option<Applied<I, M::Output>>, ReplicaError<I>> {
        self.whole()?;
        let Some(Delivery { position, id, payload }) = self.subscriber.poll_delivery()? else {
            return Ok(None);
        };
        let Some(command) = payload else { return Ok(Some(Applied { position, id, output: None })) };
        let (_, id) = self.applying.insert((position, id));
        let applied = Applied { position, id: id.clone(), output: Some(self.machine.apply(position, command)) };
        self.applying = None;
        Ok(Some(applied))
    }

    /// Applies the commands that are here, up to the published one, and returns its outcome; `None` if it is not here
    /// yet. The outcome of a marker completes a read: the state contains every command that was acknowledged before the
    /// marker was published.
    ///
    /// For a batch it is the outcome of the first command; the others are applied next, with the numbers that follow.
    /// The outcomes of other commands on the way are not reported, so call it for the node's own commands in their
    /// order.
    ///
    /// # Errors
    ///
    /// [`ReplicaError`]; after [`NodeTableFull`](ReplicaError::NodeTableFull) call it again once there is room.
    pub fn poll_outcome(
        &mut self,
        published: &Published<I>,
    ) -> Result<Option<Applied<I, M::Output>>, ReplicaError<I>> {
        self.whole()?;
        self.subscriber.observe_current(published.slot);
        loop {
            if self.has_passed(&published.id) {
                return Err(ReplicaError::Passed { id: published.id.clone() });
            }
            match self.poll_applied()? {
                Some(applied) if applied.id != published.id => {}
                outcome_or_none => return Ok(outcome_or_none),
            }
        }
    }

    /// Applies the commands that are here, up to slot `current`, and returns `Some` once all of them are applied: a
    /// read by position. `current` is the counter's current number, requested after the read began, or the slot of an
    /// acknowledged command that the state must contain.
    ///
    /// The outcomes of these commands are not reported, and no command above `current` is applied.
    ///
    /// # Errors
    ///
    /// As [`poll_applied`](Self::poll_applied).
    pub fn poll_sync(&mut self, current: u64) -> Result<Option<()>, ReplicaError<I>> {
        self.whole()?;
        self.subscriber.observe_current(current);
        while self.subscriber.next() <= current {
            if self.poll_applied()?.is_none() && self.subscriber.next() <= current {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// Returns an error if the state machine has panicked.
    fn whole(&self) -> Result<(), ReplicaError<I>> {
        match &self.applying {
            None => Ok(()),
            Some((position, id)) => Err(ReplicaError::Panicked { position: *position, id: id.clone() }),
        }
    }

    /// Returns whether a command has been passed: it is applied, or never will be. O(log n) for n nodes.
    ///
    /// A passed command is applied, except if its sender gave it up and a later one of the same node was applied first.
    pub fn has_passed(&self, id: &Dot<I>) -> bool {
        self.subscriber.delivered_up_to(id.node()) >= id.counter()
    }

    /// Hands in an entry that is in `slot`, like [`Subscriber::handle_entry`].
    ///
    /// # Errors
    ///
    /// Those of that method.
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

    /// Hands in the counter's current number, like [`Subscriber::observe_current`].
    pub fn observe_current(&mut self, current: u64) {
        self.subscriber.observe_current(current);
    }

    /// Sets the highest number of nodes that may have sent commands, like [`Subscriber::set_nodes`].
    pub fn set_nodes(&mut self, nodes: usize) {
        self.subscriber.set_nodes(nodes);
    }

    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        self.subscriber.internal_validate()
    }
}

impl<I: fmt::Debug, M: StateMachine + fmt::Debug> fmt::Debug for Replica<I, M>
where
    M::Command: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("subscriber", &self.subscriber).field("machine", &self.machine).finish()
    }
}

/// The inner subscriber does all of it, except applying commands.
impl<I: NodeId, M: StateMachine<Command: PartialEq + Clone>> Follow for Replica<I, M> {
    type Node = I;
    type Payload = M::Command;
    type Output = Applied<I, M::Output>;
    type Error = ReplicaError<I>;

    fn poll_output(&mut self) -> Result<Option<Applied<I, M::Output>>, ReplicaError<I>> {
        self.poll_applied()
    }

    fn next(&self) -> u64 {
        self.subscriber.next()
    }

    fn obstacle(&self) -> Option<SubscribeError<I, M::Command>> {
        self.subscriber.obstacle()
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.subscriber.poll_timeout()
    }

    fn poll_request(&mut self, now_ms: u64) -> Option<SubscribeRequest> {
        self.subscriber.poll_request(now_ms)
    }

    fn handle_read(
        &mut self,
        now_ms: u64,
        from: u64,
        limit: ReadLimit,
        answer: ReadAnswer<I, M::Command>,
    ) -> Result<(), SubscribeError<I, M::Command>> {
        self.subscriber.handle_read(now_ms, from, limit, answer)
    }

    fn handle_fill(
        &mut self,
        now_ms: u64,
        slot: u64,
        epoch: u64,
        answer: WriteAnswer<I, M::Command>,
    ) -> Result<(), SubscribeError<I, M::Command>> {
        self.subscriber.handle_fill(now_ms, slot, epoch, answer)
    }

    fn handle_failure(&mut self, now_ms: u64) {
        self.subscriber.handle_failure(now_ms);
    }
}
