//! The encoding of siblings: their context, then the number of values, then each with its dot, in the order of dots.

use super::bytes::{Reader, Writer};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, EncodeId};
use super::{Decode, Encode};
use crate::compat::Vec;
use crate::node::Dot;
use crate::version::{Siblings, VersionVector};

impl<I: EncodeId, V: Encode> Encode for Siblings<I, V> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.context().encode(out);
        out.put_number(self.len() as u64);
        for (dot, value) in self.iter() {
            dot.encode(out);
            value.encode(out);
        }
    }
}

/// Each value counts as an entry.
impl<I: DecodeId, V: Decode> Decode for Siblings<I, V> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let context = VersionVector::decode(reader)?;
        let at = reader.at();
        let len = reader.take_number()?;
        reader.draw(at, len)?;
        // No memory is set aside for values that are only claimed: a dot takes two bytes at least.
        let mut versions = Vec::<(Dot<I>, V)>::new();
        for _ in 0..len {
            let at = reader.at();
            let dot = Dot::decode(reader)?;
            if versions.last().is_some_and(|(before, _)| *before >= dot) {
                return reader.refuse(at, DecodeErrorKind::Unsorted);
            }
            if !context.contains(&dot) {
                return reader.refuse(at, DecodeErrorKind::OutOfRange);
            }
            versions.push((dot, V::decode(reader)?));
        }
        Self::from_parts(context, versions).or_else(|_| reader.refuse(at, DecodeErrorKind::NotCanonical))
    }
}
