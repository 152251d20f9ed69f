//! Total order broadcast, tried out: publishers and subscribers over a real engine, with faults on purpose, and an oracle
//! that judges what came out.
//!
//! # The problem
//!
//! Chapter 9 of *Designing Data-Intensive Applications* builds total order broadcast from linearizable storage: take a
//! number from a counter, attach it to the message, deliver by number. Three things go wrong in earnest, and here they are
//! made to go wrong:
//!
//! ```text
//!   counter    1 2 3 4 5 │ 3 4 5 6        set back behind everyone's back: numbers come twice
//!   publisher  a 1   3 ~ ~ ~ ~ ~ ~ 6      ~ its write stalls until somebody has filled slot 3
//!   publisher  b   2   ✝                  killed with number 4 in its hand; nobody else knows that it was taken
//!   publisher  c         5
//!   deliver    1 2 ─ ─ 5 6 ...            everywhere the same, whoever waits, fills or begins again
//! ```
//!
//! # The run
//!
//! 1. **Beginning.** A run is an epoch: it seals the log, so that no write of an earlier run can still land, delivers what
//!    is there already, and goes on above it, with the numbers of its nodes where they were.
//! 2. **Publishing.** Each publisher publishes its messages one after the other. It says which message it has begun, which
//!    slot it is about to write, and what was acknowledged; that is what it would write to a disk of its own.
//! 3. **Faults** ([`Fault`]) are made where the machine meets the engine, at messages drawn from the seed.
//! 4. **Dying.** A thread that is to die stops where it is; a process says so and is killed with signal 9. Its successor knows
//!    what the dead one had said. A publisher's [settles](happens_before::Publisher::resume) the message that was outstanding,
//!    and goes on.
//! 5. **Subscribing.** Each subscriber reads the log, and fills the holes that stay. Now and then it saves where it is, and
//!    there its successor goes on: what had been delivered since is delivered again, nothing before that, and all in the one
//!    order.
//! 6. **Ending.** When all is acknowledged, subscribers deliver up to the tail and stop. Then the oracle
//!    ([`OrderRun`](happens_before::check::OrderRun)) hears what was sent, acknowledged and delivered.
//!
//! Over memory and redb publishers and subscribers are threads; over PostgreSQL they are processes, this program again,
//! which say on their standard output what threads say in a channel. What is said is the same ([`Notice`]).
//!
//! # What is the same each time
//!
//! Which message meets which fault follows from the seed. When threads run does not, so that the order itself, and the
//! counts of fills, differ from run to run. The verdict must not.

mod conduct;
mod engine;
mod event;
mod faults;
mod judge;
#[cfg(feature = "postgres")]
mod processes;
pub mod report;
mod work;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use happens_before::Subscriber;
use happens_before::broadcast::{MemoryLog, SlotLog, Snapshot, SubscriberConfig, blocking};
use happens_before::counter::AtomicCounter;
use happens_before_engines::redb::Redb;

pub use conduct::OrderTally;
pub use engine::Engine;
pub use event::Notice;
pub use faults::{Fault, Plan};
pub use judge::OrderCanary;

#[cfg(feature = "postgres")]
pub(crate) use processes::work as worker;

use crate::history::InputError;
use engine::Replaceable;

/// The name of a publisher: 1, 2, 3, ...
pub type PublisherId = u32;

/// The payload of a message.
pub type Payload = Vec<u8>;

/// The log, and the beginning of the names of its counters.
const NAME: &str = "hb order";

/// How many slots the log in memory keeps; more than any run needs.
const MEMORY: usize = 1 << 26;

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct OrderSettings {
    /// Over what.
    pub engine: Engine,
    /// How many publish, at least 1.
    pub publishers: PublisherId,
    /// How many subscribe, at least 1.
    pub subscribers: usize,
    /// How many messages each publishes, at least 1.
    pub messages: u64,
    /// How many times a publisher is killed.
    pub kill: u64,
    /// How many times a subscriber is killed.
    pub kill_subscribers: u64,
    /// How many writes stall.
    pub stall: u64,
    /// How many times the counter is set back.
    pub reset_counter: u64,
    /// The seed of the faults.
    pub seed: u64,
    /// How long a hole is waited for, at first.
    pub timeout_ms: u64,
    /// A lie to the oracle.
    pub canary: Option<OrderCanary>,
}

impl OrderSettings {
    /// Returns how many messages there are in all.
    pub fn in_all(&self) -> u64 {
        u64::from(self.publishers) * self.messages
    }
}

/// How a subscriber waits that fills a hole after so long.
fn subscriber_config(timeout_ms: u64) -> SubscriberConfig {
    SubscriberConfig {
        poll_ms: (timeout_ms / 10).clamp(1, 5),
        write_timeout_ms: timeout_ms / 2,
        max_fill_timeout_ms: timeout_ms.saturating_mul(4),
        nodes: usize::MAX,
        ..SubscriberConfig::default()
    }
}

