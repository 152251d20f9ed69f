//! Any bytes, read as an editing trace, plain and compressed: the result is a history, or an error of one line. Memory
//! stays within the budget, plus a constant that the readers always take.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::{Compression, write::GzEncoder};
use happens_before_lab::budget::Budget;
use happens_before_lab::history::trace;
use libfuzzer_sys::fuzz_target;

/// The bytes allocated now, and the most so far.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// Safe: every call is passed on unchanged to the system's allocator. `realloc` is made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The memory of buffers and of gzip.
const ALWAYS: usize = 256 << 10;

fn read(content: &[u8], limit: usize) -> Result<usize, String> {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let read = trace::decode(Path::new("trace"), content, &Budget::new(limit));
    // A growing list exists twice for a moment.
    assert!(MOST.load(Relaxed) - before <= 2 * limit + ALWAYS);
    match read {
        Ok(history) => {
            for event in 0..history.len() as u32 {
                assert!(history.parents(event).iter().all(|&parent| parent < event));
                assert_eq!(history.event(history.dot(event)), Some(event));
            }
            Ok(history.len())
        }
        Err(error) => {
            let line = error.to_string();
            assert!(line.len() < 2000 && !line.chars().any(char::is_control), "{line}");
            Err(line)
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).expect("memory");
    let packed = packed.finish().expect("memory");
    for limit in [1 << 10, 1 << 14, 1 << 24] {
        let plain = read(bytes, limit);
        // Input that is compressed already is decompressed only once.
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            // The first of several mistakes may differ, since the input is read in other pieces.
            assert_eq!(read(&packed, limit).ok(), plain.ok());
        }
    }
});
