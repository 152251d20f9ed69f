//! Many runs of causal delivery and of total order under the swarm of faults, on all cores.
//!
//! ```text
//! cargo run --release -p happens-before-simulation --example causal -- --runs 100000
//! ```
//!
//! | flag | |
//! |---|---|
//! | `--runs COUNT` | how many runs, 1,000 unless told |
//! | `--from SEED` | the first seed, 1 unless told |
//! | `--seed SEED` | this run alone, and its trace |
//! | `--find` | of what fails, print the seed alone |
//! | `--scenario NAME` | `endpoint`, unless told, `joining`, `buffer` or `broadcast` |
//!
//! Ends with 0 if all runs hold, and with 1 and the shortened run of the first seed that fails if one does not.

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use happens_before_simulation::{Line, Scenario, Setup, Swarm};

mod broadcast;
mod buffer;
mod endpoint;
mod judge;
mod swarms;

const COMMAND: &str = "cargo run --release -p happens-before-simulation --example causal --";

/// What the command line asks for.
struct Arguments {
    from: u64,
    runs: u64,
    seed: Option<u64>,
    find: bool,
    scenario: String,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments =
        Arguments { from: 1, runs: 1000, seed: None, find: false, scenario: "endpoint".to_owned() };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        if flag == "--find" {
            arguments.find = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{flag} needs a number, not {value:?}"));
        match flag.as_str() {
            "--from" => arguments.from = number()?,
            "--runs" => arguments.runs = number()?,
            "--seed" => arguments.seed = Some(number()?),
            "--scenario" => arguments.scenario = value,
            _ => {
                return Err(format!(
                    "no flag {flag:?}; there are --runs, --from, --seed, --find and --scenario"
                ));
            }
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(words) => {
            eprintln!("{words}");
            return ExitCode::from(2);
        }
    };
    let holds = match arguments.scenario.as_str() {
        "buffer" => simulate(&arguments, &swarms::buffer(), buffer::Buffers::new),
        "endpoint" => simulate(&arguments, &swarms::endpoint(), endpoint::Endpoints::new),
        "broadcast" => broadcast::simulate(&arguments),
        "joining" => simulate(&arguments, &swarms::joining(), endpoint::Endpoints::new),
        other => {
            eprintln!("no scenario {other:?}; there are endpoint, joining, buffer and broadcast");
            return ExitCode::from(2);
        }
    };
    ExitCode::from(u8::from(!holds))
}

/// Runs what is asked for, and returns whether it holds.
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
            println!("\n{failing}\nagain: {COMMAND} --scenario {} --seed {}", arguments.scenario, failing.seed);
            false
        }
        None => {
            println!("all hold");
            true
        }
    }
}
