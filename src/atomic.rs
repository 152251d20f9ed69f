//! The 64-bit atomics, by name; the one module that knows where they come from.
//!
//! | build | atomics of |
//! |---|---|
//! | `--cfg loom` | loom, which explores every interleaving |
//! | the target has 64-bit atomics | core |
//! | it has not, with feature `portable-atomic` | portable-atomic |
//! | it has not, without the feature | none: what is shared by threads is left out |
//!
//! The condition for "there are some" is spelled out wherever something is left out, since a `cfg` cannot be
//! given a name without a build script: `any(loom, target_has_atomic = "64", feature = "portable-atomic")`.

#[cfg(all(not(loom), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(not(loom), not(target_has_atomic = "64"), feature = "portable-atomic"))]
pub(crate) use portable_atomic::{AtomicU64, Ordering};

/// Declares a `const fn`, except under loom, whose atomics register themselves when they are made.
#[cfg(any(loom, target_has_atomic = "64", feature = "portable-atomic"))]
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* pub const fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        pub const fn $($rest)*

        #[cfg(loom)]
        $(#[$attribute])*
        pub fn $($rest)*
    };
}
