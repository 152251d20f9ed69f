//! Fencing tokens, and the fence beside a resource; the essay is on [`Fence`].

use core::fmt;

use super::Position;

/// A number that orders the holders of a lock: the position of the entry that granted it.
///
/// # Examples
///
/// ```
/// use happens_before::broadcast::{FencingToken, Position};
///
/// let earlier = FencingToken::new(Position { epoch: 0, sequence: 33, index: 0 });
/// let later = FencingToken::new(Position { epoch: 0, sequence: 34, index: 0 });
/// assert!(earlier < later);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(Position);

impl FencingToken {
    /// Makes the token of the holder that was granted the lock by the entry at `granted`.
    #[must_use]
    pub const fn new(granted: Position) -> Self {
        Self(granted)
    }

    /// Returns the position of the entry that granted the lock.
    #[must_use]
    pub const fn position(self) -> Position {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The guard beside a resource, which refuses the writes of those who held its lock before.
///
/// One fence a resource. Tokens may come from any lock of one log, since their order is that of the log.
///
/// # The problem
///
/// A client takes a lease on a file, and pauses: garbage collection, a swapped page, a slow network. The lease runs
/// out, another client takes it and writes. The first one wakes up, believes that it holds the lease, and writes
/// over what the second one wrote. No time-out at the client helps, since it may pause after it has looked.
///
/// # The algorithm
///
/// ```text
///   client 1   lock: token 33 ─── pauses ─────────────────── write(33) ✗ refused
///   client 2              lock: token 34 ── write(34) ✓
///   fence                                   highest 34
/// ```
///
/// 1. A client that is granted a lock gets a token that is higher than all before: the position of the entry that
///    granted it, one order for all locks.
/// 2. The token goes with every write to the resource. The fence beside the resource remembers the highest token
///    that it has seen, and refuses lower ones: [`admit`](Self::admit).
/// 3. A new holder that reads before it writes raises the fence first: [`raise`](Self::raise). Otherwise the old
///    holder may still write between that read and the new holder's first write.
///
/// # Guarantees
///
/// From the moment at which a token is seen, no write with a lower one comes through. It does not follow that a holder
/// whose write is admitted still holds its lock; only that the fence has not heard of a later one.
///
/// # What must survive a restart
///
/// [`highest`](Self::highest), saved in the same transaction as the write that was admitted, and after `raise` before
/// its caller is answered; [`resume`](Self::resume) takes it. A resource that forgets its fence lets old holders in.
///
/// # Examples
///
/// ```
/// use happens_before::broadcast::{Fence, FencingToken, Position};
///
/// let token = |sequence| FencingToken::new(Position { epoch: 0, sequence, index: 0 });
/// let mut fence = Fence::new();
/// fence.admit(token(33))?; // the first holder writes
/// fence.raise(token(34))?; // the second one is about to read
/// fence.admit(token(34))?;
/// fence.admit(token(34))?; // as often as it likes
///
/// let stale = fence.admit(token(33)).unwrap_err(); // the first one wakes up
/// assert_eq!(stale.to_string(), "token 0:33:0 is older than 0:34:0; the lock was granted to another, take it again");
/// # Ok::<(), happens_before::broadcast::StaleToken>(())
/// ```
///
/// # Sources
///
/// Burrows, *The Chubby lock service for loosely-coupled distributed systems* (2006), section 2.4, "sequencers".
/// Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 8, "Fencing tokens".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    highest: Option<FencingToken>,
}

impl Fence {
    /// Makes a fence that has seen no token.
    #[must_use]
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// Makes a fence again from what was saved.
    #[must_use]
    pub const fn resume(highest: Option<FencingToken>) -> Self {
        Self { highest }
    }

    /// Returns the highest token seen, to be saved.
    pub fn highest(&self) -> Option<FencingToken> {
        self.highest
    }

    /// Lets a write with this token through, if it is not lower than the highest seen. O(1).
    ///
    /// # Errors
    ///
    /// [`StaleToken`]; the fence is unchanged. Do not write: the lock was granted to another since.
    pub fn admit(&mut self, token: FencingToken) -> Result<(), StaleToken> {
        self.raise(token)
    }

    /// Shuts lower tokens out from now on, without a write: what a new holder asks for before it reads. O(1).
    ///
    /// # Errors
    ///
    /// [`StaleToken`]: the caller is itself shut out. The fence is unchanged.
    pub fn raise(&mut self, token: FencingToken) -> Result<(), StaleToken> {
        match self.highest {
            Some(highest) if token < highest => Err(StaleToken { token, highest }),
            _ => {
                self.highest = Some(token);
                Ok(())
            }
        }
    }
}

/// A token that is older than one that the fence has seen: another holder was granted the lock since.
///
/// The fence is unchanged. The caller has held the lock for too long, and is not at fault; it must take the lock again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleToken {
    /// The token refused.
    pub token: FencingToken,
    /// The highest token that was seen.
    pub highest: FencingToken,
}

impl fmt::Display for StaleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, highest } = self;
        write!(f, "token {token} is older than {highest}; the lock was granted to another, take it again")
    }
}

impl core::error::Error for StaleToken {}
