//! Who is asked in a scan, and who of them can be asked about some functions only.

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
    /// All owners, and the extensions that a selector of one of `resources` speaks to.
    pub(super) fn of(providers: &Providers, resources: &[Arc<Resource>]) -> Self {
        let device_types = providers.device_types();
        let owners = device_types
            .filter_map(|(name, device_type)| Some((name.to_owned(), device_type.owner.clone()?)));
        let selectors = || resources.iter().flat_map(|resource| &resource.selectors);
        let spoken_to = |provider: &Arc<Provider>| {
            let mut facets = selectors().flat_map(|selector| &selector.facets);
            facets.any(|facet| Arc::ptr_eq(&facet.provider, provider))
        };
        let extensions = providers.loaded().iter();
        Self {
            owners: owners.collect(),
            extensions: extensions
                .filter(|provider| !provider.manifest().extends.is_empty() && spoken_to(provider))
                .cloned()
                .collect(),
        }
    }

    /// Those that are asked about some functions, given who could be. An extension and the owners of what it extends
    /// speak about the same devices, so they are asked did_you_mean: their answers have to fit together.
    pub(super) fn partial(&self, can_be: impl Fn(&Arc<Provider>) -> bool) -> Vec<Arc<Provider>> {
        let owners = self.owners.iter().map(|(_, owner)| owner);
        let able = owners.chain(&self.extensions).filter(|p| can_be(p));
        let mut partial: Vec<Arc<Provider>> = able.cloned().collect();
        while let Some(company) = self.groups().find(|company| {
            let able = company.iter().filter(|p| contains(&partial, p)).count();
            (1..company.len()).contains(&able)
        }) {
            partial.retain(|provider| !contains(&company, provider));
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

/// Whether one of `providers` is this one, and not just one that is equal.
pub(super) fn contains(providers: &[Arc<Provider>], provider: &Arc<Provider>) -> bool {
    providers.iter().any(|other| Arc::ptr_eq(other, provider))
}
