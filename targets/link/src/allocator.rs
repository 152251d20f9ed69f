//! An allocator that has nothing to give: enough for a library that is built but never run.

use core::alloc::{GlobalAlloc, Layout};

struct NoMemory;

// SAFETY: a null pointer is what `alloc` returns when there is no memory, and nothing was allocated that
// `dealloc` could be called with. The trait is unsafe to implement; there is no safe way to declare one.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;
