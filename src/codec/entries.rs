//! Nodes, each with a counter, in the order of the ids: what vectors, contexts and dependencies are made of.

use super::bytes::{Reader, Writer};
use super::column::{self, BLOCK, Plan};
use super::error::{DecodeError, DecodeErrorKind};
use super::id::{DecodeId, Form, take_id};
use crate::compat::Vec;

/// Added to a block's code if columns of gaps follow; without it, every id is the one after the one before.
const GAPS: u8 = 0x80;

/// Up to 64 entries, as columns of numbers.
struct Block {
    /// The counters less 1.
    counters: [u64; BLOCK],
    /// How many ids lie between each entry's and the one's before, in an upper and a lower half.
    gaps: [[u64; BLOCK]; 2],
    /// How many entries, and how many gaps: none for the first entry of all, nor where ids are written in full.
    lens: (usize, usize),
}

/// What the two forms of a block cost, but for ids that are written in full in both.
struct BlockPlan {
    counters: Plan,
    /// Only the last [`COLUMNS`](Form::COLUMNS) of these are written.
    gaps: [Plan; 2],
}

impl Block {
    fn new() -> Self {
        Self { counters: [0; BLOCK], gaps: [[0; BLOCK]; 2], lens: (0, 0) }
    }

    fn counters(&self) -> &[u64] {
        &self.counters[..self.lens.0]
    }

    /// The columns of gaps that are written.
    fn gaps<F: Form>(&self) -> impl Iterator<Item = &[u64]> {
        self.gaps[2 - F::COLUMNS..].iter().map(|column| &column[..self.lens.1])
    }

    /// Takes in the next 64 entries, or what is left.
    fn fill<'a, F: Form + 'a>(
        &mut self,
        before: &mut Option<F::Ref<'a>>,
        entries: &mut impl Iterator<Item = (F::Ref<'a>, u64)>,
    ) {
        self.lens = (0, 0);
        for ((form, counter), to) in entries.by_ref().take(BLOCK).zip(&mut self.counters) {
            // Counters of entries are at least 1.
            *to = counter.wrapping_sub(1);
            self.lens.0 += 1;
            if F::COLUMNS > 0
                && let Some(before) = before.replace(form)
            {
                [self.gaps[0][self.lens.1], self.gaps[1][self.lens.1]] = F::gap(before, form);
                self.lens.1 += 1;
            }
        }
    }

    fn plan<F: Form>(&self) -> BlockPlan {
        let mut gaps = [Plan::of(&[]); 2];
        for (plan, column) in gaps[2 - F::COLUMNS..].iter_mut().zip(self.gaps::<F>()) {
            *plan = Plan::of(column);
        }
        BlockPlan { counters: Plan::of(self.counters()), gaps }
    }
}

impl BlockPlan {
    fn has_gaps(&self) -> bool {
        !self.gaps.iter().all(Plan::is_zero)
    }

