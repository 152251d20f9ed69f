//! Whether the program was started with its standard output closed, `hb replay >&-`.
//!
//! When `main` begins it is too late to ask: Rust's runtime has put `/dev/null` in its place, and a report that is
//! printed there is lost without an error. Nothing that can be asked later tells this `/dev/null` from one that was
//! meant. So the question is asked before the runtime starts, by a function that the loader calls.

use std::io::stdout;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // Of the standard library only what needs no runtime: a duplicate of what is closed cannot be made.
    #[ctor(unsafe)]
    fn look() {
        CLOSED.store(stdout().as_fd().try_clone_to_owned().is_err(), Ordering::Relaxed);
    }
}

pub(crate) fn standard_output() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
