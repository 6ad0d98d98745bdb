//! Pools: which discovered devices belong to which resource, and what a container gets for them.
//!
//! [`resolve`] turns the specification of a resource into selectors of the loaded providers, [`Scan`] is what the
//! providers discovered, [`assign`] assigns devices to resources, [`Pool`] is the result for one resource,
//! [`preferred_allocation`] advises the kubelet, and [`allocate`] builds the response for a container.
//! `assign`, `preferred_allocation` and the merging inside `allocate` are functions of values.

mod allocate;
mod allocate_error;
mod assign;
mod check_selectors;
mod claims;
mod container_allocation;
mod container_info;
mod contributions;
mod discovered;
mod discovery_plan;
mod evaluate_health;
mod explanation;
mod flap_damping;
mod go_plugin;
mod key_mismatches;
mod matching;
mod misplaced;
mod needed_providers;
mod nested;
mod partial_merge;
mod pending_discoveries;
mod pool;
mod pool_device;
mod preferred_allocation;
mod provider_sections;
mod provider_state;
mod replaced;
mod request_thread;
mod resolve;
mod resource;
#[cfg(test)]
pub(crate) mod sample;
mod scan;

pub use allocate::{
    allocate, check_pre_start_request, check_preferred_request, check_request, pre_start,
};
pub use allocate_error::AllocateError;
pub use assign::{AssignedDevice, OwnerByDevice, Request, assign};
pub use claims::{Claim, Claims};
pub use container_allocation::{
    AllocatedDevice, ContainerAllocation, DeviceEdits, DeviceInfoFile, JoinError,
};
pub use contributions::Conflict;
pub use discovered::{DiscoveredDevice, DiscoveredDevices};
pub use evaluate_health::evaluate_health;
pub use flap_damping::FlapDamping;
pub use go_plugin::{GoReading, KeyReading, is_of_go_plugin};
pub use key_mismatches::KeyMismatches;
pub use needed_providers::is_needed;
pub use pending_discoveries::PendingDiscoveries;
pub use pool::{Pool, REMOVAL_GRACE_PERIOD, Removal, device_names};
pub use pool_device::{Fit, Health, PoolDevice, UnhealthyKind};
pub use preferred_allocation::{PreferredAllocationRequest, preferred_allocation};
pub use provider_sections::ProviderSections;
pub use request_thread::{with_thread, with_thread_replying};
pub use resolve::{ResolveError, Strictness, mistakes, resolve};
pub use resource::{ProviderSelector, Resource, Selector};
pub use scan::{NodeNow, Scan, ScanError};
