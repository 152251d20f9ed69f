//! The 64-bit atomics, by name; the one module that knows where they come from.
//!
//! | build | atomics of |
//! |---|---|
//! | our own tests with `--cfg loom` | loom, which explores every interleaving: see `src/loom.rs` |
//! | the target has 64-bit atomics | core |
//! | it has not, with feature `portable-atomic` | portable-atomic |
//! | it has not, without the feature | none: what is shared by threads is left out |
//!
//! The condition for "there are some" is spelled out wherever something is left out, since a `cfg` cannot be
//! given a name without a build script: `any(target_has_atomic = "64", feature = "portable-atomic")`.

#[cfg(all(not(all(loom, test)), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(not(all(loom, test)), not(target_has_atomic = "64"), feature = "portable-atomic"))]
pub(crate) use portable_atomic::{AtomicU64, Ordering};

/// Declares a `const fn`, except with loom's atomics, which register themselves when they are made.
#[cfg(any(target_has_atomic = "64", feature = "portable-atomic"))]
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
