//! The snapshot of a node: all that it saves, as one string of bytes, which is read as if it came from outside.
//!
//! ```text
//!   delivered | closed | own id, counter | frontier | how many are held | (header, length, payload) each
//! ```
//!
//! The form of each part is described in [`codec`](crate::codec). What is not saved: what was only named, which is
//! named again by its senders; which source brought what, since neighbours connect anew; the limits, which are the
//! owner's.
//!
//! Reading goes through [`CausalBuffer::advance_to`], [`close`](CausalBuffer::close) and
//! [`accept`](CausalBuffer::accept), with all their checks: the index is built anew, and there is no second way in.

use crate::codec::{Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, EncodeId, Reader, Writer};
use crate::codec::{put_entries, put_id, take_id};
use crate::compat::Vec;
use crate::delivery::buffer::CausalBuffer;
use crate::delivery::error::{AcceptErrorKind, Accepted, CloseError};
use crate::delivery::message::Message;
use crate::delivery::sender::CausalSender;
use crate::version::VersionVector;

/// Writes what a node must save to the end of `out`: what it has delivered and closed, what it holds, and its sender.
///
/// Store it in the transaction that stores the effects of what was delivered; see
/// [`CausalBuffer`](CausalBuffer#what-must-survive-a-restart). What `buffer` has delivered, and nothing else, must have
/// been [observed](CausalSender::observe) by `sender`: else the one that is read names too little, or is refused. O(n +
/// h d) for n nodes and h held messages with d dependencies.
///
/// # Examples
///
/// ```
/// use happens_before::{CausalBuffer, CausalSender, Dot, Message};
/// use happens_before::delivery::{decode_snapshot, encode_snapshot, BufferLimits};
///
/// let mut buffer = CausalBuffer::new(BufferLimits::default());
/// let mut sender = CausalSender::new(1_u64);
/// for counter in [1, 3] {
///     buffer.accept(Message::new(Dot::new(2_u64, counter).unwrap(), [], b"payload".to_vec())?)?;
/// }
/// sender.observe(&buffer.pop().unwrap());
///
/// let mut bytes = Vec::new();
/// encode_snapshot(&buffer, &sender, &mut bytes);
///
/// let empty = CausalBuffer::<u64, Vec<u8>>::new(BufferLimits::default());
/// let (buffer, sender) = decode_snapshot(&bytes, empty, |payload| Some(payload.to_vec()))?;
/// assert_eq!(buffer.delivered_up_to(&2), 1);
/// assert_eq!(buffer.undelivered().count(), 1);
/// assert_eq!(sender.frontier().get(&2), 1);
///
/// let empty = CausalBuffer::<u64, Vec<u8>>::new(BufferLimits::default());
/// assert!(decode_snapshot(&bytes[..9], empty, |payload| Some(payload.to_vec())).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_snapshot<I: EncodeId, P: AsRef<[u8]>>(
    buffer: &CausalBuffer<I, P>,
    sender: &CausalSender<I>,
    out: &mut Vec<u8>,
) {
    let mut out = Writer::growing(out);
    buffer.delivered().encode(&mut out);
    // As a counter, which cannot be 0; `last` is below the highest number.
    let closed: Vec<_> = buffer.closed().map(|(node, last)| (node, last + 1)).collect();
    put_entries(closed.len(), closed.iter().copied(), &mut out);
    put_id(sender.node(), &mut out);
    out.put_number(sender.counter().max(buffer.delivered_up_to(sender.node())));
    sender.frontier().encode(&mut out);
    out.put_number(buffer.len() as u64);
    for message in buffer.undelivered() {
        let payload = message.payload().as_ref();
        message.encode_header(&mut out);
        out.put_number(payload.len() as u64);
        out.put(payload);
    }
}

/// Reads what [`encode_snapshot`] writes into an empty buffer, which has the limits; `payload` makes payloads of their
/// bytes, or refuses them with `None`.
///
/// Memory follows the bytes that are there, up to the limits of the buffer. With the limits that the saved buffer had,
/// or wider ones, what it wrote is never refused.
///
/// # Errors
///
/// [`DecodeError`]. [`Contradiction`](DecodeErrorKind::Contradiction) if the parts do not fit together: a message held
/// that is delivered or closed, a node delivered beyond where it is closed, own messages delivered beyond the own
/// counter, a frontier of what is not delivered. [`BeyondLimits`](DecodeErrorKind::BeyondLimits) if the buffer's limits
/// are narrower than what was saved. [`InvalidPayload`](DecodeErrorKind::InvalidPayload) if `payload` says so.
pub fn decode_snapshot<I: DecodeId, P: PartialEq>(
    bytes: &[u8],
    empty: CausalBuffer<I, P>,
    mut payload: impl FnMut(&[u8]) -> Option<P>,
) -> Result<(CausalBuffer<I, P>, CausalSender<I>), DecodeError> {
    let mut buffer = empty;
    // No part has more entries than there may be nodes, and of the messages only one is here that the buffer has not.
    let nodes = buffer.limits.nodes;
    let mut reader = Reader::with_limit(bytes, nodes);

    let delivered = reader.part(nodes, VersionVector::decode)?;
    if buffer.advance_to(&delivered).is_err() {
        return reader.refuse(0, DecodeErrorKind::BeyondLimits);
    }

    let at = reader.at();
    for (node, last) in &reader.part(nodes, VersionVector::<I>::decode)? {
        match buffer.close(node, last - 1) {
            Ok(_) => {} // nothing is held yet, so nothing is doomed
            Err(CloseError::Delivered { .. }) => return reader.refuse(at, DecodeErrorKind::Contradiction),
            Err(CloseError::TooManyNodes { .. }) => return reader.refuse(at, DecodeErrorKind::BeyondLimits),
        }
    }

    let node: I = take_id(&mut reader)?;
    let at = reader.at();
    let counter = reader.take_number()?;
    if counter < delivered.get(&node) {
        return reader.refuse(at, DecodeErrorKind::Contradiction);
    }
    let at = reader.at();
    let frontier = reader.part(nodes, VersionVector::decode)?;
    if frontier.get(&node) > 0 {
        return reader.refuse(at, DecodeErrorKind::OwnDependency);
    }
    if frontier.difference(&delivered).next().is_some() {
        return reader.refuse(at, DecodeErrorKind::Contradiction);
    }

    let mut before = None;
    for _ in 0..reader.take_number()? {
        let at = reader.at();
        let header = reader.part(nodes, Message::<I, ()>::decode_header)?;
        // A length that is no `usize` is more than there is.
        let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
        let payload_at = reader.at();
        let Some(payload) = payload(reader.take(len)?) else {
            return reader.refuse(payload_at, DecodeErrorKind::InvalidPayload);
        };
        let message = header.with_payload(payload);
        let dot = message.dot().clone();
        if before.is_some_and(|before| before >= dot) {
            return reader.refuse(at, DecodeErrorKind::Unsorted);
        }
        before = Some(dot);
        match buffer.accept(message).map_err(|refused| refused.kind) {
            Ok(Accepted::Ready | Accepted::Held) => {}
            Ok(Accepted::Duplicate) | Err(AcceptErrorKind::Closed { .. } | AcceptErrorKind::Equivocation) => {
                return reader.refuse(at, DecodeErrorKind::Contradiction);
            }
            Err(_) => return reader.refuse(at, DecodeErrorKind::BeyondLimits),
        }
    }
    reader.finish()?;
    let sender = CausalSender::resume(node, counter, frontier).with_dependencies(buffer.limits.dependencies);
    Ok((buffer, sender))
}
