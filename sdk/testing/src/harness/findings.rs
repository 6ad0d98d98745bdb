//! What a provider under test says against devices.

use serde_json::Value;

use super::Harness;
use sriovdp_sdk::{FindingKind, PciAddress, Provider};

impl<P: Provider> Harness<P> {
    /// Each device that no new pod may have, and why.
    pub fn unhealthy(&self) -> Vec<(String, String)> {
        let devices = self.found.devices.iter();
        let unhealthy = devices.filter_map(|device| {
            let reason = device.unhealthy.clone()?;
            Some((device.id.to_string(), reason))
        });
        unhealthy.collect()
    }

    /// Each finding of each device: the id, what kind it is, and the reason.
    pub fn findings(&self) -> Vec<(String, FindingKind, String)> {
        let devices = self.found.devices.iter();
        let findings = devices.flat_map(|device| device.findings.iter().map(move |f| (device, f)));
        findings
            .map(|(device, f)| (device.id.to_string(), f.cause, f.reason.clone()))
            .collect()
    }

    /// What speaks against the device `id` for a resource with `selectors` alone: what kind it is, and the reason.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood, or no such device was found.
    #[track_caller]
    pub fn findings_for(&self, selectors: Value, id: &str) -> Vec<(FindingKind, String)> {
        let findings = self.explain(selectors, id).findings.into_iter();
        findings.map(|f| (f.cause, f.reason)).collect()
    }

    /// Why the device `id` does not fit `selectors` by a value that it has, as `key: reason`; nothing when it fits, or when
    /// what the refusing keys ask for cannot be read now.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood, or no such device was found.
    #[track_caller]
    pub fn mismatch(&self, selectors: Value, id: &str) -> Option<String> {
        let explained = self.explain(selectors, id);
        let reason = explained.reason.filter(|_| !explained.unreadable);
        Some(format!("{}: {}", explained.key?, reason?))
    }

    /// The functions of which the last discovery could not read something that is there.
    pub fn unread(&self) -> &[PciAddress] {
        &self.found.unread
    }
}
