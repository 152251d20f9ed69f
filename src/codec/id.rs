//! The ids that the format can write and read.

use super::form::Form;
#[cfg(feature = "alloc")]
use crate::compat::{Box, Rc, String, Vec};
use crate::node::{NodeId, TextId};

/// A node id that the format can write.
///
/// | ids | form |
/// |---|---|
/// | `u8` to `u64`, `usize` | `u64` |
/// | `u128` | `u128` |
/// | `i8` to `i64`, `isize` | `i64` |
/// | `i128` | `i128` |
/// | `[u8; N]` | itself |
/// | `String`, `Box<str>`, `Rc<str>`, `Arc<str>`, `Vec<u8>`; to write only, `&str`, `&[u8]` | `Vec<u8>` |
/// | [`TextId`] of one of these | that of the id |
/// | pairs of these, such as an id and its incarnation | the pair of their forms |
///
/// Types of one form have the same bytes: a `u64` is read as `u32` if it fits, and a `usize` is the same on every
/// machine. A pair may hold another pair.
///
/// For your own type, choose one of the [forms](Form):
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
#[diagnostic::on_unimplemented(
    message = "the codec has no form for ids of type `{Self}`",
    label = "not an id that the codec can write",
    note = "it can write `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `[u8; N]`, `String`, `Box<str>`, `Rc<str>`, \
            `Arc<str>`, `Vec<u8>`, `&str`, `&[u8]`, `TextId` of these, and pairs of these",
    note = "for your own type, implement `EncodeId` and `DecodeId`, or use one of these types"
)]
pub trait EncodeId: NodeId {
    /// The form of the id in bytes.
    type Form: Form;

    /// Returns the form of this id. Different ids must have different forms, **in the same order**.
    fn to_form(&self) -> <Self::Form as Form>::Ref<'_>;
}

/// A node id that the format can read. Borrowed text can be written, but not read: use a `String` or an `Arc<str>`.
///
/// ```compile_fail,E0277
/// use happens_before::{Dot, codec};
///
/// let _ = codec::decode::<Dot<&str>>(b"\x01a\0");
/// ```
#[diagnostic::on_unimplemented(
    message = "the codec cannot read ids of type `{Self}`",
    label = "not an id that the codec can read",
    note = "it can read `u8` to `u128`, `i8` to `i128`, `usize`, `isize`, `[u8; N]`, `String`, `Box<str>`, `Rc<str>`, \
            `Arc<str>`, `Vec<u8>`, `TextId` of these, and pairs of these; `&str` and `&[u8]` can only be written",
    note = "for your own type, implement `EncodeId` and `DecodeId`, or use one of these types"
)]
pub trait DecodeId: EncodeId {
    /// Returns the id of this form; `None` if no id has it.
    ///
    /// It must be the inverse of [`to_form`](EncodeId::to_form): the form of the returned id is `form`.
    fn from_form(form: Self::Form) -> Option<Self>;
}

macro_rules! integers {
    ($($form:ty: $($id:ty)+;)+) => { $($(
        impl EncodeId for $id {
            type Form = $form;

            fn to_form(&self) -> $form {
                <$form>::from(*self)
            }
        }

        impl DecodeId for $id {
            fn from_form(form: $form) -> Option<Self> {
                Self::try_from(form).ok()
            }
        }
    )+)+ };
}

integers! {
    u64: u8 u16 u32 u64;
    u128: u128;
    i64: i8 i16 i32 i64;
    i128: i128;
}

macro_rules! words {
    ($($form:ty: $id:ty;)+) => { $(
        impl EncodeId for $id {
            type Form = $form;

            fn to_form(&self) -> $form {
                const { assert!(size_of::<$id>() <= size_of::<$form>()) }
                *self as $form
            }
        }

        /// An id that is larger than a word of this machine is refused.
        impl DecodeId for $id {
            fn from_form(form: $form) -> Option<Self> {
                Self::try_from(form).ok()
            }
        }
    )+ };
}

words! {
    u64: usize;
    i64: isize;
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

impl<A: EncodeId, B: EncodeId> EncodeId for (A, B) {
    type Form = (A::Form, B::Form);

    fn to_form(&self) -> <Self::Form as Form>::Ref<'_> {
        (self.0.to_form(), self.1.to_form())
    }
}

impl<A: DecodeId, B: DecodeId> DecodeId for (A, B) {
    fn from_form(form: Self::Form) -> Option<Self> {
        Some((A::from_form(form.0)?, B::from_form(form.1)?))
    }
}

impl<I: EncodeId> EncodeId for TextId<I> {
    type Form = I::Form;

    fn to_form(&self) -> <Self::Form as Form>::Ref<'_> {
        self.0.to_form()
    }
}

impl<I: DecodeId> DecodeId for TextId<I> {
    fn from_form(form: Self::Form) -> Option<Self> {
        I::from_form(form).map(Self)
    }
}

#[cfg(feature = "alloc")]
impl EncodeId for Vec<u8> {
    type Form = Self;

    fn to_form(&self) -> &[u8] {
        self
    }
}

#[cfg(feature = "alloc")]
impl DecodeId for Vec<u8> {
    fn from_form(form: Self) -> Option<Self> {
        Some(form)
    }
}

#[cfg(feature = "alloc")]
impl EncodeId for &[u8] {
    type Form = Vec<u8>;

    fn to_form(&self) -> &[u8] {
        self
    }
}

#[cfg(feature = "alloc")]
impl EncodeId for &str {
    type Form = Vec<u8>;

    fn to_form(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(feature = "alloc")]
macro_rules! text {
    ($($id:ty),+) => { $(
        impl EncodeId for $id {
            type Form = Vec<u8>;

            fn to_form(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl DecodeId for $id {
            fn from_form(form: Vec<u8>) -> Option<Self> {
                String::from_utf8(form).ok().map(Self::from)
            }
        }
    )+ };
}

#[cfg(feature = "alloc")]
text!(String, Box<str>, Rc<str>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
text!(crate::compat::Arc<str>);
