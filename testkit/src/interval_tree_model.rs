//! The naive interval tree clock: the definitions of the paper, written down as they stand there, with trees of boxes
//! and recursion. Beside it stands the causal history of each clock, the set of all events that it knows.
//!
//! Almeida, Baquero, Fonte, *Interval Tree Clocks: A Logical Clock for Dynamic Systems* (2008), section 5.

use std::collections::BTreeSet;
use std::fmt;

/// An id: 0, 1, or two halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    Leaf(bool),
    Node(Box<Id>, Box<Id>),
}

/// An event tree: a number, or a number and what is added to it on both halves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    Leaf(u64),
    Node(u64, Box<Events>, Box<Events>),
}

use Events::{Leaf as Number, Node as Numbers};
use Id::{Leaf, Node};

const ZERO: Id = Leaf(false);
const ONE: Id = Leaf(true);

impl Id {
    fn node(left: Self, right: Self) -> Self {
        match (left, right) {
            (Leaf(x), Leaf(y)) if x == y => Leaf(x),
            (left, right) => Node(Box::new(left), Box::new(right)),
        }
    }

    fn split(&self) -> (Self, Self) {
        match self {
            Leaf(false) => (ZERO, ZERO),
            Leaf(true) => (Self::node(ONE, ZERO), Self::node(ZERO, ONE)),
            Node(left, right) if **left == ZERO => {
                let (x, y) = right.split();
                (Self::node(ZERO, x), Self::node(ZERO, y))
            }
            Node(left, right) if **right == ZERO => {
                let (x, y) = left.split();
                (Self::node(x, ZERO), Self::node(y, ZERO))
            }
            Node(left, right) => (Self::node((**left).clone(), ZERO), Self::node(ZERO, (**right).clone())),
        }
    }

    /// `None` if the two overlap.
    fn sum(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Leaf(false), id) | (id, Leaf(false)) => Some(id.clone()),
            (Node(l1, r1), Node(l2, r2)) => Some(Self::node(l1.sum(l2)?, r1.sum(r2)?)),
            _ => None,
        }
    }

    fn bits(&self) -> String {
        match self {
            Leaf(leaf) => format!("00{}", u8::from(*leaf)),
            Node(left, right) if **left == ZERO => format!("01{}", right.bits()),
            Node(left, right) if **right == ZERO => format!("10{}", left.bits()),
            Node(left, right) => format!("11{}{}", left.bits(), right.bits()),
        }
    }
}

impl Events {
    fn node(number: u64, left: Self, right: Self) -> Self {
        match (left, right) {
            (Number(x), Number(y)) if x == y => Number(number + x),
            (left, right) => {
                let least = left.min().min(right.min());
                Numbers(number + least, Box::new(left.sink(least)), Box::new(right.sink(least)))
            }
        }
    }

    fn sink(self, by: u64) -> Self {
        match self {
            Number(number) => Number(number - by),
            Numbers(number, left, right) => Numbers(number - by, left, right),
        }
    }

    fn lift(&self, by: u64) -> Self {
        match self {
            Number(number) => Number(number + by),
            Numbers(number, left, right) => Numbers(number + by, left.clone(), right.clone()),
        }
    }

    fn min(&self) -> u64 {
        match self {
            Number(number) => *number,
            Numbers(number, left, right) => number + left.min().min(right.min()),
        }
    }

    fn max(&self) -> u64 {
        match self {
            Number(number) => *number,
            Numbers(number, left, right) => number + left.max().max(right.max()),
        }
    }

    fn leq(&self, other: &Self) -> bool {
        match (self, other) {
            (Number(x), Number(y) | Numbers(y, ..)) => x <= y,
            (Numbers(x, left, right), Number(y)) => {
                x <= y && left.lift(*x).leq(other) && right.lift(*x).leq(other)
            }
            (Numbers(x, l1, r1), Numbers(y, l2, r2)) => {
                x <= y && l1.lift(*x).leq(&l2.lift(*y)) && r1.lift(*x).leq(&r2.lift(*y))
            }
        }
    }

    fn join(&self, other: &Self) -> Self {
        let apart = |number: u64| Numbers(number, Box::new(Number(0)), Box::new(Number(0)));
        match (self, other) {
            (Number(x), Number(y)) => Number(*x.max(y)),
            (Number(x), node) => apart(*x).join(node),
            (node, Number(y)) => node.join(&apart(*y)),
            (Numbers(x, ..), Numbers(y, ..)) if x > y => other.join(self),
            (Numbers(x, l1, r1), Numbers(y, l2, r2)) => {
                Self::node(*x, l1.join(&l2.lift(y - x)), r1.join(&r2.lift(y - x)))
            }
        }
    }

