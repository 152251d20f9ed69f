//! Total order broadcast over a linearizable counter.

pub mod fence;
mod position;

#[cfg(feature = "alloc")]
mod entry;
#[cfg(feature = "alloc")]
pub mod log;
#[cfg(feature = "alloc")]
mod memory;

#[cfg(feature = "alloc")]
pub use entry::{BatchError, BatchErrorKind, Content, Entry, IntoPayloads, Payloads};
pub use fence::{Fence, FencingToken, StaleToken};
#[cfg(feature = "alloc")]
pub use log::{AppendAnswer, AppendLog, Log, ReadAnswer, SealAnswer, SlotLog, WriteAnswer};
#[cfg(feature = "alloc")]
pub use memory::{LogFull, MemoryLog};
pub use position::Position;
