//! The work that CI counts in instructions: the rows of the other benchmarks, with fixed inputs, each in a process of
//! its own.
//!
//! Times differ from run to run and between machines; numbers of instructions hardly do, so a change of three per cent
//! shows. `.ci/counts.py` runs each row under callgrind and compares its count with `counts.json`.
//!
//! ```text
//! python3 .ci/counts.py                     # counts and compares all rows
//! cargo bench --bench counts -- --list      # the names of the rows
//! cargo bench --bench counts -- --row NAME  # runs one row, and prints its number of operations
//! cargo bench --bench counts                # runs all of them
//! ```
//!
//! The name of a row is the file of its benchmark and the name there; the rows of the sender, the graph and the
//! endpoint exist only here. The work of a row runs in [`measured`], and its inputs are made before. Every row asserts
//! its answer. Inputs are smaller than in the benchmarks where those take more than some ten million instructions.
//!
//! A count is not a time: it leaves out caches, mispredicted branches and instructions that run side by side. callgrind
//! also hides AVX-512 from the program.

use std::cell::RefCell;
use std::hint::black_box;
use std::num::NonZeroU64;

use happens_before::broadcast::{Entry, MemoryLog, PublisherConfig, SubscriberConfig, blocking};
use happens_before::codec::{self, Decode, Encode};
use happens_before::counter::{AtomicCounter, Counter};
use happens_before::delivery::{BufferLimits, DagEvent, DagLimits};
use happens_before::endpoint::EndpointConfig;
use happens_before::scalar::LamportTimestamp;
use happens_before::version::FixedVector;
use happens_before::{
    CausalBuffer, CausalOrder, CausalSender, DagBuffer, Dot, Endpoint, Message, Publisher, Subscriber,
    VersionVector,
};

/// Runs the work of a row. Callgrind finds this function by name, and counts from the call to the return.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// The name of a row, and the function that runs it and returns its number of operations.
type Row = (String, Box<dyn Fn() -> u64>);

/// Repetitions of an operation that takes some tens of instructions.
const REPEATS: u64 = 10_000;

/// Returns a pseudo-random number, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

fn shuffle<T>(items: &mut [T]) {
    let mut state = 2;
    for at in (1..items.len()).rev() {
        items.swap(at, random(&mut state) as usize % (at + 1));
    }
}

// ---------------------------------------------------------------------------------------------------------------
// delivery

type Msg = Message<u64, u64>;

/// Returns messages of a group whose nodes take turns at random. Before it sends, a node delivers all but the last few
/// messages.
fn send(nodes: u64, count: u64) -> Vec<Msg> {
    let mut state = 1;
    let mut senders: Vec<_> = (0..nodes).map(|node| (CausalSender::new(node), 0)).collect();
    let mut sent: Vec<Msg> = Vec::with_capacity(count as usize);
    for number in 0..count {
        let (sender, seen) = &mut senders[(random(&mut state) % nodes) as usize];
        let up_to = number.saturating_sub(random(&mut state) % 3).max(*seen);
        for message in &sent[*seen as usize..up_to as usize] {
            sender.observe(message);
        }
        *seen = up_to;
        sent.push(sender.stamp(number).unwrap());
    }
    sent
}

/// Runs the sender alone: every node observes each message, and one node stamps it.
fn sender(nodes: u64, count: u64) -> u64 {
    let sent = measured(|| send(nodes, count));
    assert_eq!(sent.last().unwrap().payload(), &(count - 1));
    count
}

fn buffer(nodes: u64, count: u64, order: &str) -> u64 {
    let mut messages = send(nodes, count);
    match order {
        "in-order" => {}
        "reversed" => messages.reverse(),
        "shuffled" => shuffle(&mut messages),
        "window-64" => messages.chunks_mut(64).for_each(shuffle),
        _ => unreachable!("an order that is not known: {order}"),
    }
    let limits = BufferLimits {
        messages: count as usize,
        horizon: count,
        nodes: nodes as usize,
        ..BufferLimits::default()
    };
    measured(|| {
        let mut buffer = CausalBuffer::new(limits);
        let mut delivered = 0;
        for message in messages {
            buffer.accept(message).unwrap();
            while let Some(message) = buffer.pop() {
                black_box(message.payload());
                delivered += 1;
            }
        }
        assert_eq!(delivered, count);
    });
    count
}

