//! A test of the checker `testkit::linearizable`, on real histories of a register with known verdicts, recorded by
//! Jepsen.
//!
//! They are in the folder that HAPPENS_BEFORE_DATA names, else in `../shared/data` beside the project.

use testkit::linearizable;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use linearizable::{Call, linearizable};

/// The value of the register; `None` before the first write.
type Value = Option<u8>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Read,
    Write(u8),
    Swap(u8, u8),
}

/// The answer to an operation: the value read, or whether it was swapped; nothing for a write.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Value(Value),
    Swapped(bool),
    Written,
}

fn step(&state: &Value, op: &Op) -> (Value, Told) {
    match *op {
        Op::Read => (state, Told::Value(state)),
        Op::Write(new) => (Some(new), Told::Written),
        Op::Swap(old, new) if state == Some(old) => (Some(new), Told::Swapped(true)),
        Op::Swap(..) => (state, Told::Swapped(false)),
    }
}

/// Parses lines `INFO jepsen.util - PROCESS TYPE OPERATION ARGUMENT`; the line number is the time.
fn parse(text: &str) -> Vec<Call<Op, Told>> {
    let mut calls: Vec<Call<Op, Told>> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (line, time) in text.lines().zip(1..) {
        let words: Vec<&str> = line.strip_prefix("INFO  jepsen.util - ").expect(line).split('\t').collect();
        let [process, what, operation, argument] = words.try_into().expect(line);
        let number = |text: &str| text.parse::<u8>().expect(line);
        if what == ":invoke" {
            let op = match operation {
                ":read" => Op::Read,
                ":write" => Op::Write(number(argument)),
                ":cas" => {
                    let pair = argument.trim_matches(['[', ']']).split_once(' ').expect(line);
                    Op::Swap(number(pair.0), number(pair.1))
                }
                other => panic!("{other}"),
            };
            assert!(open.insert(process, calls.len()).is_none(), "{line}: it has not returned");
            calls.push(Call { begin: time, end: None, op });
            continue;
        }
        let call = &mut calls[open.remove(process).expect(line)];
        let told = match (what, call.op) {
            (":ok", Op::Read) => Told::Value((argument != "nil").then(|| number(argument))),
            (":ok", Op::Write(_)) => Told::Written,
            (":ok", Op::Swap(..)) => Told::Swapped(true),
            (":fail", Op::Swap(..)) => Told::Swapped(false),
            (":info", _) => continue, // it may take effect at any later time
            // A failed read says nothing.
            (":fail", Op::Read) => continue,
            other => panic!("{line}: {other:?}"),
        };
        call.end = Some((time, told));
    }
    calls
}

fn data() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("HAPPENS_BEFORE_DATA").map_or_else(beside, PathBuf::from)
}

#[test]
fn real_histories_get_the_verdicts_that_are_known() {
    let folder = data().join("histories");
    let Ok(verdicts) = fs::read_to_string(folder.join("verdicts.tsv")) else {
        return eprintln!("SKIPPED: {} is not there; see HAPPENS_BEFORE_DATA", folder.display());
    };
    let (mut linear, mut not, mut total, mut unknown) = (0, 0, 0, 0);
    for line in verdicts.lines().skip(1) {
        let (file, verdict) = line.split_once('\t').expect(line);
        let calls = parse(&fs::read_to_string(folder.join(file)).expect(file));
        let holds = linearizable(&None, &calls, step);
        assert_eq!(holds.to_string(), verdict, "{file}");
        *(if holds { &mut linear } else { &mut not }) += 1;
        total += calls.len();
        unknown += calls.iter().filter(|call| call.end.is_none()).count();
    }
    println!("{linear} linearizable, {not} not; {total} calls, {unknown} without an answer");
    assert!(linear >= 6 && not >= 34, "{linear} {not}");
}
