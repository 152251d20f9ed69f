//! A lock without leases: nobody loses it to a clock, and whoever has lost it is kept out by a fence.
//!
//! # The problem
//!
//! A holder may die, and then the lock must go to another; but nobody can tell a dead holder from a slow one. A lease
//! leaves that to clocks, and is wrong when the holder pauses at the wrong moment.
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
//! 1. Whoever acquires a free lock is granted it. The **token** is the position of the entry that granted it: higher than
//!    all before, of this lock and of every other on the log.
//! 2. Whoever finds it held is told by whom, and under which token. If it believes the holder to be dead, by whatever
//!    time-out, it acquires the lock **over** that token. Only the first one who does so gets it: the token has changed
//!    then.
//! 3. The new holder [raises](happens_before::broadcast::Fence::raise) the fence of the resource to its token before it reads. From
//!    then on the old holder, dead or not, does nothing there any more.
//!
//! So a wrong guess about who is dead costs the old holder its work, and never the resource its consistency.
//!
//! # Sources
//!
//! Burrows, *The Chubby lock service for loosely-coupled distributed systems* (2006), section 2.4: locks and sequencers.
//! Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 8, "The leader and the lock", and chapter 9.
//! Deviation from Chubby: no sessions and no lock-delay; the one who takes over names the token that it ends.

use happens_before::broadcast::{FencingToken, Position};

use super::StateMachine;

/// Who holds a lock. Every command is O(1).
///
/// # Examples
///
/// ```
/// use happens_before::broadcast::{Fence, Position};
/// use happens_before_replicated::{Lock, StateMachine};
/// use happens_before_replicated::lock::{Command, Outcome};
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
pub struct Lock<W> {
    holder: Option<(W, FencingToken)>,
}

/// What changes a [`Lock`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<W> {
    /// Take the lock if it is free, or if its token is still the one named.
    Acquire {
        /// Who wants it. Whoever holds it already is told its token again, so that nobody need remember an outcome; two
        /// that must not hold it together need two ids.
        owner: W,
        /// The token to end: of a holder that is believed dead, or of one's own, for a new one.
        over: Option<FencingToken>,
    },
    /// Give the lock back, if it is held under this token.
    Release {
        /// The token that it was granted with.
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

/// What became of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<W> {
    /// Whoever asked holds the lock.
    Granted {
        /// What goes with every request to the resource; first to [`Fence::raise`](happens_before::broadcast::Fence::raise).
        token: FencingToken,
    },
    /// Another holds the lock.
    Held {
        /// Who.
        by: W,
        /// What to name in order to take it over.
        token: FencingToken,
    },
    /// The lock is free.
    Released,
    /// The lock was not held under this token any more; nothing is changed.
    NotHeld,
}

impl<W> Lock<W> {
    /// Makes a lock that is free.
    #[must_use]
    pub const fn new() -> Self {
        Self { holder: None }
    }

    /// Returns who holds it, and under which token.
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
