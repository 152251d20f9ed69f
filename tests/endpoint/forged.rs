//! Packets made by hand, and the parts of an endpoint's packets, in the terms of `FORMAT.md`.

use happens_before::codec::{Decode, Encode, Reader, Writer};
use happens_before::node::DotRange;
use happens_before::{Dot, Message, VersionVector};

/// A request: a node, and the first and the last counter.
pub(crate) type Request = (u8, u64, u64);

/// A packet, by parts.
#[derive(Default)]
pub(crate) struct Forged {
    pub(crate) confirmed: u64,
    pub(crate) base: u64,
    pub(crate) news: Vec<(u8, u64)>,
    pub(crate) forgotten: Vec<(u8, u64)>,
    pub(crate) requests: Vec<Request>,
    pub(crate) messages: Vec<Message<u8, Vec<u8>>>,
}

impl Forged {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let vector = |entries: &[(u8, u64)]| entries.iter().copied().collect::<VersionVector<u8>>();
        let mut bytes = vec![];
        let mut out = Writer::growing(&mut bytes);
        out.put(&[1]);
        out.put_number(self.confirmed);
        out.put_number(self.base);
        let events = self.news.iter().fold(0_u64, |events, (_, counter)| events.saturating_add(*counter));
        out.put_number(events);
        if events > 0 {
            vector(&self.news).encode(&mut out);
        }
        vector(&self.forgotten).encode(&mut out);
        out.put_number(self.requests.len() as u64);
        for &(node, first, last) in &self.requests {
            DotRange::new(node, first..=last).unwrap().encode(&mut out);
        }
        for message in &self.messages {
            let mut header = vec![];
            message.encode_header(&mut Writer::growing(&mut header));
            out.put_number((header.len() + message.payload().len()) as u64);
            out.put(&header);
            out.put(message.payload());
        }
        bytes
    }
}

/// The parts of a packet before its messages.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) forgotten: Vec<(u8, u64)>,
    pub(crate) requests: Vec<Request>,
}

/// Reads the parts of a packet before its messages.
pub(crate) fn head(packet: &[u8]) -> Head {
    let mut reader = Reader::new(packet);
    let vector = |reader: &mut Reader<'_>| -> Vec<(u8, u64)> {
        let vector = VersionVector::<u8>::decode(reader).unwrap();
        vector.iter().map(|(&node, counter)| (node, counter)).collect()
    };
    reader.take(1).unwrap();
    let [_confirmed, _base, grown] = [(); 3].map(|()| reader.take_number().unwrap());
    if grown > 0 {
        vector(&mut reader);
    }
    let forgotten = vector(&mut reader);
    let requests = 0..reader.take_number().unwrap();
    let requests = requests.map(|_| DotRange::<u8>::decode(&mut reader).unwrap());
    let requests = requests.map(|range| (*range.node(), *range.counters().start(), *range.counters().end()));
    Head { forgotten, requests: requests.collect() }
}

pub(crate) fn message(own: Dot<u8>, dependencies: &[Dot<u8>], len: usize) -> Message<u8, Vec<u8>> {
    Message::new(own, dependencies.iter().copied(), vec![7; len]).unwrap()
}
