//! Notes about the resources on this node, although nothing is wrong with the configuration.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use sriovdp_sdk::{DeviceId, Error};

use super::Reconciler;
use super::snapshot::MatchedResource;
use crate::pools::Resource;

/// A device that matches a resource, and that the resource does not get all the same.
#[derive(Debug)]
pub struct KeptOut<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// The device.
    pub device: &'a DeviceId,
    /// Why.
    pub reason: Cow<'a, str>,
}

impl Reconciler {
    /// The warnings of providers, for each resource that has a device on this node.
    pub fn node_warnings(&self) -> Vec<Error> {
        let mut warnings = Vec::new();
        for matched in &self.snapshot.resources {
            let name = &matched.resource.name;
            let on_this_node = matched.matches.iter().filter(|m| !m.devices.is_empty());
            let mut of_resource = Vec::new();
            for warning in on_this_node.flat_map(|matches| &matches.warnings) {
                let prefixed = Error::new(format!("`{name}`: {warning}"));
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

    /// The devices that no pool has because a provider keeps them out of a resource that they match.
    pub fn kept_out(&self) -> Vec<KeptOut<'_>> {
        let resources = self.snapshot.resources.iter();
        let keep_out = |matched: &&MatchedResource| {
            let mut matches = matched.matches.iter();
            matches.any(|matches| !matches.kept_out.is_empty())
        };
        let resources: Vec<&MatchedResource> = resources.filter(keep_out).collect();
        if resources.is_empty() {
            return Vec::new();
        }
        let pools = self.servers.pools();
        let members = pools.iter().flat_map(|pool| pool.present());
        let members: HashSet<&DeviceId> = members.map(|device| &device.id).collect();
        let mut all = Vec::new();
        for matched in resources {
            let mut kept_out = BTreeMap::new();
            // The first selector that a device matches has the reason.
            for matches in matched.matches.iter().rev() {
                kept_out.extend(&matches.kept_out);
            }
            kept_out.retain(|id, _| !members.contains(id));
            all.extend(kept_out.into_iter().map(|(device, reason)| KeptOut {
                resource: &matched.resource,
                device,
                reason: Cow::Borrowed(reason.as_str()),
            }));
        }
        all
    }
}

impl fmt::Display for KeptOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, device) = (&self.resource.name, self.device);
        write!(f, "`{resource}` is without `{device}`: {}", self.reason)
    }
}
