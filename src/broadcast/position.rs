//! The place of a message in the total order.

use core::fmt;
use core::str::FromStr;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::node::{InvalidText, text};

/// The place of a message in the total order: epoch, sequence number, index within the entry.
///
/// The order of positions is a *total* order, and the order of delivery: at every subscriber, positions increase. The
/// sequence number is the slot's, and continues across epochs. The epoch is the highest one of all entries up to this
/// one, so a later position is never in an earlier epoch. Therefore a position can serve as a
/// [`FencingToken`](crate::broadcast::FencingToken). The index counts the messages of one entry from 0.
///
/// # Examples
///
/// Positions of one epoch are ordered by slot, and within a slot by index. Compare them with a position of epoch 2:
/// that is higher, whatever its slot.
///
/// ```
/// use happens_before::broadcast::Position;
///
/// let position = Position { epoch: 1, sequence: 7, index: 0 };
/// assert!(position < Position { index: 1, ..position });
/// assert!(position < Position { sequence: 8, ..position });
/// assert_eq!(position.to_string(), "1:7:0");
/// assert_eq!("1:7:0".parse(), Ok(position));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The highest epoch of all entries up to this one.
    pub epoch: u64,
    /// The number of the slot; the first is 1.
    pub sequence: u64,
    /// The index of the message within its entry; the first is 0.
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.epoch, self.sequence, self.index)
    }
}

/// The inverse of `Display`; every other text is refused.
impl FromStr for Position {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        text::read(text, "epoch:sequence:index", |text| {
            let (epoch, rest) = text.split_once(':')?;
            let (sequence, index) = rest.split_once(':')?;
            Some(Self {
                epoch: epoch.parse().ok()?,
                sequence: sequence.parse().ok()?,
                index: index.parse().ok()?,
            })
        })
    }
}

/// As byte strings, positions sort as they do themselves.
impl Encode for Position {
    fn encode(&self, out: &mut Writer<'_>) {
        [self.epoch, self.sequence, self.index].into_iter().for_each(|number| out.put_number(number));
    }
}

impl Decode for Position {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [epoch, sequence, index] = [reader.take_number()?, reader.take_number()?, reader.take_number()?];
        Ok(Self { epoch, sequence, index })
    }
}
