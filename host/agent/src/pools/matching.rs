//! Which devices of a scan match the selectors of resources.

use std::sync::Arc;

use sriovdp_providers::{Discovery, Matches};
use sriovdp_sdk::Finding;

use super::partial_merge::merge_matches;
use super::scan::{Scan, ScanError};
use super::{DiscoveredDevice, ProviderSelector, Selector};

impl Scan {
    /// The devices of a device type that match a selector. In an incremental scan, the matches `before` count for the
    /// devices out of its scope.
    ///
    /// # Errors
    ///
    /// When a provider fails, or has not answered a discovery; then no match is known.
    pub async fn select(
        &self,
        device_type: &str,
        selector: &Selector,
        before: Option<&Arc<Matches>>,
    ) -> Result<Arc<Matches>, ScanError> {
        let discoveries = self.discoveries(selector)?;
        let mut part = None;
        for (discovery, _) in &discoveries {
            part = part.or(self.part_of(discovery)?);
        }
        let (Some(_), Some(before)) = (part, before) else {
            let matches = matches_of_all(device_type, &discoveries).await?;
            // Mostly nothing has changed; then the value stays where it is.
            let same = before.filter(|before| ***before == matches);
            return Ok(same.map_or_else(|| Arc::new(matches), Arc::clone));
        };
        // The owner comes first. Without a device of its own there is nothing to match.
        let is_unconcerned = discoveries
            .first()
            .is_none_or(|(owner, _)| owner.is_empty());
        let new = match is_unconcerned {
            true => Matches {
                warnings: before.warnings.clone(),
                ..Matches::default()
            },
            false => matches_of_all(device_type, &discoveries).await?,
        };
        Ok(merge_matches(before, new, self.replaced(device_type)))
    }

    /// The findings about a device that are independent of selectors: those of its owner, then those of the extensions
    /// that the selector has keys of.
    pub fn findings<'a>(
        &'a self,
        selector: &'a Selector,
        device: &'a DiscoveredDevice,
    ) -> impl Iterator<Item = &'a Finding> {
        let parts = selector.provider_selectors.iter();
        let states = parts.filter_map(|part| self.state(&part.provider));
        let by_extensions = states.flat_map(|state| state.findings(&device.id));
        device.findings.iter().chain(by_extensions)
    }
}

async fn matches_of_all(
    device_type: &str,
    discoveries: &[(&Discovery, &ProviderSelector)],
) -> Result<Matches, ScanError> {
    let mut all: Option<Matches> = None;
    for (discovery, part) in discoveries {
        let matches = discovery.select(device_type, &part.selectors).await;
        let matches = matches.map_err(|error| ScanError::new(discovery.provider(), error))?;
        all = Some(match all {
            Some(all) => all.and(matches),
            None => matches,
        });
    }
    Ok(all.unwrap_or_default())
}
