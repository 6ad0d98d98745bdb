//! The valid resources in the order of the configuration, each with its pool or the reason why its devices are unknown.

use std::sync::Arc;

use sriovdp_agent::config::{ResourceName, ResourceSpec};
use sriovdp_agent::pools::Pool;
use sriovdp_agent::reconcile::{Outcome, Reconciler};

/// A valid resource.
pub(super) struct ShownResource<'a> {
    pub(super) spec: &'a ResourceSpec,
    pub(super) name: &'a ResourceName,
    pub(super) device_type: &'a str,
    pub(super) pool: Result<Arc<Pool>, &'a str>,
}

pub(super) fn resources<'a>(
    state: &'a Reconciler,
    outcome: &'a Outcome,
) -> impl Iterator<Item = ShownResource<'a>> {
    state.specs().iter().filter_map(|spec| {
        let name = &spec.name;
        let (device_type, _) = state
            .providers()
            .device_type(spec.selection.device_type.as_deref())?;
        let pool = match outcome.unknown.get(name) {
            Some(reason) => Err(&**reason),
            None => Ok(state.pool(name)?),
        };
        Some(ShownResource {
            spec,
            name,
            device_type,
            pool,
        })
    })
}
