//! `hb order`: one order over real engines, under every fault.

use super::helpers::{hb, hb_at_width, text};
use serde_json::Value;

const RIGHT: &str = "verdict: one order, nothing lost, nothing twice, and every publisher's own order kept: ";

/// Runs `hb order --json` with these arguments and returns the exit code and the object.
fn order(arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = hb(&[&["order", "--json"], arguments].concat());
    let object = serde_json::from_str(&ended.out);
    (ended.code, object.unwrap_or_else(|error| panic!("{error}: {}\n{}", ended.out, ended.err)))
}

/// Checks that the run succeeded, and returns one part of the report as numbers.
fn assert_right(arguments: &[&str], messages: u64, subscribers: u64) -> Value {
    let (code, report) = order(arguments);
    assert_eq!((code, &report["verdict"]["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
    assert_eq!(report["run"]["acknowledged"], messages, "{report:#}");
    assert_eq!(report["run"]["delivered"], messages * subscribers, "{report:#}");
    for (asked, made) in [
        ("kill", "killed"),
        ("kill_subscribers", "subscribers_killed"),
        ("stall", "stalled"),
        ("reset_counter", "resets"),
    ] {
        assert_eq!(report["settings"][asked], report["faults"][made], "{report:#}");
    }
    report
}

fn number(report: &Value, part: &str, field: &str) -> u64 {
    report[part][field].as_u64().unwrap_or_else(|| panic!("no {part}.{field} in {report:#}"))
}

#[test]
fn without_options_messages_are_ordered_in_memory() {
    let ended = hb(&["order"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    // Without the padding, which depends on the widest number.
    let words: Vec<&str> = ended.out.split_whitespace().collect();
    let table = words.join(" ");
    for row in [
        "acknowledged 8,000 by 4 publishers over memory",
        "delivered 16,000 at 2 subscribers",
        "publishers killed 6 2 with a number, 2 after a write that nobody else knew of, the others with a slot on record",
        "subscribers killed 4 delivered ",
        "writes stalled 4 until another write had occupied their slot",
        "counter set back 2 found ",
        "holes filled ",
        "slots found occupied ",
        "lag at most ",
        "messages a second ",
        "without the waits ",
        "seed 1 the same seed gives the same faults",
    ] {
        assert!(table.contains(row), "no row {row:?} in\n{}", ended.out);
    }
    let verdict = format!("{RIGHT}each of 2 subscribers delivered all 8,000 messages");
    assert_eq!(ended.out.lines().last(), Some(verdict.as_str()));
}

#[test]
fn each_fault_by_itself_leaves_one_order() {
    let alone = |option: &str, count: &str| {
        let mut arguments = vec!["--messages", "100", "--timeout", "2"];
        for other in ["--kill", "--kill-subscribers", "--stall", "--reset-counter"] {
            arguments.extend([other, if other == option { count } else { "0" }]);
        }
        assert_right(&arguments, 400, 2)
    };
    let none = alone("none", "0");
    assert_eq!((number(&none, "faults", "killed"), number(&none, "faults", "resets")), (0, 0));

    // Every fourth kill leaves a hole below the successor's message.
    let killed = alone("--kill", "40");
    assert_eq!(number(&killed, "faults", "killed_with_number"), 10);
    assert_eq!(number(&killed, "faults", "killed_after_write"), 10);
    assert!(number(&killed, "run", "fills") >= 10, "{killed:#}");

    // On average, it dies some 5 messages after its last saved place.
    let deaf = alone("--kill-subscribers", "100");
    assert!((300..=900).contains(&number(&deaf, "run", "delivered_again")), "{deaf:#}");
    // As many deaths as deliveries: each life ends one message further.
    let arguments = ["--messages", "8", "--publishers", "2", "--kill-subscribers", "32", "--timeout", "2"];
    assert_eq!(number(&assert_right(&arguments, 16, 2), "run", "delivered_again"), 2 * (55 + 21));

    // Each stalled write waits until its slot is filled.
    let stalled = alone("--stall", "30");
    assert!(number(&stalled, "run", "fills") >= 30, "{stalled:#}");
    assert!(number(&stalled, "run", "filled_away") >= 30, "{stalled:#}");

    let set_back = alone("--reset-counter", "30");
    let noticed = number(&set_back, "run", "behind") + number(&set_back, "run", "collisions");
    assert!(noticed >= 1, "{set_back:#}");
}

#[test]
fn all_faults_at_once_leave_one_order_whatever_the_seed() {
    let mut unknown = 0;
    for seed in 1..=12 {
        let seed = seed.to_string();
        let arguments = ["--publishers", "3", "--subscribers", "3", "--messages", "12", "--timeout", "2"];
        let faults = ["--kill", "16", "--kill-subscribers", "20", "--stall", "9", "--reset-counter", "11"];
        let faults = [&faults[..], &["--seed", &seed]].concat();
        let report = assert_right(&[&arguments[..], &faults].concat(), 36, 3);
        unknown += number(&report, "faults", "killed_with_number");
    }
    assert_eq!(unknown, 48);
}

#[test]
fn an_oracle_that_is_lied_to_about_where_a_subscriber_goes_on_notices() {
    // Also in a run that is too short for deaths of subscribers that no option asks for.
    for messages in ["100", "3"] {
        let ended = hb(&["order", "--messages", messages, "--canary", "resume"]);
        let verdict = ended.out.lines().last().expect("a verdict");
        assert_eq!(ended.code, Some(1), "{verdict}");
        assert!(
            verdict.starts_with("verdict: FAILED: in slot ") && verdict.contains(" where others deliver "),
            "{verdict}"
        );
    }
}

/// The parts of the report about time, in seconds and in messages a second.
fn times(report: &Value) -> [f64; 4] {
    ["seconds", "waited_seconds", "messages_per_second", "messages_per_second_without_waits"]
        .map(|field| report["elapsed"][field].as_f64().unwrap_or_else(|| panic!("no {field} in {report:#}")))
}

#[test]
fn waits_for_faults_are_told_apart_from_work() {
    let run = |kill, stall, timeout| {
        let mut arguments = vec!["--messages", "8", "--publishers", "1", "--timeout", timeout, "--kill", kill];
        arguments.extend(["--stall", stall, "--kill-subscribers", "0", "--reset-counter", "0"]);
        let table = hb(&[&["order"], &arguments[..]].concat()).out;
        (assert_right(&arguments, 8, 2), table)
    };
    // Nothing fills the slot of a stalled write, or of a dead publisher, before 800 ms are over. Most of that is told
    // apart; the rest allows for a busy machine, on which the work itself takes long.
    for (kill, stall) in [("0", "1"), ("1", "0")] {
        let (report, table) = run(kill, stall, "800");
        let [seconds, waited, rate, without] = times(&report);
        assert!((0.2..=seconds).contains(&waited), "{report:#}");
        assert!(without > rate && (without - 8.0 / (seconds - waited)).abs() < 1.0, "{report:#}");
        assert!(table.contains("without the waits"), "{table}");
    }
    // Nothing was planted, so nothing is waited for.
    let (report, table) = run("0", "0", "10000");
    assert_eq!(times(&report)[1], 0.0, "{report:#}");
    assert!(!table.contains("without the waits"), "{table}");
}

#[test]
fn progress_appears_after_a_second_unless_it_is_not_wanted() {
    // The stalled write takes longer than a second.
    let arguments = ["order", "--messages", "1", "--publishers", "1", "--stall", "1", "--timeout", "1500"];
    let ended = hb_at_width("80", &arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.starts_with("ordering: 0 of 2 deliveries, 0 %, "), "{}", ended.err);
    for arguments in
        [[&arguments[..], &["--no-progress"]].concat(), [&["--no-progress"], &arguments[..]].concat()]
    {
        let ended = hb_at_width("80", &arguments);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    }
}

#[test]
fn one_of_each_is_enough() {
    let ended = hb(&["order", "--publishers", "1", "--subscribers", "1", "--messages", "1", "--kill", "1"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let verdict = format!("{RIGHT}the only subscriber delivered the only message");
    assert_eq!(ended.out.lines().last(), Some(verdict.as_str()));
    assert!(ended.out.contains("by 1 publisher over memory"), "{}", ended.out);
}

#[test]
fn an_oracle_that_is_lied_to_notices_and_says_where() {
    for (lie, words) in [
        ("skip", " where others deliver message "),
        ("swap", " where others deliver message "),
        ("repeat", " a second time"),
        ("lose", " was acknowledged, and is never delivered"),
        ("overtake", " after its message "),
    ] {
        let ended = hb(&["order", "--messages", "100", "--canary", lie]);
        assert_eq!(ended.code, Some(1), "{lie}: {}", ended.err);
        let verdict = ended.out.lines().last().expect("a verdict");
        assert!(verdict.starts_with("verdict: FAILED: ") && verdict.contains(words), "{lie}: {verdict}");
        assert!(lie == "lose" || verdict.contains("FAILED: in slot "), "{lie}: {verdict}");
        assert!(verdict.contains(" of publisher "), "{lie}: {verdict}");

        let (code, report) =
            order(&["--messages", "2", "--publishers", "1", "--subscribers", "1", "--canary", lie]);
        assert_eq!((code, &report["verdict"]["ok"]), (Some(1), &Value::Bool(false)), "{lie}");
        assert_eq!(report["verdict"]["gave_up"], false);
    }
}

#[test]
fn a_log_on_disk_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = format!("redb:{}", text(&folder.path().join("order.redb")));
    let arguments = ["--engine", &engine, "--publishers", "3", "--messages", "8", "--timeout", "20"];
    let faults = ["--kill", "4", "--stall", "1", "--reset-counter", "1"];
    let mut before = 0;
    for epoch in 1..=2 {
        let report = assert_right(&[&arguments[..], &faults].concat(), 24, 2);
        assert_eq!(number(&report, "run", "epoch"), epoch);
        let slots = number(&report, "run", "slots_before");
        assert!(if epoch == 1 { slots == 0 } else { slots >= before + 24 }, "{report:#}");
        before = slots;
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn the_table_says_what_the_object_says() {
    let arguments = ["--messages", "60", "--publishers", "3", "--kill", "5", "--seed", "9"];
    let report = assert_right(&arguments, 180, 2);
    let table = hb(&[&["order"], &arguments[..]].concat()).out;
    let row = |name: &str| {
        let line =
            table.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in\n{table}"));
        let after = line.split(name).nth(1).expect("split");
        let word = after.split_whitespace().next().expect("a number");
        word.replace(',', "").parse::<u64>().expect("a number")
    };
    for (name, part, field) in [
        ("acknowledged", "run", "acknowledged"),
        ("delivered", "run", "delivered"),
        ("publishers killed", "faults", "killed"),
        ("writes stalled", "faults", "stalled"),
        ("counter set back", "faults", "resets"),
        ("seed", "settings", "seed"),
    ] {
        assert_eq!(row(name), number(&report, part, field), "{name}");
    }
    let verdict = format!("verdict: {}", report["verdict"]["words"].as_str().expect("words"));
    assert_eq!(table.lines().last(), Some(verdict.as_str()));
}

#[test]
fn wrong_use_takes_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = format!("redb:{}", text(&folder.path().join("nowhere/order.redb")));
    let foreign = folder.path().join("foreign");
    std::fs::write(&foreign, "not a database").expect("a file");
    let foreign = format!("redb:{}", text(&foreign));
    // An option that is not named gives way to those that are.
    for faults in [&["--kill", "4"][..], &["--stall", "2", "--reset-counter", "2"]] {
        let arguments = [&["--messages", "1", "--timeout", "2"], faults].concat();
        assert_right(&arguments, 4, 2);
    }
    for (arguments, words) in [
        (
            &["--engine", "sqlite:x"][..],
            "an engine is memory, redb:PATH or postgres:URL; see `hb order --help`",
        ),
        (&["--engine", &nowhere], "nowhere/order.redb: not done: "),
        (&["--engine", &foreign], "foreign: not done: "),
        (&["--publishers", "0"], "0 is not in 1..=100"),
        (&["--subscribers", "101"], "101 is not in 1..=100"),
        (&["--kill", "many"], "see `hb order --help`"),
        (&["--canary", "sing"], "possible values: skip, swap, repeat, lose, overtake, resume"),
        (&["--canary", "swap", "--messages", "1"], "--messages: --canary needs at least 2 of each publisher"),
        (
            &["--canary", "resume", "--kill-subscribers", "0"],
            "--kill-subscribers: `--canary resume` needs at least 1",
        ),
        (
            &["--messages", "1", "--kill-subscribers", "9"],
            "--kill-subscribers: at most 8: one after each delivery",
        ),
        (
            &["--messages", "1", "--kill", "5"],
            "--kill: 5 faults do not fit: a message meets at most one, and there are only 4 messages",
        ),
        (&["--messages", "1", "--stall", "5"], "--stall: 5 faults do not fit"),
        (&["--messages", "1", "--kill", "3", "--stall", "2"], "--kill, --stall: 5 faults do not fit"),
        (
            &["--messages", "1", "--kill", "0", "--stall", "3", "--reset-counter", "2"],
            "--stall, --reset-counter: 5 faults do not fit",
        ),
        (
            &["--messages", "1", "--publishers", "2", "--reset-counter", "3"],
            "--reset-counter: 3 faults do not fit",
        ),
        (&["--messages", "9", "--publishers", "1", "--reset-counter", "6"], "--reset-counter: at most 5"),
        (
            &["--messages", "4000000000"],
            "--messages: 16,000,000,000 messages at 2 subscribers do not fit into memory; at most 20,000,000 deliveries do",
        ),
    ] {
        let ended = hb(&[&["order"], arguments].concat());
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.starts_with("hb: ") && ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn help_teaches() {
    let help = hb(&["order", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for part in [
        "Examples:",
        "Exit code:",
        "--engine <ENGINE>",
        "--kill <COUNT>",
        "--kill-subscribers <COUNT>",
        "--stall <COUNT>",
        "--reset-counter <COUNT>",
    ] {
        assert!(help.out.contains(part), "no {part:?} in\n{}", help.out);
    }
    assert!(!hb(&["--help"]).out.contains("order-worker"));
}

#[cfg(not(feature = "postgres"))]
#[test]
fn without_postgres_hb_says_how_to_build_it() {
    let ended = hb(&["order", "--engine", "postgres:host=localhost"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("cargo build --release -p happens-before-lab --features postgres"),
        "{}",
        ended.err
    );
}

/// An error says why, and shows no password.
#[cfg(feature = "tls")]
#[test]
fn an_error_over_postgres_says_why_and_shows_no_password() {
    let wrong = "postgres:host=127.0.0.1 port=1 user=nobody password=SECRET sslmode=verify-full";
    for (engine, says) in [
        (wrong.to_owned(), "add sslrootcert"),
        (format!("{wrong} sslrootcert=/no/such"), "127.0.0.1:1: nothing accepts connections there"),
        ("postgres://user:SEC@RET@127.0.0.1".to_owned(), "second `@`"),
    ] {
        let ended = hb(&["order", "--engine", &engine]);
        assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
        assert!(
            ended.err.contains(says) && !ended.err.contains("SEC") && !ended.err.contains("RET"),
            "{}",
            ended.err
        );
    }
}

/// The URL decides about TLS in every process. It is not a test of its own, since only one run has the log at a time.
#[cfg(feature = "tls")]
fn use_tls_as_the_url_says(url: &str) {
    let Ok(folder) = std::env::var("HAPPENS_BEFORE_POSTGRES_CERTIFICATES") else {
        eprintln!("SKIPPED: the server has no certificates; engines/with-postgres.sh makes them with openssl");
        return;
    };
    let engine =
        |roots| format!("postgres:{url} host=localhost sslmode=verify-full sslrootcert={folder}/{roots}.crt");
    let ended = hb(&["order", "--engine", &engine("other")]);
    assert!(ended.err.contains("certificate is not trusted"), "{}", ended.err);
    let few = ["--messages", "10", "--kill", "2", "--reset-counter", "1", "--timeout", "50"];
    let (code, report) = order(&[&["--engine", &engine("root")], &few[..]].concat());
    assert_eq!((code, &report["verdict"]["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
}

/// Processes, killed with signal 9, over a server that others use at the same time.
#[cfg(feature = "postgres")]
#[test]
fn processes_over_postgres_are_killed_and_leave_one_order() {
    let ended = hb(&["order", "--engine", "postgres:host=127.0.0.1 port=1 user=nobody"]);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
    assert!(ended.err.starts_with("hb: postgres: not done: "), "{}", ended.err);
    let ended = hb_at_width("80", &["order-worker"]);
    assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{}", ended.err);

    let Ok(url) = std::env::var("HAPPENS_BEFORE_POSTGRES") else {
        eprintln!("SKIPPED: HAPPENS_BEFORE_POSTGRES is not set; run this by engines/with-postgres.sh");
        return;
    };
    let engine = format!("postgres:{url}");
    let arguments = ["--engine", &engine, "--messages", "40", "--timeout", "50"];
    let faults = ["--kill", "12", "--kill-subscribers", "8", "--stall", "6", "--reset-counter", "6"];
    let mut epochs = Vec::new();
    for seed in ["1", "2", "3"] {
        let report = assert_right(&[&arguments[..], &faults, &["--seed", seed]].concat(), 160, 2);
        assert_eq!(number(&report, "faults", "killed_with_number"), 3);
        epochs.push(number(&report, "run", "epoch"));
    }
    assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");

    #[cfg(feature = "tls")]
    use_tls_as_the_url_says(&url);

    let (code, report) = order(&[&arguments[..], &["--canary", "lose"]].concat());
    assert_eq!((code, &report["verdict"]["ok"]), (Some(1), &Value::Bool(false)), "{report:#}");
}
