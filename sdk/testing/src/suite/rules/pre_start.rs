//! What happens right before a container starts.

use super::allocated::for_each_match;
use crate::suite::subject::with_causes;
use crate::suite::{Case, Violation};
use sriovdp_provider_abi::feature;

/// The call before a container starts ends in time, succeeds for each healthy device that is handed out, and succeeds again
/// when the container starts again.
///
/// # Errors
///
/// The device that is not prepared, or once only.
pub(super) fn pre_start(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        let features = &subject.manifest.features;
        if !features.iter().any(|name| name == feature::PRE_START) {
            return Ok(());
        }
        subject.discover_all(stage)?;
        for_each_match(subject, |matched| {
            let (selectors, id) = (matched.selectors, matched.id);
            if subject.allocate(selectors, id)?.is_err() {
                return Ok(());
            }
            match subject.pre_start(selectors, id)? {
                Err(error) if matched.is_healthy => {
                    return Err(Violation::new(format!(
                        "`pre_start` refuses the healthy device `{id}`: {}",
                        with_causes(&error)
                    )));
                }
                Err(_) => return Ok(()),
                Ok(_) => {}
            }
            match subject.pre_start(selectors, id)? {
                Err(error) => Err(Violation::new(format!(
                    "`pre_start` prepares `{id}` for the first start of a container, and refuses the next one: {}",
                    with_causes(&error)
                ))),
                Ok(_) => Ok(()),
            }
        })
    })
}
