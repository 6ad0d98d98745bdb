//! The log: structured events on standard error.

use crate::cli::{LogFormat, Logging};

/// Sets up the log of this process.
pub fn start(logging: &Logging) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(logging.log_level)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match logging.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
