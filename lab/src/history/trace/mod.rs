//! Concurrent editing traces: JSON, gzip or not.
//!
//! A trace is an object with `numAgents` and `txns`, a list in topological order. Each transaction has an `agent` (from
//! 0) and `parents`, the indexes of earlier transactions. `kind`, if present, must be `concurrent`. All other fields
//! are ignored, also the edits themselves. An agent whose transactions are concurrent with each other becomes several
//! nodes, its [incarnations](super).
//!
//! ```text
//! {"kind": "concurrent", "numAgents": 2, "txns": [
//!     {"agent": 0, "parents": []}, {"agent": 1, "parents": [0]}, {"agent": 0, "parents": [0, 1]} ]}
//! ```
//!
//! [`read`] reads a trace, and [`write()`] writes any history as one. Reading that one gives the same graph, with the same
//! nodes.
//!
//! # Limits
//!
//! The file is untrusted: any fault in it becomes one line with the fault and its place.
//!
//! - Only a regular file is opened. A pipe could keep the program waiting for ever.
//! - At most 1 GiB of the file is read, and at most 1 GiB of its unpacked content. It is parsed while it is read, so
//!   none of it is kept.
//! - Events and parents are counted in a [`Budget`] as they come.
//! - The parser itself keeps, or quotes in an error, at most one text, and a byte for each list around it. Both are
//!   limited before the parser sees them, and a quarter of the budget is reserved for them.

mod bounds;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Event, History, InputError, Told};
use crate::budget::{Budget, OverBudget};
use crate::words::shortened;

/// Most bytes of a trace that are read, both of the file and of its unpacked content.
const LARGEST: u64 = 1 << 30;

/// Reads a trace from a file.
///
/// # Errors
///
/// [`InputError`] with the name of the file, and the line and column or the number of the transaction, from 0.
pub fn read(path: &Path, budget: &Budget) -> Result<History, InputError> {
    let failed = |error: io::Error| InputError::at(path, describe(&error));
    let meta = fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Err(InputError::at(path, "is a folder, not a file"));
    }
    if !meta.is_file() {
        return Err(InputError::at(path, "is not a regular file"));
    }
    decode(path, File::open(path).map_err(failed)?, budget)
}

/// Reads a trace from the content of a file with this name.
///
/// # Errors
///
/// As for [`read`].
pub fn decode(path: &Path, content: impl Read, budget: &Budget) -> Result<History, InputError> {
    let at = |what: String| InputError::at(path, what);
    let aside = budget.limit() / 4;
    budget.take(aside).map_err(|error| at(error.to_string()))?;
    let Trace { agents, mut told } = parse(content, budget).map_err(at)?;
    budget.give_back(aside);
    let names = name_authors(agents, &mut told, budget).map_err(at)?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let source = format!("editing trace {}", shortened(&name));
    History::new(source, names, &told, budget).map_err(|error| at(error.to_string()))
}

/// Writes a history as a trace, with an agent for each node. The names of the authors are not in it.
///
/// # Errors
///
/// Those of `out`.
pub fn write(history: &History, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\"kind\": \"concurrent\", \"numAgents\": {}, \"txns\": [", history.nodes())?;
    for event in 0..history.len() as Event {
        let (comma, agent) = (if event == 0 { "" } else { "," }, history.dot(event).node());
        // A list of numbers has the same form here as in JSON.
        write!(out, "{comma}\n  {{\"agent\": {agent}, \"parents\": {:?}}}", history.parents(event))?;
    }
    writeln!(out, "\n]}}")
}

/// Numbers the agents with events, in the order of their first events, and names them.
///
/// Agents without events do not count: a file can claim four thousand million of them in ten bytes.
fn name_authors(agents: u32, told: &mut [Told], budget: &Budget) -> Result<Vec<String>, String> {
    let mut authors: BTreeMap<u64, u64> = BTreeMap::new();
    let mut names = Vec::new();
    for (event, Told { author, .. }) in told.iter_mut().enumerate() {
        let agent = *author;
        if agent >= u64::from(agents) {
            return Err(format!("event {event} is by agent {agent}, but there are only {agents}, from 0"));
        }
        *author = match authors.get(&agent) {
            Some(&author) => author,
            None => {
                let name = format!("agent {agent}");
                // A node of the map may be half empty, and has pointers too: three times the entry is enough.
                let bytes = name.capacity() + 3 * size_of::<(u64, u64)>();
                let counted = budget.take(bytes).and_then(|()| budget.push(&mut names, name));
                counted.map_err(|error| error.to_string())?;
                authors.insert(agent, names.len() as u64 - 1);
                names.len() as u64 - 1
            }
        };
    }
    Ok(names)
}

