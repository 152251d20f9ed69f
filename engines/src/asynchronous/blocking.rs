//! An asynchronous wrapper for counters and logs that hardly block.

use core::num::NonZeroU64;

use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;

use super::{AsyncAppendLog, AsyncCounter, AsyncLog, AsyncSlotLog};

/// A blocking counter or log as an asynchronous one. Each request **blocks the thread** that polls it until it is done.
///
/// Use it for engines in memory: an [`AtomicCounter`](happens_before::counter::AtomicCounter), or a `Mutex<MemoryLog>`,
/// whose lock is held only during a request. Do not use it for engines that wait for a disk or a network: all other
/// tasks of the thread would wait too.
///
/// # Examples
///
/// A function over a counter in memory, with the `.await` that any other asynchronous counter needs.
///
/// ```
/// use happens_before::counter::AtomicCounter;
/// use happens_before_engines::asynchronous::{AsyncCounter, Blocking};
///
/// async fn how_many(counter: &Blocking<AtomicCounter>) -> u64 {
///     counter.current().await.unwrap_or(0)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking<T>(pub T);

impl<C: Counter + Sync> AsyncCounter for Blocking<C> {
    type Error = C::Error;

    async fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, C::Error> {
        self.0.increment_and_get(n)
    }

    async fn current(&self) -> Result<u64, C::Error> {
        self.0.current()
    }
}

impl<L: Log + Sync> AsyncLog for Blocking<L> {
    type Node = L::Node;
    type Payload = L::Payload;
    type Error = L::Error;

    async fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<L::Node, L::Payload>, L::Error> {
        self.0.read(from, limit)
    }

    async fn seal(&self, epoch: u64) -> Result<SealAnswer, L::Error> {
        self.0.seal(epoch)
    }

    async fn trim(&self, below: u64) -> Result<u64, L::Error> {
        self.0.trim(below)
    }
}

impl<L: SlotLog<Node: Sync, Payload: Sync> + Sync> AsyncSlotLog for Blocking<L> {
    async fn write(
        &self,
        slot: u64,
        entry: &Entry<L::Node, L::Payload>,
    ) -> Result<WriteAnswer<L::Node, L::Payload>, L::Error> {
        self.0.write(slot, entry)
    }
}

impl<L: AppendLog<Node: Sync, Payload: Sync> + Sync> AsyncAppendLog for Blocking<L> {
    async fn append(&self, entry: &Entry<L::Node, L::Payload>) -> Result<AppendAnswer, L::Error> {
        self.0.append(entry)
    }
}
