//! Total order broadcast on trial: publishers and subscribers over a real engine, with faults on purpose, and an oracle
//! that judges the outcome.
//!
//! # The problem
//!
//! Chapter 9 of *Designing Data-Intensive Applications* builds total order broadcast from linearizable storage: take a
//! number from a counter, attach it to the message, deliver by number. In practice three things go wrong, and here they
//! are made to go wrong:
//!
//! ```text
//!   counter    1 2 3 4 5 │ 3 4 5 6        set back without notice: numbers come twice
//!   publisher  a 1   3 ~ ~ ~ ~ ~ ~ 6      ~ its write stalls until a subscriber has filled slot 3
//!   publisher  b   2   ✝                  killed after it took number 4; nobody else knows of it
//!   publisher  c         5
//!   deliver    1 2 ─ ─ 5 6 ...            the same at every subscriber, also after waits, fills and deaths
//! ```
//!
//! # The run
//!
//! 1. **Beginning.** A run is an epoch. It seals the log, so that no write of an earlier run can land any more. Then it
//!    delivers the existing entries, and continues after them with the next numbers of its nodes.
//! 2. **Publishing.** Each publisher publishes its messages one after the other. It reports the message that it begins,
//!    the slot that it is about to write, and each acknowledgement. A real publisher would write the same to its disk.
//! 3. **Faults** ([`Fault`]) are made where the machine meets the engine, at messages drawn from the seed.
//! 4. **Dying.** A thread stops where it is; a process reports that it is to die, and is killed with signal 9. The
//!    successor knows what the dead one had reported. The successor of a publisher
//!    [settles](happens_before::Publisher::resume) the outstanding message, and continues.
//! 5. **Subscribing.** Each subscriber reads the log, and fills the holes that remain. Now and then it saves its place,
//!    and its successor continues there. Later deliveries are repeated, earlier ones are not, and all are in the one
//!    order.
//! 6. **Ending.** When all messages are acknowledged, subscribers deliver up to the tail and stop. Then the oracle
//!    ([`OrderRun`](happens_before::check::OrderRun)) hears of every sending, acknowledgement and delivery.
//!
//! Over memory and redb, publishers and subscribers are threads that send notices through a channel. Over PostgreSQL
//! they are processes, started from this program, that print the same notices ([`Notice`]) on their standard output.
//!
//! # Reproducibility
//!
//! The seed determines which message meets which fault. It does not determine when threads run. So the order itself and
//! the counts of fills differ from run to run, but the verdict must not.

mod conduct;
mod engine;
mod event;
mod faults;
mod judge;
#[cfg(feature = "postgres")]
mod processes;
pub mod report;
mod waits;
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
pub(crate) use processes::{WORKER, work as worker};

use crate::history::InputError;
use engine::Replaceable;

/// The name of a publisher: 1, 2, 3, ...
pub type PublisherId = u32;

/// The payload of a message.
pub type Payload = Vec<u8>;

/// The name of the log, and the prefix of the names of its counters.
const NAME: &str = "hb order";

/// Slots that the log in memory keeps; more than any run needs.
const MEMORY: usize = 1 << 26;

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct OrderSettings {
    /// The engine that holds counter and log.
    pub engine: Engine,
    /// The number of publishers, at least 1.
    pub publishers: PublisherId,
    /// The number of subscribers, at least 1.
    pub subscribers: usize,
    /// The number of messages of each publisher, at least 1.
    pub messages: u64,
    /// Times that a publisher is killed.
    pub kill: u64,
    /// Times that a subscriber is killed.
    pub kill_subscribers: u64,
    /// Writes that stall.
    pub stall: u64,
    /// Times that the counter is set back.
    pub reset_counter: u64,
    /// The seed of the faults.
    pub seed: u64,
    /// The time for which a subscriber first waits before it fills a hole, in milliseconds.
    pub timeout_ms: u64,
    /// A lie to the oracle.
    pub canary: Option<OrderCanary>,
}

impl OrderSettings {
    /// Returns the number of messages of all publishers.
    pub fn in_all(&self) -> u64 {
        u64::from(self.publishers) * self.messages
    }
}

/// Returns the configuration of a subscriber that fills a hole after `timeout_ms`.
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
    /// A publisher or a subscriber cannot continue, because of the log as it read it.
    Refused(String),
    /// The engine did not answer, or another run has taken over the log. This is no failure of the library.
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

/// The result of a run.
#[derive(Clone, Debug)]
pub struct OrderResult {
    /// The epoch of the run.
    pub epoch: u64,
    /// The highest slot that was occupied before the run.
    pub tail: u64,
    /// The counts.
    pub tally: OrderTally,
    /// The verdict: `Ok` if there was one order with every message in it.
    pub verdict: Result<(), OrderFailure>,
    /// The time that publishers and subscribers took.
    pub elapsed: Duration,
    /// The part of it that waits for planted faults cost: for the slots of stalled writes, for holes to be filled, and
    /// for successors. It is `elapsed` without the longest time that a publisher or a subscriber took beside its own
    /// waits.
    pub waited: Duration,
}

/// The progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Acknowledged messages.
    pub acknowledged: u64,
    /// Deliveries at all subscribers.
    pub delivered: u64,
    /// Filled holes.
    pub fills: u64,
    /// Acknowledged messages that the slowest subscriber has still to deliver.
    pub lag: u64,
}

/// Runs publishers and subscribers, and returns the result. `progress` is called now and then.
///
/// # Errors
///
/// [`InputError`] if the engine cannot be opened, or if it holds anything that this program does not leave there.
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
            let log = database.log(NAME).map_err(|error| settings.engine.fails(error))?;
            let begun = Begun::new(&log).map_err(|error| settings.engine.fails(error))?;
            let mut made = 0;
            let counter = Replaceable::new(begun.tail(), move |last| {
                made += 1;
                let counter = database.counter(&format!("{NAME}, epoch {}, {made}", begun.epoch))?;
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

/// The state of a run at its beginning.
struct Begun {
    /// The epoch of the run: no write of an earlier epoch gets into the log any more.
    epoch: u64,
    /// The state after all existing entries.
    snapshot: Snapshot<PublisherId>,
}

impl Begun {
    /// Returns the highest slot that was occupied before the run.
    fn tail(&self) -> u64 {
        self.snapshot.next - 1 // slots begin at 1
    }

    /// Begins an epoch, and delivers the existing entries of the log.
    fn new<L>(log: &L) -> Result<Self, String>
    where
        L: SlotLog<Node = PublisherId, Payload = Payload>,
        L::Error: fmt::Display,
    {
        let words = |error: L::Error| error.to_string();
        let sealed = log.seal(log.seal(0).map_err(words)?.epoch.saturating_add(1)).map_err(words)?;
        let mut subscriber = Subscriber::new(subscriber_config(1));
        // Not the time of day: nothing can arrive any more, so no hole needs to be waited for.
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
