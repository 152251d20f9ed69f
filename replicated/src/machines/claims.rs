//! Unique claims: the first claim of a name gets it, and every later one is told the owner, until the owner releases it.
//!
//! ```text
//!   position     7                  8                  9
//!              ┌──────────────────┬──────────────────┬──────────────────┐
//!              │ "alice": user 51 │ "alice": user 80 │ "alice": user 51 │
//!              └──────────────────┴──────────────────┴──────────────────┘
//!   outcome      won                lost, to 51        won: it is 51's
//! ```
//!
//! Use it for user names, file names, seats: anything with at most one owner. A second claim by the owner changes
//! nothing, so a node that does not know the outcome of its claim simply claims again.
//!
//! The owner may release a name, for example when an account is deleted. Then the next claim gets it. A release by
//! anyone else is refused, so a late or repeated one takes nothing away from another owner. A claimant that takes the
//! same name again after a release uses a new id, so that a late copy of that release does not count. A claim does not
//! end when its owner dies: to take something over from a node that does not answer, use a [lock](super::lock).
//!
//! Over an engine that stores bytes, wrap it in [`Encoded`](crate::Encoded).
//!
//! Source: Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Timestamp ordering is not sufficient" and
//! "Implementing linearizable storage using total order broadcast", with this example.

use alloc::collections::{BTreeMap, btree_map};

use happens_before::broadcast::Position;
use happens_before::codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};

use crate::StateMachine;

/// The owner `W` of each name `K`. A command costs O(log n) comparisons of names, for n claimed names.
///
/// # Examples
///
/// Two users claim one name, and the owner claims it once more. Then it is released, and the other one gets it. Make the
/// limit 0: every claim is `Full`.
///
/// ```
/// use happens_before::broadcast::Position;
/// use happens_before_replicated::StateMachine;
/// use happens_before_replicated::claims::{Claims, Command, Outcome};
///
/// let position = |sequence| Position { epoch: 0, sequence, index: 0 };
/// let mut claims = Claims::new(1_000);
/// let claim = |claimant| Command::Claim { name: "alice", claimant };
/// let release = |claimant| Command::Release { name: "alice", claimant };
/// assert_eq!(claims.apply(position(7), claim(51)), Outcome::Won);
/// assert_eq!(claims.apply(position(8), claim(80)), Outcome::Lost { owner: 51 });
/// assert_eq!(claims.apply(position(9), claim(51)), Outcome::Won);
///
/// assert_eq!(claims.apply(position(10), release(80)), Outcome::NotHeld);
/// assert_eq!(claims.apply(position(11), release(51)), Outcome::Released);
/// assert_eq!(claims.apply(position(12), claim(80)), Outcome::Won);
/// assert_eq!(claims.owner(&"alice"), Some(&80));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<K, W> {
    limit: usize,
    owners: BTreeMap<K, W>,
}

/// A change of [`Claims`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Command<K, W> {
    /// Takes the name if it has no owner.
    Claim {
        /// The name.
        name: K,
        /// The id of the claimant. Two claimants with one id share the names that they win.
        claimant: W,
    },
    /// Gives the name back if the claimant owns it.
    Release {
        /// The name.
        name: K,
        /// The id with which it was claimed.
        claimant: W,
    },
}

/// The result of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Outcome<W> {
    /// The claimant owns the name, by this claim or by an earlier one.
    Won,
    /// The name belongs to another.
    Lost {
        /// Its owner.
        owner: W,
    },
    /// The name has no owner, and no more names may be claimed until one is released.
    Full,
    /// The name has no owner any more.
    Released,
    /// The claimant does not own the name, so the release is refused. Nothing is changed. After a release without an
    /// answer, it means that the earlier one was carried out.
    NotHeld,
}

impl<K: Ord, W> Claims<K, W> {
    /// Makes a state without claims, in which at most `limit` names can have an owner. All replicas need the same limit.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { owners: BTreeMap::new(), limit }
    }

    /// Returns the owner of a name. O(log n) for n names.
    pub fn owner(&self, name: &K) -> Option<&W> {
        self.owners.get(name)
    }

    /// Adds a name of a saved state; `false` if it does not come after all others.
    fn restore(&mut self, name: K, owner: W) -> bool {
        let is_sorted = self.owners.last_key_value().is_none_or(|(last, _)| *last < name);
        if is_sorted {
            self.owners.insert(name, owner);
        }
        is_sorted
    }

    /// Returns the claimed names with their owners, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &W)> {
        self.owners.iter()
    }
}

