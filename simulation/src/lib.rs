//! Deterministic simulation of protocols: many nodes, a bad network and bad clocks in one thread, from one seed.
//!
//! # The problem
//!
//! A protocol fails when a packet is lost *and* another overtakes it *and* a node crashes in between. A hand-written
//! test does not have that order of events; a test over real sockets has it once a year, and cannot repeat it.
//!
//! Here time is a number, so years pass in seconds. All random choices come from one seed, so every run can be
//! repeated. A failing run is shortened until a person can read it.
//!
//! # Use
//!
//! 1. Write the protocol as a machine without input or output, a [`Node`].
//! 2. Write its surroundings, a [`Scenario`]: how a node starts, and restarts after a crash; the commands of the
//!    application; the checks after every step, and at the end.
//! 3. Set the worst faults in a [`Swarm`]. Call [`Swarm::check`] in a test, or [`Swarm::search`] in a program that runs
//!    all night.
//!
//! The example below finds a protocol's mistake. Nodes greet each other, and each greeting should be heard once. Watch
//! the two decisions that remain of the failing run: one greeting, and one packet that the network repeats. To correct
//! the protocol, let a node ignore a greeting that it has heard already; then `search` finds nothing.
//!
//! ```
//! use happens_before_simulation::{Node, Random, Scenario, Setup, Step, Swarm};
//!
//! #[derive(Default)]
//! struct Greeter { out: Vec<(usize, u64)>, heard: Vec<u64> }
//!
//! impl Node for Greeter {
//!     type Packet = u64; // the number of the greeting
//!     type Command = u64;
//!     fn handle_command(&mut self, greeting: u64, _now: u64) { self.out.push((1, greeting)); }
//!     fn handle_packet(&mut self, _from: usize, greeting: u64, _now: u64) { self.heard.push(greeting); }
//!     fn handle_timeout(&mut self, _now: u64) {}
//!     fn poll_packet(&mut self) -> Option<(usize, u64)> { self.out.pop() }
//!     fn poll_timeout(&mut self) -> Option<u64> { None }
//! }
//!
//! struct Party { greetings: u64 }
//!
//! impl Scenario for Party {
//!     type Node = Greeter;
//!     fn start(&mut self, _node: usize, _now: u64) -> Greeter { Greeter::default() }
//!     fn restart(&mut self, _node: usize, crashed: Greeter, _now: u64) -> Greeter { crashed }
//!     fn command(&mut self, _random: &mut Random) -> u64 { self.greetings += 1; self.greetings }
//!     fn check(&mut self, step: &mut Step<'_, Greeter>) -> Result<(), String> {
//!         let mut heard = step.machine().heard.clone();
//!         heard.sort_unstable();
//!         match heard.windows(2).find(|pair| pair[0] == pair[1]) {
//!             Some(twice) => Err(format!("greeting {} is heard twice", twice[0])),
//!             None => Ok(()),
//!         }
//!     }
//!     fn quiescent(&mut self, _nodes: &[Option<Greeter>]) -> Result<(), String> { Ok(()) }
//! }
//!
//! let (swarm, party) = (Swarm::default(), |_: Setup| Party { greetings: 0 });
//! let found = swarm.search(1..100, 1, &party, &|_| {});
//! let failing = swarm.explain(found.failing.unwrap(), &party).unwrap();
//! assert_eq!(failing.schedule.decisions.len(), 2); // one greeting, and one packet that arrives twice
//! println!("{failing}");
//! ```
//!
//! # The course of a run
//!
//! 1. **Faults.** For a while, the application gives commands and faults happen. Packets are lost, repeated, delayed
//!    and reordered. Partitions cut the network, one way or both. Nodes crash, and come back with their durable state
//!    or with none. Clocks drift and jump. Each run draws the kinds and the strength of its faults ([`Swarm`]).
//! 2. **Healing.** From one moment on, all nodes are up, clocks are right, and every packet arrives.
//! 3. **Settling.** The run ends when the scenario says that the final state is right. It has failed if this is not so
//!    when the time to become quiescent is over.
//!
//! A [`Schedule`] is the list of all decisions of a run. A failing run is repeated with fewer and fewer decisions: see
//! the opening comment of `shrink`.
//!
//! # Limits
//!
//! The simulation does not find mistakes that need threads or a real disk, or mistakes that the scenario does not
//! check. It does not find faults within a step either, because a step is atomic. A crash comes before or after a step,
//! although it may lose packets of the step.
//!
//! | module | contents |
//! |---|---|
//! | [`network`] | packets on their way; usable without the rest |
//! | `node` | the traits to implement |
//! | `swarm`, `schedule` | the drawing of a run, and the decisions drawn |
//! | `run` | one run |
//! | `shrink`, `search` | many runs, and the shortening of a failing one |

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
pub mod network;
mod node;
mod panics;
mod random;
mod run;
mod schedule;
mod search;
mod shrink;
mod swarm;

pub use node::{Node, Scenario, Setup, Step};
pub use random::Random;
pub use run::{Failure, FailureKind, Line, RunResult, Tally, run};
pub use schedule::{Decision, Schedule};
pub use search::{Failing, Found, SEED};
pub use swarm::{Faults, Swarm};
