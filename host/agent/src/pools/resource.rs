//! A resolved resource: each part of its selectors belongs to a provider.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::config::{AdditionalInfo, AllocationPolicy, HealthChecks, ResourceName};
use sriovdp_providers::Provider;

/// One resource that can be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its name for the kubelet.
    pub name: ResourceName,
    /// The device type that its devices are of.
    pub device_type: String,
    /// The class part of the CDI kind of its devices.
    pub cdi_class: String,
    /// The alternatives, in the configuration's order. A device is allocated by the first one that it matches.
    pub selectors: Vec<Selector>,
    /// Whether NUMA nodes are withheld from the kubelet.
    pub exclude_topology: bool,
    /// Which of its devices a container preferably gets.
    pub allocation_policy: AllocationPolicy,
    /// What makes one of its devices unhealthy.
    pub health: HealthChecks,
    /// Further values for the container.
    pub additional_info: Option<AdditionalInfo>,
}

impl Resource {
    /// The timeout of all calls of one Allocate together.
    pub fn allocate_timeout(&self) -> Duration {
        let mut parts = self.selectors.iter().flat_map(|s| &s.provider_selectors);
        let timeouts = parts.next().map(|part| part.provider.timeouts());
        timeouts.unwrap_or_default().answer
    }

    /// Whether a provider prepares devices before their container starts.
    pub fn has_pre_start(&self) -> bool {
        let mut parts = self.selectors.iter().flat_map(|s| &s.provider_selectors);
        parts.any(|part| part.provider.has_pre_start())
    }

    /// As [`Resource::same_selector`], for a device whose selector may be unknown.
    pub fn selector_now(&self, before: &Self, position: Option<usize>) -> Option<usize> {
        if std::ptr::eq(self, before) {
            return position;
        }
        self.same_selector(before, position?)
    }

    /// The position of the selector that was the one at `position` in `before`, an earlier state of the resource.
    pub fn same_selector(&self, before: &Self, position: usize) -> Option<usize> {
        let selector = before.selectors.get(position)?;
        self.selectors
            .iter()
            .position(|known| known.is_same(selector))
    }
}

/// One selector object: a device has to match every part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The owner's part first, then those of the extensions whose keys the object has.
    pub provider_selectors: Vec<ProviderSelector>,
}

impl Selector {
    /// The parts of what the owner hands out that extensions replace.
    pub fn replaced(&self) -> Vec<String> {
        let extensions = self.provider_selectors.iter().skip(1);
        let replaced = extensions.flat_map(|part| &part.provider.manifest().replaces);
        replaced.cloned().collect()
    }

    /// Whether it has the same keys of the same providers, whichever version of each is loaded.
    fn is_same(&self, other: &Self) -> bool {
        let parts = |selector: &Self| -> Vec<(String, Value)> {
            let parts = selector.provider_selectors.iter();
            parts
                .map(|part| (part.provider.file_name(), part.selectors.clone()))
                .collect()
        };
        parts(self) == parts(other)
    }
}

/// One provider's part of a selector object.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSelector {
    /// The provider that declares the keys.
    pub provider: Arc<Provider>,
    /// The provider's keys, in its own spelling.
    pub selectors: Value,
    /// The provider's section of the configuration.
    pub settings: Option<Arc<Value>>,
}
