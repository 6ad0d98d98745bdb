//! What the providers found on the node in one scan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sriovdp_provider_abi::wire;
use sriovdp_sdk::{PciAddress, PciFunction};

use super::discovery_plan::{DiscoveryPlan, contains};
use super::partial_merge::PartialMerge;
use super::pending_discoveries::PendingDiscoveries;
use super::provider_state::ProviderState;
use super::{DiscoveredDevices, Resource, Selector};
use sriovdp_providers::{CallError, Provider, Providers};

/// The node as the host sees it in one scan.
#[derive(Clone, Copy, Debug)]
pub struct NodeNow<'a> {
    /// The directory that stands for `/`.
    pub root: &'a str,
    /// The PCI bus, in the order of addresses.
    pub functions: &'a [PciFunction],
    /// The functions that may be other than in the scan before, if not all may.
    pub part: Option<&'a BTreeSet<PciAddress>>,
}

/// The devices of every device type, after one scan.
#[derive(Debug)]
pub struct Scan {
    generation: u64,
    /// How long a look waits for one provider's discovery.
    patience: Duration,
    discoveries: PendingDiscoveries,
    pub(super) device_types: BTreeMap<String, DiscoveredDevices>,
    /// The device types of which some functions were asked about in this scan.
    pub(super) renewed: BTreeMap<String, PartialMerge>,
    /// What each provider knows by heart, by its file name.
    pub(super) known: HashMap<String, ProviderState>,
}

impl Scan {
    /// Nothing is discovered yet; a reconcile waits for the discovery of one provider for `patience` at most.
    pub fn new(patience: Duration) -> Self {
        Self {
            generation: 0,
            patience,
            discoveries: PendingDiscoveries::default(),
            device_types: BTreeMap::new(),
            renewed: BTreeMap::new(),
            known: HashMap::new(),
        }
    }

    /// Waits until a discovery that was late has come back, or has taken too long.
    pub async fn news(&mut self) {
        self.discoveries.news().await;
    }

    /// Asks the owners what there is on the node, and the extensions that one of `resources` speaks to what they know
    /// about it; the facts of the others would be read for nothing. A provider that fails keeps what it said before,
    /// and the failure is told.
    ///
    /// Who can say what is on some functions only is asked about the part of the node that may have changed.
    pub async fn next(
        &mut self,
        providers: &Providers,
        resources: &[Arc<Resource>],
        node: NodeNow<'_>,
    ) -> Vec<ScanError> {
        self.discoveries.keep_only(providers.loaded());
        let asked = DiscoveryPlan::of(providers, resources);
        let partial = asked.partial(|provider| {
            let known = self.known.get(&provider.file_name());
            known.is_some_and(|known| known.can_go_on(provider, self.generation))
        });
        let seen_by = |provider| NodeNow {
            part: node.part.filter(|_| contains(&partial, provider)),
            ..node
        };
        self.generation += 1;
        self.renewed.clear();
        let mut failures = Vec::new();
        for (device_type, owner) in &asked.owners {
            if let Err(error) = self.ask_owner(device_type, owner, seen_by(owner)).await {
                failures.push(ScanError::new(owner, error));
            }
        }
        for extension in &asked.extensions {
            if let Err(error) = self.ask_extension(extension, seen_by(extension)).await {
                failures.push(ScanError::new(extension, error));
            }
        }
        failures
    }

    /// The functions of which a provider could not read something in this scan.
    pub fn unread(&self) -> impl Iterator<Item = PciAddress> {
        let known = self.known.values();
        known.flat_map(|known| known.unread(self.generation))
    }

    /// That every provider of the selector has answered a discovery.
    ///
    /// # Errors
    ///
    /// When one has not, since it was loaded.
    pub fn require_discovery(&self, selector: &Selector) -> Result<(), ScanError> {
        let mut providers = selector.facets.iter().map(|facet| &facet.provider);
        let has_answered = |provider: &Arc<Provider>| {
            let known = self.known.get(&provider.file_name());
            known.is_some_and(|known| known.is_of(provider))
        };
        match providers.find(|provider| !has_answered(provider)) {
            Some(provider) => Err(ScanError::without_discovery(provider)),
            None => Ok(()),
        }
    }

