//! Oracles: was this run causal? was this order total? They judge from the outside, and share no code with what they
//! judge.
//!
//! A test, a simulation or a fuzzing harness records what happens as it happens, and learns of the first violation at
//! the moment at which it occurs. What is refused is not noted. Both take time linear in the run.
//!
//! | oracle | judges |
//! |---|---|
//! | [`CausalRun`] | causal delivery: causes first, exactly once, everywhere |
//! | [`OrderRun`] | total order broadcast: one order everywhere, without gaps, nothing twice, nothing acknowledged lost, each node's own order |
//!
//! A *site* is where messages are delivered, numbered from 0. Usually it is one node; a replay may let many
//! nodes live at one site.

mod causal;
mod error;
mod order;

pub use causal::CausalRun;
pub use error::{CausalViolation, OrderViolation};
pub use order::OrderRun;
