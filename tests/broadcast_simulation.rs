//! Publishers, subscribers, the counter and the log under a swarm of faults, from seeds, judged by the oracle. Drivers that
//! do it wrong are found out.
#![cfg(feature = "alloc")]

mod common;
#[path = "common/broadcast_world.rs"]
mod world;

use world::{Conduct, End, Repair, Retry, Seen, World};

/// Numbers from a seed, the same everywhere: splitmix64.
fn choices(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |limit| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Every run has some of the faults, and not others, so that none hides another.
fn swarm(seed: u64) -> Conduct {
    let mut choose = choices(!seed);
    let mut fault = |per_mille: u64| if choose(2) == 0 { 0 } else { 1 + choose(per_mille) };
    Conduct {
        lose: fault(200),
        repeat: fault(150),
        impatient: fault(500),
        crash: fault(20),
        restart: fault(20),
        counter_back: fault(20),
        counter_jump: fault(20),
        seal: fault(10),
        trim: fault(20),
        abandon: fault(20),
        ..Conduct::default()
    }
}

fn run(seed: u64, conduct: Conduct) -> (End, Seen) {
    let mut world = World::new(choices(seed), conduct, 3, 3, 12);
    let end = world.run(1_500);
    if conduct.repair == Repair::Fill && conduct.retry == Retry::Same {
        world.assert_real_time_order();
    }
    (end, world.seen)
}

/// How many seeds the swarm tries; the long run is by hand: `HAPPENS_BEFORE_RUNS=100000 cargo test --release ...`.
fn runs() -> u64 {
    std::env::var("HAPPENS_BEFORE_RUNS")
        .map_or(1_000, |runs| runs.parse().expect("HAPPENS_BEFORE_RUNS is a number"))
}

/// Names the seed of a run that panics.
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
    let first = common::seed() % (u64::MAX / 2);
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
    // It saw something of everything.
    let Seen { acknowledged, delivered, fills, filled_away, crashes, resumed, restarts, installed, .. } = all;
    let Seen { seals, trims, lost, behind, given_up, late_writes, .. } = all;
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
        outcome_trimmed: a.outcome_trimmed + b.outcome_trimmed,
    }
}

#[test]
fn without_faults_every_message_is_acknowledged_and_delivered_everywhere() {
    for seed in 0..50 {
        let (end, seen) = run(seed, Conduct::default());
        assert!(matches!(end, End::Complete), "seed {seed}: {end:?}");
        assert!(seen.acknowledged >= 36 && seen.delivered == 3 * seen.acknowledged, "seed {seed}: {seen:?}");
    }
}

/// Wrong on purpose: holes stay. Nothing false is delivered, but a publisher that dies stops everyone.
#[test]
fn without_repair_subscribers_get_stuck() {
    let conduct = Conduct { crash: 10, repair: Repair::Never, ..Conduct::default() };
    let ends: Vec<End> = (0..50).map(|seed| run(seed, conduct).0).collect();
    assert!(!ends.iter().any(|end| matches!(end, End::Wrong(_))), "{ends:?}");
    let stuck = ends.iter().filter(|end| matches!(end, End::Stuck)).count();
    assert!(stuck > 25, "only {stuck} of 50 stuck");
}

/// Wrong on purpose: who has waited long enough goes on without asking the log.
#[test]
fn skipping_after_a_time_out_breaks_the_order() {
    let conduct = Conduct { lose: 100, impatient: 300, repair: Repair::Skip, ..Conduct::default() };
    let ends: Vec<End> = (0..50).map(|seed| run(seed, conduct).0).collect();
    let wrong = ends.iter().filter(|end| matches!(end, End::Wrong(_))).count();
    assert!(wrong > 5, "only {wrong} of 50 wrong");
}

/// Wrong on purpose: what was not answered is sent again under a new number and as a new message.
#[test]
fn a_blind_retry_delivers_twice() {
    let conduct = Conduct { impatient: 300, retry: Retry::Blind, ..Conduct::default() };
    let twice = (0..50).filter(|&seed| {
        let end = run(seed, conduct).0;
        matches!(end, End::Wrong(happens_before::check::OrderViolation::DeliveredTwice { .. }))
    });
    let twice = twice.count();
    assert!(twice > 25, "only {twice} of 50 delivered something twice");
}