    fn fill(&self, id: &Id) -> Self {
        match (id, self) {
            (Leaf(false), events) => events.clone(),
            (Leaf(true), events) => Number(events.max()),
            (_, Number(number)) => Number(*number),
            (Node(il, ir), Numbers(number, el, er)) if **il == ONE => {
                let right = er.fill(ir);
                Self::node(*number, Number(el.max().max(right.min())), right)
            }
            (Node(il, ir), Numbers(number, el, er)) if **ir == ONE => {
                let left = el.fill(il);
                let right = Number(er.max().max(left.min()));
                Self::node(*number, left, right)
            }
            (Node(il, ir), Numbers(number, el, er)) => Self::node(*number, el.fill(il), er.fill(ir)),
        }
    }

    /// The cost is a pair, as if the constant N of the paper were infinite.
    fn grow(&self, id: &Id) -> (Self, (u64, u64)) {
        match (id, self) {
            (Leaf(true), Number(number)) => (Number(number + 1), (0, 0)),
            (_, Number(number)) => {
                let (grown, (apart, depth)) =
                    Numbers(*number, Box::new(Number(0)), Box::new(Number(0))).grow(id);
                (grown, (apart + 1, depth))
            }
            (Node(il, ir), Numbers(number, el, er)) => {
                let right = || er.grow(ir);
                let left = || el.grow(il);
                let go_right = if **il == ZERO {
                    true
                } else if **ir == ZERO {
                    false
                } else {
                    left().1 >= right().1
                };
                if go_right {
                    let (grown, (apart, depth)) = right();
                    (Numbers(*number, el.clone(), Box::new(grown)), (apart, depth + 1))
                } else {
                    let (grown, (apart, depth)) = left();
                    (Numbers(*number, Box::new(grown), er.clone()), (apart, depth + 1))
                }
            }
            (Leaf(_), Numbers(..)) => panic!("the event tree was not filled"),
        }
    }

    fn bits(&self) -> String {
        let zero = |events: &Self| *events == Number(0);
        match self {
            Number(number) => format!("1{}", number_bits(*number, 2)),
            Numbers(0, left, right) if zero(left) => format!("000{}", right.bits()),
            Numbers(0, left, right) if zero(right) => format!("001{}", left.bits()),
            Numbers(0, left, right) => format!("010{}{}", left.bits(), right.bits()),
            Numbers(number, left, right) => {
                let number = Number(*number).bits();
                match (zero(left), zero(right)) {
                    (true, _) => format!("01100{number}{}", right.bits()),
                    (_, true) => format!("01101{number}{}", left.bits()),
                    _ => format!("0111{number}{}{}", left.bits(), right.bits()),
                }
            }
        }
    }
}

fn number_bits(number: u64, width: usize) -> String {
    if number < 1 << width {
        format!("0{number:0width$b}")
    } else {
        format!("1{}", number_bits(number - (1 << width), width + 1))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf(leaf) => write!(f, "{}", u8::from(*leaf)),
            Node(left, right) => write!(f, "({left}, {right})"),
        }
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number(number) => write!(f, "{number}"),
            Numbers(number, left, right) => write!(f, "({number}, {left}, {right})"),
        }
    }
}

/// A clock, and its causal history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub id: Id,
    pub events: Events,
    /// The names of all events that the clock knows.
    pub history: BTreeSet<u32>,
}

impl Stamp {
    pub fn seed() -> Self {
        Self { id: ONE, events: Number(0), history: BTreeSet::new() }
    }

    pub fn fork(&mut self) -> Self {
        let (ours, theirs) = self.id.split();
        self.id = ours;
        Self { id: theirs, ..self.clone() }
    }

    pub fn peek(&self) -> Self {
        Self { id: ZERO, ..self.clone() }
    }

    /// Counts the event `name`, which is a new one.
    ///
    /// # Panics
    ///
    /// If the clock owns nothing.
    pub fn event(&mut self, name: u32) {
        assert_ne!(self.id, ZERO);
        let filled = self.events.fill(&self.id);
        self.events = if filled == self.events { self.events.grow(&self.id).0 } else { filled };
        self.history.insert(name);
    }

    /// Returns whether the ids did not overlap; otherwise nothing changes.
    pub fn join(&mut self, other: &Self) -> bool {
        let Some(id) = self.id.sum(&other.id) else { return false };
        self.id = id;
        self.events = self.events.join(&other.events);
        self.history.extend(&other.history);
        true
    }

    pub fn leq(&self, other: &Self) -> bool {
        self.events.leq(&other.events)
    }

    /// The encoding of the paper's appendix, filled up with zeros.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bits = self.id.bits() + &self.events.bits();
        let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')) << (8 - bits.len());
        bits.as_bytes().chunks(8).map(byte).collect()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.id, self.events)
    }
}
