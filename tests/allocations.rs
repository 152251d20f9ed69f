//! What allocates, and what does not; and how much.

#![cfg(feature = "alloc")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use happens_before::{CausalOrder, Dot, VersionVector};

thread_local! {
    /// Allocations and bytes held by this thread.
    static COUNTS: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(allocations: usize, bytes: isize) {
    COUNTS.with(|counts| counts.set((counts.get().0 + allocations, counts.get().1 + bytes)));
}

// Safe: everything is passed on to the system's allocator as it is.
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

/// Runs `work`, and returns its result with the allocations that it made and the bytes that it left.
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

/// How many entries live inside the vector itself.
const INLINE: u64 = 8;

fn vector(entries: impl IntoIterator<Item = u64>) -> VersionVector<u64> {
    entries.into_iter().map(|node| (node, 3 + node)).collect()
}

#[test]
fn small_vectors_never_allocate() {
    for n in 0..=INLINE {
        let mut x = allocations(0, || vector(0..n));
        let copy = allocations(0, || x.clone());
        allocations(0, || x.merge(&copy));
        assert_eq!(allocations(0, || x.compare(&copy)), CausalOrder::Equal);
        allocations(0, || x.meet(&copy));
        assert_eq!(allocations(0, || x.difference(&copy).count()), 0);
        if n > 0 {
            allocations(0, || x.increment(n - 1).unwrap());
        }
    }
    // Other ids, as long as the result is small.
    let (mut evens, odds) = (vector([0, 2, 4, 6]), vector([1, 3, 5, 7]));
    allocations(0, || evens.merge(&odds));
    assert_eq!(evens.len(), 8);
    assert_eq!(allocations(0, || odds.compare(&evens)), CausalOrder::Before);
    allocations(0, || evens.retain(|node, _| node % 2 == 0));
    allocations(0, || evens.observe(&Dot::new(9, 1).unwrap()));
}

#[test]
fn vectors_with_the_same_ids_never_allocate() {
    for n in [INLINE + 1, 16, 64, 1_023, 1_024, 10_000] {
        let (mut x, y) = (vector(0..n), vector(0..n));
        allocations(0, || x.merge(&y));
        assert_eq!(allocations(0, || x.compare(&y)), CausalOrder::Equal);
        allocations(0, || x.meet(&y));
        allocations(0, || x.increment(n / 2).unwrap());
        // One for the ids, one for the counters.
        allocations(2, || x.clone());
    }
}

#[test]
fn an_entry_takes_16_bytes_of_the_heap() {
    for n in [9, 17, 1_000, 1_025, 100_000] {
        let (_, _, collected) = measure(|| vector(0..n));
        assert_eq!(collected, 16 * n as isize);

        let (_, _, shrunk) = measure(|| {
            let mut vector = VersionVector::new();
            for node in (0..n).rev() {
                vector.increment(node).unwrap();
            }
            vector.shrink_to_fit();
            vector
        });
        assert_eq!(shrunk, 16 * n as isize);
    }
}
