//! `Endpoint`, the state machine of reliable causal broadcast.
#![cfg(feature = "alloc")]

#[path = "../common/mod.rs"]
mod common;
mod forged;
mod support;

mod asking;
mod extremes;
mod hostile;
mod mistakes;
mod network;
mod promises;
mod snapshot;
