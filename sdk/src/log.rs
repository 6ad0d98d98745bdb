//! Logging: the macros of the `log` crate, forwarded to the host's log with the provider's name.
//!
//! A shared library has its own copy of every logging library, so nothing that it logs would be seen without this
//! bridge. Use these macros, or any crate that logs through `log`. One line per event at `info`; a device's story
//! belongs to `debug`.

pub use log::{debug, error, info, trace, warn};
