//! Unique claims: of all who want a name, the first one gets it, and everyone is told who.
//!
//! ```text
//!   position     7                  8                  9
//!              ┌──────────────────┬──────────────────┬──────────────────┐
//!              │ "alice": user 51 │ "alice": user 80 │ "alice": user 51 │
//!              └──────────────────┴──────────────────┴──────────────────┘
//!   outcome      won                lost, to 51        won: it is 51's
//! ```
//!
//! For user names, file names, seats: whatever at most one may have. To claim again is no harm, so that whoever does not
//! know what became of a claim claims again. A claim is for good; what must be given back is a [lock](super::lock).
//!
//! Source: Kleppmann, *Designing Data-Intensive Applications* (2017), chapter 9, "Timestamp ordering is not sufficient" and
//! "Implementing linearizable storage using total order broadcast", with this example.

use alloc::collections::{BTreeMap, btree_map};

use happens_before::broadcast::Position;

use super::StateMachine;

/// Who has which name: names `K`, owners `W`. A claim costs O(log n) comparisons of names, for n names that are claimed.
///
/// # Examples
///
/// ```
/// use happens_before::broadcast::Position;
/// use happens_before_replicated::{Claims, StateMachine};
/// use happens_before_replicated::claims::{Claim, Outcome};
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

/// What changes [`Claims`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim<K, W> {
    /// What is claimed.
    pub name: K,
    /// Who wants it. Two that claim under one id share what they win.
    pub claimant: W,
}

/// What became of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<W> {
    /// The name is the claimant's, by this claim or by an earlier one.
    Won,
    /// The name is another's.
    Lost {
        /// Whose.
        owner: W,
    },
    /// The name is nobody's, and no more may be claimed.
    Full,
}

impl<K: Ord, W> Claims<K, W> {
    /// Makes the state in which nothing is claimed, and at most `limit` names can be; the same limit everywhere.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { owners: BTreeMap::new(), limit }
    }

    /// Returns who has a name.
    pub fn owner(&self, name: &K) -> Option<&W> {
        self.owners.get(name)
    }

    /// Returns what is claimed, by name.
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
