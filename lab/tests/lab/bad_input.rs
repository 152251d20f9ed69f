//! Bad input gets one line with the fault and its place, exit code 2, and leaves no file.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::helpers::{hb, text};

/// Replays this content as a trace, with a picture requested, and returns the one line.
fn refused(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, content).expect("a file");
    let svg = folder.path().join("run.svg");
    let line = refused_file(&file, &svg);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "a file was left: {line}");
    line
}

fn refused_file(file: &Path, svg: &Path) -> String {
    let ended = hb(&["replay", "--trace", text(file), "--svg", text(svg)]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let place = format!("hb: {}: ", text(file));
    assert!(ended.err.starts_with(&place), "{}", ended.err);
    ended.err[place.len()..].trim_end().to_owned()
}

fn trace(agents: u64, transactions: &[(u64, &[u64])]) -> Vec<u8> {
    let list: Vec<_> = transactions
        .iter()
        .map(|(agent, parents)| serde_json::json!({"agent": agent, "parents": parents, "patches": [[0, 0, "x"]]}))
        .collect();
    let trace = serde_json::json!({"kind": "concurrent", "numAgents": agents, "endContent": "x", "txns": list});
    trace.to_string().into_bytes()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_good_trace_is_read_with_gzip_and_without() {
    let good = trace(3, &[(0, &[]), (1, &[0]), (0, &[0]), (2, &[1, 2]), (0, &[3])]);
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("a.json", good.clone()), ("a.json.gz", gzip(&good))] {
        let file = folder.path().join(name);
        fs::write(&file, content).expect("a file");
        let ended = hb(&["replay", "--trace", text(&file), "--nodes", "2"]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out.contains("each of 2 sites delivered all 5 events"), "{}", ended.out);
    }
}

#[test]
fn a_file_that_is_not_there_or_not_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("run.svg");
    assert_eq!(refused_file(&folder.path().join("none.json"), &svg), "no such file or folder");
    assert_eq!(refused_file(folder.path(), &svg), "is a folder, not a file");
    assert!(!svg.exists());
}

#[test]
fn a_file_that_is_broken() {
    let good = trace(2, &[(0, &[]), (1, &[0]), (0, &[1])]);
    assert_eq!(refused("a.json", b""), "the file is empty");
    let line = refused("a.json", &good[..good.len() - 9]);
    assert!(
        line.starts_with("not a concurrent editing trace: EOF while parsing") && line.contains("column"),
        "{line}"
    );
    let line = refused("a.json", b"{\"numAgents\": 1,\n \"txns\": [{\"agent\": 0, \"parents\": [-1]}]}");
    assert!(line.contains("invalid value: integer `-1`") && line.contains("line 2 column"), "{line}");
    let line = refused("a.json", b"{\"numAgents\": 1}");
    assert!(line.contains("missing field `txns`"), "{line}");
    let line = refused("a.json", b"hello");
    assert!(line.contains("line 1 column 1"), "{line}");
    let line = refused("a.json", &[good.as_slice(), b"x"].concat());
    assert!(line.contains("trailing characters"), "{line}");
    let line =
        refused("a.json", b"{\"kind\": \"sequential\", \"numAgents\": 1, \"txns\": [{\"patches\": []}]}");
    assert!(line.starts_with("a trace of kind \"sequential\""), "{line}");

    let packed = gzip(&good);
    let line = refused("a.json.gz", &packed[..packed.len() / 2]);
    assert!(line.starts_with("broken gzip"), "{line}");
    let line = refused("a.json.gz", &packed[..packed.len() - 3]);
    assert!(line.starts_with("broken gzip"), "{line}");
    let mut flipped = packed.clone();
    let middle = flipped.len() - 6; // in the checksum
    flipped[middle] ^= 0x40;
    let line = refused("a.json.gz", &flipped);
    assert!(line.starts_with("broken gzip"), "{line}");
}

