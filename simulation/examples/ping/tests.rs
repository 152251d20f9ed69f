//! Tests of the example `ping`: its mistake is found, and shown in a dozen lines.

use happens_before_simulation::FailureKind;

use super::{Pings, swarm};

/// The whole report of one seed. It is the same in every version, on every machine, in debug and in release. A change
/// here breaks every seed that users have noted.
const REPORT: &str = include_str!("report.txt");

#[test]
fn the_mistake_is_found_and_shown_in_a_dozen_lines() {
    let make = |_| Pings { careful: false };
    let found = swarm().search(1..1000, 2, &make, &|_| {});
    let failing = found.failing.and_then(|seed| swarm().explain(seed, &make)).expect("it is found");
    assert_eq!(failing.failure.kind, FailureKind::Violation);
    assert!(failing.trace.len() <= 12, "{failing}");
    assert_eq!(failing.to_string(), REPORT, "{failing}");
}

#[test]
fn without_the_mistake_it_holds() {
    let found = swarm().check(2000, |_| Pings { careful: true });
    let total = found.total;
    assert_eq!(found.runs, 2000);
    assert!(total.crashes > 1000 && total.traffic.lost > 1000 && total.traffic.cut > 1000, "{found:?}");
}

/// A third of the seeds show the mistake, each in a different way; nearly all of them end in a dozen lines.
#[test]
fn every_seed_that_fails_becomes_short() {
    let make = |_| Pings { careful: false };
    let mut lines = Vec::new();
    for failing in (1..200).filter_map(|seed| swarm().explain(seed, &make)) {
        assert_eq!(failing.short_failure.kind, failing.failure.kind);
        assert!(failing.schedule.decisions.len() <= failing.drawn.decisions.len());
        lines.push(failing.trace.len());
    }
    lines.sort_unstable();
    assert!(lines.len() > 50 && lines[lines.len() / 2] <= 12 && lines[lines.len() - 1] < 60, "{lines:?}");
}
