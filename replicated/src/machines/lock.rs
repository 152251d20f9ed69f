//! A lock without leases. No clock takes it away from its holder, and a fence keeps out a holder that has lost it.
//!
//! # The problem
//!
//! A holder may die, and then the lock must go to another node. But no node can tell a dead holder from a slow one. A
//! lease leaves the decision to clocks, and fails when the holder pauses at the wrong moment.
//!
//! # The algorithm
//!
//! ```text
//!   position     33                34                  35                        36
//!              ┌─────────────────┬───────────────────┬─────────────────────────┬──────────────┐
//!              │ a: acquire      │ b: acquire        │ b: acquire, over 33     │ a: release 33│
//!              └─────────────────┴───────────────────┴─────────────────────────┴──────────────┘
//!   outcome      a: token 33       held by a, 33       b: token 35               a: not held
//!   fence                          a writes ✓          b raises to 35            a writes ✗
//! ```
//!
//! 1. A node that acquires a free lock is granted it. The **token** is the position of the entry that granted it:
//!    higher than all earlier ones, of this lock and of every other lock on the log.
//! 2. A node that finds the lock held is told the holder and its token. If a time-out of its own makes it believe that
//!    the holder is dead, it acquires the lock **over** that token. Only the first node that does so gets the lock,
//!    because the token is then replaced by a new one.
//! 3. The new holder [raises](happens_before::broadcast::Fence::raise) the fence of the resource to its token before it
//!    reads. From then on the resource refuses the old holder, dead or not.
//!
//! So a wrong guess that a holder is dead may cost the holder its work, but never the resource its consistency.
//!
//! # Sources
//!
//! Burrows, *The Chubby lock service for loosely-coupled distributed systems* (2006), section 2.4: locks and
//! sequencers. Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 8, "The leader and the lock", and
//! chapter 9. Deviation from Chubby: no sessions and no lock-delay; a node that takes over names the token that it
//! ends.

use happens_before::broadcast::{FencingToken, Position};
use happens_before::codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};

use crate::StateMachine;

/// A lock: free, or held by one owner under a token. Every command is O(1).
///
/// # Examples
///
/// Node b takes the lock over from a, which is slow, and a's late write is refused. Leave out `fence.raise(b)`: the
/// late write is admitted.
///
/// ```
/// use happens_before::broadcast::{Fence, Position};
/// use happens_before_replicated::StateMachine;
/// use happens_before_replicated::lock::{Command, Lock, Outcome};
///
/// let position = |sequence| Position { epoch: 0, sequence, index: 0 };
/// let (mut lock, mut fence) = (Lock::new(), Fence::new());
/// let Outcome::Granted { token: a } = lock.apply(position(33), Command::acquire("a")) else { unreachable!() };
/// fence.raise(a)?;
/// assert_eq!(lock.apply(position(34), Command::acquire("b")), Outcome::Held { by: "a", token: a });
///
/// // a does not answer.
/// let over_a = Command::Acquire { owner: "b", over: Some(a) };
/// let Outcome::Granted { token: b } = lock.apply(position(35), over_a) else { unreachable!() };
/// fence.raise(b)?;
///
/// // a was only slow.
/// assert!(fence.admit(a).is_err());
/// assert_eq!(lock.apply(position(36), Command::Release { token: a }), Outcome::NotHeld);
/// fence.admit(b)?;
/// # Ok::<(), happens_before::broadcast::StaleToken>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Lock<W> {
    holder: Option<(W, FencingToken)>,
}

/// A change of a [`Lock`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Command<W> {
    /// Takes the lock if it is free, or if its token is still `over`.
    Acquire {
        /// The id of the node that wants it. A holder that asks again is told its token again, so it need not remember
        /// the outcome. Two nodes that must not hold the lock together need two ids.
        owner: W,
        /// The token to end. It is that of a holder believed dead, or that of `owner` itself, which then gets a new
        /// one.
        over: Option<FencingToken>,
    },
    /// Gives the lock back, if it is held under this token.
    Release {
        /// The token with which it was granted.
        token: FencingToken,
    },
}

impl<W> Command<W> {
    /// Takes the lock if it is free.
    #[must_use]
    pub const fn acquire(owner: W) -> Self {
        Self::Acquire { owner, over: None }
    }
}

/// The result of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Outcome<W> {
    /// The owner named in the command holds the lock.
    Granted {
        /// The token to send with every request to the resource, first to
        /// [`Fence::raise`](happens_before::broadcast::Fence::raise).
        token: FencingToken,
    },
    /// Another holds the lock.
    Held {
        /// The holder.
        by: W,
        /// The token to name in order to take the lock over.
        token: FencingToken,
    },
    /// The lock is free.
    Released,
    /// The lock is no longer held under this token; nothing is changed.
    NotHeld,
}

impl<W> Lock<W> {
    /// Makes a lock that is free.
    #[must_use]
    pub const fn new() -> Self {
        Self { holder: None }
    }

    /// Returns the holder and its token, if the lock is held.
    pub fn holder(&self) -> Option<(&W, FencingToken)> {
        self.holder.as_ref().map(|(owner, token)| (owner, *token))
    }
}

impl<W> Default for Lock<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: PartialEq + Clone> StateMachine for Lock<W> {
    type Command = Command<W>;
    type Output = Outcome<W>;

    fn apply(&mut self, position: Position, command: Command<W>) -> Outcome<W> {
        match (command, &self.holder) {
            (Command::Acquire { owner, over }, Some((by, token))) if over != Some(*token) => {
                let token = *token;
                if *by == owner { Outcome::Granted { token } } else { Outcome::Held { by: by.clone(), token } }
            }
            (Command::Acquire { owner, .. }, _) => {
                let token = FencingToken::new(position);
                self.holder = Some((owner, token));
                Outcome::Granted { token }
            }
            (Command::Release { token }, Some((_, held))) if *held == token => {
                self.holder = None;
                Outcome::Released
            }
            (Command::Release { .. }, _) => Outcome::NotHeld,
        }
    }
}

impl<W: Encode> Encode for Command<W> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Acquire { owner, over } => {
                out.put_number(0);
                owner.encode(out);
                over.encode(out);
            }
            Self::Release { token } => {
                out.put_number(1);
                token.encode(out);
            }
        }
    }
}

impl<W: Decode> Decode for Command<W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Acquire { owner: W::decode(reader)?, over: Option::decode(reader)? },
            1 => Self::Release { token: FencingToken::decode(reader)? },
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

impl<W: Encode> Encode for Outcome<W> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Granted { token } => {
                out.put_number(0);
                token.encode(out);
            }
            Self::Held { by, token } => {
                out.put_number(1);
                by.encode(out);
                token.encode(out);
            }
            Self::Released => out.put_number(2),
            Self::NotHeld => out.put_number(3),
        }
    }
}

impl<W: Decode> Decode for Outcome<W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Granted { token: FencingToken::decode(reader)? },
            1 => Self::Held { by: W::decode(reader)?, token: FencingToken::decode(reader)? },
            2 => Self::Released,
            3 => Self::NotHeld,
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

impl<W: Encode> Encode for Lock<W> {
    fn encode(&self, out: &mut Writer<'_>) {
        match &self.holder {
            None => out.put_number(0),
            Some((owner, token)) => {
                out.put_number(1);
                owner.encode(out);
                token.encode(out);
            }
        }
    }
}

impl<W: Decode> Decode for Lock<W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self { holder: None },
            1 => Self { holder: Some((W::decode(reader)?, FencingToken::decode(reader)?)) },
            _ => return reader.refuse(start, DecodeErrorKind::OutOfRange),
        })
    }
}
