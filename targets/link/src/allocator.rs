//! An allocator without memory: enough for a library that is built but never run.

use core::alloc::{GlobalAlloc, Layout};

struct NoMemory;

// SAFETY: `alloc` may return a null pointer when there is no memory, and `dealloc` cannot be called, as nothing was
// allocated. The trait is unsafe to implement; there is no safe way to declare an allocator.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;
