//! What the selectors of resources say about the devices of a scan.

use std::collections::{HashMap, HashSet};

use sriovdp_provider_abi::wire;
use sriovdp_provider_abi::wire::method;
use sriovdp_sdk::{DeviceId, Finding};

use super::scan::{Scan, ScanError};
use super::{DiscoveredDevice, ProviderSelector, Selector};
use sriovdp_providers::CallError;

/// The devices that a selector admits.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// Their positions in [`DiscoveredDevices::devices`](super::DiscoveredDevices::devices).
    pub positions: Vec<u32>,
    /// Those of the positions that match by an alias only, in ascending order.
    pub by_alias: Vec<u32>,
    /// What speaks against them for this selector alone; most have nothing.
    pub findings: HashMap<DeviceId, Vec<Finding>>,
    /// The devices that match and that a provider keeps out all the same, with the reason.
    pub kept_out: HashMap<DeviceId, String>,
    /// What a provider warns of, for this selector on this node.
    pub warnings: Vec<wire::Failure>,
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
        before: Option<&Matches>,
    ) -> Result<Matches, ScanError> {
        let answered = self.answered(device_type);
        let Some(renewed) = self.renewed.get(device_type) else {
            self.all_select_among_all(selector)?;
            return self.select_among(&answered, device_type, selector).await;
        };
        let mut admitted = match answered[..] {
            [] => Matches::default(),
            _ => self.select_among(&answered, device_type, selector).await?,
        };
        let none = Matches::default();
        let before = before.unwrap_or(&none);
        admitted.positions = renewed.positions(&before.positions, &admitted.positions);
        admitted.by_alias = renewed.positions(&before.by_alias, &admitted.by_alias);
        if answered.is_empty() {
            admitted.warnings.clone_from(&before.warnings);
        }
        let asked: HashSet<&DeviceId> = answered.into_iter().collect();
        extend(&mut admitted.findings, &before.findings, &asked);
        extend(&mut admitted.kept_out, &before.kept_out, &asked);
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
    pub(super) fn answered(&self, device_type: &str) -> Vec<&DeviceId> {
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
    pub(super) async fn select_among(
        &self,
        answered: &[&DeviceId],
        device_type: &str,
        selector: &Selector,
    ) -> Result<Matches, ScanError> {
        let mut positions: Option<Vec<u32>> = None;
        let mut selected = Matches::default();
        let mut by_alias: HashSet<&DeviceId> = HashSet::new();
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
                    let findings = selected.findings.entry(id.clone());
                    findings.or_default().push(finding);
                }
            }
            // Each provider counts: by one of them, the match is no direct one.
            by_alias.extend(answer.by_alias.into_iter().filter_map(id));
            selected.warnings.extend(answer.warnings);
            let mut admitted = answer.admitted;
            // What is kept out has to fit the other facets too, to be worth a word.
            admitted.extend(answer.kept_out.iter().map(|(position, _)| position));
            admitted.sort_unstable();
            for (position, reason) in answer.kept_out {
                if let Some(id) = id(position) {
                    selected.kept_out.insert(id.clone(), reason);
                }
            }
            let admitted = if is_owner {
                admitted
            } else {
                let ids: HashSet<&DeviceId> = admitted.into_iter().filter_map(id).collect();
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
        let is_kept_out = |position: &u32| {
            let id = answered.get(*position as usize);
            id.is_some_and(|id| selected.kept_out.contains_key(*id))
        };
        let fitting = positions.unwrap_or_default().into_iter();
        let (kept_out, positions): (Vec<u32>, Vec<u32>) = fitting.partition(is_kept_out);
        let kept_out = kept_out.iter().map(|&position| answered[position as usize]);
        let kept_out: HashSet<&DeviceId> = kept_out.collect();
        selected.kept_out.retain(|id, _| kept_out.contains(id));
        let is_alias = |&position: &u32| {
            let id = answered.get(position as usize);
            id.is_some_and(|id| by_alias.contains(*id))
        };
        selected.by_alias = positions.iter().copied().filter(is_alias).collect();
        selected.positions = positions;
        Ok(selected)
    }

    /// What speaks against a device, whatever its selector asks for: first what its owner says, then the extensions that
    /// the selector speaks to.
    pub fn findings<'a>(
        &'a self,
        selector: &'a Selector,
        device: &'a DiscoveredDevice,
    ) -> impl Iterator<Item = &'a Finding> {
        let known = |facet: &ProviderSelector| self.known.get(&facet.provider.file_name());
        let said = selector.facets.iter().filter_map(known);
        let said = said.flat_map(|known| known.findings(&device.id));
        device.findings.iter().chain(said)
    }
}

/// Adds what was said `before` about the devices that nothing was `asked` about now.
fn extend<T: Clone>(
    now: &mut HashMap<DeviceId, T>,
    before: &HashMap<DeviceId, T>,
    asked: &HashSet<&DeviceId>,
) {
    let kept = before.iter().filter(|(id, _)| !asked.contains(id));
    now.extend(kept.map(|(id, said)| (id.clone(), said.clone())));
}
