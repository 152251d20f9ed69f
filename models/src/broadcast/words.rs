//! The events of a model, in words.

use std::fmt;

use happens_before::broadcast::{AppendAnswer, Content, ReadAnswer, WriteAnswer};

use super::machines::{Answer, Entry, LIFE, Message, Node, Request, Told};

/// A publisher: `a`, and in its next life `a'`.
pub struct Name(pub Node);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'a' + self.0 % LIFE))?;
        (0..self.0 / LIFE).try_for_each(|_| write!(f, "'"))
    }
}

/// A message: `a1`.
pub struct Named<'a>(pub &'a Message);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Name(*self.0.node()), self.0.counter())
    }
}

/// The entry in a slot: a message, or a fill.
pub struct Standing<'a>(pub &'a Entry);

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.content() {
            Content::Messages { first, payloads } => {
                payloads.as_slice().iter().enumerate().try_for_each(|(at, number)| {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{}{number}", Name(*first.node()))
                })
            }
            Content::Marker { .. } => write!(f, "a marker"),
            Content::Fill => write!(f, "a fill"),
            Content::Skip { slot, .. } => write!(f, "a request to pass slot {slot}"),
            Content::Retire { node, .. } => write!(f, "the end of {}", Name(*node)),
            Content::Unreadable(why) => write!(f, "something {why}"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { .. } => write!(f, "is acknowledged"),
            Self::NotStored => write!(f, "is not stored"),
            Self::FilledAway => write!(f, "is not stored: its slots were occupied"),
            Self::Unknown => write!(f, "may be stored"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(take) if take.n.get() == 1 => write!(f, "take a number"),
            Self::Numbers(take) => write!(f, "take {} numbers", take.n),
            Self::Write { slot, entry } => write!(f, "write {} into slot {slot}", Standing(entry)),
            Self::Append { entry } => write!(f, "append {}", Standing(entry)),
            Self::Enter => write!(f, "enter the new epoch"),
            Self::Read { from, .. } => write!(f, "read from slot {from} on"),
            Self::Fill { slot, .. } => write!(f, "fill slot {slot}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers { take, first } if take.n.get() == 1 => write!(f, "number {first}"),
            Self::Numbers { take, first } => write!(f, "{} numbers from {first} on", take.n),
            Self::Written { answer, .. } | Self::Filled { answer, .. } => match answer {
                WriteAnswer::Written => write!(f, "done"),
                WriteAnswer::Occupied(entry) => write!(f, "occupied by {}", Standing(entry)),
                WriteAnswer::Sealed { epoch } => write!(f, "sealed, epoch {epoch} goes on"),
                WriteAnswer::Trimmed { first } => write!(f, "trimmed up to {first}"),
                WriteAnswer::NumberUsed { highest } => write!(f, "refused, number {highest} is used"),
            },
            Self::Appended { answer, .. } => match answer {
                AppendAnswer::Appended { slot } => write!(f, "in slot {slot}"),
                AppendAnswer::AlreadyAppended { slot } => write!(f, "already in slot {slot}"),
                AppendAnswer::Sealed { epoch } => write!(f, "sealed, epoch {epoch} goes on"),
                AppendAnswer::NumberUsed { highest } => write!(f, "refused, number {highest} is used"),
            },
            Self::Entered { epoch, tail } => write!(f, "epoch {epoch}, above slot {tail}"),
            Self::Found { answer: ReadAnswer::Trimmed { first }, .. } => write!(f, "trimmed up to {first}"),
            Self::Found { answer: ReadAnswer::Entries(entries), .. } if entries.is_empty() => {
                write!(f, "nothing")
            }
            Self::Found { answer: ReadAnswer::Entries(entries), .. } => {
                for (at, (slot, entry)) in entries.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{} in slot {slot}", Standing(entry))?;
                }
                Ok(())
            }
        }
    }
}
