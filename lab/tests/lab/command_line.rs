//! The output of the program, and its exit codes.

use std::fs;

use super::helpers::{self, Shape, assert_complete, graph, hb, hb_at_width, replay, text};
use serde_json::Value;

#[test]
fn without_options_a_session_is_replayed() {
    let ended = hb(&["replay"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for row in [
        "events",
        "sites",
        "deliveries",
        "held at most",
        "retransmissions",
        "duplicates dropped",
        "dependencies a message",
        "bytes of metadata a message",
        "with a full version vector",
        "with a delta of the vector",
        "events a second",
        "virtual ticks",
        "seed",
    ] {
        assert!(ended.out.contains(row), "no row {row:?} in\n{}", ended.out);
    }
    let verdict = "verdict: causal, exactly once and complete: each of 5 sites delivered all 10,000 events";
    assert_eq!(ended.out.lines().last(), Some(verdict));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed: &str| {
        let (code, mut report) = replay(&["--events", "2000", "--seed", seed]);
        assert_eq!(code, Some(0));
        report["elapsed"] = Value::Null; // real time differs from run to run
        report
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7")["run"], run("8")["run"]);
    assert_eq!(run("7")["settings"]["seed"], 7);
}

#[test]
fn any_network_that_lets_something_through_will_do() {
    for options in [
        &["--loss", "0", "--duplicate", "0", "--reorder", "0", "--partitions", "0"][..],
        &["--loss", "0.9"],
        &["--loss", "0.95", "--duplicate", "0", "--nodes", "3"],
        &["--duplicate", "1"],
        &["--reorder", "5000"],
        &["--delay", "200", "--partitions", "20"],
        &["--nodes", "1"],
        &["--nodes", "2"],
        &["--nodes", "40"],
        &["--authors", "1"],
        &["--authors", "60"],
        &["--timeout", "3", "--announce", "5"],
    ] {
        let (code, report) = replay(&[&["--events", "300"], options].concat());
        let sites = report["settings"]["sites"].as_u64().expect("a number");
        assert_complete(code, &report, 300, sites);
    }
}

#[test]
fn small_limits_cost_time_and_lose_nothing() {
    for options in [
        &["--hold", "0"][..],
        &["--hold", "1"],
        &["--hold", "8", "--partitions", "6"],
        &["--horizon", "1"],
        &["--horizon", "5", "--hold", "3"],
    ] {
        let (code, report) = replay(&[&["--events", "1500", "--loss", "0.2"], options].concat());
        assert_complete(code, &report, 1500, 5);
        let refused = ["refused_full", "refused_horizon"].map(|field| report["run"][field].as_u64());
        assert!(refused.iter().flatten().sum::<u64>() > 50, "{options:?}: {report:#}");
        let hold = report["settings"]["hold"].as_u64();
        assert!(report["run"]["held_at_most"].as_u64() <= hold, "{options:?}: {report:#}");
    }
}

#[test]
fn limits_that_can_never_do_are_refused() {
    let ended = hb(&["replay", "--node-limit", "3"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.err, "hb: --node-limit: the history has 5 nodes, so it could never be delivered\n");
    let ended = hb(&["replay", "--dependency-limit", "0"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("the history has a message with 4 dependencies"), "{}", ended.err);
}

#[test]
fn a_run_on_a_network_without_a_chance_is_given_up_and_says_what_it_waits_for() {
    let ended = hb(&["replay", "--loss", "1", "--events", "60", "--nodes", "3"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let verdict = ended.out.lines().last().expect("a verdict");
    assert!(verdict.starts_with("verdict: gave up: nothing delivered for "), "{verdict}");
    assert!(verdict.contains("; the network lost 100.0 % of the copies; "), "{verdict}");
    assert!(verdict.contains("site 1 has not delivered") && verdict.contains("by Ada"), "{verdict}");

    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("run.svg");
    let (code, report) = replay(&["--loss", "1", "--events", "9", "--nodes", "3", "--svg", text(&svg)]);
    assert_eq!(
        (code, &report["verdict"]["ok"], &report["verdict"]["gave_up"]),
        (Some(1), &false.into(), &true.into())
    );
    let svg = fs::read_to_string(svg).expect("a picture");
    assert!(svg.contains("gave up: ") && !svg.contains("FAILED"), "{svg}");
}

#[test]
fn an_oracle_that_is_lied_to_notices() {
    for (lie, words) in [("skip", "before its cause"), ("repeat", "a second time")] {
        let ended = hb(&["replay", "--events", "1000", "--canary", lie]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
        let verdict = ended.out.lines().last().expect("a verdict");
        assert!(
            verdict.starts_with("verdict: FAILED: site 4 delivers (") && verdict.contains(words),
            "{verdict}"
        );
        let (code, report) = replay(&["--canary", lie]);
        assert_eq!((code, &report["verdict"]["ok"]), (Some(1), &Value::Bool(false)));
    }
}

#[test]
fn a_small_run_is_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.svg");
    let arguments = ["replay", "--events", "24", "--authors", "3", "--nodes", "3", "--svg", text(&file)];
    let ended = hb(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let svg = fs::read_to_string(&file).expect("a picture");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    // A mark for every sending and every delivery, and no other file in the folder.
    assert_eq!(svg.matches(" is sent in tick ").count(), 24);
    assert_eq!(svg.matches(" is delivered at site ").count(), 48);
    assert!(svg.contains("is held back from tick") && svg.contains(">site 2<"));
    assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    // The same run gives the same picture, and replaces the old one.
    assert_eq!(hb(&arguments).code, Some(0));
    assert_eq!(fs::read_to_string(&file).expect("a picture"), svg);
}

#[test]
fn a_history_that_is_written_out_is_replayed_to_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, repository) = (folder.path().join("kept.json"), folder.path().join("repository"));
    fs::create_dir(&repository).expect("a folder");
    helpers::repository(&repository, &graph(&Shape { commits: 200, authors: 4, branches: 5, seed: 6 }));
    for source in
        [&["--authors", "7", "--events", "2000"][..], &["--git", text(&repository), "--events", "150"]]
    {
        let report = |source: &[&str]| {
            let (code, mut report) = replay(&[source, &["--seed", "5", "--loss", "0.3"]].concat());
            assert_eq!(code, Some(0));
            // The trace has an agent for each node, without names; and real time differs from run to run.
            for (part, field) in [("history", "source"), ("history", "authors"), ("history", "authors_split")] {
                report[part][field] = Value::Null;
            }
            report["elapsed"] = Value::Null;
            report
        };
        let written = report(&[source, &["--write-trace", text(&file)]].concat());
        let read = report(&["--trace", text(&file)]);
        assert_eq!(written, read);
        // A trace that is read and written is the same trace.
        let first = fs::read_to_string(&file).expect("a trace");
        report(&["--trace", text(&file), "--write-trace", text(&file)]);
        assert_eq!(fs::read_to_string(&file).expect("a trace"), first);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "no other file is left");
    }
    let nowhere = folder.path().join("nowhere/kept.json");
    let ended = hb(&["replay", "--events", "9", "--write-trace", text(&nowhere)]);
    let line = format!("hb: {}: cannot be created in its folder: no such file or folder\n", text(&nowhere));
    assert_eq!((ended.code, ended.out.as_str(), ended.err), (Some(2), "", line));
}

/// The picture would replace the trace, and nobody would be told.
#[test]
fn a_picture_and_a_trace_are_two_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, link) = (folder.path().join("run"), folder.path().join("link"));
    let same = folder.path().join(".").join("run");
    fs::write(&file, "kept").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink("run", &link).expect("a link");
    #[cfg(not(unix))]
    let link = file.clone();
    for (svg, trace) in [(&file, &file), (&file, &same), (&link, &file), (&file, &link)] {
        let ended = hb(&["replay", "--events", "9", "--svg", text(svg), "--write-trace", text(trace)]);
        let line = "hb: --write-trace: is the file of --svg too; give each its own\n";
        assert_eq!((ended.code, ended.err.as_str()), (Some(2), line));
        assert_eq!(fs::read_to_string(&file).expect("the file"), "kept");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_stays_as_private_as_it_was() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session.json");
    fs::write(&file, "").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("permissions");
    assert_eq!(hb(&["replay", "--events", "9", "--write-trace", text(&file)]).code, Some(0));
    let replaced = fs::metadata(&file).expect("the file");
    assert!(replaced.len() > 0);
    assert_eq!(replaced.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_trace_has_no_branches() {
    let ended = hb(&["replay", "--trace", "none.json", "--branch", "main"]);
    assert!(ended.err.contains("cannot be used with"), "{}", ended.err);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1));
}

#[test]
fn the_trace_in_the_help_is_one() {
    let help = hb(&["replay", "--help"]).out;
    let example = help.lines().skip_while(|line| !line.trim_start().starts_with("{\"kind\""));
    let example: Vec<&str> = example.take_while(|line| line.starts_with("  ")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("example.json");
    fs::write(&file, example.join("\n")).expect("a file");
    let (code, report) = replay(&["--trace", text(&file), "--nodes", "2"]);
    assert_complete(code, &report, 4, 2);
    assert_eq!(
        (&report["history"]["nodes"], &report["history"]["parents_per_event"]),
        (&2.into(), &1.0.into())
    );
}

#[test]
fn a_picture_that_cannot_be_read_or_stored_is_refused_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |arguments: &[&str]| {
        let ended = hb(&[&["replay"], arguments].concat());
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        ended.err
    };
    let file = folder.path().join("run.svg");
    let line = refused(&["--svg", text(&file)]);
    assert!(line.starts_with("hb: --svg: 10,000 events at 5 sites cannot be read"), "{line}");
    let nowhere = folder.path().join("nowhere/run.svg");
    let line = refused(&["--events", "9", "--svg", text(&nowhere)]);
    assert!(
        line.ends_with("nowhere/run.svg: cannot be created in its folder: no such file or folder\n"),
        "{line}"
    );
    let line = refused(&["--events", "9", "--svg", text(folder.path())]);
    assert!(line.ends_with(": is not a file\n"), "{line}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
#[cfg(unix)]
fn a_picture_is_named_as_the_user_names_it_and_a_link_stays_one() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().expect("a folder");
    let (file, link, lost) =
        (folder.path().join("a.svg"), folder.path().join("b.svg"), folder.path().join("c.svg"));
    fs::write(&file, "old").expect("a file");
    symlink("a.svg", &link).expect("a link");
    symlink("d.svg", &lost).expect("a link");
    let draw = |path: &std::path::Path| hb(&["replay", "--events", "9", "--svg", text(path)]);

    let inside = file.join("y");
    let ended = draw(&inside);
    let line = format!("hb: {}: cannot be created in its folder: not a folder\n", text(&inside));
    assert_eq!((ended.code, ended.err), (Some(2), line));
    let ended = draw(&lost);
    let line = format!("hb: {}: is a link that leads nowhere: no such file or folder\n", text(&lost));
    assert_eq!((ended.code, ended.err), (Some(2), line));

    assert_eq!(draw(&link).code, Some(0));
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&file).expect("a picture").starts_with("<svg "));
}

#[test]
fn one_of_a_thing_is_singular() {
    let ended = hb(&["replay", "--events", "1", "--authors", "1", "--nodes", "1", "--partitions", "1"]);
    let verdict = "verdict: causal, exactly once and complete: the only site delivered the only event";
    assert_eq!(ended.out.lines().last(), Some(verdict));
    assert!(ended.out.contains("built-in session of 1 author; 1 node "), "{}", ended.out);
}

#[test]
fn what_cannot_be_kept_in_memory_is_refused_before_it_is_tried() {
    for (arguments, expected) in [
        (&["--events", "4294967295"][..], "4294967295 is not in 1..=5000000"),
        (&["--authors", "1001"], "1001 is not in 1..=1000"),
        (
            &["--events", "5000000", "--authors", "1000"],
            "hb: session: 5,000,000 events of 1,000 authors do not fit into memory; \
             events times authors may be at most 100,000,000\n",
        ),
    ] {
        let ended = hb(&[&["replay"], arguments].concat());
        assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
}

/// Runs `hb` in a shell that redirects its output as the end of the line says.
#[cfg(unix)]
fn redirected(arguments: &str, to: &str) -> (Option<i32>, String) {
    let script = format!("exec \"$0\" {arguments} {to}");
    let mut shell = std::process::Command::new("sh");
    let ended = shell.args(["-c", &script, env!("CARGO_BIN_EXE_hb")]).output().expect("a shell");
    (ended.status.code(), String::from_utf8(ended.stderr).expect("UTF-8"))
}

#[test]
#[cfg(unix)]
fn an_answer_that_does_not_arrive_is_an_error() {
    let arguments = ["replay --events 50", "replay --events 50 --json", "replay --help", "--version"];
    for arguments in arguments {
        assert_eq!(redirected(arguments, ">/dev/null"), (Some(0), String::new()), "{arguments}");
        // Some programs open the output of their children like this.
        assert_eq!(redirected(arguments, "1<>/dev/null"), (Some(0), String::new()), "{arguments}");
        if std::path::Path::new("/dev/full").exists() {
            let (code, err) = redirected(arguments, ">/dev/full");
            assert_eq!((code, err.lines().count()), (Some(2), 1), "{arguments}: {err}");
            assert!(err.starts_with("hb: standard output: ") && !err.contains("os error"), "{err}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_reader_who_has_gone_away_is_no_error() {
    for arguments in [&["replay", "--events", "50"][..], &["replay", "--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut hb = std::process::Command::new(env!("CARGO_BIN_EXE_hb"));
        let ended = hb.args(arguments).stdout(writer).output().expect("hb runs");
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]), "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_takes_one_line_and_help_teaches() {
    for arguments in [&[][..], &["replya"], &["replay", "--nodes", "none"], &["replay", "--lots"]] {
        let ended = hb(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.starts_with("hb: "), "{}", ended.err);
    }
    let help = hb(&["replay", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for part in ["at most 5,000,000", "at most 1 GiB", "it may be given up"] {
        assert!(
            help.out.split_whitespace().collect::<Vec<_>>().join(" ").contains(part),
            "no {part:?} in\n{}",
            help.out
        );
    }
    for part in ["Examples:", "--trace <FILE>", "--git <DIR>", "--hold <COUNT>", "Exit code:", "--seed"] {
        assert!(help.out.contains(part), "no {part:?} in\n{}", help.out);
    }
}

/// Returns the names of all subcommands.
fn subcommands() -> Vec<String> {
    let help = hb(&["--help"]).out;
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that continues a description is indented further.
    let names = list.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).filter(|name| name != "help").collect()
}

#[test]
fn every_printed_line_fits_the_width() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = folder.path().join(format!("{}.json", "a-trace-with-a-long-name".repeat(8)));
    fs::write(&long, r#"{"numAgents": 1, "txns": [{"agent": 0, "parents": [], "patches": []}]}"#)
        .expect("a file");
    let redb = format!("redb:{}", text(&folder.path().join(format!("{}.redb", "a-long-name-".repeat(9)))));
    let mut printed = vec![
        vec!["--help"],
        vec!["-h"],
        vec!["replay", "--events", "300", "--hold", "3"],
        vec!["replay", "--events", "60", "--nodes", "3", "--loss", "1"],
        vec!["replay", "--events", "300", "--canary", "skip"],
        vec!["replay", "--trace", text(&long)],
        vec!["order", "--messages", "200", "--timeout", "2"],
        vec!["order", "--messages", "9", "--timeout", "2", "--engine", &redb],
        vec!["order", "--messages", "20", "--canary", "lose"],
    ];
    let names = subcommands();
    for name in &names {
        printed.extend([vec![name, "--help"], vec![name, "-h"], vec!["help", name]]);
    }
    assert_eq!(names, ["replay", "order", "completions"]);
    for arguments in printed {
        // Without a terminal, and without a number, the width is 80. It is never below 40, where a long word of help may
        // stand out.
        let is_help = arguments.iter().any(|word| ["--help", "-h", "help"].contains(word));
        let narrow = (!is_help).then_some(("7", 40));
        let widths = [("80", 80), ("60", 60), ("", 80), ("none", 80), ("0", 80)];
        for (columns, width) in widths.into_iter().chain(narrow) {
            let ended = hb_at_width(columns, &arguments);
            assert!(!ended.out.is_empty(), "{arguments:?}: {}", ended.err);
            for line in ended.out.lines() {
                assert!(line.chars().count() <= width, "{arguments:?} at {columns:?}: {line}");
            }
        }
        // No more columns than the text needs, and for help no more than can be read.
        let widest = hb(&arguments).out.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(500), "{arguments:?}");
    }
    // In 60 columns, a table has the same words as in 500.
    let words = |columns| {
        let table = hb_at_width(columns, &["replay", "--events", "300"]).out;
        let mut words: Vec<String> = table.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words.retain(|word| word.chars().all(char::is_alphabetic));
        words
    };
    assert_eq!(words("60"), words("500"));
}

/// `script` runs a command in a terminal of its own; `stty` says how wide that is.
#[test]
#[cfg(target_os = "linux")]
fn a_table_fits_the_terminal() {
    let mut script = std::process::Command::new("script");
    let hb = format!("stty rows 24 cols 63 && exec '{}' replay --events 300", env!("CARGO_BIN_EXE_hb"));
    script.args(["--quiet", "--return", "--command", &hb, "/dev/null"]).env_remove("COLUMNS");
    let Ok(ended) = script.stdin(std::process::Stdio::null()).output() else {
        eprintln!("SKIPPED: the program `script` is not installed");
        return;
    };
    let out = String::from_utf8(ended.stdout).expect("UTF-8");
    assert!(ended.status.success(), "{out}");
    assert!(out.lines().any(|line| line.trim_end().chars().count() == 63), "{out}");
    assert!(out.lines().all(|line| line.trim_end().chars().count() <= 63), "{out}");
}

#[test]
fn a_completion_script_names_every_subcommand_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = hb(&["completions", shell]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{shell}");
        for name in subcommands().iter().map(String::as_str).chain(["reset-counter", "trace", "no-progress"]) {
            assert!(ended.out.contains(name), "no {name} in the script for {shell}");
        }
        assert!(!ended.out.contains("order-worker"), "{shell}");
    }
    let ended = hb(&["completions"]);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
}

#[test]
#[cfg(unix)]
fn bash_completes_commands_options_and_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hb");
    fs::write(&file, hb(&["completions", "bash"]).out).expect("a file");
    let completed = |words: &[&str]| {
        let last = words.len() - 1;
        let line = format!(
            "source '{}'; COMP_WORDS=({}); COMP_CWORD={last}; _hb hb '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            text(&file),
            words.join(" "),
            words[last],
            words[last - 1]
        );
        let Ok(ended) = std::process::Command::new("bash").args(["--norc", "-c", &line]).output() else {
            return None;
        };
        assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
        Some(String::from_utf8(ended.stdout).expect("UTF-8").trim().to_owned())
    };
    let Some(replay) = completed(&["hb", "re"]) else {
        eprintln!("SKIPPED: bash is not installed");
        return;
    };
    assert_eq!(replay, "replay");
    assert_eq!(completed(&["hb", "order", "--kill-"]).as_deref(), Some("--kill-subscribers"));
    assert_eq!(completed(&["hb", "order", "--canary", "ov"]).as_deref(), Some("overtake"));
    assert_eq!(completed(&["hb", "completions", "z"]).as_deref(), Some("zsh"));
}
