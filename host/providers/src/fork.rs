//! A second process in the state of this one.

// `fork` is a call into the C library.
#![allow(unsafe_code, reason = "it calls the C library")]

use std::io;

use rustix::process::Pid;

/// Forks this process, which must have one thread. Returns nothing in the child.
///
/// # Errors
///
/// When the system starts no process.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: no other thread can have a lock that the child would wait for, because the caller has the only thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}
