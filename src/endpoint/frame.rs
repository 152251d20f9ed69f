//! One message as the bytes in which it travels.
//!
//! A frame is made once: by its author, when it is broadcast, or from the bytes of a packet, when it is accepted. Then it
//! moves, from the buffer into the retransmission log, and from there it is copied into packets and snapshots.
//!
//! ```text
//!   | header: dependencies, dot | payload |
//! ```

use crate::codec::{EncodeId, Writer};
use crate::compat::{Box, Vec};
use crate::delivery::message::Message;

/// The header and the payload of a message, end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: Box<[u8]>,
    header_len: usize,
}

impl Frame {
    /// Copies a frame out of a packet; its payload is the last `payload_len` bytes.
    pub(super) fn copied(bytes: &[u8], payload_len: usize) -> Self {
        Self { bytes: bytes.into(), header_len: bytes.len().saturating_sub(payload_len) }
    }

    /// Returns all of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the payload alone.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}

/// A frame whose payload is still to be copied: its length is known before.
pub(super) struct Draft<'a> {
    header: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Draft<'a> {
    /// Encodes the header of a message.
    pub(super) fn new<I: EncodeId>(header: &Message<I, ()>, payload: &'a [u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len().saturating_add(16));
        header.encode_header(&mut Writer::growing(&mut bytes));
        Self { header: bytes, payload }
    }

    /// Returns how many bytes the frame will have.
    pub(super) fn len(&self) -> usize {
        self.header.len().saturating_add(self.payload.len())
    }

    /// Adds the payload.
    pub(super) fn finish(self) -> Frame {
        let (header_len, mut bytes) = (self.header.len(), self.header);
        bytes.extend_from_slice(self.payload);
        Frame { bytes: bytes.into_boxed_slice(), header_len }
    }
}
