//! The health of a device for one resource, by its findings: a function of values.

use std::sync::Arc;

use sriovdp_sdk::{Finding, FindingKind};

use super::{Health, UnhealthyKind};
use crate::config::HealthChecks;

const FLAPPING: &str = "link is flapping; treated as down until it has been up for 5 s";

/// The health of a device by the `findings` that a resource counts; `is_flapping` is for its link.
pub fn evaluate_health<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    is_flapping: bool,
    counted: HealthChecks,
) -> Health {
    if is_flapping && counted.count(FindingKind::Link) {
        return Health::Unhealthy {
            kind: UnhealthyKind::Link,
            reason: FLAPPING.into(),
        };
    }
    let counts = |finding: &&Finding| counted.count(finding.cause);
    match findings.into_iter().find(counts) {
        Some(finding) => Health::Unhealthy {
            kind: finding.cause.into(),
            reason: Arc::from(finding.reason.as_str()),
        },
        None => Health::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counted_findings_make_a_device_unhealthy() {
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
            assert_eq!(health.reason(), Some(expected));
            let flapping = evaluate_health(&findings[2..], true, counted);
            assert_eq!(flapping.reason() == Some(FLAPPING), link);
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