/// Delivers events with two parents each, drawn from the sixteen before.
fn dag(count: u64, order: &str) -> u64 {
    let mut state = 1;
    let mut events: Vec<_> = (1..=count)
        .map(|id| {
            let mut parents = vec![id - 1];
            if id > 1 {
                parents.push(id - 1 - random(&mut state) % (id - 1).min(16));
            }
            DagEvent { id, parents, payload: () }
        })
        .collect();
    match order {
        "in-order" => {}
        "shuffled" => shuffle(&mut events),
        _ => unreachable!("an order that is not known: {order}"),
    }
    let mut store = vec![false; count as usize + 1];
    store[0] = true;
    measured(|| {
        let mut buffer = DagBuffer::new(DagLimits::default());
        for event in events {
            buffer.accept(event, |&id| store[id as usize]).unwrap();
            while let Some(event) = buffer.pop() {
                store[event.id as usize] = true;
            }
        }
        assert!(buffer.is_empty());
    });
    assert!(store.iter().all(|&delivered| delivered));
    count
}

/// Runs a group whose members take turns to broadcast, one in each millisecond. Every packet arrives at once, except
/// those with a number that is divisible by `lost`. The operations are messages, from the broadcast until all members
/// know that all have them.
fn endpoint(members: u64, count: u64, lost: u64) -> u64 {
    let group = 0..members;
    let mut nodes: Vec<_> = group
        .clone()
        .map(|node| Endpoint::new(node, group.clone(), EndpointConfig::default()).unwrap())
        .collect();
    let (mut delivered, mut packets) = (0, 0);
    measured(|| {
        for now_ms in 0.. {
            if now_ms < count {
                nodes[(now_ms % members) as usize].broadcast(vec![0; 32]).unwrap();
            } else if nodes.iter().all(|node| node.poll_timeout().is_none()) {
                break;
            }
            for at in 0..nodes.len() {
                nodes[at].handle_timeout(now_ms);
                while let Some(message) = nodes[at].poll_delivery() {
                    delivered += message.payload().len() as u64 / 32;
                }
                while let Some((to, packet)) = nodes[at].poll_packet() {
                    packets += 1;
                    if packets % lost != 0 {
                        nodes[to as usize].handle_packet(now_ms, &(at as u64), &packet).unwrap();
                    }
                }
            }
        }
    });
    assert_eq!(delivered, members * count);
    assert!(nodes.iter().all(|node| node.log_len() == 0));
    count
}

fn delivery(rows: &mut Vec<Row>) {
    for nodes in [3, 64] {
        let name = format!("delivery: sender/16000/{nodes} nodes");
        rows.push((name, Box::new(move || sender(nodes, 16_000))));
        for order in ["in-order", "window-64", "shuffled", "reversed"] {
            let name = format!("delivery: 16000/{nodes} nodes/{order}/buffer");
            rows.push((name, Box::new(move || buffer(nodes, 16_000, order))));
        }
    }
    for order in ["in-order", "shuffled"] {
        rows.push((format!("delivery: graph/4000/{order}"), Box::new(move || dag(4_000, order))));
    }
    rows.push(("delivery: endpoint/3 nodes".into(), Box::new(|| endpoint(3, 1_000, u64::MAX))));
    rows.push(("delivery: endpoint/3 nodes/1 packet of 10 lost".into(), Box::new(|| endpoint(3, 1_000, 10))));
    rows.push(("delivery: endpoint/16 nodes".into(), Box::new(|| endpoint(16, 200, u64::MAX))));
}

// ---------------------------------------------------------------------------------------------------------------
// version

/// Returns `n` entries with random ids and counters.
fn entries(n: u64) -> Vec<(u64, u64)> {
    let mut state = n;
    (0..n).map(|_| (random(&mut state), random(&mut state) % 1_000_000 + 1)).collect()
}

