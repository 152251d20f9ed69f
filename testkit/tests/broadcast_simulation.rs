//! Publishers and subscribers over slots or appends, under a swarm of faults from seeds. The oracle judges them. Wrong
//! drivers are caught.

use happens_before::broadcast::LogKind;
use testkit::broadcast_world as world;

use world::{Conduct, End, Repair, Retry, Seen, run, swarm};

/// Returns the number of seeds that the swarm tries. For a long run: `HAPPENS_BEFORE_RUNS=100000 cargo test --release
/// ...`.
fn runs() -> u64 {
    std::env::var("HAPPENS_BEFORE_RUNS")
        .map_or(1_000, |runs| runs.parse().expect("HAPPENS_BEFORE_RUNS is a number"))
}

/// A guard that names the seed of a run that panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat this run alone: HAPPENS_BEFORE_RUNS=1 HAPPENS_BEFORE_SEED={}", self.0);
        }
    }
}

#[test]
fn under_every_mix_of_faults_there_is_one_order_and_nothing_is_lost() {
    let first = testkit::seed() % (u64::MAX / 2);
    let mut all = Seen::default();
    for seed in first..first + runs() {
        let _named = Named(seed);
        let conduct = swarm(seed);
        let (end, seen) = run(seed, conduct);
        assert!(matches!(end, End::Complete), "{end:?} under {conduct:?}");
        all = add(all, seen);
    }
    if runs() < 100 {
        return;
    }
    // It saw each kind of event.
    let Seen { acknowledged, delivered, fills, filled_away, crashes, resumed, restarts, installed, .. } = all;
    let Seen { seals, trims, lost, behind, given_up, late_writes, late_numbers, appended, clock_set, .. } = all;
    let least = runs() / 10;
    for (what, times) in [
        ("acknowledged", acknowledged),
        ("delivered", delivered),
        ("fills", fills),
        ("filled away", filled_away),
        ("crashes", crashes),
        ("resumed", resumed),
        ("restarts", restarts),
        ("snapshots installed", installed),
        ("seals", seals),
        ("trims", trims),
        ("lost", lost),
        ("counter behind", behind),
        ("given up", given_up),
        ("writes of the dead", late_writes),
        ("numbers of counters that are over", late_numbers),
        ("appended", appended),
        ("clock set", clock_set),
    ] {
        assert!(times > least, "{what}: only {times} in {} runs: {all:?}", runs());
    }
    eprintln!("{all:?}");
}

fn add(a: Seen, b: Seen) -> Seen {
    Seen {
        acknowledged: a.acknowledged + b.acknowledged,
        delivered: a.delivered + b.delivered,
        fills: a.fills + b.fills,
        filled_away: a.filled_away + b.filled_away,
        crashes: a.crashes + b.crashes,
        resumed: a.resumed + b.resumed,
        restarts: a.restarts + b.restarts,
        installed: a.installed + b.installed,
        seals: a.seals + b.seals,
        trims: a.trims + b.trims,
        lost: a.lost + b.lost,
        behind: a.behind + b.behind,
        jumps: a.jumps + b.jumps,
        given_up: a.given_up + b.given_up,
        late_writes: a.late_writes + b.late_writes,
        late_numbers: a.late_numbers + b.late_numbers,
        appended: a.appended + b.appended,
        suspected: a.suspected + b.suspected,
        outcome_trimmed: a.outcome_trimmed + b.outcome_trimmed,
        clock_set: a.clock_set + b.clock_set,
    }
}

#[test]
fn without_faults_every_message_is_acknowledged_and_delivered_everywhere() {
    for (seed, log) in (0..50).flat_map(|seed| [(seed, LogKind::Slots), (seed, LogKind::Appends)]) {
        let (end, seen) = run(seed, Conduct { log, ..Conduct::default() });
        assert!(matches!(end, End::Complete), "seed {seed}: {end:?}");
        assert!(seen.acknowledged >= 36 && seen.delivered == 3 * seen.acknowledged, "seed {seed}: {seen:?}");
    }
}

/// Wrong on purpose: no hole is filled. Nothing false is delivered, but a publisher that dies stops everyone.
#[test]
fn without_repair_subscribers_get_stuck() {
    let conduct = Conduct { crash: 10, repair: Repair::Never, ..Conduct::default() };
    let ends: Vec<End> = (0..50).map(|seed| run(seed, conduct).0).collect();
    assert!(!ends.iter().any(|end| matches!(end, End::Wrong(_))), "{ends:?}");
    let stuck = ends.iter().filter(|end| matches!(end, End::Stuck)).count();
    assert!(stuck > 25, "only {stuck} of 50 stuck");
}

/// Wrong on purpose: a subscriber that has waited long enough goes on without asking the log.
#[test]
fn skipping_after_a_time_out_breaks_the_order() {
    let conduct = Conduct { lose: 100, impatient: 300, repair: Repair::Skip, ..Conduct::default() };
    let ends: Vec<End> = (0..50).map(|seed| run(seed, conduct).0).collect();
    let wrong = ends.iter().filter(|end| matches!(end, End::Wrong(_))).count();
    assert!(wrong > 5, "only {wrong} of 50 wrong");
}

/// Wrong on purpose: a message without an answer is sent again under a new number, as a new message.
#[test]
fn a_blind_retry_delivers_twice() {
    for log in [LogKind::Slots, LogKind::Appends] {
        let conduct = Conduct { impatient: 300, retry: Retry::Blind, log, ..Conduct::default() };
        let twice = (0..50).filter(|&seed| {
            let end = run(seed, conduct).0;
            matches!(end, End::Wrong(happens_before::check::OrderViolation::DeliveredTwice { .. }))
        });
        let twice = twice.count();
        assert!(twice > 25, "only {twice} of 50 delivered something twice");
    }
}
