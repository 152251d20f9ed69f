//! Stability: the events that every member of a group is known to have.
//!
//! # Invariants
//!
//! - ST1: members are strictly increasing, and every column has one counter for each member.
//! - ST2: if there are members, the stable counter of a column is its lowest one, and the members at that counter are
//!   counted.
//!
//! The `clone`, `cmp` and `drop` of an id may panic. Both invariants hold after a panic that was caught. Then a vector
//! may have been noted in part, and what became stable by that is not returned; [`stable`](Stability::stable) includes
//! it.

use core::{iter, mem};

use crate::compat::{BTreeMap, Vec};
use crate::delivery::error::{ObserveError, TooManyNodes};
use crate::node::{Dot, NodeId};
use crate::version::VersionVector;

/// A record of the events that each member of a group is known to have.
///
/// # The problem
///
/// A node keeps delivered messages for members that may still lack them. It keeps a mark for each deleted item, because
/// a concurrent change may still name the item. Without a rule for dropping them, messages and marks grow for ever. A
/// time-out is no such rule: a member may be silent for longer.
///
/// There are two rules, for two moments:
///
/// | the event is | when | and the node may forget |
/// |---|---|---|
/// | *stable* | every member has the event | its message: nobody will ask for it |
/// | *causally stable*, at a node | in addition, every event still to be delivered there follows it | its mark: nothing concurrent will come |
///
/// The second moment comes later. Before a member had the event, it may have sent a concurrent one, which may still be
/// on its way. But it had sent that one before it acknowledged the event. So take all that members are known to have
/// when the event is found to be stable. Once all of that is delivered, the event is causally stable.
///
/// # The structure
///
/// Every author has a column. It gives, for each member, the counter up to which the member has acknowledged the
/// author's events. The lowest counter of the column is *stable*.
///
/// ```text
///              author a   b   c
///   member a          7   2   4
///   member b          5   3   4
///   member c          6   2   4
///   stable            5   2   4        held back: a by b; b by a and c
/// ```
///
/// Each column stores its lowest counter and the number of members at it. The column is searched for the next lowest
/// counter only when the last of these members moves up.
///
/// For causal stability the record takes a *mark*: the stable counters and the highest counters of all columns at one
/// moment. When the highest counters are delivered, the stable counters of the mark are causally stable, and the next
/// mark is taken.
///
/// # Rules
///
/// 1. The roster is explicit: a vector from any other node is refused. A roster guessed from traffic would wait for
///    strangers, or not wait for silent members.
/// 2. An author that a member has not named counts as 0 for that member.
/// 3. A vector that goes back changes nothing: acknowledgements overtake each other on a network.
/// 4. What is stable stays stable. A member that joins counts as having everything that is stable, because others may
///    have forgotten it. The member gets it from a snapshot, which must be taken after the join.
/// 5. A silent member holds everything back until it speaks or is removed.
///
/// Two records are equal if the same calls give the same answers from now on. The order in which vectors were noted does
/// not count, nor do vectors that said nothing new.
///
/// # Sources
///
/// Baquero, Almeida, Shoker, *Making Operation-Based CRDTs Operation-Based* (2014), causal stability; Wuu, Bernstein,
/// *Efficient Solutions to the Replicated Log and Dictionary Problems* (1984), the matrix.
///
/// # Cost
///
/// In the costs below, n is the number of members, and m is the number of authors that were ever named. Memory: 8 n m
/// bytes.
///
/// # Examples
///
/// ```
/// use happens_before::{Dot, VersionVector};
/// use happens_before::delivery::Stability;
///
/// let mut stability = Stability::new(["a", "b", "c"], 16)?;
/// let vector = |a, b| VersionVector::from_iter([("a", a), ("b", b)]);
/// stability.observe(&"a", &vector(7, 2))?;
/// stability.observe(&"b", &vector(5, 3))?;
/// assert_eq!(stability.stable(), VersionVector::new());
/// assert!(stability.held_back_by(&Dot::new("a", 1).unwrap()).eq(&["c"]));
///
/// // These have become stable, and may be forgotten:
/// assert_eq!(stability.observe(&"c", &vector(6, 2))?, vector(5, 2));
/// assert!(stability.held_back_by(&Dot::new("a", 7).unwrap()).eq(&["b", "c"]));
///
/// stability.remove(&"b"); // for good
/// assert_eq!(stability.stable_up_to(&"a"), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stability<I> {
    members: Vec<I>,
    columns: BTreeMap<I, Column>,
    limit: usize,
    /// The vector that becomes causally stable next.
    mark: Option<Mark<I>>,
    causally_stable: VersionVector<I>,
}

