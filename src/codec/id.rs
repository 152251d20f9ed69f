//! The encoding of node ids.

use super::bytes::{Reader, Writer};
use super::error::{DecodeError, DecodeErrorKind};
#[cfg(feature = "alloc")]
use crate::compat::{String, Vec};
use crate::node::NodeId;

/// A node id that the format can write.
///
/// Implemented for `u8` to `u128`, `[u8; N]`, byte strings and text. For your own type, choose one of the
/// [forms](Form):
///
/// ```
/// use happens_before::{codec, Dot};
/// use happens_before::codec::{DecodeId, EncodeId};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
/// struct Device(u32);
///
/// impl EncodeId for Device {
///     type Form = u64;
///     fn to_form(&self) -> u64 {
///         self.0.into()
///     }
/// }
///
/// impl DecodeId for Device {
///     fn from_form(form: u64) -> Option<Self> {
///         u32::try_from(form).ok().map(Self)
///     }
/// }
///
/// let dot = Dot::new(Device(7), 3).unwrap();
/// let mut packet = [0; 8];
/// let len = codec::encode_to_slice(&dot, &mut packet)?;
/// assert_eq!(codec::decode(&packet[..len]), Ok(dot));
/// # Ok::<(), codec::BufferTooSmall>(())
/// ```
pub trait EncodeId: NodeId {
    /// The form of the id in bytes: `u64`, `u128`, `[u8; N]` or `Vec<u8>`.
    type Form: Form;

    /// Returns the form of this id. Different ids must have different forms, **in the same order**.
    fn to_form(&self) -> <Self::Form as Form>::Ref<'_>;
}

/// A node id that the format can read.
pub trait DecodeId: EncodeId {
    /// Returns the id of this form; `None` if no id has it.
    ///
    /// It must be the inverse of [`to_form`](EncodeId::to_form): the form of the returned id is `form`.
    fn from_form(form: Self::Form) -> Option<Self>;
}

/// A form of ids in the format: `u64`, `u128`, `[u8; N]` or, with `alloc`, `Vec<u8>`.
///
/// Numbers are written as distances from the id before: the more ids there are, the shorter each one is. The trait is
/// sealed, since the forms are part of the format.
pub trait Form: Clone + sealed::Sealed {
    /// The type in which the form is passed for writing.
    type Ref<'a>: Copy;

    /// The number of columns in which the distances are written; 0 if each id is written in full.
    #[doc(hidden)]
    const COLUMNS: usize;

    /// Writes an id in full.
    #[doc(hidden)]
    fn put(form: Self::Ref<'_>, out: &mut Writer<'_>);

    /// Reads an id written in full.
    #[doc(hidden)]
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Returns the bytes of an id that is written in full, without its length.
    #[doc(hidden)]
    fn bytes<'b>(_form: &'b Self::Ref<'_>) -> &'b [u8] {
        &[]
    }

    /// Returns an integer id as numbers; the last [`COLUMNS`](Self::COLUMNS) of them are written.
    #[doc(hidden)]
    fn numbers(_form: Self::Ref<'_>) -> [u64; 2] {
        [0; 2]
    }

    /// Returns the number of ids that lie between two, the upper half first.
    #[doc(hidden)]
    fn gap(_before: Self::Ref<'_>, _form: Self::Ref<'_>) -> [u64; 2] {
        [0; 2]
    }

    /// Returns the id that follows after this number of ids in between; `None` beyond the range.
    #[doc(hidden)]
    fn after(_before: &Self, _gap: [u64; 2]) -> Option<Self> {
        None
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for u64 {}
    impl Sealed for u128 {}
    impl<const N: usize> Sealed for [u8; N] {}
    #[cfg(feature = "alloc")]
    impl Sealed for crate::compat::Vec<u8> {}
}

impl Form for u64 {
    type Ref<'a> = Self;

    const COLUMNS: usize = 1;

    fn put(form: Self, out: &mut Writer<'_>) {
        out.put_number(form);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.take_number()
    }

    fn numbers(form: Self) -> [u64; 2] {
        [0, form]
    }

    fn gap(before: Self, form: Self) -> [u64; 2] {
        // Ids come in increasing order. A wrong `to_form` may change the order, but this must not panic.
        [0, form.wrapping_sub(before).wrapping_sub(1)]
    }

