//! What the providers found on the node in one scan.

mod explained;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sriovdp_sdk::abi::wire;
use sriovdp_sdk::abi::wire::method;
use sriovdp_sdk::{DeviceId, Finding, PciFunction};

use super::discoveries::Discoveries;
use super::found::findings;
use super::{Facet, FoundDevice, FoundDevices, Resource, Selector};
use crate::providers::{CallError, Provider, Providers};

/// The devices of every device type, after one scan.
#[derive(Debug)]
pub struct Scan {
    generation: u64,
    /// How long a look waits for one provider's discovery.
    patience: Duration,
    discoveries: Discoveries,
    device_types: BTreeMap<String, FoundDevices>,
    /// What each provider knows by heart: the scan that it answers about, and, for an extension, which devices it
    /// knows, in the order of its own positions.
    known: HashMap<String, Known>,
}

/// The devices that a selector admits.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Their positions in [`FoundDevices::devices`].
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

#[derive(Debug)]
struct Known {
    generation: u64,
    devices: Vec<DeviceId>,
    /// What an extension says against devices; most have nothing.
    findings: HashMap<DeviceId, Vec<Finding>>,
}

impl Scan {
    /// Nothing was found yet, and nobody waits for one provider's discovery for longer than `patience`.
    pub fn new(patience: Duration) -> Self {
        Self {
            generation: 0,
            patience,
            discoveries: Discoveries::default(),
            device_types: BTreeMap::new(),
            known: HashMap::new(),
        }
    }

    /// Waits until a discovery that was late has come back, or has taken too long.
    pub async fn news(&mut self) {
        self.discoveries.news().await;
    }

    /// Asks the owners what there is among `functions`, and the extensions that one of `resources` speaks to what they
    /// know about it; the facts of the others would be read for nothing. A provider that fails keeps what it said
    /// before, and the failure is told.
    pub async fn next(
        &mut self,
        providers: &Providers,
        resources: &[Arc<Resource>],
        root: &str,
        functions: &[PciFunction],
    ) -> Vec<ScanError> {
        self.generation += 1;
        self.discoveries.keep_only(providers.loaded());
        let mut failures = Vec::new();
        let owners: Vec<(String, Arc<Provider>)> = providers
            .device_types()
            .filter_map(|(name, device_type)| Some((name.to_owned(), device_type.owner.clone()?)))
            .collect();
        for (device_type, owner) in owners {
            let question = self.question(root, functions, Vec::new());
            let taken = self.discover(&owner, question).await;
            match taken.and_then(|(generation, found)| {
                Ok((generation, FoundDevices::new(found, functions)?))
            }) {
                Ok((generation, found)) => {
                    self.remember(&owner, generation, Vec::new());
                    // Mostly nothing has changed; then the values stay where they are, and the heap stays whole.
                    if self.device_types.get(&device_type) != Some(&found) {
                        self.device_types.insert(device_type, found);
                    }
                }
                Err(error) => failures.push(ScanError::new(&owner, error)),
            }
        }
        let facets = || {
            resources
                .iter()
                .flat_map(|resource| &resource.selectors)
                .flat_map(|selector| &selector.facets)
        };
        let spoken_to =
            |provider: &Arc<Provider>| facets().any(|facet| Arc::ptr_eq(&facet.provider, provider));
        let extensions = providers
            .loaded()
            .iter()
            .filter(|p| !p.manifest().extends.is_empty());
        for extension in extensions.filter(|extension| spoken_to(extension)) {
            let extended = self.devices_of(&extension.manifest().extends);
            let question = self.question(root, functions, extended);
            match self.discover(extension, question).await {
                Ok((generation, found)) => {
                    self.remember(extension, generation, found.devices);
                }
                Err(error) => failures.push(ScanError::new(extension, error)),
            }
        }
        failures
    }

    /// The devices of a device type.
    pub fn found(&self, device_type: &str) -> Option<&FoundDevices> {
        self.device_types.get(device_type)
    }

