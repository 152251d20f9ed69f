//! The form in text, as the paper writes stamps.

use core::fmt;

use smallvec::SmallVec;

use super::error::InvalidClockKind;
use super::tree::{HIGHEST, Node, OWNED, Path, Tree};

/// Writes a tree. `inner` writes the number of the inner node at a place, if such nodes have numbers, and `leaf` that of
/// a leaf.
pub(super) fn write_tree<N: Node>(
    nodes: &[N],
    f: &mut fmt::Formatter<'_>,
    inner: impl Fn(usize, &mut fmt::Formatter<'_>) -> fmt::Result,
    leaf: impl Fn(usize, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let mut path = Path::default();
    for (at, &node) in nodes.iter().enumerate() {
        if node == N::INNER {
            f.write_str("(")?;
            inner(at, f)?;
            path.down();
        } else {
            leaf(at, f)?;
            for _ in 0..path.next() {
                f.write_str(")")?;
            }
            if path.depth() > 0 {
                f.write_str(", ")?;
            }
        }
    }
    Ok(())
}

/// Reads a stamp, an id and an event tree. Neither need be in normal form, and there may be more or fewer spaces.
pub(super) fn parse(text: &mut Scanner<'_>) -> Result<(Tree<u8>, Tree<u64>), InvalidClockKind> {
    text.expect(b'(')?;
    let id = parse_id(text)?;
    text.expect(b',')?;
    let events = parse_events(text)?;
    text.expect(b')')?;
    if text.peek().is_some() { Err(InvalidClockKind::TrailingBytes) } else { Ok((id, events)) }
}

fn parse_id(text: &mut Scanner<'_>) -> Result<Tree<u8>, InvalidClockKind> {
    let mut tree = Tree::with_capacity(0);
    let mut path = Path::default();
    loop {
        if text.accept(b'(') {
            tree.inner();
            path.down();
            continue;
        }
        let leaf = u8::try_from(text.take_number()?).ok().filter(|&leaf| leaf <= OWNED);
        tree.push(leaf.ok_or(InvalidClockKind::OutOfRange)?);
        text.leave(&mut path)?;
        if path.depth() == 0 {
            return Ok(tree);
        }
    }
}

fn parse_events(text: &mut Scanner<'_>) -> Result<Tree<u64>, InvalidClockKind> {
    let mut tree = Tree::with_capacity(0);
    let mut path = Path::default();
    // The numbers of the nodes above, from the root on; a 0 stands above the root.
    let mut above = SmallVec::<[u64; 32]>::from_slice(&[0]);
    loop {
        let is_inner = text.accept(b'(');
        let number = text.take_number()?.checked_add(above.last().copied().unwrap_or_default());
        let number = number.filter(|&number| number <= HIGHEST).ok_or(InvalidClockKind::OutOfRange)?;
        if is_inner {
            text.expect(b',')?;
            tree.inner();
            path.down();
            above.push(number);
            continue;
        }
        tree.push(number);
        text.leave(&mut path)?;
        above.truncate(path.depth() + 1);
        if path.depth() == 0 {
            return Ok(tree);
        }
    }
}

/// A reader of text, which passes over spaces.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    /// Returns the number of bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the next byte that is not a space.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// Reads `byte` if it is the next one.
    fn accept(&mut self, byte: u8) -> bool {
        let accepted = self.peek() == Some(byte);
        self.at += usize::from(accepted);
        accepted
    }

    fn expect(&mut self, byte: u8) -> Result<(), InvalidClockKind> {
        if self.accept(byte) { Ok(()) } else { Err(self.refuse()) }
    }

    /// Returns the error of a byte that may not stand here.
    fn refuse(&mut self) -> InvalidClockKind {
        if self.peek().is_none() { InvalidClockKind::Truncated } else { InvalidClockKind::UnexpectedCharacter }
    }

    /// Reads decimal digits.
    fn take_number(&mut self) -> Result<u64, InvalidClockKind> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.refuse());
        }
        let mut number = 0_u64;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let larger = number.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
            number = larger.ok_or(InvalidClockKind::OutOfRange)?;
            self.at += 1;
        }
        Ok(number)
    }

    /// Goes on from a leaf to the next node: reads the ends of the inner nodes that end here, and a comma.
    fn leave(&mut self, path: &mut Path) -> Result<(), InvalidClockKind> {
        for _ in 0..path.next() {
            self.expect(b')')?;
        }
        if path.depth() > 0 { self.expect(b',') } else { Ok(()) }
    }
}
