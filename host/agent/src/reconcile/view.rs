//! The state of the plugin after the last reconcile, for commands that show it.

use std::sync::Arc;
use std::time::SystemTime;

use sriovdp_sdk::PciFunction;
use tokio::sync::watch;

use super::{ConfigurationSource, Reconciler};
use crate::config::{ResourceName, ResourceSpec};
use crate::host_paths::HostPaths;
use crate::pools::{Pool, Resource, Scan};
use sriovdp_kubelet::{PodDevices, RegistrationStatus};
use sriovdp_providers::{ProviderError, Providers};

impl Reconciler {
    /// The same state with another source of the configuration.
    #[must_use]
    pub fn with_configuration(mut self, source: ConfigurationSource) -> Self {
        self.configuration.source = source;
        self
    }

    /// Where things are on the node.
    pub fn tree(&self) -> &HostPaths {
        &self.settings.tree
    }

    /// The providers.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Why no provider is loaded, where nothing is wrong with the directory as a whole.
    pub fn no_provider(&self) -> Option<ProviderError> {
        self.providers
            .none_loaded(&self.settings.providers.directories)
    }

    /// Since when the last valid configuration is active.
    pub fn configuration_applied(&self) -> Option<SystemTime> {
        self.configuration.applied
    }

    /// The entries of the last valid configuration, in its order.
    pub fn specs(&self) -> &[ResourceSpec] {
        &self.configuration.specs
    }

    /// The resources, in the configuration's order.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.snapshot.resources()
    }

    /// What the providers discovered.
    pub fn scan(&self) -> &Scan {
        &self.snapshot.scan
    }

    /// The pool of a resource.
    pub fn pool(&self, name: &ResourceName) -> Option<Arc<Pool>> {
        self.servers.state(name)
    }

    /// The pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = Arc<Pool>> {
        self.servers.pools().into_iter()
    }

    /// The pools with their registrations, by name.
    pub fn registrations(
        &self,
    ) -> impl Iterator<Item = (Arc<Pool>, watch::Receiver<RegistrationStatus>)> {
        self.servers.registrations()
    }

    /// The PCI bus, in the order of addresses.
    pub fn functions(&self) -> &[PciFunction] {
        &self.snapshot.functions
    }

    /// Why the devices that pods have are unknown.
    pub fn pod_devices_error(&self) -> Option<&str> {
        self.pod_devices.failure()
    }

    /// The devices that pods have, as they were last read.
    pub fn pod_devices(&self) -> &PodDevices {
        self.pod_devices.get()
    }
}
