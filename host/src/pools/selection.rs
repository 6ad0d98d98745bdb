//! What the selectors of resources say about the devices of a scan.

use std::collections::HashSet;

use sriovdp_sdk::abi::wire;
use sriovdp_sdk::abi::wire::method;
use sriovdp_sdk::{DeviceId, Finding};

use super::known::Known;
use super::scan::{Scan, ScanError};
use super::{Facet, FoundDevice, Selector};
use crate::providers::CallError;

/// The reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The selector key that does not fit.
    pub key: Option<String>,
    /// What the device has instead.
    pub reason: String,
}

impl Scan {
    /// Which devices of a device type a selector admits, by their positions in [`FoundDevices::devices`]; `before` are
    /// those of the scan before, which count where nothing was asked.
    ///
    /// # Errors
    ///
    /// When a provider cannot say; then nothing is known about the resource.
    pub async fn select(
        &self,
        device_type: &str,
        selector: &Selector,
        before: &[u32],
    ) -> Result<Vec<u32>, ScanError> {
        let Some(renewed) = self.renewed.get(device_type) else {
            return self.select_among_answered(device_type, selector).await;
        };
        let selected = if renewed.answered().is_empty() {
            Vec::new()
        } else {
            self.select_among_answered(device_type, selector).await?
        };
        Ok(renewed.positions(before, &selected))
    }

    /// Which devices of the owner's last answer a selector admits, by their positions there.
    async fn select_among_answered(
        &self,
        device_type: &str,
        selector: &Selector,
    ) -> Result<Vec<u32>, ScanError> {
        let mut admitted: Option<Vec<u32>> = None;
        for facet in &selector.facets {
            let provider = &facet.provider;
            let known = self.known.get(&provider.file_name());
            let question = wire::SelectRequest {
                generation: known.map_or(0, |known| known.generation),
                device_type: device_type.to_owned(),
                selectors: facet.selectors.clone(),
            };
            let answer: Result<wire::Selected, CallError> =
                provider.call(method::SELECT, question).await;
            let mut selected = answer
                .map_err(|error| ScanError::new(provider, error))?
                .admitted;
            if provider.manifest().device_type.as_deref() != Some(device_type) {
                selected = self.owners_positions(device_type, known, &selected);
            }
            admitted = Some(match admitted {
                None => selected,
                // The facet of an extension: its positions were translated in ascending order.
                Some(before) => before
                    .into_iter()
                    .filter(|position| selected.binary_search(position).is_ok())
                    .collect(),
            });
        }
        Ok(admitted.unwrap_or_default())
    }

    /// What speaks against a device that a selector admits: first what its owner says, then the extensions that the
    /// selector speaks to.
    pub fn findings<'a>(
        &'a self,
        selector: &'a Selector,
        device: &'a FoundDevice,
    ) -> impl Iterator<Item = &'a Finding> {
        let known = |facet: &Facet| self.known.get(&facet.provider.file_name());
        let said = selector.facets.iter().filter_map(known);
        let said = said.flat_map(|known| known.findings(&device.id));
        device.findings.iter().chain(said)
    }

    /// Why a selector does not admit a device: the key and the reason; nothing when it does.
    ///
    /// # Errors
    ///
    /// When a provider cannot say.
    pub async fn why_not(
        &self,
        selector: &Selector,
        id: &str,
    ) -> Result<Option<WhyNot>, ScanError> {
        for facet in &selector.facets {
            let provider = &facet.provider;
            let question = wire::ExplainRequest {
                generation: self
                    .known
                    .get(&provider.file_name())
                    .map_or(0, |known| known.generation),
                selectors: facet.selectors.clone(),
                id: id.to_owned(),
            };
            let answer: Result<wire::Explained, CallError> =
                provider.call(method::EXPLAIN, question).await;
            let explained = answer.map_err(|error| ScanError::new(provider, error))?;
            if let wire::Explained {
                key,
                reason: Some(reason),
            } = explained
            {
                return Ok(Some(WhyNot { key, reason }));
            }
        }
        Ok(None)
    }

    /// The positions in the owner's last answer of what an extension selects, in ascending order.
    fn owners_positions(
        &self,
        device_type: &str,
        known: Option<&Known>,
        selected: &[u32],
    ) -> Vec<u32> {
        let selected = known.into_iter().flat_map(|known| {
            let selected = selected.iter();
            selected.filter_map(|&position| known.devices.get(position as usize))
        });
        let ids: HashSet<&str> = selected.map(DeviceId::as_str).collect();
        let Some(found) = self.device_types.get(device_type) else {
            return Vec::new();
        };
        let of_all;
        let answered = match self.renewed.get(device_type) {
            Some(renewed) => renewed.answered(),
            None => {
                of_all = Vec::from_iter((0u32..).take(found.devices.len()));
                &of_all
            }
        };
        (0u32..)
            .zip(answered)
            .filter(|&(_, &at)| ids.contains(found.devices[at as usize].id.as_str()))
            .map(|(position, _)| position)
            .collect()
    }
}
