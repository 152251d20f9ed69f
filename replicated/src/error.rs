//! The errors of a replica.

use core::fmt;

use happens_before::Dot;
use happens_before::broadcast::blocking::FollowError;
use happens_before::broadcast::{NodeTableFull, Position};

use super::StateMachine;

/// The reason why a replica does not apply the next command, or does not know an outcome. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaError<I> {
    /// The table has no room for the node of the next command. The limit is too low, or nodes that are gone were not
    /// retired. [Allow more](super::Replica::set_nodes), and try again.
    NodeTableFull(NodeTableFull<I>),
    /// The state machine panicked at a command, so the state may be half changed. Nothing is applied any more, and no
    /// snapshot is taken. The state machine is at fault.
    ///
    /// Go on from a snapshot taken before the command, or from that of a replica that has applied it. If every replica
    /// panics there, mend the state machine first.
    Panicked {
        /// The place of the command.
        position: Position,
        /// Its id.
        id: Dot<I>,
    },
    /// The command has been passed, but its outcome is not known: it was taken out earlier, or the command was part of
    /// a snapshot. Nobody is at fault. Look in the state for the effect of the command.
    Passed {
        /// Its id.
        id: Dot<I>,
    },
}

impl<I> From<NodeTableFull<I>> for ReplicaError<I> {
    fn from(error: NodeTableFull<I>) -> Self {
        Self::NodeTableFull(error)
    }
}

impl<I: fmt::Debug> fmt::Display for ReplicaError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeTableFull(error) => error.fmt(f),
            Self::Panicked { position, id } => {
                write!(f, "the state machine panicked at command {id:?} at {position}; go on from a snapshot")
            }
            Self::Passed { id } => {
                write!(
                    f,
                    "the outcome of {id:?} is not known, though its turn is over; look in the state for its effect"
                )
            }
        }
    }
}

impl<I: fmt::Debug> core::error::Error for ReplicaError<I> {}

/// The result of waiting for a replica to apply a part of the log. `L` is the error of the log.
pub type Waited<T, I, M, L> = Result<T, FollowError<I, <M as StateMachine>::Command, L, ReplicaError<I>>>;

/// The result of a read by position. `C` and `L` are the errors of the counter and of the log.
pub type Synced<I, M, C, L> =
    Result<(), SyncError<C, FollowError<I, <M as StateMachine>::Command, L, ReplicaError<I>>>>;

/// The reason why a read by position does not return. The replica keeps what is applied: try again. `C` is the error of
/// the counter, `E` that of following the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncError<C, E> {
    /// The counter failed. Nothing is changed; the engine is at fault, or the connection to it.
    Counter(C),
    /// The log cannot be followed up to the counter's number now. The inner error has the reason, and what to do.
    Follow(E),
}

impl<C: fmt::Display, E: fmt::Display> fmt::Display for SyncError<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => write!(f, "the counter failed: {error}; try again"),
            Self::Follow(error) => error.fmt(f),
        }
    }
}

impl<C: fmt::Debug + fmt::Display, E: fmt::Debug + fmt::Display> core::error::Error for SyncError<C, E> {}
