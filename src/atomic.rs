//! The 64-bit atomics, by name; the one module that knows where they come from.
//!
//! | build | atomics of |
//! |---|---|
//! | our own tests with `--cfg loom` | loom, which explores every interleaving: see `src/loom.rs` |
//! | the target has 64-bit atomics | core |
//! | it has not, with feature `portable-atomic` | portable-atomic |
//! | it has not, without the feature | none: what is shared by threads is left out |
//!
//! CI builds for a target without them, but runs none: its tests are built with `--cfg happens_before_without_atomics`,
//! which is for them only, as if the target had none.
//!
//! What is left out stands in `where_atomics!`. Only the two files that are left out as a whole, `scalar/atomic.rs` and
//! `counter/atomic.rs`, spell the condition out beside their `mod`, since rustfmt does not look for files in a macro.

#[cfg(all(not(all(loom, test)), target_has_atomic = "64", not(happens_before_without_atomics)))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(
    not(all(loom, test)),
    not(all(target_has_atomic = "64", not(happens_before_without_atomics))),
    feature = "portable-atomic"
))]
pub(crate) use portable_atomic::{AtomicU64, Ordering};

/// Leaves items out where there are no 64-bit atomics.
macro_rules! where_atomics {
    ($($item:item)+) => {$(
        #[cfg(any(
            all(target_has_atomic = "64", not(happens_before_without_atomics)),
            feature = "portable-atomic"
        ))]
        $item
    )+};
}

where_atomics! {
    /// Declares a `const fn`, except with loom's atomics, which register themselves when they are made.
    macro_rules! const_unless_loom {
        ($(#[$attribute:meta])* pub const fn $($rest:tt)*) => {
            #[cfg(not(all(loom, test)))]
            $(#[$attribute])*
            pub const fn $($rest)*

            #[cfg(all(loom, test))]
            $(#[$attribute])*
            pub fn $($rest)*
        };
    }
}
