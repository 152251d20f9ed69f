//! Up to 64 numbers at once: packed to the width of the widest, or one by one, whichever is shorter.

use super::bytes::{LONGEST, Reader, Writer, number_len};
use super::error::{DecodeError, DecodeErrorKind};

/// The most numbers in a column. So many numbers of w bits are exactly w words of 64 bits.
pub(super) const BLOCK: usize = 64;

/// The code of a column that is written number by number; lower codes are widths.
const ONE_BY_ONE: u8 = 65;

/// The lengths of the two ways to write a column.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The bits of the widest number.
    width: u8,
    /// How many bytes the numbers take if packed.
    packed: usize,
    /// How many bytes they take one by one.
    pub(super) one_by_one: usize,
}

impl Plan {
    pub(super) fn of(numbers: &[u64]) -> Self {
        let (mut all, mut one_by_one) = (0, 0);
        for &number in numbers {
            all |= number;
            one_by_one += number_len(number);
        }
        let width = u64::BITS - all.leading_zeros();
        let packed = (numbers.len() * width as usize).div_ceil(8);
        // At most 64.
        Self { width: u8::try_from(width).unwrap_or(ONE_BY_ONE), packed, one_by_one }
    }

    /// Returns whether all numbers are 0.
    pub(super) fn is_zero(&self) -> bool {
        self.width == 0
    }

    /// Returns the length of the shorter way.
    pub(super) fn len(&self) -> usize {
        self.packed.min(self.one_by_one)
    }

    /// Returns what names the shorter way, packed if both are equally long.
    pub(super) fn code(&self) -> u8 {
        if self.packed <= self.one_by_one { self.width } else { ONE_BY_ONE }
    }
}

/// Writes a column the shorter way, without the code.
pub(super) fn put(numbers: &[u64], plan: &Plan, out: &mut Writer<'_>) {
    if plan.code() == ONE_BY_ONE {
        put_one_by_one(numbers, out);
        return;
    }
    let width = usize::from(plan.width);
    let mut words = [0; BLOCK];
    // The word in the making is `word`, of which the lower `filled` bits are made.
    let (mut word, mut filled, mut at) = (0_u64, 0, 0);
    for &number in numbers {
        word |= number << filled;
        // At most 64 numbers of at most 64 bits: `at` stays below 64, except behind the very last bit.
        words[at % BLOCK] = word;
        let over = (number >> 1) >> (63 - filled);
        filled += width;
        let full = filled >= 64;
        word = if full { over } else { word };
        at += usize::from(full);
        filled %= 64;
    }
    if at < BLOCK {
        words[at] = word;
    }
    let mut bytes = [0; BLOCK * 8];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(&words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out.put(&bytes[..plan.packed]);
}

/// Writes numbers one after another.
pub(super) fn put_one_by_one(numbers: &[u64], out: &mut Writer<'_>) {
    for &number in numbers {
        out.put_number(number);
    }
}

/// Reads a column that is written as `code` says, and stands at byte `coded_at`.
pub(super) fn take(
    numbers: &mut [u64],
    code: u8,
    coded_at: usize,
    reader: &mut Reader<'_>,
) -> Result<Plan, DecodeError> {
    let plan = if code < ONE_BY_ONE {
        unpack(numbers, code, reader)?;
        Plan::of(numbers)
    } else {
        take_one_by_one(numbers, reader)?
    };
    if plan.code() == code { Ok(plan) } else { reader.refuse(coded_at, DecodeErrorKind::NotCanonical) }
}

fn unpack(numbers: &mut [u64], width: u8, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let bits = numbers.len() * usize::from(width);
    let packed = reader.take(bits.div_ceil(8))?;
    if bits % 8 > 0 && packed.last().is_some_and(|last| last >> (bits % 8) > 0) {
        return reader.refuse(reader.at() - 1, DecodeErrorKind::NotCanonical);
    }
    let mut words = [0; BLOCK + 1];
    let mut whole = packed.chunks_exact(8);
    let mut to = words.iter_mut();
    for (word, bytes) in to.by_ref().zip(&mut whole) {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        *word = u64::from_le_bytes(eight);
    }
    let mut last = [0; 8];
    last[..whole.remainder().len()].copy_from_slice(whole.remainder());
    if let Some(word) = words.get_mut(packed.len() / 8) {
        *word = u64::from_le_bytes(last);
    }
    let mask = u64::MAX.checked_shr(64 - u32::from(width)).unwrap_or(0);
    let mut from = 0_usize;
    for number in numbers {
        // At most 64 numbers of at most 64 bits: `from` is below 64 * 64.
        let (at, shift) = ((from / 64) % BLOCK, from % 64);
        *number = (words[at] >> shift | (words[at + 1] << 1) << (63 - shift)) & mask;
        from += usize::from(width);
    }
    Ok(())
}

/// Reads numbers one after another.
pub(super) fn take_one_by_one(numbers: &mut [u64], reader: &mut Reader<'_>) -> Result<Plan, DecodeError> {
    for number in &mut *numbers {
        *number = reader.take_number()?;
    }
    Ok(Plan::of(numbers))
}

// So a column's code fits below the flag that a block adds to it.
const _: () = assert!(ONE_BY_ONE < 0x80 && LONGEST == 9);
