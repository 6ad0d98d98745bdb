//! A resource whose selectors have a meaning: each is bound to the providers that understand it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::AllocationPolicy;
use crate::config::{AdditionalInfo, CountedFindings, ResourceName};
use crate::providers::Provider;

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
    pub health: CountedFindings,
    /// Further values for the container.
    pub additional_info: Option<AdditionalInfo>,
}

impl Resource {
    /// How long all questions of one Allocate may take together.
    pub fn allocate_budget(&self) -> Duration {
        let mut facets = self.selectors.iter().flat_map(|selector| &selector.facets);
        let budgets = facets.next().map(|facet| facet.provider.budgets());
        budgets.unwrap_or_default().answer
    }
}

/// One selector object: a device has to satisfy every facet of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The owner's facet first, then those of the extensions whose keys the object uses.
    pub facets: Vec<Facet>,
}

impl Selector {
    /// What of it the owner of the device type understands.
    pub fn owners_part(&self) -> Self {
        Self {
            facets: self.facets.iter().take(1).cloned().collect(),
        }
    }
}

/// One provider's part of a selector object.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    /// Who understands it.
    pub provider: Arc<Provider>,
    /// The provider's keys, in its own spelling.
    pub selectors: Value,
}
