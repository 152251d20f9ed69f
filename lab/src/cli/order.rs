//! The command `hb order`: its options, and the checks before a run.

use clap::Args;

use super::count;
use crate::history::InputError;
use crate::order::report::OrderReport;
use crate::order::{self, Engine, Now, OrderCanary, OrderSettings, Plan};
use crate::output;
use crate::progress::Progress;
use crate::words::{counted, thousands};

/// Most publishers, and most subscribers, of a run. More would mostly measure the machine.
const MOST_WORKERS: u32 = 100;

/// Most deliveries of a run: all are kept for the oracle, at some 100 bytes each.
const MOST_DELIVERIES: u64 = 20_000_000;

/// Most faults of a kind. More would mostly be waiting.
const MOST_FAULTS: u64 = 10_000;

/// Puts messages in one order over a real engine, with faults on purpose, and judges what every subscriber delivers.
///
/// Each publisher takes a number from a counter and writes its message into the slot with that number. A slot is
/// written only once. Subscribers deliver the slots in order and fill the holes that remain. The faults: publishers are
/// killed after taking a number; subscribers are killed after deliveries that they have not saved; writes stall until
/// their slot is filled; the counter is set back without notice. A message meets at most one of them, beside deaths of
/// subscribers. An oracle that shares no code with them judges the
/// outcome: the same order everywhere, nothing acknowledged lost, nothing twice, and each publisher's messages in the
/// order of their sending.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Order {
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    faults: Faults,
    /// Print the report as one JSON object instead of a table.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  hb order
      four publishers and two subscribers in memory, with some of each fault
  hb order --engine redb:orders.redb
      the same on disk; a second run continues where the log ends
  hb order --engine postgres://me@localhost/orders
      processes over PostgreSQL, killed with signal 9; needs a build with --features postgres
  hb order --messages 100 --kill 100
      a publisher is killed at every fourth message
  hb order --kill 0 --kill-subscribers 0 --stall 0 --reset-counter 0
      no faults: how fast the engine orders messages
  hb order --canary lose
      the oracle is lied to, so the run must fail

The table: `messages a second` counts the waits for the faults as well. `without the waits` leaves \
them out: for each publisher and subscriber, the time that it waited for the slot of a stalled \
write, for a hole to be filled, or for its successor. The slowest of them then gives the rate.

Exit code: 0 if there is one order with everything in it; 1 if not, with the first violation in \
words, or if the engine does not answer; 2 if an option is wrong, the engine cannot be opened, or \
the report cannot be written.";

#[derive(Debug, Args)]
#[command(next_help_heading = "Engine, publishers and subscribers")]
struct Run {
    /// The engine that holds counter and log: memory, redb:PATH or postgres:URL.
    ///
    /// Over memory and redb, publishers and subscribers are threads; over PostgreSQL they are processes. URL is a URL
    /// or a connection string of libpq. TLS is as its `sslmode` says, in a build with --features tls. In a file and in a database the log is named `hb order`, and a run continues at
    /// its end. Only one run at a time is possible: each begins an epoch that shuts out the earlier ones.
    #[arg(long, value_name = "ENGINE", default_value = "memory")]
    engine: Engine,

    /// The number of publishers, at most 100.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = count(MOST_WORKERS))]
    publishers: u32,

    /// The number of subscribers, at most 100.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = count(MOST_WORKERS))]
    subscribers: u32,

    /// The number of messages of each publisher; if not given, 2,000 in memory and 100 elsewhere.
    #[arg(long, value_name = "COUNT", value_parser = count(u32::MAX))]
    messages: Option<u32>,

    /// The seed of the faults: the same seed gives the same faults, but not the same order.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// The time, in milliseconds, for which a subscriber first waits before it fills a hole; if not given, 10 in memory
    /// and 100 elsewhere.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    timeout: Option<u64>,

    /// Lie to the oracle about the middle of the run, to test the oracle: the run must fail.
    #[arg(long, value_name = "LIE")]
    canary: Option<OrderCanary>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Faults (some of each, if not given)")]
struct Faults {
    /// The number of times a publisher is killed.
    ///
    /// The moments take turns: after it took a number that nobody else knows, which leaves a hole; after a write that
    /// nobody else knows of, so that the message is sent twice; in the middle of a write; just before a write. Each
    /// time a successor settles the outstanding message and continues.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(..=MOST_FAULTS))]
    kill: Option<u64>,

    /// The number of times a subscriber is killed after it has delivered a message.
    ///
    /// It saves its place after every tenth message; its successor continues there, and delivers the later ones again.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(..=MOST_FAULTS))]
    kill_subscribers: Option<u64>,

    /// The number of writes that stall until a subscriber has filled their slot.
    ///
    /// The publisher then takes a new number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(..=MOST_FAULTS))]
    stall: Option<u64>,

