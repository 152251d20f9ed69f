//! The allocating types, by name; the one module that names `no_std_compat`.

pub(crate) use no_std_compat::vec::Vec;
