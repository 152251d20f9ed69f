//! A scoreboard: measures this crate beside other crates and beside the limit, in one run, with the answers asserted.
//!
//! ```text
//! cargo run --release --manifest-path scoreboard/Cargo.toml                  # everything
//! cargo run --release --manifest-path scoreboard/Cargo.toml -- scalar        # one subject
//! HB_RUNS=11 cargo run --release --manifest-path scoreboard/Cargo.toml       # more process runs than 7
//! HB_CASES="64 nodes" cargo run ...                                     # cases with that in their names
//! ```
//!
//! The program prints a table, and writes `scoreboard.json` beside the manifest, one JSON object a line.
//!
//! # Method
//!
//! The program starts itself several times: the places of code and data differ from process to process, and matter more
//! than anything else at this scale. Within a process, the contestants of a case take turns in short rounds. The
//! fastest round of each counts, or the median one where threads contend ([`Pick`]). Across processes, the median
//! counts, and the spread is shown. A goal is judged by the median of the *ratios* within each process. Compare figures
//! only within a case. A peer with long rounds is measured in the first process only.
//!
//! # Adding a subject
//!
//! Add one file with a function `cases() -> Vec<Case>`, and one line in [`SUBJECTS`].

mod allocations;
mod codec;
mod crdt;
mod delivery;
mod interval_tree;
mod order;
mod scalar;
mod sequence;
mod siblings;
mod vector;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The subjects: the name in the scoreboard, and the cases.
const SUBJECTS: &[Subject] = &[
    ("scalar", || [scalar::cases(), sequence::cases()].into_iter().flatten().collect()),
    ("codec", codec::cases),
    ("vector", vector::cases),
    ("trees", interval_tree::cases),
    ("siblings", siblings::cases),
    ("crdt", crdt::cases),
    ("delivery", delivery::cases),
    ("order", order::cases),
];

type Subject = (&'static str, fn() -> Vec<Case>);

/// Rounds of each contestant in a process.
const ROUNDS: usize = 40;

/// A peer with longer rounds than this, in seconds, is measured in the first process only.
const SLOW: f64 = 0.5;

/// The environment variable that names the contestants to leave out.
const SKIPPED: &str = "HB_SKIPPED";

/// One line of the scoreboard.
pub struct Case {
    /// The subject of the measurement, unique within the subject of the scoreboard.
    pub name: &'static str,
    /// The unit of the figures; lower is better.
    pub unit: &'static str,
    pub pick: Pick,
    pub goal: Goal,
    pub contestants: Vec<Contestant>,
}

/// The round of a contestant that counts for a process.
#[derive(Clone, Copy, PartialEq)]
pub enum Pick {
    /// The fastest. The work is the same in each round, so other programs on the machine only add time.
    Fastest,
    /// The fastest of the rounds that fit into this time, in seconds, and of at least one: for long rounds.
    FastestWithin(f64),
    /// The median, where threads contend: in the fastest round they happened to miss each other.
    Median,
}

/// The goal of a case.
#[derive(Clone, Copy)]
pub enum Goal {
    None,
    /// At most this many times the limit.
    WithinLimit(f64),
    /// At most this figure.
    AtMost(f64),
    /// At most this many times each peer.
    WithinPeers(f64),
    /// Faster than every peer.
    BeatPeers,
    /// At most this many times the limit, and faster than every peer.
    WithinLimitAndBeatPeers(f64),
    /// This many times as fast as every peer.
    TimesAsFast(f64),
    /// At most this many times the limit, and this many times as fast as every peer.
    WithinLimitAndTimesAsFast(f64, f64),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    Ours,
    Peer,
    /// Shown beside the others but not judged, because it can do less.
    Lesser,
    Limit,
}

pub struct Contestant {
    pub role: Role,
    pub name: &'static str,
    /// Runs one round, asserts its answers, and returns the figure; infinite if it did not finish.
    pub round: Box<dyn FnMut() -> f64>,
}

impl Contestant {
    pub fn new(role: Role, name: &'static str, round: impl FnMut() -> f64 + 'static) -> Self {
        Self { role, name, round: Box::new(round) }
    }
}

/// The figures of each contestant: one for each process run.
type Figures = BTreeMap<(String, String, String), Vec<f64>>;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match wanted.first().map(String::as_str) {
        Some("--one-process") => {
            // A peer follows its graph by recursion, to a depth of all held messages.
            let deep = std::thread::Builder::new().stack_size(1 << 30);
            let measuring = deep.spawn(move || measure(&wanted[1..])).expect("it starts");
            measuring.join().expect("the answers agree");
        }
        _ => report(&wanted),
    }
}

