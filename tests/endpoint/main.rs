//! `Endpoint`, the state machine of reliable causal broadcast.
#![cfg(feature = "alloc")]

mod forged;
mod support;

mod asking;
mod extremes;
mod hostile;
mod mistakes;
mod network;
mod promises;
mod snapshot;
