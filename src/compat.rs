//! The allocating types, by name; the one module that names `no_std_compat`.

pub(crate) use no_std_compat::boxed::Box;
pub(crate) use no_std_compat::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};
pub(crate) use no_std_compat::string::String;
pub(crate) use no_std_compat::vec::{self, Vec};