/// Returns two vectors of the same nodes; in the second the last counter is one higher.
fn one_newer<const N: usize>() -> (VersionVector<u64>, VersionVector<u64>) {
    let old: VersionVector<u64> = entries(N as u64).into_iter().collect();
    let mut new = old.clone();
    new.increment(*old.iter().next_back().unwrap().0).unwrap();
    (old, new)
}

fn fixed<const N: usize>(vector: &VersionVector<u64>) -> FixedVector<N> {
    let counters: Vec<u64> = vector.iter().map(|(_, counter)| counter).collect();
    FixedVector::from_counters(counters.try_into().unwrap())
}

fn same_ids<const N: usize>(rows: &mut Vec<Row>) {
    let mut row = |operation: &str, vector: &str, run: fn() -> u64| {
        rows.push((format!("version: {operation}/{vector}/{N}"), Box::new(run)));
    };
    row("merge, one newer", "VersionVector", || {
        let (mut ours, new) = one_newer::<N>();
        measured(|| (0..REPEATS).for_each(|_| black_box(&mut ours).merge(black_box(&new))));
        assert_eq!(ours, new);
        REPEATS
    });
    row("merge, one newer", "FixedVector", || {
        let (old, new) = one_newer::<N>();
        let (mut ours, new) = (fixed::<N>(&old), fixed::<N>(&new));
        measured(|| (0..REPEATS).for_each(|_| black_box(&mut ours).merge(black_box(&new))));
        assert_eq!(ours, new);
        REPEATS
    });
    row("compare, before", "VersionVector", || {
        let (old, new) = one_newer::<N>();
        measured(|| {
            for _ in 0..REPEATS {
                assert_eq!(black_box(&old).compare(black_box(&new)), CausalOrder::Before);
            }
        });
        REPEATS
    });
    row("compare, before", "FixedVector", || {
        let (old, new) = one_newer::<N>();
        let (old, new) = (fixed::<N>(&old), fixed::<N>(&new));
        measured(|| {
            for _ in 0..REPEATS {
                assert_eq!(black_box(&old).compare(black_box(&new)), CausalOrder::Before);
            }
        });
        REPEATS
    });
}

/// Merges parts: of the second vector, the nodes in `part` of the first one's.
fn merge_part(n: u64, part: fn(usize) -> bool) -> u64 {
    let mut ours: VersionVector<u64> = entries(n).into_iter().collect();
    let theirs: VersionVector<u64> = ours
        .iter()
        .enumerate()
        .filter(|&(at, _)| part(at))
        .map(|(_, (&node, counter))| (node, counter + 1))
        .collect();
    measured(|| (0..REPEATS).for_each(|_| black_box(&mut ours).merge(black_box(&theirs))));
    assert!(ours.contains_all(&theirs));
    REPEATS
}

/// Adds entries to an empty vector.
fn growth(order: &str, from_iter: bool) -> u64 {
    let mut entries = entries(16_000);
    if order == "descending" {
        entries.sort_unstable_by(|a, b| b.cmp(a));
    }
    let vector: VersionVector<u64> = if from_iter {
        measured(|| entries.iter().copied().collect())
    } else {
        measured(|| {
            let mut vector = VersionVector::new();
            for &(node, counter) in &entries {
                vector.observe(&Dot::new(node, counter).unwrap());
            }
            vector
        })
    };
    assert_eq!(vector.len(), entries.len());
    entries.len() as u64
}

fn version(rows: &mut Vec<Row>) {
    same_ids::<3>(rows);
    same_ids::<16>(rows);
    same_ids::<64>(rows);
    same_ids::<1024>(rows);
    let part = |at: usize| at % 2 == 1;
    rows.push((
        "version: merge, every second id/VersionVector/16".into(),
        Box::new(move || merge_part(16, part)),
    ));
    rows.push((
        "version: merge, every second id/VersionVector/1024".into(),
        Box::new(move || merge_part(1_024, part)),
    ));
    let few = |at: usize| at % 64 == 1;
    rows.push((
        "version: merge, every 64th id/VersionVector/1024".into(),
        Box::new(move || merge_part(1_024, few)),
    ));
    for order in ["at random", "descending"] {
        rows.push((format!("version: 16000 entries/observe/{order}"), Box::new(move || growth(order, false))));
        rows.push((format!("version: 16000 entries/from_iter/{order}"), Box::new(move || growth(order, true))));
    }
}

