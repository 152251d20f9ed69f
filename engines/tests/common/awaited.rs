//! An asynchronous engine as a blocking one, so that the same suites judge both. Each call waits for its answer, on a
//! runtime that drives the connections.

use core::num::NonZeroU64;
use std::sync::Arc;

use happens_before::broadcast::{
    AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit, SealAnswer, SlotLog, WriteAnswer,
};
use happens_before::counter::Counter;
use happens_before_engines::asynchronous::{AsyncAppendLog, AsyncCounter, AsyncLog, AsyncSlotLog};
use happens_before_engines::postgres::{AsyncPostgres, PostgresConfig};
use tokio::runtime::Runtime;

pub(crate) struct Awaited<T> {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) engine: T,
}

/// Opens the database on a new runtime.
pub(crate) fn open(url: &str) -> Awaited<AsyncPostgres> {
    open_with(url, PostgresConfig::default())
}

pub(crate) fn open_with(url: &str, config: PostgresConfig) -> Awaited<AsyncPostgres> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (runtime, url) = (Arc::new(runtime.expect("a runtime")), url.to_string());
    let connect = move || {
        let url = url.clone();
        async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    };
    let engine = runtime.block_on(AsyncPostgres::open_with(config, connect));
    Awaited { runtime: runtime.clone(), engine: engine.expect("open") }
}

impl<T> Awaited<T> {
    /// Returns the result of `make`, on the same runtime.
    pub(crate) fn then<U, E: core::fmt::Debug>(
        &self,
        make: impl AsyncFnOnce(&T) -> Result<U, E>,
    ) -> Awaited<U> {
        let engine = self.runtime.block_on(make(&self.engine)).expect("made");
        Awaited { runtime: self.runtime.clone(), engine }
    }
}

impl<C: AsyncCounter> Counter for Awaited<C> {
    type Error = C::Error;

    fn increment_and_get(&self, n: NonZeroU64) -> Result<u64, C::Error> {
        self.runtime.block_on(self.engine.increment_and_get(n))
    }

    fn current(&self) -> Result<u64, C::Error> {
        self.runtime.block_on(self.engine.current())
    }
}

impl<L: AsyncLog> Log for Awaited<L> {
    type Node = L::Node;
    type Payload = L::Payload;
    type Error = L::Error;

    fn read(&self, from: u64, limit: ReadLimit) -> Result<ReadAnswer<L::Node, L::Payload>, L::Error> {
        self.runtime.block_on(self.engine.read(from, limit))
    }

    fn seal(&self, epoch: u64) -> Result<SealAnswer, L::Error> {
        self.runtime.block_on(self.engine.seal(epoch))
    }

    fn trim(&self, below: u64) -> Result<u64, L::Error> {
        self.runtime.block_on(self.engine.trim(below))
    }
}

impl<L: AsyncSlotLog> SlotLog for Awaited<L> {
    fn write(
        &self,
        slot: u64,
        entry: &Entry<L::Node, L::Payload>,
    ) -> Result<WriteAnswer<L::Node, L::Payload>, L::Error> {
        self.runtime.block_on(self.engine.write(slot, entry))
    }
}

impl<L: AsyncAppendLog> AppendLog for Awaited<L> {
    fn append(&self, entry: &Entry<L::Node, L::Payload>) -> Result<AppendAnswer, L::Error> {
        self.runtime.block_on(self.engine.append(entry))
    }
}