fn subjects(wanted: &[String]) -> impl Iterator<Item = (&'static str, Vec<Case>)> {
    let chosen = SUBJECTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name));
    let part = std::env::var("HB_CASES").unwrap_or_default();
    chosen.map(move |(name, cases)| {
        let mut cases = cases();
        cases.retain(|case| case.name.contains(&part));
        (*name, cases)
    })
}

/// Measures, in a child process, and prints one line a contestant.
fn measure(wanted: &[String]) {
    let skipped = std::env::var(SKIPPED).unwrap_or_default();
    for (subject, cases) in subjects(wanted) {
        for mut case in cases {
            let skip =
                |name: &str| skipped.lines().any(|line| line == format!("{subject}\t{}\t{name}", case.name));
            case.contestants.retain(|contestant| !skip(contestant.name));
            let seconds = if let Pick::FastestWithin(seconds) = case.pick { seconds } else { f64::INFINITY };
            let mut rounds = vec![(Vec::with_capacity(ROUNDS), 0.0); case.contestants.len()];
            for _ in 0..ROUNDS {
                for (contestant, (figures, taken)) in case.contestants.iter_mut().zip(&mut rounds) {
                    if *taken <= seconds {
                        let start = Instant::now();
                        figures.push((contestant.round)());
                        *taken += start.elapsed().as_secs_f64();
                    }
                }
            }
            for (contestant, (figures, taken)) in case.contestants.iter().zip(rounds) {
                let (median, fastest, _) = spread(&figures);
                let figure = if case.pick == Pick::Median { median } else { fastest };
                let slow = taken / figures.len() as f64 > SLOW && contestant.role != Role::Ours;
                println!("{subject}\t{}\t{}\t{figure}\t{slow}", case.name, contestant.name);
            }
        }
    }
}

