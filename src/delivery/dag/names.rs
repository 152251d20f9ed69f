//! Numbers for the ids that are here or waited for.
//!
//! # Invariants
//!
//! - DN1: every id has a number of its own. Every number belongs to an id or is free.
//! - DN2: an id without event and without links is *unused*. Unused ids are counted, and dropped when they are more
//!   than half of all.
//!
//! The `clone`, `cmp` and `drop` of an id may panic. They are called before anything changes, and when unused ids are
//! dropped.

use crate::compat::{BTreeMap, Vec};

/// The number of an id.
pub(super) type Number = usize;

/// The use of an id.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    /// The arrival of the event, if it is here.
    arrival: Option<u64>,
    /// Number of links that lead from the id.
    links: usize,
}

impl Use {
    const fn is_unused(self) -> bool {
        self.arrival.is_none() && self.links == 0
    }

    const fn is_missing(self) -> bool {
        self.arrival.is_none() && self.links > 0
    }
}

/// The ids that are here or waited for, and unused ones.
#[derive(Clone, Debug)]
pub(super) struct Names<I> {
    ids: BTreeMap<I, Number>,
    /// The use of each number.
    uses: Vec<Use>,
    /// The free numbers.
    free: Vec<Number>,
    /// Number of unused ids.
    unused: usize,
}

impl<I: Clone + Ord> Names<I> {
    pub(super) const fn new() -> Self {
        Self { ids: BTreeMap::new(), uses: Vec::new(), free: Vec::new(), unused: 0 }
    }

    /// Finds the number of an id. O(log h).
    pub(super) fn find(&self, id: &I) -> Option<Number> {
        self.ids.get(id).copied()
    }

    /// Finds the number of an id, or gives it one. O(log h).
    pub(super) fn find_or_add(&mut self, id: &I) -> Number {
        if let Some(&number) = self.ids.get(id) {
            return number;
        }
        let number = self.free.last().copied().unwrap_or(self.uses.len());
        // First, because it calls the id's `clone` and `cmp`, which may panic.
        self.ids.insert(id.clone(), number);
        if self.free.pop().is_none() {
            self.uses.push(Use::default());
        }
        self.unused += 1;
        number
    }

    /// Drops the unused ids if they are more than half of all. O(1) for each, amortised.
    pub(super) fn tidy(&mut self) {
        if self.unused > self.ids.len() / 2 {
            let Self { ids, uses, free, unused } = self;
            ids.retain(|_, &mut number| {
                let is_unused = uses[number].is_unused();
                if is_unused {
                    free.push(number);
                    *unused -= 1;
                }
                !is_unused
            });
        }
    }

    /// Returns the arrival of the event with a number, if it is here.
    pub(super) fn arrival(&self, number: Number) -> Option<u64> {
        self.uses[number].arrival
    }

    /// Returns the arrival of the event `id`, if it is here. O(log h).
    pub(super) fn arrival_of(&self, id: &I) -> Option<u64> {
        self.arrival(self.find(id)?)
    }

    /// Returns the number of links that lead from a number.
    pub(super) fn links(&self, number: Number) -> usize {
        self.uses[number].links
    }

    /// Visits the ids that are waited for and not here, in order.
    pub(super) fn missing(&self) -> impl Iterator<Item = &I> {
        self.ids.iter().filter(|&(_, &number)| self.uses[number].is_missing()).map(|(id, _)| id)
    }

    /// Notes the arrival of the event with a number.
    pub(super) fn arrive(&mut self, number: Number, arrival: u64) {
        self.change(number, |used| used.arrival = Some(arrival));
    }

    /// Notes that the event with a number is no longer here.
    pub(super) fn leave(&mut self, number: Number) {
        self.change(number, |used| used.arrival = None);
    }

    /// Notes that one more link leads from a number.
    pub(super) fn add_link(&mut self, number: Number) {
        self.change(number, |used| used.links += 1);
    }

    /// Notes that one link fewer leads from a number.
    pub(super) fn remove_link(&mut self, number: Number) {
        self.change(number, |used| used.links -= 1);
    }

    fn change(&mut self, number: Number, change: impl FnOnce(&mut Use)) {
        let used = &mut self.uses[number];
        self.unused -= usize::from(used.is_unused());
        change(used);
        self.unused += usize::from(used.is_unused());
    }

    /// Makes all ids unused.
    pub(super) fn clear_uses(&mut self) {
        self.uses.fill(Use::default());
        self.unused = self.ids.len();
    }

    /// Returns the number of events that are here.
    pub(super) fn here(&self) -> usize {
        self.uses.iter().filter(|used| used.arrival.is_some()).count()
    }

    /// Visits all numbers, free ones too.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number> + use<I> {
        0..self.uses.len()
    }

    /// Checks DN1 and DN2. O(h log h).
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let mut numbers: Vec<_> = self.ids.values().chain(&self.free).copied().collect();
        numbers.sort_unstable();
        if !numbers.into_iter().eq(self.numbers()) {
            return Err("DN1: every id has a number of its own");
        }
        if self.ids.values().filter(|&&number| self.uses[number].is_unused()).count() != self.unused
            || !self.free.iter().all(|&number| self.uses[number].is_unused())
        {
            return Err("DN2: unused ids are counted");
        }
        Ok(())
    }
}
