//! The packets that endpoints send each other, in bytes: see `FORMAT.md`.

use core::marker::PhantomData;

use crate::codec::{
    Decode, DecodeError, DecodeErrorKind, DecodeId, Encode, EncodeId, Reader, Writer, put_entries,
};
use crate::compat::Vec;
use crate::delivery::message::Message;
use crate::node::{DotRange, NodeId};
use crate::version::VersionVector;

use super::frame::Frame;

const VERSION: u8 = 1;

/// The largest number of ranges in the requests of one packet, and in the waiting requests of one member.
pub(super) const MAX_RANGES: usize = 64;

/// A message that was read, and the bytes of its frame.
pub(super) type Taken<'a, I> = (Message<I, &'a [u8]>, &'a [u8]);

/// The content of a packet.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(super) struct Packet<'a, I> {
    /// The revision of the receiver's vector that the sender knows.
    pub(super) confirmed: u64,
    /// The revision of the sender's vector to which `news` is relative.
    pub(super) base: u64,
    /// The revision of the sender's vector.
    pub(super) revision: u64,
    /// The changes between `base` and `revision`.
    pub(super) news: VersionVector<I>,
    /// The counters up to which the sender no longer has the messages that the receiver has requested.
    pub(super) forgotten: VersionVector<I>,
    /// The ranges that the sender requests.
    pub(super) requests: Vec<DotRange<I>>,
    /// The messages in the packet.
    pub(super) messages: Messages<'a, I>,
}

/// Messages that were checked, up to the end of the input. They are read again one by one, so only one at a time takes
/// memory: dependencies may take far more memory than bytes in the packet.
#[derive(Clone, Debug)]
pub(super) struct Messages<'a, I> {
    reader: Reader<'a>,
    ids: PhantomData<fn() -> I>,
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

/// Writes a message, after its length.
pub(super) fn put_message(frame: &Frame, out: &mut Writer<'_>) {
    out.put_number(frame.bytes().len() as u64);
    out.put(frame.bytes());
}

impl<'a, I: DecodeId> Messages<'a, I> {
    /// Checks all that is left to read.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let messages = Self { reader: reader.clone(), ids: PhantomData };
        while !reader.rest().is_empty() {
            take_message::<I>(reader)?;
        }
        Ok(messages)
    }
}

impl<'a, I: DecodeId> Iterator for Messages<'a, I> {
    type Item = Taken<'a, I>;

    fn next(&mut self) -> Option<Self::Item> {
        // The messages were read before, without an error.
        take_message(&mut self.reader).ok()
    }
}

/// Reads a message written by [`put_message`], within the limit of the reader.
fn take_message<'a, I: DecodeId>(reader: &mut Reader<'a>) -> Result<Taken<'a, I>, DecodeError> {
    let len = usize::try_from(reader.take_number()?).unwrap_or(usize::MAX);
    let start = reader.at();
    let bytes = reader.take(len)?;
    let mut message = Reader::with_limit(bytes, reader.limit());
    let header = Message::decode_header(&mut message);
    let header = header.map_err(|error| DecodeError { at: start + error.at, ..error })?;
    Ok((header.with_payload(message.rest()), bytes))
}

impl<'a, I: DecodeId> Packet<'a, I> {
    /// Reads a packet. Each part and each message may have at most `limit` entries.
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
            news = reader.part(limit, VersionVector::decode)?;
            if news.is_empty() {
                return reader.refuse(at, DecodeErrorKind::NotCanonical);
            }
        }
        let forgotten = reader.part(limit, VersionVector::decode)?;
        let requests = take_requests(&mut reader)?;
        let messages = Messages::decode(&mut reader)?;
        Ok(Self { confirmed, base, revision, news, forgotten, requests, messages })
    }
}