    fn after(before: &Self, gap: [u64; 2]) -> Option<Self> {
        before.checked_add(gap[1])?.checked_add(1)
    }
}

/// The upper and the lower half.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is asked for")]
const fn halves(wide: u128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

/// The number with this upper and this lower half.
pub(super) fn whole(halves: [u64; 2]) -> u128 {
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}

impl Form for u128 {
    type Ref<'a> = Self;

    const COLUMNS: usize = 2;

    fn put(form: Self, out: &mut Writer<'_>) {
        for half in halves(form) {
            out.put_number(half);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(whole([reader.take_number()?, reader.take_number()?]))
    }

    fn numbers(form: Self) -> [u64; 2] {
        halves(form)
    }

    fn gap(before: Self, form: Self) -> [u64; 2] {
        halves(form.wrapping_sub(before).wrapping_sub(1))
    }

    fn after(before: &Self, gap: [u64; 2]) -> Option<Self> {
        before.checked_add(whole(gap))?.checked_add(1)
    }
}

impl<const N: usize> Form for [u8; N] {
    type Ref<'a> = &'a Self;

    const COLUMNS: usize = 0;

    fn put(form: &Self, out: &mut Writer<'_>) {
        out.put(form);
    }

    fn bytes<'b>(form: &'b &Self) -> &'b [u8] {
        *form
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.at();
        match Self::try_from(reader.take(N)?) {
            Ok(form) => Ok(form),
            Err(_) => reader.refuse(start, DecodeErrorKind::InvalidId),
        }
    }
}

#[cfg(feature = "alloc")]
impl Form for Vec<u8> {
    type Ref<'a> = &'a [u8];

    const COLUMNS: usize = 0;

    fn put(form: &[u8], out: &mut Writer<'_>) {
        out.put_number(form.len() as u64);
        out.put(form);
    }

    fn bytes<'b>(form: &'b &[u8]) -> &'b [u8] {
        form
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // A length that does not fit a `usize` is more than the input has.
        let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
        reader.take(len).map(Self::from)
    }
}

macro_rules! narrow {
    ($($id:ty),+) => { $(
        impl EncodeId for $id {
            type Form = u64;

            fn to_form(&self) -> u64 {
                u64::from(*self)
            }
        }

        impl DecodeId for $id {
            fn from_form(form: u64) -> Option<Self> {
                Self::try_from(form).ok()
            }
        }
    )+ };
}

narrow!(u8, u16, u32, u64);

impl EncodeId for u128 {
    type Form = Self;

    fn to_form(&self) -> Self {
        *self
    }
}

impl DecodeId for u128 {
    fn from_form(form: Self) -> Option<Self> {
        Some(form)
    }
}

impl<const N: usize> EncodeId for [u8; N] {
    type Form = Self;

    fn to_form(&self) -> &Self {
        self
    }
}

impl<const N: usize> DecodeId for [u8; N] {
    fn from_form(form: Self) -> Option<Self> {
        Some(form)
    }
}

#[cfg(feature = "alloc")]
mod growing {
    use super::{DecodeId, EncodeId, String, Vec};

    impl EncodeId for Vec<u8> {
        type Form = Self;

        fn to_form(&self) -> &[u8] {
            self
        }
    }

    impl DecodeId for Vec<u8> {
        fn from_form(form: Self) -> Option<Self> {
            Some(form)
        }
    }

    impl EncodeId for &[u8] {
        type Form = Vec<u8>;

        fn to_form(&self) -> &[u8] {
            self
        }
    }

    impl EncodeId for &str {
        type Form = Vec<u8>;

        fn to_form(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    impl EncodeId for String {
        type Form = Vec<u8>;

        fn to_form(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    impl DecodeId for String {
        fn from_form(form: Vec<u8>) -> Option<Self> {
            Self::from_utf8(form).ok()
        }
    }
}

/// Reads an id written in full.
pub(crate) fn take_id<I: DecodeId>(reader: &mut Reader<'_>) -> Result<I, DecodeError> {
    let start = reader.at();
    let form = I::Form::take(reader)?;
    match I::from_form(form) {
        Some(id) => Ok(id),
        None => reader.refuse(start, DecodeErrorKind::InvalidId),
    }
}
