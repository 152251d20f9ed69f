//! The tables and their rows. Each row has a checksum of table, key and value, so that any changed bit is an error.

use ::redb::TableDefinition;

use super::error::{RedbError, corrupted};
use crate::checksum;

/// The bytes of a row.
pub(super) type Row = &'static [u8];

pub(super) const COUNTERS: TableDefinition<'_, &str, Row> = TableDefinition::new("checked counters");
pub(super) const LOGS: TableDefinition<'_, &str, Row> = TableDefinition::new("checked logs");
pub(super) const SLOTS: TableDefinition<'_, (&str, u64), Row> = TableDefinition::new("checked slots");

pub(super) const PUBLISHERS: TableDefinition<'_, (&str, &[u8]), Row> =
    TableDefinition::new("checked publishers");

/// The tables from before rows had checksums.
pub(super) const UNCHECKED: [&str; 3] = ["counters", "logs", "slots"];

/// The place of a row: table and key, in a form that is different for all others.
pub(super) struct Place(Vec<u8>);

impl Place {
    pub(super) fn counter(name: &str) -> Self {
        Self([b"counter ", name.as_bytes()].concat())
    }

    pub(super) fn log(name: &str) -> Self {
        Self([b"log ", name.as_bytes()].concat())
    }

    pub(super) fn slot(name: &str, slot: u64) -> Self {
        Self([b"slot ", &slot.to_le_bytes()[..], name.as_bytes()].concat())
    }

    pub(super) fn publisher(name: &str, node: &[u8]) -> Self {
        Self([b"publisher ", &(name.len() as u64).to_le_bytes()[..], name.as_bytes(), node].concat())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a row of numbers.
    pub(super) fn encode(&self, numbers: &[u64]) -> Vec<u8> {
        let mut bytes = checksum::begin();
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        checksum::end(&self.0, bytes)
    }

    /// Reads a row of numbers.
    pub(super) fn decode<const N: usize>(&self, row: &[u8]) -> Result<[u64; N], RedbError> {
        let numbers = checksum::verified(&self.0, row).and_then(|bytes| {
            let (words, rest) = bytes.as_chunks::<8>();
            let words: &[[u8; 8]; N] = words.try_into().ok()?;
            rest.is_empty().then(|| words.map(u64::from_le_bytes))
        });
        numbers.ok_or_else(|| corrupted(self.to_string()))
    }
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the row of \"{}\" was changed since it was written", self.0.escape_ascii())?;
        write!(f, "; restore the file from a copy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_where_it_was_written_and_unchanged() {
        let place = Place::log("a");
        let row = place.encode(&[3, 1, 7]);
        assert_eq!(place.decode(&row).unwrap(), [3, 1, 7]);
        for other in [Place::log("b"), Place::counter("a"), Place::slot("a", 1)] {
            let error = other.decode::<3>(&row).unwrap_err();
            assert!(error.to_string().contains("restore the file from a copy"), "{error}");
        }
        assert!(place.decode::<2>(&row).is_err(), "a number is left over");
        for bit in 0..row.len() * 8 {
            let mut row = row.clone();
            row[bit / 8] ^= 1 << (bit % 8);
            assert!(place.decode::<3>(&row).is_err(), "bit {bit}");
        }
    }
}
