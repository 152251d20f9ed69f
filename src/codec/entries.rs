//! Nodes, each with a counter, in the order of the ids: what vectors, contexts and dependencies are made of.

use smallvec::SmallVec;

use super::bytes::{LONGEST, Reader, Writer};
use super::column::{self, BLOCK, Plan, Words, one_by_one_len};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, Form, take_id};
use crate::version::INLINE;

/// Added to a block's code if columns of gaps follow; without it, every id is the one after the one before.
const GAPS: u8 = 0x80;

/// The most entries of a vector that is handled in small arrays: clearing large ones would be most of the work.
const FEW: usize = 8;

/// Up to N entries, as columns of numbers; N is 64, or [`FEW`] where there are no more.
struct Block<const N: usize> {
    /// The counters less 1.
    counters: [u64; N],
    /// How many ids lie between each entry's and the one's before, in an upper and a lower half, of which only the
    /// last [`COLUMNS`](Form::COLUMNS) are used.
    gaps: [[u64; N]; 2],
    /// How many entries there are.
    len: usize,
    /// The first one that has a gap: 1 where the first entry of all is in the block.
    first_gap: usize,
    scratch: Words<N>,
}

/// How the columns of a block are written in the packed form.
struct BlockPlan {
    counters: Plan,
    gaps: [Plan; 2],
}

impl<const N: usize> Block<N> {
    fn new() -> Self {
        Self { counters: [0; N], gaps: [[0; N]; 2], len: 0, first_gap: 1, scratch: [[0; 8]; N] }
    }

    /// The columns of gaps that are written.
    fn gaps<F: Form>(&self) -> impl Iterator<Item = &[u64]> {
        self.gaps[2 - F::COLUMNS..].iter().map(|column| &column[self.first_gap..self.len])
    }

    /// Takes in the next N entries, or what is left.
    fn fill<'a, F: Form + 'a>(
        &mut self,
        before: &mut F::Ref<'a>,
        entries: &mut impl Iterator<Item = (F::Ref<'a>, u64)>,
    ) {
        let (counters, [high, low]) = (&mut self.counters, &mut self.gaps);
        let (mut last, mut len) = (*before, 0);
        for (form, counter) in entries.by_ref().take(N) {
            // `len` is below N, which the compiler cannot know. Counters of entries are at least 1.
            counters[len % N] = counter.wrapping_sub(1);
            if F::COLUMNS > 0 {
                let gap = F::gap(last, form);
                low[len % N] = gap[1];
                if F::COLUMNS > 1 {
                    high[len % N] = gap[0];
                }
                last = form;
            }
            len += 1;
        }
        *before = last;
        self.len = len;
    }

    fn plan<F: Form>(&self) -> BlockPlan {
        let mut plan = BlockPlan { counters: Plan::of(&self.counters[..self.len]), gaps: [Plan::EMPTY; 2] };
        for (plan, column) in plan.gaps[2 - F::COLUMNS..].iter_mut().zip(self.gaps::<F>()) {
            *plan = Plan::of(column);
        }
        plan
    }

    /// Returns the length of the block packed and plain, but for ids that are written in full.
    fn lens<F: Form>(&self, plan: &BlockPlan) -> (usize, usize) {
        let plain_gaps: usize = self.gaps::<F>().map(one_by_one_len).sum();
        (plan.packed_len::<F>(), plain_gaps + one_by_one_len(&self.counters[..self.len]))
    }

    /// Whether a packed block is shorter than a plain one.
    fn is_packed<F: Form>(&self, plan: &BlockPlan) -> bool {
        let (packed, plain) = self.lens::<F>(plan);
        packed < plain
    }

    /// Writes the columns of gaps.
    fn put_gaps<F: Form>(&mut self, plan: &BlockPlan, out: &mut Writer<'_>) {
        for (column, &plan) in self.gaps[2 - F::COLUMNS..].iter().zip(&plan.gaps[2 - F::COLUMNS..]) {
            out.put(&[plan.code]);
            column::put(&column[self.first_gap..self.len], plan, &mut self.scratch, out);
        }
    }
}

impl BlockPlan {
    fn has_gaps(&self) -> bool {
        !self.gaps.iter().all(Plan::is_zero)
    }