#[test]
fn a_graph_that_is_none() {
    for (agents, transactions, expected) in [
        (1, &[][..], "there are no events in it"),
        (1, &[(0, &[][..]), (0, &[7])], "event 1 names the parent 7, but there are only 2 events, from 0"),
        (2, &[(0, &[]), (2, &[0])], "event 1 is by agent 2, but there are only 2, from 0"),
        (0, &[(0, &[])], "event 0 is by agent 0, but there are only 0, from 0"),
        (1, &[(0, &[]), (0, &[0, 0])], "event 1 names the parent 0 twice"),
        (1, &[(0, &[0])], "events depend on each other in a circle: 0 on 0"),
        (1, &[(0, &[]), (0, &[2]), (0, &[1])], "events depend on each other in a circle: 1 on 2 on 1"),
        (2, &[(0, &[1]), (1, &[])], "event 0 names the parent 1, which comes later; parents come first"),
    ] {
        assert_eq!(refused("a.json", &trace(agents, transactions)), expected);
    }
}

/// Foreign traces have agents that work at two places at once. Each is split, and the report says so.
#[test]
fn an_agent_that_is_concurrent_with_itself_is_split() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    let run = |events: &str, options: &[&str]| {
        let arguments = ["replay", "--trace", text(&file), "--nodes", "2", "--events", events];
        hb(&[&arguments[..], options].concat())
    };
    // Agent 1 writes event 1, and event 3 without having seen it; agent 4,000,000,000 does the same after them.
    let most = u64::from(u32::MAX);
    let far = 4_000_000_000;
    let transactions: [(u64, &[u64]); 7] =
        [(0, &[]), (1, &[0]), (0, &[1]), (1, &[0]), (far, &[2, 3]), (far, &[2, 3]), (1, &[3])];
    fs::write(&file, trace(most, &transactions)).expect("a file");
    let ended = run("7", &[]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    assert!(ended.out.contains("each of 2 sites delivered all 7 events"), "{}", ended.out);
    assert!(ended.out.contains("authors split"), "{}", ended.out);
    let report: serde_json::Value = serde_json::from_str(&run("7", &["--json"]).out).expect("an object");
    let of = |field: &str| report["history"][field].as_u64();
    assert_eq!([of("authors"), of("authors_split"), of("nodes")], [Some(3), Some(2), Some(5)], "{report:#}");

    // The names say so, too.
    let svg = folder.path().join("run.svg");
    assert_eq!(run("7", &["--svg", text(&svg)]).code, Some(0));
    let svg = fs::read_to_string(svg).expect("a picture");
    for name in
        ["agent 1, incarnation 1", "agent 1, incarnation 2", "agent 4000000000, incarnation 2", ">agent 0<"]
    {
        assert!(svg.contains(name), "no {name}");
    }
    // The first three events do not need it.
    let ended = run("3", &[]);
    assert!(!ended.out.contains("authors split") && ended.out.contains("2 nodes"), "{}", ended.out);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, svg) = (folder.path().join("pipe.json"), folder.path().join("run.svg"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed");
    assert!(made.success());
    assert_eq!(refused_file(&pipe, &svg), "is not a regular file");
    assert_eq!(refused_file(Path::new("/dev/zero"), &svg), "is not a regular file");
}

#[test]
fn what_takes_more_memory_than_it_may_is_refused_in_reading_and_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.json");
    let row = |events: u64| -> Vec<u8> {
        let parents: Vec<_> =
            (0..events).map(|event| event.checked_sub(1).into_iter().collect::<Vec<_>>()).collect();
        trace(1, &parents.iter().map(|parents| (0, parents.as_slice())).collect::<Vec<_>>())
    };
    let within_one_mib = |events: u64| {
        fs::write(&file, row(events)).expect("a file");
        hb(&["replay", "--trace", text(&file), "--nodes", "2", "--memory", "1"])
    };
    let ended = within_one_mib(2000);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let ended = within_one_mib(4000);
    let line = "hb: --memory: a replay at 2 sites needs about 2 MiB; allow more, or ask for fewer --events\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(2), line));
    let ended = within_one_mib(40_000);
    let line = format!("hb: {}: needs more than 1 MiB of memory; --memory allows more\n", text(&file));
    assert_eq!((ended.code, ended.err), (Some(2), line));
    // A shorter trace of the same kind fits.
    fs::write(&file, row(4000)).expect("a file");
    let ended = hb(&["replay", "--trace", text(&file), "--nodes", "2", "--memory", "1", "--events", "1000"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
