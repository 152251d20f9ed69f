//! `Endpoint`, the state machine of reliable causal broadcast.
#![cfg(feature = "alloc")]

#[path = "../common/mod.rs"]
mod common;
mod forged;
mod support;

mod asking;
mod hostile;
mod network;
mod promises;
mod snapshot;
