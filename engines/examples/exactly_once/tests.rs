//! Tests of the example `exactly_once`. A child process is killed at every step, starts again, and gets everything once
//! more. In the end every effect has happened once.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, abort};
use std::rc::Rc;

use super::Ledger;

const DATABASE: &str = "EXACTLY_ONCE_DATABASE";
const CRASH_AT: &str = "EXACTLY_ONCE_CRASH_AT";

/// Makes a fresh directory of this name.
fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&directory).ok();
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Returns the packets of the other node, 1: four messages, each of which depends on all earlier ones.
fn packets(directory: &Path) -> Vec<Vec<u8>> {
    let mut other = Ledger::open(&directory.join("other"), 1, Box::new(|| {})).unwrap();
    (0..4).map(|n| other.add(["rent", "food"][n % 2], 1 << n).unwrap()).collect()
}

/// Runs the node under test, 2. It handles all packets, out of order and some twice, and then adds 1,000 of its own
/// unless it has done so.
fn work(database: &Path, packets: &[Vec<u8>], step: Box<dyn FnMut()>) {
    let mut ledger = Ledger::open(database, 2, step).unwrap();
    for at in [2, 0, 0, 1, 3] {
        ledger.receive(&packets[at]).unwrap();
    }
    if ledger.sent().unwrap().is_empty() {
        ledger.add("food", 1_000).unwrap();
    }
}

/// The work of the process that is killed; not a test of its own.
#[test]
fn child() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let database = PathBuf::from(database);
    let crash_at: usize = std::env::var(CRASH_AT).unwrap().parse().unwrap();
    let packets: Vec<_> =
        (0..4).map(|n| std::fs::read(database.with_extension(n.to_string())).unwrap()).collect();
    let mut steps = 0;
    let step = move || {
        steps += 1;
        if steps == crash_at {
            abort();
        }
    };
    work(&database, &packets, Box::new(step));
}

/// Runs the child; returns whether it finished.
fn run_child(database: &Path, crash_at: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["tests::child", "--exact"]).env(DATABASE, database).env(CRASH_AT, crash_at.to_string());
    child.output().unwrap().status.success()
}

fn assert_done_once(database: &Path) {
    let ledger = Ledger::open(database, 2, Box::new(|| {})).unwrap();
    assert_eq!(ledger.balance("rent").unwrap(), 1 + 4);
    assert_eq!(ledger.balance("food").unwrap(), 2 + 8 + 1_000);
    assert_eq!(ledger.sent().unwrap().len(), 1);
}

#[test]
fn a_process_that_is_killed_at_any_step_has_done_everything_once() {
    let directory = directory("exactly_once_killed");
    let packets = packets(&directory);
    // A run without a crash counts the steps.
    let steps = Rc::new(Cell::new(0));
    let counter = Rc::clone(&steps);
    work(&directory.join("whole"), &packets, Box::new(move || counter.set(counter.get() + 1)));
    assert_done_once(&directory.join("whole"));
    assert_eq!(steps.get(), 6 * 3 + 5, "three for each of six commits, one for each effect");

    for crash_at in 1..=steps.get() {
        let database = directory.join(format!("killed-{crash_at}"));
        for (n, packet) in packets.iter().enumerate() {
            std::fs::write(database.with_extension(n.to_string()), packet).unwrap();
        }
        assert!(!run_child(&database, crash_at), "killed at step {crash_at}");
        // Its second life ends early too, its third does not.
        run_child(&database, 5);
        assert!(run_child(&database, usize::MAX));
        assert_done_once(&database);
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_node_that_forgets_all_but_its_database_at_every_packet_has_done_everything_once() {
    let directory = directory("exactly_once_forgotten");
    let packets = packets(&directory);
    let database = directory.join("database");
    for round in 0..2 {
        for at in [3, 2, 1, 0, 2] {
            Ledger::open(&database, 2, Box::new(|| {})).unwrap().receive(&packets[at]).unwrap();
        }
        if round == 0 {
            Ledger::open(&database, 2, Box::new(|| {})).unwrap().add("food", 1_000).unwrap();
        }
    }
    assert_done_once(&database);
    std::fs::remove_dir_all(&directory).unwrap();
}
