//! A resource whose selectors have a meaning: each is bound to the providers that understand it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::AllocationPolicy;
use crate::config::{AdditionalInfo, HealthChecks, ResourceName};
use sriovdp_providers::Provider;

/// One resource that can be offered.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// How the kubelet knows it.
    pub name: ResourceName,
    /// The device type that its devices are of.
    pub device_type: String,
    /// The class part of the CDI kind of its devices.
    pub cdi_class: String,
    /// The alternatives, in the configuration's order. The first one that admits a device decides what it comes with.
    pub selectors: Vec<Selector>,
    /// Whether the kubelet is not told the NUMA nodes.
    pub exclude_topology: bool,
    /// Which of its devices a container is better off with.
    pub allocation_policy: AllocationPolicy,
    /// What makes one of its devices unhealthy.
    pub health: HealthChecks,
    /// Further values for the container.
    pub additional_info: Option<AdditionalInfo>,
}

impl Resource {
    /// How long all questions of one Allocate may take together.
    pub fn allocate_timeout(&self) -> Duration {
        let mut facets = self.selectors.iter().flat_map(|selector| &selector.facets);
        let timeouts = facets.next().map(|facet| facet.provider.timeouts());
        timeouts.unwrap_or_default().answer
    }

    /// The position of the selector that was the one at `position` in `before`, an earlier state of the resource.
    pub fn same_selector(&self, before: &Self, position: usize) -> Option<usize> {
        let selector = before.selectors.get(position)?;
        self.selectors
            .iter()
            .position(|known| known.is_same(selector))
    }
}

/// One selector object: a device has to satisfy every facet of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The owner's facet first, then those of the extensions whose keys the object uses.
    pub facets: Vec<ProviderSelector>,
}

impl Selector {
    /// Whether it asks the same of the same providers, whichever version of each is loaded.
    fn is_same(&self, other: &Self) -> bool {
        let parts = |selector: &Self| -> Vec<(String, Value)> {
            let facets = selector.facets.iter();
            facets
                .map(|facet| (facet.provider.file_name(), facet.selectors.clone()))
                .collect()
        };
        parts(self) == parts(other)
    }
}

/// One provider's part of a selector object.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSelector {
    /// Who understands it.
    pub provider: Arc<Provider>,
    /// The provider's keys, in its own spelling.
    pub selectors: Value,
}