// ---------------------------------------------------------------------------------------------------------------
// codec

fn vector(ids: &str, nodes: u64) -> VersionVector<u64> {
    let entries = entries(nodes).into_iter().zip(1..);
    match ids {
        "random" => entries.map(|(entry, _)| entry).collect(),
        "small" => entries.map(|((_, counter), node)| (node, counter % 100 + 1)).collect(),
        _ => unreachable!("ids that are not known: {ids}"),
    }
}

/// Returns the number of repetitions, fewer for larger vectors.
fn repeats(nodes: u64) -> u64 {
    REPEATS / nodes
}

fn encode(vector: &VersionVector<u64>) -> u64 {
    let repeats = repeats(vector.len() as u64);
    let mut bytes = Vec::new();
    codec::encode(vector, &mut bytes);
    let (len, mut out) = (bytes.len(), bytes);
    measured(|| {
        for _ in 0..repeats {
            out.clear();
            codec::encode(black_box(vector), &mut out);
            assert_eq!(out.len(), len);
        }
    });
    repeats
}

fn decode(vector: &VersionVector<u64>) -> u64 {
    let repeats = repeats(vector.len() as u64);
    let mut bytes = Vec::new();
    codec::encode(vector, &mut bytes);
    measured(|| {
        for _ in 0..repeats {
            let read: VersionVector<u64> = codec::decode(black_box(&bytes)).unwrap();
            assert_eq!(read.len(), vector.len());
        }
    });
    repeats
}

fn delta(nodes: u64, decoded: bool) -> u64 {
    let (base, repeats) = (vector("random", nodes), repeats(nodes));
    let mut newer = base.clone();
    newer.increment(*base.iter().next().unwrap().0).unwrap();
    let mut bytes = Vec::new();
    codec::encode_delta(&newer, &base, &mut bytes);
    let len = bytes.len();
    measured(|| {
        for _ in 0..repeats {
            if decoded {
                let read = codec::decode_delta(black_box(&bytes), &base).unwrap();
                assert_eq!(read.len(), newer.len());
            } else {
                bytes.clear();
                codec::encode_delta(black_box(&newer), &base, &mut bytes);
                assert_eq!(bytes.len(), len);
            }
        }
    });
    repeats
}

/// Writes and reads a value of a few bytes.
fn scalar<T: Encode + Decode + PartialEq>(value: &T) -> u64 {
    let mut buffer = [0; 32];
    measured(|| {
        for _ in 0..REPEATS {
            let len = codec::encode_to_slice(black_box(value), &mut buffer).unwrap();
            assert!(codec::decode::<T>(&buffer[..len]).as_ref() == Ok(value));
        }
    });
    REPEATS
}

fn codecs(rows: &mut Vec<Row>) {
    for (ids, nodes) in [("random", 3), ("random", 64), ("small", 64)] {
        let name = |operation| format!("codec: {ids} ids/{nodes}/{operation}/codec");
        rows.push((name("encode"), Box::new(move || encode(&vector(ids, nodes)))));
        rows.push((name("decode"), Box::new(move || decode(&vector(ids, nodes)))));
    }
    for (operation, decoded) in [("encode", false), ("decode", true)] {
        let name = format!("codec: delta, one entry newer/{operation}/64");
        rows.push((name, Box::new(move || delta(64, decoded))));
    }
    rows.push(("codec: scalars/dot".into(), Box::new(|| scalar(&Dot::new(7_u64, 123_456).unwrap()))));
    rows.push((
        "codec: scalars/Lamport timestamp".into(),
        Box::new(|| scalar(&LamportTimestamp::new(123_456, 0xCAFE_F00D_u64).unwrap())),
    ));
}

// ---------------------------------------------------------------------------------------------------------------
// broadcast

/// Messages after which the log is trimmed.
const BATCH: u64 = 1_024;

/// Runs `message` for each index, which it must return as the delivered payload.
fn messages(mut message: impl FnMut(u64) -> u64) -> u64 {
    let count = 4 * BATCH;
    measured(|| (0..count).for_each(|index| assert_eq!(message(black_box(index)), index)));
    count
}

