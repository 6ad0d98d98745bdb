//! The state of the plugin, as of the last look, for commands that show it.

use std::sync::Arc;

use sriovdp_sdk::PciFunction;

use super::Reconciler;
use crate::config::{ResourceName, ResourceSpec};
use crate::host_paths::HostPaths;
use crate::pools::{Pool, Resource, Scan};
use sriovdp_kubelet::PodDevices;
use sriovdp_providers::{ProviderError, Providers};

impl Reconciler {
    /// The same state with the configuration file outside of the root.
    #[must_use]
    pub fn with_configuration_outside(self) -> Self {
        Self {
            configuration_is_outside: true,
            ..self
        }
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
            .none_loaded(&self.settings.providers.directory)
    }

    /// The entries of the last good configuration, in its order.
    pub fn specs(&self) -> &[ResourceSpec] {
        &self.specs
    }

    /// The resources, in the configuration's order.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// What the providers found.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// The pool of a resource.
    pub fn pool(&self, name: &ResourceName) -> Option<Arc<Pool>> {
        self.offered.state(name)
    }

    /// The pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = Arc<Pool>> {
        self.offered.states()
    }

    /// The PCI bus, in the order of addresses.
    pub fn functions(&self) -> &[PciFunction] {
        &self.functions
    }

    /// Why it is not known which devices pods have.
    pub fn pods_unknown(&self) -> Option<&str> {
        self.books.failure()
    }

    /// Which devices pods have, as it was last read.
    pub fn held(&self) -> &PodDevices {
        self.books.held()
    }
}
