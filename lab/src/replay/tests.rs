use super::*;
use crate::history::session::{self, Shape};

fn settings(history: &History) -> Settings {
    let mut limits = Limits::default();
    limits.nodes = history.nodes();
    Settings {
        sites: 5,
        conditions: Conditions { loss: 0.2, duplicate: 0.2, delay: 1, reorder: 64, partitions: Vec::new() },
        partitions: 2,
        seed: 1,
        limits,
        timeout: None,
        announce: None,
        canary: None,
        record: false,
    }
}

fn history(events: u32) -> History {
    session::generate(Shape { events, authors: 7, seed: 2 }).expect("a session")
}

#[test]
fn a_bad_network_delays_and_loses_nothing_for_good() {
    let history = history(3000);
    let outcome = run(&history, &settings(&history), &mut |_| {});
    assert_eq!(outcome.verdict, Ok(()));
    let tally = outcome.tally;
    eprintln!("{tally:#?} {:?}", outcome.elapsed);
    assert_eq!((tally.sent, tally.deliveries), (3000, 15_000));
    assert!(tally.retransmissions > 500 && tally.duplicates > 1000 && tally.held_at_most > 10, "{tally:?}");
    assert!(tally.traffic.cut > 0 && tally.traffic.lost > 0, "{tally:?}");
}
