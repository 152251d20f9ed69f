//! The counter: one row, which every take of numbers changes in a transaction.

use core::num::NonZeroU64;
use std::sync::Arc;

use ::redb::ReadableTable;
use happens_before::counter::Counter;

use super::Redb;
use super::error::RedbError;
use super::guarded::Done;
use super::rows::{COUNTERS, Place, Row};
use crate::error::MAX;

/// A linearizable counter in a [`Redb`]; clones are the same counter.
///
/// Taking numbers costs a synchronous write, after all earlier ones in the file; [`Coalesced`](crate::Coalesced) shares
/// it among threads. `current` does not wait. Both are O(log n) for n counters.
///
/// # Errors
///
/// [`RedbError`]; if the outcome of a take is [`Unknown`](RedbError::Unknown), its numbers may be spent.
#[derive(Clone, Debug)]
pub struct RedbCounter {
    pub(super) redb: Redb,
    pub(super) name: Arc<str>,
}

impl RedbCounter {
    fn last(&self, counters: &impl ReadableTable<&'static str, Row>) -> Result<u64, RedbError> {
        let Some(row) = counters.get(&*self.name)? else { return Ok(0) };
        let [last] = Place::counter(&self.name).decode(row.value())?;
        Ok(last)
    }

    /// Changes the last number taken with `change`, and returns the previous one.
    fn change(&self, change: impl FnOnce(u64) -> Result<u64, RedbError>) -> Result<u64, RedbError> {
        self.redb.database.write(|transaction| {
            let mut counters = transaction.open_table(COUNTERS)?;
            let last = self.last(&counters)?;
            let next = change(last)?;
            if next == last {
                return Ok(Done::Nothing(last));
            }
            counters.insert(&*self.name, &*Place::counter(&self.name).encode(&[next]))?;
            Ok(Done::Changed(last))
        })
    }

    /// Raises the counter, so that only numbers above `last` are taken from now on. A second call changes nothing.
    ///
    /// A new epoch needs a counter above the tail that [`seal`](happens_before::broadcast::Log::seal) returned.
    /// [`begin_epoch`](happens_before::broadcast::blocking::begin_epoch) raises it by itself.
    ///
    /// # Errors
    ///
    /// [`RedbError`], which says whether it is done.
    pub fn raise(&self, last: u64) -> Result<(), RedbError> {
        RedbError::in_range(last)?;
        self.change(|before| Ok(before.max(last))).map(drop)
    }
}

impl Counter for RedbCounter {
    type Error = RedbError;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, RedbError> {
        let next = |last: u64| last.checked_add(n.get()).filter(|&next| next <= MAX);
        let last = self.change(|last| next(last).ok_or(RedbError::Exhausted { last }))?;
        // No overflow: the next one was in range.
        Ok(last + 1)
    }

    fn current(&self) -> Result<u64, RedbError> {
        self.redb.database.read(|transaction| self.last(&transaction.open_table(COUNTERS)?))
    }
}
