//! What happens right before a container starts.

use serde_json::json;

use crate::suite::subject::with_causes;
use crate::suite::{Case, Violation};
use sriovdp_provider_abi::feature;

/// The call before a container starts ends in time, and a container that starts again is prepared again.
///
/// # Errors
///
/// The device that is prepared once only.
pub(super) fn pre_start(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        let features = &subject.manifest.features;
        if !features.iter().any(|name| name == feature::PRE_START) {
            return Ok(());
        }
        subject.discover_all(stage)?;
        let selectors = json!({});
        for id in subject.select(&selectors)?.unwrap_or_default() {
            if subject.pre_start(&selectors, &id)?.is_err() {
                continue;
            }
            if let Err(error) = subject.pre_start(&selectors, &id)? {
                return Err(Violation::new(format!(
                    "`pre_start` prepares `{id}` for the first start of a container, and refuses the next one: {}",
                    with_causes(&error)
                )));
            }
        }
        Ok(())
    })
}
