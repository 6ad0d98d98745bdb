//! What the selectors of resources say about the devices of a scan.

use std::collections::{HashMap, HashSet};

use sriovdp_sdk::abi::wire;
use sriovdp_sdk::abi::wire::method;
use sriovdp_sdk::{DeviceId, Finding};

use super::scan::{Scan, ScanError};
use super::{Facet, FoundDevice, Selector};
use crate::providers::CallError;

/// The devices that a selector admits.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Their positions in [`FoundDevices::devices`](super::FoundDevices::devices).
    pub positions: Vec<u32>,
    /// What speaks against them for this selector alone; most have nothing.
    pub findings: HashMap<DeviceId, Vec<Finding>>,
}

/// The reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The selector key that does not fit.
    pub key: Option<String>,
    /// What the device has instead.
    pub reason: String,
}

impl Scan {
    /// Which devices of a device type a selector admits; what it admitted in the scan `before` counts where nothing was
    /// asked.
    ///
    /// # Errors
    ///
    /// When a provider cannot say; then nothing is known about the resource.
    pub async fn select(
        &self,
        device_type: &str,
        selector: &Selector,
        before: Option<&Admitted>,
    ) -> Result<Admitted, ScanError> {
        let answered = self.answered(device_type);
        let Some(renewed) = self.renewed.get(device_type) else {
            self.all_select_among_all(selector)?;
            return self.select_among(&answered, device_type, selector).await;
        };
        let mut admitted = match answered[..] {
            [] => Admitted::default(),
            _ => self.select_among(&answered, device_type, selector).await?,
        };
        let before_at = before.map_or(&[][..], |before| &before.positions);
        admitted.positions = renewed.positions(before_at, &admitted.positions);
        let asked: HashSet<&DeviceId> = answered.into_iter().collect();
        let before = before.into_iter().flat_map(|before| &before.findings);
        let kept = before.filter(|(id, _)| !asked.contains(id));
        let kept = kept.map(|(id, findings)| (id.clone(), findings.clone()));
        admitted.findings.extend(kept);
        Ok(admitted)
    }

    /// That every provider of the selector speaks of all devices. One that was asked about some functions, and then fails
    /// or is late when it is asked about everything, still counts positions among the devices on these.
    fn all_select_among_all(&self, selector: &Selector) -> Result<(), ScanError> {
        let providers = selector.facets.iter().map(|facet| &facet.provider);
        for provider in providers {
            let known = self.known.get(&provider.file_name());
            if known.is_some_and(|known| known.is_of(provider) && !known.can_select_among_all()) {
                return Err(ScanError::knows_a_part(provider));
            }
        }
        Ok(())
    }

    /// The devices that the owner has named in its last answer, in the order of that.
    fn answered(&self, device_type: &str) -> Vec<&DeviceId> {
        let devices = self
            .found(device_type)
            .map_or(&[][..], |found| &found.devices);
        match self.renewed.get(device_type) {
            None => devices.iter().map(|device| &device.id).collect(),
            Some(renewed) => {
                let positions = renewed.answered().iter();
                positions.map(|&at| &devices[at as usize].id).collect()
            }
        }
    }

    /// Which of the owner's devices `answered` a selector admits, by their positions there.
    async fn select_among(
        &self,
        answered: &[&DeviceId],
        device_type: &str,
        selector: &Selector,
    ) -> Result<Admitted, ScanError> {
        let mut positions: Option<Vec<u32>> = None;
        let mut findings: HashMap<DeviceId, Vec<Finding>> = HashMap::new();
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
            let answer = answer.map_err(|error| ScanError::new(provider, error))?;
            let is_owner = provider.manifest().device_type.as_deref() == Some(device_type);
            let id = |position: u32| {
                let position = position as usize;
                if is_owner {
                    return answered.get(position).copied();
                }
                known.and_then(|known| known.devices.get(position))
            };
            for (position, finding) in answer.findings {
                if let Some(id) = id(position) {
                    findings.entry(id.clone()).or_default().push(finding);
                }
            }
            let admitted = if is_owner {
                answer.admitted
            } else {
                let ids: HashSet<&DeviceId> = answer.admitted.into_iter().filter_map(id).collect();
                let owners = (0u32..).zip(answered).filter(|(_, id)| ids.contains(*id));
                owners.map(|(position, _)| position).collect()
            };
            positions = Some(match positions {
                None => admitted,
                // The facet of an extension: its positions were translated in ascending order.
                Some(before) => before
                    .into_iter()
                    .filter(|position| admitted.binary_search(position).is_ok())
                    .collect(),
            });
        }
        Ok(Admitted {
            positions: positions.unwrap_or_default(),
            findings,
        })
    }

    /// What speaks against a device, whatever its selector asks for: first what its owner says, then the extensions that
    /// the selector speaks to.
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
            let explained = self.explained(facet, id).await?;
            if let wire::Explained {
                key,
                reason: Some(reason),
                ..
            } = explained
            {
                return Ok(Some(WhyNot { key, reason }));
            }
        }
        Ok(None)
    }
}
