//! Attacks on the real program, with bounds: `make attack` runs them, and `cargo test` does not.
//!
//! The bounds are those of SECURITY.md. Memory is compared with that of the same process before the attack, because a
//! debug build has larger libraries.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue panics with its line"
)]
#![allow(
    clippy::print_stdout,
    reason = "a test prints what it skips and what it measured"
)]

#[allow(dead_code, unused_imports, reason = "shared with the other tests")]
#[path = "../it/test_node.rs"]
mod test_node;

/// A process, and what it may take of the machine.
mod bounds;
/// Frames, streams and connections in masses.
mod floods;
/// Files that are none, that are too large, or that are too many.
mod junk;
/// A process that is killed again and again.
mod kills;
/// Too few threads and descriptors.
#[path = "../it/limits.rs"]
mod limits;
/// Many resources in one file.
mod many;
/// Requests that no kubelet sends.
mod requests;
/// A provider that hangs while there is no other thread.
mod threads;
