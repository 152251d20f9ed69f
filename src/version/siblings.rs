//! The values of one key that were written concurrently: a dotted version vector set.

use super::error::{InvalidSiblings, ValueRefused};
use super::vector::VersionVector;
use crate::compat::{Box, Vec};
use crate::node::{CounterExhausted, Dot, NodeId};

/// The values of one key of a replicated store. A value stays until a later one overwrites it, so values that were
/// written concurrently stay side by side.
///
/// In the costs below, n is the number of nodes that have written the key, and k the number of values. For
/// [`sync`](Self::sync), each is the larger of the two sides' numbers.
///
/// # The problem
///
/// Many clients write to a few servers. If the store keeps the last value only, it loses writes. If it has one version
/// vector for each *client*, vectors grow without bound. If a value has a version vector of *servers* and nothing more,
/// two clients that write through the same server get vectors that look ordered:
///
/// ```text
///   value   client read   vector of the write
///   x       nothing       {a: 1}
///   y       nothing       {a: 2}      looks later than x, and would overwrite it
/// ```
///
/// A server that keeps both values, and gives both the vector {a: 2}, cannot tell later which of the two a client has
/// read. So it keeps values that were overwritten, and values multiply: *sibling explosion*.
///
/// # The algorithm
///
/// Each value has the [`Dot`] of its own write, and all values together have one vector, the *context*: every write
/// that is known here. A known write without a value was overwritten.
///
/// 1. A read returns the [`values`](Self::values) and the [`context`](Self::context).
/// 2. A write sends back the context of the read before it. [`update`](Self::update) removes exactly the values that
///    this context contains, and gives the new value the next dot of the server.
/// 3. Servers exchange their states. [`sync`](Self::sync) keeps a value if both have it, or if one has it and the other
///    does not know its write yet.
///
/// # Guarantees
///
/// - A value is kept exactly if its write is known, and no known write has overwritten it.
/// - The order and the number of syncs make no difference: states form a lattice, and servers that know the same writes
///   have equal states.
/// - The context has one entry for each *server* that ever wrote the key, whatever the number of clients. A value adds
///   one dot.
///
/// # What you must do
///
/// - Only the server `node` writes under its id, and it saves the new state before it answers. A server that lost its
///   state returns under a new id.
/// - A client can forge a context. Then it overwrites values that it has not read, or uses up the counters of a server.
///   Sign the context, or keep it at the server.
/// - Clients that never read add a value with each write. Check [`len`](Self::len) before you accept a write, and ask
///   the client to read and merge if there are too many.
///
/// # Examples
///
/// ```
/// use happens_before::VersionVector;
/// use happens_before::version::Siblings;
///
/// let mut server_a = Siblings::new();
/// server_a.update(&VersionVector::new(), "milk", "a")?;
/// let read_by_ann = server_a.context().clone();
/// server_a.update(&VersionVector::new(), "bread", "a")?; // by Bob, who has read nothing
/// server_a.update(&read_by_ann, "milk, eggs", "a")?; // overwrites "milk", which Ann has read
/// assert!(server_a.values().eq(&["bread", "milk, eggs"]));
///
/// let mut server_b = Siblings::new();
/// server_b.sync(server_a.clone());
/// let merged = server_b.context().clone(); // a client reads both values, and merges them
/// server_b.update(&merged, "bread, milk, eggs", "b")?;
///
/// server_a.sync(server_b);
/// assert!(server_a.values().eq(&["bread, milk, eggs"]));
/// assert_eq!(server_a.context().to_string(), "{a: 3, b: 1}");
/// # Ok::<(), happens_before::version::ValueRefused<&str>>(())
/// ```
///
/// # Invariants
///
/// - SI1: values are sorted by dot, and no dot stands twice.
/// - SI2: the context contains each dot.
///
/// # Sources
///
/// Preguiça, Baquero, Almeida, Fonte, Gonçalves, *Dotted Version Vectors: Logical Clocks for Optimistic Replication*
/// (2010), and *Brief Announcement: Efficient Causality Tracking in Distributed Storage Systems with Dotted Version
/// Vectors* (2012). Deviations from their reference implementation, `dvvset`:
///
/// 1. `context` is called `join` there.
/// 2. The reference has values without a dot, such as the result of a merge on read. It keeps such a value until it
///    meets a state that is later as a whole. Then the result depends on the order of syncs, and servers that know the
///    same writes can differ; `tests/paper_siblings.rs` shows a run. Here every value has a dot: write the result of a
///    merge with [`update`](Self::update).
/// 3. A value has its dot beside it. The reference derives dots from the number of values of each server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Siblings<I, V> {
    context: VersionVector<I>,
    versions: Vec<(Dot<I>, V)>,
}