fn log() -> RefCell<MemoryLog<u64, u64>> {
    RefCell::new(MemoryLog::new(2 * BATCH as usize))
}

fn publisher() -> Publisher<u64, u64> {
    Publisher::new(1, PublisherConfig::default())
}

fn subscriber() -> Subscriber<u64, u64> {
    Subscriber::new(SubscriberConfig::default())
}

fn delivered(subscriber: &mut Subscriber<u64, u64>) -> u64 {
    subscriber.poll_delivery().unwrap().unwrap().payload.unwrap()
}

fn broadcast(rows: &mut Vec<Row>) {
    let mut row = |name: &str, run: fn() -> u64| rows.push((format!("broadcast: {name}"), Box::new(run)));
    row("broadcast/number, slot, delivery", || {
        let (counter, mut log, mut subscriber) = (AtomicCounter::new(), log().into_inner(), subscriber());
        messages(|index| {
            let slot = counter.increment_and_get(NonZeroU64::MIN).unwrap();
            let entry = Entry::message(0, Dot::new(1, index + 1).unwrap(), index);
            log.write(slot, &entry).unwrap();
            subscriber.handle_entry(slot, entry).unwrap();
            if slot % BATCH == 0 {
                log.trim(slot);
            }
            delivered(&mut subscriber)
        })
    });
    row("broadcast/Publisher, slot, delivery by announcement", || {
        let (counter, log) = (AtomicCounter::new(), log());
        let (mut publisher, mut subscriber) = (publisher(), subscriber());
        messages(|index| {
            let id = publisher.publish(index).unwrap();
            let slot = blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot;
            subscriber.handle_entry(slot, Entry::message(0, id, index)).unwrap();
            if slot % BATCH == 0 {
                log.borrow_mut().trim(slot);
            }
            delivered(&mut subscriber)
        })
    });
    row("broadcast/Publisher, slot, delivery by reading", || {
        let (counter, log) = (AtomicCounter::new(), log());
        let (mut publisher, mut subscriber) = (publisher(), subscriber());
        messages(|index| {
            publisher.publish(index).unwrap();
            let slot = blocking::settle(&mut publisher, &counter, &log).unwrap().unwrap().slot;
            if slot % BATCH == 0 {
                log.borrow_mut().trim(slot);
            }
            blocking::follow(&mut subscriber, &log, slot * 1_000).unwrap();
            delivered(&mut subscriber)
        })
    });
    // Slots come in groups of 8, the last one first.
    row("window/Subscriber", || {
        let mut subscriber = subscriber();
        messages(|index| {
            if index % 8 == 0 {
                for at in (index + 1..=index + 8).rev() {
                    let entry = Entry::message(0, Dot::new(1, at).unwrap(), at - 1);
                    subscriber.handle_entry(at, entry).unwrap();
                }
            }
            delivered(&mut subscriber)
        })
    });
}

// ---------------------------------------------------------------------------------------------------------------

/// Adds a loop that shows whether counting works: the second row does a tenth more than the first, and both report the
/// same number of operations.
fn canaries(rows: &mut Vec<Row>) {
    let spin = |turns: u64| {
        let sum = measured(|| (0..turns).fold(0, |sum, turn| sum + black_box(turn)));
        assert_eq!(sum, turns * (turns - 1) / 2);
        10_000
    };
    rows.push(("canary".into(), Box::new(move || spin(10_000))));
    rows.push(("canary, a tenth more".into(), Box::new(move || spin(11_000))));
}

fn main() {
    let mut rows = Vec::new();
    delivery(&mut rows);
    version(&mut rows);
    codecs(&mut rows);
    broadcast(&mut rows);
    canaries(&mut rows);

    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => rows.iter().for_each(|(name, _)| println!("{name}")),
        ["--row", wanted] => {
            let (_, run) = rows.iter().find(|(name, _)| name == wanted).expect("a name that `--list` prints");
            println!("{}", run());
        }
        _ => {
            for (_, run) in &rows {
                run();
            }
        }
    }
}
