//! The scenario `broadcast`: total order over a counter or, with one seed in four, over a log that appends. The test
//! `broadcast_simulation` and the fuzz target use the same world.
//!
//! Its nodes talk to the log and the counter, not to each other, so it has a swarm and steps of its own. The fuzzer
//! shortens its failures (`cargo fuzz tmin broadcast`): the bytes of an input are the choices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use testkit::broadcast_world::{End, run, swarm};

use super::{Arguments, COMMAND};

/// Runs the requested seeds, up to the first that fails. Returns whether all hold.
pub(crate) fn simulate(arguments: &Arguments) -> bool {
    let (from, runs) = arguments.seed.map_or((arguments.from, arguments.runs), |seed| (seed, 1));
    let (start, mut acknowledged, mut delivered) = (Instant::now(), 0, 0);
    for seed in from..from + runs {
        let conduct = swarm(seed);
        // A machine panics if one of its invariants is broken.
        match catch_unwind(AssertUnwindSafe(|| run(seed, conduct))) {
            Ok((End::Complete, seen)) => {
                acknowledged += seen.acknowledged;
                delivered += seen.delivered;
            }
            Ok(_) | Err(_) if arguments.find => {
                println!("{seed}");
                return false;
            }
            failed => {
                let words = failed.map_or("it panicked".to_owned(), |(end, _)| format!("{end:?}"));
                println!("seed {seed}: {words}, under {conduct:?}");
                println!("again: {COMMAND} --scenario broadcast --seed {seed}");
                return false;
            }
        }
    }
    if !arguments.find {
        let seconds = start.elapsed().as_secs_f64();
        println!("{runs} runs in {seconds:.1} s: {acknowledged} acknowledged, {delivered} delivered\nall hold");
    }
    true
}
