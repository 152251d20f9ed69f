//! The encoding of entries: nodes with counters, in the order of the ids. Vectors, contexts and dependencies consist of
//! them.

use core::iter;

use smallvec::SmallVec;

use super::bytes::{Draft, LONGEST, Reader, Writer};
use super::column::{self, BLOCK, Plan, Words};
use super::error::{DecodeError, DecodeErrorKind};
use super::form::{Form, whole};
use super::id::DecodeId;
use super::{Decode, take_counter};
use crate::version::INLINE;

/// The most entries that are written without blocks. There every gap takes as many bytes as the largest one.
const FEW: usize = 8;

/// The most entries that use a small [`Block`], because clearing a large one would be much of the work.
const SMALL: usize = 16;

/// Added to a block's code if columns of gaps follow. Without it, every id directly follows the one before.
const GAPS: u8 = 0x80;

/// Added to the number of entries if there are more than [`FEW`]. The numbers below it are the heads of few entries
/// with gaps of each length.
const fn many<F: Form>() -> usize {
    FEW * 8 * F::COLUMNS
}

/// Writes `len` entries, sorted by id, with counters of at least 1.
pub(super) fn put_entries<'a, F: Form + 'a>(
    len: usize,
    entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    match entries.clone().next() {
        None => out.put_number(0),
        Some((first, _)) if len <= FEW => put_few::<F>(len, first, entries, out),
        Some((first, _)) if len <= SMALL => put_blocks::<F, SMALL>(len, first, entries, out),
        Some((first, _)) => put_blocks::<F, BLOCK>(len, first, entries, out),
    }
}

fn put_few<'a, F: Form + 'a>(
    len: usize,
    first: F::Ref<'a>,
    entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    let pairs = iter::zip(entries.clone(), entries.clone().skip(1));
    let gaps = pairs.map(|((before, _), (form, _))| F::gap(before, form));
    let gap_len = bytes_of(gaps.clone().fold(0, |all, gap| all | whole(gap)));
    let mut draft = Draft::new();
    draft.put_number((len + FEW * gap_len) as u64);
    if F::COLUMNS > 0 {
        F::numbers(first)[2 - F::COLUMNS..].iter().for_each(|&number| draft.put_number(number));
        gaps.for_each(|[high, low]| {
            draft.put_lowest(low, gap_len.min(8));
            if F::COLUMNS > 1 {
                draft.put_lowest(high, gap_len.saturating_sub(8));
            }
        });
    } else {
        out.put(draft.take());
        entries.clone().for_each(|(form, _)| F::put(form, out));
    }
    // Counters of entries are at least 1.
    entries.for_each(|(_, counter)| draft.put_number(counter.wrapping_sub(1)));
    let bytes = draft.take();
    out.reserve(bytes.len());
    out.put(bytes);
}

/// Returns the number of bytes that a number takes.
const fn bytes_of(number: u128) -> usize {
    16 - number.leading_zeros() as usize / 8
}

/// Up to N entries, as columns of numbers; N is 64, or [`SMALL`] if there are no more.
struct Block<const N: usize> {
    /// The counters less 1.
    counters: [u64; N],
    /// The number of ids between each entry's id and the one before, in an upper and a lower half. Only the last
    /// [`COLUMNS`](Form::COLUMNS) of these are used.
    gaps: [[u64; N]; 2],
    /// The number of entries.
    len: usize,
    /// The first entry that has a gap: 1 in the first block, otherwise 0.
    first_gap: usize,
    scratch: Words<N>,
}

impl<const N: usize> Block<N> {
    fn new() -> Self {
        Self { counters: [0; N], gaps: [[0; N]; 2], len: 0, first_gap: 1, scratch: [[0; 8]; N] }
    }

    /// The columns of gaps that are written.
    fn gaps<F: Form>(&self) -> impl Iterator<Item = &[u64]> {
        self.gaps[2 - F::COLUMNS..].iter().map(|column| &column[self.first_gap..self.len])
    }