    /// Returns the length of the block packed, but for ids that are written in full.
    fn packed_len<F: Form>(&self) -> usize {
        let columns = &self.gaps[2 - F::COLUMNS..];
        let gaps: usize = if self.has_gaps() { columns.iter().map(|plan| 1 + plan.len).sum() } else { 0 };
        1 + gaps + self.counters.len
    }
}

/// Writes `len` entries, sorted by id, with counters of at least 1.
pub(super) fn put_entries<'a, F: Form + 'a>(
    len: usize,
    entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    if len <= FEW {
        put_blocks::<F, FEW>(len, entries, out);
    } else {
        put_blocks::<F, BLOCK>(len, entries, out);
    }
}

fn put_blocks<'a, F: Form + 'a, const N: usize>(
    len: usize,
    mut entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    let Some((first, _)) = entries.clone().next() else { return out.put_number(0) };
    let (mut block, mut before, mut rest) = (Block::<N>::new(), first, entries.clone());
    block.fill::<F>(&mut before, &mut rest);
    let mut plan = block.plan::<F>();
    let packed = if len > BLOCK {
        // As much as if all blocks were like the first.
        out.reserve(2 * LONGEST + (1 + plan.packed_len::<F>()) * len.div_ceil(BLOCK));
        true
    } else {
        let (packed, plain) = block.lens::<F>(&plan);
        out.reserve(3 * LONGEST + packed.min(plain));
        packed < plain
    };
    // No overflow: an entry takes memory.
    out.put_number(len as u64 * 2 + u64::from(packed));
    if F::COLUMNS > 0 {
        F::put(first, out);
    }
    loop {
        if packed {
            let flag = if plan.has_gaps() { GAPS } else { 0 };
            out.put(&[plan.counters.code | flag]);
            if plan.has_gaps() {
                block.put_gaps::<F>(&plan, out);
            }
        } else {
            block.gaps::<F>().for_each(|column| column::put_one_by_one(column, out));
        }
        if F::COLUMNS == 0 {
            entries.by_ref().take(block.len).for_each(|(form, _)| F::put(form, out));
        }
        let counters = &block.counters[..block.len];
        if packed {
            column::put(counters, plan.counters, &mut block.scratch, out);
        } else {
            column::put_one_by_one(counters, out);
        }

        block.first_gap = 0;
        block.fill::<F>(&mut before, &mut rest);
        if block.len == 0 {
            return;
        }
        plan = block.plan::<F>();
    }
}

/// Ids in increasing order, and as many counters.
type Entries<I> = (SmallVec<[I; INLINE]>, SmallVec<[u64; INLINE]>);

/// Reads entries: ids in increasing order, and as many counters of at least 1.
pub(super) fn take_entries<I: DecodeId>(reader: &mut Reader<'_>) -> Result<Entries<I>, DecodeError> {
    let head_at = reader.at();
    let mut entries = Entries::<I>::default();
    match reader.take_head()? {
        (0, false) => {}
        (0, true) => return reader.refuse(head_at, DecodeErrorKind::NotCanonical),
        (len @ 1..=FEW, packed) => take_blocks::<I, FEW>(&mut entries, len, packed, head_at, reader)?,
        (len, packed) => take_blocks::<I, BLOCK>(&mut entries, len, packed, head_at, reader)?,
    }
    Ok(entries)
}

fn take_blocks<I: DecodeId, const N: usize>(
    (ids, counters): &mut Entries<I>,
    len: usize,
    packed: bool,
    head_at: usize,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    // `len` is a claim: more than the bytes that are there is reserved only when the entries are.
    let likely = len.min(reader.rest().len());
    ids.reserve_exact(likely);
    counters.reserve_exact(likely);

    let mut block = Block::<N>::new();
    let mut before = None;
    if I::Form::COLUMNS > 0 {
        let at = reader.at();
        let first = before.insert(I::Form::take(reader)?);
        match I::from_form(first.clone()) {
            Some(id) => ids.push(id),
            None => return reader.refuse(at, DecodeErrorKind::InvalidId),
        }
    }
    while counters.len() < len {
        let at = reader.at();
        block.len = (len - counters.len()).min(N);
        block.first_gap = usize::from(counters.is_empty());
        let plan = if packed {
            take_packed(&mut block, at, ids, reader)?
        } else {
            take_plain(&mut block, ids, reader)?
        };
        // Longer vectors are always packed.
        if packed != (len > BLOCK || block.is_packed::<I::Form>(&plan)) {
            return reader.refuse(head_at, DecodeErrorKind::NotCanonical);
        }
        if let Some(before) = &mut before {
            take_gaps(&block, before, at, ids, reader)?;
        }
        let column = &block.counters[..block.len];
        if plan.counters.code >= 64 && column.contains(&u64::MAX) {
            return reader.refuse(at, DecodeErrorKind::OutOfRange);
        }
        counters.extend(column.iter().map(|&counter| counter.wrapping_add(1)));
    }
    Ok(())
}

/// Reads a block of packed columns, and ids that are written in full.
fn take_packed<I: DecodeId, const N: usize>(
    block: &mut Block<N>,
    at: usize,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<BlockPlan, DecodeError> {
    let code = reader.take_byte()?;
    let mut plan = BlockPlan { counters: Plan::EMPTY, gaps: [Plan::EMPTY; 2] };
    let unused = 2 - I::Form::COLUMNS;
    for (column, plan) in block.gaps[unused..].iter_mut().zip(&mut plan.gaps[unused..]) {
        let column = &mut column[block.first_gap..block.len];
        if code & GAPS > 0 {
            let code_at = reader.at();
            *plan = column::take(column, reader.take_byte()?, code_at, &mut block.scratch, reader)?;
        } else {
            column.fill(0);
        }
    }
    if (code & GAPS > 0) != plan.has_gaps() {
        return reader.refuse(at, DecodeErrorKind::NotCanonical);
    }
    take_ids(block, ids, reader)?;
    let column = &mut block.counters[..block.len];
    plan.counters = column::take(column, code & !GAPS, at, &mut block.scratch, reader)?;
    Ok(plan)
}

/// Reads a block of numbers one by one, and ids that are written in full.
fn take_plain<I: DecodeId, const N: usize>(
    block: &mut Block<N>,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<BlockPlan, DecodeError> {
    for column in &mut block.gaps[2 - I::Form::COLUMNS..] {
        column::take_one_by_one(&mut column[block.first_gap..block.len], reader)?;
    }
    take_ids(block, ids, reader)?;
    column::take_one_by_one(&mut block.counters[..block.len], reader)?;
    Ok(block.plan::<I::Form>())
}

/// Reads the ids of a block that are written in full.
fn take_ids<I: DecodeId, const N: usize>(
    block: &Block<N>,
    ids: &mut SmallVec<[I; INLINE]>,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    for _ in 0..if I::Form::COLUMNS == 0 { block.len } else { 0 } {
        let at = reader.at();
        let id = take_id(reader)?;
        if ids.last().is_some_and(|last| *last >= id) {
            return reader.refuse(at, DecodeErrorKind::Unsorted);
        }
        ids.push(id);
    }
    Ok(())
}

/// Makes ids of the gaps of a block, which begins at byte `at`.
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
