//! The 64-bit atomics by name; the only module that knows their source.
//!
//! | build | atomics of |
//! |---|---|
//! | our own tests with `--cfg loom` | loom, which explores every interleaving: see `src/loom.rs` |
//! | the target has 64-bit atomics | core |
//! | the target has none, with feature `portable-atomic` | portable-atomic |
//! | the target has none, without the feature | none: types that threads share are left out |
//!
//! CI builds for a target without 64-bit atomics, but cannot run tests there. So it also runs the tests elsewhere with
//! `--cfg happens_before_without_atomics`, which pretends that the target has none and serves nothing else.
//!
//! Items that may be left out stand in `where_atomics!`. Two whole files, `scalar/atomic.rs` and `counter/atomic.rs`,
//! have the condition spelled out beside their `mod`, because rustfmt does not look for files in a macro.

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
