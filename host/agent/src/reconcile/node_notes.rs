//! What a user has to know about the resources on this node, although nothing is wrong with the configuration.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use sriovdp_sdk::{DeviceId, Error};

use super::Reconciler;
use crate::pools::{Pool, Resource};
use sriovdp_providers::Matches;

/// A device that the selectors of a resource match, and that its provider keeps out all the same.
#[derive(Debug)]
pub struct KeptOut<'a> {
    resource: &'a Resource,
    device: &'a DeviceId,
    reason: &'a str,
}

impl Reconciler {
    /// What providers warn of, for each resource that has a device on this node.
    pub fn node_warnings(&self) -> Vec<Error> {
        let mut warnings = Vec::new();
        for (resource, selectors) in self.admitted_by_resource() {
            let on_this_node = selectors
                .iter()
                .filter(|admitted| !admitted.devices.is_empty());
            let mut of_resource = Vec::new();
            for warning in on_this_node.flat_map(|admitted| &admitted.warnings) {
                let prefixed = Error::new(format!("`{}`: {warning}", resource.name));
                let prefixed = warning.causes().fold(prefixed, Error::caused_by);
                let warning = match warning.hint() {
                    Some(hint) => prefixed.with_hint(hint),
                    None => prefixed,
                };
                if !of_resource.contains(&warning) {
                    of_resource.push(warning);
                }
            }
            warnings.extend(of_resource);
        }
        warnings
    }

    /// The devices that no pool has because a provider keeps them out of a resource that matches them.
    pub fn kept_out(&self) -> Vec<KeptOut<'_>> {
        let keeps_out = |selectors: &[Matches]| selectors.iter().any(|s| !s.kept_out.is_empty());
        let resources = self.admitted_by_resource();
        let resources: Vec<_> = resources.filter(|(_, s)| keeps_out(s)).collect();
        if resources.is_empty() {
            return Vec::new();
        }
        let pools: Vec<Arc<Pool>> = self.pools().collect();
        let members = pools.iter().flat_map(|pool| &pool.devices);
        let members = members.filter(|device| !device.health.is_removed());
        let members: HashSet<&DeviceId> = members.map(|device| &device.id).collect();
        let mut kept_out = Vec::new();
        for (resource, selectors) in resources {
            let found = self.scan.found(&resource.device_type).into_iter();
            let found = found.flat_map(|found| &found.devices);
            for device in found.filter(|found| !members.contains(&found.id)) {
                let mut reasons = selectors.iter().map(|s| s.kept_out.get(&device.id));
                kept_out.extend(reasons.find_map(|reason| {
                    Some(KeptOut {
                        resource,
                        device: &device.id,
                        reason: reason?,
                    })
                }));
            }
        }
        kept_out
    }

    fn admitted_by_resource(&self) -> impl Iterator<Item = (&Resource, &Vec<Matches>)> {
        let resources = self.resources.iter().map(Arc::as_ref);
        resources.zip(&self.admitted)
    }
}

impl fmt::Display for KeptOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, device) = (&self.resource.name, self.device);
        write!(f, "`{resource}` is without `{device}`: {}", self.reason)
    }
}
