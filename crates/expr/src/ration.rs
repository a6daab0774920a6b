//! The allocator of a realm: it holds the runtime to its memory and to its deadline.
//!
//! QuickJS asks its interrupt handler once in ten thousand steps, and a step may be a native
//! function that works for a long time. Such a function allocates, so the deadline is looked at
//! here too (small blocks come from arenas inside QuickJS: what arrives here is a whole arena or a
//! large block). What is wanted after the deadline is refused; QuickJS unwinds as if out of memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kernel::Clock;
use kernel::clock::SystemClock;
use rquickjs::allocator::{Allocator, RustAllocator};

/// The deadline of what runs now, and what was refused to it.
#[derive(Default)]
pub(crate) struct Watch {
    until: Cell<Option<Duration>>,
    fired: Cell<bool>,
    refused: Cell<bool>,
}

impl Watch {
    /// Starts the clock.
    pub(crate) fn begin(&self, limit: Duration) {
        self.fired.set(false);
        self.refused.set(false);
        self.until.set(Some(SystemClock.monotonic().saturating_add(limit)));
    }

    /// Stops the clock; what it found stays.
    pub(crate) fn end(&self) {
        self.until.set(None);
    }

    /// Whether the time was up.
    pub(crate) fn has_fired(&self) -> bool {
        self.fired.get()
    }

    /// Whether memory was refused for want of it.
    pub(crate) fn has_refused(&self) -> bool {
        self.refused.get()
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        let Some(until) = self.until.get() else { return false };
        if !self.fired.get() && SystemClock.monotonic() >= until {
            self.fired.set(true);
        }
        self.fired.get()
    }
}

/// Memory up to a number of bytes, until a deadline.
pub(crate) struct Ration {
    watch: Rc<Watch>,
    bytes_max: usize,
    bytes: usize,
}

impl Ration {
    /// An allocator for one runtime.
    pub(crate) fn new(bytes_max: usize, watch: Rc<Watch>) -> Self {
        Self { watch, bytes_max, bytes: 0 }
    }

    fn grants(&mut self, more: usize) -> bool {
        if self.bytes.saturating_add(more) > self.bytes_max {
            self.watch.refused.set(true);
            return false;
        }
        !self.watch.is_over()
    }

    fn taken(&mut self, pointer: *mut u8) -> *mut u8 {
        self.bytes += size_of(pointer);
        pointer
    }
}

/// Size of a region that `RustAllocator` gave; 0 for null.
#[expect(unsafe_code, reason = "the allocator's interface is unsafe")]
fn size_of(pointer: *mut u8) -> usize {
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: every pointer that comes here was given by `RustAllocator`.
    unsafe { RustAllocator::usable_size(pointer) }
}

// SAFETY: every region comes from, is resized by and goes back to `RustAllocator`, which keeps the
// contract; a refusal is a null pointer, which the contract allows.
#[expect(unsafe_code, reason = "the allocator's interface is unsafe")]
unsafe impl Allocator for Ration {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.grants(size) {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.alloc(size);
        self.taken(pointer)
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.grants(count.saturating_mul(size)) {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.calloc(count, size);
        self.taken(pointer)
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        self.bytes -= size_of(pointer);
        // SAFETY: the caller gives back what `alloc`, `calloc` or `realloc` gave.
        unsafe { RustAllocator.dealloc(pointer) }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, new_size: usize) -> *mut u8 {
        let old_size = size_of(pointer);
        if new_size > old_size && !self.grants(new_size - old_size) {
            return std::ptr::null_mut();
        }
        // SAFETY: as for `dealloc`.
        let moved = unsafe { RustAllocator.realloc(pointer, new_size) };
        if !moved.is_null() {
            self.bytes = self.bytes - old_size + size_of(moved);
        }
        moved
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        size_of(pointer)
    }
}
