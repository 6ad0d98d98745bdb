//! Metrics of the daemon, in the text formats of Prometheus and OpenMetrics.
//!
//! What happens is counted by a layer of the log: an event has a name, values and, in milliseconds or less, a duration, and
//! a counter or a histogram follows from it ([`recorded`]). What is, such as the devices of a pool, is read from the
//! state when a scraper asks ([`gauges`]). Without `--metrics-listen` there is no layer, so counting costs nothing.

mod gauges;
mod http;
mod process;
mod recorded;
mod text;

pub use http::MetricsServer;
pub use recorded::{MetricsLayer, Recorded};
pub use sriovdp_providers::METRICS_TARGET;
pub use text::Format;

use text::Text;

use crate::status::DaemonStatus;

/// The page of all metrics; `recorded` is absent where events are not counted.
pub fn render(status: &DaemonStatus, recorded: Option<&Recorded>, format: Format) -> String {
    let mut text = Text::new(format);
    gauges::write(&mut text, status);
    if let Some(recorded) = recorded {
        recorded.write(&mut text);
    }
    process::write(&mut text);
    text.finish()
}
