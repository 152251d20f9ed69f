//! Deterministic simulation of protocols: many nodes, a bad network and bad clocks in one thread, from one seed.
//!
//! # The problem
//!
//! A protocol goes wrong when a packet is lost *and* another overtakes it *and* a node crashes in between. No test
//! that a person writes has that order of events, and a test over real sockets has it once a year and never
//! again. Here time is a number, so years pass in seconds; all chances come from one seed, so what was seen once can be
//! seen again; and what has failed is made as short as a person can read.
//!
//! # Use
//!
//! 1. Write the protocol as a machine without input or output, a [`Node`].
//! 2. Write what surrounds it, a [`Scenario`]: how a node starts, and starts again after a crash; what the application
//!    asks; what must hold after every step, and at last.
//! 3. Say how bad it may get, in a [`Swarm`], and call [`Swarm::check`] in a test, or [`Swarm::search`] in a program
//!    that runs all night.
//!
//! The example below asks nodes to greet each other; each greeting should be heard once. A network that repeats packets
//! is too much for it:
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
//!     fn settled(&mut self, _nodes: &[Option<Greeter>]) -> Result<(), String> { Ok(()) }
//! }
//!
//! let (swarm, party) = (Swarm::default(), |_: Setup| Party { greetings: 0 });
//! let found = swarm.search(1..100, 1, &party, &|_| {});
//! let failing = swarm.explain(found.failing.unwrap(), &party).unwrap();
//! assert_eq!(failing.schedule.decisions.len(), 2); // one greeting, and one packet that arrives twice
//! println!("{failing}");
//! ```
//!
//! # What a run is
//!
//! 1. **Faults.** For a while, the application asks and things go wrong: packets are lost, repeated, late and out
//!    of order; partitions cut, one way or both; nodes crash, and come back with what was durable or with nothing;
//!    clocks drift and jump. Each run draws which of these it has, and how strong ([`Swarm`]).
//! 2. **Healing.** From one moment on, all nodes are up, clocks are right, and every packet arrives.
//! 3. **Settling.** The run ends when the scenario says that all is as it should be at last, or has failed if it
//!    still does not when the time for that is over.
//!
//! Everything decided about a run is a [`Schedule`], a list. What has failed is run again with fewer and fewer
//! decisions: see the opening comment of `shrink`.
//!
//! # What it does not find
//!
//! What only threads or a real disk can get wrong; faults within a step, which is atomic here: a crash comes before or
//! after it, though it may take packets with it that are then lost; and what the scenario does not look at.
//!
//! | module | what is in it |
//! |---|---|
//! | [`network`] | packets on their way; can be used without the rest |
//! | `node` | the traits to implement |
//! | `swarm`, `schedule` | what is drawn, and what is decided |
//! | `run` | one run |
//! | `shrink`, `search` | from many runs to a short one |

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
