//! Text that is read back as it was written, and ids that have such a text.

use core::fmt::{self, Write};
#[cfg(feature = "alloc")]
use core::iter;
use core::str::{self, FromStr};

use super::InvalidText;
#[cfg(feature = "alloc")]
use crate::compat::Vec;

/// Reads a value whose text is exactly `text`. `read` may accept other texts too.
pub(crate) fn read<T: fmt::Display>(
    text: &str,
    form: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, InvalidText> {
    read(text).filter(|value| is_text_of(text, value)).ok_or(InvalidText { form })
}

/// Returns whether a value is written as this text. Does not allocate.
fn is_text_of(text: &str, value: &impl fmt::Display) -> bool {
    struct Rest<'a>(&'a str);

    impl Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// An id that is text wherever people or other programs read it: numbers in decimal, bytes in hexadecimal.
///
/// It has two uses:
///
/// - *JSON.* JavaScript reads numbers exactly only up to 2^53 - 1 = 9,007,199,254,740,991, and rounds the others
///   silently. So a random id of 64 bits arrives as another one. As a `TextId`, every id is a string in all formats of
///   serde.
/// - *Byte arrays.* A `[u8; 16]`, such as a UUID, cannot be displayed, and so neither can a [`Dot`](crate::Dot) or a
///   vector of such ids. As `TextId`s they can.
///
/// The order, and the bytes in the [codec](crate::codec), are those of the id itself. Ids are integers, `[u8; N]`, or
/// with `alloc` `Vec<u8>`.
///
/// # Examples
///
/// ```
/// use happens_before::Dot;
/// use happens_before::node::TextId;
///
/// let dot = Dot::new(TextId([0xAB, 0x01]), 3).unwrap();
/// assert_eq!(dot.to_string(), "(ab01, 3)");
/// assert_eq!("(ab01, 3)".parse(), Ok(dot));
/// assert!("(AB01, 3)".parse::<Dot<TextId<[u8; 2]>>>().is_err()); // each value has one text
/// assert_eq!("11400714819323198485".parse(), Ok(TextId(0x9E37_79B9_7F4A_7C15_u64)));
/// # #[cfg(all(feature = "serde", feature = "alloc"))] {
/// use happens_before::VersionVector;
///
/// let seen = VersionVector::from_iter([(TextId(0x9E37_79B9_7F4A_7C15_u64), 3)]);
/// assert_eq!(seen.to_string(), "{11400714819323198485: 3}");
/// let json = serde_json::to_string(&seen).unwrap();
/// assert_eq!(json, r#"[["11400714819323198485",3]]"#);
/// assert_eq!(serde_json::from_str::<VersionVector<TextId<u64>>>(&json).unwrap(), seen);
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId<I>(
    /// The id.
    pub I,
);

impl<I> From<I> for TextId<I> {
    fn from(id: I) -> Self {
        Self(id)
    }
}

/// The same as `Display`.
impl<I> fmt::Debug for TextId<I>
where
    Self: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! decimal {
    ($($id:ty),+) => { $(
        impl fmt::Display for TextId<$id> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for TextId<$id> {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                read(text, "a decimal number", |text| text.parse().ok().map(Self))
            }
        }
    )+ };
}

decimal!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads as many bytes as there is room for, two digits each.
fn read_hex(text: &str, bytes: &mut [u8]) -> Option<()> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !odd.is_empty() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(())
}

impl<const N: usize> fmt::Display for TextId<[u8; N]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl<const N: usize> FromStr for TextId<[u8; N]> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        read(text, "two hexadecimal digits for each byte, in lower case", |text| {
            let mut bytes = [0; N];
            read_hex(text, &mut bytes)?;
            Some(Self(bytes))
        })
    }
}

#[cfg(feature = "alloc")]
impl fmt::Display for TextId<Vec<u8>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

#[cfg(feature = "alloc")]
impl FromStr for TextId<Vec<u8>> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        read(text, "two hexadecimal digits for each byte, in lower case", |text| {
            let mut bytes: Vec<u8> = iter::repeat_n(0, text.len() / 2).collect();
            read_hex(text, &mut bytes)?;
            Some(Self(bytes))
        })
    }
}