/// A trace as the file states it: an event's author is an agent's number.
#[derive(Debug)]
struct Trace {
    agents: u32,
    told: Vec<Told>,
}

fn parse(content: impl Read, budget: &Budget) -> Result<Trace, String> {
    let parser = Parser { budget, refusal: RefCell::default() };
    let content = bounds::unpacked(content, LARGEST).map_err(|error| describe(&error))?;
    let content = bounds::Bounded::new(content, budget.limit() / 64);
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(content));
    let parsed = TraceSeed(&parser).deserialize(&mut json).and_then(|trace| json.end().map(|()| trace));
    parsed.map_err(|error| match parser.refusal.take() {
        Some(refusal) => refusal,
        None if error.is_io() => describe(&error.into()),
        None if error.is_eof() && error.column() == 0 && error.line() <= 1 => "the file is empty".to_owned(),
        None => {
            let (line, column, error) = (error.line(), error.column(), error.to_string());
            // The message may quote a long text.
            match shortened(&error) {
                whole if whole == error => format!("not a concurrent editing trace: {error}"),
                part => format!("not a concurrent editing trace: {part}... at line {line} column {column}"),
            }
        }
    })
}

/// The state that all parts of the parser share.
struct Parser<'a> {
    budget: &'a Budget,
    /// The reason why a part of the parser stopped, if it is not a mistake in the JSON.
    refusal: RefCell<Option<String>>,
}

impl Parser<'_> {
    fn refuse<E: serde::de::Error>(&self, refusal: String) -> E {
        *self.refusal.borrow_mut() = Some(refusal);
        E::custom("refused")
    }

    fn over<E: serde::de::Error>(&self, error: OverBudget) -> E {
        self.refuse(error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum TraceField {
    Kind,
    NumAgents,
    Txns,
    #[serde(other)]
    Other,
}

struct TraceSeed<'a>(&'a Parser<'a>);

impl<'de> DeserializeSeed<'de> for TraceSeed<'_> {
    type Value = Trace;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Trace, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TraceSeed<'_> {
    type Value = Trace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with numAgents and txns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Trace, A::Error> {
        let (mut agents, mut told) = (None, None);
        while let Some(field) = fields.next_key()? {
            match field {
                TraceField::Kind => match fields.next_value::<Option<String>>()? {
                    Some(kind) if kind != "concurrent" => {
                        let kind = shortened(&kind);
                        return Err(self.0.refuse(format!(
                            "a trace of kind {kind:?}; only concurrent traces say what happened before what"
                        )));
                    }
                    _ => {}
                },
                TraceField::NumAgents if agents.is_some() => {
                    return Err(A::Error::duplicate_field("numAgents"));
                }
                TraceField::NumAgents => agents = Some(fields.next_value()?),
                TraceField::Txns if told.is_some() => return Err(A::Error::duplicate_field("txns")),
                TraceField::Txns => told = Some(fields.next_value_seed(Transactions(self.0))?),
                TraceField::Other => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Trace {
            agents: agents.ok_or_else(|| A::Error::missing_field("numAgents"))?,
            told: told.ok_or_else(|| A::Error::missing_field("txns"))?,
        })
    }
}

struct Transactions<'a>(&'a Parser<'a>);

impl<'de> DeserializeSeed<'de> for Transactions<'_> {
    type Value = Vec<Told>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Told>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Transactions<'_> {
    type Value = Vec<Told>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of transactions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Told>, A::Error> {
        let mut told = Vec::new();
        while let Some(event) = items.next_element_seed(Transaction { parser: self.0, event: told.len() })? {
            self.0.budget.push(&mut told, event).map_err(|error| self.0.over(error))?;
        }
        Ok(told)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum TransactionField {
    Agent,
    Parents,
    #[serde(other)]
    Other,
}

struct Transaction<'a> {
    parser: &'a Parser<'a>,
    /// The event's number.
    event: usize,
}

impl<'de> DeserializeSeed<'de> for Transaction<'_> {
    type Value = Told;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Told, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Transaction<'_> {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with agent and parents")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Told, A::Error> {
        let (mut agent, mut parents) = (None, None);
        while let Some(field) = fields.next_key()? {
            match field {
                TransactionField::Agent if agent.is_some() => return Err(A::Error::duplicate_field("agent")),
                TransactionField::Agent => agent = Some(fields.next_value()?),
                TransactionField::Parents if parents.is_some() => {
                    return Err(A::Error::duplicate_field("parents"));
                }
                TransactionField::Parents => {
                    let seed = Parents { parser: self.parser, most: self.event + 1 };
                    parents = Some(fields.next_value_seed(seed)?);
                }
                TransactionField::Other => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Told {
            author: agent.ok_or_else(|| A::Error::missing_field("agent"))?,
            parents: parents.ok_or_else(|| A::Error::missing_field("parents"))?,
        })
    }
}

struct Parents<'a> {
    parser: &'a Parser<'a>,
    /// One more than the number of earlier events. That number of parents is enough to prove a mistake: two are equal,
    /// or one does not come earlier. No more are kept.
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Parents<'_> {
    type Value = Vec<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u64>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parents<'_> {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of the indexes of earlier transactions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u64>, A::Error> {
        let mut parents = Vec::new();
        while let Some(parent) = items.next_element()? {
            if parents.len() < self.most {
                let counted = self.parser.budget.push(&mut parents, parent);
                counted.map_err(|error| self.parser.over(error))?;
            }
        }
        Ok(parents)
    }
}

