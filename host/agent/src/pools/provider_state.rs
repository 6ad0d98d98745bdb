//! What one provider knows by heart: the scan that it answers about, and what an extension said in it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sriovdp_provider_abi::wire;
use sriovdp_sdk::{DeviceId, Finding, PciAddress};

use super::discovered::findings;
use sriovdp_providers::Provider;

/// The state of one provider after its last answer.
#[derive(Debug)]
pub(super) struct ProviderState {
    provider: Arc<Provider>,
    /// The scan that it answered last.
    pub(super) generation: u64,
    /// It was asked about some functions then, and selects among the devices on these.
    partial: bool,
    /// The functions of which it could not read something.
    unread: BTreeSet<PciAddress>,
    /// The devices that an extension named in its last answer, in the order of its positions.
    pub(super) devices: Vec<DeviceId>,
    /// What an extension says against devices, with the functions that they are on; most have nothing.
    findings: HashMap<DeviceId, (Option<PciAddress>, Vec<Finding>)>,
}

impl ProviderState {
    /// The state of `provider`, who has answered for the first time, or is asked about everything again.
    pub(super) fn new(provider: &Arc<Provider>) -> Self {
        Self {
            provider: Arc::clone(provider),
            generation: 0,
            partial: false,
            unread: BTreeSet::new(),
            devices: Vec::new(),
            findings: HashMap::new(),
        }
    }

    /// Whether it is about `provider`, and not about another version of it.
    pub(super) fn is_of(&self, provider: &Arc<Provider>) -> bool {
        Arc::ptr_eq(&self.provider, provider)
    }

    /// Whether `provider` has answered in the scan `generation`, and can say what has changed since.
    pub(super) fn can_go_on(&self, provider: &Arc<Provider>, generation: u64) -> bool {
        provider.manifest().is_incremental()
            && self.is_of(provider)
            && self.generation == generation
    }

    /// Whether it selects among all devices, and not only among those on the functions that it was asked about last.
    pub(super) fn can_select_among_all(&self) -> bool {
        !self.partial
    }

    /// It has answered in the scan `generation` about the functions `part`, or about everything; of `unread` it could
    /// not read something.
    pub(super) fn answered(
        &mut self,
        generation: u64,
        part: Option<&BTreeSet<PciAddress>>,
        unread: Vec<PciAddress>,
    ) {
        self.generation = generation;
        self.partial = part.is_some();
        self.unread
            .retain(|function| part.is_some_and(|part| !part.contains(function)));
        self.unread.extend(unread);
    }

    /// The functions of which it could not read something, in the scan `generation` or before.
    pub(super) fn unread(&self, generation: u64) -> impl Iterator<Item = PciAddress> {
        let unread = self.unread.iter().copied();
        unread.filter(move |_| self.generation == generation)
    }

    /// Takes the answer of an extension about the functions `part`, or about everything.
    pub(super) fn take(&mut self, answer: Vec<wire::Device>, part: Option<&BTreeSet<PciAddress>>) {
        match part {
            Some(part) => self
                .findings
                .retain(|_, (function, _)| function.is_some_and(|on| !part.contains(&on))),
            None => self.findings.clear(),
        }
        self.devices = Vec::with_capacity(answer.len());
        for device in answer {
            let said = findings(device.findings, device.unhealthy);
            // The function is left out where the id says it.
            let function = device.function.or_else(|| device.id.as_str().parse().ok());
            if !said.is_empty() {
                self.findings.insert(device.id.clone(), (function, said));
            }
            self.devices.push(device.id);
        }
    }

    /// What it says against a device.
    pub(super) fn findings(&self, id: &DeviceId) -> &[Finding] {
        self.findings.get(id).map_or(&[], |(_, said)| said)
    }
}
