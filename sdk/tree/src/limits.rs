//! How much of a node is read or written.

use std::time::Duration;

/// The limits of [`capture`](crate::capture) and [`restore`](crate::restore). A node with 4096 virtual functions has
/// a fifth of the default.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Files, links and directories.
    pub files: usize,
    /// Bytes of names and contents.
    pub bytes: usize,
    /// How long a capture may take. A single read that blocks is not interrupted.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 1 << 19,
            bytes: 64 << 20,
            time: Duration::from_secs(20),
        }
    }
}