/// Starts the child processes, and makes the table and the scoreboard.
fn report(wanted: &[String]) {
    let runs = std::env::var("HB_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(7);
    let program = std::env::current_exe().expect("the program knows where it is");
    let mut figures = Figures::new();
    let mut skipped = String::new();
    for run in 1..=runs {
        eprintln!("process run {run} of {runs}");
        let mut child = Command::new(&program);
        let child = child.arg("--one-process").args(wanted).env(SKIPPED, &skipped).output().expect("it starts");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        for line in String::from_utf8(child.stdout).expect("names and figures").lines() {
            let mut fields = line.split('\t').map(String::from);
            let mut field = || fields.next().expect("five fields");
            let (key, figure, slow) = ((field(), field(), field()), field(), field());
            if slow == "true" {
                skipped += &format!("{}\t{}\t{}\n", key.0, key.1, key.2);
            }
            figures.entry(key).or_default().push(figure.parse().expect("a figure"));
        }
    }

    let mut lines = String::new();
    for (subject, cases) in subjects(wanted) {
        println!("\n{subject}");
        for case in cases {
            let of = |name: &str| &figures[&(subject.into(), case.name.into(), name.into())];
            println!("  {} ({}, median of {runs} runs, lowest to highest)", case.name, case.unit);
            for contestant in &case.contestants {
                let (median, low, high) = spread(of(contestant.name));
                let mark = if contestant.role == Role::Ours { ">" } else { " " };
                let limit = if contestant.role == Role::Limit { "limit: " } else { "" };
                let label = format!("{limit}{}", contestant.name);
                if median.is_finite() {
                    println!("  {mark} {label:<44} {median:>9.2}   ({low:.2} to {high:.2})");
                } else {
                    println!("  {mark} {label:<44} did not finish");
                }
            }
            let line = judge(subject, &case, &of);
            println!("    {}", line.verdict);
            lines.push_str(&line.json);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scoreboard.json");
    // Subjects that were not measured now keep their lines.
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let subject_and_name = |line: &str| line.split(",\"ours\"").next().map(String::from);
    let measured: Vec<_> = lines.lines().map(subject_and_name).collect();
    let all = std::env::var_os("HB_CASES").is_none();
    // Once, since this makes the cases, too.
    let names: Vec<&str> = subjects(wanted).map(|(name, _)| name).collect();
    let measured = |line: &str| {
        let subject = |name: &&str| line.starts_with(&format!("{{\"subject\":\"{name}\""));
        measured.contains(&subject_and_name(line)) || (all && names.iter().any(subject))
    };
    let kept: String = old.lines().filter(|line| !measured(line)).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, kept + &lines).expect("the scoreboard can be written");
}

struct Line {
    verdict: String,
    json: String,
}

fn judge<'a>(subject: &str, case: &Case, of: &dyn Fn(&str) -> &'a Vec<f64>) -> Line {
    let with = |role| case.contestants.iter().filter(move |c| c.role == role);
    let ours = with(Role::Ours).next().expect("a case measures us");
    // Our time as a multiple of a contestant's, in each process run.
    let ratio = |other: &str| {
        let ratios: Vec<f64> = of(ours.name).iter().zip(of(other)).map(|(a, b)| a / b).collect();
        spread(&ratios).0
    };
    // If both are zero, there is no ratio.
    let shown = |ratio: Option<f64>| ratio.filter(|ratio| !ratio.is_nan());
    let limit = with(Role::Limit).next();
    let peer = with(Role::Peer).min_by(|a, b| spread(of(a.name)).0.total_cmp(&spread(of(b.name)).0));
    let to_limit = limit.map(|limit| ratio(limit.name));
    let to_peer = with(Role::Peer).map(|peer| ratio(peer.name)).reduce(f64::max);
    let within = |factor: f64| to_limit.map(|ratio| ratio <= factor);
    let beats = to_peer.map(|ratio| ratio < 1.0);
    let (goal, met) = match case.goal {
        Goal::None => (String::new(), None),
        Goal::WithinLimit(factor) => (format!("within {factor}x of the limit"), within(factor)),
        Goal::AtMost(most) => (format!("at most {most}"), Some(spread(of(ours.name)).0 <= most)),
        Goal::WithinPeers(factor) => {
            (format!("at most {factor}x every peer"), to_peer.map(|ratio| ratio <= factor))
        }
        Goal::BeatPeers => ("faster than every peer".into(), beats),
        Goal::WithinLimitAndBeatPeers(factor) => (
            format!("within {factor}x of the limit, and faster than every peer"),
            within(factor).zip(beats).map(|(within, beats)| within && beats),
        ),
        Goal::TimesAsFast(times) => {
            (format!("{times} times as fast as every peer"), to_peer.map(|ratio| ratio * times <= 1.0))
        }
        Goal::WithinLimitAndTimesAsFast(factor, times) => (
            format!("within {factor}x of the limit, and {times} times as fast as every peer"),
            within(factor).zip(to_peer).map(|(within, ratio)| within && ratio * times <= 1.0),
        ),
    };
    let mut verdict = String::new();
    if let Some(ratio) = shown(to_limit) {
        _ = write!(verdict, "{ratio:.2}x the limit; ");
    }
    if let Some(ratio) = shown(to_peer) {
        _ = write!(verdict, "{ratio:.2}x the nearest peer; ");
    }
    _ = match met {
        None => write!(verdict, "no goal"),
        Some(true) => write!(verdict, "goal met: {goal}"),
        Some(false) => write!(verdict, "GOAL NOT MET: {goal}"),
    };
    let text = |name: Option<&str>| name.map_or("null".into(), |name| format!("\"{name}\""));
    let figure = |contestant: Option<&Contestant>| {
        let median = contestant.map(|c| spread(of(c.name)).0).filter(|median| median.is_finite());
        median.map_or("null".into(), |median| format!("{median:.2}"))
    };
    let (median, low, high) = spread(of(ours.name));
    let json = format!(
        "{{\"subject\":\"{subject}\",\"name\":\"{}\",\"ours\":{median:.2},\"ours_spread\":[{low:.2},{high:.2}],\
         \"unit\":\"{}\",\"peer\":{},\"peer_name\":{},\"limit\":{},\"limit_name\":{},\"goal\":{},\"met\":{}}}\n",
        case.name,
        case.unit,
        figure(peer),
        text(peer.map(|peer| peer.name)),
        figure(limit),
        text(limit.map(|limit| limit.name)),
        text((!goal.is_empty()).then_some(goal.as_str())),
        met.map_or("null".into(), |met| met.to_string()),
    );
    Line { verdict, json }
}

/// Returns the median, the lowest and the highest figure.
fn spread(figures: &[f64]) -> (f64, f64, f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}
