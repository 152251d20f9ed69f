//! Concurrent editing traces: JSON, gzip or not.
//!
//! An object with `numAgents` and `txns`, a list in topological order. Each transaction has an `agent` (from 0)
//! and `parents`, the indexes of earlier transactions. `kind`, where it is given, must be `concurrent`; all
//! other fields, such as the edits themselves, are of no interest here and ignored.
//!
//! ```text
//! {"kind": "concurrent", "numAgents": 2, "txns": [
//!     {"agent": 0, "parents": []}, {"agent": 1, "parents": [0]}, {"agent": 0, "parents": [0, 1]} ]}
//! ```
//!
//! The file is untrusted: whatever is wrong with it becomes one line that says what and where.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::{History, InputError, Told};

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The largest trace that is read, in bytes after decompression: a small file must not fill the memory.
const LARGEST: u64 = 4 << 30;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    num_agents: u32,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    agent: u64,
    parents: Vec<u64>,
}

/// The one field that tells whether the others can be expected.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Reads a trace from a file.
///
/// # Errors
///
/// [`InputError`] with the file's name, and the line and column, or the number of the transaction, from 0.
pub fn read(path: &Path) -> Result<History, InputError> {
    let at = |what: String| InputError::at(path, what);
    let bytes = fs::read(path).map_err(|error| at(describe(&error)))?;
    let json = if bytes.starts_with(&GZIP) {
        let mut json = Vec::new();
        let mut decoder = MultiGzDecoder::new(&bytes[..]).take(LARGEST + 1);
        if let Err(error) = decoder.read_to_end(&mut json) {
            return Err(at(format!("broken gzip, after {} bytes of content: {error}", json.len())));
        }
        json
    } else {
        bytes
    };
    if json.len() as u64 > LARGEST {
        return Err(at(format!("more than {} GiB of JSON", LARGEST >> 30)));
    }
    let trace = parse(&json).map_err(&at)?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    // A file can claim four thousand million agents in ten bytes, so only those who wrote something count.
    let mut authors: HashMap<u64, u64> = HashMap::new();
    let mut names = Vec::new();
    let mut told = Vec::with_capacity(trace.txns.len());
    for (event, Transaction { agent, parents }) in trace.txns.into_iter().enumerate() {
        if agent >= u64::from(trace.num_agents) {
            let agents = trace.num_agents;
            return Err(at(format!("event {event} is by agent {agent}, but there are only {agents}, from 0")));
        }
        let author = *authors.entry(agent).or_insert_with(|| {
            names.push(format!("agent {agent}"));
            names.len() as u64 - 1
        });
        told.push(Told { author, parents });
    }
    History::new(format!("editing trace {name}"), names, &told).map_err(|error| at(error.to_string()))
}

fn parse(json: &[u8]) -> Result<Trace, String> {
    serde_json::from_slice(json).map_err(|error| match serde_json::from_slice::<Kind>(json) {
        Ok(Kind { kind: Some(kind) }) if kind != "concurrent" => {
            format!("a trace of kind {kind:?}; only concurrent traces say what happened before what")
        }
        _ if json.is_empty() => "the file is empty".to_owned(),
        _ => format!("no concurrent editing trace: {error}"),
    })
}

/// Puts an error of the file system in words, without its number.
pub(crate) fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a folder, not a file".to_owned(),
        _ => error.to_string(),
    }
}
