//! The guide: one page for each task, read in five to ten minutes, with a program that runs.
//!
//! | page | reader |
//! |---|---|
//! | [`first_value`] | you have never used the crate: one title on two devices |
//! | [`replication`] | you write replication code: a to-do list over a network that loses packets |
//! | [`total_order`] | you need one order for all: unique user names over an engine |
//! | [`clocks`] | you compare clock schemes: one run, three clocks |
//! | [`fuzzing`] | you test a protocol: a seeded network and an oracle |
//! | [`operations`] | you run a log for years: restarts, restores, upgrades, limits |

#[doc = include_str!("../docs/first_value.md")]
pub mod first_value {}

#[doc = include_str!("../docs/replication.md")]
pub mod replication {}

#[doc = include_str!("../docs/total_order.md")]
pub mod total_order {}

#[doc = include_str!("../docs/clocks.md")]
pub mod clocks {}

#[doc = include_str!("../docs/fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("../docs/operations.md")]
pub mod operations {}