    /// Whether the packed form is the shorter one.
    fn is_packed<F: Form>(&self) -> bool {
        let columns = &self.gaps[2 - F::COLUMNS..];
        let gaps = if self.has_gaps() { columns.iter().map(|plan| 1 + plan.len()).sum() } else { 0 };
        let packed = 1 + gaps + self.counters.len();
        packed < columns.iter().map(|plan| plan.one_by_one).sum::<usize>() + self.counters.one_by_one
    }
}

/// Writes `len` entries, sorted by id, with counters of at least 1.
pub(super) fn put_entries<'a, F: Form + 'a>(
    len: usize,
    mut entries: impl Iterator<Item = (F::Ref<'a>, u64)> + Clone,
    out: &mut Writer<'_>,
) {
    let Some((first, _)) = entries.clone().next() else { return out.put_number(0) };
    let (mut block, mut before) = (Block::new(), None);
    let mut rest = entries.clone();
    block.fill::<F>(&mut before, &mut rest);
    let mut plan = block.plan::<F>();
    let packed = len > BLOCK || plan.is_packed::<F>();
    // No overflow: an entry takes memory.
    out.put_number(len as u64 * 2 + u64::from(packed));
    if F::COLUMNS > 0 {
        F::put(first, out);
    }
    while block.lens.0 > 0 {
        if packed {
            let flag = if plan.has_gaps() { GAPS } else { 0 };
            out.put(&[plan.counters.code() | flag]);
            if plan.has_gaps() {
                for (column, plan) in block.gaps::<F>().zip(&plan.gaps[2 - F::COLUMNS..]) {
                    out.put(&[plan.code()]);
                    column::put(column, plan, out);
                }
            }
        } else {
            block.gaps::<F>().for_each(|column| column::put_one_by_one(column, out));
        }
        if F::COLUMNS == 0 {
            entries.by_ref().take(block.lens.0).for_each(|(form, _)| F::put(form, out));
        }
        if packed {
            column::put(block.counters(), &plan.counters, out);
        } else {
            column::put_one_by_one(block.counters(), out);
        }
        block.fill::<F>(&mut before, &mut rest);
        plan = block.plan::<F>();
    }
}

/// Reads entries: ids in increasing order, and as many counters of at least 1.
pub(super) fn take_entries<I: DecodeId>(reader: &mut Reader<'_>) -> Result<(Vec<I>, Vec<u64>), DecodeError> {
    let columns = 2 - I::Form::COLUMNS..;
    let head_at = reader.at();
    let (len, packed) = reader.take_head()?;
    // Nothing is reserved: `len` is a claim until the bytes are there.
    let (mut ids, mut counters) = (Vec::new(), Vec::new());
    if len == 0 && packed {
        return reader.refuse(head_at, DecodeErrorKind::NotCanonical);
    }
    let mut block = Block::new();
    let mut before: Option<I::Form> = None;
    while counters.len() < len {
        let mut at = reader.at();
        block.lens = ((len - counters.len()).min(BLOCK), 0);
        if I::Form::COLUMNS > 0 {
            block.lens.1 = block.lens.0;
            if before.is_none() {
                block.lens.1 -= 1;
                let form = I::Form::take(reader)?;
                push_id(&mut ids, before.insert(form).clone(), at, reader)?;
                at = reader.at();
            }
        }
        let code = if packed { reader.take_byte()? } else { 0 };
        let has_gaps = if packed { code & GAPS > 0 } else { true };
        if has_gaps && I::Form::COLUMNS == 0 && packed {
            return reader.refuse(at, DecodeErrorKind::NotCanonical);
        }
        let mut plan = BlockPlan { counters: Plan::of(&[]), gaps: [Plan::of(&[]); 2] };
        for (column, plan) in block.gaps[columns.clone()].iter_mut().zip(&mut plan.gaps[columns.clone()]) {
            let column = &mut column[..block.lens.1];
            *plan = match (packed, has_gaps) {
                (true, true) => {
                    let code_at = reader.at();
                    let code = reader.take_byte()?;
                    column::take(column, code, code_at, reader)?
                }
                (true, false) => {
                    column.fill(0);
                    Plan::of(column)
                }
                (false, _) => column::take_one_by_one(column, reader)?,
            };
        }
        if packed && has_gaps != plan.has_gaps() {
            return reader.refuse(at, DecodeErrorKind::NotCanonical);
        }
        if I::Form::COLUMNS == 0 {
            for _ in 0..block.lens.0 {
                let at = reader.at();
                let id = take_id(reader)?;
                push_sorted(&mut ids, id, at, reader)?;
            }
        }
        let column = &mut block.counters[..block.lens.0];
        plan.counters = if packed {
            column::take(column, code & !GAPS, at, reader)?
        } else {
            column::take_one_by_one(column, reader)?
        };
        if packed != (len > BLOCK || plan.is_packed::<I::Form>()) {
            return reader.refuse(head_at, DecodeErrorKind::NotCanonical);
        }

        if let Some(before) = &mut before {
            let [high, low] = &block.gaps;
            for (&high, &low) in high.iter().zip(low).take(block.lens.1) {
                let Some(form) = I::Form::after(before, [high, low]) else {
                    return reader.refuse(at, DecodeErrorKind::OutOfRange);
                };
                *before = form;
                push_id(&mut ids, before.clone(), at, reader)?;
            }
        }
        for &counter in block.counters.iter().take(block.lens.0) {
            match counter.checked_add(1) {
                Some(counter) => counters.push(counter),
                None => return reader.refuse(at, DecodeErrorKind::OutOfRange),
            }
        }
    }
    Ok((ids, counters))
}

fn push_id<I: DecodeId>(
    ids: &mut Vec<I>,
    form: I::Form,
    at: usize,
    reader: &Reader<'_>,
) -> Result<(), DecodeError> {
    match I::from_form(form) {
        Some(id) => push_sorted(ids, id, at, reader),
        None => reader.refuse(at, DecodeErrorKind::InvalidId),
    }
}

fn push_sorted<I: DecodeId>(
    ids: &mut Vec<I>,
    id: I,
    at: usize,
    reader: &Reader<'_>,
) -> Result<(), DecodeError> {
    if ids.last().is_some_and(|last| *last >= id) {
        return reader.refuse(at, DecodeErrorKind::Unsorted);
    }
    ids.push(id);
    Ok(())
}