    /// The devices of a device type.
    pub fn found(&self, device_type: &str) -> Option<&DiscoveredDevices> {
        self.device_types.get(device_type)
    }

    /// The device types that were looked for, with what was found.
    pub fn device_types(&self) -> impl Iterator<Item = (&str, &DiscoveredDevices)> {
        self.device_types
            .iter()
            .map(|(name, found)| (name.as_str(), found))
    }

    async fn ask_owner(
        &mut self,
        device_type: &str,
        owner: &Arc<Provider>,
        node: NodeNow<'_>,
    ) -> Result<(), CallError> {
        let question = self.question(node, Vec::new());
        let (generation, mut answer) = self.discover(owner, question).await?;
        let unread = std::mem::take(&mut answer.unread);
        let mut found = DiscoveredDevices::new(answer, node.functions)?;
        let mut renewed = None;
        if let (Some(part), Some(before)) = (node.part, self.device_types.get(device_type)) {
            let (all, places) = before.renewed(found, part)?;
            found = all;
            renewed = Some(places);
        }
        found.require_one_list()?;
        let renewed = renewed.map(|renewed| (device_type.to_owned(), renewed));
        self.renewed.extend(renewed);
        self.known_by(owner).answered(generation, node.part, unread);
        // Mostly nothing has changed; then the values stay where they are, and the heap stays whole.
        if self.device_types.get(device_type) != Some(&found) {
            self.device_types.insert(device_type.to_owned(), found);
        }
        Ok(())
    }

    async fn ask_extension(
        &mut self,
        extension: &Arc<Provider>,
        node: NodeNow<'_>,
    ) -> Result<(), CallError> {
        let mut extended = self.devices_of(&extension.manifest().extends);
        if let Some(part) = node.part {
            extended.retain(|device| part.contains(&device.function));
        }
        let question = self.question(node, extended);
        let (generation, answer) = self.discover(extension, question).await?;
        let known = self.known_by(extension);
        known.answered(generation, node.part, answer.unread);
        known.take(answer.devices, node.part);
        Ok(())
    }

    fn question(
        &self,
        node: NodeNow<'_>,
        devices: Vec<wire::ExtendedDevice>,
    ) -> wire::DiscoverRequest {
        let is_asked = |address| node.part.is_none_or(|part| part.contains(&address));
        let functions = node.functions.iter();
        wire::DiscoverRequest {
            root: node.root.to_owned(),
            generation: self.generation,
            functions: functions
                .filter(|function| is_asked(function.address))
                .map(Into::into)
                .collect(),
            devices,
            part: node.part.map(|part| wire::Part {
                since: self.generation - 1,
                functions: part.iter().copied().collect(),
            }),
        }
    }

    async fn discover(
        &mut self,
        provider: &Arc<Provider>,
        question: wire::DiscoverRequest,
    ) -> Result<(u64, wire::Discovered), CallError> {
        let patience = self.patience.min(provider.timeouts().discover);
        self.discoveries
            .take(provider, patience, self.generation, question)
            .await
    }

    /// What is known by `provider`; a version of it that was loaded since then knows nothing yet.
    fn known_by(&mut self, provider: &Arc<Provider>) -> &mut ProviderState {
        let known = self.known.entry(provider.file_name());
        let known = known.or_insert_with(|| ProviderState::new(provider));
        if !known.is_of(provider) {
            *known = ProviderState::new(provider);
        }
        known
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
            failure: "cannot look at the PCI bus".to_owned(),
            source: Some(error),
        }
    }

    /// No discovery of the provider has succeeded yet, so its answers to anything else mean nothing.
    pub(super) fn without_discovery(provider: &Provider) -> Self {
        Self {
            failure: format!(
                "no discovery of the provider `{}` has succeeded yet",
                provider.file_name()
            ),
            source: None,
        }
    }

    /// It was asked about some functions, and has not answered about everything since.
    pub(super) fn knows_a_part(provider: &Provider) -> Self {
        let source = sriovdp_sdk::Error::new("it has not said what is on the whole node yet");
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
