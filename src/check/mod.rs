//! Oracles that judge a recorded run: is its delivery causal, is its order total? They share no code with the protocols
//! that they judge.
//!
//! A test, a simulation or a fuzzing harness reports each event as it happens, and learns of the first violation as it
//! occurs. An event that is refused is not recorded. Both oracles take time linear in the length of the run.
//!
//! | oracle | judges |
//! |---|---|
//! | [`CausalRun`] | causal delivery: causes first, exactly once, everywhere |
//! | [`OrderRun`] | total order broadcast: one order everywhere, without gaps or repetitions; each node's messages in its order; no acknowledged message lost, none delivered that was refused; on request, real time |
//!
//! A *site* is a place where messages are delivered; sites are numbered from 0. Usually a site is one node; a replay
//! may put many nodes at one site.

mod causal;
mod error;
mod order;

pub use causal::CausalRun;
pub use error::{CausalViolation, OrderViolation};
pub use order::OrderRun;
