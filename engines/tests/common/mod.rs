//! What tests with a PostgreSQL share.

// Every test program compiles its own copy and uses a part of it.
#![allow(dead_code, reason = "shared by test programs that each use a part")]

pub(crate) mod awaited;

use std::sync::atomic::{AtomicU64, Ordering};

/// Returns how to connect to the server of `engines/with-postgres.sh`; `None`, said aloud, if there is none.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var("HAPPENS_BEFORE_POSTGRES").ok();
    if url.is_none() {
        eprintln!("SKIPPED: HAPPENS_BEFORE_POSTGRES is not set; run this by engines/with-postgres.sh");
    }
    url
}

/// A name that nothing in the database has.
pub(crate) fn name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("test {} {}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst))
}