    /// The number of times the counter is set back by up to 50 numbers, which it then gives out once more.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(..=MOST_FAULTS))]
    reset_counter: Option<u64>,
}

/// Runs publishers and subscribers. Returns whether all is well.
pub(super) fn order(options: &Order, progress_shown: bool) -> Result<bool, InputError> {
    let settings = options.settings()?;
    let deliveries = settings.in_all() * settings.subscribers as u64;
    let mut progress = Progress::counted("ordering", "deliveries", Some(deliveries), progress_shown);
    let mut throughput = Throughput::new();
    let outcome = order::run(&settings, &mut |now: Now| {
        progress.update_with(now.delivered, || {
            let (a_second, fills, lag) =
                (throughput.at(now.acknowledged), counted(now.fills, "fill"), thousands(now.lag));
            format!(", {} messages a second, {fills}, lag {lag}", thousands(a_second))
        });
    })?;
    drop(progress);
    let report = OrderReport::new(&settings, &outcome);
    output::print(&if options.json { report.json() } else { report.table(output::width()) })?;
    Ok(outcome.verdict.is_ok())
}

/// The rate of messages a second since it was last read.
struct Throughput {
    at: std::time::Instant,
    before: u64,
}

impl Throughput {
    fn new() -> Self {
        Self { at: std::time::Instant::now(), before: 0 }
    }

    fn at(&mut self, messages: u64) -> u64 {
        let a_second = (messages - self.before) as f64 / self.at.elapsed().as_secs_f64().max(0.001);
        (self.at, self.before) = (std::time::Instant::now(), messages);
        a_second as u64
    }
}

impl Order {
    fn settings(&self) -> Result<OrderSettings, InputError> {
        let Run { ref engine, publishers, subscribers, messages, seed, timeout, canary } = self.run;
        let in_memory = *engine == Engine::Memory;
        let messages = u64::from(messages.unwrap_or(if in_memory { 2000 } else { 100 }));
        let in_all = u64::from(publishers) * messages;
        if in_all * u64::from(subscribers) > MOST_DELIVERIES {
            let (all, sites) = (counted(in_all, "message"), counted(u64::from(subscribers), "subscriber"));
            let most = thousands(MOST_DELIVERIES);
            return wrong(
                "--messages",
                format!("{all} at {sites} do not fit into memory; at most {most} deliveries do"),
            );
        }
        let [kill, stall, reset_counter] = self.faults.of_publishers(in_all)?;
        let room = Plan::room_for_resets(publishers, messages);
        if reset_counter > room {
            return wrong("--reset-counter", format!("at most {room}: half as many as there are messages"));
        }
        let least = u64::from(canary == Some(OrderCanary::Resume));
        let kill_subscribers = self.faults.kill_subscribers.unwrap_or(unasked(4, in_all).max(least));
        if kill_subscribers > in_all * u64::from(subscribers) {
            let most = thousands(in_all * u64::from(subscribers));
            return wrong("--kill-subscribers", format!("at most {most}: one after each delivery"));
        }
        if kill_subscribers < least {
            let what = "`--canary resume` needs at least 1, to lie about where the successor continues";
            return wrong("--kill-subscribers", what.to_owned());
        }
        if messages < 2 && canary.is_some() {
            return wrong("--messages", "--canary needs at least 2 of each publisher to lie about".to_owned());
        }
        Ok(OrderSettings {
            engine: engine.clone(),
            publishers,
            subscribers: subscribers as usize,
            messages,
            kill,
            kill_subscribers,
            stall,
            reset_counter,
            seed,
            timeout_ms: timeout.unwrap_or(if in_memory { 10 } else { 100 }),
            canary,
        })
    }
}

impl Faults {
    /// Returns how many kills, stalls and resets there are: as many as asked for, and some of those that no option
    /// names. All of them must fit: a message meets at most one.
    fn of_publishers(&self, messages: u64) -> Result<[u64; 3], InputError> {
        let options =
            [("--kill", self.kill, 6), ("--stall", self.stall, 4), ("--reset-counter", self.reset_counter, 2)];
        let asked = options.iter().filter_map(|(_, count, _)| *count).sum::<u64>();
        let Some(mut room) = messages.checked_sub(asked) else {
            let named: Vec<&str> = options
                .iter()
                .filter(|(_, count, _)| count.is_some_and(|n| n > 0))
                .map(|option| option.0)
                .collect();
            let (faults, messages) = (counted(asked, "fault"), counted(messages, "message"));
            let what =
                format!("{faults} do not fit: a message meets at most one, and there are only {messages}");
            return wrong(&named.join(", "), what);
        };
        Ok(options.map(|(_, asked, usual)| {
            asked.unwrap_or_else(|| {
                let count = unasked(usual, messages).min(room);
                room -= count;
                count
            })
        }))
    }
}

/// Returns the number of faults of a kind that no option names. In a short run, they leave most messages alone.
fn unasked(usual: u64, messages: u64) -> u64 {
    usual.min(messages / 20)
}

/// Returns an error that names the option at fault.
fn wrong<T>(option: &str, what: String) -> Result<T, InputError> {
    Err(InputError { place: option.to_owned(), what })
}
