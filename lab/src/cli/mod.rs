//! The command line: its options, and the exit codes.
//!
//! Exit codes:
//!
//! - 0: all is well.
//! - 1: a run failed or was given up. It fails if the oracle finds a violation, or if it comes to a halt.
//! - 2: the input or the command line is wrong, or the output cannot be written. After the progress, if any is shown, the
//!   standard error then has exactly one line, and it begins with `hb: `.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use happens_before::delivery::BufferLimits;

use crate::budget::Budget;
use crate::diagram;
use crate::history::session::{self, Shape};
use crate::history::{History, InputError, git, trace};
use crate::interrupt;
use crate::output::{self, NewFile};
use crate::progress::Progress;
use crate::replay::report::ReplayReport;
use crate::replay::{self, ReplayCanary, ReplaySettings};
use crate::words::{counted, thousands};

mod completions;
mod order;

/// Most columns of help. Longer lines are hard to read.
const WIDEST_HELP: u16 = 100;

/// Default number of events in the built-in session.
const SESSION_EVENTS: u32 = 10_000;

/// Most sites of a run. More would mostly measure the patience of the user.
const MOST_SITES: u64 = 1000;

/// Most events. Each takes some 300 bytes, so more would fill the memory of a small machine.
const MOST_EVENTS: u32 = 5_000_000;

/// Most authors of a session.
const MOST_AUTHORS: u32 = 1000;

/// Most events times authors of a session: with many authors, its memory grows with this product.
const LARGEST_SESSION: u64 = 100_000_000;

/// The longest time that an option can name, in ticks.
const LONGEST_TIME: u64 = 1_000_000_000;

/// Most MiB of memory that can be allowed.
const MOST_MEMORY: u64 = 1 << 20;

/// Most seconds that git can be allowed: a day.
const LONGEST_READING: u64 = 86_400;

/// Tests happens-before on real histories and over real engines, and judges the results.
#[derive(Debug, Parser)]
#[command(name = "hb", version, subcommand_required = true)]
#[command(after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Show no progress. It appears on the standard error, and only if a step takes longer than a second.
    #[arg(long, global = true, help_heading = "Output")]
    no_progress: bool,
}

const HELP: &str = "\
Begin with `hb replay` and `hb order`. Neither needs an option. Both end with a table and a verdict. \
Add --help to a command for all its options, with examples.

Tables and help fit the terminal. The environment variable COLUMNS names another width. Without a \
terminal, as in a pipe, lines have at most 80 columns.";

#[derive(Debug, Subcommand)]
enum Command {
    Replay(Box<Replay>),
    Order(Box<order::Order>),
    Completions(completions::Completions),
}

