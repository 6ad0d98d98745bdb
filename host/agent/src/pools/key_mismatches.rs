//! How many devices each key of a resource's selectors mismatches, for a pool that has none.

use serde_json::Map;

use super::Resource;
use super::resolve::constrains_nothing;
use super::scan::{Scan, ScanError};

/// How many devices mismatch one key, whatever the other keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMismatches {
    /// The position of its selector object.
    pub selector: usize,
    /// The key.
    pub key: String,
    /// How many devices of the type do not match it.
    pub devices: usize,
}

impl Scan {
    /// The keys that devices mismatch, those with the most devices first. It takes one call for each key, and not one
    /// for each device. After an incremental discovery there are none.
    ///
    /// # Errors
    ///
    /// When a provider fails, or has not answered a discovery.
    pub async fn key_mismatches(
        &self,
        resource: &Resource,
    ) -> Result<Vec<KeyMismatches>, ScanError> {
        let Some(found) = self.devices_of(&resource.device_type) else {
            return Ok(Vec::new());
        };
        let mut mismatches = Vec::new();
        for (n, selector) in resource.selectors.iter().enumerate() {
            for (discovery, part) in self.discoveries(selector)? {
                if self.part_of(discovery)?.is_some() {
                    return Ok(Vec::new());
                }
                let keys = part.selectors.as_object().into_iter().flatten();
                for (key, value) in keys.filter(|(_, value)| !constrains_nothing(value)) {
                    let alone = Map::from_iter([(key.clone(), value.clone())]).into();
                    let matches = discovery.select(&resource.device_type, &alone).await;
                    let matches =
                        matches.map_err(|error| ScanError::new(discovery.provider(), error))?;
                    // What is kept out matches the key.
                    let matching = matches.devices.iter().chain(matches.kept_out.keys());
                    let matching = matching.filter(|id| found.device(id).is_some());
                    mismatches.push(KeyMismatches {
                        selector: n,
                        key: key.clone(),
                        devices: found.devices.len().saturating_sub(matching.count()),
                    });
                }
            }
        }
        mismatches.retain(|mismatch| mismatch.devices > 0);
        mismatches.sort_by_key(|mismatch| std::cmp::Reverse(mismatch.devices));
        Ok(mismatches)
    }
}