/// The counters of one moment: `stable` is causally stable once `highest` is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Mark<I> {
    stable: VersionVector<I>,
    highest: VersionVector<I>,
}

/// The acknowledgements of the events of one author.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Column {
    /// The counter of each member, in their order.
    counters: Vec<u64>,
    stable: u64,
    /// Number of members whose counter is `stable`.
    lowest: usize,
}

impl Column {
    /// Finds the lowest counter again if no member is at the old one, and returns it if it has moved. O(n) then.
    fn find_lowest(&mut self) -> Option<u64> {
        if self.lowest > 0 {
            return None;
        }
        let stable = *self.counters.iter().min()?;
        self.lowest = self.counters.iter().filter(|&&counter| counter == stable).count();
        // After a time without members, the first one may be at the old counter.
        (mem::replace(&mut self.stable, stable) < stable).then_some(stable)
    }
}

impl<I: NodeId> Stability<I> {
    /// Makes a record for these members, which have acknowledged nothing.
    ///
    /// `limit` is the limit on the members, and also on the authors that they may name.
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] if there are more members than `limit`.
    pub fn new(members: impl IntoIterator<Item = I>, limit: usize) -> Result<Self, TooManyNodes> {
        let mut members: Vec<I> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        if members.len() > limit {
            return Err(TooManyNodes { limit });
        }
        let (columns, causally_stable) = (BTreeMap::new(), VersionVector::new());
        Ok(Self { members, columns, limit, mark: None, causally_stable })
    }

    /// Visits the members, in their order.
    pub fn members(&self) -> impl Iterator<Item = &I> {
        self.members.iter()
    }

    /// Visits the authors that were ever named, in their order.
    pub(crate) fn authors(&self) -> impl Iterator<Item = &I> {
        self.columns.keys()
    }

    /// Returns whether `node` is a member. O(log n).
    pub fn is_member(&self, node: &I) -> bool {
        self.members.binary_search(node).is_ok()
    }

    /// Returns a copy of the vector of what every member has. O(m).
    pub fn stable(&self) -> VersionVector<I> {
        self.columns.iter().map(|(author, column)| (author.clone(), column.stable)).collect()
    }

    /// Returns the counter of the last event of `author` that every member has, 0 for none. O(log m).
    pub fn stable_up_to(&self, author: &I) -> u64 {
        self.columns.get(author).map_or(0, |column| column.stable)
    }

    /// Returns how far `member` has acknowledged the events of `author`; 0 if it is no member. O(log n + log m).
    pub fn acknowledged(&self, member: &I, author: &I) -> u64 {
        let at = self.members.binary_search(member).ok();
        at.and_then(|at| Some(self.columns.get(author)?.counters[at])).unwrap_or(0)
    }

    /// Returns the highest counter of `author` that any member has acknowledged, 0 for none. O(n + log m).
    pub fn highest(&self, author: &I) -> u64 {
        self.columns.get(author).and_then(|column| column.counters.iter().max().copied()).unwrap_or(0)
    }

    /// Returns what is causally stable at a node that has delivered `delivered`: every event delivered there from now
    /// on follows it. Deletion marks at or below it may be dropped, and so may metadata that only tells which events
    /// are concurrent (Baquero et al.).
    ///
    /// The vector grows only with calls, and always lags at least one call. Call it after every delivery, or from time
    /// to time. O(m), and O(n m) for calls that find it grown. After a restart it starts empty.
    ///
    /// A member that claims events that were never sent stops the vector until it is removed.
    ///
    /// A [removed](Self::remove) member is no longer waited for. But members that have not removed it yet may still
    /// accept its events and pass them on. So after a removal, do not call this before all members have removed it and
    /// have acknowledged something since.
    ///
    /// ```
    /// use happens_before::VersionVector;
    /// use happens_before::delivery::Stability;
    ///
    /// let vector = |a, b| VersionVector::from_iter([("a", a), ("b", b)]);
    /// let mut stability = Stability::new(["a", "b"], 16)?;
    /// // Node a has sent a deletion, which b has. Before b had it, b sent an event that a lacks.
    /// stability.observe(&"a", &vector(1, 0))?;
    /// stability.observe(&"b", &vector(1, 1))?;
    /// assert_eq!(stability.stable(), vector(1, 0));
    /// assert_eq!(stability.causally_stable(&vector(1, 0)), &vector(0, 0));
    /// assert_eq!(stability.causally_stable(&vector(1, 1)), &vector(1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn causally_stable(&mut self, delivered: &VersionVector<I>) -> &VersionVector<I> {
        if let Some(mark) = self.mark.take_if(|mark| mark.highest <= *delivered) {
            self.causally_stable = mark.stable;
        }
        if self.mark.is_none() {
            let stable = self.stable();
            if stable != self.causally_stable {
                let highest = self.columns.keys().map(|author| (author.clone(), self.highest(author)));
                self.mark = Some(Mark { stable, highest: highest.collect() });
            }
        }
        &self.causally_stable
    }

    /// Visits the members that have not acknowledged `dot`, in their order; none if it is stable. O(n).
    pub fn held_back_by(&self, dot: &Dot<I>) -> impl Iterator<Item = &I> + use<'_, I> {
        let column = self.columns.get(dot.node());
        let needed = dot.counter();
        self.members.iter().enumerate().filter_map(move |(at, member)| {
            let counter = column.map_or(0, |column| column.counters[at]);
            (counter < needed).then_some(member)
        })
    }

    /// Notes that `member` has everything up to `vector`, and returns what has become stable by that: the new counters
    /// of the authors with a change.
    ///
    /// The vector may contain only the entries that have changed since the last one. O(log m) for each of its entries,
    /// and O(n) for each that moves a stable counter or is the first of its author. Entries that are not in the vector
    /// cost nothing.
    ///
    /// # Errors
    ///
    /// [`ObserveError`]. Nothing is noted then.
    pub fn observe(
        &mut self,
        member: &I,
        vector: &VersionVector<I>,
    ) -> Result<VersionVector<I>, ObserveError<I>> {
        let Ok(at) = self.members.binary_search(member) else {
            return Err(ObserveError::NotAMember { node: member.clone() });
        };
        self.make_room(vector).map_err(|TooManyNodes { limit }| ObserveError::TooManyNodes { limit })?;
        Ok(vector
            .iter()
            .filter_map(|(author, counter)| Some((author.clone(), self.raise(at, author, counter)?)))
            .collect())
    }

    /// Adds a new member, which has everything up to `vector` and everything that is stable.
    ///
    /// **Take the snapshot that it starts from after this call.** Then it lacks nothing: the snapshot contains what is
    /// stable now, and what becomes stable later waits for the new member. No counter goes down. For a node that is
    /// already a member, this is like [`observe`](Self::observe). O(n m).
    ///
    /// # Errors
    ///
    /// [`TooManyNodes`] beyond the limit. The record is unchanged.
    ///
    /// ```
    /// use happens_before::VersionVector;
    /// use happens_before::delivery::Stability;
    ///
    /// let mut stability = Stability::new(["a"], 16)?;
    /// stability.observe(&"a", &VersionVector::from_iter([("a", 3)]))?;
    /// stability.join("b", &VersionVector::new())?;
    /// assert_eq!(stability.stable_up_to(&"a"), 3);
    /// stability.observe(&"a", &VersionVector::from_iter([("a", 4)]))?;
    /// assert_eq!(stability.stable_up_to(&"a"), 3); // waits for b
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&mut self, node: I, vector: &VersionVector<I>) -> Result<(), TooManyNodes> {
        let at = self.members.binary_search(&node);
        if at.is_err() && self.members.len() >= self.limit {
            return Err(TooManyNodes { limit: self.limit });
        }
        self.make_room(vector)?;
        let at = at.unwrap_or_else(|at| {
            self.members.insert(at, node);
            for column in self.columns.values_mut() {
                column.counters.insert(at, column.stable);
                column.lowest += 1;
            }
            at
        });
        for (author, counter) in vector {
            self.raise(at, author, counter);
        }
        Ok(())
    }

    /// Removes a member, for good or until it joins again, and returns what has become stable by that. O(n m).
    ///
    /// Returns an empty vector if the node was no member. When the last member is removed, no stable counter changes.
    pub fn remove(&mut self, member: &I) -> VersionVector<I> {
        let Ok(at) = self.members.binary_search(member) else { return VersionVector::new() };
        self.mark = None; // events that only this member has claimed may never come
        // The member is dropped at the end, and the authors are cloned after the change: both may panic.
        let _gone = self.members.remove(at);
        let moved = self.columns.values_mut().map(|column| {
            if column.counters.remove(at) == column.stable {
                column.lowest -= 1;
            }
            column.find_lowest()
        });
        let moved: Vec<Option<u64>> = moved.collect();
        let moved = iter::zip(self.columns.keys(), moved);
        moved.filter_map(|(author, stable)| Some((author.clone(), stable?))).collect()
    }

    /// Checks that there is room for the authors that `vector` names. O(k log m) for k entries.
    fn make_room(&self, vector: &VersionVector<I>) -> Result<(), TooManyNodes> {
        let new = vector.iter().filter(|(author, _)| !self.columns.contains_key(author)).count();
        if new > 0 && self.columns.len() + new > self.limit {
            return Err(TooManyNodes { limit: self.limit });
        }
        Ok(())
    }

    /// Notes that the member with the index `at` has the events of `author` up to `counter`. Returns the stable counter
    /// of the author if it has moved.
    fn raise(&mut self, at: usize, author: &I, counter: u64) -> Option<u64> {
        if !self.columns.contains_key(author) {
            let counters: Vec<u64> = self.members.iter().map(|_| 0).collect();
            let column = Column { lowest: counters.len(), counters, stable: 0 };
            self.columns.insert(author.clone(), column);
        }
        let column = self.columns.get_mut(author)?;
        let before = column.counters[at];
        if counter <= before {
            return None;
        }
        column.counters[at] = counter;
        if before == column.stable {
            column.lowest -= 1;
        }
        column.find_lowest()
    }

    /// Checks the invariants of the module's opening comment, and names a broken one. O(n m).
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if !self.members.is_sorted_by(|a, b| a < b)
            || self.columns.values().any(|column| column.counters.len() != self.members.len())
        {
            return Err("ST1: members are strictly increasing, with a counter in each column");
        }
        let is_right = |column: &Column| {
            let lowest = column.counters.iter().filter(|&&counter| counter == column.stable).count();
            column.counters.iter().all(|&counter| counter >= column.stable)
                && lowest == column.lowest
                && (lowest > 0 || self.members.is_empty())
        };
        if self.columns.values().all(is_right) {
            Ok(())
        } else {
            Err("ST2: the lowest counter is stable, and it is counted how many are there")
        }
    }
}
