//! What the providers discovered on the node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sriovdp_providers::{CallError, DiscoverRequest, Discovered, Discovery, Provider, Providers};
use sriovdp_sdk::{BaseDevice, DeviceId, PciAddress, PciFunction};

use crate::config::ResourceName;

use super::discovery_plan::{DiscoveryPlan, contains};
use super::pending_discoveries::PendingDiscoveries;
use super::provider_state::ProviderState;
use super::{DiscoveredDevices, ProviderSections, ProviderSelector, Resource, Selector};

/// The node as the host sees it in one scan.
#[derive(Clone, Copy, Debug)]
pub struct NodeNow<'a> {
    /// The directory that stands for `/`.
    pub root: &'a str,
    /// The PCI bus, in the order of addresses.
    pub functions: &'a [PciFunction],
    /// In an incremental scan: the functions that may have changed.
    pub part: Option<&'a BTreeSet<PciAddress>>,
    /// The sections of the providers in the configuration.
    pub sections: &'a ProviderSections,
}

/// The devices of every device type; replaced whole by the next scan.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    generation: u64,
    /// The functions of an incremental scan.
    part: Option<BTreeSet<PciAddress>>,
    device_types: BTreeMap<String, Arc<DiscoveredDevices>>,
    /// The devices that were on the functions of an incremental scan before it, by device type.
    replaced: BTreeMap<String, Vec<DeviceId>>,
    /// The last answer of each provider, by its file name.
    providers: HashMap<String, Arc<ProviderState>>,
    failures: Vec<ScanError>,
}

impl Scan {
    /// The scan after this one: owners are queried for their devices, and the extensions that one of `resources` has a
    /// selector of for findings. The last answer of a provider that fails is kept.
    ///
    /// Providers that support incremental discovery are queried for the functions that may have changed only.
    #[must_use]
    pub async fn next(
        &self,
        pending: &mut PendingDiscoveries,
        providers: &Providers,
        resources: &[Arc<Resource>],
        node: NodeNow<'_>,
    ) -> Self {
        pending.keep_only(providers.all());
        let plan = DiscoveryPlan::of(providers, resources);
        let partial = plan.partial(|provider| {
            let state = self.providers.get(&provider.file_name());
            state.is_some_and(|state| state.can_continue(provider, self.generation))
        });
        let scope_of = |provider| NodeNow {
            part: node.part.filter(|_| contains(&partial, provider)),
            ..node
        };
        let mut next = Self {
            generation: self.generation + 1,
            part: node.part.cloned(),
            replaced: BTreeMap::new(),
            failures: Vec::new(),
            ..self.clone()
        };
        for (device_type, owner) in &plan.owners {
            let discovered = next.discover_devices(pending, device_type, owner, scope_of(owner));
            if let Err(error) = discovered.await {
                next.failures.push(ScanError::new(owner, error));
            }
        }
        for extension in &plan.extensions {
            let discovered = next.discover_findings(pending, extension, scope_of(extension));
            if let Err(error) = discovered.await {
                next.failures.push(ScanError::new(extension, error));
            }
        }
        next
    }

    /// Why the answers of some providers are older than this scan.
    pub fn failures(&self) -> &[ScanError] {
        &self.failures
    }

    /// The functions of which a provider could not read something in this scan.
    pub fn unread(&self) -> impl Iterator<Item = PciAddress> {
        let states = self.providers.values();
        states.flat_map(|state| state.unread(self.generation))
    }

    /// The devices of a device type.
    pub fn devices_of(&self, device_type: &str) -> Option<&DiscoveredDevices> {
        self.device_types.get(device_type).map(Arc::as_ref)
    }

    /// The device types whose owners have answered, with their devices.
    pub fn device_types(&self) -> impl Iterator<Item = (&str, &DiscoveredDevices)> {
        self.device_types
            .iter()
            .map(|(name, found)| (name.as_str(), found.as_ref()))
    }

    /// The devices of a device type that were on the functions of an incremental scan before it.
    pub(super) fn replaced(&self, device_type: &str) -> &[DeviceId] {
        self.replaced.get(device_type).map_or(&[], Vec::as_slice)
    }

    /// The state of a provider, unless another version of it has answered last.
    pub(super) fn state(&self, provider: &Arc<Provider>) -> Option<&ProviderState> {
        let state = self.providers.get(&provider.file_name())?;
        Some(state.as_ref()).filter(|state| state.is_of(provider))
    }

    /// The discovery that each provider of a selector has answered last, with its part of the selector.
    pub(super) fn discoveries<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> Result<Vec<(&'a Discovery, &'a ProviderSelector)>, ScanError> {
        let parts = selector.provider_selectors.iter();
        let discoveries = parts.map(|part| match self.state(&part.provider) {
            Some(state) => Ok((&state.discovery, part)),
            None => Err(ScanError::without_discovery(&part.provider)),
        });
        discoveries.collect()
    }

