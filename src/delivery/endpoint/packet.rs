//! What endpoints send each other, in bytes: see `FORMAT.md`.

use crate::codec::{
    Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, EncodeId, Reader, Writer, put_entries,
};
use crate::compat::Vec;
use crate::delivery::message::Message;
use crate::node::{DotRange, NodeId};
use crate::version::VersionVector;

const VERSION: u8 = 1;

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a, I> {
    /// The revision of the receiver's vector that the sender knows.
    pub(super) confirmed: u64,
    /// The revision of the sender's vector to which `news` is relative.
    pub(super) base: u64,
    /// The revision of the sender's vector.
    pub(super) revision: u64,
    /// What has changed between the two.
    pub(super) news: VersionVector<I>,
    /// Up to where the sender no longer has what the receiver has asked for.
    pub(super) forgotten: VersionVector<I>,
    /// What the sender asks for.
    pub(super) requests: Vec<DotRange<I>>,
    /// The messages, with their length in bytes.
    pub(super) messages: Vec<Message<I, &'a [u8]>>,
}

/// Returns how many bytes a message takes in a packet, without the number that says so.
pub(super) fn message_len<I: EncodeId>(header: &Message<I, ()>, payload: &[u8]) -> usize {
    let mut writer = Writer::fixed(&mut []);
    header.encode_header(&mut writer);
    writer.len().saturating_add(payload.len())
}

/// Returns a message as it stands in a packet, without its length.
pub(super) fn encode_message<I: EncodeId>(message: &Message<I, Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.payload().len() + 16);
    message.encode_header(&mut Writer::growing(&mut bytes));
    bytes.extend_from_slice(message.payload());
    bytes
}

/// Writes everything but the messages.
pub(super) fn put_head<'a, I: EncodeId + 'a>(
    [confirmed, base, revision]: [u64; 3],
    news: &[(&'a I, u64)],
    forgotten: &VersionVector<I>,
    requests: &[DotRange<I>],
    out: &mut Writer<'_>,
) {
    out.put(&[VERSION]);
    out.put_number(confirmed);
    out.put_number(base);
    out.put_number(revision.saturating_sub(base));
    if revision > base {
        put_entries(news.len(), news.iter().copied(), out);
    }
    forgotten.encode(out);
    out.put_number(requests.len() as u64);
    for range in requests {
        range.encode(out);
    }
}

/// Writes a message that [`encode_message`] has made, behind its length.
pub(super) fn put_message(message: &[u8], out: &mut Writer<'_>) {
    out.put_number(message.len() as u64);
    out.put(message);
}

/// Reads what [`put_message`] has written; also returns the bytes that it was given.
pub(super) fn take_message<'a, I: DecodeId>(
    reader: &mut Reader<'a>,
) -> Result<(Message<I, &'a [u8]>, &'a [u8]), DecodeError> {
    let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
    let start = reader.at();
    let bytes = reader.take(len)?;
    let mut message = Reader::with_limit(bytes, reader.limit());
    let header = Message::decode_header(&mut message);
    let header = header.map_err(|error| DecodeError { at: start + error.at, ..error })?;
    Ok((header.with_payload(message.rest()), bytes))
}

impl<'a, I: DecodeId> Packet<'a, I> {
    /// Reads a packet, no part of which has more than `limit` entries.
    pub(super) fn decode(bytes: &'a [u8], limit: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::with_limit(bytes, limit);
        if reader.take(1)? != [VERSION] {
            return reader.refuse(0, DecodeErrorKind::UnknownVersion);
        }
        let confirmed = reader.take_number()?;
        let base = reader.take_number()?;
        let at = reader.at();
        let grown = reader.take_number()?;
        let Some(revision) = base.checked_add(grown) else {
            return reader.refuse(at, DecodeErrorKind::OutOfRange);
        };
        let mut news = VersionVector::new();
        if grown > 0 {
            let at = reader.at();
            news = VersionVector::decode(&mut reader)?;
            if news.is_empty() {
                return reader.refuse(at, DecodeErrorKind::NotCanonical);
            }
        }
        let forgotten = VersionVector::decode(&mut reader)?;
        let requests = take_requests(&mut reader)?;
        let mut messages = Vec::new();
        while !reader.rest().is_empty() {
            messages.push(take_message(&mut reader)?.0);
        }
        Ok(Self { confirmed, base, revision, news, forgotten, requests, messages })
    }
}

fn take_requests<I: DecodeId>(reader: &mut Reader<'_>) -> Result<Vec<DotRange<I>>, DecodeError> {
    let at = reader.at();
    let count = reader.take_number()?;
    if count > reader.limit() as u64 {
        return reader.refuse(at, DecodeErrorKind::TooManyEntries { limit: reader.limit() });
    }
    let mut requests: Vec<DotRange<I>> = Vec::new();
    for _ in 0..count {
        let at = reader.at();
        let range = DotRange::decode(reader)?;
        if let Some(before) = requests.last() {
            check_order(before, &range).or_else(|kind| reader.refuse(at, kind))?;
        }
        requests.push(range);
    }
    Ok(requests)
}

/// Checks that a range comes after another one, and does not touch it.
fn check_order<I: NodeId>(before: &DotRange<I>, range: &DotRange<I>) -> Result<(), DecodeErrorKind> {
    if range.node() > before.node() {
        return Ok(());
    }
    if range.node() < before.node() || range.counters().start() <= before.counters().end() {
        Err(DecodeErrorKind::Unsorted)
    } else if range.counters().start() - 1 == *before.counters().end() {
        Err(DecodeErrorKind::NotCanonical)
    } else {
        Ok(())
    }
}
