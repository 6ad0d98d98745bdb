//! The devices of pods, as a value.

use std::collections::HashMap;

/// The devices of pods: for each device id, the resources under which pods have the device. These are more than one
/// where a device has moved to another resource, and a pod that has it by the earlier one is not deleted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDevices(HashMap<String, Vec<String>>);

impl PodDevices {
    /// Whether no pod has any device.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The resources under which pods have the device.
    pub fn resources_of(&self, id: &str) -> &[String] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether a pod has the device under `resource`.
    pub fn is_in_use(&self, resource: &str, id: &str) -> bool {
        self.resources_of(id).iter().any(|owner| owner == resource)
    }

    /// Whether pods have devices under `resource`.
    pub fn any_of(&self, resource: &str) -> bool {
        let mut owners = self.0.values().flatten();
        owners.any(|owner| owner == resource)
    }

    /// All devices of pods, each with its resources.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let devices = self.0.iter();
        devices.map(|(id, resources)| (id.as_str(), resources.as_slice()))
    }

    /// Adds devices of one container. Repeated resources of a device remain until [`normalized`](Self::normalized).
    pub(super) fn add(&mut self, resource: &str, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            let resources = self.0.entry(id).or_default();
            if resources.last().is_none_or(|last| last != resource) {
                resources.push(resource.to_owned());
            }
        }
    }

    /// With each resource of a device once, in order. Comparing in [`add`](Self::add) would be quadratic for a device
    /// with many resources.
    pub(super) fn normalized(mut self) -> Self {
        for resources in self.0.values_mut() {
            resources.sort_unstable();
            resources.dedup();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_resources_of_one_device_take_no_quadratic_time() {
        let mut devices = PodDevices::default();
        for n in 0..200_000 {
            devices.add(&format!("r{}", n % 100_000), ["x".to_owned()]);
        }
        let devices = devices.normalized();
        assert_eq!(devices.resources_of("x").len(), 100_000);
        assert!(devices.is_in_use("r99999", "x"));
    }
}
