//! Durable counters and logs for [`happens_before::broadcast`]: start in one process, and grow without changing code.
//!
//! # Which one do I need?
//!
//! | I have | take | shared by | a write costs |
//! |---|---|---|---|
//! | one process, and may lose everything with it | [`MemoryLog`](happens_before::broadcast::MemoryLog) and [`AtomicCounter`](happens_before::AtomicCounter), in the core | threads | nothing |
//! | one process, and a disk | `redb::Redb` | threads | a synchronous write, one after another |
//! | several processes or machines, and a PostgreSQL | `postgres::Postgres` | whoever reaches the server | a round trip and a synchronous write, shared by those who wait |
//! | one number to survive a restart, for [`ReserveAhead`](happens_before::ReserveAhead) | [`FileStore`] | nobody | two synchronous writes |
//! | many threads that all want numbers from a counter that is far away | [`Coalesced`], around any of the above | threads | a call for all that wait |
//!
//! # What every engine promises
//!
//! What [`Counter`](happens_before::Counter) and [`broadcast::log`](happens_before::broadcast::log) ask for, L1 to L5;
//! `conformance` checks it, for these and for an engine of your own. What was answered survives the end of the process
//! and of the machine at any moment. What was not answered is an [`EngineError`], which says whether it is *not done* or
//! *unknown*, and then how to find out.
//!
//! Nodes are whatever [`codec`](happens_before::codec) can write; payloads are bytes: `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>`,
//! or any type with `AsRef<[u8]>` and `From<Vec<u8>>`.
//!
//! # Features
//!
//! | feature | default | what it is |
//! |---|---|---|
//! | `redb` | on | counters and logs in one file; brings in [redb](https://docs.rs/redb), which has no dependencies but `libc` |
//! | `postgres` | off | counters and logs in PostgreSQL; brings in [postgres](https://docs.rs/postgres), and with it tokio |
//! | `conformance` | off | the tests that every engine passes |
//!
//! # Why no others?
//!
//! **Redis** repeats numbers after a failover, with `appendfsync always` too: it is no counter, and a slot that was
//! written may be empty again. **Sequences of `PostgreSQL`** repeat numbers after a crash, and `tests/postgres.rs` shows it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::missing_errors_doc, clippy::missing_panics_doc))]

pub mod asynchronous;
mod coalesced;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod entry;
mod error;
pub mod file;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redb")]
pub mod redb;

pub use coalesced::Coalesced;
pub use error::{EngineError, Outcome};
pub use file::FileStore;
