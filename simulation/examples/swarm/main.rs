//! Many runs of causal delivery and of total order, under a swarm of faults, on all cores.
//!
//! ```text
//! cargo run --release -p happens-before-simulation --example swarm -- --runs 100000
//! ```
//!
//! Watch the last lines: the counts if all runs hold, and the shortened run of the first failing seed if one does not.
//! The exit code is 0 or 1. Next, choose another `--scenario`, or follow one run with `--seed`; `--help` lists the
//! flags.

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use happens_before_simulation::{Line, Scenario, Setup, Swarm};

mod broadcast;
mod buffer;
mod endpoint;
mod judge;
mod swarms;
#[cfg(test)]
mod tests;

const COMMAND: &str = "cargo run --release -p happens-before-simulation --example swarm --";

/// Runs a scenario from many seeds, and judges each run. Ends with 0 if all hold; else with 1 and the shortened run of
/// the first failing seed.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  ... --runs 100000             all day\n  ... --scenario joining --seed 7    one run, told step by step"
)]
struct Arguments {
    /// The scenario.
    #[arg(long, value_enum, default_value_t)]
    scenario: Which,
    /// The number of runs.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    runs: u64,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    from: u64,
    /// Run only this seed, and print its trace.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["runs", "from"])]
    seed: Option<u64>,
    /// Of a failing run, print only the seed.
    #[arg(long)]
    find: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Which {
    /// Groups of endpoints, with crashes.
    #[default]
    Endpoint,
    /// The same, with nodes that lose their state and join again.
    Joining,
    /// Causal buffers alone, with retransmission of all that is missing.
    Buffer,
    /// Publishers and subscribers of a total order.
    Broadcast,
}

impl Which {
    /// Returns its name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let holds = match arguments.scenario {
        Which::Endpoint => simulate(&arguments, &swarms::endpoint(), endpoint::Endpoints::new),
        Which::Joining => simulate(&arguments, &swarms::joining(), endpoint::Endpoints::new),
        Which::Buffer => simulate(&arguments, &swarms::buffer(), buffer::Buffers::new),
        Which::Broadcast => broadcast::simulate(&arguments),
    };
    ExitCode::from(u8::from(!holds))
}

/// Runs the requested seeds. Returns whether all hold.
fn simulate<S: Scenario>(arguments: &Arguments, swarm: &Swarm, make: impl Fn(Setup) -> S + Sync) -> bool {
    if let Some(seed) = arguments.seed {
        return match swarm.explain(seed, &make) {
            Some(failing) => {
                println!("{failing}");
                false
            }
            None => {
                let (outcome, _) = swarm.run(seed, true, &make);
                for Line { at, words } in &outcome.trace {
                    println!("{at:>7} ms  {words}");
                }
                println!("{:?}", outcome.tally);
                true
            }
        };
    }
    let (start, done, shows) = (Instant::now(), AtomicU64::new(0), std::io::stderr().is_terminal());
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let every = if shows { 500 } else { (arguments.runs / 10).max(1) };
    let found = swarm.search(arguments.from..arguments.from + arguments.runs, threads, &make, &|_| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(every) && !arguments.find {
            let end = if shows { '\r' } else { '\n' };
            let _ = write!(std::io::stderr(), "{done} of {} runs{end}", arguments.runs);
        }
    });
    if arguments.find {
        if let Some(seed) = found.failing {
            println!("{seed}");
            swarm.run(seed, false, &make).0.failure.iter().for_each(|failure| eprintln!("{failure}"));
        }
        return found.failing.is_none();
    }
    let total = found.total;
    println!(
        "{} runs in {:.1} s: {} commands, {} steps, {} packets, {} lost, {} cut off, {} repeated, {} crashes of which \
         {} lost the state, {} s of virtual time",
        found.runs,
        start.elapsed().as_secs_f64(),
        total.commands,
        total.steps,
        total.traffic.packets,
        total.traffic.lost,
        total.traffic.cut,
        total.traffic.duplicated,
        total.crashes,
        total.losses_of_state,
        total.ended_at / 1000,
    );
    match found.failing.and_then(|seed| swarm.explain(seed, &make)) {
        Some(failing) => {
            println!(
                "\n{failing}\nagain: {COMMAND} --scenario {} --seed {}",
                arguments.scenario.name(),
                failing.seed
            );
            false
        }
        None => {
            println!("all hold");
            true
        }
    }
}