/// Returns the words of an error of the file system, without its number.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder, not a file".to_owned(),
        io::ErrorKind::NotADirectory => "not a folder".to_owned(),
        // The system's words may be followed by the number, and by the name of a file that the user does not know.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::{self, Shape};
    use super::*;

    fn decoded(json: &str, limit: usize) -> Result<History, String> {
        decode(Path::new("a.json"), json.as_bytes(), &Budget::new(limit)).map_err(|error| error.what)
    }

    #[test]
    fn each_field_comes_once_and_in_any_order() {
        let good =
            r#"{"txns":[{"parents":[],"x":[{}],"agent":4}], "more":{"txns":1}, "numAgents":5, "kind":null}"#;
        assert_eq!(decoded(good, 1 << 20).map(|history| history.len()), Ok(1));
        for (json, expected) in [
            (r#"{"numAgents":1,"numAgents":1}"#, "duplicate field `numAgents`"),
            (r#"{"numAgents":1,"txns":[],"txns":[]}"#, "duplicate field `txns`"),
            (r#"{"txns":[{"agent":0,"agent":0}]}"#, "duplicate field `agent`"),
            (r#"{"txns":[{"parents":[],"parents":[]}]}"#, "duplicate field `parents`"),
            (r#"{"txns":[{"parents":[]}]}"#, "missing field `agent`"),
            (r#"{"txns":[{"agent":0}]}"#, "missing field `parents`"),
            (r#"{"txns":[]}"#, "missing field `numAgents`"),
            (r#"{"txns":[0]}"#, "expected an object with agent and parents"),
            (r#"{"txns":0}"#, "expected a list of transactions"),
            (r#"{"txns":[{"parents":0}]}"#, "expected a list of the indexes of earlier transactions"),
            ("[]", "expected an object with numAgents and txns"),
        ] {
            let what = decoded(json, 1 << 20).expect_err(json);
            assert!(what.starts_with("not a concurrent editing trace: ") && what.contains(expected), "{what}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_graph_with_the_same_nodes() {
        for seed in 0..20 {
            let shape = Shape { events: 1 + 15 * seed, authors: 1 + seed % 6, seed: u64::from(seed) };
            let history = session::generate(shape).expect("a session");
            assert_same(&history, &round_trip(&history));
        }
        // The incarnations of an agent become agents.
        let split = r#"{"numAgents":9,"txns":[{"agent":7,"parents":[]},{"agent":7,"parents":[]},
            {"agent":2,"parents":[1,0]},{"agent":7,"parents":[0]}]}"#;
        let split = decoded(split, 1 << 20).expect("a trace");
        assert_eq!((split.nodes(), split.authors()), (3, 2));
        assert_same(&split, &round_trip(&split));
    }

    fn round_trip(history: &History) -> History {
        let mut text = Vec::new();
        write(history, &mut text).expect("memory");
        decoded(std::str::from_utf8(&text).expect("text"), 1 << 20).expect("a trace")
    }

    fn assert_same(history: &History, read: &History) {
        assert_eq!((read.len(), read.nodes()), (history.len(), history.nodes()));
        assert_eq!((read.authors(), read.split_authors()), (history.nodes(), 0));
        for event in 0..history.len() as Event {
            assert_eq!((read.dot(event), read.parents(event)), (history.dot(event), history.parents(event)));
        }
    }

    #[test]
    fn an_event_keeps_no_more_parents_than_prove_that_it_is_wrong() {
        let many = "0,".repeat(100_000);
        let json = format!(r#"{{"numAgents":1,"txns":[{{"agent":0,"parents":[{many}0]}}]}}"#);
        let wrong = Err("events depend on each other in a circle: 0 on 0".to_owned());
        assert_eq!(decoded(&json, 10_000).map(|history| history.len()), wrong);
    }
}
