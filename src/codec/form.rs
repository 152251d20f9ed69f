//! The forms of ids in bytes.

use super::bytes::{Reader, Writer};
use super::error::{DecodeError, DecodeErrorKind};
#[cfg(feature = "alloc")]
use crate::compat::Vec;

/// A form of ids in the format: `u64`, `u128`, `i64`, `i128`, `[u8; N]`, with `alloc` also `Vec<u8>`, or a pair of
/// forms.
///
/// Integers are written as distances from the id before: the more ids there are, the shorter each one is. The other
/// forms are written in full. The trait is sealed, since the forms are part of the format.
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

    /// Visits the words of an id, for its digest.
    #[doc(hidden)]
    fn words(form: Self::Ref<'_>, each: &mut impl FnMut(u64));

    /// Visits the numbers that name this form, for those who store ids of a type that is known only there. No such name
    /// is the beginning of another.
    #[doc(hidden)]
    fn name(each: &mut impl FnMut(u64));

    /// Returns an integer id as the numbers of its form in full; the last [`COLUMNS`](Self::COLUMNS) of them are used.
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
    impl Sealed for i64 {}
    impl Sealed for i128 {}
    impl<const N: usize> Sealed for [u8; N] {}
    #[cfg(feature = "alloc")]
    impl Sealed for crate::compat::Vec<u8> {}
    impl<A: Sealed, B: Sealed> Sealed for (A, B) {}
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

    fn words(form: Self, each: &mut impl FnMut(u64)) {
        each(form);
    }

    fn name(each: &mut impl FnMut(u64)) {
        each(1);
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

    fn words(form: Self, each: &mut impl FnMut(u64)) {
        halves(form).into_iter().for_each(each);
    }

    fn name(each: &mut impl FnMut(u64)) {
        each(2);
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

macro_rules! signed {
    ($($signed:ty as $unsigned:ty, $name:literal;)+) => { $(
        /// Written as the unsigned number that puts 0, -1, 1, -2, 2, ... in this order, so that those near 0 are short.
        impl Form for $signed {
            type Ref<'a> = Self;

            const COLUMNS: usize = <$unsigned>::COLUMNS;

            fn put(form: Self, out: &mut Writer<'_>) {
                Self::numbers(form)[2 - Self::COLUMNS..].iter().for_each(|&number| out.put_number(number));
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let number = <$unsigned>::take(reader)?;
                Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }

            fn numbers(form: Self) -> [u64; 2] {
                <$unsigned>::numbers(((form << 1) ^ (form >> (Self::BITS - 1))).cast_unsigned())
            }

            fn words(form: Self, each: &mut impl FnMut(u64)) {
                <$unsigned>::words(form.cast_unsigned(), each);
            }

            fn name(each: &mut impl FnMut(u64)) {
                each(0);
                each($name);
            }

            fn gap(before: Self, form: Self) -> [u64; 2] {
                <$unsigned>::gap(before.cast_unsigned(), form.cast_unsigned())
            }

            fn after(before: &Self, gap: [u64; 2]) -> Option<Self> {
                let gap = <$unsigned>::try_from(whole(gap)).ok()?;
                before.checked_add_unsigned(gap)?.checked_add(1)
            }
        }
    )+ };
}

signed! {
    i64 as u64, 1;
    i128 as u128, 2;
}

/// Visits the words of a byte string: 8 bytes each, the lowest first; then those that are left, and the length.
fn words_of_bytes(bytes: &[u8], each: &mut impl FnMut(u64)) {
    let (words, rest) = bytes.as_chunks();
    words.iter().for_each(|word| each(u64::from_le_bytes(*word)));
    each(rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    each(bytes.len() as u64);
}

impl<const N: usize> Form for [u8; N] {
    type Ref<'a> = &'a Self;

    const COLUMNS: usize = 0;

    fn put(form: &Self, out: &mut Writer<'_>) {
        out.put(form);
    }

    fn words(form: &Self, each: &mut impl FnMut(u64)) {
        words_of_bytes(form, each);
    }

    fn name(each: &mut impl FnMut(u64)) {
        each(4 + N as u64);
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

    fn words(form: &[u8], each: &mut impl FnMut(u64)) {
        words_of_bytes(form, each);
    }

    fn name(each: &mut impl FnMut(u64)) {
        each(3);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // A length that does not fit a `usize` is more than the input has.
        let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
        reader.take(len).map(Self::from)
    }
}

/// Both forms, one after the other.
impl<A: Form, B: Form> Form for (A, B) {
    type Ref<'a> = (A::Ref<'a>, B::Ref<'a>);

    const COLUMNS: usize = 0;

    fn put(form: Self::Ref<'_>, out: &mut Writer<'_>) {
        A::put(form.0, out);
        B::put(form.1, out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::take(reader)?, B::take(reader)?))
    }

    fn words(form: Self::Ref<'_>, each: &mut impl FnMut(u64)) {
        A::words(form.0, each);
        B::words(form.1, each);
    }

    fn name(each: &mut impl FnMut(u64)) {
        each(0);
        each(3);
        A::name(each);
        B::name(each);
    }
}
