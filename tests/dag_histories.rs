//! Real graphs in the buffer: the changes of one file of a large project, and the commits of this repository. A graph
//! that is not available is skipped, and the test says so.
#![cfg(feature = "std")]

use std::collections::HashSet;
use std::hash::Hash;
use std::path::Path;
use std::process::Command;

use happens_before::DagBuffer;
use happens_before::delivery::{DagEvent, DagLimits};

/// Returns the output of a program, if it exists and succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn random(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % bound
}

/// Accepts a graph in several orders: some events more than once, and some only when they are requested.
fn deliver<I: Clone + Ord + Hash + std::fmt::Debug>(graph: &[DagEvent<I, ()>]) {
    let mut state = 9;
    for order in ["reversed", "shuffled", "lossy"] {
        let mut arriving: Vec<&DagEvent<I, ()>> = graph.iter().collect();
        let mut lost = Vec::new();
        match order {
            "reversed" => arriving.reverse(),
            _ => {
                for at in (1..arriving.len()).rev() {
                    arriving.swap(at, random(&mut state, at + 1));
                }
                if order == "lossy" {
                    lost = arriving.split_off(arriving.len() * 9 / 10);
                    arriving.extend_from_within(..arriving.len() / 4);
                }
            }
        }
        let mut store: HashSet<I> = HashSet::new();
        let mut buffer =
            DagBuffer::new(DagLimits { events: graph.len(), links: usize::MAX, ..DagLimits::default() });
        let mut take_in = |arriving: &[&DagEvent<I, ()>], buffer: &mut DagBuffer<I, ()>| {
            for event in arriving {
                buffer.accept((*event).clone(), |id| store.contains(id)).unwrap();
                while let Some(event) = buffer.pop() {
                    assert!(event.parents.iter().all(|parent| store.contains(parent)), "before its parent");
                    assert!(store.insert(event.id), "twice");
                }
            }
            store.len()
        };
        let mut delivered = take_in(&arriving, &mut buffer);
        while delivered < graph.len() {
            let missing: HashSet<I> = buffer.missing().cloned().collect();
            // No event names a lost head, so it comes when all others are here.
            let answer = lost.extract_if(.., |event| missing.is_empty() || missing.contains(&event.id));
            let answer: Vec<_> = answer.collect();
            assert!(!answer.is_empty(), "what is missing was asked for before");
            delivered = take_in(&answer, &mut buffer);
        }
        assert!(buffer.is_empty());
        assert_eq!((buffer.missing().count(), buffer.internal_validate()), (0, Ok(())), "{order}");
    }
}

#[test]
fn the_changes_of_one_file_of_node_js() {
    let folder =
        std::env::var_os("HAPPENS_BEFORE_DATA").map_or("../shared/data".into(), std::path::PathBuf::from);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("node_nodecc.dag.json.gz");
    let Some(json) = output(Command::new("gzip").arg("-dc").arg(&file)) else {
        return eprintln!("SKIPPED: {} cannot be read; see HAPPENS_BEFORE_DATA", file.display());
    };
    let trace: serde_json::Value = serde_json::from_str(&json).unwrap();
    let events = trace["txns"].as_array().unwrap().iter().enumerate();
    let graph: Vec<DagEvent<u64, ()>> = events
        .map(|(at, event)| DagEvent {
            id: at as u64,
            parents: event["parents"]
                .as_array()
                .unwrap()
                .iter()
                .map(|parent| parent.as_u64().unwrap())
                .collect(),
            payload: (),
        })
        .collect();
    assert_eq!(graph.len(), 955);
    deliver(&graph);
}

#[test]
fn the_commits_of_this_repository() {
    let mut git = Command::new("git");
    git.current_dir(env!("CARGO_MANIFEST_DIR")).args(["log", "--reverse", "--topo-order", "--format=%H %P"]);
    let Some(log) = output(&mut git).filter(|log| !log.is_empty()) else {
        return eprintln!("SKIPPED: this is no git repository, or there is no git");
    };
    let commits = log.lines().map(|line| {
        let mut ids = line.split(' ').filter(|id| !id.is_empty()).map(String::from);
        DagEvent { id: ids.next().unwrap(), parents: ids.collect(), payload: () }
    });
    let mut graph: Vec<_> = commits.collect();
    // A shallow clone names parents that it does not have.
    let ids: HashSet<_> = graph.iter().map(|event| event.id.clone()).collect();
    graph.iter_mut().for_each(|event| event.parents.retain(|parent| ids.contains(parent)));
    deliver(&graph);
}