impl<I, V> Siblings<I, V> {
    /// Makes an empty state, which knows no write. Does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self { context: VersionVector::new(), versions: Vec::new() }
    }

    /// Returns all writes that are known, those that were overwritten included.
    ///
    /// Hand it to the client with the values, and pass it to [`update`](Self::update) with the client's next value. To
    /// compare the states of two servers, compare their contexts. O(1).
    #[doc(alias = "join")]
    pub fn context(&self) -> &VersionVector<I> {
        &self.context
    }

    /// Visits the values in the order of their dots.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator + Clone {
        self.versions.iter().map(|(_, value)| value)
    }

    /// Visits the values with the dots of their writes, in the order of the dots.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Dot<I>, &V)> + DoubleEndedIterator + Clone {
        self.versions.iter().map(|(dot, value)| (dot, value))
    }

    #[cfg(feature = "serde")]
    pub(crate) fn versions(&self) -> &[(Dot<I>, V)] {
        &self.versions
    }

    /// Returns the number of values; more than one if writes were concurrent. O(1).
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Returns whether there are no values. O(1).
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Returns the context, and the values with their dots, to be saved or sent.
    pub fn into_parts(self) -> (VersionVector<I>, Vec<(Dot<I>, V)>) {
        (self.context, self.versions)
    }
}

impl<I: NodeId, V> Siblings<I, V> {
    /// Makes a state from its parts, the values in any order. O(k log k + k log n).
    ///
    /// # Errors
    ///
    /// [`InvalidSiblings`] if a dot is not in the context, or stands twice. It hands the parts back.
    ///
    /// ```
    /// use happens_before::{Dot, VersionVector};
    /// use happens_before::version::Siblings;
    ///
    /// let versions = vec![(Dot::new("a", 2).unwrap(), "milk")];
    /// let saved = Siblings::from_parts(VersionVector::from_iter([("a", 2)]), versions)?;
    /// assert!(saved.values().eq(&["milk"]));
    ///
    /// let (_, versions) = saved.into_parts();
    /// let error = Siblings::from_parts(VersionVector::new(), versions).unwrap_err();
    /// assert_eq!(error.parts.1.len(), 1);
    /// # Ok::<(), happens_before::version::InvalidSiblings<(VersionVector<&str>, Vec<(Dot<&str>, &str)>)>>(())
    /// ```
    #[expect(clippy::type_complexity, reason = "the error hands back what was passed in")]
    pub fn from_parts(
        context: VersionVector<I>,
        mut versions: Vec<(Dot<I>, V)>,
    ) -> Result<Self, InvalidSiblings<(VersionVector<I>, Vec<(Dot<I>, V)>)>> {
        versions.sort_by(|(x, _), (y, _)| x.cmp(y));
        let siblings = Self { context, versions };
        match siblings.internal_validate() {
            Ok(()) => Ok(siblings),
            Err(_) => Err(InvalidSiblings { parts: Box::new(siblings.into_parts()) }),
        }
    }

