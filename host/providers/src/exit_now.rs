//! The end of a process that has libraries of others in it.
//!
//! An ordinary exit runs their destructors and takes the dynamic linker's lock, so one that hangs, in there or in a
//! constructor before, would keep the process from ending.

// Ending at once is a call into the C library.
#![allow(unsafe_code, reason = "it calls the C library")]

/// Ends the process without running anything of anybody. Whatever has to be written is written before.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes no pointer and does not return; no code runs in this process after it.
    unsafe { libc::_exit(i32::from(code)) }
}
