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
//! The file is untrusted: whatever is wrong with it becomes one line that says what and where. No more than 1 GiB
//! is read of it, and no more than 1 GiB of what it unpacks to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::{History, InputError, Told};
use crate::words::counted;

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How many bytes of a trace are read at most, of the file and of what it unpacks to: neither an endless file nor a
/// small one that unpacks to a huge one may fill the memory.
const LARGEST: u64 = 1 << 30;

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
    let file = File::open(path).map_err(|error| at(describe(&error)))?;
    let json = content(file, LARGEST).map_err(&at)?;
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

/// Reads a file to its end and unpacks what is packed, unless either is more than `largest` bytes.
fn content(file: impl Read, largest: u64) -> Result<Vec<u8>, String> {
    let mut file = file.take(largest + 1);
    let mut content = Vec::new();
    let mut head = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut head).map_err(|error| describe(&error))?;
    let packed = head == GZIP;
    let mut whole = Cursor::new(head).chain(&mut file);
    let read = match packed {
        true => MultiGzDecoder::new(whole).take(largest + 1).read_to_end(&mut content),
        false => whole.read_to_end(&mut content),
    };
    // Before the error: a file that was not read to its end looks broken.
    if file.limit() == 0 || content.len() as u64 > largest {
        return Err(format!("larger than {} GiB, or unpacks to more; no more is read", LARGEST >> 30));
    }
    match read {
        Ok(_) => Ok(content),
        Err(error) if packed => {
            Err(format!("broken gzip, after {}: {error}", counted(content.len() as u64, "byte")))
        }
        Err(error) => Err(describe(&error)),
    }
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
        std::io::ErrorKind::NotADirectory => "not a folder".to_owned(),
        // Behind the words may come the number, and the name of a file that the user has never heard of.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, repeat};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("memory");
        encoder.finish().expect("memory")
    }

    /// Gives the same bytes for ever, and fails a reader who has no end.
    struct Endless(Vec<u8>, usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            assert!(self.1 < 1 << 20, "read without end");
            for byte in &mut *buffer {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }

    #[test]
    fn neither_the_file_nor_what_it_unpacks_to_is_read_without_end() {
        let most = 5000;
        let refused = Err("larger than 1 GiB, or unpacks to more; no more is read".to_owned());
        assert_eq!(content(Endless(vec![0], 0), most), refused);
        assert_eq!(content(&gzip(&[7; 5001])[..], most), refused);
        // Gzip of nothing, again and again: nothing is unpacked, and yet there is no end.
        assert_eq!(content(Endless(gzip(b""), 0), most), refused);

        assert_eq!(content(repeat(7).take(most), most), Ok(vec![7; 5000]));
        assert_eq!(content(&gzip(&[7; 5000])[..], most), Ok(vec![7; 5000]));
        let packed = gzip(&[7; 5000]);
        let broken = content(&packed[..packed.len() - 3], most).expect_err("cut off");
        assert!(broken.starts_with("broken gzip, after 5,000 bytes: "), "{broken}");
    }
}
