use happens_before::delivery::BufferLimits;
use happens_before_simulation::network::Conditions;

use super::*;
use crate::budget::Budget;
use crate::history::Told;
use crate::history::session::{self, Shape};

fn settings(history: &History) -> ReplaySettings {
    let limits = BufferLimits { nodes: history.nodes(), ..BufferLimits::default() };
    ReplaySettings {
        sites: 5,
        loss: 0.2,
        duplicate: 0.2,
        delay: 1,
        reorder: 64,
        partitions: 2,
        seed: 1,
        limits,
        timeout: None,
        announce: None,
        canary: None,
        record: false,
    }
}

fn history(events: u32, authors: u32, seed: u64) -> History {
    session::generate(Shape { events, authors, seed }).expect("a session")
}

#[test]
fn a_bad_network_delays_and_loses_nothing_for_good() {
    let history = history(3000, 7, 2);
    let outcome = run(&history, &settings(&history), &mut |_| {});
    assert_eq!(outcome.verdict, Ok(()));
    let tally = outcome.tally;
    assert_eq!((tally.sent, tally.deliveries), (3000, 15_000));
    assert!(tally.retransmissions > 500 && tally.duplicates > 1000 && tally.held_at_most > 10, "{tally:?}");
    assert!(tally.traffic.cut > 0 && tally.traffic.lost > 0, "{tally:?}");
    assert!(outcome.recording.sent.is_empty(), "nothing is recorded unless asked for");
}

#[test]
fn on_a_perfect_network_nothing_is_held_asked_for_or_repeated() {
    let history = history(1000, 6, 8);
    let mut settings = settings(&history);
    (settings.loss, settings.duplicate, settings.delay, settings.reorder) = (0.0, 0.0, 7, 0);
    settings.partitions = 0;
    let outcome = run(&history, &settings, &mut |_| {});
    assert_eq!(outcome.verdict, Ok(()));
    let tally = outcome.tally;
    assert_eq!(tally.held_at_most + tally.questions + tally.retransmissions + tally.duplicates, 0, "{tally:?}");
    assert_eq!(tally.traffic.packets, 4 * 1000 + tally.announcements);
    // The last copy arrives one way after the last event was sent.
    assert_eq!(tally.ticks + 1, ideal_length(&history, 5, 7) + 7);
}

/// Many small runs, each with another mix of faults and limits: nothing is ever lost for good.
#[test]
fn a_swarm_of_networks() {
    let mut random = Random::new(2026, stream::SESSION);
    let (mut held, mut refused, mut cut, mut asked) = (0, 0, 0, 0);
    for seed in 0..150 {
        let history = history(20 + random.below(180) as u32, 1 + random.below(9) as u32, seed);
        let mut settings = settings(&history);
        let mut rarely = |often: f64, most: u64| if random.chance(often) { random.below(most + 1) } else { 0 };
        settings.loss = rarely(0.7, 60) as f64 / 100.0;
        settings.duplicate = rarely(0.7, 100) as f64 / 100.0;
        settings.delay = rarely(0.5, 30);
        settings.reorder = rarely(0.8, 200);
        settings.partitions = rarely(0.5, 5);
        settings.timeout = Some(1 + rarely(0.5, 300)).filter(|&timeout| timeout > 1);
        settings.announce = Some(1 + rarely(0.5, 900)).filter(|&every| every > 1);
        settings.sites = 1 + rarely(0.9, 7) as usize;
        settings.seed = seed;
        if random.chance(0.3) {
            settings.limits.messages = random.index(12);
        }
        if random.chance(0.3) {
            settings.limits.horizon = 1 + random.below(20);
        }
        let outcome = run(&history, &settings, &mut |_| {});
        assert_eq!(outcome.verdict, Ok(()), "{settings:?}");
        let tally = outcome.tally;
        assert_eq!(tally.deliveries, (history.len() * settings.sites) as u64);
        assert!(tally.held_at_most <= settings.limits.messages as u64, "{settings:?}");
        held += u64::from(tally.held_at_most > 0);
        refused += u64::from(tally.refused_full + tally.refused_horizon > 0);
        cut += u64::from(tally.traffic.cut > 0);
        asked += u64::from(tally.retransmissions > 0);
    }
    assert!(held > 80 && refused > 30 && cut > 30 && asked > 80, "{held} {refused} {cut} {asked} of 150");
}

#[test]
fn a_run_that_halts_says_what_is_blocked_on_what() {
    let history = history(400, 6, 2);
    let settings = settings(&history);
    let mut replay = Replay::new(&history, &settings);
    // From tick 600 on, site 4 receives nothing; its deliveries up to then have gaps.
    let group = vec![false, false, false, false, true];
    let for_ever = Partition { from: 600, until: Tick::MAX, group, one_way: false };
    let conditions = Conditions { partitions: vec![for_ever], ..settings.conditions() };
    replay.network = Network::new(conditions, 3);
    let failure = replay.run(&mut |_| {}).expect_err("nothing gets through");
    let ReplayFailure::Stalled(words) = failure else { panic!("{failure}") };
    assert!(words.starts_with("nothing delivered for "), "{words}");
    assert!(words.contains("; site 4 has not delivered (") && words.contains(", event "), "{words}");
    assert!(words.contains("holds back") && words.contains(" is blocked on ("), "{words}");
}

