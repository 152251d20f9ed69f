//! Histories that real people made, over a network that loses a fifth, repeats a fifth, and reorders by 64 ticks.

use super::helpers::{assert_complete, data, replay, text};

const BAD: [&str; 8] = ["--loss", "0.2", "--duplicate", "0.2", "--reorder", "64", "--nodes", "5"];

#[test]
fn two_people_writing_one_document() {
    let Some(file) = data("friendsforever.json.gz") else { return };
    let (code, report) = replay(&[&BAD[..], &["--trace", text(&file), "--events", "4000"]].concat());
    assert_complete(code, &report, 4000, 5);
    assert_eq!(report["history"]["nodes"], 2);
    assert!(report["run"]["retransmissions"].as_u64() > Some(1000), "{report:#}");
}

#[test]
fn a_file_with_two_hundred_authors() {
    let Some(file) = data("node_nodecc.dag.json.gz") else { return };
    let (code, report) = replay(&[&BAD[..], &["--trace", text(&file)]].concat());
    assert_complete(code, &report, 955, 5);
    assert_eq!(report["history"]["nodes"], 204);
    // The advantage of direct dependencies: with two hundred authors, a message still names about one cause.
    let of = |field: &str| report["per_message"][field].as_f64().expect("a number");
    assert!(of("dependencies") < 1.1, "{report:#}");
    assert!(of("metadata_bytes") * 12.0 < of("full_vector_bytes"), "{report:#}");
    assert!(of("metadata_bytes") * 3.0 < of("vector_delta_bytes"), "{report:#}");
    assert!(of("vector_delta_bytes") * 3.0 < of("full_vector_bytes"), "{report:#}");
    assert_eq!(report["per_message"]["measured"], 955);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "all 26,078 events; takes seconds in a release build")]
fn two_people_writing_one_document_to_the_end() {
    let Some(file) = data("friendsforever.json.gz") else { return };
    let (code, report) = replay(&[&BAD[..], &["--trace", text(&file)]].concat());
    assert_complete(code, &report, 26_078, 5);
}