/// Replays a history over sites whose network loses, repeats and reorders, and judges the run.
///
/// A history records who wrote each event, and which events the author had seen by then. Node a of the history lives at
/// site a mod N. A site sends an event once it has delivered the event's parents; they are the message's dependencies.
/// The network loses, repeats, delays, reorders and partitions, all in virtual time and from one seed. Every site
/// delivers through a CausalBuffer and asks the others for missing messages. An oracle that shares no code with the
/// buffer checks every delivery.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
struct Replay {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  hb replay
      a built-in session of five authors over five sites on a bad network
  hb replay --trace friendsforever.json.gz --loss 0.3
      the real editing history of two people, on a worse network
  hb replay --git . --nodes 2
      the commits of the repository in the current folder
  hb replay --git . --branch main --nodes 2
      the commits of one branch of it
  hb replay --write-trace session.json
      the built-in session, kept as a trace: `hb replay --trace session.json` gives the same table
  hb replay --events 16 --authors 3 --nodes 3 --svg run.svg
      a run small enough to look at
  hb replay --hold 8 --partitions 5
      room for eight held messages: slower, and nothing is lost
  hb replay --canary skip
      the oracle is lied to, so the run must fail

A trace is a JSON object, with the events in topological order:
  {\"kind\": \"concurrent\", \"numAgents\": 2, \"txns\": [
    {\"agent\": 0, \"parents\": []},
    {\"agent\": 1, \"parents\": [0]},
    {\"agent\": 0, \"parents\": [0]},
    {\"agent\": 1, \"parents\": [1, 2]}]}
Events and agents are numbered from 0. An event has an agent and parents: the events that it directly builds \
on, all of them earlier in the list. Other fields are ignored, for instance the edits themselves.

Exit code: 0 if every site delivered everything, causally and exactly once; 1 if not, with the first \
violation in words; 2 if the input or an option is wrong, or the report cannot be written.";

#[derive(Debug, Args)]
#[command(next_help_heading = "History (if none: a built-in session)")]
struct Source {
    /// Replay a concurrent editing trace: JSON, plain or gzip, at most 1 GiB packed or unpacked.
    ///
    /// The form is at the end of this help. An agent whose events are concurrent with each other becomes several nodes,
    /// its incarnations. The report says how many agents were split.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["git", "authors"])]
    trace: Option<PathBuf>,

    /// Replay the commit graph of a git repository: the commits of all its refs, or of one --branch.
    ///
    /// All refs are everything under refs/, and HEAD: branches, remote branches and tags, and also stashes and notes.
    /// Each commit is an event, and its parents are the dependencies. An author whose commits are concurrent with each
    /// other becomes several nodes, her incarnations. The report says how many authors were split. Names follow the
    /// .mailmap in HEAD. In a shallow clone, the oldest commits count as beginnings. The program git must be installed;
    /// it fetches nothing, and runs no program that the repository names.
    #[arg(long, value_name = "DIR", conflicts_with = "authors")]
    git: Option<PathBuf>,

    /// Replay only the commits of one branch of the repository, local (`main`) or remote (`origin/main`).
    ///
    /// A local branch is preferred if both have the name. The name is taken as it is: no tag, hash or range.
    #[arg(long, value_name = "NAME", requires = "git", conflicts_with = "trace")]
    branch: Option<String>,

    /// The number of events, at most 5,000,000. The built-in session writes this many (10,000 if not given); of a trace
    /// or a repository, only the first are replayed.
    #[arg(long, value_name = "COUNT", value_parser = count(MOST_EVENTS))]
    events: Option<u32>,

    /// The number of authors in the built-in session, at most 1000. Events times authors may be at most 100,000,000.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = count(MOST_AUTHORS))]
    authors: u32,

    /// The memory limit, in MiB, for reading the history of a trace or a repository, and then for its replay. Git may
    /// allocate as much again.
    #[arg(long, value_name = "MIB", default_value_t = Budget::DEFAULT_MIB as u64,
          value_parser = clap::value_parser!(u64).range(1..=MOST_MEMORY))]
    memory: u64,

    /// The time limit, in seconds, for each command of git: to find the repository, the branch, and the commits.
    #[arg(long, value_name = "SECONDS", default_value_t = git::DEFAULT_TIME.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=LONGEST_READING))]
    time_limit: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Sites and network")]
struct Run {
    /// The number of sites at which the nodes of the history live.
    #[arg(long, value_name = "COUNT", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=MOST_SITES))]
    nodes: u64,

    /// The probability that a packet is lost, 0 to 1.
    ///
    /// A run takes longer the more is lost. Up to 0.98 it ends by itself; beyond that it may be given up, once nothing
    /// has been delivered for very long.
    #[arg(long, value_name = "P", default_value_t = 0.1, value_parser = probability)]
    loss: f64,

    /// The probability that a packet arrives twice, if it is not lost, 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.1, value_parser = probability)]
    duplicate: f64,

    /// The most ticks by which a copy may be late, so that others overtake it. A site sends one new event a tick.
    #[arg(long, value_name = "TICKS", default_value_t = 32, value_parser = ticks(0))]
    reorder: u64,

    /// The fewest ticks that a copy takes.
    #[arg(long, value_name = "TICKS", default_value_t = 1, value_parser = ticks(1))]
    delay: u64,

    /// The number of times that the sites are split into two groups that cannot reach each other.
    #[arg(long, value_name = "COUNT", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(..=1000))]
    partitions: u64,

    /// The seed of all random choices: the same seed gives the same run.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// The ticks after which a site asks for missing messages; if not given, the time of a question and its answer.
    #[arg(long, value_name = "TICKS", value_parser = ticks(1))]
    timeout: Option<u64>,

    /// The ticks after which a site that sends nothing announces its messages; if not given, four time-outs.
    #[arg(long, value_name = "TICKS", value_parser = ticks(1))]
    announce: Option<u64>,

    /// Lie to the oracle in the middle of the run, to test the oracle: the run must fail.
    #[arg(long, value_name = "LIE")]
    canary: Option<ReplayCanary>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of each site's buffer")]
struct LimitOptions {
    /// The most messages that may be held back. Refused messages are requested again later.
    #[arg(long, value_name = "COUNT")]
    hold: Option<usize>,

    /// The most by which a counter may be ahead of the delivered messages.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    horizon: Option<u64>,

    /// The most nodes that may be known; if not given, enough for the history.
    #[arg(long, value_name = "COUNT")]
    node_limit: Option<usize>,

    /// The most dependencies that a message may have; if not given, enough for the history.
    #[arg(long, value_name = "COUNT")]
    dependency_limit: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// Draw the space-time diagram of the run, if it is small enough to read.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write the history that is replayed to a file, as a trace that --trace reads.
    ///
    /// Its agents are the nodes, by number; names are not kept. The file is written before the run.
    #[arg(long, value_name = "FILE")]
    write_trace: Option<PathBuf>,

    /// Print the report as one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a probability is a number from 0 to 1".to_owned()),
    }
}

fn count(most: u32) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(most))
}

fn ticks(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=LONGEST_TIME)
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    match interrupt::install() {
        Ok(()) => run(std::env::args_os()),
        Err(error) => fail(&InputError { place: "signals".to_owned(), what: trace::describe(&error) }),
    }
}

/// Runs the program with these arguments; the first is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    #[cfg(feature = "postgres")]
    if arguments.get(1).is_some_and(|command| command == crate::order::WORKER) {
        return exit(crate::order::worker());
    }
    let command_line = Cli::command().term_width(usize::from(output::width().min(WIDEST_HELP)));
    let parsed = command_line.try_get_matches_from(&arguments).and_then(|found| Cli::from_arg_matches(&found));
    exit(match parsed {
        Ok(Cli { command, no_progress }) => match command {
            Command::Replay(options) => replay(&options, !no_progress),
            Command::Order(options) => order::order(&options, !no_progress),
            Command::Completions(options) => completions::completions(&options, Cli::command()),
        },
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Help goes to the standard output, with colours on a terminal.
            output::printed(error.print()).map(|()| true)
        }
        Err(error) => Err(usage(&error, &arguments)),
    })
}

