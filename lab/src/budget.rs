//! A budget of memory for one piece of work, counted while it grows.
//!
//! # The problem
//!
//! The size of a file says nothing about the memory that reading it takes: a file of 100 kB can describe a graph of
//! several gigabytes. So memory is counted as it grows, and the count is compared with a limit *before* more is
//! allocated.
//!
//! # Use
//!
//! The work takes its memory from a [`Budget`]: [`push`](Budget::push) for a list that grows, [`take`](Budget::take)
//! for a known size. An error ends the work. Memory that is freed before the end of the work is given back.
//!
//! The count is of bytes requested from the allocator, without the allocator's overhead.

use std::cell::Cell;
use std::fmt;

/// A limit on the memory of one piece of work, and the bytes taken from it.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Cell<usize>,
}

/// An error: the work would take more memory than its budget allows. The budget is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs more than {} MiB of memory; --memory allows more", self.limit >> 20)
    }
}

impl std::error::Error for OverBudget {}

impl Budget {
    /// Limit of the default budget, in MiB.
    pub const DEFAULT_MIB: usize = 1024;

    /// Makes a budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Cell::new(0) }
    }

    /// Makes a budget of `limit` MiB.
    pub fn of_mib(limit: usize) -> Self {
        Self::new(limit.saturating_mul(1 << 20))
    }

    /// Returns the limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of bytes that are taken now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Takes `bytes` from the budget.
    ///
    /// # Errors
    ///
    /// [`OverBudget`] if fewer are left.
    pub fn take(&self, bytes: usize) -> Result<(), OverBudget> {
        match self.used.get().checked_add(bytes) {
            Some(used) if used <= self.limit => {
                self.used.set(used);
                Ok(())
            }
            _ => Err(OverBudget { limit: self.limit }),
        }
    }

    /// Gives back `bytes` that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// Counts `bytes` without a limit, for work that cannot stop in the middle; a [`check`](Self::check) must follow
    /// soon.
    pub(crate) fn count(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    /// Checks that no more was counted than the budget allows.
    pub(crate) fn check(&self) -> Result<(), OverBudget> {
        self.take(0)
    }

    /// Appends an item to a list, and takes the memory by which the list grows: a full list doubles.
    ///
    /// # Errors
    ///
    /// [`OverBudget`]; then the item is dropped, and the list is unchanged.
    pub fn push<T>(&self, list: &mut Vec<T>, item: T) -> Result<(), OverBudget> {
        self.make_room(list, 1)?;
        list.push(item);
        Ok(())
    }

    /// Appends bytes to a list, and takes the memory by which the list grows.
    ///
    /// # Errors
    ///
    /// [`OverBudget`]; then the list is unchanged.
    pub(crate) fn extend(&self, list: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OverBudget> {
        self.make_room(list, bytes.len())?;
        list.extend_from_slice(bytes);
        Ok(())
    }

    fn make_room<T>(&self, list: &mut Vec<T>, items: usize) -> Result<(), OverBudget> {
        if list.capacity() - list.len() < items {
            let more = items.max(list.capacity());
            self.take(more.saturating_mul(size_of::<T>()))?;
            list.reserve_exact(more);
        }
        Ok(())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_mib(Self::DEFAULT_MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let budget = Budget::new(100);
        assert_eq!(budget.take(60), Ok(()));
        assert_eq!(budget.take(41), Err(OverBudget { limit: 100 }));
        assert_eq!(budget.take(usize::MAX), Err(OverBudget { limit: 100 }));
        assert_eq!(budget.used(), 60);
        assert_eq!(budget.take(40), Ok(()));
        budget.give_back(30);
        assert_eq!((budget.take(30), budget.take(1)), (Ok(()), Err(OverBudget { limit: 100 })));
    }

    #[test]
    fn a_list_is_counted_by_its_capacity() {
        let budget = Budget::new(1000);
        let mut list: Vec<u64> = Vec::new();
        let refused = (0..).find(|&item| budget.push(&mut list, item).is_err());
        assert_eq!(budget.used(), list.capacity() * 8);
        // 64 items fill 512 bytes; room for the next 64 needs as many again.
        assert_eq!((refused, list.len(), budget.used()), (Some(64), 64, 512));

        let budget = Budget::new(10);
        let mut bytes = Vec::new();
        assert_eq!(budget.extend(&mut bytes, b"12345678"), Ok(()));
        assert_eq!(budget.extend(&mut bytes, b"9ab"), Err(OverBudget { limit: 10 }));
        assert_eq!(bytes, b"12345678");
    }
}
