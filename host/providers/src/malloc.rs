//! The heap of the C library, which the host shares with its providers.
//!
//! A reconcile of thousands of devices passes JSON of several hundred kilobytes through the ABI, on short-lived threads.
//! By default, the C library keeps an arena for each thread and caches freed memory; that would be most of the memory
//! of this process.

// Tuning the C library's heap is a call into it.
#![allow(unsafe_code, reason = "it calls the C library")]

/// From this size on, freed memory returns to the kernel at once.
const THRESHOLD: i32 = 64 * 1024;

/// Tunes the heap for size. To be called before a second thread starts.
pub fn limit() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` only sets numbers of the allocator; no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, THRESHOLD);
    }
}

/// Returns free memory to the kernel.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
