//! Messages as the bytes in which they travel.
//!
//! A frame is made once: by the author when the message is broadcast, or from the bytes of a packet when it is
//! accepted. Then it moves from the buffer into the retransmission log. From there it is copied into packets and
//! snapshots.
//!
//! ```text
//!   | header: dependencies, dot | payload |
//! ```

use crate::codec::{EncodeId, Writer};
use crate::compat::{Box, Vec};
use crate::delivery::message::Message;

/// The header and the payload of a message, end to end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    bytes: Box<[u8]>,
    header_len: usize,
}

impl Frame {
    /// Encodes the header of a message alone: what is refused for its length costs no copy of it.
    pub(super) fn encode_header<I: EncodeId>(header: &Message<I, ()>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16); // most headers are shorter
        header.encode_header(&mut Writer::growing(&mut bytes));
        bytes
    }

    /// Makes a frame from an encoded header and a payload.
    pub(super) fn new(header: &[u8], payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(header.len().saturating_add(payload.len()));
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(payload);
        Self { bytes: bytes.into_boxed_slice(), header_len: header.len() }
    }

    /// Copies a frame from a packet. Its payload is the last `payload_len` bytes.
    pub(super) fn copied(bytes: &[u8], payload_len: usize) -> Self {
        Self { bytes: bytes.into(), header_len: bytes.len().saturating_sub(payload_len) }
    }

    /// Returns header and payload.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the payload.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}