#[test]
fn patience_grows_with_the_loss_up_to_where_nobody_would_wait() {
    let patience = |loss| {
        let Patience { ticks, fair } = Patience::new(1.0 - loss, 10);
        (ticks, fair)
    };
    assert_eq!(patience(0.0), (100_000, true));
    assert_eq!(patience(0.5), (100_000, true));
    assert!((310_000..=320_000).contains(&patience(0.9).0) && patience(0.9).1, "{:?}", patience(0.9));
    assert!((39_000_000..41_000_000).contains(&patience(0.98).0) && patience(0.98).1, "{:?}", patience(0.98));
    assert_eq!(patience(0.99), (50_000_000, false));
    assert_eq!(patience(1.0), (10, false));
}

/// A slow round is not mistaken for a dead one, for any cause of the slowness.
#[test]
fn long_ways_and_long_time_outs_are_waited_for() {
    let history = history(20, 2, 2);
    for (delay, timeout) in [(12_000, None), (1, Some(12_000))] {
        let mut settings = settings(&history);
        settings.sites = 2;
        (settings.delay, settings.timeout, settings.announce) = (delay, timeout, Some(1));
        let outcome = run(&history, &settings, &mut |_| {});
        assert_eq!(outcome.verdict, Ok(()), "{delay} {timeout:?}");
    }
}

#[test]
fn a_site_that_refuses_its_own_event_fails_the_run() {
    let history = history(400, 6, 2);
    let mut settings = settings(&history);
    settings.limits.nodes = 3;
    let outcome = run(&history, &settings, &mut |_| {});
    let Err(ReplayFailure::Refused(words)) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(words.contains("refuses an event of its own") && words.contains("more than 3 nodes"), "{words}");
}

#[test]
fn a_recording_has_every_sending_delivery_and_copy() {
    let history = history(200, 4, 6);
    let mut settings = settings(&history);
    settings.record = true;
    let ReplayResult { recording, tally, verdict, .. } = run(&history, &settings, &mut |_| {});
    assert_eq!(verdict, Ok(()));
    assert_eq!(recording.sent.len(), 200);
    assert_eq!(recording.delivered.len(), 1000);
    assert!(recording.delivered.is_sorted_by_key(|delivered| delivered.at));
    let ends =
        |end: fn(&FlightEnd) -> bool| recording.flights.iter().filter(|flight| end(&flight.end)).count() as u64;
    // All but the sender's own deliveries come from a copy that was accepted.
    assert_eq!(ends(|end| matches!(end, FlightEnd::Accepted { .. })), 800);
    assert_eq!(ends(|end| matches!(end, FlightEnd::Duplicate { .. })), tally.duplicates);
    assert!(ends(|end| matches!(end, FlightEnd::Lost)) > 100);
}

#[test]
fn progress_is_told_and_ends_at_all() {
    let history = history(2000, 5, 1);
    let mut told = Vec::new();
    run(&history, &settings(&history), &mut |done| told.push(done));
    assert!(told.len() > 5 && told.is_sorted());
    assert_eq!(told.last(), Some(&10_000));
}

/// A vector of a thousand entries is not measured for each of many messages, and the report says so.
#[test]
fn of_very_many_messages_with_very_many_nodes_a_part_is_measured() {
    let (events, authors) = (20_000, 1000);
    let names = (0..authors).map(|author| author.to_string()).collect();
    let told: Vec<_> = (0..events)
        .map(|event: u64| Told { author: event % authors, parents: event.checked_sub(1).into_iter().collect() })
        .collect();
    let history = History::new("row".to_owned(), names, &told, &Budget::default()).expect("a graph");
    let settings = ReplaySettings { sites: 1, ..settings(&history) };
    let outcome = run(&history, &settings, &mut |_| {});
    assert_eq!(outcome.verdict, Ok(()));
    let tally = outcome.tally;
    assert_eq!((tally.sent, tally.measured), (events, events / 2));
    // One dependency, and a vector of about a thousand entries.
    let each =
        [tally.metadata_bytes, tally.delta_bytes, tally.vector_bytes].map(|bytes| bytes / tally.measured);
    assert!((4..8).contains(&each[0]) && (13..20).contains(&each[1]) && each[2] > 300, "{each:?}");
    let table = report::ReplayReport::new(&history, &settings, &outcome).table(200);
    assert!(table.contains("measured for 10,000 of 20,000"), "{table}");
}