/// The reason why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderFailure {
    /// The oracle's first violation.
    Violation(String),
    /// A publisher or a subscriber cannot go on, by what it has seen of the log.
    Refused(String),
    /// The engine did not answer, or somebody else's run has taken the log; which says nothing about the library.
    GaveUp(String),
}

impl fmt::Display for OrderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(what) | Self::Refused(what) => f.write_str(what),
            Self::GaveUp(what) => write!(f, "gave up: {what}"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct OrderResult {
    /// The epoch that the run was.
    pub epoch: u64,
    /// The highest slot that was occupied before it.
    pub tail: u64,
    /// The counts.
    pub tally: OrderTally,
    /// The verdict: `Ok` if there was one order, with everything in it.
    pub verdict: Result<(), OrderFailure>,
    /// How long publishers and subscribers took.
    pub elapsed: Duration,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// How many messages are acknowledged.
    pub acknowledged: u64,
    /// How many deliveries there were, at all subscribers.
    pub delivered: u64,
    /// How many holes were filled.
    pub fills: u64,
    /// How many acknowledged messages the slowest subscriber has still to deliver.
    pub lag: u64,
}

/// Runs, and says how it went; `progress` is told now and then how far it is.
///
/// # Errors
///
/// The engine cannot be opened, or does not hold what this program leaves there.
pub fn run(settings: &OrderSettings, progress: &mut dyn FnMut(Now)) -> Result<OrderResult, InputError> {
    match &settings.engine {
        Engine::Memory => {
            let log = Mutex::new(MemoryLog::new(MEMORY));
            let begun = Begun::new(&log).map_err(|error| settings.engine.fails(error))?;
            let counter = Replaceable::new(begun.tail(), |last| {
                Ok(AtomicCounter::resume(last, AtomicCounter::MAX).unwrap_or_default())
            });
            let counter = counter.map_err(|error| settings.engine.fails(error))?;
            Ok(conduct::threads(settings, &begun, &counter, &log, progress))
        }
        Engine::Redb(path) => {
            let database = Redb::open(path).map_err(|error| settings.engine.fails(error))?;
            let log = database.log(NAME);
            let begun = Begun::new(&log).map_err(|error| settings.engine.fails(error))?;
            let mut made = 0;
            let counter = Replaceable::new(begun.tail(), move |last| {
                made += 1;
                let counter = database.counter(&format!("{NAME}, epoch {}, {made}", begun.epoch));
                counter.raise(last)?;
                Ok(counter)
            });
            let counter = counter.map_err(|error| settings.engine.fails(error))?;
            Ok(conduct::threads(settings, &begun, &counter, &log, progress))
        }
        #[cfg(feature = "postgres")]
        Engine::Postgres(url) => processes::run(settings, url, progress),
        #[cfg(not(feature = "postgres"))]
        Engine::Postgres(_) => {
            let what = "this hb was built without PostgreSQL; build it with \
                        `cargo build --release -p happens-before-lab --features postgres`";
            Err(InputError { place: "--engine".to_owned(), what: what.to_owned() })
        }
    }
}

/// The beginning of a run.
struct Begun {
    /// Its epoch: nothing of an earlier one gets into the log any more.
    epoch: u64,
    /// Above all that was there.
    snapshot: Snapshot<PublisherId>,
}

impl Begun {
    /// Returns the highest slot that was occupied before.
    fn tail(&self) -> u64 {
        self.snapshot.next - 1 // slots begin at 1
    }

    /// Begins an epoch, and delivers what the log holds.
    fn new<L>(log: &L) -> Result<Self, String>
    where
        L: SlotLog<PublisherId, Payload>,
        L::Error: fmt::Display,
    {
        let words = |error: L::Error| error.to_string();
        let sealed = log.seal(log.seal(0).map_err(words)?.epoch.saturating_add(1)).map_err(words)?;
        let mut subscriber = Subscriber::new(subscriber_config(1));
        // The time is not that of the day: where nothing can come any more, no hole needs to be waited for.
        let mut now_ms = 0;
        while subscriber.next() <= sealed.tail {
            while subscriber.poll_delivery().map_err(|error| error.to_string())?.is_some() {}
            now_ms = subscriber.poll_timeout().unwrap_or(now_ms).max(now_ms);
            blocking::follow(&mut subscriber, log, now_ms).map_err(|error| error.to_string())?;
        }
        Ok(Self { epoch: sealed.epoch, snapshot: subscriber.snapshot() })
    }
}

#[cfg(test)]
mod tests;
