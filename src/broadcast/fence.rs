//! Fencing tokens, and the fence beside a resource; the essay is on [`Fence`].

use core::fmt;
use core::str::FromStr;

use super::Position;
use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::node::InvalidText;

/// A number that orders the holders of a lock: the position of the entry that granted it.
///
/// # Examples
///
/// A lock that was granted later has the higher token. A token goes with every write, as text in a header, or in bytes.
///
/// ```
/// use happens_before::broadcast::{FencingToken, Position};
/// use happens_before::codec;
///
/// let earlier = FencingToken::new(Position { epoch: 0, sequence: 33, index: 0 });
/// let later = FencingToken::new(Position { epoch: 0, sequence: 34, index: 0 });
/// assert!(earlier < later);
/// assert_eq!("0:33:0".parse(), Ok(earlier));
///
/// let mut header = [0; 27]; // the most that a token takes
/// let len = codec::encode_to_slice(&earlier, &mut header)?;
/// assert_eq!(codec::decode(&header[..len]), Ok(earlier));
/// # Ok::<(), codec::BufferTooSmall>(())
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

/// The inverse of `Display`; every other text is refused.
impl FromStr for FencingToken {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text.parse().map(Self)
    }
}

/// As byte strings, tokens sort as they do themselves.
impl Encode for FencingToken {
    fn encode(&self, out: &mut Writer<'_>) {
        self.0.encode(out);
    }
}

impl Decode for FencingToken {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Position::decode(reader).map(Self)
    }
}

/// A guard beside a resource that refuses writes of earlier holders of its lock.
///
/// Use one fence for each resource. Tokens may come from any lock of one log, since their order is that of the log.
///
/// # The problem
///
/// A client takes a lease on a file, and pauses: garbage collection, a swapped page, a slow network. The lease runs
/// out, another client takes it and writes. The first one wakes up, believes that it still holds the lease, and
/// overwrites what the second one wrote. No check at the client helps, since it may pause between the check and the
/// write. So the resource itself must recognise a late write.
///
/// # The algorithm
///
/// ```text
///   client 1   lock: token 33 ─── pauses ─────────────────── write(33) ✗ refused
///   client 2              lock: token 34 ── write(34) ✓
///   fence                                   highest 34
/// ```
///
/// 1. A client that is granted a lock gets a token that is higher than all earlier ones: the position of the entry that
///    granted it. There is one order for all locks.
/// 2. The token goes with every write to the resource. The fence beside the resource remembers the highest token
///    that it has seen, and refuses lower ones: [`admit`](Self::admit).
/// 3. A new holder that reads before it writes raises the fence first: [`raise`](Self::raise). Otherwise the old
///    holder may still write between that read and the new holder's first write.
///
/// # Guarantees
///
/// Once a token was seen, no write with a lower one is admitted. The converse does not hold: a holder whose write is
/// admitted may have lost its lock, if the fence has not seen the later token yet.
///
/// # State that must survive a restart
///
/// [`highest`](Self::highest) must survive. Save it in the same transaction as the admitted write, and after `raise`
/// before the caller is answered. [`resume`](Self::resume) continues from it. A resource that forgets its fence admits
/// old holders.
///
/// # Examples
///
/// The second holder raises the fence before it reads, and the first one is refused from then on. Raise it before the
/// first write, and that one is refused too.
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

    /// Makes a fence that continues from a saved token.
    #[must_use]
    pub const fn resume(highest: Option<FencingToken>) -> Self {
        Self { highest }
    }

    /// Returns the highest token seen, to be saved.
    pub fn highest(&self) -> Option<FencingToken> {
        self.highest
    }

    /// Admits a write with this token, unless it is lower than the highest seen. O(1).
    ///
    /// # Errors
    ///
    /// [`StaleToken`]; the fence is unchanged. Do not write: the lock was granted to another holder since then.
    pub fn admit(&mut self, token: FencingToken) -> Result<(), StaleToken> {
        self.raise(token)
    }

    /// Refuses lower tokens from now on, without a write. A new holder calls it before it reads. O(1).
    ///
    /// # Errors
    ///
    /// [`StaleToken`]: the caller's own token is too low. The fence is unchanged.
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
/// The fence is unchanged. The caller is not at fault: its lock ran out, and was granted to another. It must take the
/// lock again.
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