/// Returns the exit code of a command that ended like this, and reports an error.
fn exit(ended: Result<bool, InputError>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// Writes a fault of the input or the output to the standard error.
fn fail(error: &InputError) -> ExitCode {
    // If even this cannot be written, nothing is left to do.
    let _ = writeln!(io::stderr(), "hb: {error}");
    ExitCode::from(2)
}

/// Puts a fault of the command line into one line, with a similar name if there is one, and names the help that
/// explains it: that of the command, if one is named.
fn usage(error: &clap::Error, arguments: &[OsString]) -> InputError {
    let bare = [ErrorKind::MissingSubcommand, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    if bare.contains(&error.kind()) {
        let what = "no command given; try `hb replay`, or `hb --help` for the list";
        return InputError { place: "command line".to_owned(), what: what.to_owned() };
    }
    let text = error.render().to_string();
    let fault = text.lines().take_while(|line| !line.trim().is_empty());
    let words: Vec<&str> = fault.flat_map(str::split_whitespace).collect();
    let what = words.join(" ");
    let mut what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    // "a similar subcommand exists: 'replay'"
    if let Some(tip) = text.lines().find_map(|line| line.trim().strip_prefix("tip: ")).filter(is_about_names) {
        what += &format!("; {tip}");
    }
    let hb = Cli::command();
    let first = arguments.iter().skip(1).filter_map(|argument| argument.to_str()).find(|a| !a.starts_with('-'));
    let help = match first.and_then(|name| hb.find_subcommand(name)) {
        Some(command) => format!("hb {} --help", command.get_name()),
        None => "hb --help".to_owned(),
    };
    InputError { place: "command line".to_owned(), what: format!("{what}; see `{help}`") }
}

/// Returns whether a tip names something that exists. Another kind of tip explains `--`, which no command here needs.
fn is_about_names(tip: &&str) -> bool {
    tip.contains("exist")
}

/// Replays a history. Returns whether all is well.
fn replay(options: &Replay, progress_shown: bool) -> Result<bool, InputError> {
    let history = options.source.read(options.run.seed, progress_shown)?;
    let settings = options.settings(&history)?;
    // Before the run, so that nobody waits for a run whose picture cannot be drawn or stored.
    let Output { svg, write_trace, .. } = &options.output;
    if let (Some(_), Some(refusal)) = (svg, diagram::refusal(history.len(), settings.sites)) {
        return Err(InputError { place: "--svg".to_owned(), what: refusal });
    }
    let picture = svg.as_deref().map(NewFile::prepare).transpose()?;
    if let Some(path) = write_trace {
        let file = NewFile::prepare(path)?;
        if picture.as_ref().is_some_and(|picture| picture.is_same_as(&file)) {
            let what = "is the file of --svg too; give each its own".to_owned();
            return Err(InputError { place: "--write-trace".to_owned(), what });
        }
        file.store(|out| trace::write(&history, out))?;
    }
    let deliveries = history.len() as u64 * settings.sites as u64;
    let mut progress = Progress::counted("replaying", "deliveries", Some(deliveries), progress_shown);
    let outcome = replay::run(&history, &settings, &mut |done| progress.update(done));
    drop(progress);
    if let Some(picture) = picture {
        let svg = diagram::svg(&history, settings.sites, settings.seed, &outcome);
        picture.store(|out| out.write_all(svg.as_bytes()))?;
    }
    let report = ReplayReport::new(&history, &settings, &outcome);
    let text = if options.output.json { report.json() } else { report.table(output::width()) };
    output::print(&text)?;
    Ok(outcome.verdict.is_ok())
}

impl Source {
    /// Returns the most bytes that a recorded history may take; `None` for a built-in session, which its options bound.
    fn memory_limit(&self) -> Option<u64> {
        (self.trace.is_some() || self.git.is_some()).then_some(self.memory << 20)
    }

    fn read(&self, seed: u64, progress_shown: bool) -> Result<History, InputError> {
        let Self { trace, git, branch, events, authors, memory, time_limit } = self;
        let budget = Budget::of_mib(usize::try_from(*memory).unwrap_or(usize::MAX));
        let history = match (trace, git) {
            (Some(file), _) => {
                let _progress = Progress::new("reading the trace", progress_shown);
                trace::read(file, &budget)?
            }
            (None, Some(folder)) => {
                let mut progress = Progress::counted("reading", "commits", None, progress_shown);
                let time = Duration::from_secs(*time_limit);
                git::read(folder, branch.as_deref(), time, &budget, &mut |commits| progress.update(commits))?
            }
            (None, None) => {
                let shape = Shape { events: events.unwrap_or(SESSION_EVENTS), authors: *authors, seed };
                if u64::from(shape.events) * u64::from(shape.authors) > LARGEST_SESSION {
                    let (events, authors) = (u64::from(shape.events), u64::from(shape.authors));
                    let what = format!(
                        "{} of {} do not fit into memory; events times authors may be at most {}",
                        counted(events, "event"),
                        counted(authors, "author"),
                        thousands(LARGEST_SESSION)
                    );
                    return Err(InputError { place: "session".to_owned(), what });
                }
                let _progress = Progress::new("making up the session", progress_shown);
                session::generate(shape)
                    .map_err(|error| InputError { place: "session".to_owned(), what: error.to_string() })?
            }
        };
        Ok(match events {
            Some(events) => history.truncated(*events as usize),
            None => history,
        })
    }
}

impl Replay {
    fn settings(&self, history: &History) -> Result<ReplaySettings, InputError> {
        let LimitOptions { hold, horizon, node_limit, dependency_limit } = self.limits;
        let most_dependencies = history.most_dependencies();
        let mut limits = BufferLimits::default();
        limits.messages = hold.unwrap_or(limits.messages);
        limits.horizon = horizon.unwrap_or(limits.horizon);
        limits.nodes = node_limit.unwrap_or(limits.nodes.max(history.nodes()));
        limits.dependencies = dependency_limit.unwrap_or(limits.dependencies.max(most_dependencies));
        let too_small = |option: &str, needed: String| InputError {
            place: option.to_owned(),
            what: format!("the history has {needed}, so it could never be delivered"),
        };
        if let Some(memory) = self.source.memory_limit() {
            let sites = self.run.nodes;
            let needed = replay::memory(history, sites as usize);
            if needed > memory {
                let (needed, sites) = (thousands(needed.div_ceil(1 << 20)), counted(sites, "site"));
                let what = format!(
                    "a replay at {sites} needs about {needed} MiB; allow more, or ask for fewer --events"
                );
                return Err(InputError { place: "--memory".to_owned(), what });
            }
            // A quarter of the memory for all messages that are held back.
            limits.bytes = usize::try_from(memory / 4 / sites).unwrap_or(usize::MAX);
        }
        if limits.nodes < history.nodes() {
            return Err(too_small("--node-limit", counted(history.nodes() as u64, "node")));
        }
        if limits.dependencies < most_dependencies {
            let needed = match most_dependencies {
                1 => "messages with 1 dependency".to_owned(),
                most => format!("a message with {} dependencies", thousands(most as u64)),
            };
            return Err(too_small("--dependency-limit", needed));
        }
        let Run { nodes, loss, duplicate, reorder, delay, partitions, seed, timeout, announce, canary } =
            self.run;
        Ok(ReplaySettings {
            sites: nodes as usize,
            loss,
            duplicate,
            delay,
            reorder,
            partitions,
            seed,
            limits,
            timeout,
            announce,
            canary,
            record: self.output.svg.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Returns the line that answers a wrong command line.
    fn refused(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(arguments).expect_err("wrong");
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        usage(&error, &arguments).to_string()
    }

    #[test]
    fn a_wrong_name_gets_a_similar_one_and_the_help_that_lists_the_names() {
        for (arguments, expected) in [
            (&["hb", "foo"][..], "unrecognized subcommand 'foo'; see `hb --help`"),
            (
                &["hb", "replai"],
                "unrecognized subcommand 'replai'; a similar subcommand exists: 'replay'; see `hb --help`",
            ),
            (&["hb", "--no-progress", "order", "x"], "unexpected argument 'x' found; see `hb order --help`"),
            (
                &["hb", "order", "--kil", "3"],
                "unexpected argument '--kil' found; a similar argument exists: '--kill'; see `hb order --help`",
            ),
            (&["hb", "--foo"], "unexpected argument '--foo' found; see `hb --help`"),
            (&["hb", "help", "foo"], "unrecognized subcommand 'foo'; see `hb --help`"),
            (
                &["hb", "--kill", "order", "3"],
                "unexpected argument '--kill' found; 'order --kill' exists; see `hb order --help`",
            ),
            (
                &["hb", "completions", "bsh"],
                "invalid value 'bsh' for '<SHELL>' [possible values: bash, elvish, fish, powershell, zsh]; \
                 a similar value exists: 'bash'; see `hb completions --help`",
            ),
            (&["hb", "completions", "--foo"], "unexpected argument '--foo' found; see `hb completions --help`"),
        ] {
            assert_eq!(refused(arguments), format!("command line: {expected}"));
        }
    }

    #[test]
    fn a_wrong_command_line_takes_one_line() {
        for (arguments, expected) in [
            (vec!["hb"], "no command given"),
            (vec!["hb", "replay", "--loss", "1.5"], "a probability is a number from 0 to 1"),
            (vec!["hb", "replay", "--loss", "NaN"], "a probability is a number from 0 to 1"),
            (vec!["hb", "replay", "--nodes", "0"], "0 is not in 1..=1000"),
            (vec!["hb", "replay", "--trace"], "a value is required for '--trace <FILE>'"),
            (vec!["hb", "replay", "--trace", "a", "--git", "b"], "cannot be used with"),
            (vec!["hb", "replay", "--trace", "a", "--authors", "3"], "cannot be used with"),
        ] {
            let line = refused(&arguments);
            assert!(line.contains(expected) && !line.contains('\n'), "{arguments:?}: {line}");
        }
    }
}
