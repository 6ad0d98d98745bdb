//! The heap that the host shares with its providers: every library in the process allocates from the same C library.
//!
//! A look at thousands of devices passes texts of several hundred kilobytes through the library boundary, on threads
//! that come and go. Left to itself, the C library gives each thread a part of the heap of its own and keeps what was
//! freed for the next look, which is minutes away; that would be most of the memory of this process.

// Tuning the C library's heap is a call into it.
#![allow(unsafe_code, reason = "it calls the C library")]

/// From this size on, memory is returned to the kernel as soon as it is freed.
const LARGE: i32 = 64 * 1024;

/// Makes the heap small rather than fast. To be called before there is a second thread.
pub fn limit() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` only sets numbers of the allocator; no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Returns what is free to the kernel.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
