//! Tests of the memory that decoders take: for any bytes, it is in proportion to the bytes received and to the entries
//! that the reader accepted. The table in the docs of `codec` has these figures.

#![cfg(feature = "alloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use happens_before::broadcast::Snapshot;
use happens_before::codec::{Decode, DecodeId, Encode, Reader, Writer};
use happens_before::delivery::{BufferLimits, decode_snapshot};
use happens_before::endpoint::{BroadcastErrorKind, EndpointConfig};
use happens_before::node::DotRange;
use happens_before::scalar::{HybridTimestamp, LamportTimestamp};
use happens_before::{CausalBuffer, CausalContext, Dot, Endpoint, Message, VersionVector, codec};

thread_local! {
    /// Bytes held by this thread, and the most that it held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(bytes: isize) {
    let held = HELD.get().0 + bytes;
    HELD.set((held, HELD.get().1.max(held)));
}

// Safe: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Counts as if the bytes were always moved: for a moment both copies exist.
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`; returns its result, the bytes still allocated afterwards, and the most that were allocated meanwhile.
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = black_box(work());
    let (held, most) = HELD.get();
    (result, usize::try_from(held - before).unwrap(), usize::try_from(most - before).unwrap())
}

/// The most bytes for each byte of input and each entry taken from the budget: held afterwards, and at the peak.
#[derive(Debug, Default)]
struct Factors {
    held: f64,
    peak: f64,
    inputs: usize,
}

impl Factors {
    /// Decodes an input, with the default budget and with others.
    fn add<T>(&mut self, bytes: &[u8], mut decode: impl FnMut(&mut Reader<'_>) -> Option<T>) {
        for limit in [0, 10, 1_000, Reader::DEFAULT_ENTRIES + bytes.len(), usize::MAX] {
            let mut reader = Reader::with_limit(bytes, limit);
            let (value, held, peak) = measure(|| decode(&mut reader));
            // A refused input leaves nothing allocated.
            assert!(value.is_some() || held == 0, "{held} bytes after an error");
            // More than 64 entries for each byte are a mere claim.
            let drawn = (limit - reader.entries_left()).min(64 * bytes.len());
            // A few entries, or a short-lived claim, do not fill the memory.
            let allowance = 1_024;
            let units = (bytes.len() + drawn).max(1) as f64;
            self.held = self.held.max(held.saturating_sub(allowance) as f64 / units);
            self.peak = self.peak.max(peak.saturating_sub(allowance) as f64 / units);
            self.inputs += 1;
        }
    }

    #[track_caller]
    fn assert(&self, what: &str, held: f64, peak: f64) {
        println!("{what}: {self:?}");
        assert!(self.held <= held && self.peak <= peak, "{what}: {self:?}");
        assert!(self.inputs > 20);
    }
}

fn encoded(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes);
    bytes
}

/// Returns the bytes, cut at several places, and with some bytes changed.
fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![bytes.to_vec()];
    for part in 1..=3 {
        let at = bytes.len() * part / 4;
        all.push(bytes[..at].to_vec());
        for byte in [0, 64, 0xFE] {
            let mut changed = bytes.to_vec();
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            all.push(changed);
        }
    }
    all
}

/// Returns inputs that claim a number of items, followed by few of them or none.
fn claims() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for exponent in [7, 16, 20, 54] {
        for len in [0, 9, 100_000] {
            for byte in [0, 1] {
                let mut bytes = Vec::new();
                Writer::growing(&mut bytes).put_number(1 << exponent);
                bytes.resize(bytes.len() + len, byte);
                all.push(bytes);
            }
        }
    }
    all
}

/// Returns vectors with entries that take the fewest bytes, or the most memory.
fn vectors<I: DecodeId>(id: impl Fn(u64) -> I) -> Vec<Vec<u8>> {
    let vector = |count: u64, counter: fn(u64) -> u64| -> VersionVector<I> {
        (0..count).map(|n| (id(n), counter(n))).collect()
    };
    let mut all = claims();
    for count in [8, 4_097, 65_537] {
        for counter in [|_| 1, |n| n % 2 + 1, |n| n * 1_000_003 + 1] {
            all.extend(damaged(&encoded(&vector(count, counter))));
        }
    }
    all
}

fn text(n: u64) -> String {
    format!("{n:05}")
}

#[test]
fn vectors_take_memory_in_proportion() {
    let mut numbers = Factors::default();
    vectors(|n| n).iter().for_each(|bytes| {
        numbers.add(bytes, |reader| VersionVector::<u64>::decode(reader).ok());
    });
    numbers.assert("vector, u64", 16.0, 24.0);

    let mut texts = Factors::default();
    vectors(text).iter().for_each(|bytes| {
        texts.add(bytes, |reader| VersionVector::<String>::decode(reader).ok());
    });
    texts.assert("vector, String", 32.0, 48.0);

    let mut pairs = Factors::default();
    vectors(|n| (text(n), n)).iter().for_each(|bytes| {
        pairs.add(bytes, |reader| VersionVector::<(String, u64)>::decode(reader).ok());
    });
    pairs.assert("vector, (String, u64)", 40.0, 56.0);
}

/// Returns contexts with holes of two bytes: all of one node, one of each node, and some of each.
fn contexts<I: DecodeId>(id: impl Fn(u64) -> I) -> Vec<Vec<u8>> {
    let mut all = claims();
    // Without holes.
    all.extend(vectors(&id).into_iter().step_by(3).map(|bytes| [bytes, vec![0]].concat()));
    for (nodes, holes) in [(1, 40_000), (20_000, 1), (5_000, 2), (2_000, 12), (100, 200)] {
        let ranges = (0..nodes).flat_map(|node| (1..=holes).map(move |n| (node, 2 * n)));
        let dots = ranges.map(|(node, counter)| Dot::new(id(node), counter).unwrap());
        all.extend(damaged(&encoded(&dots.collect::<CausalContext<I>>())));
    }
    // One long id, and very many holes.
    let long = Dot::new(id(u64::MAX), 1).unwrap();
    let dots = (1..10_000).map(|n| Dot::new(long.node().clone(), 2 * n).unwrap());
    all.extend(damaged(&encoded(&dots.collect::<CausalContext<I>>())));
    all
}

#[test]
fn contexts_take_memory_in_proportion() {
    let mut numbers = Factors::default();
    contexts(|n| n).iter().for_each(|bytes| {
        numbers.add(bytes, |reader| CausalContext::<u64>::decode(reader).ok());
    });
    numbers.assert("context, u64", 40.0, 40.0);

    let mut texts = Factors::default();
    contexts(|n| if n == u64::MAX { "x".repeat(100_000) } else { text(n) }).iter().for_each(|bytes| {
        texts.add(bytes, |reader| CausalContext::<String>::decode(reader).ok());
    });
    texts.assert("context, String", 40.0, 48.0);
}

#[test]
fn headers_take_memory_in_proportion() {
    let mut factors = Factors::default();
    for count in [1, 3, 65, 4_097, 65_537] {
        let dependencies = (0..count).map(|node| Dot::new(node, 1).unwrap());
        let message = Message::new(Dot::new(u64::MAX, 7).unwrap(), dependencies, ()).unwrap();
        let mut bytes = Vec::new();
        message.encode_header(&mut Writer::growing(&mut bytes));
        for bytes in damaged(&bytes).iter().chain(&claims()) {
            factors.add(bytes, |reader| Message::<u64, ()>::decode_header(reader).ok());
        }
    }
    factors.assert("header, u64", 32.0, 64.0);
}

#[test]
fn snapshots_of_subscribers_take_memory_in_proportion() {
    let mut factors = Factors::default();
    for (nodes, slots) in [(0, 0), (3, 1), (4_097, 1_000), (10, 65_537), (0, 10)] {
        let snapshot = Snapshot {
            next: slots + 1,
            delivered: (0..nodes).map(|node| (node, 1)).collect(),
            skipped: (0..slots).collect(),
            ..Snapshot::<u64>::default()
        };
        // Claims of a vector, and of skipped slots.
        let more = claims().into_iter().map(|claim| [&[0, 9, 0][..], &claim].concat());
        for bytes in damaged(&encoded(&snapshot)).into_iter().chain(claims()).chain(more) {
            factors.add(&bytes, |reader| Snapshot::<u64>::decode(reader).ok());
        }
    }
    factors.assert("snapshot of a subscriber, u64", 16.0, 24.0);
}

#[test]
fn dots_and_timestamps_take_the_memory_of_their_ids() {
    let mut factors = Factors::default();
    let long = "x".repeat(100_000);
    let dot = encoded(&Dot::new(long.clone(), 5).unwrap());
    let range = encoded(&DotRange::new(long.clone(), 5..=9).unwrap());
    let lamport = encoded(&LamportTimestamp::new(5, long.clone()).unwrap());
    let hybrid = [&[0; 8][..], &dot[..dot.len() - 1]].concat();
    for bytes in [dot, range, lamport, hybrid].iter().flat_map(|bytes| damaged(bytes)).chain(claims()) {
        factors.add(&bytes, |reader| Dot::<String>::decode(reader).ok());
        factors.add(&bytes, |reader| DotRange::<String>::decode(reader).ok());
        factors.add(&bytes, |reader| LamportTimestamp::<String>::decode(reader).ok());
        factors.add(&bytes, |reader| HybridTimestamp::<String>::decode(reader).ok());
    }
    factors.assert("dot, range, timestamps, String", 1.0, 1.0);
}

#[test]
fn many_values_of_one_reader_share_its_budget() {
    // Vectors of 64 adjacent nodes: 4 bytes each.
    let vector: VersionVector<u64> = (0..64).map(|node| (node, 1)).collect();
    let bytes = encoded(&vector).repeat(10_000);
    let mut factors = Factors::default();
    factors.add(&bytes, |reader| {
        let mut all = Vec::new();
        while let Ok(vector) = VersionVector::<u64>::decode(reader) {
            all.push(vector);
        }
        assert!(all.len() * 64 <= reader.limit());
        Some(all)
    });
    let mut reader = Reader::new(&bytes);
    let read = std::iter::from_fn(|| VersionVector::<u64>::decode(&mut reader).ok()).count();
    assert_eq!(read, (Reader::DEFAULT_ENTRIES + bytes.len()) / 64);
}

#[test]
fn deltas_take_memory_in_proportion() {
    let mut factors = Factors::default();
    for (base, now) in [(0, 100_000), (10_000, 10_000), (10_000, 20_000)] {
        let vector = |count, counter| (0..count).map(|node| (node, counter)).collect::<VersionVector<u64>>();
        let (base, now) = (vector(base, 1), vector(now, 2));
        let mut delta = Vec::new();
        codec::encode_delta(&now, &base, &mut delta);
        for bytes in damaged(&delta).iter().chain(&claims()) {
            for limit in [0, 10, 1_000, Reader::DEFAULT_ENTRIES + bytes.len(), 1 << 18] {
                // The result has a copy of the base, which the caller chose. Raising entries may cost as much again.
                let read = measure(|| codec::decode_delta(Reader::with_limit(bytes, limit), &base).ok());
                let (value, held, peak) = read;
                let units = bytes.len() + limit.min(200_000) + base.len();
                assert!(value.is_some() || held == 0);
                assert!(held <= 16 * units + 1_024 && peak <= 56 * units + 1_024, "{held} {peak} for {units}");
                factors.inputs += 1;
            }
        }
    }
    assert!(factors.inputs > 20);
}

#[test]
fn what_a_buffer_is_read_from_takes_no_more_than_its_limits_allow() {
    // Messages that wait for one another, with the most dependencies that few bytes can name.
    for (nodes, count) in [(64_u64, 1_000_u64), (1_024, 200)] {
        let mut bytes = vec![0, 0, 7, 0, 0];
        let mut writer = Writer::growing(&mut bytes);
        writer.put_number(count);
        for counter in 2..count + 2 {
            let dependencies = (0..nodes).map(|node| Dot::new(1_000 + node, 1).unwrap());
            let message = Message::new(Dot::new(9_u64, counter).unwrap(), dependencies, ()).unwrap();
            message.encode_header(&mut writer);
            writer.put_number(0);
        }
        for limits in [
            BufferLimits { messages: 10, nodes: 2_000, ..BufferLimits::default() },
            BufferLimits { dependencies: 100, nodes: 2_000, ..BufferLimits::default() },
            BufferLimits { bytes: 100_000, nodes: 2_000, ..BufferLimits::default() },
            BufferLimits { nodes: 100, ..BufferLimits::default() },
            BufferLimits::default(),
        ] {
            for bytes in damaged(&bytes) {
                let (read, held, peak) = measure(|| {
                    let empty = CausalBuffer::<u64, Vec<u8>>::new(limits);
                    decode_snapshot(&bytes, empty, |payload| Some(payload.to_vec())).ok()
                });
                assert!(read.is_some() || held == 0);
                let messages = limits.messages.min(bytes.len() / 4);
                let dependencies = (messages * limits.dependencies.min(nodes as usize)) * size_of::<Dot<u64>>();
                let dependencies = dependencies.min(limits.bytes) * 2;
                let others = 400 * messages + 400 * limits.nodes.min(1_100) + 2 * bytes.len() + 100_000;
                assert!(peak <= dependencies + others, "{peak} for {} bytes, {limits:?}", bytes.len());
            }
        }
    }
}

#[test]
fn a_packet_takes_the_memory_of_one_message_at_a_time() {
    // Messages of unknown nodes, with the most dependencies that few bytes can name.
    let mut message = Vec::new();
    let dependencies = (0..250).map(|node| Dot::new(1_000 + node, 1).unwrap());
    let header = Message::new(Dot::new(9_u64, 2).unwrap(), dependencies, ()).unwrap();
    header.encode_header(&mut Writer::growing(&mut message));
    let mut packet = vec![1, 0, 0, 0, 0, 0];
    for _ in 0..10_000 {
        Writer::growing(&mut packet).put_number(message.len() as u64);
        packet.extend(&message);
    }
    let mut endpoint = Endpoint::new(1_u64, [1, 2], EndpointConfig::default()).unwrap();
    let (received, held, peak) = measure(|| endpoint.handle_packet(0, &2, &packet));
    assert_eq!(received.unwrap().refused, 10_000);
    assert!(held <= 2_000 && peak <= 32_000, "{held} and {peak} for {} bytes", packet.len());

    for bytes in damaged(&packet).iter().chain(&claims()) {
        let mut endpoint = Endpoint::new(1_u64, [1, 2], EndpointConfig::default()).unwrap();
        let (_, held, peak) = measure(|| endpoint.handle_packet(0, &2, bytes).is_ok());
        assert!(held <= 2_000 && peak <= 32_000, "{held} and {peak} for {} bytes", bytes.len());
    }
}

#[test]
fn a_broadcast_that_is_refused_takes_no_copy_of_its_payload() {
    let config = EndpointConfig { window: 1, window_bytes: 1 << 16, ..EndpointConfig::default() };
    let mut endpoint = Endpoint::new(1_u64, [1, 2], config).unwrap();
    for (payload, kind) in [
        (vec![0; 1 << 20], BroadcastErrorKind::TooLong { limit: 1 << 16 }),
        (vec![0; 1 << 15], BroadcastErrorKind::WindowFull),
    ] {
        let (refused, held, peak) = measure(|| endpoint.broadcast(payload).unwrap_err());
        assert_eq!((refused.kind, held), (kind, 0));
        assert!(peak <= 64, "{peak} bytes");
        endpoint.broadcast(Vec::new()).ok();
    }
}

#[test]
fn a_snapshot_of_an_endpoint_takes_no_more_than_its_group() {
    let config = EndpointConfig::default();
    let mut endpoint = Endpoint::new(1_u64, 1..=100, config).unwrap();
    while endpoint.broadcast(Vec::new()).is_ok() {}
    let saved = endpoint.snapshot();
    for bytes in damaged(&saved).iter().chain(&claims()) {
        let (read, held, peak) = measure(|| Endpoint::<u64>::resume(bytes, config).ok());
        assert!(read.is_some() || held == 0);
        assert!(peak <= 600_000, "{held} and {peak} for {} bytes", bytes.len());
    }
}

#[test]
fn an_endpoint_keeps_the_bytes_of_a_message_once() {
    let start = |node| Endpoint::new(node, [1_u64, 2, 3], EndpointConfig::default()).unwrap();
    let most = 500 * 1_200;
    let (mut author, held, _) = measure(|| {
        let mut author = start(1);
        (0..500).for_each(|_| _ = author.broadcast(vec![7; 1_000]).unwrap());
        author
    });
    assert!(held <= most, "{held} for what is broadcast");
    let packets = std::iter::from_fn(|| author.poll_packet()).filter(|(to, _)| *to == 2);
    let packets: Vec<_> = packets.collect();
    for delivers in [false, true] {
        let (receiver, held, _) = measure(|| {
            let mut receiver = start(2);
            packets.iter().for_each(|(_, packet)| _ = receiver.handle_packet(0, &1, packet).unwrap());
            while delivers && receiver.poll_delivery().is_some() {}
            receiver
        });
        assert_eq!(receiver.log_len(), if delivers { 500 } else { 0 });
        assert!(held <= most, "{held} for what is received");
    }
}

#[cfg(feature = "serde")]
#[test]
fn serde_reserves_nothing_for_a_length_that_is_claimed() {
    use serde::Deserialize;
    use serde::de::value::{Error, SeqDeserializer};

    /// A sequence that claims to be very long.
    struct Claiming<T>(T);

    impl<T: Iterator> Iterator for Claiming<T> {
        type Item = T::Item;

        fn next(&mut self) -> Option<T::Item> {
            self.0.next()
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (1 << 40, Some(1 << 40))
        }
    }

    // Elements that are not pairs. The first is refused, after the length was either believed or not.
    fn refused<T: for<'de> Deserialize<'de>>() -> usize {
        let claiming = SeqDeserializer::<_, Error>::new(Claiming([7_u64].into_iter()));
        let (read, held, peak) = measure(|| T::deserialize(claiming).is_err());
        assert!(read && held == 0);
        peak
    }
    assert!(refused::<VersionVector<u64>>() < 200);
    assert!(refused::<CausalContext<u64>>() < 200);

    for count in [10_000_u64, 100_000] {
        let vector: VersionVector<u64> = (0..count).map(|node| (node, 1)).collect();
        let json = serde_json::to_string(&vector).unwrap();
        let (read, held, peak) = measure(|| serde_json::from_str::<VersionVector<u64>>(&json).unwrap());
        assert_eq!(read, vector);
        assert!(held <= 4 * json.len() && peak <= 6 * json.len(), "{held} and {peak} for {}", json.len());
    }
}
