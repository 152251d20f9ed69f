//! The protocols of `happens-before`, explored exhaustively at small bounds by a model checker.
//!
//! The models run the crate's own code, not a description of it: a state of a model consists of real machines and the
//! messages on the network. The tests print the bounds and the number of states.

pub mod broadcast;
pub mod covering;
pub mod endpoint;
pub mod replay;
