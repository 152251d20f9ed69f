//! Tests of memory: the operations that allocate, the operations that do not, and the bytes that they take.

#![cfg(feature = "alloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use happens_before::delivery::{Accepted, BufferLimits};
use happens_before::{CausalBuffer, CausalOrder, Dot, Message, VersionVector};

thread_local! {
    /// Allocations and bytes held by this thread.
    static COUNTS: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(allocations: usize, bytes: isize) {
    COUNTS.with(|counts| counts.set((counts.get().0 + allocations, counts.get().1 + bytes)));
}

// Safe: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`; returns its result, the allocations that it made, and the bytes still allocated afterwards.
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, isize) {
    let before = COUNTS.get();
    let result = black_box(work());
    let after = COUNTS.get();
    (result, after.0 - before.0, after.1 - before.1)
}

#[track_caller]
fn allocations<T>(expected: usize, work: impl FnOnce() -> T) -> T {
    let (result, allocations, _) = measure(work);
    assert_eq!(allocations, expected);
    result
}

/// The number of entries that live inside the vector itself.
/// The number of entries that need no allocation, and the number of those that are pairs in one.
const IN_PLACE: u64 = 3;
const PAIRS: u64 = 31;

fn vector(entries: impl IntoIterator<Item = u64>) -> VersionVector<u64> {
    entries.into_iter().map(|node| (node, 3 + node)).collect()
}

#[test]
fn small_vectors_never_allocate() {
    for n in 0..=IN_PLACE {
        let mut x = allocations(0, || vector((0..n).rev()));
        let copy = allocations(0, || x.clone());
        allocations(0, || x.merge(&copy));
        assert_eq!(allocations(0, || x.compare(&copy)), CausalOrder::Equal);
        assert!(allocations(0, || x.contains_all(&copy)));
        allocations(0, || x.meet(&copy));
        assert_eq!(allocations(0, || x.difference(&copy).count()), 0);
        if n > 0 {
            allocations(0, || x.increment(n - 1).unwrap());
        }
        assert_eq!(allocations(0, || copy.into_iter().rev().count()), n as usize);
    }
    // Other ids do not allocate either if the result is small.
    let (mut evens, odd) = (vector([0, 2]), vector([1]));
    allocations(0, || evens.merge(&odd));
    assert_eq!(evens.len(), 3);
    assert_eq!(allocations(0, || odd.compare(&evens)), CausalOrder::Before);
    allocations(0, || evens.retain(|node, _| node % 2 == 0));
    allocations(0, || evens.observe(&Dot::new(9, 1).unwrap()));
    allocations(0, || evens.subtract(&odd));
    allocations(0, || evens.shrink_to_fit());
}

#[test]
fn vectors_with_the_same_ids_never_allocate() {
    for n in [IN_PLACE + 1, 16, PAIRS, PAIRS + 1, 64, 1_023, 1_024, 10_000] {
        let (mut x, y) = (vector(0..n), vector(0..n));
        allocations(0, || x.merge(&y));
        assert_eq!(allocations(0, || x.compare(&y)), CausalOrder::Equal);
        allocations(0, || x.meet(&y));
        allocations(0, || x.increment(n / 2).unwrap());
        // One for the pairs; or for the ids, the counters and what is known of both.
        allocations(if n <= PAIRS { 1 } else { 3 }, || x.clone());
        assert_eq!(allocations(0, || y.into_iter().count()), n as usize);
    }
}

#[test]
fn an_entry_takes_16_bytes_of_the_heap() {
    for n in [0, 1, 2, 3, 4, 9, 17, 31, 32, 1_000, 1_025, 100_000] {
        let bytes = match n {
            0..=IN_PLACE => 0,
            4..=PAIRS => 16 * n as isize,
            _ => 16 * n as isize + 64,
        };
        let (_, _, collected) = measure(|| vector(0..n));
        assert_eq!(collected, bytes);

        let (_, _, shrunk) = measure(|| {
            let mut vector = VersionVector::new();
            for node in (0..n).rev() {
                vector.increment(node).unwrap();
            }
            vector.shrink_to_fit();
            vector
        });
        assert_eq!(shrunk, bytes);

        let (_, _, retained) = measure(|| {
            let mut vector = vector(0..n + 40);
            vector.retain(|&node, _| node < n);
            vector.shrink_to_fit();
            vector
        });
        assert_eq!(retained, bytes);
    }
}

type Msg = Message<u64, u64>;

/// Messages of these nodes with three dependencies each, in order; the first one of each node is left out.
fn held_messages(nodes: u64, count: u64) -> Vec<Msg> {
    let message = |number: u64| {
        let (node, counter) = (number % nodes, number / nodes + 2);
        let dependencies = (1..=3).map(|other| Dot::new((node + other) % nodes, counter - 1).unwrap());
        Message::new(Dot::new(node, counter).unwrap(), dependencies, number).unwrap()
    };
    (0..count).map(message).collect()
}

fn shuffle(messages: &mut [Msg]) {
    let mut state = 1_u64;
    for at in (1..messages.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        messages.swap(at, (state >> 33) as usize % (at + 1));
    }
}

/// Holds the messages. Returns the most bytes a message in addition to the message itself, counted from half of the
/// messages on, which includes every growth of an array in between.
fn bytes_a_message(messages: &[Msg], sources: u64) -> f64 {
    let mut buffer = CausalBuffer::new(BufferLimits::default());
    let (mut held, mut most) = (0, 0.0);
    for (count, message) in (1..).zip(messages) {
        // Three dependencies do not fit into a message: they have a separate allocation.
        let (message, _, dependencies) = measure(|| message.clone());
        let ((), _, bytes) = measure(|| {
            let source = count % (sources + 1);
            let accepted =
                if source == 0 { buffer.accept(message) } else { buffer.accept_from(&source, message) };
            assert_eq!(accepted, Ok(Accepted::Held));
        });
        assert!(dependencies > 0);
        held += bytes - size_of::<Msg>() as isize;
        if count >= messages.len() as u64 / 2 {
            most = f64::max(most, held as f64 / count as f64);
        }
    }
    most
}

#[test]
fn a_held_message_takes_at_most_96_bytes_beyond_itself() {
    for nodes in [8, 64] {
        let in_order = held_messages(nodes, 10_000);
        let mut reversed = in_order.clone();
        reversed.reverse();
        let mut shuffled = in_order.clone();
        shuffle(&mut shuffled);
        // Each message waits for one that is not here. Only counters that lie far apart would be worse.
        let gaps: Vec<_> = held_messages(nodes, 20_000);
        let gaps: Vec<_> = gaps.into_iter().filter(|message| message.dot().counter() % 2 == 1).collect();
        for (name, messages) in
            [("in order", in_order), ("reversed", reversed), ("shuffled", shuffled), ("gaps", gaps)]
        {
            for sources in [0, 4] {
                let bytes = bytes_a_message(&messages, sources);
                assert!(bytes <= 96.0, "{nodes} nodes, {name}, {sources} sources: {bytes}");
            }
        }
    }
}
