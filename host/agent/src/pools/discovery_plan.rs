//! Which providers a scan queries, and which of them incrementally.

use std::sync::Arc;

use super::Resource;
use sriovdp_providers::{Provider, Providers};

/// The providers of one scan.
pub(super) struct DiscoveryPlan {
    /// Each device type with its owner.
    pub(super) owners: Vec<(String, Arc<Provider>)>,
    pub(super) extensions: Vec<Arc<Provider>>,
}

impl DiscoveryPlan {
    /// All loaded owners, and the extensions that a selector of one of `resources` has keys of.
    pub(super) fn of(providers: &Providers, resources: &[Arc<Resource>]) -> Self {
        let device_types = providers.device_types();
        let owners = device_types.filter_map(|(name, device_type)| {
            let owner = device_type.owner.clone();
            Some((name.to_owned(), owner.filter(|owner| owner.is_loaded())?))
        });
        let selectors = || resources.iter().flat_map(|resource| &resource.selectors);
        let is_used = |provider: &Arc<Provider>| {
            let mut parts = selectors().flat_map(|selector| &selector.provider_selectors);
            parts.any(|part| Arc::ptr_eq(&part.provider, provider))
        };
        let extensions = providers.loaded();
        Self {
            owners: owners.collect(),
            extensions: extensions
                .filter(|provider| !provider.manifest().extends.is_empty() && is_used(provider))
                .cloned()
                .collect(),
        }
    }

    /// The providers to query incrementally, given those that support it. The answers of an extension and of the owners
    /// that it extends have to fit together, so either all of them are queried incrementally or none.
    pub(super) fn partial(&self, can_be: impl Fn(&Arc<Provider>) -> bool) -> Vec<Arc<Provider>> {
        let owners = self.owners.iter().map(|(_, owner)| owner);
        let able = owners.chain(&self.extensions).filter(|p| can_be(p));
        let mut partial: Vec<Arc<Provider>> = able.cloned().collect();
        while let Some(mixed) = self.groups().find(|group| {
            let able = group.iter().filter(|p| contains(&partial, p)).count();
            (1..group.len()).contains(&able)
        }) {
            partial.retain(|provider| !contains(&mixed, provider));
        }
        partial
    }

    fn groups(&self) -> impl Iterator<Item = Vec<Arc<Provider>>> {
        self.extensions.iter().map(|extension| {
            let extended = &extension.manifest().extends;
            let owners = self
                .owners
                .iter()
                .filter(|(name, _)| extended.contains(name));
            let owners = owners.map(|(_, owner)| owner);
            owners.chain([extension]).cloned().collect()
        })
    }
}

/// Whether `provider` is one of `providers`.
pub(super) fn contains(providers: &[Arc<Provider>], provider: &Arc<Provider>) -> bool {
    providers.iter().any(|other| Arc::ptr_eq(other, provider))
}