    /// Which devices of a device type a selector admits.
    ///
    /// # Errors
    ///
    /// When a provider cannot say; then nothing is known about the resource.
    pub async fn select(
        &self,
        device_type: &str,
        selector: &Selector,
    ) -> Result<Admitted, ScanError> {
        let mut admitted: Option<Vec<u32>> = None;
        let mut findings: HashMap<DeviceId, Vec<Finding>> = HashMap::new();
        for facet in &selector.facets {
            let provider = &facet.provider;
            let file = provider.file_name();
            let known = self.known.get(&file);
            let question = wire::SelectRequest {
                generation: known.map_or(0, |known| known.generation),
                device_type: device_type.to_owned(),
                selectors: facet.selectors.clone(),
            };
            let answer: Result<wire::Selected, CallError> =
                provider.call(method::SELECT, question).await;
            let answer = answer.map_err(|error| ScanError::new(provider, error))?;
            let is_owner = provider.manifest().device_type.as_deref() == Some(device_type);
            for (position, finding) in answer.findings {
                let position = position as usize;
                let id = match is_owner {
                    true => self
                        .found(device_type)
                        .and_then(|f| f.devices.get(position))
                        .map(|d| &d.id),
                    false => known.and_then(|known| known.devices.get(position)),
                };
                if let Some(id) = id {
                    findings.entry(id.clone()).or_default().push(finding);
                }
            }
            let mut selected = answer.admitted;
            if !is_owner {
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
        Ok(Admitted {
            positions: admitted.unwrap_or_default(),
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
        let said = said.filter_map(|known| known.findings.get(&device.id));
        device.findings.iter().chain(said.flatten())
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

    /// The device types that were looked for, with what was found.
    pub fn device_types(&self) -> impl Iterator<Item = (&str, &FoundDevices)> {
        self.device_types
            .iter()
            .map(|(name, found)| (name.as_str(), found))
    }

    fn question(
        &self,
        root: &str,
        functions: &[PciFunction],
        devices: Vec<wire::ExtendedDevice>,
    ) -> wire::DiscoverRequest {
        wire::DiscoverRequest {
            root: root.to_owned(),
            generation: self.generation,
            functions: functions.iter().map(Into::into).collect(),
            devices,
            part: None,
        }
    }

    async fn discover(
        &mut self,
        provider: &Arc<Provider>,
        question: wire::DiscoverRequest,
    ) -> Result<(u64, wire::Discovered), CallError> {
        let patience = self.patience.min(provider.budgets().discover);
        self.discoveries
            .take(provider, patience, self.generation, question)
            .await
    }

    fn remember(&mut self, provider: &Provider, generation: u64, extended: Vec<wire::Device>) {
        let mut known = Known {
            generation,
            devices: Vec::with_capacity(extended.len()),
            findings: HashMap::new(),
        };
        for device in extended {
            let said = findings(device.findings, device.unhealthy);
            if !said.is_empty() {
                known.findings.insert(device.id.clone(), said);
            }
            known.devices.push(device.id);
        }
        self.known.insert(provider.file_name(), known);
    }

    fn devices_of(&self, device_types: &[String]) -> Vec<wire::ExtendedDevice> {
        let found = device_types
            .iter()
            .filter_map(|name| Some((name, self.device_types.get(name)?)));
        found
            .flat_map(|(name, found)| {
                found
                    .devices
                    .iter()
                    .map(|d| wire::ExtendedDevice::new(name, d.id.as_str(), d.function))
            })
            .collect()
    }

    fn owners_positions(
        &self,
        device_type: &str,
        known: Option<&Known>,
        selected: &[u32],
    ) -> Vec<u32> {
        let ids: std::collections::HashSet<&str> = known
            .into_iter()
            .flat_map(|known| {
                selected
                    .iter()
                    .filter_map(|&position| known.devices.get(position as usize))
            })
            .map(DeviceId::as_str)
            .collect();
        let devices = self
            .device_types
            .get(device_type)
            .map_or(&[][..], |found| &found.devices);
        (0u32..)
            .zip(devices)
            .filter(|(_, device)| ids.contains(device.id.as_str()))
            .map(|(position, _)| position)
            .collect()
    }
}

/// A provider that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider `{provider}` failed")]
pub struct ScanError {
    provider: String,
    #[source]
    source: sriovdp_sdk::Error,
}

impl ScanError {
    fn new(provider: &Provider, error: CallError) -> Self {
        Self {
            provider: provider.file_name(),
            source: error.error,
        }
    }
}

impl crate::report::Hint for ScanError {
    fn hint(&self) -> Option<String> {
        self.source.hint_text().map(str::to_owned)
    }
}
