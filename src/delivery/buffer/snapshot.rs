//! The snapshot of a node: all that it saves, as bytes. They are checked like input from outside.
//!
//! ```text
//!   delivered | closed | own id, counter | frontier | how many are held | (header, length, payload) each
//! ```
//!
//! The module [`codec`](crate::codec) describes the form of each part. These are not saved:
//!
//! - counters that were only named, because senders name them again;
//! - the sources of messages, because neighbours connect anew;
//! - the limits, which the owner sets.
//!
//! Reading goes through [`CausalBuffer::advance_to`], [`close`](CausalBuffer::close) and
//! [`accept`](CausalBuffer::accept), with all their checks. They build the index anew, so there is no second way in.

use crate::codec::{
    Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, EncodeId, Reader, Writer, put_entries,
};
use crate::compat::Vec;
use crate::delivery::buffer::CausalBuffer;
use crate::delivery::error::{AcceptErrorKind, Accepted, CloseError};
use crate::delivery::message::Message;
use crate::delivery::sender::CausalSender;
use crate::version::VersionVector;

/// Appends to `out` the state that a node must save: the vectors of delivered and closed messages, the held messages,
/// and the sender.
///
/// Store it in the transaction that stores the effects of the delivered messages: see
/// [`CausalBuffer`](CausalBuffer#state-that-must-survive-a-restart). `sender` must have [observed](CausalSender::observe)
/// exactly the messages that `buffer` has delivered. Otherwise the sender that is read names too little, or the
/// snapshot is refused. O(n + h d) for n nodes and h held messages with d dependencies.
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
    // Written as a counter, which cannot be 0. No overflow: `last` is below the highest number.
    let closed: Vec<_> = buffer.closed().map(|(node, last)| (node, last + 1)).collect();
    put_entries(closed.len(), closed.iter().copied(), &mut out);
    sender.node().encode(&mut out);
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

/// Reads a snapshot written by [`encode_snapshot`] into an empty buffer, which brings the limits. `payload` makes a
/// payload from its bytes, or refuses it with `None`.
///
/// Memory is proportional to the length of the input, up to the limits of the buffer. A snapshot is never refused by a
/// buffer with the limits of the saved one, or wider ones.
///
/// # Errors
///
/// [`DecodeError`], with one of these kinds, or that of a part that cannot be read:
///
/// - [`Contradiction`](DecodeErrorKind::Contradiction) if the parts contradict each other. A held message is delivered
///   or closed, or a node is delivered beyond its closing number. Or own messages are delivered beyond the own counter,
///   or the frontier is not delivered.
/// - [`BeyondLimits`](DecodeErrorKind::BeyondLimits) if the buffer's limits are narrower than the saved state.
/// - [`InvalidPayload`](DecodeErrorKind::InvalidPayload) if `payload` returns `None`.
pub fn decode_snapshot<I: DecodeId, P: PartialEq>(
    bytes: &[u8],
    empty: CausalBuffer<I, P>,
    mut payload: impl FnMut(&[u8]) -> Option<P>,
) -> Result<(CausalBuffer<I, P>, CausalSender<I>), DecodeError> {
    let mut buffer = empty;
    // No part has more entries than there may be nodes. At most one message is in memory and not yet in the buffer.
    let nodes = buffer.limits.nodes;
    let mut reader = Reader::with_limit(bytes, nodes);

    let delivered = reader.part(nodes, VersionVector::decode)?;
    if buffer.advance_to(&delivered).is_err() {
        return reader.refuse(0, DecodeErrorKind::BeyondLimits);
    }

    let at = reader.at();
    for (node, last) in &reader.part(nodes, VersionVector::<I>::decode)? {
        match buffer.close(node, last - 1) {
            Ok(_) => {} // no message is held yet, so none is doomed
            Err(CloseError::Delivered { .. }) => return reader.refuse(at, DecodeErrorKind::Contradiction),
            Err(CloseError::TooManyNodes { .. }) => return reader.refuse(at, DecodeErrorKind::BeyondLimits),
        }
    }

    let node = I::decode(&mut reader)?;
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
        // A length that is no `usize` is longer than the input.
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