    /// The functions that the answer `discovery` is about, if it is incremental.
    ///
    /// # Errors
    ///
    /// When the provider has answered an incremental discovery last, and not the full one of this scan.
    pub(super) fn part_of(
        &self,
        discovery: &Discovery,
    ) -> Result<Option<&BTreeSet<PciAddress>>, ScanError> {
        match &self.part {
            _ if !discovery.is_partial() => Ok(None),
            Some(part) if discovery.generation() == self.generation => Ok(Some(part)),
            _ => Err(ScanError::partial(discovery.provider())),
        }
    }

    async fn discover_devices(
        &mut self,
        pending: &mut PendingDiscoveries,
        device_type: &str,
        owner: &Arc<Provider>,
        node: NodeNow<'_>,
    ) -> Result<(), CallError> {
        let answer = self.discover(pending, owner, node, Vec::new()).await?;
        let mut found = DiscoveredDevices::new(answer.devices, answer.excluded, node.functions)?;
        let before = self.device_types.get(device_type);
        if let (Some(part), Some(before)) = (node.part, before) {
            let replaced = before.devices.iter();
            let replaced =
                replaced.filter(|device| device.function.is_some_and(|at| part.contains(&at)));
            let replaced = replaced.map(|device| device.id.clone()).collect();
            self.replaced.insert(device_type.to_owned(), replaced);
            found = before.merge_partial(found, part)?;
        }
        found.require_one_list()?;
        // Mostly nothing has changed; then the values stay where they are, and the heap stays whole.
        if before.is_none_or(|before| **before != found) {
            let name = device_type.to_owned();
            self.device_types.insert(name, Arc::new(found));
        }
        self.answered(answer.discovery, answer.unread, Vec::new(), node.part);
        Ok(())
    }

    async fn discover_findings(
        &mut self,
        pending: &mut PendingDiscoveries,
        extension: &Arc<Provider>,
        node: NodeNow<'_>,
    ) -> Result<(), CallError> {
        let extended = extension.manifest().extends.iter();
        let extended =
            extended.filter_map(|name| Some((name, self.device_types.get(name)?.devices.iter())));
        let devices = extended.flat_map(|(name, devices)| {
            devices.map(move |device| {
                BaseDevice::new(name.clone(), device.id.clone(), device.function)
            })
        });
        let devices = devices.collect();
        let answer = self.discover(pending, extension, node, devices).await?;
        self.answered(answer.discovery, answer.unread, answer.devices, node.part);
        Ok(())
    }

    async fn discover(
        &self,
        pending: &mut PendingDiscoveries,
        provider: &Arc<Provider>,
        node: NodeNow<'_>,
        devices: Vec<BaseDevice>,
    ) -> Result<Discovered, CallError> {
        let request = DiscoverRequest {
            root: node.root,
            generation: self.generation,
            functions: node.functions,
            devices,
            part: node.part,
            settings: node.sections.of(provider).map(Arc::as_ref),
        };
        pending.take(provider, &request).await
    }

    fn answered(
        &mut self,
        discovery: Discovery,
        unread: Vec<PciAddress>,
        devices: Vec<sriovdp_providers::ProviderDevice>,
        part: Option<&BTreeSet<PciAddress>>,
    ) {
        let file = discovery.provider().file_name();
        let before = self.providers.get(&file).map(Arc::as_ref);
        let state = ProviderState::new(discovery, self.generation, unread, devices, before, part);
        self.providers.insert(file, Arc::new(state));
    }
}

/// Why something on the node is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct ScanError {
    failure: String,
    #[source]
    source: Option<sriovdp_sdk::Error>,
}

impl ScanError {
    pub(super) fn new(provider: &Provider, error: CallError) -> Self {
        Self::of_provider(provider, error.error)
    }

    /// The PCI bus cannot be listed.
    pub fn of_bus(error: sriovdp_sdk::Error) -> Self {
        Self {
            failure: "cannot read the PCI bus".to_owned(),
            source: Some(error),
        }
    }

    /// No discovery of the provider has succeeded yet.
    fn without_discovery(provider: &Provider) -> Self {
        Self {
            failure: format!(
                "no discovery of the provider `{}` has succeeded yet",
                provider.file_name()
            ),
            source: None,
        }
    }

    /// Pods have devices of `resource`, and its provider has not answered yet.
    pub fn waits_for_parts(resource: &ResourceName) -> Self {
        Self {
            failure: format!(
                "the provider of `{resource}` has not answered yet, and devices that pods have of `{resource}` may be \
                 parts of devices of this resource"
            ),
            source: None,
        }
    }

    /// Its last answer is that of an incremental discovery.
    fn partial(provider: &Provider) -> Self {
        let source = sriovdp_sdk::Error::new("its last full discovery has not returned yet");
        Self::of_provider(provider, source)
    }

    fn of_provider(provider: &Provider, source: sriovdp_sdk::Error) -> Self {
        Self {
            failure: format!("the provider `{}` failed", provider.file_name()),
            source: Some(source),
        }
    }
}

impl sriovdp_report::Hint for ScanError {
    fn hint(&self) -> Option<String> {
        let hint = self.source.as_ref()?.hint();
        hint.map(str::to_owned)
    }
}
