//! Operations on causal contexts, each compared with the same operation on sets of dots, refusals included.

#![no_main]

use testkit::context_model;

use context_model::{Operation, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|operations: Vec<[u8; 6]>| {
    run(operations.into_iter().map(Operation::decode));
});
