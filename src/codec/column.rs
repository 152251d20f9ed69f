//! Columns of up to 64 numbers: packed to the width of the widest, or one by one, whichever is shorter.

use super::bytes::{Reader, Writer, number_len};
use super::error::{DecodeError, DecodeErrorKind};

/// The most numbers in a column. 64 numbers of w bits are exactly w words of 64 bits.
pub(super) const BLOCK: usize = 64;

/// The code of a column that is written number by number; lower codes are widths.
const ONE_BY_ONE: u8 = 65;

/// Room for a packed column of up to N numbers.
pub(super) type Words<const N: usize> = [[u8; 8]; N];

/// The shorter way to write a column.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The code of the way: the bits of the widest number if packed, or [`ONE_BY_ONE`].
    pub(super) code: u8,
    /// The number of bytes that it takes.
    pub(super) len: usize,
}

impl Plan {
    /// The plan of a column without numbers.
    pub(super) const EMPTY: Self = Self { code: 0, len: 0 };

    /// Makes the plan of numbers; `bits` is the bitwise or of them all.
    pub(super) fn of(numbers: &[u64], bits: u64) -> Self {
        let width = u64::BITS - bits.leading_zeros();
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

/// Returns the number of bytes that the numbers take one by one.
fn one_by_one_len(numbers: &[u64]) -> usize {
    numbers.iter().map(|&number| number_len(number)).sum()
}

/// Returns whether numbers one by one surely take at least as many bytes as packed, at a quarter of the cost of
/// [`one_by_one_len`]. `false` means that only an exact count can tell.
///
/// A number takes a byte, and one more for every k for which it has more than 7k bits. If it does for one k, it does
/// for every lower k. So it is nearly always enough to count at the k around the bytes of a packed number.
fn is_surely_longer(numbers: &[u64], width: u32, packed: usize) -> bool {
    let mut least = numbers.len();
    let enough = |k: u32| {
        // 1 for each number that is 0 once shifted. Shifting leaves the highest bit free, and is cheaper than comparing
        // in a wide register.
        let shorts: u64 = numbers.iter().map(|&number| (number >> (7 * k)).wrapping_sub(1) >> 63).sum();
        let longs = numbers.len() - usize::try_from(shorts).unwrap_or(numbers.len());
        let at_lower = longs * (k as usize - 1);
        least += longs;
        least + at_lower >= packed
    };
    // At most 64 bits, so k is at most 8.
    packed <= numbers.len() || (1..=width / 8).rev().take(2).any(enough)
}

/// Writes a column in the way given by `code`.
pub(super) fn put(numbers: &[u64], code: u8, out: &mut Writer<'_>) {
    if code == ONE_BY_ONE {
        numbers.iter().for_each(|&number| out.put_number(number));
    } else {
        pack(numbers, usize::from(code), out);
    }
}

/// Packs numbers of at most `width` bits, the first one into the lowest bits.
fn pack(numbers: &[u64], width: usize, out: &mut Writer<'_>) {
    let mut packer = Packer { word: 0, filled: 0, out };
    if width <= 21 {
        // Three numbers at a time, or two: each group takes one step of the packer.
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
    let Packer { word, filled, out } = packer;
    out.put(&word.to_le_bytes()[..filled.div_ceil(8)]);
}

struct Packer<'a, 'b> {
    /// The unfinished word; its lower `filled` bits are final, fewer than 64.
    word: u64,
    filled: usize,
    out: &'a mut Writer<'b>,
}

impl Packer<'_, '_> {
    #[inline]
    fn put(&mut self, number: u64, width: usize) {
        self.word |= number << (self.filled % 64);
        let over = (number >> 1) >> (63 - self.filled % 64);
        self.filled += width;
        if self.filled >= 64 {
            self.out.put(&self.word.to_le_bytes());
            self.word = over;
            self.filled -= 64;
        }
    }
}

/// Reads a column written in the way given by `code`, which stands at byte `coded_at`.
pub(super) fn take<const N: usize>(
    numbers: &mut [u64],
    code: u8,
    coded_at: usize,
    scratch: &mut Words<N>,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    if code < ONE_BY_ONE {
        unpack(numbers, code, scratch, reader)?;
    } else {
        for number in &mut *numbers {
            *number = reader.take_number()?;
        }
    }
    let bits = numbers.iter().fold(0, |bits, number| bits | number);
    if Plan::of(numbers, bits).code == code {
        Ok(())
    } else {
        reader.refuse(coded_at, DecodeErrorKind::NotCanonical)
    }
}

/// Reads packed numbers; unused bits of the last byte are 0.
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
    // At most N numbers of at most 64 bits. Other bytes of the scratch are shifted or masked out.
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