    /// Writes a value at the server `node`. It overwrites the values that `context` contains, which are those that the
    /// client has read. Returns the dot of the write. O(n + k log n).
    ///
    /// A client that has read nothing passes an empty context. Its value stands beside all others. To delete a key,
    /// write a value that stands for "deleted".
    ///
    /// # Errors
    ///
    /// [`ValueRefused`] if the last counter of the server is used. It hands the value back, and nothing has changed.
    ///
    /// ```
    /// use happens_before::VersionVector;
    /// use happens_before::version::Siblings;
    ///
    /// let mut siblings = Siblings::new();
    /// let forged = VersionVector::from_iter([("a", u64::MAX)]);
    /// let error = siblings.update(&forged, "milk", "a").unwrap_err();
    /// assert_eq!(error.value, "milk");
    /// assert!(siblings.context().is_empty());
    /// ```
    pub fn update(&mut self, context: &VersionVector<I>, value: V, node: I) -> Result<Dot<I>, ValueRefused<V>> {
        let last = self.context.get(&node).max(context.get(&node));
        let Some(dot) = last.checked_add(1).and_then(|next| Dot::new(node, next)) else {
            return Err(ValueRefused { value, error: CounterExhausted { limit: u64::MAX } });
        };
        remove_seen(&mut self.versions, context);
        self.context.merge(context);
        self.context.observe(&dot);
        let at = self.versions.partition_point(|(other, _)| *other < dot);
        self.versions.insert(at, (dot.clone(), value));
        Ok(dot)
    }

    /// Adds all writes that another server knows, with their values, and removes the values that they overwrote.
    /// O(n + k log n).
    pub fn sync(&mut self, other: Self) {
        let Self { context, mut versions } = other;
        if count_seen(&self.versions, &context) > 0 {
            self.versions.retain(|(dot, _)| {
                !context.contains(dot) || versions.binary_search_by(|(theirs, _)| theirs.cmp(dot)).is_ok()
            });
        }
        remove_seen(&mut versions, &self.context);
        let ours = self.versions.len();
        self.versions.append(&mut versions);
        // Two runs in order.
        let (ours, theirs) = self.versions.split_at(ours);
        if let (Some((last, _)), Some((first, _))) = (ours.last(), theirs.first())
            && last > first
        {
            self.versions.sort_by(|(x, _), (y, _)| x.cmp(y));
        }
        self.context.merge(&context);
    }

    /// Checks the invariants of the type's docs; an error names the broken one.
    #[doc(hidden)]
    pub fn internal_validate(&self) -> Result<(), &'static str> {
        if !self.versions.is_sorted_by(|(x, _), (y, _)| x < y) {
            Err("SI1: values are sorted by dot, and no dot stands twice")
        } else if !self.versions.iter().all(|(dot, _)| self.context.contains(dot)) {
            Err("SI2: the context contains each dot")
        } else {
            self.context.internal_validate()
        }
    }
}

/// Counts the values that `context` contains. The values are sorted by dot.
fn count_seen<I: Ord, V>(versions: &[(Dot<I>, V)], context: &VersionVector<I>) -> usize {
    let of_one_node = versions.chunk_by(|(x, _), (y, _)| x.node() == y.node());
    let seen = of_one_node.map(|versions| {
        let seen = versions.first().map_or(0, |(dot, _)| context.get(dot.node()));
        versions.partition_point(|(dot, _)| dot.counter() <= seen)
    });
    seen.sum()
}

/// Removes the values that `context` contains. Nearly always these are none or all.
fn remove_seen<I: Ord, V>(versions: &mut Vec<(Dot<I>, V)>, context: &VersionVector<I>) {
    match count_seen(versions, context) {
        0 => {}
        all if all == versions.len() => versions.clear(),
        _ => versions.retain(|(dot, _)| !context.contains(dot)),
    }
}

impl<I, V> Default for Siblings<I, V> {
    fn default() -> Self {
        Self::new()
    }
}
