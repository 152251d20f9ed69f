//! The tests that every engine must pass: those of this crate, and your own.
//!
//! Each function panics with the fault, and with the seed if there is one. Most take two functions. One makes a *new,
//! empty* counter or log at each call. The other *restarts* its argument: it drops it, opens the same one again, and
//! returns it. An engine that cannot be restarted is returned unchanged.
//!
//! | function | checks |
//! |---|---|
//! | [`counter`](counter()) | numbers from 1, each once; linearizable between threads; kept over a restart; a request that is too large changes nothing |
//! | [`slots`] | the same answers as [`MemoryLog`], request by request, over restarts; one of many writers wins; sealed is sealed and trimmed is trimmed, even while others write; the numbers of a node go up; a read with a low limit of bytes makes progress |
//! | [`appends`] | the same for appends; no hole at any moment; later entries in higher slots; a repeated append is answered with the first slot |
//! | [`unreadable`] | a slot whose bytes were damaged is answered as unreadable, and later slots are read |
//! | [`broadcast`](broadcast()), [`broadcast_appends`] | publishers and subscribers whose requests and answers are lost or late ([`Unreliable`]), with publishers that die and a new epoch; judged by [`check::OrderRun`](happens_before::check::OrderRun) |
//!
//! # Examples
//!
//! The suite on the counter and the log in memory. Give your own engine instead, and a `restart` that opens it again.
//!
//! ```
//! use std::sync::Mutex;
//! use happens_before::broadcast::MemoryLog;
//! use happens_before::counter::AtomicCounter;
//! use happens_before_engines::conformance;
//!
//! conformance::counter(AtomicCounter::new, |counter| counter);
//! conformance::slots(|| Mutex::new(MemoryLog::new(10_000)), |log| log);
//! conformance::broadcast(&AtomicCounter::new(), &Mutex::new(MemoryLog::new(10_000)), 1);
//! ```

mod broadcast;
mod counter;
mod faults;
mod log;

pub use broadcast::{broadcast, broadcast_appends};
pub use counter::counter;
pub use faults::{Lost, Unreliable};
pub use log::{appends, slots, unreadable};

#[cfg(doc)]
use happens_before::broadcast::MemoryLog;

/// Returns the seed in HAPPENS_BEFORE_SEED, or `default`.
fn seed(default: u64) -> u64 {
    let given = std::env::var("HAPPENS_BEFORE_SEED").ok();
    given.map_or(default, |given| given.parse().expect("HAPPENS_BEFORE_SEED is a number"))
}
