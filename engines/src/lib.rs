//! Durable counters and logs for [`happens_before::broadcast`]: start in one process, and grow without changing code.
//!
//! ```
//! use happens_before::{Publisher, Subscriber};
//! use happens_before::broadcast::{blocking, PublisherConfig, SubscriberConfig};
//! # #[cfg(feature = "redb")] {
//! use happens_before_engines::redb::Redb;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("chat.redb");
//! let database = Redb::open(path)?; // with PostgreSQL: `Postgres::open(url)?`, and `slots` instead of `log`
//! let (counter, log) = (database.counter("chat")?, database.log::<u32, Vec<u8>>("chat")?);
//! let mut alice = Publisher::new(1, PublisherConfig::default());
//! alice.publish(b"tea?".to_vec())?;
//! blocking::settle(&mut alice, &counter, &log)?; // it is on the disk
//!
//! let mut bob = Subscriber::new(SubscriberConfig::default());
//! blocking::follow(&mut bob, &log, 0)?;
//! assert_eq!(bob.poll_delivery()?.unwrap().payload, Some(b"tea?".to_vec()));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To try code that needs a server, `engines/with-postgres.sh COMMAND` runs the command with a temporary PostgreSQL
//! server.
//!
//! # Which one do I need?
//!
//! | I have | take | shared by | a write costs |
//! |---|---|---|---|
//! | one process, whose data may be lost with it | [`MemoryLog`](happens_before::broadcast::MemoryLog) and [`AtomicCounter`](happens_before::counter::AtomicCounter), in the core | threads | nothing |
//! | one process, and a disk | `redb::Redb` | threads | a synchronous write, one after another |
//! | several processes or machines, and a PostgreSQL | `postgres::Postgres` | all that reach the server | a round trip and a synchronous write, which waiting callers share |
//! | the same, and an asynchronous runtime | `postgres::AsyncPostgres`, driven by [`asynchronous`] | all that reach the server | the same, without a waiting thread |
//! | one number to survive a restart, for [`ReserveAhead`](happens_before::sequence::ReserveAhead) | [`file::FileStore`] | nobody | two synchronous writes |
//! | many threads that take numbers from a slow counter | [`Coalesced`], around any blocking counter | threads | one call for all waiting threads |
//!
//! # Promises of every engine
//!
//! Every engine keeps the promises of [`Counter`](happens_before::counter::Counter) and
//! [`Log`](happens_before::broadcast::Log), L1 to L7. `conformance` checks them, for these engines and for your own.
//! Everything answered survives the end of the process and of the machine at any moment.
//!
//! Node ids are of any type that [`codec`](happens_before::codec) can write. Payloads are bytes: `Vec<u8>`,
//! `Box<[u8]>`, `Arc<[u8]>`, or any type with `AsRef<[u8]>` and `From<Vec<u8>>`. Commands of a
//! [`StateMachine`](happens_before_replicated::StateMachine) over an engine are bytes too.
//! [`Encoded`](happens_before_replicated::Encoded) makes such a machine of one with commands of another type, for example
//! of [`Claims`](happens_before_replicated::claims::Claims).
//!
//! Unique user names that survive a restart, for example. Claim the name once more for another user: it is lost.
//!
//! ```
//! # #[cfg(feature = "redb")] {
//! use happens_before::Publisher;
//! use happens_before::broadcast::{PublisherConfig, SubscriberConfig, blocking::settle_append};
//! use happens_before_engines::redb::Redb;
//! use happens_before_replicated::claims::{Claims, Command, Outcome};
//! use happens_before_replicated::{Encoded, Replica, blocking};
//!
//! type Names = Encoded<Claims<String, u64>>;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("names.redb");
//! let log = Redb::open(path)?.log::<u32, Vec<u8>>("names")?;
//! let mut publisher = Publisher::new(1, PublisherConfig::over_appends());
//! let names: Names = Encoded(Claims::new(1_000));
//! let mut replica = Replica::new(names, SubscriberConfig::default());
//!
//! publisher.publish(Names::encode(&Command::Claim { name: "alice".to_string(), claimant: 51 }))?;
//! let published = settle_append(&mut publisher, &log)?.unwrap(); // it is on the disk
//! let applied = blocking::outcome_append(&mut replica, &published, &log, |until_ms| Some(until_ms))?; // in life: sleep
//! assert_eq!(applied.output, Some(Ok(Outcome::Won)));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Only an *answer* says that a request was carried out, and at which position. After an error the request is either
//! *not done*, or its outcome is *unknown*; [`EngineError::is_unknown`] tells which. The brackets in the table name the
//! tests that cause each failure.
//!
//! | failure | requests | the caller knows | next step |
//! |---|---|---|---|
//! | a number above 2^63 - 1; numbers or slots used up | all | not done ([`OutOfRange`](EngineError::OutOfRange), [`Exhausted`](EngineError::Exhausted)) | do not trust the number; begin an epoch, or another counter `[conformance]` |
//! | an empty name of a counter or a log, or one of more than 63 bytes, or with a control character | `counter`, `log`, `slots`, `appends`, `listen` | not done ([`Name`](EngineError::Name)) | choose another name `[redb_files, postgres_connecting]` |
//! | an entry that is longer than the engine can store: 3 GiB in redb, 1 GiB less 64 KiB in PostgreSQL | write, append | not done ([`EntryTooLong`](EngineError::EntryTooLong)); it was not sent, and the caller still has it, or gets it by [`abandon`](happens_before::Publisher::abandon) | store the payload elsewhere, and publish where it is `[redb_files, postgres_connecting]` |
//! | a slot whose bytes are damaged, or of a later version | read; a write that finds it there | no error: the slot is answered as [`Unreadable`](happens_before::broadcast::Content::Unreadable) | restore it, update, or skip it `[conformance, damage]` |
//! | **redb**: the file is in use, is no database, cannot be read, or is of an earlier version | open | not done | act on the error `[redb_crash, damage]` |
//! | redb: the file is damaged, and redb returns an error or panics | all | not done, in the commit **unknown** | restore the file from a copy; until it is opened again all requests are refused `[damage]` |
//! | redb: the disk, before the commit | all | not done | open the file again; until then all requests are refused `[redb_crash, disk_full]` |
//! | redb: the disk, in the commit | those that change something | **unknown** | open the file again, repeat the request unchanged `[redb_crash, disk_full]` |
//! | redb: a savepoint, or a read transaction, of the caller's own | `compact` | not done | end it, and repeat `[redb_files]` |
//! | redb: the disk | `compact` | **unknown** how much room is given back; no row is lost | open the file again, and repeat `[redb_crash]` |
//! | redb: a payload of the caller's panics | write, append | not done; no other caller notices | `[redb_crash]` |
//! | redb: the process or the machine ends | those that change something | nothing: the request is done or not, as a whole | repeat it `[kill, redb_crash]` |
//! | **PostgreSQL**: a connection string that cannot be used | open | not done | the error says which option is at fault, and shows no part of the text `[postgres_connecting]` |
//! | PostgreSQL: no connection can be made | all | not done | `postgres::ConnectErrorKind` says why: nothing listens there, an unknown host, a wrong password, no such database, TLS, the certificate; act on it, or try again `[postgres_connecting, postgres_errors]` |
//! | PostgreSQL: the caller's function to connect panics | all | not done | try again `[postgres_errors]` |
//! | PostgreSQL: the server refuses, and goes on: a time-out of a lock or a statement, a missing right, a full table space | all | not done: it has rolled back | try again `[postgres_errors]` |
//! | PostgreSQL: connection, process or server end before the answer, or the answer cannot be read | those that change something | **unknown** | repeat it unchanged `[postgres_errors, kill]` |
//! | the same | read, `current` | not done: they change nothing | repeat it |
//! | PostgreSQL: the second of two statements | `seal`, `trim` | **unknown**, although it is done in part | repeat it; both only go forward |
//! | PostgreSQL: `fsync = off`, or a table that is `UNLOGGED` or of an earlier version | open | not done | act on the error `[postgres_settings]` |
//! | PostgreSQL: the row of a counter or a log is gone | all | not done ([`Missing`](EngineError::Missing)) | find out who removed it `[postgres_errors]` |
//! | PostgreSQL: a future is dropped | those that change something | **unknown** | repeat it unchanged `[postgres_errors, asynchronous]` |
//! | **file**: the disk, in a write | `write` | old or new, whole | [read](file::FileStore) it, which makes the number durable `[file, disk_full]` |
//! | file: both copies damaged; written 2^64 times; in use | all | not done (an [`io::Error`](std::io::Error)) | `[file]` |
//! | **memory**: no room | write, append | not done ([`LogFull`](happens_before::broadcast::LogFull)) | trim `[asynchronous]` |
//! | **coalesced**: the inner counter fails, panics, or goes back | `increment_and_get` | numbers are spent or not ([`CoalescedError`]) | call again `[coalesced]` |
//!
//! *Repeat it unchanged* means the same request again. A write of the same entry to the same slot finds itself there.
//! An append with the same id is answered with the slot of the first one. A seal or a trim is repeated as it was.
//! Numbers of a counter may be spent, and no other caller gets them: take others. The drivers of
//! [`broadcast::blocking`](happens_before::broadcast::blocking) and [`asynchronous`] do all of this when they are
//! called again.
//!
//! # Names
//!
//! A counter or a log has a name of 1 to 63 bytes, without control characters. A counter and a log may have the same
//! name. The rule is the same in redb and in PostgreSQL, so that a program can change its engine.
//!
//! # Speed
//!
//! Measured side by side, in one run, on a small machine whose disk takes about 5 ms for a synchronous write (medians
//! of three):
//!
//! ```text
//! engines/with-postgres.sh cargo run --release -p happens-before-engines --features postgres --example speed
//! ```
//!
//! | 64 callers | per second |
//! |---|---|
//! | a number, a call each | 785 |
//! | a number, [`Coalesced`] | 6,010: 7.7 times as many |
//! | counter and slot | 498 |
//! | coalesced counter and slot | 4,256 |
//! | append in one statement | 830: 1.7 times counter and slot; alone, 2.4 times |
//!
//! Slots are written side by side, so they share trips to the disk. Numbers and appends wait in line for one row. With
//! coalesced numbers, slots are the fastest.
//!
//! # Features
//!
//! | feature | default | contents |
//! |---|---|---|
//! | `redb` | on | counters and logs in one file; brings in [redb](https://docs.rs/redb), which has no dependencies but `libc` |
//! | `postgres` | off | counters and logs in PostgreSQL, blocking and asynchronous; brings in [postgres](https://docs.rs/postgres), which is built on tokio-postgres and tokio |
//! | `tls` | off | TLS for these connections, as [`sslmode`](https://docs.rs/happens-before-engines/latest/happens_before_engines/postgres/struct.ConnectionString.html#tls) asks for; brings in [rustls](https://docs.rs/rustls) and [ring](https://docs.rs/ring), which needs a C compiler |
//! | `conformance` | off | the tests that every engine must pass |
//!
//! # Engines left out
//!
//! **Redis** repeats numbers after a failover, even with `appendfsync always`. So it is no counter, and a written slot
//! may be empty again. **Sequences of `PostgreSQL`** repeat numbers after a crash, as `tests/postgres.rs` shows.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::missing_errors_doc, clippy::missing_panics_doc))]

pub mod asynchronous;
mod checksum;
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
pub use error::{CoalescedError, EngineError, NameError};
