//! Errors of decoding and encoding.

use core::fmt;

/// The input is not the encoding of a value; the error names the byte and the fault.
///
/// There is no value, not even a part of one, and nothing else has changed. The fault is that of the sender or of the
/// network, unless the [`kind`](Self::kind) says otherwise. Drop the bytes and ask for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// The first byte of the refused part, counted from the start of the input; for
    /// [`Truncated`](DecodeErrorKind::Truncated) the length of the input.
    pub at: usize,
    /// The fault found there.
    pub kind: DecodeErrorKind,
}

/// A fault of bytes that do not encode a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends within the value.
    Truncated,
    /// The input continues after the value.
    TrailingBytes,
    /// The value was written by a later version of the format.
    UnknownVersion,
    /// The value is written in another way than its one form.
    NotCanonical,
    /// A counter, or an id that is a number, is beyond the range.
    OutOfRange,
    /// The bytes are not an id of the type asked for, such as text that is not UTF-8.
    InvalidId,
    /// Ids are not in increasing order.
    Unsorted,
    /// More entries than the reader was told to accept.
    TooManyEntries {
        /// The limit of the reader.
        limit: usize,
    },
    /// The delta is relative to another vector than the given base.
    WrongBase,
    /// A message depends on its own node.
    OwnDependency,
    /// The parts of a snapshot do not fit together.
    Contradiction,
    /// A snapshot holds more than the limits of the buffer allow.
    BeyondLimits,
    /// The bytes of a payload are not what the application writes.
    InvalidPayload,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.at)?;
        match self.kind {
            DecodeErrorKind::Truncated => f.write_str("the input ends within the value; pass all of it"),
            DecodeErrorKind::TrailingBytes => {
                f.write_str("the input continues after the value; cut it, or read value by value with a reader")
            }
            DecodeErrorKind::UnknownVersion => {
                f.write_str("written by a later version of the format; update this side")
            }
            DecodeErrorKind::NotCanonical => {
                f.write_str("not the one form of the value; distrust the sender or mend its encoder")
            }
            DecodeErrorKind::OutOfRange => {
                f.write_str("a counter or an id is beyond the range; distrust the sender or mend its encoder")
            }
            DecodeErrorKind::InvalidId => {
                f.write_str("not an id of this type; check that both sides use the same")
            }
            DecodeErrorKind::Unsorted => {
                f.write_str("ids are not in increasing order; distrust the sender or mend its encoder")
            }
            DecodeErrorKind::TooManyEntries { limit } => {
                write!(f, "more than {limit} entries; distrust the sender, or raise the reader's limit")
            }
            DecodeErrorKind::WrongBase => {
                f.write_str("the delta is relative to another vector; ask for the whole vector")
            }
            DecodeErrorKind::OwnDependency => {
                f.write_str("a message depends on its own node; distrust the sender or mend its encoder")
            }
            DecodeErrorKind::Contradiction => {
                f.write_str("the parts of the snapshot do not fit together; restore from another one")
            }
            DecodeErrorKind::BeyondLimits => f.write_str(
                "the snapshot holds more than the limits of the buffer allow; raise them, or restore from another one",
            ),
            DecodeErrorKind::InvalidPayload => {
                f.write_str("a payload is not what the application writes; restore from another snapshot")
            }
        }
    }
}

impl core::error::Error for DecodeError {}

/// The buffer is too small for the encoding.
///
/// Its content is unspecified; the value is unchanged. The caller chose the length: pass a buffer of
/// [`needed`](Self::needed) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferTooSmall {
    /// The length of the encoding.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the encoding takes {} bytes; pass a buffer of that length", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}
