//! The memory of reading a trace follows the budget, whatever the file holds. A test binary of its own, because it
//! counts the allocator's bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use happens_before_lab::budget::Budget;
use happens_before_lab::history::{History, trace};

thread_local! {
    /// The bytes that this thread holds, and the most that it has held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(bytes: isize) {
    HELD.with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

// Safe: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes for the readers' buffers and for gzip.
const ALWAYS: usize = 256 << 10;

/// Reads a trace within `limit` bytes. Returns the result, and the most bytes held meanwhile.
fn read(content: &[u8], limit: usize) -> (Result<History, String>, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let history = trace::decode(Path::new("a.json"), content, &Budget::new(limit));
    let most = HELD.get().1 - before;
    (history.map_err(|error| error.to_string()), usize::try_from(most).expect("no less than before"))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// Reads a trace under limits from far too small to ample. Returns the result under the largest.
fn read_within_all_limits(name: &str, content: &[u8]) -> Result<History, String> {
    let mut last = None;
    for limit in [0, 1 << 10, 1 << 16, 1 << 20, 4 << 20, 16 << 20] {
        for content in [content, &gzip(content)] {
            let (read, most) = read(content, limit);
            assert!(most <= limit + ALWAYS, "{name}: {most} bytes, with a limit of {limit}");
            if let Err(line) = &read {
                assert!(line.lines().count() == 1 && line.len() < 500, "{name}: {line}");
            }
            last = Some(read);
        }
    }
    last.expect("several limits")
}

fn events(agents: usize, events: impl Iterator<Item = (usize, String)>) -> Vec<u8> {
    let list: Vec<_> =
        events.map(|(agent, parents)| format!(r#"{{"agent":{agent},"parents":[{parents}]}}"#)).collect();
    format!(r#"{{"numAgents":{agents},"txns":[{}]}}"#, list.join(",")).into_bytes()
}

fn list(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

#[test]
fn many_beginnings_and_one_event_that_follows_them_all() {
    let roots = (0..10_000).map(|agent| (agent, String::new()));
    let trace = events(10_001, roots.chain([(10_000, list(0..10_000))]));
    // One entry a beginning and node would be 400 MB.
    let read = read_within_all_limits("beginnings", &trace);
    assert_eq!(read.map(|history| history.nodes()), Ok(10_001));
}

#[test]
fn many_events_in_a_row() {
    let row = |event: usize| (0, event.checked_sub(1).map_or(String::new(), |before| before.to_string()));
    let read = read_within_all_limits("row", &events(1, (0..80_000).map(row)));
    assert_eq!(read.map(|history| history.len()), Ok(80_000));
}

#[test]
fn many_agents_who_follow_one_another_and_branch() {
    let parent = |event: usize| {
        (event, event.checked_sub(1 + event % 7).map_or(String::new(), |parent| parent.to_string()))
    };
    let read = read_within_all_limits("branches", &events(50_000, (0..50_000).map(parent)));
    assert_eq!(read.map(|history| history.nodes()), Ok(50_000));
}

/// In every round, each agent follows itself and one that is a power of two away: all pasts differ.
#[test]
fn pasts_that_truly_differ() {
    let (agents, rounds) = (1024_usize, 13);
    let all = (0..rounds * agents).map(|event| {
        let (round, agent) = (event / agents, event % agents);
        let Some(before) = round.checked_sub(1) else { return (agent, String::new()) };
        let other = (agent + (1 << (before % 10))) % agents;
        (agent, list([before * agents + agent, before * agents + other].into_iter()))
    });
    let trace = events(agents, all);
    assert_eq!(read_within_all_limits("pasts", &trace).map(|history| history.nodes()), Ok(agents));
    let refused = read(&trace, 4 << 20).0.expect_err("too little");
    assert_eq!(refused, "a.json: needs more than 4 MiB of memory; --memory allows more");
}

#[test]
fn what_is_refused_at_the_end_is_not_collected_without_end() {
    let parents = events(1, [(0, "0,".repeat(1_000_000) + "0")].into_iter());
    let refused = read_within_all_limits("parents", &parents).expect_err("a circle");
    assert!(refused.ends_with("events depend on each other in a circle: 0 on 0"), "{refused}");

    let same = events(1, (0..600_000).map(|_| (0, String::new())));
    let refused = read_within_all_limits("the same event", &same).expect_err("too many");
    assert_eq!(refused, "a.json: needs more than 16 MiB of memory; --memory allows more");

    let circle = events(1, (0..100_000).map(|event| (0, ((event + 1) % 100_000).to_string())));
    let refused = read_within_all_limits("a circle", &circle).expect_err("a circle");
    assert!(refused.contains("circle: 0 on 1 on 2"), "{refused}");
}

#[test]
fn long_texts_and_deep_lists_wherever_they_stand() {
    // Characters that take six times as much when an error quotes them.
    let long = "\u{7f}".repeat(2 << 20);
    let deep = "[".repeat(1_000_000);
    for (name, json) in [
        ("text", format!(r#""{long}""#)),
        ("field", format!(r#"{{"{long}":0}}"#)),
        ("escaped field", format!(r#"{{"\n{long}":0}}"#)),
        ("ignored", format!(r#"{{"endContent":"{long}"}}"#)),
        ("kind", format!(r#"{{"kind":"{long}"}}"#)),
        ("agents", format!(r#"{{"numAgents":"{long}"}}"#)),
        ("agent", format!(r#"{{"txns":[{{"agent":"{long}"}}]}}"#)),
        ("parent", format!(r#"{{"txns":[{{"parents":["{long}"]}}]}}"#)),
        ("deep", deep.clone()),
        ("ignored and deep", format!(r#"{{"x":{deep}"#)),
    ] {
        assert!(read_within_all_limits(name, json.as_bytes()).is_err(), "{name}");
    }
    // A text as long as the largest limit allows, quoted in the error.
    let quoted = format!(r#"{{"txns":[{{"agent":"{}"}}]}}"#, "\u{7f}".repeat(1 << 18));
    let refused = read_within_all_limits("quoted", quoted.as_bytes()).expect_err("a text");
    assert!(
        refused.contains("invalid type: string") && refused.ends_with("... at line 1 column 262164"),
        "{refused}"
    );
}
