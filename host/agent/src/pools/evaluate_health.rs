//! What the findings about a device mean for one resource: a function of values.

use std::sync::Arc;

use sriovdp_sdk::{Finding, FindingKind};

use super::Health;
use crate::config::HealthChecks;

const FLAPPING: &str = "its link comes and goes; it counts as down until it has held for 5 seconds";

/// The health of a device by the `findings` that a resource counts; `is_flapping` is for a link that comes and goes.
pub fn evaluate_health<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    is_flapping: bool,
    counted: HealthChecks,
) -> Health {
    if is_flapping && counted.count(FindingKind::Link) {
        return Health::Unhealthy(FLAPPING.into());
    }
    let counts = |finding: &&Finding| counted.count(finding.cause);
    match findings.into_iter().find(counts) {
        Some(finding) => Health::Unhealthy(Arc::from(finding.reason.as_str())),
        None => Health::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counts_counts() {
        let findings = [
            FindingKind::Link,
            FindingKind::DeviceNode,
            FindingKind::Other,
        ]
        .map(|cause| Finding::new(cause, format!("{cause:?}")));
        for (link, existence, expected) in [
            (true, true, "Link"),
            (false, true, "DeviceNode"),
            (true, false, "Link"),
            (false, false, "Other"),
        ] {
            let counted = HealthChecks { link, existence };
            let health = evaluate_health(&findings, false, counted);
            assert_eq!(health, Health::Unhealthy(expected.into()));
            let restless = evaluate_health(&findings[2..], true, counted);
            assert_eq!(restless == Health::Unhealthy(FLAPPING.into()), link);
        }
        let counted = HealthChecks {
            link: false,
            existence: false,
        };
        assert_eq!(
            evaluate_health(&findings[..2], true, counted),
            Health::Healthy
        );
    }
}
