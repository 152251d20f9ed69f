//! A causal context: the highest counters as entries, then the holes below them.

use super::bytes::{Reader, Writer};
use super::entries::{put_entries, take_entries};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, EncodeId};
use super::{Decode, Encode};
use crate::compat::Vec;
use crate::node::DotRange;
use crate::version::CausalContext;

impl<I: EncodeId> Encode for CausalContext<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        let (mut highest, mut holes) = (Vec::<(&I, u64)>::new(), Vec::new());
        // For each node with holes, its place and how many it has.
        let mut holed = Vec::<(u64, u64)>::new();
        for range in self {
            let (first, last) = range.counters().into_inner();
            let place = highest.len() as u64;
            let (place, seen) = match highest.last_mut() {
                Some((node, seen)) if node == range.node() => (place - 1, core::mem::replace(seen, last)),
                _ => {
                    highest.push((range.into_node(), last));
                    (place, 0)
                }
            };
            // A range begins above what was seen, by C2 and C3, and at 1 if nothing was.
            if first - 1 > seen {
                match holed.last_mut() {
                    Some((at, count)) if *at == place => *count += 1,
                    _ => holed.push((place, 1)),
                }
                holes.push((seen, first - 1 - seen));
            }
        }
        super::put_entries(highest.len(), highest.iter().copied(), out);
        put_entries::<u64>(holed.len(), holed.iter().copied(), out);
        let mut holes = holes.into_iter();
        for (_, count) in holed {
            let mut end = 0;
            for (at, (before, missing)) in holes.by_ref().take(usize::try_from(count).unwrap_or(0)).enumerate()
            {
                // Between two holes there is at least one event.
                out.put_number(before - end - u64::from(at > 0));
                out.put_number(missing - 1);
                end = before + missing;
            }
        }
    }
}

impl<I: DecodeId> Decode for CausalContext<I> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (nodes, highest) = take_entries::<I>(reader)?;
        let holed_at = reader.at();
        let (places, counts) = take_entries::<u64>(reader)?;
        let mut holed = places.into_iter().zip(counts).peekable();
        let mut left = reader.limit();
        let mut ranges = Vec::new();
        for ((node, highest), place) in nodes.into_iter().zip(highest).zip(0..) {
            let holes = holed.next_if(|holed| holed.0 == place).map_or(0, |holed| holed.1);
            // The counter after the last hole.
            let mut first = 1_u64;
            for at in 0..holes {
                let hole_at = reader.at();
                left = match left.checked_sub(1) {
                    Some(left) => left,
                    None => {
                        return reader
                            .refuse(hole_at, DecodeErrorKind::TooManyEntries { limit: reader.limit() });
                    }
                };
                let [before, missing] = [reader.take_number()?, reader.take_number()?];
                // The counters from `first` on that are there, then those that are not: one, and `missing` more.
                let hole = first.checked_add(before).and_then(|hole| hole.checked_add(u64::from(at > 0)));
                let next = hole.and_then(|hole| hole.checked_add(missing)?.checked_add(1));
                let (Some(hole), Some(next)) = (hole, next.filter(|&next| next <= highest)) else {
                    return reader.refuse(hole_at, DecodeErrorKind::OutOfRange);
                };
                ranges.extend(DotRange::new(node.clone(), first..=hole - 1));
                first = next;
            }
            ranges.extend(DotRange::new(node, first..=highest));
        }
        if holed.next().is_some() {
            return reader.refuse(holed_at, DecodeErrorKind::OutOfRange);
        }
        Ok(ranges.into_iter().collect())
    }
}