fn take_requests<I: DecodeId>(reader: &mut Reader<'_>) -> Result<Vec<DotRange<I>>, DecodeError> {
    let at = reader.at();
    let count = reader.take_number()?;
    // Ranges are gaps: their number has nothing to do with that of nodes.
    if count > MAX_RANGES as u64 {
        return reader.refuse(at, DecodeErrorKind::TooManyEntries { limit: MAX_RANGES });
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

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec;

    use super::*;
    use crate::Dot;

    const GOLDEN: &str = include_str!("../../tests/golden/endpoint.txt");

    fn dot(node: u8, counter: u64) -> Dot<u8> {
        Dot::new(node, counter).unwrap()
    }

    fn frame(message: Message<u8, &[u8]>) -> Frame {
        let payload = *message.payload();
        Frame::new(&Frame::encode_header(&message.with_payload(())), payload)
    }

    fn encode(packet: &Packet<'_, u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::growing(&mut bytes);
        let news: Vec<_> = packet.news.iter().collect();
        let revisions = [packet.confirmed, packet.base, packet.revision];
        put_head(revisions, &news, &packet.forgotten, &packet.requests, &mut out);
        for (message, _) in packet.messages.clone() {
            put_message(&frame(message), &mut out);
        }
        bytes
    }

    impl<I> PartialEq for Messages<'_, I> {
        fn eq(&self, other: &Self) -> bool {
            self.reader.rest() == other.reader.rest()
        }
    }

    impl<I> Eq for Messages<'_, I> {}

    fn messages(messages: Vec<Message<u8, &'static [u8]>>) -> Messages<'static, u8> {
        let mut bytes = Vec::new();
        for message in messages {
            put_message(&frame(message), &mut Writer::growing(&mut bytes));
        }
        Messages::decode(&mut Reader::new(bytes.leak())).unwrap()
    }

    /// Packets with and without each part.
    fn packets() -> Vec<Packet<'static, u8>> {
        let empty = Packet {
            confirmed: 0,
            base: 0,
            revision: 0,
            news: VersionVector::new(),
            forgotten: VersionVector::new(),
            requests: vec![],
            messages: messages(vec![]),
        };
        let news = VersionVector::from_iter([(1, 3), (2, 200)]);
        let range = |node, counters| DotRange::new(node, counters).unwrap();
        vec![
            empty.clone(),
            Packet { confirmed: 5, base: 300, revision: 302, news: news.clone(), ..empty.clone() },
            Packet { forgotten: news, base: u64::MAX, revision: u64::MAX, ..empty.clone() },
            Packet {
                requests: vec![range(1, 2..=2), range(1, 4..=9), range(2, 1..=1), range(7, 100..=u64::MAX)],
                ..empty.clone()
            },
            Packet {
                messages: messages(vec![
                    Message::new(dot(1, 4), [dot(2, 1), dot(9, 70)], &b"tea?"[..]).unwrap(),
                    Message::new(dot(1, 5), [], &b""[..]).unwrap(),
                ]),
                ..empty
            },
        ]
    }

    #[test]
    fn endpoint_packets_are_as_they_always_were() {
        let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix("packet "));
        let hex = packets()
            .into_iter()
            .map(|packet| encode(&packet).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")));
        assert_eq!(hex.collect::<Vec<_>>(), lines.collect::<Vec<_>>());
    }

    #[test]
    fn endpoint_packets_have_one_form_each() {
        let (mut read, mut refused) = (0, 0);
        for packet in packets() {
            let bytes = encode(&packet);
            assert_eq!(Packet::decode(&bytes, 256), Ok(packet));
            // Every change of one or two bits, every cut, every inserted byte.
            let mut variants = vec![];
            let bits = bytes.len() * 8;
            for (first, second) in (0..bits).flat_map(|first| (first..bits).map(move |second| (first, second)))
            {
                let mut variant = bytes.clone();
                variant[first / 8] ^= 1 << (first % 8);
                if second > first {
                    variant[second / 8] ^= 1 << (second % 8);
                }
                variants.push(variant);
            }
            variants.extend((0..bytes.len()).map(|cut| bytes[..cut].to_vec()));
            for (at, byte) in (0..=bytes.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                variants.push([&bytes[..at], &[byte], &bytes[at..]].concat());
            }
            for variant in variants {
                match Packet::<u8>::decode(&variant, 256) {
                    Ok(other) => {
                        assert_eq!(encode(&other), variant, "{other:?}");
                        read += 1;
                    }
                    Err(error) => {
                        assert!(error.at <= variant.len());
                        refused += 1;
                    }
                }
            }
        }
        assert!(read > 1_000 && refused > 10_000, "{read} read, {refused} refused");
    }

    #[test]
    fn endpoint_packets_with_parts_that_contradict_each_other_are_refused() {
        let refused = |bytes: &[u8]| Packet::<u8>::decode(bytes, 256).unwrap_err().kind;
        // News without entries; base and news beyond the end; ranges that touch, overlap, or go back.
        assert_eq!(refused(&[1, 0, 0, 1, 0, 0, 0]), DecodeErrorKind::NotCanonical);
        let last = [&[1, 0][..], &[0xFF; 9], &[1, 0, 0, 0]].concat();
        assert_eq!(refused(&last), DecodeErrorKind::OutOfRange);
        assert_eq!(refused(&[1, 0, 0, 0, 0, 2, 5, 0, 0, 5, 1, 0]), DecodeErrorKind::NotCanonical);
        assert_eq!(refused(&[1, 0, 0, 0, 0, 2, 5, 0, 1, 5, 1, 0]), DecodeErrorKind::Unsorted);
        assert_eq!(refused(&[1, 0, 0, 0, 0, 2, 5, 0, 0, 4, 9, 0]), DecodeErrorKind::Unsorted);
        assert_eq!(refused(&[1, 0, 0, 0, 0, 65, 0, 0]), DecodeErrorKind::TooManyEntries { limit: 64 });
    }
}
