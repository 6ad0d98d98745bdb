//! The resources of the configuration in its order, each with its pool, or with the reason why its devices are not known.

use std::sync::Arc;

use sriovdp_agent::config::{ResourceName, ResourceSpec};
use sriovdp_agent::pools::Pool;
use sriovdp_agent::reconcile::{Outcome, Reconciler};

/// One resource that is not refused.
pub(super) struct ShownResource<'a> {
    pub(super) spec: &'a ResourceSpec,
    pub(super) name: &'a ResourceName,
    pub(super) device_type: &'a str,
    pub(super) pool: Result<Arc<Pool>, &'a str>,
}

pub(super) fn resources<'a>(
    state: &'a Reconciler,
    look: &'a Outcome,
) -> impl Iterator<Item = ShownResource<'a>> {
    state.specs().iter().filter_map(|spec| {
        let name = &spec.name;
        let (device_type, _) = state
            .providers()
            .device_type(spec.selection.device_type.as_deref())?;
        let pool = match look.unknown.get(name) {
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
