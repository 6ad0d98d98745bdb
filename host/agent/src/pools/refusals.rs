//! Which keys of a resource's selectors keep devices out, for a pool that has none.

use serde_json::{Map, Value};

use super::resolve::asks_for_nothing;
use super::scan::{Scan, ScanError};
use super::{ProviderSelector, Resource, Selector};

/// How many devices one key refuses, whatever the others say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRefusals {
    /// The position of its selector object.
    pub selector: usize,
    /// The key.
    pub key: String,
    /// How many devices of the type do not fit it.
    pub devices: usize,
}

impl Scan {
    /// The keys that refuse devices, those that refuse the most first. A selection by each key alone tells, which takes
    /// one call for a key and not one for a device. After a scan of some functions nothing is said.
    ///
    /// # Errors
    ///
    /// When a provider does not answer.
    pub async fn refusals(&self, resource: &Resource) -> Result<Vec<KeyRefusals>, ScanError> {
        if self.renewed.contains_key(&resource.device_type) {
            return Ok(Vec::new());
        }
        let devices = self.answered(&resource.device_type);
        let mut refusals = Vec::new();
        for (
            selector,
            ProviderSelector {
                provider,
                selectors,
            },
        ) in facets(resource)
        {
            let keys = selectors.as_object().into_iter().flatten();
            for (key, value) in keys.filter(|(_, value)| !asks_for_nothing(value)) {
                let alone = ProviderSelector {
                    provider: provider.clone(),
                    selectors: Value::Object(Map::from_iter([(key.clone(), value.clone())])),
                };
                let alone = Selector {
                    facets: vec![alone],
                };
                let admitted = self
                    .select_among(&devices, &resource.device_type, &alone)
                    .await?;
                // What is kept out fits the key.
                let fitting = admitted.positions.len() + admitted.kept_out.len();
                refusals.push(KeyRefusals {
                    selector,
                    key: key.clone(),
                    devices: devices.len().saturating_sub(fitting),
                });
            }
        }
        refusals.retain(|refusal| refusal.devices > 0);
        refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.devices));
        Ok(refusals)
    }
}

fn facets(resource: &Resource) -> impl Iterator<Item = (usize, &ProviderSelector)> {
    let selectors = resource.selectors.iter().enumerate();
    selectors.flat_map(|(n, selector)| selector.facets.iter().map(move |facet| (n, facet)))
}
