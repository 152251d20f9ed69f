//! The form in bits of the paper's appendix A.

use smallvec::SmallVec;

use super::error::InvalidClockKind;
use super::tree::{FREE, HIGHEST, Node, OWNED, Tree, relative, right_children};
use crate::compat::Vec;

/// Writes an id.
pub(super) fn put_id(id: &[u8], out: &mut Writer) {
    let right = right_children(id);
    for (at, &node) in id.iter().enumerate() {
        match node {
            u8::INNER if id[at + 1] == FREE => out.put(1, 2),
            u8::INNER if id[right[at]] == FREE => out.put(2, 2),
            u8::INNER => out.put(3, 2),
            // The node above says so.
            FREE if at > 0 => {}
            leaf => out.put(leaf.into(), 3),
        }
    }
}

/// Writes an event tree.
pub(super) fn put_events(events: &[u64], out: &mut Writer) {
    let right = right_children(events);
    let numbers = relative(events, &right);
    let is_zero = |at: usize| events[at] != u64::INNER && numbers[at] == 0;
    for (at, &node) in events.iter().enumerate() {
        let number = numbers[at];
        if node != u64::INNER {
            // The node above says so, if it is a zero.
            if at == 0 || number > 0 {
                out.put_number(number);
            }
            continue;
        }
        match (is_zero(at + 1), is_zero(right[at])) {
            (true, _) if number == 0 => out.put(0b000, 3),
            (_, true) if number == 0 => out.put(0b001, 3),
            _ if number == 0 => out.put(0b010, 3),
            (true, _) => out.put(0b01100, 5),
            (_, true) => out.put(0b01101, 5),
            _ => out.put(0b0111, 4),
        }
        if number > 0 {
            out.put_number(number);
        }
    }
}

/// Reads an id. Takes its nodes from the budget before there is memory for them.
pub(super) fn take_id(bits: &mut Reader<'_>) -> Result<Tree<u8>, InvalidClockKind> {
    let mut tree = Tree::with_capacity(0);
    // The subtrees still to be read, the next one last; `true` if it was said to be a free leaf.
    let mut open = SmallVec::<[bool; 32]>::from_slice(&[false]);
    while let Some(free) = open.pop() {
        bits.draw()?;
        let code = if free { 0 } else { bits.take(2)? };
        match code {
            0 if free => tree.push(FREE),
            0 => tree.push(if bits.take(1)? == 0 { FREE } else { OWNED }),
            _ => {
                tree.inner();
                open.extend([code == 2, code == 1]);
            }
        }
    }
    Ok(tree)
}

/// Reads an event tree. Takes its nodes from the budget before there is memory for them.
pub(super) fn take_events(bits: &mut Reader<'_>) -> Result<Tree<u64>, InvalidClockKind> {
    let mut tree = Tree::with_capacity(0);
    // The subtrees still to be read, the next one last: the number of the node above, and whether it was said to be a
    // zero.
    let mut open = SmallVec::<[(u64, bool); 32]>::from_slice(&[(0, false)]);
    while let Some((above, zero)) = open.pop() {
        bits.draw()?;
        if zero {
            tree.push(above);
            continue;
        }
        if bits.take(1)? == 1 {
            tree.push(bits.take_number(above)?);
            continue;
        }
        let mut number = above;
        let (left, right) = match bits.take(2)? {
            0 => (true, false),
            1 => (false, true),
            2 => (false, false),
            _ => {
                let zeros = match bits.take(1)? {
                    1 => (false, false),
                    _ if bits.take(1)? == 0 => (true, false),
                    _ => (false, true),
                };
                if bits.take(1)? == 0 {
                    return Err(InvalidClockKind::NotNormal);
                }
                number = bits.take_number(above)?;
                zeros
            }
        };
        tree.inner();
        open.extend([(number, right), (number, left)]);
    }
    Ok(tree)
}

/// A writer of bits, the highest of each byte first.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// The bits that do not fill a byte yet, the latest ones lowest.
    pending: u64,
    /// The number of pending bits, at most 7.
    count: u32,
}

impl Writer {
    /// Writes the lowest `width` bits of a number, at most 32.
    fn put(&mut self, number: u64, width: u32) {
        self.pending = self.pending << width | number;
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count).to_le_bytes()[0]);
        }
        self.pending &= (1 << self.count) - 1;
    }

    /// Writes the number of an event tree: a one-bit for each group of numbers that it lies above, a zero-bit, and its
    /// place within its group. The first group has 4 numbers, and each one twice as many as the group before.
    fn put_number(&mut self, mut number: u64) {
        let mut width = 2;
        self.put(1, 1);
        while width < 64 && number >> width != 0 {
            number -= 1 << width;
            width += 1;
            self.put(1, 1);
        }
        self.put(0, 1);
        if width > 32 {
            self.put(number >> 32, width - 32);
        }
        self.put(number & u64::from(u32::MAX), width.min(32));
    }

    /// Returns the bytes, the last one filled up with zeros.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.bytes
    }
}

/// A reader of bits, the highest of each byte first.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// The number of bits read.
    at: usize,
    /// The number of nodes that may be read.
    limit: usize,
    /// The number of nodes that may still be read.
    nodes: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self { bytes, at: 0, limit, nodes: limit }
    }

    /// Returns the number of bytes from which bits were read.
    pub(super) fn at(&self) -> usize {
        self.at.div_ceil(8)
    }

    /// Takes a node from the budget.
    fn draw(&mut self) -> Result<(), InvalidClockKind> {
        self.nodes = self.nodes.checked_sub(1).ok_or(InvalidClockKind::TooLarge { limit: self.limit })?;
        Ok(())
    }

    /// Reads bits as a number, at most 64.
    fn take(&mut self, width: u32) -> Result<u64, InvalidClockKind> {
        let mut number = 0;
        for _ in 0..width {
            let byte = self.bytes.get(self.at / 8).ok_or(InvalidClockKind::Truncated)?;
            number = number << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(number)
    }

    /// Reads a number after its first bit, and adds it to that of the node above.
    fn take_number(&mut self, above: u64) -> Result<u64, InvalidClockKind> {
        let (mut width, mut least) = (2, above);
        while self.take(1)? == 1 {
            least = 1_u64
                .checked_shl(width)
                .and_then(|group| least.checked_add(group))
                .ok_or(InvalidClockKind::OutOfRange)?;
            width += 1;
        }
        if width > 64 {
            return Err(InvalidClockKind::OutOfRange);
        }
        let number = least.checked_add(self.take(width)?);
        number.filter(|&number| number <= HIGHEST).ok_or(InvalidClockKind::OutOfRange)
    }
}
