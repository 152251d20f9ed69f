//! Up to 64 numbers at once: packed to the width of the widest, or one by one, whichever is shorter.

use super::bytes::{Reader, Writer, number_len};
use super::error::{DecodeError, DecodeErrorKind};

/// The most numbers in a column. So many numbers of w bits are exactly w words of 64 bits.
pub(super) const BLOCK: usize = 64;

/// The code of a column that is written number by number; lower codes are widths.
const ONE_BY_ONE: u8 = 65;

/// Room for a packed column of up to N numbers.
pub(super) type Words<const N: usize> = [[u8; 8]; N];

/// The shorter way to write a column.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// What names the way: the bits of the widest number for packed, or [`ONE_BY_ONE`].
    pub(super) code: u8,
    /// How many bytes it takes.
    pub(super) len: usize,
}

impl Plan {
    /// The plan of a column without numbers.
    pub(super) const EMPTY: Self = Self { code: 0, len: 0 };

    pub(super) fn of(numbers: &[u64]) -> Self {
        let width = u64::BITS - numbers.iter().fold(0, |all, number| all | number).leading_zeros();
        let packed = (numbers.len() * width as usize).div_ceil(8);
        if !is_surely_longer(numbers, width, packed) {
            let len = one_by_one_len(numbers);
            if len < packed {
                return Self { code: ONE_BY_ONE, len };
            }
        }
        // At most 64.
        Self { code: u8::try_from(width).unwrap_or(ONE_BY_ONE), len: packed }
    }

    /// Returns whether all numbers are 0.
    pub(super) fn is_zero(&self) -> bool {
        self.code == 0
    }
}

/// Returns how many bytes the numbers take one by one.
pub(super) fn one_by_one_len(numbers: &[u64]) -> usize {
    numbers.iter().map(|&number| number_len(number)).sum()
}

/// Whether numbers one by one take at least as many bytes as packed, found at a quarter of the cost of
/// [`one_by_one_len`]; `false` where it needs a closer look.
///
/// A number takes a byte, and one more for every k at which it has more than 7k bits. Those who do at one k do at
/// every lower one, so counting them at the k around the bytes of a packed number is enough as a rule.
fn is_surely_longer(numbers: &[u64], width: u32, packed: usize) -> bool {
    let mut least = numbers.len();
    let enough = |k: u32| {
        // 1 for each that is 0 once shifted, which leaves the highest bit free; cheaper in a wide register than
        // comparing.
        let shorts: u64 = numbers.iter().map(|&number| (number >> (7 * k)).wrapping_sub(1) >> 63).sum();
        let longs = numbers.len() - usize::try_from(shorts).unwrap_or(numbers.len());
        let at_lower = longs * (k as usize - 1);
        least += longs;
        least + at_lower >= packed
    };
    // At most 64 bits, so k is at most 8.
    packed <= numbers.len() || (1..=width / 8).rev().take(2).any(enough)
}

/// Writes a column in the way of the plan, without its code.
pub(super) fn put<const N: usize>(numbers: &[u64], plan: Plan, scratch: &mut Words<N>, out: &mut Writer<'_>) {
    if plan.code == ONE_BY_ONE {
        put_one_by_one(numbers, out);
    } else {
        pack(numbers, usize::from(plan.code), scratch);
        out.put(&scratch.as_flattened()[..plan.len]);
    }
}

/// Packs numbers of at most `width` bits, the first one into the lowest bits.
fn pack<const N: usize>(numbers: &[u64], width: usize, words: &mut Words<N>) {
    let mut packer = Packer { words, word: 0, filled: 0, at: 0 };
    if width <= 21 {
        // Three at a time, or two: each takes a step of the packer.
        let (threes, rest) = numbers.as_chunks::<3>();
        threes.iter().for_each(|three| {
            packer.put(three[0] | three[1] << width | three[2] << (2 * width), 3 * width);
        });
        rest.iter().for_each(|&number| packer.put(number, width));
    } else if width <= 32 {
        let (pairs, odd) = numbers.as_chunks::<2>();
        pairs.iter().for_each(|pair| packer.put(pair[0] | pair[1] << width, 2 * width));
        odd.iter().for_each(|&number| packer.put(number, width));
    } else {
        numbers.iter().for_each(|&number| packer.put(number, width));
    }
    if packer.filled > 0 {
        packer.words[packer.at % N] = packer.word.to_le_bytes();
    }
}

struct Packer<'a, const N: usize> {
    words: &'a mut Words<N>,
    /// The word in the making, of which the lower `filled` bits are made; fewer than 64.
    word: u64,
    filled: usize,
    /// Its place: fewer than N words come before the last number, which has at most 64 bits.
    at: usize,
}

impl<const N: usize> Packer<'_, N> {
    #[inline]
    fn put(&mut self, number: u64, width: usize) {
        self.word |= number << (self.filled % 64);
        self.words[self.at % N] = self.word.to_le_bytes();
        let over = (number >> 1) >> (63 - self.filled % 64);
        self.filled += width;
        let full = self.filled >= 64;
        self.word = if full { over } else { self.word };
        self.at += usize::from(full);
        self.filled %= 64;
    }
}

/// Writes numbers one after another.
pub(super) fn put_one_by_one(numbers: &[u64], out: &mut Writer<'_>) {
    for &number in numbers {
        out.put_number(number);
    }
}

/// Reads a column that is written as `code` says, and stands at byte `coded_at`.
pub(super) fn take<const N: usize>(
    numbers: &mut [u64],
    code: u8,
    coded_at: usize,
    scratch: &mut Words<N>,
    reader: &mut Reader<'_>,
) -> Result<Plan, DecodeError> {
    if code < ONE_BY_ONE {
        unpack(numbers, code, scratch, reader)?;
    } else {
        take_one_by_one(numbers, reader)?;
    }
    let plan = Plan::of(numbers);
    if plan.code == code { Ok(plan) } else { reader.refuse(coded_at, DecodeErrorKind::NotCanonical) }
}

/// Reads packed numbers; what does not fill the last byte is 0.
fn unpack<const N: usize>(
    numbers: &mut [u64],
    width: u8,
    scratch: &mut Words<N>,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let bits = numbers.len() * usize::from(width);
    let packed = reader.take(bits.div_ceil(8))?;
    let unused = 8 * packed.len() - bits;
    if packed.last().is_some_and(|last| (last.leading_zeros() as usize) < unused) {
        return reader.refuse(reader.at() - 1, DecodeErrorKind::NotCanonical);
    }
    // At most N numbers of at most 64 bits. Whatever is in the scratch behind them is shifted or masked out.
    scratch.as_flattened_mut()[..packed.len()].copy_from_slice(packed);
    let mask = u64::MAX.checked_shr(64 - u32::from(width)).unwrap_or(0);
    let mut from = 0_usize;
    for number in numbers {
        let (at, shift) = ((from / 64) % N, from % 64);
        let [low, high] = [u64::from_le_bytes(scratch[at]), u64::from_le_bytes(scratch[(at + 1) % N])];
        *number = (low >> shift | (high << 1) << (63 - shift)) & mask;
        from += usize::from(width);
    }
    Ok(())
}

/// Reads numbers one after another.
pub(super) fn take_one_by_one(numbers: &mut [u64], reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for number in numbers {
        *number = reader.take_number()?;
    }
    Ok(())
}
