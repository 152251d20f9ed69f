//! The protocols of `happens-before`, explored exhaustively at small bounds by a model checker.
//!
//! What runs here is the crate's own code, not a description of it: a state of the model is the states of real
//! machines and what is on the network. The tests print the bounds and how many states there are.

pub mod broadcast;
pub mod covering;
pub mod endpoint;
pub mod replay;
