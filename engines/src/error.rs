//! The errors of the engines and of the coalesced counter, and the rule for names.

use core::fmt;

use happens_before::counter::NotAboveLast;

/// The last number, slot or epoch that engines keep: 2^63 - 1.
#[cfg(any(feature = "postgres", feature = "redb"))]
pub(crate) const MAX: u64 = i64::MAX as u64;

/// The reason why a request has no answer, and whether it was carried out. `E` is the engine's own error.
///
/// Only an answer says that a request was carried out, and at which position. After an error there are two cases:
///
/// | [`is_unknown`](Self::is_unknown) | carried out | next step |
/// |---|---|---|
/// | `false` | no, and never will be | none is needed to find out |
/// | `true` | yes, or no, or later | repeat it unchanged: the answer to a write, an append, a seal or a trim then tells the state; numbers of a counter may be spent, and no other caller gets them |
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError<E> {
    /// **Not done.** The engine refused, or was not reached. Repeat it later, or act on the engine's own error.
    NotDone(E),
    /// **Unknown** whether it is done, or still will be. Repeat it unchanged.
    Unknown(E),
    /// **Not done.** A slot, an epoch, or a requested count of numbers is above 2^63 - 1. Do not trust the number.
    OutOfRange {
        /// The number.
        number: u64,
    },
    /// **Not done.** The counter has too few numbers left up to 2^63 - 1, or the log has no slot left.
    Exhausted {
        /// The last number taken, or the last slot occupied.
        last: u64,
    },
    /// **Not done.** The row of the counter, or of the log, is gone from the database.
    Missing,
    /// **Not done.** A counter or a log cannot have that name.
    Name(NameError),
    /// **Not done.** The engine cannot store an entry of that length, so nothing was sent.
    ///
    /// A write only borrows its entry, so the caller still has it. A publisher returns it by
    /// [`abandon`](happens_before::Publisher::abandon). Store the long payload elsewhere, and publish where it is.
    EntryTooLong {
        /// The length of the stored entry in bytes; of an entry that was not encoded, that of its payloads.
        len: u64,
        /// The highest length that the engine stores, in bytes.
        max: u64,
    },
}

impl<E> EngineError<E> {
    /// Returns whether the request may have been carried out, or may be later. If not, it was not carried out, and
    /// never will be.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Converts a number to `i64`; refuses one above 2^63 - 1.
    #[cfg(any(feature = "postgres", feature = "redb"))]
    pub(crate) fn in_range(number: u64) -> Result<i64, Self> {
        i64::try_from(number).map_err(|_| Self::OutOfRange { number })
    }
}

impl<E: fmt::Display> fmt::Display for EngineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDone(error) => write!(f, "not done: {error}"),
            Self::Unknown(error) => write!(f, "unknown whether it is done; repeat it unchanged: {error}"),
            Self::OutOfRange { number } => {
                write!(f, "not done: {number} is above 2^63 - 1; do not trust it")
            }
            Self::Exhausted { last } => write!(f, "not done: too few numbers are left above {last}"),
            Self::Missing => write!(f, "not done: the counter or the log was removed from the database"),
            Self::Name(error) => write!(f, "not done: {error}"),
            Self::EntryTooLong { len, max } => write!(
                f,
                "not done: the entry has {len} bytes, and the engine stores at most {max}; \
                 store its payload elsewhere, and publish where it is"
            ),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EngineError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotDone(error) | Self::Unknown(error) => Some(error),
            Self::Name(error) => Some(error),
            Self::OutOfRange { .. } | Self::Exhausted { .. } | Self::Missing | Self::EntryTooLong { .. } => {
                None
            }
        }
    }
}

/// The reason why a counter or a log cannot have a name.
///
/// All engines have the same rule, so that a program can change its engine. A name has 1 to
/// [`MAX_LEN`](Self::MAX_LEN) bytes of UTF-8, and no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name is longer than [`MAX_LEN`](Self::MAX_LEN).
    TooLong {
        /// The beginning of the name, of at most that length.
        begin: Box<str>,
        /// The length of the name in bytes.
        len: usize,
    },
    /// The name has a control character, such as NUL or the end of a line.
    ControlCharacter {
        /// The name.
        name: Box<str>,
        /// The index of the byte at which the character begins.
        at: usize,
    },
}

