//! The allocating types by name; the only module that names `no_std_compat`.
//!
//! `no_std_compat` re-exports all of `alloc`, including `alloc::sync`, which does not exist on a target without
//! compare-and-swap. There the same types come from `alloc` itself, under its name.

#[cfg(not(target_has_atomic = "ptr"))]
extern crate alloc as no_std_compat;

pub(crate) use no_std_compat::boxed::Box;
pub(crate) use no_std_compat::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};
pub(crate) use no_std_compat::rc::Rc;
pub(crate) use no_std_compat::string::String;
#[cfg(target_has_atomic = "ptr")]
pub(crate) use no_std_compat::sync::Arc;
pub(crate) use no_std_compat::vec::{self, Vec};
