//! The encoding of a causal context: the highest counters as entries, then the holes below them.

use core::mem;
use core::ops::Range;

use super::bytes::{Reader, Writer};
use super::entries::{put_entries, take_entries};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, EncodeId};
use super::{Decode, Encode};
use crate::compat::{BTreeMap, Vec};
use crate::version::{CausalContext, VersionVector, context};

impl<I: EncodeId> Encode for CausalContext<I> {
    fn encode(&self, out: &mut Writer<'_>) {
        let (mut highest, mut holes) = (Vec::<(&I, u64)>::new(), Vec::new());
        // For each node with holes, its place and the number of holes.
        let mut holed = Vec::<(u64, u64)>::new();
        for range in self {
            let (first, last) = range.counters().into_inner();
            let place = highest.len() as u64;
            let (place, seen) = match highest.last_mut() {
                Some((node, seen)) if node == range.node() => (place - 1, mem::replace(seen, last)),
                _ => {
                    highest.push((range.into_node(), last));
                    (place, 0)
                }
            };
            // By CC2 and CC3 a range leaves a hole below it, unless it is the first and starts at 1.
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
        let (mut nodes, mut counters) = take_entries::<I>(reader)?;
        let holed_at = reader.at();
        let (places, counts) = take_entries::<u64>(reader)?;
        // The budget is checked before any hole is read.
        let holes = counts.iter().fold(0, |all: u64, &holes| all.saturating_add(holes));
        reader.draw(reader.at(), holes)?;
        let mut above = BTreeMap::new();
        for (place, holes) in places.into_iter().zip(counts) {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let (Some(node), Some(counter)) = (nodes.get(place), counters.get_mut(place)) else {
                return reader.refuse(holed_at, DecodeErrorKind::OutOfRange);
            };
            let (highest, mut refused) = (mem::take(counter), None);
            let mut seen =
                BetweenHoles { reader, holes: 0..holes, first: 1, highest, refused: &mut refused }.peekable();
            if let Some((_, last)) = seen.next_if(|range| range.0 == 1) {
                *counter = last;
            }
            let above_prefix = context::CounterRanges::from_sorted(seen);
            if let Some(refused) = refused {
                return Err(refused);
            }
            above.extend(above_prefix.map(|ranges| (node.clone(), ranges)));
        }
        let mut prefixes = counters.iter().map(|&counter| counter > 0);
        nodes.retain(|_| prefixes.next() == Some(true));
        counters.retain(|counter| *counter > 0);
        Ok(Self::from_parts(VersionVector::from_sorted(nodes, counters), above))
    }
}

/// The ranges of counters seen of one node, which lie between its holes. The holes are read one by one.
struct BetweenHoles<'r, 'a> {
    reader: &'r mut Reader<'a>,
    /// The numbers of the holes that are still to be read.
    holes: Range<u64>,
    /// The counter after the last hole.
    first: u64,
    /// The highest counter seen; 0 at the end.
    highest: u64,
    /// The error of a refused hole, which ends the iteration.
    refused: &'r mut Option<DecodeError>,
}

impl BetweenHoles<'_, '_> {
    /// Reads the next hole; returns the range seen before it.
    fn take_hole(&mut self, number: u64) -> Result<Range<u64>, DecodeError> {
        let at = self.reader.at();
        let [before, missing] = [self.reader.take_number()?, self.reader.take_number()?];
        // First the counters from `first` on that were seen, then those that were not: one, and `missing` more.
        let hole = self.first.checked_add(before).and_then(|hole| hole.checked_add(u64::from(number > 0)));
        let next = hole.and_then(|hole| hole.checked_add(missing)?.checked_add(1));
        match (hole, next) {
            (Some(hole), Some(next)) if next <= self.highest => Ok(mem::replace(&mut self.first, next)..hole),
            _ => self.reader.refuse(at, DecodeErrorKind::OutOfRange),
        }
    }
}

impl Iterator for BetweenHoles<'_, '_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        while let Some(number) = self.holes.next() {
            match self.take_hole(number) {
                Ok(range) if range.is_empty() => {} // the first hole, at counter 1
                Ok(range) => return Some((range.start, range.end - 1)),
                Err(error) => {
                    (self.holes, self.highest) = (0..0, 0);
                    *self.refused = Some(error);
                }
            }
        }
        let last = mem::take(&mut self.highest);
        (last > 0).then_some((self.first, last))
    }
}
