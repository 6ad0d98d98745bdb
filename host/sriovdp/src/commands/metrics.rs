//! `sriovdp metrics`: prints the page of metrics once, for scrapers that read files.

use std::path::Path;

use super::Output;
use super::daemon::query;
use sriovdp_agent::observers::{Check, MetricsPage};

pub(super) async fn metrics(output: &mut Output, directory: &Path) {
    match query::<MetricsPage>(directory, Check::Metrics).await {
        Ok(metrics) => output.raw(&metrics.text),
        Err(error) => output.error(&error),
    }
}
