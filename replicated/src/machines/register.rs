//! A register: one value, which is written, or replaced if it is the one that the writer expects.
//!
//! A plain write overwrites the value that another node wrote between this writer's read and its write. Compare-and-set
//! is refused in that case, and returns the current value. It can change any state that fits into one value. Herlihy
//! (1991) shows that it solves consensus for any number of nodes; a counter does not.
//!
//! A value may come back: from 1 to 2, and to 1 again. If that matters, put a version into the value.
//!
//! Sources: Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects* (1990). Kleppmann,
//! *Designing Data-Intensive Applications* (2017), chapter 9, "Linearizability".

use happens_before::broadcast::Position;
use happens_before::codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};

use crate::StateMachine;

/// One value, the same at every node. Every command is O(1) comparisons and clones of it.
///
/// # Examples
///
/// Two nodes add one each. Watch the second one: it is refused, told the current value, and tries again. Replace
/// `add_one` by plain writes, and one addition is lost.
///
/// ```
/// use happens_before::broadcast::Position;
/// use happens_before_replicated::StateMachine;
/// use happens_before_replicated::register::{Command, Outcome, Register};
///
/// let position = |sequence| Position { epoch: 0, sequence, index: 0 };
/// let add_one = |seen: u32| Command::CompareAndSet { expected: seen, new: seen + 1 };
/// let mut register = Register::new(0);
/// assert_eq!(register.apply(position(1), add_one(0)), Outcome::Set);
/// assert_eq!(register.apply(position(2), add_one(0)), Outcome::Refused { current: 1 });
/// assert_eq!(register.apply(position(3), add_one(1)), Outcome::Set);
/// assert_eq!(register.value(), &2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Register<V> {
    value: V,
}

/// A change of a [`Register`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Command<V> {
    /// Sets the value, whatever it was.
    Write(V),
    /// Sets the value if it is the expected one.
    CompareAndSet {
        /// The value that must be there.
        expected: V,
        /// The new value.
        new: V,
    },
}

/// The result of a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Outcome<V> {
    /// The value is set.
    Set,
    /// The value was not the expected one, and is unchanged.
    Refused {
        /// The value.
        current: V,
    },
}

impl<V> Register<V> {
    /// Makes a register that holds `value`, which must be the same at every node.
    #[must_use]
    pub const fn new(value: V) -> Self {
        Self { value }
    }

    /// Returns the value.
    pub fn value(&self) -> &V {
        &self.value
    }
}

impl<V: PartialEq + Clone> StateMachine for Register<V> {
    type Command = Command<V>;
    type Output = Outcome<V>;

    fn apply(&mut self, _: Position, command: Command<V>) -> Outcome<V> {
        match command {
            Command::CompareAndSet { expected, .. } if expected != self.value => {
                Outcome::Refused { current: self.value.clone() }
            }
            Command::Write(new) | Command::CompareAndSet { new, .. } => {
                self.value = new;
                Outcome::Set
            }
        }
    }
}

impl<V: Encode> Encode for Command<V> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Write(value) => {
                out.put_number(0);
                value.encode(out);
            }
            Self::CompareAndSet { expected, new } => {
                out.put_number(1);
                expected.encode(out);
                new.encode(out);
            }
        }
    }
}

impl<V: Decode> Decode for Command<V> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Write(V::decode(reader)?),
            1 => Self::CompareAndSet { expected: V::decode(reader)?, new: V::decode(reader)? },
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

impl<V: Encode> Encode for Outcome<V> {
    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Set => out.put_number(0),
            Self::Refused { current } => {
                out.put_number(1);
                current.encode(out);
            }
        }
    }
}

impl<V: Decode> Decode for Outcome<V> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        Ok(match reader.take_number()? {
            0 => Self::Set,
            1 => Self::Refused { current: V::decode(reader)? },
            _ => return reader.refuse(start, DecodeErrorKind::UnknownVersion),
        })
    }
}

/// The value.
impl<V: Encode> Encode for Register<V> {
    fn encode(&self, out: &mut Writer<'_>) {
        self.value.encode(out);
    }
}

impl<V: Decode> Decode for Register<V> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        V::decode(reader).map(Self::new)
    }
}
