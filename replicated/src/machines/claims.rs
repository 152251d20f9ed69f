//! Unique claims: the first claim of a name gets it, and every later one is told the owner.
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
//! nothing, so a node that does not know the outcome of its claim simply claims again. A claim is for ever; to give
//! something back, use a [lock](super::lock).
//!
//! An engine of `happens-before-engines` stores bytes. Over one, write a small [`StateMachine`] whose command is
//! `Vec<u8>`, and whose `apply` decodes a [`Claim`] and hands it on; bytes that do not decode need an output of their
//! own.
//!
//! Source: Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Timestamp ordering is not sufficient" and
//! "Implementing linearizable storage using total order broadcast", with this example.

use alloc::collections::{BTreeMap, btree_map};

use happens_before::broadcast::Position;

use crate::StateMachine;

/// The owner `W` of each name `K`. A claim costs O(log n) comparisons of names, for n claimed names.
///
/// # Examples
///
/// Two users claim one name, and the owner claims it once more. Make the limit 0: every outcome is `Full`.
///
/// ```
/// use happens_before::broadcast::Position;
/// use happens_before_replicated::StateMachine;
/// use happens_before_replicated::claims::{Claim, Claims, Outcome};
///
/// let position = |sequence| Position { epoch: 0, sequence, index: 0 };
/// let mut claims = Claims::new(1_000);
/// assert_eq!(claims.apply(position(7), Claim { name: "alice", claimant: 51 }), Outcome::Won);
/// assert_eq!(claims.apply(position(8), Claim { name: "alice", claimant: 80 }), Outcome::Lost { owner: 51 });
/// assert_eq!(claims.apply(position(9), Claim { name: "alice", claimant: 51 }), Outcome::Won);
/// assert_eq!(claims.owner(&"alice"), Some(&51));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<K, W> {
    owners: BTreeMap<K, W>,
    limit: usize,
}

/// A command to [`Claims`]: a name, and its claimant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim<K, W> {
    /// The name.
    pub name: K,
    /// The id of the claimant. Two claimants with one id share the names that they win.
    pub claimant: W,
}

/// The result of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<W> {
    /// The claimant owns the name, by this claim or by an earlier one.
    Won,
    /// The name belongs to another.
    Lost {
        /// Its owner.
        owner: W,
    },
    /// The name has no owner, and no more names may be claimed.
    Full,
}

impl<K: Ord, W> Claims<K, W> {
    /// Makes a state without claims, in which at most `limit` names can be claimed. All replicas need the same limit.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { owners: BTreeMap::new(), limit }
    }

    /// Returns the owner of a name. O(log n) for n names.
    pub fn owner(&self, name: &K) -> Option<&W> {
        self.owners.get(name)
    }

    /// Returns the claimed names with their owners, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &W)> {
        self.owners.iter()
    }
}

impl<K: Ord, W: PartialEq + Clone> StateMachine for Claims<K, W> {
    type Command = Claim<K, W>;
    type Output = Outcome<W>;

    fn apply(&mut self, _: Position, Claim { name, claimant }: Claim<K, W>) -> Outcome<W> {
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
