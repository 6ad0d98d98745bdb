//! What the findings about a device mean for one resource: a function of values.

use std::sync::Arc;

use sriovdp_sdk::{Cause, Finding};

use super::Health;
use crate::config::CountedFindings;

const RESTLESS: &str = "its link comes and goes; it counts as down until it has held for 5 seconds";

/// The health of a device by the `findings` that a resource counts; `is_restless` is for a link that comes and goes.
pub fn judge<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    is_restless: bool,
    counted: CountedFindings,
) -> Health {
    if is_restless && counted.count(Cause::Link) {
        return Health::Unhealthy(RESTLESS.into());
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
        let findings = [Cause::Link, Cause::Existence, Cause::Other]
            .map(|cause| Finding::new(cause, format!("{cause:?}")));
        for (link, existence, expected) in [
            (true, true, "Link"),
            (false, true, "Existence"),
            (true, false, "Link"),
            (false, false, "Other"),
        ] {
            let counted = CountedFindings { link, existence };
            let health = judge(&findings, false, counted);
            assert_eq!(health, Health::Unhealthy(expected.into()));
            let restless = judge(&findings[2..], true, counted);
            assert_eq!(restless == Health::Unhealthy(RESTLESS.into()), link);
        }
        let counted = CountedFindings {
            link: false,
            existence: false,
        };
        assert_eq!(judge(&findings[..2], true, counted), Health::Healthy);
    }
}