    /// Fills the block with the next N entries, or with the rest. Returns the bitwise or of each column: of the gaps,
    /// upper and lower halves, and of the counters.
    fn fill<'a, F: Form + 'a>(
        &mut self,
        before: &mut F::Ref<'a>,
        entries: &mut impl Iterator<Item = (F::Ref<'a>, u64)>,
    ) -> [u64; 3] {
        let (counters, [high, low]) = (&mut self.counters, &mut self.gaps);
        let (mut last, mut len, mut bits) = (*before, 0, [0; 3]);
        for (form, counter) in entries.by_ref().take(N) {
            // `len` is below N, which the compiler cannot know. Counters of entries are at least 1.
            counters[len % N] = counter.wrapping_sub(1);
            bits[2] |= counter.wrapping_sub(1);
            if F::COLUMNS > 0 {
                let gap = F::gap(last, form);
                low[len % N] = gap[1];
                if F::COLUMNS > 1 {
                    high[len % N] = gap[0];
                }
                if len >= self.first_gap {
                    bits[0] |= gap[0];
                    bits[1] |= gap[1];
                }
                last = form;
            }
            len += 1;
        }
        *before = last;
        self.len = len;
        bits
    }
}

fn put_blocks<'a, F: Form + 'a, const N: usize>(
    len: usize,
    first: F::Ref<'a>,
    mut entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    let (mut block, mut before, mut rest) = (Block::<N>::new(), first, entries.clone());
    let unused = 2 - F::COLUMNS;
    for at in 0..len.div_ceil(BLOCK) {
        block.first_gap = usize::from(at == 0);
        let bits = block.fill::<F>(&mut before, &mut rest);
        let counters = Plan::of(&block.counters[..block.len], bits[2]);
        let mut gaps = [Plan::EMPTY; 2];
        for ((plan, column), bits) in gaps[unused..].iter_mut().zip(block.gaps::<F>()).zip(&bits[unused..]) {
            *plan = Plan::of(column, *bits);
        }
        let has_gaps = gaps.iter().any(|plan| !plan.is_zero());

        if at == 0 {
            // An estimate: all blocks are as long as the first.
            let block_len = 3 + counters.len + gaps[0].len + gaps[1].len;
            out.reserve(3 * LONGEST + block_len * len.div_ceil(BLOCK));
            // No overflow: an entry takes memory.
            out.put_number((len + many::<F>()) as u64);
            if F::COLUMNS > 0 {
                F::put(first, out);
            }
        }
        out.put(&[counters.code | if has_gaps { GAPS } else { 0 }]);
        if has_gaps {
            for (column, &plan) in iter::zip(&block.gaps[unused..], &gaps[unused..]) {
                out.put(&[plan.code]);
                column::put(&column[block.first_gap..block.len], plan.code, out);
            }
        }
        if F::COLUMNS == 0 {
            entries.by_ref().take(block.len).for_each(|(form, _)| F::put(form, out));
        }
        column::put(&block.counters[..block.len], counters.code, out);
    }
}

/// Ids in increasing order, and as many counters.
type Arrays<I> = (SmallVec<[I; INLINE]>, SmallVec<[u64; INLINE]>);

/// Reads entries: ids in increasing order, and as many counters of at least 1.
pub(super) fn take_entries<I: DecodeId>(reader: &mut Reader<'_>) -> Result<Arrays<I>, DecodeError> {
    let mut entries = Arrays::<I>::default();
    let many = many::<I::Form>();
    let head_at = reader.at();
    if reader.rest().first() == Some(&0xFF) {
        return reader.refuse(head_at, DecodeErrorKind::UnknownVersion);
    }
    // A number that does not fit a `usize` is more than there can be.
    let head = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
    if head > many + FEW {
        let len = head - many;
        reader.draw(head_at, len as u64)?;
        if len <= SMALL {
            take_blocks::<I, SMALL>(&mut entries, len, reader)?;
        } else {
            take_blocks::<I, BLOCK>(&mut entries, len, reader)?;
        }
    } else if head > 0 {
        take_few(&mut entries, head, head_at, reader)?;
    }
    Ok(entries)
}

fn take_few<I: DecodeId>(
    (ids, counters): &mut Arrays<I>,
    head: usize,
    head_at: usize,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let (len, gap_len) = ((head - 1) % FEW + 1, (head - 1) / FEW);
    reader.draw(head_at, len as u64)?;
    if I::Form::COLUMNS > 0 {
        let mut before = take_first(ids, reader)?;
        let mut all = 0;
        for _ in 1..len {
            let at = reader.at();
            let low = reader.take_lowest(gap_len.min(8))?;
            let high = if I::Form::COLUMNS > 1 { reader.take_lowest(gap_len.saturating_sub(8))? } else { 0 };
            all |= whole([high, low]);
            let Some(form) = I::Form::after(&before, [high, low]) else {
                return reader.refuse(at, DecodeErrorKind::OutOfRange);
            };
            before = form;
            match I::from_form(before.clone()) {
                Some(id) => ids.push(id),
                None => return reader.refuse(at, DecodeErrorKind::InvalidId),
            }
        }
        if bytes_of(all) != gap_len {
            return reader.refuse(head_at, DecodeErrorKind::NotCanonical);
        }
    } else {
        take_ids(len, ids, reader)?;
    }
    for _ in 0..len {
        counters.push(take_counter(reader)?);
    }
    Ok(())
}

fn take_blocks<I: DecodeId, const N: usize>(
    (ids, counters): &mut Arrays<I>,
    len: usize,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    // `len` is a claim. At first no more is reserved than one entry for each byte of the input.
    let likely = len.min(reader.rest().len());
    let mut block = Block::<N>::new();
    let mut before = if I::Form::COLUMNS > 0 { Some(take_first(ids, reader)?) } else { None };
    while counters.len() < len {
        let at = reader.at();
        block.len = (len - counters.len()).min(N);
        block.first_gap = usize::from(counters.is_empty());
        // A block takes at least a byte.
        let possible = len.min(counters.len().saturating_add(BLOCK.saturating_mul(reader.rest().len())));
        reserve(ids, possible, likely);
        reserve(counters, possible, likely);
        take_block(&mut block, ids, reader)?;
        if let Some(before) = &mut before {
            take_gaps(&block, before, at, ids, reader)?;
        }
        counters.extend(block.counters[..block.len].iter().map(|&counter| counter.wrapping_add(1)));
    }
    Ok(())
}

/// Makes room for the next block. `possible` is the highest number of items in the end, `likely` the number that is
/// reserved at first. Later room is at most twice the items read, and never more than `possible`.
fn reserve<T>(items: &mut SmallVec<[T; INLINE]>, possible: usize, likely: usize) {
    if items.capacity() - items.len() < BLOCK {
        let room = (2 * items.len()).max(likely).max(items.len() + BLOCK).min(possible);
        items.reserve_exact(room.saturating_sub(items.len()));
    }
}

/// Reads the columns of a block, and ids that are written in full.
fn take_block<I: DecodeId, const N: usize>(
    block: &mut Block<N>,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let at = reader.at();
    let code = reader.take_byte()?;
    let mut has_gaps = false;
    for column in &mut block.gaps[2 - I::Form::COLUMNS..] {
        let column = &mut column[block.first_gap..block.len];
        if code & GAPS > 0 {
            let (code_at, code) = (reader.at(), reader.take_byte()?);
            has_gaps |= code > 0;
            column::take(column, code, code_at, &mut block.scratch, reader)?;
        } else {
            column.fill(0);
        }
    }
    if (code & GAPS > 0) != has_gaps {
        return reader.refuse(at, DecodeErrorKind::NotCanonical);
    }
    if I::Form::COLUMNS == 0 {
        take_ids(block.len, ids, reader)?;
    }
    let counters = &mut block.counters[..block.len];
    column::take(counters, code & !GAPS, at, &mut block.scratch, reader)?;
    // Numbers of fewer bits are not that large.
    if code & !GAPS >= 64 && counters.contains(&u64::MAX) {
        return reader.refuse(at, DecodeErrorKind::OutOfRange);
    }
    Ok(())
}

/// Reads the first id, if ids are integers.
fn take_first<I: DecodeId>(
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<I::Form, DecodeError> {
    let at = reader.at();
    let first = I::Form::take(reader)?;
    match I::from_form(first.clone()) {
        Some(id) => ids.push(id),
        None => return reader.refuse(at, DecodeErrorKind::InvalidId),
    }
    Ok(first)
}

/// Reads `len` ids that are written in full.
fn take_ids<I: DecodeId>(
    len: usize,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    for _ in 0..len {
        let at = reader.at();
        let id = I::decode(reader)?;
        if ids.last().is_some_and(|last| *last >= id) {
            return reader.refuse(at, DecodeErrorKind::Unsorted);
        }
        ids.push(id);
    }
    Ok(())
}

/// Makes ids from the gaps of a block that begins at byte `at`.
fn take_gaps<I: DecodeId, const N: usize>(
    block: &Block<N>,
    before: &mut I::Form,
    at: usize,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &Reader<'_>,
) -> Result<(), DecodeError> {
    let mut wrong = None;
    let [high, low] = &block.gaps;
    let gaps = high[block.first_gap..block.len].iter().zip(&low[block.first_gap..block.len]);
    ids.extend(gaps.map_while(|(&high, &low)| {
        let Some(form) = I::Form::after(before, [high, low]) else {
            wrong = Some(DecodeErrorKind::OutOfRange);
            return None;
        };
        *before = form;
        let id = I::from_form(before.clone());
        if id.is_none() {
            wrong = Some(DecodeErrorKind::InvalidId);
        }
        id
    }));
    wrong.map_or(Ok(()), |kind| reader.refuse(at, kind))
}
