//! A full disk. For a process, a limit on the length of its files is the same.
//!
//! A child process, which is this binary again, writes until it fails and reports the answers. The parent, without the
//! limit, checks that.
#![cfg(all(unix, feature = "redb"))]

use std::path::Path;
use std::process::Command;

use happens_before::Dot;
use happens_before::broadcast::{AppendAnswer, AppendLog, Entry, Log, ReadAnswer, ReadLimit};
use happens_before::sequence::Store;
use happens_before_engines::file::FileStore;
use happens_before_engines::redb::{Redb, RedbLog};

const CHILD: &str = "HAPPENS_BEFORE_DISK_FULL";

fn entry(number: u64) -> Entry<u64, Vec<u8>> {
    Entry::message(0, Dot::new(1, number).expect("not 0"), vec![7; 10_000])
}

/// Runs one of the children below, with files of at most `limit` bytes, and returns its report.
fn run(child: &str, place: &Path, limit: u64) -> String {
    let output = Command::new("sh")
        // The signal that would end the child is ignored, so a write beyond the limit is an error.
        .args(["-c", "trap '' XFSZ; ulimit -f \"$2\"; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .args([child, &(limit / 512).to_string()])
        .env(CHILD, place)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().find_map(|line| line.strip_prefix("+ ")).expect("a line").to_string()
}

#[test]
fn child_with_a_log() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let log: RedbLog<u64, Vec<u8>> = Redb::open(place).unwrap().log("log").unwrap();
    // Continues after the entries of an earlier run.
    let mut answered = log.seal(0).unwrap().tail;
    let error = (answered + 1..)
        .find_map(|number| match log.append(&entry(number)) {
            Ok(AppendAnswer::Appended { slot }) => {
                answered = slot;
                None
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Some(error),
        })
        .unwrap();
    eprintln!("{error}");
    println!("\n+ {answered} {}", if error.is_unknown() { "unknown" } else { "not-done" });
    // From then on the engine refuses, until it is opened again.
    let error = log.append(&entry(1)).unwrap_err();
    assert!(!error.is_unknown(), "{error}");
}

#[test]
fn a_log_whose_disk_is_full_has_what_it_has_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    drop(Redb::open(&path).unwrap());
    let mut errors = Vec::new();
    for more in [100_000, 300_000, 1_000_000, 1_500_000] {
        let limit = std::fs::metadata(&path).unwrap().len() + more;
        let said = run("child_with_a_log", &path, limit);
        let (answered, error) = said.split_once(' ').unwrap();
        let answered: u64 = answered.parse().unwrap();
        let log: RedbLog<u64, Vec<u8>> = Redb::open(&path).unwrap().log("log").unwrap();
        let ReadAnswer::Entries(found) = log.read(1, ReadLimit::entries(usize::MAX)).unwrap() else {
            panic!("nobody trims")
        };
        let found = found.len() as u64;
        match error {
            "not-done" => assert_eq!(found, answered),
            "unknown" => assert!(found == answered || found == answered + 1, "{answered}, but {found}"),
            other => panic!("{other}"),
        }
        errors.push(said);
    }
    println!("answered, and the error: {errors:?}");
}

#[test]
fn child_with_a_number() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let mut number = FileStore::open(place).unwrap();
    // The second copy is beyond the limit. Before anything new is written, the current number is made durable.
    assert!(number.write(8).is_err_and(|error| error.kind() != std::io::ErrorKind::InvalidData));
    let error = number.read().unwrap_err();
    println!("\n+ {error}");
}

#[test]
fn a_number_whose_disk_is_full_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("number");
    FileStore::create(&path).unwrap().write(7).unwrap();
    let said = run("child_with_a_number", &path, 4_096);
    assert!(said.ends_with("read it again"), "{said}");
    let mut number = FileStore::open(&path).unwrap();
    assert_eq!(number.read().unwrap(), 7);
    number.write(8).unwrap();
    assert_eq!(number.read().unwrap(), 8);
}