impl NameError {
    /// The highest length of a name: 63 bytes, as of a name in PostgreSQL.
    pub const MAX_LEN: usize = 63;

    /// Checks a name.
    #[cfg(any(feature = "postgres", feature = "redb"))]
    pub(crate) fn check<E>(name: &str) -> Result<(), EngineError<E>> {
        let error = if name.is_empty() {
            Self::Empty
        } else if name.len() > Self::MAX_LEN {
            let end = (0..=Self::MAX_LEN).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
            Self::TooLong { begin: name.get(..end).unwrap_or_default().into(), len: name.len() }
        } else if let Some(at) = name.find(char::is_control) {
            Self::ControlCharacter { name: name.into(), at }
        } else {
            return Ok(());
        };
        Err(EngineError::Name(error))
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the name of a counter or a log is empty")?,
            Self::TooLong { begin, len } => {
                write!(f, "the name of a counter or a log that begins with {begin:?} has {len} bytes")?;
            }
            Self::ControlCharacter { name, at } => {
                write!(f, "the name {name:?} of a counter or a log has a control character at byte {at}")?;
            }
        }
        write!(f, "; give it 1 to {} bytes, without control characters", Self::MAX_LEN)
    }
}

impl core::error::Error for NameError {}

/// The reason why a shared counter gave no number. Numbers may be spent, but no other caller gets them: call again. `E`
/// is the error of the inner counter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoalescedError<E> {
    /// The counter failed at a request that this caller sent.
    Counter(E),
    /// The counter failed at a request that another caller had sent for this one too.
    Shared,
    /// The counter answered, but each time this thread woke up too late, and its numbers were given up. Give the thread
    /// more processor time.
    TooLate,
    /// The counter answered with numbers that are not above earlier ones: it has gone back. Stop using it.
    NotAboveLast(NotAboveLast),
}

impl<E: fmt::Display> fmt::Display for CoalescedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(error) => error.fmt(f),
            Self::Shared => f.write_str("the counter failed for all waiting callers; call again"),
            Self::TooLate => f.write_str("the thread woke up too late for its numbers each time; call again"),
            Self::NotAboveLast(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for CoalescedError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Counter(error) => Some(error),
            Self::NotAboveLast(error) => Some(error),
            Self::Shared | Self::TooLate => None,
        }
    }
}

#[cfg(all(test, any(feature = "postgres", feature = "redb")))]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<(), NameError> {
        NameError::check::<core::convert::Infallible>(name).map_err(|error| match error {
            EngineError::Name(error) => error,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_name_has_1_to_63_bytes_and_no_control_character() {
        for name in ["a", "hb order, epoch 3, 1", "\"'\\;--", "日本", &"x".repeat(63)] {
            assert_eq!(check(name), Ok(()));
        }
        assert_eq!(check(""), Err(NameError::Empty));
        for control in ["\0", "\n", "\u{7f}", "\u{85}"] {
            let name = format!("ab{control}c");
            assert_eq!(check(&name), Err(NameError::ControlCharacter { name: name.clone().into(), at: 2 }));
        }
        // The beginning ends between two characters.
        for (name, begin) in [("x".repeat(64), 63), ("é".repeat(32), 62), ("x".repeat(1 << 20), 63)] {
            let refused = check(&name).unwrap_err();
            assert_eq!(refused, NameError::TooLong { begin: name[..begin].into(), len: name.len() });
        }
    }

    #[test]
    fn the_error_says_which_name_and_what_is_allowed() {
        for (name, says) in [("", "is empty"), ("a\0b", "\"a\\0b\""), (&*"x".repeat(99), "\"xxxx")] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(error.ends_with("give it 1 to 63 bytes, without control characters"), "{error}");
        }
    }
}
