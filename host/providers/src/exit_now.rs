//! The end of a process that has loaded providers.
//!
//! An ordinary exit runs the destructors of all libraries and takes the dynamic linker's lock, so a provider that hangs
//! there would keep the process from ending.

// Ending at once is a call into the C library.
#![allow(unsafe_code, reason = "it calls the C library")]

/// Ends the process without destructors and without flushing buffers.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes no pointer and does not return; no code runs in this process after it.
    unsafe { libc::_exit(i32::from(code)) }
}
