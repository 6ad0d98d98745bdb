//! Metrics of the daemon, in the text formats of Prometheus and OpenMetrics.
//!
//! Counters and histograms are derived from events of the log by a layer of it ([`recorded`]); gauges are read from the
//! status at each scrape ([`gauges`]). Without `--metrics-listen` there is no layer, so counting costs nothing.

mod allocated;
mod gauges;
mod process;
mod recorded;
mod text;

pub use allocated::{Allocated, AllocatedDevices, PodSeries};
pub use recorded::{MetricsLayer, Recorded};
pub use sriovdp_providers::METRICS_TARGET;
pub use text::Format;

use text::Text;

use crate::status::{DaemonStatus, PoolStatus};

/// The page of all metrics; `recorded` is absent where events are not counted.
pub fn render(
    status: &DaemonStatus,
    allocated: &Allocated,
    recorded: Option<&Recorded>,
    format: Format,
) -> String {
    let mut text = Text::new(format);
    gauges::write(&mut text, status, allocated);
    if let Some(recorded) = recorded {
        let pools = status.pools.as_deref();
        let resources = pools.map(|pools| pools.iter().map(PoolStatus::resource).collect());
        recorded.write(&mut text, resources.as_ref());
    }
    process::write(&mut text);
    text.finish()
}
