//! The entry that is delivered in part.

use core::iter::Enumerate;

use crate::compat::vec;
use crate::node::Dot;

/// An entry of several messages, in the slot passed last, with some messages still to be delivered.
#[derive(Debug)]
pub(super) struct Begun<I, P> {
    /// The id of the first message.
    pub(super) first: Dot<I>,
    pub(super) payloads: Enumerate<vec::IntoIter<P>>,
}
