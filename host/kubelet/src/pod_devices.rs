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

    /// All devices of pods, each with its resources.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let devices = self.0.iter();
        devices.map(|(id, resources)| (id.as_str(), resources.as_slice()))
    }

    pub(super) fn add(&mut self, resource: &str, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            let resources = self.0.entry(id).or_default();
            if !resources.iter().any(|known| known == resource) {
                resources.push(resource.to_owned());
            }
        }
    }
}
