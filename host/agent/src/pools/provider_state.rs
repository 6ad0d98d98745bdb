//! The last answer of one provider: its discovery, and the findings of an extension.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sriovdp_providers::{Discovery, Provider, ProviderDevice};
use sriovdp_sdk::{DeviceId, Finding, PciAddress};

/// The state of one provider after its last answer.
#[derive(Debug)]
pub(super) struct ProviderState {
    pub(super) discovery: Discovery,
    /// The scan that took its answer, which may be later than the one that queried it.
    generation: u64,
    /// The functions of which it could not read something.
    unread: BTreeSet<PciAddress>,
    /// The findings of an extension about devices, with their functions; most devices have none.
    findings: HashMap<DeviceId, (Option<PciAddress>, Vec<Finding>)>,
}

impl ProviderState {
    /// The state after a discovery of the functions `part`, or of everything, in the scan `generation`. It follows `before`
    /// if that is of the same provider. The `devices` are those that an extension has findings about.
    pub(super) fn new(
        discovery: Discovery,
        generation: u64,
        unread: Vec<PciAddress>,
        devices: Vec<ProviderDevice>,
        before: Option<&Self>,
        part: Option<&BTreeSet<PciAddress>>,
    ) -> Self {
        let mut state = Self {
            unread: unread.into_iter().collect(),
            findings: HashMap::new(),
            discovery,
            generation,
        };
        let before = before.filter(|before| before.is_of(state.discovery.provider()));
        if let (Some(part), Some(before)) = (part, before) {
            let unread = before.unread.iter();
            state
                .unread
                .extend(unread.filter(|function| !part.contains(function)));
            let findings = before.findings.iter();
            let findings = findings.filter(|(_, (at, _))| at.is_none_or(|at| !part.contains(&at)));
            let findings = findings.map(|(id, findings)| (id.clone(), findings.clone()));
            state.findings.extend(findings);
        }
        let devices = devices.into_iter().filter(|d| !d.findings.is_empty());
        state
            .findings
            .extend(devices.map(|device| (device.id, (device.function, device.findings))));
        state
    }

    /// Whether it is about `provider`, and not about another version of it.
    pub(super) fn is_of(&self, provider: &Arc<Provider>) -> bool {
        Arc::ptr_eq(self.discovery.provider(), provider)
    }

    /// Whether `provider` can discover incrementally what has changed since the scan `generation`.
    pub(super) fn can_continue(&self, provider: &Arc<Provider>, generation: u64) -> bool {
        provider.manifest().is_incremental()
            && self.is_of(provider)
            && self.discovery.generation() == generation
    }

    /// The functions of which it could not read something, if it answered in the scan `generation`.
    pub(super) fn unread(&self, generation: u64) -> impl Iterator<Item = PciAddress> {
        let unread = self.unread.iter().copied();
        unread.filter(move |_| self.generation == generation)
    }

    /// The findings of an extension about a device.
    pub(super) fn findings(&self, id: &DeviceId) -> &[Finding] {
        self.findings.get(id).map_or(&[], |(_, findings)| findings)
    }
}
