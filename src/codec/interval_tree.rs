//! The encoding of an interval tree clock: the number of bytes of its compact form, then these.

use super::bytes::{Reader, Writer};
use super::error::{DecodeError, DecodeErrorKind};
use super::{Decode, Encode};
use crate::version::{IntervalTreeClock, InvalidClockKind};

impl Encode for IntervalTreeClock {
    fn encode(&self, out: &mut Writer<'_>) {
        let bytes = self.to_bytes();
        out.put_number(bytes.len() as u64);
        out.put(&bytes);
    }
}

/// Each node of the trees counts as an entry.
impl Decode for IntervalTreeClock {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
        let at = reader.at();
        let bytes = reader.take(len)?;
        let clock = Self::from_bytes(bytes, reader.entries_left()).or_else(|error| {
            let kind = match error.kind {
                InvalidClockKind::TooLarge { .. } => DecodeErrorKind::TooManyEntries { limit: reader.limit() },
                InvalidClockKind::OutOfRange => DecodeErrorKind::OutOfRange,
                InvalidClockKind::Truncated
                | InvalidClockKind::TrailingBytes
                | InvalidClockKind::UnexpectedCharacter
                | InvalidClockKind::NotNormal => DecodeErrorKind::NotCanonical,
            };
            reader.refuse(at + error.at, kind)
        })?;
        reader.draw(at, clock.size() as u64)?;
        Ok(clock)
    }
}
