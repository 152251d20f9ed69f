//! The common part of the tests with a PostgreSQL.

// Every test program compiles its own copy and uses a part of it.
#![allow(dead_code, reason = "shared by test programs that each use a part")]

pub(crate) mod awaited;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ::postgres::{Client, NoTls};
use happens_before::Dot;
use happens_before::broadcast::Entry;

/// Returns the URL of the server of `engines/with-postgres.sh`. Prints a note and returns `None` if there is none.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var("HAPPENS_BEFORE_POSTGRES").ok();
    if url.is_none() {
        eprintln!("SKIPPED: HAPPENS_BEFORE_POSTGRES is not set; run this by engines/with-postgres.sh");
    }
    url
}

/// Returns a name that is new in the database.
pub(crate) fn name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("test {} {}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst))
}

/// Returns the lock of the tests that kill the server, so that they run one after another.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn message(number: u64) -> Entry<u64, Vec<u8>> {
    Entry::message(0, Dot::new(7, number).unwrap(), b"said".to_vec())
}

pub(crate) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

pub(crate) fn crash() {
    let crash = std::env::var("HAPPENS_BEFORE_POSTGRES_CRASH").expect("with-postgres.sh sets both");
    assert!(Command::new(crash).status().unwrap().success(), "the server did not start again");
}

/// Waits until `count` statements with this text wait for a lock.
pub(crate) fn until_waiting(client: &mut Client, text: &str, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    for _ in 0..20_000 {
        if client.query_one(waiting, &[&format!("%{text}%")]).unwrap().get::<_, i64>(0) >= count {
            return;
        }
        thread::yield_now();
    }
    eprintln!("nobody waits in a statement with {text:?}");
    std::process::exit(1); // a panic would wait for the waiting threads
}