impl<K: Ord, W: PartialEq + Clone> StateMachine for Claims<K, W> {
    type Command = Command<K, W>;
    type Output = Outcome<W>;

    fn apply(&mut self, _: Position, command: Command<K, W>) -> Outcome<W> {
        match command {
            Command::Claim { name, claimant } => self.claim(name, claimant),
            Command::Release { name, claimant } if self.owner(&name) == Some(&claimant) => {
                self.owners.remove(&name);
                Outcome::Released
            }
            Command::Release { .. } => Outcome::NotHeld,
        }
    }
}

impl<K: Ord, W: PartialEq + Clone> Claims<K, W> {
    fn claim(&mut self, name: K, claimant: W) -> Outcome<W> {
        let is_full = self.owners.len() >= self.limit;
        match self.owners.entry(name) {
            btree_map::Entry::Occupied(owner) if *owner.get() == claimant => Outcome::Won,
            btree_map::Entry::Occupied(owner) => Outcome::Lost { owner: owner.get().clone() },
            btree_map::Entry::Vacant(_) if is_full => Outcome::Full,
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(claimant);
                Outcome::Won
            }
        }
    }
}

impl<K: Encode, W: Encode> Encode for Command<K, W> {
    fn encode(&self, out: &mut Writer<'_>) {
        let (tag, name, claimant) = match self {
            Self::Claim { name, claimant } => (0, name, claimant),
            Self::Release { name, claimant } => (1, name, claimant),
        };
        out.put_number(tag);
        name.encode(out);
        claimant.encode(out);
    }
}

impl<K: Decode, W: Decode> Decode for Command<K, W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Claim { name: K::decode(reader)?, claimant: W::decode(reader)? },
            1 => Self::Release { name: K::decode(reader)?, claimant: W::decode(reader)? },
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

impl<W: Encode> Encode for Outcome<W> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Won => out.put_number(0),
            Self::Lost { owner } => {
                out.put_number(1);
                owner.encode(out);
            }
            Self::Full => out.put_number(2),
            Self::Released => out.put_number(3),
            Self::NotHeld => out.put_number(4),
        }
    }
}

impl<W: Decode> Decode for Outcome<W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Won,
            1 => Self::Lost { owner: W::decode(reader)? },
            2 => Self::Full,
            3 => Self::Released,
            4 => Self::NotHeld,
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

/// The limit, the number of names, and each name with its owner, in the order of the names.
impl<K: Encode, W: Encode> Encode for Claims<K, W> {
    fn encode(&self, out: &mut Writer<'_>) {
        out.put_number(self.limit as u64);
        out.put_number(self.owners.len() as u64);
        for (name, owner) in &self.owners {
            name.encode(out);
            owner.encode(out);
        }
    }
}

impl<K: Decode + Ord, W: Decode> Decode for Claims<K, W> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        let (limit, len) = (reader.take_number()?, reader.take_number()?);
        let Ok(limit) = usize::try_from(limit) else {
            return reader.refuse(start, DecodeErrorKind::OutOfRange);
        };
        if len > limit as u64 {
            return reader.refuse(start, DecodeErrorKind::OutOfRange);
        }
        let mut claims = Self::new(limit);
        // Each round reads bytes, or ends the loop: memory is in proportion to the bytes.
        for _ in 0..len {
            let start = reader.at();
            let (name, owner) = (K::decode(reader)?, W::decode(reader)?);
            if !claims.restore(name, owner) {
                return reader.refuse(start, DecodeErrorKind::Unsorted);
            }
        }
        Ok(claims)
    }
}

/// The form of a state in serde: the limit, and each name with its owner, sorted by name.
#[cfg(feature = "serde")]
mod serialize {
    use alloc::vec::Vec;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Claims;

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Claims", deny_unknown_fields)]
    struct Parts<O> {
        limit: usize,
        owners: Vec<O>,
    }

    impl<K: Serialize, W: Serialize> Serialize for Claims<K, W> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Parts { limit: self.limit, owners: self.owners.iter().collect() }.serialize(serializer)
        }
    }

    impl<'de, K: Deserialize<'de> + Ord, W: Deserialize<'de>> Deserialize<'de> for Claims<K, W> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let Parts { limit, owners } = Parts::<(K, W)>::deserialize(deserializer)?;
            if owners.len() > limit {
                return Err(D::Error::custom("more names than the limit allows"));
            }
            let mut claims = Self::new(limit);
            if owners.into_iter().all(|(name, owner)| claims.restore(name, owner)) {
                Ok(claims)
            } else {
                Err(D::Error::custom("names that are not sorted"))
            }
        }
    }
}
