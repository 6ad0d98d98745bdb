//! The log: structured events on standard error.

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;

use crate::cli::{LogFormat, Logging};
use sriovdp_report::Escaped;

/// Sets up the log of this process.
pub fn start(logging: &Logging) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(logging.log_level)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match logging.log_format {
        // JSON escapes by itself. A text may be a peer's or a provider's, and none may forge a line.
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                match field.name() {
                    "message" => write!(writer, "{}", Escaped(&value)),
                    name => write!(writer, "{name}={}", Escaped(&value)),
                }
            });
            builder.fmt_fields(fields.delimited(" ")).init();
        }
        LogFormat::Json => builder.json().init(),
    }
}
