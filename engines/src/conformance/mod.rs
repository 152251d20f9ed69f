//! The tests that every engine passes: for those of this crate, and for one of your own.
//!
//! Each function panics with what is wrong, and with the seed where there is one. All take a function that makes a *new,
//! empty* counter or log each time it is called, and one that *restarts* it: drops what it is given, opens the same again,
//! and returns it. What has nothing to restart is returned as it came.
//!
//! | function | what it checks |
//! |---|---|
//! | [`counter`](counter()) | numbers from 1, each once; linearizable between threads; kept over a restart; a request too large changes nothing |
//! | [`slots`] | the same answers as [`MemoryLog`], request by request, over restarts; one of many writers wins; sealed is sealed, trimmed is trimmed, whoever writes meanwhile; the numbers of a node go up; a read within few bytes gets on |
//! | [`appends`] | the same for appends; no hole at any moment; later is higher; a repeated append says where the first is |
//! | [`unreadable`] | a slot whose bytes were damaged is answered as unreadable, and what is beyond it is read |
//! | [`broadcast`](broadcast()), [`broadcast_appends`] | publishers and subscribers over it, whose requests and answers get lost and late ([`Unreliable`]), with dead number takers and a new epoch; judged by [`check::OrderRun`](happens_before::check::OrderRun) |
//!
//! # Examples
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

/// The seed of HAPPENS_BEFORE_SEED, or this one.
fn seed(default: u64) -> u64 {
    let given = std::env::var("HAPPENS_BEFORE_SEED").ok();
    given.map_or(default, |given| given.parse().expect("HAPPENS_BEFORE_SEED is a number"))
}
